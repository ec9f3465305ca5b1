"""Means by fixed kernels on a grid: what the kernel of `kernels.separable` is called with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.backends.numba.entry_points import half_rows, separable_rows
from lerf_core.backends.numba.layouts import GROUP, block_of, halved_values
from lerf_core.backends.numba.vector_size import lanes_of_kernels
from lerf_core.sampling.kernel_taps import KernelTaps

__all__ = ["DTYPES", "is_interleaved", "is_plane", "room_of", "separable_mean"]

Image = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]

#: Dtypes that the kernel reads and writes.
DTYPES = ("uint8", "uint16", "float32")

# Channels of images that have a kernel of their own where both axes are halved, at most.
_MOST_HALVED = 4
# Bytes of a line of the cache.
_LINE = 64
# Bytes of a tile, and of the source rows behind it: together they fit a core's own cache.
_TILE = 1 << 19
_LINES = 1 << 19
# Blocks of a strip, at least: shorter ones are read slowly.
_LEAST_STRIP = 4


def separable_mean(
    source: Image, rows: KernelTaps, cols: KernelTaps, *, cval: Sequence[float] | None, out: Image
) -> None:
    """Write the mean that the taps of both axes weigh; see `Backend.separable_mean`.

    Parameters
    ----------
    source, out : ndarray of a native dtype in `DTYPES`, (rows, cols, channels)
    """
    if not out.size:
        return
    channels = out.shape[2]
    if channels > 1 and is_plane(source[..., 0]) and is_plane(out[..., 0]):
        for c in range(channels):
            border = None if cval is None else cval[c : c + 1]
            one = slice(c, c + 1)
            separable_mean(source[..., one], rows, cols, cval=border, out=out[..., one])
        return
    source = source if is_interleaved(source) else np.ascontiguousarray(source)
    target = out if is_interleaved(out) else np.empty(out.shape, out.dtype)
    _write(source, rows, cols, np.array(() if cval is None else cval, np.float32), target)
    if target is not out:
        out[...] = target


def _write(
    source: Image, rows: KernelTaps, cols: KernelTaps, border: FloatArray, out: Image
) -> None:
    """Call the kernel for interleaved images."""
    channels, lanes = source.shape[2], lanes_of_kernels()
    block = block_of(lanes)
    if source.dtype == out.dtype and channels <= _MOST_HALVED and _halves(rows) and _halves(cols):
        n_values = halved_values(out.itemsize, lanes)
        half_rows(
            source.ctypes.data + int(cols.first[0]) * source.itemsize * channels, source.strides[0],
            rows.first, cols.size, n_values, (0,) * channels, (0,) * out.itemsize,
            np.empty(5 * n_values * out.itemsize, np.uint8), out.ctypes.data, out.strides[0],
        )  # fmt: skip
        return
    chunks, widest = _chunks(cols, channels, lanes)
    n_lines = _most_neighbours(rows, lanes)
    most = _LINES // (4 * n_lines) // block * block
    strip = min(max(most, _LEAST_STRIP * block), -(-widest * channels // block) * block)
    # An odd number of cache lines: neighbours of a column do not push each other out.
    lines = room_of(n_lines, strip + 2 * block + _LINE // 4)
    tile = room_of(widest * channels + block, lanes)
    result = room_of((GROUP + 1) * channels + block, lanes)
    border_line = np.resize(border, strip + channels) if border.size else border
    separable_rows(
        source.ctypes.data, source.strides[0], source.itemsize, *source.shape, border, border_line,
        rows.first, np.ascontiguousarray(rows.weight), cols.first,
        np.ascontiguousarray(cols.weight), chunks, strip, lines, tile, result,
        out.ctypes.data, out.strides[0], out.itemsize,
    )  # fmt: skip


def room_of(rows: int, width: int) -> FloatArray:
    """Return room for rows of numbers that begins with a line of the cache."""
    room = np.empty(rows * width + _LINE // 4, np.float32)
    start = -room.ctypes.data % _LINE // 4
    return room[start : start + rows * width].reshape(rows, width)


@lru_cache(maxsize=16)
def _halves(taps: KernelTaps) -> bool:
    """Whether an axis is halved: means of pairs of pixels, one pair after the other."""
    first, last = int(taps.first[0]), int(taps.first[-1]) + 1
    is_inside = first >= 0 and last < taps.source_size
    return is_inside and bool((taps.weight == 0.5).all() and (np.diff(taps.first) == 2).all())


@lru_cache(maxsize=16)
def _chunks(taps: KernelTaps, channels: int, lanes: int) -> tuple[npt.NDArray[np.int64], int]:
    """Cut an axis into parts whose neighbours fit a tile; return these and their most pixels.

    Most neighbours of a part, with those outside the source.
    """
    most = max(1, _TILE // (4 * lanes * channels) - taps.count)
    ends, first = [0], taps.first
    while ends[-1] < taps.size:
        start = ends[-1]
        end = max(int(np.searchsorted(first, first[start] + most)), start + 1)
        if end < taps.size and end - start > GROUP:
            end -= (end - start) % GROUP
        ends.append(end)
    chunks = np.array(ends)
    last = np.maximum(first[chunks[1:] - 1] + taps.count, 1)
    return chunks, int((last - np.minimum(first[chunks[:-1]], taps.source_size - 1)).max())


def _most_neighbours(rows: KernelTaps, lanes: int) -> int:
    """Return how many neighbours as many output rows as there are lanes have, at most."""
    starts = np.arange(0, rows.size, lanes)
    last = np.minimum(starts + lanes, rows.size) - 1
    return int((rows.first[last] - rows.first[starts]).max()) + rows.count


def is_plane(plane: Image) -> bool:
    """Whether the pixels of each row lie side by side."""
    return plane.strides[1] == plane.itemsize


def is_interleaved(image: Image) -> bool:
    """Whether the values of each row lie side by side, pixel by pixel."""
    size, channels = image.itemsize, image.shape[2]
    across = image.shape[1] == 1 or image.strides[1] == size * channels
    return across and (channels == 1 or image.strides[2] == size)
