"""CIELAB becomes sRGB where a format holds no CIELAB, and stays what it is in TIFF."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from support.cli import run_lerf
from support.tiff_files import SHORT, write_packed

from lerf_core.io.formats import LAB, by_name
from lerf_core.io.image import DecodedImage
from lerf_core.io.pixels.cielab import as_srgb
from lerf_core.io.reading import open_reader, read_image
from lerf_core.io.writing import Encoding, encode_to_bytes

# L, a and b of sRGB colours, by the definitions (D50, adapted after Bradford).
KNOWN = {
    (255, 255, 255): (100, 0, 0),
    (0, 0, 0): (0, 0, 0),
    (119, 119, 119): (50.03, 0, 0),
    (255, 0, 0): (54.29, 80.80, 69.89),
    (0, 255, 0): (87.82, -79.27, 80.99),
    (0, 0, 255): (29.57, 68.30, -112.03),
}


def codes_of(lab, photometric, deep):
    """Return the integers that stand for L, a and b, as TIFF's specifications say."""
    lightness, a, b = lab
    if photometric == 10:
        top = 65535 if deep else 255
        return [top * lightness / 100, top * (a + 85) / 170, top * (b + 75) / 200]
    if not deep:
        return [2.55 * lightness, a + 128, b + 128]
    full = 65535 if photometric == 8 else 65280
    return [full * lightness / 100, 256 * a + 32768, 256 * b + 32768]


@pytest.mark.parametrize("photometric", [8, 9, 10])
@pytest.mark.parametrize("deep", [False, True])
def test_known_colours(photometric, deep):
    known = [item for item in KNOWN.items() if photometric != 10 or abs(item[1][2]) < 75]
    dtype, top = (np.uint16, 65535) if deep else (np.uint8, 255)
    codes = np.rint([[codes_of(lab, photometric, deep) for _, lab in known]]).astype(dtype)
    image = DecodedImage([codes], LAB, "TIFF", details={"photometric": photometric})
    result = as_srgb(image)
    assert (result.layout, result.dtype) == ("RGB", dtype)
    assert result.notes == ("CIELAB converted to sRGB",)
    wanted = np.array([rgb for rgb, _ in known]) / 255
    # Half a step of a or b is many of red beside full green.
    atol = (3 if deep else 10) / 255
    np.testing.assert_allclose(result.frames[0][0] / top, wanted, atol=atol)


def test_floats_are_numbers_themselves():
    codes = np.array([list(KNOWN.values())], np.float32)
    result = as_srgb(DecodedImage([codes], LAB, "TIFF"))
    wanted = np.array([list(KNOWN)]) / 255
    np.testing.assert_allclose(result.frames[0], wanted, atol=3e-3)


def test_as_littlecms_converts():
    rng = np.random.default_rng(0)
    rgb = rng.integers(30, 226, (32, 32, 3), np.uint8)
    profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
    lab = ImageCms.profileToProfile(Image.fromarray(rgb), *profiles, outputMode="LAB")
    # Pillow hands a and b out signed.
    codes = np.asarray(lab).copy()
    codes[..., 1:] ^= 128
    back = as_srgb(DecodedImage([codes], LAB, "TIFF", details={"photometric": 8})).frames[0]
    off = np.abs(back.astype(int) - rgb)
    assert off.mean() < 1
    assert off.max() <= 8


def ramp(bits):
    """Return stored CIELAB: grey ramps, whose a and b go through zero."""
    top = 2**bits - 1
    rows, cols = 48, 64
    lightness = np.linspace(0.2 * top, 0.8 * top, rows * cols).reshape(rows, cols)
    signed = np.linspace(-0.06 * top, 0.06 * top, cols) * np.ones((rows, 1))
    planes = [lightness, signed, -signed]
    return np.stack([np.rint(plane).astype(np.int64) % (top + 1) for plane in planes], -1)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("tiles", [(), ("--tile", 16)])
@pytest.mark.parametrize("separate", [False, True])
def test_resized_cielab_stays_near_neutral(tmp_path, bits, tiles, separate):
    stored = ramp(bits)
    source = write_packed(
        tmp_path / "a.tif", stored, bits, separate=separate, tags=[(262, SHORT, [8])]
    )
    result = tmp_path / "b.tif"
    run_lerf("resize", source, "-o", result, "--scale", 2, *tiles)
    with tifffile.TiffFile(result) as handle:
        page = handle.pages.first
        assert page.photometric == 8
        pixels = page.asarray()
    pixels = np.moveaxis(pixels, 0, -1) if page.axes == "SYX" else pixels
    ab = pixels[..., 1:].view(np.int8 if bits == 8 else np.int16).astype(int)
    assert np.abs(ab).max() <= 0.07 * 2**bits
    wanted = np.linspace(-0.06, 0.06, 64) * 2**bits
    np.testing.assert_allclose(ab[10, 1::2, 0], wanted, atol=0.01 * 2**bits)


@pytest.mark.parametrize("name", ["b.png", "b.zarr", "b.npy"])
def test_other_formats_get_srgb_and_a_note(tmp_path, name):
    source = write_packed(tmp_path / "a.tif", ramp(8), 8, tags=[(262, SHORT, [8])])
    result = run_lerf("resize", source, "-o", tmp_path / name, "--scale", 2)
    assert "CIELAB converted to sRGB" in result.output
    with open_reader(tmp_path / name) as reader:
        axis = next(at for at, length in enumerate(reader.shape) if length == 3)
        pixels = np.moveaxis(reader[...], axis, -1)
    assert pixels.shape == (96, 128, 3)
    whole = tmp_path / "whole.tif"
    run_lerf("resize", source, "-o", whole, "--scale", 2)
    wanted = as_srgb(read_image(whole)).frames[0]
    np.testing.assert_array_equal(pixels, wanted)


def test_the_border_of_a_warp_is_black(tmp_path):
    source = write_packed(tmp_path / "a.tif", ramp(8), 8, tags=[(262, SHORT, [8])])
    for name, tiles in (("b.tif", ()), ("c.tif", ("--tile", 16))):
        run_lerf("warp", source, "-o", tmp_path / name, "--rotate", 30, *tiles)
        with tifffile.TiffFile(tmp_path / name) as handle:
            assert handle.asarray()[0, 0].tolist() == [0, 0, 0]


def test_written_as_it_was_read(tmp_path):
    for photometric in (8, 9, 10):
        stored = ramp(8)
        path = write_packed(tmp_path / "a.tif", stored, 8, tags=[(262, SHORT, [photometric])])
        image = read_image(path)
        assert image.layout == LAB
        data, _ = encode_to_bytes(image, by_name("tiff"), Encoding())
        with tifffile.TiffFile(io.BytesIO(data)) as handle:
            assert handle.pages.first.photometric == photometric
            np.testing.assert_array_equal(handle.asarray(), stored)
