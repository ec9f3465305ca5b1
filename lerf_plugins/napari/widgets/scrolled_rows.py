"""Rows of controls that scroll where the window is too low for them."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QFrame,
    QScrollArea,
    QWidget,
)

__all__ = ["ScrolledRows"]

# Lines of text that show where the window is low; the others can be scrolled to.
_LEAST_LINES = 12


class ScrolledRows(QScrollArea):
    """Scrolls where docks share a window that is too low for all of them; else as high as its rows.

    Without it napari's window grows with its docks, beyond the screen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)

    def show_rows(self, body: QWidget) -> None:
        """Show the rows of a widget."""
        self.setWidget(body)
        for kind in (QComboBox, QAbstractSpinBox, QAbstractSlider):
            for control in body.findChildren(kind):
                # Who scrolls past a control does not mean to change it.
                control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                control.installEventFilter(self)

    def eventFilter(self, control: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Scroll by the wheel over controls that were not clicked before."""
        if event.type() == QEvent.Type.Wheel and not control.hasFocus():
            event.ignore()
            return True
        return bool(super().eventFilter(control, event))

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """See `QWidget`."""
        body = self.widget()
        return QScrollArea.sizeHint(self) if body is None else body.sizeHint()

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """See `QWidget`."""
        body = self.widget()
        if body is None:
            return QScrollArea.minimumSizeHint(self)
        least = body.minimumSizeHint()
        width = least.width() + self.verticalScrollBar().sizeHint().width()
        return QSize(width, min(least.height(), _LEAST_LINES * self.fontMetrics().height()))
