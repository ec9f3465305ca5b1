"""The learned function for shrinking: every backend gives the results of the reference."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import strategies as draw

from lerf_core.backends import BACKENDS, get_backend
from lerf_core.sampling.shrinking import ShrinkingKernel, shrinking_kernel, shrinking_taps

REFERENCE = get_backend("reference")
DTYPES = ("uint8", "uint16", "float32")
# Around what is computed together: 8 or 16 rows with two neighbours, 64 values or pixels.
SIDES = st.sampled_from([1, 2, 5, 13, 17, 33, 66, 131, 300])
SCALES = st.one_of(st.sampled_from([0.03, 0.25, 1 / 3, 0.5, 0.999, 1.0]), st.floats(0.03, 1))
KERNELS = {
    "shipped": shrinking_kernel(),
    # Of other radii: the smooth one is the wider, and both are narrower than what lies nearby.
    "wide": ShrinkingKernel.of("wide", [1, 0.6, 0.1, -0.2, -0.1], [1, 0.8, 0.4, 0.2] * 4, 0.3, 0.1),
    "narrow": ShrinkingKernel.of("narrow", [1, 0.5, 0.2, 0.1, 0], [1, 0.5, 0.3, 0.2, 0], 0, 0),
}

each_backend = pytest.mark.parametrize("name", [name for name in BACKENDS if name != "reference"])
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def taps_of(size, scale, kernel=KERNELS["shipped"], out_range=None):
    out_size = max(1, round(size * scale))
    return shrinking_taps(kernel, size, out_size, scale, anti_aliasing=True, out_range=out_range)


def noise(rng, shape, dtype):
    if dtype == "float32":
        return rng.normal(0, 1e3, shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def shrunk(backend, source, rows, cols, dtype, cval=None, parts=(0.5683, 0.09375)):
    out = np.empty((rows.size, cols.size, source.shape[2]), dtype)
    with np.errstate(all="ignore"):
        backend.shrunk_mean(source, rows, cols, *parts, cval=cval, out=out)
    return out


LAYOUTS = {
    "interleaved": lambda image: image,
    "planar": lambda image: np.moveaxis(np.ascontiguousarray(np.moveaxis(image, 2, 0)), 0, 2),
    "turned": lambda image: np.repeat(image, 2, axis=1)[::-1, ::-2],
    "cut": lambda image: np.pad(image, ((1, 2), (2, 1), (0, 1)))[1:-2, 2:-1, :-1],
    "other byte order": lambda image: image.astype(image.dtype.newbyteorder(">")),
}


@each_backend
@each_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=6)
@given(
    shape=st.tuples(SIDES, SIDES, st.integers(1, 5)), scales=st.tuples(SCALES, SCALES),
    kernel=st.sampled_from(list(KERNELS)), out_dtype=st.sampled_from(DTYPES),
    constant=st.booleans(), seed=draw.SEEDS,
)  # fmt: skip
def test_results_of_the_reference(
    name, dtype, layout, shape, scales, kernel, out_dtype, constant, seed
):
    rng, kernel = np.random.default_rng(seed), KERNELS[kernel]
    source = LAYOUTS[layout](noise(rng, shape, dtype))
    rows, cols = (
        taps_of(size, scale, kernel) for size, scale in zip(shape[:2], scales, strict=True)
    )
    cval = list(rng.uniform(-50, 300, shape[2])) if constant else None
    parts = (cval, (kernel.widening, kernel.overshoot))
    before = source.copy()
    expected = shrunk(REFERENCE, source, rows, cols, out_dtype, *parts)
    ours = shrunk(get_backend(name), source, rows, cols, out_dtype, *parts)
    np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(source, before)


@pytest.mark.parametrize("name", BACKENDS)
@each_dtype
@settings(max_examples=6)
@given(size=st.integers(1, 150), scale=SCALES, constant=st.booleans(), data=st.data())
def test_bands_and_blocks_give_the_whole(name, dtype, size, scale, constant, data):
    backend, shape = get_backend(name), (size, 151, 3)
    image = noise(np.random.default_rng(size), shape, dtype)
    rows, cols = taps_of(size, scale), taps_of(151, 0.7)
    cval = [3, 200, -9] if constant else None
    whole = shrunk(backend, image, rows, cols, dtype, cval)
    cuts = data.draw(st.lists(st.integers(0, rows.size), max_size=3))
    left, right = sorted((data.draw(st.integers(0, cols.size - 1)), cols.size))
    part = taps_of(151, 0.7, out_range=(left, right))
    for top, bottom in pairwise(sorted({0, rows.size, *cuts})):
        taps, source_rows = rows.band(top, bottom)
        band = shrunk(backend, image[source_rows], taps, part, dtype, cval)
        np.testing.assert_array_equal(band, whole[top:bottom, left:right])


@each_backend
@pytest.mark.parametrize("planar", [False, True])
def test_only_the_result_is_written(name, planar):
    image = noise(np.random.default_rng(0), (90, 100, 3), "uint8")
    rows, cols = taps_of(90, 0.5), taps_of(100, 0.7)
    shape = (rows.size + 2, cols.size + 2, 5)
    room = np.full(shape[::-1] if planar else shape, 9, np.uint8)
    room = room.T if planar else room
    out = room[1:-1, 1:-1, 1:-1]
    get_backend(name).shrunk_mean(image, rows, cols, 0.5683, 0.09375, cval=None, out=out)
    np.testing.assert_array_equal(out, shrunk(REFERENCE, image, rows, cols, "uint8"))
    out[...] = 9
    assert (room == 9).all()


@each_backend
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38])
def test_numbers_that_are_none_are_those_of_the_reference(name, value):
    image = noise(np.random.default_rng(0), (40, 50, 2), "float32")
    image[20, 25, 0] = value
    rows, cols = taps_of(40, 0.5), taps_of(50, 0.4)
    expected = shrunk(REFERENCE, image, rows, cols, "float32")
    np.testing.assert_array_equal(shrunk(get_backend(name), image, rows, cols, "float32"), expected)


@each_backend
@pytest.mark.parametrize("channels", [1, 3])
def test_long_rows_and_strong_shrinking(name, channels):
    image = noise(np.random.default_rng(channels), (9, 30_000, channels), "uint8")
    for scale in (0.3, 0.002):
        rows, cols = taps_of(9, 0.5), taps_of(30_000, scale)
        expected = shrunk(REFERENCE, image, rows, cols, "uint8")
        ours = shrunk(get_backend(name), image, rows, cols, "uint8")
        np.testing.assert_array_equal(ours, expected)


@each_backend
@settings(max_examples=15)
@given(
    shape=st.tuples(SIDES, SIDES, st.integers(1, 4)), scales=st.tuples(SCALES, SCALES),
    constant=st.booleans(), seed=draw.SEEDS,
)  # fmt: skip
def test_ranges_and_limits_are_those_of_the_reference(name, shape, scales, constant, seed):
    """As images with alpha or missing values ask for them: with infinities, and NaN."""
    rng, backend = np.random.default_rng(seed), get_backend(name)
    image = noise(rng, shape, "float32")
    image[rng.random(shape) < 0.3] = np.inf
    image[rng.random(shape) < 0.5] = np.nan
    rows, cols = (taps_of(size, scale) for size, scale in zip(shape[:2], scales, strict=True))
    cval = [7.0] * shape[2] if constant else None
    expected = REFERENCE.separable_range(image, rows.near, cols.near, cval=cval)
    ours = backend.separable_range(image, rows.near, cols.near, cval=cval)
    np.testing.assert_array_equal(ours, expected)
    size = (rows.sharp.size, cols.sharp.size, shape[2])
    sharp, smooth = (noise(rng, size, "float32") for _ in range(2))
    low, high = np.sort([noise(rng, size, "float32") for _ in range(2)], axis=0)
    low[rng.random(size) < 0.1], high[rng.random(size) < 0.1] = -np.inf, np.inf
    limits = (sharp, smooth, low, high, (rows.inner, cols.inner), 0.5, 0.1)
    with np.errstate(all="ignore"):
        expected, ours = REFERENCE.limited(*limits), backend.limited(*limits)
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("name", BACKENDS)
def test_ranges_leave_out_what_is_none(name):
    image = np.full((40, 40, 2), np.nan, np.float32)
    image[20, 20, 1] = 5
    taps = taps_of(40, 0.5).near
    low, high = get_backend(name).separable_range(image, taps, taps, cval=None)
    assert (low[..., 0] == np.inf).all()
    assert (high[..., 0] == -np.inf).all()
    assert low[10, 10, 1] == high[10, 10, 1] == 5
    assert (low[0, 0, 1], high[0, 0, 1]) == (np.inf, -np.inf)
