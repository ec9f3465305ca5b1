"""Values that functions and commands let users choose from. Light: imports nothing."""

from __future__ import annotations

__all__ = [
    "BORDER_MODES",
    "CASCADE_SCALES",
    "DIAGONAL",
    "KERNEL_ALIASES",
    "KERNEL_NAMES",
    "LABEL_METHODS",
    "LEARNED_KERNEL",
    "SAMPLING_INTERVALS",
]

#: Names of `numpy.pad`: what lies beyond the border of the image.
BORDER_MODES = ("constant", "edge", "symmetric", "reflect", "wrap")
#: The learned function for shrinking (`lerf_core.sampling.shrinking`).
LEARNED_KERNEL = "lerf-s"
#: Kernels (`lerf_core.sampling.kernels`).
KERNEL_NAMES = (
    "nearest",
    "box",
    "linear",
    "hermite",
    "cubic",
    "catmull-rom",
    "mitchell",
    "lanczos2",
    "lanczos3",
    "lanczos4",
    "magic-kernel-sharp-2013",
    "magic-kernel-sharp-2021",
    "area",
    LEARNED_KERNEL,
)
#: Other names of kernels: those that other tools have.
KERNEL_ALIASES = {"bilinear": "linear", "bicubic": "cubic", "lanczos": "lanczos3"}
#: How labels are resampled: by the nearest pixel, or by the label that covers most of a pixel.
LABEL_METHODS = ("nearest", "majority")
#: Grey levels between two nodes of a table.
SAMPLING_INTERVALS = (8, 16, 32, 64)
#: How many times cascades of tables enlarge.
CASCADE_SCALES = (2, 3, 4)
#: Nodes between the first pixel's and another's up to which compressed tables keep entries.
DIAGONAL = 2
