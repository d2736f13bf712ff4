"""One fine-tuning in this process: where its checkpoints lie, who waits for whom, and the folder that it makes."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout
from safetensors.torch import load_file
from support.fine_tune_stage import SENTENCES, write_inputs

from clue_ner.common.files import folder_fingerprint, read_json, verify_checksums
from clue_ner.core.params import Params, load_params
from clue_ner.evaluation.scores import micro
from clue_ner.network.model import TaggerModel
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tagger.tagger import Tagger
from clue_ner.training import fine_tune
from clue_ner.training.evaluation_callback import History
from clue_ner.training.fine_tune import checkpoints_of, exclusive, save, train
from clue_ner.training.inputs import Inputs, describe


@dataclass
class Run:
    """A fine-tuning, and all that went into it."""

    root: Path
    params: Params
    inputs: Inputs
    config: TaggerConfig
    model: TaggerModel
    history: History
    reported: list[int]
    lines: list[str]


USED = "cpu, 1 threads, float32, eager attention"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, backbones: Any, make_aligner: Any) -> Run:
    """Three epochs with a CRF, of which the tests look at different sides."""
    root = tmp_path_factory.mktemp("fine_tune")
    aligner = make_aligner("unigram", "characters_over_pieces")
    write_inputs(root, backbones["unigram"], aligner, head="crf", layers=1, epochs=3, r_drop=0.5)
    params, inputs = load_params(root / "params.yaml"), Inputs.read(root)
    config = describe(inputs, params)
    reported: list[int] = []
    lines = Lines()
    logger = logging.getLogger("clue_ner.training")
    logger.addHandler(lines)
    level, logger.level = logger.level, logging.INFO
    checkpoints = checkpoints_of(root, inputs, config, USED)
    model, history = train(
        inputs, params, config, checkpoints, USED, lambda history: reported.append(len(history.epochs)), None
    )
    logger.removeHandler(lines)
    logger.setLevel(level)
    return Run(root, params, inputs, config, model, history, reported, lines.messages)


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def test_fine_tune_reports_each_epoch(run: Run) -> None:
    assert run.reported == [1, 2, 3] == [row["epoch"] for row in run.history.epochs]
    assert run.lines[0].startswith("training on ")
    assert run.lines[1] == "with r_drop 0.5, layers 1"
    assert [line.split("  ")[0] for line in run.lines[2:]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]


def test_fine_tune_saves_what_a_tagger_loads(run: Run, tmp_path: Path) -> None:
    save(tmp_path / "model", run.model, run.config, run.history, run.inputs)
    verify_checksums(tmp_path / "model", "")
    names = ["checksums.json", "config.json", "model.safetensors", "tagger.json", "tokenizer.json"]
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [*names, "tokenizer_config.json"]
    kept = run.history.epochs[run.history.best - 1]
    trained = run.config.trained.model_copy(update={"valid_micro_f1": kept["valid_micro_f1"]})
    config = TaggerConfig.load(tmp_path / "model")
    assert config.model_copy(update={"trained": None}) == run.config.model_copy(update={"trained": None})
    assert config.trained == trained
    assert read_json(tmp_path / "model/config.json")["num_hidden_layers"] == 1
    saved = load_file(tmp_path / "model/model.safetensors")
    assert set(saved) == set(run.model.state_dict())
    assert all(value.equal(run.model.state_dict()[name]) for name, value in saved.items())
    readings = Tagger.load(tmp_path / "model").read([sentence.text for sentence in SENTENCES["valid"]])
    assert micro(SENTENCES["valid"], [reading.strict for reading in readings])["f1"] == kept["valid_micro_f1"]
    first = folder_fingerprint(tmp_path / "model")
    save(tmp_path / "model", run.model, run.config, run.history, run.inputs)
    assert folder_fingerprint(tmp_path / "model") == first


def test_fine_tune_validates_with_the_crf_s_transitions_as_they_are(run: Run) -> None:
    """A decoder reads a copy of the head's weights: one made before training would score with the first ones."""
    validate = fine_tune._validation(SENTENCES["valid"], run.inputs.aligner(run.config), run.config)
    assert validate is not None
    assert validate(run.model) == {"micro_f1": 1.0, "precision": 1.0, "recall": 1.0}
    start, forbidden = run.model.head.start.data, run.config.tags.index("B-name")
    before = start.clone()
    start[forbidden] = -1e4
    assert validate(run.model)["micro_f1"] == 0.0
    start.copy_(before)


# --- checkpoints


def test_checkpoints_of_a_training_lie_in_one_place(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def folder(**changes: Any) -> Path:
        values = {"home": run.root, "inputs": run.inputs, "config": run.config, "used": USED} | changes
        return checkpoints_of(**values).folder

    first = folder()
    assert first == folder()
    assert first.parent == run.root / ".checkpoints"
    trained = run.config.trained.model_copy(update={"fingerprint": "2" * 64})
    other_training = folder(config=run.config.model_copy(update={"trained": trained}))
    other_device = folder(used="cuda, another")
    monkeypatch.setattr(fine_tune, "version", lambda name: "0.0")
    assert len({first, other_training, other_device, folder()}) == 4


@pytest.mark.parametrize(("rank", "waits"), [("0", True), ("1", False)])
def test_exclusive_is_held_by_the_main_process_only(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: str, waits: bool
) -> None:
    monkeypatch.setenv("RANK", rank)
    checkpoints = checkpoints_of(tmp_path, run.inputs, run.config, USED)
    lock = FileLock(checkpoints.folder.with_suffix(".lock"))
    checkpoints.folder.parent.mkdir()

    def is_free() -> bool:
        try:
            with lock.acquire(timeout=0):
                return True
        except Timeout:
            return False

    with exclusive(tmp_path, checkpoints):
        assert is_free() is not waits
        locks = {path.name for path in (tmp_path / ".checkpoints").glob("*.lock")}
        assert any(name.startswith(("cpu-", "cuda-")) for name in locks) is waits
    assert is_free()


def test_fine_tune_without_a_valid_split_keeps_the_last_epoch(
    fine_tune_inputs: Callable[..., Path], tmp_path: Path
) -> None:
    root = fine_tune_inputs("no-valid", epochs=1, head="softmax")
    params, inputs = load_params(root / "params.yaml"), Inputs.read(root)
    (root / "data/corpus/valid.jsonl").unlink()
    config = describe(inputs, params)
    model, history = train(
        inputs, params, config, checkpoints_of(root, inputs, config, USED), USED, lambda history: None
    )
    save(tmp_path / "model", model, config, history, inputs)
    assert set(history.epochs[0]) == {"epoch", "loss"}
    assert TaggerConfig.load(tmp_path / "model").trained.valid_micro_f1 is None
