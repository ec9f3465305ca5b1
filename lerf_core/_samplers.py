"""Where output pixels lie in the source, and the mean of what is found there.

A sampler knows a whole resize or warp; asked for a band of rows, it computes it for every
channel. Bands do not depend on each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core._colours import cubic_taps
from lerf_core._engines import Engine
from lerf_core._options import Options
from lerf_core._places import Place, place
from lerf_core._planes import Channel, Cover, Samples
from lerf_core._values import ValueScale
from lerf_core.bank import LutBank
from lerf_core.geometry import InverseMap
from lerf_core.reference import over_one_tap
from lerf_core.taps import (
    AxisTaps,
    axis_positions,
    axis_taps,
    nearest_index,
)

__all__ = ["Channels", "GridSampler", "Image", "Sampler", "WarpSampler", "Writer"]

Image = npt.NDArray[Any]
Channels = list[Image]
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


class GridSampler:
    """Resizing: taps of rows and columns."""

    blends = False

    def __init__(
        self,
        shape: tuple[int, int],
        out_shape: tuple[int, int],
        scale: tuple[float, float],
        options: Options,
    ) -> None:
        self.shape, self.out_shape, self.scale, self.options = shape, out_shape, scale, options
        self.rows, self.cols = (
            axis_taps(size, out_size, factor, anti_aliasing=options.smooth)
            for size, out_size, factor in zip(shape, out_shape, scale, strict=True)
        )

    def band(self, threads: int) -> int:
        """Rows of the result that a task computes."""
        most = max(1, int(_BAND_SOURCE // self.shape[1] * self.scale[0]))
        # Some tasks a thread, so that the last ones end together.
        even = self.out_shape[0] if threads == 1 else -(-self.out_shape[0] // (3 * threads))
        return max(1, min(most, even))

    def margin(self, bank: LutBank) -> tuple[int, int]:
        """Rows and columns of the extended image that the result depends on."""
        rows, cols = (
            max(-int(taps.index.min()), int(taps.index.max()) - size + 1, 0)
            + bank.reach * len(bank.stages)
            for taps, size in zip((self.rows, self.cols), self.shape, strict=True)
        )
        return rows, cols

    def lerf(
        self,
        channels: list[Channel],
        engine: Engine,
        margin: tuple[int, int],
        cover: Cover,  # noqa: ARG002
        threads: int,  # noqa: ARG002
    ) -> Writer:
        """Return a function that computes a band of rows."""
        cols = self._columns(margin)

        def write(top: int, bottom: int, out: Image) -> None:
            def result(channel: Channel) -> Image:
                mean = self._mean_of(channel, cols, engine, margin, top, bottom)
                return channel.finish(*mean(top, bottom, to_uint8=channel.to_uint8))

            engine.store(map(result, channels), out)

        return write

    def _columns(self, margin: tuple[int, int]) -> AxisTaps:
        """Columns of the extended image; engines know them again by the object."""
        return AxisTaps(self.cols.index + margin[1], self.cols.offset) if margin[1] else self.cols

    def _mean_of(
        self,
        channel: Channel,
        cols: AxisTaps,
        engine: Engine,
        margin: tuple[int, int],
        top: int,
        bottom: int,
    ) -> Callable[..., tuple[Image, Image | None]]:
        """Read a channel's tables for a band; return what computes rows of the weighted mean."""
        index = self.rows.index[top:bottom] + margin[0]
        first, last = np.clip((index.min(), index.max()), 0, len(channel.plane) - 1)
        part = channel.read(int(first), int(last) + 1, 1)
        limits = part.limits
        if limits is not None:
            limits = over_one_tap(limits, self.rows, self.cols)

        def mean(start: int, stop: int, *, to_uint8: bool) -> tuple[Image, Image | None]:
            here = self.rows.index[start:stop] + (margin[0] - first)
            return engine.grid(
                part.records, part.weighting, AxisTaps(here, self.rows.offset[start:stop]), cols,
                confidence=part.confidence, limits=limits, to_uint8=to_uint8, **channel.border,
            )  # fmt: skip

        return mean

    def fast(
        self,
        colours: Channels,
        luma: Channel,
        scale: ValueScale,
        engine: Engine,
        margin: tuple[int, int],
    ) -> Writer:
        """Return a function that computes a band of rows: the luma by tables, colours added.

        Parameters
        ----------
        colours : list of ndarray
            In the image's values, without a margin.
        luma : Channel
            Of their grey levels, with its margin.
        scale : ValueScale
            Of the colours.
        """
        rows, cols = (
            cubic_taps(
                size, out_size, factor, anti_aliasing=self.options.smooth, mode=self.options.mode
            )
            for size, out_size, factor in zip(self.shape, self.out_shape, self.scale, strict=True)
        )
        inner = luma.plane[margin[0] :, margin[1] : margin[1] + self.shape[1]]
        height = max(1, _FAST_VALUES // self.out_shape[1])
        columns = self._columns(margin)

        def write(top: int, bottom: int, out: Image) -> None:
            mean = self._mean_of(luma, columns, engine, margin, top, bottom)
            image = np.moveaxis(out, 0, -1)
            for start in range(top, bottom, height):
                stop = min(start + height, bottom)
                resized, _ = mean(start, stop, to_uint8=False)
                taps, part = rows.band(start, stop)
                source = [colour[part] for colour in colours]
                target = image[start - top : stop - top]
                if scale.is_bytes:
                    engine.add_differences(source, inner[part], resized, taps, cols, target)
                    continue
                source = [engine.to_grey(scale, colour) for colour in source]
                grey = np.empty(target.shape, np.float32)
                engine.add_differences(source, inner[part], resized, taps, cols, grey)
                values = engine.from_grey(scale, grey.reshape(stop - start, -1))
                target[...] = values.reshape(target.shape)

        return write

    def nearest(self, planes: Channels, cvals: list[float]) -> Writer:  # noqa: ARG002
        """Return a function that copies pixels for a band of rows."""
        rows, cols = (
            np.clip(nearest_index(axis_positions(size, out_size, factor)), 0, size - 1)
            for size, out_size, factor in zip(self.shape, self.out_shape, self.scale, strict=True)
        )

        def write(top: int, bottom: int, out: Image) -> None:
            for plane, part in zip(planes, out, strict=True):
                part[...] = plane[rows[top:bottom, None], cols]

        return write


class WarpSampler:
    """Warping: a source position for each output pixel."""

    blends = True

    def __init__(
        self,
        mapping: InverseMap,
        shape: tuple[int, int],
        out_shape: tuple[int, int],
        options: Options,
    ) -> None:
        self.mapping, self.shape, self.out_shape = mapping, shape, out_shape
        self.mode = options.mode
        self.smooth = options.smooth

    def band(self, threads: int) -> int:  # noqa: ARG002
        """Rows of the result that a task computes."""
        return max(1, _BAND_POINTS // self.out_shape[1])

    def margin(self, bank: LutBank) -> tuple[int, int]:
        """Rows and columns by which the image is extended where it reflects or wraps."""
        margin = _WARP_MARGIN + bank.reach * len(bank.stages)
        return margin, margin

    def lerf(
        self,
        channels: list[Channel],
        engine: Engine,
        margin: tuple[int, int],
        cover: Cover,
        threads: int,
    ) -> Writer:
        """Return a function that computes a band of rows."""
        # A row of the result may lie anywhere in what is seen: all of that is read at once.
        rows, cols = self._seen(margin)
        samples = [channel.of_columns(*cols).read(*rows, threads) for channel in channels]
        origin = rows[0] - margin[0], channels[0].first_column(*cols) - margin[1]
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
            where = engine.place(
                self.mapping, top, bottom, self.shape, self.out_shape, self.mode,
                smooth=self.smooth,
            )  # fmt: skip
            row, col = _shifted(where.row, -origin[0]), _shifted(where.col, -origin[1])
            values = []
            for some, confidence, records, limits in stacks:
                means, trusts = engine.points(
                    records, weighting, row, col, where.stretches, confidence=confidence,
                    limits=limits, to_uint8=some[0].to_uint8, shown=where.shown,
                )  # fmt: skip
                for number, channel in enumerate(some):
                    trust = None if trusts is None else trusts[number]
                    values.append(channel.finish(means[number], trust))
            _fade(values, where, cover, nothing, engine)
            engine.store(values, out)

        return write

    def _seen(self, margin: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """First and one past the last row, and column, that results depend on.

        All, where the image has a margin.
        """
        whole = [(0, size + 2 * more) for size, more in zip(self.shape, margin, strict=True)]
        bounds = None if any(margin) else self.mapping.bounds(self.out_shape)
        if bounds is None:
            return whole[0], whole[1]
        ends = []
        for size, (low, high, span) in zip(self.shape, bounds, strict=True):
            reach = max(1.0, min(span, size + 1.0)) if self.smooth else 1.0
            # A pixel more for the second tap, and one for rounding.
            first, last = np.clip((low - reach - 2, high + reach + 2), 0, size - 1)
            ends.append((math.floor(first), math.ceil(last) + 1))
        return ends[0], ends[1]

    def nearest(self, planes: Channels, cvals: list[float]) -> Writer:
        """Return a function that copies pixels for a band of rows."""

        def write(top: int, bottom: int, out: Image) -> None:
            where = place(
                self.mapping, top, bottom, self.shape, self.out_shape, self.mode, smooth=False
            )
            row, col = nearest_index(where.row), nearest_index(where.col)
            inside_row = np.clip(row, 0, self.shape[0] - 1)
            inside_col = np.clip(col, 0, self.shape[1] - 1)
            column = np.arange(row.shape[1])
            outside = (column < where.shown[:, :1]) | (column >= where.shown[:, 1:])
            outside.reshape(-1)[where.outside] = True
            if self.mode == "constant":  # a pixel shows where its centre lies on the image
                outside |= (row != inside_row) | (col != inside_col)
            for plane, cval, part in zip(planes, cvals, out, strict=True):
                value = plane[inside_row, inside_col]
                value[outside] = cval
                part[...] = value

        return write


def _alike(pairs: list[tuple[Channel, Samples]]) -> list[list[tuple[Channel, Samples]]]:
    """Split channels, in order, into runs that share what `Engine.points` shares."""
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


def _shifted(position: Image, step: int) -> Image:
    return position + step if step else position


def _fade(values: Channels, where: Place, cover: Cover, nothing: list[Any], engine: Engine) -> None:
    """Blend pixels that the image covers in part or not at all, in place.

    `nothing` keeps what shows where nothing of the image does: the same in every band.
    """
    if where.partly.size:
        seen = cover.apply([value.reshape(-1)[where.partly] for value in values], where.share)
        for value, blended in zip(values, seen, strict=True):
            value.reshape(-1)[where.partly] = blended
    if not nothing:
        some = [np.zeros(1, value.dtype) for value in values]
        nothing[:] = [value[0] for value in cover.apply(some, np.zeros(1))]
    for value, around in zip(values, nothing, strict=True):
        engine.fill_around(value, where.shown, around)
        value.reshape(-1)[where.outside] = around


Sampler = GridSampler | WarpSampler
