"""The keywords that resize, rescale and warp share."""

import inspect
import warnings

import numpy as np
import pytest
from support.images import noise

import lerf_core
from lerf_core import rescale, resize, warp
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.options import DEFAULTS, Options, ResamplingKeywords


@pytest.mark.parametrize(
    ("function", "changed", "without"),
    [(resize, {}, set()), (rescale, {}, set()), (warp, {"mode": "constant"}, {"fast"})],
)
def test_signatures_show_every_keyword_and_its_default(function, changed, without):
    parameters = inspect.signature(function).parameters
    shown = {name: p.default for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    for own in ("output_shape", "fill"):  # of warps; of crops
        shown.pop(own, None)
    expected = {"bank": None, **DEFAULTS, **changed}
    assert shown == {name: value for name, value in expected.items() if name not in without}


def test_keywords_have_types_defaults_and_words():
    assert set(ResamplingKeywords.__annotations__) == set(DEFAULTS)
    for name in DEFAULTS:
        assert f"    {name} :" in inspect.getdoc(resize).replace("\n", "\n    ")


@pytest.mark.parametrize("function", [resize, rescale, warp])
def test_unknown_keywords_are_refused(function):
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\) got an .* argument 'smooth'"):
        function(noise((4, 4)), np.eye(3), smooth=True)
    if function is warp:
        with pytest.raises(TypeError, match="'fast'"):
            warp(noise((4, 4)), np.eye(3), fast=True)


def test_options_of_their_own_are_the_defaults():
    options = Options(bank=lerf_core.load_bank("analytic"))
    assert {name: getattr(options, name) for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"anti_aliasing": 0}, "anti_aliasing"),
        ({"nodata": "x"}, "nodata"),
        ({"nodata": [1, 2]}, "nodata"),
        ({"cval": None}, "cval"),
        ({"cval": np.nan}, "cval"),
        ({"cval": "0"}, "cval"),
        ({"threads": True}, "threads"),
        ({"threads": 1.5}, "threads"),
        ({"value_range": (5, 1)}, "value_range"),
        ({"channel_axis": True}, "channel_axis"),
        ({"channel_axis": 1.0}, "channel_axis"),
    ],
)
@pytest.mark.parametrize("shape", [(12, 12), (6, 6)])
def test_options_are_checked_at_every_size(options, message, shape):
    image = np.zeros((6, 6), np.uint8)
    with pytest.raises((InvalidArgumentError, InvalidTypeError), match=message):
        resize(image, shape, **options)


def test_numpy_numbers_are_numbers():
    image = np.zeros((6, 6), np.uint8)
    out = resize(
        image, np.array([9, 9]), threads=np.int64(2), anti_aliasing=np.False_, cval=np.float32(3)
    )
    assert out.shape == (9, 9)


def test_colours_without_a_channel_axis_are_pointed_out():
    with pytest.warns(UserWarning, match="channel_axis=-1"):
        rescale(np.zeros((8, 9, 3), np.uint8), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rescale(np.zeros((8, 9, 30), np.uint8), 2)
