"""A batch of mixed files, about one in ten broken: what became of each, and the memory.

Makes the files in a temporary folder, runs one `lerf resize` over them, looks at every output,
and samples the process's resident memory as it goes.

    python benchmarks/batch.py [--files 200] [--scale 2] [--only KIND] [--json FILE] [--keep FOLDER]

Files that overlap beside files one after the other, of some megapixels, with the same outputs:

    python benchmarks/batch.py --overlap both --only "JPEG RGB" --sides 2000,3000 --files 40
    python benchmarks/batch.py --overlap both --only "JPEG RGB" --sides 4000,6000 --device cuda
"""

from __future__ import annotations

import argparse
import filecmp
import io
import json
import re
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "photos" / "chelsea.png"
ORIENTATION = 0x0112
#: After how many files the memory is told.
MARKS = (10, 50, 100, 200)
#: The command, with files that overlap, and with one after the other.
COMMANDS = {
    "on": "from lerf_cli.main import main; main(prog_name='lerf')",
    "off": "from contextlib import nullcontext; from lerf_cli.batch import runner; "
    "from lerf_cli.main import main; "
    "runner._overlapping = lambda *_: nullcontext(lambda _index: False); main(prog_name='lerf')",
}
_REPORTED = re.compile(
    r"^(?:lerf: )?(?P<path>\S+?)(?:: (?P<note>note: )?(?P<text>.*)| \d+x\d+ -> .*)$"
)

Pixels = np.ndarray[Any, Any]
Maker = Callable[[Image.Image, int], bytes]


# -- sound files ------------------------------------------------------------------


def saved(image: Image.Image, name: str, **options: Any) -> bytes:
    """Return an image file's bytes, as Pillow writes it."""
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def exif(turn: int) -> bytes:
    """Return an EXIF block that holds an orientation."""
    block = Image.Exif()
    block[ORIENTATION] = turn
    return block.tobytes()


def plain(mode: str, name: str, **options: Any) -> Maker:
    """Return a maker of files of a Pillow mode; EXIF where the format has it."""

    def make(photo: Image.Image, turn: int) -> bytes:
        image = photo.copy()
        if mode in {"LA", "RGBA"}:
            alpha = Image.linear_gradient("L").resize(image.size)
            image.putalpha(alpha)
        image = image.convert(mode)
        extra = {"exif": exif(turn)} if name in {"PNG", "JPEG", "WEBP"} else {}
        return saved(image, name, **options, **extra)

    return make


def deep_png(channels: int) -> Maker:
    """Return a maker of 16-bit PNG files, which Pillow writes in grey only."""

    def make(photo: Image.Image, turn: int) -> bytes:
        values = np.asarray(photo, np.uint16) * 257
        values = values[..., 0] if channels == 1 else values
        rows, cols = values.shape[:2]
        lines = values.astype(">u2").reshape(rows, -1).view(np.uint8)
        raw = np.hstack([np.zeros((rows, 1), np.uint8), lines]).tobytes()
        header = struct.pack(">IIBBBBB", cols, rows, 16, 0 if channels == 1 else 2, 0, 0, 0)
        chunks = (
            (b"IHDR", header),
            (b"eXIf", exif(turn)[6:]),
            (b"IDAT", zlib.compress(raw, 1)),
            (b"IEND", b""),
        )
        return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)

    return make


def png_chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum


def tiff(convert: Callable[[Pixels], Pixels], **options: Any) -> Maker:
    """Return a maker of TIFF files with an orientation tag."""

    def make(photo: Image.Image, turn: int) -> bytes:
        buffer = io.BytesIO()
        tag = (ORIENTATION, "H", 1, turn, True)
        values = convert(np.asarray(photo))
        tifffile.imwrite(buffer, values, extratags=[tag], metadata=None, **options)
        return buffer.getvalue()

    return make


def animated_gif(photo: Image.Image, turn: int) -> bytes:
    """Return three frames; GIF knows no orientation."""
    del turn
    frames = [photo.rotate(angle).convert("P") for angle in (0, 30, 60)]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=80)


#: Name, suffix, maker, whether the file can say its orientation.
SOUND: tuple[tuple[str, str, Maker, bool], ...] = (
    ("PNG L", "png", plain("L", "PNG"), True),
    ("PNG LA", "png", plain("LA", "PNG"), True),
    ("PNG RGB", "png", plain("RGB", "PNG"), True),
    ("PNG RGBA", "png", plain("RGBA", "PNG"), True),
    ("PNG P", "png", plain("P", "PNG"), True),
    ("PNG 1", "png", plain("1", "PNG"), True),
    ("PNG I;16", "png", deep_png(1), True),
    ("PNG RGB 16", "png", deep_png(3), True),
    ("JPEG L", "jpg", plain("L", "JPEG"), True),
    ("JPEG RGB", "jpg", plain("RGB", "JPEG"), True),
    ("JPEG CMYK", "jpg", plain("CMYK", "JPEG"), True),
    ("WebP RGB", "webp", plain("RGB", "WEBP"), True),
    ("WebP RGBA", "webp", plain("RGBA", "WEBP", lossless=True), True),
    ("TIFF RGB 8", "tif", tiff(lambda a: a, photometric="rgb"), True),
    ("TIFF L 8", "tif", tiff(lambda a: a[..., 0], compression="zlib"), True),
    ("TIFF RGB 16", "tif", tiff(lambda a: a.astype(np.uint16) * 257, photometric="rgb"), True),
    ("TIFF I;16", "tif", tiff(lambda a: a[..., 0].astype(np.uint16) * 257), True),
    ("TIFF F", "tif", tiff(lambda a: a[..., 0].astype(np.float32) / 200), True),
    ("TIFF CMYK LZW", "tif", plain("CMYK", "TIFF", compression="tiff_lzw"), False),
    ("TIFF 1", "tif", plain("1", "TIFF"), False),
    ("BMP RGB", "bmp", plain("RGB", "BMP"), False),
    ("BMP P", "bmp", plain("P", "BMP"), False),
    ("BMP 1", "bmp", plain("1", "BMP"), False),
    ("GIF P", "gif", plain("P", "GIF"), False),
    ("GIF, 3 frames", "gif", animated_gif, False),
)


# -- broken files -----------------------------------------------------------------


def cut(maker: Maker, share: float) -> Maker:
    """Return a maker of files that end too early."""

    def make(photo: Image.Image, turn: int) -> bytes:
        data = maker(photo, turn)
        return data[: int(len(data) * share)]

    return make


def claiming(side: int) -> Maker:
    """Return a maker of small PNG files that claim to be of a size."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    data += png_chunk(b"IDAT", zlib.compress(bytes(4096))) + png_chunk(b"IEND", b"")
    return lambda _photo, _turn: data


def damaged_inside(photo: Image.Image, turn: int) -> bytes:
    """Return a PNG with wrong bytes in the middle of its pixels."""
    data = bytearray(plain("RGB", "PNG")(photo, turn))
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    return bytes(data)


def noise(photo: Image.Image, turn: int) -> bytes:
    """Return random bytes behind a TIFF's first ones."""
    return b"II*\x00" + np.random.default_rng(photo.width + turn).bytes(2000)


BROKEN: tuple[tuple[str, str, Maker], ...] = (
    ("empty file", "png", lambda _photo, _turn: b""),
    ("text named .png", "png", lambda _photo, _turn: b"this is no picture\n" * 20),
    ("PNG cut in half", "png", cut(plain("RGB", "PNG"), 0.5)),
    ("JPEG cut in half", "jpg", cut(plain("RGB", "JPEG"), 0.5)),
    ("WebP cut in half", "webp", cut(plain("RGB", "WEBP"), 0.5)),
    ("TIFF cut in half", "tif", cut(tiff(lambda a: a, photometric="rgb"), 0.5)),
    ("GIF cut in half", "gif", cut(plain("P", "GIF"), 0.5)),
    ("PNG, wrong bytes inside", "png", damaged_inside),
    ("PNG that claims 100000x100000", "png", claiming(100_000)),
    ("PNG of no pixels", "png", claiming(0)),
    ("noise named .tif", "tif", noise),
    ("BMP cut after 20 bytes", "bmp", lambda photo, _turn: saved(photo, "BMP")[:20]),
)


@dataclass
class Case:
    """One file and what became of it."""

    name: str
    kind: str
    broken: bool
    orientation: int
    size: tuple[int, int] | None  # of the upright picture, width and height
    result: str = "not reported"
    message: str = ""


def make_files(
    folder: Path, count: int, only: str | None = None, sides: tuple[int, int] = (90, 260)
) -> dict[str, Case]:
    """Write the files in a fixed shuffled order, every tenth one broken.

    `only` names the one kind of sound files to make; `sides` are the least and the greatest.
    """
    kinds = [kind for kind in SOUND if only is None or kind[0] == only]
    rng = np.random.default_rng(0)
    with Image.open(PHOTO) as image:
        photo = image.convert("RGB")
    order = rng.permutation(len(kinds))
    cases = {}
    sound = broken = 0
    for number in range(count):
        width, height = (int(side) for side in rng.integers(*sides, 2))
        picture = photo.resize((width, height), Image.Resampling.LANCZOS)
        turn = number % 8 + 1
        if number % 10 == 7:
            kind, suffix, maker = BROKEN[broken % len(BROKEN)]
            broken += 1
            size = None
        else:
            kind, suffix, maker, turns = kinds[order[sound % len(kinds)]]
            sound += 1
            turn = turn if turns else 1
            size = (height, width) if turn > 4 else (width, height)
        name = f"{number:04}.{suffix}"
        (folder / name).write_bytes(maker(picture, turn))
        cases[name] = Case(name, kind, size is None, turn, size)
    return cases


# -- the run ----------------------------------------------------------------------


def resident_mb(pid: int, field: str = "VmRSS") -> float | None:
    """Return a process's memory from /proc, in MB; None where the system has no /proc."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else None


def run(
    source: Path, target: Path, words: list[str], cases: dict[str, Case], overlap: str = "on"
) -> dict[str, Any]:
    """Run the command; fill in the cases, and return exit status, time and memory."""
    command = [sys.executable, "-c", COMMANDS[overlap], "resize", f"{source}/", "-o", f"{target}/"]
    command += ["-v", *words]
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None  # noqa: S101 - a pipe was asked for
    memory: dict[int, float | None] = {}
    last, peak, reported, summary = None, None, 0, ""
    for line in process.stderr:
        last, peak = resident_mb(process.pid) or last, resident_mb(process.pid, "VmHWM") or peak
        summary = line.strip()
        found = _REPORTED.match(summary)
        case = cases.get(Path(found["path"]).name) if found else None
        if found is None or case is None:
            continue
        if found["note"]:
            case.message = found["text"]
            continue
        failed = summary.startswith("lerf: ")
        case.result = "failed" if failed else "done"
        case.message = found["text"] if failed else case.message
        reported += 1
        if reported in MARKS or reported == len(cases):
            memory[reported] = last
    status = process.wait()
    return {
        "exit_status": status,
        "seconds": round(time.perf_counter() - start, 2),
        "summary": summary,
        "resident_mb_after": memory,
        "peak_mb": peak,
    }


def look_at(case: Case, output: Path, scale: float) -> None:
    """Correct the result where the output is not what it should be."""
    if case.result == "failed":
        if output.exists():
            case.result, case.message = "WRONG", "failed, and left an output"
        return
    if case.size is None:
        case.result = "DONE THOUGH BROKEN"
        return
    wanted = tuple(int(np.ceil(side * scale)) for side in case.size)
    try:
        if output.suffix == ".tif":
            with tifffile.TiffFile(output) as file:
                size = (file.pages[0].imagewidth, file.pages[0].imagelength)
                turn = file.pages[0].tags.get(ORIENTATION)
                turn = turn.value if turn else 1
        else:
            with Image.open(output) as image:
                image.load()
                size, turn = image.size, image.getexif().get(ORIENTATION, 1)
    except (OSError, ValueError) as error:
        case.result, case.message = "WRONG", f"output cannot be read: {error}"
        return
    if size != wanted or turn != 1:
        case.result = "WRONG"
        case.message = f"output is {size}, orientation {turn}, and should be {wanted}"


def _without_figures(case: Case) -> str:
    """Return the message, alike for files that differ in size alone."""
    return re.sub(r"\d[\d,]*", "N", case.message) if case.broken else case.message


def report(cases: dict[str, Case], run_record: dict[str, Any]) -> None:
    """Print what became of each kind, and the memory."""
    groups: dict[tuple[bool, str, str], list[Case]] = {}
    for case in cases.values():
        groups.setdefault((case.broken, case.kind, case.result), []).append(case)
    print(f"{'kind':30} {'files':>5}  {'result':10} message or note")
    for (_, kind, result), members in sorted(groups.items()):
        messages = Counter(_without_figures(case) for case in members)
        for number, (message, count) in enumerate(messages.most_common()):
            head = f"{kind:30}" if number == 0 else " " * 30
            print(f"{head} {count:5}  {result:10} {message}".rstrip())
    turns = Counter(case.orientation for case in cases.values() if case.result == "done")
    print(f"\norientations among the files done: {dict(sorted(turns.items()))}")
    print(f"exit status {run_record['exit_status']}: {run_record['summary']}")
    print(f"time {run_record['seconds']} s")
    for count, value in run_record["resident_mb_after"].items():
        if value is not None:
            print(f"resident memory after {count:4} files {value:7.1f} MB")
    if run_record["peak_mb"] is not None:
        print(f"highest resident memory       {run_record['peak_mb']:7.1f} MB")


def compare(first: Path, second: Path, records: dict[str, dict[str, Any]]) -> None:
    """Print the times of files one after the other and overlapping, and whether outputs differ."""
    names = {path.name for folder in (first, second) for path in folder.iterdir()}
    _, differing, missing = filecmp.cmpfiles(first, second, names, shallow=False)
    print(f"\n{len(names)} outputs; other bytes: {sorted(differing + missing) or 'none'}")
    one_by_one, overlapping = (records[overlap]["seconds"] for overlap in ("off", "on"))
    share = overlapping / one_by_one
    print(f"one after the other {one_by_one} s, overlapping {overlapping} s: {share:.2f} of it")


def _sides(text: str) -> tuple[int, int]:
    least, most = (int(side) for side in text.split(","))
    return least, most


def main() -> None:
    """Make the files, run, look, and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--scale", type=float, default=2.0)
    parser.add_argument("--only", choices=[kind[0] for kind in SOUND], help="one sound kind alone")
    parser.add_argument("--sides", type=_sides, default=(90, 260), metavar="LEAST,MOST")
    parser.add_argument("--device", help="compute by torch there")
    parser.add_argument(
        "--overlap", choices=["on", "off", "both"], default="on",
        help="whether files overlap; both: one run after the other, and their times",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the files there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lerf-benchmark-") as name:
        folder = options.keep or Path(name)
        source, target = folder / "in", folder / "out"
        source.mkdir(parents=True)
        cases = make_files(source, options.files, options.only, options.sides)
        words = ["--scale", f"{options.scale:g}"]
        words += ["--device", options.device] if options.device else []
        record: dict[str, Any] = {}
        if options.overlap == "both":
            before = run(source, folder / "out-before", words, cases, "off")
            record = run(source, target, words, cases)
            compare(folder / "out-before", target, {"off": before, "on": record})
            record["one_by_one"] = before
        else:
            record = run(source, target, words, cases, options.overlap)
        for case in cases.values():
            look_at(case, target / case.name, options.scale)
        report(cases, record)
    if options.json:
        record["cases"] = [asdict(case) for case in cases.values()]
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
