# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
# ruff: noqa: N803 - constants of kernels are written as constants
"""Gradients of the weighted mean by terms and by positions.

A neighbour's value counts by its share of the weight, its weight by how far its value is from the
mean. Sums over output pixels are atomic: their order, and with it the last bits, may vary.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lerf_core.backends.torch.triton_kernels.launching import cdiv, launch, tl, triton
from lerf_core.backends.torch.triton_kernels.means import point_taps, tent, weight_of
from lerf_core.constants import (
    CROSS_STEPS,
    EXPONENT_STEPS,
    EXPONENT_TOP,
    REACH_LIMIT,
    SQUARE_STEPS,
)

__all__ = ["grid_gradients", "points_gradients"]

_SQUARE, _CROSS = tl.constexpr(float(SQUARE_STEPS)), tl.constexpr(float(CROSS_STEPS))
_TOP, _REACH = tl.constexpr(float(EXPONENT_TOP)), tl.constexpr(float(REACH_LIMIT))
# Of a weight by its exponent, as a part of the weight.
_DECAY = tl.constexpr(-math.log(2) / EXPONENT_STEPS)


@triton.jit
def _tent_slopes(slope, distance):
    """Derivatives of `tent` by both."""
    size = tl.abs(distance)
    inside = (size <= 1.0) & (1.0 - slope * size >= 0.0)
    sign = tl.where(distance > 0.0, 1.0, tl.where(distance < 0.0, -1.0, 0.0))
    return tl.where(inside, -size, 0.0), tl.where(inside, -slope * sign, 0.0)


@triton.jit
def _exponent(source, at, pixels, dy, dx, mask):
    """Exponent of a Gaussian weight before it is limited."""
    row = tl.load(source + pixels + at, mask=mask, other=0.0)
    cross = tl.load(source + 2 * pixels + at, mask=mask, other=0.0)
    col = tl.load(source + 3 * pixels + at, mask=mask, other=0.0)
    exponent = row * (_SQUARE * (dy * dy)) + cross * ((_CROSS * dx) * dy)
    return exponent + col * (_SQUARE * (dx * dx)), row, cross, col


@triton.jit
def _pass_back(source, slopes, at, pixels, dy, dx, share, mean, first, is_first, beyond, cval, used,
               VALUES: tl.constexpr, LINEAR: tl.constexpr, CONSTANT: tl.constexpr,
               BY_TERMS: tl.constexpr):  # fmt: skip
    """Add a neighbour's gradients; return those by its offsets, and the first one's exponent."""
    level = tl.load(source + at, mask=used, other=0.0)
    in_reach = (tl.abs(dy) <= _REACH) & (tl.abs(dx) <= _REACH) & used
    if LINEAR:
        shape = tl.load(source + pixels + at, mask=used, other=0.0)
        tent_row, tent_col = tent(shape, dy), tent(shape, dx)
        weight = tl.where(in_reach, tent_row * tent_col, 0.0)
    else:
        exponent, row, cross, col = _exponent(source, at, pixels, dy, dx, used)
        limited = tl.minimum(exponent, _TOP)
        first = tl.where(is_first, limited, first)
        weight = tl.where(in_reach, weight_of(first, limited, LINEAR), 0.0)
        if VALUES == 6:
            down = tl.load(source + 4 * pixels + at, mask=used, other=0.0)
            across = tl.load(source + 5 * pixels + at, mask=used, other=0.0)
            level += across * dx
            level += down * dy
    by_value = share * weight
    if CONSTANT:
        level = tl.where(beyond, cval, level)
        by_value = tl.where(beyond, 0.0, by_value)
    by_weight = tl.where(in_reach, share * (level - mean), 0.0)
    if BY_TERMS:
        tl.atomic_add(slopes + at, by_value, mask=used)
    if LINEAR:
        by_slope_row, by_dy = _tent_slopes(shape, dy)
        by_slope_col, by_dx = _tent_slopes(shape, dx)
        if BY_TERMS:
            by_shape = by_weight * (by_slope_row * tent_col + by_slope_col * tent_row)
            tl.atomic_add(slopes + pixels + at, by_shape, mask=used)
        by_row, by_col = by_weight * (by_dy * tent_col), by_weight * (by_dx * tent_row)
    else:
        by_exponent = tl.where(exponent <= _TOP, by_weight * (weight * _DECAY), 0.0)
        if BY_TERMS:
            tl.atomic_add(slopes + pixels + at, by_exponent * (_SQUARE * (dy * dy)), mask=used)
            by_cross = by_exponent * ((_CROSS * dx) * dy)
            tl.atomic_add(slopes + 2 * pixels + at, by_cross, mask=used)
            by_square = by_exponent * (_SQUARE * (dx * dx))
            tl.atomic_add(slopes + 3 * pixels + at, by_square, mask=used)
        by_row = by_exponent * (2.0 * _SQUARE * row * dy + _CROSS * cross * dx)
        by_col = by_exponent * (2.0 * _SQUARE * col * dx + _CROSS * cross * dy)
        if VALUES == 6:
            if BY_TERMS:
                tl.atomic_add(slopes + 4 * pixels + at, by_value * dy, mask=used)
                tl.atomic_add(slopes + 5 * pixels + at, by_value * dx, mask=used)
            by_row += by_value * down
            by_col += by_value * across
    return tl.where(used, by_row, 0.0), tl.where(used, by_col, 0.0), first


@triton.jit
def _grid_kernel(values, row_index, row_offset, col_index, col_offset, share, mean, slopes, rows,
                 cols, out_rows, out_cols, down, across, cval, VALUES: tl.constexpr,
                 LINEAR: tl.constexpr, CONSTANT: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < out_rows * out_cols
    y, x = i // out_cols, i % out_cols
    plane = tl.program_id(1).to(tl.int64)
    pixels = tl.cast(rows, tl.int64) * cols
    source, target = values + plane * (VALUES * pixels), slopes + plane * (VALUES * pixels)
    result = plane * (tl.cast(out_rows, tl.int64) * out_cols) + i
    part = tl.load(share + result, mask=mask, other=0.0)
    middle = tl.load(mean + result, mask=mask, other=0.0)
    first = tl.zeros((BLOCK,), tl.float32)
    for ty in range(down):
        tap_row = tl.load(row_index + ty * out_rows + y, mask=mask, other=0)
        dy = tl.load(row_offset + ty * out_rows + y, mask=mask, other=0.0)
        row = tl.minimum(tl.maximum(tap_row, 0), rows - 1)
        for tx in range(across):
            tap_col = tl.load(col_index + tx * out_cols + x, mask=mask, other=0)
            dx = tl.load(col_offset + tx * out_cols + x, mask=mask, other=0.0)
            col = tl.minimum(tl.maximum(tap_col, 0), cols - 1)
            beyond = (row != tap_row) | (col != tap_col)
            _, _, first = _pass_back(
                source, target, row * cols + col, pixels, dy, dx, part, middle, first, ty + tx == 0,
                beyond, cval, mask, VALUES, LINEAR, CONSTANT, True,
            )  # fmt: skip


def grid_gradients(
    values: Tensor, axes: Sequence[tuple[Tensor, Tensor]], shape: tuple[int, int],
    cval: float | None, share: Tensor, mean: Tensor, *, linear: bool,
) -> Tensor:  # fmt: skip
    """Gradient of `means.grid_mean` by the terms.

    Parameters
    ----------
    values, axes, shape, cval, linear
        As there.
    share : Tensor of float32, (planes, output rows, output cols)
        The gradient by the mean, divided by the sum of the weights.
    mean : Tensor of float32, (planes, output rows, output cols)

    Returns
    -------
    Tensor of float32, as `values`
    """
    (row_index, row_offset), (col_index, col_offset) = axes
    size, count = (row_index.shape[1], col_index.shape[1]), values.shape[1]
    slopes = torch.zeros_like(values, memory_format=torch.contiguous_format)
    launch(
        _grid_kernel, (cdiv(size[0] * size[1]), len(values)), values.contiguous(), row_index,
        row_offset, col_index, col_offset, share.contiguous(), mean.contiguous(), slopes, *shape,
        *size, len(row_index), len(col_index), cval or 0.0, VALUES=count, LINEAR=linear,
        CONSTANT=cval is not None,
    )  # fmt: skip
    return slopes


@triton.jit
def _points_kernel(values, row, col, row_scales, col_scales, start, share, mean, slopes, by_rows,
                   by_cols, rows, cols, pixels, points, VALUES: tl.constexpr, LINEAR: tl.constexpr,
                   BY_TERMS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < points
    plane = tl.program_id(1).to(tl.int64)
    pixels = tl.cast(pixels, tl.int64)
    source, target = values + plane * (VALUES * pixels), slopes + plane * (VALUES * pixels)
    image = tl.load(start + i, mask=mask, other=0)
    y, top, down, row_step, inverse_row = point_taps(row, row_scales, i, mask)
    x, left, across, col_step, inverse_col = point_taps(col, col_scales, i, mask)
    result = plane * points + i
    part = tl.load(share + result, mask=mask, other=0.0)
    middle = tl.load(mean + result, mask=mask, other=0.0)
    first = tl.zeros((BLOCK,), tl.float32)
    by_row, by_col = tl.zeros((BLOCK,), tl.float64), tl.zeros((BLOCK,), tl.float64)
    most_down, most_across = tl.max(down, 0).to(tl.int32), tl.max(across, 0).to(tl.int32)
    for ty in range(most_down):
        tap_row = top + ty * row_step
        dy = ((y - tap_row.to(tl.float64)) * inverse_row).to(tl.float32)
        line = image + tl.minimum(tl.maximum(tap_row, 0), rows - 1) * cols
        for tx in range(most_across):
            tap_col = left + tx * col_step
            dx = ((x - tap_col.to(tl.float64)) * inverse_col).to(tl.float32)
            at = line + tl.minimum(tl.maximum(tap_col, 0), cols - 1)
            used = mask & (ty < down) & (tx < across)
            along_row, along_col, first = _pass_back(
                source, target, at, pixels, dy, dx, part, middle, first, ty + tx == 0, used, 0.0,
                used, VALUES, LINEAR, False, BY_TERMS,
            )  # fmt: skip
            by_row += along_row.to(tl.float64)
            by_col += along_col.to(tl.float64)
    tl.store(by_rows + result, by_row * inverse_row, mask=mask)
    tl.store(by_cols + result, by_col * inverse_col, mask=mask)


def points_gradients(
    values: Tensor, positions: Sequence[Tensor], filter_scales: Sequence[Tensor], start: Tensor,
    shape: tuple[int, int], share: Tensor, mean: Tensor, *, linear: bool, by_terms: bool,
) -> tuple[Tensor | None, Tensor, Tensor]:  # fmt: skip
    """Gradients of `means.points_mean` by the terms and by the positions.

    Parameters
    ----------
    values, positions, filter_scales, start, shape, linear
        As there.
    share, mean : Tensor of float32, (planes, points)
        As `grid_gradients` has them.
    by_terms : bool
        Whether those by the terms are wanted.

    Returns
    -------
    slopes : Tensor of float32, as `values`, or None
    by_rows, by_cols : Tensor of float64, (points,)
    """
    points, count = len(start), values.shape[1]
    slopes = torch.zeros_like(values, memory_format=torch.contiguous_format) if by_terms else values
    along = [values.new_empty((len(values), points), dtype=torch.float64) for _ in range(2)]
    arrays = [tensor.contiguous() for tensor in (*positions, *filter_scales, start, share, mean)]
    launch(
        _points_kernel, (cdiv(points), len(values)), values.contiguous(), *arrays, slopes, *along,
        *shape, values.shape[2], points, VALUES=count, LINEAR=linear, BY_TERMS=by_terms,
    )  # fmt: skip
    return slopes if by_terms else None, along[0].sum(0), along[1].sum(0)
