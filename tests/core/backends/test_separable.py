"""Means by fixed kernels on a grid: the definition, and that every backend gives its bits."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import strategies as draw

from lerf_core.backends import BACKENDS, get_backend
from lerf_core.backends.numba.separable import DTYPES
from lerf_core.sampling.kernel_taps import KernelTaps, kernel_taps
from lerf_core.sampling.kernels import KERNELS

REFERENCE = get_backend("reference")
NAMES = [name for name in KERNELS if name != "nearest"]
# Around what is computed together: 8 or 16 rows, 64 values or pixels.
SIDES = st.sampled_from([1, 2, 5, 15, 16, 17, 33, 64, 67, 130])
SCALES = st.one_of(
    st.sampled_from([0.01, 0.25, 1 / 3, 0.5, 1.0, 1.001, 1.7, 2.0, 3.0, 8.0]), st.floats(0.01, 8)
)
CHANNELS = st.sampled_from([1, 2, 3, 4, 5, 9])

each_backend = pytest.mark.parametrize("name", [name for name in BACKENDS if name != "reference"])
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def taps_of(kernel, size, scale, *, smooth=True):
    out_size = min(max(1, round(size * scale)), 300)
    return kernel_taps(KERNELS[kernel], size, out_size, scale, anti_aliasing=smooth)


def noise(rng, shape, dtype):
    if dtype == "float32":
        return rng.normal(0, 1e3, shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def mean_of(backend, source, rows, cols, dtype, cval=None):
    out = np.empty((rows.size, cols.size, source.shape[2]), dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        backend.separable_mean(source, rows, cols, cval=cval, out=out)
    return out


def assert_same_bits(ours, expected):
    assert ours.dtype == expected.dtype
    np.testing.assert_array_equal(
        np.ascontiguousarray(ours).view(np.uint8), np.ascontiguousarray(expected).view(np.uint8)
    )


LAYOUTS = {
    "interleaved": noise,
    "planar": lambda rng, shape, dtype: np.moveaxis(
        noise(rng, shape[-1:] + shape[:2], dtype), 0, 2
    ),
    "without the last channel": lambda rng, shape, dtype: noise(
        rng, (*shape[:2], shape[2] + 1), dtype
    )[..., :-1],
    "window": lambda rng, shape, dtype: noise(rng, (shape[0] + 2, shape[1] + 3, shape[2]), dtype)[
        1:-1, 1:-2
    ],
    "turned": lambda rng, shape, dtype: noise(rng, (shape[0], 2 * shape[1], shape[2]), dtype)[
        ::-1, ::-2
    ],
    "other byte order": lambda rng, shape, dtype: noise(rng, shape, dtype).astype(
        np.dtype(dtype).newbyteorder(">")
    ),
}


# -- the definition -----------------------------------------------------------------------


@given(
    kernels=st.tuples(*[st.sampled_from(NAMES)] * 2), scales=st.tuples(SCALES, SCALES),
    shape=draw.SHAPES, cval=st.sampled_from([None, 7.0]), seed=draw.SEEDS,
)  # fmt: skip
def test_the_reference_sums_weighted_neighbours(kernels, scales, shape, cval, seed):
    plane = noise(np.random.default_rng(seed), shape, "uint16")
    rows, cols = map(taps_of, kernels, shape, scales)
    expected = np.zeros((rows.size, cols.size))
    for down in range(rows.count):
        for across in range(cols.count):
            y, x = rows.first[:, None] + down, cols.first + across
            inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
            value = plane[y.clip(0, shape[0] - 1), x.clip(0, shape[1] - 1)].astype(np.float64)
            if cval is not None:
                value = np.where(inside, value, cval)
            expected += rows.weight[:, down, None] * (value * cols.weight[:, across])
    ours = mean_of(REFERENCE, plane[..., None], rows, cols, "float32", cval and [cval])
    np.testing.assert_allclose(ours[..., 0], expected, atol=0.2)
    for dtype in ("uint8", "uint16"):
        rounded = mean_of(REFERENCE, plane[..., None], rows, cols, dtype, cval and [cval])
        clipped = np.clip(np.rint(ours), 0, np.iinfo(dtype).max)
        np.testing.assert_array_equal(rounded, clipped.astype(dtype))


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("kernel", NAMES)
@pytest.mark.parametrize("scale", [0.1, 0.5, 1.7])
def test_flat_images_stay_flat(name, kernel, scale):
    taps = taps_of(kernel, 40, scale)
    for dtype, value in (("uint8", 255), ("uint16", 65535)):
        image = np.full((40, 40, 3), value, dtype)
        assert (mean_of(get_backend(name), image, taps, taps, dtype) == value).all()


@pytest.mark.parametrize("name", BACKENDS)
def test_means_are_rounded_half_to_even_and_clipped(name):
    pairs = np.array([[0, 1], [1, 2], [2, 3], [254, 255]], np.uint8)[..., None]
    one, two = (
        KernelTaps(np.arange(4), np.ones((4, 1), np.float32), 4),
        KernelTaps(np.zeros(1, np.int64), np.full((1, 2), 0.5, np.float32), 2),
    )
    means = mean_of(get_backend(name), pairs, one, two, "uint8")
    np.testing.assert_array_equal(means[:, 0, 0], [0, 2, 2, 254])
    beyond = KernelTaps(np.zeros(1, np.int64), np.array([[-2, 3]], np.float32), 2)
    edges = np.array([[0, 255], [255, 0], [100, 110]], np.uint8)[..., None]
    rows = KernelTaps(np.arange(3), np.ones((3, 1), np.float32), 3)
    means = mean_of(get_backend(name), edges, rows, beyond, "uint8")
    np.testing.assert_array_equal(means[:, 0, 0], [255, 0, 130])


# -- parity -------------------------------------------------------------------------------


@each_backend
@each_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=8)
@given(
    shape=st.tuples(SIDES, SIDES, CHANNELS), kernel=st.sampled_from(NAMES),
    scales=st.tuples(SCALES, SCALES), out_dtype=st.sampled_from(DTYPES),
    smooth=st.booleans(), constant=st.booleans(), seed=draw.SEEDS,
)  # fmt: skip
def test_bits_of_the_reference(
    name, dtype, layout, shape, kernel, scales, out_dtype, smooth, constant, seed
):
    rng, backend = np.random.default_rng(seed), get_backend(name)
    source = LAYOUTS[layout](rng, shape, dtype)
    rows, cols = (
        taps_of(kernel, size, scale, smooth=smooth)
        for size, scale in zip(shape[:2], scales, strict=True)
    )
    cval = list(rng.uniform(-50, 300, shape[2])) if constant else None
    before = source.copy()
    expected = mean_of(REFERENCE, source, rows, cols, out_dtype, cval)
    assert_same_bits(mean_of(backend, source, rows, cols, out_dtype, cval), expected)
    np.testing.assert_array_equal(source, before)


@each_backend
@each_dtype
@settings(max_examples=10)
@given(
    rows=st.integers(1, 90), scale=SCALES, kernel=st.sampled_from(NAMES), constant=st.booleans(),
    data=st.data(),
)  # fmt: skip
def test_any_cut_into_bands_gives_the_same_bits(name, dtype, rows, scale, kernel, constant, data):
    backend, image = get_backend(name), noise(np.random.default_rng(rows), (rows, 21, 3), dtype)
    down, across = taps_of(kernel, rows, scale), taps_of(kernel, 21, 1.7)
    cval = [3, 200, -9] if constant else None
    whole = mean_of(backend, image, down, across, dtype, cval)
    cuts = data.draw(st.lists(st.integers(0, down.size), max_size=4))
    edges = sorted({0, down.size, *cuts})
    for top, bottom in pairwise(edges):
        taps, source_rows = down.band(top, bottom)
        band = mean_of(backend, image[source_rows], taps, across, dtype, cval)
        assert_same_bits(band, whole[top:bottom])


@each_backend
@each_dtype
@pytest.mark.parametrize("planar", [False, True])
def test_only_the_result_is_written(name, dtype, planar):
    backend, rng = get_backend(name), np.random.default_rng(0)
    image = noise(rng, (40, 50, 3), dtype)
    rows, cols = taps_of("cubic", 40, 0.7), taps_of("cubic", 50, 1.9)
    room = np.full(
        (5, rows.size + 2, cols.size + 2) if planar else (rows.size + 2, cols.size + 2, 5), 9, dtype
    )
    out = (np.moveaxis(room, 0, 2) if planar else room)[1:-1, 1:-1, 1:-1]
    backend.separable_mean(image, rows, cols, cval=None, out=out)
    np.testing.assert_array_equal(out, mean_of(REFERENCE, image, rows, cols, dtype))
    out[...] = 9
    assert (room == 9).all()


@each_backend
@pytest.mark.parametrize("channels", [1, 3])
def test_long_rows_and_strong_shrinking(name, channels):
    """Rows whose values do not fit what is worked on at once."""
    rng, backend = np.random.default_rng(channels), get_backend(name)
    for width, scale in ((40_000, 0.3), (30_000, 0.002), (3000, 8.0)):
        image = noise(rng, (9, width, channels), "uint8")
        rows, cols = (
            taps_of("lanczos3", 9, 2.0),
            kernel_taps(
                KERNELS["lanczos3"], width, round(width * scale), scale, anti_aliasing=True
            ),
        )
        expected = mean_of(REFERENCE, image, rows, cols, "uint8")
        np.testing.assert_array_equal(mean_of(backend, image, rows, cols, "uint8"), expected)


@each_backend
@each_dtype
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("width", [2, 10, 22, 64, 203])
def test_halves(name, dtype, channels, width):
    """Means of two by two, which are exact but for their rounding, have a way of their own."""
    rng, backend = np.random.default_rng(width), get_backend(name)
    image = noise(rng, (8, width, channels), dtype)
    image[:4] = rng.integers(0, 4, (4, width, channels))  # sums that are rounded half to even
    rows, cols = (
        kernel_taps(KERNELS["area"], size, size // 2, 0.5, anti_aliasing=True)
        for size in (8, width // 2 * 2)
    )
    assert rows.count == cols.count == 2
    assert_same_bits(
        mean_of(backend, image, rows, cols, dtype), mean_of(REFERENCE, image, rows, cols, dtype)
    )
    shifted = KernelTaps(cols.first[:-1] + 1, cols.weight[:-1], width)
    if shifted.size:
        assert_same_bits(
            mean_of(backend, image[::-1], rows, shifted, dtype),
            mean_of(REFERENCE, image[::-1], rows, shifted, dtype),
        )
