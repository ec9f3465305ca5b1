"""Whole commands, from the shell's point of view: wall time and peak memory.

`lerf resize` on a 512x512 RGB photograph to 2048x2048, beside a script that does the same with
Pillow's Lanczos: each a process of its own that reads and writes PNG files, at the same effort
of compression. The commands run in turn, so that whatever else the machine does meets them
alike. The first run ever (kernels not compiled yet) is measured apart, in an empty cache.

    python benchmarks/command.py [--runs 9] [--size 512] [--scale 4] [--image FILE] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "photos" / "coffee.jpg"

# Pillow stays out of this process: a child's peak memory counts from the fork on.
SOURCE_SCRIPT = """
import sys
from PIL import Image

photo, target, side = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Image.open(photo) as image:
    image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS).save(target)
"""

# compress_level: what lerf writes PNG files with (_COMPRESSION_LEVEL in io/codecs/png.py).
PILLOW_SCRIPT = """
import sys
from PIL import Image

source, target, scale = sys.argv[1], sys.argv[2], float(sys.argv[3])
with Image.open(source) as image:
    size = (round(image.width * scale), round(image.height * scale))
    image.resize(size, Image.Resampling.LANCZOS).save(target, compress_level=4)
"""


@dataclass(frozen=True)
class Run:
    """One process: seconds from start to exit, peak resident memory in MB.

    Linux counts a child from the fork on: peaks below this script's own show as its own.
    """

    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Command:
    """A command line and its environment."""

    words: list[str]
    environment: dict[str, str]


def measure(command: Command) -> Run:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command.words, env=command.environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command.words)} ended with {process.returncode}")
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(seconds, usage.ru_maxrss * unit / 1e6)


def measure_in_turn(commands: dict[str, Command], runs: int) -> dict[str, list[Run]]:
    """One run of each to warm the file cache, then `runs` rounds that count."""
    for command in commands.values():
        measure(command)
    result: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            result[name].append(measure(command))
    return result


def summary(runs: list[Run]) -> dict[str, Any]:
    """Median and span of the times, and the highest peak."""
    seconds = sorted(run.seconds for run in runs)
    return {
        "median_s": round(statistics.median(seconds), 4),
        "least_s": round(seconds[0], 4),
        "most_s": round(seconds[-1], 4),
        "peak_mb": round(max(run.peak_mb for run in runs), 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--scale", type=float, default=4.0)
    parser.add_argument("--image", type=Path, default=PHOTO)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="lerf-benchmark-") as name:
        folder = Path(name)
        source = folder / "source.png"
        words = [sys.executable, "-c", SOURCE_SCRIPT, str(options.image), str(source)]
        subprocess.run([*words, str(options.size)], check=True)
        plain = dict(os.environ)
        cached = {**plain, "NUMBA_CACHE_DIR": str(folder / "cache")}
        lerf = str(Path(sys.executable).with_name("lerf"))
        scale = f"{options.scale:g}"
        resize = [lerf, "resize", str(source), "-o", str(folder / "lerf.png"), "--scale", scale]
        resize += ["--overwrite", "--quiet"]
        script = [PILLOW_SCRIPT, str(source), str(folder / "pillow.png"), scale]

        results = {"lerf resize, first run ever": summary([measure(Command(resize, cached))])}
        commands = {
            "python -c pass": Command([sys.executable, "-c", "pass"], plain),
            "lerf --help": Command([lerf, "--help"], plain),
            "lerf resize": Command(resize, cached),
            "lerf resize --threads 1": Command([*resize, "--threads", "1"], cached),
            "Pillow LANCZOS script": Command([sys.executable, "-c", *script], plain),
        }
        measured = measure_in_turn(commands, options.runs)
        results |= {name: summary(runs) for name, runs in measured.items()}

    size = f"{options.size}x{options.size} x{scale}"
    report(f"{size}, {os.cpu_count()} cores, {options.runs} runs in turn", results)
    if options.json:
        record = {"case": size, "cores": os.cpu_count(), "runs": options.runs, "results": results}
        record |= {"python": platform.python_version(), "machine": platform.machine()}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def report(title: str, results: dict[str, dict[str, Any]]) -> None:
    """Print the table, with ratios to the Pillow script."""
    base = results["Pillow LANCZOS script"]
    print(title)
    print(f"{'':28} {'median':>9}  {'least .. most':>16}  {'ratio':>6}  {'peak':>9}  {'ratio':>6}")
    for name, row in results.items():
        span = f"{row['least_s']:.3f} .. {row['most_s']:.3f}"
        print(
            f"{name:28} {row['median_s']:7.3f} s  {span:>16}  "
            f"{row['median_s'] / base['median_s']:6.2f}  {row['peak_mb']:6.1f} MB  "
            f"{row['peak_mb'] / base['peak_mb']:6.2f}"
        )


if __name__ == "__main__":
    main()
