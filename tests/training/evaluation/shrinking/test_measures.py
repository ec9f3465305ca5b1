"""Measures of shrinking give the answers that are known for simple filters."""

import numpy as np
import pytest
from lerf_training.evaluation.shrinking.acuity import edge_rise, text_contrast
from lerf_training.evaluation.shrinking.aliasing import (
    decibels,
    grating_energies,
    worst_grating,
    zone_plate_energy,
)
from lerf_training.evaluation.shrinking.flicker import (
    drawn_flicker,
    flicker,
    fourier_shift,
    ideal_shrink,
    photo_flicker,
)
from lerf_training.evaluation.shrinking.means import mean_shift
from lerf_training.evaluation.shrinking.overshoot import (
    changed_flats,
    edge_overshoot,
    text_overshoot,
    worst,
)

from lerf_core.errors import InvalidArgumentError

# -- overshoot ----------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 2.5, 3])
def test_means_over_pixels_never_overshoot(shrinks, factor):
    cases = edge_overshoot(shrinks["coverage"], factor, quantise=False)
    cases += text_overshoot(shrinks["coverage"], factor, quantise=False)
    assert max(case.largest for case in cases) < 1e-6
    assert {case.scene for case in cases} == {"edge", "line 1", "line 2", "text"}


@pytest.mark.parametrize("quantise", [True, False])
def test_overshoot_of_known_weights(shrinks, quantise):
    cases = edge_overshoot(shrinks["sharpened"], 2, angles=(0, 90), quantise=quantise)
    for case in cases:
        if case.scene == "edge":
            assert case.above == pytest.approx(0.25)
            assert case.below == pytest.approx(0.25)
    # A line two pixels wide and as its weights lie: 3/2, and -1/4 beside it; dark lines the
    # other way round.
    lines = {case.contrast: case for case in cases if case.scene == "line 2" and case.angle == 0}
    assert (lines[64].above, lines[64].below) == (pytest.approx(0.5), pytest.approx(0.25))
    assert (lines[-64].above, lines[-64].below) == (pytest.approx(0.25), pytest.approx(0.5))
    assert worst(cases, "edge") == pytest.approx(0.25)
    assert worst(cases, "line") == pytest.approx(0.5)


def test_overshoot_tells_sides_and_signs(shrinks):
    def bright(image, shape):
        result = shrinks["coverage"](image, shape).astype(float)
        return result + 16 * (result == result.max())

    case = edge_overshoot(bright, 2, contrasts=(64,), angles=(0,))[0]
    assert (case.above, case.below) == (pytest.approx(16 / 64), 0)
    assert case.largest == case.above


def test_flats_that_change_are_counted(shrinks):
    assert changed_flats(shrinks["coverage"], 2) == 0
    assert changed_flats(shrinks["lanczos"], 3) == 0

    def lifted(image, shape):
        small = shrinks["coverage"](image, shape)
        return small + (small > 200).astype(np.uint8)

    assert changed_flats(lifted, 2) == 55


# -- aliasing -----------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [0, 90])
def test_gratings_through_means_have_the_energy_of_a_box(shrinks, angle):
    factor = 3
    # At 2/3 and 4/3 the result's waves fit a whole number of times into what is looked at.
    chosen = [1 / 3, 2 / 3, 4 / 3, 8 / 3]
    energies = grating_energies(
        shrinks["coverage"], factor, frequencies=chosen, angles=(angle,), quantise=False
    )
    for entry in energies:
        step = np.pi * entry.frequency / (2 * factor)
        box = np.sin(factor * step) / (factor * np.sin(step))
        assert entry.energy == pytest.approx(box**2, rel=1e-3)


def test_gratings_that_are_picked_keep_all_energy(shrinks):
    energies = grating_energies(shrinks["nearest"], 2, quantise=False)
    assert {entry.amplitude for entry in energies} == {112, 28}
    for entry in energies:
        # Near whole multiples of the Nyquist frequency the phase decides.
        if 0.15 < entry.frequency % 1 < 0.85:
            assert entry.energy == pytest.approx(1, abs=0.2)
    assert 1.1 <= worst_grating(energies).frequency < 2


def test_a_change_of_the_mean_is_energy(shrinks):
    energies = grating_energies(
        lambda image, shape: np.full(shape, 128 + 28, np.float32), 2, frequencies=[1.5],
        angles=(0,), amplitudes=(112,),
    )  # fmt: skip
    assert energies[0].energy == pytest.approx(2 / 16)


def test_worst_gratings_lie_beyond(shrinks):
    energies = grating_energies(shrinks["coverage"], 3, angles=(0, 45), amplitudes=(112,))
    found = worst_grating(energies)
    assert found.frequency >= 1.1
    assert found.energy == max(e.energy for e in energies if e.frequency > 1.09)
    # Below, more is left.
    assert found.energy < max(e.energy for e in energies)


def test_zone_plates_tell_good_filters(shrinks):
    plates = {
        name: zone_plate_energy(shrinks[name], 2, quantise=False)
        for name in ("nearest", "coverage", "lanczos")
    }
    assert plates["nearest"].beyond == pytest.approx(1, abs=0.05)
    assert plates["nearest"].within == pytest.approx(1, abs=0.05)
    assert plates["lanczos"].beyond < plates["coverage"].beyond / 10
    assert plates["lanczos"].within > plates["coverage"].within

    ideal = zone_plate_energy(
        lambda image, shape: ideal_shrink(image.astype(float), shape), 2, quantise=False
    )
    assert ideal.beyond < 0.01
    assert ideal.within == pytest.approx(1, abs=0.08)


def test_factors_that_hold_nothing_beyond_have_no_aliasing(shrinks):
    assert np.isnan(zone_plate_energy(shrinks["coverage"], 1.05).beyond)
    assert worst_grating(grating_energies(shrinks["coverage"], 1.05)) is None


@pytest.mark.parametrize(("factor", "most"), [(1.25, 1.2), (2, 1.95), (3, 2.9), (8, 7.593)])
def test_gratings_go_up_to_what_the_source_holds(shrinks, factor, most):
    energies = grating_energies(shrinks["nearest"], factor, angles=(0,), amplitudes=(112,))
    frequencies = [entry.frequency for entry in energies]
    assert frequencies[0] == 0.2
    assert frequencies[-1] == pytest.approx(most, abs=1e-3)
    assert frequencies == sorted(set(frequencies))


def test_decibels():
    assert decibels(1.0) == 0
    assert decibels(0.0) == -np.inf


# -- means --------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 3, 1.6])
def test_means_that_shift_are_found(shrinks, factor):
    rng = np.random.default_rng(5)
    source = rng.uniform(0, 255, (96, 144))
    shape = (round(96 / factor), round(144 / factor))
    small = shrinks["coverage"](source, shape).astype(float)
    kept = mean_shift(source, small)
    assert max(kept.largest, kept.rms, kept.smooth, abs(kept.whole)) < 1e-4
    moved = mean_shift(source, small - 0.25)
    figures = (moved.largest, moved.rms, moved.smooth, moved.whole)
    assert figures == pytest.approx((0.25, 0.25, 0.25, -0.25), abs=1e-4)


def test_shifts_of_one_block_and_channel_are_found(shrinks):
    source = np.zeros((96, 96, 3))
    small = np.zeros((48, 48, 3))
    small[16:32, 0:16, 1] = 9
    shift = mean_shift(source, small)
    assert shift.largest == 9
    assert shift.rms == pytest.approx(9 / np.sqrt(27))
    assert shift.whole == pytest.approx(1)


def test_fading_windows_leave_what_crosses_outlines_out(shrinks):
    """Lanczos keeps the level of an edge along a block's outline, and takes some across it."""
    source = np.full((192, 192), 60.0, np.float32)
    source[:, 96:] = 180
    small = shrinks["lanczos"](source, (96, 96))
    shift = mean_shift(source, small)
    assert shift.largest > 0.3
    assert shift.smooth < 0.1 * shift.rms


def test_means_of_other_channels_and_small_images_are_refused():
    with pytest.raises(InvalidArgumentError, match="channels differ"):
        mean_shift(np.zeros((64, 64, 3)), np.zeros((32, 32)))
    with pytest.raises(InvalidArgumentError, match="fewer than a block of 32"):
        mean_shift(np.zeros((16, 64)), np.zeros((8, 32)))


# -- acuity -------------------------------------------------------------------------------


def test_edges_rise_as_means_do(shrinks):
    # A box of one pixel rises evenly: four fifths of it between 10 and 90 percent.
    assert edge_rise(shrinks["coverage"], 8, quantise=False) == pytest.approx(0.8, abs=0.03)
    assert edge_rise(shrinks["nearest"], 8, quantise=False) < 0.25

    def blurred(image, shape):
        small = shrinks["coverage"](image, shape).astype(float)
        return (np.roll(small, 1, 1) + small + np.roll(small, -1, 1)) / 3

    # Three pixels in all.
    assert edge_rise(blurred, 8, quantise=False) == pytest.approx(2.4, abs=0.05)


def test_text_has_the_contrast_that_a_renderer_gives(shrinks):
    assert text_contrast(shrinks["coverage"], 2, quantise=False) == pytest.approx(1)
    assert text_contrast(shrinks["coverage"], 2.5, quantise=False) == pytest.approx(1, abs=0.05)

    def pale(image, shape):
        return 128 + (shrinks["coverage"](image, shape) - 128) / 2

    assert text_contrast(pale, 2, quantise=False) == pytest.approx(0.5)


# -- flicker ------------------------------------------------------------------------------


def ideal(image, shape):
    """Ideal low-pass of a scene whose period lies inside a margin of 12 result pixels."""
    rows, cols = (12 * image.shape[axis] // shape[axis] for axis in (0, 1))
    period = image[rows:-rows, cols:-cols].astype(float)
    return np.pad(ideal_shrink(period, (shape[0] - 24, shape[1] - 24)), 12, mode="wrap")


def test_an_ideal_filter_does_not_flicker():
    grey = np.random.default_rng(2).uniform(40, 200, (120, 130))
    still = photo_flicker(ideal, grey, 2, quantise=False)
    assert still.flicker < 1e-9
    assert still.activity == pytest.approx(1)
    # Drawn sources hold some aliasing of their own.
    drawn = drawn_flicker(ideal, 2, quantise=False)
    assert drawn.flicker < 0.015
    assert drawn.activity == pytest.approx(1)


def test_flicker_orders_filters(shrinks):
    found = {name: drawn_flicker(shrinks[name], 2) for name in ("nearest", "coverage", "lanczos")}
    assert found["nearest"].flicker > found["coverage"].flicker > found["lanczos"].flicker > 0.01


def test_photographs_flicker_less_under_better_filters(shrinks):
    rng = np.random.default_rng(2)
    grey = np.cumsum(rng.normal(0, 4, (120, 130)), axis=1) + rng.normal(0, 20, (120, 130)) + 128
    grey = np.clip(grey, 0, 255)
    found = {name: photo_flicker(shrinks[name], grey, 2) for name in ("nearest", "lanczos")}
    assert found["nearest"].flicker > 2 * found["lanczos"].flicker


def test_results_that_stand_still_flicker_by_what_moves(shrinks):
    """Motion is undone: a result that does not move is what flickers then."""
    wave = np.cos(2 * np.pi * 3 * np.arange(66) / 66)

    def moved(rows, cols):
        return 128 + 50 * np.tile(np.roll(wave, round(cols)), (66, 1))

    path = [(0.0, 2.0 * step) for step in range(11)]
    stuck = flicker(lambda image, shape: nothing_moves(shape), moved, (33, 33), path)
    assert stuck.activity < 1e-20
    assert stuck.flicker == pytest.approx(1, rel=0.01)


def test_flat_scenes_flicker_where_results_change(shrinks):
    grey = np.full((80, 80), 99.0)
    still = photo_flicker(shrinks["lanczos"], grey, 2)
    assert (still.flicker, still.activity) == (0, 0)
    calls = []

    def restless(image, shape):
        calls.append(shape)
        return np.full(shape, len(calls) % 2, np.uint8)

    assert photo_flicker(restless, grey, 2).flicker == np.inf


def nothing_moves(shape):
    """A wave of the same period, in the result's pixels, in its place."""
    phase = 2 * np.pi * 3 * (np.arange(shape[1]) - 12) / 33
    return np.tile(128 + 50 * np.cos(phase), (shape[0], 1))


def test_fourier_shifts_by_whole_pixels_roll():
    picture = np.random.default_rng(1).random((9, 15))
    np.testing.assert_allclose(fourier_shift(picture, (2, -3)), np.roll(picture, (2, -3), (0, 1)))
    half = fourier_shift(fourier_shift(picture, (0.5, 0.25)), (-0.5, -0.25))
    np.testing.assert_allclose(half, picture)


def test_ideal_shrinking_keeps_waves_in_their_place():
    x = np.arange(60)
    wave = np.tile(
        np.cos(2 * np.pi * 2 * (x + 0.5) / 60) + np.cos(2 * np.pi * 25 * x / 60), (60, 1)
    )
    small = ideal_shrink(wave, (15, 15))
    # Centres of large pixels lie at 4 i + 1.5.
    expected = np.cos(2 * np.pi * 2 * (4 * np.arange(15) + 2) / 60)
    np.testing.assert_allclose(small, np.tile(expected, (15, 1)), atol=1e-9)
