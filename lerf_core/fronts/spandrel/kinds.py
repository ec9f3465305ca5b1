"""What a file of weights is, by its first bytes; nothing of it is unpickled."""

from __future__ import annotations

import zipfile
from enum import Enum
from pathlib import Path

from lerf_core.errors import FrontError

__all__ = ["FIRST_BYTES", "FileKind", "apparent_kind", "kind_of"]

# Safetensors files begin with the length of a JSON text, in 8 bytes.
_LENGTH_BYTES = 8
_LONGEST_HEADER = 100_000_000
#: How many bytes of a file tell.
FIRST_BYTES = 64
_ARCHIVE = b"PK\x03\x04"


class FileKind(Enum):
    """How weights are stored."""

    SAFETENSORS = "safetensors"
    PICKLE = "PyTorch"


def kind_of(path: Path) -> FileKind:
    """Tell how a file stores weights.

    Raises
    ------
    FrontError
        If it does not.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        first = file.read(FIRST_BYTES)
    if not first:
        raise FrontError(f"{path} is empty")
    kind = apparent_kind(first)
    if kind is not None:
        return _kind_of_archive(path) if first.startswith(_ARCHIVE) else kind
    if first.startswith(b"version https://git-lfs"):
        raise FrontError(f"{path} is a pointer of Git LFS: the network itself was not downloaded")
    if first.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise FrontError(f"{path} is a web page: the network itself was not downloaded")
    raise FrontError(
        f"{path} is no network: weights of PyTorch (.pth) or .safetensors are what can be read"
    )


def apparent_kind(first: bytes) -> FileKind | None:
    """Tell what a file is by its first bytes, or None; an archive may still hold something else."""
    if first.startswith(_ARCHIVE):
        return FileKind.PICKLE
    if first[:1] == b"\x80" and len(first) > 1 and 2 <= first[1] <= 5:
        return FileKind.PICKLE
    length = int.from_bytes(first[:_LENGTH_BYTES], "little")
    if first[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{" and 2 <= length <= _LONGEST_HEADER:
        return FileKind.SAFETENSORS
    return None


def _kind_of_archive(path: Path) -> FileKind:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise FrontError(f"{path} is damaged: its archive cannot be read, or is cut off") from error
    names = [member.filename for member in members]
    # As torch has it, all names are in a folder.
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        raise FrontError(
            f"{path} is a TorchScript program, and no code is run: "
            "save its state_dict() as .safetensors or .pth"
        )
    if "data.pkl" not in inner:
        raise FrontError(f"{path} is an archive, but of no weights")
    # PyTorch writes weights as they are. What unpacks to more than the file has no end.
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise FrontError(f"{path} is an archive that unpacks to more than itself: not of PyTorch")
    return FileKind.PICKLE
