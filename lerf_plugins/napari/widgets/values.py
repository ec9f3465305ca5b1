"""Which values stand for darkest and brightest: a choice, a range of one's own, and an offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import ComboBox, LineEdit, PushButton
from qtpy.QtWidgets import QLabel

from lerf_core.errors import InvalidArgumentError, LerfError
from lerf_plugins.napari.compute.value_spans import value_span
from lerf_plugins.napari.model.layer_image import RANGES, VALUES, LayerImage
from lerf_plugins.napari.model.value_ranges import (
    Range,
    RangeOffer,
    ValueSpan,
    number,
    offered_range,
    range_words,
)
from lerf_plugins.napari.widgets.rows import Row, show_row

__all__ = ["CUSTOM", "ValueControls"]

#: Darkest and brightest are given in numbers.
CUSTOM = "custom"
_WORDS = {"dtype": "all of the data type", CUSTOM: "other..."}
_TOOLTIP = (
    "Which values stand for the tables' darkest and brightest level: the range that the data\n"
    "fill, not more and not less.\n"
    "auto: 0 to 255 for 8 bits, all of the data type for colours (0 to 1 for floats), the\n"
    "contrast limits for all else. Values outside are kept, not clipped."
)


class ValueControls:
    """Controls of the range of values of a layer.

    Attributes
    ----------
    values : ComboBox
        The choice: those of `LayerImage.value_range`, or a range in numbers.
    low, high : LineEdit
        Darkest and brightest value, in numbers.
    offer : RangeOffer or None
        A range that goes with the layer's values better than the one that is taken.
    """

    def __init__(self) -> None:
        self.values = ComboBox(
            choices=[(_WORDS.get(name, name), name) for name in (*VALUES, CUSTOM)]
        )
        self.values.label, self.values.tooltip = "&Values", _TOOLTIP
        self.low, self.high = LineEdit(value="0"), LineEdit(value="255")
        self._range_row = Row(
            "Ran&ge", "The darkest and the brightest value.",
            [self.low.native, QLabel("to"), self.high.native],
        )  # fmt: skip
        self.use = PushButton(text="Use", tooltip="Take the range that the values fill.")
        self._words = QLabel("")
        self._words.setWordWrap(True)
        self._offer_row = Row("", "", [self._words, self.use.native], upright=True)
        self.offer: RangeOffer | None = None
        self._is_enabled = True
        self._chooser: Any = None
        self._layer: Any = None
        self._span: ValueSpan | None = None
        self._worker: Any = None
        self._generation = 0
        self._callbacks: list[Callable[[], None]] = []
        self.use.changed.connect(self._use)
        for control in (self.values, self.low, self.high):
            control.changed.connect(self._changed)

    @property
    def controls(self) -> list[Any]:
        """The rows, in order."""
        return [self.values, self._range_row, self._offer_row]

    def connect(self, changed: Callable[[], None]) -> None:
        """Call a function whenever another range is chosen."""
        for control in (self.values, self.low, self.high):
            control.changed.connect(changed)
        self._callbacks.append(changed)

    @property
    def choice(self) -> str | Range:
        """What is chosen, for `LayerImage.value_range`.

        Raises
        ------
        InvalidArgumentError
            If a range in numbers is none.
        """
        if self.values.value != CUSTOM:
            return str(self.values.value)
        try:
            low, high = float(self.low.value), float(self.high.value)
        except ValueError:
            raise InvalidArgumentError(
                f"the range of values takes two numbers, got '{self.low.value}' and "
                f"'{self.high.value}'"
            ) from None
        if not low < high:
            raise InvalidArgumentError(
                f"the range of values must rise, got {number(low)} to {number(high)}"
            )
        return low, high

    # -- the layer whose values they are ------------------------------------------------------

    def follow(self, chooser: Any) -> None:
        """Speak of the layer that is chosen, once the controls are laid out; until `leave`."""
        self._chooser = chooser
        chooser.changed.connect(self._look)
        self._look()

    def leave(self) -> None:
        """Follow no layer."""
        self._generation += 1
        self._listen_to(None)

    def set_enabled(self, enabled: bool) -> None:
        """Switch them off where no range is taken."""
        self._is_enabled = enabled
        for control in (self.values, self.low, self.high):
            control.enabled = enabled
        self._changed()

    def _listen_to(self, layer: Any) -> None:
        for listened, act in ((self._layer, "disconnect"), (layer, "connect")):
            if listened is not None:
                getattr(listened.events.data, act)(self._look)
                if hasattr(listened, "contrast_limits"):
                    getattr(listened.events.contrast_limits, act)(self._limits_changed)
        self._layer = layer

    def _look(self) -> None:
        """Look at the values of the layer that is chosen, beside the window."""
        layer = None if self._chooser is None else self._chooser.value
        self._generation += 1
        self._span = None
        if layer is not self._layer:
            self._listen_to(layer)
        self._changed()
        self._start()

    def _start(self) -> None:
        """Look at the values, one look at a time: data may change many times a second."""
        from napari.qt.threading import create_worker

        if self._worker is not None or not hasattr(self._layer, "contrast_limits"):
            return
        try:
            image = LayerImage.of(self._layer)
        except LerfError:  # the operation tells
            return
        generation = self._generation
        worker = create_worker(_attempt, image, _start_thread=False)
        worker.returned.connect(lambda span: self._looked(span, generation))
        worker.finished.connect(lambda: self._finished(generation))
        self._worker = worker
        worker.start()

    def _looked(self, span: ValueSpan | None, generation: int) -> None:
        if generation == self._generation:
            self._span = span
            self._changed()

    def _finished(self, generation: int) -> None:
        self._worker = None
        if generation != self._generation:
            self._start()

    def _limits_changed(self) -> None:
        """Follow contrast limits, where they are the range that is taken."""
        self._changed()
        is_auto = self.values.value == "auto" and not self._layer.rgb and self._layer.dtype != "u1"
        if is_auto or self.values.value == "contrast limits":
            for changed in self._callbacks:
                changed()

    def _changed(self) -> None:
        """Show what goes with the choice."""
        show_row(self._range_row.native, self._is_enabled and self.values.value == CUSTOM)
        self.offer = self._offered() if self._is_enabled else None
        if self.offer is not None:
            low, high = self.offer.low, self.offer.high
            self._words.setText(self.offer.why)
            self.use.text = "Use " + _with_letter(range_words(low, high))
            self.use.native.setVisible(self.offer.is_usable)
        show_row(self._offer_row.native, self.offer is not None)

    def _offered(self) -> RangeOffer | None:
        if self._span is None or self._layer is None:
            return None
        try:
            image = LayerImage.of(self._layer)
            taken = image.taken_range(self.choice)
        except LerfError:  # the operation tells
            return None
        return offered_range(self._span, taken, image.dtype, is_rgb=image.is_rgb)

    def _use(self) -> None:
        """Take the range that is offered."""
        if self.offer is None or not self.offer.is_usable:
            return
        offered = (self.offer.low, self.offer.high)
        names = [name for name, bounds in RANGES.items() if bounds == offered]
        if names:
            self.values.value = names[0]
            return
        with self.low.changed.blocked(), self.high.changed.blocked(), self.values.changed.blocked():
            self.low.value, self.high.value = (f"{value:.15g}" for value in offered)
            self.values.value = CUSTOM
        self.values.changed.emit(CUSTOM)


def _with_letter(words: str) -> str:
    """Return words whose first digit is the key for Alt: letters are taken by rows."""
    first = next(place for place, letter in enumerate(words) if letter.isdigit())
    return f"{words[:first]}&{words[first:]}"


def _attempt(image: LayerImage) -> ValueSpan | None:
    """Look at an image's values; what cannot be read has none: Run tells why."""
    try:
        return value_span(image)
    except Exception:  # noqa: BLE001 - a store's own errors are of any kind
        return None
