"""Validation while training: the bank as it would be saved, on photographs held out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

import lerf_core
from lerf_core.fronts.base import Front
from lerf_core.metrics import luma, psnr
from lerf_core.threads import thread_count
from lerf_training.data.degradation import degrade_patch
from lerf_training.data.image_files import Image
from lerf_training.data.patch_options import scales_behind
from lerf_training.data.photographs import Photograph, read_photograph
from lerf_training.models.trained_model import Trainable

__all__ = ["PERFECT", "SCALES", "Validation"]

#: Scales that are validated: whole ones, and one between.
SCALES = (2.0, 2.5, 3.0, 4.0)
# Crops of a multiple of this many pixels suit every scale; behind a front they suit the multiples
# of its scale that are validated there.
_MULTIPLE, _MULTIPLE_BEHIND = 60, 30
#: dB of an image that comes out without an error.
PERFECT = 99.0


@dataclass(frozen=True)
class _Case:
    """An image, (rows, cols, 3) of uint8, and what it is enlarged from by a scale."""

    scale: float
    high: Image
    low: Image

    @classmethod
    def of(cls, high: Image, scale: float) -> _Case:
        rows, cols = high.shape[:2]
        shape = round(rows / scale), round(cols / scale)
        planes = [degrade_patch(high[..., c], (0, 0, cols, rows), shape) for c in range(3)]
        return cls(scale, high, np.stack(planes, axis=-1))


class Validation:
    """Mean PSNR-Y of a bank on the middle parts of photographs.

    Parameters
    ----------
    photographs : sequence of Photograph
        Held out from training.
    crop : int
        Rows and columns of the part, at most.
    scales : sequence of float, optional
        That are validated: those of any bank, or behind a front `scales_behind` it.
    front : Front, optional
        What enlarges images before a bank.
    """

    def __init__(
        self,
        photographs: Sequence[Photograph],
        crop: int = 300,
        *,
        scales: Sequence[float] | None = None,
        front: Front | None = None,
    ) -> None:
        behind = None if front is None else scales_behind(front.scale)
        self._scales = scales = scales or behind or SCALES
        self._front = front
        multiple = _MULTIPLE
        if front is not None and behind is not None:
            multiple = _MULTIPLE_BEHIND * front.scale
        self._cases: list[_Case] = []
        for photograph in photographs:
            image = read_photograph(photograph.path)
            rows, cols = (min(size, crop) // multiple * multiple for size in image.shape[:2])
            if not rows or not cols:
                continue
            top, left = (image.shape[0] - rows) // 2, (image.shape[1] - cols) // 2
            high = np.ascontiguousarray(image[top : top + rows, left : left + cols])
            self._cases += [_Case.of(high, scale) for scale in scales]

    def __len__(self) -> int:
        """Number of images that are scored at each scale."""
        return len(self._cases) // len(self._scales)

    def __call__(self, bank: Trainable) -> dict[str, float]:
        """Mean PSNR-Y in dB at each scale (``'x2'``) and over all (``'mean'``).

        Parameters
        ----------
        bank : Bank, TableCascade or NetworkFront
            A front enlarges by its own scale alone.
        """
        figures: dict[float, list[float]] = {scale: [] for scale in self._scales}
        for case in self._cases:
            result = _enlarged(case, bank, self._front)
            figure = psnr(luma(case.high), luma(result), shave=math.floor(case.scale))
            figures[case.scale].append(min(figure, PERFECT))
        means = {f"x{scale:g}": fmean(values) for scale, values in figures.items() if values}
        return {**means, "mean": fmean(means.values())} if means else {}


def _enlarged(case: _Case, bank: Trainable, front: Front | None) -> Image:
    if isinstance(bank, Front):
        planes = np.ascontiguousarray(np.moveaxis(case.low, -1, 0))
        return np.ascontiguousarray(np.moveaxis(bank.enlarge(planes, thread_count(None)), 0, -1))
    enlarged: Image = lerf_core.resize(
        case.low, case.high.shape[:2], bank=bank, front=front, channel_axis=-1
    )
    return enlarged
