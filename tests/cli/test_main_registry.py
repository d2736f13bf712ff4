"""The commands of ``clue-ner`` that look into MLflow."""

import json
import shutil
from pathlib import Path

import pytest
from support.commands import ENTITIES, TEXT, elsewhere, found, records, run  # noqa: F401
from support.served_version import register_export
from support.tiny import TAGS, tiny_tagger_folder
from support.tracking_repository import PARAMS, PROJECT, begin, local_client, own_store, ready_store  # noqa: F401

from clue_ner.tagger.config import TaggerConfig
from clue_ner.tracking import Journal, run_tags


def test_cli_sync_registers_the_model_that_tag_then_takes(tmp_path: Path) -> None:
    folder = tiny_tagger_folder(tmp_path / "models" / "export" / "tagger", lexicon=TAGS)
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    journal = begin(tmp_path, "a")
    journal.end()
    result = run("sync")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"run of training {journal.fingerprint[:12]}: complete",
        "clue-ner version 1: champion, because there was no champion",
    ]
    shutil.rmtree(folder.parent)
    result = run("tag", content=TEXT)
    assert found(records(result)[0]) == ENTITIES
    assert result.stderr.startswith("model: models:/clue-ner@champion (")
    version = local_client(tmp_path).get_model_version("clue-ner", "1")
    for name in ("models:/clue-ner@champion", "models:/clue-ner/latest", version.source):
        result = run("tag", "--model", name, content=TEXT)
        assert found(records(result)[0]) == ENTITIES
        assert result.stderr.startswith(f"model: {name} (")


def test_cli_tag_runs_int8_of_a_registered_version(tmp_path: Path) -> None:
    export = register_export(tmp_path)
    name = "models:/clue-ner@champion"
    result = run("tag", "--model", name, "--runtime", "int8", content=TEXT)
    assert result.exit_code == 0
    assert result.stderr.startswith(f"model: {name} (") and "runtime int8" in result.stderr
    assert records(result) == records(run("tag", "--model", export, "--runtime", "int8", content=TEXT))
    assert records(result) != records(run("tag", "--model", name, "--runtime", "torch", content=TEXT))
    lacks = run("tag", "--model", name, "--runtime", "onnx", content=TEXT)
    assert (lacks.exit_code, lacks.stdout) == (1, "")
    assert "no onnx/model.onnx in this model, which runtime onnx needs; it has files for: int8, torch" in lacks.stderr


@pytest.mark.parametrize("name", ["clue-ner@challenger", "clue-ner/9", "somebody@champion", "clue-ner", "m-1"])
def test_cli_model_that_the_registry_lacks_is_an_error(name: str) -> None:
    result = run("tag", "--model", f"models:/{name}", content=TEXT)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: models:/{name}: ")


def test_cli_sync_with_nothing_says_so() -> None:
    result = run("sync")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "nothing to send: no training has run here yet\n"


def test_cli_sync_names_what_is_left(tmp_path: Path) -> None:
    tiny_tagger_folder(tmp_path / "models" / "export" / "tagger")
    journal = begin(tmp_path, "a")
    journal.end()
    result = run("sync")
    assert result.exit_code == 1
    assert result.stdout == f"run of training {journal.fingerprint[:12]}: complete\n"
    assert result.stderr.startswith(f"error: 1 not sent\n  {tmp_path / 'params.yaml'}: no such file")


def test_cli_sync_drops_what_it_is_told_to(tmp_path: Path) -> None:
    whole, lost = begin(tmp_path, "a"), begin(tmp_path, "b")
    shutil.rmtree(lost.files)
    result = run("sync")
    assert result.exit_code == 1
    assert result.stdout == f"run of training {whole.fingerprint[:12]}: complete\n"
    assert result.stderr.startswith("error: 1 not sent\n  MLflow at sqlite:")
    command = result.stderr.partition("`clue-ner ")[2].partition("`")[0].split()
    result = run(*command)
    place = tmp_path / ".tracking" / "dropped" / f"{lost.fingerprint}-1"
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1].startswith(f"moved to {place}: MLflow at sqlite:")
    assert run("sync").exit_code == 0
    result = run("sync", "--drop", whole.fingerprint)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (
        0,
        "nothing was dropped, because everything was sent to MLflow",
    )
    assert whole.path.exists()


@pytest.mark.parametrize(
    "command", [["sync"], ["tag"], ["tag", "--model", "models:/clue-ner/1"], ["verify", "runs:/1/x"]]
)
def test_cli_address_that_can_never_work_is_an_error(command: list[str], tmp_path: Path) -> None:
    result = run(*command, content=TEXT, MLFLOW_TRACKING_URI="./mlruns")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: MLFLOW_TRACKING_URI: found './mlruns': ")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "mlruns").exists()


def test_cli_sync_with_a_broken_store_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not a database" * 99)
    result = run("sync")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: MLflow at sqlite:///{tmp_path / 'mlflow.db'}: ")


def test_cli_evaluate_and_tag_name_the_version_that_an_alias_stands_for(tmp_path: Path) -> None:
    folder = tiny_tagger_folder(tmp_path / "models" / "export" / "tagger", lexicon=TAGS)
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    journal = Journal(tmp_path, TaggerConfig.load(folder).trained.fingerprint)
    journal.begin(
        PARAMS, run_tags(PARAMS, device="cpu"), "seed: 0\n", {"name": "sample", "fingerprint": "1", "types": []}
    )
    journal.end()
    assert run("sync").exit_code == 0
    (tmp_path / "gold.jsonl").write_text(json.dumps({"text": TEXT, "entities": ENTITIES}) + "\n", encoding="utf-8")
    result = run("evaluate", "models:/clue-ner@champion", "gold.jsonl", "--json", "--log")
    assert result.exit_code == 0, result.stderr
    scored = json.loads(result.stdout)
    model = local_client(tmp_path).get_logged_model(scored["logged"].removeprefix("models:/").partition(" ")[0])
    added = {m.key: (m.value, m.dataset_name, m.dataset_digest) for m in model.metrics if m.key.startswith("eval/")}
    assert added["eval/micro_f1"] == (1.0, "gold", scored["fingerprint"][:36])
    result = run("tag", "--model", "models:/clue-ner@champion", "--provenance", content=TEXT)
    about = records(result)[0]["model"]
    assert (about["name"], about["version"]) == ("clue-ner", "1")
    assert about["fingerprint"] == model.tags["clue_ner.fingerprint"]
