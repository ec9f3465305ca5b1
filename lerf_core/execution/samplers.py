"""Where output pixels lie in the source, and the mean of what is found there.

A sampler knows a whole resize or warp, or a block of one, and which windows of the source
that depends on. Given these, it computes any band of its rows for every channel. Bands do
not depend on each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.backends import Backend
from lerf_core.backends.reference.coordinates import source_coordinates
from lerf_core.backends.reference.overshoot import bounds_along_kept_axes
from lerf_core.geometry.maps import InverseMap
from lerf_core.options import Options
from lerf_core.pixels.channels import Channel, Cover, Samples
from lerf_core.pixels.values import ValueScale
from lerf_core.sampling.coordinates import SourceCoordinates
from lerf_core.sampling.cubic import CubicTaps, cubic_taps
from lerf_core.sampling.taps import (
    AxisTaps,
    axis_positions,
    axis_taps,
    nearest_index,
)
from lerf_core.sampling.windows import Block, Window, Windows, seen_windows

__all__ = ["Channels", "GridSampler", "Image", "Pixel", "Sampler", "WarpSampler", "Writer"]

Image = npt.NDArray[Any]
Channels = list[Image]
Indices = npt.NDArray[np.int64]
#: Computes rows top..bottom-1 of every channel, into an array of (channels, rows, cols).
Writer = Callable[[int, int, Image], None]

# Source pixels whose tables a task reads: many, because the rows around them are read too,
# yet few enough that what is known of them takes a few megabytes.
_BAND_SOURCE = 1 << 19
# Scattered pixels that a task computes.
_BAND_POINTS = 1 << 17
# Values of the luma that wait for their colours: they stay in the second-level cache.
_FAST_VALUES = 1 << 18
# Pixels by which an image is extended for warps that reflect or wrap.
_WARP_MARGIN = 32


class Pixel(NamedTuple):
    """What a pixel of the image holds: the dtype, in native order, and the channels."""

    dtype: np.dtype[Any]
    channels: int


class GridSampler:
    """Resizing: taps of rows and columns.

    Attributes
    ----------
    block : Block
        The output pixels that it computes: those asked for, and perhaps columns around them.
    windows : Windows
        What it is given of the image's planes.
    blends : bool
        Whether a constant border is blended with the result.
    """

    blends = False

    def __init__(
        self,
        shape: tuple[int, int],
        out_shape: tuple[int, int],
        scale: tuple[float, float],
        options: Options,
        pixel: Pixel,
        block: Block | None = None,
    ) -> None:
        self.shape, self.out_shape, self.scale, self.options = shape, out_shape, scale, options
        self.is_nearest = options.is_nearest(pixel.dtype)
        self.block = block or Block(0, out_shape[0], 0, out_shape[1])
        if self.is_nearest:
            self.windows = self._nearest_windows()
            return
        self.margin = self._margin()
        if block is None:
            rows, cols = (Window.whole(*ends) for ends in zip(shape, self.margin, strict=True))
        else:
            rows, cols = self._windows(options.halo(*pixel))
            self.block = self._widened(cols)
        self.windows = Windows(rows, cols)

    @cached_property
    def rows(self) -> AxisTaps:
        """Taps of the block's rows, in the windows."""
        return self._in_window(0)

    @cached_property
    def cols(self) -> AxisTaps:
        """Taps of its columns; engines know them again by the object."""
        return self._in_window(1)

    def _in_window(self, axis: int) -> AxisTaps:
        taps = self._taps(self.block)[axis]
        return AxisTaps(self.windows[axis].indices(taps.index), taps.offset)

    def band(self, threads: int) -> int:
        """Rows of the result that a task computes."""
        height = self.block.shape[0]
        most = max(1, int(_BAND_SOURCE // len(self.windows.cols) * self.scale[0]))
        # Some tasks a thread, so that the last ones end together.
        even = height if threads == 1 else -(-height // (3 * threads))
        return max(1, min(most, even))

    def lerf(
        self,
        channels: list[Channel],
        engine: Backend,
        cover: Cover,  # noqa: ARG002
        threads: int,  # noqa: ARG002
    ) -> Writer:
        """Return a function that computes a band of the block's rows."""

        def write(top: int, bottom: int, out: Image) -> None:
            def result(channel: Channel) -> Image:
                mean = self._mean_of(channel, engine, top, bottom)
                return channel.finish(*mean(top, bottom, to_uint8=channel.to_uint8))

            engine.store_channels(map(result, channels), out)

        return write

    def fast(self, colours: Channels, luma: Channel, scale: ValueScale, engine: Backend) -> Writer:
        """Return a function that computes a band of rows: the luma by tables, colours added.

        Parameters
        ----------
        colours : list of ndarray
            In the image's values.
        luma : Channel
            Of their grey levels.
        scale : ValueScale
            Of the colours.
        """
        rows, cols = self._cubic_taps(self.block)
        rows, cols = (
            taps.within(window.first, len(window))
            for taps, window in zip((rows, cols), self.windows, strict=True)
        )
        height = max(1, _FAST_VALUES // self.block.shape[1])

        def write(top: int, bottom: int, out: Image) -> None:
            mean = self._mean_of(luma, engine, top, bottom)
            image = np.moveaxis(out, 0, -1)
            for start in range(top, bottom, height):
                stop = min(start + height, bottom)
                resized, _ = mean(start, stop, to_uint8=False)
                taps, part = rows.band(start, stop)
                source = [colour[part] for colour in colours]
                target = image[start - top : stop - top]
                if scale.is_bytes:
                    engine.add_colour_differences(
                        source, luma.plane[part], resized, taps, cols, target
                    )
                    continue
                source = [engine.to_grey(scale, colour) for colour in source]
                grey = np.empty(target.shape, np.float32)
                engine.add_colour_differences(source, luma.plane[part], resized, taps, cols, grey)
                values = engine.from_grey(scale, grey.reshape(stop - start, -1))
                target[...] = values.reshape(target.shape)

        return write

    def nearest(self, planes: Channels, cvals: list[float]) -> Writer:  # noqa: ARG002
        """Return a function that copies pixels for a band of rows."""
        rows, cols = (
            window.indices(index)
            for window, index in zip(self.windows, self._nearest_indices(), strict=True)
        )

        def write(top: int, bottom: int, out: Image) -> None:
            for plane, part in zip(planes, out, strict=True):
                part[...] = plane[rows[top:bottom, None], cols]

        return write

    def _mean_of(
        self, channel: Channel, engine: Backend, top: int, bottom: int
    ) -> Callable[..., tuple[Image, Image | None]]:
        """Read a channel's tables for a band; return what computes rows of the weighted mean."""
        index = self.rows.index[top:bottom]
        first, last = np.clip((index.min(), index.max()), 0, len(channel.plane) - 1)
        part = channel.read(int(first), int(last) + 1, 1)
        limits = part.limits
        if limits is not None:
            limits = bounds_along_kept_axes(limits, self.rows, self.cols)

        def mean(start: int, stop: int, *, to_uint8: bool) -> tuple[Image, Image | None]:
            here = AxisTaps(self.rows.index[start:stop] - first, self.rows.offset[start:stop])
            return engine.mean_on_grid(
                part.records, part.weighting, here, self.cols,
                validity=part.confidence, bounds=limits, to_uint8=to_uint8, **channel.border,
            )  # fmt: skip

        return mean

    def _axes(self, block: Block) -> Iterator[tuple[int, int, float, tuple[int, int]]]:
        """Size, size of the output, scale and a block's part of an axis: rows, then columns."""
        parts = (block.top, block.bottom), (block.left, block.right)
        return zip(self.shape, self.out_shape, self.scale, parts, strict=True)

    def _taps(self, block: Block) -> tuple[AxisTaps, AxisTaps]:
        rows, cols = (
            axis_taps(size, out_size, factor, anti_aliasing=self.options.smooth, part=part)
            for size, out_size, factor, part in self._axes(block)
        )
        return rows, cols

    def _cubic_taps(self, block: Block) -> tuple[CubicTaps, CubicTaps]:
        rows, cols = (
            cubic_taps(size, out_size, factor, anti_aliasing=self.options.smooth, part=part)
            for size, out_size, factor, part in self._axes(block)
        )
        return rows, cols

    def _ends(self, block: Block) -> list[tuple[int, int]]:
        """First and one past the last pixel, an axis, that a block's taps ask for."""
        # Positions rise along an axis: the corners' taps lie farthest out.
        first = Block(block.top, block.top + 1, block.left, block.left + 1)
        last = Block(block.bottom - 1, block.bottom, block.right - 1, block.right)
        ends = [
            (int(low.index[0, 0]), int(high.index[0, -1]) + 1)
            for low, high in zip(self._taps(first), self._taps(last), strict=True)
        ]
        if self.options.fast:
            cubic = [
                (int(low.first[0]), int(high.first[0]) + high.weight.shape[1])
                for low, high in zip(self._cubic_taps(first), self._cubic_taps(last), strict=True)
            ]
            ends = [(min(a, c), max(b, d)) for (a, b), (c, d) in zip(ends, cubic, strict=True)]
        return ends

    def _margin(self) -> tuple[int, int]:
        """Rows and columns by which the image is extended before its tables are read."""
        if self.options.mode in ("edge", "constant"):
            return 0, 0
        rows, cols = self.out_shape
        down, across = (
            max(-first, stop - size, 0) + self.options.reach
            for (first, stop), size in zip(
                self._ends(Block(0, rows, 0, cols)), self.shape, strict=True
            )
        )
        return down, across

    def _windows(self, halo: int) -> Windows:
        rows, cols = (
            # At least a pixel of the image: taps beyond the border are led to it.
            Window.around(size, more, halo, (min(a, size - 1 + more), max(b, 1 - more)))
            for size, more, (a, b) in zip(
                self.shape, self.margin, self._ends(self.block), strict=True
            )
        )
        return Windows(rows, cols)

    def _widened(self, cols: Window) -> Block:
        """Take all columns of the window's pixels, where all pixels have as many.

        Then columns lie alike from pixel to pixel, and engines are faster than for a few less.
        """
        phases = self.out_shape[1] // self.shape[1]
        whole = self.scale[1] == phases and self.out_shape[1] == self.shape[1] * phases
        if not whole or phases < 2 or cols.margin:
            return self.block
        ((first, stop),) = cols.runs
        return self.block._replace(left=first * phases, right=stop * phases)

    def _nearest_indices(self) -> list[Indices]:
        return [
            np.clip(nearest_index(axis_positions(size, out_size, factor, part)), 0, size - 1)
            for size, out_size, factor, part in self._axes(self.block)
        ]

    def _nearest_windows(self) -> Windows:
        rows, cols = (
            Window(size, 0, ((int(index.min()), int(index.max()) + 1),))
            for size, index in zip(self.shape, self._nearest_indices(), strict=True)
        )
        return Windows(rows, cols)


class WarpSampler:
    """Warping: a source position for each output pixel.

    Attributes
    ----------
    block : Block
        The output pixels that it computes.
    windows : Windows or None
        What it is given of the image's planes; None: the block sees nothing of the image.
    blends : bool
        Whether a constant border is blended with the result.
    """

    blends = True

    def __init__(
        self,
        mapping: InverseMap,
        shape: tuple[int, int],
        out_shape: tuple[int, int],
        options: Options,
        pixel: Pixel,
        block: Block | None = None,
        windows: Windows | None = None,
    ) -> None:
        self.shape, self.mode = shape, options.mode
        self.is_nearest = options.is_nearest(pixel.dtype)
        self.smooth = options.smooth and not self.is_nearest
        self.block = block or Block(0, out_shape[0], 0, out_shape[1])
        self.mapping = mapping
        if block is not None:
            self.mapping = mapping.part(block.top, block.left, block.shape, out_shape)
        extends = self.mode not in ("edge", "constant") and not self.is_nearest
        margin = _WARP_MARGIN + options.reach if extends else 0
        halo = 0 if self.is_nearest else options.halo(*pixel)
        self.windows: Windows | None
        if windows is not None:
            self.windows = windows
        elif block is None and mapping.bounds(out_shape) is None:
            rows, cols = (Window.whole(size, margin) for size in shape)
            self.windows = Windows(rows, cols)
        else:
            self.windows = seen_windows(
                self.mapping, shape, self.block.shape, self.mode, margin=margin, halo=halo,
                smooth=self.smooth,
            )  # fmt: skip
        if self.windows is None and block is None:
            # A pixel whose tables nobody sees.
            self.windows = Windows(*(Window(size, 0, ((0, 1),)) for size in shape))

    def band(self, threads: int) -> int:  # noqa: ARG002
        """Rows of the result that a task computes."""
        return max(1, _BAND_POINTS // self.block.shape[1])

    def lerf(self, channels: list[Channel], engine: Backend, cover: Cover, threads: int) -> Writer:
        """Return a function that computes a band of the block's rows."""
        # A row of the result may lie anywhere in what is seen: all of that is read at once.
        samples = [channel.read(0, len(channel.plane), threads) for channel in channels]
        weighting = samples[0].weighting
        # What is stacked is kept once: the samples themselves go.
        stacks = [
            (
                [channel for channel, _ in some],
                some[0][1].confidence,
                np.stack([one.records for _, one in some]),
                _stacked_limits(some),
            )
            for some in _alike(list(zip(channels, samples, strict=True)))
        ]
        del samples

        nothing: list[Any] = []

        def write(top: int, bottom: int, out: Image) -> None:
            where = engine.source_coordinates(
                self.mapping, top, bottom, self.shape, self.block.shape, self.mode,
                smooth=self.smooth,
            )  # fmt: skip
            row, col = self._in_windows(where.row, where.col)
            values = []
            for some, confidence, records, limits in stacks:
                means, trusts = engine.mean_at_points(
                    records, weighting, row, col, where.filter_scales, validity=confidence,
                    bounds=limits, to_uint8=some[0].to_uint8,
                    visible_columns=where.visible_columns,
                )  # fmt: skip
                for number, channel in enumerate(some):
                    trust = None if trusts is None else trusts[number]
                    values.append(channel.finish(means[number], trust))
            _fade(values, where, cover, nothing, engine)
            engine.store_channels(values, out)

        return write

    def _in_windows(self, row: Any, col: Any) -> tuple[Any, Any]:
        if self.windows is None:
            raise ValueError("the block sees nothing of the image")
        return self.windows.rows.positions(row), self.windows.cols.positions(col)

    def nearest(self, planes: Channels, cvals: list[float]) -> Writer:
        """Return a function that copies pixels for a band of rows."""
        bottom_right = [size - 1 for size in planes[0].shape]

        def write(top: int, bottom: int, out: Image) -> None:
            where = source_coordinates(
                self.mapping, top, bottom, self.shape, self.block.shape, self.mode, smooth=False
            )
            row, col = nearest_index(where.row), nearest_index(where.col)
            inside_row = np.clip(row, 0, self.shape[0] - 1)
            inside_col = np.clip(col, 0, self.shape[1] - 1)
            column = np.arange(row.shape[1])
            outside = (column < where.visible_columns[:, :1]) | (
                column >= where.visible_columns[:, 1:]
            )
            outside.reshape(-1)[where.uncovered] = True
            if self.mode == "constant":  # a pixel shows where its centre lies on the image
                outside |= (row != inside_row) | (col != inside_col)
            # Pixels that show nothing may lie outside the windows.
            here_row, here_col = (
                np.clip(index, 0, last)
                for index, last in zip(
                    self._in_windows(inside_row, inside_col), bottom_right, strict=True
                )
            )
            for plane, cval, part in zip(planes, cvals, out, strict=True):
                value = plane[here_row, here_col]
                value[outside] = cval
                part[...] = value

        return write


def _alike(pairs: list[tuple[Channel, Samples]]) -> list[list[tuple[Channel, Samples]]]:
    """Split channels, in order, into runs that share what `Backend.mean_at_points` shares."""
    runs: list[list[tuple[Channel, Samples]]] = []
    for channel, one in pairs:
        if runs:
            before, like = runs[-1][0]
            same = one.confidence is like.confidence or (
                channel.confidence is not None and channel.confidence is before.confidence
            )
            if same and channel.to_uint8 == before.to_uint8:
                runs[-1].append((channel, one))
                continue
        runs.append([(channel, one)])
    return runs


def _stacked_limits(pairs: list[tuple[Channel, Samples]]) -> Image | None:
    limits = [one.limits for _, one in pairs if one.limits is not None]
    return np.stack(limits) if limits else None


def _fade(
    values: Channels, where: SourceCoordinates, cover: Cover, nothing: list[Any], engine: Backend
) -> None:
    """Blend pixels that the image covers in part or not at all, in place.

    `nothing` keeps what shows where nothing of the image does: the same in every band.
    """
    if where.partially_covered.size:
        seen = cover.apply(
            [value.reshape(-1)[where.partially_covered] for value in values], where.coverage
        )
        for value, blended in zip(values, seen, strict=True):
            value.reshape(-1)[where.partially_covered] = blended
    if not nothing:
        some = [np.zeros(1, value.dtype) for value in values]
        nothing[:] = [value[0] for value in cover.apply(some, np.zeros(1))]
    for value, around in zip(values, nothing, strict=True):
        engine.fill_around(value, where.visible_columns, around)
        value.reshape(-1)[where.uncovered] = around


Sampler = GridSampler | WarpSampler
