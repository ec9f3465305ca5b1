"""TIFF files: every depth, pages, profiles and EXIF, by tifffile with Pillow's libtiff behind it.

tifffile alone decodes what is stored plain or with Deflate, PackBits or LZMA; the other
compressions (LZW, JPEG, fax) go through libtiff. libtiff's 16-bit colour is read twice, as in
:mod:`lerf_core.io.png16`, since Pillow keeps one byte of two.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from lerf_core.errors import FileError, one_line
from lerf_core.io import exif
from lerf_core.io.formats import CMYK, GREY, GREY_ALPHA, MULTI, PALETTE, RGB, RGBA
from lerf_core.io.image import TURNED, DecodedImage, Metadata, Pixels, opaque_value

if TYPE_CHECKING:
    import tifffile

# Tags that describe the picture as a whole; the others describe this file's own layout.
_WORDS = {270, 271, 272, 305, 306, 315, 316, 33432}
_ICC, _XMP, _EXIF, _GPS, _ORIENTATION = 34675, 700, 34665, 34853, 274
_ASSOCIATED, _UNASSOCIATED = 1, 2
_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_PAGE_AXES = {"YX", "YXS", "SYX"}
# Above this, offsets of the classic format may not suffice.
_CLASSIC_LIMIT = 3_900_000_000


def is_tiff(head: bytes) -> bool:
    """Tell a TIFF or BigTIFF by its first bytes."""
    return head[:4] in _MAGIC


def read_header(file: BinaryIO) -> tuple[tuple[int, int], int]:
    """Return the upright shape of the first page, and the number of pages."""
    import tifffile

    with tifffile.TiffFile(file) as handle:
        pages, _ = _pages(handle)
        rows, cols = pages[0].imagelength, pages[0].imagewidth
        stack = _stack_length(handle, pages)
        turned = _turn(pages[0]) in TURNED
        return ((cols, rows) if turned else (rows, cols)), max(stack, len(pages))


def read(
    file: BinaryIO, check: Callable[[int], None], *, labels: bool = False
) -> tuple[DecodedImage, int]:
    """Read all pages of a TIFF.

    Parameters
    ----------
    file : binary file
    check : callable
        Called with the number of pixels before anything is decoded; raises if they are too many.
    labels : bool, optional
        Keep palette indices and 1-bit pixels.

    Returns
    -------
    picture : DecodedImage
    orientation : int
        To be applied by the caller.
    """
    import tifffile

    with tifffile.TiffFile(file) as handle:
        pages, skipped = _pages(handle)
        stack = _stack_length(handle, pages)
        check(sum(page.imagelength * page.imagewidth for page in pages) * max(1, stack))
        _check_complete(handle, pages)
        first = pages[0]
        layout, associated = _layout(first)
        notes: tuple[str, ...] = ()
        if skipped:
            notes += (f"{skipped} reduced copies in the file left out",)
        if stack:
            block = handle.series[0].asarray()
            raw = list(block.reshape(stack, *first.shape))
        else:
            raw = [_page_pixels(file, page) for page in pages]
        palette = None
        frames = []
        for page, pixels in zip(pages if not stack else [first] * stack, raw, strict=True):
            if pixels.shape[:2] != (page.imagelength, page.imagewidth):
                raise FileError("damaged: a page without all of its pixels")
            if _layout(page) != (layout, associated) or pixels.dtype != raw[0].dtype:
                raise FileError("its pages differ in kind of pixels: split the file first")
            frames.append(_interpreted(page, pixels, labels=labels))
        if layout == PALETTE:
            palette = _colours(first)
            if not labels:
                layout, palette = RGB, None
                notes += ("palette expanded to RGB",)
        if raw[0].dtype == np.bool_ and not labels:
            notes += ("1-bit expanded to 8-bit grey",)
        metadata, troubles = _metadata(file, first)
        details = {
            "compressed": first.compression != 1,
            "photometric": int(first.photometric),
            "extrasamples": tuple(int(value) for value in first.extrasamples),
        }
        picture = DecodedImage(
            frames,
            layout,
            "TIFF",
            metadata,
            notes + troubles,
            premultiplied=associated,
            palette=palette,
            lossless=first.compression not in {6, 7},
            details=details,
        )
        return picture, _turn(first)


def _pages(handle: tifffile.TiffFile) -> tuple[list[Any], int]:
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


def _stack_length(handle: tifffile.TiffFile, pages: list[Any]) -> int:
    """Return the planes of a stack that lies behind a single page (ImageJ), or 0."""
    if len(pages) != 1 or not (handle.is_imagej or handle.is_shaped):
        return 0
    size = handle.series[0].size
    planes = size // max(1, pages[0].size)
    return int(planes) if planes > 1 else 0


def _check_complete(handle: tifffile.TiffFile, pages: list[Any]) -> None:
    # Before decoding, and in plainer words than the decoders have.
    size = handle.filehandle.size
    for page in pages:
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            if offset + count > size:
                raise FileError("damaged: the file ends before its pixels do")
        if not page.dataoffsets:
            raise FileError("damaged: no pixels in the file")


def _turn(page: Any) -> int:
    tag = page.tags.get(_ORIENTATION)
    return tag.value if tag is not None and tag.value in range(1, 9) else 1


def _layout(page: Any) -> tuple[str, bool]:
    """Return a page's layout, and whether its colours are multiplied by alpha."""
    samples, photometric = page.samplesperpixel, int(page.photometric)
    extras = [int(value) for value in page.extrasamples]
    # Some writers add a fourth channel and say nothing of it: that is alpha in practice.
    alpha = extras in ([], [_ASSOCIATED], [_UNASSOCIATED])
    associated = extras == [_ASSOCIATED]
    if photometric in {0, 1, 32844, 32845, 34892, 32803}:
        return {1: GREY, 2: GREY_ALPHA if alpha else MULTI}.get(samples, MULTI), associated
    if photometric in {2, 6}:
        return {3: RGB, 4: RGBA if alpha else MULTI}.get(samples, MULTI), associated
    if photometric == 3 and samples == 1:
        return PALETTE, False
    if photometric == 5 and samples == 4:
        return CMYK, False
    return (GREY, False) if samples == 1 else (MULTI, False)


def _page_pixels(file: BinaryIO, page: Any) -> Pixels:
    if page.dtype is not None and page.dtype.kind == "c":
        raise FileError("complex pixels are not supported")
    plain = int(page.photometric) != 6
    try:
        if plain:
            pixels: Pixels = page.asarray()
            return np.moveaxis(pixels, 0, -1) if page.axes == "SYX" else pixels
    except (ValueError, KeyError, ModuleNotFoundError) as error:
        if "imagecodecs" not in str(error) and not isinstance(error, ModuleNotFoundError):
            raise
    return _by_libtiff(file, page)


def _by_libtiff(file: BinaryIO, page: Any) -> Pixels:
    """Decode a page by Pillow's libtiff, or say that nothing here can."""
    pixels = None
    try:
        pixels = _decoded(file, page.index, None)
        if page.dtype == np.uint16 and pixels.dtype == np.uint8:
            native, other = ("L", "B") if sys.byteorder == "little" else ("B", "L")
            high = _decoded(file, page.index, native).astype(np.uint16)
            pixels = high << 8 | _decoded(file, page.index, other)
    except (UnidentifiedImageError, KeyError, ValueError):
        pixels = None
    expected = page.shape[1:] + page.shape[:1] if page.axes == "SYX" else page.shape
    if pixels is None or pixels.shape != tuple(expected) or pixels.dtype != page.dtype:
        kind = getattr(page.compression, "name", str(page.compression))
        raise FileError(
            f"TIFF compression {kind} of {page.dtype} pixels needs the package imagecodecs: "
            "pip install imagecodecs"
        )
    return pixels


def _decoded(file: BinaryIO, index: int, byte_order: str | None) -> Pixels:
    file.seek(0)
    image = Image.open(file)
    image.seek(index)
    if byte_order is not None:
        image.tile = [
            tile._replace(args=(tile.args[0].replace("16N", "16" + byte_order), *tile.args[1:]))
            for tile in image.tile
            if isinstance(tile.args, tuple)
        ]
    with _libtiff_silenced():
        image.load()
    pixels = np.array(image)
    return pixels.astype(np.uint16) if image.mode.startswith("I;16") else pixels


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


def _interpreted(page: Any, pixels: Pixels, *, labels: bool) -> Pixels:
    """Apply what the photometric tag says: inverted grey, palettes, 1-bit."""
    if int(page.photometric) == 0 and page.compression in {1, 8, 32946, 32773, 5, 34925}:
        if pixels.dtype == np.bool_:
            pixels = ~pixels
        elif pixels.dtype.kind == "u":
            pixels = (int(opaque_value(pixels.dtype)) - pixels).astype(pixels.dtype)
    if labels:
        return np.ascontiguousarray(pixels)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if int(page.photometric) == 3 and pixels.ndim == 2:
        return _colours(page)[pixels]
    return np.ascontiguousarray(pixels)


def _colours(page: Any) -> Pixels:
    table = np.asarray(page.colormap)
    # Some writers put 8-bit values into the 16-bit table.
    deep = table.max(initial=0) > 255
    return np.ascontiguousarray((table >> 8 if deep else table).astype(np.uint8).T)


def _metadata(file: BinaryIO, page: Any) -> tuple[Metadata, tuple[str, ...]]:
    from lerf_core.io.tiff.tags import resolution

    icc, xmp = (page.tags.get(code) for code in (_ICC, _XMP))
    notes: tuple[str, ...] = ()
    block = None
    try:
        block = _exif_block(file, page)
    except Exception as error:  # noqa: BLE001 - metadata of any damage must not stop the pixels
        notes = (f"EXIF unreadable and dropped: {one_line(error, 80)}",)
    return (
        Metadata(
            icc=bytes(icc.value) if icc is not None else None,
            exif=block,
            xmp=bytes(xmp.value) if xmp is not None and isinstance(xmp.value, bytes) else None,
            dpi=resolution(page),
        ),
        notes,
    )


def _exif_block(file: BinaryIO, page: Any) -> bytes | None:
    """Collect the descriptive tags of a TIFF into an EXIF block."""
    words = {
        code: tag.value
        for code, tag in ((code, page.tags.get(code)) for code in _WORDS)
        if tag is not None and isinstance(tag.value, str) and tag.value
    }
    if words.get(270, "").startswith(('{"shape"', "ImageJ=", "<?xml")):
        # A note from the program to itself about arrays, wrong after resizing.
        del words[270]
    if words.get(305) == "tifffile.py":
        del words[305]
    block = Image.Exif()
    for code, value in words.items():
        block[code] = value
    found = bool(words)
    if page.tags.get(_EXIF) is not None or page.tags.get(_GPS) is not None:
        if page.parent.is_bigtiff:
            raise FileError("EXIF directories of a BigTIFF are not read")
        original = Image.Exif()
        file.seek(0)
        original.load_from_fp(file)
        for code in (_EXIF, _GPS):
            if directory := original.get_ifd(code):
                block.get_ifd(code).update(directory)
                found = True
    return exif.strip_prefix(block.tobytes()) if found else None


def write(
    file: BinaryIO, picture: DecodedImage, metadata: Metadata, *, software: str | None = None
) -> None:
    """Write all frames of a picture as pages of a TIFF.

    Parameters
    ----------
    file : binary file
        Readable too: the EXIF directory is linked after the pages are written.
    picture : DecodedImage
    metadata : Metadata
    software : str, optional
        Name for the Software tag, where the EXIF block has none.
    """
    import tifffile

    total = sum(frame.nbytes for frame in picture.frames)
    big = total > _CLASSIC_LIMIT
    block = Image.Exif()
    if metadata.exif:
        block.load(exif.PREFIX + metadata.exif)
    words = {code: block[code] for code in _WORDS if isinstance(block.get(code), str)}
    words.setdefault(305, software or "lerf")
    links = [code for code in (_EXIF, _GPS) if not big and block.get_ifd(code)]
    tags: list[tuple[int, int, int, Any, bool]] = [
        # ASCII carries UTF-8 in practice; tifffile wants bytes for it.
        (code, 2, 0, text.encode() + b"\0", True)
        for code, text in sorted(words.items())
        if code not in {270, 305}
    ]
    tags += [(code - 1, 4, 1, 0, True) for code in links]
    if metadata.xmp:
        tags.append((_XMP, 1, len(metadata.xmp), metadata.xmp, True))
    keywords = _layout_keywords(picture)
    if metadata.dpi is not None:
        keywords |= {"resolution": metadata.dpi, "resolutionunit": "INCH"}
    with tifffile.TiffWriter(file, bigtiff=big) as writer:
        for number, frame in enumerate(picture.frames):
            writer.write(
                frame,
                metadata=None,
                iccprofile=metadata.icc,
                description=words.get(270, "").encode() if number == 0 and 270 in words else None,
                software=words[305].encode(),
                extratags=tags if number == 0 else (),
                **keywords,
            )
    if links:
        _link_directories(file, block, links)


def _layout_keywords(picture: DecodedImage) -> dict[str, Any]:
    keywords: dict[str, Any] = {}
    alpha = "assocalpha" if picture.premultiplied else "unassalpha"
    if picture.layout == PALETTE and picture.palette is not None:
        table = np.zeros((3, 256), np.uint16)
        table[:, : len(picture.palette)] = picture.palette.T.astype(np.uint16) * 257
        keywords |= {"photometric": "palette", "colormap": table}
    elif picture.layout == CMYK:
        keywords |= {"photometric": "separated"}
    elif picture.layout in {RGB, RGBA}:
        keywords |= {"photometric": "rgb"}
    elif picture.layout == MULTI and picture.details.get("photometric", 1) in {2, 5, 8}:
        keywords |= {"photometric": picture.details["photometric"]}
    else:
        keywords |= {"photometric": "minisblack"}
    if picture.layout in {GREY_ALPHA, RGBA}:
        keywords["extrasamples"] = [alpha]
    elif picture.layout == MULTI and picture.details.get("extrasamples"):
        keywords["extrasamples"] = picture.details["extrasamples"]
    if picture.frames[0].ndim == 3:
        keywords["planarconfig"] = "contig"
    if picture.details.get("compressed", True) and picture.dtype != np.bool_:
        keywords["compression"] = "zlib"
        if picture.dtype.kind in "iu":
            keywords["predictor"] = True
    return keywords


def _link_directories(file: BinaryIO, block: Image.Exif, links: list[int]) -> None:
    """Append the EXIF and GPS directories, and turn the placeholder tags into links to them.

    tifffile refuses to write the two codes itself, so each is written as the code before it.
    """
    import tifffile

    file.seek(0)
    order = b"II*\x00" if file.read(2) == b"II" else b"MM\x00*"
    places = {}
    for code in links:
        end = file.seek(0, io.SEEK_END)
        if end % 2:
            end += file.write(b"\0")
        head = order + (8).to_bytes(4, "little" if order[:1] == b"I" else "big")
        directory = TiffImagePlugin.ImageFileDirectory_v2(head)
        for tag, value in block.get_ifd(code).items():
            directory[tag] = value
        places[code] = end
        file.write(directory.tobytes(end))
    file.seek(0)
    with tifffile.TiffFile(file) as handle:
        entries = {code: handle.pages.first.tags[code - 1].offset for code in places}
    order_name: Literal["little", "big"] = "little" if order[:1] == b"I" else "big"
    for code, start in entries.items():
        # An entry is code, type, count, value: 2, 2, 4 and 4 bytes.
        file.seek(start)
        file.write(code.to_bytes(2, order_name))
        file.seek(start + 8)
        file.write(places[code].to_bytes(4, order_name))
