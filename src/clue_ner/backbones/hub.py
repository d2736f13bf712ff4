"""Pretrained weights from a Hugging Face hub: huggingface.co, or the mirror that ``HF_ENDPOINT`` names."""

import contextlib
import errno
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clue_ner.artifacts import sha256
from clue_ner.backbones import _safety
from clue_ner.errors import BackboneError, SourceError, redact
from clue_ner.params import BackboneParams

PATIENCE = 20.0
"""Seconds the hub has to say which files a model has, name look-up and all its addresses included."""


def fetch(params: BackboneParams, target: Path) -> dict[str, str]:
    """Download a hub model's config, safetensors and tokenizer; write its encoder in canonical form into ``target``.

    The revision is resolved to a commit first and that is recorded. ``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME`` and
    ``HF_HUB_OFFLINE`` work as usual; a hub that cannot be reached is replaced by what its cache holds, with a
    warning. Raises SourceError if neither gives the model, BackboneError if the model cannot be used.
    """
    from huggingface_hub import hf_hub_download

    where = f"backbone {params.name}"
    with _secrets_kept(), _explained(params):
        commit, names = _listing(params)
        chosen = _safety.wanted(names, where)
        files = {name: Path(hf_hub_download(params.name, name, revision=commit)) for name in chosen}
    for path in files.values():
        _verify(path, where)
    return {"kind": "hub", "name": params.name, "revision": commit, **_safety.canonical(files, target, where)}


def _listing(params: BackboneParams) -> tuple[str, list[str]]:
    """The commit that the revision stands for, and the names of its files."""
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    try:
        question = ThreadPoolExecutor(1).submit(
            api.model_info, params.name, revision=params.revision, timeout=PATIENCE / 2
        )
        info = question.result(PATIENCE)
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
        return folder.name, [path.name for path in folder.iterdir()]
    api.resolve_revision(params.name, revision=params.revision)  # notes in the cache what the revision stands for
    return info.sha, [file.rfilename for file in info.siblings]


def _verify(path: Path, where: str) -> None:
    """Compare a large file with its SHA-256, after which the hub's cache names it."""
    name = path.readlink().name if path.is_symlink() else ""
    if re.fullmatch("[0-9a-f]{64}", name) and (found := sha256(path)) != name:
        raise BackboneError(
            f"{where}: {path.resolve()}: damaged (sha256 {found[:12]}…, wanted {name[:12]}…); "
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
