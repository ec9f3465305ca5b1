"""What becomes of metadata on the way from each format to each: writes docs/metadata.md.

    python tools/metadata_table.py           # round-trips every pair and writes the page
    python tools/metadata_table.py --check   # tells whether the page is up to date
    python tools/metadata_table.py --pairs   # also lists each pair, field by field

A file that states all its format can (tools/metadata_files.py) is doubled by ``lerf resize``, whole
and by tiles, into every format that is written. What the file stated is then kept, or changed as
its rule says, or named in a note; anything else is a fault, and the exit status 1.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from metadata_files import SOURCES, Source

from lerf_cli.main import main as lerf
from lerf_core.errors import LerfError
from lerf_core.geometry.placement import Placement
from lerf_core.io.codecs.tiff.geo_keys import stated_system
from lerf_core.io.formats import FORMATS, HOLDS
from lerf_core.io.metadata.model import RULES, AxisName, AxisScale, Channel, Metadata, Page
from lerf_core.io.reading import open_reader, read_image
from lerf_core.io.writing import IMPLIED_COLOURS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metadata.md"
# Formats that are written by tiles, and a suffix that means each.
_BY_TILES = {"TIFF": ".tif", "OME-TIFF": ".ome.tif", "OME-Zarr": ".zarr", "NPY": ".npy"}
_SCALE = 2
# Resolutions and the like are rational numbers, or whole ones per metre.
_TOLERANCE = 0.01
# What a note on a field may say instead of the field's own words.
_OTHER_WORDS = {
    "axes": ("physical size", "pixel size", "position", "steps along"),
    "bits": ("-bit samples expanded",),
    "channels": ("channels dropped", "of channels: dropped"),
    "durations": ("the first of",),
    "loop": ("the first of",),
    "pages": ("only image", "the first of"),
}


@dataclass(frozen=True)
class Outcome:
    """What became of a field on one way.

    Attributes
    ----------
    source, target : str
        Names of a source and of a format.
    way : str
        "whole" or "tiles".
    field : str
    verdict : str
        "kept", "scaled", "noted", "implied" (a profile says it, or it is sRGB) or "lost".
    detail : str
        What was expected and found, where it is lost.
    """

    source: str
    target: str
    way: str
    field: str
    verdict: str
    detail: str = ""


# -- round trips ------------------------------------------------------------------------------


def outcomes(sources: Iterable[str] = tuple(SOURCES)) -> Iterator[Outcome]:
    """Double a file of each source into each format, and yield what became of each field."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, source in enumerate(sources):
            path = folder / f"in{number}{SOURCES[source].suffix}"
            SOURCES[source].write(path)
            yield from _from_source(source, SOURCES[source], path, folder)


def _from_source(name: str, source: Source, path: Path, folder: Path) -> Iterator[Outcome]:
    stated = _metadata(path)
    for field in sorted(source.states):
        if not stated.says(field):
            yield Outcome(name, "(reading)", "whole", field, "lost", "it is not read")
    ways = [("whole", target, entry.suffixes[0]) for target, entry in FORMATS.items()]
    ways += [("whole", "OME-TIFF", ".ome.tif")]
    ways += [("tiles", target, suffix) for target, suffix in _BY_TILES.items()]
    for way, target, suffix in ways:
        out = folder / f"out-{way}{suffix}"
        arguments = ["resize", str(path), "-o", str(out), "--scale", str(_SCALE), "--overwrite"]
        arguments += ["--tile", "16"] if way == "tiles" else []
        result = CliRunner().invoke(lerf, arguments)
        if result.exit_code:
            continue  # refused: nothing is lost
        if target == "TIFF":
            target = _format(out)  # of stacks it may be ImageJ's, or OME-TIFF
        notes = " ".join(line for line in result.output.splitlines() if ": note: " in line)
        for field, verdict, detail in _compared(stated, _metadata(out), notes):
            if field in source.states:
                yield Outcome(name, target, way, field, verdict, detail)


def _metadata(path: Path) -> Metadata:
    """Return what a file says: what either way of reading knows of it."""
    with open_reader(path) as reader:
        by_regions = reader.metadata
    if path.suffix in {".zarr", ".npy"}:
        return by_regions
    try:
        whole = read_image(path).metadata
    except LerfError:
        return by_regions
    return Metadata(
        **{
            item.name: getattr(whole if whole.says(item.name) else by_regions, item.name)
            for item in fields(Metadata)
        }
    )


def _format(path: Path) -> str:
    with open_reader(path) as reader:
        return reader.format


def _compared(stated: Metadata, written: Metadata, notes: str) -> Iterator[tuple[str, str, str]]:
    """Yield each field that was stated, what became of it, and a detail where it is lost."""
    before, after = (40, 56), (40 * _SCALE, 56 * _SCALE)
    expected, _ = stated.moved(Placement.of_resize((_SCALE, _SCALE), before, after))
    expected, _ = expected.fitted(after)
    # Where a file states no positions, that of the first pixel need not be told.
    placed = {axis.letter for axis in stated.axes if axis.origin}
    expected = replace(expected, axes=_positions_of(placed, expected))
    written = replace(written, axes=_positions_of(placed, written))
    for field, rule in RULES.items():
        if not stated.says(field):
            continue
        old, wanted, new = (getattr(item, field) for item in (stated, expected, written))
        if _equal(field, wanted, new):
            yield field, "kept" if _equal(field, old, wanted) else "scaled", ""
        elif field in IMPLIED_COLOURS and (
            stated.rendering_intent is not None or (stated.icc and written.icc)
        ):
            yield field, "implied", ""
        elif any(words in notes for words in (rule.words, *_OTHER_WORDS.get(field, ()))):
            yield field, "noted", ""
        else:
            yield field, "lost", f"{wanted!r:.200} became {new!r:.200}"


def _positions_of(letters: set[str], metadata: Metadata) -> tuple[AxisScale, ...]:
    """Return the axes, with the positions of some alone."""
    return tuple(
        axis if axis.letter in letters else replace(axis, origin=0.0, is_placed=True)
        for axis in metadata.axes
    )


def _equal(field: str, wanted: Any, new: Any) -> bool:
    if field == "exif":  # its bytes depend on the format
        return new is not None and b"Maker" in new if b"Maker" in wanted else new is not None
    if field == "xmp":
        return new is not None and b"a lens" in new
    if field == "georeference" and new is not None:  # keys may have the system's name, too
        systems = [stated_system(place.keys)[0] for place in (wanted, new)]
        return systems[0] == systems[1] and _close(wanted.transform, new.transform)
    if field == "ome":  # what it says of the image is brought up to date
        return new is not None and "2020-05-04" in new
    if field in {"text", "attributes", "display", "label_facts", "imagej"}:
        return set(map(repr, wanted)) <= set(map(repr, new or ()))
    if field in {"axes", "channels", "axis_names", "pages"}:
        return len(new) >= len(wanted) and all(
            any(_says_as_much(item, other) for other in new) for item in wanted
        )
    return _close(wanted, new)


def _says_as_much(wanted: Any, new: Any) -> bool:
    """Tell whether an entry has what another has; it may have more."""
    if isinstance(wanted, Channel):
        facts = dict(new.facts)
        return (
            wanted.name in ("", new.name)
            and wanted.colour in ("", new.colour)
            and all(_close(value, facts.get(key)) for key, value in wanted.facts)
        )
    if isinstance(wanted, Page):
        same = (wanted.name, wanted.aspect) == (new.name, new.aspect)
        return same and _close(wanted.dpi, new.dpi) and set(wanted.texts) <= set(new.texts)
    if isinstance(wanted, AxisName):
        return wanted[:2] == new[:2] and wanted.kind in ("", new.kind)
    return _close(wanted, new)


def _close(wanted: Any, new: Any) -> bool:
    """Compare values, numbers with some tolerance."""
    if is_dataclass(wanted) and is_dataclass(new):
        return _close(astuple(wanted), astuple(new))  # type: ignore[arg-type]
    if isinstance(wanted, (tuple, list)) and isinstance(new, (tuple, list)):
        return len(wanted) == len(new) and all(map(_close, wanted, new))
    if isinstance(wanted, Mapping) and isinstance(new, Mapping):
        return all(key in new and _close(wanted[key], new[key]) for key in wanted)
    if isinstance(wanted, float) and isinstance(new, (int, float)):
        return math.isclose(wanted, new, rel_tol=_TOLERANCE, abs_tol=1e-9) or (
            math.isnan(wanted) and math.isnan(new)
        )
    return bool(wanted == new)


# -- the page ---------------------------------------------------------------------------------

_HEAD = """\
# Metadata

What a file says about its pixels is true of the result, or a note on standard error names what
was left out. `python tools/metadata_table.py` makes this page: it sends a file that states all it
can from each format into each other, whole and by tiles.

## What becomes of each field

The rules are those of `lerf_core.io.metadata.model.Metadata`, for images in one piece and by tiles.

"""
_FORMATS = """
## What each format keeps

*kept*: as it was; *scaled*: brought up to date by the rule above; *noted*: the format cannot hold
it, and a note says so; *implied*: a profile that is kept says it too, or colours are sRGB, which
goes without saying; *part*: kept from some formats, noted from others. A blank means that no file
that goes into the format states it.

"""


def rules_table() -> str:
    """Return the table of rules, in Markdown."""
    lines = ["| field | resize | warp |", "|---|---|---|"]
    lines += [f"| {rule.words} | {rule.resize} | {rule.warp} |" for rule in RULES.values()]
    return "\n".join(lines) + "\n"


def formats_table(found: Iterable[Outcome]) -> str:
    """Return the table of fields and formats, in Markdown."""
    verdicts = defaultdict(set)
    for outcome in found:
        verdicts[outcome.field, outcome.target].add(outcome.verdict)
    names = [name for name in HOLDS if any(target == name for _, target in verdicts)]
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for field, rule in RULES.items():
        cells = [_cell(verdicts[field, name]) for name in names]
        lines.append(f"| {rule.words} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(verdicts: set[str]) -> str:
    if "lost" in verdicts:
        return "LOST"
    if "noted" in verdicts and verdicts & {"kept", "scaled"}:
        return "part"
    return next((word for word in ("scaled", "kept", "noted", "implied") if word in verdicts), "")


def page(found: Iterable[Outcome]) -> str:
    """Return docs/metadata.md."""
    return _HEAD + rules_table() + _FORMATS + formats_table(found)


def main() -> int:
    """Run the program; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--pairs", action="store_true", help="list each pair, field by field")
    options = parser.parse_args()
    found = list(outcomes())
    for item in found:
        if options.pairs or item.verdict == "lost":
            words = [
                item.source,
                "->",
                item.target,
                item.way,
                item.field,
                item.verdict,
                item.detail,
            ]
            print(*words)
    text = page(found)
    lost = sum(item.verdict == "lost" for item in found)
    print(f"{len(found)} fields of {len(SOURCES)} sources: {lost} lost")
    if options.check:
        is_stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text
        print(f"{PAGE} is {'stale' if is_stale else 'up to date'}")
        return 1 if is_stale or lost else 0
    PAGE.write_text(text, encoding="utf-8")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
