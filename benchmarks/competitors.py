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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lerf_training.data.benchmark_sets import ScaleFactor, format_scale

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "photos" / "coffee.jpg"
# The photograph fills a side of this many pixels, and less where an image is smaller; larger images
# are mirrored tiles of it.
TILE = 512
# Images of this side are checked by the same cases on small ones, and run less often.
LARGE = 4096

#: Banks that are timed unless others are named, and those of them by luma alone too.
BANKS, FAST_BANKS = ("lerf-g", "lerf-l", "lerf-p"), ("lerf-g", "lerf-p")
#: The bank that all results are compared with where they are checked.
CHECKED_WITH = "lerf-g"
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
    """A square image, RGB or grey, and what becomes of it.

    `scale` is (row, column), or None for the homography; `shape`, (rows, cols), is the result's.
    """

    side: int
    scale: ScaleFactor | None
    shape: tuple[int, int]
    dtype: str = "uint8"
    channels: int = 3

    @property
    def name(self) -> str:
        """Like 512-x2-uint16 or 512-x2x3-grey (width x height)."""
        words = [str(self.side), self.task]
        words += [] if self.dtype == "uint8" else [self.dtype]
        return "-".join(words + ([] if self.channels > 1 else ["grey"]))

    @property
    def task(self) -> str:
        """Like x2 or homography."""
        return "homography" if self.scale is None else format_scale(self.scale)

    @property
    def values(self) -> int:
        """Values of the result."""
        return self.shape[0] * self.shape[1] * self.channels

    @property
    def shrinks(self) -> bool:
        """Whether anti-aliasing matters."""
        return self.scale is not None and min(self.scale) < 1

    def of_side(self, side: int) -> Case:
        """The same task on an image of another size."""
        rows, cols = (round(size * side / self.side) for size in self.shape)
        return replace(self, side=side, shape=(rows, cols))


def resize_case(
    side: int, scale: float | ScaleFactor, dtype: str = "uint8", *, channels: int = 3
) -> Case:
    """Build the case of a resize, by (row, column) or both alike."""
    row, col = scale if isinstance(scale, tuple) else (scale, scale)
    return Case(side, (row, col), (round(side * row), round(side * col)), dtype, channels)


# Columns by two, rows by three: 2x3 as people write it, and as `lerf evaluate` takes it.
_ENLARGED_BY: tuple[float | ScaleFactor, ...] = (1.5, 2, (3, 2), 3, 4, 6, 8)


def all_cases(side: int = TILE) -> tuple[Case, ...]:
    """Every case; `side` is that of the small images."""
    return (
        *(resize_case(side, scale) for scale in _ENLARGED_BY),
        *(resize_case(side, scale, channels=1) for scale in _ENLARGED_BY),
        *(resize_case(side, 2, dtype) for dtype in ("uint16", "float32")),
        resize_case(side, 0.5),
        resize_case(side, 0.5, channels=1),
        Case(side, None, (4 * side, 4 * side)),
        Case(side, None, (4 * side, 4 * side), channels=1),
        resize_case(LARGE, 2),
        resize_case(LARGE, 0.5),
        Case(LARGE, None, (2 * LARGE, 2 * LARGE)),
    )


@dataclass(frozen=True)
class Work:
    """A case with its image, and the number of threads that may work on it."""

    case: Case
    image: Array
    threads: int

    @property
    def scale(self) -> ScaleFactor:
        """Factors of a resize, (row, column).

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
        return self.case.shape

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the result."""
        return self.case.shape[1], self.case.shape[0]


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


def source_image(case: Case, blur: float = 0.0) -> Array:
    """Make the photograph of a case, (rows, cols[, 3]); floats from 0 to 1."""
    from PIL import Image, ImageFilter

    with Image.open(PHOTO) as photo:
        edge = min(photo.size)
        left, top = (photo.width - edge) // 2, (photo.height - edge) // 2
        box = (left, top, left + edge, top + edge)
        tile_side = min(case.side, TILE)
        tile = photo.convert("RGB").resize((tile_side, tile_side), Image.Resampling.LANCZOS, box)
    if blur:
        tile = tile.filter(ImageFilter.GaussianBlur(blur))
    times = -(-case.side // tile_side)
    image = np.asarray(tile if case.channels > 1 else tile.convert("L"))
    beyond = ((0, tile_side * (times - 1)),) * 2 + ((0, 0),) * (image.ndim - 2)
    image = np.pad(image, beyond, mode="symmetric")
    image = np.ascontiguousarray(image[: case.side, : case.side])
    if case.dtype == "uint16":
        return image.astype(np.uint16) * 257
    return image if case.dtype == "uint8" else image.astype(np.float32) / 255


def inverse_matrix(case: Case) -> Matrix:
    """Homography from the view to the image, by the four corners."""
    from lerf_core import homography_from_points

    last = case.side - 1
    source = [(0, 0), (last, 0), (last, last), (0, last)]
    rows, cols = case.shape
    target = [(x * (cols - 1), y * (rows - 1)) for x, y in VIEW]
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
        raise LeftOutError("the same as the default bank")
    axis = -1 if work.image.ndim == 3 else None
    options = {"channel_axis": axis, "threads": work.threads} | keywords
    if "bank" in options:
        # A file would be read by each call.
        options["bank"] = lerf_core.load_bank(options["bank"])
    if axis is None and "fast" in keywords:
        raise LeftOutError("for colours")
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
        return Task(partial(image.transform, work.size, kind, numbers, resampling))
    if work.case.dtype == "uint8" or work.image.ndim == 2:
        return Task(partial(Image.fromarray(work.image).resize, work.size, resampling))
    # Pillow has one channel of 16 bits (I;16) or floats (F), not three.
    planes = [Image.fromarray(np.ascontiguousarray(p)) for p in np.moveaxis(work.image, -1, 0)]
    return Task(
        lambda: [plane.resize(work.size, resampling) for plane in planes],
        lambda result: np.stack([np.asarray(plane) for plane in result], axis=-1),
    )


def _opencv(work: Work, *, method: str) -> Task:
    import cv2

    cv2.setNumThreads(work.threads)
    flag = getattr(cv2, method)
    if work.case.scale is None:
        if method == "INTER_AREA":
            raise LeftOutError("no homography")
        call = partial(cv2.warpPerspective, work.image, inverse_matrix(work.case), work.size)
        return Task(partial(call, flags=flag | cv2.WARP_INVERSE_MAP))
    if method == "INTER_AREA" and not work.case.shrinks:
        raise LeftOutError("for shrinking")
    return Task(partial(cv2.resize, work.image, work.size, interpolation=flag))


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
        pixels = torch.from_numpy(image)
        return pixels[None, None] if image.ndim == 2 else pixels.permute(2, 0, 1)[None]

    def rows(result: torch.Tensor) -> Array:
        grey = work.image.ndim == 2
        image = (result[0, 0] if grey else result[0].permute(1, 2, 0)).numpy()
        return _rounded(image, dtype) if as_float else image

    def resize() -> Array:
        size: Any = work.shape
        shrinks = work.case.shrinks
        interpolate = torch.nn.functional.interpolate
        return rows(interpolate(planes(), size, mode="bicubic", antialias=shrinks))

    def warp() -> Array:
        x = torch.arange(work.size[0], dtype=torch.float32)[None, :]
        y = torch.arange(work.size[1], dtype=torch.float32)[:, None]
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
    down, across = work.scale
    pyvips.cache_set_max(0)

    def run() -> Array:
        image = pyvips.Image.new_from_array(work.image)
        result: Array = image.resize(across, vscale=down, kernel="lanczos3").numpy()
        return result

    return Task(run)


def _libvips_affine(work: Work, *, method: str) -> Task:
    import pyvips

    if work.case.shrinks:
        raise LeftOutError("for enlarging")
    pyvips.cache_set_max(0)
    # Centres together: libvips's own enlarging (`resize`) lies half a result's pixel beside.
    offsets = {"idx": 0.5, "idy": 0.5, "odx": -0.5, "ody": -0.5}
    options = {"oarea": [0, 0, *work.size], "extend": "copy"} | offsets
    matrix = [work.scale[1], 0, 0, work.scale[0]]

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
        xy = pyvips.Image.xyz(*work.size)
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

    matrix = np.diag(1 / np.array(work.scale))
    offset = 0.5 / np.array(work.scale) - 0.5
    from_array: Any = da.from_array
    grey = work.image.ndim == 2
    image = from_array(np.atleast_3d(work.image), chunks=(1024, 1024, 1))
    pool = {"scheduler": "synchronous"} if work.threads == 1 else {"num_workers": work.threads}

    def run() -> Array:
        planes = [
            affine_transform(
                image[..., channel].astype(np.float64), matrix, offset, work.shape,
                order=3, prefilter=True, output_chunks=(1024, 1024),
            ).map_blocks(_rounded, work.image.dtype, dtype=work.image.dtype)
            for channel in range(work.case.channels)
        ]  # fmt: skip
        stack: Any = da.stack
        result: Array = (planes[0] if grey else stack(planes, axis=-1)).compute(**pool)
        return result

    return Task(run)


def bank_labels(banks: Sequence[str]) -> dict[str, str]:
    """What banks are called in tables: files by their names, where these differ."""
    short = {bank: Path(bank).name.removesuffix(".safetensors") for bank in banks}
    names = list(short.values())
    return {bank: name if names.count(name) == 1 else bank for bank, name in short.items()}


def competitors(
    banks: Sequence[str] = BANKS, fast: Sequence[str] = FAST_BANKS
) -> dict[str, Competitor]:
    """What is compared, by name.

    Parameters
    ----------
    banks : sequence of str
        Names or files of banks of this library.
    fast : sequence of str
        Those of them that resize by luma alone as well.
    """
    labels = bank_labels(banks)
    variants: dict[str, dict[str, Any]] = {labels[bank]: {"bank": bank} for bank in banks}
    variants |= {f"{labels[bank]} fast": {"bank": bank, "fast": True} for bank in fast}
    ours = [
        Competitor(name, partial(_lerf, keywords=keywords), "lerf_core", anti_aliasing="yes")
        for name, keywords in variants.items()
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
    every = (
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
    return {one.name: one for one in every}


def is_ours(one: Competitor) -> bool:
    """Whether a competitor is a variant of this library."""
    return one.module == "lerf_core"


def make_task(one: Competitor, work: Work) -> Task:
    """Prepare a competitor's task.

    Raises
    ------
    LeftOutError
        If it is not installed or does not apply.
    """
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


def check(cases: Sequence[Case], compared: Sequence[Competitor]) -> int:
    """Compare every competitor's results to ours; return how many are wrong."""
    wrong = 0
    reference_bank = competitors([CHECKED_WITH], [])[CHECKED_WITH]
    # The same code runs on large images.
    for case in dict.fromkeys(case for case in cases if case.side < LARGE):
        image = source_image(case, CHECK_BLUR)
        inside = _inside(case)
        ours = make_task(reference_bank, Work(case, image, core_count()))
        reference = ours.as_array(ours.run())
        for one in compared:
            work = Work(case, image, core_count() if one.threads else 1)
            try:
                task = make_task(one, work)
            except LeftOutError as error:
                print(f"{case.name:20} {one.name:22} left out: {error}")
                continue
            made = task.as_array(task.run())
            shape = (*work.shape, *image.shape[2:])
            if made.shape != shape or made.dtype != image.dtype:
                verdict = f"WRONG: {made.shape} {made.dtype}, not {shape} {image.dtype}"
            else:
                decibels, shift = _compare(made, reference, inside)
                # In source pixels, or in those of the result where they are larger.
                shift /= max(1.0, max(case.shape) / case.side)
                right = decibels >= CHECK_DECIBELS and shift <= CHECK_SHIFT
                verdict = f"{decibels:5.1f} dB, shift {shift:.3f}{'' if right else '  WRONG'}"
            wrong += "WRONG" in verdict
            print(f"{case.name:20} {one.name:22} {verdict}")
    return wrong


def _inside(case: Case) -> Array:
    """Pixels of the result that lie well inside the image."""
    rows, cols = case.shape
    y, x = np.mgrid[:rows, :cols].astype(np.float64)
    matrix = np.diag([case.side / cols, case.side / rows, 1.0])
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
    grey = np.atleast_3d(reference).astype(np.float64).mean(axis=-1)
    slopes = np.gradient(grey)
    system = np.stack([*(slope[inside] for slope in slopes), np.ones(inside.sum())], axis=1)
    # By the normal equations: many rows, three columns.
    target = np.atleast_3d(difference).mean(axis=-1)[inside]
    move = np.linalg.solve(system.T @ system, system.T @ target)
    decibels = 10 * math.log10(peak**2 / error) if error else math.inf
    return decibels, float(np.hypot(move[0], move[1]))
