"""tagger.json: what is saved is loaded, older models as well, and what is no configuration is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.configs import TRAINED, tagger_config
from support.places import GOLDEN

from clue_ner.common.errors import ArtifactError
from clue_ner.core import plugins
from clue_ner.core.folders import TAGGERS
from clue_ner.core.schemes import SCHEMES
from clue_ner.tagger.config import FILE, FORMAT, TaggerConfig, TaggerRecord
from clue_ner.tagger.model_files import model_folder

FORMAT_1 = GOLDEN / "taggers/format_1.json"
"""As commit 3ec9ba5 wrote it, with fewer types and params."""


def values_of(config: TaggerConfig) -> dict[str, Any]:
    """The values as they are in a file."""
    values: dict[str, Any] = json.loads(config.model_dump_json())
    return values


def write(folder: Path, values: Any) -> Path:
    (folder / FILE).write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return folder


@pytest.mark.parametrize("head", plugins.names(plugins.DECODERS))
@pytest.mark.parametrize("scheme", SCHEMES)
def test_config_comes_back_from_its_file(tmp_path: Path, head: str, scheme: str) -> None:
    teacher = TaggerRecord(name="models:/clue-ner@champion", checksums={"model.safetensors": "2" * 64})
    params = {**TRAINED.params, "train": {"lr": 2e-05, "class_weights": {"公司": 2.0}, "layers": None}}
    config = tagger_config(
        ["name", "公司"],
        scheme,
        head=head,
        context_size=192,
        head_options=plugins.head_params(head),
        flat=True,
        trained=TRAINED.model_copy(update={"teacher": teacher, "params": params, "valid_micro_f1": 0.828571}),
    )
    config.save(tmp_path)
    assert TaggerConfig.load(tmp_path) == config
    before = (tmp_path / FILE).read_bytes()
    TaggerConfig.load(tmp_path).save(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before
    assert json.loads(before)["format"] == FORMAT


def test_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        tagger_config(["name"]).window = 1  # type: ignore[misc]


def test_config_of_format_1_is_converted(tmp_path: Path) -> None:
    values = json.loads(FORMAT_1.read_text(encoding="utf-8"))
    assert values["format"] == 1
    config = TaggerConfig.load(write(tmp_path, values))
    assert (config.format, config.trained.corpus.splits) == (FORMAT, "all")
    kept = values_of(config)
    assert kept["trained"]["corpus"].pop("splits") == "all"
    assert [kept["trained"].pop(key) for key in TAGGERS] == [None, None]
    assert kept == values | {"format": FORMAT}
    assert (config.types, config.is_flat) == (("address", "name"), True)
    assert config.head_params == {"constrained": False, "efficient": False, "head_size": 64}
    config.save(tmp_path)
    assert TaggerConfig.load(tmp_path) == config


def test_config_of_format_1_may_be_older_than_some_of_its_keys(tmp_path: Path) -> None:
    values = json.loads(FORMAT_1.read_text(encoding="utf-8"))
    del values["head_options"], values["flat"], values["trained"]["valid_micro_f1"]
    config = TaggerConfig.load(write(tmp_path, values))
    assert config.head_params == {"efficient": False, "head_size": 64}
    assert not config.is_flat
    assert config.trained.valid_micro_f1 is None


def test_config_of_format_1_keeps_its_teacher(tmp_path: Path) -> None:
    values = json.loads(FORMAT_1.read_text(encoding="utf-8"))
    values["trained"]["teacher"] = {"name": "../big", "checksums": {"config.json": "3" * 64}}
    teacher = TaggerConfig.load(write(tmp_path, values)).trained.teacher
    assert teacher == TaggerRecord(name="../big", checksums={"config.json": "3" * 64})


def test_config_new_is_of_train_and_valid() -> None:
    assert tagger_config(["name"]).trained.corpus.splits == "train and valid"


@pytest.mark.parametrize(
    ("head", "flat", "expected"),
    [("crf", False, True), ("softmax", False, True), ("span", False, False), ("span", True, True)],
)
def test_config_is_flat_by_its_head_or_by_choice(head: str, flat: bool, expected: bool) -> None:
    assert tagger_config(["name"], head=head, flat=flat).is_flat is expected


@pytest.mark.parametrize("content", ["{", "", '{"format": 2', "[" * 200_000, "\x00"])
def test_config_damaged_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(ArtifactError, match=r"tagger\.json: damaged, not JSON \(.*run .*dvc repro"):
        TaggerConfig.load(write(tmp_path, content))


def test_config_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError, match=r"tagger\.json: no such file; run the stage that makes it with `dvc repro`"
    ):
        TaggerConfig.load(tmp_path)


@pytest.mark.parametrize("content", [{"format": 3}, {"format": "2"}, {"format": None}, {"format": []}, {}, [], "model"])
def test_config_of_an_unknown_format_is_refused(tmp_path: Path, content: Any) -> None:
    found = content.get("format") if isinstance(content, dict) else None
    message = f"{FILE}: format {found!r}, wanted {FORMAT} or 1; if it is newer, update clue-ner, else train it again"
    with pytest.raises(ArtifactError) as caught:
        TaggerConfig.load(write(tmp_path, json.dumps(content)))
    assert str(caught.value) == f"{tmp_path}/{message}"


KEYS = ["head", "align", "scheme", "types", "tags", "window", "overlap", "context_size", "trained"]


@pytest.mark.parametrize("key", [*KEYS, "trained.fingerprint", "trained.corpus", "trained.corpus.name"])
@pytest.mark.parametrize("form", [1, FORMAT])
def test_config_without_a_key_is_refused(tmp_path: Path, form: int, key: str) -> None:
    values = json.loads(FORMAT_1.read_text(encoding="utf-8")) if form == 1 else values_of(tagger_config(["name"]))
    *path, last = key.split(".")
    part = values
    for name in path:
        part = part[name]
    del part[last]
    message = rf"tagger\.json: not a tagger's configuration \({key}: Field required\); train it again"
    with pytest.raises(ArtifactError, match=message):
        TaggerConfig.load(write(tmp_path, values))


@pytest.mark.parametrize("key", ["colour", "trained.colour", "trained.corpus.colour"])
def test_config_with_an_unknown_key_is_refused(tmp_path: Path, key: str) -> None:
    values = values_of(tagger_config(["name"]))
    *path, last = key.split(".")
    part = values
    for name in path:
        part = part[name]
    part[last] = "red"
    message = rf"tagger\.json: not a tagger's configuration \({key}: Extra inputs .*\); train it again"
    with pytest.raises(ArtifactError, match=message):
        TaggerConfig.load(write(tmp_path, values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": "crff"}, r"unknown head 'crff', there are biaffine, crf, .*span"),
        ({"head": "../crf"}, r"unknown head '\.\./crf', there are biaffine"),
        ({"scheme": "XYZ"}, r"unknown scheme 'XYZ', there are BIO, IOB1, .*BIOS"),
        ({"align": "words"}, r"align: Input should be 'characters', 'pieces' or 'characters_over_pieces'"),
        ({"types": ["name", "scene"]}, "tags are not those of BIO for the types"),
        ({"tags": ["O", "B-name"]}, "tags are not those of BIO for the types"),
        ({"tags": []}, "tags are not those of BIO for the types"),
        ({"tags": ["O", "B-name", "I-name", "I-name"]}, "tags are not those of BIO for the types"),
        ({"tags": "O"}, "tags: Input should be a valid tuple"),
        ({"window": 0}, "window: Input should be greater than or equal to 1"),
        ({"window": "many"}, "window: Input should be a valid integer"),
        ({"window": 16, "overlap": 9}, "overlap 9 is more than half of window 16"),
        ({"overlap": -1}, "overlap: Input should be greater than or equal to 0"),
        ({"context_size": -1}, "context_size: Input should be greater than or equal to 0"),
        ({"head": 1, "window": None}, r"head: Input should be a valid string; window: Input should be a valid integer"),
        ({"trained": []}, "trained: Input should be a valid dictionary"),
    ],
)
def test_config_that_describes_no_tagger_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    values = values_of(tagger_config(["name"])) | change
    with pytest.raises(ArtifactError, match=rf"tagger\.json: not a tagger's configuration \({message}.*\); train it"):
        TaggerConfig.load(write(tmp_path, values))


def test_config_keeps_the_order_of_its_label_list(tmp_path: Path) -> None:
    values = values_of(tagger_config(["name"])) | {"tags": ["B-name", "O", "I-name"]}
    assert TaggerConfig.load(write(tmp_path, values)).tags == ("B-name", "O", "I-name")


def test_config_model_folder_is_that_of_the_file_or_of_an_export(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError, match=r"no model \(wanted tagger\.json there, as .*name another folder, or train"
    ):
        model_folder(tmp_path)
    (tmp_path / "tagger").mkdir()
    write(tmp_path / "tagger", {})
    assert model_folder(tmp_path) == model_folder(tmp_path / "tagger") == tmp_path / "tagger"
    write(tmp_path, {})
    assert model_folder(tmp_path) == tmp_path
