import runpy
from pathlib import Path

import pytest
from support.cards import CORPUS, SCORES, TAGGER
from support.export_stage import GOLD, write_inputs
from support.places import ROOT
from support.tracking_repository import free_port, leave_stores_alone, local_client, put_empty_store

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import read_json, verify_checksums, write_checksums, write_json
from clue_ner.core.entities import fingerprint
from clue_ner.exporting import stock_transformers
from clue_ner.tagger.tagger import Tagger

main = runpy.run_path(str(ROOT / "stages/export.py"))["main"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline's root, where MLflow cannot be reached."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def test_export_writes_every_format_and_registers(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_inputs(root, "softmax", "characters")
    main(root)
    folder = root / "models/export"
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "corpus.json",
        "onnx",
        "registry.json",
        "tagger",
        "transformers",
    ]
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
    corpus = read_json(folder / "corpus.json")
    assert list(corpus["splits"]) == ["train", "valid", "test"]
    assert corpus["splits"]["test"]["fingerprint"] == fingerprint(GOLD)
    assert corpus["fingerprint"] == CORPUS["fingerprint"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "\nlanguage: zh\n" in card
    assert f"all splits `{corpus['fingerprint_all']}`" in card
    assert not any(sentence.text in path.read_text() for sentence in GOLD for path in (root / "metrics").iterdir())
    assert "registered with `clue-ner sync`" in caplog.text
    kept = root / ".tracking/unregistered" / f"{TAGGER.trained.fingerprint}+int8"
    for name in ("tagger/model.safetensors", "onnx/model.int8.onnx", "registry.json"):
        assert (kept / name).read_bytes() == (folder / name).read_bytes()
    assert not (kept / "onnx/model.onnx").exists()
    assert read_json(folder / "registry.json") == {"graphs": ["int8"], "runtime": "int8"}


def test_export_writes_what_the_model_and_the_params_allow(root: Path) -> None:
    write_inputs(root, "crf", "characters_over_pieces", onnx=False)
    (root / "models/export/onnx").mkdir(parents=True)
    main(root)
    names = ["README.md", "corpus.json", "registry.json", "tagger"]
    assert sorted(path.name for path in (root / "models/export").iterdir()) == names
    metrics = read_json(root / "metrics/export.json")
    assert (metrics["stock_transformers"], list(metrics["formats"])) == (False, ["torch"])
    assert "It needs clue-ner: its head is crf" in (root / "models/export/README.md").read_text(encoding="utf-8")


def test_export_again_in_other_formats_registers_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_stores_alone(monkeypatch)
    put_empty_store(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    write_inputs(tmp_path, "softmax", "characters", onnx=False)
    text = (tmp_path / "params.yaml").read_text()
    for onnx in ("false", "true"):
        (tmp_path / "params.yaml").write_text(text.replace("\n  onnx: false", f"\n  onnx: {onnx}"))
        for _ in range(2):
            main(tmp_path)
    found = local_client(tmp_path).search_model_versions("name = 'clue-ner'")
    formats = {version.version: version.tags["clue_ner.formats"] for version in found}
    assert formats == {1: "torch", 2: "torch, int8"}
    tagger = Tagger.load("models:/clue-ner@champion", "int8")
    assert tagger.tag([GOLD[0].text]) == [list(GOLD[0].entities)]


def test_export_without_scores_says_so_and_compares_the_formats_on_train(root: Path) -> None:
    write_inputs(root, "softmax", "characters")
    (root / "data/test/test.jsonl").unlink()
    for name, splits in (("corpus", ["train"]), ("test", [])):
        described = read_json(root / f"data/{name}/corpus.json")
        kept = {split: values for split, values in described["splits"].items() if split in splits}
        write_json(root / f"data/{name}/corpus.json", described | {"splits": kept})
        write_checksums(root / "data" / name)
    texts = ["not scored: the corpus has neither test nor valid"]
    write_json(root / "metrics/evaluate.json", {"split": None, "warnings": {"count": 1, "texts": texts}})
    main(root)
    card = (root / "models/export/README.md").read_text(encoding="utf-8")
    assert "Not scored: sample has neither a test nor a valid split." in card
    assert f"- {texts[0]}" in card.splitlines()
    assert f"first {len(GOLD)} sentences of train, so that its F1 only compares the formats" in card
    assert "model-index" not in card
    assert read_json(root / "metrics/export.json")["formats"]["int8"]["ok"] is True


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
