"""What kills, full disks and damaged kernels leave; tools/fault_injection.py does more of it."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "fault_injection.py"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forks")


def tool():
    spec = importlib.util.spec_from_file_location("fault_injection", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_kills_and_full_disks():
    # A process of its own: it forks, and mounts.
    words = ["--kills", "20", "--disks", "10", "--caches", "0", "--seconds", "300"]
    done = subprocess.run(
        [sys.executable, TOOL, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "     0 wrong files\n     0 wrong success messages\n" in done.stdout
    counts = {
        name: int(count) for count, name in re.findall(r"^ *(\d+) (.+)$", done.stdout, re.MULTILINE)
    }
    assert counts["kills"] >= 20
    if "no small disks" in done.stdout:
        pytest.skip("no small disks: that needs root and a name space of mounts")
    assert counts["disks"] >= 10


@pytest.mark.slow
def test_faults_are_found(tmp_path):
    """Two runs that end well, and leave what is neither's, or the wrong one's."""
    fault_injection = tool()
    injector = fault_injection.Injector.__new__(fault_injection.Injector)
    injector.found = fault_injection.Findings()
    kind = fault_injection.KINDS[3]
    injector.contents = {kind.name: ["a", "b"]}
    told = tmp_path / "told"

    def judged(now, runs, before=""):
        injector.found.faults.clear()
        contents = iter([now])
        fault_injection.content = lambda path, kind: next(contents)
        made = []
        for number, (status, text, options) in runs.items():
            told.with_name(f"told-{number}").write_text(text)
            run = fault_injection.Run(number, options, 0, told.with_name(f"told-{number}"))
            run.status, run.killed = status, status < 0
            made.append(run)
        injector._judge(kind, tmp_path, before, made)
        return [fault.split(":")[0] for fault in injector.found.faults]

    well, bad, dead = (0, "1 done", ()), (1, "exists", ()), (-9, "", ())
    assert judged("a", {0: well, 1: bad}) == []
    assert judged("b", {0: well, 1: bad}) == ["wrong success messages"]
    assert judged("b", {0: well, 1: dead}) == ["wrong success messages"]
    assert judged("b", {0: well, 1: (-9, "", ("--overwrite",))}) == []
    assert judged("", {0: well, 1: dead}) == ["wrong success messages"]
    assert judged("damaged: x", {0: well, 1: dead}) == ["wrong files"]
    assert judged("b", {0: bad, 1: dead}) == []
    assert judged("a", {0: bad, 1: dead}) == ["wrong files"]
    assert judged("a", {0: bad, 1: dead}, before="a") == []
    assert judged("", {0: bad, 1: dead}, before="a") == ["wrong files"]
    assert judged("", {0: (1, "internal error, X", ())}) == ["internal errors"]
