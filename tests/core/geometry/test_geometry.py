import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerf_core import Displacement, warp
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry import (
    Homography,
    as_homography,
    as_inverse_map,
    corners,
    fit_output,
    homography_from_points,
    invert,
    rotation,
    shear,
    transform_points,
)

COORDINATE = st.floats(-100, 100)


def test_direction_inverse_maps_output_to_source_in_x_y_order():
    image = np.zeros((9, 14), np.uint8)
    image[3, 10] = 255  # row 3, x = 10
    moved = warp(image, [[1, 0, 4], [0, 1, -2], [0, 0, 1]], method="nearest")
    # Output (x, y) shows source (x + 4, y - 2): the point appears at x = 6, y = 5.
    assert np.argwhere(moved).tolist() == [[5, 6]]


def test_forward_and_inverse_are_each_other():
    forward = np.array([[1.1, 0.2, 5], [-0.1, 0.9, 3], [1e-3, 2e-3, 1]])
    points = np.array([[0, 0], [3, 9], [-4, 2.5]])
    np.testing.assert_allclose(
        transform_points(invert(forward), transform_points(forward, points)), points, atol=1e-12
    )


@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=8, max_size=8))
def test_homography_from_points_recovers_a_homography(jitter):
    forward = np.array([[1.2, 0.1, 5], [-0.2, 0.8, 1], [1e-4, -2e-4, 1]])
    grid = np.array([(x, y) for x in (0, 150, 320, 500) for y in (0, 400)], dtype=float)
    source = grid + np.array(jitter) * 0.3
    matrix = homography_from_points(source, transform_points(forward, source))
    np.testing.assert_allclose(
        transform_points(matrix, source), transform_points(forward, source), atol=1e-6
    )


def test_homography_of_four_corners_hits_them():
    target = np.array([[10, 5], [200, -8], [180, 140], [3, 120]], float)
    source = corners((100, 150))
    assert source.tolist() == [[0, 0], [149, 0], [149, 99], [0, 99]]
    matrix = homography_from_points(source, target)
    np.testing.assert_allclose(transform_points(matrix, source), target, atol=1e-9)


@pytest.mark.parametrize(
    "points",
    [
        [(0, 0), (1, 1), (2, 2), (3, 3)],
        [(0, 0), (0, 0), (0, 0), (0, 0)],
        [(0, 0), (1, 0), (1, 1)],
        [(0, 0), (1, 0), (1, 1), (0, np.nan)],
    ],
)
def test_points_that_fix_no_homography(points):
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    with pytest.raises(InvalidArgumentError, match=r"points|singular"):
        homography_from_points(square[: len(points)], points)


@pytest.mark.parametrize(
    "matrix",
    [np.eye(2), np.eye(4), np.zeros((3, 3)), np.full((3, 3), np.nan), [[1, 2, 3]] * 3, "abc"],
)
def test_unusable_matrices(matrix):
    with pytest.raises(InvalidArgumentError, match="matrix"):
        as_homography(matrix)


def test_small_perspective_terms_are_not_singular():
    as_homography([[1e-3, 0, 5000], [0, 1e-3, 5000], [1e-9, 0, 1e-3]])


def test_rotation_is_counter_clockwise_on_the_screen():
    image = np.zeros((5, 5), np.uint8)
    image[2, 4] = 9  # right of the centre
    turned = warp(image, invert(rotation(90, image.shape)), method="nearest")
    assert np.argwhere(turned).tolist() == [[0, 2]]  # above it
    np.testing.assert_array_equal(turned, np.rot90(image))


@pytest.mark.parametrize(("degrees", "shape"), [(90, (7, 4)), (180, (4, 7)), (-90, (4, 7))])
def test_fit_of_quarter_turns_is_exact(degrees, shape):
    image = np.arange(28, dtype=np.uint8).reshape(shape)
    forward, size = fit_output(rotation(degrees, shape), shape)
    turned = warp(image, invert(forward), output_shape=size, method="nearest")
    np.testing.assert_array_equal(turned, np.rot90(image, degrees // 90))


def test_fit_holds_the_whole_image():
    forward, (rows, cols) = fit_output(rotation(30, (100, 200)), (100, 200))
    edges = np.array([[-0.5, -0.5], [199.5, -0.5], [199.5, 99.5], [-0.5, 99.5]])
    mapped = transform_points(forward, edges)
    np.testing.assert_allclose(mapped.min(axis=0), -0.5, atol=1e-9)
    assert (mapped.max(axis=0) <= [cols - 0.5, rows - 0.5]).all()
    assert (mapped.max(axis=0) > [cols - 1.5, rows - 1.5]).all()


def test_fit_refuses_a_horizon_in_the_image():
    with pytest.raises(InvalidArgumentError, match="horizon"):
        fit_output([[1, 0, 0], [0, 1, 0], [-0.02, 0, 1]], (50, 100))


def test_shear_slants_rows():
    forward = shear(45, 0, (3, 5))
    np.testing.assert_allclose(transform_points(forward, [[2, 1], [2, 2]]), [[2, 1], [3, 2]])
    with pytest.raises(InvalidArgumentError, match=r"89\.9"):
        shear(90, 0, (3, 5))


def test_points_beyond_the_horizon_are_nowhere():
    # depth = 1 - x/10: source x runs to infinity at output x = 10 and is mirrored beyond.
    mapping = Homography.from_inverse([[1, 0, 0], [0, 1, 0], [-0.1, 0, 1]], (20, 20))
    positions = mapping.locate(0, 2, (20, 20))[0]
    assert np.isfinite(positions[:, :, :10]).all()
    assert np.isnan(positions[:, :, 10:]).all()
    image = np.full((20, 20), 100, np.uint8)
    for mode in ("constant", "edge", "wrap", "reflect", "symmetric"):
        out = warp(image, [[1, 0, 0], [0, 1, 0], [-0.1, 0, 1]], mode=mode, cval=7)
        assert (out[:, 10:] == 7).all()
        assert (out[1:10, :5] == 100).all()


@given(st.sampled_from([1.0, -1.0, 17.0, -0.3]))
def test_a_homography_is_the_same_at_any_scale_and_sign(factor):
    image = np.random.default_rng(0).integers(0, 256, (15, 12), dtype=np.uint8)
    matrix = np.array([[1.1, 0.1, -2], [0.05, 0.9, 1], [0.03, 0.02, 1]])
    # By a power of two all roundings stay; by others a level may move.
    difference = warp(image, matrix).astype(int) - warp(image, matrix * factor)
    assert np.abs(difference).max() <= 1


def test_stretches_are_the_maps_derivative():
    matrix = np.array([[2, 0.5, 0], [0.1, 3, 0], [0.01, 0.002, 1]])
    mapping = Homography.from_inverse(matrix, (50, 50))
    field = mapping.locate(0, 30, (30, 40))[0]
    numeric, (rows, cols) = as_inverse_map(field, (50, 50), None)
    assert (rows, cols) == (30, 40)
    exact = mapping.locate(3, 9, (30, 40))[1][:, :, 1:-1]
    np.testing.assert_allclose(numeric.locate(3, 9, (30, 40))[1][:, :, 1:-1], exact, rtol=2e-3)


def test_maps_of_every_form_agree():
    image = np.random.default_rng(1).integers(0, 256, (20, 30), dtype=np.uint8)
    matrix = np.array([[0.8, 0.1, 2.0], [-0.1, 0.9, 3.0]])
    rows, cols = np.mgrid[0:20, 0:30].astype(float)
    absolute = np.stack(
        [
            matrix[1, 0] * cols + matrix[1, 1] * rows + matrix[1, 2],
            matrix[0, 0] * cols + matrix[0, 1] * rows + matrix[0, 2],
        ]
    )
    displacement = Displacement(absolute - np.stack([rows, cols]))
    by_matrix = warp(image, matrix)
    for other in (
        np.vstack([matrix, [0, 0, 1]]),
        absolute,
        absolute.astype(np.float32).astype(np.float64),
        displacement,
        lambda points: points @ matrix[:, :2].T + matrix[:, 2],
    ):
        assert np.abs(warp(image, other).astype(int) - by_matrix).max() <= 1


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ("abc", InvalidTypeError),
        (None, InvalidTypeError),
        (np.zeros((3, 4, 4)), InvalidArgumentError),
        (np.zeros((2, 0, 4)), InvalidArgumentError),
        (Displacement(np.zeros((4, 4, 2))), InvalidArgumentError),
        (np.zeros((2, 4, 4), complex), InvalidTypeError),
        (lambda points: points[:1], InvalidArgumentError),
    ],
)
def test_unusable_maps(bad, error):
    with pytest.raises(error, match=r"inverse_map|coordinates|field"):
        warp(np.zeros((4, 4), np.uint8), bad)


def test_field_and_output_shape_must_agree():
    with pytest.raises(InvalidArgumentError, match="do not fit output_shape"):
        warp(np.zeros((4, 4), np.uint8), np.zeros((2, 5, 5)), output_shape=(6, 6))


def test_good_matrices_of_uneven_size_are_not_singular():
    for matrix in (
        [[0.5, 0, 5e6], [0, -0.5, 5e6], [0, 0, 1]],
        [[1000, 0, 2e4], [0, 1000, 2e4], [0, 0, 1]],
        np.eye(3) * 1e-200,
        np.eye(3) * 1e300,
    ):
        points = np.array([[0.0, 0.0], [10, 20]])
        back = transform_points(invert(matrix), transform_points(matrix, points))
        np.testing.assert_allclose(back, points, atol=1e-6)
    for matrix in ([[1, 2, 3], [2, 4, 6], [0, 0, 1]], np.ones((3, 3))):
        with pytest.raises(InvalidArgumentError, match="singular"):
            as_homography(matrix)


def test_a_centre_on_the_horizon_has_one_sign():
    matrix = np.linalg.inv([[1, 0, 0], [0, 1, 0], [1 / 11.0, 0, -1]])
    first = Homography.from_inverse(matrix, (17, 23)).matrix
    np.testing.assert_allclose(first, Homography.from_inverse(-matrix, (17, 23)).matrix)


def test_geometry_refuses_what_is_not_finite():
    with pytest.raises(InvalidArgumentError, match="finite"):
        rotation(np.inf, (4, 4))
    with pytest.raises(InvalidArgumentError):
        fit_output([[1e300, 0, 0], [0, 1e300, 0], [0, 0, 1]], (50, 50))
    with pytest.raises(InvalidArgumentError, match="real numbers"):
        homography_from_points("abcd", "abcd")


def test_many_point_pairs_need_little_memory():
    source = np.random.default_rng(0).random((20_000, 2)) * 500
    forward = np.array([[1.1, 0.1, 3], [0, 0.9, 1], [1e-4, 0, 1]])
    matrix = homography_from_points(source, transform_points(forward, source))
    np.testing.assert_allclose(matrix, forward / forward[2, 2], atol=1e-6)
