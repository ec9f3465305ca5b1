"""The options that say how large results become, and what they mean together.

Light: imports no image library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lerf_cli.options.types import MEGAPIXELS, SCALE, SIZE, ScaleFactors, Size
from lerf_core.choices import FITS, GRAVITIES

if TYPE_CHECKING:
    from lerf_core import Fit

__all__ = ["Fitting", "Target", "fitting_options", "targets_of"]

_SIDE = click.IntRange(1, 2**31 - 1)
# The options that say a size; one of them is given, once or more often.
_TARGETS = ("scale", "size", "longest", "shortest", "megapixels")


@dataclass(frozen=True)
class Fitting:
    """What images are fitted to.

    Attributes
    ----------
    keywords : tuple of (str, object)
        Of `lerf_core.fit`.
    """

    keywords: tuple[tuple[str, Any], ...]

    def of(self, shape: tuple[int, int]) -> Fit:
        """Return what an image of (rows, columns) is resized to, and what is shown of it."""
        import lerf_core

        return lerf_core.fit(shape, **dict(self.keywords))


#: What results become.
Target = ScaleFactors | Size | Fitting


def fitting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options on sizes, in the order in which help lists them."""
    options = (
        click.option(
            "--scale", type=SCALE, metavar="S|SxS", multiple=True,
            help="Scale factor, or WIDTHxHEIGHT factors; sides are rounded up. 1.5, 2x1.5, 0.25, "
            "... This and the next four may be repeated: several sizes of each image.",
        ),
        click.option(
            "--size", type=SIZE, metavar="WxH", multiple=True,
            help="Size in pixels, WIDTHxHEIGHT; 1920x or x1080 keeps the aspect ratio.",
        ),
        click.option(
            "--longest", type=_SIDE, metavar="N", multiple=True,
            help="Length of the longer side in pixels.",
        ),
        click.option(
            "--shortest", type=_SIDE, metavar="N", multiple=True,
            help="Length of the shorter side in pixels.",
        ),
        click.option(
            "--megapixels", type=MEGAPIXELS, metavar="N", multiple=True,
            help="The most pixels that the result may have, in millions.",
        ),
        click.option(
            "--fit", type=click.Choice(FITS),
            help="How to fit --size WxH: as large as goes inside; as small as has it inside "
            "(outside); that, and cropped (cover); inside, and padded (contain); or both sides "
            "whatever the aspect ratio.  [default: fill]",
        ),
        click.option(
            "--gravity", type=click.Choice(tuple(GRAVITIES), case_sensitive=False),
            help="Which part of the image --fit cover keeps, and where --fit contain puts the "
            "image.  [default: centre]",
        ),
        click.option(
            "--no-enlarge", is_flag=True, help="Axes that would grow keep their length.",
        ),
        click.option(
            "--no-shrink", is_flag=True, help="Axes that would shrink keep their length.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def targets_of(values: Mapping[str, Any]) -> list[Target]:
    """Return what is asked for by the options of `fitting_options`, in its order.

    Raises
    ------
    click.UsageError
        If there is no size, or options exclude each other.
    """
    given = [name for name in _TARGETS if values[name]]
    if len(given) != 1:
        names = ", ".join(f"--{name}" for name in _TARGETS)
        got = f"; got {', '.join(f'--{name}' for name in given)}" if given else ""
        raise click.UsageError(f"give exactly one of {names}{got}")
    (name,) = given
    how, gravity = values["fit"], values["gravity"]
    if values["no_enlarge"] and values["no_shrink"]:
        raise click.UsageError("--no-enlarge and --no-shrink exclude each other: nothing is left")
    for limit in ("no_enlarge", "no_shrink"):
        if name == "scale" and values[limit]:
            raise click.UsageError(
                f"--{limit.replace('_', '-')} goes with a size, not with --scale"
            )
    if how is not None and name != "size":
        raise click.UsageError(f"--fit goes with --size, not with --{name}")
    if gravity is not None and how not in {"cover", "contain"}:
        raise click.UsageError("--gravity goes with --fit cover or contain")
    if name == "scale":
        return list(dict.fromkeys(values[name]))
    limits = {
        "enlarge": not values["no_enlarge"],
        "shrink": not values["no_shrink"],
        "gravity": gravity or "centre",
    }
    targets: list[Target] = []
    for value in dict.fromkeys(values[name]):
        keywords = {name: value, **limits}
        if isinstance(value, Size):
            if how == "fill" and None in value:
                raise click.UsageError("--fit fill needs both sides of --size")
            keywords |= {"size": (value.height, value.width), "how": how}
        targets.append(Fitting(tuple(keywords.items())))
    return targets
