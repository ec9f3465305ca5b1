"""What the widgets have in common: a layer goes in, a preview shows, Run makes a layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import CheckBox, ComboBox, ProgressBar, PushButton
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QSizePolicy, QWidget

from lerf_core.errors import LerfError
from lerf_plugins.napari.compute.jobs import BackgroundJob, in_words
from lerf_plugins.napari.compute.results import (
    SINGLE_ARRAY_PIXELS,
    Step,
    in_levels,
    in_memory,
    lazily,
)
from lerf_plugins.napari.model.layer_image import RECORD, LayerImage
from lerf_plugins.napari.model.operations import LayerOperation
from lerf_plugins.napari.widgets.controls import (
    ARRAY,
    LAZY,
    PYRAMID,
    RESULTS,
    LayerChooser,
    labelled,
    ticked,
)
from lerf_plugins.napari.widgets.preview import Preview

if TYPE_CHECKING:
    import napari

__all__ = ["LayerWidget", "ResamplingWidget"]

# Of the memory that is free, a result by "auto" takes no more.
_SHARE = 0.5


class LayerWidget(QWidget):
    """A widget that makes layers from a layer: Run, Cancel, a bar, a line that says what goes on.

    Every control can be reached by its letter with Alt, and by Tab.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        from napari.layers import Image, Labels

        super().__init__()
        self.viewer = viewer
        self.layer = labelled(
            "&Layer",
            LayerChooser(viewer, self._kinds() or (Image, Labels)),
            "The layer to resample. Planes of stacks are resampled one by one.",
        )
        self.run_button = PushButton(
            text="&Run", tooltip="Compute the result as a new layer, in the background."
        )
        self.cancel_button = PushButton(
            text="&Cancel", tooltip="Stop; nothing is left of the result.", enabled=False
        )
        self.bar = ProgressBar(value=0, min=0, max=1)
        self.status = QLabel("")
        self.job = BackgroundJob(self._progressed, self.tell)
        self.run_button.changed.connect(self.run)
        self.cancel_button.changed.connect(self.cancel)
        self._on_close = _CallInTurn([self.job.cancel, self.layer.disconnect])
        # Called when nothing of the widget is left: no method of its own.
        self.destroyed.connect(self._on_close)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Stop when the dock is closed: napari takes the widget out of it, and forgets it."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.stop()
            # Now, in the window's thread: Python's garbage collector may run in any, and
            # deleting a widget in another thread than its own crashes Qt.
            QTimer.singleShot(0, self._delete_if_alone)

    def _delete_if_alone(self) -> None:
        if self.parent() is None and not self.isVisible():
            self.deleteLater()

    def stop(self) -> None:
        """Stop what runs; leave nothing behind that is no result."""
        self.job.cancel()

    def _kinds(self) -> tuple[type, ...]:
        """Kinds of layers to choose from; none: images and labels."""
        return ()

    def _lay_out(self, *controls: Any) -> None:
        """Fill the widget: the layer, these controls, the buttons, the bar and the line."""
        form = self._form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for control in (self.layer, *controls):
            if isinstance(control, (CheckBox, PushButton)) or not control.label:
                form.addRow("", control.native)
            else:
                # With its letter: a form makes labels their fields' buddies.
                form.addRow(control.label, control.native)
                form.labelForField(control.native).setToolTip(control.tooltip)
        buttons = QHBoxLayout()
        for button in (self.run_button, self.cancel_button):
            buttons.addWidget(button.native)
        form.addRow(buttons)
        form.addRow(self.bar.native)
        self.bar.native.setVisible(False)
        self.status.setWordWrap(True)
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.status.setMinimumHeight(3 * self.status.fontMetrics().height())
        form.addRow(self.status)
        self.setMinimumWidth(300)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

    def _show(self, visible: bool, *controls: Any) -> None:
        """Show or hide rows of the form."""
        for control in controls:
            control.native.setVisible(visible)
            label = self._form.labelForField(control.native)
            if label is not None:
                label.setVisible(visible)

    # -- work ---------------------------------------------------------------------------

    def run(self) -> None:
        """Make the result."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Stop what runs."""
        if self.job.is_running:
            self.job.cancel()
            self.tell("Cancelled")

    def tell(self, words: str) -> None:
        """Say what goes on."""
        self.status.setText(words)

    def _progressed(self, step: Step | None) -> None:
        running = step is not None
        self.run_button.enabled, self.cancel_button.enabled = not running, running
        self.bar.native.setVisible(running)
        if step is not None:
            self.bar.max = max(step.total, 1)
            self.bar.value = step.done


class _CallInTurn:
    """Calls functions without arguments, in turn; what it is called with does not matter.

    Attributes
    ----------
    functions : list of callable
    """

    def __init__(self, functions: list[Callable[[], Any]]) -> None:
        self.functions = functions

    def __call__(self, *_: Any) -> None:
        for function in self.functions:
            function()


class ResamplingWidget(LayerWidget):
    """A widget whose result is an operation's, with a live preview of it."""

    #: Whether a preview lies elsewhere than its source, which is then hidden.
    hides_source = False

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self.preview = Preview(viewer, self.tell, hides_source=self.hides_source)
        super().__init__(viewer)
        self.preview_box = ticked(
            "&Preview", "Show what is visible of the result while you change it; in 2-D."
        )
        self.result = labelled(
            "R&esult",
            ComboBox(choices=list(RESULTS)),
            "one array, pyramid: computed now, in memory; large pyramids show without delay.\n"
            "lazy: a pyramid whose tiles are computed when they show.\n"
            "auto: lazy if the layer is or the result would take half of the free memory;\n"
            "else a pyramid from 8 million pixels on.",
        )
        self.preview_box.changed.connect(self.refresh)
        self.layer.changed.connect(self.refresh)
        camera, dims = viewer.scene.camera.events, viewer.dims.events
        for event, handler in (
            (camera.center, self._moved),
            (camera.zoom, self._moved),
            (dims.point, self._moved),
            (viewer.layers.events.removed, self._removed),
        ):
            event.connect(handler)
            self._on_close.functions.append(partial(event.disconnect, handler))
        self._on_close.functions.append(self.preview.clear)

    def operation(self, image: LayerImage) -> LayerOperation:
        """Return what is to be done to an image.

        Raises
        ------
        LerfError
            If what is chosen cannot be done; in words.
        """
        raise NotImplementedError

    def placed_on(self) -> Any:
        """Return the layer on whose pixel grid the result is placed; None: the chosen one."""
        return None

    def result_name(self, operation: LayerOperation) -> str:
        """Return a name for the result."""
        raise NotImplementedError

    # -- preview --------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the preview, and what is said of the result, up to date."""
        source = self.layer.value
        if source is None:
            self.preview.clear()
            return
        try:
            operation = self.operation(LayerImage.of(source))
        except LerfError as error:
            self.preview.clear()
            self.tell(str(error))
            return
        if self.preview_box.value:
            if self.preview.layer is None:
                self._tell_of_first_run()
            self.preview.show(source, operation, self.placed_on())
        else:
            self.preview.clear()
            rows, cols = operation.out_shape
            self.tell(f"Result: {cols} x {rows} pixels")

    def _moved(self) -> None:
        if self.preview_box.value:
            self.refresh()

    def _removed(self, event: Any) -> None:
        if event.value is self.preview.layer:
            # The user took it away.
            self.preview_box.value = False

    def stop(self) -> None:
        """See `LayerWidget`."""
        super().stop()
        self.preview_box.value = False

    # -- result ---------------------------------------------------------------------------

    @in_words
    def run(self) -> None:
        """Make the result in the background, and add it above its layer."""
        source = self.layer.value
        operation = self.operation(LayerImage.of(source))
        work = partial(_compute, operation, self._kind_of(operation))
        name = self.result_name(operation)
        self.tell(f"Computing '{name}'")
        self._tell_of_first_run()
        self.job.start(work, name, partial(self._add, source, operation, name))

    def _tell_of_first_run(self) -> None:
        from lerf_core import first_run_message

        # What cannot be had, the job tells.
        with suppress(LerfError):
            if message := first_run_message():
                self.tell(message)

    def _kind_of(self, operation: LayerOperation) -> str:
        """Return what the result is to be: one of those to choose from, but auto."""
        if self.result.value != "auto":
            return str(self.result.value)
        from lerf_core.execution.memory import available_memory

        image = operation.image
        rows, cols = operation.out_shape
        planes = math.prod(image.levels[0].shape) // max(1, math.prod(image.shape))
        needed = rows * cols * planes * image.dtype.itemsize
        available = available_memory()
        if image.is_lazy or (available is not None and needed > _SHARE * available):
            return LAZY
        return PYRAMID if rows * cols > SINGLE_ARRAY_PIXELS else ARRAY

    def _add(
        self, source: Any, operation: LayerOperation, name: str, result: tuple[Any, dict[str, Any]]
    ) -> None:
        """Show a result, its data and record, above its source; or where its preview was."""
        data, record = result
        levels = isinstance(data, list)
        state = operation.result_state(operation.grid, record, name=name, multiscale=levels)
        if self.preview.become(source, data, state):
            self.preview_box.value = False
            self._added(source, name, state)
            return
        self.preview_box.value = False
        self.preview.clear()
        # napari takes a tenth of a second and more to remove a layer, and as long to add one: the
        # window handles waiting events in between.
        insert = partial(in_words(self._insert), source, data, state, operation.image.kind)
        QTimer.singleShot(0, insert)

    def _insert(self, source: Any, data: Any, state: dict[str, Any], kind: str) -> None:
        from napari.layers import Layer

        layer = Layer.create(data, state, kind)
        if isinstance(data, list) and not isinstance(data[0], np.ndarray):
            compute_tiles_in_background()
            # A visible layer is sliced in a thread at once. That thread, and this one while napari
            # builds the layer's controls, may wait for each other's locks, Qt's and Python's.
            layer.visible = False
            QTimer.singleShot(0, partial(setattr, layer, "visible", True))
        layers = self.viewer.layers
        layers.insert(layers.index(source) + 1 if source in layers else len(layers), layer)
        self._added(source, layer.name, state)

    def _added(self, source: Any, name: str, state: dict[str, Any]) -> None:
        if source in self.viewer.layers:
            source.visible = False
        dropped = state["metadata"][RECORD].get("dropped", ())
        words = f"; dropped, since they speak of sizes or places: {', '.join(map(str, dropped))}"
        self.tell(f"Added '{name}'{words if dropped else ''}")


def _compute(
    operation: LayerOperation, kind: str
) -> Generator[Step, None, tuple[Any, dict[str, Any]]]:
    """Compute a result of one of the kinds to choose from; return its data and its record."""
    make = {ARRAY: in_memory, PYRAMID: in_levels, LAZY: lazily}[kind]
    data = yield from make(operation)
    return data, operation.record()


def compute_tiles_in_background() -> None:
    """Have napari compute lazy tiles beside the window, not within it."""
    from napari.settings import get_settings
    from napari.utils.notifications import show_info

    experimental = get_settings().experimental
    if not experimental.async_:
        experimental.async_ = True
        show_info(
            "Lazy tiles are computed in the background now: napari's 'Render Layers "
            "Asynchronously' was switched on, and stays so (Preferences, Experimental)."
        )
