"""A BERT of one layer as a folder from which a backbone is fetched, and changes to it."""

import json
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

from clue_ner.backbones import fetch_backbone
from clue_ner.core.params import BackboneParams

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"今天去北京看电影，明回上海打游戏。"]
FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
"""What a backbone's folder has in it."""


def tiny_bert(folder: Path) -> Path:
    """Save a random BERT of one layer, with values that float16 holds exactly, and its vocabulary of characters."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    BertModel(config).half().float().save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    settings = {"do_lower_case": False, "tokenizer_class": "BertTokenizer", "model_max_length": 32}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def configure(folder: Path, **values: object) -> None:
    """Change values of the folder's config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


def fetch(source: Path | str, target: Path) -> dict[str, str]:
    """Fetch the backbone of the folder ``source`` to ``target``; where it came from."""
    target.mkdir()
    return fetch_backbone(BackboneParams(name=str(source), revision=None), target)


def contents(folder: Path) -> dict[str, bytes]:
    """The folder's files by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
