"""What an image or labels layer holds, and where a layer made from it lies.

Convention
----------
The last two axes (before the channels of an RGB layer) are rows and columns; all axes before
them are planes. As in napari, pixel centres lie at integer data coordinates, and an image
spans -0.5 to size - 0.5.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError, InvalidTypeError

__all__ = ["PREVIEW", "RECORD", "LayerImage", "Placement", "at_plane", "is_preview"]

Matrix = npt.NDArray[np.float64]

#: Marks layers that are there for a while, in their metadata.
PREVIEW = "lerf preview"
#: Where results say how they were made, in their metadata.
RECORD = "lerf"

# States of the source that a result has to do without.
_LEFT_BEHIND = ("locked_data_level", "properties")
_VALUES = ("auto", "dtype", "contrast limits")


@dataclass(frozen=True)
class Placement:
    """Where a result's pixels lie: (i, j) at ``origin + step * (i, j)`` of the source's pixels.

    Attributes
    ----------
    origin, step : (float, float)
        Along rows and columns, in source pixels.
    """

    origin: tuple[float, float] = (0.0, 0.0)
    step: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def of_resize(cls, shape: tuple[int, int], out_shape: tuple[int, int]) -> Placement:
        """The same outline in another number of rows and columns."""
        rows, cols = (size / out for size, out in zip(shape, out_shape, strict=True))
        return cls((rows / 2 - 0.5, cols / 2 - 0.5), (rows, cols))

    def then(self, inner: Placement) -> Placement:
        """Where pixels lie that are placed in a result that is itself placed."""
        rows, cols = (
            (start + step * first, step * width)
            for start, step, first, width in zip(
                self.origin, self.step, inner.origin, inner.step, strict=True
            )
        )
        return Placement((rows[0], cols[0]), (rows[1], cols[1]))

    def part(self, top: int, left: int) -> Placement:
        """Where the pixels lie of a part that begins at pixel (top, left)."""
        return self.then(Placement((float(top), float(left))))

    @property
    def matrix(self) -> Matrix:
        """From a result's (x, y) to the source's."""
        (top, left), (down, across) = self.origin, self.step
        return np.array([[across, 0, left], [0, down, top], [0, 0, 1.0]])


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
        levels = tuple(_plain(level) for level in (data if state["multiscale"] else [data]))
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

    def level_placement(self, number: int) -> Placement:
        """Where the pixels of a level lie among those of the first: levels share an outline."""
        return Placement.of_resize(self.shape, self.level_shape(number))

    @property
    def is_lazy(self) -> bool:
        """Whether pixels are read or computed when they are asked for."""
        return not all(isinstance(level, np.ndarray) for level in self.levels)

    @property
    def is_copied(self) -> bool:
        """Whether pixels are labels, which are copied, never averaged."""
        return self.kind == "labels" or self.dtype == np.bool_

    def value_range(self, values: str = "auto") -> tuple[float, float] | None:
        """Return the values that stand for the tables' darkest and brightest level.

        Parameters
        ----------
        values : {"auto", "dtype", "contrast limits"}
            "auto": the dtype's range for 8 bits and for colours of any integers, 0 to 1 for
            colours that are floats, and the contrast limits for all else, which are where
            the intensities of a microscope's 12 or 16 bits lie.
        """
        if values not in _VALUES:
            raise InvalidArgumentError(f"values must be one of {_VALUES}, got {values!r}")
        if self.is_copied or "contrast_limits" not in self.state:
            return None
        by_dtype = values == "dtype" or (
            values == "auto" and (self.is_rgb or self.dtype == np.uint8)
        )
        if by_dtype:
            known = self.dtype.kind == "f" or self.dtype in (np.uint8, np.uint16)
            return None if known else _whole_range(self.dtype)
        low, high = (float(value) for value in self.state["contrast_limits"])
        return (low, high) if high > low else None

    def with_opacity(self) -> LayerImage:
        """Return the RGB image with an alpha channel, opaque if it has none."""
        if not self.is_rgb or self.levels[0].shape[-1] == 4:
            return self
        return replace(self, levels=tuple(_opaque(level) for level in self.levels))

    # -- where it lies ----------------------------------------------------------------------

    def _linear(self) -> Matrix:
        """Return the linear part of data to physical coordinates: without ``affine``."""
        from napari.utils.transforms import Affine

        own = {name: self.state[name] for name in ("scale", "rotate", "shear")}
        return np.asarray(Affine(ndim=self.ndim, **own).linear_matrix, np.float64)

    def to_world(self) -> Matrix:
        """Return the matrix of data to world coordinates, (ndim + 1, ndim + 1)."""
        size = self.ndim
        matrix = np.eye(size + 1)
        matrix[:size, :size] = self._linear()
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
        plane = matrix[-3:, -3:].copy()
        return np.asarray(plane[[1, 0, 2]][:, [1, 0, 2]])

    def placed(self, placement: Placement) -> dict[str, Any]:
        """Return the scale and translate that put a result where it belongs."""
        scale = np.array(self.state["scale"], np.float64)
        scale[-2:] *= placement.step
        translate = np.array(self.state["translate"], np.float64)
        translate += self._linear()[:, -2:] @ np.asarray(placement.origin)
        return {"scale": scale.tolist(), "translate": translate.tolist()}

    def spatial_state(self, image: LayerImage, placement: Placement) -> dict[str, Any]:
        """Return where planes of another image lie whose rows and columns are placed in this one's.

        Parameters
        ----------
        image : LayerImage
            Its axes before rows and columns stay as they are.
        placement : Placement
            Of the result's pixels among those of this image.
        """
        if image.ndim == self.ndim and self._same_planes(image):
            own = {key: self.state[key] for key in ("rotate", "shear", "affine", "units")}
            return own | self.placed(placement)
        matrix = image.to_world()
        image.plane_to_world()  # raises if its planes are none of the world
        plane = self.plane_to_world() @ placement.matrix
        swapped = plane[[1, 0, 2]][:, [1, 0, 2]]
        size = image.ndim
        matrix[size - 2 : size, size - 2 : size] = swapped[:2, :2]
        matrix[size - 2 : size, size] = swapped[:2, 2]
        units = (*image.state["units"][: size - 2], *self.state["units"][-2:])
        return {
            "scale": [1.0] * size,
            "translate": [0.0] * size,
            "rotate": np.eye(size).tolist(),
            "shear": [0.0] * (size * (size - 1) // 2),
            "affine": matrix,
            "units": units,
        }

    def _same_planes(self, image: LayerImage) -> bool:
        """Whether the axes before rows and columns lie where those of another image do."""
        size = self.ndim - 2
        own, other = self.to_world(), image.to_world()
        return all(
            np.array_equal(own[part], other[part])
            for part in ((slice(size), slice(size)), (slice(size), -1))
        )

    def result_state(
        self, placement: Placement, record: Mapping[str, Any], *, name: str, multiscale: bool
    ) -> dict[str, Any]:
        """Return the state of a result: the source's, but for where its pixels lie.

        Parameters
        ----------
        placement : Placement
        record : mapping
            How the result was made; goes into the metadata.
        name : str
        multiscale : bool
        """
        state = {key: value for key, value in self.state.items() if key not in _LEFT_BEHIND}
        state |= self.placed(placement)
        # What names places in data coordinates moves with the pixels.
        for key in ("experimental_clipping_planes", "plane"):
            if state.get(key):
                planes = state[key] if isinstance(state[key], list) else [state[key]]
                moved = [_moved_plane(plane, placement) for plane in planes]
                state[key] = moved if isinstance(state[key], list) else moved[0]
        known = {"version": importlib.metadata.version("lerf"), "source": self.name}
        metadata = {k: v for k, v in self.state["metadata"].items() if k != PREVIEW}
        state |= {
            "name": name,
            "visible": True,
            "multiscale": multiscale,
            "metadata": metadata | {RECORD: known | dict(record)},
        }
        return state


def at_plane(state: dict[str, Any], planes: tuple[int, ...]) -> dict[str, Any]:
    """Move a layer's state along its first axes, to where the planes of these indices lie."""
    from napari.utils.transforms import Affine

    own = {name: state[name] for name in ("scale", "rotate", "shear")}
    translate = np.array(state["translate"], np.float64)
    linear = np.asarray(Affine(ndim=len(translate), **own).linear_matrix)
    translate += linear[:, : len(planes)] @ np.asarray(planes, np.float64)
    return state | {"translate": translate.tolist()}


def _plain(level: Any) -> Any:
    """Return the array within an xarray DataArray; others as they are."""
    if hasattr(level, "dims") and hasattr(level, "coords"):
        return level.data
    return level


def _whole_range(dtype: np.dtype[Any]) -> tuple[float, float]:
    info = np.iinfo(dtype)
    return float(info.min), float(info.max)


def _opaque(level: Any) -> Any:
    full: float = 1.0 if np.dtype(level.dtype).kind == "f" else np.iinfo(level.dtype).max
    if isinstance(level, np.ndarray):
        alpha = np.full((*level.shape[:-1], 1), full, level.dtype)
        return np.concatenate([level, alpha], axis=-1)
    import dask.array as da

    from lerf_plugins.napari.compute.lazy import as_dask

    level = as_dask(level)
    alpha = da.full((*level.shape[:-1], 1), full, dtype=level.dtype, chunks=(*level.chunks[:-1], 1))
    return da.concatenate([level, alpha], axis=-1)


def _moved_plane(plane: Mapping[str, Any], placement: Placement) -> dict[str, Any]:
    """A plane of the source's data coordinates in those of the result."""
    moved = dict(plane)
    position, normal = (np.array(plane[key], np.float64) for key in ("position", "normal"))
    if position.size >= 2 and np.any(normal):
        position[-2:] = (position[-2:] - placement.origin) / placement.step
        normal[-2:] *= placement.step
        normal /= np.linalg.norm(normal)
        moved |= {"position": tuple(position), "normal": tuple(normal)}
    return moved
