"""The weighted mean at scattered positions in numba, bit-equal to `reference.mean_at_points`.

`points2_rows` takes two neighbours per axis, `points_rows` footprints where the map shrinks.
Both take all channels of an image at once: where neighbours lie, and their offsets, are the same
for all. A segment of a row is located first, then averaged channel by channel; its scratch stays
in the first-level cache.
"""

from __future__ import annotations

import numpy as np

from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.backends.numba.kernels.lanes import LANES
from lerf_core.backends.numba.kernels.point_vectors import (
    OFFSET_ROWS,
    TAP_ROWS,
    footprint_means,
    locate_pairs,
    locate_taps,
    pair_means,
)
from lerf_core.constants import MAX_POINT_TAPS

__all__ = ["points2_rows", "points_rows"]

# Pixels of a segment: a multiple of `LANES`.
_S = 192
_BLOCKS = _S // LANES


@compiled(**HELPER)
def _address(array):
    """Return where an array begins, if there is one."""
    if array is None:
        return 0
    return array.ctypes.data


@compiled(**HELPER)
def _scratch():
    """Return the arrays of a segment."""
    return (
        np.empty((_BLOCKS, OFFSET_ROWS, LANES), np.float32),
        np.empty((_BLOCKS, LANES), np.int64),
    )


@compiled(**HELPER)
def _edge_scratch(out):
    """Return the arrays of the last pixels of a row, fewer than `LANES`."""
    return (
        np.empty((4, LANES), np.float64),
        np.empty((out.shape[0], LANES), out.dtype),
        np.empty((out.shape[0], LANES), np.float32),
    )


@compiled(**HELPER)
def _fill_edge(line, edge):
    """Copy a row's last values; the last one stands for those that there are not."""
    n = line.size
    for x in range(edge.size):
        edge[x] = line[min(x, n - 1)]


@compiled(**HELPER)
def _pair_blocks(
    records, layout, row, col, blocks, work, validity, mean, out, out_step, share, share_step
):
    """Compute blocks of `LANES` pixels of all channels by two neighbours per axis.

    Parameters
    ----------
    row, col : address of float64, (blocks, LANES)
    mean : ndarray
        Of the dtype of `out`.
    out, share : address
        Of the first channel's pixels.
    out_step, share_step : int
        Bytes from a channel to the next one.
    """
    offsets, places = work
    height, width = records.shape[1] - 2, records.shape[2] - 2
    size = records.shape[3] * records.itemsize
    pitch, plane = size * (width + 2), size * (width + 2) * (height + 2)
    first, at, terms = records.ctypes.data, places.ctypes.data, offsets.ctypes.data
    locate_pairs(row, col, height, width, size, terms, at, blocks)
    for channel in range(records.shape[0]):
        pair_means(
            first + channel * plane, pitch, at, terms, blocks, validity, layout, mean,
            out + channel * out_step, share + channel * share_step,
        )  # fmt: skip


@compiled(**HELPER)
def _pair_segment(records, layout, row, col, work, edge, validity, out, valid_share, y, start):
    """Compute a segment of output row y of all channels by two neighbours per axis.

    Parameters
    ----------
    row, col : ndarray of float64, (n,)
        The segment's positions, contiguous; `start` is its first column.
    work, edge
        See `_scratch` and `_edge_scratch`.
    """
    n = row.size
    whole = n // LANES
    done = whole * LANES
    item, pixels = out.itemsize, out.shape[1] * out.shape[2]
    at = y * out.shape[2] + start
    share = _address(valid_share) + 4 * at
    if whole > 0:
        _pair_blocks(
            records, layout, row.ctypes.data, col.ctypes.data, whole, work, validity, out,
            out.ctypes.data + item * at, item * pixels, share, 4 * pixels,
        )  # fmt: skip
    if done < n:
        positions, means, shares = edge
        _fill_edge(row[done:], positions[0])
        _fill_edge(col[done:], positions[1])
        first = positions.ctypes.data
        _pair_blocks(
            records, layout, first, first + 8 * LANES, 1, work, validity, out,
            means.ctypes.data, item * LANES, shares.ctypes.data, 4 * LANES,
        )  # fmt: skip
        _copy_edge(means, shares, out, valid_share, y, start + done, n - done)


@compiled(**HELPER)
def _copy_edge(means, shares, out, valid_share, y, start, count):
    for channel in range(out.shape[0]):
        for x in range(count):
            out[channel, y, start + x] = means[channel, x]
            if valid_share is not None:
                valid_share[channel, y, start + x] = shares[channel, x]


@compiled(**KERNEL)
def points2_rows(records, layout, rows, cols, validity, out, valid_share, visible_columns):
    """Resample at scattered positions by two neighbours per axis.

    Parameters
    ----------
    records : ndarray of int32 or float32, (channels, rows + 2, cols + 2, words)
        See `kernels.records`; C-contiguous. Neighbours beyond the border are the nearest pixel's.
    layout : tuple
        By its length: the number of their `RecordLayout`.
    rows, cols : ndarray of float64, (output rows, output cols)
        Finite source positions, C-contiguous.
    validity : ndarray of float32, (rows + 2, cols + 2), or None
        Of all channels, C-contiguous, with a rim as the records have.
    out : ndarray of uint8 or float32, (channels, output rows, output cols)
        Receives the mean, rounded for bytes. C-contiguous.
    valid_share : ndarray of float32, as `out`, or None
        With validity, receives the valid share of the weights.
    visible_columns : ndarray of int64, (output rows, 2)
        First and one past the last column of each row that are wanted; the others become 0.
    """
    work, edge = _scratch(), _edge_scratch(out)
    for y in range(out.shape[1]):
        first, last = _wanted(visible_columns, y, out, valid_share)
        for start in range(first, last, _S):
            stop = min(start + _S, last)
            _pair_segment(
                records, layout, rows[y, start:stop], cols[y, start:stop], work, edge,
                validity, out, valid_share, y, start,
            )  # fmt: skip


@compiled(**KERNEL)
def points_rows(
    records, layout, rows, cols, row_scale, col_scale, validity, out, valid_share,
    visible_columns,
):  # fmt: skip
    """Resample at scattered positions, over footprints where the map shrinks.

    As `points2_rows`, with

    row_scale, col_scale : ndarray of float64, (output rows, output cols)
        At least 1.
    """
    work, edge, taps = _scratch(), _edge_scratch(out), _tap_scratch()
    for y in range(out.shape[1]):
        first, last = _wanted(visible_columns, y, out, valid_share)
        for start in range(first, last, _S):
            stop = min(start + _S, last)
            scale_r, scale_c = row_scale[y, start:stop], col_scale[y, start:stop]
            row, col = rows[y, start:stop], cols[y, start:stop]
            if scale_r.max() > 1.0 or scale_c.max() > 1.0:
                for x in range(0, stop - start, LANES):
                    _footprint_block(
                        records, layout, row[x:], col[x:], scale_r[x:], scale_c[x:], taps, edge,
                        validity, out, valid_share, y, start + x,
                    )  # fmt: skip
            else:
                _pair_segment(
                    records, layout, row, col, work, edge, validity, out, valid_share, y, start
                )


@compiled(**HELPER)
def _wanted(visible_columns, y, out, valid_share):
    """Return the columns to compute in a row, and clear the others."""
    first, last = visible_columns[y, 0], visible_columns[y, 1]
    out[:, y, :first] = 0
    out[:, y, last:] = 0
    if valid_share is not None:
        valid_share[:, y, :first] = 0
        valid_share[:, y, last:] = 0
    return first, last


# -- footprints -----------------------------------------------------------------------


@compiled(**HELPER)
def _tap_scratch():
    """Return the arrays of the taps of `LANES` pixels, along both axes."""
    return (
        np.empty((2, MAX_POINT_TAPS, TAP_ROWS, LANES), np.float32),
        np.empty((2, MAX_POINT_TAPS, LANES), np.int64),
        np.empty((2, LANES), np.int32),
    )


@compiled(**HELPER)
def _footprint_block(
    records, layout, row, col, row_scale, col_scale, work, edge, validity, out, valid_share, y,
    start,
):  # fmt: skip
    """Compute up to `LANES` pixels of output row y of all channels.

    Parameters
    ----------
    row, col, row_scale, col_scale : ndarray of float64, (n,)
        Positions and filter scales from column `start` on.
    work, edge
        See `_tap_scratch` and `_edge_scratch`.
    """
    taps, places, is_pair = work
    positions, means, shares = edge
    _fill_edge(row, positions[0])
    _fill_edge(col, positions[1])
    _fill_edge(row_scale, positions[2])
    _fill_edge(col_scale, positions[3])
    height, width = records.shape[1] - 2, records.shape[2] - 2
    size = records.shape[3] * records.itemsize
    pitch, plane = size * (width + 2), size * (width + 2) * (height + 2)
    at = positions.ctypes.data
    row_taps, row_places, row_is_pair = (
        taps[0].ctypes.data,
        places[0].ctypes.data,
        is_pair[0].ctypes.data,
    )
    col_taps, col_places, col_is_pair = (
        taps[1].ctypes.data,
        places[1].ctypes.data,
        is_pair[1].ctypes.data,
    )
    row_count = locate_taps(at, at + 16 * LANES, height, pitch, row_taps, row_places, row_is_pair)
    col_count = locate_taps(
        at + 8 * LANES, at + 24 * LANES, width, size, col_taps, col_places, col_is_pair
    )
    first = records.ctypes.data
    for channel in range(records.shape[0]):
        footprint_means(
            first + channel * plane, row_taps, row_places, row_count, row_is_pair,
            col_taps, col_places, col_count, col_is_pair, validity, layout, out,
            means[channel].ctypes.data, shares[channel].ctypes.data,
        )  # fmt: skip
    _copy_edge(means, shares, out, valid_share, y, start, min(row.size, LANES))
