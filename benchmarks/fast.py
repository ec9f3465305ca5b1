"""What `fast=True` costs in quality and saves in time, beside the whole resize, in turn.

    python benchmarks/fast.py FOLDER [--bank BANK ...] [--runs 9]

FOLDER holds sets in the SRF layout (SET/image_SRF_2/img_001_SRF_2_LR.png beside ..._HR.png), as for
`lerf evaluate sr`. Prints PSNR of Y (ITU-R BT.601) and of RGB, shaved by the scale, and the median
ratio of times on a photograph of 512x512, one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median

import numpy as np
from competitors import TILE, resize_case, source_image
from imageio.v3 import imread

import lerf_core
from lerf_core.metrics import luma, psnr

SCALES = (2, 3, 4)
WAYS = {"whole": False, "fast": True}


def pairs(folder: Path, scale: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Low- and high-resolution RGB images of a set; grey ones are repeated."""
    for high in sorted((folder / f"image_SRF_{scale}").glob("*HR.png")):
        low = high.with_name(high.name.replace("_HR", "_LR"))
        images = (imread(path) for path in (low, high))
        low_image, high_image = (
            np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image[..., :3]
            for image in images
        )
        yield low_image, high_image


def quality(folder: Path, scale: int, bank: str) -> str:
    """PSNR of Y and RGB, whole and fast, and what is lost."""
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    inner = slice(scale, -scale)
    for low, high in pairs(folder, scale):
        truth = high[inner, inner]
        for way, fast in WAYS.items():
            made = lerf_core.resize(low, high.shape[:2], bank=bank, channel_axis=-1, fast=fast)
            made = made[inner, inner]
            y = psnr(luma(made), luma(truth), data_range=255)
            found[way].append((y, psnr(made, truth, data_range=255)))
    whole, fast = ([mean(one) for one in zip(*found[way], strict=True)] for way in WAYS)
    cells = [f"{whole[k]:.2f} -> {fast[k]:.2f} ({fast[k] - whole[k]:+.2f})" for k in range(2)]
    return "   ".join(cells)


def ratio(scale: float, bank: str, runs: int) -> float:
    """Median of fast / whole on one thread, in turn."""
    image = source_image(resize_case(TILE, 2))
    shape = (round(512 * scale),) * 2
    ratios = []
    for _ in range(runs + 1):
        seconds = []
        for fast in WAYS.values():
            start = time.perf_counter()
            lerf_core.resize(image, shape, bank=bank, channel_axis=-1, threads=1, fast=fast)
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[1] / seconds[0])
    return median(ratios[1:])  # the first compiles, or warms up


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bank", action="append")
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    for bank in arguments.bank or ["lerf-p", "lerf-g"]:
        for folder in sorted(path for path in arguments.folder.iterdir() if path.is_dir()):
            for scale in SCALES:
                text = quality(folder, scale, bank)
                print(f"{bank}  {folder.name:6} x{scale}   Y {text.replace('   ', '   RGB ')}")
        for scale in (1.5, *SCALES, 0.5):
            print(f"{bank}  x{scale:g}: {ratio(scale, bank, arguments.runs):.2f} of the time")


if __name__ == "__main__":
    main()
