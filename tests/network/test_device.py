"""The devices that torch has here: which one ``auto`` is, and which names are refused."""

import pytest
import torch

from clue_ner.common.errors import DeviceError
from clue_ner.network import device


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch says on a machine with two cards."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("two_cards")
@pytest.mark.parametrize(
    ("name", "found"), [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("cpu", "cpu")]
)
def test_device_with_cards(name: str, found: str) -> None:
    assert str(device.find(name)) == found


@pytest.mark.usefixtures("two_cards")
def test_device_refuses_a_card_that_is_not_there() -> None:
    with pytest.raises(DeviceError, match=r"^device cuda:2: found cuda:0 to cuda:1; name one of these, or cuda$"):
        device.find("cuda:2")


@pytest.mark.usefixtures("two_cards")
def test_device_is_described_with_the_card_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = {torch.device("cuda:0"): "NVIDIA A10", torch.device("cuda:1"): "NVIDIA H100"}
    monkeypatch.setattr(torch.cuda, "get_device_name", cards.__getitem__)
    assert device.described(device.find("cuda:1")) == "cuda:1, NVIDIA H100"
    assert device.described(device.find("cuda")) == "cuda:0, NVIDIA A10"
    assert device.described(device.find("cpu")) == "cpu"


def test_device_without_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert str(device.find("auto")) == "cpu"
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(DeviceError, match="is a build without CUDA; install one with it"):
        device.find("cuda")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(DeviceError, match="finds no card; `nvidia-smi` shows cards and their driver, or take"):
        device.find("cuda:0")
    with pytest.raises(DeviceError, match="device mps: torch finds no GPU of a Mac"):
        device.find("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert str(device.find("auto")) == str(device.find("mps")) == "mps"
