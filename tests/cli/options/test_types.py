"""Parsing of scales and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerf_cli.options.types import ScaleFactors, Size, parse_scale, parse_size

SIDES = st.integers(1, 10**6)
FACTORS = st.floats(1e-3, 1e3)


@given(FACTORS, FACTORS)
def test_a_pair_of_factors_is_width_by_height(width, height):
    assert parse_scale(f"{width!r}x{height!r}") == ScaleFactors(rows=height, cols=width)


@given(FACTORS)
def test_one_factor_serves_both_axes(factor):
    assert parse_scale(repr(factor)) == ScaleFactors(factor, factor)


@given(SIDES, SIDES)
def test_sizes(width, height):
    assert parse_size(f"{width}x{height}") == Size(width, height)
    assert parse_size(f"{width}X") == Size(width, None)
    assert parse_size(f" x{height} ") == Size(None, height)


@given(SIDES, SIDES, SIDES)
def test_an_absent_side_keeps_the_aspect_ratio(rows, cols, width):
    height, same = Size(width, None).shape_for((rows, cols))
    assert same == width
    assert height >= 1
    assert abs(height - rows * width / cols) <= 0.5 + 1e-6 * height or height == 1


def test_halves_round_up_and_no_side_vanishes():
    assert Size(3, None).shape_for((1, 2)) == (2, 3)
    assert Size(None, 1).shape_for((1000, 1)) == (1, 1)
    assert Size(7, 9).shape_for((100, 1)) == (9, 7)


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "nan", "inf", "2x", "1x2x3", "two", "1x0"])
def test_bad_scales(text):
    with pytest.raises(ValueError, match="not a scale"):
        parse_scale(text)


@pytest.mark.parametrize(
    "text", ["", "x", "10", "0x5", "5x0", "-3x4", "1.5x2", "1x2x3", "9" * 19 + "x"]
)
def test_bad_sizes(text):
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


def test_fast_resizes_colours_faster_and_says_what_it_cannot(run, rgb, tmp_path):
    from imageio.v3 import imread, imwrite

    import lerf_core

    colours, grey, out = tmp_path / "rgb.png", tmp_path / "grey.png", tmp_path / "out.png"
    imwrite(colours, rgb)
    imwrite(grey, rgb[..., 0])
    run("resize", colours, "-o", out, "--scale", 3, "--fast")
    expected = lerf_core.rescale(rgb, 3, channel_axis=-1, fast=True)
    assert (imread(out) == expected).all()
    assert not (expected == lerf_core.rescale(rgb, 3, channel_axis=-1)).all()
    result = run("resize", grey, "-o", out, "--scale", 3, "--fast", "--overwrite")
    assert "note: --fast is for RGB: L is resized in full" in result.stderr
    assert (imread(out) == lerf_core.rescale(rgb[..., 0], 3)).all()


@pytest.mark.parametrize(
    "other", [("--labels",), ("--linear",), ("--nodata", "0"), ("--border", "constant")]
)
def test_fast_is_refused_where_it_can_do_nothing(run, tmp_path, other):
    result = run(
        "resize", "a.png", "-o", tmp_path / "b.png", "--scale", 2, "--fast", *other, code=2
    )
    assert "exclude each other" in result.stderr
