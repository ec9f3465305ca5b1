"""IPTC, sizes and places that EXIF and XMP state, resolutions and comments, on every way."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, IptcImagePlugin, PngImagePlugin
from support.files import XMP, png16, png_chunk

from lerf_core.io.metadata import exif_directories as directories
from lerf_core.io.metadata import iptc
from lerf_core.io.metadata.exif_directories import Entry
from lerf_core.io.metadata.xmp_packet import Packet
from lerf_core.io.reading import read_image

UPRIGHT = XMP.replace(b'"6"', b'"1"')


def record(number: int, data: bytes) -> bytes:
    """Return a record of IPTC's application part."""
    return b"\x1c\x02" + bytes([number]) + struct.pack(">H", len(data)) + data


#: A caption in UTF-8, with what says so, and two keywords.
RECORDS = b"\x1c\x01\x5a\x00\x03\x1b%G" + b"".join(
    record(*item) for item in ((120, "Größe ☀".encode()), (25, b"house"), (25, b"snow"))
)


def jpeg(path: Path, rgb: np.ndarray, *segments: tuple[int, bytes], **options) -> Path:
    """Write a JPEG with further segments."""
    extra = b"".join(
        bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in segments
    )
    Image.fromarray(rgb).save(path, extra=extra, **options)
    return path


def resource(code: int, data: bytes, name: bytes = b"") -> bytes:
    """Return an image resource of Photoshop."""
    named = bytes([len(name)]) + name
    head = b"8BIM" + struct.pack(">H", code) + named + b"\0" * (len(named) % 2)
    return head + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)


def app13(*resources: bytes) -> tuple[int, bytes]:
    return 0xED, b"Photoshop 3.0\0" + b"".join(resources)


def big_endian_longs(records: bytes) -> bytes:
    """Return records as libtiff writes them into a big-endian file on a usual machine."""
    padded = records + b"\0" * (-len(records) % 4)
    return struct.pack(f">{len(padded) // 4}I", *struct.unpack(f"<{len(padded) // 4}I", padded))


def with_iptc(path: Path, rgb: np.ndarray, kind: str) -> Path:
    """Write an image that holds IPTC in one of the ways in which files do."""
    shapes: dict = {"photometric": "rgb", "metadata": None}
    count = len(RECORDS)
    if kind == "jpeg":
        name = resource(0x03ED, bytes(16)), resource(0x0404, RECORDS, b"odd"), resource(1, b"x")
        return jpeg(path, rgb, app13(*name))
    if kind == "split jpeg":
        whole = resource(0x0404, RECORDS)
        return jpeg(path, rgb, app13(whole[:30]), app13(whole[30:]))
    if kind == "png":
        info = PngImagePlugin.PngInfo()
        info.add_text("Raw profile type iptc", iptc.as_profile("iptc", RECORDS), zip=True)
        Image.fromarray(rgb).save(path, pnginfo=info)
        return path
    tag = {
        "bytes": (33723, 1, count, RECORDS, True),
        "undefined": (33723, 7, count, RECORDS, True),
        "longs": (33723, 4, -(-count // 4), RECORDS.ljust(-(-count // 4) * 4, b"\0"), True),
        "turned longs": (33723, 4, -(-count // 4), big_endian_longs(RECORDS), True),
        "resources": (34377, 7, len(resource(0x0404, RECORDS)), resource(0x0404, RECORDS), True),
    }[kind]
    order = ">" if kind == "turned longs" else "<"
    tifffile.imwrite(path, rgb, extratags=[tag], byteorder=order, **shapes)
    return path


WAYS = ["jpeg", "split jpeg", "png", "bytes", "undefined", "longs", "turned longs", "resources"]


@pytest.mark.parametrize("target", ["jpg", "png", "tif", "tiled.tif"])
@pytest.mark.parametrize("kind", WAYS)
def test_iptc_goes_from_every_holder_to_every_other(run, tmp_path, rgb, kind, target):
    suffix = {"jpeg": "jpg", "split jpeg": "jpg", "png": "png"}.get(kind, "tif")
    source, out = with_iptc(tmp_path / f"in.{suffix}", rgb, kind), tmp_path / f"out.{target}"
    tiled = ("--tile", 16) if target == "tiled.tif" else ()
    result = run("resize", source, "-o", out, "--scale", 2, *tiled)
    assert "dropped" not in result.output
    assert read_image(out).metadata.iptc == RECORDS
    if target != "png":
        with Image.open(out) as image:
            found = IptcImagePlugin.getiptcinfo(image)
        assert found[2, 120] == "Größe ☀".encode()
        assert found[2, 25] == [b"house", b"snow"]


@pytest.mark.parametrize("kind", ["jpeg", "png", "bytes"])
def test_iptc_is_private(run, tmp_path, rgb, kind):
    suffix = {"jpeg": "jpg", "png": "png"}.get(kind, "tif")
    source, out = with_iptc(tmp_path / f"in.{suffix}", rgb, kind), tmp_path / f"out.{suffix}"
    run("resize", source, "-o", out, "--scale", 1, "--strip")
    assert b"snow" not in out.read_bytes()
    assert read_image(out).metadata.iptc is None


def test_iptc_longer_than_a_segment(run, tmp_path, rgb):
    keyword = record(25, b"k" * 30_000)
    source, out = tmp_path / "in.tif", tmp_path / "out.jpg"
    tag = (33723, 7, 5 * len(keyword), 5 * keyword, True)
    tifffile.imwrite(source, rgb, photometric="rgb", extratags=[tag])
    run("resize", source, "-o", out, "--scale", 1)
    assert read_image(out).metadata.iptc == 5 * keyword


def test_what_holds_no_iptc_says_so(run, tmp_path, rgb):
    source = with_iptc(tmp_path / "in.jpg", rgb, "jpeg")
    result = run("resize", source, "-o", tmp_path / "out.webp", "--scale", 1)
    assert "WEBP cannot hold IPTC: dropped" in result.output


def test_clipping_paths_are_named(run, tmp_path, rgb):
    path = resource(0x07D0, bytes(52), b"Path 1")
    source = jpeg(tmp_path / "in.jpg", rgb, app13(resource(0x0404, RECORDS), path, path))
    result = run("resize", source, "-o", tmp_path / "out.jpg", "--scale", 1)
    assert "Photoshop's clipping paths dropped" in result.output
    assert read_image(tmp_path / "out.jpg").metadata.iptc == RECORDS


# -- texts, and EXIF in TIFF ----------------------------------------------------------------

TEXTS = {270: "Größe 5 µm © José", 271: "Żółw", 315: "José Müller", 33432: "© 2024 ☀"}


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("big", [False, True])
def test_unicode_texts_go_round_all_formats(run, tmp_path, rgb, tiled, big):
    first = tmp_path / "a.tif"
    tags = [(code, 2, 0, text.encode() + b"\0", True) for code, text in TEXTS.items()]
    described = tags.pop(0)[3]
    tifffile.imwrite(
        first, rgb, photometric="rgb", metadata=None, description=described, bigtiff=big,
        byteorder=">" if big else "<", extratags=tags,
    )  # fmt: skip
    names = ["b.jpg", "c.tif", "d.png", "e.tif", "f.webp", "g.tif"]
    for name in names:
        more = ("--tile", 16) if tiled and name.endswith("tif") else ()
        run("resize", first, "-o", tmp_path / name, "--scale", 1, *more)
        first = tmp_path / name
    for name in ("c.tif", "e.tif", "g.tif"):
        with tifffile.TiffFile(tmp_path / name) as file:
            for code, text in TEXTS.items():
                tag = file.pages.first.tags[code]
                file.filehandle.seek(tag.valueoffset)
                assert file.filehandle.read(tag.valuebytecount) == text.encode() + b"\0"


MAKER_NOTE = b"NOTE\0" + bytes(range(256)) * 3


def camera_block(order: str = "<") -> bytes:
    """EXIF with signed numbers, ratios, a maker note and directories of all kinds."""
    ratio = Entry(5, struct.pack("<II", 10, 2500))
    return directories.block_of(
        directories.Blocks(
            {271: Entry(2, b"Maker\0"), 318: Entry(5, struct.pack("<4I", 31, 100, 33, 100)),
             18246: Entry(3, b"\4\0"), 40091: Entry(1, b"T\0\xe9\0")},
            {33434: ratio, 37380: Entry(10, struct.pack("<ii", -2, 6)), 37500: Entry(7, MAKER_NOTE),
             40962: Entry(9, struct.pack("<i", 14)), 40963: Entry(9, struct.pack("<i", 10)),
             41996: Entry(3, b"\0\0")},
            {1: Entry(2, b"N\0"), 2: Entry(5, struct.pack("<6I", 52, 1, 30, 1, 1, 100))},
            {1: Entry(2, b"R98\0"), 4097: Entry(3, struct.pack("<H", 14)),
             4098: Entry(3, struct.pack("<H", 10))},
        ),
        order,
    )  # fmt: skip


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("middle", ["tif", "tiled.tif", "png", "webp", "avif"])
def test_exif_keeps_types_and_bytes_through_every_format(run, tmp_path, rgb, middle, order):
    source, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    Image.fromarray(rgb).save(source, exif=b"Exif\0\0" + camera_block(order))
    way = tmp_path / f"middle.{middle}"
    tiled = ("--tile", 16) if middle == "tiled.tif" else ()
    result = run("resize", source, "-o", way, "--scale", 2, *tiled)
    assert "dropped" not in result.output
    run("resize", way, "-o", out, "--scale", 1)
    before = directories.blocks_in(camera_block(order))
    after = directories.blocks_in(read_image(out).metadata.exif)
    signed = {40962: Entry(9, struct.pack("<i", 28)), 40963: Entry(9, struct.pack("<i", 20))}
    assert after.exif == {**before.exif, **signed}
    assert after.gps == before.gps
    assert after.interoperability == {
        1: Entry(2, b"R98\0"), 4097: Entry(3, b"\x1c\0"), 4098: Entry(3, b"\x14\0"),
    }  # fmt: skip
    assert {tag: after.first[tag] for tag in before.first} == before.first


def test_private_tags_are_named_once(run, tmp_path, rgb):
    source = tmp_path / "in.tif"
    tags = [
        (65000, 2, 0, b"private\0", True),
        (37724, 7, 4, b"abcd", True),
        (34310, 2, 0, b"x\0", True),
    ]
    tifffile.imwrite(source, np.stack([rgb, rgb]), photometric="rgb", metadata=None, extratags=tags)
    result = run("resize", source, "-o", tmp_path / "out.tif", "--scale", 1)
    assert result.output.count("tags dropped: LeafData, 65000") == 1


def test_exif_too_long_for_jpeg_loses_its_longest_value_alone(run, tmp_path, rgb):
    source, out = tmp_path / "in.png", tmp_path / "out.jpg"
    entries = {33434: Entry(5, struct.pack("<II", 1, 250)), 37500: Entry(7, bytes(70_000))}
    block = directories.block_of(directories.Blocks({}, entries, {}, {}), "<")
    Image.fromarray(rgb).save(source, exif=block)
    result = run("resize", source, "-o", out, "--scale", 1)
    assert "EXIF too long for JPEG: MakerNote dropped" in result.output
    assert directories.blocks_in(read_image(out).metadata.exif).exif.keys() == {33434}


# -- resolutions and pages ------------------------------------------------------------------


@pytest.mark.parametrize("target", ["jpg", "png", "tif", "tiled.tif", "bmp", "webp", "avif", "jp2"])
@pytest.mark.parametrize("source", ["jpg", "png", "tif", "webp"])
def test_resolution_per_axis_on_every_way(run, tmp_path, rgb, source, target):
    path, out = tmp_path / f"in.{source}", tmp_path / f"out.{target}"
    if source == "webp":
        block = Image.Exif()
        block.update({282: 300.0, 283: 150.0, 296: 2})
        Image.fromarray(rgb).save(path, exif=block)
    else:
        Image.fromarray(rgb).save(path, dpi=(300, 150))
    tiled = ("--tile", 16) if target == "tiled.tif" else ()
    result = run("resize", path, "-o", out, "--scale", 2, *tiled)
    assert "hold resolution" not in result.output
    assert read_image(out).metadata.dpi == pytest.approx((300, 150), abs=0.03)
    if target in {"webp", "avif"}:
        with Image.open(out) as image:
            block = image.getexif()
        assert block[296] == 2
        assert (block[282], block[283]) == pytest.approx((300, 150), abs=0.03)


@pytest.mark.parametrize("target", ["jpg", "png", "tif", "tiled.tif"])
@pytest.mark.parametrize("source", ["jpg", "png", "tif"])
def test_resolutions_without_a_unit_stay_so(run, tmp_path, rgb, source, target):
    path, out = tmp_path / f"in.{source}", tmp_path / f"out.{target}"
    if source == "jpg":
        Image.fromarray(rgb).save(path)
        data = bytearray(path.read_bytes())
        data[13:18] = struct.pack(">BHH", 0, 2, 1)
        path.write_bytes(data)
    elif source == "png":
        Image.fromarray(rgb).save(path)
        data = path.read_bytes()
        chunk = png_chunk(b"pHYs", struct.pack(">IIB", 2, 1, 0))
        path.write_bytes(data[:33] + chunk + data[33:])
    else:
        tifffile.imwrite(path, rgb, photometric="rgb", resolution=(2, 1), resolutionunit=1)
    tiled = ("--tile", 16) if target == "tiled.tif" else ()
    run("resize", path, "-o", out, "--scale", 2, *tiled)
    metadata = read_image(out).metadata
    assert (metadata.aspect, metadata.dpi) == ((2, 1), None)
    result = run("resize", path, "-o", tmp_path / "out.webp", "--scale", 2)
    assert "WEBP cannot hold the shape of pixels: dropped" in result.output


def test_cmyk_keeps_its_resolution(run, tmp_path, rgb):
    source, out = tmp_path / "in.tif", tmp_path / "out.jpg"
    Image.fromarray(rgb).convert("CMYK").save(source, dpi=(300, 150))
    run("resize", source, "-o", out, "--scale", 2)
    with Image.open(out) as image:
        assert image.mode == "CMYK"
        assert image.info["dpi"] == (300, 150)
        image.load()


def test_jpeg_says_the_resolution_in_the_unit_that_loses_least(run, tmp_path, rgb):
    source, out = tmp_path / "in.tif", tmp_path / "out.jpg"
    tifffile.imwrite(source, rgb, photometric="rgb", resolution=(101, 57), resolutionunit=3)
    run("resize", source, "-o", out, "--scale", 2)
    assert out.read_bytes()[13:18] == struct.pack(">BHH", 2, 101, 57)
    tifffile.imwrite(source, rgb, photometric="rgb", resolution=(0.01, 0.01), resolutionunit=2)
    result = run("resize", source, "-o", out, "--scale", 2, "--overwrite")
    assert "resolution of 0.01 x 0.01 dpi dropped: JPEG holds" in result.output


def test_pages_keep_their_names_resolutions_and_texts(run, tmp_path, rgb):
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    with tifffile.TiffWriter(source) as writer:
        for number, name in enumerate(["Übersicht", "Rückseite"]):
            tags = [(285, 2, 0, name.encode() + b"\0", True), (297, 3, 2, (number, 2), True),
                    (315, 2, 0, f"writer {number}".encode() + b"\0", True)]  # fmt: skip
            writer.write(
                rgb, photometric="rgb", metadata=None, extratags=tags, software=f"scanner {number}",
                description=f"page {number}", resolution=(300 + number, 150), resolutionunit=2,
            )  # fmt: skip
    run("resize", source, "-o", out, "--scale", 2)
    with tifffile.TiffFile(out) as file:
        for number, page in enumerate(file.pages):
            tags = {tag.code: tag.value for tag in page.aspage().tags}
            assert tags[285] == ["Übersicht", "Rückseite"][number]
            assert tags[297] == (number, 2)
            assert tags[270] == f"page {number}"
            assert tags[305] == f"scanner {number}"
            assert tags[315] == f"writer {number}"
            assert tags[282][0] / tags[282][1] == 300 + number
    result = run("resize", source, "-o", tmp_path / "out.png", "--scale", 2)
    assert "PNG cannot hold names and resolutions of pages: dropped" in result.output
    run("resize", source, "-o", out, "--scale", 2, "--strip", "--overwrite")
    data = out.read_bytes()
    assert not [word for word in (b"writer", b"scanner", b"page", "Über".encode()) if word in data]
    assert [page.dpi for page in read_image(out).metadata.pages] == [(300, 150), (301, 150)]


# -- comments, texts and XMP ----------------------------------------------------------------


def test_comments_go_between_jpeg_png_and_gif(run, tmp_path, rgb):
    comments = [b"first", "zweiter ☀".encode()]
    path = jpeg(tmp_path / "a.jpg", rgb, *((0xFE, comment) for comment in comments))
    for name in ("b.png", "c.jpg"):
        run("resize", path, "-o", tmp_path / name, "--scale", 1)
        path = tmp_path / name
        assert read_image(path).metadata.comments == tuple(comments)
    run("resize", path, "-o", tmp_path / "d.gif", "--scale", 1)
    assert read_image(tmp_path / "d.gif").metadata.comments == (b"\n".join(comments),)
    result = run("resize", path, "-o", tmp_path / "d.webp", "--scale", 1)
    assert "WEBP cannot hold comments: dropped" in result.output
    run("resize", path, "-o", tmp_path / "e.jpg", "--scale", 1, "--strip")
    assert b"first" not in (tmp_path / "e.jpg").read_bytes()


@pytest.mark.parametrize("depth", [8, 16])
def test_texts_keep_their_language(run, tmp_path, rgb, depth):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Title", "Haus ☀", "de", "Titel")
    Image.fromarray(rgb).save(tmp_path / "in.png", pnginfo=info)
    out = tmp_path / "out.png"
    run("resize", tmp_path / "in.png", "-o", out, "--scale", 1, "--depth", depth)
    assert read_image(out).metadata.text == (("Title", "Haus ☀", "de", "Titel"),)


def long_xmp(length: int) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
        'syntax-ns#"><rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        'xmlns:l="http://example.org/l/" xmlns:t="http://example.org/t/" tiff:ImageWidth="14" '
        f't:small="é"><l:long><rdf:Bag><rdf:li t:a="☀">{"x" * length}</rdf:li></rdf:Bag></l:long>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def test_xmp_longer_than_a_segment(run, tmp_path, rgb):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", long_xmp(200_000).decode())
    path = tmp_path / "in.png"
    Image.fromarray(rgb).save(path, pnginfo=info)
    for name in ("a.jpg", "b.jpg", "c.png"):
        result = run("resize", path, "-o", tmp_path / name, "--scale", 1)
        assert "XMP" not in result.output
        path = tmp_path / name
    for name in ("a.jpg", "b.jpg"):
        with Image.open(tmp_path / name) as image:
            assert len(image.info["xmp"]) < 1000
            assert b'tiff:ImageWidth="14"' in image.info["xmp"]
    text = read_image(path).metadata.xmp.decode()
    assert "HasExtendedXMP" not in text
    properties = {item.name[1]: item for item in Packet(text.encode()).properties()}
    assert properties["small"].value == "é"
    (item,) = properties["long"].items()
    assert item.element is not None
    assert item.packet.text(item.element.inside, item.element.outside) == "x" * 200_000
    assert next(iter(item.fields().values())).value == "☀"


def test_what_jpeg_keeps_beside_the_image_is_named(run, tmp_path, rgb):
    path = jpeg(
        tmp_path / "in.jpg", rgb, (0xE3, b"Meta\0\0II*\0"), (0xEB, b"JP\0\1c2pa"),
        (0xE1, b"FLIR\0\1\0"), (0xE2, b"MPF\0"),
    )  # fmt: skip
    result = run("resize", path, "-o", tmp_path / "out.jpg", "--scale", 1)
    assert "segments dropped: APP3 Meta, JUMBF, APP1 FLIR" in result.output
    path = jpeg(tmp_path / "in.jpg", rgb, progressive=True)
    path.write_bytes(path.read_bytes() + b"\0\0\0\x18ftypmp42" + b"video" * 20)
    result = run("resize", path, "-o", tmp_path / "out.jpg", "--scale", 1, "--overwrite")
    assert "112 bytes behind the image dropped" in result.output


# -- further formats ------------------------------------------------------------------------


def test_what_gif_says_in_extensions_goes_to_png(run, tmp_path, rgb, icc):
    path, out = tmp_path / "in.gif", tmp_path / "out.png"
    Image.fromarray(rgb).save(path, comment=b"first")
    data = path.read_bytes()
    assert data[:6] == b"GIF89a"
    behind = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    trailer = bytes([1, *range(255, -1, -1), 0])
    blocks = [b"!\xff\x0bXMP DataXMP" + XMP + trailer]
    parts = (icc[start : start + 255] for start in range(0, len(icc), 255))
    profile = b"".join(bytes([len(part)]) + part for part in parts)
    blocks.append(b"!\xff\x0bICCRGBG1012" + profile + b"\0")
    blocks.append(b"!\xfe\x06second\0")
    path.write_bytes(data[:behind] + b"".join(blocks) + data[behind:])
    run("resize", path, "-o", out, "--scale", 2)
    metadata = read_image(out).metadata
    assert metadata.icc == icc
    assert metadata.xmp == UPRIGHT
    assert set(metadata.comments) == {b"first", b"second"}
    result = run("resize", path, "-o", tmp_path / "out.gif", "--scale", 2)
    assert "GIF cannot hold ICC, XMP: dropped" in result.output


def photoshop_file(rgb: np.ndarray) -> bytes:
    """Return a PSD with a resolution, EXIF, IPTC and XMP."""
    rows, cols = rgb.shape[:2]
    found = b"".join([
        resource(0x03ED, struct.pack(">IHHIHH", 300 << 16, 1, 1, 150 << 16, 1, 1)),
        resource(0x0404, RECORDS), resource(0x0422, camera_block()), resource(0x0424, UPRIGHT),
        resource(0x07D0, bytes(52), b"Path"),
    ])  # fmt: skip
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, rows, cols, 8, 3)
    blocks = struct.pack(">II", 0, len(found)) + found + struct.pack(">IH", 0, 0)
    return head + blocks + np.moveaxis(rgb, 2, 0).tobytes()


def test_what_photoshop_files_say(run, tmp_path, rgb):
    path, out = tmp_path / "in.psd", tmp_path / "out.tif"
    path.write_bytes(photoshop_file(rgb))
    result = run("resize", path, "-o", out, "--scale", 2)
    assert "Photoshop's clipping paths dropped" in result.output
    metadata = read_image(out).metadata
    assert metadata.dpi == (300, 150)
    assert metadata.iptc == RECORDS
    assert metadata.xmp == UPRIGHT
    assert directories.blocks_in(metadata.exif).exif[37500].data == MAKER_NOTE


HDR = (
    png_chunk(b"cICP", bytes([9, 16, 0, 1])) + png_chunk(b"mDCV", bytes(range(24)))
    + png_chunk(b"cLLI", bytes(range(8)))
)  # fmt: skip


@pytest.mark.parametrize("depth", [8, 16])
def test_colour_codes_and_light_go_from_png_to_png_and_avif(run, tmp_path, rgb, depth):
    path, out = tmp_path / "in.png", tmp_path / "out.png"
    path.write_bytes(png16(rgb.astype(np.uint16) * 257, HDR + png_chunk(b"sCAL", b"\1x\0y")))
    result = run("resize", path, "-o", out, "--scale", 2, "--depth", depth)
    assert "chunks dropped: sCAL" in result.output
    assert HDR[:16] in out.read_bytes()
    metadata = read_image(out).metadata
    assert metadata.cicp == (9, 16, 0, 1)
    assert metadata.mastering == struct.unpack(">8H2I", bytes(range(24)))
    assert metadata.content_light == struct.unpack(">2I", bytes(range(8)))
    result = run("resize", out, "-o", tmp_path / "out.avif", "--scale", 1, "--depth", 8)
    assert "AVIF cannot hold the mastering display, light levels: dropped" in result.output
    assert read_image(tmp_path / "out.avif").metadata.cicp == (9, 16, 0, 1)
    result = run("resize", out, "-o", tmp_path / "out.jpg", "--scale", 1, "--depth", 8)
    assert "JPEG cannot hold CICP colour codes" in result.output


def test_xmp_behind_the_pixels_of_a_png(run, tmp_path, rgb):
    path, out = tmp_path / "in.png", tmp_path / "out.tif"
    Image.fromarray(rgb).save(path)
    data = path.read_bytes()
    chunk = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    path.write_bytes(data[:-12] + chunk + data[-12:])
    run("resize", path, "-o", out, "--scale", 2)
    assert read_image(out).metadata.xmp == UPRIGHT


# -- what is private, and what a warp leaves true -----------------------------------------------


@pytest.mark.parametrize("target", ["jpg", "png", "tif", "tiled.tif", "webp", "avif", "gif", "jp2"])
def test_strip_leaves_colour_and_resolution_alone(run, tmp_path, rgb, icc, target):
    path, out = tmp_path / "in.jpg", tmp_path / f"out.{target}"
    jpeg(
        path, rgb, app13(resource(0x0404, RECORDS)), (0xFE, b"secret words"),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + UPRIGHT.replace(b"<a ", b'<a secret="x" ')),
        exif=b"Exif\0\0" + camera_block(), dpi=(300, 150), icc_profile=icc,
    )  # fmt: skip
    tiled = ("--tile", 16) if target == "tiled.tif" else ()
    run("resize", path, "-o", out, "--scale", 2, "--strip", *tiled)
    data = out.read_bytes()
    secrets = (b"snow", b"secret", b"Maker", MAKER_NOTE[:50], b"xmpmeta")
    assert not [word for word in secrets if word in data]
    metadata = read_image(out).metadata
    assert metadata.icc == (None if target == "gif" else icc)
    has_resolution = target not in {"webp", "avif", "gif"}
    assert metadata.dpi == (pytest.approx((300, 150), abs=0.03) if has_resolution else None)


def test_a_warp_moves_places_or_gives_them_up(run, tmp_path, rgb):
    path, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    entries = {
        37396: Entry(3, struct.pack("<2H", 4, 2)),
        41486: Entry(5, struct.pack("<II", 100, 1)),
        41487: Entry(5, struct.pack("<II", 50, 1)),
    }
    block = directories.block_of(directories.Blocks({}, entries, {}, {}), "<")
    Image.fromarray(rgb).save(path, exif=b"Exif\0\0" + block)
    matrix = tmp_path / "shift.txt"
    matrix.write_text("1 0 3\n0 1 2\n0 0 1\n")
    run("warp", path, "-o", out, "--matrix", matrix)
    moved = directories.blocks_in(read_image(out).metadata.exif).exif
    assert moved[37396].data in {struct.pack("<2H", 7, 4), struct.pack("<2H", 1, 0)}
    matrix.write_text("1 0.1 0\n0 1 0\n0.001 0 1\n")
    result = run("warp", path, "-o", out, "--matrix", matrix, "--overwrite")
    assert "subject area, resolution of the sensor dropped: this warp" in result.output
    assert not directories.blocks_in(read_image(out).metadata.exif).exif


def test_names_of_pages_are_not_lost_silently_by_tiles(run, tmp_path, rgb):
    path = tmp_path / "in.tif"
    with tifffile.TiffWriter(path) as writer:
        for number in range(3):
            tags = [(285, 2, 0, f"page {number}\0".encode(), True)]
            writer.write(rgb, photometric="rgb", metadata=None, extratags=tags)
    result = run("resize", path, "-o", tmp_path / "out.ome.tif", "--scale", 2, "--tile", 16)
    assert "cannot hold names and resolutions of pages: dropped" in result.output


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ({b"gAMA": 45455}, "JPEG cannot hold gamma: dropped"),
        ({b"gAMA": 100_000}, "JPEG cannot hold gamma: dropped"),
        # What is not tagged is taken for sRGB.
        ({b"gAMA": 45455, b"sRGB": 0}, ""),
    ],
)
def test_colours_that_go_without_saying(run, tmp_path, rgb, chunks, expected):
    path, out = tmp_path / "in.png", tmp_path / "out.jpg"
    info = PngImagePlugin.PngInfo()
    for name, value in chunks.items():
        info.add(name, value.to_bytes(4, "big") if name == b"gAMA" else bytes([value]))
    Image.fromarray(rgb).save(path, pnginfo=info)
    assert ("dropped" in run("resize", path, "-o", out, "--scale", 2).output) == bool(expected)
    assert expected in run("resize", path, "-o", out, "--scale", 2, "--overwrite").output


def test_a_profile_says_more_than_a_gamma(run, tmp_path, rgb, icc):
    path = tmp_path / "in.png"
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    Image.fromarray(rgb).save(path, pnginfo=info, icc_profile=icc)
    assert "dropped" not in run("resize", path, "-o", tmp_path / "out.jpg", "--scale", 2).output


def test_several_blocks_of_photoshop_with_iptc(run, tmp_path, rgb):
    other = record(120, b"other")
    path = jpeg(
        tmp_path / "in.jpg", rgb, app13(resource(0x0404, RECORDS), b"\1\2\3"),
        app13(resource(0x0404, other)),
    )  # fmt: skip
    result = run("resize", path, "-o", tmp_path / "out.jpg", "--scale", 2)
    assert "Photoshop's further IPTC dropped" in result.output
    assert read_image(tmp_path / "out.jpg").metadata.iptc == RECORDS


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("way", ["tif", "tiled.tif"])
def test_maker_notes_stay_in_their_place(run, tmp_path, rgb, way, order):
    path, out = tmp_path / "in.jpg", tmp_path / f"out.{way}"
    block = camera_block(order)
    place = block.index(MAKER_NOTE)
    Image.fromarray(rgb).save(path, exif=b"Exif\0\0" + block)
    run("resize", path, "-o", out, "--scale", 2, *(("--tile", 16) if way != "tif" else ()))
    data = out.read_bytes()
    # Offsets within count from the start of the file, in its byte order.
    assert data.count(MAKER_NOTE) == 1
    assert data.index(MAKER_NOTE) == place
    if way == "tif":
        assert data[:2] == block[:2]
    with tifffile.TiffFile(out) as file:
        assert file.pages.first.asarray().shape == (20, 28, 3)
    run("resize", out, "-o", tmp_path / "back.jpg", "--scale", 1)
    back = read_image(tmp_path / "back.jpg").metadata.exif
    assert back is not None
    assert back.index(MAKER_NOTE) == place


@pytest.mark.parametrize(("target", "expected"), [("tif", 72), ("jpg", 72), ("webp", 180)])
def test_two_resolutions_that_differ(run, tmp_path, rgb, target, expected):
    path, out = tmp_path / "in.jpg", tmp_path / f"out.{target}"
    block = Image.Exif()
    block.update({282: 180.0, 283: 180.0, 296: 2})
    Image.fromarray(rgb).save(path, exif=block, dpi=(72, 72))
    output = run("resize", path, "-o", out, "--scale", 2).output
    lost = {"tif": "180 x 180", "webp": "72 x 72"}.get(target)
    assert (f"resolution of {lost} dpi dropped" in output) == (lost is not None)
    with Image.open(out) as image:
        if target == "jpg":
            # As each of both said it.
            assert image.getexif()[282] == 180
            assert image.info["dpi"] == (72, 72)
    assert read_image(out).metadata.dpi == (expected, expected)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32-le", "latin-1"])
def test_xmp_of_every_encoding_goes_to_png(run, tmp_path, rgb, encoding):
    text = XMP.decode().replace("<a ", '<a title="é" ').replace('"6"', '"1"')
    path = jpeg(
        tmp_path / "in.jpg", rgb, (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + text.encode(encoding))
    )
    for name in ("a.tif", "b.webp", "c.png"):
        run("resize", path, "-o", tmp_path / name, "--scale", 1)
        path = tmp_path / name
    assert read_image(path).metadata.xmp == text.encode()


def test_names_of_profiles_have_spaces(run, tmp_path, rgb):
    info = PngImagePlugin.PngInfo()
    text = iptc.as_profile("IPTC profile", iptc.as_resources(RECORDS))
    info.add_text("Raw profile type iptc", text, zip=True)
    Image.fromarray(rgb).save(tmp_path / "in.png", pnginfo=info)
    run("resize", tmp_path / "in.png", "-o", tmp_path / "out.jpg", "--scale", 2)
    assert read_image(tmp_path / "out.jpg").metadata.iptc == RECORDS


def test_xmp_in_a_box_of_xml(run, tmp_path, rgb):
    path, out = tmp_path / "in.jp2", tmp_path / "out.jpg"
    packet = long_xmp(10)
    Image.fromarray(rgb).save(path)
    data = path.read_bytes()
    place = data.index(b"jp2c") - 4
    boxes = b"".join(
        struct.pack(">I", 8 + len(text)) + b"xml " + text for text in (packet, b"<a>other</a>")
    )
    path.write_bytes(data[:place] + boxes + data[place:])
    result = run("resize", path, "-o", out, "--scale", 2)
    assert "XML beside the image dropped" in result.output
    assert read_image(out).metadata.xmp == packet.replace(b'"14"', b'"28"')


def test_positions_of_pages_are_told_where_they_say_something(run, tmp_path, rgb):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    for place, is_told in ((0, False), (3, True)):
        tags = [(286, 5, 1, (place, 1), True)]
        tifffile.imwrite(path, rgb, photometric="rgb", metadata=None, extratags=tags)
        result = run("resize", path, "-o", out, "--scale", 2, "--overwrite")
        assert ("tags dropped: XPosition" in result.output) == is_told
