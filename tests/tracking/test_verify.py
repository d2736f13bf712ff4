"""What ``clue-ner verify`` says of a model that a whole pipeline made, and of one that something is wrong with."""

import shutil
from functools import partial
from pathlib import Path

import pytest
from support.changed_params import PARAMS
from support.commands import elsewhere, run  # noqa: F401
from support.damage import flip
from support.served_version import register_export
from support.servers import COMMIT, hub_handler, serve, use_hub
from support.tiny import tiny_tagger_folder
from support.tracking_repository import local_client, own_store, tracking_params  # noqa: F401

from clue_ner.common.files import read_json, write_checksums
from clue_ner.core.folders import TAGGERS
from clue_ner.tagger.config import TaggerConfig, TaggerRecord
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


def test_verify_compares_the_graphs_of_a_registered_version(tmp_path: Path) -> None:
    register_export(tmp_path)
    shutil.copy(PARAMS, tmp_path)
    champion = "models:/clue-ner@champion"
    assert states(champion)[1]["files"] == "ok"
    assert run("verify", champion).stdout.splitlines()[0].endswith("/onnx, as checksums.json says")
    (graph,) = (tmp_path / "mlartifacts").rglob("model.int8.onnx")
    flip(graph)
    assert states(champion) == (1, {"files": "WRONG"})
    assert "model.int8.onnx: damaged" in run("verify", champion).stdout


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


@pytest.mark.parametrize("key", TAGGERS)
def test_verify_says_whether_the_name_of_a_tagger_that_training_began_with_has_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    shutil.copy(PARAMS, tmp_path)
    first = TaggerConfig.load(tiny_tagger_folder(tmp_path / "models/export/tagger")).trained.fingerprint
    assert register(tmp_path, tmp_path / "models/export", tracking_params()) is not None
    line = partial(line_of, tiny_tagger_folder(tmp_path / "tagger"), key)
    champion = {"name": "models:/clue-ner@champion", "resolved": "models:/clue-ner/1"}

    assert line(**champion).startswith("ok ")
    found = line(**champion, fingerprint=first)
    assert found.startswith("ok ")
    assert found.endswith(f"models:/clue-ner@champion was models:/clue-ner/1, and still is, training {first[:12]}")
    assert line(name="models:/clue-ner/1", resolved="models:/clue-ner/1", fingerprint=first).startswith("ok ")
    wrong = line(**champion, fingerprint="7" * 64)
    assert wrong.startswith("WRONG")
    assert wrong.endswith(f"models:/clue-ner/1 is recorded as of training {first}; its files said {'7' * 64}")
    moved = line(name=champion["name"], resolved="models:/clue-ner/7", fingerprint=first)
    assert moved.startswith("moved ")
    assert f"was models:/clue-ner/7, and now is models:/clue-ner/1; to keep the first, set train.{key}: models" in moved
    assert line(name="models:/gone@champion", resolved="models:/gone/1").startswith("not traced")


@pytest.mark.parametrize("key", TAGGERS)
def test_verify_says_whether_a_tagger_in_a_folder_is_still_the_one_that_training_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    shutil.copy(PARAMS, tmp_path)
    before = tiny_tagger_folder(tmp_path / "before")
    line = partial(line_of, tiny_tagger_folder(tmp_path / "tagger"), key, name="./before")
    checksums = read_json(before / "checksums.json")
    found = line(checksums=checksums)
    assert found.startswith("ok ")
    assert found.endswith(f"./before, its {len(checksums)} files compared")
    other = line(checksums=checksums | {"model.safetensors": "1" * 64})
    assert other.startswith("not traced")
    assert other.endswith(f"./before; {before} has another by now")
    flip(before / "model.safetensors")
    assert line(checksums=checksums).startswith("WRONG")
    shutil.rmtree(before)
    assert line(checksums=checksums).startswith("not traced")


def line_of(folder: Path, key: str, **recorded: object) -> str:
    """What verify says of the tagger that the one in ``folder`` records as that it began with."""
    config = TaggerConfig.load(folder)
    record = TaggerRecord.model_validate({"checksums": {"model.safetensors": "1" * 64}, **recorded})
    trained = config.trained.model_copy(update={key: record})
    config.model_copy(update={"trained": trained}).save(folder)
    write_checksums(folder)
    (found,) = (line for line in run("verify", folder).stdout.splitlines() if f"  {key}  " in line)
    return str(found)
