"""Resizing a block of the result: every output row and every output column has its own taps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from lerf_core.backends.contract import Backend
from lerf_core.constants import LEVELS
from lerf_core.execution.channels import Channel, prepare_channel, prepare_channels
from lerf_core.execution.context import BlockContext
from lerf_core.execution.samples import Samples, read_channel, read_channels
from lerf_core.pixels.format import PixelFormat
from lerf_core.pixels.masks import mask_planes
from lerf_core.pixels.missing import find_missing
from lerf_core.pixels.nodata import keep_off
from lerf_core.pixels.values import ValueScale
from lerf_core.sampling.borders import is_periodic
from lerf_core.sampling.taps import AxisTaps, axis_positions, axis_taps, nearest_index
from lerf_core.sampling.windows import Block, Window, Windows

if TYPE_CHECKING:
    from lerf_core.execution.majority import GridMajority
    from lerf_core.sampling.coverage import AxisCoverage
    from lerf_core.sampling.kernel_taps import KernelTaps

__all__ = ["GridBlock"]

Image = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]
T = TypeVar("T")

# Source pixels whose bank a task reads: many, because the rows around them are read too, yet few
# enough that their features and parameters take a few megabytes; and fewer, whose memory is used
# again by the next ones, where the rows around are few beside so many rows.
_BAND_SOURCE, _BAND_LEAST, _BAND_ROWS = 1 << 19, 1 << 17, 256
# Tasks that each thread has; and source rows of a task of a network, times as far as it sees.
_TASKS, _NETWORK_ROWS = 3, 8
# Values of the luma that wait for their colours: they stay in the second-level cache.
_LUMA_VALUES = 1 << 18


class GridBlock:
    """A block of a resize; see `lerf_core.execution.context.OutputBlock`.

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
        scale: tuple[float, float],
        requested: Block | None = None,
        windows: Windows | None = None,
    ) -> None:
        self.context, self.scale = context, scale
        self.requested = self.computed = requested or context.all_pixels
        if context.pixels.is_nearest:
            self.windows = windows or self._copied_windows()
            return
        if windows is None:
            margins = self._margins()
            if requested is None:
                windows = Windows(*map(Window.whole, context.shape, margins))
            else:
                windows = self._needed_windows(margins)
        self.windows = windows
        if requested is not None:
            self.computed = self._widened(windows.cols)

    # -- what an OutputBlock does -------------------------------------------------------

    def band_height(self, threads: int) -> int:
        """Return how many of the block's rows a task computes."""
        height = self.computed.shape[0]
        cols = len(self.windows.cols)
        if large := self.context.band_height(height, cols / self.scale[0]):
            return large
        source_rows = min(_BAND_SOURCE // cols, max(_BAND_ROWS, _BAND_LEAST // cols))
        most = max(1, int(source_rows * self.scale[0]))
        even = height if threads == 1 else -(-height // (self._tasks_per_thread(threads) * threads))
        return max(1, min(most, even))

    def _tasks_per_thread(self, threads: int) -> int:
        """Return how many tasks a thread has: some, so that the last ones end together."""
        bank = self.context.bank
        if bank is None or not bank.reads_colours:
            return _TASKS
        # A network's layers are computed for many rows beside those of a task: as far as it sees.
        rows = self.computed.shape[0] / (self.scale[0] * threads)
        return max(1, min(_TASKS, int(rows // (_NETWORK_ROWS * max(1, bank.full_reach)))))

    def band_writer(
        self,
        planes: Image,
        alpha_levels: tuple[float, float] | None,
        threads: int,  # noqa: ARG002 - tables are read band by band, in one thread each
    ) -> GridMeans | LumaMeans | GridCopies | GridMajority:
        """Prepare planes, cut to the windows; see `lerf_core.execution.context.OutputBlock`."""
        context = self.context
        if context.pixels.is_majority:
            rows, cols = self._coverage(self.computed)
            rows, cols = (
                axis.from_pixel(window.first)
                for axis, window in zip((rows, cols), self.windows, strict=True)
            )
            from lerf_core.execution.majority import GridMajority

            return GridMajority(list(planes), context.pixels, self.backend, rows, cols)
        if context.pixels.is_nearest:
            return GridCopies(self, planes)
        if context.fast and is_plain_colour(planes, context.pixels, context.mode):
            return LumaMeans(self, planes)
        channels = prepare_channels(
            list(planes),
            context.pixels,
            context.averaging_bank,
            self.backend,
            context.mode,
            alpha_levels,
        )
        return GridMeans(self, channels)

    @property
    def backend(self) -> Backend:
        """What reads the tables and takes the means."""
        return self.context.backend

    # -- taps ---------------------------------------------------------------------------

    @cached_property
    def rows(self) -> AxisTaps:
        """Taps of the block's rows, counted in the windows."""
        return self._taps_in_window(0)

    @cached_property
    def cols(self) -> AxisTaps:
        """Taps of the block's columns; backends know them again by the object."""
        return self._taps_in_window(1)

    def cubic_taps(self) -> tuple[KernelTaps, KernelTaps]:
        """Return the taps of cubic convolution of the block's rows and columns, in the windows."""
        rows, cols = (
            taps.within(window.first, len(window))
            for taps, window in zip(self._cubic_taps(self.computed), self.windows, strict=True)
        )
        return rows, cols

    def nearest_indices(self) -> tuple[Indices, Indices]:
        """Return the nearest source row of each of the block's rows, and so for columns."""
        rows, cols = map(Window.to_window_indices, self.windows, self._nearest_indices())
        return rows, cols

    def _taps_in_window(self, axis: int) -> AxisTaps:
        anti_aliasing = self.context.anti_aliasing
        taps = self._on_axis(axis, axis_taps, self.computed, anti_aliasing=anti_aliasing)
        return taps.from_pixel(self.windows[axis].first)

    def _per_axis(self, make: Callable[..., T], block: Block, **keywords: bool) -> tuple[T, T]:
        """Make something for the rows, and for the columns, of a block.

        `make` is called with source pixels, output pixels, scale and the block's part of an axis.
        """
        rows, cols = (self._on_axis(axis, make, block, **keywords) for axis in (0, 1))
        return rows, cols

    def _on_axis(self, axis: int, make: Callable[..., T], block: Block, **keywords: bool) -> T:
        """Make something for the rows (axis 0), or for the columns, of a block."""
        context, ends = self.context, block[2 * axis : 2 * axis + 2]
        size, out_size, scale = context.shape[axis], context.out_shape[axis], self.scale[axis]
        return make(size, out_size, scale, out_range=ends, **keywords)

    def _taps(self, block: Block) -> tuple[AxisTaps, AxisTaps]:
        return self._per_axis(axis_taps, block, anti_aliasing=self.context.anti_aliasing)

    def _cubic_taps(self, block: Block) -> tuple[KernelTaps, KernelTaps]:
        from lerf_core.sampling.kernel_taps import kernel_taps
        from lerf_core.sampling.kernels import COLOUR_KERNEL

        make = partial(kernel_taps, COLOUR_KERNEL)
        return self._per_axis(make, block, anti_aliasing=self.context.anti_aliasing)

    def _coverage(self, block: Block) -> tuple[AxisCoverage, AxisCoverage]:
        from lerf_core.sampling.coverage import axis_coverage

        return self._per_axis(axis_coverage, block, anti_aliasing=self.context.anti_aliasing)

    def _nearest_indices(self) -> list[Indices]:
        positions = self._per_axis(axis_positions, self.computed)
        return [
            np.clip(nearest_index(position), 0, size - 1)
            for position, size in zip(positions, self.context.shape, strict=True)
        ]

    # -- windows ------------------------------------------------------------------------

    def _source_ends(self, block: Block) -> list[tuple[int, int]]:
        """Return the first, and one past the last, source pixel of a block's taps for each axis."""
        # Positions rise along an axis: the corners' taps lie farthest out.
        first = Block(block.top, block.top + 1, block.left, block.left + 1)
        last = Block(block.bottom - 1, block.bottom, block.right - 1, block.right)
        ends = [
            (int(low.index[0, 0]), int(high.index[0, -1]) + 1)
            for low, high in zip(self._taps(first), self._taps(last), strict=True)
        ]
        if self.context.fast:
            cubic = [
                (int(low.first[0]), int(high.first[0]) + high.weight.shape[1])
                for low, high in zip(self._cubic_taps(first), self._cubic_taps(last), strict=True)
            ]
            ends = [(min(a, c), max(b, d)) for (a, b), (c, d) in zip(ends, cubic, strict=True)]
        return ends

    def _margins(self) -> tuple[int, int]:
        """Return by how many rows and columns the image is extended before tables are read."""
        if not is_periodic(self.context.mode):
            return 0, 0
        ends = self._source_ends(self.context.all_pixels)
        rows, cols = (
            max(-first, stop - size, 0) + self.context.averaging_bank.full_reach
            for (first, stop), size in zip(ends, self.context.shape, strict=True)
        )
        return rows, cols

    def _needed_windows(self, margins: tuple[int, int]) -> Windows:
        windows = []
        ends = self._source_ends(self.computed)
        for size, margin, (first, stop) in zip(self.context.shape, margins, ends, strict=True):
            # At least one pixel of the image: taps beyond the border are clipped to it.
            first, stop = min(first, size - 1 + margin), max(stop, 1 - margin)
            windows.append(Window.around(size, margin, self.context.halo, (first, stop)))
        return Windows(*windows)

    def _copied_windows(self) -> Windows:
        if self.context.pixels.is_majority:
            coverage = self._coverage(self.computed)
            ends = [(int(axis.first.min()), int(axis.last.max()) + 1) for axis in coverage]
        else:
            indices = self._nearest_indices()
            ends = [(int(index.min()), int(index.max()) + 1) for index in indices]
        return Windows(
            *(Window(size, 0, (run,)) for size, run in zip(self.context.shape, ends, strict=True))
        )

    def _widened(self, cols: Window) -> Block:
        """Return the block with all columns of the window's pixels, where all have as many.

        Then columns lie alike from pixel to pixel, and backends are faster than for a few less.
        """
        width, out_width = self.context.shape[1], self.context.out_shape[1]
        phases = out_width // width
        is_integer = self.scale[1] == phases and out_width == width * phases
        if not is_integer or phases < 2 or cols.margin:
            return self.computed
        ((first, stop),) = cols.runs
        return self.computed._replace(left=first * phases, right=stop * phases)


# -- bands --------------------------------------------------------------------------------


class GridMeans:
    """Weighted means on a grid; see `lerf_core.execution.context.BandWriter`."""

    def __init__(self, block: GridBlock, channels: Sequence[Channel]) -> None:
        self._block, self._channels = block, channels

    def write(self, top: int, bottom: int, out: Image) -> None:
        """Read each channel's tables for rows top..bottom-1, and write their means."""
        block, pixels = self._block, self._block.context.pixels
        band = block.rows.band(top, bottom, len(block.windows.rows))
        backend = block.backend
        rows, source_rows = band
        results = self._results(rows, source_rows)
        if not pixels.masks:
            backend.store_channels((value for value, _ in results), out)
            return
        planes, shares = (list(each) for each in zip(*results, strict=True))
        masks = mask_planes(planes, shares, pixels)
        backend.store_channels(planes + masks, out)

    def _results(self, rows: AxisTaps, source_rows: slice) -> Iterator[tuple[Image, Image | None]]:
        """Yield each channel's values and valid share."""
        samples = read_channels(self._channels, source_rows.start, source_rows.stop, 1)
        for _, group in groupby(self._channels, lambda channel: id(channel.colours or channel)):
            channels = list(group)
            # No name here holds samples while others are read.
            means = self._means(channels, [next(samples) for _ in channels], rows)
            for channel, (mean, valid_share) in zip(channels, means, strict=True):
                yield channel.finish(mean, valid_share), valid_share

    def _means(
        self, channels: Sequence[Channel], samples: Sequence[Samples], rows: AxisTaps
    ) -> list[tuple[Image, Image | None]]:
        """Return mean and valid share of channels that a bank reads together."""
        bands = [
            GridBand(self._block, channel, rows, each)
            for channel, each in zip(channels, samples, strict=True)
        ]
        to_uint8 = channels[0].to_uint8
        cvals = {channel.border.cval for channel in channels}
        if len(bands) == 1 or len(cvals) > 1 or any(each.validity is not None for each in samples):
            return [band.mean(rows, to_uint8=to_uint8) for band in bands]
        means = self._block.backend.means_on_grid(
            [each.packed for each in samples], samples[0].weighting, rows, self._block.cols,
            cval=cvals.pop(), bounds=[band.overshoot_bounds for band in bands], to_uint8=to_uint8,
        )  # fmt: skip
        return [(mean, None) for mean in means]


class GridBand:
    """A channel's samples for a band of output rows.

    Parameters
    ----------
    block : GridBlock
    channel : Channel
    rows : AxisTaps
        Of the band's rows.
    samples : Samples
        Of the rows of the channel that they count in.

    Attributes
    ----------
    overshoot_bounds : ndarray, or None
        As `Backend.mean_on_grid` takes them.
    """

    def __init__(
        self, block: GridBlock, channel: Channel, rows: AxisTaps, samples: Samples
    ) -> None:
        self._block, self._border = block, channel.border
        self._samples = samples
        self.overshoot_bounds = self._samples.overshoot_bounds
        if self.overshoot_bounds is not None:
            self.overshoot_bounds = block.backend.bounds_along_kept_axes(
                self.overshoot_bounds, rows, block.cols
            )

    def mean(self, rows: AxisTaps, *, to_uint8: bool) -> tuple[Image, Image | None]:
        """Return mean and valid share of rows of the band."""
        return self._block.backend.mean_on_grid(
            self._samples.packed,
            self._samples.weighting,
            rows,
            self._block.cols,
            validity=self._samples.validity,
            cval=self._border.cval,
            cval_validity=self._border.validity,
            bounds=self.overshoot_bounds,
            to_uint8=to_uint8,
        )


def is_plain_colour(planes: Image, pixels: PixelFormat, mode: str) -> bool:
    """Whether planes are red, green and blue that `LumaMeans` can resize."""
    scale = pixels.value_scale
    if len(planes) != 3 or pixels.alpha is not None or scale.linear_light or mode == "constant":
        return False
    return all(find_missing(plane, scale, pixels.nodata)[0] is None for plane in planes)


class LumaMeans:
    """Weighted means of the luma, and colours as what they differ from it by cubic convolution.

    See `lerf_core.execution.context.BandWriter`.

    Parameters
    ----------
    block : GridBlock
    colours : ndarray, (3, rows, cols)
        Red, green and blue within the block's windows, in the image's values.
    """

    def __init__(self, block: GridBlock, colours: Image) -> None:
        self._block, self._colours = block, colours
        self._value_scale, self._backend = block.context.pixels.value_scale, block.backend
        self._nodata = block.context.pixels.nodata
        luma = self._backend.luma([self._levels(colour) for colour in colours])
        self._luma = prepare_channel(
            luma, ValueScale(luma.dtype, 0, LEVELS), block.context.averaging_bank, self._backend,
            block.context.mode,
        )  # fmt: skip
        self._rows, self._cols = block.cubic_taps()
        self._height = max(1, _LUMA_VALUES // block.computed.shape[1])

    def write(self, top: int, bottom: int, out: Image) -> None:
        """Read the luma's tables for rows top..bottom-1; add the colours a few rows at a time."""
        rows, source_rows = self._block.rows.band(top, bottom, len(self._block.windows.rows))
        samples = read_channel(self._luma, source_rows.start, source_rows.stop, 1)
        band = GridBand(self._block, self._luma, rows, samples)
        image = np.moveaxis(out, 0, -1)
        for start in range(top, bottom, self._height):
            stop = min(start + self._height, bottom)
            luma, _ = band.mean(rows.part(start - top, stop - top), to_uint8=False)
            self._add_colours(luma, start, stop, image[start - top : stop - top])

    def _add_colours(self, luma: Image, start: int, stop: int, out: Image) -> None:
        """Write the colours of rows start..stop-1, (rows, cols, 3), given their luma."""
        taps, source_rows = self._rows.band(start, stop)
        colours = [self._levels(colour[source_rows]) for colour in self._colours]
        levels = out if self._value_scale.is_bytes else np.empty(out.shape, np.float32)
        self._backend.add_colour_differences(
            colours, self._luma.plane[source_rows], luma, taps, self._cols, levels
        )
        if not self._value_scale.is_bytes:
            values = self._backend.from_grey(self._value_scale, levels.reshape(stop - start, -1))
            out[...] = values.reshape(out.shape)
        keep_off(out, self._value_scale.middle, self._nodata)

    def _levels(self, colour: Image) -> Image:
        """Return grey levels of a colour: bytes as they are, else float32."""
        return (
            colour
            if self._value_scale.is_bytes
            else self._backend.to_grey(self._value_scale, colour)
        )


class GridCopies:
    """Copies of the nearest pixels; see `lerf_core.execution.context.BandWriter`."""

    def __init__(self, block: GridBlock, planes: Image) -> None:
        self._planes = planes
        self._rows, self._cols = block.nearest_indices()

    def write(self, top: int, bottom: int, out: Image) -> None:
        """Copy rows top..bottom-1."""
        for plane, target in zip(self._planes, out, strict=True):
            target[...] = plane[self._rows[top:bottom, None], self._cols]
