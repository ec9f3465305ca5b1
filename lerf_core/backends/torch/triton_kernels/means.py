# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
# ruff: noqa: N803 - constants of kernels are written as constants
"""The weighted mean on grids and at points, of terms or of packed parameters.

Terms (`lerf_core.backends.torch.weighted_mean.mean_terms`) are what gradients are found by; of
packed bytes a neighbour is one word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lerf_core.backends.torch.triton_kernels.launching import (
    WORDS,
    cdiv,
    launch,
    rounded,
    tl,
    triton,
)
from lerf_core.constants import (
    CROSS_STEPS,
    EXP2_POLYNOMIAL,
    EXPONENT_STEPS,
    EXPONENT_TOP,
    FIRST_WEIGHT,
    LEVELS,
    LOCAL_PLANE_BIAS,
    MAX_POINT_TAPS,
    POSITION_EPS,
    REACH_LIMIT,
    RESIDUAL_UNIT,
    SLOPE_UNIT,
    SQUARE_STEPS,
)

if TYPE_CHECKING:
    from lerf_core.backends.torch.packed_planes import PackedPlanes
    from lerf_core.backends.torch.taps import GridTaps

__all__ = [
    "grid_mean",
    "packed_grid_mean",
    "packed_points_mean",
    "point_taps",
    "points_mean",
    "tent",
    "weight_of",
]

_C0, _C1, _C2, _C3, _C4 = (tl.constexpr(float(c)) for c in EXP2_POLYNOMIAL)
_SQUARE, _CROSS = tl.constexpr(float(SQUARE_STEPS)), tl.constexpr(float(CROSS_STEPS))
_TOP, _FIRST = tl.constexpr(float(EXPONENT_TOP)), tl.constexpr(float(FIRST_WEIGHT))
_BELOW, _ONE = tl.constexpr(EXPONENT_STEPS - 1), tl.constexpr(0x3F800000)
_REACH, _EPS = tl.constexpr(float(REACH_LIMIT)), tl.constexpr(POSITION_EPS)
_MOST = tl.constexpr(MAX_POINT_TAPS)
_WHITE, _PART = tl.constexpr(float(LEVELS)), tl.constexpr(1 / LEVELS)
_BIAS, _SLOPE = tl.constexpr(float(LOCAL_PLANE_BIAS)), tl.constexpr(float(SLOPE_UNIT))
_RESIDUAL = tl.constexpr(float(RESIDUAL_UNIT))
# How source pixels are stored.
_TERMS, _LEVELS, _BYTES = range(3)
_IS_TERMS, _IS_LEVELS = tl.constexpr(_TERMS), tl.constexpr(_LEVELS)


# -- a neighbour ------------------------------------------------------------------------


@triton.jit
def _slot(source, at, number: tl.constexpr, mask, STORED: tl.constexpr, SLOTS: tl.constexpr):
    """Slot of a packed pixel, in grey levels."""
    if STORED == _IS_LEVELS:
        level = tl.load(source + at.to(tl.int64) * SLOTS + number, mask=mask, other=0.0)
    else:
        word = tl.load(source + at, mask=mask, other=0)
        level = ((word >> (8 * number)) & 255).to(tl.float32)
    return level


@triton.jit
def tent(slope, distance):
    """Weight along one axis."""
    size = tl.abs(distance)
    return tl.where(size <= 1.0, tl.maximum(1.0 - slope * size, 0.0), 0.0)


@triton.jit
def _neighbour(source, at, pixels, dy, dx, mask, VALUES: tl.constexpr, LINEAR: tl.constexpr,
               STORED: tl.constexpr, SLOTS: tl.constexpr):  # fmt: skip
    """Value of a neighbour at the output pixel, and its exponent; LeRF-L's weight instead."""
    if STORED == _IS_TERMS:
        value = tl.load(source + at, mask=mask, other=0.0)
        shape = tl.load(source + pixels + at, mask=mask, other=0.0)
    else:
        value = _slot(source, at, 0, mask, STORED, SLOTS)
        shape = _slot(source, at, 1, mask, STORED, SLOTS)
    if LINEAR:
        if STORED != _IS_TERMS:
            shape = ((shape + shape) - _WHITE) * _PART
        second = tent(shape, dy) * tent(shape, dx)
    else:
        if STORED == _IS_TERMS:
            cross = tl.load(source + 2 * pixels + at, mask=mask, other=0.0)
            col = tl.load(source + 3 * pixels + at, mask=mask, other=0.0)
            if VALUES == 6:
                down = tl.load(source + 4 * pixels + at, mask=mask, other=0.0)
                across = tl.load(source + 5 * pixels + at, mask=mask, other=0.0)
        else:
            sigma_row = _slot(source, at, 2, mask, STORED, SLOTS)
            sigma_col = _slot(source, at, 3, mask, STORED, SLOTS)
            cross = ((shape + shape) - _WHITE) * (sigma_row * sigma_col)
            shape = sigma_row * sigma_row
            col = sigma_col * sigma_col
            if VALUES == 6:
                down = (_slot(source, at, 4, mask, STORED, SLOTS) - _BIAS) * _SLOPE
                across = (_slot(source, at, 5, mask, STORED, SLOTS) - _BIAS) * _SLOPE
                value += (_slot(source, at, 6, mask, STORED, SLOTS) - _BIAS) * _RESIDUAL
        exponent = shape * (_SQUARE * (dy * dy)) + cross * ((_CROSS * dx) * dy)
        exponent = exponent + col * (_SQUARE * (dx * dx))
        second = tl.minimum(exponent, _TOP)
        if VALUES == 6:
            value += across * dx
            value += down * dy
    return value, second


@triton.jit
def weight_of(first, second, LINEAR: tl.constexpr):
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
def _validity(validity, at, mask, beyond, cval_validity, VALID: tl.constexpr,
              CONSTANT: tl.constexpr):  # fmt: skip
    """Factor of a neighbour's weight."""
    if VALID:
        factor = tl.load(validity + at, mask=mask, other=0.0)
        if CONSTANT:
            factor = tl.where(beyond, cval_validity, factor)
    else:
        factor = 1.0
    return factor


@triton.jit
def _store(mean, total, at, mask, base, weights, change, valid, valid_change, low, high, is_bound,
           VALID: tl.constexpr, BOUND: tl.constexpr, BYTES: tl.constexpr,
           TOTAL: tl.constexpr):  # fmt: skip
    """Store means, and the sums of weights, or the valid shares of them."""
    if VALID:
        is_valid = valid > 0
        sums = tl.where(is_valid, valid, weights)
        level = base + tl.div_rn(tl.where(is_valid, valid_change, change), sums)
        tl.store(total + at, tl.div_rn(valid, weights), mask=mask)
    else:
        level = base + tl.div_rn(change, weights)
        if TOTAL:
            tl.store(total + at, weights, mask=mask)
    if BOUND:
        level = tl.where(is_bound, tl.minimum(tl.maximum(level, low), high), level)
    if BYTES:
        tl.store(mean + at, rounded(level), mask=mask)
    else:
        tl.store(mean + at, level, mask=mask)


# -- grids ------------------------------------------------------------------------------


@triton.jit
def _grid_kernel(values, validity, bounds, row_index, row_offset, col_index, col_offset, row_cell,
                 col_cell, mean, total, rows, cols, out_rows, out_cols, down, across, cell_rows,
                 cell_cols, cval, cval_validity, validity_step, VALUES: tl.constexpr,
                 LINEAR: tl.constexpr, STORED: tl.constexpr, SLOTS: tl.constexpr,
                 CONSTANT: tl.constexpr, VALID: tl.constexpr, BOUND: tl.constexpr,
                 BYTES: tl.constexpr, TOTAL: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < out_rows * out_cols
    y, x = i // out_cols, i % out_cols
    plane = tl.program_id(1).to(tl.int64)
    pixels = tl.cast(rows, tl.int64) * cols
    source = values + plane * (SLOTS * pixels)
    factors = validity + plane * validity_step
    base = tl.zeros((BLOCK,), tl.float32)
    first, change, weights = base, base, base
    valid, valid_change = base, base
    for ty in range(down):
        tap_row = tl.load(row_index + ty * out_rows + y, mask=mask, other=0)
        dy = tl.load(row_offset + ty * out_rows + y, mask=mask, other=0.0)
        row = tl.minimum(tl.maximum(tap_row, 0), rows - 1)
        for tx in range(across):
            tap_col = tl.load(col_index + tx * out_cols + x, mask=mask, other=0)
            dx = tl.load(col_offset + tx * out_cols + x, mask=mask, other=0.0)
            col = tl.minimum(tl.maximum(tap_col, 0), cols - 1)
            at = row * cols + col
            value, second = _neighbour(
                source, at, pixels, dy, dx, mask, VALUES, LINEAR, STORED, SLOTS
            )
            beyond = (row != tap_row) | (col != tap_col)
            if CONSTANT:
                value = tl.where(beyond, cval, value)
            is_first = ty + tx == 0
            base = tl.where(is_first, value, base)
            first = tl.where(is_first, second, first)
            weight = weight_of(first, second, LINEAR)
            in_reach = (tl.abs(dy) <= _REACH) & (tl.abs(dx) <= _REACH)
            weight = tl.where(in_reach, weight, 0.0)
            difference = value - base
            weights += weight
            change += weight * difference
            if VALID:
                factor = _validity(factors, at, mask, beyond, cval_validity, VALID, CONSTANT)
                valid += weight * factor
                valid_change += (weight * factor) * difference
    low, high, is_bound = base, base, mask
    if BOUND:
        cell_row = tl.load(row_cell + y, mask=mask, other=0)
        cell_col = tl.load(col_cell + x, mask=mask, other=0)
        is_bound = (cell_row >= 0) & (cell_col >= 0)
        cell = tl.maximum(cell_row, 0) * cell_cols + tl.maximum(cell_col, 0)
        limits = bounds + plane * (2 * cell_rows * cell_cols) + cell
        low = tl.load(limits, mask=mask, other=0).to(tl.float32)
        high = tl.load(limits + cell_rows * cell_cols, mask=mask, other=0).to(tl.float32)
    at = plane * (out_rows * out_cols) + i
    _store(
        mean, total, at, mask, base, weights, change, valid, valid_change, low, high, is_bound,
        VALID, BOUND, BYTES, TOTAL,
    )  # fmt: skip


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
    count = values.shape[1]
    launch(
        _grid_kernel, (cdiv(size[0] * size[1]), len(values)), values.contiguous(), total, total,
        row_index, row_offset, col_index, col_offset, row_index, col_index, mean, total, *shape,
        *size, len(row_index), len(col_index), 0, 0, cval or 0.0, 1.0, 0,
        VALUES=count, LINEAR=linear, STORED=_TERMS, SLOTS=count, CONSTANT=cval is not None,
        VALID=False, BOUND=False, BYTES=False, TOTAL=True,
    )  # fmt: skip
    return mean, total


def packed_grid_mean(
    planes: "PackedPlanes", taps: "GridTaps", *, to_uint8: bool
) -> tuple[Tensor, Tensor | None]:
    """Weighted mean on a grid; see `packed_planes.grid_mean`."""
    (row_index, row_offset), (col_index, col_offset) = taps.arrays
    size, count = taps.out_shape, len(planes.packed)
    given = _Given.of(planes, to_uint8=to_uint8, size=size, is_bound=taps.is_bound)
    cells = taps.cells if given.has_bounds else [row_index, col_index]
    launch(
        _grid_kernel, (cdiv(size[0] * size[1]), count), given.values, given.validity, given.bounds,
        row_index, row_offset, col_index, col_offset, *cells, given.mean, given.share,
        *planes.shape, *size, len(row_index), len(col_index), *given.cell_shape, taps.cval or 0.0,
        taps.cval_validity, given.validity_step, CONSTANT=taps.cval is not None, **given.constants,
    )  # fmt: skip
    return given.mean, given.share if given.has_validity else None


@dataclass(frozen=True)
class _Given:
    """What both kernels are given of packed planes; what there is none of is any tensor."""

    values: Tensor
    validity: Tensor
    validity_step: int
    bounds: Tensor
    cell_shape: tuple[int, int]
    mean: Tensor
    share: Tensor
    has_validity: bool
    has_bounds: bool
    constants: dict[str, Any]

    @classmethod
    def of(
        cls, planes: "PackedPlanes", *, to_uint8: bool, size: tuple[int, ...], is_bound: bool
    ) -> "_Given":
        """Lay planes out, and make room for their means."""
        packed, (rows, cols) = planes.packed.contiguous(), planes.shape
        count, slots = len(packed), packed.shape[-1]
        is_bytes = packed.dtype == torch.uint8
        mean = packed.new_empty((count, *size), dtype=torch.uint8 if to_uint8 else torch.float32)
        share = validity = bounds = mean
        step, cell_shape = 0, (0, 0)
        if planes.validity is not None:
            share = packed.new_empty((count, *size), dtype=torch.float32)
            validity = planes.validity.float().contiguous()
            step = rows * cols if validity.ndim == 3 else 0
        has_bounds = planes.bounds is not None and is_bound
        if planes.bounds is not None and is_bound:
            bounds = planes.bounds.contiguous()
            cell_shape = (bounds.shape[2], bounds.shape[3])
        constants = {
            "VALUES": planes.parameters, "LINEAR": planes.weighting == "linear",
            "STORED": _BYTES if is_bytes else _LEVELS, "SLOTS": 1 if is_bytes else slots,
            "VALID": planes.validity is not None, "BOUND": has_bounds, "BYTES": to_uint8,
            "TOTAL": False,
        }  # fmt: skip
        return cls(
            packed.view(WORDS[slots]) if is_bytes else packed, validity, step, bounds, cell_shape,
            mean, share, planes.validity is not None, has_bounds, constants,
        )  # fmt: skip


# -- points -----------------------------------------------------------------------------


@triton.jit
def point_taps(positions, scales, at, mask):
    """Positions along an axis: themselves, first tap, number of taps, step, inverse scale."""
    position = tl.load(positions + at, mask=mask, other=0.0)
    scale = tl.load(scales + at, mask=mask, other=1.0)
    first = tl.ceil(position - scale - _EPS).to(tl.int64)
    count = tl.where(scale > 1.0, tl.floor(2.0 * scale + _EPS) + 1.0, 2.0).to(tl.int64)
    step = (count + (_MOST - 1)) // _MOST
    return position, first, (count + step - 1) // step, step, 1.0 / scale


@triton.jit
def _points_kernel(values, validity, bounds, row, col, row_scales, col_scales, start, mean, total,
                   rows, cols, pixels, points, channels, cell_rows, cell_cols, validity_step,
                   VALUES: tl.constexpr, LINEAR: tl.constexpr, STORED: tl.constexpr,
                   SLOTS: tl.constexpr, VALID: tl.constexpr, BOUND: tl.constexpr,
                   BYTES: tl.constexpr, TOTAL: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < points
    plane = tl.program_id(1).to(tl.int64)
    pixels = tl.cast(pixels, tl.int64)
    source = values + plane * (SLOTS * pixels)
    factors = validity + plane * validity_step
    # Of terms planes hold all images; of packed parameters one each.
    if STORED == _IS_TERMS:
        image = tl.load(start + i, mask=mask, other=0)
        position = i.to(tl.int64)
    else:
        image = 0
        position = (plane // channels) * points + i
    y, top, down, row_step, inverse_row = point_taps(row, row_scales, position, mask)
    x, left, across, col_step, inverse_col = point_taps(col, col_scales, position, mask)
    base = tl.zeros((BLOCK,), tl.float32)
    first, change, weights = base, base, base
    valid, valid_change = base, base
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
            value, second = _neighbour(
                source, at, pixels, dy, dx, used, VALUES, LINEAR, STORED, SLOTS
            )
            is_first = ty + tx == 0
            base = tl.where(is_first, value, base)
            first = tl.where(is_first, second, first)
            weight = tl.where(in_reach & used, weight_of(first, second, LINEAR), 0.0)
            difference = value - base
            weights += weight
            change += weight * difference
            if VALID:
                factor = _validity(factors, at, used, used, 1.0, VALID, False)
                valid += weight * factor
                valid_change += (weight * factor) * difference
    low, high, is_bound = base, base, mask
    if BOUND:
        is_bound = (down == 2) & (across == 2)
        cell_row = tl.minimum(tl.maximum(top, -1), rows - 1) + 1
        cell_col = tl.minimum(tl.maximum(left, -1), cols - 1) + 1
        limits = bounds + plane * (2 * cell_rows * cell_cols) + cell_row * cell_cols + cell_col
        low = tl.load(limits, mask=mask, other=0).to(tl.float32)
        high = tl.load(limits + cell_rows * cell_cols, mask=mask, other=0).to(tl.float32)
    at = plane * points + i
    _store(
        mean, total, at, mask, base, weights, change, valid, valid_change, low, high, is_bound,
        VALID, BOUND, BYTES, TOTAL,
    )  # fmt: skip


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
    points, count = len(start), values.shape[1]
    mean = values.new_empty((len(values), points))
    total = torch.empty_like(mean)
    arrays = [tensor.contiguous() for tensor in (*positions, *filter_scales, start)]
    launch(
        _points_kernel, (cdiv(points), len(values)), values.contiguous(), total, total, *arrays,
        mean, total, *shape, values.shape[2], points, 1, 0, 0, 0, VALUES=count, LINEAR=linear,
        STORED=_TERMS, SLOTS=count, VALID=False, BOUND=False, BYTES=False, TOTAL=True,
    )  # fmt: skip
    return mean, total


def packed_points_mean(
    planes: "PackedPlanes", positions: Sequence[Tensor], filter_scales: Sequence[Tensor], *,
    to_uint8: bool,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Weighted mean at scattered positions; see `packed_planes.points_mean`."""
    (images, points), (rows, cols) = positions[0].shape, planes.shape
    given = _Given.of(planes, to_uint8=to_uint8, size=(points,), is_bound=True)
    arrays = [tensor.contiguous() for tensor in (*positions, *filter_scales)]
    arrays.append(arrays[0])  # the kernel looks at no start
    launch(
        _points_kernel, (cdiv(points), len(planes.packed)), given.values, given.validity,
        given.bounds, *arrays, given.mean, given.share, rows, cols, rows * cols, points,
        len(planes.packed) // images, *given.cell_shape, given.validity_step, **given.constants,
    )  # fmt: skip
    return given.mean, given.share if given.has_validity else None
