"""Sizes that images are fitted to: as sharp and libvips round them, and their properties."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerf_core import fit
from lerf_core.choices import FITS, GRAVITIES
from lerf_core.errors import InvalidArgumentError, InvalidTypeError

SIDES = st.integers(1, 3000)
SHAPES = st.tuples(SIDES, SIDES)


def recorded():
    """What sharp and libvips made of a thousand sizes and more: tools/record_fits.py."""
    path = Path(__file__).parent / "fits.csv"
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    return list(csv.DictReader(lines))


def numbers(text):
    return [int(word) for word in text.split()]


def fitted(record):
    sides = (int(record[name]) if record[name] else None for name in ("size_rows", "size_cols"))
    return fit(
        (int(record["rows"]), int(record["cols"])), tuple(sides), record["how"],
        gravity=record["gravity"] or "centre",
        enlarge=record["limit"] != "no-enlarge", shrink=record["limit"] != "no-shrink",
    )  # fmt: skip


def test_sizes_are_those_of_sharp_and_libvips():
    records = recorded()
    assert sum(record["gravity"] == "" for record in records) >= 1000
    assert sum(record["libvips"] != "" for record in records) >= 300
    for record in records:
        result = fitted(record)
        corner = (result.crop.top, result.crop.left) if record["gravity"] else ()
        assert [*result.result_shape, *corner] == numbers(record["sharp"]), record
        if record["libvips"]:
            assert list(result.result_shape) == numbers(record["libvips"]), record


@given(shape=SHAPES, size=SHAPES, how=st.sampled_from(FITS))
def test_what_each_way_promises(shape, size, how):
    resized, crop = fit(shape, size, how)
    inner = [min(new, side) for new, side in zip(resized, size, strict=True)]
    if how == "inside":
        assert tuple(inner) == resized
        assert any(new == side for new, side in zip(resized, size, strict=True))
    elif how == "outside":
        assert tuple(inner) == size
    else:
        assert crop.shape == size
    if how == "cover":
        assert crop.top >= 0 <= crop.left
        assert crop.bottom <= resized[0]
        assert crop.right <= resized[1]
    if how == "contain":
        assert crop.top <= 0 >= crop.left
        assert crop.bottom >= resized[0]
        assert crop.right >= resized[1]


@given(shape=SHAPES, size=SHAPES, how=st.sampled_from(FITS))
def test_neither_axis_grows_or_shrinks_unasked(shape, size, how):
    grown = fit(shape, size, how, shrink=False).shape
    shrunk = fit(shape, size, how, enlarge=False).shape
    assert all(new >= side for new, side in zip(grown, shape, strict=True))
    assert all(new <= side for new, side in zip(shrunk, shape, strict=True))


@given(shape=SHAPES, side=SIDES)
def test_the_longest_and_the_shortest_side(shape, side):
    assert max(fit(shape, longest=side).shape) == side
    assert min(fit(shape, shortest=side).shape) == side


@given(shape=SHAPES, megapixels=st.floats(1e-6, 100))
def test_megapixels_are_the_most(shape, megapixels):
    rows, cols = fit(shape, megapixels=megapixels).shape
    assert rows * cols <= megapixels * 1e6
    # A pixel more along the longer side would be too much, or the ratio is as near as it can be.
    grown = (rows + 1) * (cols + 1)
    assert grown > megapixels * 1e6 * (1 - 1e-9) or min(rows, cols) == 1


def test_megapixels_that_are_met_keep_the_image():
    assert fit((1000, 2000), megapixels=2).shape == (1000, 2000)
    assert fit((1000, 2000), megapixels=0.5).shape == (500, 1000)
    assert fit((1000, 2000), megapixels=8, enlarge=False).shape == (1000, 2000)
    assert fit((1000, 2000), megapixels=0.5, shrink=False).shape == (1000, 2000)


@pytest.mark.parametrize("gravity", GRAVITIES)
def test_gravity(gravity):
    crop = fit((30, 10), (10, 10), "cover", gravity=gravity).crop
    pad = fit((30, 10), (30, 30), "contain", gravity=gravity).crop
    top = {"north": 0, "south": 20}.get(gravity[:5], 10)
    left = -20 if "east" in gravity else 0 if "west" in gravity else -10
    assert crop.top == top
    assert pad.left == left


@given(shape=SHAPES, size=SHAPES)
def test_rows_and_columns_are_treated_alike(shape, size):
    for how in FITS:
        resized, crop = fit(shape, size, how)
        turned = fit(shape[::-1], size[::-1], how)
        assert turned.shape == resized[::-1]
        assert turned.crop == (crop.left, crop.right, crop.top, crop.bottom)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "give exactly one of"),
        ({"size": (5, 5), "longest": 5}, "got size, longest"),
        ({"size": (None, None)}, "rows or columns"),
        ({"size": (0, 5)}, "positive"),
        ({"size": (5, -1)}, "positive"),
        ({"size": (5, 2**31)}, "below 2"),
        ({"size": (5,)}, "must be \\(rows, cols\\)"),
        ({"size": (5, 5), "how": "stretch"}, "how must be one of"),
        ({"size": (5, None), "how": "fill"}, "both sides"),
        ({"longest": 5, "how": "inside"}, "goes with a size"),
        ({"longest": 0}, "positive"),
        ({"shortest": 2**31}, "below 2"),
        ({"megapixels": 0}, "at least one pixel"),
        ({"megapixels": float("nan")}, "at least one pixel"),
        ({"size": (5, 5), "gravity": "up"}, "gravity must be one of"),
        ({"size": (5, 5), "enlarge": False, "shrink": False}, "must not both"),
        ({"size": (None, 2**31 - 1), "how": "outside"}, "below 2"),
    ],
)
def test_what_cannot_be_fitted(arguments, words):
    with pytest.raises(InvalidArgumentError, match=words):
        fit((40, 20), **arguments)


def test_sides_are_integers():
    with pytest.raises(InvalidTypeError):
        fit((40, 20), (5.0, 5))
    with pytest.raises(InvalidArgumentError):
        fit((40, 0), (5, 5))
