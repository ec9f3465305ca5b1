"""`lerf models`."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image
from support.banks import make_random_network
from support.fronts import make_random_front, random_cascade

import lerf_core
from lerf_core.fronts.loading import load_front

SHIPPED = ("analytic", "lerf-f", "lerf-g", "lerf-l", "lerf-n", "lerf-net", "lerf-p", "lerf-x2")


@pytest.fixture
def network(own_bank_folder):
    """A user's network, by the name of mine."""
    bank = make_random_network(16, 5, 3, 3)
    own_bank_folder.mkdir(exist_ok=True)
    bank.save(own_bank_folder / "mine.safetensors")
    return bank


def test_a_network_among_the_others(run, network):
    text = run("models").output
    line = next(line for line in text.splitlines() if line[2:].startswith("mine "))
    assert line.split()[1:7] == ["lerf-n", f"{network.nbytes / 1e3:.1f}", "kB", "6", "user",
                                 f"{network.macs:,}"]  # fmt: skip
    assert line.endswith("multiplications (5 layers, width 16)")
    assert "12 + 12 reads of each channel" in text
    rows = {row["name"]: row for row in json.loads(run("models", "list", "--json").output)}
    assert rows["mine"]["reads_colours"]
    assert not rows["lerf-p"]["reads_colours"]
    assert (rows["mine"]["bytes"], rows["mine"]["reach"]) == (network.nbytes, network.full_reach)
    info = json.loads(run("models", "info", "mine", "--json").output)
    assert info["multiplications per pixel"] == network.macs
    assert info["checksum"] == network.checksum


def test_a_network_is_imported_but_not_exported(run, network, tmp_path, own_bank_folder):
    run("models", "import", own_bank_folder / "mine.safetensors", "--name", "yours")
    imported = lerf_core.load_bank("yours")
    assert imported.name == "yours"
    assert imported == network.renamed("yours")
    result = run("models", "export", "mine", tmp_path / "tables", code=1)
    assert result.output.count("\n") == 1
    assert "network" in result.output
    assert not (tmp_path / "tables").exists()


def test_list(run, own_bank_folder):
    text = run("models").output
    lines = {line[2:].split(" ")[0]: line for line in text.splitlines()}
    assert lines["lerf-p"].startswith("* ")
    assert not any(lines[name].startswith("*") for name in ("analytic", "lerf-l"))
    assert all("shipped" in lines[name] for name in SHIPPED)
    assert str(own_bank_folder) in text
    assert run("models", "list").output == text


def test_list_as_json(run):
    rows = {row["name"]: row for row in json.loads(run("models", "list", "--json").output)}
    assert {name: row["default"] for name, row in rows.items()} == {
        name: name == "lerf-p" for name in SHIPPED
    }
    assert rows["analytic"]["source"] == "shipped"
    assert rows["analytic"]["bytes"] == lerf_core.load_bank("analytic").nbytes


def test_info(run):
    bank = lerf_core.load_bank("analytic")
    text = run("models", "info", "analytic").output
    assert bank.checksum in text
    assert bank.kind.name in text
    assert (
        json.loads(run("models", "info", "analytic", "--json").output)["checksum"] == bank.checksum
    )
    assert "nobody" in run("models", "info", "nobody", code=1).output


def test_export_and_import_lose_nothing(run, tmp_path, own_bank_folder):
    folder = tmp_path / "tables"
    run("models", "export", "analytic", folder)
    assert len(list(folder.glob("LUTft_*.npy"))) == 9
    run("models", "export", "analytic", folder, code=2)
    run("models", "export", "analytic", folder, "--overwrite")
    run("models", "import", folder, "--name", "mine")
    assert (own_bank_folder / "mine.safetensors").is_file()
    bank, original = lerf_core.load_bank("mine"), lerf_core.load_bank("analytic")
    assert bank.name == "mine"
    for key, table in original.tables.items():
        np.testing.assert_array_equal(bank.tables[key], table)
    line = next(line for line in run("models").output.splitlines() if " mine " in line)
    assert "user" in line


def test_import_refuses_to_replace(run, tmp_path, own_bank_folder):
    folder = tmp_path / "tables"
    run("models", "export", "analytic", folder)
    run("models", "import", folder)
    before = (own_bank_folder / "tables.safetensors").read_bytes()
    assert "--overwrite" in run("models", "import", folder, code=2).output
    run("models", "import", folder, "--overwrite")
    assert (own_bank_folder / "tables.safetensors").read_bytes() == before


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "a b", "x" * 65])
def test_names_stay_names(run, tmp_path, own_bank_folder, name):
    folder = tmp_path / "a b"
    run("models", "export", "analytic", folder)
    run("models", "import", folder, "--name", name, code=2)
    assert list(own_bank_folder.iterdir()) == []


def test_import_checks_the_tables(run, tmp_path, own_bank_folder):
    folder = tmp_path / "tables"
    run("models", "export", "analytic", folder)
    np.save(folder / "LUTft_s1_sr0.npy", np.zeros((5, 1), np.int8))
    text = run("models", "import", folder, code=1).output
    assert "Traceback" not in text
    assert list(own_bank_folder.iterdir()) == []
    (tmp_path / "b.safetensors").write_bytes(b"garbage")
    run("models", "import", tmp_path / "b.safetensors", code=1)


def test_a_damaged_user_bank_does_not_hide_the_others(run, own_bank_folder):
    (own_bank_folder / "broken.safetensors").write_bytes(b"garbage")
    result = run("models", code=1)
    assert "analytic" in result.stdout
    assert "broken" in result.stderr


@pytest.mark.parametrize("way", ["name", "file", "folder"])
def test_every_way_to_name_a_bank(run, tmp_path, rgb, own_bank_folder, way):
    folder = tmp_path / "tables"
    run("models", "export", "analytic", folder)
    run("models", "import", folder, "--name", "mine")
    bank = {"name": "mine", "file": own_bank_folder / "mine.safetensors", "folder": folder}[way]
    Image.fromarray(rgb).save(tmp_path / "in.png")
    for name in (bank, "analytic"):
        run(
            "resize", tmp_path / "in.png", "-o", tmp_path / "o.png", "--scale", 2, "--bank", name,
            "--overwrite" if name == "analytic" else "-v",
        )  # fmt: skip
        result = (tmp_path / "o.png").read_bytes()
        if name == bank:
            first = result
    assert result == first


def test_tables_are_compressed(run, tmp_path):
    small = tmp_path / "small.safetensors"
    text = run("models", "compress", "lerf-g", "-o", small).output
    bank, whole = lerf_core.load_bank(small), lerf_core.load_bank("lerf-g")
    assert bank == whole.compressed(2).renamed("small")
    assert text.split()[-5:] == [f"{bank.nbytes / 1e3:.1f}", "kB", "of", "0.1", "MB"]
    again = run("models", "compress", "lerf-g", "-o", small, code=2)
    assert "exists: give --overwrite" in again.output
    run("models", "compress", "lerf-g", "-o", small, "--overwrite", "--diagonal", "0")
    assert lerf_core.load_bank(small).nbytes < bank.nbytes
    twice = run("models", "compress", small, "-o", tmp_path / "b.safetensors", code=1)
    assert "compressed already" in twice.output
    wide = run("models", "compress", "lerf-g", "-o", tmp_path / "b.safetensors", "--diagonal", "9",
               code=1)  # fmt: skip
    assert "diagonal must be a whole number in 0..8" in wide.output


def test_what_is_no_table_is_not_compressed(run, network, tmp_path):
    result = run("models", "compress", "mine", "-o", tmp_path / "b.safetensors", code=1)
    assert "cannot be compressed: it has no tables" in result.output
    result = run("models", "compress", "lerf-g", "-o", tmp_path / "b.safetensors", "--steps", "2",
                 code=2)  # fmt: skip
    assert "those of --finetune" in result.output


def test_compressed_tables_are_trained_further(run, tmp_path):
    pytest.importorskip("torch")
    noise = np.random.default_rng(0).integers(0, 256, (240, 240, 3), np.uint8)
    (tmp_path / "photos").mkdir()
    Image.fromarray(noise).save(tmp_path / "photos" / "a.png")
    small = tmp_path / "small.safetensors"
    run("models", "compress", "lerf-l", "-o", small, "--finetune", tmp_path / "photos",
        "--steps", "2")  # fmt: skip
    bank = lerf_core.load_bank(small)
    assert bank.diagonal == 2
    assert bank.training["steps"] == 2
    assert bank != lerf_core.load_bank("lerf-l").compressed(2).renamed("small")


# -- fronts -----------------------------------------------------------------------------


def test_published_cascades_are_imported_as_fronts(
    run, tmp_path, own_bank_folder, own_front_folder
):
    cascade = random_cascade(2, interval=16)
    published = tmp_path / "sr_x2"
    published.mkdir()
    for name, table in cascade.tables.items():
        stage, pattern, _ = name.removeprefix("stage").split(".")
        path = published / f"LUT_ft_x2_4bit_int8_s{stage}_{pattern}.npy"
        np.save(path, table.reshape(-1, table.shape[-1]))
    text = run("models", "import", published, "--name", "mulut").output
    assert text.startswith("mulut: front x2, 1.3 MB -> ")
    assert (own_front_folder / "mulut.safetensors").is_file()
    assert not list(own_bank_folder.iterdir())
    front = load_front("mulut")
    assert (front.name, front.scale) == ("mulut", 2)
    for name, table in cascade.tables.items():
        np.testing.assert_array_equal(front.tables[name], table)
    assert "--overwrite" in run("models", "import", published, "--name", "mulut", code=2).output
    # A file of its own, by the same command.
    run("models", "import", own_front_folder / "mulut.safetensors", "--name", "again")
    assert load_front("again").tables.keys() == front.tables.keys()


def test_fronts_are_listed_described_and_compressed(run, tmp_path, own_front_folder):
    front = random_cascade(3)
    front.save(own_front_folder / "mine.safetensors")
    line = next(line for line in run("models").output.splitlines() if line[2:].startswith("mine "))
    assert line.split()[1:3] == ["front", "x3"]
    assert "user" in line
    assert line.endswith("12 + 12 reads of each channel")
    rows = {row["name"]: row for row in json.loads(run("models", "list", "--json").output)}
    assert (rows["mine"]["kind"], rows["mine"]["reach"]) == ("front x3", 4)
    for source in ("mine", own_front_folder / "mine.safetensors"):
        info = json.loads(run("models", "info", source, "--json").output)
        assert (info["checksum"], info["scale"]) == (front.checksum, 3)
    small = tmp_path / "small.safetensors"
    run("models", "compress", "mine", "-o", small)
    made = load_front(small)
    assert made.diagonal == 2
    assert made.nbytes < front.nbytes / 4
    planes = np.arange(90, dtype=np.uint8).reshape(1, 9, 10)
    assert made.enlarge(planes, 1).shape == (1, 27, 30)
    (own_front_folder / "bad.safetensors").write_bytes(b"no front")
    result = run("models", code=1)
    assert "bad.safetensors" in result.stderr
    assert "mine" in result.output


def test_a_cascade_is_exported_and_imported_again(run, tmp_path, own_front_folder):
    path, folder = tmp_path / "c.safetensors", tmp_path / "tables"
    cascade = random_cascade(3)
    cascade.save(path)
    assert run("models", "export", path, folder).output == f"random-x3: 6 files -> {folder}\n"
    assert {file.name for file in folder.iterdir()} == {
        f"LUT_ft_x3_3bit_int8_s{stage}_{pattern}.npy" for stage in (1, 2) for pattern in "sdy"
    }
    assert "holds tables already" in run("models", "export", path, folder, code=2).output
    run("models", "export", path, folder, "--overwrite")
    run("models", "import", folder, "--name", "random-x3")
    again = load_front("random-x3")
    assert (again.stages, again.interval) == (cascade.stages, cascade.interval)
    for name, table in cascade.tables.items():
        np.testing.assert_array_equal(again.tables[name], table)


@pytest.mark.parametrize("form", ["cascade", "network", "torch"])
def test_fronts_say_what_they_cannot(run, tmp_path, form):
    path = tmp_path / f"{form}.safetensors"
    if form == "torch":
        network_of_torch().save(path)
    else:
        make = {"cascade": lambda: random_cascade(2, bias=3), "network": make_random_front}
        make[form]().save(path)
    told = run("models", "inspect", path, "--json", code=1).output
    assert told.count("\n") == 1
    assert f"{path} is a front x2, and pictures are drawn of banks alone" in told
    told = run("models", "export", path, tmp_path / "tables", code=1).output
    assert told.count("\n") == 1
    assert "cannot be exported: the published layout holds" in told
    assert not (tmp_path / "tables").exists()
    if form != "cascade":
        told = run("models", "compress", path, "-o", tmp_path / "o.safetensors", code=1).output
        assert told.count("\n") == 1
        assert "cannot be compressed: it has no tables" in told


def network_of_torch():
    """Return a small network of spandrel's architectures, which enlarges by 2."""
    pytest.importorskip("torch")
    if find_spec("spandrel") is None:  # importing it may need what stands in for torchvision
        pytest.skip("spandrel is not installed")
    from support.networks import front_of

    return front_of("compact")


def test_networks_of_torch(run, tmp_path, own_front_folder):
    front = network_of_torch()
    import torch

    path = tmp_path / "2x_net.pth"
    torch.save({"params_ema": dict(front.weights)}, path)
    told = json.loads(run("models", "info", path, "--json").output)
    assert (told["architecture"], told["scale"], told["purpose"]) == (
        "RealESRGAN Compact", 2, "super-resolution",
    )  # fmt: skip
    assert run("models", "import", path).output.startswith("2x_net: front x2, ")
    again = load_front("2x_net")
    assert again.checksum == front.checksum
    rows = {row["name"]: row for row in json.loads(run("models", "list", "--json").output)}
    row = rows["2x_net"]
    assert (row["kind"], row["reach"], row["reads_colours"]) == ("front", None, None)
    line = next(line for line in run("models").output.splitlines() if line[2:].startswith("2x_"))
    assert line.split()[1] == "front"
    assert line.endswith("a network of torch: lerf models info 2x_net")
    assert "--overwrite" in run("models", "import", path, code=2).output
    path.write_bytes(path.read_bytes()[:-200])
    for words in (("info", path), ("import", path, "--overwrite")):
        told = run("models", *words, code=1).output
        assert told.count("\n") == 1
        assert "its archive cannot be read, or is cut off" in told
    assert load_front("2x_net") is again


def test_the_list_imports_no_torch(tmp_path, own_front_folder):
    network_of_torch().save(own_front_folder / "net.safetensors")
    code = (
        "import sys; from lerf_cli.main import main\n"
        "try: main(['models'])\n"
        "except SystemExit as end: sys.exit(end.code or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
