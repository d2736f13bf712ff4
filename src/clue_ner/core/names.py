"""Names in params.yaml that are used later by MLflow, a model hub, the file system or DVC's ``-S``.

Each check returns the name, or raises ValueError that says what to write instead.
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
"""The outputs of the stages, relative to the repository's root."""
BACKBONES = "clue_ner.backbones"
FORMS = {
    "hub": "ORG/NAME (a hub id, such as google-bert/bert-base-chinese)",
    "folder": "./FOLDER (or /FOLDER, ~/FOLDER)",
}
"""Modules of ``BACKBONES`` that handle a form of name, not a single name."""
TAGGER_FORMS = (
    "models:/NAME@ALIAS, models:/NAME/VERSION, models:/NAME/latest, of what a run logged models:/MODEL_ID or "
    "runs:/RUN_ID/NAME, or a folder"
)
LONGEST_EXPERIMENT = 256
"""The number of characters that MLflow's databases can store."""
LONGEST_MODEL = 200
"""Bytes: MLflow's databases store 256 characters, and a downloaded version is in a folder with the model's name."""

_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_HOST = r"(?:www\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com)"
_HUB_ID = re.compile(rf"(?!.*(?:--|\.\.))(?!{_HOST}/){_PART}/{_PART}(?<!\.git)")
_HUB_ADDRESS = re.compile(
    rf"(?P<address>https?://[^/]+/|hf://|{_HOST}/)?(?:(?P<org>{_PART})/)?(?P<name>{_PART})"
    r"(?:@(?P<tag>[\w.-]+)|/(?:tree|blob|resolve|commit|raw)/(?P<revision>[\w.-]+)(?:/.*)?)?(?(address)(?:[/?#].*)?)"
)
_TAGGER = re.compile(r"models:/[^/@]+(?:@[\w-]+|/\d+|/latest)|models:/m-[\w-]+|runs:/[A-Za-z0-9][\w-]*/[^/].*")
_NOT_IN_MODELS = re.compile(r"""[/:.%"'@?#]""")
_OWNERS = {
    "albert": "albert",
    "bert": "google-bert",
    "chinese": "hfl",
    "distilbert": "distilbert",
    "roberta": "FacebookAI",
    "xlm": "FacebookAI",
}
"""Owners of well-known models on the hub, by the first word of the model's name."""


def plain_text(name: str) -> str:
    """Refuse text that files, databases or ``dvc exp run -S`` cannot store unchanged."""
    categories = {unicodedata.category(character): f"U+{ord(character):04X}" for character in name}
    if not name.strip():
        raise ValueError("wanted a name, not an empty one")
    if name != name.strip():
        raise ValueError("begins or ends with white space; remove it")
    if found := categories.get("Cc") or categories.get("Cs"):
        raise ValueError(f"holds {found}, which a name must not contain; remove it")
    if "${" in name or name == "???":
        raise ValueError("DVC's -S takes ${…} for a reference and ??? for a missing value; take another name")
    if redact(name) != name:
        raise ValueError("holds a password or token; params are recorded and published, so keep it elsewhere")
    return name


def optional_text(name: str) -> str:
    """As ``plain_text``, for params that can also be null."""
    if name.lower() in ("none", "nil", "null"):
        raise ValueError("is read as a name; for no value write null without quotes")
    return plain_text(name)


def folder_name(name: str) -> str:
    """Refuse folders that stages write to, and folders inside or around these."""
    if _is_written(name):
        raise ValueError("stages write to this folder; copy the files to another folder and name that one")
    return name


def is_written(folder: Path, root: Path = Path()) -> bool:
    """Whether ``folder`` is, contains or is inside an output of a stage in ``root``; links are not followed."""
    place = Path(os.path.abspath(root / folder))  # noqa: PTH100, of Path it would keep ..
    outs = [Path(os.path.abspath(root / out)) for out in WRITTEN]  # noqa: PTH100
    return any(place.is_relative_to(out) or out.is_relative_to(place) for out in outs)


def _is_written(name: str) -> bool:
    return is_written(Path(os.path.expanduser(name)))  # noqa: PTH111, expanduser of Path raises for unknown users


def backbone_kind(name: str) -> str:
    """The module of ``BACKBONES`` for a backbone's name: ``folder``, ``hub``, or the module of that name.

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
    """Check that a name has a ``backbone_kind``."""
    return folder_name(name) if backbone_kind(name) == "folder" else name


def revision_name(name: str) -> str:
    """Check that git, and so a hub, accepts a name as branch, tag or commit."""
    if re.search(r"[\s~^:?*\[\\]|\.\.", name):
        raise ValueError("wanted a branch, tag or commit, which has no white space and none of ~ ^ : ? * [ \\ ..")
    return name


def tagger_name(name: str) -> str:
    """Check the name of a tagger in MLflow, or of a folder that stages do not write to."""
    if not is_registry_name(name) and _is_written(name):
        raise ValueError(
            "stages write to this folder; name the registered version, such as models:/clue-ner@champion, "
            "or copy the files to another folder and name that one"
        )
    if is_registry_name(name) and not _TAGGER.fullmatch(name):
        raise ValueError(f"wanted {TAGGER_FORMS}")
    return name


def model_name(name: str) -> str:
    """Check that MLflow accepts the name for registered and logged models and finds ``models:/NAME@ALIAS``."""
    if _NOT_IN_MODELS.search(name):
        raise ValueError(
            "a model's name in MLflow must not contain any of / : . % \" ' @ ? #; write "
            f"{_NOT_IN_MODELS.sub('-', name)}"
        )
    if len(name.encode()) > LONGEST_MODEL:
        raise ValueError(f"longer than {LONGEST_MODEL} bytes")
    return name


def experiment_name(name: str) -> str:
    """Check that MLflow accepts the name for an experiment."""
    if len(name) > LONGEST_EXPERIMENT:
        raise ValueError(f"longer than {LONGEST_EXPERIMENT} characters")
    return name


def _hint(name: str) -> str:
    """What to write instead of a name that is almost a hub id: without its owner, with a revision, or an address."""
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
