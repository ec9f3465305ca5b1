"""Interpolated maps: as exact as is asked for, in every block the same, within their bounds."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pytest

import lerf_core
from lerf_core.execution.digest import digest_of
from lerf_core.geometry.interpolated import InterpolatedMap

SHAPE = (300, 400)


@dataclass(frozen=True, eq=False)
class CurvedMap(InterpolatedMap):
    """A map that bends the more the larger `bend` is, and has no positions beyond a radius."""

    bend: float = 1.0
    radius: float = np.inf

    @property
    def output_shape(self):
        return SHAPE

    def exact(self, rows, cols):
        y, x = (rows - 150) / 100, (cols - 200) / 100
        row = 100 * (1.3 * y + 0.2 * x + self.bend * 0.1 * np.sin(2 * x) * y)
        col = 100 * (0.8 * x + self.bend * 0.2 * np.cos(3 * y))
        positions = np.stack([row, col])
        positions[:, np.hypot(x, y) > self.radius] = np.nan
        return positions


def exact(mapping):
    return mapping.exact(*np.indices(SHAPE).astype(float))


@pytest.mark.parametrize("bend", [0, 0.1, 1, 10, 100])
@pytest.mark.parametrize("max_error", [0, 0.001, 0.05, 1])
def test_positions_are_within_the_error(bend, max_error):
    mapping = CurvedMap(bend, max_error=max_error)
    located = mapping.locate(0, SHAPE[0], SHAPE)
    off = np.hypot(*(located.positions - exact(mapping)))
    assert off.max() <= max(max_error, 1e-9)


@pytest.mark.parametrize("bend", [0.1, 10])
def test_footprints_are_lengths_of_the_derivative(bend):
    mapping = CurvedMap(bend, max_error=0.001)
    footprints = mapping.locate(0, SHAPE[0], SHAPE).footprints
    rows, cols = np.indices(SHAPE).astype(float)
    step = 1e-3
    down = mapping.exact(rows + step, cols) - mapping.exact(rows - step, cols)
    across = mapping.exact(rows, cols + step) - mapping.exact(rows, cols - step)
    np.testing.assert_allclose(
        footprints, np.hypot(down, across) / (2 * step), rtol=0.02, atol=0.02
    )


@pytest.mark.parametrize("radius", [np.inf, 1.2])
@pytest.mark.parametrize("block", [(0, 0, 300, 400), (37, 100, 50, 31), (64, 128, 64, 64),
                                   (299, 399, 1, 1), (130, 1, 16, 300)])  # fmt: skip
def test_a_block_is_a_part_of_the_whole(block, radius):
    top, left, rows, cols = block
    mapping = CurvedMap(5, radius)
    whole = mapping.locate(0, SHAPE[0], SHAPE)
    part = mapping.of_block(top, left, (rows, cols), SHAPE)
    extents = part.extents((rows, cols))
    cut = (slice(None), slice(top, top + rows), slice(left, left + cols))
    bands = [part.locate(first, min(first + 7, rows), (rows, cols)) for first in range(0, rows, 7)]
    for name in ("positions", "footprints"):
        joined = np.concatenate([getattr(band, name) for band in bands], axis=1)
        np.testing.assert_array_equal(joined, getattr(whole, name)[cut])
    positions, footprints = whole.positions[cut], whole.footprints[cut]
    known = np.isfinite(positions).all(axis=0) & np.isfinite(footprints).all(axis=0)
    if known.any():
        assert (extents[:, 0] <= positions[:, known].min(axis=1) + 1e-9).all()
        assert (extents[:, 1] >= positions[:, known].max(axis=1) - 1e-9).all()
        assert (extents[:, 2] >= footprints[:, known].max(axis=1) - 1e-9).all()
        # Bounds are of use.
        span = np.ptp(positions[:, known], axis=1)
        assert (extents[:, 1] - extents[:, 0] <= 1.3 * span + 2).all()


def test_nowhere_is_nowhere():
    mapping = CurvedMap(1, 0.9)
    positions = mapping.locate(0, SHAPE[0], SHAPE).positions
    np.testing.assert_array_equal(np.isnan(positions), np.isnan(exact(mapping)))
    block = mapping.of_block(0, 0, (20, 20), SHAPE)
    assert (block.extents((20, 20))[:, :2] < -1e9).all()
    image = np.full((100, 100), 200, np.uint8)
    assert not lerf_core.warp(image, mapping, cval=0)[:20, :20].any()


def test_it_travels_and_is_known_again():
    mapping = CurvedMap(3)
    digest = digest_of(mapping)
    located = mapping.locate(0, 300, SHAPE)
    twin = pickle.loads(pickle.dumps(mapping))
    np.testing.assert_array_equal(twin.locate(0, 300, SHAPE).positions, located.positions)
    assert digest_of(mapping) == digest_of(twin) == digest
    assert digest_of(CurvedMap(4)) != digest
    assert digest_of(CurvedMap(3, max_error=0.1)) != digest


def test_a_warp_takes_it():
    image = np.random.default_rng(0).integers(0, 256, (120, 160), np.uint8)
    mapping = CurvedMap(1)
    np.testing.assert_allclose(
        lerf_core.warp(image, mapping, kernel="linear").astype(int),
        lerf_core.warp(image, exact(mapping), kernel="linear").astype(int),
        atol=8,
    )
    with pytest.raises(lerf_core.errors.InvalidArgumentError, match="output of"):
        lerf_core.warp(image, mapping, output_shape=(5, 5))
