"""Axes of no known meaning get letters that a format has."""

from __future__ import annotations

import pytest

from lerf_core.errors import FileError
from lerf_core.io.axes import fitting_axes
from lerf_core.io.metadata import AxisName, AxisScale, Metadata


@pytest.mark.parametrize(
    ("axes", "form", "written"),
    [
        ("QYX", "OME-TIFF", "ZYX"),
        ("QQYX", "OME-TIFF", "CZYX"),
        ("QQQYX", "OME-Zarr", "TCZYX"),
        ("QZYX", "OME-Zarr", "CZYX"),
        ("TQYX", "OME-Zarr", "TZYX"),
        ("QQYXS", "OME-TIFF", "CZYXS"),
        ("QQYXS", "OME-Zarr", "TZYXS"),
    ],
)
def test_unknown_axes_take_the_letters_that_are_free(axes, form, written):
    fitted, metadata, (note,) = fitting_axes(Metadata(), axes, form)
    assert (fitted, metadata) == (written, Metadata())
    assert note.startswith("axes of unknown meaning are written as")


@pytest.mark.parametrize("form", ["NPY", "Zarr"])
def test_arrays_need_no_letters(form):
    assert fitting_axes(Metadata(), "QQQQYX", form) == ("QQQQYX", Metadata(), ())


def test_known_axes_stay():
    assert fitting_axes(Metadata(), "TCZYX", "OME-Zarr") == ("TCZYX", Metadata(), ())


@pytest.mark.parametrize(("axes", "form"), [("QQQQYX", "OME-TIFF"), ("QQQYXS", "OME-Zarr")])
def test_more_axes_than_a_format_has_are_refused(axes, form):
    with pytest.raises(FileError, match=rf"{len(axes)} axes \({axes}\) does not go into {form}"):
        fitting_axes(Metadata(), axes, form)


def test_a_named_axis_becomes_the_channel_and_keeps_its_step():
    metadata = Metadata(
        axes=(AxisScale("Q", 15.0, "degree"), AxisScale("Y", 2.0)),
        axis_names=(AxisName("Q", "angle", "rotation"),),
    )
    axes, fitted, notes = fitting_axes(metadata, "QYX", "OME-Zarr")
    assert axes == "CYX"
    assert fitted.axes == (AxisScale("C", 15.0, "degree"), AxisScale("Y", 2.0))
    assert fitted.axis_names == (AxisName("C", "angle", "rotation"),)
    assert notes == ("axis angle is written as C",)
    _, fitted, notes = fitting_axes(metadata, "QYX", "OME-TIFF")
    assert fitted.axes == (AxisScale("Y", 2.0),)
    assert "OME-TIFF cannot hold steps along C: dropped" in notes
