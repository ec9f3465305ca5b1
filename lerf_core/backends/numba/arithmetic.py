"""The scalar arithmetic of the weighted mean in numba, shared by grids and points.

Every function does the operations of `reference`, in its order, in float32; numba neither
fuses nor reorders them. All compile to straight lines without branches, so that loops over
them vectorise.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from lerf_core.backends.numba.compiling import HELPER
from lerf_core.constants import (
    CROSS_STEPS,
    EXP2_POLYNOMIAL,
    EXPONENT_STEPS,
    EXPONENT_TOP,
    FIRST_WEIGHT,
    LEVELS,
    LOCAL_PLANE_BIAS,
    RESIDUAL_UNIT,
    ROUND_F32,
    SLOPE_UNIT,
    SQUARE_STEPS,
    WEIGHT_VALUES,
)

__all__ = [
    "FEATURE",
    "FIRST_WEIGHT",
    "ONE",
    "PLANE_SLOTS",
    "RESIDUAL",
    "RHO",
    "SIGMA_COL",
    "SIGMA_ROW",
    "SLOPE_COL",
    "SLOPE_ROW",
    "TOP",
    "ZERO",
    "bits_float",
    "cross_offset",
    "cross_term",
    "exponent",
    "float_bits",
    "gaussian_exponent",
    "holds_bytes",
    "mean_of_four",
    "mean_of_sums",
    "plane_level",
    "plane_slope",
    "put",
    "record_exponent",
    "record_tent",
    "record_value",
    "relative_weight",
    "square_term",
    "tent",
    "tent_slope",
    "to_output",
    "trusted_mean_of_four",
    "within",
]

#: Slots of a record: the feature, then the parameters in the order of the bank's kind.
FEATURE, RHO, SIGMA_ROW, SIGMA_COL = 0, 1, 2, 3
_PLANES = 1 + WEIGHT_VALUES["gaussian"]
SLOPE_ROW, SLOPE_COL, RESIDUAL = _PLANES, _PLANES + 1, _PLANES + 2
#: A record that holds a plane has at least so many slots; others have fewer.
PLANE_SLOTS = _PLANES + 3

ZERO, ONE, TOP = np.float32(0), np.float32(1), np.float32(LEVELS)
_INVERSE_TOP = np.float32(1 / LEVELS)
_PLANE_BIAS, _SLOPE_UNIT = np.float32(LOCAL_PLANE_BIAS), np.float32(SLOPE_UNIT)
_RESIDUAL_UNIT = np.float32(RESIDUAL_UNIT)
# Scaled, so that powers come out times FIRST_WEIGHT: a power of two changes no other bit.
_C0, _C1, _C2, _C3, _C4 = (coefficient * FIRST_WEIGHT for coefficient in EXP2_POLYNOMIAL)
_BELOW, _FIELD = np.int32(EXPONENT_STEPS - 1), np.int32(-EXPONENT_STEPS)
_ONE_BITS = ONE.view(np.int32)


@intrinsic
def float_bits(typing_context, value):
    """Return the bits of a float32 as int32."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@intrinsic
def bits_float(typing_context, bits):
    """Return the float32 that has these bits."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic
def holds_bytes(typing_context, array):
    """Whether an array is of uint8: known when compiling, so that the other branch is gone."""
    answer = array.dtype == types.uint8

    def generate(context, builder, signature, arguments):
        return context.get_constant(types.boolean, answer)

    return types.boolean(array), generate


# -- weights ------------------------------------------------------------------------


@njit(**HELPER)
def relative_weight(exponent, first):
    """Return ``FIRST_WEIGHT * 2**(first - exponent)``; see `reference.exp2_steps`."""
    steps = np.int32(first - exponent)
    m = bits_float(np.int32((steps & _BELOW) | _ONE_BITS))
    power = (((_C4 * m + _C3) * m + _C2) * m + _C1) * m + _C0
    return bits_float(np.int32(float_bits(power) + (steps & _FIELD)))


@njit(**HELPER)
def cross_term(rho, sigma_row, sigma_col):
    """Return what a pixel gives to the mixed term of the Gaussian's exponent."""
    return (rho + rho - TOP) * (sigma_row * sigma_col)


@njit(**HELPER)
def cross_offset(dy, dx):
    """Return what the offsets give to the mixed term of the Gaussian's exponent."""
    return (CROSS_STEPS * dx) * dy


@njit(**HELPER)
def square_term(offset):
    """Return what multiplies a squared sigma in the Gaussian's exponent."""
    return SQUARE_STEPS * (offset * offset)


@njit(**HELPER)
def exponent(row, row_term, cross, both, col):
    """Return the Gaussian's exponent, to base 1/2 and in steps, of its parts.

    ``row = sigma_row**2``, ``row_term = square_term(dy)``, ``cross = cross_term(...)``,
    ``both = cross_offset(dy, dx)`` and ``col = sigma_col**2 * square_term(dx)``.
    """
    value = (row * row_term + cross * both) + col
    return EXPONENT_TOP if value > EXPONENT_TOP else value


@njit(**HELPER)
def gaussian_exponent(rho, sigma_row, sigma_col, dy, dx):
    """See `reference.tap_exponents`."""
    cross = cross_term(rho, sigma_row, sigma_col)
    col = (sigma_col * sigma_col) * square_term(dx)
    return exponent(sigma_row * sigma_row, square_term(dy), cross, cross_offset(dy, dx), col)


@njit(**HELPER)
def tent_slope(alpha):
    """Return the slope of the tent, -1..1, of a parameter in 0..255."""
    return (alpha + alpha - TOP) * _INVERSE_TOP


@njit(**HELPER)
def tent(slope, distance):
    """See `reference.tap_weights`."""
    size = abs(distance)
    weight = ONE - slope * size
    return weight if weight > ZERO and size <= ONE else ZERO


# -- levels -------------------------------------------------------------------------


@njit(**HELPER)
def plane_level(feature, residual):
    """Return the level of a local plane at its own pixel."""
    return feature + (residual - _PLANE_BIAS) * _RESIDUAL_UNIT


@njit(**HELPER)
def plane_slope(parameter):
    """Return the slope, in levels a pixel, of a parameter in 1..255."""
    return (parameter - _PLANE_BIAS) * _SLOPE_UNIT


# -- records ------------------------------------------------------------------------


@njit(**HELPER)
def record_value(records, row, col, dy, dx):
    """See `reference.plane_value`."""
    level = np.float32(records[row, col, FEATURE])
    if records.shape[2] >= PLANE_SLOTS:
        level = plane_level(level, np.float32(records[row, col, RESIDUAL]))
        level += plane_slope(np.float32(records[row, col, SLOPE_COL])) * dx
        level += plane_slope(np.float32(records[row, col, SLOPE_ROW])) * dy
    return level


@njit(**HELPER)
def record_exponent(records, row, col, dy, dx):
    """Return the exponent of a pixel's Gaussian; see `reference.tap_exponents`."""
    rho = np.float32(records[row, col, RHO])
    sigma_row = np.float32(records[row, col, SIGMA_ROW])
    sigma_col = np.float32(records[row, col, SIGMA_COL])
    return gaussian_exponent(rho, sigma_row, sigma_col, dy, dx)


@njit(**HELPER)
def record_tent(records, row, col, dy, dx):
    """Return the weight of a pixel's tent; see `reference.tap_weights`."""
    slope = tent_slope(np.float32(records[row, col, 1]))
    return tent(slope, dy) * tent(slope, dx)


# -- means --------------------------------------------------------------------------


@njit(**HELPER)
def mean_of_four(w00, w01, w10, w11, v00, v01, v10, v11):
    """Weighted mean of four neighbours; w00 of a Gaussian is `FIRST_WEIGHT`."""
    total = ((w00 + w01) + w10) + w11
    change = (w01 * (v01 - v00) + w10 * (v10 - v00)) + w11 * (v11 - v00)
    return v00 + change / total


@njit(**HELPER)
def trusted_mean_of_four(w00, w01, w10, w11, v00, v01, v10, v11, t00, t01, t10, t11):
    """Return mean and trust of four neighbours with confidences t; see `reference._Mean`."""
    d01, d10, d11 = v01 - v00, v10 - v00, v11 - v00
    k01, k10, k11 = w01 * t01, w10 * t10, w11 * t11
    plain_sum = ((w00 + w01) + w10) + w11
    trusted_sum = ((w00 * t00 + k01) + k10) + k11
    plain = (w01 * d01 + w10 * d10) + w11 * d11
    trusted = (k01 * d01 + k10 * d10) + k11 * d11
    known = trusted_sum > ZERO
    change = (trusted if known else plain) / (trusted_sum if known else plain_sum)
    return v00 + change, trusted_sum / plain_sum


@njit(**HELPER)
def mean_of_sums(base, trusted, trusted_sum, plain, plain_sum):
    """Return the mean of sums over any number of neighbours; see `reference._Mean`."""
    if trusted_sum > ZERO:
        return base + trusted / trusted_sum
    return base + plain / plain_sum


@njit(**HELPER)
def within(value, low, high):
    """Clip a float32 to limits of any dtype."""
    low, high = np.float32(low), np.float32(high)
    value = low if value < low else value
    return high if value > high else value


@njit(**HELPER)
def put(out, x, value):
    """Store a level, within limits already: rounded half to even into bytes, or as it is."""
    if holds_bytes(out):
        # The low byte of the mantissa is the rounded level.
        out[x] = np.uint8(float_bits(value + ROUND_F32))
    else:
        out[x] = value


@njit(**HELPER)
def to_output(value, out):
    """Round a level to the output's type: uint8, or float32 as it is."""
    if holds_bytes(out):
        value = within((value + ROUND_F32) - ROUND_F32, ZERO, TOP)
    return value
