"""The compiled engine equals the reference, bit for bit, over everything that varies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lerf_core import Displacement, rescale, resize, warp
from lerf_core.backends import get_backend
from lerf_core.validation import BORDER_MODES

SIDES = st.integers(1, 24)
DTYPES = st.sampled_from(["uint8", "uint16", "float16", "float32", "float64"])
MODES = st.sampled_from(BORDER_MODES)
SCALES = st.one_of(st.sampled_from([2.0, 3.0, 4.0, 0.5]), st.floats(0.2, 5.0))


def image_of(shape, dtype, seed):
    values = np.random.default_rng(seed).random(shape)
    if np.dtype(dtype).kind == "f":
        return (values * 1.4 - 0.2).astype(dtype)
    return (values * np.iinfo(dtype).max).round().astype(dtype)


def assert_engines_agree(function, *arguments, **options):
    fast = function(*arguments, engine="numba", **options)
    slow = function(*arguments, engine="reference", **options)
    assert fast.dtype == slow.dtype
    np.testing.assert_array_equal(fast, slow)
    return fast


@pytest.mark.parametrize(("bits", "dtype"), [(4, np.uint8), (14, np.int32)])
@given(shape=st.tuples(SIDES, SIDES), seed=st.integers(0, 999), threads=st.sampled_from([1, 3]))
def test_stages(random_banks, bits, dtype, shape, seed, threads):
    top = 255 << (bits - 4)
    plane = np.random.default_rng(seed).integers(0, top + 1, shape).astype(dtype)
    for bank in random_banks:
        for number in range(len(bank.stages)):
            results = [
                get_backend(name).read_stage(plane, bank, number, bits, threads)
                for name in ("numba", "reference")
            ]
            np.testing.assert_array_equal(*results)


def test_stages_of_long_rows_and_many_bands(random_banks):
    plane = np.random.default_rng(0).integers(0, 256, (130, 1100), dtype=np.uint8)
    for bank in random_banks:
        slow = get_backend("reference").read_stage(plane, bank, 1, 4, 1)
        for threads in (1, 2):
            fast = get_backend("numba").read_stage(plane, bank, 1, 4, threads)
            np.testing.assert_array_equal(fast, slow)


@given(
    shape=st.tuples(SIDES, SIDES), scales=st.tuples(SCALES, SCALES), dtype=DTYPES, mode=MODES,
    smooth=st.booleans(), linear=st.booleans(), seed=st.integers(0, 999),
)  # fmt: skip
def test_rescale(random_banks, shape, scales, dtype, mode, smooth, linear, seed):
    image = image_of(shape, dtype, seed)
    assert_engines_agree(
        rescale, image, scales, bank=random_banks[seed % 2], mode=mode, cval=0.3,
        anti_aliasing=smooth, linear_light=linear,
    )  # fmt: skip


@given(
    shape=st.tuples(SIDES, SIDES), channels=st.integers(1, 5), mode=MODES, dtype=DTYPES,
    seed=st.integers(0, 999), nodata=st.sampled_from([None, 0, 255]),
)  # fmt: skip
def test_channels_alpha_and_nodata(random_banks, shape, channels, mode, dtype, seed, nodata):
    image = image_of((*shape, channels), dtype, seed)
    image[: shape[0] // 2, :, -1] = 0
    assert_engines_agree(
        resize, image, (13, 17), bank=random_banks[seed % 2], mode=mode, channel_axis=-1,
        nodata=nodata,
    )  # fmt: skip


ENTRIES = st.floats(-2, 2)


@given(
    shape=st.tuples(SIDES, SIDES), linear=st.tuples(ENTRIES, ENTRIES, ENTRIES, ENTRIES),
    perspective=st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)), mode=MODES,
    dtype=DTYPES, smooth=st.booleans(), channels=st.sampled_from([1, 2]), seed=st.integers(0, 999),
)  # fmt: skip
def test_warp(random_banks, shape, linear, perspective, mode, dtype, smooth, channels, seed):
    a, b, c, d = linear
    matrix = np.array([[1 + a, b, 3.3], [c, 1 + d, -2.1], [*perspective, 1]])
    with np.errstate(divide="ignore"):
        if abs(np.linalg.det(matrix)) < 1e-3:
            matrix = np.eye(3)
    image = image_of((*shape, channels), dtype, seed)
    assert_engines_agree(
        warp, image, matrix, output_shape=(11, 19), bank=random_banks[seed % 2], mode=mode,
        cval=0.4, anti_aliasing=smooth, channel_axis=-1,
    )  # fmt: skip


@settings(max_examples=20)
@given(shape=st.tuples(SIDES, SIDES), mode=MODES, seed=st.integers(0, 999))
def test_fields(random_banks, shape, mode, seed):
    rng = np.random.default_rng(seed)
    field = rng.normal(0, 6, (2, 9, 15))
    field[:, 3, 4] = np.nan
    field[0, 5, 5] = 1e300
    image = image_of(shape, "uint8", seed)
    bank = random_banks[seed % 2]
    assert_engines_agree(warp, image, Displacement(field), bank=bank, mode=mode, cval=9)
    assert_engines_agree(warp, image, field, bank=bank, mode=mode)
    assert_engines_agree(warp, image, lambda points: points[:, ::-1] * 0.7, bank=bank, mode=mode)


def test_threads_do_not_change_a_bit(random_banks):
    image = image_of((210, 330, 3), "uint8", 1)
    for bank in random_banks:
        one = rescale(image, 2.3, bank=bank, channel_axis=-1, threads=1)
        many = rescale(image, 2.3, bank=bank, channel_axis=-1, threads=4)
        np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize("kind", ["lerf-g", "lerf-p"])
@pytest.mark.parametrize("interval", [8, 32, 64])
def test_other_intervals_patterns_and_stages_are_data(make_random_bank, interval, kind):
    patterns = {"a": ((0, 0), (0, 2), (2, 0), (2, 2)), "b": ((0, 0), (1, 2), (-1, 3), (4, -2))}
    bank = make_random_bank(kind, interval=interval, patterns=patterns, prefilters=2, seed=3)
    for dtype in ("uint8", "uint16", "float32"):
        assert_engines_agree(rescale, image_of((9, 14), dtype, 0), 2, bank=bank)
