import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tiny import TAGS, tiny_tagger_folder

from bench import tagging
from bench.tagging import Candidate
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.sentences import read_split

FOUND = 5
"""Sentences of ``place`` with 李雷, and with 上海: what the tagger of ``TAGS`` finds, the latter wrongly."""


def test_compare_lets_all_take_turns_on_the_same_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    done: list[tuple[str, str, tuple[str, ...]]] = []
    gold = [Sentence(str(n), f"{n:04d}", (Entity(0, 2, "x"),)) for n in range(300)]
    texts = [sentence.text for sentence in gold]

    def candidate(name: str, seconds: float, readings: Any = None) -> Candidate:
        def tag(kind: str) -> Callable[[list[str]], None]:
            def act(batch: list[str]) -> None:
                done.append((name, kind, tuple(batch)))
                now[0] += seconds * len(batch)

            return act

        return Candidate("cpu", tag("bulk"), tag("single"), readings)

    monkeypatch.setattr(tagging, "clock", lambda: now[0])
    half = lambda given: [sentence.entities if int(sentence.id) % 2 else () for sentence in gold]  # noqa: E731
    slow, fast = candidate("slow", 2.0), candidate("fast", 0.5, half)
    measured = tagging.compare({"slow": slow, "fast": fast}, gold, None)["candidates"]
    warm, timed = done[:4], done[4:]
    assert [(name, kind, len(batch)) for name, kind, batch in warm] == [
        ("slow", "bulk", 8), ("slow", "single", 1), ("fast", "bulk", 8), ("fast", "single", 1),
    ]  # fmt: skip
    for name in ("slow", "fast"):
        for kind, wanted in (("bulk", texts), ("single", texts[: tagging.SINGLE])):
            assert [text for n, k, batch in timed if (n, k) == (name, kind) for text in batch] == wanted
    bulk = [name for name, kind, _ in timed if kind == "bulk"]
    assert bulk == ["slow", "fast"] * tagging.BULK_ROUNDS
    single = [name for name, kind, _ in timed if kind == "single"]
    assert single == (["slow"] * 20 + ["fast"] * 20) * tagging.SINGLE_ROUNDS
    assert measured["slow"]["bulk_characters_per_second"] == 4 / 2.0
    assert measured["fast"]["bulk_characters_per_second"] == 4 / 0.5
    assert measured["fast"]["single_characters_per_second"] == 4 / 0.5
    assert (measured["slow"]["p50_ms"], measured["slow"]["p99_ms"]) == (2000, 2000)
    assert measured["slow"]["micro_f1"] is None
    assert measured["fast"]["micro_f1"] == pytest.approx(2 * 150 / (150 + 300))


def test_percentiles_are_of_all_latencies() -> None:
    found = tagging._percentiles([n / 1000 for n in range(101)])
    assert found == {"p50_ms": pytest.approx(50), "p99_ms": pytest.approx(99)}


def test_tagging_measures_every_format_without_a_trained_model(place: Path, tmp_path: Path) -> None:
    measured = tagging.measure(tmp_path, place)
    assert list(measured["candidates"]) == ["pipeline", "torch", "onnx", "int8"]
    assert "random head" in measured["note"] and measured["scored_sentences"] == 0
    gold = read_split(place, "test")
    assert gold is not None
    assert (measured["bulk_sentences"], measured["single_sentences"]) == (len(gold), len(gold))
    for candidate in measured["candidates"].values():
        assert candidate["bulk_characters_per_second"] > 0 and candidate["p50_ms"] <= candidate["p99_ms"]
        assert candidate["micro_f1"] is None


def test_stock_pipeline_reads_every_character_and_finds_nothing(place: Path) -> None:
    stock = tagging.stock_candidate(place)
    assert stock.bulk(["黄飞鸿目前住在北京，", "晓明"]) == [[], []]
    assert stock.single(["黄飞鸿"]) == []
    assert stock.readings is None


def test_f1_is_that_of_the_trained_model(place: Path, tmp_path: Path) -> None:
    tiny_tagger_folder(tmp_path / "models/tagger", lexicon=TAGS)
    gold = read_split(place, "test")
    assert gold is not None
    tagger, folder, note = tagging.our_tagger(tmp_path, place)
    candidates = tagging.our_candidates(tagger, folder)
    assert note is None and list(candidates) == ["torch", "onnx", "int8"]
    wanted = 2 * FOUND / (2 * FOUND + len(gold))
    for name, candidate in candidates.items():
        assert tagging._f1(candidate, gold) == pytest.approx(wanted), name
        assert [(e.type, e.start, e.end) for e in candidate.single(["李雷在上海"])[0]] == [
            ("name", 0, 2), ("address", 3, 5),
        ]  # fmt: skip


def test_exported_model_is_measured_with_its_own_graphs(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = tmp_path / "models/export"
    tiny_tagger_folder(exported / "tagger", lexicon=TAGS)
    (exported / "onnx").mkdir()
    (exported / "onnx/model.int8.onnx").write_bytes(b"graph")
    monkeypatch.setattr(tagging.onnx, "write", lambda *_: pytest.fail("there are graphs"))
    tagger, folder, note = tagging.our_tagger(tmp_path, place)
    assert (folder, note) == (exported / "onnx", None)
    assert json.loads((exported / "tagger/tagger.json").read_text())["types"] == list(tagger.config.types)
