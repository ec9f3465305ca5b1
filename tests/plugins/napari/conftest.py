"""Fixtures of the tests of the napari plugin."""

import time
import warnings

import numpy as np
import pytest

# What they use is deprecated by what they are built on: their own affair.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for module in ("npe2", "napari.layers", "napari.viewer"):
        pytest.importorskip(module, reason="napari is not installed")


def exhaust(work):
    """Run a generator to its end; return its steps and its result."""
    steps = []
    while True:
        try:
            steps.append(next(work))
        except StopIteration as stop:
            return steps, stop.value


@pytest.fixture(name="exhaust")
def _exhaust():
    return exhaust


def random_transform(seed, ndim):
    """Set everything; rows and columns turn among themselves."""
    rng = np.random.default_rng(seed)
    turn = np.eye(ndim)
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(angle), np.sin(angle)
    turn[-2:, -2:] = [[c, -s], [s, c]]
    affine = np.eye(ndim + 1)
    affine[-3:-1, -3:-1] += rng.uniform(-0.3, 0.3, (2, 2))
    affine[:ndim, -1] = rng.uniform(-20, 20, ndim)
    shear = np.zeros(ndim * (ndim - 1) // 2)
    shear[-1] = rng.uniform(-0.4, 0.4)
    return {
        "scale": rng.uniform(0.2, 4, ndim) * rng.choice([-1, 1], ndim),
        "translate": rng.uniform(-50, 50, ndim),
        "rotate": turn,
        "shear": shear,
        "affine": affine,
        "units": ("s", "um", "um", "um")[-ndim:],
        "axis_labels": tuple("tzyx")[-ndim:],
    }


@pytest.fixture
def transform():
    return random_transform


@pytest.fixture
def photo():
    """A smooth colour image, 60 x 83."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:60, :83]
    waves = [
        128 + 100 * np.sin(x / period + phase) * np.cos(y / 11 - phase)
        for period, phase in zip((5, 8, 13), rng.uniform(0, 3, 3), strict=True)
    ]
    return np.clip(np.stack(waves, axis=-1) + rng.normal(0, 4, (60, 83, 3)), 0, 255).astype("u1")


@pytest.fixture
def viewer(display, request):
    """A napari viewer in a window; the test is skipped where none can be opened."""
    return request.getfixturevalue("make_napari_viewer")(show=True)


@pytest.fixture
def until(request):
    """Run the window's event loop until something is so."""
    qtbot = request.getfixturevalue("qtbot")

    def wait(condition, timeout=60):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            qtbot.wait(5)

    return wait
