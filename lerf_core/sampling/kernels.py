"""Fixed kernels: what a source pixel weighs by its distance alone.

Convention
----------
A distance is the source pixel's position minus the output's, along an axis and in source pixels
(`lerf_core.sampling.taps`). Kernels are given unnormalised, as their authors give them: the weights
of an output pixel are divided by their sum. Where an axis shrinks, a kernel is stretched by the
filter scale.

References
----------
.. [1] C. Shannon's sinc, windowed by C. Duchon, "Lanczos Filtering in One and Two Dimensions",
   Journal of Applied Meteorology 18(8), 1979.
.. [2] R. Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE
   Transactions on Acoustics, Speech, and Signal Processing 29(6), 1981.
.. [3] D. Mitchell and A. Netravali, "Reconstruction Filters in Computer Graphics", Computer
   Graphics (SIGGRAPH) 22(4), 1988.
.. [4] J. Costella, "The Magic Kernel", http://www.johncostella.com/magic, 2013 and 2021.
.. [5] A. Shocher, "ResizeRight", https://github.com/assafshocher/ResizeRight, 2021: its cubic,
   lanczos2, lanczos3, linear and box are those of the same names here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.constants import CUBIC_SLOPE
from lerf_core.errors import InvalidArgumentError, InvalidTypeError

__all__ = [
    "COLOUR_KERNEL",
    "KERNELS",
    "AreaKernel",
    "Kernel",
    "NearestKernel",
    "box",
    "bspline2",
    "cubic",
    "hermite",
    "keys_kernel",
    "lanczos",
    "linear",
    "magic_kernel_sharp",
    "nearest",
]

Positions = npt.NDArray[np.float64]

# Distances this close to the end of the box count as on it: rounding of positions.
_BOX_EPS = 1e-9
# Weights of Costella's sharpening, from the centre outwards [4]_; both sum up to 1.
_SHARP_2013 = (3 / 2, -1 / 4)
_SHARP_2021 = (17 / 12, -35 / 144, 1 / 24, -1 / 144)


@dataclass(frozen=True)
class Kernel:
    """A fixed kernel.

    Attributes
    ----------
    name : str
    radius : float
        In pixels at filter scale 1: distances beyond it weigh nothing. That of an area is half of
        an output pixel; half of a source pixel comes on top.
    function : callable
        From distances at filter scale 1, float64, to unnormalised weights, float64, alike to both
        sides; a function of a module, so that kernels can be pickled. Called with the parameters
        as keywords.
    parameters : tuple of (name, value)
        Numbers that can be chosen.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If the radius is not positive and finite, or the function cannot be called.

    Examples
    --------
    >>> KERNELS["linear"].weights(np.array([0.0, 0.25, 1.0]), 1.0).tolist()
    [1.0, 0.75, 0.0]
    """

    name: str
    radius: float
    function: Callable[..., Positions]
    parameters: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InvalidTypeError(f"function of a kernel must be callable, got {self.function!r}")
        if not 0 < self.radius < math.inf:
            raise InvalidArgumentError(
                f"radius of a kernel must be positive and finite, got {self.radius!r}"
            )

    def __str__(self) -> str:
        """Return what `lerf_core.get_kernel` takes for it: name, and parameters of its own."""
        if KERNELS.get(self.name) == self or not self.parameters:
            return self.name
        return f"{self.name}:{','.join(f'{name}={value!r}' for name, value in self.parameters)}"

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        function: Any = self.function
        if getattr(function, "__module__", None) == __name__:
            function = function.__qualname__  # told apart by that, without dask
        return ("lerf-kernel", type(self).__name__, self.name, self.radius, function,
                self.parameters)  # fmt: skip

    def weights(self, distance: Positions, filter_scale: Positions | float) -> Positions:
        """Return unnormalised weights of source pixels.

        Parameters
        ----------
        distance : ndarray of float64
            The source pixel's position minus the output's, in source pixels.
        filter_scale : float or ndarray of float64
            What the kernel is stretched by; broadcasts.
        """
        return self.function(distance / filter_scale, **dict(self.parameters))

    @property
    def is_area(self) -> bool:
        """Whether weights are the share of an output pixel that each source pixel covers."""
        return False

    @property
    def is_learned(self) -> bool:
        """Whether it is a learned function for shrinking, which takes more than a kernel."""
        return False

    def support(self, filter_scale: float) -> float:
        """Return how many source pixels away, to either side, a pixel may weigh something."""
        return self.radius * filter_scale

    def filter_scale(self, scale: float, *, anti_aliasing: bool) -> float:
        """Return the filter scale of an axis of a grid, given its output pixels per source pixel.

        It is the inverse of the scale where that shrinks and `anti_aliasing` is wanted, else 1.
        """
        return max(1.0, 1.0 / scale) if anti_aliasing else 1.0


@dataclass(frozen=True)
class AreaKernel(Kernel):
    """How much of an output pixel each source pixel covers; a filter scale is its width."""

    @property
    def is_area(self) -> bool:
        """True."""
        return True

    def weights(self, distance: Positions, filter_scale: Positions | float) -> Positions:
        """Return the length, in source pixels, that output and source pixel have in common."""
        reach = (np.asarray(filter_scale) + 1) / 2
        overlap: Positions = np.clip(reach - np.abs(distance), 0.0, np.minimum(filter_scale, 1.0))
        return overlap

    def support(self, filter_scale: float) -> float:
        """Return half of an output pixel's width plus half of a source pixel's."""
        return (filter_scale + 1) / 2

    def filter_scale(self, scale: float, *, anti_aliasing: bool) -> float:
        """Return the width of an output pixel; without `anti_aliasing` at most 1."""
        return 1.0 / scale if anti_aliasing else min(1.0, 1.0 / scale)


@dataclass(frozen=True)
class NearestKernel(Kernel):
    """The nearest source pixel, at any scale; of two equally near ones the first."""

    def weights(
        self,
        distance: Positions,
        filter_scale: Positions | float,  # noqa: ARG002 - never stretched
    ) -> Positions:
        """Return `nearest`, never stretched."""
        return nearest(distance)

    def support(self, filter_scale: float) -> float:  # noqa: ARG002
        """Return a pixel: of the two around a position, either may be the one."""
        return 2 * self.radius


# -- functions of the distance --------------------------------------------------------------


def box(distance: Positions) -> Positions:
    """Return 1 for distances above -0.5 and up to 0.5, as Pillow has it, else 0.

    Of two pixels at the ends it takes the second.
    """
    return ((distance > -0.5 + _BOX_EPS) & (distance <= 0.5 + _BOX_EPS)).astype(np.float64)


def nearest(distance: Positions) -> Positions:
    """Return 1 for distances from -0.5 on and below 0.5, else 0: of two pixels the first."""
    return ((distance >= -0.5 - _BOX_EPS) & (distance < 0.5 - _BOX_EPS)).astype(np.float64)


def linear(distance: Positions) -> Positions:
    """Return the triangle 1 - |x|."""
    triangle: Positions = np.maximum(1 - np.abs(distance), 0.0)
    return triangle


def hermite(distance: Positions) -> Positions:
    """Return Hermite's cubic 2|x|**3 - 3|x|**2 + 1, flat at 0 and at 1."""
    x = np.minimum(np.abs(distance), 1.0)
    return (2 * x - 3) * x * x + 1


def cubic(distance: Positions, b: float, c: float) -> Positions:
    """Return the cubic of Mitchell and Netravali [3]_; it reaches two pixels to both sides.

    With b = 0 it is Keys' kernel [2]_ of slope -c at distance 1, which interpolates.
    """
    x = np.abs(distance)
    inner = ((2 - 1.5 * b - c) * x - (3 - 2 * b - c)) * x * x + (1 - b / 3)
    outer = (((-b / 6 - c) * x + (b + 5 * c)) * x - (2 * b + 8 * c)) * x + (4 * b / 3 + 4 * c)
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))


def lanczos(distance: Positions, lobes: int) -> Positions:
    """Return sinc(x) sinc(x / lobes) within `lobes` pixels to both sides [1]_."""
    x = np.where(np.abs(distance) < lobes, distance, 0.0)
    return np.where(np.abs(distance) < lobes, _sinc(x) * np.sinc(x / lobes), 0.0)


def _sinc(x: Positions) -> Positions:
    """Return sin(pi x) / (pi x), exactly 0 at all integers but 0."""
    whole = np.rint(x)
    sine = np.sin(np.pi * (x - whole)) * np.where(whole % 2 == 0, 1.0, -1.0)
    return np.where(x == 0, 1.0, sine / np.where(x == 0, 1.0, np.pi * x))


def bspline2(distance: Positions) -> Positions:
    """Return the quadratic B-spline: Costella's Magic Kernel [4]_."""
    x = np.abs(distance)
    return np.where(x < 0.5, 0.75 - x * x, np.square(np.maximum(1.5 - x, 0.0)) / 2)


def magic_kernel_sharp(distance: Positions, sharpening: tuple[float, ...]) -> Positions:
    """Return the Magic Kernel after a sharpening of whole pixels [4]_.

    Parameters
    ----------
    distance : ndarray of float64
    sharpening : tuple of float
        Weights of the pixels at distances 0, 1, ... of either side.
    """
    total = sharpening[0] * bspline2(distance)
    for step, weight in enumerate(sharpening[1:], 1):
        total = total + weight * (bspline2(distance - step) + bspline2(distance + step))
    return total


def lanczos2(distance: Positions) -> Positions:
    """Return `lanczos` of two lobes."""
    return lanczos(distance, 2)


def lanczos3(distance: Positions) -> Positions:
    """Return `lanczos` of three lobes."""
    return lanczos(distance, 3)


def lanczos4(distance: Positions) -> Positions:
    """Return `lanczos` of four lobes."""
    return lanczos(distance, 4)


def magic_kernel_sharp_2013(distance: Positions) -> Positions:
    """Return `magic_kernel_sharp` with the weights of 2013."""
    return magic_kernel_sharp(distance, _SHARP_2013)


def magic_kernel_sharp_2021(distance: Positions) -> Positions:
    """Return `magic_kernel_sharp` with the weights of 2021."""
    return magic_kernel_sharp(distance, _SHARP_2021)


# -- the kernels by name --------------------------------------------------------------------


def _cubic(name: str, b: float, c: float) -> Kernel:
    return Kernel(name, 2.0, cubic, (("b", b), ("c", c)))


#: The kernels by their names.
KERNELS: dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        NearestKernel("nearest", 0.5, nearest),
        Kernel("box", 0.5, box),
        Kernel("linear", 1.0, linear),
        Kernel("hermite", 1.0, hermite),
        _cubic("cubic", 0.0, 0.5),
        _cubic("catmull-rom", 0.0, 0.5),
        _cubic("mitchell", 1 / 3, 1 / 3),
        Kernel("lanczos2", 2.0, lanczos2),
        Kernel("lanczos3", 3.0, lanczos3),
        Kernel("lanczos4", 4.0, lanczos4),
        Kernel("magic-kernel-sharp-2013", 2.5, magic_kernel_sharp_2013),
        Kernel("magic-kernel-sharp-2021", 4.5, magic_kernel_sharp_2021),
        AreaKernel("area", 0.5, linear),
    )
}


def keys_kernel(slope: float) -> Kernel:
    """Return Keys' cubic kernel [2]_ of a slope at distance 1 (-0.5 for his own)."""
    return _cubic("cubic", 0.0, -slope)


#: By which ``fast=True`` resizes colour differences.
COLOUR_KERNEL = keys_kernel(CUBIC_SLOPE)
