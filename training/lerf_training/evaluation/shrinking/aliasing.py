"""What gratings and a zone plate leave in results that are too small to hold them.

Convention
----------
As in `lerf_training.evaluation.shrinking.geometry`. Energies are mean squares of the result about
the source's mean, over those of the source: 1 where a grating is kept, 0 where it is averaged
out. Beyond frequency 1 nothing should be left; a change of the mean counts as well.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from lerf_training.evaluation.shrinking.geometry import Levels, Shrink, exact_size, shrunk_levels
from lerf_training.evaluation.shrinking.scenes import grating, zone_plate
from lerf_training.evaluation.shrinking.tiles import FRAME, shrink_tiles

__all__ = [
    "BEYOND",
    "GratingEnergy",
    "ZonePlateEnergy",
    "decibels",
    "grating_energies",
    "worst_grating",
    "zone_plate_energy",
]

#: From here on frequencies count as beyond the result's: no filter of finite size ends at 1.
BEYOND = 1.1
# Up to here the zone plate counts as kept.
_WITHIN = 0.9
_GREY = 128.0
# Result pixels of a tile's and of a zone plate's side, and source pixels that they are cut down to:
# a tile to the fewest pixels at least.
_TILE, _LARGEST_TILE, _SMALLEST_TILE = 40, 320, 2 * FRAME + 8
_PLATE, _LARGEST_PLATE = 192, 3072
# Of a frequency above 4 to the one before.
_GROWTH = 1.06
# Of the source's Nyquist frequency; on it a grating's energy depends on its phase.
_MOST = 0.98
_ANGLES = (0.0, 90.0, 45.0, 135.0, 14.0, 63.0)
_PHASES = 4


@dataclass(frozen=True)
class GratingEnergy:
    """Energy that shrinking leaves of one grating.

    Attributes
    ----------
    frequency : float
        In units of the result's Nyquist frequency, along the axis on which it is higher.
    angle : float
        Of the lines, in degrees; 0 is upright.
    amplitude : float
        Levels.
    energy : float
        Of the phase that leaves most.
    """

    frequency: float
    angle: float
    amplitude: float
    energy: float


@dataclass(frozen=True)
class ZonePlateEnergy:
    """Energy that shrinking leaves of a zone plate.

    Attributes
    ----------
    beyond : float
        Where the rings are finer than 1.1 times what the result can hold: aliasing. NaN where the
        source holds nothing so fine.
    within : float
        Where they are coarser than 0.9 times that: what is kept.
    """

    beyond: float
    within: float


def grating_energies(
    shrink: Shrink,
    factor: float,
    *,
    frequencies: Sequence[float] | None = None,
    angles: Sequence[float] = _ANGLES,
    amplitudes: Sequence[float] = (112.0, 28.0),
    quantise: bool = True,
) -> list[GratingEnergy]:
    """Energy that is left of gratings, from coarse ones to the finest that the source holds.

    Parameters
    ----------
    shrink : callable
    factor : float
    frequencies : sequence of float, optional
        In units of the result's Nyquist frequency; by default up to what the source holds, in
        steps of 1/20 from 1 to 2, of 1/10 below and to 4, of 6 percent beyond.
    angles : sequence of float, optional
        Degrees.
    amplitudes : sequence of float, optional
        Levels about the middle grey.
    quantise : bool, optional
        Scenes of 8 bits, whose rounding leaves an energy of 1/6 over the squared amplitude:
        -49 dB of 112 levels, -37 dB of 28.

    Returns
    -------
    list of GratingEnergy

    Raises
    ------
    InvalidArgumentError
        If the factor is not above 1, or a result has another shape than asked for.
    """
    side = max(_SMALLEST_TILE, min(_TILE, _LARGEST_TILE / factor))
    source, result = exact_size(math.ceil(side * factor), factor)
    ratio = source / result
    chosen = _frequencies(ratio) if frequencies is None else list(frequencies)
    phases = [index * math.pi / _PHASES for index in range(_PHASES)]
    waves = [functools.partial(_levels, amplitude=amplitude) for amplitude in amplitudes]
    energies = []
    for angle in angles:
        tiles = (
            grating((source, source), frequency / (2 * ratio), angle, phase)
            for frequency, phase in product(chosen, phases)
        )
        cores = shrink_tiles(shrink, tiles, result, waves, quantise=quantise)
        for amplitude, inner in zip(amplitudes, cores, strict=True):
            left = 2 * np.square((inner - _GREY) / amplitude).mean(axis=(1, 2))
            most = left.reshape(len(chosen), _PHASES).max(axis=1)
            energies += [
                GratingEnergy(frequency, angle, amplitude, float(energy))
                for frequency, energy in zip(chosen, most, strict=True)
            ]
    return energies


def _levels(wave: Levels, amplitude: float) -> Levels:
    return _GREY + amplitude * wave


def worst_grating(energies: Sequence[GratingEnergy]) -> GratingEnergy | None:
    """Grating beyond 1.1 times the result's Nyquist frequency that leaves most energy.

    None where the source holds no frequency beyond.
    """
    beyond = [entry for entry in energies if entry.frequency >= BEYOND - 1e-9]
    return max(beyond, key=lambda entry: entry.energy, default=None)


def zone_plate_energy(
    shrink: Shrink, factor: float, *, amplitude: float = 112.0, quantise: bool = True
) -> ZonePlateEnergy:
    """Energy of a zone plate beyond and within what the result can hold.

    Parameters
    ----------
    shrink : callable
    factor : float
    amplitude : float, optional
        Levels about the middle grey.
    quantise : bool, optional
        As in `grating_energies`.

    Returns
    -------
    ZonePlateEnergy

    Raises
    ------
    InvalidArgumentError
        As `grating_energies`.
    """
    source, result = exact_size(min(math.ceil(_PLATE * factor), _LARGEST_PLATE), factor)
    wave, _ = zone_plate((source, source))
    small = (result, result)
    levels = shrunk_levels(shrink, _levels(wave, amplitude), small, quantise=quantise)
    # A zone plate of the result's own size has the same frequency at the same place, in
    # cycles per result pixel of a source that holds as many.
    _, frequency = zone_plate(small)
    units = frequency * 2 * source / result
    energy = 2 * np.square((levels - _GREY) / amplitude)
    inner = np.zeros(small, dtype=bool)
    inner[FRAME:-FRAME, FRAME:-FRAME] = True
    beyond, within = energy[inner & (units >= BEYOND)], energy[inner & (units <= _WITHIN)]
    if not beyond.size:
        return ZonePlateEnergy(math.nan, float(within.mean()))
    return ZonePlateEnergy(float(beyond.mean()), float(within.mean()))


def decibels(energy: float) -> float:
    """Energy in dB; minus infinity for none.

    Examples
    --------
    >>> decibels(0.01)
    -20.0
    """
    return 10 * math.log10(energy) if energy > 0 else -math.inf


def _frequencies(ratio: float) -> list[float]:
    steps = (np.arange(0.2, 1, 0.1), np.arange(1, 2, 0.05), np.arange(2, 4, 0.1))
    beyond = 4 * _GROWTH ** np.arange(math.log(max(ratio / 4, 1), _GROWTH))
    every = np.concatenate([*steps, beyond])
    return [round(frequency, 9) for frequency in every[every <= _MOST * ratio].tolist()]
