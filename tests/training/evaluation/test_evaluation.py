"""The evaluation's protocol on small cases with known answers."""

import math
from pathlib import Path

import numpy as np
import pytest
from lerf_training.data.benchmark_sets import ScalePair
from lerf_training.data.degradation import degrade_image
from lerf_training.errors import DatasetError, MissingExtraError
from lerf_training.evaluation.baselines import BASELINES, baseline_method, installed_baselines
from lerf_training.evaluation.methods import Method, bank_method
from lerf_training.evaluation.protocol import degradations, scale_protocol
from lerf_training.evaluation.running import evaluate_scale, evaluate_warp, read_pair
from lerf_training.evaluation.scores import Score, means, score_scale, shave_of, warp_mask
from PIL import Image

from lerf_core import rescaled_shape
from lerf_core.errors import BankError, InvalidArgumentError
from lerf_core.metrics import luma, psnr, ssim
from lerf_core.sampling.taps import axis_positions


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


def test_degradations_are_told_by_set():
    def pair(dataset, scale, low):
        return ScalePair(dataset, "a", (scale, scale), Path("h"), low)

    pairs = [pair("A", 2.0, Path("l")), pair("A", 3.0, Path("l")), pair("A", 1.5, None)]
    assert degradations([*pairs, pair("B", 2.0, None)]) == {
        "A": "x2, x3: the set's own files; x1.5: made from HR, bicubic",
        "B": "x2: made from HR, bicubic",
    }
    assert "bicubic" in scale_protocol("edge", made_inputs=True)
    assert "bicubic" not in scale_protocol("edge")


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


def bump(rows, cols):
    """A smooth spot away from the centre of 61x61 pixels, at any positions."""
    row, col = np.exp(-((rows - 12) ** 2) / 32), np.exp(-((cols - 47) ** 2) / 32)
    return 20 + 200 * np.outer(row, col)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("scale", [(1.7, 2.3), (2.0, 1.5), (0.6, 2.0)])
def test_baselines_lie_where_the_geometry_says(name, scale):
    if name not in installed_baselines():
        pytest.skip("not installed")
    low = np.rint(bump(np.arange(61), np.arange(61))).astype(np.uint8)
    shape = rescaled_shape(low.shape, scale)
    rows, cols = map(axis_positions, low.shape, shape, scale)
    result = baseline_method(name).rescale(np.dstack([low] * 3), scale)[..., 1]
    assert result.shape == shape
    # Where sizes are not whole, a library's own resize is off by up to 0.09 pixels here.
    for step in ((0.01, 0), (0, 0.01)):
        slope = (bump(rows + step[0], cols + step[1]) - bump(rows, cols)) / 0.01
        error = result - bump(rows, cols)
        assert abs((error * slope).sum() / (slope**2).sum()) < 0.015


def test_baselines_take_the_libraries_own_resize_where_sizes_are_whole(photo):
    transform = pytest.importorskip("skimage.transform")
    theirs = transform.resize(
        photo.astype(float), (60, 72), order=3, mode="edge", anti_aliasing=False
    )
    ours = baseline_method("scikit-image-bicubic").rescale(photo, (1.5, 1.5))
    # Its zoom rounds positions in its own way: a tie may fall on the other side.
    assert np.abs(ours - np.clip(np.rint(theirs), 0, 255)).max() <= 1
    theirs = Image.fromarray(photo).resize((72, 60), Image.Resampling.LANCZOS)
    ours = baseline_method("pillow-lanczos").rescale(photo, (1.5, 1.5))
    np.testing.assert_array_equal(ours, np.array(theirs))


@pytest.mark.parametrize("name", ["pillow-bicubic", *BASELINES[3:]])
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
    monkeypatch.setattr(
        "lerf_training.evaluation.baselines._is_installed", lambda module: module == "PIL"
    )
    assert installed_baselines() == ("pillow-bilinear", "pillow-bicubic", "pillow-lanczos")
    with pytest.raises(MissingExtraError, match=r"needs OpenCV: pip install 'lerf\[evaluate\]'"):
        baseline_method("opencv-cubic")
    with pytest.raises(MissingExtraError, match="needs scikit-image: pip install"):
        baseline_method("scikit-image-bicubic")


def test_a_horizon_inside_the_picture_is_no_trouble(photo):
    name = "scikit-image-bicubic"
    if name not in installed_baselines():
        pytest.skip("not installed")
    matrix = np.linalg.inv(np.array([[1.0, 0, 0], [0, 1, 0], [1 / 8, 0, -1]]))
    warped = baseline_method(name).warp(photo, matrix, (20, 30))
    assert warped.shape == (20, 30, 3)


def test_a_checkpoint_is_a_bank(tmp_path, monkeypatch, random_bank):
    save_file = pytest.importorskip("safetensors.numpy").save_file
    path = tmp_path / "step.safetensors"
    save_file({"x": np.zeros(1, np.float32)}, path, metadata={"lerf-checkpoint": "{}"})
    monkeypatch.setattr("lerf_training.loop.restoring.bank_of_checkpoint", lambda path: random_bank)
    method = bank_method(str(path))
    assert method.name == random_bank.name
    assert method.description == f"lerf-g checkpoint {path}"


def test_a_bank_file_is_no_checkpoint(tmp_path, random_bank):
    path = tmp_path / "bank.safetensors"
    random_bank.save(path)
    assert bank_method(str(path)).description == f"lerf-g bank {path}"
    path.write_bytes(b"neither")
    with pytest.raises(BankError, match=r"bank\.safetensors"):
        bank_method(str(path))


def test_a_method_that_cannot_warp_is_refused():
    with pytest.raises(InvalidArgumentError, match="pillow-lanczos does not warp"):
        list(evaluate_warp([], [baseline_method("pillow-lanczos")]))
