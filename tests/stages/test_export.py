import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.places import ROOT
from support.tiny import TAGS, tiny_tagger_folder
from support.tracking_repository import free_port
from test_exporting_card import CORPUS, SCORES, TAGGER, TRAIN

from clue_ner.common.errors import ArtifactError
from clue_ner.core.files import read_json, verify_checksums, write_checksums, write_json, write_sentences
from clue_ner.corpora.sample import parse
from clue_ner.exporting import stock_transformers
from clue_ner.tagger.tagger import Tagger

main = runpy.run_path(str(ROOT / "stages/export.py"))["main"]
GOLD = [parse("[李雷|name]昨天去了[上海|address]，", "1"), parse("一人在[招商银行|company]", "2")]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline's root, where MLflow cannot be reached."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def write_inputs(root: Path, head: str, align: str, onnx: bool = True) -> None:
    """What the stages before export leave, of a tagger that knows TAGS by heart."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["export"]["onnx"] = onnx
    params["train"]["lr"] = 2e-4
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    folder = tiny_tagger_folder(root / "models/tagger", head, align, lexicon=TAGS)
    card = read_json(folder / "tagger.json")
    card["trained"] = TAGGER["trained"] | {"valid_micro_f1": TRAIN["valid_micro_f1"]}
    write_json(folder / "tagger.json", card)
    write_checksums(folder)
    write_json(root / "data/corpus/corpus.json", CORPUS)
    write_sentences(root / "data/corpus/test.jsonl", GOLD)
    write_checksums(root / "data/corpus")
    write_json(root / "metrics/train.json", TRAIN)
    write_json(root / "metrics/evaluate.json", SCORES)


def test_export_writes_every_format_and_registers(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_inputs(root, "softmax", "characters")
    main(root)
    folder = root / "models/export"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "onnx", "tagger", "transformers"]
    verify_checksums(folder / "tagger", "never")
    texts = [sentence.text for sentence in GOLD]
    wanted = [list(sentence.entities) for sentence in GOLD]
    assert Tagger.load(folder).tag(texts) == wanted
    assert stock_transformers.read(folder / "transformers", texts) == wanted
    metrics = read_json(root / "metrics/export.json")
    assert not any("tokens_per_second" in line for line in metrics["formats"].values())
    assert metrics["stock_transformers"] is True
    assert {name: line["micro_f1"] for name, line in metrics["formats"].items() if name != "transformers"} == {
        "torch": 1.0,
        "onnx": 1.0,
        "int8": 1.0,
    }
    assert "\nlanguage: zh\n" in (folder / "README.md").read_text(encoding="utf-8")
    assert not any(sentence.text in path.read_text() for sentence in GOLD for path in (root / "metrics").iterdir())
    assert "registered with `clue-ner sync`" in caplog.text
    kept = root / ".tracking/unregistered" / TAGGER["trained"]["fingerprint"]
    assert (kept / "tagger/model.safetensors").read_bytes() == (folder / "tagger/model.safetensors").read_bytes()


def test_export_writes_what_the_model_and_the_params_allow(root: Path) -> None:
    write_inputs(root, "crf", "characters_over_pieces", onnx=False)
    (root / "models/export/onnx").mkdir(parents=True)
    main(root)
    assert sorted(path.name for path in (root / "models/export").iterdir()) == ["README.md", "tagger"]
    metrics = read_json(root / "metrics/export.json")
    assert (metrics["stock_transformers"], list(metrics["formats"])) == (False, ["torch"])
    assert "It needs clue-ner: its head is crf" in (root / "models/export/README.md").read_text(encoding="utf-8")


def test_export_leaves_nothing_half_written(root: Path) -> None:
    write_inputs(root, "softmax", "characters", onnx=False)
    write_json(root / "metrics/evaluate.json", {name: value for name, value in SCORES.items() if name != "official"})
    with pytest.raises(KeyError, match="official"):
        main(root)
    assert [path.name for path in (root / "models").iterdir()] == ["tagger"]
    assert not (root / "metrics/export.json").exists()


def test_export_refuses_a_damaged_tagger(root: Path) -> None:
    write_inputs(root, "softmax", "characters", onnx=False)
    (root / "models/tagger/tokenizer.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"models/tagger/tokenizer\.json: damaged .* dvc repro`"):
        main(root)
