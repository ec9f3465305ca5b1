"""The plugin as a whole, in a real viewer."""

import re
from pathlib import Path

import pytest
from support.layers import docked, finish, in_a_window

pytestmark = pytest.mark.usefixtures("display")


def test_samples_open(viewer):
    for name in ("chart", "cells", "page", "pyramid", "slide"):
        viewer.layers.clear()
        viewer.open_sample("lerf", name)
        assert viewer.layers


@in_a_window
def test_the_example_of_the_docs(viewer, until, monkeypatch):
    import napari

    page = (Path(__file__).resolve().parents[3] / "docs" / "napari.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.setattr(napari, "Viewer", lambda: viewer)
    monkeypatch.setattr(napari, "run", lambda: None)
    names = {}
    exec(compile(code, "docs/napari.md", "exec"), names)
    finish(names["widget"], until)
    assert viewer.layers[1].data.shape == (768, 1152, 3)


def test_keyboard(viewer, photo):
    """Every row has a letter, and no letter is two rows'."""
    from qtpy.QtWidgets import QAbstractButton, QLabel

    viewer.add_image(photo, rgb=True)
    for name in ("Resize", "Warp", "Bake transform", "Inspect", "Save as OME-Zarr"):
        widget = docked(viewer, name)
        ways = getattr(widget, "way", None)
        if hasattr(widget, "target") and hasattr(widget, "result"):
            widget.result.value = "OME-Zarr file"
        for way in [*ways.choices, ways.value] if ways is not None else [None]:
            if way is not None:
                ways.value = way
            texts = [
                one.text()
                for kind in (QLabel, QAbstractButton)
                for one in widget.findChildren(kind)
                if one.isVisibleTo(widget) and "&" in one.text()
            ]
            letters = [text[text.index("&") + 1].lower() for text in texts]
            assert len(letters) == len(set(letters)), (name, way, sorted(texts))
            assert len(letters) >= (6 if name.startswith("Save") else 8)
            if way == "point pairs":
                # Back to the corners, which the button then puts back.
                widget.add_corners.changed.emit(True)
        for label in widget.findChildren(QLabel):
            assert "&" not in label.text() or label.buddy() is not None
            assert "&" not in label.text() or label.toolTip()
