"""The process with the model: texts in, entities out. Its arguments are FOLDER RUNTIME DEVICE THREADS.

It first sends ``{"model": …}``, or ``{"error": …}`` if the model cannot be loaded. Then it answers each message, a
list of texts, with their entities as ``[type, start, end, score]``.
"""

import gc
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clue_ner.common.errors import ClueNerError
from clue_ner.serving import _child, messages

WARM_UP = ["李雷昨天去了上海的招商银行。"]
"""Tagged once before the first request, so that the first request does not wait for the allocation of buffers."""


@dataclass(frozen=True)
class ModelDescription:
    """The description of a model in ``/model``."""

    fingerprint: str
    """fingerprint of the training"""
    types: tuple[str, ...]
    scores: dict[str, float]
    """scores on valid by name; empty for a model that was not scored"""
    corpus: str
    runtime: str
    device: str


def main() -> None:
    """Serve the model until standard input is closed."""
    folder, runtime, device, threads = sys.argv[1:]
    send = _child.begin()
    try:
        from clue_ner.tagger.tagger import Tagger

        tagger = Tagger.load(Path(folder), runtime, int(threads) or None, device)
        tagger.tag(WARM_UP)
    except (ClueNerError, OSError) as error:
        send({"error": str(error)})
        sys.exit(1)
    gc.freeze()  # later collections skip what is loaded now
    send({"model": asdict(_describe(tagger))})
    while True:
        try:
            texts = messages.read(sys.stdin.buffer)
        except EOFError:
            return
        send([[[e.type, e.start, e.end, e.score] for e in found] for found in tagger.tag(texts)])


def _describe(tagger: Any) -> ModelDescription:
    trained = tagger.config.trained
    score = trained.valid_micro_f1
    return ModelDescription(
        fingerprint=trained.fingerprint,
        types=tagger.config.types,
        scores={} if score is None else {"valid_micro_f1": score},
        corpus=trained.corpus.name,
        runtime=tagger.source.runtime,
        device=tagger.source.device,
    )


if __name__ == "__main__":
    main()
