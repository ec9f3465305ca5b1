"""Enlarging the channels of an image by a front: values, missing ones, alpha.

The front sees grey levels 0..255 of an image without gaps. What it does not see is enlarged beside
it: alpha by the bank or kernel that follows, and linearly what values lie beyond their range.
Pixels of the enlargement are missing where those of the source are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.backends.contract import Backend
from lerf_core.bank.loading import load_bank
from lerf_core.constants import LEVELS
from lerf_core.execution.context import BlockContext, Resampling
from lerf_core.fronts.base import Front
from lerf_core.pixels.alpha import clear_missing
from lerf_core.pixels.format import PixelFormat
from lerf_core.pixels.missing import fill_missing, find_missing
from lerf_core.pixels.nodata import keep_off
from lerf_core.pixels.values import ValueScale
from lerf_core.sampling.kernels import KERNELS
from lerf_core.sampling.windows import Block, Window, Windows
from lerf_core.threads import bands, run_all

__all__ = ["Enlargement", "halo_beside"]

Image = npt.NDArray[Any]
Plane = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
FloatPlane = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

_FLOAT = np.dtype(np.float32)
# Grey levels beyond 0..255, as an image of its own.
_EXCESS_FORMAT = PixelFormat(
    dtype=_FLOAT, channels=1, is_nearest=False, value_scale=ValueScale(_FLOAT, 0, LEVELS),
    result_dtype=_FLOAT, cvals=(0.0,), alpha=None, nodata=None,
)  # fmt: skip


def halo_beside(context: BlockContext, factor: int) -> int:
    """Return how far around lie the source pixels of what is enlarged beside a front.

    Parameters
    ----------
    context : BlockContext
        Of the result.
    factor : int
        Of the enlargement.
    """
    halo, pixels = 0, context.pixels
    if factor == 1:
        return halo
    if not pixels.value_scale.is_bytes:
        halo = max(halo, _halo_of(_excess_context(context)))
    if pixels.alpha is not None:
        halo = max(halo, _halo_of(_alpha_context(context, pixels.alpha)))
    return halo


def _halo_of(context: BlockContext) -> int:
    """Return how far around its own pixel a result of enlarging depends on the source."""
    if context.kernel is None:
        return context.halo + 2  # and two taps
    from lerf_core.execution.kernel_channels import CLEAR_FILL_STEPS

    return math.ceil(context.kernel.support(1.0)) + 1 + CLEAR_FILL_STEPS


def _excess_context(context: BlockContext) -> BlockContext:
    return context._replace(
        pixels=_EXCESS_FORMAT, mode="edge", fast=False, bank=None, kernel=KERNELS["linear"]
    )


def _alpha_context(context: BlockContext, alpha: int) -> BlockContext:
    """Return the context in which alpha is enlarged, as an image of one channel."""
    cvals = (context.pixels.cvals[alpha],)
    pixels = replace(context.pixels, channels=1, alpha=0, cvals=cvals, masks=0, nodata=None)
    context = context._replace(pixels=pixels, mode="edge", fast=False)
    if context.bank is not None and context.bank.follows_front:
        # It knows what fronts give; alpha comes from no front.
        return context._replace(bank=load_bank())
    if context.kernel is not None and context.kernel.is_learned:  # it shrinks alone
        return context._replace(kernel=None, bank=load_bank())
    return context


@dataclass(frozen=True, eq=False)
class Enlargement:
    """Enlarges windows of an image.

    Attributes
    ----------
    context : BlockContext
        Of the result.
    front : Front
    beside : Resampling
        A resize by the front's scale.
    given : Windows
        Of the source, that planes are cut to.
    read : Windows
        Of the source, that the front reads: within the given ones.
    wanted : Windows
        Of the enlargement, counted in its pixels.
    threads : int
        How many may be used.
    """

    context: BlockContext
    front: Front
    beside: Resampling
    given: Windows
    read: Windows
    wanted: Windows
    threads: int

    def of(self, planes: Image, alpha_levels: tuple[float, float] | None) -> Image:
        """Return the enlargement of planes, within the wanted windows.

        Parameters
        ----------
        planes : ndarray, (channels, rows, cols)
            Within the given windows, in the image's own values.
        alpha_levels : (float, float) or None
            Grey levels that alpha is clipped to.

        Returns
        -------
        ndarray, (channels, rows, cols)
            Of the same dtype; a view, perhaps, of a larger array.
        """
        pixels = self.context.pixels
        count, alpha = len(planes) - pixels.masks, pixels.alpha
        colours = [number for number in range(count) if number != alpha]
        cleared = None
        lost: list[Mask | None] = [None] * len(colours)
        if alpha is None:
            lost = [self._missing(planes, number) for number in colours]
        else:
            cleared = clear_missing(
                list(planes[:count]), alpha, pixels.value_scale, pixels.nodata,
                list(planes[count:]),
            )  # fmt: skip
            clear = pixels.value_scale.to_opacity(cleared) == 0
            if clear.any():
                lost = [clear] * len(colours)
        together = self.front.reads_together(pixels.colours)
        if together and len(colours) == len(planes) and not any(m is not None for m in lost):
            return self._by_front(planes, lost)
        out = np.empty((len(planes), *self.wanted.shape), pixels.value_scale.dtype)
        for group in [colours] if together else [[number] for number in colours]:
            masks = [lost[colours.index(number)] for number in group]
            values = self._by_front([planes[number] for number in group], masks)
            for number, value, mask in zip(group, values, masks, strict=True):
                out[number] = value
                if mask is not None and alpha is None:
                    out[number][self._repeated(mask)] = self._marker
        if alpha is not None and cleared is not None:
            context = _alpha_context(self.context, alpha)
            out[alpha] = self._plainly(cleared, context, alpha_levels)
        for number in range(count, len(planes)):
            # What is masked is transparent already, where there is alpha.
            out[number] = 0 if alpha is not None else self._repeated(planes[number])
        return out

    # -- by the front -------------------------------------------------------------------

    def _missing(self, planes: Image, number: int) -> Mask | None:
        """Return where a channel of an image without alpha is missing; None: nowhere."""
        pixels = self.context.pixels
        missing, _ = find_missing(planes[number], pixels.value_scale, pixels.nodata)
        if pixels.masks:
            masked = planes[len(planes) - pixels.masks + number] != 0
            missing = masked if missing is None else missing | masked
        return missing if missing is not None and missing.any() else None

    @property
    def _marker(self) -> float:
        """What stands for a missing value."""
        pixels = self.context.pixels
        if pixels.nodata is not None:
            return pixels.nodata
        scale = pixels.value_scale
        return float("nan") if scale.dtype.kind == "f" else scale.low  # under a mask

    def _by_front(self, planes: Sequence[Plane] | Image, lost: Sequence[Mask | None]) -> Image:
        """Enlarge one plane, or three together, filled where they are lost."""
        pixels = self.context.pixels
        scale = replace(pixels.value_scale, linear_light=False)
        filled = [
            plane if mask is None else fill_missing(plane, ~mask, self.front.reach, scale)
            for plane, mask in zip(planes, lost, strict=True)
        ]
        if scale.is_bytes:
            result = self._enlarged(filled)
            result = result if pixels.nodata is None else np.array(result)
        else:
            grey = [self._backend.to_grey(scale, plane) for plane in filled]
            within = [np.clip(plane, 0, np.float32(LEVELS)) for plane in grey]
            excess = [plane - inner for plane, inner in zip(grey, within, strict=True)]
            enlarged = self._enlarged(within)
            del filled, grey, within
            result = np.empty(enlarged.shape, scale.dtype)
            for number, beyond in enumerate(excess):
                level = np.ascontiguousarray(enlarged[number])
                if beyond.any():
                    level = level + self._plainly(beyond, _excess_context(self.context), None)
                result[number] = self._backend.from_grey(scale, level)
        keep_off(result, scale.middle, pixels.nodata)
        return result

    def _enlarged(self, planes: Sequence[Plane]) -> Image:
        """Have the front enlarge grey levels, (rows, cols) each, within the given windows."""
        read, k = _places_of_windows(self.read, self.given), self.front.scale
        levels = np.stack([_cut(plane, *read) for plane in planes])
        enlarged = self.front.enlarged_by(self._backend, levels, self.threads)
        return _cut(enlarged, *_places_of_windows(self.wanted, self.read, k))

    # -- beside it ----------------------------------------------------------------------

    def _repeated(self, plane: Plane) -> Plane:
        """Return a plane whose every pixel is repeated, within the wanted windows."""
        k = self.front.scale
        rows, cols = _places_of_windows(self.wanted, self.given, k)
        repeated: Plane = plane[(rows // k)[:, None], cols // k]
        return repeated

    def _plainly(
        self, plane: Plane, context: BlockContext, alpha_levels: tuple[float, float] | None
    ) -> Plane:
        """Enlarge a plane as a resize by the context's bank or kernel does."""
        k = self.front.scale
        if k == 1:
            return self._repeated(plane)
        # Of the source with what a border mode extends it by, as one image.
        down, across = (k * window.margin for window in self.given)
        rows, cols = (window.size + 2 * window.margin for window in self.given)
        context = context._replace(shape=(rows, cols), out_shape=(k * rows, k * cols))
        blocks = [
            [
                Block(top + down, bottom + down, left + across, right + across)
                for left, right in self.wanted.cols.runs
            ]
            for top, bottom in self.wanted.rows.runs
        ]
        return np.block([
            [self._plain_block(plane, context, block, alpha_levels) for block in row]
            for row in blocks
        ])  # fmt: skip

    def _plain_block(
        self,
        plane: Plane,
        context: BlockContext,
        block: Block,
        alpha_levels: tuple[float, float] | None,
    ) -> Plane:
        """Enlarge what a block of the extended image's enlargement needs of a plane."""
        output = self.beside.output_block(context, block)
        if output.windows is None:
            raise ValueError(f"nothing lies in {block}")
        needed = Windows(*map(_counted_without_margin, output.windows, self.given))
        source = _cut(plane, *_places_of_windows(needed, self.given))
        result = np.empty((1, *output.computed.shape), context.pixels.value_scale.dtype)
        writer = output.band_writer(source[None], alpha_levels, self.threads)
        heights = bands(output.computed.shape[0], output.band_height(self.threads))
        tasks = ((top, bottom, result[:, top:bottom]) for top, bottom in heights)
        run_all(writer.write, tasks, self.threads)
        (top, _, left, _), (rows, cols) = output.computed, block.shape
        top, left = block.top - top, block.left - left
        return result[0, top : top + rows, left : left + cols]

    @property
    def _backend(self) -> Backend:
        return self.context.backend


# -- where pixels lie -----------------------------------------------------------------------


def _counted_without_margin(window: Window, extended: Window) -> Window:
    """Return a window of an extended axis as the image counts its pixels."""
    margin = extended.margin
    runs = tuple((first - margin, stop - margin) for first, stop in window.runs)
    return Window(extended.size, margin, runs)


def _places_of_windows(inner: Windows, outer: Windows, factor: int = 1) -> tuple[Indices, Indices]:
    """Return where the rows and columns of windows lie in those of larger ones; see `_places`."""
    rows, cols = (_places(*windows, factor) for windows in zip(inner, outer, strict=True))
    return rows, cols


def _places(inner: Window, outer: Window, factor: int) -> Indices:
    """Return where the pixels of a window lie in an enlargement of a larger one.

    Parameters
    ----------
    inner : Window
        Counts in pixels of the enlargement.
    outer : Window
        Counts in pixels of the source.
    factor : int
        Of the enlargement.
    """
    places = []
    for first, stop in inner.runs:
        start = 0
        for low, high in outer.runs:
            if low * factor <= first and stop <= high * factor:
                begin = factor * start + first - factor * low
                places.append(np.arange(begin, begin + stop - first, dtype=np.int64))
                break
            start += high - low
        else:
            raise ValueError(f"{inner} does not lie in {outer}")
    return np.concatenate(places)


def _cut(planes: Image, rows: Indices, cols: Indices) -> Image:
    """Return rows and columns, which rise, of (..., rows, cols): views where they touch."""
    for axis, places in ((-2, rows), (-1, cols)):
        if places[-1] - places[0] + 1 == len(places):
            index: list[Any] = [slice(None)] * planes.ndim
            index[axis] = slice(int(places[0]), int(places[-1]) + 1)
            planes = planes[tuple(index)]
        else:
            planes = np.take(planes, places, axis=axis)
    return planes
