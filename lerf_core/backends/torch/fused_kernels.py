# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
# ruff: noqa: N803 - constants of kernels are written as constants
"""Table reads and the weighted mean as one Triton kernel each, in place of hundreds of operations.

Triton comes with torch's builds for CUDA; where it is missing, torch's operations do the work. The
arithmetic is the same, operation by operation: products and sums are not fused.
"""

import importlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lerf_core.constants import (
    CROSS_STEPS,
    EXP2_POLYNOMIAL,
    EXPONENT_STEPS,
    EXPONENT_TOP,
    FIRST_WEIGHT,
    MAX_POINT_TAPS,
    POSITION_EPS,
    REACH_LIMIT,
    ROUND_F64,
    SQUARE_STEPS,
)

__all__ = ["grid_mean", "points_mean", "read", "read_slopes"]

triton: Any = importlib.import_module("triton")
tl: Any = importlib.import_module("triton.language")

_C0, _C1, _C2, _C3, _C4 = (tl.constexpr(float(c)) for c in EXP2_POLYNOMIAL)
_SQUARE, _CROSS = tl.constexpr(float(SQUARE_STEPS)), tl.constexpr(float(CROSS_STEPS))
_TOP, _FIRST = tl.constexpr(float(EXPONENT_TOP)), tl.constexpr(float(FIRST_WEIGHT))
_BELOW, _ONE = tl.constexpr(EXPONENT_STEPS - 1), tl.constexpr(0x3F800000)
_REACH, _EPS = tl.constexpr(float(REACH_LIMIT)), tl.constexpr(POSITION_EPS)
_MOST = tl.constexpr(MAX_POINT_TAPS)
_ROUND = tl.constexpr(ROUND_F64)
_BLOCK = 128


def _launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
    kernel[grid](*arguments, **constants, BLOCK=_BLOCK, enable_fp_fusion=False)


# -- table reads ------------------------------------------------------------------------


@triton.jit
def _key(plane, image, y, x, offsets, axis: tl.constexpr, rows, cols, mask, UNITS: tl.constexpr,
         CELL: tl.constexpr):  # fmt: skip
    """Pixel `axis` of a read: where it lies, its lower node, and its fraction as a key."""
    row = tl.minimum(tl.maximum(y + tl.load(offsets + 2 * axis), 0), rows - 1)
    col = tl.minimum(tl.maximum(x + tl.load(offsets + 2 * axis + 1), 0), cols - 1)
    at = image + row * cols + col
    unit = (tl.load(plane + at, mask=mask, other=0.0) * UNITS).to(tl.int32)
    return at, unit // CELL, ((unit % CELL) * 4) | (3 - axis)


@triton.jit
def _sorted(a, b, c, d):
    """Sort four keys, falling."""
    p, q = tl.maximum(a, b), tl.minimum(a, b)
    r, s = tl.maximum(c, d), tl.minimum(c, d)
    first, t = tl.maximum(p, r), tl.minimum(p, r)
    u, fourth = tl.maximum(q, s), tl.minimum(q, s)
    return first, tl.maximum(t, u), tl.minimum(t, u), fourth


@triton.jit
def _step(key, N: tl.constexpr):
    """Step to the next corner of the simplex."""
    axis = key & 3
    return tl.where(axis == 0, 1, tl.where(axis == 1, N, tl.where(axis == 2, N * N, N * N * N)))


@triton.jit
def _entries(tables, node, column, mask, SLOTS: tl.constexpr):
    """Rows of a table, (pixels, slots)."""
    at = tables + node[:, None] * SLOTS + column[None, :]
    return tl.load(at, mask=mask[:, None], other=0).to(tl.float32)


@triton.jit
def _read_kernel(plane, tables, offsets, numbers, out, rows, cols, count, READS: tl.constexpr,
                 VALUES: tl.constexpr, SLOTS: tl.constexpr, N: tl.constexpr, UNITS: tl.constexpr,
                 CELL: tl.constexpr, FINISH: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i < count
    image = (i // (rows * cols)) * (rows * cols)
    y, x = (i - image) // cols, (i - image) % cols
    column = tl.arange(0, SLOTS)
    total = tl.zeros((BLOCK, SLOTS), tl.float32)
    for read in range(READS):
        read_offsets = offsets + 8 * read
        _, na, ka = _key(plane, image, y, x, read_offsets, 0, rows, cols, mask, UNITS, CELL)
        _, nb, kb = _key(plane, image, y, x, read_offsets, 1, rows, cols, mask, UNITS, CELL)
        _, nc, kc = _key(plane, image, y, x, read_offsets, 2, rows, cols, mask, UNITS, CELL)
        _, nd, kd = _key(plane, image, y, x, read_offsets, 3, rows, cols, mask, UNITS, CELL)
        k1, k2, k3, k4 = _sorted(ka, kb, kc, kd)
        f1, f2, f3, f4 = k1 // 4, k2 // 4, k3 // 4, k4 // 4
        node = read * (N * N * N * N) + ((na * N + nb) * N + nc) * N + nd
        total += (CELL - f1).to(tl.float32)[:, None] * _entries(tables, node, column, mask, SLOTS)
        node += _step(k1, N)
        total += (f1 - f2).to(tl.float32)[:, None] * _entries(tables, node, column, mask, SLOTS)
        node += _step(k2, N)
        total += (f2 - f3).to(tl.float32)[:, None] * _entries(tables, node, column, mask, SLOTS)
        node += _step(k3, N)
        total += (f3 - f4).to(tl.float32)[:, None] * _entries(tables, node, column, mask, SLOTS)
        node += _step(k4, N)
        total += f4.to(tl.float32)[:, None] * _entries(tables, node, column, mask, SLOTS)
    total *= 1.0 / CELL
    used = column < VALUES
    if FINISH:  # divisor, bias and lowest value
        divisor = tl.load(numbers + column, mask=used, other=1.0)[None, :]
        bias = tl.load(numbers + SLOTS + column, mask=used, other=0.0)[None, :]
        low = tl.load(numbers + 2 * SLOTS + column, mask=used, other=0.0)[None, :]
        value = (total.to(tl.float64) / divisor + bias) * UNITS
        value = (value + _ROUND) - _ROUND
        value = tl.minimum(tl.maximum(value, low * UNITS), 255.0 * UNITS)
        total = (value * (1.0 / UNITS)).to(tl.float32)
    pixel = i - image
    at = out + (image * VALUES + pixel)[:, None] + (column * (rows * cols))[None, :]
    tl.store(at, total, mask=mask[:, None] & used[None, :])


@triton.jit
def _add_slope(slopes, at, number: tl.constexpr, s1, s2, s3, s4, k1, k2, k3, k4, mask):
    """Add to the gradient of a read's pixel, which one of its four steps went along."""
    slope = tl.where((k1 & 3) == number, s1, 0.0) + tl.where((k2 & 3) == number, s2, 0.0)
    slope += tl.where((k3 & 3) == number, s3, 0.0) + tl.where((k4 & 3) == number, s4, 0.0)
    tl.atomic_add(slopes + at, slope, mask=mask)


@triton.jit
def _slope_kernel(plane, tables, offsets, grad, slopes, rows, cols, count, factor,
                  READS: tl.constexpr, VALUES: tl.constexpr, SLOTS: tl.constexpr, N: tl.constexpr,
                  UNITS: tl.constexpr, CELL: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i < count
    image = (i // (rows * cols)) * (rows * cols)
    y, x = (i - image) // cols, (i - image) % cols
    column = tl.arange(0, SLOTS)
    at = grad + (image * VALUES + (i - image))[:, None] + (column * (rows * cols))[None, :]
    g = tl.load(at, mask=mask[:, None] & (column < VALUES)[None, :], other=0.0) * factor
    for read in range(READS):
        read_offsets = offsets + 8 * read
        pa, na, ka = _key(plane, image, y, x, read_offsets, 0, rows, cols, mask, UNITS, CELL)
        pb, nb, kb = _key(plane, image, y, x, read_offsets, 1, rows, cols, mask, UNITS, CELL)
        pc, nc, kc = _key(plane, image, y, x, read_offsets, 2, rows, cols, mask, UNITS, CELL)
        pd, nd, kd = _key(plane, image, y, x, read_offsets, 3, rows, cols, mask, UNITS, CELL)
        k1, k2, k3, k4 = _sorted(ka, kb, kc, kd)
        node = read * (N * N * N * N) + ((na * N + nb) * N + nc) * N + nd
        e0 = _entries(tables, node, column, mask, SLOTS)
        node += _step(k1, N)
        e1 = _entries(tables, node, column, mask, SLOTS)
        node += _step(k2, N)
        e2 = _entries(tables, node, column, mask, SLOTS)
        node += _step(k3, N)
        e3 = _entries(tables, node, column, mask, SLOTS)
        node += _step(k4, N)
        e4 = _entries(tables, node, column, mask, SLOTS)
        s1, s2 = tl.sum((e1 - e0) * g, 1), tl.sum((e2 - e1) * g, 1)
        s3, s4 = tl.sum((e3 - e2) * g, 1), tl.sum((e4 - e3) * g, 1)
        _add_slope(slopes, pa, 3, s1, s2, s3, s4, k1, k2, k3, k4, mask)
        _add_slope(slopes, pb, 2, s1, s2, s3, s4, k1, k2, k3, k4, mask)
        _add_slope(slopes, pc, 1, s1, s2, s3, s4, k1, k2, k3, k4, mask)
        _add_slope(slopes, pd, 0, s1, s2, s3, s4, k1, k2, k3, k4, mask)


def _constants(offsets: Tensor, values: int, tables: Tensor, interval: int, units: int) -> Any:
    return {
        "READS": len(offsets), "VALUES": values, "SLOTS": tables.shape[1],
        "N": 256 // interval + 1, "UNITS": units, "CELL": interval * units,
    }  # fmt: skip


def read(
    plane: Tensor, tables: Tensor, offsets: Tensor, numbers: Tensor | None, values: int,
    interval: int, units: int,
) -> Tensor:  # fmt: skip
    """Read a stage for every pixel.

    Parameters
    ----------
    plane : Tensor of float32, (planes, rows, cols)
        Levels, whole units each.
    tables : Tensor of int8, (reads * nodes**4, slots)
        A table for every read, turned; slots are a power of two, those beyond `values` unused.
    offsets : Tensor of int32, (reads, 4, 2)
        The pixels that index it.
    numbers : Tensor of float64, (3, slots), or None
        Divisor, bias and lowest value, to finish the stage by; None: give the sums.
    values, interval, units : int
        Values of a read, grey levels between nodes, units per level.

    Returns
    -------
    Tensor of float32, (planes, values, rows, cols)
    """
    count, rows, cols = plane.shape
    out = plane.new_empty((count, values, rows, cols))
    _launch(
        _read_kernel, (triton.cdiv(plane.numel(), _BLOCK),), plane.contiguous(), tables, offsets,
        tables if numbers is None else numbers, out, rows, cols, plane.numel(),
        **_constants(offsets, values, tables, interval, units), FINISH=numbers is not None,
    )  # fmt: skip
    return out


def read_slopes(
    plane: Tensor, tables: Tensor, offsets: Tensor, grad: Tensor, interval: int, units: int
) -> Tensor:
    """Gradient of `read`'s sums by the plane, from that by them, (planes, values, rows, cols)."""
    slopes = torch.zeros_like(plane, memory_format=torch.contiguous_format)
    rows, cols = plane.shape[1:]
    _launch(
        _slope_kernel, (triton.cdiv(plane.numel(), _BLOCK),), plane.contiguous(), tables, offsets,
        grad.contiguous(), slopes, rows, cols, plane.numel(), 1.0 / interval,
        **_constants(offsets, grad.shape[1], tables, interval, units),
    )  # fmt: skip
    return slopes


# -- the weighted mean --------------------------------------------------------------------


@triton.jit
def _tent(slope, distance):
    size = tl.abs(distance)
    return tl.where(size <= 1.0, tl.maximum(1.0 - slope * size, 0.0), 0.0)


@triton.jit
def _neighbour(source, at, pixels, dy, dx, mask, VALUES: tl.constexpr, LINEAR: tl.constexpr):
    """Value of a neighbour at the output pixel, and its exponent; LeRF-L's weight instead."""
    value = tl.load(source + at, mask=mask, other=0.0)
    shape = tl.load(source + pixels + at, mask=mask, other=0.0)
    if LINEAR:
        second = _tent(shape, dy) * _tent(shape, dx)
    else:
        cross = tl.load(source + 2 * pixels + at, mask=mask, other=0.0)
        col = tl.load(source + 3 * pixels + at, mask=mask, other=0.0)
        exponent = shape * (_SQUARE * (dy * dy)) + cross * ((_CROSS * dx) * dy)
        exponent = exponent + col * (_SQUARE * (dx * dx))
        second = tl.minimum(exponent, _TOP)
        if VALUES == 6:
            value += tl.load(source + 5 * pixels + at, mask=mask, other=0.0) * dx
            value += tl.load(source + 4 * pixels + at, mask=mask, other=0.0) * dy
    return value, second


@triton.jit
def _weight(first, second, LINEAR: tl.constexpr):
    """Weight of a neighbour; of a Gaussian's relative to the first, by their exponents."""
    if LINEAR:
        result = second
    else:
        whole = (first - second).to(tl.int32)
        below = whole & _BELOW
        mantissa = (below | _ONE).to(tl.float32, bitcast=True)
        power = mantissa * _C4 + _C3
        power = power * mantissa + _C2
        power = power * mantissa + _C1
        power = power * mantissa + _C0
        scaled = power.to(tl.int32, bitcast=True) + (whole - below)
        result = _FIRST * scaled.to(tl.float32, bitcast=True)
    return result


@triton.jit
def _grid_kernel(values, row_index, row_offset, col_index, col_offset, mean, total, rows, cols,
                 out_rows, out_cols, down, across, cval, VALUES: tl.constexpr,
                 LINEAR: tl.constexpr, CONSTANT: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < out_rows * out_cols
    y, x = i // out_cols, i % out_cols
    plane = tl.program_id(1).to(tl.int64)
    pixels = rows * cols
    source = values + plane * VALUES * pixels
    base = tl.zeros((BLOCK,), tl.float32)
    first = tl.zeros((BLOCK,), tl.float32)
    change = tl.zeros((BLOCK,), tl.float32)
    weights = tl.zeros((BLOCK,), tl.float32)
    for ty in range(down):
        tap_row = tl.load(row_index + ty * out_rows + y, mask=mask, other=0)
        dy = tl.load(row_offset + ty * out_rows + y, mask=mask, other=0.0)
        row = tl.minimum(tl.maximum(tap_row, 0), rows - 1)
        for tx in range(across):
            tap_col = tl.load(col_index + tx * out_cols + x, mask=mask, other=0)
            dx = tl.load(col_offset + tx * out_cols + x, mask=mask, other=0.0)
            col = tl.minimum(tl.maximum(tap_col, 0), cols - 1)
            at = row * cols + col
            value, second = _neighbour(source, at, pixels, dy, dx, mask, VALUES, LINEAR)
            if CONSTANT:
                value = tl.where((row != tap_row) | (col != tap_col), cval, value)
            is_first = ty + tx == 0
            base = tl.where(is_first, value, base)
            first = tl.where(is_first, second, first)
            weight = _weight(first, second, LINEAR)
            in_reach = (tl.abs(dy) <= _REACH) & (tl.abs(dx) <= _REACH)
            weight = tl.where(in_reach, weight, 0.0)
            weights += weight
            change += weight * (value - base)
    at = plane * (out_rows * out_cols) + i
    tl.store(mean + at, base + tl.div_rn(change, weights), mask=mask)
    tl.store(total + at, weights, mask=mask)


def grid_mean(
    values: Tensor, axes: Sequence[tuple[Tensor, Tensor]], shape: tuple[int, int],
    cval: float | None, *, linear: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Weighted mean on a grid, and the sum of the weights.

    Parameters
    ----------
    values : Tensor of float32, (planes, values, pixels)
        See `lerf_core.backends.torch.weighted_mean.mean_terms`.
    axes : pairs of Tensor, (taps, size)
        Indices (int32) and offsets (float32) of rows, then of columns.
    shape : (int, int)
        Rows and columns of the source.
    cval : float or None
        Level beyond the border; None: the border pixel's.
    linear : bool
        The weighting is LeRF-L's.

    Returns
    -------
    mean, total : Tensor of float32, (planes, output rows, output cols)
    """
    (row_index, row_offset), (col_index, col_offset) = axes
    size = (row_index.shape[1], col_index.shape[1])
    mean = values.new_empty((len(values), *size))
    total = torch.empty_like(mean)
    _launch(
        _grid_kernel, (triton.cdiv(size[0] * size[1], _BLOCK), len(values)), values.contiguous(),
        row_index, row_offset, col_index, col_offset, mean, total, *shape, *size,
        len(row_index), len(col_index), cval or 0.0,
        VALUES=values.shape[1], LINEAR=linear, CONSTANT=cval is not None,
    )  # fmt: skip
    return mean, total


@triton.jit
def _axis_taps(position, scale):
    """First tap, number of taps and step between them."""
    first = tl.ceil(position - scale - _EPS).to(tl.int64)
    count = tl.where(scale > 1.0, tl.floor(2.0 * scale + _EPS) + 1.0, 2.0).to(tl.int64)
    step = (count + (_MOST - 1)) // _MOST
    return first, (count + step - 1) // step, step


@triton.jit
def _points_kernel(values, row, col, row_scales, col_scales, start, mean, total, rows, cols,
                   pixels, points, VALUES: tl.constexpr, LINEAR: tl.constexpr,
                   BLOCK: tl.constexpr):  # fmt: skip
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < points
    plane = tl.program_id(1).to(tl.int64)
    source = values + plane * VALUES * pixels
    y, x = tl.load(row + i, mask=mask, other=0.0), tl.load(col + i, mask=mask, other=0.0)
    row_filter = tl.load(row_scales + i, mask=mask, other=1.0)
    col_filter = tl.load(col_scales + i, mask=mask, other=1.0)
    image = tl.load(start + i, mask=mask, other=0)
    top, down, row_step = _axis_taps(y, row_filter)
    left, across, col_step = _axis_taps(x, col_filter)
    inverse_row, inverse_col = 1.0 / row_filter, 1.0 / col_filter
    base = tl.zeros((BLOCK,), tl.float32)
    first = tl.zeros((BLOCK,), tl.float32)
    change = tl.zeros((BLOCK,), tl.float32)
    weights = tl.zeros((BLOCK,), tl.float32)
    most_down, most_across = tl.max(down, 0).to(tl.int32), tl.max(across, 0).to(tl.int32)
    for ty in range(most_down):
        tap_row = top + ty * row_step
        dy = ((y - tap_row.to(tl.float64)) * inverse_row).to(tl.float32)
        line = image + tl.minimum(tl.maximum(tap_row, 0), rows - 1) * cols
        for tx in range(most_across):
            tap_col = left + tx * col_step
            dx = ((x - tap_col.to(tl.float64)) * inverse_col).to(tl.float32)
            at = line + tl.minimum(tl.maximum(tap_col, 0), cols - 1)
            in_reach = (tl.abs(dy) <= _REACH) & (tl.abs(dx) <= _REACH)
            used = mask & (ty < down) & (tx < across)
            value, second = _neighbour(source, at, pixels, dy, dx, used, VALUES, LINEAR)
            is_first = ty + tx == 0
            base = tl.where(is_first, value, base)
            first = tl.where(is_first, second, first)
            weight = tl.where(in_reach & used, _weight(first, second, LINEAR), 0.0)
            weights += weight
            change += weight * (value - base)
    at = plane * points + i
    tl.store(mean + at, base + tl.div_rn(change, weights), mask=mask)
    tl.store(total + at, weights, mask=mask)


def points_mean(
    values: Tensor, positions: Sequence[Tensor], filter_scales: Sequence[Tensor], start: Tensor,
    shape: tuple[int, int], *, linear: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Weighted mean at scattered positions, and the sum of the weights.

    Parameters
    ----------
    values, shape, linear
        As for `grid_mean`; `values` are those of all images, one after the other.
    positions, filter_scales : pairs of Tensor of float64, (points,)
        Along rows and columns.
    start : Tensor of int64, (points,)
        The first pixel of each point's image.

    Returns
    -------
    mean, total : Tensor of float32, (planes, points)
    """
    points = len(start)
    mean = values.new_empty((len(values), points))
    total = torch.empty_like(mean)
    arrays = [tensor.contiguous() for tensor in (*positions, *filter_scales, start)]
    _launch(
        _points_kernel, (triton.cdiv(points, _BLOCK), len(values)), values.contiguous(), *arrays,
        mean, total, *shape, values.shape[2], points, VALUES=values.shape[1], LINEAR=linear,
    )  # fmt: skip
    return mean, total
