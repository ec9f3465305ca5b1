"""Typed errors of training and evaluation."""

from __future__ import annotations

from lerf_core.errors import LerfError

__all__ = ["CheckpointError", "DatasetError", "MissingExtraError", "TrainingError"]


class DatasetError(LerfError, ValueError):
    """A folder of images does not hold what it should."""


class CheckpointError(LerfError, ValueError):
    """A file is not the checkpoint of a training, or not of this one."""


class TrainingError(LerfError, RuntimeError):
    """A training cannot go on."""


class MissingExtraError(LerfError, ImportError):
    """A package is needed that the base installation leaves out."""

    def __init__(self, purpose: str, package: str, extra: str) -> None:
        super().__init__(f"{purpose} needs {package}: pip install 'lerf[{extra}]'")
