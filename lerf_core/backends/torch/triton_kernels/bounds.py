# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
# ruff: noqa: N803 - constants of kernels are written as constants
"""Overshoot bounds of the cells between four source pixels."""

import torch
from torch import Tensor

from lerf_core.backends.torch.triton_kernels.launching import cdiv, launch, rounded, tl, triton
from lerf_core.constants import OVERSHOOT_RANGE

__all__ = ["overshoot_bounds"]

_RANGE = tl.constexpr(float(OVERSHOOT_RANGE))


@triton.jit
def _level(source, row, col, rows, cols, mask):
    y = tl.minimum(tl.maximum(row, 0), rows - 1)
    x = tl.minimum(tl.maximum(col, 0), cols - 1)
    return tl.load(source + y * cols + x, mask=mask, other=0).to(tl.float32)


@triton.jit
def _bounds_kernel(plane, out, rows, cols, BYTES: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    cells = (rows + 1) * (cols + 1)
    mask = i < cells
    # The first of the 4x4 pixels around.
    y, x = i // (cols + 1) - 2, i % (cols + 1) - 2
    number = tl.program_id(1).to(tl.int64)
    source = plane + number * (rows * cols)
    infinity = float("inf")
    top = tl.full((BLOCK,), -infinity, tl.float32)
    bottom = tl.full((BLOCK,), infinity, tl.float32)
    peak, high_pair = top, top
    pit, low_pair = bottom, bottom
    for dy in tl.static_range(4):
        for dx in tl.static_range(4):
            level = _level(source, y + dy, x + dx, rows, cols, mask)
            top, bottom = tl.maximum(top, level), tl.minimum(bottom, level)
            if dy % 3 != 0 and dx % 3 != 0:
                peak, pit = tl.maximum(peak, level), tl.minimum(pit, level)
            # Pixels that touch it and come after it.
            if dx < 3:
                right = _level(source, y + dy, x + dx + 1, rows, cols, mask)
                high_pair = tl.maximum(high_pair, tl.minimum(level, right))
                low_pair = tl.minimum(low_pair, tl.maximum(level, right))
            if dy < 3:
                below = _level(source, y + dy + 1, x + dx, rows, cols, mask)
                high_pair = tl.maximum(high_pair, tl.minimum(level, below))
                low_pair = tl.minimum(low_pair, tl.maximum(level, below))
                if dx < 3:
                    after = _level(source, y + dy + 1, x + dx + 1, rows, cols, mask)
                    high_pair = tl.maximum(high_pair, tl.minimum(level, after))
                    low_pair = tl.minimum(low_pair, tl.maximum(level, after))
                if dx > 0:
                    before = _level(source, y + dy + 1, x + dx - 1, rows, cols, mask)
                    high_pair = tl.maximum(high_pair, tl.minimum(level, before))
                    low_pair = tl.minimum(low_pair, tl.maximum(level, before))
    margin = _RANGE * (top - bottom)
    low = bottom - (margin + tl.maximum(low_pair - pit, 0.0))
    high = top + (margin + tl.maximum(peak - high_pair, 0.0))
    at = out + number * (2 * cells) + i
    if BYTES:
        tl.store(at, rounded(low), mask=mask)
        tl.store(at + cells, rounded(high), mask=mask)
    else:
        tl.store(at, low, mask=mask)
        tl.store(at + cells, high, mask=mask)


def overshoot_bounds(plane: Tensor) -> Tensor:
    """Bounds of cells; see `packed_planes.bounds_of_cells`."""
    count, rows, cols = plane.shape
    out = plane.new_empty((count, 2, rows + 1, cols + 1))
    launch(
        _bounds_kernel, (cdiv((rows + 1) * (cols + 1)), count), plane.contiguous(), out, rows, cols,
        BYTES=plane.dtype == torch.uint8,
    )  # fmt: skip
    return out
