"""Taps: neighbours and offsets of output pixels, and the weights of fixed kernels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import SCALES

from lerf_core.constants import MAX_POINT_TAPS
from lerf_core.sampling.kernel_taps import kernel_taps
from lerf_core.sampling.kernels import COLOUR_KERNEL, KERNELS
from lerf_core.sampling.taps import (
    axis_positions,
    axis_taps,
    effective_filter_scale,
    nearest_index,
    point_taps,
)

SIZES = st.integers(1, 40)


@given(size=SIZES, scale=SCALES, smooth=st.booleans())
def test_taps_surround_their_position(size, scale, smooth):
    out_size = max(1, round(size * scale))
    taps = axis_taps(size, out_size, scale, anti_aliasing=smooth)
    filter_scale = min(max(1.0, 1 / scale), size + 1.0) if smooth else 1.0
    assert taps.size == out_size
    if size == out_size and scale == 1:
        assert taps.count == 1
        assert (taps.offset == 0).all()
        return
    position = axis_positions(size, out_size, scale)
    expected = (position[:, None] - taps.index) / filter_scale
    np.testing.assert_allclose(taps.offset, expected, atol=1e-5)
    assert taps.count >= 2
    # The next neighbour on either side would be out of reach.
    assert (position - (taps.index[:, 0] - 1) > filter_scale - 1e-6).all()
    assert (taps.index[:, -1] + 1 - position > filter_scale - 1e-6).all()


@given(size=SIZES, scale=SCALES, data=st.data())
def test_a_range_of_output_pixels_has_the_taps_of_the_whole(size, scale, data):
    out_size = max(1, round(size * scale))
    first = data.draw(st.integers(0, out_size - 1))
    last = data.draw(st.integers(first + 1, out_size))
    whole, ranged = (
        axis_taps(size, out_size, scale, anti_aliasing=True, out_range=out_range)
        for out_range in (None, (first, last))
    )
    np.testing.assert_array_equal(ranged.index, whole.index[first:last])
    np.testing.assert_array_equal(ranged.offset, whole.offset[first:last])
    kernel = data.draw(st.sampled_from([COLOUR_KERNEL, *KERNELS.values()]))
    whole, ranged = (
        weight_matrix(
            kernel_taps(kernel, size, out_size, scale, anti_aliasing=True, out_range=ends)
        )
        for ends in (None, (first, last))
    )
    np.testing.assert_array_equal(ranged, whole[first:last])


def weight_matrix(taps):
    """What each output pixel takes of each source pixel, from far before to far behind the source.

    Taps that weigh nothing at the ends may be left out.
    """
    matrix = np.zeros((len(taps.first), 700), np.float32)
    rows = np.arange(len(taps.first))[:, None]
    matrix[rows, taps.neighbours + 330] = taps.weight
    return matrix


def test_point_taps_are_axis_taps_of_the_same_positions():
    position = axis_positions(12, 30, 2.5)
    points, grid = point_taps(position, None), axis_taps(12, 30, 2.5, anti_aliasing=True)
    assert (points.count == 2).all()
    for tap in range(2):
        np.testing.assert_array_equal(points.index(tap), grid.index[:, tap])
        np.testing.assert_allclose(points.offset(tap), grid.offset[:, tap], atol=1e-6)


def test_large_footprints_are_sampled_evenly():
    points = point_taps(np.array([500.0]), np.array([400.0]))
    assert points.count[0] <= MAX_POINT_TAPS
    assert points.step[0] == 7  # 801 pixels within reach
    assert points.index(int(points.count[0]) - 1)[0] <= 900


def test_a_footprint_that_rounding_made_larger_than_1_is_1():
    scales = effective_filter_scale(np.array([0.3, 1.0, 1 + 1e-9, 1.5]))
    np.testing.assert_array_equal(scales, [1, 1, 1, 1.5])


def test_halves_go_to_the_lower_pixel():
    positions = np.array([-0.5, 0.49, 0.5, 0.51, 2.0])
    np.testing.assert_array_equal(nearest_index(positions), [-1, 0, 0, 1, 2])


@pytest.mark.parametrize("kernel", [COLOUR_KERNEL, *KERNELS.values()], ids=str)
@given(size=SIZES, scale=SCALES, smooth=st.booleans())
def test_weights_sum_up_to_1_and_pads_hold_all_neighbours(kernel, size, scale, smooth):
    taps = kernel_taps(kernel, size, max(1, round(size * scale)), scale, anti_aliasing=smooth)
    np.testing.assert_allclose(taps.weight.sum(1), 1, atol=1e-5)
    assert taps.first.min() >= -taps.pad
    assert taps.first.max() + taps.count <= size + taps.pad


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=str)
def test_an_axis_that_keeps_its_length_has_one_tap(kernel):
    taps = kernel_taps(kernel, 9, 9, 1.0, anti_aliasing=True, out_range=(3, 7))
    assert taps.first.tolist() == [3, 4, 5, 6]
    assert taps.weight.tolist() == [[1]] * 4


def test_taps_at_the_ends_of_a_kernel_that_weigh_nothing_are_left_out():
    assert kernel_taps(KERNELS["linear"], 30, 10, 1 / 3, anti_aliasing=True).count == 5
    assert kernel_taps(KERNELS["area"], 30, 10, 1 / 3, anti_aliasing=True).count == 3
    assert kernel_taps(KERNELS["cubic"], 30, 15, 0.5, anti_aliasing=True).count == 8
