"""DICOM, by pydicom where that is installed, and imagecodecs' decoders."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.codec import DecodingCodec, Header, OpenFile
from lerf_core.io.formats import GREY, RGB
from lerf_core.io.guards import check_jpeg_ls, check_samples
from lerf_core.io.image import DecodedImage, Pixels, channels_of
from lerf_core.io.metadata.model import AxisScale, Metadata
from lerf_core.io.pixels.depth import dtype_of_bits, expanded, expansion_note, stored_bits

__all__ = ["DicomCodec"]

_PREAMBLE = 128
_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})
# Transfer syntaxes by their last numbers: pixels in JPEG, JPEG-LS and JPEG 2000.
_JPEG, _LOSSLESS_JPEG = frozenset({"50", "51"}), frozenset({"57", "70"})
_JPEG_LS, _JPEG2000 = frozenset({"80", "81"}), frozenset({"90", "91", "201", "202", "203"})
_SYNTAXES = "1.2.840.10008.1.2.4."


@dataclass(frozen=True)
class _Claims:
    """What a data set says of its pixels.

    Attributes
    ----------
    shape : (rows, columns)
    frames, samples, bits : int
    is_signed, is_float : bool
    colours : str
        The photometric interpretation.
    slope, intercept : float
        From stored values to those that are meant.
    """

    shape: tuple[int, int]
    frames: int
    samples: int
    bits: int
    is_signed: bool
    is_float: bool
    dtype: np.dtype[Any]
    colours: str
    slope: float
    intercept: float
    units: str

    @property
    def layout(self) -> str:
        return RGB if self.samples == 3 or self.colours == "PALETTE COLOR" else GREY

    def notes(self) -> tuple[str, ...]:
        notes = ["patient, study and device are not kept"]
        if self.colours == "PALETTE COLOR":
            notes.append("palette expanded to RGB")
        if self.is_float:
            return tuple(notes)
        if self.bits == 1:
            notes.append("1-bit expanded to 8-bit grey")
        elif self.colours != "PALETTE COLOR":
            note = expansion_note(2**self.bits - 1, self.dtype)
            notes += [note] if note else []
        low = -(2 ** (self.bits - 1)) if self.is_signed else 0
        ends = [self.slope * value + self.intercept for value in (low, low + 2**self.bits - 1)]
        if self.layout == GREY and (self.is_signed or (self.slope, self.intercept) != (1, 0)):
            if self.colours == "MONOCHROME1":
                ends.reverse()
            top = np.iinfo(self.dtype).max
            notes.append(f"0..{top} stand for {ends[0]:g}..{ends[1]:g}{self.units}")
        return tuple(notes)


class DicomCodec(DecodingCodec):
    """DICOM files with pixels."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        stream = file.rewound()
        stream.seek(_PREAMBLE)
        if stream.read(4) == b"DICM":
            return not _is_tiff_too(file)
        # Without a preamble: an element of group 2 or 8 comes first.
        return file.suffix in _SUFFIXES and file.head[:2] in {b"\2\0", b"\x08\0", b"\0\x08"}

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        dataset = _dataset(file, with_pixels=False)
        claims = _claims(dataset)
        rows, cols = claims.shape
        _check_size(claims, max_pixels)
        # The file's bytes, the decoded samples, and they again as they are scaled.
        decoding_bytes = (
            rows * cols * claims.frames * (4 * channels_of(claims.layout) * claims.dtype.itemsize)
        )
        return Header(
            "DICOM", claims.shape, claims.frames, claims.layout, claims.dtype,
            _metadata(dataset, claims), claims.notes(), decoding_bytes,
        )  # fmt: skip

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`; labels are as they are stored."""
        dataset = _dataset(file, with_pixels=True)
        claims = _claims(dataset)
        _check_size(claims, max_pixels)
        frames = [
            _interpreted(pixels, dataset, claims, labels=labels)
            for pixels in _stored_frames(dataset, claims, 1 if first_only else claims.frames)
        ]
        notes = claims.notes()[:1] if labels else claims.notes()
        return DecodedImage(frames, claims.layout, "DICOM", _metadata(dataset, claims), notes)


def _is_tiff_too(file: OpenFile) -> bool:
    """Tell whether a file is a TIFF as well: slides are, while others merely begin like one."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(file.head[:4])
    if order is None:
        return False
    offset = struct.unpack_from(f"{order}I", file.head, 4)[0]
    return bool(_PREAMBLE < offset < file.stream.seek(0, 2))


def _check_size(claims: _Claims, max_pixels: int) -> None:
    rows, cols = claims.shape
    check_samples(rows * cols * claims.frames, claims.samples, max_pixels, "claims")


def _dataset(file: OpenFile, *, with_pixels: bool) -> Any:
    """Return the data set of a file.

    Raises
    ------
    FileError
        Without pydicom, with what to do.
    """
    try:
        from pydicom import dcmread
    except ImportError as error:
        raise FileError("DICOM is read by pydicom: pip install 'lerf[dicom]'") from error
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    dataset = dcmread(file.rewound(), stop_before_pixels=not with_pixels, force=True)
    if "TransferSyntaxUID" not in dataset.file_meta:
        is_implicit, is_little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else explicit
    return dataset


def _claims(dataset: Any) -> _Claims:
    """Return what a data set says of its pixels.

    Raises
    ------
    FileError
        If it has none.
    """
    rows, cols = (int(dataset.get(name) or 0) for name in ("Rows", "Columns"))
    if rows < 1 or cols < 1:
        kind = getattr(dataset.get("SOPClassUID"), "name", "") or "of an unknown kind"
        raise FileError(f"this DICOM ({kind}) holds no image")
    allocated = int(dataset.get("BitsAllocated") or 0)
    bits = min(int(dataset.get("BitsStored") or allocated), allocated)
    # Floats alone state no number of stored bits.
    is_float = "BitsStored" not in dataset and allocated in {32, 64}
    if not is_float and not 1 <= bits <= 32:
        raise FileError(f"DICOM of {bits} bits per sample is not supported")
    colours = str(dataset.get("PhotometricInterpretation") or "MONOCHROME2")
    dtype = np.dtype(f"float{allocated}") if is_float else dtype_of_bits(bits)
    if colours == "PALETTE COLOR":
        table_bits = int(list(dataset.RedPaletteColorLookupTableDescriptor)[2])
        dtype = dtype_of_bits(table_bits)
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    units = str(dataset.get("RescaleType") or "")
    if slope is None and dataset.get("DoseGridScaling") is not None:
        slope, units = dataset.DoseGridScaling, str(dataset.get("DoseUnits") or "")
    return _Claims(
        (rows, cols), max(1, int(dataset.get("NumberOfFrames") or 1)),
        int(dataset.get("SamplesPerPixel") or 1), bits,
        bool(dataset.get("PixelRepresentation")), is_float, dtype, colours,
        1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept),
        f" {units}" if units and units != "US" else "",
    )  # fmt: skip


def _metadata(dataset: Any, claims: _Claims) -> Metadata:
    """Return colour profile, pixel size in millimetres, and times."""
    axes: tuple[AxisScale, ...] = ()
    spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    if spacing is not None and len(spacing) == 2 and all(float(step) > 0 for step in spacing):
        axes = tuple(
            AxisScale(letter, float(step), "millimeter")
            for letter, step in zip("YX", spacing, strict=True)
        )
    time = float(dataset.get("FrameTime") or 0)
    durations = (time,) * claims.frames if time > 0 and claims.frames > 1 else ()
    bits = None if claims.colours == "PALETTE COLOR" else stored_bits(claims.bits, claims.dtype)
    return Metadata(
        icc=dataset.get("ICCProfile") or None, bits=bits, axes=axes, durations=durations
    )


# -- pixels -------------------------------------------------------------------------------


def _stored_frames(dataset: Any, claims: _Claims, count: int) -> Iterator[Pixels]:
    """Yield the first frames as they are stored: (rows, cols) or (rows, cols, samples)."""
    syntax = str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", ""))
    number = syntax.removeprefix(_SYNTAXES) if syntax.startswith(_SYNTAXES) else ""
    if number not in _JPEG | _LOSSLESS_JPEG | _JPEG_LS | _JPEG2000:
        yield from _uncompressed_frames(dataset, claims, count)
        return
    from pydicom.encaps import generate_frames

    frames = generate_frames(dataset.PixelData, number_of_frames=claims.frames)
    for _ in range(count):
        pixels = _decompressed(next(frames), number, claims)
        if pixels.shape[:2] != claims.shape or pixels.ndim != (2 if claims.samples == 1 else 3):
            raise FileError(
                f"damaged: a frame of {pixels.shape} samples in place of {claims.shape}"
            )
        yield pixels


def _uncompressed_frames(dataset: Any, claims: _Claims, count: int) -> Iterator[Pixels]:
    from pydicom.pixels.utils import pixel_array

    for index in range(count):
        pixels: Pixels = pixel_array(dataset, index=index if claims.frames > 1 else None)
        yield pixels


def _decompressed(data: bytes, number: str, claims: _Claims) -> Pixels:
    import imagecodecs

    pixels: Pixels
    if number in _JPEG and claims.samples == 3:
        colours = "RGB" if claims.colours == "RGB" else "YCBCR"
        pixels = imagecodecs.jpeg8_decode(data, colorspace=colours, outcolorspace="RGB")
    elif number in _JPEG:
        pixels = imagecodecs.jpeg8_decode(data)
    elif number in _LOSSLESS_JPEG:
        pixels = imagecodecs.jpegsof3_decode(data)
    elif number in _JPEG_LS:
        check_jpeg_ls(data)
        pixels = imagecodecs.jpegls_decode(data)
    else:
        pixels = imagecodecs.jpeg2k_decode(data)
    if claims.colours == "YBR_FULL" and number not in _JPEG:
        from pydicom.pixels.processing import convert_color_space

        pixels = convert_color_space(pixels, "YBR_FULL", "RGB")
    return pixels


def _interpreted(pixels: Pixels, dataset: Any, claims: _Claims, *, labels: bool) -> Pixels:
    """Return a frame as it is seen, spanning its type; of labels as it is stored."""
    if claims.is_float:
        return pixels.astype(claims.dtype, copy=False)
    if labels:
        return pixels.astype(np.bool_) if claims.bits == 1 else _whole_samples(pixels, claims)
    if claims.colours == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        table = apply_color_lut(pixels, dataset)
        bits = int(list(dataset.RedPaletteColorLookupTableDescriptor)[2])
        return expanded(table.astype(claims.dtype, copy=False), (1 << bits) - 1)
    values = _whole_samples(pixels, claims)
    top = (1 << claims.bits) - 1
    if claims.is_signed:
        values = values.astype(np.int64) + (1 << (claims.bits - 1))
    if claims.colours == "MONOCHROME1":
        values = top - values
    return expanded(values.astype(claims.dtype, copy=False), top)


def _whole_samples(pixels: Pixels, claims: _Claims) -> Pixels:
    """Return samples without what lies in the bits above them (overlays)."""
    sized = dtype_of_bits(claims.bits)
    values = pixels.astype(np.int64) & ((1 << claims.bits) - 1)
    if claims.is_signed:
        sign = 1 << (claims.bits - 1)
        values = (values ^ sign) - sign
        return values.astype(f"int{8 * sized.itemsize}")
    return values.astype(sized)
