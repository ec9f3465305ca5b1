"""Polynomials and splines by ground control points: those of GDAL. Files of QGIS."""

from __future__ import annotations

import numpy as np
import pytest

from lerf_core.errors import FileError, InvalidArgumentError
from lerf_core.geometry.control_point_files import read_control_points
from lerf_core.geometry.control_points import PolynomialPlacing, ThinPlatePlacing


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


def test_thin_plate_splines_are_those_of_gdal():
    transform = pytest.importorskip("rasterio.transform")
    control = pytest.importorskip("rasterio.control")
    noise = np.random.default_rng(0).normal(0, 20, (16, 2))
    given = [(col, row, x + dx, y + dy) for (col, row, x, y), (dx, dy) in
             zip(points(), noise, strict=True)]  # fmt: skip
    placing = ThinPlatePlacing.of_points(given)
    theirs = transform.GCPTransformer(
        [control.GroundControlPoint(row, col, x, y) for col, row, x, y in given], tps=True
    )
    x, y = np.linspace(400100, 401900, 30), np.linspace(5006600, 5007900, 30)
    rows, cols = theirs.rowcol(x, y, op=np.asarray)
    np.testing.assert_allclose(placing.to_pixels(x, y), [cols, rows], atol=1e-6)
    col, row = np.linspace(0, 200, 30), np.linspace(0, 150, 30)
    np.testing.assert_allclose(
        placing.to_world(col, row), theirs.xy(row, col, offset="ul"), atol=1e-5
    )
    with pytest.raises(InvalidArgumentError, match="at least 3 pairs"):
        ThinPlatePlacing.of_points(given[:2])


# -- QGIS's files -------------------------------------------------------------------------

POINTS = """#CRS: EPSG:32632
mapX,mapY,sourceX,sourceY,enable,dX,dY,residual
400000,5008000,0,0,1,0,0,0
401000.5,5008000,100.25,-1e-3,1,0.1,0.2,0.3
400000,5007000,0,-100,0,0,0,0
"""


def test_points_of_qgis(tmp_path):
    path = tmp_path / "scan.tif.points"
    path.write_text(POINTS)
    given, system = read_control_points(path)
    assert system == "EPSG:32632"
    assert given == ((0, 0, 400000, 5008000), (100.25, 1e-3, 401000.5, 5008000))
    path.write_text("\n".join(POINTS.splitlines()[1:]).replace("source", "pixel"))
    assert read_control_points(path) == (given, "")


@pytest.mark.parametrize(("text", "words"), [
    ("", "has no columns mapX"), ("a,b\n1,2", "has no columns mapX"),
    (POINTS + "1,2,3", "point 4 is not four numbers"),
    (POINTS.replace("100.25", "nan"), "point 2 is not four numbers"),
])  # fmt: skip
def test_files_that_are_no_points(tmp_path, text, words):
    (tmp_path / "p").write_text(text)
    with pytest.raises(FileError, match=words):
        read_control_points(tmp_path / "p")
    with pytest.raises(FileError, match="No such file"):
        read_control_points(tmp_path / "gone")


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
