"""Internal masks, GDAL's way: a page of bits beside an image's tells which of its pixels are valid.

Read, a mask is the image's last channel, an opacity that is 0 or full; it is resampled as such, and
written as a page again where at least half is valid.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.io.codecs.tiff import codes
from lerf_core.io.formats import (
    GREY,
    GREY_ALPHA,
    MULTI_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    WITH_ALPHA,
    WITHOUT_ALPHA,
)
from lerf_core.io.pixels.opacity import opacity_of, valid_pixels

if TYPE_CHECKING:
    import tifffile

    from lerf_core.io.image import DecodedImage

__all__ = [
    "MASK_KEYWORDS", "has_mask", "is_mask", "mask_series", "masked_layout",
    "page_masks", "with_masks", "with_opacity", "without_masks",
]  # fmt: skip

Pixels = NDArray[Any]

#: What tifffile is told about a page that is a mask.
MASK_KEYWORDS: dict[str, Any] = {
    "photometric": "mask", "compression": "zlib", "software": False, "metadata": None,
}  # fmt: skip


# -- reading ------------------------------------------------------------------------------


def is_mask(page: Any) -> bool:
    """Whether a page says which pixels of another one are valid."""
    return bool(int(page.subfiletype) & codes.MASK) or int(page.photometric) == codes.MASK


def page_masks(
    pages: list[tifffile.TiffPage],
) -> tuple[list[tifffile.TiffPage], list[tifffile.TiffPage | None]]:
    """Return the pages that are no masks, and the mask of each; None where it has none.

    A mask is that of the last page before it of its size. Pages that are all masks are images.
    """
    images: list[tifffile.TiffPage] = []
    masks: list[tifffile.TiffPage | None] = []
    for page in pages:
        if not is_mask(page):
            images.append(page)
            masks.append(None)
            continue
        for number in reversed(range(len(images))):
            if _size(images[number]) == _size(page):
                masks[number] = masks[number] or page
                break
    return (images, masks) if images else (pages, [None] * len(pages))


def mask_series(
    every: list[tifffile.TiffPageSeries], series: int, level: int
) -> tuple[int, int] | None:
    """Return series and level of the masks of an image's pages at a level; None: it has none."""
    chosen = every[series].levels[level]
    if is_mask(chosen.keyframe):
        return None
    for number, other in enumerate(every):
        for at, masks in enumerate(other.levels):
            is_same = _size(masks.keyframe) == _size(chosen.keyframe) and len(masks) == len(chosen)
            if is_mask(masks.keyframe) and is_same:
                return number, at
    return None


def _size(page: Any) -> tuple[int, int]:
    return int(page.imagelength), int(page.imagewidth)


def masked_layout(layout: str, details: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the layout of pixels with a mask, and notes; set in the details what it became.

    Parameters
    ----------
    layout : str
        Of the pixels without it. Palette indices have no place for one.
    details : dict
        Of the image; changed.
    """
    if layout in WITH_ALPHA:
        return layout, ("internal mask merged into alpha",)
    if layout == PALETTE:
        return layout, ("internal mask left out: palette indices have no opacity",)
    details["mask"] = True
    masked = {GREY: GREY_ALPHA, RGB: RGBA}
    return masked.get(layout, MULTI_ALPHA), ()


def with_opacity(pixels: Pixels, opacity: Pixels, layout: str, axis: int) -> Pixels:
    """Return pixels with the opacity that a mask says.

    Parameters
    ----------
    pixels : ndarray
        With their channels along an axis.
    opacity : ndarray
        Of the pixels' dtype, with an axis of length 1 for its channel.
    layout : str
        Of the pixels without it: the last channel of those with alpha is made clear instead.
    axis : int
    """
    if layout not in WITH_ALPHA:
        return np.concatenate([pixels, opacity], axis=axis)
    pixels = pixels.copy()
    alpha = np.moveaxis(pixels, axis, -1)[..., -1]
    alpha[np.moveaxis(opacity, axis, -1)[..., 0] == 0] = 0
    return pixels


def with_masks(image: DecodedImage, masks: list[Pixels | None]) -> DecodedImage:
    """Return an image with the masks of its frames in their last channel.

    Parameters
    ----------
    image : DecodedImage
    masks : list of ndarray, (rows, cols), or None
        Per frame: 0 where pixels are not valid; None: all are.
    """
    details = dict(image.details)
    layout, notes = masked_layout(image.layout, details)
    frames = image.frames
    if layout != PALETTE:
        frames = [
            with_opacity(
                np.atleast_3d(frame),
                opacity_of(np.ones(frame.shape[:2]) if mask is None else mask, frame.dtype)[
                    ..., np.newaxis
                ],
                image.layout,
                2,
            )
            for frame, mask in zip(frames, masks, strict=True)
        ]
    return replace(image, frames=frames, layout=layout, details=details).noted(*notes)


# -- writing ------------------------------------------------------------------------------


def has_mask(layout: str | None, details: dict[str, Any]) -> bool:
    """Whether the opacity of pixels is to be written as a mask."""
    return bool(details.get("mask")) and layout in WITH_ALPHA


def without_masks(image: DecodedImage) -> tuple[DecodedImage, list[Pixels]]:
    """Return an image without its last channel, and that as a mask for each frame."""
    valid = [valid_pixels(frame[..., -1]) for frame in image.frames]
    is_grey = image.layout == GREY_ALPHA
    colours = image.mapped(
        lambda frame: frame[..., 0] if is_grey else frame[..., :-1],
        layout=WITHOUT_ALPHA[image.layout],
    )
    return colours, valid
