"""Claims on results in remote storage, which has no locks.

The claim is an object in the store that its run renews every few seconds. A run that finds the
claim of another one waits to see whether it is renewed: then it is refused. The claim of a process
of the same machine that is gone counts for nothing at once.
"""

from __future__ import annotations

import inspect
import json
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lerf_core.errors import FileError, ResultExistsError, one_line
from lerf_core.io.results.claims import Run, Ticket, refusal

__all__ = ["CLAIM", "RemoteClaim"]

#: Name of the claim in a store that is being written.
CLAIM = "lerf-run.json"

# Seconds between two renewals, and after which a claim that was not renewed is nobody's.
_RENEWAL = 10.0
_PATIENCE = 25.0
_LOOK = 1.0
# Seconds after which of two claims written at once one has replaced the other.
_SETTLING = 1.0
# Seconds that the end of a run waits for a renewal under way.
_LAST_RENEWAL = 30.0


@dataclass(frozen=True)
class RemoteTicket(Ticket):
    """See `Ticket`; the document is an address of fsspec."""

    def read(self) -> bytes | None:
        """See `Ticket`."""
        import fsspec

        system, path = fsspec.core.url_to_fs(self.document)
        try:
            return bytes(system.cat_file(path))
        except FileNotFoundError:
            return None
        # Each storage has errors of its own.
        except Exception as error:
            raise FileError(f"{self.place}: {one_line(error)}") from error


class RemoteClaim:
    """A claim by an object of the store.

    Parameters
    ----------
    url : str
        Of the result, as fsspec takes it.
    overwrite : bool
        Whether something may lie there that is no run's.

    Raises
    ------
    FileError
        If another run has it, something lies there that stays, or the storage cannot be written.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, url: str, *, overwrite: bool) -> None:
        import fsspec

        url = url.rstrip("/")
        self._run = Run.new()
        self.ticket = RemoteTicket(url, f"{url}/{CLAIM}", self._run.token)
        self._ended = threading.Event()
        self._renewals = 0
        try:
            self._system, self._path = fsspec.core.url_to_fs(self.ticket.document)
            if not overwrite:
                self._check_free()
            self._take()
        except FileError:
            raise
        # Each storage has errors of its own.
        except Exception as error:
            raise FileError(f"cannot write {url}: {one_line(error)}") from error
        self._renewing = threading.Thread(target=self._keep_renewed, name="lerf-claim", daemon=True)
        self._renewing.start()

    def _check_free(self) -> None:
        """Refuse, before anything is written, a place where something else lies."""
        self._system.invalidate_cache()
        try:
            paths = self._system.ls(self._path.rpartition("/")[0], detail=False)
        except FileNotFoundError:
            return
        names = [path.rstrip("/").rpartition("/")[2] for path in paths]
        if names and not any(name.startswith("lerf-") for name in names):
            raise ResultExistsError(f"{self.ticket.place} exists: give overwrite to replace it")

    def _take(self) -> None:
        before = self.ticket.read()
        if before is not None and not _is_gone(before):
            end = time.monotonic() + _PATIENCE
            # Until it is gone, as if it had never been there.
            while before is not None and time.monotonic() < end:
                time.sleep(_LOOK)
                now = self.ticket.read()
                if now not in {before, None}:
                    raise refusal(self.ticket.place, Run.of(now or b""))
                before = now
        if before is None and "mode" in inspect.signature(self._system.pipe_file).parameters:
            try:
                self._write(mode="create")
            except FileExistsError:
                raise refusal(self.ticket.place, Run.of(self.ticket.read() or b"")) from None
            return
        self.renew()
        time.sleep(_SETTLING)
        self.ticket.check()

    def _document(self) -> bytes:
        self._renewals += 1
        named = json.loads(self._run.document())
        return json.dumps(named | {"machine": _machine(), "renewals": self._renewals}).encode()

    def renew(self) -> None:
        """Write the claim, new or again."""
        self._write()

    def _write(self, **options: str) -> None:
        document = self._document()
        try:
            self._system.pipe_file(self._path, document, **options)
        except FileNotFoundError:  # storage that has folders
            self._system.makedirs(self._path.rpartition("/")[0], exist_ok=True)
            self._system.pipe_file(self._path, document, **options)

    def _keep_renewed(self) -> None:
        while not self._ended.wait(_RENEWAL):
            try:
                if self.is_held() and not self._ended.is_set():
                    self.renew()
            # The next time may go well: storages fail for moments.
            except Exception:  # noqa: BLE001
                continue

    def is_held(self) -> bool:
        """See `Claim`."""
        if self._ended.is_set():
            return False
        try:
            self.ticket.check()
        except FileError:
            return False
        return True

    def release(self) -> None:
        """See `Claim`."""
        held = self.is_held()
        self._ended.set()
        # Else a renewal under way would write it again.
        self._renewing.join(_LAST_RENEWAL)
        if held:
            # What is left of it is nobody's after a while.
            with suppress(Exception):
                self._system.rm_file(self._path)


def _machine() -> str:
    """Return what tells machines apart, and containers that number their processes anew."""
    facts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            facts.append(str(Path(path).stat().st_ino) if "ns" in path else Path(path).read_text())
        except OSError:
            continue
    return " ".join(fact.strip() for fact in facts)


def _is_gone(document: bytes) -> bool:
    """Whether a claim is of a process of this machine that has ended."""
    run = Run.of(document)
    if run is None:
        return True
    values: dict[str, Any] = json.loads(document)
    if values.get("machine") != _machine() or os.name == "nt":
        return False
    try:
        os.kill(run.process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
