"""Where pixels are resampled: the processor, or a GPU where torch has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import ComboBox

from lerf_plugins.napari.compute import devices
from lerf_plugins.napari.widgets.rows import Row, show_row

__all__ = ["PROCESSOR", "DeviceControls"]

#: No device of torch's: compiled code.
PROCESSOR = "processor"
_TOOLTIP = (
    "Where pixels are resampled, previews too: the processor, or a GPU by torch. The pixels are\n"
    "the same. A GPU gains with large results; the first one waits until it has woken."
)


class DeviceControls:
    """The choice of a device; hidden where there is none to choose.

    Attributes
    ----------
    choice : ComboBox
        The processor, and what torch has.
    """

    def __init__(self) -> None:
        self.choice = ComboBox(choices=[PROCESSOR], tooltip=_TOOLTIP)
        self._row = Row("Compute on (&2)", _TOOLTIP, [self.choice.native])
        self._worker: Any = None

    @property
    def controls(self) -> list[Any]:
        """The rows, in order."""
        return [self._row]

    @property
    def name(self) -> str | None:
        """The device that is chosen, as torch names it; None: the processor."""
        return None if self.choice.value == PROCESSOR else str(self.choice.value)

    def connect(self, changed: Callable[[], None]) -> None:
        """Call a function whenever another device is chosen."""
        self.choice.changed.connect(changed)

    def look(self) -> None:
        """Look for devices beside the window, once the row is laid out; show it if there are."""
        show_row(self._row.native, False)
        if not devices.may_have_devices():
            return
        from napari.qt.threading import create_worker

        worker = create_worker(devices.found_devices, _start_thread=False)
        worker.returned.connect(self._offer)
        self._worker = worker
        worker.start()

    def leave(self) -> None:
        """Offer nothing any more: the widget is going."""
        self._worker = None

    def _offer(self, found: list[str]) -> None:
        if self._worker is None:
            return
        self._worker = None
        if found:
            self.choice.choices = [PROCESSOR, *found]
            show_row(self._row.native, True)
