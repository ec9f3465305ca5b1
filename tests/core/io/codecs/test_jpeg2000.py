"""JPEG 2000 of every depth, and what its boxes say."""

import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from support.files import XMP, exif_block, icc_profile

from lerf_core.errors import FileError
from lerf_core.io.codec import Encoding
from lerf_core.io.codecs.boxes import box
from lerf_core.io.formats import FORMATS
from lerf_core.io.image import DecodedImage
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.reading import open_reader, read_header, read_image
from lerf_core.io.writing import encode_to_bytes

IPTC = b"\x1c\x02\x05\0\5Title"
LAYOUTS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def stored(rng, bits, channels, *, signed=False, shape=(20, 30)):
    """Return samples of so many bits, the extremes among them."""
    pixels = rng.integers(0, 1 << bits, (*shape, channels))
    pixels[0, 0], pixels[0, 1] = 0, (1 << bits) - 1
    pixels = pixels[..., 0] if channels == 1 else pixels
    if signed:
        return (pixels - (1 << (bits - 1))).astype(np.int8 if bits <= 8 else np.int16)
    return pixels.astype(np.uint8 if bits <= 8 else np.uint16)


def encoded(pixels, bits, container="J2K"):
    return imagecodecs.jpeg2k_encode(
        pixels, level=0, reversible=True, codecformat=container, bitspersample=bits
    )


@pytest.mark.parametrize("container", ["J2K", "JP2"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [4, 8, 9, 10, 12, 16])
def test_samples_span_their_type(rng, tmp_path, bits, channels, container):
    pixels = stored(rng, bits, channels)
    path = tmp_path / "a.jp2"
    path.write_bytes(encoded(pixels, bits, container))
    image, header = read_image(path), read_header(path)
    size = 8 if bits <= 8 else 16
    expected = np.rint(pixels.astype(float) * (2**size - 1) / (2**bits - 1))
    np.testing.assert_array_equal(image.frames[0], expected)
    assert (image.dtype, image.layout) == (np.dtype(f"uint{size}"), LAYOUTS[channels])
    assert (header.dtype, header.layout, header.shape) == (image.dtype, image.layout, image.shape)
    notes = (f"{bits}-bit samples expanded to {size} bits",) if bits != size else ()
    assert image.notes == header.notes == notes
    assert image.metadata.bits == header.metadata.bits == (bits if bits != size else None)
    np.testing.assert_array_equal(read_image(path, labels=True).frames[0], pixels)
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader[...], expected)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_signed_samples_are_moved(rng, bits):
    pixels = stored(rng, bits, 3, signed=True)
    image = read_image(encoded(pixels, bits))
    size = 8 if bits <= 8 else 16
    expected = (pixels.astype(float) + 2 ** (bits - 1)) * (2**size - 1) / (2**bits - 1)
    np.testing.assert_array_equal(image.frames[0], np.rint(expected))
    assert image.notes[0] == f"signed {bits}-bit samples moved to 0..{2**bits - 1}"


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_written_is_read_again(rng, dtype, channels):
    pixels = stored(rng, 8 * np.dtype(dtype).itemsize, channels)
    exif = exif_block(1).tobytes()[6:]
    metadata = Metadata(icc_profile(), exif, XMP, IPTC, dpi=(300.0, 150.0))
    image = DecodedImage([pixels], LAYOUTS[channels], "JPEG2000", metadata)
    data, written = encode_to_bytes(image, FORMATS["JPEG2000"], Encoding())
    assert written.notes == ()
    again = read_image(data)
    np.testing.assert_array_equal(again.frames[0], pixels)
    assert (again.layout, again.dtype) == (image.layout, image.dtype)
    assert again.metadata.icc == icc_profile()
    assert again.metadata.iptc == IPTC
    assert again.metadata.xmp.startswith(b"<x:xmpmeta")
    assert b"Maker of cameras" in again.metadata.exif
    assert again.metadata.dpi == pytest.approx((300, 150), rel=1e-4)
    assert read_header(data).metadata == again.metadata
    # Others read it too.
    if dtype == np.uint8:
        other = Image.open(__import__("io").BytesIO(data))
        np.testing.assert_array_equal(np.array(other), pixels)
        assert other.mode == LAYOUTS[channels]


def in_container(codestream, *boxes, header=()):
    rows, cols = struct.unpack_from(">II", codestream, 12)[0], 0
    cols = struct.unpack_from(">I", codestream, 8)[0]
    channels = struct.unpack_from(">H", codestream, 40)[0]
    ihdr = box(b"ihdr", struct.pack(">2IH4B", rows, cols, channels, 7, 7, 0, 0))
    return b"".join([
        box(b"jP  ", b"\r\n\x87\n"), box(b"ftyp", b"jp2 \0\0\0\0jp2 "),
        box(b"jp2h", ihdr, *header), *boxes, box(b"jp2c", codestream),
    ])  # fmt: skip


def colours(space):
    return box(b"colr", b"\1\0\0", struct.pack(">I", space))


def test_profiles_do_not_change_pixels(rng):
    pixels = stored(rng, 8, 3)
    lab = bytearray(icc_profile())
    profile = box(b"colr", b"\2\0\0", bytes(lab))
    image = read_image(in_container(encoded(pixels, 8), header=[profile]))
    np.testing.assert_array_equal(image.frames[0], pixels)
    lab[16:20] = b"Lab "
    with pytest.raises(FileError, match="convert it to RGB"):
        read_image(in_container(encoded(pixels, 8), header=[box(b"colr", b"\2\0\0", bytes(lab))]))
    with pytest.raises(FileError, match="number 14 is not supported"):
        read_header(in_container(encoded(pixels, 8), header=[colours(14)]))


def test_ycc_becomes_rgb():
    ycc = np.full((9, 9, 3), 128, np.uint8)
    ycc[..., 0] = 100
    ycc[4, 4] = 76, 85, 255
    image = read_image(in_container(encoded(ycc, 8), header=[colours(18)]))
    assert image.frames[0][0, 0].tolist() == [100, 100, 100]
    np.testing.assert_allclose(image.frames[0][4, 4], [254, 0, 0], atol=1)


def test_channels_that_are_no_opacity(rng):
    pixels = stored(rng, 8, 4)
    assert read_image(in_container(encoded(pixels, 8), header=[colours(12)])).layout == "CMYK"
    meanings = [struct.pack(">3H", channel, 0, channel + 1) for channel in range(3)]
    unknown = box(b"cdef", struct.pack(">H", 4), *meanings, struct.pack(">3H", 3, 65535, 65535))
    assert read_image(in_container(encoded(pixels, 8), header=[unknown])).layout == "MULTI"
    premultiplied = box(b"cdef", struct.pack(">H", 4), *meanings, struct.pack(">3H", 3, 2, 0))
    image = read_image(in_container(encoded(pixels, 8), header=[premultiplied]))
    assert (image.layout, image.premultiplied) == ("RGBA", True)


def test_palettes(rng):
    indices = rng.integers(0, 3, (6, 7), np.uint8)
    table = np.array([[255, 0, 0], [0, 255, 0], [1, 2, 3]], np.uint8)
    palette = box(b"pclr", struct.pack(">HB", 3, 3), b"\7\7\7", table.tobytes())
    mapping = box(b"cmap", *(struct.pack(">HBB", 0, 1, column) for column in range(3)))
    data = in_container(encoded(indices, 8), header=[colours(16), palette, mapping])
    image = read_image(data)
    np.testing.assert_array_equal(image.frames[0], table[indices])
    assert image.notes == ("palette expanded to RGB",)
    labels = read_image(data, labels=True)
    np.testing.assert_array_equal(labels.frames[0], indices)
    np.testing.assert_array_equal(labels.palette[:3], table)


def test_damaged_and_too_large(rng):
    pixels = stored(rng, 12, 3)
    data = encoded(pixels, 12, "JP2")
    for length in (20, 60, 90, len(data) // 2):
        with pytest.raises(FileError):
            read_image(data[:length])
    with pytest.raises(FileError, match="above the limit"):
        read_image(data, 100)
    many = stored(rng, 8, 60)
    with pytest.raises(FileError, match="60 samples"):
        read_header(encoded(many, 8), 20 * 30 * 14)
    assert read_header(encoded(many, 8), 20 * 30 * 15).samples == 60
    assert read_image(encoded(many, 8)).layout == "MULTI"
