"""Rasters of xarray in other map projections: values of lerf_core, places of rioxarray."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

xr = pytest.importorskip("xarray")
pyproj = pytest.importorskip("pyproj")

import lerf_core  # noqa: E402
from lerf_core.errors import InvalidArgumentError  # noqa: E402
from lerf_core.geometry import Grid, Reprojection  # noqa: E402
from lerf_plugins.filters.xarray import reproject  # noqa: E402

UTM = Grid("EPSG:32632", (10, 0, 400000, 0, -10, 5008000), (60, 80))


def placed(values=None, grid=UTM, *, name="spatial_ref", **coords):
    """Return an array as rioxarray makes one."""
    a, _, c, _, e, f = grid.transform
    rows, cols = grid.shape
    values = np.random.default_rng(0).random(grid.shape) if values is None else values
    wkt = pyproj.CRS(grid.system).to_wkt()
    array = xr.DataArray(
        values,
        {
            "y": f + e * (np.arange(rows) + 0.5), "x": c + a * (np.arange(cols) + 0.5),
            name: xr.Variable((), 0, {"crs_wkt": wkt, "GeoTransform": f"{c} {a} 0.0 {f} 0.0 {e}"}),
        } | coords,
        ("y", "x"), name="t", attrs={"units": "K"},
    )  # fmt: skip
    array.encoding["grid_mapping"] = name
    return array


def test_values_are_those_of_a_warp():
    array = placed()
    result = reproject(array, "EPSG:3857", resolution=12)
    a, b, f = (float(result.spatial_ref.GeoTransform.split()[place]) for place in (1, 0, 3))
    target = Grid("EPSG:3857", (a, 0, b, 0, -12, f), result.shape)
    inverse = Reprojection("EPSG:32632", UTM.placing, UTM.shape, target)
    expected = lerf_core.warp(array.values, inverse, cval=np.nan)
    np.testing.assert_array_equal(result.values, expected)
    assert np.isnan(expected).any()
    assert (result.dims, result.name, result.attrs) == (("y", "x"), "t", {"units": "K"})
    assert result.x.values[0] == pytest.approx(b + 6)
    assert result.y.values[0] == pytest.approx(f - 6)
    assert result.y.attrs["standard_name"] == "projection_y_coordinate"
    assert pyproj.CRS(result.spatial_ref.crs_wkt).to_epsg() == 3857


def test_dask_stays_lazy():
    computed = []

    def block(values):
        computed.append(1)
        return values

    array = placed()
    lazy = array.copy(data=da.from_array(array.values, chunks=32).map_blocks(block, dtype=float))
    computed.clear()
    result = reproject(lazy, 3857, chunks=40)
    assert isinstance(result.data, da.Array)
    assert not computed
    np.testing.assert_array_equal(result.values, reproject(array, 3857).values)


def test_datasets_missing_values_and_other_dimensions():
    values = np.random.default_rng(0).integers(1, 200, (2, *UTM.shape)).astype(np.uint8)
    dataset = placed().drop_vars("spatial_ref").to_dataset(name="t")
    dataset["count"] = ("time", "y", "x"), values, {"_FillValue": 0, "grid_mapping": "crs"}
    dataset["crs"] = (), 0, {"spatial_ref": pyproj.CRS("EPSG:32632").to_wkt()}
    result = reproject(dataset, "EPSG:3413")
    assert result["count"].dtype == np.uint8
    assert result["count"].shape[0] == 2
    assert (result["count"] == 0).any()
    assert "GeoTransform" in result["crs"].attrs
    assert result["t"].encoding["grid_mapping"] == "crs"


def test_where_arrays_lie():
    array = placed(name="crs")
    expected = reproject(array, 3857)
    bare = array.drop_vars(["y", "x"])
    np.testing.assert_array_equal(reproject(bare, 3857).values, expected.values)
    told = array.drop_vars("crs")
    told.encoding.clear()
    np.testing.assert_array_equal(reproject(told, 3857, from_crs=32632).values, expected.values)
    old = told.assign_attrs(crs="EPSG:32632", transform=(10, 0, 400000, 0, -10, 5008000))
    result = reproject(old, 3857)
    np.testing.assert_array_equal(result.values, expected.values)
    a, _, c, _, _, f = result.attrs["transform"]
    assert (c + a / 2, f - a / 2) == pytest.approx((float(result.x[0]), float(result.y[0])))


def test_like_another_raster():
    array = placed()
    small = reproject(array, "EPSG:3857", sizes={"x": 20, "y": 10})
    assert small.shape == (10, 20)
    np.testing.assert_array_equal(reproject(array, like=small).values, small.values)
    a, _, c, _, e, f = grid = (100.0, 0.0, 860500.0, 0.0, -100.0, 5655000.0)
    result = reproject(array, like=Grid("EPSG:3857", grid, (5, 6)))
    assert result.shape == (5, 6)
    assert float(result.x[0]) == c + a / 2
    assert float(result.y[-1]) == f + e * 4.5


def test_the_same_system_moves_the_grid_alone():
    array = placed()
    result = reproject(array, 32632, bounds=(400100, 5007500, 400500, 5007900), resolution=10)
    np.testing.assert_array_equal(result.values, array.values[10:50, 10:50])


@pytest.mark.parametrize(("change", "words", "message"), [
    (lambda a: a.drop_vars("spatial_ref"), {"crs": 3857}, "give from_crs"),
    (lambda a: a, {}, "wants a crs"),
    (lambda a: a, {"crs": "EPSG:99999"}, "no system"),
    (lambda a: a, {"crs": 3857, "like": 3}, "like has no grid: int"),
    (lambda a: a, {"like": placed(), "resolution": 3}, "like has a grid"),
    (lambda a: a, {"like": placed(), "crs": 3857}, "like is not in 3857"),
    (lambda a: a.assign_coords(x=np.arange(80.0) ** 2), {"crs": 3857}, "not evenly spaced"),
])  # fmt: skip
def test_what_cannot_be(change, words, message):
    array = placed()
    array.encoding.clear()
    with pytest.raises(InvalidArgumentError, match=message):
        reproject(change(array), **words)


def test_what_says_nothing_of_the_new_pixels_is_named():
    array = placed(area=(("y", "x"), np.ones(UTM.shape)))
    with pytest.warns(UserWarning, match="area"):
        result = reproject(array, 3857)
    assert "area" not in result.coords


# -- as others read it --------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_rioxarray_and_odc_geo_agree():
    rioxarray = pytest.importorskip("rioxarray")
    array = placed()
    result = reproject(array, "EPSG:3857", kernel="cubic")
    assert result.rio.crs.to_epsg() == 3857
    theirs = array.rio.reproject("EPSG:3857", resampling=2)
    assert rioxarray
    assert result.rio.shape == theirs.rio.shape
    np.testing.assert_allclose(result.rio.transform(), theirs.rio.transform())
    np.testing.assert_allclose(result.x, theirs.x)
    back = result.rio.reproject_match(array)
    assert back.shape == array.shape
    pytest.importorskip("odc.geo.xr")
    assert result.odc.geobox.crs.epsg == 3857
    again = reproject(array, like=result.odc.geobox, kernel="cubic")
    np.testing.assert_allclose(again.values, result.values, atol=1e-6)
