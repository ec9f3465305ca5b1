"""Values to the tables' units and back: the kernels equal `ValueScale`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerf_core.backends import get_backend
from lerf_core.pixels.values import ValueScale

COMPILED, REFERENCE = get_backend("numba"), get_backend("reference")
RANGES = st.sampled_from([(0, 1), (0, 65535), (-3.7, 1000.1), (5, 4)])


def values_of(dtype, low, high, seed):
    rng = np.random.default_rng(seed)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            values = ((rng.random((9, 40)) * 1.5 - 0.3) * (high - low) + low).astype(dtype)
        values[0, :3] = np.nan, np.inf, -np.inf
        return values
    return rng.integers(0, np.iinfo(dtype).max, (9, 40), dtype=dtype)


@pytest.mark.parametrize("dtype", ["uint16", "float16", "float32", "float64", "int32", "int64"])
@given(ends=RANGES, grey_bits=st.sampled_from([8, 9, 10]), seed=st.integers(0, 99))
def test_values_become_units_and_remainders(dtype, ends, grey_bits, seed):
    scale = ValueScale(np.dtype(dtype), *ends)
    values = values_of(scale.dtype, *ends, seed)
    with np.errstate(all="ignore"):
        for fast, slow in zip(
            COMPILED.to_units(scale, values, grey_bits),
            REFERENCE.to_units(scale, values, grey_bits),
            strict=True,
        ):
            np.testing.assert_array_equal(fast, slow)
        np.testing.assert_array_equal(
            COMPILED.to_grey(scale, values), REFERENCE.to_grey(scale, values)
        )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64", "int16"])
@given(ends=RANGES, linear=st.booleans(), seed=st.integers(0, 99))
def test_grey_levels_become_values(dtype, ends, linear, seed):
    scale = ValueScale(np.dtype(dtype), *ends, linear_light=linear)
    grey = np.random.default_rng(seed).uniform(-70, 330, (9, 40)).astype(np.float32)
    found = COMPILED.from_grey(scale, grey)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, REFERENCE.from_grey(scale, grey))


def test_halves_round_to_even():
    scale = ValueScale(np.dtype("uint16"), 0, 510)
    grey = (np.arange(400, dtype=np.float32) / 4)[None]
    expected = np.rint(np.arange(400) / 2)
    np.testing.assert_array_equal(COMPILED.from_grey(scale, grey)[0], expected)
