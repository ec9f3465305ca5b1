"""Inputs that broke, or might break, something: each stays found."""

import numpy as np
import pytest
from support.images import noise

from lerf_core import Displacement, rescale, rescaled_shape, resize, warp
from lerf_core.errors import InvalidArgumentError, InvalidTypeError

# -- sizes --------------------------------------------------------------------------


def test_tiny_scales_come_to_an_end():
    assert rescale(noise((4, 4), "float32"), 1e-9).shape == (1, 1)
    assert resize(noise((3, 8000), "float32"), (3, 4), mode="reflect").shape == (3, 4)


def test_products_that_overflow():
    for scale in (1e308, 1e300, 1e12):
        with pytest.raises(InvalidArgumentError, match="2\\*\\*31"):
            rescale(noise((8, 8), "float32"), scale)
    with pytest.raises(InvalidArgumentError, match="shape must be"):
        rescaled_shape((1, 2, 3), 2)


# -- warps --------------------------------------------------------------------------


def test_shrinking_does_not_bleed_into_the_far_outside():
    image = np.full((64, 64), 10, np.uint8)
    image[:, 3:] = 250
    matrix = [[8, 0, -60], [0, 8, 0], [0, 0, 1]]
    out = warp(image, matrix, mode="edge", output_shape=(8, 16), bank="analytic")
    assert out[4, 0] == 10


@pytest.mark.parametrize(("period", "shrink"), [(2, 20), (3, 40), (4, 60)])
def test_strong_shrinking_of_stripes_is_smooth(period, shrink):
    image = np.zeros((16, 960), np.uint8)
    image[:, ::period] = 255
    matrix = [[shrink, 0, 7], [0, 1, 0]]
    out = warp(image, matrix, output_shape=(16, 960 // shrink), mode="wrap", bank="analytic")
    assert np.abs(out[2:-2, 1:-1] - 255 / period).max() < 4


def test_a_shrunk_support_is_symmetric():
    image = noise((33, 33), "float32")
    small = rescale(image, 1 / 3, bank="analytic")  # centres on pixels
    flipped = rescale(image[:, ::-1], 1 / 3, bank="analytic")[:, ::-1]
    np.testing.assert_allclose(small, flipped, atol=0.01)


def test_maps_of_useless_content():
    image = np.zeros((5, 5), np.uint8)
    for bad in (
        [[1, 2], [3]],
        [["a", "b", "c"]] * 3,
        np.eye(3) * (1 + 1j),
        Displacement([[1, 2], [3]]),
        lambda points: "text",
        lambda points: [[1], [2, 3]],
    ):
        with pytest.raises((InvalidArgumentError, InvalidTypeError)):
            warp(image, bad)
