"""Labels by majority in numba: see `lerf_core.backends.reference.majority`.

Votes are whole numbers: sums of them are exact, and the same in any order. Most footprints hold one
label alone, which a look at each row tells before anything is counted; of most others the nearest
pixel's label has half of the votes. In the rest votes are counted per label, in a list or, where
labels are many, in a hash table.
"""

from __future__ import annotations

import math

import numpy as np

from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.constants import COVERAGE_BITS, MAX_POINT_TAPS, POSITION_EPS

__all__ = ["grid_majority", "point_majority"]

# Labels of a footprint that are found by looking at all of them; more are hashed.
_LISTED = 12
_UNIT = float(1 << COVERAGE_BITS)
# The golden ratio of 64 bits: multiples of it are spread evenly over their upper bits.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@compiled(**KERNEL)
def grid_majority(
    keys, missing, row_first, row_last, row_ends, row_nearest, row_unit,
    col_first, col_last, col_ends, col_nearest, col_unit, out,
):  # fmt: skip
    """Find a pixel of the winning label for each output pixel of a grid.

    Parameters
    ----------
    keys : ndarray of unsigned integers, (rows, cols)
    missing : ndarray of bool, (rows, cols), or None
    row_first, row_last, row_nearest : ndarray of int64, (output rows,)
        Of an `AxisCoverage`; so are those of columns.
    row_ends : ndarray of int64, (2, output rows)
        Weights of the first and of the last pixel.
    row_unit : int
    out : ndarray of int64, (output rows, output cols)
        Receives flat indices.
    """
    width = keys.shape[1]
    # How many pixels from a column on are of one label, in all of an output row's source rows.
    runs = np.empty(width, np.int32)
    rows, row_votes = _longest(row_first, row_last)
    cols, col_votes = _longest(col_first, col_last)
    labels, votes = np.empty(_LISTED, keys.dtype), np.empty(_LISTED, np.int64)
    pixels = np.empty(_LISTED, np.int64)
    for y in range(out.shape[0]):
        _find_runs(keys, missing, row_first[y], row_last[y], runs)
        row_count = _fill(row_first[y], row_last[y], row_ends[:, y], row_unit, rows, row_votes)
        for x in range(out.shape[1]):
            if runs[col_first[x]] > col_last[x] - col_first[x]:
                out[y, x] = row_nearest[y] * width + col_nearest[x]
                continue
            col_count = _fill(col_first[x], col_last[x], col_ends[:, x], col_unit, cols, col_votes)
            out[y, x] = _elected(
                keys, missing, rows, row_votes, row_count, cols, col_votes, col_count,
                row_nearest[y], col_nearest[x], labels, votes, pixels,
            )  # fmt: skip


@compiled(**KERNEL)
def point_majority(
    keys, missing, row, col, row_scale, col_scale, visible_columns, is_cut, out
):  # fmt: skip
    """Find a pixel of the winning label for each of scattered positions.

    Parameters
    ----------
    keys, missing
        As `grid_majority` has them.
    row, col : ndarray of float64, (output rows, output cols)
        Positions in source pixels.
    row_scale, col_scale : ndarray of float64, (output rows, output cols), or None
        Filter scales, at least 1; None: 1.
    visible_columns : ndarray of int64, (output rows, 2)
        First and one past the last column of each row that are wanted; others become 0.
    is_cut : bool
        Whether pixels beyond the border have no vote; else they vote for the border's.
    out : ndarray of int64, (output rows, output cols)
        Receives flat indices.
    """
    height, width = keys.shape
    rows, row_votes = np.empty(MAX_POINT_TAPS, np.int64), np.empty(MAX_POINT_TAPS, np.int64)
    cols, col_votes = np.empty(MAX_POINT_TAPS, np.int64), np.empty(MAX_POINT_TAPS, np.int64)
    labels, votes = np.empty(_LISTED, keys.dtype), np.empty(_LISTED, np.int64)
    pixels = np.empty(_LISTED, np.int64)
    for y in range(out.shape[0]):
        start, stop = visible_columns[y, 0], visible_columns[y, 1]
        out[y, :start] = 0
        out[y, stop:] = 0
        for x in range(start, stop):
            down, across = 1.0, 1.0
            if row_scale is not None:
                down, across = row_scale[y, x], col_scale[y, x]
            row_count = _fill_around(row[y, x], down, height, is_cut, rows, row_votes)
            col_count = _fill_around(col[y, x], across, width, is_cut, cols, col_votes)
            out[y, x] = _elected(
                keys, missing, rows, row_votes, row_count, cols, col_votes, col_count,
                _nearest(row[y, x], height), _nearest(col[y, x], width), labels, votes, pixels,
            )  # fmt: skip


# -- who votes ----------------------------------------------------------------------------


@compiled(**HELPER)
def _longest(first, last):
    """Return arrays for the pixels of a footprint along an axis, and for their votes."""
    most = 1
    for number in range(first.shape[0]):
        most = max(most, last[number] - first[number] + 1)
    return np.empty(most, np.int64), np.empty(most, np.int64)


@compiled(**HELPER)
def _fill(first, last, ends, unit, index, votes):
    """Write the pixels first..last and their votes; return how many they are."""
    count = last - first + 1
    for number in range(count):
        index[number] = first + number
        votes[number] = unit
    votes[0], votes[count - 1] = ends[0], ends[1]
    return count


@compiled(**HELPER)
def _fill_around(position, filter_scale, size, is_cut, index, votes):
    """Write the pixels around a position that vote, and their votes; return how many they are."""
    reach = (filter_scale + 1.0) * 0.5
    first, last = np.int64(math.ceil(position - reach)), np.int64(math.floor(position + reach))
    step = (last - first + MAX_POINT_TAPS) // MAX_POINT_TAPS
    count = 0
    for pixel in range(first, last + 1, step):
        vote = np.int64(np.rint(min(max(reach - abs(position - pixel), 0.0), 1.0) * _UNIT))
        inside = min(max(pixel, 0), size - 1)
        if vote > 0 and not (is_cut and inside != pixel):
            index[count], votes[count] = inside, vote
            count += 1
    return count


@compiled(**HELPER)
def _nearest(position, size):
    return min(max(np.int64(math.ceil(position - 0.5 - POSITION_EPS)), 0), size - 1)


@compiled(**HELPER)
def _find_runs(keys, missing, top, bottom, runs):
    """Find how many columns, from each on, hold one label in all of rows top..bottom."""
    width = keys.shape[1]
    first = keys[top]
    runs[:] = 1
    for row in range(top + 1, bottom + 1):
        line = keys[row]
        for col in range(width):
            runs[col] &= np.int32(line[col] == first[col])
    if missing is not None:
        for row in range(top + 1, bottom + 1):
            for col in range(width):
                runs[col] &= np.int32(missing[row, col] == missing[top, col])
    for col in range(width - 2, -1, -1):
        if runs[col] and runs[col + 1] and first[col] == first[col + 1]:  # noqa: SIM102
            if missing is None or missing[top, col] == missing[top, col + 1]:
                runs[col] = runs[col + 1] + 1


# -- who wins -----------------------------------------------------------------------------


@compiled(**HELPER)
def _elected(
    keys, missing, rows, row_votes, row_count, cols, col_votes, col_count, near_row, near_col,
    labels, votes, pixels,
):  # fmt: skip
    """Return the flat index of a pixel of the winning label.

    Parameters
    ----------
    rows, row_votes, row_count : ndarray of int64, the same, int
        Rows of pixels that vote and their factor of the votes, and how many; so for columns.
    near_row, near_col : int
        The pixel nearest to the centre.
    labels, votes, pixels : ndarray, (_LISTED,)
        Receive labels with their votes and their first pixels.
    """
    width = keys.shape[1]
    nearest, key = near_row * width + near_col, keys[near_row, near_col]
    is_valid = True
    if missing is not None:
        is_valid = not missing[near_row, near_col]
    total, support, lost, first_lost = np.int64(0), np.int64(0), np.int64(0), np.int64(-1)
    for i in range(row_count):
        line = keys[rows[i]]
        for j in range(col_count):
            vote = row_votes[i] * col_votes[j]
            total += vote
            if missing is not None:  # noqa: SIM102 - compiled where there are such pixels
                if missing[rows[i], cols[j]]:
                    if vote and first_lost < 0:
                        first_lost = rows[i] * width + cols[j]
                    lost += vote
                    continue
            if line[cols[j]] == key:
                support += vote
    if 2 * lost > total:
        return first_lost if is_valid else nearest
    if is_valid and 2 * support >= total:
        return nearest
    count = 0
    for i in range(row_count):
        for j in range(col_count):
            vote = row_votes[i] * col_votes[j]
            if vote == 0:
                continue
            if missing is not None:  # noqa: SIM102 - compiled where there are such pixels
                if missing[rows[i], cols[j]]:
                    continue
            label = keys[rows[i], cols[j]]
            entry = 0
            while entry < count and labels[entry] != label:
                entry += 1
            if entry == count:
                if count == _LISTED:
                    return _elected_of_many(
                        keys, missing, rows, row_votes, row_count, cols, col_votes, col_count,
                        nearest, key, is_valid,
                    )  # fmt: skip
                labels[entry], votes[entry] = label, 0
                pixels[entry] = rows[i] * width + cols[j]
                count += 1
            votes[entry] += vote
    return _winner(count, labels, votes, pixels, nearest, key, is_valid)


@compiled(**HELPER)
def _winner(count, labels, votes, pixels, nearest, key, is_valid):
    """Return the first pixel of the label of most votes: of several the nearest's, or the least."""
    best, chosen = np.int64(0), -1
    for entry in range(count):
        best = max(best, votes[entry])
    for entry in range(count):
        if votes[entry] == best:
            if is_valid and labels[entry] == key:
                return nearest
            if chosen < 0 or labels[entry] < labels[chosen]:
                chosen = entry
    return pixels[chosen] if chosen >= 0 else nearest


@compiled(**HELPER)
def _elected_of_many(
    keys, missing, rows, row_votes, row_count, cols, col_votes, col_count, nearest, key, is_valid
):  # fmt: skip
    """As `_elected`, for any number of labels."""
    width = keys.shape[1]
    size = 1 << 8
    labels, votes, pixels = _table(size, keys.dtype)
    used = 0
    for i in range(row_count):
        for j in range(col_count):
            vote = row_votes[i] * col_votes[j]
            if vote == 0:
                continue
            if missing is not None:  # noqa: SIM102 - compiled where there are such pixels
                if missing[rows[i], cols[j]]:
                    continue
            if 2 * used >= size:
                old_labels, old_votes, old_pixels = labels, votes, pixels
                labels, votes, pixels = _table(4 * size, keys.dtype)
                for entry in range(size):
                    if old_votes[entry]:
                        place = _place(old_labels[entry], labels, votes)
                        labels[place], votes[place] = old_labels[entry], old_votes[entry]
                        pixels[place] = old_pixels[entry]
                size *= 4
            label = keys[rows[i], cols[j]]
            place = _place(label, labels, votes)
            if votes[place] == 0:
                labels[place], pixels[place] = label, rows[i] * width + cols[j]
                used += 1
            votes[place] += vote
    return _winner(size, labels, votes, pixels, nearest, key, is_valid)


@compiled(**HELPER)
def _table(size, dtype):
    """Return an empty hash table: labels, their votes, and their first pixels."""
    return np.empty(size, dtype), np.zeros(size, np.int64), np.empty(size, np.int64)


@compiled(**HELPER)
def _place(label, labels, votes):
    """Return where in a hash table a label is, or is to be: no votes are there yet."""
    mask = labels.shape[0] - 1
    place = np.int64((np.uint64(label) * _SPREAD) >> np.uint64(32)) & mask
    while votes[place] != 0 and labels[place] != label:
        place = (place + 1) & mask
    return place
