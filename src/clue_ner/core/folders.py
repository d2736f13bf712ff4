"""The local folders that params.yaml names, and checks of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clue_ner.common.errors import ParamsError
from clue_ner.common.paths import home_of, is_registry_name, resolve_path
from clue_ner.core.names import backbone_kind, is_written

TAGGERS = {"teacher": "train.teacher", "init_from": "train.init_from"}
"""The params that name a trained tagger, by what each is called in data/sources/."""


def local_folders(named: Mapping[str, Any]) -> dict[str, str]:
    """Which of the params ``corpus.path``, ``backbone.name`` and those of ``TAGGERS`` name a folder, and which one.

    ``named`` has params by dotted name, with valid values.

    >>> local_folders({"corpus.path": "my-corpus", "backbone.name": "e5-small", "train.teacher": None})
    {'corpus.path': 'my-corpus'}
    """
    backbone, folders = named.get("backbone.name"), {"corpus.path": named.get("corpus.path")}
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
            if not found.is_dir():
                wrong[key] = f"there is no folder {found}; wanted one that exists"
            elif is_written(found, home_of(root)):
                wrong[key] = f"leads to {found}, where the stages write; copy what is meant to another folder"
        except (ParamsError, OSError) as error:
            wrong[key] = str(error)
    backbone, revision = named.get("backbone.name"), named.get("backbone.revision")
    if backbone is None or backbone_kind(backbone) != "hub" or revision is not None:
        return wrong
    if (found := resolve_path(backbone, root)).is_dir():
        wrong["backbone.name"] = (
            f"a hub id, and there is also a folder {found}; write ./{backbone} for the folder, "
            "or for the hub's set backbone.revision, as to main"
        )
    return wrong
