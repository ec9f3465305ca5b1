"""The luma of an image as a channel of its own."""

import warnings

import numpy as np
import pytest
from support.images import noise

from lerf_core.pixels.luma import rgb_luma


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_luma_keeps_the_dtype_and_ignores_further_channels(dtype):
    rgb = noise((12, 10, 3), dtype)
    luma = rgb_luma(rgb)
    assert luma.dtype == dtype
    assert luma.shape == (12, 10)
    np.testing.assert_array_equal(luma, rgb_luma(np.dstack([rgb, rgb[..., 0]])))
    rounding = 0.5 if luma.dtype.kind == "u" else 1e-6
    assert np.abs(luma - rgb @ np.array([0.299, 0.587, 0.114])).max() <= rounding


def test_infinities_of_both_signs_give_nan_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(rgb_luma(np.array([[np.inf, -np.inf, 0.0]], np.float32))).all()
