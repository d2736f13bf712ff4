"""What the stage fine_tune reads, and the command that runs it."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from clue_ner.alignment.encode import Report, encode, write_examples
from clue_ner.common.files import write_checksums, write_json
from clue_ner.core.entities import Entity, Sentence, fingerprint, fingerprint_of_all
from clue_ner.core.folders import TAGGERS
from clue_ner.core.schemes import SCHEMES
from clue_ner.core.sentences import SPLITS, write_sentences
from clue_ner.core.tag_map import tag_map
from clue_ner.training import model_setup
from support.changed_params import write_params
from support.code import link_code
from support.places import ROOT

SENTENCES = {
    "train": [Sentence(f"train-{i}", f"王德发{'在' * (i % 5)}北京", (Entity(0, 3, "name"),)) for i in range(23)],
    "valid": [Sentence("valid-0", "王德发在佛山", (Entity(0, 3, "name"),))],
}
TRAIN = model_setup.OFF | {
    "epochs": 2,
    "batch_size": 4,
    "dropout": 0.0,
    "lr": 1e-3,
    "context_size": 8,
    "precision": "float32",
}


def environment(root: Path) -> dict[str, str]:
    """The environment that the stage runs with in ``root``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
    return inherited | {"PYTHONPATH": str(ROOT / "src"), "CLUE_NER_HOME": str(root), "OMP_NUM_THREADS": "1"}


def command(root: Path) -> dict[str, Any]:
    """What ``subprocess`` needs to run the stage in ``root``."""
    return {"args": [sys.executable, str(ROOT / "stages/fine_tune.py")], "cwd": root, "env": environment(root)}


def write_inputs(root: Path, backbone: Path, aligner: Any, **train: Any) -> None:
    """Write all that the stage reads into ``root``, with these params of training."""
    tags = SCHEMES["BIO"].tags(["name"])
    (root / "data/encoded").mkdir(parents=True)
    shutil.copytree(backbone, root / "data/backbone")
    write_json(root / "data/backbone/source.json", {"kind": "folder", "name": "toy"})
    write_checksums(root / "data/backbone")
    write_params(root, train={**TRAIN, **train})
    (root / "data/sources").mkdir()
    for key in TAGGERS:
        if (tagger := train.get(key)) is not None:
            (root / "data/sources" / key).symlink_to(tagger)
            write_json(root / f"data/sources/{key}.json", {"name": tagger, "resolved": None})
    splits = {name: {"fingerprint": fingerprint(SENTENCES[name]), "overlapping_pairs": 0} for name in SENTENCES}
    found = fingerprint_of_all({name: str(split["fingerprint"]) for name, split in splits.items()})
    corpus = {"name": "toy", "fingerprint": found, "licence": "none", "types": ["name"], "splits": splits}
    write_json(root / "data/corpus/corpus.json", corpus)
    write_json(root / "data/test/corpus.json", corpus | {"types": [], "splits": {}})
    write_json(root / "data/tags.json", tag_map("BIO", ["name"]))
    aligner.tokenizer.save(root / "data/encoded/tokenizer")
    for split, sentences in SENTENCES.items():
        write_sentences(root / SPLITS[split] / f"{split}.jsonl", sentences)
    examples = encode(SENTENCES["train"], aligner, SCHEMES["BIO"], tags, Report())
    write_examples(root / "data/encoded/train.arrow", examples)
    for folder in ("corpus", "encoded", "test"):
        write_checksums(root / "data" / folder)
    link_code(root)
