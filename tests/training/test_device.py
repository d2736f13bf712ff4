"""The device of a training: what is chosen for it, and that trainings of one repository take turns on it.

The turns are a lock that dies with its holder.
"""

import logging
import multiprocessing
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.architectures import architecture
from support.trainings import change
from torch import nn

from clue_ner.common.errors import ParamsError
from clue_ner.core.params import TrainParams
from clue_ner.network.encoder import load_encoder
from clue_ner.training import device
from clue_ner.training.dropout import ByteDropout


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """``start(name, core)``: a process that takes its turn on that core or on all, touches ``name``, and ends.

    The one called ``first`` sleeps instead of ending.
    """
    context = multiprocessing.get_context("fork")
    started = []

    def body(name: str, core: int | None) -> None:
        torch.cuda.is_available = lambda: False
        device.logger.handlers = [logging.FileHandler(tmp_path / f"{name}.log")]
        device.logger.setLevel(logging.INFO)
        device.logger.disabled = False  # whatever tests before have done to loggers
        if core is not None:
            os.sched_setaffinity(0, {core})
        with device.turn(tmp_path):
            (tmp_path / name).touch()
            time.sleep(600 if name == "first" else 0)

    def run(name: str, core: int | None = None) -> Any:
        started.append(context.Process(target=body, args=(name, core)))
        started[-1].start()
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.join()


def wait_for(condition: Callable[[], bool], process: Any) -> None:
    while not condition():
        assert process.is_alive()
        time.sleep(0.01)


@pytest.mark.timeout(60)
def test_device_has_one_training_at_a_time_and_is_free_after_a_kill(tmp_path: Path, start: Any) -> None:
    first = start("first")
    wait_for((tmp_path / "first").exists, first)
    second = start("second")
    log = tmp_path / "second.log"
    wait_for(lambda: log.exists() and "waiting for its end" in log.read_text(), second)
    assert not (tmp_path / "second").exists()
    first.kill()
    second.join(60)
    assert second.exitcode == 0
    assert (tmp_path / "second").exists()


@pytest.mark.timeout(60)
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_device_of_other_cores_is_another(tmp_path: Path, start: Any) -> None:
    one, other, *_ = sorted(os.sched_getaffinity(0))
    first = start("first", one)
    wait_for((tmp_path / "first").exists, first)
    second = start("second", other)
    second.join(60)
    assert second.exitcode == 0


# --- choices


@pytest.mark.parametrize(
    ("gpu", "bf16", "chosen"),
    [(False, False, "float32"), (False, True, "bf16"), (True, True, "bf16"), (True, False, "fp16")],
)
def test_device_chooses_the_number_format_it_computes(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, bf16: bool, chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(device, "has_bf16", lambda: bf16)
    assert device.number_format("auto") == chosen
    assert device.number_format("float32") == "float32"
    for wanted, there in (("bf16", bf16), ("fp16", gpu)):
        if there:
            assert device.number_format(wanted) == wanted
        else:
            with pytest.raises(ParamsError, match=rf"train\.precision: {wanted}, .*wanted auto or .*float32"):
                device.number_format(wanted)


def test_device_takes_float32_for_an_encoder_that_has_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, params: TrainParams
) -> None:
    monkeypatch.setattr(device, "has_bf16", lambda: True)
    for kind, chosen in (("bert", "bf16"), ("deberta", "float32"), ("deberta-v2", "bf16"), ("electra", "bf16")):
        backbone = architecture(tmp_path / kind, kind)
        encoder = load_encoder(backbone)
        assert [device.number_format(wanted, encoder) for wanted in ("auto", "float32")] == [chosen, "float32"]
        assert f", {chosen}, " in device.describe(change(params, precision="auto"), encoder)
        if chosen == "float32":
            with pytest.raises(ParamsError, match=rf"train\.precision: bf16, which {kind} .*; wanted auto or float32"):
                device.number_format("bf16", encoder)


def test_device_chooses_the_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    for gpu, chosen in ((True, "sdpa"), (False, "eager")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        found = [device.attention(wanted, ("sdpa", "eager")) for wanted in ("auto", "sdpa", "eager")]
        assert found == [chosen, "sdpa", "eager"]


def test_device_falls_back_to_the_attention_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for gpu in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert [device.attention(wanted, ("eager",)) for wanted in ("auto", "eager")] == ["eager", "eager"]
        with pytest.raises(ParamsError, match=r"train\.attention: sdpa, which .*; wanted auto or eager"):
            device.attention("sdpa", ("eager",))


def test_device_is_described_by_what_was_chosen(params: TrainParams, tmp_path: Path) -> None:
    bert, deberta = (architecture(tmp_path / kind, kind) for kind in ("bert", "deberta"))
    for backbone, asked, used in ((bert, "sdpa", "sdpa"), (bert, "eager", "eager"), (deberta, "auto", "eager")):
        described = device.describe(
            change(params, precision="float32", attention=asked, processes=2), load_encoder(backbone)
        )
        assert re.fullmatch(rf"(cpu, \d+ threads|cuda, .+), float32, {used} attention, 2 processes", described)


def test_training_on_a_cpu_uses_byte_dropout_and_bf16_states(setting: Any) -> None:
    made = setting("crf", "characters")
    model = made.model()
    device.suit(model, model.encoder)
    assert {type(m) for m in model.modules() if isinstance(m, nn.Dropout)} == {ByteDropout}
    ids = torch.tensor([made.examples[0].input_ids])
    for autocast, expected in ((True, torch.bfloat16), (False, torch.float32)):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            assert model.encoder(input_ids=ids).last_hidden_state.dtype == expected


def test_device_of_a_mac_is_its_gpu_in_float32(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, params: TrainParams
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert (device.kind(), device.number_format("auto"), device.has_bf16()) == ("mps", "float32", False)
    assert device.attention("auto", ("sdpa", "eager")) == "sdpa"
    encoder = load_encoder(architecture(tmp_path, "bert"))
    assert (
        device.describe(change(params, precision="auto", attention="auto"), encoder) == "mps, float32, sdpa attention"
    )
    assert device.slowness(change(params, precision="auto")) is None
    with device.turn(tmp_path):
        assert [path.name for path in (tmp_path / ".checkpoints").iterdir()] == ["mps.lock"]


@pytest.mark.parametrize(
    ("bf16", "precision", "slow"), [(False, "auto", True), (True, "auto", False), (False, "float32", False)]
)
def test_device_says_why_training_is_slow_and_what_is_shorter(
    monkeypatch: pytest.MonkeyPatch, params: TrainParams, bf16: bool, precision: str, slow: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device, "has_bf16", lambda: bf16)
    said = device.slowness(change(params, precision=precision))
    assert (said is not None and "`clue-ner recipe` lists shorter recipes" in said) is slow
