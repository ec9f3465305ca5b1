"""EXIF in TIFF: its texts are tags of the image, its directories are linked from there.

tifffile writes texts, but refuses the tags that link to EXIF and GPS directories. Each of these is
written as the code before it, for a placeholder; the directories are appended and the placeholders
turned into links. Classic TIFF and BigTIFF differ in the size of their numbers alone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from PIL import Image, TiffImagePlugin

from lerf_core.errors import one_line
from lerf_core.io import exif, iptc
from lerf_core.io.metadata import Metadata
from lerf_core.io.tiff import codes
from lerf_core.io.tiff.geo import (
    gdal_xml_of,
    geo_tags,
    georeference_of,
    neighbour_notes,
    nodata_of,
)
from lerf_core.io.tiff.tags import resolution_of, xmp_of
from lerf_core.io.units import converted

if TYPE_CHECKING:
    import tifffile

__all__ = ["link_directories", "metadata_keywords", "metadata_of"]

_DIRECTORIES = (codes.EXIF, codes.GPS)
# Notes from programs to themselves about arrays, wrong after resizing.
_OWN_DESCRIPTIONS = (b'{"shape"', b"ImageJ=", b"<?xml")
# In whatever tag a slide repeats its description: its sizes are told elsewhere.
_SLIDE_SIZES = b"|MPP"
_DATE = re.compile(rb"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d")


# -- reading ------------------------------------------------------------------------------


def metadata_of(
    page: tifffile.TiffPage,
    steps: tuple[float, float] = (1.0, 1.0),
    *,
    description: str | None = None,
) -> tuple[Metadata, tuple[str, ...]]:
    """Return what a page says about its pixels as they are stored, and notes on what is lost.

    Parameters
    ----------
    page : tifffile.TiffPage
        Of a file that is open.
    steps : (row, col), optional
        Pixels of the page per pixel of the pyramid level that the metadata are meant for.
    description : str, optional
        Instead of the page's own, which is a program's note to itself; "" for none.
    """
    icc = page.tags.get(codes.ICC_PROFILE)
    notes: tuple[str, ...] = ()
    block = None
    try:
        block = _exif_block(page, description)
    except Exception as error:  # noqa: BLE001 - metadata of any damage must not stop the pixels
        notes = (f"EXIF unreadable and dropped: {one_line(error, 80)}",)
    records, others = iptc.of_resources(iptc.resources(_raw(page, codes.PHOTOSHOP)))
    if others:
        notes += (f"Photoshop's {', '.join(others)} dropped",)
    georeference, geo_notes = georeference_of(page)
    nodata, nodata_notes = nodata_of(page)
    gdal, gdal_notes = gdal_xml_of(page)
    is_placed = georeference is not None and georeference.is_placed
    notes += geo_notes + nodata_notes + gdal_notes
    notes += neighbour_notes(page.parent.filehandle.path, is_placed=is_placed)
    metadata = Metadata(
        icc=bytes(icc.value) if icc is not None else None,
        exif=block,
        xmp=xmp_of(page),
        iptc=iptc.of_words(_raw(page, codes.IPTC)) or records,
        dpi=resolution_of(page, steps),
        georeference=georeference and georeference.at_level(steps),
        nodata=nodata,
        gdal=gdal,
    )
    return metadata, notes


def _raw(page: tifffile.TiffPage, code: int) -> bytes:
    """Return the bytes of a tag's value as they lie in the file; none where it is not there."""
    tag = page.tags.get(code)
    if tag is None:
        return b""
    stream: Any = page.parent.filehandle
    stream.seek(tag.valueoffset)
    return bytes(stream.read(tag.valuebytecount))


def _exif_block(page: tifffile.TiffPage, description: str | None) -> bytes | None:
    """Collect the descriptive tags and directories of a page into an EXIF block."""
    block = Image.Exif()
    for code in codes.TEXTS:
        tag = page.tags.get(code)
        if tag is not None and isinstance(tag.value, str) and tag.value:
            # As bytes: Pillow would keep ASCII alone.
            block[code] = tag.value.encode()
            if description is not None and _SLIDE_SIZES in block[code]:
                del block[code]
    if description is not None:
        block[codes.DESCRIPTION] = description.encode()
    if not block.get(codes.DESCRIPTION, b"-"):
        del block[codes.DESCRIPTION]
    if block.get(codes.DESCRIPTION, b"").startswith(_OWN_DESCRIPTIONS):
        del block[codes.DESCRIPTION]
    if block.get(codes.SOFTWARE) == b"tifffile.py":
        del block[codes.SOFTWARE]
    is_empty = not len(block)
    for code in _DIRECTORIES:
        tag = page.tags.get(code)
        if tag is None:
            continue
        # Pillow keeps the types of values, which tifffile's reading of a directory does not.
        if directory := _directory(page.parent, tag):
            block.get_ifd(code).update(directory)
            is_empty = False
    return None if is_empty else exif.strip_prefix(block.tobytes())


def _directory(handle: tifffile.TiffFile, tag: Any) -> dict[int, Any]:
    """Read the directory that a tag links to."""
    stream: Any = handle.filehandle
    stream.seek(0)
    head = stream.read(16 if handle.is_bigtiff else 8)
    directory = TiffImagePlugin.ImageFileDirectory_v2(head, group=tag.code)
    # tifffile has followed the link already.
    stream.seek(tag.valueoffset)
    directory.load(stream)
    return dict(directory)


def _order_name(order: str) -> Literal["little", "big"]:
    return "little" if order == "<" else "big"


# -- writing ------------------------------------------------------------------------------


def metadata_keywords(metadata: Metadata, *, is_bigtiff: bool) -> tuple[dict[str, Any], Image.Exif]:
    """Return what tifffile is told about an image, and the EXIF block to be linked afterwards.

    Parameters
    ----------
    metadata : Metadata
        As they are to be written.
    is_bigtiff : bool
        Of the file to be made.

    Returns
    -------
    keywords : dict
        Of ``TiffWriter.write``.
    block : PIL.Image.Exif
        For `link_directories`.
    """
    block = Image.Exif()
    if metadata.exif:
        block.load(exif.PREFIX + metadata.exif)
    # Byte for byte: ASCII carries UTF-8 in practice, and Pillow hands bytes out as Latin-1.
    texts = {
        code: block[code].encode("latin-1")
        for code in codes.TEXTS
        if isinstance(block.get(code), str)
    }
    if not _DATE.fullmatch(texts.get(codes.DATE, b"")):
        texts.pop(codes.DATE, None)
    keywords: dict[str, Any] = {
        "iccprofile": metadata.icc,
        "description": texts.pop(codes.DESCRIPTION, None),
        "software": texts.pop(codes.SOFTWARE, b"lerf"),
    }
    if (pixels := _pixels_per_centimetre(metadata)) is not None:
        keywords |= {"resolution": pixels, "resolutionunit": "CENTIMETER"}
    elif metadata.dpi is not None:
        keywords |= {"resolution": metadata.dpi, "resolutionunit": "INCH"}
    tags: list[tuple[int, int, int, Any, bool]] = [
        (code, codes.ASCII, 0, text + b"\0", True) for code, text in sorted(texts.items())
    ]
    link = codes.LONG8 if is_bigtiff else codes.LONG
    tags += [(code - 1, link, 1, 0, True) for code in _links(block)]
    if metadata.xmp:
        tags.append((codes.XMP, codes.BYTE, len(metadata.xmp), metadata.xmp, True))
    if metadata.iptc:
        tags.append((codes.IPTC, codes.UNDEFINED, len(metadata.iptc), metadata.iptc, True))
    return keywords | {
        "extratags": tags + geo_tags(metadata.georeference, metadata.gdal, metadata.nodata)
    }, block


def _pixels_per_centimetre(metadata: Metadata) -> tuple[float, float] | None:
    """Return the resolution that says how large pixels are, as (x, y); None where it is not known.

    Slide readers take the size of pixels from there.
    """
    sizes = []
    for axis in (metadata.axis("X"), metadata.axis("Y")):
        size = None if axis is None else converted(axis.step, axis.unit, "centimeter")
        if size is None:
            return None
        sizes.append(1 / size)
    return sizes[0], sizes[1]


def _links(block: Image.Exif) -> Iterable[int]:
    return [code for code in _DIRECTORIES if block.get_ifd(code)]


def link_directories(stream: BinaryIO, block: Image.Exif) -> None:
    """Append the EXIF and GPS directories, and turn the placeholder tags into links to them.

    Parameters
    ----------
    stream : binary file
        A TIFF, readable and writable, made with the keywords of `metadata_keywords`.
    block : PIL.Image.Exif
    """
    import tifffile

    links = _links(block)
    if not links:
        return
    stream.seek(0)
    with tifffile.TiffFile(stream) as handle:
        is_big, order = handle.is_bigtiff, _order_name(handle.byteorder)
        tags = handle.pages.first.tags
        entries = {code: tags[code - 1].offset for code in links}
    stream.seek(0)
    head = stream.read(16 if is_big else 8)
    for code, entry in entries.items():
        end = stream.seek(0, io.SEEK_END)
        if end % 2:
            end += stream.write(b"\0")
        directory = TiffImagePlugin.ImageFileDirectory_v2(head)
        for tag, value in block.get_ifd(code).items():
            directory[tag] = value
        stream.write(directory.tobytes(end))
        # An entry is code, type, count, value: 2, 2, 4 and 4 bytes, of BigTIFF 2, 2, 8 and 8.
        stream.seek(entry)
        stream.write(code.to_bytes(2, order))
        stream.seek(entry + (12 if is_big else 8))
        stream.write(end.to_bytes(8 if is_big else 4, order))
