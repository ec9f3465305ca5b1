"""TIFF files read and written whole: every depth and every page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.codec import Header, OpenFile
from lerf_core.io.codecs.tiff import codes
from lerf_core.io.codecs.tiff.decoding import is_for_libtiff, page_values
from lerf_core.io.codecs.tiff.directories import (
    link_directories,
    metadata_keywords,
    metadata_of,
    order_for,
    page_keywords,
    page_of,
    reserve_note,
)
from lerf_core.io.codecs.tiff.geo import geo_tags, neighbour_notes
from lerf_core.io.codecs.tiff.masks import (
    MASK_KEYWORDS,
    has_mask,
    page_masks,
    with_masks,
    without_masks,
)
from lerf_core.io.codecs.tiff.opening import opened_tiff
from lerf_core.io.codecs.tiff.samples import Samples
from lerf_core.io.codecs.tiff.tags import (
    details_of,
    has_signed_colours,
    layout_keywords,
    orientation_of,
    palette_keywords,
    signs_moved,
)
from lerf_core.io.formats import LAB, MULTI, PALETTE
from lerf_core.io.guards import check_samples
from lerf_core.io.image import DecodedImage, Pixels
from lerf_core.io.metadata.model import Metadata

if TYPE_CHECKING:
    import tifffile

    Page = tifffile.TiffPage

__all__ = ["read", "read_header", "write"]

_PAGE_AXES = {"YX", "YXS", "SYX"}
# Above this, offsets of the classic format may not suffice.
_CLASSIC_LIMIT = 3_900_000_000


# -- reading ------------------------------------------------------------------------------


def read_header(file: OpenFile, max_pixels: int) -> Header:
    """Return the upright shape of the first page, and the number of pages."""
    with opened_tiff(file.rewound()) as opened:
        handle = opened.handle
        pages, _ = page_masks(_full_pages(handle, max_pixels)[0])
        rows, cols = pages[0].imagelength, pages[0].imagewidth
        frames = max(_planes_behind(handle, pages), len(pages))
        return Header("TIFF", (rows, cols), frames).turned_upright(orientation_of(pages[0]))


def read(file: OpenFile, max_pixels: int, *, labels: bool = False) -> DecodedImage:
    """Read all pages of a TIFF; see `lerf_core.io.codec.Codec.read`."""
    stream = file.rewound()
    with opened_tiff(stream) as opened:
        handle = opened.handle
        pages, reduced_count = _full_pages(handle, max_pixels)
        pages, masks = page_masks(pages)
        planes = _planes_behind(handle, pages)
        if planes:
            check_samples(
                pages[0].imagelength * pages[0].imagewidth * planes, pages[0].samplesperpixel,
                max_pixels, "claims",
            )  # fmt: skip
        _check_complete(handle, [*pages, *(mask for mask in masks if mask is not None)])
        runs: list[DecodedImage] = []
        for page, mask in zip(pages, masks, strict=True):
            values = _stack_behind(handle, page, planes) if planes else [page_values(stream, page)]
            valid = None if mask is None or planes else page_values(stream, mask)
            _append(runs, _page_image(page, values, valid, labels=labels))
        reduced_below, images_below = _below(pages)
        reduced_count += reduced_below
        beside = neighbour_notes(handle.filehandle.path, runs[0].metadata.georeference)
    notes = opened.notes
    if images_below:
        notes += (f"{images_below} images below its pages (SubIFDs) left out",)
    if reduced_count:
        notes += (f"{reduced_count} reduced copies in the file left out",)
    told = dict.fromkeys(note for image in runs for note in image.notes)
    runs = _without_usual_pages(runs)
    return replace(runs[0], notes=(*notes, *told, *beside), further=tuple(runs[1:]))


def _stack_behind(handle: tifffile.TiffFile, page: Page, planes: int) -> list[Pixels]:
    stack = handle.series[0].asarray().reshape(planes, *page.shape)
    return list(np.moveaxis(stack, 1, -1) if page.axes == "SYX" else stack)


def _page_image(
    page: Page, values: list[Pixels], mask: Pixels | None, *, labels: bool
) -> DecodedImage:
    """Return a page, or a stack of planes like it, as an image of its own, upright."""
    samples = Samples.of(page, labels=labels)
    frames = [samples.pixels(plane) for plane in values]
    if frames[0].shape[:2] != (page.imagelength, page.imagewidth):
        raise FileError("damaged: a page without all of its pixels")
    metadata, troubles = metadata_of(page)
    metadata = replace(metadata, pages=(page_of(page),) * len(frames))
    nodata, unheard = samples.nodata(metadata.nodata)
    image = DecodedImage(
        frames,
        samples.layout,
        "TIFF",
        replace(metadata, bits=samples.bits, nodata=nodata),
        samples.notes + troubles + unheard,
        premultiplied=samples.is_premultiplied,
        palette=samples.palette if labels else None,
        lossless=page.compression not in {codes.OLD_JPEG, codes.NEW_JPEG},
        details=details_of(page),
    )
    if mask is not None:
        image = with_masks(image, [mask])
    return image.turned_upright(orientation_of(page))


def _append(runs: list[DecodedImage], image: DecodedImage) -> None:
    """Add a page to the run of pages of its kind, or begin one."""
    if runs and _kind_of(runs[-1]) == _kind_of(image):
        runs[-1].frames.extend(image.frames)
        pages = runs[-1].metadata.pages + image.metadata.pages
        runs[-1] = replace(runs[-1], metadata=replace(runs[-1].metadata, pages=pages))
        runs[-1] = runs[-1].noted(*(note for note in image.notes if note not in runs[-1].notes))
    else:
        runs.append(image)


def _without_usual_pages(runs: list[DecodedImage]) -> list[DecodedImage]:
    """Return the pages' images; what all pages say alike is the file's, and no page's own."""
    pages = [page for run in runs for page in run.metadata.pages]
    plain = {replace(page, texts=()) for page in pages}
    is_plain = len(plain) == 1 and not (pages[0].name or pages[0].number)
    if len(pages) == 1:
        is_plain = not (pages[0].name or pages[0].number)
    elif is_plain:
        is_plain = all(page.texts in {(), pages[0].texts} for page in pages)
    if not is_plain:
        return runs
    return [replace(run, metadata=replace(run.metadata, pages=())) for run in runs]


def _kind_of(image: DecodedImage) -> tuple[Any, ...]:
    """Return what pages have in common that are processed and written alike."""
    palette = None if image.palette is None else image.palette.tobytes()
    return (
        image.layout, image.dtype, image.frames[0].shape[2:], image.premultiplied, palette,
        image.metadata.icc, repr(image.metadata.nodata), image.metadata.georeference,
        image.shape if image.metadata.georeference is not None else None,
        bool(image.details.get("mask")),
        image.details["photometric"] if image.layout in {LAB, MULTI} else None,
    )  # fmt: skip


def _full_pages(handle: tifffile.TiffFile, max_pixels: int) -> tuple[list[Page], int]:
    """Return the pages that are no reduced copies, and the number of those that are."""
    full: list[Page] = []
    reduced: list[Page] = []
    pixels = 0
    for item in handle.pages:
        page = item.aspage()
        if page.is_reduced:
            reduced.append(page)
            continue
        full.append(page)
        # Before more of them are looked at: a file may have any number.
        pixels += page.imagelength * page.imagewidth
        check_samples(pixels, page.samplesperpixel, max_pixels, "claims")
    if not full and not reduced:
        raise FileError("holds no image, or its end is missing")
    if not full:
        full = [reduced.pop(0)]
    for page in full:
        if page.imagelength < 1 or page.imagewidth < 1:
            raise FileError("declares an image without pixels")
        if getattr(page, "imagedepth", 1) > 1 or page.axes not in _PAGE_AXES:
            raise FileError(f"a page with axes {page.axes} is not supported: only planes are")
    return full, len(reduced)


def _below(pages: list[Page]) -> tuple[int, int]:
    """Return the numbers of reduced copies and of other images in directories below the pages."""
    reduced = others = 0
    for page in pages:
        for at in range(len(page.subifds or ())):
            try:
                is_reduced = page.pages[at].aspage().is_reduced  # type: ignore[index]
            except Exception:  # noqa: BLE001 - what is left out may be damaged in any way
                is_reduced = False
            reduced += is_reduced
            others += not is_reduced
    return reduced, others


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
        if not page.dataoffsets:
            raise FileError("damaged: no pixels in the file")
        counts = (page.nbytes,) if page.is_contiguous else page.databytecounts
        for offset, count in zip(page.dataoffsets, counts, strict=False):
            if offset + count > size:
                raise FileError("damaged: the file ends before its pixels do")
        have, wanted = min(len(page.dataoffsets), len(page.databytecounts)), prod(page.chunked)
        # What lies in one piece, or is libtiff's, needs no more than its beginning.
        if have < wanted and not (page.is_contiguous or is_for_libtiff(page)):
            raise FileError(f"damaged: it has {have} strips or tiles of {wanted}")


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

    is_big = sum(frame.nbytes for run in image.runs for frame in run.frames) > _CLASSIC_LIMIT
    order = order_for(image.metadata)
    words, blocks = metadata_keywords(image.metadata, is_bigtiff=is_big, order=order)
    is_first = True
    with tifffile.TiffWriter(stream, bigtiff=is_big, byteorder=order) as writer:
        reserve_note(stream, blocks)
        for run in image.runs:
            colours, masks = (
                without_masks(run) if has_mask(run.layout, run.details) else (run, None)
            )
            layout = _layout_keywords(colours)
            if run is not image:
                own, _ = metadata_keywords(run.metadata, is_bigtiff=is_big, order=order)
                # What describes the file stands at its first page alone; places do at each.
                words = {**own, "description": None, "extratags": _place_tags(run.metadata)}
            pages = zip_longest(_stored_frames(colours), run.metadata.pages)
            for number, (frame, page) in enumerate(pages):
                own = {} if page is None else page_keywords(page, is_first=is_first)
                tags = [*words["extratags"], *own.pop("extratags", ())]
                writer.write(frame, metadata=None, **{**words, **own, "extratags": tags}, **layout)
                words |= {"description": None, "extratags": _place_tags(run.metadata)}
                is_first = False
                if masks is not None:
                    writer.write(masks[number], subfiletype=codes.MASK, **MASK_KEYWORDS)
    link_directories(stream, blocks, is_reserved=True)


def _place_tags(metadata: Metadata) -> list[Any]:
    return geo_tags(metadata.georeference, "", metadata.nodata)


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
        keywords |= palette_keywords(image.palette, image.dtype)
    if image.details.get("compression") != "none" and image.dtype != np.bool_:
        keywords["compression"] = "zlib"
        if image.dtype.kind in "iu":
            keywords["predictor"] = True
    return keywords
