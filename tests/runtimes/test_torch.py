"""The network in torch: logits of a batch, and what is refused before anything is built from a folder."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.tiny import TAGS, tiny_tagger_folder

from clue_ner.alignment.batch import collate
from clue_ner.alignment.windows import INPUTS
from clue_ner.common.errors import ArtifactError, DeviceError
from clue_ner.common.files import write_checksums
from clue_ner.core import plugins
from clue_ner.runtimes.torch import STATES, TorchRuntime, load_model, model_of
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tagger.model_files import WEIGHTS
from clue_ner.tagger.tagger import TOKENS, Tagger

TEXTS = ["昨天李雷去了上海，招商银行在上海。", "", "我们", "李雷" * 40]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of random weights."""
    return tiny_tagger_folder(tmp_path / "tagger")


def configure(folder: Path, name: str = "config.json", **values: object) -> None:
    """Change values of a JSON file and the checksums, as whoever makes a hostile folder does."""
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")
    write_checksums(folder)


@pytest.mark.parametrize("head", plugins.names(plugins.HEADS))
def test_torch_gives_the_model_s_logits_in_float32(tmp_path: Path, head: str) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", head))
    windows = [window for some in tagger.aligner.windows(TEXTS) for window in some]
    batch = collate(windows, tagger.aligner.tokenizer.pad_id)
    logits = tagger.runtime(batch)
    with torch.no_grad():
        wanted = model_of(tagger)(**{name: torch.from_numpy(batch[name]) for name in INPUTS})
    assert isinstance(logits, np.ndarray)
    assert (logits.dtype, logits.shape[0]) == (np.float32, len(windows))
    assert np.array_equal(logits, wanted.numpy())


FULL = torch.OutOfMemoryError("CUDA out of memory.")


def has_memory_for(model: torch.nn.Module, rows: int, error: RuntimeError = FULL) -> list[int]:
    """Make the network raise ``error`` for more rows at once; returns the rows of all calls."""
    forward, asked = model.forward, list[int]()

    def limited(input_ids: torch.Tensor, *others: Any) -> Any:
        asked.append(len(input_ids))
        if len(input_ids) > rows:
            raise error
        return forward(input_ids, *others)

    model.forward = limited
    return asked


def test_torch_computes_a_batch_that_does_not_fit_in_halves(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    tagger = Tagger.load(folder)
    windows = [window for some in tagger.aligner.windows(["李雷去了上海"] * 7) for window in some]
    batch = collate(windows, tagger.aligner.tokenizer.pad_id)
    wanted = tagger.runtime(batch)
    asked = has_memory_for(model_of(tagger), 2)
    runtime = TorchRuntime(model_of(tagger))
    np.testing.assert_allclose(runtime(batch), wanted, atol=1e-5)
    assert asked == [7, 3, 1, 2, 4, 2, 2]
    (said,) = caplog.messages  # once, though it halved three batches
    assert "cpu: 7 x " in said
    assert runtime._limit.tokens == batch["input_ids"].shape[1]
    has_memory_for(model_of(tagger), 0)
    with pytest.raises(
        DeviceError, match=r"device cpu: its memory is too small for a window of \d+ tokens; end .* it$"
    ):
        runtime(batch)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB, max allowed: 9.07 GB)."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you"),
    ],
)
def test_torch_knows_a_full_memory_by_any_library_s_error(folder: Path, error: RuntimeError) -> None:
    tagger = Tagger.load(folder)
    wanted = tagger.tag(TEXTS)
    asked = has_memory_for(model_of(tagger), 1, error)
    assert tagger.tag(TEXTS) == wanted
    assert max(asked) > 1


def test_torch_does_not_hide_another_error_of_the_network(folder: Path) -> None:
    tagger = Tagger.load(folder)
    has_memory_for(model_of(tagger), 0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        tagger.tag(TEXTS)


def test_torch_names_a_device_that_cannot_compute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch says that mps is here, but cannot use it; on meta it computes, but no result can be read."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    advice = r"device {}: torch cannot compute on it \([^\n]+\); end other processes .* or take device cpu$"
    with pytest.raises(DeviceError, match=advice.format("mps")):
        Tagger.load(folder, device="mps")
    tagger = Tagger.load(folder, device="cpu")
    model_of(tagger).to("meta")
    with pytest.raises(DeviceError, match=advice.format("meta")):
        tagger.tag(TEXTS)


def test_torch_counts_the_memory_that_it_keeps_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training's torch keeps nearly all of a card, and uses a part of what it keeps."""

    class OnCard(torch.nn.Module):
        encoder = SimpleNamespace(config=SimpleNamespace(hidden_size=768))

        def parameters(self, recurse: bool = True) -> Iterator[Any]:
            yield SimpleNamespace(device=torch.device("cuda:1"))

    memory = {"mem_get_info": (10**8, 8 * 10**10), "memory_reserved": 7 * 10**10, "memory_allocated": 10**10}
    for name, found in memory.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, found=found: {torch.device("cuda:1"): found}[device])
    model: Any = OnCard()
    free = 10**8 + 6 * 10**10
    assert TorchRuntime(model).batch_tokens == free / 2 / (4 * STATES * 768)


def test_torch_in_bf16_gives_float32_logits_that_are_close(folder: Path) -> None:
    tagger = Tagger.load(folder)
    windows = [window for some in tagger.aligner.windows(TEXTS) for window in some]
    batch = collate(windows, tagger.aligner.tokenizer.pad_id)
    exact, reduced = tagger.runtime(batch), TorchRuntime(model_of(tagger), torch.bfloat16)(batch)
    assert reduced.dtype == np.float32
    assert not np.array_equal(exact, reduced)
    np.testing.assert_allclose(reduced, exact, atol=0.1)


def test_torch_is_in_eval_mode_and_records_no_gradient(folder: Path) -> None:
    model = load_model(folder, TaggerConfig.load(folder)).train()
    runtime = TorchRuntime(model)
    assert not model.training
    tagger = Tagger.load(folder).using(runtime)
    assert tagger.tag(TEXTS) == Tagger.load(folder).tag(TEXTS)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model_of(tagger) is model


def test_torch_batches_are_full_by_tokens_on_a_cpu(folder: Path) -> None:
    assert Tagger.load(folder).runtime.batch_tokens == TOKENS


def test_torch_model_is_that_of_the_folder(folder: Path) -> None:
    state = load_model(folder, TaggerConfig.load(folder)).state_dict()
    stored = load_file(folder / WEIGHTS)
    assert state.keys() == stored.keys()
    assert all(torch.equal(state[name], stored[name]) for name in stored)


def test_torch_decoder_reads_the_head_s_own_weights(folder: Path) -> None:
    tagger = Tagger.load(folder)
    head = model_of(tagger).head
    assert tagger.weights.keys() == {"transitions", "start", "end"}
    assert all(np.array_equal(tagger.weights[name], getattr(head, name).detach().numpy()) for name in tagger.weights)


def test_torch_says_that_weights_are_of_another_shape(tmp_path: Path, folder: Path) -> None:
    other = tiny_tagger_folder(tmp_path / "other", types=("name",))
    (folder / WEIGHTS).write_bytes((other / WEIGHTS).read_bytes())
    write_checksums(folder)
    with pytest.raises(ArtifactError, match=r"model\.safetensors: not the weights that tagger\.json describes \("):
        Tagger.load(folder)


@pytest.mark.parametrize("name", ["head.linear.bias", "head.transitions", "encoder.embeddings.word_embeddings.weight"])
def test_torch_says_that_weights_are_missing(folder: Path, name: str) -> None:
    state = load_file(folder / WEIGHTS)
    del state[name]
    save_file(state, folder / WEIGHTS)
    write_checksums(folder)
    with pytest.raises(ArtifactError, match=rf"(?s)model\.safetensors: not the weights that .*{name}"):
        Tagger.load(folder)


def _no_safetensors(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"\x80\x04K\x01.")  # a pickle
    write_checksums(folder)


def _no_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    write_checksums(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_no_safetensors, "header"),
        (_no_config, r"config\.json"),
        (lambda f: configure(f, auto_map={"AutoModel": "modeling.Model"}), r"config\.json has auto_map"),
        (
            lambda f: configure(f, "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Own", None]}),
            r"tokenizer_config\.json has auto_map",
        ),
        (lambda f: configure(f, _attn_implementation="someone/kernel"), "'someone/kernel', a repository with code"),
        (lambda f: configure(f, model_type="unheard-of"), "unheard-of"),
        (
            lambda f: configure(f, num_hidden_layers=10**9),
            r"num_hidden_layers is 1000000000, but the weights have only \d+",
        ),
        (lambda f: configure(f, vocab_size=10**11), r"config\.json describes \d+ weights, but the files have \d+"),
        (lambda f: configure(f, hidden_size="wide"), ""),
    ],
    ids=["pickle", "no config", "code", "tokenizer code", "kernel", "kind", "layers", "vocabulary", "type"],
)
def test_torch_builds_nothing_from_a_hostile_folder(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder)
    refused = rf"(?s)tagger(: the model cannot be built \(|/checksums).*{message}.*; (in|fetch it again, or)"
    with pytest.raises(ArtifactError, match=refused):
        Tagger.load(folder)


def test_torch_threads_are_those_of_the_process(tmp_path: Path) -> None:
    folder, before = tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS), torch.get_num_threads()
    try:
        Tagger.load(folder, threads=before + 1)
        assert torch.get_num_threads() == before + 1
        Tagger.load(folder)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
