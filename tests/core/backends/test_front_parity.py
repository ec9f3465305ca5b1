"""Networks that enlarge by every backend equal the reference, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import strategies as draw
from support.fronts import make_random_front

from lerf_core.backends import BACKENDS, get_backend
from lerf_core.backends.numba import networks
from lerf_core.constants import LEVELS, NETWORK_GREY_BITS

REFERENCE = get_backend("reference")
TOP = {np.uint8: LEVELS, np.int32: LEVELS << NETWORK_GREY_BITS}

each_backend = pytest.mark.parametrize("name", [name for name in BACKENDS if name != "reference"])
each_dtype = pytest.mark.parametrize("dtype", TOP)
each_form = pytest.mark.parametrize("count", [1, 3])
each_scale = pytest.mark.parametrize("scale", [1, 2, 3, 4])


def planes_of(rng, shape, count, dtype, *, grey=0.0):
    planes = rng.integers(0, TOP[dtype] + 1, (count, *shape)).astype(dtype)
    if grey and count == 3:
        planes = np.where(rng.random((3, *shape)) < grey, planes[0], planes).astype(dtype)
    return planes


def assert_fronts_agree(name, planes, front, threads=1):
    ours, expected = (
        one.enlarge_by_network(planes, front, threads) for one in (get_backend(name), REFERENCE)
    )
    assert ours.dtype == expected.dtype == (np.uint8 if planes.dtype == np.uint8 else np.float32)
    np.testing.assert_array_equal(ours, expected)
    return ours


@each_backend
@each_dtype
@each_form
@each_scale
@settings(max_examples=6)
@given(
    shape=draw.SHAPES, seed=draw.SEEDS, threads=st.sampled_from([1, 3]),
    structure=st.sampled_from([(16, 3, 2, 3), (4, 1, 0, 3), (20, 5, 1, 5), (32, 3, 1, 1)]),
    grey=st.sampled_from([0, 0.9, 0.99, 1]),
)  # fmt: skip
def test_fronts(name, dtype, count, scale, shape, seed, threads, structure, grey):
    planes = planes_of(np.random.default_rng(seed), shape, count, dtype, grey=grey)
    assert_fronts_agree(name, planes, make_random_front(scale, *structure), threads)


@each_backend
@each_dtype
@each_form
@pytest.mark.parametrize("segment", [1, 5, 33])
def test_segments_of_columns_are_as_one(monkeypatch, name, dtype, count, segment):
    monkeypatch.setattr(networks, "_RINGS", 0)
    monkeypatch.setattr(networks, "_LEAST_SEGMENT", segment)
    planes = planes_of(np.random.default_rng(segment), (6, 71), count, dtype, grey=0.95)
    assert_fronts_agree(name, planes, make_random_front(2, 16))


@each_backend
@each_dtype
def test_long_rows_and_many_tasks(name, dtype):
    planes = planes_of(np.random.default_rng(0), (90, 700), 3, dtype)
    results = [assert_fronts_agree(name, planes, make_random_front(2), n) for n in (1, 2, 5)]
    assert len(np.unique(results[0])) > 200


@each_backend
@each_form
def test_planes_are_views_and_are_left_as_they_are(name, count):
    whole = planes_of(np.random.default_rng(0), (14, 27), count, np.uint8)
    planes = whole[:, ::2, ::3]
    before = whole.copy()
    whole.flags.writeable = False
    assert_fronts_agree(name, planes, make_random_front(3), 2)
    np.testing.assert_array_equal(whole, before)


@each_backend
def test_fronts_do_not_mix(name):
    """What is packed of one front is not used for another one of its shape."""
    planes = planes_of(np.random.default_rng(0), (7, 9), 1, np.uint8)
    for seed in range(20):
        assert_fronts_agree(name, planes, make_random_front(2, 4, 3, 0, 1, seed=seed))


@each_backend
@each_form
def test_floats_are_enlarged_alike(name, count):
    rng = np.random.default_rng(0)
    planes = rng.uniform(-20, 290, (count, 9, 12)).astype(np.float32)
    front = make_random_front(2)
    ours, expected = (front.enlarged_by(one, planes, 1) for one in (get_backend(name), REFERENCE))
    np.testing.assert_array_equal(ours, expected)
