"""EXIF in TIFF: what describes an image are tags of its own, and directories linked from there.

tifffile writes tags of any kind, but refuses those that link to EXIF and GPS directories. Each of
these is written as the code before it, for a placeholder; the directories are appended and the
placeholders turned into links. Classic TIFF and BigTIFF differ in the size of their numbers alone.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from lerf_core.errors import one_line
from lerf_core.io.codecs.tiff import codes
from lerf_core.io.codecs.tiff.array_words import kept_words
from lerf_core.io.codecs.tiff.geo import (
    gdal_xml_of,
    geo_tags,
    georeference_of,
    nodata_of,
)
from lerf_core.io.codecs.tiff.tags import aspect_of, resolution_of, xmp_of
from lerf_core.io.metadata import iptc
from lerf_core.io.metadata.exif_directories import (
    EXIF,
    GPS,
    INTEROPERABILITY,
    Blocks,
    Entry,
    as_entry,
    block_of,
    blocks_in,
    in_order,
    packed,
    packed_exif,
    place_of_note,
    read_directory,
)
from lerf_core.io.metadata.model import Metadata, Page
from lerf_core.io.metadata.units import converted

if TYPE_CHECKING:
    import tifffile

__all__ = [
    "link_directories", "metadata_keywords", "metadata_of", "order_for", "page_keywords",
    "page_of", "reserve_note",
]  # fmt: skip

# Notes from programs to themselves about arrays, wrong after resizing.
_OWN_DESCRIPTIONS = (b"ImageJ=", b"<?xml")
_ARRAY = b'{"shape"'
# In whatever tag a slide repeats its description: its sizes are told elsewhere.
_SLIDE_SIZES = b"|MPP"
_RESOLUTION = (codes.X_RESOLUTION, codes.Y_RESOLUTION, codes.RESOLUTION_UNIT)
_NOTHING = Entry(codes.ASCII, b"")
# Bytes before all else, of classic TIFF and of BigTIFF.
_HEADER = (8, 16)
_POSITIONS = (codes.X_POSITION, codes.Y_POSITION)
_LONGEST_VALUE = 1 << 26
_NATIVE: Literal["<", ">"] = "<" if sys.byteorder == "little" else ">"


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
    if description is None:
        notes += _lost_tags(page)
    records, others = iptc.of_resources(iptc.resources(_raw(page, codes.PHOTOSHOP)))
    if others:
        notes += (f"Photoshop's {', '.join(others)} dropped",)
    georeference, geo_notes = georeference_of(page)
    nodata, nodata_notes = nodata_of(page)
    gdal, gdal_notes = gdal_xml_of(page)
    _, word_notes = kept_words(page.description)
    notes += geo_notes + nodata_notes + gdal_notes + word_notes
    metadata = Metadata(
        icc=bytes(icc.value) if icc is not None else None,
        exif=block,
        xmp=xmp_of(page),
        iptc=iptc.of_words(_raw(page, codes.IPTC)) or records,
        dpi=resolution_of(page, steps),
        aspect=aspect_of(page),
        georeference=georeference and georeference.at_level(steps),
        nodata=nodata,
        gdal=gdal,
    )
    return metadata, notes


def page_of(page: tifffile.TiffPage) -> Page:
    """Return what a page says of itself alone."""
    texts = {
        code: entry.data
        for code, entry in _descriptive(page, None).items()
        if code in codes.TEXTS and entry.kind == codes.ASCII
    }
    number = page.tags.get(codes.PAGE_NUMBER)
    pair = number.value if number is not None else None
    is_pair = isinstance(pair, tuple) and len(pair) == 2
    return Page(
        _raw(page, codes.PAGE_NAME).rstrip(b"\0").decode("utf-8", "replace"),
        resolution_of(page),
        aspect_of(page),
        (int(pair[0]), int(pair[1])) if is_pair and pair is not None else None,
        tuple(sorted(texts.items())),
    )


def _raw(page: tifffile.TiffPage, code: int) -> bytes:
    """Return the bytes of a tag's value as they lie in the file; none where it is not there."""
    tag = page.tags.get(code)
    if tag is None or tag.valuebytecount > _LONGEST_VALUE:
        return b""
    stream: Any = page.parent.filehandle
    stream.seek(tag.valueoffset)
    return bytes(stream.read(tag.valuebytecount))


def _exif_block(page: tifffile.TiffPage, description: str | None) -> bytes | None:
    """Collect the descriptive tags and directories of a page into an EXIF block."""
    first = _descriptive(page, description)
    stream: Any = page.parent.filehandle
    order, is_big = page.parent.byteorder, page.parent.is_bigtiff
    linked: list[dict[int, Entry]] = []
    note_at = 0
    for code in (EXIF, GPS):
        tag = page.tags.get(code)
        # tifffile has followed the link already.
        start = None if tag is None else tag.valueoffset
        directory = {} if start is None else read_directory(stream, start, order, is_big=is_big)
        linked.append(directory)
        if start is not None and code == EXIF:
            note_at = place_of_note(stream, start, order, is_big=is_big)
    link, third = linked[0].pop(INTEROPERABILITY, None), {}
    if link is not None:
        start = int.from_bytes(link.data, "little")
        third = read_directory(stream, start, order, is_big=is_big)
    blocks = Blocks(first, linked[0], linked[1], third, note_at)
    return block_of(blocks, order) if blocks else None


def _descriptive(page: tifffile.TiffPage, description: str | None) -> dict[int, Entry]:
    """Return the tags that describe an image, their values byte for byte."""
    entries: dict[int, Entry] = {}
    for code in sorted(codes.DESCRIPTIVE.intersection(page.tags.keys())):
        tag = page.tags.get(code)
        if tag is None or not tag.count:
            continue
        try:
            entry = as_entry(int(tag.dtype), _raw(page, code), page.parent.byteorder)
        except ValueError:
            continue
        text = entry.data.rstrip(b"\0")
        if code in codes.TEXTS and (not text or (description is not None and _SLIDE_SIZES in text)):
            continue
        entries[code] = entry
    if description is not None:
        entries.pop(codes.DESCRIPTION, None)
        if description:
            entries[codes.DESCRIPTION] = Entry(codes.ASCII, description.encode() + b"\0")
    text = entries.get(codes.DESCRIPTION, _NOTHING).data
    if text.startswith((*_OWN_DESCRIPTIONS, _ARRAY)):
        del entries[codes.DESCRIPTION]
        words, _ = kept_words(text.decode(errors="replace"))
        if words:
            entries[codes.DESCRIPTION] = Entry(codes.ASCII, words.encode() + b"\0")
    if entries.get(codes.SOFTWARE, _NOTHING).data.rstrip(b"\0") == b"tifffile.py":
        del entries[codes.SOFTWARE]
    return entries


def _lost_tags(page: tifffile.TiffPage) -> tuple[str, ...]:
    """Return a note that names the tags that are not kept, whatever they say."""
    import tifffile

    known = codes.DESCRIPTIVE | codes.STORAGE | codes.TOLD_ELSEWHERE
    lost = [
        tag.code
        for tag in page.tags
        if tag.code not in known
        # A page that lies where pages do needs no place.
        and not (tag.code in _POSITIONS and not any(_raw(page, tag.code)[:4]))
    ]
    if not lost:
        return ()
    names = (tifffile.TIFF.TAGS.get(code, str(code)) for code in lost)
    return (f"tags dropped: {', '.join(dict.fromkeys(names))}",)


# -- writing ------------------------------------------------------------------------------


def metadata_keywords(
    metadata: Metadata, *, is_bigtiff: bool, order: str = _NATIVE
) -> tuple[dict[str, Any], Blocks]:
    """Return what tifffile is told about an image, and the directories to be linked afterwards.

    Parameters
    ----------
    metadata : Metadata
        As they are to be written.
    is_bigtiff : bool
        Of the file to be made.
    order : {"<", ">"}, optional
        Its byte order.

    Returns
    -------
    keywords : dict
        Of ``TiffWriter.write``.
    blocks : Blocks
        For `link_directories`.
    """
    blocks = blocks_in(metadata.exif)
    untold = codes.STORAGE | codes.TOLD_ELSEWHERE | {*_RESOLUTION, codes.TRANSFER_FUNCTION}
    first = {code: entry for code, entry in blocks.first.items() if code not in untold}
    # Bytes as they are: ASCII carries UTF-8 in practice.
    words, program = (
        first.pop(code).data.rstrip(b"\0") if code in first else b""
        for code in (codes.DESCRIPTION, codes.SOFTWARE)
    )
    keywords: dict[str, Any] = {
        "iccprofile": metadata.icc,
        "description": words or None,
        "software": program or b"lerf",
    }
    if (pixels := _pixels_per_centimetre(metadata)) is not None:
        keywords |= {"resolution": pixels, "resolutionunit": "CENTIMETER"}
    elif metadata.dpi is not None:
        keywords |= {"resolution": metadata.dpi, "resolutionunit": "INCH"}
    elif metadata.aspect is not None:
        keywords |= {"resolution": metadata.aspect, "resolutionunit": "NONE"}
    tags: list[tuple[int, int, int, Any, bool]] = [
        (code, entry.kind, entry.values, _tag_value(entry, order), True)
        for code, entry in sorted(first.items())
    ]
    link = codes.LONG8 if is_bigtiff else codes.LONG
    tags += [(code - 1, link, 1, 0, True) for code in _links(blocks)]
    if metadata.xmp:
        tags.append((codes.XMP, codes.BYTE, len(metadata.xmp), metadata.xmp, True))
    if metadata.iptc:
        tags.append((codes.IPTC, codes.UNDEFINED, len(metadata.iptc), metadata.iptc, True))
    return keywords | {
        "extratags": tags + geo_tags(metadata.georeference, metadata.gdal, metadata.nodata)
    }, blocks


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


def _tag_value(entry: Entry, order: str) -> Any:
    """Return what tifffile is told as a tag's value: bytes, where it counts them right."""
    if entry.kind not in codes.RATIONALS:
        return in_order(entry, order)
    kind = "<i4" if entry.kind == codes.SRATIONAL else "<u4"
    return tuple(np.frombuffer(entry.data, kind).tolist())


def page_keywords(page: Page, *, is_first: bool) -> dict[str, Any]:
    """Return what tifffile is told about a page beside what holds for all.

    Parameters
    ----------
    page : Page
    is_first : bool
        Whether its texts are the file's, which are told with the rest that describes it.
    """
    keywords: dict[str, Any] = {}
    if page.dpi is not None:
        keywords |= {"resolution": page.dpi, "resolutionunit": "INCH"}
    elif page.aspect is not None:
        keywords |= {"resolution": page.aspect, "resolutionunit": "NONE"}
    texts = {} if is_first else dict(page.texts)
    software = texts.pop(codes.SOFTWARE, None)
    if software is not None:
        keywords["software"] = software.rstrip(b"\0")
    description = texts.pop(codes.DESCRIPTION, None)
    if description is not None:
        keywords["description"] = description.rstrip(b"\0")
    tags: list[tuple[int, int, int, Any, bool]] = [
        (code, codes.ASCII, 0, text, True) for code, text in texts.items()
    ]
    if page.name:
        tags.append((codes.PAGE_NAME, codes.ASCII, 0, page.name.encode() + b"\0", True))
    if page.number is not None:
        tags.append((codes.PAGE_NUMBER, codes.SHORT, 2, page.number, True))
    return keywords | {"extratags": tags}


def order_for(metadata: Metadata) -> Literal["<", ">"]:
    """Return the byte order of a TIFF for metadata: maker notes have none of their own."""
    blocks = blocks_in(metadata.exif)
    if not blocks.kept_note(_HEADER[0]) or metadata.exif is None:
        return _NATIVE
    return "<" if metadata.exif[:2] == b"II" else ">"


def reserve_note(stream: BinaryIO, blocks: Blocks) -> None:
    """Put a maker note into its place, in a TIFF of which nothing but the header is written.

    Offsets within such notes count from the start of a file, and go wrong where they move.
    """
    begin = stream.tell()
    if note := blocks.kept_note(begin):
        stream.write(bytes(blocks.note_at - begin) + note)


def _links(blocks: Blocks) -> list[int]:
    return [code for code, entries in ((EXIF, blocks.exif), (GPS, blocks.gps)) if entries]


def link_directories(stream: BinaryIO, blocks: Blocks, *, is_reserved: bool = False) -> None:
    """Append the EXIF and GPS directories, and turn the placeholder tags into links to them.

    Parameters
    ----------
    stream : binary file
        A TIFF, readable and writable, made with the keywords of `metadata_keywords`.
    blocks : Blocks
    is_reserved : bool, optional
        Whether `reserve_note` has put the maker note into its place.
    """
    import tifffile

    links = _links(blocks)
    if not links:
        return
    stream.seek(0)
    with tifffile.TiffFile(stream) as handle:
        is_big, order = handle.is_bigtiff, handle.byteorder
        tags = handle.pages.first.tags
        entries = {code: tags[code - 1].offset for code in links}
    name: Any = "little" if order == "<" else "big"
    for code, entry in entries.items():
        end = stream.seek(0, io.SEEK_END)
        if end % 2:
            end += stream.write(b"\0")
        if code == EXIF:
            is_placed = is_reserved and bool(blocks.kept_note(_HEADER[is_big]))
            stream.write(packed_exif(blocks, end, order, is_big=is_big, is_placed=is_placed))
        else:
            stream.write(packed(blocks.gps, end, order, is_big=is_big))
        # An entry is code, type, count, value: 2, 2, 4 and 4 bytes, of BigTIFF 2, 2, 8 and 8.
        stream.seek(entry)
        stream.write(code.to_bytes(2, name))
        stream.seek(entry + (12 if is_big else 8))
        stream.write(end.to_bytes(8 if is_big else 4, name))
