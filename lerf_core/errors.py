"""Typed errors: each is also the builtin error that a caller would expect."""

from __future__ import annotations

__all__ = [
    "BankError",
    "BankNotFoundError",
    "FileError",
    "FrontError",
    "FrontNotFoundError",
    "ImageTooLargeError",
    "InvalidArgumentError",
    "InvalidTypeError",
    "LerfError",
    "MatrixFileError",
    "ResultExistsError",
    "SourceChangedError",
    "ValueRangeWarning",
    "one_line",
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


class FrontError(LerfError, ValueError):
    """A file holds nothing that enlarges images by a fixed scale, or it cannot be used here."""


class FrontNotFoundError(FrontError, FileNotFoundError):
    """No front has the given name, and no file lies at the path."""


class ImageTooLargeError(LerfError, MemoryError):
    """The result would not fit the memory of this machine."""


class MatrixFileError(LerfError, ValueError):
    """A file or text holds no matrix."""


class FileError(LerfError, OSError):
    """A file cannot be read, processed or written as asked."""


class ResultExistsError(FileError):
    """Something has come under the name of a result since the work on it began."""


class ValueRangeWarning(UserWarning):
    """A float image has values of an integer's scale, and no `value_range` says so."""


class SourceChangedError(FileError):
    """A file was changed while it was read."""


def one_line(error: BaseException | str, limit: int = 300) -> str:
    """Return what an error says on a single line.

    Parameters
    ----------
    error : BaseException or str
        Of an error of the system its reason alone; one without text gives its class name.
    limit : int, optional
        Longest text returned, in characters.

    Returns
    -------
    str
    """
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        text = error.strerror
    else:
        text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 3] + "..."
