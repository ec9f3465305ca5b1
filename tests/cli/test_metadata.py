"""Profiles, EXIF, resolution, orientation and texts from every format into every other."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps, PngImagePlugin
from support.files import save_with_metadata

HOLDS = ["jpg", "png", "webp", "tif"]


@pytest.fixture
def written(tmp_path, rgb):
    """Write the sample in a format, with all the metadata it takes."""
    return lambda suffix: save_with_metadata(tmp_path / f"in.{suffix}", rgb)


@pytest.mark.parametrize("target", HOLDS)
@pytest.mark.parametrize("source", ["jpg", "png", "webp"])
def test_metadata_cross_formats(run, tmp_path, written, icc, source, target):
    out = tmp_path / f"out.{target}"
    run("resize", written(source), "-o", out, "--scale", 2)
    with Image.open(out) as image:
        image.load()
        assert image.size == (20, 28)  # turned upright, then doubled
        assert image.info["icc_profile"] == icc
        block = image.getexif()
        assert block.get(0x0112, 1) == 1
        assert block[0x010F] == "Maker of cameras"
        directory = block.get_ifd(0x8769)
        assert directory[0x9003] == "2024:05:06 07:08:09"
        assert directory[0x829A] == pytest.approx(1 / 250)
        assert (directory[0xA002], directory[0xA003]) == (20, 28)
        assert block.get_ifd(0x8825)[1] == "N"
        if source in {"jpg", "png"} and target in {"jpg", "png", "tif"}:
            # The axes turned with the image.
            assert image.info["dpi"] == pytest.approx((150, 300), abs=0.02)
        xmp = image.info.get("xmp")
        xmp = xmp.encode() if isinstance(xmp, str) else xmp
        assert b'tiff:Orientation="1"' in xmp


@pytest.mark.parametrize("target", HOLDS)
def test_metadata_from_tiff(run, tmp_path, written, icc, target):
    middle, out = tmp_path / "middle.tif", tmp_path / f"out.{target}"
    run("resize", written("jpg"), "-o", middle, "--scale", 1)
    run("resize", middle, "-o", out, "--scale", 2)
    with Image.open(out) as image:
        assert image.info["icc_profile"] == icc
        block = image.getexif()
        assert block[0x010F] == "Maker of cameras"
        assert block.get_ifd(0x8769)[0x9003] == "2024:05:06 07:08:09"
        assert block.get_ifd(0x8769)[0xA002] == 20
        assert block.get_ifd(0x8825)[1] == "N"


def test_exif_goes_byte_for_byte_but_for_the_stale_entries(run, tmp_path, written):
    source, out = written("jpg"), tmp_path / "out.jpg"
    run("resize", source, "-o", out, "--scale", 1)
    with Image.open(source) as one, Image.open(out) as other:
        old, new = one.info["exif"], other.info["exif"]
    assert len(old) == len(new)
    assert 1 <= sum(a != b for a, b in zip(old, new, strict=True)) <= 8


@pytest.mark.parametrize("suffix", HOLDS)
def test_strip_keeps_profile_and_resolution_only(run, tmp_path, written, icc, suffix):
    out = tmp_path / f"out.{suffix}"
    run("resize", written(suffix), "-o", out, "--scale", 1, "--strip")
    with Image.open(out) as image:
        image.load()
        assert image.info["icc_profile"] == icc
        assert image.size == (10, 14)
        assert not {"xmp", "comment", "exif"} & image.info.keys()
        assert 0x010F not in image.getexif()
        assert not getattr(image, "text", {})
        assert ("dpi" in image.info) == (suffix != "webp")


def test_png_texts_and_colour_chunks_survive(run, tmp_path, rgb):
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    info.add_text("Title", "Grüße")
    Image.fromarray(rgb).save(source, pnginfo=info)
    run("resize", source, "-o", out, "--scale", 1)
    with Image.open(out) as image:
        image.load()
        assert image.info["gamma"] == pytest.approx(0.45455)
        assert image.text["Title"] == "Grüße"


@pytest.mark.parametrize("depth", [8, 16])
def test_png16_carries_the_same_metadata(run, tmp_path, written, icc, depth):
    out = tmp_path / "out.png"
    run("resize", written("png"), "-o", out, "--scale", 1, "--depth", depth)
    assert out.read_bytes()[24] == depth
    with Image.open(out) as image:
        image.load()
        assert image.info["icc_profile"] == icc
        assert image.info["dpi"] == pytest.approx((150, 300), abs=0.02)
        assert image.getexif().get_ifd(0x8769)[0x9003] == "2024:05:06 07:08:09"
        assert image.text["Title"] == "Grüße"


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_are_applied_and_reset(run, tmp_path, rgb, pixels, suffix, orientation):
    source, out = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    block = Image.Exif()
    block[0x0112] = orientation
    Image.fromarray(rgb).save(
        source, exif=block, **({"lossless": True} if suffix == "webp" else {})
    )
    run("resize", source, "-o", out, "--scale", 1, "--labels")
    with Image.open(source) as image:
        if suffix == "tif":
            # Pillow turns TIFF while loading.
            expected = np.asarray(image)
        else:
            expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(pixels(out), expected)
    with Image.open(out) as image:
        assert image.getexif().get(0x0112, 1) == 1


def test_orientation_comes_before_sizing(run, tmp_path, rgb):
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    block = Image.Exif()
    block[0x0112] = 6
    Image.fromarray(rgb).save(source, exif=block)
    assert "10x14" in run("resize", source, "-o", out, "--size", "20x", "--dry-run").output
    run("resize", source, "-o", out, "--size", "20x")
    with Image.open(out) as image:
        assert image.size == (20, 28)


@pytest.mark.parametrize(
    ("suffix", "lost"),
    [("bmp", "ICC, EXIF, XMP, gamma, texts"), ("gif", "ICC, EXIF, XMP, gamma, resolution, texts")],
)
def test_what_a_format_cannot_keep_is_told(run, tmp_path, written, suffix, lost):
    result = run("resize", written("png"), "-o", tmp_path / f"out.{suffix}", "--scale", 1)
    assert f"{suffix.upper()} cannot hold {lost}: dropped" in result.output


def test_centimetres_become_inches(run, tmp_path, rgb):
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, rgb, resolution=(100, 50), resolutionunit="CENTIMETER")
    run("resize", source, "-o", out, "--scale", 1)
    with Image.open(out) as image:
        assert image.info["dpi"] == pytest.approx((254, 127))
