"""Time the filters for torch beside torch's own bicubic, in turn, on a device.

    python benchmarks/torch_filters.py [--device cuda] [--sides 512 1024] [--banks lerf-p lerf-g]
        [--runs 15] [--seconds 1] [--plain]

RGB of float32. Prints a table: medians, their ratio, and on a graphics card the peak memory that a
call takes beside its input. Without gradients first, then forward and backward by the image.
On a graphics card it needs torch, numpy and safetensors alone; on the CPU numba as well.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional

from lerf_core.backends.torch import fused
from lerf_plugins.filters.torch import GridSample, Interpolate

# Forward: the right side leans back, a little turned.
HOMOGRAPHY = ((0.9, 0.12, 0.02), (-0.1, 0.95, 0.03), (0.12, 0.05, 1.0))


@dataclass(frozen=True)
class Case:
    """Two functions of an image that do the same."""

    name: str
    ours: Callable[[Tensor], Tensor]
    theirs: Callable[[Tensor], Tensor]


def cases(side: int, bank: str, device: str) -> list[Case]:
    """Enlargements, a reduction and a homography of a square image."""
    made = []
    for scale in (2, 4, 0.5):
        smooth = scale < 1

        def theirs(image: Tensor, scale: float = scale, smooth: bool = smooth) -> Tensor:
            return functional.interpolate(
                image, scale_factor=scale, mode="bicubic", antialias=smooth
            )

        # Shrinking takes the bank that lerf takes for it.
        ours = Interpolate(scale_factor=scale, bank=None if smooth else bank).to(device)
        made.append(Case(f"{side} x{scale}", ours, theirs))
    grid = perspective_grid(side, device)
    sampler = GridSample(bank=bank).to(device)
    made.append(
        Case(
            f"{side} homography",
            lambda image: sampler(image, grid),
            lambda image: functional.grid_sample(image, grid, mode="bicubic", align_corners=False),
        )
    )
    return made


def perspective_grid(side: int, device: str) -> Tensor:
    """Grid (1, side, side, 2) of a homography in normalised coordinates."""
    line = torch.linspace(-1, 1, side, device=device)
    y, x = torch.meshgrid(line, line, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], -1)
    mapped = points @ torch.tensor(HOMOGRAPHY, device=device).T
    return (mapped[..., :2] / mapped[..., 2:])[None]


def finish(device: str) -> None:
    """Wait until the device has done its work."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def run(function: Callable[[Tensor], Tensor], image: Tensor, *, backward: bool) -> None:
    """Call a function, and go back through it."""
    if not backward:
        with torch.no_grad():
            function(image)
        return
    leaf = image.detach().requires_grad_()
    function(leaf).sum().backward()


def milliseconds(function: Callable[[], None], device: str) -> float:
    """Time one call."""
    finish(device)
    start = time.perf_counter()
    function()
    finish(device)
    return 1e3 * (time.perf_counter() - start)


def peak(function: Callable[[], None], device: str) -> str:
    """Memory that a call takes, in MiB."""
    if not device.startswith("cuda"):
        return ""
    finish(device)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    function()
    finish(device)
    return f"{(torch.cuda.max_memory_allocated() - before) / 2**20:.0f}"


def row(
    case: Case, image: Tensor, device: str, limits: tuple[int, float], *, backward: bool
) -> str:
    """Measure a case, in turn; a line of the table."""
    tasks = [lambda one=one: run(one, image, backward=backward) for one in (case.ours, case.theirs)]
    for task in tasks:  # compiles, or warms up
        task()
    found: list[list[float]] = [[], []]
    start = time.perf_counter()
    while len(found[0]) < 3 or (
        len(found[0]) < limits[0] and time.perf_counter() - start < limits[1]
    ):
        for task, times in zip(tasks, found, strict=True):
            times.append(milliseconds(task, device))
    ours, theirs = map(median, found)
    memory = " | ".join(peak(task, device) for task in tasks)
    way = "forward, backward" if backward else "no gradient"
    return f"| {case.name} | {way} | {ours:.2f} | {theirs:.2f} | {ours / theirs:.1f} | {memory} |"


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--banks", nargs="+", default=["lerf-p", "lerf-g"])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1.0, help="at most, for a line")
    parser.add_argument("--plain", action="store_true", help="without Triton's kernels")
    arguments = parser.parse_args()
    device = arguments.device
    if arguments.plain:
        fused.triton_kernels = lambda: None
    named = torch.cuda.get_device_name() if device.startswith("cuda") else platform.machine()
    print(f"{named}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for bank in arguments.banks:
        print(f"\n{bank}, RGB of float32; ms, and MiB of peak memory\n")
        print("| | | lerf | torch bicubic | ratio | lerf MiB | torch MiB |")
        print("|---|---|---|---|---|---|---|")
        for side in arguments.sides:
            generator = torch.Generator().manual_seed(0)
            image = torch.rand((1, 3, side, side), generator=generator).to(device)
            for case in cases(side, bank, device):
                for backward in (False, True):
                    limits = (arguments.runs, arguments.seconds)
                    print(row(case, image, device, limits, backward=backward), flush=True)


if __name__ == "__main__":
    main()
