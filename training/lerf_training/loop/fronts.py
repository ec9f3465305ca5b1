"""Fronts that banks are trained behind: how checkpoints remember them, and find them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lerf_core.errors import FrontError
from lerf_core.fronts.base import Front
from lerf_core.fronts.cascade import TableCascade
from lerf_core.fronts.loading import FrontSource, available_fronts, load_front
from lerf_core.fronts.network import NetworkFront
from lerf_training.errors import CheckpointError
from lerf_training.loop.checkpoints import Checkpoint

__all__ = ["front_of_checkpoint", "front_record", "loaded_front", "threads_beside_training"]


def loaded_front(source: FrontSource | None) -> tuple[Front | None, str | None]:
    """Load a front, and say where it can be found again.

    Parameters
    ----------
    source : str, path, Front or None

    Returns
    -------
    front : Front or None
    source : str or None
        Its name or whole path; None for one that was loaded before.
    """
    if source is None:
        return None, None
    if isinstance(source, Front):
        return source, None
    name = str(source)
    is_name = isinstance(source, str) and name in available_fronts()
    return load_front(source), name if is_name else str(Path(source).resolve())


def threads_beside_training(front: Front | None) -> int:
    """Threads that a front may use for patches, beside the training."""
    if front is None or isinstance(front, (TableCascade, NetworkFront)):
        return 1
    # torch's own number is one for the whole process: another would change the training's sums.
    return int(torch.get_num_threads())


def front_record(front: Front | None, source: str | None) -> dict[str, Any] | None:
    """What a checkpoint says of a front; see `Checkpoint`."""
    if front is None:
        return None
    facts = {"name": front.name, "scale": front.scale, "checksum": front.checksum}
    return {"source": source, **facts}


def front_of_checkpoint(
    checkpoint: Checkpoint, origin: str, source: FrontSource | None = None
) -> FrontSource | None:
    """Find the front that a training goes on behind; None: there is none.

    Parameters
    ----------
    checkpoint : Checkpoint
    origin : str
        Its file, for messages.
    source : str, path or Front, optional
        Where the front is now; where it was by default.

    Returns
    -------
    str, path, Front or None
        What `lerf_core.fronts.loading.load_front` takes, and is the same front.

    Raises
    ------
    CheckpointError
        If the front is not to be had, or is another one.
    """
    front = checkpoint.front
    if front is None:
        if source is not None:
            raise CheckpointError(f"{origin} was not trained behind a front")
        return None
    source = front["source"] if source is None else source
    if source is None:
        raise CheckpointError(f"{origin} was trained behind a front, {front['name']!r}: give it")
    try:
        loaded = load_front(source)
    except FrontError as error:
        raise CheckpointError(
            f"{origin} was trained behind the front {front['name']!r}: {error}"
        ) from error
    if loaded.checksum != front["checksum"]:
        raise CheckpointError(
            f"{origin} was trained behind another front: its checksum is {front['checksum']}, "
            f"that of {source} is {loaded.checksum}"
        )
    return source
