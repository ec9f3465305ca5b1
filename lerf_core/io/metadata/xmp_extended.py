"""XMP that is too long for a segment of JPEG: a main packet, and an extended one beside it."""

from __future__ import annotations

import hashlib
import re

from lerf_core.io.metadata.xmp_packet import RDF, USUAL_PREFIXES, Packet, Property, in_utf8

__all__ = ["extended_guid", "joined", "split"]

_NOTE = "http://ns.adobe.com/xmp/note/"
_HAS_EXTENDED = (_NOTE, "HasExtendedXMP")
_PREFIX = re.compile(r"[<\s/]([A-Za-z_][\w.-]*):[A-Za-z_]")
_DECLARED = re.compile(r"xmlns:([\w.-]+)\s*=")
_START = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="' + RDF + '">'
_END = "</rdf:RDF></x:xmpmeta>"
_END_MARK = b"<?xpacket end"
# Room for what says that there is more.
_ROOM = 128


def extended_guid(data: bytes) -> str:
    """Return the name of the extended packet that a packet says it has; "" where it has none."""
    try:
        items = Packet(data).properties()
        return next((item.value for item in items if item.name == _HAS_EXTENDED), "")
    except ValueError:
        return ""


def joined(data: bytes, extended: bytes) -> bytes:
    """Return a packet with the properties of its extended one.

    Raises
    ------
    ValueError
        If one of them cannot be read.
    """
    packet, further = Packet(data), Packet(extended)
    descriptions = "".join(
        _declared(further.text(element.start, element.end), element.scope)
        for element in further.descriptions()
    )
    container = packet.container()
    if container is None or container.is_closed_at_once:
        raise ValueError("no RDF to join to")
    for item in packet.properties():
        if item.name == _HAS_EXTENDED:
            item.remove()
    packet.replace(container.outside, container.outside, descriptions)
    return packet.encoded()


def split(data: bytes, longest: int) -> tuple[bytes, bytes]:
    """Return a packet of a length at most, and what does not fit into it, or b"".

    Raises
    ------
    ValueError
        If it cannot be split so.
    """
    if len(data) > longest:
        # Padding for programs that write in place.
        place = max(data.rfind(_END_MARK), 0)
        data = data[:place].rstrip() + b"\n" + data[place:] if place else data
    if len(data) <= longest:
        return data, b""
    data = in_utf8(data)
    packet = Packet(data)
    first = next(iter(packet.descriptions()), None)
    container = packet.container()
    if first is None or container is None:
        raise ValueError("no RDF to split")
    moved = ""
    excess = len(data) - longest + _ROOM
    for item in sorted(packet.properties(), key=lambda item: item.start - item.stop):
        if excess <= 0:
            break
        moved += _as_description(item)
        excess -= len(packet.text(item.start, item.stop).encode())
        item.remove()
    extended = (_START + moved + _END).encode()
    guid = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
    place = first.start + 1 + len(first.tag)
    declared = "" if "xmpNote" in first.scope else f' xmlns:xmpNote="{_NOTE}"'
    packet.replace(place, place, f'{declared} xmpNote:HasExtendedXMP="{guid}"')
    main = packet.encoded()
    if len(main) > longest:
        raise ValueError("XMP that cannot be split")
    return main, extended


def _as_description(item: Property) -> str:
    text = item.packet.text(item.start, item.stop)
    if item.element is None:
        return _declared(f'<rdf:Description rdf:about="" {text}/>', item.scope)
    return _declared(f'<rdf:Description rdf:about="">{text}</rdf:Description>', item.scope)


def _declared(text: str, scope: dict[str, str]) -> str:
    """Return an element that declares the prefixes which it uses."""
    tag = text[: text.index(">")]
    used = set(_PREFIX.findall(text)) - set(_DECLARED.findall(tag)) - {"xml", "xmlns"}
    names = "".join(
        f' xmlns:{prefix}="{scope[prefix]}"'
        for prefix in sorted(used)
        if prefix in scope and (prefix != "rdf" or scope[prefix] != USUAL_PREFIXES["rdf"])
    )
    place = re.match(r"<[^\s/>]+", text)
    at = place.end() if place is not None else 0
    return text[:at] + names + text[at:]
