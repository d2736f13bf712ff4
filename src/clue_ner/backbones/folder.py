"""Pretrained weights in a local folder, made by ``save_pretrained`` or a download from a hub."""

from pathlib import Path

from clue_ner.backbones import _safety
from clue_ner.common.errors import BackboneError
from clue_ner.common.paths import resolve_path
from clue_ner.core.params import BackboneParams


def fetch(params: BackboneParams, target: Path) -> dict[str, str]:
    """Write the encoder in the folder ``params.name`` in its canonical form into ``target``.

    A relative name starts at the repository's root, also in temporary and queued runs. Raises BackboneError if files
    are missing, damaged or unsafe, or are links to files outside the folder.
    """
    folder = resolve_path(params.name)
    where = f"backbone {params.name} ({folder})"
    if not folder.is_dir():
        raise BackboneError(f"{where}: no such folder; wanted one with config.json, model.safetensors, tokenizer.json")
    files = {name: folder / name for name in _safety.wanted([p.name for p in folder.iterdir() if p.is_file()], where)}
    for name, path in files.items():
        if not path.resolve().is_relative_to(folder):
            raise BackboneError(
                f"{where}: {name} is a link to a file outside the folder, {path.resolve()}; "
                f"copy the files themselves (cp -rL FROM TO) and name the copy"
            )
    return {"kind": "folder", "name": params.name, "revision": "local", **_safety.canonical(files, target, where)}
