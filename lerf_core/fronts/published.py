"""Cascades of tables in the published layout: a folder of NumPy files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lerf_core.bank.files import read_table, table_name
from lerf_core.choices import CASCADE_SCALES
from lerf_core.errors import BankError, FrontError
from lerf_core.fronts.cascade import (
    CASCADE_PATTERNS,
    TableCascade,
    cascade_stages,
)
from lerf_core.fronts.formats import PUBLISHED_TABLE

__all__ = ["published_cascade"]


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
            256 >> bits,
            {pattern: CASCADE_PATTERNS[pattern] for pattern in patterns},
            cascade_stages(scale, patterns, stages),
            tables,
            {"method": "imported", "source": folder.resolve().name},
        )
    except FrontError as error:
        raise FrontError(f"{folder}: {error}") from error
