"""The shapes layer whose corners are pulled: added, put back, and in reach of the mouse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_plugins.napari import host
from lerf_plugins.napari.model.corners import has_four_corners, outline
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.pixel_grid import swap_xy
from lerf_plugins.napari.model.view import shows_planes, unit_factors

__all__ = ["corner_shapes_of", "follow_zoom", "grab_corners", "put_corners"]

# Names the layer whose corners a shapes layer holds, in its metadata.
_SOURCE = "lerf corners of"
# Canvas pixels.
_LINE_WIDTH, _HANDLE_SIZE = 2.0, 14
# Parts of the canvas: handles nearer to its border are hard to grab, and how much of it the
# outline takes once room is made.
_BORDER, _FILLED = 0.1, 0.7


def corner_shapes_of(viewer: Any, source: Any) -> Any:
    """Return the shapes layer that `put_corners` has added for a layer, or None."""
    if source is not None:
        for layer in viewer.layers:
            if layer.metadata.get(_SOURCE) == source.unique_id:
                return layer
    return None


def put_corners(viewer: Any, source: Any) -> Any:
    """Put corners onto a layer's outline, ready to be dragged; return the shapes layer.

    It is added once for a layer, and later put back to the outline. It is the active layer then,
    with its handles shown, all of them well within the canvas.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If there is no layer, or the view does not show its planes with shapes over them.
    """
    from napari.layers import Shapes

    image = LayerImage.of(source)
    to_world = np.diag([*unit_factors(viewer, source)[:-3:-1], 1.0]) @ image.plane_to_world()
    if not shows_planes(viewer):
        raise InvalidArgumentError(
            "corners are dragged in 2-D, with the last two axes in their order: switch back to "
            "that view first (the buttons below the list of layers)"
        )
    if host.has_grid(viewer):
        raise InvalidArgumentError(
            "corners are dragged over their layer: switch off the grid of layers first (the "
            "buttons below the list of layers)"
        )
    shapes = corner_shapes_of(viewer, source)
    # napari's mouse takes any other layer's units for the viewer's.
    units = (host.world_units(viewer) or image.state["units"])[-2:]
    if shapes is None:
        shapes = Shapes(
            ndim=2,
            name=f"Corners of {image.name}",
            metadata={_SOURCE: source.unique_id},
            units=units,
            opacity=1,
        )
        # napari's own are 10 canvas pixels across, which a mouse easily misses.
        shapes._vertex_size = _HANDLE_SIZE
        viewer.add_layer(shapes)
    _place(shapes, to_world, units)
    _put_outline(shapes, image.shape)
    grab_corners(viewer, shapes)
    return shapes


def grab_corners(viewer: Any, shapes: Any) -> None:
    """Show the handles of a layer's corners, all of them well within the canvas.

    Without effect where it has no four, or where the view is another than `put_corners` asks for.
    """
    number = _quad_number(shapes)
    if number is None or host.has_grid(viewer) or not shows_planes(viewer):
        return
    world = np.array([shapes.data_to_world(corner)[-2:] for corner in shapes.data[number]])
    _make_room(viewer, world * unit_factors(viewer, shapes)[-2:])
    follow_zoom(viewer)
    shapes.visible = True
    viewer.layers.selection.active = shapes
    shapes.mode = "direct"
    shapes.selected_data = {number}
    shapes.refresh()


def _quad_number(shapes: Any) -> int | None:
    """Return the number of the first shape of four corners, or None."""
    pairs = zip(shapes.data, shapes.shape_type, strict=True)
    return next((n for n, (data, kind) in enumerate(pairs) if has_four_corners(data, kind)), None)


def _place(shapes: Any, to_world: npt.NDArray[np.float64], units: Any) -> None:
    """Give the shapes the image's pixels as their coordinates.

    napari takes the mouse for a handle's within some canvas pixels, by the layer's scale alone:
    what there is of scale in the transform must stand there.
    """
    scale = float(np.linalg.svd(to_world[:2, :2], compute_uv=False).min())
    shapes.units = units
    shapes.scale = (scale, scale)
    shapes.affine = swap_xy(to_world @ np.diag([1 / scale, 1 / scale, 1.0]))


def _put_outline(shapes: Any, shape: tuple[int, int]) -> None:
    """Put the first shape of four corners, or the first polygon, onto the outline, or add one."""
    corners = outline(shape)[:, ::-1]
    number = _quad_number(shapes)
    if number is None and "polygon" in shapes.shape_type:
        number = shapes.shape_type.index("polygon")
    if number is None:
        shapes.add(corners, shape_type="polygon", edge_color="yellow", face_color=[0, 0, 0, 0])
    else:
        data = list(shapes.data)
        data[number] = corners
        shapes.data = data


def _make_room(viewer: Any, corners: npt.NDArray[np.float64]) -> None:
    """Zoom out, and move the camera, unless all corners can be grabbed.

    Parameters
    ----------
    viewer : napari.Viewer
    corners : ndarray, (4, 2)
        (row, col) in the viewer's world.
    """
    camera = host.camera(viewer)
    size = np.array(host.canvas_size(viewer), np.float64)
    centre = np.asarray(camera.center[-2:], np.float64)
    offsets = np.abs(corners - centre) * camera.zoom / size
    if offsets.max() <= 0.5 - _BORDER:
        return
    low, high = corners.min(axis=0), corners.max(axis=0)
    zoom = _FILLED * float((size / np.maximum(high - low, 1e-300)).min())
    camera.zoom = min(camera.zoom, zoom)
    camera.center = (*camera.center[:-2], *((low + high) / 2))


# -- the width of the line ---------------------------------------------------------------


def follow_zoom(viewer: Any) -> None:
    """Keep the lines between corners as wide on the canvas as they were."""
    for layer in viewer.layers:
        if _SOURCE in layer.metadata:
            _set_width(viewer, layer)


def _set_width(viewer: Any, shapes: Any) -> None:
    width = _LINE_WIDTH / (host.camera(viewer).zoom * abs(shapes.scale[-1]))
    widths: Sequence[float] = shapes.edge_width
    if widths and not np.allclose(widths, width, rtol=0.1):
        shapes.edge_width = width
        shapes.refresh()
