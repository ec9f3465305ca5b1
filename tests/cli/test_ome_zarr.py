"""What an OME-Zarr says is true of its result: resized, warped, by way of other formats."""

from __future__ import annotations

import numpy as np
import pytest
from support.cli import run_lerf

zarr = pytest.importorskip("zarr")

AXES = [
    {"name": "t", "type": "time", "unit": "second"},
    {"name": "c", "type": "channel"},
    *({"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"),
]
WINDOW = {"min": 0, "max": 255, "start": 5, "end": 99}
CHANNELS = [
    {"label": name, "color": colour, "window": WINDOW, "active": True}
    for name, colour in (("DAPI", "0000FF"), ("GFP", "00FF00"))
]


def make(path, *, version="0.4", axes=AXES, shape=(2, 2, 3, 64, 96), scale=(5, 1, 2, 0.5, 0.25),
         translation=(0, 0, 10, 20, 30), **attributes):  # fmt: skip
    """Write an image that states what OME-Zarr can."""
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    pixels = np.random.default_rng(0).integers(0, 99, shape, np.uint8)
    chunks = (1,) * (len(shape) - 2) + (32, 32)
    group.create_array("0", shape=shape, chunks=chunks, dtype="u1")[...] = pixels
    placed = [
        {"type": "scale", "scale": list(scale)},
        {"type": "translation", "translation": list(translation)},
    ]
    datasets = [{"path": "0", "coordinateTransformations": placed}]
    entry = {"name": "embryo", "axes": axes, "datasets": datasets}
    omero = {"channels": CHANNELS, "rdefs": {"model": "color"}}
    block = {"omero": omero} if "c" in [axis["name"] for axis in axes] else {}
    if version == "0.4":
        group.attrs.update({"multiscales": [entry | {"version": "0.4"}], **block, **attributes})
    else:
        words = {"version": version, "multiscales": [entry], **block}
        group.attrs.update({"ome": words, **attributes})
    return path


def said(path, level=0):
    """Return the description of a result, the axes of its image, and a level's placement."""
    ome = zarr.open_group(path, mode="r").attrs["ome"]
    (entry,) = ome["multiscales"]
    placed = entry["datasets"][level]["coordinateTransformations"]
    return ome, entry["axes"], [step[step["type"]] for step in placed]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_steps_units_and_positions_of_all_axes(tmp_path, version):
    out = tmp_path / "out.zarr"
    result = run_lerf("resize", make(tmp_path / "in.zarr", version=version, project="x"),
                      "-o", out, "--scale", "2", "--pyramid", "2")  # fmt: skip
    assert ": note:" not in result.output
    ome, axes, placed = said(out)
    assert (ome["version"], ome["multiscales"][0]["name"]) == ("0.5", "embryo")
    assert axes == AXES
    assert placed == [[5, 1, 2, 0.25, 0.125], [0, 0, 10, 19.875, 29.9375]]
    assert said(out, 1)[2] == [[5, 1, 2, 0.5, 0.25], [0, 0, 10, 20, 30]]
    assert ome["omero"] == {"channels": CHANNELS, "rdefs": {"model": "color"}}
    assert zarr.open_group(out, mode="r").attrs["project"] == "x"


def test_a_level_of_the_source_says_where_it_lies(tmp_path):
    run_lerf("resize", make(tmp_path / "in.zarr"), "-o", tmp_path / "one.zarr", "--scale", "1",
             "--pyramid", "3")  # fmt: skip
    run_lerf("resize", tmp_path / "one.zarr", "-o", tmp_path / "out.zarr", "--scale", "0.5",
             "--level", "1")  # fmt: skip
    assert said(tmp_path / "out.zarr")[2] == said(tmp_path / "one.zarr", 2)[2]


@pytest.mark.parametrize(
    ("options", "steps", "origins"),
    [
        (["--matrix", "1 0 4  0 1 -8  0 0 1"], [0.5, 0.25], [24, 29]),
        (["--matrix", "2 0 0  0 2 0  0 0 1", "--size", "192x128"], [0.25, 0.125], [20, 30]),
        (["--matrix", "0 1 0  1 0 0  0 0 1", "--size", "64x96"], [0.25, 0.5], [30, 20]),
    ],
)
def test_warps_that_keep_rows_and_columns_say_where_they_lie(tmp_path, options, steps, origins):
    out = tmp_path / "out.zarr"
    run_lerf("warp", make(tmp_path / "in.zarr"), "-o", out, *options)
    assert said(out)[2] == [[5, 1, 2, *steps], [0, 0, 10, *origins]]


def test_a_shear_leaves_no_pixel_size(tmp_path):
    out = tmp_path / "out.zarr"
    result = run_lerf("warp", make(tmp_path / "in.zarr"), "-o", out, "--shear", "9")
    assert "pixel size dropped: this warp leaves no true one" in result.output
    _, axes, placed = said(out)
    assert placed[0] == [5, 1, 2, 1, 1]
    assert [axis.get("unit") for axis in axes] == ["second", None, "micrometer", None, None]


def test_axes_of_other_names_and_types(tmp_path):
    axes = [{"name": "angle", "type": "rotation", "unit": "degree"}, *AXES[3:]]
    path = make(tmp_path / "in.zarr", axes=axes, shape=(3, 64, 96), scale=(15, 0.5, 0.25),
                translation=(45, 0, 0))  # fmt: skip
    run_lerf("resize", path, "-o", tmp_path / "out.zarr", "--scale", "2")
    _, kept, placed = said(tmp_path / "out.zarr")
    assert kept == axes
    assert placed == [[15, 0.25, 0.125], [45, -0.125, -0.0625]]
    names = zarr.open_array(tmp_path / "out.zarr" / "0", mode="r").metadata.dimension_names
    assert names == ("angle", "y", "x")
    result = run_lerf("resize", path, "-o", tmp_path / "out.ome.tif", "--scale", "2")
    for words in (
        "axis angle is written as C", "steps along C: dropped", "OME-TIFF cannot hold names of axes"
    ):  # fmt: skip
        assert words in result.output


def test_by_way_of_ome_tiff(tmp_path):
    path = make(tmp_path / "in.zarr")
    run_lerf("resize", path, "-o", tmp_path / "between.ome.tif", "--scale", "2")
    run_lerf("resize", tmp_path / "between.ome.tif", "-o", tmp_path / "out.zarr", "--scale", "0.5")
    ome, axes, placed = said(tmp_path / "out.zarr")
    assert axes == AXES
    np.testing.assert_allclose(placed[0], [5, 1, 2, 0.5, 0.25])
    np.testing.assert_allclose(placed[1], [0, 0, 10, 20, 30])
    assert ome["multiscales"][0]["name"] == "embryo"
    names = [(channel["label"], channel["color"]) for channel in ome["omero"]["channels"]]
    assert names == [("DAPI", "0000FF"), ("GFP", "00FF00")]


def test_display_windows_are_of_one_depth(tmp_path):
    out = tmp_path / "out.zarr"
    path = make(tmp_path / "in.zarr", version="0.5")
    result = run_lerf("resize", path, "-o", out, "--scale", "2", "--depth", "16")
    assert "display windows dropped: the depth is another" in result.output
    window = said(out)[0]["omero"]["channels"][0]["window"]
    assert window == {"min": 0, "max": 65535, "start": 0, "end": 65535}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_results_validate(tmp_path, version):
    models = pytest.importorskip("ome_zarr_models")
    out = tmp_path / "out.zarr"
    run_lerf("resize", make(tmp_path / "in.zarr", version=version), "-o", out, "--scale", "2")
    model = models.open_ome_zarr(zarr.open_group(out, mode="r"))
    assert model.ome_zarr_version == "0.5"
