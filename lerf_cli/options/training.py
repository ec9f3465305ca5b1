"""What the values of training options become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lerf_core.errors import one_line

if TYPE_CHECKING:
    from lerf_training.loop.options import Method, TrainingOptions

    from lerf_core.bank import Bank

__all__ = [
    "apply_defaults",
    "network_defaults",
    "refuse_other_options",
    "refuse_with_resume",
    "training_options_from",
]

# What --resume takes from the checkpoint.
_FIXED = (
    "kind", "interval", "network", "width", "layers", "steps", "minutes", "rate", "spread", "clip",
    "seed", "batch", "patch", "points", "scales", "scale_range", "continuous", "warps", "graphics",
    "rendered", "reduced", "jpeg", "grey", "permuted", "faded", "balance", "average",
    "held_out", "validate_every", "memory",
)  # fmt: skip
# Options that have the names of what they set.
_OF_PATCHES = (
    "batch", "points", "scales", "scale_range", "continuous", "warps", "graphics", "rendered",
    "reduced", "jpeg", "grey", "permuted", "faded",
)  # fmt: skip
_OF_TRAINING = (
    "rate", "spread", "clip", "seed", "held_out", "validate_every", "balance", "average",
)  # fmt: skip
# What one sort of banks is trained by, and the other is not.
_OF_TABLES = ("interval", "network", "spread")
_OF_CONVOLUTIONS = ("layers", "grey", "permuted", "faded")
# Networks of convolutions: what differs from tables, then what goes by how far they see.
_OF_NETWORKS = {
    "rate": 2e-3, "spread": 0.0, "clip": 1.0, "average": 0.999, "scale_range": (1.2, 6.0),
}  # fmt: skip
_NEAR = {"batch": 16, "patch": 44, "points": 2500}
_FAR = {"batch": 8, "patch": 66, "points": 4000}
_NEAR_REACH = 8


def refuse_with_resume(ctx: click.Context) -> None:
    """A resumed training keeps its options: say so rather than ignore others."""
    for name in _FIXED:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--{name.replace('_', '-')} cannot be changed with --resume: the checkpoint "
                "has the options of the training"
            )


def refuse_other_options(
    ctx: click.Context, bank: str, *, convolutional: bool, network: bool = False
) -> None:
    """Say that an option does nothing for a bank rather than ignore it.

    Parameters
    ----------
    ctx : click.Context
    bank : str
        What is trained, for the message.
    convolutional : bool
        Whether that is a network of convolutions, or tables.
    network : bool, optional
        Whether tables are trained through networks.

    Raises
    ------
    click.UsageError
        If such an option is on the command line.
    """
    names: tuple[str, ...] = _OF_TABLES if convolutional else _OF_CONVOLUTIONS
    if not convolutional and not network:
        names += ("width",)
    for name in names:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            others, own = ("tables", "a network") if convolutional else ("networks", "tables")
            raise click.UsageError(f"--{name} is an option of {others}, and {bank} is {own}")


def network_defaults(bank: Bank) -> dict[str, Any]:
    """Return what options of a training are by default for a network of convolutions.

    Parameters
    ----------
    bank : Bank
        That the training starts from.

    Returns
    -------
    dict of str
        By the names that `shared.training_options` give them.
    """
    return {**_OF_NETWORKS, **(_NEAR if bank.full_reach <= _NEAR_REACH else _FAR)}


def apply_defaults(ctx: click.Context, values: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Put defaults into the values of options that are not on the command line."""
    given = ParameterSource.COMMANDLINE
    values.update(
        (name, value)
        for name, value in defaults.items()
        if ctx.get_parameter_source(name) is not given
    )


def training_options_from(
    values: Mapping[str, Any],
    default_minutes: float,
    *,
    method: Method = "tables",
    width: int = 64,
) -> TrainingOptions:
    """Return the options of a training.

    Parameters
    ----------
    values : mapping of str
        Values of `shared.training_options`, by their names.
    default_minutes : float
        How long to train where neither minutes nor steps are given.
    method : {"tables", "network", "convolutional"}, optional
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
            method=method,
            steps=steps,
            minutes=minutes,
            width=width,
            patches=patches,
            memory=values["memory"] << 20,
            **{name: values[name] for name in _OF_TRAINING},
        )
    except InvalidArgumentError as error:
        raise click.UsageError(one_line(error)) from error
