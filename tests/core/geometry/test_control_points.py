"""Polynomials through ground control points: those of GDAL."""

from __future__ import annotations

import numpy as np
import pytest

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry.control_points import PolynomialPlacing


def points(rows=(0, 45, 80, 150), bend=70):
    """Return points on an image of 200x150 pixels of 10 m."""
    cols, rows = (grid.ravel() for grid in np.meshgrid([0.0, 70, 130, 200], rows))
    x = 4e5 + 10 * cols + bend * (cols / 100) ** 2
    return list(zip(cols, rows, x, 5008000 - 10 * rows, strict=True))


@pytest.mark.parametrize(("count", "order"), [(16, None), (16, 2), (5, None)])
def test_polynomials_are_those_of_gdal(count, order):
    transform = pytest.importorskip("rasterio.transform")
    control = pytest.importorskip("rasterio.control")
    given = points()[:count]
    placing = PolynomialPlacing.of_points(given, order)
    assert placing.order == (2 if count == 16 else 1)
    theirs = transform.GCPTransformer(
        [control.GroundControlPoint(row, col, x, y) for col, row, x, y in given]
    )
    x, y = np.linspace(400100, 401900, 30), np.linspace(5006600, 5007900, 30)
    rows, cols = theirs.rowcol(x, y, op=np.asarray)
    np.testing.assert_allclose(placing.to_pixels(x, y), [cols, rows], atol=1e-6)
    col, row = np.linspace(0, 200, 30), np.linspace(0, 150, 30)
    np.testing.assert_allclose(
        placing.to_world(col, row), theirs.xy(row, col, offset="ul"), atol=1e-5
    )


def test_an_affine_image_is_affine_in_any_order():
    for order in (1, 2, 3):
        placing = PolynomialPlacing.of_points(points(bend=0), order)
        assert placing.residual < 1e-6
        x, y = placing.to_world(np.array([33.0]), np.array([44.0]))
        np.testing.assert_allclose([x, y], [[400330], [5007560]], atol=1e-6)


@pytest.mark.parametrize(("given", "order", "words"), [
    (points()[:2], None, "wants 3"), (points()[:9], 3, "wants 10"), (points()[:4], 1, "on a line"),
    (points(rows=(0, 50, 100)), 3, "on too few lines"),
])  # fmt: skip
def test_points_that_place_nothing(given, order, words):
    with pytest.raises(InvalidArgumentError, match=words):
        PolynomialPlacing.of_points(given, order)
