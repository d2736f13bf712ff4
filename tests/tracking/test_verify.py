"""What ``clue-ner verify`` says of a model that a whole pipeline made, and of one that something is wrong with."""

import shutil
from pathlib import Path

import pytest
from support.changed_params import PARAMS
from support.commands import elsewhere, run  # noqa: F401
from support.servers import COMMIT, hub_handler, serve, use_hub
from support.tiny import tiny_tagger_folder
from support.tracking_repository import local_client, own_store, tracking_params  # noqa: F401

from clue_ner.common.files import read_json, write_checksums
from clue_ner.tagger.config import TaggerConfig, TeacherRecord
from clue_ner.tracking import Journal, register


def states(*arguments: object) -> tuple[int, dict[str, str]]:
    result = run("verify", *arguments)
    assert result.stderr == ""
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    return result.exit_code, {[part for part in line if part][1].strip(): line[0].strip() for line in lines}


def test_verify_traces_a_training_and_says_what_changed(
    fine_tuned: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root, _ = fine_tuned(1)  # type: ignore[operator]
    monkeypatch.setenv("DVC_ROOT", str(root))
    tagger = root / "models/tagger"
    _, found = states(tagger)
    assert found["files"] == found["params"] == found["training"] == found["backbone"] == found["corpus"] == "ok"
    assert found["code"] == "not traced"  # the folder is no git repository

    params = root / "params.yaml"
    params.write_text(params.read_text().replace("lr: 0.001", "lr: 0.002"))
    status, changed = states(tagger)
    assert (status, changed["params"], changed["training"]) == (1, "not traced", "not traced")
    assert "train.lr" in run("verify", tagger).stdout

    sentences = root / "data/corpus/valid.jsonl"
    sentences.write_text(sentences.read_text().replace("佛山", "上海"))
    assert states(tagger)[1]["corpus"] == "WRONG"
    weights = root / "data/backbone/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    assert states(tagger)[1]["backbone"] == "WRONG"
    (tagger / "more.py").write_text("")
    assert states(tagger) == (1, {"files": "WRONG"})


def test_verify_registered_version_of_another_repository(tmp_path: Path) -> None:
    tiny_tagger_folder(tmp_path / "models/export/tagger")
    shutil.copy(PARAMS, tmp_path)
    assert register(tmp_path, tmp_path / "models/export", tracking_params()) is not None
    for name in ("models:/clue-ner@champion", local_client(tmp_path).get_model_version("clue-ner", "1").source):
        status, found = states(name)
        assert (status, found["files"], found["version"]) == (1, "ok", "ok")
    assert {found[name] for name in ("corpus", "backbone", "params", "training", "code")} == {"not traced"}


def test_verify_damaged_or_missing_model_is_named(tmp_path: Path) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger")
    (folder / "config.json").write_text("{}")
    result = run("verify", folder)
    assert result.exit_code == 1
    assert f"{folder / 'config.json'}: damaged" in result.stdout
    result = run("verify", tmp_path / "nothing")
    assert (result.exit_code, result.stderr.startswith("error: ")) == (1, True)


@pytest.mark.parametrize(
    ("recorded", "revision", "hub", "state", "message"),
    [
        (COMMIT, None, True, "ok", f"org/bert: main was commit {COMMIT}, and still is"),
        ("a" * 40, None, True, "moved", f"main was commit {'a' * 40}, and now is {COMMIT}; to keep the first, set "),
        ("a" * 40, "v1", True, "moved", f"v1 was commit {'a' * 40}, and now is {COMMIT}"),
        ("a" * 40, "a" * 40, False, "ok", "which cannot move"),
        ("a" * 40, None, False, "ok", "whether it still is, is not known: http://127.0.0.1:9 did not answer this"),
    ],
)
def test_verify_says_whether_the_name_of_a_hubs_backbone_has_moved(
    tmp_path: Path,
    hub_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    recorded: str,
    revision: str | None,
    hub: bool,
    state: str,
    message: str,
) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger")
    config = TaggerConfig.load(folder)
    trained = config.trained.model_copy(
        update={
            "backbone": {"kind": "hub", "name": "org/bert", "revision": recorded},
            "params": {**config.trained.params, "backbone": {"name": "org/bert", "revision": revision}},
        }
    )
    config.model_copy(update={"trained": trained}).save(folder)
    write_checksums(folder)
    with serve(hub_handler("model", {"org/bert": {}})) as url:
        use_hub(monkeypatch, url if hub else "http://127.0.0.1:9", str(hub_cache))
        (line,) = (line for line in run("verify", folder).stdout.splitlines() if "revision  " in line)
    assert line.startswith(state)
    assert message in line


def test_verify_version_of_another_training_is_wrong(tmp_path: Path) -> None:
    tiny_tagger_folder(tmp_path / "models/export/tagger")
    shutil.copy(PARAMS, tmp_path)
    assert register(tmp_path, tmp_path / "models/export", tracking_params()) is not None
    client = local_client(tmp_path)
    client.set_model_version_tag("clue-ner", "1", "train_and_valid_fingerprint", "another")
    assert states("models:/clue-ner/1")[1]["version"] == "WRONG"
    source = client.get_model_version("clue-ner", "1").source
    assert states(source)[1]["version"] == "ok"
    client.set_logged_model_tags(source.removeprefix("models:/"), {"clue_ner.fingerprint": "another"})
    assert states(source)[1]["version"] == "WRONG"


def test_verify_where_no_git_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger")
    journal = Journal(tmp_path, read_json(folder / "tagger.json")["trained"]["fingerprint"])
    tags = {"mlflow.source.git.commit": "c0ffee", "clue_ner.dirty": "false"}
    params = {"seed": 0, "train": {"head": "crf", "lr": 1e-4}, "tracking": {"experiment": "clue-ner"}}
    journal.begin(params, tags, "", {})
    assert "not a git repository" in run("verify", folder).stdout
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("verify", folder)
    assert (result.exit_code, result.stderr) == (1, "")
    assert "commit c0ffee, not found here: git: no such program; install it\n" in result.stdout


def test_verify_says_whether_the_alias_of_the_teacher_has_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    shutil.copy(PARAMS, tmp_path)
    tiny_tagger_folder(tmp_path / "models/export/tagger")
    assert register(tmp_path, tmp_path / "models/export", tracking_params()) is not None
    folder = tiny_tagger_folder(tmp_path / "tagger")
    config = TaggerConfig.load(folder)

    def line(resolved: str | None, name: str = "models:/clue-ner@champion") -> str:
        record = TeacherRecord(name=name, resolved=resolved, checksums={"model.safetensors": "1" * 64})
        trained = config.trained.model_copy(update={"teacher": record})
        config.model_copy(update={"trained": trained}).save(folder)
        write_checksums(folder)
        (found,) = (line for line in run("verify", folder).stdout.splitlines() if "  teacher  " in line)
        return str(found)

    assert line("models:/clue-ner/1").startswith("ok ")
    moved = line("models:/clue-ner/7")
    assert moved.startswith("moved ")
    assert "was models:/clue-ner/7, and now is models:/clue-ner/1; to keep the first, set train.teacher" in moved
    assert line("models:/clue-ner/1", "models:/clue-ner/1").startswith("ok ")
    assert line(None, "../big").startswith("ok ")
    assert line("models:/gone/1", "models:/gone@champion").startswith("not traced")
