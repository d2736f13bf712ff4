"""data/tags.json: written from the corpus's types, and read only if it still belongs to them."""

from pathlib import Path
from typing import Any

import pytest

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import write_json
from clue_ner.core.tag_map import read_tags, tag_map

TYPES = ["address", "name"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_json(tmp_path / "data/corpus/corpus.json", {"types": TYPES})
    write_json(tmp_path / "data/tags.json", tag_map("BIO", TYPES))
    return tmp_path


def test_tag_map_numbers_tags_by_their_place() -> None:
    assert tag_map("BIO", TYPES) == {
        "scheme": "BIO",
        "types": TYPES,
        "tags": ["O", "B-address", "I-address", "B-name", "I-name"],
        "id2label": {"0": "O", "1": "B-address", "2": "I-address", "3": "B-name", "4": "I-name"},
        "label2id": {"O": 0, "B-address": 1, "I-address": 2, "B-name": 3, "I-name": 4},
    }


def test_tag_map_is_read_as_it_was_written(root: Path) -> None:
    assert read_tags(root) == tag_map("BIO", TYPES)


@pytest.mark.parametrize(
    "content",
    [
        tag_map("BIO", ["address"]),
        tag_map("BIO", TYPES) | {"tags": ["O", "I-address", "B-address", "B-name", "I-name"]},
        tag_map("BIO", TYPES) | {"scheme": "BIOES"},
        tag_map("BIO", TYPES) | {"scheme": "IOB7"},
        {},
        [],
        None,
    ],
)
def test_tag_map_of_something_else_is_refused(root: Path, content: Any) -> None:
    write_json(root / "data/tags.json", content)
    with pytest.raises(ArtifactError, match=r"tags\.json: damaged, these are not the tags of the corpus's types; run"):
        read_tags(root)
