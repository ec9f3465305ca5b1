"""Images behind fronts that are networks: every kind of channel, and by blocks as a whole."""

import numpy as np
import pytest
from dask import array as da
from support.fronts import make_random_front

import lerf_core
from lerf_core import rescale, warp
from lerf_core.chunked import rescale as rescale_chunked
from lerf_core.fronts.loading import load_front


@pytest.fixture(scope="module")
def front():
    return make_random_front(2, 8)


def image_of(shape, dtype=np.uint8, seed=2):
    rng = np.random.default_rng(seed)
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    return (rng.random(shape) * top).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_is_grey_in_colours_is_as_a_plane_on_its_own(front, dtype):
    grey = image_of((15, 18), dtype)
    colours = np.repeat(grey[..., None], 3, axis=-1)
    alone = rescale(grey, 3, front=front)
    together = rescale(colours, 3, front=front, channel_axis=-1)
    for channel in range(3):
        np.testing.assert_array_equal(together[..., channel], alone)
    assert (alone != rescale(grey, 3)).mean() > 0.5


def test_colours_are_read_together_and_other_channels_alone(front):
    colours = image_of((14, 16, 3))
    together = rescale(colours, 2.5, front=front, channel_axis=-1)
    channels = [rescale(colours[..., k], 2.5, front=front) for k in range(3)]
    assert (together != np.stack(channels, axis=-1)).mean() > 0.3
    five = np.concatenate([colours, colours[..., :2]], axis=-1)
    apart = rescale(five, 2.5, front=front, channel_axis=-1)
    np.testing.assert_array_equal(apart, np.stack([*channels, *channels[:2]], axis=-1))


@pytest.mark.parametrize("engine", ["numba", "reference"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_chunks_give_what_the_whole_gives(front, dtype, engine):
    image = image_of((33, 29, 3), dtype)
    keywords = {"front": front, "channel_axis": -1, "engine": engine}
    whole = rescale(image, 3.3, **keywords)
    chunks = rescale_chunked(da.from_array(image, chunks=(10, 11, 3)), 3.3, **keywords)
    np.testing.assert_array_equal(chunks.compute(scheduler="sync"), whole)


def test_engines_agree_behind_a_warp(front):
    image = image_of((20, 22, 4))
    matrix = [[0.4, 0.05, 1], [-0.05, 0.45, 2], [0, 0.001, 1]]
    keywords = {"front": front, "channel_axis": -1, "output_shape": (30, 31)}
    ours, other = (warp(image, matrix, engine=name, **keywords) for name in ("numba", "reference"))
    np.testing.assert_array_equal(ours, other)


def test_a_file_is_named(front, tmp_path):
    path = tmp_path / "front.safetensors"
    front.save(path)
    image = image_of((12, 13))
    result = lerf_core.resize(image, (31, 40), front=path)
    np.testing.assert_array_equal(result, lerf_core.resize(image, (31, 40), front=load_front(path)))


def test_values_beyond_the_range_stay_there(front):
    image = np.full((12, 12), 0.5, np.float32)
    image[4:8, 4:8] = 7
    result = rescale(image, 2, front=front, value_range=(0, 1))
    assert result[10:14, 10:14].min() > 6
    assert result[:4].max() < 2
