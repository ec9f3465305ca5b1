"""Files of networks: what is read, and what is refused without running any of it."""

import os
import pickle
import sys
import warnings
import zipfile
from copy import copy
from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if find_spec("spandrel") is None:  # importing it may need what stands in for torchvision
    pytest.skip("spandrel is not installed", allow_module_level=True)

from safetensors.torch import save_file  # noqa: E402
from support.networks import network  # noqa: E402

from lerf_core.errors import FrontError  # noqa: E402
from lerf_core.fronts.loading import load_front  # noqa: E402
from lerf_core.fronts.spandrel import load_network  # noqa: E402
from lerf_core.fronts.spandrel.library import spandrel_library  # noqa: E402


@pytest.fixture(scope="module")
def weights():
    return network("compact").state_dict()


def refused(path, match):
    """Check that a file is refused in one line that names it."""
    with pytest.raises(FrontError, match=match) as caught:
        load_front(path)
    assert str(caught.value).startswith(f"{path} ")
    assert "\n" not in str(caught.value)


def saved(content, path, **keywords):
    torch.save(content, path, **keywords)
    return path


@pytest.mark.parametrize("name", ["n.pth", "n.pt", "n.ckpt", "n.bin", "n"])
def test_weights_of_pytorch(weights, tmp_path, name):
    front = load_front(saved(weights, tmp_path / name))
    assert (front.name, front.scale, front.architecture) == ("n", 2, "RealESRGAN Compact")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: {"params": weights},
        lambda weights: {"params_ema": weights, "params": {}},
        lambda weights: {"state_dict": weights, "epoch": 3},
        lambda weights: {f"module.{name}": value for name, value in weights.items()},
        lambda weights: weights | {"step": 7},
    ],
    ids=["params", "ema", "checkpoint", "prefix", "counts"],
)
@pytest.mark.parametrize("is_zip", [True, False])
def test_wrapped_weights(weights, tmp_path, wrap, is_zip):
    path = saved(wrap(weights), tmp_path / "n.pth", _use_new_zipfile_serialization=is_zip)
    assert load_front(path) == load_front(saved(weights, tmp_path / "plain.pth"))


def test_safetensors_under_any_name(weights, tmp_path):
    for name in ("n.safetensors", "n.pth"):
        save_file(weights, tmp_path / name)
        assert load_front(tmp_path / name) == load_front(saved(weights, tmp_path / "plain.pt"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(weights, tmp_path, dtype):
    other = {name: value.to(dtype) for name, value in weights.items()}
    save_file(other, tmp_path / "n.safetensors")
    planes = np.random.default_rng(0).uniform(0, 255, (3, 9, 9)).astype(np.float32)
    values = load_front(tmp_path / "n.safetensors").enlarge(planes, 1)
    expected = load_front(saved(weights, tmp_path / "n.pth")).enlarge(planes, 1)
    np.testing.assert_allclose(values, expected, atol=5)
    assert values.dtype == np.float32


class Harmful:
    """Makes a file when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("made-by-pickle",)


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("within", [lambda bad: bad, lambda bad: {"a": bad}, lambda bad: [bad]])
def test_code_in_pickles_is_refused_and_not_run(tmp_path, monkeypatch, within, is_zip):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "n.pth"
    saved(within(Harmful()), path, _use_new_zipfile_serialization=is_zip)
    refused(path, r"more than weights \(.*mkdir\), and no code is run")
    assert not (tmp_path / "made-by-pickle").exists()
    torch.load(path, weights_only=False)
    assert (tmp_path / "made-by-pickle").exists()  # it would have


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_pickles_are_refused_and_not_run(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "n.pth"
    path.write_bytes(pickle.dumps({"a": Harmful()}, protocol))
    refused(path, "no code is run|is no network")
    assert not (tmp_path / "made-by-pickle").exists()


def test_pickled_modules_are_refused(tmp_path):
    path = saved(torch.nn.Linear(2, 2), tmp_path / "n.pth")
    refused(path, r"more than weights \(torch.nn.modules.linear.Linear\)")


def test_programs_are_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "n.pt")
    refused(tmp_path / "n.pt", "TorchScript")


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_files_that_are_cut_off(weights, tmp_path, form):
    path = tmp_path / "n.pth"
    if form == "safetensors":
        save_file(weights, path)
    else:
        saved(weights, path, _use_new_zipfile_serialization=form == "zip")
    content = path.read_bytes()
    for share in (0.02, 0.3, 0.7, 0.99):
        path.write_bytes(content[: int(share * len(content))])
        refused(path, "damaged|no code is run|no network")


@pytest.mark.parametrize("name", ["data.pkl", "data/0"])
@pytest.mark.parametrize("way", ["packed", "twice"])
def test_archives_that_unpack_to_more_than_they_are(weights, tmp_path, name, way):
    """Nothing of them is unpacked."""
    path = tmp_path / "n.pth"
    with zipfile.ZipFile(saved(weights, tmp_path / "whole.pth")) as whole:
        members = {member: whole.read(member) for member in whole.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            is_large = member.endswith(f"/{name}") and way == "packed"
            packing = zipfile.ZIP_DEFLATED if is_large else zipfile.ZIP_STORED
            archive.writestr(member, bytes(1 << 20) if is_large else content, packing)
        if way == "twice":  # many names for the same bytes
            first = archive.infolist()[-1]
            for number in range(100):
                other = copy(first)
                other.filename = f"n/{name}{number}"
                other.file_size = 1 << 20
                archive.filelist.append(other)
                archive.NameToInfo[other.filename] = other
            archive._didModify = True
    refused(path, "unpacks to more than itself")


@pytest.mark.parametrize(
    ("form", "match"),
    [
        (lambda value: torch.zeros(1).expand(60000, 60000, 3, 3), "has 32400000000 weights"),
        (lambda value: value.flatten()[:2, None].to_sparse(), "in a form that is not read"),
        (lambda value: value.to("meta"), "in a form that is not read"),
        (lambda value: value.to(torch.complex64), "in a form that is not read"),
    ],
    ids=["one number for all", "sparse", "meta", "complex"],
)
def test_weights_of_other_forms(weights, tmp_path, form, match):
    name = "body.2.weight"
    path = saved({**weights, name: form(weights[name])}, tmp_path / "n.pth")
    refused(path, match)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "pointer of Git LFS"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\n<html><head>", "web page"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "no network"),
        (b"", "empty"),
        (b"PK\x03\x04" + bytes(99), "damaged"),
    ],
)
def test_files_that_are_no_networks(tmp_path, content, match):
    (tmp_path / "n.pth").write_bytes(content)
    refused(tmp_path / "n.pth", match)


def test_archives_of_other_things(tmp_path):
    np.savez(tmp_path / "n.npz", a=np.zeros(3))
    refused(tmp_path / "n.npz", "archive")
    with zipfile.ZipFile(tmp_path / "n.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    refused(tmp_path / "n.zip", "archive")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"weight": torch.zeros(2, 2)}, "no architecture"),
        ({}, "no weights"),
        ([torch.zeros(2)], "no weights"),
        (torch.zeros(2), "no weights"),
        ({3: torch.zeros(2)}, "no weights"),
        ({"params": {3: torch.zeros(2), 4: torch.zeros(2)}}, "no weights"),
        ({"a": 1, "b": "text"}, "no weights"),
    ],
)
def test_weights_of_nothing_known(tmp_path, content, match):
    refused(saved(content, tmp_path / "n.pth"), match)


def test_networks_that_lack_weights(weights, tmp_path):
    lacking = {name: value for name, value in weights.items() if name != "body.2.weight"}
    refused(saved(lacking, tmp_path / "n.pth"), "does not fit|no architecture")


def test_weights_that_are_no_numbers(weights, tmp_path):
    broken = dict(weights)
    broken["body.0.bias"] = torch.full_like(broken["body.0.bias"], torch.nan)
    refused(saved(broken, tmp_path / "n.pth"), "damaged: body.0.bias")


@pytest.mark.parametrize(("read", "given"), [(4, 4), (3, 1), (1, 3), (2, 2)])
def test_other_channels(tmp_path, read, given):
    weights = network("esrgan", in_nc=read, out_nc=given).state_dict()
    path = saved(weights, tmp_path / "n.pth")
    refused(path, f"reads {read} and gives {given} channels|does not fit")


@pytest.mark.parametrize(("purpose", "match"), [("FaceSR", "faces"), ("Inpainting", "mask")])
def test_networks_for_other_purposes(weights, tmp_path, monkeypatch, purpose, match):
    library = spandrel_library()
    made = library.MAIN_REGISTRY.load(dict(weights))
    keywords = {
        "supports_half": True, "supports_bfloat16": True, "input_channels": 3,
        "output_channels": 3, "purpose": purpose, "tags": [],
    }  # fmt: skip
    kind = library.MaskedImageModelDescriptor
    if purpose == "FaceSR":
        kind, keywords["scale"] = library.ImageModelDescriptor, 1
    other = kind(made.model, weights, made.architecture, **keywords)
    monkeypatch.setattr(library.MAIN_REGISTRY, "load", lambda _weights: other)
    refused(saved(weights, tmp_path / "n.pth"), match)


@pytest.mark.parametrize("missing", ["spandrel", "torch"])
def test_the_extra_is_named_where_it_is_missing(weights, tmp_path, monkeypatch, missing):
    path = saved(weights, tmp_path / "n.pth")
    spandrel_library.cache_clear()
    monkeypatch.setitem(sys.modules, missing, None)
    refused(path, r"is a network, and .* pip install 'lerf\[front\]'")
    (tmp_path / "n.txt").write_text("no network at all")
    refused(tmp_path / "n.txt", "no network")
    monkeypatch.undo()
    spandrel_library.cache_clear()


def test_nothing_stands_in_for_torchvision_afterwards():
    spandrel_library()
    for name in ("torchvision", "torchvision.transforms"):
        module = sys.modules.get(name)
        assert module is None or module.__spec__ is not None


def test_devices(weights, tmp_path):
    path = saved(weights, tmp_path / "n.pth")
    assert load_network(path).device == "cpu"
    with pytest.raises(FrontError, match="cannot run on device 'nonsense'"):
        load_network(path, device="nonsense")


def test_networks_that_give_no_numbers(weights, tmp_path):
    wild = {name: value * 1e30 for name, value in weights.items()}
    refused(saved(wild, tmp_path / "n.pth"), "no numbers")
