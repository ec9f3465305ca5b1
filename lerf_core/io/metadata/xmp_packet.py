"""XMP packets: their properties, changed or removed where they lie; every other byte is kept.

A packet is RDF in XML. A property is an attribute or an element of a description; its value is a
text, a structure of fields or a list of items, each in several spellings.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

__all__ = ["RDF", "USUAL_PREFIXES", "Packet", "Property", "in_utf8", "number_of"]

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XML = "http://www.w3.org/XML/1998/namespace"
#: What a prefix means where a packet does not say it.
USUAL_PREFIXES = {
    "rdf": RDF,
    "xml": _XML,
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
}
_DESCRIPTION = (RDF, "Description")
_LISTS = frozenset({(RDF, "Seq"), (RDF, "Bag"), (RDF, "Alt")})
_ATTRIBUTE = re.compile(rb"""([^\s=<>"'/]+)\s*=\s*("[^"]*"|'[^']*')""")
_START_TAG = re.compile(rb"""<[^\s>/]+(?:[^>"']|"[^"]*"|'[^']*')*>""")
_DECLARATION = re.compile(rb"<\?xml\s[^>]{0,200}\?>")
_DEEPEST = 100
_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\0\0\0", "utf-32-le"), (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"),
)  # fmt: skip

Name = tuple[str, str]


@dataclass
class _Element:
    """An element: its names are pairs of namespace and local name, its extents are of bytes."""

    name: Name
    tag: bytes
    start: int
    inside: int  # where its content begins
    scope: dict[str, str]
    attributes: list[tuple[Name, int, int, int, int]]  # name, extent of it, extent of the value
    children: list[_Element] = field(default_factory=list)
    outside: int = 0  # where its content ends
    end: int = 0

    @property
    def is_closed_at_once(self) -> bool:
        return self.inside == self.end


class Packet:
    """An XMP packet that is being changed.

    Parameters
    ----------
    data : bytes
        In any encoding of Unicode.

    Raises
    ------
    ValueError
        If it is no XML, or declares a document type.
    """

    def __init__(self, data: bytes) -> None:
        text, self._encoding = _decoded(data)
        lead = len(text) - len(text.lstrip("\ufeff \t\r\n\0"))
        self._lead, self._text = text[:lead], text[lead:].rstrip("\0").encode()
        self._edits: list[tuple[int, int, bytes]] = []
        self._roots = self._parsed()

    def _parsed(self) -> list[_Element]:
        parser = expat.ParserCreate("utf-8")
        roots: list[_Element] = []
        stack: list[_Element] = []

        def start(tag: str, _: object) -> None:
            at = parser.CurrentByteIndex
            element = self._element(at, tag, stack[-1].scope if stack else USUAL_PREFIXES)
            (stack[-1].children if stack else roots).append(element)
            stack.append(element)
            if len(stack) > _DEEPEST:
                raise ValueError("elements within elements without an end")

        def end(_: str) -> None:
            element = stack.pop()
            if self._text[element.inside - 2 : element.inside] == b"/>":
                element.outside = element.end = element.inside
            else:
                element.outside = parser.CurrentByteIndex
                element.end = self._text.index(b">", element.outside) + 1

        def refuse(*_: object) -> None:
            raise ValueError("a document type in XMP")

        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.StartDoctypeDeclHandler = refuse
        # Some writers put a declaration behind the mark of the packet, where XML allows none.
        text = self._text[:1] + _DECLARATION.sub(lambda it: b" " * len(it[0]), self._text[1:])
        try:
            parser.Parse(text, True)
        except expat.ExpatError as error:
            # What stands behind the end is padding, whatever it is.
            if stack or not roots:
                raise ValueError(f"no XML: {error}") from error
        return roots

    def _element(self, at: int, tag: str, outer: dict[str, str]) -> _Element:
        match = _START_TAG.match(self._text, at)
        if match is None:
            raise ValueError("a start tag without an end")
        spelled = [
            (item[1].decode(), at + item.start(), at + item.end(), at + item.start(2) + 1)
            for item in _ATTRIBUTE.finditer(match[0])
        ]
        scope = outer
        for name, _, stop, value in spelled:
            if name.startswith("xmlns:"):
                scope = {**scope, name[6:]: self._text[value : stop - 1].decode()}
        attributes = [
            (_resolved(name, scope), begin, stop, value, stop - 1)
            for name, begin, stop, value in spelled
            if name != "xmlns" and not name.startswith("xmlns:")
        ]
        return _Element(_resolved(tag, scope), tag.encode(), at, match.end(), scope, attributes)

    # -- what it says -----------------------------------------------------------------------

    def properties(self) -> Iterator[Property]:
        """Yield the properties of what the packet describes, none of their fields."""
        for element in self.descriptions():
            yield from self.properties_of(element)

    def container(self) -> _Element | None:
        """Return the element of RDF that all descriptions stand in, if there is one."""
        frames = (element for root in self._roots for element in _within(root))
        return next((element for element in frames if element.name == (RDF, "RDF")), None)

    def descriptions(self) -> Iterator[_Element]:
        """Yield the elements that carry properties; without RDF, all of them."""
        frames = [element for root in self._roots for element in _within(root)]
        containers = [element for element in frames if element.name == (RDF, "RDF")]
        if not containers:
            yield from frames
        for container in containers:
            yield from container.children

    def properties_of(self, element: _Element) -> Iterator[Property]:
        """Yield the properties that an element's attributes and children are."""
        for name, start, stop, value, end in element.attributes:
            if name[0] not in {RDF, _XML}:
                yield Property(self, name, None, start, stop, value, end, element.scope)
        for child in element.children:
            if child.name == _DESCRIPTION:
                yield from self.properties_of(child)
            else:
                yield Property(self, child.name, child, child.start, child.end, 0, 0, child.scope)

    def text(self, start: int, stop: int) -> str:
        """Return a part of the packet."""
        return self._text[start:stop].decode("utf-8", "replace")

    # -- changes ----------------------------------------------------------------------------

    def replace(self, start: int, stop: int, text: str) -> None:
        """Note that a part is to be replaced."""
        self._edits.append((start, stop, text.encode()))

    @property
    def is_changed(self) -> bool:
        """Whether anything is to be replaced."""
        return bool(self._edits)

    def encoded(self) -> bytes:
        """Return the packet with all changes, in its own encoding."""
        pieces, position = [], 0
        # The outermost of two parts, one within the other, comes first.
        for start, stop, text in sorted(self._edits, key=lambda edit: (edit[0], -edit[1])):
            if start >= position:
                pieces += [self._text[position:start], text]
                position = stop
        whole = b"".join([*pieces, self._text[position:]]).decode("utf-8")
        return (self._lead + whole).encode(self._encoding)


@dataclass(frozen=True)
class Property:
    """A property of a packet, a field of a structure, or an item of a list.

    Attributes
    ----------
    packet : Packet
    name : (namespace, local name)
    element : element or None
        None where it is an attribute.
    start, stop : int
        Its extent.
    value_start, value_stop : int
        Of an attribute's value.
    scope : dict
        What prefixes mean where it stands.
    """

    packet: Packet
    name: Name
    element: _Element | None
    start: int
    stop: int
    value_start: int
    value_stop: int
    scope: dict[str, str]

    @property
    def value(self) -> str:
        """Its text; "" where it has parts of its own."""
        if self.element is None:
            return self.packet.text(self.value_start, self.value_stop).strip()
        if self.element.children or self.element.is_closed_at_once:
            return ""
        return self.packet.text(self.element.inside, self.element.outside).strip()

    @property
    def number(self) -> float | None:
        """Its text as a number, also of a ratio; None where it is none."""
        return number_of(self.value)

    def fields(self) -> dict[Name, Property]:
        """Return the fields of a structure, by their names."""
        if self.element is None:
            return {}
        return {item.name: item for item in self.packet.properties_of(self.element)}

    def items(self) -> list[Property]:
        """Return the items of a list."""
        return [
            Property(self.packet, item.name, item, item.start, item.end, 0, 0, item.scope)
            for child in (self.element.children if self.element is not None else ())
            if child.name in _LISTS
            for item in child.children
        ]

    def set(self, text: str) -> None:
        """Give it another text."""
        element = self.element
        if text == self.value:
            return
        if element is None:
            self.packet.replace(self.value_start, self.value_stop, text)
        elif element.is_closed_at_once:
            tag = element.tag.decode()
            self.packet.replace(element.start, element.end, f"<{tag}>{text}</{tag}>")
        else:
            self.packet.replace(element.inside, element.outside, text)

    def remove(self) -> None:
        """Take it out of the packet."""
        self.packet.replace(self.start, self.stop, "")


def in_utf8(data: bytes) -> bytes:
    """Return a packet in UTF-8, whatever it is in.

    Raises
    ------
    ValueError
        If it ends within a character.
    """
    text, encoding = _decoded(data)
    return data if encoding == "utf-8" else text.lstrip("\ufeff").encode()


def _decoded(data: bytes) -> tuple[str, str]:
    """Return a packet's text, and its encoding."""
    encoding = next((name for start, name in _ENCODINGS if data.startswith(start)), "utf-8")
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise
        # Damaged texts, or of an encoding of old: every byte is kept so.
        return data.decode("latin-1"), "latin-1"


def number_of(text: str) -> float | None:
    """Return a number or a ratio; None where a text is none, or none that is finite."""
    over, _, under = text.partition("/")
    try:
        number = float(over) / float(under or 1)
    except (ValueError, ZeroDivisionError):
        return None
    return number if abs(number) < float("inf") else None


def _within(element: _Element) -> Iterator[_Element]:
    yield element
    for child in element.children:
        yield from _within(child)


def _resolved(name: str, scope: dict[str, str]) -> Name:
    prefix, colon, local = name.rpartition(":")
    if not colon:
        return "", name
    return scope.get(prefix, prefix), local
