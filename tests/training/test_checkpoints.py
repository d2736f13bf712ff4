"""Trainings that are killed and go on: the same weights and history, damaged checkpoints, what is cleared away."""

import errno
import itertools
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from safetensors.torch import save
from support.changed_params import PARAMS
from support.damage import flip, truncate
from transformers import set_seed

from clue_ner.alignment.encode import Report, encode
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.params import TrainParams, load_params
from clue_ner.core.schemes import SCHEMES
from clue_ner.network.model import TaggerModel, load_encoder
from clue_ner.tagger.tagger import model_spec
from clue_ner.training import checkpoints as module
from clue_ner.training.checkpoints import Checkpoints
from clue_ner.training.evaluation_callback import History
from clue_ner.training.trainer import NerTrainer, fine_tune

TAGS = SCHEMES["BIO"].tags(["name"])
CARD = {"head": "crf", "align": "characters_over_pieces", "scheme": "BIO", "tags": TAGS, "context_size": 8}
SENTENCES = [Sentence(str(i), f"王德发{'在' * (i % 7)}北京", (Entity(0, 3, "name"),)) for i in range(23)]
SCORES = [0.1, 0.5, 0.4]


class Killed(BaseException):
    """Ends a training as a kill does: nothing after it runs."""


@pytest.fixture
def params() -> TrainParams:
    change = {"lr": 3e-3, "epochs": 3, "batch_size": 4, "precision": "float32", "checkpoint_seconds": 0.0}
    return TrainParams.model_validate(load_params(PARAMS).train.model_dump() | change)


@pytest.fixture
def tune(
    tmp_path: Path, backbones: dict[str, Path], make_aligner: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[bytes, History]]:
    """Fine-tune in a home of its own; it is killed after so many steps; gives weights and history."""
    aligner = make_aligner("unigram", "characters_over_pieces")
    rows = Dataset.from_list(list(encode(SENTENCES, aligner, SCHEMES["BIO"], TAGS, Report())))

    def run(
        params: TrainParams, kept: Checkpoints | None, die_after: int | None = None, die_scoring: bool = False
    ) -> tuple[bytes, History]:
        set_seed(0)
        encoder = load_encoder(backbones["unigram"], hidden_dropout_prob=0.1)
        model = TaggerModel(encoder, model_spec(CARD, 0.1))
        step, steps = NerTrainer.training_step, itertools.count()

        def training_step(self: Any, *arguments: Any) -> Any:
            if next(steps) == die_after:
                raise Killed
            return step(self, *arguments)

        monkeypatch.setattr(NerTrainer, "training_step", training_step)
        newest = kept.newest() if kept is not None else None
        done = 0 if newest is None else int(newest.name.removeprefix("step-")) // 6
        scores = iter(SCORES[done:])

        def validate(model: TaggerModel) -> dict[str, float]:
            model.eval()
            if die_scoring:
                raise Killed
            return {"micro_f1": next(scores), "precision": 0.5, "recall": 0.5}

        try:
            history = fine_tune(
                model, rows, aligner.tokenizer.pad_token_id, params, 0, str(tmp_path / "scratch"), validate,
                lambda history: None, kept,
            )  # fmt: skip
        finally:
            monkeypatch.setattr(NerTrainer, "training_step", step)
        return save({name: value.contiguous() for name, value in model.state_dict().items()}), history

    return run


def of(home: Path, **about: Any) -> Checkpoints:
    return Checkpoints(home, {"training": "a", "code": "b", **about})


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("died", [1, 5, 6, 7, 12, 16, 17])
def test_checkpoints_lead_to_the_same_weights_and_history(
    tmp_path: Path, tune: Any, params: TrainParams, died: int, keep: str
) -> None:
    params = params.model_copy(update={"keep": keep})
    weights, history = tune(params, None)
    with pytest.raises(Killed):
        tune(params, of(tmp_path), die_after=died)
    assert of(tmp_path).newest() == of(tmp_path).folder / f"step-{died:08d}"
    resumed = tune(params, of(tmp_path))
    assert resumed[1].epochs == history.epochs
    assert (resumed[1].best, len(resumed[1].seconds)) == (history.best, 3)
    assert resumed[0] == weights


@pytest.mark.parametrize("died", [1, 6, 8, 12, 17])
def test_checkpoints_have_the_state_of_every_lever(tmp_path: Path, tune: Any, params: TrainParams, died: int) -> None:
    levers = {"ema_decay": 0.9, "fgm_epsilon": 0.1, "r_drop": 0.5, "layer_lr_decay": 0.8}
    params = TrainParams.model_validate(params.model_dump() | levers)
    weights, history = tune(params, None)
    with pytest.raises(Killed):
        tune(params, of(tmp_path), die_after=died)
    resumed = tune(params, of(tmp_path))
    assert resumed[1].epochs == history.epochs
    assert resumed[0] == weights


def test_checkpoints_before_the_scores_of_an_epoch_do_not_skip_them(
    tmp_path: Path, tune: Any, params: TrainParams
) -> None:
    with pytest.raises(Killed):
        tune(params, of(tmp_path), die_scoring=True)
    assert tune(params, of(tmp_path))[1].epochs == tune(params, None)[1].epochs


def test_checkpoints_of_a_finished_training_need_no_step(tmp_path: Path, tune: Any, params: TrainParams) -> None:
    done, history = tune(params, of(tmp_path))
    weights, again = tune(params, of(tmp_path), die_after=0)
    assert (weights, again.epochs, again.best) == (done, history.epochs, 2)


def test_checkpoints_keep_patience_at_its_end(tmp_path: Path, tune: Any, params: TrainParams) -> None:
    params = params.model_copy(update={"patience": 1, "epochs": 5})
    done, history = tune(params, of(tmp_path))
    assert len(history.epochs) == 3
    assert tune(params, of(tmp_path), die_after=0) == (done, history)


def test_checkpoints_are_two_at_most_and_go_when_asked(tmp_path: Path, tune: Any, params: TrainParams) -> None:
    kept = of(tmp_path)
    tune(params, kept)
    assert [path.name for path in sorted(kept.folder.glob("step-*"))] == ["step-00000017", "step-00000018"]
    kept.remove()
    assert not kept.folder.exists()


def test_checkpoints_wait_for_their_seconds_and_cost(tmp_path: Path, tune: Any, params: TrainParams) -> None:
    rare = params.model_copy(update={"checkpoint_seconds": 3600.0})
    tune(rare, of(tmp_path))
    assert of(tmp_path).newest() is None
    dear = of(tmp_path)
    dear.seconds = 3600.0
    tune(params.model_copy(update={"checkpoint_seconds": 1e-9}), dear)
    assert dear.newest() is None


FILES = ("model.safetensors", "optimizer.pt", "progress.json", "processes.pt")


def put(folder: Path, *names: str, content: str = "1") -> None:
    for name in names:
        (folder / name).write_text(content)


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink])
@pytest.mark.parametrize(
    "name", ["model.safetensors", "optimizer.pt", "progress.json", "processes.pt", "checksums.json"]
)
def test_checkpoints_damaged_is_named_and_the_one_before_is_used(
    tmp_path: Path,
    tune: Any,
    params: TrainParams,
    name: str,
    damage: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = of(tmp_path)
    for step in (1, 2):
        kept.write(step, lambda folder: put(folder, *FILES, content="content " * 40))
    damage(kept.folder / "step-00000002" / name)
    with caplog.at_level(logging.WARNING, logger="clue_ner"):
        assert kept.newest() == kept.folder / "step-00000001"
    (line,) = caplog.messages
    assert f"step-00000002/{name}" in line or name == "checksums.json"
    assert not (kept.folder / "step-00000002").exists()


def test_checkpoints_all_damaged_begin_anew(tmp_path: Path, tune: Any, params: TrainParams) -> None:
    weights, history = tune(params, None)
    with pytest.raises(Killed):
        tune(params, of(tmp_path), die_after=9)
    for path in of(tmp_path).folder.glob("step-*/optimizer.pt"):
        truncate(path)
    resumed = tune(params, of(tmp_path))
    assert resumed[0] == weights
    assert resumed[1].epochs == history.epochs


def test_checkpoints_of_other_params_are_not_used_and_stay(tmp_path: Path) -> None:
    for name in ("a", "c"):
        of(tmp_path, training=name).write(1, lambda folder: put(folder, "x"))
    assert of(tmp_path, training="d").newest() is None
    with of(tmp_path).held():
        assert of(tmp_path, training="c").newest() is not None


def test_checkpoints_of_other_code_and_half_ones_are_cleared_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other, kept = of(tmp_path, code="old"), of(tmp_path)
    for one in (other, kept):
        one.write(1, lambda folder: put(folder, "x"))
    shutil.copytree(kept.folder / "step-00000001", kept.folder / ".step-00000002.abc")
    with caplog.at_level(logging.INFO, logger="clue_ner"), kept.held():
        assert not other.folder.exists()
        assert [path.name for path in kept.folder.glob("*step-*")] == ["step-00000001"]
    assert caplog.messages == [f"removed the checkpoints in {other.folder}: they were made by other code"]


def test_checkpoints_of_a_running_training_are_left_alone(tmp_path: Path) -> None:
    running = of(tmp_path, code="old")
    with running.held():
        running.write(1, lambda folder: put(folder, "x"))
        with of(tmp_path).held():
            assert running.newest() is not None


def test_checkpoints_have_a_limit_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 5000)
    for number in range(4):
        of(tmp_path, training=number).write(1, lambda folder: put(folder, "x", content="?" * 2000))
        os.utime(of(tmp_path, training=number).folder, (number, number))
    with of(tmp_path).held():
        left = [number for number in range(4) if of(tmp_path, training=number).newest()]
    assert left == [2, 3]


@pytest.mark.parametrize("where", ["mkdtemp", "write_checksums"])
def test_checkpoints_on_a_full_disk_are_left_out_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    kept = of(tmp_path)
    kept.write(1, lambda folder: put(folder, "x"))
    monkeypatch.setattr(
        *{"mkdtemp": (tempfile, "mkdtemp"), "write_checksums": (module, "write_checksums")}[where], full
    )
    kept.write(2, lambda folder: put(folder, "x"))
    assert caplog.messages == ["no checkpoint at step 2: the disk is full; free some space"]
    assert kept.newest() == kept.folder / "step-00000001"
