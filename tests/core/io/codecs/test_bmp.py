"""BMP of 16 and 32 bits per pixel: masks, alpha, profiles."""

import io
import struct

import numpy as np
import pytest
from PIL import Image
from support.cli import run_lerf
from support.files import icc_profile

from lerf_core.errors import FileError
from lerf_core.io.codec import Encoding
from lerf_core.io.formats import FORMATS
from lerf_core.io.image import DecodedImage
from lerf_core.io.reading import open_reader, read_header, read_image
from lerf_core.io.writing import encode_to_bytes


def bmp(words, masks, *, size=124, kind=3, top_down=False, profile=b""):
    """Return a BMP of 16- or 32-bit words, with a header of some size."""
    rows, cols = words.shape
    bits = 8 * words.dtype.itemsize
    start = 14 + max(size, 40 + 4 * len(masks) * (size == 40))
    stride = -(-cols * words.dtype.itemsize // 4) * 4
    header = struct.pack(
        "<I2i2H2I2i2I", size, cols, -rows if top_down else rows, 1, bits, kind, 0, 3780, 7559, 0, 0
    )
    header += struct.pack(f"<{len(masks)}I", *masks)
    if profile:
        header = header.ljust(56, b"\0") + b"DEBM"
        header = header.ljust(112, b"\0") + struct.pack(
            "<2I", start - 14 + rows * stride, len(profile)
        )
    lines = words if top_down else words[::-1]
    pixels = b"".join(line.tobytes().ljust(stride, b"\0") for line in lines)
    return b"".join([
        struct.pack("<2sI4xI", b"BM", start + len(pixels) + len(profile), start),
        header.ljust(start - 14, b"\0"), pixels, profile,
    ])  # fmt: skip


LAYOUTS = {
    "8888 in V5": (32, (16, 8, 0, 24), (8, 8, 8, 8), {}),
    "8888 in V3": (32, (0, 8, 16, 24), (8, 8, 8, 8), {"size": 56}),
    "8888 behind the header": (32, (16, 8, 0, 24), (8, 8, 8, 8), {"size": 40, "kind": 6}),
    "888 of 32": (32, (16, 8, 0), (8, 8, 8), {"size": 40}),
    "101010 and 2": (32, (20, 10, 0, 30), (10, 10, 10, 2), {}),
    "5551": (16, (10, 5, 0, 15), (5, 5, 5, 1), {}),
    "4444": (16, (8, 4, 0, 12), (4, 4, 4, 4), {"top_down": True}),
    "565": (16, (11, 5, 0), (5, 6, 5), {"size": 40}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_masks_take_pixels_apart(rng, tmp_path, name):
    bits, shifts, widths, further = LAYOUTS[name]
    samples = [rng.integers(0, 1 << width, (5, 7)).astype(np.uint64) for width in widths]
    words = sum(sample << shift for sample, shift in zip(samples, shifts, strict=True))
    masks = [((1 << width) - 1) << shift for width, shift in zip(widths, shifts, strict=True)]
    path = tmp_path / "a.bmp"
    path.write_bytes(bmp(words.astype(f"<u{bits // 8}"), masks, **further))
    image, header = read_image(path), read_header(path)
    size = 8 if max(widths) <= 8 else 16
    for channel, (sample, width) in enumerate(zip(samples, widths, strict=True)):
        expected = np.rint(sample.astype(float) * (2**size - 1) / (2**width - 1))
        np.testing.assert_array_equal(image.frames[0][..., channel], expected)
    assert image.layout == header.layout == ("RGBA" if len(widths) == 4 else "RGB")
    assert image.dtype == header.dtype == np.dtype(f"uint{size}")
    assert image.metadata.dpi == pytest.approx((96, 192), abs=0.1)
    words_of_note = f"samples of {', '.join(map(str, widths))} bits expanded to {size} bits"
    assert image.notes == (() if set(widths) == {8} else (words_of_note,))
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader[...], image.frames[0])


def test_alpha_of_32_bits_without_masks_is_none(rng):
    words = rng.integers(0, 1 << 32, (4, 5), np.uint32)
    image = read_image(bmp(words, (), size=40, kind=0))
    assert image.layout == "RGB"
    np.testing.assert_array_equal(image.frames[0][..., 2], words & 255)


def test_alpha_that_was_never_filled_in(rng):
    words = rng.integers(0, 1 << 24, (4, 5), np.uint32)
    image = read_image(bmp(words, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)))
    assert (image.frames[0][..., 3] == 255).all()
    assert image.notes == ("alpha of 0 everywhere taken for opaque",)


def test_an_embedded_profile_is_read(rng):
    words = rng.integers(0, 1 << 32, (4, 5), np.uint32)
    data = bmp(words, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), profile=icc_profile())
    assert read_image(data).metadata.icc == read_header(data).metadata.icc == icc_profile()


def test_written_alpha_is_read_again(rng, tmp_path):
    pixels = rng.integers(0, 256, (6, 5, 4), np.uint8)
    image = DecodedImage([pixels], "RGBA", "BMP")
    data, _ = encode_to_bytes(image, FORMATS["BMP"], Encoding())
    np.testing.assert_array_equal(read_image(data).frames[0], pixels)
    other = Image.open(io.BytesIO(data))
    assert other.mode == "RGBA"
    np.testing.assert_array_equal(np.array(other), pixels)
    (tmp_path / "in.bmp").write_bytes(data)
    run_lerf("resize", tmp_path / "in.bmp", "-o", tmp_path / "out.bmp", "--scale", 2)
    assert read_image(tmp_path / "out.bmp").frames[0].shape == (12, 10, 4)


def test_damaged(rng):
    words = rng.integers(0, 1 << 32, (4, 5), np.uint32)
    data = bmp(words, (0xFF0000, 0xFF00, 0xFF, 0xFF000000))
    with pytest.raises(FileError, match="ends before its pixels"):
        read_image(data[:-1])
    with pytest.raises(FileError, match="masks"):
        read_image(bmp(words, (0xFF00FF, 0xFF00, 0xFF, 0)))
    with pytest.raises(FileError, match="above the limit"):
        read_image(data, 10)
