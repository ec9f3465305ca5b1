"""Drawn scenes have the levels that geometry says, and sizes at which shrinking is exact."""

import numpy as np
import pytest
from lerf_training.evaluation.shrinking.geometry import exact_crop, exact_size, shrunk_levels
from lerf_training.evaluation.shrinking.scenes import (
    SUPERSAMPLING,
    block_means,
    grating,
    half_plane,
    stripe,
    text_means,
    text_page,
    zone_plate,
)

from lerf_core.errors import InvalidArgumentError


@pytest.mark.parametrize(
    ("size", "factor", "expected"),
    [
        (100, 2, (100, 50)),
        (101, 3, (99, 33)),
        (100, 1.5, (99, 66)),
        (103, 1.7, (102, 60)),
        (7, 4, (4, 1)),
        (1000, 1.001, (801, 800)),
    ],
)
def test_sizes_are_of_the_factor(size, factor, expected):
    source, result = exact_size(size, factor)
    if factor != 1.001:
        assert (source, result) == expected
    assert source <= size
    assert source / result == pytest.approx(factor, rel=1e-3)


def test_irrational_factors_come_close():
    source, result = exact_size(500, np.pi)
    assert source / result == pytest.approx(np.pi, abs=1e-3)
    assert source > 380


@pytest.mark.parametrize("factor", [1.0, 0.5, -2.0, np.nan, np.inf])
def test_what_does_not_shrink_is_refused(factor):
    with pytest.raises(InvalidArgumentError, match="above 1"):
        exact_size(100, factor)


def test_small_images_are_refused():
    with pytest.raises(InvalidArgumentError, match="3 pixels are too few to shrink by 4"):
        exact_size(3, 4)


def test_crops_lie_at_the_top_left():
    image = np.arange(35).reshape(5, 7)
    source, shape = exact_crop(image, 2)
    np.testing.assert_array_equal(source, image[:4, :6])
    assert shape == (2, 3)


def test_results_of_another_shape_are_refused():
    with pytest.raises(InvalidArgumentError, match=r"gave shape \(4, 4\)"):
        shrunk_levels(lambda image, shape: image, np.zeros((4, 4)), (2, 2), quantise=True)


@pytest.mark.parametrize("quantise", [True, False])
def test_scenes_are_given_as_bytes_or_floats(quantise):
    seen = []

    def shrink(image, shape):
        seen.append(image)
        return image[::2, ::2]

    shrunk_levels(shrink, np.full((4, 4), 10.4), (2, 2), quantise=quantise)
    assert seen[0].dtype == (np.uint8 if quantise else np.float32)
    assert seen[0][0, 0] == (10 if quantise else np.float32(10.4))


@pytest.mark.parametrize("angle", [0, 90, 45, 5, 62, 135, 180])
def test_edges_have_the_area_that_samples_count(angle):
    fine, offset = 64, 0.7
    coverage = half_plane((6, 8), angle, offset)
    y, x = np.indices((6 * fine, 8 * fine))
    y, x = (y + 0.5) / fine - 3, (x + 0.5) / fine - 4
    inside = np.sin(np.radians(angle)) * y + np.cos(np.radians(angle)) * x >= offset
    counted = inside.reshape(6, fine, 8, fine).mean(axis=(1, 3))
    np.testing.assert_allclose(coverage, counted, atol=0.02)


def test_upright_edges_lie_where_the_offset_says():
    assert half_plane((2, 4), 0).tolist() == [[0, 0, 1, 1]] * 2
    assert half_plane((4, 1), 90, 1.0).ravel().tolist() == [0, 0, 0, 1]
    assert stripe((1, 6), 0, 2.0, -1.0).tolist() == [[0, 0, 1, 1, 0, 0]]
    assert stripe((60, 60), 30, 3.0).sum() == pytest.approx(
        3 * 60 / np.cos(np.radians(30)), rel=0.02
    )


def test_gratings_have_their_frequency_along_the_finer_axis():
    wave = grating((64, 64), 1 / 8, 0)
    np.testing.assert_allclose(wave[:, 8:], wave[:, :-8], atol=1e-9)
    assert np.square(wave).mean() == pytest.approx(0.5)
    slanted = grating((64, 64), 1 / 8, 30)
    np.testing.assert_allclose(slanted[:, 8:], slanted[:, :-8], atol=1e-9)
    np.testing.assert_allclose(grating((4, 4), 0.2, 70, np.pi), -grating((4, 4), 0.2, 70))


def test_zone_plates_grow_finer_outwards():
    wave, frequency = zone_plate((200, 200))
    assert frequency.max() == pytest.approx(0.5, abs=0.01)
    # Crossings of 0 along the middle row, between two columns: twice the mean frequency.
    part = wave[100, 140:180]
    crossings = np.count_nonzero(np.diff(np.sign(part)))
    assert crossings == pytest.approx(2 * 40 * frequency[100, 160], abs=1.5)


def test_means_of_text_are_those_of_the_page_and_drawn_once():
    means = text_means((60, 80), (30, 40))
    np.testing.assert_array_equal(means, block_means(text_page((60, 80)), (30, 40)))
    assert text_means((60, 80), (30, 40)) is means
    with pytest.raises(ValueError, match="read-only"):
        means[0, 0] = 0


def test_text_pages_are_supersampled_and_hold_ink():
    page = text_page((60, 80))
    assert page.shape == (60 * SUPERSAMPLING, 80 * SUPERSAMPLING)
    assert 0.05 < 1 - page.mean() < 0.5
    assert page.min() == 0
    assert page.max() == 1


def test_block_means_count_fractions():
    row = np.arange(6.0)[None]
    np.testing.assert_allclose(block_means(row, (1, 3)), [[0.5, 2.5, 4.5]])
    np.testing.assert_allclose(block_means(row, (1, 4)), [[1 / 3, 5 / 3, 10 / 3, 14 / 3]])
    noise = np.random.default_rng(0).random((7, 11))
    assert block_means(noise, (3, 4)).mean() == pytest.approx(noise.mean())
