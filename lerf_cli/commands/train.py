"""The command ``lerf train``: a bank of one's own from a folder of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lerf_cli.options.shared import training_options
from lerf_cli.options.training import (
    Form,
    apply_defaults,
    defaults_behind,
    fixed_scale,
    network_defaults,
    refuse_other_options,
    refuse_with_resume,
    training_options_from,
)
from lerf_cli.training_run import Scanned, needs_torch, new_trainer, run_training
from lerf_core.choices import CASCADE_SCALES, SAMPLING_INTERVALS
from lerf_core.errors import InvalidArgumentError, one_line

if TYPE_CHECKING:
    from lerf_training.loop.trainer import Trainer

    from lerf_core.bank import NetworkBank
    from lerf_core.fronts.network import NetworkFront

__all__ = ["train"]

_MINUTES = 10.0
_CONVOLUTIONAL_MINUTES = 180.0
_KINDS = ("lerf-g", "lerf-l", "lerf-p")
# Kinds that are networks of convolutions, as `lerf_training.models.starting_network` has them.
_CONVOLUTIONAL = ("lerf-n", "lerf-net")
# Fronts: cascades of tables, and networks.
_CASCADE, _FRONT = _OF_FIXED_SCALES = ("mulut", "front")
# Networks that become tables are stepped in weights, and a step is slow: fewer patches each.
_NETWORK_DEFAULTS = {"rate": 1e-3, "batch": 4}
_NETWORK_WIDTH = 64


@click.command()
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--kind", type=click.Choice([*_KINDS, *_CONVOLUTIONAL, *_OF_FIXED_SCALES]), default="lerf-p",
    show_default=True,
    help="Tables: LeRF-P, a plane a pixel, weighed by steered Gaussians; LeRF-G: these alone; "
    "LeRF-L: one number a pixel, smaller and faster. Networks that are banks: lerf-n, small; "
    "lerf-net, some fifteen times the work, sharper. Fronts with a fixed scale: mulut, a cascade "
    "of tables; front, a network.",
)  # fmt: skip
@click.option(
    "--scale", type=click.Choice([str(scale) for scale in CASCADE_SCALES]),
    help="How many times a front enlarges.",
)  # fmt: skip
@click.option(
    "--interval", type=click.Choice([str(interval) for interval in SAMPLING_INTERVALS]),
    default="32", show_default=True,
    help="Grey levels between the nodes of a table.",
)  # fmt: skip
@click.option(
    "--network", is_flag=True,
    help="Train small networks, the published way, and transfer them to tables at the end. "
    "Best on a GPU. By default with --rate 0.001, of weights, and --batch 4.",
)  # fmt: skip
@click.option(
    "--width", type=click.IntRange(min=1),
    help=f"Channels of a network's layers.  [default: lerf-n 24, lerf-net 48, front 32; with "
    f"--network {_NETWORK_WIDTH}]",
)  # fmt: skip
@click.option(
    "--layers", type=click.IntRange(0, 16),
    help="Middle layers of lerf-n, lerf-net or a front.  [default: 3, 8, 6]",
)  # fmt: skip
@training_options(
    rate=1.0, minutes=f"{_MINUTES:g}; lerf-n, lerf-net, front: {_CONVOLUTIONAL_MINUTES:g}"
)
@click.option(
    "--resume", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="CHECKPOINT",
    help="Continue a training; its folders, front and options are in the checkpoint. --front and "
    "FOLDER say where they have moved to.",
)  # fmt: skip
@click.pass_context
def train(
    ctx: click.Context,
    /,
    folders: tuple[Path, ...],
    kind: str,
    scale: str | None,
    interval: str,
    network: bool,
    width: int | None,
    layers: int | None,
    resume: Path | None,
    **values: Any,
) -> None:
    """Train a bank or a front on photographs: any FOLDER of images, searched with its subfolders.

    Low-resolution patches are made on the fly by anti-aliased bicubic. The table entries
    themselves are trained, from an analytic start, or the weights of a network, rounded to 8 bits
    as it is saved; a part of the images is held out and the bank, as it would be saved, is scored
    on it. Ctrl-C saves a checkpoint.

    By default networks are trained with --rate 0.002 --clip 1 --average 0.999 --scale-range 1.2,6
    and --batch 16 --points 2500, lerf-net with --batch 8 --patch 66 --points 4000; fronts with
    --batch 16 --patch 48, at their own scale alone.

    With --front the bank is trained for what a front leaves it to do: patches are made small by the
    scale of both together, enlarged by the front, and taken from there to the photograph by the
    bank. --scales and --scale-range are those of both together.

    \b
    Examples:
      lerf train photos/ -o mine.safetensors
      lerf train photos/ -o small.safetensors --kind lerf-l --minutes 10
      lerf train photos/ -o net.safetensors --kind lerf-n --minutes 300
      lerf train photos/ -o x2.safetensors --kind mulut --scale 2 --minutes 60
      lerf train photos/ -o twice.safetensors --kind front --scale 2 --minutes 300
      lerf train photos/ -o behind.safetensors --front twice.safetensors
      lerf train --resume mine.checkpoint.safetensors -o mine.safetensors
      lerf train photos/ -o mine.safetensors --network --device cuda --steps 50000
    """  # fmt: skip
    needs_torch("lerf train")
    if resume:
        refuse_with_resume(ctx)
    elif not folders:
        raise click.UsageError("Missing argument 'FOLDER'.")
    form = _form_of(kind, network=network)
    refuse_other_options(ctx, kind, form)
    if not resume and (kind in _OF_FIXED_SCALES) != (scale is not None):
        raise click.UsageError(
            f"--scale is an option of {' and '.join(_OF_FIXED_SCALES)}, which enlarge by a fixed "
            f"scale, and {kind} enlarges by any"
            if scale
            else f"{kind} needs --scale: 2, 3 or 4"
        )

    front = values["front"]

    def make(scanned: Scanned) -> Trainer:
        if resume:
            from lerf_training.loop.trainer import Trainer

            return Trainer.resume(
                resume, folders, front=front, device=values["device"], scanned=scanned
            )
        if kind in {*_CONVOLUTIONAL, _FRONT}:
            shape, seed = {"width": width, "layers": layers}, values["seed"]
            start = _starting_network(kind, shape, int(scale or 0), seed)
            apply_defaults(ctx, values, {**network_defaults(start), **defaults_behind(front)})
            options = training_options_from(
                values, _CONVOLUTIONAL_MINUTES, method="convolutional", width=start.width
            )
            return new_trainer(start, folders, options, values, scanned)
        if kind == _CASCADE:
            from lerf_training.models.cascades import starting_cascade

            cascade = starting_cascade(int(scale or 0), interval=int(interval))
            apply_defaults(ctx, values, fixed_scale(cascade))
            options = training_options_from(values, _MINUTES)
            return new_trainer(cascade, folders, options, values, scanned)
        from lerf_training.models.starting_bank import starting_bank

        behind = defaults_behind(front)
        apply_defaults(ctx, values, {**_NETWORK_DEFAULTS, **behind} if network else behind)
        options = training_options_from(
            values,
            _MINUTES,
            method="network" if network else "tables",
            width=width or _NETWORK_WIDTH,
        )
        tables = starting_bank(kind, interval=int(interval))
        return new_trainer(tables, folders, options, values, scanned)

    run_training(ctx, make, values, resume)


def _form_of(kind: str, *, network: bool) -> Form:
    """Return what a kind is trained as."""
    if kind in _CONVOLUTIONAL:
        return "convolutions"
    if kind == _FRONT:
        return "front"
    if kind == _CASCADE:
        return "cascade"
    return "networks of tables" if network else "tables"


def _starting_network(
    kind: str, given: dict[str, int | None], scale: int, seed: int
) -> NetworkBank | NetworkFront:
    """The network that a training begins with.

    Raises
    ------
    click.UsageError
        If a network cannot have these layers.
    """
    from dataclasses import replace

    from lerf_training.models.starting_network import (
        FRONT,
        NETWORKS,
        starting_front,
        starting_network,
    )

    shape = FRONT if kind == _FRONT else NETWORKS[kind]
    shape = replace(shape, **{name: value for name, value in given.items() if value is not None})
    try:
        if kind == _FRONT:
            return starting_front(shape, scale, seed=seed)
        return starting_network(shape, seed=seed)
    except InvalidArgumentError as error:
        raise click.UsageError(one_line(error)) from error
