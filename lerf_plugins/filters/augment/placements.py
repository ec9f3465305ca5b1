"""Where a transform puts the pixels, points and boxes of an image.

Convention
----------
Matrices are forward (source to output) and act on (x, y) with pixel centres at integers.
Points follow that rule. Boxes are (left, top, right, bottom) in coordinates of the outline: an
image spans 0..width and 0..height, so that pixel centre c lies at c + 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import lerf_core
from lerf_core import geometry

__all__ = ["MOST_INWARD", "Placement", "affine", "perspective", "perspective_moves", "resizing"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: Corners move inward by at most this share of a side: from a third on, the four can be on no
#: convex quadrilateral.
MOST_INWARD = 0.32
# Parts of a box nearer to the horizon than this (of the depth at the image's centre) do not count.
_LEAST_DEPTH = 1e-6


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the pixels of an image go.

    Attributes
    ----------
    forward : ndarray, (3, 3)
        Source (x, y, 1) to output.
    source_shape, output_shape : (int, int)
        Rows and columns.
    is_resize : bool
        Whether rows and columns are resampled apart, with nothing beyond the border in sight.
    """

    forward: Floats
    source_shape: tuple[int, int]
    output_shape: tuple[int, int]
    is_resize: bool = False

    def pixels(
        self,
        image: Array,
        *,
        channel_axis: int | None,
        mode: str = "constant",
        fill: float | Sequence[float] = 0.0,
        fast: bool = False,
        **options: Any,
    ) -> Array:
        """Resample an image, with options of `lerf_core.resize`."""
        if self.is_resize:
            return lerf_core.resize(
                image, self.output_shape, channel_axis=channel_axis, fast=fast, **options
            )
        inverse = geometry.invert(self.forward)
        return lerf_core.warp(
            image, inverse, output_shape=self.output_shape, channel_axis=channel_axis, mode=mode,
            cval=fill, **options,
        )  # fmt: skip

    def labels(
        self,
        mask: Array,
        *,
        channel_axis: int | None,
        mode: str = "constant",
        fill: float | Sequence[float] = 0.0,
        threads: int | None = 1,
    ) -> Array:
        """Move a mask by nearest neighbour: no value arises but `fill`."""
        return self.pixels(
            mask, channel_axis=channel_axis, mode=mode, fill=fill, alpha="separate",
            method="nearest", threads=threads,
        )  # fmt: skip

    def points(self, points: Floats) -> Floats:
        """Move (x, y) points, (N, 2); NaN for those beyond the horizon."""
        mapped = np.column_stack([points, np.ones(len(points))]) @ self._depth_normalised().T
        with np.errstate(divide="ignore", invalid="ignore"):
            result = mapped[:, :2] / mapped[:, 2:]
        result[~(mapped[:, 2] > 0)] = np.nan
        return result

    def boxes(self, boxes: Floats) -> Floats:
        """Return what bounds the moved corners of each box, (N, 4), unclipped.

        Parts beyond the horizon do not count; a box of which nothing else is left is all 0.
        """
        left, top, right, bottom = boxes.T - 0.5
        corners = np.stack([left, top, right, top, right, bottom, left, bottom], axis=1)
        corners = corners.reshape(-1, 4, 2)
        depths = corners @ self._depth_normalised()[2, :2] + self._depth_normalised()[2, 2]
        result = np.zeros((len(boxes), 4))
        for index, (polygon, depth) in enumerate(zip(corners, depths, strict=True)):
            if depth.min() < _LEAST_DEPTH:
                polygon = _in_front(polygon, depth)
            if len(polygon):
                moved = self.points(polygon) + 0.5
                result[index] = [*moved.min(axis=0), *moved.max(axis=0)]
        return result

    def turn_and_zoom(self, points: Floats) -> tuple[Floats, Floats]:
        """Return how the map turns and enlarges what lies at (x, y) points.

        Returns
        -------
        angles : ndarray, (N,)
            Of what pointed along x; radians, counter-clockwise as seen on the screen.
        factors : ndarray, (N,)
            Square root of the change of area.
        """
        matrix = self._depth_normalised()
        depth = np.column_stack([points, np.ones(len(points))]) @ matrix[2]
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = [
                (matrix[:2, axis] - self.points(points) * matrix[2, axis]) / depth[:, None]
                for axis in (0, 1)
            ]
        (a, c), (b, d) = columns[0].T, columns[1].T
        return np.arctan2(-c, a), np.sqrt(np.abs(a * d - b * c))

    def _depth_normalised(self) -> Floats:
        """Return the forward matrix, scaled so that the depth at the image's centre is 1.

        Where the centre lies on the horizon, the matrix as it is.
        """
        rows, cols = self.source_shape
        depth = self.forward[2] @ np.array([(cols - 1) / 2, (rows - 1) / 2, 1.0])
        if abs(depth) < 1e-12 * np.abs(self.forward[2]).max():
            return self.forward
        normalised: Floats = self.forward / depth
        return normalised


def _in_front(polygon: Floats, depth: Floats) -> Floats:
    """Clip a polygon, (N, 2), where its corners' depths, (N,), fall below the least that counts."""
    corners: list[Floats] = []
    value = depth - _LEAST_DEPTH
    following = zip(np.roll(polygon, -1, axis=0), np.roll(value, -1), strict=True)
    for corner, a, (next_corner, b) in zip(polygon, value, following, strict=True):
        if a >= 0:
            corners.append(corner)
        if (a >= 0) != (b >= 0):
            corners.append(corner + (next_corner - corner) * (a / (a - b)))
    return np.array(corners).reshape(-1, 2)


# -- placements -------------------------------------------------------------------------


def resizing(source_shape: tuple[int, int], output_shape: tuple[int, int]) -> Placement:
    """Return the placement of a resize: centres stay together, and outlines meet.

    Examples
    --------
    >>> resizing((4, 6), (8, 18)).points(np.array([[2.5, 1.5]])).tolist()
    [[8.5, 3.5]]
    """
    y, x = (new / old for new, old in zip(output_shape, source_shape, strict=True))
    forward = np.array([[x, 0.0, (x - 1) / 2], [0.0, y, (y - 1) / 2], [0.0, 0.0, 1.0]])
    return Placement(forward, source_shape, output_shape, is_resize=True)


def affine(
    shape: tuple[int, int],
    *,
    scale: tuple[float, float] = (1.0, 1.0),
    rotate: float = 0.0,
    shear: tuple[float, float] = (0.0, 0.0),
    translate: tuple[float, float] = (0.0, 0.0),
    fit: bool = False,
) -> Placement:
    """Return the placement that scales, turns, slants and then moves an image.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image; all but the move are about its centre.
    scale : (float, float)
        Along x and y.
    rotate : float
        Degrees, counter-clockwise as seen on the screen.
    shear : (float, float)
        Degrees, as in `lerf_core.geometry.shear`.
    translate : (float, float)
        Pixels along x and y.
    fit : bool
        Enlarge the output so that it holds the whole image.
    """
    x, y = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    zoom = np.array([[scale[0], 0, x - scale[0] * x], [0, scale[1], y - scale[1] * y], [0, 0, 1]])
    move = np.array([[1.0, 0, translate[0]], [0, 1.0, translate[1]], [0, 0, 1.0]])
    forward = move @ geometry.shear(*shear, shape) @ geometry.rotation(rotate, shape) @ zoom
    if fit:
        matrix, canvas = geometry.fit_output(forward, shape)
        return Placement(matrix, shape, canvas)
    return Placement(geometry.as_homography(forward), shape, shape)


def perspective(shape: tuple[int, int], moves: Floats) -> Placement:
    """Return the placement that spreads a quadrilateral inside an image over all of it.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    moves : ndarray, (4, 2)
        How far inside the outline's corners (TL, TR, BR, BL) the quadrilateral's lie along x and
        y, as shares of width and height.
    """
    side = np.array([shape[1], shape[0]], dtype=np.float64)
    outline = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    quadrilateral = outline + np.clip(moves, 0, MOST_INWARD) * np.where(outline > 0, -1.0, 1.0)
    forward = geometry.homography_from_points(quadrilateral * side - 0.5, outline * side - 0.5)
    return Placement(forward, shape, shape)


def perspective_moves(rng: np.random.Generator, scale: float) -> Floats:
    """Draw the moves of `perspective`: sizes of normal numbers with standard deviation `scale`."""
    moves: Floats = np.clip(np.abs(rng.normal(0.0, scale, (4, 2))), 0, MOST_INWARD)
    return moves
