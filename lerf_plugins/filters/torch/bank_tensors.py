"""Banks as tensors, which a module keeps as buffers, and back.

Of tables there is a tensor for each stage, ``stage1`` and so on, as
`lerf_core.backends.torch.table_reads.stage_tables` has them; of a network ``layer0_weight``,
``layer0_bias``, ``layer0_shift`` and so on, as `lerf_core.bank.network.Layer` has them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lerf_core.backends.torch.table_reads import stage_tables, table_names
from lerf_core.bank import Layer, LutBank, NetworkBank
from lerf_core.bank.base import Bank
from lerf_core.bank.files import table_name
from lerf_core.bank.network import NETWORK_FORMAT
from lerf_core.errors import InvalidTypeError

__all__ = ["bank_tensors", "changed_bank", "meaning_of", "own_bank", "structure_of"]

Arrays = Mapping[str, npt.NDArray[Any]]
# Banks that are kept of each structure.
_MOST_KEPT = 4


def bank_tensors(bank: Bank) -> dict[str, Tensor]:
    """Return all entries of a bank, by names that buffers can have.

    Raises
    ------
    InvalidTypeError
        If it is of neither tables nor a network.
    """
    if isinstance(bank, LutBank):
        return {f"stage{number}": tables for number, tables in enumerate(stage_tables(bank), 1)}
    if isinstance(bank, NetworkBank):
        return {name.replace(".", "_"): torch.tensor(array) for name, array in bank.tensors.items()}
    raise _unknown(bank)


def _unknown(bank: Bank) -> InvalidTypeError:
    return InvalidTypeError(f"bank must be one of tables or a network, got {bank!r}")


def structure_of(bank: Bank) -> str:
    """Return the text that describes a module's bank."""
    return json.dumps(bank.metadata)


def meaning_of(bank: Bank) -> str:
    """Return, as text, what has to be the same of banks whose entries can be exchanged."""
    if isinstance(bank, LutBank):
        structure = (bank.kind.name, bank.interval, sorted(bank.patterns.items()), bank.stages)
        return " ".join(map(repr, structure))
    if isinstance(bank, NetworkBank):
        shapes = [layer.weight.shape for layer in bank.layers]
        return " ".join(map(repr, (bank.kind.name, shapes, bank.zero, bank.leak)))
    raise _unknown(bank)


def changed_bank(bank: Bank, tensors: Sequence[Tensor]) -> Bank:
    """Return a bank of the same structure whose entries are those of tensors on any device.

    Where they are its own, itself; else without the record of its training.

    Parameters
    ----------
    bank : Bank
    tensors : sequence of Tensor
        In the order of `bank_tensors`.
    """
    arrays = [tensor.detach().cpu().numpy() for tensor in tensors]
    if isinstance(bank, NetworkBank):
        own = bank.tensors.values()
        if all(map(np.array_equal, own, arrays)):
            return bank
        layers = tuple(Layer(*arrays[at : at + 3]) for at in range(0, len(arrays), 3))
        return NetworkBank(bank.name, layers, zero=bank.zero, leak=bank.leak)
    if not isinstance(bank, LutBank):
        raise _unknown(bank)
    tables = {}
    for number, entries in enumerate(arrays):
        for name, table in zip(table_names(bank, number), entries, strict=True):
            tables[name] = table.reshape(bank.tables[name].shape)
    if all(np.array_equal(bank.tables[name], table) for name, table in tables.items()):
        return bank
    return LutBank(bank.name, bank.kind, bank.interval, bank.patterns, bank.stages, tables)


# -- banks of recorded modules ------------------------------------------------------------


class _MadeBank(NamedTuple):
    """A bank, and the tensors that it is made of."""

    tensors: tuple[Tensor, ...]
    bank: Bank


def own_bank(structure: str, tensors: Sequence[Tensor]) -> Bank:
    """Return the bank of a module's tensors; the last ones are kept.

    Parameters
    ----------
    structure : str
        See `structure_of`; of the same bank, or of one with other entries.
    tensors : sequence of Tensor
        In the order of `bank_tensors`, on any device.
    """
    made = _made_banks(structure)
    for kept in made:
        if all(map(_same_entries, kept.tensors, tensors)):
            return kept.bank
    del made[_MOST_KEPT - 1 :]
    copies = tuple(entries.clone() for entries in tensors)
    made.insert(0, _MadeBank(copies, _made_bank(structure, tensors)))
    return made[0].bank


def _same_entries(kept: Tensor, entries: Tensor) -> bool:
    return kept.device == entries.device and bool(torch.equal(kept, entries))


def _made_bank(structure: str, tensors: Sequence[Tensor]) -> Bank:
    description = json.loads(structure)
    entries = [tensor.cpu().numpy() for tensor in tensors]
    origin = "the module's state"
    if description["format"] == NETWORK_FORMAT:
        arrays = _layer_arrays(description, entries)
        return NetworkBank.from_metadata(structure, arrays, origin=origin, verify=False)
    arrays = _table_arrays(description, entries)
    return LutBank.from_metadata(structure, arrays, origin=origin, verify=False)


def _table_arrays(description: dict[str, Any], entries: Sequence[npt.NDArray[Any]]) -> Arrays:
    arrays, shape = {}, (256 // description["interval"] + 1,) * 4
    for number, (stage, tables) in enumerate(zip(description["stages"], entries, strict=True), 1):
        names = [
            table_name(number, pattern, group)
            for pattern in stage["patterns"]
            for group in range(len(stage["rotation_groups"]))
        ]
        for name, table in zip(names, tables, strict=True):
            arrays[name] = table.reshape(*shape, -1)
    return arrays


def _layer_arrays(description: dict[str, Any], entries: Sequence[npt.NDArray[Any]]) -> Arrays:
    names = [
        f"layer{number}.{part}"
        for number in range(description["layers"])
        for part in ("weight", "bias", "shift")
    ]
    return dict(zip(names, entries, strict=True))


@lru_cache(maxsize=8)
def _made_banks(structure: str) -> list[_MadeBank]:  # noqa: ARG001 - a place for each
    return []
