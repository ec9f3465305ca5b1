"""Border modes: NumPy's `pad` says what stands beyond the border."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import BORDER_MODES

from lerf_core.sampling.borders import fold_coordinates, fold_indices, fold_period, is_periodic

PERIODIC = [mode for mode in BORDER_MODES if is_periodic(mode)]


@pytest.mark.parametrize("mode", BORDER_MODES)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_indices_are_those_of_numpy(mode, size):
    margin = 4 * size + 3
    index = np.arange(-margin, size + margin)
    expected = np.pad(np.arange(size), margin, mode="edge" if mode == "constant" else mode)
    folded = fold_indices(index, size, mode)
    assert folded.dtype == np.int64
    np.testing.assert_array_equal(folded, expected)


@pytest.mark.parametrize("mode", PERIODIC)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_coordinates_on_pixels_are_folded_as_indices_are(mode, size):
    index = np.arange(-20, 20)
    folded = fold_coordinates(index.astype(float), size, mode, 1.0)
    np.testing.assert_array_equal(folded, fold_indices(index, size, mode))


@pytest.mark.parametrize("mode", PERIODIC)
@given(position=st.floats(-1e4, 1e4), size=st.integers(1, 30), turns=st.integers(-5, 5))
def test_coordinates_repeat_with_the_period(mode, position, size, turns):
    _, period = fold_period(size, mode)
    positions = np.array([position, position + turns * period])
    folded, repeated = fold_coordinates(positions, size, mode, 1.0)
    distance = abs(folded - repeated)
    # Where wrapped positions meet, both ends of the period are as near.
    assert min(distance, abs(distance - period)) < 1e-8
    assert -0.5 <= folded <= size - 0.5


@pytest.mark.parametrize("mode", BORDER_MODES)
@given(share=st.floats(0, 1), size=st.integers(1, 30))
def test_positions_in_the_image_keep_every_bit(mode, share, size):
    position = np.array([share * (size - 1)])
    if size == 1 and mode == "reflect":
        position[:] = 0.0
    assert fold_coordinates(position, size, mode, 1.0)[0] == position[0]


@pytest.mark.parametrize("mode", ["edge", "constant"])
def test_clipped_positions_stay_out_of_reach_of_the_image(mode):
    positions = np.array([-9.0, -2.5, 0.0, 5.0, 30.0])
    expected = [-2.0, -2.0, 0.0, 5.0, 7.0]
    np.testing.assert_array_equal(fold_coordinates(positions, 6, mode, 2.0), expected)
