import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench import reading
from clue_ner.layouts import read


def test_corpus_has_the_size_that_is_asked_for_and_surfaces_that_are_entities(tmp_path: Path) -> None:
    records = list(read(reading.write(tmp_path / "a.jsonl", 200)))
    assert len({record.sentence.text for record in records}) == len(records) == 200
    surfaces = [[e.surface(r.sentence.text) for e in r.sentence.entities] for r in records]
    assert all((place, name) == ("上海", "程千帆") for _, place, name in surfaces)
    assert len({first for first, *_ in surfaces}) == 200


@pytest.mark.slow
def test_measure_has_every_kind_and_size_and_the_baseline_if_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SIZES", (50, 60))
    monkeypatch.setattr(reading, "SENTENCES", 50)
    monkeypatch.setattr(reading, "ROUNDS", 1)
    measured: dict[str, Any] = json.loads(json.dumps(reading.measure(tmp_path)))
    assert measured["per_cpu_second"]["now"] > 0
    history = subprocess.run(["git", "cat-file", "-e", "3ec9ba5^{commit}"], cwd=reading.ROOT, check=False)
    assert ("baseline" in measured["per_cpu_second"]) == (history.returncode == 0)
    assert measured["sizes"] == [50, 60]
    assert set(measured["memory"]) == {"convert", "held", "download", "report"}
    assert all(peak > 10e6 for peaks in measured["memory"].values() for peak in peaks)


def test_measured_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"speed:\n(.|\n)*missing\.jsonl: cannot be read"):
        reading._measured(["-m", "bench.reading", "speed"], tmp_path / "missing.jsonl")
