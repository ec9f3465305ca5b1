"""NetworkFront: a small quantised network for super-resolution by a fixed scale.

It has the layers of the networks that are banks; its last one gives, for each channel, what the
scale x scale pixels of the enlargement differ from their source pixel by (docs/method.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.bank.base import (
    Described,
    Record,
    checked_record,
    flattened,
    parsed_description,
)
from lerf_core.bank.layered_network import (
    INPUTS,
    LEAK,
    ZERO,
    Layer,
    LayeredNetwork,
    parsed_layers,
)
from lerf_core.constants import LEVELS, NETWORK_GREY_BITS
from lerf_core.errors import BankError, FrontError
from lerf_core.fronts.base import Front, Planes
from lerf_core.fronts.formats import NETWORK_FRONT_FORMAT
from lerf_core.fronts.remainders import add_remainder
from lerf_core.pixels.values import ValueScale

if TYPE_CHECKING:
    from lerf_core.backends.contract import Backend

__all__ = ["NETWORK_SCALES", "NetworkFront"]

_FORMAT_VERSION = 1
#: How many times they enlarge.
NETWORK_SCALES = (1, 2, 3, 4)
# Bytes per source pixel and channel of a deep image, beside its enlargement: units and remainders.
_DEEP_WORK = 20
# Bytes beside: rows that layers keep, and what they are computed in.
_LAYER_WORK = 4 << 20
_GREY_LEVELS = ValueScale(np.dtype(np.float32), 0.0, float(LEVELS))


@dataclass(frozen=True, eq=False, repr=False)
class NetworkFront(LayeredNetwork, Described, Front):
    """A quantised network that enlarges by 1, 2, 3 or 4; immutable.

    Parameters
    ----------
    name : str
        Short name, for people.
    layers : tuple of Layer
        The first reads `INPUTS` planes; the middle ones, of size 3, add to what they read; the last
        gives 4 times ``scale**2`` values, see `outputs`.
    training : mapping, optional
        How the network came to be; any JSON.
    zero : int, optional
        The level, 0..255, of activations that stands for zero.
    leak : int, optional
        Bits that negative activations are shifted by, 0..7.

    Raises
    ------
    FrontError
        If the arguments do not fit each other, or sums could leave 32 bits.
    """

    name: str
    layers: tuple[Layer, ...]
    training: Record = field(default_factory=dict)
    zero: int = ZERO
    leak: int = LEAK

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "training", checked_record(self.name, self.training))
            self.check([len(_outputs(scale)) for scale in NETWORK_SCALES])
        except BankError as error:
            raise FrontError(str(error)) from error

    # -- the layers -----------------------------------------------------------------

    @property
    def outputs(self) -> tuple[str, ...]:
        """See `LayeredNetwork.outputs`: of each channel the enlargement's pixels, row by row."""
        return _outputs(self.scale)

    @property
    def lowest(self) -> tuple[int, ...]:
        """See `LayeredNetwork.lowest`."""
        return (0,) * len(self.outputs)

    @property
    def shared(self) -> int:
        """See `LayeredNetwork.shared`: none."""
        return 0

    # -- a front --------------------------------------------------------------------

    @property
    def scale(self) -> int:
        """See `Front.scale`."""
        return isqrt(self.layers[-1].outputs // (INPUTS + 1))

    @property
    def reach(self) -> int:
        """See `Front.reach`."""
        return self.full_reach

    def describe(self) -> dict[str, Any]:
        """See `Front.describe`."""
        return {
            "name": self.name,
            "form": "quantised network",
            "scale": self.scale,
            **self.describe_layers(),
            "bytes": self.nbytes,
            "checksum": self.checksum,
            **flattened("training", self.training),
        }

    def memory_needed(self, rows: int, cols: int, channels: int, dtype: npt.DTypeLike) -> int:
        """See `Front.memory_needed`."""
        item = np.dtype(dtype).itemsize
        work = 0 if item == 1 else _DEEP_WORK + item * self.scale**2
        return rows * cols * channels * (item * self.scale**2 + work) + _LAYER_WORK

    def _enlarged(self, planes: Planes, threads: int) -> Planes:
        """See `Front.enlarge`."""
        from lerf_core.backends.loading import get_backend

        return self.enlarged_by(get_backend("numba"), planes, threads)

    # A plane on its own has outputs of its own.
    _enlarged_alone = _enlarged

    def enlarged_by(self, backend: Backend, planes: Planes, threads: int) -> Planes:
        """See `Front.enlarged_by`."""
        if planes.dtype == np.uint8:
            return backend.enlarge_by_network(planes, self, threads)
        units = np.empty(planes.shape, np.int32)
        remainders = np.empty(planes.shape, np.float32)
        for number, plane in enumerate(planes):
            units[number], remainders[number] = backend.to_units(
                _GREY_LEVELS, plane, NETWORK_GREY_BITS
            )
        result = backend.enlarge_by_network(units, self, threads)
        for block, remainder in zip(result, remainders, strict=True):
            add_remainder(block, remainder, 0, len(remainder), self.scale)
        return result

    # -- files ----------------------------------------------------------------------

    @property
    def description(self) -> dict[str, Any]:
        """See `Described.description`."""
        return {
            "format": NETWORK_FRONT_FORMAT,
            "version": _FORMAT_VERSION,
            "name": self.name,
            "scale": self.scale,
            **self.layer_description,
        }

    @classmethod
    def from_metadata(
        cls, text: str, tensors: Mapping[str, Any], *, origin: str, verify: bool = True
    ) -> NetworkFront:
        """Make a front of the JSON text of its `metadata` and of its arrays.

        Parameters
        ----------
        text : str
        tensors : mapping of str to ndarray
            See `tensors`.
        origin : str
            The file that they come from, for messages.
        verify : bool
            Whether the checksum has to be right; not for arrays that have changed since.

        Raises
        ------
        FrontError
            If they are not a front of a version this library reads, or the checksum differs.
        """

        def make(data: dict[str, Any]) -> NetworkFront:
            scale = data["scale"]
            front = cls(
                str(data["name"]), parsed_layers(data, tensors), dict(data["training"]),
                zero=int(data["zero"]), leak=int(data["leak"]),
            )  # fmt: skip
            if scale != front.scale or tuple(data["outputs"]) != front.outputs:
                raise FrontError(
                    f"a front of scale {front.scale} must have the outputs "
                    f"{', '.join(front.outputs)}, got scale {scale!r} with {data['outputs']}"
                )
            return front

        formats = (NETWORK_FRONT_FORMAT, _FORMAT_VERSION)
        return parsed_description(
            text, make, formats=formats, origin=origin, verify=verify, fault=FrontError
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes by the constructor's arguments; mapping proxies do not."""
        return NetworkFront, (self.name, self.layers, dict(self.training), self.zero, self.leak)


def _outputs(scale: int) -> tuple[str, ...]:
    return tuple(
        f"{plane}.{row}.{col}"
        for plane in ("red", "green", "blue", "grey")
        for row in range(scale)
        for col in range(scale)
    )
