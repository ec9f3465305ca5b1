"""From checkpoints back to models, and to the banks that they would be saved as."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from lerf_core.bank import LutBank, NetworkBank
from lerf_core.errors import InvalidArgumentError
from lerf_core.fronts.base import Front
from lerf_core.fronts.cascade import TableCascade
from lerf_core.fronts.network import NetworkFront
from lerf_training.errors import CheckpointError
from lerf_training.loop.checkpoints import Checkpoint, read_checkpoint
from lerf_training.loop.options import TrainingOptions
from lerf_training.models.cascades import CascadeModel
from lerf_training.models.convolutional import ConvolutionalModel
from lerf_training.models.front import FrontModel
from lerf_training.models.networks import NetworkModel
from lerf_training.models.tables import TableModel
from lerf_training.models.trained_model import Trainable, TrainedModel

__all__ = [
    "as_parameter",
    "bank_of_checkpoint",
    "load_state",
    "new_model",
    "options_of",
    "record_of",
    "restored_model",
]


def bank_of_checkpoint(path: str | os.PathLike[str]) -> Trainable:
    """What a training would save if it ended at this checkpoint.

    Networks of tables are transferred to them for it.

    Raises
    ------
    CheckpointError
        If the checkpoint is damaged.
    """
    checkpoint = read_checkpoint(path)
    return restored_model(checkpoint).bank(Path(path).name.split(".")[0], record_of(checkpoint))


def record_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """What a bank says of its training; JSON types, no paths."""
    progress = checkpoint.progress
    scores = progress["history"][-1] if progress["history"] else {}
    front = checkpoint.front or {}
    behind = {key: value for key, value in front.items() if key != "source"}
    return {
        "method": checkpoint.method,
        "start": checkpoint.start.name,
        **({"front": behind} if behind else {}),
        "steps": progress["step"],
        "minutes": round(progress["seconds"] / 60, 1),
        "options": {**checkpoint.options, "steps": progress["steps"], "minutes": None},
        "data": {key: value for key, value in checkpoint.data.items() if key != "folders"},
        "validation": {
            key: round(value, 3)
            for key, value in scores.items()
            if key == "mean" or key.startswith("x")
        },
        "versions": {
            **{name: metadata.version(name) for name in ("lerf", "numpy", "numba")},
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def new_model(start: Trainable, options: TrainingOptions) -> TrainedModel:
    """A model in its starting state.

    Raises
    ------
    InvalidArgumentError
        If the method does not train banks like `start`.
    """
    if options.method == "convolutional" and isinstance(start, NetworkBank):
        return ConvolutionalModel(start)
    if options.method == "network" and isinstance(start, LutBank):
        return NetworkModel(start, width=options.width, seed=options.seed)
    if options.method == "tables" and isinstance(start, LutBank):
        return TableModel(start)
    if options.method == "convolutional" and isinstance(start, NetworkFront):
        return FrontModel(start)
    if options.method == "tables" and isinstance(start, TableCascade):
        return CascadeModel(start)
    form = "a bank of tables" if isinstance(start, LutBank) else "a bank of a network"
    if isinstance(start, Front):
        form = "a cascade of tables" if isinstance(start, TableCascade) else "a front of a network"
    raise InvalidArgumentError(f"method {options.method!r} does not train {start.name!r}, {form}")


def restored_model(checkpoint: Checkpoint) -> TrainedModel:
    """The model that a checkpoint holds, averaged where it was.

    Raises
    ------
    CheckpointError
        If tensors are missing or do not fit.
    """
    model = new_model(checkpoint.start, options_of(checkpoint))
    load_state(model, checkpoint, "the checkpoint")
    average = checkpoint.group("average")
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters() if average else ()):
            parameter.copy_(as_parameter(parameter, average.get(str(number)), "the checkpoint"))
    return model


def options_of(checkpoint: Checkpoint) -> TrainingOptions:
    """Options of a checkpoint.

    Raises
    ------
    CheckpointError
        If they cannot be read.
    """
    try:
        return TrainingOptions.from_json(checkpoint.options)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise CheckpointError(f"options of the checkpoint cannot be read: {error}") from error


def load_state(model: TrainedModel, checkpoint: Checkpoint, origin: str) -> None:
    """Fill a model by a checkpoint's tensors; errors name `origin`.

    Raises
    ------
    CheckpointError
        If tensors are missing or do not fit.
    """
    tensors = {key: torch.from_numpy(value) for key, value in checkpoint.group("model").items()}
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{origin} does not fit its description: {reason}") from error


def as_parameter(parameter: Tensor, value: npt.NDArray[Any] | None, origin: str) -> Tensor:
    """A tensor in the shape and on the device of a parameter; errors name `origin`.

    Raises
    ------
    CheckpointError
        If it is missing or of another shape.
    """
    if value is None or value.shape != tuple(parameter.shape):
        raise CheckpointError(f"{origin} does not fit its description: a tensor is missing")
    return torch.from_numpy(value).to(parameter.device)
