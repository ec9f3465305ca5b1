"""What GeoTIFF's keys say of a system of coordinates: its code and its name, as they stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["named_system"]

# Tags of the directory of keys, and of the texts behind it.
_DIRECTORY, _TEXTS = 34_735, 34_737
# Keys: kind of the system; codes and texts of projected and geographic ones; a text for all.
_MODEL, _PROJECTED, _GEODETIC = 1024, 3072, 2048
_PROJECTED_TEXT, _GEODETIC_TEXT, _TEXT = 3073, 2049, 1026
_IS_PROJECTED = 1
# Codes of EPSG; beyond lies the one that says that keys of other kinds define the system.
_CODES = range(1024, 32_767)
# Numbers of an entry: key, tag of the value or 0, count, value or place.
_NUMBERS = 4


def named_system(keys: Sequence[tuple[int, tuple[int | float, ...] | str]]) -> tuple[str, str]:
    """Return the code of a system of coordinates, such as "EPSG:32632", and its name.

    Parameters
    ----------
    keys : sequence of (tag, values)
        As in :class:`lerf_core.io.metadata.georeference.Georeference`.

    Returns
    -------
    code, name : str
        "" where the keys have none. Nothing is looked up: the name is the file's own text.

    Examples
    --------
    >>> directory = (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32632)
    >>> named_system([(34735, directory)])
    ('EPSG:32632', '')
    """
    tags = dict(keys)
    entries = dict(_entries(tags.get(_DIRECTORY, ())))
    texts = tags.get(_TEXTS, "")
    texts = texts if isinstance(texts, str) else ""
    is_projected = _PROJECTED in entries or entries.get(_MODEL, (0, 0, 0))[2] == _IS_PROJECTED
    code = entries.get(_PROJECTED if is_projected else _GEODETIC, (0, 0, 0))
    named = code[0] == 0 and code[2] in _CODES
    order = (_PROJECTED_TEXT, _TEXT, _GEODETIC_TEXT) if is_projected else (_GEODETIC_TEXT, _TEXT)
    found = (_text(entries[key], texts) for key in order if key in entries)
    return f"EPSG:{code[2]}" if named else "", next(filter(None, found), "")


def _entries(directory: tuple[int | float, ...] | str) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield each key with the tag of its value, a count, and the value or where it stands."""
    if isinstance(directory, str):
        return
    numbers = [int(number) for number in directory[_NUMBERS:]]
    for key, *entry in zip(*[iter(numbers)] * _NUMBERS, strict=False):
        yield key, tuple(entry)


def _text(entry: tuple[int, ...], texts: str) -> str:
    tag, count, first = entry
    return texts[first : first + count].strip("|\0 \n") if tag == _TEXTS else ""
