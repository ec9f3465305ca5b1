"""Shrinking a block of the result by the learned function; see `lerf_core.sampling.shrinking`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.execution.context import BlockContext
from lerf_core.execution.kernel_channels import prepare_kernel_channels
from lerf_core.execution.kernel_resize import KernelBlock, KernelMeans
from lerf_core.sampling.shrinking import ShrinkingKernel, ShrinkingTaps, shrinking_taps
from lerf_core.sampling.windows import Block, Windows

__all__ = ["ShrinkingBlock", "ShrinkingMeans"]

Image = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]


class ShrinkingBlock(KernelBlock):
    """A block of an image that is shrunk; see `lerf_core.execution.plan.OutputBlock`."""

    kernel: ShrinkingKernel

    def __init__(
        self,
        context: BlockContext,
        kernel: ShrinkingKernel,
        scale: tuple[float, float],
        requested: Block | None = None,
        windows: Windows | None = None,
    ) -> None:
        super().__init__(context, kernel, scale, requested, windows)

    def band_writer(
        self,
        planes: Image,
        alpha_levels: tuple[float, float] | None,
        threads: int,  # noqa: ARG002 - bands are computed in one thread each
    ) -> ShrinkingMeans:
        """Prepare planes, cut to the windows; see `lerf_core.execution.plan.OutputBlock`."""
        context = self.context
        channels = prepare_kernel_channels(planes, context.pixels, context.mode, alpha_levels)
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
    """Results of the learned function; see `lerf_core.execution.plan.BandWriter`."""

    _block: ShrinkingBlock

    def _values(  # type: ignore[override]
        self, layers: Image, rows: ShrinkingTaps
    ) -> tuple[list[Image], list[FloatPlane | None]]:
        """Limit what is visible, once that is known of the sharp and of the smooth means."""
        block, channels, kernel = self._block, self._channels, self._block.kernel
        cols, backend = block.cols, block.backend
        inner = (rows.inner, cols.inner)
        shape = (rows.sharp.size, cols.sharp.size, layers.shape[-1])
        sharp, smooth = np.empty(shape, np.float32), np.empty(shape, np.float32)
        for row_taps, col_taps, out in (
            (rows.sharp, cols.sharp, sharp),
            (rows.smooth, cols.smooth, smooth),
        ):
            backend.separable_mean(layers, row_taps, col_taps, cval=self._beyond, out=out)
        low, high = self._range(layers, rows, cols)
        sharp_means, shares = channels.visible(sharp)
        smooth_means, _ = channels.visible(smooth)
        results = backend.limited(
            np.stack(sharp_means, -1), np.stack(smooth_means, -1), low, high, inner,
            block.widening, kernel.overshoot,
        )  # fmt: skip
        inner_shares = [None if share is None else share[inner] for share in shares]
        return channels.finish([results[..., n] for n in range(results.shape[-1])], inner_shares)

    def _range(
        self, layers: Image, rows: ShrinkingTaps, cols: ShrinkingTaps
    ) -> tuple[FloatPlane, FloatPlane]:
        """Return the least and the greatest value nearby that is visible; all values if none is."""
        backend, channels = self._block.backend, self._channels
        count = len(channels.channels)
        beyond = None if self._beyond is None else self._beyond[:count]
        least, greatest = (layers[..., :count].copy() for _ in range(2))
        for number, channel in enumerate(channels.channels):
            if channel.hidden is not None:
                hidden = layers[..., count + channel.hidden] == 1
                least[hidden, number], greatest[hidden, number] = np.inf, -np.inf
        low, _ = backend.separable_range(least, rows.near, cols.near, cval=beyond)
        _, high = backend.separable_range(greatest, rows.near, cols.near, cval=beyond)
        nothing = low > high
        low[nothing], high[nothing] = -np.inf, np.inf
        return low, high

    def _write_means(self, layers: Image, rows: ShrinkingTaps, out: Image) -> None:  # type: ignore[override]
        block, kernel = self._block, self._block.kernel
        block.backend.shrunk_mean(
            layers, rows, block.cols, block.widening, kernel.overshoot,
            cval=self._beyond, out=out,
        )  # fmt: skip
