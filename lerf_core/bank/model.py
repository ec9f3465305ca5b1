"""LutBank: the look-up tables of one model with their description, in one file.

A bank file is a ``.safetensors`` file: one int8 tensor a table, and under the metadata
key ``lerf`` a JSON text that says everything the tensors do not (see
`LutBank.metadata`). Nothing in it is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.bank.patterns import PATTERNS, QUARTER_TURNS, Offsets, rotate
from lerf_core.constants import ENTRY_BIAS, LEVELS, LOCAL_PLANE_BIAS
from lerf_core.errors import (
    BankError,
    InvalidArgumentError,
)
from lerf_core.io.whole_files import write_whole

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "KINDS",
    "LOCAL_PLANE",
    "METADATA_KEY",
    "SLOPES",
    "Kind",
    "LutBank",
    "Read",
    "Stage",
    "Table",
    "analytic_bank",
    "published_files",
    "table_name",
    "turned",
    "two_stages",
]

FORMAT = "lerf-bank"
FORMAT_VERSION = 1
METADATA_KEY = "lerf"
#: The two components of a local plane's slope; they are a vector and turn with the reads.
SLOPES = ("slope_row", "slope_col")
#: What makes a pixel a local plane, in the order of every kind that has it: the slope, and
#: what the level at the pixel differs from the feature.
LOCAL_PLANE = (*SLOPES, "residual")
_MAX_REACH = 8
_MAX_DIVISOR = 1 << 16
# Compiled reads sum up a deep image's entries in 32 bits.
_MAX_READS = 256
_PUBLISHED_PATTERN_LETTERS = {"s": "s", "c": "c", "x": "t"}

Table = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Kind:
    """What the last stage's values mean.

    Attributes
    ----------
    name : str
        ``"lerf-g"``, ``"lerf-l"`` or ``"lerf-p"``.
    values : tuple of str
        The parameters a read of the last stage gives, in table order: those of the
        weighting, then `LOCAL_PLANE` where each pixel is a local plane.
    weighting : str
        ``"gaussian"``: the steered Gaussian of the paper's equation 5;
        ``"linear"``: the amplified linear (tent) function of the extension.
    """

    name: str
    values: tuple[str, ...]
    weighting: str

    @property
    def has_local_planes(self) -> bool:
        """Whether a pixel is a local plane (kernel regression of order 1) or a level."""
        return self.values[-len(LOCAL_PLANE) :] == LOCAL_PLANE


_STEERED = ("rho", "sigma_row", "sigma_col")

KINDS: dict[str, Kind] = {
    "lerf-g": Kind("lerf-g", _STEERED, "gaussian"),
    "lerf-l": Kind("lerf-l", ("alpha",), "linear"),
    "lerf-p": Kind("lerf-p", (*_STEERED, *LOCAL_PLANE), "gaussian"),
}


@dataclass(frozen=True, init=False)
class Stage:
    """One round of table reads over an image.

    Attributes
    ----------
    patterns : tuple of str
        Names of the sampling patterns.
    rotation_groups : tuple of tuple of int
        The quarter turns that share a table; together each of 0..3 once.
    values : tuple of str
        The values that a read gives.
    divisor : tuple of int
        For each value: the sum of all reads is divided by this... One for all may be given
        as an int.
    bias : tuple of int
        ... and raised by this, then rounded (half to even) and clipped to 0..255 (those of
        `LOCAL_PLANE` to 1..255). May be given as an int as well.
    """

    patterns: tuple[str, ...]
    rotation_groups: tuple[tuple[int, ...], ...]
    values: tuple[str, ...]
    divisor: tuple[int, ...]
    bias: tuple[int, ...]

    def __init__(
        self,
        patterns: tuple[str, ...],
        rotation_groups: tuple[tuple[int, ...], ...],
        values: tuple[str, ...],
        divisor: int | Sequence[int],
        bias: int | Sequence[int],
    ) -> None:
        fields = (patterns, rotation_groups, values)
        numbers = (
            tuple(given) if isinstance(given, (tuple, list)) else (given,) * len(values)
            for given in (divisor, bias)
        )
        names = ("patterns", "rotation_groups", "values", "divisor", "bias")
        for name, value in zip(names, (*fields, *numbers), strict=True):
            object.__setattr__(self, name, value)

    @property
    def lowest(self) -> tuple[int, ...]:
        """For each value the least that the stage can give."""
        return tuple(1 if value in LOCAL_PLANE else 0 for value in self.values)

    @property
    def reads(self) -> int:
        """Number of table reads a pixel."""
        return len(self.patterns) * len(QUARTER_TURNS)


@dataclass(frozen=True)
class Read:
    """One of a stage's reads.

    Attributes
    ----------
    offsets : tuple of (int, int)
        The pixels that index the table.
    table : str
        The table's name.
    turns : int
        Quarter turns of the pattern, and so of the vectors among the table's values.
    """

    offsets: Offsets
    table: str
    turns: int


def turned(values: tuple[str, ...], turns: int) -> tuple[tuple[int, int], ...]:
    """What a turned read's values are: for each, the table's column and its sign.

    Slopes turn as the offsets do: a quarter turn makes (row, col) into (col, -row).

    Examples
    --------
    >>> turned(("rho", "slope_row", "slope_col", "residual"), 1)
    ((0, 1), (2, 1), (1, -1), (3, 1))
    """
    columns = [(column, 1) for column in range(len(values))]
    if SLOPES[0] in values:
        here = slice(values.index(SLOPES[0]), values.index(SLOPES[1]) + 1)
        for _ in range(turns % 4):
            (row, row_sign), (col, col_sign) = columns[here]
            columns[here] = (col, col_sign), (row, -row_sign)
    return tuple(columns)


def two_stages(kind: Kind, patterns: tuple[str, ...]) -> tuple[Stage, ...]:
    """Stages of the published systems: a pre-filter, then the parameters."""
    together = (QUARTER_TURNS,)
    # Directional ensemble: opposite directions share a table, crossed ones do not.
    directional = ((0, 2), (1, 3))
    count = len(patterns)
    biases = tuple(
        LOCAL_PLANE_BIAS if value in LOCAL_PLANE else ENTRY_BIAS for value in kind.values
    )
    return (
        Stage(patterns, together, ("feature",), divisor=count, bias=0),
        Stage(patterns, directional, kind.values, divisor=4 * count, bias=biases),
    )


def table_name(stage: int, pattern: str, group: int) -> str:
    """Name of a table inside a bank, for the stage counted from 1."""
    return f"stage{stage}.{pattern}.{group}"


@dataclass(frozen=True, eq=False)
class LutBank:
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
        If the parts do not fit each other.
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
        for attribute in ("patterns", "training"):
            object.__setattr__(self, attribute, MappingProxyType(dict(getattr(self, attribute))))
        try:
            json.dumps(dict(self.training), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise BankError(f"training record of {self.name!r} is not JSON: {error}") from error
        frozen = {}
        for key, shape in _expected_tables(self).items():
            frozen[key] = _checked_table(key, self.tables.get(key), shape)
        extra = sorted(set(self.tables) - set(frozen))
        if extra:
            raise BankError(f"bank {self.name!r} has tables that no stage reads: {extra}")
        object.__setattr__(self, "tables", MappingProxyType(frozen))

    # -- what it is ---------------------------------------------------------------

    @property
    def nodes(self) -> int:
        """Number of nodes along each axis of a table."""
        return 256 // self.interval + 1

    @property
    def nbytes(self) -> int:
        """Size of all tables, in bytes."""
        return sum(table.nbytes for table in self.tables.values())

    @property
    def reach(self) -> int:
        """How far a stage's reads reach, in pixels: the largest absolute offset."""
        return max(
            abs(step) for offsets in self.patterns.values() for offset in offsets for step in offset
        )

    def reads(self, stage: int) -> Iterator[Read]:
        """Yield the reads of a stage (counted from 0) with their rotated offsets."""
        spec = self.stages[stage]
        for pattern in spec.patterns:
            for group, rotations in enumerate(spec.rotation_groups):
                for turns in rotations:
                    offsets = rotate(self.patterns[pattern], turns)
                    yield Read(offsets, table_name(stage + 1, pattern, group), turns)

    @property
    def metadata(self) -> dict[str, Any]:
        """The description as it stands in the file, checksum included; JSON types."""
        return {**self._description, "checksum": self.checksum}

    @property
    def _description(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
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

    @cached_property
    def checksum(self) -> str:
        """``sha256:`` and the digest of the description and of every table's bytes."""
        digest = hashlib.sha256()
        digest.update(json.dumps(self._description, sort_keys=True).encode())
        for key in sorted(self.tables):
            digest.update(key.encode())
            digest.update(self.tables[key].tobytes())
        return f"sha256:{digest.hexdigest()}"

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
            **_flattened("training", self.training),
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LutBank) and self.checksum == other.checksum

    def __hash__(self) -> int:
        return hash(self.checksum)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes by the parts; read-only views do not pickle."""
        parts = (dict(self.patterns), self.stages, dict(self.tables), dict(self.training))
        return LutBank, (self.name, self.kind, self.interval, *parts)

    def __dask_tokenize__(self) -> str:
        return self.checksum

    def __repr__(self) -> str:
        return f"<LutBank {self.name!r}: {self.kind.name}, {self.nbytes / 1e6:.1f} MB>"

    # -- files --------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the bank to one ``.safetensors`` file, whole or not at all."""
        from safetensors.numpy import save

        path = Path(path)
        tensors = {key: np.ascontiguousarray(table) for key, table in self.tables.items()}
        text = json.dumps(self.metadata, sort_keys=True)
        data = save(tensors, metadata={METADATA_KEY: text})
        write_whole(path, data)

    def export_folder(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write the published layout: ``LUTft_s{stage}_{pattern}r{group}.npy`` files.

        The files hold int8 arrays of shape ``(nodes**4, values)``. Reading them back
        with `load_bank` gives the same tables.

        Raises
        ------
        BankError
            If the bank has patterns or stages that the published layout cannot say.
        """
        plain = two_stages(self.kind, tuple(PATTERNS))
        if self.stages != plain or dict(self.patterns) != PATTERNS:
            raise BankError(
                f"bank {self.name!r} cannot be exported: the published layout holds two stages "
                f"of the patterns {', '.join(PATTERNS)} with the published divisors alone"
            )
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for filename, key in published_files(self.stages).items():
            table = self.tables[key]
            np.save(folder / filename, table.reshape(-1, table.shape[-1]), allow_pickle=False)
            written.append(folder / filename)
        return written


def _one_or_all(numbers: tuple[int, ...]) -> int | list[int]:
    """One number where all values have the same, as every file of version 1 had it."""
    return numbers[0] if len(set(numbers)) == 1 else list(numbers)


def _flattened(prefix: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Nested keys in one, for people; what is not set is left out."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{prefix} {key}"
        if isinstance(value, Mapping):
            flat |= _flattened(name, value)
        elif isinstance(value, (list, tuple)):
            flat[name] = ", ".join(map(str, value))
        elif value is not None:
            flat[name] = value
    return flat


def published_files(stages: tuple[Stage, ...]) -> dict[str, str]:
    """File names of the published layout, with the tables they hold."""
    return {
        f"LUTft_s{number}_{_PUBLISHED_PATTERN_LETTERS[pattern]}r{group}.npy": table_name(
            number, pattern, group
        )
        for number, stage in enumerate(stages, 1)
        for pattern in stage.patterns
        for group in range(len(stage.rotation_groups))
    }


# -- validation -------------------------------------------------------------------


def _check_structure(bank: LutBank) -> None:
    if bank.interval not in (8, 16, 32, 64):
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
    return {
        table_name(number, pattern, group): (bank.nodes,) * 4 + (len(stage.values),)
        for number, stage in enumerate(bank.stages, 1)
        for pattern in stage.patterns
        for group in range(len(stage.rotation_groups))
    }


def _checked_table(key: str, table: object, shape: tuple[int, ...]) -> Table:
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


# -- the analytic bank ------------------------------------------------------------


def analytic_bank(sigma: float = 0.27) -> LutBank:
    """Compute the untrained LeRF-G bank: a fixed Gaussian interpolator.

    Stage 1 is the identity: the 12 reads of a quarter of the pixel's level, over 3. Stage
    2 is one constant: rho 0 (-1/255, the nearest value a table can say) and `sigma` in
    both directions.

    Parameters
    ----------
    sigma : float
        The sigma parameter in 0..1; a neighbour at distance d pixels weighs
        ``exp(-(10 * sigma * d)**2 / 2)``. The default scores best on photographs
        (0.255 to 0.27 are within 0.01 dB) among those that shift a ramp by less than 0.01
        source pixels at every scale: a narrower one gives neighbours one pixel away, of
        which the method takes only the first, too much weight.

    Examples
    --------
    >>> analytic_bank().kind.name
    'lerf-g'
    """
    if not 0 <= sigma <= 0.99:
        raise InvalidArgumentError(f"sigma must lie in 0..0.99, got {sigma}")
    kind = KINDS["lerf-g"]
    stages = two_stages(kind, tuple(PATTERNS))
    nodes = 17
    level = np.arange(nodes, dtype=np.int8) * 4
    identity = np.broadcast_to(level[:, None, None, None, None], (nodes,) * 4 + (1,))
    constant = np.array([0, *[round(sigma * LEVELS) - ENTRY_BIAS] * 2], dtype=np.int8)
    parameters = np.broadcast_to(constant, (nodes,) * 4 + (3,))
    tables = {}
    for number, (stage, table) in enumerate(zip(stages, (identity, parameters), strict=True), 1):
        for pattern in stage.patterns:
            for group in range(len(stage.rotation_groups)):
                tables[table_name(number, pattern, group)] = table
    training = {"method": "analytic", "sigma": sigma}
    return LutBank("analytic", kind, 16, PATTERNS, stages, tables, training)
