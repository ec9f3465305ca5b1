"""The kernels of resizing equal the reference, bit for bit, over everything that varies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerf_core.backends import reference
from lerf_core.backends.numba.backend import as_words, phase_count
from lerf_core.backends.numba.kernels import grid
from lerf_core.constants import EXPONENT_STEPS, REACH_LIMIT
from lerf_core.sampling.taps import axis_taps

# Slots of a record, parameters and weighting of every kind.
KINDS = {"lerf-g": (4, 3, "gaussian"), "lerf-l": (2, 1, "linear"), "lerf-p": (8, 6, "gaussian")}
SIDES = st.integers(1, 20)
SCALES = st.one_of(st.sampled_from([2.0, 3.0, 4.0, 5.0, 0.5]), st.floats(0.2, 5.0))


def levels(rng, shape, dtype, extreme):
    if extreme:
        return rng.choice([0, 1, 128, 254, 255], shape).astype(dtype)
    values = rng.uniform(0, 255, shape)
    return np.rint(values).astype(np.uint8) if dtype == np.uint8 else values.astype(np.float32)


def records_of(feature, parameters, slots, rng):
    records = levels(rng, (*feature.shape, slots), feature.dtype, False)  # padding: anything
    records[..., 0] = feature
    records[..., 1 : 1 + len(parameters)] = np.moveaxis(parameters, 0, -1)
    return records


def tap_arrays(taps, size):
    index = np.ascontiguousarray(taps.index.T)
    clipped = np.clip(index, 0, size - 1)
    return clipped, clipped != index, np.ascontiguousarray(taps.offset.T)


def compute(
    feature, parameters, kind, rows, cols, rng, *, confidence, cval, share, limits, phased=True
):
    """Results of the kernel and of the reference; the kernel's in two bands."""
    slots, _, weighting = KINDS[kind]
    height, width = feature.shape
    records = records_of(feature, parameters, slots, rng)
    two = rows.count == 2 and cols.count == 2
    dtype = feature.dtype if two else np.float32
    mean = np.zeros((rows.size, cols.size), dtype)
    trusting = confidence is not None
    trust = np.zeros(mean.shape, np.float32) if trusting else None
    cells = [
        reference.axis_cells(taps, size, constant=cval is not None)
        for taps, size in ((rows, height), (cols, width))
    ]
    bounded = limits is not None and rows.count <= 2 and cols.count <= 2
    bounds = np.empty((2, 0, 0), feature.dtype)
    if bounded:
        limits = bounds = reference.bounds_along_kept_axes(limits, rows, cols)
    place = [*tap_arrays(rows, height), *tap_arrays(cols, width)]
    if two:
        place.append(phase_count(cols, width) if phased else 0)
    source = as_words(records)
    for top, bottom in ((0, rows.size // 2), (rows.size // 2, rows.size)):
        (grid.grid2_rows if two else grid.grid_rows)(
            source, weighting == "gaussian", *place,
            np.float32(0 if cval is None else cval), cval is not None,
            confidence, np.float32(share),
            bounds, *cells, top, bottom, mean, trust,
        )  # fmt: skip
    expected, expected_trust = reference.mean_on_grid(
        feature, parameters, weighting, rows, cols,
        validity=confidence, cval=cval, cval_validity=share, bounds=limits,
    )  # fmt: skip
    if dtype == np.uint8:
        expected = np.clip(np.rint(expected), 0, 255).astype(np.uint8)
    return mean, expected, trust, expected_trust


def check(feature, parameters, kind, scales, rng, *, smooth=True, **options):
    rows, cols = (
        axis_taps(size, max(1, round(size * scale)), scale, anti_aliasing=smooth)
        for size, scale in zip(feature.shape, scales, strict=True)
    )
    mean, expected, trust, expected_trust = compute(
        feature, parameters, kind, rows, cols, rng, **options
    )
    np.testing.assert_array_equal(mean, expected)
    if options["confidence"] is not None:
        np.testing.assert_array_equal(trust, expected_trust)


def limits_of(plane):
    limits = reference.overshoot_bounds(plane)
    return np.clip(np.rint(limits), 0, 255).astype(np.uint8) if plane.dtype == np.uint8 else limits


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("kind", KINDS)
@given(
    shape=st.tuples(SIDES, SIDES), scales=st.tuples(SCALES, SCALES), smooth=st.booleans(),
    cval=st.sampled_from([None, 0.0, 77.5, -300.0]), trusting=st.booleans(),
    limited=st.booleans(), extreme=st.booleans(), seed=st.integers(0, 999),
)  # fmt: skip
def test_grids(kind, dtype, shape, scales, smooth, cval, trusting, limited, extreme, seed):
    rng = np.random.default_rng(seed)
    feature = levels(rng, shape, dtype, extreme)
    parameters = levels(rng, (KINDS[kind][1], *shape), dtype, extreme)
    confidence = rng.choice([0, 0, 0.3, 1], shape).astype(np.float32) if trusting else None
    check(
        feature, parameters, kind, scales, rng, smooth=smooth, confidence=confidence, cval=cval,
        share=float(rng.choice([0, 1])), limits=limits_of(feature) if limited else None,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scales", [(1.0, 2.0), (3.0, 1.0)])
def test_an_axis_that_is_kept(kind, scales):
    rng = np.random.default_rng(0)
    feature = levels(rng, (9, 13), np.uint8, False)
    parameters = levels(rng, (KINDS[kind][1], 9, 13), np.uint8, False)
    check(
        feature, parameters, kind, scales, rng,
        confidence=None, cval=None, share=1.0, limits=limits_of(feature),
    )  # fmt: skip


@pytest.mark.parametrize("trusting", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [2, 3, 4, 5, 1.9])
def test_rows_of_many_segments(kind, scale, trusting):
    rng = np.random.default_rng(1)
    shape = (3, 1300)
    feature = levels(rng, shape, np.uint8, False)
    parameters = levels(rng, (KINDS[kind][1], *shape), np.uint8, False)
    confidence = rng.random(shape, dtype=np.float32) if trusting else None
    check(
        feature, parameters, kind, (2, scale), rng,
        confidence=confidence, cval=9.0, share=0.5, limits=limits_of(feature),
    )  # fmt: skip


def test_columns_without_phases_give_the_same():
    rng = np.random.default_rng(2)
    shape = (6, 600)
    feature, parameters = levels(rng, shape, np.uint8, False), levels(rng, (6, *shape), np.uint8, 0)
    rows, cols = (axis_taps(size, 2 * size, 2, anti_aliasing=True) for size in shape)
    assert phase_count(cols, 600) == 2
    results = [
        compute(
            feature, parameters, "lerf-p", rows, cols, rng, phased=phased,
            confidence=None, cval=3.0, share=1.0, limits=limits_of(feature),
        )[0]
        for phased in (False, True)
    ]  # fmt: skip
    np.testing.assert_array_equal(*results)


def test_phases():
    def count(size, out_size, scale):
        return phase_count(axis_taps(size, out_size, scale, anti_aliasing=True), size)

    assert [count(31, 31 * scale, scale) for scale in (2, 3, 4, 8)] == [2, 3, 4, 8]
    assert count(30, 45, 1.5) == 0
    assert count(31, 63, 63 / 31) == 0
    assert count(30, 15, 0.5) == 0
    assert count(30, 30, 1) == 0


def test_products_stay_finite_for_values_far_outside_the_levels():
    rng = np.random.default_rng(3)
    feature = rng.uniform(-1e9, 1e9, (8, 9)).astype(np.float32)
    parameters = levels(rng, (3, 8, 9), np.float32, True)
    for scale in (4, 0.3):
        taps = [axis_taps(n, max(1, round(n * scale)), scale, anti_aliasing=True) for n in (8, 9)]
        mean, expected, *_ = compute(
            feature, parameters, "lerf-g", *taps, rng,
            confidence=None, cval=None, share=1.0, limits=None,
        )  # fmt: skip
        assert np.isfinite(mean).all()
        np.testing.assert_array_equal(mean, expected)


@pytest.mark.parametrize("scale", [2, 3, 1.7, 0.4])
def test_bytes_stay_within_one_level_of_exact_weights(scale):
    rng = np.random.default_rng(4)
    shape = (60, 50)
    feature = np.clip(rng.normal(128, 25, shape), 0, 255).astype(np.uint8)
    parameters = rng.integers(30, 226, (3, *shape), dtype=np.uint8)
    rows, cols = (axis_taps(size, round(size * scale), scale, anti_aliasing=True) for size in shape)
    ours = compute(
        feature, parameters, "lerf-g", rows, cols, rng,
        confidence=None, cval=None, share=1.0, limits=None,
    )[0]  # fmt: skip
    total = weighted = 0.0
    for ty in range(rows.count):
        for tx in range(cols.count):
            row = np.clip(rows.index[:, ty, None], 0, shape[0] - 1)
            col = np.clip(cols.index[None, :, tx], 0, shape[1] - 1)
            dy, dx = rows.offset[:, ty, None].astype(float), cols.offset[None, :, tx].astype(float)
            rho, sigma_row, sigma_col = parameters[:, row, col] / 255.0
            u, v = 10 * sigma_row * dy, 10 * sigma_col * dx
            weight = np.exp(-(u * u - 2 * (2 * rho - 1) * u * v + v * v) / 2)
            weight = weight * ((abs(dy) <= REACH_LIMIT) & (abs(dx) <= REACH_LIMIT))
            total, weighted = total + weight, weighted + weight * feature[row, col]
    difference = np.abs(np.rint(ours) - np.rint(weighted / total))
    assert difference.max() <= 1
    # Noise with random parameters; for photographs one in 10,000 (test_literal).
    assert np.count_nonzero(difference) <= max(1, difference.size // 3_000)


def test_a_power_of_two_is_near_and_equal_exponents_weigh_the_same():
    exponent = np.linspace(-100, 100, 200_001)
    steps = np.rint(exponent * EXPONENT_STEPS).astype(np.int32)
    error = np.abs(reference.exp2_steps(steps) / np.exp2(steps / 2**23) - 1)
    assert error.max() < 3.5e-6
    powers = np.arange(-100, 101)
    exact = np.exp2(powers.astype(np.float32))
    np.testing.assert_array_equal(reference.exp2_steps((powers << 23).astype(np.int32)), exact)
