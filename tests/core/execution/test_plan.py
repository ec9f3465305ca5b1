"""A plan computes the whole result as one block, and any other block from its windows alone."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.images import MODES, wide_noise

import lerf_core
from lerf_core import Displacement
from lerf_core.execution.planning import plan_rescale, plan_resize, plan_warp
from lerf_core.sampling.windows import Block

pytestmark = pytest.mark.slow

SHAPE = (37, 41, 3)


def plans(mode, dtype="uint8", **options):
    """Return a plan of each kind: resizes, a matrix, a field, a function, labels."""
    steps = np.random.default_rng(0).normal(0, 4, (2, 30, 35))
    turn = np.array([[0.8, -0.3, 9], [0.3, 0.8, -2], [1e-3, 0, 1]])
    described = (SHAPE, np.dtype(dtype))
    keywords = {"mode": mode, "channel_axis": -1, "cval": 0.3, "threads": 1, **options}
    return [
        plan_rescale(*described, 2, "lerf-p", **keywords),
        plan_rescale(*described, (0.6, 1.7), "lerf-l", **keywords),
        plan_rescale(*described, 1.3, None, method="nearest", **keywords),
        plan_resize(*described, SHAPE[:2], None, **keywords),
        plan_warp(*described, turn, None, "lerf-p", **keywords),
        plan_warp(*described, Displacement(steps), None, "lerf-g", **keywords),
        plan_warp(*described, lambda points: points * 0.7 + 3, (30, 35), "lerf-g", **keywords),
        plan_warp(*described, turn, None, None, method="nearest", **keywords),
    ]


def computed(plan, output, image):
    """Compute a block from nothing of the image but its windows."""
    if output.windows is None:
        return plan.border((*output.requested.shape, SHAPE[2]))
    cut = output.windows.cut(np.moveaxis(image, -1, 0), plan.options.mode)
    return plan.compute_block(output, np.moveaxis(cut, 0, -1).copy())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_blocks_are_what_they_are_in_the_whole(mode, dtype):
    image = np.clip(wide_noise(SHAPE, dtype, 1), 0, 255).astype(dtype)
    for plan in plans(mode, dtype):
        whole = plan.compute(image)
        for quarter in Block(0, *whole.shape[:1], 0, *whole.shape[1:2]).quarters():
            for output in plan.pieces(quarter, 400):
                top, bottom, left, right = output.requested
                result = computed(plan, output, image)
                np.testing.assert_array_equal(result, whole[top:bottom, left:right])


@given(
    top=st.integers(0, 40), left=st.integers(0, 40), size=st.integers(1, 30),
    number=st.integers(0, 7), mode=st.sampled_from(MODES),
)  # fmt: skip
def test_a_block_may_lie_anywhere(top, left, size, number, mode):
    image = wide_noise(SHAPE, "uint8", 2)
    plan = plans(mode)[number]
    rows, cols = plan.out_shape
    top, left = min(top, rows - 1), min(left, cols - 1)
    region = Block(top, min(top + size, rows), left, min(left + size, cols))
    whole = plan.compute(image)
    output = plan.output_block(region)
    expected = whole[region.top : region.bottom, region.left : region.right]
    np.testing.assert_array_equal(computed(plan, output, image), expected)
    if output.windows is not None:
        # As in another process: the windows are known, and the taps are found again.
        again = pickle.loads(pickle.dumps(output.windows))
        output = plan.output_block(region, again)
        np.testing.assert_array_equal(computed(plan, output, image), expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [{}, {"preserve_range": False}, {"linear_light": True}])
def test_a_border_is_what_a_warp_to_nowhere_shows(mode, options):
    nowhere = np.full((2, 3, 4), np.nan)
    for dtype in ("uint8", "int32", "float16", "float64"):
        for cval in ((0.3, 1, 7), 200):
            keywords = {"mode": mode, "cval": cval, "channel_axis": -1, **options}
            plan = plan_warp(SHAPE, np.dtype(dtype), nowhere, None, None, **keywords)
            result = lerf_core.warp(np.zeros(SHAPE, dtype), nowhere, **keywords)
            border = plan.border((3, 4, 3))
            assert border.dtype == result.dtype
            np.testing.assert_array_equal(border, result)


def test_a_function_is_asked_once_for_each_pixel_of_a_block():
    asked = []

    def shift(points):
        asked.append(len(points))
        return points + 0.25

    plan = plan_warp((60, 70), np.dtype(np.uint8), shift, None, "analytic", threads=1)
    region = Block(10, 30, 20, 50)
    output = plan.output_block(region)
    assert output.windows is not None
    plan.compute_block(output, output.windows.cut(wide_noise((60, 70), "uint8", 0), "constant"))
    assert sum(asked) == (20 + 2) * (30 + 2)  # and its neighbours, for the derivative
