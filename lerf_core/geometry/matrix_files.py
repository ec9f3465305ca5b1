"""Matrices from text and files.

Convention
----------
Matrices act on (x, y, 1). A file does not say whether its matrix maps source to output or output
to source: whoever reads it has to know.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import MatrixFileError

__all__ = ["as_matrix", "load_matrix", "numbers_in"]

Matrix = npt.NDArray[np.float64]
# Bytes; a longer file is of another kind.
_TEXT_LIMIT = 1 << 20


def numbers_in(text: str) -> list[float] | None:
    """Return the numbers of a text, or None if it holds anything else, or nothing.

    They are separated by blanks, commas or semicolons.

    Examples
    --------
    >>> numbers_in("1 0 5; 0, 1, 0")
    [1.0, 0.0, 5.0, 0.0, 1.0, 0.0]
    """
    try:
        values = [float(word) for word in text.replace(",", " ").replace(";", " ").split()]
    except ValueError:
        return None
    return values or None


def as_matrix(values: Any, origin: str) -> Matrix:
    """Return 9 numbers as a (3, 3) matrix, or 6 as a (2, 3) one.

    Parameters
    ----------
    values : array_like
    origin : str
        Where they come from, for the error.

    Returns
    -------
    ndarray of float64, (3, 3) or (2, 3)

    Raises
    ------
    MatrixFileError
        If they are something else.
    """
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise MatrixFileError(f"{origin} is not a list of numbers") from None
    if array.size not in {6, 9} or array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 3):
        raise MatrixFileError(
            f"{origin} has shape {'x'.join(map(str, array.shape))}: "
            "9 numbers (3x3) or 6 (2x3) are needed"
        )
    return array.reshape(-1, 3)


def load_matrix(path: str | Path) -> Matrix:
    """Read a matrix from a file: .npy, JSON (a list, or an object's entry "matrix"), or text.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    ndarray of float64, (3, 3) or (2, 3)

    Raises
    ------
    MatrixFileError
        If the file holds no matrix.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        return as_matrix(_load_npy(path), str(path))
    with path.open("rb") as file:
        data = file.read(_TEXT_LIMIT + 1)
    if len(data) > _TEXT_LIMIT:
        raise MatrixFileError(f"{path} is too long to be a matrix")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MatrixFileError(f"{path} is no JSON, text, .npy or .pth matrix") from None
    if text.lstrip()[:1] in {"[", "{"}:
        return as_matrix(_from_json(path, text), str(path))
    numbers = numbers_in(text)
    if numbers is None:
        raise MatrixFileError(f"{path} holds something other than numbers")
    return as_matrix(numbers, str(path))


def _from_json(path: Path, text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        words = " ".join(str(error).split())
        raise MatrixFileError(f"{path} is no valid JSON: {words}") from None
    if isinstance(value, dict):
        if "matrix" not in value:
            raise MatrixFileError(f"{path} has no entry 'matrix'")
        value = value["matrix"]
    return value


def _load_npy(path: Path) -> npt.NDArray[Any]:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        words = " ".join(str(error).split())[:120]
        raise MatrixFileError(f"{path} is no readable .npy file: {words}") from None
    if not isinstance(array, np.ndarray):
        raise MatrixFileError(f"{path} holds several arrays, and one is needed")
    return array
