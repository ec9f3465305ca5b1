"""Blocks of a result, and the windows of the source that they depend on.

Convention
----------
A block is a rectangle of output pixels. A window is the part of a source axis that it
needs, in the image's coordinates: pixels before 0 and after the last are those by which a
border mode extends the image. Computed from its window alone, a block is bit for bit what
it is in the whole result: windows end a halo away from whatever is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.sampling.borders import fold_indices

__all__ = ["Block", "Window", "Windows"]

Indices = npt.NDArray[np.int64]
Positions = npt.NDArray[np.float64]


class Block(NamedTuple):
    """Output rows top..bottom-1 and columns left..right-1."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    def quarters(self) -> Iterator[Block]:
        """Yield the block's quarters: both sides of more than one pixel cut in half."""
        rows = _halves(self.top, self.bottom)
        for top, bottom in rows:
            for left, right in _halves(self.left, self.right):
                yield Block(top, bottom, left, right)


def _halves(first: int, last: int) -> list[tuple[int, int]]:
    middle = (first + last) // 2
    return [(first, middle), (middle, last)] if first < middle else [(first, last)]


@dataclass(frozen=True)
class Window:
    """The part of a source axis that a block needs.

    Attributes
    ----------
    size : int
        Pixels of the image's axis.
    margin : int
        Pixels by which the border mode extends the image at either end.
    runs : tuple of (first, stop)
        In order, within -margin..size+margin; two where a block lies over the seam of
        mode "wrap".
    """

    size: int
    margin: int
    runs: tuple[tuple[int, int], ...]

    @classmethod
    def whole(cls, size: int, margin: int = 0) -> Window:
        """Return the window of all of an axis, the margin included."""
        return cls(size, margin, ((-margin, size + margin),))

    @classmethod
    def around(cls, size: int, margin: int, halo: int, *runs: tuple[int, int]) -> Window:
        """Return runs widened by a halo, within the extended image; those that meet become one."""
        widened = [(max(a - halo, -margin), min(b + halo, size + margin)) for a, b in sorted(runs)]
        merged = widened[:1]
        for first, stop in widened[1:]:
            if first <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(stop, merged[-1][1])
            else:
                merged.append((first, stop))
        return cls(size, margin, tuple(merged))

    def __len__(self) -> int:
        return sum(stop - first for first, stop in self.runs)

    @property
    def is_whole(self) -> bool:
        """Whether the window is the image itself."""
        return self.runs == ((0, self.size),)

    @property
    def first(self) -> int:
        """The first pixel."""
        return self.runs[0][0]

    def source_indices(self, mode: str) -> Indices:
        """Return which of the image's pixels each pixel of the window is, int64."""
        index = np.concatenate([np.arange(*run, dtype=np.int64) for run in self.runs])
        return fold_indices(index, self.size, mode) if self.margin else index

    def to_window_indices(self, index: Indices) -> Indices:
        """Return indices of the extended image as indices of the window, which has one run."""
        in_window: Indices = index - self.first if self.first else index
        return in_window

    def to_window_positions(self, position: Positions) -> Positions:
        """Return positions in the extended image as positions in the window.

        Parameters
        ----------
        position : ndarray of float64
            In source pixels, within reach of the window.

        Returns
        -------
        ndarray of float64
            Without rounding, but for the margin's, which is the same in every window.
        """
        if self.margin:  # rounds, in every window alike
            position = position + self.margin
        start = self.first + self.margin
        if len(self.runs) == 1:
            return position - start if start else position
        (_, end), (second, _) = self.runs
        gap = second - end
        in_second = position >= (end + second) / 2 + self.margin
        return np.where(in_second, position - (start + gap), position - start)


class Windows(NamedTuple):
    """The windows of rows and columns."""

    rows: Window
    cols: Window

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of source pixels."""
        return len(self.rows), len(self.cols)

    @property
    def area(self) -> int:
        """Number of source pixels."""
        return len(self.rows) * len(self.cols)

    def cut(self, plane: npt.NDArray[Any], mode: str) -> npt.NDArray[Any]:
        """Return the windows of whole planes, (..., rows, cols); views where that is possible."""
        for axis, window in zip((-2, -1), self, strict=True):
            if window.is_whole:
                continue
            if window.margin == 0 and len(window.runs) == 1:
                index = [slice(None)] * plane.ndim
                index[axis] = slice(*window.runs[0])
                plane = plane[tuple(index)]
            else:
                plane = np.take(plane, window.source_indices(mode), axis=axis)
        return plane
