"""TableCascade: a front of look-up tables, read in stages, whose last one enlarges.

The method of MuLUT (Li et al., "MuLUT: Cooperating Multiple Look-Up Tables for Efficient Image
Super-Resolution", ECCV 2022); docs/method.md, section 9, has its arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isqrt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.bank.base import (
    Described,
    Record,
    checked_record,
    flattened,
    parsed_description,
)
from lerf_core.bank.files import Table
from lerf_core.bank.patterns import QUARTER_TURNS, Offsets
from lerf_core.bank.staged_tables import (
    StagedTables,
    checked_tables,
    parsed_patterns,
    parsed_stage,
    parsed_tables,
)
from lerf_core.bank.stages import Stage, block_values
from lerf_core.choices import CASCADE_SCALES
from lerf_core.constants import DEEP_CELL_BITS, ENTRY_BIAS, LEVELS
from lerf_core.errors import BankError, FrontError
from lerf_core.fronts.base import Front, Planes
from lerf_core.fronts.formats import CASCADE_FORMAT
from lerf_core.fronts.remainders import add_remainder
from lerf_core.threads import bands

if TYPE_CHECKING:
    from lerf_core.backends.contract import Backend

__all__ = [
    "CASCADE_PATTERNS",
    "MOST_STAGES",
    "TableCascade",
    "cascade_stages",
]

_FORMAT_VERSION = 1
#: The patterns of MuLUT, in the order of its name.
CASCADE_PATTERNS: Mapping[str, Offsets] = MappingProxyType(
    {
        "s": ((0, 0), (0, 1), (1, 0), (1, 1)),
        "d": ((0, 0), (0, 2), (2, 0), (2, 2)),
        "y": ((0, 0), (1, 1), (1, 2), (2, 1)),
    }
)
#: Stages of a cascade, at most.
MOST_STAGES = 8
# Rows that all stages are read for, one after the other: few enough that what stands in between is
# small, many enough that the rows read twice at the seams hardly count.
_BAND_ROWS = 192
# Bytes per pixel of a band, beside the image: coordinates, features and remainders.
_BYTE_WORK, _DEEP_WORK = 4, 32


@dataclass(frozen=True, eq=False, repr=False)
class TableCascade(StagedTables, Described, Front):
    """Look-up tables that enlarge by 2, 3 or 4; immutable.

    Parameters
    ----------
    name : str
        Short name, for people.
    interval : int
        Grey levels between two nodes of a table: 8, 16, 32 or 64.
    patterns : mapping of str to tuple of (int, int)
        (row, col) offsets of each pattern; the pixels are the table's axes in order.
    stages : tuple of Stage
        All but the last make a feature, of the image or of the feature before; the last makes of
        each pixel the block that `lerf_core.bank.block_values` says.
    tables : mapping of str to ndarray of int8
        For each stage, pattern and rotation group an array of shape
        ``(nodes, nodes, nodes, nodes, len(stage.values))``, ``nodes = 256 // interval + 1``,
        entries in -127..127.
    training : mapping, optional
        How the tables came to be; any JSON.
    diagonal : int, optional
        The tables are compressed; see `StagedTables`. None: all entries.

    Raises
    ------
    FrontError
        If the arguments do not fit each other.
    """

    name: str
    interval: int
    patterns: Mapping[str, Offsets]
    stages: tuple[Stage, ...]
    tables: Mapping[str, Table]
    training: Record = field(default_factory=dict)
    diagonal: int | None = None

    def __post_init__(self) -> None:
        try:
            tables = checked_tables(self, _last_values(self.stages))
            training = checked_record(self.name, self.training)
        except BankError as error:
            raise FrontError(str(error)) from error
        if len(self.stages) > MOST_STAGES:
            raise FrontError(f"a cascade has at most {MOST_STAGES} stages, got {len(self.stages)}")
        last = self.stages[-1]
        if len(set(last.divisor)) > 1 or len(set(last.bias)) > 1:
            raise FrontError("all pixels of a block have the same divisor and bias")
        object.__setattr__(self, "patterns", MappingProxyType(dict(self.patterns)))
        object.__setattr__(self, "tables", MappingProxyType(tables))
        object.__setattr__(self, "training", training)

    # -- a front --------------------------------------------------------------------

    @property
    def scale(self) -> int:
        """See `Front.scale`."""
        return isqrt(len(self.stages[-1].values))

    @property
    def reads_colours(self) -> bool:
        """See `Front.reads_colours`: tables read each channel on its own."""
        return False

    @property
    def reach(self) -> int:
        """See `Front.reach`."""
        return self.full_reach

    @property
    def work(self) -> str:
        """See `Front.work`."""
        return f"{self.reads_per_pixel} reads of each channel"

    def describe(self) -> dict[str, Any]:
        """See `Front.describe`."""
        return {
            "name": self.name,
            "form": "table cascade",
            "scale": self.scale,
            "reach": self.reach,
            "stages": len(self.stages),
            "reads per pixel": self.reads_per_pixel,
            "patterns": ", ".join(
                dict.fromkeys(p for stage in self.stages for p in stage.patterns)
            ),
            "sampling interval": self.interval,
            "nodes per axis": self.nodes,
            "tables": len(self.tables),
            **self.describe_compression(),
            "bytes": self.nbytes,
            "checksum": self.checksum,
            **flattened("training", self.training),
        }

    def memory_needed(self, rows: int, cols: int, channels: int, dtype: npt.DTypeLike) -> int:
        """See `Front.memory_needed`."""
        item = np.dtype(dtype).itemsize
        work = _BYTE_WORK if item == 1 else _DEEP_WORK + 2 * item * self.scale**2
        band = min(rows, _BAND_ROWS + 2 * self.reach) * cols * work
        return rows * cols * self.scale**2 * channels * item + band

    def _enlarged(self, planes: Planes, threads: int) -> Planes:
        """See `Front.enlarge`."""
        from lerf_core.backends.loading import get_backend

        return self.enlarged_by(get_backend("numba"), planes, threads)

    def enlarged_by(self, backend: Backend, planes: Planes, threads: int) -> Planes:
        """See `Front.enlarged_by`."""
        channels, rows, cols = planes.shape
        out = np.empty((channels, self.scale * rows, self.scale * cols), planes.dtype)
        for plane, target in zip(planes, out, strict=True):
            for first, last in bands(rows, _BAND_ROWS):
                block = target[self.scale * first : self.scale * last]
                block[:] = self._band(backend, plane, first, last, threads)
        return out

    def _band(self, backend: Backend, plane: Planes, first: int, last: int, threads: int) -> Planes:
        """Return what rows first..last-1 of a plane become."""
        top, bottom = self._widened(plane, first, last, len(self.stages))
        units: Planes = plane[top:bottom]
        remainder: npt.NDArray[np.float32] | None = None
        cell_bits = self.interval.bit_length() - 1
        if plane.dtype != np.uint8:
            grey_bits, cell_bits = DEEP_CELL_BITS - cell_bits, DEEP_CELL_BITS
            units, remainder = _units_of(units, grey_bits)
        start = top
        for number in range(len(self.stages) - 1):
            above, below = self._widened(plane, first, last, len(self.stages) - 1 - number)
            wanted = above - start, below - start
            units = backend.read_stage(units, self, number, cell_bits, threads, wanted)[0]
            start = above
        wanted = first - start, last - start
        block = backend.read_blocks(units, self, cell_bits, threads, wanted)
        if remainder is not None:
            add_remainder(block, remainder, first - top, last - top, self.scale)
        return block

    def _widened(self, plane: Planes, first: int, last: int, stages: int) -> tuple[int, int]:
        """Return rows first..last-1 with those around that so many stages read."""
        rows = self.stage_reach * stages
        return max(0, first - rows), min(len(plane), last + rows)

    # -- files ----------------------------------------------------------------------

    @property
    def description(self) -> dict[str, Any]:
        """See `Described.description`."""
        return {
            "format": CASCADE_FORMAT,
            "version": _FORMAT_VERSION,
            **({} if self.diagonal is None else {"diagonal": self.diagonal}),
            "name": self.name,
            "scale": self.scale,
            "interval": self.interval,
            "patterns": {key: [list(o) for o in value] for key, value in self.patterns.items()},
            "stages": [
                {
                    "patterns": list(stage.patterns),
                    "rotation_groups": [list(group) for group in stage.rotation_groups],
                    "divisor": stage.divisor[0],
                    "bias": stage.bias[0],
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
    ) -> TableCascade:
        """Make a cascade of the JSON text of its `metadata` and of its arrays.

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
        FrontError
            If they are not a cascade of a version this library reads, or the checksum differs.
        """

        def make(data: dict[str, Any]) -> TableCascade:
            scale, stages = int(data["scale"]), list(data["stages"])
            if scale not in CASCADE_SCALES:
                raise FrontError(f"scale must be 2, 3 or 4, got {scale}")
            interval, diagonal = int(data["interval"]), data.get("diagonal")
            values = [("feature",)] * (len(stages) - 1) + [block_values(scale)]
            return cls(
                name=str(data["name"]),
                interval=interval,
                patterns=parsed_patterns(data["patterns"]),
                stages=tuple(map(parsed_stage, stages, values)),
                tables=parsed_tables(tensors, interval, diagonal),
                training=dict(data["training"]),
                diagonal=diagonal,
            )

        formats = (CASCADE_FORMAT, _FORMAT_VERSION)
        return parsed_description(
            text, make, formats=formats, origin=origin, verify=verify, fault=FrontError
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes by the constructor's arguments; mapping proxies do not."""
        mappings = (dict(self.patterns), self.stages, dict(self.tables), dict(self.training))
        return TableCascade, (self.name, self.interval, *mappings, self.diagonal)


def cascade_stages(scale: int, patterns: tuple[str, ...], stages: int = 2) -> tuple[Stage, ...]:
    """Return the stages of the published cascades, with the published divisors and biases."""
    count, shared = len(patterns), (QUARTER_TURNS,)
    inner = Stage(
        patterns, shared, ("feature",), divisor=len(QUARTER_TURNS) * count, bias=ENTRY_BIAS
    )
    last = Stage(patterns, shared, block_values(scale), divisor=count, bias=0)
    return (*[inner] * (stages - 1), last)


def _last_values(stages: tuple[Stage, ...]) -> tuple[str, ...]:
    """Return what the last stage has to give.

    Raises
    ------
    FrontError
        If that is no block of a size that is known.
    """
    values = stages[-1].values if stages else ()
    scale = isqrt(len(values))
    if scale not in CASCADE_SCALES:
        raise FrontError(f"the last stage must enlarge by 2, 3 or 4, got {len(values)} values")
    return block_values(scale)


def _units_of(
    grey: Planes, grey_bits: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return units of ``2**-grey_bits`` levels, and what they cannot say, in levels."""
    unit = np.float32(1 << grey_bits)
    # NaN must never become an index: the kernels trust their coordinates.
    units = np.rint(np.nan_to_num(np.clip(grey, 0, LEVELS), nan=0.0) * unit)
    # Exact: units have fewer bits than a float32.
    return units.astype(np.int32), grey - units / unit
