"""Gratings too fine for the small image, and the penalty on what is left of them.

Frequencies are in units of the small image's Nyquist frequency, along the axis on which they are
higher.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lerf_training.shrinking.round_trips import fixed_weights

__all__ = ["Gratings", "aliasing_penalty", "draw_gratings"]

_GREY = 128.0
_AMPLITUDES = (60.0, 127.0)
# Of the source's Nyquist frequency: on it a grating's energy hangs on its phase.
_MOST = 0.98
_FREQUENCIES = (1.0, 1.95)
# Small pixels of the border that are left out.
_FRAME = 4
# Share of Lanczos's energy that is not worth less, and squared levels.
_SHARE, _SPARED = 0.9, 10.0
# Squared levels that cost 1: of all gratings together, and of each of its own.
_TOGETHER, _EACH = 150.0, 300.0


class Gratings(NamedTuple):
    """Gratings, and how much of each may be left.

    Attributes
    ----------
    images : Tensor of float32, (batch, size, size)
        Grey levels about 128.
    allowed : Tensor of float32, (batch,)
        Squared levels.
    """

    images: Tensor
    allowed: Tensor


def draw_gratings(count: int, size: int, small: int, rng: np.random.Generator) -> Gratings:
    """Draw gratings beyond the Nyquist frequency of images of `small` pixels.

    Parameters
    ----------
    count, size, small : int
        Gratings, and pixels of a side before and after.
    rng : Generator
        Decides everything.
    """
    factor = size / small
    lowest, highest = _FREQUENCIES
    higher = rng.uniform(lowest, min(highest, _MOST * factor), count)
    lower = np.where(rng.random(count) < 0.6, rng.uniform(-1, 1, count) * higher, 0.0)
    upright = rng.random(count) < 0.5
    amplitude = rng.uniform(*_AMPLITUDES, count)
    phase = rng.uniform(0, 2 * np.pi, count)
    pixel = np.arange(size) * (np.pi / factor)
    across = np.where(upright, higher, lower)[:, None, None] * pixel
    down = np.where(upright, lower, higher)[:, None, None] * pixel[:, None]
    waves = np.sin(across + down + phase[:, None, None])
    images = _GREY + amplitude[:, None, None] * waves
    allowed = (_allowed_amplitude(higher) * amplitude) ** 2 / 2
    return Gratings(*(torch.from_numpy(a.astype(np.float32)) for a in (images, allowed)))


def _allowed_amplitude(frequency: np.ndarray) -> np.ndarray:
    """Part of an amplitude that may be left: no more than Lanczos leaves, falling to a tenth."""
    near = 0.62 - 2.9 * (frequency - 1)
    return np.where(frequency < 1.1, near, np.maximum(0.1, 0.32 - 0.5 * (frequency - 1.1)))


def aliasing_penalty(small: Tensor, gratings: Gratings) -> Tensor:
    """Return what is left of gratings beyond what may be: of all, and of each.

    All of them may keep 0.9 of the energy that Lanczos leaves.

    Parameters
    ----------
    small : Tensor of float32, (batch, small size, small size)
        What has become of the gratings.
    gratings : Gratings
    """
    matrix = fixed_weights("lanczos3", gratings.images.shape[1], small.shape[1])
    left, by_lanczos = _energy(small), _energy(matrix @ gratings.images @ matrix.T)
    together = torch.relu(left.mean() - _SHARE * by_lanczos.mean() - _SPARED) / _TOGETHER
    return together + torch.relu(left - gratings.allowed).mean() / _EACH


def _energy(small: Tensor) -> Tensor:
    """Mean square about the grey, (batch,), the border left out."""
    inner = small[:, _FRAME:-_FRAME, _FRAME:-_FRAME]
    return ((inner - _GREY) ** 2).mean((1, 2))
