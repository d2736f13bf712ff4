"""data/tags.json: the label list of a scheme; a label's index is its id."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import ADVICE, read_json
from clue_ner.core.schemes import SCHEMES


def tag_map(scheme: str, types: Sequence[str]) -> dict[str, Any]:
    """The content of data/tags.json: the scheme's tags for the types; a tag's index is its id."""
    tags = SCHEMES[scheme].tags(types)
    return {
        "scheme": scheme,
        "types": list(types),
        "tags": tags,
        "id2label": {str(i): tag for i, tag in enumerate(tags)},
        "label2id": {tag: i for i, tag in enumerate(tags)},
    }


def read_tags(root: Path) -> dict[str, Any]:
    """data/tags.json of the pipeline at ``root``, compared with the tags of the corpus's types.

    Raises ArtifactError if they differ.
    """
    path = root / "data/tags.json"
    found, types = read_json(path), read_json(root / "data/corpus/corpus.json")["types"]
    scheme = found.get("scheme") if isinstance(found, dict) else None
    if scheme not in SCHEMES or found != tag_map(scheme, types):
        raise ArtifactError(f"{path}: damaged, these are not the tags of the corpus's types; {ADVICE}")
    return dict(found)
