"""Training samples: low-resolution patches and points of the high-resolution image on them.

A batch is a function of the seed and the step alone. Each of its patches is cut from a
random photograph at a random place, one channel, turned and mirrored at random, and made
small by anti-aliased bicubic, either by a scale (the same or not along both axes) or by a
homography. The points are pixels of the high-resolution image; where they lie in the
patch follows `lerf_core.sampling.taps`, as in an application.

Convention
----------
Positions are (row, col); the centre of a patch's first pixel is 0.
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_training.data.degrade_kernels import (
    draw_homography_points,
    draw_scale_points,
    sample_homography,
)
from lerf_training.data.graphics import draw_graphics
from lerf_training.data.photographs import Photograph, read_photograph

__all__ = ["Batch", "PatchOptions", "PatchSource", "degrade"]

Plane = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
# Points keep this far from a patch's border, where reads see the image's own pixels.
_MARGIN = 3
_ATTEMPTS = 50


@dataclass(frozen=True)
class PatchOptions:
    """How samples are drawn.

    Attributes
    ----------
    batch : int
        Patches a step.
    size : int
        Rows and columns of a patch, low resolution.
    points : int
        Points of each patch that the loss looks at.
    scales : tuple of float
        Scales drawn with equal chance, for a share `1 - continuous - warps` of the patches.
    scale_range : (float, float)
        Range of the continuous scales, log-uniform.
    continuous : float
        Share of patches of continuous scales; half of these differ along the axes.
    warps : float
        Share of patches under random homographies.
    graphics : float
        Chance that a patch is cut from a drawn plane and not from a photograph; see
        `lerf_training.data.graphics`.
    rendered : float
        Share of the drawn patches, of those not warped, that are made small by pixel
        coverage, as a program that draws at the lower resolution would have made them: their
        edges are as hard as pixels allow, and what a bank makes of such edges is decided here.
    reduced : float
        Share of the photographs' patches that are cut from a copy of half the size, which is
        sharper and cleaner than what a camera gives: more like the images of benchmarks and
        of screens.
    jpeg : float
        Share of the patches, drawn ones left out, that are compressed as JPEG before they are
        enlarged, by a random quality in `jpeg_quality`: a bank learns not to sharpen the
        blocks and fringes of such files.
    jpeg_quality : (int, int)
        Range of the qualities, 1..100.
    channels : tuple of float
        Chances of red, green, blue and luma.
    """

    batch: int = 20
    size: int = 44
    points: int = 6400
    scales: tuple[float, ...] = (2.0, 3.0, 4.0)
    scale_range: tuple[float, float] = (1.3, 7.0)
    continuous: float = 0.25
    warps: float = 0.15
    graphics: float = 0.05
    rendered: float = 0.5
    reduced: float = 0.3
    jpeg: float = 0.0
    jpeg_quality: tuple[int, int] = (50, 95)
    channels: tuple[float, float, float, float] = (0.2, 0.4, 0.2, 0.2)

    def __post_init__(self) -> None:
        if self.batch < 1 or self.points < 1 or self.size < 2 * _MARGIN + 8:
            raise InvalidArgumentError(
                f"batches of {self.batch} patches of {self.size} pixels and {self.points} points "
                f"cannot be drawn; a patch has at least {2 * _MARGIN + 8} pixels a side"
            )
        low, high = self.scale_range
        if not 1 <= low <= high <= 16 or any(not 1 <= scale <= 16 for scale in self.scales):
            raise InvalidArgumentError(
                f"scales must lie in 1..16, got {self.scales} and {self.scale_range}"
            )
        shares = self.continuous, self.warps, self.continuous + self.warps
        if not all(0 <= share <= 1 for share in shares):
            raise InvalidArgumentError(
                f"shares of continuous scales and of warps must be at least 0 and sum to at "
                f"most 1, got {self.continuous} and {self.warps}"
            )
        for name in ("graphics", "rendered", "reduced", "jpeg"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidArgumentError(f"{name} must lie in 0..1, got {getattr(self, name)}")
        worst, best = self.jpeg_quality
        if not 1 <= worst <= best <= 100:
            raise InvalidArgumentError(f"qualities must lie in 1..100, got {self.jpeg_quality}")
        if not self.scales and self.continuous + self.warps < 1:
            raise InvalidArgumentError("no scales to draw from")
        chances = list(self.channels)
        if len(chances) != 4 or min(chances) < 0 or not 0 < sum(chances) < np.inf:
            raise InvalidArgumentError(f"there must be four chances of channels, got {chances}")

    @property
    def least(self) -> int:
        """Rows and columns that a photograph must have for the smallest scale to fit."""
        others = self.continuous + self.warps
        used = [*(self.scales if others < 1 else ()), *(self.scale_range[:1] if others else ())]
        return int(np.ceil(min(used) * self.size)) + 4


@dataclass(frozen=True)
class Batch:
    """One step's samples.

    Attributes
    ----------
    low : ndarray of uint8, (batch, size, size)
        Low-resolution patches.
    first : ndarray of int32, (batch, points, 2)
        Row and column of the first of each point's 2x2 neighbours.
    offset : ndarray of float32, (batch, points, 2)
        From that neighbour to the point, in low-resolution pixels.
    target : ndarray of float32, (batch, points)
        What the points should be, in grey levels.
    """

    low: Plane
    first: npt.NDArray[np.int32]
    offset: Floats
    target: Floats


def degrade(
    plane: npt.NDArray[np.generic],
    box: Sequence[float],
    shape: tuple[int, int],
    *,
    coverage: bool = False,
) -> Plane:
    """Anti-aliased bicubic (a = -0.5) of a part of a plane, rounded once.

    Parameters
    ----------
    plane : ndarray, (rows, cols)
        Grey levels in 0..255.
    box : (left, top, right, bottom)
        The part, in pixels from the top left corner; fractions allowed.
    shape : (rows, cols)
        Of the result.
    coverage : bool, optional
        Take plain means over each pixel's area instead, as graphics are rendered.
    """
    from PIL import Image

    left, top, right, bottom = map(float, box)
    if coverage:
        small = _area_means(plane.astype(np.float64), top, bottom, shape[0])
        small = _area_means(small.T, left, right, shape[1]).T
    else:
        image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
        size = (shape[1], shape[0])
        small = np.asarray(
            image.resize(size, Image.Resampling.BICUBIC, box=(left, top, right, bottom))
        )
    levels: Plane = np.clip(np.rint(small), 0, 255).astype(np.uint8)
    return levels


def _area_means(
    plane: npt.NDArray[np.float64], start: float, stop: float, count: int
) -> npt.NDArray[np.float64]:
    """Means over `count` equal parts of the rows start..stop, fractions of pixels counted."""
    sums = np.pad(np.cumsum(plane, axis=0), ((1, 0), (0, 0)))
    edges = np.linspace(start, stop, count + 1)
    whole = np.minimum(edges.astype(int), len(plane) - 1)
    up_to = sums[whole] + (edges - whole)[:, None] * plane[whole]
    means: npt.NDArray[np.float64] = np.diff(up_to, axis=0) * (count / (stop - start))
    return means


class PatchSource:
    """Batches of samples from photographs, by step.

    Parameters
    ----------
    photographs : sequence of Photograph
        To train on.
    options : PatchOptions
        How samples are drawn.
    seed : int
        With the step, decides everything.
    memory : int
        Bytes that decoded photographs may take. More photographs than fit are trained on
        in groups, one group in memory and the next on its way.
    steps_per_group : int
        Steps that a group stays.
    """

    def __init__(
        self,
        photographs: Sequence[Photograph],
        options: PatchOptions,
        seed: int,
        *,
        memory: int = 1 << 30,
        steps_per_group: int = 500,
    ) -> None:
        self.photographs = tuple(photographs)
        self.options = options
        self.seed = seed
        self._steps_per_group = steps_per_group
        self._sizes = self._group_sizes(memory)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="photographs")
        self._groups: dict[int, object] = {}
        # Patches of the usual scales fit, warped or not.
        self._drawn_side = int(1.5 * options.size * max([*options.scales, options.scale_range[0]]))
        self._chances = np.asarray(options.channels) / sum(options.channels)

    def _group_sizes(self, memory: int) -> int:
        """Photographs a group, so that two groups fit."""
        share = 1.25 if self.options.reduced else 1.0  # copies of half the size
        largest = int(share * max(photograph.nbytes for photograph in self.photographs))
        total = int(share * sum(photograph.nbytes for photograph in self.photographs))
        if total <= memory:
            return len(self.photographs)
        return max(1, min(len(self.photographs), memory // (2 * largest)))

    def _members(self, group: int) -> list[Photograph]:
        """Photographs of a group: epochs are permutations, cut into groups."""
        count = len(self.photographs)
        per_epoch = -(-count // self._sizes)
        epoch, part = divmod(group, per_epoch)
        order = np.random.default_rng([self.seed, 1, epoch]).permutation(count)
        return [self.photographs[i] for i in order[part * self._sizes : (part + 1) * self._sizes]]

    def _loaded(self, step: int) -> list[list[Plane]]:
        """Decoded photographs of a step's group; the next group is asked for."""
        if self._sizes == len(self.photographs):
            wanted = [0]
        else:
            group = step // self._steps_per_group
            wanted = [group, group + 1]
        for old in set(self._groups) - set(wanted):
            del self._groups[old]
        for group in wanted:
            if group not in self._groups:
                self._groups[group] = self._pool.submit(self._load, group)
        return self._groups[wanted[0]].result()  # type: ignore[attr-defined,no-any-return]

    def _load(self, group: int) -> list[list[Plane]]:
        return [self._sizes_of(read_photograph(one.path)) for one in self._members(group)]

    def _sizes_of(self, image: Plane) -> list[Plane]:
        """Planes of a photograph and, where it is large enough, of its copy of half the size."""
        sizes = [_with_luma(image)]
        if self.options.reduced and min(image.shape[:2]) // 2 >= self.options.least:
            rows, cols = image.shape[0] // 2, image.shape[1] // 2
            box = (0, 0, 2 * cols, 2 * rows)
            half = [degrade(image[..., channel], box, (rows, cols)) for channel in range(3)]
            sizes.append(_with_luma(np.stack(half, axis=-1)))
        return sizes

    def batch(self, step: int) -> Batch:
        """Return the samples of a step."""
        options = self.options
        images = self._loaded(step)
        areas = np.array([image[0][0].size for image in images], dtype=np.float64)
        areas /= areas.sum()
        rng = np.random.default_rng([self.seed, 0, step])
        n, size, points = options.batch, options.size, options.points
        low = np.empty((n, size, size), np.uint8)
        first = np.empty((n, points, 2), np.int32)
        offset = np.empty((n, points, 2), np.float32)
        target = np.empty((n, points), np.float32)
        for index in range(n):
            for _ in range(_ATTEMPTS):
                coverage = drawn = False
                if rng.random() < options.graphics:
                    drawn = True
                    plane = draw_graphics(rng, self._drawn_side, float(rng.integers(2, 5)))
                    coverage = bool(rng.random() < options.rendered)
                else:
                    image = images[rng.choice(len(images), p=areas)]
                    planes = image[len(image) - 1 if rng.random() < options.reduced else 0]
                    plane = planes[rng.choice(4, p=self._chances)]
                turned = _turned(plane, int(rng.integers(8)))
                sample = self._sample(turned, rng, coverage=coverage)
                if sample is not None:
                    break
            else:
                raise InvalidArgumentError(
                    f"no patch of {size} pixels at these scales fits into the images"
                )
            low[index], first[index], offset[index], target[index] = sample
            if not drawn and options.jpeg and rng.random() < options.jpeg:
                worst, best = options.jpeg_quality
                low[index] = _compressed(low[index], int(rng.integers(worst, best + 1)))
        return Batch(low, first, offset, target)

    def batches(self, start: int, stop: int, *, ahead: int = 6) -> Generator[Batch]:
        """Batches of steps start..stop-1 in order, made ahead by a thread of their own."""
        ready: queue.Queue[Batch | BaseException] = queue.Queue(ahead)
        stopped = threading.Event()

        def work() -> None:
            try:
                for step in range(start, stop):
                    if not _offer(ready, self.batch(step), stopped):
                        return
            except BaseException as error:  # noqa: BLE001 - raised where the batches are taken
                _offer(ready, error, stopped)

        thread = threading.Thread(target=work, name="patches", daemon=True)
        thread.start()
        try:
            for _ in range(start, stop):
                item = ready.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stopped.set()
            thread.join()

    def close(self) -> None:
        """Stop loading."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # -- one sample -----------------------------------------------------------------

    def _sample(
        self, plane: Plane, rng: np.random.Generator, *, coverage: bool
    ) -> tuple[Plane, npt.NDArray[np.int32], Floats, Floats] | None:
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
    ) -> tuple[Plane, npt.NDArray[np.int32], Floats, Floats] | None:
        size, shape = self.options.size, np.array(plane.shape)
        span = scales * size
        # Whole scales start on a pixel's edge, as in every benchmark; others anywhere.
        whole = scales == np.rint(scales)
        room = shape - span
        if (room < 0).any():
            return None
        start = rng.uniform(0, 1, 2) * room
        start = np.where(whole, np.floor(start), start)
        # The kernel reaches two low-resolution pixels beyond the box.
        low_corner = np.maximum(np.floor(start - 3 * scales), 0).astype(int)
        high_corner = np.minimum(np.ceil(start + span + 3 * scales), shape).astype(int)
        part = plane[low_corner[0] : high_corner[0], low_corner[1] : high_corner[1]]
        box = (*(start - low_corner)[::-1], *(start + span - low_corner)[::-1])
        patch = degrade(part, box, (size, size), coverage=coverage)
        # Pixels whose positions lie inside the margin.
        least = np.ceil(start + (_MARGIN + 0.5) * scales - 0.5).astype(np.int64)
        most = np.floor(start + (size - _MARGIN - 0.5) * scales - 0.5).astype(np.int64)
        first, offset, target = self._empty_points()
        draw_scale_points(
            plane, start, scales, least, most + 1 - least, _seed(rng), first, offset, target
        )
        return patch, first, offset, target

    def _warped(
        self, plane: Plane, rng: np.random.Generator
    ) -> tuple[Plane, npt.NDArray[np.int32], Floats, Floats] | None:
        size = self.options.size
        matrix = _random_homography(rng, self.options.scale_range)
        # Lay the patch's footprint somewhere inside the plane.
        edge = np.array([[x, y, 1.0] for x in (0, size - 1) for y in (0, size - 1)]).T
        corners = matrix @ edge
        if (corners[2] < 0.2).any():
            return None
        corners = corners[:2] / corners[2]
        low, high = corners.min(1) - 20, corners.max(1) + 20
        room = np.array(plane.shape[::-1]) - (high - low)
        if (room <= 0).any():
            return None
        shift = rng.uniform(0, 1, 2) * room - low
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1.0]]) @ matrix
        patch = np.empty((size, size), np.uint8)
        if not sample_homography(plane, matrix, patch):
            return None
        # Pixels of the plane that lie in the patch.
        least = np.ceil(low + shift + 20).astype(np.int64)[::-1].copy()
        most = np.floor(high + shift - 20).astype(np.int64)[::-1]
        first, offset, target = self._empty_points()
        inverse = np.linalg.inv(matrix)
        enough = draw_homography_points(
            plane, inverse, least, most + 1 - least, float(_MARGIN), size, _seed(rng),
            first, offset, target,
        )  # fmt: skip
        return (patch, first, offset, target) if enough else None

    def _empty_points(self) -> tuple[npt.NDArray[np.int32], Floats, Floats]:
        points = self.options.points
        return (
            np.empty((points, 2), np.int32),
            np.empty((points, 2), np.float32),
            np.empty(points, np.float32),
        )


def _offer(
    ready: queue.Queue[Batch | BaseException], item: Batch | BaseException, stopped: threading.Event
) -> bool:
    """Put an item, unless nobody takes items any more."""
    while not stopped.is_set():
        try:
            ready.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False


def _with_luma(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Planes (4, rows, cols): red, green, blue, and the luma of ITU-R BT.601 in full range."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    planes = np.empty((4, *image.shape[:2]), np.uint8)
    planes[:3] = image.transpose(2, 0, 1)
    for top in range(0, len(image), 64):  # rows at a time: floats take four times the memory
        part = image[top : top + 64].astype(np.float32)
        planes[3, top : top + 64] = np.rint(part @ weights)
    return planes


def _compressed(plane: Plane, quality: int) -> Plane:
    """What JPEG leaves of a plane."""
    from PIL import Image

    with io.BytesIO() as file:
        Image.fromarray(plane).save(file, "JPEG", quality=quality)
        with Image.open(file) as image:
            return np.asarray(image)


def _turned(plane: npt.NDArray[np.uint8], turn: int) -> npt.NDArray[np.uint8]:
    plane = np.rot90(plane, turn % 4)
    return plane[:, ::-1] if turn >= 4 else plane


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 62))


def _random_homography(
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
