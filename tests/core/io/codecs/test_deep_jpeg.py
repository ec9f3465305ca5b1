"""JPEG of 12 bits, lossless JPEG, JPEG-LS."""

import imagecodecs
import numpy as np
import pytest
from support.cli import run_lerf
from support.files import exif_block

from lerf_core.errors import FileError
from lerf_core.io.reading import open_reader, read_header, read_image


def ramp(bits, channels=1):
    """Return smooth samples of so many bits."""
    down, across = np.mgrid[:24, :32]
    planes = [down * 32 + across, across * 24 + down, (23 - down) * 32 + across]
    pixels = np.stack(planes[:channels], axis=2) * ((1 << bits) - 1) // (24 * 32 - 1)
    return pixels.astype(np.uint8 if bits <= 8 else np.uint16).squeeze()


def with_exif(data, orientation):
    block = exif_block(orientation).tobytes()
    return data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]


def as_read(pixels, bits):
    size = 8 if bits <= 8 else 16
    return np.rint(pixels.astype(float) * (2**size - 1) / (2**bits - 1))


@pytest.mark.parametrize("channels", [1, 3])
def test_12_bits(tmp_path, channels):
    pixels = ramp(12, channels)
    data = imagecodecs.jpeg8_encode(pixels, level=100, bitspersample=12, subsampling="444")
    path = tmp_path / "a.jpg"
    path.write_bytes(with_exif(data, 6))
    image, header = read_image(path), read_header(path)
    expected = np.rot90(as_read(pixels, 12), -1)
    np.testing.assert_allclose(image.frames[0], expected, atol=16 * 6)
    assert image.dtype == header.dtype == np.uint16
    assert (image.layout, header.shape) == ("L" if channels == 1 else "RGB", (32, 24))
    assert image.notes == header.notes == ("12-bit samples expanded to 16 bits",)
    assert image.metadata.bits == header.metadata.bits == 12
    assert b"Maker of cameras" in image.metadata.exif
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader[...], image.frames[0])
    run_lerf("resize", path, "-o", tmp_path / "out.png", "--scale", 2)
    assert read_image(tmp_path / "out.png").dtype == np.uint16


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless(bits, channels):
    pixels = ramp(bits, channels)
    image = read_image(imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=bits))
    np.testing.assert_array_equal(image.frames[0], as_read(pixels, bits))
    assert image.lossless


@pytest.mark.parametrize("bits", [8, 16])
def test_jpeg_ls(bits):
    pixels = ramp(bits, 3)
    data = imagecodecs.jpegls_encode(pixels)
    np.testing.assert_array_equal(read_image(data).frames[0], pixels)
    np.testing.assert_array_equal(read_image(data, labels=True).frames[0], pixels)


def test_a_cut_jpeg_ls_fails_at_once():
    with pytest.raises(FileError, match="ends before its pixels"):
        read_image(imagecodecs.jpegls_encode(ramp(8, 3))[:-40])


def test_damaged():
    data = imagecodecs.jpeg8_encode(ramp(12), level=95, bitspersample=12)
    with pytest.raises(FileError, match="above the limit"):
        read_image(data, 100)
    with pytest.raises(FileError):
        read_image(data[:100])
