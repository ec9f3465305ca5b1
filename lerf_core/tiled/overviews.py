"""Levels of a pyramid by the learned function that shrinks, each tile from the level below."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lerf_core.execution.planning import plan_resize
from lerf_core.pixels.format import holds_intensities
from lerf_core.tiled.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from lerf_core.execution.plan import Plan
    from lerf_core.io.tiles.regions import Region
    from lerf_core.io.tiles.tiled_reader import TiledReader
    from lerf_core.io.tiles.tiled_writer import WriterSpec

__all__ = ["ShrunkLevels"]

Pixels = np.ndarray[Any, np.dtype[Any]]

# For integers that would pass for labels. Means do not depend on it, but for float32's rounding,
# which is that of the values where the range begins at 0.
_DEEP_RANGE = (0.0, 65535.0)
# Tiles bound what is read at once.
_ANY_WINDOW = 1 << 40


class ShrunkLevels:
    """Makes regions of upper levels: what `lerf_core.resize` makes of the level below.

    Parameters
    ----------
    spec : WriterSpec
        Of an image that holds no labels.
    """

    def __init__(self, spec: WriterSpec) -> None:
        self._spec = spec
        self._plan = cache(self._planned)

    def __call__(self, level: int, region: Region, read: Callable[[int, Region], Pixels]) -> Pixels:
        """Return a region of a level.

        Parameters
        ----------
        level : int
            1 or above.
        region : tuple of slice
        read : callable
            Takes a level and a region of whole tiles of it.
        """
        source = _LevelBelow(self._spec, level - 1, read)
        work = Work(
            self._plan(level), cast("TiledReader", source), cast("Any", None), _ANY_WINDOW
        )  # it stores nothing
        return self._spec.with_mask(work.compute(region))

    def _planned(self, level: int) -> Plan:
        """Return the plan of a level, for one thread."""
        spec = self._spec
        rows, cols = spec.plane_axes
        shape = spec.level_shapes[level]
        alpha = spec.has_separate_alpha
        is_deep = spec.dtype.kind in "iu" and not holds_intensities(spec.dtype)
        return plan_resize(
            spec.level_shapes[level - 1], spec.dtype, (shape[rows], shape[cols]), None,
            channel_axis=spec.channel_axis, alpha="premultiply" if alpha else "separate",
            nodata=None if alpha else spec.nodata, threads=1,
            value_range=_DEEP_RANGE if is_deep else None,
        )  # fmt: skip


class _LevelBelow:
    """A level as a reader of regions of any kind."""

    def __init__(self, spec: WriterSpec, level: int, read: Callable[[int, Region], Pixels]) -> None:
        self._spec, self._level, self._read = spec, level, read
        self.shape = spec.level_shapes[level]

    def __getitem__(self, region: Region) -> Pixels:
        """Return a region: cut out of whole tiles."""
        spec, whole, within = self._spec, list(region), [slice(None)] * len(region)
        for axis, side in zip(spec.plane_axes, spec.tile, strict=True):
            start, stop = region[axis].start, region[axis].stop
            first = start - start % side
            whole[axis] = slice(first, min(-(-stop // side) * side, self.shape[axis]))
            within[axis] = slice(start - first, stop - first)
        return self._read(self._level, tuple(whole))[tuple(within)]
