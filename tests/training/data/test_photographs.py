"""What is found in a folder, what is left out and why, and which side an image falls on."""

import shutil

import numpy as np
import pytest
import tifffile
from lerf_training.data import photographs
from lerf_training.data.photographs import Photograph, read_photograph, scan, split
from lerf_training.errors import DatasetError
from PIL import Image


@pytest.fixture
def rgb():
    rows, cols = np.mgrid[:40, :50]
    return np.stack([rows * 6, cols * 5, (rows + cols) * 2], -1).astype(np.uint8)


def grey_rgb(plane):
    return np.repeat(plane[..., None], 3, axis=-1)


# -- formats ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "A.PNG", "a.bmp", "a.tif", "a.TIFF", "a.ppm", "a.tga"])
def test_lossless_rgb_is_read_as_it_is(tmp_path, rgb, name):
    Image.fromarray(rgb).save(tmp_path / name)
    assert len(scan([tmp_path], 20).photographs) == 1
    np.testing.assert_array_equal(read_photograph(tmp_path / name), rgb)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.JPEG"])
def test_lossy_rgb_is_read_nearly_as_it_is(tmp_path, rgb, name):
    Image.fromarray(rgb).save(tmp_path / name, quality=95)
    assert np.abs(read_photograph(tmp_path / name).astype(int) - rgb).mean() < 4


def test_grey_is_repeated_and_alpha_left_out(tmp_path, rgb):
    path = tmp_path / "a.png"
    grey = rgb[..., 1]
    alpha = rgb[..., :1]
    Image.fromarray(grey).save(path)
    np.testing.assert_array_equal(read_photograph(path), grey_rgb(grey))
    Image.fromarray(np.dstack([rgb, alpha])).save(path)
    np.testing.assert_array_equal(read_photograph(path), rgb)
    Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha[..., 0])]).save(path)
    np.testing.assert_array_equal(read_photograph(path), grey_rgb(grey))


def test_deep_images_are_rounded_to_bytes(tmp_path, rgb):
    grey = rgb[..., 1]
    deep = grey.astype(np.uint16) * 257 + 100
    Image.fromarray(deep).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_photograph(tmp_path / "a.png"), grey_rgb(grey))
    tifffile.imwrite(tmp_path / "a.tif", rgb.astype(np.uint16) * 257, photometric="rgb")
    np.testing.assert_array_equal(read_photograph(tmp_path / "a.tif"), rgb)
    tifffile.imwrite(tmp_path / "b.tif", (rgb / 255).astype(np.float32), photometric="rgb")
    np.testing.assert_array_equal(read_photograph(tmp_path / "b.tif"), rgb)


@pytest.mark.parametrize("value", [1.5, -0.1, np.nan, np.inf])
def test_float_images_beyond_their_range_are_refused(tmp_path, value):
    pixels = np.full((40, 40), 0.5, np.float32)
    pixels[3, 4] = value
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    with pytest.raises(DatasetError, match=r"a\.tif: float images must lie in 0\.\.1"):
        read_photograph(tmp_path / "a.tif")


def test_palettes_and_one_bit_images_are_turned_into_colours(tmp_path, rgb):
    few = (rgb // 64) * 64
    palette = Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    wanted = np.asarray(palette.convert("RGB"))
    for name in ("a.gif", "a.png", "a.tif"):
        palette.save(tmp_path / name)
        np.testing.assert_array_equal(read_photograph(tmp_path / name), wanted)
    bits = rgb[..., 0] > 100
    Image.fromarray(bits).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(
        read_photograph(tmp_path / "bits.png"), grey_rgb(bits.astype(np.uint8) * 255)
    )


def test_of_several_images_the_first_is_taken(tmp_path, rgb):
    frames = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_photograph(tmp_path / "a.tif"), rgb)
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    np.testing.assert_array_equal(read_photograph(tmp_path / "a.webp"), rgb)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_orientation_is_applied(tmp_path, rgb, name):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise by a quarter
    options = {"quality": 98} if name.endswith("jpg") else {}
    Image.fromarray(rgb).save(tmp_path / name, exif=exif, **options)
    read = read_photograph(tmp_path / name)
    assert read.shape == (50, 40, 3)
    assert np.abs(read.astype(int) - np.rot90(rgb, -1)).mean() < 4


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_compressed_tiff_is_read(tmp_path, rgb, compression):
    Image.fromarray(rgb).save(tmp_path / "a.tif", compression=compression)
    assert np.abs(read_photograph(tmp_path / "a.tif").astype(int) - rgb).mean() < 4


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk_is_turned_into_colours(tmp_path, rgb, name):
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / name)
    assert np.abs(read_photograph(tmp_path / name).astype(int) - rgb).mean() < 8


def test_huge_images_are_cut_to_their_middle(tmp_path, rgb, monkeypatch):
    monkeypatch.setattr(photographs, "MAX_PIXELS", 500)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    read = read_photograph(tmp_path / "a.png")
    rows, cols = read.shape[:2]
    assert 440 < rows * cols <= 500
    assert rows / cols == pytest.approx(40 / 50, abs=0.1)
    np.testing.assert_array_equal(
        read, rgb[(40 - rows) // 2 : (40 + rows) // 2, (50 - cols) // 2 : (50 - cols) // 2 + cols]
    )
    found = scan([tmp_path], 10).photographs[0]
    assert (found.rows, found.cols) == (rows, cols)


# -- folders ------------------------------------------------------------------------


def test_files_that_cannot_be_used_are_skipped_with_a_reason(tmp_path, make_photographs):
    folder = make_photographs(2)
    (folder / "deeper").mkdir()
    shutil.copy(folder / "0.png", folder / "deeper" / "twin.png")
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("no image")
    whole = (folder / "1.png").read_bytes()
    (folder / "truncated.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (30, 90)).save(folder / "narrow.png")
    (folder / "notes.txt").write_text("not looked at")
    found = scan([folder], 40)
    assert [one.path.name for one in found.photographs] == ["0.png", "1.png"]
    reasons = {one.path.name: one.reason for one in found.skipped}
    assert reasons.keys() == {"twin.png", "empty.png", "text.jpg", "truncated.png", "narrow.png"}
    assert "30x90 pixels; at least 40x40" in reasons["narrow.png"]
    assert "the same file as" in reasons["twin.png"]
    assert all("\n" not in reason and name in reason for name, reason in reasons.items())


def test_a_truncated_jpeg_is_skipped(tmp_path, make_photographs):
    folder = make_photographs(2)
    with Image.open(folder / "1.png") as image:
        image.save(folder / "whole.jpg", quality=90)
    data = (folder / "whole.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    assert [one.path.name for one in scan([folder], 40).skipped] == ["cut.jpg"]


def test_subfolders_and_single_files_are_found_once(make_photographs):
    folder = make_photographs(3)
    deeper = make_photographs(2, "photos/deeper", start=7)
    found = scan([folder, deeper, folder / "0.png"], 40)
    assert len(found.photographs) == 5
    assert not found.skipped


def test_nothing_to_train_on_is_an_error(tmp_path, make_photographs):
    with pytest.raises(DatasetError, match="nowhere is no folder"):
        scan([tmp_path / "nowhere"], 40)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="there are no image files"):
        scan([tmp_path / "empty"], 40)
    with pytest.raises(DatasetError, match=r"all 2 files were skipped; the first: .*pixels"):
        scan([make_photographs(2)], 400)


def test_fingerprint_is_that_of_the_files_bytes(tmp_path, make_photographs):
    one = make_photographs(3)
    other = tmp_path / "renamed"
    (other / "a").mkdir(parents=True)
    for number, name in enumerate(["z.png", "a/m.png", "b.png"]):
        shutil.copy(one / f"{number}.png", other / name)
    assert scan([one], 40).fingerprint == scan([other], 40).fingerprint
    (other / "b.png").unlink()
    assert scan([one], 40).fingerprint != scan([other], 40).fingerprint


# -- the two sides ------------------------------------------------------------------


def fake(*numbers):
    import hashlib

    return tuple(
        Photograph(None, 9, 9, hashlib.sha256(bytes([number])).hexdigest()) for number in numbers
    )


def test_nothing_is_shared_between_the_sides():
    images = fake(*range(20))
    train, held = split(images, 6)
    assert len(held) == 6
    assert {*train, *held} == {*images}
    assert not {*train} & {*held}
    assert split(images, 0) == (images, ())


def test_sides_do_not_depend_on_order_or_name():
    images = fake(*range(20))
    mixed = tuple(reversed(images))
    assert {*split(images, 6)[1]} == {*split(mixed, 6)[1]}


def test_added_images_move_only_what_they_displace():
    before = {*split(fake(*range(20)), 5)[1]}
    added = fake(20, 21)
    after = {*split(fake(*range(22)), 5)[1]}
    assert len(before - after) == len(after - before) <= 2
    assert after - before <= {*added}


@pytest.mark.parametrize("held", [-1, 3, 9])
def test_something_must_be_left_to_train_on(held):
    with pytest.raises(DatasetError, match=f"{held} of 3 images"):
        split(fake(1, 2, 3), held)
