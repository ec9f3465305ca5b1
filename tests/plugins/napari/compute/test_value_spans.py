"""What is read of a layer to know what its values span."""

import dask.array as da
import numpy as np
import pytest

from lerf_plugins.napari.compute import value_spans
from lerf_plugins.napari.compute.value_spans import value_span
from lerf_plugins.napari.model.layer_image import LayerImage

layers = pytest.importorskip("napari.layers")


def span_of(*args, **state):
    found = value_span(LayerImage.of(layers.Image(*args, **state)))
    return None if found is None else (found.least, found.greatest)


def lazy_zeros(shape, read):
    """Return a dask array that notes the shape of every chunk that is read."""

    def block(block_info=None):
        shape = block_info[None]["chunk-shape"]
        read.append(shape)
        out = np.full(shape, 7, np.uint16)
        out.flat[0] = 900
        return out

    chunks = [(min(size, 512),) * -(-size // 512) for size in shape]
    chunks[:-2] = [(1,) * size for size in shape[:-2]]
    return da.map_blocks(
        block, chunks=chunks, dtype=np.uint16, meta=np.empty((0,) * len(shape), "u2")
    )


def test_all_pixels_in_memory_count():
    values = np.zeros((3, 400, 500), np.uint16)
    values[2, 399, 1] = 4095
    assert span_of(values) == (0, 4095)
    colours = np.zeros((40, 50, 4), np.float32)
    colours[..., 3] = 1
    colours[1, 1, 2] = 200
    found = value_span(LayerImage.of(layers.Image(colours, rgb=True)))
    assert (found.least, found.greatest, found.alpha) == (0, 200, (1, 1))


def test_of_large_arrays_some_do(monkeypatch):
    monkeypatch.setattr(value_spans, "MOST_VALUES", 1000)
    values = np.arange(90_000, dtype=np.float32).reshape(300, 300)
    least, greatest = span_of(values)
    assert least == 0
    assert 80_000 < greatest < 90_000


def test_of_a_pyramid_the_coarsest_level_is_read():
    read = []
    levels = [lazy_zeros((512 * n, 512 * n), read) for n in (64, 16, 4, 1)]
    image = LayerImage.of(layers.Image(levels, multiscale=True, contrast_limits=(0, 1)))
    read.clear()
    found = value_span(image)
    assert (found.least, found.greatest) == (7, 900)
    assert read == [(512, 512)]


def test_of_large_levels_the_middle_is_read():
    read = []
    array = lazy_zeros((40, 30, 5120, 5120), read)
    image = LayerImage.of(layers.Image(array, contrast_limits=(0, 1)))
    read.clear()
    found = value_span(image)
    assert (found.least, found.greatest) == (7, 900)
    assert len(read) <= 8 * 4


def test_mapped_files_are_not_read_through(tmp_path, monkeypatch):
    monkeypatch.setattr(value_spans, "MOST_READ", 100)
    mapped = np.memmap(tmp_path / "a", np.uint16, "w+", shape=(200, 200))
    mapped[:] = np.arange(40_000).reshape(200, 200) % 60_000
    least, greatest = span_of(mapped, contrast_limits=(0, 1))
    assert 15_000 < least < greatest < 25_000


def test_labels_have_none():
    assert span_of(np.eye(5, dtype=bool)) is None
