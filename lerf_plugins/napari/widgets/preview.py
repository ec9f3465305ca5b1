"""The layer that shows the visible part of a result while a slider moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import LerfError
from lerf_core.io.tiles.chunk_cache import ChunkCache
from lerf_plugins.napari.compute.lazy import CACHE_BYTES
from lerf_plugins.napari.compute.preview_block import PreviewBlock, preview_block
from lerf_plugins.napari.model.layer_image import PREVIEW, at_plane
from lerf_plugins.napari.model.operations import LayerOperation
from lerf_plugins.napari.model.view import View, view_of

__all__ = ["Preview"]

# Blending modes in which a preview above the source hides it.
_COVERING = {"translucent", "translucent_no_depth", "opaque"}
# What a user may have changed of a layer while its preview showed.
_APPEARANCE = ("colormap", "contrast_limits", "gamma", "opacity", "blending", "axis_labels")


class Preview:
    """Shows a layer with what an operation makes of the part that is visible.

    One block is computed at a time; what is asked for meanwhile waits, and only the last of it is
    computed.

    Parameters
    ----------
    viewer : napari.Viewer
    tell : callable
        Takes words on what is shown, or on why nothing can be.
    hides_source : bool
        Whether the source is hidden meanwhile, wherever it lies; else where it would shine through.
    """

    def __init__(
        self, viewer: Any, tell: Callable[[str], None], *, hides_source: bool = False
    ) -> None:
        self._viewer, self._tell, self._hides_source = viewer, tell, hides_source
        self._source: Any = None
        self._hidden = False
        self._layer: Any = None
        self._worker: Any = None
        self._waiting: tuple[LayerOperation, View] | None = None
        self._generation = 0
        self._cache = ChunkCache(CACHE_BYTES)

    @property
    def layer(self) -> Any:
        """The layer that shows it; None while there is none."""
        return self._layer

    @property
    def is_busy(self) -> bool:
        """Whether a block is being computed."""
        return self._worker is not None

    def show(self, source: Any, operation: LayerOperation, placed_on: Any = None) -> None:
        """Show what an operation makes of a layer, as soon as it is computed.

        Parameters
        ----------
        source : napari.layers.Layer
        operation : LayerOperation
        placed_on : napari.layers.Layer, optional
            On whose pixel grid the result is placed; None: the source's.
        """
        view = view_of(self._viewer, source, placed_on)
        if view is None:
            self.clear()
            self._tell("No preview: it shows in 2-D, of the last two axes in their order")
            return
        if source is not self._source:
            self.clear()
            self._source = source
        self._waiting = (operation, view)
        self._next()

    def clear(self) -> None:
        """Take the preview away, and what was hidden for it back."""
        self._generation += 1
        self._waiting = None
        self._cache.clear()
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None
        if self._source is not None and self._hidden:
            self._source.visible = True
        self._source, self._hidden = None, False

    def become(self, source: Any, pixels: Any, state: dict[str, Any]) -> bool:
        """Make the preview's layer the result's, if it can be: nothing is added or removed then.

        Parameters
        ----------
        source : napari.layers.Layer
            That the result was made of: another's preview stays a preview.
        pixels : ndarray or list
        state : dict
            Of the result's layer.

        Returns
        -------
        bool
            False: it cannot, and nothing is changed.
        """
        if source is not self._source or not isinstance(pixels, np.ndarray):
            return False
        if not self._fits(pixels):
            return False
        layer, self._layer = self._layer, None
        self.clear()
        _set_transform(layer, state)
        for name in _APPEARANCE:
            if hasattr(source, name):
                setattr(layer, name, getattr(source, name))
        layer.data = pixels
        layer.metadata = state["metadata"]
        layer.name = state["name"]
        layer.events.name()  # lists of layers leave previews out: this is none any more
        return True

    # -- one at a time ------------------------------------------------------------------

    def _next(self) -> None:
        if self._worker is not None or self._waiting is None:
            return
        from napari.qt.threading import create_worker

        (operation, view), self._waiting = self._waiting, None
        generation = self._generation
        worker = create_worker(_attempt, operation, view, self._cache, _start_thread=False)
        worker.returned.connect(lambda result: self._arrived(result, operation, view, generation))
        worker.finished.connect(self._finished)
        self._worker = worker
        worker.start()

    def _finished(self) -> None:
        self._worker = None
        self._next()

    def _arrived(
        self,
        result: PreviewBlock | str | None,
        operation: LayerOperation,
        view: View,
        generation: int,
    ) -> None:
        if generation != self._generation:
            return
        if isinstance(result, str):
            self._tell(result)
        elif result is None:
            self._tell("The view shows nothing of the result")
        else:
            self._display(result, operation, view)

    def _display(self, block: PreviewBlock, operation: LayerOperation, view: View) -> None:
        image = operation.image
        state = operation.result_state(
            block.grid, {}, name=f"Preview of {image.name}", multiscale=False
        )
        state = at_plane(state, view.planes) | {"metadata": {PREVIEW: True}}
        if self._fits(block.pixels):
            _set_transform(self._layer, state)
            self._layer.data = block.pixels
        else:
            self._replace(block.pixels, state, image.kind)
        detail = (
            "as in the result" if block.level_shape == operation.out_shape else "coarser than it"
        )
        rows, cols = operation.out_shape
        self._tell(f"Result: {cols} x {rows} pixels. Preview: {detail}")

    def _fits(self, pixels: npt.NDArray[Any]) -> bool:
        """Whether the layer can show these pixels in place of its own."""
        layer = self._layer
        if layer is None or layer not in self._viewer.layers:
            return False
        return bool(
            layer.data.dtype == pixels.dtype
            and layer.data.ndim == pixels.ndim
            and layer.data.shape[layer.ndim :] == pixels.shape[layer.ndim :]
        )

    def _replace(self, pixels: npt.NDArray[Any], state: dict[str, Any], kind: str) -> None:
        """Show pixels in a new layer above the source; the user's selection stays."""
        from napari.layers import Layer

        layers = self._viewer.layers
        if self._layer is not None and self._layer in layers:
            layers.remove(self._layer)
        selected, active = set(layers.selection), layers.selection.active
        self._layer = Layer.create(pixels, state, kind)
        layers.insert(layers.index(self._source) + 1, self._layer)
        layers.selection.update(selected)
        layers.selection.intersection_update(selected)
        layers.selection.active = active
        covers_source = not self._hides_source and state["blending"] in _COVERING
        if self._source.visible and not covers_source:
            self._source.visible, self._hidden = False, True


def _set_transform(layer: Any, state: dict[str, Any]) -> None:
    """Put a layer where a state says."""
    layer.units = state["units"]
    for name in ("scale", "rotate", "shear", "translate", "affine"):
        if not np.array_equal(getattr(layer, name), state[name]):
            setattr(layer, name, state[name])


def _attempt(operation: LayerOperation, view: View, cache: ChunkCache) -> PreviewBlock | str | None:
    """Compute a block, or say in words why there is none."""
    try:
        return preview_block(operation, view, cache)
    except (LerfError, OSError, MemoryError) as error:
        return f"No preview: {error}"
