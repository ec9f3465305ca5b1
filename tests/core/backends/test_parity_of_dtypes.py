"""Steps that have a kernel for each of many dtypes equal the reference in all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import strategies as draw

from lerf_core.backends import BACKENDS, get_backend
from lerf_core.pixels.values import ValueScale
from lerf_core.sampling.coverage import axis_coverage, halving_coverage
from lerf_core.sampling.taps import axis_taps

REFERENCE = get_backend("reference")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")

each_backend = pytest.mark.parametrize("name", [name for name in BACKENDS if name != "reference"])


def values_of(dtype, shape, seed):
    """Return noise over all values, its extremes among them."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "f":
        values = (rng.random(shape) * 1e3 - 300).astype(dtype)
        return np.where(rng.random(shape) < 0.02, dtype.type(np.nan), values)
    limits = np.iinfo(dtype)
    values = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    ends = rng.choice(np.array([limits.min, limits.max], dtype), shape)
    return np.where(rng.random(shape) < 0.3, ends, values)


@each_backend
@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
@pytest.mark.parametrize("ends", [(0, 1), (-3.7, 1000.1), (5, 4)])
def test_values_become_units_and_levels(name, dtype, ends):
    values = values_of(dtype, (9, 77), 0)
    scale, backend = ValueScale(values.dtype, *ends), get_backend(name)
    with np.errstate(all="ignore"):
        for bits in (8, 10):
            pairs = zip(
                backend.to_units(scale, values, bits), scale.to_units(values, bits), strict=True
            )
            for ours, expected in pairs:
                np.testing.assert_array_equal(ours, expected)
        np.testing.assert_array_equal(
            backend.to_grey(scale, values), REFERENCE.to_grey(scale, values)
        )


@each_backend
@pytest.mark.parametrize("has_alpha", [False, True])
@pytest.mark.parametrize("dtype", [*INTEGERS, "float32", "float64"])
@settings(max_examples=12)
@given(shape=draw.SHAPES, channels=st.integers(1, 5), seed=draw.SEEDS)
def test_halving(name, dtype, has_alpha, shape, channels, seed):
    image = values_of(dtype, (*shape, channels), seed)
    if has_alpha:
        # Opacities are not negative; beyond float64's integers, means are not exact.
        if dtype in {"int64", "uint64"}:
            image >>= image.dtype.type(12)
        alpha = np.maximum(image[..., -1], 0)
        image[..., -1] = np.where(np.random.default_rng(seed).random(shape) < 0.3, 0, alpha)
    ours, expected = np.zeros((2, *(-(-size // 2) for size in shape), channels), image.dtype)
    get_backend(name).halve(image, has_alpha=has_alpha, out=ours)
    REFERENCE.halve(image, has_alpha=has_alpha, out=expected)
    np.testing.assert_array_equal(ours, expected)


KEYS = pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])


def labels(dtype, shape, seed, has_missing):
    """Return few labels, so that parts of pixels add up and are equal, and which are missing."""
    rng = np.random.default_rng(seed)
    some = np.array([0, 1, 7, np.iinfo(dtype).max], dtype)[: rng.integers(1, 5)]
    missing = rng.random(shape) < rng.choice([0.1, 0.6]) if has_missing else None
    return rng.choice(some, shape), missing


@each_backend
@KEYS
@settings(max_examples=12)
@given(
    shape=draw.SHAPES, out_shape=draw.SHAPES, has_missing=st.booleans(), halves=st.booleans(),
    seed=draw.SEEDS,
)  # fmt: skip
def test_labels_on_grids(name, dtype, shape, out_shape, has_missing, halves, seed):
    keys, missing = labels(dtype, shape, seed, has_missing)
    axes = [
        halving_coverage(size)
        if halves
        else axis_coverage(size, out, out / size, anti_aliasing=bool(seed % 2))
        for size, out in zip(shape, out_shape, strict=True)
    ]
    np.testing.assert_array_equal(
        get_backend(name).majority_on_grid(keys, missing, *axes),
        REFERENCE.majority_on_grid(keys, missing, *axes),
    )


@each_backend
@KEYS
@settings(max_examples=12)
@given(
    shape=draw.SHAPES, has_missing=st.booleans(), scaled=st.booleans(), is_cut=st.booleans(),
    seed=draw.SEEDS,
)  # fmt: skip
def test_labels_at_points(name, dtype, shape, has_missing, scaled, is_cut, seed):
    keys, missing = labels(dtype, shape, seed, has_missing)
    rng = np.random.default_rng(seed)
    row, col = draw.positions(rng, shape, (4, 37))
    scales = tuple(rng.uniform(1, 4, (4, 37)) for _ in range(2)) if scaled else None
    np.testing.assert_array_equal(
        get_backend(name).majority_at_points(keys, missing, row, col, scales, is_cut=is_cut),
        REFERENCE.majority_at_points(keys, missing, row, col, scales, is_cut=is_cut),
    )


@each_backend
@pytest.mark.parametrize("kind", draw.KINDS)
@pytest.mark.parametrize("scale", [2, 3, 1.7])
def test_means_of_bytes_that_are_not_rounded(name, kind, scale):
    from lerf_core.bank import KINDS

    rng = np.random.default_rng(0)
    packed = draw.packed_levels(rng, kind, (9, 70), np.dtype("uint8"))
    bounds = REFERENCE.overshoot_bounds(packed[..., 0], 1) if kind == "lerf-p" else None
    taps = [axis_taps(size, round(size * scale), scale, anti_aliasing=True) for size in (9, 70)]
    for validity in (None, draw.validities(rng, (9, 70))):
        results = [
            backend.mean_on_grid(
                packed, KINDS[kind].weighting, *taps, validity=validity, cval=None,
                cval_validity=1.0, bounds=bounds, to_uint8=False,
            )
            for backend in (get_backend(name), REFERENCE)
        ]  # fmt: skip
        for ours, expected in zip(*results, strict=True):
            np.testing.assert_array_equal(ours, expected)
