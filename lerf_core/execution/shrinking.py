"""Shrinking a block of the result by the learned function; see `lerf_core.sampling.shrinking`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.execution.kernel_channels import KernelChannels
from lerf_core.execution.kernel_resize import KernelBlock, KernelMeans
from lerf_core.sampling.shrinking import ShrinkingKernel, ShrinkingTaps, shrinking_taps
from lerf_core.sampling.windows import Block

__all__ = ["ShrinkingBlock", "ShrinkingMeans"]

Image = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]

# Limits that limit nothing; what lies between them is finite.
_UNLIMITED = np.float32(1e38)


class ShrinkingBlock(KernelBlock):
    """A block of an image that is shrunk; see `lerf_core.execution.context.OutputBlock`."""

    kernel: ShrinkingKernel

    def _means(self, channels: KernelChannels) -> ShrinkingMeans:
        return ShrinkingMeans(self, channels)

    @property
    def widening(self) -> float:
        """How far results may leave the range of 3x3 smooth pixels, as a part of it."""
        anti_aliasing = self.context.anti_aliasing
        return self.kernel.widening_for(self.scale, anti_aliasing=anti_aliasing)

    @cached_property
    def rows(self) -> ShrinkingTaps:  # type: ignore[override]
        """Taps of the block's rows, counted in the windows."""
        return self._shrinking_taps_in_window(0)

    @cached_property
    def cols(self) -> ShrinkingTaps:  # type: ignore[override]
        """Taps of the block's columns, counted in the windows."""
        return self._shrinking_taps_in_window(1)

    def _shrinking_taps_in_window(self, axis: int) -> ShrinkingTaps:
        window = self.windows[axis]
        return self._taps(self.computed)[axis].within(window.first, len(window))

    def _taps(self, block: Block) -> tuple[ShrinkingTaps, ShrinkingTaps]:  # type: ignore[override]
        return self._per_axis(shrinking_taps, block)


class ShrinkingMeans(KernelMeans):
    """Results of the learned function; see `lerf_core.execution.context.BandWriter`."""

    _block: ShrinkingBlock

    def _values(  # type: ignore[override]
        self, layers: Image, rows: ShrinkingTaps
    ) -> tuple[list[Image], list[FloatPlane | None]]:
        """Limit what is visible, once that is known of the sharp and of the smooth means."""
        block, channels, kernel = self._block, self._channels, self._block.kernel
        cols, backend = block.cols, block.backend
        inner = (rows.inner, cols.inner)
        # Plane by plane, as layers lie.
        shape = (layers.shape[-1], rows.sharp.size, cols.sharp.size)
        sharp, smooth = (np.moveaxis(np.empty(shape, np.float32), 0, -1) for _ in range(2))
        for row_taps, col_taps, out in (
            (rows.sharp, cols.sharp, sharp),
            (rows.smooth, cols.smooth, smooth),
        ):
            backend.separable_mean(layers, row_taps, col_taps, cval=self._beyond, out=out)
        sharp_means, shares = channels.visible(sharp)
        smooth_means, _ = channels.visible(smooth)
        results = []
        for number, (sharp, smooth) in enumerate(zip(sharp_means, smooth_means, strict=True)):
            limited = backend.limited(
                sharp[..., None], smooth[..., None], *self._range(layers, number, rows), inner,
                block.widening, kernel.overshoot,
            )  # fmt: skip
            results.append(limited[..., 0])
        inner_shares = [None if share is None else share[inner] for share in shares]
        return channels.finish(results, inner_shares)

    def _range(
        self, layers: Image, number: int, rows: ShrinkingTaps
    ) -> tuple[FloatPlane, FloatPlane]:
        """Return the least and the greatest value nearby that is visible; all values if none is.

        Both of one channel, (rows, cols, 1).
        """
        block, channels = self._block, self._channels.channels
        values, hidden = layers[..., number], channels[number].hidden
        beyond = None if self._beyond is None else self._beyond[number : number + 1]
        if hidden is not None:
            is_hidden = layers[..., len(channels) + hidden] == 1
            values = np.where(is_hidden, np.float32(np.nan), values)
        low, high = block.backend.separable_range(
            values[..., None], rows.near, block.cols.near, cval=beyond
        )
        if hidden is not None:
            nothing = low > high
            low[nothing], high[nothing] = -_UNLIMITED, _UNLIMITED
        return low, high

    def _write_means(self, layers: Image, rows: ShrinkingTaps, out: Image) -> None:  # type: ignore[override]
        block, kernel = self._block, self._block.kernel
        block.backend.shrunk_mean(
            layers, rows, block.cols, block.widening, kernel.overshoot,
            cval=self._beyond, out=out,
        )  # fmt: skip
