"""Kinds of TIFF files through the command line: whole images and tiles give the same."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.cli import run_lerf
from support.tiff_files import SHORT, write_packed

from lerf_core.io.reading import open_reader

ROWS, COLS = 37, 45


def values_of(bits, samples=1):
    shape = (ROWS, COLS) if samples == 1 else (ROWS, COLS, samples)
    return np.random.default_rng(0).integers(0, 2**bits, shape)


def both_ways(source, folder, *arguments, command="resize"):
    """Return the first page of the result, whole and by tiles, each with its tags."""
    pages = []
    for name, tiles in (("whole.tif", ()), ("tiles.tif", ("--tile", 16))):
        run_lerf(command, source, "-o", folder / name, *arguments, *tiles)
        with tifffile.TiffFile(folder / name) as handle:
            page = handle.pages.first
            _ = page.colormap  # read while the file is open
            pages.append((page.asarray(), page))
    (whole, first), (tiled, second) = pages
    assert whole.dtype == tiled.dtype
    assert (first.photometric, first.extrasamples) == (second.photometric, second.extrasamples)
    np.testing.assert_array_equal(whole, tiled)
    return whole, first, second


@pytest.mark.parametrize("bits", [1, 4, 12, 16])
def test_labels_stay_as_they_are_stored(tmp_path, bits):
    values = values_of(bits)
    source = write_packed(tmp_path / "a.tif", values, bits)
    pixels, *_ = both_ways(source, tmp_path, "--scale", 2, "--labels")
    np.testing.assert_array_equal(pixels, values.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("bits", [1, 2, 8])
def test_palettes_of_labels(tmp_path, bits):
    values = values_of(bits)
    table = np.random.default_rng(1).integers(0, 256, (3, 2**bits)) * 257
    tags = [(262, SHORT, [3]), (320, SHORT, table.ravel().tolist())]
    source = write_packed(tmp_path / "a.tif", values, bits, tags=tags)
    pixels, first, second = both_ways(source, tmp_path, "--scale", 2, "--labels")
    np.testing.assert_array_equal(pixels, values.repeat(2, 0).repeat(2, 1))
    for page in (first, second):
        np.testing.assert_array_equal(page.colormap[:, : 2**bits], table)
    result = run_lerf("resize", source, "-o", tmp_path / "a.npy", "--scale", 2, "--labels")
    assert "palette left out" in result.output
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), pixels)


@pytest.mark.parametrize("bits", [1, 4, 8, 12])
@pytest.mark.parametrize("command", [("resize", "--scale", 2), ("warp", "--rotate", 20)])
def test_white_at_zero_everywhere(tmp_path, bits, command):
    """White stays white, and what surrounds a warped image is black, in every target."""
    source = write_packed(
        tmp_path / "a.tif", np.zeros((ROWS, COLS), int), bits, tags=[(262, SHORT, [0])]
    )
    name, *arguments = command
    pixels, *_ = both_ways(source, tmp_path, *arguments, command=name)
    top = np.iinfo(pixels.dtype).max
    assert pixels[len(pixels) // 2, len(pixels[0]) // 2] == top
    assert pixels[0, 0] == (top if name == "resize" else 0)
    for target in ("a.npy", "a.zarr"):
        run_lerf(name, source, "-o", tmp_path / target, *arguments)
        with open_reader(tmp_path / target) as reader:
            np.testing.assert_array_equal(reader[...], pixels)


@pytest.mark.parametrize("extra", [None, 0, 1, 2, 999])
def test_rgb_with_a_fourth_band_stays_rgb(tmp_path, extra):
    tags = [(262, SHORT, [2])] + ([] if extra is None else [(338, SHORT, [extra])])
    source = write_packed(tmp_path / "a.tif", values_of(8, 4), 8, tags=tags)
    _, first, _ = both_ways(source, tmp_path, "--scale", 2)
    assert (first.photometric, first.samplesperpixel) == (2, 4)
    told = {None: (2,), 999: (0,)}.get(extra, (extra,))
    assert first.extrasamples == told


@pytest.mark.parametrize("extras", [[0, 2], [2, 0], [0, 0], [1, 2]])
def test_rgb_with_several_bands_stays_rgb(tmp_path, extras):
    tags = [(262, SHORT, [2]), (338, SHORT, extras)]
    source = write_packed(tmp_path / "a.tif", values_of(8, 5), 8, tags=tags)
    _, first, _ = both_ways(source, tmp_path, "--scale", 2)
    assert (first.photometric, list(first.extrasamples)) == (2, extras)


def test_tiled_levels_of_one_tile(tmp_path):
    source = tmp_path / "a.tif"
    tifffile.imwrite(source, values_of(8).astype(np.uint8).repeat(4, 0)[:128, :].repeat(3, 1))
    tifffile.imwrite(source, np.zeros((128, 128), np.uint8))
    result = tmp_path / "b.tif"
    run_lerf("resize", source, "-o", result, "--scale", 0.5, "--tile", 64)
    with tifffile.TiffFile(result) as handle:
        assert handle.pages.first.compression == 1
        assert handle.asarray().shape == (64, 64)


def test_nothing_of_decoders_reaches_the_terminal(tmp_path, capfd):
    """tifffile logs what it thinks of files; that is no matter of the user's."""
    source = write_packed(tmp_path / "a.tif", values_of(8), 8, tags=[(279, SHORT, [1, 2])])
    data = source.read_bytes()
    # A tag of a type that is not known, and a strip too many.
    at = data.index((284).to_bytes(2, "little") + (3).to_bytes(2, "little"))
    source.write_bytes(data[: at + 2] + b"\x63\0" + data[at + 4 :])
    for arguments in ((), ("--tile", 16), ("--dry-run",), ("--tile", 16, "--dry-run")):
        run_lerf(
            "resize", source, "-o", tmp_path / "b.tif", "--scale", 2, "--overwrite", *arguments
        )
    out, err = capfd.readouterr()
    assert "tifffile" not in out + err
    assert "<" not in err


@pytest.mark.parametrize("resolution", [(0, 0), (1, 0), (2**32 - 1, 1), (1, 2**32 - 1)])
@pytest.mark.parametrize("target", ["b.tif", "b.png", "b.jpg"])
def test_absurd_resolutions_stop_no_pixels(tmp_path, resolution, target):
    tags = [(282, 5, list(resolution)), (283, 5, list(resolution)), (296, SHORT, [2])]
    source = write_packed(tmp_path / "a.tif", values_of(8), 8, tags=tags)
    run_lerf("resize", source, "-o", tmp_path / target, "--scale", 2)
    with Image.open(tmp_path / target) as image:
        assert image.size == (2 * COLS, 2 * ROWS)
