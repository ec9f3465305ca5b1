"""`lerf warp --to-crs` beside `rio warp` and `gdalwarp`: time, peak memory, positions and values.

A scene in UTM is made once, of RGB bytes and of float32 with missing values, and goes to web
Mercator and to polar stereographic. All programs write onto the grid that lerf takes by default, in
uncompressed tiles of 512, by as many threads. They take turns; ratios are of runs that followed
each other. `gdalwarp` and `rio` are left out where they are not on the PATH.

Positions are measured once for each program, on bands that hold each pixel's own column and row,
brought to the grid by linear interpolation: what a result pixel holds is the place it was taken
from, and PROJ says where it should be. Values are compared between lerf's Lanczos kernel and the
others' Lanczos, where both have some, away from what is missing.

    python benchmarks/reprojecting.py FOLDER [--side 10000] [--runs 3] [--threads 2]
                                      [--memory 512M] [--only PART] [--json FILE]

FOLDER receives some 5 GB at the default size. Needs pyproj, rasterio and psutil.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyproj
import rasterio
import tifffile
from PIL import Image

PHOTOS = Path(__file__).resolve().parents[1] / "examples" / "photos"
LERF = [sys.executable, "-m", "lerf_cli"]
TILE = 512
#: The scene: UTM 33 N, at 71 degrees north, in pixels of 10 m.
SYSTEM, STEP, NORTH, CENTRE = "EPSG:32633", 10.0, 7_900_000.0, 500_000.0
TARGETS = {"web Mercator": "EPSG:3857", "polar stereographic": "EPSG:3413"}
MISSING = -9999.0
# Pixels of a result that are left out along what is missing, and rows that are read at once.
_MARGIN, _ROWS = 8, 256


@dataclass(frozen=True)
class Run:
    """Seconds, and the most memory (GiB) that the process and its children held at once."""

    seconds: float
    peak: float


# -- the scenes ----------------------------------------------------------------------------


def tiles_of(side: int, kind: str) -> Iterator[np.ndarray]:
    """Yield the tiles of a scene, row by row; those at the border are whole, too."""
    photos = []
    for file in sorted(PHOTOS.glob("*.jpg")) + sorted(PHOTOS.glob("*.png")):
        with Image.open(file) as image:
            photos.append(np.asarray(image.convert("RGB")))
    big = [photo for photo in photos if min(photo.shape[:2]) >= TILE // 2]
    rng = np.random.default_rng(0)
    for top in range(0, side, TILE):
        for left in range(0, side, TILE):
            rows, cols = np.mgrid[top : top + TILE, left : left + TILE].astype(np.float64)
            if kind == "ramps":
                yield np.stack([cols + 0.5, rows + 0.5], axis=-1)
            elif kind == "rgb":
                photo = big[rng.integers(len(big))]
                y, x = (rng.integers(size - TILE // 2 + 1) for size in photo.shape[:2])
                part = photo[y : y + TILE // 2, x : x + TILE // 2]
                yield np.tile(part, (2, 2, 1))
            else:
                heights = 900 + 500 * np.sin(rows / 61) * np.cos(cols / 47) + cols / 10
                heights += rng.normal(0, 2, heights.shape)
                holes = np.sin(rows / 301) * np.sin(cols / 257) > 0.93
                yield np.where(holes, MISSING, heights)[..., None].astype(np.float32)


def make_scene(folder: Path, side: int, kind: str) -> Path:
    """Write a scene as a tiled GeoTIFF, where it is not there yet."""
    path = folder / f"{kind}-{side}.tif"
    if path.exists():
        return path
    bands, dtype = {"rgb": (3, "uint8"), "heights": (1, "float32"), "ramps": (2, "float64")}[kind]
    transform = rasterio.Affine(STEP, 0, CENTRE - side * STEP / 2, 0, -STEP, NORTH)
    options: dict[str, Any] = {"nodata": MISSING} if kind == "heights" else {}
    made = path.with_suffix(".making.tif")
    with rasterio.open(
        made, "w", driver="GTiff", width=side, height=side, count=bands, dtype=dtype,
        crs=SYSTEM, transform=transform, tiled=True, blockxsize=TILE, blockysize=TILE,
        interleave="pixel", bigtiff="if_safer", **options,
    ) as file:  # fmt: skip
        places = ((row, col) for row in range(0, side, TILE) for col in range(0, side, TILE))
        for (row, col), tile in zip(places, tiles_of(side, kind), strict=True):
            part = tile[: side - row, : side - col]
            window = rasterio.windows.Window(col, row, part.shape[1], part.shape[0])
            file.write(np.moveaxis(part, -1, 0), window=window)
    return made.rename(path)


# -- the programs --------------------------------------------------------------------------


def commands(
    source: Path, out: Path, target: str, like: Path | None, options: argparse.Namespace, kind: str
) -> dict[str, list[str]]:
    """Return the command of each program, all to the grid of `like`; None: lerf's alone."""
    linear = kind == "ramps"
    threads = str(options.threads)
    span = {"rgb": None, "heights": "0,2500", "ramps": f"0,{options.side}"}[kind]
    lerf = [*LERF, "warp", str(source), "-o", str(out), "--to-crs", target, "--threads", threads,
            "--tile", str(TILE), "--memory", options.memory, "-q", "--overwrite",
            "--pyramid", "1", "--compression", "none"]  # fmt: skip
    ranged = [] if span is None else ["--range", span]
    found = {"lerf linear": [*lerf, "--kernel", "linear"]} if linear else {
        "lerf": [*lerf, *ranged], "lerf lanczos3": [*lerf, "--kernel", "lanczos3"],
    }  # fmt: skip
    if like is None:
        return found
    method = "bilinear" if linear else "lanczos"
    if shutil.which("rio"):
        found["rio warp"] = [
            "rio", "warp", str(source), str(out), "--like", str(like), "--resampling", method,
            "--threads", threads, "--overwrite", "--co", "TILED=YES", "--co", f"BLOCKXSIZE={TILE}",
            "--co", f"BLOCKYSIZE={TILE}", "--co", "BIGTIFF=IF_SAFER",
        ]  # fmt: skip
    if shutil.which("gdalwarp"):
        with rasterio.open(like) as grid:
            bounds = [repr(side) for side in grid.bounds]
            size = [str(grid.width), str(grid.height)]
        found["gdalwarp"] = [
            "gdalwarp", "-q", "-overwrite", "-multi", "-wo", f"NUM_THREADS={threads}",
            "-wm", "256", "-r", method, "-t_srs", target, "-te", *bounds, "-ts", *size,
            "-co", "TILED=YES", "-co", f"BLOCKXSIZE={TILE}", "-co", f"BLOCKYSIZE={TILE}",
            "-co", "BIGTIFF=IF_SAFER", str(source), str(out),
        ]  # fmt: skip
    return found


def measure(words: list[str], out: Path) -> Run:
    """Run a command, and watch its memory and that of its children."""
    out.unlink(missing_ok=True)
    os.sync()  # what the last one wrote is not this one's to wait for
    peak, done = 0, threading.Event()
    start = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)

    def watch() -> None:
        nonlocal peak
        root = psutil.Process(process.pid)
        while not done.wait(0.02):
            try:
                family = [root, *root.children(recursive=True)]
                peak = max(peak, sum(member.memory_info().rss for member in family))
            except psutil.Error:
                continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    if status:
        raise RuntimeError(f"status {status}: {' '.join(words)}")
    return Run(seconds, peak / 2**30)


# -- positions and values --------------------------------------------------------------------


def bands_of(path: Path, top: int) -> np.ndarray:
    """Return some rows of a result, float64, channels last, and their margins where there are."""
    with rasterio.open(path) as file:
        first, stop = max(0, top - _MARGIN), min(file.height, top + _ROWS + _MARGIN)
        window = rasterio.windows.Window(0, first, file.width, stop - first)
        return np.moveaxis(file.read(window=window), 0, -1).astype(np.float64)


def away_from(missing: np.ndarray) -> np.ndarray:
    """Return what lies further than the margin from what is missing, along rows and columns."""
    near = missing.copy()
    for axis in range(2):
        spread = near.copy()
        for step in range(1, _MARGIN + 1):
            ahead = [slice(None)] * 2
            behind = [slice(None)] * 2
            ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
            spread[tuple(ahead)] |= near[tuple(behind)]
            spread[tuple(behind)] |= near[tuple(ahead)]
        near = spread
    return ~near


def position_errors(path: Path, target: str, side: int) -> dict[str, float]:
    """Return by how many source pixels a result of the ramps is off, inside of the scene."""
    proj = pyproj.Transformer.from_crs(target, SYSTEM, always_xy=True)
    with rasterio.open(path) as file:
        shape, place = file.shape, file.transform
    most, squares, count = 0.0, 0.0, 0
    for top in range(0, shape[0], _ROWS):
        pixels = bands_of(path, top)
        first = max(0, top - _MARGIN)
        rows, cols = np.indices(pixels.shape[:2]) + 0.5
        x, y = place * (cols, rows + first)
        x, y = proj.transform(x, y)
        col, row = (x - CENTRE) / STEP + side / 2, (NORTH - y) / STEP
        inside = (np.minimum(col, row) > _MARGIN) & (np.maximum(col, row) < side - _MARGIN)
        off = np.hypot(pixels[..., 0] - col, pixels[..., 1] - row)[inside]
        if off.size:
            most, squares = max(most, float(off.max())), squares + float((off**2).sum())
            count += off.size
    return {"largest": most, "root mean square": (squares / max(count, 1)) ** 0.5}


def value_differences(path: Path, other: Path, kind: str) -> dict[str, float]:
    """Return how two results differ where both have values, and how often one has none."""
    absolute, most, count, alone, pixels = 0.0, 0.0, 0, 0, 0
    with rasterio.open(path) as file:
        height = file.height
    for top in range(0, height, _ROWS):
        values = [bands_of(result, top) for result in (path, other)]
        empty = MISSING if kind == "heights" else 0.0
        missing = [(image == empty).all(axis=-1) for image in values]
        inside = away_from(missing[0] | missing[1])
        off = np.abs(values[0] - values[1])[inside]
        alone += int((missing[0] != missing[1]).sum())
        pixels += missing[0].size
        if off.size:
            most, absolute = max(most, float(off.max())), absolute + float(off.sum())
            count += off.size
    return {
        "mean": absolute / max(count, 1), "largest": most,
        "missing in one": alone / max(pixels, 1),
    }  # fmt: skip


# -- the report ----------------------------------------------------------------------------


def compared(folder: Path, kind: str, target: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure the programs on a scene and a target."""
    source, like = make_scene(folder, options.side, kind), folder / "like.tif"
    alone = commands(source, like, target, None, options, kind)
    measure(next(iter(alone.values())), like)  # modules and the scene are in memory then
    programs = commands(source, folder / "out.tif", target, like, options, kind)
    results = {name: folder / f"{name.replace(' ', '-')}.tif" for name in programs}
    runs: dict[str, list[Run]] = {name: [] for name in programs}
    for _ in range(options.runs if kind != "ramps" else 1):
        for name, out in results.items():
            words = commands(source, out, target, like, options, kind)[name]
            runs[name].append(measure(words, out))
    report: dict[str, Any] = {}
    reference = "gdalwarp" if "gdalwarp" in runs else next(reversed(runs))
    for name, out in results.items():
        seconds = [run.seconds for run in runs[name]]
        beside = [run.seconds for run in runs[reference]]
        ratios = [mine / other for mine, other in zip(seconds, beside, strict=True)]
        facts: dict[str, Any] = {
            "seconds": statistics.median(seconds), "peak GiB": max(run.peak for run in runs[name]),
            f"time to {reference}": statistics.median(ratios),
        }  # fmt: skip
        if kind == "ramps":
            facts["off by pixels"] = position_errors(out, target, options.side)
        elif not name.startswith("lerf"):
            facts["off lerf lanczos3"] = value_differences(out, results["lerf lanczos3"], kind)
        report[name] = facts
    with tifffile.TiffFile(like) as file:
        report["grid"] = list(file.pages[0].shape[:2])
    for path in (*results.values(), like):
        path.unlink(missing_ok=True)
    return report


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="512M")
    parser.add_argument("--only", choices=["rgb", "heights", "ramps"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    gdal = shutil.which("gdalwarp") or "none"
    print(
        f"{platform.platform()}, {os.cpu_count()} cores, {options.threads} threads, "
        f"{options.side} x {options.side}; rasterio {rasterio.__version__} with GDAL "
        f"{rasterio.__gdal_version__}, gdalwarp: {gdal}"
    )
    report: dict[str, Any] = {}
    for kind in ("rgb", "heights", "ramps") if options.only is None else (options.only,):
        for words, target in TARGETS.items():
            found = compared(options.folder, kind, target, options)
            report[f"{kind}, {words}"] = found
            rows, cols = found.pop("grid")
            print(f"\n{kind} to {words} ({target}), {cols} x {rows}")
            for name, facts in found.items():
                told = [f"{facts['seconds']:8.2f} s", f"{facts['peak GiB']:5.2f} GiB"]
                told += [f"{key} {value:.3g}" for key, value in facts.items() if "time to" in key]
                for key, value in facts.items():
                    if isinstance(value, dict):
                        parts = ", ".join(f"{part} {number:.3g}" for part, number in value.items())
                        told.append(f"{key}: {parts}")
                print(f"  {name:14} {'  '.join(told)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
