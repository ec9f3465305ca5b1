"""Inputs that broke, or might break, something: each stays found."""

import warnings

import numpy as np
import pytest

from lerf_core import Displacement, rescale, rescaled_shape, resize, warp
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry import (
    Homography,
    as_homography,
    fit_output,
    homography_from_points,
    invert,
    rotation,
    transform_points,
)


def noise(shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).random(shape).astype(dtype)


# -- values that must never become an index -----------------------------------------


def test_nan_alpha_is_transparent():
    image = noise((24, 24, 4))
    image[..., 3] = 1
    image[5:10, 5:10, 3] = np.nan
    out = rescale(image, 2, channel_axis=-1)
    assert np.isfinite(out).all()
    assert (out[12:18, 12:18, 3] == 0).all()
    assert (out[30:, 30:, 3] == 1).all()


def test_missing_colours_are_transparent_where_there_is_alpha():
    image = np.full((20, 20, 4), 0.5, np.float32)
    image[..., 3] = 1
    image[5:15, 5:15, 0] = np.nan
    out = rescale(image, 2, channel_axis=-1)
    assert (out[12:28, 12:28, 3] == 0).all()
    assert (out[:6, :, 3] == 1).all()
    assert np.abs(out[..., :3] - 0.5).max() < 1e-6
    bytes_ = np.full((20, 20, 2), 100, np.uint8)
    bytes_[..., 1] = 255
    bytes_[5:15, 5:15, 0] = 7
    out = rescale(bytes_, 2, channel_axis=-1, nodata=7)
    assert (out[12:28, 12:28, 1] == 0).all()
    assert set(np.unique(out[..., 0])) <= {100, 7, 0}


@pytest.mark.parametrize(
    "value_range", [(0, 1e-310), (-1.7e308, 1.7e308), (0, np.inf), (np.nan, 1), (5, 1)]
)
def test_unusable_ranges(value_range):
    with pytest.raises(InvalidArgumentError, match="value_range"):
        rescale(noise((8, 8)), 2, value_range=value_range)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_enormous_floats_count_as_infinite(dtype):
    image = noise((9, 9), dtype)
    image[4, 4] = np.finfo(dtype).max / 2
    image[0, 0] = 1e20
    out = rescale(image, 2, bank="analytic")
    assert np.isnan(out).sum() == 4
    assert np.isclose(out[0, 0], 1e20, rtol=0.2)


# -- sizes --------------------------------------------------------------------------


def test_tiny_scales_come_to_an_end():
    assert rescale(noise((4, 4)), 1e-9).shape == (1, 1)
    assert resize(noise((3, 8000)), (3, 4), mode="reflect").shape == (3, 4)


def test_products_that_overflow():
    for scale in (1e308, 1e300, 1e12):
        with pytest.raises(InvalidArgumentError, match="2\\*\\*31"):
            rescale(noise((8, 8)), scale)
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
    image = noise((33, 33))
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


def test_good_matrices_of_uneven_size_are_not_singular():
    for matrix in (
        [[0.5, 0, 5e6], [0, -0.5, 5e6], [0, 0, 1]],
        [[1000, 0, 2e4], [0, 1000, 2e4], [0, 0, 1]],
        np.eye(3) * 1e-200,
        np.eye(3) * 1e300,
    ):
        points = np.array([[0.0, 0.0], [10, 20]])
        back = transform_points(invert(matrix), transform_points(matrix, points))
        np.testing.assert_allclose(back, points, atol=1e-6)
    for matrix in ([[1, 2, 3], [2, 4, 6], [0, 0, 1]], np.ones((3, 3))):
        with pytest.raises(InvalidArgumentError, match="singular"):
            as_homography(matrix)


def test_a_centre_on_the_horizon_has_one_sign():
    matrix = np.linalg.inv([[1, 0, 0], [0, 1, 0], [1 / 11.0, 0, -1]])
    first = Homography.facing(matrix, (17, 23)).matrix
    np.testing.assert_allclose(first, Homography.facing(-matrix, (17, 23)).matrix)


def test_geometry_refuses_what_is_not_finite():
    with pytest.raises(InvalidArgumentError, match="finite"):
        rotation(np.inf, (4, 4))
    with pytest.raises(InvalidArgumentError):
        fit_output([[1e300, 0, 0], [0, 1e300, 0], [0, 0, 1]], (50, 50))
    with pytest.raises(InvalidArgumentError, match="real numbers"):
        homography_from_points("abcd", "abcd")


def test_many_point_pairs_need_little_memory():
    source = np.random.default_rng(0).random((20_000, 2)) * 500
    forward = np.array([[1.1, 0.1, 3], [0, 0.9, 1], [1e-4, 0, 1]])
    found = homography_from_points(source, transform_points(forward, source))
    np.testing.assert_allclose(found, forward / forward[2, 2], atol=1e-6)


# -- arguments ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"anti_aliasing": 0}, "anti_aliasing"),
        ({"nodata": "x"}, "nodata"),
        ({"nodata": [1, 2]}, "nodata"),
        ({"cval": None}, "cval"),
        ({"cval": np.nan}, "cval"),
        ({"cval": "0"}, "cval"),
        ({"threads": True}, "threads"),
        ({"threads": 1.5}, "threads"),
        ({"value_range": (5, 1)}, "value_range"),
        ({"channel_axis": True}, "channel_axis"),
        ({"channel_axis": 1.0}, "channel_axis"),
    ],
)
@pytest.mark.parametrize("shape", [(12, 12), (6, 6)])
def test_options_are_checked_at_every_size(options, message, shape):
    image = np.zeros((6, 6), np.uint8)
    with pytest.raises((InvalidArgumentError, InvalidTypeError), match=message):
        resize(image, shape, **options)


def test_numpy_numbers_are_numbers():
    image = np.zeros((6, 6), np.uint8)
    out = resize(
        image, np.array([9, 9]), threads=np.int64(2), anti_aliasing=np.False_, cval=np.float32(3)
    )
    assert out.shape == (9, 9)


def test_cval_beyond_the_dtype_is_its_end():
    image = np.full((4, 4), 100, np.uint8)
    away = [[1, 0, -50], [0, 1, 0]]
    assert (warp(image, away, cval=300) == 255).all()
    assert (warp(image, away, cval=-5) == 0).all()
    assert (warp(image.astype(np.int32), away, cval=1e300) == 2**31 - 1).all()


def test_the_same_shape_in_unit_floats_is_no_resampling(random_bank):
    image = (noise((9, 7)) * 255).astype(np.uint8)
    out = resize(image, (9, 7), preserve_range=False, bank=random_bank)
    np.testing.assert_allclose(out, image / 255, atol=1e-12)


def test_nodata_keeps_its_units_in_unit_floats():
    image = np.full((8, 8), 100, np.uint8)
    image[2:4, 2:4] = 255
    out = rescale(image, 2, preserve_range=False, nodata=255, bank="analytic")
    assert set(np.unique(out.round(6))) == {round(100 / 255, 6), 1.0}


def test_colours_without_a_channel_axis_are_pointed_out():
    with pytest.warns(UserWarning, match="channel_axis=-1"):
        rescale(np.zeros((8, 9, 3), np.uint8), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rescale(np.zeros((8, 9, 30), np.uint8), 2)


def test_masked_arrays_are_refused():
    with pytest.raises(InvalidTypeError, match="masked"):
        rescale(np.ma.masked_equal(np.zeros((4, 4)), 0), 2)


def test_large_transparent_areas_leave_colours_alone():
    image = np.zeros((1200, 1200, 4), np.uint8)
    image[:, :600] = (200, 100, 50, 255)
    out = rescale(image, 1.5, channel_axis=-1, bank="analytic")
    assert (out[:, :890, :3] == (200, 100, 50)).all()
    assert (out[:, 910:, 3] == 0).all()
