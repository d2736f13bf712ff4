"""What a training logs to MLflow while it runs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from clue_ner.common.errors import TrainingError
from clue_ner.core.params import Params
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tracking import provenance, ui
from clue_ner.tracking.journal import Journal
from clue_ner.tracking.replay import record_beginning, record_epoch, record_failure, record_training
from clue_ner.tracking.system_metrics import SystemMetrics
from clue_ner.training.distributed import is_main_process


class History(Protocol):
    """The history of a training so far."""

    epochs: list[dict[str, Any]]
    seconds: list[float]
    peak_memory_gb: float


class TrainingRecorder:
    """Starts the journal of one training and records its epochs; MLflow gets them at once, or later.

    Of several processes only the main one records; in the others every method does nothing.
    """

    def __init__(self, root: Path, params: Params, config: TaggerConfig, device: str) -> None:
        self.root, self.fingerprint = root, config.trained.fingerprint
        if not is_main_process():
            return
        values = params.model_dump()
        text = (root / "params.yaml").read_text(encoding="utf-8")
        tags = provenance.run_tags(values, device) | provenance.tagger_tags(config.trained)
        tags |= provenance.commit_tags(root)
        journal, changed = Journal(root, self.fingerprint), provenance.changed(root, values)
        journal.begin(values, tags, text, provenance.dataset(config), changed=changed)
        record_beginning(root, self.fingerprint)
        self.experiment = params.tracking.experiment
        self.system_metrics = SystemMetrics(journal)

    def __enter__(self) -> "TrainingRecorder":
        if is_main_process():
            self.system_metrics.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Record that the training failed permanently; if it was stopped for other reasons, it can be resumed."""
        if not is_main_process():
            return
        self.system_metrics.close()
        if isinstance(error, TrainingError):
            record_failure(self.root, self.fingerprint, str(error))

    def epoch(self, history: History) -> None:
        """Record the epoch that just ended, with its time and the peak memory, which are not in metrics/."""
        if not is_main_process():
            return
        measured = {"seconds": history.seconds[-1], "peak_memory_gb": history.peak_memory_gb}
        record_epoch(self.root, self.fingerprint, {**history.epochs[-1], **measured})

    def finish(self, train: Mapping[str, Any], files: Iterable[Path]) -> None:
        """Record the end of the training, attach ``files`` to its run, and log the run's address."""
        if not is_main_process():
            return
        self.system_metrics.close()
        if record_training(self.root, self.fingerprint, train, files):
            ui.announce(self.root, self.experiment)
