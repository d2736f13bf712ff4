"""Stage backbone: params.yaml (backbone) -> data/backbone/, the encoder's config, weights, tokenizer and source."""

from pathlib import Path

from clue_ner.backbones import fetch_backbone
from clue_ner.common.files import atomic_folder, write_checksums, write_json
from clue_ner.common.stage import run
from clue_ner.core.params import load_params


def main(root: Path) -> None:
    """Download the backbone that params.yaml names, and record its exact source."""
    params = load_params(root / "params.yaml")
    with atomic_folder(root / "data/backbone") as folder:
        source = fetch_backbone(params.backbone, folder)
        files = write_checksums(folder)
        write_json(folder / "source.json", {**source, "files": files})
        write_checksums(folder, known=files)


if __name__ == "__main__":
    run(main)
