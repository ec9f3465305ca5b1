"""The command ``lerf info``: what files are, and what a resize of them would be."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from lerf_cli.options.defaults import resize_values
from lerf_cli.options.types import BYTES, SCALE, ScaleFactors
from lerf_cli.startup import loading_modules
from lerf_core.io.formats import DEFAULT_MAX_PIXELS

if TYPE_CHECKING:
    from lerf_cli.batch.discovery import Entry
    from lerf_cli.batch.resizing import ResizeOperation
    from lerf_cli.options.values import BatchOptions

__all__ = ["info"]

Facts = dict[str, Any]

_LAYOUTS = {
    "L": "grey", "LA": "grey + alpha", "P": "palette indices", "LAB": "CIELAB",
    "MULTI": "{} channels", "MULTIA": "{} channels, the last one alpha",
}  # fmt: skip
_STORAGES = {
    "whole": "decoded as a whole", "rows": "plain rows", "tiles": "tiles", "strips": "strips",
    "chunks": "chunks",
}  # fmt: skip
_TURNED = {
    2: "mirrored", 3: "turned by 180 degrees", 4: "mirrored upside down",
    5: "mirrored and turned by 90 degrees to the left", 6: "turned by 90 degrees to the right",
    7: "mirrored and turned by 90 degrees to the right", 8: "turned by 90 degrees to the left",
}  # fmt: skip


@click.command(short_help="Say what files are, and what a resize of them takes.")
@click.argument("inputs", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="As JSON: an object per file, on one line.")
@click.option("--recursive", is_flag=True, help="Look into folders within folders.")
@click.option(
    "--scale", type=SCALE, metavar="S|SxS", default="2", show_default=True,
    help="Factor of the resize that is planned.",
)  # fmt: skip
@click.option(
    "--memory", type=BYTES, metavar="SIZE",
    help="Memory that the resize may take, as for 'lerf resize'.",
)  # fmt: skip
@click.option(
    "--level", type=click.IntRange(min=0), metavar="N", default=0,
    help="Of this level of a pyramid.  [default: 0, the largest]",
)  # fmt: skip
@click.option(
    "--series", type=click.IntRange(min=0), metavar="N", default=0,
    help="Of this image of a file that holds several, by its number.  [default: 0]",
)  # fmt: skip
@click.option(
    "--max-pixels", type=click.IntRange(min=1), metavar="N", default=DEFAULT_MAX_PIXELS,
    help="As for 'lerf resize'.",
)  # fmt: skip
@click.pass_context
def info(
    ctx: click.Context, /, inputs: tuple[str, ...], as_json: bool, scale: ScaleFactors, **given: Any
) -> None:
    """Say what files are, and what a resize of them would take: nothing is written.

    Format, axes, type and range of pixels, pyramid and tiles, size of a pixel, system of
    coordinates and bounds, missing value, orientation, colour profile, frames; then whether 'lerf
    resize' would read the file in one piece or by tiles, and the memory. Files are read and planned
    by the same code, from their headers. Folders are searched as for 'lerf resize'; a file that
    cannot be read is told on standard error, the others go on, and the exit status is 1.

    \b
    Examples:
      lerf info photo.jpg
      lerf info scan.tif --scale 0.5 --memory 1G
      lerf info photos/ --recursive --json | jq -r '[.file, .width, .height] | @tsv'
    """
    with loading_modules():
        from lerf_cli.batch.description import describe
        from lerf_cli.batch.discovery import InputData
        from lerf_cli.batch.reporting import Reporter, Tally
        from lerf_cli.batch.runner import counted

    operation, options = _resize_of(ctx, inputs, scale, given)
    entries = _entries(inputs, recursive=given["recursive"])
    data, tally, reporter = InputData(), Tally(), Reporter(options, 1)

    def tell(entry: Entry) -> bool:
        facts = describe(entry, entry.address or data.of(entry), operation, options)
        if as_json:
            click.echo(json.dumps(_with_plain_numbers(facts), ensure_ascii=False))
        else:
            click.echo("\n" * (tally.done > 0) + "\n".join(_lines(facts, scale)))
        return True

    for entry in entries:
        counted(tally, entry, reporter, partial(tell, entry))
    ctx.exit(1 if tally.failed else 0)


def _resize_of(
    ctx: click.Context, inputs: tuple[str, ...], scale: ScaleFactors, given: dict[str, Any]
) -> tuple[ResizeOperation, BatchOptions]:
    """Return the resize that is planned, with the defaults of `lerf resize`."""
    from lerf_cli.batch.resizing import ResizeOperation
    from lerf_cli.options.values import BatchOptions, ResamplingOptions

    values = resize_values(ctx, *inputs) | given
    return ResizeOperation(ResamplingOptions.of(values), scale), BatchOptions.of(values)


def _entries(inputs: tuple[str, ...], *, recursive: bool) -> list[Entry]:
    """Return the files, those of this machine first.

    Raises
    ------
    click.UsageError
        If there are none.
    """
    from lerf_cli.batch.discovery import PIPE, Entry, OutputPattern, discover
    from lerf_core.io.locations import is_url

    remote = [Entry.at(text) for text in inputs if is_url(text)]
    local = [text for text in inputs if not is_url(text)]
    found = discover(local, OutputPattern("pipe", PIPE), recursive=recursive)
    if not (found or remote):
        raise click.UsageError("no images found in the given folders (see --recursive)")
    return [*found, *remote]


# -- as JSON ------------------------------------------------------------------------------


def _with_plain_numbers(value: Any) -> Any:
    """Return facts without numbers that JSON lacks: these become texts, "nan" among them."""
    if isinstance(value, dict):
        return {key: _with_plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_plain_numbers(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


# -- as text ------------------------------------------------------------------------------


def _lines(facts: Facts, scale: ScaleFactors) -> Iterator[str]:
    """Yield lines of a name and what there is to say."""
    yield facts["file"]
    for name, text in (*_file_lines(facts), *_place_lines(facts), *_end_lines(facts, scale)):
        yield f"  {name:<12} {text}"


def _file_lines(facts: Facts) -> Iterator[tuple[str, str]]:
    size = f", {_bytes(facts['bytes'])}" if "bytes" in facts else ""
    yield "format", facts["format"] + size
    yield "size", f"{facts['width']}x{facts['height']}"
    if "axes" not in facts:  # little is known before its pixels are decoded
        if facts["frames"] > 1:
            yield "frames", str(facts["frames"])
        return
    layout = str(_LAYOUTS.get(facts["layout"], facts["layout"])).format(facts["samples"])
    mark = ", colours multiplied by alpha" if facts["premultiplied"] else ""
    yield "axes", f"{facts['axes']} {'x'.join(map(str, facts['shape']))}"
    yield "pixels", f"{layout}, {facts['dtype']}, {facts['bits_per_sample']} bits per sample{mark}"
    yield "range", _range(facts)
    yield "frames", str(facts["frames"])
    yield "stored", _stored(facts)
    levels = [f"{cols}x{rows}" for cols, rows in facts["levels"]]
    if len(levels) > 1:
        yield "pyramid", f"{len(levels)} levels: {', '.join(levels)}"
    else:
        yield "pyramid", "none"
    if facts["series_count"] > 1:
        yield "series", f"{facts['series']} of {facts['series_count']}, from 0"
    if "labels" in facts:
        yield "labels", ", ".join(facts["labels"])


def _range(facts: Facts) -> str:
    span = facts["range"]
    if span is None:
        return "none: labels" if "width" in facts["resize"] else "not known"
    return f"{span[0]:g} black to {span[1]:g} white"


def _stored(facts: Facts) -> str:
    text: str = _STORAGES[facts["storage"]]
    if facts["chunk"] is not None:
        sides = dict(zip(facts["axes"], facts["chunk"], strict=True))
        others = [f"{letter} {count}" for letter, count in sides.items() if letter not in "YX"]
        text += f" of {sides['X']}x{sides['Y']}"
        text += f" ({', '.join(others)})" if others else ""
    if facts["compression"] not in {None, "none"}:
        text += f", {facts['compression']}"
    return f"{text}; {_bytes(facts['bytes_in_memory'])} decoded"


def _place_lines(facts: Facts) -> Iterator[tuple[str, str]]:
    for letter, axis in facts.get("pixel_size", {}).items():
        name = {"X": "pixel size", "Y": "pixel size"}.get(letter, "step")
        origin = f", from {axis['origin']:g}" if axis.get("origin") else ""
        yield name, f"{letter} {axis['step']:g} {axis['unit'] or '(no unit)'}{origin}"
    if "dpi" in facts:
        yield "resolution", " x ".join(f"{value:g}" for value in facts["dpi"]) + " pixels per inch"
    if "crs" in facts:
        yield "system", " ".join(filter(None, facts["crs"].values()))
    if "transform" in facts:
        a, b, _, d, e, _ = facts["transform"]
        turned = " (turned or slanted)" if b or d else ""
        across, down = math.hypot(a, d), math.hypot(b, e)
        yield "ground pixel", f"{across:g} x {down:g} units of the system{turned}"
    if "bounds" in facts:
        yield "bounds", " ".join(f"{value:.12g}" for value in facts["bounds"])
    if "control_points" in facts:
        yield "points", f"{facts['control_points']} ground control points"
    if "nodata" in facts:
        yield "no data", f"{facts['nodata']:g}"


def _end_lines(facts: Facts, scale: ScaleFactors) -> Iterator[tuple[str, str]]:
    if facts.get("orientation", 1) != 1:
        number = facts["orientation"]
        yield "orientation", f"{number}: {_TURNED.get(number, 'turned')} as it is read"
    if "profile" in facts:
        profile = facts["profile"]
        yield "profile", f"{profile['name'] or 'without a name'}, {_bytes(profile['bytes'])}"
    if "name" in facts:
        yield "name", facts["name"]
    if "channel_names" in facts:
        yield "channels", ", ".join(facts["channel_names"])
    if "metadata" in facts:
        yield "also holds", ", ".join(facts["metadata"])
    for note in facts["notes"]:
        yield "note", note
    if "resize" in facts:
        factor = f"{scale.cols:g}" if scale.cols == scale.rows else f"{scale.cols:g}x{scale.rows:g}"
        suffix = facts["resize"]["suffix"]
        into = "" if facts["file"].lower().endswith(suffix) else f" into {suffix}"
        yield "resize", f"x{factor}{into}: {_outcome(facts['resize'])}"


def _outcome(resize: Facts) -> str:
    """Say what a resize would be."""
    size = f"{resize['width']}x{resize['height']}, " if "width" in resize else ""
    if "memory_whole" not in resize:
        return f"{size}refused: {resize['refused']}"
    whole, free = resize["memory_whole"], resize["memory_available"]
    if resize["path"] == "tiles":
        text = f"tile by tile, in {_bytes(resize['memory_tiles'])} at most"
        text += f" (in one piece {_bytes(whole)})"
    else:
        text = f"in one piece, {_bytes(whole)} at most beside the program"
        if free is not None and whole > free:
            text += f", more than the {_bytes(free)} that are free"
    if "refused" in resize:
        text += f"; refused: {resize['refused']}"
    return size + text


def _bytes(count: int) -> str:
    """Return bytes in words."""
    from lerf_core.io.tiles.pixel_file import readable_bytes

    return readable_bytes(count)
