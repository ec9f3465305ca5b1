"""The training loop of tables and networks, with validation, checkpoints and an exact resume.

A step is a function of the state, the seed and the step's number, so on one machine and
version of the libraries a training that was stopped and resumed on the CPU ends at the
same bits as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lerf_core.errors import InvalidArgumentError
from lerf_core.fronts.loading import FrontSource
from lerf_training.data.patch_front import PatchFront
from lerf_training.data.patches import Batch, PatchSource
from lerf_training.data.photographs import Folder, fingerprint, scan, split_share
from lerf_training.errors import CheckpointError, TrainingError
from lerf_training.loop.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from lerf_training.loop.fronts import (
    front_of_checkpoint,
    front_record,
    loaded_front,
    threads_beside_training,
)
from lerf_training.loop.interruption import Interruption
from lerf_training.loop.options import TrainingOptions
from lerf_training.loop.restoring import (
    as_parameter,
    load_state,
    new_model,
    options_of,
    record_of,
)
from lerf_training.loop.validation import Validation
from lerf_training.models.trained_model import Trainable, TrainedModel

__all__ = ["Progress", "Trainer"]

# Steps over which the rate rises; the speed of the later ones tells how many fit a time limit.
WARM_UP = 60
_SLOW_WARM_UP = 200
_STEADY = 20
# Networks of convolutions forget squared gradients sooner than Adam's 0.999 does.
_BETAS = {"convolutional": (0.9, 0.99)}
# Trainings as long as this, in steps or in minutes, are worth half a minute of compiling.
_COMPILED_STEPS, _COMPILED_MINUTES = 2000, 5
# Visits are counted at one step in so many.
_VISIT_STEPS = 8
_PEAK = 20 * math.log10(255)


@dataclass(frozen=True)
class Progress:
    """What a training reports after a step.

    Attributes
    ----------
    step, steps : int
        Steps done, and in all; `steps` is None until a time limit has been turned into
        a number.
    psnr : float
        Running PSNR in dB of the training samples.
    scores : mapping or None
        Of a validation, if this step had one.
    """

    step: int
    steps: int | None
    psnr: float
    scores: Mapping[str, float] | None


class Trainer:
    """A training: `Trainer(...)` or `Trainer.resume`, then `run`, then `bank`.

    Parameters
    ----------
    start : Bank, TableCascade or NetworkFront
        Structure; for tables and for networks of convolutions also the entries or weights to
        start from.
    folders : sequence of path
        Photographs.
    options : TrainingOptions
        How to train.
    front : str, path or Front, optional
        Train the bank behind this front, on what it makes of the patches; see
        `lerf_core.fronts.loading.load_front`. It stays as it is.
    device : str, optional
        Of torch, as ``'cpu'`` or ``'cuda'``.
    scanned : callable, optional
        Called with the files looked at and their number, while the folders are scanned.

    Raises
    ------
    DatasetError
        If the folders hold nothing to train on.
    FrontError
        If there is no such front.
    InvalidArgumentError
        If the method does not fit the bank, the patches are too small for it, or the scales too
        small for the front.
    """

    def __init__(
        self,
        start: Trainable,
        folders: Sequence[str | Path],
        options: TrainingOptions,
        *,
        front: FrontSource | None = None,
        device: str = "cpu",
        scanned: Callable[[int, int], None] | None = None,
    ) -> None:
        self.options = options
        self.folders = [str(Path(folder).resolve()) for folder in folders]
        self.device = torch.device(device)
        self.start = start
        self.model: TrainedModel = new_model(start, options).to(self.device)
        options.patches.check_margin(self.model.margin)
        self.front, self.front_source = loaded_front(front)
        if self.front is not None and self.model.block is not None:
            raise InvalidArgumentError(f"{start.name!r} is a front: none goes before it")
        threads = threads_beside_training(self.front)
        enlarging = PatchFront(self.front, options.patches.size, threads)
        options.patches.check_front(enlarging.scale)
        least = options.patches.least_for(enlarging.source_size)
        self.folder: Folder = scan(folders, least, scanned)
        self.train, self.held_out = split_share(self.folder.photographs, options.held_out)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            lr=options.rate,
            betas=_BETAS.get(options.method, (0.9, 0.999)),
            fused=True,
        )
        self.average = self._copy() if options.average else None
        scale = self.model.block
        self.validation = Validation(
            self.held_out, scales=None if scale is None else (float(scale),), front=self.front
        )
        self.source = PatchSource(
            self.train,
            options.patches,
            options.seed,
            colours=self.model.colours,
            margin=self.model.margin,
            block=self.model.block,
            front=enlarging,
            memory=options.memory,
        )
        self.step = 0
        self.steps = options.steps
        self.seconds = 0.0
        self.psnr = math.nan
        self.history: list[dict[str, float]] = []
        self.interruption = Interruption()

    def _copy(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.model.parameters()]

    # -- the loop -------------------------------------------------------------------

    def run(self, report: Callable[[Progress], None], checkpoint: Path | None = None) -> bool:
        """Train until the end, or until the first interrupt.

        Parameters
        ----------
        report : callable
            Called after each step.
        checkpoint : Path, optional
            Written at each validation, at the end and when interrupted.

        Returns
        -------
        bool
            Whether the end was reached.
        """
        started = time.perf_counter() - self.seconds
        # Speed is that of this process: a resumed one starts slowly too.
        begun, warm = self.step, 0.0
        self._prepare()
        batches = self.source.batches(self.step, self._last())
        with self.interruption, closing(batches):
            for batch in batches:
                self._train(batch)
                self.step += 1
                self.seconds = time.perf_counter() - started
                if self.step == begun + _STEADY:
                    warm = self.seconds
                if self.steps is None and self.step == begun + WARM_UP:
                    self._set_steps((self.seconds - warm) / (WARM_UP - _STEADY))
                done = self.step == self.steps
                scores = None
                if done or self.step % self.options.validate_every == 0:
                    scores = self.validate()
                    started = time.perf_counter() - self.seconds
                report(Progress(self.step, self.steps, self.psnr, scores))
                stop = done or self.interrupted  # asked once: a signal may come at any time
                if checkpoint and (scores is not None or stop):
                    self.save(checkpoint)
                if stop:
                    break
        return self.step == self.steps

    def _prepare(self) -> None:
        """Make the model as fast as it can be here, where the training is long."""
        options = self.options
        length = (options.steps or 0) / _COMPILED_STEPS + (options.minutes or 0) / _COMPILED_MINUTES
        self.model.prepare(options.patches.batch, options.patches.size, compiled=length >= 1)

    @property
    def interrupted(self) -> bool:
        """Whether a signal has ended the last run."""
        return self.interruption.requested

    def _last(self) -> int:
        return self.steps if self.steps is not None else 1 << 40

    def _set_steps(self, seconds_per_step: float) -> None:
        """Turn the time limit into steps; from here on the schedule is fixed."""
        minutes = self.options.minutes
        if minutes is None:
            raise InvalidArgumentError("a training without steps needs minutes")
        left = 60 * minutes - self.seconds
        self.steps = self.step + max(1, int(left / seconds_per_step))

    def _rise(self) -> int:
        """Steps over which the rate rises."""
        most = _SLOW_WARM_UP if self.options.method == "convolutional" else WARM_UP
        return most if self.steps is None else min(most, 1 + self.steps // 4)

    def _fall(self) -> float:
        """From 1 at the end of the rise towards 0 at the end, along half a cosine."""
        if self.steps is None:
            return 1.0
        progress = max(0, self.step - self._rise()) / max(1, self.steps - self._rise())
        return (1 + math.cos(math.pi * progress)) / 2

    def _train(self, batch: Batch) -> None:
        """One step: gradients by a batch, a step of the optimiser, and what follows it."""
        for group in self.optimizer.param_groups:
            rise = min(1.0, (self.step + 1) / self._rise())
            group["lr"] = self.options.rate * rise * self._fall()
        error = self._error(batch)
        balance = self.options.balance
        loss = error.mean() if math.isinf(balance) else torch.log(balance + error).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.step % _VISIT_STEPS == 0:
            self.model.count_visits(_VISIT_STEPS)
        if self.options.spread:
            self.model.spread_gradients(self.options.spread * self._fall())
        if self.options.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip)
        self.optimizer.step()
        self.model.clip_entries()
        if self.average is not None:
            # A short average at first, so that the start is forgotten.
            decay = min(self.options.average, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                torch._foreach_lerp_(self.average, list(self.model.parameters()), 1 - decay)
        self._note(float(loss.detach()), error.detach())

    def _error(self, batch: Batch) -> Tensor:
        """Mean squared error (batch,) of each patch's points, in grey levels."""
        low, first, offset, target = (
            torch.from_numpy(array).to(self.device)
            for array in (batch.low, batch.first, batch.offset, batch.target)
        )
        values: Tensor = self.model(low.float(), first, offset)
        return ((values - target) ** 2).flatten(1).mean(1)

    def _note(self, loss: float, error: Tensor) -> None:
        """Keep the running PSNR, unless the training has diverged."""
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} at step {self.step + 1}: the training has "
                f"diverged; try a rate below {self.options.rate}"
            )
        value = _PEAK - 10 * float(torch.log10(error.clamp(min=1e-3)).mean())
        self.psnr = value if math.isnan(self.psnr) else 0.99 * self.psnr + 0.01 * value

    # -- results --------------------------------------------------------------------

    def bank(self, name: str) -> Trainable:
        """What is trained, as it is so far, with the record of its training."""
        return self._saved_model().bank(name, self.record())

    def validate(self) -> dict[str, float]:
        """Score the bank as it would be saved; kept in the history."""
        scores = self.validation(self._saved_model().bank("validated", {}))
        entry = {"step": self.step, "seconds": round(self.seconds, 1), "train": self.psnr}
        self.history.append({**entry, **scores})
        return scores

    def _saved_model(self) -> TrainedModel:
        if self.average is None:
            return self.model
        averaged: TrainedModel = new_model(self.start, self.options).to(self.device)
        averaged.load_state_dict(self.model.state_dict())  # buffers are not averaged
        with torch.no_grad():
            for parameter, value in zip(averaged.parameters(), self.average, strict=True):
                parameter.copy_(value)
        return averaged

    def record(self) -> dict[str, Any]:
        """How the bank came to be; JSON types."""
        return record_of(self.checkpoint(tensors=False))

    def _data(self) -> dict[str, Any]:
        return {
            "fingerprint": self.folder.fingerprint,
            "images": len(self.train),
            "held out": len(self.held_out),
            "held out fingerprint": fingerprint(self.held_out),
            "skipped": len(self.folder.skipped),
        }

    # -- checkpoints ----------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        write_checkpoint(path, self.checkpoint())

    def checkpoint(self, *, tensors: bool = True) -> Checkpoint:
        """The state of the training; without its tensors for the record alone."""
        progress = {
            "step": self.step,
            "steps": self.steps,
            "seconds": self.seconds,
            "psnr": None if math.isnan(self.psnr) else self.psnr,
            "history": self.history,
        }
        state = self._tensors() if tensors else {}
        return Checkpoint(
            method=self.options.method,
            start=self.start,
            options=self.options.as_json(),
            progress=progress,
            data={**self._data(), "folders": self.folders},
            tensors={key: value.detach().cpu().numpy() for key, value in state.items()},
            front=front_record(self.front, self.front_source),
        )

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"model/{key}": value for key, value in self.model.state_dict().items()}
        for number, parameter in enumerate(self.model.parameters()):
            state = self.optimizer.state.get(parameter, {})
            for key in ("exp_avg", "exp_avg_sq"):
                if key in state:
                    tensors[f"{key}/{number}"] = state[key]
        for number, value in enumerate(self.average or ()):
            tensors[f"average/{number}"] = value
        return tensors

    @classmethod
    def resume(
        cls,
        path: str | Path,
        folders: Sequence[str | Path] = (),
        *,
        front: FrontSource | None = None,
        device: str = "cpu",
        scanned: Callable[[int, int], None] | None = None,
    ) -> Trainer:
        """Continue the training of a checkpoint.

        Parameters
        ----------
        path : path
            Of the checkpoint.
        folders : sequence of path, optional
            Where the photographs are now; where they were by default.
        front : str, path or Front, optional
            Where the front is now; where it was by default.
        device, scanned : optional
            As of the class.

        Raises
        ------
        CheckpointError
            If the checkpoint does not fit, or the photographs or the front are not the same.
        """
        checkpoint = read_checkpoint(path)
        options = options_of(checkpoint)
        trainer = cls(
            checkpoint.start,
            folders or checkpoint.data["folders"],
            options,
            front=front_of_checkpoint(checkpoint, str(path), front),
            device=device,
            scanned=scanned,
        )
        if trainer.folder.fingerprint != checkpoint.data["fingerprint"]:
            raise CheckpointError(
                f"{path} was trained on other photographs: their fingerprint is "
                f"{checkpoint.data['fingerprint']}, that of {', '.join(trainer.folders)} is "
                f"{trainer.folder.fingerprint}"
            )
        trainer._restore(checkpoint, str(path))
        return trainer

    def _restore(self, checkpoint: Checkpoint, origin: str) -> None:
        progress = checkpoint.progress
        load_state(self.model, checkpoint, origin)
        parameters = list(self.model.parameters())
        moments = {key: checkpoint.group(key) for key in ("exp_avg", "exp_avg_sq", "average")}
        step = torch.tensor(float(progress["step"]))
        for number, parameter in enumerate(parameters):
            name = str(number)
            if progress["step"]:
                state = {
                    key: as_parameter(parameter, moments[key].get(name), origin)
                    for key in ("exp_avg", "exp_avg_sq")
                }
                self.optimizer.state[parameter] = {
                    "step": step.clone().to(parameter.device),
                    **state,
                }
            if self.average is not None:
                self.average[number] = as_parameter(parameter, moments["average"].get(name), origin)
        self.step, self.steps = int(progress["step"]), progress["steps"]
        self.seconds = float(progress["seconds"])
        self.psnr = math.nan if progress["psnr"] is None else float(progress["psnr"])
        self.history = list(progress["history"])
