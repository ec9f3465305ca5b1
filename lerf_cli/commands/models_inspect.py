"""The command ``lerf models inspect``: pictures of a bank's tables and of parameter maps."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lerf_cli.options.types import CROP, RANGE
from lerf_cli.options.values import load_bank
from lerf_core.errors import FileError, one_line
from lerf_core.io.formats import DEFAULT_MAX_PIXELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lerf_cli.figures.inspection import Crop
    from lerf_cli.figures.sheets import Picture
    from lerf_core import LutBank

_PIPE = "-"
# At this resolution the sheets' text is printed in 6 points.
_DPI = 300
# ITU-R BT.601 on the full range, as in JPEG.
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Results:
    """What there is to write and to print.

    Attributes
    ----------
    stem : str
        What files in a folder are called after.
    sheet : str
        What the sheet's own file is called, after the stem.
    draw : callable
        Draws the sheet.
    separate : mapping of str to callable
        Draws each separate picture.
    arrays : mapping of str to ndarray
    statistics : JSON data
    """

    stem: str
    sheet: str
    draw: Callable[[], Picture]
    separate: Mapping[str, Callable[[], Picture]]
    arrays: dict[str, NDArray[np.float32]]
    statistics: Any


@click.command("inspect", short_help="Draw a bank's tables, or what it says of an image.")
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
    """Draw a bank's tables; with IMAGE, the parameter maps that it makes of the image.

    BANK is a name from 'lerf models', a .safetensors file, or a folder of published tables. The
    maps are the pre-filtered feature and the parameters of every pixel's resampling function. Over
    an enlarged window the functions of Gaussian banks (LeRF-G, LeRF-P) are drawn as ellipses, and
    the slopes of local planes (LeRF-P) as arrows to where the grey level rises.

    \b
    Examples:
      lerf models inspect analytic -o tables.png
      lerf models inspect published/lerf-g photo.jpg -o maps.png
      lerf models inspect lerf-g photo.jpg -o maps/ --separate --crop 120,60,48x48
      lerf models inspect lerf-g photo.jpg --npz maps.npz --json
    """
    _check_usage(image, options)
    bank = load_bank(name)
    start = None if options["start"] is None else load_bank(options["start"])
    try:
        results = _of_tables(bank, start) if image is None else _of_image(bank, image, options)
        pictures = _outputs(results, options)
        _check_free([*pictures, *_npz(options)], image, overwrite=options["overwrite"])
        for path, draw in pictures.items():
            _write(path, partial(_save_picture, draw), options)
        for path in _npz(options):
            _write(path, partial(_save_arrays, results), options)
    except _known_errors() as error:
        where = name if image is None else image
        raise click.ClickException(f"{where}: {one_line(error)}") from None
    if options["as_json"]:
        click.echo(json.dumps(results.statistics, indent=2))


def _known_errors() -> tuple[type[BaseException], ...]:
    import lerf_core

    return lerf_core.errors.LerfError, FileError, OSError, MemoryError


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


# -- files ------------------------------------------------------------------------


def _outputs(results: Results, options: dict[str, Any]) -> dict[Path, Callable[[], Picture]]:
    """Return each picture's file and how to draw it."""
    output = options["output"]
    if output is None:
        return {}
    if _is_folder(output):
        base = Path(output) / results.stem
        sheet = base.with_name(f"{results.stem}_{results.sheet}.png")
    else:
        sheet = Path(output)
        base = sheet.with_name(sheet.stem)
    pictures = {sheet: results.draw}
    if options["separate"]:
        for name, draw in results.separate.items():
            pictures[base.with_name(f"{base.name}_{name}.png")] = draw
    return pictures


def _npz(options: dict[str, Any]) -> list[Path]:
    return [] if options["npz"] is None else [Path(options["npz"])]


def _check_free(paths: list[Path], image: str | None, *, overwrite: bool) -> None:
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


def _write(path: Path, fill: Callable[[Any], None], options: dict[str, Any]) -> None:
    from lerf_core.io.whole_files import atomic_file

    try:
        with atomic_file(path, overwrite=options["overwrite"]) as file:
            fill(file)
    except OSError as error:
        raise FileError(f"cannot write {path}: {one_line(error)}") from error
    click.echo(f"-> {path}", err=True)


def _save_picture(draw: Callable[[], Picture], file: Any) -> None:
    draw().save(file, "PNG", dpi=(_DPI, _DPI))


def _save_arrays(results: Results, file: Any) -> None:
    import numpy as np

    np.savez_compressed(file, **results.arrays)  # type: ignore[arg-type]


# -- tables -----------------------------------------------------------------------


def _of_tables(bank: LutBank, start: LutBank | None) -> Results:
    from lerf_cli.figures import inspection, sheets
    from lerf_core.bank.inspection import (
        SLICES,
        edge_response,
        point_response,
        table_slice,
        table_statistics,
    )

    statistics = table_statistics(bank, start)
    arrays = {
        f"{table}.{name}": table_slice(bank, table, which)
        for table in bank.tables
        for name, which in SLICES.items()
    }
    for number in range(len(bank.stages)):
        arrays[f"stage{number + 1}.response"] = point_response(bank, number)
    if bank.kind.has_local_planes:
        last = len(bank.stages)
        arrays[f"stage{last}.edge_response"] = edge_response(bank, last - 1)

    def one_stage(number: int) -> Picture:
        return sheets.framed(inspection.stage_picture(bank, number, statistics), sheets.GAP)

    stages = {f"stage{one + 1}": partial(one_stage, one) for one in range(len(bank.stages))}
    return Results(
        stem=_file_name(bank.name),
        sheet="tables",
        draw=lambda: inspection.table_sheet(bank, statistics),
        separate=stages,
        arrays=arrays,
        statistics={
            "bank": bank.name,
            "kind": bank.kind.name,
            "tables": [asdict(one) for one in statistics],
        },
    )


def _file_name(text: str) -> str:
    """Return a text without what a file's name may not hold."""
    return re.sub(r"[^\w.-]+", "_", text) or "bank"


# -- maps -------------------------------------------------------------------------


def _of_image(bank: LutBank, image: str, options: dict[str, Any]) -> Results:
    import lerf_core
    from lerf_cli.figures import inspection, sheets
    from lerf_core.bank import LOCAL_PLANE
    from lerf_core.inspection import ellipses, parameter_maps, slopes
    from lerf_core.io.reading import read_image

    source = sys.stdin.buffer.read() if image == _PIPE else Path(image)
    pixels, keywords, what = _plane(read_image(source, options["max_pixels"]), options)
    message = lerf_core.first_run_message()
    if message:
        click.echo(message, err=True)
    maps = parameter_maps(pixels, bank=bank, **keywords)
    if pixels.ndim == 3:  # the colour, weighted by alpha
        maps = maps[..., 0]
    found = ellipses(maps) if bank.kind.weighting == "gaussian" else None
    lean = slopes(maps) if bank.kind.has_local_planes else None
    crop = _crop(options["crop"], maps.grey)
    arrays = {"image": maps.grey, "feature": maps.feature, **maps.parameters}
    if found is not None:
        arrays |= {"major": found.major, "minor": found.minor, "angle": found.angle}
    if lean is not None:  # in levels, as they are drawn
        arrays |= {name: maps.coefficient(name) for name in LOCAL_PLANE}
        arrays["slope_magnitude"] = lean.magnitude
    statistics = {name: _figures(values) for name, values in arrays.items() if name != "angle"}
    rows, cols = maps.grey.shape
    name = "<stdin>" if image == _PIPE else Path(image).name
    title = f"{name}: parameters by {bank.name} ({bank.kind.name})"
    subtitle = f"{cols}x{rows} pixels, {what}"

    def one_map(key: str) -> Picture:
        return sheets.framed(inspection.map_panels(maps, inspection.LARGE)[key], sheets.GAP)

    def framed(draw: Callable[..., Picture], shown: Any) -> Picture:
        return sheets.framed(draw(maps, shown, crop), sheets.GAP)

    separate: dict[str, Callable[[], Picture]] = {
        key: partial(one_map, key) for key in inspection.drawn_maps(maps)
    }
    if found is not None:
        separate["ellipses"] = partial(framed, inspection.ellipse_panel, found)
    if lean is not None:
        separate["arrows"] = partial(framed, inspection.arrow_panel, lean)
    stem = "stdin" if image == _PIPE else Path(image).stem
    return Results(
        stem=f"{stem}_{_file_name(bank.name)}",
        sheet="maps",
        draw=lambda: inspection.map_sheet(maps, statistics, crop, found, lean, title, subtitle),
        separate=separate,
        arrays=arrays,
        statistics={
            "image": name,
            "bank": bank.name,
            "kind": bank.kind.name,
            "channel": what,
            "shape": [rows, cols],
            "crop": [crop.x, crop.y, crop.width, crop.height],
            "maps": statistics,
        },
    )


def _plane(picture: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any], str]:
    """Return the channel to inspect (with alpha, where there is one), its keywords and name."""
    import numpy as np

    from lerf_core.io.conversions import finite_range, unmultiplied
    from lerf_core.io.formats import GREY, GREY_ALPHA, RGB, RGBA

    if picture.layout not in {GREY, GREY_ALPHA, RGB, RGBA}:
        raise FileError(f"maps are drawn of grey or RGB images, and this is {picture.layout}")
    for note in picture.notes:
        click.echo(f"note: {note}", err=True)
    if len(picture.frames) > 1:
        click.echo(f"note: the first of {len(picture.frames)} frames is taken", err=True)
    value_range = options["value_range"]
    if value_range == "auto":
        value_range = finite_range(picture)
    frame = unmultiplied(picture).frames[0]
    channel = options["channel"]
    if picture.layout in {GREY, GREY_ALPHA}:
        if channel != "y":
            raise FileError(f"a grey image has no channel {channel}")
        plane, what = frame if frame.ndim == 2 else frame[..., 0], "grey"
    elif channel == "y":
        with np.errstate(invalid="ignore"):  # infinities of both signs
            luma = frame[..., :3].astype(np.float64) @ np.array(_LUMA)
        plane = (np.rint(luma) if frame.dtype.kind in "iu" else luma).astype(frame.dtype)
        what = "luma"
    else:
        place = "rgb".index(channel)
        plane, what = frame[..., place], ("red", "green", "blue")[place]
    keywords: dict[str, Any] = {"value_range": value_range}
    if picture.has_alpha:
        plane = np.stack([plane, frame[..., -1]], axis=2)
        keywords |= {"channel_axis": 2, "alpha": "premultiply"}
    return plane, keywords, what


def _crop(wanted: tuple[int, int, int, int] | None, grey: Any) -> Crop:
    from lerf_cli.figures.inspection import Crop, busiest_crop

    if wanted is None:
        return busiest_crop(grey)
    crop = Crop(*wanted)
    rows, cols = grey.shape
    if crop.x + crop.width > cols or crop.y + crop.height > rows:
        raise click.UsageError(f"--crop reaches beyond the image of {cols}x{rows} pixels")
    return crop


def _figures(values: Any) -> dict[str, float | None]:
    """Return min, median and max of what is finite; None where nothing is."""
    import numpy as np

    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return {"min": None, "median": None, "max": None}
    return {
        "min": float(finite.min()),
        "median": float(np.median(finite)),
        "max": float(finite.max()),
    }
