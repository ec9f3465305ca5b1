"""Where pixels are resampled, in a real viewer."""

import numpy as np
import pytest
from PIL import Image as Picture
from support.command_lines import run_command
from support.layers import docked, finish, preview_of

from lerf_plugins.napari.compute import devices
from lerf_plugins.napari.compute.preview_block import preview_block
from lerf_plugins.napari.model.view import view_of
from lerf_plugins.napari.widgets.devices import PROCESSOR

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.slow]
WIDGETS = ("Resize", "Warp", "Bake transform")


@pytest.fixture
def offers(monkeypatch):
    """Let torch's own processor be offered, as a GPU would be."""
    pytest.importorskip("torch")
    monkeypatch.setattr(devices, "may_have_devices", lambda: True)
    monkeypatch.setattr(devices, "found_devices", lambda: ["cpu"])


def shown(widget, until):
    """Return the choice of a device, once it shows."""
    choice = widget.sampling.devices.choice
    until(lambda: choice.native.isVisibleTo(widget))
    return choice


@pytest.mark.parametrize("name", WIDGETS)
@pytest.mark.parametrize("may_be", [False, True])
def test_without_a_device_nothing_changes(viewer, photo, monkeypatch, until, name, may_be):
    asked = []

    def found():
        asked.append(name)
        return []

    monkeypatch.setattr(devices, "may_have_devices", lambda: may_be)
    monkeypatch.setattr(devices, "found_devices", found)
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, name)
    controls = widget.sampling.devices
    until(lambda: controls._worker is None)
    assert asked == [name] * may_be
    assert controls.choice.choices == (PROCESSOR,)
    assert not controls.choice.native.isVisibleTo(widget)
    assert not [text for text in texts_of(widget) if "Compute on" in text]
    assert "--device" not in widget.command.text


def texts_of(widget):
    """Return the labels that show."""
    from qtpy.QtWidgets import QLabel

    return [label.text() for label in widget.findChildren(QLabel) if label.isVisibleTo(widget)]


@pytest.mark.usefixtures("offers")
@pytest.mark.parametrize("name", WIDGETS)
def test_results_and_previews_are_the_same(viewer, photo, until, name):
    layer = viewer.add_image(photo, rgb=True, rotate=20 if name.startswith("Bake") else 0)
    widget = docked(viewer, name)
    choice = shown(widget, until)
    assert choice.choices == (PROCESSOR, "cpu")
    letters = [text for text in texts_of(widget) if "&2" in text]
    assert letters == ["Compute on (&2)"]
    if name == "Warp":
        widget.way.value = "numbers"
        widget.numbers.value = "1 0.1 2 -0.1 1.2 3 0 0 1"
    operations, results = [], []
    widget.preview_box.value = True
    for device in (PROCESSOR, "cpu"):
        choice.value = device
        assert preview_of(widget, until).data.size
        operations.append(widget.preview._asked[1])
    view = view_of(viewer, layer)
    plain_preview, preview = (preview_block(each, view).pixels for each in operations)
    assert [each.keywords.get("device") for each in operations] == [None, "cpu"]
    np.testing.assert_array_equal(preview, plain_preview)
    widget.preview_box.value = False
    for device in (PROCESSOR, "cpu"):
        choice.value = device
        widget.run()
        finish(widget, until)
        results.append((viewer.layers[-1].data, viewer.layers[-1].metadata["lerf"]))
        viewer.layers.pop()
    (plain, plain_record), (ours, record) = results
    np.testing.assert_array_equal(ours, plain)
    assert (record["engine"], record["device"]) == ("torch", "cpu")
    assert "device" not in plain_record


@pytest.mark.usefixtures("offers")
def test_the_command_line_does_the_same(viewer, photo, until, tmp_path):
    Picture.fromarray(photo).save(tmp_path / "photo.png")
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Resize")
    shown(widget, until).value = "cpu"
    assert "--device cpu" in widget.command.text
    widget.run()
    finish(widget, until)
    written = run_command(widget.command.text, tmp_path, tmp_path / "photo.png")
    np.testing.assert_array_equal(written, viewer.layers[-1].data)


@pytest.mark.usefixtures("offers")
def test_labels_are_copied_by_the_processor(viewer, photo, until):
    viewer.add_labels(photo[..., 0].astype(int))
    widget = docked(viewer, "Resize")
    choice = shown(widget, until)
    assert not choice.enabled
    assert "labels are copied" in choice.tooltip
    choice.value = "cpu"
    assert "--device" not in widget.command.text


@pytest.mark.usefixtures("offers")
def test_a_device_that_goes_is_told(viewer, photo, until, told, monkeypatch):
    """A GPU that is taken away while the window is open."""
    monkeypatch.setattr(devices, "found_devices", lambda: ["cuda:99"])
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Resize")
    shown(widget, until).value = "cuda:99"
    widget.run()
    finish(widget, until)
    assert "torch has no device 'cuda:99' here" in widget.status.text()
    assert told
