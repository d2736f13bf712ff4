import shutil
from pathlib import Path

import pytest
from support.tiny import TAGS, tiny_tagger_folder

from clue_ner.core.entities import Sentence
from clue_ner.corpora.sample import parse
from clue_ner.exporting import onnx, parity, stock_transformers
from clue_ner.tagger.tagger import Tagger

GOLD = [
    parse("[李雷|name]昨天去了[上海|address]，", "1"),
    parse("我们在[招商银行|company]，", "2"),
    parse("一人", "3"),
    parse("[在上海|address]", "4"),
]


def export(root: Path, tags: dict[str, str] = TAGS, head: str = "softmax", scheme: str = "BIO") -> Tagger:
    """Every format of a tagger that knows ``tags`` by heart, in ``root``."""
    folder = tiny_tagger_folder(root / "tagger", head, "characters", scheme, lexicon=tags)
    tagger = Tagger.load(folder)
    onnx.write(tagger.model, root / "onnx")
    stock_transformers.write(tagger, root / "transformers")
    return tagger


def test_parity_reports_every_format(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    report = parity.report(export(tmp_path), GOLD, tmp_path)
    assert report["stock_transformers"] is True
    assert (report["sentences"], report["tokens"]) == (4, sum(len(s.text) + 2 for s in GOLD))
    assert report["bytes"] == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    formats = report["formats"]
    assert list(formats) == ["torch", "onnx", "int8", "transformers"]
    for name in ("torch", "onnx", "int8"):
        assert formats[name]["micro_f1"] == pytest.approx(2 * 3 / (4 + 4))
        assert formats[name]["bytes"] == (tmp_path / parity.FILES[name]).stat().st_size
        assert formats[name]["tokens_per_second"] > 0
    assert formats["onnx"]["logit_difference"] < 1e-4 < formats["int8"]["logit_difference"]
    assert formats["transformers"]["same_entities"] == 1
    assert all(formats[name]["ok"] for name in ("onnx", "int8", "transformers"))
    assert not caplog.records


def test_parity_without_onnx_and_stock_transformers_has_torch_alone(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS))
    report = parity.report(tagger, GOLD, tmp_path)
    assert list(report["formats"]) == ["torch"]
    assert report["stock_transformers"] is False


def test_parity_warns_of_formats_that_are_another_model(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tagger = export(tmp_path / "ours")
    export(tmp_path / "others", {"李": "B-address"})
    for name in ("onnx", "int8"):
        shutil.copy(tmp_path / "others" / parity.FILES[name], tmp_path / "ours" / parity.FILES[name])
    formats = parity.report(tagger, GOLD, tmp_path / "ours")["formats"]
    for name in ("onnx", "int8"):
        assert formats[name]["ok"] is False
        assert formats[name]["logit_difference"] > 1
        assert formats[name]["f1_loss"] == pytest.approx(0.75)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[0] for line in lines] == ["onnx/model.onnx", "onnx/model.int8.onnx"]
    assert all("micro F1 is 75.00 points lower" in line for line in lines)


def test_parity_counts_sentences_in_which_stock_transformers_differs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tagger = export(tmp_path, {"上": "S-address", "海": "E-address"}, scheme="BMES")
    formats = parity.report(tagger, GOLD, tmp_path)["formats"]
    assert formats["transformers"]["same_entities"] == 0.5
    assert formats["transformers"]["ok"] is False
    assert "other entities in 2 of 4 sentences" in caplog.text


def test_parity_measures_the_first_sentences_alone(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS))
    gold = [Sentence(str(number), "上海") for number in range(parity.SENTENCES + 1)]
    assert parity.report(tagger, gold, tmp_path)["sentences"] == parity.SENTENCES
