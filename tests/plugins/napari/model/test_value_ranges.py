"""Which range goes with an image's values."""

import numpy as np
import pytest

from lerf_plugins.napari.model.value_ranges import ValueSpan, offered_range

RNG = np.random.default_rng(3)
#: Evenly spread over 0..1.
EVEN = RNG.uniform(0, 1, (60, 70))
DARK = EVEN * 0.04


def offer(values, taken, is_rgb=True, alpha=None):
    offered = offered_range(ValueSpan.of(values, alpha), taken, values.dtype, is_rgb=is_rgb)
    return None if offered is None or not offered.is_usable else (offered.low, offered.high)


def filled(dtype, low, high):
    """Return values that fill a range, both ends among them."""
    values = low + EVEN * (high - low)
    values = values if np.dtype(dtype).kind == "f" else np.rint(values)
    values[0, :2] = low, high
    return values.astype(dtype)


@pytest.mark.parametrize(
    ("values", "taken", "expected"),
    [
        (filled("f4", 0, 255), (0, 1), (0, 255)),
        (filled("f8", 0, 4095), (0, 1), (0, 4095)),
        (filled("f4", 0, 65535), (0, 1), (0, 65535)),
        (filled("f2", 0, 200), (0, 1), (0, 255)),
        (filled("u2", 0, 4095), (0, 65535), (0, 4095)),
        (filled("u2", 0, 1023), (0, 65535), (0, 1023)),
        (filled("u2", 0, 16383), (0, 65535), (0, 16383)),
        (filled("u2", 0, 255), (0, 65535), (0, 255)),
        (filled("u2", 90, 3000), (0, 65535), (0, 4095)),
        (filled("i4", 0, 255), (-(2**31), 2**31 - 1), (0, 255)),
        (filled("i2", 0, 255), (-(2**15), 2**15 - 1), (0, 255)),
        (filled("i2", -1024, 3071), (-(2**15), 2**15 - 1), (-1024, 3071)),
        (filled("f4", -100, 100), (0, 1), (-100, 100)),
        # Far from 0: the values' own range.
        (filled("u2", 30000, 33000), (0, 65535), (30000, 33000)),
        # Light beyond white.
        (filled("f4", 0, 4), (0, 1), (0, 4)),
        # Too narrow.
        (filled("u2", 0, 4095), (100, 300), (0, 4095)),
    ],
)
def test_offered(values, taken, expected):
    assert offer(values, taken) == expected


@pytest.mark.parametrize(
    ("values", "taken"),
    [
        (filled("f4", 0, 1), (0, 1)),
        (filled("f4", -0.004, 1.006), (0, 1)),
        (filled("u1", 0, 255), (0, 255)),
        (filled("u2", 0, 65535), (0, 65535)),
        (filled("u2", 0, 40000), (0, 65535)),
        (filled("u2", 0, 4095), (0, 4095)),
        (filled("u2", 0, 4095), (40, 4000)),
        (filled("u2", 0, 4095), (0, 8191)),
        # Dark colours are colours.
        (DARK.astype("f4"), (0, 1)),
        ((255 * DARK).astype("u1"), (0, 255)),
        # Nothing to see, or nothing at all.
        (np.zeros((5, 6), "u2"), (0, 65535)),
        (np.full((5, 6), 700, "u2"), (0, 65535)),
        (np.full((5, 6), np.nan, "f4"), (0, 1)),
        (np.empty((0, 6), "f4"), (0, 1)),
    ],
)
def test_nothing_to_offer(values, taken):
    assert offer(values, taken) is None


def test_dark_measurements_have_a_range_of_their_own():
    low, high = offer(DARK.astype("f4"), (0, 1), is_rgb=False)
    assert low == 0
    assert 0.04 <= high < 0.05


def test_what_is_not_finite_does_not_count():
    values = filled("f4", 0, 255)
    values[:3, :3] = np.nan, np.inf, -np.inf
    assert offer(values, (0, 1)) == (0, 255)


def test_highlights_are_no_reason():
    """A few values far beyond the range: a range that holds them is worse for all others."""
    values = EVEN.astype("f4")
    values[:4] *= 1000
    assert offer(values, (0, 1)) is None
    # One hot pixel beyond 12 bits is held, as it is by the dtype's range.
    values = filled("u2", 0, 4095)
    values[5, 5] = 65535
    assert offer(values, (0, 65535)) is None


def test_alpha_goes_with_colours():
    """A range is for alpha too: it is not offered where alpha fills another one."""
    values = filled("u2", 0, 4095)
    assert offer(values, (0, 65535), alpha=np.full((6, 7), 65535, "u2")) == (0, 4095)
    assert offer(values, (0, 65535), alpha=filled("u2", 0, 4095)) == (0, 4095)
    assert offer(values, (0, 65535), alpha=filled("u2", 0, 65535)) is None
    colours = filled("f4", 0, 255)
    assert offer(colours, (0, 1), alpha=filled("f4", 0, 255)) == (0, 255)
    assert offer(colours, (0, 1), alpha=filled("f4", 0, 1)) is None


@pytest.mark.parametrize(
    ("values", "taken", "words"),
    [
        (filled("u2", 0, 4095), (0, 65535), "Values reach 4095 of 65535"),
        (filled("f4", 0, 255), (0, 1), "Most of the values lie outside 0 to 1, up to 255"),
        (filled("u2", 0, 1000), (0, 500), "50 % of the values lie outside 0 to 500, up to 1000"),
        (filled("f4", -4, 1), (0, 1), "80 % of the values lie outside 0 to 1, down to -4"),
        (filled("i2", 0, 255), (-(2**15), 2**15 - 1), "Values lie in 0 to 255, of -32768 to 32767"),
    ],
)
def test_words(values, taken, words):
    offered = offered_range(ValueSpan.of(values), taken, values.dtype)
    assert offered.why == f"{words}: detail is lost"


def test_alpha_of_another_range():
    """Where colours and alpha have different ranges, no range is right for both: it is said."""
    colours, alpha = filled("u2", 0, 4095), filled("u2", 0, 65535)
    span = ValueSpan.of(colours, alpha)
    offered = offered_range(span, (0, 65535), colours.dtype, is_rgb=True)
    assert not offered.is_usable
    assert "Alpha reaches 65535: scale both alike" in offered.why
    offered = offered_range(span, (0, 4095), colours.dtype, is_rgb=True)
    assert (offered.low, offered.high, offered.is_usable) == (0, 65535, True)
    assert offered.why == "Alpha reaches 65535, of 0 to 4095: transparency is lost"
    colours, alpha = filled("f4", 0, 255), filled("f4", 0, 1)
    span = ValueSpan.of(colours, alpha)
    assert not offered_range(span, (0, 1), colours.dtype, is_rgb=True).is_usable
    offered = offered_range(span, (0, 255), colours.dtype, is_rgb=True)
    assert (offered.low, offered.high) == (0, 1)
    # One value, whatever it is, stays as it is.
    opaque = np.full((6, 7), 65535, "u2")
    span = ValueSpan.of(filled("u2", 0, 4095), opaque)
    assert offered_range(span, (0, 4095), opaque.dtype, is_rgb=True) is None
