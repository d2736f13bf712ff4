"""The stage fine_tune as a process: what it writes, killed and resumed, in two processes, with a teacher.

More kills, of all stages, are in tests/faults.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.torch import load_file
from support.fine_tune_stage import SENTENCES, command, environment, write_inputs
from support.forked_stages import ForkServer
from support.graphs import write_graphs
from support.places import ROOT
from support.tracking_repository import local_client, put_empty_store, runs

from clue_ner.common.files import CHECKSUMS, folder_fingerprint, read_json, verify_checksums, write_checksums
from clue_ner.core.entities import Sentence
from clue_ner.core.folders import TAGGERS
from clue_ner.core.sentences import write_sentences
from clue_ner.evaluation.scores import micro
from clue_ner.runtimes._onnxruntime import OnnxRuntime
from clue_ner.runtimes.torch import model_of
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tagger.tagger import Tagger

SCRIPT = str(ROOT / "stages/fine_tune.py")
STEPS = (3, 8)
"""Steps after which it is killed, one time after the other; 12 are to be done."""
TRAIN = {"dropout": 0.1, "ema_decay": 0.9, "fgm_epsilon": 0.1, "r_drop": 0.5, "checkpoint_seconds": 0.0}


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    folder = tmp_path_factory.mktemp("forks")
    modules = "torch transformers accelerate safetensors.torch mlflow clue_ner.training.fine_tune clue_ner.tracking"
    with ForkServer(environment(folder), folder / "log", modules) as server:
        yield server


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, forks: ForkServer, backbones: Any, make_aligner: Any
) -> tuple[Path, str]:
    """A root in which the stage ran with training options, and its output."""
    root = tmp_path_factory.mktemp("undisturbed")
    write_inputs(root, backbones["unigram"], make_aligner("unigram", "characters_over_pieces"), **TRAIN)
    return root, run(forks, root)


def run(forks: ForkServer, root: Path, new_store: bool = True) -> str:
    """Run the stage to its end; its output."""
    if new_store:
        put_empty_store(root)
    forks.start(SCRIPT, root, CLUE_NER_HOME=str(root))
    assert forks.wait() == 0, forks.output()
    return forks.output()


def test_fine_tune_stage_writes_a_model_its_scores_and_its_curve(undisturbed: tuple[Path, str]) -> None:
    root, output = undisturbed
    verify_checksums(root / "models/tagger", "")
    tagger, train = Tagger.load(root / "models/tagger"), read_json(root / "metrics/train.json")
    assert [row["epoch"] for row in train["epochs"]] == [1, 2]
    kept = train["epochs"][train["best_epoch"] - 1]
    readings = tagger.read([sentence.text for sentence in SENTENCES["valid"]])
    scores = micro(SENTENCES["valid"], [reading.strict for reading in readings])
    assert scores["f1"] == pytest.approx(kept["valid_micro_f1"], abs=1e-6)
    assert tagger.config.trained.valid_micro_f1 == train["valid_micro_f1"] == kept["valid_micro_f1"]
    lines = (root / "plots/training.csv").read_text().splitlines()
    assert lines[0] == "epoch,loss,valid_micro_f1,valid_precision,valid_recall"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]
    lines = output.splitlines()
    assert lines[0] == f"MLflow at sqlite:///{root}/mlflow.db (MLFLOW_TRACKING_URI is not set)"
    assert lines[1].startswith(
        f"no commit is recorded for this run: {root}: git rev-parse: fatal: not a git repository"
    )
    assert lines[2].startswith("training on cpu")
    assert lines[3] == "with fgm_epsilon 0.1, r_drop 0.5, ema_decay 0.9"
    page = "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=clue-ner-"
    assert lines[-1].startswith(f"the run in MLflow: `make ui`, then {page}")
    assert output.count("epoch 2/2") == 1
    assert not list(root.glob(".checkpoints/*/"))
    assert journal_kinds(root)[0] == "artifact" and journal_kinds(root)[-1] == "end"


def test_fine_tune_stage_killed_twice_gives_the_bytes_of_an_undisturbed_run(
    undisturbed: tuple[Path, str], fine_tune_inputs: Callable[..., Path], forks: ForkServer
) -> None:
    root = fine_tune_inputs("killed", **TRAIN)
    put_empty_store(root)
    for steps in STEPS:
        process = forks.start(SCRIPT, root, CLUE_NER_HOME=str(root))
        wait_for_checkpoint(root, steps, lambda process=process: not psutil.pid_exists(process))
        forks.kill(process)
        assert not (root / "models/tagger").exists()
    assert f"resuming from {root}/.checkpoints/" in run(forks, root, new_store=False)
    for name in ("models/tagger", "metrics", "plots"):
        assert folder_fingerprint(root / name) == folder_fingerprint(undisturbed[0] / name), name
    assert not list(root.glob(".checkpoints/*/"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_fine_tune_stage_teaches_a_smaller_student(
    undisturbed: tuple[Path, str], fine_tune_inputs: Callable[..., Path], forks: ForkServer, processes: int
) -> None:
    big, teacher = undisturbed[0], str(undisturbed[0] / "models/tagger")
    small = fine_tune_inputs("small", teacher=teacher, layers=1, processes=processes)
    output = run(forks, small)
    assert f"with layers 1, teacher {teacher}, weight 0.5, temperature 2.0" in output.splitlines()
    folder = small / "models/tagger"
    verify_checksums(folder, "")
    trained = [TaggerConfig.load(root / "models/tagger").trained for root in (big, small)]
    assert trained[1].teacher is not None and trained[0].teacher is None
    assert trained[1].teacher.name == teacher
    assert trained[1].teacher.checksums == read_json(big / "models/tagger" / CHECKSUMS)
    assert read_json(folder / "config.json") == read_json(big / "models/tagger/config.json") | {"num_hidden_layers": 1}
    tagger = Tagger.load(folder)
    assert len(model_of(tagger).encoder.encoder.layer) == 1
    texts = ["王德发在北京", "晓明在佛山的公司"]
    write_graphs(tagger, small, texts)
    fast = tagger.using(OnnxRuntime(small / "onnx/model.onnx", threads=1))
    assert fast.tag(texts) == tagger.tag(texts)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_fine_tune_stage_goes_on_from_a_tagger_also_where_it_is_killed(
    undisturbed: tuple[Path, str], fine_tune_inputs: Callable[..., Path], forks: ForkServer, processes: int
) -> None:
    before = undisturbed[0] / "models/tagger"
    fewer = {"init_from": str(before), "epochs": 1, "lr": 1e-9, "checkpoint_seconds": 0.0, "processes": processes}
    whole, root = (fine_tune_inputs(name, **fewer) for name in ("whole", "killed"))
    output = run(forks, whole)
    assert f"with init_from {before}" in output.splitlines()
    assert f"weights of {before}: types name" in output.splitlines()
    weights = [load_file(folder / "model.safetensors") for folder in (before, whole / "models/tagger")]
    assert all(value.allclose(weights[1][name], atol=1e-5) for name, value in weights[0].items())
    theirs, ours = (TaggerConfig.load(folder).trained for folder in (before, whole / "models/tagger"))
    assert ours.init_from is not None
    assert (ours.init_from.name, ours.init_from.resolved) == (str(before), None)
    assert ours.init_from.fingerprint == theirs.fingerprint
    assert ours.init_from.checksums == read_json(before / CHECKSUMS)
    (tracked,) = runs(local_client(whole))
    assert tracked.data.tags["clue_ner.init_from"] == str(before)
    assert tracked.data.tags["clue_ner.init_from_fingerprint"] == theirs.fingerprint
    if processes == 1:
        put_empty_store(root)
        process = forks.start(SCRIPT, root, CLUE_NER_HOME=str(root))
        wait_for_checkpoint(root, 3, lambda: not psutil.pid_exists(process))
        forks.kill(process)
        assert f"resuming from {root}/.checkpoints/" in run(forks, root, new_store=False)
        assert folder_fingerprint(root / "models/tagger") == folder_fingerprint(whole / "models/tagger")


@pytest.mark.parametrize("key", TAGGERS)
def test_fine_tune_stage_records_no_run_with_a_tagger_that_does_not_fit(
    undisturbed: tuple[Path, str], fine_tune_inputs: Callable[..., Path], forks: ForkServer, key: str
) -> None:
    before = undisturbed[0] / "models/tagger"
    root = fine_tune_inputs("unlike", **{key: str(before)}, head="span")
    forks.start(SCRIPT, root, CLUE_NER_HOME=str(root))
    assert forks.wait() == 1
    last = forks.output().splitlines()[-1]
    assert last.startswith(f"error: train.{key}: {before}: its ")
    assert "head (" in last
    assert not (root / "models").exists()
    assert not list(root.glob(".tracking/*.jsonl"))


def test_fine_tune_stage_refuses_what_it_cannot_train_in_one_line(
    fine_tune_inputs: Callable[..., Path], forks: ForkServer
) -> None:
    root = fine_tune_inputs("few", processes=1, layers=9)
    forks.start(SCRIPT, root, CLUE_NER_HOME=str(root))
    assert forks.wait() == 1
    last = forks.output().splitlines()[-1]
    assert last == "error: params.yaml: train.layers: 9, but the encoder has only 2 layers"
    assert not (root / "models").exists()
    assert not list(root.glob(".tracking/*.jsonl"))


def test_fine_tune_stage_whose_loss_is_no_number_leaves_nothing_but_the_reason(
    fine_tune_inputs: Callable[..., Path], forks: ForkServer
) -> None:
    root = fine_tune_inputs("ruined", lr=4e5, checkpoint_seconds=0.0)
    put_empty_store(root)
    forks.start(SCRIPT, root, CLUE_NER_HOME=str(root))
    assert forks.wait() == 1
    last = forks.output().splitlines()[-1]
    assert last.startswith("error: training stopped in step ")
    assert "train.lr is 400000" in last
    assert not (root / "models").exists()
    assert not list(root.glob(".checkpoints/*/"))
    (run,) = runs(local_client(root))
    assert run.info.status == "FAILED"
    assert run.data.tags["clue_ner.failure"] == last.removeprefix("error: ")


def test_fine_tune_stage_keeps_the_last_epoch_where_valid_cannot_choose(
    fine_tune_inputs: Callable[..., Path], forks: ForkServer
) -> None:
    root = fine_tune_inputs("no entity", patience=1)
    write_sentences(root / "data/corpus/valid.jsonl", [Sentence("valid-0", "今天没有风。")])
    write_checksums(root / "data/corpus")
    output = run(forks, root)
    train = read_json(root / "metrics/train.json")
    assert (train["best_epoch"], len(train["epochs"]), train["valid_micro_f1"]) == (2, 2, None)
    assert "valid has no entity: the last epoch is kept" in output


@pytest.mark.parametrize("address", ["./mlruns", "http://", "sqlite:mlflow.db"])
def test_fine_tune_stage_refuses_a_store_that_can_never_work_before_it_trains(
    fine_tune_inputs: Callable[..., Path], forks: ForkServer, address: str
) -> None:
    root = fine_tune_inputs("untracked", processes=2)
    forks.start(SCRIPT, root, CLUE_NER_HOME=str(root), MLFLOW_TRACKING_URI=address)
    assert forks.wait() == 1
    (line,) = forks.output().splitlines()
    assert line.startswith(f"error: MLFLOW_TRACKING_URI: found {address!r}: ")
    assert not any((root / name).exists() for name in ("models", ".tracking", ".checkpoints", "mlruns"))


def journal_kinds(root: Path) -> list[str]:
    """What was noted of the one training in ``root``."""
    (journal,) = (root / ".tracking").glob("*.jsonl")
    return [json.loads(line)["kind"] for line in journal.read_text(encoding="utf-8").splitlines()]


def wait_for_checkpoint(root: Path, steps: int, has_ended: Callable[[], bool]) -> None:
    while not any(path.name >= f"step-{steps:08d}" for path in root.glob(".checkpoints/*/step-*")):
        assert not has_ended()
        time.sleep(0.01)


# --- two processes, each with imports of its own


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_fine_tune_in_two_processes_is_one_training_but_for_rounding(
    fine_tune_inputs: Callable[..., Path], forks: ForkServer
) -> None:
    one, two = (fine_tune_inputs(str(processes), processes=processes) for processes in (1, 2))
    run(forks, one)
    output = run(forks, two)
    assert output.count("training on") == 1
    assert "2 processes" in output
    assert output.count("epoch 2/2") == 1
    for name, value in load_file(one / "models/tagger/model.safetensors").items():
        other = load_file(two / "models/tagger/model.safetensors")[name]
        assert other.allclose(value, atol=1e-3), name
    epochs = [read_json(root / "metrics/train.json")["epochs"] for root in (one, two)]
    assert [row["loss"] for row in epochs[1]] == pytest.approx([row["loss"] for row in epochs[0]], rel=0.05)
    assert journal_kinds(two) == journal_kinds(one)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_fine_tune_in_two_processes_killed_twice_gives_the_bytes_of_an_undisturbed_run(
    fine_tune_inputs: Callable[..., Path], forks: ForkServer
) -> None:
    whole, root = (fine_tune_inputs(name, **TRAIN, processes=2) for name in ("whole", "killed"))
    run(forks, whole)
    for steps in STEPS:
        process = subprocess.Popen(**command(root))
        wait_for_checkpoint(root, steps, lambda process=process: process.poll() is not None)
        for each in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
            each.kill()
        process.wait()
        assert not (root / "models/tagger").exists()
    assert f"resuming from {root}/.checkpoints/" in run(forks, root, new_store=False)
    for name in ("models/tagger", "metrics", "plots"):
        assert folder_fingerprint(root / name) == folder_fingerprint(whole / name), name
    assert not list(root.glob(".checkpoints/*/"))
