"""Shipped banks on what photographs hardly contain: nothing out of place may appear.

Noise, checkerboards, graphics and gradients read entries that training saw seldom. A trained bank
undoes the blur of an anti-aliased reduction, so on patterns that were never blurred it would
overshoot more than Lanczos. The results of planes have limits; for the other kinds the bounds here
say how much at most.
"""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import lerf_core

pytestmark = pytest.mark.slow

#: For each bank how far results may overshoot, in parts of the contrast: steps, checkerboards,
#: and the finest checkerboard, which a reduction has dimmed most.
OVERSHOOT = {
    "analytic": (0.0, 0.0, 0.0),
    "lerf-g": (0.25, 0.7, 2.0),
    "lerf-l": (0.33, 1.0, 2.7),
    "lerf-p": (0.1, 0.1, 0.1),
}


@pytest.fixture(params=OVERSHOOT)
def bank(request):
    return lerf_core.load_bank(request.param)


def lanczos(image, scale):
    rows, cols = image.shape
    resized = Image.fromarray(image).resize((cols * scale, rows * scale), Image.Resampling.LANCZOS)
    return np.asarray(resized)


def shrunk(image, scale):
    rows, cols = image.shape
    small = Image.fromarray(image).resize((cols // scale, rows // scale), Image.Resampling.BICUBIC)
    return np.asarray(small)


def rms(image, other):
    return float(np.sqrt(np.mean((image.astype(float) - other.astype(float)) ** 2)))


def beyond_neighbours(image, result, scale):
    """How far results leave the range of the 4x4 source pixels around, in grey levels."""
    low = ndimage.minimum_filter(image, 5, mode="nearest").astype(int)
    high = ndimage.maximum_filter(image, 5, mode="nearest").astype(int)
    low, high = (np.kron(bound, np.ones((scale, scale), int)) for bound in (low, high))
    return np.maximum(np.maximum(low - result, result - high), 0)


@pytest.mark.parametrize("scale", [2, 3, 2.7])
def test_flat_areas_of_every_level_stay_exactly_as_they_are(bank, scale):
    levels = np.arange(256, dtype=np.uint8)[:, None, None]
    result = lerf_core.rescale(np.tile(levels, (1, 9, 11)), scale, bank=bank)
    np.testing.assert_array_equal(result, np.broadcast_to(levels, result.shape))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_noise_stays_within_its_neighbours_and_is_not_amplified(bank, scale):
    image = np.random.default_rng(5).integers(0, 256, (64, 64), dtype=np.uint8)
    result = lerf_core.rescale(image, scale, bank=bank)
    assert beyond_neighbours(image, result, scale).mean() < 2
    assert result.std() <= 1.25 * image.std()
    assert abs(result.mean() - image.mean()) < 4


def test_faint_noise_grows_by_no_more_than_a_half(bank):
    noise = np.random.default_rng(5).standard_normal((64, 64))
    image = (128 + 8 * noise).round().astype(np.uint8)
    result = lerf_core.rescale(image, 2, bank=bank)
    assert result.std() < 1.5 * image.std()
    assert abs(result.mean() - image.mean()) < 0.5


@pytest.mark.parametrize("cell", [1, 2, 3, 8])
@pytest.mark.parametrize("levels", [(0, 255), (64, 192), (100, 130)])
def test_checkerboards_keep_mean_and_range(bank, cell, levels):
    rows, cols = np.mgrid[:48, :48] // cell
    image = np.where((rows + cols) % 2, *levels).astype(np.uint8)
    result = lerf_core.rescale(image, 3, bank=bank)[12:-12, 12:-12].astype(float)
    expected = lanczos(image, 3)[12:-12, 12:-12].astype(float)
    contrast = levels[1] - levels[0]
    # Single pixels come out darker: a known limit, see the model cards.
    allowed = {"lerf-g": 30}.get(bank.name, 9) if cell == 1 else 9
    assert abs(result.mean() - expected.mean()) < allowed
    overshoot = max(result.max() - levels[1], levels[0] - result.min(), 0)
    _, coarse, finest = OVERSHOOT[bank.name]
    assert overshoot <= (finest if cell == 1 else coarse) * contrast


def graphics(size=192, seed=2):
    """Saturated shapes with hard edges: boxes, discs and lines of black and white."""
    rng = np.random.default_rng(seed)
    image = np.full((size, size), 255, np.uint8)
    rows, cols = np.mgrid[:size, :size]
    for number in range(14):
        y, x, r = (int(v) for v in rng.integers((0, 0, 4), (size, size, 36)))
        value = 255 * (number % 2)
        if number % 3 == 0:
            image[(rows - y) ** 2 + (cols - x) ** 2 < r * r] = value
        elif number % 3 == 1:
            image[y : y + r, x : x + r] = value
        else:
            image[np.abs((rows - y) * 3 + (cols - x) * (number - 7)) < 3 * r / 4] = value
    return image


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_saturated_graphics_come_out_no_worse_than_by_lanczos(bank, scale):
    high = graphics()
    low = shrunk(high, scale)
    error = rms(lerf_core.rescale(low, scale, bank=bank), high)
    limit = 1.0 if bank.name != "analytic" else 1.25
    assert error <= limit * rms(lanczos(low, scale), high)


@pytest.mark.parametrize("levels", [(50, 200), (100, 110), (0, 255), (200, 50)])
def test_steps_ring_by_a_part_of_their_height_at_most(bank, levels):
    image = np.full((24, 24), levels[0], np.uint8)
    image[:, 12:] = levels[1]
    low, high = min(levels), max(levels)
    for turned in (image, image.T.copy()):
        result = lerf_core.rescale(turned, 3, bank=bank).astype(int)
        assert (
            max(result.max() - high, low - result.min(), 0)
            <= OVERSHOOT[bank.name][0] * (high - low) + 1
        )


@pytest.mark.parametrize("slope", [0.5, 1, 2, 4])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_gradients_stay_smooth(bank, slope, scale):
    """No bands: results follow the ramp, and never run backwards by more than rounding."""
    count = int(min(256 / slope, 96))
    ramp = np.rint(np.arange(count) * slope).astype(np.uint8)
    image = np.tile(ramp, (24, 1))
    result = lerf_core.rescale(image, scale, bank=bank)[12:-12].astype(float)
    position = (np.arange(count * scale) + 0.5) / scale - 0.5
    inside = slice(4 * scale, -4 * scale)
    error = np.abs(result - position * slope)[:, inside]
    # A 2x2 mean flattens slopes; half a source pixel's step is nearest neighbour's error.
    assert error.max() <= 0.5 * slope + 1.5
    assert np.diff(result[:, inside], axis=1).min() >= -2


# -- the default bank beside Lanczos ------------------------------------------------


def drawn(kind, angle, levels, side=40, soft=False):
    """An edge or a line through the middle, aslant; hard, or by the coverage of pixels."""
    fine = 8 if soft else 1
    rows, cols = (np.mgrid[: side * fine, : side * fine] + 0.5) / fine - side / 2 - 0.25
    distance = np.cos(angle) * cols + np.sin(angle) * rows
    half = {"edge": np.inf, "line": 0.5, "bar": 1.0}[kind]
    inside = (distance > 0) if kind == "edge" else np.abs(distance) <= half
    low, high = levels
    image = np.where(inside, float(high), float(low))
    return image.reshape(side, fine, side, fine).mean((1, 3)).round().astype(np.uint8)


def overshoot(image, result, scale):
    inner = slice(6 * scale, -6 * scale)
    return int(beyond_neighbours(image, result, scale)[inner, inner].max())


@pytest.mark.parametrize("angle", [0, 0.35, np.pi / 4, np.pi / 2])
@pytest.mark.parametrize("levels", [(50, 200), (190, 70), (100, 130)])
@pytest.mark.parametrize("kind", ["edge", "line", "bar"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_default_bank_overshoots_no_more_than_lanczos(kind, levels, angle, scale):
    image = drawn(kind, angle, levels)
    mine = overshoot(image, lerf_core.rescale(image, scale, bank="lerf-p"), scale)
    assert mine <= 0.1 * abs(levels[1] - levels[0]) + 1
    if kind == "edge":
        assert mine <= overshoot(image, lanczos(image, scale), scale) + 1


@pytest.mark.parametrize("angle", [0, 0.35, np.pi / 4])
@pytest.mark.parametrize("levels", [(50, 200), (190, 70)])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_smooth_edges_overshoot_no_more_than_hard_ones(levels, angle, scale):
    image = drawn("edge", angle, levels, soft=True)
    mine = overshoot(image, lerf_core.rescale(image, scale, bank="lerf-p"), scale)
    assert mine <= 0.1 * abs(levels[1] - levels[0]) + 1
