"""Raw files of cameras are refused: what can be read of them is a thumbnail."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.cli import run_lerf

from lerf_core.errors import FileError
from lerf_core.io.reading import open_reader, read_header, read_image

THUMBNAIL = np.zeros((12, 16, 3), np.uint8)
MOSAIC = np.zeros((60, 80), np.uint16)


@pytest.fixture(params=["NEF", "DNG", "PEF", "CR2", "RAF", "CR3", "big-endian"])
def raw(request, tmp_path):
    """Return a file like those of cameras."""
    path = tmp_path / "a.nef"
    kind = request.param
    if kind in {"NEF", "DNG", "big-endian"}:
        order = ">" if kind == "big-endian" else "<"
        with tifffile.TiffWriter(path, byteorder=order) as writer:
            writer.write(THUMBNAIL, photometric="rgb", subifds=2, metadata=None, subfiletype=1)
            writer.write(THUMBNAIL, photometric="rgb", metadata=None, subfiletype=1)
            colours = "linear_raw" if kind == "DNG" else "cfa"
            pixels = np.stack([MOSAIC] * 3, axis=2) if kind == "DNG" else MOSAIC
            writer.write(pixels, photometric=colours, metadata=None, subfiletype=0)
    elif kind == "PEF":
        tifffile.imwrite(path, MOSAIC, photometric="cfa", metadata=None)
    elif kind == "CR2":
        path.write_bytes(b"II*\0\x10\0\0\0CR\2\0" + bytes(100))
    elif kind == "RAF":
        path.write_bytes(b"FUJIFILMCCD-RAW 0201" + bytes(100))
    else:
        path.write_bytes(struct.pack(">I", 24) + b"ftypcrx \0\0\0\1crx isom" + bytes(100))
    return path


def test_raw_files_are_refused(raw, tmp_path):
    for attempt in (read_image, read_header, open_reader):
        with pytest.raises(FileError, match="Develop it first"):
            attempt(raw)
    for options in ([], ["--tile", 64]):
        result = run_lerf("resize", raw, "-o", tmp_path / "out.tif", "--scale", 2, *options, code=1)
        assert "a camera's raw file" in result.stderr
    assert not (tmp_path / "out.tif").exists()


def test_images_with_directories_below_are_no_raw_files(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(THUMBNAIL, photometric="rgb", subifds=1)
        writer.write(THUMBNAIL[::2, ::2], photometric="rgb", subfiletype=1)
    assert read_image(path).shape == (12, 16)
    Image.fromarray(THUMBNAIL).save(path)
    assert read_image(path).shape == (12, 16)


def test_directories_in_a_loop_end(tmp_path):
    path = tmp_path / "loop.tif"
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<2H3I", 330, 4, 1, 8, 8))
    with pytest.raises(FileError):
        read_header(path)
