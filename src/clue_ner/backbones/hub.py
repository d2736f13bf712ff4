"""Pretrained weights from a Hugging Face hub: huggingface.co, or the mirror that ``HF_ENDPOINT`` names."""

import contextlib
import errno
import hashlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from clue_ner.backbones import _safety
from clue_ner.common.errors import BackboneError, SourceError
from clue_ner.common.redaction import redact
from clue_ner.common.retry import retried, within
from clue_ner.core.files import sha256
from clue_ner.core.params import BackboneParams

SLOWEST, SLACK = 10_000.0, 600.0
"""Bytes a second below which a download is given up, and the seconds it may take besides."""
PATIENCE = 20.0
"""Seconds the hub has to say which files a model has, name look-up and all its addresses included."""


def fetch(params: BackboneParams, target: Path) -> dict[str, str]:
    """Download a hub model's config, safetensors and tokenizer; write its encoder in canonical form into ``target``.

    The revision is resolved to a commit first and that is recorded. ``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME`` and
    ``HF_HUB_OFFLINE`` work as usual; a hub that cannot be reached is replaced by what its cache holds, with a
    warning. Raises SourceError if neither gives the model, BackboneError if the model cannot be used.
    """
    where = f"backbone {params.name}"
    with _secrets_kept(), _explained(params):
        commit, listed = _listing(params)
        chosen = _safety.wanted(listed, where)
        files = {name: _download(params.name, name, commit, listed[name].size or 0) for name in chosen}
    for name, path in files.items():
        _verify(path, listed[name], where)
    return {"kind": "hub", "name": params.name, "revision": commit, **_safety.canonical(files, target, where)}


def _download(model: str, name: str, commit: str, size: int) -> Path:
    """The file in the hub's cache; the client itself resumes what broke off."""
    from huggingface_hub import hf_hub_download

    longest = SLACK + size / SLOWEST
    try:
        return Path(retried(lambda: within(longest, lambda: hf_hub_download(model, name, revision=commit)), _passes))
    except TimeoutError:
        raise TimeoutError(f"{name} did not come in {longest:.0f} s") from None


class _File(NamedTuple):
    """What the hub says of a file, as far as it does: bytes, SHA-256 of a large one, git's id of a small one."""

    size: int | None = None
    sha256: str | None = None
    blob: str | None = None


def _listing(params: BackboneParams) -> tuple[str, dict[str, _File]]:
    """The commit that the revision stands for, and its files."""
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    try:

        def question() -> Any:
            return api.model_info(params.name, revision=params.revision, timeout=PATIENCE / 2, files_metadata=True)

        info = retried(lambda: within(PATIENCE, question), _passes)
    except Exception as error:
        answered = isinstance(error, HfHubHTTPError) and error.response.status_code < 500
        cached = None if answered else try_to_load_from_cache(params.name, "config.json", revision=params.revision)
        if not isinstance(cached, str):
            raise
        folder = Path(cached).parent
        logging.getLogger(__name__).warning(
            "the hub cannot be used (%s); taking commit %s of %s from its cache",
            redact(str(error)),
            folder.name,
            params.name,
        )
        return folder.name, {path.name: _File() for path in folder.iterdir()}
    api.resolve_revision(params.name, revision=params.revision)  # notes in the cache what the revision stands for
    return info.sha, {
        file.rfilename: _File(file.size, file.lfs.sha256 if file.lfs else None, None if file.lfs else file.blob_id)
        for file in info.siblings
    }


def _passes(error: Exception) -> bool:
    """Whether it may be otherwise a moment later: the server's own errors, and connections that broke."""
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code >= 500 or error.response.status_code in (408, 429)
    return isinstance(error, httpx2.ReadError | httpx2.RemoteProtocolError)


def _verify(path: Path, file: _File, where: str) -> None:
    """Compare a large file with its SHA-256, after which the hub's cache names it, and a small one with git's id."""
    name = path.readlink().name if path.is_symlink() else ""
    wanted = file.sha256 or (name if re.fullmatch("[0-9a-f]{64}", name) else None)
    kind, found = "sha256", sha256(path) if wanted else None
    if not wanted and file.blob:
        content = path.read_bytes()
        kind, wanted, found = "git's id", file.blob, hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    if found != wanted:
        raise BackboneError(
            f"{where}: {path.resolve()}: damaged ({kind} {str(found)[:12]}…, wanted {str(wanted)[:12]}…); "
            "delete the file and run `dvc repro` again"
        )


@contextlib.contextmanager
def _explained(params: BackboneParams) -> Iterator[None]:
    """What the hub's client raises (its own errors, the HTTP library's, those of odd replies) as SourceError."""
    from huggingface_hub import constants

    try:
        yield
    except BackboneError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise SourceError(
            redact(
                f"backbone {params.name}, revision {params.revision or 'main'}: {constants.ENDPOINT} does not give it "
                f"({text}); check name and revision (HF_TOKEN for a private model), set HF_ENDPOINT to a mirror you "
                "can reach, give a folder you copied the model to (backbone.name: ./FOLDER), or take "
                "backbone.name: e5-small, which needs no hub"
            )
        ) from None


@contextlib.contextmanager
def _secrets_kept() -> Iterator[None]:
    """The hub's client logs URLs as they are: its log lines lose their passwords on the way out."""

    def redacted(record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True

    handlers = list(logging.getLogger("huggingface_hub").handlers)
    for handler in handlers:
        handler.addFilter(redacted)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(redacted)
