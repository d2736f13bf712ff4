"""The local folders and files that params.yaml names, and checks of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clue_ner.common.errors import ParamsError
from clue_ner.common.paths import home_of, is_registry_name, resolve_path
from clue_ner.core.names import backbone_kind, is_hub_data, is_written

TAGGERS = {"teacher": "train.teacher", "init_from": "train.init_from"}
"""The params that name a trained tagger, by what each is called in data/sources/."""


def local_folders(named: Mapping[str, Any]) -> dict[str, str]:
    """Which of the params ``corpus.path``, ``backbone.name`` and those of ``TAGGERS`` name a folder, and which one.

    ``corpus.path`` may also name a file. ``named`` has params by dotted name, with valid values.

    >>> local_folders({"corpus.path": "my-corpus", "backbone.name": "e5-small", "train.teacher": None})
    {'corpus.path': 'my-corpus'}
    """
    path, backbone = (named.get(key) for key in ("corpus.path", "backbone.name"))
    corpus = str(named.get("corpus.name"))
    folders = {"corpus.path": None if path is not None and is_hub_data(corpus, path) else path}
    if backbone is not None and backbone_kind(backbone) == "folder":
        folders["backbone.name"] = backbone
    folders |= {key: named.get(key) for key in TAGGERS.values() if not is_registry_name(named.get(key) or "")}
    return {key: name for key, name in folders.items() if name is not None}


def wrong_folders(named: Mapping[str, Any], root: Path) -> dict[str, str]:
    """The problems of the folders for a pipeline in ``root``, by param. ``named`` is as above.

    A hub id that is also the path of a folder is a problem too, unless ``backbone.revision`` is set.
    """
    wrong = {}
    for key, name in local_folders(named).items():
        try:
            found = resolve_path(name, root)
            if key == "corpus.path" and not found.exists():
                wrong[key] = f"there is no folder or file {found}; wanted one that exists"
            elif key != "corpus.path" and not found.is_dir():
                wrong[key] = f"there is no folder {found}; wanted one that exists"
            elif is_written(found, home_of(root)):
                wrong[key] = f"leads to {found}, where the stages write; copy what is meant to another folder"
        except (ParamsError, OSError) as error:
            wrong[key] = str(error)
    for key, name in _hub_ids(named).items():
        revision = f"{key.partition('.')[0]}.revision"
        if named.get(revision) is None and (found := resolve_path(name, root)).is_dir():
            wrong[key] = (
                f"a hub id, and there is also a folder {found}; write ./{name} for the folder, "
                f"or for the hub's set {revision}, as to main"
            )
    return wrong


def _hub_ids(named: Mapping[str, Any]) -> dict[str, str]:
    """Which of the params name a repository of a hub."""
    path, backbone = named.get("corpus.path"), named.get("backbone.name")
    found = {}
    if path is not None and is_hub_data(str(named.get("corpus.name")), path):
        found["corpus.path"] = path
    if backbone is not None and backbone_kind(backbone) == "hub":
        found["backbone.name"] = backbone
    return found
