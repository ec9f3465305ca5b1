"""Tables that are read in stages: which pixels index which table, and whether all of it fits.

What banks of tables and cascades (`lerf_core.fronts.cascade`) have in common.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from lerf_core.bank.compression import (
    check_diagonal,
    compressed,
    expanded,
    kept_entries,
)
from lerf_core.bank.files import Table, table_name
from lerf_core.bank.patterns import QUARTER_TURNS, Offset, Offsets, rotate
from lerf_core.bank.stages import Read, Stage
from lerf_core.choices import DIAGONAL, SAMPLING_INTERVALS
from lerf_core.constants import ENTRY_BIAS, LEVELS
from lerf_core.errors import BankError

__all__ = ["StagedTables", "checked_tables", "parsed_patterns", "parsed_stage", "parsed_tables"]

AnyTables = TypeVar("AnyTables", bound="StagedTables")
_MAX_REACH = 8
_MAX_DIVISOR = 1 << 16
# Compiled code sums the reads of a deep image in 32 bits.
_MAX_READS = 256


class StagedTables:
    """Stages of table reads.

    Attributes
    ----------
    name : str
        Short name, for people.
    interval : int
        Grey levels between two nodes of a table: 8, 16, 32 or 64.
    patterns : mapping of str to tuple of (int, int)
        (row, col) offsets of each pattern; the pixels are the table's axes in order.
    stages : tuple of Stage
    tables : mapping of str to ndarray of int8
        See `checked_tables`.
    diagonal : int or None
        The tables are compressed (`lerf_core.bank.compression`): files hold the entries so near
        the diagonal, and every second one of the others. None: all entries.
    """

    name: str
    interval: int
    patterns: Mapping[str, Offsets]
    stages: tuple[Stage, ...]
    tables: Mapping[str, Table]
    diagonal: int | None

    @property
    def nodes(self) -> int:
        """Number of nodes along each axis of a table."""
        return _nodes_of(self.interval)

    @cached_property
    def tensors(self) -> Mapping[str, npt.NDArray[np.int8]]:
        """See `Described.tensors`: tables, or what is kept of compressed ones, (kept, values)."""
        if self.diagonal is None:
            return self.tables
        kept = {key: compressed(table, self.diagonal) for key, table in self.tables.items()}
        return MappingProxyType(kept)

    def compressed(self: AnyTables, diagonal: int = DIAGONAL) -> AnyTables:
        """Return the same with compressed tables; see `lerf_core.bank.compression`.

        Parameters
        ----------
        diagonal : int, optional
            Entries are kept whose nodes are all within so many of the first pixel's.

        Raises
        ------
        BankError
            If they are compressed already, or `diagonal` is out of range.
        """
        if self.diagonal is not None:
            raise BankError(f"bank {self.name!r} is compressed already")
        check_diagonal(diagonal, self.nodes)
        tables = {
            key: expanded(compressed(table, diagonal), self.nodes, diagonal)
            for key, table in self.tables.items()
        }
        # Every form is a dataclass with these.
        replaced = dataclasses.replace(cast("Any", self), tables=tables, diagonal=diagonal)
        return cast("AnyTables", replaced)

    def describe_compression(self) -> dict[str, Any]:
        """Return what a person wants to know of the compression, if there is any."""
        if self.diagonal is None:
            return {}
        kept, every = len(kept_entries(self.nodes, self.diagonal).kept), self.nodes**4
        words = f"{kept} of {every} entries a table, all within {self.diagonal} nodes"
        return {"compression": words}

    @cached_property
    def stage_reach(self) -> int:
        """How far a stage's reads reach, in pixels: the largest absolute offset."""
        return max(
            abs(step) for offsets in self.patterns.values() for offset in offsets for step in offset
        )

    @property
    def full_reach(self) -> int:
        """How far from a pixel the reads of all stages together reach, in pixels."""
        return self.stage_reach * len(self.stages)

    def reads(self, stage: int) -> Iterator[Read]:
        """Yield the reads of a stage (counted from 0) with their rotated offsets."""
        spec = self.stages[stage]
        for pattern in spec.patterns:
            for group, rotations in enumerate(spec.rotation_groups):
                for turns in rotations:
                    offsets = rotate(self.patterns[pattern], turns)
                    yield Read(offsets, table_name(stage + 1, pattern, group), turns)

    @property
    def reads_per_pixel(self) -> str:
        """How many table reads each stage takes per pixel, for people."""
        return " + ".join(str(stage.reads) for stage in self.stages)


def checked_tables(staged: StagedTables, last_values: tuple[str, ...]) -> dict[str, Table]:
    """Check interval, patterns and stages; return read-only copies of the tables.

    Parameters
    ----------
    staged : StagedTables
        `tables` holds for each stage, pattern and rotation group an int8 array of shape
        ``(nodes, nodes, nodes, nodes, len(stage.values))``, entries in -127..127.
    last_values : tuple of str
        What a read of the last stage has to give; those before give a feature.

    Raises
    ------
    BankError
        If they do not fit each other.
    """
    _check_structure(staged, last_values)
    checked = {
        key: _checked_table(key, staged.tables.get(key), shape)
        for key, shape in _expected_tables(staged).items()
    }
    extra = sorted(set(staged.tables) - set(checked))
    if extra:
        raise BankError(f"bank {staged.name!r} has tables that no stage reads: {extra}")
    if staged.diagonal is not None:
        check_diagonal(staged.diagonal, staged.nodes)
        for key, table in checked.items():
            kept = compressed(table, staged.diagonal)
            if not np.array_equal(expanded(kept, staged.nodes, staged.diagonal), table):
                raise BankError(f"table {key!r} is not what its kept entries expand to")
    return checked


# -- JSON -------------------------------------------------------------------------


def parsed_patterns(patterns: Any) -> dict[str, Offsets]:
    """Return patterns of their JSON form."""
    return {
        str(key): tuple(_parsed_offset(pair) for pair in value) for key, value in patterns.items()
    }


def parsed_tables(
    tensors: Mapping[str, npt.NDArray[np.int8]], interval: int, diagonal: object
) -> Mapping[str, Table]:
    """Return the tables of a file's arrays: expanded, unless `diagonal` is None.

    Raises
    ------
    BankError
        If they cannot be expanded.
    """
    if diagonal is None:
        return tensors
    nodes = _nodes_of(interval)
    number = check_diagonal(diagonal, nodes)
    return {
        key: expanded(_checked_dtype(key, kept), nodes, number) for key, kept in tensors.items()
    }


def parsed_stage(stage: Any, values: tuple[str, ...]) -> Stage:
    """Return a stage of its JSON form, given what its reads give."""
    divisor, bias = (
        tuple(int(number) for number in given) if isinstance(given, list) else int(given)
        for given in (stage["divisor"], stage["bias"])
    )
    return Stage(
        patterns=tuple(str(pattern) for pattern in stage["patterns"]),
        rotation_groups=tuple(
            tuple(int(turns) for turns in group) for group in stage["rotation_groups"]
        ),
        values=values,
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


def _check_structure(staged: StagedTables, last_values: tuple[str, ...]) -> None:
    _nodes_of(staged.interval)
    if len(staged.stages) < 1:
        raise BankError(f"bank {staged.name!r} has no stages")
    for pattern, offsets in staged.patterns.items():
        if len(offsets) != 4 or len(set(offsets)) != 4 or offsets[0] != (0, 0):
            raise BankError(
                f"pattern {pattern!r} must be 4 different pixels from (0, 0) on, got {offsets}"
            )
        if max(abs(step) for offset in offsets for step in offset) > _MAX_REACH:
            raise BankError(f"pattern {pattern!r} reaches beyond {_MAX_REACH} pixels: {offsets}")
    for number, stage in enumerate(staged.stages, 1):
        last = number == len(staged.stages)
        values = last_values if last else ("feature",)
        if stage.values != values:
            raise BankError(f"stage {number} must give {values}, got {stage.values}")
        if sorted(sum(stage.rotation_groups, ())) != list(QUARTER_TURNS):
            raise BankError(
                f"rotation groups of stage {number} must hold each of 0..3 once, "
                f"got {stage.rotation_groups}"
            )
        unknown = [pattern for pattern in stage.patterns if pattern not in staged.patterns]
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


def _expected_tables(staged: StagedTables) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the tables that stages read."""
    return {
        table_name(number, pattern, group): (staged.nodes,) * 4 + (len(stage.values),)
        for number, stage in enumerate(staged.stages, 1)
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
