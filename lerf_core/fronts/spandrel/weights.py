"""Weights from files, without running code that a file may hold."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from lerf_core.errors import FrontError, one_line
from lerf_core.fronts.spandrel.kinds import FileKind
from lerf_core.fronts.spandrel.library import spandrel_library

__all__ = ["Weights", "read_weights"]

#: What a network's parts weigh, by their names.
Weights = Mapping[str, torch.Tensor]

# In torch's refusals: what a pickle asks for beyond weights.
_REFUSED_GLOBAL = re.compile(r"GLOBAL (\S+)")


def read_weights(path: Path, kind: FileKind) -> Weights:
    """Read a network's weights, without what frameworks for training wrap them in.

    Raises
    ------
    FrontError
        If the file is damaged, holds code, or no weights.
    OSError
        If it cannot be read.
    """
    content = _read_safetensors(path) if kind is FileKind.SAFETENSORS else _read_pickle(path)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise FrontError(f"{path} holds no weights of a network")
    try:
        named = spandrel_library().canonicalize_state_dict(content)
    except (AttributeError, TypeError) as error:  # names that are no text, deeper within
        raise FrontError(f"{path} holds no weights of a network") from error
    # Some have counts of steps beside them.
    weights = {name: value for name, value in named.items() if isinstance(value, torch.Tensor)}
    if not weights:
        raise FrontError(f"{path} holds no weights of a network")
    for name, value in weights.items():
        _check(value, name, path)
    return weights


def _check(value: torch.Tensor, name: str, path: Path) -> None:
    """Raise a `FrontError` unless these are numbers that the file holds."""
    is_plain = value.layout is torch.strided and value.device.type == "cpu"
    if not is_plain or value.is_quantized or value.is_complex():
        raise FrontError(f"{path} holds weights in a form that is not read: {name}")
    # One number can be said to stand for any number of them.
    if value.nbytes > value.untyped_storage().nbytes():
        raise FrontError(f"{path} is damaged: {name} has {value.numel()} weights, and holds less")
    try:
        has_nan = bool(torch.isnan(value).any())
    except RuntimeError as error:
        raise FrontError(f"{path} holds weights of a type that is not read: {name}") from error
    if has_nan:
        raise FrontError(f"{path} is damaged: {name} has weights that are no numbers")


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        weights: dict[str, Any] = load_file(path)
    except (SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise FrontError(f"{path} is damaged: {one_line(error)}") from error
    return weights


def _read_pickle(path: Path) -> Any:
    try:
        # By a file: of a path torch would believe the suffix.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on old storages
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = _REFUSED_GLOBAL.search(str(error))
        what = f" ({wanted[1]})" if wanted else ""
        raise FrontError(
            f"{path} holds more than weights{what}, and no code is run: "
            "save the network's state_dict() alone, best as .safetensors"
        ) from error
    except OSError:
        raise
    except (
        RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError, MemoryError,
        RecursionError, OverflowError,
    ) as error:  # fmt: skip
        raise FrontError(f"{path} is damaged: {_first_sentence(error)}") from error


def _first_sentence(error: BaseException) -> str:
    return one_line(error).partition(". ")[0]
