"""What an image or labels layer holds, and where a layer made from it lies.

Convention
----------
The last two axes (before the channels of an RGB layer) are rows and columns; every position along
the axes before them is a plane, resampled on its own. As in napari, pixel centres lie at integer
data coordinates, and an image spans -0.5 to size - 0.5.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.io.metadata.attribute_names import speaks_of_places
from lerf_core.pixels.format import holds_intensities
from lerf_core.validation import check_value_range
from lerf_plugins.napari.model.levels import plain_array, with_alpha
from lerf_plugins.napari.model.pixel_grid import Matrix, PixelGrid, swap_xy

__all__ = [
    "PREVIEW",
    "RANGES",
    "RECORD",
    "VALUES",
    "LayerImage",
    "at_plane",
    "is_preview",
    "plane_shape",
]

#: Marks layers that are there for a while, in their metadata.
PREVIEW = "lerf preview"
#: Where results say how they were made, in their metadata.
RECORD = "lerf"

# States of the source that a result has to do without.
_LEFT_BEHIND = ("locked_data_level", "properties")
#: Ranges of 8 to 16 bits, and of floats, by their names.
RANGES = {f"0 to {top}": (0.0, float(top)) for top in (1, 255, 1023, 4095, 16383, 65535)}
#: How the range of values is found: see `LayerImage.value_range`.
VALUES = ("auto", "dtype", "contrast limits", *RANGES)


def is_preview(layer: Any) -> bool:
    """Whether a layer is a preview."""
    return PREVIEW in layer.metadata


@dataclass(frozen=True, eq=False)
class LayerImage:
    """The pixels and the state of a layer, free of the layer: to be used by any thread.

    Attributes
    ----------
    levels : tuple of array_like
        The image, largest first; each NumPy or dask, or anything that is sliced like them.
    state : mapping
        What napari makes such a layer of, by `Layer.as_layer_data_tuple`.
    kind : {"image", "labels"}
    """

    levels: tuple[Any, ...]
    state: Mapping[str, Any]
    kind: str

    @classmethod
    def of(cls, layer: Any) -> LayerImage:
        """Return what an Image or Labels layer holds.

        Raises
        ------
        InvalidTypeError
            If it is another kind of layer, or its pixels are complex.
        """
        if layer is None:
            raise InvalidArgumentError("no layer is chosen: open or choose an image")
        data, state, kind = layer.as_layer_data_tuple()
        if kind not in {"image", "labels"}:
            raise InvalidTypeError(f"'{layer.name}' is a {kind} layer: image or labels is needed")
        levels = tuple(plain_array(level) for level in (data if state["multiscale"] else [data]))
        if np.dtype(levels[0].dtype).kind not in "buif":
            raise InvalidTypeError(f"'{layer.name}' holds {levels[0].dtype}: real numbers needed")
        return cls(levels, state, kind)

    # -- pixels ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The layer's name."""
        return str(self.state["name"])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixels' dtype."""
        dtype: np.dtype[Any] = np.dtype(self.levels[0].dtype)
        return dtype

    @property
    def is_rgb(self) -> bool:
        """Whether the last axis holds channels."""
        return bool(self.state.get("rgb", False))

    @property
    def ndim(self) -> int:
        """Number of axes without that of channels."""
        return len(self.levels[0].shape) - self.is_rgb

    @property
    def channel_axis(self) -> int | None:
        """The axis of channels in the arrays."""
        return self.ndim if self.is_rgb else None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.level_shape(0)

    def level_shape(self, number: int) -> tuple[int, int]:
        """Rows and columns of a level."""
        shape = self.levels[number].shape
        return int(shape[self.ndim - 2]), int(shape[self.ndim - 1])

    def has_all_planes(self, number: int) -> bool:
        """Whether a level has as many planes as the first one."""
        leading = self.ndim - 2
        return bool(self.levels[number].shape[:leading] == self.levels[0].shape[:leading])

    def level_grid(self, number: int) -> PixelGrid:
        """Where the pixels of a level lie among those of the first: levels share an outline."""
        return PixelGrid.of_resize(self.shape, self.level_shape(number))

    @property
    def is_lazy(self) -> bool:
        """Whether pixels are read or computed when they are asked for."""
        return not all(isinstance(level, np.ndarray) for level in self.levels)

    @property
    def is_copied(self) -> bool:
        """Whether pixels are labels, which are copied, never averaged."""
        return self.kind == "labels" or self.dtype == np.bool_

    def value_range(self, values: str | tuple[float, float] = "auto") -> tuple[float, float] | None:
        """Return the values that stand for the tables' darkest and brightest level.

        Parameters
        ----------
        values : (float, float) or {"auto", "dtype", "contrast limits", "0 to 255", ...}
            Darkest and brightest; or "auto": the dtype's range for 8 bits and for colours of any
            integers, 0 to 1 for colours that are floats, and the contrast limits for all else,
            which are where the intensities of a microscope's 12 or 16 bits lie. `VALUES` has all
            names.

        Returns
        -------
        (float, float) or None
            None: that of the dtype; or pixels are labels.

        Raises
        ------
        InvalidArgumentError
            If the name is none of `VALUES`, or the range is not finite and rising.
        """
        if self.is_copied or "contrast_limits" not in self.state:
            return None
        if not isinstance(values, str):
            return check_value_range(values, self.dtype)
        if values not in VALUES:
            raise InvalidArgumentError(f"values must be one of {VALUES}, got {values!r}")
        if values in RANGES:
            return RANGES[values]
        by_dtype = values == "dtype" or (
            values == "auto" and (self.is_rgb or self.dtype == np.uint8)
        )
        if by_dtype:
            # lerf_core knows those of intensities: longer integers are labels to it.
            return None if holds_intensities(self.dtype) else _dtype_range(self.dtype)
        low, high = (float(value) for value in self.state["contrast_limits"])
        return (low, high) if high > low else None

    def taken_range(self, values: str | tuple[float, float] = "auto") -> tuple[float, float]:
        """Return the range that `value_range` stands for, that of the dtype for None."""
        return check_value_range(self.value_range(values), self.dtype)

    def with_opacity(self) -> LayerImage:
        """Return the RGB image with an alpha channel, opaque if it has none."""
        if not self.is_rgb or self.levels[0].shape[-1] == 4:
            return self
        return replace(self, levels=tuple(with_alpha(level) for level in self.levels))

    # -- where it lies ----------------------------------------------------------------------

    def to_world(self) -> Matrix:
        """Return the matrix of data to world coordinates, (ndim + 1, ndim + 1)."""
        size = self.ndim
        matrix = np.eye(size + 1)
        matrix[:size, :size] = _linear_matrix(self.state)
        matrix[:size, size] = self.state["translate"]
        return np.asarray(np.asarray(self.state["affine"], np.float64) @ matrix)

    def plane_to_world(self) -> Matrix:
        """Return the (x, y) matrix from data to the world of the last two axes.

        Raises
        ------
        InvalidArgumentError
            If the layer's transform turns rows and columns into other axes, or back: then no
            plane of it is a plane of the world.
        """
        matrix, size = self.to_world(), self.ndim
        inner, outer = slice(size - 2, size), slice(0, size - 2)
        largest = np.abs(matrix[:size, :size]).max()
        mixed = max(
            np.abs(matrix[outer, inner]).max(initial=0), np.abs(matrix[inner, outer]).max(initial=0)
        )
        if mixed > 1e-9 * largest:
            raise InvalidArgumentError(
                f"'{self.name}' is turned out of its plane by its rotate, shear or affine; "
                "planes are resampled one by one, so that it must turn within them"
            )
        return swap_xy(matrix[-3:, -3:])

    def placed(self, grid: PixelGrid) -> dict[str, Any]:
        """Return the scale and translate that put a result where it belongs."""
        scale = np.array(self.state["scale"], np.float64)
        scale[-2:] *= grid.step
        translate = np.array(self.state["translate"], np.float64)
        translate += _linear_matrix(self.state)[:, -2:] @ np.asarray(grid.origin)
        return {"scale": scale.tolist(), "translate": translate.tolist()}

    def spatial_state(self, image: LayerImage, grid: PixelGrid) -> dict[str, Any]:
        """Return where planes of another image lie whose rows and columns are placed in this one's.

        Parameters
        ----------
        image : LayerImage
            Its axes before rows and columns stay as they are.
        grid : PixelGrid
            Of the result's pixels among those of this image.
        """
        if image.ndim == self.ndim and self._same_planes(image):
            keys = ("rotate", "shear", "affine", "units")
            return {key: self.state[key] for key in keys} | self.placed(grid)
        units = (*image.state["units"][: image.ndim - 2], *self.state["units"][-2:])
        return image._with_planes(self.plane_to_world() @ grid.matrix) | {"units": units}

    def moved(self, place: Matrix) -> LayerImage:
        """Return the image with pixels that lie at ``place @ (x, y, 1)`` of this one's."""
        state = self._with_planes(self.plane_to_world() @ place)
        return replace(self, state=dict(self.state) | state)

    def _with_planes(self, plane: Matrix) -> dict[str, Any]:
        """Return where the layer lies if a matrix takes (x, y) of its planes to the world."""
        matrix, size = self.to_world(), self.ndim
        self.plane_to_world()  # raises if its planes are none of the world
        matrix[size - 2 : size, size - 2 :] = swap_xy(plane)[:2]
        return {
            "scale": [1.0] * size,
            "translate": [0.0] * size,
            "rotate": np.eye(size).tolist(),
            "shear": [0.0] * (size * (size - 1) // 2),
            "affine": matrix,
        }

    def _same_planes(self, image: LayerImage) -> bool:
        """Whether the axes before rows and columns lie where those of another image do."""
        size = self.ndim - 2
        own, other = self.to_world()[:size], image.to_world()[:size]
        return np.array_equal(own[:, :size], other[:, :size]) and np.array_equal(
            own[:, -1], other[:, -1]
        )

    def result_state(
        self, grid: PixelGrid, record: Mapping[str, Any], *, name: str, multiscale: bool
    ) -> dict[str, Any]:
        """Return the state of a result: the source's, but for where its pixels lie.

        Metadata and features whose names speak of sizes or places are left out; the record names
        them.

        Parameters
        ----------
        grid : PixelGrid
        record : mapping
            How the result was made; goes into the metadata.
        name : str
        multiscale : bool
        """
        state = {key: value for key, value in self.state.items() if key not in _LEFT_BEHIND}
        state |= self.placed(grid)
        # What names places in data coordinates moves with the pixels.
        for key in ("experimental_clipping_planes", "plane"):
            if state.get(key):
                if isinstance(state[key], list):
                    state[key] = [grid.clipping_plane(plane) for plane in state[key]]
                else:
                    state[key] = grid.clipping_plane(state[key])
        origin: dict[str, Any] = {
            "version": importlib.metadata.version("lerf"),
            "source": self.name,
        }
        metadata = {k: v for k, v in self.state["metadata"].items() if k not in (PREVIEW, RECORD)}
        dropped = [key for key in metadata if speaks_of_places(str(key))]
        metadata = {key: value for key, value in metadata.items() if key not in dropped}
        features = state.get("features")
        if features is not None:
            columns = [name for name in features.columns if speaks_of_places(str(name))]
            state["features"] = features.drop(columns=columns)
            dropped += columns
        if dropped:
            origin["dropped"] = dropped
        state |= {
            "name": name,
            "visible": True,
            "multiscale": multiscale,
            "metadata": metadata | {RECORD: origin | dict(record)},
        }
        return state


def plane_shape(layer: Any) -> tuple[int, int]:
    """Return the rows and columns of a layer's planes, without all the rest of its state."""
    shape = (layer.data[0] if layer.multiscale else layer.data).shape
    rows, cols = shape[-3:-1] if getattr(layer, "rgb", False) else shape[-2:]
    return int(rows), int(cols)


def at_plane(state: dict[str, Any], planes: tuple[int, ...]) -> dict[str, Any]:
    """Move a layer's state along its first axes, to where the planes of these indices lie."""
    translate = np.array(state["translate"], np.float64)
    translate += _linear_matrix(state)[:, : len(planes)] @ np.asarray(planes, np.float64)
    return state | {"translate": translate.tolist()}


def _linear_matrix(state: Mapping[str, Any]) -> Matrix:
    """Return the linear part of data to physical coordinates: without ``affine``."""
    from napari.utils.transforms import Affine

    parameters = {name: state[name] for name in ("scale", "rotate", "shear")}
    ndim = len(state["translate"])
    return np.asarray(Affine(ndim=ndim, **parameters).linear_matrix, np.float64)


def _dtype_range(dtype: np.dtype[Any]) -> tuple[float, float]:
    info = np.iinfo(dtype)
    return float(info.min), float(info.max)
