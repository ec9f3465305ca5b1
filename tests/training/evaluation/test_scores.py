"""Figures and masks on small cases with known answers."""

import math

import numpy as np
import pytest
from lerf_training.evaluation.scores import Score, means, score_scale, shave_of, warp_mask

from lerf_core.metrics import luma, psnr, ssim


def test_shave_is_the_larger_whole_scale():
    assert shave_of((2.0, 2.0)) == 2
    assert shave_of((1.5, 3.9)) == 3
    assert shave_of((0.5, 0.5)) == 0


def test_psnr_is_shaved_and_ssim_is_not(photo):
    framed = photo.copy()
    framed[:2], framed[-2:], framed[:, :2], framed[:, -2:] = 0, 0, 0, 0
    figures = score_scale(photo, framed, (2.0, 2.0))
    assert figures == (math.inf, pytest.approx(ssim(luma(photo), luma(framed))))
    assert figures[1] < 1
    assert score_scale(photo, framed, (1.0, 1.0))[0] < math.inf


def test_both_images_are_cropped_to_their_common_size(photo):
    larger = np.pad(photo, ((0, 3), (0, 0), (0, 0)))
    narrower = photo[:, :-5]
    assert score_scale(photo, larger, (2.0, 2.0))[0] == math.inf
    assert score_scale(photo, narrower, (2.0, 2.0))[0] == math.inf


def test_psnr_is_over_luma(photo):
    other = 255 - photo
    expected = psnr(luma(photo), luma(other), shave=3)
    assert score_scale(photo, other, (3.0, 3.0))[0] == pytest.approx(expected)


def test_means_are_of_the_images_figures():
    scores = [
        Score("set", "x2", "a", "one", 30.0, 0.8, "files"),
        Score("set", "x2", "b", "one", 20.0),
        Score("set", "x2", "a", "two", 34.0, 0.9),
        Score("set", "x3", "a", "one", math.inf, 1.0),
        Score("set", "x3", "a", "two", 30.0, 1.0),
    ]
    assert means(scores) == [
        Score("set", "x2", "a", "mean of 2", 32.0, pytest.approx(0.85), "files"),
        Score("set", "x2", "b", "mean of 1", 20.0),
        Score("set", "x3", "a", "mean of 2", math.inf, 1.0),
    ]


def test_mask_of_the_identity_is_the_inner_source():
    expected = np.zeros((20, 30), bool)
    expected[4:-4, 4:-4] = True
    np.testing.assert_array_equal(warp_mask(np.eye(3), (20, 30), (20, 30)), expected)


def test_mask_matrix_is_forward_and_x_comes_first():
    shift = np.array([[1.0, 0, 7], [0, 1, 2], [0, 0, 1]])
    mask = warp_mask(shift, (20, 30), (40, 50))
    expected = np.zeros((40, 50), bool)
    expected[4 + 2 : 16 + 2, 4 + 7 : 26 + 7] = True
    np.testing.assert_array_equal(mask, expected)


def test_mask_rounds_halves_down():
    # Source x = output x / 2: 3.5 reads pixel 3, which is in the frame; 4.5 reads 4.
    double = np.diag([2.0, 1.0, 1.0])
    columns = np.flatnonzero(warp_mask(double, (9, 12), (9, 24))[4])
    np.testing.assert_array_equal(columns, np.arange(8, 16))


def test_mask_ignores_the_matrix_scale_and_sign():
    matrix = np.array([[1.1, 0.2, 3], [-0.1, 0.9, 5], [1e-3, -2e-3, 1]])
    mask = warp_mask(matrix, (30, 40), (50, 60))
    assert 0 < mask.sum() < mask.size
    for factor in (-1.0, 0.25):
        np.testing.assert_array_equal(warp_mask(factor * matrix, (30, 40), (50, 60)), mask)


def test_mask_leaves_out_what_lies_beyond_the_horizon():
    # Depth at the source is 1 - x / 20: the columns from 20 on are behind the camera.
    matrix = np.array([[1.0, 0, 0], [0, 1, 0], [-1 / 20, 0, 1]])
    mask = warp_mask(matrix, (40, 16), (40, 400))
    assert mask.any()
    behind = np.linalg.inv(matrix) @ np.array([-200.0, 10, 1])
    assert behind[2] < 0
    shifted = np.array([[1.0, 0, 300], [0, 1, 0], [0, 0, 1]]) @ matrix
    moved = warp_mask(shifted, (40, 16), (40, 700))
    # Columns 0..275 map through the horizon and must not count.
    assert not moved[:, :276].any()
    np.testing.assert_array_equal(moved[:, 300:], mask)
