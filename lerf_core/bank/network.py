"""NetworkBank: a small quantised network that predicts the parameters of local planes.

Beside LeRF-Net of the method (arXiv 2407.09935), whose two networks of 64 channels predict a
feature and three parameters, it predicts local planes, and takes the source itself for the feature.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from lerf_core.bank.base import Bank, Record, checked_record, flattened, parsed_description
from lerf_core.bank.layered_network import LEAK, ZERO, Layer, LayeredNetwork, parsed_layers
from lerf_core.bank.stages import LOCAL_PLANE, NETWORK_KIND, Kind, lowest_of
from lerf_core.constants import WEIGHT_VALUES
from lerf_core.errors import BankError

__all__ = ["NETWORK_FORMAT", "OUTPUTS", "NetworkBank"]

#: Format of the files of networks.
NETWORK_FORMAT = "lerf-network"
_FORMAT_VERSION = 1
_SHARED = NETWORK_KIND.values[: WEIGHT_VALUES[NETWORK_KIND.weighting]]
#: What the last layer gives, in its order: what all channels share, then the local planes of red,
#: of green, of blue, and of a plane on its own.
OUTPUTS = (
    *_SHARED,
    *(f"{value}.{plane}" for plane in ("red", "green", "blue", "grey") for value in LOCAL_PLANE),
)


@dataclass(frozen=True, eq=False, repr=False)
class NetworkBank(LayeredNetwork, Bank):
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
        self.check((len(OUTPUTS),))

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        """Meaning of the parameters: `NETWORK_KIND`."""
        return NETWORK_KIND

    @property
    def outputs(self) -> tuple[str, ...]:
        """See `LayeredNetwork.outputs`: `OUTPUTS`."""
        return OUTPUTS

    @property
    def lowest(self) -> tuple[int, ...]:
        """See `LayeredNetwork.lowest`."""
        return tuple(lowest_of(output.partition(".")[0]) for output in OUTPUTS)

    @property
    def shared(self) -> int:
        """See `LayeredNetwork.shared`: rho and both sigmas."""
        return len(_SHARED)

    @property
    def description(self) -> dict[str, Any]:
        """See `Described.description`."""
        return {
            "format": NETWORK_FORMAT,
            "version": _FORMAT_VERSION,
            "name": self.name,
            "kind": self.kind.name,
            **self.layer_description,
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
            return cls(
                str(data["name"]), parsed_layers(data, tensors), dict(data["training"]),
                zero=int(data["zero"]), leak=int(data["leak"]),
            )  # fmt: skip

        formats = (NETWORK_FORMAT, _FORMAT_VERSION)
        return parsed_description(text, make, formats=formats, origin=origin, verify=verify)

    def describe(self) -> dict[str, Any]:
        """Return what a person wants to know of the bank, in a sensible order."""
        return {
            "name": self.name,
            "kind": self.kind.name,
            "values": ", ".join(self.kind.values),
            **self.describe_layers(),
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
