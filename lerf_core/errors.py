"""Typed errors: each is also the builtin error that a caller would expect."""

from __future__ import annotations

__all__ = [
    "BankError",
    "BankNotFoundError",
    "ImageTooLargeError",
    "InvalidArgumentError",
    "InvalidTypeError",
    "LerfError",
    "MatrixFileError",
    "TiledFileError",
]


class LerfError(Exception):
    """Base of every error that this library raises on purpose.

    ``str(error)`` is one line that names the value received.
    """


class InvalidArgumentError(LerfError, ValueError):
    """An argument has the right type and a value that cannot be used."""


class InvalidTypeError(LerfError, TypeError):
    """An argument has a type or dtype that cannot be used."""


class BankError(LerfError, ValueError):
    """A bank file or folder is damaged, incomplete or of an unknown version."""


class BankNotFoundError(LerfError, FileNotFoundError):
    """No bank has the given name, and no file or folder lies at the path."""


class ImageTooLargeError(LerfError, MemoryError):
    """The result would not fit the memory of this machine."""


class MatrixFileError(LerfError, ValueError):
    """A file or text holds no matrix."""


class TiledFileError(LerfError, OSError):
    """A large image file cannot be read or written tile by tile."""
