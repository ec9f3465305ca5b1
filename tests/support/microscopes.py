"""Small TIFFs as microscopes and slide scanners write them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

__all__ = ["write_fluoview", "write_lsm", "write_ome", "write_slide", "write_stk"]

# Stands for an offset until what it leads to is written.
_PLACEHOLDER = 0xE0E1E2E3


def _append(path: Path, data: bytes, number: int = 0) -> None:
    """Put data at a file's end, and their offset where its placeholder stands."""
    content = path.read_bytes()
    mark = struct.pack("<I", _PLACEHOLDER + number)
    assert content.count(mark) == 1
    content += bytes(len(content) % 2)
    path.write_bytes(content.replace(mark, struct.pack("<I", len(content))) + data)


def _record(fields: list[tuple[Any, ...]], **values: Any) -> bytes:
    record = np.zeros((), np.dtype(fields))
    for key, value in values.items():
        record[key] = value
    return record.tobytes()


def write_lsm(path: Path, stack: np.ndarray) -> None:
    """Write (slices, 3, rows, cols), each slice of three channels with a thumbnail behind it.

    Voxels of 0.1 x 0.2 x 1.5 micrometres that begin at 5, -5 and 2.
    """
    slices, channels, rows, cols = stack.shape
    record = _record(
        tifffile.TIFF.CZ_LSMINFO,
        MagicNumber=67127628, StructureSize=np.dtype(tifffile.TIFF.CZ_LSMINFO).itemsize,
        DimensionX=cols, DimensionY=rows, DimensionZ=slices, DimensionChannels=channels,
        DimensionTime=1, VoxelSizeX=1e-7, VoxelSizeY=2e-7, VoxelSizeZ=1.5e-6, OriginX=5e-6,
        OriginY=-5e-6, OriginZ=2e-6, OffsetChannelColors=_PLACEHOLDER,
    )  # fmt: skip
    tag = (34412, 1, len(record), record, True)
    with tifffile.TiffWriter(path, byteorder="<") as writer:
        options = {"photometric": "minisblack", "metadata": None, "planarconfig": "separate"}
        for at, plane in enumerate(stack):
            writer.write(plane, extratags=[] if at else [tag], **options)
            writer.write(plane[:, ::4, ::4], subfiletype=1, **options)
    names = [b"Ch1-T1", b"Ch2-T2", b"ChD"]
    colours = bytes([255, 0, 0, 0, 0, 255, 128, 0, 255, 255, 255, 0])
    texts = b"".join(struct.pack("<I", len(name) + 1) + name + b"\0" for name in names)
    size = 24 + len(colours) + len(texts)
    head = struct.pack("<6I", size, 3, 3, 24, 24 + len(colours), 0)
    _append(path, head + colours + texts)


def write_stk(path: Path, stack: np.ndarray) -> None:
    """Write (planes, rows, cols) by MetaMorph: 0.25 x 0.5 micrometres, slices of 2."""
    planes = len(stack)
    calibration = (3, 1, 4, _PLACEHOLDER, 5, _PLACEHOLDER + 1, 6, _PLACEHOLDER + 2)
    per_plane = (2, 1, 2_450_000, 1000, 2_450_000, 1000) * planes
    tifffile.imwrite(
        path, stack[0], byteorder="<", photometric="minisblack", metadata=None,
        description="Plane 0",
        extratags=[(33628, 4, 8, calibration, True), (33629, 5, 3 * planes, per_plane, True)],
    )  # fmt: skip
    # Of the first tag pairs are counted, of the second planes.
    content = path.read_bytes()
    for code, kind, written, meant in ((33628, 4, 8, 4), (33629, 5, 3 * planes, planes)):
        entry = struct.pack("<HHI", code, kind, written)
        assert content.count(entry) == 1
        content = content.replace(entry, struct.pack("<HHI", code, kind, meant))
    # The other planes lie behind the first, without directories.
    path.write_bytes(content + stack[1:].tobytes())
    _append(path, struct.pack("<II", 1, 4), 0)
    _append(path, struct.pack("<II", 1, 2), 1)
    _append(path, struct.pack("<I", 3) + b"um\0", 2)


def write_fluoview(path: Path, stack: np.ndarray) -> None:
    """Write (frames, rows, cols): 0.3 x 0.4 micrometres, a frame per 1.25 seconds."""
    frames, rows, cols = stack.shape
    dimensions = np.zeros(10, tifffile.TIFF.MM_HEADER[9][1])
    entries = [
        (b"x", cols, 0, 0.3, b"um"), (b"y", rows, 0, 0.4, b"um"), (b"Time", frames, 7, 1.25, b"s"),
    ]  # fmt: skip
    for at, entry in enumerate(entries):
        dimensions[at] = entry
    header = _record(tifffile.TIFF.MM_HEADER, ImageName=b"drops", Dimensions=dimensions)
    with tifffile.TiffWriter(path, byteorder="<") as writer:
        for frame in stack:
            writer.write(
                frame, photometric="minisblack", metadata=None, contiguous=False,
                extratags=[
                    (34361, 1, len(header), header, True), (34362, 12, 8, (0.0,) * 8, True),
                ],
            )  # fmt: skip


def write_slide(path: Path, pixels: np.ndarray) -> None:
    """Write (rows, cols, 3) as Aperio's scanner: 0.499 micrometres, 20x; levels, label, macro."""
    rows, cols = pixels.shape[:2]
    words = f"Aperio Image Library v11\r\n{cols}x{rows} [0,0 {cols}x{rows}] (64x64)"
    facts = "|AppMag = 20|MPP = 0.4990|Date = 01/02/10|ScanScope ID = X1|Left = 25.0"
    with tifffile.TiffWriter(path) as writer:
        options = {"photometric": "rgb", "compression": "deflate", "metadata": None}
        tags = [(269, 2, 0, words + facts, True)]
        writer.write(pixels, tile=(64, 64), description=words + facts, extratags=tags, **options)
        writer.write(pixels[::8, ::8], description=words + facts, **options)
        for step in (2, 4):
            small = pixels[::step, ::step]
            writer.write(small, tile=(64, 64), description=words + facts, **options)
        for name, kind in (("label", 1), ("macro", 9)):
            text = f"Aperio Image Library v11\r\n{name} 40x30"
            writer.write(pixels[:30, :40], description=text, subfiletype=kind, **options)


_OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:2bc2aa39-30d2-44ee-\
8399-c513492dd5de">
<Dataset ID="Dataset:0" Name="Both"><ImageRef ID="Image:0"/><ImageRef ID="Image:1"/></Dataset>
<Experimenter ID="Experimenter:0" LastName="Müller"/>
<Instrument ID="Instrument:0"><Microscope Manufacturer="Zeiss" Type="Upright"/>
<Laser ID="LightSource:0" Model="argon"/><Detector ID="Detector:0" Type="PMT"/>
<Objective ID="Objective:0" NominalMagnification="63.0" LensNA="1.4"/></Instrument>
<Image ID="Image:0" Name="Zellen µ"><AcquisitionDate>2020-05-04T03:02:01</AcquisitionDate>
<ExperimenterRef ID="Experimenter:0"/><Description>a &lt;b&gt; µ</Description>
<InstrumentRef ID="Instrument:0"/><ObjectiveSettings ID="Objective:0" Medium="Oil"/>
<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SignificantBits="12" SizeX="64"
SizeY="48" SizeZ="2" SizeC="2" SizeT="3" PhysicalSizeX="65" PhysicalSizeXUnit="nm"
PhysicalSizeY="65" PhysicalSizeYUnit="nm" PhysicalSizeZ="0.3" PhysicalSizeZUnit="µm"
TimeIncrement="250" TimeIncrementUnit="ms"><Channel ID="Channel:0:0" Name="DAPI" Color="65535"
EmissionWavelength="461" EmissionWavelengthUnit="nm" SamplesPerPixel="1">
<LightSourceSettings ID="LightSource:0"/><DetectorSettings ID="Detector:0"/></Channel>
<Channel ID="Channel:0:1" Name="GFP" SamplesPerPixel="1" Color="16711935"/><TiffData/>
PLANES</Pixels><ROIRef ID="ROI:0"/><AnnotationRef ID="Annotation:0"/></Image>
<Image ID="Image:1"><Pixels ID="Pixels:1" DimensionOrder="XYCZT" Type="uint16" SizeX="10"
SizeY="12" SizeZ="1" SizeC="1" SizeT="1"><TiffData IFD="12"/></Pixels></Image>
<StructuredAnnotations><MapAnnotation ID="Annotation:0"><Value><M K="dish">7</M></Value>
</MapAnnotation></StructuredAnnotations>
<ROI ID="ROI:0"><Union><Rectangle ID="Shape:0" X="1" Y="2" Width="3" Height="4"/></Union></ROI>
</OME>"""


def write_ome(path: Path, stack: np.ndarray) -> None:
    """Write (3, 2, 2, 48, 64) of uint16 along T, C, Z, Y, X, and another image, by rich OME-XML.

    Pixels of 65 nanometres that begin at 100 and -20 micrometres, slices of 0.3 micrometres from 5
    on, frames per 250 milliseconds from 1 second on.
    """
    planes = "".join(
        f'<Plane TheZ="{z}" TheC="{c}" TheT="{t}" ExposureTime="0.{c + 1}" DeltaT="{t / 4 + 1}" '
        'PositionX="100" PositionXUnit="µm" PositionY="-20" PositionYUnit="µm" '
        f'PositionZ="{5 + 0.3 * z}" PositionZUnit="µm"/>'
        for t in range(3)
        for c in range(2)
        for z in range(2)
    )
    text = _OME.replace("PLANES", planes).encode()
    with tifffile.TiffWriter(path, ome=False) as writer:
        options = {"photometric": "minisblack", "metadata": None}
        writer.write(stack.reshape(12, 48, 64), description=text, **options)
        writer.write(stack[0, 0, 0, :12, :10], **options)
