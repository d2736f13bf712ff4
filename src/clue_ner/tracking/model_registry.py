"""The model registry: one version per training and its formats; the alias ``champion`` is the best by valid F1."""

import contextlib
import logging
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from pydantic import ValidationError

from clue_ner.common.errors import ArtifactError, TrackingError
from clue_ner.common.files import atomic_folder, read_json, verify_checksums, write_json
from clue_ner.common.paths import home_of, is_registry_name
from clue_ner.common.redaction import redact
from clue_ner.core.params import TrackingParams
from clue_ner.tagger.config import TaggerConfig, TrainingRecord
from clue_ner.tagger.model_files import model_folder
from clue_ner.tracking import provenance, pyfunc_model
from clue_ner.tracking.address import local_file, uri_of
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
    waiting,
)

CHAMPION, CHALLENGER = "champion", "challenger"
TRAIN_AND_VALID = "train_and_valid_fingerprint"
"""The tag with the fingerprint of a version's train and valid splits."""
NOT_SCORED = "not scored"
"""The value of the tag ``scored_on`` for a version whose corpus has neither test nor valid."""
FINGERPRINT, FORMATS = "clue_ner.fingerprint", "clue_ner.formats"
"""The tags of versions and logged models with the training and with what they can be run with, such as torch, int8."""
FORMS = (
    "models:/NAME@ALIAS, models:/NAME/VERSION or models:/NAME/latest, or of what a run logged models:/MODEL_ID or "
    "runs:/RUN_ID/NAME"
)
"""The forms of MLflow's names of a model."""
_VERSION = re.compile(r"models:/([^/]+)(?:@([^/@]+)|/(\d+|latest))")
_LOGGED = re.compile(r"models:/([^/@]+)|runs:/([^/]+)/([^/]+)")
DESCRIPTION_LENGTH = 5000
"""The number of characters of a version's description that every store of MLflow can keep."""

_log = logging.getLogger(__name__)


class Version(NamedTuple):
    """A version of a registered model, with the alias that it got, and the reason."""

    name: str
    version: int
    alias: str
    reason: str


class _Found(NamedTuple):
    """A model in the store: its permanent name, the name of a copy, its recorded tags, the location of its files."""

    name: str
    key: str
    tags: dict[str, str]
    location: str


def register(root: Path, export: Path, tracking: TrackingParams) -> Version | None:
    """Register ``export/tagger``, its graphs and the card ``export/README.md``, once for each training and formats.

    ``champion`` moves to it if its valid F1 is better than the champion's on the same corpus, or if it is the
    champion's training with more formats; else ``challenger`` does.
    If MLflow cannot be reached, it warns, keeps a copy in ``.tracking/`` for ``sync``, and returns None.
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
    """As ``register``, in an open store; raises TrackingError if it fails; the next call resumes where it stopped."""
    trained = TaggerConfig.load(export / "tagger").trained
    folder = store.home / ".tracking"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "register.lock", timeout=PATIENT.seconds)
    with waiting(PATIENT), translated(f"MLflow at {store.uri}: model {tracking.model!r}"), lock:
        with answered("RESOURCE_ALREADY_EXISTS"):
            store.client.create_registered_model(tracking.model)
        identity = _identity(export, trained)
        version = _version_of(store, tracking.model, identity)
        return _name(store, version or _create(store, export, trained, tracking, identity))


def keep_for_later(root: Path, export: Path, tracking: TrackingParams) -> None:
    """Copy the model to be registered to a place outside DVC's temporary folders."""
    fingerprint = TaggerConfig.load(export / "tagger").trained.fingerprint
    graphs = pyfunc_model.graphs(export)
    name = "+".join([fingerprint, *graphs])
    with atomic_folder(home_of(root) / ".tracking" / "unregistered" / name) as folder:
        shutil.copytree(export / "tagger", folder / "tagger")
        pyfunc_model.copy_graphs(export, graphs, folder / "onnx")
        for name in ("README.md", "corpus.json", pyfunc_model.SETTINGS):
            if (export / name).exists():
                shutil.copyfile(export / name, folder / name)
        write_json(folder / "tracking.json", tracking.model_dump())


def kept_for_later(root: Path) -> list[Path]:
    """The folders that ``keep_for_later`` made, damaged ones too."""
    pending = home_of(root) / ".tracking" / "unregistered"
    return sorted(path for path in pending.glob("*") if not path.name.startswith("."))


def training_of(kept: Path) -> str:
    """The fingerprint of the training of a folder that ``keep_for_later`` made."""
    return kept.name.partition("+")[0]


def register_kept(store: Store, folder: Path) -> Version:
    """Register the copy that ``keep_for_later`` made in ``folder``, and remove it; ArtifactError if it is damaged."""
    settings = folder / "tracking.json"
    try:
        tracking = TrackingParams.model_validate(read_json(settings))
    except ValidationError as error:
        raise ArtifactError(f"{settings}: {'; '.join(problem['msg'] for problem in error.errors())}") from None
    verify_checksums(folder / "tagger", "register the model again with `dvc repro --force --single-item export`")
    version = register_in(store, folder, tracking)
    shutil.rmtree(folder)
    return version


def gate(tags: Mapping[str, str], champion: Any) -> tuple[str, str]:
    """The alias for a new version with these ``tags``, and the reason; ``champion`` is the current champion or None.

    Test scores are not used, because a model that was chosen by them would have no unbiased score. A model that finds
    nothing in valid never becomes champion.
    """
    if float(tags.get("valid_micro_f1", "1")) == 0:
        return CHALLENGER, "its valid F1 is 0: it finds nothing"
    if champion is None:
        return CHAMPION, "there was no champion"
    name, theirs = f"champion version {champion.version}", champion.tags
    if FINGERPRINT in tags and theirs.get(FINGERPRINT) == tags[FINGERPRINT]:
        return _same_training(tags, name, theirs)
    key = TRAIN_AND_VALID if TRAIN_AND_VALID in tags and TRAIN_AND_VALID in theirs else "corpus_fingerprint"
    if tags.get(key) is None or theirs.get(key) != tags[key]:
        return CHALLENGER, f"{name} was trained on another corpus, so their scores are not comparable"
    if "valid_micro_f1" not in tags or "valid_micro_f1" not in theirs:
        return CHALLENGER, f"it is not comparable without a valid F1 of both: it and {name}"
    ours, best = float(tags["valid_micro_f1"]), float(theirs["valid_micro_f1"])
    if ours > best:
        return CHAMPION, f"valid F1 {ours:.4f} is above {best:.4f} of {name}"
    return CHALLENGER, f"valid F1 {ours:.4f} is not above {best:.4f} of {name}"


def _same_training(tags: Mapping[str, str], name: str, theirs: Mapping[str, str]) -> tuple[str, str]:
    """The alias for the training of the champion in other formats: none that the champion has may get lost."""
    ours, there = formats(tags), formats(theirs)
    if lost := [each for each in there if each not in ours]:
        return CHALLENGER, f"it is the training of {name}, without its {', '.join(lost)}"
    more = ", ".join(each for each in ours if each not in there)
    return CHAMPION, f"it is the training of {name}, with {more}"


def formats(tags: Mapping[str, str]) -> list[str]:
    """The runtimes that a version or logged model with these tags has files for; before this tag it was torch."""
    return tags.get(FORMATS, "torch").split(", ")


def resolve_model(root: Path, uri: str) -> Path:
    """The folder of a model for ``Tagger.load``, from a name in MLflow in any form of ``FORMS``, or a folder itself.

    Raises TrackingError for an unknown model, alias, version or run; the message lists the existing ones.
    """
    return pinned(root, uri)[1] if is_registry_name(uri) else Path(uri)


def pinned(root: Path, uri: str) -> tuple[str, Path]:
    """What ``uri``, a name in MLflow, refers to now: the permanent name of the model, and its folder.

    Raises the errors of ``resolve_model``.
    """
    with waiting(PATIENT):
        store, found = _found(root, uri)
        with translated(f"{redact(store.uri)}: {uri}"):
            return found.name, _fetch(store, found)


def fixed_name(root: Path, uri: str) -> str:
    """The permanent name, as in ``pinned``, without downloading anything."""
    with waiting(PATIENT):
        return _found(root, uri)[1].name


def is_version(uri: str) -> bool:
    """Whether ``uri`` names a registered version by alias or number, and not a model that a run logged."""
    return _VERSION.fullmatch(uri) is not None


def recorded_tags(root: Path, uri: str) -> dict[str, str]:
    """The tags recorded for a model: for a version also corpus and score, for a logged model only its training.

    Raises the errors of ``resolve_model``.
    """
    with waiting(PATIENT):
        return _found(root, uri)[1].tags


def _found(root: Path, uri: str) -> tuple[Store, _Found]:
    """The store, and the model that ``uri`` names in it."""
    version, logged = _VERSION.fullmatch(uri), _LOGGED.fullmatch(uri)
    if not version and not logged:
        raise TrackingError(f"{uri}: wanted {FORMS}")
    if not has_store(root):
        raise TrackingError(f"{uri}: there is no MLflow store yet; run `make demo` or `dvc repro`")
    store = connect(root)
    with translated(f"{redact(store.uri)}: {uri}"):
        if version:
            return store, _found_version(store, uri, *version.groups())
        assert logged is not None
        model_id, run_id, name = logged.groups()
        return store, _found_logged(store, uri, model_id or _logged_by(store, uri, run_id, name))


def _found_version(store: Store, uri: str, name: str, alias: str | None, number: str | None) -> _Found:
    known = _aliases(store, name)
    if known is None:
        raise TrackingError(f"{uri}: no registered model {name!r}; {_registered(store)}")
    numbers = {str(v.version) for v in store.client.search_model_versions(f"name = {_quoted(name)}")}
    version = known.get(alias) if alias else number if number != "latest" else max(numbers, key=int, default=None)
    if version not in numbers:
        aliases = ", ".join(f"@{a} (version {v})" for a, v in sorted(known.items())) or "no alias"
        versions = ", ".join(sorted(numbers, key=int)) or "none"
        raise TrackingError(f"{uri}: not there; {name} has {aliases}; versions: {versions}")
    found = store.client.get_model_version(name, version)
    location = store.client.get_model_version_download_uri(name, version)
    return _Found(
        f"models:/{name}/{version}", f"{name}-{version}-{found.creation_timestamp}", dict(found.tags), location
    )


def _found_logged(store: Store, uri: str, model_id: str) -> _Found:
    with _absent(f"{uri}: no logged model {model_id!r}; {_registered(store)}; wanted {FORMS}"):
        found = store.client.get_logged_model(model_id)
    return _Found(f"models:/{model_id}", model_id, dict(found.tags), found.artifact_location)


def _logged_by(store: Store, uri: str, run_id: str, name: str) -> str:
    """The id of the model that a run logged; ``model``, as MLflow's documentation says, is the only one there is."""
    with _absent(f"{uri}: no run {run_id!r} in this store; `make ui` lists the runs"):
        run = store.client.get_run(run_id)
    outputs = run.outputs.model_outputs if run.outputs else []
    logged = sorted(
        (store.client.get_logged_model(output.model_id) for output in outputs), key=lambda m: m.creation_timestamp
    )
    models: dict[str, str] = {model.name: model.model_id for model in logged}  # of those with one name, the newest
    if name not in models and (name != "model" or len(models) != 1):
        there = ", ".join(f"runs:/{run_id}/{known}" for known in sorted(models)) or "none"
        raise TrackingError(f"{uri}: this run logged no model {name!r}; there are: {there}")
    return models[name] if name in models else models.popitem()[1]


def _registered(store: Store) -> str:
    return "registered are: " + (", ".join(model.name for model in store.client.search_registered_models()) or "none")


def champion_path(root: Path, name: str) -> Path | None:
    """The tagger's folder of the champion of ``name``, or None if there is none."""
    if not has_store(root):
        return None
    with waiting(QUICK):
        store = connect(root)
        with translated(f"MLflow at {store.uri}: model {name!r}"):
            aliases = _aliases(store, name) or {}
    return resolve_model(root, f"models:/{name}@{CHAMPION}") if CHAMPION in aliases else None


def _identity(export: Path, trained: TrainingRecord) -> dict[str, str]:
    """The tags in which two versions of one model differ."""
    there = ["torch", *pyfunc_model.graphs(export)]
    return {FINGERPRINT: trained.fingerprint, FORMATS: ", ".join(there)}


def _is(tags: Mapping[str, str], identity: Mapping[str, str]) -> bool:
    return tags.get(FINGERPRINT) == identity[FINGERPRINT] and formats(tags) == formats(identity)


def _create(
    store: Store, export: Path, trained: TrainingRecord, tracking: TrackingParams, identity: dict[str, str]
) -> Any:
    """A new version, or the existing version of the same training and formats from another clone."""
    model_id, run_id = _upload(store, export, trained, tracking, identity)
    card = export / "README.md"
    made = store.client.create_model_version(
        tracking.model,
        f"models:/{model_id}",
        run_id,
        tags=identity | _version_tags(trained, export),
        description=card.read_text(encoding="utf-8")[:DESCRIPTION_LENGTH] if card.exists() else None,
        model_id=model_id,
    )
    return _version_of(store, tracking.model, identity) or made


def _name(store: Store, version: Any) -> Version:
    """Set a version's alias, unless this was done already; the tag that records it comes last, in case of a kill."""
    name, number, tags = version.name, str(version.version), version.tags
    if "alias" in tags:
        return Version(name, int(number), tags["alias"], tags["alias_reason"])
    holder = (_aliases(store, name) or {}).get(CHAMPION)
    champion = None if holder in (None, number) else store.client.get_model_version(name, holder)
    alias, reason = gate(tags, champion)
    if holder == number:  # a kill came between the alias and its tag
        reason = tags.get("alias_reason", reason)
    store.client.set_model_version_tag(name, number, "alias_reason", reason)
    store.client.set_registered_model_alias(name, alias, number)
    store.client.set_model_version_tag(name, number, "alias", alias)
    return Version(name, int(number), alias, reason)


def _upload(
    store: Store, export: Path, trained: TrainingRecord, tracking: TrackingParams, identity: dict[str, str]
) -> tuple[str, str | None]:
    """The logged model with this identity, and its run; an upload that a kill interrupted is completed."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    journal = Journal(store.home, trained.fingerprint)
    run_id = None if journal.read() is None else replay(store, journal, PATIENT)
    experiment = experiment_id(store, tracking.experiment)
    found = store.client.search_logged_models([experiment], f"tags.`{FINGERPRINT}` = '{trained.fingerprint}'")
    found = [model for model in found if _is(model.tags, identity)]
    tags = identity | provenance.tagger_tags(trained)
    model = found[0] if found else store.client.create_logged_model(experiment, tracking.model, run_id, tags)
    if str(model.status) == "READY":
        return model.model_id, model.source_run_id
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        card = Model(
            model.artifact_location,
            model.source_run_id,
            model_uuid=model.model_id,
            model_id=model.model_id,
            metadata=identity,
        )
        pyfunc_model.save(path, export, card)
        store.client.log_model_artifacts(model.model_id, str(path))
    if model.source_run_id:
        store.client.log_outputs(model.source_run_id, [LoggedModelOutput(model.model_id, step=0)])
    store.client.finalize_logged_model(model.model_id, "READY")
    if run_id is not None:
        replay(store, journal, PATIENT)  # the model's params and scores
    return model.model_id, model.source_run_id


def _version_tags(trained: TrainingRecord, export: Path) -> dict[str, str]:
    """What a version's tags say about it; ``corpus_fingerprint`` covers all labelled splits, as in older versions."""
    tags = {
        "corpus": trained.corpus.name,
        "backbone": trained.params["backbone"]["name"],
        "head": trained.params["train"]["head"],
        "scheme": trained.params["tagging"]["scheme"],
        **provenance.tagger_tags(trained),
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


def _version_of(store: Store, name: str, identity: Mapping[str, str]) -> Any:
    """The first version with this identity, or None; later ones are deleted.

    These come from another clone at the same moment, or from a request that a slow server executed late.
    """
    found = store.client.search_model_versions(
        f"name = {_quoted(name)} and tag.`{FINGERPRINT}` = '{identity[FINGERPRINT]}'"
    )
    same = (version for version in found if _is(version.tags, identity))
    found = sorted(same, key=lambda version: int(version.version))
    for version in found[1:]:
        with answered("RESOURCE_DOES_NOT_EXIST"):
            store.client.delete_model_version(name, version.version)
    return found[0] if found else None


def _aliases(store: Store, name: str) -> dict[str, str] | None:
    """Alias to version number, or None if there is no such model."""
    found = store.client.search_registered_models(f"name = {_quoted(name)}")
    return {alias: str(number) for alias, number in found[0].aliases.items()} if found else None


def _quoted(name: str) -> str:
    """A quoted name for a filter of MLflow, which has two kinds of quotes and no escape."""
    quote = '"' if "'" in name else "'"
    return f"{quote}{name}{quote}"


@contextlib.contextmanager
def _absent(message: str) -> Iterator[None]:
    """Raise TrackingError with ``message`` if MLflow answers that something does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise TrackingError(message) from None


def _fetch(store: Store, found: _Found) -> Path:
    """The tagger's folder, beside its graphs: in the store if that is on this machine, else downloaded once."""
    import mlflow.artifacts

    source = f"{found.location}/artifacts"
    if not store.is_server:
        return model_folder(Path(mlflow.artifacts.download_artifacts(source, tracking_uri=store.uri)))
    target = store.home / ".tracking" / "models" / found.key
    if not target.exists():
        with tempfile.TemporaryDirectory() as scratch, atomic_folder(target) as folder:
            downloaded = mlflow.artifacts.download_artifacts(source, dst_path=scratch, tracking_uri=store.uri)
            shutil.copytree(downloaded, folder, dirs_exist_ok=True)
    return model_folder(target)


def has_store(root: Path) -> bool:
    """Whether a store exists, so that looking for a model does not create an empty one."""
    file = local_file(uri_of(root))
    return file is None or file.exists()
