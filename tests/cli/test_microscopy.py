"""Stacks of microscopes: axes, sizes, positions and channels of results, whole and by tiles."""

import re

import numpy as np
import pytest
import tifffile

WAYS = [(), ("--tile", 64)]
STACK = np.random.default_rng(3).integers(0, 60_000, (2, 3, 40, 56)).astype(np.uint16)
SIZES = {
    "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.25,
    "PhysicalSizeYUnit": "µm", "PhysicalSizeZ": 2.0, "PhysicalSizeZUnit": "µm",
}  # fmt: skip


def attributes(path, pattern):
    with tifffile.TiffFile(path) as file:
        return re.findall(pattern, file.ome_metadata or "")


def stated(path):
    """Return the sizes, increments and positions that OME-XML states, each once."""
    return dict(attributes(path, r'((?:PhysicalSize|TimeIncrement|Position|DeltaT)\w*)="([^"]*)"'))


@pytest.mark.parametrize("way", WAYS)
def test_ome_tiff_keeps_axes_sizes_and_channels(run, tmp_path, way):
    tifffile.imwrite(
        tmp_path / "in.ome.tif", STACK, ome=True, photometric="minisblack",
        metadata={
            "axes": "CZYX", "Name": "Cells", **SIZES,
            "Channel": {"Name": ["DAPI", "GFP"], "Color": [65535, -16776961]},
        },
    )  # fmt: skip
    done = run("resize", tmp_path / "in.ome.tif", "-o", tmp_path / "o.ome.tif", "--scale", 2, *way)
    assert (done.exit_code, "note" in done.output) == (0, False)
    with tifffile.TiffFile(tmp_path / "o.ome.tif") as file:
        assert (file.series[0].axes, file.series[0].shape) == ("CZYX", (2, 3, 80, 112))
    assert stated(tmp_path / "o.ome.tif") == {
        "PhysicalSizeX": "0.25", "PhysicalSizeXUnit": "µm", "PhysicalSizeY": "0.125",
        "PhysicalSizeYUnit": "µm", "PhysicalSizeZ": "2.0", "PhysicalSizeZUnit": "µm",
    }  # fmt: skip
    names = attributes(tmp_path / "o.ome.tif", r'(?:Channel|Image) [^>]*Name="([^"]*)"')
    assert names == ["Cells", "DAPI", "GFP"]
    assert attributes(tmp_path / "o.ome.tif", r'Color="([^"]*)"') == ["65535", "-16776961"]


@pytest.mark.parametrize("way", WAYS)
def test_imagej_hyperstacks_stay_such(run, tmp_path, way):
    path, out = tmp_path / "in.tif", tmp_path / "o.tif"
    tifffile.imwrite(
        path, STACK[None], imagej=True, resolution=(2.0, 4.0),
        metadata={
            "axes": "TZCYX", "unit": "um", "spacing": 1.5, "finterval": 0.1, "zorigin": 1.0,
            "xorigin": 10.0, "Ranges": (0.0, 99.0, 5.0, 800.0, 1.0, 2.0), "mode": "composite",
            "Labels": [f"plane {at}" for at in range(6)], "Info": "made by hand",
        },
    )  # fmt: skip
    done = run("resize", path, "-o", out, "--scale", 2, *way)
    assert (done.exit_code, "note" in done.output) == (0, False)
    with tifffile.TiffFile(path) as before, tifffile.TiffFile(out) as after:
        assert (after.series[0].axes, after.series[0].shape) == ("ZCYX", (2, 3, 80, 112))
        assert after.byteorder == ">"
        said = dict(after.imagej_metadata)
        assert said.pop("xorigin") == 20.0
        assert said == {
            key: value for key, value in before.imagej_metadata.items() if key != "xorigin"
        }
        assert after.pages[0].tags["XResolution"].value == (4, 1)
        assert after.pages[0].tags["YResolution"].value == (8, 1)
        stored = after.series[0].asarray()
    for index in np.ndindex(2, 3):
        tifffile.imwrite(tmp_path / "plane.tif", STACK[index])
        run("resize", tmp_path / "plane.tif", "-o", tmp_path / "p.tif", "--scale", 2, "--overwrite")
        np.testing.assert_array_equal(stored[index], tifffile.imread(tmp_path / "p.tif"))
