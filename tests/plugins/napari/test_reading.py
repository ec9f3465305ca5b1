"""OME-Zarr opens as lazy layers that lie where the file says."""

import json
import subprocess
import sys

import numpy as np
import pytest
from napari.layers import Image, Labels, Layer
from support.layers import in_a_window
from support.ome_zarr import add_labels, sparse_pyramid, write_ome_zarr

from lerf_core.errors import FileError
from lerf_core.io.codecs.zarr.reader import ZarrReader
from lerf_plugins.napari import host, reading
from lerf_plugins.napari.compute.region_array import behind_dask
from lerf_plugins.napari.reading import get_reader, read_layers

pytest.importorskip("zarr")

VERSIONS = ("0.4", "0.5")


def ramp(shape, dtype=np.uint16):
    return np.arange(np.prod(shape), dtype=np.uint64).reshape(shape).astype(dtype)


def opened(path):
    """Return the layers of a file, made by napari."""
    return [Layer.create(*each) for each in get_reader(str(path))(str(path))]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_pyramid_lies_where_the_file_says(tmp_path, version):
    image = ramp((64, 48))
    path = write_ome_zarr(
        tmp_path / "photo.ome.zarr", [image, image[::2, ::2], image[::4, ::4]], "yx",
        version=version, scale=[0.5, 0.25], translate=[7.0, -3.0],
        units=["micrometer", "micrometer"], chunks=(16, 16), attributes={"stain": "H&E"},
    )  # fmt: skip
    (layer,) = opened(path)
    assert isinstance(layer, Image)
    assert layer.multiscale
    assert layer.name == "photo"
    assert [level.shape for level in layer.data] == [(64, 48), (32, 24), (16, 12)]
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
    assert layer.axis_labels == ("y", "x")
    assert layer.metadata == {"stain": "H&E"}
    np.testing.assert_allclose(layer.extent.world, [[7, -3], [7 + 31.5, -3 + 11.75]], rtol=1e-12)
    assert layer.data[0].chunksize == (16, 16)
    for level, step in zip(layer.data, (1, 2, 4), strict=True):
        np.testing.assert_array_equal(np.asarray(level), image[::step, ::step])


@pytest.mark.parametrize("version", VERSIONS)
def test_channels_are_layers_as_the_file_says(tmp_path, version):
    image = ramp((2, 3, 4, 20, 30))
    omero = {
        "channels": [
            {
                "label": "DAPI",
                "color": "0000FF",
                "window": {"min": 0, "max": 9, "start": 1, "end": 5},
            },
            {"label": "", "color": "FF8000", "active": False},
            {"label": "GFP", "color": "zz", "window": {"start": 5, "end": 5}},
        ]
    }
    path = write_ome_zarr(
        tmp_path / "cells.zarr", [image, image[..., ::2, ::2]], "tczyx", version=version,
        scale=[30, 1, 2, 0.5, 0.5], translate=[60, 0, 1, 2, 3],
        units=["second", None, "micrometer", "micrometer", "micrometer"], omero=omero, name="cells",
    )  # fmt: skip
    layers = opened(path)
    assert [layer.name for layer in layers] == ["DAPI", "cells 1", "GFP"]
    assert [layer.colormap.name for layer in layers] == ["blue", "#ff8000", "gray"]
    assert layers[0].contrast_limits == [1, 5]
    assert [layer.visible for layer in layers] == [True, False, True]
    assert [layer.blending for layer in layers][1:] == ["additive", "additive"]
    for number, layer in enumerate(layers):
        assert layer.axis_labels == ("t", "z", "y", "x")
        assert [str(unit) for unit in layer.units] == ["second", *["micrometer"] * 3]
        np.testing.assert_array_equal(layer.scale, [30, 2, 0.5, 0.5])
        np.testing.assert_array_equal(layer.translate, [60, 1, 2, 3])
        np.testing.assert_array_equal(layer.data[0].compute(), image[:, number])
        np.testing.assert_array_equal(layer.data[1][1, :, 3].compute(), image[1, number, :, 6, ::2])


def test_many_channels_stay_an_axis(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_LAYERS", 4)
    (layer,) = opened(write_ome_zarr(tmp_path / "a.zarr", [ramp((5, 9, 8))], "cyx"))
    assert layer.data.shape == (5, 9, 8)
    assert layer.axis_labels == ("c", "y", "x")
    assert not layer.multiscale


@pytest.mark.parametrize("count", [3, 4])
def test_colours_are_rgb(tmp_path, count):
    from lerf_core.io.tiles.tiled_writer import WriterSpec
    from lerf_core.io.writing import open_writer

    image = ramp((40, 30, count), np.uint8)
    spec = WriterSpec(
        image.shape, image.dtype, "YXS", "OME-Zarr", tile=(16, 16), levels=2,
        layout="RGB" if count == 3 else "RGBA",
    )  # fmt: skip
    writer = open_writer(str(tmp_path / "photo.zarr"), spec)
    whole = tuple(slice(0, size) for size in image.shape)
    writer.record(writer.sink.put(whole, image))
    writer.commit()
    (layer,) = opened(tmp_path / "photo.zarr")
    assert layer.rgb
    assert layer.data.shapes[1] == (20, 15, count)
    np.testing.assert_array_equal(np.asarray(layer.data[0]), image)
    np.testing.assert_array_equal(np.asarray(layer.data[0][5:30, 7]), image[5:30, 7])


def test_three_channels_without_colours_are_no_rgb(tmp_path):
    layers = opened(write_ome_zarr(tmp_path / "a.zarr", [ramp((3, 9, 8), np.uint8)], "cyx"))
    assert [layer.rgb for layer in layers] == [False] * 3
    colours = [{"label": name, "color": code} for name, code in
               (("DAPI", "FF0000"), ("GFP", "00FF00"), ("RFP", "0000FF"))]  # fmt: skip
    path = write_ome_zarr(
        tmp_path / "b.zarr", [ramp((3, 9, 8), np.uint8)], "cyx", omero={"channels": colours}
    )
    assert [layer.name for layer in opened(path)] == ["DAPI", "GFP", "RFP"]


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_lie_in_their_places(tmp_path, version):
    image, marks = ramp((1, 40, 60), np.uint8), ramp((20, 30), np.int32) % 4
    path = write_ome_zarr(
        tmp_path / "a.zarr", [image], "cyx", version=version, scale=[1, 0.5, 0.5],
        units=[None, "micrometer", "micrometer"],
    )  # fmt: skip
    about = {
        "version": version,
        "colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}],
        "properties": [{"label-value": 1, "kind": "nucleus"}, {"label-value": 3, "kind": "debris"}],
    }
    add_labels(
        path, "cells", [marks, marks[::2, ::2]], "yx", version=version, scale=[1, 1],
        translate=[0.25, 0.25], **{"image-label": about},
    )  # fmt: skip
    add_labels(path, "bad", [marks], "yx", version=version)
    document = "zarr.json" if version == "0.5" else ".zattrs"
    (path / "labels" / "bad" / document).write_text("{")
    image_layer, labels = opened(path)
    assert isinstance(labels, Labels)
    assert labels.multiscale
    assert labels.name == "cells"
    np.testing.assert_array_equal(labels.data[0].compute(), marks)
    # Units that the labels do not state are the image's.
    assert labels.units == image_layer.units
    np.testing.assert_allclose(labels.extent.world, [[0.25, 0.25], [19.25, 29.25]])
    np.testing.assert_array_equal(labels.get_color(1), [1, 0, 0, 1])
    assert labels.get_color(2)[3] == 1  # what has no colour shows too
    assert labels.features["kind"].tolist() == ["nucleus", "debris"]
    # The labels' own path.
    (alone,) = opened(path / "labels" / "cells")
    assert isinstance(alone, Labels)


def test_rows_and_columns_come_last(tmp_path):
    image = ramp((30, 4, 20))
    path = write_ome_zarr(
        tmp_path / "a.zarr", [image], "xzy", scale=[3, 1, 2], translate=[30, 10, 20]
    )
    (layer,) = opened(path)
    assert layer.axis_labels == ("z", "y", "x")
    np.testing.assert_array_equal(layer.scale, [1, 2, 3])
    np.testing.assert_array_equal(layer.translate, [10, 20, 30])
    np.testing.assert_array_equal(layer.data[1, 3:9, ::4].compute(), image[::4, 1, 3:9].T)


@pytest.mark.parametrize("translation", [[0, 0], [0.5, 0.5], None])
def test_levels_that_programs_write_are_read(tmp_path, translation):
    """Levels of every second pixel, with or without places of their own."""
    image = ramp((41, 57))
    placements = [([1, 1], [0, 0]), ([2, 2], translation)]
    path = write_ome_zarr(
        tmp_path / "a.zarr", [image, image[:-1:2, ::2]], "yx", placements=placements
    )
    (layer,) = opened(path)
    assert len(layer.data) == 2


@pytest.mark.parametrize(("scale", "translation"), [([2, 2], [40, 0]), ([3, 3], [0, 0])])
def test_levels_that_lie_elsewhere_are_left_out(tmp_path, told, scale, translation):
    image = ramp((40, 56))
    placements = [([1, 1], [0, 0]), (scale, translation), ([4, 4], [1.5, 1.5])]
    path = write_ome_zarr(
        tmp_path / "a.zarr", [image, image[::2, ::2], image[::4, ::4]], "yx", placements=placements
    )
    (layer,) = opened(path)
    assert [level.shape for level in layer.data] == [(40, 56), (10, 14)]
    assert "levels 1 left out" in told[0]


def test_units_that_napari_does_not_know(tmp_path, told):
    path = write_ome_zarr(
        tmp_path / "a.zarr", [ramp((9, 8))], "yx", units=["none such", "micrometer"]
    )
    (layer,) = opened(path)
    assert [str(unit) for unit in layer.units] == ["pixel", "micrometer"]
    assert "none such" in told[0]


def test_what_is_no_ome_zarr_is_left_to_others(tmp_path):
    import zarr

    zarr.create_array(str(tmp_path / "plain.zarr"), shape=(4, 4), dtype="u1")
    zarr.open_group(str(tmp_path / "group.zarr"), mode="w").create_array(
        "a", shape=(4, 4), dtype="u1"
    )
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.tif").write_bytes(b"II*\0")
    write_ome_zarr(tmp_path / "a.zarr", [ramp((9, 8))], "yx")
    for path in ("plain.zarr", "group.zarr", "folder", "folder/a.tif", "none.zarr", "a.zarr/0"):
        assert get_reader(str(tmp_path / path)) is None
    assert get_reader([str(tmp_path / "a.zarr")]) is None
    assert get_reader(tmp_path / "a.zarr") is read_layers
    assert get_reader("https://host/x.zarr/") is read_layers
    assert get_reader("https://host/x.tif") is None


def test_looking_at_a_path_imports_no_zarr(tmp_path):
    write_ome_zarr(tmp_path / "a.zarr", [ramp((9, 8))], "yx")
    code = (
        "import sys\nfrom lerf_plugins.napari.reading import get_reader\n"
        f"assert get_reader({str(tmp_path / 'a.zarr')!r})\n"
        "assert not {'zarr', 'dask', 'napari', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_zarr_the_extra_is_named(tmp_path, monkeypatch):
    path = write_ome_zarr(tmp_path / "a.zarr", [ramp((9, 8))], "yx")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(FileError, match=r"pip install 'lerf\[large\]'"):
        get_reader(path)(path)


def test_a_damaged_description_is_told(tmp_path):
    path = write_ome_zarr(tmp_path / "a.zarr", [ramp((9, 8))], "yx")
    document = json.loads((path / "zarr.json").read_text())
    document["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = "7"
    (path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(FileError, match="no array '7'"):
        get_reader(path)(path)
    (path / "zarr.json").write_text("{")
    with pytest.raises(FileError, match="Zarr"):
        get_reader(path)(path)


def test_what_a_file_says_of_looks_is_checked(tmp_path):
    """napari's own words may say anything."""
    for number, said in enumerate((
        {"layer": "image", "opacity": 7, "gamma": "x", "blending": "no", "colormap": {"a": 1}},
        {"layer": "image", "colormap": "none such"}, "words", {"layer": 3, "rgb": True},
    )):  # fmt: skip
        path = write_ome_zarr(
            tmp_path / f"{number}.zarr", [ramp((9, 8))], "yx", attributes={"napari": said}
        )
        (layer,) = opened(path)
        assert (layer.opacity, layer.gamma, layer.colormap.name) == (1, 1, "gray")


def test_opening_reads_no_pixel(tmp_path, monkeypatch):
    path = sparse_pyramid(tmp_path / "a.zarr", 9000, [(4096, 0)])
    read = []
    whole = ZarrReader._read_chunk
    monkeypatch.setattr(
        ZarrReader, "_read_chunk", lambda self, at: read.append((self.level, at)) or whole(self, at)
    )
    (data, _state, _), (marks, *_) = read_layers(str(path))
    assert not read
    assert data[0].shape == marks[0].shape == (9000, 9000)
    level = data[0]
    np.testing.assert_array_equal(
        level[5000:5010, 2000:2010].compute(), behind_dask(level)[5000:5010, 2000:2010]
    )
    # Of a slice no more than the chunks that it touches, each once: they are kept.
    assert set(read) == {(0, (9, 3))}
    assert len(read) == 1


@in_a_window
@pytest.mark.slow
@pytest.mark.usefixtures("display")
def test_a_window_opens_100_000_pixels(tmp_path, viewer, until):
    """Labels too; what is read are the small levels."""
    path = sparse_pyramid(tmp_path / "a.zarr", 100_000, [(0, 0)], scale=(0.25, 0.25))
    image, labels = viewer.open(str(path), plugin="lerf")
    assert image.data_level == labels.data_level == len(image.data) - 1
    # A graph of as many tasks as chunks, made when it is asked for.
    assert all(level.npartitions <= 50_000 for level in image.data)
    np.testing.assert_array_equal(image.extent.world, labels.extent.world)
    host.camera(viewer).center = (0, 0.25 * 2048, 0.25 * 2048)
    host.camera(viewer).zoom = 8
    until(lambda: image.data_level == labels.data_level == 0)
    until(lambda: image.loaded and labels.loaded)
    values = image._slice.image.raw
    assert values.max() > 200
    assert labels._slice.image.raw.max() == 1
    assert image.source.reader_plugin == "lerf"
