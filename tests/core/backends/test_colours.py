"""Resizing with ``fast=True``: the engines agree bit for bit."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lerf_core import rescale

SIDES = st.integers(2, 24)
SCALES = st.one_of(st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0, 0.5]), st.floats(0.2, 5.0))
DTYPES = st.sampled_from(["uint8", "uint16", "float16", "float32", "float64"])
MODES = st.sampled_from(["edge", "symmetric", "reflect", "wrap"])


@settings(max_examples=25)
@given(
    shape=st.tuples(SIDES, SIDES), scales=st.tuples(SCALES, SCALES), dtype=DTYPES, mode=MODES,
    smooth=st.booleans(), first=st.booleans(), seed=st.integers(0, 999),
)  # fmt: skip
def test_colours(random_banks, shape, scales, dtype, mode, smooth, first, seed):
    values = np.random.default_rng(seed).random((*shape, 3))
    if np.dtype(dtype).kind == "u":
        image = (values * np.iinfo(dtype).max).round().astype(dtype)
    else:
        image = (values * 1.4 - 0.2).astype(dtype)
    if first:
        image = np.moveaxis(image, -1, 0)
    options = {
        "bank": random_banks[seed % 3], "channel_axis": 0 if first else -1, "mode": mode,
        "anti_aliasing": smooth, "fast": True,
    }  # fmt: skip
    fast = rescale(image, scales, **options)
    assert fast.dtype == dtype
    slow = rescale(image, scales, engine="reference", **options)
    np.testing.assert_array_equal(fast, slow)


def test_threads_and_long_rows_do_not_change_a_bit(random_banks):
    image = np.random.default_rng(0).integers(0, 256, (70, 900, 3), dtype=np.uint8)
    for bank in random_banks:
        for scale in (2, 1.3):
            options = {"bank": bank, "channel_axis": -1, "fast": True}
            one = rescale(image, scale, threads=1, **options)
            np.testing.assert_array_equal(one, rescale(image, scale, threads=3, **options))
