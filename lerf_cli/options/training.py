"""Options that ``lerf train`` and ``lerf finetune`` share, and what both do with them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from lerf_cli.options.resampling import NumbersType
from lerf_core.errors import one_line

if TYPE_CHECKING:
    from lerf_training.loop.options import TrainingOptions
    from lerf_training.loop.trainer import Progress, Trainer

    from lerf_core import LutBank

__all__ = [
    "Scanned",
    "check_device",
    "check_output",
    "needs_torch",
    "options_from",
    "refuse_with_resume",
    "run_training",
    "schedule_options",
]

#: Called with the files looked at and their number.
Scanned = Callable[[int, int], None]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FILE = click.Path(dir_okay=False, path_type=Path)
_SHOWN_SKIPS = 5
_CHECKPOINT_SUFFIX = ".checkpoint.safetensors"
_INTERRUPTED = 130
# What --resume takes from the checkpoint.
_FIXED = (
    "kind", "interval", "network", "width", "steps", "minutes", "rate", "spread", "seed", "batch",
    "patch", "points", "scales", "scale_range", "continuous", "warps", "graphics", "rendered",
    "reduced", "jpeg", "balance", "average", "held_out", "validate_every", "memory",
)  # fmt: skip


def schedule_options(rate: float, minutes: float) -> Callable[[_Command], _Command]:
    """Options of a training; `rate` and `minutes` are the defaults."""
    options = [
        click.option("-o", "--output", type=_FILE, help="Bank to write (.safetensors)."),
        click.option("--name", help="Name of the bank.  [default: the output's]"),
        click.option(
            "--minutes",
            type=click.FloatRange(min=0, min_open=True),
            help=f"Train for about so long.  [default: {minutes:g}]",
        ),
        click.option("--steps", type=click.IntRange(min=1), help="Train for so many steps."),
        click.option(
            "--rate",
            type=click.FloatRange(min=0, min_open=True),
            default=rate,
            show_default=True,
            help="Step size at its height, in table entries.",
        ),
        click.option(
            "--spread", type=click.FloatRange(0, 1, max_open=True), default=0.4,
            show_default=True,
            help="Share of a gradient that neighbouring entries take on, at the start; it falls "
            "with the rate.",
        ),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
        click.option(
            "--batch", type=click.IntRange(min=1), default=20, show_default=True,
            help="Patches a step.",
        ),
        click.option(
            "--patch", type=click.IntRange(min=14), default=44, show_default=True,
            help="Pixels of a low-resolution patch's side.",
        ),
        click.option(
            "--points", type=click.IntRange(min=1), default=6400, show_default=True,
            help="High-resolution pixels of a patch that the loss looks at.",
        ),
        click.option(
            "--scales", type=NumbersType(), default="2,3,4", show_default=True,
            help="Scales drawn most often.",
        ),
        click.option(
            "--scale-range", type=NumbersType(2), default="1.3,7", show_default=True,
            help="Range of the continuous scales and of the warps.",
        ),
        click.option(
            "--continuous", type=click.FloatRange(0, 1), default=0.25, show_default=True,
            help="Share of patches of scales anywhere in the range, half of them other along "
            "rows than along columns.",
        ),
        click.option(
            "--warps", type=click.FloatRange(0, 1), default=0.15, show_default=True,
            help="Share of patches under random homographies.",
        ),
        click.option(
            "--graphics",
            type=click.FloatRange(0, 1),
            default=0.05,
            show_default=True,
            help="Chance of a drawn patch: checkerboards, noise, shapes, letters, gradients.",
        ),
        click.option(
            "--rendered", type=click.FloatRange(0, 1), default=0.5, show_default=True,
            help="Share of the drawn patches that are as a program renders them: made small by "
            "pixel coverage, with edges as hard as can be.",
        ),
        click.option(
            "--reduced", type=click.FloatRange(0, 1), default=0.3, show_default=True,
            help="Share of the photographs' patches that are cut from copies of half the size, "
            "sharper and cleaner than the photographs.",
        ),
        click.option(
            "--jpeg", type=click.FloatRange(0, 1), default=0.0, show_default=True,
            help="Share of the photographs' patches that are compressed as JPEG, by a random "
            "quality in 50..95, before they are enlarged.",
        ),
        click.option(
            "--balance", type=click.FloatRange(min=0, min_open=True), default=30.0,
            show_default=True,
            help="Let patches count by their relative error, down to this squared error; inf: "
            "by their squared error.",
        ),
        click.option(
            "--average", type=click.FloatRange(0, 1, max_open=True), default=0.0,
            show_default=True,
            help="Decay a step of a running average of the weights; the average is saved.",
        ),
        click.option(
            "--held-out", type=click.FloatRange(0, 1, max_open=True), default=0.08,
            show_default=True,
            help="Share of the images, at most 40, kept for validation.",
        ),
        click.option(
            "--validate-every", type=click.IntRange(min=1), default=2000, show_default=True,
            help="Steps between validations; a checkpoint is written with each.",
        ),
        click.option(
            "--memory", type=click.IntRange(min=64), default=1024, show_default=True,
            metavar="MIB", help="Memory for decoded images, in MiB; more are loaded in turns.",
        ),
        click.option(
            "--checkpoint", type=_FILE,
            help="Checkpoint to write.  [default: beside the output, .checkpoint.safetensors]",
        ),
        click.option("--curve", type=_FILE, help="CSV of loss and validation over time."),
        click.option(
            "--device", default="cpu", show_default=True,
            help="Where torch computes: cpu, or cuda where there is one.",
        ),
        click.option("--threads", type=click.IntRange(min=1), help="Threads.  [default: all]"),
        click.option("--overwrite", is_flag=True, help="Replace the files that are written."),
        click.option("-q", "--quiet", is_flag=True, help="No progress, only errors."),
    ]  # fmt: skip

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def needs_torch(purpose: str) -> None:
    """Prepare for torch; end with a clear message where it is not installed."""
    import importlib.util
    import os

    # Threads that wait for work would spin on the cores that make the next samples.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    if importlib.util.find_spec("torch") is None:
        from lerf_training.errors import MissingExtraError

        raise click.ClickException(str(MissingExtraError(purpose, "torch", "train")))


def check_output(path: Path, overwrite: bool) -> None:
    """Refuse before the work what could not be written after it."""
    if not path.absolute().parent.is_dir():
        raise click.UsageError(f"{path.parent} is not a folder")
    if path.exists() and not overwrite:
        raise click.UsageError(f"{path} exists: give --overwrite to replace it")


def _check_apart(paths: Sequence[Path]) -> None:
    for number, path in enumerate(paths):
        if path.resolve() in [other.resolve() for other in paths[:number]]:
            raise click.UsageError(
                f"{path} would be written twice: bank, checkpoint and curve differ"
            )


def refuse_with_resume(ctx: click.Context) -> None:
    """A resumed training keeps its options: say so rather than ignore others."""
    for name in _FIXED:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--{name.replace('_', '-')} cannot be changed with --resume: the checkpoint "
                "has the options of the training"
            )


def options_from(
    values: dict[str, Any], default_minutes: float, *, method: str = "tables", width: int = 64
) -> TrainingOptions:
    """Training options of a command's values."""
    from lerf_training.data.patches import PatchOptions
    from lerf_training.loop.options import TrainingOptions

    from lerf_core.errors import InvalidArgumentError

    minutes, steps = values["minutes"], values["steps"]
    if minutes is not None and steps is not None:
        raise click.UsageError("give --minutes or --steps, and not both")
    if minutes is None and steps is None:
        minutes = default_minutes
    try:
        patches = PatchOptions(
            batch=values["batch"],
            size=values["patch"],
            points=values["points"],
            scales=values["scales"],
            scale_range=values["scale_range"],
            continuous=values["continuous"],
            warps=values["warps"],
            graphics=values["graphics"],
            rendered=values["rendered"],
            reduced=values["reduced"],
            jpeg=values["jpeg"],
        )
        return TrainingOptions(
            method="network" if method == "network" else "tables",
            steps=steps,
            minutes=minutes,
            rate=values["rate"],
            spread=values["spread"],
            seed=values["seed"],
            held_out=values["held_out"],
            validate_every=values["validate_every"],
            balance=values["balance"],
            average=values["average"],
            width=width,
            patches=patches,
            memory=values["memory"] << 20,
        )
    except InvalidArgumentError as error:
        raise click.UsageError(one_line(error)) from error


def run_training(
    ctx: click.Context,
    make: Callable[[Scanned], Trainer],
    values: dict[str, Any],
    resumed: Path | None,
) -> None:
    """Check the outputs, train, and write bank, checkpoint and curve."""
    from lerf_core.errors import LerfError

    output: Path | None = values["output"]
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    checkpoint: Path = values["checkpoint"] or resumed or output.with_suffix(_CHECKPOINT_SUFFIX)
    check_output(output, values["overwrite"])
    if checkpoint != resumed:
        check_output(checkpoint, values["overwrite"])
    if values["curve"]:
        check_output(values["curve"], values["overwrite"])
    _check_apart([output, checkpoint, *([values["curve"]] if values["curve"] else [])])
    _use_threads(values["threads"])
    check_device(values["device"])
    try:
        with _ScanBar(quiet=values["quiet"]) as scanned:
            trainer = make(scanned)
        _tell_of_data(trainer, quiet=values["quiet"])
        with _Report(trainer, quiet=values["quiet"]) as report:
            done = trainer.run(report, checkpoint)
        if values["curve"]:
            _write_curve(values["curve"], trainer.history)
        if not done:
            click.echo(
                f"lerf: interrupted at step {trainer.step}; go on with --resume {checkpoint}",
                err=True,
            )
            ctx.exit(_INTERRUPTED)
        bank = trainer.bank(values["name"] or output.stem)
        bank.save(output)
    except (LerfError, OSError) as error:
        raise click.ClickException(one_line(error)) from error
    if not values["quiet"]:
        click.echo(_summary(bank, trainer, output))


def _summary(bank: LutBank, trainer: Trainer, output: Path) -> str:
    scores = _scores(trainer.history[-1]) if len(trainer.validation) else "nothing held out"
    minutes = trainer.seconds / 60
    return f"{output}: {bank.kind.name}, {trainer.step} steps, {minutes:.1f} min; {scores}"


def _scores(entry: dict[str, float]) -> str:
    figures = [f"{key} {value:.2f}" for key, value in entry.items() if key.startswith("x")]
    return f"held-out PSNR-Y {' '.join(figures)} mean {entry['mean']:.3f} dB"


def _use_threads(threads: int | None) -> None:
    import numba
    import torch

    most = numba.get_num_threads()
    count = min(threads or most, most)
    numba.set_num_threads(count)
    torch.set_num_threads(count)


def check_device(device: str) -> None:
    """Refuse a device that torch does not have."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise click.UsageError(f"--device {device}: {one_line(error)}") from None


def _tell_of_data(trainer: Trainer, *, quiet: bool) -> None:
    skipped: Sequence[Any] = trainer.found.skipped
    if quiet:
        return
    if skipped:
        click.echo(f"lerf: {len(skipped)} files are skipped:", err=True)
        for one in skipped[:_SHOWN_SKIPS]:
            click.echo(f"  {one.reason}", err=True)
        if len(skipped) > _SHOWN_SKIPS:
            click.echo(f"  and {len(skipped) - _SHOWN_SKIPS} more", err=True)
    click.echo(
        f"{len(trainer.train)} images to train on, {len(trainer.held_out)} held out", err=True
    )


class _ScanBar:
    """Progress bar of the files that are looked at before a training."""

    def __init__(self, *, quiet: bool) -> None:
        from tqdm import tqdm

        self._bar: Any = tqdm(unit="file", leave=False, disable=True if quiet else None)

    def __enter__(self) -> Scanned:
        return self._show

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def _show(self, count: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(count - self._bar.n)


class _Report:
    """Progress bar with loss and validation; lines of the validations."""

    def __init__(self, trainer: Trainer, *, quiet: bool) -> None:
        from tqdm import tqdm

        self._quiet = quiet
        # None: tqdm is silent by itself where stderr is no terminal.
        self._bar: Any = tqdm(
            total=trainer.steps,
            initial=trainer.step,
            unit="step",
            disable=True if quiet else None,
        )

    def __enter__(self) -> _Report:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def __call__(self, progress: Progress) -> None:
        self._bar.total = progress.steps
        self._bar.set_postfix_str(f"train {progress.psnr:.2f} dB", refresh=False)
        self._bar.update()
        if progress.scores is not None and not self._quiet:
            scores = _scores(dict(progress.scores)) if progress.scores else "nothing held out"
            line = f"step {progress.step}/{progress.steps}: train {progress.psnr:.2f} dB, {scores}"
            if self._bar.disable:
                click.echo(line, err=True)
            else:  # above the bar
                with self._bar.external_write_mode():
                    click.echo(line, err=True)


def _write_curve(path: Path, history: Sequence[dict[str, float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(history[0]) if history else ["step"])
        writer.writeheader()
        writer.writerows(history)
