"""Matrices of warping benchmarks: the one thing of an evaluation that torch is needed for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from lerf_training.errors import DatasetError, MissingExtraError

__all__ = ["Matrix", "read_matrix"]

Matrix = npt.NDArray[np.float64]


def read_matrix(path: Path) -> Matrix:
    """3x3 matrix of a ``.pth`` file, read without running anything it may hold.

    Parameters
    ----------
    path : Path
        A file saved by torch, of one 3x3 tensor.

    Returns
    -------
    ndarray of float64, shape (3, 3)

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    DatasetError
        If the file holds anything else.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(f"reading {path.name}", "torch", "train") from error

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    # torch raises whatever its unpickler meets: any of it means a bad file.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(f"{path}: not a saved 3x3 tensor ({reason})") from error
    matrix = np.asarray(loaded, dtype=np.float64) if torch.is_tensor(loaded) else None
    if matrix is None or matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        shape = "no tensor" if matrix is None else f"a tensor of shape {matrix.shape}"
        raise DatasetError(f"{path}: expected a finite 3x3 tensor, got {shape}")
    return matrix
