"""What the values of training options become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from lerf_core.errors import one_line

if TYPE_CHECKING:
    from lerf_training.loop.options import Method, TrainingOptions
    from lerf_training.models.trained_model import Trainable

    from lerf_core.bank import NetworkBank
    from lerf_core.fronts.cascade import TableCascade
    from lerf_core.fronts.network import NetworkFront

__all__ = [
    "Form",
    "apply_defaults",
    "defaults_behind",
    "fixed_scale",
    "form_of",
    "network_defaults",
    "refuse_other_options",
    "refuse_with_resume",
    "training_options_from",
]

# What --resume takes from the checkpoint.
_FIXED = (
    "kind", "scale", "interval", "network", "width", "layers", "steps", "minutes", "rate", "spread",
    "clip", "seed", "batch", "patch", "points", "scales", "scale_range", "continuous", "warps",
    "graphics", "rendered", "reduced", "jpeg", "grey", "permuted", "faded", "balance", "average",
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
#: What is trained: tables, tables through networks, a network of convolutions, or, of fronts, a
#: cascade of tables or a network.
Form = Literal["tables", "networks of tables", "convolutions", "cascade", "front"]
# Options that do nothing for some, and whose they are.
_OF_TABLES = dict.fromkeys(("interval", "network", "spread"), "tables")
_OF_CONVOLUTIONS = dict.fromkeys(("layers", "grey", "permuted", "faded"), "networks")
_OF_WIDTHS = {"width": "networks"}
_OF_ANY_SCALE = dict.fromkeys(
    ("points", "scales", "scale_range", "continuous", "warps"), "banks, which take any scale"
)
_OF_BANKS = {"front": "banks"}
_REFUSED: dict[Form, dict[str, str]] = {
    "tables": _OF_CONVOLUTIONS | _OF_WIDTHS,
    "networks of tables": _OF_CONVOLUTIONS,
    "convolutions": _OF_TABLES,
    "cascade": {"network": "banks"} | _OF_CONVOLUTIONS | _OF_WIDTHS | _OF_ANY_SCALE | _OF_BANKS,
    "front": _OF_TABLES | _OF_ANY_SCALE | _OF_BANKS,
}
_OWN: dict[Form, str] = {
    "tables": "tables", "networks of tables": "tables", "convolutions": "a network",
    "cascade": "a cascade with a fixed scale", "front": "a network with a fixed scale",
}  # fmt: skip
# Networks of convolutions: what differs from tables, then what goes by how far they see.
_OF_NETWORKS = {
    "rate": 2e-3, "spread": 0.0, "clip": 1.0, "average": 0.999, "scale_range": (1.2, 6.0),
}  # fmt: skip
_NEAR = {"batch": 16, "patch": 44, "points": 2500}
_FAR = {"batch": 8, "patch": 66, "points": 4000}
_NEAR_REACH = 8
# All pixels of a patch are looked at, but for its border's.
_OF_FRONTS = {"batch": 16, "patch": 48}


def refuse_with_resume(ctx: click.Context) -> None:
    """A resumed training keeps its options: say so rather than ignore others."""
    for name in _FIXED:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--{name.replace('_', '-')} cannot be changed with --resume: the checkpoint "
                "has the options of the training"
            )


def refuse_other_options(ctx: click.Context, bank: str, form: Form) -> None:
    """Say that an option does nothing for what is trained rather than ignore it.

    Parameters
    ----------
    ctx : click.Context
    bank : str
        What is trained, for the message.
    form : Form

    Raises
    ------
    click.UsageError
        If such an option is on the command line.
    """
    for name, others in _REFUSED[form].items():
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = name.replace("_", "-")
            raise click.UsageError(
                f"--{option} is an option of {others}, and {bank} is {_OWN[form]}"
            )


def form_of(start: Trainable) -> Form:
    """Return what a training that starts so trains."""
    from lerf_core.bank import NetworkBank
    from lerf_core.fronts.cascade import TableCascade
    from lerf_core.fronts.network import NetworkFront

    if isinstance(start, TableCascade):
        return "cascade"
    if isinstance(start, NetworkFront):
        return "front"
    return "convolutions" if isinstance(start, NetworkBank) else "tables"


def fixed_scale(front: TableCascade | NetworkFront) -> dict[str, Any]:
    """Return what options of a training are for a front, whose scale is fixed."""
    return {"scales": (float(front.scale),), "continuous": 0.0, "warps": 0.0}


def network_defaults(start: NetworkBank | NetworkFront) -> dict[str, Any]:
    """Return what options of a training are by default for a network of convolutions.

    Parameters
    ----------
    start : NetworkBank or NetworkFront
        That the training starts from.

    Returns
    -------
    dict of str
        By the names that `shared.training_options` give them.
    """
    from lerf_core.fronts.network import NetworkFront

    if isinstance(start, NetworkFront):
        return {**_OF_NETWORKS, **_OF_FRONTS, **fixed_scale(start)}
    return {**_OF_NETWORKS, **(_NEAR if start.full_reach <= _NEAR_REACH else _FAR)}


def defaults_behind(front: str | None) -> dict[str, Any]:
    """Return what options of a training are by default for a bank behind a front.

    Parameters
    ----------
    front : str or None
        None: there is none, and nothing differs.
    """
    if front is None:
        return {}
    from lerf_training.data.patch_options import scale_range_behind, scales_behind

    from lerf_core.fronts.loading import load_front

    scale = load_front(front).scale
    defaults = {"scales": scales_behind(scale), "scale_range": scale_range_behind(scale)}
    return {name: value for name, value in defaults.items() if value is not None}


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
