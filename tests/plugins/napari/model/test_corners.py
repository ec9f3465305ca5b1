"""Quads: whether they can be used, and what is said where not."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from napari.layers import Image, Points, Shapes
from support.layers import random_transform

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry import fit_output, homography_from_points, transform_points
from lerf_plugins.napari.model import corners
from lerf_plugins.napari.model.corners import CORNERS, check_quad, names_as_seen, outline
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.positions import points_on

SHAPE = (60, 100)
OUTLINE = outline(SHAPE)
coordinates = st.integers(-40, 40).map(float) | st.floats(-40, 40, width=32)
quads = st.lists(st.tuples(coordinates, coordinates), min_size=4, max_size=4).map(np.array)


@pytest.fixture
def image():
    return LayerImage.of(Image(np.zeros((40, 70), np.uint8), **random_transform(2, 2)))


def words_of(quad, reference=OUTLINE, names=CORNERS):
    with pytest.raises(InvalidArgumentError) as caught:
        check_quad(quad, reference, names)
    return str(caught.value)


def error_of(function, *args):
    """What a function says is wrong, or None."""
    try:
        function(*args)
    except InvalidArgumentError as error:
        return str(error)
    return None


def with_corner(number, place, quad=OUTLINE):
    moved = quad.copy()
    moved[number] = place
    return moved


# -- shapes of napari ---------------------------------------------------------------------


def test_corners_of_shapes_come_by_way_of_the_world(image):
    matrix = np.array([[2.0, 0.3, 5], [0.1, 1.5, 7], [0, 0, 1]])
    quad = np.array([(1.0, 2), (3, 40), (30, 44), (28, 3)])
    lines = Shapes([np.zeros((2, 2))], shape_type="line", affine=matrix, units=("um", "um"))
    lines.add([quad], shape_type="polygon")
    found = corners.quad_of(image, lines)
    for (x, y), corner in zip(found, quad, strict=True):
        np.testing.assert_allclose(
            Image(np.zeros((40, 70)), **random_transform(2, 2)).data_to_world((y, x)),
            lines.data_to_world(corner),
        )


def test_units_count(image):
    points = Points([(1000.0, 2000.0)], units=("nm", "nm"))
    same = Points([(1.0, 2.0)], units=("um", "um"))
    np.testing.assert_allclose(
        points_on(image, points.data, points), points_on(image, same.data, same)
    )


def test_shapes_without_corners(image):
    with pytest.raises(InvalidArgumentError, match="no corners yet"):
        corners.quad_of(image, None)
    with pytest.raises(InvalidArgumentError, match="no polygon or rectangle"):
        corners.quad_of(image, Shapes([np.zeros((2, 2))], shape_type="line"))


# -- whether a quad can be used -----------------------------------------------------------


def depths(quad):
    """The least and the largest depth of the outline by the homography onto a quad."""
    matrix = homography_from_points(OUTLINE, quad)
    depth = np.column_stack([OUTLINE, np.ones(4)]) @ matrix[2]
    return depth.min() / np.abs(depth).max(), depth.max() / np.abs(depth).max()


@given(quads)
def test_what_passes_is_what_a_homography_maps_without_a_horizon(quad):
    if error_of(depths, quad):  # corners in a line, or near one
        assert not np.abs(corners._bends(quad)).min() > 1e-4
        return
    least, largest = depths(quad)
    assume(min(abs(least), abs(largest)) > 1e-4)
    assert (error_of(check_quad, quad) is None) == (least > 0 or largest < 0)


@given(quads, st.floats(-3, 3), st.floats(1e-6, 1e6), st.booleans())
def test_a_quad_that_passes_has_a_canvas_wherever_it_lies(quad, angle, size, mirrored):
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirrored:
        turn[:, 0] *= -1
    quad = quad @ turn.T + size
    error = error_of(corners.forward_to_quad, SHAPE, quad)
    assert error is None or error.startswith(("The corners ", "Three corners "))
    assume(error is None)
    forward = corners.forward_to_quad(SHAPE, quad)
    fit_output(forward, SHAPE)
    near = 1e-6 * np.ptp(quad, axis=0).max()
    np.testing.assert_allclose(transform_points(forward, OUTLINE), quad, atol=near)


@given(st.integers(0, 3), st.floats(-5, 5), st.floats(-5, 5), st.booleans())
def test_the_corner_that_was_moved_is_named(number, x, y, mirrored):
    reference = OUTLINE[::-1] if mirrored else OUTLINE
    moved = with_corner(number, OUTLINE.mean(axis=0) + (100 * x, 60 * y), reference)
    error = error_of(check_quad, moved, reference)
    name = CORNERS[number]
    assert error is None or f": {name} lies" in error or f": {name} with" in error


@given(quads)
def test_words_are_found_for_all_quads(quad):
    for reference in (None, OUTLINE):
        error = error_of(check_quad, quad, reference)
        assert error is None or len(error) < 160
        assert error is None or any(name in error for name in (*CORNERS, " side "))


# -- what is said -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "place", "expected"),
    [
        (0, (120, 30), "The corners cross: top left lies beyond the right side; move it back"),
        (0, (120, -0.5), "The corners cross: top left lies beyond the right side; move it back"),
        (0, (50, 80), "The corners cross: top left lies beyond the bottom side; move it back"),
        (0, (120, 80), "The corners cross: top left lies beyond bottom right; move it back"),
        (1, (-9, 30), "The corners cross: top right lies beyond the left side; move it back"),
        (2, (30, -9), "The corners cross: bottom right lies beyond the top side; move it back"),
        (3, (120, 20), "The corners cross: bottom left lies beyond the right side; move it back"),
        (
            2,
            (20, 20),
            (
                "The corners fold: bottom right lies within the triangle of the other three; "
                "move it outwards"
            ),
        ),
        (
            1,
            (-0.5, -0.5),
            "The corners coincide: top right lies on top left; move it away",
        ),
        (
            1,
            (99.5, 90),
            "The corners cross: top right lies beyond the bottom side; move it back",
        ),
        (
            0,
            (49.5, 29.5),
            "Three corners lie in a line: top left with bottom left and top right; move it aside",
        ),
    ],
)  # fmt: skip
def test_which_corner_lies_where(number, place, expected):
    assert words_of(with_corner(number, place)) == expected


def test_the_last_good_quad_tells_which_corner_was_moved():
    # Either of two corners may have crossed the other's side: it is the one that was moved.
    bent = with_corner(0, (60, 20))
    bent = with_corner(1, (64, 18), bent)
    check_quad(bent)
    crossed = with_corner(1, (52, 18), bent)
    assert "cross: top right lies beyond the left side" in words_of(crossed, bent)
    crossed = with_corner(0, (70, 18), bent)
    assert "cross: top left lies beyond the right side" in words_of(crossed, bent)


def test_without_a_quad_before_the_sides_are_named():
    swapped = OUTLINE[[0, 1, 3, 2]]
    assert words_of(swapped, None).startswith(
        "The corners cross: the right side cuts the left side; the order of corners is top left, "
    )
    assert "the top side cuts the bottom side" in words_of(OUTLINE[[0, 2, 1, 3]], None)
    inside = with_corner(2, (20, 20))
    assert "bottom right lies within the triangle" in words_of(inside, None)


@pytest.mark.parametrize(
    "quad", [np.zeros((4, 2)), OUTLINE * (1, 0), OUTLINE[[0, 0, 2, 3]], OUTLINE * 1e-9]
)
def test_quads_without_an_area(quad):
    assert "coincide" in words_of(quad) or "in a line" in words_of(quad)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_corners_that_lie_nowhere(bad):
    assert "must be finite" in words_of(with_corner(1, (bad, 3)))


def test_mirrored_and_turned_quads_pass():
    for turn, mirrored in itertools.product(range(4), (False, True)):
        quad = np.roll(OUTLINE, turn, axis=0)
        check_quad(quad[::-1] if mirrored else quad, OUTLINE)


def test_corners_are_named_as_they_are_seen():
    assert names_as_seen(OUTLINE) == CORNERS
    assert names_as_seen(OUTLINE * (-1, 1)) == (CORNERS[1], CORNERS[0], CORNERS[3], CORNERS[2])
    assert names_as_seen(-OUTLINE) == (*CORNERS[2:], *CORNERS[:2])
    assert names_as_seen(OUTLINE[:, ::-1]) == (CORNERS[0], CORNERS[3], CORNERS[2], CORNERS[1])
    angle = np.deg2rad(30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert names_as_seen(OUTLINE * (1, 0.05) @ turn.T) == CORNERS
    names = names_as_seen(-OUTLINE)
    expected = "bottom right lies beyond the left side"
    assert expected in words_of(with_corner(0, (120, 30)), OUTLINE, names)


def test_almost_degenerate_quads_pass_or_are_told():
    for distance in 10.0 ** np.arange(-12, 2):
        quad = with_corner(0, (49.5 - distance, 29.5 - distance))
        error = error_of(corners.forward_to_quad, SHAPE, quad)
        assert error is None or "Three corners lie in a line" in error
        assert (error is None) == (distance > 3e-5)
        if error is None:
            assert fit_output(corners.forward_to_quad(SHAPE, quad), SHAPE)[1] == SHAPE
