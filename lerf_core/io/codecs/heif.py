"""HEIC and its kin, by pillow-heif where that is installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.codec import DecodingCodec, Header, OpenFile
from lerf_core.io.codecs.boxes import brands_of, cicp_of
from lerf_core.io.formats import GREY, GREY_ALPHA, RGB, RGBA
from lerf_core.io.guards import check_pixels
from lerf_core.io.image import DecodedImage, channels_of
from lerf_core.io.metadata import exif
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.pixels.depth import expanded, expansion_note, stored_bits

__all__ = ["HeifCodec"]

_BRANDS = frozenset({
    b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1",
    b"mif2", b"j2ki", b"avci",
})  # fmt: skip
_LAYOUTS = {"L": GREY, "LA": GREY_ALPHA, "RGB": RGB, "RGBA": RGBA, "I": GREY}


class HeifCodec(DecodingCodec):
    """Images of HEIF that are no AVIF."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return bool(_BRANDS & set(brands_of(file)))

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        image, notes = _opened(file, max_pixels)
        layout, dtype, bits = _kind_of(image)
        note = expansion_note(2**bits - 1, dtype)
        cols, rows = image.size
        return Header(
            "HEIF", (rows, cols), 1, layout, dtype, _metadata_of(image),
            (*notes, note) if note else notes,
            # libheif's planes, its pixels, theirs as bytes and as an array.
            4 * rows * cols * channels_of(layout) * dtype.itemsize,
        )  # fmt: skip

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`."""
        del labels, first_only
        image, notes = _opened(file, max_pixels)
        layout, dtype, bits = _kind_of(image)
        cols, rows = image.size
        pixels = np.array(image)
        if pixels.shape[:2] != (rows, cols):
            raise FileError(f"damaged: {pixels.shape} decoded of {(rows, cols)}")
        if dtype == np.uint16:
            # libheif's values, which pillow-heif has shifted to the top.
            pixels = expanded(pixels.astype(np.uint16) >> (16 - bits), 2**bits - 1)
            note = expansion_note(2**bits - 1, dtype)
            notes = (*notes, note) if note else notes
        return DecodedImage(
            [pixels], layout, "HEIF", _metadata_of(image), notes,
            bool(getattr(image, "premultiplied_alpha", False)), lossless=False,
        )  # fmt: skip


def _opened(file: OpenFile, max_pixels: int) -> tuple[Any, tuple[str, ...]]:
    """Return the primary image, not yet decoded, and a note on those left out.

    Raises
    ------
    FileError
        Without pillow-heif, with what to do.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise FileError(
            "HEIC and HEIF are read by pillow-heif: pip install 'lerf[heif]'"
        ) from error
    images = pillow_heif.open_heif(file.rewound(), convert_hdr_to_8bit=False)
    image = images[images.primary_index]
    check_pixels(image.size[0] * image.size[1], max_pixels, "claims")
    count = len(images)
    notes = (f"only the first of {count} images in the file is used",) if count > 1 else ()
    return image, notes


def _kind_of(image: Any) -> tuple[str, np.dtype[Any], int]:
    """Return layout, type and bits per sample."""
    mode, _, deep = image.mode.partition(";")
    layout = _LAYOUTS.get(mode)
    if layout is None:
        raise FileError(f"HEIF pixels of kind {image.mode} are not supported")
    bits = int(image.info.get("bit_depth", 8))
    return layout, np.dtype(np.uint16 if deep else np.uint8), bits if deep else 8


def _metadata_of(image: Any) -> Metadata:
    """Return what a file says of its primary image; libheif has turned it upright."""
    info = image.info
    xmp, codes = info.get("xmp"), info.get("nclx_profile")
    cicp = None
    if codes and not info.get("icc_profile"):
        cicp = cicp_of(codes["color_primaries"], codes["transfer_characteristics"])
    block = exif.strip_prefix(info.get("exif") or b"") or None
    _, dtype, bits = _kind_of(image)
    return Metadata(
        bits=stored_bits(bits, dtype),
        cicp=cicp,
        icc=info.get("icc_profile") or None,
        exif=block,
        dpi=exif.resolution(block or b""),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp or None,
    )
