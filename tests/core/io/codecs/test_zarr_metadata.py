"""What OME-Zarr and plain Zarr say of their pixels."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from lerf_core.errors import FileError
from lerf_core.io.codecs.tiff.geo_keys import stated_system
from lerf_core.io.metadata.model import AxisName, AxisScale, Channel
from lerf_core.io.reading import open_reader

zarr = pytest.importorskip("zarr")

SPACE = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
SCALE = {"type": "scale", "scale": [2, 0.5, 0.25]}
MOVED = {"type": "translation", "translation": [10, 20, 30]}


def make(path, entry, *, shape=(3, 20, 30), version="0.4", block=None, **attributes):
    """Write an OME-Zarr of one level."""
    is_new = version not in {"0.1", "0.2", "0.3", "0.4"}
    group = zarr.open_group(path, mode="w", zarr_format=3 if is_new else 2)
    group.create_array("0", shape=shape, chunks=shape, dtype="u1")[...] = 7
    entry = {"datasets": [{"path": "0", "coordinateTransformations": [SCALE, MOVED]}]} | entry
    if is_new:
        ome = {"version": version, "multiscales": [entry], **(block or {})}
        group.attrs.update({"ome": ome, **attributes})
    else:
        group.attrs.update({"multiscales": [entry | {"version": version}], **(block or {})})
        group.attrs.update(attributes)
    return group


def datasets(*transformations):
    return {"datasets": [{"path": "0", "coordinateTransformations": list(transformations)}]}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_axes_have_steps_units_and_origins(tmp_path, version):
    make(tmp_path / "a.zarr", {"axes": SPACE, "name": "cells"}, version=version)
    with open_reader(tmp_path / "a.zarr") as source:
        assert source.axes == "ZYX"
        assert source.metadata.axes == (
            AxisScale("Z", 2, "micrometer", 10),
            AxisScale("Y", 0.5, "micrometer", 20),
            AxisScale("X", 0.25, "micrometer", 30),
        )
        assert source.metadata.axis_names == ()
        assert source.metadata.name == "cells"
        assert source.notes == ()


def test_transformations_may_lie_in_arrays(tmp_path):
    entry = {"axes": SPACE, **datasets({"type": "scale", "path": "sizes"}, MOVED)}
    group = make(tmp_path / "a.zarr", entry)
    group.create_array("sizes", shape=3, dtype="f8")[...] = [2, 0.5, 0.25]
    with open_reader(tmp_path / "a.zarr") as source:
        assert [axis.step for axis in source.metadata.axes] == [2, 0.5, 0.25]
    del group["sizes"]
    with pytest.raises(FileError, match="no array 'sizes'"):
        open_reader(tmp_path / "a.zarr")


def test_a_translation_alone_is_in_steps_of_one(tmp_path):
    make(tmp_path / "a.zarr", {"axes": SPACE, **datasets(MOVED)})
    with open_reader(tmp_path / "a.zarr") as source:
        assert [(axis.step, axis.origin) for axis in source.metadata.axes] == [
            (1, 10), (1, 20), (1, 30)
        ]  # fmt: skip


def test_unknown_transformations_are_told(tmp_path):
    turn = {"type": "rotation", "rotation": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
    make(tmp_path / "a.zarr", {"axes": SPACE, **datasets(SCALE, turn)})
    with open_reader(tmp_path / "a.zarr") as source:
        assert source.metadata.axes == ()
        assert source.notes == ("coordinate transformations of an unknown kind left out",)


@pytest.mark.parametrize(
    ("words", "axes", "names"),
    [
        (
            [{"name": "angle", "type": "rotation"}, *SPACE[1:]],
            "QYX",
            (AxisName("Q", "angle", "rotation"),),
        ),
        ([{"name": "lambda"}, {"name": "y"}, {"name": "x"}], "QYX", (AxisName("Q", "lambda"),)),
        (
            [{"name": "wave", "type": "channel"}, *SPACE[1:]],
            "CYX",
            (AxisName("C", "wave", "channel"),),
        ),
        (
            [{"name": name, "type": "space"} for name in ("plane", "down", "across")],
            "ZYX",
            (AxisName("Z", "plane", "space"), AxisName("Y", "down", "space"),
             AxisName("X", "across", "space")),
        ),
        ([{"name": "frame", "type": "time"}, *SPACE[1:]], "TYX", (AxisName("T", "frame", "time"),)),
    ],
)  # fmt: skip
def test_axes_of_other_names(tmp_path, words, axes, names):
    make(tmp_path / "a.zarr", {"axes": words})
    with open_reader(tmp_path / "a.zarr") as source:
        assert (source.axes, source.metadata.axis_names) == (axes, names)
        assert source.metadata.axes[0] == AxisScale(axes[0], 2, words[0].get("unit", ""), 10)


def test_axes_in_sequence_of_one_letter_are_told_apart(tmp_path):
    words = [{"name": "one"}, {"name": "two"}, *SPACE[1:]]
    group = make(tmp_path / "a.zarr", {"axes": words, **datasets()}, shape=(2, 3, 20, 30))
    assert group["0"].ndim == 4
    with open_reader(tmp_path / "a.zarr") as source:
        assert source.axes == "QRYX"
        assert [item.name for item in source.metadata.axis_names] == ["one", "two"]


def test_channels_attributes_and_labels(tmp_path):
    omero = {
        "channels": [{"label": "DAPI", "color": "0000FF", "window": {"start": 5, "end": 90}}],
        "rdefs": {"model": "color"},
        "version": "0.4",
    }
    label = {"version": "0.4", "colors": [{"label-value": 1, "rgba": [1, 2, 3, 4]}]}
    make(
        tmp_path / "a.zarr", {"axes": SPACE}, block={"omero": omero, "image-label": label},
        project="mitosis", microscope={"maker": "someone"},
    )  # fmt: skip
    with open_reader(tmp_path / "a.zarr") as source:
        metadata = source.metadata
    assert metadata.channels == (Channel("DAPI", "0000FF", (("window", {"start": 5, "end": 90}),)),)
    assert metadata.display == (("rdefs", {"model": "color"}),)
    assert metadata.attributes == (("project", "mitosis"), ("microscope", {"maker": "someone"}))
    assert metadata.label_facts == (("version", "0.5"), ("colors", label["colors"]))


NEW_AXES = {"coordinateSystems": [{"name": "world", "axes": SPACE}]}


@pytest.mark.parametrize("output", ["world", {"name": "world"}])
def test_newer_versions_are_read_as_far_as_they_are_known(tmp_path, output):
    both = {"type": "sequence", "transformations": [SCALE, MOVED], "output": output, "input": "0"}
    make(tmp_path / "a.zarr", {**NEW_AXES, **datasets(both)}, version="0.6.dev1")
    with open_reader(tmp_path / "a.zarr") as source:
        assert source.axes == "ZYX"
        assert [(axis.step, axis.origin) for axis in source.metadata.axes] == [
            (2, 10), (0.5, 20), (0.25, 30)
        ]  # fmt: skip
        assert "OME-Zarr 0.6.dev1 is newer than 0.5" in source.notes[0]


@pytest.mark.parametrize(
    "block", [{"multiscales": [{"arrays": ["0"]}]}, {"multiscales": None, "image": {"arrays": 1}}]
)
def test_newer_versions_of_another_structure_are_called_so(tmp_path, block):
    make(tmp_path / "a.zarr", {"axes": SPACE}, version="0.7", block=block)
    with pytest.raises(FileError, match=r"OME-Zarr version 0\.7 is newer than this program knows"):
        open_reader(tmp_path / "a.zarr")


@pytest.mark.parametrize("version", [2, 3])
def test_groups_that_are_no_image_name_one(tmp_path, version):
    path = tmp_path / "a.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=version)

    def describe(node, words):
        node.attrs.update(words if version == 2 else {"ome": words})

    well = group.create_group("A/1")
    describe(group, {"plate": {"wells": [{"path": "A/1"}]}})
    describe(well, {"well": {"images": [{"path": "0"}]}})
    with pytest.raises(FileError, match="a plate of wells: name an image in it, such as A/1/0"):
        open_reader(path)
    with pytest.raises(FileError, match="a well of a plate: name an image in it, such as 0"):
        open_reader(path / "A" / "1")
    describe(group.create_group("labels"), {"labels": ["nuclei", "cells"]})
    with pytest.raises(FileError, match=r"a group of labels: name one of them \(nuclei, cells\)"):
        open_reader(path / "labels")


def collection(path, names=("0", "1", "2"), listed=None):
    """Write a collection as bioformats2raw does, with images of a level 0 alone."""
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    for name in names:
        make(path / name, {"axes": SPACE})
    if listed is not None:
        group.create_group("OME").attrs["series"] = listed
    return path


def test_collections_say_that_others_are_left(tmp_path):
    with open_reader(collection(tmp_path / "a.zarr"), series=2) as source:
        assert source.series_count == 3
        assert source.notes == ("only image 3 of the 3 in the collection is read",)
        assert source.metadata.axes[0] == AxisScale("Z", 2, "micrometer", 10)
    with pytest.raises(FileError, match="series 3 asked, 3 there"):
        open_reader(tmp_path / "a.zarr", series=3)


def test_collections_list_their_images(tmp_path):
    path = collection(tmp_path / "a.zarr", ["first", "second"], ["second", "first"])
    with open_reader(path) as source:
        assert source.series_count == 2
    path = collection(tmp_path / "b.zarr", ["first"], ["first", "gone"])
    with pytest.raises(FileError, match="damaged: no image 'gone'"):
        open_reader(path, series=1)


def test_collections_have_an_ome_xml_of_their_own(tmp_path):
    path = collection(tmp_path / "a.zarr", ["0", "1"])
    document = tifffile.OmeXml(Creator="a microscope")
    for name in ("overview", "cells"):
        document.addimage(
            np.dtype("u1"), (3, 20, 30), (3, 1, 1, 20, 30, 1), axes="ZYX", Name=name,
            AcquisitionDate="2020-05-04T03:02:01", PhysicalSizeX=99.0,
            Channel={"Name": ["DAPI"], "Color": [65535]},
        )  # fmt: skip
    (path / "OME").mkdir()
    (path / "OME" / "METADATA.ome.xml").write_text(document.tostring())
    with open_reader(path, series=1) as source:
        metadata = source.metadata
    assert metadata.name == "cells"
    assert metadata.channels == (Channel("DAPI", "0000FF"),)
    assert "2020-05-04" in metadata.ome
    # Of the level that is read, the Zarr itself says where its pixels lie.
    assert metadata.axes[2] == AxisScale("X", 0.25, "micrometer", 30)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chunks": [0, 0]}, "damaged Zarr: chunks of shape"),
        ({"compressor": {"id": "nosuch"}}, "not supported Zarr: codec not available"),
        ({"dtype": "|O"}, "not supported Zarr: No Zarr data type"),
        ({"dtype": [["a", "<u2"]], "fill_value": None}, "real numbers are"),
        ({"shape": [20, 30, 1]}, "damaged Zarr"),
        ({"fill_value": "words"}, "damaged Zarr"),
    ],
)
def test_arrays_that_cannot_be_read(tmp_path, change, message, capfd):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, shape=(20, 30), chunks=(8, 8), dtype="u2", zarr_format=2)
    document = path / ".zarray"
    document.write_text(json.dumps(json.loads(document.read_text()) | change))
    with pytest.raises(FileError, match=message):
        open_reader(path)
    assert capfd.readouterr().err == ""


# -- plain Zarr -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", [2, 3])
def test_groups_of_xarray(tmp_path, version):
    xarray = pytest.importorskip("xarray")
    rows, cols = 50 - 0.25 * np.arange(20), 7 + 0.5 * np.arange(30)
    array = xarray.DataArray(
        np.ones((20, 30), np.float32), dims=("lat", "lon"), attrs={"units": "K", "long_name": "t"},
        coords={"lat": ("lat", rows, {"units": "degree"}), "lon": cols, "crs": 0},
        name="temperature",
    )  # fmt: skip
    array.encoding["_FillValue"] = -999.0
    array.to_zarr(tmp_path / "a.zarr", zarr_format=version, consolidated=version == 2)
    with open_reader(tmp_path / "a.zarr") as source:
        assert source.axes == "YX"
        metadata = source.metadata
        assert metadata.axes == (AxisScale("Y", -0.25, "degree", 50), AxisScale("X", 0.5, "", 7))
        assert metadata.axis_names == (AxisName("Y", "lat"), AxisName("X", "lon"))
        assert metadata.nodata == -999
        assert dict(metadata.attributes) == {"units": "K", "long_name": "t"}
        assert source.notes == ("arrays beside it left out: crs",)


def test_uneven_coordinates_are_told(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("v", shape=(20, 30), dtype="u1", dimension_names=("y", "x"))
    group.create_array("y", shape=20, dtype="f8")[...] = np.arange(20) ** 2
    with open_reader(tmp_path / "a.zarr") as source:
        assert source.metadata.axes == ()
        assert source.notes == ("coordinates y, which are not evenly spaced numbers, left out",)


def test_a_damaged_array_of_a_group_is_told_once(tmp_path, capfd):
    path = tmp_path / "a.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    for name in "abc":
        group.create_array(name, shape=(20, 30), dtype="u1")
        (path / name / ".zarray").write_text("{")
    (path / "words.txt").write_text("no array")
    with pytest.raises(FileError, match="damaged Zarr"):
        open_reader(path)
    assert capfd.readouterr().err == ""


# -- places on earth ------------------------------------------------------------------------

TRANSFORM = [10.0, 0.0, 400000.0, 0.0, -20.0, 5008000.0]
PLACED = {
    "proj:code": "EPSG:32632", "spatial:dimensions": ["y", "x"], "spatial:transform": TRANSFORM,
}  # fmt: skip


def place_of(path, **options):
    with open_reader(path, **options) as source:
        return source.metadata.georeference, source.notes


@pytest.mark.parametrize(
    ("changes", "transform"),
    [
        ({}, TRANSFORM),
        ({"spatial:registration": "node"}, [10, 0, 399995, 0, -20, 5008010]),
        ({"spatial:transform": None, "spatial:bbox": [0, 0, 600, 100]}, [20, 0, 0, 0, -5, 100]),
        ({"proj:code": None, "proj:projjson": "json"}, TRANSFORM),
    ],
)
def test_conventions_on_places(tmp_path, changes, transform):
    pyproj = pytest.importorskip("pyproj")
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(20, 30), chunks=(8, 8), dtype="u2", dimension_names=["y", "x"]
    )
    attributes = PLACED | changes
    if "proj:projjson" in changes:
        attributes["proj:projjson"] = pyproj.CRS("EPSG:32632").to_json_dict()
    array.attrs.update({key: value for key, value in attributes.items() if value is not None})
    place, notes = place_of(tmp_path / "a.zarr")
    assert place.transform == tuple(transform)
    assert stated_system(place.keys)[0] == "EPSG:32632"
    assert notes == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"spatial:transform_type": "rpc"}, "by 'rpc', which is not known"),
        ({"spatial:dimensions": ["z", "y"]}, "that of dimensions"),
        ({"spatial:transform": [1, 2]}, "neither transform nor bounds"),
        ({"spatial:transform": [0, 0, 1, 0, 0, 1]}, "no size"),
        ({"proj:code": "EPSG:1"}, "its system of coordinates is left out"),
    ],
)
def test_places_that_are_not_understood_are_told(tmp_path, changes, told):
    pytest.importorskip("pyproj")
    group = make(tmp_path / "a.zarr", {"axes": SPACE, **datasets(SCALE)})
    group.attrs.update(PLACED | changes)
    place, notes = place_of(tmp_path / "a.zarr")
    assert (place is None or not place.is_placed) != ("proj:code" in changes)
    assert any(told in note for note in notes)


def test_grid_mappings_of_xarray(tmp_path):
    """As rioxarray and odc-geo write them, with a transform or with coordinates alone."""
    xr = pytest.importorskip("xarray")
    pyproj = pytest.importorskip("pyproj")
    places = {"y": 47 - 0.5 * np.arange(20), "x": 6 + 0.25 * np.arange(30)}
    array = xr.DataArray(np.zeros((20, 30)), places, ("y", "x"), "height")
    for number, words in enumerate(({}, {"GeoTransform": "5.875 0.25 0 47.25 0 -0.5"})):
        system = {"crs_wkt": pyproj.CRS("EPSG:4326").to_wkt(), **words}
        placed = array.assign_coords(spatial_ref=xr.Variable((), 0, system))
        placed.encoding["grid_mapping"] = "spatial_ref"
        path = tmp_path / f"{number}.zarr"
        placed.to_zarr(path, zarr_format=2, consolidated=True)
        place, notes = place_of(path)
        assert place.transform == (0.25, 0, 5.875, 0, -0.5, 47.25)
        assert stated_system(place.keys)[0] == "EPSG:4326"
        assert notes == ()
