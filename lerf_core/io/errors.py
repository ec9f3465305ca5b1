"""Errors that concern one file and are told to the user in one line."""

from __future__ import annotations


class FileError(Exception):
    """A file that cannot be read, processed or written; its text is one clear line."""


def one_line(error: BaseException, limit: int = 300) -> str:
    """Return an exception's text on a single line.

    Parameters
    ----------
    error : BaseException
        The exception; one without text gives its class name.
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
