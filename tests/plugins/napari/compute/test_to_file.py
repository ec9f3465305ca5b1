"""Results and layers go into OME-Zarr tile by tile, whole or not at all, and come back the same."""

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels, Layer
from support.layers import exhaust, random_transform, resize_operation
from support.ome_zarr import description, sparse_pyramid, write_ome_zarr

from lerf_core.errors import FileError, InvalidArgumentError, ResultExistsError
from lerf_core.io.tiles import pyramid, tiled_writer
from lerf_plugins.napari import host
from lerf_plugins.napari.compute import to_file
from lerf_plugins.napari.compute.results import in_levels, lazily
from lerf_plugins.napari.compute.to_file import compute_file, copy_of, write_file
from lerf_plugins.napari.model import file_spec as file_spec_module
from lerf_plugins.napari.model.layer_image import RECORD, LayerImage
from lerf_plugins.napari.model.maps import baked
from lerf_plugins.napari.reading import read_layers

pytest.importorskip("zarr")

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(file_spec_module, "CHUNK", (16, 16))
    monkeypatch.setattr(to_file, "TILE", 32)
    monkeypatch.setattr(pyramid, "SMALLEST", 16)
    monkeypatch.setattr(tiled_writer, "SMALLEST", 16)


def saved(layer, path):
    """Save a layer; return what was written."""
    image = LayerImage.of(layer)
    return exhaust(write_file(copy_of(image), image.state, str(path)))[1]


def opened(path):
    """Return the only layer of a file."""
    ((data, state, kind),) = read_layers(path)
    return Layer.create(data, state, kind)


def first_level(layer):
    return np.asarray(layer.data[0] if layer.multiscale else layer.data)


LAYERS = {
    "grey": lambda: Image(
        RNG.integers(0, 4000, (70, 53)).astype("u2"), scale=(0.4, 0.3), translate=(-3, 1e5),
        units=("um", "um"), axis_labels=("y", "x"), colormap="viridis", contrast_limits=(100, 3000),
        gamma=0.7, opacity=0.5, blending="additive", name="cells",
    ),
    "rgb": lambda: Image(RNG.integers(0, 255, (40, 60, 3)).astype("u1"), rgb=True, name="photo"),
    "rgba": lambda: Image(RNG.random((40, 60, 4)).astype("f4"), rgb=True),
    "five axes": lambda: Image(
        RNG.integers(0, 99, (2, 3, 4, 40, 30)).astype("i2"), axis_labels=tuple("tczyx"),
        scale=(30, 1, 2, 0.4, 0.3), translate=(60, 0, 5, 6, 7), colormap="#ff8800",
        units=("s", "pixel", "um", "um", "um"),
    ),
    "another order": lambda: Image(
        RNG.random((3, 2, 20, 30)).astype("f4"), axis_labels=("z", "t", "row", "col"),
        scale=(3, 2, 1, 0.5),
    ),
    "nameless axes": lambda: Image(RNG.random((3, 2, 20, 30)), translate=(1, 2, 3, 4)),
    "affine": lambda: Image(
        RNG.random((20, 30)), scale=(2, 3), affine=[[0.5, 0, 7], [0, 0.25, -8], [0, 0, 1]]
    ),
    "planes run backwards": lambda: Image(
        RNG.random((3, 20, 30)), scale=(-2, 3, 1), translate=(5, 5, 5)
    ),
    "booleans": lambda: Image(RNG.random((40, 30)) > 0.5, name="mask"),
    "long integers": lambda: Image(RNG.integers(-(2**60), 2**60, (40, 30))),
    "own colormap": lambda: Image(
        RNG.random((20, 30)), colormap={"colors": [[0, 0, 1], [1, 0, 0], [1, 1, 1]], "name": "my"}
    ),
    "labels": lambda: Labels(
        RNG.integers(0, 9, (3, 40, 30)), axis_labels=tuple("zyx"), scale=(2, 1, 1), opacity=0.4,
        features={"index": [1, 2, 7], "size": [1.5, 2, np.nan], "kind": ["a", "b", "c"]},
    ),
    "coloured labels": lambda: Labels(
        RNG.integers(0, 5, (40, 30)), colormap={1: "red", 2: (0, 1, 0, 0.2), None: "blue"}
    ),
    "lazy": lambda: Image(
        da.from_array(RNG.integers(0, 255, (70, 53)).astype("u1"), chunks=(20, 53))
    ),
    "levels": lambda: Image(
        [RNG.random((64, 64)), RNG.random((32, 32))], multiscale=True, contrast_limits=(0, 1)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_comes_back_as_it_was(tmp_path, name):
    layer = LAYERS[name]()
    path = tmp_path / "a.zarr"
    written = saved(layer, path)
    there = opened(path)
    assert type(there) is type(layer)
    np.testing.assert_array_equal(first_level(there), first_level(layer))
    assert first_level(there).dtype == first_level(layer).dtype
    np.testing.assert_array_equal(np.asarray(written.levels[0]), first_level(layer))
    np.testing.assert_allclose(there.extent.world, layer.extent.world, rtol=1e-13)
    assert there.units == layer.units
    if layer.name not in {"Image", "Labels"}:
        assert there.name == layer.name
    if any(host.given_axis_names(layer.axis_labels)):
        assert there.axis_labels == layer.axis_labels
    for key in ("opacity", "blending", "gamma", "contrast_limits", "rgb"):
        if key == "contrast_limits" and getattr(layer, "rgb", False):
            continue  # colours have none
        assert getattr(there, key, None) == getattr(layer, key, None), key
    if isinstance(layer, Image):
        np.testing.assert_allclose(there.colormap.colors, layer.colormap.colors, atol=1e-6)
    else:
        for label in range(1, 5):
            colours = [each.get_color(label) for each in (there, layer)]
            np.testing.assert_allclose(*colours, atol=1 / 500)
        for column in layer.features:
            assert list(there.features[column]) == pytest.approx(
                list(layer.features[column]), nan_ok=True
            )


@pytest.mark.parametrize("name", LAYERS)
def test_others_read_it(tmp_path, name):
    """The descriptions are valid OME-Zarr 0.5."""
    models = pytest.importorskip("ome_zarr_models.v05")
    import zarr

    saved(LAYERS[name](), tmp_path / "a.zarr")
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    kind = models.ImageLabel if "labels" in name else models.Image
    kind.from_zarr(group)


def test_what_is_not_kept_is_told(tmp_path):
    layer = Image(
        np.zeros((4, 9, 8)), metadata={"a": np.arange(3), "b": object(), "ome": 1, "k": {"z": 2.5}},
        axis_labels=("x", "y", "x"),
    )  # fmt: skip
    written = saved(layer, tmp_path / "a.zarr")
    assert "metadata that JSON cannot hold dropped: b, ome" in written.notes
    assert opened(tmp_path / "a.zarr").metadata == {"a": [0, 1, 2], "k": {"z": 2.5}}
    assert any("axis x is written as z" in note for note in written.notes)


@pytest.mark.parametrize("kind", ["grey", "rgb", "labels", "stack"])
def test_a_result_is_the_one_in_memory(tmp_path, photo, kind):
    layer = {
        "grey": lambda: Image(photo[..., 0]),
        "rgb": lambda: Image(photo, rgb=True),
        "labels": lambda: Labels(photo[..., 0].astype(int)),
        "stack": lambda: Image(np.moveaxis(photo, 2, 0), contrast_limits=(0, 255)),
    }[kind]()
    image = LayerImage.of(layer)
    method = "nearest" if image.is_copied else "lerf"
    operation = resize_operation(layer, (111, 90), method=method)
    path = tmp_path / "a.zarr"
    steps, (levels, record) = exhaust(compute_file(operation, "larger", str(path), False))
    expected = exhaust(in_levels(operation))[1]
    assert len(levels) == len(expected) > 3
    for level, wanted in zip(levels, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(level), wanted)
    assert steps[-1].done == steps[-1].total
    assert record["file"] == str(path)
    there = opened(path)
    assert there.metadata[RECORD]["scale"] == [111 / 60, 90 / 83]
    assert there.metadata[RECORD]["source"] == layer.name
    # Borders, not centres, are where they were.
    step = np.array([60 / 111, 83 / 90])
    wanted = layer.extent.world[:, -2:] + np.outer([-0.5, 0.5], 1 - step)
    np.testing.assert_allclose(there.extent.world[:, -2:], wanted, atol=1e-9)


def test_a_lazy_result_is_computed_into_the_file(tmp_path, photo):
    operation = resize_operation(
        Image(da.from_array(photo, chunks=(17, 29, 3)), rgb=True), (150, 200)
    )
    levels = exhaust(lazily(operation))[1]
    saved(Image(levels, multiscale=True, rgb=True), tmp_path / "a.zarr")
    expected = exhaust(in_levels(operation))[1]
    np.testing.assert_array_equal(first_level(opened(tmp_path / "a.zarr")), expected[0])


def test_a_file_is_read_chunk_by_chunk(tmp_path, monkeypatch):
    """A pyramid in a file goes into another one without ever being whole."""
    path = sparse_pyramid(tmp_path / "a.zarr", 4096, [(0, 0)], chunk=256, labels=False)
    ((data, state, _),) = read_layers(str(path))
    layer = Image(data, **state)
    monkeypatch.setattr(file_spec_module, "CHUNK", (256, 256))
    largest = []
    region = to_file.FileLevel.region

    def counted(self, wanted):
        pixels = region(self, wanted)
        largest.append(pixels.size)
        return pixels

    monkeypatch.setattr(to_file.FileLevel, "region", counted)
    operation = resize_operation(layer, (2048, 2048))
    exhaust(compute_file(operation, "half", str(tmp_path / "b.zarr"), False))
    assert max(largest) < 700**2  # two by two chunks, and what the tables look at around them
    assert description(tmp_path / "b.zarr")["ome"]["multiscales"][0]["name"] == "half"


def test_a_bounded_number_of_blocks_is_in_hand(tmp_path, monkeypatch):
    """Of large blocks, or where there is little memory, fewer threads compute at once."""
    layer = Image(np.zeros((200, 200), np.float32), contrast_limits=(0, 1))
    used = []
    from lerf_core.tiled import running

    blocks = running.finished_blocks

    def counted(*args, threads, **options):
        used.append(threads)
        return blocks(*args, threads=threads, **options)

    monkeypatch.setattr(running, "finished_blocks", counted)
    monkeypatch.setattr("lerf_core.threads.thread_count", lambda _: 64)
    saved(layer, tmp_path / "a.zarr")
    monkeypatch.setattr(to_file, "BUDGET", 1 << 18)
    saved(layer, tmp_path / "b.zarr")
    assert used[0] == 64
    assert 1 <= used[1] < 20


# -- whole or not at all ---------------------------------------------------------------------


def test_stopped_anywhere_nothing_is_left(tmp_path):
    layer = Image(RNG.random((2, 100, 90)))
    image = LayerImage.of(layer)
    steps, _ = exhaust(write_file(copy_of(image), image.state, str(tmp_path / "whole.zarr")))
    assert len(steps) > 20
    folder = tmp_path / "stopped"
    folder.mkdir()
    for stop in {1, *range(2, len(steps), 4), len(steps)}:
        work = write_file(copy_of(image), image.state, str(folder / "a.zarr"))
        for _ in range(stop):
            next(work)
        work.close()
        assert not list(folder.iterdir()), stop


def test_failed_work_leaves_nothing(tmp_path):
    def fails(block_info=None):
        if block_info[None]["chunk-location"][0] > 2:
            raise OSError("the disk is gone")
        return np.zeros(block_info[None]["chunk-shape"], np.uint8)

    chunks = da.core.normalize_chunks(16, (100, 90))
    level = da.map_blocks(fails, chunks=chunks, dtype=np.uint8, meta=np.empty((0, 0), np.uint8))
    ((_, state, _),) = [Image(np.zeros((4, 4), np.uint8)).as_layer_data_tuple()]
    image = LayerImage((level,), state, "image")  # napari itself would read it
    with pytest.raises(FileError, match="the disk is gone"):
        exhaust(write_file(copy_of(image), state, str(tmp_path / "a.zarr")))
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_unasked(tmp_path):
    first, second = Image(np.zeros((20, 30), np.uint8)), Image(np.ones((20, 30), np.uint8))
    path = tmp_path / "a.zarr"
    saved(first, path)
    with pytest.raises(ResultExistsError, match="exists"):
        saved(second, path)
    image = LayerImage.of(second)
    work = write_file(copy_of(image), image.state, str(path), overwrite=True)
    next(work)
    work.close()
    assert not first_level(opened(path)).any()  # it stays until the new one is whole
    exhaust(write_file(copy_of(image), image.state, str(path), overwrite=True))
    assert first_level(opened(path)).all()
    assert [each.name for each in tmp_path.iterdir()] == ["a.zarr"]


def test_a_source_that_changes_meanwhile_is_refused(tmp_path):
    pixels = RNG.integers(0, 255, (60, 60)).astype("u1")
    path = write_ome_zarr(tmp_path / "a.zarr", [pixels], "yx", chunks=(16, 16))
    ((data, state, _),) = read_layers(str(path))
    image = LayerImage.of(Image(data, **state))
    work = write_file(copy_of(image), image.state, str(tmp_path / "b.zarr"))
    next(work)
    write_ome_zarr(path, [pixels[::2]], "yx", chunks=(16, 16), name="another")
    with pytest.raises(FileError, match="changed"):
        exhaust(work)
    assert [each.name for each in tmp_path.iterdir()] == ["a.zarr"]


# -- what OME-Zarr cannot say ----------------------------------------------------------------


@pytest.mark.parametrize("ndim", [2, 3])
def test_what_is_turned_is_refused(tmp_path, ndim):
    layer = Image(np.zeros((3, 20, 30))[-1 if ndim == 2 else ...], **random_transform(1, ndim))
    with pytest.raises(InvalidArgumentError, match="Bake transform"):
        saved(layer, tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir())
    operation = baked(
        LayerImage.of(layer), pixel=None, sampling={"bank": None, "keywords": {"mode": "constant"}}
    )
    exhaust(compute_file(operation, "baked", str(tmp_path / "a.zarr"), False))
    state = operation.result_state(operation.grid, {}, name="", multiscale=False)
    there = opened(tmp_path / "a.zarr")
    np.testing.assert_allclose(there.scale, np.diag(state["affine"])[:ndim] * state["scale"])


def test_what_is_mirrored_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"negative scale.* Bake transform"):
        saved(Image(np.zeros((20, 30)), scale=(1, -1)), tmp_path / "a.zarr")


def test_a_turn_too_small_to_be_seen_is_none(tmp_path):
    layer = Image(np.zeros((20, 30)), rotate=1e-9)
    saved(layer, tmp_path / "a.zarr")
    np.testing.assert_allclose(
        opened(tmp_path / "a.zarr").extent.world, layer.extent.world, atol=1e-6
    )


def test_what_has_too_many_axes_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="6 axes, and OME-Zarr holds five"):
        saved(Image(np.zeros((1, 1, 1, 2, 9, 8))), tmp_path / "a.zarr")
    colours = Image(np.zeros((2, 9, 8, 3), np.uint8), rgb=True, axis_labels=("c", "y", "x"))
    with pytest.raises(InvalidArgumentError, match="one axis for both"):
        saved(colours, tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir())
