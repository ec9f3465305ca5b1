"""The part of a result that a view shows.

It is a block of the result itself where its pixels are as large as the canvas's, else a block of a
coarser level of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.geometry import transform_points
from lerf_core.io.tiles.chunk_cache import ChunkCache
from lerf_core.sampling.windows import Block
from lerf_plugins.napari.compute.results import compute_block
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.operations import LayerOperation, Shape
from lerf_plugins.napari.model.pixel_grid import Matrix, PixelGrid
from lerf_plugins.napari.model.view import View

__all__ = ["PreviewBlock", "preview_block"]

#: Source pixels that a preview reads at most: of larger windows it reads every third one.
PREVIEW_SOURCE_PIXELS = 1 << 23
#: Pixels that a preview computes at most: beyond, it shows a coarser level.
PREVIEW_PIXELS = 1 << 22


@dataclass(frozen=True, eq=False)
class PreviewBlock:
    """A block of a result.

    Attributes
    ----------
    pixels : ndarray
        With all axes of the layer; one plane.
    grid : PixelGrid
        Where its pixels lie among those of the image that the result is placed on.
    level_shape : (int, int)
        Rows and columns of the level that it is a block of.
    """

    pixels: npt.NDArray[Any]
    grid: PixelGrid
    level_shape: Shape


def preview_block(
    operation: LayerOperation, view: View, cache: ChunkCache | None = None
) -> PreviewBlock | None:
    """Compute the part of a result that a view shows; None: it shows nothing of it.

    Parameters
    ----------
    operation : LayerOperation
    view : View
    cache : ChunkCache, optional
        Keeps chunks of lazy images from one preview to the next.

    Returns
    -------
    PreviewBlock or None
    """
    to_world = operation.placed_on.plane_to_world()
    corners = transform_points(np.linalg.inv(to_world), view.corners)
    shape = _level_shape(operation, view, abs(np.linalg.det(to_world[:2, :2])))
    block = _visible_block(operation.level_grid(shape), corners, shape)
    while math.prod(block.shape) > PREVIEW_PIXELS and max(shape) > 1:
        shape = _halved(shape)
        block = _visible_block(operation.level_grid(shape), corners, shape)
    if min(block.shape) <= 0:
        return None
    levels = _affordable(operation, shape, block)
    level_plan = operation.level_plan(shape, levels)
    planes = _planes_of(levels, level_plan.source_level, view.planes)
    pixels = compute_block(levels, level_plan, block, planes, cache)
    grid = operation.level_grid(shape).shifted(block.top, block.left)
    return PreviewBlock(pixels, grid, shape)


def _planes_of(image: LayerImage, level: int, planes: tuple[int, ...]) -> list[slice]:
    """Return where planes of the first level lie in one that may have fewer."""
    sizes = zip(planes, image.levels[0].shape, image.levels[level].shape, strict=False)
    indices = [min(int((plane + 0.5) * size / whole), size - 1) for plane, whole, size in sizes]
    return [slice(index, index + 1) for index in indices]


def _visible_block(grid: PixelGrid, corners: Matrix, shape: Shape) -> Block:
    """Return the block of a level that holds the view's corners, (4, 2), (x, y) of `placed_on`.

    It has no rows or columns where the view shows none.
    """
    pixels = transform_points(np.linalg.inv(grid.matrix), corners)
    left, top = (int(side) - 1 for side in np.floor(pixels.min(axis=0)))
    right, bottom = (int(side) + 2 for side in np.ceil(pixels.max(axis=0)))
    top, left = max(top, 0), max(left, 0)
    return Block(top, max(min(bottom, shape[0]), top), left, max(min(right, shape[1]), left))


def _level_shape(operation: LayerOperation, view: View, pixel_area: float) -> Shape:
    """Return the (rows, cols) of the coarsest level whose pixels span less than two of the canvas.

    Parameters
    ----------
    operation : LayerOperation
    view : View
    pixel_area : float
        Of a pixel of the image that the result is placed on, in the world.
    """
    rows, cols = operation.grid.step
    canvas_pixels = view.zoom * math.sqrt(pixel_area * rows * cols)
    shape = operation.out_shape
    for _ in range(max(0, math.floor(-math.log2(max(canvas_pixels, 1e-9))))):
        shape = _halved(shape)
    return shape


def _halved(shape: Shape) -> Shape:
    return -(-shape[0] // 2), -(-shape[1] // 2)


def _affordable(operation: LayerOperation, shape: Shape, block: Block) -> LayerImage:
    """Return the image; with levels of every third pixel where a block needs too many of them."""
    image = operation.image
    level_plan = operation.level_plan(shape)
    window = next(level_plan.plan.pieces(block)).windows
    if window is None or window.area <= PREVIEW_SOURCE_PIXELS:
        return image
    levels = [*image.levels[: level_plan.source_level + 1]]
    while min(levels[-1].shape[image.ndim - 2 : image.ndim]) > 3:
        # From the second pixel on: every third's centre is that of the three.
        index = [slice(None)] * len(levels[-1].shape)
        index[image.ndim - 2] = index[image.ndim - 1] = slice(1, None, 3)
        levels.append(levels[-1][tuple(index)])
    return replace(image, levels=tuple(levels))
