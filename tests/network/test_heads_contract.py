"""Every head keeps the contract; the heads that read no tags are what brute force says they are."""

import itertools
import json
import math
import random
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from safetensors.torch import save_file
from support.places import GOLDEN as GOLDEN_ROOT
from support.places import ROOT
from test_training import SENTENCES
from torch import Tensor
from transformers import BertConfig, BertModel

from clue_ner.alignment.encode import Report, encode
from clue_ner.common.errors import UnknownNameError
from clue_ner.core import plugins
from clue_ner.core.entities import Entity, Sentence, likeliest_apart, overlapping_pairs
from clue_ner.core.files import write_checksums, write_json
from clue_ner.core.params import TrainParams, load_params
from clue_ner.core.schemes import SCHEMES, Span
from clue_ner.evaluation.scores import micro
from clue_ner.exporting import onnx, parity
from clue_ner.network.heads import EntityHead, HeadSpec, build, reads_tags
from clue_ner.network.model import TaggerModel, load_encoder
from clue_ner.runtimes.onnx import scorer
from clue_ner.tagger.tagger import CARD, FORMAT, Tagger, model_spec
from clue_ner.training.model_setup import OFF
from clue_ner.training.trainer import fine_tune

HEADS = plugins.names("clue_ner.network.heads")
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in HEADS},
    "softmax constrained": ("softmax", {"constrained": True}),
    "global_pointer efficient": ("global_pointer", {"efficient": True}),
}
TYPES = ("LOC", "ORG", "PER")
MATRICES = ["biaffine", "global_pointer", "global_pointer efficient"]
GOLDEN = sorted((GOLDEN_ROOT / "entities").glob("*.json"))

every_variant = pytest.mark.parametrize("variant", VARIANTS)


def head_of(variant: str, types: tuple[str, ...] = TYPES) -> EntityHead:
    """A head for states of size 8 with random weights, in float64."""
    torch.manual_seed(0)
    name, options = VARIANTS[variant]
    spec = HeadSpec(8, SCHEMES["BIO"], tuple(SCHEMES["BIO"].tags(types)), 0.0, head_size=6, **options)
    head = build(name, spec).double()
    for parameter in [p for p in head.parameters() if p.ndim == 1] + head.transition_parameters():
        torch.nn.init.normal_(parameter)  # a head that has learned nothing finds nothing
    return head.eval()


def mask_of(*lengths: int) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def batch_of(head: EntityHead, windows: list[list[Span]], lengths: list[int]) -> dict[str, Tensor]:
    """What a head's loss gets for windows with these entities, which must not overlap."""
    width, most = max(lengths), max(map(len, windows))
    labels = torch.zeros(len(lengths), width, dtype=torch.long)
    entities = torch.full((len(lengths), most, 3), -1)
    for row, (spans, length) in enumerate(zip(windows, lengths, strict=True)):
        tags = head.spec.scheme.encode(spans, length)
        labels[row, :length] = torch.tensor([head.spec.tags.index(tag) for tag in tags])
        for slot, (start, end, type_) in enumerate(spans):
            entities[row, slot] = torch.tensor([start, end, head.spec.types.index(type_)])
    return {"unit_mask": mask_of(*lengths), "labels": labels, "entities": entities}


LENGTHS = [6, 1, 4]
WINDOWS: list[list[Span]] = [[(0, 2, "LOC"), (2, 3, "LOC"), (4, 6, "PER")], [(0, 1, "ORG")], []]


def padded(logits: Tensor, head: EntityHead, by: int, value: float) -> Tensor:
    """Logits of a batch with ``by`` more units at the end of each window."""
    for axis in head.unit_axes:
        shape = list(logits.shape)
        shape[axis] = by
        logits = torch.cat([logits, logits.new_full(shape, value)], dim=axis)
    return logits


def test_heads_are_found_by_name() -> None:
    assert set(HEADS) >= {"biaffine", "crf", "global_pointer", "softmax", "span"}
    assert [name for name in HEADS if reads_tags(name)] == ["crf", "softmax"]
    with pytest.raises(UnknownNameError, match=r"unknown head 'crff': there are biaffine, crf, .*softmax, span"):
        build("crff", head_of("crf").spec)


@every_variant
def test_heads_give_logits_a_loss_and_entities(variant: str) -> None:
    head = head_of(variant)
    logits = head(torch.randn(3, 6, 8, dtype=torch.float64))
    batch = batch_of(head, WINDOWS, LENGTHS)
    assert logits.shape[0] == 3
    assert all(logits.shape[axis] == 6 for axis in head.unit_axes)
    head.counted(batch["unit_mask"]).expand_as(logits)
    loss = head.loss(logits, batch)
    assert loss.shape == ()
    assert 0 < loss.item() < math.inf
    decoded = head.decode(logits, batch["unit_mask"])
    assert len(decoded) == 3
    for window, length in zip(decoded, LENGTHS):
        for entities in (window.entities, window.strict):
            assert entities == sorted(entities)
            assert all(0 <= start < end <= length and type_ in TYPES for start, end, type_, _ in entities)
            assert all(0 <= score <= 1 for *_, score in entities)
        assert {entity[:3] for entity in window.strict} <= {entity[:3] for entity in window.entities}
        if VARIANTS[variant][0] != "softmax" or "constrained" in variant:
            assert window.strict == window.entities


@every_variant
def test_heads_decode_is_not_changed_by_padding_or_a_neighbour(variant: str) -> None:
    head = head_of(variant)
    states, mask = torch.randn(3, 6, 8, dtype=torch.float64), mask_of(*LENGTHS)
    logits = head(states)
    decoded = head.decode(logits, mask)
    assert sum(len(window.entities) for window in decoded) > 0
    for row, length, expected in zip(states, LENGTHS, decoded):
        (alone,) = head.decode(head(row[None, :length]), mask_of(length))
        assert [entity[:3] for entity in alone.entities] == [entity[:3] for entity in expected.entities]
        assert [entity[3] for entity in alone.entities] == pytest.approx([entity[3] for entity in expected.entities])
    counted = head.counted(mask).expand_as(logits)
    for value in (1e6, -1e6):
        assert head.decode(logits.masked_fill(~counted, value), mask) == decoded
        wider = torch.nn.functional.pad(mask, (0, 2))
        assert head.decode(padded(logits, head, 2, value), wider) == decoded


@every_variant
def test_heads_loss_is_not_changed_by_padding(variant: str) -> None:
    head = head_of(variant)
    batch = batch_of(head, WINDOWS, LENGTHS)
    logits = head(torch.randn(3, 6, 8, dtype=torch.float64))
    loss = head.loss(logits, batch).item()
    wider = {
        "unit_mask": torch.nn.functional.pad(batch["unit_mask"], (0, 3)),
        "labels": torch.nn.functional.pad(batch["labels"], (0, 3)),
        "entities": torch.nn.functional.pad(batch["entities"], (0, 0, 0, 2), value=-1),
    }
    assert head.loss(padded(logits, head, 3, 1e3), wider).item() == pytest.approx(loss)
    counted = head.counted(batch["unit_mask"]).expand_as(logits)
    assert head.loss(logits.masked_fill(~counted, 1e3), batch).item() == pytest.approx(loss)


@every_variant
def test_heads_gradients_are_finite_and_stop_at_padding(variant: str) -> None:
    head = head_of(variant)
    batch = batch_of(head, WINDOWS, LENGTHS)
    states = torch.randn(3, 6, 8, dtype=torch.float64, requires_grad=True)
    head.loss(head(states), batch).backward()
    assert states.grad is not None
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in head.parameters())
    assert torch.isfinite(states.grad).all()
    assert (states.grad[~batch["unit_mask"]] == 0).all()
    assert (states.grad[batch["unit_mask"]] != 0).any(-1).all()


@every_variant
def test_heads_divergence_is_zero_of_the_same_and_what_the_definition_says(variant: str) -> None:
    head = head_of(variant)
    mask, shape = mask_of(*LENGTHS), head(torch.randn(3, 6, 8, dtype=torch.float64)).shape
    logits, target = torch.randn(2, *shape, dtype=torch.float64).requires_grad_()
    assert head.divergence(logits, logits, mask).item() == pytest.approx(0, abs=1e-7)
    terms = {"crf": 3, "global_pointer": 3 * len(TYPES)}.get(VARIANTS[variant][0], sum(LENGTHS))
    for heat in (1.0, 3.0):
        if head.class_axis is None:
            ours, wanted = (torch.stack([x / heat, torch.zeros_like(x)]).softmax(0) for x in (logits, target))
            apart = (wanted * (wanted / ours).log()).sum(0)
        else:
            ours, wanted = ((x / heat).softmax(head.class_axis) for x in (logits, target))
            apart = wanted * (wanted / ours).log()
        expected = (apart * head.counted(mask)).sum().item() / terms
        assert expected > 0.01
        assert head.divergence(logits, target, mask, heat).item() == pytest.approx(expected, rel=1e-4)


@every_variant
def test_heads_divergence_stops_at_padding(variant: str) -> None:
    head, mask = head_of(variant), mask_of(*LENGTHS)
    shape = head(torch.randn(3, 6, 8, dtype=torch.float64)).shape
    logits, target = torch.randn(shape, requires_grad=True), torch.randn(shape)
    apart = head.divergence(logits, target, mask)
    counted = head.counted(mask).expand(shape)
    for value in (1e6, -1e6):
        changed = logits.masked_fill(~counted, value), target.masked_fill(~counted, -value)
        assert head.divergence(*changed, mask).item() == pytest.approx(apart.item())
        (gradient,) = torch.autograd.grad(head.divergence(*changed, mask), logits)
        assert (gradient[~counted] == 0).all()
        assert gradient.isfinite().all()
        assert (gradient[counted] != 0).any()


@every_variant
def test_heads_learn_from_a_batch_without_entities(variant: str) -> None:
    head = head_of(variant)
    batch = batch_of(head, [[], []], [3, 2])
    loss = head.loss(head(torch.randn(2, 3, 8, dtype=torch.float64)), batch)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)


@pytest.mark.parametrize("variant", ["span", *MATRICES])
@pytest.mark.parametrize("size", [16, 64])
def test_heads_that_read_no_tags_begin_with_finding_nothing(variant: str, size: int) -> None:
    name, options = VARIANTS[variant]
    torch.manual_seed(0)
    spec = HeadSpec(32, SCHEMES["BIO"], tuple(SCHEMES["BIO"].tags(TYPES)), 0.0, head_size=size, **options)
    head, mask = build(name, spec), mask_of(30, 12)
    assert [window.entities for window in head.decode(head(torch.randn(2, 30, 32)), mask)] == [[], []]


@every_variant
def test_heads_compute_the_loss_in_float32_whatever_the_encoder_s_format(variant: str) -> None:
    head = head_of(variant).float()
    batch = batch_of(head, WINDOWS, LENGTHS)
    with torch.autocast("cpu", torch.bfloat16):
        logits = head(torch.randn(3, 6, 8))
        loss = head.loss(logits, batch)
    assert logits.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    assert loss.item() == head.loss(logits.float(), batch).item()


# --- golden entities: what is said is read, and costs nothing


def test_heads_golden_cases_are_all_there() -> None:
    assert len(GOLDEN) == 3


def _logits_of(head: EntityHead, case: dict[str, Any], length: int) -> Tensor:
    """Logits that say the starts and ends, or the cells, of a golden case."""
    types = head.spec.types
    if head.unit_axes == (1,):
        logits = torch.full((1, length, 2 * len(types)), -20.0)
        for offset, places in ((0, case["starts"]), (len(types), case["ends"])):
            for type_, found in places.items():
                logits[0, found, offset + types.index(type_)] = 20.0
        return logits
    none = isinstance(head, type(head_of("biaffine")))
    logits = torch.full((1, len(types) + none, length, length), -20.0)
    for type_, cells in case["cells"].items():
        for start, last in cells:
            logits[0, types.index(type_) + none, start, last] = 20.0
    if none:
        logits[0, 0] = -logits[0, 1:].max(0).values
    return logits


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
@pytest.mark.parametrize("variant", ["span", *MATRICES])
def test_heads_golden_entities(variant: str, path: Path) -> None:
    case, head = json.loads(path.read_text(encoding="utf-8")), head_of(variant)
    spans, length = [tuple(span) for span in case["spans"]], len(case["text"])
    logits, mask = _logits_of(head, case, length), mask_of(length)
    entities = torch.tensor([[[start, end, head.spec.types.index(type_)] for start, end, type_ in spans]])
    assert head.loss(logits, {"unit_mask": mask, "entities": entities}).item() < 1e-4
    (decoded,) = head.decode(logits, mask)
    found = [entity[:3] for entity in decoded.entities]
    if variant != "span" or case["pointers"]:
        assert sorted(found) == sorted(spans)
        assert all(score > 0.99 for *_, score in decoded.entities)
    else:
        assert set(found) != set(spans)


# --- against brute force


def test_span_pairs_each_start_with_the_nearest_end_of_its_type() -> None:
    head = head_of("span")
    generator = torch.Generator().manual_seed(0)
    logits, lengths = torch.randn(200, 9, 6, generator=generator) - 0.3, [1 + i % 9 for i in range(200)]
    for row, decoded in enumerate(head.decode(logits, mask_of(*lengths))):
        expected = []
        for type_, start in itertools.product(range(3), range(lengths[row])):
            if logits[row, start, type_] <= 0:
                continue
            for last in range(start, lengths[row]):
                if last > start and logits[row, last, type_] > 0:
                    break
                if logits[row, last, 3 + type_] > 0:
                    pair = logits[row, [start, last], [type_, 3 + type_]].sigmoid()
                    expected.append((start, last + 1, TYPES[type_], pytest.approx(pair.mean().item())))
                    break
        assert decoded.entities == sorted(expected, key=lambda entity: (entity[0], entity[2]))


@pytest.mark.parametrize("variant", ["global_pointer", "global_pointer efficient"])
def test_global_pointer_scores_are_su_s(variant: str) -> None:
    head: Any = head_of(variant)
    states, size = torch.randn(2, 5, 8, dtype=torch.float64), 6
    projected, logits = head.project(states), head(states)

    def turned(vector: Tensor, place: int) -> Tensor:
        pairs = torch.complex(vector[: size // 2], vector[size // 2 :])
        speeds = torch.tensor([10000 ** (-2 * i / size) for i in range(size // 2)], dtype=torch.float64)
        return pairs * torch.exp(1j * place * speeds)

    for row, type_, start, last in itertools.product(range(2), range(3), range(5), range(5)):
        at = 0 if "efficient" in variant else 2 * size * type_
        query, key = projected[row, start, at : at + size], projected[row, last, at + size : at + 2 * size]
        score = (turned(query, start) * turned(key, last).conj()).sum().real / size**0.5
        if head.bias is not None:
            score += (head.bias(projected[row, start])[type_] + head.bias(projected[row, last])[3 + type_]) / 2
        assert logits[row, type_, start, last].item() == pytest.approx(score.item(), abs=1e-6)


def test_global_pointer_loss_is_su_s() -> None:
    head = head_of("global_pointer")
    batch, logits = batch_of(head, WINDOWS, LENGTHS), torch.randn(3, 3, 6, 6)
    losses = []
    for row, type_ in itertools.product(range(3), range(3)):
        gold = {(start, end - 1) for start, end, name in WINDOWS[row] if name == TYPES[type_]}
        spans = set(itertools.combinations_with_replacement(range(LENGTHS[row]), 2))
        below = sum(math.exp(logits[row, type_, start, last]) for start, last in spans - gold)
        above = sum(math.exp(-logits[row, type_, start, last]) for start, last in gold)
        losses.append(math.log1p(below) + math.log1p(above))
    assert head.loss(logits, batch).item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_biaffine_scores_and_loss_are_yu_s() -> None:
    head: Any = head_of("biaffine")
    states, batch = torch.randn(3, 6, 8, dtype=torch.float64), batch_of(head_of("biaffine"), WINDOWS, LENGTHS)
    starts, ends = (torch.nn.functional.gelu(layer(states)) for layer in (head.start, head.end))
    forms = head.form.weight.view(4, 6, 6)
    logits = head(states)
    total = 0.0
    for row, length in enumerate(LENGTHS):
        gold = {(start, end - 1): TYPES.index(type_) + 1 for start, end, type_ in WINDOWS[row]}
        for start, last in itertools.combinations_with_replacement(range(length), 2):
            one, other = starts[row, start], ends[row, last]
            scores = torch.stack([(form @ one) @ other for form in forms]) + head.start_bias(one)
            scores += head.end_bias(other)
            torch.testing.assert_close(logits[row, :, start, last], scores)
            total -= scores.log_softmax(0)[gold.get((start, last), 0)].item()
    assert head.loss(logits, batch).item() == pytest.approx(total / sum(LENGTHS), rel=1e-5)


def test_biaffine_reads_the_best_spans_that_do_not_cross() -> None:
    head = head_of("biaffine")
    generator = torch.Generator().manual_seed(0)
    logits, lengths = 2 * torch.randn(100, 4, 7, 7, generator=generator), [1 + i % 7 for i in range(100)]
    nested = 0
    for row, decoded in enumerate(head.decode(logits, mask_of(*lengths))):
        ranked = []
        for start, last in itertools.combinations_with_replacement(range(lengths[row]), 2):
            score, type_ = logits[row, :, start, last].softmax(0).max(0)
            if type_:
                ranked.append((score.item(), start, last, TYPES[int(type_) - 1]))
        kept: list[Any] = []
        for score, start, last, type_ in sorted(ranked, reverse=True):
            span = set(range(start, last + 1))
            others = [set(range(first, end)) for first, end, *_ in kept]
            if all(span <= other or other <= span or not span & other for other in others):
                kept.append((start, last + 1, type_, pytest.approx(score)))
                nested += any(span < other or other < span for other in others)
        assert decoded.entities == sorted(kept, key=lambda entity: entity[:3])
    assert nested > 20


# --- trained


@pytest.fixture(scope="module")
def params() -> TrainParams:
    """The project's params for a model that is small and knows nothing."""
    project = load_params(ROOT / "params.yaml").train
    change = {"lr": 3e-3, "head_lr_factor": 1.0, "transition_lr_factor": 10.0, "batch_size": 10, "dropout": 0.0}
    change |= OFF | {"precision": "float32", "epochs": 40, "freeze_embeddings": False}
    return project.model_copy(update=change)


@pytest.fixture(scope="module")
def learn(
    make_aligner: Callable[..., Any], params: TrainParams, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Tagger]:
    """``learn(variant, encoder, sentences, epochs)``: a tagger of characters that was trained on them."""

    def train(variant: str, encoder: Any, sentences: list[Sentence], epochs: int, window: int = 256) -> Tagger:
        name, options = VARIANTS[variant]
        aligner, tags = make_aligner("wordpiece", "characters", window, 0), SCHEMES["BIO"].tags(TYPES)
        shape = {"head": name, "align": "characters", "scheme": "BIO", "types": list(TYPES), "tags": tags}
        options = {"head_size": 16, **options}
        card = {"format": FORMAT, **shape, "context_size": 0, "head_options": options, "window": window, "overlap": 0}
        model = TaggerModel(encoder, model_spec(card))
        rows = Dataset.from_list(list(encode(sentences, aligner, SCHEMES["BIO"], tags, Report())))
        pad, scratch = aligner.tokenizer.pad_token_id, str(tmp_path_factory.mktemp("scratch"))
        changed = params.model_copy(update={"epochs": epochs})
        fine_tune(model, rows, pad, changed, 0, scratch, None, lambda history: None)
        return Tagger(model, aligner, card)

    return train


@pytest.fixture(scope="module")
def trained(learn: Callable[..., Tagger], backbones: Mapping[str, Path]) -> Callable[[str], Tagger]:
    """For each variant, a tagger that has learned twenty sentences by heart."""

    @cache
    def make(variant: str) -> Tagger:
        torch.manual_seed(0)
        quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
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
    save_file(
        {name: value.contiguous() for name, value in tagger.model.state_dict().items()}, tmp_path / "model.safetensors"
    )
    shutil.copy(backbones["wordpiece"] / "config.json", tmp_path)
    tagger.aligner.tokenizer.save_pretrained(tmp_path)
    write_json(tmp_path / CARD, tagger.card)
    write_checksums(tmp_path)
    loaded = Tagger.load(tmp_path)
    assert loaded.tag(texts) == tagger.tag(texts)
    assert [[e.score for e in found] for found in loaded.tag(texts)] == [
        [e.score for e in f] for f in tagger.tag(texts)
    ]


@every_variant
def test_heads_export_to_onnx_with_parity(trained: Callable[[str], Tagger], tmp_path: Path, variant: str) -> None:
    tagger = trained(variant)
    onnx.write(tagger.model, tmp_path / "onnx")
    (tmp_path / "tagger").mkdir()
    (tmp_path / "tagger/model.safetensors").touch()
    formats = parity.report(tagger, SENTENCES, tmp_path)["formats"]
    assert formats["torch"]["micro_f1"] == formats["onnx"]["micro_f1"] == 1.0
    assert formats["onnx"]["logit_difference"] < 1e-3
    assert formats["onnx"]["ok"]
    assert formats["int8"]["micro_f1"] > 0.5
    texts = [*(sentence.text for sentence in SENTENCES), "", "我", "王德发在北京" * 30]
    assert tagger.using(scorer(tmp_path / "onnx/model.onnx", threads=1)).tag(texts) == tagger.tag(texts)


@every_variant
@pytest.mark.parametrize("batch_size", [1, 7])
def test_heads_tag_a_text_as_they_do_alone(trained: Callable[[str], Tagger], variant: str, batch_size: int) -> None:
    tagger = trained(variant)
    texts = [sentence.text * (1 + number % 3) for number, sentence in enumerate(SENTENCES)]
    together = tagger.tag(texts, 64)
    assert tagger.tag(texts, batch_size) == together
    assert sum(map(len, together)) > 20


def test_heads_that_score_every_span_get_smaller_batches_of_long_texts(
    trained: Callable[[str], Tagger], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [sentence.text for sentence in SENTENCES]
    for variant, most in (("global_pointer", 1000), ("crf", 20)):
        tagger, shapes = trained(variant), []

        def score(batch: dict[str, Tensor], tagger: Tagger = tagger, shapes: list[Any] = shapes) -> Tensor:
            shapes.append(batch["unit_mask"].shape)
            return tagger._torch_scores(batch)

        wanted = tagger.tag(texts)
        monkeypatch.setattr("clue_ner.tagger.tagger.CELLS", 1000)
        assert tagger.using(score).tag(texts) == wanted
        monkeypatch.undo()
        power = len(tagger.model.head.unit_axes)
        assert sum(rows for rows, _ in shapes) == 20
        assert len(shapes) == 1 if most == 20 else len(shapes) > 3
        assert all(rows * units**power <= 1000 or rows == 1 for rows, units in shapes)


# --- long texts


def _lines(number: int, generator: random.Random) -> list[Sentence]:
    """Texts of the same words in any order, no character twice: a character alone says what it begins and ends."""
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
    encoder = BertModel(config, add_pooling_layer=False)  # of no layers and no positions: what it says is local
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
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    tagger = learn(variant, load_encoder(backbones["wordpiece"], **quiet), _nested(), 40)
    assert not tagger.flat
    assert f1(tagger, _nested()) == 1.0
    texts = [sentence.text for sentence in _nested()]
    found = tagger.tag(texts)
    flat = Tagger(tagger.model, tagger.aligner, tagger.card | {"flat": True}).tag(texts)
    assert any(overlapping_pairs(entities) for entities in found)
    assert flat == [list(likeliest_apart(entities)) for entities in found]
    assert not any(overlapping_pairs(entities) for entities in flat) and all(flat)
