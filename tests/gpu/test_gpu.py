"""On an NVIDIA card: what is computed there is what the CPU computes, and a full memory is no end."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.commands import TEXT, elsewhere, found, records, run
from support.fine_tune_stage import command
from support.graphs import write_graphs
from support.light import BLOCK, python
from support.serving import served
from support.tiny import TAGS, tiny_tagger_folder

from clue_ner.alignment.batch import collate
from clue_ner.common.errors import DeviceError
from clue_ner.network import device
from clue_ner.runtimes._onnxruntime import has_cuda
from clue_ner.runtimes.torch import TorchRuntime
from clue_ner.tagger.tagger import Tagger

__all__ = ["elsewhere"]
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no NVIDIA card here"),
]
onnx_on_card = pytest.mark.skipif(not has_cuda(), reason="no CUDA in this ONNX Runtime: onnxruntime-gpu has it")
TEXTS = [TEXT, "", "我们", "李雷" * 40, *(f"昨天{'李雷' * n}去了上海" for n in range(60))]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as models/export, with both graphs."""
    folder = tmp_path_factory.mktemp("export")
    tiny_tagger_folder(folder / "tagger", lexicon=TAGS)
    write_graphs(Tagger.load(folder / "tagger", device="cpu"), folder)
    return folder


@pytest.fixture
def little_memory() -> Iterator[None]:
    """torch may use 32 MB of the card, whatever is free."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2**25 / torch.cuda.mem_get_info()[1])
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def places(tagger: Tagger, texts: list[str]) -> list[list[tuple[int, int, str]]]:
    return [[(e.start, e.end, e.type) for e in entities] for entities in tagger.tag(texts)]


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:0"])
def test_gpu_computes_in_16_bits_what_the_cpu_computes(export: Path, name: str) -> None:
    tagger, on_cpu = (Tagger.load(export, "torch", device=place) for place in (name, "cpu"))
    assert isinstance(tagger.runtime, TorchRuntime)
    assert (tagger.runtime.device, on_cpu.runtime.device) == ("cuda:0", "cpu")
    assert tagger.runtime.device_name == f"cuda:0, {torch.cuda.get_device_name(0)}"
    assert tagger.runtime.dtype in (torch.bfloat16, torch.float16)
    assert places(tagger, TEXTS) == places(on_cpu, TEXTS)
    windows = [window for of_text in tagger.aligner.windows(TEXTS) for window in of_text]
    batch = collate(windows, tagger.aligner.tokenizer.pad_id)
    np.testing.assert_allclose(tagger.runtime(batch), on_cpu.runtime(batch), rtol=0.02, atol=0.1)


def test_gpu_does_not_plan_attention_for_each_shape(export: Path) -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    Tagger.load(export, "torch", device="cuda")
    assert not torch.backends.cuda.cudnn_sdp_enabled()


def test_gpu_that_is_not_there_is_refused(export: Path) -> None:
    count = torch.cuda.device_count()
    with pytest.raises(DeviceError, match=rf"device cuda:{count}: found cuda:0 to cuda:{count - 1}; name one"):
        Tagger.load(export, "torch", device=f"cuda:{count}")


@pytest.mark.usefixtures("little_memory")
def test_gpu_that_is_full_computes_batches_in_halves(export: Path, caplog: pytest.LogCaptureFixture) -> None:
    tagger, texts = Tagger.load(export, "torch", device="cuda"), ["李雷去了上海" * 4] * 20_000
    before = tagger.runtime.batch_tokens
    (wanted,) = places(Tagger.load(export, "torch", device="cpu"), texts[:1])
    assert all([(e.start, e.end, e.type) for e in r.entities] == wanted for r in tagger.read(texts, len(texts)))
    assert tagger.runtime.batch_tokens < before
    assert caplog.text.count("later batches are smaller") == 1


def test_gpu_without_any_memory_is_said(export: Path, little_memory: None) -> None:
    wide = tiny_tagger_folder(export / "wide", window=512, overlap=8)
    tagger = Tagger.load(wide, "torch", device="cuda")
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-6)
    with pytest.raises(DeviceError, match="device cuda:0: its memory is too small for a window of 512 tokens; end"):
        tagger.tag(["李雷" * 2000])


@onnx_on_card
def test_gpu_computes_the_graph_too(export: Path) -> None:
    tagger, on_cpu = (Tagger.load(export, "onnx", device=place) for place in ("cuda", "cpu"))
    assert (tagger.runtime.device, on_cpu.runtime.device) == ("cuda:0", "cpu")
    assert places(tagger, TEXTS) == places(on_cpu, TEXTS)
    chosen = Tagger.load(export).source
    assert chosen is not None
    assert (chosen.runtime, chosen.device) == ("onnx", "cuda:0")


@onnx_on_card
def test_gpu_computes_the_graph_where_there_is_no_torch(export: Path) -> None:
    code = f"""
from clue_ner import Tagger

tagger = Tagger.load({str(export)!r}, "onnx", device="cuda")
print(tagger.runtime.device, [(e.start, e.end) for e in tagger.tag([{TEXT!r}])[0]])
"""
    done = python(BLOCK + code)
    assert (done.returncode, done.stdout) == (0, "cuda:0 [(0, 2), (5, 7), (8, 12), (12, 13)]\n"), done.stderr


def test_gpu_trains_a_model_that_the_cpu_reads(fine_tune_inputs: Callable[..., Path]) -> None:
    root = fine_tune_inputs("on-card", precision="auto", attention="auto", epochs=4, ema_decay=0.9, r_drop=1.0)
    done = subprocess.run(**command(root), capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert f"training on cuda, {torch.cuda.get_device_name()}, " in done.stderr
    assert "16, sdpa attention" in done.stderr
    taggers: list[Any] = [Tagger.load(root / "models/tagger", "torch", device=place) for place in ("cuda", "cpu")]
    assert len(taggers[0].tag(["王德发在北京"])) == len(taggers[1].tag(["王德发在北京"])) == 1


def test_gpu_is_said_by_the_commands(export: Path, tmp_path: Path) -> None:
    card = f"cuda:0, {torch.cuda.get_device_name(0)}"
    tagged = run("tag", "--model", export, "--runtime", "torch", "--device", "cuda", content=f"{TEXT}\n")
    assert tagged.stderr == f"model: {export}, runtime torch on cuda:0\n"
    (record,) = records(tagged)
    gold = tmp_path / "gold.jsonl"
    gold.write_bytes(tagged.stdout_bytes)
    scored = run("evaluate", export, gold, "--runtime", "torch", "--device", "cuda", "--json")
    assert scored.exit_code == 0, scored.output
    assert json.loads(scored.stdout)["device"] == card
    assert len(found(record)) == 4


def test_gpu_serves(export: Path, tmp_path: Path) -> None:
    with served("--model", export, "--runtime", "torch", "--device", "cuda", folder=tmp_path) as server:
        answers = server.at_once([{"text": text} for text in TEXTS])
        model = server.ask("/model").json
        assert model["device"].startswith("cuda:0")
        assert server.stop() == 0
    on_cpu = places(Tagger.load(export, "torch", device="cpu"), TEXTS)
    for answer, wanted in zip(answers, on_cpu, strict=True):
        (result,) = answer.json["results"]
        assert [(e["start"], e["end"], e["type"]) for e in result["entities"]] == wanted


def test_gpu_s_name_is_in_the_record() -> None:
    assert device.described(torch.device("cuda:0")) == f"cuda:0, {torch.cuda.get_device_name(0)}"
    assert device.kind() == "cuda"
