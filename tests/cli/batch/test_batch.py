"""Many files: planning, conflicts, failures, and files that appear whole or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.cli import lerf_command

import lerf_core
from lerf_core.io.results.whole_files import atomic_file

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path, rgb) -> Path:
    """A tree: a.png, b.jpg, bad.png, notes.txt, sub/a.png, .hidden/x.png."""
    folder = tmp_path / "photos"
    for name in ("a.png", "b.jpg", "sub/a.png", ".hidden/x.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rgb).save(folder / name)
    (folder / "bad.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image either")
    return folder


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_batch_goes_on_past_a_bad_file(run, tmp_path, photos):
    out = tmp_path / "out"
    lines = run("resize", photos, "-o", out, "--scale", 2, code=1).output.splitlines()
    assert files_in(out) == ["a.png", "b.jpg"]
    assert lines[-1] == "2 done, 0 skipped, 1 failed"
    assert [line for line in lines[:-1] if "bad.png: not an image" in line]


def test_recursive_mirrors_folders(run, tmp_path, photos):
    out = tmp_path / "out"
    run("resize", photos, "-o", out, "--scale", 2, "--recursive", code=1)
    assert files_in(out) == ["a.png", "b.jpg", "sub/a.png"]


def test_an_output_folder_within_the_input_is_not_an_input(run, photos):
    (photos / "bad.png").unlink()
    out = photos / "out"
    first = run("resize", photos, "-o", out, "--scale", 2, "--recursive")
    again = run("resize", photos, "-o", out, "--scale", 2, "--recursive", "--skip-existing")
    assert "3 done" in first.output
    assert "0 done, 3 skipped, 0 failed" in again.output


def test_sorted_order_and_dry_run(run, tmp_path, photos):
    (photos / "bad.png").unlink()
    out = tmp_path / "out"
    inputs = [photos / "sub" / "a.png", photos / "b.jpg", photos / "a.png"]
    pattern = out / "{ext}" / "{stem}_{width}x{height}_{bank}.{ext}"
    text = run("resize", *inputs[:2], "-o", pattern, "--scale", 2, "--dry-run", code=0).stdout
    assert text.splitlines() == [
        f"{photos}/b.jpg 14x10 -> {out}/jpg/b_28x20_lerf-p.jpg 28x20 JPEG",
        f"{photos}/sub/a.png 14x10 -> {out}/png/a_28x20_lerf-p.png 28x20 PNG",
    ]
    assert not out.exists()
    run("resize", *inputs[:2], "-o", pattern, "--scale", 2)
    assert files_in(out) == ["jpg/b_28x20_lerf-p.jpg", "png/a_28x20_lerf-p.png"]


def test_dry_run_finds_bad_files(run, tmp_path, photos):
    text = run("resize", photos, "-o", tmp_path / "o", "--scale", 2, "--dry-run", code=1).output
    assert "2 done, 0 skipped, 1 failed (dry run)" in text
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        (["a.png", "a.jpg"], ["--format", "png", "-o", "out/"]),
        (["a.png", "sub/a.png"], ["-o", "out/"]),
        (["a.png", "a.jpg"], ["-o", "out/{stem}.tif"]),
        (["a.png", "sub/a.png"], ["-o", "x/{name}"]),
    ],
)
def test_collisions_are_found_before_anything_is_written(
    run, tmp_path, rgb, monkeypatch, inputs, options
):
    monkeypatch.chdir(tmp_path)
    for name in [*inputs, "other.png"]:
        Path(name).parent.mkdir(exist_ok=True)
        Image.fromarray(rgb).save(name)
    before = files_in(tmp_path)
    text = run("resize", "other.png", *inputs, *options, "--scale", 2, code=2).output
    assert "would both be written to" in text
    fields = "{parent}_{stem}" if "sub/a.png" in inputs else "{stem}_{ext}"
    assert f"such as '{fields}.png'" in text
    assert files_in(tmp_path) == before


def test_one_file_given_twice_counts_once(run, tmp_path, rgb, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(rgb).save("a.png")
    assert "1 done" in run("resize", "a.png", "./a.png", "-o", "out", "--scale", 2).output


@pytest.mark.parametrize("way", ["same", "dots", "symlink", "hardlink", "other input"])
@pytest.mark.parametrize("option", [[], ["--overwrite"], ["--skip-existing"]])
def test_an_input_is_never_written_over(run, tmp_path, rgb, monkeypatch, way, option):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(rgb).save("a.png")
    content = Path("a.png").read_bytes()
    target, inputs = "a.png", ["a.png"]
    if way == "dots":
        Path("sub").mkdir()
        target = "sub/../a.png"
    elif way == "symlink":
        Path("link.png").symlink_to("a.png")
        target = "link.png"
    elif way == "hardlink":
        os.link("a.png", "link.png")
        target = "link.png"
    elif way == "other input":
        Image.fromarray(rgb).save("b.tif")
        inputs, target = ["a.png", "b.tif"], "{stem}.png"
    text = run("resize", *inputs, "-o", target, "--scale", 2, *option, code=2).output
    assert "would be written over the input" in text
    assert Path("a.png").read_bytes() == content


def test_existing_outputs(run, tmp_path, rgb):
    source, out = tmp_path / "a.png", tmp_path / "out.png"
    Image.fromarray(rgb).save(source)
    out.write_bytes(b"precious")
    text = run("resize", source, "-o", out, "--scale", 2, code=1).output
    assert "give --overwrite or --skip-existing" in text
    assert out.read_bytes() == b"precious"
    text = run("resize", source, "-o", out, "--scale", 2, "--skip-existing").output
    assert "0 done, 1 skipped, 0 failed" in text
    assert out.read_bytes() == b"precious"
    run("resize", source, "-o", out, "--scale", 2, "--overwrite")
    assert out.read_bytes()[1:4] == b"PNG"


def test_existing_outputs_do_not_stop_the_others(run, tmp_path, photos):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"precious")
    text = run("resize", photos / "a.png", photos / "b.jpg", "-o", out, "--scale", 2, code=1).output
    assert "1 done, 0 skipped, 1 failed" in text
    assert (out / "a.png").read_bytes() == b"precious"
    assert (out / "b.jpg").is_file()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failing_write_leaves_nothing_and_spares_what_was_there(
    run, tmp_path, rgb, monkeypatch, error
):
    source, out = tmp_path / "a.png", tmp_path / "out" / "o.png"
    Image.fromarray(rgb).save(source)
    out.parent.mkdir()
    out.write_bytes(b"precious")

    def fail(self, file, *arguments, **keywords):
        file.write(b"half a picture")
        raise error

    monkeypatch.setattr(Image.Image, "save", fail)
    stopped = isinstance(error, KeyboardInterrupt)
    code = 130 if stopped else 1
    text = run("resize", source, "-o", out, "--scale", 2, "--overwrite", code=code).output
    expected = "lerf: interrupted" if stopped else f"cannot write {out}: No space left"
    assert expected in text
    assert ("0 done, 0 skipped, 0 failed, 1 left" in text) == stopped
    assert files_in(out.parent) == ["o.png"]
    assert out.read_bytes() == b"precious"


def test_atomic_file_does_not_replace_what_came_meanwhile(tmp_path):
    target = tmp_path / "o.bin"
    with pytest.raises(FileExistsError), atomic_file(target, overwrite=False) as file:  # noqa: PT012
        file.write(b"mine")
        assert files_in(tmp_path) != []
        target.write_bytes(b"theirs")
    assert target.read_bytes() == b"theirs"
    assert files_in(tmp_path) == ["o.bin"]


def test_outputs_have_the_usual_rights(run, tmp_path, rgb):
    source, out = tmp_path / "a.png", tmp_path / "o.png"
    Image.fromarray(rgb).save(source)
    mask = os.umask(0o027)
    try:
        run("resize", source, "-o", out, "--scale", 2)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(out.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("ending", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_terminated_run_leaves_no_temporary_files(tmp_path, rng, ending, status):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    noise = rng.integers(0, 65536, (200, 300)).astype(np.uint16)
    for number in range(40):
        Image.fromarray(noise).save(source / f"{number}.png")
    command = lerf_command("resize", source, "-o", f"{out}/", "--scale", 3)
    # Whoever runs the tests in the background may have them ignore SIGINT.
    heed = partial(signal.signal, ending, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=heed)  # noqa: PLW1509
    deadline = time.monotonic() + 120
    while not any(out.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(ending)
    text = process.communicate(timeout=120)[1].decode()
    assert process.returncode == status
    assert "Traceback" not in text
    assert " left" in text
    names = files_in(out)
    assert 0 <= len(names) < 40
    for name in names:
        assert name.endswith(".png")
        with Image.open(out / name) as image:
            image.load()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "o.png"], "exactly one of --scale, --size"),
        (["-o", "o.png", "--scale", "2", "--size", "5x5"], "exactly one of --scale, --size"),
        (["-o", "o.png", "--scale", "0"], "not a scale"),
        (["-o", "o.png", "--size", "5"], "not a size"),
        (["--scale", "2"], "--output"),
        (["-o", "o", "--scale", "2"], "has no extension"),
        (["-o", "o.xyz", "--scale", "2"], "no format is known for .xyz"),
        (["-o", "{nonsense}.png", "--scale", "2"], "no such field {nonsense}"),
        (["-o", "{stem.__class__}.png", "--scale", "2"], "no such field"),
        (["-o", "{stem!r}.png", "--scale", "2"], "no such field"),
        (["-o", "{stem", "--scale", "2"], "fields are"),
        (["-o", "o.png", "--scale", "2", "--format", "docx"], "cannot write docx"),
        (["-o", "o.png", "--scale", "2", "--overwrite", "--skip-existing"], "exclude each other"),
        (["-o", "o.png", "--scale", "2", "-q", "-v"], "exclude each other"),
        (["-o", "o.png", "--scale", "2", "--bank", "nobody"], "nobody"),
        (["-o", "o.png", "--scale", "2", "--bank", "./in.png"], "in.png"),
        (["-o", "o.png", "--scale", "2", "--border", "sideways"], "sideways"),
        (["-o", "o.png", "--scale", "2", "--cval", "9"], "--cval goes with"),
        (["-o", "o.png", "--scale", "2", "--range", "5,1"], "not ascending"),
        (["-o", "o.png", "--scale", "2", "--quality", "101"], "101"),
        (["-o", "o.png", "--scale", "2", "--background", "nocolour"], "not a colour"),
        (["-o", "o.png", "--scale", "2", "--threads", "0"], "threads"),
        (["-o", "o.png", "--scale", "2", "--labels", "--linear"], "exclude each other"),
    ],
)
def test_wrong_usage_is_exit_2_and_writes_nothing(
    run, tmp_path, rgb, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(rgb).save("in.png")
    assert words in run("resize", "in.png", *arguments, code=2).output
    assert files_in(tmp_path) == ["in.png"]


def test_several_inputs_need_a_folder(run, tmp_path, photos):
    target = tmp_path / "o.png"
    target.write_bytes(b"a file")
    text = run(
        "resize", photos / "a.png", photos / "b.jpg", "-o", target, "--scale", 2, code=2
    ).output
    assert "several outputs need one" in text


def test_several_inputs_do_not_make_a_folder_named_like_a_picture(run, tmp_path, photos):
    inputs = [photos / "a.png", photos / "b.jpg"]
    text = run("resize", *inputs, "-o", tmp_path / "o.png", "--scale", 2, code=2).output
    assert "names one file" in text
    assert not (tmp_path / "o.png").exists()
    run("resize", *inputs, "-o", f"{tmp_path}/o.png/", "--scale", 2)
    assert files_in(tmp_path / "o.png") == ["a.png", "b.jpg"]


def test_a_pattern_without_extension_fails_on_its_own(run, tmp_path, photos):
    pattern = tmp_path / "{stem}_new"
    source = photos / "a.png"
    assert "no extension" in run("resize", source, "-o", pattern, "--scale", 2, code=1).output
    run("resize", source, "-o", pattern, "--scale", 2, "--format", "webp")
    assert (tmp_path / "a_new").read_bytes()[8:12] == b"WEBP"


@pytest.mark.parametrize("out", ["y" * 256 + ".png", "a.png/below.png"])
def test_an_output_that_cannot_be_is_one_line(run, photos, monkeypatch, out):
    monkeypatch.chdir(photos)
    text = run("resize", "b.jpg", "-o", out, "--scale", 2, code=1).output
    assert f"b.jpg: cannot write {out}: " in text


def test_the_longest_names_work(run, tmp_path, photos):
    out = tmp_path / ("\U0001f600" * 62 + ".png")
    run("resize", photos / "a.png", "-o", out, "--scale", 2)
    assert out.is_file()


def test_what_may_not_be_read_fails_on_its_own(run, tmp_path, photos):
    closed = photos / "sub"
    real = os.scandir

    def scandir(path):
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        out = tmp_path / "out"
        text = run("resize", photos, "-o", out, "--scale", 2, "--recursive", code=1).output
    assert f"{closed}: Permission denied" in text
    assert "2 done, 0 skipped, 2 failed" in text


def test_a_linked_output_keeps_its_link(run, tmp_path, photos):
    real, link = tmp_path / "real.png", tmp_path / "link.png"
    real.write_bytes(b"old")
    link.symlink_to(real)
    run("resize", photos / "a.png", "-o", link, "--scale", 2, "--overwrite")
    assert link.is_symlink()
    assert real.read_bytes()[:4] == b"\x89PNG"


def test_links_in_a_circle_are_one_line(run, tmp_path, photos):
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    text = run("resize", loop, photos / "a.png", "-o", tmp_path / "o/", "--scale", 2, code=1).output
    assert "loop.png: Too many levels of symbolic links" in text
    assert "1 done" in text


def test_an_empty_folder_is_a_usage_error(run, tmp_path):
    (tmp_path / "nothing").mkdir()
    text = run("resize", tmp_path / "nothing", "-o", tmp_path / "o", "--scale", 2, code=2).output
    assert "no images found" in text


def test_quiet_and_verbose(run, tmp_path, photos):
    source = photos / "a.png"
    assert run("resize", source, "-o", tmp_path / "1.png", "--scale", 2, "-q").output == ""
    plain = run("resize", source, "-o", tmp_path / "2.png", "--scale", 2)
    assert plain.stdout == ""
    assert plain.stderr.splitlines()[-1] == "1 done, 0 skipped, 0 failed"
    verbose = run("resize", source, "-o", tmp_path / "3.png", "--scale", 2, "-v").stderr
    assert f"{source} 14x10 -> {tmp_path}/3.png 28x20 PNG" in verbose
    bad = run("resize", photos / "bad.png", "-o", tmp_path / "4.png", "--scale", 2, "-q", code=1)
    assert len(bad.output.splitlines()) == 1


def test_a_fault_of_the_program_is_one_line_too(run, tmp_path, photos, monkeypatch):
    def fail(*arguments, **keywords):
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr(lerf_core.resampling, "compute_whole", fail)
    result = run("resize", photos / "a.png", "-o", tmp_path / "o.png", "--scale", 2, code=1)
    assert "internal error, ZeroDivisionError: unforeseen" in result.output


def test_first_run_message_is_on_stderr_unless_quiet(run, tmp_path, photos, monkeypatch):
    monkeypatch.setattr(lerf_core, "first_run_message", lambda: "Compiling.", raising=False)
    result = run("resize", photos / "a.png", "-o", tmp_path / "1.png", "--scale", 2)
    assert result.stderr.splitlines()[0] == "Compiling."
    result = run("resize", photos / "a.png", "-o", tmp_path / "2.png", "--scale", 2, "-q")
    assert result.output == ""


def test_the_bank_is_loaded_once(run, tmp_path, photos, monkeypatch):
    calls = []
    load = lerf_core.load_bank

    def counted(*arguments, **keywords):
        calls.append(arguments)
        return load(*arguments, **keywords)

    monkeypatch.setattr(lerf_core, "load_bank", counted, raising=False)
    run("resize", photos, "-o", tmp_path / "o", "--scale", 2, "--recursive", code=1)
    assert len(calls) == 1


def test_memory_does_not_grow_over_a_batch(tmp_path, rng):
    """Peak of 60 files beside that of 6: nothing of a picture may stay."""
    resource = pytest.importorskip("resource")
    del resource
    source = tmp_path / "in"
    source.mkdir()
    noise = rng.integers(0, 256, (300, 400, 3)).astype(np.uint8)
    for number in range(60):
        Image.fromarray(noise).save(source / f"{number:02}.png", compress_level=0)
    code = (
        "import resource, sys\nfrom lerf_cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for pattern in ("0[0-5].png", "*.png"):
        inputs = [str(path) for path in sorted(source.glob(pattern))]
        command = [sys.executable, "-c", code, "resize", *inputs, "--scale", "1.2", "--overwrite"]
        command += ["-o", f"{tmp_path}/out/", "--format", "bmp", "-q"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize("size", [(24, 100), (0, 0)])
def test_progress_with_time_left_on_a_terminal_only(tmp_path, photos, size):
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    (photos / "bad.png").unlink()
    screens = []
    for number, quiet in enumerate([[], ["-q"]]):
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, size)
        command = lerf_command("resize", photos, "-o", f"{tmp_path}/{number}/", "--scale", 2)
        subprocess.run([*command, *quiet], stderr=theirs, check=True)
        os.close(theirs)
        screen = b""
        try:
            while data := os.read(ours, 65536):
                screen += data
        except OSError:
            pass
        os.close(ours)
        screens.append(screen)
    assert b"/2 [" in screens[0]
    assert b"2 done" in screens[0]
    assert screens[1] == b""
