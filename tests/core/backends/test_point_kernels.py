"""The kernels of scattered positions equal `reference.mean_at_points`, bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerf_core.backends import reference
from lerf_core.backends.numba.backend import as_words
from lerf_core.backends.numba.kernels.points import points2_rows, points_rows
from lerf_core.sampling.taps import effective_filter_scale, point_taps

KINDS = {"lerf-g": (3, 4, "gaussian"), "lerf-l": (1, 2, "linear"), "lerf-p": (6, 8, "gaussian")}
SIDES = st.integers(1, 30)


def planes_of(kind, dtype, shape, channels, rng):
    """Features and parameters, random and of the least and greatest."""
    values = 1 + KINDS[kind][0]
    levels = rng.integers(1, 256, (channels, values, *shape))
    if np.dtype(dtype).kind == "f":
        levels = np.clip(levels + rng.random(levels.shape), 0, 255)
    rare = rng.random(levels.shape)
    levels[rare < 0.05], levels[rare > 0.95] = 1, 255
    return levels.astype(dtype)


def records_of(planes, slots):
    channels, values, rows, cols = planes.shape
    records = np.zeros((channels, rows, cols, slots), planes.dtype)
    records[..., :values] = planes.transpose(0, 2, 3, 1)
    return records


def positions_of(shape, out_shape, rng):
    """Positions inside, on pixels, a hair beside them, at the border, and far outside."""
    result = []
    for size in shape:
        position = rng.uniform(-1.5, size + 0.5, out_shape)
        choice = rng.random(out_shape)
        on = choice < 0.2
        position[on] = np.round(position[on])
        beside = (choice > 0.2) & (choice < 0.3)
        position[beside] = np.round(position[beside]) + rng.normal(0, 2e-7, beside.sum())
        far = choice > 0.98
        position[far] = rng.normal(0, 1e6, far.sum())
        if rng.random() < 0.5:  # whole segments inside
            position[len(position) // 2 :] = np.clip(
                position[len(position) // 2 :], min(0.1, size / 2), max(size - 1.1, 0)
            )
        result.append(position)
    return result


def limits_of(planes):
    limits = np.stack([reference.overshoot_bounds(plane[0]) for plane in planes])
    if planes.dtype == np.uint8:
        return np.clip(np.rint(limits), 0, 255).astype(np.uint8)
    return limits


def assert_kernels_agree(kind, dtype, shape, out_shape, channels, seed, *, trusting, stretch):
    rng = np.random.default_rng(seed)
    _, slots, weighting = KINDS[kind]
    planes = planes_of(kind, dtype, shape, channels, rng)
    row, col = positions_of(shape, out_shape, rng)
    stretches = ()
    if stretch:
        stretches = tuple(effective_filter_scale(rng.uniform(0.5, 3, out_shape)) for _ in range(2))
        for one in stretches:
            one[: out_shape[0] // 2] = 1
            one[-1, :2] = rng.choice([4.5, 9.7])
    confidence = None
    if trusting:
        confidence = (rng.random(shape) * (rng.random(shape) < 0.6)).astype(np.float32)
    limits = limits_of(planes) if kind == "lerf-p" else None
    out = np.empty((channels, *out_shape), dtype)
    trust = np.empty((channels, *out_shape), np.float32) if trusting else None
    records = records_of(planes, slots)
    sources = (records, as_words(records)) if stretch else (as_words(records),)
    (points_rows if stretch else points2_rows)(
        *sources, weighting == "gaussian", row, col, *stretches,
        confidence,
        np.empty((channels, 2, 0, 0), dtype) if limits is None else limits, out, trust,
    )  # fmt: skip
    row_scale, col_scale = stretches or (None, None)
    taps = point_taps(row, row_scale), point_taps(col, col_scale)
    for channel in range(channels):
        mean, share = reference.mean_at_points(
            planes[channel, 0], planes[channel, 1:], weighting, *taps, validity=confidence,
            bounds=None if limits is None else limits[channel],
        )  # fmt: skip
        if out.dtype == np.uint8:
            mean = np.clip(np.rint(mean), 0, 255).astype(np.uint8)
        np.testing.assert_array_equal(out[channel], mean)
        if trusting:
            np.testing.assert_array_equal(trust[channel], share)


def test_unwanted_columns_are_cleared_and_others_are_the_same():
    rng = np.random.default_rng(3)
    records = records_of(planes_of("lerf-g", "uint8", (30, 40), 2, rng), 4)
    row, col = positions_of((30, 40), (3, 700), rng)
    confidence = rng.random((30, 40)).astype(np.float32)
    limits, shape = np.empty((2, 2, 0, 0), np.uint8), (2, 3, 700)
    shown = np.array([[10, 650], [5, 5], [0, 700]])
    wanted = np.arange(700) >= shown[:, :1]
    wanted &= np.arange(700) < shown[:, 1:]
    words = as_words(records)
    for kernel, sources, stretches in (
        (points2_rows, (words,), ()),
        (points_rows, (records, words), (row * 0 + 1.5, col * 0 + 1)),
    ):
        results = []
        for more in ((), (shown,)):
            out, trust = np.full(shape, 9, np.uint8), np.full(shape, 9, np.float32)
            kernel(*sources, True, row, col, *stretches, confidence, limits, out, trust, *more)
            results.append((out, trust))
        for whole, part in zip(*results, strict=True):
            np.testing.assert_array_equal(part, np.where(wanted, whole, 0))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("kind", KINDS)
@given(
    shape=st.tuples(SIDES, SIDES), channels=st.integers(1, 3), trusting=st.booleans(),
    stretch=st.booleans(), seed=st.integers(0, 9999),
)  # fmt: skip
def test_random_positions(kind, dtype, shape, channels, trusting, stretch, seed):
    assert_kernels_agree(
        kind, dtype, shape, (4, 37), channels, seed, trusting=trusting, stretch=stretch
    )


@pytest.mark.parametrize("trusting", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_several_segments(kind, dtype, trusting):
    for stretch in (False, True):
        assert_kernels_agree(
            kind, dtype, (90, 70), (6, 600), 3, 5, trusting=trusting, stretch=stretch
        )
