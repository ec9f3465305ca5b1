"""Sampling patterns: which pixels index a table, and how a rotation moves them.

Convention
----------
Offsets are (row, col) from the pixel that is read for, rows downwards, columns to the
right. A table's axes are the pattern's pixels in the order given here.
"""

from __future__ import annotations

__all__ = ["PATTERNS", "QUARTER_TURNS", "Offset", "Offsets", "rotate"]

Offset = tuple[int, int]
Offsets = tuple[Offset, ...]

QUARTER_TURNS: tuple[int, ...] = (0, 1, 2, 3)

#: The patterns of LeRF [1]_; the published files call ``x`` by the letter ``t``.
#:
#: References
#: ----------
#: .. [1] Li et al., "Learning Steerable Function for Efficient Image Resampling",
#:    CVPR 2023, section 3.3.
PATTERNS: dict[str, Offsets] = {
    "s": ((0, 0), (0, 1), (1, 0), (1, 1)),
    "c": ((0, 0), (0, 1), (0, 2), (0, 3)),
    "x": ((0, 0), (1, 1), (2, 2), (3, 3)),
}


def rotate(offsets: Offsets, quarter_turns: int) -> Offsets:
    """Turn offsets by 90 degrees `quarter_turns` times: (row, col) -> (col, -row).

    Reading the turned pattern on the image is reading the upright pattern on
    ``numpy.rot90(image, quarter_turns)``.

    Examples
    --------
    >>> rotate(((0, 0), (0, 1)), 1)
    ((0, 0), (1, 0))
    """
    for _ in range(quarter_turns % 4):
        offsets = tuple((col, -row) for row, col in offsets)
    return offsets
