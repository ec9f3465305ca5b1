"""What ``lerf train`` and ``lerf finetune`` do: check the outputs, train, tell, and write."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lerf_cli.options.values import check_extra
from lerf_core.errors import one_line

if TYPE_CHECKING:
    from lerf_training.loop.options import TrainingOptions
    from lerf_training.loop.trainer import Progress, Trainer
    from lerf_training.models.trained_model import Trainable
    from lerf_training.shrinking.trainer import ShrinkingTrainer

__all__ = [
    "INTERRUPTED",
    "ScanBar",
    "Scanned",
    "check_device",
    "check_output",
    "needs_torch",
    "new_trainer",
    "run_training",
    "tell_of_data",
    "use_threads",
]

#: Called with the files looked at and their number.
Scanned = Callable[[int, int], None]

_SHOWN_SKIPS = 5
_CHECKPOINT_SUFFIX = ".checkpoint.safetensors"
#: Exit status of a training that a signal has ended.
INTERRUPTED = 130


def needs_torch(purpose: str) -> None:
    """Prepare for torch; end with a clear message where it is not installed."""
    import os

    # Threads that wait for work would spin on the cores that make the next samples.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    check_extra(purpose, "torch", "train")
    from lerf_training.loop.memory import keep_freed_memory

    keep_freed_memory()


def new_trainer(
    start: Trainable,
    folders: Sequence[Path],
    options: TrainingOptions,
    values: dict[str, Any],
    scanned: Scanned,
) -> Trainer:
    """Return a trainer that starts from a model, behind the front and on the device of `values`."""
    from lerf_training.loop.trainer import Trainer

    front, device = values["front"], values["device"]
    return Trainer(start, folders, options, front=front, device=device, scanned=scanned)


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


def run_training(
    ctx: click.Context,
    make: Callable[[Scanned], Trainer],
    values: dict[str, Any],
    resumed: Path | None,
) -> None:
    """Check the outputs, train, and write bank, checkpoint and curve.

    Parameters
    ----------
    ctx : click.Context
    make : callable
        Returns the trainer; what it is given is called with the files looked at and their number.
    values : dict of str
        Values of `shared.training_options`, by their names.
    resumed : Path or None
        Checkpoint of the training that goes on.

    Raises
    ------
    click.ClickException
        If an output may not be written, or the training cannot be done.
    """
    from lerf_core.errors import LerfError

    output, checkpoint = _checked_outputs(values, resumed)
    use_threads(values["threads"])
    check_device(values["device"])
    try:
        with ScanBar(quiet=values["quiet"]) as scanned:
            trainer = make(scanned)
        tell_of_data(trainer, quiet=values["quiet"])
        with _Report(trainer, quiet=values["quiet"]) as report:
            done = trainer.run(report, checkpoint)
        if values["curve"]:
            _write_curve(values["curve"], trainer.history)
        if not done:
            click.echo(
                f"lerf: interrupted at step {trainer.step}; go on with --resume {checkpoint}",
                err=True,
            )
            ctx.exit(INTERRUPTED)
        bank = trainer.bank(values["name"] or output.stem)
        bank.save(output)
    except (LerfError, OSError) as error:
        raise click.ClickException(one_line(error)) from error
    if not values["quiet"]:
        click.echo(_summary(bank, trainer, output))


def _checked_outputs(values: dict[str, Any], resumed: Path | None) -> tuple[Path, Path]:
    """Return bank and checkpoint to write, and refuse what may not be replaced."""
    output: Path | None = values["output"]
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    checkpoint: Path = values["checkpoint"] or resumed or output.with_suffix(_CHECKPOINT_SUFFIX)
    written = [output, checkpoint, *filter(None, [values["curve"]])]
    for path in written:
        # The training that goes on writes its own checkpoint again.
        if not (path is checkpoint and path == resumed):
            check_output(path, values["overwrite"])
    _check_apart(written)
    return output, checkpoint


def _summary(bank: Trainable, trainer: Trainer, output: Path) -> str:
    from lerf_core.fronts.base import Front

    kind = f"front x{bank.scale}" if isinstance(bank, Front) else bank.kind.name
    scores = _scores(trainer.history[-1]) if len(trainer.validation) else "nothing held out"
    minutes = trainer.seconds / 60
    return f"{output}: {kind}, {trainer.step} steps, {minutes:.1f} min; {scores}"


def _scores(entry: dict[str, float]) -> str:
    figures = [f"{key} {value:.2f}" for key, value in entry.items() if key.startswith("x")]
    return f"held-out PSNR-Y {' '.join(figures)} mean {entry['mean']:.3f} dB"


def use_threads(threads: int | None) -> None:
    """Set the threads of numba and torch; None: all."""
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


def tell_of_data(trainer: Trainer | ShrinkingTrainer, *, quiet: bool) -> None:
    """Tell what is trained on and held out, and what is skipped."""
    skipped: Sequence[Any] = trainer.folder.skipped
    if quiet:
        return
    if skipped:
        click.echo(f"lerf: {len(skipped)} files are skipped:", err=True)
        for file in skipped[:_SHOWN_SKIPS]:
            click.echo(f"  {file.reason}", err=True)
        if len(skipped) > _SHOWN_SKIPS:
            click.echo(f"  and {len(skipped) - _SHOWN_SKIPS} more", err=True)
    click.echo(
        f"{len(trainer.train)} images to train on, {len(trainer.held_out)} held out", err=True
    )


class ScanBar:
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
