"""Maps from output pixels to source positions: homographies, fields and functions.

Convention
----------
That of `lerf_core.geometry.homography`; arrays of positions are in (row, col) order.
"""

# ruff: noqa: ARG002 - each map uses some of the arguments that all are given

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry.homography import Matrix, as_homography, real_array
from lerf_core.geometry.whole_pixels import copied_pixels, pixel_tolerance, whole_pixel_matrix

__all__ = [
    "BoundedMap",
    "Displacement",
    "Homography",
    "InverseMap",
    "Located",
    "LocatedMap",
    "ReadyMap",
    "SampledMap",
    "as_inverse_map",
    "field_map",
]

#: (2, rows, cols): source row and col of each output pixel; NaN where there is none.
Positions = npt.NDArray[np.float64]
Field = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
Shape = tuple[int, int]

# What an affine matrix may have in its last row: rounding of the inversion.
_AFFINE_TOLERANCE = 1e-14
# Source pixels that a field's positions may lie off those of an affine map: float32's rounding.
_FIELD_TOLERANCE = 1e-3


class Located(NamedTuple):
    """Where a band of output rows lies in the source.

    Attributes
    ----------
    positions : ndarray of float64, (2, rows, cols)
        Source row and col of each pixel; NaN where there is none.
    footprints : ndarray of float64, (2, rows, cols)
        How many source pixels each output pixel spans along each source axis: the lengths
        of the rows of the map's derivative.
    copied : ndarray of bool, (rows, cols), or None
        Which pixels are copies of source pixels: their positions are whole numbers, and their
        footprints 1. None: none of them. See `lerf_core.geometry.whole_pixels`.
    """

    positions: Positions
    footprints: Positions
    copied: Mask | None

    @classmethod
    def snapped(cls, positions: Positions, footprints: Positions, copied: Mask | None) -> Located:
        """Put the copied pixels onto the source's, in place."""
        if copied is not None:
            np.copyto(positions, np.rint(positions), where=copied)
            footprints[:, copied] = 1.0
        return cls(positions, footprints, copied)


class InverseMap(Protocol):
    """Tells for a band of output rows where in the source each pixel lies."""

    def locate(self, top: int, bottom: int, shape: Shape) -> Located:
        """Locate output rows top..bottom-1 of an output of the given shape."""

    def extents(self, shape: Shape) -> Positions | None:
        """Bound what an output of the given shape sees of the source; None: not known.

        Returns
        -------
        ndarray of float64, (2, 3), or None
            For rows and columns the least position, the largest, and the largest footprint.
        """

    def affine(self) -> Positions | None:
        """Return the (2, 3) matrix from (row, col, 1) of the output to (row, col) of the source.

        None where the map is not affine, or not known to be.
        """

    def of_block(self, top: int, left: int, shape: Shape, out_shape: Shape) -> InverseMap:
        """Return the map of a block of an output; it locates every pixel to the same bit.

        Parameters
        ----------
        top, left : int
            Row and column of the block's first pixel, which the block's map calls (0, 0).
        shape, out_shape : (int, int)
            Rows and columns of the block, and of the output.
        """


class ReadyMap(ABC):
    """Base of inverse maps that are given to `warp` as they are, and know their output's shape."""

    @property
    @abstractmethod
    def output_shape(self) -> Shape:
        """Rows and columns of the whole output."""

    @abstractmethod
    def locate(self, top: int, bottom: int, shape: Shape) -> Located:
        """See `InverseMap.locate`."""

    @abstractmethod
    def extents(self, shape: Shape) -> Positions | None:
        """See `InverseMap.extents`."""

    def affine(self) -> Positions | None:
        """See `InverseMap.affine`."""
        return None

    @abstractmethod
    def of_block(self, top: int, left: int, shape: Shape, out_shape: Shape) -> Self:
        """See `InverseMap.of_block`."""


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


# -- homographies -----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Homography:
    """An inverse 3x3 matrix, of the sign that makes its depth positive in front.

    Build it with `from_inverse`. Output points of depth <= 0 lie beyond the horizon.

    Attributes
    ----------
    matrix : ndarray of float64, (3, 3)
        From output (x, y, 1) to source (x, y, depth).
    origin : (int, int)
        Row and column, for the matrix, of the output's pixel (0, 0).
    moves_pixels : bool
        Whether every output pixel is a copy: the matrix is affine, and of whole numbers.
    """

    matrix: Matrix
    origin: tuple[int, int] = (0, 0)
    moves_pixels: bool = False

    @classmethod
    def from_inverse(
        cls, inverse: npt.ArrayLike, shape: Shape, out_shape: Shape | None = None
    ) -> Homography:
        """Make the map of a matrix, whose sign is chosen: the centre of the source lies in front.

        Parameters
        ----------
        inverse : array_like, (3, 3) or (2, 3)
            From output (x, y, 1) to source (x, y, depth).
        shape, out_shape : (int, int)
            Rows and columns of the source, and of the output: None for the same.
        """
        matrix = as_homography(inverse)
        matrix = matrix / np.abs(matrix).max()
        whole = whole_pixel_matrix(matrix, shape, out_shape or shape)
        if whole is not None:
            return cls(whole, moves_pixels=True)
        centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2, 1.0])
        depth = (np.linalg.inv(matrix) @ centre)[2]
        # A centre on the horizon decides nothing: then the sign of the last row does.
        if abs(depth) < 1e-12:
            depth = matrix[2][np.flatnonzero(matrix[2])[-1]]
        return cls(-matrix if depth < 0 else matrix)

    def locate(self, top: int, bottom: int, shape: Shape) -> Located:
        """See `InverseMap.locate`; NaN beyond the horizon, footprints as well."""
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
            footprints = np.stack(
                [
                    np.sqrt(row_x * row_x + row_y * row_y),
                    np.sqrt(col_x * col_x + col_y * col_y),
                ]
            )
        positions = np.stack([row, col])
        beyond = ~(depth > 0)
        positions[:, beyond] = footprints[:, beyond] = np.nan
        copied = np.ones(row.shape, np.bool_) if self.moves_pixels else None
        return Located.snapped(positions, footprints, copied)

    def extents(self, shape: Shape) -> Positions | None:
        """See `InverseMap.extents`; not known if the horizon is in sight."""
        bottom, right = shape[0] - 1.0, shape[1] - 1.0
        corners = np.array([[0.0, 0.0], [right, 0.0], [0.0, bottom], [right, bottom]])
        depth = self.block_matrix[2]
        with np.errstate(all="ignore"):
            if not (corners @ depth[:2] + depth[2]).min() > 0:
                return None
            extents = np.array(self.polygon_extents(corners))
        return extents if np.isfinite(extents).all() else None

    def affine(self) -> Positions | None:
        """See `InverseMap.affine`."""
        (a, b, c), (d, e, f), (g, h, depth) = self.block_matrix.tolist()
        if max(abs(g), abs(h)) > _AFFINE_TOLERANCE * abs(depth):
            return None
        return np.array([[e, d, f], [b, a, c]]) / float(depth)

    @property
    def block_matrix(self) -> Matrix:
        """The matrix of the block, from its (x, y, 1); rounded, unlike what `locate` computes."""
        down, right = self.origin
        block_matrix: Matrix = self.matrix @ np.array(
            [[1.0, 0, right], [0, 1.0, down], [0, 0, 1.0]]
        )
        return block_matrix

    def polygon_extents(self, corners: npt.NDArray[np.float64]) -> list[tuple[float, float, float]]:
        """Bound what a convex polygon in front of the horizon sees.

        Parameters
        ----------
        corners : ndarray of float64, (N, 2)
            Of the polygon, (x, y) in the output.

        Returns
        -------
        list of (float, float, float)
            As the rows of `extents`.
        """
        # The polygon becomes one whose corners lie farthest out. The derivative of a/d is
        # (a' d - a d') / d**2; along x, its numerator does not depend on x.
        x, y = corners.T
        m = self.block_matrix
        extents = []
        with np.errstate(all="ignore"):
            depth = m[2, 0] * x + m[2, 1] * y + m[2, 2]
            for a, b, c in (m[1], m[0]):
                position = (a * x + b * y + c) / depth
                along_x = np.abs(a * (m[2, 1] * y + m[2, 2]) - m[2, 0] * (b * y + c)).max()
                along_y = np.abs(b * (m[2, 0] * x + m[2, 2]) - m[2, 1] * (a * x + c)).max()
                footprint = np.hypot(along_x, along_y) / depth.min() ** 2
                extents.append((float(position.min()), float(position.max()), float(footprint)))
        return extents

    def of_block(self, top: int, left: int, shape: Shape, out_shape: Shape) -> Homography:
        """See `InverseMap.of_block`."""
        down, right = self.origin
        return replace(self, origin=(down + top, right + left))


# -- maps by positions ------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class SampledMap(ABC):
    """Base of the maps without a derivative of their own: it is differences of positions.

    Attributes
    ----------
    origin : (int, int)
        Row and column of the map's first pixel in the output that it is part of.
    out_shape : (int, int) or None
        Rows and columns of that output; None: the map is all of it.
    tolerance : float
        How far from a pixel's centre a position still counts as on it, in source pixels.
    """

    origin: tuple[int, int] = field(default=(0, 0), kw_only=True)
    out_shape: Shape | None = field(default=None, kw_only=True)
    tolerance: float = field(default=0.0, kw_only=True)

    @abstractmethod
    def positions(self, top: int, bottom: int, left: int, right: int) -> Positions:
        """Return the positions of a block of the whole output, in an array of their own."""

    def affine(self) -> Positions | None:
        """See `InverseMap.affine`; not known before all positions are looked at."""
        return None

    def extents(self, shape: Shape) -> Positions | None:
        """See `InverseMap.extents`; not known before all positions are."""
        return None

    def of_block(self, top: int, left: int, shape: Shape, out_shape: Shape) -> SampledMap:
        """See `InverseMap.of_block`."""
        return replace(self, origin=(top, left), out_shape=out_shape)

    def with_neighbours(
        self, top: int, bottom: int, shape: Shape
    ) -> tuple[Positions, tuple[int, int]]:
        """Return positions of the band and of the pixels that touch it, and where the band begins.

        Returns
        -------
        positions : ndarray of float64, (2, rows, cols)
        first : (int, int)
            Row and column among these of the band's first pixel.
        """
        (down, across), (rows, cols) = self.origin, self.out_shape or shape
        above, below = max(0, down + top - 1), min(rows, down + bottom + 1)
        left, right = max(0, across - 1), min(cols, across + shape[1] + 1)
        return self.positions(above, below, left, right), (down + top - above, across - left)

    def locate(self, top: int, bottom: int, shape: Shape) -> Located:
        """See `InverseMap.locate`; central differences, one-sided at the output's border."""
        positions, (row, col) = self.with_neighbours(top, bottom, shape)
        size = (bottom - top, shape[1])
        copied = copied_pixels(positions, (row, col), size, self.tolerance)
        squares = np.zeros_like(positions)
        band = (slice(None), slice(row, row + bottom - top), slice(col, col + shape[1]))
        with np.errstate(invalid="ignore", over="ignore"):
            for axis in (1, 2):
                if positions.shape[axis] > 1:
                    squares += np.gradient(positions, axis=axis) ** 2
            footprints = np.sqrt(squares[band])
        return Located.snapped(positions[band], footprints, copied)


@dataclass(frozen=True, eq=False)
class PositionField(SampledMap):
    """A field of source positions.

    Attributes
    ----------
    field : ndarray of float, (2, rows, cols)
        (row, col).
    corner : (int, int)
        The pixel of the whole output that the field's first value belongs to.
    """

    field: Field
    corner: tuple[int, int] = (0, 0)

    def positions(self, top: int, bottom: int, left: int, right: int) -> Positions:
        """See `SampledMap.positions`."""
        down, across = self.corner
        block = self.field[:, top - down : bottom - down, left - across : right - across]
        return np.array(block, dtype=np.float64)

    def affine(self) -> Positions | None:
        """See `InverseMap.affine`; every position is looked at, row by row."""
        rows, cols = self.field.shape[1:]
        if min(rows, cols) < 2 or self.corner != (0, 0):
            return None
        first, last = (self.positions(row, row + 1, 0, cols)[:, 0] for row in (0, rows - 1))
        along_rows = (last[:, 0] - first[:, 0]) / (rows - 1)
        along_cols = (first[:, -1] - first[:, 0]) / (cols - 1)
        steps = along_cols[:, None] * np.arange(cols)
        for row in range(rows):
            wanted = (first[:, 0] + row * along_rows)[:, None] + steps
            found = self.positions(row, row + 1, 0, cols)[:, 0]
            # Written so that NaN, a pixel that comes from nowhere, is a difference too.
            if not np.abs(found - wanted).max() <= _FIELD_TOLERANCE:
                return None
        return np.stack([along_rows, along_cols, first[:, 0]], axis=1)

    def of_block(self, top: int, left: int, shape: Shape, out_shape: Shape) -> PositionField:
        """See `InverseMap.of_block`; keeps the block's values and its neighbours' alone."""
        down, across = self.corner
        above, before = max(0, top - 1), max(0, left - 1)
        block = self.field[
            :,
            above - down : top + shape[0] + 1 - down,
            before - across : left + shape[1] + 1 - across,
        ]
        return replace(
            self, field=block, corner=(above, before), origin=(top, left), out_shape=out_shape
        )


class DisplacementField(PositionField):
    """A field of (row, col) steps from each output pixel's own position to the source's."""

    def positions(self, top: int, bottom: int, left: int, right: int) -> Positions:
        """See `SampledMap.positions`."""
        positions = super().positions(top, bottom, left, right)
        positions[0] += np.arange(top, bottom, dtype=np.float64)[:, None]
        positions[1] += np.arange(left, right, dtype=np.float64)
        return positions


def field_map(
    field: Field,
    corner: tuple[int, int],
    input_shape: Shape,
    out_shape: Shape,
    *,
    is_relative: bool,
) -> InverseMap:
    """Return the map of a part of a field.

    Parameters
    ----------
    field : ndarray of float, (2, rows, cols)
        The part's positions, or its displacements if `is_relative`.
    corner : (int, int)
        Row and column of its first value in the field.
    input_shape, out_shape : (int, int)
        Rows and columns of the source, and of the field.
    """
    kind = DisplacementField if is_relative else PositionField
    return kind(field, corner, out_shape=out_shape, tolerance=pixel_tolerance(input_shape))


@dataclass(frozen=True, eq=False)
class FunctionMap(SampledMap):
    """A function from (N, 2) output points, (x, y), to as many source points."""

    function: Callable[[npt.NDArray[np.float64]], npt.ArrayLike]

    def positions(self, top: int, bottom: int, left: int, right: int) -> Positions:
        """See `SampledMap.positions`."""
        y, x = np.mgrid[top:bottom, left:right]
        points = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
        mapped = real_array("what inverse_map returns", self.function(points))
        if mapped.shape != points.shape:
            raise InvalidArgumentError(
                f"inverse_map must return an array of shape {points.shape}, got {mapped.shape}"
            )
        return np.stack([mapped[:, 1].reshape(y.shape), mapped[:, 0].reshape(y.shape)])


@dataclass(frozen=True, eq=False)
class LocatedMap:
    """A block of a map of which every position and footprint has been found before.

    Attributes
    ----------
    located : Located
        Of all rows.
    """

    located: Located

    def locate(self, top: int, bottom: int, shape: Shape) -> Located:
        """See `InverseMap.locate`."""
        return self._cut((slice(top, bottom), slice(None)))

    def extents(self, shape: Shape) -> Positions | None:
        """See `InverseMap.extents`; not known before all positions are looked at."""
        return None

    def affine(self) -> Positions | None:
        """See `InverseMap.affine`; a block's is asked of the whole map."""
        return None

    def of_block(self, top: int, left: int, shape: Shape, out_shape: Shape) -> LocatedMap:
        """See `InverseMap.of_block`."""
        return LocatedMap(self._cut((slice(top, top + shape[0]), slice(left, left + shape[1]))))

    def _cut(self, block: tuple[slice, slice]) -> Located:
        positions, footprints, copied = self.located
        within = (slice(None), *block)
        return Located(
            positions[within], footprints[within], None if copied is None else copied[block]
        )


@dataclass(frozen=True, eq=False)
class BoundedMap(SampledMap):
    """A displacement field of which nothing is known but the length of its longest step.

    It has extents, and no positions.

    Attributes
    ----------
    longest_step : float
        In pixels along an axis; may be infinite.
    """

    longest_step: float

    def positions(self, top: int, bottom: int, left: int, right: int) -> Positions:
        """Not known."""
        raise NotImplementedError("only the extents of this map are known")

    def extents(self, shape: Shape) -> Positions:
        """See `InverseMap.extents`."""
        step = self.longest_step
        # A derivative is a difference of two steps over two pixels, or over one at the border.
        footprint = np.hypot(1 + 2 * step, 2 * step)
        return np.array(
            [
                (first - step, first + size - 1 + step, footprint)
                for first, size in zip(self.origin, shape, strict=True)
            ]
        )


# -- from what users give ---------------------------------------------------------


def as_inverse_map(
    inverse_map: object, input_shape: Shape, output_shape: Shape | None
) -> tuple[InverseMap, Shape]:
    """Return the map that `warp` was given, and the output's rows and columns.

    Parameters
    ----------
    inverse_map : array_like, Displacement, ReadyMap or callable
        See `lerf_core.warp`.
    input_shape : (int, int)
        Rows and columns of the source.
    output_shape : (int, int) or None
        Those that are asked for; None: the field's, or else the source's.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If it is no map, or does not fit the shape.
    """
    if isinstance(inverse_map, ReadyMap):
        if output_shape not in {None, inverse_map.output_shape}:
            raise InvalidArgumentError(
                f"the map is of an output of {inverse_map.output_shape}, got output_shape "
                f"{output_shape}"
            )
        return inverse_map, inverse_map.output_shape
    if isinstance(inverse_map, Displacement):
        field = _checked_field(inverse_map.field, "displacement field", output_shape)
        return _whole_field(field, input_shape, is_relative=True)
    shape = input_shape if output_shape is None else output_shape
    if callable(inverse_map):
        return FunctionMap(inverse_map, tolerance=pixel_tolerance(input_shape)), shape
    if not isinstance(inverse_map, (np.ndarray, list, tuple)):
        raise InvalidTypeError(
            "inverse_map must be a 3x3 or 2x3 matrix, a (2, rows, cols) array of coordinates, "
            f"a Displacement, a Reprojection or a callable, got {type(inverse_map).__name__}"
        )
    if not isinstance(inverse_map, np.ndarray):
        inverse_map = real_array("inverse_map", inverse_map)
    if inverse_map.ndim == 3:
        field = _checked_field(inverse_map, "coordinates", output_shape)
        return _whole_field(field, input_shape, is_relative=False)
    return Homography.from_inverse(inverse_map, input_shape, shape), shape


def _whole_field(
    field: Field, input_shape: Shape, *, is_relative: bool
) -> tuple[InverseMap, Shape]:
    shape = (field.shape[1], field.shape[2])
    return field_map(field, (0, 0), input_shape, shape, is_relative=is_relative), shape


def _checked_field(field: object, name: str, output_shape: Shape | None) -> Field:
    array = field if isinstance(field, np.ndarray) else real_array(name, field)
    if array.ndim != 3 or array.shape[0] != 2 or 0 in array.shape:
        raise InvalidArgumentError(f"{name} must have shape (2, rows, cols), got {array.shape}")
    if array.dtype.kind not in "fiu":
        raise InvalidTypeError(f"{name} must be real numbers, got {array.dtype}")
    if output_shape is not None and array.shape[1:] != tuple(output_shape):
        raise InvalidArgumentError(
            f"{name} of shape {array.shape} do not fit output_shape {tuple(output_shape)}"
        )
    return array
