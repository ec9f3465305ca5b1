"""Banks on disk: one ``.safetensors`` file, or a folder in the published layout.

A bank file holds one tensor per table, or the tensors of a network's layers, and, under the
metadata key ``lerf``, a JSON text that says everything the tensors do not (`Bank.metadata`). The
published layout is a folder of nine ``LUTft_s{stage}_{pattern}r{group}.npy`` files of int8,
(nodes**4, values). Nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import BankError

__all__ = [
    "SUFFIX",
    "Table",
    "Tensors",
    "read_folder",
    "read_table",
    "read_tensors",
    "table_name",
    "write_folder",
    "write_tensors",
]

#: (nodes, nodes, nodes, nodes, values)
Table = npt.NDArray[np.int8]
#: Arrays by name.
Tensors = Mapping[str, npt.NDArray[Any]]

#: What the names of bank files end with.
SUFFIX = ".safetensors"
_METADATA_KEY = "lerf"
# No bank is larger, in bytes.
_LARGEST_FILE = 256 * 2**20
# Stages with their number of rotation groups, and patterns with their published letters.
_PUBLISHED_STAGES = ((1, 1), (2, 2))
_PUBLISHED_LETTERS = {"s": "s", "c": "c", "x": "t"}


def table_name(stage: int, pattern: str, group: int) -> str:
    """Return the name of a table inside a bank, for the stage counted from 1."""
    return f"stage{stage}.{pattern}.{group}"


_PUBLISHED_FILES = {
    f"LUTft_s{stage}_{letter}r{group}.npy": table_name(stage, pattern, group)
    for stage, groups in _PUBLISHED_STAGES
    for pattern, letter in _PUBLISHED_LETTERS.items()
    for group in range(groups)
}


def write_tensors(path: Path, text: str, tensors: Tensors) -> None:
    """Write a ``.safetensors`` file of arrays and the JSON text that describes them, atomically."""
    from safetensors.numpy import save

    from lerf_core.io.results.whole_files import write_whole

    arrays = {key: np.ascontiguousarray(tensor) for key, tensor in tensors.items()}
    write_whole(path, save(arrays, metadata={_METADATA_KEY: text}))


def read_tensors(path: Path, content: str = "bank") -> tuple[str, dict[str, npt.NDArray[Any]]]:
    """Read a ``.safetensors`` file: the JSON text that describes its arrays, and the arrays.

    Parameters
    ----------
    path : Path
    content : str
        What the file should hold, for messages.

    Raises
    ------
    BankError
        If the file is too large, is no safetensors file or has no such text.
    """
    from safetensors import SafetensorError, safe_open

    _check_size(path, content)
    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get(_METADATA_KEY)
            if text is None:
                raise BankError(f"{path} is a safetensors file without a {content}'s description")
            return text, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (BankError, PermissionError):
        raise
    except (SafetensorError, OSError, TypeError, AttributeError, ValueError) as error:
        raise BankError(f"{path} is not a {content}: {error}") from error


def write_folder(folder: Path, tables: Mapping[str, Table]) -> list[Path]:
    """Write tables in the published layout; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for filename, key in _PUBLISHED_FILES.items():
        table = tables[key]
        np.save(folder / filename, table.reshape(-1, table.shape[-1]), allow_pickle=False)
    return [folder / filename for filename in _PUBLISHED_FILES]


def read_folder(folder: Path) -> dict[str, Table]:
    """Read the tables of a folder in the published layout.

    Raises
    ------
    BankError
        If a file is missing, too large or holds something else.
    """
    tables = {}
    for filename, key in _PUBLISHED_FILES.items():
        path = folder / filename
        if not path.is_file():
            raise BankError(f"{str(folder)!r} is not a folder of tables: no {filename}")
        tables[key] = read_table(path)
    return tables


def read_table(path: Path) -> Table:
    """Read a table from a NumPy file of the published layouts, (nodes**4, values) of int8.

    Raises
    ------
    BankError
        If it is too large or holds something else.
    """
    import tokenize

    _check_size(path, "table")
    try:
        with path.open("rb") as file:  # not numpy.load, which opens archives too
            array = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, MemoryError, SyntaxError, tokenize.TokenError) as error:
        raise BankError(f"{path} cannot be read: {error}") from error
    return _as_table(path, array)


def _check_size(path: Path, content: str) -> None:
    size = path.stat().st_size
    if size > _LARGEST_FILE:
        raise BankError(f"{path}: {size} bytes are too many for a {content}")


def _as_table(path: Path, array: npt.NDArray[Any]) -> Table:
    """Return a published array, (nodes**4, values), as a table."""
    if array.dtype != np.int8 or array.ndim != 2:
        raise BankError(
            f"{path} must hold a two-dimensional int8 array, got {array.dtype} {array.shape}"
        )
    nodes = round(array.shape[0] ** 0.25)
    if nodes < 2 or nodes**4 != array.shape[0]:
        raise BankError(f"{path}: {array.shape[0]} entries are not a four-dimensional grid")
    return array.reshape((nodes,) * 4 + (array.shape[1],))
