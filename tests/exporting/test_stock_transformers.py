import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.configs import tagger_config
from support.places import ROOT
from support.tiny import tiny_tagger_folder
from transformers import AutoTokenizer, BertGenerationConfig, BertGenerationEncoder, pipeline, set_seed

from clue_ner.alignment.encode import Report, encode
from clue_ner.core.params import load_params
from clue_ner.core.schemes import SCHEMES
from clue_ner.corpora.sample import parse
from clue_ner.exporting import stock_transformers
from clue_ner.network.encoder import load_encoder
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes.torch import TorchRuntime, model_of
from clue_ner.tagger.tagger import Tagger
from clue_ner.training.model_setup import OFF
from clue_ner.training.trainer import fit

PEOPLE, PLACES = ("黄飞鸿", "王德发", "晓明"), ("北京", "佛山", "上海")
FORMS = ("[{}|name]目前住在[{}|address]", "[{1}|address][{0}|name]", "{1}的公司, [{0}|name] 2000年")
TRAIN = [
    parse(form.format(person, place), str(number))
    for number, (form, person, place) in enumerate((f, p, q) for f in FORMS for p in PEOPLE for q in PLACES)
]
TEXTS = [
    *(sentence.text for sentence in TRAIN),
    "2000年王德发在上海看电影",
    "12黄飞鸿1，佛山2!",
    "王德发NBA晓明",
    " 黄飞鸿,北京 ",
    "我是。",
    "",
]
SPACED = ["王德发 在 北京", "黄飞鸿\t目前住在佛 山", "晓明 NBA 2000 上海"]
CASES = [
    ("wordpiece", "characters", "BIO"),
    ("wordpiece", "pieces", "BIO"),
    ("unigram", "pieces", "BIO"),
    ("wordpiece", "characters", "BMES"),
]


def write(tagger: Tagger, folder: Path) -> str | None:
    return stock_transformers.write(tagger, model_of(tagger), folder)


@pytest.fixture(scope="session", params=CASES, ids="-".join)
def learned(
    request: pytest.FixtureRequest,
    backbones: dict[str, Path],
    make_aligner: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Tagger:
    """A tiny tagger that has learned TRAIN by heart."""
    backbone, align, scheme = request.param
    params = load_params(ROOT / "params.yaml").train.model_copy(
        update=OFF | {"lr": 5e-3, "epochs": 25, "batch_size": 9, "precision": "float32", "freeze_embeddings": False}
    )
    aligner = make_aligner(backbone, align, 64, 16)
    config = tagger_config(["name", "address"], scheme, head="softmax", align=align, window=64, overlap=16)
    set_seed(0)
    model = TaggerModel(load_encoder(backbones[backbone]), config)
    examples = list(encode(TRAIN, aligner, SCHEMES[scheme], config.tags, Report()))
    scratch = str(tmp_path_factory.mktemp("scratch"))
    fit(model, examples, aligner.tokenizer.pad_id, params, 0, scratch, None, lambda history: None)
    return Tagger(config, aligner, TorchRuntime(model), {})


def test_stock_transformers_finds_the_same_entities(learned: Tagger, tmp_path: Path) -> None:
    texts = TEXTS + (SPACED if learned.config.align == "pieces" else [])
    assert write(learned, tmp_path / "stock") is None
    ours, stock = learned.tag(texts), stock_transformers.read(tmp_path / "stock", texts)
    assert ours[: len(TRAIN)] == [list(sentence.entities) for sentence in TRAIN]
    assert stock == ours
    for found, wanted in zip(stock, ours):
        assert [entity.score for entity in found] == pytest.approx([entity.score for entity in wanted], abs=1e-4)
    assert sum(map(len, ours[len(TRAIN) :])) >= 4


def test_stock_transformers_writes_labels_and_settings(tmp_path: Path) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger", "softmax", "pieces", "BILOU", types=("b", "a"))
    write(Tagger.load(folder), tmp_path / "stock")
    config = json.loads((tmp_path / "stock/config.json").read_text(encoding="utf-8"))
    labels = ["O", "B-a", "I-a", "I-a", "B-a", "B-b", "I-b", "I-b", "B-b"]
    assert config["id2label"] == {str(number): label for number, label in enumerate(labels)}
    assert config["label2id"] == {"O": 0, "B-a": 1, "I-a": 2, "B-b": 5, "I-b": 6}
    assert config["architectures"] == ["BertForTokenClassification"]
    assert "auto_map" not in config
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "stock")
    assert (tokenizer.model_max_length, tokenizer.split_special_tokens) == (32, True)


def test_stock_transformers_keeps_the_labels_that_stock_aggregation_reads() -> None:
    for name, labels in {"BIO": "O B-x I-x", "IOB1": "O B-x I-x", "BIOS": "O B-x I-x B-x"}.items():
        scheme = SCHEMES[name]
        assert stock_transformers.stock_labels(scheme.tags(["x"]), scheme) == labels.split()


def test_stock_transformers_reads_long_texts_with_a_stride(lexicon_export: Callable[[str, str], Path]) -> None:
    folder = lexicon_export("softmax", "characters")
    tagger = Tagger.load(folder)
    text = "李雷去了上海，" * 20
    ner = pipeline(
        "ner", model=str(folder / "transformers"), aggregation_strategy="simple", stride=tagger.config.overlap
    )
    assert [(g["start"], g["end"]) for g in ner(text)] == [(e.start, e.end) for e in tagger.tag([text])[0]]
    assert len(stock_transformers.read(folder / "transformers", [text])[0]) < 40


@pytest.mark.parametrize(
    ("head", "align", "scheme", "reason"),
    [
        ("crf", "characters", "BIO", "head is crf"),
        ("softmax", "characters_over_pieces", "BIO", "characters over pieces"),
        ("softmax", "characters", "IOE1", "scheme IOE1 marks where entities end"),
    ],
)
def test_stock_transformers_gives_the_reason_where_it_is_not_possible(
    tmp_path: Path, head: str, align: str, scheme: str, reason: str
) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", head, align, scheme))
    assert reason in (write(tagger, tmp_path / "stock") or "")
    assert not (tmp_path / "stock").exists()


def test_stock_transformers_refuses_an_encoder_without_token_classification(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", "softmax", "pieces"))
    shape = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    encoder = BertGenerationEncoder(BertGenerationConfig(**shape, intermediate_size=32))
    other = tagger.using(TorchRuntime(TaggerModel(encoder, tagger.config)))
    assert "bert-generation" in (write(other, tmp_path / "stock") or "")
    assert not (tmp_path / "stock").exists()
