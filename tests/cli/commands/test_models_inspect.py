"""`lerf models inspect`."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

import lerf_core
from lerf_cli.figures import inspection, sheets
from lerf_core.bank import LOCAL_PLANE
from lerf_core.inspection import Slopes


@pytest.fixture
def photo(tmp_path, rgb):
    path = tmp_path / "photo.png"
    Image.fromarray(np.tile(rgb, (3, 3, 1))).save(path)  # 42x30
    return path


@pytest.fixture
def linear(tmp_path, random_banks):
    path = tmp_path / "linear.safetensors"
    random_banks[1].save(path)
    return path


def opened(path):
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        return image


def test_the_sheet_of_a_bank(run, tmp_path):
    run("models", "inspect", "analytic", "-o", tmp_path / "sheet.png")
    assert opened(tmp_path / "sheet.png").width > 1000
    run("models", "inspect", "analytic", "-o", f"{tmp_path}/out/", "--separate")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"analytic_tables.png", "analytic_stage1.png", "analytic_stage2.png"}


def test_the_sheet_of_an_image(run, tmp_path, photo):
    run("models", "inspect", "analytic", photo, "-o", tmp_path / "maps.png", "--separate")
    maps = ("image", "feature", "change", "rho", "sigma_row", "sigma_col", "ellipses")
    for name in ("maps", *(f"maps_{one}" for one in maps)):
        opened(tmp_path / f"{name}.png")


@pytest.fixture
def leaning(tmp_path, make_random_bank):
    path = tmp_path / "leaning.safetensors"
    make_random_bank("lerf-p").save(path)
    return path


def test_a_bank_of_planes(run, tmp_path, photo, leaning, pixels):
    command = ("models", "inspect", leaning, photo, "-o", f"{tmp_path}/out/", "--separate")
    result = run(*command, "--npz", tmp_path / "o.npz", "--json")
    prefix = "photo_random-lerf-p_"
    names = {path.name.removeprefix(prefix) for path in (tmp_path / "out").iterdir()}
    parameters = {"rho", "sigma_row", "sigma_col", *LOCAL_PLANE}
    expected = {"maps", "image", "feature", "change", "ellipses", "arrows", *parameters}
    assert names == {f"{one}.png" for one in expected}
    assert opened(tmp_path / "out" / f"{prefix}arrows.png").width > 1000
    found = json.loads(result.stdout)["maps"]
    with np.load(tmp_path / "o.npz") as arrays:
        maps = lerf_core.parameter_maps(arrays["image"].astype(np.uint8), bank=str(leaning))
        slopes = lerf_core.inspection.slopes(maps)
        # In levels, unlike the parameters of the functions.
        np.testing.assert_array_equal(arrays["slope_row"], slopes.row)
        np.testing.assert_array_equal(arrays["slope_col"], slopes.col)
        np.testing.assert_array_equal(arrays["slope_magnitude"], slopes.magnitude)
        np.testing.assert_array_equal(arrays["residual"], maps.coefficient("residual"))
        np.testing.assert_array_equal(arrays["rho"], maps.parameters["rho"])
        assert found["slope_row"]["min"] == slopes.row.min() < -1
    run("models", "inspect", leaning, "-o", tmp_path / "tables.png", "--npz", tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz") as arrays:
        assert arrays["stage2.edge_response"].shape == arrays["stage2.response"].shape


def test_a_bank_without_ellipses(run, tmp_path, photo, linear):
    run("models", "inspect", linear, photo, "-o", f"{tmp_path}/out/", "--separate")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    endings = {"maps", "image", "feature", "change", "alpha"}
    assert names == {f"photo_random-lerf-l_{one}.png" for one in endings}
    run("models", "inspect", linear, "-o", tmp_path / "tables.png")


@pytest.mark.parametrize("channel", ["y", "r", "b"])
def test_the_arrays_are_the_parameter_maps(run, tmp_path, photo, linear, channel, pixels):
    out = tmp_path / "maps.npz"
    run("models", "inspect", linear, photo, "--npz", out, "--channel", channel)
    rgb = pixels(photo)
    if channel == "y":
        plane = np.asarray(Image.fromarray(rgb).convert("L"))
    else:
        plane = rgb[..., "rgb".index(channel)]
    with np.load(out) as arrays:
        assert set(arrays) == {"image", "feature", "alpha"}
        assert np.abs(arrays["image"] - plane).max() <= 1
        maps = lerf_core.parameter_maps(arrays["image"].astype(np.uint8), bank=str(linear))
        np.testing.assert_array_equal(arrays["feature"], maps.feature)
        np.testing.assert_array_equal(arrays["alpha"], maps.parameters["alpha"])


def test_statistics(run, photo, linear):
    result = run("models", "inspect", "analytic", photo, "--json", "--crop", "2,3,10x8")
    found = json.loads(result.stdout)
    assert found["shape"] == [30, 42]
    assert found["crop"] == [2, 3, 10, 8]
    assert found["maps"]["sigma_row"]["median"] == pytest.approx(69 / 255)
    assert found["maps"]["major"]["max"] == pytest.approx(255 / 690, rel=0.01)
    tables = json.loads(run("models", "inspect", linear, "--json").stdout)["tables"]
    assert len(tables) == 9
    assert tables[-1]["unvisited"] is None
    alike = json.loads(run("models", "inspect", linear, "--start", linear, "--json").stdout)
    assert {one["unvisited"] for one in alike["tables"]} == {1.0}


def test_tables_as_arrays(run, tmp_path, linear):
    run("models", "inspect", linear, "--npz", tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz") as arrays:
        assert arrays["stage1.s.0.point"].shape == (17, 17, 1)
        assert arrays["stage2.response"].shape == (17, 17, 1)


def test_the_orientation_is_applied(run, tmp_path, rgb, exif):
    Image.fromarray(rgb).save(tmp_path / "turned.jpg", exif=exif)
    found = json.loads(
        run("models", "inspect", "analytic", tmp_path / "turned.jpg", "--json").stdout
    )
    assert found["shape"] == [14, 10]


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "I;16", "P", "F"])
def test_every_kind_of_picture(run, tmp_path, rgb, mode):
    path = tmp_path / ("in.tif" if mode == "F" else "in.png")
    if mode == "I;16":
        Image.fromarray(rgb[..., 0].astype(np.uint16) * 200).save(path)
    elif mode == "F":
        Image.fromarray(rgb[..., 0].astype(np.float32) / 255).save(path)
    else:
        image = Image.fromarray(rgb).convert(mode)
        if mode in {"LA", "RGBA"}:
            alpha = np.zeros(rgb.shape[:2], np.uint8)
            alpha[:, 4:] = 255
            image.putalpha(Image.fromarray(alpha))
        image.save(path)
    run(
        "models", "inspect", "analytic", path, "-o", tmp_path / "o.png", "--npz", tmp_path / "o.npz"
    )
    with np.load(tmp_path / "o.npz") as arrays:
        hidden = np.isnan(arrays["rho"])
        assert hidden.any() == (mode in {"LA", "RGBA"})
        assert hidden[:, 4:].sum() == 0


def test_from_a_pipe(run, tmp_path, photo):
    data = photo.read_bytes()
    run("models", "inspect", "analytic", "-", "-o", f"{tmp_path}/", stdin=data)
    opened(tmp_path / "stdin_analytic_maps.png")


def test_nothing_is_overwritten_unasked(run, tmp_path, photo):
    before = photo.read_bytes()
    target = tmp_path / "o.png"
    target.write_bytes(b"mine")
    assert "--overwrite" in run("models", "inspect", "analytic", "-o", target, code=2).output
    (tmp_path / "o.npz").write_bytes(b"mine")
    run("models", "inspect", "analytic", photo, "--npz", tmp_path / "o.npz", code=2)
    for flag in ([], ["--overwrite"]):
        run("models", "inspect", "analytic", photo, "-o", photo, *flag, code=2)
    assert photo.read_bytes() == before
    assert target.read_bytes() == b"mine"
    run("models", "inspect", "analytic", "-o", target, "--overwrite")
    opened(target)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give -o, --npz or --json"),
        (["-o", "o.jpg"], ".png"),
        (["-o", "-"], ".png"),
        (["--npz", "o.zip"], ".npz"),
        (["--separate", "--json"], "-o"),
        (["--json", "--crop", "0,0,4x4"], "IMAGE"),
        (["--json", "--crop", "0,0,4"], "window"),
        (["IMAGE", "--json", "--crop", "0,0,900x4"], "160"),
        (["IMAGE", "--json", "--crop", "40,0,4x4"], "42x30"),
        (["IMAGE", "--json", "--start", "analytic"], "--start"),
    ],
)
def test_wrong_usage(run, photo, arguments, words):
    given = [photo if one == "IMAGE" else one for one in arguments]
    assert words in " ".join(run("models", "inspect", "analytic", *given, code=2).output.split())


def test_failures_are_one_line(run, tmp_path, photo, linear):
    (tmp_path / "bad.png").write_bytes(b"garbage")
    grey = tmp_path / "grey.png"
    Image.new("L", (9, 9)).save(grey)
    for arguments in (
        ["nobody", "--json"],
        ["analytic", tmp_path / "bad.png", "--json"],
        ["analytic", tmp_path / "none.png", "--json"],
        ["analytic", photo, "--json", "--max-pixels", 100],
        ["analytic", grey, "--json", "--channel", "r"],
        [linear, "--start", "analytic", "--json"],
        ["analytic", "-o", grey / "below.png"],
    ):
        assert len(run("models", "inspect", *arguments, code=1).output.splitlines()) == 1


def test_help_is_light():
    code = (
        "import sys; from lerf_cli.commands.models import models; "
        "models(['inspect', '--help'], standalone_mode=False); "
        "sys.exit(bool({'numpy', 'numba', 'PIL', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "lerf models inspect" in done.stdout


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (700, 2)])
def test_odd_shapes(run, tmp_path, leaning, shape):
    Image.new("L", shape[::-1], 77).save(tmp_path / "in.png")
    for bank in ("analytic", leaning):
        run("models", "inspect", bank, tmp_path / "in.png", "-o", f"{tmp_path}/o/", "--separate")


def test_nothing_to_see(run, tmp_path, leaning):
    Image.new("RGBA", (6, 5)).save(tmp_path / "in.png")
    run("models", "inspect", leaning, tmp_path / "in.png", "-o", f"{tmp_path}/o/", "--separate")
    out = tmp_path / "o.png"
    found = run("models", "inspect", "analytic", tmp_path / "in.png", "-o", out, "--json").stdout
    assert json.loads(found)["maps"]["rho"] == {"min": None, "median": None, "max": None}
    pixels = np.full((6, 6, 3), 0.5, np.float32)
    pixels[0], pixels[1, :, :2] = np.nan, (np.inf, -np.inf)
    tifffile.imwrite(tmp_path / "in.tif", pixels, photometric="rgb")
    run("models", "inspect", "analytic", tmp_path / "in.tif", "-o", out, "--overwrite")


# -- drawing ----------------------------------------------------------------------


def test_the_busiest_window_holds_the_edges():
    grey = np.zeros((90, 120), np.float32)
    grey[60:80:2, 70:100] = 200
    crop = inspection.busiest_crop(grey, 32)
    assert (crop.width, crop.height) == (32, 32)
    assert crop.x <= 70
    assert crop.x + 32 >= 100
    assert crop.y <= 60
    small = inspection.busiest_crop(grey[:5, :7], 32)
    assert small == inspection.Crop(0, 0, 7, 5)


def test_colours():
    scale = sheets.Scale("diverging", -2, 2)
    painted = scale.paint(np.array([[-9, -2, 0, 2, np.nan]]))[0].tolist()
    assert painted[0] == painted[1] == [5, 48, 97]
    assert painted[2] == [247, 247, 247]
    assert painted[4] == list(sheets.UNKNOWN)
    # A magnitude's lightness rises all the way.
    shades = sheets.Scale("viridis", 0, 1).paint(np.linspace(0, 1, 64)) @ np.array(
        [0.3, 0.59, 0.11]
    )
    assert (np.diff(shades) > 0).all()


def test_the_identity_is_drawn_as_no_change():
    bank = lerf_core.analytic_bank()
    statistics = lerf_core.inspection.table_statistics(bank)
    picture = np.asarray(inspection.stage_picture(bank, 0, statistics))
    # Colours of change are in the bars alone: four, none wider than 24 pixels.
    red = (picture == sheets.Scale("diverging", 0, 1).paint(np.ones(1))).all(axis=2)
    assert red.any()
    assert red.sum(axis=1).max() <= 3 * 24


def test_an_ellipse_lies_where_it_points():
    grey = np.full((3, 3), 255, np.float32)
    values = {name: np.full((3, 3), np.nan) for name in ("rho", "sigma_row", "sigma_col")}
    for name, value in zip(values, (0.5, 0.5, 0.1), strict=True):
        values[name][1, 1] = value  # one pixel long to either side, a fifth up and down
    picture = np.asarray(inspection.ellipse_picture(grey, lerf_core.inspection.ellipses(values)))
    rows, cols = np.nonzero((picture != 255).any(axis=2))
    zoom = picture.shape[0] / 3
    assert np.ptp(cols) / zoom == pytest.approx(2, abs=0.03)
    assert np.ptp(rows) / zoom == pytest.approx(0.4, abs=0.03)
    assert rows.mean() / zoom == pytest.approx(1.5, abs=0.01)


def marks(picture, shape):
    """Where something is drawn on a white crop: (row, col) in pixels of the crop."""
    assert picture.width / shape[1] == picture.height / shape[0]
    drawn = np.argwhere((np.asarray(picture) < 200).any(axis=2)) + 0.5
    return drawn / (picture.width / shape[1])


@pytest.mark.parametrize("row", [-3, 0, 5])
@pytest.mark.parametrize("col", [-4, 0, 4])
def test_an_arrow_goes_from_the_centre_to_where_the_level_rises(row, col):
    lean = Slopes(*np.zeros((2, 3, 3), np.float32))
    lean.row[1, 1], lean.col[1, 1] = row, col
    lean.row[0, 0] = np.nan
    drawn = marks(inspection.arrow_picture(np.full((3, 3), 255, np.float32), lean), (3, 3))
    if row == col == 0:
        assert len(drawn) == 0
        return
    # It is steeper than nearly all pixels: as long as arrows are, just short of a pixel.
    along = np.array([row, col]) / np.hypot(row, col)
    steps = (drawn - 1.5) @ along
    assert steps.max() == pytest.approx(0.92, abs=0.02)
    assert steps.min() == pytest.approx(0, abs=0.05)
    aside = (drawn - 1.5) @ (along[1], -along[0])
    assert np.abs(aside).max() < 0.2
    assert aside.mean() == pytest.approx(0, abs=0.01)
    # The head is at the tip.
    assert np.ptp(aside[steps > 0.5]) > 2 * np.ptp(aside[steps < 0.4])


def test_arrows_are_as_long_as_slopes_are_steep():
    lean = Slopes(*np.zeros((2, 1, 40), np.float32))
    lean.col[0, ::2] = 8
    lean.col[0, [0, 2, 38]] = 2, 4, 60
    assert inspection.longest_arrow(lean) == 8  # the few that are steeper are drawn as long
    grey = np.full((1, 40), 255, np.float32)
    picture = inspection.arrow_picture(grey, lean)
    drawn = marks(picture, grey.shape)[:, 1]
    for pixel, length in ((0, 0.23), (2, 0.46), (4, 0.92), (38, 0.92)):
        tip = drawn[(drawn > pixel) & (drawn < pixel + 2)].max()
        assert tip - (pixel + 0.5) == pytest.approx(length, abs=0.04)
    colours = {pixel: np.asarray(picture)[:, pixel * 31 : (pixel + 1) * 31] for pixel in (4, 38)}
    assert [int(one[..., 0].min()) > 200 for one in colours.values()] == [False, True]
    maps = lerf_core.parameter_maps(np.zeros((1, 40), np.uint8), bank="analytic")
    noted = inspection.arrow_panel(maps, lean, inspection.Crop(0, 0, 40, 1))
    plain = inspection.arrow_panel(maps, Slopes(lean.row, lean.row), inspection.Crop(0, 0, 40, 1))
    assert noted.height > plain.height  # a line more: how many are steeper


@pytest.mark.parametrize("rise", [(4, 0), (0, -4), (-3, 4), (3, 3)])
def test_arrows_on_a_ramp_point_up_the_ramp(rise):
    rows, cols = np.mgrid[:7, :7]
    ramp = 120 + rise[0] * rows + rise[1] * cols
    lean = Slopes(*map(np.float32, np.gradient(ramp)))
    away = (rows % 2 == 1) | (cols % 2 == 1)  # every other pixel's, so that none overlap
    lean.row[away] = lean.col[away] = 0
    picture = inspection.arrow_picture(np.full(ramp.shape, 255, np.float32), lean)
    drawn = marks(picture, ramp.shape)
    for pixel in ((2, 2), (2, 4), (4, 2), (4, 4)):
        steps = drawn - pixel - 0.5
        steps = steps[np.abs(steps).max(axis=1) < 1]
        tip = pixel + np.rint(steps[np.hypot(*steps.T).argmax()]).astype(int)
        assert ramp[tuple(tip)] > ramp[pixel]


def test_both_slopes_have_one_scale_about_zero(make_random_bank):
    noise = np.random.default_rng(5).integers(0, 256, (9, 11)).astype(np.uint8)
    maps = lerf_core.parameter_maps(noise, bank=make_random_bank("lerf-p"))
    drawn = inspection.drawn_maps(maps)
    (_, row, one), (_, col, other) = drawn["slope_row"], drawn["slope_col"]
    assert one == other
    assert one.low == -one.high < 0
    np.testing.assert_array_equal(row, maps.coefficient("slope_row"))
    np.testing.assert_array_equal(col, maps.coefficient("slope_col"))
    assert drawn["residual"][2].low == -drawn["residual"][2].high
