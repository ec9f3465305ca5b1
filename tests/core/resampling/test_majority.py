"""Labels by majority: of most of an output pixel, exactly; none that was not there."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lerf_core import Displacement, chunked, rescale, resize, warp
from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry import rotation

DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
FLOATS = ["float16", "float32", "float64"]


def labels(shape, dtype="uint8", count=4, seed=0):
    numbers = np.random.default_rng(seed).integers(0, count, shape)
    if dtype == "bool":
        return numbers % 2 == 1
    if np.dtype(dtype).kind == "u":
        return numbers.astype(dtype)
    return (numbers - count // 2).astype(dtype)


@cache
def shares(size, out_size, number):
    """Return which pixels of an axis an output pixel covers, and how much of each."""
    low, high = Fraction(number * size, out_size), Fraction((number + 1) * size, out_size)
    covered = {pixel: min(high, pixel + 1) - max(low, pixel) for pixel in range(size)}
    return {pixel: part for pixel, part in covered.items() if part > 0}


@cache
def nearest(size, out_size, number):
    """Return the pixel nearest to an output pixel's centre; of two the lower."""
    centre = Fraction((2 * number + 1) * size, 2 * out_size) - Fraction(1, 2)
    return min(range(size), key=lambda pixel: (abs(pixel - centre), pixel))


def by_hand(image, shape):
    """Return the label that covers most of each output pixel, by fractions."""
    out = np.empty(shape, image.dtype)
    for y, x in np.ndindex(*shape):
        votes = {}
        for row, down in shares(image.shape[0], shape[0], y).items():
            for col, across in shares(image.shape[1], shape[1], x).items():
                label = image[row, col]
                votes[label] = votes.get(label, 0) + down * across
        most = max(votes.values())
        tied = [label for label, count in votes.items() if count == most]
        middle = image[nearest(image.shape[0], shape[0], y), nearest(image.shape[1], shape[1], x)]
        out[y, x] = middle if middle in tied else min(tied)
    return out


@pytest.mark.parametrize("dtype", [*DTYPES, *FLOATS])
@pytest.mark.parametrize("shape", [(8, 12), (5, 7), (1, 1), (16, 9), (13, 30)])
def test_the_label_that_covers_most(dtype, shape):
    image = labels((16, 24), dtype)
    out = resize(image, shape, method="majority")
    assert out.dtype == image.dtype
    np.testing.assert_array_equal(out, by_hand(image, shape))


@settings(max_examples=25)
@given(
    source=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    target=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    count=st.sampled_from([2, 3, 300]), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_size(source, target, count, seed):
    image = labels(source, "int16", count, seed)
    np.testing.assert_array_equal(resize(image, target, method="majority"), by_hand(image, target))


def test_ties():
    # Two of each: the label of the upper left pixel, which is nearest.
    assert resize(np.array([[7, 3], [3, 7]]), (1, 1), method="majority") == 7
    # The nearest pixel's label has fewer: the smallest of the two that have most.
    image = np.array([[9, 9, 4], [-2, 5, 4], [-2, 8, 6]], np.int8)
    assert resize(image, (1, 1), method="majority") == -2
    image[1, 1] = 4
    assert resize(image, (1, 1), method="majority") == 4


@pytest.mark.parametrize("factor", [2, 3, (4, 2)])
def test_enlarging_by_whole_numbers_copies_the_nearest(factor):
    image = labels((9, 7), "int32")
    np.testing.assert_array_equal(
        rescale(image, factor, method="majority"), rescale(image, factor, method="nearest")
    )


def test_a_lone_pixel_is_outvoted_and_a_majority_is_not():
    image = np.zeros((12, 12), np.uint8)
    image[::2, ::2] = 1  # which the nearest pixels are
    image[6:, 6:] = 2
    assert rescale(image, 0.5, method="nearest")[0, 0] == 1
    out = rescale(image, 0.5, method="majority")
    expected = np.zeros((6, 6), np.uint8)
    expected[3:, 3:] = 2
    np.testing.assert_array_equal(out, expected)


def test_without_anti_aliasing_a_pixel_covers_one():
    image = np.zeros((9, 9), np.uint8)
    image[1::3, 1::3] = 5  # the centres of what output pixels cover
    assert (rescale(image, 1 / 3, method="majority", anti_aliasing=False) == 5).all()
    assert (rescale(image, 1 / 3, method="majority") == 0).all()


# -- what a label is --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("axis", [0, -1])
def test_pixels_of_channels_are_labels_as_a_whole(dtype, channels, axis):
    colours = labels((6, channels), dtype, 100, seed=1)
    numbers = labels((20, 26), "uint8", 6, seed=2)
    image = np.moveaxis(colours[numbers], -1, axis)
    out = resize(image, (9, 11), method="majority", channel_axis=axis, alpha="separate")
    # In the order of the colours, so that the smallest label is the same.
    order = np.lexsort(colours.T[::-1])
    ranks = np.argsort(order).astype(np.uint8)
    expected = colours[order][resize(ranks[numbers], (9, 11), method="majority")]
    np.testing.assert_array_equal(np.moveaxis(out, axis, -1), expected)


def test_channels_vote_together():
    red, green, blue, white = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
    image = np.array([[red, green], [blue, white]], np.uint8)
    # Each channel alone would give white: two of four are 255.
    assert tuple(resize(image, (1, 1), method="majority", channel_axis=-1)[0, 0]) == red


def test_nan_is_one_label_and_zeros_are_equal():
    other = np.array([0x7FC00123], np.uint32).view(np.float32)[0]
    image = np.array([[np.nan, other], [1, 2]], np.float32)
    assert np.isnan(resize(image[::-1], (1, 1), method="majority"))[0, 0]
    image = np.array([[3.0, 0.0], [-0.0, 2.0]])
    assert resize(image, (1, 1), method="majority") == 0
    image = np.array([[np.inf, -np.inf], [-np.inf, 1e300]])
    assert resize(image, (1, 1), method="majority") == -np.inf


def test_long_integers_are_exact():
    large = 2**63 - 1
    image = np.array([[large - 1, large], [large, large - 2]], np.int64)
    assert resize(image, (1, 1), method="majority") == large
    assert resize(image.astype(">i8"), (1, 1), method="majority") == large


def test_many_labels_in_one_pixel():
    image = np.arange(120 * 130, dtype=np.int32).reshape(120, 130)
    image[5:7, 11:12] = 77_777
    assert resize(image, (1, 1), method="majority") == 77_777
    np.testing.assert_array_equal(
        resize(image, (2, 3), method="majority"),
        resize(image, (2, 3), method="majority", engine="reference"),
    )


# -- what is missing --------------------------------------------------------------------


def test_nodata_is_a_label_unless_it_is_named():
    image = np.array([[0, 0, 5, 0, 7, 7, 7, 0, 0, 0]], np.uint8)
    np.testing.assert_array_equal(resize(image, (1, 2), method="majority"), [[0, 0]])
    # Three of five are missing there, and here: none but those of more than a half.
    np.testing.assert_array_equal(resize(image, (1, 2), method="majority", nodata=0), [[0, 0]])
    image[0, 9] = 4
    np.testing.assert_array_equal(resize(image, (1, 2), method="majority", nodata=0), [[0, 7]])
    image = np.array([[0, 5], [0, 7]], np.uint8)
    assert resize(image, (1, 1), method="majority", nodata=0) == 5
    assert resize(image, (1, 1), method="majority") == 0


@pytest.mark.parametrize("nodata", [np.nan, -9999.0])
def test_nodata_of_floats(nodata):
    image = np.array([[nodata, nodata, 1, 2], [nodata, 4, 3, nodata]], np.float32)
    out = resize(image, (1, 2), method="majority", nodata=nodata)
    np.testing.assert_array_equal(out, np.array([[nodata, 1]], np.float32))


def test_colours_are_missing_where_all_channels_are():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0] = image[1, 1] = (0, 0, 9)
    out = resize(image, (1, 1), method="majority", channel_axis=-1, nodata=0)
    np.testing.assert_array_equal(out[0, 0], (0, 0, 9))


@pytest.mark.parametrize("channels", [None, 3])
def test_masked_pixels_have_no_vote(channels):
    data = labels((12, 12), "uint8", 3)
    mask = np.zeros(data.shape, np.bool_)
    mask[:4] = True
    mask[4:6, ::2] = True
    data[mask] = np.arange(mask.sum())  # whatever stands there
    axis = None
    if channels:
        data, mask, axis = (*(np.stack([item] * 3, -1) for item in (data, mask)), -1)
    image = np.ma.MaskedArray(data, mask, fill_value=99)
    out = resize(image, (6, 6), method="majority", channel_axis=axis)
    wide = resize(np.where(mask, np.uint16(300), data), (6, 6), method="majority",
                  channel_axis=axis, nodata=300)  # fmt: skip
    np.testing.assert_array_equal(np.ma.getmaskarray(out), wide == 300)
    np.testing.assert_array_equal(out.compressed(), wide[wide != 300])
    assert out.fill_value == 99


def test_clear_pixels_have_no_vote_for_their_colours():
    image = np.zeros((2, 2, 4), np.uint8)
    image[..., :3] = 50
    image[0, 0], image[1, 1] = (9, 8, 7, 255), (3, 2, 1, 255)
    out = resize(image, (1, 1), method="majority", channel_axis=-1)
    np.testing.assert_array_equal(out[0, 0], (9, 8, 7, 255))
    image[1, 1, 3] = 0
    out = resize(image, (1, 1), method="majority", channel_axis=-1)
    assert out[0, 0, 3] == 0


# -- warps ------------------------------------------------------------------------------

MATRICES = {
    "smaller": np.diag([2.0, 2.0, 1.0]) + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]),
    "turned": rotation(33, (30, 40)),
    "larger": np.diag([0.4, 0.6, 1.0]),
    "floor": np.array([[2.2, 0.3, -4], [0.2, 2.5, -3], [0.004, 0.01, 1]]),
}


def test_a_warp_that_shrinks_is_a_resize():
    image = labels((30, 40), "uint8", 3)
    out = warp(image, MATRICES["smaller"], output_shape=(15, 20), method="majority")
    np.testing.assert_array_equal(out, rescale(image, 0.5, method="majority"))


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("matrix", MATRICES)
def test_warps_show_the_border_where_nearest_neighbour_does(mode, matrix):
    image = labels((30, 40), "uint8", 4)
    options = {"mode": mode, "cval": 77, "output_shape": (33, 37)}
    out = warp(image, MATRICES[matrix], method="majority", **options)
    copied = warp(image, MATRICES[matrix], method="nearest", **options)
    np.testing.assert_array_equal(out == 77, copied == 77)
    assert set(np.unique(out)) <= {*np.unique(image), 77}


def test_large_footprints_of_a_warp():
    image = np.zeros((600, 700), np.uint8)
    image[:, ::3], image[::5] = 1, 2
    out = warp(image, np.diag([150.0, 150.0, 1]), output_shape=(5, 5), method="majority")
    assert (out == 0).all()


@pytest.mark.parametrize("steps", [np.nan, 0.3])
def test_fields(steps):
    image = labels((20, 20), "int16")
    field = np.full((2, 20, 20), 0.25)
    field[:, 5, 5] = steps
    out = warp(image, Displacement(field), method="majority", cval=9)
    assert (out[5, 5] == 9) == np.isnan(steps)
    assert set(np.unique(out)) <= {*np.unique(image), 9}


def test_moved_pixels_are_moved():
    image = labels((12, 15), "uint16")
    turn = [[0, 1, 0], [-1, 0, 11], [0, 0, 1]]  # output x shows source row 11 - x
    out = warp(image, turn, method="majority", output_shape=(15, 12))
    np.testing.assert_array_equal(out, np.rot90(image, -1))


# -- paths ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("channels", [None, 2, 3])
def test_the_specification_agrees(dtype, channels):
    shape = (23, 31) if channels is None else (23, 31, channels)
    image = labels(shape, dtype, 40 if channels is None else 3)
    options = {"method": "majority", "channel_axis": None if channels is None else -1}
    for nodata in (None, 1):
        for scale in (0.37, (0.6, 1.3), 0.05):
            expected = rescale(image, scale, engine="reference", nodata=nodata, **options)
            for threads in (1, 3):
                out = rescale(image, scale, nodata=nodata, threads=threads, **options)
                np.testing.assert_array_equal(out, expected)
        for mode in ("constant", "wrap"):
            keywords = options | {"mode": mode, "nodata": nodata, "output_shape": (12, 14)}
            np.testing.assert_array_equal(
                warp(image, MATRICES["floor"], **keywords),
                warp(image, MATRICES["floor"], engine="reference", **keywords),
            )


@pytest.mark.parametrize("scale", [0.37, 0.5, 1.4])
def test_chunks(scale):
    image = labels((60, 70, 3), "float32", 2)
    whole = rescale(image, scale, method="majority", channel_axis=-1)
    lazy = chunked.rescale(
        da.from_array(image, chunks=(17, 23, 3)), scale, chunks=(7, 9), method="majority",
        channel_axis=-1,
    )  # fmt: skip
    np.testing.assert_array_equal(lazy.compute(scheduler="sync"), whole)


def test_a_stack_and_a_range_of_0_to_1():
    image = labels((3, 12, 16), "uint8", 5)
    out = rescale(image, 0.5, method="majority")
    for plane, whole in zip(out, image, strict=True):
        np.testing.assert_array_equal(plane, rescale(whole, 0.5, method="majority"))
    floats = rescale(image, 0.5, method="majority", preserve_range=False)
    np.testing.assert_allclose(floats, out / 255)


def test_an_image_that_keeps_its_shape_is_copied():
    image = labels((5, 6), "int32")
    np.testing.assert_array_equal(resize(image, (5, 6), method="majority"), image)


def test_the_name_is_told():
    with pytest.raises(InvalidArgumentError, match="nearest, majority, got 'mode'"):
        rescale(labels((4, 4)), 0.5, method="mode")
