"""Sizes and places in XMP: in every spelling, by any prefix, and nothing beside them."""

from __future__ import annotations

import codecs
import contextlib
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerf_core.geometry.placement import Placement
from lerf_core.io.metadata import xmp
from lerf_core.io.metadata.orientation import placement_of

BEFORE = (300, 400)
DOUBLED = Placement.of_resize((2, 2), BEFORE, (600, 800))
RIGHT = placement_of(6, BEFORE)
BENT = Placement(None, BEFORE, BEFORE)
#: The lower right quarter.
CROPPED = Placement(np.array([[1.0, 0, 150], [0, 1.0, 200]]), BEFORE, (150, 200))
NAMESPACES = {
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "GPano": "http://ns.google.com/photos/1.0/panorama/",
    "GCamera": "http://ns.google.com/photos/1.0/camera/",
    "GDepth": "http://ns.google.com/photos/1.0/depthmap/",
    "Container": "http://ns.google.com/photos/1.0/container/",
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
    "MP": "http://ns.microsoft.com/photo/1.2/",
    "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "drone-dji": "http://www.dji.com/drone-dji/1.0/",
}


def packet(inner: str = "", attributes: str = "", names: dict[str, str] = NAMESPACES) -> str:
    declared = " ".join(f'xmlns:{prefix}="{name}"' for prefix, name in names.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'  <rdf:Description rdf:about="" {declared} {attributes}>{inner}</rdf:Description>\n'
        f' </rdf:RDF>\n</x:xmpmeta>\n{" " * 40}\n<?xpacket end="w"?>'
    )


def moved(text: str, placement: Placement) -> tuple[str, tuple[str, ...]]:
    data, dropped = xmp.moved(text.encode(), placement)
    return data.decode(), dropped


ATTRIBUTES = 'tiff:Orientation="6" exif:PixelXDimension=\'4000\' dc:other="4000"'
ELEMENTS = (
    "<tiff:ImageWidth> 4000 </tiff:ImageWidth><tiff:ImageLength>3000</tiff:ImageLength>"
    "<exif:PixelYDimension/><dc:title>4000 &amp; ☀</dc:title>"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_sizes_in_both_spellings_and_every_encoding(encoding):
    data = packet(ELEMENTS, ATTRIBUTES).encode(encoding)
    new, dropped = xmp.updated(data, 20, 10)
    assert dropped == ()
    expected = packet(
        "<tiff:ImageWidth>20</tiff:ImageWidth><tiff:ImageLength>10</tiff:ImageLength>"
        "<exif:PixelYDimension>10</exif:PixelYDimension><dc:title>4000 &amp; ☀</dc:title>",
        'tiff:Orientation="1" exif:PixelXDimension=\'20\' dc:other="4000"',
    )
    assert new == expected.encode(encoding)
    assert xmp.orientation(data) == 6


def test_a_packet_without_sizes_stays_byte_for_byte():
    data = packet('<dc:title attr="> /">x</dc:title>', "dc:rights=\"a > b 'c'\"").encode()
    assert xmp.updated(data, 20, 10) == (data, ())
    assert xmp.moved(data, BENT) == (data, ())


def test_properties_are_known_by_namespace():
    names = {"t": NAMESPACES["tiff"], "tiff": "http://example.org/other/"}
    text = packet("<tiff:ImageWidth>7</tiff:ImageWidth>", 't:ImageWidth="4000"', names)
    new, _ = xmp.updated(text.encode(), 20, 10)
    assert b't:ImageWidth="20"' in new
    assert b"<tiff:ImageWidth>7<" in new


def test_sizes_of_other_images_stay():
    ingredient = (
        '<xmpMM:Pantry><rdf:Bag><rdf:li><rdf:Description tiff:ImageWidth="77">'
        "<exif:PixelXDimension>77</exif:PixelXDimension></rdf:Description></rdf:li></rdf:Bag>"
        "</xmpMM:Pantry>"
    )
    text = packet(ingredient + "<tiff:ImageWidth>77</tiff:ImageWidth>")
    new = xmp.updated(text.encode(), 20, 10)[0].decode()
    assert ingredient in new
    assert "<tiff:ImageWidth>20<" in new


def test_a_declaration_behind_the_mark_and_padding_behind_the_end():
    text = packet(attributes='tiff:ImageWidth="7"').replace("?>", '?><?xml version="1.0"?>', 1)
    new, _ = xmp.updated(text.encode() + b"\0\0garbage", 20, 10)
    assert b'tiff:ImageWidth="20"' in new
    # A text of an encoding of old.
    latin = packet("<dc:title>@</dc:title>", 'tiff:ImageWidth="7"').encode().replace(b"@", b"\xe9")
    new, _ = xmp.updated(latin, 20, 10)
    assert new == latin.replace(b'"7"', b'"20"')


@pytest.mark.parametrize("text", ["<a", "", "no xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
def test_what_is_no_packet_is_refused(text):
    with pytest.raises(ValueError, match=r"XML|XMP|type"):
        xmp.updated(text.encode(), 20, 10)
    assert xmp.orientation(text.encode()) == 1


@given(st.binary(max_size=80))
def test_any_bytes_are_survived(data):
    whole = packet(ELEMENTS, ATTRIBUTES).encode()
    for damaged in (data, whole[:300] + data + whole[300:], codecs.BOM_UTF16_LE + data):
        for work in (lambda it: xmp.updated(it, 2, 3), lambda it: xmp.moved(it, RIGHT)):
            with contextlib.suppress(ValueError):
                work(damaged)


def test_resolutions_turn_and_the_media_type_is_that_of_the_file():
    text = packet(
        attributes='tiff:XResolution="720000/10000" tiff:YResolution="300/1" dc:format="image/jpeg"'
    )
    new, _ = moved(text, RIGHT)
    assert 'tiff:XResolution="300/1" tiff:YResolution="720000/10000"' in new
    assert moved(text, DOUBLED) == (text, ())
    assert xmp.updated(text.encode(), 20, 10, "image/png")[0].decode() == text.replace(
        "image/jpeg", "image/png"
    )


SUBJECT = "<exif:SubjectArea><rdf:Seq>{}</rdf:Seq></exif:SubjectArea>"


@pytest.mark.parametrize(
    ("area", "placement", "expected"),
    [
        ((100, 50, 30, 20), DOUBLED, (200, 100, 60, 40)),
        ((100, 50, 30, 20), RIGHT, (249, 100, 20, 30)),
        ((300, 200), CROPPED, (100, 50)),
        ((100, 50), CROPPED, None),
        ((100, 50), BENT, None),
    ],
)
def test_the_main_subject_goes_with_its_pixels(area, placement, expected):
    def written(values):
        items = "".join(f"<rdf:li>{value}</rdf:li>" for value in values)
        return packet(SUBJECT.format(items))

    new, dropped = moved(written(area), placement)
    assert new == (written(expected) if expected else packet())
    assert dropped == (() if expected else ("subject area",))


def test_the_resolution_of_the_sensor_is_scaled():
    text = packet(
        attributes='exif:FocalPlaneXResolution="1000/1" exif:FocalPlaneYResolution="30001/10"'
    )
    new, _ = moved(text, DOUBLED)
    assert 'XResolution="2000/1" exif:FocalPlaneYResolution="60002000/10000"' in new or (
        'XResolution="2000/1" exif:FocalPlaneYResolution="60002/10"' in new
    )
    new, _ = moved(text, RIGHT)
    assert 'FocalPlaneYResolution="1000/1"' in new
    new, dropped = moved(text, BENT)
    assert "FocalPlane" not in new
    assert dropped == ("resolution of the sensor",)


def mwg(width: int, height: int, *areas: tuple[float, ...]) -> str:
    regions = "".join(
        "<rdf:li><rdf:Description mwg-rs:Type='Face'><mwg-rs:Area "
        + " ".join(f'stArea:{name}="{value}"' for name, value in zip("xywh", area, strict=True))
        + ' stArea:unit="normalized"/></rdf:Description></rdf:li>'
        for area in areas
    )
    return packet(
        f'<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="{width}" '
        f'stDim:h="{height}" stDim:unit="pixel"/><mwg-rs:RegionList><rdf:Bag>{regions}</rdf:Bag>'
        "</mwg-rs:RegionList></mwg-rs:Regions>"
    )


def test_faces():
    text = mwg(400, 300, (0.75, 0.75, 0.5, 0.25), (0.1, 0.1, 0.1, 0.1))
    # Relative to the sides, they stay as they are; the size that they are told of does not.
    assert moved(text, DOUBLED) == (text, ())
    assert xmp.updated(text.encode(), 800, 600)[0].decode() == text.replace("400", "800").replace(
        "300", "600"
    )
    turned, _ = moved(text, RIGHT)
    assert turned == mwg(400, 300, (0.25, 0.75, 0.25, 0.5), (0.9, 0.1, 0.1, 0.1))
    # The quarter has the first, cut to it, and not the second.
    cropped, dropped = moved(text, CROPPED)
    assert cropped == mwg(400, 300, (0.5, 0.5, 1, 0.5))
    assert dropped == ()
    bent, dropped = moved(text, BENT)
    assert (bent, dropped) == (packet(), ("regions",))


def test_faces_of_microsoft():
    def written(rectangle):
        return packet(
            '<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag><rdf:li '
            f'MPReg:Rectangle="{rectangle}" MPReg:PersonDisplayName="Jo"/></rdf:Bag>'
            "</MPRI:Regions></MP:RegionInfo>"
        )

    assert moved(written("0.5, 0.5, 0.25, 0.5"), DOUBLED)[0] == written("0.5, 0.5, 0.25, 0.5")
    assert moved(written("0.5, 0.5, 0.25, 0.5"), CROPPED)[0] == written("0, 0, 0.5, 1")
    assert moved(written("0.5, 0.5, 0.25, 0.5"), BENT) == (packet(), ("regions",))


def iptc_region(unit: str, **numbers: str) -> str:
    fields = "".join(f"<Iptc4xmpExt:{name}>{n}</Iptc4xmpExt:{name}>" for name, n in numbers.items())
    return packet(
        '<Iptc4xmpExt:ImageRegion><rdf:Bag><rdf:li rdf:parseType="Resource">'
        f'<Iptc4xmpExt:RegionBoundary rdf:parseType="Resource">'
        f"<Iptc4xmpExt:rbUnit>{unit}</Iptc4xmpExt:rbUnit>{fields}</Iptc4xmpExt:RegionBoundary>"
        "</rdf:li></rdf:Bag></Iptc4xmpExt:ImageRegion>"
    )


def test_image_regions_of_iptc():
    box = {"rbX": "200", "rbY": "150", "rbW": "100", "rbH": "75"}
    text = iptc_region("pixel", **box)
    assert moved(text, DOUBLED)[0] == iptc_region(
        "pixel", rbX="400", rbY="300", rbW="200", rbH="150"
    )
    assert moved(text, CROPPED)[0] == iptc_region("pixel", **box | {"rbX": "0", "rbY": "0"})
    relative = iptc_region("relative", rbX="0.5", rbY="0.5", rbW="0.25", rbH="0.25")
    assert moved(relative, DOUBLED)[0] == relative
    assert moved(relative, CROPPED)[0] == iptc_region(
        "relative", rbX="0", rbY="0", rbW="0.5", rbH="0.5"
    )
    circle = iptc_region("relative", rbX="0.75", rbY="0.75", rbRx="0.1")
    assert moved(circle, CROPPED)[0] == iptc_region("relative", rbX="0.5", rbY="0.5", rbRx="0.2")
    assert moved(circle, BENT) == (packet(), ("regions",))


PANORAMA = (
    'GPano:ProjectionType="equirectangular" GPano:FullPanoWidthPixels="{}" '
    'GPano:FullPanoHeightPixels="{}" GPano:CroppedAreaImageWidthPixels="{}" '
    'GPano:CroppedAreaImageHeightPixels="{}" GPano:CroppedAreaLeftPixels="{}" '
    'GPano:CroppedAreaTopPixels="{}"'
)


def test_panoramas_are_scaled_or_given_up():
    text = packet(attributes=PANORAMA.format(800, 400, 400, 300, 100, 51))
    assert moved(text, DOUBLED)[0] == packet(
        attributes=PANORAMA.format(1600, 800, 800, 600, 200, 102)
    )
    third = Placement.of_resize((1 / 3, 1 / 3), BEFORE, (100, 133))
    assert moved(text, third)[0] == packet(attributes=PANORAMA.format(266, 133, 133, 100, 33, 17))
    for placement in (BENT, CROPPED, RIGHT):
        new, dropped = moved(text, placement)
        assert "GPano:P" not in new
        assert "Pixels" not in new
        assert dropped == ("panorama",)


def test_calibration_of_drones():
    text = packet(
        attributes='drone-dji:CalibratedFocalLength="3666.5" drone-dji:CalibratedOpticalCenterX='
        '"200.0" drone-dji:CalibratedOpticalCenterY="150.0" drone-dji:GimbalRollDegree="+3.0" '
        'drone-dji:DewarpData="2018-1-2;3666.5,3000,-1.5,2,0.25,0.5"'
    )
    new, _ = moved(text, DOUBLED)
    values = dict(re.findall(r'drone-dji:(\w+)="([^"]*)"', new))
    assert values == {
        "CalibratedFocalLength": "7333", "CalibratedOpticalCenterX": "400",
        "CalibratedOpticalCenterY": "300", "GimbalRollDegree": "+3.0",
        "DewarpData": "2018-1-2;7333.000000,6000.000000,-3.000000,4.000000,0.25,0.5",
    }  # fmt: skip
    new, dropped = moved(text, BENT)
    assert re.findall(r"drone-dji:(\w+)=", new) == ["GimbalRollDegree"]
    assert dropped == ("calibration of the camera",)


def test_crops_that_are_yet_to_be_made():
    crop = 'crs:HasCrop="True" crs:CropTop="0.1" crs:AlreadyApplied="{}"'
    waiting, done = (packet(attributes=crop.format(word)) for word in ("False", "True"))
    assert moved(waiting, DOUBLED) == (waiting, ())
    assert moved(done, BENT) == (done, ())
    new, dropped = moved(waiting, BENT)
    assert "CropTop" not in new
    assert dropped == ("crop settings",)


def test_what_lay_elsewhere_in_the_file_is_not_told_of_any_more():
    text = packet(
        "<Container:Directory><rdf:Seq><rdf:li/></rdf:Seq></Container:Directory>"
        "<xmp:Thumbnails><rdf:Alt><rdf:li/></rdf:Alt></xmp:Thumbnails>",
        'GCamera:MotionPhoto="1" GCamera:MicroVideoOffset="77" GCamera:BurstID="b" '
        'hdrgm:Version="1.0"',
    )
    new, dropped = xmp.updated(text.encode(), 20, 10)
    assert dropped == ("motion photo", "gain map", "list of further images")
    assert b"BurstID" in new
    for word in (b"Motion", b"Offset", b"hdrgm:V", b"<Container", b"Thumbnails"):
        assert word not in new


def test_depth_maps_stay_where_the_frame_stays():
    text = packet(attributes='GDepth:Near="1.5" GDepth:Data="AAAA"')
    assert moved(text, DOUBLED) == (text, ())
    assert moved(text, CROPPED)[1] == ("depth map",)
