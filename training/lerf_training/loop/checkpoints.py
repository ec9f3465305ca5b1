"""Checkpoints: all that a training needs to go on, in one ``.safetensors`` file.

Tensors are the model's state (``model/...``) and the optimiser's moments
(``exp_avg/...``, ``exp_avg_sq/...``); everything else is one JSON text in the file's
metadata. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.bank import bank_from_metadata
from lerf_core.bank.base import format_of
from lerf_core.errors import BankError, FrontError
from lerf_core.fronts.cascade import TableCascade
from lerf_core.fronts.formats import CASCADE_FORMAT, NETWORK_FRONT_FORMAT
from lerf_core.fronts.network import NetworkFront
from lerf_core.io.results.whole_files import write_whole
from lerf_training.errors import CheckpointError
from lerf_training.models.trained_model import Trainable

__all__ = [
    "CHECKPOINT_KEY",
    "Checkpoint",
    "is_checkpoint",
    "read_checkpoint",
    "write_checkpoint",
]

CHECKPOINT_KEY = "lerf-checkpoint"
_VERSION = 1
_REQUIRED = {
    "progress": ("step", "steps", "seconds", "psnr", "history"),
    "data": ("fingerprint", "folders"),
}
_REQUIRED_OF_FRONTS = ("source", "name", "scale", "checksum")


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training.

    Attributes
    ----------
    method : {'tables', 'network', 'convolutional'}
        What is trained; see `lerf_training.loop.options`.
    start : Bank, TableCascade or NetworkFront
        What the training started from; it gives the structure.
    options : dict
        `lerf_training.loop.options.TrainingOptions` as JSON.
    progress : dict
        Step, schedule, history of the validation, seconds spent.
    data : dict
        Folders, fingerprint and counts of the photographs.
    tensors : dict of str to ndarray
        Model and optimiser.
    front : dict or None
        Of the front that the bank is trained behind, its `name`, `scale` and `checksum`, and its
        `source`: a name or a path, or None where it has none.
    """

    method: str
    start: Trainable
    options: dict[str, Any]
    progress: dict[str, Any]
    data: dict[str, Any]
    tensors: Mapping[str, npt.NDArray[np.float32]]
    front: dict[str, Any] | None = None

    def group(self, prefix: str) -> dict[str, npt.NDArray[np.float32]]:
        """Tensors whose names start with ``prefix/``, without it."""
        cut = len(prefix) + 1
        return {
            key[cut:]: value for key, value in self.tensors.items() if key.startswith(prefix + "/")
        }


def write_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    from safetensors.numpy import save

    path = Path(path)
    text = json.dumps(
        {
            "version": _VERSION,
            "method": checkpoint.method,
            "start": json.dumps(checkpoint.start.metadata),
            "options": checkpoint.options,
            "progress": checkpoint.progress,
            "data": checkpoint.data,
            "front": checkpoint.front,
        }
    )
    arrays = {
        **checkpoint.tensors,
        **{f"start/{key}": tensor for key, tensor in checkpoint.start.tensors.items()},
    }
    tensors = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
    data = save(tensors, metadata={CHECKPOINT_KEY: text})
    write_whole(path, data)


def is_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a checkpoint; only its header is read."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        return False
    try:
        with safe_open(path, framework="np") as file:
            return CHECKPOINT_KEY in (file.metadata() or {})
    except (SafetensorError, OSError, ValueError):
        return False


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    CheckpointError
        If the file is none, is damaged, or comes from a version that is not known.
    """
    text, tensors = _contents(path)
    try:
        return _described(str(path), json.loads(text), tensors)
    except (BankError, FrontError) as error:  # it names the file
        raise CheckpointError(str(error)) from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: description cannot be read ({error!r})") from error


def _contents(path: str | os.PathLike[str]) -> tuple[str, dict[str, npt.NDArray[Any]]]:
    """Description and tensors of a file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get(CHECKPOINT_KEY)
            if text is None:
                raise CheckpointError(f"{path} is not a checkpoint of a training")
            return text, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is not a checkpoint: {error}") from error


def _described(path: str, data: dict[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> Checkpoint:
    """The checkpoint that a description and tensors, which lose those of the start, make up."""
    start = {
        key.removeprefix("start/"): tensors.pop(key)
        for key in list(tensors)
        if key.startswith("start/")
    }
    if data["version"] != _VERSION:
        raise CheckpointError(
            f"{path}: version {data['version']!r} is unknown; this program reads {_VERSION}"
        )
    front = data.get("front")  # older checkpoints do not name it
    required = _REQUIRED if front is None else {**_REQUIRED, "front": _REQUIRED_OF_FRONTS}
    missing = [
        f"{section}.{key}"
        for section, keys in required.items()
        for key in keys
        if key not in data[section]
    ]
    if missing:
        raise CheckpointError(f"{path}: the description lacks {', '.join(missing)}")
    return Checkpoint(
        method=str(data["method"]),
        start=_start(data["start"], start, path),
        options=dict(data["options"]),
        progress=dict(data["progress"]),
        data=dict(data["data"]),
        tensors=tensors,
        front=None if front is None else dict(front),
    )


def _start(text: str, tensors: dict[str, npt.NDArray[Any]], path: str) -> Trainable:
    """What a training began with, of its description and its arrays."""
    if format_of(text) == CASCADE_FORMAT:
        return TableCascade.from_metadata(text, tensors, origin=path)
    if format_of(text) == NETWORK_FRONT_FORMAT:
        return NetworkFront.from_metadata(text, tensors, origin=path)
    return bank_from_metadata(text, tensors, origin=path)
