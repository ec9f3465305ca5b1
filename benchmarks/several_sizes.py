"""Several sizes of each image in one run of `lerf resize`, beside as many runs.

Photographs are enlarged to `--side` pixels and written as JPEG, in a temporary folder. Both ways
take turns; ratios are of runs that followed each other, and the least time of each is told as well.
Pixels of both are compared, too.

    python benchmarks/several_sizes.py [--runs 5] [--files 4] [--side 3000]
                                       [--sizes 320,640,1280] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

_PHOTOS = Path(__file__).resolve().parents[1] / "examples" / "photos"


def make_photographs(folder: Path, count: int, side: int) -> Path:
    """Write photographs whose longer side has so many pixels; return their folder."""
    folder.mkdir()
    photos = sorted(path for path in _PHOTOS.iterdir() if path.suffix in {".png", ".jpg"})
    for number in range(count):
        with Image.open(photos[number % len(photos)]) as image:
            scale = side / max(image.size)
            size = (round(image.width * scale), round(image.height * scale))
            image.convert("RGB").resize(size).save(folder / f"{number}.jpg", quality=92)
    return folder


def seconds_of(photos: Path, out: Path, runs: list[list[int]]) -> float:
    """Return the time of commands, one for each list of widths."""
    started = time.perf_counter()
    for widths in runs:
        sizes = [word for width in widths for word in ("--size", f"{width}x")]
        command = [sys.executable, "-m", "lerf_cli", "resize", str(photos), "-o", f"{out}/"]
        command += ["--suffix", "-{width}", "--overwrite", "--quiet", *sizes]
        subprocess.run(command, check=True)
    return time.perf_counter() - started


def are_equal(first: Path, second: Path) -> bool:
    """Tell whether two folders hold the same files."""
    names = [sorted(path.name for path in folder.iterdir()) for folder in (first, second)]
    return names[0] == names[1] and all(
        (first / name).read_bytes() == (second / name).read_bytes() for name in names[0]
    )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--side", type=int, default=3000)
    parser.add_argument("--sizes", default="320,640,1280")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    widths = [int(width) for width in given.sizes.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = make_photographs(folder / "photos", given.files, given.side)
        ways = {"one run": [widths], "a run per size": [[width] for width in widths]}
        times: dict[str, list[float]] = {way: [] for way in ways}
        for way, runs in ways.items():
            seconds_of(photos, folder / way, runs)  # modules and files are in memory then
        for _ in range(given.runs):
            for way, runs in ways.items():
                times[way].append(seconds_of(photos, folder / way, runs))
        same = are_equal(*(folder / way for way in ways))
    ratios = np.divide(*times.values())
    print(f"{platform.machine()}: {given.files} JPEG of {given.side} pixels, widths {given.sizes}")
    for way, values in times.items():
        print(f"{way:15} {min(values):6.2f} s at least, median {statistics.median(values):6.2f} s")
    middle, least, most = statistics.median(ratios), min(ratios), max(ratios)
    print(f"ratio           {middle:6.2f}, of {least:.2f}..{most:.2f}")
    print(f"files equal     {same}")
    if given.json:
        given.json.write_text(json.dumps({"seconds": times, "equal": same}), encoding="utf-8")


if __name__ == "__main__":
    main()
