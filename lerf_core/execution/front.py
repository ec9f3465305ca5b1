"""Resampling behind a front: an image is enlarged first, block by block of the result.

What then happens to the enlargement is planned as if it were the image. Of the source a block needs
what its windows of the enlargement are made of.

Convention
----------
Windows and blocks of the enlargement count in its pixels. Pixel p of the source is the
enlargement's pixels k p to k p + k - 1 along each axis; what a border mode extends the source by is
enlarged along with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy.typing as npt

from lerf_core.errors import FrontError
from lerf_core.execution.context import BandWriter, BlockContext, OutputBlock, Resampling
from lerf_core.execution.enlargement import Enlargement, halo_beside
from lerf_core.execution.memory import memory_to_enlarge
from lerf_core.execution.plan import Plan
from lerf_core.execution.warp import WarpResampling
from lerf_core.fronts.base import Front
from lerf_core.geometry.enlarged import ReflectedMap, map_to_enlargement
from lerf_core.geometry.maps import InverseMap
from lerf_core.geometry.placement import Placement
from lerf_core.sampling.borders import is_periodic
from lerf_core.sampling.windows import Block, Window, Windows

__all__ = ["FrontBlock", "FrontResampling", "warp_behind", "with_mapping"]

Image = npt.NDArray[Any]


@dataclass(frozen=True)
class FrontResampling:
    """A resize or a warp behind a front; see `lerf_core.execution.context.Resampling`.

    Attributes
    ----------
    front : Front
    outer : Resampling
        Where output pixels lie in the source.
    inner : Resampling
        Where they lie in the enlargement.
    beside : Resampling
        A resize to the enlargement, for what the front does not enlarge.
    """

    front: Front
    outer: Resampling
    inner: Resampling
    beside: Resampling

    @property
    def scale(self) -> tuple[float, float] | None:
        """See `lerf_core.execution.context.Resampling`."""
        return self.outer.scale

    def placement(self, shape: tuple[int, int], out_shape: tuple[int, int]) -> Placement:
        """See `lerf_core.execution.context.Resampling`."""
        return self.outer.placement(shape, out_shape)

    def output_block(
        self, context: BlockContext, requested: Block | None = None, windows: Windows | None = None
    ) -> FrontBlock:
        """See `lerf_core.execution.context.Resampling`."""
        return FrontBlock(context, self, requested, windows)


def warp_behind(
    front: Front,
    mapping: InverseMap,
    inner: InverseMap,
    beside: Resampling,
    shape: tuple[int, int],
    mode: str,
) -> FrontResampling:
    """Return a warp behind a front.

    Parameters
    ----------
    front : Front
    mapping, inner : InverseMap
        From output pixels to those of the source, and of the enlargement.
    beside : Resampling
        See `FrontResampling`.
    shape : (int, int)
        Rows and columns of the source.
    mode : str
        The border mode.
    """
    if mode == "reflect" and front.scale > 1:
        inner = ReflectedMap(inner, shape, front.scale)
    return FrontResampling(front, WarpResampling(mapping), WarpResampling(inner), beside)


def with_mapping(plan: Plan, mapping: InverseMap) -> Plan:
    """Return the plan of a warp with another map by positions, behind the same front."""
    resampling = plan.resampling
    if not isinstance(resampling, FrontResampling):
        return replace(plan, resampling=WarpResampling(mapping))
    front, shape = resampling.front, plan.source_shape
    inner = map_to_enlargement(mapping, shape, front.scale)
    behind = warp_behind(front, mapping, inner, resampling.beside, shape, plan.options.mode)
    return replace(plan, resampling=behind)


class FrontBlock:
    """A block of a result behind a front; see `lerf_core.execution.context.OutputBlock`.

    Attributes
    ----------
    requested, computed : Block
        The output pixels that are asked for; and those that are computed.
    windows : Windows or None
        Of the source; None: nothing of it is visible.
    """

    def __init__(
        self,
        context: BlockContext,
        resampling: FrontResampling,
        requested: Block | None = None,
        windows: Windows | None = None,
    ) -> None:
        self._context, self._front = context, resampling.front
        self._beside, inner, k = resampling.beside, resampling.inner, resampling.front.scale
        enlarged = context._replace(shape=(k * context.shape[0], k * context.shape[1]))
        self._inner: OutputBlock
        if inner.scale == (1.0, 1.0) and enlarged.shape == enlarged.out_shape:
            self._inner = EnlargedBlock(enlarged, requested)
        else:
            self._inner = inner.output_block(enlarged, requested)
        self.windows = self._needed_windows(self._halo)
        if windows is not None and self._inner.windows is not None and self.windows != windows:
            self.windows = windows
            if inner.scale is None:
                # Found when less was known of the map: they hold what is needed, by other runs.
                held = Windows(*map(self._held, windows, self._inner.windows))
                self._inner = inner.output_block(enlarged, requested, held)
        self.requested, self.computed = self._inner.requested, self._inner.computed
        if not self._front.is_local and self.requested != enlarged.all_pixels:
            raise FrontError(
                f"front {self._front.name!r} sees the whole image: "
                "it enlarges none by chunks, tiles or parts"
            )

    def band_height(self, threads: int) -> int:
        """Return how many of the block's rows a task computes."""
        return self._inner.band_height(threads)

    def band_writer(
        self, planes: Image, alpha_levels: tuple[float, float] | None, threads: int
    ) -> BandWriter:
        """Enlarge planes, cut to the windows; see `lerf_core.execution.context.OutputBlock`."""
        read, given = self._needed_windows(self._front.reach), self.windows
        if read is None or given is None or self._inner.windows is None:
            raise ValueError("nothing of the image is visible in the block")
        enlargement = Enlargement(
            self._context, self._front, self._beside, given, read, self._inner.windows, threads
        )
        enlarged = enlargement.of(planes, alpha_levels)
        return self._inner.band_writer(enlarged, alpha_levels, threads)

    def _held(self, given: Window, needed: Window) -> Window:
        """Return what a window of the source has of the enlargement, but for the halo around.

        Parameters
        ----------
        given : Window
            Of an axis of the source.
        needed : Window
            Of the enlargement's, of which size and margin are taken.
        """
        k, (low, high) = self._front.scale, (-given.margin, given.size + given.margin)
        least, most = -needed.margin, needed.size + needed.margin
        runs = []
        for first, stop in given.runs:
            first = first if first == low else first + self._halo
            stop = stop if stop == high else stop - self._halo
            run = (max(k * first, least), min(k * stop, most))
            if run[0] < run[1]:
                runs.append(run)
        return Window(needed.size, needed.margin, tuple(runs))

    @property
    def enlarged_area(self) -> int:
        """Pixels of the enlargement that the block needs."""
        return 0 if self._inner.windows is None else self._inner.windows.area

    def memory_needed(self) -> int:
        """Estimate the bytes that the enlargement and the work on it take at once."""
        windows = self._needed_windows(self._front.reach)
        if windows is None:
            return 0
        return memory_to_enlarge(self._front, windows.shape, self._context.pixels)

    @cached_property
    def _halo(self) -> int:
        """How many source pixels around those that are enlarged the enlargement depends on."""
        context, front = self._context, self._front
        # Missing pixels that the front sees are filled from as far around as it sees.
        filled = 2 * front.reach if context.pixels.can_miss else front.reach
        return max(filled, halo_beside(context, front.scale))

    def _needed_windows(self, halo: int) -> Windows | None:
        """Return the windows of the source that the inner block's lie in, with a halo around."""
        if self._inner.windows is None:
            return None
        front, windows = self._front, []
        k, grid = front.scale, front.grid
        for size, window in zip(self._context.shape, self._inner.windows, strict=True):
            margin = -(-window.margin // k) + self._halo if is_periodic(self._context.mode) else 0
            margin = -(-margin // grid) * grid
            runs = [(first // k, -(-stop // k)) for first, stop in window.runs]
            needed = Window.around(size, margin, halo, *runs)
            windows.append(_in_grid(needed, grid) if front.is_local else Window.whole(size, margin))
        return Windows(*windows)


def _in_grid(window: Window, grid: int) -> Window:
    """Return a window whose runs begin, and end within the image, at multiples of a grid."""
    if grid == 1:
        return window
    runs = [(first // grid * grid, -(-stop // grid) * grid) for first, stop in window.runs]
    return Window.around(window.size, window.margin, 0, *runs)


class EnlargedBlock:
    """A block of the enlargement itself; see `lerf_core.execution.context.OutputBlock`."""

    def __init__(self, context: BlockContext, requested: Block | None) -> None:
        self.requested = self.computed = requested or context.all_pixels
        top, bottom, left, right = self.computed
        rows, cols = context.shape
        self.windows = Windows(Window(rows, 0, ((top, bottom),)), Window(cols, 0, ((left, right),)))

    def band_height(self, threads: int) -> int:
        """Return how many of the block's rows a task computes."""
        return -(-self.computed.shape[0] // threads)

    def band_writer(
        self,
        planes: Image,
        alpha_levels: tuple[float, float] | None,  # noqa: ARG002 - alpha keeps to them already
        threads: int,  # noqa: ARG002 - bands are copied in one thread each
    ) -> EnlargedPixels:
        """Return what copies bands of planes, cut to the windows."""
        return EnlargedPixels(planes)


class EnlargedPixels:
    """Copies of the enlargement's pixels; see `lerf_core.execution.context.BandWriter`."""

    def __init__(self, planes: Image) -> None:
        self._planes = planes

    def write(self, top: int, bottom: int, out: Image) -> None:
        """Copy rows top..bottom-1."""
        out[...] = self._planes[:, top:bottom]
