"""NetworkBank: a small quantised network that predicts the parameters of local planes.

The network is integer arithmetic from the source's grey levels to the parameters
(docs/method.md, section 8); `lerf_core.backends.reference.network` is the specification. Beside
LeRF-Net of the method (arXiv 2407.09935), whose two networks of 64 channels predict a feature and
three parameters, it predicts local planes, and takes the source itself for the feature.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from lerf_core.bank.base import Bank, Record, checked_record, flattened, parsed_description
from lerf_core.bank.stages import LOCAL_PLANE, NETWORK_KIND, Kind, lowest_of
from lerf_core.constants import (
    COLOUR_PLANES,
    LEVELS,
    NETWORK_GREY_BITS,
    SUM_BITS,
    WEIGHT_LIMIT,
    WEIGHT_VALUES,
)
from lerf_core.errors import BankError

__all__ = ["INPUTS", "LEAK", "NETWORK_FORMAT", "OUTPUTS", "ZERO", "Layer", "NetworkBank"]

#: Format of the files of networks.
NETWORK_FORMAT = "lerf-network"
_FORMAT_VERSION = 1
#: Planes that a network reads: red, green and blue, or a grey plane three times.
INPUTS = COLOUR_PLANES
_SHARED = NETWORK_KIND.values[: WEIGHT_VALUES[NETWORK_KIND.weighting]]
#: What the last layer gives, in its order: what all channels share, then the local planes of red,
#: of green, of blue, and of a plane on its own.
OUTPUTS = (
    *_SHARED,
    *(f"{value}.{plane}" for plane in ("red", "green", "blue", "grey") for value in LOCAL_PLANE),
)
#: The level of activations that stands for zero, and the bits that negative ones are shifted by.
ZERO = 64
LEAK = 3
_SIZES = (1, 3, 5)
_WIDTHS = range(4, 65, 4)
_MOST_LAYERS = 18
_MOST_SHIFT = 14
# Multiplications are counted as compiled code does them, of inputs and outputs by fours.
_STEP = 4

Integers = npt.NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution and what brings its sums back to bytes.

    Attributes
    ----------
    weight : ndarray of int8, (outputs, inputs, size, size)
        In -127..127.
    bias : ndarray of int32, (outputs,)
        In units of the sums of bytes.
    shift : ndarray of uint8, (outputs,)
        Bits, at most 14, that sums are shifted by to the right.
    """

    weight: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    shift: npt.NDArray[np.uint8]

    @property
    def outputs(self) -> int:
        """Channels that it gives."""
        return int(self.weight.shape[0])

    @property
    def inputs(self) -> int:
        """Channels that it reads."""
        return int(self.weight.shape[1])

    @property
    def size(self) -> int:
        """Rows and columns that it sees."""
        return int(self.weight.shape[2])

    @property
    def reach(self) -> int:
        """How far it sees, in pixels."""
        return self.size // 2

    @property
    def macs(self) -> int:
        """Multiplications per pixel, inputs and outputs counted by fours."""
        inputs, outputs = (-(-number // _STEP) * _STEP for number in (self.inputs, self.outputs))
        return inputs * outputs * self.size**2


@dataclass(frozen=True, eq=False, repr=False)
class NetworkBank(Bank):
    """A quantised network that predicts the parameters of local planes; immutable.

    Parameters
    ----------
    name : str
        Short name, for people.
    layers : tuple of Layer
        The first reads `INPUTS` planes; the middle ones, of size 3, add to what they read; the last
        gives `OUTPUTS`.
    training : mapping, optional
        How the network came to be; any JSON.
    zero : int, optional
        The level, 0..255, of activations that stands for zero.
    leak : int, optional
        Bits that negative activations are shifted by, 0..7.

    Raises
    ------
    BankError
        If the arguments do not fit each other, or sums could leave 32 bits.
    """

    name: str
    layers: tuple[Layer, ...]
    training: Record = field(default_factory=dict)
    zero: int = ZERO
    leak: int = LEAK

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", checked_record(self.name, self.training))
        if not 2 <= len(self.layers) <= _MOST_LAYERS:
            raise BankError(
                f"network {self.name!r} must have 2 to {_MOST_LAYERS} layers, "
                f"got {len(self.layers)}"
            )
        if not (0 <= self.zero <= LEVELS and 0 <= self.leak <= 7):
            raise BankError(
                f"zero of network {self.name!r} must lie in 0..{LEVELS} and leak in 0..7, "
                f"got {self.zero} and {self.leak}"
            )
        layers = tuple(_checked(number, layer) for number, layer in enumerate(self.layers))
        object.__setattr__(self, "layers", layers)
        _check_structure(layers)

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        """Meaning of the parameters: `NETWORK_KIND`."""
        return NETWORK_KIND

    @property
    def width(self) -> int:
        """Channels between the layers."""
        return self.layers[0].outputs

    @property
    def macs(self) -> int:
        """Multiplications per source pixel, of all its channels; see `Layer.macs`."""
        return sum(layer.macs for layer in self.layers)

    @cached_property
    def full_reach(self) -> int:
        """See `Bank.full_reach`."""
        return sum(layer.reach for layer in self.layers)

    @property
    def reads_colours(self) -> bool:
        """See `Bank.reads_colours`."""
        return True

    @cached_property
    def tensors(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """See `Bank.tensors`: ``layer0.weight``, ``layer0.bias``, ``layer0.shift``, and so on."""
        return MappingProxyType(
            {
                f"layer{number}.{part}": getattr(layer, part)
                for number, layer in enumerate(self.layers)
                for part in ("weight", "bias", "shift")
            }
        )

    @property
    def lowest(self) -> tuple[int, ...]:
        """For each of `OUTPUTS` the least that it can be."""
        return tuple(lowest_of(output.partition(".")[0]) for output in OUTPUTS)

    def outputs_of(self, channel: int | None) -> tuple[int, ...]:
        """Return which of `OUTPUTS` are the parameters of a channel, in the order of the kind.

        Where the surroundings of a pixel are grey, its channels take those of a plane on its own
        (`lerf_core.backends.reference.network.grey_surroundings`).

        Parameters
        ----------
        channel : int or None
            0, 1, 2 for red, green, blue; None: a plane on its own.
        """
        first = len(_SHARED) + len(LOCAL_PLANE) * (INPUTS if channel is None else channel)
        return (*range(len(_SHARED)), *range(first, first + len(LOCAL_PLANE)))

    @property
    def description(self) -> dict[str, Any]:
        """See `Bank.description`."""
        return {
            "format": NETWORK_FORMAT,
            "version": _FORMAT_VERSION,
            "name": self.name,
            "kind": self.kind.name,
            "layers": len(self.layers),
            "outputs": list(OUTPUTS),
            "zero": self.zero,
            "leak": self.leak,
            "training": dict(self.training),
        }

    @classmethod
    def from_metadata(
        cls, text: str, tensors: Mapping[str, Any], *, origin: str, verify: bool = True
    ) -> NetworkBank:
        """Make a bank of the JSON text of its `metadata` and of its arrays.

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
        BankError
            If they are not a network of a version this library reads, or the checksum differs.
        """

        def make(data: dict[str, Any]) -> NetworkBank:
            if data["kind"] != NETWORK_KIND.name or tuple(data["outputs"]) != OUTPUTS:
                raise BankError(
                    f"the network must be of kind {NETWORK_KIND.name!r} with the outputs "
                    f"{', '.join(OUTPUTS)}, got {data['kind']!r} with {data['outputs']}"
                )
            count = int(data["layers"])
            if not 0 <= count <= _MOST_LAYERS:
                raise BankError(f"a network has at most {_MOST_LAYERS} layers, got {count}")
            names = [
                [f"layer{number}.{part}" for part in ("weight", "bias", "shift")]
                for number in range(count)
            ]
            missing = [name for layer in names for name in layer if name not in tensors]
            extra = sorted(set(tensors) - {name for layer in names for name in layer})
            if missing or extra:
                raise BankError(f"tensors are missing or unknown: {', '.join(missing + extra)}")
            layers = tuple(Layer(*(tensors[name] for name in layer)) for layer in names)
            return cls(
                str(data["name"]), layers, dict(data["training"]),
                zero=int(data["zero"]), leak=int(data["leak"]),
            )  # fmt: skip

        formats = (NETWORK_FORMAT, _FORMAT_VERSION)
        return parsed_description(text, make, formats=formats, origin=origin, verify=verify)

    @property
    def work(self) -> str:
        """See `Bank.work`."""
        return f"{self.macs:,} multiplications ({len(self.layers)} layers, width {self.width})"

    def describe(self) -> dict[str, Any]:
        """Return what a person wants to know of the bank, in a sensible order."""
        sizes = [layer.size for layer in self.layers]
        return {
            "name": self.name,
            "kind": self.kind.name,
            "values": ", ".join(self.kind.values),
            "layers": len(self.layers),
            "width": self.width,
            "sizes": ", ".join(f"{size}x{size}" for size in sizes),
            "reach": self.full_reach,
            "multiplications per pixel": self.macs,
            "bytes": self.nbytes,
            "checksum": self.checksum,
            **flattened("training", self.training),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes by the constructor's arguments; mapping proxies do not."""
        return NetworkBank, (self.name, self.layers, dict(self.training), self.zero, self.leak)

    def export_folder(self, folder: str | os.PathLike[str]) -> NoReturn:  # noqa: ARG002
        """Raise: the published layout holds tables alone.

        Raises
        ------
        BankError
        """
        raise BankError(
            f"bank {self.name!r} cannot be exported: the published layout holds tables, and it is "
            "a network"
        )


# -- validation -------------------------------------------------------------------


def _checked(number: int, layer: Layer) -> Layer:
    """Return a layer of read-only copies in C order, or raise."""
    weight = _checked_array(number, "weight", layer.weight, np.int8, 4)
    bias = _checked_array(number, "bias", layer.bias, np.int32, 1)
    shift = _checked_array(number, "shift", layer.shift, np.uint8, 1)
    outputs = weight.shape[0]
    if bias.shape != (outputs,) or shift.shape != (outputs,):
        raise BankError(
            f"layer {number} has {outputs} outputs, {bias.size} biases and {shift.size} shifts"
        )
    if weight.shape[2] != weight.shape[3] or weight.shape[2] not in _SIZES:
        sizes = ", ".join(f"{size}x{size}" for size in _SIZES)
        raise BankError(
            f"layer {number} must see one of {sizes} pixels, "
            f"got {weight.shape[2]}x{weight.shape[3]}"
        )
    if weight.size and weight.min() < -WEIGHT_LIMIT:
        raise BankError(f"weights of layer {number} must lie in -127..127, got {weight.min()}")
    if shift.size and shift.max() > _MOST_SHIFT:
        raise BankError(
            f"shifts of layer {number} must be at most {_MOST_SHIFT}, got {shift.max()}"
        )
    steps = 1 << NETWORK_GREY_BITS
    sums = np.abs(weight.astype(np.int64)).sum(axis=(1, 2, 3)) * (LEVELS * steps)
    largest = sums + np.abs(bias.astype(np.int64)) * steps + (1 << _MOST_SHIFT + NETWORK_GREY_BITS)
    if largest.size and largest.max() >= 1 << SUM_BITS:
        raise BankError(f"sums of layer {number} could leave 32 bits: up to {largest.max()}")
    return Layer(weight, bias, shift)


def _checked_array(
    number: int, part: str, array: object, dtype: type[np.integer], ndim: int
) -> npt.NDArray[Any]:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != ndim:
        found = (
            f"{array.dtype} {array.shape}"
            if isinstance(array, np.ndarray)
            else type(array).__name__
        )
        raise BankError(
            f"{part} of layer {number} must be {np.dtype(dtype)} of {ndim} axes, got {found}"
        )
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy


def _check_structure(layers: tuple[Layer, ...]) -> None:
    first, *middle, last = layers
    width = first.outputs
    if not sum(layer.reach for layer in layers):
        raise BankError("the network sees no pixel but its own")
    if first.inputs != INPUTS or width not in _WIDTHS:
        raise BankError(
            f"the first layer must read {INPUTS} planes and give 4, 8, ... or 64 channels, "
            f"got {first.inputs} and {width}"
        )
    for number, layer in enumerate(middle, 1):
        if (layer.inputs, layer.outputs, layer.size) != (width, width, 3):
            raise BankError(
                f"layer {number} must see 3x3 pixels of {width} channels and give as many, got "
                f"{layer.size}x{layer.size}, {layer.inputs} and {layer.outputs}"
            )
    if last.inputs != width or last.outputs != len(OUTPUTS):
        raise BankError(
            f"the last layer must read {width} channels and give {len(OUTPUTS)} values, "
            f"got {last.inputs} and {last.outputs}"
        )
