"""PBM, PGM, PPM, PAM and PFM of every depth."""

import io

import numpy as np
import pytest
from support.cli import run_lerf

from lerf_core.errors import FileError
from lerf_core.io.codec import Encoding
from lerf_core.io.formats import FORMATS
from lerf_core.io.image import DecodedImage
from lerf_core.io.reading import open_reader, read_header, read_image
from lerf_core.io.writing import encode_to_bytes


def header_of_pam(channels, top, kind="", size=(2, 1)):
    lines = ["P7", "# a comment", f"WIDTH {size[0]}", f"HEIGHT {size[1]}", f"DEPTH {channels}"]
    return "\n".join([*lines, f"MAXVAL {top}", *([f"TUPLTYPE {kind}"] * bool(kind)), "ENDHDR\n"])


BIG = ">u2"
FILES = {
    "P5-1023": (
        b"P5 3 1 1023\n" + np.array([0, 512, 1023], BIG).tobytes(),
        np.array([[0, 32800, 65535]], np.uint16),
        ("10-bit samples expanded to 16 bits",),
    ),
    "P5-5": (
        b"P5 # five\n3 1\n5\n\0\1\5",
        np.array([[0, 51, 255]], np.uint8),
        ("samples of 0..5 expanded to 8 bits",),
    ),
    "P5-65535": (b"P5 2 1 65535\n\1\2\3\4", np.array([[258, 772]], np.uint16), ()),
    "P6-4095": (
        b"P6 1 1 4095\n" + np.array([0, 2048, 4095], BIG).tobytes(),
        np.array([[[0, 32776, 65535]]], np.uint16),
        ("12-bit samples expanded to 16 bits",),
    ),
    "P2-1000": (
        b"P2\n3 1\n1000 0 1000 # white\n1",
        np.array([[0, 65535, 66]], np.uint16),
        ("samples of 0..1000 expanded to 16 bits",),
    ),
    "P3-255": (b"P3 1 1 255 1 2 3", np.array([[[1, 2, 3]]], np.uint8), ()),
    "P1": (
        b"P1 3 1\n101",
        np.array([[0, 255, 0]], np.uint8),
        ("1-bit expanded to 8-bit grey",),
    ),
    "P4": (
        b"P4 3 2\n\xa0\x40",
        np.array([[0, 255, 0], [255, 0, 255]], np.uint8),
        ("1-bit expanded to 8-bit grey",),
    ),
    "two images": (
        b"P5 2 1 255\n\1\2P5 2 1 255\n\3\4",
        np.array([[1, 2]], np.uint8),
        ("only the first of several images in the file is used",),
    ),
    "PAM-grey": (
        header_of_pam(1, 1, "BLACKANDWHITE").encode() + b"\0\1",
        np.array([[0, 255]], np.uint8),
        ("1-bit expanded to 8-bit grey",),
    ),
    "PAM-LA": (
        header_of_pam(2, 1023, "GRAYSCALE_ALPHA").encode()
        + np.array([0, 1023, 512, 0], BIG).tobytes(),
        np.array([[[0, 65535], [32800, 0]]], np.uint16),
        ("10-bit samples expanded to 16 bits",),
    ),
    "PAM-6": (
        header_of_pam(6, 255).encode() + bytes(range(12)),
        np.arange(12, dtype=np.uint8).reshape(1, 2, 6),
        (),
    ),
    "Pf": (
        b"Pf\n1 2\n-1.0\n" + np.array([1.5, -2], "<f4").tobytes(),
        np.array([[-2], [1.5]], np.float32),
        (),
    ),
    "PF-scaled": (
        b"PF 1 1 2.5\n" + np.array([1, 2, 3], ">f4").tobytes(),
        np.array([[[1, 2, 3]]], np.float32),
        ("PFM's scale factor of 2.5 not applied",),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_values_span_their_dtype(name, tmp_path):
    data, expected, notes = FILES[name]
    header, image = read_header(data), read_image(data)
    np.testing.assert_array_equal(image.frames[0], expected)
    assert image.dtype == expected.dtype == header.dtype
    assert image.notes == notes
    assert header.shape == expected.shape[:2]
    assert header.metadata == image.metadata
    path = tmp_path / "a.pnm"
    path.write_bytes(data)
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader[...], expected)
        assert reader.layout == image.layout == header.layout


def test_bits_are_remembered():
    assert read_image(FILES["P5-1023"][0]).metadata.bits == 10
    assert read_image(FILES["P5-5"][0]).metadata.bits is None


def test_labels_stay_as_they_are_stored():
    image = read_image(b"P5 3 1 5\n\0\1\5", labels=True)
    assert (image.frames[0].tolist(), image.notes) == ([[0, 1, 5]], ())
    assert read_image(b"P4 3 1\n\xa0", labels=True).frames[0].tolist() == [[False, True, False]]


LAYOUTS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA", 5: "MULTI"}


@pytest.mark.parametrize(
    ("name", "channels", "dtype"),
    [
        ("PPM", 1, "uint8"),
        ("PPM", 3, "uint8"),
        ("PPM", 1, "uint16"),
        ("PPM", 3, "uint16"),
        ("PAM", 1, "bool"),
        ("PAM", 2, "uint8"),
        ("PAM", 4, "uint16"),
        ("PAM", 5, "uint16"),
        ("PFM", 1, "float32"),
        ("PFM", 3, "float32"),
    ],
)
def test_written_is_read_again(name, channels, dtype, rng):
    pixels = rng.integers(0, 2 if dtype == "bool" else 65536, (5, 7, channels)).astype(dtype)
    pixels = pixels[..., 0] if channels == 1 else pixels
    image = DecodedImage([pixels], LAYOUTS[channels], name)
    data, _ = encode_to_bytes(image, FORMATS[name], Encoding())
    again = read_image(data, labels=dtype == "bool")
    np.testing.assert_array_equal(again.frames[0], pixels)
    assert (again.dtype, again.layout, again.format) == (pixels.dtype, LAYOUTS[channels], name)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"P5 ", "no end"),
        (b"P6 2 1", "no end"),
        (b"P6 2 1 255\n12345", "ends before its pixels do"),
        (b"P4 9 2\n123", "ends before its pixels do"),
        (b"P2 3 1 5 0 1 x", "samples are missing"),
        (b"P2 3 1 5 0 1", "samples are missing"),
        (b"P2 2 1 5 0 -1", "samples are missing"),
        (b"P2 2 1 5 0 nan", "samples are missing"),
        (b"P2 2 1 5 0 70000", "above 65,535"),
        (b"P3 2 1 5 ", "samples are missing"),
        (b"P5 -1 3 255\n", "number"),
        (b"P5 0 3 255\n", "without pixels"),
        (b"P5 1 1 70000\n12", "70000"),
        (b"Pf 1 1 0\n1234", "scale"),
        (b"P7\nWIDTH 1\nENDHDR\n1", "HEIGHT"),
        (b"P6 20000000 10 255\n1", "200,000,000 pixels, above the limit"),
        (header_of_pam(500, 255, size=(10**6, 10)).encode(), "500 samples"),
    ],
)
def test_damaged_or_too_large(data, words):
    with pytest.raises(FileError, match=words):
        read_image(data)


def test_a_ppm_of_16_bits_keeps_them(tmp_path):
    ramp = np.arange(0, 65536, 64, np.uint16).reshape(32, 32)
    stream = io.BytesIO(b"P5 32 32 65535\n")
    stream.seek(0, 2)
    stream.write(ramp.astype(BIG).tobytes())
    (tmp_path / "in.pgm").write_bytes(stream.getvalue())
    run_lerf("resize", tmp_path / "in.pgm", "-o", tmp_path / "out.pgm", "--scale", "2")
    result = read_image(tmp_path / "out.pgm")
    assert result.dtype == np.uint16
    assert len(np.unique(result.frames[0])) > 1000
