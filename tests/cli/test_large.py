"""Files larger than memory: tile by tile, the same pixels as in one piece."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from support.banks import make_random_network
from support.combinations import some_first
from support.files import KINDS, smooth_rgb, write_kind

import lerf_core
from lerf_cli.batch import choice, cluster

pytestmark = pytest.mark.slow

TURN = ("--rotate", "15")
RESIZE, WARP = ("resize", "--scale", 1.5), ("warp", "--rotate", 15)


@pytest.fixture(scope="module")
def photo():
    """Photograph-like: smooth, with noise; 210 rows and 330 columns."""
    rng = np.random.default_rng(7)
    rows, cols = np.mgrid[:210, :330]
    planes = [np.sin(rows / (9 + k)) * np.cos(cols / (11 + k)) for k in range(3)]
    values = 128 + 90 * np.stack(planes, -1) + rng.normal(0, 8, (210, 330, 3))
    return np.clip(values, 0, 255).astype(np.uint8)


@pytest.fixture
def source(tmp_path, photo):
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, photo, tile=(64, 64), photometric="rgb", compression="zlib",
                     resolution=(300, 300))  # fmt: skip
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def scaled(image, **options):
    return lerf_core.rescale(image, 2, channel_axis=-1, **options)


def of_zarr(path, level="0"):
    return zarr.open_group(path, mode="r")[level][...]


# -- the same pixels ------------------------------------------------------------


def test_tiles_make_the_same_tiff(run, tmp_path, source, photo):
    result = run("resize", source, "-o", tmp_path / "a.tif", "--scale", 2, "--tile", "64x32", "-v",
                 "--pyramid", 3)  # fmt: skip
    assert "tile by tile" in result.stderr
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.asarray(), scaled(photo))
        page = file.pages[0]
        assert page.tile == (32, 64)
        assert page.compression == 8  # as the input
        assert page.tags["XResolution"].value == (300, 1)
        assert len(file.series[0].levels) == 3


def test_warps_by_tiles(run, tmp_path, source, photo):
    run("warp", source, "-o", tmp_path / "a.tif", *TURN, "--tile", 64)
    run("warp", source, "-o", tmp_path / "b.tif", *TURN)
    tiled, whole = (tifffile.imread(tmp_path / name) for name in ("a.tif", "b.tif"))
    np.testing.assert_array_equal(tiled, whole)
    field = np.random.default_rng(0).normal(0, 5, (2, 100, 120))
    np.save(tmp_path / "field.npy", field)
    for name, more in (("a.tif", ["--tile", 32]), ("b.tif", [])):
        run("warp", source, "-o", tmp_path / name, "--field", tmp_path / "field.npy",
            "--overwrite", *more)  # fmt: skip
    tiled, whole = (tifffile.imread(tmp_path / name) for name in ("a.tif", "b.tif"))
    np.testing.assert_array_equal(tiled, whole)


@pytest.mark.parametrize(
    ("command", "dtype", "channels"),
    some_first(
        [
            (RESIZE, "uint8", 3), (WARP, "uint8", 4), (RESIZE, "uint8", 1),
            (WARP, "uint16", 3), (RESIZE, "float32", 3), (WARP, "uint8", 5),
        ],
        [
            (WARP, "uint8", 3), (RESIZE, "uint8", 4), (WARP, "uint8", 1),
            (RESIZE, "uint16", 3), (WARP, "float32", 3), (RESIZE, "uint8", 5),
        ],
    ),
)  # fmt: skip
def test_networks_by_tiles(run, tmp_path, photo, command, dtype, channels):
    network = tmp_path / "network.safetensors"
    make_random_network(4, 5, 1).save(network)
    values = np.concatenate([photo, np.roll(photo[..., :2], 60, 1)], -1)[:70, :90, :channels]
    factor = {"uint8": 1, "uint16": 257, "float32": 1 / 255}[dtype]
    image = (values * np.float64(factor)).astype(dtype)
    if dtype == "float32":
        image[20:23, 30:34] = np.nan
        image[50, 60, 1] = np.nan
    tifffile.imwrite(
        tmp_path / "in.tif", image.squeeze(), tile=(32, 32), planarconfig="contig",
        photometric="rgb" if channels in (3, 4) else "minisblack",
        extrasamples=["unassalpha"] if channels == 4 else None,
    )  # fmt: skip
    for name, more in (("a.tif", ["--tile", 32]), ("b.tif", [])):
        run(command[0], tmp_path / "in.tif", "-o", tmp_path / name, *command[1:], *more,
            "--bank", network)  # fmt: skip
    tiled, whole = (tifffile.imread(tmp_path / name) for name in ("a.tif", "b.tif"))
    np.testing.assert_array_equal(tiled, whole)
    if command[0] == "resize":
        axis = -1 if channels > 1 else None
        expected = lerf_core.rescale(image.squeeze(), 1.5, bank=network, channel_axis=axis)
        np.testing.assert_array_equal(whole, expected)


def test_zarr_in_and_out(run, tmp_path, source, photo):
    run("resize", source, "-o", tmp_path / "a.zarr", "--scale", 2)
    np.testing.assert_array_equal(np.moveaxis(of_zarr(tmp_path / "a.zarr"), 0, -1), scaled(photo))
    run("resize", tmp_path / "a.zarr", "-o", tmp_path / "b.ome.tif", "--scale", 0.5)
    planes = np.moveaxis(scaled(photo), -1, 0)
    wanted = np.stack([lerf_core.rescale(plane, 0.5) for plane in planes])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.ome.tif"), wanted)
    # A level of the pyramid, and a store that is replaced.
    run("resize", source, "-o", tmp_path / "a.zarr", "--scale", 2, "--pyramid", 2, code=1)
    run("resize", source, "-o", tmp_path / "a.zarr", "--scale", 2, "--pyramid", 2, "--overwrite")
    run("resize", tmp_path / "a.zarr", "-o", tmp_path / "c.zarr", "--scale", 1, "--level", 1)
    np.testing.assert_array_equal(of_zarr(tmp_path / "c.zarr"), of_zarr(tmp_path / "a.zarr", "1"))


def test_npy_and_volumes(run, tmp_path, rng):
    volume = rng.integers(0, 60000, (3, 60, 70), dtype=np.uint16)
    np.save(tmp_path / "in.npy", volume)
    run("resize", tmp_path / "in.npy", "-o", tmp_path / "out.npy", "--scale", 1.5, "--tile", 32)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), lerf_core.rescale(volume, 1.5))
    stack = rng.integers(0, 255, (2, 3, 60, 70), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "in.ome.tif", stack, metadata={"axes": "TCYX"}, ome=True)
    for name in ("out.ome.tif", "out.zarr"):
        run("resize", tmp_path / "in.ome.tif", "-o", tmp_path / name, "--scale", 2, "--tile", 32)
    wanted = lerf_core.rescale(stack, 2)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.ome.tif"), wanted)
    np.testing.assert_array_equal(of_zarr(tmp_path / "out.zarr"), wanted)


# `make test` has the first ones of channels together, the second of planes that are stored apart.
OPTIONS = (
    ("--depth", "16"), ("--linear",), ("--border", "constant", "--cval", "9,8,7"),
    ("--nodata", "0"), ("--bank", "lerf-l"),
), (
    ("--background", "#ff8000"), ("--border", "reflect"), ("--alpha", "separate"),
    ("--depth", "float", "--background", "white"), ("--labels",),
)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "planar"),
    some_first(
        [*product(OPTIONS[0], [False]), *product(OPTIONS[1], [True])],
        [*product(OPTIONS[0], [True]), *product(OPTIONS[1], [False])],
    ),
)
def test_options_mean_the_same(run, tmp_path, photo, options, planar):
    alpha = np.clip(np.mgrid[:210, :330][1:].transpose(1, 2, 0) - 20, 0, 255).astype(np.uint8)
    image = np.concatenate([photo, alpha], -1)
    if planar:
        image = np.moveaxis(image, -1, 0)
    tifffile.imwrite(
        tmp_path / "in.tif", np.ascontiguousarray(image), photometric="rgb", tile=(64, 64),
        planarconfig="separate" if planar else "contig", extrasamples=["unassalpha"],
    )  # fmt: skip
    for name, more in (("a.tif", ["--tile", 64]), ("b.tif", [])):
        run("resize", tmp_path / "in.tif", "-o", tmp_path / name, "--scale", 1.5, *options, *more)
    tiled, whole = (tifffile.imread(tmp_path / name) for name in ("a.tif", "b.tif"))
    if planar:
        tiled = np.moveaxis(tiled, 0, -1)
    assert tiled.dtype == whole.dtype
    np.testing.assert_array_equal(tiled, whole)


# What tiles are stored in, and how they are compressed.
STORAGE = {254, 259, 273, 278, 279, 317, 322, 323, 324, 325}


def described(path):
    """Return the pixels of a TIFF, and the tags that say what they mean."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        tags = {tag.code: tag.value for tag in page.tags if tag.code not in STORAGE}
        return page.asarray(), tags


@pytest.mark.parametrize("name", KINDS)
def test_tiles_keep_what_whole_images_keep(run, tmp_path, name):
    path = write_kind(name, tmp_path, smooth_rgb(20, 30))
    words = ("resize", path, "--scale", 1.5, "-o")
    whole = run(*words, tmp_path / "whole.out.tif")
    tiled = run(*words, tmp_path / "tiled.out.tif", "--tile", 16)
    (pixels, tags), (expected, wanted) = (
        described(tmp_path / f"{way}.out.tif") for way in ("tiled", "whole")
    )
    assert pixels.dtype == expected.dtype
    np.testing.assert_array_equal(pixels, expected)
    assert tags == wanted
    assert tiled.output == whole.output


def test_transparent_borders_and_ranges(run, tmp_path, source, rng):
    for name, more in (("a.tif", ["--tile", 64]), ("b.tif", [])):
        run("warp", source, "-o", tmp_path / name, *TURN, "--border", "transparent", *more)
    tiled, whole = (tifffile.imread(tmp_path / name) for name in ("a.tif", "b.tif"))
    assert tiled.shape[-1] == 4
    np.testing.assert_array_equal(tiled, whole)
    tifffile.imwrite(tmp_path / "deep.tif", rng.normal(50, 20, (90, 80)).astype(np.float32))
    for name, more in (("c.tif", ["--tile", 32]), ("d.tif", [])):
        run("resize", tmp_path / "deep.tif", "-o", tmp_path / name, "--scale", 2,
            "--range", "auto", "--depth", "8", *more)  # fmt: skip
    tiled, whole = (tifffile.imread(tmp_path / name) for name in ("c.tif", "d.tif"))
    np.testing.assert_array_equal(tiled, whole)


def test_pixel_sizes_shrink_as_pixels_grow(run, tmp_path, photo):
    tifffile.imwrite(
        tmp_path / "in.ome.tif", photo, photometric="rgb", tile=(64, 64), ome=True,
        metadata={"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm",
                  "PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "µm"},
    )  # fmt: skip
    run("resize", tmp_path / "in.ome.tif", "-o", tmp_path / "a.ome.tif", "--scale", 2, "--tile", 64)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        xml = file.ome_metadata
    assert 'PhysicalSizeX="0.25"' in xml
    assert 'PhysicalSizeY="0.125"' in xml
    run("resize", tmp_path / "in.ome.tif", "-o", tmp_path / "a.zarr", "--scale", 2)
    ome = zarr.open_group(tmp_path / "a.zarr", mode="r").attrs["ome"]
    (first, *_) = ome["multiscales"][0]["datasets"]
    scale, translation = (one[one["type"]] for one in first["coordinateTransformations"])
    assert scale == [1, 0.125, 0.25]
    # The first of two small pixels lies a quarter of the large one before its centre.
    assert translation == [0, -0.25 * 0.25, -0.25 * 0.5]


def test_xmp_words_and_exif_are_kept(run, tmp_path, photo):
    packet = b"<x:xmpmeta/>"
    tags = [(700, 1, len(packet), packet, True), (315, 2, 0, "Jörg".encode() + b"\0", True)]
    tifffile.imwrite(tmp_path / "in.tif", photo, photometric="rgb", extratags=tags,
                     iccprofile=b"profile" * 30)  # fmt: skip
    words = ("resize", tmp_path / "in.tif", "-o", tmp_path / "a.tif", "--scale", 2, "--tile", 64)
    assert "note" not in run(*words).stderr
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages[0]
        assert bytes(page.tags[700].value) == packet
        assert page.tags[315].value == "Jörg"
        assert page.iccprofile == b"profile" * 30
    run("resize", tmp_path / "in.tif", "-o", tmp_path / "b.tif", "--scale", 2, "--tile", 64,
        "--strip")  # fmt: skip
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert 700 not in file.pages[0].tags
        assert file.pages[0].iccprofile == b"profile" * 30
    block = Image.Exif()
    block.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    block[0x010F] = "Maker of cameras"
    Image.fromarray(photo).save(tmp_path / "in.jpg", exif=block)
    run("resize", tmp_path / "in.jpg", "-o", tmp_path / "in.tif", "--scale", 1, "--overwrite")
    assert "note" not in run(*words, "--overwrite").stderr
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages[0]
        assert page.tags[271].value == "Maker of cameras"
        assert page.tags[34665].value["DateTimeOriginal"] == "2024:05:06 07:08:09"


@pytest.mark.parametrize(("name", "form"), [("a.zarr", "OME-Zarr"), ("a.npy", "NPY")])
def test_arrays_lose_profiles_and_say_so(run, tmp_path, photo, name, form):
    tifffile.imwrite(tmp_path / "in.tif", photo, photometric="rgb", iccprofile=b"profile" * 30)
    words = ("resize", tmp_path / "in.tif", "-o", tmp_path / name, "--scale", 2)
    assert f"{form} cannot hold ICC: dropped" in run(*words).stderr
    assert "cannot hold" not in run(*words, "--overwrite", "-q").stderr


# -- which way is taken ------------------------------------------------------------


def test_size_decides(run, tmp_path, source, monkeypatch):
    options = ("resize", source, "--scale", 2, "-v", "--overwrite")
    plain = run(*options, "-o", tmp_path / "a.tif")
    assert "tile by tile" not in plain.stderr
    monkeypatch.setattr(choice, "_SMALL", 1000)
    assert "tile by tile" not in run(*options, "-o", tmp_path / "a.tif").stderr
    monkeypatch.setattr(choice, "whole_memory", lambda *_: 1 << 60)
    assert "tile by tile" in run(*options, "-o", tmp_path / "a.tif").stderr
    # What cannot be tiled is not.
    assert "tile by tile" not in run(*options, "-o", tmp_path / "a.png").stderr
    asked = run(*options, "-o", tmp_path / "b.tif", "--memory", "500M").stderr
    assert "tile by tile" in asked


def test_dry_runs_write_nothing(run, tmp_path, source):
    result = run("resize", source, "-o", tmp_path / "a.zarr", "--scale", 2, "--dry-run")
    assert "330x210 -> " in result.output
    assert "660x420 tile by tile" in result.output
    assert names(tmp_path) == ["in.tif"]


def test_addresses_of_remote_storage(run, tmp_path, source, photo):
    import fsspec

    url = f"memory://{tmp_path.name}/out.zarr"
    run("resize", source, "-o", url, "--scale", 2)
    store = zarr.storage.FsspecStore.from_url(url)
    found = zarr.open_group(store, mode="r")["0"][...]
    np.testing.assert_array_equal(np.moveaxis(found, 0, -1), scaled(photo))
    assert "exists" in run("resize", source, "-o", url, "--scale", 2, code=1).stderr
    run("resize", url, "-o", tmp_path / "back.npy", "--scale", 0.5)
    assert np.load(tmp_path / "back.npy").shape == (3, 210, 330)
    fsspec.filesystem("memory").rm(f"/{tmp_path.name}", recursive=True)
    usage = run("resize", source, source, "-o", url, "--scale", 2, code=2)
    assert "one input and one output" in usage.stderr


def test_addresses_of_tiffs(run, tmp_path, source):
    import fsspec

    url = f"memory://{tmp_path.name}/in.tif"
    system, place = fsspec.core.url_to_fs(url)
    system.pipe(place, source.read_bytes())
    for out, given in (("a.tif", url), ("b.tif", source)):
        fitted = ("--size", "80x60", "--fit", "cover", "--tile", 64)
        run("resize", given, "-o", tmp_path / out, *fitted)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    run("warp", url, "-o", tmp_path / "c.npy", "--rotate", 20)
    facts = json.loads(run("info", url, "--json").stdout)
    assert (facts["format"], facts["width"]) == ("TIFF", 330)
    system.rm(place)
    for command in (("resize", "--scale", 2, "-o", tmp_path / "d.tif"), ("info",)):
        told = run(command[0], url, *command[1:], code=1).stderr
        assert f"{url}: no such file" in told
        assert "Traceback" not in told


# -- interruptions ------------------------------------------------------------


def lerf(*arguments):
    return [sys.executable, "-m", "lerf_cli", *map(str, arguments)]


def wait_for(journal: Path, lines: int, process, seconds=100):
    """Wait until so many chunks are finished."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if journal.exists() and journal.read_bytes().count(b"\n") > lines:
            return
        if process.poll() is not None:
            raise AssertionError("it ended before it could be stopped")
        time.sleep(0.005)
    raise AssertionError("too few chunks were finished")


@pytest.fixture(scope="module")
def many_tiles(tmp_path_factory, photo):
    """A file with enough work to be stopped in the middle of, and what it becomes."""
    image = np.tile(photo, (16, 5, 1))  # eight blocks
    path = tmp_path_factory.mktemp("many") / "many.tif"
    tifffile.imwrite(path, image, tile=(64, 64), photometric="rgb")
    return path, scaled(image)


@pytest.mark.parametrize(
    ("name", "number"),
    some_first([("out.tif", signal.SIGKILL)], [("out.zarr", signal.SIGTERM)]),
)
def test_stopped_work_goes_on(tmp_path, many_tiles, name, number):
    path, expected = many_tiles
    out = tmp_path / name
    words = lerf("resize", path, "-o", out, "--scale", 2, "--tile", 128, "--pyramid", 2,
                 "--threads", 1, "--memory", "448M")  # fmt: skip
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / f".{name}.partial.journal"
    wait_for(journal, 2, process)
    process.send_signal(number)
    process.communicate()
    assert process.returncode != 0
    assert not out.exists()
    finished = journal.read_bytes().count(b"\n") - 1
    again = subprocess.run([*words, "--resume", "-v"], check=True, capture_output=True, text=True)
    assert f"resumed: {finished} of" in again.stderr
    found = tifffile.imread(out) if name == "out.tif" else np.moveaxis(of_zarr(out), 0, -1)
    np.testing.assert_array_equal(found, expected)
    assert not [entry for entry in names(tmp_path) if entry.startswith(".")]


def test_a_terminal_of_no_known_size_shows_progress(tmp_path, source):
    pty = pytest.importorskip("pty")
    shown, terminal = pty.openpty()
    words = lerf("resize", source, "-o", tmp_path / "a.tif", "--scale", 2, "--tile", 64)
    subprocess.run(words, check=True, stderr=terminal)
    os.close(terminal)
    told = os.read(shown, 1 << 16).decode()
    os.close(shown)
    assert "100%" in told
    assert "277k/277k" in told  # pixels of the output


def test_finished_chunks_are_not_computed_again(run, tmp_path, source, photo, monkeypatch):
    from lerf_core.tiled import blocks
    from lerf_core.tiled.work import Work

    done = []
    compute = Work.compute

    def some(self, region):
        if len(done) == 5:
            raise OSError(28, "No space left on device")
        done.append(region)
        return compute(self, region)

    monkeypatch.setattr(blocks, "_MOST_SIDE", 64)
    monkeypatch.setattr(Work, "compute", some)
    words = ("resize", source, "-o", tmp_path / "a.tif", "--scale", 2, "--tile", 32, "--threads", 1)
    failed = run(*words, code=1)
    assert "No space left on device" in failed.stderr
    assert not (tmp_path / "a.tif").exists()
    again = []
    monkeypatch.setattr(
        Work,
        "compute",
        lambda self, region: (again.append(region), compute(self, region))[1],
    )
    result = run(*words, "--resume")
    assert "resumed:" in result.stderr
    assert not {str(region) for region in again} & {str(region) for region in done[:4]}
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), scaled(photo))


def test_resuming_other_work_is_refused(run, tmp_path, source, photo, monkeypatch):
    from lerf_core.tiled import blocks, running

    def stop(plan, region):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(blocks, "_MOST_SIDE", 64)
        patch.setattr(running, "pixel_count", stop)
        words = ("resize", source, "-o", tmp_path / "a.tif", "--tile", 32)
        result = run(*words, "--scale", 2, code=130)
        assert "go on with --resume" in result.stderr
    refused = run(*words, "--scale", 3, "--resume", code=1)
    assert "belongs to other work" in refused.stderr
    run(*words, "--scale", 2, "--resume")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), scaled(photo))


# -- clusters ------------------------------------------------------------


@pytest.fixture
def processes():
    """Start processes; they end with the test."""
    started = []

    def start(*words):
        process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def cluster_of(folder, processes, count=2):
    """Start a cluster of some workers; return its address, the scheduler and the workers."""
    known = folder / "scheduler.json"
    scheduler = processes(
        sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
        "--port", "0", "--dashboard-address", ":0", "--scheduler-file", known,
    )  # fmt: skip
    workers = [
        processes(sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", known,
                  "--nthreads", "1", "--no-nanny", "--no-dashboard",
                  "--local-directory", folder / f"worker-{number}")
        for number in range(count)
    ]  # fmt: skip
    end = time.monotonic() + 60
    while not known.exists() and time.monotonic() < end:
        time.sleep(0.05)
    address = json.loads(known.read_text())["address"]
    return address, scheduler, workers


@pytest.mark.parametrize("names_of_results", some_first(["out.tif"], ["out.zarr out.tif"]))
def test_a_cluster_survives_the_death_of_workers(tmp_path, many_tiles, processes, names_of_results):
    path, expected = many_tiles
    results = names_of_results.split()
    address, _, workers = cluster_of(tmp_path, processes, len(results) + 1)
    for name, worker in zip(results, workers, strict=False):
        out = tmp_path / name
        process = subprocess.Popen(
            lerf("resize", path, "-o", out, "--scale", 2, "--tile", 128, "--pyramid", 2,
                 "--memory", "448M", "--scheduler", address),
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        wait_for(tmp_path / f".{name}.partial.journal", 2, process)
        os.killpg(worker.pid, signal.SIGKILL)
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
        stored = tifffile.imread(out) if name == "out.tif" else np.moveaxis(of_zarr(out), 0, -1)
        np.testing.assert_array_equal(stored, expected)


def test_a_scheduler_that_dies(tmp_path, many_tiles, processes):
    path, expected = many_tiles
    address, scheduler, _ = cluster_of(tmp_path, processes)
    out = tmp_path / "out.npy"
    words = lerf("resize", path, "-o", out, "--scale", 2, "--tile", 128, "--memory", "448M")
    process = subprocess.Popen([*words, "--scheduler", address], stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / ".out.npy.partial.journal", 2, process)
    os.killpg(scheduler.pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 1
    assert errors.splitlines() == [
        f"{path}: note: finished chunks are kept: go on with --resume",
        f"lerf: {path}: the cluster's scheduler is gone, and the work with it",
        "0 done, 0 skipped, 1 failed",
    ]
    subprocess.run([*words, "--resume"], check=True, stderr=subprocess.DEVNULL)
    np.testing.assert_array_equal(np.load(out), expected)


def test_schedulers_that_do_not_answer(run, tmp_path, source, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_CONNECTION_TIMEOUT", 1)
    words = ("resize", source, "-o", tmp_path / "a.tif", "--scale", 2, "--scheduler")
    silent = run(*words, "tcp://127.0.0.1:9", code=1)
    assert "no scheduler answers at tcp://127.0.0.1:9" in silent.stderr
    nonsense = run(*words, "nowhere", code=1)
    assert "no scheduler answers at nowhere" in nonsense.stderr
    assert names(tmp_path) == ["in.tif"]


# -- bad input ------------------------------------------------------------


def test_truncated_files(run, tmp_path, source):
    os.truncate(source, source.stat().st_size // 2)
    before = source.read_bytes()
    words = ("resize", source, "-o", tmp_path / "a.tif", "--scale", 2, "--tile", 64)
    assert "in.tif" in run(*words, code=1).stderr
    assert source.read_bytes() == before
    assert names(tmp_path) == ["in.tif"]


def test_missing_chunks(run, tmp_path, source):
    run("resize", source, "-o", tmp_path / "a.zarr", "--scale", 2, "--tile", 64, "--pyramid", 1)
    (chunk,) = (tmp_path / "a.zarr" / "0" / "c" / "0" / "1").glob("2")
    chunk.unlink()
    words = ("resize", tmp_path / "a.zarr", "-o", tmp_path / "b.npy", "--scale", 1)
    result = run(*words, "--missing", "error", code=1)
    assert "missing" in result.stderr or "was never written" in result.stderr
    run(*words)
    found = np.load(tmp_path / "b.npy")
    assert (found[:, 64:128, 128:192] == 0).all()
    assert (found[:, 64:128, 192:256] != 0).any()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--tile", "100"), 1, "multiples of 16"),
        (("--tile", "0"), 2, "not a tile"),
        (("--tile", "many"), 2, "not a tile"),
        (("--memory", "lots"), 2, "not a size"),
        (("--memory", "10M", "--tile", "64"), 1, "too little"),
        (("--level", "3"), 1, "level"),
        (("--compression", "lz4"), 1, "compression"),
        (("--workers", "1", "--scheduler", "tcp://a:1"), 2, "exclude"),
        (("--pyramid", "0"), 2, "--pyramid"),
    ],
)
def test_nonsense(run, tmp_path, source, options, code, message):
    result = run("resize", source, "-o", tmp_path / "a.tif", "--scale", 2, *options, code=code)
    assert message in result.stderr
    assert names(tmp_path) == ["in.tif"]


def test_tiles_go_to_files_that_have_them(run, tmp_path, source):
    result = run("resize", source, "-o", tmp_path / "a.png", "--scale", 2, "--tile", 64, code=1)
    assert "name it .tif or .zarr" in result.stderr
    piped = run("resize", source, "-o", "-", "--scale", 2, "--tile", 64, code=1)
    assert "no pipes" in piped.stderr


def test_too_little_space_is_told_before_the_work(run, tmp_path, source, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    words = ("resize", source, "-o", tmp_path / "a.tif", "--scale", 2, "--tile", 64)
    result = run(*words, "--compression", "none", code=1)
    assert "GiB free" in result.stderr
    assert names(tmp_path) == ["in.tif"]


def test_a_full_disk(tmp_path, source):
    full = tmp_path / "full"
    full.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", full], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no permission to mount a small disk")
    try:
        result = subprocess.run(
            lerf("resize", source, "-o", full / "a.tif", "--scale", "2", "--tile", "64"),
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert result.returncode == 1
        assert "No space left on device" in result.stderr
        assert not (full / "a.tif").exists()
    finally:
        subprocess.run(["umount", full], check=True)
