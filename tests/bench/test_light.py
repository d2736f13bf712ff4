import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.graphs import write_graphs
from support.tiny import TAGS, tiny_tagger_folder

from bench import bare, baseline, commands, light
from bench.inputs import ROOT
from bench.light import Side
from bench.light_worker import WARM_UP, Timed, Worker
from clue_ner.common.files import write_json
from clue_ner.tagger.tagger import Tagger

TEXTS = ["李雷去了上海", "昨天在招商银行", "我们"] * 10


def export(folder: Path, **options: Any) -> Path:
    """A folder as models/export."""
    tiny_tagger_folder(folder / "tagger", **options)
    write_graphs(Tagger.load(folder, "torch"), folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as models/export, which finds ``TAGS``."""
    return export(tmp_path_factory.mktemp("light") / "export", lexicon=TAGS)


@pytest.fixture
def ours(model: Path) -> Side:
    """This repository's code on ``model``."""
    return Side("clue_ner.cli.main", model, commands.environment(ROOT))


@pytest.mark.parametrize("align", ["characters_over_pieces", "characters", "pieces"])
@pytest.mark.parametrize("graph", ["model.onnx", "model.int8.onnx"])
def test_bare_script_runs_the_graph_on_the_whole_sentence(
    align: str, graph: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = export(tmp_path / "export", align=align, head="softmax")
    (tmp_path / "text.txt").write_text("李雷去了上海\n", encoding="utf-8")
    bare.main(*map(str, (folder / "tagger/tokenizer.json", folder / "onnx" / graph, tmp_path / "text.txt")))
    assert capsys.readouterr().out.split() == ["1", "6", "7"]  # sentences, characters, tags


def test_cold_times_new_processes_in_turns(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, done = [0.0], list[str]()
    seconds = {"now": 1.0, "before": 10.0, "bench.bare": 0.5}

    def run(command: list[str], folder: Path, variables: dict[str, str]) -> None:
        assert command[:2] == [sys.executable, "-m"] and Path(command[-1]).read_text() == light.SENTENCE + "\n"
        what = command[2]
        runtime = Path(command[4]).name if what == "bench.bare" else command[command.index("--runtime") + 1]
        assert variables == {"PYTHONPATH": "before" if what == "before" else "now"}
        done.append(f"{what} {runtime}")
        now[0] += seconds[what] * (1 if "int8" in runtime else 2) * (1 if len(done) > 6 else 100)

    monkeypatch.setattr(commands, "run", run)
    monkeypatch.setattr(commands.time, "perf_counter", lambda: now[0])
    sides = {
        "ours": Side("now", model, {"PYTHONPATH": "now"}),
        "baseline": Side("before", model, {"PYTHONPATH": "before"}),
    }
    assert light.cold(sides, tmp_path) == {
        "int8": {"ours": 1.0, "baseline": 10.0, "bare": 0.5},
        "auto": {"ours": 2.0, "baseline": 20.0, "bare": 1.0},
    }
    turn = ["now int8", "before int8", "bench.bare model.int8.onnx"]
    turn += ["now auto", "before onnx", "bench.bare model.onnx"]
    assert done == turn * light.TIMES


def test_cold_runs_the_command_and_the_script_for_real(
    tmp_path: Path, ours: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = []

    def run(*arguments: Any, **options: Any) -> Any:
        outputs.append((done := real(*arguments, **options)).stdout)
        return done

    real = commands.run
    monkeypatch.setattr(commands, "run", run)
    monkeypatch.setattr(light, "TIMES", 1)
    monkeypatch.setattr(light, "SENTENCE", "李雷去了上海")
    found = light.cold({"ours": ours}, tmp_path)
    assert [(runtime, set(seconds)) for runtime, seconds in found.items()] == [
        (runtime, {"ours", "bare"}) for runtime in ("int8", "auto")
    ]
    int8, int8_bare, auto, auto_bare = outputs
    assert '"text": "李雷"' in int8 and '"text": "李雷"' in auto
    assert int8_bare == auto_bare == "1 6 7\n"


class Fake:
    """A worker that notes what it is asked; bulk takes 1, 9 and 2 s × ``factor``, and sentence n takes n ms."""

    def __init__(self, name: str, factor: float, asked: list[tuple[Any, ...]]) -> None:
        self.name, self.factor, self.asked = name, factor, asked

    def ask(self, do: str, runtime: str, **of: int) -> dict[str, Any]:
        self.asked.append((do, runtime, self.name, *of.values()))
        if do == "bulk":
            seconds = self.factor * (1, 9, 2)[self.asked.count((do, runtime, self.name)) - 1]
            return {"seconds": seconds, "network_seconds": 0.75 * seconds}
        return {"seconds": [self.factor * n / 1000 for n in range(of["start"] + 1, of["end"] + 1)]}


def test_warm_lets_both_take_turns_on_the_same_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    workers: Any = {"ours": Fake("ours", 1.0, asked), "baseline": Fake("baseline", 2.0, asked)}
    monkeypatch.setattr(light, "SINGLE", 99)
    texts = ["四个字吗"] * 101
    found = light._turns(workers, texts)
    bulk = [one[1:] for one in asked if one[0] == "bulk"]
    assert bulk == [(runtime, side) for runtime in ("torch", "onnx", "int8") for side in workers] * light.ROUNDS
    single = [one[1:] for one in asked if one[0] == "single"]
    assert single == [
        (runtime, side, start, min(start + 20, 99))
        for start in (0, 20, 40, 60, 80)
        for runtime in ("onnx", "int8")
        for side in workers
    ]
    characters = 4 * 101
    assert found["torch"]["ours"] == {"bulk_characters_per_second": characters / 2, "outside_share": 0.25}
    assert found["int8"]["baseline"] == {
        "bulk_characters_per_second": characters / 4,
        "outside_share": 0.25,
        "p50_ms": pytest.approx(2 * 50),
        "p99_ms": pytest.approx(2 * 98.02),
    }


def test_worker_tags_all_texts_with_this_code(tmp_path: Path, ours: Side) -> None:
    write_json(tmp_path / "texts.json", TEXTS)
    with light.worker(ours, tmp_path / "texts.json", ("onnx", "int8")) as worker:
        assert Path(worker.answer()["code"]) == ROOT / "src/clue_ner/__init__.py"
        for runtime in ("onnx", "int8"):
            bulk = worker.ask(do="bulk", runtime=runtime)
            assert 0 < bulk["network_seconds"] < bulk["seconds"]
            single = worker.ask(do="single", runtime=runtime, start=20, end=27)
            assert len(single["seconds"]) == 7 and min(single["seconds"]) > 0
    assert worker.process.returncode is not None


def test_worker_warms_up_before_it_times_single_texts() -> None:
    tagged = list[list[str]]()
    worker = Worker.__new__(Worker)
    worker.texts = [str(number) for number in range(40)]
    worker.taggers = {"onnx": (SimpleNamespace(tag=tagged.append), Timed(None))}
    assert len(worker.single("onnx", 20, 23)["seconds"]) == 3
    assert tagged == [[str(number)] for number in (*range(WARM_UP), 20, 21, 22)]


def test_worker_that_fails_tells_why(tmp_path: Path, ours: Side) -> None:
    write_json(tmp_path / "texts.json", TEXTS)
    nowhere = Side(ours.cli, tmp_path / "nowhere", ours.variables)
    with (
        pytest.raises(RuntimeError, match="nowhere: no model"),
        light.worker(nowhere, tmp_path / "texts.json", ("onnx",)) as worker,
    ):
        worker.answer()


def test_timed_counts_only_the_runtimes_own_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: Iterator[float] = iter([10.0, 13.0, 20.0, 24.5])
    monkeypatch.setattr("bench.light_worker.time.perf_counter", lambda: next(ticks))
    timed = Timed(lambda batch: f"logits of {batch}")
    assert (timed("one"), timed("two")) == ("logits of one", "logits of two")
    assert timed.seconds == 3.0 + 4.5


def test_our_model_is_the_export_if_it_has_both_graphs(tmp_path: Path, place: Path, model: Path) -> None:
    shutil.copytree(model, tmp_path / "models/export")
    assert light.our_model(tmp_path, place, tmp_path / "made") == (tmp_path / "models/export", True)
    assert not (tmp_path / "made").exists()


def test_our_model_without_an_export_is_made_of_the_trained_one(tmp_path: Path, place: Path, model: Path) -> None:
    shutil.copytree(model / "tagger", tmp_path / "models/tagger")
    assert light.our_model(tmp_path, place, tmp_path / "made") == (tmp_path / "made", True)
    wanted = Tagger.load(model, "torch").tag(TEXTS)
    for runtime in ("torch", "onnx"):
        found = Tagger.load(tmp_path / "made", runtime).tag(TEXTS)
        assert [[(e.type, e.start, e.end) for e in one] for one in found] == [
            [(e.type, e.start, e.end) for e in one] for one in wanted
        ]


def test_our_model_without_any_stands_in(tmp_path: Path, place: Path) -> None:
    folder, trained = light.our_model(tmp_path, place, tmp_path / "made")
    assert not trained
    assert Tagger.load(folder, "int8").tag(["李雷去了上海"]) == [[]]


def test_disk_bytes_counts_what_is_below(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/file").write_bytes(bytes(3_000_000))
    assert 3_000_000 <= light.disk_bytes(tmp_path) < 3_100_000


def test_venv_is_of_a_copy_and_its_size_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = list[list[str]]()

    def run(command: list[str], folder: Path, variables: dict[str, str], check: bool = True) -> Any:
        if command[0] in ("git", "du"):
            return real(command, folder, variables, check)
        assert "PYTHONPATH" not in variables, "pip would take the repository for installed"
        assert (tmp_path / "source/pyproject.toml").read_bytes() == (ROOT / "pyproject.toml").read_bytes()
        done.append(command)
        (tmp_path / "venv").mkdir(exist_ok=True)
        (tmp_path / "venv/file").write_bytes(bytes(2_000_000))
        return real(["true"], folder, variables, check)

    real = commands.run
    monkeypatch.setattr(commands, "run", run)
    assert 2_000_000 <= (light.venv_bytes(tmp_path, commands.environment(ROOT)) or 0) < 2_100_000
    assert done == [
        [sys.executable, "-m", "venv", str(tmp_path / "venv")],
        [str(tmp_path / "venv/bin/python"), "-m", "pip", "install", "--quiet", str(tmp_path / "source")],
    ]


def test_venv_without_an_index_has_no_size(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outside = {name: value for name, value in commands.environment(ROOT).items() if not name.startswith("PIP_")}
    variables = outside | {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"}
    assert light.venv_bytes(tmp_path, variables) is None
    assert "No matching distribution found" in caplog.text


@pytest.mark.slow
def test_light_measures_both_commits_on_a_stand_in(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(light, "TIMES", 1)
    monkeypatch.setattr(light, "ROUNDS", 1)
    monkeypatch.setattr(light, "venv_bytes", lambda *_: None)
    shutil.copytree(place, tmp_path / "place")
    measured = light.measure(tmp_path, tmp_path / "place")
    both = baseline.in_history(ROOT, commands.environment(ROOT))
    sides = {"ours", "baseline"} if both else {"ours"}
    assert not measured["trained"] and measured["venv_bytes"] is None
    assert measured["environment_bytes"] > 100e6, "torch is here"
    assert [(runtime, set(seconds)) for runtime, seconds in measured["cold"].items()] == [
        (runtime, sides | {"bare"}) for runtime in ("int8", "auto")
    ]
    assert list(measured["warm"]) == ["torch", "onnx", "int8"]
    for runtime, found in measured["warm"].items():
        assert set(found) == sides
        for one in found.values():
            assert one["bulk_characters_per_second"] > 0 and 0 < one["outside_share"] < 1
            assert runtime == "torch" or 0 < one["p50_ms"] <= one["p99_ms"]
