"""Resizing a block of the result by a fixed kernel: rows are combined first, then columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from lerf_core.backends.contract import Backend
from lerf_core.execution.context import BlockContext
from lerf_core.execution.kernel_channels import (
    AVERAGED_DTYPES,
    CLEAR_FILL_STEPS,
    KernelChannels,
    prepare_kernel_channels,
)
from lerf_core.pixels.masks import mask_planes
from lerf_core.pixels.nodata import keep_off
from lerf_core.sampling.borders import is_periodic
from lerf_core.sampling.kernel_taps import KernelTaps, kernel_taps
from lerf_core.sampling.kernels import Kernel
from lerf_core.sampling.windows import Block, Window, Windows

__all__ = ["KernelBlock", "KernelMeans"]

Image = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]
Taps = TypeVar("Taps")

# Source pixels whose layers a task holds: they stay in the cache.
_BAND_SOURCE = 1 << 18
# Those of a task that averages pixels as they are stored: there are no layers.
_BAND_STORED = 1 << 23
# Output rows that compiled kernels combine together: bands are whole multiples.
_ROWS = 16


class KernelBlock:
    """A block of a resize by a kernel; see `lerf_core.execution.context.OutputBlock`.

    Attributes
    ----------
    requested, computed : Block
        The output pixels that are asked for; the same ones are computed.
    windows : Windows
        Of the source.
    """

    def __init__(
        self,
        context: BlockContext,
        kernel: Kernel,
        scale: tuple[float, float],
        requested: Block | None = None,
        windows: Windows | None = None,
    ) -> None:
        self.context, self.kernel, self.scale = context, kernel, scale
        self.requested = self.computed = requested or context.all_pixels
        self.windows = windows or self._needed_windows(is_whole=requested is None)

    # -- what an OutputBlock does -------------------------------------------------------

    def band_height(self, threads: int) -> int:
        """Return how many of the block's rows a task computes."""
        height, pixels = self.computed.shape[0], self.context.pixels
        if large := self.context.band_height(height, len(self.windows.cols) / self.scale[0]):
            return large
        has_layers = pixels.can_miss or pixels.value_scale.linear_light
        most = _BAND_SOURCE if has_layers else _BAND_STORED
        # Neighbouring bands read the same rows: a band has some times as many.
        source_rows = max(most // len(self.windows.cols), 4 * self.rows.count)
        even = height if threads == 1 else -(-height // (3 * threads))
        return -(-min(int(source_rows * self.scale[0]) + 1, even) // _ROWS) * _ROWS

    def band_writer(
        self,
        planes: Image,
        alpha_levels: tuple[float, float] | None,
        threads: int,  # noqa: ARG002 - bands are computed in one thread each
    ) -> KernelMeans:
        """Prepare planes, cut to the windows; see `lerf_core.execution.context.OutputBlock`."""
        context = self.context
        channels = prepare_kernel_channels(planes, context.pixels, context.mode, alpha_levels)
        return self._means(channels)

    def _means(self, channels: KernelChannels) -> KernelMeans:
        """Return what computes the block's bands."""
        return KernelMeans(self, channels)

    @property
    def backend(self) -> Backend:
        """What takes the means."""
        return self.context.backend

    # -- taps and windows ---------------------------------------------------------------

    @cached_property
    def rows(self) -> KernelTaps:
        """Taps of the block's rows, counted in the windows."""
        return self._in_window(0)

    @cached_property
    def cols(self) -> KernelTaps:
        """Taps of the block's columns; backends know them again by the object."""
        return self._in_window(1)

    def _in_window(self, axis: int) -> KernelTaps:
        window = self.windows[axis]
        return self._taps(self.computed)[axis].within(window.first, len(window))

    def _taps(self, block: Block) -> tuple[KernelTaps, KernelTaps]:
        return self._per_axis(kernel_taps, block)

    def _per_axis(self, make: Callable[..., Taps], block: Block) -> tuple[Taps, Taps]:
        """Make taps for the rows, and for the columns, of a block, as `kernel_taps` does."""
        context, sides = self.context, ((block.top, block.bottom), (block.left, block.right))
        rows, cols = (
            make(
                self.kernel, size, out_size, scale,
                anti_aliasing=context.anti_aliasing, out_range=ends,
            )
            for size, out_size, scale, ends in zip(
                context.shape, context.out_shape, self.scale, sides, strict=True
            )
        )  # fmt: skip
        return rows, cols

    def _needed_windows(self, *, is_whole: bool) -> Windows:
        context = self.context
        margins = (0, 0)
        if is_periodic(context.mode):
            whole = self._taps(context.all_pixels)
            margins = (whole[0].pad, whole[1].pad)
        if is_whole:
            return Windows(*map(Window.whole, context.shape, margins))
        # Clear pixels are filled from around, step by step.
        halo = CLEAR_FILL_STEPS if context.pixels.alpha is not None else 0
        windows = []
        for size, margin, taps in zip(
            context.shape, margins, self._taps(self.computed), strict=True
        ):
            first, stop = taps.ends
            # At least one pixel of the image: taps beyond the border are clipped to it.
            first, stop = min(first, size - 1 + margin), max(stop, 1 - margin)
            windows.append(Window.around(size, margin, halo, (first, stop)))
        return Windows(*windows)


class KernelMeans:
    """Means that a kernel weighs, on a grid; see `lerf_core.execution.context.BandWriter`."""

    def __init__(self, block: KernelBlock, channels: KernelChannels) -> None:
        self._block, self._channels = block, channels
        self._beyond = channels.beyond()

    def write(self, top: int, bottom: int, out: Image) -> None:
        """Write rows top..bottom-1."""
        block, channels, pixels = self._block, self._channels, self._block.context.pixels
        rows, source_rows = block.rows.band(top, bottom)
        layers = channels.layers(source_rows)
        dtype = pixels.value_scale.dtype
        if channels.is_averaged_as_stored and dtype in AVERAGED_DTYPES and not pixels.masks:
            if out.dtype == dtype:
                self._write_means(layers, rows, np.moveaxis(out, 0, -1))
                keep_off(out, pixels.value_scale.middle, pixels.nodata)
                return
            means = np.empty((*out.shape[1:], len(out)), dtype)
            self._write_means(layers, rows, means)
            keep_off(means, pixels.value_scale.middle, pixels.nodata)
            out[...] = np.moveaxis(means, -1, 0)
            return
        values, shares = self._values(layers.astype(np.float32, copy=False), rows)
        values += mask_planes(values, shares, pixels)
        block.backend.store_channels(values, out)

    def _values(
        self, layers: Image, rows: KernelTaps
    ) -> tuple[list[Image], list[FloatPlane | None]]:
        """Return each channel's values and valid share, given what is averaged."""
        # Plane by plane, as layers lie.
        shape = (layers.shape[-1], rows.size, self._block.cols.size)
        means = np.moveaxis(np.empty(shape, np.float32), 0, -1)
        self._write_means(layers, rows, means)
        return self._channels.finish(*self._channels.visible(means))

    def _write_means(self, layers: Image, rows: KernelTaps, out: Image) -> None:
        block = self._block
        block.backend.separable_mean(layers, rows, block.cols, cval=self._beyond, out=out)
