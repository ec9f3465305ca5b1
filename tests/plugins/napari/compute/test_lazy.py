"""Lazy results are what lerf_core gives, of what they read."""

import pickle

import dask
import dask.array as da
import numpy as np
import pytest
from napari.layers import Image
from support.layers import exhaust, resize_operation

import lerf_core
from lerf_core.execution.planning import plan_resize
from lerf_core.io.tiles import pyramid
from lerf_core.io.tiles.chunk_cache import ChunkCache
from lerf_plugins.napari.compute import lazy, results
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.maps import warped
from lerf_plugins.napari.model.operations import ResizeOperation, WarpOperation


class Stored:
    """An array as zarr's: with chunks, and counted reads."""

    chunks = (16, 16)
    shape, dtype, ndim = (100, 90), np.dtype(np.uint8), 2

    def __init__(self):
        self.reads = []
        self.pixels = np.random.default_rng(1).integers(0, 255, self.shape, np.uint8)

    def __getitem__(self, region):
        self.reads.append(region)
        return self.pixels[region]


def test_lazily(photo, monkeypatch):
    monkeypatch.setattr(pyramid, "SMALLEST", 64)
    monkeypatch.setattr(lazy, "CHUNK", 40)
    operation = resize_operation(
        Image(da.from_array(photo, chunks=(17, 29, 3)), rgb=True), (150, 200)
    )
    _, levels = exhaust(results.lazily(operation))
    assert [level.shape for level in levels] == [(150, 200, 3), (75, 100, 3), (38, 50, 3)]
    for level in levels:
        np.testing.assert_array_equal(
            level.compute(), lerf_core.resize(photo, level.shape[:2], channel_axis=-1)
        )


def test_lazy_levels_come_from_the_source_s(monkeypatch):
    """Each level reads the coarsest level of the source that holds its detail."""
    monkeypatch.setattr(pyramid, "SMALLEST", 32)
    read = set()

    def chunk(block_info=None, *, number):
        read.add(number)
        return np.zeros(block_info[None]["chunk-shape"], np.uint8)

    levels = [
        da.map_blocks(
            chunk, chunks=da.core.normalize_chunks(64, (512 >> n, 512 >> n)), dtype=np.uint8,
            meta=np.empty((0, 0), np.uint8), number=n,
        )
        for n in range(4)
    ]  # fmt: skip
    image = LayerImage.of(Image(levels, multiscale=True, contrast_limits=(0, 255)))
    shear = np.array([[1, 0.01, 0], [0, 1, 0], [0, 0, 1.0]])
    sampling = {"bank": None, "keywords": {}}
    for operation in (
        ResizeOperation(image, (512, 512)),
        warped(image, shear, density=1, fit=False, sampling=sampling),
    ):
        _, levels = exhaust(results.lazily(operation))
        assert [level.shape[0] for level in levels] == [512, 256, 128, 64, 32]
        with dask.config.set(scheduler="sync"):
            for number, level in enumerate(levels[:3]):
                read.clear()
                level[:8, :8].compute()
                assert read == {number}


def test_a_lazy_warp_equals_the_warp(photo, monkeypatch):
    monkeypatch.setattr(lazy, "CHUNK", 32)
    matrix = np.array([[0.8, 0.2, 3], [-0.1, 0.9, 5], [0.001, 0, 1]])
    keywords = {"channel_axis": 2, "mode": "constant", "cval": 7.0}
    image = LayerImage.of(Image(da.from_array(photo, chunks=(20, 20, 3)), rgb=True))
    operation = WarpOperation(image, (70, 90), None, keywords, matrix=matrix)
    _, levels = exhaust(results.lazily(operation))
    expected = lerf_core.warp(photo, matrix, output_shape=(70, 90), **keywords)
    np.testing.assert_array_equal(levels[0].compute(), expected)


@pytest.mark.parametrize(
    "index",
    [
        np.s_[3:20, 5:40],
        np.s_[7],
        np.s_[..., 1],
        np.s_[10:3:-2, -5:],
        np.s_[9::-3, 4],
        np.s_[5:5],
        np.s_[2:30:7, 80::-9, 0:2],
    ],
)
def test_any_part_of_a_lazy_level(photo, index):
    image = LayerImage.of(Image(da.from_array(photo, chunks=(20, 30, 2)), rgb=True))
    plan, _ = ResizeOperation(image, (90, 100), None, {"channel_axis": 2}).level_plan((90, 100))
    reader = lazy.ChunkReader(image.levels[0], ChunkCache(10**6))
    whole = lerf_core.resize(photo, (90, 100), channel_axis=-1)
    np.testing.assert_array_equal(lazy.LazyLevel(plan, reader)[index], whole[index])
    np.testing.assert_array_equal(lazy.lazy_array(plan, reader)[index].compute(), whole[index])


def test_a_lazy_level_travels(photo):
    image = LayerImage.of(Image(da.from_array(photo, chunks=(20, 30, 3)), rgb=True))
    plan, _ = ResizeOperation(image, (90, 100), None, {"channel_axis": 2}).level_plan((90, 100))
    reader = lazy.ChunkReader(image.levels[0], ChunkCache(10**6))
    there = pickle.loads(pickle.dumps(lazy.LazyLevel(plan, reader)))
    np.testing.assert_array_equal(there[4:9], lazy.LazyLevel(plan, reader)[4:9])


def test_a_stored_array_is_read_by_its_chunks_once():
    stored = Stored()
    image = LayerImage((stored,), Image(np.zeros((4, 4))).as_layer_data_tuple()[1], "image")
    _, levels = exhaust(results.lazily(ResizeOperation(image, (200, 180))))
    # The smallest level alone, for thumbnails: here it is the only one.
    assert len(levels) == 1
    stored.reads.clear()
    plan, number = ResizeOperation(image, (200, 180)).level_plan((200, 180))
    reader = lazy.ChunkReader(stored, ChunkCache(10**6), number)
    levels = [lazy.lazy_array(plan, reader)]
    assert not stored.reads
    first = levels[0][:20, :20].compute()
    np.testing.assert_array_equal(first, lerf_core.resize(stored.pixels, (200, 180))[:20, :20])
    many = len(stored.reads)
    assert all((part.stop - part.start) <= 16 for region in stored.reads for part in region)
    levels[0][:20, :20].compute()
    assert len(stored.reads) == many


def test_the_graph_of_a_large_result_is_small(monkeypatch):
    monkeypatch.setattr(lazy, "MOST_CHUNKS", 20_000)
    level = da.zeros((2**16, 2**16), dtype=np.uint8, chunks=16384)
    plan = plan_resize(level.shape, level.dtype, (2**17, 2**17), None, mode="edge")
    whole = lazy.lazy_array(plan, lazy.ChunkReader(level, ChunkCache(10**6)))
    assert whole.shape == (2**17, 2**17)
    # 256 x 256 chunks of 512 x 512 pixels would be too many.
    assert whole.chunksize == (1024, 1024)
    part = whole[2**16 : 2**16 + 100, :100]
    assert len(part.dask.cull(part.__dask_keys__()).to_dict()) < 10
    assert part.compute(scheduler="sync").shape == (100, 100)
