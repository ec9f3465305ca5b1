# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
# ruff: noqa: N803, N806 - constants of kernels are written as constants
"""Table reads: sums in whole numbers, finished as a stage says, or left for gradients."""

from typing import Any

import torch
from torch import Tensor

from lerf_core.backends.packed import slot_count
from lerf_core.backends.torch.integer_reads import StageLayout
from lerf_core.backends.torch.triton_kernels.launching import WORDS, cdiv, launch, tl, triton
from lerf_core.constants import LEVELS

__all__ = ["read_packed", "read_slopes", "read_sums", "read_units"]

# What becomes of the sums.
_SUMS, _UNITS, _BYTES, _LEVELS = range(4)
_IS_SUMS, _IS_UNITS, _IS_BYTES = tl.constexpr(_SUMS), tl.constexpr(_UNITS), tl.constexpr(_BYTES)
_TOP = tl.constexpr(LEVELS)


@triton.jit
def _key(plane, image, y, x, offsets, axis: tl.constexpr, rows, cols, mask, UNITS: tl.constexpr,
         CELL: tl.constexpr):  # fmt: skip
    """Pixel `axis` of a read: where it lies, its lower node, and its fraction as a key."""
    row = tl.minimum(tl.maximum(y + tl.load(offsets + 2 * axis), 0), rows - 1)
    col = tl.minimum(tl.maximum(x + tl.load(offsets + 2 * axis + 1), 0), cols - 1)
    at = image + row * cols + col
    unit = (tl.load(plane + at, mask=mask, other=0) * UNITS).to(tl.int32)
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
    return tl.load(at, mask=mask[:, None], other=0).to(tl.int32)


@triton.jit
def _finished(total, finish, column, used, SLOTS: tl.constexpr, UNIT: tl.constexpr,
              INTERVAL: tl.constexpr, WIDE: tl.constexpr):  # fmt: skip
    """Values of a stage in units, of the sums of its reads; see `integer_reads._finished`."""
    divisor = tl.load(finish + column, mask=used, other=1)[None, :] * INTERVAL
    bias = tl.load(finish + SLOTS + column, mask=used, other=0)[None, :]
    lowest = tl.load(finish + 2 * SLOTS + column, mask=used, other=0)[None, :]
    if WIDE:
        total, divisor, bias = total.to(tl.int64), divisor.to(tl.int64), bias.to(tl.int64)
    number = total + bias * UNIT * divisor
    value = number // divisor
    rest = number - value * divisor
    # Whichever way negative numbers are divided.
    value = tl.where(rest < 0, value - 1, value)
    rest = 2 * tl.where(rest < 0, rest + divisor, rest)
    is_up = (rest > divisor) | ((rest == divisor) & ((value & 1) == 1))
    value = tl.where(is_up, value + 1, value)
    return tl.minimum(tl.maximum(value, lowest * UNIT), _TOP * UNIT)


@triton.jit
def _read_kernel(plane, tables, offsets, finish, remainder, out, rows, cols, count,
                 READS: tl.constexpr, VALUES: tl.constexpr, SLOTS: tl.constexpr, N: tl.constexpr,
                 UNITS: tl.constexpr, CELL: tl.constexpr, INTERVAL: tl.constexpr,
                 KIND: tl.constexpr, PACKED: tl.constexpr, REST: tl.constexpr,
                 WIDE: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i < count
    image = (i // (rows * cols)) * (rows * cols)
    y, x = (i - image) // cols, (i - image) % cols
    column = tl.arange(0, SLOTS)
    total = tl.zeros((BLOCK, SLOTS), tl.int32)
    for read in range(READS):
        read_offsets = offsets + 8 * read
        _, na, ka = _key(plane, image, y, x, read_offsets, 0, rows, cols, mask, UNITS, CELL)
        _, nb, kb = _key(plane, image, y, x, read_offsets, 1, rows, cols, mask, UNITS, CELL)
        _, nc, kc = _key(plane, image, y, x, read_offsets, 2, rows, cols, mask, UNITS, CELL)
        _, nd, kd = _key(plane, image, y, x, read_offsets, 3, rows, cols, mask, UNITS, CELL)
        k1, k2, k3, k4 = _sorted(ka, kb, kc, kd)
        f1, f2, f3, f4 = k1 // 4, k2 // 4, k3 // 4, k4 // 4
        node = read * (N * N * N * N) + ((na * N + nb) * N + nc) * N + nd
        total += (CELL - f1)[:, None] * _entries(tables, node, column, mask, SLOTS)
        node += _step(k1, N)
        total += (f1 - f2)[:, None] * _entries(tables, node, column, mask, SLOTS)
        node += _step(k2, N)
        total += (f2 - f3)[:, None] * _entries(tables, node, column, mask, SLOTS)
        node += _step(k3, N)
        total += (f3 - f4)[:, None] * _entries(tables, node, column, mask, SLOTS)
        node += _step(k4, N)
        total += f4[:, None] * _entries(tables, node, column, mask, SLOTS)
    used = column < VALUES
    beside = (image * VALUES + (i - image))[:, None] + (column.to(tl.int64) * (rows * cols))[
        None, :
    ]
    both = mask[:, None] & used[None, :]
    UNIT: tl.constexpr = CELL // INTERVAL
    if KIND == _IS_SUMS:
        tl.store(out + beside, total.to(tl.float32) * (1.0 / CELL), mask=both)
    else:
        value = _finished(total, finish, column, used, SLOTS, UNIT, INTERVAL, WIDE)
        feature = tl.load(plane + i, mask=mask, other=0)
        if KIND == _IS_UNITS:
            tl.store(out + beside, value.to(out.dtype.element_ty), mask=both)
        elif KIND == _IS_BYTES:
            place = (8 * column + 8).to(tl.int64)[None, :]
            word = tl.sum(tl.where(used[None, :], value.to(tl.int64) << place, 0), 1)
            word = word | feature.to(tl.int64)
            tl.store(out + i, word.to(out.dtype.element_ty), mask=mask)
        else:
            level = feature.to(tl.float32) * (1.0 / UNIT)
            if REST:
                level += tl.load(remainder + i, mask=mask, other=0.0)
            tl.store(out + i * PACKED, level, mask=mask)
            at = (i * PACKED)[:, None] + (column + 1)[None, :]
            tl.store(out + at, value.to(tl.float32) * (1.0 / UNIT), mask=both)


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
    at = (
        grad
        + (image * VALUES + (i - image))[:, None]
        + (column.to(tl.int64) * (rows * cols))[None, :]
    )
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
        s1 = tl.sum((e1 - e0).to(tl.float32) * g, 1)
        s2 = tl.sum((e2 - e1).to(tl.float32) * g, 1)
        s3 = tl.sum((e3 - e2).to(tl.float32) * g, 1)
        s4 = tl.sum((e4 - e3).to(tl.float32) * g, 1)
        _add_slope(slopes, pa, 3, s1, s2, s3, s4, k1, k2, k3, k4, mask)
        _add_slope(slopes, pb, 2, s1, s2, s3, s4, k1, k2, k3, k4, mask)
        _add_slope(slopes, pc, 1, s1, s2, s3, s4, k1, k2, k3, k4, mask)
        _add_slope(slopes, pd, 0, s1, s2, s3, s4, k1, k2, k3, k4, mask)


def _constants(layout: StageLayout, cell: int, units: int) -> Any:
    return {
        "READS": len(layout.offsets), "VALUES": layout.values, "SLOTS": layout.tables.shape[1],
        "N": layout.nodes, "UNITS": units, "CELL": cell,
    }  # fmt: skip


def _read(
    plane: Tensor, layout: StageLayout, out: Tensor, remainder: Tensor | None, *, cell: int,
    kind: int, units: int = 1, packed: int = 1,
) -> None:  # fmt: skip
    _, rows, cols = plane.shape
    launch(
        _read_kernel, (cdiv(plane.numel()),), plane.contiguous(), layout.tables, layout.offsets,
        layout.finish, out if remainder is None else remainder.contiguous(), out, rows, cols,
        plane.numel(), **_constants(layout, cell, units), INTERVAL=layout.reads.interval,
        KIND=kind, PACKED=packed, REST=remainder is not None, WIDE=layout.is_wide(cell),
    )  # fmt: skip


def read_sums(plane: Tensor, layout: StageLayout, units: int) -> Tensor:
    """Sums of a stage's reads, as `table_reads.read_tables` has them.

    Parameters
    ----------
    plane : Tensor of float32, (planes, rows, cols)
        Grey levels, whole units each.
    layout : StageLayout
    units : int
        Units per grey level.

    Returns
    -------
    Tensor of float32, (planes, values, rows, cols)
    """
    count, rows, cols = plane.shape
    out = plane.new_empty((count, layout.values, rows, cols))
    cell = layout.reads.interval * units
    _read(plane, layout, out, None, cell=cell, kind=_SUMS, units=units)
    return out


def read_units(plane: Tensor, layout: StageLayout, cell_bits: int) -> Tensor:
    """Values of a stage; see `integer_reads.read_units`."""
    count, rows, cols = plane.shape
    out = plane.new_empty((count, layout.values, rows, cols))
    _read(plane, layout, out, None, cell=1 << cell_bits, kind=_UNITS)
    return out


def read_packed(
    plane: Tensor, layout: StageLayout, cell_bits: int, remainder: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:  # fmt: skip
    """Packed parameters of a last stage; see `packed_planes.read_packed`."""
    slots, cell = slot_count(layout.values), 1 << cell_bits
    out = plane.new_empty((*plane.shape, slots), dtype=dtype)
    if dtype == torch.uint8:
        _read(plane, layout, out.view(WORDS[slots]), None, cell=cell, kind=_BYTES)
    else:
        _read(plane, layout, out, remainder, cell=cell, kind=_LEVELS, packed=slots)
    return out


def read_slopes(plane: Tensor, layout: StageLayout, grad: Tensor, units: int) -> Tensor:
    """Gradient of `read_sums` by the plane, from that by them, (planes, values, rows, cols)."""
    slopes = torch.zeros_like(plane, memory_format=torch.contiguous_format)
    _, rows, cols = plane.shape
    interval = layout.reads.interval
    launch(
        _slope_kernel, (cdiv(plane.numel()),), plane.contiguous(), layout.tables, layout.offsets,
        grad.contiguous(), slopes, rows, cols, plane.numel(), 1.0 / interval,
        **_constants(layout, interval * units, units),
    )  # fmt: skip
    return slopes
