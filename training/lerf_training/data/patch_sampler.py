"""One training sample: a low-resolution patch of a plane or of three, and points of it.

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

from lerf_core.constants import LUMA_WEIGHTS
from lerf_core.errors import InvalidArgumentError
from lerf_training.data.degradation import degrade_patch
from lerf_training.data.graphics import coloured, draw_graphics
from lerf_training.data.numba.patches import (
    draw_homography_points,
    draw_scale_points,
    sample_homography,
)
from lerf_training.data.patch_front import PatchFront
from lerf_training.data.patch_options import PATCH_MARGIN, PatchOptions

__all__ = ["PatchSampler", "Sample", "random_homography"]

# (rows, cols), or (channels, rows, cols).
Planes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
_ATTEMPTS = 50
_LUMA = 3
# What is left of the colours of faded patches, at most.
_MOST_FADED = 0.5
# Pixels of the plane around the footprint of a patch under a homography.
_HALO = 20
# By how much the scale of a patch under a homography changes, per pixel, at most.
_TILT = 0.006


# Patch, first, offset and target of a `Sample`, of (channels, ...) planes.
_Patch = tuple[Planes, npt.NDArray[np.int32], Floats, Floats]


class Sample(NamedTuple):
    """A patch and its points; see `lerf_training.data.patches.Batch`.

    Attributes
    ----------
    low : ndarray of uint8, (size, size) or (3, size, size)
    first : ndarray of int32, (points, 2)
    offset : ndarray of float32, (points, 2)
    target : ndarray of float32, (points,) or (3, points), or (rows, cols)
    """

    low: Planes
    first: npt.NDArray[np.int32]
    offset: Floats
    target: Floats


class PatchSampler:
    """Draws samples by options.

    Parameters
    ----------
    options : PatchOptions
        How samples are drawn.
    colours : bool, optional
        Draw patches of three planes; otherwise of one.
    margin : float, optional
        Pixels that points keep from a patch's border.
    block : int or None, optional
        The scale of all patches, where all pixels of the plane inside a whole margin are targets.
    front : PatchFront, optional
        What enlarges patches before they are read. Points and the margin count in pixels of the
        enlargement.

    Raises
    ------
    InvalidArgumentError
        If patches are too small for the margin, or scales too small for the front.
    """

    def __init__(
        self,
        options: PatchOptions,
        *,
        colours: bool = False,
        margin: float = PATCH_MARGIN,
        block: int | None = None,
        front: PatchFront | None = None,
    ) -> None:
        options.check_margin(margin)
        self.options, self.colours, self.margin, self.block = options, colours, margin, block
        self.front = front or PatchFront(None, options.size)
        options.check_front(self.front.scale)
        # Patches of the usual scales fit, warped or not.
        scales = [*options.scales, options.scale_range[0]] if block is None else [block]
        self._drawn_side = int(1.5 * self.front.source_size * max(scales))
        # Of drawn planes: the larger the scale, the coarser what is still seen of them.
        self._coarseness = max(1.0, self.front.scale / 2)
        self._chances = np.asarray(options.channels) / sum(options.channels)

    def draw(
        self,
        images: Sequence[Sequence[Planes]],
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
                cell = self._coarseness * float(rng.integers(2, 5))
                plane = draw_graphics(rng, self._drawn_side, cell)
                coverage = bool(rng.random() < options.rendered)
            else:
                image = images[rng.choice(len(images), p=areas)]
                photograph = image[len(image) - 1 if rng.random() < options.reduced else 0]
            grey = not self.colours or bool(rng.random() < options.grey)
            single = 0
            if drawn:
                planes = plane[None] if grey else coloured(plane, rng)
            else:
                channels, single = self._channels(rng, grey=grey)
                planes = photograph[channels]
            patch = self._cut(turned(planes, int(rng.integers(8))), rng, coverage=coverage)
            if patch is not None:
                break
        else:
            raise InvalidArgumentError(
                f"no patch of {options.size} pixels at these scales fits into the images"
            )
        low, first, offset, target = patch
        if not drawn and options.jpeg and rng.random() < options.jpeg:
            worst, best = options.jpeg_quality
            low = _compressed(low, int(rng.integers(worst, best + 1)))
        if self.colours and not grey and rng.random() < options.faded:
            share = rng.uniform(0, _MOST_FADED)
            low, target = np.rint(_faded(low, share)).astype(np.uint8), _faded(target, share)
        low = self.front.enlarged(low)
        if not self.colours:
            low, target = low[single], target[single]
        elif grey:
            low, target = np.repeat(low, 3, axis=0), np.repeat(target, 3, axis=0)
        return Sample(low, first, offset, target)

    def _channels(self, rng: np.random.Generator, *, grey: bool) -> tuple[list[int] | slice, int]:
        """Which of a photograph's planes (red, green, blue, luma) a patch is cut from.

        Returns
        -------
        channels : list of int or slice
        single : int
            Which of these is the patch, where it is of one plane: a front that reads colours
            together has seen the others beside it.
        """
        if grey:
            channel = int(rng.choice(4, p=self._chances))
            if self.front.reads_colours and not self.colours and channel != _LUMA:
                return slice(0, 3), channel
            return [channel], 0
        if rng.random() < self.options.permuted:
            return [int(channel) for channel in rng.permutation(3)], 0
        return slice(0, 3), 0

    def _cut(self, planes: Planes, rng: np.random.Generator, *, coverage: bool) -> _Patch | None:
        """A patch of planes (channels, rows, cols), or None where none fits."""
        options = self.options
        if self.block is not None:
            scales = np.full(2, float(self.block))
            return self._scaled(planes, scales, rng, coverage=coverage)
        draw = rng.random()
        if draw < options.warps:
            return self._warped(planes, rng)
        if draw < options.warps + options.continuous:
            low, high = np.log(options.scale_range)
            scales = np.exp(rng.uniform(low, high, 2))
            if rng.random() < 0.5:
                scales[1] = scales[0]
        else:
            scales = np.full(2, rng.choice(options.scales))
        return self._scaled(planes, scales, rng, coverage=coverage)

    def _scaled(
        self, planes: Planes, scales: Floats, rng: np.random.Generator, *, coverage: bool
    ) -> _Patch | None:
        size, shape = self.front.source_size, np.array(planes.shape[1:])
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
        around = planes[:, low_corner[0] : high_corner[0], low_corner[1] : high_corner[1]]
        box = (*(start - low_corner)[::-1], *(start + footprint - low_corner)[::-1])
        low = np.stack(
            [degrade_patch(plane, box, (size, size), coverage=coverage) for plane in around]
        )
        if self.block is not None:
            return low, *self._block(planes, start.astype(int))
        # Where the kept part of the enlargement begins, and how large its pixels are.
        start, pixel = start + self.front.reach * scales, scales / self.front.scale
        # Pixels whose positions lie inside the margin.
        near, far = self.margin, self.options.size - self.margin
        least = np.ceil(start + (near + 0.5) * pixel - 0.5).astype(np.int64)
        most = np.floor(start + (far - 0.5) * pixel - 0.5).astype(np.int64)
        first, offset, target = self._empty_points(len(planes))
        draw_scale_points(
            planes, start, pixel, least, most + 1 - least, _seed(rng), first, offset, target
        )
        return low, first, offset, target

    def _block(
        self, planes: Planes, start: npt.NDArray[np.integer]
    ) -> tuple[npt.NDArray[np.int32], Floats, Floats]:
        """No points, and the pixels that a patch's inner part is enlarged to."""
        scale, margin = int(self.block or 1), int(self.margin)
        rows, cols = (
            slice(first + scale * margin, first + scale * (self.options.size - margin))
            for first in start
        )
        none = np.empty((0, 2))
        return (
            none.astype(np.int32),
            none.astype(np.float32),
            planes[:, rows, cols].astype(np.float32),
        )

    def _warped(self, planes: Planes, rng: np.random.Generator) -> _Patch | None:
        size, kept = self.front.source_size, self.options.size
        tilt = _TILT * min(1.0, kept / size)
        matrix = random_homography(rng, self.options.scale_range, tilt)
        # Lay the patch's footprint somewhere inside the plane.
        corners = matrix @ _corners(0, size - 1)
        if (corners[2] < 0.2).any():
            return None
        corners = corners[:2] / corners[2]
        low, high = corners.min(1) - _HALO, corners.max(1) + _HALO
        room = np.array(planes.shape[:0:-1]) - (high - low)
        if (room <= 0).any():
            return None
        shift = rng.uniform(0, 1, 2) * room - low
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1.0]]) @ matrix
        patch = np.empty((len(planes), size, size), np.uint8)
        if not sample_homography(planes, matrix, patch):
            return None
        # Pixels of the plane that lie in the patch. Of one plane they are drawn from all of it,
        # as for the banks that ship; those beyond the margin are drawn in vain.
        matrix = matrix @ self.front.matrix
        if self.colours or self.front.front is not None:
            inner = matrix @ _corners(self.margin, kept - 1 - self.margin)
            inner = inner[:2] / inner[2]
            low, high = inner.min(1), inner.max(1)
        else:
            low, high = low + shift + _HALO, high + shift - _HALO
        least = np.ceil(low).astype(np.int64)[::-1].copy()
        most = np.floor(high).astype(np.int64)[::-1]
        first, offset, target = self._empty_points(len(planes))
        inverse = np.linalg.inv(matrix)
        enough = draw_homography_points(
            planes, inverse, least, most + 1 - least, float(self.margin), kept, _seed(rng),
            first, offset, target,
        )  # fmt: skip
        return (patch, first, offset, target) if enough else None

    def _empty_points(self, channels: int) -> tuple[npt.NDArray[np.int32], Floats, Floats]:
        points = self.options.points
        return (
            np.empty((points, 2), np.int32),
            np.empty((points, 2), np.float32),
            np.empty((channels, points), np.float32),
        )


def _corners(least: float, most: float) -> npt.NDArray[np.float64]:
    """Corners of a square of a patch, as columns (x, y, 1)."""
    ends = (least, most)
    return np.array([[x, y, 1.0] for x in ends for y in ends]).T


def _faded(planes: npt.NDArray[np.generic], share: float) -> Floats:
    """Red, green and blue, with a share of what they differ from their luma by."""
    levels = planes.astype(np.float32)
    luma = np.tensordot(np.array(LUMA_WEIGHTS, np.float32), levels, 1)
    faded: Floats = luma + np.float32(share) * (levels - luma)
    return faded


def _compressed(planes: Planes, quality: int) -> Planes:
    """What JPEG leaves of planes (channels, rows, cols): a grey image, or one of colours."""
    from PIL import Image

    pixels = planes[0] if len(planes) == 1 else np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        with Image.open(file) as image:
            decoded = np.asarray(image)
    return decoded[None] if decoded.ndim == 2 else np.moveaxis(decoded, -1, 0)


def turned(planes: Planes, turn: int) -> Planes:
    """Planes turned by quarters, and mirrored from the fourth turn on; `turn` is 0..7."""
    planes = np.rot90(planes, turn % 4, axes=(-2, -1))
    return planes[..., ::-1] if turn >= 4 else planes


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 62))


def random_homography(
    rng: np.random.Generator, scale_range: tuple[float, float], tilt: float = _TILT
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
    matrix[2, :2] = rng.uniform(-tilt, tilt, 2)
    return matrix
