"""A repository as the stages leave it, with files of a few bytes in the place of a trained tagger."""

import atexit
import functools
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from clue_ner.common.files import write_checksums, write_json
from clue_ner.core.params import TrackingParams
from clue_ner.tagger.config import CorpusRecord, TrainingRecord
from clue_ner.tagger.model_files import GRAPHS
from clue_ner.tracking import Journal, pyfunc_model, run_tags
from clue_ner.tracking.store import connect, import_mlflow
from support.configs import tagger_config
from support.places import ROOT

PROJECT = ROOT
PARAMS = {
    "seed": 0,
    "corpus": {"name": "sample", "path": None},
    "backbone": {"name": "e5-small", "revision": None},
    "tagging": {"scheme": "BIO", "align": "pieces"},
    "train": {"head": "crf", "lr": 2e-4},
    "tracking": {"experiment": "clue-ner", "model": "clue-ner"},
}
EVALUATION = {
    "split": "test",
    "warnings": {"count": 0, "texts": []},
    "micro": {
        "precision": 0.7,
        "recall": 0.8,
        "f1": 0.75,
        "f1_ci95": [0.7, 0.8],
        "per_type": {"address": {"precision": 0.5, "recall": 0.5, "f1": 0.5}, "组织 (公司)": {"f1": 0.9}},
    },
    "lenient": {"precision": 0.72, "recall": 0.82, "f1": 0.77, "f1_ci95": [0.7, 0.8], "per_type": {}},
    "official": {"macro_f1": 0.76, "f1_ci95": [0.7, 0.8], "per_type": {}},
    "sentences": 20,
    "entities": 30,
}


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests away from the store of whoever runs them; import it to use it."""
    leave_stores_alone(monkeypatch)


@pytest.fixture(autouse=True)
def ready_store(own_store: None, tmp_path: Path) -> None:
    """Put a store with empty tables into ``tmp_path``."""
    put_empty_store(tmp_path)


def leave_stores_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the variables that name a store or a repository elsewhere."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)


def put_empty_store(root: Path) -> None:
    """Copy a store with empty tables into ``root``; making the tables takes seconds."""
    shutil.copyfile(_empty_store(), root / "mlflow.db")


@functools.cache
def _empty_store() -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    connect(folder)
    return folder / "mlflow.db"


def fingerprint_of(name: str) -> str:
    """A fingerprint for a made-up training."""
    return hashlib.sha256(name.encode()).hexdigest()


def training(valid_f1: float | None = 0.6) -> dict[str, Any]:
    """metrics/train.json of two epochs."""
    epochs = [
        {"epoch": 1, "loss": 1.5, "valid_micro_f1": valid_f1 and valid_f1 / 2, "seconds": 3.0},
        {"epoch": 2, "loss": 0.5, "valid_micro_f1": valid_f1, "seconds": 3.0},
    ]
    return {"epochs": epochs, "best_epoch": 2, "valid_micro_f1": valid_f1}


def write_repository(root: Path, name: str, valid_f1: float | None = 0.6, corpus: str = "corpus") -> str:
    """models/tagger, models/export, metrics and plots of the training ``name``; its fingerprint."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text((PROJECT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    trained = TrainingRecord(
        fingerprint=fingerprint_of(name),
        corpus=CorpusRecord(name="sample", fingerprint=fingerprint_of(corpus), licence="MIT"),
        backbone={"source": "nowhere"},
        params={name: value for name, value in PARAMS.items() if name != "tracking"},
        valid_micro_f1=valid_f1,
    )
    for folder in (root / "models" / "tagger", root / "models" / "export" / "tagger"):
        folder.mkdir(parents=True, exist_ok=True)
        tagger_config(["name"], head="crf", align="pieces", trained=trained).save(folder)
        (folder / "model.safetensors").write_bytes(name.encode())
        write_checksums(folder)
    whole = {"fingerprint_all": fingerprint_of(f"{corpus} and test"), "splits": {"train": {}, "valid": {}, "test": {}}}
    write_json(root / "models" / "export" / "corpus.json", whole)
    (root / "models" / "export" / "README.md").write_text(f"# The model {name}\n", encoding="utf-8")
    write_json(root / "metrics" / "train.json", training(valid_f1))
    write_json(root / "metrics" / "evaluate.json", EVALUATION)
    (root / "plots").mkdir(exist_ok=True)
    (root / "plots" / "confusion.csv").write_text("gold,predicted\naddress,scene\n")
    return trained.fingerprint


def write_graph_files(root: Path, onnx: bool = False) -> None:
    """Both graphs of models/export, as files of a few bytes; with ``onnx`` float32 is registered, too."""
    export = root / "models" / "export"
    pyfunc_model.describe(export, {name: {"ok": True} for name in GRAPHS}, onnx)
    folder = export / "onnx"
    folder.mkdir(exist_ok=True)
    for name in GRAPHS.values():
        (folder / name).write_bytes(name.encode())
    write_checksums(folder)


def begin(root: Path, name: str, changed: dict[str, Any] | None = None, **changes: Any) -> Journal:
    """The begun journal of a training whose ``train`` params have the ``changes``; ``changed`` is what git says."""
    params = PARAMS | {"train": {"head": "crf", "lr": 2e-4, **changes}}
    journal = Journal(root, fingerprint_of(name))
    tags = run_tags(params, device="cpu")
    journal.begin(
        params,
        tags,
        "seed: 0\n",
        {"name": "sample", "fingerprint": fingerprint_of("corpus"), "sentences": 9},
        changed=changed,
    )
    return journal


def tracking_params(model: str = "clue-ner") -> TrackingParams:
    """The params' section that names experiment and model, unchecked."""
    return TrackingParams.model_construct(experiment="clue-ner", model=model)


def client(uri: str) -> Any:
    """An MLflow client of its own."""
    return import_mlflow().MlflowClient(tracking_uri=uri)


def local_client(root: Path) -> Any:
    """A client of the default store of ``root``."""
    return client(f"sqlite:///{root.resolve() / 'mlflow.db'}")


def runs(mlflow_client: Any) -> list[Any]:
    """All runs of all experiments."""
    experiments = [e.experiment_id for e in mlflow_client.search_experiments()]
    return list(mlflow_client.search_runs(experiments))


def points(mlflow_client: Any, run: Any) -> dict[str, list[tuple[int, float]]]:
    """All metric points of a run: (step, value) by metric."""
    keys = mlflow_client.get_run(run.info.run_id).data.metrics
    return {k: [(m.step, m.value) for m in mlflow_client.get_metric_history(run.info.run_id, k)] for k in sorted(keys)}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def python(code: str, *arguments: object, **environment: str) -> subprocess.Popen[bytes]:
    """Start a Python process that can import the package and this module."""
    path = os.pathsep.join([str(PROJECT / "src"), str(PROJECT / "tests")])
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], env=os.environ | {"PYTHONPATH": path} | environment
    )
