"""Results in memory, lazily and in part: all are what lerf_core gives."""

import pickle

import dask
import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels

import lerf_core
from lerf_core.errors import ImageTooLargeError
from lerf_core.execution.plan import plan_resize
from lerf_core.io.chunk_cache import ChunkCache
from lerf_core.tiled import pyramid
from lerf_plugins.napari.compute import computing as _computing
from lerf_plugins.napari.compute import lazy as _lazy
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.maps import warped
from lerf_plugins.napari.model.operations import Resizing, Warping
from lerf_plugins.napari.widgets import preview as _preview
from lerf_plugins.napari.widgets.preview import preview_block
from lerf_plugins.napari.widgets.view import View


def looking_at(image, rows, cols, zoom, planes=()):
    """A view of rows and columns of an image that lies at its pixels."""
    (top, bottom), (left, right) = rows, cols
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return View(np.array(corners, np.float64), zoom, planes)


def resizing(layer, shape, **keywords):
    image = LayerImage.of(layer)
    return Resizing(image, shape, None, {"channel_axis": image.channel_axis, **keywords})


def test_in_memory(photo, exhaust, monkeypatch):
    monkeypatch.setattr(_computing, "TILE", 32)
    operation = resizing(Image(photo), (100, 125))
    steps, result = exhaust(_computing.in_memory(operation))
    np.testing.assert_array_equal(result, lerf_core.resize(photo, (100, 125), channel_axis=-1))
    assert [step.done for step in steps] == list(range(17))
    assert {step.total for step in steps} == {16}


def test_stack_in_memory(exhaust):
    stack = np.random.default_rng(0).integers(100, 4000, (2, 3, 20, 26), np.uint16)
    keywords = {"value_range": (100.0, 4000.0), "method": "lerf"}
    _, result = exhaust(_computing.in_memory(resizing(Image(stack), (33, 40), **keywords)))
    np.testing.assert_array_equal(result, lerf_core.resize(stack, (33, 40), **keywords))


def test_labels_in_memory(exhaust):
    labels = np.random.default_rng(0).integers(0, 5, (20, 26)).astype(np.int32)
    operation = resizing(Labels(labels), (33, 50), method="nearest")
    _, result = exhaust(_computing.in_memory(operation))
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, lerf_core.resize(labels, (33, 50), method="nearest"))


def test_too_large_is_told_before_anything_is_allocated(photo):
    operation = resizing(Image(photo), (2**30, 2**30))
    with pytest.raises(ImageTooLargeError, match="1073741824 x 1073741824 x 3"):
        next(_computing.in_memory(operation))


def test_lazily(photo, exhaust, monkeypatch):
    monkeypatch.setattr(pyramid, "SMALLEST", 64)
    monkeypatch.setattr(_lazy, "CHUNK", 40)
    operation = resizing(Image(da.from_array(photo, chunks=(17, 29, 3)), rgb=True), (150, 200))
    _, levels = exhaust(_computing.lazily(operation))
    assert [level.shape for level in levels] == [(150, 200, 3), (75, 100, 3), (38, 50, 3)]
    for level in levels:
        np.testing.assert_array_equal(
            level.compute(), lerf_core.resize(photo, level.shape[:2], channel_axis=-1)
        )


def test_lazy_levels_come_from_the_source_s(exhaust, monkeypatch):
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
        Resizing(image, (512, 512)),
        warped(image, shear, density=1, fit=False, sampling=sampling),
    ):
        _, results = exhaust(_computing.lazily(operation))
        assert [level.shape[0] for level in results] == [512, 256, 128, 64, 32]
        with dask.config.set(scheduler="sync"):
            for number, level in enumerate(results[:3]):
                read.clear()
                level[:8, :8].compute()
                assert read == {number}


def test_a_lazy_warp_equals_the_warp(photo, exhaust, monkeypatch):
    monkeypatch.setattr(_lazy, "CHUNK", 32)
    matrix = np.array([[0.8, 0.2, 3], [-0.1, 0.9, 5], [0.001, 0, 1]])
    keywords = {"channel_axis": 2, "mode": "constant", "cval": 7.0}
    image = LayerImage.of(Image(da.from_array(photo, chunks=(20, 20, 3)), rgb=True))
    operation = Warping(image, (70, 90), None, keywords, matrix=matrix)
    _, levels = exhaust(_computing.lazily(operation))
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
    plan, _ = Resizing(image, (90, 100), None, {"channel_axis": 2}).level_plan((90, 100))
    reader = _lazy.ChunkReader(image.levels[0], ChunkCache(10**6))
    whole = lerf_core.resize(photo, (90, 100), channel_axis=-1)
    np.testing.assert_array_equal(_lazy.LazyLevel(plan, reader)[index], whole[index])
    np.testing.assert_array_equal(_lazy.lazy_array(plan, reader)[index].compute(), whole[index])


def test_a_lazy_level_travels(photo):
    image = LayerImage.of(Image(da.from_array(photo, chunks=(20, 30, 3)), rgb=True))
    plan, _ = Resizing(image, (90, 100), None, {"channel_axis": 2}).level_plan((90, 100))
    reader = _lazy.ChunkReader(image.levels[0], ChunkCache(10**6))
    there = pickle.loads(pickle.dumps(_lazy.LazyLevel(plan, reader)))
    np.testing.assert_array_equal(there[4:9], _lazy.LazyLevel(plan, reader)[4:9])


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


def test_a_stored_array_is_read_by_its_chunks_once(exhaust):
    stored = Stored()
    image = LayerImage((stored,), Image(np.zeros((4, 4))).as_layer_data_tuple()[1], "image")
    _, levels = exhaust(_computing.lazily(Resizing(image, (200, 180))))
    # The smallest level alone, for thumbnails: here it is the only one.
    assert len(levels) == 1
    stored.reads.clear()
    plan, number = Resizing(image, (200, 180)).level_plan((200, 180))
    reader = _lazy.ChunkReader(stored, ChunkCache(10**6), number)
    levels = [_lazy.lazy_array(plan, reader)]
    assert not stored.reads
    first = levels[0][:20, :20].compute()
    np.testing.assert_array_equal(first, lerf_core.resize(stored.pixels, (200, 180))[:20, :20])
    many = len(stored.reads)
    assert all((part.stop - part.start) <= 16 for region in stored.reads for part in region)
    levels[0][:20, :20].compute()
    assert len(stored.reads) == many


def test_the_graph_of_a_large_result_is_small():
    level = da.zeros((2**20, 2**20), dtype=np.uint8, chunks=16384)
    plan = plan_resize(level.shape, level.dtype, (2**21, 2**21), None, mode="edge")
    whole = _lazy.lazy_array(plan, _lazy.ChunkReader(level, ChunkCache(10**6)))
    assert whole.shape == (2**21, 2**21)
    assert whole.chunksize == (4096, 4096)
    part = whole[2**20 : 2**20 + 100, :100]
    assert len(part.dask.cull(part.__dask_keys__()).to_dict()) < 10
    assert part.compute(scheduler="sync").shape == (100, 100)


@pytest.mark.parametrize("zoom", [1.9, 2, 7])
def test_a_close_preview_is_the_result(photo, zoom):
    operation = resizing(Image(photo), (120, 166))
    whole = lerf_core.resize(photo, (120, 166), channel_axis=-1)
    seen = preview_block(operation, looking_at(photo, (10, 25), (30, 60), zoom))
    assert seen.level_shape == (120, 166)
    (top, left), step = seen.placement.origin, seen.placement.step
    assert step == (0.5, 0.5)
    top, left = round((top + 0.25) / 0.5), round((left + 0.25) / 0.5)
    rows, cols = seen.pixels.shape[:2]
    assert (top, left) == (19, 59)
    np.testing.assert_array_equal(seen.pixels, whole[top : top + rows, left : left + cols])


def test_a_preview_from_afar_is_coarse(photo):
    operation = resizing(Image(photo), (1200, 1660))
    seen = preview_block(operation, looking_at(photo, (-60, 120), (-80, 160), 2.0))
    assert seen.level_shape == (150, 208)
    assert seen.pixels.shape == (150, 208, 3)
    np.testing.assert_array_equal(seen.pixels, lerf_core.resize(photo, (150, 208), channel_axis=-1))


def test_a_preview_of_a_stack_is_of_one_plane():
    stack = np.random.default_rng(0).integers(0, 255, (4, 3, 30, 40), np.uint8)
    operation = resizing(Image(stack), (60, 80))
    seen = preview_block(operation, looking_at(stack, (-5, 50), (-5, 50), 3.0, (2, 1)))
    expected = lerf_core.resize(stack[2, 1], (60, 80))
    np.testing.assert_array_equal(seen.pixels, expected[None, None])


def test_a_preview_beside_the_image_is_none(photo):
    operation = resizing(Image(photo), (120, 166))
    assert preview_block(operation, looking_at(photo, (100, 200), (0, 50), 1.0)) is None


def test_a_preview_reads_little_of_a_large_image(monkeypatch):
    monkeypatch.setattr(_preview, "MOST_SOURCE", 10_000)
    y, x = np.mgrid[:900, :1200]
    image = (127 + 100 * np.sin(x / 150) * np.cos(y / 120)).astype(np.uint8)
    operation = resizing(Image(image), (450, 600))
    seen = preview_block(operation, looking_at(image, (0, 900), (0, 1200), 0.1))
    rows, cols = seen.level_shape
    expected = lerf_core.resize(image, (rows, cols)).astype(int)
    assert np.abs(seen.pixels.astype(int) - expected).max() <= 4


def test_a_preview_is_no_larger_than_it_may_be(photo, monkeypatch):
    monkeypatch.setattr(_preview, "MOST_PIXELS", 5000)
    operation = resizing(Image(photo), (600, 830))
    seen = preview_block(operation, looking_at(photo, (0, 60), (0, 83), 10.0))
    assert seen.pixels[..., 0].size <= 5000


def test_a_warp_s_preview_is_a_part_of_it(photo):
    matrix = np.array([[0.8, 0.2, 3], [-0.1, 0.9, 5], [0.001, 0, 1]])
    keywords = {"channel_axis": 2, "mode": "constant"}
    operation = Warping(LayerImage.of(Image(photo)), (70, 90), None, keywords, matrix=matrix)
    whole = lerf_core.warp(photo, matrix, output_shape=(70, 90), channel_axis=-1)
    seen = preview_block(operation, looking_at(photo, (12, 30), (20, 50), 3.0))
    top, left = (round(start) for start in seen.placement.origin)
    rows, cols = seen.pixels.shape[:2]
    np.testing.assert_array_equal(seen.pixels, whole[top : top + rows, left : left + cols])
