"""Pairs of points on two images, and the registrations fitted to them.

Files are BigWarp's (.csv, .json), bUnwarpJ's text, or plain text with four numbers a line: x and y
on the moving image (the input), x and y on the fixed one (the output).
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.choices import THIN_PLATE
from lerf_core.errors import FileError, InvalidArgumentError, one_line
from lerf_core.geometry.estimation import matrix_from_points, residuals
from lerf_core.geometry.homography import invert
from lerf_core.geometry.registration.registrations import Registration
from lerf_core.geometry.registration.thin_plate import ThinPlateSpline
from lerf_core.geometry.registration.transforms import MatrixTransform, PlaneTransform

__all__ = ["Landmarks", "fitted", "landmarks_of", "landmarks_of_json"]

Points = npt.NDArray[np.float64]

_SEPARATORS = re.compile(r"[,;\t]")
# Characters of a line, in whatever files have landmarks.
_LONGEST_LINE = 4096
# Columns of bUnwarpJ's files.
_B_UNWARP_J = ("index", "xsource", "ysource", "xtarget", "ytarget")

# By how much points may miss that are met, of their largest coordinate.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Corresponding points.

    Attributes
    ----------
    kind : str
        Of the file, in words.
    moving, fixed : ndarray of float64, (N, 2)
        (x, y) on the input and on the output.
    names : tuple of str
    left_out : int
        How many more the file has that are switched off.
    """

    kind: str
    moving: Points
    fixed: Points
    names: tuple[str, ...]
    left_out: int = 0

    def swapped(self) -> Landmarks:
        """Return the landmarks of the other image."""
        return Landmarks(self.kind, self.fixed, self.moving, self.names, self.left_out)

    def registration(self, model: str) -> Registration:
        """Fit a registration.

        A matrix takes the moving points to the fixed ones by least squares, as BigWarp's does; its
        inverse is the registration. A thin-plate spline takes the fixed points to the moving ones.

        Parameters
        ----------
        model : str
            One of `lerf_core.choices.LANDMARK_MODELS`.

        Raises
        ------
        InvalidArgumentError
            If the points do not fix one.
        """
        transform: PlaneTransform
        count = f"{len(self.moving)} landmark{'s' * (len(self.moving) != 1)}"
        if self.left_out:
            count += f" ({self.left_out} switched off)"
        if model == THIN_PLATE:
            transform = ThinPlateSpline.through(self.fixed, self.moving)
            return Registration(self.kind, transform, notes=(f"{count}, met exactly",))
        matrix = matrix_from_points(self.moving, self.fixed, model)
        off = residuals(matrix, self.moving, self.fixed)
        worst = int(off.argmax())
        note = (
            f"{count}, {model}: off by {math.sqrt((off**2).mean()):.3g} (root mean square), most "
            f"at {self.names[worst]} by {off[worst]:.3g}"
        )
        if off[worst] <= _ROUNDING * np.abs(self.fixed).max():
            note = f"{count}, {model}: met exactly"
        inverse = invert(matrix)
        # Depth is positive where the points lie.
        if np.append(self.fixed.mean(axis=0), 1.0) @ inverse[2] < 0:
            inverse = -inverse
        return Registration(self.kind, MatrixTransform(inverse), notes=(note,))


def landmarks_of(path: Path, text: str) -> Landmarks | None:
    """Return the landmarks of a text; None: it is something else.

    Raises
    ------
    FileError
        If it is a file of landmarks, and they cannot be used.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    heads = [word.strip(' "').lower() for word in re.split(r"[,;\t ]+", lines[0][:_LONGEST_LINE])]
    if tuple(heads) == _B_UNWARP_J:
        rows = _numbers(path, lines[1:], 5)
        names = tuple(f"{row[0]:g}" for row in rows)
        return _landmarks(path, "landmarks of bUnwarpJ", [row[1:] for row in rows], names)
    if {"mapx", "mapy"} <= set(heads) or lines[0].lower().startswith("#crs"):
        raise FileError(
            f"{path} are control points of QGIS, which lie on a map: lerf warp --to-crs takes them "
            "by --points"
        )
    words = _SEPARATORS.split(lines[0][:_LONGEST_LINE].replace('"', ""))
    if len(words) in {6, 8} and words[1].strip().lower() in {"true", "false"}:
        return _big_warp(path, lines)
    return _plain(path, lines)


def _plain(path: Path, lines: Sequence[str]) -> Landmarks | None:
    """Return the landmarks of lines with four numbers."""
    kept = [line for line in lines if not line.startswith("#")]
    if not kept or len(_SEPARATORS.sub(" ", kept[0]).split()) != 4:
        return None
    rows = _numbers(path, kept, 4)
    return _landmarks(path, "landmarks", rows, tuple(f"point {n + 1}" for n in range(len(rows))))


def _big_warp(path: Path, lines: Sequence[str]) -> Landmarks:
    """Return the landmarks of a table: name, active, moving point, fixed point."""
    rows, names, left_out = [], [], 0
    for number, words in enumerate(_rows_of(path, lines), 1):
        if len(words) not in {6, 8}:
            raise FileError(f"{path}, line {number}: 6 columns are landmarks, or 8 in three axes")
        if words[1].strip().lower() != "true":
            left_out += 1
            continue
        rows.append(_numbers(path, [",".join(words[2:])], len(words) - 2, number)[0])
        names.append(words[0])
    if any(len(row) != len(rows[0]) for row in rows):
        raise FileError(f"{path} has landmarks of two axes and of three")
    return _landmarks(path, "landmarks of BigWarp", rows, tuple(names), left_out)


def _rows_of(path: Path, lines: Sequence[str]) -> list[list[str]]:
    try:
        return list(csv.reader(lines, skipinitialspace=True))
    except csv.Error as error:
        raise FileError(f"{path} is no table of landmarks: {one_line(error)}") from None


def landmarks_of_json(path: Path, entries: dict[str, Any]) -> Landmarks | None:
    """Return the landmarks of BigWarp's JSON; None: it is something else.

    Raises
    ------
    FileError
        If they cannot be used.
    """
    table: Any = entries.get("landmarks", entries)
    if not isinstance(table, dict) or not {"movingPoints", "fixedPoints"} <= set(table):
        return None
    moving, fixed = table["movingPoints"], table["fixedPoints"]
    try:
        names = [str(name) for name in table.get("names") or range(1, len(moving) + 1)]
        active = [bool(each) for each in table.get("active") or [True] * len(moving)]
        rows = [
            [float(value) for value in (*first, *second)]
            for first, second, is_active in zip(moving, fixed, active, strict=True)
            if is_active
        ]
        named = [name for name, is_active in zip(names, active, strict=True) if is_active]
    except (TypeError, ValueError):
        raise FileError(f"{path}: its movingPoints and fixedPoints do not pair up") from None
    return _landmarks(
        path, "landmarks of BigWarp", rows, tuple(named), len(active) - len(rows)
    )  # fmt: skip


def _numbers(path: Path, lines: Sequence[str], count: int, first: int = 1) -> list[list[float]]:
    rows = []
    for number, line in enumerate(lines, first):
        words = _SEPARATORS.sub(" ", line).split()
        try:
            row = [float(word.strip('"')) for word in words]
        except ValueError:
            row = []
        if len(row) != count:
            raise FileError(
                f"{path}: {one_line(line, 60)!r} (line {number}) is not {count} numbers"
            )
        rows.append(row)
    return rows


def _landmarks(
    path: Path,
    kind: str,
    rows: Sequence[Sequence[float]],
    names: tuple[str, ...],
    left_out: int = 0,
) -> Landmarks:
    """Return landmarks of rows: a moving point, a fixed one, each of two axes or of three."""
    if not rows:
        raise FileError(f"{path} has no landmarks that are switched on")
    try:
        points = np.array(rows, np.float64).reshape(len(rows), 2, -1)
    except ValueError:
        raise FileError(f"{path}: its points have not two axes each, or three") from None
    if points.shape[2] not in {2, 3}:
        raise FileError(f"{path}: its points have not two axes each, or three")
    if not np.isfinite(points).all():
        raise FileError(f"{path} has landmarks that are not finite")
    if points.shape[2] == 3 and np.ptp(points[:, :, 2], axis=0).any():
        raise FileError(f"{path} has landmarks in three dimensions: images have two")
    moving, fixed = points[:, 0, :2], points[:, 1, :2]
    return Landmarks(f"{path}: {kind}", moving, fixed, names, left_out)


def fitted(landmarks: Landmarks, model: str, path: Path) -> Registration:
    """Fit a registration; see `Landmarks.registration`. A FileError says what is missing."""
    try:
        return landmarks.registration(model)
    except InvalidArgumentError as error:
        raise FileError(f"{path}: {one_line(error)}") from None
