"""Parts of what an image is resized to: bit for bit those of the whole, and what surrounds it."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fronts import ConvolutionFront, WholeFront
from support.images import noise

from lerf_core import chunked, fit, resize
from lerf_core.choices import FITS
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.execution.planning import plan_resize

SHAPE = (21, 26)
WAYS = {
    "tables": {},
    "network": {"bank": "lerf-n"},
    "fast": {"fast": True},
    "kernel": {"kernel": "lanczos3"},
    "nearest": {"method": "nearest"},
    "majority": {"method": "majority"},
    "wrap": {"mode": "wrap"},
    "linear": {"linear_light": True},
    "front": {"front": ConvolutionFront()},
    "whole front": {"front": WholeFront()},
}
SIZES = [(50, 40), (9, 12), (21, 13), (42, 52), (21, 26), (10, 60)]


def framed(whole, crop, fill):
    """Cut a crop out of a whole result, and fill what lies beyond it."""
    top, bottom, left, right = crop
    out = np.empty((bottom - top, right - left, *whole.shape[2:]), whole.dtype)
    out[...] = fill
    part = whole[max(top, 0) : bottom, max(left, 0) : right]
    down, across = max(0, -top), max(0, -left)
    out[down : down + part.shape[0], across : across + part.shape[1]] = part
    return out


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", SIZES)
def test_a_part_is_what_it_is_in_the_whole(way, size):
    image = noise((*SHAPE, 3), seed=3)
    keywords = {"channel_axis": -1, **WAYS[way]}
    for how in ("cover", "contain"):
        shape, crop = fit(SHAPE, size, how)
        whole = resize(image, shape, **keywords)
        result = resize(image, shape, crop, fill=None if how == "cover" else 9, **keywords)
        np.testing.assert_array_equal(result, framed(whole, crop, 9))


@pytest.mark.parametrize("dtype", ["bool", "uint16", "int32", "float16", "float64", ">u2"])
@pytest.mark.parametrize("size", [(30, 30), SHAPE])
def test_parts_of_any_dtype(dtype, size):
    image = noise((2, *SHAPE)).astype(dtype) if dtype != "bool" else noise((2, *SHAPE)) > 99
    if np.dtype(dtype).kind == "f":
        image /= 255
    crop = (3, size[0] + 4, -5, size[1] - 2)
    whole = np.moveaxis(resize(image, size), 0, -1)
    result = resize(image, size, crop, fill=1)
    assert result.dtype == image.dtype
    np.testing.assert_array_equal(np.moveaxis(result, 0, -1), framed(whole, crop, 1))


@given(
    top=st.integers(-9, 30), left=st.integers(-9, 30), rows=st.integers(1, 40),
    cols=st.integers(1, 40), how=st.sampled_from(list(WAYS)),
)  # fmt: skip
def test_any_crop(top, left, rows, cols, how):
    if top + rows <= 0 or left + cols <= 0:
        rows, cols = rows + 9, cols + 9
    crop = (top, top + rows, left, left + cols)
    image = noise((*SHAPE, 3), seed=1)
    whole = resize(image, (32, 31), channel_axis=-1, **WAYS[how])
    result = resize(image, (32, 31), crop, fill=(1, 2, 3), channel_axis=-1, **WAYS[how])
    np.testing.assert_array_equal(result, framed(whole, crop, (1, 2, 3)))


@pytest.mark.parametrize("how", FITS)
@pytest.mark.parametrize("chunks", [7, (5, 40)])
def test_parts_of_dask_arrays(how, chunks):
    image = noise((*SHAPE, 4), seed=5)
    shape, crop = fit(SHAPE, (33, 29), how, gravity="southeast")
    keywords = {"fill": (1, 2, 3, 255), "channel_axis": -1}
    lazy = chunked.resize(da.from_array(image, chunks=8), shape, crop, chunks=chunks, **keywords)
    np.testing.assert_array_equal(
        lazy.compute(scheduler="sync"), resize(image, shape, crop, **keywords)
    )


def test_little_of_the_image_is_read_for_a_small_part():
    plan = plan_resize((4000, 4000), np.dtype("uint8"), (8000, 8000), None, crop=(0, 50, 0, 60))
    windows = plan.output_block().windows
    assert windows is not None
    assert windows.area < 100 * 100
    assert plan.result_shape == (50, 60)


# -- surroundings ---------------------------------------------------------------------


def test_surroundings_are_clear_where_there_is_alpha():
    image = noise((8, 8, 4))
    result = resize(image, (16, 16), (-3, 19, 0, 16), channel_axis=-1)
    assert not result[:3].any()
    assert not result[19:].any()


def test_surroundings_are_missing_where_a_value_says_so():
    image = noise((8, 8), "float32")
    result = resize(image, (16, 16), (-3, 16, 0, 20), nodata=-9999)
    assert (result[:3] == -9999).all()
    assert (result[:, 16:] == -9999).all()
    assert (result[3:, :16] != -9999).all()


def test_surroundings_of_masked_arrays_are_masked():
    image = np.ma.MaskedArray(noise((8, 8)), np.zeros((8, 8), bool))
    masked = resize(image, (16, 16), (-3, 16, 0, 16))
    assert masked.mask[:3].all()
    assert not masked.mask[3:].any()
    filled = resize(image, (16, 16), (-3, 16, 0, 16), fill=5)
    assert not filled.mask.any()
    assert (filled.data[:3] == 5).all()


def test_surroundings_are_mapped_with_the_range():
    image = noise((8, 8))
    result = resize(image, (16, 16), (-3, 16, 0, 16), fill=51, preserve_range=False)
    np.testing.assert_allclose(result[:3], 0.2, rtol=1e-6)


# -- what is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("crop", "fill", "words"),
    [
        ((0, 0, 0, 5), None, "positive"),
        ((5, 2, 0, 5), None, "positive"),
        ((20, 30, 0, 5), None, "shows nothing"),
        ((-9, 0, 0, 5), None, "shows nothing"),
        ((0, 5), None, "top, bottom, left, right"),
        (None, 3, "goes with a crop"),
        ((-1, 5, 0, 5), 256, "does not fit"),
        ((-1, 5, 0, 5), float("nan"), "does not fit"),
        ((-1, 5, 0, 5), (1, 2), "one for each of 1"),
    ],
)
def test_what_cannot_be_shown(crop, fill, words):
    with pytest.raises(InvalidArgumentError, match=words):
        resize(noise((8, 8)), (16, 16), crop, fill=fill)


def test_crops_are_of_integers():
    with pytest.raises((InvalidTypeError, InvalidArgumentError)):
        resize(noise((8, 8)), (16, 16), (0, 5.5, 0, 5))
