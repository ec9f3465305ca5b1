"""Missing values: they spoil what shows them, and nothing else."""

import numpy as np
import pytest
from support.images import noise

from lerf_core import rescale, warp
from lerf_core.pixels.nodata import can_hold, keep_off


def test_one_nan_spoils_its_footprint_only(random_banks):
    for bank in random_banks:
        image = noise((20, 20), "float32")
        clean = rescale(image, 2, bank=bank)
        image[9, 11] = np.nan
        out = rescale(image, 2, bank=bank)
        rows, cols = np.nonzero(np.isnan(out))
        assert ((rows >= 17) & (rows <= 20) & (cols >= 21) & (cols <= 24)).all()
        reach = 2 * (bank.reach * len(bank.stages) + 1)
        far = np.ones(out.shape, bool)
        far[18 - reach : 20 + reach, 22 - reach : 24 + reach] = False
        np.testing.assert_array_equal(out[far], clean[far])


def test_nan_comes_out_where_it_lies():
    image = noise((9, 9), "float64")
    image[4, 4] = np.nan
    out = rescale(image, 2, bank="analytic")
    assert np.argwhere(np.isnan(out)).tolist() == [[8, 8], [8, 9], [9, 8], [9, 9]]


def test_nodata_is_left_out_of_the_means():
    image = np.full((12, 12), 200, np.uint8)
    image[4:7, 4:7] = 0
    out = rescale(image, 2, nodata=0, bank="analytic")
    assert set(np.unique(out)) == {0, 200}
    assert (out[9:13, 9:13] == 0).all()
    assert (out == 0).sum() == 36


def test_infinite_values_are_missing():
    image = np.ones((9, 9), np.float32)
    image[4, 4] = np.inf
    out = rescale(image, 2, bank="analytic")
    assert np.isfinite(out).sum() == out.size - 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_enormous_floats_count_as_infinite(dtype):
    image = noise((9, 9), dtype)
    image[4, 4] = np.finfo(dtype).max / 2
    image[0, 0] = 1e20
    out = rescale(image, 2, bank="analytic")
    assert np.isnan(out).sum() == 4
    assert np.isclose(out[0, 0], 1e20, rtol=0.2)


def test_nodata_keeps_its_units_in_unit_floats():
    image = np.full((8, 8), 100, np.uint8)
    image[2:4, 2:4] = 255
    out = rescale(image, 2, preserve_range=False, nodata=255, bank="analytic")
    assert set(np.unique(out.round(6))) == {round(100 / 255, 6), 1.0}


@pytest.mark.parametrize("missing", [np.nan, -9999.0])
def test_a_missing_value_outside_is_never_blended(missing):
    image = np.full((8, 8), 5, np.float32)
    nodata = None if np.isnan(missing) else missing
    out = warp(image, [[1, 0, -2.25], [0, 1, 0]], cval=missing, nodata=nodata, value_range=(0, 10))
    assert np.isin(out, [5, missing]).all() or (np.isnan(out) | (out == 5)).all()
    assert (out[:, 2:] == 5).all()
    assert not (out[:, :2] == 5).any()


# -- valid results and nodata -------------------------------------------------------------


def dark_beside_bright(dtype="uint8"):
    """An image whose overshoot reaches 0 beside an edge, with missing pixels (0) far from it."""
    y, x = np.mgrid[:60, :80]
    image = np.where(x + 0.3 * y < 40, 180, 3).astype(dtype)
    image[(x - y) > 60] = 0
    return image


@pytest.mark.parametrize("engine", ["reference", "numba"])
@pytest.mark.parametrize("scale", [1.5, 2, 3])
def test_valid_results_never_become_nodata(scale, engine):
    image = dark_beside_bright()
    bare = image.copy()
    bare[image == 0] = 3
    assert (rescale(bare, scale) == 0).any()
    out = rescale(image, scale, nodata=0, engine=engine)
    y, x = np.mgrid[: out.shape[0], : out.shape[1]]
    inside = (x - y) / scale < 55
    assert not (out[inside] == 0).any()
    assert (out[inside] == 1).any()


@pytest.mark.parametrize(("dtype", "nodata", "moved"), [
    ("uint8", 0, 1), ("uint8", 255, 254), ("uint8", 7, 8), ("uint8", 200, 199),
    ("int16", -32768, -32767), ("int16", -9999, -9998), ("int16", 0, 1), ("uint16", 65535, 65534),
    ("float32", -9999, -9998.99), ("float64", -9999, -9998.99), ("float32", 0, 1.2e-38),
    ("float16", -9999, -9992),
])  # fmt: skip
def test_values_are_moved_by_one_step_towards_the_middle(dtype, nodata, moved):
    dtype = np.dtype(dtype)
    info = np.iinfo(dtype) if dtype.kind in "iu" else None
    middle = (float(info.min) + float(info.max)) / 2 if info else 0.5
    values = np.array([nodata, 3], dtype)
    keep_off(values, middle, nodata)
    assert values[0] == pytest.approx(moved, rel=1e-5)
    assert values[0] != np.dtype(dtype).type(nodata)
    assert values[1] == 3


@pytest.mark.parametrize("nodata", [None, np.nan, np.inf, -9999, 0.5, 256, 1e300])
def test_a_value_that_bytes_cannot_take_moves_nothing(nodata):
    values = np.arange(256, dtype=np.uint8)
    keep_off(values, 127.5, nodata)
    assert values.tolist() == list(range(256))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_moved_farther_than_readers_tell_values_apart(dtype):
    """GDAL takes floats for equal that differ by some units in the last place of a float32."""
    image = np.full((8, 8), -9999.0, dtype)
    image[:, 4:] = -9999.001
    out = rescale(image, 2, nodata=-9999, value_range=(-10000, 0))
    assert set(np.unique(out[:, :7])) == {-9999}
    assert (np.abs(out[:, 9:] + 9999) > 0.005).all()


@pytest.mark.parametrize(
    "options", [{"fast": True}, {"alpha": "separate"}, {"linear_light": True}, {}]
)
def test_colours_keep_off_nodata_too(options):
    image = np.stack([dark_beside_bright(), dark_beside_bright().T[:60, :].repeat(2, 1)[:, :80],
                      np.full((60, 80), 90, np.uint8)], axis=-1)  # fmt: skip
    image[image == 0] = 3
    plain = rescale(image, 2, channel_axis=-1, **options)
    out = rescale(image, 2, channel_axis=-1, nodata=0, **options)
    assert (plain == 0).any()
    np.testing.assert_array_equal(out, np.maximum(plain, 1))


def test_colours_with_alpha_keep_off_nodata():
    grey = dark_beside_bright()
    image = np.stack([grey, np.full_like(grey, 255)], axis=-1)
    out = rescale(image, 2, channel_axis=-1, nodata=0)
    y, x = np.mgrid[:120, :160]
    assert (out[(x - y) / 2 < 55][:, 0] > 0).all()
    assert (out[(x - y) / 2 > 65][:, 1] == 0).all()


def test_copied_pixels_stay_as_they_are():
    image = dark_beside_bright()
    np.testing.assert_array_equal(rescale(image, 1, nodata=180), image)
    nearest = rescale(image, 2, nodata=180, method="nearest")
    np.testing.assert_array_equal(nearest[::2, ::2], image)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_a_warp_mixes_no_missing_value_into_the_border(dtype):
    image = np.full((20, 20), 100, dtype)
    image[:6] = 7
    image[:, :3] = 7
    out = warp(image, [[0.8, 0.3, -1.5], [-0.3, 0.8, 3.2]], cval=50, nodata=7, value_range=(0, 255))
    assert (out == 7).any()
    assert not ((out != 7) & (out < 50)).any()


def test_a_constant_border_of_nodata_is_missing():
    image = np.full((8, 8), 100, np.uint8)
    out = rescale(image, 2, mode="constant", cval=3, nodata=3)
    assert set(np.unique(out)) <= {3, 100}


@pytest.mark.parametrize(("dtype", "nodata", "expected"), [
    ("uint8", 0, True), ("uint8", -1, False), ("uint8", 0.5, False), ("uint8", np.nan, False),
    ("int16", -32768, True), ("float32", np.nan, True), ("float32", 1e300, False),
    ("bool", 1, True), ("bool", 2, False),
])  # fmt: skip
def test_which_values_pixels_can_have(dtype, nodata, expected):
    assert can_hold(np.dtype(dtype), nodata) is expected
