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
from lerf_core.bank.stages import turned
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
    """What the entries of one value of a table are like.

    Attributes
    ----------
    table, value : str
        Which.
    minimum, median, maximum : float
        Of the entries, which lie in -127..127.
    clipped : float
        Share of the entries at -127 or 127.
    unvisited : float or None
        Share of the entries that equal the start's; None where no start is known.
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
    """Return what a stage would give if all its reads said the same as one entry.

    Parameters
    ----------
    bank : LutBank
    table : str
        A name in ``bank.tables``.

    Returns
    -------
    ndarray of float32, (nodes, nodes, nodes, nodes, values)
        The feature in grey levels, or the parameters in 0..1; not clipped. Slopes are those
        of the unturned read: the others say the same in their own directions.
        `lerf_core.inspection.COEFFICIENTS` makes grey levels a pixel of them.

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
    if len(which) != 4 or any(one not in (0, 1) for one in which):
        raise InvalidArgumentError(f"which must be four of 0 and 1, got {which!r}")
    levels = np.ogrid[: bank.nodes, : bank.nodes]
    index = tuple(levels[one] for one in which)
    cut: Map = table_outcome(bank, table)[index]
    return cut


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
    """Answer an image of two levels; `is_second` tells where, from the pixel, the second is."""
    if not 0 <= stage < len(bank.stages):
        raise InvalidArgumentError(f"stage must lie in 0..{len(bank.stages) - 1}, got {stage}")
    spec = bank.stages[stage]
    levels = np.ogrid[: bank.nodes, : bank.nodes]
    total = np.zeros((bank.nodes, bank.nodes, len(spec.values)), np.int64)
    for read in bank.reads(stage):
        index = tuple(levels[int(is_second(offset))] for offset in read.offsets)
        columns, signs = np.transpose(turned(spec.values, read.turns))
        total += bank.tables[read.table][index][..., columns] * signs
    value = np.clip(total / np.array(spec.divisor) + np.array(spec.bias), spec.lowest, LEVELS)
    return np.asarray(value / LEVELS if stage == len(bank.stages) - 1 else value, np.float32)


def table_statistics(bank: LutBank, start: LutBank | None = None) -> list[TableStatistics]:
    """Describe the entries of each value of each table.

    Parameters
    ----------
    bank : LutBank
    start : LutBank or None
        The bank that training set out from, of the same stages and interval. None: the
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
    found = []
    for name, table in bank.tables.items():
        number = _stage_of(name)
        for place, value in enumerate(bank.stages[number].values):
            entries = table[..., place].astype(np.int16)
            initial = _initial(bank, start, name, number, place)
            steps = [np.abs(np.diff(entries, axis=axis)) for axis in range(4)]
            found.append(
                TableStatistics(
                    name,
                    value,
                    float(entries.min()),
                    float(np.median(entries)),
                    float(entries.max()),
                    float(np.mean(np.abs(entries) == ENTRY_BIAS)),
                    None if initial is None else float(np.mean(entries == initial)),
                    float(np.mean([step.mean() for step in steps])),
                    float(max(step.max() for step in steps)),
                )
            )
    return found


def _initial(
    bank: LutBank, start: LutBank | None, table: str, number: int, place: int
) -> npt.NDArray[Any] | None:
    """Return the entries that training set out from, or None where they are not known."""
    if start is not None:
        other = start.tables.get(table)
        if other is None or other.shape != bank.tables[table].shape:
            raise InvalidArgumentError(
                f"{start.name!r} is no start of {bank.name!r}: table {table!r} does not match"
            )
        return np.asarray(other[..., place])
    stage = bank.stages[number]
    if number < len(bank.stages) - 1:
        level = np.arange(bank.nodes) * (bank.interval * stage.divisor[place] / stage.reads)
        return np.asarray(np.rint(level)[:, None, None, None])
    plain = analytic_bank()
    last = plain.stages[-1]
    if stage.values[place] not in last.values:
        return None
    known = last.values.index(stage.values[place])
    factors = (stage.divisor[place] / stage.reads, last.divisor[known] / last.reads)
    if factors[0] != factors[1] or stage.bias[place] != last.bias[known]:
        return None
    constant = plain.tables[table_name(len(plain.stages), last.patterns[0], 0)][0, 0, 0, 0]
    return np.asarray(constant[known])
