"""The command ``lerf models inspect``: pictures of a bank, and of parameter maps."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lerf_cli.options.types import CROP, RANGE
from lerf_cli.options.values import check_extra, load_bank, load_model
from lerf_core.errors import FileError, LerfError, one_line
from lerf_core.io.formats import DEFAULT_MAX_PIXELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lerf_cli.figures.inspection import Inspection
    from lerf_core import Bank

__all__ = ["inspect_bank"]

_PIPE = "-"


@click.command("inspect", short_help="Draw a bank, or what it says of an image.")
@click.argument("name", metavar="BANK")
@click.argument("image", required=False, metavar="[IMAGE]")
@click.option(
    "-o", "--output", metavar="FOLDER|FILE.png",
    help="Where the pictures go: a PNG file, or a folder.",
)  # fmt: skip
@click.option("--separate", is_flag=True, help="Write each map, or each stage, on its own too.")
@click.option(
    "--crop", type=CROP, metavar="X,Y,WxH",
    help="Window of the image to enlarge.  [default: the busiest 48x48 pixels]",
)  # fmt: skip
@click.option(
    "--channel", type=click.Choice(["y", "r", "g", "b"]), default="y", show_default=True,
    help="Channel of a colour image; y is its luma.",
)  # fmt: skip
@click.option(
    "--start", metavar="BANK",
    help="Bank that the training of BANK set out from, to count the entries that it left as they "
    "were.  [default: identity and analytic bank]",
)  # fmt: skip
@click.option("--npz", metavar="FILE.npz", help="Write the arrays that are drawn.")
@click.option("--json", "as_json", is_flag=True, help="Print statistics as JSON.")
@click.option(
    "--range", "value_range", type=RANGE, metavar="LO,HI|auto",
    help="Values that mean black and white in float or deep images.  [default: 0,1 for float, the "
    "full range for 8 and 16 bits]",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@click.option(
    "--max-pixels", type=click.IntRange(min=1), default=DEFAULT_MAX_PIXELS, show_default=True,
    metavar="N", help="Greatest number of pixels of IMAGE.",
)  # fmt: skip
def inspect_bank(name: str, image: str | None, **options: Any) -> None:
    """Draw a bank: its tables, or a network's layers; with IMAGE, the parameter maps it makes.

    BANK is a name from 'lerf models', a .safetensors file, or a folder of published tables. The
    maps are the pre-filtered feature and the parameters of every pixel's resampling function. Over
    an enlarged window the functions of Gaussian banks (LeRF-G, LeRF-P) are drawn as ellipses, and
    the slopes of local planes (LeRF-P, networks) as arrows to where the grey level rises. The
    maps of a network are those of the colours together; --json and --separate count the channels of
    its layers that say nothing about the image, or are stuck at an end of their range.

    \b
    Examples:
      lerf models inspect analytic -o tables.png
      lerf models inspect published/lerf-g photo.jpg -o maps.png
      lerf models inspect lerf-g photo.jpg -o maps/ --separate --crop 120,60,48x48
      lerf models inspect lerf-g photo.jpg --npz maps.npz --json
    """
    _check_usage(image, options)
    if options["output"] is not None:
        check_extra("lerf models inspect -o", "matplotlib", "figures")
    from lerf_cli.figures.inspection import inspect_bank_alone, inspect_image

    bank = _drawn_bank(name)
    start = None if options["start"] is None else load_bank(options["start"])
    try:
        if image is None:
            inspection = inspect_bank_alone(bank, start)
        else:
            inspection = inspect_image(
                bank, image, crop=options["crop"], channel=options["channel"],
                value_range=options["value_range"], max_pixels=options["max_pixels"],
            )  # fmt: skip
        _write_all(inspection, image, options)
    except (LerfError, OSError, MemoryError) as error:
        what = name if image is None else image
        raise click.ClickException(f"{what}: {one_line(error)}") from None
    if options["as_json"]:
        click.echo(json.dumps(inspection.statistics, indent=2))


def _drawn_bank(name: str) -> Bank:
    """Return the bank that is to be drawn.

    Raises
    ------
    click.ClickException
        If there is none, or if it is a front.
    """
    import lerf_core

    model = load_model(name)
    if not isinstance(model, lerf_core.Bank):
        raise click.ClickException(
            f"{name} is a front x{model.scale}, and pictures are drawn of banks alone: "
            f"'lerf models info {name}' describes it"
        )
    return model


def _check_usage(image: str | None, options: dict[str, Any]) -> None:
    """Refuse calls that ask for nothing, or for what does not go together."""
    if options["output"] is None and options["npz"] is None and not options["as_json"]:
        raise click.UsageError("give -o, --npz or --json")
    if options["separate"] and options["output"] is None:
        raise click.UsageError("--separate needs -o")
    if options["npz"] is not None and not options["npz"].lower().endswith(".npz"):
        raise click.UsageError(f"--npz {options['npz']}: the name must end in .npz")
    if image is None and (options["crop"] or options["value_range"] or options["channel"] != "y"):
        raise click.UsageError("--crop, --channel and --range need an IMAGE")
    if image is not None and options["start"] is not None:
        raise click.UsageError("--start is about the tables: give no IMAGE")
    output = options["output"]
    if output is not None and not (_is_folder(output) or output.lower().endswith(".png")):
        raise click.UsageError(
            f"-o {output}: give a name that ends in .png, or a folder, ending with /"
        )


def _is_folder(text: str) -> bool:
    return text.endswith(("/", os.sep)) or Path(text).is_dir()


# -- files --------------------------------------------------------------------------------


def _write_all(inspection: Inspection, image: str | None, options: dict[str, Any]) -> None:
    """Write pictures and arrays, once none of them would replace what must stay."""
    fills: dict[Path, Callable[[Any], None]] = {
        path: partial(_save_picture, draw) for path, draw in _pictures(inspection, options).items()
    }
    if options["npz"] is not None:
        fills[Path(options["npz"])] = partial(_save_arrays, inspection)
    _check_free(fills, image, overwrite=options["overwrite"])
    for path, fill in fills.items():
        _write(path, fill, overwrite=options["overwrite"])


def _pictures(inspection: Inspection, options: dict[str, Any]) -> dict[Path, Callable[[], Figure]]:
    """Return each picture's file and how to draw it."""
    output = options["output"]
    if output is None:
        return {}
    if _is_folder(output):
        base = Path(output) / inspection.stem
        sheet = base.with_name(f"{inspection.stem}_{inspection.sheet_name}.png")
    else:
        sheet = Path(output)
        base = sheet.with_name(sheet.stem)
    pictures = {sheet: inspection.sheet}
    if options["separate"]:
        for name, draw in inspection.separate().items():
            pictures[base.with_name(f"{base.name}_{name}.png")] = draw
    return pictures


def _check_free(paths: Iterable[Path], image: str | None, *, overwrite: bool) -> None:
    """Refuse, before anything is written, to replace what must stay."""
    for path in paths:
        if path.is_dir():
            raise click.UsageError(f"{path} is a folder")
        if not path.exists():
            continue
        if image not in {None, _PIPE} and path.samefile(str(image)):
            raise click.UsageError(f"{path} is the input: choose another output")
        if not overwrite:
            raise click.UsageError(f"{path} exists: give --overwrite")


def _write(path: Path, fill: Callable[[Any], None], *, overwrite: bool) -> None:
    from lerf_core.io.results.whole_files import atomic_file

    try:
        with atomic_file(path, overwrite=overwrite) as file:
            fill(file)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"cannot write {path}: {one_line(error)}") from error
    click.echo(f"-> {path}", err=True)


def _save_picture(draw: Callable[[], Figure], file: Any) -> None:
    from lerf_cli.figures.plotting import DPI, as_image

    as_image(draw()).save(file, "PNG", dpi=(DPI, DPI))


def _save_arrays(inspection: Inspection, file: Any) -> None:
    import numpy as np

    np.savez_compressed(file, **inspection.arrays)  # type: ignore[arg-type]
