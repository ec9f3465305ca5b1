"""Transforms as ITK writes them: text (.tfm, .txt), and MATLAB's (.mat, of ANTs).

Convention
----------
ITK's: a transform maps places of the fixed image (the output) to places of the moving image (the
input). A matrix acts about a centre: y = A (x - c) + c + t. Of a composite the last transform is
applied first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.errors import FileError, InvalidArgumentError, one_line
from lerf_core.geometry.homography import as_homography
from lerf_core.geometry.registration.grids import PhysicalGrid, planar_grid
from lerf_core.geometry.registration.registrations import Registration
from lerf_core.geometry.registration.transforms import (
    BSplineTransform,
    Composition,
    DisplacementTransform,
    MatrixTransform,
    PlaneTransform,
)

__all__ = ["about", "registration_of_matlab", "registration_of_text", "rotation_matrix"]

Floats = npt.NDArray[np.float64]

#: What a text file of ITK's begins with.
TEXT_START = "#Insight Transform File"
# The name of a class, with the type of its numbers, its dimensions, and the order of a spline.
_NAMED = re.compile(r"(\w+?)_(double|float)_(\d+)_(\d+)(?:_(\d+))?")


class _Entry(NamedTuple):
    """A transform of a file.

    Attributes
    ----------
    name : str
        Of its class, with the dimensions.
    parameters, fixed : list of float
    """

    name: str
    parameters: list[float]
    fixed: list[float]


def registration_of_text(path: Path, text: str) -> Registration:
    """Return what a text file of ITK's says.

    Raises
    ------
    FileError
    """
    entries: list[dict[str, str]] = []
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if line.startswith("#") or not colon:
            continue
        if key.strip() == "Transform":
            entries.append({})
        if entries:
            entries[-1][key.strip()] = value.strip()
    return _registration(path, [_entry(path, entry) for entry in entries])


def registration_of_matlab(path: Path, data: bytes) -> Registration:
    """Return what a MATLAB file (version 4) of ITK's says: of each transform two vectors.

    Raises
    ------
    FileError
    """
    entries: list[_Entry] = []
    for name, values in _matlab_vectors(path, data):
        if name == "fixed" and entries:
            entries[-1] = entries[-1]._replace(fixed=values)
        else:
            entries.append(_Entry(name, values, []))
    return _registration(path, entries)


def _matlab_vectors(path: Path, data: bytes) -> list[tuple[str, list[float]]]:
    """Return the names and numbers of the matrices of a file; see MATLAB's "Level 4 MAT-files"."""
    vectors, at = [], 0
    try:
        while at < len(data):
            order = "<" if data[at + 1 : at + 4] == bytes(3) else ">"
            kind, rows, cols, _, length = np.frombuffer(data, f"{order}i4", 5, at).tolist()
            precision = {0: "f8", 1: "f4"}[kind // 10 % 10]
            if min(rows, cols, length) < 0 or rows * cols > len(data):
                raise ValueError("sizes")
            at += 20
            name = data[at : at + length].split(b"\0")[0].decode("ascii")
            at += length
            values = np.frombuffer(data, order + precision, rows * cols, at)
            at += values.nbytes
            vectors.append((name, values.astype(np.float64).tolist()))
    except (ValueError, KeyError):
        raise FileError(f"{path} is a damaged MATLAB file, or none of ITK's transforms") from None
    return vectors


def _entry(path: Path, entry: dict[str, str]) -> _Entry:
    numbers = []
    for key in ("Parameters", "FixedParameters"):
        try:
            numbers.append([float(word) for word in entry.get(key, "").split()])
        except ValueError:
            raise FileError(
                f"{path}: {key} of {one_line(entry['Transform'], 60)} are no numbers"
            ) from None
    return _Entry(entry["Transform"], *numbers)


def _registration(path: Path, entries: Sequence[_Entry]) -> Registration:
    if not entries:
        raise FileError(f"{path} holds no transform")
    is_composite = entries[0].name.startswith("CompositeTransform")
    if is_composite:
        _check_plane(path, entries[0].name)
        entries = entries[1:]
    if len(entries) != 1 and not is_composite:
        raise FileError(f"{path} holds {len(entries)} transforms, and no composite of them")
    transforms = tuple(_transform(path, entry) for entry in reversed(entries))
    transform = transforms[0] if len(transforms) == 1 else Composition(transforms)
    return Registration(f"{path}: an ITK transform", transform)


def _check_plane(path: Path, name: str) -> tuple[str, str]:
    """Return the class of a transform and the order of its spline; refuse all but planes'."""
    match = _NAMED.fullmatch(name)
    if match is None:
        raise FileError(f"{path} holds {one_line(name, 60)!r}, which is no transform of ITK's")
    if (match[3], match[4]) != ("2", "2"):
        raise FileError(f"{path} holds {name}, of {match[3]} dimensions: images have two")
    return match[1], match[5] or "3"


def _transform(path: Path, entry: _Entry) -> PlaneTransform:
    kind, order = _check_plane(path, entry.name)
    if kind not in _KINDS or order != "3":
        raise FileError(
            f"{path} holds {entry.name}, which is not supported: {', '.join(_KINDS)} are"
        )
    counts, make = _KINDS[kind]
    if not np.isfinite(entry.parameters + entry.fixed).all():
        raise FileError(f"{path}: numbers of {entry.name} are not finite")
    # Files of old have no centre where it is 0.
    if counts is not None and (
        len(entry.parameters) != counts[0] or len(entry.fixed) not in {counts[1], 0}
    ):
        raise FileError(
            f"{path}: {entry.name} takes {counts[0]} parameters and {counts[1]} fixed ones, and "
            f"has {len(entry.parameters)} and {len(entry.fixed)}"
        )
    try:
        return make(entry.parameters, entry.fixed)
    except InvalidArgumentError as error:
        raise FileError(f"{path}: {entry.name}: {one_line(error)}") from None


# -- classes --------------------------------------------------------------------------------


def about(
    linear: npt.ArrayLike, centre: Sequence[float], translation: Sequence[float]
) -> MatrixTransform:
    """Return the transform y = A (x - c) + c + t.

    Raises
    ------
    InvalidArgumentError
        If the matrix is singular.
    """
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    middle = np.array(centre[:2] if len(centre) else (0.0, 0.0))
    matrix[:2, 2] = middle + np.array(translation) - matrix[:2, :2] @ middle
    return MatrixTransform(as_homography(matrix))


def rotation_matrix(angle: float, scale: float = 1.0) -> Floats:
    """Return the 2x2 matrix of a turn from x towards y, in radians."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def _affine(p: list[float], centre: list[float]) -> MatrixTransform:
    return about(np.reshape(p[:4], (2, 2)), centre, p[4:])


def _euler(p: list[float], centre: list[float]) -> MatrixTransform:
    return about(rotation_matrix(p[0]), centre, p[1:])


def _similarity(p: list[float], centre: list[float]) -> MatrixTransform:
    return about(rotation_matrix(p[1], p[0]), centre, p[2:])


def _field(p: list[float], fixed: list[float]) -> DisplacementTransform:
    grid = _grid_of(fixed)
    return DisplacementTransform(_values(p, grid).reshape(*(grid.shape or ()), 2), grid)


def _b_spline(p: list[float], fixed: list[float]) -> BSplineTransform:
    grid = _grid_of(fixed)
    if min(grid.shape or (0,)) < 4:
        raise InvalidArgumentError(f"its grid of {grid.shape} has no four coefficients a side")
    return BSplineTransform(_values(p, grid).reshape(2, *(grid.shape or ())), grid)


def _grid_of(fixed: list[float]) -> PhysicalGrid:
    """Return the grid that fixed parameters tell: size, origin, spacing and directions."""
    if len(fixed) != 10:
        raise InvalidArgumentError(f"10 fixed parameters tell a grid, and there are {len(fixed)}")
    cols, rows = (int(size) for size in fixed[:2])
    return planar_grid(fixed[4:6], fixed[2:4], np.reshape(fixed[6:], (2, 2)), (rows, cols))


def _values(p: list[float], grid: PhysicalGrid) -> Floats:
    rows, cols = grid.shape or (0, 0)
    if len(p) != 2 * rows * cols:
        raise InvalidArgumentError(
            f"a grid of {cols} x {rows} takes {2 * rows * cols} parameters, and there are {len(p)}"
        )
    return np.array(p)


# By class: how many parameters and fixed ones, if these are always as many; what they make.
_KINDS: dict[
    str, tuple[tuple[int, int] | None, Callable[[list[float], list[float]], PlaneTransform]]
] = {
    "IdentityTransform": ((0, 0), lambda _p, _fixed: MatrixTransform(np.eye(3))),
    "TranslationTransform": ((2, 0), lambda p, _fixed: about(np.eye(2), (), p)),
    "ScaleTransform": ((2, 2), lambda p, centre: about(np.diag(p), centre, (0.0, 0.0))),
    "Euler2DTransform": ((3, 2), _euler),
    "Rigid2DTransform": ((3, 2), _euler),
    "CenteredRigid2DTransform": (
        (5, 0), lambda p, _fixed: about(rotation_matrix(p[0]), p[1:3], p[3:])
    ),
    "Similarity2DTransform": ((4, 2), _similarity),
    "CenteredSimilarity2DTransform": (
        (6, 0), lambda p, _fixed: about(rotation_matrix(p[1], p[0]), p[2:4], p[4:])
    ),
    "AffineTransform": ((6, 2), _affine),
    "MatrixOffsetTransformBase": ((6, 2), _affine),
    "DisplacementFieldTransform": (None, _field),
    "BSplineTransform": (None, _b_spline),
}  # fmt: skip
