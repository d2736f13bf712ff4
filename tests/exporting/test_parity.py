import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx as onnx_library
import pytest
from onnx import numpy_helper
from support.tiny import TAGS, tiny_tagger_folder

from clue_ner.alignment.batch import Batch
from clue_ner.core.entities import Sentence
from clue_ner.corpora.sample import parse
from clue_ner.exporting import parity, stock_transformers
from clue_ner.runtimes.torch import TorchRuntime, model_of
from clue_ner.tagger.decoding._base import Floats
from clue_ner.tagger.tagger import Tagger

GOLD = [
    parse("[李雷|name]昨天去了[上海|address]，", "1"),
    parse("我们在[招商银行|company]，", "2"),
    parse("一人", "3"),
    parse("[在上海|address]", "4"),
]


def load(folder: Path) -> Tagger:
    return Tagger.load(folder / "tagger", "torch")


def test_parity_reports_every_format(
    lexicon_export: Callable[[str, str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = lexicon_export("softmax", "characters")
    tagger = load(folder)
    report = parity.report(tagger, model_of(tagger), GOLD, folder)
    assert report["stock_transformers"] is True
    assert (report["sentences"], report["tokens"]) == (4, sum(len(s.text) + 2 for s in GOLD))
    assert report["bytes"] == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    formats = report["formats"]
    assert list(formats) == ["torch", "onnx", "int8", "transformers"]
    for name in ("torch", "onnx", "int8"):
        assert formats[name]["micro_f1"] == pytest.approx(2 * 3 / (4 + 4))
        assert formats[name]["bytes"] == (folder / parity.FILES[name]).stat().st_size
        assert formats[name]["tokens_per_second"] > 0
    assert formats["onnx"]["logit_difference"] < 1e-4 < formats["int8"]["logit_difference"]
    assert formats["transformers"]["same_entities"] == 1
    assert all(formats[name]["ok"] for name in ("onnx", "int8", "transformers"))
    assert not caplog.records


def test_parity_without_onnx_and_stock_transformers_has_torch_only(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS))
    report = parity.report(tagger, model_of(tagger), GOLD, tmp_path)
    assert list(report["formats"]) == ["torch"]
    assert report["stock_transformers"] is False


def test_parity_warns_of_formats_that_are_another_model(
    lexicon_export: Callable[[str, str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "export"
    shutil.copytree(lexicon_export("softmax", "characters"), folder)
    other = onnx_library.load(folder / parity.FILES["onnx"])
    for tensor in other.graph.initializer:
        if len(tensor.dims) == 2:  # without its matrices, the network gives all tags the same logit
            tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(tensor)), tensor.name))
    for name in ("onnx", "int8"):
        onnx_library.save(other, folder / parity.FILES[name])
    tagger = load(folder)
    formats = parity.report(tagger, model_of(tagger), GOLD, folder)["formats"]
    for name in ("onnx", "int8"):
        assert formats[name]["ok"] is False
        assert formats[name]["logit_difference"] > 1
        assert formats[name]["f1_loss"] == pytest.approx(0.75)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[0] for line in lines] == ["onnx/model.onnx", "onnx/model.int8.onnx"]
    assert all("micro F1 is 75.00 points lower" in line for line in lines)


@pytest.mark.parametrize(("ci95", "ok"), [([0.0, 0.02], True), ([0.001, 0.02], False)])
def test_parity_accepts_a_loss_of_int8_that_may_be_chance(ci95: list[float], ok: bool) -> None:
    assert parity._compare("int8", 3.0, 0.008, ci95)["ok"] is ok
    assert parity._compare("int8", 3.0, 0.004, ci95)["ok"] is True
    assert parity._compare("int8", 3.0, 0.021, ci95)["ok"] is False


def test_parity_counts_sentences_in_which_stock_transformers_differs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tags = {"上": "S-address", "海": "E-address"}
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", "softmax", "characters", "BMES", lexicon=tags))
    stock_transformers.write(tagger, model_of(tagger), tmp_path / "transformers")
    formats = parity.report(tagger, model_of(tagger), GOLD, tmp_path)["formats"]
    assert formats["transformers"]["same_entities"] == 0.5
    assert formats["transformers"]["ok"] is False
    assert "other entities in 2 of 4 sentences" in caplog.text


def test_parity_measures_the_first_sentences_only(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS))
    gold = [parse("在[上海|address]", str(number)) for number in range(parity.SENTENCES)]
    report = parity.report(tagger, model_of(tagger), [*gold, parse("[去了|address]", "last")], tmp_path)
    assert report["sentences"] == parity.SENTENCES
    assert report["formats"]["torch"]["micro_f1"] == 1


@pytest.mark.parametrize("gold", [[], [Sentence("1", "")]])
def test_parity_of_nothing_has_no_speed(
    lexicon_export: Callable[[str, str], Path], tmp_path: Path, gold: list[Sentence]
) -> None:
    folder = tmp_path / "export"
    shutil.copytree(lexicon_export("softmax", "characters"), folder, ignore=shutil.ignore_patterns("transformers"))
    tagger = load(folder)
    formats = parity.report(tagger, model_of(tagger), gold, folder)["formats"]
    assert formats["onnx"]["logit_difference"] == formats["onnx"]["f1_loss"] == 0
    assert {line["tokens_per_second"] for line in formats.values()} == {0}


def test_parity_takes_turns_and_the_median_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only the runtimes move: each part is one batch of four texts of two characters."""
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", align="characters", lexicon=TAGS))
    model, now, order = model_of(tagger), 0.0, list[str]()
    seconds = {"torch": [50, 9, 1, 2], "model": [50, 1, 4, 3], "model.int8": [50, 1, 1, 8]}  # the first is the warm-up

    class Timed:
        batch_tokens, batch_padding = TorchRuntime(model).batch_tokens, math.inf
        device = device_name = "cpu"

        def __init__(self, path: Path, threads: int | None = None) -> None:
            self.name = path.stem

        def __call__(self, batch: Batch) -> Floats:
            nonlocal now
            order.append(self.name)
            now += seconds[self.name].pop(0)
            return TorchRuntime(model)(batch)

    monkeypatch.setattr(parity, "OnnxRuntime", Timed)
    monkeypatch.setattr(parity.time, "perf_counter", lambda: now)
    for name in ("onnx", "int8"):
        path = tmp_path / parity.FILES[name]
        path.parent.mkdir(exist_ok=True)
        path.touch()
    gold = [Sentence(str(number), "上海") for number in range(4 * parity.TURNS)]
    formats = parity.report(tagger.using(Timed(Path("torch"))), model, gold, tmp_path)["formats"]
    assert order == ["torch", "model", "model.int8"] * (1 + parity.TURNS)
    assert {name: line["tokens_per_second"] for name, line in formats.items()} == {
        "torch": 4 * 4 / 2,
        "onnx": round(4 * 4 / 3),
        "int8": 4 * 4 / 1,
    }


def test_parity_without_speeds_is_all_but_the_speeds() -> None:
    line = {"bytes": 3, "micro_f1": 0.5}
    report = {"tokens": 7, "formats": {"torch": line | {"tokens_per_second": 9}, "transformers": {"bytes": 4}}}
    assert parity.without_speeds(report) == {"tokens": 7, "formats": {"torch": line, "transformers": {"bytes": 4}}}
