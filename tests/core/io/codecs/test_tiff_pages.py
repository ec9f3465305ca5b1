"""TIFF files of several pages, each of a kind, a size and an orientation of its own."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from support.files import XMP, icc_profile
from support.tiff_files import SHORT, write_packed

from lerf_core.errors import FileError
from lerf_core.io.formats import by_name
from lerf_core.io.metadata.orientation import upright
from lerf_core.io.reading import open_reader, read_header, read_image
from lerf_core.io.writing import Encoding, check_writable, encode_to_bytes

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 50), np.uint8)
SMALL = RNG.integers(0, 256, (20, 25), np.uint8)
COLOUR = RNG.integers(0, 256, (40, 50, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (40, 50), np.uint16)
FAX = GREY > 100


def write_pages(path, pages, **options):
    """Write pages; each an array, or an array with tifffile's keywords."""
    with tifffile.TiffWriter(path) as writer:
        for item in pages:
            pixels, own = item if isinstance(item, tuple) else (item, {})
            words = {"photometric": "rgb" if pixels.shape[-1] == 3 else "minisblack"}
            writer.write(pixels, metadata=None, contiguous=False, **words | options | own)
    return path


def turned(number):
    return {"extratags": [(274, SHORT, 1, number, True)]}


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_of_different_kinds_stay_what_they_are(tmp_path, compression):
    pages = [FAX, FAX, COLOUR, DEEP, GREY, (GREY, {"iccprofile": icc_profile()}), FAX]
    path = write_pages(tmp_path / "a.tif", pages, compression=compression)
    image = read_image(path)
    assert [len(run.frames) for run in image.runs] == [2, 1, 1, 1, 1, 1]
    assert (image.pages, read_header(path).frames) == (7, 7)
    assert [run.layout for run in image.runs] == ["L", "RGB", "L", "L", "L", "L"]
    assert image.notes == ("1-bit expanded to 8-bit grey",)
    data, written = encode_to_bytes(image, by_name("tiff"), Encoding())
    assert len(written.further) == 5
    with tifffile.TiffFile(io.BytesIO(data)) as handle:
        found = [page.asarray() for page in handle.pages]
        profiles = [34675 in page.aspage().tags for page in handle.pages]
    assert profiles == [False] * 5 + [True, False]
    white = FAX * np.uint8(255)
    for pixels, wanted in zip(found, [white, white, COLOUR, DEEP, GREY, GREY, white], strict=True):
        assert pixels.dtype == wanted.dtype
        np.testing.assert_array_equal(pixels, wanted)


def test_fax_pages_are_grey_and_join_them(tmp_path):
    image = read_image(write_pages(tmp_path / "a.tif", [FAX, GREY]))
    assert (len(image.frames), image.further) == (2, ())


def test_pages_of_different_kinds_go_into_tiff_alone(tmp_path):
    image = read_image(write_pages(tmp_path / "a.tif", [GREY, COLOUR]))
    for name in ("png", "gif", "jpeg"):
        with pytest.raises(FileError, match=r"2 pages differ in kind of pixels, .* choose TIFF"):
            check_writable(image, by_name(name), Encoding())
        with pytest.raises(FileError, match="2 pages differ"):
            encode_to_bytes(image, by_name(name), Encoding())
    deep, _ = encode_to_bytes(image, by_name("tiff"), Encoding(depth="16"))
    with tifffile.TiffFile(io.BytesIO(deep)) as handle:
        np.testing.assert_array_equal(handle.pages[0].asarray(), GREY * np.uint16(257))
        np.testing.assert_array_equal(handle.pages[1].asarray(), COLOUR * np.uint16(257))


def test_labels_of_pages_with_palettes_of_their_own(tmp_path):
    tables = [RNG.integers(0, 256, (3, 256)).astype(np.uint16) * 257 for _ in range(2)]
    pages = [(GREY, {"photometric": "palette", "colormap": table}) for table in tables]
    path = write_pages(tmp_path / "a.tif", pages)
    for frame, table in zip(read_image(path).frames, tables, strict=True):
        np.testing.assert_array_equal(frame, (table >> 8).T[GREY])
    labels = read_image(path, labels=True)
    data, _ = encode_to_bytes(labels, by_name("tiff"), Encoding())
    with tifffile.TiffFile(io.BytesIO(data)) as handle:
        for page, table in zip(handle.pages, tables, strict=True):
            np.testing.assert_array_equal(page.asarray(), GREY)
            np.testing.assert_array_equal(page.aspage().colormap, table)
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader[...], np.stack(read_image(path).frames))
        np.testing.assert_array_equal(
            reader[1, 3:9, 4:8, 1:], (tables[1] >> 8).T[GREY][3:9, 4:8, 1:]
        )
    with pytest.raises(FileError, match="differ in palette"):
        open_reader(path, labels=True)


def test_each_page_is_turned_by_its_own_orientation(tmp_path):
    numbers = [1, 6, 3, 8, 5]
    path = write_pages(tmp_path / "a.tif", [(GREY, turned(number)) for number in numbers])
    image = read_image(path)
    for frame, number in zip(image.frames, numbers, strict=True):
        np.testing.assert_array_equal(frame, upright(GREY, number))
    with pytest.raises(FileError, match="differ in orientation"):
        open_reader(path)
    alike = write_pages(tmp_path / "b.tif", [(GREY, turned(6))] * 3)
    with open_reader(alike) as reader:
        np.testing.assert_array_equal(reader[1], upright(GREY, 6))


def test_orientation_that_xmp_alone_states(tmp_path):
    path = tmp_path / "a.tif"
    for own, stated in (([], 6), ([(274, SHORT, 1, 1, True)], 1), ([(274, SHORT, 1, 9, True)], 6)):
        tags = [*own, (700, 1, len(XMP), XMP, True)]
        tifffile.imwrite(path, GREY, extratags=tags, metadata=None)
        image = read_image(path)
        np.testing.assert_array_equal(image.frames[0], upright(GREY, stated))
        assert read_header(path).shape == image.shape
        with open_reader(path) as reader:
            np.testing.assert_array_equal(reader[...], image.frames[0])


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("at", [1, 2, 3, 5])
def test_a_page_of_another_size_is_told_by_tiles(tmp_path, compression, at):
    pages = [GREY] * 6
    pages[at] = SMALL
    path = write_pages(tmp_path / "a.tif", pages, compression=compression)
    image = read_image(path)
    assert [frame.shape for frame in image.frames] == [page.shape for page in pages]
    with open_reader(path) as reader:
        assert reader.notes == ("only image 1 of the 2 in the file is read: 5 of 6 pages",)
        assert reader.shape == (5, 40, 50)
        np.testing.assert_array_equal(reader[4], GREY)
    with open_reader(path, series=1) as reader:
        np.testing.assert_array_equal(reader[...], SMALL)


def test_the_limit_counts_samples_before_pixels_are_read(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((60, 40, 12), np.uint8), photometric="minisblack",
                     planarconfig="contig")  # fmt: skip
    assert read_image(path, 7200).frames[0].shape == (60, 40, 12)
    for read in (read_image, read_header):
        with pytest.raises(FileError, match="2,400 pixels of 12 samples, as many as 7,200"):
            read(path, 7199)


def test_pages_count_until_the_limit_is_reached(tmp_path):
    path = write_pages(tmp_path / "a.tif", [GREY] * 5)
    assert read_image(path, 10_000).pages == 5
    for read in (read_image, read_header):
        with pytest.raises(FileError, match="above the limit of 9,999"):
            read(path, 9_999)


def test_a_stack_behind_one_page_is_read_like_it(tmp_path):
    stack = RNG.integers(0, 256, (4, 3, 40, 50), np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack, planarconfig="separate", photometric="rgb")
    image = read_image(path)
    np.testing.assert_array_equal(np.stack(image.frames), np.moveaxis(stack, 1, -1))
    assert image.layout == "RGB"


def test_a_broken_page_is_named_by_its_trouble(tmp_path):
    path = write_packed(tmp_path / "a.tif", np.zeros((8, 8), int), 8)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(FileError, match="damaged: the file ends before its pixels do"):
        read_image(path)


@pytest.mark.parametrize("compression", [1, 8])
def test_missing_strips_are_damage(tmp_path, compression):
    path = write_packed(
        tmp_path / "a.tif", np.zeros((32, 8), int), 4, rows_per_strip=8, compression=compression,
        tags=[(257, SHORT, [64])],
    )  # fmt: skip
    with pytest.raises(FileError, match="damaged: it has 4 strips or tiles of 8"):
        read_image(path)
    with pytest.raises(FileError, match="damaged: page 0 has 4 tiles of 8"):
        open_reader(path)


def test_images_below_the_pages_are_told(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(GREY, subifds=2, metadata=None)
        writer.write(SMALL, subfiletype=1, metadata=None)
        writer.write(DEEP, metadata=None)
    assert read_image(path).notes == (
        "1 images below its pages (SubIFDs) left out",
        "1 reduced copies in the file left out",
    )


def test_byte_counts_that_are_too_long_stop_no_plain_pixels(tmp_path):
    values = RNG.integers(0, 256, (8, 8))
    path = write_packed(tmp_path / "a.tif", values, 8)
    data = path.read_bytes()
    at = data.index((279).to_bytes(2, "little") + b"\4\0") + 8
    path.write_bytes(data[:at] + (65).to_bytes(4, "little") + data[at + 4 :])
    np.testing.assert_array_equal(read_image(path).frames[0], values)
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader[...], values)
