"""The command ``lerf models``: the banks that ship, and the user's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lerf_cli.commands.models_inspect import inspect_bank
from lerf_cli.options.shared import OUTPUT_FILE
from lerf_cli.options.values import load_model
from lerf_cli.training_run import check_output
from lerf_core.choices import DIAGONAL
from lerf_core.errors import one_line

if TYPE_CHECKING:
    from lerf_core import Bank
    from lerf_core.fronts.base import Front

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@click.group(invoke_without_command=True, short_help="List, inspect, import and export banks.")
@click.pass_context
def models(ctx: click.Context) -> None:
    """List, inspect, import and export banks, of tables or a network each, and fronts.

    Without a subcommand, list. Banks ship with the program or lie in the user's folder, which
    $LERF_BANKS moves; a bank there shadows a shipped one of the same name. Fronts likewise: they
    have a folder of their own, which $LERF_FRONTS moves.

    \b
    Examples:
      lerf models
      lerf models info analytic
      lerf models inspect lerf-g photo.jpg -o maps.png
      lerf models import published/lerf-g --name lerf-g
      lerf models export lerf-g tables/
      lerf models compress lerf-g -o small.safetensors
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_banks)


def _size(count: int) -> str:
    """Return bytes in words."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _source(path: Path, user_folder: Callable[[], Path]) -> str:
    try:
        return "user" if path.parent == user_folder() else "shipped"
    except FileNotFoundError:  # no home
        return "shipped"


@models.command("list", short_help="List the banks, and the fronts.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with full paths.")
@click.pass_context
def list_banks(ctx: click.Context, as_json: bool = False) -> None:
    """List the banks that --bank knows by name; * marks the default, + that behind fronts.

    Reach says how many pixels away a pixel's parameters look; per pixel, what finding them costs:
    table reads of every channel, or multiplications of a network, of all three colours together.
    Fronts, which --front knows by name, come last. What a network of torch is takes seconds to
    find out, and is told by 'lerf models info' alone.

    \b
    Example:
      lerf models list --json
    """
    import lerf_core
    from lerf_core.fronts.loading import available_fronts

    banks, fronts = lerf_core.available_banks(), available_fronts()
    found = [_listed(name, path, _bank_row) for name, path in sorted(banks.items())]
    found += [_listed(name, path, _front_row) for name, path in sorted(fronts.items())]
    rows = [row for row in found if row is not None]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        columns = {
            "name": [row["name"] for row in rows],
            "kind": [row["kind"] for row in rows],
            "size": [_size(row["bytes"]) for row in rows],
            "reach": ["?" if row["reach"] is None else str(row["reach"]) for row in rows],
            "source": [row["source"] for row in rows],
            "per pixel": [row["work"] for row in rows],
        }
        widths = [max(map(len, [head, *cells])) for head, cells in columns.items()]
        marks = [" ", *map(_mark, rows)]
        lines = zip(*([head, *cells] for head, cells in columns.items()), strict=True)
        for mark, line in zip(marks, lines, strict=True):
            cells = "  ".join(
                cell.rjust(width) if head in {"size", "reach"} else cell.ljust(width)
                for head, cell, width in zip(columns, line, widths, strict=True)
            )
            click.echo(f"{mark} {cells.rstrip()}")
        try:
            click.echo(f"user folder: {lerf_core.user_bank_folder()}")
        except lerf_core.errors.BankNotFoundError as error:
            click.echo(f"user folder: {error}")
    ctx.exit(1 if len(rows) < len(found) else 0)


def _listed(
    name: str, path: Path, row_of: Callable[[str, Path], dict[str, Any]]
) -> dict[str, Any] | None:
    """Return the row of a bank or a front; None of a damaged one, which must not hide others."""
    from lerf_core.errors import LerfError

    try:
        return row_of(name, path)
    except (LerfError, OSError) as error:
        click.echo(f"lerf: {path}: {one_line(error)}", err=True)
        return None


def _mark(row: dict[str, Any]) -> str:
    """Return what marks a bank that is used where none is named."""
    if row["default"]:
        return "*"
    return "+" if row["default_behind_fronts"] else " "


def _bank_row(name: str, path: Path) -> dict[str, Any]:
    import lerf_core
    from lerf_core.bank import default_bank

    bank = lerf_core.load_bank(path)
    return {
        "name": name,
        "kind": bank.kind.name,
        "bytes": bank.nbytes,
        "reach": bank.full_reach,
        "work": bank.work,
        "reads_colours": bank.reads_colours,
        "source": _source(path, lerf_core.user_bank_folder),
        "default": name == default_bank(),
        "default_behind_fronts": name == default_bank(enlarged_by=2),
        "path": str(path),
    }


def _front_row(name: str, path: Path) -> dict[str, Any]:
    from lerf_core.fronts.loading import holds_foreign_network, load_front, user_front_folder

    if holds_foreign_network(path):
        told: dict[str, Any] = {"kind": "front", "reach": None, "reads_colours": None}
        told["work"] = f"a network of torch: lerf models info {name}"
    else:
        front = load_front(path)
        told = {"kind": f"front x{front.scale}", "reach": front.reach}
        told |= {"reads_colours": front.reads_colours, "work": front.work}
    return {
        "name": name,
        "bytes": path.stat().st_size,
        "source": _source(path, user_front_folder),
        "default": False,
        "default_behind_fronts": False,
        "path": str(path),
        **told,
    }


@models.command(short_help="Describe a bank or a front.")
@click.argument("name", metavar="NAME|FILE|FOLDER")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def info(name: str, as_json: bool) -> None:
    """Describe a bank or a front: kind, patterns and interval or layers, training, checksum.

    Of networks of torch, how far they look and what memory they take is measured: seconds, and a
    minute for large ones.

    \b
    Examples:
      lerf models info analytic
      lerf models info 4x_network.pth
      lerf models info published/lerf-g --json
    """
    description = _described(load_model(name))
    if as_json:
        click.echo(json.dumps(description, indent=2, default=str))
        return
    width = max(map(len, description))
    for key, value in description.items():
        click.echo(f"{key:<{width}}  {value}")


def _described(model: Bank | Front) -> dict[str, Any]:
    """Return what a bank or a front says of itself.

    Raises
    ------
    click.ClickException
        If it cannot be measured.
    """
    from lerf_core.errors import LerfError

    try:
        return model.describe()
    except LerfError as error:
        raise click.ClickException(f"{model.name}: {one_line(error)}") from None


@models.command("import", short_help="Copy a bank or a front into the user's folder.")
@click.argument("source", metavar="FILE|FOLDER", type=click.Path(exists=True, path_type=Path))
@click.option("--name", help="Name to know it by.  [default: the file's or folder's]")
@click.option("--overwrite", is_flag=True, help="Replace a user's bank of that name.")
def import_bank(source: Path, name: str | None, overwrite: bool) -> None:
    """Copy a bank or a front into the user's folder: a file, or a folder of published tables.

    It is checked first, and kept as one .safetensors file. Tables of LeRF are a bank, those of
    MuLUT a front, and so are networks that others have trained (.pth, .safetensors).

    \b
    Examples:
      lerf models import published/lerf-g --name lerf-g
      lerf models import published/sr_x2sdy --name mulut-x4
      lerf models import 4x_network.pth --name network-x4
    """
    import lerf_core
    from lerf_core.bank.base import Described
    from lerf_core.fronts.base import Front
    from lerf_core.fronts.loading import user_front_folder

    name = name or (source.resolve().name if source.is_dir() else source.stem)
    if _NAME.fullmatch(name) is None:
        raise click.BadParameter(
            f"{name!r} is not a bank's name: letters, digits, _ and -, at most 64",
            param_hint="--name",
        )
    # A path, so that a bank known by that name is not taken instead.
    model = load_model(str(source.resolve()))
    if isinstance(model, Described):  # others have the name of their file
        model = model.renamed(name)
    try:
        folder = user_front_folder() if isinstance(model, Front) else lerf_core.user_bank_folder()
    except lerf_core.errors.LerfError as error:
        raise click.ClickException(str(error)) from None
    target = folder / f"{name}.safetensors"
    if target.exists() and not overwrite:
        raise click.UsageError(f"{target} exists: give --overwrite or another --name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        model.save(target)
        size = target.stat().st_size
    except OSError as error:
        raise click.ClickException(f"{target}: {one_line(error)}") from None
    click.echo(f"{name}: {_kind_of(model)}, {_size(size)} -> {target}")


def _kind_of(model: Bank | Front) -> str:
    from lerf_core.fronts.base import Front

    return f"front x{model.scale}" if isinstance(model, Front) else model.kind.name


@models.command("export", short_help="Write tables in the published layout.")
@click.argument("name", metavar="NAME|FILE")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--overwrite", is_flag=True, help="Write into a folder that holds tables.")
def export_bank(name: str, folder: Path, overwrite: bool) -> None:
    """Write tables as .npy files, the published layouts of LeRF and MuLUT; nothing is lost.

    A network has no such layout: its .safetensors file is what there is to hand on.

    \b
    Example:
      lerf models export analytic tables/
    """
    import lerf_core

    if not overwrite and folder.is_dir() and any(folder.glob("LUT*.npy")):
        raise click.UsageError(f"{folder} holds tables already: give --overwrite")
    model = load_model(name)
    try:
        if isinstance(model, lerf_core.Bank):
            written = model.export_folder(folder)
        else:
            from lerf_core.fronts.published import export_cascade

            written = export_cascade(model, folder)
    except lerf_core.errors.LerfError as error:
        raise click.ClickException(one_line(error)) from None
    except OSError as error:
        raise click.ClickException(f"{folder}: {one_line(error)}") from None
    click.echo(f"{model.name}: {len(written)} files -> {folder}")


@models.command("compress", short_help="Keep a tenth of a bank's or a front's entries.")
@click.argument("name", metavar="BANK|FRONT")
@click.option(
    "-o", "--output", required=True, type=OUTPUT_FILE, help="Bank to write (.safetensors)."
)
@click.option(
    "--diagonal",
    type=click.IntRange(min=0),
    default=DIAGONAL,
    show_default=True,
    help="Keep entries whose pixels lie within so many nodes of the first one; of the others every "
    "second node.",
)
@click.option(
    "--finetune",
    "folders",
    metavar="FOLDER",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Train what is kept on these photographs; may be repeated. Needs the extra train.",
)
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="Fine-tune for about so long."
)
@click.option("--steps", type=click.IntRange(min=1), help="Fine-tune for so many steps.")
@click.option("--overwrite", is_flag=True, help="Replace the output.")
@click.pass_context
def compress_bank(
    ctx: click.Context,
    name: str,
    output: Path,
    diagonal: int,
    folders: tuple[Path, ...],
    minutes: float | None,
    steps: int | None,
    overwrite: bool,
) -> None:
    """Write tables of which only entries near the diagonal, and some others, are kept.

    Neighbouring pixels are mostly alike, so that most reads lie near the diagonal of a table. Of 17
    nodes a tenth of the entries is kept. Results of such a bank take as long as before; the others
    are made of the kept ones when it is loaded (diagonal-first compression, Li et al. 2024).

    \b
    Examples:
      lerf models compress published/lerf-g -o small.safetensors
      lerf models compress lerf-p -o small.safetensors --finetune photos/ --minutes 5
    """  # fmt: skip
    import tempfile

    import lerf_core
    from lerf_core.fronts.cascade import TableCascade

    if not folders and (minutes is not None or steps is not None):
        raise click.UsageError("--minutes and --steps are those of --finetune FOLDER")
    check_output(output, overwrite)
    bank = load_model(name)
    if not isinstance(bank, (lerf_core.LutBank, TableCascade)):
        raise click.ClickException(f"{bank.name} cannot be compressed: it has no tables")
    before = bank.nbytes
    try:
        small = bank.compressed(diagonal).renamed(output.stem)
        if folders:
            from lerf_cli.commands.finetune import finetune

            with tempfile.TemporaryDirectory() as folder:
                start = Path(folder) / output.name
                small.save(start)
                given = {"output": output, "minutes": minutes, "steps": steps}
                ctx.invoke(finetune, bank=str(start), folders=folders, overwrite=overwrite, **given)
        else:
            small.save(output)
    except (lerf_core.errors.LerfError, OSError) as error:
        raise click.ClickException(one_line(error)) from None
    click.echo(f"{output}: {_size(small.nbytes)} of {_size(before)}")


models.add_command(inspect_bank)
