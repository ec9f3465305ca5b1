"""Results among the layers of a viewer: what is selected, and which sources are hidden for them."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QTimer

from lerf_plugins.napari.model.descent import record_source, source_of

__all__ = ["ResultList"]


class ResultList:
    """Selects results and hides their sources, which show again when no result is left.

    It outlives the widget: results are deleted at any time.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        self._layers = viewer.layers

    def add(self, source: Any, result: Any) -> None:
        """Select a result that was added; hide its source."""
        layers = self._layers
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
                QTimer.singleShot(0, show_source)

        def show_source() -> None:
            _show_again(layers, source)

        layers.events.removed.connect(removed)


def _show_again(layers: Any, source: Any) -> None:
    """Show a source unless one of its results still does."""
    if source not in layers or source.visible:
        return
    others = (layer for layer in layers if layer.visible)
    if not any(source_of(layer) is source for layer in others):
        source.visible = True
