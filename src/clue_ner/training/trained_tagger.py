"""The trained taggers that a training begins with: where stage sources linked them, and what is recorded of them."""

from pathlib import Path
from typing import Any

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import CHECKSUMS, read_json, sha256, verify_checksums
from clue_ner.core.folders import TAGGERS
from clue_ner.core.params import TrainParams
from clue_ner.tagger.config import TaggerConfig, TaggerRecord
from clue_ner.tagger.model_files import WEIGHTS, model_folder

TOKENIZER = "tokenizer.json"


def folders(root: Path, params: TrainParams) -> dict[str, Path]:
    """Where the taggers that ``params`` name are in the pipeline at ``root``, by the keys of ``TAGGERS``."""
    return {key: root / "data/sources" / key for key in TAGGERS if getattr(params, key) is not None}


def records(root: Path, params: TrainParams) -> dict[str, TaggerRecord]:
    """What a training in the pipeline at ``root`` records of the taggers that ``params`` name.

    Raises ArtifactError if there is no model in a folder, or stage sources has not run since it was named.
    """
    return {key: _record(folder, key, getattr(params, key)) for key, folder in folders(root, params).items()}


def _record(folder: Path, key: str, name: str) -> TaggerRecord:
    source = folder.with_suffix(".json")
    found = read_json(source)
    if found.get("name") != name:
        raise ArtifactError(f"{source}: of the tagger {found.get('name')}, wanted {name}; run `dvc repro sources`")
    try:
        place = model_folder(folder)
        trained, checksums = TaggerConfig.load(place).trained, read_json(place / CHECKSUMS)
    except ArtifactError as error:
        raise ArtifactError(f"params.yaml: {TAGGERS[key]}: {error}") from None
    return TaggerRecord(name=name, resolved=found["resolved"], fingerprint=trained.fingerprint, checksums=checksums)


def read(folder: Path, key: str) -> tuple[Path, TaggerConfig]:
    """Where the model in ``folder`` is, and its configuration; its checksums are compared.

    Raises ArtifactError if there is none, it is damaged, or it has no weights for torch.
    """
    place, advice = model_folder(folder), f"name another tagger in {TAGGERS[key]}, or train it again"
    if not (place / WEIGHTS).is_file():
        raise ArtifactError(
            f"{place / WEIGHTS}: missing; ONNX graphs alone cannot be trained on or taught from, so bring the whole "
            f"folder that `dvc repro` made (models/tagger or models/export), or {advice}"
        )
    config = TaggerConfig.load(place)
    verify_checksums(place, advice)
    return place, config


def same_tokens(one: Path, other: Path) -> bool:
    """Whether the tokenizers in two folders make the same ids of a text."""
    return sha256(one / TOKENIZER) == sha256(other / TOKENIZER)


def difference(what: str, theirs: tuple[str, Any], ours: tuple[str, Any]) -> str:
    """How two models differ, for a person to read; of each, who it is and what it has.

    >>> difference("head", ("teacher", "crf"), ("student", "softmax"))
    'head (teacher crf, student softmax)'
    """
    return f"{what} ({', '.join(f'{who} {_short(value)}' for who, value in (theirs, ours))})"


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
