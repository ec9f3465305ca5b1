import itertools
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.files import plane_axes

from lerf_core.errors import FileError
from lerf_core.io.metadata.model import Channel
from lerf_core.io.reading import open_reader, read_image
from lerf_core.io.tiles.pixel_file import PixelFile

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (70, 90, 3), np.uint8)
GREY = RNG.integers(0, 65536, (70, 90), np.uint16)
SMOOTH = np.add.outer(np.arange(70), np.arange(90)).astype(np.uint8)
FLOAT = RNG.normal(size=(70, 90)).astype(np.float32)

KINDS = {
    "tiled": (RGB, {"tile": (32, 16), "compression": "zlib"}),
    "tiled-plain": (RGB, {"tile": (32, 16)}),
    "tiled-predictor": (GREY, {"tile": (16, 32), "compression": "lzw", "predictor": True}),
    "tiled-float": (FLOAT, {"tile": (16, 32), "compression": "zlib", "predictor": 3}),
    "tiled-separate": (
        np.moveaxis(RGB, -1, 0),
        {"tile": (32, 16), "compression": "zlib", "planarconfig": "separate", "photometric": "rgb"},
    ),
    "striped": (RGB, {"rowsperstrip": 16, "compression": "zlib"}),
    "striped-plain": (GREY, {"rowsperstrip": 16}),
    "striped-separate": (
        np.moveaxis(RGB, -1, 0),
        {"rowsperstrip": 9, "compression": "zstd", "planarconfig": "separate"}
        | {"photometric": "rgb"},
    ),
    "one-strip": (GREY, {"rowsperstrip": 70, "compression": "zlib"}),
    "big-endian": (GREY, {"byteorder": ">", "rowsperstrip": 16}),
    "big-endian-tiled": (GREY, {"byteorder": ">", "tile": (32, 32), "compression": "zlib"}),
    "bigtiff": (GREY, {"bigtiff": True, "tile": (32, 32), "compression": "zstd"}),
    "jpeg": (SMOOTH, {"tile": (32, 32), "compression": "jpeg"}),
    "jpeg-colour": (
        np.stack([SMOOTH, SMOOTH[::-1], SMOOTH], -1),
        {"tile": (32, 32), "compression": "jpeg", "photometric": "rgb"},
    ),
    "jpeg2000": (GREY, {"tile": (32, 32), "compression": "jpeg2000"}),
    "pages": (
        RNG.integers(0, 256, (3, 40, 50), np.uint8),
        {"tile": (16, 16), "compression": "zlib", "metadata": None},
    ),
    "pages-plain": (RNG.integers(0, 256, (3, 40, 50), np.uint8), {"metadata": None}),
    "shaped": (RNG.integers(0, 256, (2, 3, 40, 50), np.uint8), {}),
    "imagej": (
        RNG.integers(0, 256, (2, 3, 2, 40, 50), np.uint8),
        {"imagej": True, "metadata": {"axes": "TZCYX"}},
    ),
    "imagej-zlib": (
        RNG.integers(0, 256, (2, 3, 40, 50), np.uint8),
        {"imagej": True, "compression": "zlib", "metadata": {"axes": "TCYX"}},
    ),
    "imagej-rgb": (
        RNG.integers(0, 256, (2, 40, 50, 3), np.uint8),
        {"imagej": True, "metadata": {"axes": "ZYXS"}},
    ),
    "ome": (
        RNG.integers(0, 256, (2, 3, 40, 50), np.uint8),
        {"ome": True, "tile": (16, 32), "compression": "zlib", "metadata": {"axes": "ZCYX"}},
    ),
    "ome-rgb": (
        RNG.integers(0, 256, (2, 40, 50, 3), np.uint8),
        {"ome": True, "photometric": "rgb", "tile": (16, 16), "metadata": {"axes": "TYXS"}},
    ),
    "ome-separate": (
        RNG.integers(0, 256, (2, 3, 40, 50), np.uint8),
        {
            "ome": True,
            "photometric": "rgb",
            "planarconfig": "separate",
            "compression": "zlib",
            "metadata": {"axes": "TSYX"},
        },
    ),
    "volume": (
        RNG.integers(0, 256, (20, 40, 50), np.uint8),
        {"tile": (16, 16, 16), "compression": "zlib", "volumetric": True},
    ),
}  # fmt: skip


def exif_of(source):
    block = Image.Exif()
    block.load(b"Exif\0\0" + source.metadata.exif)
    return block


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tiff")


@pytest.fixture(scope="module")
def files(folder):
    made = {}
    for name, (pixels, options) in KINDS.items():
        made[name] = folder / (f"{name}.ome.tif" if "ome" in options else f"{name}.tif")
        colours = "rgb" if pixels.shape[-1] == 3 else "minisblack"
        tifffile.imwrite(made[name], pixels, **{"photometric": colours} | options)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_reads_what_tifffile_reads(files, kind):
    expected = tifffile.imread(files[kind])
    with open_reader(files[kind]) as source:
        assert source.shape == expected.shape
        assert source.dtype == expected.dtype.newbyteorder("=")
        assert len(source.axes) == len(source.chunks) == source.ndim == expected.ndim
        assert source.axes.count("Y") == source.axes.count("X") == 1
        whole = source[...]
        assert whole.dtype.isnative
        np.testing.assert_array_equal(whole, expected)
        if source.channel_axis is not None:
            assert source.shape[source.channel_axis] == 3
        np.testing.assert_array_equal(source[-1], expected[-1])
        np.testing.assert_array_equal(source[..., 3:, 1:2], expected[..., 3:, 1:2])


@st.composite
def windows(draw, shape):
    index = []
    for length in shape:
        start = draw(st.integers(-length - 2, length + 2))
        stop = draw(st.none() | st.integers(-length - 2, length + 2))
        part = st.just(slice(start, stop)) | st.integers(-length, length - 1)
        index.append(draw(part))
    return tuple(index[: draw(st.integers(0, len(index)))])


@settings(max_examples=25)
@given(data=st.data())
@pytest.mark.parametrize("kind", ["tiled", "striped-separate", "imagej", "pages-plain", "volume"])
def test_any_window_is_numpys(files, kind, data):
    expected = tifffile.imread(files[kind])
    index = data.draw(windows(expected.shape))
    with open_reader(files[kind]) as source:
        found = source[index]
    assert np.shape(found) == np.shape(expected[index])
    assert type(found) is type(expected[index])
    np.testing.assert_array_equal(found, expected[index])


def test_a_window_decodes_its_own_tiles_once(files):
    with open_reader(files["tiled"]) as source:
        assert source.chunks == (32, 16, 3)
        assert source.bytes_per_read == 32 * 16 * 3
        _ = source[33:40, 17:30]
        assert source.decoded_chunks == 1
        _ = source[30:34, 15:17]
        assert source.decoded_chunks == 4
        _ = source[0:64, 0:32]
        assert source.decoded_chunks == 4
        _ = source[5:5, :]
        assert source.decoded_chunks == 4


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_rows_of_plain_tiles_are_read_alone(tmp_path, monkeypatch, order, planar, dtype):
    """What is not compressed is read as far as it is asked for, and not kept."""
    image = np.arange(70 * 90 * 3).reshape(70, 90, 3).astype(dtype)
    path = tmp_path / "plain.tif"
    words = {"planarconfig": "separate"} if planar else {}
    stored = np.moveaxis(image, -1, 0) if planar else image
    tifffile.imwrite(path, stored, photometric="rgb", tile=(32, 48), byteorder=order, **words)
    read, counts = PixelFile.read, []

    def counted(file, offset, count):
        counts.append(count)
        return read(file, offset, count)

    monkeypatch.setattr(PixelFile, "read", counted)
    expected = tifffile.imread(path)
    with open_reader(path) as source:
        window = [slice(0, length) for length in source.shape]
        window[source.axes.index("Y")], window[source.axes.index("X")] = (
            slice(33, 40),
            slice(40, 61),
        )
        np.testing.assert_array_equal(source[tuple(window)], expected[tuple(window)])
        # Seven rows of two tiles; a third tile is not touched.
        assert sum(counts) == 7 * 2 * 48 * 3 * np.dtype(dtype).itemsize
        np.testing.assert_array_equal(source[:], expected)
        assert source._cache.nbytes == 0


def test_cache_keeps_its_bound(files):
    tile = 32 * 16 * 3
    with open_reader(files["tiled"], cache_bytes=2 * tile) as source:
        _ = source[:32]
        assert source.decoded_chunks == 6
        assert source._cache.nbytes == 2 * tile
        _ = source[0, 80:]
        assert source.decoded_chunks == 6
        _ = source[0, 0]
        assert source.decoded_chunks == 7
    with open_reader(files["tiled"], cache_bytes=tile - 1) as source:
        _ = source[0, 0], source[0, 0]
        assert source.decoded_chunks == 2
        assert source._cache.nbytes == 0
        assert "more than the cache" in source.notes[0]


def test_threads_share_one_decoding(files):
    expected = tifffile.imread(files["tiled"])
    barrier = threading.Barrier(8)
    with open_reader(files["tiled"]) as source:

        def read(number):
            barrier.wait()
            return [source[top : top + 20, 5:60] for top in range(0, 50, 10)]

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(read, range(8)))
        for bands, (number, top) in itertools.product(results, enumerate(range(0, 50, 10))):
            np.testing.assert_array_equal(bands[number], expected[top : top + 20, 5:60])
        assert source.decoded_chunks == 2 * 4


def test_tiles_are_decoded_side_by_side(files):
    with open_reader(files["tiled"]) as source:
        decode, together = source._decode, threading.Barrier(2, timeout=10)

        def meet(*args, **options):
            together.wait()
            return decode(*args, **options)

        source._decode = meet
        with ThreadPoolExecutor(2) as pool:
            assert len(list(pool.map(source.__getitem__, [(0, 0), (69, 89)]))) == 2


def test_results_belong_to_the_caller(files):
    with open_reader(files["tiled"]) as source:
        first = source[:32, :16]
        kept = first.copy()
        first[...] = 0
        np.testing.assert_array_equal(source[:32, :16], kept)


def test_pickle(files):
    with open_reader(files["tiled"], cache_bytes=5000) as source:
        _ = source[0, 0]
        with pickle.loads(pickle.dumps(source)) as again:
            assert again.decoded_chunks == 0
            assert again._cache.limit == 5000
            assert again.fingerprint == source.fingerprint
            np.testing.assert_array_equal(again[...], source[...])
    assert repr(source).endswith("tiled.tif': 70x90x3 YXS uint8>")


def test_closed(files):
    for kind in ("tiled", "striped-plain"):
        source = open_reader(files[kind])
        source.close()
        source.close()
        with pytest.raises(FileError, match="closed"):
            source[0]


def test_fingerprint_tells_another_file(files, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY)
    with open_reader(path) as source:
        before = source.fingerprint
    with open_reader(path) as source:
        assert source.fingerprint == before
    tifffile.imwrite(path, GREY[:60])
    with open_reader(path) as source:
        assert source.fingerprint != before


@pytest.fixture(scope="module")
def pyramid(folder):
    path = folder / "pyramid.ome.tif"
    base = RNG.integers(0, 256, (2, 64, 96), np.uint8)
    with tifffile.TiffWriter(path) as writer:
        words = {
            "axes": "CYX",
            "PhysicalSizeX": 0.25,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 0.5,
            "PhysicalSizeYUnit": "µm",
            "Channel": {"Name": ["DAPI", "GFP"], "Color": [-16776961, 16711935]},
        }
        options = {"tile": (16, 16), "compression": "zlib", "photometric": "minisblack"}
        writer.write(base, subifds=2, metadata=words, resolution=(1e4, 5e3), resolutionunit=3,
                     software="maker", **options)  # fmt: skip
        writer.write(base[:, ::2, ::2], subfiletype=1, **options)
        writer.write(base[:, ::4, ::4], subfiletype=1, **options)
        writer.write(base[0], metadata={"axes": "YX"}, **options)
    return path, base


def test_levels_of_ome_tiff(pyramid):
    path, base = pyramid
    for level in range(3):
        with open_reader(path, level=level) as source:
            step = 2**level
            np.testing.assert_array_equal(source[...], base[:, ::step, ::step])
            assert source.format == "OME-TIFF"
            assert (source.axes, source.channel_axis) == ("CYX", None)
            assert (source.level, source.levels) == (level, 3)
            assert source.level_shapes == ((2, 64, 96), (2, 32, 48), (2, 16, 24))
            origin = 0.25 * (step - 1), 0.125 * (step - 1)
            assert source.metadata.axes == plane_axes(
                0.5 * step, 0.25 * step, "micrometer", origin, is_placed=False
            )
            assert source.metadata.dpi is None
            words = exif_of(source)
            assert words[305] == "maker"
            assert 270 not in words
            assert source.metadata.channels == (
                Channel("DAPI", "FF0000"),
                Channel("GFP", "00FF00"),
            )
    with open_reader(path, series=1) as source:
        np.testing.assert_array_equal(source[...], base[0])
        assert source.metadata.axes == ()
    with pytest.raises(FileError, match="level 5 asked, 3 there"):
        open_reader(path, level=5)
    with pytest.raises(FileError, match="series 2 asked, 2 there"):
        open_reader(path, series=2)


def test_ome_tiff_over_several_files(tmp_path):
    pixels = RNG.integers(0, 256, (2, 40, 50), np.uint8)
    names = ["a.ome.tif", "b.ome.tif"]
    parts = "".join(
        f'<TiffData IFD="0" FirstC="{number}" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{number}</UUID></TiffData>'
        for number, name in enumerate(names)
    )
    for number, name in enumerate(names):
        xml = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{number}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYCZT" Type="uint8" SizeX="50" SizeY="40" SizeC="2" SizeZ="1" '
            'SizeT="1" PhysicalSizeX="2" PhysicalSizeY="2" PhysicalSizeXUnit="nm" '
            f'PhysicalSizeYUnit="nm">{parts}</Pixels></Image></OME>'
        )
        tifffile.imwrite(
            tmp_path / name, pixels[number], description=xml, metadata=None, compression="zlib"
        )
    with open_reader(tmp_path / names[0]) as source:
        np.testing.assert_array_equal(source[...], pixels)
        assert source.metadata.axes == plane_axes(2, 2, "nanometer", is_placed=False)


def test_imagej_pixel_size(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, GREY, imagej=True, resolution=(4, 2), metadata={"unit": "um", "axes": "YX"}
    )
    with open_reader(path) as source:
        assert source.metadata.axes == plane_axes(0.5, 0.25, "micrometer", is_placed=False)
        assert source.metadata.dpi is None


def test_words_and_alpha(tmp_path):
    path = tmp_path / "a.tif"
    rgba = np.dstack([RGB, RGB[..., :1]])
    tifffile.imwrite(
        path, rgba, photometric="rgb", extrasamples=["assocalpha"], iccprofile=b"profile",
        resolution=(300, 150), resolutionunit="INCH", description="a view", software="maker",
        metadata=None, compression="zlib", predictor=True, datetime="2020:01:02 03:04:05",
    )  # fmt: skip
    with open_reader(path) as source:
        assert source.has_alpha
        assert source.is_premultiplied
        assert source.metadata.icc == b"profile"
        assert source.metadata.dpi == (300, 150)
        details = {"photometric": 2, "compression": "adobe_deflate", "extrasamples": (1,)}
        assert source.details == details
        words = {270: "a view", 305: "maker", 306: "2020:01:02 03:04:05"}
        assert dict(exif_of(source)) == words
    tifffile.imwrite(path, rgba, photometric="rgb", extrasamples=["unassalpha"])
    with open_reader(path) as source:
        assert (source.has_alpha, source.is_premultiplied) == (True, False)
    tifffile.imwrite(path, rgba, photometric="rgb", extrasamples=["unspecified"])
    with open_reader(path) as source:
        assert (source.has_alpha, source.is_premultiplied) == (False, False)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_palette_and_one_bit(tmp_path, compression):
    path = tmp_path / "a.tif"
    table = RNG.integers(0, 65536, (3, 256), np.uint16)
    tifffile.imwrite(path, SMOOTH, photometric="palette", colormap=table, compression=compression,
                     tile=(32, 32))  # fmt: skip
    expected = (table >> 8).astype(np.uint8).T[SMOOTH]
    with open_reader(path) as source:
        assert source.notes == (
            "palette expanded to RGB",
            "16-bit colours of the palette cut to 8 bits",
        )
        assert (source.axes, source.shape, source.chunks) == ("YXS", (70, 90, 3), (32, 32, 3))
        assert source.level_shapes == (source.shape,)
        np.testing.assert_array_equal(source[...], expected)
        np.testing.assert_array_equal(source[3:40, 7, 1:], expected[3:40, 7, 1:])
        np.testing.assert_array_equal(source[..., 1], expected[..., 1])
    tifffile.imwrite(path, SMOOTH > 60, photometric="miniswhite", compression=compression)
    with open_reader(path) as source:
        assert source.notes == ("1-bit expanded to 8-bit grey",)
        assert source.details["photometric"] == 0
        np.testing.assert_array_equal(source[...], (SMOOTH <= 60) * np.uint8(255))
        np.testing.assert_array_equal(source[...], read_image(path).frames[0])


def test_uncompressed_reads_touch_no_decoder(files):
    for kind in ("striped-plain", "pages-plain", "imagej", "big-endian"):
        with open_reader(files[kind]) as source:
            _ = source[..., 3:9, 5:7]
            assert source.decoded_chunks == 0


def test_truncated(files, tmp_path):
    for kind in ("tiled", "striped-plain", "striped"):
        path = tmp_path / f"{kind}.tif"
        path.write_bytes(files[kind].read_bytes()[:-2000])
        with pytest.raises(FileError, match=r"damaged: .* lies? at bytes .* the file ends at"):
            open_reader(path)
    path.write_bytes(files["tiled"].read_bytes()[:100])
    with pytest.raises(FileError, match="damaged"):
        open_reader(path)


def test_file_that_shrinks_after_opening(files, tmp_path):
    for kind in ("tiled", "striped-plain"):
        path = tmp_path / f"{kind}.tif"
        path.write_bytes(files[kind].read_bytes())
        with open_reader(path) as source:
            with path.open("r+b") as file:
                file.truncate(1000)
            with pytest.raises(FileError, match="ends"):
                source[60:, 70:]


def test_damaged_tile_is_named(files, tmp_path):
    path = tmp_path / "a.tif"
    data = bytearray(files["tiled"].read_bytes())
    with tifffile.TiffFile(files["tiled"]) as handle:
        page = handle.pages[0]
        offset, count = page.dataoffsets[8], page.databytecounts[8]
    data[offset : offset + count] = bytes(255 - value for value in data[offset : offset + count])
    path.write_bytes(data)
    with open_reader(path) as source:
        with pytest.raises(FileError, match=r"a\.tif: the tile at row 1, column 2 of page 0"):
            source[...]
        _ = source[:32]


def test_missing_tiles(tmp_path):
    path = tmp_path / "a.tif"
    tiles = [np.full((32, 32), 9, np.uint8), None, None, None]
    with tifffile.TiffWriter(path) as writer:
        writer.write(iter(tiles), shape=(64, 64), dtype=np.uint8, tile=(32, 32), compression="zlib")
    with open_reader(path) as source:
        assert source[:32, :32].min() == 9
        assert not source[32:].any()
    with open_reader(path, missing="error") as source:
        assert source[:32, :32].min() == 9
        with pytest.raises(FileError, match="row 1, column 0 of page 0 is missing"):
            source[32:]


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (32, 16)}])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(tmp_path, orientation, options):
    path = tmp_path / "a.tif"
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(path, RGB, photometric="rgb", resolution=(300, 150), extratags=tags, **options)
    whole = read_image(path)
    with open_reader(path) as source:
        np.testing.assert_array_equal(source[...], whole.frames[0])
        np.testing.assert_array_equal(source[3:40, 60:65], whole.frames[0][3:40, 60:65])
        assert source.metadata.dpi == whole.metadata.dpi
        assert source.level_shapes == (source.shape,)
        assert all(part <= length for part, length in zip(source.chunks, source.shape, strict=True))


def test_kinds_that_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, FLOAT.astype(np.complex64))
    with pytest.raises(FileError, match="complex64"):
        open_reader(path)


def test_large_strips_are_refused_or_noted(files):
    with pytest.raises(FileError, match=r"12\.6 kB in memory, 5\.0 kB allowed"):
        open_reader(files["one-strip"], max_decoded_bytes=5000)
    with open_reader(files["one-strip"], cache_bytes=5000) as source:
        assert "12.6 kB" in source.notes[0]
    with open_reader(files["striped-plain"], max_decoded_bytes=100) as source:
        assert source.notes == ()


def test_codec_that_is_missing(files, monkeypatch):
    def absent(self, key):
        raise KeyError(f"{key!r} requires the 'imagecodecs' package")

    with open_reader(files["jpeg"]) as source:
        expected = source[...]
    monkeypatch.setattr(type(tifffile.TIFF.DECOMPRESSORS), "__getitem__", absent)
    with open_reader(files["jpeg"]) as source:
        np.testing.assert_array_equal(source[...], expected)
        assert source.chunks == source.shape
    with (
        open_reader(files["jpeg2000"]) as source,
        pytest.raises(FileError, match="JPEG2000 of uint16 pixels is not supported"),
    ):
        source[...]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_mapped_pages_leave_the_resident_memory(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8192, 4096), np.uint8))
    with open_reader(path) as source:
        before = Path("/proc/self/maps").read_text().count("a.tif")
        for top in range(0, 8192, 1024):
            _ = source[top : top + 1024, :512]
        assert Path("/proc/self/maps").read_text().count("a.tif") == before == 0


def test_dask_reads_it_as_an_array(files):
    dask_array = pytest.importorskip("dask.array")
    expected = tifffile.imread(files["tiled"])
    with open_reader(files["tiled"]) as source:
        lazy = dask_array.from_array(source, chunks=source.chunks)
        assert lazy.name == dask_array.from_array(source, chunks=source.chunks).name
        assert source.decoded_chunks == 0
        np.testing.assert_array_equal(lazy[20:50].compute(), expected[20:50])
