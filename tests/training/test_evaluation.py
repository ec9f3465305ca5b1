"""The evaluation's protocol on small cases with known answers."""

import math

import numpy as np
import pytest
from PIL import Image

from lerf_core.errors import InvalidArgumentError
from lerf_core.metrics import luma, psnr, ssim
from training.benchmarks import ScalePair
from training.errors import MissingExtraError
from training.evaluation import (
    Score,
    evaluate_scale,
    evaluate_warp,
    means,
    score_scale,
    shave_of,
    warp_mask,
)
from training.methods import BASELINES, Method, baseline_method, installed_baselines


@pytest.fixture
def photo():
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (40, 48, 3)).astype(np.uint8)


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


def test_evaluate_scale_asks_every_method_for_every_image(tmp_path, photo):
    high, low = tmp_path / "high.png", tmp_path / "low.png"
    Image.fromarray(photo).save(high)
    Image.fromarray(photo[::2, ::2]).save(low)

    def oracle(image, scale):
        assert image.shape == (20, 24, 3)
        assert scale == (2.0, 2.0)
        return photo

    methods = [Method("oracle", "", oracle, None), baseline_method("pillow-bicubic")]
    pair = ScalePair("set", "high", (2.0, 2.0), high, low)
    scores = list(evaluate_scale([pair, pair], methods))
    assert [score.method for score in scores] == ["oracle", "pillow-bicubic"] * 2
    assert scores[0] == Score("set", "x2", "oracle", "high", math.inf, pytest.approx(1.0))
    assert 5 < scores[1].psnr < 30


def test_means_are_of_the_images_figures():
    scores = [
        Score("set", "x2", "a", "one", 30.0, 0.8),
        Score("set", "x2", "b", "one", 20.0),
        Score("set", "x2", "a", "two", 34.0, 0.9),
        Score("set", "x3", "a", "one", math.inf, 1.0),
        Score("set", "x3", "a", "two", 30.0, 1.0),
    ]
    assert means(scores) == [
        Score("set", "x2", "a", "mean of 2", 32.0, pytest.approx(0.85)),
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


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_keep_constants_and_sizes(name):
    if name not in installed_baselines():
        pytest.skip("not installed")
    method = baseline_method(name)
    flat = np.full((7, 9, 3), 77, np.uint8)
    enlarged = method.rescale(flat, (2.0, 1.5))
    assert enlarged.shape == (14, 14, 3)
    assert enlarged.dtype == np.uint8
    assert (enlarged == 77).all()


@pytest.mark.parametrize("name", ["pillow-bicubic", "opencv-cubic", "opencv-lanczos4"])
def test_baseline_warps_are_forward_with_centres_at_integers(name, photo):
    if name not in installed_baselines():
        pytest.skip("not installed")
    shift = np.array([[1.0, 0, 3], [0, 1, 2], [0, 0, 1]])
    warped = baseline_method(name).warp(photo, shift, (50, 60))
    assert warped.shape == (50, 60, 3)
    np.testing.assert_array_equal(warped[4:40, 5:48], photo[2:38, 2:45])


def test_baseline_errors(monkeypatch):
    with pytest.raises(InvalidArgumentError, match="no baseline 'magic'"):
        baseline_method("magic")
    monkeypatch.setattr("training.methods._has_opencv", lambda: False)
    assert installed_baselines() == ("pillow-bilinear", "pillow-bicubic", "pillow-lanczos")
    with pytest.raises(MissingExtraError, match=r"lerf\[evaluate\]"):
        baseline_method("opencv-cubic")


def test_a_method_that_cannot_warp_is_refused():
    with pytest.raises(InvalidArgumentError, match="pillow-lanczos does not warp"):
        list(evaluate_warp([], [baseline_method("pillow-lanczos")]))
