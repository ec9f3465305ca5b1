"""Where output pixels lie in the source, and the mean of what is found there.

A sampler knows a whole resize or warp; asked for a band of rows, it computes it for every
channel. Bands do not depend on each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core._engines import Engine
from lerf_core._options import Options
from lerf_core._planes import Channel, Cover
from lerf_core.bank import LutBank
from lerf_core.geometry import InverseMap
from lerf_core.reference import over_one_tap
from lerf_core.taps import (
    AxisTaps,
    axis_positions,
    axis_taps,
    effective_stretch,
    nearest_index,
)

__all__ = ["Channels", "GridSampler", "Image", "Sampler", "WarpSampler", "Writer"]

Image = npt.NDArray[Any]
Channels = list[Image]
#: Computes rows top..bottom-1 of every channel.
Writer = Callable[[int, int], Iterator[Image]]

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
        self.shape, self.out_shape, self.scale = shape, out_shape, scale
        self.rows, self.cols = (
            axis_taps(size, out_size, factor, anti_aliasing=options.smooth)
            for size, out_size, factor in zip(shape, out_shape, scale, strict=True)
        )

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
    ) -> Writer:
        """Return a function that computes a band of rows."""
        cols = AxisTaps(self.cols.index + margin[1], self.cols.offset)
        limits = [
            None if one.limits is None else over_one_tap(one.limits, self.rows, self.cols)
            for one in channels
        ]

        def write(top: int, bottom: int) -> Iterator[Image]:
            rows = AxisTaps(self.rows.index[top:bottom] + margin[0], self.rows.offset[top:bottom])
            for channel, bounds in zip(channels, limits, strict=True):
                mean, trust = engine.grid(
                    *channel.planes, rows, cols,
                    confidence=channel.confidence, limits=bounds,
                    to_uint8=channel.to_uint8, **channel.border,
                )  # fmt: skip
                yield channel.finish(mean, trust)

        return write

    def nearest(self, planes: Channels, cvals: list[float]) -> Writer:  # noqa: ARG002
        """Return a function that copies pixels for a band of rows."""
        rows, cols = (
            np.clip(nearest_index(axis_positions(size, out_size, factor)), 0, size - 1)
            for size, out_size, factor in zip(self.shape, self.out_shape, self.scale, strict=True)
        )

        def write(top: int, bottom: int) -> Iterator[Image]:
            for plane in planes:
                yield plane[rows[top:bottom, None], cols]

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
    ) -> Writer:
        """Return a function that computes a band of rows."""

        def write(top: int, bottom: int) -> Iterator[Image]:
            place = self._locate(top, bottom, smooth=self.smooth)
            values = []
            for channel in channels:
                mean, trust = engine.points(
                    *channel.planes, place.row + margin[0], place.col + margin[1], place.stretches,
                    confidence=channel.confidence, limits=channel.limits,
                    to_uint8=channel.to_uint8,
                )  # fmt: skip
                values.append(channel.finish(mean, trust))
            return iter(cover.apply(values, place.coverage))

        return write

    def nearest(self, planes: Channels, cvals: list[float]) -> Writer:
        """Return a function that copies pixels for a band of rows."""

        def write(top: int, bottom: int) -> Iterator[Image]:
            place = self._locate(top, bottom, smooth=False)
            row, col = nearest_index(place.row), nearest_index(place.col)
            inside_row = np.clip(row, 0, self.shape[0] - 1)
            inside_col = np.clip(col, 0, self.shape[1] - 1)
            outside = np.zeros(row.shape, np.bool_)
            if place.coverage is not None:
                outside |= place.coverage == 0
            if self.mode == "constant":  # a pixel shows where its centre lies on the image
                outside |= (row != inside_row) | (col != inside_col)
            for plane, cval in zip(planes, cvals, strict=True):
                value = plane[inside_row, inside_col]
                value[outside] = cval
                yield value

        return write

    def _locate(self, top: int, bottom: int, *, smooth: bool) -> _Place:
        """Find where a band of output rows lies in the source."""
        (row, col), spans = self.mapping.locate(top, bottom, self.out_shape)
        spans = np.where(np.isfinite(spans), spans, 1.0)  # unknown is 1
        nowhere = ~(np.isfinite(row) & np.isfinite(col))
        coverage = None
        if nowhere.any():
            row, col = np.where(nowhere, 0.0, row), np.where(nowhere, 0.0, col)
            coverage = np.where(nowhere, 0.0, 1.0)
        if self.mode == "constant":
            inside = np.ones_like(row) if coverage is None else coverage
            for position, size, span in zip((row, col), self.shape, spans, strict=True):
                inside = inside * _coverage(position, size, span)
            coverage = None if inside.min() == 1 else inside
        stretches = self._stretches(spans) if smooth else None
        reach_row, reach_col = stretches or (1.0, 1.0)
        row = _fold(row, self.shape[0], self.mode, reach_row)
        col = _fold(col, self.shape[1], self.mode, reach_col)
        return _Place(row, col, stretches, coverage)

    def _stretches(self, spans: Image) -> tuple[Image, Image] | None:
        """Return the stretch of the support along rows and columns; None where it is 1."""
        row, col = (
            # Wider than the image is as wide as it.
            effective_stretch(np.minimum(span, size + 1.0))
            for span, size in zip(spans, self.shape, strict=True)
        )
        return None if row.max() == 1 == col.max() else (row, col)


@dataclass(frozen=True)
class _Place:
    """Where a band of output rows lies in the source.

    Attributes
    ----------
    row, col : ndarray of float64
        Positions, folded into reach of the image by the border mode.
    stretches : (ndarray, ndarray) or None
        Of the support along rows and columns; None: 1.
    coverage : ndarray of float64 or None
        How much of the output pixel the image covers, 0..1; None: 1.
    """

    row: Image
    col: Image
    stretches: tuple[Image, Image] | None
    coverage: Image | None


Sampler = GridSampler | WarpSampler


def _coverage(position: Image, size: int, span: Image) -> Image:
    """Share of an output pixel, `span` source pixels wide, that lies on the image."""
    width = np.maximum(span, 1e-6)
    low = (position + 0.5) / width + 0.5
    high = (size - 0.5 - position) / width + 0.5
    return np.clip(low, 0, 1) * np.clip(high, 0, 1)


def _fold(position: Image, size: int, mode: str, stretch: Image | float) -> Image:
    """Bring positions of an axis to where the border mode takes them from."""
    if mode in ("edge", "constant"):  # no farther than where the last pixel is out of reach
        return np.clip(position, -stretch, size - 1 + stretch)
    if mode == "reflect":
        centre, period = 0.0, 2 * (size - 1)
    else:
        centre, period = 0.5, size if mode == "wrap" else 2 * size
    if period == 0:
        return np.zeros_like(position)
    turned: Image = np.mod(position + centre, period)
    if mode != "wrap":
        turned = np.minimum(turned, period - turned)
    return turned - centre
