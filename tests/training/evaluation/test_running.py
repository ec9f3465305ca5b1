"""Every method is asked for every image, and scored."""

import math

import numpy as np
import pytest
from lerf_training.data.benchmark_sets import ScalePair
from lerf_training.data.degradation import degrade_image
from lerf_training.errors import DatasetError
from lerf_training.evaluation.baselines import baseline_method
from lerf_training.evaluation.methods import Method
from lerf_training.evaluation.running import evaluate_scale, evaluate_warp, read_pair
from lerf_training.evaluation.scores import Score
from PIL import Image

from lerf_core.errors import InvalidArgumentError


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
    assert scores[0] == Score("set", "x2", "oracle", "high", math.inf, pytest.approx(1.0), "files")
    assert 5 < scores[1].psnr < 30


def test_inputs_are_made_where_there_is_no_file(tmp_path, photo):
    high = tmp_path / "high.png"
    Image.fromarray(photo).save(high)
    seen = []

    def spy(image, scale):
        seen.append(image)
        return photo

    pair = ScalePair("set", "high", (1.5, 3.0), high, None)
    scores = list(evaluate_scale([pair], [Method("spy", "", spy, None)]))
    assert scores[0].degradation == "bicubic"
    cropped, low = read_pair(pair)
    np.testing.assert_array_equal(cropped, photo[:39])
    np.testing.assert_array_equal(low, degrade_image(photo[:39], (1.5, 3.0)))
    np.testing.assert_array_equal(seen[0], low)


def test_an_image_that_is_too_small_is_named(tmp_path, photo):
    high = tmp_path / "small.png"
    Image.fromarray(photo[:9]).save(high)
    for scale, message in ((2.0, "ssim needs"), (12.0, "too small for x12"), (0.5, "not for x0")):
        pair = ScalePair("set", "small", (scale, scale), high, None)
        with pytest.raises(DatasetError, match=rf"small\.png at x.*{message}"):
            list(evaluate_scale([pair], [baseline_method("pillow-bicubic")]))


def test_observers_see_every_result(tmp_path, photo):
    high = tmp_path / "high.png"
    Image.fromarray(photo).save(high)
    pair = ScalePair("set", "high", (2.0, 2.0), high, None)
    methods = [baseline_method("pillow-bicubic"), baseline_method("pillow-lanczos")]
    seen = []
    scores = list(evaluate_scale([pair, pair], methods, observe=seen.append))
    assert [score for one in seen for score, _ in one.results] == scores
    assert (seen[0].dataset, seen[0].case, seen[0].image) == ("set", "x2", "high")
    np.testing.assert_array_equal(seen[1].high, photo)
    _, low = read_pair(pair)
    np.testing.assert_array_equal(seen[1].results[1][1], methods[1].rescale(low, (2.0, 2.0)))


def test_a_method_that_cannot_warp_is_refused():
    with pytest.raises(InvalidArgumentError, match="pillow-lanczos does not warp"):
        list(evaluate_warp([], [baseline_method("pillow-lanczos")]))
