"""What XMP states of sizes and places in an image: a rule for each.

Properties are known by their namespaces, whatever prefixes a packet uses. Sizes are those of the
image that is written; places and lengths go with the pixels, by the placement of the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from lerf_core.geometry.placement import Placement
from lerf_core.io.metadata.xmp_packet import Name, Packet, Property, number_of

__all__ = ["moved", "orientation", "updated"]

_ADOBE, _GOOGLE = "http://ns.adobe.com/", "http://ns.google.com/photos/1.0/"
_TIFF, _EXIF = f"{_ADOBE}tiff/1.0/", f"{_ADOBE}exif/1.0/"
_MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_MICROSOFT = "http://ns.microsoft.com/photo/1.2/"
_PANORAMA, _DEPTH = f"{_GOOGLE}panorama/", f"{_GOOGLE}depthmap/"
_CROP = f"{_ADOBE}camera-raw-settings/1.0/"
_DJI = "http://www.dji.com/drone-dji/1.0/"

_WIDTHS = frozenset({(_TIFF, "ImageWidth"), (_EXIF, "PixelXDimension")})
_HEIGHTS = frozenset({(_TIFF, "ImageLength"), (_EXIF, "PixelYDimension")})
_ORIENTATION = (_TIFF, "Orientation")
_RESOLUTIONS = ((_TIFF, "XResolution"), (_TIFF, "YResolution"))
_RESOLUTION_UNIT, _INCH = (_TIFF, "ResolutionUnit"), "2"
_FOCAL_PLANE = ((_EXIF, "FocalPlaneXResolution"), (_EXIF, "FocalPlaneYResolution"))
_FORMAT = ("http://purl.org/dc/elements/1.1/", "format")
_FRAMES = frozenset({
    (f"{_ADOBE}xap/1.0/t/pg/", "MaxPageSize"),
    ("http://ns.adobe.com/xmp/1.0/DynamicMedia/", "videoFrameSize"),
})  # fmt: skip
_REGIONS = (_MWG, "Regions")
# What the packet no longer describes, whatever becomes of the pixels: it lay elsewhere in the file,
# or shows the image as it was. By name, or by namespace where all of it goes.
_OUTSIDE: dict[str | Name, str] = {
    (f"{_ADOBE}xap/1.0/", "Thumbnails"): "",
    (f"{_ADOBE}xmp/note/", "HasExtendedXMP"): "",
    **{
        (f"{_GOOGLE}camera/", name): "motion photo"
        for name in (
            "MotionPhoto", "MotionPhotoVersion", "MotionPhotoPresentationTimestampUs", "MicroVideo",
            "MicroVideoVersion", "MicroVideoOffset", "MicroVideoPresentationTimestampUs",
        )
    },
    f"{_GOOGLE}container/": "list of further images",
    "http://ns.google.com/photos/dd/1.0/device/": "depth map",
    f"{_ADOBE}hdr-gain-map/1.0/": "gain map",
    "http://ns.apple.com/HDRGainMap/1.0/": "gain map",
}  # fmt: skip
_PANORAMA_LENGTHS = {
    "CroppedAreaImageWidthPixels": 1, "CroppedAreaImageHeightPixels": 0,
    "FullPanoWidthPixels": 1, "FullPanoHeightPixels": 0,
    "CroppedAreaLeftPixels": 1, "CroppedAreaTopPixels": 0,
    "LargestValidInteriorRectLeft": 1, "LargestValidInteriorRectTop": 0,
    "LargestValidInteriorRectWidth": 1, "LargestValidInteriorRectHeight": 0,
}  # fmt: skip
_DJI_LENGTHS = {
    "CalibratedFocalLength": 1, "CalibratedOpticalCenterX": 1, "CalibratedOpticalCenterY": 0,
}  # fmt: skip
_CROPS = frozenset({
    "CropTop", "CropLeft", "CropBottom", "CropRight", "CropAngle", "CropConstrainToWarp",
})  # fmt: skip


def orientation(data: bytes) -> int:
    """Return the orientation, 1 to 8, that a packet states; 1 where it states none."""
    try:
        for item in Packet(data).properties():
            if item.name == _ORIENTATION and item.value in set("12345678"):
                return int(item.value)
    except ValueError:
        pass
    return 1


# -- sizes ----------------------------------------------------------------------------------


def updated(
    data: bytes, width: int, height: int, media_type: str = ""
) -> tuple[bytes, tuple[str, ...]]:
    """Return a packet that fits an upright image of a new size, and words for what is taken out.

    Parameters
    ----------
    data : bytes
    width, height : int
        Of the image that it will go with, in pixels.
    media_type : str, optional
        Of the file, such as "image/png".

    Raises
    ------
    ValueError
        If it cannot be read.
    """
    packet, removed = Packet(data), []
    for item in packet.properties():
        name = item.name
        if name in _OUTSIDE or name[0] in _OUTSIDE:
            removed.append(_OUTSIDE.get(name, _OUTSIDE.get(name[0], "")))
            item.remove()
        elif name == _ORIENTATION:
            item.set("1")
        elif name in _WIDTHS:
            item.set(str(width))
        elif name in _HEIGHTS:
            item.set(str(height))
        elif name == _FORMAT and media_type and item.value:
            item.set(media_type)
        elif name == _REGIONS:
            if (size := item.fields().get((_MWG, "AppliedToDimensions"))) is not None:
                _set_size(size, width, height)
        elif name in _FRAMES:
            _set_size(item, width, height)
    return packet.encoded() if packet.is_changed else data, _words(removed)


def with_resolution(data: bytes, dpi: tuple[float, float]) -> bytes:
    """Return a packet that states no other resolution than this one.

    Parameters
    ----------
    data : bytes
    dpi : (x, y)
        In pixels per inch.

    Raises
    ------
    ValueError
        If it cannot be read.
    """
    packet, values = Packet(data), dict(zip(_RESOLUTIONS, dpi, strict=True))
    for item in packet.properties():
        if item.name in values:
            ratio = Fraction(values[item.name]).limit_denominator(10_000)
            item.set(f"{ratio.numerator}/{ratio.denominator}")
        elif item.name == _RESOLUTION_UNIT:
            item.set(_INCH)
    return packet.encoded() if packet.is_changed else data


def _set_size(item: Property, width: int, height: int) -> None:
    """Set a size that is stated in pixels."""
    fields = {name[1]: value for name, value in item.fields().items()}
    unit = fields.get("unit")
    if unit is not None and unit.value.lower() in {"pixel", "pixels"}:
        for name, length in (("w", width), ("h", height)):
            if name in fields and fields[name].number != length:
                fields[name].set(str(length))


# -- places ---------------------------------------------------------------------------------


def moved(data: bytes, placement: Placement) -> tuple[bytes, tuple[str, ...]]:
    """Return the packet of a resized, warped or turned image, and words for what it loses.

    Parameters
    ----------
    data : bytes
    placement : Placement

    Raises
    ------
    ValueError
        If it cannot be read.
    """
    packet, move, dropped = Packet(data), _Move(placement), []
    properties = list(packet.properties())
    crop = {item.name[1]: item for item in properties if item.name[0] == _CROP}
    for item in properties:
        namespace, name = item.name
        rule: Callable[[Property, _Move], str] | None = _PLACES.get(item.name)
        if namespace in {_PANORAMA, _DEPTH, _DJI}:
            rule = _BY_NAMESPACE[namespace]
        elif namespace == _CROP and name in _CROPS and _is_unapplied(crop):
            rule = _crop
        if rule is not None and (word := rule(item, move)):
            dropped.append(word)
    if placement.source_axes == (1, 0):
        _exchange({item.name: item for item in properties if item.name in _RESOLUTIONS})
    focal_plane = {item.name: item for item in properties if item.name in _FOCAL_PLANE}
    if focal_plane and (word := _move_focal_plane(focal_plane, move)):
        dropped.append(word)
    return packet.encoded() if packet.is_changed else data, _words(dropped)


class _Move:
    """Where points, boxes and lengths of the source lie in the result; None: nowhere.

    Convention
    ----------
    Positions are (x, y), from the corner of the first pixel.
    """

    def __init__(self, placement: Placement) -> None:
        self.placement = placement
        self.before, self.after = placement.before[::-1], placement.after[::-1]
        self.is_scaling = placement.is_scaling
        self._to_result = placement.to_result

    @property
    def factors(self) -> tuple[float, float]:
        """Pixels of a whole result per pixel of its source, along x and y."""
        return self.after[0] / self.before[0], self.after[1] / self.before[1]

    def point(self, x: float, y: float) -> tuple[float, float] | None:
        """Return where a point lies; None where that is beyond the result."""
        place = self.placement.moved_point(y - 0.5, x - 0.5)
        return None if place is None else (place[1] + 0.5, place[0] + 0.5)

    def lengths(self, x: float, y: float) -> tuple[float, float] | None:
        """Return lengths along x and y of the result, of lengths along x and y of the source."""
        lengths = self.placement.moved_lengths(y, x)
        return None if lengths is None else lengths[::-1]

    def box(self, x: float, y: float, w: float, h: float) -> tuple[float, ...] | None:
        """Return centre and lengths of a box, by its own; cut to the result."""
        lengths = self.lengths(w, h)
        if lengths is None or self._to_result is None:
            return None
        row, col = self._to_result @ [y - 0.5, x - 0.5, 1]
        cut = []
        for centre, length, side in zip((col, row), lengths, self.after, strict=True):
            low = max(0.0, float(centre) + 0.5 - length / 2)
            high = min(float(side), float(centre) + 0.5 + length / 2)
            if high < low or (high == low and length):
                return None
            cut.append(((low + high) / 2, high - low))
        (x, w), (y, h) = cut
        return x, y, w, h


def _subject(item: Property, move: _Move) -> str:
    """Move the point, circle or rectangle of the main subject, in pixels."""
    items = item.items()
    numbers = [part.number for part in items]
    known = [number for number in numbers if number is not None]
    result = move.placement.moved_area(known)
    if None in numbers or result is None:
        item.remove()
        return "subject area"
    for part, value in zip(items, result, strict=True):
        part.set(str(value))
    return ""


def _exchange(items: dict[Name, Property]) -> None:
    """Exchange the resolutions along x and y."""
    if len(items) == len(_RESOLUTIONS):
        x, y = (items[name] for name in _RESOLUTIONS)
        old = x.value
        x.set(y.value)
        y.set(old)


def _move_focal_plane(items: dict[Name, Property], move: _Move) -> str:
    """Scale the resolution of the sensor, in pixels of the image per length on it."""
    numbers = [items[name].number if name in items else None for name in _FOCAL_PLANE]
    lengths = None
    if numbers[0] is not None and numbers[1] is not None:
        lengths = move.lengths(numbers[0], numbers[1])
    if lengths is None:
        for item in items.values():
            item.remove()
        return "resolution of the sensor"
    for name, length in zip(_FOCAL_PLANE, lengths, strict=True):
        items[name].set(ratio(length))
    return ""


def ratio(number: float) -> str:
    """Return a positive number as XMP's ratio."""
    whole = round(number)
    if abs(number - whole) < 1e-6 * number:
        return f"{whole}/1"
    return f"{round(number * 10_000)}/10000"


def _regions(item: Property, move: _Move) -> str:
    """Move the regions of the Metadata Working Group, relative to the image's sides."""
    if move.is_scaling:
        return ""
    size = {name[1]: value for name, value in item.fields().items()}
    for region in size["RegionList"].items() if "RegionList" in size else ():
        area = next((f for n, f in region.fields().items() if n[1] == "Area"), None)
        parts = {} if area is None else {n[1]: f for n, f in area.fields().items()}
        if not _move_relative(parts, move, ("x", "y", "w", "h")):
            if move.placement.source_axes is None:
                item.remove()
                return "regions"
            region.remove()
    return ""


def _move_relative(parts: dict[str, Property], move: _Move, names: tuple[str, ...]) -> bool:
    """Move a box, by its centre, that is relative to the sides; tell whether it has a place."""
    values = [parts[name].number if name in parts else 0.0 for name in names]
    if any(value is None for value in values) or not parts:
        return False
    sides = (*move.before, *move.before)
    x, y, w, h = (float(value or 0) * side for value, side in zip(values, sides, strict=True))
    box = move.box(x, y, w, h)
    if box is None:
        return False
    for name, value, side in zip(names, box, (*move.after, *move.after), strict=True):
        if name in parts:
            parts[name].set(_decimal(value / side))
    return True


def _decimal(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")


def _microsoft_regions(item: Property, move: _Move) -> str:
    """Move Microsoft's regions: corner and sides, relative to the image's."""
    if move.is_scaling:
        return ""
    for regions in item.fields().values():
        for region in regions.items():
            for name, box in region.fields().items():
                if name[1] != "Rectangle":
                    continue
                numbers = [number_of(text) for text in box.value.split(",")]
                if len(numbers) != 4 or None in numbers:
                    continue
                x, y, w, h = (
                    float(number or 0) * side
                    for number, side in zip(numbers, move.before * 2, strict=True)
                )
                new = move.box(x + w / 2, y + h / 2, w, h)
                if new is None and move.placement.source_axes is None:
                    item.remove()
                    return "regions"
                if new is None:
                    region.remove()
                    continue
                x, y, w, h = new
                corner = (x - w / 2, y - h / 2, w, h)
                box.set(", ".join(
                    _decimal(value / side)
                    for value, side in zip(corner, move.after * 2, strict=True)
                ))  # fmt: skip
    return ""


def _image_regions(item: Property, move: _Move) -> str:
    """Move IPTC's regions, relative or in pixels."""
    for region in item.items():
        boundary = region.fields().get((_IPTC, "RegionBoundary"))
        parts = {} if boundary is None else {n[1]: f for n, f in boundary.fields().items()}
        unit = parts["rbUnit"].value if "rbUnit" in parts else ""
        if move.is_scaling and unit != "pixel":
            continue
        if not _move_boundary(parts, move, is_relative=unit != "pixel"):
            if move.placement.source_axes is None:
                item.remove()
                return "regions"
            region.remove()
    return ""


def _move_boundary(parts: dict[str, Property], move: _Move, *, is_relative: bool) -> bool:
    """Move the boundary of a region; tell whether it has a place."""
    before, after = (move.before, move.after) if is_relative else ((1, 1), (1, 1))
    write = _decimal if is_relative else (lambda number: str(round(number)))
    if "rbVertices" in parts:
        for vertex in parts["rbVertices"].items():
            fields = {name[1]: value for name, value in vertex.fields().items()}
            x, y = (fields[name].number if name in fields else None for name in ("rbX", "rbY"))
            if x is None or y is None:
                return False
            place = move.point(x * before[0], y * before[1])
            if place is None:
                return False
            fields["rbX"].set(write(place[0] / after[0]))
            fields["rbY"].set(write(place[1] / after[1]))
        return True
    numbers = {name: parts[name].number for name in ("rbX", "rbY", "rbW", "rbH", "rbRx")
               if name in parts}  # fmt: skip
    if None in numbers.values() or not {"rbX", "rbY"} <= numbers.keys():
        return False
    value = {name: float(number or 0) for name, number in numbers.items()}
    x, y = value["rbX"] * before[0], value["rbY"] * before[1]
    if "rbRx" in value:
        # A circle about its centre; relative, its radius is so to the width.
        place, radius = move.point(x, y), value["rbRx"] * before[0]
        lengths = move.lengths(radius, radius)
        if place is None or lengths is None:
            return False
        new = {
            "rbX": place[0] / after[0],
            "rbY": place[1] / after[1],
            "rbRx": lengths[0] / after[0],
        }
    else:
        w, h = value.get("rbW", 0) * before[0], value.get("rbH", 0) * before[1]
        box = move.box(x + w / 2, y + h / 2, w, h)
        if box is None:
            return False
        x, y, w, h = box
        new = {"rbX": (x - w / 2) / after[0], "rbY": (y - h / 2) / after[1],
               "rbW": w / after[0], "rbH": h / after[1]}  # fmt: skip
    for name, number in new.items():
        if name in parts:
            parts[name].set(write(number))
    return True


def _panorama(item: Property, move: _Move) -> str:
    """Scale the lengths of a panorama, which are in pixels."""
    if not move.is_scaling:
        item.remove()
        return "panorama"
    return _scaled(item, move, _PANORAMA_LENGTHS.get(item.name[1]))


def _scaled(item: Property, move: _Move, axis: int | None) -> str:
    number = item.number
    if axis is not None and number is not None:
        # Where the axis is 0, along y.
        value = number * move.factors[1 - axis]
        item.set(_decimal(value) if "." in item.value else str(round(value)))
    return ""


def _calibration(item: Property, move: _Move) -> str:
    """Scale what a drone states of its camera in pixels."""
    name = item.name[1]
    if name not in _DJI_LENGTHS and name != "DewarpData":
        return ""
    if not move.is_scaling:
        item.remove()
        return "calibration of the camera"
    match = re.fullmatch(r"([^;]*;)((?:[^,]*,){3}[^,]*)(,.*)", item.value)
    if name == "DewarpData" and match is not None:
        numbers = [number_of(text) for text in match[2].split(",")]
        if None not in numbers:
            factors = move.factors * 2
            texts = (f"{float(n or 0) * f:.6f}" for n, f in zip(numbers, factors, strict=True))
            item.set(match[1] + ",".join(texts) + match[3])
        return ""
    return _scaled(item, move, _DJI_LENGTHS.get(name))


def _depth(item: Property, move: _Move) -> str:
    """Keep a map of depths where it shows what the image shows: it has a size of its own."""
    if move.is_scaling:
        return ""
    item.remove()
    return "depth map"


def _is_unapplied(settings: dict[str, Property]) -> bool:
    """Whether a crop is yet to be made, by whoever shows the image."""
    has = {name: settings[name].value.lower() == "true" for name in settings}
    return has.get("HasCrop", False) and not has.get("AlreadyApplied", False)


def _crop(item: Property, move: _Move) -> str:
    """Keep a crop that is yet to be made where the frame stays: it is relative to the sides."""
    if move.is_scaling:
        return ""
    item.remove()
    return "crop settings"


_PLACES: dict[Name, Callable[[Property, _Move], str]] = {
    (_EXIF, "SubjectArea"): _subject,
    (_EXIF, "SubjectLocation"): _subject,
    _REGIONS: _regions,
    (_MICROSOFT, "RegionInfo"): _microsoft_regions,
    (_IPTC, "ImageRegion"): _image_regions,
}
_BY_NAMESPACE: dict[str, Callable[[Property, _Move], str]] = {
    _PANORAMA: _panorama,
    _DEPTH: _depth,
    _DJI: _calibration,
}


def _words(items: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for item in items if item))
