"""Rows of a widget's form."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QVBoxLayout, QWidget

__all__ = ["Row", "label_of", "show_row"]


class Row:
    """A row whose field is several widgets, side by side or one below the other; hidden at first.

    Parameters
    ----------
    label : str
        With the letter for Alt after "&"; empty: none.
    tooltip : str
    widgets : list of QWidget
        The first one gets the focus.
    upright : bool
    """

    def __init__(
        self, label: str, tooltip: str, widgets: list[QWidget], *, upright: bool = False
    ) -> None:
        self.label, self.tooltip = label, tooltip
        self.native = QWidget()
        layout = QVBoxLayout(self.native) if upright else QHBoxLayout(self.native)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in widgets:
            layout.addWidget(widget)
        self.native.setFocusProxy(widgets[0])
        self.native.setVisible(False)


def label_of(field: QWidget) -> Any:
    """Return the label of a field in its form; None: it has none, or is in no form yet."""
    parent = field.parentWidget()
    form = None if parent is None else parent.layout()
    return form.labelForField(field) if isinstance(form, QFormLayout) else None


def show_row(field: QWidget, visible: bool) -> None:
    """Show or hide a field that is in a form, and its label."""
    if field.parentWidget() is None:  # it would be a window
        return
    field.setVisible(visible)
    label = label_of(field)
    if label is not None:
        label.setVisible(visible)
