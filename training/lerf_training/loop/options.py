"""How a training goes: its options, as JSON and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from lerf_core.errors import InvalidArgumentError
from lerf_training.data.patch_options import PatchOptions
from lerf_training.errors import CheckpointError

__all__ = ["METHODS", "Method", "TrainingOptions"]

Method = Literal["tables", "network", "convolutional"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True)
class TrainingOptions:
    """How a training goes.

    Attributes
    ----------
    method : {'tables', 'network', 'convolutional'}
        Train table entries directly, networks that are transferred to tables after, or a
        network of convolutions that is a bank itself.
    steps : int or None
        Length; None if `minutes` gives it.
    minutes : float or None
        Length by the clock: the number of steps is set once the first ones are timed.
    rate : float
        Adam's step size at its height, in entries (tables) or weights (networks); it
        falls to zero along half a cosine.
    spread : float
        Share of an entry's gradient that its neighbours take on, at the start; it falls
        with the rate. Of tables alone. See `lerf_training.operations.gradient_spreading`.
    clip : float
        Norm that all gradients of a step together may have; 0: any.
    seed : int
        Decides what is drawn.
    held_out : float
        Share of the photographs that are held out to validate on, at most 40.
    validate_every : int
        Steps between validations; each writes a checkpoint too.
    balance : float
        Grey levels squared. The loss is the mean of log(balance + mse) over patches: a
        patch counts by its relative error, as it does in a mean of PSNR, down to this
        error. Infinite: the plain mean squared error.
    average : float
        Decay per step of the running average of the weights that is saved; 0: none.
    width : int
        Of the networks' layers; for those of convolutions the start has it.
    patches : PatchOptions
        How samples are drawn.
    memory : int
        Bytes for decoded photographs.
    """

    method: Method = "tables"
    steps: int | None = None
    minutes: float | None = 20.0
    rate: float = 1.0
    spread: float = 0.4
    clip: float = 0.0
    seed: int = 0
    held_out: float = 0.08
    validate_every: int = 2000
    balance: float = 30.0
    average: float = 0.0
    width: int = 64
    patches: PatchOptions = field(default_factory=PatchOptions)
    memory: int = 1 << 30

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise InvalidArgumentError("give steps or minutes, and not both")
        if self.steps is not None and self.steps < 1:
            raise InvalidArgumentError(f"steps must be at least 1, got {self.steps}")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise InvalidArgumentError(f"minutes must be positive, got {self.minutes}")
        if not 0 < self.rate < math.inf:
            raise InvalidArgumentError(f"rate must be positive, got {self.rate}")
        if not 0 <= self.spread < 1:
            raise InvalidArgumentError(f"spread must lie in 0..1, got {self.spread}")
        if not 0 <= self.clip < math.inf:
            raise InvalidArgumentError(f"clip must be at least 0, got {self.clip}")
        if not 0 <= self.held_out < 1 or not 0 <= self.average < 1 or not self.balance > 0:
            raise InvalidArgumentError(
                f"held_out and average must lie in 0..1 and balance be positive, got "
                f"{self.held_out}, {self.average}, {self.balance}"
            )
        if self.method not in METHODS:
            names = ", ".join(map(repr, METHODS))
            raise InvalidArgumentError(f"method must be one of {names}, got {self.method!r}")
        for name in ("validate_every", "width", "memory"):
            if getattr(self, name) < 1:
                raise InvalidArgumentError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.seed < 0:
            raise InvalidArgumentError(f"seed must be at least 0, got {self.seed}")

    def as_json(self) -> dict[str, Any]:
        """As JSON types; infinity is the text 'inf'."""
        values = asdict(self)
        if math.isinf(self.balance):
            values["balance"] = "inf"
        values["patches"] = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in values["patches"].items()
        }
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingOptions:
        """Undo `as_json`."""
        unknown = set(values) - {option.name for option in fields(cls)}
        if unknown:
            raise CheckpointError(f"unknown options: {sorted(unknown)}")
        patches: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in values["patches"].items()
        }
        balance = float(values["balance"])
        return cls(**{**values, "balance": balance, "patches": PatchOptions(**patches)})
