"""Values that functions and commands let users choose from. Light: imports nothing."""

from __future__ import annotations

__all__ = ["BORDER_MODES", "SAMPLING_INTERVALS"]

#: Names of `numpy.pad`: what lies beyond the border of the image.
BORDER_MODES = ("constant", "edge", "symmetric", "reflect", "wrap")
#: Grey levels between two nodes of a table.
SAMPLING_INTERVALS = (8, 16, 32, 64)
