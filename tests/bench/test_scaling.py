import json
from pathlib import Path
from typing import Any

import pytest

from bench import scaling
from clue_ner.common.files import read_json


def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten sentences instead of CLUENER's."""
    for name, (split, _) in scaling.CLUENER.items():
        monkeypatch.setitem(scaling.CLUENER, name, (split, 10))


def test_repeated_gives_every_sentence_an_id_of_its_own(place: Path, sentences: list[dict[str, Any]]) -> None:
    wanted = 3 * len(sentences) + 30
    found = scaling.repeated(place, wanted)
    assert len({sentence.id for sentence in found}) == len(found) == wanted
    assert found[0].text == found[-30].text


def test_measured_stages_read_the_sentences_and_do_their_work(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few(monkeypatch)
    for name in scaling.CLUENER:
        folder = tmp_path / name
        scaling.lay_out(place, folder, name, times=3)
        scaling.main(name, folder)
        measured = json.loads(capsys.readouterr().out)
        assert measured["seconds"] > 0 and measured["peak_gb"] >= measured["imports_gb"] > 0
    assert read_json(tmp_path / "tokenize_align/metrics/alignment.json")["train"]["sentences"] == 30
    assert (tmp_path / "tokenize_align/data/encoded/train.arrow").is_file()
    scores = read_json(tmp_path / "evaluate/data/predictions/errors.json")["scores"]
    assert (scores["sentences"], scores["micro"]["f1"], scores["lenient"]["f1"]) == (30, 1.0, 1.0)
    lines = (tmp_path / "evaluate/data/predictions/test.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 30


def test_once_measures_in_a_process_of_its_own(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    held = bytearray(b"1") * 1_000_000_000
    measured = scaling.once(place, "tokenize_align", times=2)
    assert 0 < measured["imports_gb"] <= measured["peak_gb"] < len(held) / 1e9
    assert measured["seconds"] > 0


def test_once_shows_why_a_stage_failed(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)

    def damaged(place: Path, folder: Path, name: str, times: int) -> None:
        (folder / "params.yaml").write_text("seed: {")

    monkeypatch.setattr(scaling, "lay_out", damaged)
    with pytest.raises(RuntimeError, match=r"tokenize_align at 2×:(.|\n)*not YAML"):
        scaling.once(place, "tokenize_align", times=2)


def test_measure_goes_through_stages_and_sizes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "once", lambda place, name, times: {"seconds": float(times)})
    measured = scaling.measure(place, (1, 4))
    assert measured == {
        name: [{"times": n, "sentences": n * sentences, "seconds": float(n)} for n in (1, 4)]
        for name, (_, sentences) in scaling.CLUENER.items()
    }
