"""Benchmark sets on disk: which files belong together.

Four layouts are known, by the names of their folders:

==========  ====================================================================
layout      files of a set
==========  ====================================================================
rr          ``HR/NAME.png``, ``LR_bicubic/rrLR_X2.00_3.50/NAME.png`` (row, column
            scale)
srf         ``image_SRF_2/img_001_SRF_2_HR.png`` and ``..._LR.png``, HR cropped
            for each scale
warp        ``HR/NAME.png``; for each part (``isc``: in scale, ``osc``: out of
            scale) ``PART/NAME.png``, the source, and ``PART/NAME.pth``, the matrix
plain       images, or ``HR/NAME.png`` alone: high-resolution images, whose
            low-resolution inputs are made (`lerf_training.data.degradation`)
==========  ====================================================================

Convention
----------
Scales are (row, column). A warp's matrix is forward: it takes a source's (x, y, 1),
pixel centres at integers, to the output's, which is as large as HR.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lerf_training.errors import DatasetError

__all__ = [
    "IMAGE_SUFFIXES",
    "ScaleFactor",
    "ScalePair",
    "WarpPair",
    "find_scale_pairs",
    "find_warp_pairs",
    "format_scale",
]

#: (row, column).
ScaleFactor = tuple[float, float]

_RR_FOLDER = re.compile(r"rrLR_X(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)")
_SRF_FOLDER = re.compile(r"image_SRF_(\d+(?:\.\d+)?)")
_SRF_FILE = re.compile(r"(?P<stem>.+)_LR")
_MADE_SCALES: tuple[ScaleFactor, ...] = ((2.0, 2.0), (3.0, 3.0), (4.0, 4.0))
#: Of the files that are taken for images.
IMAGE_SUFFIXES = frozenset({".png", ".bmp", ".tif", ".tiff", ".webp", ".jpg", ".jpeg"})


@dataclass(frozen=True)
class ScalePair:
    """One image of a super-resolution benchmark at one scale.

    Attributes
    ----------
    dataset, name : str
    scale : (row, column)
    high : Path
        The high-resolution image.
    low : Path or None
        The low-resolution input; None, it is made from `high`.
    """

    dataset: str
    name: str
    scale: ScaleFactor
    high: Path
    low: Path | None

    @property
    def degradation(self) -> str:
        """Where the input comes from: ``'files'`` or ``'bicubic'``."""
        return "bicubic" if self.low is None else "files"


@dataclass(frozen=True)
class WarpPair:
    """One image of a warping benchmark: source, forward matrix, what it should become."""

    dataset: str
    part: str
    name: str
    high: Path
    source: Path
    matrix: Path


def format_scale(scale: ScaleFactor) -> str:
    """ScaleFactor as people write it, width first.

    Examples
    --------
    >>> format_scale((2.0, 2.0)), format_scale((2.0, 1.5))
    ('x2', 'x1.5x2')
    """
    row, col = scale
    return f"x{row:g}" if row == col else f"x{col:g}x{row:g}"


def find_scale_pairs(
    folder: str | Path, scales: Iterable[ScaleFactor] | None = None, *, make_inputs: bool = False
) -> list[ScalePair]:
    """Pairs of a super-resolution set, or of every set in a folder of sets.

    Parameters
    ----------
    folder : path
        A set in the rr, the srf or the plain layout, or a folder of such sets.
    scales : iterable of (row, column), optional
        Only these. By default all that a set has files of; 2, 3 and 4 where it has none.
    make_inputs : bool, optional
        Make the low-resolution inputs even where the set has files of them.

    Returns
    -------
    list of ScalePair
        Ordered by set, scale and name. `low` is None where the set has no file.

    Raises
    ------
    DatasetError
        If nothing is found, or a file has no partner.

    Examples
    --------
    >>> pairs = find_scale_pairs("photos", [(1.5, 1.5)])  # doctest: +SKIP
    """
    sets = _sets_in(Path(folder), _scale_set_of, _plain_set_of, "HR, image_SRF_*, or images")
    chosen = None if scales is None else list(scales)
    return [pair for entry in sets for pair in entry.at_scales(chosen, make_inputs=make_inputs)]


def find_warp_pairs(folder: str | Path) -> list[WarpPair]:
    """Pairs of a warping set, or of every set in a folder of sets.

    Parameters
    ----------
    folder : path
        A set in the warp layout, or a folder of such sets.

    Returns
    -------
    list of WarpPair
        Ordered by set, part and name.

    Raises
    ------
    DatasetError
        If nothing is found, or a source has no HR image or no matrix.
    """
    layout = "HR and folders of images with .pth matrices"
    sets = _sets_in(Path(folder), _warp_pairs_of, _warp_pairs_of, layout)
    return [pair for pairs in sets for pair in pairs]


# -- the layouts ----------------------------------------------------------------------

Recognised = TypeVar("Recognised")


def _sets_in(
    folder: Path,
    set_of: Callable[[Path], Recognised | None],
    plain_set_of: Callable[[Path], Recognised | None],
    layout: str,
) -> list[Recognised]:
    """The set at `folder`, or each set among its children; plain images count last."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder")
    children = sorted(child for child in folder.iterdir() if _is_visible_folder(child))
    # A stray picture beside sets, or a stray folder beside pictures, changes nothing.
    for recognise in (set_of, plain_set_of):
        if whole := recognise(folder):
            return [whole]
        if sets := [entry for child in children if (entry := recognise(child))]:
            return sets
    raise DatasetError(f"{folder} holds no benchmark set (looked for {layout})")


def _is_visible_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


@dataclass(frozen=True)
class _ScaleSet:
    """High-resolution images of a set, and the pairs that it has files of."""

    dataset: str
    high: dict[str, Path]
    own: list[ScalePair]

    def at_scales(
        self, scales: Sequence[ScaleFactor] | None, *, make_inputs: bool
    ) -> list[ScalePair]:
        pairs: list[ScalePair] = []
        available = list(dict.fromkeys(pair.scale for pair in self.own))
        for scale in (available or _MADE_SCALES) if scales is None else scales:
            if scale in available and not make_inputs:
                pairs += [pair for pair in self.own if pair.scale == scale]
            else:
                pairs += [
                    ScalePair(self.dataset, name, scale, high, None)
                    for name, high in self.high.items()
                ]
        return pairs


def _scale_set_of(folder: Path) -> _ScaleSet | None:
    """Set with folders of its own for what is what."""
    name, high_folder = _set_name(folder), folder / "HR"
    if own := _rr_pairs(folder):
        return _ScaleSet(name, _by_name(_images(high_folder)), own)
    if own := _srf_pairs(folder):
        # The smaller the scale, the less its high-resolution images were cropped.
        least: dict[str, Path] = {}
        for pair in own:
            least.setdefault(pair.name, pair.high)
        return _ScaleSet(name, least, own)
    high = _by_name(_images(high_folder)) if high_folder.is_dir() else {}
    return _ScaleSet(name, high, []) if high else None


def _plain_set_of(folder: Path) -> _ScaleSet | None:
    """Set of images that lie in the folder itself."""
    if _SRF_FOLDER.fullmatch(folder.name) or _RR_FOLDER.fullmatch(folder.name):
        raise DatasetError(f"{folder} is one scale of a set: give the folder of the set")
    images = _images(folder)
    return _ScaleSet(_set_name(folder), _by_name(images), []) if images else None


def _by_name(images: Sequence[Path]) -> dict[str, Path]:
    """Images by their names, with the suffix where two differ in it alone."""
    stems = [image.stem for image in images]
    return {image.name if stems.count(image.stem) > 1 else image.stem: image for image in images}


def _set_name(folder: Path) -> str:
    """With the folder around it: a Set5 lies in more than one benchmark."""
    return "/".join(folder.resolve().parts[-2:])


def _rr_pairs(folder: Path) -> list[ScalePair]:
    pairs: list[ScalePair] = []
    for low_folder, numbers in _numbered_folders(folder / "LR_bicubic", _RR_FOLDER):
        scale = (float(numbers[1]), float(numbers[2]))
        for low in _images(low_folder):
            high = _partner(low, folder / "HR")
            pairs.append(ScalePair(_set_name(folder), low.stem, scale, high, low))
    return pairs


def _srf_pairs(folder: Path) -> list[ScalePair]:
    pairs: list[ScalePair] = []
    for scale_folder, numbers in _numbered_folders(folder, _SRF_FOLDER):
        scale = (float(numbers[1]), float(numbers[1]))
        for low in _images(scale_folder):
            named = _SRF_FILE.fullmatch(low.stem)
            if named is None:
                continue
            high = low.with_name(f"{named['stem']}_HR{low.suffix}")
            if not high.is_file():
                raise DatasetError(f"{low} has no {high.name} beside it")
            name = named["stem"].removesuffix(f"_SRF_{numbers[1]}")
            pairs.append(ScalePair(_set_name(folder), name, scale, high, low))
    return pairs


def _warp_pairs_of(folder: Path) -> list[WarpPair]:
    high_folder = folder / "HR"
    if not high_folder.is_dir():
        return []
    subsets = sorted(
        subset for subset in folder.iterdir() if subset.is_dir() and subset != high_folder
    )
    pairs: list[WarpPair] = []
    for subset in subsets:
        matrices = sorted(subset.glob("*.pth"))
        for matrix in matrices:
            source, high = _partner(matrix, subset), _partner(matrix, high_folder)
            pairs.append(
                WarpPair(_set_name(folder), subset.name, matrix.stem, high, source, matrix)
            )
        orphans = {image.stem for image in _images(subset)} - {matrix.stem for matrix in matrices}
        if matrices and orphans:
            raise DatasetError(f"{subset}: no .pth matrix for {', '.join(sorted(orphans))}")
    return pairs


def _numbered_folders(
    folder: Path, pattern: re.Pattern[str]
) -> Sequence[tuple[Path, re.Match[str]]]:
    """Children whose name fits `pattern`, in the order of their numbers."""
    if not folder.is_dir():
        return []
    matches = [
        (child, match)
        for child in folder.iterdir()
        if child.is_dir() and (match := pattern.fullmatch(child.name))
    ]
    return sorted(matches, key=lambda item: [float(number) for number in item[1].groups()])


def _images(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


def _partner(path: Path, folder: Path) -> Path:
    """The image in `folder` that is called like `path`, whatever its format."""
    partners = sorted(
        candidate
        for candidate in folder.glob(f"{glob.escape(path.stem)}.*")
        if candidate.suffix.lower() in IMAGE_SUFFIXES
    )
    if not partners:
        raise DatasetError(f"{path} has no image of its name in {folder}")
    return partners[0]
