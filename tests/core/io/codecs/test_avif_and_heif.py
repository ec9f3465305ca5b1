"""AVIF and HEIC of 8 to 12 bits."""

import io
import sys

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from support.cli import run_lerf
from support.files import XMP, exif_block, icc_profile, smooth_rgb

from lerf_core.errors import FileError
from lerf_core.io.reading import open_reader, read_header, read_image

LAYOUTS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def stored(rng, bits, channels):
    pixels = rng.integers(0, 1 << bits, (16, 24, channels))
    pixels[0, 0], pixels[0, 1] = 0, (1 << bits) - 1
    pixels = pixels[..., 0] if channels == 1 else pixels
    return pixels.astype(np.uint8 if bits == 8 else np.uint16)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_samples_span_their_type(rng, tmp_path, bits, channels):
    pixels = stored(rng, bits, channels)
    path = tmp_path / "a.avif"
    path.write_bytes(imagecodecs.avif_encode(pixels, level=100, bitspersample=bits))
    image, header = read_image(path), read_header(path)
    size = 8 if bits == 8 else 16
    expected = np.rint(pixels.astype(float) * (2**size - 1) / (2**bits - 1))
    np.testing.assert_array_equal(image.frames[0], expected)
    assert (image.layout, image.dtype) == (LAYOUTS[channels], np.dtype(f"uint{size}"))
    assert (header.layout, header.dtype, header.shape) == (image.layout, image.dtype, (16, 24))
    notes = () if bits == 8 else (f"{bits}-bit samples expanded to 16 bits",)
    assert image.notes == header.notes == notes
    assert image.metadata.bits == header.metadata.bits == (bits if bits != size else None)
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader[...], expected)


def test_deep_animations_keep_all_frames(rng):
    frames = np.stack([stored(rng, 10, 3) for _ in range(3)])
    data = imagecodecs.avif_encode(frames, level=100, bitspersample=10)
    image = read_image(data)
    expected = np.rint(frames.astype(float) * 65535 / 1023)
    np.testing.assert_array_equal(np.stack(image.frames), expected)
    assert (read_header(data).frames, len(image.metadata.durations)) == (3, 3)


def test_colour_codes(rng):
    pixels = stored(rng, 10, 3)
    data = imagecodecs.avif_encode(
        pixels, level=90, bitspersample=10, primaries=9, transfer=16, matrix=9
    )
    assert read_image(data).metadata.cicp == (9, 16, 0, 1)
    plain = imagecodecs.avif_encode(
        pixels, level=90, bitspersample=10, primaries=1, transfer=13, matrix=6
    )
    assert read_image(plain).metadata.cicp is None


def test_metadata_come_along():
    stream = io.BytesIO()
    exif = exif_block(6).tobytes()
    Image.fromarray(smooth_rgb()).save(
        stream, "AVIF", icc_profile=icc_profile(), exif=exif, xmp=XMP
    )
    image, header = read_image(stream.getvalue()), read_header(stream.getvalue())
    assert image.shape == header.shape == (14, 10)
    assert image.metadata.icc == header.metadata.icc == icc_profile()
    assert b"Maker of cameras" in image.metadata.exif
    assert image.metadata.xmp == XMP


def test_too_large(rng):
    data = imagecodecs.avif_encode(stored(rng, 10, 3), level=90, bitspersample=10)
    with pytest.raises(FileError, match="above the limit"):
        read_image(data, 100)
    for length in (40, 200, len(data) // 2):
        with pytest.raises(FileError):
            read_image(data[:length])


# -- HEIC -----------------------------------------------------------------------------------

#: The beginning of such a file: its brands.
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


def test_heic_without_its_decoder_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(HEIC)
    with pytest.raises(FileError, match=r"pip install 'lerf\[heif\]'"):
        read_image(HEIC)
    with pytest.raises(FileError, match="pillow-heif"):
        open_reader(tmp_path / "a.heic")
    result = run_lerf(
        "resize", tmp_path, "-o", tmp_path / "out/", "--scale", 2, "--format", "png", code=1
    )
    assert "a.heic: HEIC and HEIF are read by pillow-heif" in result.stderr


@pytest.mark.parametrize("bits", [8, 10])
def test_heic(bits):
    pillow_heif = pytest.importorskip("pillow_heif")
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    rgb = np.stack([ramp, ramp[::-1], ramp.T], axis=2)
    if bits == 8:
        heif = pillow_heif.from_bytes("RGB", (64, 64), (rgb >> 8).astype(np.uint8).tobytes())
    else:
        heif = pillow_heif.from_bytes("RGB;16", (64, 64), rgb.tobytes())
    stream = io.BytesIO()
    heif.save(stream, quality=-1, chroma=444, exif=exif_block(1).tobytes(), icc_profile=None)
    image, header = read_image(stream.getvalue()), read_header(stream.getvalue())
    assert image.dtype == header.dtype == (np.uint8 if bits == 8 else np.uint16)
    top = np.iinfo(image.dtype).max
    np.testing.assert_allclose(image.frames[0] / top, rgb / 65535, atol=2 / (2**bits - 1))
    assert image.frames[0].max() == top
    assert b"Maker of cameras" in image.metadata.exif


def test_a_damaged_heic_fails_in_one_line():
    pytest.importorskip("pillow_heif")
    with pytest.raises(FileError) as caught:
        read_image(HEIC)
    assert "\n" not in str(caught.value)
