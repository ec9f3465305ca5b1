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
from lerf_core.backends import get_backend
from lerf_core.backends.packed import empty_packed, unpack
from lerf_core.bank import LutBank
from lerf_core.sampling.taps import axis_taps

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


def measure(plane: np.ndarray, bank: LutBank, runs: int) -> dict[str, float]:
    """Median nanoseconds of each step on one thread, in turn.

    Parameters
    ----------
    plane : ndarray of uint8, (rows, cols)
        One channel.

    Returns
    -------
    dict
        Of stages and overshoot bounds per pixel of the source, of the mean per pixel of the result.
    """
    backend = get_backend("numba")
    cell_bits = bank.interval.bit_length() - 1
    tasks: dict[str, Callable[[], object]] = {}
    source = plane
    for number in range(len(bank.stages)):
        tasks[f"stage {number + 1}"] = lambda number=number, source=source: backend.read_stage(
            source, bank, number, cell_bits, 1
        )
        values = backend.read_stage(source, bank, number, cell_bits, 1)
        source = values[0] if number + 1 < len(bank.stages) else source
    packed = empty_packed(*plane.shape, len(values), np.uint8)
    feature, parameters = unpack(packed)
    feature[:], parameters[:] = source, values
    bounds = None
    if bank.kind.has_local_planes:
        bounds = backend.overshoot_bounds(plane, 1)
        tasks["overshoot bounds"] = lambda: backend.overshoot_bounds(plane, 1)
    pixels = dict.fromkeys(tasks, plane.size)
    for factor in (1.5, 2, 3, 4):
        rows, cols = (
            axis_taps(size, round(size * factor), factor, anti_aliasing=True)
            for size in plane.shape
        )

        def mean(rows=rows, cols=cols):
            return backend.mean_on_grid(
                packed, bank.kind.weighting, rows, cols,
                validity=None, cval=None, cval_validity=1.0, bounds=bounds, to_uint8=True,
            )  # fmt: skip

        tasks[f"weighted mean, x{factor:g}"] = mean
        pixels[f"weighted mean, x{factor:g}"] = rows.size * cols.size
    seconds = timed(tasks, runs)
    return {name: seconds[name] / pixels[name] * 1e9 for name in tasks}


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
    bank = lerf_core.load_bank(arguments.bank)
    print(f"{bank.kind.name} bank {bank.name}, {size}x{size} uint8, one thread")
    for name, cost in measure(np.ascontiguousarray(rgb[..., 1]), bank, arguments.runs).items():
        print(f"  {name:24} {cost:6.1f} ns a pixel and channel")

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
