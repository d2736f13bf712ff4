"""Random BERTs of two layers, one for each family of tokenizers: WordPiece (as Chinese BERT) and Unigram (as e5)."""

import json
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

from clue_ner.backbones import e5_small, fetch_backbone
from clue_ner.core.params import BackboneParams

CHARACTERS = (
    "广东佛山宝芝林黄飞鸿武艺高强晓明艳一起出游年月特斯拉上海超级工厂我是王德发目前住在北京，。看电影公司的新经理说《》"
)
WORDPIECES = ["2000", "2", "##0", "new", "york", "##s", "a", "##b", "nba", "1", "e", "m", "[", "]", "<", ">", "/", "!"]
PIECES = [
    "▁2000",
    "2000",
    "北京",
    "▁北京",
    "公司",
    "佛山",
    "▁我",
    "特斯拉",
    "New",
    "▁York",
    "s",
    "S",
    "E",
    "P",
    "[",
    "]",
    "<",
    "/",
    ">",
    "1",
    "2",
    *"padunk",
]


def wordpiece(folder: Path) -> Path:
    """A backbone folder as its stage makes it from a Chinese BERT: lower case, characters and WordPieces."""
    source = folder.with_name(f"{folder.name}-source")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(CHARACTERS), *WORDPIECES]
    _bert(len(vocabulary), 0).save_pretrained(source)
    (source / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    settings = {"do_lower_case": True, "tokenizer_class": "BertTokenizer", "model_max_length": 512}
    (source / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    folder.mkdir()
    fetch_backbone(BackboneParams(name=str(source), revision=None), folder)
    return folder


def unigram(folder: Path) -> Path:
    """A backbone folder like that of e5-small: SentencePiece's Unigram, which joins characters to pieces."""
    pieces = [*e5_small.SPECIALS, "▁", *dict.fromkeys(CHARACTERS), *PIECES]
    tokenizer = e5_small.tokenizer([(piece, -1.0 * bool(number)) for number, piece in enumerate(pieces)])
    _bert(len(pieces), e5_small.SPECIALS.index("<pad>")).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


BACKBONES = {"wordpiece": wordpiece, "unigram": unigram}


def _bert(vocabulary: int, pad: int) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        pad_token_id=pad,
    )
    return BertModel(config, add_pooling_layer=False)
