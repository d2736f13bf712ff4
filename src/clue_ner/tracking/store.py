"""The MLflow store: its address, timeouts, and one class of errors for all failures."""

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
"""Seconds to wait for another process that is creating the local store's tables."""


class Patience(NamedTuple):
    """The timeout of a request to a server in seconds, and the number of retries."""

    seconds: int
    retries: int


QUICK = Patience(3, 0)
"""While a stage runs: a dead or slow server costs seconds, and gets the data later."""
PATIENT = Patience(60, 1)
"""For uploads, and for commands for which the user is willing to wait."""

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
        """Whether a server decides where artifacts go, and not this process."""
        return not is_database(self.uri)


def announce(root: Path) -> None:
    """Log the store for runs and versions; raises TrackingError if its address cannot work."""
    uri = uri_of(root)
    why = TRACKING if os.environ.get(TRACKING, "").strip() else f"{TRACKING} is not set"
    _log.info("MLflow at %s (%s)", redact(uri), why)


def connect(root: Path) -> Store:
    """Open the store, and create a local one's tables if needed; raises TrackingError if it does not answer."""
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
    """The id of the experiment ``name``, created if missing; a local one keeps its artifacts in ``home``."""
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
    """The MLflow module, with telemetry, progress bars and notices switched off."""
    account.supply()
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return mlflow


@contextlib.contextmanager
def waiting(patience: Patience) -> Iterator[None]:
    """Use these timeouts for servers in this process until the block ends."""
    with _restored("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(patience.seconds)
        os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = str(patience.retries)
        yield


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn any failure in the block into a TrackingError that begins with ``what`` and contains no password.

    MLflow does not wrap the errors of its database driver, HTTP library and artifact stores.
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
    """Ignore MLflow's answer that another client has just done the same: ``RESOURCE_ALREADY_EXISTS``, …"""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != code:
            raise


@contextlib.contextmanager
def _restored(*names: str) -> Iterator[None]:
    """Restore the values of these environment variables when the block ends."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _lock(home: Path) -> FileLock:
    """A lock for creating tables or an experiment: two processes that do this at once disturb each other."""
    home.mkdir(parents=True, exist_ok=True)
    return FileLock(home / ".mlflow.lock", timeout=LOCK_SECONDS)
