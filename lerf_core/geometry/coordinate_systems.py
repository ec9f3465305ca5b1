"""Systems of coordinates of the earth, and points from one to another, by pyproj.

A system is a text: "EPSG:32632" where it has a code, else WKT. Texts go into plans, digests and
other processes; pyproj's objects are made of them where they are needed.

Convention
----------
Coordinates are (x, y): east before north, longitude before latitude, whatever the system's own
order of axes; angles in the system's unit (degrees, as a rule).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError, one_line

__all__ = [
    "area_of_use", "described_axes", "described_system", "geographic_base", "middle_of",
    "named_system", "period_of",
    "pyproj_module", "system_name", "transformed", "wkt_of",
]  # fmt: skip

Floats = npt.NDArray[np.float64]

# Degrees either side of the outermost meridian, by which the width of the world is measured.
_EDGE = 1e-6
# Two measures of the width of the world that differ by less, in parts of it, are the same.
_SAME = 1e-6


def pyproj_module() -> Any:
    """Return pyproj.

    Raises
    ------
    InvalidArgumentError
        If it is not installed.
    """
    try:
        import pyproj
    except ImportError as error:
        raise InvalidArgumentError(
            "systems of coordinates are read by pyproj: pip install 'lerf[geo]'"
        ) from error
    return pyproj


def named_system(given: Any) -> str:
    """Return the text of a system of coordinates.

    Parameters
    ----------
    given : str, int or object
        Whatever `pyproj.CRS.from_user_input` takes: "EPSG:3857", a PROJ string, WKT, a CRS of
        pyproj or rasterio. Heights are left aside.

    Raises
    ------
    InvalidArgumentError
        If there is no such system, or it is none of the earth's surface.

    Examples
    --------
    >>> named_system("epsg:3857")
    'EPSG:3857'
    """
    pyproj = pyproj_module()
    try:
        system = pyproj.CRS.from_user_input(given)
        if system.is_compound:
            system = system.sub_crs_list[0]
        # Systems that begin with heights have no other form: pyproj says so by an error.
        system = system.to_2d()
    except (pyproj.exceptions.ProjError, TypeError) as error:
        reason = one_line(error, 200).split("(Internal Proj Error:")[-1].rstrip(")").strip()
        raise InvalidArgumentError(
            f"no system of coordinates: {one_line(str(given), 60)!r} ({reason})"
        ) from error
    if not (system.is_projected or system.is_geographic):
        raise InvalidArgumentError(
            f"{system.name} is no system of places on the earth's surface: maps are geographic or "
            "projected"
        )
    authority = system.to_authority(min_confidence=100)
    # A name alone, not the definition, may be what the authority has.
    if authority is not None and system.equals(
        pyproj.CRS.from_authority(*authority), ignore_axis_order=True
    ):
        return ":".join(authority)
    text: str = system.to_wkt()
    return text


@lru_cache(maxsize=64)
def _system(text: str) -> Any:
    return pyproj_module().CRS.from_user_input(text)


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Any:
    """Return pyproj's transformer; threads share it, and each has PROJ's own part of it."""
    pyproj = pyproj_module()
    try:
        return pyproj.Transformer.from_crs(_system(source), _system(target), always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise InvalidArgumentError(
            f"nothing leads from {_system(source).name} to {_system(target).name}: "
            f"{one_line(error, 200)}"
        ) from error


def transformed(source: str, target: str, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the places of points in another system; NaN where they have none.

    Parameters
    ----------
    source, target : str
        See `named_system`.
    x, y : ndarray of float64
        Of one shape.
    """
    shape = np.shape(x)
    # Contiguous copies of one dimension are transformed in place.
    new_x, new_y = (np.array(values, np.float64).reshape(-1) for values in (x, y))
    new_x, new_y = _transformer(source, target).transform(new_x, new_y, errcheck=False)
    nowhere = ~(np.isfinite(new_x) & np.isfinite(new_y))
    new_x[nowhere] = new_y[nowhere] = np.nan
    return new_x.reshape(shape), new_y.reshape(shape)


@lru_cache(maxsize=64)
def geographic_base(text: str) -> str:
    """Return the system of longitudes and latitudes that a system is made of."""
    return str(_system(text).geodetic_crs.to_wkt())


def system_name(text: str) -> str:
    """Return what to call a system in words."""
    is_short = "\n" not in text and "[" not in text
    return text if is_short else str(_system(text).name)


@lru_cache(maxsize=64)
def wkt_of(text: str) -> str:
    """Return the text of a system in WKT2."""
    wkt: str = _system(text).to_wkt()
    return wkt


def period_of(text: str) -> float | None:
    """Return the steps in x after which a system shows the same places again; None: it does not.

    Longitudes, and cylindrical projections in their usual aspect: 360 degrees.

    Examples
    --------
    >>> period_of("EPSG:4326")
    360.0
    >>> round(period_of("EPSG:3857"))
    40075017
    >>> period_of("EPSG:32632")
    """
    system = _system(text)
    if system.is_geographic:
        return float(2 * np.pi / system.axis_info[0].unit_conversion_factor)
    centre = _central_meridian(text)
    lon = np.array([centre - 180 + _EDGE, centre + 180 - _EDGE] * 2)
    lat = np.array([0.0, 0.0, 45.0, 45.0])
    x, y = transformed(geographic_base(text), text, lon, lat)
    widths, heights = np.diff(x)[::2], np.diff(y)[::2]
    width = float(np.abs(widths).max(initial=0.0, where=np.isfinite(widths)))
    if not width or not np.isfinite([*widths, *heights]).all():
        return None
    if np.ptp(widths) > _SAME * width or np.abs(heights).max() > _SAME * width:
        return None
    return width / (1 - _EDGE / 180)


@lru_cache(maxsize=64)
def middle_of(text: str) -> float:
    """Return the x in the middle of a system's world: of its central meridian.

    Examples
    --------
    >>> middle_of("EPSG:4326")
    0.0
    """
    if _system(text).is_geographic:
        return 0.0
    x, _ = transformed(
        geographic_base(text), text, np.array([_central_meridian(text)]), np.zeros(1)
    )
    return float(x[0])


def _central_meridian(text: str) -> float:
    """Return the longitude of a projection's middle, where it says one; else 0."""
    operation = _system(text).coordinate_operation
    for parameter in operation.params if operation is not None else ():
        if parameter.name in {"Longitude of natural origin", "Longitude of false origin"}:
            return float(np.rad2deg(parameter.value * parameter.unit_conversion_factor))
    return 0.0


def described_system(text: str) -> dict[str, Any]:
    """Return the attributes by which CF's conventions describe a system, ``crs_wkt`` among them."""
    described: dict[str, Any] = _system(text).to_cf()
    return described


def described_axes(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the attributes by which CF's conventions describe y and x, in this order."""
    axes = {axis["axis"]: axis for axis in _system(text).cs_to_cf()}
    return axes.get("Y", {}), axes.get("X", {})


def area_of_use(text: str) -> tuple[float, float, float, float] | None:
    """Return west, south, east and north, in degrees, of where a system is meant to be used."""
    area = _system(text).area_of_use
    return None if area is None else (area.west, area.south, area.east, area.north)
