"""Values before and after resampling: the same for whole images and for tiles."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

TILES = ("--tile", 16)


@pytest.fixture
def inputs(tmp_path, rgb):
    """Grey, colour and alpha; 8 and 16 bits, float and labels."""
    alpha = np.arange(140, dtype=np.uint8).reshape(10, 14, 1)
    images = {
        "grey.png": rgb[..., 0],
        "rgb.png": rgb,
        "rgba.png": np.concatenate([rgb, alpha], axis=2),
        "deep.tif": rgb.astype(np.uint16) * 200,
        "float.tif": rgb[..., 0].astype(np.float32) / 200,
        "labels.tif": rgb[..., 1].astype(np.int32),
    }
    for name, pixels in images.items():
        if name.endswith(".png"):
            Image.fromarray(pixels).save(tmp_path / name)
        else:
            tifffile.imwrite(tmp_path / name, pixels)
    return tmp_path


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--depth", "16"),
        ("--depth", "float"),
        ("--depth", "8"),
        ("--background", "#102030"),
        ("--background", "white", "--depth", "16"),
        ("--nodata", 30),
        ("--alpha", "separate"),
        ("--labels",),
        ("--border", "constant", "--cval", 1),
    ],
)
@pytest.mark.parametrize(
    "name", ["grey.png", "rgb.png", "rgba.png", "deep.tif", "float.tif", "labels.tif"]
)
def test_tiles_are_prepared_as_whole_images_are(run, inputs, name, options):
    command = ("resize", inputs / name, "--scale", 2, *options)
    whole = run(*command, "-o", inputs / "whole.tif")
    tiled = run(*command, "-o", inputs / "tiled.tif", *TILES)
    np.testing.assert_array_equal(
        tifffile.imread(inputs / "tiled.tif"), tifffile.imread(inputs / "whole.tif")
    )
    notes = [
        [line for line in result.stderr.splitlines() if "taken for labels" in line]
        for result in (whole, tiled)
    ]
    assert notes[0] == notes[1]


@pytest.mark.parametrize("name", ["grey.png", "rgb.png", "rgba.png", "float.tif"])
def test_a_transparent_border_by_tiles(run, inputs, name):
    command = ("warp", inputs / name, "--rotate", 20, "--border", "transparent")
    run(*command, "-o", inputs / "whole.tif")
    run(*command, "-o", inputs / "tiled.tif", *TILES)
    tiled, whole = (tifffile.imread(inputs / f"{way}.tif") for way in ("tiled", "whole"))
    assert whole.ndim == 3
    np.testing.assert_array_equal(tiled, whole)


@pytest.mark.parametrize("tiles", [(), TILES])
def test_fast_tells_what_it_cannot_do(run, inputs, tiles):
    command = ("resize", inputs / "grey.png", "--scale", 2, "--fast", *tiles)
    result = run(*command, "-o", inputs / "out.tif")
    assert "note: --fast is for RGB: L is resized in full" in result.stderr


@pytest.mark.parametrize("tiles", [(), TILES])
def test_a_range_and_a_deeper_depth_need_more_than_8_bits(run, inputs, tiles):
    options = ("--range", "auto", "--depth", "16", *tiles)
    command = ("resize", inputs / "rgb.png", "-o", inputs / "out.tif", "--scale", 2, *options)
    assert "needs more than 8 bits to begin" in run(*command, code=1).stderr
