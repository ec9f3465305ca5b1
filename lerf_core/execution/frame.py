"""A part of what an image is resized to, or more than it: crops, and surroundings of one colour.

Nothing is computed of what lies outside a crop; what lies inside is bit for bit what it is in the
whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.execution.context import BandWriter, CopiedBlock, OutputBlock
from lerf_core.pixels.format import PixelFormat
from lerf_core.pixels.nodata import can_hold
from lerf_core.sampling.windows import Block
from lerf_core.validation import check_count

if TYPE_CHECKING:
    from lerf_core.sampling.windows import Windows

__all__ = ["Fill", "Frame", "FramedBlock"]

Image = npt.NDArray[Any]
#: A value, or one for each channel.
Fill = float | Sequence[float]


@dataclass(frozen=True)
class Frame:
    """Which part of a resized image is the result, and what surrounds the image.

    Attributes
    ----------
    whole : (int, int)
        Rows and columns of the resized image.
    crop : Block
        Of it; the result's other pixels, beyond it, are filled.
    fill : float, or tuple of float, or None
        One value, or one for each channel, in the image's own values. None: clear where there is
        alpha, else the missing value where there is one, else 0.
    """

    whole: tuple[int, int]
    crop: Block
    fill: float | tuple[float, ...] | None = None

    @classmethod
    def of(cls, whole: tuple[int, int], crop: Sequence[int], fill: Fill | None) -> Frame | None:
        """Return the frame for the arguments of `lerf_core.resize`; None: the whole is shown.

        Raises
        ------
        InvalidArgumentError, InvalidTypeError
            If the crop is none of integers, is empty, or shows nothing of the image.
        """
        try:
            top, bottom, left, right = crop
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"crop must be (top, bottom, left, right), got {crop!r}"
            ) from error
        for first, stop, size in ((top, bottom, whole[0]), (left, right, whole[1])):
            try:
                check_count("length of crop", stop - first)
                is_apart = stop <= 0 or first >= size
            except TypeError as error:
                raise InvalidArgumentError(f"crop must be integers, got {crop!r}") from error
            if is_apart:
                raise InvalidArgumentError(f"crop {tuple(crop)} shows nothing of {whole}")
        block = Block(int(top), int(bottom), int(left), int(right))
        values = fill if fill is None or isinstance(fill, (int, float)) else tuple(fill)
        if block == (0, whole[0], 0, whole[1]):
            return None
        return cls(whole, block, values)

    def shown(self, requested: Block) -> Block | None:
        """Return what a block of the result shows of the resized image; None: nothing."""
        top, left = self.crop.top, self.crop.left
        block = Block(
            max(0, requested.top + top),
            min(self.whole[0], requested.bottom + top),
            max(0, requested.left + left),
            min(self.whole[1], requested.right + left),
        )
        return block if min(block.shape) > 0 else None

    def values(self, pixels: PixelFormat) -> tuple[float, ...]:
        """Return the value of each channel around the image, and of the masks behind them.

        Raises
        ------
        InvalidArgumentError
            If there are neither one nor as many as channels, or the pixels cannot hold them.
        """
        count = pixels.channels - pixels.masks
        values = self._of_channels(pixels, count)
        for value in values:
            if not can_hold(pixels.dtype, value):
                raise InvalidArgumentError(f"fill {value!r} does not fit {pixels.dtype} pixels")
        if not pixels.masks:
            return values
        clear = pixels.alpha is not None and values[pixels.alpha] == 0
        is_default = self.fill is None  # of masked arrays surroundings are masked
        hidden = (is_default or clear or math.isnan(v) or v == pixels.nodata for v in values)
        return (*values, *map(float, hidden))

    def _of_channels(self, pixels: PixelFormat, count: int) -> tuple[float, ...]:
        if self.fill is None:
            nodata = pixels.nodata
            is_missing = pixels.alpha is None and nodata is not None
            if nodata is not None and is_missing and can_hold(pixels.dtype, nodata):
                return (float(nodata),) * count
            return (0.0,) * count
        try:
            values = np.broadcast_to(np.asarray(self.fill, np.float64), (count,)).tolist()
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"fill must be a number, or one for each of {count} channels, got {self.fill!r}"
            ) from error
        return tuple(values)


class FramedBlock:
    """A block of a result in a frame; see `lerf_core.execution.context.OutputBlock`.

    Attributes
    ----------
    inner : OutputBlock or CopiedBlock or None
        Of the resized image, what is visible of it; None: nothing is.
    requested, computed : Block
        The output pixels that are asked for; and those that are computed, all of the inner block's
        and what is requested around them.
    windows : Windows or None
        Of the source.
    """

    def __init__(
        self,
        inner: OutputBlock | CopiedBlock | None,
        frame: Frame,
        requested: Block,
        fill: tuple[float, ...],
    ) -> None:
        self.inner, self.requested, self._fill = inner, requested, fill
        self.computed, self._image = requested, Block(0, 0, 0, 0)
        if inner is None:
            return
        down, across = frame.crop.top, frame.crop.left
        top, bottom, left, right = inner.computed
        image = Block(top - down, bottom - down, left - across, right - across)
        self.computed = Block(
            min(image.top, requested.top),
            max(image.bottom, requested.bottom),
            min(image.left, requested.left),
            max(image.right, requested.right),
        )
        # Where the inner block lies among the pixels that are computed.
        above, before = self.computed.top, self.computed.left
        self._image = Block(
            image.top - above, image.bottom - above, image.left - before, image.right - before
        )

    @property
    def windows(self) -> Windows | None:
        """The part of the image's planes that they depend on; None: nothing of it is visible."""
        return None if self.inner is None else self.inner.windows

    def put(self, pixels: Image, out: Image) -> None:
        """Fill an array of the computed pixels, (channels, ..., rows, cols), and copy pixels in."""
        np.moveaxis(out, 0, -1)[...] = self._fill
        top, bottom, left, right = self._image
        out[..., top:bottom, left:right] = pixels

    def band_height(self, threads: int) -> int:
        """Return how many of the block's rows a task computes."""
        if self.inner is None or isinstance(self.inner, CopiedBlock):
            return self.computed.shape[0]
        return self.inner.band_height(threads)

    def band_writer(
        self, planes: Image, alpha_levels: tuple[float, float] | None, threads: int
    ) -> FramedBand:
        """Prepare planes, cut to the windows; see `OutputBlock`."""
        if self.inner is None or isinstance(self.inner, CopiedBlock):
            raise ValueError("nothing of the image is resampled in the block")
        writer = self.inner.band_writer(planes, alpha_levels, threads)
        return FramedBand(writer, self._image, self._fill)


class FramedBand:
    """Rows of an image within its frame; see `lerf_core.execution.context.BandWriter`.

    Parameters
    ----------
    writer : BandWriter
        Of the image.
    image : Block
        Where it lies among the pixels that are computed.
    fill : tuple of float
        One for each channel.
    """

    def __init__(self, writer: BandWriter, image: Block, fill: tuple[float, ...]) -> None:
        self._writer, self._image, self._fill = writer, image, fill

    def write(self, top: int, bottom: int, out: Image) -> None:
        """Compute rows top..bottom-1 of the block into an array of (channels, rows, cols)."""
        first, stop = max(top, self._image.top), min(bottom, self._image.bottom)
        left, right = self._image.left, self._image.right
        if (first, stop, left, right) != (top, bottom, 0, out.shape[2]):
            np.moveaxis(out, 0, -1)[...] = self._fill
        if first < stop:
            rows = (first - self._image.top, stop - self._image.top)
            self._writer.write(*rows, out[:, first - top : stop - top, left:right])
