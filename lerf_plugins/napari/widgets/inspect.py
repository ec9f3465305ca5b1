"""The Inspect widget: what the tables say of a layer's pixels, as layers."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from magicgui.widgets import ComboBox, SpinBox

from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry import transform_points
from lerf_plugins.napari.compute.computing import Step
from lerf_plugins.napari.compute.jobs import in_words
from lerf_plugins.napari.model.layer_image import RECORD, LayerImage, Placement, at_plane
from lerf_plugins.napari.widgets.controls import DEFAULT, VALUES, labelled, ticked
from lerf_plugins.napari.widgets.layer_widget import LayerWidget
from lerf_plugins.napari.widgets.view import plane_index, view_of

if TYPE_CHECKING:
    import napari

    from lerf_core.inspection import ParameterMaps

__all__ = ["InspectWidget", "ellipse_vectors", "slope_vectors"]

Vectors = npt.NDArray[np.float32]
LayerTuple = tuple[Any, dict[str, Any], str]

VISIBLE, WHOLE = REGIONS = ("what is visible", "whole layer")
#: ITU-R BT.601, as `lerf models inspect` has it.
LUMA = (0.299, 0.587, 0.114)
#: Straight pieces of a drawn ellipse.
PIECES = 16
#: Semi-axes are drawn at so many of their length, so that neighbours can be told apart.
SHRUNK = 0.5
# Colours where a value has a sign, and where it has none.
_SIGNED, _PLAIN = "PiYG", "viridis"


class InspectWidget(LayerWidget):
    """Shows the parameters that a layer's pixels get: as maps, as ellipses, as slopes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        from lerf_core.bank.loading import available_banks

        super().__init__(viewer)
        self.bank = labelled(
            "&Bank", ComboBox(choices=[DEFAULT, *available_banks()]), "The look-up tables."
        )
        self.region = labelled(
            "Re&gion",
            ComboBox(choices=list(REGIONS)),
            "Of which pixels; of a stack, the plane that shows.",
        )
        self.values = labelled(
            "&Values",
            ComboBox(choices=list(VALUES)),
            "Which values stand for the tables' darkest and brightest level; see Resize.",
        )
        self.maps = ticked(
            "&Parameter maps",
            "A layer for the pre-filtered feature, and one for each parameter:\n"
            "rho (-1 to 1), sigmas (1/pixel), slopes (grey levels a pixel).",
            value=True,
        )
        self.ellipses = ticked(
            "&Ellipses",
            "Where each pixel's Gaussian has fallen to exp(-1/2), drawn at half its size.",
            value=True,
        )
        self.slopes = ticked(
            "&Slopes", "Where each pixel's plane rises to, 32 grey levels to a pixel's length."
        )
        self.most = labelled(
            "At &most",
            SpinBox(value=10_000, min=1, max=1_000_000, step=1000),
            "Ellipses and slopes that are drawn; of more pixels, every second, third...",
        )
        self._lay_out(
            self.bank, self.region, self.values, self.maps, self.ellipses, self.slopes, self.most
        )

    def _kinds(self) -> tuple[type, ...]:
        from napari.layers import Image

        return (Image,)

    @in_words
    def run(self) -> None:
        """See `LayerWidget`."""
        source = self.layer.value
        image = LayerImage.of(source)
        if image.is_copied:
            raise InvalidTypeError(f"'{image.name}' holds labels, which have no parameters")
        planes = plane_index(self.viewer, source)
        region = self._region(source, image)
        bank = None if self.bank.value == DEFAULT else str(self.bank.value)
        value_range = image.value_range(str(self.values.value))
        wanted = _Wanted(
            bool(self.maps.value), bool(self.ellipses.value), bool(self.slopes.value),
            int(self.most.value),
        )  # fmt: skip
        if not (wanted.maps or wanted.ellipses or wanted.slopes):
            raise InvalidArgumentError("tick what to show: maps, ellipses or slopes")

        def work() -> Generator[Step, None, list[LayerTuple]]:
            yield Step(0, 2)
            maps = _maps_of(image, planes, region, bank, value_range)
            yield Step(1, 2)
            return _layers(image, maps, planes, region, wanted)

        self.job.start(work, f"Parameters of {image.name}", self._add)

    def _region(self, source: Any, image: LayerImage) -> tuple[slice, slice]:
        rows, cols = image.shape
        if self.region.value == WHOLE:
            return slice(0, rows), slice(0, cols)
        view = view_of(self.viewer, source)
        if view is None:
            raise InvalidArgumentError(
                "what is visible is known in 2-D, of the last two axes in their order: choose "
                "the whole layer"
            )
        seen = transform_points(np.linalg.inv(image.plane_to_world()), view.corners)
        left, top = np.floor(seen.min(axis=0)).astype(int)
        right, bottom = np.ceil(seen.max(axis=0)).astype(int) + 1
        part = (
            slice(max(int(top), 0), min(int(bottom), rows)),
            slice(max(int(left), 0), min(int(right), cols)),
        )
        if any(one.stop <= one.start for one in part):
            raise InvalidArgumentError(f"nothing of '{image.name}' is visible")
        return part

    def _add(self, layers: list[LayerTuple]) -> None:
        from napari.layers import Layer

        for data, state, kind in layers:
            self.viewer.add_layer(Layer.create(data, state, kind))
        self.tell(f"Added {len(layers)} layers")


class _Wanted(NamedTuple):
    """What is to be shown."""

    maps: bool
    ellipses: bool
    slopes: bool
    most: int


def _maps_of(
    image: LayerImage,
    planes: tuple[int, ...],
    region: tuple[slice, slice],
    bank: str | None,
    value_range: tuple[float, float] | None,
) -> ParameterMaps:
    """Compute the maps of a region of a plane; what lies around it is read for them."""
    from lerf_core.bank.loading import load_bank
    from lerf_core.inspection import parameter_maps

    tables = load_bank(bank)
    around = tables.reach * len(tables.stages)
    wide = [
        slice(max(0, part.start - around), min(size, part.stop + around))
        for part, size in zip(region, image.shape, strict=True)
    ]
    pixels = np.asarray(image.levels[0][(*planes, *wide)])
    if image.is_rgb:
        luma = pixels[..., :3].astype(np.float64) @ np.array(LUMA)
        pixels = (np.rint(luma) if pixels.dtype.kind in "iu" else luma).astype(pixels.dtype)
    maps = parameter_maps(pixels, bank=tables, value_range=value_range)
    inner = tuple(
        slice(part.start - out.start, part.stop - out.start)
        for part, out in zip(region, wide, strict=True)
    )
    return maps[inner]


def _layers(
    image: LayerImage,
    maps: ParameterMaps,
    planes: tuple[int, ...],
    region: tuple[slice, slice],
    wanted: _Wanted,
) -> list[LayerTuple]:
    from lerf_core.inspection import COEFFICIENTS

    corner = Placement((float(region[0].start), float(region[1].start)))
    record = {"operation": "inspect", "bank_kind": maps.kind.name, "source": image.name}
    spatial = {
        key: image.state[key] for key in ("rotate", "shear", "affine", "units", "axis_labels")
    }
    spatial |= {"metadata": {RECORD: record}} | image.placed(corner)
    spatial = at_plane(spatial, planes)
    layers: list[LayerTuple] = []
    leading = (1,) * len(planes)
    if wanted.maps:
        found = {"feature": (maps.feature, "level")}
        for name in maps.parameters:
            unit = COEFFICIENTS[name].unit if name in COEFFICIENTS else "1"
            found[name] = (maps.coefficient(name), unit)
        for name, (values, unit) in found.items():
            state = spatial | _painted(values) | {"name": _named(name, unit, image)}
            layers.append((values.reshape(*leading, *values.shape), state, "image"))
    for made, name in ((_ellipses, "ellipses"), (_slopes, "slopes")):
        if getattr(wanted, name):
            vectors = made(maps, _every(maps.feature.shape, wanted.most))
            nothing = np.zeros((*vectors.shape[:2], len(planes)), np.float32)
            style = {"vector_style": "line", "edge_width": 0.08, "edge_color": _COLOURS[name]}
            state = spatial | style | {"name": _named(name, "", image)}
            layers.append((np.concatenate([nothing, vectors], axis=-1), state, "vectors"))
    return layers


_COLOURS = {"ellipses": "cyan", "slopes": "orange"}


def _named(name: str, unit: str, image: LayerImage) -> str:
    of = f"{name} of {image.name}"
    return f"{of} ({unit})" if unit not in {"", "1"} else of


def _painted(values: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Return colours for a map: with a middle where values have a sign."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low < 0:
        far = max(-low, high)
        return {"colormap": _SIGNED, "contrast_limits": (-far, far)}
    return {"colormap": _PLAIN, "contrast_limits": (low, high if high > low else low + 1)}


def _every(shape: tuple[int, ...], most: int) -> tuple[slice, slice]:
    """Every how manyth row and column to draw, so that they are no more than `most`."""
    step = 1
    while -(-shape[0] // step) * -(-shape[1] // step) > most:
        step += 1
    return slice(step // 2, None, step), slice(step // 2, None, step)


def _ellipses(maps: ParameterMaps, part: tuple[slice, slice]) -> Vectors:
    from lerf_core.inspection import ellipses

    found = ellipses(maps)
    return ellipse_vectors(found.outlines(PIECES), part)


def _slopes(maps: ParameterMaps, part: tuple[slice, slice]) -> Vectors:
    from lerf_core.inspection import slopes

    found = slopes(maps)
    return slope_vectors(found.row, found.col, part)


def _centres(shape: tuple[int, ...], part: tuple[slice, slice]) -> Vectors:
    y, x = np.mgrid[: shape[0], : shape[1]]
    places = np.stack([y[part], x[part]], axis=-1)
    return np.asarray(places.reshape(-1, 2), np.float32)


def ellipse_vectors(outlines: npt.NDArray[np.float32], part: tuple[slice, slice]) -> Vectors:
    """Return ellipses as the vectors of a napari layer: (start, step) of straight pieces.

    Parameters
    ----------
    outlines : ndarray of float32, (rows, cols, points, 2)
        See `lerf_core.inspection.Ellipses.outlines`.
    part : (slice, slice)
        Rows and columns that are drawn.

    Returns
    -------
    ndarray of float32, (pieces, 2, 2)
        In (row, col), pixels of the map.
    """
    shape = outlines.shape[:2]
    corners = SHRUNK * outlines[part].reshape(-1, outlines.shape[2], 2)
    corners = corners + _centres(shape, part)[:, None]
    steps = np.roll(corners, -1, axis=1) - corners
    vectors = np.stack([corners, steps], axis=2).reshape(-1, 2, 2)
    return np.asarray(vectors[np.isfinite(vectors).all(axis=(1, 2))], np.float32)


def slope_vectors(
    row: npt.NDArray[np.float32], col: npt.NDArray[np.float32], part: tuple[slice, slice]
) -> Vectors:
    """Return slopes as vectors from pixels' centres; 32 grey levels a pixel are a pixel long."""
    steps = np.stack([row[part], col[part]], axis=-1).reshape(-1, 2) / 32
    vectors = np.stack([_centres(row.shape, part), steps], axis=1)
    known = np.isfinite(steps).all(axis=1) & np.any(steps != 0, axis=1)
    return np.asarray(vectors[known], np.float32)
