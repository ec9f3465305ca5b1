"""Images larger than memory: time and peak memory of whole commands, beside vips and gdalwarp.

A tiled BigTIFF is made once from photographs; then every case runs as a process of its own, in
turn, and the resident memory of it and all of its children is watched. Cases whose program is
not installed are left out. `engine` is what the in-memory engine alone does with a part of the
image on as many threads, the rate that tiled work is held against.

    python benchmarks/large.py FOLDER [--side 20000] [--runs 1] [--cases NAME...] [--json FILE]

FOLDER receives some 30 GB at the default size, and is emptied of results after each case.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

PHOTOS = Path(__file__).resolve().parents[1] / "examples" / "photos"
LERF = [sys.executable, "-m", "lerf_cli"]
TILE = 256


@dataclass(frozen=True)
class Case:
    """A command line, the result that it leaves, and the pixels of it."""

    name: str
    words: list[str]
    result: Path
    pixels: int
    #: What else of a command makes the case.
    before: Callable[[], None] = field(default=lambda: None)


@dataclass(frozen=True)
class Run:
    """Seconds, and the most memory (GiB) that the process and its children held at once."""

    seconds: float
    peak: float


# -- the image ----------------------------------------------------------------------------


def make_image(path: Path, side: int) -> None:
    """Write an RGB BigTIFF of photographs, each copy shifted and brightened otherwise."""
    import tifffile
    from PIL import Image

    photos = []
    for file in sorted(PHOTOS.glob("*.jpg")) + sorted(PHOTOS.glob("*.png")):
        with Image.open(file) as image:
            photos.append(np.asarray(image.convert("RGB")))
    big = [photo for photo in photos if min(photo.shape[:2]) >= TILE]

    def tiles() -> Iterator[np.ndarray]:
        count = -(-side // TILE)
        rng = np.random.default_rng(0)
        for _ in range(count * count):
            photo = big[rng.integers(len(big))]
            top, left = (rng.integers(size - TILE + 1) for size in photo.shape[:2])
            part = photo[top : top + TILE, left : left + TILE].astype(np.uint16)
            yield np.minimum(part * rng.integers(60, 130) // 100, 255).astype(np.uint8)

    tifffile.imwrite(
        path, tiles(), shape=(side, side, 3), dtype=np.uint8, tile=(TILE, TILE),
        photometric="rgb", bigtiff=True,
    )  # fmt: skip


def matrix_of(side: int) -> np.ndarray:
    """Return a turn by 15 degrees about the centre with some perspective, source to output."""
    from lerf_core import geometry

    tilt = np.array([[1, 0, 0], [0, 1, 0], [0.15 / side, 0.1 / side, 1]])
    middle = np.array([[1, 0, side / 2], [0, 1, side / 2], [0, 0, 1]])
    return middle @ tilt @ np.linalg.inv(middle) @ geometry.rotation(15, (side, side))


# -- the cases ------------------------------------------------------------------------------


def cases(folder: Path, image: Path, side: int) -> list[Case]:
    """Return every case."""
    big = (2 * side) ** 2
    matrix = folder / "matrix.txt"
    np.savetxt(matrix, matrix_of(side))
    quiet = ["-q", "--overwrite"]
    source = str(image)

    def lerf(name: str, command: str, suffix: str, *more: str) -> Case:
        out = folder / f"out.{suffix}"
        how = ["--scale", "2"] if command == "resize" else ["--matrix", str(matrix)]
        words = [*LERF, command, source, "-o", str(out), *how, "--tile", "512", *quiet, *more]
        return Case(name, words, out, big if command == "resize" else side**2)

    small = ("--memory", "768M")
    flat = ("--pyramid", "1")
    found = [
        lerf("resize-tiff", "resize", "tif"),
        lerf("resize-tiff-flat", "resize", "tif", *flat),
        lerf("resize-tiff-768M", "resize", "tif", *small),
        lerf("resize-zarr", "resize", "zarr"),
        lerf("resize-zarr-768M", "resize", "zarr", *small),
        lerf("warp-tiff", "warp", "tif"),
        lerf("warp-tiff-flat", "warp", "tif", *flat),
        lerf("warp-tiff-768M", "warp", "tif", *small),
        lerf("warp-zarr", "warp", "zarr"),
        lerf("warp-zarr-768M", "warp", "zarr", *small),
        Case(
            "turn-tiff-flat",
            [
                *LERF,
                "warp",
                source,
                "-o",
                str(folder / "out.tif"),
                "--rotate",
                "15",
                "--tile",
                "512",
                *flat,
                *quiet,
            ],
            folder / "out.tif",
            side**2,
        ),
        Case(
            "resize-in-memory",
            [
                *LERF,
                "resize",
                source,
                "-o",
                str(folder / "out.tif"),
                "--scale",
                "2",
                "--memory",
                "1000G",
                "--max-pixels",
                str(10**12),
                *quiet,
            ],
            folder / "out.tif",
            big,
        ),
        lerf("resize-1-worker", "resize", "zarr", "--workers", "1"),
        lerf("resize-2-workers", "resize", "zarr", "--workers", "2"),
        lerf("warp-1-worker", "warp", "zarr", "--workers", "1"),
        lerf("warp-2-workers", "warp", "zarr", "--workers", "2"),
    ]
    vips_out, gdal_out = folder / "vips.tif", folder / "gdal.tif"
    saved = f"{vips_out}[tile,tile-width=512,tile-height=512,bigtiff]"
    cos, sin = np.cos(np.deg2rad(15)), np.sin(np.deg2rad(15))
    if shutil.which("vips"):
        found += [
            Case("vips-resize", ["vips", "resize", source, saved, "2", "--kernel", "lanczos3"],
                 vips_out, big),
            Case("vips-affine-bicubic",
                 ["vips", "affine", source, saved, f"{cos} {sin} {-sin} {cos}",
                  "--interpolate", "bicubic", "--oarea", f"0 0 {side} {side}"], vips_out, side**2),
        ]  # fmt: skip
    if shutil.which("gdalwarp"):
        common = ["gdalwarp", "-q", "-overwrite", "-multi", "-wo", "NUM_THREADS=ALL_CPUS",
                  "-co", "TILED=YES", "-co", "BLOCKXSIZE=512", "-co", "BLOCKYSIZE=512",
                  "-co", "BIGTIFF=YES", "-r", "lanczos", "-wm", "512"]  # fmt: skip
        resized = folder / "plain.vrt"
        turned = folder / "turned.vrt"
        found += [
            Case("gdalwarp-resize",
                 [*common, "-ts", str(2 * side), str(2 * side), str(resized), str(gdal_out)],
                 gdal_out, big, lambda: _placed(image, resized, [0, 1, 0, 0, 0, -1])),
            Case("gdalwarp-turn",
                 [*common, "-te", "0", str(-side), str(side), "0", "-ts", str(side), str(side),
                  str(turned), str(gdal_out)], gdal_out, side**2,
                 lambda: _placed(image, turned, [0, cos, sin, 0, sin, -cos])),
        ]  # fmt: skip
    return found


def _placed(image: Path, vrt: Path, transform: list[float]) -> None:
    """Give an image a place on a plane, which gdalwarp asks for."""
    subprocess.run(["gdal_translate", "-q", "-of", "VRT", image, vrt], check=True)
    text = vrt.read_text(encoding="utf-8")
    place = f"<GeoTransform>{', '.join(map(repr, map(float, transform)))}</GeoTransform>"
    head, tail = text.split(">", 1)
    vrt.write_text(f"{head}>\n{place}{tail}", encoding="utf-8")


# -- measuring --------------------------------------------------------------------------------


def measure(case: Case) -> Run:
    """Run a case and watch its memory, and that of its children."""
    import psutil

    case.before()
    remove(case.result)
    os.sync()  # what the last case wrote is not this one's to wait for
    peak = 0
    start = time.perf_counter()
    process = subprocess.Popen(case.words, stdout=subprocess.DEVNULL)
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        root = psutil.Process(process.pid)
        while not done.wait(0.05):
            total = 0
            try:
                for one in [root, *root.children(recursive=True)]:
                    total += one.memory_info().rss
            except psutil.Error:
                continue
            peak = max(peak, total)

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    if status:
        raise RuntimeError(f"{case.name} ended with {status}: {' '.join(case.words)}")
    return Run(seconds, peak / 2**30)


def remove(result: Path) -> None:
    """Delete a file or a folder."""
    if result.is_dir():
        shutil.rmtree(result)
    else:
        result.unlink(missing_ok=True)


def _engine_of(case: str) -> str:
    """Return the name of what the engine alone does of a case."""
    return "engine-" + next(kind for kind in ("resize", "warp", "turn") if kind in f"{case}-turn")


def engine_rates(image: Path, side: int, case: str) -> dict[str, float]:
    """Output megapixels a second of the engine alone, of a part that fits the memory."""
    import tifffile

    import lerf_core

    part = min(4096, side)
    with tifffile.TiffFile(image) as file:
        pixels = np.concatenate([
            np.concatenate([
                file.pages[0].decode(
                    _segment(file, (row * (-(-side // TILE))) + col), row * (-(-side // TILE)) + col
                )[0][0]
                for col in range(part // TILE)
            ], axis=1)
            for row in range(part // TILE)
        ])  # fmt: skip
    turned = lerf_core.geometry.rotation(15, (part, part))
    name = _engine_of(case)
    work = {
        "engine-resize": lambda: lerf_core.rescale(pixels, 2, channel_axis=-1),
        "engine-warp": lambda: lerf_core.warp(
            pixels, np.linalg.inv(matrix_of(part)), channel_axis=-1
        ),
        "engine-turn": lambda: lerf_core.warp(pixels, np.linalg.inv(turned), channel_axis=-1),
    }[name]
    work()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return {name: result.shape[0] * result.shape[1] / statistics.median(seconds) / 1e6}


def _segment(file: Any, number: int) -> bytes:
    page = file.pages[0]
    file.filehandle.seek(page.dataoffsets[number])
    return file.filehandle.read(page.databytecounts[number])


def resumed(folder: Path, side: int) -> dict[str, Any]:
    """Kill a command in mid-write, go on with --resume, and compare with an undisturbed run."""
    import tifffile

    part = folder / "part.tif"
    side = min(side, 6000)
    if not part.exists():
        make_image(part, side)
    whole, cut = folder / "whole.tif", folder / "cut.tif"
    base = [*LERF, "resize", str(part), "--scale", "2", "--tile", "256", "-v", "--overwrite"]
    start = time.perf_counter()
    subprocess.run([*base, "-o", str(whole)], check=True, stderr=subprocess.DEVNULL)
    undisturbed = time.perf_counter() - start
    process = subprocess.Popen([*base, "-o", str(cut)], stderr=subprocess.DEVNULL)
    time.sleep(0.6 * undisturbed)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = cut.exists()
    start = time.perf_counter()
    again = subprocess.run(
        [*base, "-o", str(cut), "--resume"], check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    with tifffile.TiffFile(whole) as one, tifffile.TiffFile(cut) as other:
        equal = all(
            np.array_equal(a.asarray(), b.asarray())
            for a, b in zip(one.series[0].levels, other.series[0].levels, strict=True)
        )
    told = [line for line in again.stderr.splitlines() if "resumed" in line]
    for file in (whole, cut):
        remove(file)
    return {
        "something that looks finished after the kill": left, "equal at all levels": equal,
        "seconds undisturbed": undisturbed, "seconds to resume": seconds, "told": told,
    }  # fmt: skip


def graph_seconds() -> float:
    """Seconds to build the graph of a lazy warp of 200,000 by 200,000 pixels."""
    import dask.array as da

    from lerf_core import chunked

    image = da.zeros((200_000, 200_000), dtype="uint8", chunks=2048)
    inverse = np.linalg.inv(matrix_of(200_000))
    chunked.warp(image[:4096, :4096], np.eye(3))
    start = time.perf_counter()
    chunked.warp(image, inverse).__dask_graph__()
    return time.perf_counter() - start


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--cases", nargs="*")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    image = options.folder / f"photos-{options.side}.tif"
    if not image.exists():
        print(f"making {image}", file=sys.stderr)
        make_image(image, options.side)
    chosen = [
        case for case in cases(options.folder, image, options.side)
        if not options.cases or case.name in options.cases
    ]  # fmt: skip
    print(f"{platform.platform()}, {os.cpu_count()} cores, {options.side} x {options.side} RGB")
    rates: dict[str, list[float]] = {}
    runs: dict[str, list[Run]] = {case.name: [] for case in chosen}
    for _ in range(options.runs):
        for case in chosen:
            for name, rate in engine_rates(image, options.side, case.name).items():
                rates.setdefault(name, []).append(rate)
            runs[case.name].append(measure(case))
            size = _size(case.result)
            remove(case.result)
            last = runs[case.name][-1]
            print(
                f"  {case.name}: {last.seconds:.1f} s, {last.peak:.2f} GiB, {size / 2**30:.1f} GiB "
                "written", file=sys.stderr,
            )  # fmt: skip
    engine = {name: statistics.median(some) for name, some in rates.items()}
    report: dict[str, Any] = {"engine Mpx/s": engine, "cases": {}}
    for name, rate in engine.items():
        print(
            f"{name:24} {rate:7.1f} Mpx/s (from {min(rates[name]):.1f} to {max(rates[name]):.1f})"
        )
    print(f"{'case':24} {'s':>7} {'Mpx/s':>7} {'/engine':>8} {'peak GiB':>9}")
    for case in chosen:
        seconds = statistics.median(run.seconds for run in runs[case.name])
        peak = max(run.peak for run in runs[case.name])
        rate = case.pixels / seconds / 1e6
        ratio = rate / engine[_engine_of(case.name)]
        print(f"{case.name:24} {seconds:7.1f} {rate:7.1f} {ratio:8.2f} {peak:9.2f}")
        report["cases"][case.name] = {
            "seconds": seconds, "Mpx/s": rate, "to the engine": ratio, "peak GiB": peak,
        }  # fmt: skip
    if not options.cases or "resume" in options.cases:
        report["resume"] = resumed(options.folder, options.side)
        print(json.dumps(report["resume"], indent=1))
    if not options.cases or "graph" in options.cases:
        report["graph seconds"] = graph_seconds()
        print(f"graph of a 200,000 x 200,000 lazy warp: {report['graph seconds']:.2f} s")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


if __name__ == "__main__":
    with tempfile.TemporaryDirectory():
        main()
