"""SIGTERM ends a batch, whatever Python is doing when it comes."""

from __future__ import annotations

import os
import signal
import sys
import weakref

import pytest

from lerf_cli.batch.termination import Termination

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


class Held:
    """Something that can be referred to weakly."""


def test_a_signal_becomes_an_exit():
    before = signal.getsignal(signal.SIGTERM)
    with Termination(), pytest.raises(SystemExit) as left:
        signal.raise_signal(signal.SIGTERM)
    assert left.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_where_all_signals_are_ignored_nothing_is_changed():
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    hook = sys.unraisablehook
    try:
        with Termination():
            assert sys.unraisablehook is hook
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        assert sys.unraisablehook is hook
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def test_a_signal_within_a_finalizer_is_not_lost(capfd):
    held = Held()

    def finalize(_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    reference = weakref.ref(held, finalize)
    with Termination() as termination:
        termination.check()
        del held
        with pytest.raises(SystemExit) as left:
            termination.check()
    assert reference() is None
    assert left.value.code == 128 + signal.SIGTERM
    assert "Traceback" not in capfd.readouterr().err
