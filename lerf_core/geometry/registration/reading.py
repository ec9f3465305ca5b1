"""Registration files of every kind, told apart by what they hold."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lerf_core.choices import LANDMARK_MODELS
from lerf_core.errors import FileError, InvalidArgumentError, MatrixFileError, one_line
from lerf_core.geometry.homography import as_homography, invert
from lerf_core.geometry.matrix_files import load_entries, load_matrix, numbers_in
from lerf_core.geometry.registration import elastix_files, itk_files, meta_images, nifti_files
from lerf_core.geometry.registration.grids import PhysicalGrid
from lerf_core.geometry.registration.landmark_files import (
    Landmarks,
    fitted,
    landmarks_of,
    landmarks_of_json,
)
from lerf_core.geometry.registration.registrations import Registration, composed
from lerf_core.geometry.registration.transforms import DisplacementTransform, MatrixTransform
from lerf_core.validation import check_choice

__all__ = ["is_registration", "read_registration", "read_registrations"]

# Bytes by which a file is known, and of the longest text that is read: splines and fields as text.
_HEAD = 4096
_MOST_TEXT = 1 << 28
_NPY, _HDF5, _GZIP, _ZIP = b"\x93NUMPY", b"\x89HDF\r\n", b"\x1f\x8b", b"PK\x03\x04"
# What the first vector of a MATLAB file of ITK's is called.
_MATLAB_NAME = b"Transform_"
_RESULT_SIZE = "result_size"


def read_registration(
    path: str | Path, *, model: str | None = None, inverse: bool = False
) -> Registration:
    """Read a registration that another program, or the napari plugin, has made.

    Files are known by what they hold: matrices (JSON, text, .npy; with the size of the result
    where the napari plugin wrote it), transforms of ITK (text, or ANTs' .mat), transform
    parameters of elastix, landmarks (BigWarp, bUnwarpJ, four numbers a line), and displacement
    fields of ITK (.mha, .mhd; .nii, .nii.gz with nibabel).

    Parameters
    ----------
    path : str or Path
    model : str, optional
        What to fit to landmarks: "translation", "rigid", "similarity", "affine" (the default),
        "homography" or "thin-plate". Goes with landmarks alone.
    inverse : bool, optional
        Whether the input is the file's fixed image, and the output its moving one; of a matrix,
        whether it maps the output to the input.

    Returns
    -------
    Registration

    Raises
    ------
    FileError
        If the file cannot be read, holds something else, or what it holds does not go with images
        of two dimensions.
    InvalidArgumentError
        If `model` goes with another kind of file, or the inverse is asked of what has none.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "shift.tfm"
    >>> _ = path.write_text('''#Insight Transform File V1.0
    ... Transform: TranslationTransform_double_2_2
    ... Parameters: 2 5
    ... FixedParameters:
    ... ''')
    >>> inverse_map, output_shape = read_registration(path).for_image((480, 640))
    >>> inverse_map.tolist(), output_shape
    ([[1.0, 0.0, 2.0], [0.0, 1.0, 5.0], [0.0, 0.0, 1.0]], (480, 640))
    """
    return read_registrations([(path, inverse)], model=model)


def read_registrations(
    files: Sequence[tuple[str | Path, bool]], *, model: str | None = None
) -> Registration:
    """Read registrations that are one after the other, as one.

    Parameters
    ----------
    files : sequence of (str or Path, bool)
        Of each whether it is inverted; see `read_registration`. The first takes the output's
        places, the last one ends at the input.
    model : str, optional
        What to fit to those that are landmarks.

    Returns
    -------
    Registration
        See `lerf_core.geometry.registration.registrations.composed`.

    Raises
    ------
    FileError, InvalidArgumentError
        As `read_registration`.
    """
    if model is not None:
        check_choice("model", model, LANDMARK_MODELS)
    registrations, is_fitted = [], False
    for path, inverse in files:
        found = _opened(Path(path))
        if isinstance(found, Landmarks):
            is_fitted = True
            landmarks = found.swapped() if inverse else found
            registrations.append(fitted(landmarks, model or LANDMARK_MODELS[0], Path(path)))
        else:
            registrations.append(found.inverted() if inverse else found)
    registration = composed(registrations)
    if model is not None and not is_fitted:
        raise InvalidArgumentError(
            f"{registration.kind}: it says itself what it is; {model} is for landmarks"
        )
    return registration


def _opened(path: Path) -> Registration | Landmarks:
    """Return what a file holds; a FileError says what is wrong with it."""
    try:
        return _read(path)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: {one_line(error)}") from error
    except MatrixFileError as error:
        raise FileError(one_line(error)) from None


def is_registration(path: str | Path) -> bool:
    """Whether a file is one that `read_registration` knows, other than a matrix."""
    try:
        found = _opened(Path(path))
    except FileError:
        return False
    return isinstance(found, Landmarks) or not found.is_of_pixels


def _read(path: Path) -> Registration | Landmarks:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(_HDF5):
        raise FileError(f"{path} is an HDF5 file: save the transform as text (.tfm)")
    if head.startswith(_NPY):
        return _of_matrix(path)
    if nifti_files.is_nifti(_decompressed(head)):
        return _of_field(path, *nifti_files.field_of_nifti(path))
    if meta_images.START.match(head):
        return _of_field(path, *meta_images.field_of_meta_image(path))
    if b"\0" in head[:20] and _MATLAB_NAME in head[20:80]:
        return itk_files.registration_of_matlab(path, _whole(path))
    if head.startswith((_GZIP, _ZIP)) or b"\0" in head:
        raise FileError(f"{path} is no registration that is known")
    return _of_text(path, _whole(path).decode("utf-8-sig", errors="replace"))


def _decompressed(head: bytes) -> bytes:
    """Return the beginning of a file, of a gzip's contents."""
    if not head.startswith(_GZIP):
        return head
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, nifti_files.HEADER_BYTES)
    except zlib.error:
        return b""


def _whole(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_MOST_TEXT + 1)
    if len(data) > _MOST_TEXT:
        raise FileError(f"{path} is too long to be a registration")
    return data


def _of_text(path: Path, text: str) -> Registration | Landmarks:
    if text.startswith(itk_files.TEXT_START):
        return itk_files.registration_of_text(path, text)
    if elastix_files.TRANSFORM.search(text):
        return elastix_files.registration_of_elastix(path, text)
    if text.lstrip().startswith("{"):
        landmarks = landmarks_of_json(path, _json(text))
        return _of_matrix(path) if landmarks is None else landmarks
    if text.lstrip().startswith("["):
        return _of_matrix(path)
    landmarks = landmarks_of(path, text)
    if landmarks is None and numbers_in(text) is None:
        raise FileError(f"{path} is no registration that is known")
    return landmarks or _of_matrix(path)


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _of_field(path: Path, field: np.ndarray[Any, Any], grid: PhysicalGrid) -> Registration:
    return Registration(
        f"{path}: a displacement field", DisplacementTransform(field, grid), output=grid
    )


def _of_matrix(path: Path) -> Registration:
    """Return what a matrix file says: a matrix from source to result, in pixels."""
    try:
        matrix = as_homography(load_matrix(path))
        entries = load_entries(path)
    except InvalidArgumentError as error:
        raise FileError(f"{path}: {one_line(error)}") from None
    size, output = entries.get(_RESULT_SIZE), None
    if size is not None:
        if not (
            isinstance(size, list)
            and len(size) == 2
            and all(type(side) is int and side > 0 for side in size)
        ):
            raise FileError(f"{path}: {_RESULT_SIZE} must be [width, height], got {size}")
        output = PhysicalGrid(shape=(size[1], size[0]))
    return Registration(
        f"{path}: a matrix", MatrixTransform(invert(matrix)), output, is_of_pixels=True
    )
