"""The origin of a model, recomputed from its files, its training's record and this repository."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from clue_ner import hub
from clue_ner.common.errors import ArtifactError, ClueNerError, ParamsError, SourceError, TrackingError
from clue_ner.common.files import ADVICE, CHECKSUMS, checked, read_json, verify_checksums
from clue_ner.common.git import git, own_repository
from clue_ner.common.paths import is_registry_name, resolve_path
from clue_ner.core.entities import fingerprint, fingerprint_of_all
from clue_ner.core.folders import TAGGERS
from clue_ner.core.params import dotted, load_params
from clue_ner.core.sentences import describe_corpus, read_split
from clue_ner.tagger.config import FILE, CorpusRecord, TaggerConfig, TaggerRecord, TrainingRecord
from clue_ner.tagger.model_files import GRAPHS, find_graph, model_folder
from clue_ner.tracking.model_registry import TRAIN_AND_VALID, fixed_name, is_version, recorded_tags, resolve_model
from clue_ner.tracking.sync import tags_of_training
from clue_ner.training import trained_tagger
from clue_ner.training.inputs import Inputs, describe

OK, UNKNOWN, MOVED, WRONG = "ok", "not traced", "moved", "WRONG"


class Finding(NamedTuple):
    """One check; ``state`` is ``OK``, ``UNKNOWN``, ``MOVED`` or ``WRONG``."""

    state: str
    what: str
    message: str


def verify(root: Path, model: str) -> Iterator[Finding]:
    """Check a model, given as a folder or a name in MLflow; stops after the model's own files if these are damaged.

    Raises TrackingError for a registered model that does not exist, ArtifactError if the folder has no model.
    """
    folder = model_folder(resolve_model(root, model))
    graphs = {path.parent for runtime in GRAPHS if (path := find_graph(folder, runtime))}
    try:
        for each in (folder, *graphs):
            verify_checksums(each, f"in a repository {ADVICE}; elsewhere fetch it again")
    except ArtifactError as error:
        yield Finding(WRONG, "files", str(error))
        return
    listed = read_json(folder / CHECKSUMS)
    stray = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - listed.keys() - {CHECKSUMS}
    if stray:
        yield Finding(WRONG, "files", f"{folder}: not in {CHECKSUMS}: {', '.join(sorted(stray))}")
        return
    counts = f"{len(listed)} of {folder}" + "".join(
        f", {len(read_json(each / CHECKSUMS))} of {each}" for each in graphs
    )
    yield Finding(OK, "files", f"{counts}, as {CHECKSUMS} says")
    trained = TaggerConfig.load(folder).trained
    if is_registry_name(model):
        yield _version(root, model, trained)
    yield _corpus(root, trained.corpus)
    yield _backbone(root, trained.backbone)
    if trained.backbone.get("kind") == "hub":
        yield _revision(trained.backbone, trained.params["backbone"]["revision"])
    for key in TAGGERS:
        if (recorded := getattr(trained, key)) is not None:
            yield _tagger(root, key, recorded)
    yield _params(root, trained.params)
    yield _commit(root, trained.fingerprint)
    yield _training(root, trained.fingerprint)


def _version(root: Path, model: str, trained: TrainingRecord) -> Finding:
    tags = recorded_tags(root, model)
    wanted = {"clue_ner.fingerprint": trained.fingerprint}
    if is_version(model):
        wanted["corpus_fingerprint" if trained.corpus.splits == "all" else TRAIN_AND_VALID] = trained.corpus.fingerprint
    recorded = {name: tags.get(name) for name in wanted}
    if recorded != wanted:
        found = ", ".join(f"{name} {value}" for name, value in recorded.items())
        return Finding(WRONG, "version", f"{model} is recorded as {found}; its files say {', '.join(wanted.values())}")
    return Finding(OK, "version", f"{model} is recorded as of this training" + " and corpus" * is_version(model))


def _corpus(root: Path, corpus: CorpusRecord) -> Finding:
    """Compare the splits that the model's fingerprint covers with those in data/."""
    message = f"{corpus.name} {corpus.fingerprint[:12]}"
    wanted = ("train", "valid", "test") if corpus.splits == "all" else ("train", "valid")
    try:
        here = describe_corpus(root)
        recorded = here["fingerprint_all" if corpus.splits == "all" else "fingerprint"]
        if recorded != corpus.fingerprint:
            return Finding(UNKNOWN, "corpus", f"{message}; data/ has another ({recorded[:12]})")
        splits = {name: read_split(root, name) for name in wanted}
        found = {name: fingerprint(sentences) for name, sentences in splits.items() if sentences is not None}
        if fingerprint_of_all(found) != corpus.fingerprint:
            return Finding(WRONG, "corpus", f"{message}; the sentences in data/ are others; run `dvc checkout`")
    except ArtifactError as error:
        return Finding(_state(error), "corpus", f"{message}; {error}")
    return Finding(OK, "corpus", f"{message}, derived again from data/")


def _state(error: ArtifactError) -> str:
    """WRONG for damaged files, UNKNOWN for missing ones."""
    return WRONG if "damaged" in str(error) else UNKNOWN


def _backbone(root: Path, backbone: dict[str, Any]) -> Finding:
    folder = root / "data/backbone"
    message = " ".join(str(backbone[key]) for key in ("kind", "name", "revision") if backbone.get(key))
    try:
        if read_json(folder / "source.json") != backbone:
            return Finding(UNKNOWN, "backbone", f"{message}; {folder} has another")
        checked(folder)
    except ArtifactError as error:
        return Finding(_state(error), "backbone", f"{message}; {error}")
    return Finding(OK, "backbone", f"{message}, its files compared in {folder}")


def _revision(backbone: dict[str, Any], revision: str | None) -> Finding:
    """Whether the branch or tag of the backbone on the hub still refers to the recorded commit."""
    commit, message = (
        backbone["revision"],
        f"{backbone['name']}: {revision or 'main'} was commit {backbone['revision']}",
    )
    if revision == commit:
        return Finding(OK, "revision", f"{backbone['name']}: commit {commit}, which cannot move")
    try:
        now = hub.commit_of(backbone["name"], revision)
    except SourceError as error:
        return Finding(OK, "revision", f"{message}; whether it still is, is not known: {error}")
    if now == commit:
        return Finding(OK, "revision", f"{message}, and still is")
    return Finding(
        MOVED,
        "revision",
        f"{message}, and now is {now}; to keep the first, set backbone.revision: {commit}; to train on the other, run "
        "`dvc repro --force backbone`",
    )


def _tagger(root: Path, key: str, recorded: TaggerRecord) -> Finding:
    """Whether the name of a tagger that training began with still stands for the same one, files and all."""
    name, was, param = recorded.name, recorded.resolved, TAGGERS[key]
    if was is None:
        return _folder(root, key, recorded)
    try:
        now = fixed_name(root, name)
        found = recorded_tags(root, was).get("clue_ner.fingerprint") if now == was else None
    except TrackingError as error:
        return Finding(UNKNOWN, key, f"{name} was {was}; {error}")
    if now != was:
        again = "learn from the other" if key == "teacher" else "go on from the other"
        return Finding(
            MOVED,
            key,
            f"{name} was {was}, and now is {now}; to keep the first, set {param}: {was}; to {again}, "
            "run `dvc repro --force --single-item sources` and then `dvc repro`",
        )
    if recorded.fingerprint not in (None, found):
        return Finding(WRONG, key, f"{was} is recorded as of training {found}; its files said {recorded.fingerprint}")
    message = was if name == was else f"{name} was {was}, and still is"
    return Finding(OK, key, f"{message}, training {recorded.fingerprint[:12]}" if recorded.fingerprint else message)


def _folder(root: Path, key: str, recorded: TaggerRecord) -> Finding:
    """Whether the files of a tagger in a folder are those that training began with."""
    try:
        folder = model_folder(resolve_path(recorded.name, root))
        if read_json(folder / CHECKSUMS) != recorded.checksums:
            return Finding(UNKNOWN, key, f"{recorded.name}; {folder} has another by now")
        verify_checksums(folder, "get it again")
    except ArtifactError as error:
        return Finding(_state(error), key, f"{recorded.name}; {error}")
    except (ParamsError, OSError) as error:
        return Finding(UNKNOWN, key, f"{recorded.name}; {error}")
    return Finding(OK, key, f"{recorded.name}, its {len(recorded.checksums)} files compared")


def _params(root: Path, params: dict[str, Any]) -> Finding:
    try:
        here = load_params(root / "params.yaml").model_dump(include=set(params))
    except ClueNerError as error:
        return Finding(UNKNOWN, "params", f"in {FILE}; not compared: {error}")
    named, named_here = dotted(params), dotted(here)
    changed = sorted(name for name in named.keys() | named_here.keys() if named.get(name) != named_here.get(name))
    if changed:
        return Finding(UNKNOWN, "params", f"in {FILE}; params.yaml says otherwise of {', '.join(changed)}")
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
    try:
        git(own_repository(root), "cat-file", "-e", f"{commit}^{{commit}}")
    except ArtifactError as error:
        return Finding(UNKNOWN, "code", f"commit {commit}, not found here: {error}")
    return Finding(OK, "code", f"commit {commit}")


def _training(root: Path, recorded: str) -> Finding:
    """The fingerprint of params, data, backbone and code, recomputed from this repository."""
    try:
        params = load_params(root / "params.yaml")
        taggers = trained_tagger.records(root, params.train)
        here = describe(Inputs.read(root), params, taggers).trained.fingerprint
    except (ClueNerError, OSError) as error:
        return Finding(UNKNOWN, "training", f"{recorded[:12]}; cannot be derived here: {error}")
    if here != recorded:
        message = f"{recorded[:12]}; params, data and code here make {here[:12]}"
        return Finding(UNKNOWN, "training", f"{message}; check the commit out, `dvc checkout`, and verify again")
    return Finding(OK, "training", f"{recorded[:12]}, derived again from params, data, backbone and code")
