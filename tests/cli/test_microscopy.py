"""Stacks of microscopes and slides: what results say of their pixels, whole and by tiles."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import tifffile
from support.microscopes import write_fluoview, write_lsm, write_ome, write_slide, write_stk

from lerf_core.io.reading import open_reader

WAYS = [(), ("--tile", 64)]
STACK = np.random.default_rng(3).integers(0, 60_000, (2, 3, 40, 56)).astype(np.uint16)
SIZES = {
    "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.25,
    "PhysicalSizeYUnit": "µm", "PhysicalSizeZ": 2.0, "PhysicalSizeZUnit": "µm",
}  # fmt: skip


NAMESPACE = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"
SLIDE = np.random.default_rng(5).integers(0, 256, (256, 320, 3)).astype(np.uint8)


def document(path):
    """Return the OME-XML of a file."""
    with tifffile.TiffFile(path) as file:
        return ET.fromstring(file.ome_metadata)


def elements(root, name):
    return list(root.iter(NAMESPACE + name))


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


@pytest.mark.parametrize("way", WAYS)
def test_ome_xml_keeps_what_lerf_does_not_know(run, tmp_path, way):
    stack = np.random.default_rng(1).integers(0, 4096, (3, 2, 2, 48, 64)).astype(np.uint16)
    path, out = tmp_path / "in.ome.tif", tmp_path / "o.ome.tif"
    write_ome(path, stack)
    done = run("resize", path, "-o", out, "--scale", "0.5x0.25", *way)
    assert "only image 1 of the 2 in the file is read" in done.output
    assert "regions of interest dropped" in done.output
    root = document(out)
    (image,), (pixels,) = elements(root, "Image"), elements(root, "Pixels")
    assert image.get("Name") == "Zellen µ"
    assert {key: pixels.get(key) for key in pixels.attrib if key != "ID"} == {
        "SignificantBits": "12", "DimensionOrder": "XYZCT", "Type": "uint16", "SizeX": "32",
        "SizeY": "12", "SizeZ": "2", "SizeC": "2", "SizeT": "3", "PhysicalSizeX": "130.0",
        "PhysicalSizeXUnit": "nm", "PhysicalSizeY": "260.0", "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": "0.3", "PhysicalSizeZUnit": "µm", "TimeIncrement": "250.0",
        "TimeIncrementUnit": "ms",
    }  # fmt: skip
    for name in (
        "Laser",
        "Detector",
        "LightSourceSettings",
        "AcquisitionDate",
        "M",
        "Experimenter",
    ):
        assert len(elements(root, name)) == 1
    assert [element.text for element in elements(root, "Description")] == ["a <b> µ"]
    assert elements(root, "Objective")[0].attrib == {
        "ID": "Objective:0", "NominalMagnification": "63.0", "LensNA": "1.4",
    }  # fmt: skip
    assert [element.get("ID") for element in elements(root, "ImageRef")] == ["Image:0"]
    assert elements(root, "ROI") == elements(root, "ROIRef") == []
    assert elements(root, "Channel")[0].get("EmissionWavelength") == "461"
    last = elements(root, "Plane")[-1].attrib
    # Half a pixel of the result less half a pixel of the source, to the right and down.
    assert (float(last["PositionX"]), last["PositionXUnit"]) == (100_032.5, "nm")
    assert (float(last["PositionY"]), last["PositionYUnit"]) == (-19_902.5, "nm")
    assert (last["PositionZ"], last["DeltaT"], last["ExposureTime"]) == ("5.3", "1.5", "0.2")
    with open_reader(out) as reader:
        assert (reader.axes, reader.shape) == ("TCZYX", (3, 2, 2, 12, 32))


def test_another_image_of_a_file(run, tmp_path):
    stack = np.random.default_rng(1).integers(0, 4096, (3, 2, 2, 48, 64)).astype(np.uint16)
    write_ome(tmp_path / "in.ome.tif", stack)
    run("resize", tmp_path / "in.ome.tif", "-o", tmp_path / "o.tif", "--scale", 1, "--series", 1)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "o.tif"), stack[0, 0, 0, :12, :10])


def test_strip_leaves_sizes_and_channels_alone(run, tmp_path):
    stack = np.zeros((3, 2, 2, 48, 64), np.uint16)
    write_ome(tmp_path / "in.ome.tif", stack)
    run("resize", tmp_path / "in.ome.tif", "-o", tmp_path / "o.ome.tif", "--scale", 2, "--strip")
    root = document(tmp_path / "o.ome.tif")
    assert not any(
        elements(root, name)
        for name in ("Experimenter", "AcquisitionDate", "Description", "Instrument", "M")
    )
    assert elements(root, "Pixels")[0].get("PhysicalSizeX") == "32.5"
    assert [channel.get("Name") for channel in elements(root, "Channel")] == ["DAPI", "GFP"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("turn", "placed", "note"),
    [
        (("--matrix", "1,0,8,0,1,0,0,0,1"), {"PositionX", "PositionY"}, None),
        (("--rotate", 90), {"PositionX"}, "position along Y (mirrored) dropped"),
        (("--rotate", 30), set(), "position dropped"),
    ],
)
def test_warps_of_stacks(run, tmp_path, way, turn, placed, note):
    write_ome(tmp_path / "in.ome.tif", np.zeros((3, 2, 2, 48, 64), np.uint16))
    out = tmp_path / "o.ome.tif"
    done = run("warp", tmp_path / "in.ome.tif", "-o", out, *turn, *way)
    assert ("position" in done.output) == (note is not None)
    assert note is None or note in done.output
    root = document(out)
    pixels = elements(root, "Pixels")[0]
    assert (pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeZ")) == ("65.0", "0.3")
    plane = set(elements(root, "Plane")[0].attrib)
    assert {key for key in plane if key in {"PositionX", "PositionY"}} == placed
    assert "PositionZ" in plane


def test_warps_that_bend_pixels_leave_no_size(run, tmp_path):
    write_ome(tmp_path / "in.ome.tif", np.zeros((3, 2, 2, 48, 64), np.uint16))
    shear = ("--matrix", "1,0.5,0,0,1,0,0,0,1")
    done = run("warp", tmp_path / "in.ome.tif", "-o", tmp_path / "o.ome.tif", *shear)
    assert "pixel size dropped" in done.output
    assert set(stated(tmp_path / "o.ome.tif")) == {
        "PhysicalSizeZ", "PhysicalSizeZUnit", "TimeIncrement", "TimeIncrementUnit", "PositionZ",
        "PositionZUnit", "DeltaT",
    }  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("write", "name", "axes", "sizes"),
    [
        (write_lsm, "a.lsm", "ZCYX", {"X": "0.05", "Y": "0.1", "Z": "1.5"}),
        (write_stk, "a.stk", "ZYX", {"X": "0.125", "Y": "0.25", "Z": "2.0"}),
        (write_fluoview, "a.tif", "TYX", {"X": "0.15", "Y": "0.2"}),
    ],
)
def test_other_stacks_become_ome_tiff(run, tmp_path, way, write, name, axes, sizes):
    stack = (STACK.reshape(2, 3, 40, 56) >> 8).astype(np.uint8)
    write(tmp_path / name, stack if axes == "ZCYX" else stack[0])
    run("resize", tmp_path / name, "-o", tmp_path / "o.tif", "--scale", 2, *way)
    with open_reader(tmp_path / "o.tif") as reader:
        assert (reader.format, reader.axes) == ("OME-TIFF", axes)
        assert reader.shape[-2:] == (80, 112)
    said = stated(tmp_path / "o.tif")
    assert {letter: said.get(f"PhysicalSize{letter}") for letter in sizes} == sizes
    assert said.get("TimeIncrement") == ("1.25" if axes == "TYX" else None)
    if name == "a.lsm":
        names = attributes(tmp_path / "o.tif", r'Channel [^>]*Name="([^"]*)"')
        assert names == ["Ch1-T1", "Ch2-T2", "ChD"]


@pytest.mark.parametrize("options", [(), ("--tile", 64), ("--level", 1)])
@pytest.mark.parametrize("name", ["o.tif", "o.ome.tif"])
def test_slides_state_their_true_scale(run, tmp_path, options, name):
    path, out = tmp_path / "a.svs", tmp_path / name
    write_slide(path, SLIDE)
    done = run("resize", path, "-o", out, "--scale", 0.5, *options)
    assert "the slide itself is read: label, macro, thumbnail left out" in done.output
    step = 2 if "--level" in options else 1
    size = 0.998 * step
    with tifffile.TiffFile(out) as file:
        page = file.pages[0]
        assert page.shape == (128 // step, 160 // step, 3)
        assert page.is_tiled
        across, by = page.tags["XResolution"].value
        assert by / across * 10_000 == pytest.approx(size)
        assert page.resolutionunit == 3
        texts = [tag.value for tag in page.tags if isinstance(tag.value, str)]
        assert not any("MPP" in text or "AppMag" in text for text in texts)
    assert stated(out)["PhysicalSizeX"] == str(size)
    objective = elements(document(out), "Objective")[0]
    assert float(objective.get("NominalMagnification")) == 10 / step
    with open_reader(out) as reader:
        assert reader.metadata.magnification == 10 / step
        assert reader.metadata.axis("Y").step == size
        assert b"ScanScope ID = X1" in reader.metadata.exif
        assert reader.metadata.ome is None
    # And again, from the result.
    run("resize", out, "-o", tmp_path / "again.tif", "--scale", 0.5)
    with open_reader(tmp_path / "again.tif") as reader:
        assert reader.metadata.magnification == 5 / step
        assert reader.metadata.axis("X").step == 2 * size


@pytest.mark.parametrize("name", ["o.png", "o.jpg", "o.zarr"])
def test_slides_in_other_formats_are_the_slide_alone(run, tmp_path, name):
    write_slide(tmp_path / "a.svs", SLIDE)
    done = run("resize", tmp_path / "a.svs", "-o", tmp_path / name, "--scale", 0.5)
    assert "label, macro, thumbnail left out" in done.output
    assert "magnification" in done.output
    with open_reader(tmp_path / name) as reader:
        assert reader.shape in {(128, 160, 3), (3, 128, 160)}
        if name == "o.zarr":
            assert reader.metadata.axis("X").step == 0.998


def test_openslide_reads_the_scale_of_a_slide(run, tmp_path):
    openslide = pytest.importorskip("openslide")
    write_slide(tmp_path / "a.svs", SLIDE)
    run("resize", tmp_path / "a.svs", "-o", tmp_path / "o.tif", "--scale", 0.5)
    with openslide.OpenSlide(tmp_path / "o.tif") as slide:
        assert slide.dimensions == (160, 128)
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.998)
        assert slide.properties.get("openslide.objective-power") in {None, "10"}


def test_pipes_of_stacks(run, tmp_path):
    write_slide(tmp_path / "a.svs", SLIDE)
    for number, name in enumerate(["a.svs", "b.ome.tif"]):
        if number:
            write_ome(tmp_path / name, np.ones((3, 2, 2, 48, 64), np.uint16))
        data = (tmp_path / name).read_bytes()
        run("resize", "-", "-o", tmp_path / "file.tif", "--scale", 2, "--overwrite", stdin=data)
        made = run("resize", "-", "-o", "-", "--scale", 2, stdin=data).stdout_bytes
        (tmp_path / "pipe.tif").write_bytes(made)
        run("resize", tmp_path / name, "-o", tmp_path / "o.tif", "--scale", 2, "--overwrite")
        for other in ("file.tif", "pipe.tif"):
            with open_reader(tmp_path / "o.tif") as wanted, open_reader(tmp_path / other) as had:
                assert (had.metadata, had.axes) == (wanted.metadata, wanted.axes)
                np.testing.assert_array_equal(had[...], wanted[...])


def test_pixels_that_ome_tiff_does_not_hold(run, tmp_path):
    """Plain TIFF says how large pixels are by its resolution."""
    path = tmp_path / "in.tif"
    pixels = np.arange(40 * 56, dtype=np.float16).reshape(40, 56)
    text = b"AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 500 nm\r\n\0"
    tags = [(34118, 2, len(text), text, True)]
    tifffile.imwrite(path, pixels, metadata=None, extratags=tags)
    run("resize", path, "-o", tmp_path / "o.tif", "--scale", 2)
    with tifffile.TiffFile(tmp_path / "o.tif") as file:
        assert file.pages[0].dtype == np.float16
        assert file.pages[0].resolutionunit == 3
        assert file.pages[0].tags["XResolution"].value == (40_000, 1)


RAMP = np.zeros((3, 256), np.uint16)
RAMP[1] = np.arange(256) * 257


@pytest.mark.parametrize("way", WAYS)
def test_colour_tables_that_imagej_shows_images_by(run, tmp_path, way):
    """The pixels are measured values; the table is kept beside them."""
    grey = (STACK[0, 0] >> 8).astype(np.uint8)
    options = {"imagej": True, "resolution": (2, 2), "metadata": {"axes": "YX", "unit": "um"}}
    tifffile.imwrite(tmp_path / "in.tif", grey, colormap=RAMP, **options)
    tifffile.imwrite(tmp_path / "grey.tif", grey, **options)
    for name in ("in.tif", "grey.tif"):
        run("resize", tmp_path / name, "-o", tmp_path / f"o-{name}", "--scale", 2, *way)
    with tifffile.TiffFile(tmp_path / "o-in.tif") as file:
        np.testing.assert_array_equal(file.pages[0].colormap, RAMP)
        np.testing.assert_array_equal(file.asarray(), tifffile.imread(tmp_path / "o-grey.tif"))
        assert file.imagej_metadata["unit"] == "um"
    run("resize", tmp_path / "in.tif", "-o", tmp_path / "o.ome.tif", "--scale", 2, *way)
    assert attributes(tmp_path / "o.ome.tif", r'Color="([^"]*)"') == [str(0x00FF00FF)]
    run(
        "resize", tmp_path / "in.tif", "-o", tmp_path / "o16.tif", "--scale", 2, "--depth", 16, *way
    )
    with tifffile.TiffFile(tmp_path / "o16.tif") as file:
        np.testing.assert_array_equal(file.imagej_metadata["LUTs"], RAMP >> 8)
    # Colours in no order are a palette of the image.
    shuffled = np.random.default_rng(2).permutation(RAMP, axis=1)
    tifffile.imwrite(tmp_path / "p.tif", grey, colormap=shuffled, **options)
    done = run("resize", tmp_path / "p.tif", "-o", tmp_path / "o-p.tif", "--scale", 2, *way)
    assert "palette expanded to RGB" in done.output
    with tifffile.TiffFile(tmp_path / "o-p.tif") as file:
        assert file.series[0].axes == "YXS"


def test_colour_tables_of_channels(run, tmp_path):
    tables = [np.stack([np.arange(256), np.zeros(256), np.arange(256) // 2]).astype(np.uint8)]
    tables.append(np.random.default_rng(4).integers(0, 256, (3, 256)).astype(np.uint8))
    tifffile.imwrite(
        tmp_path / "in.tif", STACK[:, :2], imagej=True,
        metadata={"axes": "ZCYX", "mode": "composite", "LUTs": tables},
    )  # fmt: skip
    run("resize", tmp_path / "in.tif", "-o", tmp_path / "o.tif", "--scale", 2)
    with tifffile.TiffFile(tmp_path / "o.tif") as file:
        assert file.imagej_metadata["mode"] == "composite"
        for kept, table in zip(file.imagej_metadata["LUTs"], tables, strict=True):
            np.testing.assert_array_equal(kept, table)
    run("resize", tmp_path / "in.tif", "-o", tmp_path / "o.ome.tif", "--scale", 2)
    assert attributes(tmp_path / "o.ome.tif", r'Color="([^"]*)"')[0] == str(0xFF007FFF - (1 << 32))


def test_stacks_and_slides_in_folders(run, tmp_path):
    (tmp_path / "in").mkdir()
    write_slide(tmp_path / "in" / "a.svs", SLIDE)
    write_stk(tmp_path / "in" / "b.stk", SLIDE[:3, :, :].transpose(0, 2, 1).copy())
    done = run("resize", tmp_path / "in", "-o", tmp_path / "out/", "--scale", 0.5, code=1)
    assert "cannot write svs: choose another format with --format" in done.output
    arguments = ("--scale", 0.5, "--format", "tiff")
    run("resize", tmp_path / "in", "-o", f"{tmp_path}/out/", *arguments)
    with open_reader(tmp_path / "out" / "a.tif") as reader:
        assert reader.metadata.axis("X").step == 0.998


def test_words_that_xml_cannot_hold(run, tmp_path):
    words = b"a \x01 b \xff <c> &"
    tifffile.imwrite(tmp_path / "in.tif", STACK[0, 0], description=words, metadata=None)
    run("resize", tmp_path / "in.tif", "-o", tmp_path / "o.ome.tif", "--scale", 2)
    (description,) = elements(document(tmp_path / "o.ome.tif"), "Description")
    assert description.text == "a  b \ufffd <c> &"


@pytest.mark.parametrize("way", WAYS)
def test_display_windows_of_another_depth_are_dropped(run, tmp_path, way):
    said = {"axes": "ZCYX", "Ranges": (0.0, 99.0) * 3, "min": 0.0, "max": 99.0, "Info": "dish"}
    tifffile.imwrite(tmp_path / "in.tif", STACK, imagej=True, metadata=said)
    out = tmp_path / "o.tif"
    done = run("resize", tmp_path / "in.tif", "-o", out, "--scale", 2, "--depth", 8, *way)
    assert "display windows dropped" in done.output
    with tifffile.TiffFile(out) as file:
        kept = file.imagej_metadata
        assert file.pages[0].dtype == np.uint8
    assert kept["Info"] == "dish"
    assert not {"Ranges", "min", "max"} & set(kept)
