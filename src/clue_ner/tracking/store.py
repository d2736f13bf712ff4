"""The MLflow store: where it is, how long to wait for it, and one kind of error for all that can go wrong."""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from clue_ner.common import account
from clue_ner.common.errors import ClueNerError, TrackingError
from clue_ner.common.extras import explained
from clue_ner.common.paths import home_of
from clue_ner.common.redaction import redact
from clue_ner.tracking.address import TRACKING, is_database, uri_of

LOCK_SECONDS = 60
"""How long to wait for another process that is creating the local store's tables."""


class Patience(NamedTuple):
    """How long to wait for one answer of a server, in seconds, and how often to ask again."""

    seconds: int
    retries: int


QUICK = Patience(3, 0)
"""While a stage runs: a dead or slow server costs seconds, and is fed later."""
PATIENT = Patience(60, 1)
"""For uploads, and where waiting is what the user asked for."""

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Store:
    """An open store: ``client`` is an ``mlflow.MlflowClient`` on ``uri``."""

    client: Any
    uri: str
    home: Path

    @property
    def is_server(self) -> bool:
        """Whether something else than this process decides where artifacts go."""
        return not is_database(self.uri)


def announce(root: Path) -> None:
    """Log where runs and versions go; raises TrackingError if that is an address that can never work."""
    uri = uri_of(root)
    why = TRACKING if os.environ.get(TRACKING, "").strip() else f"{TRACKING} is not set"
    _log.info("MLflow at %s (%s)", redact(uri), why)


def connect(root: Path) -> Store:
    """Open the store, making a local one's tables if there are none; raises TrackingError if it does not answer."""
    home = home_of(root)
    uri = uri_of(root)
    with translated(f"MLflow at {uri}"):
        with explained(f"MLflow at {redact(uri)}", "tracking"):
            mlflow = import_mlflow()
        # The registry resolves addresses through the process's own store, which MLflow also puts in the environment.
        with _restored(TRACKING):
            mlflow.set_tracking_uri(uri)
        with _lock(home):
            store = Store(mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri), uri, home)
            store.client.search_experiments(max_results=1)
    return store


def experiment_id(store: Store, name: str) -> str:
    """The id of the experiment ``name``, made if it is not there; a local one keeps its artifacts below ``home``."""
    with translated(f"MLflow at {store.uri}: experiment {name!r}"), _lock(store.home):
        experiment = store.client.get_experiment_by_name(name)
        if experiment is None:
            location = None if store.is_server else (store.home / "mlartifacts").as_uri()
            with answered("RESOURCE_ALREADY_EXISTS"):
                return str(store.client.create_experiment(name, location))
            experiment = store.client.get_experiment_by_name(name)
        if experiment.lifecycle_stage == "deleted":
            raise TrackingError(
                f"MLflow experiment {name!r} was deleted; change tracking.experiment in params.yaml, or bring it back "
                f"with `mlflow experiments restore -x {experiment.experiment_id}`"
            )
        return str(experiment.experiment_id)


def import_mlflow() -> Any:
    """MLflow, without its telemetry, progress bars and notes."""
    account.supply()
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return mlflow


@contextlib.contextmanager
def waiting(patience: Patience) -> Iterator[None]:
    """Wait for servers so long, in this process, until the block ends."""
    with _restored("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(patience.seconds)
        os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = str(patience.retries)
        yield


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Make any failure inside a TrackingError that begins with ``what`` and holds no password.

    MLflow lets through whatever its database driver, HTTP library and artifact stores raise; all means the same here.
    """
    try:
        yield
    except ClueNerError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:400]
        raise TrackingError(redact(f"{what}: {type(error).__name__}: {reason}")) from None


@contextlib.contextmanager
def answered(code: str) -> Iterator[None]:
    """Pass over MLflow's answer that somebody else has just done the same thing: ``RESOURCE_ALREADY_EXISTS``, …"""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != code:
            raise


@contextlib.contextmanager
def _restored(*names: str) -> Iterator[None]:
    """Give these environment variables their values back when the block ends."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _lock(home: Path) -> FileLock:
    """Held while tables or an experiment are made: two processes that make them at once break each other."""
    home.mkdir(parents=True, exist_ok=True)
    return FileLock(home / ".mlflow.lock", timeout=LOCK_SECONDS)
