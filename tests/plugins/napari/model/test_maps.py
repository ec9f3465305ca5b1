"""Corners, matrices, points and transforms, as warps."""

import numpy as np
import pytest
from napari.layers import Image
from support.layers import random_transform

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry import transform_points
from lerf_plugins.napari.model import maps
from lerf_plugins.napari.model.corners import outline
from lerf_plugins.napari.model.layer_image import LayerImage

SAMPLING = {"bank": None, "keywords": {}}


@pytest.fixture
def image():
    return LayerImage.of(Image(np.zeros((40, 70), np.uint8), **random_transform(2, 2)))


def on_grid(operation, points):
    """Where the result shows what lies at (x, y) of the source, on the frame's grid."""
    result = transform_points(np.linalg.inv(operation.matrix), points)
    return transform_points(operation.grid.matrix, result)


@pytest.mark.parametrize("density", [0.5, 1, 2.3])
@pytest.mark.parametrize("fit", [True, False])
def test_a_forward_matrix_moves_pixels_where_it_says(image, density, fit):
    forward = np.array([[0.9, 0.3, 12], [-0.2, 1.1, 7], [0.001, 0.002, 1]])
    operation = maps.warped(image, forward, density=density, fit=fit, sampling=SAMPLING)
    points = [(0, 0), (60, 10), (35, 38)]
    np.testing.assert_allclose(on_grid(operation, points), transform_points(forward, points))
    rows, cols = operation.out_shape
    if fit:
        reached = transform_points(forward, outline(image.shape))
        drawn = transform_points(operation.grid.matrix, outline((rows, cols)))
        np.testing.assert_allclose(drawn[0], reached.min(axis=0), atol=1e-9)
        assert (drawn[2] >= reached.max(axis=0) - 1e-6).all()
    else:
        assert (rows, cols) == (int(np.ceil(40 * density)), int(np.ceil(70 * density)))


def test_pulled_corners(image):
    quad = np.array([(5.0, -3), (80, 6), (70, 45), (-2, 37)])
    forward = maps.read_forward(" ".join(f"{x},{y}" for x, y in quad), image)
    np.testing.assert_allclose(transform_points(forward, outline((40, 70))), quad)


@pytest.mark.parametrize("text", ["[[2, 0, 1], [0, 2, 0]]", "((2,0,1),(0,2,0))"])
def test_brackets_count_as_blanks(image, text):
    forward = maps.read_forward(text, image)
    np.testing.assert_array_equal(forward, [[2, 0, 1], [0, 2, 0]])


def test_straightened(image):
    quad = np.array([(10.0, 5), (60, 8), (64, 33), (7, 30)])
    operation = maps.straightened(image, quad, density=1, sampling=SAMPLING)
    rows, cols = operation.out_shape
    assert abs(cols - np.hypot(50, 3) / 2 - np.hypot(57, 3) / 2) <= 0.5
    corners = transform_points(operation.matrix, outline((rows, cols)))
    np.testing.assert_allclose(corners, quad, atol=1e-9)
    left, top = transform_points(operation.grid.matrix, [(-0.5, -0.5)])[0]
    np.testing.assert_allclose((left, top), (7, 5))


def test_registered_lies_on_the_fixed_layer(image):
    fixed = LayerImage.of(Image(np.zeros((50, 60), np.uint8), **random_transform(3, 2)))
    forward = np.array([[1.1, 0.2, 3], [-0.1, 0.9, 5], [0, 0, 1]])
    operation = maps.registered(image, fixed, forward, density=1, sampling=SAMPLING)
    assert operation.out_shape == (50, 60)
    points = [(3, 4), (20, 30)]
    np.testing.assert_allclose(on_grid(operation, points), transform_points(forward, points))
    state = operation.result_state(operation.grid, {}, name="r", multiscale=False)
    result, onto = (
        Image(np.zeros((50, 60), np.uint8), **keywords)
        for keywords in (state, random_transform(3, 2))
    )
    np.testing.assert_allclose(result.data_to_world((7, 9)), onto.data_to_world((7, 9)))


def test_registered_stacks_keep_their_planes():
    moving_layer = Image(np.zeros((4, 40, 70), np.uint8), **random_transform(2, 3))
    fixed_layer = Image(np.zeros((50, 60), np.uint8), **random_transform(3, 2))
    moving, fixed = LayerImage.of(moving_layer), LayerImage.of(fixed_layer)
    operation = maps.registered(moving, fixed, np.eye(3), density=2, sampling=SAMPLING)
    state = operation.result_state(operation.grid, {}, name="r", multiscale=False)
    result = Image(np.zeros((4, *operation.out_shape), np.uint8), **state)
    for plane in range(4):
        place = result.data_to_world((plane, 20.5, 30.5))
        np.testing.assert_allclose(place[1:], fixed_layer.data_to_world((10, 15)))
        np.testing.assert_allclose(place[0], moving_layer.data_to_world((plane, 0, 0))[0])


@pytest.mark.parametrize("ndim", [2, 4])
@pytest.mark.parametrize("pixel", [None, 1.7])
def test_baked(ndim, pixel):
    shape = (2, 3, 40, 70)[-ndim:]
    layer = Image(np.zeros(shape, np.uint8), **random_transform(4, ndim))
    operation = maps.baked(LayerImage.of(layer), pixel=pixel, sampling=SAMPLING)
    state = operation.result_state(operation.grid, {}, name="b", multiscale=False)
    result = Image(np.zeros((*shape[:-2], *operation.out_shape), np.uint8), **state)
    np.testing.assert_allclose(
        result._extent_augmented.world, layer._extent_augmented.world, atol=1e-9
    )
    matrix = np.asarray(result.rotate)
    np.testing.assert_array_equal(matrix, np.eye(ndim))
    np.testing.assert_array_equal(np.asarray(result.affine), np.eye(ndim + 1))
    assert not np.any(result.shear)
    if pixel is not None:
        np.testing.assert_allclose(result.scale[-2:], pixel, rtol=0.02)
    # A pixel shows what the layer has at its place in the world.
    here = (*[1] * (ndim - 2), 12, 31)
    x, y = transform_points(operation.matrix, [(31, 12)])[0]
    np.testing.assert_allclose(
        result.data_to_world(here), layer.data_to_world((*here[:-2], y, x)), atol=1e-9
    )
    assert operation.record()["operation"] == "bake"


def test_baking_keeps_pixels_of_an_upright_layer():
    layer = Image(np.zeros((40, 70), np.uint8), scale=(2, 2), translate=(3, 4))
    operation = maps.baked(LayerImage.of(layer), pixel=None, sampling=SAMPLING)
    assert operation.out_shape == (40, 70)
    np.testing.assert_allclose(operation.matrix, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("text", ["", "one", "1 2 3", "1 2 3 4 5 6 7"])
def test_bad_numbers(image, text):
    with pytest.raises(InvalidArgumentError, match="number"):
        maps.read_forward(text, image)


@pytest.mark.parametrize("density", [0, -1, np.nan, np.inf])
def test_bad_density(image, density):
    with pytest.raises(InvalidArgumentError, match="must be positive"):
        maps.warped(image, np.eye(3), density=density, fit=False, sampling=SAMPLING)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (np.eye(3), lambda pixels: pixels),
        ([[-1, 0, 13], [0, 1, 0], [0, 0, 1]], lambda pixels: pixels[:, ::-1]),
        ([[-1, 0, 13], [0, -1, 10], [0, 0, 1]], lambda pixels: pixels[::-1, ::-1]),
    ],
)
def test_whole_pixels_are_copied(matrix, expected):
    pixels = np.random.default_rng(2).integers(0, 256, (11, 14), dtype=np.uint8)
    image = LayerImage.of(Image(pixels, **random_transform(2, 2)))
    operation = maps.warped(image, matrix, density=1, fit=False, sampling=SAMPLING)
    plan = operation.level_plan(operation.out_shape).plan
    np.testing.assert_array_equal(plan.compute(pixels), expected(pixels))


@pytest.mark.parametrize("fit", [True, False])
def test_a_horizon_in_the_layer_is_told(image, fit):
    forward = [[1, 0, 0], [0, 1, 0], [-1 / 30, 0, 1]]
    assert maps.crosses_horizon(forward, image.shape)
    if fit:
        with pytest.raises(InvalidArgumentError, match=r"to infinity.*the layer's outline at Show"):
            maps.warped(image, forward, density=1, fit=True, sampling=SAMPLING)
    else:
        operation = maps.warped(image, forward, density=1, fit=False, sampling=SAMPLING)
        assert operation.out_shape == image.shape


@pytest.mark.parametrize(
    "make",
    [
        lambda image, **options: maps.warped(image, np.diag([1e6, 1e6, 1]), fit=True, **options),
        lambda image, **options: maps.straightened(
            image, [(0, 0), (1e8, 0), (1e8, 1e8), (0, 1e8)], **options
        ),
        lambda image, sampling, **_: maps.baked(image, pixel=1e-9, sampling=sampling),
    ],
)
def test_results_beyond_all_bounds_are_refused(image, make):
    with pytest.raises(InvalidArgumentError, match=r"would have .* coarser or smaller"):
        make(image, density=1, sampling=SAMPLING)


def test_crossing_corners_are_told_by_all_that_take_corners(image):
    crossing = [(80.0, 20), (70, 0), (70, 40), (0, 40)]
    words = "corners cross: top left lies beyond the right side"
    with pytest.raises(InvalidArgumentError, match=words):
        maps.read_forward(" ".join(f"{x},{y}" for x, y in crossing), image)
    with pytest.raises(InvalidArgumentError, match=words):
        maps.straightened(
            image, crossing, density=1, sampling=SAMPLING, reference=outline(image.shape)
        )


SQUARE = np.array([(0.0, 0), (10, 0), (10, 10), (0, 10)])


@pytest.mark.parametrize(
    ("source", "target", "model", "words"),
    [
        (SQUARE, SQUARE[:3], "affine", "there are 4 moving and 3 fixed points"),
        (SQUARE[:2], SQUARE[:2], "affine", r"\(affine\) takes 3 pairs"),
        (np.zeros((0, 2)), [], "translation", r"\(translation\) takes 1 pairs"),
        (SQUARE * (1, 0), SQUARE, "affine", "fix no affine: too many"),
        (SQUARE * (1, 0), SQUARE, "homography", "fix no homography: too many"),
        (SQUARE * 0, SQUARE, "similarity", "fix no similarity: too many"),
        (SQUARE, SQUARE[[0, 1, 3, 2]], "homography", "in the same order on both layers"),
    ],
)
def test_pairs_that_fix_no_map_are_told(source, target, model, words):
    with pytest.raises(InvalidArgumentError, match=words):
        maps.forward_of_pairs(source, target, model)
