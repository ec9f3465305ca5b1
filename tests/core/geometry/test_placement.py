"""Where the pixels of a result lie in the source."""

from __future__ import annotations

import numpy as np
import pytest

from lerf_core.bank.loading import load_bank
from lerf_core.execution.planning import plan_rescale, plan_resize, plan_warp
from lerf_core.geometry.homography import rotation
from lerf_core.geometry.maps import Displacement
from lerf_core.geometry.placement import Placement

SHAPE = (40, 60)


def warp_placement(inverse, output_shape=None):
    return plan_warp(SHAPE, np.dtype(np.uint8), inverse, output_shape, load_bank(None)).placement


def test_a_resize_keeps_centres_on_each_other():
    placement = plan_rescale(SHAPE, np.dtype(np.uint8), 0.3, None).placement
    rows, cols = placement.after
    centre = placement.matrix @ [(rows - 1) / 2, (cols - 1) / 2, 1]
    np.testing.assert_allclose(centre, [19.5, 29.5])
    np.testing.assert_allclose(placement.steps, [1 / 0.3, 1 / 0.3])
    assert placement.source_axes == (0, 1)
    assert placement.is_similarity


def test_an_affine_matrix():
    # From output (x, y) to source (x, y).
    placement = warp_placement([[0.5, 0.1, 3], [0.2, 2, 7], [0, 0, 1]])
    np.testing.assert_allclose(placement.matrix, [[2, 0.2, 7], [0.1, 0.5, 3]])
    assert placement.source_axes is None
    assert not placement.is_similarity


def test_turns():
    quarter = warp_placement(rotation(90, SHAPE))
    assert quarter.source_axes == (1, 0)
    slanted = warp_placement(rotation(30, SHAPE))
    assert slanted.source_axes is None
    assert slanted.is_similarity


@pytest.mark.parametrize(
    "inverse",
    [
        [[1, 0, 0], [0, 1, 0], [1e-4, 0, 1]],
        Displacement(np.random.default_rng(1).normal(size=(2, *SHAPE))),
        lambda points: points,
    ],
    ids=["perspective", "field", "function"],
)
def test_maps_that_are_not_known_to_be_affine(inverse):
    placement = warp_placement(inverse, SHAPE)
    assert placement.matrix is None
    assert placement.steps is None
    assert placement.source_axes is None
    assert not placement.is_similarity


def test_fields_that_are_affine():
    shift = np.zeros((2, *SHAPE), np.float32)
    shift[0], shift[1] = 2.5, -1.25
    np.testing.assert_allclose(
        warp_placement(Displacement(shift)).matrix, [[1, 0, 2.5], [0, 1, -1.25]]
    )
    down, across = np.mgrid[:30, :20].astype(np.float32)
    field = np.stack([0.5 * down + 0.1 * across + 3, 2 * across - 1])
    np.testing.assert_allclose(warp_placement(field).matrix, [[0.5, 0.1, 3], [0, 2, -1]], atol=1e-5)
    field[0, 3, 4] = np.nan
    assert warp_placement(field).matrix is None


def test_identity():
    assert Placement.of_resize((1, 1), SHAPE, SHAPE).is_identity
    assert warp_placement(np.eye(3)).is_identity
    assert not warp_placement(np.eye(3), (40, 61)).is_identity


def test_a_crop_lies_where_it_lay_in_the_whole():
    crop = (4, 30, -6, 50)
    whole = plan_resize(SHAPE, np.dtype(np.uint8), (80, 90), None).placement
    part = plan_resize(SHAPE, np.dtype(np.uint8), (80, 90), None, crop=crop).placement
    assert part.after == (26, 56)
    np.testing.assert_allclose(part.matrix @ [0, 0, 1], whole.matrix @ [4, -6, 1])
    np.testing.assert_allclose(part.steps, whole.steps)
    assert whole.is_part
    assert part.is_part
    assert not part.is_scaling
    assert not warp_placement([[-1, 0, 59], [0, 1, 0], [0, 0, 1]]).is_part
