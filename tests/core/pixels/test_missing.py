"""Missing values: they spoil what shows them, and nothing else."""

import numpy as np
import pytest
from support.images import noise

from lerf_core import rescale, warp


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
