"""How a training of the function for shrinking goes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from lerf_core.errors import InvalidArgumentError
from lerf_core.sampling.shrinking import KNOTS_PER_PIXEL

__all__ = ["ShrinkingOptions"]

# Factors of 8 leave 12 pixels, of which the middle ones show aliases; 2, 3 and 4 leave whole ones.
_LEAST_PATCH, _PATCH_MULTIPLE = 96, 12


@dataclass(frozen=True)
class ShrinkingOptions:
    """How a training goes.

    Attributes
    ----------
    steps : int or None
        Length; None if `minutes` gives it.
    minutes : float or None
        Length by the clock: the number of steps is set once the first ones are timed.
    seed : int
        Decides what is drawn.
    rate : float
        Adam's step size at its height, in coefficients.
    batch : int
        Patches of photographs per step, and as many gratings.
    patch : int
        Rows and columns of a patch.
    between : float
        Share of the steps that shrink by a factor in 1.25..8; the others by 2, 3 or 4.
    weights : (float, float, float)
        What enlarging again by bicubic, Lanczos and lerf-p counts.
    aliasing : float
        Weight of the penalty on gratings beyond the small image's Nyquist frequency.
    leakage : float
        Energy of the sharp kernel beyond the small image's Nyquist frequency, over Lanczos's, from
        which on it costs: edges that move flicker by it.
    sharp_radius, smooth_radius : float
        Of the two kernels, in output pixels; multiples of 1/4.
    overshoot : float
        Part of the range of source pixels nearby that a result may lie beyond.
    held_out : float
        Share of the photographs that are held out, at most 40.
    memory : int
        Bytes for decoded photographs.

    Raises
    ------
    InvalidArgumentError
        If a value cannot be used.
    """

    steps: int | None = 1500
    minutes: float | None = None
    seed: int = 0
    rate: float = 2e-3
    batch: int = 8
    patch: int = 96
    between: float = 0.25
    weights: tuple[float, float, float] = (0.7, 0.26, 0.04)
    aliasing: float = 0.3
    leakage: float = 1.8
    sharp_radius: float = 3.0
    smooth_radius: float = 2.0
    overshoot: float = 3 / 32
    held_out: float = 0.08
    memory: int = 1 << 30

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise InvalidArgumentError("give steps or minutes, and not both")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise InvalidArgumentError(f"minutes must be positive, got {self.minutes}")
        least = {"steps": 1, "seed": 0, "batch": 1, "memory": 1, "patch": _LEAST_PATCH}
        for name, lowest in least.items():
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise InvalidArgumentError(f"{name} must be at least {lowest}, got {value}")
        if self.patch % _PATCH_MULTIPLE:
            raise InvalidArgumentError(
                f"patch must be a multiple of {_PATCH_MULTIPLE}, got {self.patch}"
            )
        if not 0 < self.rate < math.inf:
            raise InvalidArgumentError(f"rate must be positive, got {self.rate}")
        if not (0 <= self.between <= 1 and 0 <= self.held_out < 1):
            raise InvalidArgumentError(
                f"between and held_out must lie in 0..1, got {self.between}, {self.held_out}"
            )
        self._check_loss()
        for name in ("sharp_radius", "smooth_radius"):
            radius = getattr(self, name)
            if not 1 <= radius <= 8 or radius * KNOTS_PER_PIXEL % 1:
                raise InvalidArgumentError(
                    f"{name} must be a multiple of 1/{KNOTS_PER_PIXEL} in 1..8, got {radius}"
                )

    def _check_loss(self) -> None:
        for name in ("aliasing", "leakage", "overshoot"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidArgumentError(
                    f"{name} must be at least 0 and finite, got {getattr(self, name)}"
                )
        weights = self.weights
        if not all(0 <= weight < math.inf for weight in weights) or not any(weights):
            raise InvalidArgumentError(
                f"weights must be at least 0 and finite, and one of them above 0, got {weights}"
            )

    def as_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {**asdict(self), "weights": list(self.weights)}
