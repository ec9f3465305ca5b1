"""Where results lie, and what of a layer they carry."""

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels, Layer, Points
from napari.utils import DirectLabelColormap
from support.layers import random_transform

from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_plugins.napari.model.layer_image import LayerImage, at_plane
from lerf_plugins.napari.model.operations import ResizeOperation
from lerf_plugins.napari.model.pixel_grid import PixelGrid


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_extents_match(seed, ndim):
    shape = (2, 3, 31, 44)[-ndim:]
    layer = Image(np.zeros(shape, np.uint8), **random_transform(seed, ndim))
    image = LayerImage.of(layer)
    out = tuple(np.random.default_rng(seed).integers(1, 200, 2))
    operation = ResizeOperation(image, out)
    state = operation.result_state(operation.grid, {}, name="r", multiscale=False)
    result = Image(np.zeros((*shape[:-2], *out), np.uint8), **state)
    pixel = np.abs(layer.extent.step).min()
    np.testing.assert_allclose(
        result._extent_augmented.world, layer._extent_augmented.world, atol=1e-6 * pixel, rtol=1e-12
    )
    assert result.units == layer.units
    assert result.axis_labels == layer.axis_labels


@pytest.mark.parametrize("seed", range(4))
def test_every_outline_corner_matches(seed):
    """Extents are a bounding box: the corners themselves lie where they did."""
    layer = Image(np.zeros((31, 44), np.uint8), **random_transform(seed, 2))
    operation = ResizeOperation(LayerImage.of(layer), (70, 19))
    state = operation.result_state(operation.grid, {}, name="r", multiscale=False)
    result = Image(np.zeros((70, 19), np.uint8), **state)
    for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
        before = layer.data_to_world(np.array(corner) * (31, 44) - 0.5)
        after = result.data_to_world(np.array(corner) * (70, 19) - 0.5)
        np.testing.assert_allclose(before, after, atol=1e-9)


def test_what_is_carried_over():
    layer = Image(
        np.zeros((20, 30), np.uint16), colormap="magma", contrast_limits=(100, 3000), gamma=0.7,
        opacity=0.5, blending="additive", metadata={"who": "me"}, name="nuclei",
        interpolation2d="linear",
    )  # fmt: skip
    operation = ResizeOperation(LayerImage.of(layer), (40, 60))
    state = operation.result_state(
        operation.grid, {"operation": "resize"}, name="n", multiscale=False
    )
    result = Image(np.zeros((40, 60), np.uint16), **state)
    assert result.colormap.name == "magma"
    assert list(result.contrast_limits) == [100, 3000]
    assert (result.gamma, result.opacity, result.blending) == (0.7, 0.5, "additive")
    assert result.interpolation2d == "linear"
    assert result.metadata["who"] == "me"
    assert result.metadata["lerf"]["source"] == "nuclei"
    assert layer.metadata == {"who": "me"}


def test_every_state_goes_along_but_places():
    """All that a layer is made of is the source's, but for where its pixels lie and its name."""
    pixels = np.random.default_rng(0).integers(0, 5, (3, 20, 30))
    common = {"opacity": 0.3, "blending": "additive", "depiction": "plane"}
    labels = Labels(
        pixels, colormap=DirectLabelColormap(color_dict={1: "red", None: "blue"}),
        rendering="translucent", features={"index": [1, 2], "kind": ["a", "b"]},
        **common, **random_transform(1, 3),
    )  # fmt: skip
    image = Image(
        pixels / 4, interpolation3d="nearest", iso_threshold=0.3, attenuation=0.2, rendering="iso",
        projection_mode="max", contrast_limits=(0.1, 0.8), colormap="viridis", gamma=0.7,
        **common, **random_transform(2, 3),
    )  # fmt: skip
    for layer in (labels, image):
        source = LayerImage.of(layer)
        grid = PixelGrid.of_resize((20, 30), (40, 60))
        state = source.result_state(grid, {}, name="result", multiscale=False)
        result = Layer.create(np.zeros((3, 40, 60), layer.dtype), state, source.kind)
        before, after = (item.as_layer_data_tuple()[1] for item in (layer, result))
        changed = {key for key in before if repr(before[key]) != repr(after[key])}
        assert changed == {"metadata", "name", "scale", "translate", "plane"}


def test_what_speaks_of_sizes_is_left_out_and_named():
    labels = Labels(
        np.zeros((20, 30), int), features={"index": [1], "area": [12], "kind": ["a"]},
        metadata={"voxel_size": 0.5, "who": "me", "lerf": {"version": "0"}},
    )  # fmt: skip
    operation = ResizeOperation(LayerImage.of(labels), (40, 60))
    state = operation.result_state(operation.grid, {}, name="r", multiscale=False)
    assert list(state["features"].columns) == ["index", "kind"]
    assert state["metadata"]["who"] == "me"
    assert "voxel_size" not in state["metadata"]
    assert state["metadata"]["lerf"]["dropped"] == ["voxel_size", "area"]
    assert list(labels.features.columns) == ["index", "area", "kind"]


def test_clipping_planes_move_with_the_pixels():
    plane = {"position": (0, 10.0, 15.0), "normal": (0, 1.0, 0), "enabled": True}
    layer = Image(np.zeros((3, 20, 30)), experimental_clipping_planes=[plane])
    operation = ResizeOperation(LayerImage.of(layer), (40, 30))
    state = operation.result_state(operation.grid, {}, name="n", multiscale=False)
    moved = state["experimental_clipping_planes"][0]
    np.testing.assert_allclose(moved["position"], (0, 20.5, 15.0))


def test_record():
    layer = Image(np.zeros((20, 30), np.uint8), name="a")
    record = ResizeOperation(LayerImage.of(layer), (40, 60), "lerf-g", {"mode": "wrap"}).record()
    assert record["operation"] == "resize"
    assert record["scale"] == [2, 2]
    assert record["bank"] == "lerf-g"
    assert record["mode"] == "wrap"
    # Named by what was used.
    assert ResizeOperation(LayerImage.of(layer), (10, 15)).record()["kernel"] == "lerf-s"
    assert ResizeOperation(LayerImage.of(layer), (40, 60)).record()["bank"] == "lerf-p"
    labels = LayerImage.of(Labels(np.zeros((20, 30), np.uint8)))
    for shape in ((40, 60), (10, 15)):
        copied = ResizeOperation(labels, shape, keywords={"method": "nearest"}).record()
        assert copied["method"] == "nearest"
        assert not {"bank", "kernel"} & set(copied)


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        (np.zeros((4, 4), np.uint8), {"contrast_limits": (3, 9)}, None),
        (np.zeros((4, 4), np.uint16), {"contrast_limits": (100, 4000)}, (100, 4000)),
        (np.zeros((4, 4), np.float32), {"contrast_limits": (-1, 5)}, (-1, 5)),
        (np.zeros((4, 4), np.int16), {"contrast_limits": (-10, 50)}, (-10, 50)),
        (np.zeros((4, 4, 3), np.float32), {"rgb": True}, None),
        (np.zeros((4, 4, 3), np.uint16), {"rgb": True}, None),
    ],
)
def test_value_range(data, options, expected):
    image = LayerImage.of(Image(data, **options))
    assert image.value_range() == expected


def test_value_range_by_dtype():
    image = LayerImage.of(Image(np.zeros((4, 4), np.int32), contrast_limits=(0, 5)))
    assert image.value_range("dtype") == (-(2**31), 2**31 - 1)
    # lerf_core takes these by their dtype's range itself.
    short = LayerImage.of(Image(np.zeros((4, 4), np.int16), contrast_limits=(0, 5)))
    assert short.value_range("dtype") is None
    assert image.value_range("contrast limits") == (0, 5)
    with pytest.raises(InvalidArgumentError, match="values must be"):
        image.value_range("other")


def test_labels_are_copied():
    image = LayerImage.of(Labels(np.zeros((4, 4), np.int32)))
    assert image.is_copied
    assert image.value_range() is None


def test_other_layers_are_refused():
    with pytest.raises(InvalidTypeError, match="points layer"):
        LayerImage.of(Points(np.zeros((2, 2)), name="p"))
    with pytest.raises(InvalidArgumentError, match="no layer"):
        LayerImage.of(None)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_a_layer_turned_out_of_its_plane_is_refused():
    turn = np.eye(3)
    turn[:2, :2] = [[0, -1], [1, 0]]
    image = LayerImage.of(Image(np.zeros((3, 4, 5)), rotate=turn, name="tilted"))
    with pytest.raises(InvalidArgumentError, match="'tilted' is turned out of its plane"):
        image.plane_to_world()


def test_lazy():
    assert not LayerImage.of(Image(np.zeros((4, 4)))).is_lazy
    assert LayerImage.of(Image(da.zeros((4, 4)))).is_lazy
    levels = [np.zeros((8, 8)), np.zeros((4, 4))]
    image = LayerImage.of(Image(levels, multiscale=True))
    assert not image.is_lazy
    assert image.level_grid(1).step == (2, 2)
    assert image.level_grid(1).origin == (0.5, 0.5)


def test_xarray_is_opened():
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray(np.zeros((4, 6), np.uint8), dims=("y", "x"))
    image = LayerImage.of(Image(array))
    assert isinstance(image.levels[0], np.ndarray)


def test_opacity_is_added():
    image = LayerImage.of(Image(np.full((4, 5, 3), 9, np.uint8), rgb=True)).with_opacity()
    assert image.levels[0].shape == (4, 5, 4)
    assert (image.levels[0][..., 3] == 255).all()
    lazy = LayerImage.of(Image(da.zeros((4, 5, 3), dtype="f4"), rgb=True)).with_opacity()
    assert float(lazy.levels[0][0, 0, 3].compute()) == 1
    assert lazy.with_opacity() is lazy


def test_placements_compose():
    outer = PixelGrid((2.0, 3.0), (0.5, 2.0))
    inner = PixelGrid((4.0, 5.0), (3.0, 1.0))
    both = outer.compose(inner)
    np.testing.assert_allclose(both.matrix, outer.matrix @ inner.matrix)
    assert outer.shifted(4, 5).origin == outer.compose(PixelGrid((4.0, 5.0))).origin


def test_at_plane():
    layer = Image(np.zeros((5, 6, 7, 8)), **random_transform(1, 4))
    state = LayerImage.of(layer).state
    moved = Image(np.zeros((1, 1, 7, 8)), **{
        k: v for k, v in at_plane(state, (2, 3)).items() if k in {
            "scale", "translate", "rotate", "shear", "affine"
        }
    })  # fmt: skip
    np.testing.assert_allclose(
        moved.data_to_world((0, 0, 1, 1)), layer.data_to_world((2, 3, 1, 1)), atol=1e-9
    )
