"""Compare what lerf reads of any files with Pillow, tifffile and libvips.

    python tools/check_files.py FOLDER              # every file below it
    python tools/check_files.py FOLDER --verbose    # also what is equal, and what lerf notes

Each file is read whole and by regions, and nothing is written. Of the other readers those that are
installed are asked (libvips: pip install 'pyvips[binary]'), and those that cannot read a
file have no say in it. A line per difference, then a summary; the exit status is 1 where something
differs.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lerf_core.errors import LerfError
from lerf_core.io.formats import MULTI, WITH_ALPHA
from lerf_core.io.image import DecodedImage
from lerf_core.io.pixels.conversions import unmultiplied
from lerf_core.io.reading import open_reader, read_image

Array = np.ndarray[Any, Any]

_COUNTS_AS_DIFFERENCE = """\
what counts as a difference, of the first image of each file:
  - by regions: any sample, the layout or the dtype differs from the whole image
  - from another reader: the size; grey against colours; or, once both span 0..1 by their
    depth, 1/255 in the mean of all samples, or more than 4/255 in one sample of a hundred
    (decoders of lossy data round alike within that; colours where alpha is 0 are not compared)
  - a file that lerf refuses, and another reader reads
  - reading that takes longer than --seconds, or ends in anything but an error of one line
tifffile gives stored values, and is asked for grey and RGB alone."""

_MEAN_STEP, _SAMPLE_STEP, _SAMPLE_SHARE = 1 / 255, 4 / 255, 0.01
# Rows and columns of the regions that are read.
_REGION = 100


class TimeOutError(Exception):
    """Reading took too long."""


@dataclass(frozen=True)
class Decoded:
    """Pixels that span 0..1 by their depth, as floats.

    Attributes
    ----------
    pixels : (rows, cols, samples) array
    has_alpha : bool
        Whether the last sample is opacity.
    is_open : bool
        Whether samples have no meaning that is known.
    """

    pixels: Array
    has_alpha: bool
    is_open: bool = False

    @classmethod
    def of(cls, pixels: Array, *, has_alpha: bool = False, is_open: bool = False) -> Decoded:
        """Scale by the dtype; integers with a sign from their least value on."""
        pixels = np.asarray(pixels)
        cubic = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
        if cubic.dtype.kind in "iu":
            info = np.iinfo(cubic.dtype)
            scaled = (cubic.astype(np.float64) - info.min) / (float(info.max) - info.min)
        else:
            scaled = cubic.astype(np.float64)
        return cls(scaled, has_alpha, is_open)


# -- readers ------------------------------------------------------------------------------


def by_pillow(path: Path) -> Decoded | None:
    """Return the first image as Pillow reads it, upright; None for what it does not read."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(path) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
        mode = upright.mode
        if mode == "P":
            mode = "RGBA" if "transparency" in upright.info else "RGB"
        elif mode in {"L", "RGB", "1"} and "transparency" in upright.info:
            mode = "RGBA" if mode == "RGB" else "LA"
        mode = {"PA": "RGBA", "1": "L", "RGBX": "RGB", "La": "LA", "RGBa": "RGBA"}.get(mode, mode)
        if image.format == "TIFF":
            tags = getattr(image, "tag_v2", {})
            bits, form = (np.ravel(tags.get(code, 1))[0] for code in (258, 339))
            if (mode == "I" and (bits, form) != (32, 2)) or (form == 2 and bits == 8):
                return None  # signs are lost
            if mode.startswith("I;16") and bits < 16:
                return Decoded.of(np.asarray(upright).astype(np.float64) / (2**bits - 1))
        if mode.startswith("I;16"):
            return Decoded.of(np.asarray(upright).astype(np.uint16))
        if mode not in {"L", "LA", "RGB", "RGBA", "CMYK", "F", "I"}:
            return None
        pixels = np.asarray(upright if upright.mode == mode else upright.convert(mode))
        if mode == "I" and image.format != "TIFF":
            pixels = pixels.astype(np.uint16)
        return Decoded.of(pixels, has_alpha=mode in {"LA", "RGBA"})


def by_tifffile(path: Path) -> Decoded | None:
    """Return the first page of a TIFF, scaled by its bits; None for what has to be interpreted."""
    import tifffile

    with path.open("rb") as stream:
        if stream.read(4) not in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
            return None
    with tifffile.TiffFile(path) as handle:
        page = handle.pages.first
        orientation = page.tags.valueof(274, 1)
        kind, bits = int(page.photometric), page.bitspersample
        plain = kind in {0, 1, 2} and isinstance(bits, int) and not page.extrasamples
        if not plain or orientation != 1 or page.axes not in {"YX", "YXS", "SYX"}:
            return None
        values = page.asarray()
    if page.axes == "SYX":
        values = np.moveaxis(values, 0, -1)
    if values.dtype.kind in "bu":
        scaled = values.astype(np.float64) / (2**bits - 1)
        return Decoded.of(1 - scaled if kind == 0 else scaled)
    return Decoded.of(values)


def by_libvips(path: Path) -> Decoded | None:
    """Return the first image as libvips reads it, upright."""
    import pyvips

    image = pyvips.Image.new_from_file(str(path), access="sequential").autorot()
    if image.interpretation in {"lab", "labs", "labq", "xyz"}:
        return None
    pixels = image.numpy()
    has_alpha = image.hasalpha()
    if pixels.dtype.kind == "u" and image.interpretation in {"rgb16", "grey16"}:
        pixels = pixels.astype(np.uint16)
    return Decoded.of(pixels, has_alpha=has_alpha)


READERS: dict[str, Callable[[Path], Decoded | None]] = {
    "Pillow": by_pillow, "tifffile": by_tifffile, "libvips": by_libvips,
}  # fmt: skip
_MODULES = {"Pillow": "PIL", "tifffile": "tifffile", "libvips": "pyvips"}


def installed_readers(wanted: list[str]) -> list[str]:
    """Return the names of the readers that can be imported."""
    names = []
    for name in wanted or READERS:
        try:
            __import__(_MODULES[name])
        except (ImportError, OSError):
            print(f"{name} is not installed", file=sys.stderr)
        else:
            names.append(name)
    return names


# -- comparison ---------------------------------------------------------------------------


def by_lerf(image: DecodedImage) -> Decoded:
    """Return the first image as lerf reads it."""
    plain = unmultiplied(image)
    if image.details.get("mask"):
        return Decoded.of(plain.frames[0][..., :-1])  # others leave masks of their own out
    return Decoded.of(
        plain.frames[0], has_alpha=image.layout in WITH_ALPHA, is_open=image.layout == MULTI
    )


def difference(own: Decoded, other: Decoded) -> str:
    """Return how two readings differ, "" where they do not."""
    ours, theirs = own.pixels, other.pixels
    if ours.shape[:2] != theirs.shape[:2]:
        return f"size {ours.shape[:2]}, theirs {theirs.shape[:2]}"
    ours, theirs = _without_opaque(own), _without_opaque(other)
    if {ours.shape[2], theirs.shape[2]} == {1, 3}:
        ours, theirs = np.broadcast_arrays(ours, theirs)
    if {ours.shape[2], theirs.shape[2]} == {2, 4}:
        ours, theirs = (
            pixels if pixels.shape[2] == 4 else pixels[..., [0, 0, 0, 1]]
            for pixels in (ours, theirs)
        )
    if own.is_open and ours.shape[2] > theirs.shape[2]:
        ours = ours[..., : theirs.shape[2]]  # others leave out what nothing is said of
    if ours.shape != theirs.shape:
        return f"{ours.shape[2]} samples, theirs {theirs.shape[2]}"
    both_alpha = own.has_alpha and other.has_alpha and ours.shape[2] in {2, 4}
    off = np.abs(ours - theirs)
    off[np.isnan(ours) & np.isnan(theirs)] = 0
    if both_alpha:
        off[..., :-1][theirs[..., -1] == 0] = 0
    finite = theirs[np.isfinite(theirs)]
    # Real numbers have a range of their own.
    span = max(1.0, float(np.ptp(finite))) if finite.size else 1.0
    off = off / span
    mean, share = float(off.mean()), float((off > _SAMPLE_STEP).mean())
    if not (mean > _MEAN_STEP or share > _SAMPLE_SHARE or np.isnan(mean)):
        return ""
    return (
        f"{255 * mean:.1f}/255 in the mean, {100 * share:.0f}% of the samples beyond 4/255; means "
        f"{_means(ours)}, theirs {_means(theirs)}"
    )


def _without_opaque(decoded: Decoded) -> Array:
    """Return pixels without an opacity that is full everywhere."""
    pixels = decoded.pixels
    if decoded.has_alpha and pixels.shape[2] in {2, 4} and (pixels[..., -1] == 1).all():
        return pixels[..., :-1]
    return pixels


def _means(pixels: Array) -> str:
    return " ".join(f"{value:.3g}" for value in np.nanmean(pixels, axis=(0, 1)))


def by_regions(path: Path, image: DecodedImage) -> str:
    """Return how regions differ from the first image, "" where they do not."""
    with open_reader(path) as reader:
        whole = image.frames[0]
        axes = reader.axes
        first = tuple(0 for letter in axes if letter not in "YXS")
        if reader.shape[axes.index("Y")] != whole.shape[0]:
            return f"{reader.shape} {axes}, whole {whole.shape}"
        out = np.empty_like(whole)
        for row in range(0, whole.shape[0], _REGION):
            for col in range(0, whole.shape[1], _REGION):
                extents = {"Y": slice(row, row + _REGION), "X": slice(col, col + _REGION)}
                index = (extents.get(letter, slice(None)) for letter in axes if letter in "YXS")
                block = reader[(*first, *index)]
                kept = [letter for letter in axes if letter in "YXS"]
                if "S" in kept:
                    block = np.moveaxis(block, kept.index("S"), -1)
                target = out[row : row + _REGION, col : col + _REGION]
                if block.shape != target.shape:
                    return f"a region of {block.shape}, whole {target.shape}"
                target[...] = block
        if reader.dtype != whole.dtype or reader.layout != image.layout:
            return f"{reader.layout} {reader.dtype}, whole {image.layout} {whole.dtype}"
    if not np.array_equal(out, whole, equal_nan=whole.dtype.kind == "f"):
        return f"{100 * float((out != whole).mean()):.2g}% of the samples"
    return ""


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise TimeOutError within a ``with`` that takes longer (not on Windows)."""

    def stop(*_: object) -> None:
        raise TimeOutError

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check(path: Path, readers: list[str], options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield what is found of a file: a kind for the summary, and words."""
    others: dict[str, Decoded] = {}
    for name in readers:
        # Whatever another reader raises, it has no say then.
        with contextlib.suppress(Exception), at_most(options.seconds):
            decoded = READERS[name](path)
            if decoded is not None:
                others[name] = decoded
    try:
        with at_most(options.seconds):
            image = read_image(path, options.max_pixels)
    except LerfError as error:
        kind = "refused, others read it" if others else "refused by all"
        yield kind, f"{error} ({', '.join(others) or 'nobody'} reads it)"
        return
    except TimeOutError:
        yield "too slow", f"more than {options.seconds} s"
        return
    except Exception as error:  # noqa: BLE001 - the check is for these
        yield "internal error", f"{type(error).__name__}: {error}"
        return
    for note in image.notes:
        yield "note", note
    if len(image.frames) > 1 and image.format != "TIFF":
        # Others, and regions, give the still image: the first frame may be another.
        yield "animation, not compared", f"{len(image.frames)} frames"
        return
    own = by_lerf(image)
    for name, other in others.items():
        text = difference(own, other)
        kind = f"{image.layout} {image.dtype}"
        yield (
            (f"differs from {name}" if text else f"as {name}"),
            f"{kind}: {text}" if text else kind,
        )
    try:
        with at_most(options.seconds):
            text = by_regions(path, image)
    except LerfError as error:
        text = str(error)
    except Exception as error:  # noqa: BLE001 - the check is for these
        text = f"{type(error).__name__}: {error}"
    yield ("differs by regions" if text else "as by regions"), text


def main() -> int:
    """Check all files, and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_COUNTS_AS_DIFFERENCE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("folder", type=Path, help="or a file")
    parser.add_argument("--reader", action="append", choices=READERS, help="this one alone")
    parser.add_argument("--seconds", type=int, default=60, help="for each reading of a file")
    parser.add_argument("--max-pixels", type=int, default=178_956_970)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    readers = installed_readers(options.reader or [])
    folder: Path = options.folder
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    counts: Counter[str] = Counter()
    wrong = False
    for path in paths or [folder]:
        for kind, text in check(path, readers, options):
            counts[kind] += 1
            is_wrong = not kind.startswith(("as ", "note", "animation", "refused by all"))
            wrong = wrong or is_wrong
            if is_wrong or options.verbose:
                name = os.path.relpath(path, folder) if path != folder else path
                print(f"{name}: {kind}: {text}" if text else f"{name}: {kind}", flush=True)
    print(f"{len(paths) or 1} files")
    for kind, count in sorted(counts.items()):
        print(f"{count:6} {kind}")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
