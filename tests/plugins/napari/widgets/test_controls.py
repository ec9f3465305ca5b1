"""Controls that have no effect are switched off, and say why; in a real viewer."""

import itertools

import numpy as np
import pytest
from support.front_files import write_front
from support.fronts import ConvolutionFront
from support.layers import docked, finish

import lerf_core
from lerf_plugins.napari.model.command_lines import SourceFile, resampling_command
from lerf_plugins.napari.model.layer_image import LayerImage

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.slow]


@pytest.fixture
def layers(viewer, photo):
    """A layer of each kind."""
    opaque = np.dstack([photo, np.full((60, 83), 200, np.uint8)])
    return {
        "labels": viewer.add_labels(photo[..., 0].astype(int), name="labels"),
        "bool": viewer.add_image(photo[..., 0] > 99, name="bool"),
        "grey": viewer.add_image(photo[..., 0], name="grey"),
        "RGBA": viewer.add_image(opaque, name="RGBA"),
        "RGB": viewer.add_image(photo, name="RGB"),
    }


def off(widget, *names):
    """Return which controls of sampling are switched off."""
    controls = {
        name: getattr(widget.sampling, name)
        for name in ("kernel", "bank", "front", "border", "fill", "values", "anti_aliasing")
    }
    if hasattr(widget, "fast"):
        controls["fast"] = widget.fast
    for name, control in controls.items():
        assert control.enabled == ("No effect now: " not in control.tooltip), name
    return {name for name, control in controls.items() if not control.enabled}


def test_resize(viewer, layers):
    widget = docked(viewer, "Resize")
    sampling = widget.sampling
    always = {"anti_aliasing", "fill"}  # what grows by two, with borders that are no constant
    for name in ("labels", "bool"):
        widget.layer.value = layers[name]
        everything = {"kernel", "bank", "front", "border", "fill", "values", "anti_aliasing"}
        assert off(widget) == everything | {"fast"}, name
    widget.layer.value = layers["grey"]
    assert off(widget) == always | {"fast"}
    assert "no colours" in widget.fast.tooltip
    widget.layer.value = layers["RGBA"]
    assert off(widget) == always | {"fast"}
    widget.layer.value = layers["RGB"]
    assert off(widget) == always
    assert "No effect" not in widget.fast.tooltip
    sampling.border.value = "constant"
    assert off(widget) == {"anti_aliasing", "fast"}
    sampling.border.value = "edge"
    sampling.kernel.value = "lanczos3"
    assert off(widget) == always | {"fast", "bank", "values"}
    assert "lanczos3 needs no bank" in sampling.bank.tooltip
    widget.layer.value = layers["RGBA"]
    assert off(widget) == always | {"fast", "bank"}
    widget.layer.value = layers["RGB"]
    sampling.kernel.value = "none"
    # What shrinks is averaged by lerf-s, unless a bank is named.
    widget.scale.value = 0.5
    assert off(widget) == {"fill", "fast", "values"}
    sampling.bank.value = "lerf-g"
    assert off(widget) == {"fill"}
    sampling.bank.value = "default"
    sampling.anti_aliasing.value = False
    assert off(widget) == {"fill"}
    sampling.anti_aliasing.value = True
    widget.proportions.value = False
    widget.cols.value = 200
    assert off(widget) == {"fill"}


@pytest.mark.parametrize("name", ["Warp", "Bake transform"])
def test_warps(viewer, layers, name):
    widget = docked(viewer, name)
    for kind in ("labels", "bool"):
        widget.layer.value = layers[kind]
        # Labels have a border too.
        assert off(widget) == {"kernel", "bank", "front", "values", "anti_aliasing"}
    widget.layer.value = layers["grey"]
    assert off(widget) == set()
    widget.sampling.border.value = "edge"
    assert off(widget) == {"fill"}
    widget.sampling.kernel.value = "cubic"
    assert off(widget) == {"fill", "bank", "values"}


def test_fronts(viewer, layers, until, photo, told, tmp_path, monkeypatch):
    front = ConvolutionFront(2, colours=True)
    path = write_front(tmp_path, monkeypatch, front)
    widget = docked(viewer, "Resize")
    widget.layer.value = layers["RGB"]
    widget.sampling.kernel.value = "lanczos3"
    assert not widget.sampling.values.enabled
    widget.sampling.front.value = path
    assert widget.sampling.values.enabled
    widget.run()
    finish(widget, until)
    assert told == []
    result = viewer.layers[-1]
    wanted = lerf_core.resize(photo, (120, 166), channel_axis=-1, kernel="lanczos3", front=front)
    np.testing.assert_array_equal(result.data, wanted)
    assert result.metadata["lerf"]["front"] == str(path)
    layer = LayerImage.of(layers["RGB"])
    command = resampling_command(widget.operation(layer), layer, SourceFile("in.png"))
    assert ("--front", str(path)) in itertools.pairwise(command.arguments)
    widget.sampling.front.value = tmp_path / "none-such"
    widget.run()
    until(lambda: told)
    assert "no front" in told[0]
    widget.layer.value = layers["labels"]
    widget.run()
    finish(widget, until)
    made = [layer.metadata["lerf"] for layer in viewer.layers if "lerf" in layer.metadata]
    assert [record.get("front") for record in made if record["source"] == "labels"] == [None]


def test_what_is_switched_off_has_no_effect(viewer, layers, until, photo, told):
    """Not even where it was chosen before."""
    widget = docked(viewer, "Resize")
    widget.layer.value = layers["RGB"]
    widget.sampling.bank.value = "lerf-g"
    widget.fast.value = True
    widget.sampling.kernel.value = "lanczos3"
    widget.run()
    finish(widget, until)
    assert told == []
    result = viewer.layers[-1]
    wanted = lerf_core.resize(photo, (120, 166), channel_axis=-1, kernel="lanczos3")
    np.testing.assert_array_equal(result.data, wanted)
    assert result.metadata["lerf"]["fast"] is False
    assert "bank" not in result.metadata["lerf"]
    widget.sampling.kernel.value = "none"
    assert widget.fast.enabled
    widget.layer.value = layers["grey"]
    widget.run()
    finish(widget, until)
    assert viewer.layers["grey 166x120"].metadata["lerf"]["fast"] is False


def test_fast(viewer, layers, until, photo):
    widget = docked(viewer, "Resize")
    widget.layer.value = layers["RGB"]
    widget.fast.value = True
    widget.run()
    finish(widget, until)
    result = viewer.layers["RGB 166x120"]
    wanted = lerf_core.resize(photo, (120, 166), channel_axis=-1, fast=True)
    np.testing.assert_array_equal(result.data, wanted)
    assert result.metadata["lerf"]["fast"] is True


def test_inspect(viewer, layers):
    widget = docked(viewer, "Inspect")
    drawn = (widget.ellipses, widget.slopes, widget.most)
    widget.ellipses.value = widget.slopes.value = True
    for bank, enabled in (
        ("default", [True, True, True]),
        ("lerf-g", [True, False, True]),
        ("lerf-l", [False, False, False]),
        ("lerf-p", [True, True, True]),
    ):
        widget.bank.value = bank
        assert [control.enabled for control in drawn] == enabled, bank
    assert "lerf-l" not in widget.slopes.tooltip
    widget.ellipses.value = widget.slopes.value = False
    assert not widget.most.enabled


def test_inspect_of_a_bank_without_ellipses(viewer, layers, until, told):
    widget = docked(viewer, "Inspect")
    widget.layer.value = layers["grey"]
    widget.bank.value = "lerf-l"
    widget.run()
    finish(widget, until)
    assert told == []
    assert [layer.name for layer in viewer.layers if "lerf" in layer.metadata] == [
        "feature of grey (level)", "alpha of grey (1/pixel)",
    ]  # fmt: skip
    widget.maps.value = False
    widget.run()
    assert "tick what to show" in told[-1]


def test_labels_of_rows_go_with_them(viewer, layers):
    """A row that is switched off is so as a whole, with the reason as its tooltip."""
    widget = docked(viewer, "Resize")
    label = widget._form.labelForField(widget.sampling.bank.native)
    assert label.isEnabled()
    widget.layer.value = layers["labels"]
    assert not label.isEnabled()
    assert "labels are copied" in label.toolTip()
    widget.layer.value = layers["RGB"]
    assert label.isEnabled()
    assert "No effect" not in label.toolTip()
