"""Which layers are results of which others, and where the next one goes among them."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary, ref

__all__ = ["place_above", "record_source", "source_of"]

# The layer that each result was made of, as long as both are there. Of all widgets: one may hide a
# source for its result, and another the result for its own.
_sources: WeakKeyDictionary[Any, ref[Any]] = WeakKeyDictionary()


def record_source(result: Any, source: Any) -> None:
    """Remember which layer a result was made of."""
    _sources[result] = ref(source)


def source_of(layer: Any) -> Any:
    """Return the layer that a result was made of; None: it is gone, or the layer is no result."""
    return _sources.get(layer, _nothing)()


def place_above(layers: Any, source: Any) -> int:
    """Return the index at which a layer lies above its source, and above all that was made of it.

    Below an earlier result of the same extents, a new one or its preview would not be seen.

    Parameters
    ----------
    layers : napari.components.LayerList
    source : napari.layers.Layer
        One of them.
    """
    return 1 + max(place for place, layer in enumerate(layers) if _descends(layer, source))


def _descends(layer: Any, source: Any) -> bool:
    """Whether a layer is the source, or was made of it by any number of steps."""
    while layer is not None:
        if layer is source:
            return True
        layer = source_of(layer)
    return False


def _nothing() -> None:
    return None
