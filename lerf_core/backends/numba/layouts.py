"""How the arrays are laid out that kernels share with what calls them.

`lanes` of a library or of this processor (`libraries.lanes`) are what most of it counts in.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "BLOCK_WIDTH",
    "CORNERS",
    "GROUP",
    "PAIRED_VALUES",
    "RECORDS",
    "SHARED_OUTPUTS",
    "WIDTH",
    "RecordLayout",
    "block_of",
    "halved_values",
]

#: Corners of a cell of the tables, and bytes of its weights.
CORNERS = 16
#: Columns of sets of four pixels that a table read handles at once.
WIDTH = 256
#: The same of reads that enlarge, whose sums are larger.
BLOCK_WIDTH = 128
#: Bytes of a node's entry from which on two entries are multiplied at once.
PAIRED_VALUES = 32
#: Output pixels of a row that means by fixed kernels write at once.
GROUP = 64
#: Outputs of a network that all channels share; each channel has as many of its own.
SHARED_OUTPUTS = 3


def block_of(lanes: int) -> int:
    """Return how many values means by fixed kernels handle at once."""
    return 4 * lanes


def halved_values(n_bytes: int, lanes: int) -> int:
    """Return how many values of so many bytes `halve_block` writes; it reads two rows of twice."""
    return block_of(lanes) // (2 * n_bytes if n_bytes < 4 else n_bytes)


class RecordLayout(NamedTuple):
    """What the words of a record are.

    Attributes
    ----------
    weighting : {"gaussian", "linear"}
    has_local_plane : bool
    is_bytes : bool
        Whether packed parameters are bytes; else float32.
    words : int
        Of a record, 32 bits each.
    """

    weighting: str
    has_local_plane: bool
    is_bytes: bool
    words: int


#: Layouts of the records that means at scattered positions read, by their numbers.
RECORDS = {
    1: RecordLayout("linear", has_local_plane=False, is_bytes=True, words=1),
    2: RecordLayout("gaussian", has_local_plane=False, is_bytes=True, words=1),
    3: RecordLayout("gaussian", has_local_plane=True, is_bytes=True, words=4),
    4: RecordLayout("linear", has_local_plane=False, is_bytes=False, words=2),
    5: RecordLayout("gaussian", has_local_plane=False, is_bytes=False, words=4),
    6: RecordLayout("gaussian", has_local_plane=True, is_bytes=False, words=8),
}
