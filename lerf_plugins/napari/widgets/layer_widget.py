"""What the widgets have in common: a layer goes in, a preview shows, Run makes a layer."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, ProgressBar, PushButton
from qtpy import API_NAME
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from lerf_core.errors import LerfError
from lerf_plugins.napari.compute.first_run import tell_of_first_run
from lerf_plugins.napari.compute.jobs import BackgroundJob, in_words
from lerf_plugins.napari.compute.lazy import is_computed
from lerf_plugins.napari.compute.results import (
    SINGLE_ARRAY_PIXELS,
    Step,
    in_levels,
    in_memory,
    lazily,
)
from lerf_plugins.napari.model.command_lines import CommandLine, resampling_command
from lerf_plugins.napari.model.descent import place_above
from lerf_plugins.napari.model.layer_image import RECORD, LayerImage
from lerf_plugins.napari.model.operations import LayerOperation
from lerf_plugins.napari.preview.preview import Preview
from lerf_plugins.napari.widgets.batch import CommandRow, MatrixRow
from lerf_plugins.napari.widgets.canvas_context import guard_removals
from lerf_plugins.napari.widgets.controls import (
    ARRAY,
    FILE,
    LAZY,
    PYRAMID,
    RESULTS,
    LayerChooser,
    labelled,
    ticked,
)
from lerf_plugins.napari.widgets.file_target import FileTarget
from lerf_plugins.napari.widgets.results import put_forward
from lerf_plugins.napari.widgets.scrolled_rows import ScrolledRows

if TYPE_CHECKING:
    import napari

__all__ = ["LayerWidget", "ResamplingWidget"]

_OF_PYSIDE = " With PySide napari may die of it now and then; with PyQt6 it does not."
# Of the memory that is free, a result by "auto" takes no more.
_SHARE = 0.5


class LayerWidget(QWidget):
    """A widget that makes layers from a layer: Run, Cancel, a bar, a line that says what goes on.

    Every control can be reached by its letter with Alt, and by Tab.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    #: Whether a command line does the same, and is shown.
    has_command = False

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        from napari.layers import Image, Labels

        super().__init__()
        self.viewer = viewer
        guard_removals(viewer.layers)
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
        self._area = ScrolledRows()
        self.command = CommandRow(self.tell)
        self.job = BackgroundJob(self._progressed, self.tell)
        self.run_button.changed.connect(self.run)
        self.cancel_button.changed.connect(self.cancel)
        self.layer.changed.connect(self._enable_run)
        self._enable_run()
        self._later = _Later(self)
        self._on_close = _CallInTurn([self.job.let_go, self.layer.disconnect, self.command.stop])
        # Called when nothing of the widget is left: no method of its own.
        self.destroyed.connect(self._on_close)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Stop when the dock is closed: napari takes the widget out of it, and forgets it."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.stop()
            # Now, in the window's thread: Python's garbage collector may run in any, and
            # deleting a widget in another thread than its own crashes Qt.
            self._later(self._delete_if_alone)

    def _delete_if_alone(self) -> None:
        if self.parent() is None and not self.isVisible():
            self.deleteLater()

    def stop(self) -> None:
        """Stop what runs; leave nothing behind that is no result."""
        self.job.cancel()
        self.command.stop()

    def _kinds(self) -> tuple[type, ...]:
        """Kinds of layers to choose from; none: images and labels."""
        return ()

    def _lay_out(self, *controls: Any) -> None:
        """Fill the widget: the layer, these controls, the buttons, the bar and the line."""
        body = QWidget()
        form = self._form = QFormLayout(body)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for control in (self.layer, *controls):
            if isinstance(control, MatrixRow):
                form.addRow(control.native)  # two buttons need the whole width
            elif isinstance(control, (CheckBox, PushButton)) or not control.label:
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
        if self.has_command:
            form.addRow(self.command.native)
        self.status.setWordWrap(True)
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.status.setMinimumHeight(3 * self.status.fontMetrics().height())
        # Whatever height the dock has beyond the rows is the line's: no row is squeezed or spread.
        self.status.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        form.addRow(self.status)
        body.setMinimumWidth(300)
        self._area.show_rows(body)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._area)

    def _show(self, visible: bool, *controls: Any) -> None:
        """Show or hide rows of the form."""
        for control in controls:
            control.native.setVisible(visible)
            label = self._form.labelForField(control.native)
            if label is not None:
                label.setVisible(visible)
        self._fit()

    def _fit(self) -> None:
        """Ask for the height that the rows need now."""
        self._area.updateGeometry()

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
        """Say what goes on; the line grows with its words."""
        self.status.setText(words)
        lines = self.status.heightForWidth(self.status.width())
        self.status.setMinimumHeight(max(3 * self.status.fontMetrics().height(), lines))
        self._fit()

    def _enable_run(self) -> None:
        has_layer = self.layer.value is not None
        self.run_button.enabled = has_layer and not self.job.is_running
        if not has_layer and not self.job.is_running:
            self.tell("Open an image, or choose a layer")

    def _progressed(self, step: Step | None) -> None:
        running = step is not None
        self.cancel_button.enabled = running
        self._enable_run()
        self.bar.native.setVisible(running)
        self._fit()
        if step is not None:
            self.bar.max = max(step.total, 1)
            self.bar.value = step.done


class _Later:
    """Calls functions from the event loop, one at each turn, as long as a widget is there.

    Parameters
    ----------
    parent : QWidget
    """

    def __init__(self, parent: QWidget) -> None:
        self._waiting: deque[Callable[[], Any]] = deque()
        self._timer = QTimer(parent)
        self._timer.timeout.connect(self._call)

    def __call__(self, function: Callable[[], Any]) -> None:
        self._waiting.append(function)
        self._timer.start(0)

    def _call(self) -> None:
        function = self._waiting.popleft()
        if not self._waiting:
            self._timer.stop()
        function()


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
    has_command = True
    #: A matrix file, and the matrix that it holds: for the command line.
    saved_matrix: tuple[str, Any] | None = None

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.preview = Preview(
            viewer, self, ask=self.refresh, tell=self.tell, switched=self._switched,
            hides_source=self.hides_source,
        )  # fmt: skip
        self.preview_box = ticked(
            "&Preview", "Show what is visible of the result while you change it; in 2-D."
        )
        self.result = labelled(
            "R&esult",
            ComboBox(choices=list(RESULTS)),
            "one array, pyramid: computed now, in memory; large pyramids show without delay.\n"
            "lazy: a pyramid whose tiles are computed when they show.\n"
            "auto: lazy if the layer is or the result would take half of the free memory;\n"
            "else a pyramid from 8 million pixels on.\n"
            "OME-Zarr file: written tile by tile, and opened as a pyramid.",
        )
        self.target = FileTarget(viewer)
        self.preview_box.changed.connect(self._switch)
        self.layer.changed.connect(self.refresh)
        self.result.changed.connect(self._show_target)
        self.result.changed.connect(self.refresh)
        self._on_close.functions.append(self.preview.let_go)

    def _lay_out(self, *controls: Any) -> None:
        """See `LayerWidget`; last come those of a result in a file."""
        super()._lay_out(*controls, *self.target.controls)
        self._show_target()

    def _show_target(self) -> None:
        self._show(self.result.value == FILE, *self.target.controls)

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
            self.command.clear()
            self.preview.rest()
            return
        self.preview.follow(source)
        try:
            image = LayerImage.of(source)
            operation = self.operation(image)
            self.command.show(partial(self._command_line, operation, image))
        except LerfError as error:
            self.command.clear()
            self.tell(str(error))
            self.preview.refuse(source, str(error))
            return
        if not self.preview.is_on:
            rows, cols = operation.out_shape
            self.tell(f"Result: {cols} x {rows} pixels")
            return
        self.preview.update(source, operation, self.placed_on())

    def _command_line(self, operation: LayerOperation, image: LayerImage) -> CommandLine:
        """Return the command line that does the same."""
        source = self.command.source_of(self.layer.value, image)
        as_zarr = self.result.value == FILE
        return resampling_command(
            operation, image, source, saved=self.saved_matrix, as_zarr=as_zarr
        )

    def _switch(self, on: bool) -> None:
        self.preview.switch(on)
        self.refresh()

    def _switched(self, on: bool) -> None:
        self.preview_box.value = on

    def stop(self) -> None:
        """See `LayerWidget`."""
        super().stop()
        self.preview.switch(False)

    # -- result ---------------------------------------------------------------------------

    @in_words
    def run(self) -> None:
        """Make the result in the background, and add it above its layer and earlier results."""
        source = self.layer.value
        operation = self.operation(LayerImage.of(source))
        name, kind = self.result_name(operation), self._kind_of(operation)
        work = partial(_compute, operation, kind)
        if kind == FILE:
            from lerf_plugins.napari.compute.to_file import compute_file

            work = partial(
                compute_file, operation, name, self.target.checked(), self.target.replaces
            )
        self.tell(f"Computing '{name}'")
        tell_of_first_run(self.tell)
        self.job.start(work, name, partial(self._add, source, operation, name))

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
        if isinstance(data, list) and len(data) == 1:
            (data,) = data  # napari takes the planes of a labels layer's only level for levels
        levels = isinstance(data, list)
        state = operation.result_state(operation.grid, record, name=name, multiscale=levels)
        layer = self.preview.become(source, data, state)
        if layer is not None:
            self._added(source, layer, state)
            return
        # napari takes a tenth of a second and more to remove a layer, and as long to add one: the
        # window handles waiting events in between.
        insert = partial(in_words(self._insert), source, data, state, operation.image.kind)
        self._later(insert)

    def _insert(self, source: Any, data: Any, state: dict[str, Any], kind: str) -> None:
        from napari.layers import Layer

        layer = Layer.create(data, state, kind)
        if is_computed(data[0] if isinstance(data, list) else data):
            compute_tiles_in_background()
            # A visible layer is sliced in a thread at once. That thread, and this one while napari
            # builds the layer's controls, may wait for each other's locks, Qt's and Python's.
            layer.visible = False
            self._later(partial(setattr, layer, "visible", True))
        layers = self.viewer.layers
        place = place_above(layers, source) if source in layers else len(layers)
        layers.insert(place, layer)
        self._added(source, layer, state)

    def _added(self, source: Any, layer: Any, state: dict[str, Any]) -> None:
        put_forward(self.viewer.layers, source, layer)
        words = f"Added '{layer.name}'"
        if source not in self.viewer.layers:
            words += "; its source is gone"
        dropped = state["metadata"][RECORD].get("dropped", ())
        if dropped:
            names = ", ".join(map(str, dropped))
            words += f"; dropped, since they speak of sizes or places: {names}"
        self.tell(words)


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
            + (_OF_PYSIDE if API_NAME.startswith("PySide") else "")
        )
