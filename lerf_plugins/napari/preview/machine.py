"""The states of a live preview, and every rule on what leads from one to the next.

::

    idle ---asked---> computing ---arrived---> shown
      ^                  |  ^                    |
      |               failed or refused       asked again
      |                  v  |                    v
      +---off-------- failed +------------- computing ...

Nothing here knows of napari or Qt: a `Screen` shows, hides and computes. Tests drive the machine
with a screen of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

__all__ = ["Outcome", "PreviewMachine", "PreviewState", "Request", "Screen"]


class PreviewState(StrEnum):
    """What a preview is about.

    Attributes
    ----------
    IDLE
        Off, or without a layer to show: nothing of it is in the viewer.
    COMPUTING
        What was asked for last is being computed; the last good preview, if any, stays meanwhile.
    SHOWN
        The canvas shows what was asked for last.
    FAILED
        What was asked for last cannot be shown, and the words say why. The last good preview
        stays, unless the view has no place for it (3-D, other axes).
    """

    IDLE = "idle"
    COMPUTING = "computing"
    SHOWN = "shown"
    FAILED = "failed"


@dataclass(frozen=True, eq=False)
class Request:
    """What a preview is asked to show.

    Attributes
    ----------
    source : napari.layers.Layer
        Whose preview it is.
    operation, view : LayerOperation, View
        What to compute; passed on to the screen as they are.
    """

    source: Any
    operation: Any
    view: Any


#: What comes of a computation: a block of pixels, words on why there is none, or None where the
#: view shows nothing of the result.
Outcome = Any


class Screen(Protocol):
    """What a machine acts on: in napari, `lerf_plugins.napari.preview.canvas.CanvasScreen`."""

    @property
    def layer(self) -> Any:
        """The layer that shows the preview; None while there is none."""

    def compute(self, request: Request, arrived: Callable[[Outcome], None]) -> None:
        """Compute in the background; hand the outcome over, later, in the window's thread."""

    def show(self, request: Request, block: Any) -> str:
        """Show a block and return words on it."""

    def show_nothing(self) -> None:
        """Show that the view holds nothing of the result."""

    def take_away(self) -> None:
        """Remove the layer, if there is one; show what was hidden for it."""

    def adopt(self, source: Any, pixels: Any, state: dict[str, Any]) -> Any:
        """Make the layer a result's, which is then the screen's no more; None: it cannot be."""

    def forget(self) -> None:
        """Let go of the layer, which others have removed; show what was hidden for it."""

    def switched(self, on: bool) -> None:
        """Show whether previews are on."""

    def tell(self, words: str) -> None:
        """Say what goes on."""


class PreviewMachine:
    """Decides what a preview shows, computes and says.

    One block is computed at a time; of what is asked for meanwhile only the last is computed.

    Parameters
    ----------
    screen : Screen

    Attributes
    ----------
    state : PreviewState
    is_on : bool
        Whether the user wants a preview.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.state = PreviewState.IDLE
        self.is_on = False
        self._source: Any = None
        self._is_computing = False
        self._waiting: Request | None = None
        # What was asked for before the number changed is not shown any more.
        self._number = 0

    # -- what the user and the controls ask for ---------------------------------------------

    def switch(self, on: bool) -> None:
        """Switch previews on or off; off: nothing of them is left."""
        if on == self.is_on:
            return
        self.is_on = on
        self._clear()
        self._screen.switched(on)

    def ask(self, request: Request) -> None:
        """Ask for a preview; without effect while previews are off."""
        if not self.is_on:
            return
        self._turn_to(request.source)
        self._waiting = request
        self.state = PreviewState.COMPUTING
        self._next()

    def refuse(self, source: Any, words: str) -> None:
        """Take note that what is chosen for a source cannot be done."""
        if not self.is_on:
            return
        self._turn_to(source)
        self._fail(words)

    def rest(self) -> None:
        """Take the preview away, since there is no source, until one is asked for."""
        self._clear()

    def leave(self, words: str) -> None:
        """Take the preview away, since the view has no place for one, until it is asked for."""
        if not self.is_on:
            return
        self._clear()
        self._fail(words)

    # -- what happens ---------------------------------------------------------------------------

    def removed(self, layer: Any) -> None:
        """Take note that a layer was removed from the viewer by others."""
        if layer is self._screen.layer:
            # The user took the preview away: that is how it is switched off, too.
            self._screen.forget()
            self.switch(False)
        elif layer is self._source:
            self._clear()

    def become(self, source: Any, pixels: Any, state: dict[str, Any]) -> Any:
        """Make the preview's layer a result's, and switch off; nothing is added or removed then.

        Parameters
        ----------
        source : napari.layers.Layer
            That the result was made of: another's preview stays a preview.
        pixels : ndarray or list
        state : dict
            Of the result's layer.

        Returns
        -------
        napari.layers.Layer or None
            None: it cannot be one, and is taken away.
        """
        if not self.is_on or source is not self._source:
            return None
        layer = self._screen.adopt(source, pixels, state)
        self.switch(False)
        return layer

    # -- one at a time ------------------------------------------------------------------------

    def _next(self) -> None:
        if self._is_computing or self._waiting is None:
            return
        request, self._waiting = self._waiting, None
        self._is_computing = True
        self._screen.compute(request, partial(self._arrived, request, self._number))

    def _arrived(self, request: Request, number: int, outcome: Outcome) -> None:
        try:
            if number == self._number:
                self._take(request, outcome)
        finally:
            self._is_computing = False
            self._next()

    def _take(self, request: Request, outcome: Outcome) -> None:
        """Show what was computed; of the state only what was asked for last decides."""
        if isinstance(outcome, str):
            if self._is_last:
                self._fail(outcome)
            return
        if outcome is None:
            self._screen.show_nothing()
            words = "The view shows nothing of the result"
        else:
            words = self._screen.show(request, outcome)
        # Now: to show it may move the view, which asks again.
        if self._is_last:
            self.state = PreviewState.SHOWN
            self._screen.tell(words)

    @property
    def _is_last(self) -> bool:
        """Whether nothing else was asked for since what arrives was."""
        return self.state is PreviewState.COMPUTING and self._waiting is None

    # -- states ---------------------------------------------------------------------------------

    def _turn_to(self, source: Any) -> None:
        if source is not self._source:
            self._clear()
            self._source = source

    def _fail(self, words: str) -> None:
        self._waiting = None
        self.state = PreviewState.FAILED
        self._screen.tell(words)

    def _clear(self) -> None:
        self._number += 1
        self._waiting = self._source = None
        self.state = PreviewState.IDLE
        self._screen.take_away()
