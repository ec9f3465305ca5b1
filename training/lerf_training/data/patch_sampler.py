"""One training sample: a low-resolution patch of a plane, and points of the plane on it.

Convention
----------
Positions are (row, col); the centre of a patch's first pixel is 0.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_training.data.degradation import degrade_patch
from lerf_training.data.graphics import draw_graphics
from lerf_training.data.numba.patches import (
    draw_homography_points,
    draw_scale_points,
    sample_homography,
)
from lerf_training.data.patch_options import PATCH_MARGIN, PatchOptions

__all__ = ["PatchSampler", "Sample", "random_homography"]

Plane = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
_ATTEMPTS = 50
# Pixels of the plane around the footprint of a patch under a homography.
_HALO = 20


class Sample(NamedTuple):
    """A patch and its points; see `lerf_training.data.patches.Batch`.

    Attributes
    ----------
    low : ndarray of uint8, (size, size)
    first : ndarray of int32, (points, 2)
    offset : ndarray of float32, (points, 2)
    target : ndarray of float32, (points,)
    """

    low: Plane
    first: npt.NDArray[np.int32]
    offset: Floats
    target: Floats


class PatchSampler:
    """Draws samples by options.

    Parameters
    ----------
    options : PatchOptions
        How samples are drawn.
    """

    def __init__(self, options: PatchOptions) -> None:
        self.options = options
        # Patches of the usual scales fit, warped or not.
        self._drawn_side = int(1.5 * options.size * max([*options.scales, options.scale_range[0]]))
        self._chances = np.asarray(options.channels) / sum(options.channels)

    def draw(
        self,
        images: Sequence[Sequence[Plane]],
        areas: npt.NDArray[np.float64],
        rng: np.random.Generator,
    ) -> Sample:
        """Draw a sample.

        Parameters
        ----------
        images : sequence
            Photographs: each its planes (4, rows, cols), and those of its copy of half the size
            where there is one.
        areas : ndarray of float64, (images,)
            Chances of the photographs.
        rng : Generator
            Decides everything.

        Raises
        ------
        InvalidArgumentError
            If no patch fits into the images.
        """
        options = self.options
        for _ in range(_ATTEMPTS):
            coverage = False
            drawn = rng.random() < options.graphics
            if drawn:
                plane = draw_graphics(rng, self._drawn_side, float(rng.integers(2, 5)))
                coverage = bool(rng.random() < options.rendered)
            else:
                image = images[rng.choice(len(images), p=areas)]
                planes = image[len(image) - 1 if rng.random() < options.reduced else 0]
                plane = planes[rng.choice(4, p=self._chances)]
            sample = self._cut(turned(plane, int(rng.integers(8))), rng, coverage=coverage)
            if sample is not None:
                break
        else:
            raise InvalidArgumentError(
                f"no patch of {options.size} pixels at these scales fits into the images"
            )
        if not drawn and options.jpeg and rng.random() < options.jpeg:
            worst, best = options.jpeg_quality
            sample = sample._replace(
                low=_compressed(sample.low, int(rng.integers(worst, best + 1)))
            )
        return sample

    def _cut(self, plane: Plane, rng: np.random.Generator, *, coverage: bool) -> Sample | None:
        options = self.options
        draw = rng.random()
        if draw < options.warps:
            return self._warped(plane, rng)
        if draw < options.warps + options.continuous:
            low, high = np.log(options.scale_range)
            scales = np.exp(rng.uniform(low, high, 2))
            if rng.random() < 0.5:
                scales[1] = scales[0]
        else:
            scales = np.full(2, rng.choice(options.scales))
        return self._scaled(plane, scales, rng, coverage=coverage)

    def _scaled(
        self, plane: Plane, scales: Floats, rng: np.random.Generator, *, coverage: bool
    ) -> Sample | None:
        size, shape = self.options.size, np.array(plane.shape)
        footprint = scales * size
        # Whole scales start on a pixel's edge, as in every benchmark; others anywhere.
        whole = scales == np.rint(scales)
        room = shape - footprint
        if (room < 0).any():
            return None
        start = rng.uniform(0, 1, 2) * room
        start = np.where(whole, np.floor(start), start)
        # The kernel reaches two low-resolution pixels beyond the box.
        low_corner = np.maximum(np.floor(start - 3 * scales), 0).astype(int)
        high_corner = np.minimum(np.ceil(start + footprint + 3 * scales), shape).astype(int)
        around = plane[low_corner[0] : high_corner[0], low_corner[1] : high_corner[1]]
        box = (*(start - low_corner)[::-1], *(start + footprint - low_corner)[::-1])
        patch = degrade_patch(around, box, (size, size), coverage=coverage)
        # Pixels whose positions lie inside the margin.
        least = np.ceil(start + (PATCH_MARGIN + 0.5) * scales - 0.5).astype(np.int64)
        most = np.floor(start + (size - PATCH_MARGIN - 0.5) * scales - 0.5).astype(np.int64)
        first, offset, target = self._empty_points()
        draw_scale_points(
            plane, start, scales, least, most + 1 - least, _seed(rng), first, offset, target
        )
        return Sample(patch, first, offset, target)

    def _warped(self, plane: Plane, rng: np.random.Generator) -> Sample | None:
        size = self.options.size
        matrix = random_homography(rng, self.options.scale_range)
        # Lay the patch's footprint somewhere inside the plane.
        edge = np.array([[x, y, 1.0] for x in (0, size - 1) for y in (0, size - 1)]).T
        corners = matrix @ edge
        if (corners[2] < 0.2).any():
            return None
        corners = corners[:2] / corners[2]
        low, high = corners.min(1) - _HALO, corners.max(1) + _HALO
        room = np.array(plane.shape[::-1]) - (high - low)
        if (room <= 0).any():
            return None
        shift = rng.uniform(0, 1, 2) * room - low
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1.0]]) @ matrix
        patch = np.empty((size, size), np.uint8)
        if not sample_homography(plane, matrix, patch):
            return None
        # Pixels of the plane that lie in the patch.
        least = np.ceil(low + shift + _HALO).astype(np.int64)[::-1].copy()
        most = np.floor(high + shift - _HALO).astype(np.int64)[::-1]
        first, offset, target = self._empty_points()
        inverse = np.linalg.inv(matrix)
        enough = draw_homography_points(
            plane, inverse, least, most + 1 - least, float(PATCH_MARGIN), size, _seed(rng),
            first, offset, target,
        )  # fmt: skip
        return Sample(patch, first, offset, target) if enough else None

    def _empty_points(self) -> tuple[npt.NDArray[np.int32], Floats, Floats]:
        points = self.options.points
        return (
            np.empty((points, 2), np.int32),
            np.empty((points, 2), np.float32),
            np.empty(points, np.float32),
        )


def _compressed(plane: Plane, quality: int) -> Plane:
    """What JPEG leaves of a plane."""
    from PIL import Image

    with io.BytesIO() as file:
        Image.fromarray(plane).save(file, "JPEG", quality=quality)
        with Image.open(file) as image:
            return np.asarray(image)


def turned(plane: Plane, turn: int) -> Plane:
    """A plane turned by quarters, and mirrored from the fourth turn on; `turn` is 0..7."""
    plane = np.rot90(plane, turn % 4)
    return plane[:, ::-1] if turn >= 4 else plane


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 62))


def random_homography(
    rng: np.random.Generator, scale_range: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Patch (x, y, 1) to photograph: a scale in range, stretched, sheared, turned, tilted."""
    scale = np.exp(rng.uniform(*np.log(scale_range)))
    stretch = np.exp(rng.uniform(-0.25, 0.25))
    angle, shear = rng.uniform(-np.pi, np.pi), rng.uniform(-0.35, 0.35)
    cos, sin = np.cos(angle), np.sin(angle)
    linear = (
        np.array([[cos, -sin], [sin, cos]])
        @ np.array([[1, shear], [0, 1]])
        @ np.diag([scale * stretch, scale / stretch])
    )
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[2, :2] = rng.uniform(-0.006, 0.006, 2)
    return matrix
