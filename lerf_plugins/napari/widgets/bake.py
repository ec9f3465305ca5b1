"""The Bake transform widget: a layer's own transform, resampled into its pixels."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from magicgui.widgets import FloatSpinBox
from qtpy.QtWidgets import QAbstractSpinBox

from lerf_core.errors import LerfError
from lerf_plugins.napari.compute.jobs import in_words
from lerf_plugins.napari.model import maps
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.operations import LayerOperation, WarpOperation
from lerf_plugins.napari.widgets.batch import MatrixRow, save_matrix_of
from lerf_plugins.napari.widgets.controls import WARP_BORDERS, SamplingOptions, labelled, ticked
from lerf_plugins.napari.widgets.layer_widget import ResamplingWidget

if TYPE_CHECKING:
    import napari

__all__ = ["BakeWidget"]

# Digits after the point: enough for so many of the layer's pixel side; most that Qt has use for.
_DIGITS, _MOST = 4, 15


class BakeWidget(ResamplingWidget):
    """Resamples a layer's rotate, shear, scale and affine into pixels along the world's axes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    hides_source = True

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.keep = ticked(
            "&Keep resolution",
            "Pixels as fine as the layer's along its finest direction.",
            value=True,
        )
        self.pixel = labelled(
            "Pi&xel side",
            FloatSpinBox(value=1, min=1e-12, max=1e12),
            "Side of the result's pixels, in world units, as near as whole pixels fit the extents.",
        )
        self.pixel.native.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        self.sampling = SamplingOptions(WARP_BORDERS)
        self.matrix = MatrixRow(self.save_matrix)
        self._lay_out(
            self.keep, self.pixel, self.preview_box, *self.sampling.controls, self.result,
            self.matrix,
        )  # fmt: skip
        self.sampling.follow(self.layer)
        self._on_close.functions.append(self.sampling.leave)
        self.keep.changed.connect(self._keep)
        self.pixel.changed.connect(self.refresh)
        self.sampling.connect(self.refresh)
        self._keep()

    def _keep(self) -> None:
        self.pixel.enabled = not self.keep.value
        self.refresh()

    def refresh(self) -> None:
        """See `ResamplingWidget`; the pixel side has the digits that the layer's needs."""
        if self.layer.value is not None:
            with suppress(LerfError), self.pixel.changed.blocked():
                self._show_side(maps.finest_pixel(LayerImage.of(self.layer.value)))
        super().refresh()

    def _show_side(self, side: float) -> None:
        """Show the layer's own pixel side where it is kept."""
        if not (math.isfinite(side) and side > 0):
            return
        box = self.pixel.native
        digits = min(max(2, _DIGITS - 1 - math.floor(math.log10(side))), _MOST)
        if self.keep.value:
            box.setDecimals(digits)
            self.pixel.value = min(max(side, self.pixel.min), self.pixel.max)
        elif digits > box.decimals():  # fewer would round what was chosen
            box.setDecimals(digits)

    def operation(self, image: LayerImage) -> WarpOperation:
        """See `ResamplingWidget`."""
        image, keywords = self.sampling.prepared(image)
        pixel = None if self.keep.value else float(self.pixel.value)
        sampling = {"bank": self.sampling.bank_name, "keywords": keywords}
        return maps.baked(image, pixel=pixel, sampling=sampling)

    @in_words
    def save_matrix(self, path: str | Path | None = None) -> None:
        """Save the matrix from the layer's pixels to the result's; None: a dialog asks where."""
        save_matrix_of(self, path)

    def result_name(self, operation: LayerOperation) -> str:
        """See `ResamplingWidget`."""
        return f"{operation.image.name} baked"
