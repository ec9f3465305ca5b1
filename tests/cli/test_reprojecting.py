"""`lerf warp --to-crs`: pixels come to where they lie on earth, tile by tile, and files say so."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import tifffile
from support.geodata import tags_of, transform_of, write_geotiff
from support.http_files import served

pyproj = pytest.importorskip("pyproj")

from lerf_core.io.codecs.tiff.geo import geo_tags  # noqa: E402
from lerf_core.io.codecs.tiff.geo_keys import keys_of_system  # noqa: E402
from lerf_core.io.metadata.georeference import Georeference  # noqa: E402
from lerf_core.io.reading import open_reader  # noqa: E402

UTM = (10.0, 0.0, 400000.0, 0.0, -10.0, 5008000.0)
SHAPE = (150, 200)


def write_placed(path, pixels, system="EPSG:32632", transform=UTM, **words):
    """Write a GeoTIFF in any system."""
    tags = geo_tags(Georeference(transform, keys_of_system(system)), "", None)
    return write_geotiff(path, pixels, *tags, **words)


def ramps(shape=SHAPE, dtype="float32"):
    """Return columns and rows of pixels' centres, from corners: (rows, cols, 2)."""
    rows, cols = np.indices(shape)
    return np.stack([cols + 0.5, rows + 0.5], axis=-1).astype(dtype)


def true_ramps(out, target="EPSG:3857", source="EPSG:32632", transform=UTM):
    """Return what ramps should be in a result, by PROJ for each pixel."""
    shape = tifffile.imread(out).shape[:2]
    a, b, c, d, e, f = transform_of(out)
    rows, cols = np.indices(shape) + 0.5
    x, y = a * cols + b * rows + c, d * cols + e * rows + f
    x, y = pyproj.Transformer.from_crs(target, source, always_xy=True).transform(x, y)
    return np.stack([(x - transform[2]) / transform[0], (y - transform[5]) / transform[4]], axis=-1)


@pytest.fixture
def scene(tmp_path):
    pixels = ramps()
    pixels[40:60, 50:80] = -9999
    return write_placed(tmp_path / "in.tif", pixels, nodata="-9999", planarconfig="contig")


# -- positions and values -----------------------------------------------------------------


@pytest.mark.parametrize("target", ["EPSG:3857", "EPSG:3413", "EPSG:4326"])
@pytest.mark.parametrize("options", [(), ("--kernel", "cubic")])
def test_ramps_lie_where_proj_says(run, tmp_path, scene, target, options):
    out = tmp_path / "out.tif"
    run("warp", scene, "-o", out, "--to-crs", target, "--tile", 64, "--range", "0,250", *options)
    pixels, expected = tifffile.imread(out), true_ramps(out, target)
    valid = (pixels != -9999).all(axis=-1)
    # Beside what is missing, and at the border, the mean is of fewer pixels.
    inner = (np.abs(expected - [100, 75]) < [94, 69]).all(axis=-1)
    inner &= (np.abs(expected - [65, 50]) > [24, 19]).any(axis=-1)
    assert valid[inner].all()
    off = (pixels - expected)[inner]
    # Learned functions are found by 8 bits of the range, whose steps are about a pixel's here.
    assert np.abs(off).max() <= (0.01 if options else 0.3)
    hole = (np.abs(expected - [65, 50]) < [13, 8]).all(axis=-1)
    outside = (np.abs(expected - [100, 75]) > [101, 76]).any(axis=-1)
    assert (pixels[hole | outside] == -9999).all()
    assert ((pixels == -9999) | ((pixels > -3) & (pixels < 204))).all()


def test_the_result_says_where_it_lies(run, tmp_path, scene):
    out = tmp_path / "out.tif"
    run("warp", scene, "-o", out, "--to-crs", "EPSG:3857", "--resolution", "20")
    a, _, _, _, e, _ = transform_of(out)
    assert (a, e) == (20, -20)
    tags = tags_of(out)
    assert (3072, 0, 1, 3857) in list(zip(*[iter(tags[34735])] * 4, strict=True))
    assert tags[42113] == "-9999"
    rasterio = pytest.importorskip("rasterio")
    with rasterio.open(out) as file:
        assert file.crs.to_epsg() == 3857
        assert file.nodata == -9999


def test_values_are_those_of_gdal(run, tmp_path):
    warp = pytest.importorskip("rasterio.warp")
    rasterio = pytest.importorskip("rasterio")
    rows, cols = np.indices(SHAPE)
    image = (120 + 100 * np.sin(rows / 9) * np.cos(cols / 11)).astype(np.uint8)
    source, out = write_placed(tmp_path / "in.tif", image), tmp_path / "out.tif"
    run("warp", source, "-o", out, "--to-crs", "EPSG:3857", "--kernel", "cubic")
    pixels = tifffile.imread(out)
    expected = np.zeros_like(pixels)
    warp.reproject(
        image, expected, src_transform=rasterio.Affine(*UTM), src_crs="EPSG:32632",
        dst_transform=rasterio.Affine(*transform_of(out)), dst_crs="EPSG:3857",
        resampling=warp.Resampling.cubic, tolerance=0.0,
    )  # fmt: skip
    inner = (np.abs(true_ramps(out) - [100, 75]) < [96, 71]).all(axis=-1)
    assert np.abs(pixels.astype(int) - expected)[inner].max() <= 1


def test_what_shrinks_is_averaged(run, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (300, 300)).astype(np.uint8)
    source, out = write_placed(tmp_path / "in.tif", image), tmp_path / "out.tif"
    run("warp", source, "-o", out, "--to-crs", "EPSG:3857", "--resolution", 140)
    inner = tifffile.imread(out)[5:-5, 5:-5]
    assert abs(inner.mean() - 127.5) < 3
    assert inner.std() < 20


def test_colours_alpha_and_masks(run, tmp_path):
    image = np.full((*SHAPE, 4), 200, np.uint8)
    image[..., 3] = 255
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    write_placed(source, image, photometric="rgb", extrasamples=["unassalpha"])
    run("warp", source, "-o", out, "--to-crs", "EPSG:3413")
    pixels = tifffile.imread(out)
    assert set(np.unique(pixels[..., 3])) >= {0, 255}
    assert (pixels[pixels[..., 3] == 255][:, :3] == 200).all()
    write_placed(tmp_path / "b.tif", image[..., :3], photometric="rgb")
    run("warp", tmp_path / "b.tif", "-o", tmp_path / "c.tif", "--to-crs", "EPSG:3413",
        "--border", "transparent")  # fmt: skip
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "c.tif"), pixels)


def test_tiles_and_memory_make_no_difference(run, tmp_path, scene):
    results = []
    for number, options in enumerate([(), ("--tile", 16), ("--tile", 64, "--memory", "448M"),
                                      ("--workers", 2)]):  # fmt: skip
        out = tmp_path / f"{number}.tif"
        if "--workers" in options:
            pytest.importorskip("distributed")
        run("warp", scene, "-o", out, "--to-crs", "EPSG:3413", "--range", "0,250", *options)
        results.append(tifffile.imread(out))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


# -- grids --------------------------------------------------------------------------------


def test_bounds_size_and_resolution(run, tmp_path, scene):
    out = tmp_path / "out.tif"
    bounds = "861000,5653500,862000,5654500"
    command = ("warp", scene, "-o", out, "--to-crs", "EPSG:3857", "--bounds", bounds, "--overwrite")
    run(*command, "--resolution", "10,20")
    assert tifffile.imread(out).shape == (50, 100, 2)
    assert transform_of(out) == pytest.approx((10, 0, 861000, 0, -20, 5654500))
    run(*command, "--size", "40x")
    assert tifffile.imread(out).shape == (40, 40, 2)
    run(*command)
    a, _, c, _, e, f = transform_of(out)
    rows, cols = tifffile.imread(out).shape[:2]
    assert (c, f, c + a * cols, f + e * rows) == pytest.approx((861000, 5654500, 862000, 5653500))


def test_like_a_file(run, tmp_path, scene):
    like, out = tmp_path / "like.tif", tmp_path / "out.tif"
    run("warp", scene, "-o", like, "--to-crs", "EPSG:3857", "--resolution", 33)
    run("warp", scene, "-o", out, "--like", like, "--range", "0,250")
    assert transform_of(out) == transform_of(like)
    assert tifffile.imread(out).shape == tifffile.imread(like).shape
    run("warp", like, "-o", tmp_path / "same.tif", "--like", like, "--range", "0,250")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "same.tif"), tifffile.imread(like))


def test_the_same_system_only_moves_the_grid(run, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)
    source, out = write_placed(tmp_path / "in.tif", image), tmp_path / "out.tif"
    run("warp", source, "-o", out, "--to-crs", "EPSG:32632", "--bounds",
        "400100,5007000,401100,5007900", "--resolution", 10)  # fmt: skip
    np.testing.assert_array_equal(tifffile.imread(out), image[10:100, 10:110])


def test_the_system_of_the_input_can_be_told(run, tmp_path):
    image = np.full(SHAPE, 7, np.uint8)
    source = write_placed(tmp_path / "in.tif", image, system="EPSG:32633")
    run("warp", source, "-o", tmp_path / "out.tif", "--to-crs", "EPSG:3857",
        "--from-crs", "EPSG:32632")  # fmt: skip
    other = write_placed(tmp_path / "b.tif", image)
    run("warp", other, "-o", tmp_path / "out2.tif", "--to-crs", "EPSG:3857")
    assert transform_of(tmp_path / "out.tif") == transform_of(tmp_path / "out2.tif")


def test_work_goes_on_where_it_was_interrupted(run, tmp_path, scene, monkeypatch):
    from lerf_core.tiled import work

    command = ("warp", scene, "-o", tmp_path / "out.tif", "--to-crs", "EPSG:3857", "--tile", 32,
               "--range", "0,250", "--threads", 1)  # fmt: skip
    put_block, count = work.Work.put_block, []

    def failing(self, region):
        count.append(region)
        if len(count) == 5:
            raise OSError("the power is gone")
        return put_block(self, region)

    monkeypatch.setattr(work.Work, "put_block", failing)
    monkeypatch.setattr("lerf_core.tiled.blocks._MOST_SIDE", 64)
    run(*command, code=1)
    result = run(*command, "--resume")
    assert "resumed" in result.stderr
    run(*command[:3], tmp_path / "whole.tif", *command[4:])
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "out.tif"), tifffile.imread(tmp_path / "whole.tif")
    )


# -- what cannot be -----------------------------------------------------------------------


def test_files_that_do_not_say_where_they_lie(run, tmp_path):
    image = np.full(SHAPE, 7, np.uint8)
    tifffile.imwrite(tmp_path / "bare.tif", image)
    write_geotiff(tmp_path / "nameless.tif", image, (34735, 3, 4, (1, 1, 0, 0), True))
    ties = (0.0, 0.0, 0.0, 6.0, 47.0, 0.0, 80.0, 60.0, 0.0, 26.0, 32.0, 0.0)
    write_geotiff(tmp_path / "points.tif", image, (33922, 12, 12, ties, True))
    for name, words in [("bare", "does not say where on the earth it lies"),
                        ("nameless", "names no system of coordinates"),
                        ("points", "--gcps")]:  # fmt: skip
        result = run("warp", tmp_path / f"{name}.tif", "-o", tmp_path / "out.tif", "--to-crs",
                     "EPSG:3857", code=1)  # fmt: skip
        assert words in result.stderr
        assert len(result.stderr.strip().splitlines()) == 2  # and the tally
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(("options", "words"), [
    (("--to-crs", "EPSG:999999"), "'--to-crs': no system of coordinates: 'EPSG:999999'"),
    (("--to-crs", "EPSG:4978"), "no system of places"),
    (("--to-crs", "EPSG:3857", "--from-crs", "what"), "no system of coordinates: 'what'"),
    (("--resolution", "3", "--rotate", "3"), "--resolution goes with --to-crs"),
    (("--to-crs", "EPSG:3857", "--rotate", "3"), "exactly one of"),
    (("--to-crs", "EPSG:3857", "--fit"), "--fit does not go with --to-crs"),
    (("--to-crs", "EPSG:3857", "--resolution", "0"), "above 0"),
    (("--to-crs", "EPSG:3857", "--bounds", "3,0,1,1"), "west lies before east"),
    (("--to-crs", "EPSG:3857", "--size", "9x9", "--resolution", "3"), "exclude each other"),
    (("--like", "IN", "--size", "9x9"), "--like has a grid"),
    (("--like", "missing.tif"), "missing.tif"),
    (("--like", "IN", "--to-crs", "EPSG:3857"), "is in EPSG:32632, not in EPSG:3857"),
])  # fmt: skip
def test_wrong_use(run, tmp_path, scene, options, words):
    options = [scene if option == "IN" else option for option in options]
    result = run("warp", scene, "-o", tmp_path / "out.tif", *options, code=2)
    assert words in " ".join(result.stderr.split())
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(("options", "words"), [
    (("--to-crs", "EPSG:3857", "--bounds", "0,0,1,1"), "nothing of it lies within 0,0,1,1"),
    (("--to-crs", "+proj=ortho +lon_0=190 +type=crs"), "nothing of the image has a place"),
])  # fmt: skip
def test_empty_results_are_none(run, tmp_path, scene, options, words):
    result = run("warp", scene, "-o", tmp_path / "out.tif", *options, code=1)
    assert words in result.stderr
    assert not (tmp_path / "out.tif").exists()


def test_only_tiled_formats(run, tmp_path, scene):
    result = run("warp", scene, "-o", tmp_path / "out.png", "--to-crs", "EPSG:3857", code=1)
    assert "name it .tif or .zarr" in result.stderr
    result = run("warp", scene, "-o", tmp_path / "{width}.tif", "--to-crs", "EPSG:3857", code=1)
    assert "not known before it is opened" in result.stderr


def test_the_extra_is_named(run, tmp_path, scene, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyproj", None)
    result = run("warp", scene, "-o", tmp_path / "out.tif", "--to-crs", "EPSG:3857", code=2)
    assert "pip install 'lerf[geo]'" in result.stderr


def test_a_dry_run_tells_the_size(run, tmp_path, scene):
    result = run("warp", scene, "-o", tmp_path / "out.tif", "--to-crs", "EPSG:3857", "--size",
                 "50x40", "--dry-run")  # fmt: skip
    assert "200x150" in result.stdout
    assert "50x40" in result.stdout


# -- ground control points ----------------------------------------------------------------


def write_points(path, pixels, places, system="EPSG:32632"):
    """Write a GeoTIFF with ground control points: (col, row, x, y) each."""
    points = tuple((*place, 0.0) for place in places)
    tags = geo_tags(Georeference(None, keys_of_system(system), points), "", None)
    return write_geotiff(path, pixels, *tags)


def control_points():
    """Return points all over an image, on a transform."""
    cols, rows = (grid.ravel() for grid in np.meshgrid([0.0, 70, 130, 200], [0.0, 45, 80, 150]))
    return list(zip(cols, rows, UTM[2] + 10 * cols, UTM[5] - 10 * rows, strict=True))


@pytest.mark.parametrize("order", [(), ("1",), ("2",), ("3",)])
def test_control_points_place_an_image_as_a_transform_does(run, tmp_path, order):
    image = ramps()[..., 0] / 250
    placed = write_placed(tmp_path / "placed.tif", image)
    source = write_points(tmp_path / "in.tif", image, control_points())
    command = ("--to-crs", "EPSG:3857", "--kernel", "linear")
    run("warp", placed, "-o", tmp_path / "a.tif", *command)
    result = run("warp", source, "-o", tmp_path / "b.tif", *command, "--gcps", *order)
    assert f"16 ground control points, order {(*order, '2')[0]}" in result.stderr
    a, b = (tifffile.imread(tmp_path / f"{name}.tif") for name in "ab")
    assert transform_of(tmp_path / "b.tif") == pytest.approx(transform_of(tmp_path / "a.tif"))
    np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(("points", "options", "words"), [
    (control_points()[:2], (), "wants 3 ground control points, and there are 2"),
    (control_points()[:5], ("2",), "wants 6 ground control points"),
    (control_points()[:4], (), "lie on a line"),
])  # fmt: skip
def test_points_that_place_nothing(run, tmp_path, points, options, words):
    source = write_points(tmp_path / "in.tif", np.zeros(SHAPE, np.uint8), points)
    result = run("warp", source, "-o", tmp_path / "out.tif", "--to-crs", "EPSG:3857", "--gcps",
                 *options, code=1)  # fmt: skip
    assert words in result.stderr


def test_points_that_are_not_there(run, tmp_path, scene):
    result = run("warp", scene, "-o", tmp_path / "out.tif", "--to-crs", "EPSG:3857", "--gcps",
                 code=1)  # fmt: skip
    assert "no ground control points" in result.stderr


@pytest.mark.parametrize("way", [(), ("--gcps", "1"), ("--gcps", "thin-plate")])
def test_points_of_qgis_place_an_image_that_says_of_no_place(run, tmp_path, way):
    image = ramps()[..., 0] / 250
    source = write_points(tmp_path / "points.tif", image, control_points())
    tifffile.imwrite(tmp_path / "bare.tif", image, photometric="minisblack")
    lines = ["#CRS: EPSG:32632", "mapX,mapY,sourceX,sourceY,enable,dX,dY,residual"]
    lines += [f"{x},{y},{col},{-row},1,0,0,0" for col, row, x, y in control_points()]
    lines += ["0,0,0,0,0,0,0,0"]
    (tmp_path / "scan.points").write_text("\n".join(lines))
    command = ("--to-crs", "EPSG:3857", "--kernel", "linear", *way)
    points = ("--points", tmp_path / "scan.points")
    run("warp", source, "-o", tmp_path / "a.tif", *command, *(() if way else ("--gcps",)))
    result = run("warp", tmp_path / "bare.tif", "-o", tmp_path / "b.tif", *command, *points)
    assert "16 ground control points" in result.stderr
    assert "met exactly" in result.stderr
    np.testing.assert_array_equal(*(tifffile.imread(tmp_path / f"{name}.tif") for name in "ab"))
    assert transform_of(tmp_path / "a.tif") == transform_of(tmp_path / "b.tif")
    result = run("warp", source, "-o", tmp_path / "c.tif", *command, *points, code=1)
    assert "it says itself where it lies" in result.stderr
    (tmp_path / "scan.points").write_text("\n".join(lines[1:]))
    result = run("warp", tmp_path / "bare.tif", "-o", tmp_path / "c.tif", *command, *points, code=2)
    told = " ".join(result.stderr.split())
    assert "names no system: --from-crs is to" in told
    assert "'--to-crs' / '--points'" in told


# -- all around the world -----------------------------------------------------------------


@pytest.mark.parametrize("west", [-180.0, 0.0])
@pytest.mark.parametrize("target", ["EPSG:3413", "EPSG:3857", "EPSG:3832"])
def test_a_world_has_no_seam(run, tmp_path, west, target):
    world = np.full((180, 360), 200, np.uint8)
    source = write_placed(tmp_path / "in.tif", world, "EPSG:4326", (1.0, 0, west, 0, -1.0, 90.0))
    out = tmp_path / "out.tif"
    bounds = ("--bounds", "-3e6,-3e6,3e6,3e6") if target == "EPSG:3413" else ()
    run("warp", source, "-o", out, "--to-crs", target, "--size", "300x300", *bounds)
    pixels = tifffile.imread(out)
    assert (pixels == 200).mean() > 0.99
    # Where the result's outline is that of Mercator's world.
    assert (pixels[2:-2, 2:-2] == 200).all()


def test_what_lies_beyond_a_belt_of_the_world_is_outside(run, tmp_path):
    belt = np.full((100, 360), 200, np.uint8)
    source = write_placed(tmp_path / "in.tif", belt, "EPSG:4326", (1.0, 0, -180, 0, -1.0, 50.0))
    out = tmp_path / "out.tif"
    run("warp", source, "-o", out, "--to-crs", "EPSG:3413", "--bounds", "-6e6,-6e6,6e6,6e6",
        "--size", "300x300")  # fmt: skip
    pixels = tifffile.imread(out)
    a, _, c, _, _, f = transform_of(out)
    rows, cols = np.indices(pixels.shape) + 0.5
    _, lat = pyproj.Transformer.from_crs("EPSG:3413", "EPSG:4326", always_xy=True).transform(
        c + a * cols, f - a * rows
    )
    np.testing.assert_array_equal(pixels == 200, lat <= 50)
    assert set(np.unique(pixels)) == {0, 200}


# -- bands --------------------------------------------------------------------------------


def test_each_band_misses_its_own_pixels(run, tmp_path):
    pixels = ramps()
    pixels[40:60, 50:80, 0] = -9999
    source = write_placed(tmp_path / "in.tif", pixels, nodata="-9999", planarconfig="contig")
    out = tmp_path / "out.tif"
    run("warp", source, "-o", out, "--to-crs", "EPSG:3857", "--kernel", "cubic")
    result, expected = tifffile.imread(out), true_ramps(out)
    hole = (np.abs(expected - [65, 50]) < [13, 8]).all(axis=-1)
    assert hole.any()
    assert (result[hole][:, 0] == -9999).all()
    np.testing.assert_allclose(result[hole][:, 1], expected[hole][:, 1], atol=0.01)


def test_internal_masks_go_along(run, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    mask = np.full(SHAPE, 255, np.uint8)
    mask[40:60, 50:80] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(
        source, "w", driver="GTiff", height=SHAPE[0], width=SHAPE[1], count=3, dtype="uint8",
        crs="EPSG:32632", transform=rasterio.Affine(*UTM), photometric="rgb",
    ) as file:  # fmt: skip
        file.write(np.full((3, *SHAPE), 77, np.uint8))
        file.write_mask(mask)
    run("warp", source, "-o", out, "--to-crs", "EPSG:3857")
    with rasterio.open(out) as file:
        valid = file.read_masks(1) > 0
        assert (file.read()[:, valid] == 77).all()
    expected = true_ramps(out)
    hole = (np.abs(expected - [65, 50]) < [13, 8]).all(axis=-1)
    outside = (np.abs(expected - [100, 75]) > [101, 76]).any(axis=-1)
    assert not valid[hole | outside].any()
    inner = (np.abs(expected - [100, 75]) < [98, 73]).all(axis=-1)
    assert valid[inner & (np.abs(expected - [65, 50]) > [17, 12]).any(axis=-1)].all()


# -- Zarr ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["EPSG:3857", "+proj=laea +lat_0=45 +lon_0=8 +ellps=GRS80"])
def test_zarr_says_where_it_lies(run, tmp_path, scene, target):
    zarr = pytest.importorskip("zarr")
    options = ("--to-crs", target, "--resolution", "20")
    run("warp", scene, "-o", tmp_path / "out.tif", *options)
    told = run("warp", scene, "-o", tmp_path / "out.zarr", *options, "--pyramid", 3).stderr
    assert "georeferencing" not in told
    place = transform_of(tmp_path / "out.tif")
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    attributes = dict(group.attrs)
    assert attributes["spatial:transform"] == list(place)
    assert attributes["spatial:dimensions"] == ["y", "x"]
    assert [item["name"] for item in attributes["zarr_conventions"]] == ["proj", "spatial"]
    if target.startswith("EPSG"):
        assert attributes["proj:code"] == target
    else:
        points = [
            pyproj.Transformer.from_crs(4326, system, always_xy=True).transform(8.5, 46)
            for system in (attributes["proj:wkt2"], target)
        ]
        np.testing.assert_allclose(*points, atol=1e-6)
    coarse = dict(group["2"].attrs)
    assert coarse["spatial:transform"] == [80, 0, place[2], 0, -80, place[5]]
    assert coarse["spatial:shape"] == list(group["2"].shape[-2:])
    with open_reader(tmp_path / "out.zarr", level=2) as source:
        assert source.metadata.georeference.transform == tuple(coarse["spatial:transform"])
        assert not source.metadata.attributes
    # And back, from where it says that it lies: as from the TIFF.
    for name in ("out.tif", "out.zarr"):
        back = tmp_path / f"back_{name.partition('.')[2]}.tif"
        run("warp", tmp_path / name, "-o", back, "--like", scene, "--nodata", "-9999")
    by_channels = np.moveaxis(tifffile.imread(tmp_path / "back_tif.tif"), -1, 0)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "back_zarr.tif"), by_channels)


def test_resizes_of_zarr_move_its_place(run, tmp_path, scene):
    pytest.importorskip("zarr")
    run("resize", scene, "-o", tmp_path / "a.zarr", "--scale", 0.5)
    run("resize", tmp_path / "a.zarr", "-o", tmp_path / "b.tif", "--size", "50x75", "--fit", "fill")
    assert transform_of(tmp_path / "b.tif") == (40, 0, 400000, 0, -20, 5008000)


def test_addresses_are_read_by_the_tiles_that_bounds_need(run, tmp_path):
    """And the result is that of the file; `--like` takes an address as well."""
    pytest.importorskip("aiohttp")
    pixels = np.random.default_rng(8).integers(0, 255, (2000, 2000), dtype=np.uint8)
    source = write_placed(tmp_path / "in.tif", pixels, tile=(128, 128), compression="zlib")
    data = source.read_bytes()
    options = ("--to-crs", "EPSG:3857", "--resolution", 15)
    bounds = ("--bounds", "870000,5648000,874000,5652000")
    with served({"in.tif": data}) as server:
        address = server.address("in.tif")
        run("warp", address, "-o", tmp_path / "remote.tif", *options, *bounds)
        assert server.sent < len(data) / 4
        run("warp", source, "-o", tmp_path / "file.tif", *options, *bounds)
        run("warp", tmp_path / "file.tif", "-o", tmp_path / "back.tif", "--like", address)
    remote, local = (tifffile.imread(tmp_path / name) for name in ("remote.tif", "file.tif"))
    assert remote.any()
    np.testing.assert_array_equal(remote, local)
    assert tifffile.imread(tmp_path / "back.tif").shape == (2000, 2000)
