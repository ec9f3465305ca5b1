"""IPTC-IIM records: where Photoshop, TIFF and PNG keep them, and what lies beside them."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator

__all__ = ["as_profile", "as_resources", "of_profile", "of_resources", "of_words", "resources"]

#: Code of the resource of Photoshop that holds IPTC.
IPTC = 0x0404
_SIGNATURES = (b"8BIM", b"PHUT", b"AgHg", b"DCSR", b"MeSa")
# What other resources say of an image, by their codes. The rest is about printing and windows.
_WORDS = {
    0x0408: "guides", 0x040A: "copyright mark", 0x040B: "address", 0x041A: "slices",
    0x0429: "layer comps",
}  # fmt: skip
_PATHS = range(0x07D0, 0x0BB8)
_RECORD = 0x1C
# A name that may have spaces, and a length, on lines of their own.
_PROFILE = re.compile(rb"\n?[^\n]{0,80}\n[ \t]*(\d{1,12})[ \t\r]*\n(.*)", re.DOTALL)
_HEX = re.compile(rb"[^0-9A-Fa-f]+")


def resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield code and data of Photoshop's image resources; damage ends the walk quietly."""
    position = 0
    while data[position : position + 4] in _SIGNATURES:
        if position + 12 > len(data):
            return
        code = int.from_bytes(data[position + 4 : position + 6], "big")
        # A name of Pascal's kind, and the data: each is padded to an even length.
        start = position + 6 + (data[position + 6] | 1) + 1
        if start + 4 > len(data):
            return
        length = int.from_bytes(data[start : start + 4], "big")
        start += 4
        if start + length > len(data):
            return
        yield code, data[start : start + length]
        position = start + length + length % 2


def of_resources(items: Iterable[tuple[int, bytes]]) -> tuple[bytes | None, tuple[str, ...]]:
    """Return the IPTC records among Photoshop's resources, and what else they say of the image."""
    records, others = None, []
    for code, data in items:
        if code == IPTC:
            found = of_words(data)
            if records and found and found != records:
                others.append("further IPTC")
            records = records or found
        elif code in _PATHS:
            others.append("clipping paths")
        elif code in _WORDS and any(data):
            others.append(_WORDS[code])
    return records, tuple(dict.fromkeys(others))


def of_words(data: bytes) -> bytes | None:
    """Return the records at the start of a block, whose 32-bit words may be reversed; or None."""
    if data[:1] != bytes([_RECORD]) and data[3:4] == bytes([_RECORD]):
        # TIFF calls them LONG by custom: written in another byte order, they were turned around.
        count = len(data) // 4
        data = struct.pack(f"<{count}I", *struct.unpack(f">{count}I", data[: 4 * count]))
    return data[: _end_of_records(data)] or None


def _end_of_records(data: bytes) -> int:
    position = 0
    while position + 5 <= len(data) and data[position] == _RECORD:
        length = int.from_bytes(data[position + 3 : position + 5], "big")
        start = position + 5
        if length & 0x8000:
            # An extended record: the length of its length.
            size = length & 0x7FFF
            length = int.from_bytes(data[start : start + size], "big")
            start += size
        if start + length > len(data):
            break
        position = start + length
    return position


def as_resources(records: bytes) -> bytes:
    """Return IPTC records as an image resource of Photoshop."""
    head = b"8BIM" + struct.pack(">HHI", IPTC, 0, len(records))
    return head + records + b"\0" * (len(records) % 2)


def of_profile(text: bytes) -> bytes | None:
    """Return the data of a text of PNG in ImageMagick's way: a name, a length, digits; or None."""
    match = _PROFILE.match(text)
    if match is None:
        return None
    digits = _HEX.sub(b"", match[2])
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))[: int(match[1])]


def as_profile(name: str, data: bytes) -> str:
    """Return data as a text of PNG, in ImageMagick's way."""
    digits = data.hex()
    lines = (digits[start : start + 72] for start in range(0, len(digits), 72))
    return f"\n{name}\n{len(data):8}\n" + "\n".join(lines) + "\n"
