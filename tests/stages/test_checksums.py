"""A bit that flips in what an earlier stage wrote is noticed by each stage that reads it."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.damage import flip
from support.export_stage import write_inputs
from support.places import ROOT

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import CHECKSUMS

STAGES = ROOT / "stages"
ADVICE = r"damaged.*run `chmod -R u\+w \.dvc/cache && dvc repro`"


@pytest.fixture
def root(fine_tune_inputs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline's root in which all is ready for fine_tune, and for export of another model."""
    root = fine_tune_inputs("root")
    monkeypatch.setenv("DVC_ROOT", str(root))
    return root


def run(root: Path, stage: str) -> Any:
    return runpy.run_path(str(STAGES / f"{stage}.py"))["main"](root)


@pytest.mark.parametrize(
    ("stage", "file"),
    [
        ("tag_map", "data/corpus/corpus.json"),
        ("tokenize_align", "data/corpus/train.jsonl"),
        ("tokenize_align", "data/backbone/tokenizer.json"),
        ("fine_tune", "data/corpus/valid.jsonl"),
        ("fine_tune", "data/backbone/model.safetensors"),
        ("fine_tune", "data/encoded/train.arrow"),
        ("fine_tune", "data/encoded/tokenizer/tokenizer.json"),
        ("fine_tune", "data/tags.json"),
        ("tokenize_align", "data/tags.json"),
    ],
)
def test_checksums_flipped_bit_is_noticed_by_the_stage_that_reads_it(root: Path, stage: str, file: str) -> None:
    flip(root / file)
    with pytest.raises(ArtifactError, match=ADVICE) as caught:
        run(root, stage)
    assert str(root / file) in str(caught.value)
    assert not (root / ".tracking").exists(), "nothing was recorded of a training that could not begin"


def test_checksums_that_are_damaged_themselves_are_noticed_alike(root: Path) -> None:
    flip(root / "data/encoded" / CHECKSUMS)
    with pytest.raises(ArtifactError, match=ADVICE):
        run(root, "fine_tune")
    (root / "data/encoded" / CHECKSUMS).write_text("[]")
    with pytest.raises(ArtifactError, match=ADVICE):
        run(root, "fine_tune")


@pytest.mark.parametrize("stage", ["evaluate", "export"])
@pytest.mark.parametrize("file", ["data/test/test.jsonl", "data/test/corpus.json", "models/tagger/model.safetensors"])
def test_checksums_flipped_bit_is_noticed_after_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, file: str
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    write_inputs(tmp_path, "softmax", "characters", onnx=False)
    flip(tmp_path / file)
    with pytest.raises(ArtifactError, match=ADVICE) as caught:
        run(tmp_path, stage)
    assert str(tmp_path / file) in str(caught.value)
