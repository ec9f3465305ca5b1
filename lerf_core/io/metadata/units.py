"""Units of length and time, by their names in UDUNITS and OME-Zarr."""

from __future__ import annotations

__all__ = ["METRES_PER_INCH", "converted", "in_unit", "is_length", "is_time", "unit_of"]

METRES_PER_INCH = 0.0254
# Metres of each unit of length.
_LENGTHS = {
    "angstrom": 1e-10, "picometer": 1e-12, "nanometer": 1e-9, "micrometer": 1e-6,
    "millimeter": 1e-3, "centimeter": 1e-2, "decimeter": 0.1, "meter": 1.0, "hectometer": 100.0,
    "kilometer": 1e3, "inch": METRES_PER_INCH, "foot": 0.3048, "yard": 0.9144, "mile": 1609.344,
}  # fmt: skip
#: Seconds of each unit of time.
_TIMES = {
    "picosecond": 1e-12, "nanosecond": 1e-9, "microsecond": 1e-6, "millisecond": 1e-3,
    "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0,
}  # fmt: skip
_NAMES = {
    "a": "angstrom", "å": "angstrom", "ångström": "angstrom", "pm": "picometer",
    "nm": "nanometer", "nanometre": "nanometer", "µm": "micrometer", "μm": "micrometer",
    "um": "micrometer", "\\u00b5m": "micrometer", "micron": "micrometer", "microns": "micrometer",
    "micrometre": "micrometer", "mm": "millimeter", "millimetre": "millimeter",
    "cm": "centimeter", "centimetre": "centimeter", "dm": "decimeter", "m": "meter",
    "metre": "meter", "hm": "hectometer", "km": "kilometer", "kilometre": "kilometer",
    "in": "inch", "inches": "inch", '"': "inch", "ft": "foot", "feet": "foot", "yd": "yard",
    "mi": "mile", "ps": "picosecond", "ns": "nanosecond", "µs": "microsecond",
    "μs": "microsecond", "us": "microsecond", "ms": "millisecond", "msec": "millisecond",
    "s": "second", "sec": "second", "min": "minute", "h": "hour", "d": "day",
}  # fmt: skip
# Of a converted number: more digits than any file means, fewer than its rounding spoils.
_DIGITS = 14


def unit_of(text: str) -> str:
    """Return the unit that a text or symbol names; "" where it names none that is known.

    Examples
    --------
    >>> unit_of("µm"), unit_of("microns"), unit_of("sec"), unit_of("pixel")
    ('micrometer', 'micrometer', 'second', '')
    """
    word = text.strip().lower()
    if text.strip() == "Mm":
        return ""
    for name in (word, word.removesuffix("s"), _NAMES.get(word, "")):
        if name in _LENGTHS or name in _TIMES:
            return name
    return ""


def is_length(unit: str) -> bool:
    """Whether a name is one of a unit of length."""
    return unit in _LENGTHS


def is_time(unit: str) -> bool:
    """Whether a name is one of a unit of time."""
    return unit in _TIMES


def converted(value: float, unit: str, target: str) -> float | None:
    """Return a length or time in another unit; None where one is unknown, or of another kind.

    Examples
    --------
    >>> converted(2.5e-7, "meter", "micrometer")
    0.25
    """
    if unit == target:
        return value
    for table in (_LENGTHS, _TIMES):
        if unit in table and target in table:
            return float(f"{value * table[unit] / table[target]:.{_DIGITS}g}")
    return None


def in_unit(value: float, unit: str, target: str) -> float:
    """Return a length or time, of units that are known, in another one."""
    result = converted(value, unit, target)
    if result is None:
        raise ValueError(f"{unit} cannot be told in {target}")
    return result
