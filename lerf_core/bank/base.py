"""What banks of every form have in common: names, records, checksums and files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from lerf_core.bank.files import write_tensors
from lerf_core.bank.stages import Kind
from lerf_core.errors import BankError, LerfError

__all__ = [
    "Bank",
    "Described",
    "Record",
    "checked_record",
    "flattened",
    "format_of",
    "parsed_description",
]

#: How a bank came to be: any JSON.
Record = Mapping[str, Any]
AnyDescribed = TypeVar("AnyDescribed", bound="Described")


class Described(ABC):
    """Arrays and what describes them, as they stand in one file; known by their checksum.

    Attributes
    ----------
    name : str
        Short name, for people.
    """

    name: str

    @property
    @abstractmethod
    def tensors(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """The arrays, by the names that they have in the file."""

    @property
    @abstractmethod
    def description(self) -> dict[str, Any]:
        """All that the arrays do not say; JSON types."""

    @property
    def nbytes(self) -> int:
        """Size of all arrays, in bytes."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @property
    def metadata(self) -> dict[str, Any]:
        """The description as it stands in the file, checksum included; JSON types."""
        return {**self.description, "checksum": self.checksum}

    @cached_property
    def checksum(self) -> str:
        """``sha256:`` and the digest of the description and of every array's bytes."""
        digest = hashlib.sha256()
        digest.update(json.dumps(self.description, sort_keys=True).encode())
        for key in sorted(self.tensors):
            digest.update(key.encode())
            digest.update(self.tensors[key].tobytes())
        return f"sha256:{digest.hexdigest()}"

    def renamed(self: AnyDescribed, name: str) -> AnyDescribed:
        """Return the same under another name."""
        # Every form is a dataclass with a name.
        return cast("AnyDescribed", dataclasses.replace(cast("Any", self), name=name))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to one ``.safetensors`` file, whole or not at all."""
        write_tensors(Path(path), json.dumps(self.metadata, sort_keys=True), self.tensors)


class Bank(Described):
    """A model as it is kept and applied: what gives every source pixel its parameters; immutable.

    Attributes
    ----------
    kind : Kind
        Meaning of the parameters.
    training : mapping
        How the bank came to be; any JSON.
    """

    kind: Kind
    training: Record

    @property
    def follows_front(self) -> bool:
        """Whether it was trained on what a front gives, not on images as they are."""
        return "front" in self.training

    @property
    @abstractmethod
    def full_reach(self) -> int:
        """How far from a pixel lie the source pixels that its parameters depend on, in pixels."""

    @property
    @abstractmethod
    def reads_colours(self) -> bool:
        """Whether red, green and blue are read together."""

    @property
    @abstractmethod
    def work(self) -> str:
        """What its parameters cost per pixel, in a few words, for people."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what a person wants to know of the bank, in a sensible order."""

    @abstractmethod
    def export_folder(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write the published layout of tables; return the files.

        Raises
        ------
        BankError
            If the bank cannot be written so.
        """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bank) and self.checksum == other.checksum

    def __hash__(self) -> int:
        return hash(self.checksum)

    def __dask_tokenize__(self) -> str:
        return self.checksum

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.name!r}: {self.kind.name}, {self.nbytes / 1e6:.1f} MB>"
        )


def checked_record(name: str, record: Record) -> Record:
    """Return a read-only copy of a training record.

    Raises
    ------
    BankError
        If it is not JSON.
    """
    try:
        json.dumps(dict(record), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BankError(f"training record of {name!r} is not JSON: {error}") from error
    return MappingProxyType(dict(record))


def parsed_description(
    text: str,
    make: Callable[[dict[str, Any]], AnyDescribed],
    *,
    formats: tuple[str, *tuple[int, ...]],
    origin: str,
    verify: bool,
    fault: type[LerfError] = BankError,
) -> AnyDescribed:
    """Make what the JSON text of a `Described.metadata` describes.

    Parameters
    ----------
    text : str
    make : callable
        Makes it of the description; may raise a BankError or `fault`.
    formats : (str, int, ...)
        Name of the format, and the versions of it that can be read.
    origin : str
        The file that the text comes from, for messages.
    verify : bool
        Whether the checksum has to be right.
    fault : class, optional
        Of the error that is raised.

    Raises
    ------
    LerfError
        If the text describes nothing of the format and version, or the checksum differs.
    """
    name, *versions = formats
    try:
        data = json.loads(text)
        if data["format"] != name:
            raise BankError(f"format must be {name!r}, got {data['format']!r}")
        if data["version"] not in versions:
            known = " and ".join(map(str, versions))
            raise BankError(
                f"version {data['version']!r} is unknown; this library reads version {known}"
            )
        made = make(data)
        expected = data["checksum"]
    except (BankError, fault) as error:
        raise fault(f"{origin}: {error}") from error
    except (
        ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
    ) as error:  # fmt: skip
        raise fault(f"{origin}: description cannot be read ({error!r})") from error
    if verify and made.checksum != expected:
        raise fault(f"{origin} is damaged: checksum is {made.checksum}, file says {expected}")
    return made


def format_of(text: str) -> object:
    """Return the format that a description names; None where it cannot be read."""
    try:
        return json.loads(text)["format"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def flattened(prefix: str, record: Record) -> dict[str, Any]:
    """Join nested keys by blanks, for people; what is not set is left out."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{prefix} {key}"
        if isinstance(value, Mapping):
            flat |= flattened(name, value)
        elif isinstance(value, (list, tuple)):
            flat[name] = ", ".join(map(str, value))
        elif value is not None:
            flat[name] = value
    return flat
