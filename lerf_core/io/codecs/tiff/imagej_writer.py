"""ImageJ's hyperstacks, written block by block: one array behind the first directory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.codecs.npy.writer import NpySink, NpyWriter
from lerf_core.io.codecs.tiff.directories import link_directories, metadata_keywords
from lerf_core.io.codecs.tiff.imagej import CORNER
from lerf_core.io.metadata.units import converted
from lerf_core.io.results.claims import Ticket
from lerf_core.io.tiles.tiled_writer import WriterSpec

__all__ = ["ImageJWriter"]

_UNITS = {"micrometer": "um", "nanometer": "nm", "millimeter": "mm", "centimeter": "cm"}
# Directories of more planes, or behind more bytes, are left out: ImageJ needs the first alone.
_MOST_DIRECTORIES = 1 << 16
_MOST_BYTES = 3_900_000_000


class ImageJWriter(NpyWriter):
    """See `lerf_core.io.tiles.tiled_writer.TiledWriter`."""

    def _begun(self, spec: WriterSpec, ticket: Ticket, *, resume: bool) -> NpySink:
        import tifffile

        if resume:
            with tifffile.TiffFile(self._partial) as handle:
                start = int(handle.pages.first.dataoffsets[0])
            return NpySink(str(self._partial), start, spec, ticket, is_big_endian=True)
        described, block = metadata_keywords(spec.metadata, is_bigtiff=False)
        described["description"] = None  # ImageJ's own lies there
        rows, cols = spec.plane_axes
        size = math.prod(spec.shape) * spec.dtype.itemsize
        planes = size // (spec.shape[rows] * spec.shape[cols] * spec.samples)
        with tifffile.TiffWriter(self._partial, imagej=True, byteorder=">") as writer:
            extent = writer.write(
                None,
                shape=spec.shape,
                dtype=spec.dtype.newbyteorder(">"),
                truncate=size > _MOST_BYTES or planes > _MOST_DIRECTORIES,
                returnoffset=True,
                **(described | _written(spec)),
            )
        if extent is None:
            raise FileError("ImageJ's format does not hold these pixels in one piece")
        with self._partial.open("r+b") as stream:
            link_directories(stream, block)
            stream.truncate(max(stream.seek(0, 2), extent[0] + size))
        return NpySink(str(self._partial), int(extent[0]), spec, ticket, is_big_endian=True)


def _written(spec: WriterSpec) -> dict[str, Any]:
    """Return what tifffile is told to write a stack in ImageJ's words."""
    metadata = spec.metadata
    facts: dict[str, Any] = dict(metadata.imagej or ())
    keywords: dict[str, Any] = {"photometric": "rgb" if spec.samples > 1 else "minisblack"}
    table = facts.pop("colormap", None)
    if table is not None and spec.dtype == np.uint8 and spec.samples == 1:
        keywords |= {"colormap": np.array(table, np.uint16), "photometric": "palette"}
    elif table is not None and spec.samples == 1:
        facts.setdefault("LUTs", [(np.array(table, np.uint16) >> 8).astype(np.uint8)])
    sizes = {axis.letter: axis for axis in metadata.axes}
    cols, rows = sizes.get("X"), sizes.get("Y")
    if cols is not None and rows is not None:
        unit = cols.unit
        facts.setdefault("unit", _UNITS.get(unit, unit) or "pixel")
        for letter, axis in sizes.items():
            if letter == "T":
                continue
            step = converted(axis.step, axis.unit, unit) or axis.step
            origin = converted(axis.origin, axis.unit, unit) or 0.0
            if axis.is_placed:
                facts[f"{letter.lower()}origin"] = round(CORNER[letter] - origin / step, 9)
            if letter == "Z":
                facts["spacing"] = step
        height = converted(rows.step, rows.unit, unit) or rows.step
        keywords |= {"resolution": (1 / cols.step, 1 / height), "resolutionunit": "NONE"}
    elif "Z" in sizes:
        facts["spacing"] = sizes["Z"].step
    if "T" in sizes:
        interval = converted(sizes["T"].step, sizes["T"].unit, "second") or sizes["T"].step
        facts["finterval"] = interval
    if metadata.pages and any(page.name for page in metadata.pages):
        facts["Labels"] = [page.name for page in metadata.pages]
    return keywords | {"metadata": {"axes": spec.axes, **facts}}
