"""Maps to the pixels of an enlargement: where its source's lie, block by block, within extents."""

from __future__ import annotations

import numpy as np
import pytest

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry.enlarged import (
    ReflectedMap,
    enlargement_matrix,
    homography_to_enlargement,
    map_to_enlargement,
)
from lerf_core.geometry.maps import BoundedMap, Located, ReadyMap, as_inverse_map
from lerf_core.sampling.borders import fold_coordinates

SHAPE, OUT = (11, 14), (9, 13)
MATRIX = np.array([[1.7, 0.4, -8.0], [-0.3, 1.9, -6.0], [0.001, 0.0, 1.0]])


def steps() -> np.ndarray:
    return np.random.default_rng(2).normal(0, 3, (2, *OUT))


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_outlines_lie_on_each_other(factor: int) -> None:
    corners = np.array([[-0.5, -0.5, 1], [SHAPE[1] - 0.5, SHAPE[0] - 0.5, 1]])
    x, y, _ = enlargement_matrix(factor) @ corners.T
    np.testing.assert_allclose(x, [-0.5, factor * SHAPE[1] - 0.5])
    np.testing.assert_allclose(y, [-0.5, factor * SHAPE[0] - 0.5])


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_positions_and_footprints(factor: int) -> None:
    field = np.mgrid[: OUT[0], : OUT[1]] + steps()
    for given in (MATRIX, field, lambda points: points * 0.6 + 1):
        mapping, _ = as_inverse_map(given, SHAPE, OUT)
        if given is MATRIX:
            inner = homography_to_enlargement(MATRIX, SHAPE, OUT, factor)
        else:
            inner = map_to_enlargement(mapping, SHAPE, factor)
        outside, inside = mapping.locate(0, OUT[0], OUT), inner.locate(0, OUT[0], OUT)
        expected = factor * (outside.positions + 0.5) - 0.5
        np.testing.assert_allclose(inside.positions, expected, atol=1e-9)
        np.testing.assert_allclose(inside.footprints, factor * outside.footprints, atol=1e-9)
        block = inner.of_block(3, 4, (5, 6), OUT).locate(0, 5, (5, 6))
        np.testing.assert_array_equal(block.positions, inside.positions[:, 3:8, 4:10])
        np.testing.assert_array_equal(block.footprints, inside.footprints[:, 3:8, 4:10])


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("size", [1, 2, 14])
def test_reflected_as_the_source_is(factor: int, size: int) -> None:
    shape = (SHAPE[0], size)
    inner = homography_to_enlargement(MATRIX, shape, OUT, factor)
    plain, _ = as_inverse_map(MATRIX, shape, OUT)
    mirrored = ReflectedMap(inner, shape, factor)
    positions = mirrored.locate(0, OUT[0], OUT).positions
    for position, source, length in zip(
        positions, plain.locate(0, OUT[0], OUT).positions, shape, strict=True
    ):
        assert position.min() >= 0
        assert position.max() <= factor * length - 1
        if length > 1:
            folded = fold_coordinates(source, length, "reflect", 1.0)
            np.testing.assert_allclose(position, factor * (folded + 0.5) - 0.5, atol=1e-9)
    extents = mirrored.extents(OUT)
    assert extents is not None
    for position, (low, high, _) in zip(positions, extents, strict=True):
        assert low - 1e-9 <= position.min()
        assert position.max() <= high + 1e-9
        assert high - low <= factor * max(shape)
    block = mirrored.of_block(3, 4, (5, 6), OUT).locate(0, 5, (5, 6))
    np.testing.assert_array_equal(block.positions, positions[:, 3:8, 4:10])


def test_extents_of_bounded_fields() -> None:
    bound = map_to_enlargement(BoundedMap(10.0), SHAPE, 2).of_block(2, 3, (4, 5), OUT)
    extents = bound.extents((4, 5))
    field = np.mgrid[: OUT[0], : OUT[1]] + steps().clip(-10, 10)
    positions = 2 * field[:, 2:6, 3:8] + 0.5
    assert extents is not None
    for position, (low, high, _) in zip(positions, extents, strict=True):
        assert low <= position.min() <= position.max() <= high
    assert map_to_enlargement(as_inverse_map(field, SHAPE, OUT)[0], SHAPE, 2).extents(OUT) is None


def test_matrices_are_no_maps_by_positions() -> None:
    with pytest.raises(InvalidArgumentError, match="Homography is no map by positions"):
        map_to_enlargement(as_inverse_map(MATRIX, SHAPE, OUT)[0], SHAPE, 2)


def test_a_map_that_locates_itself_goes_to_an_enlargement():
    """Positions and bounds are those of the enlargement's pixels, whatever the block."""

    class Shifted(ReadyMap):
        output_shape = (20, 30)

        def locate(self, top, bottom, shape):
            rows, cols = np.mgrid[top:bottom, : shape[1]]
            positions = np.stack([rows + 0.25, cols - 1.5])
            return Located(positions, np.ones_like(positions), None)

        def extents(self, shape):
            return np.array([[0.25, shape[0] - 0.75, 1], [-1.5, shape[1] - 2.5, 1]])

        def of_block(self, top, left, shape, out_shape):
            return self

    mapping = map_to_enlargement(Shifted(), (20, 30), 3)
    positions, footprints, copied = mapping.locate(4, 7, (20, 30))
    np.testing.assert_allclose(positions[:, 0, 0], [3 * 4.75 - 0.5, 3 * -1.0 - 0.5])
    assert (footprints == 3).all()
    assert copied is None
    np.testing.assert_allclose(mapping.extents((20, 30)), [[1.75, 58.75, 3], [-3.5, 83.5, 3]])
    block = mapping.of_block(4, 0, (3, 30), (20, 30))
    assert block.affine() is None
    np.testing.assert_array_equal(block.locate(0, 1, (3, 30)).footprints, 3.0)
