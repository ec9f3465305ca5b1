"""Figures of a function for shrinking beside Lanczos's, on photographs held out and on scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lerf_core.sampling.shrinking import ShrinkingKernel
from lerf_training.data.photographs import Photograph, read_photograph
from lerf_training.evaluation.shrinking.aliasing import (
    BEYOND,
    decibels,
    grating_energies,
    worst_grating,
)
from lerf_training.evaluation.shrinking.geometry import exact_crop
from lerf_training.evaluation.shrinking.methods import (
    REFERENCE,
    ShrinkMethod,
    lerf_method,
    shrink_method,
)
from lerf_training.evaluation.shrinking.overshoot import edge_overshoot, worst
from lerf_training.evaluation.shrinking.round_trips import enlargers, score_round_trip

__all__ = ["FACTORS", "Scores", "score_shrinking"]

FACTORS = (2, 3, 4)
# Rows and columns of the middle part of a photograph, at most.
_CROP = 300
# dB of an image that comes out without an error.
_PERFECT = 99.0
_ANGLES = (0.0, 45.0, 14.0)


@dataclass(frozen=True)
class Scores:
    """Figures at one factor.

    Attributes
    ----------
    factor : int
    round_trips, gains : dict of str
        By what enlarges again: mean PSNR-Y in dB, and by how much that is above Lanczos's; empty
        where nothing is held out.
    aliasing, worst : float
        dB above Lanczos: mean energy of gratings beyond 1.1 times the Nyquist frequency, and that
        of the one of which most is left.
    overshoot : float
        Largest at hard edges, as a part of their contrast.
    """

    factor: int
    round_trips: dict[str, float]
    gains: dict[str, float]
    aliasing: float
    worst: float
    overshoot: float

    def as_json(self) -> dict[str, Any]:
        """As JSON types, rounded."""
        trips, gains = (
            {name: round(value, 3) for name, value in figures.items()}
            for figures in (self.round_trips, self.gains)
        )
        return {
            "psnr": trips,
            "above lanczos": gains,
            "aliasing to lanczos": round(self.aliasing, 2),
            "worst grating to lanczos": round(self.worst, 2),
            "overshoot": round(self.overshoot, 4),
        }


def score_shrinking(kernel: ShrinkingKernel, photographs: Sequence[Photograph]) -> list[Scores]:
    """Score a function at each of `FACTORS`, as an application would use it.

    Parameters
    ----------
    kernel : ShrinkingKernel
    photographs : sequence of Photograph
        Their middle parts of at most 300x300 pixels.
    """
    methods = lerf_method("trained", "", kernel=kernel), shrink_method(REFERENCE)
    return [_scores(factor, methods, photographs) for factor in FACTORS]


def _scores(
    factor: int, methods: tuple[ShrinkMethod, ShrinkMethod], photographs: Sequence[Photograph]
) -> Scores:
    trips, reference_trips = (_round_trips(factor, method, photographs) for method in methods)
    (mean, most), (reference_mean, reference_most) = (
        _aliasing(factor, method) for method in methods
    )
    overshoot = worst(edge_overshoot(methods[0].shrink, factor, contrasts=(128,)), "edge")
    gains = {name: value - reference_trips[name] for name, value in trips.items()}
    return Scores(factor, trips, gains, mean - reference_mean, most - reference_most, overshoot)


def _round_trips(
    factor: int, method: ShrinkMethod, photographs: Sequence[Photograph]
) -> dict[str, float]:
    figures: dict[str, list[float]] = {name: [] for name in enlargers()}
    for photograph in photographs:
        image = read_photograph(photograph.path)
        top, left = (max(0, size - _CROP) // 2 for size in image.shape[:2])
        source, shape = exact_crop(image[top : top + _CROP, left : left + _CROP], factor)
        small = method.shrink(source, shape)
        for name, enlarge in enlargers().items():
            enlarged = enlarge(small, (source.shape[0], source.shape[1]))
            figures[name].append(min(score_round_trip(source, enlarged).psnr, _PERFECT))
    return {name: fmean(values) for name, values in figures.items() if values}


def _aliasing(factor: int, method: ShrinkMethod) -> tuple[float, float]:
    """Mean and largest energy of gratings beyond, in dB."""
    energies = grating_energies(method.shrink, factor, angles=_ANGLES, amplitudes=(112.0,))
    beyond = [entry.energy for entry in energies if entry.frequency >= BEYOND]
    most = worst_grating(energies)
    return decibels(fmean(beyond)), decibels(most.energy if most else 0.0)
