"""Distillation: what a teacher must share, what a student learns from it, and a smaller student as a whole."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from support.damage import flip
from support.tiny import TAGS, tiny_tagger_folder
from test_training import SENTENCES, Setting, _equal, change, params, setting, state  # noqa: F401
from test_training_distributed import command, inputs  # noqa: F401

from clue_ner.common.errors import ArtifactError, ParamsError
from clue_ner.core.entities import Entity
from clue_ner.core.files import CHECKSUMS, read_json, verify_checksums
from clue_ner.core.params import TrainParams
from clue_ner.exporting import onnx, stock_transformers
from clue_ner.network.model import collate
from clue_ner.runtimes.onnx import scorer
from clue_ner.tagger.tagger import CARD, Tagger
from clue_ner.tracking import resolve_teacher
from clue_ner.training import model_setup
from clue_ner.training.teacher import Teacher, identity
from clue_ner.training.trainer import fine_tune

# ruff: noqa: F811


def teach(made: Setting, model: Any, params: TrainParams, folder: Path, teacher: Teacher | None, rows: Any) -> None:
    pad = made.aligner.tokenizer.pad_token_id
    fine_tune(model, rows, pad, params, 0, str(folder), None, lambda history: None, None, teacher)


@pytest.mark.parametrize("head", ["crf", "global_pointer"])
def test_teacher_alone_teaches_what_it_knows(setting: Any, params: TrainParams, tmp_path: Path, head: str) -> None:
    made, texts = setting(head, "characters_over_pieces", "wordpiece"), [sentence.text for sentence in SENTENCES]
    knows = made.model(dropout=0.0)
    params = change(params, epochs=40, dropout=0.0, batch_size=10)
    teach(made, knows, params, tmp_path, None, made.rows)
    tagger = Tagger(knows, made.aligner, made.card)
    wanted = tagger.tag(texts)
    assert sum(map(len, wanted)) > 20
    empty = Dataset.from_list(
        [row | {"entities": [], "labels": [0] * len(row["labels"])} for row in made.rows.to_list()]
    )
    for weight in (1.0, 0.0):
        student = made.model(seed=1, dropout=0.0)
        before = state(knows)
        taught = change(params, teacher="somewhere", teacher_weight=weight, layers=1)
        teach(made, student, taught, tmp_path, Teacher(tagger, taught), empty)
        assert _equal(before, state(knows))
        assert all(parameter.grad is None for parameter in knows.parameters())
        found = Tagger(student, made.aligner, made.card).tag(texts)
        assert found == (wanted if weight else [[]] * len(texts))


def test_teacher_of_no_weight_is_none(setting: Any, params: TrainParams, tmp_path: Path) -> None:
    made = setting("softmax")
    teacher = Teacher(Tagger(made.model(5), made.aligner, made.card), params)
    states = []
    for weight, by in ((0.0, teacher), (0.0, None), (0.5, teacher)):
        model = made.model()
        teach(made, model, change(params, teacher_weight=weight), tmp_path, by, made.rows)
        states.append(state(model))
    assert _equal(states[0], states[1])
    assert not _equal(states[0], states[2])


def test_teacher_has_neither_dropout_nor_gradient(setting: Any, params: TrainParams) -> None:
    made = setting("crf")
    model = made.model(dropout=0.5)
    teacher = Teacher(Tagger(model, made.aligner, made.card), params)
    batch = collate(made.rows.to_list()[:4], made.aligner.tokenizer.pad_token_id, ["LOC", "ORG", "PER"])
    one, other = (teacher.logits(batch, torch.device("cpu")) for _ in range(2))
    assert torch.equal(one, other)
    assert not one.requires_grad


# --- what it must share


def folder_and_card(tmp_path: Path, **shape: Any) -> tuple[Path, dict[str, Any]]:
    folder = tiny_tagger_folder(tmp_path / "teacher", lexicon=TAGS, **shape)
    return folder, read_json(folder / CARD)


def test_teacher_loads_for_a_student_of_its_kind(params: TrainParams, tmp_path: Path) -> None:
    folder, card = folder_and_card(tmp_path)
    Teacher.load(folder, card, folder, params)
    (tmp_path / "export").mkdir()
    folder.rename(tmp_path / "export/tagger")
    Teacher.load(tmp_path / "export", card, tmp_path / "export/tagger", params)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"head": "softmax"}, r"differs in head \(teacher crf, student softmax\); name a teacher"),
        ({"align": "pieces"}, r"differs in align \(teacher characters_over_pieces, student pieces\)"),
        ({"scheme": "BIOES"}, r"differs in scheme \(teacher BIO, student BIOES\)"),
        ({"types": ["name"]}, r"differs in types \(teacher address, company, name, student name\)"),
        (
            {"tags": ["O"], "window": 64},
            r"differs in tags \(teacher O, B-address, .*; window \(teacher 32, student 64\)",
        ),
    ],
)
def test_teacher_that_differs_is_refused_by_name(
    params: TrainParams, tmp_path: Path, other: dict[str, Any], message: str
) -> None:
    folder, card = folder_and_card(tmp_path)
    params = change(params, teacher="models:/big/1")
    with pytest.raises(ArtifactError, match=rf"train\.teacher: models:/big/1: its logits do not fit, as it {message}"):
        Teacher.load(folder, card | other, folder, params)


def test_teacher_of_another_vocabulary_is_refused(params: TrainParams, tmp_path: Path, backbones: Any) -> None:
    folder, card = folder_and_card(tmp_path)
    with pytest.raises(ArtifactError, match=r"as it differs in the tokenizer's vocabulary; name a teacher"):
        Teacher.load(folder, card, backbones["unigram"], params)


def test_teacher_that_is_damaged_or_none_is_refused(params: TrainParams, tmp_path: Path) -> None:
    folder, card = folder_and_card(tmp_path)
    flip(folder / "model.safetensors")
    with pytest.raises(ArtifactError, match=r"model\.safetensors: damaged"):
        Teacher.load(folder, card, folder, params)
    with pytest.raises(ArtifactError, match=r"^params\.yaml: train\.teacher: .*nothing: no model"):
        identity(tmp_path / "nothing")


def test_teacher_s_folder_begins_at_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("CLUE_NER_HOME", raising=False)
    assert resolve_teacher(Path("elsewhere"), None) is None
    assert resolve_teacher(Path("elsewhere"), "teachers/big") == tmp_path / "teachers/big"
    assert resolve_teacher(Path("elsewhere"), "/teachers/big") == Path("/teachers/big")


# --- the stage


def run(root: Path) -> str:
    done = subprocess.run(**command(root), capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.timeout(600)
def test_teacher_of_a_smaller_student_from_stage_to_tagger(inputs: Callable[..., Path]) -> None:
    big = inputs("big")
    run(big)
    teacher = str(big / "models/tagger")
    small = inputs("small", teacher=teacher, layers=1, processes=2)
    said = run(small)
    assert said.splitlines()[1] == f"with layers 1, teacher {teacher}, weight 0.5, temperature 2.0"
    folder = small / "models/tagger"
    verify_checksums(folder, "")
    trained = [read_json(root / "models/tagger" / CARD)["trained"] for root in (big, small)]
    assert trained[1]["teacher"] == {"name": teacher, "checksums": read_json(big / "models/tagger" / CHECKSUMS)}
    assert "teacher" not in trained[0]
    assert read_json(folder / "config.json") == read_json(big / "models/tagger/config.json") | {"num_hidden_layers": 1}
    tagger = Tagger.load(folder)
    assert len(tagger.model.encoder.encoder.layer) == 1
    texts = ["王德发在北京", "晓明在佛山的公司"]
    onnx.write(tagger.model, small / "onnx")
    fast = tagger.using(scorer(small / "onnx/model.onnx", threads=1))
    assert fast.tag(texts) == tagger.tag(texts)


def test_layers_fewer_are_read_by_stock_transformers(setting: Any, params: TrainParams, tmp_path: Path) -> None:
    made = setting("softmax", "characters", "wordpiece")
    params = change(params, head="softmax", layers=1, epochs=30, dropout=0.0, batch_size=10)
    torch.manual_seed(0)
    model = model_setup.build(made.backbone, made.card, params)
    teach(made, model, params, tmp_path, None, made.rows)
    tagger = Tagger(model, made.aligner, made.card | {"window": 256, "overlap": 64})
    assert stock_transformers.write(tagger, tmp_path / "stock") is None
    texts = [sentence.text for sentence in SENTENCES]
    found: list[list[Entity]] = stock_transformers.read(tmp_path / "stock", texts)
    assert found == tagger.tag(texts)
    assert sum(map(len, found)) > 20
    with pytest.raises(ParamsError, match=r"train\.layers: 9, and the encoder has 2 layers"):
        model_setup.build(made.backbone, made.card, change(params, layers=9))
