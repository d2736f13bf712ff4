"""Names in params.yaml that something else reads later: MLflow, a model hub, the file system, DVC's ``-S``.

Each check gives the name back, or raises ValueError that says what to write.
"""

import os
import re
import unicodedata
from pathlib import Path

from clue_ner.common.paths import is_folder_name, is_registry_name
from clue_ner.common.redaction import redact
from clue_ner.core import plugins

WRITTEN = (
    *("data/sources", "data/corpus", "data/test", "data/backbone", "data/tags.json", "data/encoded"),
    *("data/predictions", "models/tagger", "models/export", "metrics", "plots"),
)
"""What the stages write, from the repository's root."""
BACKBONES = "clue_ner.backbones"
FORMS = {
    "hub": "ORG/NAME (a hub id, such as google-bert/bert-base-chinese)",
    "folder": "./FOLDER (or /FOLDER, ~/FOLDER)",
}
"""Modules of ``BACKBONES`` that stand for a whole form of name."""
TEACHERS = (
    "models:/NAME@ALIAS, models:/NAME/VERSION, models:/NAME/latest, of what a run logged models:/MODEL_ID or "
    "runs:/RUN_ID/NAME, or a folder"
)
LONGEST_EXPERIMENT = 256
"""Characters that MLflow's databases keep."""
LONGEST_MODEL = 200
"""Bytes: MLflow's databases keep 256 characters, and a downloaded version lies in a folder of its model's name."""

_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_HOST = r"(?:www\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com)"
_HUB_ID = re.compile(rf"(?!.*(?:--|\.\.))(?!{_HOST}/){_PART}/{_PART}(?<!\.git)")
_HUB_ADDRESS = re.compile(
    rf"(?P<address>https?://[^/]+/|hf://|{_HOST}/)?(?:(?P<org>{_PART})/)?(?P<name>{_PART})"
    r"(?:@(?P<tag>[\w.-]+)|/(?:tree|blob|resolve|commit|raw)/(?P<revision>[\w.-]+)(?:/.*)?)?(?(address)(?:[/?#].*)?)"
)
_TEACHER = re.compile(r"models:/[^/@]+(?:@[\w-]+|/\d+|/latest)|models:/m-[\w-]+|runs:/[A-Za-z0-9][\w-]*/[^/].*")
_NOT_IN_MODELS = re.compile(r"""[/:.%"'@?#]""")
_OWNERS = {
    "albert": "albert",
    "bert": "google-bert",
    "chinese": "hfl",
    "distilbert": "distilbert",
    "roberta": "FacebookAI",
    "xlm": "FacebookAI",
}
"""Who has well-known models on the hub, by the first word of their names."""


def plain_text(name: str) -> str:
    """Refuse what files, databases or ``dvc exp run -S`` cannot keep as it is."""
    categories = {unicodedata.category(character): f"U+{ord(character):04X}" for character in name}
    if not name.strip():
        raise ValueError("wanted a name, not an empty one")
    if name != name.strip():
        raise ValueError("has white space at an end; remove it")
    if found := categories.get("Cc") or categories.get("Cs"):
        raise ValueError(f"holds {found}, which is no character of a name; remove it")
    if "${" in name or name == "???":
        raise ValueError("DVC's -S takes ${…} for a reference and ??? for a missing value; take another name")
    if redact(name) != name:
        raise ValueError("holds a password or token; params are recorded and published, so keep it elsewhere")
    return name


def optional_text(name: str) -> str:
    """As ``plain_text``, where null is possible too."""
    if name.lower() in ("none", "nil", "null"):
        raise ValueError("is a name here; for none, write null without quotes")
    return plain_text(name)


def folder_name(name: str) -> str:
    """Refuse folders that stages write to, that lie in one of these, or that one of these lies in."""
    if is_written(Path(os.path.expanduser(name))):  # noqa: PTH111, expanduser of Path raises for unknown users
        raise ValueError("the stages write there themselves; copy what is meant to another folder, and name that")
    return name


def is_written(folder: Path, root: Path = Path()) -> bool:
    """Whether ``folder`` is an output of a stage in ``root``, lies in one, or holds one; links are not followed."""
    place = Path(os.path.abspath(root / folder))  # noqa: PTH100, of Path it would keep ..
    outs = [Path(os.path.abspath(root / out)) for out in WRITTEN]  # noqa: PTH100
    return any(place.is_relative_to(out) or out.is_relative_to(place) for out in outs)


def backbone_kind(name: str) -> str:
    """The module of ``BACKBONES`` that a backbone's name belongs to: ``folder``, ``hub``, or one of the name itself.

    >>> backbone_kind("./my-bert"), backbone_kind("google-bert/bert-base-chinese"), backbone_kind("e5-small")
    ('folder', 'hub', 'e5-small')
    """
    if "://" not in name and is_folder_name(name):
        return "folder"
    if _HUB_ID.fullmatch(name):
        return "hub"
    own = [module.replace("_", "-") for module in plugins.names(BACKBONES) if module not in FORMS]
    if name not in own:
        raise ValueError(f"unknown backbone: there are {', '.join([*own, *FORMS.values()])}{_hint(name)}")
    return name


def is_hub_data(corpus: str, path: str) -> bool:
    """Whether ``path`` is a hub id, of a corpus in the layout hugging_face; a folder is written as a backbone's.

    >>> is_hub_data("hugging_face", "org/data"), is_hub_data("hugging_face", "./data"), is_hub_data("jsonl", "my/data")
    (True, False, False)
    """
    return corpus == "hugging_face" and not is_folder_name(path) and _HUB_ID.fullmatch(path) is not None


def backbone_name(name: str) -> str:
    """A name that has a ``backbone_kind``."""
    return folder_name(name) if backbone_kind(name) == "folder" else name


def revision_name(name: str) -> str:
    """What git, and so a hub, takes for a branch, tag or commit."""
    if re.search(r"[\s~^:?*\[\\]|\.\.", name):
        raise ValueError("wanted a branch, tag or commit, which has no white space and none of ~ ^ : ? * [ \\ ..")
    return name


def teacher_name(name: str) -> str:
    """A model of the registry, or a folder."""
    if not is_registry_name(name):
        return folder_name(name)
    if not _TEACHER.fullmatch(name):
        raise ValueError(f"wanted {TEACHERS}")
    return name


def model_name(name: str) -> str:
    """What MLflow takes for a registered model and for a logged one, and finds again by ``models:/NAME@ALIAS``."""
    if _NOT_IN_MODELS.search(name):
        raise ValueError(
            f"MLflow's names of models have none of / : . % \" ' @ ? #; write {_NOT_IN_MODELS.sub('-', name)}"
        )
    if len(name.encode()) > LONGEST_MODEL:
        raise ValueError(f"longer than {LONGEST_MODEL} bytes")
    return name


def experiment_name(name: str) -> str:
    """What MLflow takes for an experiment."""
    if len(name) > LONGEST_EXPERIMENT:
        raise ValueError(f"longer than {LONGEST_EXPERIMENT} characters")
    return name


def _hint(name: str) -> str:
    """What to write for a name that is nearly a hub id: one without its owner, with a revision, an address."""
    if found := _HUB_ADDRESS.fullmatch(name):
        owner = found["org"] or _OWNERS.get(found["name"].partition("-")[0], "ORG")
        hub_id, revision = f"{owner}/{found['name'].removesuffix('.git')}", found["tag"] or found["revision"]
        if _HUB_ID.fullmatch(hub_id):
            return (
                f"; write {hub_id}"
                + (f", and {revision} as backbone.revision" if revision else "")
                + (f", or for a folder ./{name}" if name == found["name"] else "")
            )
    return f"; for a folder write ./{name}" if ":" not in name else ""
