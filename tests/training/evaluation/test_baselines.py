"""Kernels of other libraries lie where the geometry says."""

import numpy as np
import pytest
from lerf_training.errors import MissingExtraError
from lerf_training.evaluation.baselines import BASELINES, baseline_method, installed_baselines
from PIL import Image

from lerf_core import rescaled_shape
from lerf_core.errors import InvalidArgumentError
from lerf_core.sampling.taps import axis_positions


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
