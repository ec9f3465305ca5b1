"""`--cog`: Cloud Optimized GeoTIFFs whose levels are shrunk by the learned function."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import tifffile
from support.geodata import DEGREE_QUARTERS, tags_of, transform_of, write_geotiff

import lerf_core


def levels_of(path):
    """Return the pixels of all pages, the image first."""
    with tifffile.TiffFile(path) as handle:
        assert len(handle.series) == 1
        return [page.asarray() for page in handle.pages]


def photograph(shape=(300, 430), channels=None):
    rows, cols = np.indices(shape)
    image = 128 + 60 * np.sin(rows / 5) * np.cos(cols / 7) + 40 * np.sin((rows + cols) / 50)
    if channels is None:
        return image.astype(np.uint8)
    return np.stack([np.roll(image, 9 * k, 0) for k in range(channels)], -1).astype(np.uint8)


def is_valid(path):
    """Check by rio-cogeo, where it is installed; and the order of what lies in the file."""
    with tifffile.TiffFile(path) as handle:
        pages = list(handle.pages)
        first = [min(page.dataoffsets) for page in pages]
        assert all(page.is_tiled for page in pages)
    assert max(page.offset for page in pages) < min(first)
    assert first == sorted(first, reverse=True)
    rasterio = pytest.importorskip("rasterio")
    cogeo = pytest.importorskip("rio_cogeo.cogeo")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        assert cogeo.cog_validate(path, strict=True) == (True, [], [])


@pytest.mark.parametrize("channels", [None, 3, 4])
def test_levels_are_resizes_of_the_level_below(run, tmp_path, channels):
    image = photograph(channels=channels)
    words = {} if channels is None else {"photometric": "rgb"}
    words |= {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    source, out = write_geotiff(tmp_path / "in.tif", image, **words), tmp_path / "out.tif"
    run("resize", source, "-o", out, "--scale", 2, "--cog", "--tile", 128)
    levels = levels_of(out)
    assert [level.shape[:2] for level in levels] == [(600, 860), (300, 430), (150, 215), (75, 108)]
    for below, level in itertools.pairwise(levels):
        expected = lerf_core.resize(
            below, level.shape[:2], channel_axis=None if channels is None else -1,
            alpha="premultiply" if channels == 4 else "separate",
        )  # fmt: skip
        np.testing.assert_array_equal(level, expected)
    np.testing.assert_allclose(
        transform_of(out), np.array(DEGREE_QUARTERS) * [0.5, 1, 1, 1, 0.5, 1]
    )
    is_valid(out)


def test_missing_values_masks_and_deep_pixels(run, tmp_path):
    heights = photograph().astype(np.float32) * 4
    heights[100:160, 90:200] = -9999
    source, out = write_geotiff(tmp_path / "in.tif", heights, nodata="-9999"), tmp_path / "o.tif"
    run("warp", source, "-o", out, "--rotate", 3, "--cog", "--tile", 64, "--range", "0,1000",
        "--cval", "-9999")  # fmt: skip
    for level in levels_of(out):
        valid = level[level != -9999]
        assert 0.02 < 1 - valid.size / level.size < 0.4
        assert valid.min() > 0
    is_valid(out)
    assert tags_of(out)[42113] == "-9999"
    for dtype in (np.int16, np.int32, np.uint16):
        write_geotiff(source, photograph().astype(dtype) * 100)
        run("resize", source, "-o", out, "--scale", 1, "--cog", "--tile", 64, "--range",
            "0,30000", "--overwrite")  # fmt: skip
        levels = levels_of(out)
        assert levels[1].dtype == dtype
        assert abs(levels[2].mean() - levels[0].mean()) < 100
        assert len(np.unique(levels[1])) > 200


def test_labels_are_never_mixed(run, tmp_path):
    labels = np.random.default_rng(0).integers(0, 5, (200, 300)).astype(np.uint8) * 50
    source, out = write_geotiff(tmp_path / "in.tif", labels), tmp_path / "out.tif"
    for option in ("nearest", "majority"):
        run("resize", source, "-o", out, "--scale", 1, "--cog", "--tile", 64, "--labels", option,
            "--overwrite")  # fmt: skip
        assert all(set(np.unique(level)) <= {0, 50, 100, 150, 200} for level in levels_of(out))
        is_valid(out)


def test_tiles_and_interruptions_make_no_difference(run, tmp_path, monkeypatch):
    source = write_geotiff(tmp_path / "in.tif", photograph())
    command = ("resize", source, "--scale", 2, "--cog", "--tile", 64)
    run(*command, "-o", tmp_path / "a.tif")
    from lerf_core.tiled.overviews import ShrunkLevels

    made, call = [], ShrunkLevels.__call__

    def failing(self, level, region, read):
        made.append(level)
        if len(made) == 20:
            raise OSError("the power is gone")
        return call(self, level, region, read)

    with monkeypatch.context() as patched:
        patched.setattr(ShrunkLevels, "__call__", failing)
        run(*command, "-o", tmp_path / "b.tif", code=1)
    result = run(*command, "-o", tmp_path / "b.tif", "--resume")
    assert "resumed" in result.stderr
    for a, b in zip(levels_of(tmp_path / "a.tif"), levels_of(tmp_path / "b.tif"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_reprojected_and_of_plain_images(run, tmp_path):
    pytest.importorskip("pyproj")
    source, out = write_geotiff(tmp_path / "in.tif", photograph()), tmp_path / "out.tif"
    run("warp", source, "-o", out, "--to-crs", "EPSG:3857", "--cog", "--tile", 128)
    is_valid(out)
    tifffile.imwrite(tmp_path / "bare.tif", photograph())
    run("resize", tmp_path / "bare.tif", "-o", tmp_path / "c.tif", "--scale", 1, "--cog")
    assert len(levels_of(tmp_path / "c.tif")) == 1
    is_valid(tmp_path / "c.tif")


@pytest.mark.parametrize("name", ["out.zarr", "out.ome.tif", "out.npy"])
def test_other_formats_are_none(run, tmp_path, name):
    pytest.importorskip("zarr")
    source = write_geotiff(tmp_path / "in.tif", photograph())
    result = run("resize", source, "-o", tmp_path / name, "--scale", 1, "--cog", code=1)
    assert "--cog writes a plain TIFF" in result.stderr
    assert not (tmp_path / name).exists()
