"""Finding banks by name, and reading them from files and folders; nothing is unpickled."""

from __future__ import annotations

import json
import os
import tokenize
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.bank.model import (
    FORMAT,
    FORMAT_VERSION,
    KINDS,
    METADATA_KEY,
    LutBank,
    Stage,
    Table,
    published_files,
    table_name,
    two_stages,
)
from lerf_core.bank.patterns import PATTERNS, Offset
from lerf_core.errors import BankError, BankNotFoundError, InvalidTypeError

__all__ = [
    "DEFAULT_BANK",
    "SHRINKING_BANK",
    "available_banks",
    "bank_from_parts",
    "load_bank",
    "user_bank_folder",
]

#: The bank that is used when none is named.
DEFAULT_BANK = "lerf-p"
#: The bank of anti-aliased shrinking when none is named: trained ones know enlarging alone,
#: and their pre-filter shifts the mean of fine textures.
SHRINKING_BANK = "analytic"
_SUFFIX = ".safetensors"
_FILE_LIMIT = 256 * 2**20


def user_bank_folder() -> Path:
    """Return the folder where a user's own banks lie.

    ``$LERF_BANKS`` if set, else ``lerf/banks`` in ``$XDG_DATA_HOME``
    (``~/.local/share``; on Windows ``%LOCALAPPDATA%``). It need not exist.
    """
    if override := os.environ.get("LERF_BANKS"):
        return Path(override)
    default = os.environ.get("LOCALAPPDATA") or Path.home() / ".local" / "share"
    return Path(os.environ.get("XDG_DATA_HOME") or default) / "lerf" / "banks"


def _shipped_bank_folder() -> Path:
    return Path(__file__).parent / "data"


def available_banks() -> dict[str, Path]:
    """Return the files of the banks that `load_bank` knows by name.

    A user's bank shadows a shipped one of the same name.
    """
    found: dict[str, Path] = {}
    for folder in (_shipped_bank_folder(), user_bank_folder()):
        try:
            paths = sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX)
        except OSError:  # not there, or not for us to read
            continue
        found.update({path.stem: path for path in paths})
    return found


def load_bank(source: str | os.PathLike[str] | LutBank | None = None) -> LutBank:
    """Load a bank by name, from a file, or from a folder in the published layout.

    Parameters
    ----------
    source : str, path, LutBank or None
        A name of `available_banks` (which goes before a file of that name: write
        ``./name`` for the file); a ``.safetensors`` file; a folder of ``LUTft_*.npy``
        files; a bank, returned as it is; None, the default bank.

    Returns
    -------
    LutBank
        Checked: shapes, dtype, version, checksum. Files are read once while their size
        and time stay the same; folders every time.

    Raises
    ------
    BankNotFoundError
        If nothing has that name.
    BankError
        If what was found is not a bank of a version this library reads.

    Examples
    --------
    >>> load_bank("analytic").kind.values
    ('rho', 'sigma_row', 'sigma_col')
    """
    if isinstance(source, LutBank):
        return source
    if source is None:
        source = DEFAULT_BANK
    if not isinstance(source, (str, os.PathLike)):
        raise InvalidTypeError(f"bank must be a name, a path or a LutBank, got {source!r}")
    path = _find(source)
    try:
        if path.is_dir():
            return _load_folder(path)
        status = path.stat()
        return _load_file(path.resolve(), status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise BankError(f"{path} cannot be read: {error.strerror or error}") from error


def _find(source: str | os.PathLike[str]) -> Path:
    """Return the path that a name or path stands for."""
    path = Path(source)
    banks = available_banks()
    if isinstance(source, str) and source in banks:
        return banks[source]
    try:
        exists = bool(os.fspath(source)) and path.exists()
    except (OSError, ValueError):  # names that no file can have
        exists = False
    if exists:
        return path
    if isinstance(source, str) and path.name == source:
        raise BankNotFoundError(
            f"no bank is called {source!r}; there are {', '.join(sorted(banks)) or 'none'}"
        )
    raise BankNotFoundError(f"no bank file or folder at {os.fspath(source)!r}")


@lru_cache(maxsize=8)
def _load_file(path: Path, size: int, mtime_ns: int) -> LutBank:  # noqa: ARG001
    from safetensors import SafetensorError, safe_open

    if size > _FILE_LIMIT:
        raise BankError(f"{path}: {size} bytes are too many for a bank")
    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
            if text is None:
                raise BankError(f"{path} is a safetensors file without a bank's description")
            tables = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (BankError, PermissionError):
        raise
    except (SafetensorError, OSError, TypeError, AttributeError, ValueError) as error:
        raise BankError(f"{path} is not a bank: {error}") from error
    return bank_from_parts(str(path), text, tables)


def bank_from_parts(where: str, text: str, tables: Mapping[str, Table]) -> LutBank:
    """Make a bank of its description and its tables, as a file holds them.

    Parameters
    ----------
    where : str
        Where they come from, for messages.
    text : str
        JSON of `LutBank.metadata`.
    tables : mapping of str to ndarray of int8
        See `LutBank`.

    Raises
    ------
    BankError
        If they are not a bank of a version this library reads, or the checksum differs.
    """
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise BankError(f"format must be {FORMAT!r}, got {data['format']!r}")
        if data["version"] != FORMAT_VERSION:
            raise BankError(
                f"version {data['version']!r} is unknown; this library reads version "
                f"{FORMAT_VERSION}"
            )
        if data["kind"] not in KINDS:
            raise BankError(f"kind must be one of {', '.join(KINDS)}, got {data['kind']!r}")
        stages = tuple(
            Stage(
                patterns=tuple(str(pattern) for pattern in stage["patterns"]),
                rotation_groups=tuple(
                    tuple(int(turns) for turns in group) for group in stage["rotation_groups"]
                ),
                values=tuple(str(value) for value in stage["values"]),
                divisor=_one_or_all(stage["divisor"]),
                bias=_one_or_all(stage["bias"]),
            )
            for stage in data["stages"]
        )
        patterns = {
            str(key): tuple(_offset(pair) for pair in value)
            for key, value in data["patterns"].items()
        }
        bank = LutBank(
            name=str(data["name"]),
            kind=KINDS[data["kind"]],
            interval=int(data["interval"]),
            patterns=patterns,
            stages=stages,
            tables=tables,
            training=dict(data["training"]),
        )
        expected = data["checksum"]
    except BankError as error:
        raise BankError(f"{where}: {error}") from error
    except (
        ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
    ) as error:  # fmt: skip
        raise BankError(f"{where}: description cannot be read ({error!r})") from error
    if bank.checksum != expected:
        raise BankError(f"{where} is damaged: checksum is {bank.checksum}, file says {expected}")
    return bank


def _one_or_all(numbers: Any) -> int | tuple[int, ...]:
    return tuple(int(one) for one in numbers) if isinstance(numbers, list) else int(numbers)


def _offset(pair: Any) -> Offset:
    row, col = pair
    return int(row), int(col)


def _load_folder(folder: Path) -> LutBank:
    arrays = {}
    for filename, key in published_files(two_stages(KINDS["lerf-g"], tuple(PATTERNS))).items():
        path = folder / filename
        if not path.is_file():
            raise BankError(f"{str(folder)!r} is not a folder of tables: no {filename}")
        if path.stat().st_size > _FILE_LIMIT:
            raise BankError(f"{path}: {path.stat().st_size} bytes are too many for a table")
        try:
            with path.open("rb") as file:  # not numpy.load, which opens archives too
                array = np.lib.format.read_array(file, allow_pickle=False)
        except (ValueError, EOFError, MemoryError, SyntaxError, tokenize.TokenError) as error:
            raise BankError(f"{path} cannot be read: {error}") from error
        arrays[key] = _published_table(path, array)
    width = arrays[table_name(2, "s", 0)].shape[-1]
    kinds = {len(kind.values): kind for kind in KINDS.values()}
    if width not in kinds:
        raise BankError(f"{folder}: no known kind gives {width} values a read")
    kind = kinds[width]
    nodes = arrays[table_name(1, "s", 0)].shape[0]
    stages = two_stages(kind, tuple(PATTERNS))
    training = {"method": "imported", "source": folder.name}
    try:
        return LutBank(folder.name, kind, 256 // (nodes - 1), PATTERNS, stages, arrays, training)
    except BankError as error:
        raise BankError(f"{folder}: {error}") from error


def _published_table(path: Path, array: npt.NDArray[Any]) -> Table:
    if array.dtype != np.int8 or array.ndim != 2:
        raise BankError(
            f"{path} must hold a two-dimensional int8 array, got {array.dtype} {array.shape}"
        )
    nodes = round(array.shape[0] ** 0.25)
    if nodes < 2 or nodes**4 != array.shape[0]:
        raise BankError(f"{path}: {array.shape[0]} entries are not a four-dimensional grid")
    return array.reshape((nodes,) * 4 + (array.shape[1],))
