"""A tokenizer that splits at every character, over another one's vocabulary."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from support.strategies import texts

from clue_ner.alignment.character_tokenizer import character_tokenizer
from clue_ner.alignment.tokenizer import Tokenizer
from clue_ner.backbones import e5_small

every_backbone = pytest.mark.parametrize("backbone", ["wordpiece", "unigram"])


@pytest.fixture(scope="module")
def tokenizers(backbones: dict[str, Path]) -> dict[str, Tokenizer]:
    return {name: character_tokenizer(Tokenizer.load(folder)) for name, folder in backbones.items()}


@pytest.mark.parametrize(
    ("backbone", "text", "tokens"),
    [
        ("wordpiece", "2000年2月", "2 0 0 0 年 2 月"),  # the vocabulary has 0 as ##0 only
        ("wordpiece", "EeＡ", "e e [UNK]"),  # lower case as the original, and no NFKC as the original
        ("wordpiece", "北 京", "北 [UNK] 京"),
        ("wordpiece", "[SEP]", "[ s e [UNK] ]"),
        ("unigram", "北京", "北 京"),
        ("unigram", "２sｓS", "2 s s S"),  # NFKC as the original, and cased
        ("unigram", "<s>", "< s >"),
        ("unigram", "新\\q", "新 <unk> <unk>"),
    ],
)
def test_characters_tokens(tokenizers: dict[str, Tokenizer], backbone: str, text: str, tokens: str) -> None:
    (encoding,) = tokenizers[backbone].encode([text])
    assert tokenizers[backbone].tokens(encoding.ids) == tokens.split()


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\r", "\u3000", "\u200b", "\x01", "\ufeff", "\u2028"])
def test_characters_reads_every_blank_as_the_word_mark(tokenizers: dict[str, Tokenizer], blank: str) -> None:
    (encoding,) = tokenizers["unigram"].encode([f"北{blank}京"])
    vocabulary = tokenizers["unigram"].vocabulary()
    mark = e5_small.SPECIALS.index("<unk>") + 1
    assert encoding.ids == [vocabulary["北"], mark, vocabulary["京"]]


@every_backbone
def test_characters_keeps_ids_and_special_tokens(
    tokenizers: dict[str, Tokenizer], backbones: dict[str, Path], backbone: str
) -> None:
    original, own = Tokenizer.load(backbones[backbone]), tokenizers[backbone]
    before, after = original.vocabulary(), own.vocabulary()
    assert sorted(before.values()) == sorted(after.values())
    renamed = {piece: id_ for piece, id_ in before.items() if after.get(piece) != id_}
    assert all(len(piece.removeprefix("##").removeprefix("▁") or " ") == 1 for piece in renamed)
    for name in ("pad_token", "unk_token", "cls_token", "sep_token"):
        token = own.special(name)
        assert token is not None
        assert token == original.special(name)
        assert after[token] == before[token]
    assert (own.pad_id, own.unk_id) == (original.pad_id, original.unk_id)
    assert (own.before, own.after) == (original.before, original.after)
    assert own.tokens([*own.before, *own.after]) == [own.special("cls_token"), own.special("sep_token")]


def test_characters_prefers_the_character_s_own_entry(tmp_path: Path) -> None:
    pieces = [*e5_small.SPECIALS, "▁", "▁王", "王", "▁李", "▁Q"]
    e5_small.tokenizer([(piece, -1.0) for piece in pieces]).save_pretrained(tmp_path)
    own = character_tokenizer(Tokenizer.load(tmp_path))
    vocabulary = own.vocabulary()
    assert [vocabulary[piece] for piece in ("王", "▁王", "李", "Q", " ")] == [6, 5, 7, 8, 4]
    assert own.encode(["李王Q"])[0].ids == [7, 6, 8]


@every_backbone
@settings(max_examples=60, deadline=None)
@given(text=texts.map(lambda text: text.encode("utf-8", "replace").decode("utf-8")))
def test_characters_loses_nothing(tokenizers: dict[str, Tokenizer], backbone: str, text: str) -> None:
    (encoding,) = tokenizers[backbone].encode([text])
    starts = [start for start, _ in encoding.offsets]
    assert starts == sorted(starts)
    if backbone == "wordpiece":
        assert sorted(set(encoding.offsets)) == [(i, i + 1) for i in range(len(text))]


@every_backbone
def test_characters_is_saved_whole(tokenizers: dict[str, Tokenizer], backbone: str, tmp_path: Path) -> None:
    tokenizers[backbone].save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    text = "2000年 New York [SEP]<s>北京\n２㎡"
    wanted, found = (tokenizer.encode([text])[0] for tokenizer in (tokenizers[backbone], loaded))
    assert (found.ids, found.tokens, found.offsets) == (wanted.ids, wanted.tokens, wanted.offsets)
    assert (loaded.before, loaded.after, loaded.unk_id, loaded.pad_id) == (
        tokenizers[backbone].before,
        tokenizers[backbone].after,
        tokenizers[backbone].unk_id,
        tokenizers[backbone].pad_id,
    )
