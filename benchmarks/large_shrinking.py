"""Shrinking images larger than memory: whole commands beside `vips resize`.

Tiled TIFFs (512x512; plain, deflate, JPEG) are made once from photographs. Every case runs as a
process of its own, all of them in turn, several times; what is told are medians of wall time, of
processor time (user and system, all threads) and of the largest resident memory, and the ratios of
both times to each vips. On a busy machine the ratio of processor times says more.

    python benchmarks/large_shrinking.py FOLDER [--side 20000] [--size 2500] [--runs 3]
        [--threads 2] [--files plain,deflate,jpeg] [--options "--kernel area" ...]

FOLDER receives some 2 GB at the default size. The program `vips`, pyvips, or both, may be there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

PHOTOS = Path(__file__).resolve().parents[1] / "examples" / "photos"
TILE = 512
COMPRESSIONS = {
    "plain": {},
    "deflate": {"compression": "zlib", "predictor": True},
    "jpeg": {"compression": "jpeg", "compressionargs": {"level": 85}},
}
OPTIONS = ["--kernel area", "--kernel lanczos3", ""]
PYVIPS = "import pyvips, sys; a = sys.argv; image = pyvips.Image.new_from_file(a[1])\n"
PYVIPS += "image.resize(float(a[3])).tiffsave(a[2])"

Measures = tuple[float, float, float]


def tiles(side: int) -> Iterator[np.ndarray]:
    """Yield tiles of photographs, each shifted and brightened otherwise."""
    from PIL import Image

    photos = []
    for file in sorted(PHOTOS.iterdir()):
        if file.suffix in {".jpg", ".png"}:
            with Image.open(file) as image:
                photo = np.asarray(image.convert("RGB"))
            repeats = (-(-TILE // photo.shape[0]) + 1, -(-TILE // photo.shape[1]) + 1, 1)
            photos.append(np.tile(photo, repeats))
    rng = np.random.default_rng(0)
    for _ in range((-(-side // TILE)) ** 2):
        photo = photos[rng.integers(len(photos))]
        top, left = (rng.integers(size - TILE + 1) for size in photo.shape[:2])
        part = photo[top : top + TILE, left : left + TILE].astype(np.uint16)
        yield np.minimum(part * rng.integers(60, 130) // 100, 255).astype(np.uint8)


def make_image(path: Path, side: int, name: str) -> None:
    """Write a tiled RGB BigTIFF."""
    import tifffile

    tifffile.imwrite(
        path, tiles(side), shape=(side, side, 3), dtype=np.uint8, tile=(TILE, TILE),
        photometric="rgb", bigtiff=True, **COMPRESSIONS[name],
    )  # fmt: skip


def commands(source: Path, out: Path, scale: float, arguments: argparse.Namespace) -> dict:
    """Return the command line of every case, by its name."""
    found = {}
    if shutil.which("vips"):
        version = subprocess.run(["vips", "--version"], capture_output=True, text=True, check=True)
        name = "-".join(version.stdout.split()[0].split("-")[:2])
        found[name] = ["vips", "resize", str(source), str(out), str(scale)]
    if find_spec("pyvips"):
        import pyvips

        name = f"pyvips-{'.'.join(str(pyvips.version(part)) for part in range(3))}"
        found[name] = [sys.executable, "-c", PYVIPS, str(source), str(out), str(scale)]
    for options in arguments.options:
        words = [sys.executable, "-m", "lerf_cli", "resize", str(source), "-o", str(out)]
        words += ["--size", f"{arguments.size}x", "--threads", str(arguments.threads), "-q"]
        found[f"lerf {options}".strip()] = [*words, *options.split()]
    return found


def measure(words: list[str], out: Path, threads: int) -> Measures:
    """Run a command; return its wall time, its processor time and its memory in MiB."""
    out.unlink(missing_ok=True)
    environment = dict(os.environ, VIPS_CONCURRENCY=str(threads))
    start = time.perf_counter()
    process = subprocess.Popen(words, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise RuntimeError(f"ended with {process.returncode}: {' '.join(words)}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def report(name: str, medians: dict[str, Measures]) -> None:
    """Print a line per case, with its ratios to every vips."""
    rivals = {case: values for case, values in medians.items() if "vips" in case}
    for case, (wall, processor, memory) in medians.items():
        ratios = "".join(
            f"  to {rival}: {wall / values[0]:.2f} wall {processor / values[1]:.2f} processor"
            for rival, values in rivals.items()
            if rival != case
        )
        print(f"{name:8} {case:24} {wall:6.2f} s  {processor:6.2f} s  {memory:5.0f} MiB{ratios}")


def main() -> None:
    """Make the images and measure every case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=2_500)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--files", default=",".join(COMPRESSIONS))
    parser.add_argument("--options", nargs="*", default=OPTIONS)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    out = arguments.folder / "out.tif"
    for name in arguments.files.split(","):
        source = arguments.folder / f"{name}-{arguments.side}.tif"
        if not source.exists():
            make_image(source, arguments.side, name)
        cases = commands(source, out, arguments.size / arguments.side, arguments)
        runs: dict[str, list[Measures]] = {case: [] for case in cases}
        for _ in range(arguments.runs):
            for case, words in cases.items():
                runs[case].append(measure(words, out, arguments.threads))
        report(name, {case: tuple(map(statistics.median, zip(*seen, strict=True)))
                      for case, seen in runs.items()})  # fmt: skip
    out.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
