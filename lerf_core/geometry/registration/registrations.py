"""Registrations, and the maps that they are for images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry.homography import Matrix, as_homography, invert
from lerf_core.geometry.interpolated import DEFAULT_MAX_ERROR, InterpolatedMap
from lerf_core.geometry.maps import Positions, ReadyMap, SampledMap
from lerf_core.geometry.registration.grids import PhysicalGrid
from lerf_core.geometry.registration.transforms import (
    Composition,
    MatrixTransform,
    PlaneTransform,
)
from lerf_core.geometry.whole_pixels import pixel_tolerance

__all__ = ["Registration", "composed", "shows"]

Floats = npt.NDArray[np.float64]
Shape = tuple[int, int]
Pair = tuple[float, float]

# Points along each axis of an output that tell whether it shows anything of an image.
_PROBES = 65


@dataclass(frozen=True, eq=False)
class Registration:
    """What a file says about where an image lies on another.

    Attributes
    ----------
    kind : str
        What the file is, in words.
    transform : PlaneTransform
        From places of the output to places of the input, in physical space.
    output, input : PhysicalGrid or None
        Where pixels lie in it; None: the file does not say.
    is_of_pixels : bool
        Whether the file counts in pixels: sizes of pixels do not go with it.
    notes : tuple of str
        What the user should know: how well landmarks are met.
    """

    kind: str
    transform: PlaneTransform
    output: PhysicalGrid | None = None
    input: PhysicalGrid | None = None
    is_of_pixels: bool = False
    notes: tuple[str, ...] = ()

    def inverted(self) -> Registration:
        """Return the registration of the other image: input and output change places.

        Raises
        ------
        InvalidArgumentError
            If it is no matrix.
        """
        matrix = self.transform.matrix
        if matrix is None:
            raise InvalidArgumentError(f"{self.kind}: it is no matrix, and not inverted")
        return replace(
            self, transform=MatrixTransform(invert(matrix)), output=self.input, input=self.output
        )

    def for_image(
        self,
        shape: Shape,
        *,
        pixel_size: Pair | None = None,
        origin: Pair | None = None,
        output_shape: Shape | None = None,
        output_pixel_size: Pair | None = None,
        output_origin: Pair | None = None,
        max_error: float = DEFAULT_MAX_ERROR,
    ) -> tuple[Matrix | ReadyMap, Shape]:
        """Return what `lerf_core.warp` takes for an image: the inverse map, and the output's shape.

        Parameters
        ----------
        shape : (int, int)
            Rows and columns of the input.
        pixel_size, origin : (float, float), optional
            Sides (x, y) of the input's pixels, and where the centre of the first one lies, in the
            file's units. Default (1, 1) and (0, 0).
        output_shape : (int, int), optional
            Rows and columns of the output. Default: what the file says, or else the input's.
        output_pixel_size, output_origin : (float, float), optional
            The same of the output. Default: what the file says, or else the input's.
        max_error : float, optional
            How far off positions may be by splines, in pixels of the input; 0: not at all.

        Returns
        -------
        inverse_map : ndarray of float64, (3, 3), or ReadyMap
            From the output's pixels to the input's.
        output_shape : (int, int)

        Raises
        ------
        InvalidArgumentError
            If sizes of pixels do not go with the file, or are missing.
        """
        told = (pixel_size, origin, output_pixel_size, output_origin)
        if self.is_of_pixels and any(value is not None for value in told):
            raise InvalidArgumentError(
                f"{self.kind} counts in pixels: sizes and origins do not go with it"
            )
        source = _side("input", self.input, self.output, pixel_size, origin, (1.0, 1.0))
        target = _side(
            "output", self.output, self.input, output_pixel_size, output_origin, source.spacing
        )
        size = output_shape or target.shape or shape
        matrix = self.transform.matrix
        if matrix is not None:
            return as_homography(np.linalg.inv(source.matrix) @ matrix @ target.matrix), size
        if self.transform.is_smooth:
            return SmoothMap(self.transform, source, target, size, max_error=max_error), size
        ready = FieldMap(self.transform, source, target, size, tolerance=pixel_tolerance(shape))
        return ready, size


def composed(registrations: Sequence[Registration]) -> Registration:
    """Return one registration for several, of which the first takes the output's places.

    Parameters
    ----------
    registrations : sequence of Registration
        One at least; each ends in the space that the next begins in.

    Returns
    -------
    Registration
        With the output of the first, and the input of the last.

    Raises
    ------
    InvalidArgumentError
        If some count in pixels, and some do not.
    """
    first, *others = registrations
    if not others:
        return first
    for other in others:
        if other.is_of_pixels != first.is_of_pixels:
            counting = first if first.is_of_pixels else other
            raise InvalidArgumentError(
                f"{counting.kind} counts in pixels: it goes with no other registration"
            )
    return Registration(
        " and ".join(registration.kind for registration in registrations),
        Composition(tuple(registration.transform for registration in registrations)),
        first.output, others[-1].input, first.is_of_pixels,
        tuple(note for registration in registrations for note in registration.notes),
    )  # fmt: skip


def _side(
    name: str,
    stated: PhysicalGrid | None,
    other: PhysicalGrid | None,
    pixel_size: Pair | None,
    origin: Pair | None,
    default: Pair,
) -> PhysicalGrid:
    """Return where the pixels of the input or of the output lie.

    Parameters
    ----------
    name : str
    stated, other : PhysicalGrid or None
        What the file says of this side, and of the other one.
    pixel_size, origin : (float, float) or None
        What the user says of this side.
    default : (float, float)
        Sides of a pixel where nobody says.
    """
    if stated is not None:
        if pixel_size is not None or origin is not None:
            raise InvalidArgumentError(
                f"the file says where the {name}'s pixels lie: its pixel size and origin are not "
                "to be given"
            )
        return stated
    if pixel_size is None and other is not None and other.spacing != (1.0, 1.0):
        x, y = other.spacing
        raise InvalidArgumentError(
            f"by the file the other image has pixels of {x:g} x {y:g}: the {name}'s pixel size has "
            "to be given"
        )
    return PhysicalGrid(pixel_size or default, origin or (0.0, 0.0))


def shows(inverse_map: Matrix | ReadyMap, output_shape: Shape, shape: Shape) -> bool:
    """Whether an output may show anything of an image.

    False where a lattice of points lies beyond one side of the image, by more than its steps.

    Parameters
    ----------
    inverse_map : ndarray of float64, (3, 3), or ReadyMap
        From `Registration.for_image`.
    output_shape, shape : (int, int)
        Rows and columns of the output and of the image.
    """
    ways = (np.linspace(-0.5, size - 0.5, _PROBES) for size in output_shape)
    rows, cols = np.meshgrid(*ways, indexing="ij")
    if isinstance(inverse_map, (SmoothMap, FieldMap)):
        row, col = inverse_map.exact(rows, cols)
    elif isinstance(inverse_map, ReadyMap):
        return True
    else:
        col, row = MatrixTransform(inverse_map)(cols, rows)
    for values, size in ((row, shape[0]), (col, shape[1])):
        if not np.isfinite(values).any():
            return False
        with np.errstate(invalid="ignore"):
            steps = (np.abs(np.diff(values, axis=axis)).ravel() for axis in (0, 1))
            step = np.nanmax(np.append(np.concatenate(list(steps)), 0.0))
        if np.nanmin(values) - step > size - 0.5 or np.nanmax(values) + step < -0.5:
            return False
    return True


# -- maps ---------------------------------------------------------------------------------


def _positions(
    transform: PlaneTransform,
    source: PhysicalGrid,
    target: PhysicalGrid,
    rows: Floats,
    cols: Floats,
) -> Positions:
    """Return source (row, col) of places among the output's pixels, (2, ...); NaN for nowhere."""
    with np.errstate(invalid="ignore", over="ignore"):
        col, row = source.to_pixels(*transform(*target.to_physical(cols, rows)))
    positions = np.stack([row, col])
    positions[:, ~np.isfinite(positions).all(axis=0)] = np.nan
    return positions


@dataclass(frozen=True, eq=False)
class SmoothMap(InterpolatedMap):
    """Where the pixels of an output lie in the input, by splines.

    Attributes
    ----------
    transform : PlaneTransform
    source, target : PhysicalGrid
        Of the input and of the output.
    size : (int, int)
        Rows and columns of the output.
    """

    transform: PlaneTransform
    source: PhysicalGrid
    target: PhysicalGrid
    size: Shape

    @property
    def output_shape(self) -> Shape:
        """See `ReadyMap.output_shape`."""
        return self.size

    def exact(self, rows: Floats, cols: Floats) -> Positions:
        """See `InterpolatedMap.exact`."""
        return _positions(self.transform, self.source, self.target, rows, cols)


@dataclass(frozen=True, eq=False)
class FieldMap(SampledMap, ReadyMap):
    """Where the pixels of an output lie in the input, by a field: each looks it up on its own.

    Attributes
    ----------
    transform, source, target, size
        As of `SmoothMap`.
    """

    transform: PlaneTransform
    source: PhysicalGrid
    target: PhysicalGrid
    size: Shape

    @property
    def output_shape(self) -> Shape:
        """See `ReadyMap.output_shape`."""
        return self.size

    def positions(self, top: int, bottom: int, left: int, right: int) -> Positions:
        """See `SampledMap.positions`."""
        return self.exact(*np.mgrid[top:bottom, left:right].astype(np.float64))

    def exact(self, rows: Floats, cols: Floats) -> Positions:
        """Return source (row, col) of places among the output's pixels, (2, ...)."""
        return _positions(self.transform, self.source, self.target, rows, cols)

    def of_block(self, top: int, left: int, shape: Shape, out_shape: Shape) -> Self:
        """See `InverseMap.of_block`."""
        del shape
        return replace(self, origin=(top, left), out_shape=out_shape)
