"""The model registry: a version a training, and ``champion`` for the best of them by valid F1."""

import logging
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

import clue_ner
from clue_ner.common.errors import TrackingError
from clue_ner.common.files import atomic_folder, read_json, write_json
from clue_ner.common.paths import home_of, resolve_path
from clue_ner.common.redaction import redact
from clue_ner.core.params import TrackingParams
from clue_ner.tagger.config import TaggerConfig, TrainingRecord
from clue_ner.tracking import provenance
from clue_ner.tracking.journal import Journal
from clue_ner.tracking.replay import replay
from clue_ner.tracking.store import (
    PATIENT,
    QUICK,
    Store,
    answered,
    connect,
    experiment_id,
    translated,
    uri_of,
    waiting,
)

CHAMPION, CHALLENGER = "champion", "challenger"
TRAIN_AND_VALID = "train_and_valid_fingerprint"
"""The tag with the fingerprint of what a version was trained on and chosen by."""
NOT_SCORED = "not scored"
"""The tag ``scored_on`` of a version whose corpus has neither test nor valid."""
EXAMPLE = "李雷昨天去了上海的招商银行。"
DESCRIPTION_LENGTH = 5000
"""Characters of a version's description that every store of MLflow can keep."""

_log = logging.getLogger(__name__)


class Version(NamedTuple):
    """A version of a registered model: what it was called when it came, and why."""

    name: str
    version: int
    alias: str
    reason: str


def register(root: Path, export: Path, tracking: TrackingParams) -> Version | None:
    """Register ``export/tagger`` with the card ``export/README.md``, once for each training.

    ``champion`` moves to it if its valid F1 is better than the champion's on the same corpus; else ``challenger`` does.
    Where MLflow cannot be reached, warns, keeps a copy below ``.tracking/`` for ``sync``, and returns None.
    """
    try:
        with waiting(QUICK):
            store = connect(root)
        return register_in(store, export, tracking)
    except TrackingError as error:
        keep_for_later(root, export, tracking)
        _log.warning("%s; the model is kept in .tracking/ and registered with `clue-ner sync`", error)
        return None


def register_in(store: Store, export: Path, tracking: TrackingParams) -> Version:
    """As ``register``, in an open store; raises TrackingError if that fails, and then goes on where it stopped."""
    trained = TaggerConfig.load(export / "tagger").trained
    folder = store.home / ".tracking"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "register.lock", timeout=PATIENT.seconds)
    with waiting(PATIENT), translated(f"MLflow at {store.uri}: model {tracking.model!r}"), lock:
        with answered("RESOURCE_ALREADY_EXISTS"):
            store.client.create_registered_model(tracking.model)
        version = _version_of(store, tracking.model, trained.fingerprint)
        return _name(store, version or _create(store, export, trained, tracking))


def keep_for_later(root: Path, export: Path, tracking: TrackingParams) -> None:
    """Copy what is to be registered to where it outlasts a temporary run of DVC."""
    with atomic_folder(_pending(root) / TaggerConfig.load(export / "tagger").trained.fingerprint) as folder:
        shutil.copytree(export / "tagger", folder / "tagger")
        for name in ("README.md", "corpus.json"):
            if (export / name).exists():
                shutil.copyfile(export / name, folder / name)
        write_json(folder / "tracking.json", tracking.model_dump())


def kept_for_later(root: Path) -> list[tuple[Path, TrackingParams]]:
    """What ``keep_for_later`` kept: folders to register, and under which names, also those that are refused today."""
    files = sorted(_pending(root).glob("*/tracking.json"))
    return [(path.parent, TrackingParams.model_construct(**read_json(path))) for path in files]


def gate(tags: Mapping[str, str], champion: Any) -> tuple[str, str]:
    """The alias that a new version with these ``tags`` gets, and why; ``champion`` is the one that has it now, or None.

    Test scores are not asked: a model chosen by them would have no honest score left. A model that finds nothing in
    valid is never champion.
    """
    if float(tags.get("valid_micro_f1", "1")) == 0:
        return CHALLENGER, "its valid F1 is 0: it finds nothing"
    if champion is None:
        return CHAMPION, "there was no champion"
    name, theirs = f"champion version {champion.version}", champion.tags
    key = TRAIN_AND_VALID if TRAIN_AND_VALID in tags and TRAIN_AND_VALID in theirs else "corpus_fingerprint"
    if tags.get(key) is None or theirs.get(key) != tags[key]:
        return CHALLENGER, f"{name} was trained on another corpus, so their scores do not compare"
    if "valid_micro_f1" not in tags or "valid_micro_f1" not in theirs:
        return CHALLENGER, f"without a valid F1 of both it does not compare with {name}"
    ours, best = float(tags["valid_micro_f1"]), float(theirs["valid_micro_f1"])
    if ours > best:
        return CHAMPION, f"valid F1 {ours:.4f} is above {best:.4f} of {name}"
    return CHALLENGER, f"valid F1 {ours:.4f} is not above {best:.4f} of {name}"


def resolve_model(root: Path, uri: str) -> Path:
    """A folder for ``Tagger.load`` from ``models:/NAME@ALIAS``, ``/VERSION``, ``/latest``, or the folder itself.

    Raises TrackingError for a model, alias or version that is not there, naming those that are.
    """
    if not uri.startswith("models:"):
        return Path(uri)
    with waiting(PATIENT):
        store, version = _found(root, uri)
        with translated(f"{redact(store.uri)}: {uri}"):
            return _fetch(store, version)


def resolve_teacher(root: Path, teacher: str | None) -> Path | None:
    """The folder of the model that ``train.teacher`` names; a relative one begins at the repository's root.

    Errors are as of ``resolve_model``.
    """
    if teacher is None or teacher.startswith("models:"):
        return None if teacher is None else resolve_model(root, teacher)
    return resolve_path(teacher, root)


def version_tags(root: Path, uri: str) -> dict[str, str]:
    """What the registry says of a version, such as ``corpus_fingerprint``; errors as of ``resolve_model``."""
    with waiting(PATIENT):
        return dict(_found(root, uri)[1].tags)


def _found(root: Path, uri: str) -> tuple[Store, Any]:
    """The store and the version that ``uri`` names."""
    parts = re.fullmatch(r"models:/([^/@]+)(?:@([^/@]+)|/(\d+|latest))", uri)
    if parts is None:
        raise TrackingError(f"{uri}: wanted models:/NAME@ALIAS, models:/NAME/VERSION or models:/NAME/latest")
    name, alias, number = parts.groups()
    if not has_store(root):
        raise TrackingError(f"{uri}: there is no MLflow store yet; run `make demo` or `dvc repro`")
    store = connect(root)
    with translated(f"{redact(store.uri)}: {uri}"):
        known = _aliases(store, name)
        if known is None:
            names = ", ".join(model.name for model in store.client.search_registered_models()) or "none"
            raise TrackingError(f"{uri}: no registered model {name!r}; there are: {names}")
        numbers = {str(v.version) for v in store.client.search_model_versions(f"name = '{name}'")}
        version = known.get(alias) if alias else number if number != "latest" else max(numbers, key=int, default=None)
        if version not in numbers:
            aliases = ", ".join(f"@{a} (version {v})" for a, v in sorted(known.items())) or "no alias"
            versions = ", ".join(sorted(numbers, key=int)) or "none"
            raise TrackingError(f"{uri}: not there; {name} has {aliases}; versions: {versions}")
        return store, store.client.get_model_version(name, version)


def champion_path(root: Path, name: str) -> Path | None:
    """The tagger's folder of the champion of ``name``, or None if there is none."""
    if not has_store(root):
        return None
    with waiting(QUICK):
        store = connect(root)
        with translated(f"MLflow at {store.uri}: model {name!r}"):
            aliases = _aliases(store, name) or {}
    return resolve_model(root, f"models:/{name}@{CHAMPION}") if CHAMPION in aliases else None


def _create(store: Store, export: Path, trained: TrainingRecord, tracking: TrackingParams) -> Any:
    """A new version, or that of another clone which made one of the same training before."""
    model_id, run_id = _upload(store, export, trained, tracking)
    card = export / "README.md"
    made = store.client.create_model_version(
        tracking.model,
        f"models:/{model_id}",
        run_id,
        tags=_version_tags(trained, export),
        description=card.read_text(encoding="utf-8")[:DESCRIPTION_LENGTH] if card.exists() else None,
        model_id=model_id,
    )
    return _version_of(store, tracking.model, trained.fingerprint) or made


def _name(store: Store, version: Any) -> Version:
    """Give a version its alias, unless that has been done; the tag that says so comes last, for the sake of kills."""
    if "alias" not in version.tags:
        holder = (_aliases(store, version.name) or {}).get(CHAMPION)
        champion = (
            None if holder in (None, str(version.version)) else store.client.get_model_version(version.name, holder)
        )
        alias, reason = gate(version.tags, champion)
        store.client.set_registered_model_alias(version.name, alias, version.version)
        store.client.set_model_version_tag(version.name, version.version, "alias_reason", reason)
        store.client.set_model_version_tag(version.name, version.version, "alias", alias)
        return Version(version.name, int(version.version), alias, reason)
    return Version(version.name, int(version.version), version.tags["alias"], version.tags["alias_reason"])


def _upload(store: Store, export: Path, trained: TrainingRecord, tracking: TrackingParams) -> tuple[str, str | None]:
    """The logged model of a training and its run; one that a kill left half-uploaded is finished."""
    import mlflow.pyfunc
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    journal = Journal(store.home, trained.fingerprint)
    run_id = None if journal.read() is None else replay(store, journal, PATIENT)
    experiment = experiment_id(store, tracking.experiment)
    tag = {"clue_ner.fingerprint": trained.fingerprint}
    found = store.client.search_logged_models([experiment], f"tags.`clue_ner.fingerprint` = '{trained.fingerprint}'")
    model = found[0] if found else store.client.create_logged_model(experiment, tracking.model, run_id, tag)
    if str(model.status) == "READY":
        return model.model_id, model.source_run_id
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        card = Model(model.artifact_location, model.source_run_id, model_uuid=model.model_id, model_id=model.model_id)
        mlflow.pyfunc.save_model(
            str(path),
            python_model=str(Path(__file__).with_name("served_model.py")),
            artifacts={"tagger": str((export / "tagger").resolve())},
            code_paths=[str(Path(clue_ner.__file__).parent)],
            pip_requirements=provenance.requirements(),
            input_example=([EXAMPLE], {"output": "records"}),
            metadata=tag,
            mlflow_model=card,
        )
        for cache in path.rglob("__pycache__"):
            shutil.rmtree(cache)
        store.client.log_model_artifacts(model.model_id, str(path))
    if model.source_run_id:
        store.client.log_outputs(model.source_run_id, [LoggedModelOutput(model.model_id, step=0)])
    store.client.finalize_logged_model(model.model_id, "READY")
    return model.model_id, model.source_run_id


def _version_tags(trained: TrainingRecord, export: Path) -> dict[str, str]:
    """What the registry says of a version; ``corpus_fingerprint`` is of all labelled splits, as in older versions."""
    tags = {
        "clue_ner.fingerprint": trained.fingerprint,
        "corpus": trained.corpus.name,
        "backbone": trained.params["backbone"]["name"],
        "head": trained.params["train"]["head"],
        "scheme": trained.params["tagging"]["scheme"],
    }
    if trained.corpus.splits == "all":
        tags["corpus_fingerprint"] = trained.corpus.fingerprint
    else:
        tags[TRAIN_AND_VALID] = trained.corpus.fingerprint
        if (path := export / "corpus.json").exists():
            described = read_json(path)
            tags["corpus_fingerprint"] = described["fingerprint_all"]
            tags["scored_on"] = next((name for name in ("test", "valid") if name in described["splits"]), NOT_SCORED)
    return tags if trained.valid_micro_f1 is None else tags | {"valid_micro_f1": str(trained.valid_micro_f1)}


def _version_of(store: Store, name: str, fingerprint: str) -> Any:
    """The first version of a training, or None; later ones are deleted.

    Those come from another clone at the same moment, or from a request that a slow server took up late.
    """
    found = store.client.search_model_versions(f"name = '{name}' and tag.`clue_ner.fingerprint` = '{fingerprint}'")
    found = sorted(found, key=lambda version: int(version.version))
    for version in found[1:]:
        with answered("RESOURCE_DOES_NOT_EXIST"):
            store.client.delete_model_version(name, version.version)
    return found[0] if found else None


def _aliases(store: Store, name: str) -> dict[str, str] | None:
    """Alias to version number, or None if there is no such model."""
    found = store.client.search_registered_models(f"name = '{name}'")
    return {alias: str(number) for alias, number in found[0].aliases.items()} if found else None


def _fetch(store: Store, version: Any) -> Path:
    """The tagger's folder: where the store has it on this machine, or else downloaded once."""
    import mlflow.artifacts

    source = f"models:/{version.name}/{version.version}/artifacts/tagger"
    if not store.is_server:
        return Path(mlflow.artifacts.download_artifacts(source))
    target = store.home / ".tracking" / "models" / f"{version.name}-{version.version}-{version.creation_timestamp}"
    if not target.exists():
        with tempfile.TemporaryDirectory() as scratch, atomic_folder(target) as folder:
            downloaded = mlflow.artifacts.download_artifacts(source, dst_path=scratch)
            shutil.copytree(downloaded, folder, dirs_exist_ok=True)
    return target


def has_store(root: Path) -> bool:
    """Whether there is one to ask, so that looking for a model does not make an empty one."""
    home = home_of(root)
    uri = uri_of(home)
    return not uri.startswith("sqlite:///") or Path(uri.removeprefix("sqlite:///")).exists()


def _pending(root: Path) -> Path:
    return home_of(root) / ".tracking" / "unregistered"
