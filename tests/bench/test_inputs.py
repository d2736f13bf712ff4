from pathlib import Path
from typing import Any

import pytest

from bench import inputs
from clue_ner.core.params import load_params
from clue_ner.training.model_setup import OFF


@pytest.fixture
def repository(place: Path, tmp_path: Path) -> Path:
    """A repository whose data stages have run."""
    root = tmp_path / "repository"
    (root / "data").mkdir(parents=True)
    (root / "stages").symlink_to(inputs.ROOT / "stages")
    for name in ("corpus", "test", "backbone"):
        (root / "data" / name).symlink_to(place / "data" / name)
    values = (inputs.ROOT / "params.yaml").read_text(encoding="utf-8")
    (root / "params.yaml").write_text(values.replace("r_drop: 1.0", "r_drop: 2.0"), encoding="utf-8")
    return root


def test_prepare_links_what_is_there_makes_the_rest_and_turns_training_options_off(
    repository: Path, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    inputs.prepare(repository, place)
    for name in ("corpus", "test", "backbone"):
        assert (place / "data" / name).resolve() == (repository / "data" / name).resolve()
    assert (place / "data/encoded/train.arrow").is_file() and (place / "data/tags.json").is_file()
    theirs, ours = load_params(repository / "params.yaml"), load_params(place / "params.yaml")
    assert theirs.train.r_drop == 2.0
    assert ours == theirs.model_copy(update={"train": theirs.train.model_copy(update=OFF)})


def test_prepare_makes_the_corpus_anew_if_a_folder_of_it_is_missing(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLUENER_MIRROR", raising=False)
    (repository / "data/test").unlink()
    place = tmp_path / "place"
    inputs.prepare(repository, place)
    assert load_params(place / "params.yaml").corpus.name == "sample"
    assert not (place / "data/corpus").is_symlink() and (place / "data/test/test.jsonl").is_file()


def test_describe_counts_train_and_test(place: Path, sentences: list[dict[str, Any]]) -> None:
    found = inputs.describe(place)
    assert found["sentences"] == 2 * len(sentences)
    assert found["mean_characters"] == sum(len(sentence["text"]) for sentence in sentences) / len(sentences)
    assert (found["corpus"], found["layers"], found["hidden"], found["batch_size"]) == ("jsonl", 2, 32, 5)
