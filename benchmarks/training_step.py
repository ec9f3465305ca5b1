"""Time a training step through the compiled kernels, beside plain torch operations, in turn.

    python benchmarks/training_step.py [--kind lerf-g] [--batch 20] [--runs 7]

Needs the train extra. Samples are made of an example photograph, once; the step is forward,
backward and Adam. Peak memory is that of a process that trains either way for a few steps.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

# Threads that wait would spin on the cores that the other library needs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from imageio.v3 import imread, imwrite
from lerf_training.data.patch_options import PatchOptions
from lerf_training.data.patches import PatchSource
from lerf_training.data.photographs import scan
from lerf_training.models.starting_bank import starting_bank
from lerf_training.models.tables import TableModel

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "photos" / "coffee.jpg"


def make_step(kind: str, batch: int, *, compiled: bool) -> Callable[[], None]:
    """One training step on one batch of samples."""
    with tempfile.TemporaryDirectory() as folder:
        # Twice as large, so that patches of every scale fit.
        photo = imread(PHOTO)
        imwrite(Path(folder) / "photo.png", photo.repeat(2, axis=0).repeat(2, axis=1))
        options = PatchOptions(batch=batch)
        samples = PatchSource(scan([folder], options.least).photographs, options, 0).batch(0)
    arrays = (samples.low, samples.first, samples.offset, samples.target)
    low, first, offset, target = map(torch.from_numpy, arrays)
    model = TableModel(starting_bank(kind))
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0, fused=True)

    def step() -> None:
        loss = ((model(low.float(), first, offset, compiled=compiled) - target) ** 2).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        model.clip_entries()

    return step


def main() -> None:
    """Parse the arguments, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", default="lerf-g")
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--memory-of", choices=["kernels", "torch"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        step = make_step(arguments.kind, arguments.batch, compiled=arguments.memory_of == "kernels")
        for _ in range(3):
            step()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    steps = {
        name: make_step(arguments.kind, arguments.batch, compiled=name == "kernels")
        for name in ("kernels", "torch")
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for run in range(arguments.runs + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if run:
                seconds[name].append(time.perf_counter() - start)
    print(f"{arguments.kind}, {arguments.batch} patches a step, {arguments.runs} runs in turn")
    base = median(seconds["kernels"])
    for name, values in seconds.items():
        command = [sys.executable, __file__, "--kind", arguments.kind]
        command += ["--batch", str(arguments.batch), "--memory-of", name]
        peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"{name:<8} median {median(values) * 1e3:8.1f} ms "
            f"({min(values) * 1e3:.1f} .. {max(values) * 1e3:.1f}), "
            f"ratio {median(values) / base:6.1f}, peak memory {peak / 1024:6.0f} MB"
        )


if __name__ == "__main__":
    main()
