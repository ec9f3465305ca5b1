"""The command line that does what a widget does, in a real viewer: pixel for pixel."""

import shlex
from itertools import product

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture
from support.banks import make_random_network
from support.combinations import some_first
from support.command_lines import run_command
from support.layers import docked, exhaust, finish, random_transform

from lerf_plugins.napari import host
from lerf_plugins.napari.compute.results import in_memory
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.widgets.controls import LayerKind

pytestmark = pytest.mark.usefixtures("display")

# Sides of the images.
ROWS, COLS = 23, 31


def waves(*leading):
    """Smooth values in 0..1, of all leading axes and of rows and columns."""
    y, x = np.mgrid[:ROWS, :COLS]
    planes = [
        (1 + np.sin(x / 5 + number) * np.cos(y / 7 - number)) / 2
        for number in range(int(np.prod(leading, dtype=int)))
    ]
    return np.reshape(planes, (*leading, ROWS, COLS))


def integers(dtype, *leading):
    """Smooth values of an integer dtype, over its whole range up to 16 bits."""
    info = np.iinfo(dtype)
    low, high = (info.min, info.max) if info.bits <= 16 else (0, 5000)
    return (low + waves(*leading) * (high - low)).astype(dtype)


def colours(values):
    """Values with their first axis as channels, behind the columns."""
    return np.ascontiguousarray(np.moveaxis(values, -3, -1))


CASES = {
    "png": integers("u1"),
    "png16": integers("u2"),
    "png_rgb": colours(integers("u1", 3)),
    "png_rgba": colours(integers("u1", 4)),
    "rgb": colours(integers("u1", 3)),
    "rgba16": colours(integers("u2", 4)),
    "float32": waves().astype("f4"),
    "float64_bright": 300 * waves(),
    "float16": waves().astype("f2"),
    "float_rgb": colours(waves(3)).astype("f4"),
    "float_rgba": colours(waves(4)).astype("f4"),
    "int8": integers("i1"),
    "int16": integers("i2"),
    "int32": integers("i4"),
    "uint32": integers("u4"),
    "labels_png": (9 * waves()).astype("u1"),
    "labels": (90_000 * waves()).astype("i4"),
    "labels64": (2**40 * waves()).astype("i8"),
    "mask": waves() > 0.5,
    "stack": integers("u2", 3),
    "stack4": integers("u1", 2, 3),
    "stack_rgb": colours(integers("u1", 2, 3)),
}


def write(folder, name, pixels):
    """Write a case's pixels to a file, and return its path."""
    if pixels.dtype == bool:
        path = folder / f"{name}.npy"
        np.save(path, pixels)
    elif "png" in name:
        path = folder / f"{name}.png"
        Picture.fromarray(pixels).save(path)
    else:
        path = folder / f"{name}.tif"
        meaning = {"photometric": "rgb"} if "rgb" in name else {"photometric": "minisblack"}
        if "rgba" in name:
            meaning["extrasamples"] = ["unassalpha"]
        tifffile.imwrite(path, pixels, **meaning)
    return path


def add(viewer, name, pixels, rng):
    """Add a case's layer, somewhere in the world, with contrast limits of its own or not."""
    is_rgb = "rgb" in name
    place = random_transform(int(rng.integers(1 << 30)), pixels.ndim - is_rgb)
    if name.startswith("labels"):
        return viewer.add_labels(pixels, **place)
    if not is_rgb and pixels.dtype != bool and rng.random() < 0.5:
        low, high = float(pixels.min()), float(pixels.max())
        place["contrast_limits"] = (low, low + 0.9 * (high - low) + 1e-3)
    return viewer.add_image(pixels, rgb=is_rgb, **place)


def choose_sampling(widget, rng):
    """Choose how pixels are resampled, at random."""
    sampling = widget.sampling
    sampling.bank.value = "default"
    sampling.kernel.value = "none"
    if rng.random() < 0.3:
        # lerf-s shrinks alone.
        kernels = [name for name in sampling.kernel.choices if name != "lerf-s"]
        sampling.kernel.value = str(rng.choice(kernels))
    elif rng.random() < 0.4:
        sampling.bank.value = str(rng.choice(sampling.bank.choices))
    sampling.border.value = str(rng.choice(sampling.border.choices))
    sampling.fill.value = float(rng.choice([0, 3.5, -7, 300, 1e5]))
    sampling.values.value = str(rng.choice(sampling.values.choices))
    sampling.anti_aliasing.value = bool(rng.random() < 0.6)


def choose_resize(widget, rng):
    """Choose a size at random."""
    widget.proportions.value = False
    widget.cols.value, widget.rows.value = (int(size) for size in rng.integers(3, 60, 2))
    widget.fast.value = widget.sampling.kernel.value == "none" and bool(rng.random() < 0.4)


def choose_fit(widget, rng):
    """Choose what to fit to at random."""
    fitting = widget.fitting
    fitting.way.value = str(rng.choice(fitting.way.choices[1:]))
    widget.cols.value, widget.rows.value = (int(size) for size in rng.integers(3, 60, 2))
    fitting.side.value = int(rng.integers(3, 60))
    fitting.megapixels.value = float(rng.choice([0.0004, 0.001, 0.0021]))
    fitting.gravity.value = str(rng.choice(fitting.gravity.choices))
    is_colour = widget.sampling.layer_kind() in {LayerKind.RGB, LayerKind.RGBA}
    fitting.background.value = str(rng.choice(fitting.background.choices[: 3 + is_colour]))
    widget.fast.value = widget.sampling.kernel.value == "none" and bool(rng.random() < 0.4)


def choose_warp(widget, rng):
    """Choose a homography at random, and what of it is to show."""
    widget.way.value = "numbers"
    matrix = np.eye(3) + rng.normal(0, 0.2, (3, 3))
    matrix[:2, 2] = rng.normal(0, 5, 2)
    matrix[2, :2] *= 0.01
    widget.numbers.value = " ".join(map(repr, matrix.ravel().tolist()))
    widget.inverse.value = bool(rng.random() < 0.3)
    widget.fit.value = str(rng.choice(widget.fit.choices))
    widget.density.value = float(rng.choice([0.5, 1, 1.7]))


def choose_bake(widget, rng):
    """Choose a pixel's side at random."""
    widget.keep.value = bool(rng.random() < 0.5)
    to_world = LayerImage.of(widget.layer.value).plane_to_world()[:2, :2]
    widget.pixel.value = float(np.sqrt(abs(np.linalg.det(to_world))) * rng.uniform(0.6, 2))


@pytest.mark.parametrize(
    ("title", "choose"),
    [
        ("Resize", choose_resize), ("Resize", choose_fit), ("Warp", choose_warp),
        ("Bake transform", choose_bake),
    ],
)  # fmt: skip
@pytest.mark.parametrize("half", some_first([0], [1]))
@pytest.mark.slow
def test_its_pixels_are_those_of_run(viewer, tmp_path, title, choose, half):
    widget = docked(viewer, title)
    compared = 0
    # The half that one way to choose leaves to `make test-long` another one has.
    cases = list(enumerate(CASES))[(half + (choose in {choose_fit, choose_warp})) % 2 :: 2]
    for seed, name in cases:
        rng = np.random.default_rng([seed, len(title)])
        pixels = CASES[name]
        viewer.layers.clear()
        layer = add(viewer, name, pixels, rng)
        widget.layer.value = layer
        choose_sampling(widget, rng)
        choose(widget, rng)
        widget.refresh()
        if "transparent border needs" in widget.status.text():
            assert widget.command.text == ""
            continue
        operation = widget.operation(LayerImage.of(layer))
        _, expected = exhaust(in_memory(operation))
        made = run_command(widget.command.text, tmp_path, write(tmp_path, name, pixels))
        assert made.dtype == expected.dtype or expected.dtype == bool, widget.command.text
        np.testing.assert_array_equal(
            made.reshape(expected.shape), expected, err_msg=f"{name}: {widget.command.text}"
        )
        compared += 1
    assert compared > len(cases) / 2


def test_the_file_of_a_layer_is_named(viewer, until, photo, tmp_path):
    path = tmp_path / "it's a photo.png"
    Picture.fromarray(photo).save(path)
    (layer,) = viewer.open(path, plugin="napari")
    widget = docked(viewer, "Resize")
    until(lambda: not widget.command.is_checking)
    assert shlex.split(widget.command.text)[:3] == ["lerf", "resize", str(path)]
    widget.run()
    finish(widget, until)
    made = run_command(widget.command.text, tmp_path)
    np.testing.assert_array_equal(made, viewer.layers[1].data)
    assert layer.data.shape == photo.shape


def test_a_file_that_the_layer_has_left_behind_is_not_named(viewer, until, photo, tmp_path):
    path = tmp_path / "photo.png"
    Picture.fromarray(photo).save(path)
    (layer,) = viewer.open(path, plugin="napari")
    widget = docked(viewer, "Resize")
    until(lambda: not widget.command.is_checking)
    assert str(path) in widget.command.text
    # New pixels, as of a filter: told apart at once.
    layer.data = 255 - photo
    widget.refresh()
    until(lambda: not widget.command.is_checking)
    assert "IMAGE.tif" in widget.command.text
    widget.command.copy()
    assert "photo.png: its pixels are not the layer's" in widget.status.text()


def test_pixels_that_were_painted_are_noticed_when_the_command_is_copied(
    viewer, until, photo, tmp_path
):
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, photo[..., 0] // 30)
    (layer,) = viewer.open(path, plugin="napari", layer_type="labels")
    widget = docked(viewer, "Resize")
    until(lambda: not widget.command.is_checking)
    assert str(path) in widget.command.text
    assert "--labels nearest" in widget.command.text
    layer.paint((30, 40), 77)
    widget.command.copy()
    until(lambda: not widget.command.is_checking)
    assert "IMAGE.tif" in widget.command.text
    assert "Copy the command once more" in widget.status.text()


def test_what_napari_reads_in_another_way_is_told(viewer, until, photo, tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Picture.Exif()
    exif[0x0112] = 6
    Picture.fromarray(photo).save(path, exif=exif)
    viewer.open(path, plugin="napari")
    widget = docked(viewer, "Resize")
    until(lambda: not widget.command.is_checking)
    assert "IMAGE.tif" in widget.command.text
    assert "its shape is 83x60x3, the layer's 60x83x3" in widget.command.line.toolTip()


def test_missing_values_of_a_file_are_values_to_napari(viewer, until, tmp_path):
    path = tmp_path / "heights.tif"
    pixels = (5000 * waves()).astype("u2")
    pixels[3:9, 4:12] = 777
    tifffile.imwrite(path, pixels, extratags=[(42113, "s", 0, "777", True)])
    viewer.open(path, plugin="napari")
    widget = docked(viewer, "Resize")
    widget.scale.value = 1.5
    until(lambda: not widget.command.is_checking)
    assert "--nodata none" in widget.command.text
    _, expected = exhaust(in_memory(widget.operation(LayerImage.of(widget.layer.value))))
    np.testing.assert_array_equal(run_command(widget.command.text, tmp_path), expected)


def test_it_can_be_copied(viewer, photo):
    from qtpy.QtWidgets import QApplication

    widget = docked(viewer, "Resize")
    assert not widget.command.copy_button.isEnabled()
    assert widget.command.text == ""
    viewer.add_image(photo, rgb=True, name="cup")
    assert widget.command.line.text() == widget.command.text
    assert widget.command.line.isReadOnly()
    widget.command.copy_button.click()
    assert QApplication.clipboard().text() == widget.command.text
    assert widget.command.text.startswith("lerf resize IMAGE.tif -o '{stem}_resized.tif' --size")
    assert "Command copied. IMAGE.tif stands for 'cup'" in widget.status.text()
    viewer.layers.clear()
    assert widget.command.text == ""
    assert not widget.command.copy_button.isEnabled()


def test_what_the_command_line_cannot_say_is_told(viewer, photo):
    levels = [photo, photo[::2, ::2], photo[::4, ::4]]
    viewer.add_image(levels, rgb=True, multiscale=True)
    widget = docked(viewer, "Resize")
    widget.scale.value = 0.25
    assert widget.command.text == ""
    assert "level 2 of the layer's pyramid" in widget.command.line.placeholderText()
    widget.scale.value = 2
    assert widget.command.text


def test_levels_of_a_file_are_named(viewer, until, photo, tmp_path):
    path = tmp_path / "pyramid.tif"
    levels = [photo, photo[::2, ::2], photo[::4, ::4]]
    with tifffile.TiffWriter(path) as file:
        file.write(levels[0], photometric="rgb", tile=(16, 16), subifds=2)
        for level in levels[1:]:
            file.write(level, photometric="rgb", tile=(16, 16), subfiletype=1)
    layer = viewer.add_image(levels, rgb=True, multiscale=True)
    layer._source = type(layer.source)(path=str(path))
    for title in ("Resize", "Warp"):
        widget = docked(viewer, title)
        widget.layer.value = layer
        if title == "Resize":
            widget.scale.value = 0.3
        else:
            widget.way.value = "numbers"
            widget.numbers.value = "0.3 0.01 2 0.02 0.28 1 0 0.0001 1"
        until(lambda widget=widget: not widget.command.is_checking)
        assert widget.command.text.endswith("--level 1")
        _, expected = exhaust(in_memory(widget.operation(LayerImage.of(layer))))
        np.testing.assert_array_equal(run_command(widget.command.text, tmp_path), expected)


# -- Inspect -----------------------------------------------------------------------------


def maps_of(viewer, name):
    """The image layers that Inspect has added for a layer, as channels."""
    return np.stack(
        [np.squeeze(layer.data) for layer in viewer.layers if f" of {name}" in layer.name]
    )


# Colours are what networks read together.
COLOURS, PLANES = ("png_rgba", "stack_rgb"), ("stack", "float64_bright", "int32")


@pytest.mark.parametrize(
    ("name", "bank"),
    some_first(
        [*product(COLOURS, ["network"]), *product(PLANES, ["lerf-l"])],
        [*product(COLOURS, ["lerf-l"]), *product(PLANES, ["network"])],
    ),
)
@pytest.mark.slow
def test_inspect_writes_the_maps_of_run(viewer, until, tmp_path, monkeypatch, name, bank):
    make_random_network(4, 5, 0).save(tmp_path / "network.safetensors")
    monkeypatch.setenv("LERF_BANKS", str(tmp_path))
    pixels = CASES[name]
    path = write(tmp_path, name, pixels)
    rng = np.random.default_rng(5)
    layer = add(viewer, name, pixels, rng)
    layer.name = "source"
    if layer.ndim > 2:
        viewer.dims.set_point(0, layer.data_to_world((1,) + (0,) * (layer.ndim - 1))[0])
    widget = docked(viewer, "Inspect")
    widget.ellipses.value = False
    widget.bank.value = bank
    for region in widget.region.choices:
        widget.region.value = region
        # A part of it, and not in the middle.
        host.camera(viewer).zoom = 12 / np.abs(layer.scale[-1])
        host.camera(viewer).center = layer.data_to_world((0,) * (layer.ndim - 2) + (4, 25))
        until(lambda: not widget.command.is_checking)
        # The view may change as layers are added.
        widget.command.copy()
        command = widget.command.text
        widget.run()
        finish(widget, until)
        made = run_command(command, tmp_path, path)
        np.testing.assert_array_equal(made, maps_of(viewer, "source"))
        for added in [one for one in viewer.layers if one is not layer]:
            viewer.layers.remove(added)
    assert "--region" not in widget.command.text
    assert ("--page 1" in widget.command.text) == (layer.ndim > 2)


def test_inspect_says_what_it_cannot(viewer, photo):
    viewer.add_image(photo[..., 0] > 90)
    widget = docked(viewer, "Inspect")
    assert widget.command.text == ""
    assert "labels have no parameters" in widget.command.line.placeholderText()
    viewer.layers.clear()
    viewer.add_image(photo, rgb=True)
    assert "lerf inspect IMAGE.tif -o IMAGE_parameters.tif" in widget.command.text
    viewer.dims.ndisplay = 3
    assert "in 2-D" in widget.command.line.placeholderText()
    widget.region.value = "whole layer"
    assert widget.command.text == "lerf inspect IMAGE.tif -o IMAGE_parameters.tif"


def test_a_widget_without_a_command_shows_no_row(viewer):
    widget = docked(viewer, "Save as OME-Zarr")
    assert not widget.command.native.isVisibleTo(widget)


def test_it_writes_ome_zarr_where_the_window_does(viewer):
    viewer.add_image(integers("u1"))
    widget = docked(viewer, "Resize")
    assert "_resized.tif" in widget.command.text
    widget.result.value = "OME-Zarr file"
    assert "_resized.zarr" in widget.command.text
