import json
import pickle
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.files import plane_axes
from support.http_files import served

from lerf_core.errors import FileError
from lerf_core.io.metadata.model import AxisScale
from lerf_core.io.reading import open_reader

zarr = pytest.importorskip("zarr")

PIXELS = np.random.default_rng(0).integers(0, 65536, (2, 50, 70), np.uint16)
SHARDED = {"chunks": (1, 16, 16), "shards": (2, 32, 48)}
KINDS = {
    "v2": {"zarr_format": 2, "chunks": (1, 16, 32)},
    "v2-big-endian": {"zarr_format": 2, "chunks": (1, 16, 32), "dtype": ">u2"},
    "v3": {"chunks": (1, 16, 32)},
    "v3-plain": {"chunks": (1, 16, 32), "compressors": None},
    "v3-sharded": SHARDED,
}


def make(path, pixels=PIXELS, **options):
    options = {"dtype": pixels.dtype} | options
    array = zarr.create_array(str(path), shape=pixels.shape, **options)
    array[...] = pixels
    return path


def make_image(path, *, version="0.5", scale=(1, 0.5, 0.25), outer=None, **words):
    """Write two levels of an OME-Zarr."""
    group = zarr.open_group(str(path), mode="w", zarr_format=3 if version == "0.5" else 2)
    datasets = []
    for level in range(2):
        pixels = PIXELS[:, :: 2**level, :: 2**level]
        array = group.create_array(
            f"s{level}", shape=pixels.shape, chunks=(1, 16, 16), dtype=pixels.dtype
        )
        array[...] = pixels
        factors = [scale[0], scale[1] * 2**level, scale[2] * 2**level]
        transforms = [{"type": "scale", "scale": factors}]
        if level:
            transforms.append({"type": "translation", "translation": [0, 0.25, 0.125]})
        datasets.append({"path": f"s{level}", "coordinateTransformations": transforms})
    axes = [
        {"name": "c", "type": "channel"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    entry = {"axes": axes, "datasets": datasets, "name": "cells"} | words
    if outer is not None:
        entry["coordinateTransformations"] = outer
    block = {"omero": {"channels": [{"label": "DAPI", "color": "0000FF"}]}}
    if version == "0.5":
        group.attrs["ome"] = block | {"version": "0.5", "multiscales": [entry]}
    else:
        group.attrs.update(block | {"multiscales": [entry | {"version": version}]})
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_reads_what_was_written(tmp_path, kind):
    path = make(tmp_path / "a.zarr", **KINDS[kind])
    with open_reader(path) as source:
        assert (source.format, source.axes, source.channel_axis) == ("Zarr", "QYX", None)
        assert source.dtype == np.uint16
        assert source.dtype.isnative
        assert source.chunks == KINDS[kind]["chunks"]
        np.testing.assert_array_equal(source[...], PIXELS)
        np.testing.assert_array_equal(source[1, 3:44, -5], PIXELS[1, 3:44, -5])
        assert source[0, 1, 2] == PIXELS[0, 1, 2]
        with pickle.loads(pickle.dumps(source)) as again:
            np.testing.assert_array_equal(again[0], PIXELS[0])
            assert again.fingerprint == source.fingerprint


@settings(max_examples=15)
@given(st.data())
@pytest.mark.parametrize("kind", ["v2", "v3-sharded"])
def test_any_window(tmp_path_factory, kind, data):
    path = tmp_path_factory.getbasetemp() / f"window-{kind}.zarr"
    if not path.exists():
        make(path, **KINDS[kind])
    index = []
    for length in PIXELS.shape:
        start = data.draw(st.integers(0, length))
        index.append(slice(start, data.draw(st.integers(start, length))))
    with open_reader(path) as source:
        np.testing.assert_array_equal(source[tuple(index)], PIXELS[tuple(index)])


@pytest.mark.parametrize("kind", ["v3", "v3-sharded"])
def test_a_window_decodes_its_own_chunks_once(tmp_path, kind):
    with open_reader(make(tmp_path / "a.zarr", **KINDS[kind])) as source:
        chunk = source.chunks[-1]
        for _ in range(2):
            _ = source[1, 17:30, chunk + 1 : 2 * chunk]
            assert source.decoded_chunks == 1


def test_sharded_reads_take_the_inner_chunk_alone(tmp_path, monkeypatch):
    path = make(tmp_path / "a.zarr", compressors=None, **SHARDED)
    from zarr.storage import LocalStore

    sizes, get = [], LocalStore.get

    async def counted(self, *args, **options):
        found = await get(self, *args, **options)
        sizes.append(0 if found is None else len(found))
        return found

    with open_reader(path) as source:
        monkeypatch.setattr(LocalStore, "get", counted)
        _ = source[0, 0, 0]
    shard = 2 * 32 * 48 * 2
    assert sum(sizes) < shard / 4


def test_threads(tmp_path):
    path = make(tmp_path / "a.zarr", **KINDS["v3"])
    with open_reader(path) as source, ThreadPoolExecutor(6) as pool:
        for found in pool.map(source.__getitem__, [(0, slice(5, 40))] * 6):
            np.testing.assert_array_equal(found, PIXELS[0, 5:40])
        assert source.decoded_chunks == 3 * 3


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_levels_of_ome_zarr(tmp_path, version):
    path = make_image(tmp_path / "a.zarr", version=version)
    for level in range(2):
        step = 2**level
        with open_reader(path, level=level) as source:
            np.testing.assert_array_equal(source[...], PIXELS[:, ::step, ::step])
            assert (source.format, source.axes, source.channel_axis) == ("OME-Zarr", "CYX", None)
            assert source.level_shapes == ((2, 50, 70), (2, 25, 35))
            origins = (0.25, 0.125) if level else (0.0, 0.0)
            sizes = plane_axes(0.5 * step, 0.25 * step, "micrometer", origins)
            assert source.metadata.axes == sizes
            assert source.metadata.channels[0].name == "DAPI"
            assert f"level {level} of 2" in repr(source)
    with pytest.raises(FileError, match="level 5 asked, 2 there"):
        open_reader(path, level=5)
    with pytest.raises(FileError, match="series 1 asked, 1 there"):
        open_reader(path, series=1)
    with open_reader(path / "s1") as source:
        np.testing.assert_array_equal(source[...], PIXELS[:, ::2, ::2])


def test_transformations_of_the_whole_pyramid(tmp_path):
    outer = [
        {"type": "scale", "scale": [1, 2, 4]},
        {"type": "translation", "translation": [0, 10, 20]},
    ]
    path = make_image(tmp_path / "a.zarr", version="0.4", outer=outer)
    with open_reader(path, level=1) as source:
        assert source.metadata.axes == plane_axes(2, 2, "micrometer", (10.5, 20.5))
    with open_reader(path) as source:
        assert [axis.origin for axis in source.metadata.axes] == [10, 20]


def test_axes_without_units_and_of_old_versions(tmp_path):
    path = make_image(tmp_path / "a.zarr", version="0.4", axes=["c", "y", "x"])
    with open_reader(path) as source:
        assert source.metadata.axes == plane_axes(0.5, 0.25, "")
    other = [{"name": "z"}, {"name": "y", "unit": "meter"}, {"name": "x", "unit": "foot"}]
    with open_reader(make_image(tmp_path / "b.zarr", axes=other)) as source:
        assert source.axes == "ZYX"
        assert source.metadata.axes == (
            AxisScale("Z", 1, ""), AxisScale("Y", 0.5, "meter"), AxisScale("X", 0.25, "foot"),
        )  # fmt: skip


def test_folder_of_numbered_images(tmp_path):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    for number in range(2):
        make_image(tmp_path / "a.zarr" / str(number), version="0.4")
    with open_reader(tmp_path / "a.zarr", series=1) as source:
        np.testing.assert_array_equal(source[...], PIXELS)
    with pytest.raises(FileError, match="series 4 asked"):
        open_reader(tmp_path / "a.zarr", series=4)


def test_plain_groups(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.open_group(str(path), mode="w")
    with pytest.raises(FileError, match="a group of 0 arrays"):
        open_reader(path)
    make(path / "first", chunks=(1, 16, 16))
    with open_reader(path) as source:
        np.testing.assert_array_equal(source[...], PIXELS)
    make(path / "second", chunks=(1, 16, 16))
    with pytest.raises(FileError, match=r"a group of 2 arrays \(first, second\)"):
        open_reader(path)
    zarr.open_group(str(path), mode="a").attrs["plate"] = {}
    with pytest.raises(FileError, match="a plate of wells"):
        open_reader(path)


def test_axes_of_plain_arrays(tmp_path):
    colours = np.zeros((20, 30, 3), np.uint8)
    with open_reader(make(tmp_path / "a.zarr", colours, chunks=(8, 8, 3))) as source:
        assert (source.axes, source.channel_axis) == ("YXS", 2)
        assert source.notes == ("last axis of length 3 taken for colours",)
    path = make(tmp_path / "b.zarr", chunks=(1, 8, 8), dimension_names=("t", "lat", "lon"))
    with open_reader(path) as source:
        assert (source.axes, source.notes) == ("TYX", ())


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_addresses(tmp_path, scheme):
    url = (tmp_path / "a b.zarr").as_uri() if scheme == "file" else f"memory://{uuid.uuid4()}.zarr"
    make(tmp_path / "a b.zarr" if scheme == "file" else url, chunks=(1, 16, 32))
    with open_reader(url) as source:
        np.testing.assert_array_equal(source[:, 5:40, 3:60], PIXELS[:, 5:40, 3:60])
        with pickle.loads(pickle.dumps(source)) as again:
            np.testing.assert_array_equal(again[0], PIXELS[0])


def test_addresses_that_are_refused():
    with pytest.raises(FileError, match="no Zarr there"):
        open_reader(f"memory://{uuid.uuid4()}.zarr")
    with pytest.raises(FileError, match="nosuch"):
        open_reader("nosuch://bucket/a.zarr")
    with pytest.raises(FileError, match="for TIFF and Zarr"):
        open_reader("memory://a.png")


@pytest.mark.parametrize("version", [2, 3])
def test_missing_chunks(tmp_path, version):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(
        str(path), shape=(64, 64), chunks=(32, 32), dtype="u1", fill_value=7, zarr_format=version
    )
    array[:32, :32] = 9
    with open_reader(path) as source:
        assert (source[:32, :32] == 9).all()
        assert (source[32:] == 7).all()
    with open_reader(path, missing="error") as source:
        assert (source[:32, :32] == 9).all()
        key = "1.0" if version == 2 else "c/1/0"
        with pytest.raises(FileError, match=rf"chunk \(1, 0\) at {key} is missing"):
            source[32:]


@pytest.mark.parametrize("place", ["start", "end"])
def test_missing_chunks_of_shards(tmp_path, place):
    path = tmp_path / "a.zarr"
    codec = zarr.codecs.ShardingCodec(chunk_shape=(16, 16), index_location=place)
    array = zarr.create_array(
        str(path), shape=(64, 64), chunks=(32, 32), dtype="u1", fill_value=7,
        compressors=None, serializer=codec,
    )  # fmt: skip
    array[:16, :32] = 9
    with open_reader(path, missing="error") as source:
        assert source.chunks == (16, 16)
        assert (source[:16, :32] == 9).all()
        with pytest.raises(FileError, match=r"chunk \(1, 1\) of a shard at c/0/0 is missing"):
            source[16:32, 16:32]
        with pytest.raises(FileError, match=r"chunk \(2, 0\) of a shard at c/1/0 is missing"):
            source[32:48, :16]


def test_damage(tmp_path):
    path = make(tmp_path / "a.zarr", chunks=(1, 16, 32))
    (path / "c" / "0" / "1" / "1").write_bytes(b"nonsense")
    with open_reader(path) as source:
        np.testing.assert_array_equal(source[0, :16], PIXELS[0, :16])
        with pytest.raises(FileError, match=r"chunk \(0, 1, 1\) at c/0/1/1 is damaged"):
            source[0]
    (path / "zarr.json").write_text("{ nonsense")
    with pytest.raises(FileError, match="damaged Zarr"):
        open_reader(path)


def test_what_storage_refuses_is_not_called_damaged():
    pytest.importorskip("aiohttp")
    with served({}) as server:
        address = server.address("a.zarr")
    with pytest.raises(FileError) as caught:  # nobody listens there any more
        open_reader(address)
    assert str(caught.value).startswith(f"{address}: ")
    assert "damaged" not in str(caught.value)


def test_damaged_descriptions(tmp_path):
    path = make_image(tmp_path / "a.zarr")
    document = path / "zarr.json"
    text = json.loads(document.read_text())
    entry = text["attributes"]["ome"]["multiscales"][0]
    for change, message in (
        ({"datasets": [{"path": "nowhere"}]}, "no array 'nowhere'"),
        ({"datasets": []}, "names no array"),
        ({"axes": ["c", "x"]}, "one y and one x are"),
        ({"axes": ["y", "x"]}, "for 2 axes"),
        ({"datasets": 5}, "damaged OME-Zarr description"),
    ):
        text["attributes"]["ome"]["multiscales"] = [entry | change]
        document.write_text(json.dumps(text))
        with pytest.raises(FileError, match=message):
            open_reader(path)


def test_arrays_that_are_no_images(tmp_path):
    for number, (shape, dtype, message) in enumerate(
        [
            ((5,), "u1", "no image"),
            ((0, 5), "u1", "no image"),
            ((5, 5), "c8", "complex64"),
        ]
    ):
        zarr.create_array(str(tmp_path / f"{number}.zarr"), shape=shape, dtype=dtype)
        with pytest.raises(FileError, match=message):
            open_reader(tmp_path / f"{number}.zarr")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="no Zarr"):
        open_reader(tmp_path / "folder")


def test_bounds_of_memory(tmp_path):
    path = make(tmp_path / "a.zarr", chunks=(1, 50, 70))
    with pytest.raises(FileError, match=r"takes 7\.0 kB in memory, 1\.0 kB allowed"):
        open_reader(path, max_decoded_bytes=1000)
    with open_reader(path, cache_bytes=1000) as source:
        assert "more than the cache" in source.notes[0]
        _ = source[0, 0], source[0, 0]
        assert source.decoded_chunks == 2


def test_fingerprint(tmp_path):
    path = make_image(tmp_path / "a.zarr")
    prints = set()
    for level in (0, 1):
        with open_reader(path, level=level) as source:
            prints.add(source.fingerprint)
    zarr.open_group(str(path), mode="a").attrs["more"] = 1
    with open_reader(path) as source:
        prints.add(source.fingerprint)
    assert len(prints) == 3


def test_zarr_that_is_not_installed(tmp_path, monkeypatch):
    path = make(tmp_path / "a.zarr", chunks=(1, 16, 32))
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(FileError, match=r"needs the package zarr: pip install 'lerf\[large\]'"):
        open_reader(path)
