"""The command ``lerf transfer``: trained networks to a bank of tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lerf_cli.options.shared import OUTPUT_FILE
from lerf_cli.training_run import check_device, check_output, needs_torch
from lerf_core.errors import one_line

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from lerf_training.models.transfer import TransferCost, TransferReport

__all__ = ["transfer"]

# Samples are the middle parts of images, this many pixels wide and high at most.
_SAMPLE = 256
_SAMPLES = 12


@click.command()
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=OUTPUT_FILE, required=True, help="Bank to write (.safetensors)."
)  # fmt: skip
@click.option("--name", help="Name of the bank.  [default: the output's]")
@click.option(
    "--sample", "samples", multiple=True, type=click.Path(exists=True, path_type=Path),
    metavar="FOLDER|FILE",
    help="Images to measure the costs on; by default those held out in the training, where "
    "they still are.",
)  # fmt: skip
@click.option(
    "--batch", type=click.IntRange(min=1), default=1 << 16, show_default=True,
    help="Table nodes evaluated at once.",
)  # fmt: skip
@click.option("--device", default="cpu", show_default=True, help="Where torch computes.")
@click.option("--json", "json_file", type=OUTPUT_FILE, help="Write the report.")
@click.option("--overwrite", is_flag=True, help="Replace the files that are written.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no report.")
def transfer(
    checkpoint: Path,
    output: Path,
    name: str | None,
    samples: Sequence[Path],
    batch: int,
    device: str,
    json_file: Path | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Sample the networks of a CHECKPOINT of `lerf train --network` at the tables' nodes.

    The report says what the transfer costs: rounding of each table's entries to 8 bits; and on
    sample images, for the feature and each parameter, the interpolation between the nodes and
    the rounding.

    \b
    Examples:
      lerf transfer nets.checkpoint.safetensors -o nets.safetensors
      lerf finetune nets.safetensors photos/ -o tuned.safetensors
    """  # fmt: skip
    needs_torch("lerf transfer")
    from lerf_core.errors import LerfError

    check_output(output, overwrite)
    if json_file:
        check_output(json_file, overwrite)
    try:
        _transfer(checkpoint, output, name, samples, batch, device, json_file, quiet)
    except (LerfError, OSError) as error:
        raise click.ClickException(one_line(error)) from error


def _transfer(
    path: Path,
    output: Path,
    name: str | None,
    samples: Sequence[Path],
    batch: int,
    device: str,
    json_file: Path | None,
    quiet: bool,
) -> None:
    from lerf_training.errors import CheckpointError
    from lerf_training.loop.checkpoints import read_checkpoint
    from lerf_training.loop.restoring import record_of, restored_model
    from lerf_training.models.layered import LayeredModel
    from lerf_training.models.networks import NetworkModel
    from lerf_training.models.transfer import measure
    from lerf_training.models.transfer import transfer as transfer_networks
    from tqdm import tqdm

    check_device(device)
    checkpoint = read_checkpoint(path)
    model = restored_model(checkpoint).to(device)
    if isinstance(model, LayeredModel):
        itself = "a front" if model.block else "a bank"
        raise CheckpointError(
            f"{path} holds a network that is {itself} itself, without tables: lerf train --resume "
            "ends its training, and lerf finetune tunes it"
        )
    if not isinstance(model, NetworkModel):
        raise CheckpointError(f"{path} holds tables already: it is no training of networks")
    planes = _sample_planes(samples or _held_out(checkpoint.data))
    with tqdm(unit="node", unit_scale=True, disable=True if quiet else None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        bank, report = transfer_networks(
            model, name or output.stem, record_of(checkpoint), batch=batch, progress=progress
        )
    cost = measure(model, bank, planes, batch=batch) if len(planes) else None
    bank.save(output)
    if json_file:
        record = {**report.as_dict(), "costs": cost.as_dict() if cost else None}
        json_file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if not quiet:
        _print(report, cost, len(planes))
    click.echo(f"{output}: {bank.kind.name}, {bank.nbytes / 1e6:.1f} MB")


def _held_out(data: dict[str, Any]) -> list[Path]:
    """The images that a training held out, as far as they are where they were."""
    from lerf_training.data.photographs import scan, split
    from lerf_training.errors import DatasetError

    if not data["held out"]:
        return []
    try:
        photographs = scan(data["folders"], 1).photographs
        return [photograph.path for photograph in split(photographs, data["held out"])[1]]
    except DatasetError:
        return []


def _sample_planes(sources: Sequence[Path]) -> npt.NDArray[np.uint8]:
    """Luma of the middle parts of some images, all of one size."""
    import numpy as np
    from lerf_training.data.photographs import read_photograph, scan

    from lerf_core.pixels.luma import rgb_luma

    photographs = scan(sources, 32).photographs[:_SAMPLES] if sources else ()
    side = min([_SAMPLE, *(min(photo.rows, photo.cols) for photo in photographs)])
    planes = []
    for photo in photographs:
        image = read_photograph(photo.path)
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        middle = image[top : top + side, left : left + side]
        planes.append(rgb_luma(middle))
    return np.array(planes, dtype=np.uint8).reshape(len(planes), side, side)


def _print(report: TransferReport, cost: TransferCost | None, images: int) -> None:
    click.echo("rounding of entries to 8 bits")
    click.echo(f"  {'table':<14} {'rms':>6} {'max':>6} {'at the clip':>12}")
    for key, rounding in report.tables.items():
        share = f"{rounding.saturated:.2%}"
        click.echo(f"  {key:<14} {rounding.rms:6.3f} {rounding.max:6.3f} {share:>12}")
    if cost is None:
        click.echo("no images to measure the costs on: give --sample")
        return
    click.echo(f"on {images} images, rms (max): feature in grey levels, parameters in 1/255")
    click.echo(f"  {'value':<18} {'interpolation':>16} {'8-bit rounding':>16} {'in all':>16}")
    for key, value in cost.values.items():
        errors = (value.interpolation, value.rounding, value.total)
        figures = " ".join(f"{f'{error.rms:.2f} ({error.max:.1f})':>16}" for error in errors)
        click.echo(f"  {key:<18} {figures}")
