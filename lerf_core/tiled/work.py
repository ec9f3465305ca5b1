"""What is done to one block: read its windows, resample, store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lerf_core.execution.plan import AnyBlock, Plan
from lerf_core.io.tiles.regions import Region
from lerf_core.sampling.windows import Block, Window, Windows

if TYPE_CHECKING:
    from lerf_core.io.tiles.tiled_reader import TiledReader
    from lerf_core.io.tiles.tiled_writer import TileSink

__all__ = ["Work"]

Image = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Work:
    """What is done to every block; travels to each worker once.

    Attributes
    ----------
    plan : Plan
        Of one thread.
    source : TiledReader
    sink : TileSink
        The writer's, see `lerf_core.io.tiles.tiled_writer.TileSink`.
    window_limit : int
        Source pixels that are read at once.
    before : callable or None
        Applied to what is read: the image as it is resampled, of the plan's dtype.
    after : callable or None
        Applied to what is computed: the image as it is written.
    """

    plan: Plan
    source: TiledReader
    sink: TileSink
    window_limit: int
    before: Callable[[Image], Image] | None = None
    after: Callable[[Image], Image] | None = None

    def put_block(self, region: Region) -> Any:
        """Compute a region of the result, put it into the sink and return its receipts."""
        pixels = self.compute(region)
        if self.after is not None:
            pixels = self.after(pixels)
        return self.sink.put(region, pixels)

    def compute(self, region: Region) -> Image:
        """Compute a region of the result, from what it depends on alone."""
        rows, cols = self.plan.axes
        down, across = region[rows], region[cols]
        block = Block(down.start, down.stop, across.start, across.stop)
        pieces = list(self.plan.pieces(block, self.window_limit))
        if len(pieces) == 1:
            return self._piece(pieces[0], region)
        out = np.empty(_lengths(region), self.plan.result_dtype)
        for piece in pieces:
            within, extent = [slice(None)] * out.ndim, piece.requested
            within[rows] = slice(extent.top - block.top, extent.bottom - block.top)
            within[cols] = slice(extent.left - block.left, extent.right - block.left)
            out[tuple(within)] = self._piece(piece, region)
        return out

    def _piece(self, piece: AnyBlock, region: Region) -> Image:
        """Compute a piece of a region: as many rows and columns as fit the window limit."""
        if piece.windows is None:
            shape = _lengths(region)
            for axis, size in zip(self.plan.axes, piece.requested.shape, strict=True):
                shape[axis] = size
            return self.plan.border(tuple(shape))
        image = self._read(piece.windows, region)
        if self.before is not None:
            image = self.before(image)
        return self.plan.compute_block(piece, image)

    def _read(self, windows: Windows, region: Region) -> Image:
        """Read windows of the source; its own channels, which the result may have more of."""
        mode, axis = self.plan.options.mode, self.plan.options.channel_axis
        index: list[Any] = [
            slice(0, size) if axis is not None and number == axis % len(region) else extent
            # The result may have a channel axis more than the source, behind all others.
            for number, (extent, size) in enumerate(zip(region, self.source.shape, strict=False))
        ]
        rows, cols = self.plan.axes
        (row_runs, row_order), (col_runs, col_order) = (_runs(window, mode) for window in windows)
        bands = []
        for down in row_runs:
            pixels = []
            for across in col_runs:
                index[rows], index[cols] = down, across
                pixels.append(self.source[tuple(index)])
            bands.append(_joined(pixels, cols))
        image = _joined(bands, rows)
        for plane_axis, order in ((rows, row_order), (cols, col_order)):
            if order is not None:
                image = np.take(image, order, axis=plane_axis)
        return image


def _lengths(region: Region) -> list[int]:
    return [extent.stop - extent.start for extent in region]


def _joined(arrays: list[Image], axis: int) -> Image:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=axis)


def _runs(window: Window, mode: str) -> tuple[list[slice], Any]:
    """Return the source's pixels to read, run by run, and the order in which the window has them.

    Parameters
    ----------
    window : Window
        Of an axis; beyond the border it has pixels that lie elsewhere.
    mode : str
        Border mode.

    Returns
    -------
    runs : list of slice
    order : array of int or None
        Index of each of the window's pixels in the runs, one behind the other; None: as they are.
    """
    if window.margin == 0 and len(window.runs) == 1:
        return [slice(*run) for run in window.runs], None
    pixels, order = np.unique(window.source_indices(mode), return_inverse=True)
    breaks = np.flatnonzero(np.diff(pixels) > 1) + 1
    runs = np.split(pixels, breaks)
    return [slice(int(run[0]), int(run[-1]) + 1) for run in runs], order
