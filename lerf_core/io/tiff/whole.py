"""TIFF files read and written whole: every depth and every page."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from lerf_core.errors import FileError
from lerf_core.io.codec import Header, OpenFile
from lerf_core.io.formats import PALETTE, RGB
from lerf_core.io.guards import check_pixels
from lerf_core.io.image import DecodedImage, Pixels
from lerf_core.io.tiff import codes
from lerf_core.io.tiff.directories import link_directories, metadata_keywords, metadata_of
from lerf_core.io.tiff.tags import (
    details_of,
    inverted,
    is_inverted,
    is_jpeg,
    layout_keywords,
    layout_of,
    orientation_of,
    palette_of,
)

if TYPE_CHECKING:
    import tifffile

    Page = tifffile.TiffPage

__all__ = ["read", "read_header", "write"]

_PAGE_AXES = {"YX", "YXS", "SYX"}
# Above this, offsets of the classic format may not suffice.
_CLASSIC_LIMIT = 3_900_000_000


# -- reading ------------------------------------------------------------------------------


def read_header(file: OpenFile) -> Header:
    """Return the upright shape of the first page, and the number of pages."""
    import tifffile

    with tifffile.TiffFile(file.rewound()) as handle:
        pages, _ = _full_pages(handle)
        rows, cols = pages[0].imagelength, pages[0].imagewidth
        frames = max(_planes_behind(handle, pages), len(pages))
        return Header("TIFF", (rows, cols), frames).turned_upright(orientation_of(pages[0]))


def read(file: OpenFile, max_pixels: int, *, labels: bool = False) -> DecodedImage:
    """Read all pages of a TIFF; see `lerf_core.io.codec.Codec.read`."""
    import tifffile

    stream = file.rewound()
    with tifffile.TiffFile(stream) as handle:
        pages, reduced_count = _full_pages(handle)
        first, planes = pages[0], _planes_behind(handle, pages)
        check_pixels(
            sum(page.imagelength * page.imagewidth for page in pages) * max(1, planes),
            max_pixels, "claims",
        )  # fmt: skip
        _check_complete(handle, pages)
        layout, is_premultiplied = layout_of(first)
        if planes:
            stored = list(handle.series[0].asarray().reshape(planes, *first.shape))
            pages = [first] * planes
        else:
            stored = [_page_pixels(stream, page) for page in pages]
        _check_alike(pages, stored)
        notes: tuple[str, ...] = ()
        if reduced_count:
            notes += (f"{reduced_count} reduced copies in the file left out",)
        palette = palette_of(first) if layout == PALETTE else None
        if palette is not None and not labels:
            layout, palette = RGB, None
            notes += ("palette expanded to RGB",)
        if stored[0].dtype == np.bool_ and not labels:
            notes += ("1-bit expanded to 8-bit grey",)
        metadata, troubles = metadata_of(first)
        return DecodedImage(
            [
                _interpreted(page, pixels, labels=labels)
                for page, pixels in zip(pages, stored, strict=True)
            ],
            layout,
            "TIFF",
            metadata,
            notes + troubles,
            premultiplied=is_premultiplied,
            palette=palette,
            lossless=first.compression not in {codes.OLD_JPEG, 7},
            details=details_of(first),
        ).turned_upright(orientation_of(first))


def _full_pages(handle: tifffile.TiffFile) -> tuple[list[Page], int]:
    """Return the pages that are no reduced copies, and the number of those that are."""
    every = [page.aspage() for page in handle.pages]
    if not every:
        raise FileError("holds no image, or its end is missing")
    full = [page for page in every if not page.is_reduced] or every[:1]
    for page in full:
        if page.imagelength < 1 or page.imagewidth < 1:
            raise FileError("declares an image without pixels")
        if getattr(page, "imagedepth", 1) > 1 or page.axes not in _PAGE_AXES:
            raise FileError(f"a page with axes {page.axes} is not supported: only planes are")
    return full, len(every) - len(full)


def _planes_behind(handle: tifffile.TiffFile, pages: list[Page]) -> int:
    """Return the planes of a stack that lies behind a single page (ImageJ), or 0."""
    if len(pages) != 1 or not (handle.is_imagej or handle.is_shaped):
        return 0
    planes = handle.series[0].size // max(1, pages[0].size)
    return int(planes) if planes > 1 else 0


def _check_complete(handle: tifffile.TiffFile, pages: list[Page]) -> None:
    # Before decoding, and in plainer words than the decoders have.
    size = handle.filehandle.size
    for page in pages:
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            if offset + count > size:
                raise FileError("damaged: the file ends before its pixels do")
        if not page.dataoffsets:
            raise FileError("damaged: no pixels in the file")


def _check_alike(pages: list[Page], stored: list[Pixels]) -> None:
    for page, pixels in zip(pages, stored, strict=True):
        if pixels.shape[:2] != (page.imagelength, page.imagewidth):
            raise FileError("damaged: a page without all of its pixels")
        if layout_of(page) != layout_of(pages[0]) or pixels.dtype != stored[0].dtype:
            raise FileError("its pages differ in kind of pixels: split the file first")


def _page_pixels(stream: BinaryIO, page: Page) -> Pixels:
    """Decode a page: (rows, cols) or (rows, cols, channels), as its values are stored."""
    if page.dtype is not None and page.dtype.kind == "c":
        raise FileError("complex pixels are not supported")
    if _is_for_libtiff(page):
        return _by_libtiff(stream, page)
    pixels: Pixels = page.asarray()
    return np.moveaxis(pixels, 0, -1) if page.axes == "SYX" else pixels


def _is_for_libtiff(page: Page) -> bool:
    """Whether a page is stored in a way that tifffile has no decoder for."""
    import tifffile

    if page.compression == codes.OLD_JPEG or (
        int(page.photometric) == codes.YCBCR and not is_jpeg(page)
    ):
        return True
    try:
        return tifffile.TIFF.DECOMPRESSORS[page.compression] is None
    except KeyError:
        return True


def _by_libtiff(stream: BinaryIO, page: Page) -> Pixels:
    """Decode a page by Pillow's libtiff, or say that nothing here can."""
    try:
        stream.seek(0)
        image = Image.open(stream)
        image.seek(page.index)
        with _libtiff_silenced():
            image.load()
        pixels = np.array(image)
    except (UnidentifiedImageError, KeyError, ValueError):
        pixels = None
    if pixels is None or pixels.shape != page.shape or pixels.dtype != page.dtype:
        kind = getattr(page.compression, "name", str(page.compression))
        raise FileError(f"TIFF compression {kind} of {page.dtype} pixels is not supported")
    return pixels


@contextmanager
def _libtiff_silenced() -> Iterator[None]:
    """Hold back what libtiff prints by itself: the error that follows says it in one line."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a path
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _interpreted(page: Page, pixels: Pixels, *, labels: bool) -> Pixels:
    """Apply what the photometric tag says: inverted grey, palettes, 1-bit."""
    if is_inverted(page):
        pixels = inverted(pixels)
    if labels:
        return np.ascontiguousarray(pixels)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if layout_of(page)[0] == PALETTE:
        return palette_of(page)[pixels]
    return np.ascontiguousarray(pixels)


# -- writing ------------------------------------------------------------------------------


def write(stream: BinaryIO, image: DecodedImage) -> None:
    """Write all frames of an image as pages of a TIFF.

    Parameters
    ----------
    stream : binary file
        Readable too: EXIF directories are linked after the pages are written.
    image : DecodedImage
    """
    import tifffile

    is_big = sum(frame.nbytes for frame in image.frames) > _CLASSIC_LIMIT
    words, block = metadata_keywords(image.metadata, is_bigtiff=is_big)
    layout = _layout_keywords(image)
    with tifffile.TiffWriter(stream, bigtiff=is_big) as writer:
        for frame in image.frames:
            writer.write(frame, metadata=None, **words, **layout)
            # What describes the file stands at its first page alone.
            words |= {"description": None, "extratags": ()}
    link_directories(stream, block)


def _layout_keywords(image: DecodedImage) -> dict[str, Any]:
    frame = image.frames[0]
    channels = 1 if frame.ndim == 2 else frame.shape[2]
    keywords = layout_keywords(
        image.layout, channels, image.details, premultiplied=image.premultiplied, separate=False
    )
    if image.layout == PALETTE and image.palette is not None:
        table = np.zeros((3, 256), np.uint16)
        table[:, : len(image.palette)] = image.palette.T.astype(np.uint16) * 257
        keywords |= {"photometric": "palette", "colormap": table}
    if image.details.get("compression") != "none" and image.dtype != np.bool_:
        keywords["compression"] = "zlib"
        if image.dtype.kind in "iu":
            keywords["predictor"] = True
    return keywords
