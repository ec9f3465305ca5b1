"""Grids of reprojected images: bounds that hold an image in another system, and a resolution.

Convention
----------
That of `lerf_core.geometry.reprojection`; bounds are west, south, east and north.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry.coordinate_systems import (
    area_of_use,
    geographic_base,
    middle_of,
    period_of,
    system_name,
    transformed,
)
from lerf_core.geometry.reprojection import Grid, Placing, Shape

__all__ = ["Bounds", "GridRequest", "PlacedImage", "suggested_grid"]

Floats = npt.NDArray[np.float64]
Bounds = tuple[float, float, float, float]

# Points along each side of an image's outline.
_ALONG = 256
# Points along rows and columns within it.
_ACROSS = 257
# Latitude that an image must reach to be taken for one that holds a pole; and how far from the
# equator maps that have their poles nowhere end, where their system does not say.
_POLAR, _LAST_LATITUDE = 89.0, 85.06
# Of the width of the world: a map that is higher has its poles nowhere.
_TALLEST = 2.0
# Parts of a pixel that a number of pixels may be off a whole one.
_ROUNDING = 1e-6
# The longest side of a grid, in pixels.
_LONGEST = 2**31 - 1


class PlacedImage(NamedTuple):
    """An image and where it lies.

    Attributes
    ----------
    system : str
    placing : Placing
    shape : (int, int)
        Rows and columns.
    """

    system: str
    placing: Placing
    shape: Shape


class GridRequest(NamedTuple):
    """What is asked for of an output's grid; None leaves it to the image.

    Attributes
    ----------
    system : str
    resolution : (x, y) or None
        Sides of a pixel, in the system's units.
    bounds : (west, south, east, north) or None
    size : (columns, rows) or None
        Of which one may be None.
    """

    system: str
    resolution: tuple[float, float] | None = None
    bounds: Bounds | None = None
    size: tuple[int | None, int | None] | None = None


def suggested_grid(image: PlacedImage, request: GridRequest) -> tuple[Grid, tuple[str, ...]]:
    """Return the grid of an image in another system, and notes on it.

    What is not asked for is as GDAL's ``gdalwarp`` has it: bounds that hold the whole image, and
    square pixels, so many along the result's diagonal as along the image's. Bounds that are given
    stay as they are, and pixels are fitted to them, unless their sides are given as well.

    Parameters
    ----------
    image : PlacedImage
    request : GridRequest

    Raises
    ------
    InvalidArgumentError
        If nothing of the image has a place in the system.
    """
    outline = _Outline(image, request.system)
    west, south, east, north = outline.bounds if request.bounds is None else request.bounds
    width, height = east - west, north - south
    if request.size is not None:
        cols, rows = _sides(request.size, width, height)
        steps = (width / cols, height / rows)
    elif request.resolution is not None:
        steps = request.resolution
        cols, rows = _count(width / steps[0]), _count(height / steps[1])
    else:
        step = outline.resolution
        cols, rows = _count(width / step), _count(height / step)
        steps = (step, step) if request.bounds is None else (width / cols, height / rows)
    if max(rows, cols) > _LONGEST:
        raise InvalidArgumentError(f"a grid of {cols:g} x {rows:g} pixels is too large")
    transform = (steps[0], 0.0, west, 0.0, -steps[1], north)
    return Grid(request.system, transform, (rows, cols)), outline.notes


def _count(pixels: float) -> int:
    """Return a number of pixels, to the nearest, and one at least."""
    return max(1, math.floor(pixels + 0.5 + _ROUNDING))


def _sides(size: tuple[int | None, int | None], width: float, height: float) -> tuple[int, int]:
    """Return columns and rows; an absent one keeps pixels square."""
    cols, rows = size
    if cols is None:
        cols = _count((rows or 1) * width / height)
    return cols, _count(cols * height / width) if rows is None else rows


class _Outline:
    """The outline of an image in another system.

    Attributes
    ----------
    bounds : (west, south, east, north)
    resolution : float
        Side of a pixel that keeps the number of pixels along the diagonal.
    notes : tuple of str
    """

    def __init__(self, image: PlacedImage, system: str) -> None:
        self._image, self._system = image, system
        self._period = period_of(system)
        self.notes: tuple[str, ...] = ()
        x, y = self._transformed(*self._edges())
        is_whole = bool(np.isfinite(x).all())
        corners = (0, 2 * _ALONG) if is_whole else None
        poles = self._poles()
        if self._period is not None and (self._reaches(poles) or not is_whole):
            x, y = self._up_to_poles(x, y, poles)
            corners = None
        elif self._period is not None:
            x = np.unwrap(x, period=self._period)
            x = self._in_main_range(x)
        else:
            x, y = self._with_inner_points(x, y)
        finite = np.isfinite(x)
        if not finite.any() or np.ptp(x[finite]) <= 0 or np.ptp(y[finite]) <= 0:
            raise InvalidArgumentError(f"nothing of the image has a place in {system_name(system)}")
        self.bounds = (
            float(x[finite].min()), float(y[finite].min()),
            float(x[finite].max()), float(y[finite].max()),
        )  # fmt: skip
        if self._period is not None and self.bounds[2] - self.bounds[0] < self._period:
            self._tell_of_antimeridian()
        rows, cols = image.shape
        diagonal = (self.bounds[2] - self.bounds[0], self.bounds[3] - self.bounds[1])
        if corners is not None:
            # From the first corner to the one across.
            first, last = corners
            across = abs(float(x[first] - x[last])), abs(float(y[first] - y[last]))
            diagonal = across if min(across) > 0 else diagonal
        self.resolution = math.hypot(*diagonal) / math.hypot(rows, cols)

    def _edges(self) -> tuple[Floats, Floats]:
        """Return col and row along the image's outline, clockwise from its first corner."""
        rows, cols = self._image.shape
        way = np.arange(_ALONG) / _ALONG
        zero, one = np.zeros(_ALONG), np.ones(_ALONG)
        col = np.concatenate([way, one, 1 - way, zero]) * cols
        row = np.concatenate([zero, way, one, 1 - way]) * rows
        return col, row

    def _transformed(self, col: Floats, row: Floats) -> tuple[Floats, Floats]:
        x, y = self._image.placing.to_world(col, row)
        return transformed(self._image.system, self._system, x, y)

    def _geographic(self, col: Floats, row: Floats) -> tuple[Floats, Floats]:
        """Return longitudes and latitudes of places in the image."""
        x, y = self._image.placing.to_world(col, row)
        return transformed(self._image.system, geographic_base(self._system), x, y)

    def _holds(self, lon: Floats, lat: Floats) -> npt.NDArray[np.bool_]:
        """Tell which places lie in the image."""
        image = self._image
        x, y = transformed(geographic_base(self._system), image.system, lon, lat)
        period = period_of(image.system)
        rows, cols = image.shape
        if period is not None:
            middle, _ = image.placing.to_world(np.array([cols / 2]), np.array([rows / 2]))
            x = x - period * np.rint((x - middle) / period)
        col, row = image.placing.to_pixels(x, y)
        slack = _ROUNDING * max(rows, cols)
        with np.errstate(invalid="ignore"):
            return (col >= -slack) & (col <= cols + slack) & (row >= -slack) & (row <= rows + slack)

    def _poles(self) -> tuple[bool, bool]:
        """Tell whether the south and the north pole lie in the image."""
        south, north = self._holds(np.zeros(2), np.array([-90.0, 90.0]))
        return bool(south), bool(north)

    def _reaches(self, poles: tuple[bool, bool]) -> bool:
        """Whether the image holds one of the poles, as `_poles` tells, or nearly."""
        _, lat = self._geographic(*self._edges())
        return any(poles) or bool(np.nanmax(np.abs(lat), initial=0.0) > _POLAR)

    def _up_to_poles(self, x: Floats, y: Floats, poles: tuple[bool, bool]) -> tuple[Floats, Floats]:
        """Return the outline in a system that has its poles along lines, or nowhere."""
        limits = self._latitudes()
        col, row = self._edges()
        _, lat = self._geographic(col, row)
        with np.errstate(invalid="ignore"):
            beyond = ~((lat >= limits[0]) & (lat <= limits[1]))
        x, y = x[~beyond], y[~beyond]
        # Parallels that close the map, where they cross the image.
        meridians = np.linspace(-180, 180, 4 * _ALONG + 1)
        for limit, holds_pole in zip(limits, poles, strict=True):
            parallel = np.full_like(meridians, limit)
            inside = self._holds(meridians, parallel)
            more_x, more_y = transformed(
                geographic_base(self._system), self._system, meridians[inside], parallel[inside]
            )
            x, y = np.concatenate([x, more_x]), np.concatenate([y, more_y])
            if holds_pole and abs(limit) < 90:
                words = f"{system_name(self._system)} has no poles: the result ends at latitude"
                self.notes += (f"{words} {limit:g}",)
        if any(poles) and x.size and self._period is not None:
            # All meridians meet in the image.
            half = self._period / 2
            x = np.concatenate(
                [x, [middle_of(self._system) - half, middle_of(self._system) + half]]
            )
            y = np.concatenate([y, [y[np.isfinite(y)][0]] * 2])
        return x, y

    def _latitudes(self) -> tuple[float, float]:
        """Return the latitudes between which the system draws a map of any height."""
        lon, lat = np.zeros(2), np.array([-89.99, 89.99])
        _, y = transformed(geographic_base(self._system), self._system, lon, lat)
        if np.isfinite(y).all() and np.ptp(y) <= _TALLEST * (self._period or math.inf):
            return -90.0, 90.0
        area = area_of_use(self._system)
        return (-_LAST_LATITUDE, _LAST_LATITUDE) if area is None else (area[1], area[3])

    def _with_inner_points(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the outline and points within: of half a globe they may lie farther out."""
        rows, cols = self._image.shape
        way = np.linspace(0, 1, _ACROSS)
        col, row = (grid.ravel() for grid in np.meshgrid(way * cols, way * rows))
        inner_x, inner_y = self._transformed(col, row)
        return np.concatenate([x, inner_x]), np.concatenate([y, inner_y])

    def _in_main_range(self, x: Floats) -> Floats:
        """Return x moved by whole worlds: its middle into the main range, a whole world onto it."""
        period = self._period or 0.0
        low, high = float(x.min()), float(x.max())
        off = (low + high) / 2 - middle_of(self._system)
        is_whole_world = high - low >= period * (1 - _ROUNDING)
        moved: Floats = x - (off if is_whole_world else period * np.rint(off / period))
        return moved

    def _tell_of_antimeridian(self) -> None:
        half = (self._period or 0.0) / 2
        west, _, east, _ = self.bounds
        slack = _ROUNDING * half
        if (
            west < middle_of(self._system) - half - slack
            or east > middle_of(self._system) + half + slack
        ):
            self.notes += (
                "the result crosses the antimeridian: its x goes on beyond the end of the world",
            )
