"""What of a layer shows in the viewer, and how large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_plugins.napari import host

__all__ = ["View", "pixel_side", "plane_index", "shows_planes", "unit_factors", "view_of"]


@dataclass(frozen=True)
class View:
    """The part of the world that the canvas shows, in the units of a layer.

    Attributes
    ----------
    corners : ndarray of float64, (4, 2)
        (x, y) of the canvas's corners in the world of the layer's last two axes.
    zoom : float
        Canvas pixels to a unit.
    planes : tuple of int
        Which plane shows: an index for each axis before rows and columns.
    """

    corners: npt.NDArray[np.float64]
    zoom: float
    planes: tuple[int, ...]


def shows_planes(viewer: Any) -> bool:
    """Whether the viewer is in 2-D and shows the last two axes in their order."""
    order = tuple(viewer.dims.order)
    last = (viewer.dims.ndim - 2, viewer.dims.ndim - 1)
    return bool(viewer.dims.ndisplay == 2 and order[-2:] == last)


def view_of(viewer: Any, layer: Any, placed_on: Any = None) -> View | None:
    """Return what shows of a layer; None in 3-D, or where others than its last axes show.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Layer
        Whose planes are meant.
    placed_on : napari.layers.Layer, optional
        In whose units; None: the layer's.
    """
    if not shows_planes(viewer):
        return None
    camera = host.camera(viewer)
    factors = unit_factors(viewer, placed_on or layer)[-2:]
    half = np.array(host.canvas_size(viewer)) / (2 * camera.zoom)
    centre = np.asarray(camera.center[-2:], np.float64)
    (top, left), (bottom, right) = (centre - half) / factors, (centre + half) / factors
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    zoom = float(camera.zoom * np.sqrt(np.prod(factors)))
    return View(corners, zoom, plane_index(viewer, layer))


def plane_index(viewer: Any, layer: Any) -> tuple[int, ...]:
    """Return which plane of a layer shows: an index for each axis before rows and columns."""
    count = layer.ndim
    point = np.zeros(count)
    shown = np.asarray(viewer.dims.point, np.float64)[-count:]
    point[-len(shown) :] = shown
    point /= unit_factors(viewer, layer)
    position = np.asarray(layer.world_to_data(point))[: count - 2]
    shape = np.asarray(layer.level_shapes[0])[: count - 2]
    return tuple(int(n) for n in np.clip(np.rint(position), 0, shape - 1))


def pixel_side(viewer: Any, layer: Any, plane_to_world: npt.NDArray[np.float64]) -> float:
    """Return how many canvas pixels the shorter side of a layer's pixel is long, in 2-D.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Layer
    plane_to_world : ndarray of float64, (3, 3)
        From its (x, y) to its own units; see `LayerImage.plane_to_world`.
    """
    factors = unit_factors(viewer, layer)[:-3:-1]
    sides = np.linalg.norm(factors[:, None] * plane_to_world[:2, :2], axis=0)
    return float(host.camera(viewer).zoom * sides.min())


def unit_factors(viewer: Any, layer: Any) -> npt.NDArray[np.float64]:
    """Return how many of the viewer's units one of the layer's is, along each of its axes."""
    units = host.world_units(viewer)
    if units is None or len(units) < layer.ndim:
        return np.ones(layer.ndim)
    pairs = zip(layer.units, units[-layer.ndim :], strict=True)
    return np.array([float((1 * own).to(world).magnitude) for own, world in pairs])
