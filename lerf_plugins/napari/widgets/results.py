"""Results among the layers of a viewer: what is selected, and which sources are hidden for them."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary, ref

from qtpy.QtCore import QTimer

__all__ = ["ResultList"]

# The layer that each result was made of, as long as both are there. Of all widgets: one may hide a
# source for its result, and another the result for its own.
_sources: WeakKeyDictionary[Any, ref[Any]] = WeakKeyDictionary()


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
        _sources[result] = ref(source)

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
    if not any(_sources.get(layer, _nothing)() is source for layer in others):
        source.visible = True


def _nothing() -> None:
    return None
