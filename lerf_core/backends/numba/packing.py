"""Tables packed for the fast reads: one set of pixels, sorted once, serves many reads.

The pixels of a pattern in its four rotations are the same sets of four pixels seen from
other members, and interpolation over a simplex commutes with permuting the axes. So the
reads of a stage are grouped by the set of pixels they touch: with the patterns S, C and X
five sets a pixel (one square, two runs, two diagonals) serve twelve reads. The tables of
the reads that share a set are permuted onto the set's own axes and packed side by side
into 64-bit words, four 16-bit lanes a word, so that one table access and one
multiplication serve four values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.bank.model import LutBank
from lerf_core.bank.patterns import Offset
from lerf_core.bank.stages import Read, turned
from lerf_core.constants import ENTRY_BIAS

__all__ = ["LANES", "LANE_BITS", "PackedStage", "pack_stage"]

LANES = 4
LANE_BITS = 16


@dataclass(frozen=True)
class PackedStage:
    """A stage in the form that `reads.stage_rows` takes.

    Attributes
    ----------
    words : ndarray of uint64, (n_words, nodes**4)
        Biased entries (entry + 127), up to four lanes a word.
    pixels : ndarray of int64, (n_sets, 4, 2)
        (row, col) offsets of each set's pixels from its first one, in axis order.
    set_words : ndarray of int64, (n_sets, 2)
        First and last + 1 of the uses in `word_uses` that belong to a set.
    word_uses : ndarray of int64, (n_uses, 3)
        Word, and first and last + 1 of its fields in `fields`.
    fields : ndarray of int64, (n_fields, 4)
        Value, bits to shift right, and (row, col) of the set's first pixel relative to
        the pixel that is read for.
    """

    words: npt.NDArray[np.uint64]
    pixels: npt.NDArray[np.int64]
    set_words: npt.NDArray[np.int64]
    word_uses: npt.NDArray[np.int64]
    fields: npt.NDArray[np.int64]
    values: int


class _Lane(NamedTuple):
    """One column of a table, its axes in the set's order, and the value it adds to."""

    table: str
    order: tuple[int, ...]
    column: int
    sign: int
    value: int
    first: Offset


def pack_stage(bank: LutBank, stage: int) -> PackedStage:
    """Group the reads of a stage by the sets they touch, and pack their tables."""
    values = bank.stages[stage].values
    sets: dict[tuple[Offset, ...], list[tuple[Read, tuple[int, ...], Offset]]] = {}
    for read in bank.reads(stage):
        order = tuple(sorted(range(4), key=read.offsets.__getitem__))
        first = read.offsets[order[0]]
        shape = tuple((read.offsets[k][0] - first[0], read.offsets[k][1] - first[1]) for k in order)
        sets.setdefault(shape, []).append((read, order, first))

    words: list[npt.NDArray[np.uint64]] = []
    known: dict[tuple[object, ...], int] = {}  # equal words are stored once
    set_words: list[tuple[int, int]] = []
    word_uses: list[tuple[int, int, int]] = []
    fields: list[tuple[int, int, int, int]] = []
    for members in sets.values():
        lanes = [
            _Lane(read.table, order, column, sign, value, first)
            for read, order, first in members
            for value, (column, sign) in enumerate(turned(values, read.turns))
        ]
        begin = len(word_uses)
        for start in range(0, len(lanes), LANES):
            chunk = lanes[start : start + LANES]
            key = tuple(lane[:4] for lane in chunk)
            if key not in known:
                known[key] = len(words)
                words.append(_pack_word(bank, chunk))
            first_field = len(fields)
            for number, lane in enumerate(chunk):
                fields.append((lane.value, number * LANE_BITS, *lane.first))
            word_uses.append((known[key], first_field, len(fields)))
        set_words.append((begin, len(word_uses)))
    return PackedStage(
        words=np.stack(words),
        pixels=np.array(list(sets), dtype=np.int64),
        set_words=np.array(set_words, dtype=np.int64),
        word_uses=np.array(word_uses, dtype=np.int64),
        fields=np.array(fields, dtype=np.int64),
        values=len(values),
    )


def _pack_word(bank: LutBank, lanes: list[_Lane]) -> npt.NDArray[np.uint64]:
    word = np.zeros(bank.nodes**4, dtype=np.uint64)
    for number, lane in enumerate(lanes):
        table = bank.tables[lane.table][..., lane.column].transpose(lane.order)
        entries = lane.sign * table.astype(np.int64) + ENTRY_BIAS
        word |= entries.reshape(-1).astype(np.uint64) << np.uint64(number * LANE_BITS)
    return word
