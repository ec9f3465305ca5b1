"""Float images on an integer's scale are warned of."""

import warnings

import numpy as np
import pytest

import lerf_core
from lerf_core.errors import ValueRangeWarning
from lerf_core.pixels.likely_range import likely_range


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def levels(rng):
    return rng.integers(0, 256, (20, 24)).astype(np.float32)


def test_the_scale_is_told(levels):
    assert likely_range(levels) == (0, 255, levels.min(), levels.max())
    assert likely_range(levels * 257)[:2] == (0, 65535)
    assert likely_range(levels * 4 + 100)[:2] == (levels.min() * 4 + 100, levels.max() * 4 + 100)
    assert likely_range(levels.astype(np.float16))[:2] == (0, 255)
    # A sample tells it of large images, of any number of axes.
    assert likely_range(np.broadcast_to(levels, (50, 9, 20, 24)))[:2] == (0, 255)


def test_what_says_nothing(levels, rng):
    assert likely_range(levels.astype(np.uint16)) is None
    assert likely_range(levels / 255) is None
    assert likely_range(levels - 128) is None
    assert likely_range(levels * 1000) is None
    assert likely_range(levels / 32) is None
    assert likely_range(levels[:4, :4]) is None
    highlights = rng.random((20, 24), np.float32)
    highlights[:5] *= 40
    assert likely_range(highlights) is None
    assert likely_range(np.full((20, 24), np.nan, np.float32)) is None


def test_missing_values_do_not_count(levels):
    levels[3] = np.nan
    levels[4] = -9999
    assert likely_range(levels) is None
    assert likely_range(levels, -9999)[:2] == (0, 255)
    assert likely_range(levels, float("nan")) is None


CALLS = {
    "resize": lambda image, **keywords: lerf_core.resize(image, (100, 120), **keywords),
    "rescale": lambda image, **keywords: lerf_core.rescale(image, 1.5, **keywords),
    "warp": lambda image, **keywords: lerf_core.warp(image, np.diag([2.0, 2, 1]), **keywords),
}


@pytest.mark.parametrize("name", CALLS)
def test_one_warning_a_call(name, levels):
    function = CALLS[name]
    with pytest.warns(ValueRangeWarning, match=r"pass value_range=\(0, 255\)") as caught:
        function(levels)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(levels, value_range=(0, 255))
        function(levels, method="nearest")
        function(levels / 255)
        function(levels.astype(np.uint8))
