"""Where positions of shapes and points lie among an image's pixels.

Convention
----------
Pixels are in (x, y), centres at integers; data positions of layers are in (..., row, col). What
counts is where a position lies in the world: layers may have transforms and units of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.geometry import transform_points

if TYPE_CHECKING:
    from lerf_plugins.napari.model.layer_image import LayerImage

__all__ = ["Points", "points_on"]

Points = npt.NDArray[np.float64]


def points_on(image: LayerImage, positions: npt.ArrayLike, layer: Any) -> Points:
    """Return where (..., row, col) data positions of a layer lie among an image's pixels.

    Parameters
    ----------
    image : LayerImage
    positions : array_like, (N, axes)
        Of shapes or points.
    layer : napari.layers.Layer
        That holds them.

    Returns
    -------
    ndarray of float64, (N, 2)
        (x, y) pixels of the image.
    """
    world = np.array([layer.data_to_world(position) for position in np.asarray(positions)])
    world = world.reshape(-1, layer.ndim)[:, -2:]
    pairs = zip(layer.units[-2:], image.state["units"][-2:], strict=True)
    world = world * [float((1 * own).to(other).magnitude) for own, other in pairs]
    return transform_points(np.linalg.inv(image.plane_to_world()), world[:, ::-1])
