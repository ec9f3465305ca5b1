"""From an operation to a result's pixels: in memory, tile by tile, or lazily by dask."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.operations import LayerOperation, LevelPlan

if TYPE_CHECKING:
    from lerf_core.io.tiles.chunk_cache import ChunkCache
    from lerf_core.sampling.windows import Block
    from lerf_core.tiled.work import Work

__all__ = ["Step", "compute_block", "in_levels", "in_memory", "lazily"]

#: Sides of a tile of a result in memory: small enough for a smooth bar and a quick cancel.
TILE = 1024
#: Pixels of a plane that is shown as one array at most; a larger one is shown by the levels of a
#: pyramid: napari takes a tenth of a second and more to show so large an array.
SINGLE_ARRAY_PIXELS = 1 << 23


@dataclass(frozen=True)
class Step:
    """How far work is."""

    done: int
    total: int


def compute_block(
    levels: LayerImage,
    level_plan: LevelPlan,
    block: Block,
    planes: Sequence[slice],
    cache: ChunkCache | None = None,
) -> npt.NDArray[Any]:
    """Compute a block of a level of the result, of some planes.

    Parameters
    ----------
    levels : LayerImage
        That the plan was made for.
    level_plan : LevelPlan
    block : Block
        Of the result's rows and columns.
    planes : sequence of slice
        One for each axis before rows and columns.
    cache : ChunkCache, optional
        Keeps chunks of lazy levels for the next block.

    Returns
    -------
    ndarray
        Bit for bit what the block is in the whole result.
    """
    plan = level_plan.plan
    region = [*planes, slice(block.top, block.bottom), slice(block.left, block.right)]
    if levels.channel_axis is not None:
        region.append(slice(0, plan.result_shape[-1]))
    return np.asarray(_work(levels, level_plan, cache).compute(tuple(region)))


def _work(levels: LayerImage, level_plan: LevelPlan, cache: ChunkCache | None = None) -> Work:
    """Return the work whose ``compute`` gives regions of a level of the result."""
    from lerf_core.io.tiles.chunk_cache import ChunkCache
    from lerf_plugins.napari.compute.lazy import CACHE_BYTES, region_work, source_of

    level = levels.levels[level_plan.source_level]
    # dask arrays are told by their names, which say what is computed.
    key = getattr(level, "name", id(level))
    return region_work(level_plan.plan, source_of(level, cache or ChunkCache(CACHE_BYTES), key))


# -- in memory ---------------------------------------------------------------------------


def in_memory(operation: LayerOperation) -> Generator[Step, None, npt.NDArray[Any]]:
    """Compute a whole result, tile after tile.

    Yields
    ------
    Step
        After each tile: to be shown, and to stop at.

    Returns
    -------
    ndarray

    Raises
    ------
    ImageTooLargeError
        If the result would not fit the memory.
    """
    from lerf_core.execution.memory import check_memory
    from lerf_core.tiled.blocks import regions

    level_plan = operation.level_plan(operation.out_shape)
    plan = level_plan.plan
    needed = math.prod(plan.result_shape) * plan.result_dtype.itemsize
    check_memory(needed, f"a result of {' x '.join(map(str, plan.result_shape))}")
    out = np.empty(plan.result_shape, plan.result_dtype)
    tiles = list(regions(plan, (TILE, TILE)))
    work = _work(operation.image, level_plan)
    yield Step(0, len(tiles))
    for number, region in enumerate(tiles, 1):
        out[region] = work.compute(region)
        yield Step(number, len(tiles))
    return out


def in_levels(operation: LayerOperation) -> Generator[Step, None, list[npt.NDArray[Any]]]:
    """Compute a whole result and the levels of a pyramid of it: means of two by two pixels.

    Yields
    ------
    Step
        After each tile and level.

    Returns
    -------
    list of ndarray
        Largest first.
    """
    from lerf_core.io.tiles.pyramid import halve, level_shapes

    image = operation.image
    pixels = yield from in_memory(operation)
    levels = [pixels]
    axes = (image.ndim - 2, image.ndim - 1)
    count = len(level_shapes(operation.out_shape, (0, 1), None))
    for done in range(1, count):
        yield Step(done, count)
        smaller = halve(
            levels[-1], axes, channel_axis=image.channel_axis,
            has_alpha=image.is_rgb and levels[-1].shape[-1] == 4, is_labels=image.is_copied,
        )  # fmt: skip
        levels.append(smaller)
    return levels


# -- lazily ------------------------------------------------------------------------------


def lazily(operation: LayerOperation) -> Generator[Step, None, list[Any]]:
    """Make the levels of a lazy result: dask arrays, of which little is computed yet.

    Of a single plane the smallest level is: napari's thumbnails are made of it, within the
    window's own thread.

    Yields
    ------
    Step
        After each level, and each chunk of the smallest.

    Returns
    -------
    list of dask.array.Array
        Largest first.
    """
    from lerf_core.io.tiles.chunk_cache import ChunkCache
    from lerf_core.io.tiles.pyramid import level_shapes
    from lerf_plugins.napari.compute.lazy import CACHE_BYTES, lazy_array, source_of

    shapes = [(rows, cols) for rows, cols in level_shapes(operation.out_shape, (0, 1), None)]
    cache = ChunkCache(CACHE_BYTES)
    levels = []
    yield Step(0, len(shapes))
    for done, shape in enumerate(shapes, 1):
        plan, number = operation.level_plan(shape)
        source = source_of(operation.image.levels[number], cache, number)
        levels.append(lazy_array(plan, source))
        yield Step(done, len(shapes))
    if operation.image.ndim == 2:
        levels[-1] = yield from _computed(levels[-1])
    return levels


def _computed(level: Any) -> Generator[Step, None, Any]:
    """Compute a level, chunk by chunk; return it as a dask array of what is in memory."""
    import dask.array as da

    out = np.empty(level.shape, level.dtype)
    regions = da.core.slices_from_chunks(level.chunks)
    for done, region in enumerate(regions, 1):
        out[region] = level[region].compute()
        yield Step(done, len(regions))
    return da.from_array(out, chunks=level.chunks)
