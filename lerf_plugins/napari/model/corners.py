"""Quads: the four corners that a layer is pulled to, or that mark what is to be straightened.

Convention
----------
Corners are (x, y) pixels, centres at integers, in the order top left, top right, bottom right,
bottom left. Side 0 is the top one, from corner 0 to corner 1, and so on round the quad.

A homography maps a rectangle onto a quad without a horizon within the rectangle exactly where
the quad is convex, mirrored or not: that is what is checked, in words that name corners.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry import homography_from_points
from lerf_plugins.napari.model.pixel_grid import Matrix
from lerf_plugins.napari.model.positions import Points, points_on

if TYPE_CHECKING:
    from lerf_plugins.napari.model.layer_image import LayerImage

__all__ = [
    "CORNERS",
    "check_quad",
    "forward_to_quad",
    "has_four_corners",
    "is_usable",
    "names_as_seen",
    "outline",
    "quad_of",
    "straight_shape",
]

Names = tuple[str, ...]

#: Corner names, in the order of `outline`.
CORNERS: Names = ("top left", "top right", "bottom right", "bottom left")
#: Names of the sides, by the corners at their ends.
_SIDES = {
    frozenset(CORNERS[:2]): "top",
    frozenset(CORNERS[1:3]): "right",
    frozenset(CORNERS[2:]): "bottom",
    frozenset((CORNERS[3], CORNERS[0])): "left",
}
# A corner is in a line with two others if it lies within this part of their distance from it: what
# is nearer than a hundredth of a pixel to a line of ten thousand is of no use as a map.
_FLAT = 1e-6
# Pixels: nearer corners coincide, and farther ones are mistakes.
_NEAREST, _FARTHEST = 1e-6, 2.0**40


def outline(shape: tuple[int, int]) -> Points:
    """Return the (x, y) corners of an image's outline: TL, TR, BR, BL."""
    bottom, right = shape[0] - 0.5, shape[1] - 0.5
    return np.array([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])


def has_four_corners(corners: npt.ArrayLike, kind: str) -> bool:
    """Whether a shape of a kind of napari's is a quad."""
    return len(np.asarray(corners)) == 4 and kind in {"polygon", "rectangle", "path"}


def quad_of(image: LayerImage, shapes: Any) -> Points:
    """Return the corners of the first shape that has four, among the image's pixels.

    Raises
    ------
    InvalidArgumentError
        If no shape has four.
    """
    if shapes is None:
        raise InvalidArgumentError("no corners yet: press 'Add corners', or draw a polygon of four")
    for corners, kind in zip(shapes.data, shapes.shape_type, strict=True):
        if has_four_corners(corners, kind):
            return points_on(image, corners, shapes)
    raise InvalidArgumentError(f"'{shapes.name}' has no polygon or rectangle of four corners")


def forward_to_quad(
    shape: tuple[int, int],
    quad: npt.ArrayLike,
    reference: npt.ArrayLike | None = None,
    names: Names = CORNERS,
) -> Matrix:
    """Return the forward matrix that maps an image's outline onto a quad.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    quad : array_like, (4, 2)
    reference, names
        See `check_quad`; without a reference, the outline.

    Returns
    -------
    ndarray of float64, (3, 3)

    Raises
    ------
    InvalidArgumentError
        If no homography does, in words.
    """
    edges = outline(shape)
    check_quad(quad, edges if reference is None else reference, names)
    return homography_from_points(edges, quad)


def straight_shape(quad: npt.ArrayLike, density: float) -> tuple[float, float]:
    """Return the rows and columns, not rounded, of a rectangle as long as a quad's sides.

    Parameters
    ----------
    quad : array_like, (4, 2)
    density : float
        Pixels of the rectangle per pixel of the quad's image, along both axes.
    """
    corners = np.asarray(quad, np.float64)
    top, right, bottom, left = np.hypot(*(np.roll(corners, -1, axis=0) - corners).T)
    return float(density * (left + right) / 2), float(density * (top + bottom) / 2)


# -- whether a quad can be used ----------------------------------------------------------


def check_quad(
    quad: npt.ArrayLike, reference: npt.ArrayLike | None = None, names: Names = CORNERS
) -> None:
    """Raise an error that names a corner to move unless a quad is convex.

    Parameters
    ----------
    quad : array_like, (4, 2)
    reference : array_like, (4, 2), optional
        A convex quad that the corners were moved from: tells which of them is in the wrong place,
        where the quad alone does not.
    names : tuple of str
        What the corners are called: `CORNERS`, or an order of them round a rectangle.

    Raises
    ------
    InvalidArgumentError
        If corners are not finite, lie on one another or in a line, or if sides cross or fold.
    """
    corners = np.asarray(quad, np.float64)
    if not _are_near(corners):
        raise InvalidArgumentError(
            f"corners must be finite and less than 10^12 pixels away, got {corners.tolist()}"
        )
    if not _is_convex(corners):
        moved = None if reference is None else _moved_corner(corners, np.asarray(reference))
        raise InvalidArgumentError(_what_is_wrong(corners, moved, names))


def is_usable(quad: npt.ArrayLike) -> bool:
    """Whether `check_quad` finds nothing wrong."""
    corners = np.asarray(quad, np.float64)
    return _are_near(corners) and _is_convex(corners)


def names_as_seen(quad: npt.ArrayLike) -> Names:
    """Return the names of a quad's corners by where they are seen, y downwards.

    A layer may be turned or mirrored in the window: its first corner is then another than the top
    left one to who looks at it. The names go round the quad as they go round a rectangle.

    Parameters
    ----------
    quad : array_like, (4, 2)
        (x, y) in the world.
    """
    corners = np.asarray(quad, np.float64)
    corners = corners - corners.mean(axis=0)
    directions = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    orders = [np.roll(order, turn) for order in (range(4), range(3, -1, -1)) for turn in range(4)]
    best = max(orders, key=lambda order: float((corners * directions[order]).sum()))
    return tuple(CORNERS[number] for number in best)


def _cross(first: Points, second: Points, third: Points) -> float:
    """Return twice the signed area of a triangle."""
    (x, y), (u, v) = second - first, third - first
    return float(x * v - y * u)


def _bends(corners: Points) -> list[float]:
    """Return how each corner bends, with a sign: 0 where it is in a line with its neighbours.

    It is the height of the triangle of the three as part of its longest side.
    """
    bends = []
    for number in range(4):
        triangle = corners[[number - 1, number, (number + 1) % 4]]
        sides = np.roll(triangle, 1, axis=0) - triangle
        longest = float((sides**2).sum(axis=1).max())
        bends.append(_cross(*triangle) / longest if longest > 0 else 0.0)
    return bends


def _are_near(corners: Points) -> bool:
    return bool((np.abs(corners) < _FARTHEST).all())


def _is_convex(corners: Points) -> bool:
    if np.ptp(corners, axis=0).max() < _NEAREST:
        return False
    bends = _bends(corners)
    return min(bends) > _FLAT or max(bends) < -_FLAT


def _moved_corner(corners: Points, reference: Points) -> int | None:
    """Return the corner that, put back to where it was, makes the quad convex; None: no such.

    Of several, the one that was moved farthest.
    """
    distances = np.hypot(*(corners - reference).T)
    for number in np.argsort(-distances, kind="stable"):
        mended = corners.copy()
        mended[number] = reference[number]
        if distances[number] > 0 and _is_convex(mended):
            return int(number)
    return None


def _what_is_wrong(corners: Points, moved: int | None, names: Names) -> str:
    """Say what keeps a quad from being convex, and which corner to move."""
    return (
        _coincidence(corners, moved, names)
        or _line(corners, moved, names)
        or (_crossing(corners, names) if moved is None else _misplaced(corners, moved, names))
    )


def _coincidence(corners: Points, moved: int | None, names: Names) -> str | None:
    distances = np.hypot(*(corners[:, None] - corners[None]).transpose(2, 0, 1))
    first, second = np.nonzero(np.triu(distances <= max(_FLAT * distances.max(), _NEAREST), 1))
    if not first.size:
        return None
    pair = (int(first[0]), int(second[0]))
    mover, other = pair[::-1] if moved == pair[1] else pair
    return f"The corners coincide: {names[mover]} lies on {names[other]}; move it away"


def _line(corners: Points, moved: int | None, names: Names) -> str | None:
    bends = np.abs(_bends(corners))
    middle = int(bends.argmin())
    if bends[middle] > _FLAT:
        return None
    line = [(middle - 1) % 4, middle, (middle + 1) % 4]
    mover = moved if moved in line else middle
    others = " and ".join(names[number] for number in line if number != mover)
    return f"Three corners lie in a line: {names[mover]} with {others}; move it aside"


def _crossing(corners: Points, names: Names) -> str:
    """Say what crosses in a quad of which it is not known how it came about."""
    signs = np.sign(_bends(corners))
    odd = np.flatnonzero(signs != np.sign(signs.sum()))
    if signs.sum() != 0:  # the others go round: this one lies within their triangle
        return f"The corners fold: {names[odd[0]]} {_WITHIN}"
    # The sides that cross are those whose ends bend in different directions.
    first = 1 if signs[0] == signs[1] else 0
    sides = [_side(names, first), _side(names, first + 2)]
    return (
        f"The corners cross: the {sides[0]} side cuts the {sides[1]} side; the order of corners is "
        f"{', '.join(CORNERS)}"
    )


def _misplaced(corners: Points, moved: int, names: Names) -> str:
    """Say where a corner lies that should lie opposite the triangle of the others."""
    following, opposite, previous = ((moved + step) % 4 for step in (1, 2, 3))
    corner, triangle = corners[moved], corners[[following, opposite, previous]]
    turn = np.sign(_cross(*triangle))
    is_beyond = [turn * _cross(triangle[n], triangle[n + 1], corner) <= 0 for n in (0, 1)]
    if not any(is_beyond):
        return f"The corners fold: {names[moved]} {_WITHIN}"
    if all(is_beyond):
        place = names[opposite]
    else:
        place = f"the {_side(names, following if is_beyond[0] else opposite)} side"
    return f"The corners cross: {names[moved]} lies beyond {place}; move it back"


_WITHIN = "lies within the triangle of the other three; move it outwards"


def _side(names: Names, number: int) -> str:
    """Return the name of the side that begins at a corner."""
    return _SIDES[frozenset((names[number % 4], names[(number + 1) % 4]))]
