"""Time each step of the method on one thread, beside Pillow LANCZOS, in turn in one run.

    python benchmarks/steps.py [IMAGE] [--bank BANK] [--size 512] [--runs 9]

Prints medians in nanoseconds a pixel and channel of the source (stages) or of the result
(weighted mean), and whole calls as ratios to Pillow LANCZOS.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from imageio.v3 import imread
from PIL import Image

import lerf_core
from lerf_core._engines import get_engine
from lerf_core.taps import axis_taps

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "photos" / "coffee.jpg"


def timed(tasks: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Median seconds of each task, run in turn after one warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for run in range(runs + 1):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            if run:
                seconds[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in seconds.items()}


def main() -> None:
    """Parse the arguments, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", nargs="?", type=Path, default=PHOTO)
    parser.add_argument("--bank", default=None)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    size = arguments.size
    picture = Image.fromarray(imread(arguments.image)[..., :3]).resize((size, size))
    rgb = np.asarray(picture)
    plane = np.ascontiguousarray(rgb[..., 1])
    bank = lerf_core.load_bank(arguments.bank)
    engine = get_engine("numba")
    last = len(bank.stages) - 1
    cell_bits = bank.interval.bit_length() - 1
    feature = engine.stage(plane, bank, 0, cell_bits, 1)[0]
    parameters = engine.stage(feature, bank, last, cell_bits, 1)
    limits = engine.limits(plane, 1) if bank.kind.has_planes else None

    tasks: dict[str, Callable[[], object]] = {
        "stage 1, features": lambda: engine.stage(plane, bank, 0, cell_bits, 1),
        "stage 2, parameters": lambda: engine.stage(feature, bank, last, cell_bits, 1),
    }
    pixels = dict.fromkeys(tasks, size**2)
    for factor in (2, 4):
        taps = axis_taps(size, size * factor, factor, anti_aliasing=True)

        def mean(taps=taps):
            return engine.grid(
                feature, parameters, bank.kind.weighting, taps, taps,
                confidence=None, cval=None, cval_confidence=1.0, limits=limits, to_uint8=True,
            )  # fmt: skip

        tasks[f"weighted mean, x{factor}"] = mean
        pixels[f"weighted mean, x{factor}"] = (size * factor) ** 2
    print(f"{bank.kind.name} bank {bank.name}, {size}x{size} uint8, one thread")
    for name, seconds in timed(tasks, arguments.runs).items():
        print(f"  {name:24} {seconds / pixels[name] * 1e9:6.1f} ns a pixel and channel")

    calls: dict[str, Callable[[], object]] = {}
    for factor in (2, 4):
        side = size * factor
        calls[f"x{factor}"] = lambda factor=factor: lerf_core.rescale(
            rgb, factor, bank=bank, channel_axis=-1, threads=1
        )
        calls[f"x{factor} Pillow"] = lambda side=side: picture.resize(
            (side, side), Image.Resampling.LANCZOS
        )
    deep = rgb.astype(np.uint16) * 257
    calls["x2 uint16"] = lambda: lerf_core.rescale(deep, 2, bank=bank, channel_axis=-1, threads=1)
    seconds = timed(calls, arguments.runs)
    for factor in (2, 4):
        ratio = seconds[f"x{factor}"] / seconds[f"x{factor} Pillow"]
        print(
            f"  RGB x{factor}: {seconds[f'x{factor}'] * 1e3:.0f} ms, {ratio:.1f} of Pillow LANCZOS"
        )
    print(f"  RGB x2, uint16 / uint8: {seconds['x2 uint16'] / seconds['x2']:.1f}")


if __name__ == "__main__":
    main()
