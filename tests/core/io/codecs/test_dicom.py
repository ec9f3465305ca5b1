"""DICOM: stored values, what they stand for, frames, pixel sizes."""

import io
import sys

import imagecodecs
import numpy as np
import pytest
from support.cli import run_lerf
from support.files import icc_profile

from lerf_core.errors import FileError
from lerf_core.io.reading import open_reader, read_header, read_image

#: The beginning of such a file.
BEGINNING = bytes(128) + b"DICM" + bytes(200)
KEPT_BACK = "patient, study and device are not kept"


def dicom(pixels, *, bits=None, syntax="1.2.840.10008.1.2.1", data=None, **elements):
    """Return a DICOM file of pixels (frames, rows, cols) or (rows, cols, 3)."""
    pytest.importorskip("pydicom")
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    dataset.PatientName = "Nobody"
    is_colour = pixels.ndim == 3 and pixels.shape[2] == 3
    dataset.SamplesPerPixel = 3 if is_colour else 1
    if is_colour:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
    if pixels.ndim == 3 and not is_colour:
        dataset.NumberOfFrames = len(pixels)
    dataset.Rows, dataset.Columns = pixels.shape[-2:] if not is_colour else pixels.shape[:2]
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    if data is None:
        dataset.PixelData = pixels.tobytes()
    else:
        dataset.PixelData = encapsulate(data)
    for name, value in elements.items():
        setattr(dataset, name, value)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.fixture
def stored(rng):
    pixels = rng.integers(0, 4096, (9, 12), np.uint16)
    pixels[0, :2] = 0, 4095
    return pixels


def expanded(values, bits=12):
    return np.rint(np.asarray(values, float) * 65535 / (2**bits - 1))


def test_12_bits_of_16(stored, tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(dicom(stored, bits=12, PixelSpacing=[0.5, 0.25]))
    image, header = read_image(path), read_header(path)
    np.testing.assert_array_equal(image.frames[0], expanded(stored))
    assert (header.shape, header.dtype, header.layout) == ((9, 12), np.uint16, "L")
    assert image.notes == header.notes == (KEPT_BACK, "12-bit samples expanded to 16 bits")
    assert image.metadata.bits == header.metadata.bits == 12
    sizes = [(axis.letter, axis.step, axis.unit) for axis in image.metadata.axes]
    assert sizes == [("Y", 0.5, "millimeter"), ("X", 0.25, "millimeter")]
    np.testing.assert_array_equal(read_image(path, labels=True).frames[0], stored)
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader[...], image.frames[0])
    # Folders gather such files.
    run_lerf("resize", tmp_path, "-o", tmp_path / "out/", "--scale", 2, "--format", "png")
    result = read_image(tmp_path / "out" / "a.png")
    assert (result.dtype, result.shape) == (np.uint16, (18, 24))


def test_monochrome1_is_inverted_within_its_bits(stored):
    image = read_image(dicom(stored, bits=12, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(image.frames[0], expanded(4095 - stored.astype(int)))


def test_what_values_stand_for_is_told(stored):
    slopes = {"RescaleSlope": "2", "RescaleIntercept": "-1024", "RescaleType": "HU"}
    image = read_image(dicom(stored, bits=12, **slopes))
    assert "0..65535 stand for -1024..7166 HU" in image.notes
    signed = (stored.astype(int) - 2048).astype(np.int16)
    image = read_image(dicom(signed, bits=12))
    np.testing.assert_array_equal(image.frames[0], expanded(stored))
    assert "0..65535 stand for -2048..2047" in image.notes
    np.testing.assert_array_equal(read_image(dicom(signed, bits=12), labels=True).frames[0], signed)


def test_bits_above_the_samples_do_not_count(stored):
    overlay = stored | np.uint16(0x3000)
    np.testing.assert_array_equal(read_image(dicom(overlay, bits=12)).frames[0], expanded(stored))


def test_frames_and_their_times(rng):
    pixels = rng.integers(0, 256, (3, 9, 12), np.uint8)
    data = dicom(pixels, FrameTime="40")
    image = read_image(data)
    np.testing.assert_array_equal(np.stack(image.frames), pixels)
    assert (read_header(data).frames, image.metadata.durations) == (3, (40, 40, 40))


def test_colours(rng):
    pixels = rng.integers(0, 256, (9, 12, 3), np.uint8)
    image = read_image(dicom(pixels, ICCProfile=icc_profile()))
    np.testing.assert_array_equal(image.frames[0], pixels)
    assert (image.layout, image.metadata.icc) == ("RGB", icc_profile())


def test_palette(rng):
    indices = rng.integers(0, 4, (9, 12), np.uint8)
    table = rng.integers(0, 65536, (3, 4), np.uint16)
    elements = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, entries in zip(("Red", "Green", "Blue"), table, strict=True):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        elements[f"{name}PaletteColorLookupTableData"] = entries.tobytes()
    data = dicom(indices, **elements)
    image = read_image(data)
    np.testing.assert_array_equal(image.frames[0], table.T[indices])
    assert read_header(data).dtype == image.dtype == np.uint16


CODECS = {
    "JPEG-LS": ("1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode),
    "JPEG 2000": (
        "1.2.840.10008.1.2.4.90",
        lambda pixels: imagecodecs.jpeg2k_encode(
            pixels, level=0, reversible=True, codecformat="J2K", bitspersample=12
        ),
    ),
    "lossless JPEG": (
        "1.2.840.10008.1.2.4.70", lambda pixels: imagecodecs.ljpeg_encode(pixels, bitspersample=12)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CODECS)
def test_compressed(stored, name):
    syntax, encode = CODECS[name]
    image = read_image(dicom(stored, bits=12, syntax=syntax, data=[encode(stored)]))
    np.testing.assert_array_equal(image.frames[0], expanded(stored))


def test_a_preamble_that_begins_like_a_tiff(stored):
    data = b"II*\0\0\0\0\x7f" + dicom(stored, bits=12)[8:]
    np.testing.assert_array_equal(read_image(data).frames[0], expanded(stored))


def test_without_pydicom_what_to_do_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    (tmp_path / "a.dcm").write_bytes(BEGINNING)
    for attempt in (lambda: read_image(BEGINNING), lambda: open_reader(tmp_path / "a.dcm")):
        with pytest.raises(FileError, match=r"pip install 'lerf\[dicom\]'"):
            attempt()


def test_refused(stored):
    pytest.importorskip("pydicom")
    with pytest.raises(FileError, match="holds no image"):
        read_image(BEGINNING)
    data = dicom(stored, bits=12)
    with pytest.raises(FileError, match="above the limit"):
        read_image(data, 100)
    with pytest.raises(FileError):
        read_image(data[:-20])
