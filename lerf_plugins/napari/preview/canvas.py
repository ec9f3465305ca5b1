"""The layer that shows a preview on napari's canvas, above its source."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QTimer

from lerf_core.io.tiles.chunk_cache import ChunkCache
from lerf_plugins.napari.compute.first_run import tell_of_first_run
from lerf_plugins.napari.compute.lazy import CACHE_BYTES
from lerf_plugins.napari.model.descent import place_above
from lerf_plugins.napari.model.layer_image import PREVIEW, at_plane
from lerf_plugins.napari.preview.machine import Outcome, Request
from lerf_plugins.napari.preview.thread import PreviewThread

if TYPE_CHECKING:
    from lerf_plugins.napari.compute.preview_block import PreviewBlock

__all__ = ["CanvasScreen"]

# Blending modes in which a preview above the source hides it.
_COVERING = {"translucent", "translucent_no_depth", "opaque"}
# What a user may change of the source while its preview shows, and the preview follows.
_APPEARANCE = ("colormap", "contrast_limits", "gamma", "opacity", "blending", "axis_labels")


class CanvasScreen:
    """A `Screen` (see `lerf_plugins.napari.preview.machine`) that is a viewer's canvas.

    Parameters
    ----------
    viewer : napari.Viewer
    thread : PreviewThread
    attempt : callable
        Computes, in the thread: ``attempt(request, cache)`` returns an `Outcome`.
    tell : callable
        Takes words on what is shown, or on why nothing can be.
    switched : callable
        Told whether previews are on: ``switched(on)``.
    hides_source : bool
        Whether the source is hidden meanwhile, wherever it lies; else where it would shine through.
    """

    def __init__(
        self,
        viewer: Any,
        thread: PreviewThread,
        attempt: Callable[[Request, ChunkCache], Outcome],
        *,
        tell: Callable[[str], None],
        switched: Callable[[bool], None],
        hides_source: bool,
    ) -> None:
        self._viewer, self._thread, self._hides_source = viewer, thread, hides_source
        self._attempt, self.tell, self.switched = attempt, tell, switched
        self.layer: Any = None
        self._hidden: Any = None
        self._shows_nothing = False
        self._cache = ChunkCache(CACHE_BYTES)
        self._later = QTimer(thread)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._show_hidden)

    # -- see `Screen` -----------------------------------------------------------------------

    def compute(self, request: Request, arrived: Callable[[Outcome], None]) -> None:
        """Compute the block that the view shows."""
        if self.layer is None:
            tell_of_first_run(self.tell)
        self._thread.start(partial(self._attempt, request, self._cache), arrived)

    def show(self, request: Request, block: PreviewBlock) -> str:
        """Show a block above its source; return words on its size and detail."""
        operation, view = request.operation, request.view
        image = operation.image
        state = operation.result_state(
            block.grid, {}, name=f"Preview of {image.name}", multiscale=False
        )
        state = at_plane(state, view.planes) | {"metadata": {PREVIEW: True}}
        if self._fits(block.pixels):
            _set_transform(self.layer, state)
            _set_appearance(self.layer, request.source)
            self.layer.data = block.pixels
            if self._shows_nothing:
                self.layer.visible = True
        else:
            self._replace(request.source, block.pixels, state, image.kind)
        self._shows_nothing = False
        detail = (
            "as in the result" if block.level_shape == operation.out_shape else "coarser than it"
        )
        rows, cols = operation.out_shape
        return f"Result: {cols} x {rows} pixels. Preview: {detail}"

    def show_nothing(self) -> None:
        """Hide the last preview: it lies where nothing of the result does."""
        if self.layer is not None and self.layer.visible:
            self.layer.visible, self._shows_nothing = False, True

    def take_away(self) -> None:
        """Remove the layer; show what was hidden for it."""
        layer, self.layer = self.layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        self._cache.clear()
        self._shows_nothing = False
        if not self._later.isActive():
            self._show_hidden()

    def forget(self) -> None:
        """Let go of the layer; show what was hidden for it, unless that is being removed, too."""
        self.layer = None
        self._later.start(0)

    def adopt(self, source: Any, pixels: Any, state: dict[str, Any]) -> Any:
        """Make the layer a result's, where its pixels are one array like the preview's."""
        if not (isinstance(pixels, np.ndarray) and self._fits(pixels)):
            return None
        layer, self.layer = self.layer, None
        _set_transform(layer, state)
        _set_appearance(layer, source)
        layer.data = pixels
        layer.metadata = state["metadata"]
        layer.name = state["name"]
        layer.visible = True
        layer.events.name()  # lists of layers leave previews out: this is none any more
        return layer

    # -- the layer ----------------------------------------------------------------------------

    def _fits(self, pixels: npt.NDArray[Any]) -> bool:
        """Whether the layer can show these pixels in place of its own."""
        layer = self.layer
        if layer is None or layer not in self._viewer.layers:
            return False
        return bool(
            layer.data.dtype == pixels.dtype
            and layer.data.ndim == pixels.ndim
            and layer.data.shape[layer.ndim :] == pixels.shape[layer.ndim :]
        )

    def _replace(
        self, source: Any, pixels: npt.NDArray[Any], state: dict[str, Any], kind: str
    ) -> None:
        """Show pixels in a new layer above the source and its results; the selection stays."""
        from napari.layers import Layer

        self._later.stop()

        layers = self._viewer.layers
        old, self.layer = self.layer, None
        if old is not None and old in layers:
            layers.remove(old)
        selected, active = set(layers.selection), layers.selection.active
        self.layer = Layer.create(pixels, state, kind)
        layers.insert(place_above(layers, source), self.layer)
        layers.selection.update(selected)
        layers.selection.intersection_update(selected)
        layers.selection.active = active
        covers_source = not self._hides_source and state["blending"] in _COVERING
        if source.visible and not covers_source:
            source.visible, self._hidden = False, source

    def _show_hidden(self) -> None:
        source, self._hidden = self._hidden, None
        if source is not None and source in self._viewer.layers:
            source.visible = True


def _set_transform(layer: Any, state: dict[str, Any]) -> None:
    """Put a layer where a state says."""
    if tuple(layer.units) != tuple(state["units"]):
        layer.units = state["units"]
    for name in ("scale", "rotate", "shear", "translate", "affine"):
        if not np.array_equal(getattr(layer, name), state[name]):
            setattr(layer, name, state[name])


def _set_appearance(layer: Any, source: Any) -> None:
    """Have a layer look as its source does now."""
    for name in _APPEARANCE:
        if hasattr(source, name) and getattr(layer, name) != getattr(source, name):
            setattr(layer, name, getattr(source, name))
