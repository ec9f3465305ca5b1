"""Whole commands, from the shell's point of view: wall time and peak memory.

`lerf resize` on a 512x512 RGB photograph to 2048x2048, beside a script that does the same with
Pillow's Lanczos: each a process of its own, reading and writing PNG files. The first run ever
(kernels not compiled yet) is measured apart, in an empty cache.

    python benchmarks/command.py [--runs 5] [--size 512] [--scale 4] [--image FILE]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "photos" / "coffee.jpg"

PILLOW_SCRIPT = """
import sys
from PIL import Image

source, target, scale = sys.argv[1], sys.argv[2], float(sys.argv[3])
with Image.open(source) as image:
    size = (round(image.width * scale), round(image.height * scale))
    image.resize(size, Image.Resampling.LANCZOS).save(target)
"""


@dataclass(frozen=True)
class Run:
    """One process: seconds from start to exit, peak resident memory in MB.

    Linux counts a child from the fork on: peaks below this script's own show as its own.
    """

    seconds: float
    peak_mb: float


def measure(command: list[str], environment: dict[str, str]) -> Run:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(seconds, usage.ru_maxrss * unit / 1e6)


def report(name: str, runs: list[Run]) -> None:
    """Print the median time, its span, and the highest peak."""
    seconds = sorted(run.seconds for run in runs)
    print(
        f"{name:34} {statistics.median(seconds):7.3f} s  ({seconds[0]:.3f} .. {seconds[-1]:.3f})"
        f"  {max(run.peak_mb for run in runs):7.1f} MB"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--scale", type=float, default=4.0)
    parser.add_argument("--image", type=Path, default=PHOTO)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="lerf-benchmark-") as name:
        folder = Path(name)
        source = folder / "source.png"
        with Image.open(options.image) as photo:
            side = (options.size, options.size)
            photo.convert("RGB").resize(side, Image.Resampling.LANCZOS).save(source)

        lerf = str(Path(sys.executable).with_name("lerf"))
        scale = f"{options.scale:g}"
        command = [lerf, "resize", str(source), "-o", str(folder / "lerf.png"), "--scale", scale]
        command += ["--overwrite", "--quiet"]
        pillow = [sys.executable, "-c", PILLOW_SCRIPT, str(source), str(folder / "p.png"), scale]

        size = f"{options.size}x{options.size} x{scale}"
        print(f"{size}, {os.cpu_count()} cores, {options.runs} runs: median (span), peak memory")
        plain = dict(os.environ)
        fresh = {**plain, "NUMBA_CACHE_DIR": str(folder / "cache")}
        report("python -c pass", many([sys.executable, "-c", "pass"], plain, options.runs))
        report("lerf --help", many([lerf, "--help"], plain, options.runs))
        report("lerf resize, first run ever", [measure(command, fresh)])
        report("lerf resize", many(command, fresh, options.runs))
        report("lerf resize --threads 1", many([*command, "--threads", "1"], fresh, options.runs))
        report("Pillow LANCZOS script", many(pillow, plain, options.runs))


def many(command: list[str], environment: dict[str, str], runs: int) -> list[Run]:
    """One run to warm the file cache, then `runs` that count."""
    measure(command, environment)
    return [measure(command, environment) for _ in range(runs)]


if __name__ == "__main__":
    main()
