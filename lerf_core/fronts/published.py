"""Cascades of tables from and to the published layout: a folder of NumPy files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lerf_core.bank.files import read_table, table_name
from lerf_core.choices import CASCADE_SCALES
from lerf_core.errors import BankError, FrontError
from lerf_core.fronts.base import Front
from lerf_core.fronts.cascade import (
    CASCADE_PATTERNS,
    MOST_STAGES,
    TableCascade,
    cascade_stages,
)
from lerf_core.fronts.formats import PUBLISHED_TABLE

__all__ = ["export_cascade", "published_cascade"]

# Levels of a byte's range, of which a node's number has the upper bits.
_LEVELS = 256


def published_cascade(folder: Path) -> TableCascade:
    """Load a cascade from a folder in the published layout.

    Parameters
    ----------
    folder : Path
        Of files ``LUT_ft_x4_4bit_int8_s1_s.npy`` (fine-tuned) or ``LUT_x4_4bit_int8_s1_s.npy``: the
        scale, the bits of a node's number, the stage and the pattern. Fine-tuned ones go before
        others.

    Raises
    ------
    FrontError
        If the folder holds no such files, some are missing or damaged, or they are of several
        cascades.
    """
    found = [
        match
        for path in sorted(folder.iterdir())
        if (match := PUBLISHED_TABLE.fullmatch(path.name))
    ]
    tuned = [match for match in found if match["tuned"]]
    files = {(int(match["stage"]), match["pattern"]): match for match in tuned or found}
    if not files:
        raise FrontError(
            f"{str(folder)!r} is not a folder of a cascade's tables: no LUT_*_s1_*.npy"
        )
    kinds = sorted({(match["scale"], match["bits"]) for match in files.values()})
    names = {match.group() for match in tuned or found}
    if len(kinds) > 1 or len(names) > len(files):
        raise FrontError(
            f"{str(folder)!r} holds tables of several cascades: {', '.join(sorted(names))}"
        )
    return _published(folder, files, *map(int, kinds[0]))


def _published(
    folder: Path, files: Mapping[tuple[int, str], re.Match[str]], scale: int, bits: int
) -> TableCascade:
    stages = max(stage for stage, _ in files)
    patterns = tuple(
        pattern for pattern in CASCADE_PATTERNS if any(pattern == key for _, key in files)
    )
    if scale not in CASCADE_SCALES:
        raise FrontError(f"{str(folder)!r}: cascades enlarge by 2, 3 or 4, and this one by {scale}")
    if stages > MOST_STAGES:
        raise FrontError(
            f"{str(folder)!r}: a cascade has at most {MOST_STAGES} stages, and this one {stages}"
        )
    wanted = {(stage, pattern) for stage in range(1, stages + 1) for pattern in patterns}
    if unknown := sorted(pattern for _, pattern in files if pattern not in CASCADE_PATTERNS):
        raise FrontError(f"{str(folder)!r}: pattern {unknown[0]!r} is not known")
    if missing := sorted(wanted - set(files)):
        lacking = ", ".join(f"s{stage}_{pattern}" for stage, pattern in missing)
        raise FrontError(f"{str(folder)!r} lacks the tables {lacking}")
    try:
        tables = {
            table_name(stage, pattern, 0): read_table(folder / files[stage, pattern].group())
            for stage, pattern in sorted(wanted)
        }
    except BankError as error:
        raise FrontError(str(error)) from error
    try:
        return TableCascade(
            folder.resolve().name,
            _LEVELS >> bits,
            {pattern: CASCADE_PATTERNS[pattern] for pattern in patterns},
            cascade_stages(scale, patterns, stages),
            tables,
            {"method": "imported", "source": folder.resolve().name},
        )
    except FrontError as error:
        raise FrontError(f"{folder}: {error}") from error


def export_cascade(front: Front, folder: Path) -> list[Path]:
    """Write a cascade's tables in the published layout; return the files.

    `published_cascade` reads the same tables from them. Those that are compressed are written with
    all their entries.

    Parameters
    ----------
    front : Front
    folder : Path
        Is made where there is none.

    Raises
    ------
    FrontError
        If the front is no cascade, or one that the layout cannot say.
    """
    if not isinstance(front, TableCascade):
        raise FrontError(
            f"front {front.name!r} cannot be exported: the published layout holds tables, and it "
            "is a network"
        )
    names = tuple(front.patterns)
    known = {name: CASCADE_PATTERNS[name] for name in CASCADE_PATTERNS if name in names}
    in_order = tuple(known)
    published = cascade_stages(front.scale, in_order, len(front.stages))
    if dict(front.patterns) != known or front.stages != published:
        raise FrontError(
            f"front {front.name!r} cannot be exported: the published layout holds stages of the "
            f"patterns {', '.join(CASCADE_PATTERNS)} with the published divisors alone"
        )
    bits = (_LEVELS // front.interval).bit_length() - 1
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number in range(1, len(front.stages) + 1):
        for name in in_order:
            table = front.tables[table_name(number, name, 0)]
            path = folder / f"LUT_ft_x{front.scale}_{bits}bit_int8_s{number}_{name}.npy"
            np.save(path, table.reshape(-1, table.shape[-1]), allow_pickle=False)
            written.append(path)
    return written
