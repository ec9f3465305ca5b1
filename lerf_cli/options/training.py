"""What the values of training options become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lerf_core.errors import one_line

if TYPE_CHECKING:
    from lerf_training.loop.options import TrainingOptions

__all__ = ["refuse_with_resume", "training_options_from"]

# What --resume takes from the checkpoint.
_FIXED = (
    "kind", "interval", "network", "width", "steps", "minutes", "rate", "spread", "seed", "batch",
    "patch", "points", "scales", "scale_range", "continuous", "warps", "graphics", "rendered",
    "reduced", "jpeg", "balance", "average", "held_out", "validate_every", "memory",
)  # fmt: skip
# Options that have the names of what they set.
_OF_PATCHES = (
    "batch", "points", "scales", "scale_range", "continuous", "warps", "graphics", "rendered",
    "reduced", "jpeg",
)  # fmt: skip
_OF_TRAINING = ("rate", "spread", "seed", "held_out", "validate_every", "balance", "average")


def refuse_with_resume(ctx: click.Context) -> None:
    """A resumed training keeps its options: say so rather than ignore others."""
    for name in _FIXED:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--{name.replace('_', '-')} cannot be changed with --resume: the checkpoint "
                "has the options of the training"
            )


def training_options_from(
    values: Mapping[str, Any], default_minutes: float, *, method: str = "tables", width: int = 64
) -> TrainingOptions:
    """Return the options of a training.

    Parameters
    ----------
    values : mapping of str
        Values of `shared.training_options`, by their names.
    default_minutes : float
        How long to train where neither minutes nor steps are given.
    method : {"tables", "network"}, optional
    width : int, optional
        Of the networks' layers.

    Raises
    ------
    click.UsageError
        If options exclude each other, or a value cannot be used.
    """
    from lerf_training.data.patch_options import PatchOptions
    from lerf_training.loop.options import TrainingOptions

    from lerf_core.errors import InvalidArgumentError

    minutes, steps = values["minutes"], values["steps"]
    if minutes is not None and steps is not None:
        raise click.UsageError("give --minutes or --steps, and not both")
    if minutes is None and steps is None:
        minutes = default_minutes
    try:
        patches = PatchOptions(size=values["patch"], **{name: values[name] for name in _OF_PATCHES})
        return TrainingOptions(
            method="network" if method == "network" else "tables",
            steps=steps,
            minutes=minutes,
            width=width,
            patches=patches,
            memory=values["memory"] << 20,
            **{name: values[name] for name in _OF_TRAINING},
        )
    except InvalidArgumentError as error:
        raise click.UsageError(one_line(error)) from error
