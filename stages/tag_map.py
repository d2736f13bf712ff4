"""Stage tag_map: data/corpus/corpus.json -> data/tags.json, the label list; a label's index is its id."""

from pathlib import Path

from clue_ner.common.files import checked, read_json, write_json
from clue_ner.common.stage import run
from clue_ner.core.params import load_params
from clue_ner.core.tag_map import tag_map


def main(root: Path) -> None:
    """Derive the tags of the scheme from the types of train and valid, in sorted order."""
    params = load_params(root / "params.yaml")
    types = read_json(checked(root / "data/corpus", "corpus.json") / "corpus.json")["types"]
    write_json(root / "data/tags.json", tag_map(params.tagging.scheme, types))


if __name__ == "__main__":
    run(main)
