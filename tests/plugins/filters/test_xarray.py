"""DataArrays and Datasets: values as lerf_core makes them, coordinates at the new pixels."""

import json

import dask.array as da
import numpy as np
import pytest

xr = pytest.importorskip("xarray")

import lerf_core  # noqa: E402
from lerf_core import chunked  # noqa: E402
from lerf_core.errors import InvalidArgumentError, InvalidTypeError  # noqa: E402
from lerf_plugins.filters.xarray import rescale, resize, warp  # noqa: E402

SHAPE = (30, 40)
SHIFT = [[1, 0, 2.5], [0, 1, -1], [0, 0, 1]]


def random_values(shape=SHAPE, dtype="float64", seed=0):
    values = np.random.default_rng(seed).random(shape)
    return values.astype(dtype) if "float" in dtype else (values * 255).astype(dtype)


def grid_of(values=None, **coords):
    values = random_values() if values is None else values
    coords = {"y": 100.0 - 2 * np.arange(SHAPE[0]), "x": 5 + 0.5 * np.arange(SHAPE[1])} | coords
    attrs = {"units": "K", "long_name": "temperature"}
    return xr.DataArray(values, coords, ("y", "x"), name="t", attrs=attrs)


# -- values -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "int16", "bool"])
def test_values_are_those_of_lerf_core(dtype):
    values = (
        random_values(dtype="uint8").astype(dtype)
        if dtype == "bool"
        else random_values(dtype=dtype)
    )
    grid = grid_of(values)
    cval = {"cval": float("nan")} if "float" in dtype else {}
    for result, expected in [
        (resize(grid, {"x": 77, "y": 44}), lerf_core.resize(values, (44, 77))),
        (resize(grid, (44, 77)), lerf_core.resize(values, (44, 77))),
        (resize(grid, {"x": 77}), lerf_core.resize(values, (30, 77))),
        (rescale(grid, 1.7), lerf_core.rescale(values, 1.7)),
        (rescale(grid, {"y": 2}), lerf_core.rescale(values, (2, 1))),
        (rescale(grid, (2, 0.5)), lerf_core.rescale(values, (2, 0.5))),
        (warp(grid, SHIFT), lerf_core.warp(values, SHIFT, **cval)),
        (warp(grid, SHIFT, {"x": 9}, cval=0),
         lerf_core.warp(values, SHIFT, output_shape=(30, 9), cval=0)),
    ]:  # fmt: skip
        np.testing.assert_array_equal(result.values, expected)
        assert result.dtype == values.dtype
        assert result.dims == ("y", "x")
        assert result.name == "t"
        assert result.attrs == grid.attrs


def test_any_order_of_dimensions():
    values = random_values((40, 3, 30, 2))
    grid = xr.DataArray(values, dims=("x", "band", "y", "time"))
    result = rescale(grid, 2)
    assert result.dims == grid.dims
    assert result.shape == (80, 3, 60, 2)
    plane = lerf_core.rescale(values[:, 1, :, 1].T, 2)
    np.testing.assert_array_equal(result.isel(band=1, time=1).transpose("y", "x"), plane)
    colours = rescale(grid.isel(time=0), 2, channel_dim="band")
    expected = lerf_core.rescale(values[..., 0].transpose(2, 0, 1), 2, channel_axis=-1)
    np.testing.assert_array_equal(colours.transpose("y", "x", "band"), expected)


def test_narrow_grids_are_no_colours():
    narrow = xr.DataArray(random_values((2, 20, 3)), dims=("time", "y", "x"))
    assert rescale(narrow, 2).shape == (2, 40, 6)


def test_names_of_dimensions():
    for names in [("lat", "lon"), ("row", "col"), ("latitude", "longitude"), ("y", "x")]:
        grid = xr.DataArray(random_values((5, 6, 7)), dims=(*names, "depth"))
        assert rescale(grid, 2).shape == (10, 12, 7)
    grid = xr.DataArray(random_values((5, 6, 7)), dims=("a", "b", "c"))
    assert rescale(grid, 2).shape == (5, 12, 14)
    assert rescale(grid, 2, channel_dim="c").shape == (10, 12, 7)
    assert rescale(grid, 2, dims=("c", "a")).shape == (10, 6, 14)
    assert rescale(grid, {"a": 2, "c": 3}).shape == (10, 6, 21)


def test_missing_values():
    grid = grid_of(random_values() * 900)
    grid[10:14, 5:9] = -9999
    grid.attrs["_FillValue"] = np.float32(-9999)
    result = rescale(grid, 2, value_range=(0, 1000))
    expected = lerf_core.rescale(grid.values, 2, value_range=(0, 1000), nodata=-9999)
    np.testing.assert_array_equal(result, expected)
    assert set(np.unique(result.values[result.values < -100])) == {-9999}
    moved = warp(grid, SHIFT, value_range=(0, 1000))
    assert (moved[:, -1] == -9999).all()
    other = rescale(grid, 2, value_range=(0, 1000), nodata=-1)
    assert not np.array_equal(other, result)
    bytes_ = grid_of(random_values(dtype="uint8")).assign_attrs(_FillValue=255.0, missing_value="x")
    np.testing.assert_array_equal(
        rescale(bytes_, 2), lerf_core.rescale(bytes_.values, 2, nodata=255)
    )


def test_nan_comes_out_where_it_was():
    grid = grid_of(random_values())
    grid[10:14, 5:9] = np.nan
    result = rescale(grid, 2)
    assert np.isnan(result[20:28, 10:18]).all()
    assert int(np.isnan(result).sum()) == 64


def test_value_range_auto():
    values = 250 + 60 * random_values()
    values[0, 0] = np.nan
    grid = grid_of(values)
    ends = (float(np.nanmin(values)), float(np.nanmax(values)))
    expected = lerf_core.rescale(values, 2, value_range=ends)
    np.testing.assert_array_equal(rescale(grid, 2, value_range="auto"), expected)
    lazy = rescale(grid.chunk({"x": 13}), 2, value_range="auto")
    np.testing.assert_array_equal(lazy, expected)
    for value in (3.0, np.nan):
        flat = rescale(xr.full_like(grid, value), 2, value_range="auto")
        np.testing.assert_array_equal(flat, np.full((60, 80), value))


def test_warps():
    values = random_values()
    field = xr.DataArray(np.mgrid[3:23, 2:27].astype(float), dims=("axis", "y", "x"))
    expected = lerf_core.warp(values, field.values, cval=np.nan)
    np.testing.assert_array_equal(warp(grid_of(values), field), expected)
    steps = lerf_core.Displacement(np.zeros((2, 20, 25)))
    np.testing.assert_array_equal(
        warp(grid_of(values), steps), lerf_core.warp(values, steps, cval=np.nan)
    )
    placed = warp(grid_of(), SHIFT, coords={"x": np.arange(40.0) + 2.5, "source": "a"})
    assert placed.x[0] == 2.5
    assert placed.source == "a"
    rgba = xr.DataArray(random_values((30, 40, 4)), dims=("y", "x", "band"))
    assert (warp(rgba, SHIFT, channel_dim="band")[:, -1] == 0).all()


# -- dask ---------------------------------------------------------------------------------


def test_dask_stays_lazy():
    values = random_values((2, 300, 400), "uint8")
    grid = xr.DataArray(da.from_array(values, (1, 100, 130)), dims=("time", "y", "x"))
    for result, expected in [
        (resize(grid, {"y": 600, "x": 800}), lerf_core.resize(values, (600, 800))),
        (rescale(grid, 2), lerf_core.rescale(values, 2)),
        (warp(grid, SHIFT), lerf_core.warp(values, SHIFT)),
    ]:
        assert isinstance(result.data, da.Array)
        assert result.dtype == values.dtype
        np.testing.assert_array_equal(result.compute(scheduler="sync"), expected)
    assert rescale(grid, 2).chunks == ((1, 1), (200,) * 3, (260, 260, 260, 20))
    assert resize(grid, {"y": 600, "x": 800}, chunks=(300, 400)).chunks[1] == (300, 300)


def test_large_arrays_are_not_computed():
    huge = xr.DataArray(
        da.zeros((60_000, 60_000), dtype="uint8", chunks=1024),
        {"x": np.arange(60_000.0)}, ("y", "x"),
    )  # fmt: skip
    assert rescale(huge, 2)[:3, :3].values.tolist() == [[0, 0, 0]] * 3


def test_options_of_dask_pass_by_arrays_of_numpy():
    dataset = xr.Dataset({"a": grid_of(), "b": grid_of(da.from_array(random_values(), 20))})
    result = rescale(dataset, 2, chunks=15)
    assert result.b.chunks[0] == (15,) * 4
    np.testing.assert_array_equal(result.a, chunked.rescale(dataset.b.data, 2))


# -- coordinates --------------------------------------------------------------------------


def test_regular_coordinates_are_exact():
    result = rescale(grid_of(), 2)
    np.testing.assert_array_equal(result.y, 100.5 - np.arange(60))
    np.testing.assert_array_equal(result.x, 4.875 + 0.25 * np.arange(80))
    shrunk = resize(grid_of(), {"y": 15, "x": 20})
    np.testing.assert_array_equal(shrunk.y, 99 - 4 * np.arange(15))
    back = resize(result, {"y": 30, "x": 40})
    np.testing.assert_array_equal(back.y, grid_of().y)


def test_the_outline_of_the_grid_stays():
    for sizes in ({"y": 71, "x": 13}, {"y": 4, "x": 400}):
        result = resize(grid_of(), sizes)
        for dim, (old, new) in {"y": (30, sizes["y"]), "x": (40, sizes["x"])}.items():
            before, after = grid_of()[dim].values, result[dim].values
            step, finer = before[1] - before[0], after[1] - after[0]
            assert np.isclose(finer, step * old / new)
            assert np.isclose(after[0] - finer / 2, before[0] - step / 2)


def test_dtypes_of_coordinates():
    single = grid_of(x=np.arange(40, dtype=np.float32) / 3)
    assert rescale(single, 2).x.dtype == np.float32
    np.testing.assert_allclose(np.diff(rescale(single, 8).x), 1 / 24, rtol=1e-4)
    whole = rescale(grid_of(x=np.arange(40)), 2)
    assert whole.x.dtype == np.float64
    np.testing.assert_array_equal(whole.x, np.arange(80) / 2 - 0.25)


def test_irregular_coordinates():
    irregular = np.cumsum(np.random.default_rng(0).random(40))
    result = rescale(grid_of(x=irregular), 2)
    inner = np.interp(np.arange(80) / 2 - 0.25, np.arange(40), irregular)
    np.testing.assert_allclose(result.x[1:-1], inner[1:-1])
    assert result.x[0] < irregular[0]
    down = rescale(grid_of(x=irregular[::-1]), 2)
    np.testing.assert_allclose(down.x, result.x[::-1])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates(unit):
    days = np.datetime64("2000-03-01", unit) + np.arange(40) * np.timedelta64(1, "D").astype(
        f"m8[{unit}]"
    )
    result = rescale(grid_of(x=days), 2)
    assert result.x.dtype.kind == "M"
    expected = np.datetime64("2000-02-29T18", "ns") + np.arange(80) * np.timedelta64(12, "h")
    np.testing.assert_array_equal(result.x.values.astype("M8[ns]"), expected.astype("M8[ns]"))
    spans = rescale(grid_of(x=days - days[0]), 2)
    np.testing.assert_array_equal(spans.x[1:4].values.astype("m8[h]").astype(int), [6, 18, 30])
    gap = days.copy()
    gap[5] = "NaT"
    missing = np.isnat(rescale(grid_of(when=("x", gap)), 2).when)
    assert np.flatnonzero(missing).tolist() == [9, 10, 11, 12]


def test_old_dates_keep_their_unit():
    old = np.datetime64("0800-01-01", "s") + np.arange(40) * np.timedelta64(86400, "s")
    result = rescale(grid_of(x=old), 2).x
    assert np.diff(result.values[:3]).astype(int).tolist() == [43200, 43200]


def test_coordinates_of_two_dimensions():
    rows, cols = np.mgrid[:30, :40].astype(float)
    grid = grid_of(
        lat=(("y", "x"), 3 * rows - cols, {"units": "degrees"}),
        zone=(("y", "x"), (rows > 10).astype(int)),
        lon=(("x", "y"), cols.T * rows.T),
    )
    result = rescale(grid, 2)
    fine = (np.arange(60) / 2 - 0.25)[:, None], np.arange(80) / 2 - 0.25
    np.testing.assert_allclose(result.lat, 3 * fine[0] - fine[1])
    np.testing.assert_allclose(result.lon.transpose("y", "x"), fine[0] * fine[1])
    assert result.lon.dims == ("x", "y")
    assert result.lat.attrs == {"units": "degrees"}
    np.testing.assert_array_equal(result.zone, np.repeat(np.repeat(grid.zone, 2, 0), 2, 1))
    lazy = rescale(grid.assign_coords(lat=grid.lat.chunk({"x": 7})), 2)
    assert isinstance(lazy.lat.data, da.Array)
    np.testing.assert_allclose(lazy.lat, result.lat)


def test_other_coordinates():
    names = [f"n{number}" for number in range(40)]
    grid = grid_of(
        name=("x", names), even=("x", np.arange(40) % 2 == 0), level=3, day=("y", np.arange(30) * 2)
    )
    with pytest.warns(UserWarning, match="nothing of the new pixels: name, even$"):
        result = rescale(grid, 2)
    assert set(result.coords) == {"x", "y", "level", "day"}
    assert result.level == 3
    assert result.day[1] == 0.5
    kept = rescale(grid, {"y": 2})
    assert set(kept.coords) == set(grid.coords)
    np.testing.assert_array_equal(kept["name"], names)
    assert kept.indexes["x"].equals(grid.indexes["x"])
    labelled = xr.DataArray(random_values(), dims=("y", "x"), coords={"x": names})
    with pytest.warns(UserWarning, match="new pixels: x$"):
        assert "x" not in rescale(labelled, 2).coords


def test_a_single_pixel():
    one = xr.DataArray(random_values((1, 5)), {"y": [7.0], "x": np.arange(5.0)}, ("y", "x"))
    with pytest.warns(UserWarning, match="new pixels: y$"):
        assert "y" not in rescale(one, 2).coords
    assert rescale(one, {"x": 2}).y == 7
    assert rescale(one, (0.5, 2)).y == 7


def test_a_stacked_dimension_is_kept():
    cube = xr.DataArray(
        random_values((2, 3, 5, 6)), dims=("a", "b", "y", "x"), coords={"a": [0, 1], "b": [4, 5, 6]}
    ).stack(sample=("a", "b"))
    result = rescale(cube, 2, dims=("y", "x"))
    assert result.indexes["sample"].equals(cube.indexes["sample"])


def test_rasters_know_their_place():
    grid = grid_of(spatial_ref=0)
    grid.spatial_ref.attrs = {"crs_wkt": "PROJCS", "GeoTransform": "4.75 0.5 0.0 101.0 0.0 -2.0"}
    grid.attrs |= {"transform": (0.5, 0.0, 4.75, 0.0, -2.0, 101.0), "res": (0.5, 2.0), "a": "b"}
    before = grid.copy(deep=True)
    result = resize(grid, {"y": 60, "x": 10})
    assert result.spatial_ref.attrs["GeoTransform"] == "4.75 2.0 0.0 101.0 0.0 -1.0"
    assert result.spatial_ref.attrs["crs_wkt"] == "PROJCS"
    assert result.attrs["transform"] == (2.0, 0.0, 4.75, 0.0, -1.0, 101.0)
    assert result.attrs["res"] == (2.0, 1.0)
    # Where ceil makes the canvas larger than the image, its outline begins earlier.
    uneven = rescale(grid, 1.37)
    x, step = (float(uneven.spatial_ref.GeoTransform.split()[place]) for place in (0, 1))
    assert np.isclose(uneven.x[0], x + step / 2)
    y, step = (float(uneven.spatial_ref.GeoTransform.split()[place]) for place in (3, 5))
    assert np.isclose(uneven.y[0], y + step / 2)
    moved = warp(grid, SHIFT)
    assert moved.spatial_ref.attrs["GeoTransform"] == "6.0 0.5 0.0 103.0 0.0 -2.0"
    assert moved.attrs["res"] == (0.5, 2.0)
    np.testing.assert_array_equal(moved.x, grid.x + 1.25)
    np.testing.assert_array_equal(moved.y, grid.y + 2)
    turned = {"y": 40, "x": 30}
    with pytest.warns(UserWarning, match="nothing of the new pixels: y, x$"):
        quarter = warp(grid, [[0, 1, 0], [-1, 0, 29], [0, 0, 1]], turned)
    assert quarter.attrs["res"] == (2.0, 0.5)
    # The corner of the result's first pixel is that of the last row's first.
    assert quarter.attrs["transform"] == (0.0, 0.5, 4.75, 2.0, 0.0, 41.0)
    with pytest.warns(UserWarning, match="new pixels: y, x, GeoTransform, res, transform$"):
        bent = warp(grid, [[1, 0, 0], [0, 1, 0], [1e-3, 0, 1]])
    assert bent.spatial_ref.attrs == {"crs_wkt": "PROJCS"}
    assert bent.attrs == {"units": "K", "long_name": "temperature", "a": "b"}
    assert grid.identical(before)


def test_coordinates_of_warps():
    zone = (np.arange(40) > 10).astype(int) * np.ones((30, 1), int)
    grid = grid_of(zone=(("y", "x"), zone), day=("y", np.arange(30) * 2), level=3)
    half = warp(grid, [[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]], {"y": 15, "x": 20})
    np.testing.assert_array_equal(half.y, 99 - 4 * np.arange(15))
    np.testing.assert_array_equal(half.x, 5.25 + np.arange(20))
    np.testing.assert_array_equal(half.day, 1 + 4 * np.arange(15))
    assert set(np.unique(half.zone)) == {0, 1}
    mirrored = warp(grid, [[-1, 0, 39], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(mirrored.x, grid.x[::-1])
    assert mirrored.indexes["y"].equals(grid.indexes["y"])
    # What a field says is looked at, and a field of dask is not.
    field = np.mgrid[:20, :25].astype(float) + np.array([3.0, 2.0])[:, None, None]
    np.testing.assert_array_equal(warp(grid, field).x, 6 + 0.5 * np.arange(25))
    with pytest.warns(UserWarning, match="new pixels"):
        lazy = warp(grid.chunk({"x": 13}), da.from_array(field, 10))
    assert set(lazy.coords) == {"level"}
    with pytest.warns(UserWarning, match="new pixels: zone, day$"):
        given = warp(grid, np.mgrid[:5, :5] ** 2.0, coords={"y": np.arange(5), "x": np.arange(5)})
    assert given.x.values.tolist() == [0, 1, 2, 3, 4]


def test_encoding():
    grid = grid_of()
    grid.encoding = {"chunksizes": (10, 10), "zlib": True, "_FillValue": -1.0, "dtype": "int16"}
    grid.x.encoding = {"dtype": "int16", "_FillValue": -1}
    result = rescale(grid, 2)
    assert result.encoding == {"zlib": True, "_FillValue": -1.0, "dtype": "int16"}
    assert result.x.encoding == {"_FillValue": -1}


# -- Datasets -----------------------------------------------------------------------------


def test_datasets():
    dataset = xr.Dataset(
        {
            "a": grid_of(random_values(dtype="uint8")),
            "rgb": (("y", "x", "band"), random_values((30, 40, 3)), {"b": np.zeros(2)}),
            "profile": ("y", np.arange(30.0), {"units": "m"}),
            "names": ("y", [str(number) for number in range(30)]),
            "other": ("station", [1.0, 2.0]),
            "x_bounds": (("x", "edge"), np.zeros((40, 2))),
            "one": ((), 5),
        },
        coords={"station": ["p", "q"], "unused": ("nothing", [1, 2, 3])},
        attrs={"title": "t"},
    )  # fmt: skip
    dataset.x.attrs = {"bounds": "x_bounds", "axis": "X"}
    before = dataset.copy(deep=True)
    with pytest.warns(UserWarning, match="new pixels: names, x_bounds$"):
        result = rescale(dataset, 2, channel_dim="band")
    assert list(result.data_vars) == ["a", "rgb", "profile", "other", "one"]
    np.testing.assert_array_equal(result.a, lerf_core.rescale(dataset.a.values, 2))
    np.testing.assert_array_equal(
        result.rgb, lerf_core.rescale(dataset.rgb.values, 2, channel_axis=-1)
    )
    np.testing.assert_array_equal(result.profile, np.arange(60) / 2 - 0.25)
    assert result.profile.attrs == {"units": "m"}
    assert result.x.attrs == {"axis": "X"}
    assert result.other.identical(dataset.other)
    assert result.attrs == {"title": "t"}
    assert "unused" in result.coords
    with pytest.warns(UserWarning, match="new pixels: names, x_bounds$"):
        warped = warp(dataset, SHIFT, channel_dim="band")
    assert list(warped.data_vars) == ["a", "rgb", "profile", "other", "one"]
    assert dataset.identical(before)


def test_a_dataset_of_one_name():
    named = xr.DataArray(random_values((3, 4)), dims=("y", "x"), name="x")
    assert rescale(named, 2).name == "x"


# -- what is refused ----------------------------------------------------------------------


def test_bad_arguments():
    grid = grid_of()
    with pytest.raises(InvalidTypeError, match="ndarray"):
        resize(np.zeros((3, 4)), (3, 4))
    for call in (
        lambda: resize(grid, {"z": 3}),
        lambda: resize(grid, {}),
        lambda: resize(grid, 3),
        lambda: resize(grid, (0, 3)),
        lambda: resize(grid, (3, 4), dims=("y", "z")),
        lambda: resize(grid, (3, 4), dims="yx"),
        lambda: resize(grid, (3, 4), dims=("y", "y")),
        lambda: resize(grid, (3, 4), channel_dim="band"),
        lambda: resize(grid, (3, 4), channel_dim="x", dims=("y", "x")),
        lambda: rescale(grid, 0),
        lambda: rescale(grid, (1, 2, 3)),
        lambda: rescale(grid, 2, value_range="wide"),
        lambda: rescale(grid, 2, mode="away"),
        lambda: rescale(xr.Dataset({"a": (("p", "q"), random_values())}), 2),
        lambda: rescale(grid[0], 2),
    ):
        with pytest.raises(InvalidArgumentError):
            call()
    with pytest.raises(TypeError, match="shade"):
        rescale(grid, 2, shade=1)
    text = xr.Dataset({"a": grid, "words": (("y", "x"), np.full(SHAPE, "w"))})
    with pytest.raises(InvalidTypeError, match="'words'"):
        rescale(text, 2)


# -- what attributes say of pixels --------------------------------------------------------


def test_statistics_of_old_pixels_are_dropped():
    grid = grid_of()
    grid.attrs = {"STATISTICS_MEAN": 3, "actual_range": [0, 9], "units": "m", "scale_factor": 0.1}
    dataset = xr.Dataset({"a": grid, "other": ("k", [1, 2], {"actual_range": [1, 2]})})
    with pytest.warns(UserWarning, match="new pixels: STATISTICS_MEAN, actual_range$"):
        result = rescale(dataset, 2)
    assert result.a.attrs == {"units": "m", "scale_factor": 0.1}
    assert result.other.attrs == {"actual_range": [1, 2]}
    assert rescale(grid, 1).attrs == grid.attrs


def test_control_points_of_rioxarray_move():
    points = [{"type": "Feature", "properties": {"id": "1", "row": 2.0, "col": 3.0},
               "geometry": {"type": "Point", "coordinates": [9.0, 47.0]}}]  # fmt: skip
    text = json.dumps({"type": "FeatureCollection", "features": points})
    grid = grid_of().assign_coords(spatial_ref=xr.Variable((), 0, {"gcps": text}))
    moved = json.loads(rescale(grid, 2).spatial_ref.attrs["gcps"])["features"][0]
    assert moved["properties"] == {"id": "1", "row": 4.0, "col": 6.0}
    assert moved["geometry"]["coordinates"] == [9.0, 47.0]
    with pytest.warns(UserWarning, match="gcps"):
        bent = warp(grid, lambda points: points + np.sin(points))
    assert "gcps" not in bent.spatial_ref.attrs
