"""Values of TIFF pages become the same pixels on every way: depth, white at 0, palettes, YCbCr."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.combinations import each_pair_of
from support.tiff_files import LONG, RATIONAL, SHORT, write_chunks, write_packed

from lerf_core.errors import FileError
from lerf_core.io.formats import by_name
from lerf_core.io.reading import open_reader, read_image
from lerf_core.io.writing import Encoding, encode_to_bytes

ROWS, COLS = 21, 37
MINISWHITE = (262, SHORT, [0])


def read_alike(path: Path, **options) -> tuple[np.ndarray, object]:
    """Return the pixels that the whole way and the tiled one agree upon, and the image."""
    image = read_image(path, **options)
    with open_reader(path, **options) as reader:
        whole = reader[...]
        np.testing.assert_array_equal(whole, image.frames[0])
        np.testing.assert_array_equal(reader[3:18, 5:19], whole[3:18, 5:19])
        if whole.ndim == 3:
            np.testing.assert_array_equal(reader[2:9, :, 1:], whole[2:9, :, 1:])
        assert (reader.dtype, reader.layout) == (image.dtype, image.layout)
        assert (reader.notes, reader.metadata.bits) == (image.notes, image.metadata.bits)
    return image.frames[0], image


def spread(values: np.ndarray, bits: int, dtype: type) -> np.ndarray:
    """Return values of some bits over a dtype's full range, by exact division."""
    top, stored = int(np.iinfo(dtype).max), 2**bits - 1
    exact = [round(int(value) * top / stored) for value in values.ravel()]
    return np.array(exact, dtype).reshape(values.shape)


def values_of(bits: int, samples: int = 1, seed: int = 0) -> np.ndarray:
    shape = (ROWS, COLS) if samples == 1 else (ROWS, COLS, samples)
    values = np.random.default_rng(seed).integers(0, 2**bits, shape, np.uint32)
    values.flat[0], values.flat[1] = 0, 2**bits - 1
    return values


def container(bits: int) -> type:
    return np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32


@each_pair_of(
    bits=[1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 24, 31], compression=[1, 5, 8, 32773],
    order="<>", tile=[None, (16, 16)], low_bits_first=[False, True],
)  # fmt: skip
def test_any_depth_spans_its_dtype(tmp_path, bits, compression, order, tile, low_bits_first):
    values, dtype = values_of(bits), container(bits)
    path = write_packed(
        tmp_path / "a.tif", values, bits, order=order, tile=tile, rows_per_strip=8,
        compression=compression, low_bits_first=low_bits_first,
    )  # fmt: skip
    pixels, image = read_alike(path)
    assert pixels.dtype == dtype
    np.testing.assert_array_equal(pixels, spread(values, bits, dtype))
    assert image.metadata.bits == bits
    told = "1-bit expanded to 8-bit grey"
    if bits > 1:
        told = f"{bits}-bit samples expanded to {8 * np.dtype(dtype).itemsize} bits"
    assert image.notes == (told,)
    labels, _ = read_alike(path, labels=True)
    np.testing.assert_array_equal(labels, values)


@pytest.mark.parametrize("bits", [1, 2, 4, 7, 8, 12, 16, 20, 24, 32])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_white_is_zero_within_the_bits(tmp_path, bits, tile):
    values, dtype = values_of(bits), container(bits)
    path = write_packed(tmp_path / "a.tif", values, bits, tile=tile, tags=[MINISWHITE])
    pixels, _ = read_alike(path)
    inverted = 2**bits - 1 - values.astype(np.int64)
    np.testing.assert_array_equal(pixels, spread(inverted, bits, dtype))
    labels, _ = read_alike(path, labels=True)
    np.testing.assert_array_equal(labels, inverted)


@pytest.mark.parametrize("bits", [2, 4, 12, 24])
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_colours_of_any_depth(tmp_path, bits, separate, tile):
    values, dtype = values_of(bits, 3), container(bits)
    path = write_packed(
        tmp_path / "a.tif", values, bits, separate=separate, tile=tile, rows_per_strip=5,
        tags=[(262, SHORT, [2])],
    )  # fmt: skip
    image = read_image(path)
    np.testing.assert_array_equal(image.frames[0], spread(values, bits, dtype))
    with open_reader(path) as reader:
        pixels = np.moveaxis(reader[...], reader.channel_axis, -1)
    np.testing.assert_array_equal(pixels, image.frames[0])


@pytest.mark.parametrize("widths", [(5, 6, 5), (8, 8, 8, 1), (4, 4, 4, 2), (8, 8, 8, 16)])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_samples_of_different_depths(tmp_path, widths, order, tile):
    values = np.stack([values_of(bits, seed=at) for at, bits in enumerate(widths)], axis=-1)
    tags = [(262, SHORT, [2])] + [(338, SHORT, [2])] * (len(widths) == 4)
    path = write_packed(
        tmp_path / "a.tif", values, widths, order=order, tile=tile, compression=8, tags=tags
    )
    pixels, image = read_alike(path)
    assert image.layout == ("RGBA" if len(widths) == 4 else "RGB")
    dtype = container(max(widths))
    for at, bits in enumerate(widths):
        np.testing.assert_array_equal(pixels[..., at], spread(values[..., at], bits, dtype))


def test_alpha_beside_white_at_zero_stays(tmp_path):
    values = values_of(4, 2)
    path = write_packed(tmp_path / "a.tif", values, 4, tags=[MINISWHITE, (338, SHORT, [2])])
    pixels, image = read_alike(path)
    assert image.layout == "LA"
    np.testing.assert_array_equal(pixels[..., 0], (15 - values[..., 0]) * 17)
    np.testing.assert_array_equal(pixels[..., 1], values[..., 1] * 17)


# -- fax ----------------------------------------------------------------------------------


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize(
    "compression",
    ["raw", "group3", "group4", "tiff_ccitt", "packbits", "tiff_lzw", "tiff_adobe_deflate"],
)
@pytest.mark.parametrize("decoder", ["imagecodecs", "libtiff"])
def test_black_and_white_is_never_negative(
    tmp_path, monkeypatch, photometric, compression, decoder
):
    is_white = np.add.outer(np.arange(64), np.arange(50)) % 11 < 4
    path = tmp_path / "a.tif"
    name = None if compression == "raw" else compression
    Image.fromarray(is_white).save(path, compression=name, tiffinfo={262: photometric})
    if decoder == "libtiff":

        def absent(self, key):
            raise KeyError(key)

        monkeypatch.setattr(type(tifffile.TIFF.DECOMPRESSORS), "__getitem__", absent)
    pixels, _ = read_alike(path)
    np.testing.assert_array_equal(pixels, is_white * np.uint8(255))
    labels, _ = read_alike(path, labels=True)
    np.testing.assert_array_equal(labels, is_white)


def test_tiled_fax(tmp_path):
    is_white = np.add.outer(np.arange(32), np.arange(48)) % 11 < 4
    tiles = [is_white[:, at : at + 16] for at in (0, 16, 32)]
    data = []
    for tile in tiles:
        Image.fromarray(tile).save(tmp_path / "t.tif", compression="group4", tiffinfo={262: 0})
        with tifffile.TiffFile(tmp_path / "t.tif") as handle:
            page = handle.pages.first
            handle.filehandle.seek(page.dataoffsets[0])
            data.append(handle.filehandle.read(page.databytecounts[0]))
    tags = [
        (256, LONG, [48]), (257, LONG, [32]), (258, SHORT, [1]), (259, SHORT, [1]), MINISWHITE,
        (277, SHORT, [1]), (322, SHORT, [16]), (323, SHORT, [32]),
    ]  # fmt: skip
    path = write_chunks(tmp_path / "a.tif", data, tags, is_tiled=True)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"\x03\x01\x03\x00\x01\x00\x00\x00\x01")
    raw[at + 8] = 4
    path.write_bytes(raw)
    pixels, _ = read_alike(path)
    np.testing.assert_array_equal(pixels, is_white * np.uint8(255))


def test_grey_jpeg_with_white_at_zero(tmp_path):
    grey = np.add.outer(np.arange(40), np.arange(40)).astype(np.uint8) * 3
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, grey, photometric="miniswhite", compression="jpeg", rowsperstrip=16)
    pixels, _ = read_alike(path)
    with Image.open(path) as image:
        assert np.abs(np.asarray(image).astype(int) - pixels).max() <= 1
    assert np.abs(pixels.astype(int) - (255 - grey.astype(int))).max() < 20


@pytest.mark.parametrize(("samples", "layout"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_pages_that_do_not_say_what_they_are(tmp_path, samples, layout):
    """As libtiff takes them: grey with black at 0, and colours."""
    values = values_of(8, samples)
    extra = [(338, SHORT, [2])] * (samples == 4)
    path = write_packed(tmp_path / "a.tif", values, 8, tags=extra)
    data = path.read_bytes()
    # The tag becomes one that says nothing (threshholding 1).
    path.write_bytes(data.replace(b"\x06\x01\x03\0", b"\x07\x01\x03\0", 1))
    pixels, image = read_alike(path)
    assert image.layout == layout
    np.testing.assert_array_equal(pixels, values)


# -- palettes -----------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_palettes_of_any_depth(tmp_path, bits, tile):
    indices = values_of(bits)
    colours = np.random.default_rng(1).integers(0, 256, (3, 2**bits))
    tags = [(262, SHORT, [3]), (320, SHORT, (colours * 257).ravel().tolist())]
    path = write_packed(tmp_path / "a.tif", indices, bits, tile=tile, tags=tags)
    pixels, image = read_alike(path)
    np.testing.assert_array_equal(pixels, colours.T[indices])
    assert (image.layout, image.notes) == ("RGB", ("palette expanded to RGB",))
    labels = read_image(path, labels=True)
    np.testing.assert_array_equal(labels.frames[0], indices)
    assert labels.layout == ("P" if bits <= 8 else "L")


def test_no_samples_stated_are_one(tmp_path):
    indices = values_of(4)
    colours = np.random.default_rng(1).integers(0, 256, (3, 16))
    tags = [(262, SHORT, [3]), (277, SHORT, [0]), (320, SHORT, (colours * 257).ravel().tolist())]
    path = write_packed(tmp_path / "a.tif", indices, 4, tags=tags)
    pixels, _ = read_alike(path)
    np.testing.assert_array_equal(pixels, colours.T[indices])


@pytest.mark.parametrize("extra", [1, 2])
@pytest.mark.parametrize("separate", [False, True])
def test_palette_with_alpha(tmp_path, extra, separate):
    values = values_of(4, 2)
    colours = np.random.default_rng(1).integers(0, 256, (3, 16))
    tags = [
        (262, SHORT, [3]), (320, SHORT, (colours * 257).ravel().tolist()), (338, SHORT, [extra])
    ]  # fmt: skip
    path = write_packed(tmp_path / "a.tif", values, 4, separate=separate, tags=tags)
    image = read_image(path)
    assert (image.layout, image.premultiplied) == ("RGBA", False)
    np.testing.assert_array_equal(image.frames[0][..., :3], colours.T[values[..., 0]])
    np.testing.assert_array_equal(image.frames[0][..., 3], values[..., 1] * 17)
    with open_reader(path) as reader:
        pixels = np.moveaxis(reader[...], reader.channel_axis, -1)
        assert reader.layout == "RGBA"
    np.testing.assert_array_equal(pixels, image.frames[0])


def test_palette_with_a_further_band(tmp_path):
    values = values_of(8, 2)
    colours = np.random.default_rng(1).integers(0, 256, (3, 256))
    tags = [(262, SHORT, [3]), (320, SHORT, (colours * 257).ravel().tolist()), (338, SHORT, [0])]
    path = write_packed(tmp_path / "a.tif", values, 8, tags=tags)
    pixels, image = read_alike(path)
    assert image.layout == "MULTI"
    np.testing.assert_array_equal(pixels[..., :3], colours.T[values[..., 0]])
    np.testing.assert_array_equal(pixels[..., 3], values[..., 1])


# -- YCbCr --------------------------------------------------------------------------------


def ycbcr_of(rgb: np.ndarray) -> np.ndarray:
    image = Image.fromarray(rgb).convert("YCbCr")
    return np.asarray(image)


def smooth() -> np.ndarray:
    down, across = np.mgrid[:ROWS, :COLS]
    return np.stack([down * 9 + 20, across * 5 + 30, (down + across) * 3 + 10], -1).astype(np.uint8)


@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_ycbcr_without_subsampling(tmp_path, compression, separate, tile):
    rgb = smooth()
    path = write_packed(
        tmp_path / "a.tif", ycbcr_of(rgb), 8, compression=compression, separate=separate,
        tile=tile, rows_per_strip=6, tags=[(262, SHORT, [6]), (530, SHORT, [1, 1])],
    )  # fmt: skip
    image = read_image(path)
    assert image.layout == "RGB"
    back = Image.fromarray(ycbcr_of(rgb), "YCbCr").convert("RGB")
    assert np.abs(image.frames[0].astype(int) - np.asarray(back)).max() <= 1
    with open_reader(path) as reader:
        pixels = np.moveaxis(reader[...], reader.channel_axis, -1)
    np.testing.assert_array_equal(pixels, image.frames[0])


def units_of(ycbcr: np.ndarray, across: int, down: int) -> bytes:
    """Return the data units of a chunk: brightnesses, then the mean colour."""
    rows, cols = -(-len(ycbcr) // down) * down, -(-ycbcr.shape[1] // across) * across
    whole = np.pad(ycbcr, [(0, rows - len(ycbcr)), (0, cols - ycbcr.shape[1]), (0, 0)], mode="edge")
    data = b""
    for row in range(0, rows, down):
        for col in range(0, cols, across):
            block = whole[row : row + down, col : col + across]
            data += block[..., 0].tobytes()
            data += bytes(np.rint(block[..., 1:].mean((0, 1))).astype(np.uint8))
    return data


@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
@pytest.mark.parametrize(("across", "down"), [(2, 2), (2, 1), (1, 2), (4, 1), (4, 4)])
@pytest.mark.parametrize("is_tiled", [False, True])
def test_subsampled_ycbcr(tmp_path, compression, across, down, is_tiled):
    rgb = smooth()
    codes = ycbcr_of(rgb)
    if is_tiled:
        padded = np.pad(codes, [(0, 32 - ROWS), (0, 48 - COLS), (0, 0)], mode="edge")
        chunks = [padded[row : row + 16, col : col + 16] for row in (0, 16) for col in (0, 16, 32)]
        structure = [(322, SHORT, [16]), (323, SHORT, [16])]
    else:
        chunks = [codes[at : at + 8] for at in range(0, ROWS, 8)]
        structure = [(278, LONG, [8])]
    tags = [
        (256, LONG, [COLS]), (257, LONG, [ROWS]), (258, SHORT, [8, 8, 8]),
        (259, SHORT, [compression]), (262, SHORT, [6]), (277, SHORT, [3]), *structure,
    ]  # fmt: skip
    if (across, down) != (2, 2):  # what is so where nothing is said
        tags.append((530, SHORT, [across, down]))
    data = [units_of(chunk, across, down) for chunk in chunks]
    path = write_chunks(tmp_path / "a.tif", data, tags, is_tiled=is_tiled)
    pixels, image = read_alike(path)
    assert image.layout == "RGB"
    assert np.abs(pixels.astype(int) - rgb).max() <= 9 + 6 * max(across, down)
    np.testing.assert_allclose(pixels.mean((0, 1)), rgb.mean((0, 1)), atol=1.5)


def test_ycbcr_of_video_range_and_other_coefficients(tmp_path):
    luma = (0.2126, 0.7152, 0.0722)
    rgb = smooth().astype(float)
    y = rgb @ luma
    codes = np.stack(
        [y, (rgb[..., 2] - y) / (2 - 2 * luma[2]), (rgb[..., 0] - y) / (2 - 2 * luma[0])], axis=-1
    )
    stored = np.rint(codes * [219 / 255, 112 / 127, 112 / 127] + [16, 128, 128]).astype(np.uint8)
    tags = [
        (262, SHORT, [6]), (530, SHORT, [1, 1]),
        (529, RATIONAL, [2126, 10000, 7152, 10000, 722, 10000]),
        (532, RATIONAL, [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1]),
    ]  # fmt: skip
    path = write_packed(tmp_path / "a.tif", stored, 8, tags=tags)
    pixels, _ = read_alike(path)
    assert np.abs(pixels - rgb).max() <= 3


def test_ycbcr_that_is_damaged_is_refused(tmp_path):
    tags = [
        (256, LONG, [8]), (257, LONG, [8]), (258, SHORT, [8, 8, 8]), (259, SHORT, [1]),
        (262, SHORT, [6]), (277, SHORT, [3]), (278, LONG, [8]), (530, SHORT, [2, 2]),
    ]  # fmt: skip
    path = write_chunks(tmp_path / "a.tif", [bytes(50)], tags)
    with pytest.raises(FileError, match="damaged"):
        read_image(path)
    with open_reader(path) as reader, pytest.raises(FileError, match="damaged"):
        reader[...]


# -- damaged and odd ------------------------------------------------------------------------


@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_deflated_data_with_more_than_its_pixels(tmp_path, tile, bits):
    values = values_of(bits)
    path = write_packed(tmp_path / "plain.tif", values, bits, tile=tile)
    with tifffile.TiffFile(path) as handle:
        page = handle.pages.first
        segments = handle.filehandle.read_segments(page.dataoffsets, page.databytecounts)
        chunks = [data for data, _ in segments]
        tags = [(tag.code, tag.dtype, np.atleast_1d(tag.value).tolist()) for tag in page.tags
                if tag.code not in {273, 279, 324, 325}]  # fmt: skip
    wanted = [*tags, (259, SHORT, [8])]
    for changed, behind in (([chunk + b"more" for chunk in chunks], b""), (chunks, b"rest")):
        odd = write_chunks(
            tmp_path / "a.tif", changed, wanted, is_tiled=tile is not None, behind=behind
        )
        pixels, _ = read_alike(odd)
        np.testing.assert_array_equal(pixels, spread(values, bits, container(bits)))


def test_deflated_data_that_is_short_is_damaged(tmp_path):
    path = write_packed(tmp_path / "a.tif", values_of(8), 8, compression=8)
    data = path.read_bytes()
    whole = zlib.compress(values_of(8).astype(np.uint8).tobytes())
    short = zlib.compress(bytes(40))
    path.write_bytes(data.replace(whole, short.ljust(len(whole), b"\0")))
    with pytest.raises(FileError):
        read_image(path)
    with open_reader(path) as reader, pytest.raises(FileError, match="damaged"):
        reader[...]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("steps", [1, 3])
def test_directories_in_a_loop_end(tmp_path, order, steps):
    values = values_of(1)
    tags = [(262, SHORT, [3]), (320, SHORT, [0, 65535, 32896, 0, 0, 257])]
    path = write_packed(tmp_path / "a.tif", values, 1, order=order, tags=tags)
    data = bytearray(path.read_bytes())
    count = int.from_bytes(data[8:10], "little" if order == "<" else "big")
    entries = bytes(data[8 : 10 + 12 * count])
    places = [8]
    for _ in range(steps - 1):
        places.append(len(data))
        data += entries + bytes(4)
    for place, target in zip(places, [*places[1:], 8], strict=True):
        link = place + len(entries)
        data[link : link + 4] = target.to_bytes(4, "little" if order == "<" else "big")
    path.write_bytes(data)
    image = read_image(path)
    assert len(image.frames) == steps
    expected = np.array([[0, 128, 0], [255, 0, 1]], np.uint8)[values]
    np.testing.assert_array_equal(image.frames[0], expected)
    told = "damaged: its directories form a loop, and are read up to it"
    assert told in image.notes
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader[...].reshape(-1, ROWS, COLS, 3)[0], expected)
        assert told in reader.notes


@pytest.mark.parametrize("follows", [b"\x40\0", b"\xff\xff", b"\0\0", b"\x01"])
def test_a_directory_that_is_none_is_left_out(tmp_path, follows):
    values = values_of(8)
    path = write_packed(tmp_path / "a.tif", values, 8)
    data = path.read_bytes()
    link = 10 + 12 * int.from_bytes(data[8:10], "little")
    data = data[:link] + len(data).to_bytes(4, "little") + data[link + 4 :] + follows
    path.write_bytes(data)
    pixels, image = read_alike(path)
    np.testing.assert_array_equal(pixels, values)
    assert image.notes == ("damaged: of its pages no more than the first 1 are there",)


def test_a_loop_without_an_image_is_damaged(tmp_path):
    path = tmp_path / "a.tif"
    tag = bytes.fromhex("00010300 01000000 01000000")
    path.write_bytes(b"II*\0\x08\0\0\0\x01\0" + tag + b"\x08\0\0\0" + bytes(8))
    with pytest.raises(FileError):
        read_image(path)
    with pytest.raises(FileError):
        open_reader(path)


# -- CIELAB -------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_signed_colours_count_from_the_middle(tmp_path, bits, separate, tile):
    values = values_of(bits, 3)
    path = write_packed(
        tmp_path / "a.tif", values, bits, separate=separate, tile=tile, tags=[(262, SHORT, [8])]
    )
    image = read_image(path)
    middle = 2 ** (bits - 1)
    np.testing.assert_array_equal(image.frames[0][..., 0], values[..., 0])
    np.testing.assert_array_equal(image.frames[0][..., 1:], values[..., 1:] ^ middle)
    with open_reader(path) as reader:
        pixels = np.moveaxis(reader[...], reader.channel_axis, -1)
    np.testing.assert_array_equal(pixels, image.frames[0])
    # Written again, they are stored as they were.
    for source in (image, read_image(path, labels=True)):
        data, _ = encode_to_bytes(source, by_name("tiff"), Encoding())
        with tifffile.TiffFile(io.BytesIO(data)) as handle:
            assert handle.pages.first.photometric == 8
            np.testing.assert_array_equal(handle.asarray(), values)


@pytest.mark.parametrize("photometric", ["rgb", "separated"])
@pytest.mark.parametrize("layout", [{"tile": (16, 16)}, {"rowsperstrip": 8}])
def test_jpeg_in_planes(tmp_path, photometric, layout):
    rgb = smooth()
    planes = np.moveaxis(rgb if photometric == "rgb" else np.dstack([rgb, rgb[..., :1]]), -1, 0)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, planes, photometric=photometric, planarconfig="separate", compression="jpeg", **layout
    )
    image = read_image(path)
    assert np.abs(image.frames[0].astype(int) - np.moveaxis(planes, 0, -1)).mean() < 3
    with open_reader(path) as reader:
        np.testing.assert_array_equal(np.moveaxis(reader[...], 0, -1), image.frames[0])
