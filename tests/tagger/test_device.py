"""Names of devices, and the message about a GPU that nothing uses."""

from pathlib import Path

import pytest
from support.tiny import TAGS, tiny_tagger_folder

from clue_ner.common.errors import DeviceError
from clue_ner.tagger import device
from clue_ner.tagger.tagger import Tagger


@pytest.mark.parametrize("name", ["auto", "cpu", "mps", "cuda", "cuda:0", "cuda:12"])
def test_device_names(name: str) -> None:
    device.check(name)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:1 ", "CPU", "cpu:0", None, 0])
def test_device_refuses_other_names(name: str) -> None:
    with pytest.raises(ValueError, match="wanted auto, cpu, cuda, cuda:N or mps"):
        device.check(name)


def test_device_of_a_gpu_that_is_not_used_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(device, "NVIDIA", tmp_path / "nvidiactl")
    assert device.unused_gpu("cpu") is None
    (tmp_path / "nvidiactl").touch()
    assert "this machine has an NVIDIA GPU, but the CPU computes" in str(device.unused_gpu("cpu"))
    assert device.unused_gpu("cuda:0") is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device.unused_gpu("cpu") is None


def test_tagger_knows_its_device_and_takes_it_along(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS))
    assert tagger.source is not None
    assert (tagger.source.device, tagger.runtime.device) == ("cpu", "cpu")
    assert tagger.__reduce__()[1][-1] == "cpu"


def test_tagger_refuses_devices_that_are_no_names_or_not_here(tmp_path: Path) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS)
    with pytest.raises(ValueError, match="device 'gpu': wanted"):
        Tagger.load(folder, device="gpu")
    with pytest.raises(DeviceError, match=r"^device cuda: torch .*, or take device cpu$"):
        Tagger.load(folder, device="cuda")
