"""Results among the layers of a viewer: what is selected, and which sources are hidden for them."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QTimer

from lerf_plugins.napari.model.descent import record_source, source_of

__all__ = ["put_forward"]


def put_forward(layers: Any, source: Any, result: Any) -> None:
    """Select a result that was added; hide its source until the last of its results is deleted.

    That may be at any time, and outlives the widget that made the result.

    Parameters
    ----------
    layers : napari.components.LayerList
    source, result : napari.layers.Layer
    """
    layers.selection = {result}
    layers.selection.active = result
    if source not in layers:
        return
    source.visible = False
    record_source(result, source)

    def removed(event: Any) -> None:
        if event.value is result:
            layers.events.removed.disconnect(removed)
            # Afterwards: where all layers are being removed, the source goes as well.
            QTimer.singleShot(0, lambda: _show_again(layers, source_of(result)))

    layers.events.removed.connect(removed)


def _show_again(layers: Any, source: Any) -> None:
    """Show a source unless it is gone, or one of its results still shows."""
    if source is None or source not in layers or source.visible:
        return
    others = (layer for layer in layers if layer.visible)
    if not any(source_of(layer) is source for layer in others):
        source.visible = True
