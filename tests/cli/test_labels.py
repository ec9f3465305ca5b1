"""`--labels` alone, with a method, and `--labels majority` in files of every kind."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

import lerf_core

WAYS = pytest.mark.parametrize("tiles", [(), ("--tile", 16)], ids=["whole", "tiled"])


def regions(shape=(64, 80), count=6, seed=5):
    """Regions of a few pixels, with single pixels of other labels among them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, count, (-(-shape[0] // 5), -(-shape[1] // 5)))
    image = coarse.repeat(5, 0).repeat(5, 1)[: shape[0], : shape[1]].astype(np.uint8)
    lone = rng.random(shape) < 0.2
    image[lone] = rng.integers(0, count, lone.sum())
    return image


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    ("given", "method"),
    [(["--labels", "IN"], "nearest"), (["IN", "--labels"], "nearest"),
     (["--labels", "nearest", "IN"], "nearest"), (["--labels=nearest", "IN"], "nearest"),
     (["--labels", "majority", "IN"], "majority"), (["IN", "--labels=majority"], "majority"),
     (["--labels", "majority", "--", "IN"], "majority"), (["--labels", "--", "IN"], "nearest")],
)  # fmt: skip
def test_the_method_may_be_left_out(run, tmp_path, given, method):
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(regions()).save(source)
    arguments = [source if word == "IN" else word for word in given]
    run("resize", "-o", out, "--scale", 0.37, *arguments)
    expected = lerf_core.rescale(regions(), 0.37, method=method)
    np.testing.assert_array_equal(read(out), expected)
    assert (expected != lerf_core.rescale(regions(), 0.37)).any()


@pytest.mark.parametrize("word", ["mode", ""])
def test_other_methods_are_refused(run, tmp_path, word):
    result = run("resize", "a.png", "-o", tmp_path / "b.png", "--scale", 2, f"--labels={word}",
                 code=2)  # fmt: skip
    assert "is not one of 'nearest', 'majority'" in result.stderr


@pytest.mark.parametrize("other", ["--linear", "--fast"])
def test_what_averages_is_refused(run, tmp_path, other):
    result = run("resize", "a.png", "-o", tmp_path / "b.png", "--scale", 2, "--labels",
                 "majority", other, code=2)  # fmt: skip
    assert "exclude each other" in result.stderr


@pytest.mark.parametrize("mode", ["P", "1", "L", "RGB", "RGBA"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_files_keep_their_kind_and_their_values(run, tmp_path, suffix, mode):
    source, out = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    numbers = regions(count=2 if mode == "1" else 6)
    if mode == "P":
        image = Image.fromarray(numbers, "P")
        image.putpalette(np.random.default_rng(1).integers(0, 256, 18).astype(np.uint8).tobytes())
    elif mode == "1":
        image = Image.fromarray(numbers * 255).convert("1")
    else:
        colours = np.random.default_rng(2).integers(0, 256, (6, len(mode))).astype(np.uint8)
        colours[:, 3:] = 255
        image = Image.fromarray(colours[numbers].squeeze())
    image.save(source)
    run("resize", source, "-o", out, "--scale", 0.4, "--labels", "majority")
    with Image.open(source) as before, Image.open(out) as after:
        assert after.mode == before.mode == mode
        assert after.getpalette() == before.getpalette()
        before, after = np.asarray(before), np.asarray(after)
    axis = -1 if before.ndim == 3 else None
    expected = lerf_core.rescale(before, 0.4, method="majority", channel_axis=axis)
    np.testing.assert_array_equal(after, expected)
    pixels = {tuple(pixel) for pixel in np.atleast_3d(before).reshape(-1, len(mode)).tolist()}
    assert {
        tuple(pixel) for pixel in np.atleast_3d(after).reshape(-1, len(mode)).tolist()
    } <= pixels


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
@WAYS
def test_nodata_of_the_file(run, tmp_path, dtype, tiles):
    image = regions().astype(dtype)
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, image, extratags=[(42113, "s", 0, "0", True)])
    run("resize", source, "-o", out, "--scale", 0.5, "--labels", "majority", *tiles)
    expected = lerf_core.rescale(image, 0.5, method="majority", nodata=0)
    np.testing.assert_array_equal(tifffile.imread(out), expected)
    run("resize", source, "-o", out, "--scale", 0.5, "--labels", "majority", "--nodata", "none",
        "--overwrite", *tiles)  # fmt: skip
    plain = lerf_core.rescale(image, 0.5, method="majority")
    np.testing.assert_array_equal(tifffile.imread(out), plain)
    assert (plain != expected).any()


@WAYS
def test_masks_of_files(run, tmp_path, tiles):
    """Pixels under an internal mask have no vote."""
    image, mask = regions(), np.full((64, 80), 255, np.uint8)
    mask[10:30, 7:41] = 0
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    with tifffile.TiffWriter(source) as writer:
        writer.write(image, photometric="minisblack")
        writer.write(mask > 0, photometric="mask", subfiletype=4)
    run("resize", source, "-o", out, "--scale", 0.5, "--labels", "majority", *tiles)
    expected = lerf_core.rescale(np.ma.MaskedArray(image, mask == 0), 0.5, method="majority")
    with tifffile.TiffFile(out) as handle:
        values, valid = (handle.pages[number].asarray() for number in (0, 1))
    np.testing.assert_array_equal(valid != 0, ~expected.mask)
    np.testing.assert_array_equal(values[valid != 0], expected.compressed())


@WAYS
def test_warps(run, tmp_path, tiles):
    image = regions((60, 60))
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, image)
    matrix = tmp_path / "m.txt"
    matrix.write_text("1.9 0.4 3\n-0.3 2.1 5\n0.002 0.001 1\n")
    run("warp", source, "-o", out, "--matrix", matrix, "--inverse", "--labels", "majority", *tiles)
    rows = [[1.9, 0.4, 3], [-0.3, 2.1, 5], [0.002, 0.001, 1]]
    expected = lerf_core.warp(image, rows, method="majority")
    np.testing.assert_array_equal(tifffile.imread(out), expected)


# -- pyramids ---------------------------------------------------------------------------


def halved(image):
    """Return what most of each two by two pixels are; of several the first pixel."""
    rows, cols = image.shape[:2]
    out = image[::2, ::2].copy()
    for y, x in np.ndindex(*out.shape[:2]):
        places = [(2 * y + i, 2 * x + j) for i in (0, 1) for j in (0, 1)]
        four = [image[row, col].tolist() for row, col in places if row < rows and col < cols]
        most = max(four.count(pixel) for pixel in four)
        if four.count(four[0]) < most:
            out[y, x] = min(pixel for pixel in four if four.count(pixel) == most)
    return out


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("method", ["nearest", "majority"])
def test_levels_of_tiff(run, tmp_path, channels, method):
    image = regions((150, 201))
    if channels == 3:
        image = np.random.default_rng(8).integers(0, 9, (6, 3)).astype(np.uint8)[image]
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, image)
    run("resize", source, "-o", out, "--scale", 0.7, "--labels", method, "--tile", 16,
        "--pyramid", 4)  # fmt: skip
    with tifffile.TiffFile(out) as handle:
        levels = [level.asarray() for level in handle.series[0].levels]
    assert len(levels) == 4
    for larger, smaller in itertools.pairwise(levels):
        expected = halved(larger) if method == "majority" else larger[::2, ::2]
        np.testing.assert_array_equal(smaller, expected)


def test_levels_of_zarr_and_of_bits(run, tmp_path):
    bits = regions((96, 96), 2) == 1
    source, out = tmp_path / "in.tif", tmp_path / "out.zarr"
    tifffile.imwrite(source, bits)
    run("resize", source, "-o", out, "--scale", 0.5, "--labels", "majority", "--pyramid", 3)
    group = zarr.open_group(out, mode="r")
    levels = [np.asarray(group[str(number)]) for number in range(3)]
    levels = [np.squeeze(level) for level in levels]
    for larger, smaller in itertools.pairwise(levels):
        np.testing.assert_array_equal(smaller, halved(larger))
    assert group.attrs["ome"]["multiscales"][0]["type"] == "majority of 2x2 pixels"
