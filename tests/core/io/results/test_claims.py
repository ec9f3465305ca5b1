"""Runs at once on one output: one of them has it, whatever ended the others."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import zarr

from lerf_core.errors import FileError, ResultExistsError
from lerf_core.io.reading import open_reader
from lerf_core.io.results import claims, remote_claims
from lerf_core.io.results.claims import LocalClaim, Run
from lerf_core.io.results.placing import place_file, place_folder, restore_replaced
from lerf_core.io.tiles.tiled_writer import WriterSpec
from lerf_core.io.writing import open_writer

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
REGIONS = [
    (slice(row, row + 32), slice(col, col + 32)) for row in range(0, 64, 32) for col in (0, 32)
]
PLACES = [("TIFF", "a.tif"), ("OME-Zarr", "a.zarr"), ("Zarr", "b.zarr"), ("NPY", "a.npy")]


def begun(path, form, **options):
    spec = WriterSpec(IMAGE.shape, IMAGE.dtype, "YX", form, tile=(32, 32), levels=1)
    return open_writer(str(path), spec, **options)


def filled(target, image=IMAGE):
    for region in REGIONS:
        if not target.is_finished(region):
            target.record(target.sink.put(region, image[region]))
    return target


def assert_holds(path, image):
    with open_reader(path) as source:
        np.testing.assert_array_equal(source[:, :], image)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def without_locks(monkeypatch):
    """Be on a file system that knows no locks."""

    def fail(handle):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(claims, "try_lock", fail)


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
@pytest.mark.parametrize(("form", "name"), PLACES)
def test_a_second_run_is_refused(tmp_path, form, name, options):
    first = begun(tmp_path / name, form)
    first.record(first.sink.put(REGIONS[0], IMAGE[REGIONS[0]]))
    who = rf"being written by another run \(process {os.getpid()} on "
    with pytest.raises(FileError, match=who):
        begun(tmp_path / name, form, **options)
    filled(first).commit()
    assert_holds(tmp_path / name, IMAGE)
    assert names(tmp_path) == [name]


@pytest.mark.parametrize(("form", "name"), PLACES)
def test_without_locks_the_last_run_has_the_result(tmp_path, monkeypatch, form, name):
    without_locks(monkeypatch)
    first = begun(tmp_path / name, form)
    first.record(first.sink.put(REGIONS[0], 0 * IMAGE[REGIONS[0]]))
    second = begun(tmp_path / name, form)
    assert "no locks" in second.claim.notes[0]
    zeros = 0 * IMAGE[REGIONS[1]]
    if form == "TIFF":  # its writer stores what its sink makes
        tiles = first.sink.put(REGIONS[1], zeros)
        with pytest.raises(FileError, match="another run"):
            first.record(tiles)
    else:
        with pytest.raises(FileError, match="another run"):
            first.sink.put(REGIONS[1], zeros)
    assert not first.is_finished(REGIONS[1])
    with pytest.raises(FileError, match="another run"):
        first.commit()
    assert not first.abandon(keep=True)  # nothing is kept that is not its own
    filled(second).commit()
    assert_holds(tmp_path / name, IMAGE)
    assert names(tmp_path) == [name]


@pytest.mark.parametrize(("form", "name"), [place for place in PLACES if place[0] != "TIFF"])
def test_what_comes_after_the_end_is_refused(tmp_path, form, name):
    """A worker's late task must not touch a result that is finished, nor one that is begun."""
    first = filled(begun(tmp_path / name, form))
    late = first.sink
    first.commit()
    with pytest.raises(FileError, match="that run has ended"):
        late.put(REGIONS[0], 0 * IMAGE[REGIONS[0]])
    assert names(tmp_path) == [name]
    second = filled(begun(tmp_path / name, form, overwrite=True), 255 - IMAGE)
    with pytest.raises(FileError, match="another run"):
        late.put(REGIONS[0], 0 * IMAGE[REGIONS[0]])
    second.commit()
    assert_holds(tmp_path / name, 255 - IMAGE)


@pytest.mark.parametrize(("form", "name"), PLACES)
def test_a_result_that_came_meanwhile_is_kept(tmp_path, form, name):
    first = filled(begun(tmp_path / name, form))
    if "zarr" in name:
        zarr.create_array(tmp_path / name, shape=(2,), dtype="u1", chunks=(2,))
    else:
        (tmp_path / name).write_bytes(b"theirs")
    before = names(tmp_path / name) if "zarr" in name else (tmp_path / name).read_bytes()
    with pytest.raises(FileError, match=r"exists, and did not.*--resume --overwrite"):
        first.commit()
    assert first.abandon(keep=True)
    after = names(tmp_path / name) if "zarr" in name else (tmp_path / name).read_bytes()
    assert after == before
    again = begun(tmp_path / name, form, resume=True, overwrite=True)
    assert all(again.is_finished(region) for region in REGIONS)
    again.commit()
    assert_holds(tmp_path / name, IMAGE)
    assert names(tmp_path) == [name]


# -- local claims ---------------------------------------------------------

HOLD = """
import pathlib, sys, time
from lerf_core.io.results.claims import LocalClaim
claim = LocalClaim(pathlib.Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def test_a_kill_ends_a_claim(tmp_path):
    path = tmp_path / "a.tif"
    words = [sys.executable, "-c", HOLD, path]
    holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(FileError, match=f"process {holder.pid} on "):
        LocalClaim(path)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert names(tmp_path) == [".a.tif.lock"]
    claim = LocalClaim(path)
    assert claim.is_held()
    claim.release()
    claim.release()
    assert names(tmp_path) == []


def test_of_many_at_once_one_has_a_claim(tmp_path):
    """Also while others let go of it, and their file goes with it."""
    path, holders, most = tmp_path / "a.tif", [], []

    def work():
        for _ in range(200):
            try:
                claim = LocalClaim(path)
            except FileError:
                continue
            holders.append(claim)
            most.append(len(holders))
            assert claim.is_held()
            holders.remove(claim)
            claim.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert names(tmp_path) == []


@pytest.mark.parametrize("document", [b"", b"{}", b"[1]", b"\xff", b'{"token": 1}'])
def test_documents_of_nobody(document):
    assert Run.of(document) is None


def test_a_claim_that_was_removed_by_hand_is_lost(tmp_path):
    first = filled(begun(tmp_path / "a.npy", "NPY"))
    (tmp_path / ".a.npy.lock").unlink()
    with pytest.raises(FileError, match="has ended"):
        first.commit()
    assert not (tmp_path / "a.npy").exists()
    assert not first.abandon(keep=True)


def test_a_document_that_is_being_written_is_looked_at_again(tmp_path, monkeypatch):
    claim = LocalClaim(tmp_path / "a.tif")
    documents = [b"", b'{"token": "x', (tmp_path / ".a.tif.lock").read_bytes()]
    monkeypatch.setattr(claims.Ticket, "read", lambda self: documents.pop(0))
    claim.ticket.check()
    documents[:] = [b""] * 4
    with pytest.raises(FileError, match=r"written by another run$"):
        claim.ticket.check()
    monkeypatch.undo()
    claim.release()


# -- remote claims --------------------------------------------------------


@pytest.fixture
def url(tmp_path):
    pytest.importorskip("fsspec")
    return f"memory://{tmp_path.name}/a.zarr"


@pytest.fixture
def quick(monkeypatch):
    for name in ("_PATIENCE", "_RENEWAL", "_LOOK", "_SETTLING"):
        monkeypatch.setattr(remote_claims, name, getattr(remote_claims, name) / 100)


def left_claim(url, **changes):
    """Leave a claim as a run does that is killed; return its address."""
    import fsspec

    system, path = fsspec.core.url_to_fs(f"{url}/{remote_claims.CLAIM}")
    values = {"token": "other", "host": "far", "process": 7, "machine": "elsewhere"} | changes
    system.pipe_file(path, json.dumps(values).encode())
    return system, path


def test_a_second_remote_run_is_refused(url, quick):
    first = begun(url, "OME-Zarr")
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(FileError, match=f"process {os.getpid()} on"):
            begun(url, "OME-Zarr", **options)
    filled(first).commit()
    assert (zarr.open_array(first.sink.url, path="0", mode="r")[...] == IMAGE).all()
    system, path = left_claim(url)
    assert sorted(name.rpartition("/")[2] for name in system.ls(path.rpartition("/")[0], False)) \
        == ["0", "lerf-run.json", "zarr.json"]  # fmt: skip


def test_nothing_is_written_where_something_else_lies(url, monkeypatch):
    filled(begun(url, "OME-Zarr")).commit()

    def write(*words, **options):
        raise AssertionError

    monkeypatch.setattr(remote_claims.RemoteClaim, "_write", write)
    for options in ({}, {"resume": True}):
        with pytest.raises(ResultExistsError, match="give overwrite"):
            begun(url, "OME-Zarr", **options)


def test_a_remote_claim_that_nobody_renews_is_taken(url, quick):
    left_claim(url)
    filled(begun(url, "OME-Zarr")).commit()


def test_a_remote_claim_of_a_process_that_is_gone_is_taken_at_once(url, quick, monkeypatch):
    monkeypatch.setattr(remote_claims, "_LOOK", -1.0)  # nobody sleeps so long
    left_claim(url, process=2**22 + 5, machine=remote_claims._machine())
    filled(begun(url, "OME-Zarr")).commit()


def test_a_remote_claim_that_is_deleted_is_taken_at_once(url, monkeypatch):
    monkeypatch.setattr(remote_claims, "_LOOK", 0.01)
    monkeypatch.setattr(remote_claims, "_SETTLING", -1.0)  # by a claim that nobody replaces
    system, path = left_claim(url)
    read, looks = remote_claims.RemoteTicket.read, []

    def deleted_later(self):
        looks.append(self)
        if len(looks) == 3:
            system.rm_file(path)
        assert len(looks) < 10
        return read(self)

    with monkeypatch.context() as patch:
        patch.setattr(remote_claims.RemoteTicket, "read", deleted_later)
        claim = remote_claims.RemoteClaim(url, overwrite=False)
    assert len(looks) == 3
    assert claim.is_held()
    claim.release()


def test_a_remote_claim_that_is_released_does_not_come_back(url, quick, monkeypatch):
    began, go_on, written = (threading.Event() for _ in range(3))
    renew = remote_claims.RemoteClaim.renew

    def slowly(self):
        began.set()
        go_on.wait(60)
        renew(self)
        written.set()

    monkeypatch.setattr(remote_claims.RemoteClaim, "renew", slowly)
    claim = remote_claims.RemoteClaim(url, overwrite=False)
    assert began.wait(60)
    threading.Timer(0.2, go_on.set).start()
    claim.release()
    assert written.wait(60)
    assert claim.ticket.read() is None


def test_a_claim_is_read_once_a_block(tmp_path, monkeypatch):
    reads, read = [], claims.Ticket.read
    monkeypatch.setattr(claims.Ticket, "read", lambda self: reads.append(self) or read(self))
    spec = WriterSpec(IMAGE.shape, IMAGE.dtype, "YX", "OME-Zarr", tile=(16, 16), levels=3)
    target = open_writer(str(tmp_path / "a.zarr"), spec)
    reads.clear()
    target.sink.put((slice(0, 64), slice(0, 64)), IMAGE)
    assert len(reads) == 1
    target.abandon(keep=False)


def test_a_remote_run_whose_claim_is_taken_stops(url, quick):
    import fsspec

    first = begun(url, "OME-Zarr")
    first.record(first.sink.put(REGIONS[0], IMAGE[REGIONS[0]]))
    system, path = left_claim(url)
    with pytest.raises(FileError, match="process 7 on far"):
        first.sink.put(REGIONS[1], IMAGE[REGIONS[1]])
    with pytest.raises(FileError, match="process 7 on far"):
        first.commit()
    journal = f"{path.rpartition('/')[0]}/lerf-journal.jsonl"
    system.pipe_file(journal, b"theirs")
    assert not first.abandon(keep=True)
    assert system.cat_file(journal) == b"theirs"
    assert Run.of(system.cat_file(path)).token == "other"
    assert "multiscales" not in str(fsspec.open(f"{url}/zarr.json").open().read())


def test_a_remote_storage_that_fails(url, quick, monkeypatch):
    import fsspec

    first = filled(begun(url, "OME-Zarr"))
    system, _ = fsspec.core.url_to_fs(url)

    def fail(*words, **options):
        raise RuntimeError("no route to the bucket")

    with monkeypatch.context() as patch:
        patch.setattr(type(system), "cat_file", fail)
        with pytest.raises(FileError, match=r"a\.zarr: no route to the bucket"):
            first.sink.put(REGIONS[0], IMAGE[REGIONS[0]])
        with pytest.raises(FileError, match="no route to the bucket"):
            first.commit()
        assert not first.abandon(keep=True)
        with pytest.raises(FileError, match="no route to the bucket"):
            begun(url, "OME-Zarr")
    left_claim(url, process=2**22 + 5, machine=remote_claims._machine())
    filled(begun(url, "OME-Zarr", resume=True)).commit()


def test_a_remote_result_that_is_replaced_looks_unfinished_at_once(url, monkeypatch):
    import fsspec

    filled(begun(url, "OME-Zarr")).commit()
    system, folder = fsspec.core.url_to_fs(url)

    def stop(*words, **options):
        assert not system.exists(f"{folder}/zarr.json")
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(type(system), "rm", stop)
        with pytest.raises(FileError, match="killed"):
            begun(url, "OME-Zarr", overwrite=True)
    filled(begun(url, "OME-Zarr", overwrite=True)).commit()


def test_a_store_is_emptied_but_for_the_claim(url, monkeypatch):
    """Else another run could come between."""
    import fsspec

    filled(begun(url, "OME-Zarr")).commit()
    system, folder = fsspec.core.url_to_fs(url)
    remove, removed = type(system).rm, []

    def watched(self, path, **options):
        remove(self, path, **options)
        removed.append(path)
        assert system.exists(f"{folder}/{remote_claims.CLAIM}")

    with monkeypatch.context() as patch:
        patch.setattr(type(system), "rm", watched)
        target = begun(url, "OME-Zarr", overwrite=True)
    assert removed
    filled(target, 255 - IMAGE).commit()
    assert (zarr.open_array(target.sink.url, path="0", mode="r")[...] == 255 - IMAGE).all()


def test_what_killed_workers_were_writing_is_no_part_of_a_store(tmp_path):
    first = filled(begun(tmp_path / "a.zarr", "OME-Zarr"))
    (tmp_path / ".a.zarr.partial" / "0" / "c" / "0" / "0.0123456789abcdef.partial").touch()
    first.commit()
    assert not list((tmp_path / "a.zarr").rglob("*.partial"))
    assert_holds(tmp_path / "a.zarr", IMAGE)


# -- names ----------------------------------------------------------------


@pytest.mark.parametrize("step", ["one step", "links", "neither"])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_nothing_is_replaced_unasked(tmp_path, monkeypatch, step, kind):
    from lerf_core.io.results import placing

    if step != "one step":
        monkeypatch.setattr(placing, "_renamed", lambda *words: False)
    if step == "neither":

        def fail(*words):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", fail)
    place = place_file if kind == "file" else place_folder

    def made(name, text):
        path = tmp_path / name
        if kind == "folder":
            path.mkdir()
            path = path / "x"
        path.write_text(text)
        return tmp_path / name

    def text():
        path = tmp_path / "out"
        return (path if kind == "file" else path / "x").read_text()

    place(made("one", "1"), tmp_path / "out", overwrite=False)
    assert text() == "1"
    with pytest.raises(FileExistsError):
        place(made("two", "2"), tmp_path / "out", overwrite=False)
    assert text() == "1"
    place(tmp_path / "two", tmp_path / "out", overwrite=True)
    assert text() == "2"
    assert names(tmp_path) == ["out"]


def test_a_folder_that_a_kill_left_aside_comes_back(tmp_path):
    (tmp_path / ".a.zarr.replaced").mkdir()
    restore_replaced(tmp_path / "a.zarr")
    assert names(tmp_path) == ["a.zarr"]
    (tmp_path / ".a.zarr.replaced").mkdir()
    restore_replaced(tmp_path / "a.zarr")
    assert names(tmp_path) == [".a.zarr.replaced", "a.zarr"]
