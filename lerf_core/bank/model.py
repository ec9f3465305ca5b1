"""LutBank: the look-up tables of one model with their description."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.bank.base import Bank, checked_record, flattened, parsed_description
from lerf_core.bank.compression import (
    DIAGONAL,
    check_diagonal,
    compressed,
    expanded,
    kept_entries,
)
from lerf_core.bank.files import Table, table_name, write_folder
from lerf_core.bank.patterns import PATTERNS, QUARTER_TURNS, Offset, Offsets, rotate
from lerf_core.bank.stages import KINDS, LOCAL_PLANE, Kind, Read, Stage, two_stages
from lerf_core.choices import SAMPLING_INTERVALS
from lerf_core.constants import ENTRY_BIAS, LEVELS, LOCAL_PLANE_BIAS
from lerf_core.errors import BankError

__all__ = ["TABLES_FORMAT", "LutBank"]

#: Format of the files of tables.
TABLES_FORMAT = "lerf-bank"
# Of whole tables, and of compressed ones, which older versions of this library cannot read.
_FORMAT_VERSION, _COMPRESSED_VERSION = 1, 2
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
    diagonal : int, optional
        The tables are compressed (`lerf_core.bank.compression`): files hold the entries so near
        the diagonal, and every second one of the others. None: all entries.

    Raises
    ------
    BankError
        If the arguments do not fit each other, or tables are not what their kept entries expand to.
    """

    name: str
    kind: Kind
    interval: int
    patterns: Mapping[str, Offsets]
    stages: tuple[Stage, ...]
    tables: Mapping[str, Table]
    training: Mapping[str, Any] = field(default_factory=dict)
    diagonal: int | None = None

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
        if self.diagonal is not None:
            check_diagonal(self.diagonal, self.nodes)
            for key, table in frozen.items():
                kept = compressed(table, self.diagonal)
                if not np.array_equal(expanded(kept, self.nodes, self.diagonal), table):
                    raise BankError(f"table {key!r} is not what its kept entries expand to")

    # -- tables and reads ---------------------------------------------------------

    @property
    def nodes(self) -> int:
        """Number of nodes along each axis of a table."""
        return _nodes_of(self.interval)

    @cached_property
    def tensors(self) -> Mapping[str, npt.NDArray[np.int8]]:
        """See `Bank.tensors`: the tables, or what is kept of compressed ones, (kept, values)."""
        if self.diagonal is None:
            return self.tables
        kept = {key: compressed(table, self.diagonal) for key, table in self.tables.items()}
        return MappingProxyType(kept)

    def compressed(self, diagonal: int = DIAGONAL) -> LutBank:
        """Return the bank with compressed tables; see `lerf_core.bank.compression`.

        Parameters
        ----------
        diagonal : int, optional
            Entries are kept whose nodes are all within so many of the first pixel's.

        Raises
        ------
        BankError
            If the bank is compressed already, or `diagonal` is out of range.
        """
        if self.diagonal is not None:
            raise BankError(f"bank {self.name!r} is compressed already")
        check_diagonal(diagonal, self.nodes)
        tables = {
            key: expanded(compressed(table, diagonal), self.nodes, diagonal)
            for key, table in self.tables.items()
        }
        return dataclasses.replace(self, tables=tables, diagonal=diagonal)

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
        is_whole = self.diagonal is None
        return {
            "format": TABLES_FORMAT,
            "version": _FORMAT_VERSION if is_whole else _COMPRESSED_VERSION,
            **({} if is_whole else {"diagonal": self.diagonal}),
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
        cls,
        text: str,
        tensors: Mapping[str, npt.NDArray[np.int8]],
        *,
        origin: str,
        verify: bool = True,
    ) -> LutBank:
        """Make a bank of the JSON text of its `metadata` and of its arrays.

        Parameters
        ----------
        text : str
        tensors : mapping of str to ndarray of int8
            See `tensors`.
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
            interval, diagonal = int(data["interval"]), None
            tables = tensors
            if data["version"] == _COMPRESSED_VERSION:
                nodes = _nodes_of(interval)
                diagonal = check_diagonal(data["diagonal"], nodes)
                tables = {
                    key: expanded(_checked_dtype(key, kept), nodes, diagonal)
                    for key, kept in tensors.items()
                }
            return cls(
                name=str(data["name"]),
                kind=KINDS[data["kind"]],
                interval=interval,
                patterns={
                    str(key): tuple(_parsed_offset(pair) for pair in value)
                    for key, value in data["patterns"].items()
                },
                stages=tuple(_parsed_stage(stage) for stage in data["stages"]),
                tables=tables,
                training=dict(data["training"]),
                diagonal=diagonal,
            )

        formats = (TABLES_FORMAT, _FORMAT_VERSION, _COMPRESSED_VERSION)
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
            **self._describe_compression(),
            "bytes": self.nbytes,
            "checksum": self.checksum,
            **flattened("training", self.training),
        }

    def _describe_compression(self) -> dict[str, Any]:
        if self.diagonal is None:
            return {}
        kept, every = len(kept_entries(self.nodes, self.diagonal).kept), self.nodes**4
        words = f"{kept} of {every} entries a table, all within {self.diagonal} nodes"
        return {"compression": words}

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes by the constructor's arguments; mapping proxies do not."""
        mappings = (dict(self.patterns), self.stages, dict(self.tables), dict(self.training))
        return LutBank, (self.name, self.kind, self.interval, *mappings, self.diagonal)

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


def _nodes_of(interval: int) -> int:
    """Return the nodes along an axis of tables of an interval.

    Raises
    ------
    BankError
        If no table has it.
    """
    if interval not in SAMPLING_INTERVALS:
        raise BankError(f"sampling interval must be 8, 16, 32 or 64, got {interval!r}")
    return 256 // interval + 1


def _check_structure(bank: LutBank) -> None:
    _nodes_of(bank.interval)
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
    table = _checked_dtype(key, table)
    if table.shape != shape:
        raise BankError(f"table {key!r} must have shape {shape}, got {table.shape}")
    if table.min() < -ENTRY_BIAS:
        raise BankError(f"entries of table {key!r} must lie in -127..127, got {table.min()}")
    table = np.array(table, order="C")
    table.flags.writeable = False
    return table


def _checked_dtype(key: str, table: object) -> npt.NDArray[np.int8]:
    """Return an array of entries, if it is one."""
    if not isinstance(table, np.ndarray) or table.dtype != np.int8:
        kind = table.dtype if isinstance(table, np.ndarray) else type(table).__name__
        raise BankError(f"table {key!r} must be int8, got {kind}")
    return table
