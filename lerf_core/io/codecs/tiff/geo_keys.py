"""Systems of coordinates in the keys of GeoTIFF (OGC 19-008): read, and written.

A system with a code of EPSG is a single number. Others are a projection's method and parameters,
or a text of ESRI's ("ESRI PE String = ..."), which GDAL reads as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lerf_core.errors import FileError, InvalidArgumentError, one_line
from lerf_core.geometry.coordinate_systems import named_system, pyproj_module
from lerf_core.io.codecs.tiff import codes

__all__ = ["keys_of_system", "stated_system", "system_of_keys"]

GeoKeys = tuple[tuple[int, tuple[int | float, ...] | str], ...]

_MODEL, _RASTER, _CITATION = 1024, 1025, 1026
_GEOGRAPHIC, _GEOGRAPHIC_CITATION, _GEOGRAPHIC_DATUM = 2048, 2049, 2050
_ANGLE_UNIT, _ELLIPSOID, _MAJOR_AXIS, _MINOR_AXIS, _FLATTENING = 2054, 2056, 2057, 2058, 2059
_PRIME_MERIDIAN = 2061
_PROJECTED, _PROJECTED_CITATION, _CONVERSION, _METHOD = 3072, 3073, 3074, 3075
_LENGTH_UNIT, _LENGTH_UNIT_SIZE = 3076, 3077
_MODEL_PROJECTED, _MODEL_GEOGRAPHIC = 1, 2
_AREA = 1
_USER_DEFINED, _UNDEFINED = 32767, 0
# Codes of EPSG.
_CODES = range(1024, _USER_DEFINED)
_ESRI = "ESRI PE String = "
_METRE = 9001
# A system whose axes are east and north, in metres.
_ANY_PROJECTED = 32631
# And one of degrees.
_ANY_GEOGRAPHIC = 4326
# Codes of units, and their metres.
_LENGTHS = {_METRE: 1.0, 9002: 0.3048, 9003: 1200 / 3937, 9036: 1000.0}

# Methods by their codes, in PROJ's words.
_METHODS = {
    1: "tmerc", 7: "merc", 8: "lcc", 9: "lcc", 10: "laea", 11: "aea", 12: "aeqd", 14: "stere",
    15: "stere", 16: "sterea", 17: "eqc", 18: "cass", 19: "gnom", 20: "mill", 21: "ortho",
    22: "poly", 23: "robin", 24: "sinu", 25: "vandg", 28: "cea",
}  # fmt: skip
_POLAR_STEREOGRAPHIC = 15
# Parameters in PROJ's words, and their keys; the first that is there counts.
_PARAMETERS = {
    "lat_0": (3081, 3085, 3089), "lon_0": (3080, 3084, 3088, 3095), "lat_1": (3078,),
    "lat_2": (3079,), "k_0": (3092, 3093), "x_0": (3082, 3086, 3090), "y_0": (3083, 3087, 3091),
}  # fmt: skip
_FALSE = {"x_0", "y_0"}


# -- reading ------------------------------------------------------------------------------


def system_of_keys(keys: GeoKeys) -> str:
    """Return the system that GeoTIFF's keys name, see `coordinate_systems.named_system`.

    Parameters
    ----------
    keys : tuple of (code, values)
        See `lerf_core.io.metadata.georeference.Georeference`.

    Raises
    ------
    FileError
        If there is none, or none that is known here.
    """
    values = _values(keys)
    if not values:
        raise FileError("it names no system of coordinates")
    try:
        return named_system(_described(values))
    except InvalidArgumentError as error:
        raise FileError(one_line(error)) from error
    except pyproj_module().exceptions.ProjError as error:
        raise FileError(
            f"its system of coordinates is not understood: {one_line(error)}"
        ) from error


def stated_system(keys: GeoKeys) -> tuple[str, str]:
    """Return the code of a system, such as "EPSG:32632", and its name, as the keys state them.

    Nothing is looked up: pyproj is not needed.

    Parameters
    ----------
    keys : tuple of (code, values)
        See `lerf_core.io.metadata.georeference.Georeference`.

    Returns
    -------
    code, name : str
        "" where the keys have none.

    Examples
    --------
    >>> directory = (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32632)
    >>> stated_system(((34735, directory),))
    ('EPSG:32632', '')
    """
    values = _values(keys)
    is_projected = _PROJECTED in values or values.get(_MODEL) == _MODEL_PROJECTED
    code = values.get(_PROJECTED if is_projected else _GEOGRAPHIC)
    citations = [_PROJECTED_CITATION, _CITATION, _GEOGRAPHIC_CITATION]
    if not is_projected:
        citations = [_GEOGRAPHIC_CITATION, _CITATION]
    names = (str(values.get(key, "")).strip() for key in citations)
    return f"EPSG:{code}" if code in _CODES else "", next(filter(None, names), "")


def _values(keys: GeoKeys) -> dict[int, Any]:
    """Return the value of each key."""
    tags: Mapping[int, Any] = dict(keys)
    directory = tags.get(codes.GEO_KEYS, ())
    values: dict[int, Any] = {}
    for start in range(4, len(directory) - 3, 4):
        key, tag, count, value = (int(number) for number in directory[start : start + 4])
        if tag == 0:
            values[key] = value
        elif tag == codes.GEO_TEXTS and isinstance(tags.get(tag), str):
            values[key] = tags[tag][value : value + count].rstrip("|\0 ")
        elif tag in tags and count and value < len(tags[tag]):
            values[key] = float(tags[tag][value])
    return values


def _described(values: dict[int, Any]) -> Any:
    """Return what names the system, in a form that pyproj takes."""
    for key in (_PROJECTED_CITATION, _CITATION, _GEOGRAPHIC_CITATION):
        text = str(values.get(key, ""))
        if text.startswith(_ESRI):
            return text.removeprefix(_ESRI)
    code = values.get(_PROJECTED, _UNDEFINED)
    is_projected = values.get(_MODEL) == _MODEL_PROJECTED or code != _UNDEFINED
    if not is_projected:
        return _geographic(values)
    if code not in {_UNDEFINED, _USER_DEFINED}:
        return int(code)
    return _projected(values)


def _geographic(values: dict[int, Any]) -> Any:
    """Return a geographic system, as pyproj's or by its code."""
    code = values.get(_GEOGRAPHIC, _UNDEFINED)
    if code not in {_UNDEFINED, _USER_DEFINED}:
        return int(code)
    datum = values.get(_GEOGRAPHIC_DATUM, _UNDEFINED)
    pyproj = pyproj_module()
    if datum not in {_UNDEFINED, _USER_DEFINED}:
        return _on_datum(pyproj.crs.Datum.from_epsg(int(datum)))
    ellipsoid = values.get(_ELLIPSOID, _UNDEFINED)
    if ellipsoid not in {_UNDEFINED, _USER_DEFINED}:
        shape = pyproj.crs.Ellipsoid.from_epsg(int(ellipsoid))
    elif _MAJOR_AXIS in values:
        shape = pyproj.crs.datum.CustomEllipsoid(
            semi_major_axis=values[_MAJOR_AXIS],
            semi_minor_axis=values.get(_MINOR_AXIS),
            inverse_flattening=None if _MINOR_AXIS in values else values.get(_FLATTENING),
        )
    else:
        raise FileError("it names no system of coordinates")
    return _on_datum(pyproj.crs.datum.CustomDatum(ellipsoid=shape))


def _on_datum(datum: Any) -> dict[str, Any]:
    """Return a geographic system on a datum of pyproj, as PROJJSON."""
    described = datum.to_json_dict()
    is_ensemble = described["type"] == "DatumEnsemble"
    axes = pyproj_module().CRS.from_epsg(_ANY_GEOGRAPHIC).coordinate_system
    return {
        "type": "GeographicCRS",
        "name": "unnamed",
        "datum_ensemble" if is_ensemble else "datum": described,
        "coordinate_system": axes.to_json_dict(),
    }


def _projected(values: dict[int, Any]) -> Any:
    """Return a projected system of a method and parameters, as pyproj's."""
    pyproj = pyproj_module()
    base = pyproj.CRS.from_user_input(_geographic(values))
    conversion = values.get(_CONVERSION, _UNDEFINED)
    metres = values.get(_LENGTH_UNIT_SIZE)
    metres = _LENGTHS.get(values.get(_LENGTH_UNIT, _METRE)) if metres is None else metres
    if metres is None:
        raise FileError(f"unit {values[_LENGTH_UNIT]} of its coordinates is not known here")
    method = values.get(_METHOD)
    if conversion not in {_UNDEFINED, _USER_DEFINED}:
        operation = pyproj.crs.CoordinateOperation.from_epsg(int(conversion))
        return _joined(base, operation, pyproj.CRS.from_epsg(_ANY_PROJECTED).coordinate_system)
    if method not in _METHODS:
        raise FileError(f"method {method} of its projection is not known here")
    words: dict[str, Any] = {"proj": _METHODS[method], "to_meter": metres}
    for name, keys in _PARAMETERS.items():
        number = next((values[key] for key in keys if key in values), None)
        if number is not None:
            words[name] = number * metres if name in _FALSE else number
    if method == _POLAR_STEREOGRAPHIC:
        # Its latitude is that of true scale; the pole is the one on the same side.
        latitude = words.pop("lat_0", 90.0)
        words |= {"lat_0": 90.0 if latitude > 0 else -90.0, "lat_ts": latitude}
        if "k_0" in words and abs(latitude) == 90.0:
            del words["lat_ts"]
    if words["proj"] in {"eqc", "cea", "merc"} and "lat_1" in words:
        words["lat_ts"] = words.pop("lat_1")
    text = " ".join(f"+{name}={value!r}" for name, value in words.items()).replace("'", "")
    parsed = pyproj.CRS.from_user_input(f"{text} +ellps=WGS84 +type=crs")
    return _joined(base, parsed.coordinate_operation, parsed.coordinate_system)


def _joined(base: Any, conversion: Any, axes: Any) -> dict[str, Any]:
    """Return a projected system of pyproj's objects, as PROJJSON."""
    return {
        "type": "ProjectedCRS",
        "name": "unnamed",
        "base_crs": base.to_json_dict(),
        "conversion": conversion.to_json_dict(),
        "coordinate_system": axes.to_json_dict(),
    }


# -- writing ------------------------------------------------------------------------------


def keys_of_system(system: str) -> GeoKeys:
    """Return GeoTIFF's keys of a system; pixels are areas.

    Parameters
    ----------
    system : str
        See `coordinate_systems.named_system`.

    Raises
    ------
    FileError
        If GeoTIFF has no keys for it.
    """
    pyproj = pyproj_module()
    crs = pyproj.CRS.from_user_input(system)
    is_projected = bool(crs.is_projected)
    entries: list[tuple[int, int | str]] = [
        (_RASTER, _AREA),
    ]
    model = _MODEL_PROJECTED if is_projected else _MODEL_GEOGRAPHIC
    name, kind = _ascii(crs.name), (_PROJECTED if is_projected else _GEOGRAPHIC)
    authority, _, code = system.partition(":")
    if authority == "EPSG" and code.isdecimal() and int(code) < _USER_DEFINED:
        entries += [(_CITATION, name), (kind, int(code))]
    elif system in {"OGC:CRS84", "OGC:CRS83"}:
        entries += [(_CITATION, name), (kind, {"OGC:CRS84": 4326}.get(system, 4269))]
    else:
        try:
            text = crs.to_wkt("WKT1_ESRI")
        except pyproj.exceptions.ProjError as error:
            raise FileError(f"GeoTIFF has no keys for {crs.name}: {one_line(error)}") from error
        # What GDAL wants to see before it reads such a text.
        model = _USER_DEFINED
        entries += [(_CITATION, name), (_PROJECTED_CITATION, _ESRI + _ascii(text))]
    return _packed([(_MODEL, model), *entries])


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode().replace("|", "/")


def _packed(entries: list[tuple[int, int | str]]) -> GeoKeys:
    """Return the tags of keys: the directory, and texts where there are some."""
    directory, texts = [1, 1, 0, len(entries)], ""
    for key, value in sorted(entries):
        if isinstance(value, str):
            directory += [key, codes.GEO_TEXTS, len(value) + 1, len(texts)]
            texts += value + "|"
        else:
            directory += [key, 0, 1, value]
    return ((codes.GEO_KEYS, tuple(directory)), (codes.GEO_TEXTS, texts))
