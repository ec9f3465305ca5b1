"""LutBank: the look-up tables of one model with their description."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.bank.base import Bank, checked_record, flattened, parsed_description
from lerf_core.bank.files import Table, write_folder
from lerf_core.bank.patterns import PATTERNS, Offsets
from lerf_core.bank.staged_tables import (
    StagedTables,
    checked_tables,
    parsed_patterns,
    parsed_stage,
    parsed_tables,
)
from lerf_core.bank.stages import KINDS, LOCAL_PLANE, Kind, Stage, two_stages
from lerf_core.constants import LOCAL_PLANE_BIAS
from lerf_core.errors import BankError

__all__ = ["TABLES_FORMAT", "LutBank"]

#: Format of the files of tables.
TABLES_FORMAT = "lerf-bank"
# Of whole tables, and of compressed ones, which older versions of this library cannot read.
_FORMAT_VERSION, _COMPRESSED_VERSION = 1, 2


@dataclass(frozen=True, eq=False, repr=False)
class LutBank(StagedTables, Bank):
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
        tables = checked_tables(self, self.kind.values)
        _check_biases(self.stages)
        object.__setattr__(self, "patterns", MappingProxyType(dict(self.patterns)))
        object.__setattr__(self, "training", checked_record(self.name, self.training))
        object.__setattr__(self, "tables", MappingProxyType(tables))

    @property
    def reach(self) -> int:
        """How far a stage's reads reach, in pixels: the largest absolute offset."""
        return self.stage_reach

    @property
    def reads_colours(self) -> bool:
        """See `Bank.reads_colours`: tables read each channel on its own."""
        return False

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
            interval = int(data["interval"])
            diagonal = data["diagonal"] if data["version"] == _COMPRESSED_VERSION else None
            return cls(
                name=str(data["name"]),
                kind=KINDS[data["kind"]],
                interval=interval,
                patterns=parsed_patterns(data["patterns"]),
                stages=tuple(
                    parsed_stage(stage, tuple(str(value) for value in stage["values"]))
                    for stage in data["stages"]
                ),
                tables=parsed_tables(tensors, interval, diagonal),
                training=dict(data["training"]),
                diagonal=diagonal,
            )

        formats = (TABLES_FORMAT, _FORMAT_VERSION, _COMPRESSED_VERSION)
        return parsed_description(text, make, formats=formats, origin=origin, verify=verify)

    @property
    def work(self) -> str:
        """See `Bank.work`."""
        return f"{self.reads_per_pixel} reads of each channel"

    def describe(self) -> dict[str, Any]:
        """Return what a person wants to know of the bank, in a sensible order."""
        return {
            "name": self.name,
            "kind": self.kind.name,
            "values": ", ".join(self.kind.values),
            "stages": len(self.stages),
            "reads per pixel": self.reads_per_pixel,
            "patterns": ", ".join(self.patterns),
            "sampling interval": self.interval,
            "nodes per axis": self.nodes,
            "tables": len(self.tables),
            **self.describe_compression(),
            "bytes": self.nbytes,
            "checksum": self.checksum,
            **flattened("training", self.training),
        }

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


# -- validation -------------------------------------------------------------------


def _check_biases(stages: tuple[Stage, ...]) -> None:
    """Check those of local planes."""
    last = stages[-1]
    for value, bias in zip(last.values, last.bias, strict=True):
        if value in LOCAL_PLANE and bias != LOCAL_PLANE_BIAS:
            raise BankError(
                f"{value} of stage {len(stages)} must have bias {LOCAL_PLANE_BIAS}, got {bias}"
            )
