"""A clone of the repository with almost no work: a corpus of 24 sentences and a BERT of two tiny layers."""

import itertools
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bench import commands
from clue_ner.common.files import read_json, write_json, write_text
from clue_ner.core.yaml import read_yaml

PEOPLE = ("周明远", "陈静", "欧阳晓", "马腾飞")
PLACES = ("杭州", "成都", "哈尔滨", "厦门", "昆明", "拉萨")
FORM = "{person}下周从{place}回来。"
SETTINGS = {
    "corpus.name": "jsonl",
    "corpus.path": "tiny-corpus",
    "backbone.name": "./tiny-bert",
    "tagging.align": "characters",
    "train.epochs": "2",
    "train.r_drop": "0.0",
    "train.ema_decay": "0.0",
    "export.onnx": "false",
}
"""The params of the pipeline there, as arguments of ``dvc exp run -S``."""


def make(root: Path, place: Path, variables: Mapping[str, str]) -> Path:
    """Copy ``root`` to ``place``, add corpus and backbone, commit, and make the tables of an MLflow store."""
    copy(root, place, variables)
    write_corpus(place / SETTINGS["corpus.path"])
    write_backbone(place / SETTINGS["backbone.name"])
    commands.run(["git", "init", "--quiet"], place, variables)
    commands.run(["git", "add", "--all"], place, variables)
    own = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false")
    commands.run(["git", *own, "commit", "--quiet", "--no-verify", "--message", "all"], place, variables)
    opened = "from pathlib import Path; from clue_ner.tracking.store import connect; connect(Path())"
    commands.run([sys.executable, "-c", opened], place, variables)
    return place


def copy(root: Path, place: Path, variables: Mapping[str, str]) -> None:
    """Copy the files in ``root`` that git tracks, or would add, as they are now."""
    listed = commands.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], root, variables)
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, place / name)


def stages(root: Path) -> list[str]:
    """The stages of dvc.yaml, in its order."""
    return list(read_yaml((root / "dvc.yaml").read_bytes(), "dvc.yaml")["stages"])


def run(clone: Path, variables: Mapping[str, str]) -> None:
    """All stages through DVC; RuntimeError if one of them was not run."""
    settings = [part for name, value in SETTINGS.items() for part in ("-S", f"{name}={value}")]
    output = commands.run(["dvc", "exp", "run", *settings], clone, variables).stdout
    if missing := [stage for stage in stages(clone) if f"Running stage '{stage}'" not in output]:
        raise RuntimeError(f"dvc exp run left out {', '.join(missing)}:\n{output[-2000:]}")


def write_corpus(folder: Path) -> None:
    """Write train.jsonl: each of the people with each of the places."""
    lines = []
    for person, place in itertools.product(PEOPLE, PLACES):
        text = FORM.format(person=person, place=place)
        entities = [
            {"type": type_, "start": text.index(surface), "end": text.index(surface) + len(surface)}
            for type_, surface in (("name", person), ("address", place))
        ]
        lines.append(json.dumps({"text": text, "entities": entities}, ensure_ascii=False) + "\n")
    write_text(folder / "train.jsonl", "".join(lines))


def write_backbone(folder: Path) -> None:
    """Write a random BERT of two layers, 32 wide, that knows the characters of the corpus."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    characters = sorted({*"".join((*PEOPLE, *PLACES, FORM))})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    )
    torch.manual_seed(0)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    BertTokenizer(vocab={token: number for number, token in enumerate(vocabulary)}).save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    write_json(file, read_json(file) | {"model_max_length": config.max_position_embeddings})
