"""What a source pixel is for an output pixel beside it: its weight, and its value there.

References
----------
.. [1] Li et al., "Learning Steerable Function for Efficient Image Resampling", CVPR 2023.
.. [3] Takeda, Farsiu, Milanfar, "Kernel Regression for Image Processing and
   Reconstruction", IEEE Transactions on Image Processing 16(2), 2007.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
    SLOPE_UNIT,
    SQUARE_STEPS,
    WEIGHT_VALUES,
)

__all__ = ["exp2_steps", "gaussian_exponents", "local_plane_value", "tap_weights"]

F32 = np.float32
Float32Array = npt.NDArray[np.float32]
Parameters = npt.NDArray[np.generic]


def exp2_steps(steps: npt.NDArray[np.int32]) -> Float32Array:
    """Return ``2**(steps / 2**23)`` for -126..126 powers of two, by fixed operations."""
    below = steps & np.int32(EXPONENT_STEPS - 1)
    mantissa = (below | F32(1).view(np.int32)).view(F32)
    power = np.full_like(mantissa, EXP2_POLYNOMIAL[-1])
    for coefficient in EXP2_POLYNOMIAL[-2::-1]:
        power = power * mantissa + coefficient
    # Raising the exponent field by n multiplies by 2**n.
    return (power.view(np.int32) + (steps - below)).view(F32)


def gaussian_exponents(parameters: Parameters, dy: Float32Array, dx: Float32Array) -> Float32Array:
    """Return the exponents of Gaussian weights, to base 1/2 and in steps of 2**-23.

    Parameters
    ----------
    parameters : ndarray, (at least 3, ...)
        Rho, sigma_row and sigma_col in 0..255.
    dy, dx : ndarray of float32
        Offsets, as `tap_weights` has them.

    Returns
    -------
    ndarray of float32
        At most `EXPONENT_TOP`.
    """
    rho, sigma_row, sigma_col = parameters[:3].astype(F32)
    row, col = sigma_row * sigma_row, sigma_col * sigma_col
    cross = (rho + rho - F32(LEVELS)) * (sigma_row * sigma_col)
    tilted = row * (SQUARE_STEPS * (dy * dy)) + cross * ((CROSS_STEPS * dx) * dy)
    exponent: Float32Array = tilted + col * (SQUARE_STEPS * (dx * dx))
    return np.minimum(exponent, EXPONENT_TOP)


def tap_weights(
    weighting: str,
    parameters: Parameters,
    dy: Float32Array,
    dx: Float32Array,
    first: Float32Array | None = None,
) -> Float32Array:
    """Return the weights of source pixels at offsets (dy, dx) to the output.

    Parameters
    ----------
    weighting : {"gaussian", "linear"}
        ``exp(-(u**2 - 2*r*u*v + v**2) / 2)`` with ``u = 10*sigma_row*dy``,
        ``v = 10*sigma_col*dx``, ``r = 2*rho - 1`` (equation 5 of [1]_); or the product of
        ``max(0, 1 - a*|d|)`` (0 beyond ``|d| = 1``) over both axes with ``a = 2*alpha - 1``.
    parameters : ndarray, (values, ...)
        In 0..255. Those of a local plane, if there are any, come after the weighting's own.
    dy, dx : ndarray of float32
        Output position minus source position, in source pixels, divided by the filter scale;
        broadcast to `parameters`.
    first : ndarray of float32, optional
        Exponents of other pixels: Gaussian weights are then scaled so that those pixels
        would weigh `FIRST_WEIGHT`.

    Returns
    -------
    ndarray of float32, broadcast of all
    """
    if weighting == "linear":
        alpha = parameters[0].astype(F32)
        slope = (alpha + alpha - F32(LEVELS)) * GREY_UNIT
        return _tent(slope, dy) * _tent(slope, dx)
    exponent = gaussian_exponents(parameters, dy, dx)
    if first is None:
        return exp2_steps((-exponent).astype(np.int32))
    return FIRST_WEIGHT * exp2_steps((first - exponent).astype(np.int32))


def local_plane_value(
    feature: Float32Array,
    weighting: str,
    parameters: Parameters,
    dy: Float32Array,
    dx: Float32Array,
) -> Float32Array:
    """Return the grey levels that source pixels predict at offsets (dy, dx).

    A pixel of a bank without local planes predicts its own level. A local plane is kernel
    regression of order 1 [3]_: level plus slope times offset. Offsets are divided by the filter
    scale: over a large footprint slopes vanish and the mean is that of the levels.

    Parameters
    ----------
    feature : ndarray of float32
        In grey levels.
    weighting, parameters, dy, dx
        As `tap_weights` has them.
    """
    local_plane = parameters[WEIGHT_VALUES[weighting] :]
    if len(local_plane) == 0:
        return feature
    slope_row, slope_col, residual = local_plane.astype(F32) - F32(LOCAL_PLANE_BIAS)
    level = feature + residual * F32(RESIDUAL_UNIT)
    level = level + (slope_col * F32(SLOPE_UNIT)) * dx
    value: Float32Array = level + (slope_row * F32(SLOPE_UNIT)) * dy
    return value


def _tent(slope: Float32Array, distance: Float32Array) -> Float32Array:
    size = np.abs(distance)
    return np.where(size <= F32(1), np.maximum(F32(1) - slope * size, F32(0)), F32(0))
