"""The Bake transform widget, in a real viewer."""

import dask.array as da
import numpy as np
import pytest
from support.layers import docked, finish, random_transform

pytestmark = pytest.mark.usefixtures("display")


def test_bake(viewer, until, photo):
    source = viewer.add_image(photo, rgb=True, **random_transform(3, 2))
    widget = docked(viewer, "Bake transform")
    widget.run()
    finish(widget, until)
    result = viewer.layers[1]
    np.testing.assert_allclose(
        result._extent_augmented.world, source._extent_augmented.world, atol=1e-9
    )
    assert not np.any(result.shear)
    np.testing.assert_array_equal(result.rotate, np.eye(2))
    widget.layer.value = source
    widget.keep.value = False
    widget.pixel.value = 2
    widget.run()
    finish(widget, until)
    np.testing.assert_allclose(viewer.layers[-1].scale, 2, rtol=0.05)


def test_a_lazy_layer_is_baked_lazily(viewer, until):
    array = da.random.default_rng(0).integers(0, 255, (3, 300, 400), dtype=np.uint8, chunks=100)
    source = viewer.add_image(array, contrast_limits=(0, 255), **random_transform(3, 3))
    widget = docked(viewer, "Bake transform")
    widget.run()
    finish(widget, until)
    result = viewer.layers[1]
    assert isinstance(result.data[0], da.Array)
    np.testing.assert_allclose(
        result._extent_augmented.world, source._extent_augmented.world, atol=1e-9
    )


def test_small_pixels_can_be_chosen(viewer, photo):
    """The box shows the side that is kept, and takes numbers with digits of that size."""
    coarse = viewer.add_image(photo, rgb=True, rotate=30)
    fine = viewer.add_image(photo, rgb=True, rotate=30, scale=(0.065, 0.13))
    widget = docked(viewer, "Bake transform")
    widget.layer.value = coarse
    assert widget.pixel.value == pytest.approx(1)
    widget.layer.value = fine
    assert widget.pixel.value == pytest.approx(0.065)
    kept = widget.status.text()
    widget.keep.value = False
    assert widget.status.text() == kept
    widget.pixel.value = 0.1083
    assert widget.pixel.value == pytest.approx(0.1083)
    assert widget.status.text() != kept
    # What was chosen stays; metres take more digits than micrometres.
    widget.layer.value = coarse
    assert widget.pixel.value == pytest.approx(0.1083)
    viewer.layers.clear()
    widget.keep.value = True
    viewer.add_image(photo, rgb=True, scale=(6.5e-8, 6.5e-8))
    assert widget.pixel.value == pytest.approx(6.5e-8)


def test_a_layer_that_moves_is_followed(viewer, photo):
    """Without a preview as well: Run's result and the command line are of the layer as it is."""
    source = viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Bake transform")
    said, command = widget.status.text(), widget.command.text
    source.scale = (1, 0.5)
    assert widget.status.text() != said
    assert widget.command.text != command
    source.scale = (1, 1)
    assert (widget.status.text(), widget.command.text) == (said, command)
    viewer.layers.clear()
    source.scale = (1, 0.5)
    assert widget.command.text == ""
