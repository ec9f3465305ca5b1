"""`lerf info`: what is told of a file is what reading and resizing it come to."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.files import KINDS, exif_block, icc_profile, write_kind
from support.geodata import keys, write_geotiff
from support.microscopes import write_slide

from lerf_cli.batch import choice, tiled
from lerf_cli.options.values import TilingOptions
from lerf_core.io.codecs.pillow import PillowCodec
from lerf_core.io.reading import open_reader, read_image
from lerf_core.io.tiles.tiled_reader import TiledReader


@pytest.fixture
def facts(run):
    def of(*arguments, code=0):
        lines = run("info", "--json", *arguments, code=code).stdout.splitlines()
        return [json.loads(line) for line in lines]

    return of


@pytest.mark.parametrize("name", KINDS)
def test_what_is_told_is_what_is_read(facts, tmp_path, rgb, name):
    path = write_kind(name, tmp_path, rgb)
    (told,) = facts(path)
    image = read_image(path)
    assert (told["height"], told["width"]) == image.shape
    assert (told["dtype"], told["layout"]) == (image.dtype.name, image.layout)
    assert told["frames"] == image.pages
    assert told["bytes"] == path.stat().st_size
    assert told["bits_per_sample"] == (image.metadata.bits or 8 * image.dtype.itemsize)
    assert told["resize"]["width"] == 2 * image.shape[1]
    with open_reader(path) as reader:
        assert (told["axes"], tuple(told["shape"])) == (reader.axes, reader.shape)


@pytest.mark.parametrize("name", ["a.jpg", "RGB.png", "deep3.png", "lzw.tif", "tiled.tif"])
def test_no_pixel_is_decoded(facts, tmp_path, rgb, name, monkeypatch):
    path = write_kind(name, tmp_path, rgb)

    def decoded(*_arguments, **_keywords):
        raise AssertionError("pixels were read")

    monkeypatch.setattr(TiledReader, "__getitem__", decoded)
    monkeypatch.setattr(PillowCodec, "read", decoded)
    monkeypatch.setattr(Image.Image, "load", decoded)
    assert facts(path)[0]["width"] == 14


def test_decoding_that_cannot_be_avoided_is_told(facts, tmp_path):
    frames = [Image.fromarray(np.full((9, 9, 3), 80 * n, np.uint8)) for n in range(3)]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    (told,) = facts(path)
    assert told["frames"] == 3
    assert any("known by decoding" in note for note in told["notes"])


def test_geodata(facts, tmp_path, run):
    path = write_geotiff(tmp_path / "a.tif", np.zeros((40, 60), np.int16), *keys(), nodata="-9999")
    (told,) = facts(path)
    assert told["crs"] == {"code": "EPSG:4326", "name": "WGS 84"}
    assert told["bounds"] == [6.0, 37.0, 21.0, 47.0]
    assert told["transform"][0] == 0.25
    assert told["nodata"] == -9999
    assert told["range"] == [-32768, 32767]
    text = run("info", path).stdout
    assert "bounds       6 37 21 47" in text
    assert "no data      -9999" in text


def test_not_a_number_is_a_text_in_json(facts, tmp_path):
    path = write_geotiff(tmp_path / "a.tif", np.zeros((4, 6), np.float32), *keys(), nodata="nan")
    assert facts(path)[0]["nodata"] == "nan"


def test_pyramid_tiles_and_sizes(facts, tmp_path, run):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path) as writer:
        words = {"axes": "ZYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm"}
        stack = np.zeros((3, 64, 96), np.uint16)
        writer.write(stack, tile=(32, 48), subifds=1, metadata=words)
        writer.write(stack[:, ::2, ::2], tile=(32, 48), subfiletype=1)
    (told,) = facts(path)
    assert told["storage"] == "tiles"
    assert told["chunk"] == [1, 32, 48]
    assert told["levels"] == [[96, 64], [48, 32]]
    assert told["pixel_size"]["X"]["unit"] == "micrometer"
    assert told["frames"] == 3
    assert told["resize"]["path"] == "tiles"
    assert facts(path, "--level", 1)[0]["width"] == 48
    assert "stored       tiles of 48x32 (Z 1)" in run("info", path).stdout


def test_profile_and_orientation(facts, tmp_path, rgb, run):
    path = tmp_path / "a.jpg"
    Image.fromarray(rgb).save(path, exif=exif_block(6), icc_profile=icc_profile())
    (told,) = facts(path)
    assert told["orientation"] == 6
    assert (told["width"], told["height"]) == rgb.shape[:2]
    assert "sRGB" in told["profile"]["name"]
    assert "EXIF" in told["metadata"]
    assert "turned by 90 degrees to the right" in run("info", path).stdout


def test_a_damaged_profile_has_no_name(facts, tmp_path, rgb):
    path = tmp_path / "a.png"
    Image.fromarray(rgb).save(path, icc_profile=b"no profile at all")
    assert facts(path)[0]["profile"] == {"name": None, "bytes": 17}


def test_pages_of_different_sizes(facts, tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for rows in (20, 21, 22):
            writer.write(np.zeros((rows, 30), np.uint8))
    (told,) = facts(path)
    assert (told["frames"], told["resize"]["path"]) == (3, "whole")
    assert not any("only image" in note for note in told["notes"])  # a resize does all of them


def test_a_zarr(facts, tmp_path, run, rgb):
    pytest.importorskip("zarr")
    source, path = tmp_path / "a.png", tmp_path / "a.zarr"
    Image.fromarray(rgb).save(source)
    run("resize", source, "-o", path, "--scale", 2)
    (told,) = facts(path)
    assert (told["format"], told["storage"]) == ("OME-Zarr", "chunks")
    assert told["resize"]["path"] == "tiles"
    assert "bytes" not in told


# -- the path of a resize -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "size", "memory"),
    [(".tif", 40, None), (".tif", 40, "1G"), (".tif", 4200, None), (".npy", 40, None),
     (".png", 40, None), (".tif", 4200, "448M")],
)  # fmt: skip
def test_the_path_is_that_which_is_taken(run, facts, tmp_path, monkeypatch, suffix, size, memory):
    path = tmp_path / f"a{suffix}"
    pixels = np.zeros((size, size), np.uint8)
    if suffix == ".npy":
        np.save(path, pixels)
    elif suffix == ".png":
        Image.fromarray(pixels).save(path)
    else:
        tifffile.imwrite(path, pixels)
    monkeypatch.setattr(choice, "_SMALL", 1 << 20)
    options = ["--scale", 3] + ["--memory", memory] * (memory is not None)
    (told,) = facts(path, *options)
    line = run("resize", path, "-o", f"{tmp_path}/out/", "--dry-run", *options).stdout
    assert told["resize"]["path"] == ("tiles" if "tile by tile" in line else "whole")
    is_large = memory == "448M" or suffix == ".npy"
    assert told["resize"]["path"] == ("tiles" if is_large else "whole")
    if is_large:
        wanted = int(memory[:-1]) << (30 if memory[-1] == "G" else 20) if memory else None
        assert told["resize"]["memory_tiles"] == tiled.most_memory(TilingOptions(memory=wanted))


def test_what_would_be_refused_is_told(facts, tmp_path, rgb, run):
    path = tmp_path / "a.png"
    Image.fromarray(rgb).save(path)
    (told,) = facts(path, "--max-pixels", 200)
    assert "would become 560 pixels" in told["resize"]["refused"]
    assert told["width"] == 14
    assert "refused: would become" in run("info", path, "--max-pixels", 200).stdout
    assert "refused" in facts(path, "--max-pixels", 20)[0]["resize"]
    path = tmp_path / "a.jpg"
    Image.fromarray(rgb).save(path)
    assert (
        "holds sides of at most 65,500" in facts(path, "--scale", "9000x1")[0]["resize"]["refused"]
    )
    big = tmp_path / "strip.tif"
    tifffile.imwrite(big, np.zeros((6000, 6000), np.uint16), rowsperstrip=6000, compression="zlib")
    told = facts(big, "--memory", "448M", "--scale", 4)[0]
    words = run("resize", big, "-o", tmp_path / "o.tif", "--memory", "448M", "--scale", 4,
                "--dry-run", code=1).output  # fmt: skip
    assert told["resize"]["refused"] in words


def test_a_name_that_nothing_is_written_under(run, facts, tmp_path, rgb):
    path = tmp_path / "a.ico"
    Image.fromarray(rgb).save(path)
    (told,) = facts(path)
    assert (told["resize"]["suffix"], told["resize"]["path"]) == (".tif", "whole")
    assert "refused" not in told["resize"]
    assert "resize       x2 into .tif: 28x20, in one piece" in run("info", path).stdout
    slide = tmp_path / "a.svs"
    write_slide(slide, np.kron(rgb, np.ones((16, 16, 1), np.uint8)))
    (told,) = facts(slide)
    assert (told["resize"]["suffix"], told["resize"]["path"]) == (".tif", "tiles")
    line = run("resize", slide, "-o", tmp_path / "o.tif", "--scale", 2, "--dry-run").stdout
    assert "tile by tile" in line


def test_frames_count_in_the_memory(facts, tmp_path, rgb):
    frames = [Image.fromarray(rgb + n) for n in range(5)]
    frames[0].save(tmp_path / "a.webp", lossless=True)
    frames[0].save(tmp_path / "b.webp", lossless=True, save_all=True, append_images=frames[1:])
    one, five = facts(tmp_path / "a.webp", tmp_path / "b.webp")
    assert five["bytes_in_memory"] == 5 * one["bytes_in_memory"]
    added = five["resize"]["memory_whole"] - one["resize"]["memory_whole"]
    assert added >= 4 * 5 * one["bytes_in_memory"]


# -- files and errors ---------------------------------------------------------------------


def test_bad_files_are_told_and_others_go_on(run, tmp_path, rgb):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.fromarray(rgb).save(good)
    bad.write_bytes(b"hello")
    np.save(tmp_path / "flat.npy", np.zeros(5))
    result = run("info", good, bad, tmp_path / "none.tif", tmp_path / "flat.npy", "--json", code=1)
    assert [json.loads(line)["file"] for line in result.stdout.splitlines()] == [str(good)]
    lines = sorted(result.stderr.splitlines())
    assert lines[0] == (f"lerf: {bad}: not an image of a known format, or damaged at its start")
    assert lines[1] == f"lerf: {tmp_path / 'flat.npy'}: an array of shape (5,) is no image"
    assert lines[2] == f"lerf: {tmp_path / 'none.tif'}: No such file or directory"


def test_a_level_that_is_not_there(run, tmp_path, rgb):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, rgb)
    result = run("info", path, "--level", 3, code=1)
    assert result.stderr == f"lerf: {path}: level 3 asked, 1 there\n"


def test_folders_and_standard_input(run, facts, tmp_path, rgb):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("b.png", "a.jpg", "deep/c.png"):
        Image.fromarray(rgb).save(tmp_path / "in" / name)
    (tmp_path / "in" / "words.txt").write_text("none")
    names = [Path(told["file"]).name for told in facts(tmp_path / "in")]
    assert names == ["a.jpg", "b.png"]
    assert len(facts(tmp_path / "in", "--recursive")) == 3
    (tmp_path / "empty").mkdir()
    assert "no images found" in run("info", tmp_path / "empty", code=2).output
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    told = json.loads(run("info", "-", "--json", stdin=file.getvalue()).stdout)
    assert (told["file"], told["bytes"], told["width"]) == ("<stdin>", len(file.getvalue()), 14)
    assert told["resize"]["path"] == "whole"
