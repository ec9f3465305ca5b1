"""Matrices from text and files, and to files.

Convention
----------
Matrices act on (x, y, 1). A file does not say whether its matrix maps source to output or output
to source: whoever reads it has to know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import FileError, MatrixFileError, one_line

__all__ = ["as_matrix", "load_entries", "load_matrix", "numbers_in", "save_matrix"]

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
    return _load(Path(path))[0]


def load_entries(path: str | Path) -> dict[str, Any]:
    """Read what a JSON file says beside its matrix; of any other matrix file, nothing.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict
        Entries of a JSON object, but for "matrix"; as they stand, unchecked.

    Raises
    ------
    MatrixFileError, OSError
        As `load_matrix`.
    """
    return _load(Path(path))[1]


def _load(path: Path) -> tuple[Matrix, dict[str, Any]]:
    """Return the matrix of a file, and the other entries of a JSON object."""
    if path.suffix.lower() == ".npy":
        return as_matrix(_load_npy(path), str(path)), {}
    with path.open("rb") as file:
        data = file.read(_TEXT_LIMIT + 1)
    if len(data) > _TEXT_LIMIT:
        raise MatrixFileError(f"{path} is too long to be a matrix")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MatrixFileError(f"{path} is no JSON, text, .npy or .pth matrix") from None
    if text.lstrip()[:1] in {"[", "{"}:
        entries = _from_json(path, text)
        return as_matrix(entries.pop("matrix"), str(path)), entries
    numbers = numbers_in(text)
    if numbers is None:
        raise MatrixFileError(f"{path} holds something other than numbers")
    return as_matrix(numbers, str(path)), {}


def _from_json(path: Path, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        words = " ".join(str(error).split())
        raise MatrixFileError(f"{path} is no valid JSON: {words}") from None
    if not isinstance(value, dict):
        return {"matrix": value}
    if "matrix" not in value:
        raise MatrixFileError(f"{path} has no entry 'matrix'")
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


# -- writing -----------------------------------------------------------------------------


def save_matrix(
    path: str | Path, matrix: npt.ArrayLike, *, entries: Mapping[str, Any] | None = None
) -> None:
    """Write a matrix to a file that `load_matrix` reads, number for number.

    The file's suffix says how: .json, .npy, .txt (blanks between numbers) or .csv (commas). A
    file that is there is replaced, once the new one is whole.

    Parameters
    ----------
    path : str or Path
        In a folder that exists.
    matrix : array_like, (3, 3) or (2, 3)
        Finite.
    entries : mapping of str to object, optional
        What JSON is to say beside "matrix"; other forms hold numbers alone.

    Raises
    ------
    MatrixFileError
        If the suffix is another, or the matrix none of these.
    FileError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "shift.json"
    >>> save_matrix(path, [[1, 0, 0.1], [0, 1, 0]], entries={"result_size": [640, 480]})
    >>> load_matrix(path).tolist(), load_entries(path)
    ([[1.0, 0.0, 0.1], [0.0, 1.0, 0.0]], {'result_size': [640, 480]})
    """
    from lerf_core.io.results.whole_files import write_whole

    path = Path(path)
    array = as_matrix(matrix, "the matrix")
    if not np.isfinite(array).all():
        raise MatrixFileError(f"a matrix to save must be finite, got {array.tolist()}")
    data = _encoded(path, array, entries or {})
    try:
        write_whole(path, data)
    except OSError as error:
        raise FileError(f"cannot write {path}: {one_line(error)}") from error


def _encoded(path: Path, matrix: Matrix, entries: Mapping[str, Any]) -> bytes:
    """Return the bytes of a matrix file, by its name's suffix."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        import io

        file = io.BytesIO()
        np.save(file, matrix)
        return file.getvalue()
    # repr is the shortest text that is read back as the same 64 bits.
    rows = [[repr(number) for number in row] for row in matrix.tolist()]
    if suffix == ".json":
        lines = ",\n".join(f"    [{', '.join(row)}]" for row in rows)
        members = [f'  "matrix": [\n{lines}\n  ]']
        members += [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in entries.items()]
        return ("{\n" + ",\n".join(members) + "\n}\n").encode()
    if suffix in {".txt", ".csv"}:
        separator = "," if suffix == ".csv" else " "
        return "".join(f"{separator.join(row)}\n" for row in rows).encode()
    raise MatrixFileError(
        f"{path}: a matrix is saved as .json, .txt, .csv or .npy, not as {suffix or 'a bare name'}"
    )
