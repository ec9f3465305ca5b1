"""IPTC, sizes and places that EXIF and XMP state, resolutions and comments, on every way."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, IptcImagePlugin, PngImagePlugin

from lerf_core.io import iptc
from lerf_core.io.reading import read_image


def record(number: int, data: bytes) -> bytes:
    """Return a record of IPTC's application part."""
    return b"\x1c\x02" + bytes([number]) + struct.pack(">H", len(data)) + data


#: A caption in UTF-8, with what says so, and two keywords.
RECORDS = b"\x1c\x01\x5a\x00\x03\x1b%G" + b"".join(
    record(*item) for item in ((120, "Größe ☀".encode()), (25, b"house"), (25, b"snow"))
)


def jpeg(path: Path, rgb: np.ndarray, *segments: tuple[int, bytes], **options) -> Path:
    """Write a JPEG with further segments."""
    extra = b"".join(
        bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in segments
    )
    Image.fromarray(rgb).save(path, extra=extra, **options)
    return path


def resource(code: int, data: bytes, name: bytes = b"") -> bytes:
    """Return an image resource of Photoshop."""
    named = bytes([len(name)]) + name
    head = b"8BIM" + struct.pack(">H", code) + named + b"\0" * (len(named) % 2)
    return head + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)


def app13(*resources: bytes) -> tuple[int, bytes]:
    return 0xED, b"Photoshop 3.0\0" + b"".join(resources)


def big_endian_longs(records: bytes) -> bytes:
    """Return records as libtiff writes them into a big-endian file on a usual machine."""
    padded = records + b"\0" * (-len(records) % 4)
    return struct.pack(f">{len(padded) // 4}I", *struct.unpack(f"<{len(padded) // 4}I", padded))


def with_iptc(path: Path, rgb: np.ndarray, kind: str) -> Path:
    """Write an image that holds IPTC in one of the ways in which files do."""
    shapes: dict = {"photometric": "rgb", "metadata": None}
    count = len(RECORDS)
    if kind == "jpeg":
        name = resource(0x03ED, bytes(16)), resource(0x0404, RECORDS, b"odd"), resource(1, b"x")
        return jpeg(path, rgb, app13(*name))
    if kind == "split jpeg":
        whole = resource(0x0404, RECORDS)
        return jpeg(path, rgb, app13(whole[:30]), app13(whole[30:]))
    if kind == "png":
        info = PngImagePlugin.PngInfo()
        info.add_text("Raw profile type iptc", iptc.as_profile("iptc", RECORDS), zip=True)
        Image.fromarray(rgb).save(path, pnginfo=info)
        return path
    tag = {
        "bytes": (33723, 1, count, RECORDS, True),
        "undefined": (33723, 7, count, RECORDS, True),
        "longs": (33723, 4, -(-count // 4), RECORDS.ljust(-(-count // 4) * 4, b"\0"), True),
        "turned longs": (33723, 4, -(-count // 4), big_endian_longs(RECORDS), True),
        "resources": (34377, 7, len(resource(0x0404, RECORDS)), resource(0x0404, RECORDS), True),
    }[kind]
    order = ">" if kind == "turned longs" else "<"
    tifffile.imwrite(path, rgb, extratags=[tag], byteorder=order, **shapes)
    return path


WAYS = ["jpeg", "split jpeg", "png", "bytes", "undefined", "longs", "turned longs", "resources"]


@pytest.mark.parametrize("target", ["jpg", "png", "tif", "tiled.tif"])
@pytest.mark.parametrize("kind", WAYS)
def test_iptc_goes_from_every_holder_to_every_other(run, tmp_path, rgb, kind, target):
    suffix = {"jpeg": "jpg", "split jpeg": "jpg", "png": "png"}.get(kind, "tif")
    source, out = with_iptc(tmp_path / f"in.{suffix}", rgb, kind), tmp_path / f"out.{target}"
    tiled = ("--tile", 16) if target == "tiled.tif" else ()
    result = run("resize", source, "-o", out, "--scale", 2, *tiled)
    assert "dropped" not in result.output
    assert read_image(out).metadata.iptc == RECORDS
    if target != "png":
        with Image.open(out) as image:
            found = IptcImagePlugin.getiptcinfo(image)
        assert found[2, 120] == "Größe ☀".encode()
        assert found[2, 25] == [b"house", b"snow"]


@pytest.mark.parametrize("kind", ["jpeg", "png", "bytes"])
def test_iptc_is_private(run, tmp_path, rgb, kind):
    suffix = {"jpeg": "jpg", "png": "png"}.get(kind, "tif")
    source, out = with_iptc(tmp_path / f"in.{suffix}", rgb, kind), tmp_path / f"out.{suffix}"
    run("resize", source, "-o", out, "--scale", 1, "--strip")
    assert b"snow" not in out.read_bytes()
    assert read_image(out).metadata.iptc is None


def test_iptc_longer_than_a_segment(run, tmp_path, rgb):
    keyword = record(25, b"k" * 30_000)
    source, out = tmp_path / "in.tif", tmp_path / "out.jpg"
    tag = (33723, 7, 5 * len(keyword), 5 * keyword, True)
    tifffile.imwrite(source, rgb, photometric="rgb", extratags=[tag])
    run("resize", source, "-o", out, "--scale", 1)
    assert read_image(out).metadata.iptc == 5 * keyword


def test_what_holds_no_iptc_says_so(run, tmp_path, rgb):
    source = with_iptc(tmp_path / "in.jpg", rgb, "jpeg")
    result = run("resize", source, "-o", tmp_path / "out.webp", "--scale", 1)
    assert "WEBP cannot hold IPTC: dropped" in result.output


def test_clipping_paths_are_named(run, tmp_path, rgb):
    path = resource(0x07D0, bytes(52), b"Path 1")
    source = jpeg(tmp_path / "in.jpg", rgb, app13(resource(0x0404, RECORDS), path, path))
    result = run("resize", source, "-o", tmp_path / "out.jpg", "--scale", 1)
    assert "Photoshop's clipping paths dropped" in result.output
    assert read_image(tmp_path / "out.jpg").metadata.iptc == RECORDS
