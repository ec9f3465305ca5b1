"""Drawn planes."""

import numpy as np
from lerf_training.data.graphics import draw_graphics


def test_planes_are_of_the_size_asked_for_and_decided_by_the_generator():
    for seed in range(40):
        one, other = (draw_graphics(np.random.default_rng(seed), 61, 2.0) for _ in range(2))
        assert one.shape == (61, 61)
        assert one.dtype == np.uint8
        np.testing.assert_array_equal(one, other)


def test_planes_differ_and_use_the_whole_range():
    planes = [draw_graphics(np.random.default_rng(seed), 61, 3.0) for seed in range(60)]
    assert len({plane.tobytes() for plane in planes}) > 55
    assert min(plane.min() for plane in planes) == 0
    assert max(plane.max() for plane in planes) == 255
    assert np.mean([plane.std() for plane in planes]) > 20
