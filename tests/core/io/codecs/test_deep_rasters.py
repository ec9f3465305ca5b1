"""SGI and PSD of 16 bits, PSD and HDR of floats."""

import struct

import imagecodecs
import numpy as np
import pytest
from support.files import icc_profile

from lerf_core.errors import FileError
from lerf_core.io.reading import open_reader, read_header, read_image

LAYOUTS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def check(data, tmp_path, pixels, layout):
    """Check what is read of a file, whole, by its header and by regions."""
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    image, header = read_image(path), read_header(path)
    np.testing.assert_array_equal(image.frames[0], pixels)
    assert image.dtype == header.dtype == pixels.dtype
    assert image.layout == header.layout == layout
    assert header.shape == image.shape
    assert header.notes == image.notes
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader[...], pixels)
    return image


def samples(rng, channels, dtype=np.uint16):
    pixels = rng.integers(0, 65536, (7, 9, channels))
    pixels[2:4] = 1234
    pixels = pixels[..., 0] if channels == 1 else pixels
    return pixels.astype(dtype)


def as_planes(pixels):
    return np.moveaxis(pixels.reshape(*pixels.shape[:2], -1), -1, 0)


# -- SGI ------------------------------------------------------------------------------------


def packed_row(row):
    """Return a row as one run and a literal."""
    runs = [3, int(row[0])] if (row[:3] == row[0]).all() else [0x83, *row[:3].tolist()]
    rest = row[3:].tolist()
    return np.array([*runs, 0x80 | len(rest), *rest, 0], ">u2").tobytes()


def sgi(pixels, *, packed):
    planes = as_planes(pixels)[:, ::-1]
    samples, rows, cols = planes.shape
    header = struct.pack(">H2B4H", 474, packed, 2, 3, cols, rows, samples).ljust(512, b"\0")
    if not packed:
        return header + planes.astype(">u2").tobytes()
    lines = [packed_row(row) for plane in planes for row in plane]
    starts = 512 + 8 * len(lines) + np.cumsum([0, *map(len, lines[:-1])])
    tables = [np.array(numbers, ">u4").tobytes() for numbers in (starts, list(map(len, lines)))]
    return header + b"".join(tables) + b"".join(lines)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sgi(rng, tmp_path, channels, packed):
    pixels = samples(rng, channels)
    data = sgi(pixels, packed=packed)
    check(data, tmp_path, pixels, LAYOUTS[channels])
    for length in (600, len(data) - 30):
        with pytest.raises(FileError):
            read_image(data[:length])
    with pytest.raises(FileError, match="above the limit"):
        read_header(data, 60)


# -- PSD ------------------------------------------------------------------------------------


def resource(number, data):
    return struct.pack(">4sHHI", b"8BIM", number, 0, len(data)) + data + bytes(len(data) % 2)


def psd(pixels, mode, *, packed=False, large=False):
    planes = as_planes(pixels)
    channels, rows, cols = planes.shape
    stored = planes.astype(">f4" if pixels.dtype == np.float32 else ">u2")
    resolution = struct.pack(">IHHIHH", 300 << 16, 1, 1, 150 << 16, 1, 1)
    resources = resource(1005, resolution) + resource(1039, icc_profile())
    pieces = [
        struct.pack(
            ">4sH6xH2I2H", b"8BPS", 1 + large, channels, rows, cols,
            8 * stored.dtype.itemsize, mode,
        ),
        struct.pack(">I", 0), struct.pack(">I", len(resources)), resources,
        struct.pack(">Q" if large else ">I", 6), b"layers", struct.pack(">H", packed),
    ]  # fmt: skip
    if packed:
        lines = [imagecodecs.packbits_encode(row.tobytes()) for plane in stored for row in plane]
        pieces += [np.array(list(map(len, lines)), ">u4" if large else ">u2").tobytes(), *lines]
    else:
        pieces.append(stored.tobytes())
    return b"".join(pieces)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    ("mode", "channels", "layout", "dtype"),
    [
        (1, 1, "L", np.uint16),
        (1, 2, "LA", np.uint16),
        (3, 3, "RGB", np.uint16),
        (3, 4, "RGBA", np.float32),
        (3, 3, "RGB", np.float32),
    ],
)
def test_psd(rng, tmp_path, mode, channels, layout, dtype, packed, large):
    pixels = samples(rng, channels, dtype)
    data = psd(pixels, mode, packed=packed, large=large)
    image = check(data, tmp_path, pixels, layout)
    assert image.notes == ("layers merged",)
    assert image.metadata.icc == icc_profile()
    assert image.metadata.dpi == (300, 150)
    with pytest.raises(FileError):
        read_image(data[:-30])


def test_psd_of_inks_and_of_further_channels(rng):
    pixels = samples(rng, 4)
    image = read_image(psd(pixels, 4))
    np.testing.assert_array_equal(image.frames[0], 65535 - pixels)
    assert image.layout == "CMYK"
    image = read_image(psd(np.concatenate([pixels, pixels], axis=2), 3))
    np.testing.assert_array_equal(image.frames[0], pixels[..., :3])
    assert "5 further channels left out" in image.notes
    with pytest.raises(FileError, match="mode 9"):
        read_image(psd(pixels[..., :3], 9))


# -- HDR ------------------------------------------------------------------------------------


def hdr(words, size=b"-Y   3 +X  5\n", fields=b"FORMAT=32-bit_rle_rgbe\n"):
    return b"#?RADIANCE\n" + fields + b"\n" + size + words.tobytes()


def test_hdr(rng, tmp_path):
    words = rng.integers(1, 256, (3, 5, 4), np.uint8)
    words[..., 3] = rng.integers(120, 140, (3, 5))
    expected = words[..., :3] * np.exp2(words[..., 3:].astype(float) - 136)
    expected = expected.astype(np.float32)
    check(hdr(words), tmp_path, expected, "RGB")
    image = read_image(hdr(words, b"+Y 3 -X 5\n", b"EXPOSURE=2\nEXPOSURE= 0.25\n"))
    np.testing.assert_array_equal(image.frames[0], expected[::-1, ::-1])
    assert image.notes == ("values are radiances times 0.5, the file's exposure",)


def test_hdr_refused(rng):
    words = rng.integers(1, 256, (3, 5, 4), np.uint8)
    with pytest.raises(FileError, match="XYZ"):
        read_image(hdr(words, fields=b"FORMAT=32-bit_rle_xyze\n"))
    with pytest.raises(FileError, match="no size"):
        read_image(hdr(words, b"+X 3 -Y 5\n"))
    with pytest.raises(FileError, match="above the limit"):
        read_image(hdr(words, b"-Y 300000 +X 500000\n"))
    with pytest.raises(FileError):
        read_image(hdr(words)[:-8])
