"""The Inspect widget, in a real viewer."""

import dask.array as da
import numpy as np
import pytest
from support.combinations import some_first
from support.layers import docked, finish, in_a_window, random_transform

import lerf_core
from lerf_plugins.napari import host

pytestmark = pytest.mark.usefixtures("display")

MAPS = ("feature", "rho", "sigma_row", "sigma_col", "slope_row", "slope_col", "residual")


def shows(layer):
    """Return what a layer of Inspect shows; None of others."""
    return layer.metadata.get("lerf", {}).get("shows")


def run(widget, until):
    widget.run()
    finish(widget, until)


def layer_kinds(photo):
    """Return data and states of the kinds of layers that there are."""
    grey = photo[..., 0]
    opaque = np.concatenate([photo, np.full((60, 83, 1), 255, np.uint8)], axis=-1)
    return {
        "grey": (grey, {}),
        "rgb": (photo, {}),
        "rgba": (opaque, {}),
        "float": (grey / 255, {}),
        "stack": (np.stack([np.stack([grey, 255 - grey])] * 3), {"scale": (3, 2, 1, 1)}),
        "rotated": (photo, {"rotate": 30, "translate": (9, -4)}),
        "anisotropic": (grey, {"scale": (4, 0.5)}),
        "pyramid": ([photo, photo[::2, ::2]], {"multiscale": True}),
        "lazy": (
            [da.from_array(level, chunks=(20, 20, 3)) for level in (photo, photo[::2, ::2])],
            {"multiscale": True, "rgb": True, "contrast_limits": (0, 255)},
        ),
    }


@in_a_window
def test_inspect(viewer, until, photo):
    source = viewer.add_image(
        photo[..., 0], contrast_limits=(0, 255), name="p", **random_transform(1, 2)
    )
    widget = docked(viewer, "Inspect")
    widget.region.value = "whole layer"
    widget.slopes.value = True
    run(widget, until)
    maps = lerf_core.parameter_maps(photo[..., 0])
    names = [layer.name for layer in viewer.layers]
    assert "sigma_row of p (1/pixel)" in names
    np.testing.assert_array_equal(viewer.layers["rho of p"].data, maps.coefficient("rho"))
    np.testing.assert_array_equal(
        viewer.layers["rho of p"]._extent_augmented.world, source._extent_augmented.world
    )
    ellipses = viewer.layers["ellipses of p"].data
    assert ellipses.shape == (photo[..., 0].size * 16, 2, 2)
    np.testing.assert_allclose(
        viewer.layers["ellipses of p"].data_to_world((3, 4)), source.data_to_world((3, 4))
    )
    assert len(viewer.layers["slopes of p"].data) > 1000


def test_inspect_what_is_visible(viewer, until, photo):
    viewer.add_image(np.stack([photo[..., 0], photo[..., 1]]), contrast_limits=(0, 255), name="p")
    widget = docked(viewer, "Inspect")
    viewer.dims.set_current_step(0, 1)
    host.camera(viewer).zoom = 40
    host.camera(viewer).center = (0, 30, 40)
    widget.most.value = 20
    run(widget, until)
    part = viewer.layers["feature of p (level)"]
    assert part.data.shape[0] == 1
    assert part.data.shape[1] < 60
    top, left = (round(place) for place in part.translate[1:])
    rows, cols = part.data.shape[1:]
    whole = lerf_core.parameter_maps(photo[..., 1]).feature
    np.testing.assert_array_equal(part.data[0], whole[top : top + rows, left : left + cols])
    assert part.translate[0] == 1
    assert len(viewer.layers["ellipses of p"].data) <= 20 * 16
    assert "Drawn for every" in widget.status.text()


def test_inspect_refuses(viewer, told):
    viewer.add_image(np.zeros((9, 9), bool))
    widget = docked(viewer, "Inspect")
    widget.run()
    assert any("labels, which have no parameters" in one for one in told)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    some_first(
        ["grey", "rgba", "stack", "rotated", "lazy"], ["rgb", "float", "anisotropic", "pyramid"]
    ),
)
def test_ellipses_lie_over_the_photograph(viewer, until, photo, kind):
    """Whatever the layer, it shows, with ellipses over it; maps are hidden in between."""
    data, state = layer_kinds(photo)[kind]
    source = viewer.add_image(data, name="p", **state)
    below = viewer.add_labels(np.zeros((60, 83), int), name="cells")
    viewer.layers.selection.active = source
    widget = docked(viewer, "Inspect")
    widget.layer.value = source
    widget.slopes.value = True
    run(widget, until)
    assert [shows(layer) for layer in viewer.layers] == [None, *MAPS, None, "ellipses", "slopes"]
    assert [layer.visible for layer in viewer.layers] == [True, *[False] * 7, True, True, True]
    assert viewer.layers.selection == {source}
    assert "7 maps are hidden" in widget.status.text()
    # Again: the same layers, and no more.
    layers = list(viewer.layers)
    run(widget, until)
    assert list(viewer.layers) == layers
    assert below in layers


def test_a_second_run_replaces_what_the_first_made(viewer, until, photo):
    source = viewer.add_image(photo, name="p")
    widget = docked(viewer, "Inspect")
    host.camera(viewer).zoom = 40
    host.camera(viewer).center = (0, 20, 20)
    run(widget, until)
    ellipses, feature = viewer.layers["ellipses of p"], viewer.layers["feature of p (level)"]
    # What the user makes of them stays: looks, copies, and what has a name of the user's own.
    ellipses.edge_color = "red"
    feature.contrast_limits = (10, 20)
    feature.visible = True
    viewer.layers["rho of p"].name = "the first rho"
    copy = viewer.add_vectors(ellipses.data.copy(), name="copy", metadata=dict(ellipses.metadata))
    first = viewer.layers["residual of p (level)"].data.copy()
    host.camera(viewer).center = (0, 40, 60)
    widget.slopes.value = True
    run(widget, until)
    assert viewer.layers["ellipses of p"] is ellipses
    np.testing.assert_array_equal(np.unique(ellipses.edge_color, axis=0), [[1, 0, 0, 1]])
    assert (ellipses.data[:, 0] + ellipses.translate).mean(axis=0)[1] > 50
    assert feature.visible
    assert tuple(feature.contrast_limits) == (10, 20)
    assert {"the first rho", "rho of p", "slopes of p"} <= {layer.name for layer in viewer.layers}
    assert copy in viewer.layers
    moved = viewer.layers["residual of p (level)"]
    assert not np.array_equal(moved.data, first)
    assert tuple(moved.contrast_limits) == pytest.approx(
        (-np.ptp(moved.contrast_limits) / 2, np.ptp(moved.contrast_limits) / 2)
    )
    # What is not ticked any more goes.
    widget.maps.value = widget.slopes.value = False
    run(widget, until)
    names = [layer.name for layer in viewer.layers]
    assert names == ["p", "the first rho", "ellipses of p", "copy"]
    # Another widget knows them too, and another layer has its own.
    viewer.window.remove_dock_widget("all")
    other = viewer.add_image(photo[..., 0], name="q")
    widget = docked(viewer, "Inspect")
    widget.maps.value = False
    for layer in (source, other, source):
        widget.layer.value = layer
        run(widget, until)
    assert [layer.name for layer in viewer.layers if shows(layer) == "ellipses"] == [
        "ellipses of p", "copy", "ellipses of q",
    ]  # fmt: skip


@in_a_window
def test_a_second_run_while_layers_are_rendered_asynchronously(
    viewer, until, told, photo, monkeypatch
):
    """What is sliced meanwhile is not taken for the new data's."""
    from napari.settings import get_settings
    from qtpy.QtWidgets import QApplication

    monkeypatch.setattr(get_settings().experimental, "async_", True)
    viewer.add_image(photo, name="p")
    widget = docked(viewer, "Inspect")
    widget.region.value = "whole layer"
    run(widget, until)
    ellipses = viewer.layers["ellipses of p"]
    until(lambda: ellipses.loaded)
    widget.region.value = "what is visible"
    host.camera(viewer).zoom = 40
    run(widget, until)
    for _ in range(20):
        QApplication.processEvents()
    until(lambda: ellipses.loaded)
    assert not any("out of bounds" in words for words in told)


def test_a_second_run_with_another_bank(viewer, until, photo):
    viewer.add_image(photo, name="p")
    widget = docked(viewer, "Inspect")
    run(widget, until)
    widget.bank.value = "lerf-g"
    run(widget, until)
    assert [shows(layer) for layer in viewer.layers[1:]] == [*MAPS[:4], "ellipses"]
    assert {layer.metadata["lerf"]["bank"] for layer in viewer.layers[1:]} == {"lerf-g"}


def test_a_hidden_source_shows_again(viewer, until, photo):
    source = viewer.add_image(photo, name="p")
    source.visible = False
    widget = docked(viewer, "Inspect")
    run(widget, until)
    assert source.visible


def test_hidden_ellipses_show_again(viewer, until, photo):
    viewer.add_image(photo, name="p")
    widget = docked(viewer, "Inspect")
    run(widget, until)
    viewer.layers["ellipses of p"].visible = False
    run(widget, until)
    assert viewer.layers["ellipses of p"].visible
    assert not viewer.layers["rho of p"].visible


@pytest.mark.parametrize(
    ("data", "empty"),
    [(np.zeros((40, 50), np.uint16), "slopes"), (np.full((40, 50), np.nan, "f4"), "ellipses")],
)
def test_nothing_to_draw(viewer, until, told, data, empty):
    viewer.add_image(data, name="p", contrast_limits=(0, 1))
    widget = docked(viewer, "Inspect")
    widget.slopes.value = True
    run(widget, until)
    assert told == []
    assert f"'{empty} of p' (nothing to draw)" in widget.status.text()
    assert len(viewer.layers[f"{empty} of p"].data) == 0


def test_in_3d(viewer, until, told, photo):
    viewer.add_image(np.stack([photo[..., 0]] * 4), name="p")
    viewer.dims.ndisplay = 3
    widget = docked(viewer, "Inspect")
    widget.run()
    assert "choose the whole layer" in told[-1]
    widget.region.value = "whole layer"
    run(widget, until)
    assert "Zoom in" not in widget.status.text()
    assert len(viewer.layers["ellipses of p"].data) > 0


def test_zoom(viewer, until, photo):
    """While ellipses are too small to be seen the line says how far to zoom: a button does it."""
    large = np.tile(photo[..., 0], (14, 12))
    viewer.add_image(large, name="p", scale=(0.5, 250), units=("um", "nm"))
    widget = docked(viewer, "Inspect")
    camera = host.camera(viewer)
    viewer.reset_view()
    run(widget, until)
    source = viewer.layers["p"]
    units = host.world_units(viewer)
    sides = [
        length * float((1 * own).to(shown).magnitude)
        for length, own, shown in zip((0.5, 250), source.units, units, strict=True)
    ]
    factor = camera.zoom * min(sides)
    assert 0.05 < factor < 2
    words = widget.status.text()
    assert f"Zoom in: now 1 pixel is {factor:.2g} screen pixels, ellipses show from 8 on" in words
    assert "Drawn for every" in words
    assert widget.zoom_in.native.isVisible()
    centre = camera.center
    drawn = len(viewer.layers["ellipses of p"].data)
    widget.zoom_in.changed.emit(True)
    finish(widget, until)
    assert camera.center == pytest.approx(centre)
    assert not widget.zoom_in.native.isVisible()
    assert "Zoom in" not in widget.status.text()
    assert "Drawn for every" not in widget.status.text()
    assert len(viewer.layers["ellipses of p"].data) != drawn
    # From afar it is said again, and near at hand no more.
    camera.zoom /= 12
    assert "Zoom in" in widget.status.text()
    assert widget.zoom_in.native.isVisible()
    camera.zoom *= 10
    assert "Zoom in" not in widget.status.text()
    camera.zoom /= 12
    viewer.layers.remove("ellipses of p")
    assert not widget.zoom_in.native.isVisible()
    words = widget.status.text()
    camera.zoom *= 3
    assert widget.status.text() == words


def test_zoom_finds_the_layer(viewer, until, photo):
    """The view's centre may lie beside the layer."""
    viewer.add_image(photo, name="p", translate=(5, 7))
    widget = docked(viewer, "Inspect")
    camera = host.camera(viewer)
    camera.zoom, camera.center = 1, (0, 30, 120)
    run(widget, until)
    widget.zoom_in.changed.emit(True)
    finish(widget, until)
    assert camera.center[-2:] == pytest.approx((30, 7 + 82))
    assert camera.zoom == pytest.approx(24)


def test_too_many_pixels(viewer, until, told):
    """A slide is not read as a whole: zooming in is what helps, and the button does it."""
    read = []

    def block(block_info=None):
        read.append(block_info[None]["array-location"])
        return np.zeros(block_info[None]["chunk-shape"], np.uint8)

    levels = [
        da.map_blocks(
            block, chunks=((512,) * n, (512,) * n), dtype=np.uint8, meta=np.empty((0, 0), "u1")
        )
        for n in (64, 32, 16, 8, 4, 2, 1)
    ]
    viewer.add_image(levels, name="slide", contrast_limits=(0, 255), multiscale=True)
    viewer.reset_view()
    widget = docked(viewer, "Inspect")
    for region in ("whole layer", "what is visible"):
        widget.region.value = region
        read.clear()
        widget.run()
        assert not widget.job.is_running
        assert "32768 x 32768 pixels are too many to inspect at once: zoom in" in told[-1]
        # napari itself may show the smallest level late.
        assert read in ([], [[(0, 512), (0, 512)]])
    widget.zoom_in.changed.emit(True)
    finish(widget, until)
    assert viewer.layers["ellipses of slide"].visible
