"""Pretrained weights from a Hugging Face hub."""

import hashlib
import re
from pathlib import Path

from clue_ner import hub
from clue_ner.backbones import _safety
from clue_ner.common.errors import BackboneError, SourceError
from clue_ner.common.files import sha256
from clue_ner.core.params import BackboneParams


def fetch(params: BackboneParams, target: Path) -> dict[str, str]:
    """Download a hub model's config, safetensors and tokenizer; write its encoder in canonical form into ``target``.

    The revision is resolved to a commit, which is recorded. Raises SourceError if neither the hub nor its
    cache has the model, BackboneError if a file in the cache is damaged or the model cannot be used.
    """
    where = f"backbone {params.name}"
    try:
        commit, files = hub.download(params.name, lambda names: _safety.wanted(names, where), revision=params.revision)
    except SourceError as error:
        raise SourceError(
            f"{where}, revision {params.revision or 'main'}: {error}; check name and revision (HF_TOKEN for a private "
            "model), set HF_ENDPOINT to a mirror you can reach, give a folder you copied the model to "
            "(backbone.name: ./FOLDER), or take backbone.name: e5-small, which needs no hub"
        ) from None
    for path in files.values():
        _verify(path, where)
    return {"kind": "hub", "name": params.name, "revision": commit, **_safety.canonical(files, target, where)}


def _verify(path: Path, where: str) -> None:
    """Compare a file with the checksum in its name in the hub's cache: SHA-256 if large, git's id if small.

    Some mirrors use the plain SHA-1 for small files.
    """
    wanted = path.readlink().name if path.is_symlink() else ""
    if re.fullmatch("[0-9a-f]{64}", wanted):
        kind, found = "sha256", [sha256(path)]
    elif re.fullmatch("[0-9a-f]{40}", wanted):
        content = path.read_bytes()
        stored = (b"blob %d\0" % len(content) + content, content)
        kind, found = "git's id", [hashlib.sha1(value).hexdigest() for value in stored]
    else:
        return
    if wanted not in found:
        raise BackboneError(
            f"{where}: {path.resolve()}: damaged ({kind} {found[0][:12]}…, wanted {wanted[:12]}…); "
            "delete the file and run `dvc repro` again"
        )
