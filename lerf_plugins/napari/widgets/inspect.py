"""The Inspect widget: what the tables say of a layer's pixels, as layers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import ComboBox, SpinBox

from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry import transform_points
from lerf_plugins.napari.compute.jobs import in_words
from lerf_plugins.napari.compute.parameters import ChosenLayers, LayerTuple, PlaneArea, inspect_area
from lerf_plugins.napari.model.layer_image import VALUES, LayerImage
from lerf_plugins.napari.model.view import plane_index, view_of
from lerf_plugins.napari.widgets.controls import DEFAULT, labelled, ticked
from lerf_plugins.napari.widgets.layer_widget import LayerWidget

if TYPE_CHECKING:
    import napari

__all__ = ["InspectWidget"]

VISIBLE, WHOLE = REGIONS = ("what is visible", "whole layer")


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
        chosen = ChosenLayers(
            bool(self.maps.value), bool(self.ellipses.value), bool(self.slopes.value),
            int(self.most.value),
        )  # fmt: skip
        if not (chosen.maps or chosen.ellipses or chosen.slopes):
            raise InvalidArgumentError("tick what to show: maps, ellipses or slopes")
        area = PlaneArea(image, planes, region)
        work = partial(inspect_area, area, bank, value_range, chosen)
        self.job.start(work, f"Parameters of {image.name}", self._add)

    def _region(self, source: Any, image: LayerImage) -> tuple[slice, slice]:
        """Return the rows and columns that are asked for."""
        rows, cols = image.shape
        if self.region.value == WHOLE:
            return slice(0, rows), slice(0, cols)
        view = view_of(self.viewer, source)
        if view is None:
            raise InvalidArgumentError(
                "what is visible is known in 2-D, of the last two axes in their order: choose "
                "the whole layer"
            )
        corners = transform_points(np.linalg.inv(image.plane_to_world()), view.corners)
        left, top = np.floor(corners.min(axis=0)).astype(int)
        right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 1
        region = (
            slice(max(int(top), 0), min(int(bottom), rows)),
            slice(max(int(left), 0), min(int(right), cols)),
        )
        if any(side.stop <= side.start for side in region):
            raise InvalidArgumentError(f"nothing of '{image.name}' is visible")
        return region

    def _add(self, layers: list[LayerTuple]) -> None:
        from napari.layers import Layer

        for data, state, kind in layers:
            self.viewer.add_layer(Layer.create(data, state, kind))
        self.tell(f"Added {len(layers)} layers")
