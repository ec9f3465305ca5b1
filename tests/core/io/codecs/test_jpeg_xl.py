"""JPEG XL of every depth."""

import imagecodecs
import numpy as np
import pytest
from support.combinations import each_pair_of
from support.files import XMP, exif_block

from lerf_core.errors import FileError
from lerf_core.io.codecs.boxes import box
from lerf_core.io.reading import open_reader, read_header, read_image

LAYOUTS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@each_pair_of(
    bits=[8, 10, 12, 16], channels=[1, 2, 3, 4],
    shape=[(16, 24), (300, 400), (17, 33), (24, 24)],
)  # fmt: skip
def test_samples_span_their_type(rng, tmp_path, bits, channels, shape):
    pixels = rng.integers(0, 1 << bits, (*shape, channels))
    pixels[0, 0], pixels[0, 1] = 0, (1 << bits) - 1
    pixels = pixels[..., 0] if channels == 1 else pixels
    pixels = pixels.astype(np.uint8 if bits == 8 else np.uint16)
    path = tmp_path / "a.jxl"
    path.write_bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, bitspersample=bits))
    image, header = read_image(path), read_header(path)
    size = 8 if bits == 8 else 16
    expected = np.rint(pixels.astype(float) * (2**size - 1) / (2**bits - 1))
    np.testing.assert_array_equal(image.frames[0], expected)
    assert (image.layout, image.dtype) == (LAYOUTS[channels], np.dtype(f"uint{size}"))
    assert (header.layout, header.dtype, header.shape) == (image.layout, image.dtype, shape)
    notes = () if bits == size else (f"{bits}-bit samples expanded to 16 bits",)
    assert image.notes == header.notes == notes
    assert image.metadata.bits == header.metadata.bits == (bits if bits != size else None)
    np.testing.assert_array_equal(read_image(path, labels=True).frames[0], pixels)
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader[...], expected)


def test_floats(rng):
    pixels = rng.random((16, 24, 3), np.float32)
    data = imagecodecs.jpegxl_encode(pixels, lossless=True)
    image, header = read_image(data), read_header(data)
    np.testing.assert_allclose(image.frames[0], pixels, rtol=1e-6)
    assert image.dtype == header.dtype == np.float32


def test_metadata_in_boxes(rng):
    pixels = rng.integers(0, 256, (16, 24, 3), np.uint8)
    codestream = imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=False)
    block = exif_block(6).tobytes()[6:]
    compressed = box(b"brob", b"xml ", imagecodecs.brotli_encode(XMP))
    data = b"".join([
        box(b"JXL ", b"\r\n\x87\n"), box(b"ftyp", b"jxl \0\0\0\0jxl "),
        box(b"Exif", bytes(4), block), compressed, box(b"jxlc", codestream),
    ])  # fmt: skip
    image = read_image(data)
    # The codestream says how an image is turned, and EXIF does not.
    np.testing.assert_array_equal(image.frames[0], pixels)
    assert b"Maker of cameras" in image.metadata.exif
    assert image.metadata.xmp == XMP
    assert read_header(data).metadata == image.metadata


def test_damaged(rng):
    data = imagecodecs.jpegxl_encode(rng.integers(0, 256, (64, 64, 3), np.uint8), lossless=True)
    with pytest.raises(FileError, match="above the limit"):
        read_image(data, 100)
    for length in (3, 5, len(data) // 2):
        with pytest.raises(FileError):
            read_image(data[:length])
