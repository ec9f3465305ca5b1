"""Compiled positions equal the specification's, bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerf_core import Displacement
from lerf_core.backends.numba.coordinates import source_coordinates as fast_place
from lerf_core.backends.reference.coordinates import source_coordinates
from lerf_core.geometry import Homography, as_inverse_map, homography_from_points, rotation
from lerf_core.validation import BORDER_MODES

MODES = st.sampled_from(BORDER_MODES)
SIDES = st.integers(1, 40)


def assert_places_agree(mapping, shape, out_shape, mode, smooth=True):
    middle = out_shape[0] // 2
    for top, bottom in ((0, max(middle, 1)), (middle, out_shape[0])):
        slow = source_coordinates(mapping, top, bottom, shape, out_shape, mode, smooth=smooth)
        fast = fast_place(mapping, top, bottom, shape, out_shape, mode, smooth=smooth)
        for name in ("row", "col", "uncovered", "partially_covered", "coverage", "visible_columns"):
            np.testing.assert_array_equal(getattr(fast, name), getattr(slow, name), name)
        assert (fast.filter_scales is None) == (slow.filter_scales is None)
        if slow.filter_scales is not None:
            np.testing.assert_array_equal(fast.filter_scales, slow.filter_scales)


@given(
    shape=st.tuples(SIDES, SIDES), mode=MODES, smooth=st.booleans(), seed=st.integers(0, 9999),
    size=st.sampled_from([0.1, 0.5, 1.0, 3.0]), bend=st.sampled_from([0.0, 1e-4, 1e-2, 0.1]),
)  # fmt: skip
def test_homographies(shape, mode, smooth, seed, size, bend):
    rng = np.random.default_rng(seed)
    matrix = np.eye(3) * [size, size, 1]
    matrix[:2, :2] += rng.normal(0, size / 3, (2, 2))
    matrix[:2, 2] = rng.normal(0, 10, 2)
    matrix[2, :2] = rng.normal(0, bend, 2)
    mapping = Homography.facing(matrix, shape)
    assert_places_agree(mapping, shape, (21, 330), mode, smooth)


@pytest.mark.parametrize("mode", BORDER_MODES)
@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 180, 270.0])
def test_turns(mode, degrees):
    mapping = Homography.facing(rotation(degrees, (60, 300)), (60, 300))
    assert_places_agree(mapping, (60, 300), (60, 300), mode)


@pytest.mark.parametrize("mode", BORDER_MODES)
def test_a_view_from_near_to_the_horizon(mode):
    # Rows above the horizon, rows that shrink and rows that enlarge.
    corners = [(0, 0), (511, 0), (511, 511), (0, 511)]
    mapping = Homography.facing(
        homography_from_points([(900, 300), (1100, 300), (2500, 1500), (-500, 1500)], corners),
        (512, 512),
    )
    for top in (180, 290, 900, 1400):
        bands = [
            one(mapping, top, top + 4, (512, 512), (2000, 2000), mode, smooth=True)
            for one in (source_coordinates, fast_place)
        ]
        for name in (
            "row",
            "col",
            "filter_scales",
            "uncovered",
            "partially_covered",
            "coverage",
            "visible_columns",
        ):
            slow, fast = (getattr(band, name) for band in bands)
            np.testing.assert_array_equal(fast, slow, name)


@given(
    shape=st.tuples(SIDES, SIDES), out_shape=st.tuples(SIDES, SIDES), mode=MODES,
    smooth=st.booleans(), seed=st.integers(0, 999), step=st.sampled_from([0.1, 1.0, 1e3]),
)  # fmt: skip
def test_fields_and_functions(shape, out_shape, mode, smooth, seed, step):
    rng = np.random.default_rng(seed)
    field = rng.normal(0, step, (2, *out_shape))
    wild = rng.random((2, *out_shape)) < 0.02
    field[wild] = rng.choice([np.nan, np.inf, -np.inf, 1e30, -1e20, -0.5], wild.sum())
    for inverse in (Displacement(field), field, Displacement(field.astype(np.float32))):
        mapping, _ = as_inverse_map(inverse, shape, out_shape)
        assert_places_agree(mapping, shape, out_shape, mode, smooth)
    mapping, _ = as_inverse_map(lambda points: points[:, ::-1] * 0.7 - 3, shape, out_shape)
    assert_places_agree(mapping, shape, out_shape, mode, smooth)
