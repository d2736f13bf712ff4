"""Stage tag_map: data/corpus/corpus.json -> data/tags.json, the label list whose index is the id."""

from pathlib import Path

from clue_ner.artifacts import read_json, write_json
from clue_ner.params import load_params
from clue_ner.schemes import SCHEMES
from clue_ner.stage import run


def main(root: Path) -> None:
    """Derive the tags of the scheme from the corpus's types, in sorted order."""
    params = load_params(root / "params.yaml")
    types = read_json(root / "data/corpus/corpus.json")["types"]
    tags = SCHEMES[params.tagging.scheme].tags(types)
    write_json(
        root / "data/tags.json",
        {
            "scheme": params.tagging.scheme,
            "types": types,
            "tags": tags,
            "id2label": {str(i): tag for i, tag in enumerate(tags)},
            "label2id": {tag: i for i, tag in enumerate(tags)},
        },
    )


if __name__ == "__main__":
    run(main)
