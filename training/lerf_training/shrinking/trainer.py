"""The training loop of the function for shrinking.

A training takes about a minute, so that none is resumed.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from lerf_core.bank.loading import load_bank
from lerf_core.errors import InvalidArgumentError
from lerf_core.sampling.shrinking import ShrinkingKernel
from lerf_training.data.photographs import Folder, fingerprint, scan, split_share
from lerf_training.errors import TrainingError
from lerf_training.loop.interruption import Interruption
from lerf_training.shrinking.gratings import aliasing_penalty, draw_gratings
from lerf_training.shrinking.model import ShrinkingModel
from lerf_training.shrinking.options import ShrinkingOptions
from lerf_training.shrinking.patches import ShrinkingPatches
from lerf_training.shrinking.round_trips import RoundTrips
from lerf_training.shrinking.scores import Scores, score_shrinking

__all__ = ["ShrinkingProgress", "ShrinkingTrainer"]

# Steps over which the rate rises, and whose later ones tell how many fit a time limit.
_RISE, _STEADY = 50, 20
_LEAKAGE_WEIGHT = 0.5
# Part of a training at whose end the rate falls to zero.
_FALL = 0.6


@dataclass(frozen=True)
class ShrinkingProgress:
    """What a training reports after a step.

    Attributes
    ----------
    step, steps : int
        Steps done, and in all; `steps` is None until a time limit has been turned into a number.
    loss : float
        Running mean.
    """

    step: int
    steps: int | None
    loss: float


class ShrinkingTrainer:
    """A training: `run`, then `kernel`.

    Parameters
    ----------
    folders : sequence of path
        Photographs.
    options : ShrinkingOptions
        How to train.
    scanned : callable, optional
        Called with the files looked at and their number, while the folders are scanned.

    Raises
    ------
    DatasetError
        If the folders hold nothing to train on.

    Attributes
    ----------
    folder : Folder
        What the scan found.
    train, held_out : tuple of Photograph
    model : ShrinkingModel
    step : int
        Steps done.
    loss : float
        Running mean; NaN before the first step.
    """

    def __init__(
        self,
        folders: Sequence[str | Path],
        options: ShrinkingOptions,
        *,
        scanned: Callable[[int, int], None] | None = None,
    ) -> None:
        self.options = options
        self.folder: Folder = scan(folders, options.patch, scanned)
        self.train, self.held_out = split_share(self.folder.photographs, options.held_out)
        self.model = ShrinkingModel(options.sharp_radius, options.smooth_radius, options.overshoot)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=options.rate)
        self.patches = ShrinkingPatches(self.train, options)
        self.step, self.steps = 0, options.steps
        self.seconds = 0.0
        self.loss = math.nan
        self._round_trips = RoundTrips(options.weights)

    def run(self, report: Callable[[ShrinkingProgress], None]) -> bool:
        """Train until the end, or until the first interrupt.

        Parameters
        ----------
        report : callable
            Called after each step.

        Returns
        -------
        bool
            Whether the end was reached.

        Raises
        ------
        TrainingError
            If the training diverges.
        """
        started, warm = time.perf_counter(), 0.0
        with Interruption() as interruption, closing(self.patches):
            while self.step != self.steps and not interruption.requested:
                self._train()
                self.step += 1
                self.seconds = time.perf_counter() - started
                if self.step == _STEADY:
                    warm = self.seconds
                if self.steps is None and self.step == _RISE:
                    self._set_steps((self.seconds - warm) / (_RISE - _STEADY))
                report(ShrinkingProgress(self.step, self.steps, self.loss))
        return self.step == self.steps

    def _set_steps(self, seconds_per_step: float) -> None:
        """Turn the time limit into steps; from here on the schedule is fixed."""
        if self.options.minutes is None:
            raise InvalidArgumentError("a training without steps needs minutes")
        left = 60 * self.options.minutes - self.seconds
        self.steps = self.step + max(1, int(left / seconds_per_step))

    def _rate(self) -> float:
        """Rising, steady, falling to zero; in parts of its height."""
        rise = (self.step + 1) / _RISE
        fall = 1.0 if self.steps is None else (self.steps - self.step) / (_FALL * self.steps)
        return min(1.0, rise, fall)

    def _train(self) -> None:
        """One step: photographs and gratings shrunk by the same factor."""
        options, rng = self.options, self.patches.generator(self.step)
        small_size = self.patches.small_size(rng)
        images = self.patches.draw(self.step, rng)
        gratings = draw_gratings(options.batch, options.patch, small_size, rng)
        shrunk = self.model(torch.cat([images, gratings.images]), (small_size, small_size))
        small, small_gratings = shrunk.split(options.batch)
        loss = self._round_trips.loss(small, images)
        loss = loss + options.aliasing * aliasing_penalty(small_gratings, gratings)
        loss = loss + _LEAKAGE_WEIGHT * torch.relu(self.model.leakage() - options.leakage)
        for group in self.optimizer.param_groups:
            group["lr"] = options.rate * self._rate()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.model.clip_widening()
        self._note(float(loss.detach()))

    def _note(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} at step {self.step + 1}: the training has diverged; try a "
                f"rate below {self.options.rate}"
            )
        self.loss = loss if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * loss

    # -- results --------------------------------------------------------------------

    def score(self) -> list[Scores]:
        """Score the function as trained so far on what is held out."""
        return score_shrinking(self.model.kernel("scored", {}), self.held_out)

    def kernel(self, name: str, scores: Sequence[Scores] = ()) -> ShrinkingKernel:
        """Return the function as trained so far, with the record of its training."""
        return self.model.kernel(name, self.record(scores))

    def record(self, scores: Sequence[Scores] = ()) -> dict[str, Any]:
        """How the function came to be; JSON types, no paths."""
        bank = load_bank()
        return {
            "steps": self.step,
            "minutes": round(self.seconds / 60, 1),
            "options": {**self.options.as_json(), "steps": self.steps, "minutes": None},
            "enlarged by": ["bicubic", "lanczos", f"{bank.name} {bank.checksum}"],
            "data": {
                "fingerprint": self.folder.fingerprint,
                "images": len(self.train),
                "held out": len(self.held_out),
                "held out fingerprint": fingerprint(self.held_out),
                "skipped": len(self.folder.skipped),
            },
            "validation": {f"x{entry.factor}": entry.as_json() for entry in scores},
            "versions": {
                **{name: metadata.version(name) for name in ("lerf", "numpy", "numba", "pillow")},
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        }
