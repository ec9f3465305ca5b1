"""What is found in a folder, what is left out and why, and which side an image falls on."""

import shutil

import numpy as np
import pytest
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


# -- photographs ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "A.PNG", "a.bmp", "a.tif", "a.TIFF", "a.ppm", "a.tga"])
def test_files_of_any_format_are_found(tmp_path, rgb, name):
    Image.fromarray(rgb).save(tmp_path / name)
    (photograph,) = scan([tmp_path], 20).photographs
    np.testing.assert_array_equal(read_photograph(photograph.path), rgb)


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
