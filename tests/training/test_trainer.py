"""Fine-tuning: the batches and rates of each step, the same bytes from the same seed, options, and that it learns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from support.trainings import HEADS, SENTENCES, Setting, change

from clue_ner.core.params import TrainParams
from clue_ner.evaluation.scores import micro
from clue_ner.network.model import TaggerModel
from clue_ner.training import device, model_setup
from clue_ner.training.sampler import LengthGroupedBatches
from clue_ner.training.trainer import NerTrainer, arguments

ALIGNMENTS = ["characters", "pieces", "characters_over_pieces"]


def test_training_arguments_write_nothing_of_their_own(params: TrainParams, tmp_path: Path) -> None:
    args = arguments(change(params, warmup=0.25), 7, str(tmp_path))
    assert (args.seed, args.data_seed, args.report_to) == (7, 7, [])
    assert (str(args.save_strategy.value), str(args.eval_strategy.value)) == ("no", "no")
    assert args.get_warmup_steps(100) == 25
    assert arguments(change(params, warmup=0.0), 7, str(tmp_path)).get_warmup_steps(100) == 0


class Recording(NerTrainer):
    """Notes what each step saw."""

    steps: list[tuple[list[list[int]], list[float]]]

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self.steps.append((inputs["input_ids"].tolist(), rates))
        return super().compute_loss(model, inputs, *args, **options)


@pytest.fixture
def recorded(setting: Any, params: TrainParams, tmp_path: Path) -> tuple[Setting, Recording]:
    made = setting("crf")
    params = change(params, lr=1e-4, head_lr_factor=5.0, transition_lr_factor=100.0, warmup=0.2)
    pad = made.aligner.tokenizer.pad_id
    trainer = Recording(made.model(), arguments(params, 3, str(tmp_path)), params, made.examples, pad)
    trainer.steps = []
    trainer.train()
    return made, trainer


def test_training_takes_the_batches_of_each_epoch(recorded: tuple[Setting, Recording]) -> None:
    made, trainer = recorded
    pad = made.aligner.tokenizer.pad_id
    ids = [example.input_ids for example in made.examples]
    sampler = LengthGroupedBatches([len(row) for row in ids], 8, seed=3)
    expected = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        for batch in sampler:
            width = max(len(ids[i]) for i in batch)
            expected.append([ids[i] + [pad] * (width - len(ids[i])) for i in batch])
    assert [batch for batch, _ in trainer.steps] == expected
    assert expected[:3] != expected[3:6] != expected[6:]


def test_training_rates_rise_and_fall_together(recorded: tuple[Setting, Recording]) -> None:
    _, trainer = recorded
    rates = torch.tensor([rates for _, rates in trainer.steps], dtype=torch.float64)
    factors = torch.tensor([group["initial_lr"] for group in trainer.optimizer.param_groups], dtype=torch.float64)
    assert sorted(set(factors.tolist())) == pytest.approx([1e-4, 5e-4, 1e-2])
    share = torch.tensor([0, 1 / 2, 1, 6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7], dtype=torch.float64)
    torch.testing.assert_close(rates, share[:, None] * factors)


@pytest.mark.parametrize("head", HEADS)
def test_training_gives_the_same_bytes_from_the_same_seed(
    setting: Any, params: TrainParams, tmp_path: Path, head: str
) -> None:
    made = setting(head)

    def train(seed: int) -> bytes:
        model = made.model(seed)
        made.fit(model, change(params, epochs=2, keep="last"), tmp_path, seed=seed)
        return save({name: value.contiguous() for name, value in model.state_dict().items()})

    first = train(0)
    torch.rand(7)  # the state of the world between two trainings does not matter
    assert train(0) == first
    assert train(1) != first


def test_training_in_bf16_learns_and_keeps_float32_weights(
    setting: Any, params: TrainParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "has_bf16", lambda: True)
    made = setting("crf", "characters")  # a CPU without native bf16 emulates it, but for the LSTM
    model = made.model()
    history = made.fit(model, change(params, precision="bf16", epochs=3), tmp_path)
    assert history.epochs[2]["loss"] < history.epochs[0]["loss"]
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("align", ALIGNMENTS)
def test_training_overfits_twenty_sentences(overfitted: Any, head: str, align: str) -> None:
    made, model = overfitted(head, align)
    assert f1(made, model) == 1.0


def f1(made: Setting, model: TaggerModel) -> float:
    """Strict micro F1 on the twenty sentences."""
    readings = made.tagger(model).read([sentence.text for sentence in SENTENCES])
    return float(micro(SENTENCES, [reading.strict for reading in readings])["f1"])


# --- options

OPTIONS: dict[str, dict[str, Any]] = {
    "layer_lr_decay": {"layer_lr_decay": 0.5},
    "class_weights": {"class_weights": {"LOC": 3.0}},
    "fgm_epsilon": {"fgm_epsilon": 0.5},
    "r_drop": {"r_drop": 1.0},
    "ema_decay": {"ema_decay": 0.9},
}


@pytest.fixture(scope="module")
def train_with(
    setting: Any, params: TrainParams, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str | None], bytes]:
    """The weights of two epochs with this option on, or without any."""
    made, folder = setting("softmax"), tmp_path_factory.mktemp("options")

    def train(option: str | None) -> bytes:
        model = made.model()
        values = {} if option is None else OPTIONS[option]
        history = made.fit(model, change(params, head="softmax", epochs=2, keep="last", **values), folder)
        assert history.epochs[1]["loss"] < history.epochs[0]["loss"]
        assert not model.encoder.get_input_embeddings()._forward_hooks
        return save({name: value.contiguous() for name, value in model.state_dict().items()})

    return train


@pytest.fixture(scope="module")
def plain(train_with: Callable[[str | None], bytes]) -> bytes:
    return train_with(None)


def test_options_are_tested_one_by_one() -> None:
    needed_elsewhere = {"layers", "freeze_layers"}  # test_model_setup
    assert set(OPTIONS) == set(model_setup.OFF) - needed_elsewhere


@pytest.mark.parametrize("option", OPTIONS)
def test_options_change_a_training_that_repeats(
    train_with: Callable[[str | None], bytes], plain: bytes, option: str
) -> None:
    assert train_with(option) == train_with(option) != plain


@pytest.mark.parametrize("head", HEADS)
def test_options_together_overfit_twenty_sentences(
    setting: Any, params: TrainParams, tmp_path: Path, head: str
) -> None:
    made = setting(head, "characters_over_pieces", "wordpiece")
    model = made.model(dropout=0.05)
    values = {"layer_lr_decay": 0.9, "fgm_epsilon": 0.02, "r_drop": 0.5, "ema_decay": 0.9}
    made.fit(model, change(params, epochs=30, batch_size=10, **values), tmp_path)
    assert f1(made, model) == 1.0
