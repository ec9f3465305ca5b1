"""`lerf warp`: every way to say where pixels go, against the resampler and against arithmetic."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.images import wide_noise

import lerf_core
from lerf_core import geometry


@pytest.fixture
def source(tmp_path, rgb):
    path = tmp_path / "in.png"
    Image.fromarray(rgb).save(path)
    return path


@pytest.fixture
def warped(run, tmp_path, source, pixels):
    """Run `lerf warp` on the sample, and return the output's pixels."""

    def call(*options):
        out = tmp_path / "out.png"
        run("warp", source, "-o", out, "--overwrite", *options)
        return pixels(out)

    return call


MATRIX = "1 0.1 2  -0.05 1.1 1  0.001 0 1"


def test_a_matrix_is_forward_unless_inverse(warped, rgb):
    forward = np.array(MATRIX.split(), float).reshape(3, 3)
    expected = lerf_core.warp(rgb, geometry.invert(forward), channel_axis=2)
    np.testing.assert_array_equal(warped("--matrix", MATRIX), expected)
    expected = lerf_core.warp(rgb, forward, channel_axis=2)
    np.testing.assert_array_equal(warped("--matrix", MATRIX, "--inverse"), expected)


def test_a_shift_goes_to_the_right_and_down(warped, rgb):
    result = warped("--matrix", "1 0 3  0 1 2  0 0 1", "--labels")
    np.testing.assert_array_equal(result[2:, 3:], rgb[:-2, :-3])
    assert not result[:2].any()
    assert not result[:, :3].any()


def test_a_matrix_file(warped, tmp_path):
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"matrix": [float(one) for one in MATRIX.split()]}))
    np.testing.assert_array_equal(warped("--matrix", path), warped("--matrix", MATRIX))


def test_corners_say_where_the_image_goes(warped, rgb):
    mirrored = warped("--corners", "13,0 0,0 0,9 13,9", "--labels")
    np.testing.assert_array_equal(mirrored, rgb[:, ::-1])
    result = warped("--corners", "1,1 12,0 13,9 0,8")
    points = np.array([[1, 1], [12, 0], [13, 9], [0, 8]], float)
    inverse = geometry.homography_from_points(points, geometry.corners((10, 14)))
    expected = lerf_core.warp(rgb, inverse, channel_axis=2)
    assert np.abs(result.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_are_exact_and_counter_clockwise(warped, rgb, turns):
    result = warped("--rotate", 90 * turns, "--fit", "--labels")
    np.testing.assert_array_equal(result, np.rot90(rgb, turns))


def test_rotation_keeps_the_size_by_default_and_fits_on_request(warped, rgb):
    assert warped("--rotate", 30).shape == rgb.shape
    rows, cols = warped("--rotate", 30, "--fit").shape[:2]
    assert (rows, cols) == (
        int(np.ceil(10 * np.cos(np.pi / 6) + 14 * 0.5)),
        int(np.ceil(14 * np.cos(np.pi / 6) + 10 * 0.5)),
    )


def test_turns_and_slants_stay_centred_in_another_size(warped, rgb):
    for options in (["--rotate", "0"], ["--shear", "0"]):
        result = warped(*options, "--size", "18x16", "--labels")
        np.testing.assert_array_equal(result[3:13, 2:16], rgb)
    result = warped("--matrix", "1 0 0 0 1 0", "--size", "18x16", "--labels")
    np.testing.assert_array_equal(result[:10, :14], rgb)


def test_shear_slides_rows_along_x(warped, rgb):
    result = warped("--shear", "45", "--fit", "--labels")
    assert result.shape[0] == 10
    # A row further down lies one pixel further along x.
    starts = [np.flatnonzero(row.any(axis=1))[0] for row in result]
    assert set(np.diff(starts)) == {1}
    np.testing.assert_array_equal(warped("--shear", "20"), warped("--shear", "20,0"))
    assert (warped("--shear", "0,20") != warped("--shear", "20")).any()


@pytest.mark.parametrize("suffix", ["npy", "tif"])
@pytest.mark.parametrize("order", ["rc", "xy"])
@pytest.mark.parametrize("kind", ["displacement", "absolute"])
def test_fields(warped, tmp_path, rgb, suffix, order, kind):
    field = np.zeros((2, 8, 11))
    field[0], field[1] = 1, 2
    if kind == "absolute":
        field += np.mgrid[:8, :11]
    stored = np.ascontiguousarray(field[::-1] if order == "xy" else field)
    path = tmp_path / f"f.{suffix}"
    if suffix == "npy":
        np.save(path, stored)
    else:
        tifffile.imwrite(path, stored, photometric="minisblack")
    options = ["--field", path, "--field-kind", kind, "--field-order", order, "--labels"]
    np.testing.assert_array_equal(warped(*options), rgb[1:9, 2:13])


def test_fit_holds_the_whole_image(warped, rgb):
    result = warped("--matrix", "1 0 -40  0 1 -30  0 0 1", "--fit", "--labels")
    np.testing.assert_array_equal(result, rgb)


@pytest.mark.parametrize(("mode", "with_alpha"), [("L", "LA"), ("RGB", "RGBA"), ("RGBA", "RGBA")])
def test_transparent_border(run, tmp_path, rgb, mode, with_alpha):
    path, out = tmp_path / "m.png", tmp_path / "o.png"
    Image.fromarray(rgb).convert(mode).save(path)
    run("warp", path, "-o", out, "--rotate", 45, "--fit", "--border", "transparent")
    with Image.open(out) as image:
        assert image.mode == with_alpha
        alpha = np.asarray(image)[..., -1]
    assert alpha[0, 0] == 0
    assert alpha[alpha.shape[0] // 2, alpha.shape[1] // 2] == 255


def test_transparent_border_needs_a_format_with_alpha(run, tmp_path, source):
    text = run(
        "warp", source, "-o", tmp_path / "o.jpg", "--rotate", 9, "--border", "transparent", code=1
    ).output
    assert "--background" in text
    run(
        "warp", source, "-o", tmp_path / "o.jpg", "--rotate", 45, "--fit",
        "--border", "transparent", "--background", "white",
    )  # fmt: skip
    with Image.open(tmp_path / "o.jpg") as image:
        assert min(image.getpixel((0, 0))) > 240


def test_transparent_border_refuses_cmyk(run, tmp_path, rgb):
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / "c.tif")
    text = run(
        "warp", tmp_path / "c.tif", "-o", tmp_path / "o.tif", "--rotate", 9,
        "--border", "transparent", code=1,
    ).output  # fmt: skip
    assert "needs grey or RGB" in text


@pytest.mark.parametrize("cval", ["200", "10,20,30"])
def test_cval_fills_the_outside(warped, cval):
    result = warped("--matrix", "1 0 8  0 1 0  0 0 1", "--cval", cval, "--border", "constant")
    expected = [int(one) for one in cval.split(",")]
    assert (result[:, :6] == expected).all()


def test_cval_of_colours_alone_is_opaque(run, tmp_path, rgb, pixels):
    Image.fromarray(rgb).convert("RGBA").save(tmp_path / "in.png")
    out = tmp_path / "o.png"
    run("warp", tmp_path / "in.png", "-o", out, "--rotate", "-30", "--cval", "10,20,30", "--fit")
    assert pixels(out)[0, 0].tolist() == [10, 20, 30, 255]


def test_the_outside_of_floats_can_be_nan(run, tmp_path, rng):
    tifffile.imwrite(tmp_path / "in.tif", rng.uniform(0, 1, (9, 9)).astype(np.float32))
    out = tmp_path / "o.tif"
    run("warp", tmp_path / "in.tif", "-o", out, "--rotate", "45", "--fit", "--cval", "nan")
    result = tifffile.imread(out)
    assert np.isnan(result[0, 0])
    assert np.isfinite(result[6, 6])


def test_cval_has_to_fit(run, tmp_path, source):
    text = run("warp", source, "-o", tmp_path / "o.png", "--rotate", 5, "--cval", "nan", code=1)
    assert "--cval nan does not fit uint8" in text.output
    for cval in ("1,2", "256", "-1"):
        run("warp", source, "-o", tmp_path / "o.png", "--rotate", 3, f"--cval={cval}", code=1)


@pytest.mark.parametrize("border", ["edge", "reflect", "symmetric", "wrap"])
def test_borders_reach_the_resampler(warped, rgb, border):
    matrix = geometry.invert(geometry.rotation(20, (10, 14)))
    expected = lerf_core.warp(rgb, matrix, channel_axis=2, mode=border)
    np.testing.assert_array_equal(warped("--rotate", 20, "--border", border), expected)


def test_beyond_the_horizon(run, tmp_path, source):
    matrix = "1 0 0  0 1 0  0.2 0 -1"
    run("warp", source, "-o", tmp_path / "a.png", "--matrix", matrix, "--border", "transparent")
    text = run("warp", source, "-o", tmp_path / "b.png", "--matrix", matrix, "--fit", code=1).output
    assert "horizon" in text


def test_an_extreme_matrix_is_an_error_before_allocation(run, tmp_path, source):
    text = run(
        "warp",
        source,
        "-o",
        tmp_path / "o.png",
        "--matrix",
        "1e6 0 0 0 1e6 0 0 0 1",
        "--fit",
        code=1,
    ).output
    assert "would become 140,000,000,000,000 pixels" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "exactly one of --matrix, --corners, --rotate, --shear, --field"),
        (["--rotate", "1", "--shear", "2"], "exactly one of"),
        (["--rotate", "1", "--inverse"], "--inverse goes with --matrix"),
        (["--rotate", "1", "--fit", "--size", "5x5"], "exclude each other"),
        (["--rotate", "nan"], "nan"),
        (["--rotate", "1", "--field-order", "xy"], "--field-order goes with --field"),
        (["--matrix", "1 2 3"], "9 numbers"),
        (["--matrix", "0 0 0 0 0 0 0 0 0"], "singular"),
        (["--matrix", "nan 0 0 0 1 0 0 0 1"], "finite"),
        (["--matrix", "nowhere.npy"], "No such file"),
        (["--corners", "0,0 1,1 2,2 3,3"], "do not fix"),
        (["--corners", "0,0 1,1"], "not four points"),
        (["--shear", "90"], "89.9"),
        (["--shear", "1,2,3"], "instead of 1 or 2"),
        (["--field", "nowhere.npy"], "No such file"),
    ],
)
def test_wrong_usage(run, tmp_path, source, options, words):
    assert words in run("warp", source, "-o", tmp_path / "o.png", *options, code=2).output
    assert not (tmp_path / "o.png").exists()


def test_dry_run_shows_the_fitted_size(run, tmp_path, source):
    text = run(
        "warp", source, "-o", tmp_path / "o.png", "--rotate", 90, "--fit", "--dry-run"
    ).stdout
    assert text.strip() == f"{source} 14x10 -> {tmp_path}/o.png 10x14 PNG"


def test_the_benchmarks_matrix_reads_and_warps(run, tmp_path, shared_data):
    pytest.importorskip("torch")
    folder = shared_data / "bench" / "WarpBenchmark" / "Set5"
    run(
        "warp", folder / "isc" / "bird.png", "-o", tmp_path / "o.png",
        "--matrix", folder / "isc" / "bird.pth",
    )  # fmt: skip
    assert (tmp_path / "o.png").is_file()


@pytest.mark.parametrize("tiles", [[], ["--tile", "16"]])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--rotate", "0"], lambda image: image),
        (["--rotate", "360"], lambda image: image),
        (["--rotate", "90", "--fit"], np.rot90),
        (["--rotate", "-90", "--fit"], lambda image: np.rot90(image, 3)),
        (["--rotate", "180"], lambda image: np.rot90(image, 2)),
        (["--shear", "0"], lambda image: image),
        (["--corners", "0,0 40,0 40,29 0,29"], lambda image: image),
        (["--corners", "40,0 0,0 0,29 40,29"], lambda image: image[:, ::-1]),
        (["--matrix", "0 1 0 1 0 0 0 0 1", "--size", "30x41"], lambda image: image.swapaxes(0, 1)),
        (["--matrix", "1 0 5 0 1 0 0 0 1", "--border", "edge"], None),
        (["--field", "still.npy"], lambda image: image),
        (["--field", "columns.npy", "--field-kind", "absolute"], lambda image: image[:, ::-1]),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_whole_pixels_are_copied(run, tmp_path, monkeypatch, dtype, options, expected, tiles):
    monkeypatch.chdir(tmp_path)
    image = wide_noise((30, 41, 3), dtype, 7)
    tifffile.imwrite("in.tif", image, photometric="rgb", tile=(16, 16))
    np.save("still.npy", np.zeros((2, 30, 41), np.float32))
    np.save("columns.npy", np.mgrid[:30, :41][:, :, ::-1].astype(np.float32))
    run("warp", "in.tif", "-o", "out.tif", *options, *tiles)
    out = tifffile.imread("out.tif")
    if expected is None:
        np.testing.assert_array_equal(out[:, 5:], image[:, :-5])
        assert (out[:, :5] == image[:, :1]).all()
    else:
        np.testing.assert_array_equal(out, expected(image))
    assert out.dtype == image.dtype


@pytest.mark.parametrize("tiles", [[], ["--tile", "16"]])
@pytest.mark.parametrize("options", [["--scale", "1"], ["--size", "41x30"]])
def test_a_resize_to_the_same_size_copies(run, tmp_path, monkeypatch, options, tiles):
    monkeypatch.chdir(tmp_path)
    image = wide_noise((30, 41, 4), "uint16", 7)
    tifffile.imwrite("in.tif", image, photometric="rgb", extrasamples=["unassalpha"], tile=(16, 16))
    run("resize", "in.tif", "-o", "out.tif", *options, *tiles)
    np.testing.assert_array_equal(tifffile.imread("out.tif"), image)
