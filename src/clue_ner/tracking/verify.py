"""Where a model comes from, derived again from its files, its training's record and what this repository has."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from clue_ner.common.errors import ArtifactError, ClueNerError
from clue_ner.core.entities import fingerprint
from clue_ner.core.files import CHECKSUMS, MEND, checked, read_json, read_sentences, verify_checksums
from clue_ner.core.params import load_params
from clue_ner.corpora._summary import fingerprint_of_all
from clue_ner.exporting.model_card import flat
from clue_ner.tagger.tagger import CARD, model_folder
from clue_ner.tracking.model_registry import resolve_model, resolve_teacher, version_tags
from clue_ner.tracking.replay import trained_by
from clue_ner.tracking.sync import tags_of_training
from clue_ner.training.fine_tune import describe

OK, UNKNOWN, WRONG = "ok", "not traced", "WRONG"


class Finding(NamedTuple):
    """One thing that was looked at; ``state`` is ``OK``, ``UNKNOWN`` or ``WRONG``."""

    state: str
    what: str
    told: str


def verify(root: Path, model: str) -> Iterator[Finding]:
    """Findings on the model ``FOLDER`` or ``models:/…``, from its own files outwards; they end where these are damaged.

    Raises TrackingError for a registered model that is not there, ArtifactError if there is no model in the folder.
    """
    folder = model_folder(resolve_model(root, model))
    try:
        verify_checksums(folder, f"in a repository {MEND}; elsewhere fetch it again")
    except ArtifactError as error:
        yield Finding(WRONG, "files", str(error))
        return
    listed = read_json(folder / CHECKSUMS)
    stray = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - listed.keys() - {CHECKSUMS}
    if stray:
        yield Finding(WRONG, "files", f"{folder}: not in {CHECKSUMS}: {', '.join(sorted(stray))}")
        return
    yield Finding(OK, "files", f"{len(listed)} of {folder}, as {CHECKSUMS} says")
    trained = trained_by(folder)
    if model.startswith("models:"):
        yield _version(root, model, trained)
    yield _corpus(root, trained["corpus"])
    yield _backbone(root, trained["backbone"])
    yield _params(root, trained["params"])
    yield _commit(root, trained["fingerprint"])
    yield _training(root, trained["fingerprint"])


def _version(root: Path, model: str, trained: dict[str, Any]) -> Finding:
    tags = version_tags(root, model)
    recorded = tags.get("clue_ner.fingerprint"), tags.get("corpus_fingerprint")
    if recorded != (trained["fingerprint"], trained["corpus"]["fingerprint"]):
        return Finding(WRONG, "version", f"{model} is recorded as of training {recorded[0]}, corpus {recorded[1]}")
    return Finding(OK, "version", f"{model} is recorded as of this training and corpus")


def _corpus(root: Path, corpus: dict[str, Any]) -> Finding:
    folder, told = root / "data/corpus", f"{corpus['name']} {corpus['fingerprint'][:12]}"
    try:
        here = read_json(checked(folder) / "corpus.json")
        if here["fingerprint"] != corpus["fingerprint"]:
            return Finding(UNKNOWN, "corpus", f"{told}; {folder} has another ({here['fingerprint'][:12]})")
        splits = {name: fingerprint(read_sentences(folder / f"{name}.jsonl")) for name in here["splits"]}
        if fingerprint_of_all(splits) != corpus["fingerprint"]:
            return Finding(WRONG, "corpus", f"{told}; the sentences in {folder} are others; run `dvc checkout`")
    except ArtifactError as error:
        return Finding(_state(error), "corpus", f"{told}; {error}")
    return Finding(OK, "corpus", f"{told}, derived again from {folder}")


def _state(error: ArtifactError) -> str:
    """What is damaged is wrong; what is not there cannot be traced."""
    return WRONG if "damaged" in str(error) else UNKNOWN


def _backbone(root: Path, backbone: dict[str, Any]) -> Finding:
    folder = root / "data/backbone"
    told = " ".join(str(backbone[key]) for key in ("kind", "name", "revision") if backbone.get(key))
    try:
        if read_json(folder / "source.json") != backbone:
            return Finding(UNKNOWN, "backbone", f"{told}; {folder} has another")
        checked(folder)
    except ArtifactError as error:
        return Finding(_state(error), "backbone", f"{told}; {error}")
    return Finding(OK, "backbone", f"{told}, its files compared in {folder}")


def _params(root: Path, params: dict[str, Any]) -> Finding:
    try:
        here = load_params(root / "params.yaml").model_dump(include=set(params))
    except ClueNerError as error:
        return Finding(UNKNOWN, "params", f"in {CARD}; not compared: {error}")
    named, named_here = dict(flat(params)), dict(flat(here))
    changed = sorted(name for name in named.keys() | named_here.keys() if named.get(name) != named_here.get(name))
    if changed:
        return Finding(UNKNOWN, "params", f"in {CARD}; params.yaml says otherwise of {', '.join(changed)}")
    return Finding(OK, "params", f"{len(named)}, as params.yaml says")


def _commit(root: Path, training: str) -> Finding:
    try:
        tags = tags_of_training(root, training)
    except ClueNerError as error:
        return Finding(UNKNOWN, "code", str(error))
    commit = tags.get("mlflow.source.git.commit", "unknown")
    if commit == "unknown":
        return Finding(UNKNOWN, "code", "no commit was recorded; its run was restored, or trained outside git")
    if tags.get("clue_ner.dirty") != "false":
        return Finding(UNKNOWN, "code", f"commit {commit}, with changes that were not committed")
    command = ["git", "-C", str(root), "cat-file", "-e", f"{commit}^{{commit}}"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return Finding(UNKNOWN, "code", f"commit {commit}, which this repository does not have")
    return Finding(OK, "code", f"commit {commit}")


def _training(root: Path, recorded: str) -> Finding:
    """The fingerprint over params, data, backbone and code, calculated again from what is here."""
    try:
        params = load_params(root / "params.yaml")
        here = describe(root, params, resolve_teacher(root, params.train.teacher))["trained"]["fingerprint"]
    except (ClueNerError, OSError) as error:
        return Finding(UNKNOWN, "training", f"{recorded[:12]}; cannot be derived here: {error}")
    if here != recorded:
        told = f"{recorded[:12]}; params, data and code here make {here[:12]}"
        return Finding(UNKNOWN, "training", f"{told}; check the commit out, `dvc checkout`, and verify again")
    return Finding(OK, "training", f"{recorded[:12]}, derived again from params, data, backbone and code")
