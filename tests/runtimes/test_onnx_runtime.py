"""Where logits come from: torch, or a graph of models/export."""

from pathlib import Path

import pytest
import torch
from support.damage import flip
from support.tiny import TAGS, tiny_tagger_folder

from clue_ner.common.errors import ArtifactError
from clue_ner.exporting import onnx
from clue_ner.runtimes.onnx import GRAPHS, RUNTIMES
from clue_ner.tagger.tagger import Tagger

TEXTS = ["昨天李雷去了上海，招商银行在上海。", "", "我们", "李雷" * 40]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as models/export, with both graphs."""
    folder = tmp_path_factory.mktemp("export")
    onnx.write(Tagger.load(tiny_tagger_folder(folder / "tagger", lexicon=TAGS)).model, folder / "onnx")
    return folder


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_runtime_gives_the_same_entities_for_either_folder(export: Path, runtime: str) -> None:
    wanted = Tagger.load(export).tag(TEXTS)
    assert sum(map(len, wanted)) > 40
    for folder in (export, export / "tagger"):
        tagger = Tagger.load(folder, runtime=runtime, threads=1)
        with torch.no_grad():
            tagger.model.encoder.get_input_embeddings().weight.zero_()
        assert (tagger.tag(TEXTS) == wanted) is (runtime != "torch")


def test_runtime_threads_are_those_of_torch_unless_said(export: Path) -> None:
    before = torch.get_num_threads()
    try:
        Tagger.load(export, threads=before + 1)
        assert torch.get_num_threads() == before + 1
        Tagger.load(export, runtime="onnx", threads=before + 2)
        Tagger.load(export)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("runtime", GRAPHS)
def test_runtime_refuses_a_model_without_its_graph(tmp_path: Path, runtime: str) -> None:
    folder = tiny_tagger_folder(tmp_path / "models/tagger", lexicon=TAGS)
    message = rf"tagger: no onnx/{GRAPHS[runtime]} with this model, .*name models/export .*or take runtime torch"
    with pytest.raises(ArtifactError, match=message):
        Tagger.load(folder, runtime=runtime)


def test_runtime_refuses_a_damaged_graph(tmp_path: Path) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS)
    onnx.write(Tagger.load(folder).model, tmp_path / "onnx")
    flip(tmp_path / "onnx/model.int8.onnx")
    with pytest.raises(ArtifactError, match=r"model\.int8\.onnx: damaged .*fetch it again"):
        Tagger.load(tmp_path, runtime="int8")
    assert Tagger.load(tmp_path, runtime="onnx").tag(TEXTS) == Tagger.load(folder).tag(TEXTS)


def test_runtime_unknown_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="runtime 'tensorrt': there are torch, onnx, int8"):
        Tagger.load(tmp_path, runtime="tensorrt")
