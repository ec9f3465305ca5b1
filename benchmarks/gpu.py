"""Time lerf on a GPU beside what people use there, in turn in one run; medians and ratios.

    python benchmarks/gpu.py                            # on CUDA: some three minutes
    python benchmarks/gpu.py --device cpu --sides 128   # tries the script where there is no GPU
    python benchmarks/gpu.py --photos FOLDER            # and batches of files by the command

Four tables:

- images that lie on the device: lerf-p, lerf-n and lanczos3 beside torch's bicubic (antialiased
  where it shrinks), ``grid_sample`` and, where it is installed, kornia's ``warp_perspective``;
  uint8, float32, and forward with backward. Each with the part of the device's bandwidth (measured
  by a copy) that it would take to read the source and write the result once: the rest is work.
- images in main memory: ``engine="torch"`` beside the compiled engine on this processor, and the
  copies to the device and back on their own.
- the share of each step in the device's time (``torch.profiler``), for lerf-p.
- batches: ``lerf resize --device`` beside the command without it, and decoding and encoding alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

import lerf_core
from lerf_plugins.filters.torch import grid_sample, interpolate, warp_perspective

# Forward, in pixels of a square image of side 1: the right side leans back, a little turned.
HOMOGRAPHY = np.array([[0.9, 0.06, 0.02], [-0.05, 0.95, 0.03], [0.12, 0.05, 1.0]])
BANKS = ("lerf-p", "lerf-n")
# Bytes of a copy that the bandwidth is measured by.
_COPY = 1 << 28

Call = Callable[[], Any]


class Case(NamedTuple):
    """Something that several methods do.

    Attributes
    ----------
    name : str
    methods : dict of str to callable
        The first is what others are compared with.
    moved : int
        Bytes of the source and of the result.
    """

    name: str
    methods: dict[str, Call]
    moved: int


def finish(device: torch.device) -> None:
    """Wait until the device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def medians(methods: dict[str, Call], device: torch.device, runs: int) -> dict[str, float]:
    """Return the median milliseconds of each, called in turn."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    for number in range(runs + 2):
        for name, call in methods.items():
            finish(device)
            start = time.perf_counter()
            call()
            finish(device)
            if number > 1:  # before, kernels are compiled
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: median(found) for name, found in times.items()}


def bandwidth(device: torch.device, runs: int) -> float:
    """Return how many bytes a millisecond a copy on the device reads and writes."""
    source = torch.zeros(_COPY, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    taken = medians({"copy": lambda: target.copy_(source)}, device, runs)["copy"]
    return 2 * _COPY / taken


# -- on the device ------------------------------------------------------------------------


def image_of(side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return noise of (1, 3, side, side), smoothed a little."""
    values = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0))
    values = functional.avg_pool2d(values, 3, 1, 1)
    return (values if dtype == torch.float32 else (255 * values).to(dtype)).to(device)


def bicubic(image: Tensor, scale: float) -> Tensor:
    """Torch's own, which has no bytes on every device."""
    return functional.interpolate(
        image if image.is_floating_point() else image.float(), scale_factor=scale, mode="bicubic",
        antialias=scale < 1,
    )  # fmt: skip


def resizes(side: int, scale: float, dtype: torch.dtype, device: torch.device) -> Case:
    """A resize of an image on the device."""
    image = image_of(side, dtype, device)
    given = image.float()  # nothing is converted within torch's time
    methods: dict[str, Call] = {"torch bicubic": lambda: bicubic(given, scale)}
    for bank in BANKS if scale > 1 else ("lerf-s",):
        name = {"kernel": bank} if scale < 1 else {"bank": bank}
        methods[bank] = lambda name=name: interpolate(image, scale_factor=scale, **name)
    methods["lanczos3"] = lambda: interpolate(image, scale_factor=scale, kernel="lanczos3")
    pixels = image.numel() * (1 + scale**2)
    words = str(dtype).removeprefix("torch.")
    return Case(f"{side} x{scale:g} {words}", methods, int(pixels * image.element_size()))


def warps(side: int, dtype: torch.dtype, device: torch.device) -> Case:
    """A homography of an image on the device."""
    image = image_of(side, dtype, device)
    given, corners = image.float(), np.diag([side, side, 1.0])
    forward = torch.from_numpy(corners @ HOMOGRAPHY @ np.linalg.inv(corners))[None]
    y, x = torch.meshgrid(*[torch.arange(side, dtype=torch.float64)] * 2, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], -1) @ torch.linalg.inv(forward[0]).T
    places = (2 * (points[..., :2] / points[..., 2:]) + 1) / side - 1
    grid = places[None].float().to(device)
    matrix = forward.to(device)
    methods: dict[str, Call] = {
        "grid_sample bicubic": lambda: functional.grid_sample(
            given, grid, mode="bicubic", align_corners=False
        )
    }
    if importlib.util.find_spec("kornia") is not None:
        import kornia

        methods["kornia bilinear"] = lambda: kornia.geometry.warp_perspective(
            given, matrix.float(), (side, side)
        )
    for bank in BANKS:
        methods[f"{bank}, matrix"] = lambda bank=bank: warp_perspective(
            image, matrix, (side, side), bank=bank
        )
    methods["lerf-p, grid"] = lambda: grid_sample(image, grid, bank="lerf-p")
    words = str(dtype).removeprefix("torch.")
    return Case(f"{side} homography {words}", methods, 2 * image.nbytes)


def gradients(side: int, device: torch.device) -> Case:
    """Forward and backward by the image, x2."""
    leaf = image_of(side, torch.float32, device).requires_grad_()

    def through(work: Callable[[Tensor], Tensor]) -> None:
        leaf.grad = None
        work(leaf).sum().backward()

    methods: dict[str, Call] = {"torch bicubic": lambda: through(lambda i: bicubic(i, 2))}
    for bank in BANKS:
        methods[bank] = lambda bank=bank: through(
            lambda i: interpolate(i, scale_factor=2, bank=bank)
        )
    return Case(f"{side} x2 float32, forward and backward", methods, 10 * leaf.nbytes)


def cases(sides: Sequence[int], device: torch.device) -> Iterator[Case]:
    """Yield what is measured on the device."""
    for side in sides:
        for dtype in (torch.uint8, torch.float32):
            for scale in (2.0, 4.0, 0.5):
                yield resizes(side, scale, dtype, device)
            yield warps(4 * side, dtype, device)
        yield gradients(side, device)


# -- in main memory -----------------------------------------------------------------------


def transfers(side: int, scale: int, device: torch.device) -> Case:
    """A resize of an array, by the torch engine and by the compiled one."""
    image = image_of(side, torch.uint8, torch.device("cpu"))[0].numpy()
    result = torch.empty((3, scale * side, scale * side), dtype=torch.uint8, device=device)

    def resized(**engine: Any) -> Call:
        return lambda: lerf_core.rescale(image, scale, channel_axis=0, bank="lerf-p", **engine)

    methods = {
        "compiled engine": resized(),
        "engine torch": resized(engine="torch", device=str(device)),
        "copies alone": lambda: (torch.from_numpy(image).to(device), result.cpu()),
    }
    return Case(f"{side} x{scale} uint8 array", methods, image.nbytes + result.nbytes)


# -- steps --------------------------------------------------------------------------------


def print_steps(side: int, device: torch.device) -> None:
    """Print what takes the device's time, x4 by lerf-p of bytes."""
    image = image_of(side, torch.uint8, device)
    interpolate(image, scale_factor=4, bank="lerf-p")
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=kinds) as profile:
        for _ in range(5):
            interpolate(image, scale_factor=4, bank="lerf-p")
        finish(device)
    print(profile.key_averages().table(sort_by="self_device_time_total", row_limit=12))


# -- batches ------------------------------------------------------------------------------


def print_batch(folder: Path, device: torch.device) -> None:
    """Print what the command takes for a folder of photographs, x2."""
    with tempfile.TemporaryDirectory() as out:
        commands = {
            "lerf resize": [],
            f"lerf resize --device {device}": ["--device", str(device)],
            "--kernel nearest: files alone": ["--kernel", "nearest"],
        }
        taken = {}
        for name, options in commands.items():
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "lerf_cli", "resize", str(folder), "-o", f"{out}/",
                 "--scale", "2", "--overwrite", "-q", *options], check=True,
            )  # fmt: skip
            taken[name] = time.perf_counter() - start
        first = next(iter(taken.values()))
        for name, seconds in taken.items():
            print(f"| {name} | {seconds:.1f} s | {seconds / first:.2f} |")


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--photos", type=Path, help="a folder of files for the batch")
    arguments = parser.parse_args()
    device, runs = torch.device(arguments.device), arguments.runs
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    rate = bandwidth(device, runs)
    print(f"{name}, torch {torch.__version__}; a copy moves {rate / 1e6:.0f} GB/s\n")
    print("| on the device, RGB | method | ms | ratio | bandwidth |\n|---|---|---|---|---|")
    for case in cases(arguments.sides, device):
        found = medians(case.methods, device, runs)
        first = next(iter(found.values()))
        for method, taken in found.items():
            share = case.moved / taken / rate
            print(f"| {case.name} | {method} | {taken:.3f} | {taken / first:.2f} | {share:.0%} |",
                  flush=True)  # fmt: skip
    print("\n| in main memory, RGB | method | ms | ratio |\n|---|---|---|---|")
    for side in arguments.sides:
        for scale in (2, 4):
            case = transfers(side, scale, device)
            found = medians(case.methods, device, runs)
            first = next(iter(found.values()))
            for method, taken in found.items():
                print(f"| {case.name} | {method} | {taken:.2f} | {taken / first:.2f} |", flush=True)
    print()
    print_steps(arguments.sides[-1], device)
    if arguments.photos:
        print("| batch | time | ratio |\n|---|---|---|")
        print_batch(arguments.photos, device)


if __name__ == "__main__":
    main()
