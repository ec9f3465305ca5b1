"""Reading matrices, corner lists and coordinate fields.

Convention
----------
Matrices and points are in (x, y) order, with pixel centres at integers. Fields come out in
(row, col) order.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError, MatrixFileError, one_line
from lerf_core.geometry.matrix_files import as_matrix, load_matrix, numbers_in

Matrix = NDArray[np.float64]


def read_matrix(text: str) -> Matrix:
    """Read a matrix from an option's value: a file's name, or 9 (or 6) numbers.

    Parameters
    ----------
    text : str
        Nine numbers row by row, or six of the two upper rows, separated by blanks or commas; or
        the name of a JSON, text, .npy or .pth file.

    Returns
    -------
    (3, 3) or (2, 3) array of float64

    Raises
    ------
    FileError
        If it is none of these.

    Examples
    --------
    >>> read_matrix("1 0 5, 0 1 0")
    array([[1., 0., 5.],
           [0., 1., 0.]])
    """
    try:
        numbers = numbers_in(text)
        if numbers is not None:
            return as_matrix(numbers, "the matrix")
        path = Path(text)
        if path.suffix.lower() in {".pth", ".pt"}:
            return as_matrix(_load_torch(path), str(path))
        return load_matrix(path)
    except MatrixFileError as error:
        from lerf_core.geometry.registration import is_registration

        if is_registration(text):
            raise FileError(f"{text} is another program's: it goes with --registration") from None
        raise FileError(one_line(error)) from None
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{text}: {one_line(error)}") from error


def _load_npy(path: Path) -> NDArray[Any]:
    """Map an array: its pages are read when they are looked at."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FileError(f"{path} is no readable .npy file: {one_line(error, 120)}") from None
    if not isinstance(array, np.ndarray):
        raise FileError(f"{path} holds several arrays, and one is needed")
    return array


def _load_torch(path: Path) -> NDArray[Any]:
    if not path.is_file():
        raise FileError(f"{path}: No such file")
    try:
        import torch
    except ModuleNotFoundError:
        raise FileError(
            f"{path} needs torch to be read: pip install 'lerf[train]', or save the matrix as "
            ".npy, JSON or text"
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Tensors only: a pickle from elsewhere must not run code.
            value = torch.load(path, map_location="cpu", weights_only=True)
        if isinstance(value, dict):
            value = value.get("matrix")
        if isinstance(value, torch.Tensor):
            return np.asarray(value.detach().to_dense().to(torch.float64).numpy())
    except OSError:
        raise
    # Damaged pickles raise anything, in many lines of advice to programmers.
    except Exception:  # noqa: BLE001
        raise FileError(f"{path} is damaged, or holds something other than tensors") from None
    raise FileError(f"{path} holds no tensor")


def read_points(text: str) -> Matrix:
    """Read four points ``"x,y x,y x,y x,y"``.

    Returns
    -------
    (4, 2) array of float64
        In (x, y) order.

    Raises
    ------
    FileError
    """
    numbers = numbers_in(text)
    if numbers is None or len(numbers) != 8 or not np.isfinite(numbers).all():
        raise FileError(f"{text!r} is not four points 'x,y x,y x,y x,y'")
    return np.asarray(numbers, np.float64).reshape(4, 2)


def read_field(path: Path, order: str) -> NDArray[Any]:
    """Read a field of coordinates or displacements; of .npy, what is looked at alone.

    Parameters
    ----------
    path : Path
        .npy or TIFF, of shape (2, rows, cols) or (rows, cols, 2).
    order : str
        ``rc`` where the first of the two is the row, ``xy`` where it is the column.

    Returns
    -------
    (2, rows, cols) array of float
        In (row, col) order.

    Raises
    ------
    FileError
    """
    try:
        is_tiff = path.suffix.lower() in {".tif", ".tiff"}
        field = _load_tiff(path) if is_tiff else _load_npy(path)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: {one_line(error)}") from error
    if field.dtype.kind not in "iuf":
        raise FileError(f"{path} holds {field.dtype} values, and a field is made of numbers")
    if field.ndim != 3 or 2 not in {field.shape[0], field.shape[-1]}:
        raise FileError(
            f"{path} has shape {field.shape}: a field is (2, rows, cols) or (rows, cols, 2)"
        )
    if field.shape[0] != 2:
        field = np.moveaxis(field, -1, 0)
    if field.dtype.kind != "f" or field.dtype.itemsize < 4:
        field = field.astype(np.float64)
    return field[::-1] if order == "xy" else field


def _load_tiff(path: Path) -> NDArray[Any]:
    from lerf_core.io.reading import open_reader

    with open_reader(path) as reader:
        field: NDArray[Any] = reader[...]
        return field
