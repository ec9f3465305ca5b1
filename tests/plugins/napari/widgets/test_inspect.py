"""The Inspect widget, in a real viewer."""

import numpy as np
import pytest
from support.layers import docked, finish, random_transform

import lerf_core

pytestmark = pytest.mark.usefixtures("display")


def test_inspect(viewer, until, photo):
    source = viewer.add_image(
        photo[..., 0], contrast_limits=(0, 255), name="p", **random_transform(1, 2)
    )
    widget = docked(viewer, "Inspect")
    widget.region.value = "whole layer"
    widget.slopes.value = True
    widget.run()
    finish(widget, until)
    maps = lerf_core.parameter_maps(photo[..., 0])
    names = [layer.name for layer in viewer.layers]
    assert "sigma_row of p (1/pixel)" in names
    np.testing.assert_array_equal(viewer.layers["rho of p"].data, maps.coefficient("rho"))
    np.testing.assert_array_equal(
        viewer.layers["rho of p"]._extent_augmented.world, source._extent_augmented.world
    )
    ellipses = viewer.layers["ellipses of p"].data
    assert ellipses.shape == (photo[..., 0].size * 16, 2, 2)
    np.testing.assert_allclose(
        viewer.layers["ellipses of p"].data_to_world((3, 4)), source.data_to_world((3, 4))
    )
    assert len(viewer.layers["slopes of p"].data) > 1000


def test_inspect_what_is_visible(viewer, until, photo):
    viewer.add_image(np.stack([photo[..., 0], photo[..., 1]]), contrast_limits=(0, 255), name="p")
    widget = docked(viewer, "Inspect")
    viewer.dims.set_current_step(0, 1)
    viewer.scene.camera.zoom = 40
    viewer.scene.camera.center = (0, 30, 40)
    widget.most.value = 20
    widget.run()
    finish(widget, until)
    part = viewer.layers["feature of p (level)"]
    assert part.data.shape[0] == 1
    assert part.data.shape[1] < 60
    top, left = (round(place) for place in part.translate[1:])
    rows, cols = part.data.shape[1:]
    whole = lerf_core.parameter_maps(photo[..., 1]).feature
    np.testing.assert_array_equal(part.data[0], whole[top : top + rows, left : left + cols])
    assert part.translate[0] == 1
    assert len(viewer.layers["ellipses of p"].data) <= 20 * 16


def test_inspect_refuses(viewer, told):
    viewer.add_image(np.zeros((9, 9), bool))
    widget = docked(viewer, "Inspect")
    widget.run()
    assert any("labels, which have no parameters" in one for one in told)
