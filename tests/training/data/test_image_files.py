"""Image files become upright RGB of 8 bits."""

import numpy as np
import pytest
import tifffile
from lerf_training.data.image_files import read_rgb, read_rgb_of_any_depth
from lerf_training.errors import DatasetError
from PIL import Image


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def noise(rows, cols, channels=3, seed=0):
    shape = (rows, cols) if channels == 1 else (rows, cols, channels)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_read_rgb(tmp_path, channels, mode):
    array = noise(5, 7, channels)
    path = tmp_path / "image.png"
    save(path, array)
    expected = np.stack([array] * 3, axis=-1) if mode == "L" else array[..., :3]
    np.testing.assert_array_equal(read_rgb(path), expected)


def test_read_rgb_is_upright(tmp_path):
    array = noise(5, 7)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    Image.fromarray(array).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_rgb(tmp_path / "turned.png"), np.rot90(array, -1))


def test_read_rgb_refuses(tmp_path):
    path = tmp_path / "deep.png"
    save(path, noise(4, 4, 1).astype(np.uint16) * 257)
    with pytest.raises(DatasetError, match="8-bit"):
        read_rgb(path)
    save(path, noise(40, 40))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"deep\.png"):
        read_rgb(path)
    path.write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"deep\.png"):
        read_rgb(path)
    with pytest.raises(DatasetError, match="absent"):
        read_rgb(tmp_path / "absent.png")


# -- of any depth ------------------------------------------------------------------


@pytest.fixture
def rgb():
    rows, cols = np.mgrid[:40, :50]
    return np.stack([rows * 6, cols * 5, (rows + cols) * 2], -1).astype(np.uint8)


def grey_rgb(plane):
    return np.repeat(plane[..., None], 3, axis=-1)


@pytest.mark.parametrize("name", ["a.png", "A.PNG", "a.bmp", "a.tif", "a.TIFF", "a.ppm", "a.tga"])
def test_lossless_rgb_is_read_as_it_is(tmp_path, rgb, name):
    Image.fromarray(rgb).save(tmp_path / name)
    np.testing.assert_array_equal(read_rgb_of_any_depth(tmp_path / name), rgb)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.JPEG"])
def test_lossy_rgb_is_read_nearly_as_it_is(tmp_path, rgb, name):
    Image.fromarray(rgb).save(tmp_path / name, quality=95)
    assert np.abs(read_rgb_of_any_depth(tmp_path / name).astype(int) - rgb).mean() < 4


def test_grey_is_repeated_and_alpha_left_out(tmp_path, rgb):
    path = tmp_path / "a.png"
    grey = rgb[..., 1]
    alpha = rgb[..., :1]
    Image.fromarray(grey).save(path)
    np.testing.assert_array_equal(read_rgb_of_any_depth(path), grey_rgb(grey))
    Image.fromarray(np.dstack([rgb, alpha])).save(path)
    np.testing.assert_array_equal(read_rgb_of_any_depth(path), rgb)
    Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha[..., 0])]).save(path)
    np.testing.assert_array_equal(read_rgb_of_any_depth(path), grey_rgb(grey))


def test_deep_images_are_rounded_to_bytes(tmp_path, rgb):
    grey = rgb[..., 1]
    deep = grey.astype(np.uint16) * 257 + 100
    Image.fromarray(deep).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_rgb_of_any_depth(tmp_path / "a.png"), grey_rgb(grey))
    tifffile.imwrite(tmp_path / "a.tif", rgb.astype(np.uint16) * 257, photometric="rgb")
    np.testing.assert_array_equal(read_rgb_of_any_depth(tmp_path / "a.tif"), rgb)
    tifffile.imwrite(tmp_path / "b.tif", (rgb / 255).astype(np.float32), photometric="rgb")
    np.testing.assert_array_equal(read_rgb_of_any_depth(tmp_path / "b.tif"), rgb)


@pytest.mark.parametrize("value", [1.5, -0.1, np.nan, np.inf])
def test_float_images_beyond_their_range_are_refused(tmp_path, value):
    pixels = np.full((40, 40), 0.5, np.float32)
    pixels[3, 4] = value
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    with pytest.raises(DatasetError, match=r"a\.tif: float images must lie in 0\.\.1"):
        read_rgb_of_any_depth(tmp_path / "a.tif")


def test_palettes_and_one_bit_images_are_turned_into_colours(tmp_path, rgb):
    few = (rgb // 64) * 64
    palette = Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    wanted = np.asarray(palette.convert("RGB"))
    for name in ("a.gif", "a.png", "a.tif"):
        palette.save(tmp_path / name)
        np.testing.assert_array_equal(read_rgb_of_any_depth(tmp_path / name), wanted)
    bits = rgb[..., 0] > 100
    Image.fromarray(bits).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(
        read_rgb_of_any_depth(tmp_path / "bits.png"), grey_rgb(bits.astype(np.uint8) * 255)
    )


def test_of_several_images_the_first_is_taken(tmp_path, rgb):
    frames = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_rgb_of_any_depth(tmp_path / "a.tif"), rgb)
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    np.testing.assert_array_equal(read_rgb_of_any_depth(tmp_path / "a.webp"), rgb)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_orientation_is_applied(tmp_path, rgb, name):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise by a quarter
    options = {"quality": 98} if name.endswith("jpg") else {}
    Image.fromarray(rgb).save(tmp_path / name, exif=exif, **options)
    read = read_rgb_of_any_depth(tmp_path / name)
    assert read.shape == (50, 40, 3)
    assert np.abs(read.astype(int) - np.rot90(rgb, -1)).mean() < 4


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_compressed_tiff_is_read(tmp_path, rgb, compression):
    Image.fromarray(rgb).save(tmp_path / "a.tif", compression=compression)
    assert np.abs(read_rgb_of_any_depth(tmp_path / "a.tif").astype(int) - rgb).mean() < 4


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk_is_turned_into_colours(tmp_path, rgb, name):
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / name)
    assert np.abs(read_rgb_of_any_depth(tmp_path / name).astype(int) - rgb).mean() < 8
