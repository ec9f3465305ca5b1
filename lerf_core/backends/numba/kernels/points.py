"""The weighted mean at scattered positions in numba, bit-equal to `reference.mean_at_points`.

`points2_rows` takes two neighbours per axis, `points_rows` footprints where the map shrinks.
Both take all channels of an image at once: indices and offsets are the same for all.

Two neighbours per axis go by segments of a row, whose scratch stays in the first-level
cache, in short loops that vectorise: indices and offsets; the packed parameters
of each pixel's four neighbours, copied side by side; the exponent and the value that each neighbour
has for the pixel; the mean. The slots of bytes are one word, whose bytes become floats without a
conversion.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from lerf_core.backends.numba.kernels.arithmetic import (
    FEATURE,
    FIRST_WEIGHT,
    LOCAL_PLANE_SLOTS,
    RESIDUAL,
    RHO,
    SIGMA_COL,
    SIGMA_ROW,
    SLOPE_COL,
    SLOPE_ROW,
    TOP,
    ZERO,
    bits_float,
    clip,
    cross_offset,
    exponent,
    gaussian_exponent,
    gaussian_mean_of_four,
    local_plane_level,
    local_plane_slope,
    local_plane_value,
    mean_of_four,
    mean_of_sums,
    packed_exponent,
    packed_tent,
    packed_value,
    put,
    relative_weight,
    square_term,
    tent_slope,
    tent_weight,
    to_output,
    valid_mean_of_four,
    within,
)
from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.constants import (
    LOCAL_PLANE_BIAS,
    MAX_POINT_TAPS,
    POSITION_EPS,
    REACH_LIMIT,
    RESIDUAL_UNIT,
    SLOPE_UNIT,
)

__all__ = ["MOST_PIXELS", "points2_rows", "points_rows"]

# Pixels handled at once: their scratch stays in the first-level cache.
_S = 384
#: Indices of pixels are 32 bits wide; larger images go pixel by pixel.
MOST_PIXELS = 2**31 - 2


# -- bytes of a word as floats --------------------------------------------------------


def _byte_reader(unit, offset):
    """Bits and a float for `_byte`, so that it returns ``byte * unit - offset``.

    A float of 2**23 * unit counts units in its lowest bits.
    """
    base = np.float32(2**23 * unit)
    return np.uint32(base.view(np.uint32)), np.float32(base + np.float32(offset))


_LEVEL_BITS, _LEVEL_BASE = _byte_reader(1, 0)
_SLOPE_BITS, _SLOPE_BASE = _byte_reader(SLOPE_UNIT, LOCAL_PLANE_BIAS * SLOPE_UNIT)
_RESIDUAL_BITS, _RESIDUAL_BASE = _byte_reader(RESIDUAL_UNIT, LOCAL_PLANE_BIAS * RESIDUAL_UNIT)
_TILT_BASE = np.float32(_LEVEL_BASE + TOP)
_LOW_BYTE, _LOW_BYTE_TWICE = np.uint32(255), np.uint32(510)


@compiled(**HELPER)
def _byte(word, number, bits, base):
    """Return byte `number` of a word, in the units and less the offset of `_byte_reader`."""
    low = (word >> np.uint32(8 * number)) & _LOW_BYTE
    return bits_float(np.int32(low | bits)) - base


@compiled(**HELPER)
def _tilt(word):
    """Return ``rho + rho - TOP`` of a word's byte `RHO`."""
    twice = (word >> np.uint32(8 * RHO - 1)) & _LOW_BYTE_TWICE
    return bits_float(np.int32(twice | _LEVEL_BITS)) - _TILT_BASE


@compiled(**HELPER)
def _word_exponent(word, dy, dx):
    """Return the exponent of a Gaussian at an offset, of a pixel's first four slots in a word."""
    sigma_row = _byte(word, SIGMA_ROW, _LEVEL_BITS, _LEVEL_BASE)
    sigma_col = np.float32(np.int32(word >> np.uint32(8 * SIGMA_COL)))
    cross = _tilt(word) * (sigma_row * sigma_col)
    col = (sigma_col * sigma_col) * square_term(dx)
    return exponent(sigma_row * sigma_row, square_term(dy), cross, cross_offset(dy, dx), col)


@compiled(**HELPER)
def _word_value(word, plane, dy, dx):
    """Return the level that a local plane predicts, of a pixel's two words of four slots."""
    level = _byte(word, FEATURE, _LEVEL_BITS, _LEVEL_BASE)
    level += _byte(plane, RESIDUAL - 4, _RESIDUAL_BITS, _RESIDUAL_BASE)
    slope_row = _byte(plane, SLOPE_ROW - 4, _SLOPE_BITS, _SLOPE_BASE)
    slope_col = _byte(plane, SLOPE_COL - 4, _SLOPE_BITS, _SLOPE_BASE)
    return local_plane_value(level, slope_row, slope_col, dy, dx)


# -- source pixels of the neighbours ---------------------------------------------------------


@compiled(**HELPER)
def _locate(rows, cols, height, width, index, cells, offsets):
    """Find the neighbours of a segment's positions; True where all lie inside the image.

    Parameters
    ----------
    rows, cols : ndarray of float64, (n,)
    height, width : int
        Of the source.
    index : ndarray of int32, (4 * _S,)
        Receives flat indices: of the upper left neighbour, where all lie inside; else of
        all four, those outside moved to the border.
    cells : ndarray of uint32, (_S,)
        Receives flat indices of the cells of overshoot bounds.
    offsets : ndarray of float32, (4 * _S,)
        Receives the offsets along rows to the upper and the lower neighbours, then those
        along columns to the left and the right ones.
    """
    n = rows.size
    below, right = float(height), float(width)
    last_row, last_col = np.int32(height - 1), np.int32(width - 1)
    one, stride, pitch = np.int32(1), np.int32(width), np.uint32(width + 1)
    outside = np.int32(0)
    for x in range(n):
        row, col = rows[x], cols[x]
        first_row = np.ceil(row - 1.0 - POSITION_EPS)
        first_col = np.ceil(col - 1.0 - POSITION_EPS)
        offsets[x] = row - first_row
        offsets[_S + x] = row - (first_row + 1.0)
        offsets[2 * _S + x] = col - first_col
        offsets[3 * _S + x] = col - (first_col + 1.0)
        # Farther away the neighbours are the same, and the integers are small.
        r = np.int32(clip(first_row, -2.0, below))
        c = np.int32(clip(first_col, -2.0, right))
        outside |= (r | c) | ((last_row - one - r) | (last_col - one - c))  # the sign tells
        index[x] = r
        index[_S + x] = c
    if outside >= 0:
        for x in range(n):
            r, c = index[x], index[_S + x]
            index[x] = np.int32(np.int32(r * stride) + c)
            cells[x] = np.uint32(np.uint32(r + one) * pitch) + np.uint32(c + one)
        return True
    for x in range(n):
        r, c = index[x], index[_S + x]
        upper = np.int32(clip(r, np.int32(0), last_row) * stride)
        lower = np.int32(clip(np.int32(r + one), np.int32(0), last_row) * stride)
        left = clip(c, np.int32(0), last_col)
        beside = clip(np.int32(c + one), np.int32(0), last_col)
        index[x] = np.int32(upper + left)
        index[_S + x] = np.int32(upper + beside)
        index[2 * _S + x] = np.int32(lower + left)
        index[3 * _S + x] = np.int32(lower + beside)
        r = clip(np.int32(r + one), np.int32(0), np.int32(height))
        c = clip(np.int32(c + one), np.int32(0), np.int32(width))
        cells[x] = np.uint32(np.uint32(r) * pitch) + np.uint32(c)
    return False


@compiled(**HELPER)
def _copy_pairs(source, index, inside, width, n, target):
    """Copy four neighbours of each pixel: the upper two side by side, then the lower two.

    Parameters
    ----------
    source : ndarray of unsigned integers, (pixels,)
        A word per source pixel.
    target : ndarray of the same dtype, (4 * _S,)
    """
    if inside:
        lower = source[width:]
        one = np.uint32(1)
        for x in range(n):
            i = np.uint32(index[x])
            target[2 * x] = source[i]
            target[2 * x + 1] = source[i + one]
            target[2 * _S + 2 * x] = lower[i]
            target[2 * _S + 2 * x + 1] = lower[i + one]
    else:
        for x in range(n):
            target[2 * x] = source[np.uint32(index[x])]
            target[2 * x + 1] = source[np.uint32(index[_S + x])]
            target[2 * _S + 2 * x] = source[np.uint32(index[2 * _S + x])]
            target[2 * _S + 2 * x + 1] = source[np.uint32(index[3 * _S + x])]


@compiled(**HELPER)
def _copy_floats(source, slots, index, inside, step, k, n, target):
    """Copy neighbour k of each pixel, a row of `target` for each slot.

    Parameters
    ----------
    source : ndarray of float32, (pixels * slots,)
    step : int
        From the upper left neighbour to this one, where all lie inside.
    target : ndarray of float32, (8 * _S,)
    """
    pixel = index[:n] if inside else index[k * _S : k * _S + n]
    first = (step if inside else 0) * slots
    for slot in range(slots):
        values, row = source[first + slot :], target[slot * _S :]
        for x in range(n):
            row[x] = values[np.uint64(np.uint32(pixel[x])) * np.uint64(slots)]


@compiled(**HELPER)
def _pick(source, index, n, target):
    for x in range(n):
        target[x] = source[np.uint32(index[x])]


# -- what each neighbour is for the pixel ---------------------------------------------
#
# `taps` receives two rows for each neighbour: its exponent, or its tent's weight; its value.


@compiled(**HELPER)
def _local_plane_words(words, offsets, n, taps):
    for k in range(2):
        pair = words[4 * _S * k :]
        up, side = offsets[_S * k :], offsets[2 * _S :]
        out = taps[4 * _S * k :]
        for x in range(n):
            dy, left, right = up[x], side[x], side[_S + x]
            word, plane = pair[4 * x], pair[4 * x + 1]
            right_word, right_plane = pair[4 * x + 2], pair[4 * x + 3]
            out[x] = _word_exponent(word, dy, left)
            out[_S + x] = _word_value(word, plane, dy, left)
            out[2 * _S + x] = _word_exponent(right_word, dy, right)
            out[3 * _S + x] = _word_value(right_word, right_plane, dy, right)


@compiled(**HELPER)
def _gaussian_words(words, offsets, n, taps):
    for k in range(2):
        pair = words[2 * _S * k :]
        up, side = offsets[_S * k :], offsets[2 * _S :]
        out = taps[4 * _S * k :]
        for x in range(n):
            dy = up[x]
            out[x] = _word_exponent(pair[2 * x], dy, side[x])
            out[_S + x] = _byte(pair[2 * x], FEATURE, _LEVEL_BITS, _LEVEL_BASE)
            out[2 * _S + x] = _word_exponent(pair[2 * x + 1], dy, side[_S + x])
            out[3 * _S + x] = _byte(pair[2 * x + 1], FEATURE, _LEVEL_BITS, _LEVEL_BASE)


@compiled(**HELPER)
def _tent_words(words, offsets, n, taps):
    for k in range(2):
        pair = words[_S * k :]  # a word holds both the left and the right neighbour
        up, side = offsets[_S * k :], offsets[2 * _S :]
        out = taps[4 * _S * k :]
        for x in range(n):
            word, dy = pair[x], up[x]
            left = tent_slope(_byte(word, 1, _LEVEL_BITS, _LEVEL_BASE))
            right = tent_slope(_byte(word, 3, _LEVEL_BITS, _LEVEL_BASE))
            out[x] = tent_weight(left, dy, side[x])
            out[_S + x] = _byte(word, 0, _LEVEL_BITS, _LEVEL_BASE)
            out[2 * _S + x] = tent_weight(right, dy, side[_S + x])
            out[3 * _S + x] = _byte(word, 2, _LEVEL_BITS, _LEVEL_BASE)


@compiled(**HELPER)
def _float_taps(packed, gaussian, has_local_plane, up, side, n, out):
    """Fill one neighbour's two rows, of a row for each slot."""
    for x in range(n):
        out[_S + x] = packed[x]
    if has_local_plane:
        for x in range(n):
            level = local_plane_level(packed[x], packed[RESIDUAL * _S + x])
            slope_row = local_plane_slope(packed[SLOPE_ROW * _S + x])
            slope_col = local_plane_slope(packed[SLOPE_COL * _S + x])
            out[_S + x] = local_plane_value(level, slope_row, slope_col, up[x], side[x])
    if gaussian:
        for x in range(n):
            rho, sigma_row = packed[RHO * _S + x], packed[SIGMA_ROW * _S + x]
            sigma_col = packed[SIGMA_COL * _S + x]
            out[x] = gaussian_exponent(rho, sigma_row, sigma_col, up[x], side[x])
    else:
        for x in range(n):
            out[x] = tent_weight(tent_slope(packed[_S + x]), up[x], side[x])


# -- the mean -------------------------------------------------------------------------


@compiled(**HELPER)
def _gaussian_mean(taps, bounds, n, out):
    for x in range(n):
        mean = gaussian_mean_of_four(
            taps[x], taps[2 * _S + x], taps[4 * _S + x], taps[6 * _S + x],
            taps[_S + x], taps[3 * _S + x], taps[5 * _S + x], taps[7 * _S + x],
        )  # fmt: skip
        put(out, x, within(mean, bounds[x], bounds[_S + x]))


@compiled(**HELPER)
def _weigh(taps, n):
    """Turn exponents into weights."""
    for x in range(n):
        first = taps[x]
        taps[x] = FIRST_WEIGHT
        taps[2 * _S + x] = relative_weight(taps[2 * _S + x], first)
        taps[4 * _S + x] = relative_weight(taps[4 * _S + x], first)
        taps[6 * _S + x] = relative_weight(taps[6 * _S + x], first)


@compiled(**HELPER)
def _weighted_mean(taps, bounds, n, out):
    for x in range(n):
        mean = mean_of_four(
            taps[x], taps[2 * _S + x], taps[4 * _S + x], taps[6 * _S + x],
            taps[_S + x], taps[3 * _S + x], taps[5 * _S + x], taps[7 * _S + x],
        )  # fmt: skip
        put(out, x, within(mean, bounds[x], bounds[_S + x]))


@compiled(**HELPER)
def _valid_mean(taps, factors, bounds, n, out, valid_share):
    """As `_weighted_mean`, with validity: two of the upper neighbours, two of the lower."""
    for x in range(n):
        mean, valid_share[x] = valid_mean_of_four(
            taps[x], taps[2 * _S + x], taps[4 * _S + x], taps[6 * _S + x],
            taps[_S + x], taps[3 * _S + x], taps[5 * _S + x], taps[7 * _S + x],
            bits_float(np.int32(factors[2 * x])), bits_float(np.int32(factors[2 * x + 1])),
            bits_float(np.int32(factors[2 * _S + 2 * x])),
            bits_float(np.int32(factors[2 * _S + 2 * x + 1])),
        )  # fmt: skip
        put(out, x, within(mean, bounds[x], bounds[_S + x]))


# -- segments -------------------------------------------------------------------------


def _as_bits(validity):
    """Return validity, flat, as words; None stays None."""


@overload(_as_bits)
def _compile_as_bits(validity):
    if isinstance(validity, types.NoneType):
        return lambda validity: None
    return lambda validity: validity.reshape(-1).view(np.uint32)


def _segment_taps(words, gaussian, width, index, inside, offsets, n, copies, taps):
    """Fill `taps`, two rows for each neighbour, for a segment of a channel.

    Parameters
    ----------
    words : ndarray, (pixels,) or (pixels, slots)
        Packed parameters of the channel's pixels.
    copies : ndarray of uint64, (4 * _S,)
        Scratch.
    """


@overload(_segment_taps)
def _compile_segment_taps(words, gaussian, width, index, inside, offsets, n, copies, taps):
    def local_planes(words, gaussian, width, index, inside, offsets, n, copies, taps):
        _copy_pairs(words, index, inside, width, n, copies)
        _local_plane_words(copies.view(np.uint32), offsets, n, taps)

    def levels(words, gaussian, width, index, inside, offsets, n, copies, taps):
        _copy_pairs(words, index, inside, width, n, copies.view(np.uint32))
        _gaussian_words(copies.view(np.uint32), offsets, n, taps)

    def tents(words, gaussian, width, index, inside, offsets, n, copies, taps):
        _copy_pairs(words, index, inside, width, n, copies.view(np.uint16))
        _tent_words(copies.view(np.uint32), offsets, n, taps)

    def floats(words, gaussian, width, index, inside, offsets, n, copies, taps):
        slots = words.shape[1]
        packed, flat = copies.view(np.float32), words.reshape(-1)
        for k in range(4):
            up, side = offsets[_S * (k >> 1) :], offsets[_S * (2 + (k & 1)) :]
            step = (k >> 1) * width + (k & 1)
            _copy_floats(flat, slots, index, inside, step, k, n, packed)
            _float_taps(
                packed, gaussian, slots >= LOCAL_PLANE_SLOTS, up, side, n, taps[2 * _S * k :]
            )

    return {types.uint16: tents, types.uint32: levels, types.uint64: local_planes}.get(
        words.dtype, floats
    )


def _pixels_of(words):
    """View the pixels of each channel in one row."""


@overload(_pixels_of)
def _compile_pixels_of(words):
    if words.ndim == 3:
        return lambda words: words.reshape(words.shape[0], -1)
    return lambda words: words.reshape(words.shape[0], -1, words.shape[3])


@compiled(**HELPER)
def _segment_rows(
    words, cell_bounds, bits, gaussian, shape, row, col, work, bounds, out, valid_share, y, start
):
    """Compute a segment of output row y of all channels by two neighbours per axis.

    Parameters
    ----------
    words : ndarray
        See `_pixels_of`.
    cell_bounds : ndarray
        Overshoot bounds of all channels, flat.
    bits : ndarray of uint32 or None
        See `_as_bits`.
    shape : (int, int)
        Of the source.
    row, col : ndarray of float64, (n,)
        The segment's positions; `start` is its first column.
    work, bounds
        See `_scratch` and `_no_bounds`.
    """
    index, cells, offsets, copies, taps, factors = work
    height, width = shape
    n = row.size
    cell_count = (height + 1) * (width + 1)
    inside = _locate(row, col, height, width, index, cells, offsets)
    if bits is not None:
        _copy_pairs(bits, index, inside, width, n, factors)
    for channel in range(out.shape[0]):
        _segment_taps(words[channel], gaussian, width, index, inside, offsets, n, copies, taps)
        if cell_bounds.size > 0:
            _pick(cell_bounds[2 * channel * cell_count :], cells, n, bounds)
            _pick(cell_bounds[(2 * channel + 1) * cell_count :], cells, n, bounds[_S:])
        target = out[channel, y, start : start + n]
        if bits is not None:
            if gaussian:
                _weigh(taps, n)
            _valid_mean(
                taps, factors, bounds, n, target, valid_share[channel, y, start : start + n]
            )
        elif gaussian:
            _gaussian_mean(taps, bounds, n, target)
        else:
            _weighted_mean(taps, bounds, n, target)


@compiled(**HELPER)
def _scratch():
    """Return the arrays of a segment."""
    return (
        np.empty(4 * _S, np.int32),
        np.empty(_S, np.uint32),
        np.empty(4 * _S, np.float32),
        np.zeros(4 * _S, np.uint64),
        np.empty(8 * _S, np.float32),
        np.empty(4 * _S, np.uint32),
    )


@compiled(**HELPER)
def _no_bounds(cell_bounds):
    """Return a segment's bounds, such that they hold nothing back."""
    bounds = np.empty(2 * _S, cell_bounds.dtype)
    bounds[:_S] = ZERO if cell_bounds.itemsize == 1 else -np.inf
    bounds[_S:] = TOP if cell_bounds.itemsize == 1 else np.inf
    return bounds


@compiled(**KERNEL)
def points2_rows(
    words, gaussian, rows, cols, validity, cell_bounds, out, valid_share, visible_columns=None
):
    """Resample at scattered positions by two neighbours per axis.

    Parameters
    ----------
    words : ndarray of uint16, uint32 or uint64, (channels, rows, cols), or float32
        Packed parameters, C-contiguous; of bytes all slots of a pixel are one word, its lowest
        byte slot 0. At most `MOST_PIXELS` pixels per channel. Neighbours beyond the border are
        the nearest pixel's.
    gaussian : bool
        The weighting: Gaussian or tent.
    rows, cols : ndarray of float64, (output rows, output cols)
        Finite source positions.
    validity : ndarray of float32, (rows, cols), or None
        Of all channels, C-contiguous.
    cell_bounds : ndarray of uint8 or float32, (channels, 2, rows + 1, cols + 1)
        Overshoot bounds, C-contiguous; empty for none. Of the dtype of `out`.
    out : ndarray of uint8 or float32, (channels, output rows, output cols)
        Receives the mean, rounded for bytes.
    valid_share : ndarray of float32, as `out`, or None
        With validity, receives the valid share of the weights.
    visible_columns : ndarray of int64, (output rows, 2), optional
        First and one past the last column of each row that are wanted; the others become 0.
    """
    work, bounds = _scratch(), _no_bounds(cell_bounds)
    shape, pixels = words.shape[1:3], _pixels_of(words)
    flat, bits = cell_bounds.reshape(-1), _as_bits(validity)
    for y in range(out.shape[1]):
        first, last = _wanted(visible_columns, y, out, valid_share)
        for start in range(first, last, _S):
            stop = min(start + _S, last)
            _segment_rows(
                pixels, flat, bits, gaussian, shape, rows[y, start:stop], cols[y, start:stop],
                work, bounds, out, valid_share, y, start,
            )  # fmt: skip


@compiled(**KERNEL)
def points_rows(
    packed, words, gaussian, rows, cols, row_scale, col_scale,
    validity, cell_bounds, out, valid_share, visible_columns=None,
):  # fmt: skip
    """Resample at scattered positions, over footprints where the map shrinks.

    As `points2_rows`, of images of any size, with

    packed : ndarray of uint8 or float32, (channels, rows, cols, slots)
        The packed parameters that `words` are a view of.
    row_scale, col_scale : ndarray of float64, (output rows, output cols)
        At least 1.
    """
    work, bounds = _scratch(), _no_bounds(cell_bounds)
    shape, pixels = words.shape[1:3], _pixels_of(words)
    flat, bits = cell_bounds.reshape(-1), _as_bits(validity)
    large = shape[0] * shape[1] > MOST_PIXELS
    for y in range(out.shape[1]):
        first, last = _wanted(visible_columns, y, out, valid_share)
        for start in range(first, last, _S):
            stop = min(start + _S, last)
            scale_r, scale_c = row_scale[y, start:stop], col_scale[y, start:stop]
            if large or scale_r.max() > 1.0 or scale_c.max() > 1.0:
                _footprints(
                    packed, gaussian, rows, cols, scale_r, scale_c,
                    validity, cell_bounds, y, start, out, valid_share,
                )  # fmt: skip
            else:
                _segment_rows(
                    pixels, flat, bits, gaussian, shape, rows[y, start:stop], cols[y, start:stop],
                    work, bounds, out, valid_share, y, start,
                )  # fmt: skip


@compiled(**HELPER)
def _wanted(visible_columns, y, out, valid_share):
    """Return the columns to compute in a row, and clear the others."""
    if visible_columns is None:
        return 0, out.shape[2]
    first, last = visible_columns[y, 0], visible_columns[y, 1]
    out[:, y, :first] = 0
    out[:, y, last:] = 0
    if valid_share is not None:
        valid_share[:, y, :first] = 0
        valid_share[:, y, last:] = 0
    return first, last


# -- footprints -----------------------------------------------------------------------


@compiled(**HELPER)
def _footprints(
    packed,
    gaussian,
    rows,
    cols,
    row_scale,
    col_scale,
    validity,
    cell_bounds,
    y,
    start,
    out,
    valid_share,
):
    """Compute a segment of output row y of all channels, pixel by pixel."""
    height, width = packed.shape[1:3]
    for i in range(row_scale.size):
        x = start + i
        row, col = rows[y, x], cols[y, x]
        axis_r, axis_c = _axis(row, row_scale[i]), _axis(col, col_scale[i])
        for channel in range(packed.shape[0]):
            mean, share = _footprint(packed[channel], gaussian, row, col, axis_r, axis_c, validity)
            if cell_bounds.size > 0 and axis_r[1] == 2 and axis_c[1] == 2:
                r, c = _cell(axis_r[0], height), _cell(axis_c[0], width)
                mean = within(mean, cell_bounds[channel, 0, r, c], cell_bounds[channel, 1, r, c])
            put(out[channel, y], x, to_output(mean, out))
            if validity is not None:
                valid_share[channel, y, x] = share


@compiled(**HELPER)
def _axis(position, filter_scale):
    """First index, count, step and inverse filter scale of the taps along an axis."""
    first = np.int64(np.ceil(position - filter_scale - POSITION_EPS))
    count = np.int64(2)
    if filter_scale > 1.0:
        count = np.int64(np.floor(2.0 * filter_scale + POSITION_EPS)) + 1
    step = (count + (MAX_POINT_TAPS - 1)) // MAX_POINT_TAPS
    return first, (count + step - 1) // step, step, 1.0 / filter_scale


@compiled(**HELPER)
def _cell(first, size):
    """Row or column of the bounds' cell behind a first neighbour."""
    return min(max(first, -1), size - 1) + 1


@compiled(**HELPER)
def _footprint(packed, gaussian, row, col, axis_r, axis_c, validity):
    """Return mean and valid share of an output pixel of a channel."""
    first_r, count_r, step_r, inverse_r = axis_r
    first_c, count_c, step_c, inverse_c = axis_c
    last_row, last_col = packed.shape[0] - 1, packed.shape[1] - 1
    base = first = ZERO
    total = weight_sum = valid_total = valid_weight_sum = ZERO
    for ty in range(count_r):
        r = first_r + ty * step_r
        i = min(max(r, 0), last_row)
        dy = np.float32((row - r) * inverse_r)
        for tx in range(count_c):
            c = first_c + tx * step_c
            j = min(max(c, 0), last_col)
            dx = np.float32((col - c) * inverse_c)
            value = packed_value(packed, i, j, dy, dx)
            weight = _weight(packed, gaussian, i, j, dy, dx, first, ty == 0 and tx == 0)
            if ty == 0 and tx == 0:
                base = value
                first = packed_exponent(packed, i, j, dy, dx) if gaussian else ZERO
            if abs(dy) > REACH_LIMIT or abs(dx) > REACH_LIMIT:
                weight = ZERO
            valid_weight = weight
            if validity is not None:
                valid_weight *= validity[i, j]
            weight_sum += weight
            total += weight * (value - base)
            valid_weight_sum += valid_weight
            valid_total += valid_weight * (value - base)
    mean = mean_of_sums(base, valid_total, valid_weight_sum, total, weight_sum)
    return mean, valid_weight_sum / weight_sum


@compiled(**HELPER)
def _weight(packed, gaussian, row, col, dy, dx, first, is_first):
    """Return a pixel's weight at an offset; Gaussians relative to the exponent `first`."""
    if not gaussian:
        return packed_tent(packed, row, col, dy, dx)
    if is_first:
        return FIRST_WEIGHT
    return relative_weight(packed_exponent(packed, row, col, dy, dx), first)
