"""How the axes of a series of TIFF pages are stored, and where its chunks (tiles or strips) lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tifffile

__all__ = ["PageLayout"]

_AXIS_WORDS = {"Y": "row", "X": "column", "Z": "depth", "S": "sample"}


@dataclass(frozen=True)
class PageLayout:
    """How the axes of a series are stored: leading axes count pages, the others lie in a page.

    Attributes
    ----------
    lead : tuple of int
        Lengths of the leading axes.
    inner : tuple of int
        Lengths of the axes within a page.
    lead_axes, inner_axes : str
        Their letters.
    chunk : tuple of int
        Lengths of a chunk, which is a tile or strip, along the axes of a page.
    squeeze : tuple of slice or int
        Index that takes the axes of length 1 from a decoded chunk's five.
    """

    lead: tuple[int, ...]
    inner: tuple[int, ...]
    lead_axes: str
    inner_axes: str
    chunk: tuple[int, ...]
    squeeze: tuple[slice | int, ...]

    @classmethod
    def of(cls, series: tifffile.TiffPageSeries) -> PageLayout:
        """Match the axes of a page, as tifffile keeps them, with the last axes of the series.

        Raises
        ------
        ValueError
            If they do not go together.
        """
        page = series.keyframe
        tiles = (
            (page.tiledepth, page.tilelength, page.tilewidth)
            if page.is_tiled
            else (1, page.rowsperstrip or page.imagelength, page.imagewidth)
        )
        # Separate samples, depth, rows, columns, samples of a pixel.
        full = tuple(int(length) for length in page.shaped)
        chunk = (1, *(max(1, int(length)) for length in tiles), full[4])
        kept = [length > 1 or axis in {2, 3} for axis, length in enumerate(full)]
        if len(page.shape) > sum(kept) and len(series.shape) >= len(page.shape):
            # A pixel of one sample that has an axis all the same.
            same = series.shape[-len(page.shape) :] == page.shape
            kept[4 if full[0] == 1 and page.planarconfig == 1 else 0] = same
        inner = tuple(length for length, keep in zip(full, kept, strict=True) if keep)
        shape, axes = series.shape, series.axes
        if shape[-len(inner) :] != inner:
            # Axes of length 1 may stand anywhere: an array (rows, columns, 1) was described so.
            shape, axes = series.get_shape(squeeze=True), series.get_axes(squeeze=True)
        lead = len(shape) - len(inner)
        if lead < 0 or shape[lead:] != inner:
            raise ValueError(
                f"pages of shape {page.shape} do not make up a series of shape {series.shape}"
            )
        return cls(
            lead=tuple(int(length) for length in shape[:lead]),
            inner=inner,
            lead_axes=axes[:lead],
            inner_axes=axes[lead:],
            chunk=tuple(
                min(length, extent)
                for length, extent, keep in zip(chunk, full, kept, strict=True)
                if keep
            ),
            squeeze=tuple(slice(None) if keep else 0 for keep in kept),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the series as it is stored."""
        return self.lead + self.inner

    @property
    def axes(self) -> str:
        """A letter per axis of the series."""
        return self.lead_axes + self.inner_axes

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of chunks along the axes of a page."""
        return tuple(
            -(-extent // length) for extent, length in zip(self.inner, self.chunk, strict=True)
        )

    def page_number(self, position: Any) -> int:
        """Return the number of the page at a position along the leading axes."""
        return int(np.ravel_multi_index(tuple(position), self.lead)) if self.lead else 0

    def chunk_number(self, position: tuple[int, ...]) -> int:
        """Return the number in its page of the chunk at a position of the grid."""
        return int(np.ravel_multi_index(position, self.grid)) if self.grid else 0

    def chunk_name(self, page: int, chunk: int) -> str:
        """Return a chunk's name for messages."""
        position = (int(number) for number in np.unravel_index(chunk, self.grid))
        words = ", ".join(
            f"{_AXIS_WORDS.get(letter, letter)} {number}"
            for letter, number, count in zip(self.inner_axes, position, self.grid, strict=True)
            if count > 1 or letter in "YX"
        )
        return f"the tile at {words} of page {page}"
