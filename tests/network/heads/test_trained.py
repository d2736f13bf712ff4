"""Every head learns, and is the same after it was saved, exported, given other batches and long texts by windows."""

import itertools
import random
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from support.changed_params import PARAMS
from support.configs import tagger_config
from support.decoders import MATRICES, TYPES, VARIANTS, options_of
from support.graphs import write_graphs
from support.trainings import SENTENCES
from transformers import BertConfig, BertModel

from clue_ner.alignment.batch import Batch
from clue_ner.alignment.encode import Report, encode
from clue_ner.common.files import write_checksums
from clue_ner.core.entities import Entity, Sentence, overlapping_pairs, resolve_overlaps
from clue_ner.core.params import TrainParams, load_params
from clue_ner.core.schemes import SCHEMES
from clue_ner.evaluation.scores import micro
from clue_ner.exporting import parity
from clue_ner.network.encoder import load_encoder
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes._onnxruntime import OnnxRuntime
from clue_ner.runtimes.torch import TorchRuntime, model_of
from clue_ner.tagger.decoding._base import Floats
from clue_ner.tagger.model_files import GRAPHS, WEIGHTS
from clue_ner.tagger.tagger import Tagger
from clue_ner.training.model_setup import OFF, head_weights
from clue_ner.training.trainer import fit

every_variant = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(scope="module")
def params() -> TrainParams:
    """The project's params for a model that is small and knows nothing."""
    project = load_params(PARAMS).train
    change = {"lr": 3e-3, "head_lr_factor": 1.0, "transition_lr_factor": 10.0, "batch_size": 10, "dropout": 0.0}
    change |= OFF | {"precision": "float32", "epochs": 40, "freeze_embeddings": False}
    return project.model_copy(update=change)


@pytest.fixture(scope="module")
def learn(
    make_aligner: Callable[..., Any], params: TrainParams, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Tagger]:
    """``learn(variant, encoder, sentences, epochs)``: a tagger of characters that was trained on them."""

    def train(variant: str, encoder: Any, sentences: list[Sentence], epochs: int, window: int = 256) -> Tagger:
        aligner = make_aligner("wordpiece", "characters", window, 0)
        config = tagger_config(
            TYPES,
            head=VARIANTS[variant][0],
            align="characters",
            window=window,
            overlap=0,
            head_options=options_of(variant, head_size=16),
        )
        model = TaggerModel(encoder, config)
        examples = list(encode(sentences, aligner, SCHEMES["BIO"], config.tags, Report()))
        pad, scratch = aligner.tokenizer.pad_id, str(tmp_path_factory.mktemp("scratch"))
        changed = params.model_copy(update={"epochs": epochs})
        fit(model, examples, pad, changed, 0, scratch, None, lambda history: None)
        return Tagger(config, aligner, TorchRuntime(model), head_weights(model, config.head))

    return train


@pytest.fixture(scope="module")
def trained(learn: Callable[..., Tagger], backbones: Mapping[str, Path]) -> Callable[[str], Tagger]:
    """For each variant, a tagger that has learned twenty sentences by heart."""

    @cache
    def make(variant: str) -> Tagger:
        torch.manual_seed(0)
        quiet = {"dropout": 0.0, "attention_dropout": 0.0}
        return learn(variant, load_encoder(backbones["wordpiece"], **quiet), SENTENCES, 40)

    return make


def f1(tagger: Tagger, gold: list[Sentence]) -> float:
    return float(micro(gold, [reading.strict for reading in tagger.read([s.text for s in gold])])["f1"])


@every_variant
def test_heads_overfit_twenty_sentences(trained: Callable[[str], Tagger], variant: str) -> None:
    assert f1(trained(variant), SENTENCES) == 1.0
    tagged = trained(variant).tag([sentence.text for sentence in SENTENCES])
    assert all(0.5 < entity.score <= 1 for entities in tagged for entity in entities if entity.score is not None)


@every_variant
def test_heads_are_the_same_after_saving_and_loading(
    trained: Callable[[str], Tagger], backbones: Mapping[str, Path], tmp_path: Path, variant: str
) -> None:
    tagger, texts = trained(variant), [sentence.text for sentence in SENTENCES]
    save_file({name: value.contiguous() for name, value in model_of(tagger).state_dict().items()}, tmp_path / WEIGHTS)
    shutil.copy(backbones["wordpiece"] / "config.json", tmp_path)
    tagger.aligner.tokenizer.save(tmp_path)
    tagger.config.save(tmp_path)
    write_checksums(tmp_path)
    loaded = Tagger.load(tmp_path)
    assert loaded.tag(texts) == tagger.tag(texts)
    assert [[e.score for e in found] for found in loaded.tag(texts)] == [
        [e.score for e in f] for f in tagger.tag(texts)
    ]


@every_variant
def test_heads_export_to_onnx_with_parity(
    trained: Callable[[str], Tagger], graphs: Callable[[str], Path], tmp_path: Path, variant: str
) -> None:
    tagger = trained(variant)
    (tmp_path / "onnx").symlink_to(graphs(variant))
    (tmp_path / "tagger").mkdir()
    (tmp_path / "tagger" / WEIGHTS).touch()
    formats = parity.report(tagger, model_of(tagger), SENTENCES, tmp_path)["formats"]
    assert formats["torch"]["micro_f1"] == formats["onnx"]["micro_f1"] == 1.0
    assert formats["onnx"]["logit_difference"] < 1e-3
    assert formats["onnx"]["ok"]
    assert formats["int8"]["micro_f1"] > 0.5
    texts = [*(sentence.text for sentence in SENTENCES), "", "我", "王德发在北京" * 30]
    assert tagger.using(OnnxRuntime(tmp_path / "onnx/model.onnx", threads=1)).tag(texts) == tagger.tag(texts)


@pytest.fixture(scope="module")
def graphs(trained: Callable[[str], Tagger], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder with the ONNX graphs of each variant."""

    @cache
    def make(variant: str) -> Path:
        folder = tmp_path_factory.mktemp("graphs")
        write_graphs(trained(variant), folder, [sentence.text for sentence in SENTENCES])
        return folder / "onnx"

    return make


@every_variant
@pytest.mark.parametrize("runtime", ["torch", *GRAPHS])
def test_heads_tag_a_text_as_they_do_by_itself_in_every_runtime(
    trained: Callable[[str], Tagger], graphs: Callable[[str], Path], variant: str, runtime: str
) -> None:
    tagger = trained(variant)
    if runtime != "torch":
        tagger = tagger.using(OnnxRuntime(graphs(variant) / GRAPHS[runtime], threads=1))
    texts = [sentence.text * (1 + number % 3) for number, sentence in enumerate(SENTENCES)]
    together = tagger.tag(texts, 64)
    assert sum(map(len, together)) > 20
    for batch_size in (1, 7):
        apart = tagger.tag(texts, batch_size)
        for one, other in zip(together, apart, strict=True):
            assert [(e.start, e.end, e.type) for e in one] == [(e.start, e.end, e.type) for e in other]
            assert [e.score for e in one] == pytest.approx([e.score for e in other], abs=1e-4)


class Recorder:
    """A runtime that remembers the shape of each batch's units."""

    def __init__(self, runtime: Any) -> None:
        self.runtime, self.shapes = runtime, list[tuple[int, ...]]()
        self.batch_tokens, self.batch_padding = runtime.batch_tokens, runtime.batch_padding
        self.device, self.device_name = runtime.device, runtime.device_name

    def __call__(self, batch: Batch) -> Floats:
        self.shapes.append(batch["unit_mask"].shape)
        found: Floats = self.runtime(batch)
        return found


def test_heads_that_score_every_span_get_smaller_batches_of_long_texts(
    trained: Callable[[str], Tagger], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [sentence.text for sentence in SENTENCES]
    for variant, most in (("global_pointer", 1000), ("crf", 20)):
        tagger = trained(variant)
        recorder = Recorder(tagger.runtime)
        wanted = tagger.tag(texts)
        monkeypatch.setattr("clue_ner.tagger.tagger.CELLS", 1000)
        assert tagger.using(recorder).tag(texts) == wanted
        monkeypatch.undo()
        power = len(tagger.decoder.unit_axes)
        assert sum(rows for rows, _ in recorder.shapes) == 20
        assert len(recorder.shapes) == 1 if most == 20 else len(recorder.shapes) > 3
        assert all(rows * units**power <= 1000 or rows == 1 for rows, units in recorder.shapes)


# --- long texts


def _lines(number: int, generator: random.Random) -> list[Sentence]:
    """Texts of the same words in any order, no character twice: a character tells what it begins and ends."""
    words = {"LOC": "广东 佛山 上海 北京", "ORG": "宝芝林 特斯拉 工厂", "PER": "黄飞鸿 高强 王德发 理"}
    typed = [(word, type_) for type_, some in words.items() for word in some.split()]
    sentences = []
    for name in range(number):
        text, entities = "", []
        for word, type_ in generator.sample([*typed, *((word, "") for word in "我是住在，看的新")], 19):
            if type_:
                entities.append(Entity(len(text), len(text) + len(word), type_))
            text += word
        sentences.append(Sentence(str(name), text, tuple(entities)))
    return sentences


@every_variant
def test_heads_read_a_long_text_by_windows_as_in_one(learn: Callable[..., Tagger], variant: str) -> None:
    generator = random.Random(0)
    config = BertConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=0, num_attention_heads=2, max_position_embeddings=512
    )
    torch.manual_seed(0)
    encoder = BertModel(config, add_pooling_layer=False)  # of no layers and no positions: its states are local
    encoder.embeddings.position_embeddings.weight.data.zero_()
    encoder.embeddings.position_embeddings.weight.requires_grad_(False)
    tagger, texts = learn(variant, encoder, _lines(40, generator), 60), _lines(5, generator)
    one = tagger.tag([sentence.text for sentence in texts])
    tagger.aligner.window, tagger.aligner.overlap = 20, 8
    try:
        assert all(len(windows) > 2 for windows in tagger.aligner.windows([sentence.text for sentence in texts]))
        assert tagger.tag([sentence.text for sentence in texts]) == one
    finally:
        tagger.aligner.window, tagger.aligner.overlap = 256, 0
    assert f1(tagger, texts) > 0.9


# --- nested entities


def _nested() -> list[Sentence]:
    """Places in companies, companies in companies, people in companies."""
    sentences = []
    for place, person, form in itertools.product(
        ("北京", "佛山", "广东"), ("王德发", "晓明"), ("{}公司", "{}公司的新公司", "我在{}公司的新公司，看{}")
    ):
        text, entities = form.format(place, person), []
        at = text.index(place)
        entities.append(Entity(at, at + 2, "LOC"))
        entities.append(Entity(at, at + 4, "ORG"))
        if "新公司" in text:
            entities.append(Entity(at, at + 8, "ORG"))
        if person in text:
            entities += [Entity(len(text) - len(person), len(text), "PER")]
        sentences.append(Sentence(str(len(sentences)), text, tuple(sorted(entities))))
    return sentences


@pytest.mark.parametrize("variant", MATRICES)
def test_heads_that_score_every_span_learn_nested_entities(
    learn: Callable[..., Tagger], backbones: Mapping[str, Path], variant: str
) -> None:
    torch.manual_seed(0)
    quiet = {"dropout": 0.0, "attention_dropout": 0.0}
    tagger = learn(variant, load_encoder(backbones["wordpiece"], **quiet), _nested(), 40)
    assert not tagger.config.is_flat
    assert f1(tagger, _nested()) == 1.0
    texts = [sentence.text for sentence in _nested()]
    found = tagger.tag(texts)
    config = tagger.config.model_copy(update={"flat": True})
    flat = Tagger(config, tagger.aligner, tagger.runtime, tagger.weights).tag(texts)
    assert any(overlapping_pairs(entities) for entities in found)
    assert flat == [list(resolve_overlaps(entities)) for entities in found]
    assert not any(overlapping_pairs(entities) for entities in flat) and all(flat)
