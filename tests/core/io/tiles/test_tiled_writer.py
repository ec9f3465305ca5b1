"""Large results: any order of blocks, pyramids, metadata, interruptions."""

import errno
import itertools
import json
import os
import pickle
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from support.files import exif_block, plane_axes

from lerf_core.errors import FileError, InvalidArgumentError
from lerf_core.io.metadata.georeference import Georeference
from lerf_core.io.metadata.model import AxisScale, Channel, Metadata
from lerf_core.io.reading import open_reader, read_image
from lerf_core.io.tiles.pyramid import halve, level_shapes
from lerf_core.io.tiles.tiled_writer import WriterSpec, disk_bytes_needed
from lerf_core.io.writing import open_writer

TILES = (32, 48)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def pixels_of(shape, dtype="uint8", seed=0):
    values = np.random.default_rng(seed).random(shape)
    if dtype == "bool":
        return values > 0.5
    if np.dtype(dtype).kind == "f":
        return (values * 3 - 1).astype(dtype)
    return (values * np.iinfo(dtype).max).astype(dtype)


def spec_of(image, axes, form, **more):
    more = {"tile": TILES, "levels": 4} | more
    if form in ("NPY", "Zarr"):
        more["levels"] = 1
    return WriterSpec(image.shape, image.dtype, axes, form, **more)


def regions_of(spec, target):
    steps = [1] * len(spec.shape)
    for axis, side in zip(spec.plane_axes, target.block_multiple, strict=True):
        steps[axis] = side
    if spec.channel_axis is not None:
        steps[spec.channel_axis] = spec.shape[spec.channel_axis]
    starts = [range(0, size, step) for size, step in zip(spec.shape, steps, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(
            slice(a, min(a + s, n)) for a, s, n in zip(corner, steps, spec.shape, strict=True)
        )


def write(path, image, spec, count=None, *, resume=False, overwrite=False, commit=True):
    target = open_writer(str(path), spec, resume=resume, overwrite=overwrite)
    every = [region for region in regions_of(spec, target) if not target.is_finished(region)]
    random.Random(0).shuffle(every)
    sink = pickle.loads(pickle.dumps(target.sink))
    with ThreadPoolExecutor(2) as pool:
        for receipts in pool.map(lambda r: sink.put(r, image[r]), every[:count]):
            target.record(receipts)
    if commit:
        target.commit()
    return target, every


def killed(target):
    """Leave a target as SIGKILL does: nothing more is written, and locks are gone."""
    os.close(target.claim._handle)
    target.claim._handle = None
    for owner in (target, target._journal):
        file = getattr(owner, "_file", None)
        if file is not None:
            file.close()


def plain_pyramid(image, spec):
    levels = [image]
    while len(levels) < len(spec.level_shapes):
        levels.append(plain_halve(levels[-1], spec))
    return levels


def plain_halve(image, spec):
    """The specification, in plain NumPy."""
    rows, cols = spec.plane_axes
    if spec.is_labels or image.dtype == np.bool_:
        part = [slice(None)] * image.ndim
        part[rows] = part[cols] = slice(None, None, 2)
        return image[tuple(part)]
    pad = [(0, 0)] * image.ndim
    pad[rows], pad[cols] = (0, image.shape[rows] % 2), (0, image.shape[cols] % 2)
    whole = np.pad(image.astype(np.float64), pad, mode="edge")
    weight = np.ones_like(whole)
    alpha = None
    if spec.has_separate_alpha:
        alpha = np.take(whole, [-1], spec.channel_axis)
        weight = np.broadcast_to(alpha, whole.shape).copy()
        last = [slice(None)] * whole.ndim
        last[spec.channel_axis] = slice(-1, None)
        weight[tuple(last)] = 1
    corners = []
    for dy, dx in itertools.product((0, 1), (0, 1)):
        part = [slice(None)] * whole.ndim
        part[rows], part[cols] = slice(dy, None, 2), slice(dx, None, 2)
        corners.append((whole[tuple(part)], weight[tuple(part)]))
    total = sum(w for _, w in corners)
    plain = sum(v for v, _ in corners) / 4
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(total > 0, sum(v * w for v, w in corners) / total, plain)
    if image.dtype.kind in "iu":
        mean = np.floor(mean + 0.5)
    return mean.astype(image.dtype)


def assert_alike(found, wanted, *, exact=True):
    assert found.dtype == wanted.dtype
    if exact:
        np.testing.assert_array_equal(found, wanted)
    elif wanted.dtype.kind in "iu":
        assert np.abs(found.astype(np.int64) - wanted.astype(np.int64)).max() <= 1
    else:
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


CASES = [
    ("YX", (131, 97), "uint8", {}),
    ("YX", (129, 193), "uint16", {}),
    ("YX", (65, 49), "float32", {}),
    ("YX", (65, 49), "float16", {}),
    ("YX", (65, 49), "float64", {}),
    ("YX", (70, 90), "bool", {}),
    ("YX", (70, 90), "uint32", {"is_labels": True}),
    ("YX", (1, 1), "uint8", {}),
    ("YX", (33, 1), "int16", {"levels": 1}),
    ("YXS", (131, 97, 3), "uint8", {}),
    ("YXS", (90, 97, 4), "uint8", {"layout": "RGBA"}),
    ("YXS", (90, 97, 2), "float32", {"layout": "LA"}),
    ("YXS", (90, 97, 4), "uint16", {"layout": "RGBA", "is_premultiplied": True}),
    ("SYX", (3, 90, 97), "uint8", {}),
    ("TCZYX", (2, 3, 2, 65, 70), "uint16", {}),
]


@pytest.mark.parametrize("form", ["TIFF", "OME-TIFF", "OME-Zarr", "Zarr", "NPY"])
@pytest.mark.parametrize(("axes", "shape", "dtype", "more"), CASES)
def test_blocks_in_any_order_make_the_image_and_its_pyramid(
    tmp_path, form, axes, shape, dtype, more
):
    if form == "TIFF" and axes == "TCZYX":
        form = "OME-TIFF"
    image = pixels_of(shape, dtype)
    suffix = {"NPY": "npy", "Zarr": "zarr", "OME-Zarr": "ome.zarr"}.get(form, "ome.tif")
    path = tmp_path / f"result.{suffix}"
    compression = {"NPY": "none"}.get(form, "zstd" if "Zarr" in form else "deflate")
    spec = spec_of(image, axes, form, compression=compression, **more)
    if form == "OME-TIFF" and dtype == "float16":
        with pytest.raises(FileError, match="holds no float16"):
            open_writer(str(path), spec)
        return
    write(path, image, spec)
    assert names(tmp_path) == [path.name]
    levels = plain_pyramid(image, spec)
    exact = spec.layout is None and image.dtype.kind != "f"
    if form == "NPY":
        assert_alike(np.load(path), image)
    elif form == "Zarr":
        assert_alike(zarr.open_array(path, mode="r")[...], image)
    elif form == "OME-Zarr":
        group = zarr.open_group(path, mode="r")
        for number, wanted in enumerate(levels):
            stored = np.moveaxis(wanted, -1, 0) if axes == "YXS" else wanted
            assert_alike(group[str(number)][...], stored, exact=exact or number == 0)
        assert str(len(levels)) not in group
    else:
        with tifffile.TiffFile(path) as file:
            assert file.is_bigtiff
            series = file.series[0]
            assert len(file.series) == 1
            found = series.levels
            assert len(found) == len(levels)
            for number, (level, wanted) in enumerate(zip(found, levels, strict=True)):
                data = level.asarray().reshape(wanted.shape)
                assert_alike(data, wanted, exact=exact or number == 0)
                assert level.keyframe.tile[:2] == TILES


@pytest.mark.parametrize("compression", ["none", "deflate", "zstd", "lzw"])
def test_compressions_of_tiff(tmp_path, compression):
    image = pixels_of((140, 130, 3))
    spec = spec_of(image, "YXS", "TIFF", compression=compression)
    write(tmp_path / "a.tif", image, spec)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.asarray(), image)
        assert (
            file.pages[0].compression
            == {"none": 1, "deflate": 8, "zstd": 50000, "lzw": 5}[compression]
        )


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_level_that_is_one_tile(tmp_path, dtype):
    image = pixels_of((64, 64, 3), dtype)
    path = tmp_path / "a.tif"
    spec = spec_of(image, "YXS", "TIFF", tile=(32, 32), levels=2, compression="none")
    write(path, image, spec)
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        assert [level.compression for level in (page, page.pages.first)] == [1, 1]
        assert_alike(page.asarray(), image)
        assert_alike(page.pages.first.asarray(), plain_halve(image, spec), exact=False)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_signed_colours_in_tiles_and_levels(tmp_path, dtype):
    image = pixels_of((70, 90, 3), dtype)
    path = tmp_path / "a.tif"
    details = {"photometric": 8}
    spec = spec_of(image, "YXS", "TIFF", levels=2, layout="MULTI", details=details)
    write(path, image, spec)
    with tifffile.TiffFile(path) as file:
        assert file.pages.first.photometric == 8
    for level, wanted in enumerate([image, plain_halve(image, spec)]):
        with open_reader(path, level=level) as reader:
            assert_alike(reader[...], wanted, exact=level == 0)


@pytest.mark.parametrize("compression", ["none", "zstd", "lz4", "gzip"])
def test_compressions_of_zarr(tmp_path, compression):
    image = pixels_of((140, 130, 3))
    write(tmp_path / "a.zarr", image, spec_of(image, "YXS", "OME-Zarr", compression=compression))
    found = zarr.open_group(tmp_path / "a.zarr", mode="r")["0"]
    np.testing.assert_array_equal(np.moveaxis(found[...], 0, -1), image)
    assert found.chunks == (3, *TILES)


def test_halving_of_any_image():
    rng = np.random.default_rng(0)
    for axes, shape, dtype, more in CASES:
        image = pixels_of(shape, dtype, seed=int(rng.integers(99)))
        spec = spec_of(image, axes, "OME-TIFF", **more)
        found = halve(
            image, spec.plane_axes, channel_axis=spec.channel_axis,
            has_alpha=spec.has_separate_alpha, is_labels=spec.is_labels,
        )  # fmt: skip
        assert_alike(found, plain_halve(image, spec), exact=image.dtype.kind in "bu")


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_halving_the_largest_integers(dtype):
    info = np.iinfo(dtype)
    image = np.array([[info.max, info.max], [info.max, info.max - 2], [info.min, 3]], dtype)
    found = halve(image, (0, 1))
    assert found.dtype == dtype
    wanted = [(int(image[:2].sum(dtype=object)) + 2) // 4, (int(info.min) + 3 + 1) // 2]
    assert [int(value) for value in found[:, 0]] == wanted


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("nodata", [0, 7.0, -1.0, 2.0**60, 2.0**63, 2.0**64])
def test_halving_the_largest_integers_of_which_some_are_missing(dtype, nodata):
    info = np.iinfo(dtype)
    values = [2**63 - 1, 2**60 + 1, 2**60 - 1, 2**53 + 1, 2**60, 7, 0, info.max, info.min, 3]
    image = np.random.default_rng(0).choice(np.array(values, dtype), (40, 40))
    image[:2, :2] = 2**63 - 1
    image[:2, 2:4] = 2**60 + 1
    found = halve(image, (0, 1), nodata=nodata)
    assert found.dtype == dtype
    assert [int(value) for value in found[0, :2]] == [2**63 - 1, 2**60 + 1]
    for row, col in np.ndindex(found.shape):
        four = [int(value) for value in image[2 * row : 2 * row + 2, 2 * col : 2 * col + 2].flat]
        valid = [value for value in four if value != nodata]
        if len(valid) < 2:
            assert found[row, col] == int(nodata)
            continue
        mean = (2 * sum(valid) + len(valid)) // (2 * len(valid))
        wanted = {mean} if mean != nodata else {mean - 1, mean + 1}
        assert int(found[row, col]) in wanted


def test_levels_by_default_end_at_a_thousand():
    assert level_shapes((40_000, 30_001), (0, 1), None) == [
        (40_000, 30_001), (20_000, 15_001), (10_000, 7501), (5000, 3751), (2500, 1876),
        (1250, 938), (625, 469),
    ]  # fmt: skip
    assert level_shapes((3, 1000), (0, 1), None) == [(3, 1000)]
    image = pixels_of((64, 64))
    assert disk_bytes_needed(spec_of(image, "YX", "TIFF", levels=2)) == 64 * 96 + 32 * 48
    assert disk_bytes_needed(spec_of(image, "YX", "NPY")) == 64 * 64


# -- metadata ------------------------------------------------------------


SIZE = plane_axes(0.5, 0.25, "micrometer")


def test_ome_zarr_says_where_every_level_lies(tmp_path):
    image = pixels_of((2, 100, 120), "uint16")
    sizes = plane_axes(0.5, 0.25, "micrometer", (10.0, 20.0))
    metadata = Metadata(axes=(AxisScale("Z", 2.0, "micrometer", 5.0), *sizes))
    spec = spec_of(image, "ZYX", "OME-Zarr", metadata=metadata, levels=3)
    write(tmp_path / "a.zarr", image, spec)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    (multiscale,) = ome["multiscales"]
    assert [axis["name"] for axis in multiscale["axes"]] == ["z", "y", "x"]
    assert multiscale["axes"][1] == {"name": "y", "type": "space", "unit": "micrometer"}
    for level, dataset in enumerate(multiscale["datasets"]):
        scale, translation = dataset["coordinateTransformations"]
        factor = 2**level
        assert scale == {"type": "scale", "scale": [2.0, 0.5 * factor, 0.25 * factor]}
        # Pixel centres: half of what the pixels are larger.
        moved = [5.0, 10 + 0.5 * (factor - 1) * 0.5, 20 + 0.5 * (factor - 1) * 0.25]
        assert translation == {"type": "translation", "translation": moved}
        assert group[dataset["path"]].metadata.dimension_names == ("z", "y", "x")


@pytest.mark.parametrize(("axes", "shape"), [("YX", (90, 80)), ("YXS", (90, 80, 3)),
                                             ("TCZYX", (2, 2, 2, 64, 50))])  # fmt: skip
def test_ome_zarr_validates(tmp_path, axes, shape):
    models = pytest.importorskip("ome_zarr_models")
    image = pixels_of(shape)
    write(
        tmp_path / "a.zarr",
        image,
        spec_of(image, axes, "OME-Zarr", metadata=Metadata(axes=SIZE)),
    )
    model = models.open_ome_zarr(zarr.open_group(tmp_path / "a.zarr", mode="r"))
    assert model.ome_zarr_version == "0.5"


def test_tiff_keeps_what_is_known_of_the_image(tmp_path):
    image = pixels_of((90, 97, 4))
    words = Image.Exif()
    words[305], words[315], words[306] = "a scanner", "Jörg Müller".encode(), "when"
    metadata = Metadata(
        axes=SIZE, dpi=(300.0, 150.0), icc=b"profile" * 20, exif=words.tobytes()[6:]
    )
    spec = spec_of(image, "YXS", "OME-TIFF", layout="RGBA", metadata=metadata)
    write(tmp_path / "a.ome.tif", image, spec)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        page = file.pages[0]
        # What is known of the pixels' size goes before what a print was to have.
        assert page.resolutionunit == 3
        assert page.tags["XResolution"].value == (40_000, 1)
        assert page.tags["YResolution"].value == (20_000, 1)
        assert page.iccprofile == b"profile" * 20
        assert page.software == "a scanner"
        assert page.tags["Artist"].value == "Jörg Müller"
        assert page.tags["DateTime"].value == "when"
        assert [int(extra) for extra in page.extrasamples] == [2]
        xml = file.ome_metadata
    assert 'PhysicalSizeX="0.25"' in xml
    assert 'PhysicalSizeY="0.5"' in xml
    assert 'PhysicalSizeXUnit="µm"' in xml


@pytest.mark.parametrize("form", ["TIFF", "OME-TIFF"])
def test_exif_directories_of_a_bigtiff(tmp_path, form):
    image = pixels_of((50, 60, 3))
    exif = exif_block(1).tobytes()[6:]
    spec = spec_of(image, "YXS", form, metadata=Metadata(exif=exif))
    write(tmp_path / "a.ome.tif", image, spec)
    whole = read_image(tmp_path / "a.ome.tif").metadata
    with open_reader(tmp_path / "a.ome.tif") as reader:
        assert reader.metadata.exif == whole.exif
    kept, wanted = Image.Exif(), exif_block(1)
    kept.load(b"Exif\0\0" + whole.exif)
    for directory in (0x8769, 0x8825):
        assert dict(kept.get_ifd(directory)) == dict(wanted.get_ifd(directory))
    assert kept[0x010F] == wanted[0x010F]


def test_channel_names_go_into_ome_xml(tmp_path):
    image = pixels_of((2, 50, 60), "uint16")
    channels = (Channel("DAPI"), Channel("GFP"))
    write(tmp_path / "a.ome.tif", image,
          spec_of(image, "CYX", "OME-TIFF", metadata=Metadata(channels=channels)))  # fmt: skip
    with open_reader(tmp_path / "a.ome.tif") as reader:
        assert [channel.name for channel in reader.metadata.channels] == ["DAPI", "GFP"]


def test_channels_without_names_get_none(tmp_path):
    image = pixels_of((2, 50, 60), "uint16")
    channels = (Channel(""), Channel("", "FF0000"))
    write(tmp_path / "a.ome.tif", image,
          spec_of(image, "CYX", "OME-TIFF", metadata=Metadata(channels=channels)))  # fmt: skip
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        assert "Name=" not in (file.ome_metadata or "").split("<Channel", 1)[1]


# -- interruptions ------------------------------------------------------------


PLACES = [("TIFF", "a.tif"), ("OME-Zarr", "a.zarr"), ("NPY", "a.npy")]


@pytest.mark.parametrize(("form", "name"), PLACES)
def test_interrupted_work_goes_on(tmp_path, form, name):
    image = pixels_of((300, 310, 3))
    spec = spec_of(image, "YXS", form, fingerprint="one")
    path = tmp_path / name
    target, every = write(path, image, spec, 5, commit=False)
    killed(target)
    assert not path.exists()
    assert all(entry.startswith(".") for entry in names(tmp_path))
    wrong = np.zeros_like(image)  # what is finished must not be made again
    again = open_writer(str(path), spec, resume=True)
    assert again.finished_count == 5
    left = [region for region in every if not again.is_finished(region)]
    assert len(left) == len(every) - 5
    for region in left:
        again.record(again.sink.put(region, image[region]))
        wrong[region] = image[region]
    again.commit()
    assert (wrong != image).any()
    assert_reads_as(path, form, image)
    assert names(tmp_path) == [name]


def assert_reads_as(path, form, image):
    if form == "NPY":
        found = np.load(path)
    elif form == "TIFF":
        found = tifffile.imread(path)
    else:
        found = np.moveaxis(zarr.open_group(path, mode="r")["0"][...], 0, -1)
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize(("form", "name"), PLACES)
def test_torn_journals_and_other_work(tmp_path, form, name):
    image = pixels_of((300, 310, 3))
    spec = spec_of(image, "YXS", form, fingerprint="one")
    path = tmp_path / name
    killed(write(path, image, spec, 5, commit=False)[0])
    journal = tmp_path / f".{name}.partial.journal"
    lines = journal.read_text().split("\n")
    journal.write_text("\n".join(lines[:5]) + "\n" + lines[5][:7])
    other = spec_of(image, "YXS", form, fingerprint="two")
    with pytest.raises(FileError, match="belongs to other work"):
        open_writer(str(path), other, resume=True)
    write(path, image, spec, resume=True)
    assert_reads_as(path, form, image)
    # Without resume, what is left of other work does not matter.
    killed(write(path, image, spec, 3, commit=False, overwrite=True)[0])
    write(path, image, other, overwrite=True)
    assert_reads_as(path, form, image)


def test_a_partial_tiff_that_lost_its_end(tmp_path):
    image = pixels_of((300, 310, 3))
    spec = spec_of(image, "YXS", "TIFF")
    killed(write(tmp_path / "a.tif", image, spec, 6, commit=False)[0])
    partial = tmp_path / ".a.tif.partial"
    os.truncate(partial, partial.stat().st_size - 2000)
    again = open_writer(str(tmp_path / "a.tif"), spec, resume=True)
    assert again.finished_count < 6
    again.abandon(keep=True)
    write(tmp_path / "a.tif", image, spec, resume=True)
    assert_reads_as(tmp_path / "a.tif", "TIFF", image)


def test_what_was_lost_stays_lost(tmp_path):
    """An entry whose tile is gone must not come back when the file has grown again."""
    image = pixels_of((300, 310, 3))
    spec = spec_of(image, "YXS", "TIFF")
    path = tmp_path / "a.tif"
    killed(write(path, image, spec, 6, commit=False)[0])
    partial = tmp_path / ".a.tif.partial"
    size = partial.stat().st_size
    os.truncate(partial, size - 20_000)
    again = open_writer(str(path), spec, resume=True)
    left = [region for region in regions_of(spec, again) if not again.is_finished(region)]
    for region in left[:3]:
        again.record(again.sink.put(region, image[region]))
    killed(again)
    assert partial.stat().st_size > size - 20_000
    write(path, image, spec, resume=True)
    assert_reads_as(path, "TIFF", image)


def test_tiles_that_never_came_to_the_disk(tmp_path):
    image = pixels_of((300, 310, 3))
    spec = spec_of(image, "YXS", "TIFF")
    path = tmp_path / "a.tif"
    killed(write(path, image, spec, 6, commit=False)[0])
    partial = tmp_path / ".a.tif.partial"
    with partial.open("r+b") as file:  # a hole, as a fall of the machine leaves it
        file.seek(-5000, os.SEEK_END)
        file.write(bytes(5000))
    write(path, image, spec, resume=True)
    assert_reads_as(path, "TIFF", image)


@pytest.mark.parametrize(("form", "name"), PLACES)
def test_a_partial_of_unknown_work_is_not_trusted(tmp_path, form, name):
    image = pixels_of((300, 310, 3))
    spec = spec_of(image, "YXS", form)
    path = tmp_path / name
    killed(write(path, 255 - image, spec, 6, commit=False)[0])
    journal = tmp_path / f".{name}.partial.journal"
    journal.write_text(journal.read_text().split("\n")[0] + "\n")
    write(path, image, spec, resume=True)
    assert_reads_as(path, form, image)


def test_a_full_disk_does_not_take_the_journal(tmp_path, monkeypatch):
    from pathlib import Path

    image = pixels_of((300, 310, 3))
    spec = spec_of(image, "YXS", "TIFF")
    killed(write(tmp_path / "a.tif", image, spec, 6, commit=False)[0])
    journal = tmp_path / ".a.tif.partial.journal"
    before = journal.read_text()

    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(FileError, match="No space left"):
            open_writer(str(tmp_path / "a.tif"), spec, resume=True)
    assert journal.read_text() == before
    write(tmp_path / "a.tif", image, spec, resume=True)
    assert_reads_as(tmp_path / "a.tif", "TIFF", image)


def test_workers_that_live_longer_than_the_work(tmp_path):
    """The same place, made anew with other tiles, by a process that knows the old ones."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    image = pixels_of((130, 140))
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        for tile in [(32, 32), (48, 64)]:
            spec = spec_of(image, "YX", "OME-Zarr", tile=tile, levels=1)
            target = open_writer(str(tmp_path / "a.zarr"), spec, overwrite=True)
            for region in regions_of(spec, target):
                target.record(pool.submit(target.sink.put, region, image[region]).result())
            target.commit()
            found = zarr.open_group(tmp_path / "a.zarr", mode="r")["0"]
            np.testing.assert_array_equal(found[...], image)


@pytest.mark.parametrize(("form", "name"), PLACES)
def test_abandoned_work_leaves_what_is_asked(tmp_path, form, name):
    image = pixels_of((300, 310, 3))
    spec = spec_of(image, "YXS", form)
    target, _ = write(tmp_path / name, image, spec, 2, commit=False)
    target.abandon(keep=True)
    assert names(tmp_path) == [f".{name}.partial", f".{name}.partial.journal"]
    target, _ = write(tmp_path / name, image, spec, 2, commit=False)
    target.abandon(keep=False)
    assert not names(tmp_path)
    target, _ = write(tmp_path / name, image, spec, 0, commit=False)
    target.abandon(keep=True)  # nothing worth keeping
    assert not names(tmp_path)


@pytest.mark.parametrize(("form", "name"), PLACES)
def test_results_are_replaced_only_when_told(tmp_path, form, name):
    image = pixels_of((100, 110, 3))
    spec = spec_of(image, "YXS", form)
    write(tmp_path / name, image, spec)
    with pytest.raises(FileError, match="exists"):
        open_writer(str(tmp_path / name), spec)
    target, _ = write(tmp_path / name, 255 - image, spec, 1, overwrite=True, commit=False)
    assert_reads_as(tmp_path / name, form, image)
    target.abandon(keep=False)
    write(tmp_path / name, 255 - image, spec, overwrite=True)
    assert_reads_as(tmp_path / name, form, 255 - image)
    assert names(tmp_path) == [name]


def test_remote_zarr(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    image = pixels_of((300, 310, 3))
    spec = spec_of(image, "YXS", "OME-Zarr", fingerprint="one")
    url = f"memory://bucket-{tmp_path.name}/a.zarr"
    target, _ = write(url, image, spec, 5, commit=False)
    target.abandon(keep=True)
    system, where = fsspec.core.url_to_fs(url)
    assert "multiscales" not in system.cat_file(f"{where}/zarr.json").decode()
    journal = system.cat_file(f"{where}/lerf-journal.jsonl").decode()
    assert json.loads(journal.split("\n")[0])["job"] == "one"
    write(url, image, spec, resume=True)
    assert not system.exists(f"{where}/lerf-journal.jsonl")
    group = zarr.open_group(zarr.storage.FsspecStore.from_url(url), mode="r")
    np.testing.assert_array_equal(np.moveaxis(group["0"][...], 0, -1), image)
    with pytest.raises(FileError, match="exists"):
        open_writer(url, spec)
    write(url, image, spec, overwrite=True)
    # Whatever else lies there is not ours to delete.
    system.pipe_file(f"{where}-notes/notes.txt", b"mine")
    with pytest.raises(FileError, match="exists"):
        open_writer(f"{url}-notes", spec)
    assert system.cat_file(f"{where}-notes/notes.txt") == b"mine"
    gone = open_writer(f"{url}-gone", spec)
    gone.abandon(keep=True)
    open_writer(f"{url}-gone", spec).abandon(keep=False)
    assert not system.exists(f"{where}-gone")
    write(f"file://{tmp_path}/local.zarr", image, spec)
    assert names(tmp_path) == ["local.zarr"]
    with pytest.raises(FileError, match="only Zarr"):
        open_writer("memory://bucket/a.tif", spec_of(image, "YXS", "TIFF"))


# -- what is refused ------------------------------------------------------------


def test_full_disks_tell(tmp_path, monkeypatch):
    image = pixels_of((100, 110, 3))
    spec = spec_of(image, "YXS", "TIFF")
    target, every = write(tmp_path / "a.tif", image, spec, 1, commit=False)

    class Full:
        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def seek(self, place):
            return place

        def close(self):
            pass

    killed(target)
    monkeypatch.setattr(target, "_file", Full())
    receipts = target.sink.put(every[1], image[every[1]])
    with pytest.raises(FileError, match=r"No space left.*go on with --resume"):
        target.record(receipts)


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        ("TIFF", {"tile": (20, 32)}, "multiples of 16"),
        ("TIFF", {"tile": (0, 32)}, "1 to 65536"),
        ("OME-Zarr", {"tile": (100_000, 32)}, "1 to 65536"),
        ("TIFF", {"compression": "lz4"}, "compression"),
        ("OME-Zarr", {"compression": "lzw"}, "compression"),
        ("TIFF", {"levels": 0}, "levels"),
        ("BMP", {}, "format"),
    ],
)
def test_nonsense_is_refused(form, change, message):
    with pytest.raises(InvalidArgumentError, match=message):
        spec_of(pixels_of((40, 40)), "YX", form, **change)


def test_folders_that_cannot_be_written(tmp_path):
    spec = spec_of(pixels_of((40, 40)), "YX", "TIFF")
    with pytest.raises(FileError, match="no folder"):
        open_writer(str(tmp_path / "none" / "a.tif"), spec)
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("nothing is locked to the super-user")
    with pytest.raises(FileError, match="no permission"):
        open_writer(str(locked / "a.tif"), spec)


def test_axes_that_a_format_has_no_place_for(tmp_path):
    for name, shape, axes, form, message in [
        ("a.tif", (2, 40, 40), "ZYX", "TIFF", "OME-TIFF"),
        ("a.tif", (40, 2, 40), "YZX", "OME-TIFF", "come last"),
        ("a.zarr", (2, 40, 40, 3), "CYXS", "OME-Zarr", "OME-Zarr"),
    ]:
        spec = spec_of(pixels_of(shape), axes, form)
        with pytest.raises(FileError, match=message):
            open_writer(str(tmp_path / name), spec)


def test_levels_that_are_put_in_order_leave_nothing_behind(tmp_path, monkeypatch):
    """Also where the copy cannot be placed: what is finished stays, and the work goes on."""
    reference = Georeference((0.25, 0, 6, 0, -0.25, 47))
    spec = WriterSpec(
        (100, 120), np.dtype(np.uint8), "YX", "TIFF", tile=(32, 32), levels=3,
        metadata=Metadata(georeference=reference), compression="deflate",
    )  # fmt: skip
    path, pixels = tmp_path / "out.tif", pixels_of((100, 120))
    writer = open_writer(str(path), spec)
    whole = (slice(0, 100), slice(0, 120))
    writer.record(writer.sink.put(whole, pixels))

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(type(writer), "_place", full)
    with pytest.raises(FileError, match="go on with --resume"):
        writer.commit()
    writer.abandon(keep=True)
    assert not list(tmp_path.glob("*ordered*")) + list(tmp_path.glob(".*ordered*"))
    monkeypatch.undo()
    again = open_writer(str(path), spec, resume=True)
    assert again.is_finished(whole)
    again.commit()
    np.testing.assert_array_equal(tifffile.imread(path), pixels)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.tif"]
