"""What becomes of each field when an image is resized or warped, and what a format cannot hold."""

from __future__ import annotations

import numpy as np
import pytest
from support.files import plane_axes

from lerf_core.geometry.placement import Placement
from lerf_core.io.formats import FORMATS, HOLDS
from lerf_core.io.metadata.georeference import Georeference
from lerf_core.io.metadata.model import RULES, AxisScale, Channel, Metadata
from lerf_core.io.writing import Encoding, fitting_metadata

SHAPE = (40, 60)
DOUBLED = Placement.of_resize((2, 2), SHAPE, (80, 120))
QUARTER = Placement(np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 59.0]]), SHAPE, (60, 40))
TURN = Placement(np.array([[0.8, -0.6, 5.0], [0.6, 0.8, -3.0]]), SHAPE, SHAPE)
SHEAR = Placement(np.array([[1.0, 0.3, 0.0], [0.0, 1.0, 0.0]]), SHAPE, SHAPE)
BENT = Placement(None, SHAPE, SHAPE)
CALIBRATED = Metadata(
    axes=(AxisScale("Z", 2, "micrometer", 10), *plane_axes(0.5, 0.5, "micrometer", (20, 30))),
    channels=(Channel("DAPI"),),
)


def test_a_resize_scales_rows_and_columns_alone():
    moved, notes = CALIBRATED.moved(DOUBLED)
    assert notes == ()
    assert moved.axes == (
        AxisScale("Z", 2, "micrometer", 10),
        # The first of two small pixels lies a quarter of the large one before its centre.
        *plane_axes(0.25, 0.25, "micrometer", (19.875, 29.875)),
    )
    assert moved.channels == CALIBRATED.channels


def test_a_quarter_turn_exchanges_rows_and_columns():
    uneven = Metadata(axes=plane_axes(0.5, 0.25, "micrometer"), dpi=(300, 150))
    moved, notes = uneven.moved(QUARTER)
    assert notes == ()
    assert [(axis.letter, axis.step) for axis in moved.axes] == [("Y", 0.25), ("X", 0.5)]
    # An axis that runs backwards now has no place of a first sample.
    assert {axis.is_placed for axis in moved.axes} == {True, False}
    assert moved.dpi == (150, 300)


def test_a_turn_keeps_the_size_of_square_pixels():
    moved, notes = CALIBRATED.moved(TURN)
    assert [axis.step for axis in moved.axes] == [2, 0.5, 0.5]
    assert [axis.origin for axis in moved.axes] == [10, 0, 0]
    assert notes == ("position dropped: this warp leaves no true one",)


@pytest.mark.parametrize("placement", [SHEAR, BENT])
def test_what_is_not_true_any_more_is_dropped_and_told(placement):
    moved, notes = CALIBRATED.moved(placement)
    assert [axis.letter for axis in moved.axes] == ["Z"]
    assert notes == ("pixel size dropped: this warp leaves no true one",)


def test_a_georeference_goes_through_every_affine_map():
    reference = Georeference((0.25, 0, 6, 0, -0.25, 47))
    assert reference.moved(BENT) is None
    np.testing.assert_allclose(reference.moved(DOUBLED).transform, (0.125, 0, 6, 0, -0.125, 47))
    # The place of each result's pixel centre is that of the source's pixel it comes from.
    for placement in (TURN, SHEAR, QUARTER):
        a, b, c, d, e, f = reference.moved(placement).transform
        row, col = placement.matrix @ [7, 11, 1]
        x, y = 6 + 0.25 * (col + 0.5), 47 - 0.25 * (row + 0.5)
        np.testing.assert_allclose((a * 11.5 + b * 7.5 + c, d * 11.5 + e * 7.5 + f), (x, y))
    moved, notes = Metadata(georeference=reference).moved(BENT)
    assert moved.georeference is None
    assert notes == ("georeferencing dropped: this warp leaves no true one",)


def test_magnification_grows_with_the_pixels():
    assert Metadata(magnification=20.0).moved(DOUBLED)[0].magnification == 40.0
    moved, notes = Metadata(magnification=20.0).moved(SHEAR)
    assert moved.magnification is None
    assert "magnification" in notes[0]


def test_every_format_says_what_it_holds():
    assert set(FORMATS) | {"OME-TIFF", "ImageJ", "OME-Zarr", "Zarr", "NPY"} == set(HOLDS)
    assert set().union(*HOLDS.values()) <= set(RULES)


def test_what_a_format_does_not_hold_is_left_out_and_told():
    metadata = Metadata(icc=b"profile", comments=(b"words",), channels=(Channel("DAPI"),))
    fitted, notes = fitting_metadata(metadata, SHAPE, "JPEG", Encoding())
    assert (fitted.icc, fitted.comments, fitted.channels) == (b"profile", (b"words",), ())
    assert notes == ("JPEG cannot hold names of channels: dropped",)
    _, notes = fitting_metadata(metadata, SHAPE, "PPM", Encoding(strip=True))
    assert notes == ("PPM cannot hold ICC, names of channels: dropped",)


def test_attributes_that_speak_of_sizes_or_places_go():
    properties = [{"label-value": 1, "class": "a", "area (pixels)": 5}]
    metadata = Metadata(
        attributes=(("project", "x"), ("voxel_size", 2), ("original_file", "y"), ("add_offset", 3)),
        label_facts=(("version", "0.5"), ("properties", properties)),
    )
    moved, notes = metadata.moved(DOUBLED)
    assert moved.attributes == (("project", "x"), ("original_file", "y"), ("add_offset", 3))
    kept = [{"label-value": 1, "class": "a"}]
    assert moved.label_facts == (("version", "0.5"), ("properties", kept))
    assert notes == ("attributes that speak of sizes or places dropped: voxel_size, area (pixels)",)
    still = Placement.of_resize((1, 1), SHAPE, SHAPE)
    assert metadata.moved(still) == (metadata, ())
