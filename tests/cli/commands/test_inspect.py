"""`lerf inspect`: parameter maps in a file, or one clear line."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.banks import make_random_network
from support.cli import run_lerf

import lerf_core
from lerf_cli.batch import parameters
from lerf_core.inspection import luma_maps, parameter_maps
from lerf_core.io.reading import open_reader
from lerf_core.pixels.luma import rgb_luma

NAMES = [
    "feature (level)", "rho", "sigma_row (1/pixel)", "sigma_col (1/pixel)",
    "slope_row (level/pixel)", "slope_col (level/pixel)", "residual (level)",
]  # fmt: skip


def photograph(rows=40, cols=52, channels=3):
    """A smooth image with some noise."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:rows, :cols]
    waves = [128 + 90 * np.sin(x / (4 + n) + n) * np.cos(y / 6 - n) for n in range(channels)]
    values = np.stack(waves, axis=-1) + rng.normal(0, 5, (rows, cols, channels))
    return np.squeeze(np.clip(values, 0, 255).astype(np.uint8))


def expected_maps(plane, bank=None, **keywords):
    """The maps of a plane, as the file has them."""
    maps = parameter_maps(plane, bank=bank, **keywords)
    return np.stack([maps.feature, *(maps.coefficient(name) for name in maps.parameters)])


def test_colours_become_named_channels(tmp_path):
    image = photograph()
    Image.fromarray(image).save(tmp_path / "a.png")
    run_lerf("inspect", tmp_path / "a.png", "-o", tmp_path / "new" / "maps.tif")
    expected = expected_maps(rgb_luma(image))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "new" / "maps.tif"), expected)
    with open_reader(tmp_path / "new" / "maps.tif") as reader:
        assert (reader.axes, reader.dtype) == ("CYX", np.float32)
        assert [channel.name for channel in reader.metadata.channels] == NAMES


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_network_reads_colours_together(tmp_path, monkeypatch, dtype):
    image = photograph(520, 540).astype(dtype) * dtype(1 if dtype == np.uint8 else 257)
    bank = make_random_network(4, 5, 0)
    bank.save(tmp_path / "n.safetensors")
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb")
    monkeypatch.setattr(parameters, "_BLOCK", 512)
    command = ("inspect", tmp_path / "a.tif", "-o", tmp_path / "m.tif", "--region", "3:,5:530")
    run_lerf(*command, "--bank", tmp_path / "n.safetensors")
    maps = luma_maps(image, bank=bank)
    expected = np.stack([maps.feature, *(maps.coefficient(name) for name in maps.parameters)])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "m.tif"), expected[:, 3:, 5:530])
    with open_reader(tmp_path / "m.tif") as reader:
        assert [channel.name for channel in reader.metadata.channels] == NAMES


@pytest.mark.parametrize(
    ("text", "rows", "cols"),
    [
        ("7:19,11:40", slice(7, 19), slice(11, 40)),
        (":5,3:", slice(0, 5), slice(3, 52)),
        ("39:40, 51:52", slice(39, 40), slice(51, 52)),
        (":,:", slice(0, 40), slice(0, 52)),
    ],
)
def test_a_region_is_cut_from_the_whole(tmp_path, text, rows, cols):
    image = photograph(channels=1)
    Image.fromarray(image).save(tmp_path / "a.png")
    command = ("inspect", tmp_path / "a.png", "-o", tmp_path / "m.tif", "--region", text)
    run_lerf(*command, "--bank", "lerf-g")
    expected = expected_maps(image, "lerf-g")[:, rows, cols]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "m.tif"), expected)


def test_blocks_meet_without_a_seam(tmp_path, monkeypatch):
    image = photograph(530, 610, 1)
    tifffile.imwrite(tmp_path / "a.tif", image)
    monkeypatch.setattr(parameters, "_BLOCK", 512)
    run_lerf("inspect", tmp_path / "a.tif", "-o", tmp_path / "m.tif", "--region", "3:,5:")
    expected = expected_maps(image)[:, 3:, 5:]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "m.tif"), expected)


def test_pages_ranges_and_zarr(tmp_path):
    stack = (photograph(20, 24, 3).astype(np.uint16) * 12).transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack")
    command = ("inspect", tmp_path / "s.tif", "-o", tmp_path / "m.zarr", "--page", 2)
    run_lerf(*command, "--range", "100,3000")
    with open_reader(tmp_path / "m.zarr") as reader:
        expected = expected_maps(stack[2], value_range=(100, 3000))
        np.testing.assert_array_equal(reader[...], expected)
        assert [channel.name for channel in reader.metadata.channels] == NAMES
    run_lerf(*command, "--range", "auto", "--overwrite")
    with open_reader(tmp_path / "m.zarr") as reader:
        limits = (stack[2].min(), stack[2].max())
        np.testing.assert_array_equal(reader[...], expected_maps(stack[2], value_range=limits))
    result = run_lerf(*command[:-1], 3, "--overwrite", code=1)
    assert "it has 3 pages, numbered from 0: no 3" in result.output


def test_opacity_is_left_aside_and_missing_values_are_not(tmp_path):
    grey = photograph(18, 22, 1)
    with_alpha = np.stack([grey, np.full_like(grey, 7)], axis=-1)
    Image.fromarray(with_alpha, "LA").save(tmp_path / "la.png")
    run_lerf("inspect", tmp_path / "la.png", "-o", tmp_path / "m.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "m.tif"), expected_maps(grey))
    grey[4:7, 5:9] = 200
    tifffile.imwrite(tmp_path / "g.tif", grey, extratags=[(42113, "s", 0, "200", True)])
    command = ("inspect", tmp_path / "g.tif", "-o", tmp_path / "m.tif", "--overwrite")
    run_lerf(*command)
    made = tifffile.imread(tmp_path / "m.tif")
    assert np.isnan(made[:, 4:7, 5:9]).all()
    np.testing.assert_array_equal(made, expected_maps(grey, nodata=200))
    run_lerf(*command, "--nodata", "none")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "m.tif"), expected_maps(grey))


def test_sizes_and_places_of_pixels_stay(tmp_path):
    image = photograph(20, 24, 1)
    scales = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeXUnit": "µm"}
    metadata = {"axes": "YX", **scales, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(tmp_path / "a.ome.tif", image, metadata=metadata)
    run_lerf("inspect", tmp_path / "a.ome.tif", "-o", tmp_path / "m.zarr", "--region", "4:,6:")
    with open_reader(tmp_path / "m.zarr") as reader:
        axes = {axis.letter: axis for axis in reader.metadata.axes}
        assert (axes["Y"].step, axes["X"].step) == (0.25, 0.5)
        assert (axes["Y"].origin, axes["X"].origin) == (1, 3)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["-o", "m.png"], 2, "maps are written as .tif or .zarr"),
        (["-o", "a.tif"], 2, "a.tif is the input"),
        (["-o", "a.tif", "--overwrite"], 2, "a.tif is the input"),
        (["-o", "m.tif", "--region", "5:2,0:3"], 2, "rows 5:2 of an image of 20"),
        (["-o", "m.tif", "--region", "0:20,0:25"], 2, "columns 0:25 of an image of 24"),
        (["-o", "m.tif", "--region", "20,24"], 2, "is not a region such as"),
        (["-o", "m.tif", "--bank", "nowhere"], 2, "nowhere"),
        (["-o", "m.tif", "--range", "3,1"], 2, "not ascending"),
        (["-o", "there.tif"], 1, "exists"),
        (["-o", "m.tif", "--series", "4"], 1, "series"),
        ([], 2, "Missing option"),
    ],
)
def test_wrong_usage_is_told_and_nothing_is_written(tmp_path, monkeypatch, words, code, told):
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("a.tif", photograph(20, 24, 1))
    tifffile.imwrite("there.tif", photograph(9, 9, 1))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = run_lerf("inspect", "a.tif", *words, code=code)
    assert told in result.output
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (np.zeros((8, 9), np.int32), "labels"),
        (np.zeros((8, 9, 5), np.uint8), "maps are made of grey or RGB images"),
    ],
)
def test_images_without_parameters_are_told(tmp_path, pixels, told):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig=(
        "contig" if pixels.ndim == 3 else None
    ))  # fmt: skip
    result = run_lerf("inspect", tmp_path / "a.tif", "-o", tmp_path / "m.tif", code=1)
    assert told in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    result = run_lerf("inspect", tmp_path / "none.tif", "-o", tmp_path / "m.tif", code=1)
    assert "none.tif" in result.output


def test_floats_on_another_scale_are_noted(tmp_path):
    image = photograph(30, 30, 1).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", image)
    command = ("inspect", tmp_path / "a.tif", "-o", tmp_path / "m.tif", "--overwrite")
    assert "give --range 0,255" in run_lerf(*command).output
    assert run_lerf(*command, "--quiet").output == ""
    assert run_lerf(*command, "--range", "0,255").output == ""
    expected = expected_maps(image, value_range=(0, 255))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "m.tif"), expected)
    assert lerf_core.load_bank().name == "lerf-p"
