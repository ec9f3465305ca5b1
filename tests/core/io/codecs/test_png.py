"""16-bit PNG: what Pillow would make 8-bit."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.files import PNG_SIGNATURE, png_chunk

from lerf_core.errors import FileError
from lerf_core.io.formats import FORMATS
from lerf_core.io.image import DecodedImage
from lerf_core.io.reading import read_header, read_image
from lerf_core.io.writing import Encoding, encode_to_bytes

TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
ADAM7 = [
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
]


def filtered(rows: np.ndarray, pixel: int, first: int) -> bytes:
    """Filter rows of bytes, each by another filter, from the specification's own words."""
    out = b""
    above = [0] * rows.shape[1]
    for number, row in enumerate(rows.tolist()):
        kind = (number + first) % 5
        line = []
        for index, value in enumerate(row):
            a = row[index - pixel] if index >= pixel else 0
            b = above[index]
            c = above[index - pixel] if index >= pixel else 0
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            guess = [0, a, b, (a + b) // 2, paeth][kind]
            line.append((value - guess) % 256)
        out += bytes([kind, *line])
        above = row
    return out


def png(samples: np.ndarray, *, interlaced: bool = False, extra: bytes = b"") -> bytes:
    rows, cols, channels = samples.shape
    parts = [samples]
    if interlaced:
        parts = [samples[y::dy, x::dx] for y, x, dy, dx in ADAM7]
    data = b""
    for first, part in enumerate(parts):
        if part.size:
            lines = np.frombuffer(part.astype(">u2").tobytes(), np.uint8).reshape(len(part), -1)
            data += filtered(lines, 2 * channels, first)
    header = struct.pack(">IIBBBBB", cols, rows, 16, TYPES[channels], 0, 0, int(interlaced))
    body = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(data))
    return PNG_SIGNATURE + body + png_chunk(b"IEND", b"")


def written(samples: np.ndarray) -> bytes:
    layout = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[samples.shape[2]]
    image = DecodedImage([squeezed(samples)], layout, "PNG")
    return encode_to_bytes(image, FORMATS["PNG"], Encoding())[0]


def squeezed(samples: np.ndarray) -> np.ndarray:
    return samples[..., 0] if samples.shape[2] == 1 else samples


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_filter_and_interlacing_keep_all_16_bits(rng, channels, interlaced):
    samples = rng.integers(0, 65536, (11, 9, channels)).astype(np.uint16)
    picture = read_image(png(samples, interlaced=interlaced))
    assert picture.dtype == np.uint16
    np.testing.assert_array_equal(picture.frames[0], squeezed(samples))


@given(st.integers(1, 70), st.integers(1, 9), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_what_is_written_is_read_back(rows, cols, channels, seed):
    samples = np.random.default_rng(seed).integers(0, 65536, (rows, cols, channels))
    samples = np.cumsum(samples // 4096, axis=1).astype(np.uint16)
    np.testing.assert_array_equal(read_image(written(samples)).frames[0], squeezed(samples))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_another_reader_agrees(rng, channels):
    samples = rng.integers(0, 65536, (70, 9, channels)).astype(np.uint16)
    read = cv2.imdecode(np.frombuffer(written(samples), np.uint8), cv2.IMREAD_UNCHANGED)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    np.testing.assert_array_equal(read.reshape(samples.shape)[..., order], samples)


def test_one_colour_for_transparency_becomes_alpha(rng):
    samples = rng.integers(0, 9, (5, 6, 3)).astype(np.uint16)
    samples[2, 3] = (1, 2, 300)
    picture = read_image(png(samples, extra=png_chunk(b"tRNS", struct.pack(">3H", 1, 2, 300))))
    assert picture.layout == "RGBA"
    alpha = picture.frames[0][..., 3]
    assert alpha[2, 3] == 0
    assert (np.delete(alpha.ravel(), 2 * 6 + 3) == 65535).all()


def test_filtering_pays(rng):
    ramp = np.add.outer(np.arange(64) * 500, np.arange(64) * 300).astype(np.uint16)
    assert len(written(np.stack([ramp] * 3, axis=2))) < 64 * 64 * 6 / 10


def test_a_cut_file_is_refused(rng):
    data = png(rng.integers(0, 65536, (30, 30, 3)).astype(np.uint16))
    with pytest.raises(FileError, match="damaged"):
        read_image(data[: len(data) // 2])


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_of_few_bits_spans_8_and_stays_so_as_labels(bits):
    values = np.arange(16, dtype=np.uint8).reshape(2, 8) % (1 << bits)
    rows = np.unpackbits(values[..., np.newaxis], axis=2)[..., 8 - bits :].reshape(2, -1)
    lines = b"".join(b"\0" + np.packbits(row).tobytes() for row in rows)
    header = struct.pack(">2I5B", 8, 2, bits, 0, 0, 0, 0)
    data = PNG_SIGNATURE + b"".join(
        png_chunk(name, content)
        for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    )
    image = read_image(data)
    np.testing.assert_array_equal(image.frames[0], values * (255 // ((1 << bits) - 1)))
    assert image.notes == read_header(data).notes == (f"{bits}-bit samples expanded to 8 bits",)
    labels = read_image(data, labels=True)
    np.testing.assert_array_equal(labels.frames[0], values)
    assert labels.notes == ()
