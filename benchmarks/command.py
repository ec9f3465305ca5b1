"""Whole commands, from the shell's point of view: wall time and peak memory.

`lerf resize` on a photograph of 256x256 pixels to twice the size, beside a script that does the
same with Pillow's Lanczos: each a process of its own that reads and writes a file, PNG at the same
effort of compression. Beside them, `import lerf_core` and a first resize of an array. The commands
run in turn, and ratios are taken of runs that followed each other: whatever else the machine does
meets them alike. The first run ever (no bytecode yet, nor kernels that are compiled at run time) is
measured apart.

    python benchmarks/command.py [--runs 15] [--size 256] [--scale 2] [--suffix .png]
                                 [--image FILE] [--json FILE]
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
    level = {"compress_level": 4} if target.endswith(".png") else {}
    image.resize(size, Image.Resampling.LANCZOS).save(target, **level)
"""

# What a script of a few lines does with an array.
LIBRARY_SCRIPT = """
import sys
import numpy as np
import lerf_core

side = int(sys.argv[1])
lerf_core.rescale(np.zeros((side, side, 3), np.uint8), float(sys.argv[2]), channel_axis=-1)
"""

BASE, NOTHING, LIBRARY = "Pillow LANCZOS script", "python -c pass", "import, first resize"
#: What the figures of a small image are to be, at most.
MOST_RATIO, MOST_MB, MOST_LIBRARY_S = 3.0, 80.0, 0.2


@dataclass(frozen=True)
class Run:
    """One process: seconds from start to exit, peak resident memory in MB.

    Linux counts a child from the fork on: peaks below this script's own show as its own.
    """

    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Command:
    """A command line, its environment, and the exit status that it is to have."""

    words: list[str]
    environment: dict[str, str]
    status: int = 0


def measure(command: Command) -> Run:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        If it ends otherwise than it should.
    """
    start = time.perf_counter()
    quiet = subprocess.DEVNULL
    stderr = quiet if command.status else None
    process = subprocess.Popen(command.words, env=command.environment, stdout=quiet, stderr=stderr)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != command.status:
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


def summary(runs: list[Run], base: list[Run] | None = None) -> dict[str, Any]:
    """Median and span of the times, the highest peak, and the median of the ratios to others."""
    seconds = sorted(run.seconds for run in runs)
    result = {
        "median_s": round(statistics.median(seconds), 4),
        "least_s": round(seconds[0], 4),
        "most_s": round(seconds[-1], 4),
        "peak_mb": round(max(run.peak_mb for run in runs), 1),
    }
    if base is not None:
        ratios = [run.seconds / other.seconds for run, other in zip(runs, base, strict=True)]
        result["ratio"] = round(statistics.median(ratios), 2)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--scale", type=float, default=2.0)
    parser.add_argument("--suffix", default=".png", help="of the files: .png, .jpg, .webp, .tif")
    parser.add_argument("--image", type=Path, default=PHOTO)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="lerf-benchmark-") as name:
        folder = Path(name)
        source = folder / f"source{options.suffix}"
        words = [sys.executable, "-c", SOURCE_SCRIPT, str(options.image), str(source)]
        subprocess.run([*words, str(options.size)], check=True)
        # Bytecode and kernels as an installation has them after its first run.
        kept = {"NUMBA_CACHE_DIR": str(folder), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        environment = {**os.environ, **kept}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        python = sys.executable
        lerf = [python, "-c", "from lerf_cli.main import main; main(prog_name='lerf')"]
        scale = f"{options.scale:g}"
        result = folder / f"lerf{options.suffix}"
        resize = [*lerf, "resize", str(source), "-o", str(result), "--scale", scale]
        resize += ["--overwrite", "--quiet"]
        warp = [*lerf, "warp", str(source), "-o", str(result), "--rotate", "7"]
        warp += ["--overwrite", "--quiet"]
        script = [PILLOW_SCRIPT, str(source), str(folder / f"pillow{options.suffix}"), scale]
        missing = [*lerf, "resize", str(folder / "none.png"), "-o", str(result), "--scale", scale]

        lines = {
            NOTHING: [python, "-c", "pass"],
            BASE: [python, "-c", *script],
            "lerf resize": resize,
            "lerf resize --threads 1": [*resize, "--threads", "1"],
            "lerf warp": warp,
            "lerf --help": [*lerf, "--help"],
            "lerf --version": [*lerf, "--version"],
            "import numpy": [python, "-c", "import numpy"],
            LIBRARY: [python, "-c", LIBRARY_SCRIPT, str(options.size), scale],
        }
        commands = {name: Command(words, environment) for name, words in lines.items()}
        commands["a missing file"] = Command(missing, environment, status=1)
        first = measure(commands["lerf resize"])
        measured = measure_in_turn(commands, options.runs)
        results = {"lerf resize, first run ever": summary([first])}
        results |= {name: summary(runs, measured[BASE]) for name, runs in measured.items()}

    size = f"{options.size}x{options.size} x{scale}"
    report(f"{size} {options.suffix}, {os.cpu_count()} cores, {options.runs} runs in turn", results)
    if options.json:
        record = {"case": size, "cores": os.cpu_count(), "runs": options.runs, "results": results}
        record |= {"python": platform.python_version(), "machine": platform.machine()}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def report(title: str, results: dict[str, dict[str, Any]]) -> None:
    """Print the table, with ratios to the Pillow script, and the figures that have a limit."""
    print(title)
    print(f"{'':28} {'median':>9}  {'least .. most':>16}  {'ratio':>6}  {'peak':>9}")
    for name, row in results.items():
        span = f"{row['least_s']:.3f} .. {row['most_s']:.3f}"
        ratio = f"{row['ratio']:6.2f}" if "ratio" in row else " " * 6
        print(f"{name:28} {row['median_s']:7.3f} s  {span:>16}  {ratio}  {row['peak_mb']:6.1f} MB")
    command = results["lerf resize"]
    library = results[LIBRARY]["median_s"] - results[NOTHING]["median_s"]
    print()
    print(f"whole command to the Pillow script: {command['ratio']:.2f} (at most {MOST_RATIO:g})")
    print(f"its peak memory: {command['peak_mb']:.0f} MB (at most {MOST_MB:g})")
    print(f"import and first resize, beyond Python: {library:.3f} s (at most {MOST_LIBRARY_S:g})")


if __name__ == "__main__":
    main()
