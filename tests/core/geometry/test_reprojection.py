"""Reprojections: positions are PROJ's, seams and poles included."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

pyproj = pytest.importorskip("pyproj")

import lerf_core  # noqa: E402
from lerf_core import chunked  # noqa: E402
from lerf_core.errors import InvalidArgumentError  # noqa: E402
from lerf_core.geometry import Grid, Reprojection  # noqa: E402
from lerf_core.geometry.coordinate_systems import (  # noqa: E402
    middle_of,
    named_system,
    period_of,
)
from lerf_core.geometry.output_grids import (  # noqa: E402
    GridRequest,
    PlacedImage,
    suggested_grid,
)
from lerf_core.geometry.reprojection import affine_between  # noqa: E402

UTM = Grid("EPSG:32632", (10, 0, 400000, 0, -10, 5008000), (160, 200))
WORLD = Grid("EPSG:4326", (0.5, 0, -180, 0, -0.5, 90), (360, 720))


def map_between(source, target, **words):
    return Reprojection(source.system, source.placing, source.shape, target, **words)


def suggested(source, system, **words):
    image = PlacedImage(source.system, source.placing, source.shape)
    return suggested_grid(image, GridRequest(named_system(system), **words))


def places(grid, rows, cols):
    a, b, c, d, e, f = grid.transform
    x, y = cols + 0.5, rows + 0.5
    return a * x + b * y + c, d * x + e * y + f


# -- positions ----------------------------------------------------------------------------


@pytest.mark.parametrize("system", ["EPSG:3857", "EPSG:3413", "EPSG:4326", "EPSG:2056"])
@pytest.mark.parametrize("max_error", [0, 0.05])
def test_positions_are_those_of_pyproj(system, max_error):
    target, _ = suggested(UTM, system)
    mapping = map_between(UTM, target, max_error=max_error)
    positions = mapping.locate(0, target.shape[0], target.shape).positions
    x, y = places(target, *np.indices(target.shape))
    transformer = pyproj.Transformer.from_crs(system, UTM.system, always_xy=True)
    x, y = transformer.transform(x, y)
    expected = np.stack([(5008000 - y) / 10 - 0.5, (x - 400000) / 10 - 0.5])
    assert np.abs(positions - expected).max() <= max(max_error, 1e-5)


def test_interpolation_is_far_better_than_it_must_be_in_plain_country():
    target, _ = suggested(UTM, "EPSG:3857")
    located = [
        map_between(UTM, target, max_error=error).locate(0, target.shape[0], target.shape)
        for error in (0, 0.05)
    ]
    assert np.abs(located[0].positions - located[1].positions).max() < 1e-4


@pytest.mark.parametrize("system", ["EPSG:3413", "+proj=ortho +lat_0=60 +type=crs",
                                    "+proj=sinu +type=crs", "+proj=moll +type=crs"])  # fmt: skip
def test_the_world_is_within_the_error(system):
    extent = 20.1e6
    target = Grid(system, (1e5, 0, -extent, 0, -1e5, extent / 2), (201, 402))
    mapping = map_between(WORLD, target)
    positions = mapping.locate(0, target.shape[0], target.shape).positions
    exact = mapping.exact(*np.indices(target.shape).astype(float))
    np.testing.assert_array_equal(np.isnan(positions), np.isnan(exact))
    off = np.hypot(*mapping.steps(positions - exact))
    assert np.nanmax(off) <= 0.05
    # Corners of a world that is no rectangle lie nowhere, and are not the world once more.
    assert np.isnan(exact[:, 0, 0]).all() or system == "EPSG:3413"


def test_images_across_the_antimeridian_and_from_0_to_360():
    for west in (170.0, -190.0):
        source = Grid("EPSG:4326", (0.1, 0, west, 0, -0.1, 10), (200, 200))
        grids = [
            Grid("EPSG:4326", (0.2, 0, first, 0, -0.2, 10), (100, 100)) for first in (170, -190)
        ]
        for target in grids:
            mapping = map_between(source, target)
            positions = mapping.locate(0, 100, target.shape).positions
            np.testing.assert_allclose(positions[1, 0, :3], [0.5, 2.5, 4.5], atol=1e-6)
    east = Grid("EPSG:4326", (0.5, 0, 0, 0, -0.5, 90), (360, 720))
    positions = map_between(east, WORLD, max_error=0).locate(180, 181, WORLD.shape).positions
    assert positions[1, 0, 0] == pytest.approx(360)
    assert positions[1, 0, 720 // 2] == pytest.approx(0)


def test_footprints_do_not_see_the_seam():
    target = Grid("EPSG:3413", (20000, 0, -3e6, 0, -20000, 3e6), (300, 300))
    footprints = map_between(WORLD, target).locate(0, 300, target.shape).footprints
    rows, cols = np.indices((300, 300)) - 149.5
    distance = np.hypot(rows, cols) * 20000
    around = 2 * np.pi * distance / (720 * 20000)
    far = distance > 1e6
    assert (footprints[1][far] < 1.3 / around[far]).all()


def test_the_same_system_is_a_matrix():
    shifted = Grid(UTM.system, (5, 0, 400100, 0, -5, 5007900), (100, 100))
    matrix = affine_between(UTM, shifted)
    # The first pixel's corner lies ten pixels in.
    np.testing.assert_allclose(matrix, [[0.5, 0, 9.75], [0, 0.5, 9.75], [0, 0, 1]], atol=1e-9)
    assert affine_between(UTM, WORLD) is None


def test_an_image_is_warped_as_one_and_by_chunks():
    image = np.random.default_rng(1).integers(0, 256, UTM.shape, np.uint8)
    target, _ = suggested(UTM, "EPSG:3857")
    mapping = map_between(UTM, target)
    whole = lerf_core.warp(image, mapping)
    lazy = chunked.warp(da.from_array(image, chunks=128), mapping, chunks=100)
    assert lazy.shape == target.shape
    np.testing.assert_array_equal(lazy.compute(), whole)
    front = lerf_core.warp(image, mapping, kernel="linear")
    assert front.shape == whole.shape


# -- systems ------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "words"), [
    ("EPSG:999999", "not found"), ("nonsense", "no system of coordinates"),
    ("EPSG:4978", "no system of places"), ("", "no system"), (None, "no system"),
])  # fmt: skip
def test_what_is_no_system_is_told(given, words):
    with pytest.raises(InvalidArgumentError, match=words) as caught:
        named_system(given)
    assert "\n" not in str(caught.value)


def test_names_periods_and_middles():
    assert named_system(3857) == named_system("epsg:3857") == "EPSG:3857"
    assert named_system(pyproj.CRS("EPSG:32632+5783")) == "EPSG:32632"
    assert period_of("EPSG:4326") == 360
    assert period_of("EPSG:3857") == pytest.approx(2 * np.pi * 6378137)
    assert period_of("EPSG:3832") == pytest.approx(2 * np.pi * 6378137)
    assert period_of("EPSG:32632") is None
    assert period_of(named_system("+proj=sinu +type=crs")) is None
    assert middle_of("EPSG:3832") == pytest.approx(0)


def test_grids_are_checked():
    for transform, shape in [((0, 0, 0, 0, 0, 0), (2, 2)), ((1, 0, 0, 0, -1, np.nan), (2, 2)),
                             ((1, 0, 0, 0, -1, 0), (0, 2))]:  # fmt: skip
        with pytest.raises(InvalidArgumentError):
            Grid("EPSG:3857", transform, shape)


# -- suggested grids ----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize(("source", "system"), [
    (UTM, "EPSG:3857"), (UTM, "EPSG:4326"), (UTM, "EPSG:3413"),
    (Grid("EPSG:3857", (10, 0, 1e6, 0, -10, 5e6), (300, 200)), "EPSG:32632"),
    (Grid("EPSG:3413", (2000, 0, 1e6, 0, -2000, -1e6), (300, 300)), "EPSG:4326"),
    (WORLD, "+proj=moll +type=crs"), (WORLD, "+proj=cea +type=crs"),
    (Grid("EPSG:3031", (2000, 0, -1e6, 0, -2000, 2.5e6), (1000, 1000)), "EPSG:4326"),
])  # fmt: skip
def test_grids_are_those_of_gdal(source, system):
    warp = pytest.importorskip("rasterio.warp")
    west, south, east, north = source.bounds
    transform, cols, rows = warp.calculate_default_transform(
        source.system, system, source.shape[1], source.shape[0], west, south, east, north
    )
    grid, notes = suggested(source, system)
    assert notes == ()
    assert abs(grid.shape[0] - rows) <= 1
    assert abs(grid.shape[1] - cols) <= 1
    np.testing.assert_allclose(grid.transform[0], transform[0], rtol=2e-3)
    np.testing.assert_allclose(
        [grid.transform[2], grid.transform[5]], [transform[2], transform[5]],
        atol=0.6 * transform[0],
    )  # fmt: skip


def test_the_antimeridian_is_no_reason_for_a_world():
    source = Grid("EPSG:32660", (1000, 0, 600000, 0, -1000, 1400000), (400, 400))
    grid, notes = suggested(source, "EPSG:4326")
    west, _, east, _ = grid.bounds
    assert west < 180 < east
    assert east - west < 5
    assert "antimeridian" in notes[0]


def test_a_pole_in_the_image_takes_all_longitudes():
    source = Grid("EPSG:3413", (2000, 0, -1e6, 0, -2000, 1e6), (1000, 1000))
    grid, notes = suggested(source, "EPSG:4326")
    np.testing.assert_allclose(grid.bounds, (-180, 77, 180, 90), atol=0.3)
    assert notes == ()
    grid, notes = suggested(source, "EPSG:3857")
    assert grid.bounds[3] == pytest.approx(20048966, abs=1)
    assert notes == ("EPSG:3857 has no poles: the result ends at latitude 85.06",)


@pytest.mark.parametrize("west", [-180, 0, 37])
def test_a_world_is_a_world_wherever_it_begins(west):
    source = Grid("EPSG:4326", (0.5, 0, west, 0, -0.5, 80), (320, 720))
    for system, half in (("EPSG:3857", np.pi * 6378137), ("EPSG:4326", 180)):
        grid, _ = suggested(source, system)
        assert grid.bounds[0] == pytest.approx(-half)
        assert grid.bounds[2] == pytest.approx(half, rel=2e-3)


def test_what_is_asked_for_is_obeyed():
    grid, _ = suggested(UTM, "EPSG:3857", resolution=(20, 30))
    assert (grid.transform[0], grid.transform[4]) == (20, -30)
    bounds = (862000.0, 5652000.0, 870000.0, 5656000.0)
    grid, _ = suggested(UTM, "EPSG:3857", bounds=bounds)
    assert grid.bounds == pytest.approx(bounds)
    grid, _ = suggested(UTM, "EPSG:3857", bounds=bounds, resolution=(100, 100))
    assert grid.shape == (40, 80)
    grid, _ = suggested(UTM, "EPSG:3857", bounds=bounds, size=(200, None))
    assert grid.shape == (100, 200)
    grid, _ = suggested(UTM, "EPSG:3857", bounds=bounds, size=(None, 50))
    assert grid.shape == (50, 100)


def test_what_has_no_place_is_told():
    source = Grid("EPSG:4326", (0.1, 0, 170, 0, -0.1, 5), (10, 10))
    with pytest.raises(InvalidArgumentError, match="nothing of the image has a place"):
        suggested(source, "+proj=ortho +lat_0=0 +lon_0=0 +type=crs")
    with pytest.raises(InvalidArgumentError, match="too large"):
        suggested(UTM, "EPSG:3857", resolution=(1e-9, 1e-9))
