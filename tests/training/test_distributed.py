"""One training in two processes: the same batches, one record, the same tagger but for rounding."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from support.changed_params import write_params
from support.places import ROOT

from clue_ner.alignment.encode import Report, encode, write_rows
from clue_ner.core.entities import Entity, Sentence, fingerprint
from clue_ner.core.files import read_json, tag_map, write_checksums, write_json, write_sentences
from clue_ner.core.schemes import SCHEMES
from clue_ner.corpora._summary import fingerprint_of_all
from clue_ner.training import model_setup

SPLITS = {
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


def command(root: Path) -> dict[str, Any]:
    """What ``subprocess`` needs to run the stage in ``root``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
    own = {"PYTHONPATH": str(ROOT / "src"), "CLUE_NER_HOME": str(root), "OMP_NUM_THREADS": "1"}
    return {"args": [sys.executable, str(ROOT / "stages/fine_tune.py")], "cwd": root, "env": environment | own}


@pytest.fixture
def inputs(tmp_path: Path, backbones: dict[str, Path], make_aligner: Callable[..., Any]) -> Callable[..., Path]:
    """Write all that the stage reads to a root of that name, with these params of training; the root."""

    def write(name: str, **train: Any) -> Path:
        root = tmp_path / name
        aligner, tags = make_aligner("unigram", "characters_over_pieces"), SCHEMES["BIO"].tags(["name"])
        (root / "data/encoded").mkdir(parents=True)
        shutil.copytree(backbones["unigram"], root / "data/backbone")
        write_json(root / "data/backbone/source.json", {"kind": "folder", "name": "toy"})
        write_checksums(root / "data/backbone")
        write_params(root, train={**TRAIN, **train})
        splits = {name: {"fingerprint": fingerprint(sentences)} for name, sentences in SPLITS.items()}
        found = fingerprint_of_all({name: split["fingerprint"] for name, split in splits.items()})
        corpus = {"name": "toy", "fingerprint": found, "licence": "none", "types": ["name"], "splits": splits}
        write_json(root / "data/corpus/corpus.json", corpus)
        write_json(root / "metrics/corpus.json", {"splits": {"train": {"overlapping_pairs": 0}}})
        write_json(root / "data/tags.json", tag_map("BIO", ["name"]))
        aligner.tokenizer.save_pretrained(root / "data/encoded/tokenizer")
        for split, sentences in SPLITS.items():
            write_sentences(root / f"data/corpus/{split}.jsonl", sentences)
            rows = encode(sentences, aligner, SCHEMES["BIO"], tags, Report())
            write_rows(root / f"data/encoded/{split}.arrow", rows)
        for folder in ("corpus", "encoded"):
            write_checksums(root / "data" / folder)
        return root

    return write


@pytest.fixture
def fine_tuned(inputs: Callable[..., Path]) -> Callable[..., tuple[Path, str]]:
    """Run the stage in a root of its own with so many processes; its root and what it said."""

    def run(processes: int) -> tuple[Path, str]:
        root = inputs(str(processes), processes=processes)
        done = subprocess.run(**command(root), capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stderr
        return root, done.stderr

    return run


def test_training_in_two_processes_is_one_training(fine_tuned: Callable[..., tuple[Path, str]]) -> None:
    (one, _), (two, said) = fine_tuned(1), fine_tuned(2)
    assert said.count("training on") == 1
    assert "2 processes" in said
    assert said.count("epoch 2/2") == 1
    for name, value in load_file(one / "models/tagger/model.safetensors").items():
        other = load_file(two / "models/tagger/model.safetensors")[name]
        assert other.allclose(value, atol=1e-3), name
    epochs = [read_json(root / "metrics/train.json")["epochs"] for root in (one, two)]
    assert [row["loss"] for row in epochs[1]] == pytest.approx([row["loss"] for row in epochs[0]], rel=0.05)
    assert journal_kinds(two) == journal_kinds(one)


def journal_kinds(root: Path) -> list[str]:
    """What was noted of the one training in ``root``."""
    (journal,) = (root / ".tracking").glob("*.jsonl")
    return [json.loads(line)["kind"] for line in journal.read_text(encoding="utf-8").splitlines()]
