"""`lerf compare`: pictures are what resizes give, and figures those of the metrics."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.files import icc_profile, image_in, png16, smooth_rgb
from support.front_files import write_front
from support.fronts import ConvolutionFront
from support.geodata import keys, write_geotiff

import lerf_core
from lerf_core import metrics


@pytest.fixture
def rgb():
    return smooth_rgb(24, 30)


@pytest.fixture
def source(tmp_path, rgb):
    path = tmp_path / "a.png"
    Image.fromarray(rgb).save(path)
    return path


@pytest.fixture
def page(run, tmp_path):
    """Write a page; return its text, and its pictures by their names."""

    def made(source, *options, scale=2):
        path = tmp_path / "page.html"
        target = [] if "--size" in options else ["--scale", scale]
        run("compare", source, "-o", path, *target, "-q", "--overwrite", *options)
        text = path.read_text("utf-8")
        data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
        pictures = {
            item["name"]: Image.open(io.BytesIO(base64.b64decode(item["src"].split(",")[1])))
            for item in data["images"]
        }
        return text, pictures

    return made


TWO = ("--bank", "lerf-p", "--kernel", "lanczos3")


def test_pictures_are_those_of_resize(page, run, source, tmp_path, rgb):
    text, pictures = page(source, *TWO, "--bank", "lerf-l", scale="2x1.5")
    assert list(pictures) == ["lerf-p", "lerf-l", "lanczos3"]
    for name, picture in pictures.items():
        option = "--kernel" if name == "lanczos3" else "--bank"
        run("resize", source, "-o", tmp_path / "o.png", "--scale", "2x1.5", option, name,
            "--overwrite")  # fmt: skip
        wanted = np.asarray(Image.open(tmp_path / "o.png"))
        assert np.array_equal(np.asarray(picture), wanted)
        assert hashlib.sha256(wanted.tobytes()).hexdigest() in text
    assert lerf_core.load_bank("lerf-l").checksum in text
    assert hashlib.sha256(source.read_bytes()).hexdigest() in text
    assert "--scale 2x1.5 --kernel lanczos3<" in text
    assert str(tmp_path) not in text


def test_figures_against_a_reference(page, source, tmp_path, rgb):
    original = np.kron(rgb, np.ones((2, 2, 1), np.uint8))
    reference = tmp_path / "original.png"
    Image.fromarray(original).save(reference)
    text, pictures = page(source, "--kernel", "nearest", "--kernel", "cubic",
                          "--reference", reference)  # fmt: skip
    assert list(pictures) == ["reference", "nearest", "cubic"]
    assert np.array_equal(np.asarray(pictures["reference"]), original)
    rows = re.findall(r"<tr><td>(\w+)</td>.*?</tr>", text)
    assert rows == list(pictures)
    result = np.asarray(pictures["cubic"])
    luma = [metrics.luma(image) for image in (original, result)]
    for figure in (
        f"{metrics.psnr(original, result):.2f}",
        f"{metrics.psnr(*luma):.2f}",
        f"{metrics.ssim(*luma):.4f}",
    ):
        assert f'<td class="number">{figure}</td>' in text
    assert text.count('<td class="number">∞</td>') == 2  # nearest is the original
    assert '<td class="number">1.0000</td>' in text


def test_one_bank_beside_a_reference_will_do(page, source, tmp_path, rgb):
    reference = tmp_path / "o.png"
    Image.fromarray(np.kron(rgb, np.ones((2, 2, 1), np.uint8))).save(reference)
    _, pictures = page(source, "--reference", reference)
    assert list(pictures) == ["reference", f"default ({lerf_core.DEFAULT_BANK})"]


def test_a_front_goes_before_each_bank(page, source, tmp_path, monkeypatch):
    front = write_front(tmp_path, monkeypatch, ConvolutionFront(2))
    _, pictures = page(source, "--front", front, "--bank", "lerf-p", "--bank", "lerf-l", scale=3)
    names = list(pictures)
    assert names[:2] == ["lerf-p", "lerf-l"]
    assert [name.split(", then ")[1] for name in names[2:]] == ["lerf-p", "lerf-l"]
    plain, behind = (np.asarray(pictures[name]) for name in (names[0], names[2]))
    assert plain.shape == behind.shape
    assert not np.array_equal(plain, behind)


def test_banks_of_one_name_are_told_apart(page, source, tmp_path):
    bank = lerf_core.load_bank("lerf-l")
    lerf_core.load_bank("lerf-g").renamed("lerf-l").save(tmp_path / "b.safetensors")
    _, pictures = page(source, "--bank", "lerf-l", "--bank", tmp_path / "b.safetensors")
    assert f"lerf-l {bank.checksum.removeprefix('sha256:')[:8]}" in pictures
    assert len(pictures) == 2


def test_a_part(page, source, rgb):
    whole = page(source, *TWO, "--size", "75x")[1]["lanczos3"]
    text, pictures = page(source, *TWO, "--size", "75x", "--crop", "3,2,10x7")
    left, top, right, bottom = 7, 5, 33, 23  # of 75x60, for 30x24
    wanted = np.asarray(whole)[top:bottom, left:right]
    assert np.array_equal(np.asarray(pictures["lanczos3"]), wanted)
    assert "26x18 from 7,5 on" in text


# -- kinds of images ----------------------------------------------------------------------


def shown(page, path, *options):
    text, pictures = page(path, "--kernel", "nearest", "--kernel", "box", *options, scale=1)
    return text, pictures["nearest"]


def test_sixteen_bits_are_shown_with_eight(page, tmp_path, rgb):
    path = tmp_path / "a.png"
    deep = np.minimum(rgb.astype(np.uint32) * 257 + 100, 65_535)
    path.write_bytes(png16(deep.astype(np.uint16)))
    text, picture = shown(page, path)
    assert np.array_equal(np.asarray(picture), rgb)
    assert "uint16 is shown with 8 bits: 0 is black, 65535 white" in text


def test_figures_are_of_all_sixteen_bits(page, tmp_path, rgb):
    path, reference = tmp_path / "a.png", tmp_path / "b.png"
    deep = rgb.astype(np.uint16) * 256
    path.write_bytes(png16(deep))
    reference.write_bytes(png16(deep + 1))  # the same in 8 bits
    text, _ = page(path, "--kernel", "nearest", "--reference", reference, scale=1)
    assert f'<td class="number">{20 * np.log10(65_535):.2f}</td>' in text


@pytest.mark.parametrize(
    ("mode", "shown_as"), [("L", "L"), ("LA", "LA"), ("RGBA", "RGBA"), ("1", "L"), ("P", "RGB")]
)
def test_grey_alpha_and_palettes(page, tmp_path, rgb, mode, shown_as):
    path = tmp_path / "a.png"
    image_in(mode, rgb).save(path)
    text, picture = shown(page, path)
    assert picture.mode == shown_as
    assert np.array_equal(np.asarray(picture), np.asarray(image_in(mode, rgb).convert(shown_as)))
    assert ("over a checkerboard" in text) == mode.endswith("A")


def test_floats_and_missing_pixels(page, tmp_path, rgb):
    path = tmp_path / "a.tif"
    pixels = rgb[..., 0].astype(np.float32)
    pixels[3, 4] = np.nan
    tifffile.imwrite(path, pixels)
    text, picture = shown(page, path, "--range", "0,255")
    values = np.asarray(picture)
    assert picture.mode == "LA"
    assert values[3, 4, 1] == 0
    assert (values[..., 1] == 0).sum() == 1
    assert np.array_equal(values[..., 0][values[..., 1] > 0], rgb[..., 0][values[..., 1] > 0])
    assert "missing pixels are shown clear" in text
    text, _ = page(path, "--kernel", "nearest", "--reference", path, "--range", "auto", scale=1)
    assert '<td class="number">∞</td>' in text


def test_missing_values_of_geodata(page, tmp_path):
    pixels = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    pixels[:5] = 7
    path = write_geotiff(tmp_path / "g.tif", pixels, *keys(), nodata="7")
    _, picture = shown(page, path)
    assert (np.asarray(picture)[:5, :, 1] == 0).all()
    assert (np.asarray(picture)[5:, :, 1] == 255).all()


def test_other_channels(page, tmp_path, rgb):
    five = tmp_path / "five.tif"
    tifffile.imwrite(five, np.dstack([rgb, rgb[..., :2]]), photometric="minisblack",
                     planarconfig="contig")  # fmt: skip
    text, picture = shown(page, five)
    assert np.array_equal(np.asarray(picture), rgb)
    assert "of 5 channels the first three as red, green and blue are shown" in text
    cmyk = tmp_path / "cmyk.tif"
    Image.fromarray(rgb).convert("CMYK").save(cmyk)
    text, picture = shown(page, cmyk)
    assert np.array_equal(np.asarray(picture), rgb)
    assert "CMYK is shown as RGB" in text


def test_cielab_is_shown_and_measured_as_srgb(page, tmp_path, run, rgb):
    lab, plain = tmp_path / "lab.tif", tmp_path / "plain.png"
    tifffile.imwrite(lab, np.dstack([rgb[..., 0], np.full((24, 30, 2), 128)]).astype(np.uint8),
                     photometric="cielab")  # fmt: skip
    run("resize", lab, "-o", plain, "--scale", 1)  # PNG has no CIELAB: it becomes sRGB
    text, picture = shown(page, lab, "--reference", plain)
    assert picture.mode == "RGB"
    assert np.array_equal(np.asarray(picture), np.asarray(Image.open(plain)))
    assert "CIELAB is shown as sRGB" in text
    assert text.count('<td class="number">∞</td>') == 4  # nearest and box, of all and of luma


def test_channels_that_are_no_colours_have_no_luma(page, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((20, 20, 2), np.uint8), photometric="minisblack",
                     planarconfig="contig", extrasamples=["unspecified"])  # fmt: skip
    text, _ = shown(page, path, "--reference", path)
    assert '∞</td><td class="number">–</td><td class="number">–' in text  # noqa: RUF001


def test_another_profile_is_told(page, tmp_path, rgb):
    reference, path = tmp_path / "b.png", tmp_path / "a.png"
    Image.fromarray(rgb).save(path)
    Image.fromarray(rgb).save(reference, icc_profile=icc_profile())
    text, _ = shown(page, path, "--reference", reference)
    assert "the reference has another colour profile" in text


def test_profiles_stay_with_the_pictures(page, tmp_path, rgb):
    path = tmp_path / "a.png"
    Image.fromarray(rgb).save(path, icc_profile=icc_profile(), exif=Image.Exif().tobytes())
    text, picture = shown(page, path)
    assert picture.info["icc_profile"] == icc_profile()
    assert "exif" not in picture.info
    assert "browsers show colours by it" in text


def test_the_first_of_several_frames(page, tmp_path, rgb):
    path = tmp_path / "a.webp"
    frames = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    text, picture = shown(page, path)
    assert np.array_equal(np.asarray(picture.convert("RGB")), rgb)
    assert "the first of 2 frames" in text


# -- errors -------------------------------------------------------------------------------


def lines_of(run, source, output, *options, code):
    return run("compare", source, "-o", output, *options, code=code).output.splitlines()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scale", 2], "nothing to compare: name two or more"),
        (["--scale", 2, "--bank", "lerf-p"], "nothing to compare"),
        (["--scale", 2, "--bank", "lerf-p", "--bank", "lerf-p"], "nothing to compare"),
        (TWO, "exactly one of --scale, --size"),
        ([*TWO, "--scale", 2, "--front-device", "cpu"], "--front-device goes with --front"),
        ([*TWO, "--scale", 2, "--bank", "none-such"], "none-such"),
        ([*TWO, "--scale", 2, "--kernel", "none-such"], "none-such"),
        ([*TWO, "--scale", 2, "--crop", "1,1,0x5"], "at least 1 pixel"),
    ],
)  # fmt: skip
def test_wrong_usage(run, source, tmp_path, options, words):
    text = "\n".join(lines_of(run, source, tmp_path / "p.html", *options, code=2))
    assert words in text
    assert not (tmp_path / "p.html").exists()


def test_the_page_is_named_as_one_and_not_replaced(run, source, tmp_path):
    options = [*TWO, "--scale", 2]
    assert "name it .html" in lines_of(run, source, tmp_path / "p.png", *options, code=2)[-1]
    (tmp_path / "p.html").write_text("mine")
    assert "give --overwrite" in lines_of(run, source, tmp_path / "p.html", *options, code=2)[-1]
    assert (tmp_path / "p.html").read_text() == "mine"


def test_bad_files_take_one_line(run, source, tmp_path, rgb):
    page, options = tmp_path / "p.html", [*TWO, "--scale", 2]
    (tmp_path / "bad.png").write_text("no image")
    np.save(tmp_path / "a.npy", rgb)
    tifffile.imwrite(tmp_path / "labels.tif", np.zeros((9, 9), np.int32))
    Image.fromarray(rgb).save(tmp_path / "same.png")
    Image.fromarray(np.zeros((48, 60), np.uint8)).save(tmp_path / "grey.png")
    none, same, grey = (tmp_path / name for name in ("none.png", "same.png", "grey.png"))
    cases = [
        (none, [], f"Error: {none}: No such file or directory"),
        (tmp_path / "bad.png", [], "not an image of a known format"),
        (tmp_path / "a.npy", [], "is read by regions alone"),
        (tmp_path / "labels.tif", [], "int32 pixels are taken for labels"),
        (source, ["--reference", none], f"Error: {none}: No such file"),
        (source, ["--reference", same], "and the results have 60x48: give --size 30x24"),
        (source, ["--reference", grey], "the reference is grey, and the image RGB"),
        (source, ["--crop", "20,0,11x5"], "reaches out of 30x24 pixels"),
        (source, ["--max-bytes", "2K"], "--max-bytes: show a part with --crop"),
        (source, ["--max-pixels", "2000"], "would become 2,880 pixels"),
    ]  # fmt: skip
    for path, further, words in cases:
        (line,) = lines_of(run, path, page, *options, *further, code=1)
        assert words in line
        assert line.count("Error") == 1
        assert str(tmp_path) in line
        assert not page.exists()


def test_no_warning_of_missing_values(page, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.full((20, 20), np.nan, np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text, _ = page(path, "--kernel", "nearest", "--reference", path, scale=1)
    assert '<td class="number">–</td>' in text  # noqa: RUF001
