"""The command ``lerf train``: a bank of one's own from a folder of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lerf_cli.options.shared import training_options
from lerf_cli.options.training import refuse_with_resume, training_options_from
from lerf_cli.training_run import Scanned, needs_torch, run_training
from lerf_core.choices import SAMPLING_INTERVALS

if TYPE_CHECKING:
    from lerf_training.loop.trainer import Trainer

__all__ = ["train"]

_MINUTES = 10.0
# Networks are stepped in weights, and a step is slow: fewer patches each.
_NETWORK_DEFAULTS = {"rate": 1e-3, "batch": 4}


@click.command()
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--kind", type=click.Choice(["lerf-g", "lerf-l", "lerf-p"]), default="lerf-p",
    show_default=True,
    help="LeRF-P: a plane a pixel, weighed by steered Gaussians; LeRF-G: these alone; LeRF-L: one "
    "number a pixel, smaller and faster.",
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
    "--width", type=click.IntRange(min=1), default=64, show_default=True,
    help="Width of the networks' layers.",
)  # fmt: skip
@training_options(rate=1.0, minutes=_MINUTES)
@click.option(
    "--resume", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="CHECKPOINT",
    help="Continue a training; its folders and options are in the checkpoint.",
)  # fmt: skip
@click.pass_context
def train(
    ctx: click.Context,
    /,
    folders: tuple[Path, ...],
    kind: str,
    interval: str,
    network: bool,
    width: int,
    resume: Path | None,
    **values: Any,
) -> None:
    """Train a bank on photographs: any FOLDER of images, searched with its subfolders.

    Low-resolution patches are made on the fly by anti-aliased bicubic. The table entries
    themselves are trained, from an analytic start; a part of the images is held out and the
    bank, as it would be saved, is scored on it. Ctrl-C saves a checkpoint.

    \b
    Examples:
      lerf train photos/ -o mine.safetensors
      lerf train photos/ -o small.safetensors --kind lerf-l --minutes 10
      lerf train --resume mine.checkpoint.safetensors -o mine.safetensors
      lerf train photos/ -o mine.safetensors --network --device cuda --steps 50000
    """  # fmt: skip
    needs_torch("lerf train")
    if resume:
        refuse_with_resume(ctx)
    elif not folders:
        raise click.UsageError("Missing argument 'FOLDER'.")

    def make(scanned: Scanned) -> Trainer:
        from lerf_training.loop.trainer import Trainer
        from lerf_training.models.starting_bank import starting_bank

        if resume:
            return Trainer.resume(resume, folders, device=values["device"], scanned=scanned)
        given = ParameterSource.COMMANDLINE
        if network:
            values.update(
                (option, value)
                for option, value in _NETWORK_DEFAULTS.items()
                if ctx.get_parameter_source(option) is not given
            )
        method = "network" if network else "tables"
        options = training_options_from(values, _MINUTES, method=method, width=width)
        start = starting_bank(kind, interval=int(interval))
        return Trainer(start, folders, options, device=values["device"], scanned=scanned)

    run_training(ctx, make, values, resume)
