"""The weighted mean at scattered points, forward and backward, in numba.

One task per image, so that gradients are summed in one order whatever the number of threads.

Fast maths takes sums in the order that the compiler chooses, and it may choose otherwise in another
process: trainings are equal to the last bit as long as they share cached kernels.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from lerf_core.backends.numba.kernels.compiling import compiled
from lerf_core.constants import (
    GREY_UNIT,
    LEVELS,
    LOCAL_PLANE_BIAS,
    RESIDUAL_UNIT,
    SIGMA_SCALE,
    SLOPE_UNIT,
)

__all__ = ["gaussian_backward", "gaussian_forward", "linear_backward", "linear_forward"]

_BIAS = np.float32(LOCAL_PLANE_BIAS)
_SLOPE_UNIT = np.float32(SLOPE_UNIT)
_RESIDUAL_UNIT = np.float32(RESIDUAL_UNIT)
_ZERO = np.float32(0)
_ONE = np.float32(1)
_TWO = np.float32(2)
_HALF = np.float32(0.5)
_UNIT = GREY_UNIT
_STEEP = np.float32(SIGMA_SCALE / LEVELS)


@compiled(error_model="numpy", fastmath=True)
def _gaussian(rho, sigma_row, sigma_col, dy, dx):
    """Weight, and the derivatives of its logarithm, for parameters in 0..255."""
    slant = _TWO * rho * _UNIT - _ONE
    row = _STEEP * dy
    col = _STEEP * dx
    u = sigma_row * row
    v = sigma_col * col
    weight = np.float32(math.exp(slant * u * v - _HALF * (u * u + v * v)))
    return weight, _TWO * _UNIT * u * v, row * (slant * v - u), col * (slant * u - v)


@compiled(error_model="numpy", fastmath=True)
def _linear(alpha, dy, dx, limit):
    """Weight and its derivative for a parameter in 0..255."""
    slope = _TWO * alpha * _UNIT - _ONE
    row = abs(dy)
    col = abs(dx)
    if row > limit or col > limit:
        return _ZERO, _ZERO
    tent_row = _ONE - slope * row
    tent_col = _ONE - slope * col
    if tent_row <= _ZERO or tent_col <= _ZERO:
        return _ZERO, _ZERO
    return tent_row * tent_col, -_TWO * _UNIT * (row * tent_col + col * tent_row)


@compiled(error_model="numpy", fastmath=True)
def _value(level, parameters, weights, dy, dx):
    """Level of a pixel's local plane at a point; its values come after the weighting's own."""
    if parameters.size == weights:
        return level
    row = (parameters[weights] - _BIAS) * _SLOPE_UNIT
    col = (parameters[weights + 1] - _BIAS) * _SLOPE_UNIT
    residual = (parameters[weights + 2] - _BIAS) * _RESIDUAL_UNIT
    return level + residual + row * dy + col * dx


@compiled(error_model="numpy", fastmath=True)
def _pull_plane(share, grads, weights, dy, dx):
    """Add to the gradients of a pixel's local plane."""
    if grads.size > weights:
        grads[weights] += share * dy * _SLOPE_UNIT
        grads[weights + 1] += share * dx * _SLOPE_UNIT
        grads[weights + 2] += share * _RESIDUAL_UNIT


@compiled(parallel=True, nogil=True, error_model="numpy", fastmath=True)
def gaussian_forward(feature, parameters, first, offset, limit, out):
    """Mean of the 2x2 neighbours.

    feature: (batch, rows, cols); parameters: (batch, rows, cols, 3), or 6 with local planes, in
    0..255;
    first: (batch, points, 2) int32, row and column of the first neighbour, in -1..size - 1;
    offset: (batch, points, 2) from it to the point; out: (batch, points).
    """
    batch, rows, cols = feature.shape
    points = first.shape[1]
    for job in prange(batch):
        for i in range(points):
            total = _ZERO
            mean = _ZERO
            for tap_row in range(2):
                y = min(max(first[job, i, 0] + tap_row, 0), rows - 1)
                dy = offset[job, i, 0] - np.float32(tap_row)
                for tap_col in range(2):
                    x = min(max(first[job, i, 1] + tap_col, 0), cols - 1)
                    dx = offset[job, i, 1] - np.float32(tap_col)
                    p = parameters[job, y, x]
                    w = _gaussian(p[0], p[1], p[2], dy, dx)[0]
                    if abs(dy) > limit or abs(dx) > limit:
                        w = _ZERO
                    total += w
                    mean += w * _value(feature[job, y, x], p, 3, dy, dx)
            out[job, i] = mean / total


@compiled(parallel=True, nogil=True, error_model="numpy", fastmath=True)
def gaussian_backward(
    feature, parameters, first, offset, limit, out, grad, feature_grad, parameter_grad
):
    """Add to the gradients of feature and parameters; shapes as in `gaussian_forward`."""
    batch, rows, cols = feature.shape
    points = first.shape[1]
    for job in prange(batch):
        weight = np.empty(4, np.float32)
        slopes = np.empty((4, 3), np.float32)
        pixel = np.empty((4, 2), np.int64)
        for i in range(points):
            total = _ZERO
            for tap in range(4):
                y = min(max(first[job, i, 0] + tap // 2, 0), rows - 1)
                x = min(max(first[job, i, 1] + tap % 2, 0), cols - 1)
                dy = offset[job, i, 0] - np.float32(tap // 2)
                dx = offset[job, i, 1] - np.float32(tap % 2)
                p = parameters[job, y, x]
                w, s0, s1, s2 = _gaussian(p[0], p[1], p[2], dy, dx)
                if abs(dy) > limit or abs(dx) > limit:
                    w = _ZERO
                weight[tap] = w
                slopes[tap, 0] = s0
                slopes[tap, 1] = s1
                slopes[tap, 2] = s2
                pixel[tap, 0] = y
                pixel[tap, 1] = x
                total += w
            g = grad[job, i] / total
            mean = out[job, i]
            for tap in range(4):
                y = pixel[tap, 0]
                x = pixel[tap, 1]
                dy = offset[job, i, 0] - np.float32(tap // 2)
                dx = offset[job, i, 1] - np.float32(tap % 2)
                share = g * weight[tap]
                feature_grad[job, y, x] += share
                value = _value(feature[job, y, x], parameters[job, y, x], 3, dy, dx)
                pull = share * (value - mean)
                grads = parameter_grad[job, y, x]
                grads[0] += pull * slopes[tap, 0]
                grads[1] += pull * slopes[tap, 1]
                grads[2] += pull * slopes[tap, 2]
                _pull_plane(share, grads, 3, dy, dx)


@compiled(parallel=True, nogil=True, error_model="numpy", fastmath=True)
def linear_forward(feature, parameters, first, offset, limit, out):
    """As `gaussian_forward`, with parameters (batch, rows, cols, 1)."""
    batch, rows, cols = feature.shape
    points = first.shape[1]
    for job in prange(batch):
        for i in range(points):
            total = _ZERO
            mean = _ZERO
            for tap_row in range(2):
                y = min(max(first[job, i, 0] + tap_row, 0), rows - 1)
                dy = offset[job, i, 0] - np.float32(tap_row)
                for tap_col in range(2):
                    x = min(max(first[job, i, 1] + tap_col, 0), cols - 1)
                    dx = offset[job, i, 1] - np.float32(tap_col)
                    w = _linear(parameters[job, y, x, 0], dy, dx, limit)[0]
                    total += w
                    mean += w * feature[job, y, x]
            out[job, i] = mean / total


@compiled(parallel=True, nogil=True, error_model="numpy", fastmath=True)
def linear_backward(
    feature, parameters, first, offset, limit, out, grad, feature_grad, parameter_grad
):
    """Add to the gradients of feature and parameters; shapes as in `linear_forward`."""
    batch, rows, cols = feature.shape
    points = first.shape[1]
    for job in prange(batch):
        weight = np.empty(4, np.float32)
        slope = np.empty(4, np.float32)
        pixel = np.empty((4, 2), np.int64)
        for i in range(points):
            total = _ZERO
            for tap in range(4):
                y = min(max(first[job, i, 0] + tap // 2, 0), rows - 1)
                x = min(max(first[job, i, 1] + tap % 2, 0), cols - 1)
                dy = offset[job, i, 0] - np.float32(tap // 2)
                dx = offset[job, i, 1] - np.float32(tap % 2)
                w, s = _linear(parameters[job, y, x, 0], dy, dx, limit)
                weight[tap] = w
                slope[tap] = s
                pixel[tap, 0] = y
                pixel[tap, 1] = x
                total += w
            g = grad[job, i] / total
            mean = out[job, i]
            for tap in range(4):
                y = pixel[tap, 0]
                x = pixel[tap, 1]
                feature_grad[job, y, x] += g * weight[tap]
                parameter_grad[job, y, x, 0] += g * (feature[job, y, x] - mean) * slope[tap]
