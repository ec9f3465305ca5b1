"""TIFFs at addresses: regions, counted in bytes, and what cannot be read."""

import io
import pickle
import sys
import uuid

import numpy as np
import pytest
import tifffile
from support.http_files import served

from lerf_core.errors import FileError, SourceChangedError
from lerf_core.io.reading import open_reader
from lerf_core.io.tiles import remote_file

fsspec = pytest.importorskip("fsspec")

PIXELS = np.random.default_rng(23).integers(0, 4096, (900, 1100), dtype=np.uint16)
KINDS = {
    "tiles": {"tile": (128, 128)},
    "deflate": {"tile": (128, 128), "compression": "zlib", "predictor": True},
    "strips": {"rowsperstrip": 16, "compression": "zlib"},
    "rows": {"rowsperstrip": 900},
    "big": {"bigtiff": True, "tile": (256, 256)},
}


def tiff(pixels=PIXELS, **options):
    """Return the bytes of a TIFF."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, photometric="minisblack", **options)
    return stream.getvalue()


@pytest.fixture
def memory():
    """Put bytes into fsspec's own memory; return the address."""
    system, folder = fsspec.filesystem("memory"), f"/{uuid.uuid4()}"

    def put(name, data):
        system.pipe(f"{folder}/{name}", data)
        return f"memory:/{folder}/{name}"

    yield put
    if system.exists(folder):
        system.rm(folder, recursive=True)


@pytest.mark.parametrize("kind", KINDS)
def test_regions(memory, kind):
    with open_reader(memory("a.tif", tiff(**KINDS[kind]))) as source:
        np.testing.assert_array_equal(source[...], PIXELS)
        for rows, cols in ((slice(5, 300), slice(1000, 1100)), (slice(0, 900), slice(7, 8))):
            np.testing.assert_array_equal(source[rows, cols], PIXELS[rows, cols])
        with pickle.loads(pickle.dumps(source)) as again:
            np.testing.assert_array_equal(again[3:4], PIXELS[3:4])


def test_colours_stacks_and_levels(memory):
    colours = np.random.default_rng(3).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, ome=True) as writer:
        options = {"tile": (32, 32), "photometric": "rgb", "compression": "zlib"}
        writer.write(colours, subifds=1, metadata={"axes": "ZYXS"}, **options)
        writer.write(colours[:, ::2, ::2], subfiletype=1, **options)
    address = memory("a.ome.tif", stream.getvalue())
    with open_reader(address) as source:
        assert (source.format, source.axes, source.levels) == ("OME-TIFF", "ZYXS", 2)
        np.testing.assert_array_equal(source[1, 20:50, 60:], colours[1, 20:50, 60:])
    with open_reader(address, level=1) as source:
        np.testing.assert_array_equal(source[...], colours[:, ::2, ::2])


def test_what_libtiff_decodes(memory):
    from PIL import Image

    stream = io.BytesIO()
    bits = Image.fromarray(PIXELS[:60, :80] > 2000)
    bits.save(stream, "TIFF", compression="group3")
    with open_reader(memory("a.tif", stream.getvalue())) as source:
        np.testing.assert_array_equal(source[10:20, 5:70] != 0, PIXELS[10:20, 5:70] > 2000)


def test_a_file_that_changes_is_noticed(memory):
    address = memory("a.tif", tiff())
    with open_reader(address) as source:
        source.check_unchanged()
        system, place = fsspec.core.url_to_fs(address)
        system.pipe(place, tiff(PIXELS + 1))
        with pytest.raises(SourceChangedError):
            source.check_unchanged()
        system.rm(place)
        with pytest.raises(SourceChangedError):
            source.check_unchanged()


# -- over HTTP -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tiles", "deflate", "rows"])
def test_windows_are_read_without_the_rest(kind):
    pytest.importorskip("aiohttp")
    large = np.random.default_rng(5).integers(0, 4096, (3000, 3000), dtype=np.uint16)
    data = tiff(large, **KINDS[kind])
    with served({"a.tif": data}) as server:
        with open_reader(server.address("a.tif?signature=x")) as source:
            opened = server.sent
            # Blocks of 64 kB: the beginning, where the directory lies, and little beside it.
            assert opened <= 3 << 16
            window = source[1000:1100, 2000:2100]
            np.testing.assert_array_equal(window, large[1000:1100, 2000:2100])
            read, requests = server.sent - opened, server.requests
            np.testing.assert_array_equal(source[1010:1020, 2010:2020], window[10:20, 10:20])
            if kind != "rows":  # these are never kept
                assert server.requests == requests
        # Four tiles of 128 by 128; of rows that lie plain, those of the window and what is between.
        assert read <= (4 * 128 * 128 * 2 if kind != "rows" else 100 * 3000 * 2)
        assert server.sent < len(data) / 15


def test_narrow_columns_of_wide_rows_are_read_apart(memory):
    wide = np.arange(20 * 60_000, dtype=np.uint16).reshape(20, 60_000)
    with served({"a.tif": tiff(wide, rowsperstrip=20)}) as server:
        pytest.importorskip("aiohttp")
        with open_reader(server.address("a.tif")) as source:
            opened = server.sent
            np.testing.assert_array_equal(source[:, 50_000:50_100], wide[:, 50_000:50_100])
            assert server.sent - opened == 20 * 100 * 2


def test_what_fails_is_asked_for_again(monkeypatch):
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(remote_file, "_WAITS", (0.0, 0.0))
    with (
        served({"a.tif": tiff(tile=(128, 128))}) as server,
        open_reader(server.address("a.tif")) as source,
    ):
        server.failing = 2
        np.testing.assert_array_equal(source[:100, :100], PIXELS[:100, :100])
        server.failing = 1000
        with pytest.raises(FileError, match=r"a\.tif: .*503"):
            _ = source[500:600, 500:600]


@pytest.mark.parametrize("ranges", ["no", "refused"])
def test_servers_without_ranges_are_refused_before_all_is_sent(ranges):
    pytest.importorskip("aiohttp")
    data = tiff(np.zeros((4000, 4000), np.uint16), tile=(256, 256))
    with served({"a.tif": data}, ranges) as server:
        with pytest.raises(FileError, match=r"a\.tif: its server gives no parts .*download it"):
            open_reader(server.address("a.tif"))
        assert server.sent == 0


def test_errors_take_one_line(memory, monkeypatch):
    with served({"page.tif": b"<html>no image</html>" * 9}) as server:
        pytest.importorskip("aiohttp")
        missing = server.address("none.tif")
        with pytest.raises(FileError) as caught:
            open_reader(missing)
        assert str(caught.value) == f"{missing}: no such file"
        with pytest.raises(FileError, match=r"none\.tif: is empty$"):
            open_reader(memory("none.tif", b""))
        with pytest.raises(FileError, match="cannot be read as TIFF: not a TIFF file"):
            open_reader(server.address("page.tif"))
        address = server.address("gone.tif")
    with pytest.raises(FileError, match=r"gone\.tif: [^\n]+$") as caught:
        open_reader(address)
    assert "no such file" not in str(caught.value)  # its server is gone: who knows
    with pytest.raises(FileError, match=r"^memory://nosuch/a\.tif: no such file$"):
        open_reader("memory://nosuch/a.tif")
    with pytest.raises(FileError, match="Protocol not known: nosuch"):
        open_reader("nosuch://a.tif")
    with pytest.raises(FileError, match="for TIFF and Zarr: download it first"):
        open_reader("https://host/a.png")
    with pytest.raises(FileError, match=r"damaged|ends at"):
        open_reader(memory("short.tif", tiff(tile=(128, 128))[:-1000]))


@pytest.mark.parametrize(
    ("address", "package", "told"),
    [
        ("memory://a.tif", "fsspec", r"the package fsspec: pip install 'lerf\[large\]'"),
        ("https://host/a.tif", "aiohttp", r"https://host/a\.tif: .*aiohttp"),
        ("s3://bucket/a.tif", "s3fs", r"s3://bucket/a\.tif: .*s3fs"),
    ],
)
def test_packages_that_are_missing_are_named(monkeypatch, address, package, told):
    if package != "fsspec":
        monkeypatch.setattr(sys.modules["fsspec.registry"], "_registry", {})
        for name in ("fsspec.implementations.http", "s3fs"):
            monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(FileError, match=told):
        open_reader(address)
