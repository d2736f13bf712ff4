"""The Prometheus metrics of ``/metrics``."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The service's counters."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "clue_ner_requests", "Requests that were answered", ["path", "status"], registry=registry
        )
        self.seconds = Histogram(
            "clue_ner_request_seconds",
            "From a request's head to its answer",
            ["path"],
            buckets=SECONDS,
            registry=registry,
        )
        self.waiting = Gauge("clue_ner_waiting_characters", "Characters that wait to be computed", registry=registry)
        self.open = Gauge("clue_ner_open_requests", "Requests to tag that are not answered yet", registry=registry)
        self.texts = Counter("clue_ner_texts", "Texts that were tagged", registry=registry)
        self.characters = Counter("clue_ner_characters", "Characters that were tagged", registry=registry)
        self.groups = Histogram(
            "clue_ner_group_texts", "Texts that were computed together", buckets=SIZES, registry=registry
        )
        self.computing = Histogram(
            "clue_ner_group_seconds", "What computing a group took", buckets=SECONDS, registry=registry
        )
        self.starts = Gauge("clue_ner_worker_starts", "Times that a process loaded the model in use", registry=registry)
        self.model = Gauge(
            "clue_ner_model", "1 for the model in use", ["name", "version", "fingerprint", "runtime"], registry=registry
        )
        self.follow_errors = Counter(
            "clue_ner_follow_errors",
            "Times that the followed model could not be asked for or loaded",
            registry=registry,
        )

    def group(self, texts: int, characters: int, seconds: float) -> None:
        """Count texts that were computed together."""
        self.texts.inc(texts)
        self.characters.inc(characters)
        self.groups.observe(texts)
        self.computing.observe(seconds)

    def render(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)
