"""The parameters of a layer's pixels, as layers: maps, ellipses and slopes."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_plugins.napari.compute.results import Step
from lerf_plugins.napari.model.layer_image import RECORD, LayerImage, at_plane
from lerf_plugins.napari.model.pixel_grid import PixelGrid

if TYPE_CHECKING:
    from lerf_core.inspection import ParameterMaps

__all__ = [
    "ChosenLayers",
    "LayerTuple",
    "PlaneArea",
    "drawn_step",
    "ellipse_vectors",
    "inspect_area",
    "slope_vectors",
]

Vectors = npt.NDArray[np.float32]
LayerTuple = tuple[Any, dict[str, Any], str]

#: Straight pieces of a drawn ellipse.
PIECES = 16
#: Semi-axes are drawn at so many of their length, so that neighbours can be told apart.
SHRUNK = 0.5
# Colours where a value has a sign, and where it has none.
_SIGNED, _UNSIGNED = "PiYG", "viridis"
_COLOURS = {"ellipses": "cyan", "slopes": "orange"}


class ChosenLayers(NamedTuple):
    """Which layers to make, and for how many pixels ellipses and slopes are drawn at most."""

    maps: bool
    ellipses: bool
    slopes: bool
    pixel_limit: int


class PlaneArea(NamedTuple):
    """Rows and columns of one plane of an image.

    Attributes
    ----------
    image : LayerImage
    planes : tuple of int
        An index for each axis before rows and columns.
    region : (slice, slice)
        Rows and columns.
    """

    image: LayerImage
    planes: tuple[int, ...]
    region: tuple[slice, slice]


def inspect_area(
    area: PlaneArea, bank: str | None, value_range: tuple[float, float] | None, chosen: ChosenLayers
) -> Generator[Step, None, list[LayerTuple]]:
    """Make layers that show the parameters of an area of a plane.

    Yields
    ------
    Step
        Before and after the bank is read.

    Returns
    -------
    list of (data, state, kind)
        As napari makes layers of: first the maps, which are hidden, then ellipses and slopes.
        ``shows`` in each one's record says what it is.
    """
    yield Step(0, 2)
    maps, record = _parameter_maps(area, bank, value_range)
    yield Step(1, 2)
    spatial = _spatial_state(area, record)
    layers: list[LayerTuple] = []
    if chosen.maps:
        layers += _map_layers(area, maps, spatial)
    drawn = _drawn_pixels(maps.feature.shape, chosen.pixel_limit)
    if chosen.ellipses:
        layers.append(_vector_layer(area, _ellipses(maps, drawn), "ellipses", spatial))
    if chosen.slopes:
        layers.append(_vector_layer(area, _slopes(maps, drawn), "slopes", spatial))
    return layers


def _parameter_maps(
    area: PlaneArea, bank: str | None, value_range: tuple[float, float] | None
) -> tuple[ParameterMaps, dict[str, Any]]:
    """Compute the maps of an area of a plane, and what is recorded of how they were made.

    What lies around the area is read for them.
    """
    from lerf_core.bank.loading import load_bank
    from lerf_core.inspection import luma_maps, parameter_maps

    image, planes, region = area
    given = load_bank(bank)
    reach = given.full_reach
    window = [
        slice(max(0, side.start - reach), min(size, side.stop + reach))
        for side, size in zip(region, image.shape, strict=True)
    ]
    pixels = np.asarray(image.levels[0][(*planes, *window)])
    if image.is_rgb:
        maps = luma_maps(pixels[..., :3], bank=given, value_range=value_range)
    else:
        maps = parameter_maps(pixels, bank=given, value_range=value_range)
    inner = tuple(
        slice(side.start - outer.start, side.stop - outer.start)
        for side, outer in zip(region, window, strict=True)
    )
    record = {
        "operation": "inspect",
        "source": image.name,
        "bank": given.name,
        "bank_kind": given.kind.name,
        "value_range": value_range,
        "planes": planes,
        "region": tuple((side.start, side.stop) for side in region),
    }
    return maps[inner], record


# -- layers ------------------------------------------------------------------------------


def _spatial_state(area: PlaneArea, record: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a layer whose pixels are those of the area."""
    image, planes, (rows, cols) = area
    keys = ("rotate", "shear", "affine", "units", "axis_labels")
    state = {key: image.state[key] for key in keys} | {"metadata": {RECORD: record}}
    grid = PixelGrid().shifted(rows.start, cols.start)
    return at_plane(state | image.placed(grid), planes)


def _map_layers(area: PlaneArea, maps: ParameterMaps, spatial: dict[str, Any]) -> list[LayerTuple]:
    """Return a layer for the feature and one for each parameter."""
    from lerf_core.inspection import COEFFICIENTS

    values_and_units = {"feature": (maps.feature, "level")}
    for name in maps.parameters:
        unit = COEFFICIENTS[name].unit if name in COEFFICIENTS else "1"
        values_and_units[name] = (maps.coefficient(name), unit)
    leading = (1,) * len(area.planes)
    layers = []
    for name, (values, unit) in values_and_units.items():
        suffix = "" if unit == "1" else f" ({unit})"
        state = _showing(name, spatial) | _colours(values)
        state |= {"name": f"{name} of {area.image.name}{suffix}", "visible": False}
        layers.append((values.reshape(*leading, *values.shape), state, "image"))
    return layers


def _vector_layer(
    area: PlaneArea, vectors: Vectors, name: str, spatial: dict[str, Any]
) -> LayerTuple:
    """Return a layer of vectors (N, 2, 2) that lie in the area's plane."""
    leading = np.zeros((*vectors.shape[:2], len(area.planes)), np.float32)
    style = {"vector_style": "line", "edge_width": 0.12, "edge_color": _COLOURS[name]}
    state = _showing(name, spatial) | style | {"name": f"{name} of {area.image.name}"}
    return np.concatenate([leading, vectors], axis=-1), state, "vectors"


def _showing(name: str, spatial: dict[str, Any]) -> dict[str, Any]:
    """Return a state whose record says what the layer shows."""
    return spatial | {"metadata": {RECORD: spatial["metadata"][RECORD] | {"shows": name}}}


def _colours(values: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Return colours for a map: with a middle where values have a sign."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low < 0:
        largest = max(-low, high)
        return {"colormap": _SIGNED, "contrast_limits": (-largest, largest)}
    return {"colormap": _UNSIGNED, "contrast_limits": (low, high if high > low else low + 1)}


# -- vectors -----------------------------------------------------------------------------


def drawn_step(shape: tuple[int, ...], pixel_limit: int) -> int:
    """Return every how many rows and columns are drawn, so that pixels are few enough."""
    step = 1
    while -(-shape[0] // step) * -(-shape[1] // step) > pixel_limit:
        step += 1
    return step


def _drawn_pixels(shape: tuple[int, ...], pixel_limit: int) -> tuple[slice, slice]:
    """Return rows and columns to draw, evenly apart: at most `pixel_limit` pixels in all."""
    step = drawn_step(shape, pixel_limit)
    return slice(step // 2, None, step), slice(step // 2, None, step)


def _ellipses(maps: ParameterMaps, drawn: tuple[slice, slice]) -> Vectors:
    from lerf_core.inspection import ellipses

    return ellipse_vectors(ellipses(maps).outlines(PIECES), drawn)


def _slopes(maps: ParameterMaps, drawn: tuple[slice, slice]) -> Vectors:
    from lerf_core.inspection import slopes

    gradients = slopes(maps)
    return slope_vectors(gradients.row, gradients.col, drawn)


def _centres(shape: tuple[int, ...], drawn: tuple[slice, slice]) -> Vectors:
    """Return the (row, col) of the pixels that are drawn, (N, 2)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    centres = np.stack([y[drawn], x[drawn]], axis=-1)
    return np.asarray(centres.reshape(-1, 2), np.float32)


def ellipse_vectors(outlines: npt.NDArray[np.float32], drawn: tuple[slice, slice]) -> Vectors:
    """Return ellipses as the vectors of a napari layer: (start, step) of straight pieces.

    Parameters
    ----------
    outlines : ndarray of float32, (rows, cols, points, 2)
        See `lerf_core.inspection.Ellipses.outlines`.
    drawn : (slice, slice)
        Rows and columns that are drawn.

    Returns
    -------
    ndarray of float32, (pieces, 2, 2)
        In (row, col), pixels of the map.
    """
    shape = outlines.shape[:2]
    corners = SHRUNK * outlines[drawn].reshape(-1, outlines.shape[2], 2)
    corners = corners + _centres(shape, drawn)[:, None]
    steps = np.roll(corners, -1, axis=1) - corners
    vectors = np.stack([corners, steps], axis=2).reshape(-1, 2, 2)
    return np.asarray(vectors[np.isfinite(vectors).all(axis=(1, 2))], np.float32)


def slope_vectors(
    row: npt.NDArray[np.float32], col: npt.NDArray[np.float32], drawn: tuple[slice, slice]
) -> Vectors:
    """Return slopes as vectors (N, 2, 2) from pixel centres; flat and unknown pixels have none.

    Parameters
    ----------
    row, col : ndarray of float32, (rows, cols)
        Grey levels per pixel; 32 of them are drawn one pixel long.
    drawn : (slice, slice)
        Rows and columns that are drawn.
    """
    steps = np.stack([row[drawn], col[drawn]], axis=-1).reshape(-1, 2) / 32
    vectors = np.stack([_centres(row.shape, drawn), steps], axis=1)
    is_drawn = np.isfinite(steps).all(axis=1) & np.any(steps != 0, axis=1)
    return np.asarray(vectors[is_drawn], np.float32)
