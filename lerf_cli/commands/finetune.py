"""The command ``lerf finetune``: any bank trained further, as the tables or the network it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lerf_cli.options.shared import training_options
from lerf_cli.options.training import (
    apply_defaults,
    defaults_behind,
    fixed_scale,
    form_of,
    network_defaults,
    refuse_other_options,
    training_options_from,
)
from lerf_cli.options.values import load_model
from lerf_cli.training_run import Scanned, needs_torch, new_trainer, run_training

if TYPE_CHECKING:
    from lerf_training.loop.trainer import Trainer

__all__ = ["finetune"]

_MINUTES = 10.0
_RATE = 0.1
# Of networks, in weights; steps of tables are entries.
_NETWORK_RATE = 2e-4


@click.command()
@click.argument("bank", metavar="BANK")
@click.argument(
    "folders", metavar="FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@training_options(rate=_RATE, minutes=f"{_MINUTES:g}")
@click.pass_context
def finetune(ctx: click.Context, /, bank: str, folders: tuple[Path, ...], **values: Any) -> None:
    """Train the tables of a BANK further on photographs, or the network that it is.

    BANK is the name of a bank or of a front of this project's own kinds, a file, a folder of
    published tables, or a checkpoint of a training; networks of `--network` are transferred to
    tables first. Networks that are banks or fronts are tuned with --rate 0.0002 by default, and
    otherwise as `lerf train` trains them. A fine-tuning that was interrupted goes on with `lerf
    train --resume`. `--front` tunes a bank for what comes behind a front, as of `lerf train`.

    \b
    Examples:
      lerf finetune lerf-g my-scans/ -o scans.safetensors
      lerf finetune lerf-p photos/ -o behind.safetensors --front twice.safetensors
      lerf finetune nets.checkpoint.safetensors photos/ -o tuned.safetensors --minutes 20
    """
    needs_torch("lerf finetune")

    def make(scanned: Scanned) -> Trainer:
        from lerf_training.loop.checkpoints import is_checkpoint
        from lerf_training.loop.restoring import bank_of_checkpoint

        from lerf_core.bank import Bank, NetworkBank
        from lerf_core.fronts.cascade import TableCascade
        from lerf_core.fronts.network import NetworkFront

        start = bank_of_checkpoint(bank) if is_checkpoint(bank) else load_model(bank)
        if not isinstance(start, (Bank, TableCascade, NetworkFront)):
            raise click.UsageError(f"{bank} is a front that lerf does not train")
        refuse_other_options(ctx, bank, form_of(start))
        defaults: dict[str, Any] = {}
        if isinstance(start, TableCascade):
            defaults = fixed_scale(start)
        if isinstance(start, (NetworkBank, NetworkFront)):
            defaults = {**network_defaults(start), "rate": _NETWORK_RATE}
        apply_defaults(ctx, values, {**defaults, **defaults_behind(values["front"])})
        if isinstance(start, (NetworkBank, NetworkFront)):
            options = training_options_from(
                values, _MINUTES, method="convolutional", width=start.width
            )
        else:
            options = training_options_from(values, _MINUTES)
        return new_trainer(start, folders, options, values, scanned)

    run_training(ctx, make, values, None)
