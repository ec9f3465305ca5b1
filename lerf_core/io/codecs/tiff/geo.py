"""Where a TIFF lies on the earth, its missing value and GDAL's metadata: tags read and written.

GeoTIFF (OGC 19-008) names the system of coordinates by keys in three tags, and places pixels by a
scale and a tie point, a matrix, or many tie points. A key says whether pixels are areas, whose
corner the numbers place, or points, whose centre they place; here positions are in corners always.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from lerf_core.io.codecs.tiff import codes
from lerf_core.io.metadata.georeference import Georeference

if TYPE_CHECKING:
    import tifffile

__all__ = [
    "gdal_xml_of",
    "geo_tags",
    "georeference_of",
    "neighbour_notes",
    "nodata_of",
    "nodata_tag",
]

# A key of GeoTIFF, and its value for pixels that are points.
_RASTER_TYPE, _IS_POINT = 1025, 2
# Numbers in an entry of the directory of keys: key, tag of the value or 0, count, value or place.
_KEY_NUMBERS = 4
_TIE_NUMBERS = 6
# What GDAL's metadata say of other pixels than the result's, or of the file's own structure.
_STALE_ITEMS = ("STATISTICS_",)
_FILE_ITEMS = ("OVR_RESAMPLING_ALG", "OVERVIEW_RESAMPLING")
_STALE_DOMAINS = {
    "RPC": "RPC", "GEOLOCATION": "geolocation arrays", "TILING_SCHEME": "tiling scheme",
}  # fmt: skip
# What GDAL would read beside a TIFF.
_NEIGHBOURS = (".aux.xml", ".msk", ".ovr")
_WORLD_FILES = (".tfw", ".tifw", ".tiffw", ".wld", ".TFW")


# -- reading ------------------------------------------------------------------------------


def georeference_of(page: tifffile.TiffPage) -> tuple[Georeference | None, tuple[str, ...]]:
    """Return where a page lies, as its pixels are stored, and notes on what is left out."""
    keys = tuple(
        (code, value)
        for code in (codes.GEO_KEYS, codes.GEO_DOUBLES, codes.GEO_TEXTS)
        if (value := _value(page, code)) is not None
    )
    notes: tuple[str, ...] = ()
    if _value(page, codes.RPC) is not None:
        notes = ("RPC (a camera's rational functions) dropped",)
    shift = 0.5 if _is_point(keys) else 0.0
    try:
        transform = _transform(page, shift)
        points = _points(page, shift) if transform is None else ()
    except (TypeError, ValueError):
        notes += ("damaged georeferencing dropped",)
        return None, notes
    if transform is None and not points and not keys:
        return None, notes
    return Georeference(transform, keys, points), notes


def _value(page: tifffile.TiffPage, code: int) -> Any:
    """Return a tag's value, numbers as a tuple; None where there is none."""
    tag = page.tags.get(code)
    if tag is None:
        return None
    value = tag.value
    if isinstance(value, (str, bytes)):
        return value if isinstance(value, str) else value.decode("latin-1")
    return tuple(np.ravel(value).tolist())


def _is_point(keys: tuple[tuple[int, Any], ...]) -> bool:
    """Whether numbers place the centres of pixels."""
    directory = dict(keys).get(codes.GEO_KEYS, ())
    entries = zip(*[iter(directory)] * _KEY_NUMBERS, strict=False)
    return any(key == _RASTER_TYPE and value == _IS_POINT for key, _, _, value in entries)


def _transform(
    page: tifffile.TiffPage, shift: float
) -> tuple[float, float, float, float, float, float] | None:
    """Return the map from corners of pixels to coordinates; None where no tags state it."""
    scale, ties, matrix = (
        _value(page, code) for code in (codes.PIXEL_SCALE, codes.TIE_POINTS, codes.GEO_MATRIX)
    )
    if scale is not None and ties is not None and len(ties) >= _TIE_NUMBERS:
        across, down = float(scale[0]), abs(float(scale[1]))
        col, row, _, x, y, _ = ties[:_TIE_NUMBERS]
        numbers = (across, 0.0, x - across * (col + shift), 0.0, -down, y + down * (row + shift))
        if not across or not down:
            return None
    elif matrix is not None:
        if len(matrix) != 16:
            raise ValueError("a matrix of other than 16 numbers")
        a, b, _, c, d, e, _, f = (float(number) for number in matrix[:8])
        numbers = (a, b, c - shift * (a + b), d, e, f - shift * (d + e))
    else:
        return None
    if not np.isfinite(numbers).all():
        raise ValueError("numbers that are not finite")
    return numbers


def _points(
    page: tifffile.TiffPage, shift: float
) -> tuple[tuple[float, float, float, float, float], ...]:
    """Return ground control points."""
    ties = _value(page, codes.TIE_POINTS)
    if ties is None:
        return ()
    points = np.array(ties, np.float64).reshape(-1, _TIE_NUMBERS)
    if not np.isfinite(points).all():
        raise ValueError("numbers that are not finite")
    return tuple((col + shift, row + shift, x, y, z) for col, row, _, x, y, z in points.tolist())


def nodata_of(page: tifffile.TiffPage) -> tuple[float | None, tuple[str, ...]]:
    """Return the value of missing pixels, as they are stored, and notes on what is wrong."""
    text = _value(page, codes.GDAL_NODATA)
    if text is None:
        return None, ()
    text = str(text).strip(" \0\t\r\n") if isinstance(text, str) else ""
    try:
        return int(text), ()
    except ValueError:
        pass
    # How old C libraries wrote what is no number.
    if text.lower().lstrip("+-").startswith(("1.#ind", "1.#qnan", "nan")):
        return float("nan"), ()
    try:
        return float(text), ()
    except ValueError:
        return None, (f"GDAL_NODATA {text[:20]!r} is no number: not obeyed",)


def gdal_xml_of(page: tifffile.TiffPage) -> tuple[str, tuple[str, ...]]:
    """Return GDAL's metadata, XML, without what is untrue of other pixels; and notes on that."""
    text = _value(page, codes.GDAL_METADATA)
    if not isinstance(text, str) or not text.strip(" \0\n"):
        return "", ()
    try:
        root = ET.fromstring(text.strip(" \0\n"))
    except ET.ParseError:
        return "", ("damaged GDAL metadata dropped",)
    dropped: dict[str, None] = {}
    for item in list(root):
        name, domain = item.get("name", ""), item.get("domain", "")
        if name in _FILE_ITEMS:
            root.remove(item)
        elif name.startswith(_STALE_ITEMS) or domain in _STALE_DOMAINS:
            root.remove(item)
            dropped[_STALE_DOMAINS.get(domain, "statistics of bands")] = None
    notes = (f"{', '.join(dropped)} dropped: untrue of other pixels",) if dropped else ()
    return (ET.tostring(root, "unicode") + "\n" if len(root) else ""), notes


def neighbour_notes(name: str, georeference: Georeference | None) -> tuple[str, ...]:
    """Return notes on files beside a TIFF that say something of it, and are not read.

    Parameters
    ----------
    name : str
        The TIFF's path; "" where it has none.
    georeference : Georeference or None
        What the TIFF itself says of where it lies: then a world file adds nothing.
    """
    path = Path(name)
    if not name or not path.is_file():
        return ()
    beside = [path.with_name(path.name + suffix) for suffix in _NEIGHBOURS]
    if georeference is None or not georeference.is_placed:
        beside += [path.with_suffix(suffix) for suffix in _WORLD_FILES]
    there = [other.name for other in beside if other.is_file()]
    return (f"not read: {', '.join(there)} beside it",) if there else ()


# -- writing ------------------------------------------------------------------------------


def geo_tags(
    georeference: Georeference | None, gdal: str, nodata: float | None
) -> list[tuple[int, int, int, Any, bool]]:
    """Return the tags that say where an image lies, what is missing and what GDAL adds.

    Returns
    -------
    list
        Of tifffile's ``extratags``.
    """
    tags: list[tuple[int, int, int, Any, bool]] = []
    if georeference is not None:
        tags += _place_tags(georeference)
        tags += [_tag(code, value) for code, value in georeference.keys]
    if gdal:
        tags.append(_tag(codes.GDAL_METADATA, gdal))
    if nodata is not None:
        tags.append(nodata_tag(nodata))
    return tags


def nodata_tag(nodata: float) -> tuple[int, int, int, Any, bool]:
    """Return the tag of the missing value, in GDAL's way of writing numbers."""
    return _tag(codes.GDAL_NODATA, str(nodata) if isinstance(nodata, int) else f"{nodata:.17g}")


def _place_tags(reference: Georeference) -> list[tuple[int, int, int, Any, bool]]:
    shift = 0.5 if _is_point(reference.keys) else 0.0
    if reference.transform is not None:
        a, b, c, d, e, f = reference.transform
        c, f = c + shift * (a + b), f + shift * (d + e)
        if a > 0 and e < 0 and not b and not d:
            return [
                _tag(codes.PIXEL_SCALE, (a, -e, 0.0)),
                _tag(codes.TIE_POINTS, (0.0, 0.0, 0.0, c, f, 0.0)),
            ]
        matrix = (a, b, 0.0, c, d, e, 0.0, f, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
        return [_tag(codes.GEO_MATRIX, matrix)]
    if not reference.points:
        return []
    ties = [(col - shift, row - shift, 0.0, x, y, z) for col, row, x, y, z in reference.points]
    return [_tag(codes.TIE_POINTS, tuple(number for tie in ties for number in tie))]


def _tag(code: int, value: Any) -> tuple[int, int, int, Any, bool]:
    if isinstance(value, str):
        return code, codes.ASCII, 0, value.encode() + b"\0", True
    kind = codes.SHORT if code == codes.GEO_KEYS else codes.DOUBLE
    return code, kind, len(value), value, True
