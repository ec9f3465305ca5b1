"""Means by fixed kernels at points: compiled ones equal the specification bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from support.combinations import each_pair_of

from lerf_core.backends import BACKENDS, get_backend
from lerf_core.constants import KERNEL_SAMPLES
from lerf_core.sampling.kernel_points import kernel_point_taps, kernel_table
from lerf_core.sampling.kernels import KERNELS
from lerf_core.sampling.named_kernels import get_kernel

AVERAGING = [name for name in KERNELS if name != "nearest"]
OTHERS = [name for name in BACKENDS if name != "reference"]


@pytest.mark.parametrize("name", OTHERS)
@each_pair_of(
    kernel=AVERAGING, dtype=["uint8", "uint16", "float32"], channels=[1, 3, 4],
    is_scaled=[False, True],
)  # fmt: skip
def test_backends_agree(name, kernel, dtype, channels, is_scaled):
    rng = np.random.default_rng(3)
    top = np.iinfo(dtype).max if dtype.startswith("u") else 1
    source = (rng.uniform(0, 1, (17, 23, channels)) * top).astype(dtype)
    shape = (9, 31)
    row, col = rng.uniform(-6, 22, shape), rng.uniform(-6, 28, shape)
    row[::2], col[:, ::3] = np.rint(2 * row[::2]) / 2, np.rint(col[:, ::3])
    scales = None
    if is_scaled:
        scales = tuple(np.maximum(rng.uniform(0.2, 9, shape), 1) for _ in range(2))
    visible = np.sort(rng.integers(0, 32, (9, 2)), axis=1)
    results = []
    for backend in ("reference", name):
        out = np.full((channels, *shape), 9, dtype)
        get_backend(backend).kernel_mean_at_points(
            source, kernel_table(get_kernel(kernel)), row, col, scales,
            visible_columns=visible, out=out,
        )  # fmt: skip
        results.append(out)
    np.testing.assert_array_equal(*results)
    column = np.arange(31)
    wanted = (column >= visible[:, :1]) & (column < visible[:, 1:])
    assert (results[0][:, ~wanted] == 0).all()


@pytest.mark.parametrize("kernel", sorted(set(AVERAGING) - {"box", "area"}))
def test_tables_are_close_to_their_kernels(kernel):
    table = kernel_table(KERNELS[kernel])
    at = np.linspace(0, table.radius, 99_991)
    step = at * KERNEL_SAMPLES
    low = step.astype(int)
    value = table.weight[low] + (step - low) * (table.weight[low + 1] - table.weight[low])
    np.testing.assert_allclose(value, KERNELS[kernel].weights(at, 1.0), atol=2e-6)


@pytest.mark.parametrize("kernel", AVERAGING)
def test_taps_hold_all_that_weighs(kernel):
    position = np.random.default_rng(4).uniform(-2, 40, 200)
    scale = np.random.default_rng(5).uniform(1, 6, 200)
    taps = kernel_point_taps(kernel_table(KERNELS[kernel]), position, scale)
    total = sum(taps.weight(tap).astype(float) for tap in range(taps.count.max()))
    pixels = np.arange(-80, 120)
    exact = KERNELS[kernel].weights(pixels - position[:, None], scale[:, None]).sum(1)
    np.testing.assert_allclose(total, exact, atol=1e-4)
