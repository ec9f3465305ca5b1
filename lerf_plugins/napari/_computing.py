"""From an operation to a result's pixels: in memory, tile by tile, or lazily by dask."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_plugins.napari._layer_image import LayerImage
from lerf_plugins.napari._operations import LevelPlan, Operation, Shape

if TYPE_CHECKING:
    from lerf_core._windows import Block

__all__ = ["Step", "as_dask", "compute_block", "in_memory", "lazily", "pyramid_shapes"]

#: Sides of a tile of a result in memory: small enough for a smooth bar and a quick cancel.
TILE = 1024
#: Chunks of a lazy result: what is read when a corner of it shows.
CHUNK = 512
#: Lazy results have fewer chunks than this a level: graphs of more take long to make.
MOST_CHUNKS = 20_000
#: Levels are added until both sides are no longer than this.
SMALLEST = 1024
#: Source pixels that are read at once.
WINDOW_LIMIT = 1 << 24


@dataclass(frozen=True)
class Step:
    """How far work is."""

    done: int
    total: int


def as_dask(level: Any) -> Any:
    """Return a level as a dask array, of its own chunks where it has some."""
    import dask.array as da

    if isinstance(level, da.Array):
        return level
    chunks = getattr(level, "chunks", None) or "auto"
    return da.from_array(level, chunks=chunks)


class _Slices:
    """An array whose slices are NumPy arrays, whatever it is made of."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape: tuple[int, ...] = tuple(array.shape)

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        return np.asarray(self._array[index])


def compute_block(
    levels: LayerImage, level_plan: LevelPlan, block: Block, planes: Sequence[slice]
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

    Returns
    -------
    ndarray
        What the part of the whole result is, bit for bit.
    """
    plan = level_plan.plan
    region = [*planes, slice(block.top, block.bottom), slice(block.left, block.right)]
    if levels.channel_axis is not None:
        region.append(slice(0, plan.result_shape[-1]))
    return _work(levels, level_plan).compute(tuple(region))


def _work(levels: LayerImage, level_plan: LevelPlan) -> Any:
    from lerf_core.tiled.running import Work

    source: Any = _Slices(levels.levels[level_plan.source_level])
    return Work(level_plan.plan, source, None, WINDOW_LIMIT)


# -- in memory ---------------------------------------------------------------------------


def in_memory(operation: Operation) -> Generator[Step, None, npt.NDArray[Any]]:
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
    from lerf_core.memory import check_memory
    from lerf_core.tiled.running import regions

    level_plan = operation.level_plan(operation.out_shape)
    plan = level_plan.plan
    needed = math.prod(plan.result_shape) * plan.result_dtype.itemsize
    check_memory(needed, f"a result of {' x '.join(map(str, plan.result_shape))}")
    out = np.empty(plan.result_shape, plan.result_dtype)
    todo = list(regions(plan, (TILE, TILE)))
    work = _work(operation.image, level_plan)
    yield Step(0, len(todo))
    for number, region in enumerate(todo, 1):
        out[region] = work.compute(region)
        yield Step(number, len(todo))
    return out


# -- lazily ------------------------------------------------------------------------------


def pyramid_shapes(shape: Shape) -> list[Shape]:
    """Return the rows and columns of a pyramid's levels, each half of the one before."""
    shapes = [shape]
    while max(shapes[-1]) > SMALLEST:
        rows, cols = shapes[-1]
        shapes.append((-(-rows // 2), -(-cols // 2)))
    return shapes


def lazily(operation: Operation) -> Generator[Step, None, list[Any]]:
    """Make the levels of a lazy result: dask arrays, of which nothing is computed yet.

    Yields
    ------
    Step
        After each level.

    Returns
    -------
    list of dask.array.Array
        Largest first.
    """
    image = operation.image
    shapes = pyramid_shapes(operation.out_shape)
    sources: dict[int, Any] = {}
    levels = []
    yield Step(0, len(shapes))
    for done, shape in enumerate(shapes, 1):
        number = operation.level_plan(shape).source_level
        if number not in sources:
            level = as_dask(image.levels[number])
            # Planes are looked at one by one.
            single = dict.fromkeys(range(image.ndim - 2), 1)
            sources[number] = level.rechunk(single) if single else level
        levels.append(operation.lazy_level(sources[number], number, shape, _chunks(shape)))
        yield Step(done, len(shapes))
    return levels


def _chunks(shape: Shape) -> tuple[int, int]:
    side = CHUNK
    while math.prod(-(-size // side) for size in shape) > MOST_CHUNKS:
        side *= 2
    return min(side, shape[0]), min(side, shape[1])
