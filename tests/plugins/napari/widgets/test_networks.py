"""Networks in a real viewer: what the widgets show and make by them is what the library does."""

import numpy as np
import pytest
from support.banks import make_random_network
from support.layers import docked, finish, preview_of

import lerf_core
from lerf_core.inspection import luma_maps, parameter_maps

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.slow]


@pytest.fixture
def network(tmp_path, monkeypatch):
    """A network among the user's banks, called mine."""
    bank = make_random_network(8, 5, 1).renamed("mine")
    bank.save(tmp_path / "mine.safetensors")
    monkeypatch.setenv("LERF_BANKS", str(tmp_path))
    return bank


def test_colours_are_resized_by_a_network(viewer, until, photo, network):
    viewer.add_image(photo, name="photo", rgb=True)
    widget = docked(viewer, "Resize")
    assert "mine" in widget.sampling.bank.choices
    widget.sampling.bank.value = "mine"
    widget.scale.value = 2.5
    expected = lerf_core.resize(photo, (150, 208), channel_axis=-1, bank=network)
    widget.preview_box.value = True
    shown = preview_of(widget, until).data  # what is in view
    windows = np.lib.stride_tricks.sliding_window_view(expected, shown.shape)
    assert shown.size > 1000
    assert (windows == shown).all(axis=(-3, -2, -1)).any()
    widget.run()
    finish(widget, until)
    result = viewer.layers[-1]
    np.testing.assert_array_equal(result.data, expected)
    assert result.metadata["lerf"]["bank"] == "mine"
    assert "--bank mine" in widget.command.text


@pytest.mark.parametrize("colours", [True, False])
def test_a_network_is_inspected(viewer, until, photo, network, colours):
    image = photo if colours else photo[..., 1]
    viewer.add_image(image, name="p", rgb=colours, contrast_limits=(0, 255))
    widget = docked(viewer, "Inspect")
    widget.bank.value = "mine"
    assert widget.ellipses.enabled
    assert widget.slopes.enabled
    widget.region.value = "whole layer"
    widget.slopes.value = True
    widget.run()
    finish(widget, until)
    maps = (luma_maps if colours else parameter_maps)(image, bank=network)
    shown = {
        layer.metadata["lerf"]["shows"]: layer.data
        for layer in viewer.layers
        if "lerf" in layer.metadata
    }
    np.testing.assert_array_equal(shown["feature"], maps.feature)
    for name in network.kind.values:
        np.testing.assert_array_equal(shown[name], maps.coefficient(name))
    assert len(shown["ellipses"]) == 16 * maps.feature.size
    assert len(shown["slopes"]) > 0
