"""What TIFFs of microscopes and slide scanners say of their pixels, read whole and by tiles."""

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from support.files import plane_axes
from support.microscopes import write_fluoview, write_lsm, write_slide, write_stk
from support.slides import SLIDES

from lerf_core.io.codecs.tiff.documents import parsed
from lerf_core.io.codecs.tiff.microscopes import SERIES_KINDS
from lerf_core.io.codecs.tiff.ome import read_image as read_ome
from lerf_core.io.metadata.model import AxisScale, Channel, Metadata
from lerf_core.io.metadata.units import converted, unit_of
from lerf_core.io.reading import open_reader, read_header, read_image

RNG = np.random.default_rng(11)
STACK = RNG.integers(0, 256, (2, 3, 40, 48)).astype(np.uint8)
SLIDE = RNG.integers(0, 256, (256, 320, 3)).astype(np.uint8)


def read(path, level=0):
    """Return a reader's axes, pixels and metadata; at full size whole reading says the same."""
    with open_reader(path, level=level) as reader:
        pixels, axes, metadata = reader[...], reader.axes, reader.metadata
        notes = reader.notes
    if not level:
        image = read_image(path)
        assert image.metadata == metadata
        assert image.notes == notes
        tail = 3 if "S" in axes else 2
        planes = pixels.reshape(-1, *pixels.shape[-tail:])
        np.testing.assert_array_equal(np.stack(image.frames), planes)
        header = read_header(path)
        assert (header.shape, header.frames) == (planes.shape[1:3], len(planes))
    return axes, pixels, metadata


def test_lsm(tmp_path):
    write_lsm(tmp_path / "a.lsm", STACK)
    axes, pixels, metadata = read(tmp_path / "a.lsm")
    assert axes == "ZCYX"
    np.testing.assert_array_equal(pixels, STACK)
    assert metadata.axes == (
        AxisScale("Z", 1.5, "micrometer", 2.0),
        *plane_axes(0.2, 0.1, "micrometer", (-5.0, 5.0)),
    )
    assert metadata.channels == (
        Channel("Ch1-T1", "FF0000"), Channel("Ch2-T2", "00FF80"), Channel("ChD", "FFFFFF"),
    )  # fmt: skip


def test_stk(tmp_path):
    write_stk(tmp_path / "a.stk", STACK[0])
    axes, pixels, metadata = read(tmp_path / "a.stk")
    assert axes == "ZYX"
    np.testing.assert_array_equal(pixels, STACK[0])
    assert metadata.axes == (
        AxisScale("Z", 2.0, "micrometer", is_placed=False),
        *plane_axes(0.5, 0.25, "micrometer", is_placed=False),
    )
    assert metadata.exif is None  # the texts of its planes are no description of the image


def test_fluoview(tmp_path):
    write_fluoview(tmp_path / "a.tif", STACK[0])
    axes, pixels, metadata = read(tmp_path / "a.tif")
    assert axes == "TYX"
    np.testing.assert_array_equal(pixels, STACK[0])
    assert metadata.axes == (
        AxisScale("T", 1.25, "second", 7.0),
        *plane_axes(0.4, 0.3, "micrometer", is_placed=False),
    )
    assert metadata.name == "drops"


def test_kinds_by_what_tifffile_says_of_them():
    base = SimpleNamespace(axes="ZTCYX", shape=(2, 3, 2, 100, 200), name="a")
    handle = SimpleNamespace(
        micromanager_metadata={
            "Summary": {
                "PixelSize_um": 0.65, "z-step_um": 0.5, "Interval_ms": 20.0,
                "ChNames": ["DAPI", "Cy5"], "ChColors": [255, -1],
            }
        },
        nih_metadata={
            "UnitsID": 6, "XScale": 4.0, "PixelAspectRatio": 2.0, "SliceSpacing": 3.0,
        },
        sis_metadata={"pixelsizex": 2e-7, "pixelsizey": 3e-7, "name": "cells"},
        scanimage_metadata={
            "FrameData": {
                "SI.hRoiManager.scanFramePeriod": 0.033, "SI.hStackManager.stackZStepSize": 5,
                "SI.hRoiManager.imagingFovUm": [[-50, -50], [50, -50], [50, 50], [-50, 50]],
            }
        },
    )  # fmt: skip

    def sizes(kind):
        axes = SERIES_KINDS[kind](handle, base).axes
        return {axis.letter: (axis.step, axis.unit) for axis in axes}

    um = "micrometer"
    assert sizes("mmstack") == {
        "T": (20.0, "millisecond"), "Z": (0.5, um), "Y": (0.65, um), "X": (0.65, um),
    }  # fmt: skip
    assert SERIES_KINDS["mmstack"](handle, base).channels == (
        Channel("DAPI", "0000FF"), Channel("Cy5", "FFFFFF"),
    )  # fmt: skip
    assert sizes("nih") == {"Z": (3.0, um), "Y": (0.5, um), "X": (0.25, um)}
    assert sizes("sis") == {"Y": (0.3, um), "X": (0.2, um)}
    assert sizes("scanimage") == {
        "T": (0.033, "second"), "Z": (5.0, um), "Y": (1.0, um), "X": (0.5, um),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "text", "size"),
    [
        (34118, b"AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 7.5 nm\r\n", (7.5, 7.5)),
        (34682, b"[Scan]\r\nPixelWidth=2.5e-009\r\nPixelHeight=5e-009\r\n", (5.0, 2.5)),
    ],
)
def test_electron_microscopes(tmp_path, code, text, size):
    tifffile.imwrite(
        tmp_path / "a.tif", STACK[0, 0], metadata=None,
        extratags=[(code, 2, len(text) + 1, text + b"\0", True)],
    )  # fmt: skip
    _, _, metadata = read(tmp_path / "a.tif")
    assert metadata.axes == plane_axes(*size, "nanometer", is_placed=False)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_slides_by_level(tmp_path, level):
    path, step = tmp_path / "a.svs", 2**level
    write_slide(path, SLIDE)
    _, pixels, metadata = read(path, level)
    np.testing.assert_array_equal(pixels, SLIDE[::step, ::step])
    shift = 0.499 * (step - 1) / 2
    assert metadata.axes == tuple(
        AxisScale(letter, 0.499 * step, "micrometer", pytest.approx(shift), is_placed=False)
        for letter in "YX"
    )
    assert metadata.magnification == 20 / step
    # What else the scanner said is kept, its sizes and its copy in another tag are not.
    assert b"Date = 01/02/10|ScanScope ID = X1" in metadata.exif
    assert b"MPP" not in metadata.exif
    assert b"Left" not in metadata.exif


@pytest.mark.parametrize("maker", SLIDES)
@pytest.mark.parametrize("level", [0, 1])
def test_slides_of_other_makers(tmp_path, maker, level):
    write, axes = SLIDES[maker]
    write(tmp_path / "a.tif", SLIDE)
    read_axes, pixels, metadata = read(tmp_path / "a.tif", level)
    step = 2**level
    wanted = SLIDE[::step, ::step]
    assert read_axes == axes
    np.testing.assert_array_equal(pixels, wanted if axes == "YXS" else np.moveaxis(wanted, 2, 0))
    assert [(axis.letter, axis.step, axis.unit) for axis in metadata.axes] == [
        ("Y", 0.5 * step, "micrometer"), ("X", 0.5 * step, "micrometer"),
    ]  # fmt: skip
    assert metadata.magnification == (None if maker == "Philips" else 20 / step)
    assert metadata.dpi is None
    assert metadata.xmp is None
    assert b"AOI" not in (metadata.exif or b"")
    if maker == "Akoya":
        assert metadata.channels == (
            Channel("DAPI", "0000FF"), Channel("Opal 520", "00FF00"),
            Channel("Sample AF", "000000"),
        )  # fmt: skip
    with open_reader(tmp_path / "a.tif") as reader:
        assert "the slide itself is read" in " ".join(reader.notes)


def test_arrays_that_name_their_axes(tmp_path):
    words = {"axes": "ZYX", "dish": "7", "pixel_size": 0.5}
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], photometric="minisblack", metadata=words)
    axes, _, metadata = read(tmp_path / "a.tif")
    assert axes == "ZYX"
    assert b'{"dish": "7"}' in metadata.exif
    with open_reader(tmp_path / "a.tif") as reader:
        assert reader.is_described
        assert "words on sizes or places dropped: pixel_size" in reader.notes
    tifffile.imwrite(tmp_path / "b.tif", STACK[0], photometric="minisblack")
    with open_reader(tmp_path / "b.tif") as reader:
        assert not reader.is_described  # pages
        assert reader.metadata.exif is None


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        ('SizeT="2"', 'SizeT="many"', "damaged description left out"),
        ("Pixels", "Pixxls", "OME-XML that does not go with the pages left out"),
        ('SizeX="48"', 'SizeX="480"', ""),
    ],
)
def test_damaged_ome_xml_costs_the_description_alone(tmp_path, old, new, note):
    text = ome().replace(old, new)
    tifffile.imwrite(tmp_path / "a.tif", STACK[0, 0], description=text.encode(), metadata=None)
    with open_reader(tmp_path / "a.tif") as reader:
        assert note in " ".join(reader.notes)
        np.testing.assert_array_equal(reader[...].reshape(40, 48), STACK[0, 0])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").frames[0], STACK[0, 0])


def ome(pixels="", inner="", rest="", image=""):
    return (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0">{image}<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" '
        f'SizeX="48" SizeY="40" SizeZ="3" SizeC="1" SizeT="2" {pixels}>'
        f"{inner}</Pixels></Image>{rest}</OME>"
    )


def ome_metadata(*words, **more):
    return read_ome(ome(*words, **more), (40, 48), 0)[0]


def planes(text):
    """Return planes of two frames of three slices, with attributes by format."""
    return "".join(
        f'<Plane TheC="0" TheT="{t}" TheZ="{z}" {text.format(t=t, z=z, half=z / 2 + 1)}/>'
        for t in range(2)
        for z in range(3)
    )


def test_ome_steps_and_positions_by_planes():
    inner = planes('DeltaT="{t}.5" PositionZ="{half}" PositionZUnit="mm"')
    assert ome_metadata(inner=inner).axes == (
        AxisScale("T", 1.0, "second", 0.5), AxisScale("Z", 0.5, "millimeter", 1.0),
    )  # fmt: skip
    sizes = 'PhysicalSizeZ="2" TimeIncrement="500" TimeIncrementUnit="ms"'
    assert ome_metadata(sizes, inner).axes == (
        AxisScale("T", 500.0, "millisecond", 500.0), AxisScale("Z", 2.0, "micrometer", 1000.0),
    )  # fmt: skip


@pytest.mark.parametrize(
    "inner",
    [
        planes('PositionX="{z}" PositionXUnit="µm"'),  # differs
        planes('PositionX="7"'),  # in no known unit
        '<Plane TheC="0" TheT="0" TheZ="0" PositionX="7" PositionXUnit="µm"/><Plane TheZ="1"/>',
    ],
)
def test_ome_positions_that_place_nothing_stay_in_the_document(inner):
    metadata = ome_metadata('PhysicalSizeX="1" PhysicalSizeY="1"', inner)
    assert metadata.axes == plane_axes(1.0, 1.0, "micrometer", is_placed=False)
    assert "PositionX" in metadata.ome


def test_ome_says_more_than_its_fields():
    size = 'PhysicalSizeX="1" PhysicalSizeY="2"'
    assert ome_metadata(size).ome is None
    assert ome_metadata(size, '<Channel ID="Channel:0:0" Name="a" Color="-1"/>').ome is None
    for more in (
        {"inner": '<Channel ID="Channel:0:0" EmissionWavelength="461"/>'},
        {"image": "<AcquisitionDate>2020-05-04T03:02:01</AcquisitionDate>"},
        {"rest": '<StructuredAnnotations><XMLAnnotation ID="1"/></StructuredAnnotations>'},
    ):
        assert ome_metadata(size, **more).ome is not None


@pytest.mark.parametrize("value", ["0", "-1", "nan", "INF", "", "wide"])
def test_ome_sizes_that_are_none(value):
    assert ome_metadata(f'PhysicalSizeX="{value}" PhysicalSizeY="{value}"').axes == ()


def test_documents_with_entities_are_not_read():
    text = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>'
    assert parsed(text) is None
    assert parsed("<a>") is None
    assert parsed("<a/>").tag == "a"


def test_an_objective_of_which_nothing_else_is_said_is_that_of_a_slide():
    image = '<ObjectiveSettings ID="Objective:0"/>'
    bare = '<Instrument ID="Instrument:0"><Objective ID="Objective:0" NominalMagnification="20"/>'
    assert ome_metadata(image=image, rest=bare + "</Instrument>").magnification == 20.0
    lens = bare.replace("/>", ' LensNA="1.4"/>')
    metadata = ome_metadata(image=image, rest=lens + "</Instrument>")
    assert metadata.magnification is None
    assert "LensNA" in metadata.ome


@pytest.mark.parametrize(
    ("said", "axes"),
    [
        ({"unit": "pixel"}, ()),
        ({}, plane_axes(0.25, 0.5, "", is_placed=False)),
        ({"unit": "micron"}, plane_axes(0.25, 0.5, "micrometer", is_placed=False)),
        ({"unit": "\\u00B5m"}, plane_axes(0.25, 0.5, "micrometer", is_placed=False)),
        ({"unit": "cells"}, plane_axes(0.25, 0.5, "", is_placed=False)),
        (
            {"unit": "nm", "spacing": 3.0, "fps": 4.0, "xorigin": 2.5},
            (
                AxisScale("T", 0.25, "second", is_placed=False),
                AxisScale("Z", 3.0, "nanometer", is_placed=False),
                AxisScale("Y", 0.25, "nanometer", is_placed=False),
                AxisScale("X", 0.5, "nanometer", -1.0),
            ),
        ),
    ],
)
def test_imagej_units(tmp_path, said, axes):
    tifffile.imwrite(
        tmp_path / "a.tif",
        STACK[0],
        imagej=True,
        resolution=(2, 4),
        metadata={"axes": "ZYX"} | said,
    )
    _, _, metadata = read(tmp_path / "a.tif")
    assert metadata.axes == axes
    assert dict(metadata.imagej).get("unit") == ("cells" if said.get("unit") == "cells" else None)


def test_imagej_marks_on_the_image_are_left_out_and_told(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", STACK[0], imagej=True,
        metadata={"axes": "CYX", "Overlays": b"\0" * 8, "ROI": b"Iout", "Ranges": (0.0, 9.0) * 3},
    )  # fmt: skip
    with open_reader(tmp_path / "a.tif") as reader:
        assert "ImageJ's overlays dropped: drawn on the image as it was" in reader.notes
        assert "ImageJ's selection dropped: drawn on the image as it was" in reader.notes
        window = dict(reader.metadata.channels[0].facts)["window"]
    assert (window["start"], window["end"]) == (0.0, 9.0)


def test_a_damaged_description_costs_the_description_alone(tmp_path):
    write_slide(tmp_path / "a.svs", SLIDE)
    data = (tmp_path / "a.svs").read_bytes().replace(b"MPP = 0.4990", b"MPP = 0.4.90")
    (tmp_path / "a.svs").write_bytes(data.replace(b"AppMag = 20", b"AppMag = x0"))
    _, pixels, metadata = read(tmp_path / "a.svs")
    np.testing.assert_array_equal(pixels, SLIDE)
    assert (metadata.axes, metadata.magnification) == ((), None)


def test_units():
    assert [unit_of(word) for word in ("µm", "μm", "Micrometers", "ms", "Mm", "pixel", "")] == [
        "micrometer", "micrometer", "micrometer", "millisecond", "", "", "",
    ]  # fmt: skip
    assert converted(1.0, "inch", "millimeter") == 25.4
    assert converted(1.0, "inch", "second") is None
    assert converted(1e-7, "meter", "micrometer") == 0.1
    assert Metadata().axis("X") is None
