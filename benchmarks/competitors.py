"""What `interpolators.py` compares: one task a library and case, and the cases themselves.

Every task starts from an image in the form that its library works on (a Pillow image; elsewhere
an array of rows, columns and channels) and ends with one of the same dtype: what a library
converts in between counts as its own time. Matrices map output (x, y, 1) to source (x, y), pixel
centres at integers.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "photos" / "coffee.jpg"
# A photograph fills a side of this many pixels; larger images are mirrored tiles of it.
TILE = 512
CHANNELS = 3
# Images of this side are checked by the same cases on small ones, and run less often.
LARGE = 4096

#: Variants of this library: keywords of `resize` and `warp`.
OURS: dict[str, dict[str, Any]] = {
    "lerf-g": {"bank": "lerf-g"},
    "lerf-l": {"bank": "lerf-l"},
    "lerf-p": {"bank": "lerf-p"},
    "lerf-g fast": {"bank": "lerf-g", "fast": True},
    "lerf-p fast": {"bank": "lerf-p", "fast": True},
}
#: What this library takes where an image shrinks and no bank is named.
SHRINKING = "lerf, no bank named"

# Corners of the homography's view of the image, as shares of the view: turned, in perspective,
# and all of it inside.
VIEW = ((0.10, 0.03), (0.97, 0.13), (0.90, 0.97), (0.03, 0.86))

# A competitor's result is at least so near to ours on a smooth photograph, and no farther away.
CHECK_DECIBELS, CHECK_SHIFT, CHECK_BLUR = 30.0, 0.1, 1.5
# Source pixels at the border where libraries differ.
CHECK_MARGIN = 8

Array = npt.NDArray[Any]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A square RGB image and what becomes of it.

    `scale` is None for the homography, whose view has sides of `out_side` pixels.
    """

    side: int
    scale: float | None
    out_side: int
    dtype: str = "uint8"

    @property
    def name(self) -> str:
        """Like 512-x2-uint16."""
        what = "homography" if self.scale is None else f"x{self.scale:g}"
        return f"{self.side}-{what}" + ("" if self.dtype == "uint8" else f"-{self.dtype}")

    @property
    def values(self) -> int:
        """Values of the result."""
        return self.out_side**2 * CHANNELS

    @property
    def shrinks(self) -> bool:
        """Whether anti-aliasing matters."""
        return self.scale is not None and self.scale < 1


def enlargement(side: int, scale: float, dtype: str = "uint8") -> Case:
    """Build the case of a resize."""
    return Case(side, scale, round(side * scale), dtype)


CASES = (
    enlargement(512, 1.5),
    enlargement(512, 2),
    enlargement(512, 2, "uint16"),
    enlargement(512, 2, "float32"),
    enlargement(512, 3),
    enlargement(512, 4),
    enlargement(512, 0.5),
    Case(512, None, 2048),
    enlargement(4096, 2),
    enlargement(4096, 0.5),
    Case(4096, None, 8192),
)


@dataclass(frozen=True)
class Work:
    """A case with its image, and the number of threads that may work on it."""

    case: Case
    image: Array
    threads: int

    @property
    def scale(self) -> float:
        """Factor of a resize.

        Raises
        ------
        LeftOutError
            If the case is a homography.
        """
        if self.case.scale is None:
            raise LeftOutError("no homography")
        return self.case.scale

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the result."""
        return self.case.out_side, self.case.out_side


@dataclass(frozen=True)
class Task:
    """A call to be timed, and how to read its result as an array."""

    run: Callable[[], Any]
    as_array: Callable[[Any], Array] = np.asarray


@dataclass(frozen=True)
class Competitor:
    """A library's method.

    `anti_aliasing` says what it does where an image shrinks; None: nothing. `threads`: whether
    it can use more than one.
    """

    name: str
    make: Callable[[Work], Task]
    module: str
    threads: bool = True
    anti_aliasing: str | None = None


class LeftOutError(Exception):
    """A competitor does not apply; says why."""


def source_image(side: int, dtype: str, blur: float = 0.0) -> Array:
    """Make the photograph of a given side and dtype; floats from 0 to 1."""
    from PIL import Image, ImageFilter

    with Image.open(PHOTO) as photo:
        edge = min(photo.size)
        left, top = (photo.width - edge) // 2, (photo.height - edge) // 2
        box = (left, top, left + edge, top + edge)
        tile = photo.convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS, box)
    if blur:
        tile = tile.filter(ImageFilter.GaussianBlur(blur))
    times = -(-side // TILE)
    image = np.asarray(tile)
    image = np.pad(image, ((0, TILE * (times - 1)),) * 2 + ((0, 0),), mode="symmetric")
    image = np.ascontiguousarray(image[:side, :side])
    if dtype == "uint16":
        return image.astype(np.uint16) * 257
    return image if dtype == "uint8" else image.astype(np.float32) / 255


def inverse_matrix(case: Case) -> Matrix:
    """Homography from the view to the image, by the four corners."""
    from lerf_core import homography_from_points

    last = case.side - 1
    source = [(0, 0), (last, 0), (last, last), (0, last)]
    target = [(x * (case.out_side - 1), y * (case.out_side - 1)) for x, y in VIEW]
    return np.asarray(homography_from_points(target, source), dtype=np.float64)


def _rounded(values: Array, dtype: np.dtype[Any]) -> Array:
    """Floats in a dtype: integers rounded and clipped to its range."""
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    np.rint(values, out=values)
    np.clip(values, 0, np.iinfo(dtype).max, out=values)
    return values.astype(dtype)


# -- the libraries ---------------------------------------------------------------------


def _lerf(work: Work, *, keywords: dict[str, Any], shrinking_alone: bool = False) -> Task:
    import lerf_core

    if shrinking_alone and not work.case.shrinks:
        raise LeftOutError("the same as lerf-p")
    options = {"channel_axis": -1, "threads": work.threads} | keywords
    if work.case.scale is None:
        if "fast" in keywords:
            raise LeftOutError("for resizing")
        call: Callable[..., Array] = partial(lerf_core.warp, work.image, inverse_matrix(work.case))
        return Task(partial(call, output_shape=work.shape, **options))
    return Task(partial(lerf_core.resize, work.image, work.shape, **options))


def _pillow(work: Work, *, method: str) -> Task:
    from PIL import Image

    resampling = Image.Resampling[method]
    if work.case.scale is None:
        if method != "BICUBIC":
            raise LeftOutError(f"Image.transform knows no {method}")
        # Pillow's matrices act on pixel corners.
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        matrix = half @ inverse_matrix(work.case) @ np.linalg.inv(half)
        numbers = (matrix / matrix[2, 2]).ravel()[:8].tolist()
        image = Image.fromarray(work.image)
        kind = Image.Transform.PERSPECTIVE
        return Task(partial(image.transform, work.shape, kind, numbers, resampling))
    if work.case.dtype == "uint8":
        return Task(partial(Image.fromarray(work.image).resize, work.shape, resampling))
    # Pillow has one channel of 16 bits (I;16) or floats (F), not three.
    planes = [Image.fromarray(np.ascontiguousarray(p)) for p in np.moveaxis(work.image, -1, 0)]
    return Task(
        lambda: [plane.resize(work.shape, resampling) for plane in planes],
        lambda result: np.stack([np.asarray(plane) for plane in result], axis=-1),
    )


def _opencv(work: Work, *, method: str) -> Task:
    import cv2

    cv2.setNumThreads(work.threads)
    flag = getattr(cv2, method)
    if work.case.scale is None:
        if method == "INTER_AREA":
            raise LeftOutError("no homography")
        call = partial(cv2.warpPerspective, work.image, inverse_matrix(work.case), work.shape)
        return Task(partial(call, flags=flag | cv2.WARP_INVERSE_MAP))
    if method == "INTER_AREA" and not work.case.shrinks:
        raise LeftOutError("for shrinking")
    return Task(partial(cv2.resize, work.image, work.shape, interpolation=flag))


def _scikit_image(work: Work) -> Task:
    from skimage import transform

    options = {"order": 3, "preserve_range": True}
    if work.case.scale is None:
        matrix = inverse_matrix(work.case)
        call = partial(transform.warp, work.image, matrix, output_shape=work.shape, **options)
    else:
        call = partial(transform.resize, work.image, work.shape, **options)
    return Task(lambda: _rounded(call(), work.image.dtype))


def _torch(work: Work) -> Task:
    import torch

    torch.set_num_threads(work.threads)
    dtype = work.image.dtype
    # grid_sample takes floats, and interpolate takes bytes and floats.
    as_float = work.case.scale is None or dtype == np.uint16

    def planes() -> torch.Tensor:
        image = work.image.astype(np.float32, copy=False) if as_float else work.image
        return torch.from_numpy(image).permute(2, 0, 1)[None]

    def rows(result: torch.Tensor) -> Array:
        image = result[0].permute(1, 2, 0).numpy()
        return _rounded(image, dtype) if as_float else image

    def resize() -> Array:
        size: Any = work.shape
        shrinks = work.case.shrinks
        interpolate = torch.nn.functional.interpolate
        return rows(interpolate(planes(), size, mode="bicubic", antialias=shrinks))

    def warp() -> Array:
        side = work.case.out_side
        x = torch.arange(side, dtype=torch.float32)[None, :]
        y = torch.arange(side, dtype=torch.float32)[:, None]
        across, down, depth = (m[0] * x + (m[1] * y + m[2]) for m in matrix)
        # From -1 to 1 between the image's outer edges.
        half = work.case.side / 2
        grid = torch.stack([across / depth, down / depth], dim=-1).add_(0.5).div_(half).sub_(1)
        sample = torch.nn.functional.grid_sample
        image = planes().contiguous()
        return rows(sample(image, grid[None], mode="bicubic", align_corners=False))

    if work.case.scale is not None:
        return Task(resize)
    matrix = inverse_matrix(work.case).tolist()
    return Task(warp)


def _libvips_resize(work: Work) -> Task:
    import pyvips

    if not work.case.shrinks:
        raise LeftOutError("enlarges by bicubic")
    scale = work.scale
    pyvips.cache_set_max(0)
    return Task(
        lambda: pyvips.Image.new_from_array(work.image).resize(scale, kernel="lanczos3").numpy()
    )


def _libvips_affine(work: Work, *, method: str) -> Task:
    import pyvips

    if work.case.shrinks:
        raise LeftOutError("for enlarging")
    pyvips.cache_set_max(0)
    # Centres together: libvips's own enlarging (`resize`) lies half a result's pixel beside.
    offsets = {"idx": 0.5, "idy": 0.5, "odx": -0.5, "ody": -0.5}
    options = {"oarea": [0, 0, *work.shape], "extend": "copy"} | offsets
    matrix = [work.scale, 0, 0, work.scale]

    def run() -> Array:
        image = pyvips.Image.new_from_array(work.image)
        interpolate = pyvips.Interpolate.new(method)
        result: Array = image.affine(matrix, interpolate=interpolate, **options).numpy()
        return result

    return Task(run)


def _libvips_mapim(work: Work) -> Task:
    import pyvips

    if work.case.scale is not None:
        raise LeftOutError("for the homography")
    pyvips.cache_set_max(0)
    matrix = inverse_matrix(work.case).tolist()

    def run() -> Array:
        xy = pyvips.Image.xyz(*work.shape)
        across, down, depth = (xy[0] * m[0] + (xy[1] * m[1] + m[2]) for m in matrix)
        places = (across / depth).bandjoin(down / depth)
        image = pyvips.Image.new_from_array(work.image)
        mapped = image.mapim(places, interpolate=pyvips.Interpolate.new("nohalo"))
        result: Array = mapped.numpy()
        return result

    return Task(run)


def _dask_image(work: Work) -> Task:
    import dask.array as da
    from dask_image.ndinterp import affine_transform

    matrix = np.eye(2) / work.scale
    offset = np.full(2, 0.5 / work.scale - 0.5)
    from_array: Any = da.from_array
    image = from_array(work.image, chunks=(1024, 1024, 1))
    pool = {"scheduler": "synchronous"} if work.threads == 1 else {"num_workers": work.threads}

    def run() -> Array:
        planes = [
            affine_transform(
                image[..., channel].astype(np.float64), matrix, offset, work.shape,
                order=3, prefilter=True, output_chunks=(1024, 1024),
            ).map_blocks(_rounded, work.image.dtype, dtype=work.image.dtype)
            for channel in range(CHANNELS)
        ]  # fmt: skip
        stack: Any = da.stack
        result: Array = stack(planes, axis=-1).compute(**pool)
        return result

    return Task(run)


def _all_competitors() -> Sequence[Competitor]:
    ours = [
        Competitor(name, partial(_lerf, keywords=keywords), "lerf_core", anti_aliasing="yes")
        for name, keywords in OURS.items()
    ]
    default = partial(_lerf, keywords={}, shrinking_alone=True)
    ours.append(Competitor(SHRINKING, default, "lerf_core", anti_aliasing="yes"))
    pillow = [
        Competitor(f"Pillow {method}", partial(_pillow, method=method), "PIL", False, "yes")
        for method in ("BICUBIC", "LANCZOS")
    ]
    opencv = [
        Competitor(f"OpenCV {name}", partial(_opencv, method=f"INTER_{name}"), "cv2")
        for name in ("CUBIC", "LANCZOS4")
    ]
    area = partial(_opencv, method="INTER_AREA")
    opencv.append(Competitor("OpenCV AREA", area, "cv2", anti_aliasing="by means"))
    return (
        *ours,
        *pillow,
        *opencv,
        Competitor("scikit-image order 3", _scikit_image, "skimage", False, "by a Gaussian"),
        Competitor("torch bicubic", _torch, "torch", anti_aliasing="yes"),
        Competitor("libvips lanczos3", _libvips_resize, "pyvips", anti_aliasing="yes"),
        *(
            Competitor(f"libvips affine {name}", partial(_libvips_affine, method=name), "pyvips")
            for name in ("bicubic", "nohalo")
        ),
        Competitor("libvips mapim nohalo", _libvips_mapim, "pyvips"),
        Competitor("dask-image order 3", _dask_image, "dask_image"),
    )


COMPETITORS = {one.name: one for one in _all_competitors()}


def is_ours(name: str) -> bool:
    """Whether a competitor is a variant of this library."""
    return COMPETITORS[name].module == "lerf_core"


def make_task(name: str, work: Work) -> Task:
    """Prepare a competitor's task.

    Raises
    ------
    LeftOutError
        If it is not installed or does not apply.
    """
    one = COMPETITORS[name]
    if importlib.util.find_spec(one.module) is None:
        raise LeftOutError("not installed")
    if work.threads > 1 and not one.threads:
        raise LeftOutError("one thread only")
    return one.make(work)


def core_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# -- checking --------------------------------------------------------------------------


def check(cases: Sequence[Case]) -> int:
    """Compare every competitor's results to ours; return how many are wrong."""
    wrong = 0
    # The same code runs on large images.
    for case in dict.fromkeys(case for case in cases if case.side < LARGE):
        image = source_image(case.side, case.dtype, CHECK_BLUR)
        inside = _inside(case)
        ours = make_task("lerf-g", Work(case, image, core_count()))
        reference = ours.as_array(ours.run())
        for name, one in COMPETITORS.items():
            work = Work(case, image, core_count() if one.threads else 1)
            try:
                task = make_task(name, work)
            except LeftOutError as error:
                print(f"{case.name:16} {name:22} left out: {error}")
                continue
            made = task.as_array(task.run())
            shape = (*work.shape, CHANNELS)
            if made.shape != shape or made.dtype != image.dtype:
                verdict = f"WRONG: {made.shape} {made.dtype}, not {shape} {image.dtype}"
            else:
                decibels, shift = _compare(made, reference, inside)
                # In source pixels, or in those of the result where they are larger.
                shift /= max(1.0, case.out_side / case.side)
                right = decibels >= CHECK_DECIBELS and shift <= CHECK_SHIFT
                verdict = f"{decibels:5.1f} dB, shift {shift:.3f}{'' if right else '  WRONG'}"
            wrong += "WRONG" in verdict
            print(f"{case.name:16} {name:22} {verdict}")
    return wrong


def _inside(case: Case) -> Array:
    """Pixels of the result that lie well inside the image."""
    y, x = np.mgrid[: case.out_side, : case.out_side].astype(np.float64)
    matrix = np.diag([case.side / case.out_side] * 2 + [1.0])
    if case.scale is None:
        matrix = inverse_matrix(case)
    col, row, depth = np.einsum("ij,jrc->irc", matrix, np.stack([x, y, np.ones_like(x)]))
    low, high = CHECK_MARGIN, case.side - 1 - CHECK_MARGIN
    inside: Array = (np.minimum(row, col) / depth > low) & (np.maximum(row, col) / depth < high)
    return inside


def _compare(image: Array, reference: Array, inside: Array) -> tuple[float, float]:
    """PSNR in dB, and the distance in pixels by which the image lies beside the reference."""
    peak = 1.0 if image.dtype.kind == "f" else float(np.iinfo(image.dtype).max)
    difference = image.astype(np.float64) - reference
    error = float(np.mean(difference[inside] ** 2))
    slopes = np.gradient(reference.astype(np.float64).mean(axis=-1))
    system = np.stack([*(slope[inside] for slope in slopes), np.ones(inside.sum())], axis=1)
    # By the normal equations: many rows, three columns.
    target = difference.mean(axis=-1)[inside]
    move = np.linalg.solve(system.T @ system, system.T @ target)
    decibels = 10 * math.log10(peak**2 / error) if error else math.inf
    return decibels, float(np.hypot(move[0], move[1]))
