"""Axes of no known meaning get letters that a format has."""

from __future__ import annotations

import pytest

from lerf_core.errors import FileError
from lerf_core.io.metadata.axes import fitting_axes, fitting_scales
from lerf_core.io.metadata.model import AxisName, AxisScale, Metadata


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
    fitted, notes = fitting_scales(fitted, "OME-TIFF")
    assert fitted.axes == (AxisScale("Y", 2.0),)
    assert notes == ("OME-TIFF cannot hold steps along C: dropped",)


def test_steps_and_units_that_ome_xml_has_no_words_for():
    axes = (
        AxisScale("T", 5.0), AxisScale("Z", 1.0, "parsec"), AxisScale("Y", -0.25, "meter"),
        AxisScale("X", 0.5, "micrometer"),
    )  # fmt: skip
    fitted, (note,) = fitting_scales(Metadata(axes=axes), "OME-TIFF")
    assert fitted.axes == (AxisScale("Z", 1.0), AxisScale("X", 0.5, "micrometer"))
    assert note == (
        "OME-TIFF cannot hold time steps in no unit, the unit parsec along Z, steps along Y, "
        "which are not above 0: dropped"
    )
    unknown = Metadata(axes=(AxisScale("T", 1.0),))
    assert fitting_scales(unknown, "OME-TIFF") == (Metadata(), ())
    assert fitting_scales(Metadata(axes=axes), "OME-Zarr") == (Metadata(axes=axes), ())
