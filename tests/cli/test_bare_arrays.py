"""Arrays that name no axes, of up to five, from .npy, Zarr and TIFF into whatever holds them."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from support.cli import run_lerf

from lerf_core.io.reading import open_reader

zarr = pytest.importorskip("zarr")

# From a shape to the axes that it is written with: by OME-Zarr, and by TIFF.
SHAPES = {
    (2, 24, 30): ("ZYX", "ZYX"),
    (2, 3, 24, 30): ("CZYX", "CZYX"),
    (2, 3, 2, 24, 30): ("TCZYX", "TCZYX"),
    (1, 2, 24, 30): ("CZYX", "ZYX"),  # tifffile reads no axes of length 1
    (2, 24, 30, 3): ("CZYX", "ZYXS"),
    (2, 3, 24, 30, 3): ("TCZYX", "CZYXS"),
}


def write(folder, form, pixels):
    """Write a bare array; return its path."""
    path = folder / f"in.{form}"
    if form == "npy":
        np.save(path, pixels)
    elif form == "zarr":
        zarr.create_array(path, shape=pixels.shape, dtype=pixels.dtype)[...] = pixels
    else:
        photometric = "rgb" if pixels.shape[-1] == 3 else "minisblack"
        tifffile.imwrite(path, pixels, photometric=photometric)
    return path


@pytest.mark.parametrize("source", ["npy", "zarr", "tif"])
@pytest.mark.parametrize("shape", SHAPES)
def test_bare_arrays_go_into_every_format(tmp_path, shape, source):
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    path = write(tmp_path, source, pixels)
    for target, axes in zip(("zarr", "ome.tif"), SHAPES[shape], strict=True):
        out = tmp_path / f"out.{target}"
        result = run_lerf("resize", path, "-o", out, "--scale", 1)
        assert "axes of unknown meaning are written as" in result.output
        with open_reader(out) as made:
            assert made.axes == axes
            found = made[...]
        if target == "zarr" and shape[-1] == 3:
            found = np.moveaxis(found, -4, -1)
        np.testing.assert_array_equal(found.reshape(shape), pixels)
    run_lerf("resize", path, "-o", tmp_path / "out.npy", "--scale", 1)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), pixels)


@pytest.mark.parametrize("source", ["npy", "zarr", "tif"])
def test_six_axes_go_into_npy_alone(tmp_path, source):
    pixels = np.random.default_rng(0).integers(0, 255, (2, 2, 2, 2, 16, 20), np.uint8)
    path = write(tmp_path, source, pixels)
    for target in ("out.zarr", "out.ome.tif"):
        for options in ([], ["--dry-run"]):
            result = run_lerf(
                "resize", path, "-o", tmp_path / target, "--scale", 1, *options, code=1
            )
            assert "an image of 6 axes (QQQQYX) does not go into OME-" in result.output
            assert "choose .npy" in result.output
    run_lerf("resize", path, "-o", tmp_path / "out.npy", "--scale", 1)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), pixels)


@pytest.mark.parametrize("shape", [(24, 30, 1), (1, 24, 30, 1)])
def test_an_axis_of_length_one_behind_the_columns(tmp_path, shape):
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    path = write(tmp_path, "tif", pixels)
    for target in ("out.zarr", "out.npy", "out.ome.tif"):
        run_lerf("resize", path, "-o", tmp_path / target, "--scale", 1, "--tile", 16)
        with open_reader(tmp_path / target) as made:
            assert made.axes == "YX"
            np.testing.assert_array_equal(made[...], pixels.reshape(24, 30))
