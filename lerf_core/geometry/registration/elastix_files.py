"""Transform parameters of elastix (TransformParameters.0.txt), and those they build on.

Convention
----------
elastix's, which is ITK's: from places of the fixed image (the output) to places of the moving
image (the input). The file also says where the output's pixels lie.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from lerf_core.errors import FileError, InvalidArgumentError, one_line
from lerf_core.geometry.registration.grids import PhysicalGrid, planar_grid
from lerf_core.geometry.registration.itk_files import about, rotation_matrix
from lerf_core.geometry.registration.registrations import Registration
from lerf_core.geometry.registration.transforms import (
    BSplineTransform,
    Composition,
    PlaneTransform,
    Sum,
)

__all__ = ["registration_of_elastix"]

# What a file is told apart by.
TRANSFORM = re.compile(r'^\s*\(Transform\s+"', re.MULTILINE)
_ENTRY = re.compile(
    r"^\s*\((\w+)((?:\s+(?:\"[^\"]*\"|[^\s\"()]+))*)\s*\)\s*(?://.*)?$", re.MULTILINE
)
_WORD = re.compile(r'"([^"]*)"|(\S+)')
# By the name: how many numbers, beside those of a grid of splines.
_COUNTS = {"TranslationTransform": 2, "EulerTransform": 3, "SimilarityTransform": 4,
           "AffineTransform": 6}  # fmt: skip
_SPLINES = ("BSplineTransform", "RecursiveBSplineTransform")
# Files that build on each other; more, and they go around.
_MOST_FILES = 50


class _Parameters:
    """The entries of a file.

    Parameters
    ----------
    path : Path
    text : str
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._entries: dict[str, list[str]] = {
            match[1]: [quoted or bare for quoted, bare in _WORD.findall(match[2])]
            for match in _ENTRY.finditer(text)
        }

    def word(self, *names: str, default: str = "") -> str:
        """Return the first word of an entry, by the first of its names that is there."""
        for name in names:
            if self._entries.get(name):
                return " ".join(self._entries[name][0].split())
        return default

    def numbers(self, name: str, count: int | None = None) -> list[float]:
        """Return the numbers of an entry; a FileError where it is missing or has others."""
        if name not in self._entries:
            raise FileError(f"{self.path} has no entry {name}")
        words = self._entries[name]
        try:
            values = [float(word) for word in words]
        except ValueError:
            raise FileError(f"{self.path}: {name} are no numbers") from None
        if count is not None and len(values) != count:
            raise FileError(f"{self.path}: {name} takes {count} numbers, and has {len(values)}")
        if not np.isfinite(values).all():
            raise FileError(f"{self.path}: {name} has numbers that are not finite")
        return values

    def says(self, name: str) -> bool:
        """Whether there is such an entry."""
        return name in self._entries


def registration_of_elastix(path: Path, text: str) -> Registration:
    """Return what a file of elastix says, and the files that it builds on.

    Raises
    ------
    FileError
    """
    parameters = _Parameters(path, text)
    for name in ("FixedImageDimension", "MovingImageDimension"):
        dimensions = parameters.word(name, default="2")
        if dimensions != "2":
            raise FileError(f"{path} is of {dimensions} dimensions: images have two")
    try:
        transform = _chain(parameters)
        output = _output_of(parameters)
    except InvalidArgumentError as error:
        raise FileError(f"{path}: {one_line(error)}") from None
    return Registration(f"{path}: transform parameters of elastix", transform, output)


def _output_of(parameters: _Parameters) -> PhysicalGrid | None:
    """Return where the output's pixels lie; None: the file does not say."""
    if not parameters.says("Size"):
        return None
    cols, rows = (int(size) for size in parameters.numbers("Size", 2))
    direction = np.eye(2)
    if parameters.word("UseDirectionCosines", default="true") != "false" and parameters.says(
        "Direction"
    ):
        # elastix writes column by column.
        direction = np.reshape(parameters.numbers("Direction", 4), (2, 2)).T
    if parameters.says("Index") and any(parameters.numbers("Index", 2)):
        raise FileError(f"{parameters.path}: an output that does not begin at Index 0 0")
    return planar_grid(
        parameters.numbers("Spacing", 2), parameters.numbers("Origin", 2), direction, (rows, cols)
    )


def _chain(parameters: _Parameters, depth: int = 0) -> PlaneTransform:
    """Return the transform of a file, with that of the file that it builds on."""
    own = _own(parameters)
    name = parameters.word(
        "InitialTransformParametersFileName", "InitialTransformParameterFileName",
        default="NoInitialTransform",
    )  # fmt: skip
    if name == "NoInitialTransform":
        return own
    if depth == _MOST_FILES:
        raise FileError(f"{parameters.path}: initial transforms go around, or are too many")
    initial = _chain(_Parameters(*_read_initial(parameters.path, name)), depth + 1)
    how = parameters.word("HowToCombineTransforms", default="Compose")
    if how == "Compose":
        return Composition((initial, own))
    if how == "Add":
        return Sum(initial, own)
    raise FileError(f"{parameters.path}: transforms are combined by Compose or Add, got {how!r}")


def _read_initial(path: Path, name: str) -> tuple[Path, str]:
    """Return the file that another builds on: where it says, or else beside it."""
    # Written on Windows, it has backslashes.
    beside = path.parent / re.split(r"[/\\]", name)[-1]
    initial = next((each for each in (Path(name), path.parent / name) if each.is_file()), beside)
    try:
        return initial, initial.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise FileError(
            f"{path} builds on {name}, which cannot be read: {one_line(error)}"
        ) from None


def _own(parameters: _Parameters) -> PlaneTransform:
    """Return the transform of a file alone."""
    name = parameters.word("Transform")
    if parameters.word("UseBinaryFormatForTransformationParameters") == "true":
        raise FileError(f"{parameters.path}: its parameters lie in a binary file, not as text")
    if name in _SPLINES:
        return _b_spline(parameters)
    if name not in _COUNTS:
        known = ", ".join((*_COUNTS, *_SPLINES))
        raise FileError(
            f"{parameters.path}: {name or 'no transform'} is not supported: {known} are"
        )
    p = parameters.numbers("TransformParameters", _COUNTS[name])
    if name == "TranslationTransform":
        return about(np.eye(2), (), p)
    centre = parameters.numbers("CenterOfRotationPoint", 2)
    if name == "AffineTransform":
        return about(np.reshape(p[:4], (2, 2)), centre, p[4:])
    if name == "EulerTransform":
        return about(rotation_matrix(p[0]), centre, p[1:])
    return about(rotation_matrix(p[1], p[0]), centre, p[2:])


def _b_spline(parameters: _Parameters) -> BSplineTransform:
    path = parameters.path
    order = parameters.word("BSplineTransformSplineOrder", default="3")
    if order != "3" or parameters.word("UseCyclicTransform") == "true":
        raise FileError(f"{path}: B-splines are supported that are cubic and not cyclic")
    if parameters.says("GridIndex") and any(parameters.numbers("GridIndex", 2)):
        raise FileError(f"{path}: a grid of B-splines that does not begin at GridIndex 0 0")
    cols, rows = (int(size) for size in parameters.numbers("GridSize", 2))
    if min(rows, cols) < 4:
        raise FileError(f"{path}: a grid of {cols} x {rows} has no four coefficients a side")
    direction = np.eye(2)
    if parameters.says("GridDirection"):
        direction = np.reshape(parameters.numbers("GridDirection", 4), (2, 2)).T
    grid = planar_grid(
        parameters.numbers("GridSpacing", 2), parameters.numbers("GridOrigin", 2), direction,
        (rows, cols),
    )  # fmt: skip
    values = parameters.numbers("TransformParameters", 2 * rows * cols)
    return BSplineTransform(np.reshape(values, (2, rows, cols)), grid)
