"""What ``fast=True`` promises."""

import numpy as np
import pytest
from imageio.v3 import imread

from lerf_core import rescale, resize
from lerf_core.errors import InvalidArgumentError
from lerf_core.metrics import psnr


@pytest.fixture
def photo(request):
    return imread(request.config.rootpath / "examples" / "photos" / "coffee.jpg")[100:260, 200:400]


def test_grey_colours_are_what_a_grey_image_becomes(photo):
    grey = photo[..., 1]
    coloured = rescale(np.stack([grey] * 3, axis=-1), 2, channel_axis=-1, fast=True)
    for channel in range(3):
        np.testing.assert_array_equal(coloured[..., channel], rescale(grey, 2))


def test_constants_stay_what_they_are():
    image = np.empty((9, 11, 3), np.uint8)
    image[:] = 250, 3, 77
    assert (rescale(image, 2.7, channel_axis=-1, fast=True) == image[0, 0]).all()


@pytest.mark.parametrize("scale", [2, 3, (0.5, 2)])
def test_a_photograph_hardly_changes(photo, scale):
    full = rescale(photo, scale, channel_axis=-1)
    fast = rescale(photo, scale, channel_axis=-1, fast=True)
    luma = np.array([0.299, 0.587, 0.114])
    assert not np.array_equal(full, fast)
    assert psnr(fast @ luma, full @ luma, data_range=255) > 45
    assert psnr(fast, full, data_range=255) > 38


def test_colours_are_followed_to_the_border(photo):
    ramp = np.linspace(0, 200, 40).astype(np.uint8)
    image = np.stack([np.tile(ramp, (8, 1)), np.full((8, 40), 90, np.uint8)] * 2, axis=-1)[..., :3]
    big = rescale(image, 2, channel_axis=-1, fast=True)
    assert abs(int(big[8, 0, 0]) - 0) <= 2
    assert abs(int(big[8, -1, 0]) - 200) <= 2


@pytest.mark.parametrize(
    "options",
    [
        {"linear_light": True},
        {"mode": "constant"},
        {"nodata": 7},
        {"method": "nearest"},
    ],
)
def test_what_needs_all_channels_is_resized_in_full(photo, options):
    image = photo[:30, :30].copy()
    image[4, 5] = 7
    fast = resize(image, (45, 50), channel_axis=-1, fast=True, **options)
    np.testing.assert_array_equal(fast, resize(image, (45, 50), channel_axis=-1, **options))


def test_other_numbers_of_channels_and_missing_values_are_resized_in_full(photo):
    small = photo[:30, :30]
    alpha = np.dstack([small, small[..., 0]])
    missing = small.astype(np.float32) / 255
    missing[3, 4, 1] = np.nan
    for image in (alpha, alpha[..., :2], missing):
        fast = rescale(image, 2, channel_axis=-1, fast=True)
        np.testing.assert_array_equal(fast, rescale(image, 2, channel_axis=-1))
    np.testing.assert_array_equal(rescale(small[..., 0], 2, fast=True), rescale(small[..., 0], 2))


def test_an_image_that_keeps_its_shape_is_copied(photo):
    same = rescale(photo, 1, channel_axis=-1, fast=True)
    np.testing.assert_array_equal(same, photo)
    assert same is not photo


def test_the_input_is_not_changed(photo):
    before = photo.copy()
    rescale(photo, 2, channel_axis=-1, fast=True)
    np.testing.assert_array_equal(photo, before)


@pytest.mark.parametrize("wrong", [1, "yes", None])
def test_fast_is_true_or_false(wrong):
    with pytest.raises(InvalidArgumentError, match="fast must be True or False, got"):
        rescale(np.zeros((4, 4, 3), np.uint8), 2, channel_axis=-1, fast=wrong)
