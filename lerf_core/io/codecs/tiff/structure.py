"""Directories of a tiled TIFF: written with empty tiles first, the tiles' offsets last."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.codecs.tiff import codes
from lerf_core.io.codecs.tiff.directories import link_directories, metadata_keywords, reserve_note
from lerf_core.io.codecs.tiff.geo import nodata_tag
from lerf_core.io.codecs.tiff.masks import MASK_KEYWORDS
from lerf_core.io.codecs.tiff.ome_writing import OME_TYPES, ome_document
from lerf_core.io.codecs.tiff.sink import colour_spec, mask_spec
from lerf_core.io.codecs.tiff.tags import layout_keywords, palette_keywords
from lerf_core.io.formats import PALETTE
from lerf_core.io.tiles.tiled_writer import WriterSpec

if TYPE_CHECKING:
    import tifffile

__all__ = ["check_fits", "write_structure", "write_tile_offsets"]

_COMPRESSIONS = {"none": 1, "deflate": 8, "zstd": 50000, "lzw": 5}


def check_fits(spec: WriterSpec) -> None:
    """Refuse what TIFF, or OME-TIFF, cannot hold.

    Raises
    ------
    FileError
    """
    axis = spec.channel_axis
    rows, cols = spec.plane_axes
    leading = [at for at in range(len(spec.shape)) if at not in (rows, cols, axis)]
    samples = [] if axis is None else [axis]
    order = [rows, cols, *samples] if not samples or samples[0] > cols else [*samples, rows, cols]
    if [*leading, *order] != list(range(len(spec.shape))):
        raise FileError(f"axes {spec.axes} do not go into TIFF: YX, YXS or SYX come last")
    if spec.dtype == np.bool_ and axis is not None:
        raise FileError("booleans with several samples do not go into TIFF")
    if spec.format == "OME-TIFF" and spec.dtype.name not in OME_TYPES:
        raise FileError(f"OME-TIFF holds no {spec.dtype}: name the output .tif or .zarr")
    if spec.format == "TIFF" and leading:
        raise FileError(f"axes {spec.axes} go into OME-TIFF: name the output .ome.tif")


def write_structure(path: Path, spec: WriterSpec) -> None:
    """Write a BigTIFF whose tiles are all empty."""
    import tifffile

    described, block = metadata_keywords(spec.metadata, is_bigtiff=True)
    described["metadata"] = None
    if spec.format == "OME-TIFF":
        words = described["description"]
        described["description"] = ome_document(
            spec, words.decode(errors="replace") if words else None
        )
    parts = _parts(spec)
    # tifffile wants all bytes of uncompressed pixels that are one tile.
    compression = _COMPRESSIONS["deflate" if spec.compression == "none" else spec.compression]
    levels = len(spec.level_shapes)
    tags = [] if spec.metadata.nodata is None else [nodata_tag(spec.metadata.nodata)]
    upper = {"metadata": None, "software": False, "extratags": tags}
    with (
        path.open("w+b") as stream,
        tifffile.TiffWriter(stream, bigtiff=True, ome=False) as writer,
    ):
        reserve_note(stream, block)
        for level in range(levels):
            for number, (part, words) in enumerate(parts):
                is_first = level == number == 0
                writer.write(
                    itertools.repeat(b"", _tile_count(part, level)),
                    shape=part.level_shapes[level],
                    dtype=part.dtype,
                    tile=part.tile,
                    subifds=levels - 1 if is_first and not spec.has_chained_levels else 0,
                    subfiletype=(1 if level else 0) + (codes.MASK if number else 0),
                    **({"compression": compression} | words),
                    **(described if is_first else {} if number else upper),
                )
    with path.open("r+b") as stream:
        link_directories(stream, block, is_reserved=True)


def _parts(spec: WriterSpec) -> list[tuple[WriterSpec, dict[str, Any]]]:
    """Return what a level's pages hold: colours, and a mask; and what tifffile is told of them."""
    colours = colour_spec(spec) if spec.is_masked else spec
    separate = colours.channel_axis is not None and colours.channel_axis < colours.plane_axes[0]
    layout = layout_keywords(
        colours.pixel_layout, colours.samples, spec.details,
        premultiplied=spec.is_premultiplied, separate=separate,
    )  # fmt: skip
    if spec.pixel_layout == PALETTE:
        layout |= palette_keywords(spec.details["palette"], spec.dtype)
    return [(colours, layout), *([(mask_spec(spec), MASK_KEYWORDS)] if spec.is_masked else [])]


def _tile_count(spec: WriterSpec, level: int) -> int:
    shape = spec.level_shapes[level]
    rows, cols = spec.plane_axes
    count = -(-shape[rows] // spec.tile[0]) * -(-shape[cols] // spec.tile[1])
    is_interleaved = spec.channel_axis is not None and spec.channel_axis > cols
    for axis, size in enumerate(shape):
        if axis not in (rows, cols) and not (axis == spec.channel_axis and is_interleaved):
            count *= size
    return count


def write_tile_offsets(
    path: Path, spec: WriterSpec, extents: Mapping[tuple[int, ...], tuple[int, int]]
) -> None:
    """Write the offsets and lengths of tiles, and their compression, into the directories.

    Parameters
    ----------
    path : Path
    spec : WriterSpec
    extents : mapping
        From level, page and number to offset and length.
    """
    import tifffile

    with tifffile.TiffFile(path, mode="r+") as file:
        for level, page, directory in _directories(file, spec):
            count = len(directory.dataoffsets)
            tiles = [extents[level, page, tile] for tile in range(count)]
            for code, values in zip(
                (codes.TILE_OFFSETS, codes.TILE_BYTE_COUNTS),
                zip(*tiles, strict=True), strict=True,
            ):  # fmt: skip
                value = values[0] if count == 1 else values
                directory.tags[code].overwrite(value, dtype="Q")
            directory.tags[codes.COMPRESSION].overwrite(_COMPRESSIONS[spec.compression])


def _directories(file: tifffile.TiffFile, spec: WriterSpec) -> Iterator[tuple[int, int, Any]]:
    """Yield level, page and directory of all that hold tiles."""
    if spec.has_chained_levels:
        pages = len(_parts(spec))
        for number, directory in enumerate(file.pages):
            yield *divmod(number, pages), directory.aspage()
        return
    for number, page in enumerate(file.pages):
        full = page.aspage()
        levels = [full, *(full.pages or ())] if len(spec.level_shapes) > 1 else [full]
        for level, directory in enumerate(levels):
            yield level, number, directory.aspage()
