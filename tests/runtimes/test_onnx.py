"""ONNX Runtime with the graphs of models/export, float32 and int8."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnxruntime.capi import onnxruntime_pybind11_state
from support.damage import flip
from support.graphs import write_graphs
from support.light import BLOCK, python
from support.tiny import TAGS, tiny_tagger_folder

from clue_ner.common.errors import ArtifactError, DeviceError
from clue_ner.common.files import write_checksums
from clue_ner.core import plugins
from clue_ner.runtimes import _onnxruntime
from clue_ner.runtimes._onnxruntime import OnnxRuntime, default_threads
from clue_ner.tagger.model_files import GRAPHS
from clue_ner.tagger.tagger import RUNTIMES, Tagger

TEXTS = ["昨天李雷去了上海，招商银行在上海。", "", "我们", "李雷" * 40]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as models/export, with both graphs."""
    folder = tmp_path_factory.mktemp("export")
    write_graphs(Tagger.load(tiny_tagger_folder(folder / "tagger", lexicon=TAGS)), folder)
    return folder


def test_runtimes_are_found_by_name() -> None:
    assert plugins.names(RUNTIMES) == ["int8", "onnx", "torch"]
    assert set(GRAPHS) == {"int8", "onnx"}


def test_runtime_auto_is_float32_where_there_is_its_graph(export: Path, tmp_path: Path) -> None:
    found = Tagger.load(export)
    assert found.source is not None
    assert (found.source.folder, found.source.runtime) == (export / "tagger", "onnx")
    assert isinstance(found.runtime, OnnxRuntime)
    for place in ("tagger", "onnx"):
        shutil.copytree(export / place, tmp_path / place)
    (tmp_path / "onnx" / GRAPHS["onnx"]).unlink()
    without = Tagger.load(tmp_path)
    assert without.source is not None
    assert without.source.runtime == "torch"
    assert without.tag(TEXTS) == found.tag(TEXTS)


@pytest.mark.parametrize("runtime", GRAPHS)
def test_runtime_of_a_graph_compares_only_the_files_that_it_uses(export: Path, tmp_path: Path, runtime: str) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger", "softmax", lexicon=TAGS)
    write_graphs(Tagger.load(folder), tmp_path)
    flip(folder / "model.safetensors")
    assert Tagger.load(tmp_path, runtime).tag(TEXTS) == Tagger.load(export).tag(TEXTS)
    with pytest.raises(ArtifactError, match=r"model\.safetensors: damaged"):
        Tagger.load(tmp_path, "torch")
    flip(folder / "tokenizer.json")
    with pytest.raises(ArtifactError, match=r"tokenizer\.json: damaged"):
        Tagger.load(tmp_path, runtime)


@pytest.mark.parametrize("runtime", plugins.names(RUNTIMES))
def test_runtime_gives_the_same_entities_for_either_folder(export: Path, runtime: str) -> None:
    wanted = Tagger.load(export, "torch").tag(TEXTS)
    assert sum(map(len, wanted)) > 40
    for folder in (export, export / "tagger"):
        assert Tagger.load(folder, runtime=runtime, threads=1).tag(TEXTS) == wanted


@pytest.mark.parametrize("runtime", GRAPHS)
def test_runtime_of_a_graph_tags_where_there_is_no_torch(export: Path, runtime: str) -> None:
    code = f"""
from clue_ner import Tagger

tagger = Tagger.load({str(export)!r}, {runtime!r}, threads=1)
for found in tagger.tag({TEXTS!r}):
    print(*((e.start, e.end, e.type) for e in found), sep="|")
print(*(name for name in sys.modules if name.partition(".")[0] in HEAVY))
"""
    done = python(BLOCK + code)
    assert done.returncode == 0, done.stderr
    by_torch = Tagger.load(export, "torch").tag(TEXTS)
    wanted = ["|".join(str((e.start, e.end, e.type)) for e in found) for found in by_torch]
    assert done.stdout.splitlines() == [*wanted, ""]


def test_runtime_threads_of_a_graph_are_not_those_of_torch(export: Path) -> None:
    before = torch.get_num_threads()
    Tagger.load(export, runtime="onnx", threads=before + 2)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("value", "wanted"), [("3", 3), ("1", 1), ("0", None), ("", None), ("many", None)])
def test_runtime_threads_are_those_of_the_environment_or_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, value: str, wanted: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert default_threads() == (wanted or len(os.sched_getaffinity(0)))
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert default_threads() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("runtime", GRAPHS)
def test_runtime_refuses_a_model_without_its_graph(tmp_path: Path, runtime: str) -> None:
    folder = tiny_tagger_folder(tmp_path / "models/tagger", lexicon=TAGS)
    message = rf"no onnx/{GRAPHS[runtime]} in this model, .* has files for: torch; take one .*or name models/export"
    with pytest.raises(ArtifactError, match=message):
        Tagger.load(folder, runtime=runtime)


def test_runtime_refuses_a_damaged_graph(tmp_path: Path) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS)
    write_graphs(Tagger.load(folder), tmp_path)
    flip(tmp_path / "onnx/model.int8.onnx")
    with pytest.raises(ArtifactError, match=r"model\.int8\.onnx: damaged .*fetch it again"):
        Tagger.load(tmp_path, runtime="int8")
    assert Tagger.load(tmp_path, runtime="onnx").tag(TEXTS) == Tagger.load(folder).tag(TEXTS)


def test_runtime_refuses_what_is_no_graph(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"model\.onnx: no such file; set export\.onnx to true and run `dvc repro"):
        OnnxRuntime(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ArtifactError, match=r"model\.onnx: not a usable ONNX graph \(.*\); run `dvc repro export`"):
        OnnxRuntime(tmp_path / "model.onnx")


def test_runtime_of_a_graph_refuses_weights_that_the_decoder_cannot_read(export: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS)
    (tmp_path / "onnx").symlink_to(export / "onnx")
    whole = load_file(folder / "model.safetensors")
    for change, message in (
        ({"head.start": whole["head.start"][:2]}, r"weights of head crf: start is \(2,\), wanted \(7,\)"),
        ({"head.start": None}, r"model\.safetensors: not the weights of a head crf \(.*head\.start"),
    ):
        state = {name: value for name, value in (whole | change).items() if value is not None}
        save_file({name: np.ascontiguousarray(value) for name, value in state.items()}, folder / "model.safetensors")
        write_checksums(folder)
        with pytest.raises(ArtifactError, match=message):
            Tagger.load(folder, runtime="onnx")


def test_runtime_unknown_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="runtime 'tensorrt': there are auto, int8, onnx, torch"):
        Tagger.load(tmp_path, runtime="tensorrt")


def test_runtime_refuses_devices_that_it_does_not_compute_on(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cuda", "mps"):
        with pytest.raises(DeviceError, match=f"device {name}: runtime int8 computes on the CPU only; take"):
            Tagger.load(export, runtime="int8", device=name)
    with pytest.raises(DeviceError, match="device mps: runtime onnx computes on cpu and cuda; take runtime torch"):
        Tagger.load(export, runtime="onnx", device="mps")
    with pytest.raises(DeviceError, match="device cuda:1: the installed onnxruntime has no CUDA; install"):
        Tagger.load(export, runtime="onnx", device="cuda:1")
    with pytest.raises(DeviceError, match="device cuda: torch "):  # auto: the only runtime that can have CUDA here
        Tagger.load(export, device="cuda")


def test_runtime_does_not_fall_back_to_the_cpu_silently(
    export: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A build of ONNX Runtime with CUDA, on a machine whose driver or libraries are missing: the session has none."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [_onnxruntime.CUDA, "CPUExecutionProvider"])
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(DeviceError, match="device cuda: ONNX Runtime cannot use it"),
    ):
        Tagger.load(export, device="cuda")
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        tagger = Tagger.load(export, runtime="onnx")
    assert tagger.runtime.device == "cpu"
    assert "ONNX Runtime has CUDA but cannot use it (its log above says why; " in caplog.text


class Computing:
    """What computes in a session; it raises ``failure`` for more than ``rows`` rows at once."""

    def __init__(self, session: Any, failure: Exception | None, rows: int) -> None:
        self.session, self.failure, self.rows = session, failure, rows

    def run(self, names: list[str], inputs: dict[str, Any], options: Any) -> Any:
        if self.failure is not None and len(inputs["input_ids"]) > self.rows:
            raise self.failure
        return self.session.run(names, inputs, options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)


class Card(onnxruntime.InferenceSession):  # type: ignore[misc]
    """ONNX Runtime's own session on a card that computes as the CPU does, until ``failure``, or not at all."""

    broken: Exception | None = None
    failure: Exception | None = None
    rows = 0

    def _create_inference_session(self, providers: Any, options: Any, *others: Any) -> None:
        on_card = isinstance(providers[0], tuple)
        self.number = providers[0][1]["device_id"] if on_card else None
        if on_card and self.broken is not None:
            raise self.broken
        super()._create_inference_session(["CPUExecutionProvider"], options, *others)
        self._fallback_providers = ["CPUExecutionProvider"]
        if on_card:
            self._sess = Computing(self._sess, self.failure, self.rows)
            self._providers = [_onnxruntime.CUDA, "CPUExecutionProvider"]


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> type[Card]:
    """The card of a build of ONNX Runtime with CUDA."""

    class Own(Card):
        pass

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [_onnxruntime.CUDA, "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Own)
    return Own


def test_runtime_computes_on_the_card_that_is_named(export: Path, card: type[Card]) -> None:
    wanted = Tagger.load(export, "onnx", device="cpu").tag(TEXTS)
    for asked, number in (("auto", 0), ("cuda", 0), ("cuda:1", 1)):
        tagger = Tagger.load(export, device=asked)
        assert tagger.source is not None
        assert (tagger.source.runtime, tagger.source.device) == ("onnx", f"cuda:{number}")
        assert isinstance(tagger.runtime, OnnxRuntime)
        assert tagger.runtime._session.number == number
        assert tagger.tag(TEXTS) == wanted


def test_runtime_loads_the_libraries_of_nvidia_s_packages(
    export: Path, card: type[Card], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And leaves standard output, which has the entities, to itself."""
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: sys.stdout.write("Failed to load libcublas.so.13\n"))
    Tagger.load(export, "onnx", device="cpu")
    assert capsys.readouterr() == ("", "")
    Tagger.load(export, device="cuda")
    assert capsys.readouterr() == ("", "Failed to load libcublas.so.13\n")


def test_runtime_names_a_card_that_is_not_there_and_leaves_standard_output_alone(
    export: Path, card: type[Card], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    card.broken = RuntimeError("CUDA failure 101: invalid device ordinal\nmore")
    with pytest.raises(DeviceError, match=r"^device cuda:5: ONNX Runtime cannot use it \(CUDA failure 101: inv[^\n]*$"):
        Tagger.load(export, device="cuda:5")
    assert Tagger.load(export, "onnx").runtime.device == "cpu"
    assert "cannot use it (CUDA failure 101: invalid device ordinal), so the CPU computes" in caplog.text
    assert capsys.readouterr().out == ""


def test_runtime_says_that_a_graph_is_damaged_on_a_card_too(tmp_path: Path, card: type[Card]) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ArtifactError, match="not a usable ONNX graph"):
        OnnxRuntime(tmp_path / "model.onnx", device="cuda")


def test_runtime_does_not_leave_a_card_that_fails_silently(
    export: Path, card: type[Card], capsys: pytest.CaptureFixture[str]
) -> None:
    card.failure = onnxruntime_pybind11_state.EPFail("CUDA failure 700: an illegal memory access")
    tagger = Tagger.load(export, device="cuda")
    with pytest.raises(DeviceError, match=r"device cuda:0: ONNX Runtime failed \(CUDA failure 700.*or device cpu$"):
        tagger.tag(TEXTS)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "message",
    [
        "Failed to allocate memory for requested buffer of size 1024",
        "CUDA failure 2: out of memory ; GPU=0",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
    ],
)
def test_runtime_computes_what_does_not_fit_the_card_in_halves(
    export: Path, card: type[Card], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = Tagger.load(export, "onnx", device="cpu").tag(TEXTS)
    card.failure, card.rows = onnxruntime_pybind11_state.Fail(message), 1
    tagger = Tagger.load(export, device="cuda")
    assert tagger.tag(TEXTS) == wanted
    assert "later batches are smaller" in caplog.text
    card.rows = 0
    with pytest.raises(DeviceError, match="device cuda:0: its memory is too small for a window of"):
        Tagger.load(export, device="cuda").tag(TEXTS)
