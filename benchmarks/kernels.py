"""Shrinking by kernels beside Pillow's Lanczos, one thread: medians of runs in turn.

python benchmarks/kernels.py [--side 2048] [--runs 9] [--kernels lerf-s,lanczos3]
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from PIL import Image

import lerf_core

SCALES = (0.5, 0.25)
DTYPES = ("uint8", "uint16", "float32")


def seconds(function, *arguments, **keywords) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function(*arguments, **keywords)
    return time.perf_counter() - start


def main() -> None:
    """Measure every kernel, scale and dtype on RGB noise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--kernels", default="lerf-s,lanczos3")
    arguments = parser.parse_args()
    side = arguments.side
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    rival = Image.fromarray(image)
    for kernel in arguments.kernels.split(","):
        for scale in SCALES:
            size = (round(side * scale),) * 2
            for dtype in DTYPES:
                values = image.astype(dtype)
                options = {"kernel": kernel, "channel_axis": -1, "threads": 1}
                lerf_core.resize(values, size, **options)
                runs = [
                    (
                        seconds(lerf_core.resize, values, size, **options),
                        seconds(rival.resize, size, Image.Resampling.LANCZOS),
                    )
                    for _ in range(arguments.runs)
                ]
                ours, theirs = (statistics.median(times) for times in zip(*runs, strict=True))
                print(
                    f"{kernel:12} x{scale:<5} {dtype:8} {1000 * ours:7.1f} ms"
                    f"  {ours / theirs:.2f} x Pillow (uint8)"
                )


if __name__ == "__main__":
    main()
