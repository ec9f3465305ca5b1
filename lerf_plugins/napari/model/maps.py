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
from lerf_core.geometry import (
    as_homography,
    fit_output,
    homography_from_points,
    invert,
    transform_points,
)
from lerf_core.geometry.estimation import MODELS, matrix_from_points
from lerf_core.geometry.matrix_files import as_matrix, numbers_in
from lerf_plugins.napari.model.corners import (
    CORNERS,
    check_quad,
    forward_to_quad,
    outline,
    straight_shape,
)
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.operations import WarpOperation, check_size
from lerf_plugins.napari.model.pixel_grid import Matrix, PixelGrid

__all__ = [
    "baked",
    "crosses_horizon",
    "forward_of_pairs",
    "read_forward",
    "registered",
    "straightened",
    "warped",
]

Sampling = Mapping[str, Any]

# As lists of lists are written, and NumPy's arrays.
_BRACKETS = str.maketrans("[]()", "    ")


def read_forward(text: str, image: LayerImage) -> Matrix:
    """Read a forward matrix: 9 or 6 numbers, or 8 that say where the outline's corners go.

    Brackets count as blanks.

    Raises
    ------
    InvalidArgumentError, MatrixFileError
        If the numbers are fewer, more or none.
    """
    numbers = numbers_in(text.translate(_BRACKETS))
    if numbers is None:
        raise InvalidArgumentError(f"numbers are needed, got {text!r}")
    if len(numbers) == 8:
        return forward_to_quad(image.shape, np.reshape(numbers, (4, 2)))
    if len(numbers) not in {6, 9}:
        raise InvalidArgumentError(
            "write 9 or 6 numbers of a matrix, or 8 of four corners x,y "
            f"({', '.join(CORNERS)}); got {len(numbers)}"
        )
    return as_matrix(numbers, "the matrix")


def forward_of_pairs(source: npt.ArrayLike, target: npt.ArrayLike, model: str) -> Matrix:
    """Return the forward matrix by pairs of points: exact, or of least squares if there are more.

    Parameters
    ----------
    source, target : array_like, (N, 2)
        (x, y) pixels of the moving and of the fixed image.
    model : {"translation", "rigid", "similarity", "affine", "homography"}

    Raises
    ------
    InvalidArgumentError
        If they do not pair up or fix no map, or if the map sends a point between them to infinity.
    """
    first, second = (
        np.reshape(np.asarray(points, np.float64), (-1, 2)) for points in (source, target)
    )
    if len(first) != len(second):
        raise InvalidArgumentError(
            f"each place needs a point on both layers, in the same order: there are {len(first)} "
            f"moving and {len(second)} fixed points"
        )
    if len(first) < MODELS[model]:
        raise InvalidArgumentError(
            f"this kind of map ({model}) takes {MODELS[model]} pairs of points at least, and there "
            f"are {len(first)}"
        )
    try:
        forward = matrix_from_points(first, second, model)
    except InvalidArgumentError:
        raise InvalidArgumentError(
            f"the points fix no {model}: too many lie on one another or in a line"
        ) from None
    depth = np.column_stack([first, np.ones(len(first))]) @ forward[2]
    if depth.min() <= 0 <= depth.max():
        raise InvalidArgumentError(
            "the map by these points would tear the layer apart between them: are they in the same "
            "order on both layers?"
        )
    return forward


def crosses_horizon(forward: npt.ArrayLike, shape: tuple[int, int]) -> bool:
    """Whether a forward matrix sends part of an image of (rows, cols) to infinity."""
    depth = np.column_stack([outline(shape), np.ones(4)]) @ as_homography(forward)[2]
    return bool(depth.min() <= 0 <= depth.max())


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

    Raises
    ------
    InvalidArgumentError
        If it is no homography, or no result holds all of the warped image.
    """
    if fit:
        if crosses_horizon(forward, image.shape):
            raise InvalidArgumentError(
                "the map sends part of the layer to infinity (its horizon crosses the layer), so "
                "no result holds the whole of it: choose the layer's outline at Show, or "
                "tick Inverse if the matrix maps the result's pixels to the layer's"
            )
        shifted, shape = fit_output(forward, image.shape)
        # `fit_output` moves the canvas's outline to -0.5: where that lies on the layer's grid.
        move = invert(shifted @ invert(forward))
        canvas = PixelGrid((float(move[1, 2]), float(move[0, 2])))
    else:
        shape, canvas = image.shape, PixelGrid()
    out_shape = _dense_shape(shape, density)
    grid = canvas.compose(PixelGrid.of_resize(shape, out_shape))
    forward = np.linalg.inv(grid.matrix) @ as_homography(forward)
    return WarpOperation(image, out_shape, forward=forward, result_grid=grid, **sampling)


def straightened(
    image: LayerImage, quad: npt.ArrayLike, *, density: float, sampling: Sampling,
    reference: npt.ArrayLike | None = None, names: tuple[str, ...] = CORNERS,
) -> WarpOperation:  # fmt: skip
    """Return the warp that makes a rectangle of what four corners mark.

    Its sides are as long as the marked ones are on average, and it begins at the quad's top left.

    Parameters
    ----------
    image : LayerImage
    quad : array_like, (4, 2)
        (x, y) pixels of the image.
    density : float
        Pixels of the result to one of the layer, along rows and columns.
    sampling : mapping
    reference, names
        See `lerf_plugins.napari.model.corners.check_quad`.

    Raises
    ------
    InvalidArgumentError
        If the quad is not convex.
    """
    corners = np.asarray(quad, np.float64)
    check_quad(corners, reference, names)
    _check_density(density)
    sides = straight_shape(corners, density)
    check_size(*sides)
    rows, cols = (max(1, round(side)) for side in sides)
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
    forward = np.linalg.inv(grid.matrix) @ as_homography(forward)
    return WarpOperation(
        moving, out_shape, forward=forward, result_grid=grid, fixed_image=fixed, **sampling
    )


def _dense_shape(shape: tuple[int, int], density: float) -> tuple[int, int]:
    """Return (rows, cols) of so many pixels to each of an image's, along both axes."""
    _check_density(density)
    rows, cols = (max(1, math.ceil(size * density - 1e-9)) for size in shape)
    check_size(rows, cols)
    return rows, cols


def _check_density(density: float) -> None:
    if not (math.isfinite(density) and density > 0):
        raise InvalidArgumentError(f"the resolution must be positive, got {density}")


def finest_pixel(image: LayerImage) -> float:
    """Return the length of a layer's pixels along their finest direction, in world units."""
    matrix = image.plane_to_world()[:2, :2]
    return float(np.linalg.svd(matrix, compute_uv=False).min())


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
        pixel = finest_pixel(image)
    if not (math.isfinite(pixel) and pixel > 0):
        raise InvalidArgumentError(f"a pixel's side must be positive, got {pixel}")
    corners = transform_points(to_world, outline(image.shape))
    low, high = corners.min(axis=0), corners.max(axis=0)
    check_size(*((high - low)[::-1] / pixel))
    cols, rows = (max(1, round(length / pixel)) for length in high - low)
    step = (high - low) / (cols, rows)
    origin = low + step / 2
    world = LayerImage(image.levels, dict(image.state) | _upright(image), image.kind)
    grid = PixelGrid((origin[1], origin[0]), (step[1], step[0]))
    forward = np.linalg.inv(grid.matrix) @ to_world
    return WarpOperation(
        image, (rows, cols), forward=forward, result_grid=grid, fixed_image=world, verb="bake",
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
