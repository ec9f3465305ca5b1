"""Values that functions and commands let users choose from. Light: imports nothing."""

from __future__ import annotations

__all__ = [
    "BORDER_MODES",
    "CASCADE_SCALES",
    "DIAGONAL",
    "FITS",
    "GRAVITIES",
    "KERNEL_ALIASES",
    "KERNEL_NAMES",
    "LABEL_METHODS",
    "LANDMARK_MODELS",
    "LEARNED_KERNEL",
    "SAMPLING_INTERVALS",
    "THIN_PLATE",
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
#: How an image is fitted to a size, by sharp's names (`lerf_core.fit`).
FITS = ("inside", "outside", "cover", "contain", "fill")
#: Which part of an image stays where it is cropped, and where it lies where it is padded: the share
#: of what is left over that lies above, and to the left; None: a half.
GRAVITIES: dict[str, tuple[float | None, float | None]] = {
    "centre": (None, None),
    "north": (0, None),
    "northeast": (0, 1),
    "east": (None, 1),
    "southeast": (1, 1),
    "south": (1, None),
    "southwest": (1, 0),
    "west": (None, 0),
    "northwest": (0, 0),
    "center": (None, None),
}
#: The spline that meets every landmark.
THIN_PLATE = "thin-plate"
#: What is fitted to landmarks (`lerf_core.geometry.registration`); the first by default.
LANDMARK_MODELS = ("affine", "similarity", "rigid", "translation", "homography", THIN_PLATE)
#: Grey levels between two nodes of a table.
SAMPLING_INTERVALS = (8, 16, 32, 64)
#: How many times cascades of tables enlarge.
CASCADE_SCALES = (2, 3, 4)
#: Nodes between the first pixel's and another's up to which compressed tables keep entries.
DIAGONAL = 2
