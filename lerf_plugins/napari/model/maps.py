"""From corners, matrices and points to the warp of a layer.

Convention
----------
Matrices act on (x, y), pixel centres at integers. A *forward* matrix maps the layer's pixels to
where they are to lie, on the layer's own grid of pixels; shapes and points are brought there
from their layers by way of the world.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry import fit_output, homography_from_points, invert, transform_points
from lerf_core.geometry.matrix_files import as_matrix, numbers_in
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.operations import WarpOperation
from lerf_plugins.napari.model.pixel_grid import Matrix, PixelGrid

__all__ = [
    "baked",
    "outline",
    "points_on",
    "quad_of",
    "read_forward",
    "registered",
    "straightened",
    "warped",
]

Points = npt.NDArray[np.float64]
Sampling = Mapping[str, Any]

#: Corner names, in the order of `outline`.
CORNERS = ("top left", "top right", "bottom right", "bottom left")


def outline(shape: tuple[int, int]) -> Points:
    """Return the (x, y) corners of an image's outline: TL, TR, BR, BL."""
    bottom, right = shape[0] - 0.5, shape[1] - 0.5
    return np.array([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])


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


def quad_of(image: LayerImage, shapes: Any) -> Points:
    """Return the corners of the first shape that has four, among the image's pixels.

    Raises
    ------
    InvalidArgumentError
        If no shape has four.
    """
    if shapes is None:
        raise InvalidArgumentError("no corners yet: press 'Add corners', or draw a polygon of four")
    pairs = zip(shapes.data, shapes.shape_type, strict=True)
    for corners, kind in pairs:
        if len(corners) == 4 and kind in {"polygon", "rectangle", "path"}:
            return points_on(image, corners, shapes)
    raise InvalidArgumentError(f"'{shapes.name}' has no polygon or rectangle of four corners")


def read_forward(text: str, image: LayerImage) -> Matrix:
    """Read a forward matrix: 9 or 6 numbers, or 8 that say where the outline's corners go.

    Raises
    ------
    InvalidArgumentError, MatrixFileError
        If the numbers are fewer, more or none.
    """
    numbers = numbers_in(text)
    if numbers is None:
        raise InvalidArgumentError(f"numbers are needed, got {text!r}")
    if len(numbers) == 8:
        corners = np.reshape(numbers, (4, 2))
        return homography_from_points(outline(image.shape), corners)
    if len(numbers) not in {6, 9}:
        raise InvalidArgumentError(
            "write 9 or 6 numbers of a matrix, or 8 of four corners x,y "
            f"({', '.join(CORNERS)}); got {len(numbers)}"
        )
    return as_matrix(numbers, "the matrix")


# -- warps -------------------------------------------------------------------------------


def warped(
    image: LayerImage, forward: npt.ArrayLike, *, density: float, fit: bool, sampling: Sampling
) -> WarpOperation:
    """Return the warp by a forward matrix.

    Parameters
    ----------
    image : LayerImage
    forward : array_like, (3, 3) or (2, 3)
    density : float
        Pixels of the result to one of the layer, along rows and columns.
    fit : bool
        Hold all of the warped image; else what lies within the layer's outline.
    sampling : mapping
        ``bank`` and ``keywords`` of the warp.
    """
    if fit:
        shifted, shape = fit_output(forward, image.shape)
        # `fit_output` moves the canvas's outline to -0.5: where that lies on the layer's grid.
        move = invert(shifted @ invert(forward))
        canvas = PixelGrid((float(move[1, 2]), float(move[0, 2])))
    else:
        shape, canvas = image.shape, PixelGrid()
    out_shape = _dense_shape(shape, density)
    grid = canvas.compose(PixelGrid.of_resize(shape, out_shape))
    matrix = invert(forward) @ grid.matrix
    return WarpOperation(image, out_shape, matrix=matrix, result_grid=grid, **sampling)


def straightened(
    image: LayerImage, quad: npt.ArrayLike, *, density: float, sampling: Sampling
) -> WarpOperation:
    """Return the warp that makes a rectangle of what four corners mark.

    Its sides are as long as the marked ones are on average, and it begins at the quad's top left.
    """
    _check_density(density)
    corners = np.asarray(quad, np.float64)
    sides = np.hypot(*(np.roll(corners, -1, axis=0) - corners).T)
    cols, rows = (
        max(1, round(density * (sides[first] + sides[first + 2]) / 2)) for first in (0, 1)
    )
    matrix = homography_from_points(outline((rows, cols)), corners)
    left, top = corners.min(axis=0)
    step = 1 / density
    grid = PixelGrid((top + step / 2, left + step / 2), (step, step))
    return WarpOperation(image, (rows, cols), matrix=matrix, result_grid=grid, **sampling)


def registered(
    moving: LayerImage, fixed: LayerImage, forward: npt.ArrayLike, *, density: float,
    sampling: Sampling,
) -> WarpOperation:  # fmt: skip
    """Return the warp that lays a moving image onto the pixels of a fixed one.

    Parameters
    ----------
    moving, fixed : LayerImage
    forward : array_like, (3, 3)
        From pixels of the moving image to those of the fixed one.
    density : float
        Pixels of the result to one of the fixed image, along rows and columns.
    sampling : mapping
    """
    out_shape = _dense_shape(fixed.shape, density)
    grid = PixelGrid.of_resize(fixed.shape, out_shape)
    matrix = invert(forward) @ grid.matrix
    return WarpOperation(
        moving, out_shape, matrix=matrix, result_grid=grid, fixed_image=fixed, **sampling
    )


def _dense_shape(shape: tuple[int, int], density: float) -> tuple[int, int]:
    """Return (rows, cols) of so many pixels to each of an image's, along both axes."""
    _check_density(density)
    rows, cols = (max(1, math.ceil(size * density - 1e-9)) for size in shape)
    return rows, cols


def _check_density(density: float) -> None:
    if not (math.isfinite(density) and density > 0):
        raise InvalidArgumentError(f"pixels per pixel must be positive, got {density}")


def baked(image: LayerImage, *, pixel: float | None, sampling: Sampling) -> WarpOperation:
    """Return the warp that resamples a layer's own transform into its pixels.

    The result has rows and columns along the world's axes, no rotate, shear or affine, and the
    extents of the layer.

    Parameters
    ----------
    image : LayerImage
    pixel : float, optional
        Length of a pixel's sides in world units, as near as whole pixels fit the extents. None:
        as fine as the layer's along its finest direction.
    sampling : mapping
    """
    to_world = image.plane_to_world()
    if pixel is None:
        pixel = float(np.linalg.svd(to_world[:2, :2], compute_uv=False).min())
    if not (math.isfinite(pixel) and pixel > 0):
        raise InvalidArgumentError(f"a pixel's side must be positive, got {pixel}")
    corners = transform_points(to_world, outline(image.shape))
    low, high = corners.min(axis=0), corners.max(axis=0)
    cols, rows = (max(1, round(length / pixel)) for length in high - low)
    step = (high - low) / (cols, rows)
    origin = low + step / 2
    world = LayerImage(image.levels, dict(image.state) | _upright(image), image.kind)
    grid = PixelGrid((origin[1], origin[0]), (step[1], step[0]))
    matrix = np.linalg.inv(to_world) @ grid.matrix
    return WarpOperation(
        image, (rows, cols), matrix=matrix, result_grid=grid, fixed_image=world, verb="bake",
        **sampling,
    )  # fmt: skip


def _upright(image: LayerImage) -> dict[str, Any]:
    """State of a layer whose rows and columns are the world's, one pixel to a unit."""
    size = image.ndim
    matrix = image.to_world()
    leading = matrix[: size - 2, : size - 2]
    if not np.allclose(leading, np.diag(np.diag(leading)), rtol=0, atol=1e-12):
        raise InvalidArgumentError(
            f"'{image.name}' is turned among the axes before rows and columns; bake takes planes"
        )
    return {
        "scale": [*np.diag(leading).tolist(), 1.0, 1.0],
        "translate": [*matrix[: size - 2, size].tolist(), 0.0, 0.0],
        "rotate": np.eye(size).tolist(),
        "shear": [0.0] * (size * (size - 1) // 2),
        "affine": np.eye(size + 1),
    }
