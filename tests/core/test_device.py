"""Names of devices, and the message about a GPU that nothing uses."""

from pathlib import Path

import pytest

from clue_ner.core import device


@pytest.mark.parametrize("name", ["auto", "cpu", "mps", "cuda", "cuda:0", "cuda:12"])
def test_device_names(name: str) -> None:
    assert device.check(name) == name


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
