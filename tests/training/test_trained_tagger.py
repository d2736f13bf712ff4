"""The taggers that a training begins with: which there are, what is recorded of them, which are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.damage import flip
from support.tiny import tiny_tagger_folder

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import read_json
from clue_ner.core.folders import TAGGERS
from clue_ner.core.params import TrainParams, load_params
from clue_ner.tagger.config import TaggerConfig
from clue_ner.training import trained_tagger
from clue_ner.training.trained_tagger import records

every_key = pytest.mark.parametrize("key", TAGGERS)


@pytest.fixture
def named(fine_tune_inputs: Callable[..., Path], tmp_path: Path) -> Callable[..., tuple[Path, Path, TrainParams]]:
    """``named(key, **shape)``: a pipeline that names a tiny tagger, the tagger's folder, and its params."""

    def write(key: str, **shape: Any) -> tuple[Path, Path, TrainParams]:
        folder = tiny_tagger_folder(tmp_path / "before", **shape)
        root = fine_tune_inputs("root", **{key: str(folder)})
        return root, folder, load_params(root / "params.yaml").train

    return write


def test_trained_taggers_are_none_where_none_is_named(fine_tune_inputs: Callable[..., Path]) -> None:
    root = fine_tune_inputs("root")
    params = load_params(root / "params.yaml").train
    assert trained_tagger.folders(root, params) == records(root, params) == {}


@every_key
def test_trained_tagger_is_recorded_by_its_training_and_its_files(named: Any, key: str) -> None:
    root, folder, params = named(key)
    ((found, record),) = records(root, params).items()
    assert (found, record.name, record.resolved) == (key, str(folder), None)
    assert record.fingerprint == TaggerConfig.load(folder).trained.fingerprint
    assert record.checksums == read_json(folder / "checksums.json")
    assert {"model.safetensors", "config.json", "tagger.json"} <= set(record.checksums)


@every_key
def test_trained_tagger_that_sources_has_not_seen_yet_is_refused(named: Any, key: str) -> None:
    root, folder, params = named(key)
    params = params.model_copy(update={key: "./other"})
    with pytest.raises(ArtifactError, match=rf"{key}\.json: of the tagger {folder}, wanted \./other; run `dvc"):
        records(root, params)


@every_key
def test_trained_tagger_that_is_none_is_refused_by_the_name_of_its_param(named: Any, key: str) -> None:
    root, folder, params = named(key)
    (folder / "tagger.json").unlink()
    with pytest.raises(ArtifactError, match=rf"^params\.yaml: train\.{key}: .*/data/sources/{key}: no model"):
        records(root, params)


@every_key
def test_trained_tagger_is_read_from_an_export_too(named: Any, tmp_path: Path, key: str) -> None:
    _, folder, _ = named(key)
    (tmp_path / "export").mkdir()
    folder.rename(tmp_path / "export/tagger")
    place, config = trained_tagger.read(tmp_path / "export", key)
    assert (place, config.head) == (tmp_path / "export/tagger", "crf")


@every_key
def test_trained_tagger_without_weights_or_with_others_is_refused(named: Any, key: str) -> None:
    _, folder, _ = named(key)
    flip(folder / "model.safetensors")
    with pytest.raises(ArtifactError, match=rf"model\.safetensors: damaged .* another tagger in train\.{key}, or"):
        trained_tagger.read(folder, key)
    (folder / "model.safetensors").unlink()
    (folder / "onnx").mkdir()
    (folder / "onnx/model.int8.onnx").write_bytes(b"graph")
    with pytest.raises(ArtifactError, match=r"model\.safetensors: missing; ONNX graphs alone cannot be trained on"):
        trained_tagger.read(folder, key)
