"""Sample data: computed when they are opened, read from nowhere."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["cells", "chart", "page", "pyramid", "slide"]

LayerTuple = tuple[Any, dict[str, Any], str]

#: Rows and columns of the large pyramid, and of the slide.
LARGE, LARGEST = 50_000, 100_000
_CHUNK = 1024


def chart() -> list[LayerTuple]:
    """Return a colour chart to enlarge: rings, wedges, bars and text-like strokes, 256 x 384."""
    size = (256, 384)
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    image = np.full((*size, 3), 235.0)
    rings = 0.5 + 0.5 * np.cos(((x - 90) ** 2 + (y - 90) ** 2) / 90)
    inside = (x - 90) ** 2 + (y - 90) ** 2 < 80**2
    image[inside] = (40 + 190 * rings[inside])[:, None]
    angle = np.arctan2(y - 90, x - 270)
    star = _edge(np.sin(18 * angle) * np.hypot(y - 90, x - 270) / 18)
    inside = (x - 270) ** 2 + (y - 90) ** 2 < 80**2
    image[inside] = (star[..., None] * [225, 60, 40] + (1 - star[..., None]) * [250, 235, 90])[
        inside
    ]
    for number in range(8):
        bar = (np.abs(y - 192 - number) < 1 + number) & (x > 16 + 45 * number)
        image[bar & (x < 50 + 45 * number)] = [20, 30 + 20 * number, 120]
    slanted = _edge((y - 232) + 0.25 * (x - 190)) * _edge(252 - y)
    image = slanted[..., None] * [30, 110, 90] + (1 - slanted[..., None]) * image
    return [(np.clip(np.rint(image), 0, 255).astype(np.uint8), {"name": "chart"}, "image")]


def cells() -> list[LayerTuple]:
    """Return a stack (t, z, y, x) of round cells in 12 of 16 bits, with their labels.

    In micrometres and seconds; a voxel is 1 x 0.4 x 0.4 micrometres.
    """
    rng = np.random.default_rng(7)
    shape, count = (3, 5, 128, 160), 24
    t, z, y, x = np.ogrid[tuple(slice(0, size) for size in shape)]
    signal = np.zeros(shape)
    labels = np.zeros(shape, np.uint16)
    for number in range(1, count + 1):
        centre = rng.uniform((0, 8, 8), (shape[1], shape[2] - 8, shape[3] - 8))
        drift, radius = rng.uniform(-4, 4, 2), rng.uniform(5, 10)
        distance = np.sqrt(
            (2.5 * (z - centre[0])) ** 2
            + (y - centre[1] - drift[0] * t) ** 2
            + (x - centre[2] - drift[1] * t) ** 2
        )
        signal += rng.uniform(0.3, 1) / (1 + np.exp((distance - radius) / 0.9))
        labels[distance < radius] = number
    # Photons: what a camera counts is scattered by its square root.
    photons = rng.poisson(30 + 900 * signal)
    counts = np.clip(100 + 3.2 * photons, 0, 4095).astype(np.uint16)
    spatial: dict[str, Any] = {
        "scale": (30.0, 1.0, 0.4, 0.4),
        "units": ("s", "um", "um", "um"),
        "axis_labels": ("t", "z", "y", "x"),
    }
    image = spatial | {"name": "cells", "colormap": "viridis", "contrast_limits": (150, 3600)}
    return [
        (counts, image, "image"),
        (labels, spatial | {"name": "cell labels", "opacity": 0.4}, "labels"),
    ]


def page() -> list[LayerTuple]:
    """Return a written page that lies askew on a table, with its corners marked."""
    from lerf_core import homography_from_points, warp
    from lerf_core.geometry import invert

    rng = np.random.default_rng(3)
    rows, cols = 560, 400
    sheet = np.full((rows, cols, 3), 245.0)
    for top in range(60, 510, 22):
        left = 40
        while left < cols - 60:
            width = int(rng.integers(12, 48))
            sheet[top : top + 7, left : min(left + width, cols - 40)] = [50, 50, 70]
            left += width + 8
    sheet[24:40, 40:260] = [150, 40, 40]
    corners = [(70.0, 60.0), (402.0, 96.0), (456.0, 452.0), (16.0, 400.0)]
    edges = [(-0.5, -0.5), (cols - 0.5, -0.5), (cols - 0.5, rows - 0.5), (-0.5, rows - 0.5)]
    forward = homography_from_points(edges, corners)
    y, x = np.mgrid[:480, :480].astype(np.float64)
    wood = 96 + 14 * np.sin(x / 7 + 3 * np.sin(y / 90)) + 8 * np.sin(y / 2.5 + x / 60)
    table = np.stack([wood, 0.75 * wood, 0.5 * wood], axis=-1)
    colours = np.dstack([sheet, np.full((rows, cols), 255.0)]).astype(np.uint8)
    laid = warp(
        colours, invert(forward), output_shape=(480, 480), channel_axis=-1, mode="constant"
    ).astype(np.float64)
    cover = laid[..., 3:] / 255
    image = np.rint(cover * laid[..., :3] + (1 - cover) * table).astype(np.uint8)
    quad = np.array(corners)[:, ::-1]
    marks = {
        "name": "corners of the page",
        "shape_type": "polygon",
        "edge_color": "yellow",
        "face_color": [0, 0, 0, 0],
        "edge_width": 3,
    }
    return [(image, {"name": "page"}, "image"), ([quad], marks, "shapes")]


def pyramid() -> list[LayerTuple]:
    """Return a lazy pyramid of 50,000 x 50,000 pixels in 8 bits: like a slide of tissue.

    Its tiles are computed when they show; nothing is stored.
    """
    levels = _lazy_levels(LARGE, _tissue, np.dtype(np.uint8))
    state = {"name": "tissue", "contrast_limits": (0, 255), "multiscale": True}
    return [(levels, state, "image")]


def slide() -> list[LayerTuple]:
    """Return a lazy slide of 100,000 x 100,000 pixels of a quarter micrometre, and its cells.

    The cells are labels, lazy as well.
    """
    spatial: dict[str, Any] = {
        "scale": (0.25, 0.25),
        "units": ("um", "um"),
        "axis_labels": ("y", "x"),
        "multiscale": True,
    }
    image = spatial | {"name": "slide", "contrast_limits": (0, 255)}
    return [
        (_lazy_levels(LARGEST, _tissue, np.dtype(np.uint8)), image, "image"),
        (
            _lazy_levels(LARGEST, _tissue_cells, np.dtype(np.int32)),
            spatial | {"name": "slide cells", "opacity": 0.4},
            "labels",
        ),
    ]


def _lazy_levels(side: int, compute: Any, dtype: np.dtype[Any]) -> list[Any]:
    """Return the levels of a pyramid of side x side pixels, whose chunks a function computes."""
    import dask.array as da

    levels: list[Any] = []
    factor = 1
    while not levels or max(levels[-1].shape) > _CHUNK:
        chunks = da.core.normalize_chunks(_CHUNK, (side, side))
        levels.append(
            da.map_blocks(
                compute, chunks=chunks, dtype=dtype, factor=factor, meta=np.empty((0, 0), dtype)
            )
        )
        side, factor = -(-side // 2), factor * 2
    return levels


class _Cells(NamedTuple):
    """What lies at the pixels of a chunk: of each the cell of its square.

    Attributes
    ----------
    dense : ndarray
        How densely cells lie there, 0..1.
    there : ndarray
        Whether the square has a cell.
    distance, radius : ndarray
        From the cell's middle, and the cell's, in pixels of the first level.
    shade : ndarray
        How dark it is, 0..1.
    number : ndarray
        The cell's, from 1 on.
    """

    dense: npt.NDArray[Any]
    there: npt.NDArray[Any]
    distance: npt.NDArray[Any]
    radius: npt.NDArray[Any]
    shade: npt.NDArray[Any]
    number: npt.NDArray[Any]


def _cells_at(block_info: Any, factor: int) -> _Cells:
    """Return what lies at the pixels of a chunk of a level; a pixel is `factor` of the first's."""
    (top, bottom), (left, right) = block_info[None]["array-location"]
    y = ((np.arange(top, bottom) + 0.5) * factor - 0.5)[:, None]
    x = (np.arange(left, right) + 0.5) * factor - 0.5
    # Where many cells lie: lobes of some thousand pixels.
    dense = np.zeros((bottom - top, right - left))
    for period, turn in ((21_000, 0.3), (13_000, 2.2), (5_300, 1.1), (2_900, 2.8), (1_100, 0.7)):
        wave = (np.cos(turn) * x + np.sin(turn) * y) / period + turn
        dense += np.sin(2 * np.pi * wave) * np.sqrt(period / 21_000)
    dense = 1 / (1 + np.exp(-3 * dense))
    row, col = np.floor(y / _CELL), np.floor(x / _CELL)
    chance, shade, down, across, size = (_noise(row, col, seed) for seed in range(5))
    radius = _CELL * (0.2 + 0.15 * size)
    middle = _CELL / 2 - radius
    distance = np.hypot(
        y - _CELL * (row + 0.5) - (2 * down - 1) * middle,
        x - _CELL * (col + 0.5) - (2 * across - 1) * middle,
    )
    number = row * (LARGEST // _CELL + 1) + col + 1
    return _Cells(dense, chance < dense, distance, radius, shade, number)


def _tissue(block_info: Any = None, *, factor: int) -> npt.NDArray[np.uint8]:
    """Compute a chunk of a level whose pixels are `factor` pixels of the first."""
    cells = _cells_at(block_info, factor)
    inside = cells.there * np.clip((cells.radius - cells.distance) / factor + 0.5, 0, 1)
    ring = 0.5 + 0.5 * np.clip((cells.distance - cells.radius + 5) / 4, 0, 1)
    value = 225 - 45 * cells.dense - inside * (70 + 70 * cells.shade) * ring
    return np.asarray(np.clip(np.rint(value), 0, 255), np.uint8)


def _tissue_cells(block_info: Any = None, *, factor: int) -> npt.NDArray[np.int32]:
    """Compute a chunk of the labels of the cells, of a level."""
    cells = _cells_at(block_info, factor)
    return np.where(cells.there & (cells.distance < cells.radius), cells.number, 0).astype(np.int32)


# Every cell lies in a square of its own.
_CELL = 56


def _noise(
    row: npt.NDArray[np.float64], col: npt.NDArray[np.float64], seed: int
) -> npt.NDArray[np.float64]:
    """Return a number in 0..1 for each square, the same at every level."""
    mixed = np.sin(row * 127.1 + col * 311.7 + seed * 74.7) * 43_758.5453
    return np.asarray(mixed - np.floor(mixed))


def _edge(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how much of each pixel lies beyond an edge at signed distances in pixels, 0..1."""
    return np.clip(distance + 0.5, 0, 1)
