"""Trainings that are killed and resumed end with the weights and the history of an uninterrupted one."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save
from support.changed_params import PARAMS
from support.configs import tagger_config
from support.damage import truncate
from transformers import set_seed

from clue_ner.alignment.encode import Report, encode
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.params import TrainParams, load_params
from clue_ner.core.schemes import SCHEMES
from clue_ner.network.encoder import load_encoder
from clue_ner.network.model import TaggerModel
from clue_ner.training.checkpoints import Checkpoints
from clue_ner.training.evaluation_callback import History
from clue_ner.training.trainer import NerTrainer, fit

CONFIG = tagger_config(["name"], context_size=8)
SENTENCES = [Sentence(str(i), f"王德发{'在' * (i % 7)}北京", (Entity(0, 3, "name"),)) for i in range(23)]
STEPS = 6
"""of each of the three epochs"""
SCORES = [0.1, 0.5, 0.4]


class Killed(BaseException):
    """Ends a training as a kill does: nothing after it runs."""


class AllKept(Checkpoints):
    """Copies every checkpoint to ``archive`` as it is written."""

    archive: Path

    def write(self, step: int, fill: Callable[[Path], None]) -> None:
        super().write(step, fill)
        name = f"step-{step:08d}"
        shutil.copytree(self.folder / name, self.archive / name)


class Fit:
    """Trains a new model of one seed on ``SENTENCES``; its weights as bytes, and the history."""

    def __init__(self, backbone: Path, aligner: Any, scratch: Path) -> None:
        self.backbone, self.aligner, self.scratch = backbone, aligner, scratch
        self.examples = list(encode(SENTENCES, aligner, SCHEMES["BIO"], CONFIG.tags, Report()))
        self._uninterrupted: dict[str, tuple[bytes, History]] = {}
        self._archives: dict[str, Path] = {}

    def uninterrupted(self, params: TrainParams) -> tuple[bytes, History]:
        """The training without checkpoints, computed once for all tests of this module."""
        key = params.model_dump_json()
        if key not in self._uninterrupted:
            self._uninterrupted[key] = self(params, None)
        return self._uninterrupted[key]

    def put_checkpoints(self, params: TrainParams, step: int, kept: Checkpoints) -> None:
        """Leave what a kill after ``step`` steps leaves; the checkpoints of all steps are computed once a module."""
        key = params.model_dump_json()
        if key not in self._archives:
            self._archives[key] = self.scratch / f"archive-{len(self._archives)}"
            every = AllKept(self._archives[key], {})
            every.archive = self._archives[key]
            assert self(params, every)[0] == self.uninterrupted(params)[0]
        for number in (step - 1, step):
            if number:
                name = f"step-{number:08d}"
                shutil.copytree(self._archives[key] / name, kept.folder / name)

    def __call__(
        self, params: TrainParams, kept: Checkpoints | None, die_after: int | None = None, die_scoring: bool = False
    ) -> tuple[bytes, History]:
        """Train with the checkpoints ``kept``; it is killed after ``die_after`` steps, or before the first scores."""
        set_seed(0)
        model = TaggerModel(load_encoder(self.backbone, dropout=0.1, attention_dropout=0.1), CONFIG, 0.1)
        step, steps = NerTrainer.training_step, itertools.count()

        def training_step(trainer: Any, *arguments: Any) -> Any:
            if next(steps) == die_after:
                raise Killed
            return step(trainer, *arguments)

        newest = kept.newest() if kept is not None else None
        done = 0 if newest is None else int(newest.name.removeprefix("step-")) // STEPS
        scores = iter(SCORES[done:])

        def validate(model: TaggerModel) -> dict[str, float]:
            model.eval()
            if die_scoring:
                raise Killed
            return {"micro_f1": next(scores), "precision": 0.5, "recall": 0.5}

        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(NerTrainer, "training_step", training_step)
            pad, scratch = self.aligner.tokenizer.pad_id, str(self.scratch / "trainer")
            history = fit(model, self.examples, pad, params, 0, scratch, validate, lambda history: None, kept)
        return save({name: value.contiguous() for name, value in model.state_dict().items()}), history


@pytest.fixture(scope="module")
def fitted(
    tmp_path_factory: pytest.TempPathFactory, backbones: dict[str, Path], make_aligner: Callable[..., Any]
) -> Fit:
    aligner = make_aligner("unigram", "characters_over_pieces")
    return Fit(backbones["unigram"], aligner, tmp_path_factory.mktemp("scratch"))


@pytest.fixture
def params() -> TrainParams:
    change = {"lr": 3e-3, "epochs": 3, "batch_size": 4, "precision": "float32", "checkpoint_seconds": 0.0}
    return TrainParams.model_validate(load_params(PARAMS).train.model_dump() | change)


def of(home: Path) -> Checkpoints:
    return Checkpoints(home, {"training": "a", "code": "b"})


def resumed(fitted: Fit, params: TrainParams, kept: Checkpoints) -> tuple[bytes, History]:
    """The rest of the training, without further checkpoints."""
    return fitted(params.model_copy(update={"checkpoint_seconds": 3600.0}), kept)


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("died", [1, 5, 6, 7, 12, 16, 17])
def test_resume_gives_the_weights_and_history_of_an_uninterrupted_training(
    tmp_path: Path, fitted: Fit, params: TrainParams, died: int, keep: str
) -> None:
    params = params.model_copy(update={"keep": keep})
    weights, history = fitted.uninterrupted(params)
    fitted.put_checkpoints(params, died, of(tmp_path))
    again = resumed(fitted, params, of(tmp_path))
    assert again[1].epochs == history.epochs
    assert (again[1].best, len(again[1].seconds)) == (history.best, 3)
    assert again[0] == weights


@pytest.mark.parametrize("died", [1, 6, 8, 12, 17])
def test_resume_has_the_state_of_every_lever(tmp_path: Path, fitted: Fit, params: TrainParams, died: int) -> None:
    options = {"ema_decay": 0.9, "fgm_epsilon": 0.1, "r_drop": 0.5, "layer_lr_decay": 0.8}
    params = TrainParams.model_validate(params.model_dump() | options)
    weights, history = fitted.uninterrupted(params)
    fitted.put_checkpoints(params, died, of(tmp_path))
    again = resumed(fitted, params, of(tmp_path))
    assert again[1].epochs == history.epochs
    assert again[0] == weights


def test_resume_after_two_kills(tmp_path: Path, fitted: Fit, params: TrainParams) -> None:
    for died, steps in ((5, 5), (8, 3)):
        with pytest.raises(Killed):
            fitted(params, of(tmp_path), die_after=steps)
        assert of(tmp_path).newest() == of(tmp_path).folder / f"step-{died:08d}"
    again = fitted(params, of(tmp_path))
    weights, history = fitted.uninterrupted(params)
    assert again[0] == weights
    assert again[1].epochs == history.epochs


def test_resume_before_the_scores_of_an_epoch_does_not_skip_them(
    tmp_path: Path, fitted: Fit, params: TrainParams
) -> None:
    with pytest.raises(Killed):
        fitted(params, of(tmp_path), die_scoring=True)
    assert fitted(params, of(tmp_path))[1].epochs == fitted.uninterrupted(params)[1].epochs


def test_resume_of_a_finished_training_needs_no_step(tmp_path: Path, fitted: Fit, params: TrainParams) -> None:
    done, history = fitted(params, of(tmp_path))
    assert done == fitted.uninterrupted(params)[0]
    weights, again = fitted(params, of(tmp_path), die_after=0)
    assert (weights, again.epochs, again.best) == (done, history.epochs, 2)


def test_resume_keeps_patience_at_its_end(tmp_path: Path, fitted: Fit, params: TrainParams) -> None:
    params = params.model_copy(update={"patience": 1, "epochs": 5})
    done, history = fitted(params, of(tmp_path))
    assert len(history.epochs) == 3
    assert fitted(params, of(tmp_path), die_after=0) == (done, history)


def test_resume_with_all_checkpoints_damaged_begins_anew(tmp_path: Path, fitted: Fit, params: TrainParams) -> None:
    weights, history = fitted.uninterrupted(params)
    fitted.put_checkpoints(params, 9, of(tmp_path))
    for path in of(tmp_path).folder.glob("step-*/optimizer.pt"):
        truncate(path)
    again = resumed(fitted, params, of(tmp_path))
    assert not list(of(tmp_path).folder.glob("step-*"))
    assert again[0] == weights
    assert again[1].epochs == history.epochs


def test_checkpoints_are_written_every_seconds_or_as_rarely_as_their_cost_asks(
    tmp_path: Path, fitted: Fit, params: TrainParams
) -> None:
    params = params.model_copy(update={"epochs": 1})
    fitted(params.model_copy(update={"checkpoint_seconds": 3600.0}), of(tmp_path))
    assert of(tmp_path).newest() is None
    dear = of(tmp_path)
    dear.seconds = 3600.0
    fitted(params.model_copy(update={"checkpoint_seconds": 1e-9}), dear)
    assert dear.newest() is None
    cheap = of(tmp_path)
    fitted(params.model_copy(update={"checkpoint_seconds": 0.0}), cheap)
    assert sorted(path.name for path in cheap.folder.glob("step-*")) == ["step-00000005", "step-00000006"]
