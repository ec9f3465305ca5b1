"""Maps from point pairs."""

import numpy as np
import pytest

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry import transform_points
from lerf_core.geometry.estimation import MODELS, matrix_from_points, residuals

TRUE = {
    "translation": [[1, 0, 5], [0, 1, -3], [0, 0, 1]],
    "rigid": [[0.8, -0.6, 5], [0.6, 0.8, -3], [0, 0, 1]],
    "similarity": [[1.6, -1.2, 5], [1.2, 1.6, -3], [0, 0, 1]],
    "affine": [[0.9, 0.2, 5], [-0.3, 1.2, -3], [0, 0, 1]],
    "homography": [[0.9, 0.2, 5], [-0.3, 1.2, -3], [0.001, -0.002, 1]],
}


def points(count, seed=0):
    return np.random.default_rng(seed).uniform(0, 100, (count, 2))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("extra", [0, 7])
def test_exact_pairs_give_the_map(model, extra):
    source = points(MODELS[model] + extra)
    target = transform_points(TRUE[model], source)
    matrix = matrix_from_points(source, target, model)
    np.testing.assert_allclose(matrix / matrix[2, 2], TRUE[model], atol=1e-8)
    assert residuals(matrix, source, target).max() < 1e-9


@pytest.mark.parametrize("model", ["translation", "similarity", "affine"])
def test_it_is_the_least_squares(model):
    """No map of the model nearby misses the points by less."""
    rng = np.random.default_rng(3)
    source = points(12)
    target = transform_points(TRUE["affine"], source) + rng.normal(0, 2, (12, 2))
    matrix = matrix_from_points(source, target, model)
    least = (residuals(matrix, source, target) ** 2).sum()
    for _ in range(50):
        step = np.zeros((3, 3))
        step[:2, 2] = rng.normal(0, 1e-2, 2)
        if model == "similarity":
            a, b = rng.normal(0, 1e-4, 2)
            step[:2, :2] = [[a, -b], [b, a]]
        elif model == "affine":
            step[:2, :2] = rng.normal(0, 1e-4, (2, 2))
        assert (residuals(matrix + step, source, target) ** 2).sum() >= least


def test_a_similarity_does_not_mirror():
    source = points(6)
    matrix = matrix_from_points(source, source * [-1, 1], "similarity")
    assert np.linalg.det(matrix[:2, :2]) > 0


@pytest.mark.parametrize("model", MODELS)
def test_too_few_pairs(model):
    few = points(MODELS[model] - 1)
    with pytest.raises(InvalidArgumentError, match=f"{model} needs at least {MODELS[model]} pairs"):
        matrix_from_points(few, few, model)


@pytest.mark.parametrize(
    ("source", "model", "words"),
    [
        (np.ones((4, 2)), "similarity", "coincide"),
        (np.stack([np.arange(5.0)] * 2, axis=1), "affine", "on a line"),
        (np.zeros((3, 3)), "affine", "shape"),
        (np.full((3, 2), np.nan), "affine", "finite"),
    ],
)
def test_points_that_fix_nothing(source, model, words):
    with pytest.raises(InvalidArgumentError, match=words):
        matrix_from_points(source, source, model)


def test_pairs_must_match():
    with pytest.raises(InvalidArgumentError, match="3 and 4 points"):
        matrix_from_points(points(3), points(4))
    with pytest.raises(InvalidArgumentError, match="model must be"):
        matrix_from_points(points(4), points(4), "spline")
