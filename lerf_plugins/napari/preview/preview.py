"""A live preview: what happens in a viewer, told to the machine that decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer

from lerf_core.errors import LerfError
from lerf_core.io.tiles.chunk_cache import ChunkCache
from lerf_plugins.napari import host
from lerf_plugins.napari.model.operations import LayerOperation
from lerf_plugins.napari.model.view import view_of
from lerf_plugins.napari.preview.canvas import CanvasScreen
from lerf_plugins.napari.preview.machine import Outcome, PreviewMachine, PreviewState, Request
from lerf_plugins.napari.preview.thread import PreviewThread

__all__ = ["Preview"]

# Changes of a layer that show in a preview of it.
_OF_LAYERS = (
    "data", "scale", "translate", "rotate", "shear", "affine", "units",
    "contrast_limits", "colormap", "gamma", "opacity", "blending",
)  # fmt: skip
_NO_PLACE = "No preview: it shows in 2-D, of the last two axes in their order"


class Preview:
    """Shows a layer with what an operation makes of the part that is visible.

    Parameters
    ----------
    viewer : napari.Viewer
    parent : QObject
        The widget that it belongs to.
    ask : callable
        Asks again for what is chosen now, by `update` or `refuse`: called when the layer has
        changed, or which axes show. Where the view moves, what was asked for last is shown there.
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
        parent: QObject,
        *,
        ask: Callable[[], None],
        tell: Callable[[str], None],
        switched: Callable[[bool], None],
        hides_source: bool = False,
    ) -> None:
        self._viewer, self._ask = viewer, ask
        self._followed: Any = None
        # What `update` was called with last; None: nothing can be shown.
        self._asked: tuple[Any, LayerOperation, Any] | None = None
        self._thread = PreviewThread(parent)
        self._screen = CanvasScreen(
            viewer, self._thread, _attempt, tell=tell, switched=switched,
            hides_source=hides_source,
        )  # fmt: skip
        self._machine = PreviewMachine(self._screen)
        # Once the camera, too, has been set for other axes.
        self._soon = QTimer(parent)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._ask_again)
        camera, dims = host.camera(viewer).events, viewer.dims.events
        self._handlers = (
            (camera.center, self._show_in_view),
            (camera.zoom, self._show_in_view),
            (dims.point, self._show_in_view),
            (dims.ndisplay, self._display_changed),
            (dims.order, self._display_changed),
            (viewer.layers.events.removed, self._removed),
        )
        for event, handler in self._handlers:
            event.connect(handler)

    @property
    def state(self) -> PreviewState:
        """What it is about."""
        return self._machine.state

    @property
    def is_on(self) -> bool:
        """Whether it is switched on."""
        return self._machine.is_on

    @property
    def is_busy(self) -> bool:
        """Whether what was asked for last is still being computed."""
        return self.state is PreviewState.COMPUTING

    @property
    def layer(self) -> Any:
        """The layer that shows it; None while there is none."""
        return self._screen.layer

    def switch(self, on: bool) -> None:
        """Switch it on or off."""
        self._machine.switch(on)
        if not on:
            self.follow(None)

    def update(self, source: Any, operation: LayerOperation, placed_on: Any = None) -> None:
        """Show what an operation makes of a layer, as soon as it is computed.

        Parameters
        ----------
        source : napari.layers.Layer
        operation : LayerOperation
        placed_on : napari.layers.Layer, optional
            On whose pixel grid the result is placed; None: the source's.
        """
        self._asked = (source, operation, placed_on)
        self._show_in_view()

    def refuse(self, source: Any, words: str) -> None:
        """Say why what is chosen for a layer cannot be done; the last good preview stays."""
        self._asked = None
        if view_of(self._viewer, source) is None:
            self._machine.leave(words)
        else:
            self._machine.refuse(source, words)

    def rest(self) -> None:
        """Show nothing until something is asked for: there is no layer to show."""
        self.follow(None)
        self._asked = None
        self._machine.rest()

    def become(self, source: Any, pixels: Any, state: dict[str, Any]) -> Any:
        """Make the preview's layer a result's, if it can be: see `PreviewMachine.become`."""
        return self._machine.become(source, pixels, state)

    def let_go(self) -> None:
        """Follow the viewer no more, and leave it as it is: its window is being closed."""
        self._thread.close()
        self.follow(None)
        for event, handler in self._handlers:
            event.disconnect(handler)

    def follow(self, layer: Any) -> None:
        """Ask again whenever this layer, and no other, changes its pixels, looks or place.

        Previews that are switched off ask as well: what is said of the result depends on them.
        """
        if layer is self._followed:
            return
        for old, act in ((self._followed, "disconnect"), (layer, "connect")):
            for name in _OF_LAYERS:
                if old is not None and hasattr(old.events, name):
                    getattr(getattr(old.events, name), act)(self._layer_changed)
        self._followed = layer

    # -- what happens in the viewer -----------------------------------------------------------

    def _layer_changed(self) -> None:
        self._ask()

    def _ask_again(self) -> None:
        if self.is_on:
            self._ask()

    def _show_in_view(self) -> None:
        """Show what was asked for last, where the view is now."""
        if not self.is_on or self._asked is None:
            return
        source, operation, placed_on = self._asked
        view = view_of(self._viewer, source, placed_on)
        if view is None:
            self._machine.leave(_NO_PLACE)
        else:
            self._machine.ask(Request(source, operation, view))

    def _display_changed(self) -> None:
        """Take the preview away: it is of the axes that were shown."""
        if self.is_on:
            self._asked = None
            self._machine.leave(_NO_PLACE)
            self._soon.start(0)

    def _removed(self, event: Any) -> None:
        if self._asked is not None and event.value is self._asked[0]:
            self._asked = None
        self._machine.removed(event.value)


def _attempt(request: Request, cache: ChunkCache) -> Outcome:
    """Compute the block that the view shows, or say in words why there is none."""
    # Here, in the thread: so much less to load while a widget opens.
    from lerf_plugins.napari.compute.preview_block import preview_block

    try:
        return preview_block(request.operation, request.view, cache)
    except (LerfError, OSError, MemoryError) as error:
        return f"No preview: {error}"
