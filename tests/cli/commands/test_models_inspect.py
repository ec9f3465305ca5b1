"""`lerf models inspect`."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.banks import make_random_network
from support.combinations import some_first
from support.files import exif_block

import lerf_core
from lerf_core.bank import LOCAL_PLANE
from lerf_core.inspection import luma_maps, parameter_maps

pytestmark = pytest.mark.slow

PIXELS_PER_INCH = 40


@pytest.fixture
def full_size():
    """Pages of as many pixels as users have."""


@pytest.fixture(autouse=True)
def page_resolution(request, monkeypatch):
    """Pages are drawn with fewer pixels, unless a test takes them at full size."""
    if "full_size" not in request.fixturenames:
        for module in ("maps", "plotting"):
            monkeypatch.setattr(f"lerf_cli.figures.{module}.DPI", PIXELS_PER_INCH)


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
    """Read a picture; it has colours, and more than its paper."""
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        levels = np.asarray(image, np.uint32) >> 3
        counts = np.bincount((levels @ np.array([1024, 32, 1], np.uint32)).ravel())
        assert np.count_nonzero(counts) > 20
        assert counts.max() < 0.999 * image.width * image.height
        return image


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "network.safetensors"
    make_random_network(8, 3, 2).save(path)
    return path


def test_the_sheet_of_a_network(run, tmp_path, network):
    command = ("models", "inspect", network, "-o", tmp_path / "n.png", "--separate", "--json")
    text = run(*command, "--npz", tmp_path / "n.npz").stdout
    statistics = json.loads(text)
    assert [layer["outputs"] for layer in statistics["layers"]] == [8, 8, 8, 15]
    assert statistics["reach"] == 4
    for name in ("n.png", "n_responses.png", "n_layers.png"):
        opened(tmp_path / name)
    with np.load(tmp_path / "n.npz") as arrays:
        assert arrays["impulse_response"].shape == (6, 9, 9)
        assert arrays["layer0.weight"].shape == (8, 3, 3, 3)


@pytest.mark.parametrize("mode", some_first(["RGB", "L"], ["RGBA", "LA"]))
def test_a_network_on_an_image(run, tmp_path, network, photo, mode):
    path = tmp_path / "image.png"
    with Image.open(photo) as image:
        image.convert(mode).save(path)
        pixels = np.asarray(image.convert(mode))
    command = ["models", "inspect", network, path, "-o", tmp_path / "m.png", "--json"]
    command += ["--separate"] if mode == "RGB" else []
    statistics = json.loads(run(*command, "--npz", tmp_path / "m.npz").stdout)
    assert [layer["channels"] for layer in statistics["layers"]] == [8, 8, 8, 15]
    opened(tmp_path / "m.png")
    if mode == "RGB":
        opened(tmp_path / "m_channels.png")
    bank = lerf_core.load_bank(network)
    maps = luma_maps(pixels, bank=bank) if "RGB" in mode else None
    if mode == "L":
        maps = parameter_maps(pixels, bank=bank)
    if maps is not None:
        with np.load(tmp_path / "m.npz") as arrays:
            np.testing.assert_array_equal(arrays["rho"], maps.parameters["rho"])
            np.testing.assert_array_equal(arrays["slope_row"], maps.coefficient("slope_row"))


def test_a_colour_under_a_network(run, tmp_path, network, photo):
    run("models", "inspect", network, photo, "--channel", "g", "--npz", tmp_path / "m.npz")
    with Image.open(photo) as image:
        maps = parameter_maps(np.asarray(image), bank=lerf_core.load_bank(network), channel_axis=2)
    with np.load(tmp_path / "m.npz") as arrays:
        for name in maps.parameters:
            expected = maps[..., 1].coefficient(name) if name in LOCAL_PLANE else None
            expected = maps.parameters[name][..., 1] if expected is None else expected
            np.testing.assert_array_equal(arrays[name], expected)


@pytest.mark.parametrize("names", [("network", "analytic"), ("analytic", "network")])
def test_a_start_is_of_tables(run, network, names):
    bank, start = (network if name == "network" else name for name in names)
    result = run("models", "inspect", bank, "--start", start, "--json", code=2)
    assert "--start compares tables" in result.output


def test_the_sheet_of_a_bank(run, tmp_path, full_size):
    run("models", "inspect", "analytic", "-o", f"{tmp_path}/out/", "--separate")
    assert opened(tmp_path / "out" / "analytic_tables.png").width > 1000
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"analytic_tables.png", "analytic_stage1.png", "analytic_stage2.png"}


def test_the_sheet_of_an_image(run, tmp_path, photo):
    run("models", "inspect", "analytic", photo, "-o", tmp_path / "maps.png", "--separate")
    maps = ("image", "feature", "change", "rho", "sigma_row", "sigma_col", "ellipses")
    for name in ("maps", *(f"maps_{name}" for name in maps)):
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
    assert names == {f"{name}.png" for name in expected}
    assert opened(tmp_path / "out" / f"{prefix}arrows.png").width > 5 * PIXELS_PER_INCH
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
    assert names == {f"photo_random-lerf-l_{name}.png" for name in endings}
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
    assert {values["unvisited"] for values in alike["tables"]} == {1.0}


def test_tables_as_arrays(run, tmp_path, linear):
    run("models", "inspect", linear, "--npz", tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz") as arrays:
        assert arrays["stage1.s.0.point"].shape == (17, 17, 1)
        assert arrays["stage2.response"].shape == (17, 17, 1)


def test_the_orientation_is_applied(run, tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "turned.jpg", exif=exif_block())
    found = json.loads(
        run("models", "inspect", "analytic", tmp_path / "turned.jpg", "--json").stdout
    )
    assert found["shape"] == [14, 10]


@pytest.mark.parametrize("mode", some_first(["LA", "I;16", "F"], ["L", "RGBA", "P"]))
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
    run("models", "inspect", "analytic", photo, "-o", target, "--overwrite")
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


@pytest.mark.parametrize(
    "shape",
    [
        (1, 50),
        pytest.param((1, 1), marks=pytest.mark.long),
        pytest.param((700, 2), marks=pytest.mark.long),
    ],
)
def test_odd_shapes(run, tmp_path, leaning, shape):
    Image.new("L", shape[::-1], 77).save(tmp_path / "in.png")
    command = ("models", "inspect", leaning, tmp_path / "in.png", "-o", f"{tmp_path}/o/", "--json")
    command += ("--separate",) if shape == (1, 50) else ()
    found = json.loads(run(*command).stdout)
    assert found["shape"] == list(shape)
    assert found["crop"] == [0, 0, min(shape[1], 48), min(shape[0], 48)]
    assert found["maps"]["image"] == {"min": 77, "median": 77, "max": 77}
    for path in (tmp_path / "o").iterdir():
        opened(path)


def test_nothing_to_see(run, tmp_path, leaning):
    Image.new("RGBA", (6, 5)).save(tmp_path / "in.png")
    out = tmp_path / "o.png"
    command = ("models", "inspect", leaning, tmp_path / "in.png", "-o", out)
    found = json.loads(run(*command, "--separate", "--json").stdout)
    assert found["maps"]["rho"] == {"min": None, "median": None, "max": None}
    for path in tmp_path.glob("o*.png"):
        opened(path)
    pixels = np.full((6, 6, 3), 0.5, np.float32)
    pixels[0], pixels[1, :, :2] = np.nan, (np.inf, -np.inf)
    tifffile.imwrite(tmp_path / "in.tif", pixels, photometric="rgb")
    command = ("models", "inspect", "analytic", tmp_path / "in.tif", "-o", out, "--overwrite")
    found = json.loads(run(*command, "--json").stdout)
    assert found["maps"]["image"]["median"] == pytest.approx(127.5)
    opened(out)


def test_without_matplotlib_figures_are_refused_and_numbers_are_not(run, tmp_path, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    refused = run("models", "inspect", "analytic", "-o", tmp_path / "o.png", code=1)
    assert refused.output.splitlines() == [
        "Error: lerf models inspect -o needs matplotlib: pip install 'lerf[figures]'"
    ]
    assert not (tmp_path / "o.png").exists()
    code = (
        "import sys; sys.modules['matplotlib'] = None; from lerf_cli.main import main; "
        "main(['models', 'inspect', 'analytic', '--json'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["bank"] == "analytic"
