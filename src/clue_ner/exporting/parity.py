"""Whether each format still is the model that was trained: logits, scores, size and speed on the same sentences."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clue_ner.core.entities import Sentence
from clue_ner.evaluation.scores import micro
from clue_ner.exporting import stock_transformers
from clue_ner.network.model import INPUTS
from clue_ner.runtimes.onnx import GRAPHS, Scorer, scorer
from clue_ner.tagger.tagger import Tagger

SENTENCES = 500
"""How many sentences are tagged with each format, at most: the first ones."""
BATCH = 64

LOGIT_DIFFERENCE = 1e-2
"""Float32 ONNX whose logits are further from torch's than this is not the same model."""
F1_LOSS = 0.005
"""Int8 that loses more micro F1 than this has lost too much."""

FILES = {"torch": "tagger/model.safetensors", **{name: f"onnx/{file}" for name, file in GRAPHS.items()}}
STOCK = "transformers"

logger = logging.getLogger(__name__)


def report(tagger: Tagger, gold: Sequence[Sentence], folder: Path) -> dict[str, Any]:
    """The formats in ``folder`` (models/export, with a copy of ``tagger``), one by one.

    ``formats`` has ``torch``, and ``onnx``, ``int8`` and ``transformers`` if they are there. All but the last have
    ``bytes``, ``micro_f1``, ``tokens_per_second`` (of tagging as a whole, special tokens included, on ``threads``
    threads); ``onnx`` and ``int8`` also ``logit_difference``, the largest to torch over all units, and ``f1_loss``.
    ``transformers`` has ``bytes`` and ``same_entities``, the share of sentences in which stock transformers finds
    exactly the tagger's entities. ``ok`` says whether a format is near enough; if not, a warning is logged.
    """
    gold = gold[:SENTENCES]
    threads = torch.get_num_threads()
    paths = {name: folder / file for name, file in FILES.items() if (folder / file).is_file()}
    formats: dict[str, dict[str, Any]] = {}
    reference = _Recorder(_torch_scorer(tagger), tagger.model.head.counted)
    for name, path in paths.items():
        recorder = reference if name == "torch" else _Recorder(scorer(path, threads), reference.counted)
        formats[name] = {"bytes": path.stat().st_size, **_measure(tagger, gold, recorder)}
        if name != "torch":
            formats[name] |= _compare(name, formats["torch"], formats[name], reference, recorder)
    if (folder / STOCK).is_dir():
        formats[STOCK] = _stock(tagger, gold, folder / STOCK)
    return {
        "stock_transformers": STOCK in formats,
        "sentences": len(gold),
        "tokens": reference.tokens,
        "threads": threads,
        "bytes": _size(folder),
        "formats": formats,
    }


def without_speeds(report: dict[str, Any]) -> dict[str, Any]:
    """``metrics/export.json``: the same from the same weights, at whatever speed."""
    formats = {
        name: {key: value for key, value in line.items() if key != "tokens_per_second"}
        for name, line in report["formats"].items()
    }
    return {**report, "formats": formats}


class _Recorder:
    """A scorer that remembers the logits that count."""

    def __init__(self, scorer: Scorer, counted: Callable[[Tensor], Tensor]) -> None:
        self.scorer, self.counted, self.logits, self.tokens = scorer, counted, list[Tensor](), 0

    def __call__(self, batch: dict[str, Tensor]) -> Tensor:
        logits = self.scorer(batch)
        self.logits.append(logits[self.counted(batch["unit_mask"]).expand_as(logits)])
        self.tokens += int(batch["attention_mask"].sum())
        return logits


def _torch_scorer(tagger: Tagger) -> Scorer:
    @torch.inference_mode()
    def score(batch: dict[str, Tensor]) -> Tensor:
        logits: Tensor = tagger.model(**{name: batch[name] for name in INPUTS})
        return logits

    return score


def _measure(tagger: Tagger, gold: Sequence[Sentence], recorder: _Recorder) -> dict[str, Any]:
    texts = [sentence.text for sentence in gold]
    tagger.using(recorder.scorer).tag(texts[:BATCH], BATCH)  # the first batch pays for memory and threads
    started = time.perf_counter()
    readings = list(tagger.using(recorder).read(texts, BATCH))
    seconds = time.perf_counter() - started
    f1 = micro(gold, [reading.strict for reading in readings])["f1"]
    return {"micro_f1": f1, "tokens_per_second": round(recorder.tokens / seconds)}


def _compare(
    name: str, torch_scores: dict[str, Any], scores: dict[str, Any], reference: _Recorder, recorder: _Recorder
) -> dict[str, Any]:
    pairs = zip(reference.logits, recorder.logits, strict=True)
    difference = max((float((ours - theirs).abs().max()) for ours, theirs in pairs), default=0.0)
    loss = torch_scores["micro_f1"] - scores["micro_f1"]
    ok = difference <= LOGIT_DIFFERENCE if name == "onnx" else loss <= F1_LOSS
    if not ok:
        logger.warning(
            "%s: logits differ from torch's by up to %.4f and micro F1 is %.2f points lower (allowed: %s); "
            "use another format, or look into it before you deploy this one",
            FILES[name],
            difference,
            100 * loss,
            f"{LOGIT_DIFFERENCE} of logits" if name == "onnx" else f"{100 * F1_LOSS} points",
        )
    return {"logit_difference": difference, "f1_loss": loss, "ok": ok}


def _stock(tagger: Tagger, gold: Sequence[Sentence], folder: Path) -> dict[str, Any]:
    texts = [sentence.text for sentence in gold]
    pairs = list(zip(tagger.tag(texts, BATCH), stock_transformers.read(folder, texts)))
    same = sum(ours == theirs for ours, theirs in pairs)
    if same < len(pairs):
        logger.warning(
            "%s: stock transformers finds other entities in %d of %d sentences: spaces, texts longer than a window, "
            "tags that break the scheme, or train.constrained, which it does not know",
            STOCK,
            len(pairs) - same,
            len(pairs),
        )
    return {"bytes": _size(folder), "same_entities": same / max(1, len(pairs)), "ok": same == len(pairs)}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
