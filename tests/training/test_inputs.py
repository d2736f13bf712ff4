"""What a training is made from: read once, and all of it in the training's identity."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.fine_tune_stage import SENTENCES
from support.tiny import tiny_tagger_folder

from clue_ner.common.errors import ArtifactError, CorpusError
from clue_ner.common.files import write_json
from clue_ner.core.params import Params, load_params
from clue_ner.core.schemes import SCHEMES
from clue_ner.tagger.config import TeacherRecord
from clue_ner.training.inputs import Inputs, describe
from clue_ner.training.teacher import identity as identity_of
from clue_ner.training.teacher import record


@pytest.fixture
def root(fine_tune_inputs: Callable[..., Path]) -> Path:
    return fine_tune_inputs("root", head="global_pointer", head_size=8)


@pytest.fixture
def params(root: Path) -> Params:
    return load_params(root / "params.yaml")


def test_inputs_are_what_the_stages_before_wrote(root: Path, params: Params) -> None:
    inputs = Inputs.read(root)
    examples = inputs.examples(processes=1)
    assert len(examples) == len(SENTENCES["train"])
    assert inputs.valid() == SENTENCES["valid"]
    texts = [sentence.text for sentence in SENTENCES["train"]]
    windows = [window for of_text in inputs.aligner(describe(inputs, params)).windows(texts) for window in of_text]
    assert [example.input_ids for example in examples] == [window.input_ids for window in windows]


def test_inputs_of_a_corpus_without_valid_have_none(root: Path) -> None:
    (root / "data/corpus/valid.jsonl").unlink()
    with pytest.raises(ArtifactError, match=r"valid\.jsonl: missing; run"):
        Inputs.read(root)
    remove_from_checksums(root / "data/corpus", "valid.jsonl")
    assert Inputs.read(root).valid() is None


def remove_from_checksums(folder: Path, name: str) -> None:
    from clue_ner.common.files import CHECKSUMS, read_json, write_json

    checksums = read_json(folder / CHECKSUMS)
    del checksums[name]
    write_json(folder / CHECKSUMS, checksums)


def test_inputs_too_few_to_train_on_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = Inputs.read(root)
    assert len(inputs.examples(processes=23)) == 23
    with pytest.raises(CorpusError, match=r"train\.arrow: 23 rows for train\.processes 24"):
        inputs.examples(processes=24)
    monkeypatch.setattr("clue_ner.training.inputs.read_examples", lambda path: [])
    with pytest.raises(CorpusError, match=r"train\.arrow: no sentence to train on; add some to the corpus"):
        inputs.examples(processes=1)


# --- the configuration before training


def test_describe_is_the_model_s_shape_and_its_sources(root: Path, params: Params) -> None:
    config = describe(Inputs.read(root), params)
    assert (config.head, config.align, config.scheme) == ("global_pointer", params.tagging.align, "BIO")
    assert config.types == ("name",)
    assert config.tags == tuple(SCHEMES["BIO"].tags(["name"]))
    assert (config.window, config.overlap, config.context_size) == (256, 64, 8)
    assert config.head_options == {"efficient": False, "head_size": 8}
    assert config.flat is params.train.flat
    trained = config.trained
    assert (trained.corpus.name, trained.corpus.licence, trained.corpus.splits) == ("toy", "none", "train and valid")
    assert trained.backbone == {"kind": "folder", "name": "toy"}
    assert set(trained.params) == {"seed", "corpus", "backbone", "tagging", "train"}
    assert trained.params["train"]["head_size"] == 8
    assert (trained.teacher, trained.valid_micro_f1) == (None, None)


def test_describe_identity_changes_with_all_that_decides_the_weights(
    root: Path, params: Params, tmp_path: Path
) -> None:
    inputs = Inputs.read(root)

    def identity(inputs: Inputs = inputs, params: Params = params, teacher: TeacherRecord | None = None) -> str:
        return describe(inputs, params, teacher).trained.fingerprint

    def with_params(section: str, **values: Any) -> str:
        changed = getattr(params, section).model_copy(update=values)
        return identity(params=params.model_copy(update={section: changed}))

    taught = params.model_copy(update={"train": params.train.model_copy(update={"teacher": "somewhere"})})
    folders = [tiny_tagger_folder(tmp_path / str(seed), seed=seed) for seed in (0, 1)]
    teachers = [TeacherRecord(name="somewhere", checksums=identity_of(folder)) for folder in folders]
    teachers.append(teachers[0].model_copy(update={"resolved": "models:/x/1"}))
    found = [
        identity(),
        identity(params=params.model_copy(update={"seed": 7})),
        with_params("train", lr=0.5),
        with_params("corpus", split_seed=5),
        with_params("tagging", overlap=32),
        identity(replace(inputs, corpus=inputs.corpus | {"fingerprint": "f" * 64})),
        identity(replace(inputs, source=inputs.source | {"revision": "b"})),
        *(identity(replace(inputs, digests=inputs.digests | {name: "other"})) for name in inputs.digests),
        *(identity(params=taught, teacher=teacher) for teacher in teachers),
    ]
    assert len(inputs.digests) == 3
    assert len(set(found)) == len(found)
    assert with_params("evaluate", bootstrap=123) == with_params("export", onnx=False) == identity()
    assert with_params("tracking", model="other") == identity()


def test_describe_identity_is_not_of_the_test_split(root: Path, params: Params) -> None:
    before = describe(Inputs.read(root), params)
    for path in (root / "data/test").iterdir():
        path.write_text("{}")
    assert describe(Inputs.read(root), params) == before


def test_describe_names_a_teacher_and_its_checksums(root: Path, params: Params, tmp_path: Path) -> None:
    (root / "data/sources/teacher").symlink_to(tiny_tagger_folder(tmp_path / "teacher"))
    write_json(root / "data/sources/teacher.json", {"name": "models:/big@champion", "resolved": "models:/big/1"})
    made = record(root, "models:/big@champion")
    found = describe(Inputs.read(root), params, made).trained.teacher
    assert found is not None and found == made
    assert (found.name, found.resolved) == ("models:/big@champion", "models:/big/1")
    assert {"model.safetensors", "config.json", "tagger.json"} <= set(found.checksums)
    assert record(root, None) is None
    (tmp_path / "teacher/checksums.json").unlink()
    with pytest.raises(ArtifactError, match=r"^params\.yaml: train\.teacher: "):
        record(root, "models:/big@champion")
