"""What the tags of a TIFF page mean: its channels, orientation, palette and resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.io.codecs.tiff import codes
from lerf_core.io.formats import (
    CMYK,
    GREY,
    GREY_ALPHA,
    LAB,
    MULTI,
    MULTI_ALPHA,
    PALETTE,
    RGB,
    RGBA,
)
from lerf_core.io.metadata import xmp

if TYPE_CHECKING:
    import tifffile

    Page = tifffile.TiffPage

__all__ = [
    "aspect_of",
    "details_of",
    "has_signed_colours",
    "layout_keywords",
    "layout_of",
    "orientation_of",
    "palette_keywords",
    "palette_of",
    "photometric_of",
    "resolution_of",
    "resolution_ratios",
    "signs_moved",
    "xmp_of",
]  # fmt: skip

_GREYS = frozenset({codes.MINISWHITE, codes.MINISBLACK, 32803, 32844, 32845, 34892})

_KNOWN_EXTRAS = frozenset({codes.UNSPECIFIED, codes.ASSOCIATED, codes.UNASSOCIATED})


def photometric_of(page: Page) -> int:
    """Return the photometric interpretation of a page: as stated, or what libtiff takes it for."""
    stated = int(page.photometric)
    if stated or codes.PHOTOMETRIC in page.tags:
        return stated
    if page.samplesperpixel - len(page.extrasamples) >= len("RGB"):
        return codes.RGB
    return codes.MINISWHITE if int(page.compression) in codes.FAX else codes.MINISBLACK


def layout_of(page: Page) -> tuple[str, bool]:
    """Return the layout of a page's pixels, and whether colours are multiplied by alpha.

    Palette indices have the layout ``P``.
    """
    samples, photometric = max(1, int(page.samplesperpixel)), photometric_of(page)
    extras = [int(value) for value in page.extrasamples]
    # Some writers add a channel and say nothing of it: that is alpha in practice.
    is_alpha = extras in ([], [codes.ASSOCIATED], [codes.UNASSOCIATED])
    is_associated = extras == [codes.ASSOCIATED]
    if photometric in _GREYS:
        layouts = {1: GREY, 2: GREY_ALPHA if is_alpha else MULTI}
        return layouts.get(samples, MULTI), is_associated
    if photometric in {codes.RGB, codes.YCBCR}:
        return {3: RGB, 4: RGBA if is_alpha else MULTI}.get(samples, MULTI), is_associated
    if photometric == codes.PALETTE:
        # Colours of a palette cannot be multiplied by the alpha beside them.
        layouts = {1: PALETTE, 2: RGBA if extras and is_alpha else MULTI}
        return layouts.get(samples, MULTI), False
    if photometric == codes.SEPARATED and samples == 4:
        return CMYK, False
    if photometric in codes.LABS and samples == 3:
        return LAB, False
    return (GREY, False) if samples == 1 else (MULTI, False)


def details_of(page: Page) -> dict[str, Any]:
    """Return how a page is stored, as far as a writer may want to keep it."""
    photometric = photometric_of(page)
    if photometric == codes.YCBCR or (photometric == codes.PALETTE and page.samplesperpixel > 1):
        photometric = codes.RGB  # once it is read
    return {
        "photometric": photometric,
        "compression": str(getattr(page.compression, "name", page.compression)).lower(),
        "extrasamples": tuple(
            value if value in _KNOWN_EXTRAS else codes.UNSPECIFIED
            for value in map(int, page.extrasamples)
        ),
    }


def layout_keywords(
    layout: str, channels: int, details: dict[str, Any], *, premultiplied: bool, separate: bool
) -> dict[str, Any]:
    """Return what tifffile is told about the channels of a page; the reverse of `layout_of`.

    Parameters
    ----------
    layout : str
        Of the pixels; palettes are the caller's.
    channels : int
    details : dict
        Of the source, which says what independent channels are.
    premultiplied : bool
        Whether colours are multiplied by alpha.
    separate : bool
        Whether each channel is a plane of its own.
    """
    keywords: dict[str, Any] = {"photometric": "minisblack"}
    if layout == CMYK:
        keywords["photometric"] = "separated"
    elif layout in {RGB, RGBA}:
        keywords["photometric"] = "rgb"
    elif layout in {MULTI, MULTI_ALPHA} and details.get("photometric", 1) in {
        codes.RGB, codes.SEPARATED, *codes.LABS
    }:  # fmt: skip
        keywords["photometric"] = details["photometric"]
    elif layout == LAB:
        kept = details.get("photometric")
        keywords["photometric"] = kept if kept in codes.LABS else codes.CIELAB
    if layout in {GREY_ALPHA, RGBA}:
        keywords["extrasamples"] = ["assocalpha" if premultiplied else "unassalpha"]
    elif layout in {MULTI, MULTI_ALPHA} and details.get("extrasamples"):
        keywords["extrasamples"] = details["extrasamples"]
    if layout == MULTI_ALPHA:
        # A mask that stays a channel.
        colours = 3 if details.get("photometric") == codes.RGB else 1
        unknown = keywords.get("extrasamples", (0,) * (channels - 1 - colours))
        keywords["extrasamples"] = [*unknown, codes.UNASSOCIATED]
    if channels > 1:
        keywords["planarconfig"] = "separate" if separate else "contig"
    return keywords


def palette_keywords(palette: NDArray[np.uint8], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return what tifffile is told of a page of indices into (n, 3) colours."""
    table = np.zeros((3, 1 << (8 * dtype.itemsize)), np.uint16)
    table[:, : len(palette)] = palette.T.astype(np.uint16) * 257
    return {"photometric": "palette", "colormap": table}


def has_signed_colours(
    layout: str, channels: int, dtype: np.dtype[Any], details: dict[str, Any]
) -> bool:
    """Whether pixels are written as CIELAB, whose a and b are signed within unsigned samples."""
    is_lab = details.get("photometric") == codes.CIELAB and layout in {LAB, MULTI}
    return is_lab and channels >= len("Lab") and dtype.kind == "u"


def orientation_of(page: Page) -> int:
    """Return a page's orientation, 1 to 8: by its tag, else its XMP, else 1."""
    tag = page.tags.get(codes.ORIENTATION)
    if tag is not None and tag.value in range(1, 9):
        return int(tag.value)
    packet = xmp_of(page)
    return 1 if packet is None else xmp.orientation(packet)


def xmp_of(page: Page) -> bytes | None:
    """Return a page's XMP packet."""
    tag = page.tags.get(codes.XMP)
    value = tag.value if tag is not None else None
    if isinstance(value, str):
        return value.encode()
    return bytes(value) if isinstance(value, bytes) else None


def palette_of(page: Page) -> NDArray[np.uint8]:
    """Return a page's palette as (n, 3) 8-bit colours.

    Raises
    ------
    ValueError
        If it has none, or one that is damaged.
    """
    if page.colormap is None:
        raise ValueError("a palette image without its palette")
    table = np.asarray(page.colormap)
    if table.ndim != 2 or len(table) != len("RGB"):
        raise ValueError("a palette without all of its colours")
    # Some writers put 8-bit values into the 16-bit table.
    is_deep = table.max(initial=0) > 255
    return np.ascontiguousarray((table >> 8 if is_deep else table).astype(np.uint8).T)


def resolution_of(
    page: Page, steps: tuple[float, float] = (1.0, 1.0)
) -> tuple[float, float] | None:
    """Return pixels per inch as (x, y), as the pixels are stored.

    Parameters
    ----------
    page : tifffile.TiffPage
    steps : (row, col), optional
        Pixels of the page per pixel of the pyramid level that the resolution is meant for.
    """
    ratios = resolution_ratios(page)
    # Unit 1 means an aspect ratio, not a resolution.
    unit = page.tags.get(codes.RESOLUTION_UNIT)
    per_inch = {2: 1.0, 3: 2.54}.get(int(unit.value) if unit is not None else 2)
    if ratios is None or per_inch is None:
        return None
    return ratios[0] * per_inch / steps[1], ratios[1] * per_inch / steps[0]


def aspect_of(page: Page) -> tuple[float, float] | None:
    """Return resolutions (x, y) that have no unit and differ; None where there is no such thing."""
    unit, ratios = page.tags.get(codes.RESOLUTION_UNIT), resolution_ratios(page)
    is_bare = unit is not None and unit.value == 1
    return ratios if is_bare and ratios is not None and ratios[0] != ratios[1] else None


def resolution_ratios(page: Page) -> tuple[float, float] | None:
    """Return the resolution tags as (x, y), in whatever unit; None where they are damaged."""
    ratios = []
    for code in (codes.X_RESOLUTION, codes.Y_RESOLUTION):
        tag = page.tags.get(code)
        if tag is None or not isinstance(tag.value, tuple) or len(tag.value) != 2:
            return None
        numerator, denominator = tag.value
        if not numerator or not denominator:
            return None
        ratios.append(numerator / denominator)
    return ratios[0], ratios[1]


def signs_moved(pixels: NDArray[Any], axis: int = -1) -> NDArray[Any]:
    """Return CIELAB pixels whose a and b change between signed numbers and those from 0.

    TIFF stores them signed within unsigned samples; resampled, they must not wrap around.

    Parameters
    ----------
    pixels : unsigned integer array
        L, a, b and further samples along an axis; not changed.
    axis : int, optional
    """
    moved = np.moveaxis(pixels, axis, -1).copy()
    moved[..., 1:3] ^= pixels.dtype.type(1 << (8 * pixels.dtype.itemsize - 1))
    return np.moveaxis(moved, -1, axis)
