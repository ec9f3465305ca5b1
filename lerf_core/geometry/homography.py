"""Homographies: 3x3 matrices between the pixels of two images.

Convention
----------
Points and matrices are in (x, y) = (col, row) order; x grows to the right, y downwards;
the centre of the first pixel is (0, 0). A *forward* matrix maps source to output, an
*inverse* one output to source: ``warp`` takes the inverse, as scikit-image does. Arrays
of coordinates are in (row, col) order, as arrays are indexed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry.whole_pixels import whole_pixel_matrix

__all__ = [
    "as_homography",
    "corners",
    "fit_output",
    "homography_from_points",
    "invert",
    "moves_pixels",
    "real_array",
    "rotation",
    "shear",
    "transform_points",
]

Matrix = npt.NDArray[np.float64]
# Positions farther away than this, in pixels, are mistakes.
_FARTHEST = 2.0**40


# -- matrices ---------------------------------------------------------------------


def as_homography(matrix: npt.ArrayLike) -> Matrix:
    """Return a 3x3 float64 matrix from a 3x3 homography or a 2x3 affine matrix.

    Parameters
    ----------
    matrix : array_like, (3, 3) or (2, 3)
        Acts on (x, y, 1).

    Raises
    ------
    InvalidArgumentError
        If the shape is another, an entry is not finite or the matrix is singular.

    Examples
    --------
    >>> as_homography([[1, 0, 5], [0, 1, 0]])[2]
    array([0., 0., 1.])
    """
    array = real_array("matrix", matrix)
    if array.shape == (2, 3):
        array = np.vstack([array, [0.0, 0.0, 1.0]])
    if array.shape != (3, 3):
        raise InvalidArgumentError(f"matrix must be 3x3 or 2x3, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidArgumentError(f"matrix must be finite, got {array.tolist()}")
    if _is_singular(array):
        raise InvalidArgumentError(f"matrix is singular, got {array.tolist()}")
    return array


def real_array(name: str, value: object) -> Matrix:
    """Return real numbers as a new float64 array.

    Raises
    ------
    InvalidArgumentError
        If they are something else; `name` says what they should be.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "buif":
            raise TypeError(array.dtype)
        return np.array(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"{name} must hold real numbers, got {value!r}") from error


def _is_singular(matrix: Matrix) -> bool:
    """Tell by the determinant, once rows and columns are of like size.

    Shifts of millions of pixels and tiny perspective terms are usual in good matrices.
    """
    largest = np.abs(matrix).max()
    if largest < 1e-305:  # the inverse would overflow
        return True
    even = matrix / largest
    for axis in (0, 1, 0, 1):
        norms = np.linalg.norm(even, axis=axis, keepdims=True)
        if norms.min() < 1e-200:
            return True
        even = even / norms
    with np.errstate(divide="ignore", invalid="ignore"):  # entries close to underflow
        return not abs(np.linalg.det(even)) >= 1e-10


def invert(matrix: npt.ArrayLike) -> Matrix:
    """Return the inverse of a homography: forward to inverse and back.

    Parameters
    ----------
    matrix : array_like, (3, 3) or (2, 3)

    Returns
    -------
    ndarray of float64, (3, 3)

    Raises
    ------
    InvalidArgumentError
        If it is no homography, or a singular one.
    """
    return np.asarray(np.linalg.inv(as_homography(matrix)), dtype=np.float64)


def moves_pixels(
    matrix: npt.ArrayLike, shape: tuple[int, int], output_shape: tuple[int, int] | None = None
) -> bool:
    """Tell whether a matrix moves whole pixels: `lerf_core.warp` copies them.

    The identity, whole shifts, quarter turns, mirrors and whole slants do.

    Parameters
    ----------
    matrix : array_like, (3, 3) or (2, 3)
        *Inverse*: from output to source.
    shape : (int, int)
        Rows and columns of the source.
    output_shape : (int, int), optional
        Of the output; None: the same.

    Examples
    --------
    >>> moves_pixels([[0, 1, 5], [-1, 0, 7]], (8, 6))
    True
    >>> moves_pixels([[1, 0, 0.5], [0, 1, 0]], (8, 6))
    False
    """
    array = as_homography(matrix)
    return whole_pixel_matrix(array, shape, output_shape or shape) is not None


def transform_points(matrix: npt.ArrayLike, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Map points by a homography.

    Parameters
    ----------
    matrix : array_like, (3, 3) or (2, 3)
    points : array_like, (N, 2)
        (x, y).

    Returns
    -------
    ndarray of float64, (N, 2)
        (x, y); points on the horizon become infinite or NaN.

    Raises
    ------
    InvalidArgumentError
        If the matrix is no homography, or the points have another shape.
    """
    points = real_array("points", points)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InvalidArgumentError(f"points must have shape (N, 2), got {points.shape}")
    mapped = np.column_stack([points, np.ones(len(points))]) @ as_homography(matrix).T
    return np.asarray(mapped[:, :2] / mapped[:, 2:])


def homography_from_points(source: npt.ArrayLike, target: npt.ArrayLike) -> Matrix:
    """Return the homography that maps `source` points to `target` points.

    Exact for four pairs, least squares (algebraic, normalised) for more.

    Parameters
    ----------
    source, target : array_like, (N, 2)
        Corresponding (x, y) points, at least 4 pairs, no three of four on a line.

    Returns
    -------
    ndarray of float64, (3, 3)
        Maps source to target, scaled so that its last entry is 1 where possible.

    Raises
    ------
    InvalidArgumentError
        If there are too few pairs, or they do not fix a homography.

    References
    ----------
    Hartley and Zisserman, "Multiple View Geometry", algorithm 4.2 (normalised DLT).

    Examples
    --------
    >>> square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    >>> matrix = homography_from_points(square, [(2 * x, y) for x, y in square])
    >>> np.allclose(matrix, np.diag([2, 1, 1]))
    True
    """
    first, second = (_checked_points(points) for points in (source, target))
    if len(first) != len(second):
        raise InvalidArgumentError(
            f"source and target must pair up, got {len(first)} and {len(second)} points"
        )
    to_first, to_second = _normalisation(first), _normalisation(second)
    x, y = transform_points(to_first, first).T
    u, v = transform_points(to_second, second).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    system = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y, -u], axis=1),
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y, -v], axis=1),
        ]
    )
    # Four pairs leave the solution outside the row space: it takes the full basis.
    _, singular, basis = np.linalg.svd(system, full_matrices=len(first) == 4)
    if singular[7] < 1e-10 * singular[0]:
        raise InvalidArgumentError(
            f"points do not fix a homography (three on a line?): {first.tolist()} -> "
            f"{second.tolist()}"
        )
    matrix = np.linalg.inv(to_second) @ basis[-1].reshape(3, 3) @ to_first
    if abs(matrix[2, 2]) > 1e-12 * np.abs(matrix).max():
        matrix = matrix / matrix[2, 2]
    return as_homography(matrix + 0.0)  # no negative zeros


def _checked_points(points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = real_array("points", points)
    if array.ndim != 2 or array.shape[1] != 2 or len(array) < 4:
        raise InvalidArgumentError(f"need at least 4 (x, y) points, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidArgumentError(f"points must be finite, got {array.tolist()}")
    return array


def _normalisation(points: npt.NDArray[np.float64]) -> Matrix:
    """Return the similarity that centres points at 0 with a mean distance of sqrt(2)."""
    centre = points.mean(axis=0)
    distance = np.sqrt(((points - centre) ** 2).sum(axis=1)).mean()
    if distance == 0:
        raise InvalidArgumentError(f"points coincide: {points.tolist()}")
    scale = np.sqrt(2) / distance
    return np.array(
        [[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0.0, 0.0, 1.0]]
    )


def corners(shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return the centres, (x, y), of an image's corner pixels, as float64, (4, 2).

    In the order top left, top right, bottom right, bottom left.
    """
    bottom, right = shape[0] - 1.0, shape[1] - 1.0
    return np.array([[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]])


def rotation(degrees: float, shape: tuple[int, int]) -> Matrix:
    """Return the forward matrix of a turn about the centre of an image.

    Parameters
    ----------
    degrees : float
        Counter-clockwise, as seen on the screen.
    shape : (int, int)
        Rows and columns of the image.

    Returns
    -------
    ndarray of float64, (3, 3)

    Raises
    ------
    InvalidArgumentError
        If the angle is not finite.
    """
    if not np.isfinite(degrees):
        raise InvalidArgumentError(f"degrees must be finite, got {degrees}")
    turns = degrees / 90
    if float(turns).is_integer():  # quarter turns without rounding errors
        cos, sin = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(turns) % 4]
    else:
        cos, sin = float(np.cos(np.deg2rad(degrees))), float(np.sin(np.deg2rad(degrees)))
    return _about_centre([[cos, sin], [-sin, cos]], shape)


def shear(x_degrees: float, y_degrees: float, shape: tuple[int, int]) -> Matrix:
    """Return the forward matrix that slants an image about its centre.

    Parameters
    ----------
    x_degrees, y_degrees : float
        Rows slide along x by tan(x_degrees) per row, columns along y by tan(y_degrees) per
        column.
    shape : (int, int)
        Rows and columns of the image.

    Returns
    -------
    ndarray of float64, (3, 3)

    Raises
    ------
    InvalidArgumentError
        If an angle lies outside -89.9..89.9 degrees, or the result is singular.
    """
    for angle in (x_degrees, y_degrees):
        if not abs(angle) < 89.9:
            raise InvalidArgumentError(f"shear must lie within +-89.9 degrees, got {angle}")
    x, y = np.tan(np.deg2rad([x_degrees, y_degrees]))
    return _about_centre([[1.0, float(x)], [float(y), 1.0]], shape)


def _about_centre(linear: list[list[float]], shape: tuple[int, int]) -> Matrix:
    centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = centre - matrix[:2, :2] @ centre
    return as_homography(matrix)


def fit_output(forward: npt.ArrayLike, shape: tuple[int, int]) -> tuple[Matrix, tuple[int, int]]:
    """Shift a forward matrix onto the smallest canvas that holds the whole warped image.

    Parameters
    ----------
    forward : array_like, (3, 3) or (2, 3)
        Maps source to output.
    shape : (int, int)
        Rows and columns of the source.

    Returns
    -------
    matrix : ndarray of float64, (3, 3)
        `forward`, followed by the shift.
    output_shape : (int, int)
        Rows and columns of the canvas.

    Raises
    ------
    InvalidArgumentError
        If the horizon crosses the image: its warped extent is not finite.
    """
    matrix = as_homography(forward)
    # The outer edges of the corner pixels, half a pixel beyond their centres.
    edges = corners(shape) + np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    depth = np.column_stack([edges, np.ones(4)]) @ matrix[2]
    if depth.min() <= 0 <= depth.max():
        raise InvalidArgumentError(
            "the horizon of the homography crosses the image, so no canvas holds it; "
            "give an output size"
        )
    mapped = transform_points(matrix, edges)
    if not np.abs(mapped).max() < _FARTHEST:
        raise InvalidArgumentError(f"the warped image is too far away: {mapped.tolist()}")
    low, high = mapped.min(axis=0), mapped.max(axis=0)
    cols, rows = (max(1, int(np.ceil(length - 1e-6))) for length in high - low)
    shift = np.array([[1.0, 0.0, -0.5 - low[0]], [0.0, 1.0, -0.5 - low[1]], [0.0, 0.0, 1.0]])
    return shift @ matrix, (rows, cols)
