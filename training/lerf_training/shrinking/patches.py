"""Patches of photographs to shrink, and what they are shrunk to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lerf_training.data.patch_options import PatchOptions
from lerf_training.data.patch_sampler import turned
from lerf_training.data.photograph_groups import PhotographGroups
from lerf_training.data.photographs import Photograph
from lerf_training.shrinking.options import ShrinkingOptions

__all__ = ["ShrinkingPatches"]

_STEPS_PER_GROUP = 250
_FACTORS = (2, 3, 4)
_BETWEEN = (1.25, 8.0)
_LUMA = 3


class ShrinkingPatches:
    """Patches by step: a function of the seed and the step alone.

    Parameters
    ----------
    photographs : sequence of Photograph
        Of at least ``options.patch`` rows and columns.
    options : ShrinkingOptions
    """

    def __init__(self, photographs: Sequence[Photograph], options: ShrinkingOptions) -> None:
        self._options = options
        self._groups = PhotographGroups(
            photographs, PatchOptions(reduced=0.0), options.seed, least=options.patch,
            memory=options.memory, steps_per_group=_STEPS_PER_GROUP,
        )  # fmt: skip

    def generator(self, step: int) -> np.random.Generator:
        """Return what a step draws from."""
        return np.random.default_rng([self._options.seed, 0, step])

    def small_size(self, rng: np.random.Generator) -> int:
        """Draw how many pixels a patch's side is shrunk to."""
        if rng.random() < self._options.between:
            factor = float(np.exp(rng.uniform(*np.log(_BETWEEN))))
        else:
            factor = float(rng.choice(_FACTORS))
        return round(self._options.patch / factor)

    def draw(self, step: int, rng: np.random.Generator) -> Tensor:
        """Draw the luma of patches, turned and mirrored: (batch, patch, patch) of float32."""
        images = [sizes[0][_LUMA] for sizes in self._groups.at_step(step)]
        areas = np.array([image.size for image in images], np.float64)
        size = self._options.patch
        patches = []
        for number in rng.choice(len(images), self._options.batch, p=areas / areas.sum()):
            image = images[number]
            top, left = (int(rng.integers(length - size + 1)) for length in image.shape)
            patch = image[top : top + size, left : left + size]
            patches.append(turned(patch, int(rng.integers(8))))
        return torch.from_numpy(np.stack(patches).astype(np.float32))

    def close(self) -> None:
        """Stop loading."""
        self._groups.close()
