"""Banks by name, from files and from folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from lerf_core.bank.base import Bank, format_of
from lerf_core.bank.files import read_folder, read_tensors, table_name
from lerf_core.bank.model import LutBank
from lerf_core.bank.named_files import files_by_name, path_of, user_folder
from lerf_core.bank.network import NETWORK_FORMAT, NetworkBank
from lerf_core.bank.patterns import PATTERNS
from lerf_core.bank.stages import KINDS, two_stages
from lerf_core.errors import BankError, BankNotFoundError, InvalidTypeError

__all__ = [
    "BANK_BEHIND_FRONTS",
    "DEFAULT_BANK",
    "SHRINKING_BANK",
    "BankSource",
    "available_banks",
    "bank_for_scale",
    "bank_from_metadata",
    "default_bank",
    "load_bank",
    "user_bank_folder",
]

#: What names a bank: itself, a name or path, or None for the default one.
BankSource = Bank | str | os.PathLike[str] | None
#: The bank that is used when none is named.
DEFAULT_BANK = "lerf-p"
#: The bank that is used behind a front that enlarges when none is named: trained for what fronts
#: give.
BANK_BEHIND_FRONTS = "lerf-f"
#: The bank that shrinks where tables have to: trained ones know enlarging alone, and their
#: pre-filter shifts the mean of fine textures.
SHRINKING_BANK = "analytic"


def user_bank_folder() -> Path:
    """Return the folder where a user's own banks lie.

    ``$LERF_BANKS`` if set, else ``lerf/banks`` in the user's data folder: ``$XDG_DATA_HOME``
    (``~/.local/share``), ``~/Library/Application Support`` on macOS, ``%LOCALAPPDATA%`` on
    Windows. It need not exist.

    Raises
    ------
    BankNotFoundError
        If the user has no home folder.
    """
    return user_folder("LERF_BANKS", "banks")


def _shipped_bank_folder() -> Path:
    return Path(__file__).parent / "data"


def available_banks() -> dict[str, Path]:
    """Return the files of the banks that `load_bank` knows by name.

    A user's bank shadows a shipped one of the same name.
    """
    return files_by_name(user_bank_folder, _shipped_bank_folder)


def default_bank(*, enlarged_by: int = 1) -> str:
    """Return the name of the bank that is used when none is named.

    Parameters
    ----------
    enlarged_by : int, optional
        How many times a front has enlarged images before; 1: no front, or one that restores.

    Examples
    --------
    >>> default_bank(), default_bank(enlarged_by=2)
    ('lerf-p', 'lerf-f')
    """
    return BANK_BEHIND_FRONTS if enlarged_by > 1 else DEFAULT_BANK


def load_bank(source: BankSource = None, *, enlarged_by: int = 1) -> Bank:
    """Load a bank by name, from a file, or from a folder in the published layout.

    Parameters
    ----------
    source : str, path, Bank or None
        A name of `available_banks` (which goes before a file of that name: write
        ``./name`` for the file); a ``.safetensors`` file; a folder of ``LUTft_*.npy``
        files; a bank, returned as it is; None, the default bank.
    enlarged_by : int, optional
        How many times a front has enlarged images before: the default bank may then be another
        one, see `lerf_core.bank.default_bank`.

    Returns
    -------
    Bank
        A `LutBank` of tables or a `NetworkBank`. Checked: shapes, dtype, version, checksum.
        Files are read once while their size and time stay the same; folders every time.

    Raises
    ------
    BankNotFoundError
        If nothing has that name.
    BankError
        If the file or folder is not a bank of a version this library reads.

    Examples
    --------
    >>> load_bank("analytic").kind.values
    ('rho', 'sigma_row', 'sigma_col')
    """
    if isinstance(source, Bank):
        return source
    if source is None:
        source = default_bank(enlarged_by=enlarged_by)
    if not isinstance(source, (str, os.PathLike)):
        raise InvalidTypeError(f"bank must be a name, a path or a Bank, got {source!r}")
    path = path_of(
        source, user_bank_folder, _shipped_bank_folder, content="bank", missing=BankNotFoundError
    )
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return _load_folder(path)
        return _load_file(path.absolute(), status.st_ino, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise BankError(f"{path} cannot be read: {error.strerror or error}") from error


def bank_for_scale(bank: BankSource, scale: Sequence[float], *, anti_aliased: bool) -> BankSource:
    """Return the bank for tables that may have to shrink; nothing is loaded.

    `lerf_core.resize` shrinks by `lerf_core.sampling.shrinking` instead; this is for those who
    resize by a warp, or what has been blurred before.

    Parameters
    ----------
    bank : Bank, str, path or None
        The one that is asked for. None: the analytic one where an anti-aliased image grows along
        no axis, as trained tables know enlarging alone; else the default one.
    scale : sequence of float
        Output pixels per source pixel, along each axis.
    anti_aliased : bool
        Whether shrinking is anti-aliased, by lerf or before it.

    Returns
    -------
    Bank, str, path or None
        For `load_bank`.

    Examples
    --------
    >>> bank_for_scale(None, (0.5, 1.0), anti_aliased=True)
    'analytic'
    """
    return SHRINKING_BANK if bank is None and anti_aliased and max(scale) <= 1 else bank


@lru_cache(maxsize=8)
def _load_file(path: Path, *state: int) -> Bank:  # noqa: ARG001 - cached by it
    text, tensors = read_tensors(path)
    return bank_from_metadata(text, tensors, origin=str(path))


def bank_from_metadata(text: str, tensors: Mapping[str, Any], *, origin: str) -> Bank:
    """Make a bank of the JSON text of its `metadata` and of its arrays, tables or a network.

    Parameters
    ----------
    text : str
    tensors : mapping of str to ndarray
        See `Bank.tensors`.
    origin : str
        The file that they come from, for messages.

    Raises
    ------
    BankError
        If they are not a bank of a version this library reads, or the checksum differs.
    """
    form = NetworkBank if format_of(text) == NETWORK_FORMAT else LutBank
    return form.from_metadata(text, tensors, origin=origin)


def _load_folder(folder: Path) -> LutBank:
    tables = read_folder(folder)
    width = tables[table_name(2, "s", 0)].shape[-1]
    kinds = [kind for kind in KINDS.values() if len(kind.values) == width]
    if not kinds:
        raise BankError(f"{folder}: no known kind gives {width} values a read")
    if len(kinds) > 1:
        names = ", ".join(kind.name for kind in kinds)
        raise BankError(f"{folder}: {width} values a read may be those of {names}")
    (kind,) = kinds
    nodes = tables[table_name(1, "s", 0)].shape[0]
    stages = two_stages(kind, tuple(PATTERNS))
    training = {"method": "imported", "source": folder.name}
    try:
        return LutBank(folder.name, kind, 256 // (nodes - 1), PATTERNS, stages, tables, training)
    except BankError as error:
        raise BankError(f"{folder}: {error}") from error
