"""What the name of an attribute tells of it, whatever the file or host that states it."""

from __future__ import annotations

import re

__all__ = ["speaks_of_places"]

# Names of attributes that do not hold for other pixels.
_STALE = (
    r"^(?!scale_factor$|add_offset$).*(affine|area|bbox|bounding|bounds|centroid|dpi|extent|height|"
    r"magnif|mpp|offset|origin(?!al)|perimeter|pixel|(?<!com)position|resolution|scale|scaling|"
    r"shape|size|spacing|spatial|transform|translat|voxel|(?<!band)width)"
)


def speaks_of_places(name: str) -> bool:
    """Tell by an attribute's name whether it states sizes or places, which other pixels change."""
    return re.match(_STALE, name, re.IGNORECASE) is not None
