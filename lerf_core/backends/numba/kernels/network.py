"""Networks in numba: parameters of local planes, or enlargements, by a band of rows.

Bit-equal to `reference.network`. A row of source pixels goes through all layers before the next
one is taken: each layer keeps as many rows of its input, in a ring, as its convolution is high, and
gives one row for each that comes. So each row of each layer is computed once, and nothing as large
as the image is kept. Rows and columns beyond the image are copies of the nearest pixel; layers
have so many columns less as their convolutions are wide. Columns are taken in segments, so that the
rings stay in the cache.

Rows of activations are as `network_vectors` has them.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.backends.numba.kernels.network_vectors import (
    HEAD_OUTPUTS,
    OUTPUTS,
    PIXELS,
    convolve,
    joins_four,
)
from lerf_core.backends.numba.layouts import SHARED_OUTPUTS
from lerf_core.constants import LEVELS, NO_CHANGE

__all__ = ["convolve_block", "network_rows", "pack_convolution"]

# A line of the cache, in words.
_LINE = 16
# Words behind a row that vectors reach into: taps of the last pixels, and pixels beyond them.
_MARGIN = 16


@compiled(**KERNEL)
def pack_convolution(like, weight, is_head, packed):
    """Write a layer's weights in the order in which they are read.

    Parameters
    ----------
    like : ndarray of uint8 or int32
        Of the dtype of source pixels.
    weight : ndarray of int8, (outputs, inputs, size, size)
    is_head : bool
        Whether it is the last layer.
    packed : ndarray of uint8
        Receives words of weights, (block of outputs, tap, group of inputs, output); the rest is 0.
        Blocks have `OUTPUTS` outputs, or `HEAD_OUTPUTS`, but the last one.
    """
    outputs, inputs, size = weight.shape[:3]
    per_word = 4 if joins_four(like) else 2
    packed[:] = 0
    at = 0
    first = 0
    while first < outputs:
        n = min(HEAD_OUTPUTS if is_head else OUTPUTS, outputs - first)
        for tap in range(size * size):
            for group in range(0, inputs, per_word):
                for k in range(first, first + n):
                    for channel in range(per_word):
                        if group + channel < inputs:
                            value = weight[k, group + channel, tap // size, tap % size]
                            if per_word == 4:
                                packed[at + channel] = np.uint8(value)
                            else:
                                packed[at + 2 * channel] = np.uint8(value)
                                packed[at + 2 * channel + 1] = np.uint8(0xFF if value < 0 else 0)
                    at += 4
        first += n


@compiled(**HELPER)
def _fill(row, first, count):
    """Repeat the first and the last of the `count` words from `first` on, to the row's ends."""
    row[:first] = row[first]
    row[first + count :] = row[first + count - 1]


@compiled(**HELPER)
def _load_row(red, green, blue, y, start, words):
    """Write the words of a row of the source from column `start` on, edges repeated.

    Parameters
    ----------
    words : ndarray of int32, (groups, columns)
        Some of the columns are the image's own.
    """
    height, width = red.shape
    row = min(max(y, 0), height - 1)
    first = max(start, 0)
    at, count = first - start, min(start + words.shape[1], width) - first
    r, g, b = red[row, first:], green[row, first:], blue[row, first:]
    low = words[0, at:]
    if joins_four(red):
        for x in range(count):
            low[x] = np.int32(r[x]) | np.int32(g[x]) << 8 | np.int32(b[x]) << 16
    else:
        high = words[1, at:]
        for x in range(count):
            low[x] = np.int32(r[x]) | np.int32(g[x]) << 16
            high[x] = np.int32(b[x])
        _fill(words[1], at, count)
    _fill(words[0], at, count)


@compiled(**HELPER)
def convolve_block(
    like, n, is_head, terms, count, weights, numbers, stride, leak, top,
    before, before_step, before_stride, target, target_stride, vectors,
):  # fmt: skip
    """Call `convolve` for a number of outputs."""
    some = (terms, count, weights, numbers, stride, leak, top)
    rest = (before, before_step, before_stride, target, target_stride, vectors)
    four, three = (0, 0, 0, 0), (0, 0, 0)
    if is_head:
        if n == len(three + three):
            convolve(like, three + three, (0,), *some, *rest)
        elif len(three + three) < HEAD_OUTPUTS:
            convolve(like, three + three + three + three + three, (0,), *some, *rest)
        else:
            convolve(like, three, (0,), *some, *rest)
    elif n == len(four):
        convolve(like, four, (), *some, *rest)
    elif n == len(four + four):
        convolve(like, four + four, (), *some, *rest)
    elif len(four + four) < OUTPUTS:
        if n == len(four + four + four):
            convolve(like, four + four + four, (), *some, *rest)
        else:
            convolve(like, four + four + four + four, (), *some, *rest)


@compiled(**HELPER)
def _flag_grey(red, green, blue, y, first, count, line):
    """Write whether red, green and blue are equal, for columns first-1..first+count of a row.

    Parameters
    ----------
    y : int
        Rows beyond the image are its nearest ones; columns beyond it do not count: they are 1.
    line : ndarray of uint8, (at least count + 2,)
    """
    height, width = red.shape
    row = min(max(y, 0), height - 1)
    low, high = max(first - 1, 0), min(first + count + 1, width)
    n = high - low
    r, g, b = red[row, low:high], green[row, low:high], blue[row, low:high]
    line[0] = line[count + 1] = 1
    inner = line[low - (first - 1) :]
    for x in range(n):
        inner[x] = np.uint8((r[x] == g[x]) & (g[x] == b[x]))


@compiled(**HELPER)
def _take_grey(lines, count, heads, shared, own):
    """Have channels take the outputs for a plane on its own where the surroundings are grey.

    Parameters
    ----------
    lines : ndarray of uint8, (5, at least count + 2)
        `_flag_grey` of a row and of its neighbours, in any order; and room.
    count : int
        Columns of the source that heads are of.
    heads : ndarray of int32, (outputs + 1, at least count)
        See `network_rows`.
    shared, own : int
        How many outputs are those of all channels, and each one's own.
    """
    first, second, third, all_rows, is_grey = lines[0], lines[1], lines[2], lines[3], lines[4]
    for x in range(count + 2):
        all_rows[x] = first[x] & second[x] & third[x]
    some = np.uint8(0)
    for x in range(count):
        # Into another line: loops that write what they read do not become vectors.
        is_grey[x] = all_rows[x] & all_rows[x + 1] & all_rows[x + 2]
        some |= is_grey[x]
    if some:
        for k in range(3 * own):
            mine, other = heads[shared + k], heads[shared + 3 * own + k % own]
            for x in range(count):
                mine[x] = other[x] if is_grey[x] else mine[x]


def _write_channel(source, rest, heads, first, bits, row):
    """Write packed parameters of a row of a channel, or its enlargement.

    Parameters
    ----------
    source : ndarray of uint8 or int32, (columns,)
        The features.
    rest : ndarray of float32, (columns,) or (0,)
        Is added to the features, in float32.
    heads : ndarray of int32, (outputs + 1, at least columns)
        `SHARED_OUTPUTS` of all channels, those of this channel from `first` on, and room. Of an
        enlargement none are shared.
    bits : int
        log2 of the units of a grey level.
    row : ndarray
        Parameters: of uint64, (columns,), a byte a slot, or of float32, (columns, 8), in grey
        levels. An enlargement: (scale, columns, scale) of uint8, or of float32 in grey levels.
    """


@overload(_write_channel)
def _compile_write_channel(source, rest, heads, first, bits, row):
    if row.ndim == 1:

        def write_bytes(source, rest, heads, first, bits, row):
            # Strided pixels keep loops from becoming vectors.
            feature = heads[-1]
            for x in range(row.size):
                feature[x] = source[x]
            for x in range(row.size):
                low = feature[x] | heads[0, x] << 8 | heads[1, x] << 16 | heads[2, x] << 24
                high = heads[first, x] | heads[first + 1, x] << 8 | heads[first + 2, x] << 16
                row[x] = np.uint64(np.uint32(low)) | np.uint64(high) << np.uint64(32)

        return write_bytes
    if row.ndim == 3:
        return _block_writer(is_bytes=row.dtype == types.uint8)

    def write_floats(source, rest, heads, first, bits, row):
        unit = np.float32(1.0 / (1 << bits))
        for x in range(len(row)):
            row[x, 0] = np.float32(source[x]) * unit
            for k in range(SHARED_OUTPUTS):
                row[x, 1 + k] = np.float32(heads[k, x]) * unit
                row[x, 1 + SHARED_OUTPUTS + k] = np.float32(heads[first + k, x]) * unit
            row[x, 7] = np.float32(0)
        if rest.size > 0:
            for x in range(len(row)):
                row[x, 0] += rest[x]

    return write_floats


def _columns(row, first, count):
    """Return so many columns of a row of parameters, or of an enlargement."""


@overload(_columns)
def _compile_columns(row, first, count):
    if row.ndim == 3:
        return lambda row, first, count: row[:, first : first + count]
    return lambda row, first, count: row[first : first + count]


def _block_writer(*, is_bytes):
    """Return what writes an enlargement, of bytes or of floats, for `_write_channel`."""

    def write_blocks(source, rest, heads, first, bits, row):
        scale, count = row.shape[0], row.shape[1]
        unit = np.float32(1.0 / (1 << bits))
        highest, middle = np.int32(LEVELS << bits), np.int32(NO_CHANGE << bits)
        moved = heads[-1]
        for x in range(count):
            moved[x] = np.int32(source[x]) - middle
        for place in range(scale * scale):
            values = heads[first + place]
            # Strided pixels keep loops from becoming vectors.
            for x in range(count):
                values[x] = min(max(moved[x] + values[x], np.int32(0)), highest)
            line = row[place // scale, :, place % scale]
            for x in range(count):
                if is_bytes:
                    line[x] = np.uint8(values[x])
                else:
                    line[x] = np.float32(values[x]) * unit

    return write_blocks


@compiled(**KERNEL)
def network_rows(
    red, green, blue, sizes, channels, weights, starts, numbers, leak, zero, bits,
    shared, own, planes, top, bottom, segment, rest, out,
):  # fmt: skip
    """Compute packed parameters of rows top..bottom-1, or their enlargement.

    Parameters
    ----------
    red, green, blue : ndarray of uint8 or int32, (rows, cols)
        The source in units; in the grey form the same three times.
    sizes : ndarray of int64, (layers,)
        Of the convolutions: 1, 3 or 5.
    channels : ndarray of int64, (layers + 1,)
        Outputs of each layer, behind the source's 3. Of the last layer those that are `shared`,
        those that are each channel's `own` and, behind those of three channels, those of a plane on
        its own; whatever comes behind them is left. They fill blocks of outputs.
    weights : ndarray of uint8
        See `pack_convolution`.
    starts : ndarray of int64, (layers,)
        Where the weights of each layer begin.
    numbers : ndarray of int32, (3, outputs of all layers)
        ``start``, ``shift`` and ``lowest`` of `network_vectors.convolve`.
    leak, zero, bits : int
        Of the network; and log2 of the units of a grey level.
    shared, own : int
        Outputs of the last layer.
    planes : int
        3, or in the grey form 1.
    segment : int
        Columns that are computed at once, at most.
    rest : tuple of three ndarrays of float32, (bottom - top, cols or 0)
        Of each channel; is added to the feature in packed parameters of float32.
    out : tuple of three ndarrays
        Of each channel. Parameters: (bottom - top, cols) of uint64, or (bottom - top, cols, 8) of
        float32. An enlargement: (bottom - top, scale, cols, scale) of uint8 or float32. In the grey
        form only the first is written.
    """
    layers, cols = sizes.size, red.shape[1]
    per_word = 4 if joins_four(red) else 2
    highest = LEVELS << bits
    # How far rows and columns of a layer's input reach beyond those of the result.
    reach = np.zeros(layers + 1, np.int64)
    for k in range(layers - 1, -1, -1):
        reach[k] = reach[k + 1] + sizes[k] // 2
    # An odd number of lines: groups do not push each other out of the cache.
    stride = ((min(segment, cols) + 2 * reach[0] + _MARGIN + _LINE) // _LINE | 1) * _LINE
    groups, places = np.empty(layers, np.int64), np.empty(layers + 1, np.int64)
    n_terms = n_words = 0
    for k in range(layers):
        groups[k] = (channels[k] + per_word - 1) // per_word
        places[k] = n_words
        n_words += sizes[k] * groups[k] * stride
        n_terms = max(n_terms, sizes[k] * sizes[k] * groups[k])
    room = np.zeros(n_words, np.int32)
    heads = np.zeros((channels[layers] + 1, stride), np.int32)
    terms = np.empty(n_terms, np.int64)
    is_grey = np.empty((5, min(segment, cols) + 2), np.uint8)
    if per_word == 4:
        constant = np.full(_LINE, zero * 0x01010101, np.int32)
    else:
        constant = np.full(_LINE, (zero << bits) * 0x00010001, np.int32)
    for start in range(0, cols, segment):
        n = min(segment, cols - start)
        if planes > 1:
            for y in range(top - 1, top + 1):
                _flag_grey(red, green, blue, y, start, n, is_grey[y % 3])
        for y in range(top - reach[0], bottom + reach[0]):
            k_row = (y - (top - reach[0])) % sizes[0] * groups[0] * stride
            words = room[k_row : k_row + groups[0] * stride].reshape(groups[0], stride)
            _load_row(red, green, blue, y, start - reach[0], words[:, : n + 2 * reach[0]])
            row = y
            number = 0
            for k in range(layers):
                size, half, is_head = sizes[k], sizes[k] // 2, k == layers - 1
                # The row that this layer can give now, if it is wanted.
                row -= half
                if row < top - reach[k + 1]:
                    break
                # Asked for here: an array that nothing refers to any more is freed.
                base, line = np.int64(room.ctypes.data), stride * 4
                count = 0
                for tap_row in range(size):
                    place = (row + half - size + 1 + tap_row - (top - reach[k])) % size
                    source = base + (places[k] + place * groups[k] * stride) * 4
                    for tap in range(size):
                        for group in range(groups[k]):
                            terms[count] = source + group * line + tap * 4
                            count += 1
                if k == 0:
                    before, before_step, before_stride = np.int64(constant.ctypes.data), 0, 0
                else:
                    middle = (row - (top - reach[k])) % size
                    before = base + (places[k] + middle * groups[k] * stride + half) * 4
                    before_step, before_stride = PIXELS * 4, line
                if is_head:
                    target = np.int64(heads.ctypes.data)
                else:
                    place = (row - (top - reach[k + 1])) % sizes[k + 1]
                    target = base + (places[k + 1] + place * groups[k + 1] * stride) * 4
                vectors = (n + 2 * reach[k + 1] + PIXELS - 1) // PIXELS
                at, first, outputs = np.int64(weights.ctypes.data) + starts[k], 0, channels[k + 1]
                while first < outputs:
                    n_outputs = min(HEAD_OUTPUTS if is_head else OUTPUTS, outputs - first)
                    convolve_block(
                        red, n_outputs, is_head, np.int64(terms.ctypes.data), count, at,
                        np.int64(numbers.ctypes.data) + (number + first) * 4, numbers.strides[0],
                        leak, highest, before + first // per_word * before_stride, before_step,
                        before_stride, target + (first if is_head else first // per_word) * line,
                        line, vectors,
                    )  # fmt: skip
                    at += count * n_outputs * 4
                    first += n_outputs
                number += outputs
                if is_head:
                    if planes > 1:
                        below = row + 1
                        _flag_grey(red, green, blue, below, start, n, is_grey[below % 3])
                        _take_grey(is_grey, n, heads, shared, own)
                    for channel in range(planes):
                        plane = red if channel == 0 else green if channel == 1 else blue
                        _write_channel(
                            plane[row, start : start + n],
                            rest[channel][row - top, start : start + n],
                            heads, shared + own * channel, bits,
                            _columns(out[channel][row - top], start, n),
                        )  # fmt: skip
