"""What napari calls differently from version to version, 0.6 to 0.9, under one name.

Nothing else of the plugin asks for napari's version, or for what a version lacks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

__all__ = [
    "camera",
    "canvas_size",
    "follow_layer_list",
    "given_axis_names",
    "has_grid",
    "listen",
    "world_units",
]

_NUMBERED = re.compile(r"(axis )?-?\d+")


def camera(viewer: Any) -> Any:
    """Return the viewer's camera.

    ``viewer.scene.camera`` from 0.9 on, where ``viewer.camera`` is deprecated.
    """
    return getattr(viewer, "scene", viewer).camera


def canvas_size(viewer: Any) -> tuple[int, int]:
    """Return the canvas's (height, width) in canvas pixels, each at least 1.

    ``viewer.canvas.size`` from 0.9 on; before, it is private to the viewer, and plugins get the
    viewer in a proxy that warns of private names.
    """
    canvas = getattr(viewer, "canvas", None)
    if canvas is None:
        height, width = getattr(viewer, "__wrapped__", viewer)._canvas_size
    else:
        height, width = canvas.size
    return max(1, int(height)), max(1, int(width))


def has_grid(viewer: Any) -> bool:
    """Whether layers are shown side by side: ``viewer.canvas.grid`` from 0.9 on."""
    return bool(getattr(viewer, "canvas", viewer).grid.enabled)


def world_units(viewer: Any) -> tuple[Any, ...] | None:
    """Return the units of the world's axes (`pint.Unit`), to which layers are drawn.

    From 0.7 on; before, the numbers of a layer's world are drawn whatever its units: None.
    """
    units: tuple[Any, ...] | None = getattr(viewer.layers.extent, "units", None)
    return units


def given_axis_names(labels: Iterable[Any]) -> list[str]:
    """Return a layer's axis labels, without those that napari gives: empty words.

    Axes without names are called "-2" and "-1" from 0.7 on, "axis -2" and "axis -1" before.
    """
    return ["" if _NUMBERED.fullmatch(str(label)) else str(label) for label in labels]


def listen(emitter: Any, handler: Callable[[Any], None]) -> Callable[[], None]:
    """Call a function with each event of an emitter; return what ends it.

    Made for methods of Qt widgets. napari compares what is disconnected with all that is connected;
    0.6 looks into the methods' objects for that, which PyQt forbids of a widget that is deleted. A
    function of its own is not looked into.
    """

    def call(event: Any) -> None:
        handler(event)

    emitter.connect(call)
    return lambda: emitter.disconnect(call)


def follow_layer_list(layers: Any, handler: Callable[[Any], None]) -> Callable[[], None]:
    """Call a function when layers come, go, move or get another name.

    ``events.renamed`` exists from 0.7 on; before, layers' own events pass through the list's.

    Parameters
    ----------
    layers : napari.components.LayerList
    handler : callable
        Takes the event.

    Returns
    -------
    callable
        Ends it; without arguments.
    """
    events = layers.events

    def renamed(event: Any) -> None:
        if event.type == "name":
            handler(event)

    has_renamed = "renamed" in events.emitters
    ends = [
        listen(events.inserted, handler),
        listen(events.removed, handler),
        listen(events.reordered, handler),
        listen(events.renamed, handler) if has_renamed else listen(events, renamed),
    ]

    def leave() -> None:
        for end in ends:
            end()

    return leave
