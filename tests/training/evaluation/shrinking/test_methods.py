"""Methods that shrink keep flats and places, and are what they are called."""

import numpy as np
import pytest
from lerf_training.errors import MissingExtraError
from lerf_training.evaluation.shrinking import methods
from lerf_training.evaluation.shrinking.methods import (
    METHODS,
    installed_methods,
    lerf_method,
    shrink_method,
)
from PIL import Image

import lerf_core
from lerf_core.errors import InvalidArgumentError


def installed(name):
    if name not in installed_methods():
        pytest.skip("not installed")
    return shrink_method(name)


@pytest.mark.parametrize("name", METHODS)
def test_methods_keep_flats_sizes_and_dtypes(name):
    method = installed(name)
    assert method.name == name
    for shape in ((12, 18, 3), (12, 18)):
        small = method.shrink(np.full(shape, 77, np.uint8), (8, 6))
        assert small.shape == (8, 6, *shape[2:])
        assert small.dtype == np.uint8
        assert (small == 77).all()


@pytest.mark.parametrize("name", METHODS)
def test_methods_lie_where_the_geometry_says(name):
    method = installed(name)

    def bump(rows, cols):
        return 20 + 200 * np.outer(
            np.exp(-((rows - 20) ** 2) / 72), np.exp(-((cols - 50) ** 2) / 72)
        )

    source = np.rint(bump(np.arange(60), np.arange(90))).astype(np.uint8)
    rows, cols = (np.arange(30) + 0.5) * 2 - 0.5, (np.arange(30) + 0.5) * 3 - 0.5
    small = method.shrink(np.dstack([source] * 3), (30, 30))[..., 1].astype(float)
    for step in ((0.01, 0), (0, 0.01)):
        slope = (bump(rows + step[0], cols + step[1]) - bump(rows, cols)) / 0.01
        error = small - bump(rows, cols)
        assert abs((error * slope).sum() / (slope**2).sum()) < 0.03


def test_lerf_is_lerf(photo):
    expected = lerf_core.resize(photo, (20, 24), channel_axis=-1)
    np.testing.assert_array_equal(shrink_method("lerf").shrink(photo, (20, 24)), expected)
    banked = lerf_method("lerf-p", "", bank="lerf-p", threads=1).shrink(photo, (20, 24))
    expected = lerf_core.resize(photo, (20, 24), channel_axis=-1, bank="lerf-p")
    np.testing.assert_array_equal(banked, expected)
    assert (banked != shrink_method("lerf").shrink(photo, (20, 24))).any()


def test_lerf_takes_scenes_of_floats_on_levels(photo):
    grey = photo[..., 0]
    floats = shrink_method("lerf").shrink(grey.astype(np.float32), (20, 24))
    assert floats.dtype == np.float32
    bytes_ = shrink_method("lerf").shrink(grey, (20, 24))
    assert np.abs(np.clip(floats, 0, 255) - bytes_).max() <= 0.5


@pytest.mark.parametrize(("name", "kernel"), [("pillow-bicubic", "BICUBIC"), ("pillow-box", "BOX")])
def test_pillow_is_pillow(photo, name, kernel):
    expected = np.asarray(Image.fromarray(photo).resize((16, 10), Image.Resampling[kernel]))
    np.testing.assert_array_equal(shrink_method(name).shrink(photo, (10, 16)), expected)


def test_thumbnails_are_pillows():
    photo = np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    image = Image.fromarray(photo)
    image.thumbnail((16, 12))
    np.testing.assert_array_equal(
        shrink_method("pillow-thumbnail").shrink(photo, (12, 16)), np.asarray(image)
    )


def test_unknown_and_missing_methods_are_refused(monkeypatch):
    with pytest.raises(InvalidArgumentError, match="no method 'magic'; there are lerf"):
        shrink_method("magic")
    monkeypatch.setattr(methods.importlib.util, "find_spec", lambda name: None)
    assert "pillow-box" in installed_methods()
    assert "libvips" not in installed_methods()
    with pytest.raises(
        MissingExtraError, match=r"libvips needs pyvips: pip install 'lerf\[bench\]'"
    ):
        shrink_method("libvips")
