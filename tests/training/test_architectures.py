"""Each architecture from its folder to a tagger: what it calls otherwise is set, and every runtime answers alike."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file
from support.architectures import OWN, architecture, byte_level
from support.bert_folders import fetch
from support.graphs import write_graphs
from support.trainings import SENTENCES, Setting, change
from transformers import set_seed

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.batch import collate
from clue_ner.common.errors import ParamsError
from clue_ner.common.files import write_checksums
from clue_ner.core.params import TrainParams
from clue_ner.network import trial
from clue_ner.runtimes._onnxruntime import OnnxRuntime
from clue_ner.tagger.model_files import GRAPHS
from clue_ner.tagger.tagger import Tagger
from clue_ner.training import model_setup

TEXTS = [*(sentence.text for sentence in SENTENCES), "我是王德发" * 9]
WINDOW, OVERLAP = 64, 16
REFUSED = {"convbert", "fnet", "funnel", "nystromformer"}
WITHOUT = {"eurobert": {"dropout": 0.0}, "mra": {"attention_dropout": 0.0}}
"""The dropout that an architecture does not have."""
WHOLE = {"albert", "flaubert", "longformer", "modernbert", "xlm"}
"""Architectures of which no layers can be left out."""
NO_GRAPH = {"longformer"}
DROPPED = {"dropout": 0.3, "attention_dropout": 0.2}


@pytest.mark.parametrize("kind", sorted(OWN.keys() - REFUSED - NO_GRAPH))
def test_architecture_trains_and_answers_alike_everywhere(tmp_path: Path, params: TrainParams, kind: str) -> None:
    fetch(architecture(tmp_path / "source", kind), tmp_path / "backbone")
    changed = change(params, epochs=1, layers=None if kind in WHOLE else 1, **(DROPPED | WITHOUT.get(kind, {})))
    assert_graphs_answer_as(trained(tmp_path, changed, "characters_over_pieces"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(NO_GRAPH))
def test_architecture_without_a_graph_trains_and_is_refused_by_name(
    tmp_path: Path, params: TrainParams, kind: str
) -> None:
    fetch(architecture(tmp_path / "source", kind), tmp_path / "backbone")
    tagger = trained(tmp_path, change(params, epochs=1, **DROPPED), "characters_over_pieces")
    with pytest.raises(ParamsError, match=rf"export\.onnx: {kind} cannot be written as ONNX .*; set it to false"):
        write_graphs(tagger, tmp_path, TEXTS)


def test_byte_level_vocabulary_trains_and_answers_alike_with_pieces(tmp_path: Path, params: TrainParams) -> None:
    fetch(byte_level(tmp_path / "source"), tmp_path / "backbone")
    tagger = trained(tmp_path, change(params, epochs=12), "pieces")
    right = sum(
        {(e.start, e.end, e.type) for e in found} == {(e.start, e.end, e.type) for e in sentence.entities}
        for found, sentence in zip(tagger.tag([sentence.text for sentence in SENTENCES]), SENTENCES)
    )
    assert right > len(SENTENCES) / 2
    assert_graphs_answer_as(tagger, tmp_path)


def trained(root: Path, params: TrainParams, align: str) -> Tagger:
    """The backbone in ``root``, trained and saved beside it, and loaded again; both have given the same answers."""
    backbone, folder = root / "backbone", root / "tagger"
    aligner = Aligner.from_backbone(backbone, align, WINDOW, OVERLAP)
    setting = Setting(backbone, aligner, "crf", align)
    setting.config = setting.config.model_copy(update={"window": WINDOW, "overlap": OVERLAP})
    set_seed(0)
    model = model_setup.build(backbone, setting.config, params)
    assert trial.dropouts(model.encoder) == {params.dropout, params.attention_dropout} - {0.0}
    setting.fit(model, params, root)
    folder.mkdir()
    weights = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(model_setup.config_json(backbone, params.layers), encoding="utf-8")
    aligner.tokenizer.save(folder)
    setting.config.save(folder)
    write_checksums(folder)
    shutil.rmtree(backbone)
    loaded = Tagger.load(folder, "torch")
    assert loaded.tag(TEXTS) == setting.tagger(model).tag(TEXTS)
    return loaded


def assert_graphs_answer_as(tagger: Tagger, root: Path) -> None:
    """That both graphs, written into ``root``, give the logits of ``tagger`` in batches of several shapes."""
    write_graphs(tagger, root, TEXTS)
    graphs = {name: OnnxRuntime(root / "onnx" / file, threads=1) for name, file in GRAPHS.items()}
    for texts in (TEXTS[:1], TEXTS[3:9], TEXTS):
        batch = collate([window for found in tagger.aligner.windows(texts) for window in found], 0)
        here, wanted = batch["unit_mask"], tagger.runtime(batch)
        np.testing.assert_allclose(graphs["onnx"](batch)[here], wanted[here], atol=1e-5, rtol=0)
        assert np.abs(graphs["int8"](batch)[here] - wanted[here]).mean() < 0.1 * np.abs(wanted[here]).mean()
