"""Where the numbers of a line lie; see `lines`."""

__all__ = [
    "COL",
    "COL_SLOPE",
    "CROSS",
    "LEVEL",
    "LINE",
    "PITCH",
    "ROW",
    "ROW_SLOPE",
    "SEGMENT",
    "TENT",
    "VALIDITY",
]

# Columns of a segment: of the source where there are phases, else of the result.
SEGMENT = 512
# A line has a place for the pixel on either side of the segment, and for whole vectors. It is one
# flat array, whose rows begin at constant places: the compiler then knows that no two loads
# interfere.
PITCH = SEGMENT + 32
LEVEL, ROW, CROSS, COL, ROW_SLOPE, COL_SLOPE, VALIDITY = (PITCH * k for k in range(7))
LINE = 7 * PITCH
TENT = ROW  # the tent's slope
