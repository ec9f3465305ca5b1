"""From the window to a batch: matrices in files, and the command line that does the same."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from lerf_core.errors import FileError, LerfError
from lerf_plugins.napari.compute.source_files import checked_source
from lerf_plugins.napari.model.command_lines import CommandLine, SourceFile, source_path
from lerf_plugins.napari.model.layer_image import LayerImage

__all__ = ["CommandRow", "MatrixRow", "ask_for_matrix", "ask_where_to_save", "save_matrix_of"]

# What dialogs offer, and the suffix that a name without one gets.
_SAVED = {
    "JSON, with sizes (*.json)": ".json",
    "Text (*.txt)": ".txt",
    "Text, with commas (*.csv)": ".csv",
    "NumPy (*.npy)": ".npy",
}
_LOADED = "Matrices (*.json *.txt *.csv *.npy *.tfm *.mat);;All (*)"


def _row(*parts: QWidget) -> QWidget:
    """Return widgets side by side."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part)
    return row


def _button(text: str, tooltip: str, pressed: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    # Qt says whether it is checked; handlers take nothing.
    button.clicked.connect(lambda _: pressed())
    return button


class MatrixRow:
    """Buttons that save the matrix of a warp, and load one.

    Parameters
    ----------
    save, load : callable
        What the buttons do; without `load` there is one alone.
    """

    label = ""
    tooltip = ""

    def __init__(self, save: Callable[[], None], load: Callable[[], None] | None = None) -> None:
        self.save_button = _button(
            "Save ma&trix...",
            "From the layer's (x, y) to the result's, in pixels: JSON, text or .npy, for\n"
            "`lerf warp --matrix`. Loaded again, JSON gives the very same result.",
            save,
        )
        self.load_button: QPushButton | None = None
        if load is not None:
            self.load_button = _button(
                "Load matri&x...",
                "A saved matrix, or a 3x3 or 2x3 one of another program: JSON, text or .npy;\n"
                "affine transforms of ITK and elastix, and landmarks, in pixels.",
                load,
            )
        self.native = _row(*filter(None, (self.save_button, self.load_button)))


def ask_where_to_save(parent: QWidget, name: str) -> Path | None:
    """Ask for the name of a matrix file to write; None: never mind.

    Raises
    ------
    FileError
        If the name was given no suffix, and with one there is such a file.
    """
    from napari.utils.history import get_save_history, update_save_history

    start = Path(get_save_history()[0]) / f"{name}.json"
    text, chosen = QFileDialog.getSaveFileName(
        parent, "Save matrix", str(start), ";;".join(_SAVED)
    )  # fmt: skip
    if not text:
        return None
    path = Path(text)
    if not path.suffix:
        path = path.with_suffix(_SAVED.get(chosen, ".json"))
        if path.exists():
            raise FileError(f"{path} exists: choose it, to replace it")
    update_save_history(str(path))
    return path


def ask_for_matrix(parent: QWidget) -> Path | None:
    """Ask for a matrix file to read; None: never mind."""
    from napari.utils.history import get_open_history, update_open_history

    text, _ = QFileDialog.getOpenFileName(parent, "Load matrix", get_open_history()[0], _LOADED)
    if not text:
        return None
    update_open_history(text)
    return Path(text)


def save_matrix_of(widget: Any, path: str | Path | None = None) -> None:
    """Save the matrix of a widget's warp, and let its command line name the file.

    Parameters
    ----------
    widget : ResamplingWidget
        Whose operation is a warp.
    path : str or Path, optional
        None: a dialog asks for it.
    """
    image = LayerImage.of(widget.layer.value)
    operation = widget.operation(image)
    if path is None:
        path = ask_where_to_save(widget, re.sub(r"[^\w.+ -]", "_", image.name))
    if path is None:
        return
    from lerf_plugins.napari.model.saved_matrices import save_warp

    save_warp(path, operation, image)
    widget.saved_matrix = (str(path), operation.forward)
    widget.command.refresh()
    widget.tell(f"Saved {path}")


class _Line(QLineEdit):
    """A line to read, brought up to date when it is looked at.

    Parameters
    ----------
    looked_at : callable
        Called without arguments, when the mouse comes, or the keyboard.
    """

    def __init__(self, looked_at: Callable[[], None]) -> None:
        super().__init__()
        self._looked_at = looked_at

    def enterEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """See `QWidget`."""
        super().enterEvent(event)
        self._looked_at()

    def focusInEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """See `QWidget`."""
        super().focusInEvent(event)
        self._looked_at()


class CommandRow:
    """The command line that does the same as Run, to be copied.

    Parameters
    ----------
    tell : callable
        Takes words on what was copied.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._command: CommandLine | None = None
        self._copied: CommandLine | None = None
        self._make: Callable[[], CommandLine] | None = None
        # The file of the layer, its state, and what was found in it: looked at in the background.
        self._key: tuple[Any, ...] = ()
        self._source = SourceFile()
        self._worker: Any = None
        self.line = _Line(self.refresh)
        self.line.setReadOnly(True)
        self.line.setAccessibleName("Command line")
        self.copy_button = _button(
            "Copy co&mmand",
            "Copy the command line that does the same, for the terminal and for batches.",
            self.copy,
        )
        self.native = _row(self.line, self.copy_button)
        self.clear()

    @property
    def text(self) -> str:
        """The command line; "" while there is none."""
        return "" if self._command is None else self._command.text

    def show(self, make: Callable[[], CommandLine]) -> None:
        """Show a command line, or why there is none."""
        self._make = make
        try:
            command = make()
        except LerfError as error:
            self.clear(f"No command line: {error}")
            return
        if command == self._command:
            return
        self._command = command
        self.line.setText(command.text)
        self.line.setCursorPosition(0)
        self.line.setToolTip("\n".join(filter(None, (command.text, command.note))))
        self.copy_button.setEnabled(True)

    def refresh(self) -> None:
        """Make the command line anew."""
        if self._make is not None:
            self.show(self._make)

    def clear(self, words: str = "") -> None:
        """Show no command line, and words in its place."""
        self._command = self._make = None
        self.line.clear()
        self.line.setPlaceholderText(words)
        self.line.setToolTip(words)
        self.copy_button.setEnabled(False)

    def copy(self) -> None:
        """Put the command line on the clipboard."""
        from qtpy.QtWidgets import QApplication

        self.refresh()  # what is visible may have changed without a word
        if self._command is None:
            return
        clipboard: Any = QApplication.clipboard()
        clipboard.setText(self._command.text)
        self._tell(". ".join(filter(None, ("Command copied", self._command.note))))
        # The layer may have been painted on since its file was looked at.
        self._copied, self._key = self._command, ()
        self.refresh()

    # -- the layer's file -----------------------------------------------------------------

    @property
    def is_checking(self) -> bool:
        """Whether a file is being compared with its layer."""
        return self._worker is not None

    def source_of(self, layer: Any, image: LayerImage) -> SourceFile:
        """Return the file that stands for a layer; what it holds is looked at in the background.

        Parameters
        ----------
        layer : napari.layers.Layer
        image : LayerImage
            What the layer holds.
        """
        path = source_path(layer)
        key = (path, _state(path), layer.unique_id, id(layer.data))
        if key != self._key:
            self.stop()
            self._key, self._source = key, SourceFile(path)
            if path is not None:
                self._check(path, image)
        return self._source

    def _check(self, path: str, image: LayerImage) -> None:
        from napari.qt.threading import create_worker

        worker = create_worker(checked_source, path, image, _start_thread=False)
        worker.returned.connect(lambda source: self._checked(worker, source))
        worker.finished.connect(lambda: self._checked(worker, None))
        self._worker = worker
        worker.start()

    def _checked(self, worker: Any, source: SourceFile | None) -> None:
        if worker is not self._worker:
            return
        self._worker = None
        if source is not None:
            self._source = source
            self.refresh()
            if self._copied is not None and self._command not in {None, self._copied}:
                self._tell(f"Copy the command once more: {source.note}")
            self._copied = None

    def stop(self) -> None:
        """Forget what is being looked at."""
        self._worker, self._key = None, ()


def _state(path: str | None) -> tuple[int, int] | None:
    """Return what changes with a file; None where there is none."""
    try:
        status = os.stat(path or "")  # noqa: PTH116 - addresses as well
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns
