"""Stock ``pipeline("ner")`` and our Tagger in torch, ONNX and int8, on the same sentences in alternation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import torch

from bench.machine import clock
from bench.setting import Setting, stock_model, stock_tokenizer
from clue_ner.core import plugins
from clue_ner.core.device import AUTO, CPU
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.schemes import OUTSIDE
from clue_ner.evaluation.predictions import to_score
from clue_ner.evaluation.scores import micro
from clue_ner.exporting import onnx
from clue_ner.network.encoder import load_encoder
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes._onnxruntime import OnnxRuntime
from clue_ner.runtimes.torch import TorchRuntime, model_of
from clue_ner.tagger.model_files import GRAPHS
from clue_ner.tagger.tagger import Tagger
from clue_ner.training.model_setup import head_weights

BULK, SINGLE = 1000, 200
"""Maximum numbers of sentences that are tagged in bulk and one at a time."""
BULK_ROUNDS, SINGLE_ROUNDS = 2, 10
WARM_UP = 8
BATCH = 64

Tag = Callable[[list[str]], Any]


@dataclass(frozen=True)
class Candidate:
    """A way to tag: many texts, one text, and if it is trained, the readings that are scored."""

    device: str
    bulk: Tag
    single: Tag
    readings: Callable[[list[str]], list[Sequence[Entity]]] | None = None


def measure(root: Path, place: Path) -> dict[str, Any]:
    """Characters per second in bulk and one text at a time, latencies, and the F1 of a trained tagger.

    The tagger is the one of the repository ``root``; texts and the stock pipeline's backbone are those in ``place``.
    """
    _, gold, _ = to_score(place)
    tagger, folder, note = our_tagger(root, place)
    candidates = {"pipeline": stock_candidate(place)} | our_candidates(tagger, folder)
    return compare(candidates, gold, note)


def compare(candidates: Mapping[str, Candidate], gold: Sequence[Sentence], note: str | None) -> dict[str, Any]:
    """The measurements of each candidate, all of which take turns; ``note`` is why there is no F1, None if there is."""
    texts = [sentence.text for sentence in gold]
    for candidate in candidates.values():
        candidate.bulk(texts[:WARM_UP])
        candidate.single(texts[:1])
    bulk, single = texts[:BULK], texts[:SINGLE]
    seconds = dict.fromkeys(candidates, 0.0)
    for chunk in _chunks(bulk, BULK_ROUNDS):
        for name, candidate in candidates.items():
            seconds[name] += _seconds(candidate.bulk, chunk)
    latencies: dict[str, list[float]] = {name: [] for name in candidates}
    for chunk in _chunks(single, SINGLE_ROUNDS):
        for name, candidate in candidates.items():
            latencies[name] += [_seconds(candidate.single, [text]) for text in chunk]
    return {
        "note": note,
        "bulk_sentences": len(bulk),
        "single_sentences": len(single),
        "scored_sentences": len(gold) if note is None else 0,
        "candidates": {
            name: {
                "device": candidate.device,
                "bulk_characters_per_second": sum(map(len, bulk)) / seconds[name],
                "single_characters_per_second": sum(map(len, single)) / sum(latencies[name]),
                **_percentiles(latencies[name]),
                "micro_f1": _f1(candidate, gold) if note is None else None,
            }
            for name, candidate in candidates.items()
        },
    }


def our_tagger(root: Path, place: Path) -> tuple[Tagger, Path, str | None]:
    """The tagger, the folder of its ONNX graphs, and why it has no F1, if it is not a trained one.

    models/export if it is there, else models/tagger, else one with a random head that leans to "outside".
    """
    exported, trained = root / "models/export", root / "models/tagger"
    if (exported / "onnx" / GRAPHS["int8"]).is_file():
        return Tagger.load(exported, "torch"), exported / "onnx", None
    if trained.is_dir():
        tagger, note = Tagger.load(trained, "torch", device=CPU), None  # where graphs are written
    else:
        setting = Setting(place)
        align = setting.params.tagging.align
        config = setting.config(setting.params.train.head, align)
        torch.manual_seed(setting.params.seed)
        model = TaggerModel(load_encoder(setting.backbone), config)
        if plugins.reads_tags(config.head):  # the other heads have initial biases for rare entities
            _lean_to_outside(model.head.linear, config.tags)
        tagger = Tagger(config, setting.aligner(align), TorchRuntime(model), head_weights(model, config.head))
        note = "no trained model: a random head that finds nothing stands in, so there is no F1"
    folder = place / "onnx"
    texts = [sentence.text for sentence in to_score(place)[1]]
    onnx.write(model_of(tagger), tagger.decoder.unit_axes, folder, onnx.calibration(tagger.aligner, texts))
    return tagger, folder, note


def our_candidates(tagger: Tagger, folder: Path) -> dict[str, Candidate]:
    """The tagger with its logits from torch and from both graphs."""
    threads = torch.get_num_threads()
    devices = {"onnx": AUTO, "int8": CPU}
    taggers = {
        "torch": tagger,
        **{name: tagger.using(OnnxRuntime(folder / file, threads, devices[name])) for name, file in GRAPHS.items()},
    }

    def candidate(one: Tagger) -> Candidate:
        return Candidate(
            device=one.runtime.device,
            bulk=lambda texts: one.tag(texts, BATCH),
            single=one.tag,
            readings=lambda texts: [reading.strict for reading in one.read(texts, BATCH)],
        )

    return {name: candidate(one) for name, one in taggers.items()}


def stock_candidate(place: Path) -> Candidate:
    """``pipeline("ner")`` over every character, on the backbone with a random head that leans to "outside"."""
    from transformers import pipeline

    setting = Setting(place)
    torch.manual_seed(setting.params.seed)
    stock, _, config = stock_model(setting)
    _lean_to_outside(stock.classifier, config.tags)
    stock.config.id2label = dict(enumerate(config.tags))
    tokenizer = stock_tokenizer(setting.aligner("characters"))
    device = 0 if torch.cuda.is_available() else "cpu"
    find = pipeline("ner", model=stock.eval(), tokenizer=tokenizer, aggregation_strategy="simple", device=device)
    return Candidate(str(find.device), lambda texts: find(texts, batch_size=BATCH), lambda texts: find(texts[0]))


def _lean_to_outside(linear: Any, tags: Sequence[str]) -> None:
    with torch.no_grad():
        linear.bias.zero_()[list(tags).index(OUTSIDE)] = 10.0


def _f1(candidate: Candidate, gold: Sequence[Sentence]) -> float | None:
    if candidate.readings is None:
        return None
    return float(micro(gold, candidate.readings([sentence.text for sentence in gold]))["f1"])


def _seconds(tag: Tag, texts: list[str]) -> float:
    started = clock()
    tag(texts)
    return clock() - started


def _percentiles(latencies: Sequence[float]) -> dict[str, float]:
    cuts = quantiles(latencies, n=100, method="inclusive")
    return {"p50_ms": 1e3 * cuts[49], "p99_ms": 1e3 * cuts[98]}


def _chunks(texts: list[str], parts: int) -> list[list[str]]:
    size = -(-len(texts) // parts)
    return [texts[at : at + size] for at in range(0, len(texts), size)]
