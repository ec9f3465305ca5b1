"""Masked arrays, of NumPy and of dask: what is masked is missing, and results are masked."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from support.combinations import each_pair_first
from support.images import noise

from lerf_core import Displacement, chunked, parameter_maps, rescale, resize, warp
from lerf_core.errors import InvalidTypeError
from lerf_core.geometry import rotation


def holed(dtype: str, shape: tuple[int, ...] = (30, 40), seed: int = 3) -> np.ma.MaskedArray:
    """A noisy image whose masked values, single ones and a block, are far from the others."""
    if dtype == "bool":
        data = np.random.default_rng(seed).random(shape) < 0.5
    else:
        data = noise(shape, dtype)
    mask = np.random.default_rng(seed).random(shape) < 0.05
    mask[8:15, 10:22] = True
    data = data.copy()
    data[mask] = 1 if dtype == "bool" else 255 if dtype == "uint8" else 999
    return np.ma.MaskedArray(data, mask, fill_value=1 if dtype == "bool" else 77)


DTYPES = pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
CALLS = {
    "larger": (rescale, 2.0, {}),
    "odd": (resize, (47, 31), {}),
    "smaller": (rescale, 0.6, {}),
    "constant": (rescale, 1.5, {"mode": "constant", "cval": 9}),
    "nearest": (rescale, 1.5, {"method": "nearest"}),
    "copied": (rescale, 1.0, {}),
    "rotated": (warp, rotation(20, (30, 40)), {}),
    "wrapped": (warp, rotation(20, (30, 40)), {"mode": "wrap"}),
    "turned": (warp, rotation(90, (30, 40)), {}),
    "shifted": (warp, [[1, 0, 3], [0, 1, -2]], {}),
    "field": (warp, Displacement(np.full((2, 30, 40), 0.3)), {}),
}
EACH = pytest.mark.parametrize("call", CALLS)


@DTYPES
@EACH
@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_a_mask_counts_as_nodata_does(dtype, call, engine):
    """A value that nothing else has, named as nodata, leaves out the same pixels."""
    function, target, options = CALLS[call]
    options = options | {"engine": engine, "value_range": (0, 255)}
    image = holed(dtype)
    image.data[~image.mask] = image.data[~image.mask].clip(0, 250)
    out = function(image, target, **options)
    marker = 255 if dtype == "uint8" else 999
    expected = function(np.ma.getdata(image), target, nodata=marker, **options)
    assert isinstance(out, np.ma.MaskedArray)
    assert out.dtype == image.dtype
    np.testing.assert_array_equal(np.ma.getmaskarray(out), expected == marker)
    valid = ~np.ma.getmaskarray(out)
    # Results that would be nodata are moved by one; of a masked array there is no such value. Where
    # what has been shrunk is enlarged, tables see the moved ones.
    difference = np.abs(out.data[valid].astype(float) - expected[valid])
    assert difference.max() <= (0 if marker == 999 else 4 if call == "odd" else 1)


@pytest.mark.parametrize("dtype", ["bool", "int32", "uint8"])
def test_labels_keep_their_masks(dtype):
    image = holed(dtype)
    out = rescale(image, 2, method="nearest")
    np.testing.assert_array_equal(out.mask, image.mask.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(out.data, image.data.repeat(2, 0).repeat(2, 1))
    assert out.fill_value == image.fill_value


def test_every_value_may_be_in_use():
    data = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = np.ma.MaskedArray(data, data == 7)
    out = rescale(image, 2)
    assert 1 <= out.mask.sum() <= 8
    assert out.count() == out.size - out.mask.sum()


@pytest.mark.parametrize("mask", [False, np.ma.nomask])
def test_nothing_masked_is_as_without(mask):
    image = noise((20, 30, 3), "uint8")
    out = rescale(np.ma.MaskedArray(image, mask), 1.7, channel_axis=-1)
    assert not np.ma.getmaskarray(out).any()
    np.testing.assert_array_equal(out.data, rescale(image, 1.7, channel_axis=-1))


def test_each_channel_has_its_mask():
    image = holed("float32", (30, 40, 3))
    out = rescale(image, 2, channel_axis=-1)
    for channel in range(3):
        alone = rescale(image[..., channel], 2)
        np.testing.assert_array_equal(out[..., channel].mask, alone.mask)
        np.testing.assert_array_equal(out[..., channel].compressed(), alone.compressed())
    first = rescale(np.moveaxis(image, -1, 0), 2, channel_axis=0)
    np.testing.assert_array_equal(np.moveaxis(first, 0, -1).filled(0), out.filled(0))


def test_more_planes():
    image = holed("uint8", (2, 3, 20, 24))
    out = rescale(image, 2)
    assert out.shape == (2, 3, 40, 48)
    alone = rescale(image[1, 2], 2)
    np.testing.assert_array_equal(out[1, 2].mask, alone.mask)
    np.testing.assert_array_equal(out[1, 2].compressed(), alone.compressed())


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_with_alpha_what_is_transparent_is_masked(dtype):
    data = np.full((20, 24, 4), 200, dtype)
    data[..., 3] = 255
    mask = np.zeros(data.shape, bool)
    mask[5:12, 6:15, 1] = True
    data[mask] = 3
    out = rescale(
        np.ma.MaskedArray(data, mask), 2, channel_axis=-1, value_range=(0, 255),
    )  # fmt: skip
    assert out.mask[12:22, 14:28].all()
    assert not out.mask[26:].any()
    assert (out[..., :3].compressed() == 200).all()


def test_unit_range_of_results():
    image = holed("uint8")
    out = rescale(image, 2, preserve_range=False)
    assert out.dtype == np.float64
    assert out.max() <= 1.2
    kept = rescale(image.astype(np.float32), 2, value_range=(0, 255))
    np.testing.assert_array_equal(out.mask, kept.mask)


def test_what_lies_outside_a_warp():
    image = np.ma.MaskedArray(np.full((20, 24), 0.5, np.float32), False)
    move = [[1, 0, -6.5], [0, 1, 0]]
    assert not warp(image, move, cval=9).mask.any()
    assert warp(image, move, cval=np.nan).mask[:, :6].all()
    assert not warp(image, move, cval=np.nan).mask[:, 8:].any()
    masked = np.ma.MaskedArray(np.full((20, 24), 100, np.uint8), False)
    masked[:, :4] = np.ma.masked
    out = warp(masked, move, cval=9)
    # The border's value as far as it reaches, then what is missing, and nothing between them.
    assert set(np.unique(out.compressed())) == {9, 100}


def test_missing_values_that_have_no_mask_are_missing_too():
    image = holed("float32")
    image.mask[:] = False
    image.data[4, 4] = np.nan
    assert rescale(image, 2, bank="analytic").mask.sum() == 4
    image = np.ma.MaskedArray(np.full((9, 9), 5, np.uint8), False)
    image.data[3:6, 3:6] = 7
    image[0, 0] = np.ma.masked
    out = rescale(image, 2, nodata=7)
    assert out.mask[7:11, 7:11].all()
    assert out.mask[0, 0]


def test_the_input_is_left_alone():
    image = holed("uint8")
    data, mask = image.data.copy(), image.mask.copy()
    rescale(image, 2)
    warp(image, rotation(20, (30, 40)))
    np.testing.assert_array_equal(image.data, data)
    np.testing.assert_array_equal(image.mask, mask)


@each_pair_first(
    dtype=["uint8", "float32", "int32"],
    call=["larger", "odd", "smaller", "constant", "rotated", "shifted", "field", "nearest"],
    channels=[None, 3, 4],
)
def test_dask_has_the_same(dtype, call, channels):
    function, target, options = CALLS[call]
    shape = (30, 40) if channels is None else (30, 40, channels)
    options = options | {"channel_axis": None if channels is None else -1}
    image = holed(dtype, shape)
    expected = function(image, target, **options)
    name = {rescale: "rescale", resize: "resize", warp: "warp"}[function]
    lazy = getattr(chunked, name)(
        da.from_array(image, chunks=(13, 17, 2)[: len(shape)]), target, chunks=11, **options
    )
    assert isinstance(lazy._meta, np.ma.MaskedArray)
    out = lazy.compute()
    assert isinstance(out, np.ma.MaskedArray)
    assert out.fill_value == expected.fill_value
    np.testing.assert_array_equal(np.ma.getmaskarray(out), np.ma.getmaskarray(expected))
    np.testing.assert_array_equal(out.data, expected.data)


def test_maps_of_parameters_leave_masked_pixels_out():
    image = holed("uint8")
    maps = parameter_maps(image)
    marked = image.data.copy()
    marked[~image.mask & (marked == 255)] = 254
    image = np.ma.MaskedArray(marked, image.mask)
    maps, expected = parameter_maps(image), parameter_maps(marked, nodata=255)
    np.testing.assert_array_equal(maps.feature, expected.feature)
    assert np.isnan(maps.feature[image.mask]).all()


def test_chunks_that_are_masked_without_saying_so_are_refused():
    image = holed("uint8")
    lazy = da.from_array(image.data, chunks=20).map_blocks(
        lambda block: np.ma.masked_equal(block, 255), meta=np.empty((0, 0), np.uint8)
    )
    with pytest.raises(InvalidTypeError, match="does not say so"):
        chunked.rescale(lazy, 2).compute()


def test_numpys_own_fill_value_is_beyond_float16():
    image = np.ma.MaskedArray(np.zeros((3, 4), "float16"), np.eye(3, 4, dtype=bool))
    assert rescale(image, 2).dtype == "float16"  # and no warning
