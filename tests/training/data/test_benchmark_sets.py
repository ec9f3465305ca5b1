"""Finding the files of benchmark sets."""

import numpy as np
import pytest
from lerf_training.data.benchmark_sets import find_scale_pairs, find_warp_pairs, format_scale
from lerf_training.errors import DatasetError
from PIL import Image


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def noise(rows, cols, channels=3, seed=0):
    shape = (rows, cols) if channels == 1 else (rows, cols, channels)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture
def rr_set(tmp_path):
    folder = tmp_path / "bench" / "SetA"
    for name in ("b", "a"):
        save(folder / "HR" / f"{name}.png", noise(24, 30))
        save(folder / "LR_bicubic" / "rrLR_X2.00_2.00" / f"{name}.png", noise(12, 15))
        save(folder / "LR_bicubic" / "rrLR_X2.00_1.50" / f"{name}.png", noise(12, 20))
        save(folder / "LR_bicubic" / "rrLR_X10.00_10.00" / f"{name}.png", noise(3, 3))
    return folder


@pytest.fixture
def srf_set(tmp_path):
    folder = tmp_path / "srf" / "SetB"
    for scale in (2, 3):
        for number in (1, 2):
            stem = folder / f"image_SRF_{scale}" / f"img_{number:03}_SRF_{scale}"
            save(stem.with_name(f"{stem.name}_HR.png"), noise(12 * scale, 14 * scale))
            save(stem.with_name(f"{stem.name}_LR.png"), noise(12, 14))
    return folder


def test_rr_layout(rr_set):
    pairs = find_scale_pairs(rr_set)
    assert [pair.scale for pair in pairs[::2]] == [(2.0, 1.5), (2.0, 2.0), (10.0, 10.0)]
    assert [pair.name for pair in pairs[:2]] == ["a", "b"]
    first = pairs[0]
    assert first.dataset == "bench/SetA"
    assert first.high == rr_set / "HR" / "a.png"
    assert first.low == rr_set / "LR_bicubic" / "rrLR_X2.00_1.50" / "a.png"


def test_srf_layout(srf_set):
    pairs = find_scale_pairs(srf_set)
    assert [(pair.scale[0], pair.name) for pair in pairs] == [
        (2.0, "img_001"),
        (2.0, "img_002"),
        (3.0, "img_001"),
        (3.0, "img_002"),
    ]
    assert pairs[2].high.name == "img_001_SRF_3_HR.png"
    assert pairs[2].low.name == "img_001_SRF_3_LR.png"


def test_a_folder_of_sets(rr_set, srf_set):
    (srf_set.parent / "Empty").mkdir()
    (srf_set.parent / "notes.txt").write_text("x")
    assert find_scale_pairs(srf_set.parent) == find_scale_pairs(srf_set)


def test_chosen_scales_come_in_the_order_asked_for(srf_set):
    pairs = find_scale_pairs(srf_set, [(3.0, 3.0), (2.0, 2.0)])
    assert [pair.scale[0] for pair in pairs] == [3.0, 3.0, 2.0, 2.0]


def test_a_scale_without_files_is_made_from_hr(srf_set, rr_set):
    made = find_scale_pairs(srf_set, [(4.0, 4.0), (2.0, 2.0)])
    assert [(pair.scale[0], pair.name, pair.degradation) for pair in made] == [
        (4.0, "img_001", "bicubic"),
        (4.0, "img_002", "bicubic"),
        (2.0, "img_001", "files"),
        (2.0, "img_002", "files"),
    ]
    # The least cropped of the set's versions.
    assert made[0].high.name == "img_001_SRF_2_HR.png"
    assert made[0].low is None
    made = find_scale_pairs(rr_set, [(1.5, 2.0)])
    assert [(pair.high, pair.low) for pair in made] == [
        (rr_set / "HR" / "a.png", None),
        (rr_set / "HR" / "b.png", None),
    ]


def test_inputs_can_be_made_in_spite_of_files(srf_set):
    pairs = find_scale_pairs(srf_set, make_inputs=True)
    assert [(pair.scale[0], pair.low) for pair in pairs] == [(2.0, None)] * 2 + [(3.0, None)] * 2


def test_a_folder_of_images_is_a_set(tmp_path):
    folder = tmp_path / "photos"
    for name in ("b.png", "a.png", "a.bmp", ".hidden.png"):
        save(folder / name, noise(4, 4))
    (folder / "notes.txt").write_text("x")
    pairs = find_scale_pairs(folder)
    assert [(pair.scale, pair.name) for pair in pairs] == [
        ((float(scale), float(scale)), name)
        for scale in (2, 3, 4)
        for name in ("a.bmp", "a.png", "b")
    ]
    assert {pair.dataset for pair in pairs} == {f"{tmp_path.name}/photos"}
    assert {pair.low for pair in pairs} == {None}
    assert find_scale_pairs(tmp_path, [(2.0, 2.0)]) == pairs[:3]


def test_hr_alone_is_a_set(tmp_path):
    save(tmp_path / "SetD" / "HR" / "a.png", noise(4, 4))
    (pair,) = find_scale_pairs(tmp_path / "SetD", [(1.5, 2.0)])
    assert (pair.name, pair.scale, pair.low) == ("a", (1.5, 2.0), None)


def test_stray_pictures_beside_sets_are_no_set(srf_set):
    save(srf_set.parent / "preview.png", noise(4, 4))
    save(srf_set.parent / "plots" / "plot.png", noise(4, 4))
    assert find_scale_pairs(srf_set.parent) == find_scale_pairs(srf_set)


def test_one_scale_of_a_set_is_no_set(rr_set, srf_set):
    for folder in (srf_set / "image_SRF_2", rr_set / "LR_bicubic"):
        with pytest.raises(DatasetError, match="is one scale of a set"):
            find_scale_pairs(folder)


def test_missing_partners_are_named(rr_set, srf_set):
    (rr_set / "HR" / "b.png").unlink()
    with pytest.raises(DatasetError, match=r"b\.png has no image of its name"):
        find_scale_pairs(rr_set)
    (srf_set / "image_SRF_2" / "img_002_SRF_2_HR.png").unlink()
    with pytest.raises(DatasetError, match=r"has no img_002_SRF_2_HR\.png"):
        find_scale_pairs(srf_set)


def test_brackets_in_names_are_literal(tmp_path):
    for part in ("HR", "LR_bicubic/rrLR_X2.00_2.00"):
        save(tmp_path / part / "a[1].png", noise(4, 4))
    assert find_scale_pairs(tmp_path)[0].high.name == "a[1].png"


@pytest.mark.parametrize("find", [find_scale_pairs, find_warp_pairs])
def test_nothing_found(find, tmp_path):
    with pytest.raises(DatasetError, match="holds no benchmark set"):
        find(tmp_path)
    with pytest.raises(DatasetError, match="is not a folder"):
        find(tmp_path / "absent")


def test_warp_layout(tmp_path):
    folder = tmp_path / "bench" / "SetC"
    for part in ("osc", "isc"):
        for name in ("b", "a"):
            save(folder / "HR" / f"{name}.png", noise(4, 4))
            save(folder / part / f"{name}.png", noise(4, 4))
            (folder / part / f"{name}.pth").touch()
    pairs = find_warp_pairs(tmp_path / "bench")
    assert [(pair.part, pair.name) for pair in pairs] == [
        ("isc", "a"),
        ("isc", "b"),
        ("osc", "a"),
        ("osc", "b"),
    ]
    assert pairs[0].source == folder / "isc" / "a.png"

    (folder / "isc" / "a.pth").unlink()
    with pytest.raises(DatasetError, match=r"no \.pth matrix for a"):
        find_warp_pairs(folder)


@pytest.mark.parametrize(
    ("scale", "text"), [((2.0, 2.0), "x2"), ((1.5, 1.5), "x1.5"), ((2.0, 3.5), "x3.5x2")]
)
def test_format_scale(scale, text):
    assert format_scale(scale) == text
