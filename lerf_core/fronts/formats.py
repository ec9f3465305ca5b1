"""How fronts are told apart, before anything of them is read."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["CASCADE_FORMAT", "NETWORK_FRONT_FORMAT", "PUBLISHED_TABLE", "is_published_cascade"]

#: Format of the files of cascades.
CASCADE_FORMAT = "lerf-cascade"
#: Format of the files of fronts that are networks of this project's own.
NETWORK_FRONT_FORMAT = "lerf-front"
#: Names of a cascade's tables in the published layout: the scale, the bits of a node's number, the
#: stage and the pattern; ``_ft`` of those that were fine-tuned as tables.
PUBLISHED_TABLE = re.compile(
    r"LUT(?P<tuned>_ft)?_x(?P<scale>\d+)_(?P<bits>\d+)bit_int8_s(?P<stage>\d+)_(?P<pattern>\w)\.npy"
)


def is_published_cascade(folder: Path) -> bool:
    """Whether a folder holds tables of a cascade in the published layout."""
    return any(PUBLISHED_TABLE.fullmatch(path.name) for path in folder.iterdir())
