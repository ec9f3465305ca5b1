"""The learned function for shrinking: what the kernel of `kernels.shrinking` is called with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.backends.numba.entry_points import limited_plane, range_plane, shrunk_rows
from lerf_core.backends.numba.layouts import GROUP, block_of
from lerf_core.backends.numba.separable import DTYPES, is_interleaved, room_of
from lerf_core.backends.numba.vector_size import lanes_of_kernels
from lerf_core.sampling.kernel_taps import KernelTaps
from lerf_core.sampling.shrinking import ShrinkingTaps

__all__ = ["can_shrink", "limited", "separable_range", "shrunk_mean"]

Image = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]

# Bytes of a tile, of which there are four, and of the source rows behind it.
_TILE = 1 << 17
_LINES = 1 << 18
# Blocks of a strip, at least.
_LEAST_STRIP = 4
# Floats beyond may overflow to infinity, or be none.
_MOST = 1e30


def can_shrink(
    source: Image,
    rows: ShrinkingTaps,
    cols: ShrinkingTaps,
    cval: Sequence[float] | None,
    out: Image,
) -> bool:
    """Whether `shrunk_mean` does it: no NaN or infinity, and source pixels nearby in a row."""
    if not ({source.dtype.name, out.dtype.name} <= set(DTYPES) and out.dtype.isnative and out.size):
        return False
    if cval is not None and not (np.abs(np.asarray(cval)) < _MOST).all():
        return False
    if not (_is_in_a_row(rows.near) and _is_in_a_row(cols.near)):
        return False
    if source.dtype.kind != "f":
        return True
    return bool(source.max() < _MOST and source.min() > -_MOST)


def shrunk_mean(
    source: Image,
    rows: ShrinkingTaps,
    cols: ShrinkingTaps,
    widening: float,
    overshoot: float,
    *,
    cval: Sequence[float] | None,
    out: Image,
) -> None:
    """Write the result of the learned function; see `Backend.shrunk_mean`.

    Parameters
    ----------
    source, out : ndarray of a native dtype that `can_shrink` accepts, (rows, cols, channels)
    """
    source = source if is_interleaved(source) else np.ascontiguousarray(source)
    target = out if is_interleaved(out) else np.empty(out.shape, out.dtype)
    channels, lanes = source.shape[2], lanes_of_kernels()
    block = block_of(lanes)
    border = np.array(() if cval is None else cval, np.float32)
    row_arrays, col_arrays = _arrays(rows), _arrays(cols)
    chunks = _chunks(cols, col_arrays, channels, lanes)
    widest = int((chunks[:, 3] - chunks[:, 2]).max())
    n_lines = _most_neighbours(rows, row_arrays, lanes)
    most = _LINES // (4 * n_lines) // block * block
    strip = min(max(most, _LEAST_STRIP * block), -(-widest * channels // block) * block)
    # An odd number of cache lines: neighbours of a column do not push each other out.
    lines = room_of(n_lines, strip + 2 * block + 16)
    tile_rows, result_rows = widest * channels + block, (GROUP + 2) * channels + 2 * block
    tiles = room_of(4 * tile_rows, lanes).reshape(4, tile_rows, lanes)
    results = room_of(4 * result_rows, lanes).reshape(4, result_rows, lanes)
    border_line = np.resize(border, strip + channels) if border.size else border
    inner = (rows.inner.start, rows.inner.stop, cols.inner.start)
    shrunk_rows(
        source.ctypes.data, source.strides[0], source.itemsize, *source.shape, border, border_line,
        *row_arrays, *col_arrays, inner, chunks, strip, lines, tiles, results,
        np.float32(widening), np.float32(overshoot),
        target.ctypes.data, target.strides[0], target.itemsize,
    )  # fmt: skip
    if target is not out:
        out[...] = target


def _is_in_a_row(taps: KernelTaps) -> bool:
    """Whether taps that weigh something have none between them that weigh nothing."""
    counts = taps.weight != 0
    begins = counts[:, 0].astype(np.int64) + (counts[:, 1:] & ~counts[:, :-1]).sum(1)
    return bool((begins == 1).all())


def _arrays(taps: ShrinkingTaps) -> tuple[Any, ...]:
    """Return the first neighbours and weights of both kernels, and where pixels nearby are."""
    return (
        np.ascontiguousarray(taps.sharp.first), np.ascontiguousarray(taps.sharp.weight),
        np.ascontiguousarray(taps.smooth.first), np.ascontiguousarray(taps.smooth.weight),
        *_in_a_row(taps.near),
    )  # fmt: skip


def _sides(arrays: tuple[Any, ...]) -> tuple[Indices, Indices]:
    """Return each output pixel's first source pixel, and one past its last."""
    sharp, sharp_weight, smooth, smooth_weight, near, count = arrays
    first = np.minimum(np.minimum(sharp, smooth), near)
    ends = (sharp + sharp_weight.shape[1], smooth + smooth_weight.shape[1], near + count)
    return first, np.maximum(np.maximum(*ends[:2]), ends[2])


def _chunks(taps: ShrinkingTaps, arrays: tuple[Any, ...], channels: int, lanes: int) -> Indices:
    """Cut an axis into parts whose source pixels fit a tile; see `shrunk_rows`."""
    first, stop = _sides(arrays)
    most = max(1, _TILE // (4 * lanes * channels))
    chunks, start, end_of_all = [], taps.inner.start, taps.inner.stop
    while start < end_of_all:
        low = int(first[max(start - 1, 0)])
        end = int(np.searchsorted(stop, low + most, "right")) - 1
        end = min(max(end, start + 1), end_of_all)
        if end < end_of_all and end - start > GROUP:
            end -= (end - start) % GROUP
        last = min(end, taps.sharp.size - 1)
        # The nearest pixel of the source is one of them.
        low, high = min(low, taps.sharp.source_size - 1), max(int(stop[last]), 1)
        chunks.append((start, end, low, high))
        start = end
    return np.array(chunks, np.int64)


def _most_neighbours(rows: ShrinkingTaps, arrays: tuple[Any, ...], lanes: int) -> int:
    """Return how many source rows as many rows as there are lanes have, at most."""
    first, stop = _sides(arrays)
    last = np.minimum(np.arange(rows.sharp.size) + lanes, rows.sharp.size) - 1
    return int((stop[last] - first).max())


def separable_range(
    source: Image, rows: KernelTaps, cols: KernelTaps, *, cval: Sequence[float] | None
) -> tuple[Image, Image] | None:
    """Return the least and the greatest value; None where taps do not lie in a row."""
    if not (_is_in_a_row(rows) and _is_in_a_row(cols)):
        return None
    low, high = np.empty((2, source.shape[2], rows.size, cols.size), np.float32)
    border = np.array(() if cval is None else cval, np.float32)
    taps = (*_in_a_row(rows), *_in_a_row(cols))
    for c in range(source.shape[2]):
        plane = np.ascontiguousarray(source[..., c], np.float32)
        range_plane(plane, border[c : c + 1], *taps, low[c], high[c])
    return np.moveaxis(low, 0, -1), np.moveaxis(high, 0, -1)


def limited(
    sharp: Image,
    smooth: Image,
    low: Image,
    high: Image,
    inner: tuple[slice, slice],
    widening: float,
    overshoot: float,
) -> Image:
    """Return limited pixels; see `Backend.limited`."""
    height, width = (part.stop - part.start for part in inner)
    out = np.empty((sharp.shape[2], height, width), np.float32)
    start = inner[0].start, inner[1].start
    for c, result in enumerate(out):
        planes = (
            np.ascontiguousarray(image[..., c], np.float32) for image in (sharp, smooth, low, high)
        )
        limited_plane(*planes, *start, np.float32(widening), np.float32(overshoot), result)
    return np.moveaxis(out, 0, -1)


def _in_a_row(taps: KernelTaps) -> tuple[Indices, Indices]:
    """Return the first tap that weighs something, and how many do."""
    counts = taps.weight != 0
    return taps.first + counts.argmax(1), counts.sum(1)
