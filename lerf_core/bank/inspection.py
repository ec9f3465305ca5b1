"""What a bank's tables say: slices of them, a stage's answer to a point or an edge, statistics.

Arrays alone; ``lerf models inspect`` draws them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.bank.analytic import analytic_bank
from lerf_core.bank.files import table_name
from lerf_core.bank.model import LutBank
from lerf_core.bank.patterns import Offset
from lerf_core.bank.stages import turned_columns
from lerf_core.constants import ENTRY_BIAS, LEVELS
from lerf_core.errors import InvalidArgumentError

__all__ = [
    "SLICES",
    "TableStatistics",
    "edge_response",
    "point_response",
    "table_outcome",
    "table_slice",
    "table_statistics",
]

Map = npt.NDArray[np.float32]

#: Slices of a table by two grey levels, 0 or 1, for each of a pattern's four pixels: a point
#: before its surroundings, and an edge between the pattern's halves.
SLICES: dict[str, tuple[int, int, int, int]] = {"point": (0, 1, 1, 1), "edge": (0, 0, 1, 1)}


@dataclass(frozen=True)
class TableStatistics:
    """Statistics of the entries of one value of a table.

    Attributes
    ----------
    table, value : str
        Names of the table and of the value.
    minimum, median, maximum : float
        Of the entries, which lie in -127..127.
    clipped : float
        Share of the entries at -127 or 127.
    unvisited : float or None
        Share of the entries that equal those that training began with; None where these are
        not known.
    step, largest_step : float
        Mean and greatest difference between neighbouring nodes along an axis, in entries.
    """

    table: str
    value: str
    minimum: float
    median: float
    maximum: float
    clipped: float
    unvisited: float | None
    step: float
    largest_step: float


def table_outcome(bank: LutBank, table: str) -> Map:
    """Return, for each entry of a table, what its stage gives where all reads find that entry.

    Parameters
    ----------
    bank : LutBank
    table : str
        A name in ``bank.tables``.

    Returns
    -------
    ndarray of float32, (nodes, nodes, nodes, nodes, values)
        The feature in grey levels, or the parameters in 0..1; not clipped. Slopes are those
        of the upright read: turned reads mean the same in their own directions.
        `lerf_core.inspection.COEFFICIENTS` turns them into grey levels per pixel.

    Raises
    ------
    InvalidArgumentError
        If the bank has no such table.

    Examples
    --------
    >>> outcome = table_outcome(analytic_bank(), "stage1.s.0")
    >>> float(outcome[3, 0, 0, 0, 0])  # the identity: three nodes are 48 grey levels
    48.0
    """
    if table not in bank.tables:
        raise InvalidArgumentError(f"the tables are {', '.join(bank.tables)}, got {table!r}")
    number = _stage_of(table)
    stage = bank.stages[number]
    factors = [stage.reads / divisor for divisor in stage.divisor]
    value = bank.tables[table].astype(np.float32) * np.array(factors, np.float32)
    value += np.array(stage.bias, np.float32)
    return value / np.float32(LEVELS) if number == len(bank.stages) - 1 else value


def _stage_of(table: str) -> int:
    """Return the stage of a table, counted from 0."""
    return int(table.partition(".")[0].removeprefix("stage")) - 1


def table_slice(bank: LutBank, table: str, which: Sequence[int]) -> Map:
    """Cut a table by two grey levels.

    Parameters
    ----------
    bank : LutBank
    table : str
        A name in ``bank.tables``.
    which : sequence of int
        For each of the pattern's four pixels whether it has the first level (0), that of the
        result's rows, or the second (1), that of its columns; see `SLICES`.

    Returns
    -------
    ndarray of float32, (nodes, nodes, values)
        `table_outcome` there; node n is the grey level ``n * bank.interval``.

    Raises
    ------
    InvalidArgumentError
        If the bank has no such table, or `which` is not four of 0 and 1.

    Examples
    --------
    >>> cut = table_slice(analytic_bank(), "stage1.s.0", SLICES["point"])
    >>> cut.shape, float(cut[3, :, 0].max())
    ((17, 17, 1), 48.0)
    """
    if len(which) != 4 or any(level not in (0, 1) for level in which):
        raise InvalidArgumentError(f"which must be four of 0 and 1, got {which!r}")
    levels = np.ogrid[: bank.nodes, : bank.nodes]
    plane: Map = table_outcome(bank, table)[tuple(levels[level] for level in which)]
    return plane


def point_response(bank: LutBank, stage: int) -> Map:
    """Return what a whole stage gives at a pixel in flat surroundings.

    All its reads then see the same two levels, so this is the stage's answer to an image of
    one odd pixel, at the nodes.

    Parameters
    ----------
    bank : LutBank
    stage : int
        Counted from 0.

    Returns
    -------
    ndarray of float32, (nodes, nodes, values)
        For the pixel's level along rows and its surroundings' along columns (node n is ``n *
        bank.interval``): the feature in grey levels, or the parameters in 0..1; clipped to
        their range, not rounded. Where opposite reads share a table the slopes are level.

    Raises
    ------
    InvalidArgumentError
        If the bank has no such stage.

    Examples
    --------
    >>> float(point_response(analytic_bank(), 0)[3, 8, 0])
    48.0
    """
    return _response(bank, stage, lambda offset: offset != (0, 0))


def edge_response(bank: LutBank, stage: int) -> Map:
    """Return what a whole stage gives at a pixel beside an upright edge, at the nodes.

    Parameters
    ----------
    bank : LutBank
    stage : int
        Counted from 0.

    Returns
    -------
    ndarray of float32, (nodes, nodes, values)
        For the level of the pixel, and of all above, below and left of it, along rows and the
        level right of it along columns; otherwise as `point_response`.

    Raises
    ------
    InvalidArgumentError
        If the bank has no such stage.

    Examples
    --------
    >>> float(edge_response(analytic_bank(), 0)[3, 8, 0])
    48.0
    """
    return _response(bank, stage, lambda offset: offset[1] > 0)


def _response(bank: LutBank, stage: int, is_second: Callable[[Offset], bool]) -> Map:
    """Return what a stage gives at a pixel of an image of two levels.

    `is_second` tells for a (row, col) offset from the pixel whether the second level is there.
    The result is as `point_response` has it.
    """
    if not 0 <= stage < len(bank.stages):
        raise InvalidArgumentError(f"stage must lie in 0..{len(bank.stages) - 1}, got {stage}")
    spec = bank.stages[stage]
    levels = np.ogrid[: bank.nodes, : bank.nodes]
    total = np.zeros((bank.nodes, bank.nodes, len(spec.values)), np.int64)
    for read in bank.reads(stage):
        index = tuple(levels[int(is_second(offset))] for offset in read.offsets)
        columns, signs = np.transpose(turned_columns(spec.values, read.turns))
        total += bank.tables[read.table][index][..., columns] * signs
    value = np.clip(total / np.array(spec.divisor) + np.array(spec.bias), spec.lowest, LEVELS)
    return np.asarray(value / LEVELS if stage == len(bank.stages) - 1 else value, np.float32)


def table_statistics(bank: LutBank, start: LutBank | None = None) -> list[TableStatistics]:
    """Return statistics of the entries of each value of each table.

    Parameters
    ----------
    bank : LutBank
    start : LutBank or None
        The bank that training began with, of the same stages and interval. None: the
        identity for features and, for the parameters that it has, the analytic bank.

    Returns
    -------
    list of TableStatistics
        In the order of stages, patterns, rotation groups and values.

    Raises
    ------
    InvalidArgumentError
        If the start's tables do not match the bank's.

    Examples
    --------
    >>> first = table_statistics(analytic_bank())[0]
    >>> first.table, first.value, first.unvisited, first.step
    ('stage1.s.0', 'feature', 1.0, 1.0)
    """
    statistics = []
    for name, table in bank.tables.items():
        stage = _stage_of(name)
        for column, value in enumerate(bank.stages[stage].values):
            entries = table[..., column].astype(np.int16)
            initial = _initial_entries(bank, start, name, stage, column)
            steps = [np.abs(np.diff(entries, axis=axis)) for axis in range(4)]
            statistics.append(
                TableStatistics(
                    table=name,
                    value=value,
                    minimum=float(entries.min()),
                    median=float(np.median(entries)),
                    maximum=float(entries.max()),
                    clipped=float(np.mean(np.abs(entries) == ENTRY_BIAS)),
                    unvisited=None if initial is None else float(np.mean(entries == initial)),
                    step=float(np.mean([step.mean() for step in steps])),
                    largest_step=float(max(step.max() for step in steps)),
                )
            )
    return statistics


def _initial_entries(
    bank: LutBank, start: LutBank | None, table: str, number: int, column: int
) -> npt.NDArray[Any] | None:
    """Return the entries that training began with, or None where they are not known.

    They are those of a value (a column) of a table of stage `number`, counted from 0; of the
    shape of the table without its last axis, or broadcast to it.
    """
    if start is not None:
        initial = start.tables.get(table)
        if initial is None or initial.shape != bank.tables[table].shape:
            raise InvalidArgumentError(
                f"{start.name!r} is no start of {bank.name!r}: table {table!r} does not match"
            )
        return np.asarray(initial[..., column])
    stage = bank.stages[number]
    if number < len(bank.stages) - 1:
        identity = np.arange(bank.nodes) * (bank.interval * stage.divisor[column] / stage.reads)
        return np.asarray(np.rint(identity)[:, None, None, None])
    analytic = analytic_bank()
    last = analytic.stages[-1]
    if stage.values[column] not in last.values:
        return None
    analytic_column = last.values.index(stage.values[column])
    factor = stage.divisor[column] / stage.reads
    if (factor, stage.bias[column]) != (
        last.divisor[analytic_column] / last.reads,
        last.bias[analytic_column],
    ):
        return None
    entries = analytic.tables[table_name(len(analytic.stages), last.patterns[0], 0)][0, 0, 0, 0]
    return np.asarray(entries[analytic_column])
