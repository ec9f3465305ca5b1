"""Labels of OME-Zarr images: resampled with their image, by nearest neighbour."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from support.cli import run_lerf

from lerf_cli.batch import tiled

zarr = pytest.importorskip("zarr")

PIXELS = np.random.default_rng(1).integers(0, 255, (2, 64, 96), np.uint8)
LABELS = np.random.default_rng(2).integers(0, 9, (64, 96)).astype(np.uint32) * 100_000
YX = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
CYX = [{"name": "c", "type": "channel"}, *YX]
COLOURS = [{"label-value": 100_000, "rgba": [255, 0, 0, 255]}]
PROPERTIES = [{"label-value": 100_000, "class": "nucleus", "area (pixels)": 12}]
FACTS = {"version": "0.4", "colors": COLOURS, "properties": PROPERTIES}


def describe(group, version, axes, scale, translation, **words):
    placed = [
        {"type": "scale", "scale": scale},
        {"type": "translation", "translation": translation},
    ]
    entry = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": placed}]}
    if version == 2:
        group.attrs.update({"multiscales": [entry | {"version": "0.4"}], **words})
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [entry], **words}


def fill(group, pixels):
    chunks = (1,) * (pixels.ndim - 2) + (32, 32)
    array = group.create_array("0", shape=pixels.shape, chunks=chunks, dtype=pixels.dtype)
    array[...] = pixels


@pytest.fixture(params=[2, 3])
def image(request, tmp_path):
    """Write an image with labels, half-size labels, and labels that are damaged."""
    version = request.param
    group = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=version)
    fill(group, PIXELS)
    describe(group, version, CYX, [1, 0.5, 0.5], [0, 10, 20])
    labels = group.create_group("labels")
    names = ["nuclei", "coarse", "broken"]
    labels.attrs.update({"labels": names} if version == 2 else {"ome": {"labels": names}})
    nuclei = labels.create_group("nuclei")
    fill(nuclei, LABELS)
    describe(nuclei, version, YX, [0.5, 0.5], [10, 20], **{"image-label": FACTS})
    coarse = labels.create_group("coarse")
    fill(coarse, LABELS[::2, ::2])
    describe(coarse, version, YX, [1, 1], [10.25, 20.25], **{"image-label": {}})
    broken = labels.create_group("broken")
    broken.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": YX, "datasets": []}]}
    return tmp_path / "in.zarr"


def labels_in(path, name):
    """Return the pixels and the description of labels that were written."""
    group = zarr.open_group(path, mode="r")["labels"][name]
    return np.asarray(group["0"]), group.attrs["ome"]


def test_labels_are_resized_with_their_image(tmp_path, image):
    out = tmp_path / "out.zarr"
    result = run_lerf("resize", image, "-o", out, "--scale", 2, "--tile", 32)
    assert "labels broken left out: " in result.output
    assert "damaged OME-Zarr" in result.output
    pixels, ome = labels_in(out, "nuclei")
    np.testing.assert_array_equal(pixels, LABELS.repeat(2, 0).repeat(2, 1))
    assert pixels.dtype == LABELS.dtype
    (scale, moved) = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert (scale["scale"], moved["translation"]) == ([0.25, 0.25], [9.875, 19.875])
    assert ome["multiscales"][0]["type"] == "nearest"
    assert ome["image-label"] == {
        "version": "0.5",
        "colors": COLOURS,
        "properties": [{"label-value": 100_000, "class": "nucleus"}],
        "source": {"image": "../../"},
    }
    assert "area (pixels)" in result.output
    assert zarr.open_group(out, mode="r")["labels"].attrs["ome"] == {
        "version": "0.5", "labels": ["nuclei", "coarse"],
    }  # fmt: skip
    # Labels of other pixels are resized by the same factor, and lie where they lay.
    pixels, ome = labels_in(out, "coarse")
    np.testing.assert_array_equal(pixels, LABELS[::2, ::2].repeat(2, 0).repeat(2, 1))
    (scale, moved) = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert (scale["scale"], moved["translation"]) == ([0.5, 0.5], [10.0, 20.0])
    assert not (out.parent / ".out.zarr.partial").exists()


def test_labels_validate(tmp_path, image):
    models = pytest.importorskip("ome_zarr_models")
    run_lerf("resize", image, "-o", tmp_path / "out.zarr", "--scale", 2)
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert type(models.open_ome_zarr(group["labels"])).__name__ == "Labels"
    for name in ("nuclei", "coarse"):
        assert type(models.open_ome_zarr(group["labels"][name])).__name__ == "ImageLabel"


def test_labels_of_an_image_in_a_collection(tmp_path, image):
    version = 3 if (image / "zarr.json").exists() else 2
    group = zarr.open_group(tmp_path / "all.zarr", mode="w", zarr_format=version)
    words = {"bioformats2raw.layout": 3}
    group.attrs.update(words if version == 2 else {"ome": {"version": "0.5", **words}})
    for number in range(2):
        shutil.copytree(image, tmp_path / "all.zarr" / str(number))
    out = tmp_path / "out.zarr"
    result = run_lerf("resize", tmp_path / "all.zarr", "-o", out, "--scale", 2, "--series", 1)
    assert "only image 2 of the 2 in the collection is read" in result.output
    np.testing.assert_array_equal(labels_in(out, "nuclei")[0], LABELS.repeat(2, 0).repeat(2, 1))


def test_labels_have_the_pyramid_of_their_image(tmp_path, image):
    run_lerf("resize", image, "-o", tmp_path / "out.zarr", "--scale", 2, "--pyramid", 3)
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")["labels/nuclei"]
    assert sorted(group.array_keys()) == ["0", "1", "2"]
    np.testing.assert_array_equal(group["2"], LABELS[::2, ::2])


def test_labels_of_a_warp(tmp_path, image):
    out = tmp_path / "out.zarr"
    matrix = "1 0 7  0 1 -3  0 0 1"
    result = run_lerf("warp", image, "-o", out, "--matrix", matrix, "--cval", "9")
    pixels, ome = labels_in(out, "nuclei")
    expected = np.zeros_like(LABELS)
    expected[:-3, 7:] = LABELS[3:, :-7]
    np.testing.assert_array_equal(pixels, expected)
    moved = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][1]
    assert moved["translation"] == [11.5, 16.5]
    assert "labels coarse left out: their 48x32 pixels are not those of" in result.output


def test_labels_of_a_warp_into_a_clear_border(tmp_path, image):
    group = zarr.open_group(image, mode="a")
    del group["0"]
    fill(group, PIXELS[0])
    words = dict(group.attrs)
    entry = (words.get("ome") or words)["multiscales"][0]
    entry |= {"axes": YX, "datasets": [{"path": "0"}]}
    group.attrs.update(words)
    out = tmp_path / "out.zarr"
    run_lerf("warp", image, "-o", out, "--rotate", 90, "--border", "transparent")
    assert zarr.open_array(out / "0", mode="r").shape == (2, 64, 96)
    pixels, _ = labels_in(out, "nuclei")
    np.testing.assert_array_equal(pixels[:, 16:80], np.rot90(LABELS)[16:80])
    assert not pixels[:, :16].any()


def test_an_image_without_channels_written_elsewhere_names_its_labels(tmp_path, image):
    result = run_lerf("resize", image, "-o", tmp_path / "out.ome.tif", "--scale", 2)
    assert "OME-TIFF cannot hold labels: nuclei, coarse, broken dropped" in result.output


@pytest.mark.parametrize(
    "name", ["../../elsewhere", "..", ".", "", "a/../b", "/etc", "a//b", "a\\b", "a\0"]
)
def test_names_of_labels_lead_nowhere_else(tmp_path, image, name):
    version = 3 if (image / "zarr.json").exists() else 2
    victim = tmp_path / "elsewhere"
    victim.mkdir()
    (victim / "file").write_text("stays")
    group = zarr.open_group(image / "labels", mode="a", zarr_format=version)
    names = [name, "nuclei"]
    group.attrs.update({"labels": names} if version == 2 else {"ome": {"labels": names}})
    before = {path for path in tmp_path.rglob("*") if "out.zarr" not in str(path)}
    result = run_lerf("resize", image, "-o", tmp_path / "out.zarr", "--scale", 2)
    assert "1 labels of unusable names left out" in result.output
    assert sorted(zarr.open_group(tmp_path / "out.zarr", mode="r")["labels"]) == ["nuclei"]
    assert {path for path in tmp_path.rglob("*") if "out.zarr" not in str(path)} == before


def test_labels_alone_are_known_as_labels(tmp_path, image):
    out = tmp_path / "out.zarr"
    result = run_lerf("resize", image / "labels" / "nuclei", "-o", out, "--scale", 2)
    assert "an image of labels: nearest neighbour" in result.output
    group = zarr.open_group(out, mode="r")
    np.testing.assert_array_equal(group["0"], LABELS.repeat(2, 0).repeat(2, 1))
    assert group.attrs["ome"]["image-label"]["colors"] == COLOURS
    result = run_lerf("resize", image / "labels" / "nuclei", "-o", tmp_path / "deep.zarr",
                      "--scale", 2, "--depth", 16, code=1)  # fmt: skip
    assert "an image of labels: --depth would change them" in result.output


def test_chunks_of_an_image_are_freed_before_its_labels_are_read(tmp_path, image, monkeypatch):
    make, kept = tiled.label_resampling, []

    def watched(labels, of_image, options):
        kept.append((of_image.source.decoded_chunks, of_image.source._cache.nbytes))
        return make(labels, of_image, options)

    monkeypatch.setattr(tiled, "label_resampling", watched)
    run_lerf("resize", image, "-o", tmp_path / "out.zarr", "--scale", 2, "--tile", 32)
    assert kept
    assert all(decoded > 0 and nbytes == 0 for decoded, nbytes in kept)


def test_stopped_work_goes_on_with_labels(tmp_path, image, monkeypatch):
    from lerf_core.io.codecs.zarr.writer import ZarrSink

    whole = tmp_path / "whole.zarr"
    arguments = ["--scale", 2, "--tile", 32, "--threads", 1]
    run_lerf("resize", image, "-o", whole, *arguments)
    stored, put = [], ZarrSink.put_level

    def failing(self, *values):
        stored.append(self.url)
        if "coarse" in self.url:
            raise OSError(28, "No space left on device")
        return put(self, *values)

    monkeypatch.setattr(ZarrSink, "put_level", failing)
    result = run_lerf("resize", image, "-o", tmp_path / "out.zarr", *arguments, code=1)
    assert "go on with --resume" in result.output
    assert not (tmp_path / "out.zarr").exists()
    before = len(stored)
    monkeypatch.setattr(
        ZarrSink, "put_level", lambda self, *v: stored.append(self.url) or put(self, *v)
    )
    result = run_lerf("resize", image, "-o", tmp_path / "out.zarr", *arguments, "--resume")
    assert result.output.count("resumed: ") == 2  # the image, and the first labels
    assert all("coarse" in url for url in stored[before:])
    for name in ("nuclei", "coarse"):
        pixels, words = labels_in(tmp_path / "out.zarr", name)
        expected, expected_words = labels_in(whole, name)
        np.testing.assert_array_equal(pixels, expected)
        assert json.dumps(words) == json.dumps(expected_words)
