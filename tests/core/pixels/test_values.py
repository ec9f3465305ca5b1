"""Value ranges: what the tables see of an image's values, and what comes back."""

import numpy as np
import pytest
from support.images import noise

from lerf_core import rescale, resize
from lerf_core.errors import InvalidArgumentError


def test_floats_outside_the_range_survive():
    image = np.linspace(-3, 7, 50, dtype=np.float32).reshape(5, 10)
    out = rescale(image, 2, bank="analytic")
    assert out.min() < -2.5
    assert out.max() > 6.5
    constant = np.full((4, 4), 1234.5, np.float32)
    np.testing.assert_array_equal(rescale(constant, 2, bank="analytic"), np.float32(1234.5))


def test_value_range_says_what_the_tables_see(random_bank):
    image = noise((10, 10), "uint8")
    twelve_bits = image.astype(np.uint16) * 16
    options = {"bank": random_bank, "engine": "numba"}
    wide = rescale(twelve_bits, 2, value_range=(0, 255 * 16), **options)
    deep = rescale(image.astype(np.float32), 2, value_range=(0, 255), **options)
    assert np.abs(wide / 16 - deep).max() < 0.04
    assert np.abs(rescale(image, 2, **options) - deep).max() < 3  # 8-bit rounding in between
    assert np.abs(rescale(twelve_bits, 2, **options) / 16 - deep).max() > 3


def test_signed_and_wide_integers_with_a_value_range():
    image = np.linspace(-1000, 1000, 60).astype(np.int16).reshape(6, 10)
    out = rescale(image, 2, value_range=(-1000, 1000), bank="analytic")
    assert out.dtype == np.int16
    assert np.unique(out).size > 100
    huge = np.full((4, 4), 2**62, np.int64)
    out = rescale(huge, 2, value_range=(0, 2**63 - 1), bank="analytic")
    assert np.abs(out / 2**62 - 1).max() < 1e-6


def test_preserve_range_off_gives_unit_floats():
    image = noise((8, 8))
    out = rescale(image, 2, preserve_range=False, bank="analytic")
    assert out.dtype == np.float64
    assert np.abs(out * 255 - rescale(image, 2, bank="analytic")).max() < 1
    same = resize(image, (8, 8), preserve_range=False)
    np.testing.assert_allclose(same, image / 255, atol=1e-12)


def test_linear_light_averages_light():
    image = np.zeros((8, 8), np.uint8)
    image[::2, 1::2] = image[1::2, ::2] = 255
    encoded = rescale(image, 0.5)[1:-1, 1:-1].mean()
    linear = rescale(image, 0.5, linear_light=True)[1:-1, 1:-1].mean()
    assert abs(encoded - 127.5) < 2
    assert abs(linear - 188) < 2  # half the light, sRGB-encoded


def test_the_same_shape_in_unit_floats_is_no_resampling(random_bank):
    image = (noise((9, 7), "float32") * 255).astype(np.uint8)
    out = resize(image, (9, 7), preserve_range=False, bank=random_bank)
    np.testing.assert_allclose(out, image / 255, atol=1e-12)


@pytest.mark.parametrize(
    "value_range", [(0, 1e-310), (-1.7e308, 1.7e308), (0, np.inf), (np.nan, 1), (5, 1)]
)
def test_unusable_ranges(value_range):
    with pytest.raises(InvalidArgumentError, match="value_range"):
        rescale(noise((8, 8), "float32"), 2, value_range=value_range)
