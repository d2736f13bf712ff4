"""The address of the MLflow store, the same for every working folder; invalid addresses are refused in one line."""

import os
import re
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import unquote, urlsplit

from clue_ner.common.errors import ParamsError, TrackingError
from clue_ner.common.extras import explained
from clue_ner.common.paths import home_of, resolve_path
from clue_ner.common.redaction import redact

TRACKING, REGISTRY = "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"
WANTED = (
    "wanted sqlite:///FILE (a relative FILE is at the repository's root), http://HOST:PORT, https://HOST, or a "
    "database as postgresql+psycopg://…; a folder, MLflow's former file store, does not work"
)
_DATABASES = ("mssql", "mysql", "postgresql")


def uri_of(root: Path) -> str:
    """The address of the store that the repository of ``root`` uses, whatever the working directory.

    It is ``MLFLOW_TRACKING_URI``, or the SQLite file mlflow.db at the repository's root if that is not set. Raises
    TrackingError for an address that cannot work.
    """
    home = home_of(root)
    written = os.environ.get(TRACKING, "").strip()
    uri = _checked(TRACKING, written, home) if written else _sqlite(home / "mlflow.db")
    registry = os.environ.get(REGISTRY, "").strip()
    if registry and _checked(REGISTRY, registry, home) != uri:
        raise TrackingError(
            f"{REGISTRY}: found {redact(registry)}, wanted {redact(uri)}, where the runs go: "
            "runs and registered versions are kept in one store; unset it"
        )
    return uri


def local_file(uri: str) -> Path | None:
    """The SQLite file of an address from ``uri_of``, or None for a server or another database."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0]))


def is_database(uri: str) -> bool:
    """Whether MLflow opens the address in this process, not through a server."""
    return uri.startswith(("sqlite", *_DATABASES))


def _checked(variable: str, written: str, home: Path) -> str:
    """The address in MLflow's form: an absolute file, its scheme in lower case."""
    scheme, colon, rest = written.partition(":")
    kind = scheme.lower()
    uri = kind + colon + rest
    try:
        if kind in ("sqlite", "sqlite+pysqlite"):
            return _file(rest, home)
        if kind in ("http", "https"):
            return _server(uri)
        if kind.partition("+")[0] in _DATABASES:
            return _database(uri)
        if not entry_points(group="mlflow.tracking_store", name=kind):  # of a plugin of MLflow
            raise ValueError("no such kind of store")
    except (ValueError, ParamsError) as error:
        raise TrackingError(redact(f"{variable}: found {written!r}: {error}; {WANTED}")) from None
    return uri


def _file(rest: str, home: Path) -> str:
    name, _, query = rest.removeprefix("///").partition("?")
    if not rest.startswith("///") or name in ("", ":memory:") or name.startswith("file:"):
        raise ValueError("it does not name a file on disk")
    path = resolve_path(unquote(name), home)
    if name.endswith("/") or path.is_dir():
        raise ValueError(f"{path} is a folder")
    return _sqlite(path) + (f"?{query}" if query else "")


def _sqlite(path: Path) -> str:
    """The address of a file, with the characters escaped that are special for SQLAlchemy."""
    return "sqlite:///" + re.sub(r"\?|%(?=[0-9a-fA-F]{2})", lambda found: f"%{ord(found[0]):X}", str(path))


def _server(uri: str) -> str:
    parts = urlsplit(uri)
    if not parts.hostname or re.search(r"\s", uri):
        raise ValueError("it names no host")
    if parts.query or parts.fragment:
        raise ValueError("it is the address of a page, wanted the server's")
    try:
        parts.port  # noqa: B018 (reading it raises)
    except ValueError:  # whose message may contain a part of a password
        raise ValueError("its port is not a number up to 65535") from None
    return uri


def _database(uri: str) -> str:
    with explained(f"MLflow at {redact(uri)}", "tracking"):
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError
    try:
        make_url(uri).get_dialect().import_dbapi()
    except ArgumentError as error:  # also if no driver has this name
        raise ValueError(str(error)) from None
    except ImportError as error:
        raise ValueError(f"its driver is not installed ({error})") from None
    return uri
