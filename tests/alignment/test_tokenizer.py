"""The tokenizer against stock transformers, which reads the same two files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.places import GOLDEN
from support.strategies import long_texts, texts
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers

from clue_ner.alignment.character_tokenizer import character_tokenizer
from clue_ner.alignment.tokenizer import FILE, SETTINGS, Tokenizer
from clue_ner.common.errors import ArtifactError

KINDS = ["wordpiece", "unigram", "wordpiece characters", "unigram characters"]
CASES = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(GOLDEN.glob("*/*.json"))]
GOLDEN_TEXTS = [case["text"] for case in CASES if "text" in case]
NAMES = ["[SEP]", "[CLS]王", "北[UNK]京", "[MASK][PAD]", "<s>", "</s>北", "<unk>", "<pad>中<s>国", "< s >", "##a", "▁"]
ODD = ["", " ", "  北  京  ", "a" * 300, "王" * 600, "\u200b\x01", "İ½ﬁ㎡", "e\u0301\u0301", "👨‍👩‍👧", "\r\n\t", "\x00"]

every_kind = pytest.mark.parametrize("kind", KINDS)


def readable(text: str) -> str:
    """The text with lone surrogates, which no tokenizer takes, as unknown characters."""
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


@pytest.fixture(scope="module")
def folders(backbones: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with the two files of each kind of tokenizer; the first two are as a backbone has them."""
    root = tmp_path_factory.mktemp("tokenizers")
    for name, folder in backbones.items():
        character_tokenizer(Tokenizer.load(folder)).save(root / f"{name} characters")
    return {kind: backbones.get(kind, root / kind) for kind in KINDS}


@pytest.fixture(scope="module")
def both(folders: dict[str, Path]) -> Callable[[str], tuple[Tokenizer, Any]]:
    """Our tokenizer and that of transformers, of one kind."""
    from transformers import AutoTokenizer

    made = {
        kind: (Tokenizer.load(folder), AutoTokenizer.from_pretrained(folder, split_special_tokens=True))
        for kind, folder in folders.items()
    }
    return made.__getitem__


def check(tokenizer: Tokenizer, stock: Any, some: list[str]) -> None:
    """That both give the same ids, tokens and offsets."""
    found = tokenizer.encode(some)
    assert len(found) == len(some)
    for text, encoding in zip(some, found, strict=True):
        wanted = stock(text, add_special_tokens=False, return_offsets_mapping=True)
        assert encoding.ids == wanted["input_ids"], text
        assert encoding.offsets == wanted["offset_mapping"], text
        assert encoding.tokens == wanted.tokens(), text
        assert tokenizer.tokens(encoding.ids) == stock.convert_ids_to_tokens(wanted["input_ids"])


@every_kind
def test_tokenizer_equals_that_of_transformers(both: Any, kind: str) -> None:
    assert len(GOLDEN_TEXTS) > 15
    check(*both(kind), [readable(text) for text in [*GOLDEN_TEXTS, *NAMES, *ODD]])
    check(*both(kind), [])


@every_kind
@settings(max_examples=100, deadline=None)
@given(text=st.one_of(texts, long_texts).map(readable))
@example("[SEP]<s>")
def test_tokenizer_equals_that_of_transformers_on_any_text(both: Any, kind: str, text: str) -> None:
    check(*both(kind), [text])


@every_kind
def test_tokenizer_reads_special_tokens_in_a_text_as_characters(both: Any, kind: str) -> None:
    tokenizer, stock = both(kind)
    for encoding in tokenizer.encode(NAMES):
        assert not set(encoding.ids) & set(stock.all_special_ids) - {stock.unk_token_id}


@every_kind
def test_tokenizer_ids_around_a_window_are_those_that_transformers_puts(both: Any, kind: str) -> None:
    tokenizer, stock = both(kind)
    assert (tokenizer.unk_id, tokenizer.pad_id) == (stock.unk_token_id, stock.pad_token_id)
    assert tokenizer.vocabulary() == stock.get_vocab()
    assert len(tokenizer.before) == len(tokenizer.after) == 1
    for text in ("北", "王德发", "龘", "2000年"):
        inside = stock(text, add_special_tokens=False)["input_ids"]
        assert [*tokenizer.before, *inside, *tokenizer.after] == stock(text)["input_ids"]


@pytest.mark.parametrize("kind", ["wordpiece", "unigram"])
def test_tokenizer_takes_special_tokens_in_either_layout(folders: dict[str, Path], kind: str, tmp_path: Path) -> None:
    plain = Tokenizer.load(folders[kind])
    values = json.loads((folders[kind] / SETTINGS).read_text(encoding="utf-8"))
    shutil.copy(folders[kind] / FILE, tmp_path)
    wrapped = {name: {"content": v, "lstrip": False} if name.endswith("_token") else v for name, v in values.items()}
    (tmp_path / SETTINGS).write_text(json.dumps(wrapped), encoding="utf-8")
    loaded = Tokenizer.load(tmp_path)
    assert wrapped != values
    assert (loaded.unk_id, loaded.pad_id) == (plain.unk_id, plain.pad_id)
    assert loaded.special("sep_token") == plain.special("sep_token")


@every_kind
def test_tokenizer_is_the_same_after_saving_and_loading(folders: dict[str, Path], kind: str, tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(folders[kind])
    for name in ("first", "second"):
        tokenizer.save(tmp_path / name)
    loaded = Tokenizer.load(tmp_path / "first")
    assert loaded.settings == tokenizer.settings | {"split_special_tokens": True}
    for wanted, found in zip(tokenizer.encode(GOLDEN_TEXTS[:5]), loaded.encode(GOLDEN_TEXTS[:5]), strict=True):
        assert (wanted.ids, wanted.offsets) == (found.ids, found.offsets)
    for name in (FILE, SETTINGS):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_tokenizer_load_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no tokenizer\.json; wanted a folder that `dvc repro` made"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (FILE, "{", r"tokenizer\.json: cannot be read as a tokenizer \("),
        (FILE, "{}", r"tokenizer\.json: cannot be read as a tokenizer \("),
        (SETTINGS, None, r"tokenizer_config\.json: no such file; run .*`dvc repro`"),
        (SETTINGS, "{", r"tokenizer_config\.json: damaged, not JSON .*dvc repro"),
        (SETTINGS, '"wordpiece"', r"tokenizer_config\.json: found a JSON str, wanted an object; .*dvc repro"),
        (SETTINGS, "{}", r"tokenizer_config\.json: unk_token is None, wanted a token of tokenizer\.json; write one"),
        (SETTINGS, '{"unk_token": "[?]"}', r"tokenizer_config\.json: unk_token is '\[\?\]', wanted a token"),
        (SETTINGS, '{"unk_token": ["[UNK]"]}', r"tokenizer_config\.json: unk_token is None, wanted a token"),
        (SETTINGS, '{"unk_token": "[UNK]", "pad_token": {}}', r"tokenizer_config\.json: pad_token is None, wanted"),
    ],
)
def test_tokenizer_load_refuses_damaged_files(
    backbones: dict[str, Path], tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    for file in (FILE, SETTINGS):
        shutil.copy(backbones["wordpiece"] / file, tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError, match=message):
        Tokenizer.load(tmp_path)


def test_tokenizer_that_loses_characters_is_refused(tmp_path: Path) -> None:
    backend = Backend(models.WordLevel({"[UNK]": 0, "[PAD]": 1}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Split("一", "removed")
    with pytest.raises(
        ArtifactError, match=r"tokenizer\.json: no token for the character 一, wanted one for any character"
    ):
        Tokenizer(backend, {"unk_token": "[UNK]", "pad_token": "[PAD]"})
