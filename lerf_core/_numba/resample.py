"""The weighted mean in numba, bit-equal to `reference.resample_grid` and `resample_points`.

`grid2_rows` resizes by two neighbours an axis, the common case: everything of a weight
that does not depend on the output row is made once a source row and kept for the rows
that share it. `grid_rows` takes any number of taps, and confidences. `points2_rows` takes
scattered positions by two neighbours an axis, `points_rows` by footprints. Where the
parameters hold planes, a neighbour's level is that of its plane at the output's position.

All arithmetic is float32 in the reference's order; numba neither fuses nor reorders it.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from lerf_core.bank import LEVELS, PLANE_BIAS, RESIDUAL_UNIT, SLOPE_UNIT
from lerf_core.reference import (
    EXP2_COEFFICIENTS,
    EXPONENT_LIMIT,
    GAUSS_CROSS,
    GAUSS_SQUARE,
    ROUND_F32,
    WEIGHT_VALUES,
)
from lerf_core.taps import MAX_POINT_TAPS, POSITION_EPS, REACH_LIMIT

__all__ = ["grid2_rows", "grid_rows", "points2_rows", "points_rows"]

# Columns handled at once: the scratch rows of a segment stay in the first-level cache.
_SEGMENT = 256
_ZERO, _ONE, _TOP = np.float32(0), np.float32(1), np.float32(LEVELS)
_INVERSE_TOP = np.float32(1 / LEVELS)
_C0, _C1, _C2, _C3, _C4, _C5 = EXP2_COEFFICIENTS
_EXPONENT_SHIFT = np.int32(23)
_PLANE_BIAS, _SLOPE_UNIT = np.float32(PLANE_BIAS), np.float32(SLOPE_UNIT)
_RESIDUAL_UNIT = np.float32(RESIDUAL_UNIT)
# Kinds of planes are Gaussian: these are the planes' places among the parameters.
_SLOPE_ROW = WEIGHT_VALUES["gaussian"]
_SLOPE_COL = _SLOPE_ROW + 1
_RESIDUAL = _SLOPE_ROW + 2


@intrinsic
def _float_bits(typing_context, value):  # noqa: ARG001
    """Return the bits of a float32 as int32."""

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@intrinsic
def _bits_float(typing_context, bits):  # noqa: ARG001
    """Return the float32 that has these bits."""

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@njit(nogil=True, cache=True, error_model="numpy")
def _exp2_negative(exponent):
    """See `reference.exp2_negative`."""
    exponent = EXPONENT_LIMIT if exponent > EXPONENT_LIMIT else exponent
    shifted = exponent + ROUND_F32
    f = (shifted - ROUND_F32) - exponent
    power = ((((_C5 * f + _C4) * f + _C3) * f + _C2) * f + _C1) * f + _C0
    return _bits_float(
        np.int32(_float_bits(power) - np.int32(_float_bits(shifted) << _EXPONENT_SHIFT))
    )


@njit(nogil=True, cache=True, error_model="numpy")
def _tent(a, distance):
    size = abs(distance)
    weight = _ONE - a * size
    return weight if weight > _ZERO and size <= _ONE else _ZERO


@njit(nogil=True, cache=True, error_model="numpy")
def _to_output(value, out):
    """Round to the output's type: uint8, or float32 as it is."""
    if out.itemsize == 1:
        value = (value + ROUND_F32) - ROUND_F32
        value = _ZERO if value < _ZERO else value
        value = _TOP if value > _TOP else value
    return value


@njit(nogil=True, cache=True, error_model="numpy")
def _expand(
    feature, parameters, gaussian, row, outside, cval, use_cval, confidence, cval_confidence,
    col_index, col_outside, col_offset, start, n, taps,
):  # fmt: skip
    """What one source row gives to a segment of output columns, for both column taps.

    ``taps[side]`` receives the feature, three rows from which the blends make weights, the
    confidence, and the slope along the rows; what the slope along the columns adds is in
    the feature already. For the Gaussian the exponent is ``(q0 * dy**2 + q1 * dy) + q2``;
    for the tent q0 is its slope and q1 the weight along the columns.
    """
    line = feature[row]
    for side in range(2):
        value, q0, q1, q2 = taps[side, 0], taps[side, 1], taps[side, 2], taps[side, 3]
        offset = col_offset[side, start : start + n]
        index = col_index[side, start : start + n]
        for x in range(n):
            value[x] = line[index[x]]
        if parameters.shape[0] > _SLOPE_ROW:
            lean = taps[side, 5]
            slope_row, slope_col = parameters[_SLOPE_ROW, row], parameters[_SLOPE_COL, row]
            residual = parameters[_RESIDUAL, row]
            for x in range(n):
                lean[x] = slope_row[index[x]]
                q0[x] = slope_col[index[x]]
                q1[x] = residual[index[x]]
            for x in range(n):
                lean[x] = (lean[x] - _PLANE_BIAS) * _SLOPE_UNIT
                level = value[x] + (q1[x] - _PLANE_BIAS) * _RESIDUAL_UNIT
                value[x] = level + ((q0[x] - _PLANE_BIAS) * _SLOPE_UNIT) * offset[x]
        if use_cval:
            beyond = col_outside[side, start : start + n]
            for x in range(n):
                if outside or beyond[x]:
                    value[x] = cval
                    taps[side, 5, x] = _ZERO
        if confidence.size > 0:
            factor, factors = taps[side, 4], confidence[row]
            for x in range(n):
                factor[x] = factors[index[x]]
                if use_cval and (outside or col_outside[side, start + x]):
                    factor[x] = cval_confidence
        if gaussian:
            rho, sigma_row, sigma_col = parameters[0, row], parameters[1, row], parameters[2, row]
            for x in range(n):
                j = index[x]
                q0[x] = sigma_row[j]
                q1[x] = rho[j]
                q2[x] = sigma_col[j]
            for x in range(n):
                sr, rh, sc, dx = q0[x], q1[x], q2[x], offset[x]
                cross = GAUSS_CROSS * ((rh + rh - _TOP) * (sr * sc))
                q0[x] = GAUSS_SQUARE * (sr * sr)
                q1[x] = cross * dx
                q2[x] = ((GAUSS_SQUARE * (sc * sc)) * dx) * dx
        else:
            alpha = parameters[0, row]
            for x in range(n):
                a = np.float32(alpha[index[x]])
                a = (a + a - _TOP) * _INVERSE_TOP
                q0[x] = a
                q1[x] = _tent(a, offset[x])


@njit(nogil=True, cache=True, error_model="numpy")
def _mean_of_four(w00, w01, w10, w11, v00, v01, v10, v11):
    total = ((w00 + w01) + w10) + w11
    change = (w01 * (v01 - v00) + w10 * (v10 - v00)) + w11 * (v11 - v00)
    return v00 + change / total


@njit(nogil=True, cache=True, error_model="numpy")
def _blend_gaussian(upper, lower, dy0, dy1, n, out):
    f00, a00, b00, c00 = upper[0, 0], upper[0, 1], upper[0, 2], upper[0, 3]
    f01, a01, b01, c01 = upper[1, 0], upper[1, 1], upper[1, 2], upper[1, 3]
    f10, a10, b10, c10 = lower[0, 0], lower[0, 1], lower[0, 2], lower[0, 3]
    f11, a11, b11, c11 = lower[1, 0], lower[1, 1], lower[1, 2], lower[1, 3]
    yy0, yy1 = dy0 * dy0, dy1 * dy1
    for x in range(n):
        w00 = _exp2_negative((a00[x] * yy0 + b00[x] * dy0) + c00[x])
        w01 = _exp2_negative((a01[x] * yy0 + b01[x] * dy0) + c01[x])
        w10 = _exp2_negative((a10[x] * yy1 + b10[x] * dy1) + c10[x])
        w11 = _exp2_negative((a11[x] * yy1 + b11[x] * dy1) + c11[x])
        mean = _mean_of_four(w00, w01, w10, w11, f00[x], f01[x], f10[x], f11[x])
        out[x] = _to_output(mean, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _blend_planes(upper, lower, dy0, dy1, n, out):
    """As `_blend_gaussian`, of levels that lean along the rows."""
    f00, a00, b00, c00, s00 = upper[0, 0], upper[0, 1], upper[0, 2], upper[0, 3], upper[0, 5]
    f01, a01, b01, c01, s01 = upper[1, 0], upper[1, 1], upper[1, 2], upper[1, 3], upper[1, 5]
    f10, a10, b10, c10, s10 = lower[0, 0], lower[0, 1], lower[0, 2], lower[0, 3], lower[0, 5]
    f11, a11, b11, c11, s11 = lower[1, 0], lower[1, 1], lower[1, 2], lower[1, 3], lower[1, 5]
    yy0, yy1 = dy0 * dy0, dy1 * dy1
    for x in range(n):
        w00 = _exp2_negative((a00[x] * yy0 + b00[x] * dy0) + c00[x])
        w01 = _exp2_negative((a01[x] * yy0 + b01[x] * dy0) + c01[x])
        w10 = _exp2_negative((a10[x] * yy1 + b10[x] * dy1) + c10[x])
        w11 = _exp2_negative((a11[x] * yy1 + b11[x] * dy1) + c11[x])
        v00, v01 = f00[x] + s00[x] * dy0, f01[x] + s01[x] * dy0
        v10, v11 = f10[x] + s10[x] * dy1, f11[x] + s11[x] * dy1
        mean = _mean_of_four(w00, w01, w10, w11, v00, v01, v10, v11)
        out[x] = _to_output(mean, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _blend_tent(upper, lower, dy0, dy1, n, out):
    f00, a00, t00 = upper[0, 0], upper[0, 1], upper[0, 2]
    f01, a01, t01 = upper[1, 0], upper[1, 1], upper[1, 2]
    f10, a10, t10 = lower[0, 0], lower[0, 1], lower[0, 2]
    f11, a11, t11 = lower[1, 0], lower[1, 1], lower[1, 2]
    for x in range(n):
        w00 = _tent(a00[x], dy0) * t00[x]
        w01 = _tent(a01[x], dy0) * t01[x]
        w10 = _tent(a10[x], dy1) * t10[x]
        w11 = _tent(a11[x], dy1) * t11[x]
        mean = _mean_of_four(w00, w01, w10, w11, f00[x], f01[x], f10[x], f11[x])
        out[x] = _to_output(mean, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _blend_trusting(gaussian, leaning, upper, lower, dy0, dy1, n, weights, values, out, trust):
    """Blend with confidences: first weights and values of all four, then both means."""
    for k in range(4):
        dy = dy1 if k > 1 else dy0
        side = (lower if k > 1 else upper)[k & 1]
        q0, q1, q2, weight = side[1], side[2], side[3], weights[k]
        level, lean, value = side[0], side[5], values[k]
        for x in range(n):
            value[x] = level[x] + lean[x] * dy if leaning else level[x]
        if gaussian:
            for x in range(n):
                weight[x] = _exp2_negative((q0[x] * (dy * dy) + q1[x] * dy) + q2[x])
        else:
            for x in range(n):
                weight[x] = _tent(q0[x], dy) * q1[x]
    _combine_trusting(
        weights, values[0], values[1], values[2], values[3],
        upper[0, 4], upper[1, 4], lower[0, 4], lower[1, 4], n, out, trust,
    )  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy")
def _combine_trusting(weights, f00, f01, f10, f11, t00, t01, t10, t11, n, out, trust):
    """Mean of four neighbours with confidences t; see `reference._Mean`."""
    w00, w01, w10, w11 = weights[0], weights[1], weights[2], weights[3]
    for x in range(n):
        base = f00[x]
        d01, d10, d11 = f01[x] - base, f10[x] - base, f11[x] - base
        k01, k10, k11 = w01[x] * t01[x], w10[x] * t10[x], w11[x] * t11[x]
        plain_sum = ((w00[x] + w01[x]) + w10[x]) + w11[x]
        trusted_sum = ((w00[x] * t00[x] + k01) + k10) + k11
        plain = (w01[x] * d01 + w10[x] * d10) + w11[x] * d11
        trusted = (k01 * d01 + k10 * d10) + k11 * d11
        known = trusted_sum > _ZERO
        change = (trusted if known else plain) / (trusted_sum if known else plain_sum)
        out[x] = _to_output(base + change, out)
        trust[x] = trusted_sum / plain_sum


@njit(nogil=True, cache=True, error_model="numpy")
def _spread_limits(limits, row, cells, low, high):
    """Limits of a row of cells, for the output columns that lie in them."""
    least, most = (0, _TOP) if low.itemsize == 1 else (-np.inf, np.inf)
    lows, highs = limits[0, row], limits[1, row]
    for x in range(cells.size):
        cell = cells[x]
        low[x] = lows[cell] if cell >= 0 else least
        high[x] = highs[cell] if cell >= 0 else most


@njit(nogil=True, cache=True, error_model="numpy")
def _clip_row(row, low, high):
    for x in range(row.size):
        value = row[x]
        value = low[x] if value < low[x] else value
        row[x] = high[x] if value > high[x] else value


@njit(nogil=True, cache=True, error_model="numpy")
def grid2_rows(
    feature, parameters, gaussian, row_index, row_outside, row_offset,
    col_index, col_outside, col_offset, cval, use_cval, confidence, cval_confidence,
    limits, row_cell, col_cell, top, bottom, out, trust,
):  # fmt: skip
    """Resize output rows top..bottom-1 by two neighbours an axis.

    Parameters
    ----------
    feature : ndarray of uint8 or float32, (rows, cols)
    parameters : ndarray, (values, rows, cols)
    gaussian : bool
        The weighting: Gaussian or tent.
    row_index, col_index : ndarray of int64, (2, output size)
        Source indices of both taps, clipped to the image.
    row_outside, col_outside : ndarray of bool, (2, output size)
        Whether they had to be.
    row_offset, col_offset : ndarray of float32, (2, output size)
    cval, use_cval : float32, bool
        Feature beyond the border, if wanted.
    confidence : ndarray of float32, (rows, cols)
        Empty for none.
    cval_confidence : float32
        Confidence beyond the border.
    limits : ndarray, (2, rows + 1, cols + 1)
        See `reference.limits` and `over_one_tap`; rounded for bytes, and empty for none.
    row_cell, col_cell : ndarray of int64, (output size,)
        The cells that output rows and columns lie in; -1 for those without limits.
    out : ndarray of uint8 or float32, (output rows, output cols)
        Receives the mean.
    trust : ndarray of float32, as `out`
        With confidences, receives the trusted share of the weights.
    """
    trusting = confidence.size > 0
    leaning = parameters.shape[0] > _SLOPE_ROW
    slots = np.empty((2, 2, 6, _SEGMENT), np.float32)
    weights = np.empty((4, _SEGMENT), np.float32)
    values = np.empty((4, _SEGMENT), np.float32)
    bounds = np.empty((2, _SEGMENT), out.dtype)
    width = out.shape[1]
    for start in range(0, width, _SEGMENT):
        n = min(_SEGMENT, width - start)
        held_cell = np.int64(-1)
        held_row = np.full(2, -1, np.int64)  # source row that each slot holds
        held_outside = np.zeros(2, np.bool_)
        for y in range(top, bottom):
            use = np.empty(2, np.int64)
            for tap in range(2):
                row, outside = row_index[tap, y], row_outside[tap, y]
                if held_row[0] == row and held_outside[0] == outside:
                    slot = 0
                elif held_row[1] == row and held_outside[1] == outside:
                    slot = 1
                else:  # a new row goes where this output row needs nothing else
                    slot = 1 - use[0] if tap == 1 else 0
                    other_row, other_outside = row_index[1, y], row_outside[1, y]
                    if tap == 0 and held_row[0] == other_row and held_outside[0] == other_outside:
                        slot = 1
                    _expand(
                        feature, parameters, gaussian, row, outside, cval, use_cval,
                        confidence, cval_confidence,
                        col_index, col_outside, col_offset, start, n, slots[slot],
                    )  # fmt: skip
                    held_row[slot], held_outside[slot] = row, outside
                use[tap] = slot
            upper, lower = slots[use[0]], slots[use[1]]
            target = out[y, start : start + n]
            if trusting:
                _blend_trusting(
                    gaussian, leaning, upper, lower, row_offset[0, y], row_offset[1, y], n,
                    weights, values, target, trust[y, start : start + n],
                )  # fmt: skip
            elif leaning:
                _blend_planes(upper, lower, row_offset[0, y], row_offset[1, y], n, target)
            elif gaussian:
                _blend_gaussian(upper, lower, row_offset[0, y], row_offset[1, y], n, target)
            else:
                _blend_tent(upper, lower, row_offset[0, y], row_offset[1, y], n, target)
            if limits.size > 0 and row_cell[y] >= 0:
                if row_cell[y] != held_cell:
                    held_cell = row_cell[y]
                    cells = col_cell[start : start + n]
                    _spread_limits(limits, held_cell, cells, bounds[0], bounds[1])
                _clip_row(target, bounds[0], bounds[1])


@njit(nogil=True, cache=True, error_model="numpy")
def _weight(parameters, gaussian, row, col, dy, dx):
    """See `reference.tap_weights`."""
    if abs(dy) > REACH_LIMIT or abs(dx) > REACH_LIMIT:
        return _ZERO
    if gaussian:
        rho = np.float32(parameters[0, row, col])
        sr = np.float32(parameters[1, row, col])
        sc = np.float32(parameters[2, row, col])
        cross = GAUSS_CROSS * ((rho + rho - _TOP) * (sr * sc))
        square_row = GAUSS_SQUARE * (sr * sr)
        square_col = GAUSS_SQUARE * (sc * sc)
        return _exp2_negative((square_row * (dy * dy) + (cross * dx) * dy) + (square_col * dx) * dx)
    a = np.float32(parameters[0, row, col])
    a = (a + a - _TOP) * _INVERSE_TOP
    return _tent(a, dy) * _tent(a, dx)


@njit(nogil=True, cache=True, error_model="numpy")
def _value(feature, parameters, row, col, dy, dx):
    """See `reference.plane_value`."""
    level = np.float32(feature[row, col])
    if parameters.shape[0] > _SLOPE_ROW:
        level += (np.float32(parameters[_RESIDUAL, row, col]) - _PLANE_BIAS) * _RESIDUAL_UNIT
        lean_row = (np.float32(parameters[_SLOPE_ROW, row, col]) - _PLANE_BIAS) * _SLOPE_UNIT
        lean_col = (np.float32(parameters[_SLOPE_COL, row, col]) - _PLANE_BIAS) * _SLOPE_UNIT
        level = (level + lean_col * dx) + lean_row * dy
    return level


@njit(nogil=True, cache=True, error_model="numpy")
def _mean(base, trusted, trusted_sum, plain, plain_sum):
    if trusted_sum > _ZERO:
        return base + trusted / trusted_sum
    return base + plain / plain_sum


@njit(nogil=True, cache=True, error_model="numpy")
def grid_rows(
    feature, parameters, gaussian, row_index, row_outside, row_offset,
    col_index, col_outside, col_offset, cval, use_cval, confidence, cval_confidence,
    limits, row_cell, col_cell, top, bottom, out, trust,
):  # fmt: skip
    """Resize output rows top..bottom-1 by any number of taps.

    As `grid2_rows`, with indices and offsets of shape (taps, output size), and ``out`` of
    float32.
    """
    trusting = confidence.size > 0
    for y in range(top, bottom):
        for x in range(out.shape[1]):
            base = _ZERO
            plain = plain_sum = trusted = trusted_sum = _ZERO
            for ty in range(row_index.shape[0]):
                row, dy = row_index[ty, y], row_offset[ty, y]
                for tx in range(col_index.shape[0]):
                    col = col_index[tx, x]
                    value = _value(feature, parameters, row, col, dy, col_offset[tx, x])
                    factor = confidence[row, col] if trusting else _ONE
                    if use_cval and (row_outside[ty, y] or col_outside[tx, x]):
                        value = cval
                        factor = cval_confidence if trusting else _ONE
                    if ty == 0 and tx == 0:
                        base = value
                    weight = _weight(parameters, gaussian, row, col, dy, col_offset[tx, x])
                    kept = weight * factor
                    plain_sum += weight
                    plain += weight * (value - base)
                    trusted_sum += kept
                    trusted += kept * (value - base)
            mean = _mean(base, trusted, trusted_sum, plain, plain_sum)
            if limits.size > 0 and row_cell[y] >= 0 and col_cell[x] >= 0:
                mean = _within(mean, limits, row_cell[y], col_cell[x])
            out[y, x] = mean
            trust[y, x] = trusted_sum / plain_sum


@njit(nogil=True, cache=True, error_model="numpy")
def _within(value, limits, row, col):
    low, high = np.float32(limits[0, row, col]), np.float32(limits[1, row, col])
    value = low if value < low else value
    return high if value > high else value


@njit(nogil=True, cache=True, error_model="numpy")
def _tap_count(stretch):
    """See `taps.tap_count`."""
    return np.int64(np.floor(2.0 * stretch + POSITION_EPS)) + 1 if stretch > 1.0 else 2


@njit(nogil=True, cache=True, error_model="numpy")
def _clip(index, size):
    if index < 0:
        return 0
    return size - 1 if index >= size else index


@njit(nogil=True, cache=True, error_model="numpy")
def points2_rows(feature, parameters, gaussian, rows, cols, confidence, limits, out, trust):
    """Resample at scattered positions by two neighbours an axis.

    Parameters
    ----------
    feature, parameters, gaussian
        As for `grid2_rows`. Neighbours beyond the border are the nearest pixel's.
    rows, cols : ndarray of float64, (output rows, output cols)
        Finite source positions.
    confidence, limits, out, trust
        As for `grid2_rows`.
    """
    trusting = confidence.size > 0
    flat_feature = feature.reshape(-1)
    # [neighbour, feature or parameter]: gathered first, so that the arithmetic vectorises.
    leaning = parameters.shape[0] > _SLOPE_ROW
    taps = np.empty((4, 8, _SEGMENT), np.float32)
    weights = np.empty((4, _SEGMENT), np.float32)
    offsets = np.empty((4, _SEGMENT), np.float32)
    index = np.empty((4, _SEGMENT), np.uint64)
    for y in range(out.shape[0]):
        for start in range(0, out.shape[1], _SEGMENT):
            n = min(_SEGMENT, out.shape[1] - start)
            _neighbours(
                rows[y, start : start + n], cols[y, start : start + n],
                feature.shape[0], feature.shape[1], index, offsets,
            )  # fmt: skip
            for k in range(4):
                _pick(flat_feature, index[k], n, taps[k, 0])
                for v in range(parameters.shape[0]):
                    _pick(parameters[v].reshape(-1), index[k], n, taps[k, 1 + v])
                if trusting:
                    _pick(confidence.reshape(-1), index[k], n, taps[k, 7])
                if leaning:
                    _lean(taps[k], offsets[k >> 1], offsets[2 + (k & 1)], n)
            _weigh_points(taps, offsets, gaussian, n, weights)
            target = out[y, start : start + n]
            if trusting:
                _combine_trusting(
                    weights, taps[0, 0], taps[1, 0], taps[2, 0], taps[3, 0],
                    taps[0, 7], taps[1, 7], taps[2, 7], taps[3, 7], n, target,
                    trust[y, start : start + n],
                )  # fmt: skip
            else:
                _combine(weights, taps[0, 0], taps[1, 0], taps[2, 0], taps[3, 0], n, target)
            if limits.size > 0:
                for x in range(n):
                    i = _first_cell(rows[y, start + x], feature.shape[0])
                    j = _first_cell(cols[y, start + x], feature.shape[1])
                    target[x] = _within(np.float32(target[x]), limits, i, j)


@njit(nogil=True, cache=True, error_model="numpy")
def _first_cell(position, size):
    """Row or column of the cell that a position lies in."""
    first = np.int64(np.ceil(position - 1.0 - POSITION_EPS))
    return min(max(first, -1), size - 1) + 1


@njit(nogil=True, cache=True, error_model="numpy")
def _neighbours(rows, cols, height, width, index, offsets):
    """Flat indices of the 2x2 neighbours, clipped to the image, and the offsets to them."""
    dy0, dy1, dx0, dx1 = offsets[0], offsets[1], offsets[2], offsets[3]
    for x in range(rows.size):
        row, col = rows[x], cols[x]
        r0 = np.ceil(row - 1.0 - POSITION_EPS)
        c0 = np.ceil(col - 1.0 - POSITION_EPS)
        dy0[x] = row - r0
        dy1[x] = row - (r0 + 1.0)
        dx0[x] = col - c0
        dx1[x] = col - (c0 + 1.0)
    for k in range(4):
        down, right = k >> 1, k & 1
        place = index[k]
        for x in range(rows.size):
            r = np.int64(np.ceil(rows[x] - 1.0 - POSITION_EPS)) + down
            c = np.int64(np.ceil(cols[x] - 1.0 - POSITION_EPS)) + right
            place[x] = _clip(r, height) * width + _clip(c, width)


@njit(nogil=True, cache=True, error_model="numpy")
def _pick(source, index, n, target):
    for x in range(n):
        target[x] = source[index[x]]


@njit(nogil=True, cache=True, error_model="numpy")
def _lean(tap, dys, dxs, n):
    """Move a neighbour's level along its plane."""
    level, slope_row, slope_col = tap[0], tap[1 + _SLOPE_ROW], tap[1 + _SLOPE_COL]
    residual = tap[1 + _RESIDUAL]
    for x in range(n):
        lean_row = (slope_row[x] - _PLANE_BIAS) * _SLOPE_UNIT
        lean_col = (slope_col[x] - _PLANE_BIAS) * _SLOPE_UNIT
        here = level[x] + (residual[x] - _PLANE_BIAS) * _RESIDUAL_UNIT
        level[x] = (here + lean_col * dxs[x]) + lean_row * dys[x]


@njit(nogil=True, cache=True, error_model="numpy")
def _weigh_points(taps, offsets, gaussian, n, weights):
    for k in range(4):
        p0, p1, p2, weight = taps[k, 1], taps[k, 2], taps[k, 3], weights[k]
        dys, dxs = offsets[k >> 1], offsets[2 + (k & 1)]
        if gaussian:
            for x in range(n):
                rho, sr, sc, dy, dx = p0[x], p1[x], p2[x], dys[x], dxs[x]
                cross = GAUSS_CROSS * ((rho + rho - _TOP) * (sr * sc))
                square_row = GAUSS_SQUARE * (sr * sr)
                square_col = GAUSS_SQUARE * (sc * sc)
                weight[x] = _exp2_negative(
                    (square_row * (dy * dy) + (cross * dx) * dy) + (square_col * dx) * dx
                )
        else:
            for x in range(n):
                a = (p0[x] + p0[x] - _TOP) * _INVERSE_TOP
                weight[x] = _tent(a, dys[x]) * _tent(a, dxs[x])


@njit(nogil=True, cache=True, error_model="numpy")
def _combine(weights, f00, f01, f10, f11, n, out):
    w00, w01, w10, w11 = weights[0], weights[1], weights[2], weights[3]
    for x in range(n):
        mean = _mean_of_four(w00[x], w01[x], w10[x], w11[x], f00[x], f01[x], f10[x], f11[x])
        out[x] = _to_output(mean, out)


@njit(nogil=True, cache=True, error_model="numpy")
def points_rows(
    feature, parameters, gaussian, rows, cols, row_stretch, col_stretch,
    confidence, limits, out, trust,
):  # fmt: skip
    """Resample at scattered positions, over footprints where the map shrinks.

    As `points2_rows`, with ``row_stretch`` and ``col_stretch`` (float64, >= 1), and ``out``
    of float32.
    """
    height, width = feature.shape
    trusting = confidence.size > 0
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            row, col = rows[y, x], cols[y, x]
            stretch_r, stretch_c = row_stretch[y, x], col_stretch[y, x]
            r0 = np.int64(np.ceil(row - stretch_r - POSITION_EPS))
            c0 = np.int64(np.ceil(col - stretch_c - POSITION_EPS))
            count_r, count_c = _tap_count(stretch_r), _tap_count(stretch_c)
            step_r = (count_r + (MAX_POINT_TAPS - 1)) // MAX_POINT_TAPS
            step_c = (count_c + (MAX_POINT_TAPS - 1)) // MAX_POINT_TAPS
            scale_r, scale_c = 1.0 / stretch_r, 1.0 / stretch_c
            base = _ZERO
            plain = plain_sum = trusted = trusted_sum = _ZERO
            for ty in range((count_r + step_r - 1) // step_r):
                r = r0 + ty * step_r
                i = _clip(r, height)
                dy = np.float32((row - r) * scale_r)
                for tx in range((count_c + step_c - 1) // step_c):
                    c = c0 + tx * step_c
                    j = _clip(c, width)
                    dx = np.float32((col - c) * scale_c)
                    value = _value(feature, parameters, i, j, dy, dx)
                    factor = confidence[i, j] if trusting else _ONE
                    if ty == 0 and tx == 0:
                        base = value
                    weight = _weight(parameters, gaussian, i, j, dy, dx)
                    kept = weight * factor
                    plain_sum += weight
                    plain += weight * (value - base)
                    trusted_sum += kept
                    trusted += kept * (value - base)
            mean = _mean(base, trusted, trusted_sum, plain, plain_sum)
            if limits.size > 0 and count_r == 2 and count_c == 2:
                mean = _within(mean, limits, _first_cell(row, height), _first_cell(col, width))
            out[y, x] = mean
            trust[y, x] = trusted_sum / plain_sum
