"""A folder with the pipeline's layout and all inputs of the bench, linked from the repository or newly made."""

import os
import runpy
from pathlib import Path
from typing import Any

from clue_ner.common.files import read_json, write_text
from clue_ner.core.params import Params, load_params
from clue_ner.core.sentences import SPLITS, read_split
from clue_ner.core.yaml import to_yaml

ROOT = Path(__file__).resolve().parents[1]
"""The repository."""
STAGES = {
    "download": "data/corpus",
    "backbone": "data/backbone",
    "tag_map": "data/tags.json",
    "tokenize_align": "data/encoded",
}
"""The stages before training, in order, and a folder or file that each of them makes."""
CORPUS = tuple(dict.fromkeys(SPLITS.values()))
"""The folders of the corpus; download makes them all."""


def prepare(root: Path, place: Path) -> None:
    """Fill ``place`` with params.yaml and data/ of the repository at ``root``; missing data is made.

    Training options such as R-Drop are off: some run each batch twice, and speeds are for one pass.

    Without data/corpus the corpus is CLUENER if CLUENER_MIRROR is set, else ``sample``; without
    data/backbone the backbone is ``e5-small``.
    """
    from clue_ner.training.model_setup import OFF  # imports torch, whose memory scaling must not count

    params = load_params(root / "params.yaml")
    params = params.model_copy(update={"train": params.train.model_copy(update=OFF)})
    (place / "data").mkdir(parents=True, exist_ok=True)
    if all((root / folder / "corpus.json").is_file() for folder in CORPUS):
        for folder in CORPUS:
            (place / folder).symlink_to((root / folder).resolve())
    else:
        name = "cluener" if "CLUENER_MIRROR" in os.environ else "sample"
        corpus = params.corpus.model_copy(update={"name": name, "path": None})
        params = params.model_copy(update={"corpus": corpus})
    if (root / "data/backbone/config.json").is_file():
        (place / "data/backbone").symlink_to((root / "data/backbone").resolve())
    else:
        backbone = params.backbone.model_copy(update={"name": "e5-small", "revision": None})
        params = params.model_copy(update={"backbone": backbone})
    make(root, place, params)


def make(root: Path, place: Path, params: Params) -> None:
    """Write params.yaml into ``place`` and run the stages there whose outs are missing."""
    write_text(place / "params.yaml", to_yaml(params.model_dump()))
    for name, out in STAGES.items():
        if not (place / out).exists():
            stage(root, name)(place)


def stage(root: Path, name: str) -> Any:
    """The ``main`` of a stage script, which takes the folder that it works in."""
    return runpy.run_path(str(root / "stages" / f"{name}.py"))["main"]


def describe(place: Path) -> dict[str, Any]:
    """The data of the measurements: corpus, backbone and their sizes."""
    corpus, config = read_json(place / "data/corpus/corpus.json"), read_json(place / "data/backbone/config.json")
    sentences = [sentence for split in ("train", "test") for sentence in read_split(place, split) or []]
    return {
        "corpus": corpus["name"],
        "sentences": len(sentences),
        "mean_characters": sum(len(s.text) for s in sentences) / len(sentences),
        "backbone": read_json(place / "data/backbone/source.json")["name"],
        "layers": config["num_hidden_layers"],
        "hidden": config["hidden_size"],
        "intermediate": config["intermediate_size"],
        "batch_size": load_params(place / "params.yaml").train.batch_size,
    }
