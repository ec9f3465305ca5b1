"""Bad files: one line each, no traceback, nothing left behind."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image
from support.files import PNG_SIGNATURE, png_chunk

from lerf_core.errors import FileError
from lerf_core.io.reading import read_header, read_image


def png_claiming(width: int, height: int, depth: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in chunks)


def encoded(suffix: str, **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, suffix, **options)
    return file.getvalue()


def spoiled(data: bytes, first: int) -> bytes:
    out = bytearray(data)
    for index in np.random.default_rng(1).integers(first, len(out) - 40, 25):
        out[index] ^= 0xFF
    return bytes(out)


CASES = {
    "empty.png": (b"", "is empty"),
    "empty.tif": (b"", "is empty"),
    "text.png": (b"hello, I am no image", "not an image of a known format"),
    "text.unknown": (b"hello, I am no image", "not an image of a known format"),
    "text.dcm": (b"hello, I am no image", "no installed reader"),
    "bomb.png": (png_claiming(100_000, 100_000, 8), "claims 10,000,000,000 pixels"),
    "bomb16.png": (png_claiming(100_000, 100_000, 16), "claims 10,000,000,000 pixels"),
    "flat.png": (png_claiming(0, 10, 8), "not an image of a known format"),
    "bomb.gif": (
        b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\0;",
        "claims 4,294,836,225 pixels",
    ),
    "header.tif": (b"II*\0\x08\0\0\0", "no image"),
    "noise.tif": (b"II*\0\x08\0\0\0" + bytes(range(1, 250)), "damaged"),
    "spoiled.png": (spoiled(encoded("PNG"), 60), "damaged"),
    "spoiled.gif": (spoiled(encoded("GIF"), 900), "damaged"),
    "spoiled_lzw.tif": (spoiled(encoded("TIFF", compression="tiff_lzw"), 300), "damaged"),
    "spoiled_zip.tif": (spoiled(encoded("TIFF", compression="tiff_adobe_deflate"), 300), "damaged"),
}
_CUT = {"PNG": "truncated", "TIFF": "the file ends before its pixels do"}
for _suffix in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "TGA", "PPM", "JPEG2000", "AVIF"):
    for _share in (30, 60, 97):
        _data = encoded(_suffix)
        CASES[f"cut{_share}.{_suffix.lower()}"] = (
            _data[: len(_data) * _share // 100],
            _CUT.get(_suffix, ""),
        )


@pytest.mark.parametrize("name", CASES)
def test_one_line_and_no_output(run, tmp_path, name):
    data, words = CASES[name]
    source, out = tmp_path / name, tmp_path / "out" / "result.png"
    source.write_bytes(data)
    lines = run("resize", source, "-o", out, "--scale", 1, code=1).output.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"lerf: {source}: ")
    assert words in lines[0]
    assert len(lines[0]) < len(str(source)) + 330
    assert lines[1] == "0 done, 0 skipped, 1 failed"
    assert not out.parent.exists() or not list(out.parent.iterdir())


@pytest.mark.parametrize("options", [(), ("--tile", "64")])
def test_nothing_else_reaches_stderr(tmp_path, options):
    """In a process of its own: C libraries and Python's warnings write there directly."""
    names = []
    for name, (data, _) in CASES.items():
        (tmp_path / name).write_bytes(data)
        names.append(str(tmp_path / name))
    code = "from lerf_cli.main import main; main()"
    command = [sys.executable, "-W", "always", "-c", code, "resize", *names]
    # Of one stem, they would collide in a folder.
    suffix = "tif" if options else "png"
    command += ["-o", f"{tmp_path}/out/{{stem}}_{{ext}}.{suffix}", "--scale", "1", "-q", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert [line for line in lines if not line.startswith("lerf: ")] == []
    assert len(lines) == len(names)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_missing_file(run, tmp_path):
    text = run("resize", tmp_path / "no.png", "-o", tmp_path / "o.png", "--scale", 2, code=1).output
    assert "No such file or directory" in text


def test_max_pixels_counts_inputs_and_outputs(run, tmp_path, rgb):
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(rgb).save(source)
    assert (
        "claims 140 pixels, above the limit of 139"
        in run("resize", source, "-o", out, "--scale", 1, "--max-pixels", 139, code=1).output
    )
    assert (
        "would become 560 pixels"
        in run("resize", source, "-o", out, "--scale", 2, "--max-pixels", 559, code=1).output
    )
    assert (
        "would become"
        in run(
            "resize", source, "-o", out, "--scale", 2, "--max-pixels", 559, "--dry-run", code=1
        ).output
    )
    run("resize", source, "-o", out, "--scale", 2, "--max-pixels", 560)


def test_an_output_too_large_is_refused_before_it_is_made(run, tmp_path, rgb):
    source = tmp_path / "in.png"
    Image.fromarray(rgb).save(source)
    text = run("resize", source, "-o", tmp_path / "o.png", "--scale", 1e6, code=1).output
    assert "would become 140,000,000,000,000 pixels" in text
    text = run(
        "resize", source, "-o", tmp_path / "o.png", "--scale", 1e6, "--max-pixels", 10**18, code=1
    ).output
    assert "Traceback" not in text
    assert "0 done" in text


def test_every_frame_counts(tmp_path):
    frames = [Image.new("L", (50, 50), shade) for shade in range(10)]
    path = tmp_path / "in.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50)
    assert read_header(path, 25_000).frames == 10
    for reader in (read_header, read_image):
        with pytest.raises(FileError, match="claims 25,000 pixels"):
            reader(path, 24_999)
