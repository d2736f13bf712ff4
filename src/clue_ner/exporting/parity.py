"""Comparison of each format with the trained model: logits, scores, size and speed on the same sentences."""

import logging
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clue_ner.alignment.batch import Batch
from clue_ner.common.progress import progress
from clue_ner.core.entities import Sentence
from clue_ner.evaluation.report import paired
from clue_ner.evaluation.scores import micro, sentence_counts
from clue_ner.exporting import stock_transformers
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes._onnxruntime import OnnxRuntime
from clue_ner.tagger.decoding._base import Floats
from clue_ner.tagger.model_files import GRAPHS, WEIGHTS
from clue_ner.tagger.tagger import Reading, Runtime, Tagger

SENTENCES = 500
"""Maximum number of sentences (the first ones) that are tagged with each format."""
TURNS = 3
"""Number of parts of the sentences; each part is tagged with all formats, and the speed is the median over parts."""
BATCH = 64

LOGIT_DIFFERENCE = 1e-2
"""Largest accepted difference between the logits of float32 ONNX and torch."""
F1_LOSS = 0.005
"""Largest accepted loss of micro F1 by int8, 0 to 1."""
F1_LOSS_BY_CHANCE = 0.02
"""Largest accepted loss whose 95 % interval includes zero: on few sentences, two entities are more than ``F1_LOSS``."""
RESAMPLES = 1000

FILES = {"torch": f"tagger/{WEIGHTS}", **{name: f"onnx/{file}" for name, file in GRAPHS.items()}}
STOCK = "transformers"

logger = logging.getLogger(__name__)


def report(tagger: Tagger, model: TaggerModel, gold: Sequence[Sentence], folder: Path) -> dict[str, Any]:
    """Compare the formats in ``folder`` (models/export, with a copy of ``tagger``, whose network is ``model``).

    ``formats`` has ``torch``, and ``onnx``, ``int8`` and ``transformers`` if they exist. All but the last have
    ``bytes``, ``micro_f1``, ``tokens_per_second`` (of the whole tagging, special tokens included, on ``threads``
    threads); ``onnx`` and ``int8`` also ``logit_difference``, the largest difference from torch over all units,
    ``f1_loss`` and its 95 % interval ``f1_loss_ci95``. ``transformers`` has ``bytes`` and ``same_entities``, the share
    of sentences in which stock transformers finds exactly the tagger's entities. If a format differs too much, ``ok``
    is false and a warning is logged.
    """
    parts = [gold[:SENTENCES][turn::TURNS] for turn in range(TURNS)]
    gold = [sentence for part in parts for sentence in part]
    threads = torch.get_num_threads()
    valid_mask = _valid_mask(model)
    paths = {name: folder / file for name, file in FILES.items() if (folder / file).is_file()}
    runtimes = {name: tagger.runtime if name == "torch" else OnnxRuntime(path, threads) for name, path in paths.items()}
    tagged = {name: _Format(tagger, runtime, valid_mask) for name, runtime in runtimes.items()}
    _take_turns(tagged, [[sentence.text for sentence in part] for part in parts if part])

    formats: dict[str, dict[str, Any]] = {}
    strict = {name: [reading.strict for reading in each.readings] for name, each in tagged.items()}
    counts = {name: sentence_counts(gold, found) for name, found in strict.items()}
    for name, each in tagged.items():
        f1 = micro(gold, strict[name])["f1"]
        speed = round(statistics.median(each.speeds)) if each.speeds else 0
        formats[name] = {"bytes": paths[name].stat().st_size, "micro_f1": f1, "tokens_per_second": speed}
        if name != "torch":
            loss = paired(counts["torch"], counts[name], RESAMPLES, seed=0)
            formats[name] |= _compare(name, each.difference, loss["difference"], loss["ci95"])
    if (folder / STOCK).is_dir():
        formats[STOCK] = _stock(tagged["torch"].readings, gold, folder / STOCK)
    return {
        "stock_transformers": STOCK in formats,
        "sentences": len(gold),
        "tokens": tagged["torch"].tokens,
        "threads": threads,
        "bytes": _size(folder),
        "formats": formats,
    }


def without_speeds(report: dict[str, Any]) -> dict[str, Any]:
    """``metrics/export.json``: the report without speeds, so that equal weights give equal metrics."""
    formats = {
        name: {key: value for key, value in line.items() if key != "tokens_per_second"}
        for name, line in report["formats"].items()
    }
    return {**report, "formats": formats}


class _Format:
    """Wraps a format's runtime and records its tokens, its time and its valid logits."""

    def __init__(self, tagger: Tagger, runtime: Runtime, valid_mask: Callable[[Batch], NDArray[np.bool_]]) -> None:
        self.runtime, self.batch_tokens, self.batch_padding = runtime, runtime.batch_tokens, runtime.batch_padding
        self.device, self.device_name = runtime.device, runtime.device_name
        self.valid_mask = valid_mask
        self.tagger = tagger.using(self)
        self.logits, self.tokens = list[Floats](), 0
        self.readings, self.speeds, self.difference = list[Reading](), list[float](), 0.0

    def __call__(self, batch: Batch) -> Floats:
        """The runtime's logits, with a copy kept."""
        logits = self.runtime(batch)
        self.logits.append(logits[np.broadcast_to(self.valid_mask(batch), logits.shape)])
        self.tokens += int(batch["attention_mask"].sum())
        return logits

    def logits_of_part(self) -> Floats:
        """The logits of the texts that were read last, sorted by length; formats batch them differently."""
        return np.concatenate([np.empty(0, np.float32), *self.logits])

    def read(self, texts: list[str]) -> None:
        """Tag ``texts`` and measure the time; afterwards ``logits`` has only their logits."""
        self.logits, before = [], self.tokens
        started = time.perf_counter()
        self.readings += self.tagger.read(texts, BATCH)
        self.speeds.append((self.tokens - before) / (time.perf_counter() - started))


def _take_turns(tagged: dict[str, _Format], parts: list[list[str]]) -> None:
    """Tag each of ``parts`` with every format, and compare the logits with torch's."""
    for each in tagged.values():
        each.tagger.using(each.runtime).tag(parts[0][:BATCH] if parts else [], BATCH)  # warm-up
    with progress("comparing formats", len(tagged) * sum(map(len, parts))) as advance:
        for part in parts:
            for each in tagged.values():
                each.read(part)
                advance(len(part))
            wanted = tagged["torch"].logits_of_part()
            for each in tagged.values():
                difference = np.abs(wanted - each.logits_of_part()).max(initial=0)
                each.difference = max(each.difference, float(difference))


def _valid_mask(model: TaggerModel) -> Callable[[Batch], NDArray[np.bool_]]:
    def mask(batch: Batch) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = model.head.valid_mask(torch.from_numpy(batch["unit_mask"])).numpy()
        return found

    return mask


def _compare(name: str, difference: float, loss: float, loss_ci95: list[float]) -> dict[str, Any]:
    allowed = F1_LOSS_BY_CHANCE if loss_ci95[0] <= 0 else F1_LOSS
    ok = difference <= LOGIT_DIFFERENCE if name == "onnx" else loss <= allowed
    if not ok:
        logger.warning(
            "%s: logits differ from torch's by up to %.4f and micro F1 is %.2f points lower (allowed: %s); "
            "use another format, or find out why before you use this one",
            FILES[name],
            difference,
            100 * loss,
            f"{LOGIT_DIFFERENCE} of logits" if name == "onnx" else f"{100 * allowed:.1f} points",
        )
    return {"logit_difference": difference, "f1_loss": loss, "f1_loss_ci95": loss_ci95, "ok": ok}


def _stock(readings: Sequence[Reading], gold: Sequence[Sentence], folder: Path) -> dict[str, Any]:
    found = stock_transformers.read(folder, [sentence.text for sentence in gold])
    same = sum(list(ours.entities) == theirs for ours, theirs in zip(readings, found, strict=True))
    if same < len(found):
        logger.warning(
            "%s: stock transformers finds other entities in %d of %d sentences. Possible causes: spaces, texts longer "
            "than a window, illegal tag sequences, or train.constrained, which it does not support",
            STOCK,
            len(found) - same,
            len(found),
        )
    return {"bytes": _size(folder), "same_entities": same / max(1, len(found)), "ok": same == len(found)}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
