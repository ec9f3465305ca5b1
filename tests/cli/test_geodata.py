"""GeoTIFF: a result says truly where it lies, what is missing in it, and what its bands are."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tifffile
from support.geodata import (
    BANDS,
    DEGREE_QUARTERS,
    FLATTENING,
    centre_of_brightness,
    keys,
    placed_by_matrix,
    placed_by_scale,
    tags_of,
    text_tag,
    transform_of,
    write_geotiff,
)

WAYS = pytest.mark.parametrize("tiles", [(), ("--tile", 64)], ids=["whole", "tiled"])
ROTATED = (0.2, 0.1, 6.0, 0.1, -0.2, 47.0)
SOUTH_UP = (0.25, 0.0, 6.0, 0.0, 0.25, 40.0)


@pytest.fixture
def heights() -> np.ndarray:
    """A slope of heights with a hole of missing ones and a scattering of them."""
    image = np.linspace(100, 900, 60 * 80, dtype=np.float32).reshape(60, 80)
    image[10:20, 10:20] = -9999
    image[40::7, 30::5] = -9999
    return image


def mixtures(pixels: np.ndarray, nodata: float, low: float, high: float) -> int:
    """Return how many values are neither data nor the value that means missing."""
    return int(((pixels != nodata) & ((pixels < low) | (pixels > high))).sum())


# -- places -------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("scale", [2, 0.5, 1.3, "2x3"])
@pytest.mark.parametrize("words", [{}, {"byteorder": ">"}, {"bigtiff": True, "tile": (32, 32)}])
def test_a_resize_scales_the_transform_at_its_corner(run, tmp_path, heights, tiles, scale, words):
    source = write_geotiff(tmp_path / "in.tif", heights, nodata="-9999", **words)
    out = tmp_path / "out.tif"
    run("resize", source, "-o", out, "--scale", scale, *tiles)
    across, down = (float(part) for part in (str(scale).split("x") * 2)[:2])
    a, b, c, d, e, f = transform_of(out)
    assert (a, b, d, e) == pytest.approx((0.25 / across, 0, 0, -0.25 / down))
    # Sides are rounded up: the result may reach beyond the corner by less than a pixel.
    rows, cols = tifffile.imread(out).shape
    left, top = (cols - 80 * across) / 2, (rows - 60 * down) / 2
    assert (c, f) == pytest.approx((6 - left * a, 47 - top * e))
    tags = tags_of(out)
    assert tags[34735] == tags_of(source)[34735]
    assert tags[34736] == (FLATTENING,)
    assert tags[34737] == "WGS 84|"
    assert tags[42113] == "-9999"


@WAYS
@pytest.mark.parametrize("is_point", [False, True])
@pytest.mark.parametrize("transform", [DEGREE_QUARTERS, ROTATED, SOUTH_UP])
def test_every_way_of_placing_pixels(run, tmp_path, heights, tiles, is_point, transform):
    shift = 0.5 if is_point else 0.0
    a, b, c, d, e, f = transform
    places = (
        placed_by_scale(transform, shift) if transform == DEGREE_QUARTERS else
        placed_by_matrix((a, b, c + shift * (a + b), d, e, f + shift * (d + e)))
    )  # fmt: skip
    source = write_geotiff(tmp_path / "in.tif", heights, *keys(is_point=is_point), *places)
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, *tiles)
    expected = (a / 2, b / 2, c, d / 2, e / 2, f)
    assert transform_of(tmp_path / "out.tif") == pytest.approx(expected)


@WAYS
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_that_are_turned_upright_stay_in_their_place(run, tmp_path, tiles, orientation):
    pixels = np.full((20, 30), 10, np.uint8)
    pixels[3:7, 20:25] = 250
    tag = (274, 3, 1, orientation, True)
    source = write_geotiff(tmp_path / "in.tif", pixels, tag, *placed_by_matrix(ROTATED))
    out = tmp_path / "out.tif"
    run("resize", source, "-o", out, "--scale", 3, *tiles)
    place = centre_of_brightness(tifffile.imread(out), transform_of(out))
    assert place == pytest.approx(centre_of_brightness(pixels, ROTATED), abs=0.02)


@WAYS
@pytest.mark.parametrize("options", [
    ("--rotate", 30), ("--rotate", 90), ("--matrix", "1.2 0.2 3 -0.1 0.9 9 0 0 1"),
    ("--matrix", "-1 0 79 0 1 0 0 0 1"),
])  # fmt: skip
def test_a_feature_stays_at_its_place_on_earth(run, tmp_path, tiles, options):
    pixels = np.full((60, 80), 100, np.uint16)
    pixels[20:26, 30:38] = 30000
    source = write_geotiff(tmp_path / "in.tif", pixels)
    out = tmp_path / "out.tif"
    run("warp", source, "-o", out, *options, *tiles)
    place = centre_of_brightness(tifffile.imread(out), transform_of(out))
    assert place == pytest.approx(centre_of_brightness(pixels, DEGREE_QUARTERS), abs=0.06)


@WAYS
def test_a_warp_that_is_not_affine_leaves_no_place(run, tmp_path, heights, tiles):
    source = write_geotiff(tmp_path / "in.tif", heights)
    result = run("warp", source, "-o", tmp_path / "out.tif", "--matrix",
                 "1 0 0 0 1 0 0.002 0 1", *tiles)  # fmt: skip
    assert "georeferencing dropped: this warp leaves no true one" in result.stderr
    assert not {33550, 33922, 34264, 34735} & set(tags_of(tmp_path / "out.tif"))


@WAYS
def test_control_points_move_with_their_pixels(run, tmp_path, heights, tiles):
    ties = (0.0, 0.0, 0.0, 6.0, 47.0, 1.0, 80.0, 60.0, 0.0, 26.0, 32.0, 2.0,
            40.0, 0.0, 0.0, 16.0, 47.0, 3.0)  # fmt: skip
    source = write_geotiff(
        tmp_path / "in.tif", heights, *keys(is_point=True), (33922, 12, 18, ties, True)
    )
    out = tmp_path / "out.tif"
    run("resize", source, "-o", out, "--scale", 2, *tiles)
    # Centres of pixels: half a pixel behind the corner, before and after.
    expected = np.array(ties).reshape(3, 6)
    expected[:, :2] = (expected[:, :2] + 0.5) * 2 - 0.5
    assert tags_of(out)[33922] == pytest.approx(tuple(expected.ravel()))
    assert 33550 not in tags_of(out)


@WAYS
def test_what_is_not_kept_is_told(run, tmp_path, heights, tiles):
    source = write_geotiff(tmp_path / "in.tif", heights, (50844, 12, 92, (1.0,) * 92, True))
    (tmp_path / "in.tif.aux.xml").write_text("<PAMDataset/>")
    (tmp_path / "in.tfw").write_text("1\n0\n0\n-1\n0\n0\n")
    result = run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, *tiles)
    assert "RPC (a camera's rational functions) dropped" in result.stderr
    assert "not read: in.tif.aux.xml beside it" in result.stderr
    bare = tmp_path / "in.tiff"
    tifffile.imwrite(bare, heights)
    result = run("resize", bare, "-o", tmp_path / "out2.tif", "--scale", 2, *tiles)
    assert "not read: in.tfw beside it" in result.stderr


@WAYS
def test_damaged_places_do_not_stop_the_pixels(run, tmp_path, heights, tiles):
    source = write_geotiff(
        tmp_path / "in.tif", heights, (34264, 12, 3, (1.0, 2.0, 3.0), True),
        text_tag(42112, "<GDALMetadata><Item>"), nodata="many",
    )  # fmt: skip
    result = run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, *tiles)
    for words in ("damaged georeferencing dropped", "damaged GDAL metadata dropped",
                  "GDAL_NODATA 'many' is no number: not obeyed"):  # fmt: skip
        assert words in result.stderr


@WAYS
def test_a_level_lies_where_the_whole_image_does(run, tmp_path, tiles):
    large = np.full((128, 192), 7, np.uint8)
    source = write_geotiff(tmp_path / "in.tif", large)
    run("resize", source, "-o", tmp_path / "a.tif", "--scale", 2, "--tile", 64, "--pyramid", 3)
    run("resize", tmp_path / "a.tif", "-o", tmp_path / "b.tif", "--scale", 2, "--level", 2)
    assert tifffile.imread(tmp_path / "b.tif").shape == (128, 192)
    assert transform_of(tmp_path / "b.tif") == pytest.approx(DEGREE_QUARTERS)


@WAYS
def test_bands_keep_their_names_and_lose_their_statistics(run, tmp_path, heights, tiles):
    source = write_geotiff(tmp_path / "in.tif", heights, text_tag(42112, BANDS))
    result = run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, *tiles)
    assert "statistics of bands dropped: untrue of other pixels" in result.stderr
    text = tags_of(tmp_path / "out.tif")[42112]
    assert 'role="description">Höhe</Item>' in text
    assert 'role="scale">0.1</Item>' in text
    assert "STATISTICS" not in text
    assert "OVR_RESAMPLING" not in text


@pytest.mark.parametrize("suffix", ["png", "jpg", "npy", "zarr"])
def test_other_formats_tell_what_they_cannot_hold(run, tmp_path, suffix):
    source = write_geotiff(tmp_path / "in.tif", np.full((20, 30), 9, np.uint8),
                           text_tag(42112, BANDS), nodata="0")  # fmt: skip
    result = run("resize", source, "-o", tmp_path / f"out.{suffix}", "--scale", 2)
    for words in ("the missing value", "GDAL's metadata"):
        assert words in result.stderr
    assert ("georeferencing" in result.stderr) == (suffix != "zarr")


# -- missing values -----------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("scale", [2, 0.5, 1.7])
def test_missing_pixels_of_a_file_are_obeyed(run, tmp_path, heights, tiles, scale):
    source = write_geotiff(tmp_path / "in.tif", heights, nodata="-9999")
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", scale, *tiles)
    pixels = tifffile.imread(tmp_path / "out.tif")
    assert (pixels == -9999).any()
    assert mixtures(pixels, -9999, 90, 910) == 0


@WAYS
@pytest.mark.parametrize(("dtype", "text", "missing"), [
    ("uint8", "0", 0), ("uint8", "255", 255), ("int16", "-32768", -32768),
    ("uint16", "65535", 65535), ("float32", "nan", np.nan), ("float32", "-nan", np.nan),
    ("float64", "1e+20", 1e20), ("float32", "-3.4028234663852886e+38", -3.4028234663852886e38),
    ("float32", "-3.40282346638529e+38", -3.4028234663852886e38), ("float32", "0.1", 0.1),
    ("float32", "-9999.000000", -9999), ("float16", "-9999", -9999),
])  # fmt: skip
def test_every_kind_of_missing_value(run, tmp_path, tiles, dtype, text, missing):
    image = (60 + 40 * np.indices((40, 50)).sum(0) / 90).astype(dtype)
    image[10:20, 15:30] = missing
    source = write_geotiff(tmp_path / "in.tif", image, nodata=text)
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, "--range", "0,200", *tiles)
    pixels = tifffile.imread(tmp_path / "out.tif")
    gaps = np.isnan(pixels) if math.isnan(missing) else pixels == image.dtype.type(missing)
    assert gaps.sum() == pytest.approx(600, abs=8)
    assert (np.abs(pixels[~gaps].astype(float) - 80) < 30).all()
    written = float(tags_of(tmp_path / "out.tif")[42113])
    assert written == pytest.approx(missing, rel=1e-12, nan_ok=True)


@WAYS
@pytest.mark.parametrize("text", ["-9999", "256", "0.5", "nan", "1e300"])
def test_a_value_that_pixels_cannot_have_is_none(run, tmp_path, tiles, text):
    image = np.random.default_rng(3).integers(0, 256, (30, 40), np.uint8)
    write_geotiff(tmp_path / "in.tif", image, nodata=text)
    tifffile.imwrite(tmp_path / "bare.tif", image)
    for name in ("in", "bare"):
        run("resize", tmp_path / f"{name}.tif", "-o", tmp_path / f"{name}2.tif", "--scale", 2,
            *tiles)  # fmt: skip
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "in2.tif"), tifffile.imread(tmp_path / "bare2.tif")
    )


@WAYS
def test_the_option_goes_before_the_file(run, tmp_path, tiles):
    image = np.random.default_rng(3).integers(1, 256, (30, 40), np.uint8)
    image[:9] = 0
    source = write_geotiff(tmp_path / "in.tif", image, nodata="0")
    tifffile.imwrite(tmp_path / "bare.tif", image)
    command = ("resize", "--scale", 2, *tiles)
    run(*command, tmp_path / "bare.tif", "-o", tmp_path / "a.tif", "--nodata", 7)
    run(*command, source, "-o", tmp_path / "b.tif", "--nodata", 7)
    run(*command, tmp_path / "bare.tif", "-o", tmp_path / "c.tif")
    run(*command, source, "-o", tmp_path / "d.tif", "--nodata", "none")
    run(*command, source, "-o", tmp_path / "e.tif")
    a, b, c, d, e = (tifffile.imread(tmp_path / f"{name}.tif") for name in "abcde")
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(c, d)
    assert (e[20:] > 0).all()
    assert not np.array_equal(e, c)
    assert tags_of(tmp_path / "b.tif")[42113] == "7"
    assert 42113 not in tags_of(tmp_path / "d.tif")


@WAYS
@pytest.mark.parametrize(("depth", "marker"), [("8", 0), ("16", 0)])
def test_another_depth_has_its_own_missing_value(run, tmp_path, heights, tiles, depth, marker):
    heights[30:, :40] = 0
    source = write_geotiff(tmp_path / "in.tif", heights, nodata="-9999")
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, "--depth", depth,
        "--range", "0,1000", *tiles)  # fmt: skip
    pixels = tifffile.imread(tmp_path / "out.tif")
    assert tags_of(tmp_path / "out.tif")[42113] == str(marker)
    # The low end of the range is data, beside the missing value.
    assert (pixels[64:, :70] == 1).mean() > 0.9
    assert (pixels[22:38, 22:38] == marker).all()


@WAYS
def test_a_range_that_is_measured_leaves_missing_values_out(run, tmp_path, heights, tiles):
    source = write_geotiff(tmp_path / "in.tif", heights, nodata="-9999")
    command = ("resize", source, "--scale", 2, *tiles)
    run(*command, "-o", tmp_path / "auto.tif", "--range", "auto")
    run(*command, "-o", tmp_path / "given.tif", "--range", "100,900")
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "auto.tif"), tifffile.imread(tmp_path / "given.tif")
    )


def test_levels_of_a_pyramid_mix_nothing(run, tmp_path, heights):
    source = write_geotiff(tmp_path / "in.tif", heights, nodata="-9999")
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", 3, "--tile", 32, "--pyramid", 4)
    with tifffile.TiffFile(tmp_path / "out.tif") as handle:
        levels = [level.asarray() for level in handle.series[0].levels]
    assert len(levels) == 4
    for level in levels:
        assert mixtures(level, -9999, 90, 910) == 0
        assert (level == -9999).any()


@WAYS
def test_labels_are_never_moved(run, tmp_path, tiles):
    image = np.random.default_rng(3).integers(0, 4, (30, 40), np.uint8)
    source = write_geotiff(tmp_path / "in.tif", image, nodata="2")
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, "--labels", *tiles)
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "out.tif"), image.repeat(2, 0).repeat(2, 1)
    )


@WAYS
def test_fast_gives_way_to_missing_values(run, tmp_path, tiles):
    image = np.random.default_rng(3).integers(1, 256, (30, 40, 3), np.uint8)
    image[:9, :9] = 0
    source = write_geotiff(tmp_path / "in.tif", image, nodata="0", photometric="rgb")
    command = ("resize", source, "--scale", 2, *tiles)
    result = run(*command, "-o", tmp_path / "a.tif", "--fast")
    run(*command, "-o", tmp_path / "b.tif")
    assert "--fast is for images without missing values: resized in full" in result.stderr
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "a.tif"), tifffile.imread(tmp_path / "b.tif")
    )


# -- as others read it --------------------------------------------------------------------


@WAYS
def test_rasterio_reads_the_same(run, tmp_path, heights, tiles):
    rasterio = pytest.importorskip("rasterio")
    source = tmp_path / "in.tif"
    with rasterio.open(
        source, "w", driver="GTiff", height=60, width=80, count=1, dtype="float32", nodata=-9999,
        crs="EPSG:32632", transform=rasterio.Affine(10, 0, 4e5, 0, -10, 5e6),
    ) as file:  # fmt: skip
        file.write(heights, 1)
        file.set_band_description(1, "Höhe")
        file.scales, file.offsets = (0.1,), (3.0,)
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, *tiles)
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.crs.to_epsg() == 32632
        assert tuple(file.transform)[:6] == (5, 0, 4e5, 0, -5, 5e6)
        assert file.nodata == -9999
        assert (file.descriptions, file.scales, file.offsets) == (("Höhe",), (0.1,), (3.0,))
        assert mixtures(file.read(1), -9999, 90, 910) == 0


# -- cloud-optimized GeoTIFFs -------------------------------------------------------------


def write_cog(path, side=600):
    """Write a tiled GeoTIFF with two reduced copies behind it."""
    image = np.linspace(10, 200, side * side).reshape(side, side).astype(np.uint8)
    with tifffile.TiffWriter(path) as writer:
        for level in range(3):
            tags = [] if level else [*keys(), *placed_by_scale(DEGREE_QUARTERS)]
            step = 2**level
            writer.write(image[::step, ::step], tile=(128, 128), subfiletype=int(level > 0),
                         photometric="minisblack", metadata=None, extratags=tags)  # fmt: skip
    return path


@pytest.mark.parametrize("options", [(), ("--tile", 256), ("--pyramid", 2), ("--level", 1)])
def test_a_cloud_optimized_file_stays_one(run, tmp_path, options):
    source, out = write_cog(tmp_path / "in.tif"), tmp_path / "out.tif"
    result = run("resize", source, "-o", out, "--scale", 2, *options)
    assert "left out" not in result.stderr
    step = 0.25 if "--level" in options else 0.125
    assert transform_of(out) == pytest.approx((step, 0, 6, 0, -step, 47))
    with tifffile.TiffFile(out) as handle:
        pages = list(handle.pages)
        assert len(handle.series) == 1
        levels = len(handle.series[0].levels)
    assert levels == len(pages) > 1
    assert all(page.is_tiled for page in pages)
    # All directories before all pixels, and the smallest level's pixels first.
    first = [min(page.dataoffsets) for page in pages]
    assert max(page.offset for page in pages) < min(first)
    assert first == sorted(first, reverse=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.tif", "out.tif"]


def test_a_validator_finds_nothing(run, tmp_path):
    pytest.importorskip("rasterio")
    cogeo = pytest.importorskip("rio_cogeo.cogeo")
    source = write_cog(tmp_path / "in.tif")
    for options in ((), ("--tile", 256), ("--pyramid", 3)):
        run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, "--overwrite", *options)
        is_valid, errors, warnings = cogeo.cog_validate(tmp_path / "out.tif", strict=True)
        assert (is_valid, errors, warnings) == (True, [], [])


# -- pixels that are not as they are stored -----------------------------------------------


@WAYS
@pytest.mark.parametrize(("words", "stored", "text", "expected"), [
    ({"bitspersample": 12}, 4095, "4095", 65535), ({"bitspersample": 12}, 0, "0", 0),
    ({"photometric": "miniswhite"}, 0, "0", None),
])  # fmt: skip
def test_the_missing_value_is_changed_with_its_pixels(
    run, tmp_path, tiles, words, stored, text, expected
):
    dtype = np.uint16 if "bitspersample" in words else np.uint8
    image = np.random.default_rng(2).integers(50, 200, (40, 50)).astype(dtype)
    image[5:15, 5:15] = stored
    expected = np.iinfo(dtype).max if expected is None else expected
    source = write_geotiff(tmp_path / "in.tif", image, nodata=text, **words)
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, *tiles)
    pixels = tifffile.imread(tmp_path / "out.tif")
    assert tags_of(tmp_path / "out.tif")[42113] == str(expected)
    assert (pixels == expected).sum() == pytest.approx(400, abs=8)


@WAYS
@pytest.mark.parametrize(("words", "text", "note"), [
    ({"bitspersample": 12}, "65535", "missing value 65535 left out: samples have 12 bits"),
    ({"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}, "3",
     "missing value 3, an index of the palette, is not obeyed"),
])  # fmt: skip
def test_a_missing_value_without_a_meaning_is_told(run, tmp_path, tiles, words, text, note):
    image = np.full((20, 30), 3, np.uint16 if "bitspersample" in words else np.uint8)
    source = write_geotiff(tmp_path / "in.tif", image, nodata=text, **words)
    result = run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, *tiles)
    assert note in result.stderr
    assert 42113 not in tags_of(tmp_path / "out.tif")


def test_each_page_has_its_own_place_and_missing_value(run, tmp_path):
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    with tifffile.TiffWriter(source) as writer:
        for value in (0, 255):
            image = np.full((30, 40), 100, np.uint8)
            image[5:15, 5:15] = value
            tags = [*keys(), *placed_by_scale((1, 0, value, 0, -1, 9)), text_tag(42113, str(value))]
            writer.write(image, metadata=None, photometric="minisblack", extratags=tags)
    run("resize", source, "-o", out, "--scale", 2)
    with tifffile.TiffFile(out) as handle:
        for page, value in zip(handle.pages, (0, 255), strict=True):
            assert page.tags[42113].value == str(value)
            assert page.tags[33922].value[3] == value
            assert page.tags[33550].value == (0.5, 0.5, 0)
            assert set(np.unique(page.asarray())) == {100, value}
