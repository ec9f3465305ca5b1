"""Results and layers in OME-Zarr files, from the widgets of a real window."""

import dask.array as da
import napari
import numpy as np
import pytest
from support.layers import docked, finish, in_a_window
from support.ome_zarr import sparse_pyramid

import lerf_core
from lerf_plugins.napari.compute.file_levels import FileLevel
from lerf_plugins.napari.compute.region_array import behind_dask
from lerf_plugins.napari.widgets.controls import FILE

pytest.importorskip("zarr")
pytestmark = pytest.mark.usefixtures("display")


def world(layer):
    """Return the corners of a layer's outline: half a pixel beyond the outermost centres."""
    low, high = layer.extent.data
    corners = np.array([low - 0.5, high + 0.5])
    return np.array([layer.data_to_world(corner) for corner in corners])


def written(widget, path, until):
    """Run a widget into a file; return the layer that it adds."""
    before = set(widget.viewer.layers)
    widget.result.value = FILE
    widget.target.path.value = path
    widget.run()
    finish(widget, until)
    until(lambda: len(widget.viewer.layers) > len(before))
    (layer,) = set(widget.viewer.layers) - before
    return layer


def test_a_resize_goes_into_a_file_and_lies_on_its_source(viewer, tmp_path, until, photo):
    source = viewer.add_image(
        photo[..., 0], name="cells", colormap="magma", contrast_limits=(10, 200), gamma=0.8,
        scale=(0.4, 0.3), translate=(7, -5), units=("um", "um"), axis_labels=("y", "x"),
        metadata={"stain": "DAPI"},
    )  # fmt: skip
    widget = docked(viewer, "Resize")
    assert not widget.target.path.native.isVisibleTo(widget)
    widget.scale.value = 2.5
    layer = written(widget, tmp_path / "large", until)  # the suffix is added
    assert widget.target.path.native.isVisibleTo(widget)
    path = tmp_path / "large.zarr"
    assert isinstance(behind_dask(layer.data), FileLevel)
    expected = lerf_core.resize(photo[..., 0], (150, 208))
    np.testing.assert_array_equal(np.asarray(layer.data), expected)
    (again,) = viewer.open(str(path), plugin="lerf")
    for there in (layer, again):
        pixel = 0.3 / 2.5
        np.testing.assert_allclose(world(there), world(source), atol=1e-6 * pixel)
        assert there.units == source.units
        assert there.axis_labels == source.axis_labels
        assert there.colormap.name == "magma"
        assert there.contrast_limits == [10, 200]
        assert there.gamma == pytest.approx(0.8)
        assert there.metadata["stain"] == "DAPI"
        assert there.metadata["lerf"]["operation"] == "resize"
    assert again.name.startswith(layer.name)
    # What is read from a file needs no napari that slices beside the window.
    from napari.settings import get_settings

    assert not get_settings().experimental.async_


def test_five_axes_and_labels(viewer, tmp_path, until):
    rng = np.random.default_rng(1)
    where = {
        "scale": (30, 1, 2, 0.5, 0.5), "translate": (60, 0, 1, 2, 3),
        "units": ("s", "pixel", "um", "um", "um"), "axis_labels": tuple("tczyx"),
    }  # fmt: skip
    sources = [
        viewer.add_image(rng.integers(0, 4000, (2, 2, 3, 40, 30)).astype("u2"), name="a", **where),
        viewer.add_labels(rng.integers(0, 9, (2, 2, 3, 40, 30)), name="b", **where),
    ]
    widget = docked(viewer, "Resize")
    for source in sources:
        widget.layer.value = source
        widget.scale.value = 1.5
        written(widget, tmp_path / f"{source.name}.zarr", until)
        (again,) = viewer.open(str(tmp_path / f"{source.name}.zarr"), plugin="lerf")
        assert type(again) is type(source)
        assert again.data.shape == (2, 2, 3, 60, 45)
        np.testing.assert_allclose(world(again), world(source), atol=1e-6 / 3)
        assert again.axis_labels == tuple("tczyx")
        assert again.units == source.units


def test_rgb_and_a_warp_with_a_transparent_border(viewer, tmp_path, until, photo):
    viewer.add_image(photo, rgb=True, name="photo", scale=(2, 2))
    widget = docked(viewer, "Warp")
    widget.way.value = "numbers"
    widget.numbers.value = "1 0.1 0, 0 1 0, 0 0 1"
    widget.sampling.border.value = "transparent"
    layer = written(widget, tmp_path / "a.zarr", until)
    assert layer.rgb
    assert layer.data.shape[-1] == 4
    (again,) = viewer.open(str(tmp_path / "a.zarr"), plugin="lerf")
    assert again.rgb
    np.testing.assert_allclose(world(again), world(layer), atol=1e-9)


def test_what_is_turned_is_told_and_baked(viewer, tmp_path, until, told, photo):
    source = viewer.add_image(photo[..., 0], rotate=20, scale=(0.5, 0.5))
    widget = docked(viewer, "Resize")
    widget.result.value = FILE
    widget.target.path.value = tmp_path / "a.zarr"
    widget.run()
    finish(widget, until)
    assert "Bake transform" in widget.status.text()
    assert "rotated or sheared" in told[-1]
    assert not list(tmp_path.iterdir())
    bake = docked(viewer, "Bake transform")
    bake.layer.value = source
    layer = written(bake, tmp_path / "a.zarr", until)
    (again,) = viewer.open(str(tmp_path / "a.zarr"), plugin="lerf")
    np.testing.assert_allclose(world(again), world(layer), atol=1e-9)
    np.testing.assert_array_equal(again.rotate, np.eye(2))


def test_a_path_is_asked_for_and_nothing_is_replaced_unasked(
    viewer, tmp_path, until, told, photo
):  # fmt: skip
    viewer.add_image(photo[..., 0], name="a")
    widget = docked(viewer, "Resize")
    widget.result.value = FILE
    widget.run()
    assert "choose a file" in told[-1]
    widget.target.path.value = tmp_path / "none" / "a.zarr"
    widget.run()
    assert "no folder" in told[-1]
    layer = written(widget, tmp_path / "a.zarr", until)
    viewer.layers.selection.active = viewer.layers["a"]
    widget.layer.value = viewer.layers["a"]
    before = sorted(tmp_path.rglob("*"))
    widget.run()
    assert "exists" in told[-1]
    widget.target.replace.value = True
    widget.run()
    assert f"is what the layer '{layer.name}' shows" in told[-1]
    assert not widget.job.is_running
    assert sorted(tmp_path.rglob("*")) == before
    viewer.layers.remove(layer)
    widget.scale.value = 1.5
    layer = written(widget, tmp_path / "a.zarr", until)
    assert layer.data.shape == (90, 125)
    (tmp_path / "notes.zarr").mkdir()
    (tmp_path / "notes.zarr" / "mine.txt").write_text("mine")
    widget.target.path.value = tmp_path / "notes.zarr"
    widget.run()
    assert "no Zarr: it is not replaced" in told[-1]
    assert (tmp_path / "notes.zarr" / "mine.txt").exists()


@pytest.mark.parametrize("way", ["cancel", "close"])
def test_stopped_saving_leaves_nothing(viewer, tmp_path, until, way):
    import threading

    at_work, may_go_on = threading.Event(), threading.Event()

    def slow(block_info=None):
        if block_info[None]["chunk-location"] != (0, 0):
            at_work.set()
            may_go_on.wait(30)
        return np.ones(block_info[None]["chunk-shape"], np.uint8)

    level = da.map_blocks(
        slow, chunks=da.core.normalize_chunks(1024, (4096, 4096)), dtype=np.uint8,
        meta=np.empty((0, 0), np.uint8),
    )  # fmt: skip
    small = da.zeros((1024, 1024), chunks=1024, dtype=np.uint8)
    viewer.add_image([level, small], multiscale=True, contrast_limits=(0, 255), visible=False)
    widget = docked(viewer, "Resize")
    job = widget.job
    widget.scale.value = 1
    widget.result.value = FILE
    widget.target.path.value = tmp_path / "a.zarr"
    widget.run()
    until(at_work.is_set)
    assert (tmp_path / ".a.zarr.partial").exists()
    if way == "cancel":
        widget.cancel_button.native.click()
        assert widget.status.text() == "Cancelled"
    else:
        viewer.window.remove_dock_widget("all")
    may_go_on.set()
    until(lambda: not job.is_running)
    until(lambda: not list(tmp_path.iterdir()))
    assert len(viewer.layers) == 1


@in_a_window
def test_save_as_ome_zarr(viewer, tmp_path, until, photo):
    source = viewer.add_image(photo, rgb=True, name="photo", scale=(2, 3), translate=(4, 5))
    labels = viewer.add_labels(photo[..., 0] // 64, name="marks", scale=(2, 3), translate=(4, 5))
    widget = docked(viewer, "Save as OME-Zarr")
    for layer in (source, labels):
        widget.layer.value = layer
        widget.target.path.value = tmp_path / f"{layer.name}.zarr"
        widget.run()
        finish(widget, until)
        assert f"{layer.name}.zarr" in widget.status.text()
        assert len(viewer.layers) == 2
        assert widget.run_button.enabled
    widget.opens.value = True
    widget.target.path.value = tmp_path / "again.zarr"
    widget.run()
    finish(widget, until)
    until(lambda: len(viewer.layers) == 3)
    np.testing.assert_array_equal(np.asarray(viewer.layers[-1].data), labels.data)
    np.testing.assert_allclose(world(viewer.layers[-1]), world(labels), atol=1e-9)
    (again,) = viewer.open(str(tmp_path / "photo.zarr"), plugin="lerf")
    assert again.rgb
    np.testing.assert_array_equal(np.asarray(again.data), photo)


def test_a_lazy_result_is_saved(viewer, tmp_path, until, photo):
    viewer.add_image(da.from_array(photo[..., 0], chunks=16), contrast_limits=(0, 255))
    resize = docked(viewer, "Resize")
    resize.result.value = "lazy"
    resize.run()
    finish(resize, until)
    until(lambda: len(viewer.layers) == 2)
    lazy = viewer.layers[1]
    widget = docked(viewer, "Save as OME-Zarr")
    widget.layer.value = lazy
    widget.target.path.value = tmp_path / "a.zarr"
    widget.run()
    finish(widget, until)
    (again,) = viewer.open(str(tmp_path / "a.zarr"), plugin="lerf")
    np.testing.assert_array_equal(
        np.asarray(again.data), lerf_core.resize(photo[..., 0], (120, 166))
    )


@pytest.mark.slow
@pytest.mark.long
def test_100_000_pixels(viewer, tmp_path, until):
    """Preview, a lazy result, and saving that is stopped; nothing of it reads the whole."""
    path = sparse_pyramid(tmp_path / "a.zarr", 100_000, [(49152, 49152)], scale=(0.25, 0.25))
    image, labels = viewer.open(str(path), plugin="lerf")
    resize = docked(viewer, "Resize")
    # Before 0.6.6 napari fails to add labels where it slices beside the window.
    is_old = tuple(map(int, napari.__version__.split(".")[:3])) < (0, 6, 6)
    for source in (image,) if is_old else (image, labels):
        resize.layer.value = source
        resize.scale.value = 1.5
        resize.preview_box.value = True
        until(lambda: resize.preview.layer is not None and not resize.preview.is_busy)
        resize.result.value = "auto"
        count = len(viewer.layers)
        resize.preview_box.value = False
        until(lambda: resize.preview.layer is None)
        resize.run()
        finish(resize, until)
        until(lambda n=count: len(viewer.layers) == n)
        lazy = viewer.layers[viewer.layers.index(source) + 1]
        assert lazy.data[0].shape == (150_000, 150_000)
        np.testing.assert_allclose(world(lazy), world(source), atol=1e-6 * 0.25 / 1.5)
        middle = (49152 + 2048) * 3 // 2
        part = np.asarray(lazy.data[0][middle : middle + 9, middle : middle + 9])
        assert part.any()
        resize.result.value = FILE
        resize.target.path.value = tmp_path / "b.zarr"
        resize.run()
        until(lambda: resize.bar.value > 3)
        resize.cancel()
        until(lambda: not resize.job.is_running)
        assert [each.name for each in tmp_path.iterdir()] == ["a.zarr"]
