import json
import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from support.tracking_repository import (
    begin,
    fingerprint_of,
    free_port,
    local_client,
    own_store,  # noqa: F401
    python,
    ready_store,  # noqa: F401
    runs,
    tracking_params,
    write_graph_files,
    write_repository,
)

from clue_ner.common.errors import ArtifactError, TrackingError
from clue_ner.common.files import read_json, verify_checksums, write_checksums
from clue_ner.tagger.config import TaggerConfig, TaggerRecord
from clue_ner.tracking import Version, champion_path, pinned, register, resolve_model
from clue_ner.tracking.model_registry import gate, kept_for_later, recorded_tags
from clue_ner.tracking.pyfunc_model import describe


def registered(root: Path, name: str, valid_f1: float | None = 0.6, corpus: str = "corpus") -> Version:
    write_repository(root, name, valid_f1, corpus)
    version = register(root, root / "models" / "export", tracking_params())
    assert version is not None
    return version


def aliases(root: Path) -> dict[str, int]:
    return {alias: int(v) for alias, v in local_client(root).get_registered_model("clue-ner").aliases.items()}


def test_registry_register_holds_all_that_serving_needs(tmp_path: Path) -> None:
    write_repository(tmp_path, "a")
    begin(tmp_path, "a")
    version = register(tmp_path, tmp_path / "models" / "export", tracking_params())
    assert version == Version("clue-ner", 1, "champion", "there was no champion")
    made = local_client(tmp_path).get_model_version("clue-ner", "1")
    assert made.description == "# The model a\n"
    assert made.tags == {
        "clue_ner.fingerprint": fingerprint_of("a"),
        "clue_ner.formats": "torch",
        "corpus": "sample",
        "corpus_fingerprint": fingerprint_of("corpus and test"),
        "train_and_valid_fingerprint": fingerprint_of("corpus"),
        "backbone": "e5-small",
        "head": "crf",
        "scheme": "BIO",
        "scored_on": "test",
        "valid_micro_f1": "0.6",
        "alias": "champion",
        "alias_reason": "there was no champion",
    }
    (run,) = runs(local_client(tmp_path))
    assert made.run_id == run.info.run_id
    (output,) = run.outputs.model_outputs
    assert made.source == f"models:/{output.model_id}"
    assert str(local_client(tmp_path).get_logged_model(output.model_id).status) == "READY"
    (card,) = (tmp_path / "mlartifacts").rglob("MLmodel")
    files = {str(path.relative_to(card.parent)) for path in card.parent.rglob("*") if path.is_file()}
    assert {
        "artifacts/tagger/tagger.json",
        "artifacts/tagger/checksums.json",
        "code/clue_ner/tracking/served_model.py",
        "code/clue_ner/tagger/tagger.py",
        "input_example.json",
        "requirements.txt",
        "served_model.py",
    } <= files
    assert not [name for name in files if name.endswith((".pkl", ".pyc"))]
    pins = (card.parent / "requirements.txt").read_text().split()
    assert [pin.partition("==")[0] for pin in pins] == [
        *("mlflow", "numpy", "pydantic", "safetensors", "tokenizers", "torch", "transformers")
    ]
    assert "+" not in "".join(pins)
    signature = yaml.safe_load(card.read_text())["signature"]
    assert json.loads(signature["inputs"]) == [{"type": "string", "required": True}]
    assert [field["name"] for field in json.loads(signature["params"])] == ["output", "min_score"]
    (record,) = json.loads(signature["outputs"])
    assert set(record["properties"]) == {"text", "entities"}
    assert set(record["properties"]["entities"]["items"]["properties"]) == {"type", "start", "end", "text", "score"}


def test_registry_register_again_is_the_same_version(tmp_path: Path) -> None:
    assert registered(tmp_path, "a") == registered(tmp_path, "a")
    assert len(local_client(tmp_path).search_model_versions("name = 'clue-ner'")) == 1


def formats_of_versions(root: Path, name: str = "clue-ner") -> dict[int, str]:
    found = local_client(root).search_model_versions(f"name = '{name}'")
    return {int(version.version): version.tags["clue_ner.formats"] for version in found}


def test_registry_other_formats_of_a_training_are_another_version(tmp_path: Path) -> None:
    write_repository(tmp_path, "a")
    begin(tmp_path, "a")
    export = tmp_path / "models" / "export"

    def register_again() -> tuple[int, str, str]:
        first, second = (register(tmp_path, export, tracking_params()) for _ in range(2))
        assert first is not None and first == second
        return first[1:]

    assert register_again() == (1, "champion", "there was no champion")
    write_graph_files(tmp_path)
    reason = "it is the training of champion version 1, with int8"
    assert register_again() == (2, "champion", reason)
    reason = "it is the training of champion version 2, with onnx"
    write_graph_files(tmp_path, onnx=True)
    assert register_again() == (3, "champion", reason)
    write_graph_files(tmp_path)
    assert register_again()[0] == 2
    assert formats_of_versions(tmp_path) == {1: "torch", 2: "torch, int8", 3: "torch, int8, onnx"}
    assert aliases(tmp_path) == {"champion": 3}
    (run,) = runs(local_client(tmp_path))
    logged = [local_client(tmp_path).get_logged_model(output.model_id) for output in run.outputs.model_outputs]
    assert [model.params for model in logged] == [run.data.params] * 3
    newest = local_client(tmp_path).get_model_version("clue-ner", "3").source
    assert pinned(tmp_path, f"runs:/{run.info.run_id}/clue-ner")[0] == newest
    for version, files in ((1, []), (2, ["model.int8.onnx"]), (3, ["model.int8.onnx", "model.onnx"])):
        folder = resolve_model(tmp_path, f"models:/clue-ner/{version}").parent / "onnx"
        assert sorted(path.name for path in folder.glob("*.onnx")) == files
        if files:
            verify_checksums(folder, "")
            assert sorted(read_json(folder / "checksums.json")) == files


def test_registry_champion_does_not_move_to_fewer_formats(tmp_path: Path) -> None:
    write_repository(tmp_path, "a")
    write_graph_files(tmp_path)
    export = tmp_path / "models" / "export"
    assert register(tmp_path, export, tracking_params()) is not None
    describe(export, {}, onnx=False)
    reason = "it is the training of champion version 1, without its int8"
    assert register(tmp_path, export, tracking_params()) == Version("clue-ner", 2, "challenger", reason)
    assert aliases(tmp_path) == {"champion": 1, "challenger": 2}


def test_registry_version_of_an_earlier_release_is_one_of_torch(tmp_path: Path) -> None:
    registered(tmp_path, "a")
    store = local_client(tmp_path)
    version = store.get_model_version("clue-ner", "1")
    store.delete_model_version_tag("clue-ner", "1", "clue_ner.formats")
    store.delete_logged_model_tag(version.source.removeprefix("models:/"), "clue_ner.formats")
    assert registered(tmp_path, "a").version == 1
    write_graph_files(tmp_path)
    assert registered(tmp_path, "a").version == 2


def test_registry_refuses_a_damaged_graph(tmp_path: Path) -> None:
    write_repository(tmp_path, "a")
    write_graph_files(tmp_path)
    (tmp_path / "models/export/onnx/model.int8.onnx").write_bytes(b"other")
    with pytest.raises(ArtifactError, match=r"model\.int8\.onnx: damaged"):
        register(tmp_path, tmp_path / "models" / "export", tracking_params())


def test_registry_champion_moves_only_to_a_better_valid_f1(tmp_path: Path) -> None:
    assert registered(tmp_path, "a", 0.6).alias == "champion"
    assert registered(tmp_path, "b", 0.6).reason == "valid F1 0.6000 is not above 0.6000 of champion version 1"
    assert aliases(tmp_path) == {"champion": 1, "challenger": 2}
    assert registered(tmp_path, "c", 0.7).alias == "champion"
    assert aliases(tmp_path) == {"champion": 3, "challenger": 2}
    assert registered(tmp_path, "a", 0.6).alias == "champion"  # what it was when it came
    assert aliases(tmp_path) == {"champion": 3, "challenger": 2}


F1 = {value: {"valid_micro_f1": str(value)} for value in (0.1, 0.2, 0.9)}
OLD, NEW = {"corpus_fingerprint": "x"}, {"corpus_fingerprint": "x", "train_and_valid_fingerprint": "tv"}
"""Tags of a version of 3ec9ba5, and of one since, on the same corpus."""
MADE, BOTH = NEW | F1[0.2] | {"clue_ner.fingerprint": "f"}, {"clue_ner.formats": "torch, int8"}
"""Tags of a version of one training, and of its formats."""


def test_registry_version_leads_back_to_the_one_that_its_training_began_with(tmp_path: Path) -> None:
    write_repository(tmp_path, "b")
    export, start = tmp_path / "models" / "export", "models:/clue-ner/1"
    config = TaggerConfig.load(export / "tagger")
    record = TaggerRecord(
        name="models:/clue-ner@champion", resolved=start, fingerprint=fingerprint_of("a"), checksums={}
    )
    trained = config.trained.model_copy(update={"init_from": record})
    config.model_copy(update={"trained": trained}).save(export / "tagger")
    write_checksums(export / "tagger")
    assert register(tmp_path, export, tracking_params()) is not None
    version = local_client(tmp_path).get_model_version("clue-ner", "1")
    logged = local_client(tmp_path).get_logged_model(version.source.removeprefix("models:/"))
    for tags in (version.tags, logged.tags):
        assert tags["clue_ner.init_from"] == start
        assert tags["clue_ner.init_from_fingerprint"] == fingerprint_of("a")


@pytest.mark.parametrize(
    ("tags", "champion", "alias", "reason"),
    [
        (NEW, None, "champion", "there was no champion"),
        # the champion's own training: its F1 does not matter, its formats do
        (MADE | BOTH, MADE, "champion", "it is the training of champion version 4, with int8"),
        (MADE, MADE | BOTH, "challenger", "it is the training of champion version 4, without its int8"),
        (MADE | {"clue_ner.formats": "torch, onnx"}, MADE | BOTH, "challenger", "without its int8"),
        (MADE | BOTH | {"valid_micro_f1": "0.0"}, MADE, "challenger", "its valid F1 is 0"),
        (NEW | F1[0.9], {"corpus_fingerprint": "y"} | F1[0.1], "challenger", "trained on another corpus"),
        (NEW, NEW | F1[0.1], "challenger", "without a valid F1 of both"),
        (NEW | F1[0.9], NEW, "challenger", "without a valid F1 of both"),
        (NEW | F1[0.2], NEW | F1[0.1], "champion", "is above"),
        (NEW | F1[0.1], NEW | F1[0.1], "challenger", "is not above"),
        (NEW | F1[0.2], OLD | F1[0.1], "champion", "is above"),
        (OLD | F1[0.2], NEW | F1[0.1], "champion", "is above"),
        # only a test label differs: what was trained on is the same
        (NEW | F1[0.2], NEW | {"corpus_fingerprint": "z"} | F1[0.1], "champion", "is above"),
        # the same test split, but another train split
        (NEW | F1[0.2], NEW | {"train_and_valid_fingerprint": "u"} | F1[0.1], "challenger", "another corpus"),
        # what finds nothing is never champion
        (NEW | {"valid_micro_f1": "0.0"}, None, "challenger", "its valid F1 is 0"),
        (NEW | {"valid_micro_f1": "0"}, NEW, "challenger", "its valid F1 is 0"),
        (NEW | F1[0.1], NEW | {"valid_micro_f1": "0.0"}, "champion", "is above"),
        # neither of the two is known of both
        ({"train_and_valid_fingerprint": "tv"} | F1[0.2], OLD | F1[0.1], "challenger", "another corpus"),
    ],
)
def test_registry_gate(tags: dict[str, str], champion: dict[str, str] | None, alias: str, reason: str) -> None:
    found = gate(tags, None if champion is None else SimpleNamespace(version=4, tags=champion))
    assert found[0] == alias
    assert reason in found[1]


def experiments(root: Path) -> list[str]:
    return [experiment.experiment_id for experiment in local_client(root).search_experiments()]


KILLED = """
import os, signal, sys
from pathlib import Path
from support.tracking_repository import begin, tracking_params, write_graph_files, write_repository
from clue_ner.tracking import register
from clue_ner.tracking.store import import_mlflow
import_mlflow()
import mlflow.pyfunc
import clue_ner.tagger.tagger  # before the forks, once
from mlflow import MlflowClient
from mlflow.store.tracking import sqlalchemy_store
graphs, *methods = sys.argv[2:]
for method in methods:
    root = Path(sys.argv[1], method)
    if os.fork() == 0:
        original = getattr(MlflowClient, method)
        def and_die(*arguments, **keywords):
            original(*arguments, **keywords)
            os.kill(os.getpid(), signal.SIGKILL)
        setattr(MlflowClient, method, and_die)
        write_repository(root, "a")
        begin(root, "a")
        if graphs == "graphs":
            write_graph_files(root)
        register(root, root / "models" / "export", tracking_params())
        os._exit(0)
    assert os.wait()[1] == signal.SIGKILL, method
"""


def register_killed(folder: Path, graphs: str, methods: list[str]) -> None:
    """For each of MLflow's methods: a repository below ``folder``, with a copy of its store, killed after the call."""
    for method in methods:
        (folder / method).mkdir()
        shutil.copyfile(folder / "mlflow.db", folder / method / "mlflow.db")
    assert python(KILLED, folder, graphs, *methods).wait(200) == 0


def test_registry_killed_after_any_request_registers_once(tmp_path: Path) -> None:
    methods = [
        "create_registered_model",
        "create_logged_model",
        "log_model_artifacts",
        "finalize_logged_model",
        "log_model_params",
        "create_model_version",
        "set_registered_model_alias",
    ]
    register_killed(tmp_path, "torch", methods)
    for method in methods:
        root = tmp_path / method
        assert register(root, root / "models" / "export", tracking_params()) == Version(
            "clue-ner", 1, "champion", "there was no champion"
        )
        assert len(local_client(root).search_model_versions("name = 'clue-ner'")) == 1
        (run,) = runs(local_client(root))
        (model,) = local_client(root).search_logged_models([run.info.experiment_id])
        assert model.params == run.data.params
        assert aliases(root) == {"champion": 1}


def test_registry_killed_after_any_request_registers_other_formats_once(tmp_path: Path) -> None:
    registered(tmp_path, "a")
    methods = [
        "create_logged_model",
        "log_model_artifacts",
        "finalize_logged_model",
        "create_model_version",
        "set_model_version_tag",
        "set_registered_model_alias",
    ]
    register_killed(tmp_path, "graphs", methods)
    for method in methods:
        root = tmp_path / method
        reason = "it is the training of champion version 1, with int8"
        found = register(root, root / "models" / "export", tracking_params())
        assert found == Version("clue-ner", 2, "champion", reason)
        assert formats_of_versions(root) == {1: "torch", 2: "torch, int8"}
        assert resolve_model(root, "models:/clue-ner@champion").parent.joinpath("onnx/model.int8.onnx").exists()
        assert len(local_client(root).search_logged_models(experiments(root))) == 2


def test_registry_unreachable_is_kept_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    write_repository(tmp_path, "a")
    with caplog.at_level(logging.WARNING, logger="clue_ner"):
        for _ in range(2):
            assert register(tmp_path, tmp_path / "models" / "export", tracking_params("other")) is None
    assert "registered with `clue-ner sync`" in caplog.text
    (folder,) = kept_for_later(tmp_path)
    assert read_json(folder / "tracking.json")["model"] == "other"
    verify_checksums(folder / "tagger", "")
    assert (folder / "README.md").read_text() == "# The model a\n"


def test_registry_resolve_model_gives_the_registered_files(tmp_path: Path) -> None:
    registered(tmp_path, "a", 0.6)
    registered(tmp_path, "b", 0.5)
    for uri, name in [("@champion", "a"), ("@challenger", "b"), ("/1", "a"), ("/2", "b"), ("/latest", "b")]:
        folder = resolve_model(tmp_path, f"models:/clue-ner{uri}")
        assert read_json(folder / "tagger.json")["trained"]["fingerprint"] == fingerprint_of(name)
        verify_checksums(folder, "")
    assert champion_path(tmp_path, "clue-ner") == resolve_model(tmp_path, "models:/clue-ner/1")
    assert champion_path(tmp_path, "other") is None
    assert resolve_model(tmp_path, "models/tagger") == Path("models/tagger")
    second = resolve_model(tmp_path, "models:/clue-ner/2")
    assert pinned(tmp_path, "models:/clue-ner/latest") == ("models:/clue-ner/2", second)


@pytest.mark.parametrize("name", ["clue-ner", "第一 个", "人名-v2"])
def test_registry_every_form_of_mlflow_names_the_same_files(tmp_path: Path, name: str) -> None:
    write_repository(tmp_path, "a")
    begin(tmp_path, "a")
    assert register(tmp_path, tmp_path / "models" / "export", tracking_params(name)) is not None
    version = local_client(tmp_path).get_model_version(name, "1")
    logged = [version.source, f"runs:/{version.run_id}/{name}", f"runs:/{version.run_id}/model"]
    versions = [f"models:/{name}@champion", f"models:/{name}/1", f"models:/{name}/latest"]
    (folder,) = {resolve_model(tmp_path, uri) for uri in [*logged, *versions]}
    assert read_json(folder / "tagger.json")["trained"]["fingerprint"] == fingerprint_of("a")
    assert {pinned(tmp_path, uri) for uri in logged} == {(version.source, folder)}
    assert {pinned(tmp_path, uri) for uri in versions} == {(f"models:/{name}/1", folder)}
    assert {recorded_tags(tmp_path, uri)["clue_ner.fingerprint"] for uri in logged} == {fingerprint_of("a")}
    with pytest.raises(TrackingError, match=f"no model 'other'; there are: runs:/{version.run_id}/{name}$"):
        resolve_model(tmp_path, f"runs:/{version.run_id}/other")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("models:/clue-ner@best", r"clue-ner has @champion \(version 1\); versions: 1"),
        ("models:/clue-ner/7", r"clue-ner has @champion \(version 1\); versions: 1"),
        ("models:/other@champion", r"no registered model 'other'; registered are: clue-ner"),
        ("models:/clue-ner", r"wanted models:/NAME@ALIAS, models:/NAME/VERSION or models:/NAME/latest"),
        ("models:clue-ner@champion", r"wanted models:/NAME@ALIAS, models:/NAME/VERSION or models:/NAME/latest"),
        ("models:/clue-ner/Production", r"wanted models:/NAME@ALIAS"),
        ("models:/m-0123", r"no logged model 'm-0123'; registered are: clue-ner; wanted .*runs:/RUN_ID/NAME"),
        ("runs:/0123456789abcdef0123456789abcdef/model", r"no run '0123456789abcdef0123456789abcdef' in this store"),
        ("runs:/0123", r"wanted .*runs:/RUN_ID/NAME"),
    ],
)
def test_registry_resolve_model_lists_what_there_is(tmp_path: Path, uri: str, message: str) -> None:
    registered(tmp_path, "a")
    with pytest.raises(TrackingError, match=message):
        resolve_model(tmp_path, uri)


def test_registry_looking_for_a_model_makes_no_store(tmp_path: Path) -> None:
    root = tmp_path / "empty"
    assert champion_path(root, "clue-ner") is None
    with pytest.raises(TrackingError, match="there is no MLflow store yet"):
        resolve_model(root, "models:/clue-ner@champion")
    assert not root.exists()


def test_registry_missing_files_of_a_version_are_named(tmp_path: Path) -> None:
    registered(tmp_path, "a")
    shutil.rmtree(tmp_path / "mlartifacts")
    with pytest.raises(TrackingError, match="models:/clue-ner@champion"):
        resolve_model(tmp_path, "models:/clue-ner@champion")
