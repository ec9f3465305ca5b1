"""The learned function that shrinks images, and the taps that it needs along an axis.

Two small images are made of the source by separable kernels: a sharp one and a smooth one. The
sharp one holds what an enlargement can make use of, and more of what lies beyond the small image's
Nyquist frequency than may show. How much of it may show the smooth image says: it is free of
aliases, so that a pixel's 3x3 neighbourhood in it tells how much there is to see at all. The result
is the sharp image,

- within the range of those 3x3 smooth pixels, widened by a part of itself;
- within the range of the source's pixels nearby, widened by 3/32 of itself, so that no hard edge
  overshoots by more (flat areas stay exactly flat).

Near scale 1, where there is nothing to shrink, all of this fades into Lanczos' interpolation, which
leaves pixels as they are.

Both kernels are cubic splines, symmetric, whose coefficients are learned
(`lerf_training.shrinking`), and are stretched by the filter scale of their axis. Nothing depends on
which values are black and white: the result of ``a * image + b`` is ``a * result + b``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.sampling.kernel_taps import KernelTaps, kernel_taps
from lerf_core.sampling.kernels import Kernel, lanczos3

__all__ = [
    "KNOTS_PER_PIXEL",
    "ShrinkingKernel",
    "ShrinkingTaps",
    "load_shrinking_kernel",
    "shrinking_kernel",
    "shrinking_taps",
    "spline",
]

Positions = npt.NDArray[np.float64]

#: Knots of the splines.
KNOTS_PER_PIXEL = 4
# Filter scale from which on the learned kernels stand alone.
_LEARNED_FROM = 1.05
# Output pixels to either side whose source pixels bound a result.
_NEARBY = 1.5
# Coefficients of a spline, at least: it reaches to the next output pixel.
_LEAST_COEFFICIENTS = KNOTS_PER_PIXEL + 1
_FORMAT, _VERSION = "lerf-shrinking-kernel", 1


def spline(distance: Positions, coefficients: tuple[float, ...]) -> Positions:
    """Return a symmetric cubic spline.

    Parameters
    ----------
    distance : ndarray of float64
        In output pixels.
    coefficients : tuple of float
        Of the cubic B-splines at the knots 0, 1/4, 2/4, ... to either side; it reaches to the last
        of them, and is cut off there.
    """
    x = np.abs(distance) * KNOTS_PER_PIXEL
    total = np.zeros_like(x)
    for knot, coefficient in enumerate(coefficients):
        basis = _cubic_bspline(x - knot)
        if knot:
            basis = basis + _cubic_bspline(x + knot)
        total = total + coefficient * basis
    return np.where(x < len(coefficients) - 1, total, 0.0)


def _cubic_bspline(x: Positions) -> Positions:
    x = np.abs(x)
    inner = 2 / 3 - x * x + x * x * x / 2
    return np.where(x < 1, inner, np.power(np.maximum(2 - x, 0.0), 3) / 6)


def _share(filter_scale: Positions | float) -> Positions:
    """Return how much of the learned kernels there is at a filter scale, 0..1."""
    share: Positions = np.clip((np.asarray(filter_scale) - 1) / (_LEARNED_FROM - 1), 0.0, 1.0)
    return share


@dataclass(frozen=True)
class SplineKernel(Kernel):
    """A spline, which fades into Lanczos' kernel where the filter scale nears 1."""

    def weights(self, distance: Positions, filter_scale: Positions | float) -> Positions:
        """Return weights that sum up to 1 over distances a pixel apart, about."""
        share, x = _share(filter_scale), distance / filter_scale
        learned = super().weights(distance, filter_scale) / self.integral
        return share * learned + (1 - share) * lanczos3(x)

    @property
    def coefficients(self) -> tuple[float, ...]:
        """The spline's; see `spline`."""
        parameters: dict[str, Any] = dict(self.parameters)
        coefficients: tuple[float, ...] = parameters["coefficients"]
        return coefficients

    @cached_property
    def integral(self) -> float:
        """The kernel's integral."""
        fine = np.arange(-self.radius, self.radius, 1 / 256) + 1 / 512
        return float(spline(fine, self.coefficients).sum() / 256)


def nearby(distance: Positions) -> Positions:
    """Return 1 for source pixels that bound a result, else 0."""
    return (np.abs(distance) <= _NEARBY).astype(np.float64)


_NEAR = Kernel("nearby", _NEARBY, nearby)


@dataclass(frozen=True)
class ShrinkingKernel(SplineKernel):
    """The learned function for shrinking: as a kernel it is its sharp one, and the rest beside it.

    Attributes
    ----------
    smooth : SplineKernel
    widening : float
        How far a result may leave the range of 3x3 smooth pixels, as a part of it.
    overshoot : float
        How far it may leave the range of the source's pixels nearby, as a part of it.
    training : mapping
        How it came to be; any JSON.
    """

    smooth: SplineKernel = field(kw_only=True)
    widening: float = field(kw_only=True)
    overshoot: float = field(kw_only=True)
    training: Mapping[str, Any] = field(
        default_factory=dict, compare=False, hash=False, repr=False, kw_only=True
    )

    @property
    def is_learned(self) -> bool:
        """See `Kernel`."""
        return True

    @classmethod
    def of(
        cls,
        name: str,
        sharp: Sequence[float],
        smooth: Sequence[float],
        widening: float,
        overshoot: float,
        training: Mapping[str, Any] | None = None,
    ) -> ShrinkingKernel:
        """Make one of the coefficients of its splines (see `spline`) and its two parts of ranges.

        Raises
        ------
        InvalidArgumentError
            If they cannot be used.
        """
        numbers: tuple[Any, ...] = (*sharp, *smooth, widening, overshoot)
        if not all(isinstance(number, (int, float)) and np.isfinite(number) for number in numbers):
            raise InvalidArgumentError(f"kernel {name!r} has numbers that are not finite")
        least = min(len(sharp), len(smooth))
        if least < _LEAST_COEFFICIENTS:
            raise InvalidArgumentError(
                f"kernel {name!r} has a spline of {least} coefficients, "
                f"must have at least {_LEAST_COEFFICIENTS}"
            )
        if not (sum(sharp) > 0 and sum(smooth) > 0):
            raise InvalidArgumentError(f"kernel {name!r} has splines that weigh nothing")
        if widening < 0 or overshoot < 0:
            raise InvalidArgumentError(f"kernel {name!r} has a negative widening or overshoot")
        own_name, radius, function, parameters = _spline_fields(name, sharp)
        return cls(
            own_name, radius, function, parameters,
            smooth=_spline_kernel(f"{name}-smooth", smooth), widening=float(widening),
            overshoot=float(overshoot), training=dict(training or {}),
        )  # fmt: skip

    def widening_for(self, scale: tuple[float, float], *, anti_aliasing: bool) -> float:
        """Return the widening at a (row, column) scale: the wider the less is learned there."""
        share = max(
            float(_share(max(1.0, 1 / factor) if anti_aliasing else 1.0)) for factor in scale
        )
        return self.widening / max(share, 1e-6)

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return ("lerf-shrinking-kernel", *self._numbers())

    @property
    def checksum(self) -> str:
        """``sha256:`` and the digest of all numbers."""
        numbers = json.dumps(self._numbers(), allow_nan=False)
        return f"sha256:{hashlib.sha256(numbers.encode()).hexdigest()}"

    def _numbers(self) -> tuple[Any, ...]:
        return (self.parameters, self.smooth.parameters, self.widening, self.overshoot)

    # -- files --------------------------------------------------------------------------

    def to_json(self) -> str:
        """Return what `from_json` reads."""
        description = {
            "format": _FORMAT,
            "version": _VERSION,
            "name": self.name,
            "knots per pixel": KNOTS_PER_PIXEL,
            "sharp": list(self.coefficients),
            "smooth": list(self.smooth.coefficients),
            "widening": self.widening,
            "overshoot": self.overshoot,
            "training": dict(self.training),
            "checksum": self.checksum,
        }
        return json.dumps(description, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, origin: str) -> ShrinkingKernel:
        """Read one that `to_json` wrote.

        Parameters
        ----------
        text : str
        origin : str
            The file that it comes from, for messages.

        Raises
        ------
        InvalidArgumentError
            If it is none, of another version, or damaged.
        """
        try:
            data = json.loads(text)
            if data["format"] != _FORMAT:
                raise InvalidArgumentError(f"format must be {_FORMAT!r}, got {data['format']!r}")
            if (data["version"], data["knots per pixel"]) != (_VERSION, KNOTS_PER_PIXEL):
                raise InvalidArgumentError(f"this library reads version {_VERSION} alone")
            kernel = cls.of(
                str(data["name"]), data["sharp"], data["smooth"], data["widening"],
                data["overshoot"], data["training"],
            )  # fmt: skip
            expected = data["checksum"]
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{origin}: {error}") from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidArgumentError(f"{origin}: is no shrinking kernel ({error!r})") from error
        if kernel.checksum != expected:
            raise InvalidArgumentError(
                f"{origin} is damaged: checksum is {kernel.checksum}, file says {expected}"
            )
        return kernel


def _spline_fields(name: str, coefficients: Sequence[float]) -> tuple[Any, ...]:
    numbers = tuple(float(number) for number in coefficients)
    radius = (len(numbers) - 1) / KNOTS_PER_PIXEL
    return name, radius, spline, (("coefficients", numbers),)


def _spline_kernel(name: str, coefficients: Sequence[float]) -> SplineKernel:
    return SplineKernel(*_spline_fields(name, coefficients))


# -- taps -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ShrinkingTaps:
    """Taps along an axis of a block's pixels, and of its neighbours for the 3x3 smooth pixels.

    Attributes
    ----------
    sharp, smooth, near : KernelTaps
        Of all these pixels. `near` weighs source pixels that bound a result, and no others.
    before, after : int
        How many of them are neighbours, before and after the block: 1, or 0 at the result's end.
    """

    sharp: KernelTaps
    smooth: KernelTaps
    near: KernelTaps
    before: int
    after: int

    @property
    def size(self) -> int:
        """Number of the block's pixels, neighbours left out."""
        return self.sharp.size - self.before - self.after

    @property
    def count(self) -> int:
        """Number of taps of the widest kernel."""
        return max(self.sharp.count, self.smooth.count, self.near.count)

    @property
    def inner(self) -> slice:
        """The block's pixels among all."""
        return slice(self.before, self.before + self.size)

    @property
    def ends(self) -> tuple[int, int]:
        """The first source pixel, and one past the last; they may lie outside the source."""
        taps = (self.sharp, self.smooth, self.near)
        first = min(int(t.first.min()) for t in taps)
        return first, max(int(t.first.max()) + t.count for t in taps)

    @property
    def pad(self) -> int:
        """Source pixels outside the source that may be asked for, at either end."""
        return max(self.sharp.pad, self.smooth.pad, self.near.pad)

    def within(self, start: int, length: int) -> ShrinkingTaps:
        """Return the same taps of a source that begins with pixel `start`."""
        return self._with(lambda taps: taps.within(start, length), self.before, self.after)

    def band(self, top: int, bottom: int) -> tuple[ShrinkingTaps, slice]:
        """Return those of the block's pixels top..bottom-1, and the source pixels they count from.

        Both ends of the source pixels are ends of the source only where taps lie outside it.
        """
        first, stop = max(0, top + self.before - 1), bottom + self.before + 1
        stop = min(stop, self.sharp.size)
        before, after = top + self.before - first, stop - (bottom + self.before)
        part = self._with(
            lambda taps: KernelTaps(
                taps.first[first:stop], taps.weight[first:stop], taps.source_size
            ),
            before,
            after,
        )
        low, high = part.ends
        start = int(np.clip(low, 0, self.sharp.source_size - 1))
        end = int(np.clip(high, start + 1, self.sharp.source_size))
        return part.within(start, end - start), slice(start, end)

    def _with(
        self, change: Callable[[KernelTaps], KernelTaps], before: int, after: int
    ) -> ShrinkingTaps:
        sharp, smooth, near = map(change, (self.sharp, self.smooth, self.near))
        return ShrinkingTaps(sharp, smooth, near, before, after)


def shrinking_taps(
    kernel: ShrinkingKernel,
    size: int,
    out_size: int,
    scale: float,
    *,
    anti_aliasing: bool,
    out_range: tuple[int, int] | None = None,
) -> ShrinkingTaps:
    """Return the taps that shrink an axis; parameters are those of `kernel_taps`."""
    first, stop = out_range or (0, out_size)
    around = (max(0, first - 1), min(out_size, stop + 1))
    sharp, smooth, near = (
        kernel_taps(
            part, size, out_size, scale, anti_aliasing=anti_aliasing, out_range=around
        )
        for part in (kernel, kernel.smooth, _NEAR)
    )  # fmt: skip
    return ShrinkingTaps(sharp, smooth, near, first - around[0], around[1] - stop)


# -- the kernel that ships --------------------------------------------------------------------


def load_shrinking_kernel(path: str | os.PathLike[str]) -> ShrinkingKernel:
    """Read a learned function for shrinking from a ``.json`` file of `lerf train-shrinking`.

    Raises
    ------
    InvalidArgumentError
        If it cannot be read, or is none.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{os.fspath(path)} cannot be read: {error}") from error
    return ShrinkingKernel.from_json(text, os.fspath(path))


@lru_cache(maxsize=1)
def shrinking_kernel() -> ShrinkingKernel:
    """Return the learned function for shrinking that ships."""
    return load_shrinking_kernel(Path(__file__).parents[1] / "bank" / "data" / "lerf-s.json")
