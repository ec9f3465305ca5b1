"""Alpha: transparent pixels colour nothing."""

import numpy as np
import pytest
from support.images import noise

from lerf_core import rescale
from lerf_core.errors import InvalidArgumentError
from lerf_core.pixels.alpha import fill_clear


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [2, 4])
def test_a_flat_disc_keeps_its_colour_wherever_it_shows(dtype, channels):
    top = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    y, x = np.mgrid[:24, :24] - 11.5
    alpha = np.clip(9 - np.hypot(y, x), 0, 1)
    colour = np.array([0.9, 0.2, 0.5])[: channels - 1]
    image = np.dstack([*(np.where(alpha > 0, c, 0) for c in colour), alpha])
    image = np.round(image * top).astype(dtype) if top > 1 else image.astype(dtype)
    for scale in (2.5, 0.6):
        out = rescale(image, scale, channel_axis=-1)
        shows = out[..., -1] > 0
        error = np.abs(out[shows][:, :-1] / top - image[12, 12, :-1] / top)
        assert error.max() <= 1.01 / 255 if dtype == "uint8" else error.max() <= 1e-4
    separate = rescale(image, 2.5, channel_axis=-1, alpha="separate")
    np.testing.assert_array_equal(
        separate[..., 0], rescale(np.ascontiguousarray(image[..., 0]), 2.5)
    )


def test_opaque_stays_opaque_with_any_tables(random_banks):
    for bank in random_banks:
        image = noise((12, 9, 4))
        image[..., 3] = 255
        out = rescale(image, 1.9, channel_axis=-1, bank=bank)
        assert (out[..., 3] == 255).all()
        np.testing.assert_array_equal(
            out[..., :3], rescale(image[..., :3], 1.9, channel_axis=-1, bank=bank)
        )


def test_alpha_can_be_told():
    three = noise((6, 6, 3))
    three[..., 2] = 255
    with_alpha = rescale(three, 2, channel_axis=-1, alpha="premultiply")
    np.testing.assert_array_equal(with_alpha, rescale(three, 2, channel_axis=-1))
    with pytest.raises(InvalidArgumentError, match="channel_axis"):
        rescale(three[..., 0], 2, alpha="premultiply")


def test_nan_alpha_is_transparent():
    image = noise((24, 24, 4), "float32")
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


def test_large_transparent_areas_leave_colours_alone():
    image = np.zeros((1200, 1200, 4), np.uint8)
    image[:, :600] = (200, 100, 50, 255)
    out = rescale(image, 1.5, channel_axis=-1, bank="analytic")
    assert (out[:, :890, :3] == (200, 100, 50)).all()
    assert (out[:, 910:, 3] == 0).all()


def test_clear_pixels_take_the_colours_around_them_step_by_step():
    plane = np.array([[8, 1, 1, 1, 1], [4, 1, 1, 1, 1]], np.uint8)
    clear = np.ones((2, 5), bool)
    clear[:, 0] = False
    fill_clear([plane], clear, 3)
    assert plane.tolist() == [[8, 6, 6, 6, 0], [4, 6, 6, 6, 0]]


def test_no_colour_of_a_clear_pixel_is_left():
    rng = np.random.default_rng(3)
    clear = rng.random((40, 30)) < 0.7
    clear[:20] = True
    colour = rng.random((40, 30)).astype(np.float32)
    results = []
    for hidden in (np.nan, 0.3):
        plane = np.where(clear, np.float32(hidden), colour)
        fill_clear([plane], clear, 4)
        results.append(plane)
        np.testing.assert_array_equal(plane[~clear], colour[~clear])
    np.testing.assert_array_equal(*results)
    alike = np.where(clear, 9, np.full((40, 30), 0.5, np.float32))
    fill_clear([alike], clear, 40)
    assert (alike == 0.5).all()
