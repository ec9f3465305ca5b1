"""Table reads in numba: a stage over a band of rows, bit-equal to `reference.stage`.

Two passes a row segment. `_simplex` computes where the five nodes of each set lie in the
table and their weights; it has no branches and no gathers, so it vectorises. `_gather`
then reads the packed words. Rows are sliced before the loops, and indices are unsigned,
so that numba leaves out its wrap-around tests, which would stop the vectoriser.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lerf_core.backends.numba.compiling import HELPER, KERNEL
from lerf_core.constants import DEEP_CELL_BITS

__all__ = ["larger", "smaller", "stage_rows"]

# Columns handled at once: the scratch rows of a segment stay in the first-level cache.
_SEGMENT = 1024
_U16 = np.uint32(16)
_LOW16 = np.uint32(0xFFFF)
_EVEN = np.uint64(0x0000FFFF0000FFFF)
# 1.5 * 2**52: adding and subtracting it rounds a float64 to an integer, half to even.
_ROUND = 6755399441055744.0


@njit(**HELPER)
def larger(a, b):
    return a if a > b else b


@njit(**HELPER)
def smaller(a, b):
    return a if a < b else b


@njit(**HELPER)
def _simplex(plane, row, col, pixels, n, cell_bits, nodes, index, weight):
    """Node indices and weights of the sets whose first pixels start at (row, col).

    The cell of the four coordinates is a 4-cube of the table; their fractions, sorted
    f1 >= f2 >= f3 >= f4, name the simplex they lie in. Its corners are walked from the
    cell's low corner by one step along the axis of f1, then f2, f3, f4; the corners
    weigh cell - f1, f1 - f2, f2 - f3, f3 - f4, f4. Fraction and step are sorted together
    as one word, (fraction << 16) | step: equal fractions may fall in any order, because
    the corner between them weighs zero.
    """
    bits = np.uint32(cell_bits)
    cell = np.uint32(1 << cell_bits)
    fraction = np.uint32((1 << cell_bits) - 1)
    step_c = np.uint32(nodes)
    step_b = np.uint32(nodes * nodes)
    step_a = np.uint32(nodes * nodes * nodes)
    row_a = plane[row + pixels[0, 0], col + pixels[0, 1] : col + pixels[0, 1] + n]
    row_b = plane[row + pixels[1, 0], col + pixels[1, 1] : col + pixels[1, 1] + n]
    row_c = plane[row + pixels[2, 0], col + pixels[2, 1] : col + pixels[2, 1] + n]
    row_d = plane[row + pixels[3, 0], col + pixels[3, 1] : col + pixels[3, 1] + n]
    i0, i1, i2, i3, i4 = index[0], index[1], index[2], index[3], index[4]
    w0, w1, w2, w3, w4 = weight[0], weight[1], weight[2], weight[3], weight[4]
    for x in range(n):
        a = np.uint32(row_a[x])
        b = np.uint32(row_b[x])
        c = np.uint32(row_c[x])
        d = np.uint32(row_d[x])
        ab = np.uint32(np.uint32((a >> bits) * step_a) + np.uint32((b >> bits) * step_b))
        cd = np.uint32(np.uint32((c >> bits) * step_c) + np.uint32(d >> bits))
        key_a = np.uint32(np.uint32((a & fraction) << _U16) | step_a)
        key_b = np.uint32(np.uint32((b & fraction) << _U16) | step_b)
        key_c = np.uint32(np.uint32((c & fraction) << _U16) | step_c)
        key_d = np.uint32(np.uint32((d & fraction) << _U16) | np.uint32(1))
        high_ab, low_ab = larger(key_a, key_b), smaller(key_a, key_b)
        high_cd, low_cd = larger(key_c, key_d), smaller(key_c, key_d)
        k1, m1 = larger(high_ab, high_cd), smaller(high_ab, high_cd)
        m2, k4 = larger(low_ab, low_cd), smaller(low_ab, low_cd)
        k2, k3 = larger(m1, m2), smaller(m1, m2)
        f1 = np.uint32(k1 >> _U16)
        f2 = np.uint32(k2 >> _U16)
        f3 = np.uint32(k3 >> _U16)
        f4 = np.uint32(k4 >> _U16)
        n0 = np.uint32(ab + cd)
        n1 = np.uint32(n0 + np.uint32(k1 & _LOW16))
        n2 = np.uint32(n1 + np.uint32(k2 & _LOW16))
        n3 = np.uint32(n2 + np.uint32(k3 & _LOW16))
        i0[x] = n0
        i1[x] = n1
        i2[x] = n2
        i3[x] = n3
        i4[x] = np.uint32(n3 + np.uint32(k4 & _LOW16))
        w0[x] = np.uint32(cell - f1)
        w1[x] = np.uint32(f1 - f2)
        w2[x] = np.uint32(f2 - f3)
        w3[x] = np.uint32(f3 - f4)
        w4[x] = f4


@njit(**HELPER)
def _gather(word, index, weight, n, sums):
    """Weighted sums of all four 16-bit lanes: weights up to 256 keep them apart."""
    i0, i1, i2, i3, i4 = index[0], index[1], index[2], index[3], index[4]
    w0, w1, w2, w3, w4 = weight[0], weight[1], weight[2], weight[3], weight[4]
    for x in range(n):
        sums[x] = (
            word[i0[x]] * np.uint64(w0[x])
            + word[i1[x]] * np.uint64(w1[x])
            + word[i2[x]] * np.uint64(w2[x])
            + word[i3[x]] * np.uint64(w3[x])
            + word[i4[x]] * np.uint64(w4[x])
        )


@njit(**HELPER)
def _gather_two(first, second, index, weight, n, sums_first, sums_second):
    """As `_gather`, of two words at once: indices and weights are loaded for both."""
    i0, i1, i2, i3, i4 = index[0], index[1], index[2], index[3], index[4]
    w0, w1, w2, w3, w4 = weight[0], weight[1], weight[2], weight[3], weight[4]
    for x in range(n):
        j0, j1, j2, j3, j4 = i0[x], i1[x], i2[x], i3[x], i4[x]
        u0, u1, u2 = np.uint64(w0[x]), np.uint64(w1[x]), np.uint64(w2[x])
        u3, u4 = np.uint64(w3[x]), np.uint64(w4[x])
        sums_first[x] = (
            first[j0] * u0 + first[j1] * u1 + first[j2] * u2 + first[j3] * u3 + first[j4] * u4
        )
        sums_second[x] = (
            second[j0] * u0 + second[j1] * u1 + second[j2] * u2 + second[j3] * u3 + second[j4] * u4
        )


@njit(**HELPER)
def _gather_deep(word, index, weight, n, even, odd):
    """Weighted sums in 32-bit lanes, of lanes 0 and 2 and of lanes 1 and 3."""
    i0, i1, i2, i3, i4 = index[0], index[1], index[2], index[3], index[4]
    w0, w1, w2, w3, w4 = weight[0], weight[1], weight[2], weight[3], weight[4]
    shift = np.uint64(16)
    for x in range(n):
        t0, t1, t2, t3, t4 = word[i0[x]], word[i1[x]], word[i2[x]], word[i3[x]], word[i4[x]]
        u0, u1, u2 = np.uint64(w0[x]), np.uint64(w1[x]), np.uint64(w2[x])
        u3, u4 = np.uint64(w3[x]), np.uint64(w4[x])
        even[x] = (
            (t0 & _EVEN) * u0
            + (t1 & _EVEN) * u1
            + (t2 & _EVEN) * u2
            + (t3 & _EVEN) * u3
            + (t4 & _EVEN) * u4
        )
        odd[x] = (
            ((t0 >> shift) & _EVEN) * u0
            + ((t1 >> shift) & _EVEN) * u1
            + ((t2 >> shift) & _EVEN) * u2
            + ((t3 >> shift) & _EVEN) * u3
            + ((t4 >> shift) & _EVEN) * u4
        )


@njit(**HELPER)
def _add_lane(target, sums, shift, mask):
    for x in range(target.size):
        target[x] += np.uint32((sums[x] >> shift) & mask)


@njit(**HELPER)
def _accumulate(
    plane, pad, cell_bits, nodes, words, pixels, set_words, word_uses, fields, acc, top
):
    """Add every set's sums to the pixels that read them; `acc` covers rows from `top` on."""
    deep = cell_bits == DEEP_CELL_BITS
    index = np.empty((5, _SEGMENT), np.uint32)
    weight = np.empty((5, _SEGMENT), np.uint32)
    sums = np.empty((2, _SEGMENT), np.uint64)
    rows, width = acc.shape[1], acc.shape[2]
    lane_mask = np.uint64(0xFFFFFFFF if deep else 0xFFFF)
    for s in range(pixels.shape[0]):
        first_use, last_use = set_words[s, 0], set_words[s, 1]
        used = fields[word_uses[first_use, 1] : word_uses[last_use - 1, 2]]
        # A set's first pixel lies at offsets (row, col) from the pixels that read it, so
        # the sets that a band needs reach beyond it by those offsets.
        first_row, last_row = top + used[:, 2].min(), top + rows + used[:, 2].max()
        first_col, last_col = used[:, 3].min(), width + used[:, 3].max()
        for y in range(first_row, last_row):
            for x in range(first_col, last_col, _SEGMENT):
                n = min(_SEGMENT, last_col - x)
                _simplex(plane, y + pad, x + pad, pixels[s], n, cell_bits, nodes, index, weight)
                for use in range(first_use, last_use):
                    word = words[word_uses[use, 0]]
                    half = (use - first_use) & 1
                    if deep:
                        half = 0
                        _gather_deep(word, index, weight, n, sums[0], sums[1])
                    elif half == 0 and use + 1 < last_use:
                        other = words[word_uses[use + 1, 0]]
                        _gather_two(word, other, index, weight, n, sums[0], sums[1])
                    elif half == 0:
                        _gather(word, index, weight, n, sums[0])
                    for f in range(word_uses[use, 1], word_uses[use, 2]):
                        row = y - fields[f, 2] - top
                        if row < 0 or row >= rows:
                            continue
                        col = x - fields[f, 3]
                        skip, stop = max(0, -col), min(n, width - col)
                        shift = fields[f, 1]
                        if deep:  # lane 0, 1, 2, 3 -> half 0, 1, 0, 1, shift 0, 0, 32, 32
                            half, shift = (shift >> 4) & 1, shift & 32
                        if stop > skip:
                            _add_lane(
                                acc[fields[f, 0], row, col + skip : col + stop],
                                sums[half, skip:stop],
                                np.uint64(shift),
                                lane_mask,
                            )


@njit(**KERNEL)
def stage_rows(
    plane, pad, cell_bits, nodes, words, pixels, set_words, word_uses, fields,
    offset, divisor, lowest, limit, acc, top, out,
):  # fmt: skip
    """Read the tables for a band of rows and finish the values.

    Parameters
    ----------
    plane : ndarray of uint8 or int32, (rows + 2 * pad, cols + 2 * pad)
        Coordinates, padded by `pad` pixels on all sides.
    offset, divisor, lowest : ndarray of float64, (values,)
    limit : float
        value = clip(round((sum + offset) / divisor), lowest, limit).
    acc : ndarray of uint32, (values, band, cols)
        Scratch; any content.
    top : int
        The band's first row.
    out : ndarray, (values, rows, cols)
        Receives rows `top` and on, as many as `acc` has.
    """
    acc[:] = 0
    _accumulate(plane, pad, cell_bits, nodes, words, pixels, set_words, word_uses, fields, acc, top)
    for v in range(acc.shape[0]):
        start, step, low = offset[v], divisor[v], lowest[v]
        for r in range(acc.shape[1]):
            source = acc[v, r]
            target = out[v, top + r]
            for x in range(source.size):
                value = ((np.float64(source[x]) + start) / step + _ROUND) - _ROUND
                target[x] = min(max(value, low), limit)
