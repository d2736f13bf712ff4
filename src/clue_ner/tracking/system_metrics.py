"""MLflow's system metrics (CPU, memory, GPU) of a training, written to the journal like all other metrics."""

import logging
import threading
from types import TracebackType
from typing import Any

from clue_ner.tracking.journal import Journal
from clue_ner.tracking.store import import_mlflow

PREFIX = "system/"
"""The prefix by which MLflow's UI recognises system metrics."""
_WAIT = 5.0
"""Seconds to wait for a sample that is being taken."""

_log = logging.getLogger(__name__)


class SystemMetrics:
    """Records the use of CPU, memory, disk, network and GPU while it is open, if MLflow's own switch is on.

    The switch is ``MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING``; ``MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL`` and
    ``…_SAMPLES_BEFORE_LOGGING`` apply as well. A resumed training continues with the next step. Errors here do not
    affect the training: they are one line of warning.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "SystemMetrics":
        try:
            import_mlflow()
            from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING

            if MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get():
                self._thread = threading.Thread(target=self._sample, args=self._monitor(), daemon=True)
                self._thread.start()
        except Exception as error:
            self._thread = None
            _warn(error)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop sampling."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_WAIT)
            self._thread = None

    def _monitor(self) -> tuple[Any, int]:
        """MLflow's own monitor, used only for measuring, and the next step."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        record = self.journal.read()
        steps = [] if record is None else [step for name, step in record.points if name.startswith(PREFIX)]
        return SystemMetricsMonitor(self.journal.fingerprint), max(steps, default=-1) + 1

    def _sample(self, monitor: Any, step: int) -> None:
        try:
            while not self._stop.is_set():
                for _ in range(monitor.samples_before_logging):
                    monitor.collect_metrics()
                    if self._stop.wait(monitor.sampling_interval):
                        return
                node = f"{monitor.node_id}/" if monitor.node_id else ""
                values = {f"{PREFIX}{node}{name}": value for name, value in monitor.aggregate_metrics().items()}
                self.journal.metrics(step, values)
                for part in monitor.monitors:
                    part.clear_metrics()
                step += 1
        except Exception as error:
            _warn(error)


def _warn(error: Exception) -> None:
    _log.warning("no system metrics for MLflow: %s: %s", type(error).__name__, " ".join(str(error).split())[:400])
