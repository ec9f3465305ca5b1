"""The map that brings points of one image onto those of another, by least squares.

Convention
----------
Points and matrices are in (x, y) order, pixel centres at integers; a matrix maps the source
points to the target points.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry.homography import as_homography, homography_from_points, transform_points
from lerf_core.validation import check_choice

__all__ = ["MODELS", "matrix_from_points", "residuals"]

Matrix = npt.NDArray[np.float64]
Points = npt.NDArray[np.float64]

#: The kinds of maps, and how many pairs of points fix one.
MODELS = {"translation": 1, "rigid": 2, "similarity": 2, "affine": 3, "homography": 4}


def matrix_from_points(
    source: npt.ArrayLike, target: npt.ArrayLike, model: str = "homography"
) -> Matrix:
    """Return the matrix that maps `source` points to `target` points.

    Exact for as many pairs as fix the model, least squares for more.

    Parameters
    ----------
    source, target : array_like, (N, 2)
        Corresponding (x, y) points.
    model : {"translation", "rigid", "similarity", "affine", "homography"}
        "rigid" shifts and turns; "similarity" scales as well, and does not mirror.

    Returns
    -------
    ndarray of float64, (3, 3)

    Raises
    ------
    InvalidArgumentError
        If there are too few pairs, or they do not fix a map.

    References
    ----------
    Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", IEEE PAMI 13(4), 1991, equations 40 to 43. For homographies see
    `lerf_core.homography_from_points`.

    Examples
    --------
    >>> matrix = matrix_from_points([(0, 0), (1, 0)], [(5, 5), (5, 7)], "similarity")
    >>> bool(np.allclose(matrix, [[0, -2, 5], [2, 0, 5], [0, 0, 1]]))
    True
    """
    check_choice("model", model, tuple(MODELS))
    first, second = _paired(source, target)
    if len(first) < MODELS[model]:
        raise InvalidArgumentError(
            f"model {model} needs at least {MODELS[model]} pairs of points, got {len(first)}"
        )
    if model == "homography":
        return homography_from_points(first, second)
    if model == "translation":
        linear = np.eye(2)
    elif model == "rigid":
        linear = _rotation(first, second)
    elif model == "similarity":
        linear = _similarity(first, second)
    else:
        linear = _affine(first, second)
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = second.mean(axis=0) - linear @ first.mean(axis=0)
    return as_homography(matrix)


def residuals(
    matrix: npt.ArrayLike, source: npt.ArrayLike, target: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Return how far from its target each source point is mapped.

    Parameters
    ----------
    matrix : array_like, (3, 3) or (2, 3)
        Maps source to target.
    source, target : array_like, (N, 2)
        Corresponding (x, y) points.

    Returns
    -------
    ndarray of float64, (N,)
        In pixels of the target.

    Raises
    ------
    InvalidArgumentError
        If the points do not pair up, or the matrix is no homography.
    """
    first, second = _paired(source, target)
    x, y = (transform_points(matrix, first) - second).T
    return np.asarray(np.hypot(x, y))


def _paired(source: npt.ArrayLike, target: npt.ArrayLike) -> tuple[Points, Points]:
    """Return corresponding points as float64, (N, 2), or raise."""
    first, second = np.asarray(source, np.float64), np.asarray(target, np.float64)
    for points in (first, second):
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise InvalidArgumentError(f"points must be finite (x, y), got shape {points.shape}")
    if len(first) != len(second):
        raise InvalidArgumentError(
            f"source and target must pair up, got {len(first)} and {len(second)} points"
        )
    return first, second


def _similarity(source: Points, target: Points) -> Matrix:
    """Return the linear part, (2, 2), of the similarity of least squares: turn and scale."""
    first, second = source - source.mean(axis=0), target - target.mean(axis=0)
    spread = (first**2).sum()
    if not spread > 0:
        raise InvalidArgumentError("points do not fix a similarity: all source points coincide")
    # As complex numbers, target = factor * source: its least squares in closed form.
    real = (first * second).sum() / spread
    imaginary = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum() / spread
    return np.array([[real, -imaginary], [imaginary, real]])


def _rotation(source: Points, target: Points) -> Matrix:
    """Return the turn, (2, 2), of least squares: that of the similarity."""
    linear = _similarity(source, target)
    scale = np.hypot(linear[0, 0], linear[1, 0])
    if not scale > 0:
        raise InvalidArgumentError("points do not fix a turn: all target points coincide")
    return np.asarray(linear / scale)


def _affine(source: Points, target: Points) -> Matrix:
    """Return the linear part, (2, 2), of the affine map of least squares."""
    first, second = source - source.mean(axis=0), target - target.mean(axis=0)
    _, singular, _ = np.linalg.svd(first, full_matrices=False)
    if singular[-1] <= 1e-10 * singular[0]:
        raise InvalidArgumentError("points do not fix an affine map: they lie on a line")
    solution, *_ = np.linalg.lstsq(first, second, rcond=None)
    return np.asarray(solution.T)
