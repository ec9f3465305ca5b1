"""The scalar arithmetic of the weighted mean in numba, shared by grids and points.

Every function does the operations of `lerf_core.backends.reference.weights` and its `means`, in
their order, in float32; numba neither fuses nor reorders them. All compile to straight lines
without branches, so that loops over them vectorise.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lerf_core.backends.numba.kernels.compiling import HELPER, compiled
from lerf_core.constants import (
    CROSS_STEPS,
    EXP2_POLYNOMIAL,
    EXPONENT_STEPS,
    EXPONENT_TOP,
    FIRST_WEIGHT,
    GREY_UNIT,
    LEVELS,
    LOCAL_PLANE_BIAS,
    RESIDUAL_UNIT,
    ROUND_F32,
    SLOPE_UNIT,
    SQUARE_STEPS,
    WEIGHT_VALUES,
)

__all__ = [
    "ALPHA",
    "FEATURE",
    "FIRST_WEIGHT",
    "LOCAL_PLANE_SLOTS",
    "ONE",
    "RESIDUAL",
    "RHO",
    "SIGMA_COL",
    "SIGMA_ROW",
    "SLOPE_COL",
    "SLOPE_ROW",
    "TOP",
    "ZERO",
    "bits_float",
    "clip",
    "cross_offset",
    "cross_term",
    "exponent",
    "float_bits",
    "gaussian_mean_of_four",
    "holds_bytes",
    "larger",
    "local_plane_level",
    "local_plane_slope",
    "local_plane_value",
    "mean_of_four",
    "put",
    "relative_weight",
    "smaller",
    "square_term",
    "tent_slope",
    "tent_weight",
    "valid_mean_of_four",
    "within",
]

#: Slots of packed parameters: the feature, then the parameters in the order of the bank's kind.
FEATURE, ALPHA = 0, 1
RHO, SIGMA_ROW, SIGMA_COL = 1, 2, 3
_LOCAL_PLANE = 1 + WEIGHT_VALUES["gaussian"]
SLOPE_ROW, SLOPE_COL, RESIDUAL = _LOCAL_PLANE, _LOCAL_PLANE + 1, _LOCAL_PLANE + 2
#: Packed parameters with a local plane have at least so many slots; others have fewer.
LOCAL_PLANE_SLOTS = _LOCAL_PLANE + 3

ZERO, ONE, TOP = np.float32(0), np.float32(1), np.float32(LEVELS)
_BIAS, _SLOPE_UNIT = np.float32(LOCAL_PLANE_BIAS), np.float32(SLOPE_UNIT)
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


@compiled(**HELPER)
def relative_weight(exponent, first):
    """Return ``FIRST_WEIGHT * 2**(first - exponent)`` of exponents in steps of 2**-23."""
    steps = np.int32(first - exponent)
    m = bits_float(np.int32((steps & _BELOW) | _ONE_BITS))
    power = (((_C4 * m + _C3) * m + _C2) * m + _C1) * m + _C0
    return bits_float(np.int32(float_bits(power) + (steps & _FIELD)))


@compiled(**HELPER)
def cross_term(rho, sigma_row, sigma_col):
    """Return the parameters' factor of the mixed term of the Gaussian's exponent."""
    return (rho + rho - TOP) * (sigma_row * sigma_col)


@compiled(**HELPER)
def cross_offset(dy, dx):
    """Return the offset's factor of the mixed term of the Gaussian's exponent."""
    return (CROSS_STEPS * dx) * dy


@compiled(**HELPER)
def square_term(offset):
    """Return what multiplies a squared sigma in the Gaussian's exponent."""
    return SQUARE_STEPS * (offset * offset)


@compiled(**HELPER)
def exponent(row, row_term, cross, both, col):
    """Return the Gaussian's exponent, to base 1/2 and in steps, of its parts.

    ``row = sigma_row**2``, ``row_term = square_term(dy)``, ``cross = cross_term(...)``,
    ``both = cross_offset(dy, dx)`` and ``col = sigma_col**2 * square_term(dx)``.
    """
    value = (row * row_term + cross * both) + col
    return EXPONENT_TOP if value > EXPONENT_TOP else value


@compiled(**HELPER)
def tent_slope(alpha):
    """Return the slope of the tent, -1..1, of a parameter in 0..255."""
    return (alpha + alpha - TOP) * GREY_UNIT


@compiled(**HELPER)
def _tent(slope, distance):
    """Return ``max(0, 1 - slope * distance)`` along an axis; 0 beyond a distance of 1."""
    size = abs(distance)
    weight = ONE - slope * size
    return weight if weight > ZERO and size <= ONE else ZERO


@compiled(**HELPER)
def tent_weight(slope, dy, dx):
    """Return the weight of a tent at an offset."""
    return _tent(slope, dy) * _tent(slope, dx)


# -- levels -------------------------------------------------------------------------


@compiled(**HELPER)
def local_plane_level(feature, residual):
    """Return the level of a local plane at its own pixel."""
    return feature + (residual - _BIAS) * _RESIDUAL_UNIT


@compiled(**HELPER)
def local_plane_slope(parameter):
    """Return the slope, in levels per pixel, of a parameter in 1..255."""
    return (parameter - _BIAS) * _SLOPE_UNIT


@compiled(**HELPER)
def local_plane_value(level, slope_row, slope_col, dy, dx):
    """Return the level that a local plane predicts at an offset."""
    return (level + slope_col * dx) + slope_row * dy


# -- means --------------------------------------------------------------------------


@compiled(**HELPER)
def mean_of_four(w00, w01, w10, w11, v00, v01, v10, v11):
    """Return the mean of four neighbours' values v with weights w."""
    total = ((w00 + w01) + w10) + w11
    change = (w01 * (v01 - v00) + w10 * (v10 - v00)) + w11 * (v11 - v00)
    return v00 + change / total


@compiled(**HELPER)
def gaussian_mean_of_four(e00, e01, e10, e11, v00, v01, v10, v11):
    """Return the mean of four neighbours' values v with exponents e."""
    w01, w10, w11 = relative_weight(e01, e00), relative_weight(e10, e00), relative_weight(e11, e00)
    return mean_of_four(FIRST_WEIGHT, w01, w10, w11, v00, v01, v10, v11)


@compiled(**HELPER)
def valid_mean_of_four(w00, w01, w10, w11, v00, v01, v10, v11, t00, t01, t10, t11):
    """Return mean and valid share of four neighbours with validities t."""
    d01, d10, d11 = v01 - v00, v10 - v00, v11 - v00
    k01, k10, k11 = w01 * t01, w10 * t10, w11 * t11
    weight = ((w00 + w01) + w10) + w11
    valid_weight = ((w00 * t00 + k01) + k10) + k11
    total = (w01 * d01 + w10 * d10) + w11 * d11
    valid_total = (k01 * d01 + k10 * d10) + k11 * d11
    is_valid = valid_weight > ZERO
    change = (valid_total if is_valid else total) / (valid_weight if is_valid else weight)
    return v00 + change, valid_weight / weight


# -- results ------------------------------------------------------------------------


@compiled(**HELPER)
def smaller(a, b):
    """Return the smaller of two numbers of one type."""
    return a if a < b else b


@compiled(**HELPER)
def larger(a, b):
    """Return the larger of two numbers of one type."""
    return a if a > b else b


@compiled(**HELPER)
def clip(value, low, high):
    """Return a number clipped to bounds of its own type."""
    value = low if value < low else value
    return high if value > high else value


@compiled(**HELPER)
def within(value, low, high):
    """Return a float32 clipped to bounds of any dtype."""
    return clip(value, np.float32(low), np.float32(high))


@compiled(**HELPER)
def put(out, x, value):
    """Store a level, within bounds already: rounded half to even into bytes, or as it is."""
    if holds_bytes(out):
        # The low byte of the mantissa is the rounded level.
        out[x] = np.uint8(float_bits(value + ROUND_F32))
    else:
        out[x] = value
