"""What a call costs: many small images in one process, beside Pillow's Lanczos, in turn.

    python benchmarks/small_images.py [--count 1000] [--runs 7] [--threads N] [--json FILE]

Scattered pieces of photographs are resized, or warped, one call each, with the defaults; Pillow
goes from an array to an array. "same": 64x64 pixels by 2. "mixed": 40 to 90 pixels a side by 1.3 to
3, a shape of its own for each. "from 4 threads": the same calls from as many threads of the caller.
Warps are compared with Pillow's bicubic, its best for matrices. Prints for each case the median
microseconds per image of both, and the median ratio of runs side by side.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import lerf_core

PHOTOS = Path(__file__).resolve().parents[1] / "examples" / "photos"
SIDE, SCALE = 64, 2.0
SIDES, SCALES = (40, 90), (1.3, 3.0)
CALLERS = 4
# Turned by some degrees about a point beside the image; half a source pixel per output pixel.
MATRIX = np.array([[0.5, 0.04, -1.0], [-0.04, 0.5, 1.0], [0.0, 0.0, 1.0]])

Array = npt.NDArray[Any]
Task = tuple[Array, tuple[int, int]]


@dataclass(frozen=True)
class Case:
    """What is done to `count` images: `channels` 1 or 3, the same shape for all or one for each."""

    channels: int = 1
    is_mixed: bool = False
    dtype: str = "uint8"
    is_warp: bool = False
    callers: int = 1

    @property
    def name(self) -> str:
        """Like "RGB, mixed"."""
        colour = "grey" if self.channels == 1 else "RGB"
        parts = ["warp of " * self.is_warp + colour, "mixed" if self.is_mixed else "same"]
        parts += [self.dtype] * (self.dtype != "uint8")
        parts += [f"from {self.callers} threads"] * (self.callers > 1)
        return ", ".join(parts)


CASES = [
    *(Case(channels, is_mixed) for channels in (1, 3) for is_mixed in (False, True)),
    Case(dtype="float32"),
    Case(is_warp=True),
    Case(3, is_warp=True),
    Case(3, is_mixed=True, callers=CALLERS),
]


def tasks(case: Case, count: int, generator: np.random.Generator) -> Iterator[Task]:
    """Yield pieces of photographs, arrays of their own, and the shapes that they are resized to."""
    photos = [
        np.asarray(Image.open(path).convert("RGB"))
        for path in sorted(PHOTOS.iterdir())
        if path.suffix in (".jpg", ".png")
    ]
    for number in range(count):
        photo = photos[number % len(photos)]
        shape, scale = (SIDE, SIDE), SCALE
        if case.is_mixed:
            rows, cols = generator.integers(*SIDES, 2, endpoint=True)
            shape, scale = (int(rows), int(cols)), generator.uniform(*SCALES)
        top, left = (
            generator.integers(have - need + 1)
            for have, need in zip(photo.shape, shape, strict=False)
        )
        piece = photo[top : top + shape[0], left : left + shape[1]]
        piece = piece if case.channels == 3 else piece[..., 1]
        levels = piece.astype(case.dtype)
        image = levels if case.dtype == "uint8" else levels / 255
        yield image.astype(case.dtype), (round(shape[0] * scale), round(shape[1] * scale))


def by_lerf(case: Case, threads: int | None) -> Callable[[Task], Array]:
    """Return what resizes, or warps, an image by this library."""
    keywords: dict[str, Any] = {
        "channel_axis": None if case.channels == 1 else -1,
        "threads": threads,
    }

    def resized(task: Task) -> Array:
        image, shape = task
        if case.is_warp:
            return lerf_core.warp(image, MATRIX, output_shape=shape, **keywords)
        return lerf_core.resize(image, shape, **keywords)

    return resized


def by_pillow(case: Case) -> Callable[[Task], Array]:
    """Return what resizes, or warps, an image by Pillow."""
    inverse = tuple(MATRIX.ravel()[:6])

    def resized(task: Task) -> Array:
        array, (rows, cols) = task
        image = Image.fromarray(array)
        if case.is_warp:
            affine = Image.Transform.AFFINE
            return np.asarray(
                image.transform((cols, rows), affine, inverse, Image.Resampling.BICUBIC)
            )
        return np.asarray(image.resize((cols, rows), Image.Resampling.LANCZOS))

    return resized


def seconds(work: Callable[[Task], Array], images: Sequence[Task], callers: int) -> float:
    """Time of all images, by a number of calling threads."""
    if callers == 1:
        start = time.perf_counter()
        for task in images:
            work(task)
        return time.perf_counter() - start
    with ThreadPoolExecutor(callers) as pool:
        start = time.perf_counter()
        for _ in pool.map(work, images):
            pass
        return time.perf_counter() - start


def measure(case: Case, count: int, runs: int, threads: int | None) -> dict[str, float]:
    """Median microseconds per image, by lerf and by Pillow, and the median ratio of the two."""
    images = list(tasks(case, count, np.random.default_rng(0)))
    ours, theirs = by_lerf(case, threads), by_pillow(case)
    times = [
        (seconds(ours, images, case.callers), seconds(theirs, images, case.callers))
        for _ in range(runs + 1)
    ][1:]  # the first compiles, or warms up
    lerf, pillow = (1e6 * median(each) / count for each in zip(*times, strict=True))
    return {"lerf": lerf, "pillow": pillow, "ratio": median(mine / other for mine, other in times)}


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="images of each case")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, help="of lerf, for each call; default: its own")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    report = {}
    print(f"{'':28}{'lerf, us':>10}{'Pillow, us':>12}{'ratio':>8}")
    for case in CASES:
        found = measure(case, arguments.count, arguments.runs, arguments.threads)
        report[case.name] = found
        print(f"{case.name:28}{found['lerf']:10.0f}{found['pillow']:12.0f}{found['ratio']:8.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
