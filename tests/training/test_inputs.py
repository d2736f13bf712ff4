"""What a training is made from: read once, and all of it in the training's identity."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.fine_tune_stage import SENTENCES

from clue_ner.common.errors import ArtifactError, CorpusError
from clue_ner.core.folders import TAGGERS
from clue_ner.core.params import Params, load_params
from clue_ner.core.schemes import SCHEMES
from clue_ner.tagger.config import TaggerRecord
from clue_ner.training.inputs import Inputs, describe


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
    assert (trained.teacher, trained.init_from, trained.valid_micro_f1) == (None, None, None)


def test_describe_identity_changes_with_all_that_decides_the_weights(root: Path, params: Params) -> None:
    inputs = Inputs.read(root)

    def identity(inputs: Inputs = inputs, params: Params = params, **taggers: TaggerRecord) -> str:
        return describe(inputs, params, taggers).trained.fingerprint

    def with_params(section: str, **values: Any) -> str:
        changed = getattr(params, section).model_copy(update=values)
        return identity(params=params.model_copy(update={section: changed}))

    taggers = [TaggerRecord(name="somewhere", checksums={"model.safetensors": digit * 64}) for digit in "12"]
    taggers.append(taggers[0].model_copy(update={"resolved": "models:/x/1"}))
    found = [
        identity(),
        identity(params=params.model_copy(update={"seed": 7})),
        with_params("train", lr=0.5),
        with_params("corpus", split_seed=5),
        with_params("tagging", overlap=32),
        identity(replace(inputs, corpus=inputs.corpus | {"fingerprint": "f" * 64})),
        identity(replace(inputs, source=inputs.source | {"revision": "b"})),
        *(identity(replace(inputs, digests=inputs.digests | {name: "other"})) for name in inputs.digests),
        *(identity(**{key: tagger}) for key in TAGGERS for tagger in taggers),
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


@pytest.mark.parametrize("key", TAGGERS)
def test_describe_names_the_taggers_that_training_began_with(root: Path, params: Params, key: str) -> None:
    record = TaggerRecord(name="models:/big@champion", resolved="models:/big/1", fingerprint="2" * 64, checksums={})
    trained = describe(Inputs.read(root), params, {key: record}).trained
    assert {name: getattr(trained, name) for name in TAGGERS} == dict.fromkeys(TAGGERS) | {key: record}
