"""TIFF files read and written whole: every depth and every page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.codec import Header, OpenFile
from lerf_core.io.formats import PALETTE
from lerf_core.io.guards import check_pixels
from lerf_core.io.image import DecodedImage, Pixels
from lerf_core.io.tiff import codes
from lerf_core.io.tiff.decoding import page_values
from lerf_core.io.tiff.directories import link_directories, metadata_keywords, metadata_of
from lerf_core.io.tiff.opening import opened_tiff
from lerf_core.io.tiff.samples import Samples, signs_moved
from lerf_core.io.tiff.tags import details_of, has_signed_colours, layout_keywords, orientation_of

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
    with opened_tiff(file.rewound()) as opened:
        handle = opened.handle
        pages, _ = _full_pages(handle)
        rows, cols = pages[0].imagelength, pages[0].imagewidth
        frames = max(_planes_behind(handle, pages), len(pages))
        return Header("TIFF", (rows, cols), frames).turned_upright(orientation_of(pages[0]))


def read(file: OpenFile, max_pixels: int, *, labels: bool = False) -> DecodedImage:
    """Read all pages of a TIFF; see `lerf_core.io.codec.Codec.read`."""
    stream = file.rewound()
    with opened_tiff(stream) as opened:
        handle = opened.handle
        pages, reduced_count = _full_pages(handle)
        first, planes = pages[0], _planes_behind(handle, pages)
        check_pixels(
            sum(page.imagelength * page.imagewidth for page in pages) * max(1, planes),
            max_pixels, "claims",
        )  # fmt: skip
        _check_complete(handle, pages)
        samples = [Samples.of(page, labels=labels) for page in pages]
        if planes:
            stored = list(handle.series[0].asarray().reshape(planes, *first.shape))
            pages, samples = [first] * planes, samples * planes
        else:
            stored = [page_values(stream, page) for page in pages]
        frames = [kind.pixels(values) for kind, values in zip(samples, stored, strict=True)]
        del stored
        _check_alike(pages, samples, frames)
        notes = opened.notes
        if reduced_count:
            notes += (f"{reduced_count} reduced copies in the file left out",)
        metadata, troubles = metadata_of(first)
        return DecodedImage(
            frames,
            samples[0].layout,
            "TIFF",
            replace(metadata, bits=samples[0].bits),
            notes + samples[0].notes + troubles,
            premultiplied=samples[0].is_premultiplied,
            palette=samples[0].palette if labels else None,
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


def _check_alike(pages: list[Page], samples: list[Samples], frames: list[Pixels]) -> None:
    first = samples[0]
    for page, kind, frame in zip(pages, samples, frames, strict=True):
        if frame.shape[:2] != (page.imagelength, page.imagewidth):
            raise FileError("damaged: a page without all of its pixels")
        if (kind.layout, kind.is_premultiplied, kind.dtype) != (
            first.layout, first.is_premultiplied, first.dtype
        ):  # fmt: skip
            raise FileError("its pages differ in kind of pixels: split the file first")


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
        for frame in _stored_frames(image):
            writer.write(frame, metadata=None, **words, **layout)
            # What describes the file stands at its first page alone.
            words |= {"description": None, "extratags": ()}
    link_directories(stream, block)


def _stored_frames(image: DecodedImage) -> Iterator[Pixels]:
    for frame in image.frames:
        channels = 1 if frame.ndim == 2 else frame.shape[2]
        is_signed = has_signed_colours(image.layout, channels, frame.dtype, image.details)
        yield signs_moved(frame) if is_signed else frame


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
