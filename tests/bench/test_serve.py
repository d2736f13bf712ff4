import contextlib
from pathlib import Path

import pytest
from support.graphs import write_graphs
from support.tiny import TAGS, tiny_tagger_folder

from bench import commands, serve
from bench.inputs import ROOT
from bench.light import Side
from clue_ner.tagger.tagger import Tagger

TEXTS = ["李雷去了上海", "昨天在招商银行", "我们"]


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> Side:
    """This repository's code on a tiny model."""
    folder = tmp_path_factory.mktemp("serve") / "export"
    write_graphs(Tagger.load(tiny_tagger_folder(folder / "tagger", lexicon=TAGS), "torch"), folder)
    return Side("clue_ner.cli.main", folder, commands.environment(ROOT))


def test_our_service_is_measured(side: Side, tmp_path: Path) -> None:
    with serve.our_service(side, TEXTS, "int8", tmp_path) as service:
        found = serve.throughput({"int8": service}, tmp_path, 0.3)["int8"]
        assert found["per_second"] > 0 and found["per_cpu_second"] > 0
        latency = serve.latency(service, tmp_path, 0.5, 40.0)
        assert latency["half_per_second"] == 20 and 0 < latency["half_p50_ms"] <= latency["half_p99_ms"]
        first, last = serve.memory_under_load(service, tmp_path, (0.3, 0.6))
        assert min(first, last) > 20 * 2**20
        process = service.process
    assert not process.is_running()
    assert serve.bulk(side, TEXTS * 50, tmp_path) > 0


@pytest.mark.slow
@pytest.mark.parametrize("runtime", serve.RUNTIMES)
def test_mlflows_service_is_measured(side: Side, tmp_path: Path, runtime: str) -> None:
    with serve.mlflow_service(side, TEXTS, runtime, tmp_path / "served") as service:
        assert serve.ask(service.load(2, 0.5), tmp_path)["latencies"]
        files = {each.path for process in service.process.children(recursive=True) for each in process.memory_maps()}
        assert any("libtorch" in file for file in files) == (runtime == "torch")


def test_a_service_that_refuses_is_no_measurement(side: Side, tmp_path: Path) -> None:
    with (
        serve.our_service(side, ["上" * 20_001], "int8", tmp_path) as service,
        pytest.raises(RuntimeError, match="failed"),
    ):
        serve.ask(service.load(1, 0.2), tmp_path)


def test_a_service_that_does_not_come_up_shows_its_log(tmp_path: Path) -> None:
    missing = Side("clue_ner.cli.main", tmp_path / "missing", commands.environment(ROOT))
    with contextlib.ExitStack() as stack, pytest.raises(RuntimeError, match="no model"):
        stack.enter_context(serve.our_service(missing, TEXTS, "int8", tmp_path))
