"""Records: all that means at scattered positions need of a source pixel, ready for arithmetic.

A record is a few words of 32 bits side by side, made once per source pixel from its packed
parameters and the overshoot bounds of the cell that it is the upper left pixel of. Around the image
lies a rim of records, one wide, of the nearest pixels: whatever lies farther outside is the same.

=============  =====================================================================
layout         words
=============  =====================================================================
byte tents     feature, alpha: bytes
byte levels    feature, rho, sigma_row, sigma_col: bytes
byte planes    sigma_row and sigma_col, as the upper halves of float32;
               the cross term, float32; least and largest result, bytes, and
               the level in units of residuals, 16 bits; the slopes, upper halves of float32
float tents    feature; slope of the tent
float levels   sigma_row**2, cross term, sigma_col**2, feature
float planes   sigma_row**2, cross term, sigma_col**2, level, slopes along rows and
               columns, least and largest result
=============  =====================================================================

The upper half of a float32 holds integers, or halves, of eight bits exactly.
"""

from __future__ import annotations

import numpy as np

from lerf_core.backends.numba.kernels.arithmetic import (
    ALPHA,
    FEATURE,
    LOCAL_PLANE_SLOTS,
    RESIDUAL,
    RHO,
    SIGMA_COL,
    SIGMA_ROW,
    SLOPE_COL,
    SLOPE_ROW,
    cross_term,
    float_bits,
    local_plane_level,
    local_plane_slope,
    tent_slope,
)
from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.constants import LEVELS, LOCAL_PLANE_BIAS, RESIDUAL_UNIT

__all__ = [
    "byte_plane_records",
    "byte_records",
    "float_records",
    "pad_plane",
]


_PER_UNIT = np.int32(1 / RESIDUAL_UNIT)
_BIAS = np.int32(LOCAL_PLANE_BIAS)
_UPPER_HALF = np.int32(-0x10000)
_BYTE = np.uint64(255)


@compiled(**HELPER)
def _byte(word, slot):
    return np.int32((word >> np.uint64(8 * slot)) & _BYTE)


@compiled(**HELPER)
def _halves(low, high):
    """Return the upper halves of two float32, side by side."""
    lower = np.uint32(float_bits(low)) >> np.uint32(16)
    return np.int32(lower) | (float_bits(high) & _UPPER_HALF)


@compiled(**HELPER)
def _byte_line(words, low, high, out):
    """Write the records of a row of local planes, the first of which lies in column 1."""
    for x in range(words.size):
        word = words[x]
        row, col = np.float32(_byte(word, SIGMA_ROW)), np.float32(_byte(word, SIGMA_COL))
        slope_row = local_plane_slope(np.float32(_byte(word, SLOPE_ROW)))
        slope_col = local_plane_slope(np.float32(_byte(word, SLOPE_COL)))
        level = _byte(word, FEATURE) * _PER_UNIT + (_byte(word, RESIDUAL) - _BIAS)
        cross = cross_term(np.float32(_byte(word, RHO)), row, col)
        bounds = np.int32(low[x + 1]) | (np.int32(high[x + 1]) << np.int32(8))
        at = 4 * (x + 1)
        out[at] = _halves(row, col)
        out[at + 1] = float_bits(cross)
        out[at + 2] = np.int32(np.int32(level) << np.int32(16)) | bounds
        out[at + 3] = _halves(slope_row, slope_col)


@compiled(**KERNEL)
def byte_plane_records(words, bounds, out):
    """Write the records of local planes of bytes.

    Parameters
    ----------
    words : ndarray of uint64, (rows, cols)
        Packed parameters; byte k is slot k.
    bounds : ndarray of uint8, (2, rows + 1, cols + 1)
        Overshoot bounds, or empty.
    out : ndarray of int32, (rows + 2, cols + 2, 4)
    """
    rows, cols = words.shape
    low, high = np.zeros(cols + 2, np.uint8), np.full(cols + 2, LEVELS, np.uint8)
    for y in range(rows + 2):
        line = out[y].reshape(-1)
        if bounds.size > 0 and y <= rows:
            for x in range(cols + 1):
                low[x], high[x] = bounds[0, y, x], bounds[1, y, x]
        _byte_line(words[min(max(y - 1, 0), rows - 1)], low, high, line)
        for word in range(4):
            line[word] = line[4 + word]
            line[4 * (cols + 1) + word] = line[4 * cols + word]
        # The first column's cell is another one.
        own = np.int32(low[0]) | (np.int32(high[0]) << np.int32(8))
        line[2] = (line[2] & _UPPER_HALF) | own


@compiled(**KERNEL)
def byte_records(packed, out):
    """Write the records of tents or Gaussians of bytes.

    Parameters
    ----------
    packed : ndarray of uint8, (rows, cols, slots)
        2 or 4 slots.
    out : ndarray of int32, (rows + 2, cols + 2, 1)
    """
    rows, cols, slots = packed.shape
    for y in range(rows + 2):
        source, line = packed[min(max(y - 1, 0), rows - 1)], out[y]
        for x in range(cols):
            word = np.int32(source[x, 0]) | (np.int32(source[x, 1]) << np.int32(8))
            if slots == 4:
                word |= np.int32(source[x, 2]) << np.int32(16)
                word |= np.int32(np.int32(source[x, 3]) << np.int32(24))
            line[x + 1, 0] = word
        line[0, 0], line[cols + 1, 0] = line[1, 0], line[cols, 0]


@compiled(**HELPER)
def _float_line(pixels, gaussian, out):
    """Write the records of a row, without bounds, the first of which lies in column 1."""
    slots, words = pixels.shape[1], out.shape[1]
    flat, target = pixels.reshape(-1), out.reshape(-1)
    if not gaussian:
        for x in range(pixels.shape[0]):
            target[2 * x + 2] = flat[2 * x + FEATURE]
            target[2 * x + 3] = tent_slope(flat[2 * x + ALPHA])
        return
    for x in range(pixels.shape[0]):
        at, to = slots * x, words * (x + 1)
        row, col = flat[at + SIGMA_ROW], flat[at + SIGMA_COL]
        target[to] = row * row
        target[to + 1] = cross_term(flat[at + RHO], row, col)
        target[to + 2] = col * col
        target[to + 3] = flat[at + FEATURE]
    if slots < LOCAL_PLANE_SLOTS:
        return
    for x in range(pixels.shape[0]):
        at, to = slots * x, words * (x + 1)
        target[to + 3] = local_plane_level(flat[at + FEATURE], flat[at + RESIDUAL])
        target[to + 4] = local_plane_slope(flat[at + SLOPE_ROW])
        target[to + 5] = local_plane_slope(flat[at + SLOPE_COL])


@compiled(**KERNEL)
def float_records(packed, gaussian, bounds, out):
    """Write the records of pixels of float32.

    Parameters
    ----------
    packed : ndarray of float32, (rows, cols, slots)
    gaussian : bool
        The weighting.
    bounds : ndarray of float32, (2, rows + 1, cols + 1)
        Overshoot bounds, or empty.
    out : ndarray of float32, (rows + 2, cols + 2, words)
    """
    rows, cols, slots = packed.shape
    words = out.shape[2]
    for y in range(rows + 2):
        line = out[y]
        _float_line(packed[min(max(y - 1, 0), rows - 1)], gaussian, line)
        for word in range(words):
            line[0, word] = line[1, word]
            line[cols + 1, word] = line[cols, word]
        if slots < LOCAL_PLANE_SLOTS:
            continue
        line[:, 6], line[:, 7] = -np.inf, np.inf
        if bounds.size > 0 and y <= rows:
            low, high = bounds[0, y], bounds[1, y]
            for x in range(cols + 1):
                line[x, 6] = low[x]
                line[x, 7] = high[x]


@compiled(**KERNEL)
def pad_plane(plane, out):
    """Write a plane, (rows, cols), with a rim of its edge's values, (rows + 2, cols + 2)."""
    rows, cols = plane.shape
    for y in range(rows + 2):
        source, line = plane[min(max(y - 1, 0), rows - 1)], out[y]
        for x in range(cols):
            line[x + 1] = source[x]
        line[0], line[cols + 1] = line[1], line[cols]
