"""Maps from output pixels to source positions: homographies, fields and functions.

Convention
----------
Points and matrices are in (x, y) = (col, row) order; x grows to the right, y downwards;
the centre of the first pixel is (0, 0). A *forward* matrix maps source to output, an
*inverse* one output to source: ``warp`` takes the inverse, as scikit-image does. Arrays
of coordinates are in (row, col) order, as arrays are indexed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry.homography import (
    Matrix,
    _real_array,
    as_homography,
)

__all__ = [
    "BoundedMap",
    "Displacement",
    "Homography",
    "InverseMap",
    "LocatedMap",
    "SampledMap",
    "as_inverse_map",
    "field_map",
]

#: (2, rows, cols): source row and col of each output pixel; NaN where there is none.
Positions = npt.NDArray[np.float64]


class InverseMap(Protocol):
    """Tells for a band of output rows where in the source each pixel lies."""

    def locate(self, top: int, bottom: int, shape: tuple[int, int]) -> tuple[Positions, Positions]:
        """Locate output rows top..bottom-1 of an output of the given shape.

        Returns
        -------
        positions : ndarray of float64, (2, bottom - top, cols)
            Source row and col of each pixel; NaN where there is none.
        spans : ndarray of float64, (2, bottom - top, cols)
            Source pixels along each source axis that one output pixel spans: the lengths
            of the rows of the map's derivative.
        """

    def bounds(self, shape: tuple[int, int]) -> Positions | None:
        """Bound what an output of the given shape sees of the source; None: not known.

        Returns
        -------
        ndarray of float64, (2, 3), or None
            For rows and columns the least position, the largest, and the largest span.
        """

    def part(
        self, top: int, left: int, shape: tuple[int, int], whole: tuple[int, int]
    ) -> InverseMap:
        """Return the map of a block of an output: of its `shape`, and the output's, `whole`.

        The block's first pixel, which the map calls (0, 0), is (top, left) of the output; every
        pixel is located to the same bit as in the whole.
        """


@dataclass(frozen=True, eq=False)
class Displacement:
    """A displacement field, to be given to `warp` in place of a matrix.

    Parameters
    ----------
    field : array_like, (2, rows, cols)
        (row, col) steps in source pixels from each output pixel's own position to the
        source position that it shows.
    """

    field: Any


@dataclass(frozen=True, eq=False)
class Homography:
    """An inverse 3x3 matrix, of the sign that makes its depth positive in front.

    Build it with `facing`. Output points of depth <= 0 lie beyond the horizon. Pixel (0, 0) of
    the output is `origin`, (row, col), for the matrix.
    """

    matrix: Matrix
    origin: tuple[int, int] = (0, 0)

    @classmethod
    def facing(cls, inverse: npt.ArrayLike, shape: tuple[int, int]) -> Homography:
        """Choose the matrix's sign so that the centre of the source lies in front."""
        matrix = as_homography(inverse)
        matrix = matrix / np.abs(matrix).max()
        centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2, 1.0])
        depth = (np.linalg.inv(matrix) @ centre)[2]
        # A centre on the horizon decides nothing: then the sign of the last row does.
        if abs(depth) < 1e-12:
            depth = matrix[2][np.flatnonzero(matrix[2])[-1]]
        return cls(-matrix if depth < 0 else matrix)

    def locate(self, top: int, bottom: int, shape: tuple[int, int]) -> tuple[Positions, Positions]:
        """See `InverseMap.locate`; NaN beyond the horizon, spans as well."""
        m = self.matrix
        down, right = self.origin
        x = np.arange(right, right + shape[1], dtype=np.float64)[None, :]
        y = np.arange(down + top, down + bottom, dtype=np.float64)[:, None]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            depth = (m[2, 0] * x + m[2, 1] * y) + m[2, 2]
            row = ((m[1, 0] * x + m[1, 1] * y) + m[1, 2]) / depth
            col = ((m[0, 0] * x + m[0, 1] * y) + m[0, 2]) / depth
            row_x, row_y = (m[1, 0] - row * m[2, 0]) / depth, (m[1, 1] - row * m[2, 1]) / depth
            col_x, col_y = (m[0, 0] - col * m[2, 0]) / depth, (m[0, 1] - col * m[2, 1]) / depth
            spans = np.stack(
                [
                    np.sqrt(row_x * row_x + row_y * row_y),
                    np.sqrt(col_x * col_x + col_y * col_y),
                ]
            )
        positions = np.stack([row, col])
        beyond = ~(depth > 0)
        positions[:, beyond] = spans[:, beyond] = np.nan
        return positions, spans

    def bounds(self, shape: tuple[int, int]) -> Positions | None:
        """See `InverseMap.bounds`; not known if the horizon is in sight."""
        bottom, right = shape[0] - 1.0, shape[1] - 1.0
        ends = np.array([[0.0, 0.0], [right, 0.0], [0.0, bottom], [right, bottom]])
        with np.errstate(all="ignore"):
            if not (ends @ self.matrix_here[2, :2] + self.matrix_here[2, 2]).min() > 0:
                return None
            bounds = np.array(self.extremes(ends))
        return bounds if np.isfinite(bounds).all() else None

    @property
    def matrix_here(self) -> Matrix:
        """The matrix that calls the output's first pixel (0, 0); rounded, unlike `locate`."""
        down, right = self.origin
        moved: Matrix = self.matrix @ np.array([[1.0, 0, right], [0, 1.0, down], [0, 0, 1.0]])
        return moved

    def extremes(self, corners: npt.NDArray[np.float64]) -> list[tuple[float, float, float]]:
        """Bound what a convex polygon in front of the horizon sees; as `bounds`.

        It becomes a polygon whose corners, (x, y), lie farthest out. The derivative of a/d is
        (a' d - a d') / d**2; along x, its numerator does not depend on x.
        """
        x, y = corners.T
        m = self.matrix_here
        found = []
        with np.errstate(all="ignore"):
            depth = m[2, 0] * x + m[2, 1] * y + m[2, 2]
            for a, b, c in (m[1], m[0]):
                position = (a * x + b * y + c) / depth
                along_x = np.abs(a * (m[2, 1] * y + m[2, 2]) - m[2, 0] * (b * y + c)).max()
                along_y = np.abs(b * (m[2, 0] * x + m[2, 2]) - m[2, 1] * (a * x + c)).max()
                span = np.hypot(along_x, along_y) / depth.min() ** 2
                found.append((float(position.min()), float(position.max()), float(span)))
        return found

    def part(
        self,
        top: int,
        left: int,
        shape: tuple[int, int],  # noqa: ARG002
        whole: tuple[int, int],  # noqa: ARG002
    ) -> Homography:
        """See `InverseMap.part`."""
        down, right = self.origin
        return Homography(self.matrix, (down + top, right + left))


@dataclass(frozen=True, eq=False)
class SampledMap:
    """Base of the maps without a derivative of their own: differences of positions.

    Attributes
    ----------
    origin : (int, int)
        Row and column of the map's first pixel in the output that it is part of.
    whole : (int, int) or None
        Rows and columns of that output; None: the map is all of it.
    """

    origin: tuple[int, int] = field(default=(0, 0), kw_only=True)
    whole: tuple[int, int] | None = field(default=None, kw_only=True)

    def positions(self, top: int, bottom: int, left: int, right: int) -> Positions:
        """Return the positions of a block of the whole output, in an array of their own."""
        raise NotImplementedError

    def bounds(self, shape: tuple[int, int]) -> Positions | None:  # noqa: ARG002
        """See `InverseMap.bounds`; not known before all positions are."""
        return None

    def part(
        self,
        top: int,
        left: int,
        shape: tuple[int, int],  # noqa: ARG002
        whole: tuple[int, int],
    ) -> SampledMap:
        """See `InverseMap.part`."""
        return replace(self, origin=(top, left), whole=whole)

    def with_neighbours(
        self, top: int, bottom: int, shape: tuple[int, int]
    ) -> tuple[Positions, tuple[int, int]]:
        """Return positions of the band and of the pixels that touch it, and which is its first."""
        (down, across), (rows, cols) = self.origin, self.whole or shape
        above, below = max(0, down + top - 1), min(rows, down + bottom + 1)
        left, right = max(0, across - 1), min(cols, across + shape[1] + 1)
        return self.positions(above, below, left, right), (down + top - above, across - left)

    def locate(self, top: int, bottom: int, shape: tuple[int, int]) -> tuple[Positions, Positions]:
        """See `InverseMap.locate`; central differences, one-sided at the output's border."""
        field, (row, col) = self.with_neighbours(top, bottom, shape)
        squares = np.zeros_like(field)
        band = (slice(None), slice(row, row + bottom - top), slice(col, col + shape[1]))
        with np.errstate(invalid="ignore", over="ignore"):
            for axis in (1, 2):
                if field.shape[axis] > 1:
                    squares += np.gradient(field, axis=axis) ** 2
            return field[band], np.sqrt(squares[band])


@dataclass(frozen=True, eq=False)
class _Field(SampledMap):
    """A field whose first value belongs to pixel `corner` of the whole output."""

    field: npt.NDArray[np.floating[Any]]
    corner: tuple[int, int] = (0, 0)

    def positions(self, top: int, bottom: int, left: int, right: int) -> Positions:
        down, across = self.corner
        inner = self.field[:, top - down : bottom - down, left - across : right - across]
        return np.array(inner, dtype=np.float64)

    def part(self, top: int, left: int, shape: tuple[int, int], whole: tuple[int, int]) -> _Field:
        """See `InverseMap.part`; keeps the block's values and its neighbours' alone."""
        down, across = self.corner
        above, before = max(0, top - 1), max(0, left - 1)
        inner = self.field[
            :,
            above - down : top + shape[0] + 1 - down,
            before - across : left + shape[1] + 1 - across,
        ]
        return replace(self, field=inner, corner=(above, before), origin=(top, left), whole=whole)


class _Absolute(_Field):
    pass


class _Relative(_Field):
    def positions(self, top: int, bottom: int, left: int, right: int) -> Positions:
        result = super().positions(top, bottom, left, right)
        result[0] += np.arange(top, bottom, dtype=np.float64)[:, None]
        result[1] += np.arange(left, right, dtype=np.float64)
        return result


def field_map(
    field: npt.NDArray[np.floating[Any]],
    corner: tuple[int, int],
    whole: tuple[int, int],
    *,
    is_relative: bool,
) -> InverseMap:
    """Return the map of a part of a field, (2, rows, cols), that begins at a corner of it."""
    kind = _Relative if is_relative else _Absolute
    return kind(field, corner, whole=whole)


@dataclass(frozen=True, eq=False)
class BoundedMap(SampledMap):
    """A displacement field of which nothing is known but that no step is longer than `most`."""

    most: float

    def bounds(self, shape: tuple[int, int]) -> Positions:
        """See `InverseMap.bounds`."""
        # A derivative is a difference of two steps over two pixels, or over one at the border.
        span = np.hypot(1 + 2 * self.most, 2 * self.most)
        return np.array(
            [
                (first - self.most, first + size - 1 + self.most, span)
                for first, size in zip(self.origin, shape, strict=True)
            ]
        )


@dataclass(frozen=True, eq=False)
class LocatedMap:
    """A block of a map of which every position and footprint has been found before.

    Attributes
    ----------
    positions, footprints : ndarray of float64, (2, rows, cols)
        See `InverseMap.locate`.
    """

    positions: Positions
    footprints: Positions

    def locate(
        self,
        top: int,
        bottom: int,
        shape: tuple[int, int],  # noqa: ARG002
    ) -> tuple[Positions, Positions]:
        """See `InverseMap.locate`."""
        return self.positions[:, top:bottom], self.footprints[:, top:bottom]

    def bounds(self, shape: tuple[int, int]) -> None:  # noqa: ARG002
        """See `InverseMap.bounds`; not known before all positions are looked at."""
        return

    def part(
        self,
        top: int,
        left: int,
        shape: tuple[int, int],
        whole: tuple[int, int],  # noqa: ARG002
    ) -> LocatedMap:
        """See `InverseMap.part`."""
        block = (slice(None), slice(top, top + shape[0]), slice(left, left + shape[1]))
        return LocatedMap(self.positions[block], self.footprints[block])


@dataclass(frozen=True, eq=False)
class _Function(SampledMap):
    function: Callable[[npt.NDArray[np.float64]], npt.ArrayLike]

    def positions(self, top: int, bottom: int, left: int, right: int) -> Positions:
        y, x = np.mgrid[top:bottom, left:right]
        points = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
        mapped = _real_array("what inverse_map returns", self.function(points))
        if mapped.shape != points.shape:
            raise InvalidArgumentError(
                f"inverse_map must return an array of shape {points.shape}, got {mapped.shape}"
            )
        return np.stack([mapped[:, 1].reshape(y.shape), mapped[:, 0].reshape(y.shape)])


def as_inverse_map(
    inverse_map: object, input_shape: tuple[int, int], output_shape: tuple[int, int] | None
) -> tuple[InverseMap, tuple[int, int]]:
    """Return the map that `warp` was given, in one form, and the output's rows and columns."""
    if isinstance(inverse_map, Displacement):
        field = _checked_field(inverse_map.field, "displacement field", output_shape)
        return _Relative(field), (field.shape[1], field.shape[2])
    shape = input_shape if output_shape is None else output_shape
    if callable(inverse_map):
        return _Function(inverse_map), shape
    if not isinstance(inverse_map, (np.ndarray, list, tuple)):
        raise InvalidTypeError(
            "inverse_map must be a 3x3 or 2x3 matrix, a (2, rows, cols) array of coordinates, "
            f"a Displacement or a callable, got {type(inverse_map).__name__}"
        )
    if not isinstance(inverse_map, np.ndarray):
        inverse_map = _real_array("inverse_map", inverse_map)
    if inverse_map.ndim == 3:
        field = _checked_field(inverse_map, "coordinates", output_shape)
        return _Absolute(field), (field.shape[1], field.shape[2])
    return Homography.facing(inverse_map, input_shape), shape


def _checked_field(
    field: object, what: str, output_shape: tuple[int, int] | None
) -> npt.NDArray[np.floating[Any]]:
    array = field if isinstance(field, np.ndarray) else _real_array(what, field)
    if array.ndim != 3 or array.shape[0] != 2 or 0 in array.shape:
        raise InvalidArgumentError(f"{what} must have shape (2, rows, cols), got {array.shape}")
    if array.dtype.kind not in "fiu":
        raise InvalidTypeError(f"{what} must be real numbers, got {array.dtype}")
    if output_shape is not None and array.shape[1:] != tuple(output_shape):
        raise InvalidArgumentError(
            f"{what} of shape {array.shape} do not fit output_shape {tuple(output_shape)}"
        )
    return array
