"""A tokenizer that splits at every character, over another one's vocabulary."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from support.strategies import texts

from clue_ner.alignment.aligner import load_tokenizer
from clue_ner.alignment.character_tokenizer import character_tokenizer
from clue_ner.backbones import e5_small


@pytest.fixture(scope="module")
def tokenizers(backbones: dict[str, Path]) -> dict[str, Any]:
    return {name: character_tokenizer(load_tokenizer(folder)) for name, folder in backbones.items()}


@pytest.mark.parametrize(
    ("backbone", "text", "tokens"),
    [
        ("wordpiece", "2000年2月", "2 0 0 0 年 2 月"),  # 0 is in the vocabulary as ##0 alone
        ("wordpiece", "EeＡ", "e e [UNK]"),  # lower case as the original, and no NFKC as the original
        ("wordpiece", "北 京", "北 [UNK] 京"),
        ("wordpiece", "[SEP]", "[ s e [UNK] ]"),
        ("unigram", "北京", "北 京"),
        ("unigram", "２sｓS", "2 s s S"),  # NFKC as the original, and cased
        ("unigram", "<s>", "< s >"),
        ("unigram", "新\\q", "新 <unk> <unk>"),
    ],
)
def test_characters_tokens(tokenizers: dict[str, Any], backbone: str, text: str, tokens: str) -> None:
    assert tokenizers[backbone].tokenize(text) == tokens.split()


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\r", "\u3000", "\u200b", "\x01", "\ufeff", "\u2028"])
def test_characters_reads_every_blank_as_the_word_mark(tokenizers: dict[str, Any], blank: str) -> None:
    ids = tokenizers["unigram"](f"北{blank}京", add_special_tokens=False)["input_ids"]
    mark = e5_small.SPECIALS.index("<unk>") + 1
    assert ids == [
        tokenizers["unigram"].convert_tokens_to_ids("北"),
        mark,
        tokenizers["unigram"].convert_tokens_to_ids("京"),
    ]


@pytest.mark.parametrize("backbone", ["wordpiece", "unigram"])
def test_characters_keeps_ids_and_special_tokens(
    tokenizers: dict[str, Any], backbones: dict[str, Path], backbone: str
) -> None:
    original, own = load_tokenizer(backbones[backbone]), tokenizers[backbone]
    before, after = original.get_vocab(), own.get_vocab()
    assert sorted(before.values()) == sorted(after.values())
    renamed = {piece: id_ for piece, id_ in before.items() if after.get(piece) != id_}
    assert all(len(piece.removeprefix("##").removeprefix("▁") or " ") == 1 for piece in renamed)
    for name in ("pad_token_id", "unk_token_id", "cls_token_id", "sep_token_id"):
        assert getattr(own, name) == getattr(original, name)
    assert own("北")["input_ids"] == [own.cls_token_id, after["北"], own.sep_token_id]


def test_characters_prefers_the_character_s_own_entry() -> None:
    pieces = [*e5_small.SPECIALS, "▁", "▁王", "王", "▁李", "▁Q"]
    own = character_tokenizer(e5_small.tokenizer([(piece, -1.0) for piece in pieces]))
    vocabulary = own.get_vocab()
    assert [vocabulary[piece] for piece in ("王", "▁王", "李", "Q", " ")] == [6, 5, 7, 8, 4]
    assert own("李王Q", add_special_tokens=False)["input_ids"] == [7, 6, 8]


@pytest.mark.parametrize("backbone", ["wordpiece", "unigram"])
@settings(max_examples=60, deadline=None)
@given(text=texts.map(lambda text: text.encode("utf-8", "replace").decode("utf-8")))
def test_characters_loses_nothing(tokenizers: dict[str, Any], backbone: str, text: str) -> None:
    encoding = tokenizers[backbone](text, add_special_tokens=False, return_offsets_mapping=True)
    starts = [start for start, _ in encoding["offset_mapping"]]
    assert starts == sorted(starts)
    if backbone == "wordpiece":
        assert sorted(set(encoding["offset_mapping"])) == [(i, i + 1) for i in range(len(text))]


@pytest.mark.parametrize("backbone", ["wordpiece", "unigram"])
def test_characters_is_saved_whole(tokenizers: dict[str, Any], backbone: str, tmp_path: Path) -> None:
    tokenizers[backbone].save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    text = "2000年 New York [SEP]<s>北京\n２㎡"
    assert loaded(text, return_offsets_mapping=True) == tokenizers[backbone](text, return_offsets_mapping=True)
