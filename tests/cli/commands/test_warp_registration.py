"""`lerf warp --registration`: files of other programs, whole and by tiles."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.elastix_files import write_all
from support.images import noise

import lerf_core
from lerf_core import geometry

SHIFT = """#Insight Transform File V1.0
#Transform 0
Transform: TranslationTransform_double_2_2
Parameters: 3 2
FixedParameters:
"""
LANDMARKS = """"Pt-0","true","10","20","12","21"
"Pt-1","true","80","15","82","18"
"Pt-2","true","70","60","66","61"
"Pt-3","true","12","66","13","62"
"Pt-4","false","1","1","Infinity","Infinity"
"""


@pytest.fixture
def grey(tmp_path):
    """Return a picture and its path."""
    pixels = noise((80, 100), seed=5)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    return tmp_path / "in.png", pixels


@pytest.fixture
def registered(run, tmp_path, grey, pixels):
    """Warp the picture by a registration of a text, and return the output's pixels."""

    def call(text, *options):
        (tmp_path / "registration").write_text(text)
        out = tmp_path / "out.png"
        options = ("--registration", tmp_path / "registration", *options)
        run("warp", grey[0], "-o", out, "--overwrite", *options)
        return pixels(out)

    return call


def test_itk_s_shift_is_where_the_output_comes_from(registered, grey):
    result = registered(SHIFT)
    np.testing.assert_array_equal(result[:-2, :-3], grey[1][2:, 3:])
    result = registered(SHIFT, "--inverse")
    np.testing.assert_array_equal(result[2:, 3:], grey[1][:-2, :-3])


def test_fit_and_size(registered, grey):
    np.testing.assert_array_equal(registered(SHIFT, "--fit"), grey[1])
    assert registered(SHIFT, "--size", "50x").shape == (40, 50)


def test_sizes_and_origins_of_pixels(registered, grey):
    """In pixels of half a unit a shift of 3 is one by 6 of them."""
    result = registered(SHIFT, "--pixel-size", "0.5")
    np.testing.assert_array_equal(result[:-4, :-6], grey[1][4:, 6:])
    result = registered(SHIFT, "--origin", "3,2")
    np.testing.assert_array_equal(result, grey[1])
    result = registered(SHIFT, "--output-origin", "-3,-2")
    np.testing.assert_array_equal(result, grey[1])
    half = registered(SHIFT, "--output-pixel-size", "1,2", "--size", "100x40", "--labels")
    np.testing.assert_array_equal(half[:-1, :-3], grey[1][2::2, 3:])


@pytest.mark.parametrize("tiles", [[], ["--tile", "32"]])
def test_sizes_of_pixels_that_the_input_says(run, tmp_path, grey, tiles):
    """Half a micrometre: a shift of 3 micrometres is one by 6 pixels."""
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.tif"
    metadata = {"axes": "YX", "PhysicalSizeX": 500, "PhysicalSizeXUnit": "nm",
                "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}  # fmt: skip
    tifffile.imwrite(path, grey[1], metadata=metadata)
    (tmp_path / "r").write_text(SHIFT)
    options = ("--registration", tmp_path / "r", "--pixel-size", "um", "--overwrite")
    run("warp", path, "-o", out, *options, *tiles)
    np.testing.assert_array_equal(tifffile.imread(out)[:-4, :-6], grey[1][4:, 6:])
    write_all(tmp_path)
    options = (*options[2:], "--registration", tmp_path / "bspline.txt")
    run("warp", path, "-o", tmp_path / "o.ome.tif", *options, *tiles)
    # Those of the fixed image, by the registration.
    said = json.loads(run("info", tmp_path / "o.ome.tif", "--json").output)["pixel_size"]
    assert {axis: (said[axis]["step"], said[axis]["unit"]) for axis in "XY"} == {
        "X": (0.5, "micrometer"), "Y": (0.8, "micrometer"),
    }  # fmt: skip
    told = run("warp", grey[0], "-o", tmp_path / "o.png", *options, code=1)
    assert "does not say how large its pixels are: --pixel-size micrometer" in told.output


def test_several_are_one_after_the_other(run, tmp_path, grey, pixels):
    """The first takes the output's places, as in antsApplyTransforms; resampled once."""
    scale = SHIFT.replace("TranslationT", "ScaleT").replace("3 2", "2 2")
    for name, text in (("shift", SHIFT), ("scale", scale)):
        (tmp_path / name).write_text(text)
    shift, scale, turned = tmp_path / "shift", tmp_path / "scale", f"[{tmp_path / 'shift'},1]"
    for files, matrix in (
        ((shift, scale), [[2, 0, 6], [0, 2, 4], [0, 0, 1]]),
        ((scale, shift), [[2, 0, 3], [0, 2, 2], [0, 0, 1]]),
        ((scale, turned), [[2, 0, -3], [0, 2, -2], [0, 0, 1]]),
        ((shift, scale, "--inverse"), [[0.5, 0, -3], [0, 0.5, -2], [0, 0, 1]]),
    ):
        words = [w if w == "--inverse" else f"--registration={w}" for w in files]
        run("warp", grey[0], "-o", tmp_path / "o.png", "--overwrite", *words)
        expected = lerf_core.warp(grey[1], np.array(matrix, float))
        np.testing.assert_array_equal(pixels(tmp_path / "o.png"), expected)
    (tmp_path / "m.txt").write_text("1 0 0 0 1 0")
    words = ("--registration", shift, "--registration", tmp_path / "m.txt")
    told = run("warp", grey[0], "-o", tmp_path / "o.png", *words, code=2)
    assert "counts in pixels: it goes with no other" in told.output


def test_landmarks_and_what_is_told_of_them(run, tmp_path, grey, pixels):
    (tmp_path / "l.csv").write_text(LANDMARKS)
    options = ("-o", tmp_path / "o.png", "--overwrite", "--registration", tmp_path / "l.csv")
    told = run("warp", grey[0], *options).output
    assert "note: 4 landmarks (1 switched off), affine: off by" in told
    points = np.array(
        [[float(w) for w in line.replace('"', "").split(",")[2:]] for line in LANDMARKS.split()[:4]]
    )
    forward = geometry.homography_from_points(points[:, :2], points[:, 2:])
    told = run("warp", grey[0], *options, "--transform", "homography").output
    expected = lerf_core.warp(grey[1], geometry.invert(forward))
    assert np.abs(pixels(tmp_path / "o.png").astype(int) - expected).max() <= 1
    told = run("warp", grey[0], *options, "--transform", "thin-plate", "--max-error", "0").output
    assert "met exactly" in told


def test_the_plugin_s_matrix_with_its_size(run, tmp_path, grey, pixels):
    entries = {"matrix": [[1, 0, 4], [0, 1, 5], [0, 0, 1]], "result_size": [110, 90]}
    (tmp_path / "m.json").write_text(json.dumps(entries))
    run("warp", grey[0], "-o", tmp_path / "o.png", "--registration", tmp_path / "m.json")
    result = pixels(tmp_path / "o.png")
    assert result.shape == (90, 110)
    np.testing.assert_array_equal(result[5:85, 4:104], grey[1])


@pytest.mark.parametrize("kind", ["elastix", "field", "thin-plate"])
def test_tiles_are_the_whole_s(run, tmp_path, kind):
    pixels = noise((90, 120), seed=6)
    tifffile.imwrite(tmp_path / "in.tif", pixels, photometric="minisblack")
    options = []
    if kind == "elastix":
        path = write_all(tmp_path)["bspline.txt"]
        options = ["--pixel-size", "0.3", "--origin=1,-3"]
    elif kind == "field":
        path = tmp_path / "f.mha"
        steps = np.random.default_rng(0).normal(0, 1, (100, 130, 2)).astype("<f4")
        head = "NDims = 2\nDimSize = 130 100\nElementNumberOfChannels = 2\nElementType = MET_FLOAT"
        path.write_bytes(f"{head}\nElementDataFile = LOCAL\n".encode() + steps.tobytes())
    else:
        path = tmp_path / "l.csv"
        path.write_text(LANDMARKS)
        options = ["--transform", "thin-plate"]
    whole, tiled = tmp_path / "whole.tif", tmp_path / "tiled.tif"
    for out, way in ((whole, []), (tiled, ["--tile", "32"])):
        run("warp", tmp_path / "in.tif", "-o", out, "--registration", path, *options, *way)
    result = tifffile.imread(whole)
    assert result.shape == {"elastix": (40, 50), "field": (100, 130)}.get(kind, (90, 120))
    assert np.ptp(result) > 100
    np.testing.assert_array_equal(tifffile.imread(tiled), result)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (SHIFT, ["--transform", "rigid"], "rigid is for landmarks"),
        (SHIFT, ["--rotate", "3"], "--registration"),
        (SHIFT, ["--pixel-size", "0"], "sides of a pixel are above 0"),
        (SHIFT.replace("_2_2", "_3_3"), [], "of 3 dimensions"),
        (LANDMARKS, ["--transform", "thin-plate", "--fit"], "it is no matrix, and --fit goes"),
        ("nothing", [], "no registration that is known"),
    ],
)
def test_usage(run, tmp_path, grey, text, options, words):
    (tmp_path / "r").write_text(text)
    told = run(
        "warp", grey[0], "-o", tmp_path / "o.png", "--registration", tmp_path / "r", *options,
        code=2,
    ).output  # fmt: skip
    assert words in told


@pytest.mark.parametrize("name", ["transform", "pixel-size", "origin"])
def test_details_go_with_a_registration(run, tmp_path, grey, name):
    value = "rigid" if name == "transform" else "1,1"
    told = run("warp", grey[0], "-o", tmp_path / "o.png", "--rotate", 3, f"--{name}", value, code=2)
    assert f"--{name} goes with --registration" in told.output


def test_an_output_that_would_be_empty(run, tmp_path, grey):
    (tmp_path / "r").write_text(SHIFT)
    told = run(
        "warp", grey[0], "-o", tmp_path / "o.png", "--registration", tmp_path / "r",
        "--origin", "5000,0", code=1,
    ).output  # fmt: skip
    assert "nothing of the image of 100 x 80 pixels would show" in told
    assert not (tmp_path / "o.png").exists()


def test_a_registration_as_matrix_is_told(run, tmp_path, grey):
    (tmp_path / "r").write_text(SHIFT)
    told = run("warp", grey[0], "-o", tmp_path / "o.png", "--matrix", tmp_path / "r", code=2)
    assert "goes with --registration" in told.output
