"""Fields of displacements in NIfTI files (.nii, .nii.gz), as ITK and ANTs write them; by nibabel.

Convention
----------
ITK's: vectors (x, y) in physical space, from a place of the output to one of the input. Physical
space is ITK's (LPS: x to the left, y to the back), and NIfTI's has both the other way (RAS). Of a
file whose intent is "vector" the vectors are ITK's already; of one whose intent is "displacement
vector" and whose vectors have three values they are NIfTI's, as ITK reads it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import FileError, InvalidArgumentError, one_line
from lerf_core.geometry.registration.grids import PhysicalGrid, planar_grid

__all__ = ["field_of_nifti", "is_nifti"]

Values = npt.NDArray[np.floating[Any]]

_MAGIC = (b"n+1\0", b"ni1\0", b"n+2\0", b"ni2\0")
# NIFTI_INTENT_DISPVECT.
_DISPLACEMENT_INTENT = 1006
# Bytes of a header of version 1, by which it is known.
HEADER_BYTES = 348


def is_nifti(head: bytes) -> bool:
    """Whether a file begins like this: the first bytes of it, decompressed."""
    return head[344:348] in _MAGIC or head[4:8] in _MAGIC


def field_of_nifti(path: Path) -> tuple[Values, PhysicalGrid]:
    """Return the vectors of a NIfTI file, and where they lie.

    Returns
    -------
    field : ndarray of float, (rows, cols, 2)
        Steps along x and y, of ITK's space.
    grid : PhysicalGrid

    Raises
    ------
    FileError
        If nibabel is not installed, or the file is no field in a plane.
    """
    try:
        import nibabel
        from nibabel.imageglobals import logger
    except ModuleNotFoundError:
        raise FileError(
            f"{path} needs nibabel to be read: pip install 'lerf[nifti]', or save the field as .mha"
        ) from None
    try:
        with _silent(logger):
            image: Any = nibabel.load(path)
            shape, affine = image.shape, np.array(image.affine, np.float64)
            intent = int(image.header["intent_code"])
    # Damaged headers raise anything.
    except Exception as error:  # noqa: BLE001
        raise FileError(f"{path} is no readable NIfTI file: {one_line(error, 120)}") from None
    # x, y, z, time, and the components of a pixel.
    if len(shape) != 5 or shape[2:4] != (1, 1):
        raise FileError(
            f"{path} is of {' x '.join(map(str, shape))}: a field is of X x Y x 1 x 1 x 2"
        )
    size, components = shape[:2], shape[4]
    if components not in {2, 3}:
        raise FileError(f"{path} has {components} values a pixel: a field has x and y, and z 0")
    try:
        values = np.asanyarray(image.dataobj).reshape(*size, components)
    except Exception as error:  # noqa: BLE001
        raise FileError(f"{path} is damaged: {one_line(error, 120)}") from None
    if values.dtype.kind not in "iuf":
        raise FileError(f"{path} holds {values.dtype} values, and a field is made of numbers")
    if intent == _DISPLACEMENT_INTENT and components == 2:
        raise FileError(
            f"{path} has displacement vectors (intent 1006) of two values, whose signs programs "
            "read differently: save the field as .mha"
        )
    if components == 3 and np.any(values[..., 2]):
        raise FileError(f"{path} has steps along z: a field lies in a plane")
    field = np.swapaxes(values[..., :2], 0, 1)
    if intent == _DISPLACEMENT_INTENT:
        field = -field
    return field, _grid(path, affine, (size[1], size[0]))


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Keep a logger from saying on standard error what it mends."""
    was_disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was_disabled


def _grid(path: Path, affine: npt.NDArray[np.float64], shape: tuple[int, int]) -> PhysicalGrid:
    """Return where pixels lie, from the matrix to NIfTI's space."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            return planar_grid(spacing, affine[:3, 3], affine[:3, :3] / spacing, shape)
    except InvalidArgumentError as error:
        raise FileError(f"{path}: {one_line(error)}") from None
