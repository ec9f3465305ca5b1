"""Source coordinates of a band of output pixels, by compiled kernels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lerf_core.backends.numba.entry_points import (
    coordinate_rows,
    copied_rows,
    footprint_rows,
    homography_rows,
)
from lerf_core.geometry.maps import Homography, InverseMap, Located, SampledMap
from lerf_core.sampling.borders import fold_period, is_periodic
from lerf_core.sampling.coordinates import SourceCoordinates

__all__ = ["source_coordinates"]


def source_coordinates(
    mapping: InverseMap,
    top: int,
    bottom: int,
    shape: tuple[int, int],
    out_shape: tuple[int, int],
    mode: str,
    *,
    anti_aliasing: bool,
    reach: float = 1.0,
) -> SourceCoordinates:
    """Find where output rows top..bottom-1 lie in the source.

    Arguments as `Backend.source_coordinates` has them. Homographies are located by a kernel,
    other maps locate their pixels themselves.
    """
    size = (bottom - top, out_shape[1])
    buffers = _Buffers(size)
    periods = [fold_period(length, mode) if is_periodic(mode) else (0.0, 0) for length in shape]
    clips, constant, wraps = not is_periodic(mode), mode == "constant", mode == "wrap"
    border = (*shape, clips, constant, wraps, *periods[0], *periods[1], anti_aliasing, reach)
    if isinstance(mapping, Homography) and not mapping.moves_pixels:
        down, across = mapping.origin
        any_scaled = homography_rows(mapping.matrix, down + top, across, *buffers.arrays, *border)
        return buffers.result(any_scaled=any_scaled)
    if isinstance(mapping, SampledMap):
        field, (first, left) = mapping.with_neighbours(top, bottom, out_shape)
        positions = field[:, first : first + size[0], left : left + size[1]]
        footprints = np.empty((2, *size))
        footprint_rows(field, first, left, footprints)
        copied = np.empty(size, np.bool_)
        any_copied = copied_rows(field, first, left, mapping.tolerance, copied)
        located = Located.snapped(positions, footprints, copied if any_copied else None)
    else:
        located = mapping.locate(top, bottom, out_shape)
    buffers.row[...], buffers.col[...] = located.positions
    buffers.row_scale[...], buffers.col_scale[...] = located.footprints
    any_scaled = coordinate_rows(*buffers.arrays, *border)
    return buffers.result(located.copied, any_scaled=any_scaled)


class _Buffers:
    """The arrays that the kernels fill, for a band of (rows, cols)."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.row, self.col = np.empty(size), np.empty(size)
        self.row_scale, self.col_scale = np.empty(size), np.empty(size)
        # Untouched memory costs nothing: most bands have few such pixels.
        count = size[0] * size[1]
        self.uncovered = np.empty(count, np.int64)
        self.partially_covered = np.empty(count, np.int64)
        self.coverage = np.empty(count)
        self.visible_columns = np.empty((size[0], 2), np.int64)
        self.counts = np.zeros(2, np.int64)

    @property
    def arrays(self) -> tuple[npt.NDArray[np.generic], ...]:
        """In the order that kernels take them."""
        return (
            self.row, self.col, self.row_scale, self.col_scale, self.visible_columns,
            self.uncovered, self.partially_covered, self.coverage, self.counts,
        )  # fmt: skip

    def result(
        self, copied: npt.NDArray[np.bool_] | None = None, *, any_scaled: bool
    ) -> SourceCoordinates:
        """Return what has been filled in, without filter scales that are all 1."""
        uncovered, partial = self.counts
        return SourceCoordinates(
            self.row,
            self.col,
            (self.row_scale, self.col_scale) if any_scaled else None,
            self.visible_columns,
            self.uncovered[:uncovered].copy(),
            self.partially_covered[:partial].copy(),
            self.coverage[:partial].copy(),
            np.empty(0, np.int64) if copied is None else np.flatnonzero(copied),
        )
