"""Distillation: what a teacher must share with its student, and what a student learns from it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.architectures import architecture
from support.configs import tagger_config
from support.damage import flip
from support.tiny import TAGS, tiny_tagger_folder
from support.trainings import SENTENCES, batch_of, change, equal_weights, state

from clue_ner.alignment.windows import INPUTS
from clue_ner.common.errors import ArtifactError
from clue_ner.core.params import TrainParams
from clue_ner.network.encoder import load_encoder
from clue_ner.network.model import TaggerModel
from clue_ner.tagger.config import TaggerConfig
from clue_ner.training.teacher import Teacher


@pytest.mark.parametrize("head", ["crf", "global_pointer"])
def test_teacher_is_all_that_a_student_without_gold_learns_from(
    overfitted: Any, params: TrainParams, tmp_path: Path, head: str
) -> None:
    made, knows = overfitted(head, "characters_over_pieces")
    texts = [sentence.text for sentence in SENTENCES]
    wanted = made.tagger(knows).tag(texts)
    assert sum(map(len, wanted)) > 20
    empty = [replace(example, entities=[], labels=[0] * len(example.labels)) for example in made.examples]
    for weight in (1.0, 0.0):
        student = made.model(seed=1, dropout=0.0)
        before = state(knows)
        taught = change(
            params,
            epochs=30,
            dropout=0.0,
            batch_size=10,
            teacher="somewhere",
            teacher_weight=weight,
            layers=1,
        )
        made.fit(student, taught, tmp_path, teacher=Teacher(knows, taught), examples=empty)
        assert equal_weights(before, state(knows))
        assert not any(parameter.requires_grad for parameter in knows.parameters())
        found = made.tagger(student).tag(texts)
        assert found == (wanted if weight else [[]] * len(texts))


def test_teacher_of_no_weight_changes_nothing(setting: Any, params: TrainParams, tmp_path: Path) -> None:
    made = setting("softmax")
    teacher = Teacher(made.model(5), params)
    states = []
    for weight, by in ((0.0, teacher), (0.0, None), (0.5, teacher)):
        model = made.model()
        made.fit(model, change(params, teacher_weight=weight), tmp_path, teacher=by)
        states.append(state(model))
    assert equal_weights(states[0], states[1])
    assert not equal_weights(states[0], states[2])


def test_teacher_has_neither_dropout_nor_gradient(setting: Any, params: TrainParams) -> None:
    made = setting("crf")
    teacher = Teacher(made.model(dropout=0.5), params)
    batch = batch_of(made, 4)
    one, other = (teacher.logits(batch, torch.device("cpu")) for _ in range(2))
    assert torch.equal(one, other)
    assert not one.requires_grad


@pytest.mark.parametrize("kind", ["bert", "deberta"])
def test_teacher_of_any_architecture_gives_finite_logits_under_autocast(
    params: TrainParams, tmp_path: Path, kind: str
) -> None:
    encoder = load_encoder(architecture(tmp_path, kind))
    model = TaggerModel(encoder, tagger_config(["x"], head="softmax", align="pieces"))
    teacher = Teacher(model, change(params, attention="sdpa"))
    assert encoder.config._attn_implementation == ("sdpa" if kind == "bert" else "eager")
    batch = {name: torch.ones((1, 5), dtype=torch.bool if name == "unit_mask" else torch.int64) for name in INPUTS}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert teacher.logits(batch, torch.device("cpu")).isfinite().all()


# --- what it must share


def folder_and_config(tmp_path: Path, **shape: Any) -> tuple[Path, TaggerConfig]:
    folder = tiny_tagger_folder(tmp_path / "teacher", lexicon=TAGS, **shape)
    return folder, TaggerConfig.load(folder)


def test_teacher_loads_for_a_student_of_its_kind(params: TrainParams, tmp_path: Path) -> None:
    folder, config = folder_and_config(tmp_path)
    Teacher.load(folder, config, folder, params)
    (tmp_path / "export").mkdir()
    folder.rename(tmp_path / "export/tagger")
    Teacher.load(tmp_path / "export", config, tmp_path / "export/tagger", params)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"head": "softmax"}, r"differs in head \(teacher crf, student softmax\); name a teacher"),
        ({"align": "pieces"}, r"differs in align \(teacher characters_over_pieces, student pieces\)"),
        ({"scheme": "BIOES"}, r"differs in scheme \(teacher BIO, student BIOES\)"),
        ({"types": ("name",)}, r"differs in types \(teacher address, company, name, student name\)"),
        (
            {"tags": ("O",), "window": 64},
            r"differs in tags \(teacher O, B-address, .*; window \(teacher 32, student 64\)",
        ),
        ({"overlap": 4}, r"differs in overlap \(teacher 8, student 4\)"),
    ],
)
def test_teacher_that_differs_is_refused_by_name(
    params: TrainParams, tmp_path: Path, other: dict[str, Any], message: str
) -> None:
    folder, config = folder_and_config(tmp_path)
    params = change(params, teacher="models:/big/1")
    with pytest.raises(
        ArtifactError, match=rf"train\.teacher: models:/big/1: its logits cannot be used, because it {message}"
    ):
        Teacher.load(folder, config.model_copy(update=other), folder, params)


def test_teacher_of_another_vocabulary_is_refused(params: TrainParams, tmp_path: Path, backbones: Any) -> None:
    folder, config = folder_and_config(tmp_path)
    with pytest.raises(ArtifactError, match=r"because it differs in the tokenizer's vocabulary; name a teacher"):
        Teacher.load(folder, config, backbones["unigram"], params)


def test_teacher_that_is_damaged_is_refused(params: TrainParams, tmp_path: Path) -> None:
    folder, config = folder_and_config(tmp_path)
    flip(folder / "model.safetensors")
    with pytest.raises(ArtifactError, match=r"model\.safetensors: damaged"):
        Teacher.load(folder, config, folder, params)
