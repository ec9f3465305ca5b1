"""LayeredNetwork: quantised layers, as banks and fronts have them.

What a layer computes is integer arithmetic (docs/method.md, section 8);
`lerf_core.backends.reference.network` is the specification.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.constants import (
    COLOUR_PLANES,
    LEVELS,
    NETWORK_GREY_BITS,
    SUM_BITS,
    WEIGHT_LIMIT,
)
from lerf_core.errors import BankError

__all__ = ["INPUTS", "LEAK", "MOST_SHIFT", "ZERO", "Layer", "LayeredNetwork", "parsed_layers"]

#: Planes that a network reads: red, green and blue, or a grey plane three times.
INPUTS = COLOUR_PLANES
#: The level of activations that stands for zero, and the bits that negative ones are shifted by.
ZERO = 64
LEAK = 3
#: Bits that sums are shifted by, at most.
MOST_SHIFT = 14
_SIZES = (1, 3, 5)
_WIDTHS = range(4, 65, 4)
_MOST_LAYERS = 18
_PARTS = ("weight", "bias", "shift")
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


class LayeredNetwork(ABC):
    """Convolutions of red, green and blue, or of a plane on its own taken three times.

    The first layer reads `INPUTS` planes; the middle ones, of size 3, add to what they read; the
    last gives the outputs.

    Attributes
    ----------
    name : str
    layers : tuple of Layer
    training : mapping
        How the network came to be; any JSON.
    zero : int
        The level, 0..255, of activations that stands for zero.
    leak : int
        Bits that negative activations are shifted by, 0..7.
    """

    name: str
    layers: tuple[Layer, ...]
    training: Mapping[str, Any]
    zero: int
    leak: int

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """What the last layer gives, in its order."""

    @property
    @abstractmethod
    def lowest(self) -> tuple[int, ...]:
        """For each of the outputs the least that it can be."""

    @property
    @abstractmethod
    def shared(self) -> int:
        """How many outputs, the first ones, all channels share.

        After them come those of red, of green, of blue, and of a plane on its own.
        """

    def outputs_of(self, channel: int | None) -> tuple[int, ...]:
        """Return which of the outputs are those of a channel, shared ones first.

        Where the surroundings of a pixel are grey, its channels take those of a plane on its own
        (`lerf_core.backends.reference.network.grey_surroundings`).

        Parameters
        ----------
        channel : int or None
            0, 1, 2 for red, green, blue; None: a plane on its own.
        """
        own = (len(self.outputs) - self.shared) // (INPUTS + 1)
        first = self.shared + own * (INPUTS if channel is None else channel)
        return (*range(self.shared), *range(first, first + own))

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
        """How far from a pixel lie those that its outputs depend on, in pixels."""
        return sum(layer.reach for layer in self.layers)

    @property
    def reads_colours(self) -> bool:
        """Whether red, green and blue are read together: they are."""
        return True

    @property
    def work(self) -> str:
        """What it costs per source pixel, in a few words, for people."""
        return f"{self.macs:,} multiplications ({len(self.layers)} layers, width {self.width})"

    @cached_property
    def tensors(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """The arrays: ``layer0.weight``, ``layer0.bias``, ``layer0.shift``, and so on."""
        return MappingProxyType(
            {
                f"layer{number}.{part}": getattr(layer, part)
                for number, layer in enumerate(self.layers)
                for part in _PARTS
            }
        )

    @property
    def layer_description(self) -> dict[str, Any]:
        """What a description says of the layers; JSON types."""
        return {
            "layers": len(self.layers),
            "outputs": list(self.outputs),
            "zero": self.zero,
            "leak": self.leak,
            "training": dict(self.training),
        }

    def describe_layers(self) -> dict[str, Any]:
        """Return what a person wants to know of the layers, in a sensible order."""
        return {
            "layers": len(self.layers),
            "width": self.width,
            "sizes": ", ".join(f"{layer.size}x{layer.size}" for layer in self.layers),
            "reach": self.full_reach,
            "multiplications per pixel": self.macs,
        }

    def check(self, counts: Sequence[int]) -> None:
        """Check all attributes but the record, and keep read-only copies of the arrays.

        Parameters
        ----------
        counts : sequence of int
            How many outputs there may be.

        Raises
        ------
        BankError
            If the attributes do not fit each other, or sums could leave 32 bits.
        """
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
        _check_structure(layers, counts)


def parsed_layers(data: Mapping[str, Any], tensors: Mapping[str, Any]) -> tuple[Layer, ...]:
    """Return the layers that a description and its arrays make up.

    Parameters
    ----------
    data : mapping
        See `LayeredNetwork.layer_description`.
    tensors : mapping of str to ndarray
        See `LayeredNetwork.tensors`.

    Raises
    ------
    BankError
        If tensors are missing, or there are others.
    """
    count = int(data["layers"])
    if not 0 <= count <= _MOST_LAYERS:
        raise BankError(f"a network has at most {_MOST_LAYERS} layers, got {count}")
    names = [[f"layer{number}.{part}" for part in _PARTS] for number in range(count)]
    missing = [name for layer in names for name in layer if name not in tensors]
    extra = sorted(set(tensors) - {name for layer in names for name in layer})
    if missing or extra:
        raise BankError(f"tensors are missing or unknown: {', '.join(missing + extra)}")
    return tuple(Layer(*(tensors[name] for name in layer)) for layer in names)


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
    if shift.size and shift.max() > MOST_SHIFT:
        raise BankError(f"shifts of layer {number} must be at most {MOST_SHIFT}, got {shift.max()}")
    steps = 1 << NETWORK_GREY_BITS
    sums = np.abs(weight.astype(np.int64)).sum(axis=(1, 2, 3)) * (LEVELS * steps)
    largest = sums + np.abs(bias.astype(np.int64)) * steps + (1 << MOST_SHIFT + NETWORK_GREY_BITS)
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


def _check_structure(layers: tuple[Layer, ...], counts: Sequence[int]) -> None:
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
    wanted = " or ".join(map(str, counts))
    if last.inputs != width or last.outputs not in counts:
        raise BankError(
            f"the last layer must read {width} channels and give {wanted} values, "
            f"got {last.inputs} and {last.outputs}"
        )
