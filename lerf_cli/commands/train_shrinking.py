"""The command ``lerf train-shrinking``: a function for shrinking from a folder of photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lerf_cli.options.shared import OUTPUT_FILE
from lerf_cli.options.types import numbers_type
from lerf_cli.training_run import (
    INTERRUPTED,
    ScanBar,
    check_output,
    needs_torch,
    tell_of_data,
    use_threads,
)
from lerf_core.errors import one_line

if TYPE_CHECKING:
    from lerf_training.shrinking.options import ShrinkingOptions
    from lerf_training.shrinking.scores import Scores
    from lerf_training.shrinking.trainer import ShrinkingProgress, ShrinkingTrainer

    from lerf_core.sampling.shrinking import ShrinkingKernel

__all__ = ["train_shrinking"]

_STEPS = 1500
# Steps between the lines of progress where stderr is no terminal.
_LINE_STEPS = 300
# Options that have the names of what they set.
_NAMES = ("seed", "batch", "weights", "aliasing", "leakage", "overshoot", "between", "held_out")


@click.command("train-shrinking")
@click.argument(
    "folders", metavar="FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "-o", "--output", type=OUTPUT_FILE, required=True,
    help="Function to write (.json); `--kernel FILE.json` uses it.",
)  # fmt: skip
@click.option("--name", help="Name of the function.  [default: the output's]")
@click.option(
    "--steps", type=click.IntRange(min=1),
    help=f"Train for so many steps.  [default: {_STEPS}]",
)  # fmt: skip
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="Train for about so long.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--batch", type=click.IntRange(min=1), default=8, show_default=True,
    help="Patches a step, and as many gratings.",
)  # fmt: skip
@click.option(
    "--weights", type=numbers_type(3), default="0.7,0.26,0.04", show_default=True,
    help="What counts: results enlarged again by bicubic, by Lanczos and by lerf-p.",
)  # fmt: skip
@click.option(
    "--aliasing", type=click.FloatRange(min=0), default=0.3, show_default=True,
    help="Weight of the penalty on gratings that a result is too small to hold.",
)  # fmt: skip
@click.option(
    "--leakage", type=click.FloatRange(min=0), default=1.8, show_default=True,
    help="Energy of the sharp kernel beyond what a result can hold, over Lanczos's, from which "
    "on it costs: moving edges flicker by it.",
)  # fmt: skip
@click.option(
    "--overshoot", type=click.FloatRange(min=0), default=3 / 32, show_default=True,
    help="How far a result may leave the range of the source's pixels nearby, as a part of it.",
)  # fmt: skip
@click.option(
    "--between", type=click.FloatRange(0, 1), default=0.25, show_default=True,
    help="Share of the steps that shrink by any factor in 1.25..8; the others by 2, 3 or 4.",
)  # fmt: skip
@click.option(
    "--held-out", type=click.FloatRange(0, 1, max_open=True), default=0.08, show_default=True,
    help="Share of the images, at most 40, kept for validation.",
)  # fmt: skip
@click.option(
    "--memory", type=click.IntRange(min=64), default=1024, show_default=True, metavar="MIB",
    help="Memory for decoded images, in MiB; more are loaded in turns.",
)  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), help="Threads.  [default: all]")
@click.option("--overwrite", is_flag=True, help="Replace the file that is written.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, only errors.")
def train_shrinking(folders: tuple[Path, ...], output: Path, **values: Any) -> None:
    """Train a function for shrinking on photographs: any FOLDER of images, with its subfolders.

    Patches are shrunk and enlarged again; what comes back should be the patch, and nothing
    should be left of gratings that are too fine for the small image. A training takes about a
    minute on two cores, so none is resumed: Ctrl-C ends it and writes nothing. Images of fewer
    than 96x96 pixels are skipped. At the end the function is scored on images held out, beside
    Pillow's Lanczos.

    \b
    Examples:
      lerf train-shrinking photos/ -o mine.json
      lerf train-shrinking photos/ -o mine.json --weights 0.2,0.2,0.6 --seed 1
      lerf resize picture.jpg -o small.jpg --scale 0.5 --kernel mine.json
    """
    needs_torch("lerf train-shrinking")
    from lerf_core.errors import LerfError

    options = _options(values)
    if output.suffix != ".json":
        raise click.UsageError(f"{output}: the name of a function's file ends with .json")
    check_output(output, values["overwrite"])
    use_threads(values["threads"])
    try:
        kernel, trainer, scores = _trained(folders, options, values, output)
        _write(kernel, output)
    except (LerfError, OSError) as error:
        raise click.ClickException(one_line(error)) from error
    if not values["quiet"]:
        _tell(kernel, trainer, scores, output)


def _options(values: dict[str, Any]) -> ShrinkingOptions:
    from lerf_training.shrinking.options import ShrinkingOptions

    from lerf_core.errors import InvalidArgumentError

    steps, minutes = values["steps"], values["minutes"]
    if minutes is not None and steps is not None:
        raise click.UsageError("give --minutes or --steps, and not both")
    if minutes is None and steps is None:
        steps = _STEPS
    named = {name: values[name] for name in _NAMES}
    try:
        return ShrinkingOptions(steps, minutes, memory=values["memory"] << 20, **named)
    except InvalidArgumentError as error:
        raise click.UsageError(one_line(error)) from error


def _trained(
    folders: Sequence[Path],
    options: ShrinkingOptions,
    values: dict[str, Any],
    output: Path,
) -> tuple[ShrinkingKernel, ShrinkingTrainer, list[Scores]]:
    """Train and score; a signal ends the program."""
    from lerf_training.shrinking.trainer import ShrinkingTrainer

    quiet = values["quiet"]
    with ScanBar(quiet=quiet) as scanned:
        trainer = ShrinkingTrainer(folders, options, scanned=scanned)
    tell_of_data(trainer, quiet=quiet)
    with _Report(quiet=quiet) as report:
        done = trainer.run(report)
    if done:
        if not quiet:
            click.echo("scoring", err=True)
        try:
            scores = trainer.score()
            return trainer.kernel(values["name"] or output.stem, scores), trainer, scores
        except KeyboardInterrupt:
            pass
    where = "while scoring" if done else f"at step {trainer.step}"
    click.echo(f"lerf: interrupted {where}; {output} is not written", err=True)
    raise click.exceptions.Exit(INTERRUPTED)


def _write(kernel: ShrinkingKernel, output: Path) -> None:
    from lerf_core.io.results.whole_files import write_whole

    write_whole(output, kernel.to_json().encode())


def _tell(
    kernel: ShrinkingKernel, trainer: ShrinkingTrainer, scores: Sequence[Scores], output: Path
) -> None:
    minutes = trainer.seconds / 60
    click.echo(f"{output}: {kernel.name}, {trainer.step} steps, {minutes:.1f} min")
    held_out = len(trainer.held_out)
    click.echo(
        f"{held_out} images held out; PSNR-Y in dB, and above Pillow's Lanczos:"
        if held_out
        else "nothing held out"
    )
    for entry in scores:
        trips = [
            f"{name} {value:.2f} ({entry.gains[name]:+.2f})"
            for name, value in entry.round_trips.items()
        ]
        scenes = (
            f"gratings {entry.aliasing:+.1f} dB, the worst {entry.worst:+.1f} dB; "
            f"overshoot {entry.overshoot:.3f}"
        )
        click.echo(f"  x{entry.factor}: {'; '.join([*trips, scenes])}")


class _Report:
    """Progress bar with the loss; lines where stderr is no terminal."""

    def __init__(self, *, quiet: bool) -> None:
        from tqdm import tqdm

        self._quiet = quiet
        # None: tqdm is silent by itself where stderr is no terminal.
        self._bar: Any = tqdm(unit="step", leave=False, disable=True if quiet else None)

    def __enter__(self) -> _Report:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def __call__(self, progress: ShrinkingProgress) -> None:
        if self._bar.disable:
            if not self._quiet and progress.step % _LINE_STEPS == 0:
                line = f"step {progress.step}/{progress.steps}: loss {progress.loss:.4f}"
                click.echo(line, err=True)
            return
        self._bar.total = progress.steps
        self._bar.set_postfix_str(f"loss {progress.loss:.4f}", refresh=False)
        self._bar.update()
