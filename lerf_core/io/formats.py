"""What each file format can hold, and which one a name means. Light: imports no image library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from lerf_core.errors import FileError

#: Greatest number of pixels, over all frames, that an image held in memory may have unless a
#: caller says otherwise; Pillow refuses more by default.
DEFAULT_MAX_PIXELS = 178_956_970

# Layouts: channels and their meaning. MULTI is any number of independent channels.
GREY, GREY_ALPHA, RGB, RGBA, CMYK, PALETTE, MULTI = "L", "LA", "RGB", "RGBA", "CMYK", "P", "MULTI"
#: L, a and b; integers count a and b from the middle of their range on.
LAB = "LAB"
#: Independent channels, and an opacity as the last one.
MULTI_ALPHA = "MULTIA"
#: Layouts by those that have an opacity behind their channels.
WITHOUT_ALPHA = {GREY_ALPHA: GREY, RGBA: RGB, MULTI_ALPHA: MULTI}
WITH_ALPHA = frozenset(WITHOUT_ALPHA)
_PLAIN = frozenset({GREY, GREY_ALPHA, RGB, RGBA})

_LAYOUT_WORDS = {
    GREY_ALPHA: "an alpha channel",
    RGBA: "an alpha channel",
    CMYK: "CMYK",
    LAB: "CIELAB",
    PALETTE: "a palette",
    MULTI: "these channels",
    MULTI_ALPHA: "these channels",
    GREY: "grey",
    RGB: "RGB",
}


@dataclass(frozen=True)
class Format:
    """A writable format: its Pillow name, suffixes and what it can hold.

    ``longest`` is the greatest number of pixels along a side, None for no limit of its own.
    """

    name: str
    suffixes: tuple[str, ...]
    layouts: frozenset[str]
    depths: frozenset[str]
    frames: bool = False  # an animation or pages
    longest: int | None = None

    @property
    def extension(self) -> str:
        """The usual suffix without its dot."""
        return self.suffixes[0][1:]


_ALL = frozenset({GREY, GREY_ALPHA, RGB, RGBA, CMYK, LAB, PALETTE, MULTI, MULTI_ALPHA})
_8 = frozenset({"uint8"})
_8_16 = _8 | {"uint16"}
# What Pillow expands to 8 bits when it writes: masks.
_1_8 = _8 | {"bool"}
_ANY = _1_8 | {
    "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "float32", "float64",
}  # fmt: skip

FORMATS = {
    entry.name: entry
    for entry in (
        Format("PNG", (".png", ".apng"), _PLAIN | {PALETTE}, _1_8 | {"uint16"}, frames=True),
        Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), frozenset({GREY, RGB, CMYK}), _8,
               longest=65_500),
        Format("WEBP", (".webp",), _PLAIN, _8, frames=True, longest=16_383),
        Format("TIFF", (".tif", ".tiff"), _ALL, _ANY, frames=True),
        Format("BMP", (".bmp", ".dib"), frozenset({GREY, RGB, RGBA, PALETTE}), _1_8),
        Format("GIF", (".gif",), _PLAIN | {PALETTE}, _8, frames=True, longest=65_535),
        Format("PPM", (".ppm", ".pgm", ".pnm"), frozenset({GREY, RGB}), _8_16),
        Format("PAM", (".pam",), _PLAIN | {CMYK, MULTI}, _8_16 | {"bool"}),
        Format("PFM", (".pfm",), frozenset({GREY, RGB}), frozenset({"float32"})),
        Format("TGA", (".tga",), _PLAIN, _8, longest=65_535),
        Format("JPEG2000", (".jp2", ".j2k"), _PLAIN, _8_16),
        Format("AVIF", (".avif",), _PLAIN, _8, frames=True, longest=65_536),
    )
}  # fmt: skip
_BY_SUFFIX = {suffix: entry for entry in FORMATS.values() for suffix in entry.suffixes}
READ_ONLY_SUFFIXES = frozenset({
    ".dcm", ".dds", ".hdr", ".heic", ".heif", ".icns", ".ico", ".im", ".jls", ".jxl", ".mpo",
    ".pbm", ".pcx", ".psb", ".psd", ".qoi", ".sgi",
    # Stacks and slides that are TIFF.
    ".bif", ".lsm", ".ndpi", ".qptiff", ".scn", ".stk", ".svs",
})  # fmt: skip
LOSSLESS = frozenset({"PNG", "TIFF", "BMP", "GIF", "PPM", "PAM", "PFM", "TGA"})
#: What XMP calls formats.
MEDIA_TYPES = {
    "PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "TIFF": "image/tiff",
    "OME-TIFF": "image/tiff", "AVIF": "image/avif", "JPEG2000": "image/jp2", "GIF": "image/gif",
}  # fmt: skip
#: Formats that hold a resolution in EXIF alone.
RESOLUTION_IN_EXIF = frozenset({"WEBP", "AVIF"})
#: Bytes that a segment of JPEG holds, its length apart.
LONGEST_SEGMENT = 65_533
#: What begins a segment of XMP.
XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
#: Bytes of a packet that a segment holds.
LONGEST_XMP = LONGEST_SEGMENT - len(XMP_SEGMENT)
_BLOCKS = frozenset({"icc", "exif", "xmp"})
_ANIMATION = frozenset({"durations", "loop"})
_GEODATA = frozenset({"georeference", "nodata", "gdal"})
#: Fields of :class:`lerf_core.io.metadata.model.Metadata` that each format holds, by its name.
HOLDS = {
    "PNG": _BLOCKS | _ANIMATION | {
        "iptc", "gamma", "chromaticities", "rendering_intent", "cicp", "mastering", "content_light",
        "dpi", "aspect", "text",
        "comments",
    },
    "JPEG": _BLOCKS | {"iptc", "dpi", "aspect", "comments"},
    "WEBP": _BLOCKS | _ANIMATION | {"dpi"},
    "AVIF": _BLOCKS | {"durations", "dpi", "cicp"},
    "TIFF": _BLOCKS | _GEODATA | {"iptc", "dpi", "aspect", "pages", "axes"},
    "OME-TIFF": _BLOCKS | _GEODATA | {
        "iptc", "dpi", "aspect", "axes", "channels", "magnification", "name", "ome",
    },
    "ImageJ": _BLOCKS | {"iptc", "axes", "channels", "pages", "imagej"},
    "BMP": frozenset({"dpi"}),
    "GIF": _ANIMATION | {"comments"},
    "PPM": frozenset(),
    "PAM": frozenset(),
    "PFM": frozenset(),
    "TGA": frozenset(),
    "JPEG2000": _BLOCKS | {"dpi", "iptc"},
    "OME-Zarr": frozenset({
        "axes", "axis_names", "channels", "display", "name", "attributes", "label_facts",
        "georeference",
    }),
    "Zarr": frozenset(),
    "NPY": frozenset(),
}  # fmt: skip


def layout_of_samples(count: int) -> str:
    """Return the layout of pixels of which nothing but the number of samples is known."""
    return {1: GREY, 3: RGB}.get(count, MULTI)


def by_name(name: str) -> Format:
    """Return the format of a ``--format`` value: its name or one of its suffixes.

    Raises
    ------
    FileError
        If no writable format has that name.
    """
    named = FORMATS.get(name.upper()) or _BY_SUFFIX.get("." + name.lower().lstrip("."))
    if named is None:
        names = ", ".join(entry.name.lower() for entry in FORMATS.values())
        raise FileError(f"cannot write {name}: choose another format with --format ({names})")
    return named


def by_path(path: PurePath) -> Format | None:
    """Return the writable format that a path's suffix names, if any."""
    return _BY_SUFFIX.get(path.suffix.lower())


def tiled_format(name: str) -> str | None:
    """Return the format that an output's name means, if it can be written tile by tile."""
    lower = name.lower().rstrip("/")
    if lower.endswith((".ome.tif", ".ome.tiff", ".ome.btf")):
        return "OME-TIFF"
    if lower.endswith(".zarr"):
        return "OME-Zarr"
    return {".tif": "TIFF", ".tiff": "TIFF", ".btf": "TIFF", ".tf8": "TIFF", ".npy": "NPY"}.get(
        PurePath(lower).suffix
    )


def looks_like_image(path: PurePath) -> bool:
    """Tell whether a folder's file is taken for an image: by its suffix."""
    suffix = path.suffix.lower()
    return suffix in _BY_SUFFIX or suffix in READ_ONLY_SUFFIXES


def check_sides(target: Format, shape: tuple[int, int]) -> None:
    """Refuse (rows, columns) that a format cannot hold.

    Raises
    ------
    FileError
    """
    if target.longest is not None and max(shape) > target.longest:
        raise FileError(
            f"{target.name} holds sides of at most {target.longest:,} pixels, and this would "
            f"become {shape[1]}x{shape[0]}: choose PNG or TIFF"
        )


def check_holds(
    target: Format, layout: str, depth: str, frames: int = 1, *, uneven: bool = False
) -> None:
    """Refuse what a format cannot hold, and say what to do instead.

    Parameters
    ----------
    target : Format
    layout : str
        One of this module's layouts.
    depth : str
        Name of the pixels' dtype.
    frames : int, optional
        Number of frames or pages.
    uneven : bool, optional
        Whether the frames differ in size.

    Raises
    ------
    FileError
        With the remedy.
    """
    if frames > 1 and (not target.frames or (uneven and target.name != "TIFF")):
        other = "TIFF" if uneven else "TIFF, GIF, WebP or PNG"
        raise FileError(f"{target.name} cannot hold {frames} frames or pages: choose {other}")
    if layout not in target.layouts:
        words = _LAYOUT_WORDS[layout]
        advice = "choose TIFF"
        if layout in WITH_ALPHA and layout != MULTI_ALPHA:
            advice = "flatten it with --background COLOR, or choose PNG, WebP or TIFF"
        elif layout == CMYK:
            advice = "choose TIFF or JPEG"
        raise FileError(f"{target.name} cannot hold {words}: {advice}")
    if depth not in target.depths:
        kind = {"uint16": "16-bit pixels", "bool": "1-bit pixels"}.get(depth, f"{depth} pixels")
        advice = "convert with --depth 8, or choose TIFF"
        if "uint16" in target.depths:
            advice = "convert with --depth 16 or 8, or choose TIFF"
        elif depth == "uint16":
            advice = "convert with --depth 8, or choose PNG or TIFF"
        raise FileError(f"{target.name} cannot hold {kind}: {advice}")
    if depth != "uint8" and frames > 1 and target.name == "PNG":
        raise FileError("an animated PNG is written with 8 bits only: convert with --depth 8")
