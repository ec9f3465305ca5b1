"""Give thousands of damaged files to the command line, and count what must not happen.

Seeds of each kind (TIFF, PNG, JPEG, WebP, GIF, JPEG 2000, and the metadata of OME-Zarr) are made
here, damaged at random (bits, bytes, numbers, lengths, cuts, copies; most PNGs get true checksums
again, so that damage reaches what lies behind them), and resampled in processes of their own. A
fault is

- a run that takes longer than the time limit, or more memory than the memory limit;
- a traceback, an "internal error", or a death by a signal;
- status 0 without a result that can be read, or another status with one;
- a temporary file that stays, but for the partial result that tiled work may go on with.

    python tools/mutated_files.py --count 10000 --seed 1 --jobs 2

The program is imported once; each file is done in a fork of it, so this runs where there is fork.
A file that shows a fault is kept in --keep, with the command that shows it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import tifffile
from PIL import Image

_KINDS = ("tif", "png", "jpg", "webp", "gif", "jp2", "zarr")
# Numbers that break programs.
_NUMBERS = (0, 1, 2, 7, 127, 128, 255, 256, 32_767, 32_768, 65_535, 2**31 - 1, 2**31, 2**32 - 1)
_WAYS = (
    ("resize", "out.png", "--scale", "1.5"),
    ("resize", "out.tif", "--scale", "0.7"),
    ("resize", "out.tif", "--scale", "1.5", "--tile", "64"),
    ("resize", "out.zarr", "--scale", "1.5", "--tile", "64"),
    ("resize", "out.tif", "--scale", "2", "--labels"),
    ("warp", "out.tif", "--rotate", "10", "--tile", "64"),
    ("resize", "out.png", "--scale", "2", "--dry-run"),
)


# -- seeds --------------------------------------------------------------------------------


def _pixels(rows: int, cols: int, channels: int, dtype: str) -> np.ndarray:
    down, across = np.mgrid[:rows, :cols]
    planes = [down * 5 + across * (channel + 1) for channel in range(channels)]
    values = np.stack(planes, axis=2) % 251 + np.random.default_rng(3).integers(
        0, 5, (rows, cols, 1)
    )
    scaled = values * 257 if dtype == "uint16" else values
    return scaled.astype(dtype)[..., 0] if channels == 1 else scaled.astype(dtype)


def _exif() -> bytes:
    block = Image.Exif()
    block[0x010F], block[0x0112] = "maker", 6
    block.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    block.get_ifd(0x8825)[1] = "N"
    return block.tobytes()


def _tiff_seeds() -> list[bytes]:
    rgb, grey, deep = (
        _pixels(60, 70, 3, "uint8"), _pixels(60, 70, 1, "uint8"), _pixels(60, 70, 1, "uint16"),
    )  # fmt: skip
    palette = np.arange(768, dtype=np.uint16).reshape(3, 256) * 80
    calls: list[tuple[np.ndarray, dict[str, Any]]] = [
        (rgb, {"photometric": "rgb"}),
        (rgb, {"photometric": "rgb", "compression": "zlib", "predictor": True, "tile": (32, 32)}),
        (rgb, {"photometric": "rgb", "compression": "lzw", "rowsperstrip": 7}),
        (rgb, {"photometric": "rgb", "compression": "jpeg", "tile": (32, 32)}),
        (np.moveaxis(rgb, 2, 0), {"photometric": "rgb", "planarconfig": "separate"}),
        (deep, {"photometric": "minisblack", "compression": "zstd"}),
        (grey, {"photometric": "miniswhite", "compression": "packbits"}),
        (grey > 100, {"photometric": "minisblack", "compression": "ccittfax4"}),
        (grey, {"photometric": "palette", "colormap": palette}),
        (np.stack([grey, grey]), {"ome": True, "metadata": {"axes": "CYX", "PhysicalSizeX": 0.5}}),
        (np.stack([deep, deep]), {"imagej": True, "metadata": {"axes": "ZYX", "spacing": 2.0}}),
        (deep.astype(np.float32), {"bigtiff": True, "compression": "deflate", "predictor": True}),
        (rgb, {"photometric": "rgb", "iccprofile": b"profile" * 30, "byteorder": ">"}),
    ]
    seeds = []
    for pixels, keywords in calls:
        stream = io.BytesIO()
        try:
            tifffile.imwrite(stream, pixels, **keywords)
        except (ValueError, NotImplementedError, KeyError):
            continue  # an encoder that is not built in
        seeds.append(stream.getvalue())
    seeds.append(_saved(Image.fromarray(grey > 90), "TIFF", compression="group4"))
    seeds.append(_saved(Image.fromarray(rgb), "TIFF", exif=_exif()))
    return seeds


def _saved(image: Image.Image, name: str, **keywords: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, name, **keywords)
    return stream.getvalue()


def _pillow_seeds(kind: str) -> list[bytes]:
    rgb = Image.fromarray(_pixels(60, 70, 3, "uint8"))
    rgba, grey = Image.fromarray(_pixels(60, 70, 4, "uint8")), rgb.convert("L")
    frames = [rgb.rotate(angle) for angle in (90, 180)]
    if kind == "png":
        deep = Image.fromarray(_pixels(60, 70, 1, "uint16"))
        images = (rgb, rgba, grey, grey.convert("1"), rgb.quantize(), deep)
        return [
            *(_saved(image, "PNG", exif=_exif(), dpi=(300, 300)) for image in images),
            _saved(rgb, "PNG", save_all=True, append_images=frames),
        ]
    if kind == "jpg":
        cmyk = rgb.convert("CMYK")
        return [
            _saved(rgb, "JPEG", exif=_exif(), comment=b"words", dpi=(300, 300)),
            _saved(rgb, "JPEG", progressive=True, subsampling=2, icc_profile=b"profile" * 30),
            _saved(grey, "JPEG"), _saved(cmyk, "JPEG", restart_marker_blocks=4),
        ]  # fmt: skip
    if kind == "webp":
        return [
            _saved(rgb, "WEBP", exif=_exif()), _saved(rgba, "WEBP", lossless=True),
            _saved(rgb, "WEBP", save_all=True, append_images=frames, duration=50),
        ]  # fmt: skip
    if kind == "gif":
        return [
            _saved(rgb, "GIF", comment=b"words"), _saved(grey, "GIF"),
            _saved(rgb, "GIF", save_all=True, append_images=frames, duration=50, loop=0),
        ]  # fmt: skip
    return [_saved(rgb, "JPEG2000"), _saved(rgba, "JPEG2000"), _saved(grey, "JPEG2000")]


def _make_zarr(folder: Path) -> None:
    import zarr

    group = zarr.open_group(folder, mode="w", zarr_format=3)
    pixels = np.stack([_pixels(60, 70, 1, "uint16")] * 2)
    for level, step in enumerate((1, 2)):
        array = group.create_array(
            str(level), data=np.ascontiguousarray(pixels[:, ::step, ::step]), chunks=(1, 32, 32)
        )
        array.attrs["words"] = "of an array"
    axes = [{"name": "c", "type": "channel"}] + [
        {"name": name, "type": "space", "unit": "micrometer"} for name in "yx"
    ]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{
            "name": "image", "axes": axes,
            "datasets": [{
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1, 0.5 * step, 0.25 * step]},
                    {"type": "translation", "translation": [0, 10, 20]},
                ],
            } for level, step in enumerate((1, 2))],
        }],
        "omero": {"channels": [{"label": "DAPI", "color": "FF0000"}, {"label": "GFP"}]},
    }  # fmt: skip


# -- damage -------------------------------------------------------------------------------


def _damaged(data: bytes, chance: random.Random) -> bytes:
    """Return data with one to eight damages."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        if not out:
            break
        # Headers and directories matter most.
        at = chance.randrange(min(len(out), chance.choice((64, 512, len(out)))))
        if chance.random() < 0.2:
            at = max(0, len(out) - 1 - at)
        kind = chance.randrange(7)
        if kind == 0:
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            out[at] = chance.randrange(256)
        elif kind == 2:
            size = chance.choice((2, 4))
            number = chance.choice(_NUMBERS) & (256**size - 1)
            out[at : at + size] = number.to_bytes(size, chance.choice(("little", "big")))
        elif kind == 3:
            del out[at:]
        elif kind == 4:
            del out[at : at + chance.randrange(1, 40)]
        elif kind == 5:
            source = chance.randrange(len(out))
            out[at:at] = out[source : source + chance.randrange(1, 40)]
        else:
            source = chance.randrange(len(out))
            size = chance.choice((2, 4, 12))
            out[at : at + size] = out[source : source + size]
    return bytes(out)


def _with_checksums(data: bytes) -> bytes:
    """Return a PNG whose chunks have true checksums again, as far as its chunks can be followed."""
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        (length,) = struct.unpack_from(">I", out, at)
        end = at + 8 + length
        if end + 4 > len(out):
            break
        struct.pack_into(">I", out, end, zlib.crc32(out[at + 4 : end]))
        at = end + 4
    return bytes(out)


def _damaged_value(value: Any, chance: random.Random) -> Any:
    """Return JSON with one value replaced, removed or copied."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(sorted(value))
        if chance.random() < 0.15:
            return {name: item for name, item in value.items() if name != key}
        return value | {key: _damaged_value(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        index = chance.randrange(len(value))
        if chance.random() < 0.15:
            return [*value, value[index]] if chance.random() < 0.5 else value[:index]
        return [*value[:index], _damaged_value(value[index], chance), *value[index + 1 :]]
    wrong = [None, True, "", "x", "../0", [], {}, -1, 0, 1e308, 0.5, 2**31, 2**63, ["y", "x"], [0]]
    return chance.choice(wrong)


def _write_input(kind: str, seeds: list[Any], folder: Path, chance: random.Random) -> Path:
    if kind != "zarr":
        path = folder / f"in.{kind}"
        data = _damaged(chance.choice(seeds), chance)
        path.write_bytes(_with_checksums(data) if kind == "png" and chance.random() < 0.7 else data)
        return path
    path = folder / "in.zarr"
    shutil.copytree(seeds[0], path)
    document = chance.choice(sorted(path.rglob("zarr.json")))
    if chance.random() < 0.7:
        text = json.dumps(_damaged_value(json.loads(document.read_text()), chance))
        document.write_text(text)
    else:
        other = chance.choice([item for item in sorted(path.rglob("*")) if item.is_file()])
        other.write_bytes(_damaged(other.read_bytes(), chance))
    return path


# -- runs ---------------------------------------------------------------------------------


def _run_forked(arguments: list[str], folder: Path, seconds: int) -> tuple[int, float, int]:
    """Run the command line in a fork: its wait status, seconds, and greatest resident bytes."""
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_the_command(arguments, folder)
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return status, time.monotonic() - begun, usage.ru_maxrss * 1024
        if time.monotonic() - begun > seconds:
            os.kill(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            return status, time.monotonic() - begun, usage.ru_maxrss * 1024
        time.sleep(0.002)


def _be_the_command(arguments: list[str], folder: Path) -> NoReturn:
    from lerf_cli.main import main

    status = 70
    try:
        os.chdir(folder)
        # Far above the limit that is checked, so that a machine survives what goes beyond it.
        resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
        output = os.open("log", os.O_WRONLY | os.O_CREAT)
        for stream in (1, 2):
            os.dup2(output, stream)
        try:
            main(arguments, prog_name="lerf")
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - told by the status and in the log
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    os._exit(status)


def _faults(
    folder: Path, way: tuple[str, ...], status: int, seconds: float, peak: int, limits: Any
) -> list[str]:
    """Return what must not have happened."""
    log = (folder / "log").read_text("utf-8", "replace") if (folder / "log").exists() else ""
    found = []
    if seconds > limits.seconds:
        found.append("hang")
    elif os.WIFSIGNALED(status):
        found.append(f"signal {os.WTERMSIG(status)}")
    if peak > limits.gigabytes * 1e9:
        found.append("memory")
    if "Traceback" in log or "internal error" in log:
        found.append("traceback")
    code = os.waitstatus_to_exitcode(status)
    output = folder / way[1]
    is_dry = "--dry-run" in way
    if code not in {0, 1} and "hang" not in found and not os.WIFSIGNALED(status):
        found.append(f"status {code}")
    if code == 0 and not is_dry and not _is_readable(output):
        found.append("success without a result")
    if (code != 0 or is_dry) and output.exists():
        found.append("a result without success")
    left = [
        item.name for item in folder.iterdir()
        if item.name not in {"log", way[1]} and not item.name.startswith("in.")
    ]  # fmt: skip
    if any(".partial" not in name for name in left):
        found.append("files left: " + ", ".join(left))
    return found


def _is_readable(path: Path) -> bool:
    from lerf_core.errors import LerfError
    from lerf_core.io.reading import open_reader

    try:
        with open_reader(path) as reader:
            return bool(np.asarray(reader[...]).size)
    except LerfError:
        return False


def _run_share(share: int, arguments: argparse.Namespace) -> Counter[str]:
    """Do every file of one process's share."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="mutated-") as name:
        top = Path(name)
        _make_zarr(top / "seed.zarr")
        seeds: dict[str, list[Any]] = {
            kind: _pillow_seeds(kind) for kind in _KINDS if kind not in {"tif", "zarr"}
        }
        seeds |= {"tif": _tiff_seeds(), "zarr": [top / "seed.zarr"]}
        for number in range(share, arguments.count, arguments.jobs):
            chance = random.Random(f"{arguments.seed} {number}")
            kind = arguments.kinds[number % len(arguments.kinds)]
            folder = top / str(number)
            folder.mkdir()
            source = _write_input(kind, seeds[kind], folder, chance)
            way = chance.choice(_WAYS)
            words = [way[0], source.name, "-o", way[1], *way[2:], "--threads", "1"]
            status, seconds, peak = _run_forked(words, folder, arguments.seconds + 5)
            found = _faults(folder, way, status, seconds, peak, arguments)
            ended = "done" if os.waitstatus_to_exitcode(status) == 0 else "refused"
            counts[f"{kind}: {ended}"] += 1
            counts["slowest, in hundredths of a second"] = max(
                counts["slowest, in hundredths of a second"], round(seconds * 100)
            )
            counts["greatest memory, in MB"] = max(
                counts["greatest memory, in MB"], round(peak / 1e6)
            )
            for fault in found:
                counts[f"FAULT {kind} {fault.split(':')[0]}"] += 1
            if found:
                print(f"{number}: lerf {' '.join(words)}: {'; '.join(found)}", flush=True)
                if arguments.keep:
                    shutil.copytree(folder, arguments.keep / str(number), dirs_exist_ok=True)
                    (arguments.keep / str(number) / "command").write_text(" ".join(words))
            shutil.rmtree(folder)
    return counts


def _warm_up() -> None:
    """Import what the command imports, and compile its kernels, before the forks."""
    from lerf_cli.main import main

    with tempfile.TemporaryDirectory() as name:
        Image.fromarray(_pixels(20, 20, 3, "uint8")).save(f"{name}/a.png")
        _make_zarr(Path(name) / "b.zarr")
        for source in ("a.png", "b.zarr"):
            for way in _WAYS:
                words = [way[0], f"{name}/{source}", "-o", f"{name}/{way[1]}", *way[2:]]
                with (
                    open(os.devnull, "w") as nowhere,  # noqa: PTH123 - a device, not a path
                    contextlib.redirect_stdout(nowhere),
                    contextlib.redirect_stderr(nowhere),
                    contextlib.suppress(SystemExit),
                ):
                    main([*words, "--overwrite", "--threads", "1", "-q"], prog_name="lerf")


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="files [1000]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes [1]")
    parser.add_argument("--kinds", nargs="+", default=list(_KINDS), choices=_KINDS)
    parser.add_argument("--seconds", type=int, default=60, help="time limit per file [60]")
    parser.add_argument("--gigabytes", type=float, default=2.0, help="memory limit [2]")
    parser.add_argument("--keep", type=Path, help="folder for files that show a fault")
    return parser.parse_args()


def _in_children(jobs: int, work: Callable[[int], Counter[str]]) -> Counter[str]:
    """Run shares side by side in forks, and add up what they count."""
    pipes = []
    for share in range(jobs):
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(read)
            with os.fdopen(write, "w") as pipe:
                json.dump(work(share), pipe)
            os._exit(0)
        os.close(write)
        pipes.append(read)
    total: Counter[str] = Counter()
    for read in pipes:
        with os.fdopen(read) as pipe:
            for key, value in json.load(pipe).items():
                total[key] = max(total[key], value) if " in " in key else total[key] + value
    return total


def main() -> None:
    """Run from the command line."""
    arguments = _parsed()
    _warm_up()
    counts = _in_children(arguments.jobs, lambda share: _run_share(share, arguments))
    for key in sorted(counts):
        print(f"{key}: {counts[key]}")
    faults = sum(value for key, value in counts.items() if key.startswith("FAULT"))
    print(f"{arguments.count} files, {faults} faults")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
