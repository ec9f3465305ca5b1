"""Kernels beside the same ones of Pillow, OpenCV and libvips: ratios of times, in turn.

    python benchmarks/kernels.py [--side 2048] [--runs 9] [--kernel KERNEL ...]

Each line is a kernel at a scale: medians of lerf's time over the other's on one thread, on an RGB
image of noise in uint8, and of lerf's uint16 and float32 over its own uint8. Below 1, lerf is
faster. The learned function, lerf-s, stands beside Lanczos; pyvips is measured where installed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import time
from collections.abc import Callable
from statistics import median

os.environ.setdefault("VIPS_CONCURRENCY", "1")  # read when libvips is loaded

import numpy as np
from PIL import Image

import lerf_core

SCALES = (0.5, 0.25, 1.7)
PILLOW = {
    "box": Image.Resampling.BOX,
    "linear": Image.Resampling.BILINEAR,
    "cubic": Image.Resampling.BICUBIC,
    "lanczos3": Image.Resampling.LANCZOS,
    "lerf-s": Image.Resampling.LANCZOS,
}
VIPS = {"linear": "linear", "cubic": "cubic", "mitchell": "mitchell", "lanczos3": "lanczos3"}
KERNELS = ("box", "linear", "cubic", "mitchell", "lanczos3", "area", "lerf-s")

Call = Callable[[], object]


def ours(image: np.ndarray, kernel: str, side: int) -> Call:
    """Resize by lerf."""
    return lambda: lerf_core.resize(image, (side, side), kernel=kernel, channel_axis=-1, threads=1)


def rivals(image: np.ndarray, kernel: str, side: int) -> dict[str, Call]:
    """Build what other libraries do for the same kernel."""
    calls: dict[str, Call] = {}
    if kernel in PILLOW:
        picture = Image.fromarray(image)
        calls["Pillow"] = lambda: picture.resize((side, side), PILLOW[kernel])
    if kernel == "area":
        cv2 = importlib.import_module("cv2")
        cv2.setNumThreads(1)
        calls["OpenCV"] = lambda: cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    if kernel in VIPS and importlib.util.find_spec("pyvips"):
        source = importlib.import_module("pyvips").Image.new_from_array(image)
        scale = side / image.shape[0]
        calls["libvips"] = lambda: source.resize(scale, kernel=VIPS[kernel]).write_to_memory()
    return calls


def ratios(first: Call, others: dict[str, Call], runs: int) -> str:
    """Median of the first's time over each other's, measured in turn."""
    found: dict[str, list[float]] = {name: [] for name in others}
    for _ in range(runs + 1):
        seconds = []
        for call in (first, *others.values()):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        for name, other in zip(others, seconds[1:], strict=True):
            found[name].append(seconds[0] / other)
    # The first run compiles, or warms up.
    return "  ".join(f"{name} {median(values[1:]):.2f}" for name, values in found.items())


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--kernel", action="append", choices=KERNELS)
    arguments = parser.parse_args()
    size = (arguments.side, arguments.side, 3)
    image = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    for kernel in arguments.kernel or KERNELS:
        for scale in SCALES:
            if kernel == "lerf-s" and scale > 1:
                continue  # it shrinks
            side = round(arguments.side * scale)
            bytes_ = ours(image, kernel, side)
            deep = [
                ratios(ours(image.astype(dtype), kernel, side), {dtype: bytes_}, arguments.runs)
                for dtype in ("uint16", "float32")
            ]
            others = ratios(bytes_, rivals(image, kernel, side), arguments.runs)
            print(f"{kernel:9} x{scale:<5g} {others:28} | {'  '.join(deep)}", flush=True)


if __name__ == "__main__":
    main()
