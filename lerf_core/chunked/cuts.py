"""Cutting a window of an array out of the chunks that it touches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidTypeError
from lerf_core.sampling.windows import Window

__all__ = ["Cut", "assemble", "cut_window"]

Indices = npt.NDArray[np.int64]


class Cut(NamedTuple):
    """How a window of an axis is cut out of the chunks that it touches.

    Attributes
    ----------
    slices : tuple of slice
        Of each chunk.
    take : ndarray of int64 or None
        Where in the joined slices each pixel of the window lies; None: in order.
    """

    slices: tuple[slice, ...]
    take: Indices | None = None


def cut_window(edges: Indices, window: Window, mode: str) -> tuple[list[int], Cut]:
    """Return the numbers of the chunks that a window touches, and how to cut it out of them.

    Parameters
    ----------
    edges : ndarray of int64, (chunks + 1,)
        Where the axis' chunks begin, and where the last one ends.
    window : Window
    mode : str
        The border mode by which a window with a margin extends the image.
    """
    if window.margin == 0 and len(window.runs) == 1:
        return _cut_run(edges, *window.runs[0])
    sources = window.source_indices(mode)
    chunk_of_source = np.searchsorted(edges, sources, "right") - 1
    numbers = [int(number) for number in np.unique(chunk_of_source)]
    take, slices, joined = np.empty(len(sources), np.int64), [], 0
    for number in numbers:
        in_chunk = chunk_of_source == number
        index = sources[in_chunk] - edges[number]
        low, high = int(index.min()), int(index.max()) + 1
        take[in_chunk] = index - low + joined
        slices.append(slice(low, high))
        joined += high - low
    return numbers, Cut(tuple(slices), take)


def _cut_run(edges: Indices, first: int, stop: int) -> tuple[list[int], Cut]:
    """Cut pixels first..stop-1, as `cut_window` does."""
    start = int(np.searchsorted(edges, first, "right")) - 1
    numbers = list(range(start, int(np.searchsorted(edges, stop))))
    slices = [
        slice(int(max(first - edges[n], 0)), int(min(stop, edges[n + 1]) - edges[n]))
        for n in numbers
    ]
    return numbers, Cut(tuple(slices))


def assemble(
    chunks: Sequence[Sequence[Any]], cuts: tuple[Cut, Cut], axes: tuple[int, int]
) -> npt.NDArray[Any]:
    """Cut windows of rows and columns out of a grid of chunks.

    Parameters
    ----------
    chunks : sequence of sequences of array_like
        Rows of chunks.
    cuts : (Cut, Cut)
        Of rows and columns.
    axes : (int, int)
        The chunks' axes of rows and columns.

    Raises
    ------
    InvalidTypeError
        If a chunk is masked: dask's array says whether its chunks are, and this one does not.
    """
    rows, cols = axes
    (row_slices, row_take), (col_slices, col_take) = cuts  # graphs hold named tuples as plain ones
    lines = []
    for chunk_row, row_slice in zip(chunks, row_slices, strict=True):
        line = []
        for chunk, col_slice in zip(chunk_row, col_slices, strict=True):
            if isinstance(chunk, np.ma.MaskedArray):
                raise InvalidTypeError(
                    "chunks are masked arrays, and their dask array does not say so: name them "
                    "as its meta (dask.array.map_blocks(..., meta=numpy.ma.masked_array([])))"
                )
            index = [slice(None)] * chunk.ndim
            index[rows], index[cols] = row_slice, col_slice
            line.append(np.asarray(chunk[tuple(index)]))
        lines.append(line[0] if len(line) == 1 else np.concatenate(line, axis=cols))
    window = lines[0] if len(lines) == 1 else np.concatenate(lines, axis=rows)
    for axis, take in ((rows, row_take), (cols, col_take)):
        if take is not None:
            window = np.take(window, take, axis=axis)
    return window
