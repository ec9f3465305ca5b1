"""Tiles come back in their order, whatever the size of a batch."""

import numpy as np
import pytest
from lerf_training.evaluation.shrinking import tiles as module
from lerf_training.evaluation.shrinking.tiles import FRAME, shrink_tiles

SIDE = 2 * FRAME + 3


@pytest.mark.parametrize("pixels", [1, 5 * (2 * SIDE) ** 2, 2**21])
def test_tiles_come_back_in_order(shrinks, monkeypatch, pixels):
    monkeypatch.setattr(module, "_PIXELS", pixels)
    calls = []

    def shrink(image, shape):
        calls.append(image.shape)
        return shrinks["coverage"](image, shape)

    source = 2 * SIDE
    drawn = (np.full((source, source), float(number)) for number in range(11))
    plain, lifted = shrink_tiles(
        shrink, drawn, SIDE, [np.asarray, lambda levels: levels + 100], quantise=True
    )
    assert plain.shape == (11, 3, 3)
    assert (plain == np.arange(11.0)[:, None, None]).all()
    np.testing.assert_array_equal(lifted, plain + 100)
    # At least four tiles a call, so that each has neighbours.
    assert len(calls) == {1: 2 * 3, 2**21: 2 * 1}.get(pixels, 2 * 3)


def test_tiles_lie_side_by_side(shrinks):
    """What reaches further than the frame meets other tiles."""
    drawn = [np.full((2 * SIDE, 2 * SIDE), float(number)) for number in range(9)]

    def mirrored(image, shape):
        return shrinks["coverage"](image, shape)[:, ::-1]

    (cores,) = shrink_tiles(mirrored, drawn, SIDE, [np.asarray], quantise=True)
    assert cores[:, 0, 0].tolist() == [2, 1, 0, 5, 4, 3, 8, 7, 6]
