"""The tag_map stage: the corpus's types in, the list of tags out."""

import json
import runpy
from pathlib import Path

import pytest
from support.changed_params import write_params
from support.places import ROOT

from clue_ner.common.files import write_checksums, write_json
from clue_ner.core.schemes import SCHEMES

main = runpy.run_path(str(ROOT / "stages/tag_map.py"))["main"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_tag_map_lists_tags_whose_index_is_the_id(tmp_path: Path, scheme: str) -> None:
    write_params(tmp_path, tagging={"scheme": scheme}, train={"head": "crf"})
    write_json(tmp_path / "data/corpus/corpus.json", {"types": ["address", "book"]})
    write_checksums(tmp_path / "data/corpus")
    main(tmp_path)
    made = json.loads((tmp_path / "data/tags.json").read_text(encoding="utf-8"))
    tags = SCHEMES[scheme].tags(["address", "book"])
    assert set(made) == {"scheme", "types", "tags", "id2label", "label2id"}
    assert (made["scheme"], made["types"], made["tags"]) == (scheme, ["address", "book"], tags)
    assert [made["id2label"][str(i)] for i in range(len(tags))] == tags
    assert made["label2id"] == {tag: i for i, tag in enumerate(tags)}


def test_tag_map_gives_the_same_bytes_again(tmp_path: Path) -> None:
    write_params(tmp_path)
    contents = []
    for types in (["scene", "address"], ["address", "scene"]):
        write_json(tmp_path / "data/corpus/corpus.json", {"types": sorted(types)})
        write_checksums(tmp_path / "data/corpus")
        main(tmp_path)
        contents.append((tmp_path / "data/tags.json").read_bytes())
    assert contents[0] == contents[1]
