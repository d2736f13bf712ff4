"""Files of a repository on a Hugging Face hub: huggingface.co, or the mirror that ``HF_ENDPOINT`` names.

The hub's client downloads, resumes within an attempt, checks sizes and keeps its cache; ``HF_TOKEN``, ``HF_HOME`` and
``HF_HUB_OFFLINE`` work as in every program that uses it. This module adds a time limit, more attempts, and the use of
the cache with a warning if the hub cannot be reached, but not if it refuses the request. The client's
``snapshot_download`` silently uses the cache in both cases, and its threads prevent a process that gave up from ending.
"""

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from clue_ner.common import proxies
from clue_ner.common.errors import ClueNerError, SourceError
from clue_ner.common.redaction import redact
from clue_ner.common.retry import retried, within
from clue_ner.common.stage import is_disk_full

PATIENCE = 10.0
"""Time limit in seconds for listing a repository's files, including the name look-up and all its addresses."""
SLACK, SLOWEST = 60.0, 10_000.0
"""Time limit of a file: ``SLACK`` seconds plus one second for each ``SLOWEST`` bytes."""

_log = logging.getLogger(__name__)


def download(
    repository: str, choose: Callable[[Collection[str]], list[str]], *, kind: str = "model", revision: str | None = None
) -> tuple[str, dict[str, Path]]:
    """The commit of ``revision`` (None: main), and the paths in the cache of the files that ``choose`` selects.

    ``kind`` is ``model`` or ``dataset``. Raises SourceError if neither the hub nor its cache has the files, OSError if
    the disk is full, and whatever ``choose`` raises.
    """
    from huggingface_hub import constants

    try:
        commit, sizes = _listing(repository, kind, revision)
        return commit, {name: _file(repository, kind, commit, name, sizes[name]) for name in choose(sizes)}
    except Exception as error:  # the client has no error class of its own that covers all it raises
        if isinstance(error, ClueNerError) or is_disk_full(error):
            raise
        reason = proxies.problem_of(error) or " ".join(f"{type(error).__name__}: {error}".split())
        raise SourceError(redact(f"{constants.ENDPOINT} did not provide it ({reason})")) from None


def commit_of(repository: str, revision: str | None = None, kind: str = "model") -> str:
    """The current commit of ``revision`` (None: main); raises SourceError if the hub does not answer.

    The hub is asked once, and the cache is not used.
    """
    from huggingface_hub import HfApi, constants

    try:
        info = within(
            PATIENCE, lambda: HfApi().repo_info(repository, repo_type=kind, revision=revision, timeout=PATIENCE / 2)
        )
    except Exception as error:  # as above
        reason = proxies.problem_of(error) or " ".join(f"{type(error).__name__}: {error}".split())
        raise SourceError(redact(f"{constants.ENDPOINT} did not answer this ({reason})")) from None
    return str(info.sha)


def _listing(repository: str, kind: str, revision: str | None) -> tuple[str, dict[str, int]]:
    """The commit, and the size of each of its files in bytes; 0 for files from the cache."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    api, where = HfApi(), {"repo_id": repository, "repo_type": kind, "revision": revision}

    def ask() -> Any:
        info = api.repo_info(**where, timeout=PATIENCE / 2, files_metadata=True)
        api.resolve_revision(**where)  # stores in the cache which commit the revision is
        return info

    try:
        info = retried(lambda: within(PATIENCE, ask), _passes)
    except Exception as error:
        if isinstance(error, HfHubHTTPError) and error.response.status_code < 500:
            raise
        try:
            cached = snapshot_download(**where, local_files_only=True, allow_patterns=[])  # []: it may be incomplete
        except LocalEntryNotFoundError:
            raise error from None
        folder = Path(cached)
        _log.warning(
            "the hub cannot be used (%s); using commit %s of %s from its cache",
            redact(str(error)) or type(error).__name__,
            folder.name,
            repository,
        )
        return folder.name, {path.relative_to(folder).as_posix(): 0 for path in folder.rglob("*") if path.is_file()}
    return info.sha, {file.rfilename: file.size or 0 for file in info.siblings}


def _file(repository: str, kind: str, commit: str, name: str, size: int) -> Path:
    from huggingface_hub import hf_hub_download

    longest = SLACK + size / SLOWEST
    try:
        return Path(
            retried(
                lambda: within(longest, lambda: hf_hub_download(repository, name, repo_type=kind, revision=commit)),
                _passes,
            )
        )
    except TimeoutError:
        raise TimeoutError(f"{name} was not downloaded within {longest:.0f} s") from None


def _passes(error: Exception) -> bool:
    """Whether the error may be temporary: server errors and broken connections."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code >= 500 or error.response.status_code in (408, 429)
    return isinstance(error, httpx2.ReadError | httpx2.RemoteProtocolError)
