"""What a bank's tables mean: kinds of parameters, stages of table reads, and single reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from lerf_core.bank.patterns import QUARTER_TURNS, Offsets
from lerf_core.constants import ENTRY_BIAS, LOCAL_PLANE_BIAS

__all__ = [
    "KINDS",
    "LOCAL_PLANE",
    "NETWORK_KIND",
    "SLOPES",
    "Kind",
    "Read",
    "Stage",
    "block_values",
    "lowest_of",
    "turned_columns",
    "two_stages",
]

#: The two components of a local plane's slope; they are a vector and turn with the reads.
SLOPES = ("slope_row", "slope_col")
#: The parameters that make a pixel a local plane, in the order of every kind that has them: the
#: slope, and the difference of the level at the pixel from the feature.
LOCAL_PLANE = (*SLOPES, "residual")


@dataclass(frozen=True)
class Kind:
    """What the last stage's values mean.

    Attributes
    ----------
    name : str
        ``"lerf-g"``, ``"lerf-l"`` or ``"lerf-p"``; ``"lerf-n"`` of networks.
    values : tuple of str
        The parameters that a read of the last stage gives, in table order: those of the
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


#: What the values of a block of pixels are called, before their row and column.
_BLOCK = "level"
_STEERED = ("rho", "sigma_row", "sigma_col")

#: The kinds of tables.
KINDS: dict[str, Kind] = {
    "lerf-g": Kind("lerf-g", _STEERED, "gaussian"),
    "lerf-l": Kind("lerf-l", ("alpha",), "linear"),
    "lerf-p": Kind("lerf-p", (*_STEERED, *LOCAL_PLANE), "gaussian"),
}


#: Banks whose parameters a network predicts, from red, green and blue together: local planes.
NETWORK_KIND = Kind("lerf-n", KINDS["lerf-p"].values, "gaussian")


@dataclass(frozen=True, init=False)
class Stage:
    """One round of table reads over an image.

    The sum of all reads of a value is divided by the value's divisor, raised by its bias, rounded
    (half to even) and clipped to 0..255, those of `LOCAL_PLANE` to 1..255.

    Attributes
    ----------
    patterns : tuple of str
        Names of the sampling patterns.
    rotation_groups : tuple of tuple of int
        The quarter turns that share a table; together each of 0..3 once.
    values : tuple of str
        The values that a read gives.
    divisor, bias : tuple of int
        One for each value; an int stands for the same for all.
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
        divisors, biases = (
            tuple(given) if isinstance(given, (tuple, list)) else (given,) * len(values)
            for given in (divisor, bias)
        )
        attributes = {
            "patterns": patterns, "rotation_groups": rotation_groups, "values": values,
            "divisor": divisors, "bias": biases,
        }  # fmt: skip
        for name, value in attributes.items():
            object.__setattr__(self, name, value)

    @property
    def lowest(self) -> tuple[int, ...]:
        """For each value the least that the stage can give."""
        return tuple(map(lowest_of, self.values))

    @property
    def reads(self) -> int:
        """Number of table reads per pixel."""
        return len(self.patterns) * len(QUARTER_TURNS)


def lowest_of(value: str) -> int:
    """Return the least that a parameter can be, of 0..255."""
    return 1 if value in LOCAL_PLANE else 0


def block_values(scale: int) -> tuple[str, ...]:
    """Return what a read gives that enlarges: the levels of a block of pixels, row by row.

    Examples
    --------
    >>> block_values(2)
    ('level.0.0', 'level.0.1', 'level.1.0', 'level.1.1')
    """
    size = range(scale)
    return tuple(f"{_BLOCK}.{row}.{col}" for row in size for col in size)


@dataclass(frozen=True)
class Read:
    """One of a stage's reads.

    Attributes
    ----------
    offsets : tuple of (int, int)
        The pixels that index the table, (row, col) from the pixel that is read for.
    table : str
        The table's name.
    turns : int
        Quarter turns of the pattern, and so of the vectors among the table's values.
    """

    offsets: Offsets
    table: str
    turns: int


def turned_columns(values: tuple[str, ...], turns: int) -> tuple[tuple[int, int], ...]:
    """Return for each value of a turned read the column of the table that holds it, and its sign.

    Slopes turn as the offsets do: a quarter turn makes (row, col) into (col, -row). So do the
    pixels of a block, around its centre.

    Examples
    --------
    >>> turned_columns(("rho", "slope_row", "slope_col", "residual"), 1)
    ((0, 1), (2, 1), (1, -1), (3, 1))
    >>> turned_columns(block_values(2), 1)
    ((2, 1), (0, 1), (3, 1), (1, 1))
    """
    columns = [(column, 1) for column in range(len(values))]
    if values[0].startswith(_BLOCK):
        size = isqrt(len(values))
        for _ in range(turns % 4):
            columns = [
                columns[(size - 1 - col) * size + row] for row in range(size) for col in range(size)
            ]
    if SLOPES[0] in values:
        slope = slice(values.index(SLOPES[0]), values.index(SLOPES[1]) + 1)
        for _ in range(turns % 4):
            (row, row_sign), (col, col_sign) = columns[slope]
            columns[slope] = (col, col_sign), (row, -row_sign)
    return tuple(columns)


def two_stages(kind: Kind, patterns: tuple[str, ...]) -> tuple[Stage, Stage]:
    """Return the stages of the published systems: a pre-filter, then the parameters."""
    shared_by_all = (QUARTER_TURNS,)
    # Directional ensemble: opposite directions share a table, crossed ones do not.
    directional = ((0, 2), (1, 3))
    count = len(patterns)
    biases = [LOCAL_PLANE_BIAS if value in LOCAL_PLANE else ENTRY_BIAS for value in kind.values]
    return (
        Stage(patterns, shared_by_all, ("feature",), divisor=count, bias=0),
        Stage(patterns, directional, kind.values, divisor=4 * count, bias=biases),
    )
