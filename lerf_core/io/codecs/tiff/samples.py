"""What the stored values of a TIFF page mean, and the pixels that they become.

One rule for whole pages and for regions: depth, white at 0, palettes, YCbCr, signed colours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError
from lerf_core.io.codecs.tiff import codes
from lerf_core.io.codecs.tiff.decoding import bits_of, decodes_to_rgb, dtype_of
from lerf_core.io.codecs.tiff.imagej import is_display_ramp
from lerf_core.io.codecs.tiff.tags import layout_of, palette_of, photometric_of, signs_moved
from lerf_core.io.formats import GREY, GREY_ALPHA, MULTI, RGB
from lerf_core.io.pixels.depth import dtype_of_bits, expanded, expansion_note

if TYPE_CHECKING:
    import tifffile

    Page = tifffile.TiffPage

__all__ = ["Samples"]


# Pixels that are converted at once, for the memory of their floats.
_BLOCK = 1 << 18


@dataclass(frozen=True)
class _YCbCr:
    """From the codes of YCbCr to RGB.

    Attributes
    ----------
    luma : (red, green, blue)
        Shares of the colours in the brightness.
    black, white : (Y, Cb, Cr)
        Codes of no and of full brightness; of no colour and of full colour.
    top : float
        Greatest value of a sample.
    """

    luma: tuple[float, ...]
    black: tuple[float, ...]
    white: tuple[float, ...]
    top: float

    @classmethod
    def of(cls, page: Page, top: int) -> _YCbCr:
        """Read the tags of a page, with TIFF's defaults where they are missing or damaged."""
        luma = _numbers(page, codes.YCBCR_COEFFICIENTS, 3)
        if luma is None or not all(0 < share < 1 for share in luma):
            luma = (0.299, 0.587, 0.114)
        pairs = _numbers(page, codes.REFERENCE_BLACK_WHITE, 6)
        if pairs is None or any(low >= high for low, high in zip(*[iter(pairs)] * 2, strict=True)):
            middle = (top + 1) // 2
            pairs = (0, top, middle, top, middle, top)
        return cls(luma, pairs[::2], pairs[1::2], float(top))

    def rgb(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the RGB of (..., 3) codes, in their dtype."""
        codes_of_pixels = values.reshape(-1, 3)
        out = np.empty(codes_of_pixels.shape, values.dtype)
        for first in range(0, len(out), _BLOCK):
            block = slice(first, first + _BLOCK)
            out[block] = self._rgb(codes_of_pixels[block])
        return out.reshape(values.shape)

    def _rgb(self, values: NDArray[Any]) -> NDArray[Any]:
        half = self.top // 2
        spans = (self.top, half, half)
        y, cb, cr = (
            (values[..., at].astype(np.float32) - black) * np.float32(span / (white - black))
            for at, (black, white, span) in enumerate(
                zip(self.black, self.white, spans, strict=True)
            )
        )
        red_share, green_share, blue_share = self.luma
        red = cr * (2 - 2 * red_share) + y
        blue = cb * (2 - 2 * blue_share) + y
        green = (y - blue_share * blue - red_share * red) / green_share
        return np.asarray(np.rint(np.clip(np.stack([red, green, blue], axis=-1), 0, self.top)))


def _numbers(page: Page, code: int, count: int) -> tuple[float, ...] | None:
    """Return a tag's rational numbers, None where they are missing or damaged."""
    tag = page.tags.get(code)
    value = tag.value if tag is not None else None
    if not isinstance(value, tuple) or len(value) not in {count, 2 * count}:
        return None
    try:
        numbers = [float(number) for number in value]
        if len(numbers) == count:
            return tuple(numbers)
        return tuple(number / divisor for number, divisor in zip(*[iter(numbers)] * 2, strict=True))
    except (TypeError, ValueError, ZeroDivisionError):
        return None


@dataclass(frozen=True)
class Samples:
    """How the values of a page become pixels.

    Attributes
    ----------
    layout : str
        Of the pixels, see :mod:`lerf_core.io.formats`.
    dtype : numpy.dtype
    channels : int
        Samples of a pixel; 0 where pixels have no axis for them.
    is_premultiplied : bool
    bits : int or None
        Bits per sample of the file, the most of all samples, where they are not the dtype's.
    notes : tuple of str
    mixes : bool
        Whether a sample of the result needs others, or knows which one it is.
    """

    layout: str
    dtype: np.dtype[Any]
    channels: int
    is_premultiplied: bool
    bits: int | None
    notes: tuple[str, ...]
    palette: NDArray[np.uint8] | None
    _widths: tuple[int, ...]
    _expands: bool
    _inverts: bool
    # How many samples are inverted where it is not all of them, else 0.
    _inverted_samples: int
    _ycbcr: _YCbCr | None
    _moves_signs: bool

    @classmethod
    def of(cls, page: Page, *, labels: bool = False) -> Samples:
        """Read the tags of a page.

        Parameters
        ----------
        page : tifffile.TiffPage
        labels : bool, optional
            Leave depth, palette indices and colours as they are stored.

        Raises
        ------
        FileError
            If a palette is missing, or pixels are of an unknown kind.
        """
        stored, widths = dtype_of(page), bits_of(page)
        if stored is None or stored.kind not in "biuf":
            kind = f"{stored} values" if stored is not None else f"{page.bitspersample} bits"
            raise FileError(f"TIFF of {kind} is not supported: integers and real numbers are")
        photometric, samples = photometric_of(page), len(widths)
        layout, is_premultiplied = layout_of(page)
        channels = samples if "S" in page.axes else 0
        is_unsigned = stored.kind in "bu"
        is_indexed = photometric == codes.PALETTE and is_unsigned
        if is_indexed and not labels and is_display_ramp(page):
            is_indexed, layout = False, GREY
        notes: tuple[str, ...] = ()
        dtype, palette, ycbcr, expands = stored, None, None, False
        if is_indexed:
            palette = _whole_palette(palette_of(page), 2 ** widths[0])
            if not labels:
                layout = RGB if samples == 1 else layout
                dtype, channels = np.dtype(np.uint8), samples + 2
                notes += _palette_notes(page)
            elif stored.itemsize == 1 and samples == 1:
                dtype = np.dtype(np.uint8)
            else:
                layout, palette = GREY if samples == 1 else MULTI, None
                notes += ("palette left out: its indices are kept",)
        elif is_unsigned and not labels:
            expands = any(width != 8 * stored.itemsize for width in widths)
            if expands:
                dtype = np.dtype(np.uint8) if stored == np.bool_ else stored
                notes += (_expansion_note(widths, samples, dtype),)
            if samples >= len("YCC") and _is_ycbcr(page):
                ycbcr = _YCbCr.of(page, int(np.iinfo(dtype).max))
        bits = max(widths) if expands and palette is None else None
        return cls(
            layout, dtype, channels, is_premultiplied, bits, notes, palette, widths, expands,
            is_unsigned and photometric == codes.MINISWHITE,
            int(samples > 1 and (layout == GREY_ALPHA or len(page.extrasamples) > 0)), ycbcr,
            photometric == codes.CIELAB and is_unsigned and samples >= len("Lab"),
        )  # fmt: skip

    def apart(self) -> Samples:
        """Return the same for samples that are images of their own, such as channels of LSM."""
        return replace(
            self, layout=GREY, channels=0, is_premultiplied=False, _inverted_samples=0,
            _ycbcr=None, _moves_signs=False,
        )  # fmt: skip

    def nodata(self, stored: float | None) -> tuple[float | None, tuple[str, ...]]:
        """Return the value of missing pixels by that of stored ones, and a note if there is none.

        Parameters
        ----------
        stored : float or None
            Where pixels are as they are stored, it may be one that they cannot have.
        """
        is_indexed = self.palette is not None and self.channels > 0
        if stored is None or not (is_indexed or self._ycbcr or self._expands or self._inverts):
            return stored, ()
        width = self._widths[0]
        if not 0 <= stored < 2**width or stored != int(stored):
            return None, (f"missing value {stored:g} left out: samples have {width} bits",)
        if is_indexed or self._ycbcr is not None:
            kind = "an index of the palette" if is_indexed else "a code of YCbCr"
            return None, (f"missing value {stored:g}, {kind}, is not obeyed",)
        is_flag = width == 1 and self.dtype.itemsize == 1
        dtype = np.dtype(np.bool_) if is_flag else dtype_of_bits(max(self._widths))
        pixel = self._pixels(np.full((1, 1, len(self._widths)), int(stored), dtype))
        return int(pixel.flat[0]), ()

    @property
    def mixes(self) -> bool:
        """See the class."""
        return (
            (self.palette is not None and self.channels > 0)
            or self._ycbcr is not None
            or self._moves_signs
            or self._inverted_samples > 0
            or len(set(self._widths)) > 1
        )

    def pixels(self, values: NDArray[Any], axis: int | None = None) -> NDArray[Any]:
        """Return pixels.

        Parameters
        ----------
        values : array
            As they are stored. Where the samples mix, all of a pixel's.
        axis : int, optional
            Of the samples. Where there is none, but in the pixels, it is their last one.
        """
        if axis is None or not self.mixes:
            return np.ascontiguousarray(self._pixels(values))
        return np.ascontiguousarray(
            np.moveaxis(self._pixels(np.moveaxis(values, axis, -1)), -1, axis)
        )

    def _pixels(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return pixels of values whose samples lie on the last axis."""
        if self._inverts:
            values = self._inverted(values)
        if self.palette is not None:
            return self._indexed(values)
        if self._expands:
            values = self._expanded(values)
        if self._ycbcr is not None:
            colours = self._ycbcr.rgb(values[..., :3])
            values = np.concatenate([colours, values[..., 3:]], axis=-1)
        return signs_moved(values) if self._moves_signs else values

    def _inverted(self, values: NDArray[Any]) -> NDArray[Any]:
        if values.dtype == np.bool_ and not self._inverted_samples:
            return np.asarray(~values)
        top = values.dtype.type(2 ** self._widths[0] - 1)
        if not self._inverted_samples:
            inverted: NDArray[Any] = (values & top) ^ top
            return inverted
        values = values.copy()
        values[..., 0] = values[..., 0] ^ top
        return values

    def _expanded(self, values: NDArray[Any]) -> NDArray[Any]:
        if len(set(self._widths)) == 1:
            return _spread(values, self._widths[0], self.dtype)
        planes = [
            _spread(values[..., at], width, self.dtype) for at, width in enumerate(self._widths)
        ]
        return np.stack(planes, axis=-1)

    def _indexed(self, values: NDArray[Any]) -> NDArray[Any]:
        table: NDArray[np.uint8] = self.palette  # type: ignore[assignment]
        if not self.channels:
            return values.astype(self.dtype)
        if len(self._widths) == 1 and self.channels == len("RGB"):
            return np.asarray(table[values.astype(np.intp)])
        colours = table[values[..., 0].astype(np.intp)]
        further = [
            _spread(values[..., at], self._widths[at], self.dtype)[..., np.newaxis]
            for at in range(1, len(self._widths))
        ]
        return np.concatenate([colours, *further], axis=-1)


def _is_ycbcr(page: Page) -> bool:
    """Whether the decoded values of a page are YCbCr."""
    if int(page.compression) == codes.JPEG2000_YCBCR:
        return True
    return int(page.photometric) == codes.YCBCR and not decodes_to_rgb(page)


def _expansion_note(widths: tuple[int, ...], samples: int, dtype: np.dtype[Any]) -> str:
    if set(widths) == {1} and samples == 1:
        return "1-bit expanded to 8-bit grey"
    if len(set(widths)) == 1:
        return expansion_note(2 ** widths[0] - 1, dtype)
    return f"samples of {', '.join(map(str, widths))} bits expanded to {8 * dtype.itemsize} bits"


def _whole_palette(table: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Return a palette with a colour for every index, black where the file has none."""
    missing = max(0, count - len(table))
    return np.pad(table, [(0, missing), (0, 0)]) if missing else table


def _palette_notes(page: Page) -> tuple[str, ...]:
    table = np.asarray(page.colormap)
    notes: tuple[str, ...] = ("palette expanded to RGB",)
    low, high = table & 255, table >> 8
    if high.any() and (low != high).any() and low.any():
        notes += ("16-bit colours of the palette cut to 8 bits",)
    return notes


def _spread(values: NDArray[Any], bits: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return values of some bits spread over the full range of an unsigned dtype."""
    top = 2**bits - 1
    if values.dtype == np.bool_:
        return expanded(values.astype(np.uint8), top, dtype)
    # Damaged data may hold more than its bits, and so do predicted values.
    return expanded(values & values.dtype.type(top), top, dtype)
