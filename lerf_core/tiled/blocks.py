"""Which blocks of a result are computed at once, and the memory that they take."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from lerf_core.execution.plan import LEAST_SIDE, Plan
from lerf_core.io.tiles.regions import Region
from lerf_core.sampling.windows import Block

__all__ = [
    "block_bytes",
    "block_shape",
    "front_bytes_per_pixel",
    "least_bytes",
    "pixel_count",
    "regions",
]

# Larger blocks are no faster.
_MOST_SIDE = 2048
# Source pixels along an axis of the plane by which fronts are asked for the memory they take.
_FRONT_SIDE = 512
# What a task needs beside its arrays, as a share of them: copies between steps.
_COPIES = 1.5


def block_shape(plan: Plan, multiple: tuple[int, int], budget: int) -> tuple[int, int]:
    """Return rows and columns of the blocks to compute, for a budget of bytes each.

    Parameters
    ----------
    plan : Plan
    multiple : (int, int)
        Blocks are whole multiples of it.
    budget : int
        Bytes that the work on one block may take.
    """
    sides = [
        min(step * max(1, _MOST_SIDE // step), -(-size // step) * step)
        for step, size in zip(multiple, plan.out_shape, strict=True)
    ]
    while block_bytes(plan, (sides[0], sides[1])) > budget:
        # Halve the longer side, in whole multiples.
        longer = 0 if sides[0] >= sides[1] else 1
        for axis in (longer, 1 - longer):
            steps = sides[axis] // multiple[axis]
            if steps > 1:
                sides[axis] = multiple[axis] * (steps // 2)
                break
        else:
            break
    return sides[0], sides[1]


def block_bytes(plan: Plan, shape: tuple[int, int]) -> int:
    """Estimate the bytes that the work on a block of a shape takes, the source's windows too."""
    rows, cols = plan.out_shape
    height, width = min(shape[0], rows), min(shape[1], cols)
    top, left = (rows - height) // 2, (cols - width) // 2
    output = plan.output_block(Block(top, top + height, left, left + width))
    source = (output.windows.area if output.windows is not None else 0) * plan.pixels.channels
    result = height * width * plan.pixels.channels
    averaged, enlarging = source, 0
    if plan.options.front is not None:
        from lerf_core.execution.frame import FramedBlock
        from lerf_core.execution.front import FrontBlock

        behind = output.inner if isinstance(output, FramedBlock) else output
        if isinstance(behind, FrontBlock):
            averaged = behind.enlarged_area * plan.pixels.channels
            enlarging = behind.memory_needed()
    window_bytes = source * plan.dtype.itemsize + averaged * _work_bytes(plan) + enlarging
    # The result, its wider block, its smaller copy and what is encoded of it.
    result_bytes = result * plan.result_dtype.itemsize * 3
    if plan.scale is None:
        result_bytes += height * width * 48  # coordinates and filter scales, band by band
    return int((window_bytes + result_bytes) * _COPIES)


def least_bytes(plan: Plan) -> int:
    """Estimate the bytes that the smallest piece of a block takes, see `Plan.pieces`."""
    return block_bytes(plan, (LEAST_SIDE, LEAST_SIDE))


def front_bytes_per_pixel(plan: Plan) -> int:
    """Estimate the bytes that enlarging takes for each pixel of the enlargement.

    Parameters
    ----------
    plan : Plan
        With a front.
    """
    front = plan.options.loaded_front
    if front is None:
        return 0
    from lerf_core.execution.memory import memory_to_enlarge

    side = _FRONT_SIDE
    needed = memory_to_enlarge(front, (side, side), plan.pixels)
    return -(-needed // (side * front.scale) ** 2)


def _work_bytes(plan: Plan) -> int:
    """Estimate the bytes that the work on a value of the windows takes."""
    if plan.options.fixed_kernel is not None:
        # A warp reads float32. A resize reads values, but where they may be missing: filled ones.
        return 12 if plan.scale is None or plan.pixels.can_miss else 0
    if plan.pixels.is_nearest and plan.options.bank is None:
        return 0
    is_plain = plan.dtype == np.uint8 and not plan.options.linear_light
    # Of the packed parameters, and of the feature of deeper images.
    packed_bytes = 4 if is_plain else 20
    if not plan.options.averaging_bank.kind.has_local_planes:
        return packed_bytes
    if plan.scale is not None:
        return 2 * packed_bytes
    # A warp unpacks bytes once for all output pixels. Deep colours that are read together lie side
    # by side, until each is unpacked.
    return 16 if is_plain else 2 * packed_bytes + 8 * plan.options.averaging_bank.reads_colours


def regions(plan: Plan, shape: tuple[int, int]) -> Iterator[Region]:
    """Yield the regions of the result that are computed at once, plane after plane, row by row.

    Parameters
    ----------
    plan : Plan
    shape : (int, int)
        Rows and columns of a region, see `block_shape`.

    Yields
    ------
    tuple of slice
        A slice per axis of the result; all samples of a pixel, one index of any other axis.
    """
    sizes = plan.result_shape
    rows, cols = plan.axes
    channels = plan.options.channel_axis
    steps = [1] * len(sizes)
    if channels is not None:
        steps[channels] = sizes[channels]
    steps[rows], steps[cols] = shape
    starts = [range(0, size, step) for size, step in zip(sizes, steps, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(
            slice(first, min(first + step, size))
            for first, step, size in zip(corner, steps, sizes, strict=True)
        )


def pixel_count(plan: Plan, region: Region) -> int:
    """Return the pixels of a region of the result."""
    return int(math.prod(extent.stop - extent.start for extent in region) // plan.pixels.channels)
