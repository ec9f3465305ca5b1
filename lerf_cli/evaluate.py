"""``lerf evaluate``: benchmark figures of banks and of fixed kernels, with their protocol."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lerf_core.errors import LerfError

if TYPE_CHECKING:
    from training.evaluation import Score
    from training.methods import Method

__all__ = ["evaluate"]

Scale = tuple[float, float]
Command = TypeVar("Command", bound=Callable[..., Any])

_BORDERS = ("edge", "constant", "reflect", "symmetric", "wrap")
_SCALE = re.compile(r"(\d+(?:\.\d+)?)(?:x(\d+(?:\.\d+)?))?")
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


def _parse_scales(
    ctx: click.Context, param: click.Parameter, values: Sequence[str]
) -> list[Scale] | None:
    """``2``, ``2,3,4`` or ``1.5x2`` (width x height), given once or often; None if not given."""
    del ctx, param
    scales: list[Scale] = []
    for item in ",".join(values).split(",") if values else ():
        found = _SCALE.fullmatch(item.strip())
        if found is None or not float(found[1]) or not float(found[2] or 1):
            raise click.BadParameter(f"{item!r} is no scale; write 2, 1.5, 1.5x2 or 2,3,4")
        scales.append((float(found[2] or found[1]), float(found[1])))
    return scales or None


def _shared_options(command: Command) -> Command:
    """Options that both evaluations take."""
    options = [
        click.argument("folders", metavar="FOLDER...", nargs=-1, required=True, type=_FOLDER),
        click.option(
            "--bank",
            "banks",
            multiple=True,
            metavar="NAME|FILE|FOLDER",
            help="Bank to evaluate; may be repeated. The default bank if neither this nor "
            "--baseline is given.",
        ),
        click.option(
            "--baseline",
            "baselines",
            multiple=True,
            metavar="NAME",
            help="Fixed kernel to compare with: pillow-bicubic, pillow-lanczos, opencv-cubic, "
            "opencv-lanczos4, or 'all' that are installed; may be repeated.",
        ),
        click.option("--threads", type=click.IntRange(min=1), help="Threads of the engine."),
        click.option("--json", "json_file", type=_FILE, help="Write protocol and all figures."),
        click.option("--csv", "csv_file", type=_FILE, help="Write the figure of every image."),
        click.option("--overwrite", is_flag=True, help="Replace the files that are written."),
        click.option("-q", "--quiet", is_flag=True, help="No progress bar."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


class _Group(click.Group):
    """Typed errors end a command with one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except LerfError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
def evaluate() -> None:
    """Measure banks and fixed kernels on benchmark images."""


@evaluate.command()
@_shared_options
@click.option(
    "--scale",
    "scales",
    multiple=True,
    metavar="SCALE",
    callback=_parse_scales,
    help="Scales to evaluate, as 2, 2,3,4 or 1.5x2 (width x height); may be repeated. "
    "All in the set by default.",
)
@click.option(
    "--border",
    type=click.Choice(_BORDERS),
    default="edge",
    show_default=True,
    help="Border of the image for banks; 'constant' is what published figures use.",
)
def sr(
    folders: Sequence[Path],
    banks: Sequence[str],
    baselines: Sequence[str],
    threads: int | None,
    json_file: Path | None,
    csv_file: Path | None,
    overwrite: bool,
    quiet: bool,
    scales: list[Scale] | None,
    border: str,
) -> None:
    """PSNR and SSIM over Y of enlargements.

    FOLDER is a set, or a folder of sets, in one of two layouts: HR beside
    LR_bicubic/rrLR_X2.00_2.00, or image_SRF_2/img_001_SRF_2_HR.png and _LR.png.
    """
    _check_outputs((json_file, csv_file), overwrite)
    from training.benchmarks import find_scale_pairs, format_scale
    from training.evaluation import evaluate_scale, scale_protocol
    from training.methods import bank_method

    pairs = [pair for folder in folders for pair in find_scale_pairs(folder, scales)]
    _refuse_twins((pair.dataset, format_scale(pair.scale), pair.name) for pair in pairs)
    methods = _methods(
        banks, baselines, lambda bank: bank_method(bank, border=border, threads=threads)
    )
    total = len(pairs) * len(methods)
    scores = _collect(evaluate_scale(pairs, methods), total, quiet)
    _report(scale_protocol(border), methods, scores, json_file, csv_file)


@evaluate.command()
@_shared_options
@click.option(
    "--anti-aliasing/--no-anti-aliasing",
    default=None,
    help="Stretch the banks' support where a warp shrinks; published figures do not. "
    "The library's default if not given.",
)
def warp(
    folders: Sequence[Path],
    banks: Sequence[str],
    baselines: Sequence[str],
    threads: int | None,
    json_file: Path | None,
    csv_file: Path | None,
    overwrite: bool,
    quiet: bool,
    anti_aliasing: bool | None,
) -> None:
    """Masked PSNR over RGB of homography warps.

    FOLDER is a set, or a folder of sets: HR beside folders (isc, osc) of sources and
    matrices (.pth, read with the train extra).
    """
    _check_outputs((json_file, csv_file), overwrite)
    from training.benchmarks import find_warp_pairs
    from training.evaluation import evaluate_warp, warp_protocol
    from training.methods import bank_method

    pairs = [pair for folder in folders for pair in find_warp_pairs(folder)]
    _refuse_twins((pair.dataset, pair.part, pair.name) for pair in pairs)
    methods = _methods(
        banks,
        baselines,
        lambda bank: bank_method(bank, anti_aliasing=anti_aliasing, threads=threads),
    )
    usable = [method for method in methods if method.warp is not None]
    for method in methods:
        if method.warp is None:
            click.echo(f"note: {method.name} does not warp and is left out", err=True)
    scores = _collect(evaluate_warp(pairs, usable), len(pairs) * len(usable), quiet)
    _report(warp_protocol(anti_aliasing), usable, scores, json_file, csv_file)


# --- parse, call, write --------------------------------------------------------------------------


def _check_outputs(files: Iterable[Path | None], overwrite: bool) -> None:
    """Refuse before the work what could not be written after it."""
    for path in filter(None, files):
        if not path.absolute().parent.is_dir():
            raise click.UsageError(f"{path.parent} is not a folder")
        if path.exists() and not overwrite:
            raise click.UsageError(f"{path} exists; give --overwrite to replace it")


def _methods(
    banks: Sequence[str], baselines: Sequence[str], make: Callable[[str], Method]
) -> list[Method]:
    """Baselines, then banks, each of its own name."""
    from lerf_core import DEFAULT_BANK
    from training.methods import baseline_method, installed_baselines

    names = [
        name
        for asked in baselines
        for name in (installed_baselines() if asked == "all" else (asked,))
    ]
    chosen = [baseline_method(name) for name in dict.fromkeys(names)]
    asked_banks = list(dict.fromkeys(banks)) or ([] if chosen else [DEFAULT_BANK])
    made = [make(bank) for bank in asked_banks]
    taken = [method.name for method in (*chosen, *made)]
    for bank, method in zip(asked_banks, made, strict=True):
        # A shipped bank and a file may share a name: tell them apart as they were asked for.
        twin = taken.count(method.name) > 1
        chosen.append(replace(method, name=bank) if twin else method)
    return chosen


def _refuse_twins(images: Iterable[tuple[str, str, str]]) -> None:
    """Two images of one name would be averaged as one set without a word."""
    seen: set[tuple[str, str, str]] = set()
    for image in images:
        if image in seen:
            raise click.UsageError(f"{' '.join(image)} is given twice")
        seen.add(image)


def _collect(scores: Iterable[Score], total: int, quiet: bool) -> list[Score]:
    from tqdm import tqdm

    # None: tqdm is silent by itself where stderr is no terminal.
    return list(tqdm(scores, total=total, unit="image", disable=True if quiet else None))


def _report(
    protocol: dict[str, str],
    methods: Sequence[Method],
    scores: Sequence[Score],
    json_file: Path | None,
    csv_file: Path | None,
) -> None:
    """Print the means; write what was asked for."""
    from training.evaluation import means

    averages = means(scores)
    width = max(len(key) for key in protocol) + 1
    for key, value in protocol.items():
        click.echo(f"{key + ':':<{width}} {value}")
    for method in methods:
        click.echo(f"{'method:':<{width}} {method.name}: {method.description}")
    click.echo()
    for line in _table(averages):
        click.echo(line)
    if json_file:
        record = {
            "protocol": protocol,
            "methods": {method.name: method.description for method in methods},
            "means": [_jsonable(score) for score in averages],
            "images": [_jsonable(score) for score in scores],
        }
        json_file.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if csv_file:
        _write_csv(csv_file, [*scores, *averages])


def _table(averages: Sequence[Score]) -> list[str]:
    """Lines of the table of means."""
    with_ssim = any(score.ssim is not None for score in averages)
    figure = "PSNR-Y" if with_ssim else "mPSNR"
    head = ["set", "case", "method", "images", figure, *(["SSIM-Y"] if with_ssim else [])]
    rows = [head]
    for score in averages:
        images = score.image.removeprefix("mean of ")
        row = [score.dataset, score.case, score.method, images, f"{score.psnr:.2f}"]
        rows.append(row + ([f"{score.ssim:.4f}"] if score.ssim is not None else []))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "  ".join(
            # Names to the left, figures to the right.
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _jsonable(score: Score) -> dict[str, Any]:
    """Score for JSON, which knows no infinity: equal images have the text 'inf'."""
    return {
        key: str(value) if isinstance(value, float) and math.isinf(value) else value
        for key, value in asdict(score).items()
        if value is not None
    }


def _write_csv(path: Path, scores: Sequence[Score]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "case", "method", "image", "psnr", "ssim"])
        for score in scores:
            ssim = "" if score.ssim is None else f"{score.ssim:.6f}"
            writer.writerow(
                [score.dataset, score.case, score.method, score.image, f"{score.psnr:.4f}", ssim]
            )
