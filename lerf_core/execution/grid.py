"""What a resize is made of: tables, a kernel, or first what shrinks and then what grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.execution.context import BlockContext
from lerf_core.execution.resize import GridBlock, GridCopies, GridMeans, LumaMeans
from lerf_core.geometry.placement import Placement
from lerf_core.sampling.windows import Block, Windows
from lerf_core.threads import bands, run_all

if TYPE_CHECKING:
    from lerf_core.execution.kernel_resize import KernelBlock
    from lerf_core.execution.majority import GridMajority
    from lerf_core.sampling.shrinking import ShrinkingKernel

__all__ = ["GridResampling", "MixedBlock"]

Image = npt.NDArray[Any]


@dataclass(frozen=True)
class GridResampling:
    """A resize by a (row, column) scale; see `lerf_core.execution.context.Resampling`.

    Attributes
    ----------
    scale : (float, float)
        Output pixels per source pixel.
    shrinking : ShrinkingKernel, optional
        What the axis that shrinks is shrunk by, where the other one grows by tables.
    """

    scale: tuple[float, float]
    shrinking: ShrinkingKernel | None = None

    def placement(self, shape: tuple[int, int], out_shape: tuple[int, int]) -> Placement:
        """See `lerf_core.execution.context.Resampling`."""
        return Placement.of_resize(self.scale, shape, out_shape)

    def output_block(
        self, context: BlockContext, requested: Block | None = None, windows: Windows | None = None
    ) -> GridBlock | KernelBlock | MixedBlock:
        """See `lerf_core.execution.context.Resampling`."""
        kernel = context.kernel
        if context.pixels.is_nearest:
            return GridBlock(context, self.scale, requested, windows)
        if kernel is None:
            if self.shrinking is not None:
                return MixedBlock(context, self.shrinking, self.scale, requested, windows)
            return GridBlock(context, self.scale, requested, windows)
        # What tables resize does without these.
        from lerf_core.execution.kernel_resize import KernelBlock
        from lerf_core.execution.shrinking import ShrinkingBlock
        from lerf_core.sampling.shrinking import ShrinkingKernel

        if isinstance(kernel, ShrinkingKernel):
            return ShrinkingBlock(context, kernel, self.scale, requested, windows)
        return KernelBlock(context, kernel, self.scale, requested, windows)


class MixedBlock:
    """A block of a resize that shrinks one axis and then enlarges the other by tables.

    See `lerf_core.execution.context.OutputBlock`. In between stands an image of the source's dtype.

    Attributes
    ----------
    requested, computed : Block
        The output pixels that are asked for; and those that are computed.
    windows : Windows
        Of the source.
    """

    def __init__(
        self,
        context: BlockContext,
        shrinking: ShrinkingKernel,
        scale: tuple[float, float],
        requested: Block | None = None,
        windows: Windows | None = None,
    ) -> None:
        from lerf_core.execution.shrinking import ShrinkingBlock

        rows, cols = (
            out if factor < 1 else size
            for size, out, factor in zip(context.shape, context.out_shape, scale, strict=True)
        )
        down = (min(scale[0], 1.0), min(scale[1], 1.0))
        up = (max(scale[0], 1.0), max(scale[1], 1.0))
        self._context = context
        self._growing = GridBlock(context._replace(shape=(rows, cols)), up, requested)
        self._between = Block(*self._side(0, rows), *self._side(1, cols))
        self._shrinking = ShrinkingBlock(
            context._replace(out_shape=(rows, cols)), shrinking, down, self._between, windows
        )
        self.requested, self.computed = self._growing.requested, self._growing.computed
        self.windows = self._shrinking.windows

    def _side(self, axis: int, size: int) -> tuple[int, int]:
        """Return the first, and one past the last, pixel between that the growing axis needs."""
        window = self._growing.windows[axis]
        return (0, size) if window.margin else window.runs[0]

    def band_height(self, threads: int) -> int:
        """Return how many of the block's rows a task computes."""
        return self._growing.band_height(threads)

    def band_writer(
        self, planes: Image, alpha_levels: tuple[float, float] | None, threads: int
    ) -> GridMeans | LumaMeans | GridCopies | GridMajority:
        """Shrink planes, cut to the windows; see `lerf_core.execution.context.OutputBlock`."""
        rows, cols = self._between.shape
        image = np.empty((rows, cols, len(planes)), planes.dtype)
        between = np.moveaxis(image, -1, 0)
        writer = self._shrinking.band_writer(planes, alpha_levels, threads)
        heights = bands(rows, self._shrinking.band_height(threads))
        tasks = ((top, bottom, between[:, top:bottom]) for top, bottom in heights)
        run_all(writer.write, tasks, threads)
        for axis, window in zip((1, 2), self._growing.windows, strict=True):
            if window.margin:
                between = np.take(between, window.source_indices(self._context.mode), axis=axis)
        return self._growing.band_writer(between, alpha_levels, threads)
