"""LutBank: the look-up tables of one model with their description."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from lerf_core.bank.base import Bank, checked_record, flattened, parsed_description
from lerf_core.bank.files import Table, table_name, write_folder
from lerf_core.bank.patterns import PATTERNS, QUARTER_TURNS, Offset, Offsets, rotate
from lerf_core.bank.stages import KINDS, LOCAL_PLANE, Kind, Read, Stage, two_stages
from lerf_core.choices import SAMPLING_INTERVALS
from lerf_core.constants import ENTRY_BIAS, LEVELS, LOCAL_PLANE_BIAS
from lerf_core.errors import BankError

__all__ = ["TABLES_FORMAT", "LutBank"]

#: Format of the files of tables.
TABLES_FORMAT = "lerf-bank"
_FORMAT_VERSION = 1
_MAX_REACH = 8
_MAX_DIVISOR = 1 << 16
# Compiled code sums the reads of a deep image in 32 bits.
_MAX_READS = 256


@dataclass(frozen=True, eq=False, repr=False)
class LutBank(Bank):
    """The tables of one model and their description; immutable.

    Parameters
    ----------
    name : str
        Short name, for people.
    kind : Kind
        Meaning of the last stage's values.
    interval : int
        Grey levels between two nodes of a table: 8, 16, 32 or 64.
    patterns : mapping of str to tuple of (int, int)
        (row, col) offsets of each pattern; the pixels are the table's axes in order.
    stages : tuple of Stage
        All but the last make the feature from the image; the last makes the parameters.
    tables : mapping of str to ndarray of int8
        For each stage, pattern and rotation group an array of shape
        ``(nodes, nodes, nodes, nodes, len(stage.values))``, ``nodes = 256 // interval + 1``,
        entries in -127..127.
    training : mapping, optional
        How the tables came to be; any JSON.

    Raises
    ------
    BankError
        If the arguments do not fit each other.
    """

    name: str
    kind: Kind
    interval: int
    patterns: Mapping[str, Offsets]
    stages: tuple[Stage, ...]
    tables: Mapping[str, Table]
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_structure(self)
        object.__setattr__(self, "patterns", MappingProxyType(dict(self.patterns)))
        object.__setattr__(self, "training", checked_record(self.name, self.training))
        frozen = {
            key: _checked_table(key, self.tables.get(key), shape)
            for key, shape in _expected_tables(self).items()
        }
        extra = sorted(set(self.tables) - set(frozen))
        if extra:
            raise BankError(f"bank {self.name!r} has tables that no stage reads: {extra}")
        object.__setattr__(self, "tables", MappingProxyType(frozen))

    # -- tables and reads ---------------------------------------------------------

    @property
    def nodes(self) -> int:
        """Number of nodes along each axis of a table."""
        return 256 // self.interval + 1

    @property
    def tensors(self) -> Mapping[str, Table]:
        """See `Bank.tensors`: the tables."""
        return self.tables

    @property
    def reads_colours(self) -> bool:
        """See `Bank.reads_colours`: tables read each channel on its own."""
        return False

    @cached_property
    def reach(self) -> int:
        """How far a stage's reads reach, in pixels: the largest absolute offset."""
        return max(
            abs(step) for offsets in self.patterns.values() for offset in offsets for step in offset
        )

    @property
    def full_reach(self) -> int:
        """How far from a pixel the reads of all stages together reach, in pixels."""
        return self.reach * len(self.stages)

    def reads(self, stage: int) -> Iterator[Read]:
        """Yield the reads of a stage (counted from 0) with their rotated offsets."""
        spec = self.stages[stage]
        for pattern in spec.patterns:
            for group, rotations in enumerate(spec.rotation_groups):
                for turns in rotations:
                    offsets = rotate(self.patterns[pattern], turns)
                    yield Read(offsets, table_name(stage + 1, pattern, group), turns)

    # -- description --------------------------------------------------------------

    @property
    def description(self) -> dict[str, Any]:
        """See `Bank.description`."""
        return {
            "format": TABLES_FORMAT,
            "version": _FORMAT_VERSION,
            "name": self.name,
            "kind": self.kind.name,
            "interval": self.interval,
            "patterns": {key: [list(o) for o in value] for key, value in self.patterns.items()},
            "stages": [
                {
                    "patterns": list(stage.patterns),
                    "rotation_groups": [list(group) for group in stage.rotation_groups],
                    "values": list(stage.values),
                    "divisor": _one_or_all(stage.divisor),
                    "bias": _one_or_all(stage.bias),
                }
                for stage in self.stages
            ],
            "training": dict(self.training),
        }

    @classmethod
    def from_metadata(
        cls, text: str, tables: Mapping[str, Table], *, origin: str, verify: bool = True
    ) -> LutBank:
        """Make a bank of the JSON text of its `metadata` and of its tables.

        Parameters
        ----------
        text : str
        tables : mapping of str to ndarray of int8
            See `LutBank`.
        origin : str
            The file that they come from, for messages.
        verify : bool
            Whether the checksum has to be right; not for tables that have changed since.

        Raises
        ------
        BankError
            If they are not a bank of a version this library reads, or the checksum differs.
        """

        def make(data: dict[str, Any]) -> LutBank:
            if data["kind"] not in KINDS:
                raise BankError(f"kind must be one of {', '.join(KINDS)}, got {data['kind']!r}")
            return cls(
                name=str(data["name"]),
                kind=KINDS[data["kind"]],
                interval=int(data["interval"]),
                patterns={
                    str(key): tuple(_parsed_offset(pair) for pair in value)
                    for key, value in data["patterns"].items()
                },
                stages=tuple(_parsed_stage(stage) for stage in data["stages"]),
                tables=tables,
                training=dict(data["training"]),
            )

        formats = (TABLES_FORMAT, _FORMAT_VERSION)
        return parsed_description(text, make, formats=formats, origin=origin, verify=verify)

    @property
    def work(self) -> str:
        """See `Bank.work`."""
        return f"{' + '.join(str(stage.reads) for stage in self.stages)} reads of each channel"

    def describe(self) -> dict[str, Any]:
        """Return what a person wants to know of the bank, in a sensible order."""
        return {
            "name": self.name,
            "kind": self.kind.name,
            "values": ", ".join(self.kind.values),
            "stages": len(self.stages),
            "reads per pixel": " + ".join(str(stage.reads) for stage in self.stages),
            "patterns": ", ".join(self.patterns),
            "sampling interval": self.interval,
            "nodes per axis": self.nodes,
            "tables": len(self.tables),
            "bytes": self.nbytes,
            "checksum": self.checksum,
            **flattened("training", self.training),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes by the constructor's arguments; mapping proxies do not."""
        mappings = (dict(self.patterns), self.stages, dict(self.tables), dict(self.training))
        return LutBank, (self.name, self.kind, self.interval, *mappings)

    # -- files --------------------------------------------------------------------

    def export_folder(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write the published layout: ``LUTft_s{stage}_{pattern}r{group}.npy`` files.

        The files hold int8 arrays of shape ``(nodes**4, values)``. Reading them back
        with `load_bank` gives the same tables.

        Raises
        ------
        BankError
            If the bank has patterns or stages that the published layout cannot say.
        """
        published = two_stages(self.kind, tuple(PATTERNS))
        if self.stages != published or dict(self.patterns) != PATTERNS:
            raise BankError(
                f"bank {self.name!r} cannot be exported: the published layout holds two stages "
                f"of the patterns {', '.join(PATTERNS)} with the published divisors alone"
            )
        return write_folder(Path(folder), self.tables)


# -- JSON -------------------------------------------------------------------------


def _one_or_all(numbers: tuple[int, ...]) -> int | list[int]:
    """Return one number where all values have the same, as every file of version 1 had it."""
    return numbers[0] if len(set(numbers)) == 1 else list(numbers)


def _parsed_stage(stage: Any) -> Stage:
    divisor, bias = (
        tuple(int(number) for number in given) if isinstance(given, list) else int(given)
        for given in (stage["divisor"], stage["bias"])
    )
    return Stage(
        patterns=tuple(str(pattern) for pattern in stage["patterns"]),
        rotation_groups=tuple(
            tuple(int(turns) for turns in group) for group in stage["rotation_groups"]
        ),
        values=tuple(str(value) for value in stage["values"]),
        divisor=divisor,
        bias=bias,
    )


def _parsed_offset(pair: Any) -> Offset:
    row, col = pair
    return int(row), int(col)


# -- validation -------------------------------------------------------------------


def _check_structure(bank: LutBank) -> None:
    if bank.interval not in SAMPLING_INTERVALS:
        raise BankError(f"sampling interval must be 8, 16, 32 or 64, got {bank.interval!r}")
    if len(bank.stages) < 1:
        raise BankError(f"bank {bank.name!r} has no stages")
    for pattern, offsets in bank.patterns.items():
        if len(offsets) != 4 or len(set(offsets)) != 4 or offsets[0] != (0, 0):
            raise BankError(
                f"pattern {pattern!r} must be 4 different pixels from (0, 0) on, got {offsets}"
            )
        if max(abs(step) for offset in offsets for step in offset) > _MAX_REACH:
            raise BankError(f"pattern {pattern!r} reaches beyond {_MAX_REACH} pixels: {offsets}")
    for number, stage in enumerate(bank.stages, 1):
        last = number == len(bank.stages)
        values = bank.kind.values if last else ("feature",)
        if stage.values != values:
            raise BankError(f"stage {number} must give {values}, got {stage.values}")
        if sorted(sum(stage.rotation_groups, ())) != list(QUARTER_TURNS):
            raise BankError(
                f"rotation groups of stage {number} must hold each of 0..3 once, "
                f"got {stage.rotation_groups}"
            )
        unknown = [pattern for pattern in stage.patterns if pattern not in bank.patterns]
        if unknown or not stage.patterns or len(set(stage.patterns)) != len(stage.patterns):
            raise BankError(f"patterns of stage {number} are not usable: {stage.patterns}")
        _check_numbers(number, stage)
        if stage.reads > _MAX_READS:
            raise BankError(f"stage {number} has {stage.reads} reads, at most {_MAX_READS} fit")


def _check_numbers(number: int, stage: Stage) -> None:
    if not len(stage.divisor) == len(stage.bias) == len(stage.values):
        raise BankError(
            f"stage {number} needs a divisor and a bias for each of {stage.values}, "
            f"got {stage.divisor}, {stage.bias}"
        )
    fits = all(1 <= divisor <= _MAX_DIVISOR for divisor in stage.divisor)
    if not (fits and all(abs(bias) <= LEVELS for bias in stage.bias)):
        raise BankError(
            f"divisor and bias of stage {number} are out of range: {stage.divisor}, {stage.bias}"
        )
    for value, bias in zip(stage.values, stage.bias, strict=True):
        if value in LOCAL_PLANE and bias != LOCAL_PLANE_BIAS:
            raise BankError(
                f"{value} of stage {number} must have bias {LOCAL_PLANE_BIAS}, got {bias}"
            )


def _expected_tables(bank: LutBank) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the tables that a bank's stages read."""
    return {
        table_name(number, pattern, group): (bank.nodes,) * 4 + (len(stage.values),)
        for number, stage in enumerate(bank.stages, 1)
        for pattern in stage.patterns
        for group in range(len(stage.rotation_groups))
    }


def _checked_table(key: str, table: object, shape: tuple[int, ...]) -> Table:
    """Return a read-only copy of a table in C order, or raise."""
    if table is None:
        raise BankError(f"table {key!r} is missing")
    if not isinstance(table, np.ndarray) or table.dtype != np.int8:
        kind = table.dtype if isinstance(table, np.ndarray) else type(table).__name__
        raise BankError(f"table {key!r} must be int8, got {kind}")
    if table.shape != shape:
        raise BankError(f"table {key!r} must have shape {shape}, got {table.shape}")
    if table.min() < -ENTRY_BIAS:
        raise BankError(f"entries of table {key!r} must lie in -127..127, got {table.min()}")
    table = np.array(table, order="C")
    table.flags.writeable = False
    return table
