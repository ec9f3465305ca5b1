"""Matrix files of warps: what `lerf warp --matrix` reads, and where napari lays the result.

Convention
----------
Matrices act on (x, y), pixel centres at integers. The matrix of a file maps the source's pixels
to the result's. Sizes are (width, height), in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lerf_core.errors import LerfError, MatrixFileError, one_line
from lerf_core.geometry import as_homography, invert
from lerf_core.geometry.matrix_files import load_entries, load_matrix, save_matrix
from lerf_core.geometry.registration import is_registration, read_registration
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.maps import Sampling
from lerf_plugins.napari.model.operations import Shape, WarpOperation
from lerf_plugins.napari.model.pixel_grid import Matrix, PixelGrid

__all__ = ["SavedWarp", "load_warp", "result_to_layer", "save_warp", "warped_as_saved"]

_MEANING = "from source (x, y) to result (x, y), in pixels, pixel centres at integers"
# Entries of a JSON file.
_SOURCE, _RESULT, _PLACE = "source_size", "result_size", "result_to_layer"


@dataclass(frozen=True, eq=False)
class SavedWarp:
    """What a matrix file says of a warp.

    Attributes
    ----------
    matrix : ndarray, (3, 3) or (2, 3)
    source_shape, out_shape : (int, int) or None
        Rows and columns of the source and of the result; None: the file does not say.
    place : ndarray, (3, 3), or None
        Affine map from the result's pixels to where they lie among the layer's own.
    """

    matrix: Matrix
    source_shape: Shape | None = None
    out_shape: Shape | None = None
    place: Matrix | None = None

    @property
    def is_complete(self) -> bool:
        """Whether size and place of the result are known."""
        return self.out_shape is not None and self.place is not None


def save_warp(path: str | Path, operation: WarpOperation, layer: LayerImage) -> None:
    """Write the forward matrix of a warp; JSON says sizes, and where the result lies, as well.

    Parameters
    ----------
    path : str or Path
        Its suffix says how: see `lerf_core.geometry.matrix_files.save_matrix`.
    operation : WarpOperation
    layer : LayerImage
        The layer that is warped.

    Raises
    ------
    MatrixFileError, FileError
    """
    entries = {
        "meaning": _MEANING,
        _SOURCE: list(layer.shape[::-1]),
        _RESULT: list(operation.out_shape[::-1]),
        _PLACE: result_to_layer(operation, layer).tolist(),
    }
    save_matrix(path, operation.forward, entries=entries)


def result_to_layer(operation: WarpOperation, layer: LayerImage) -> Matrix:
    """Return where a warp lays its result's pixels among those of the layer, as a 3x3 matrix."""
    onto = operation.placed_on
    if onto.state is layer.state:
        return operation.grid.matrix
    lengths = [
        float((1 * own).to(other).magnitude)
        for own, other in zip(onto.state["units"][-2:], layer.state["units"][-2:], strict=True)
    ]
    to_units = np.diag([*lengths[::-1], 1.0])
    world = to_units @ onto.plane_to_world() @ operation.grid.matrix
    return np.asarray(np.linalg.inv(layer.plane_to_world()) @ world)


def load_warp(path: str | Path) -> SavedWarp:
    """Read a matrix file, of this plugin or of another program.

    Of registrations (`lerf_core.geometry.read_registration`) those are taken that are matrices
    between pixels of 1 x 1 unit.

    Raises
    ------
    MatrixFileError
        If there is no matrix in it, or what it says of sizes and places cannot be used.
    OSError
        If it cannot be read.
    """
    try:
        matrix, entries = load_matrix(path), load_entries(path)
    except MatrixFileError:
        if not is_registration(path):
            raise
        return _registered(path)
    place = entries.get(_PLACE)
    return SavedWarp(
        matrix,
        _shape_of(entries, _SOURCE, path),
        _shape_of(entries, _RESULT, path),
        None if place is None else _affine(place, path),
    )


def _registered(path: str | Path) -> SavedWarp:
    """Return what another program's registration says."""
    try:
        registration = read_registration(path)
        inverse_map, _ = registration.for_image((1, 1))
    except LerfError as error:
        raise MatrixFileError(one_line(error)) from None
    if not isinstance(inverse_map, np.ndarray):
        raise MatrixFileError(
            f"{registration.kind} is no matrix: lerf warp --registration goes by it"
        )
    output = registration.output
    return SavedWarp(invert(inverse_map), out_shape=None if output is None else output.shape)


def _shape_of(entries: dict[str, Any], name: str, path: str | Path) -> Shape | None:
    """Return the (rows, cols) of an entry (width, height)."""
    size = entries.get(name)
    if size is None:
        return None
    is_pair = isinstance(size, list) and len(size) == 2
    if not (is_pair and all(type(side) is int and 0 < side < 1 << 31 for side in size)):
        raise MatrixFileError(f"{path}: {name} must be [width, height] in pixels, got {size}")
    return size[1], size[0]


def _affine(value: Any, path: str | Path) -> Matrix:
    try:
        matrix = as_homography(value)
    except LerfError as error:
        raise MatrixFileError(f"{path}: {_PLACE}: {error}") from None
    if matrix[2].tolist() != [0, 0, 1]:
        raise MatrixFileError(f"{path}: {_PLACE} must be affine, got {value}")
    return matrix


def warped_as_saved(
    image: LayerImage, saved: SavedWarp, *, inverse: bool, sampling: Sampling
) -> WarpOperation:
    """Return the warp of a file that says its result's size and place.

    Parameters
    ----------
    image : LayerImage
    saved : SavedWarp
    inverse : bool
        Whether the file's matrix maps the result's pixels to the source's.
    sampling : mapping
        ``bank`` and ``keywords`` of the warp.
    """
    if saved.out_shape is None or saved.place is None:
        raise MatrixFileError("the file does not say the result's size and place")
    forward = invert(saved.matrix) if inverse else saved.matrix
    place = saved.place
    grid = PixelGrid((place[1, 2], place[0, 2]), (place[1, 1], place[0, 0]))
    is_upright = place[0, 1] == 0 == place[1, 0] and min(grid.step) > 0
    if is_upright:
        return WarpOperation(image, saved.out_shape, forward=forward, result_grid=grid, **sampling)
    return WarpOperation(
        image, saved.out_shape, forward=forward, fixed_image=image.moved(place), **sampling
    )
