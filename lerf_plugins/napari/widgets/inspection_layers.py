"""The layers that Inspect has made of a source: added once, replaced by its next run."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from lerf_plugins.napari.compute.parameters import LayerTuple
from lerf_plugins.napari.model.layer_image import RECORD

__all__ = ["show_layers"]

_TRANSFORM = ("scale", "rotate", "shear", "translate", "affine")


@dataclass(frozen=True, eq=False)
class _Made:
    """A layer that was made, the state it was made with, and the name that napari gave it."""

    layer: weakref.ref[Any]
    state: dict[str, Any]
    name: str

    def is_own(self, layers: Any) -> bool:
        """Whether it is in a list of layers, and not renamed: what is renamed is the user's."""
        layer = self.layer()
        return layer is not None and layer in layers and layer.name == self.name


# Of each source, by what they show: of this session, whichever widget made them.
_made_of: weakref.WeakKeyDictionary[Any, dict[str, _Made]] = weakref.WeakKeyDictionary()


def show_layers(viewer: Any, source: Any, tuples: list[LayerTuple]) -> list[Any]:
    """Show what Inspect has made of a layer in place of what it had made of it before.

    Maps go just above the source, ellipses and slopes above all layers. Layers of the run before
    keep their place and looks and get new data; those that are not made any more are removed,
    but for those that the user has renamed.

    Parameters
    ----------
    viewer : napari.Viewer
    source : napari.layers.Layer
    tuples : list of (data, state, kind)
        See `lerf_plugins.napari.compute.parameters.inspect_area`.

    Returns
    -------
    list of napari.layers.Layer
        As many as tuples.
    """
    former = {
        shown: made
        for shown, made in _made_of.get(source, {}).items()
        if made.is_own(viewer.layers)
    }
    made_now: dict[str, _Made] = {}
    place = viewer.layers.index(source) + 1 if source in viewer.layers else len(viewer.layers)
    layers = []
    for data, state, kind in tuples:
        shown = state["metadata"][RECORD]["shows"]
        made = former.pop(shown, None)
        layer: Any
        if made is not None:
            layer = made.layer()
            _update(layer, data, state, made.state)
        else:
            layer = _create(data, state, kind)
            is_map = kind == "image"
            viewer.layers.insert(place if is_map else len(viewer.layers), layer)
        if kind == "image":
            place = viewer.layers.index(layer) + 1
        made_now[shown] = _Made(weakref.ref(layer), state, layer.name)
        layers.append(layer)
    for made in former.values():
        viewer.layers.remove(made.layer())
    _made_of[source] = made_now
    return layers


def _create(data: Any, state: dict[str, Any], kind: str) -> Any:
    from napari.layers import Layer

    return Layer.create(data, state, kind)


def _update(layer: Any, data: Any, state: dict[str, Any], former: dict[str, Any]) -> None:
    """Give a layer new data and its place; of its looks what the user has not changed."""
    limits = "contrast_limits"
    has_own_limits = limits in state and not np.allclose(layer.contrast_limits, former[limits])
    # Where layers are rendered asynchronously, each change of a visible one is sliced in a thread,
    # and napari takes the places of vectors that the slice found for places among the new ones.
    visible, layer.visible = layer.visible, False
    layer.units = state["units"]
    for name in _TRANSFORM:
        if not np.array_equal(getattr(layer, name), state.get(name, getattr(layer, name))):
            setattr(layer, name, state[name])
    layer.data = data
    if limits in state and not has_own_limits:
        layer.contrast_limits = state[limits]
    layer.metadata = state["metadata"]
    if state["name"] != former["name"]:
        layer.name = state["name"]
    layer.visible = visible
