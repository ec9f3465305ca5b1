"""The options of ``lerf warp`` on registrations. Light: imports no image library."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lerf_cli.options.types import ParsedType, numbers_type, parse_pixel_size
from lerf_core.choices import LANDMARK_MODELS

if TYPE_CHECKING:
    from lerf_cli.options.types import Size
    from lerf_core.geometry.placement import Placement
    from lerf_core.geometry.registration import Registration
    from lerf_core.io.metadata.model import Metadata

__all__ = ["RegistrationGeometry", "check_registration_options", "registration_options"]

Command = TypeVar("Command", bound=Callable[..., Any])
Shape = tuple[int, int]
Pair = tuple[float, float]

# Those that say more of a registration; it is asked for by --registration.
_DETAILS = ("transform", "pixel_size", "origin", "output_pixel_size", "output_origin")
# The inverse of a file, as antsApplyTransforms has it.
_TURNED = re.compile(r"\[\s*(.+?)\s*,\s*1\s*\]")

_OPTIONS = (
    click.option(
        "--registration", metavar="FILE", multiple=True,
        callback=lambda _context, _option, files: files or None,
        help="What a registration program wrote: a transform of ITK or ANTs (.tfm, .txt, .mat), "
        "TransformParameters of elastix, landmarks of BigWarp or bUnwarpJ, a displacement field "
        "of ITK (.mha, .mhd; .nii needs the extra nifti), or a matrix file. The input is the "
        "moving image. Several are one after the other, in antsApplyTransforms' order; [FILE,1] "
        "is the inverse of one.",
    ),
    click.option(
        "--transform", type=click.Choice(LANDMARK_MODELS),
        help="What is fitted to landmarks, by least squares; thin-plate meets them exactly.  "
        f"[default: {LANDMARK_MODELS[0]}]",
    ),
    click.option(
        "--pixel-size", type=ParsedType("pixel size", parse_pixel_size), metavar="S|X,Y|UNIT",
        help="Sides of the input's pixels, in the units of --registration; or that unit (um, mm), "
        "where the input says how large its pixels are.  [default: 1]",
    ),
    click.option(
        "--origin", type=numbers_type(2), metavar="X,Y",
        help="Where the centre of the input's first pixel lies, in these units.  [default: 0,0]",
    ),
    click.option(
        "--output-pixel-size", type=numbers_type(1, 2), metavar="S|X,Y",
        help="Sides of the output's pixels.  [default: what the file says, or the input's]",
    ),
    click.option(
        "--output-origin", type=numbers_type(2), metavar="X,Y",
        help="Where the centre of the output's first pixel lies.  [default: what the file says, "
        "or 0,0]",
    ),
)  # fmt: skip


def registration_options(command: Command) -> Command:
    """Add the options on registrations."""
    for decorator in reversed(_OPTIONS):
        command = decorator(command)
    return command


def check_registration_options(values: dict[str, Any]) -> None:
    """Check the values of `registration_options`.

    Raises
    ------
    click.UsageError
        If an option has nothing to say, or says what cannot be.
    """
    for name in _DETAILS:
        if values[name] is not None and values["registration"] is None:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --registration")
    if values["output_pixel_size"] is not None and not min(values["output_pixel_size"]) > 0:
        raise click.BadParameter("sides of a pixel are above 0", param_hint="'--output-pixel-size'")


@dataclass(frozen=True, eq=False)
class RegistrationGeometry:
    """Pixels go where a registration says.

    Attributes
    ----------
    registration : Registration
    places : dict
        Keywords of `Registration.for_image`: pixel sizes, origins, and the largest error.
    unit : str
        That of the registration, where the input says how large its pixels are; "": it is not
        asked.
    """

    registration: Registration
    places: dict[str, Any]
    unit: str = ""

    @classmethod
    def of(cls, values: dict[str, Any], *, fit: bool) -> RegistrationGeometry:
        """Read the registration that options name.

        Raises
        ------
        LerfError
            If it cannot be read, or the options do not go with it.
        """
        from lerf_core.errors import InvalidArgumentError
        from lerf_core.geometry.registration import read_registrations

        names, is_inverse = list(values["registration"]), values["inverse"]
        if is_inverse:
            names.reverse()
        files = []
        for name in names:
            turned = _TURNED.fullmatch(name)
            files.append((name, is_inverse) if turned is None else (turned[1], not is_inverse))
        registration = read_registrations(files, model=values["transform"])
        if fit and registration.transform.matrix is None:
            raise InvalidArgumentError(
                f"{registration.kind}: it is no matrix, and --fit goes with those"
            )
        size = values["pixel_size"]
        unit = size if isinstance(size, str) else ""
        places: dict[str, Any] = {
            name: (values[name][0], values[name][-1])
            for name in _DETAILS[1:]
            if values[name] is not None and values[name] != unit
        }
        if values["max_error"] is not None:
            places["max_error"] = values["max_error"]
        # Now, so that what goes with no image ends it here.
        registration.for_image((1, 1), **(places | ({"pixel_size": (1.0, 1.0)} if unit else {})))
        return cls(registration, places, unit)

    def for_file(self, metadata: Metadata) -> RegistrationGeometry:
        """Return the geometry for an image of which a file says so much.

        Raises
        ------
        FileError
            If its pixels are to have a size, and it says none.
        """
        if not self.unit or "pixel_size" in self.places:
            return self
        from lerf_core.errors import FileError
        from lerf_core.io.metadata.units import converted

        sides = []
        for letter in "XY":
            axis = metadata.axis(letter)
            side = None if axis is None else converted(axis.step, axis.unit, self.unit)
            if side is None or not side > 0:
                raise FileError(
                    "it does not say how large its pixels are: --pixel-size "
                    f"{self.unit} goes by that"
                )
            sides.append(side)
        return replace(self, places={**self.places, "pixel_size": tuple(sides)})

    def moved(self, metadata: Metadata, placement: Placement) -> tuple[Metadata, tuple[str, ...]]:
        """Return the metadata of a result, and notes; where the unit is known, with its own size.

        The output's pixels are as large as the fixed image's, however much the map enlarges.
        """
        if not self.unit:
            return metadata.moved(placement)
        from lerf_core.io.metadata.model import AxisScale

        grid = self.registration.output
        x, y = self.places.get("output_pixel_size", self.places["pixel_size"])
        x, y = (x, y) if grid is None else grid.spacing
        others = tuple(axis for axis in metadata.axes if axis.letter not in "YX")
        sides = (AxisScale(letter, side, self.unit, is_placed=False) for letter, side in
                 (("Y", y), ("X", x)))  # fmt: skip
        moved, notes = replace(metadata, axes=others).moved(placement)
        return replace(moved, axes=(*moved.axes, *sides)), notes

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know."""
        return self.registration.notes

    def plan(self, shape: Shape, size: Size | None, *, fit: bool) -> tuple[Any, Shape]:
        """Return the inverse map and the output's (rows, columns) for an image of ``shape``.

        Raises
        ------
        InvalidArgumentError
            If nothing of the image would show.
        """
        import numpy as np

        from lerf_core import geometry
        from lerf_core.errors import InvalidArgumentError
        from lerf_core.geometry.registration import shows

        output_shape = None if size is None else size.shape_for(shape)
        inverse, out = self.registration.for_image(shape, output_shape=output_shape, **self.places)
        if fit and isinstance(inverse, np.ndarray):
            forward, out = geometry.fit_output(geometry.invert(inverse), shape)
            return geometry.invert(forward), out
        if not shows(inverse, out, shape):
            raise InvalidArgumentError(
                f"nothing of the image of {shape[1]} x {shape[0]} pixels would show: sizes and "
                "origins of pixels may be missing, or in other units"
            )
        return inverse, out
