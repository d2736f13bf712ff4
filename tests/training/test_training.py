"""Fine-tuning: batches, learning rates, which epoch is kept, and the same bytes from the same seed."""

import itertools
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from safetensors.torch import save
from support.places import ROOT
from torch import nn
from transformers import set_seed

from clue_ner.alignment.encode import Report, encode
from clue_ner.common.errors import ParamsError
from clue_ner.core import plugins
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.params import TrainParams, load_params
from clue_ner.core.schemes import SCHEMES
from clue_ner.evaluation.curves import write_curves
from clue_ner.evaluation.scores import micro
from clue_ner.network.model import TaggerModel, load_encoder
from clue_ner.tagger.tagger import Tagger, model_spec
from clue_ner.training import device, model_setup
from clue_ner.training.dropout import ByteDropout
from clue_ner.training.evaluation_callback import History
from clue_ner.training.optimizer import parameter_groups
from clue_ner.training.sampler import LengthBatches
from clue_ner.training.trainer import NerTrainer, arguments, fine_tune

HEADS = plugins.names("clue_ner.network.heads")
ALIGNMENTS = ["characters", "pieces", "characters_over_pieces"]
PEOPLE, PLACES, COMPANIES = (
    ["王德发", "黄飞鸿", "晓明", "晓艳"],
    ["北京", "广东", "佛山", "上海"],
    ["特斯拉公司", "宝芝林", "新公司"],
)
MOLDS = ["{p}目前住在{l}，", "{c}在{l}", "{l}的经理是{p}。", "{p}{q}一起出游", "我看电影", "《{c}》说2000年"]


def _sentence(number: int) -> Sentence:
    """One of twenty sentences and more, all different."""
    names = {"p": ("PER", PEOPLE), "q": ("PER", PEOPLE[::-1]), "l": ("LOC", PLACES), "c": ("ORG", COMPANIES)}
    text, entities = "我说" * (number % 3), []
    for part in re.split("[{}]", MOLDS[number % len(MOLDS)]):
        type_, some = names.get(part, ("", [part]))
        surface = some[number // len(MOLDS) % len(some)]
        if type_:
            entities.append(Entity(len(text), len(text) + len(surface), type_))
        text += surface
    return Sentence(str(number), text, tuple(entities))


SENTENCES = [_sentence(number) for number in range(20)]
"""Twenty sentences with people, places and companies."""


class Setting:
    """What fine_tune takes, made anew from a seed."""

    def __init__(self, backbone: Path, aligner: Any, head: str, align: str) -> None:
        self.backbone, self.aligner = backbone, aligner
        tags = SCHEMES["BIO"].tags(["LOC", "ORG", "PER"])
        self.card = {"head": head, "align": align, "scheme": "BIO", "tags": tags, "context_size": 12}
        self.rows = Dataset.from_list(list(encode(SENTENCES, aligner, SCHEMES["BIO"], tags, Report())))

    def model(self, seed: int = 0, dropout: float = 0.1) -> TaggerModel:
        set_seed(seed)
        encoder = load_encoder(self.backbone, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
        return TaggerModel(encoder, model_spec(self.card, dropout))

    def tune(
        self,
        model: TaggerModel,
        params: TrainParams,
        folder: Path,
        validate: Any = None,
        tell: Callable[[History], None] = lambda history: None,
        seed: int = 0,
    ) -> History:
        pad = self.aligner.tokenizer.pad_token_id
        return fine_tune(model, self.rows, pad, params, seed, str(folder), validate, tell)


@pytest.fixture
def setting(backbones: dict[str, Path], make_aligner: Callable[..., Any]) -> Callable[..., Setting]:
    def make(head: str = "crf", align: str = "characters_over_pieces", backbone: str = "unigram") -> Setting:
        return Setting(backbones[backbone], make_aligner(backbone, align), head, align)

    return make


@pytest.fixture
def params() -> TrainParams:
    """The project's params for a model that is small and knows nothing, without levers."""
    project = load_params(ROOT / "params.yaml").train
    change = model_setup.OFF | {
        "lr": 3e-3,
        "head_lr_factor": 1.0,
        "transition_lr_factor": 10.0,
        "epochs": 3,
        "batch_size": 8,
    }
    return project.model_copy(update={**change, "precision": "float32", "dropout": 0.1, "freeze_embeddings": False})


def change(params: TrainParams, **values: Any) -> TrainParams:
    return TrainParams.model_validate(params.model_dump() | values)


def state(model: TaggerModel) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


# --- batches


def test_batches_have_every_row_once_an_epoch() -> None:
    lengths = [(7 * i) % 31 for i in range(103)]
    for epoch in range(3):
        sampler = LengthBatches(lengths, 8, seed=3, stretch=4)
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert sorted(itertools.chain(*batches)) == list(range(103))
        assert len(batches) == len(sampler) == 13
        assert sorted(map(len, batches)) == [7, *[8] * 12]


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    def batches(seed: int, epoch: int) -> list[list[int]]:
        sampler = LengthBatches(list(range(60)), 8, seed, stretch=2)
        sampler.set_epoch(epoch)
        return list(sampler)

    orders = {(seed, epoch): batches(seed, epoch) for seed in range(3) for epoch in range(3)}
    assert all(batches(*key) == order for key, order in orders.items())
    assert len({str(order) for order in orders.values()}) == len(orders)
    assert len({str(sorted(map(sorted, order))) for order in orders.values()}) == len(orders)


def test_batches_hold_rows_of_like_length() -> None:
    lengths = [(37 * i) % 101 for i in range(400)]
    (one,) = [LengthBatches(lengths, 10, seed=0)]
    assert all(max(found) - min(found) <= 5 for found in ([lengths[i] for i in batch] for batch in one))


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("rows", [3, 6, 11, 12, 13, 14, 47])
def test_batches_are_shared_out_among_processes(rows: int, processes: int) -> None:
    lengths = [i % 9 for i in range(rows)]
    for epoch in range(2):
        shares = []
        for rank in range(processes):
            sampler = LengthBatches(lengths, 6, seed=0, rank=rank, processes=processes, stretch=2)
            sampler.set_epoch(epoch)
            shares.append(list(sampler))
            assert len(shares[-1]) == len(sampler)
        assert min(len(share) for share in itertools.chain(*shares)) >= 1
        assert sorted(itertools.chain(*itertools.chain(*shares))) == list(range(rows))
        alone = LengthBatches(lengths, 6, seed=0, stretch=2)
        alone.set_epoch(epoch)
        if rows % 6 == 0 or rows % 6 >= processes:
            together = [sorted(itertools.chain(*parts)) for parts in zip(*shares, strict=True)]
            assert together == [sorted(batch) for batch in alone]


def test_batches_of_no_rows() -> None:
    assert list(LengthBatches([], 4, seed=0)) == []


# --- learning rates


def test_training_groups_have_their_own_rate_and_decay(setting: Any, params: TrainParams) -> None:
    params = change(params, lr=1e-4, head_lr_factor=5.0, transition_lr_factor=100.0, weight_decay=0.01)
    model = setting("crf").model()
    groups = parameter_groups(model, params)
    settings = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(settings) == len(list(model.parameters()))
    named = {name: settings[id(parameter)] for name, parameter in model.named_parameters()}
    assert named["encoder.embeddings.word_embeddings.weight"] == (1e-4, 0.01)
    assert named["encoder.encoder.layer.0.output.dense.bias"] == (1e-4, 0.0)
    assert named["encoder.encoder.layer.1.output.LayerNorm.weight"] == (1e-4, 0.0)
    assert named["characters.context.forwards.weight_ih_l0"] == (5e-4, 0.01)
    assert named["characters.norm.weight"] == (5e-4, 0.0)
    assert named["head.linear.weight"] == (5e-4, 0.01)
    assert named["head.linear.bias"] == (5e-4, 0.0)
    assert {named[f"head.{name}"] for name in ("transitions", "start", "end")} == {(1e-2, 0.0)}


def test_training_groups_leave_frozen_parameters_out(setting: Any, params: TrainParams) -> None:
    model = setting("softmax", "pieces").model()
    model.encoder.get_input_embeddings().weight.requires_grad_(False)
    found = [p for group in parameter_groups(model, params) for p in group["params"]]
    assert len(found) == len(list(model.parameters())) - 1
    assert all(p.requires_grad for p in found)


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
    pad = made.aligner.tokenizer.pad_token_id
    trainer = Recording(made.model(), arguments(params, 3, str(tmp_path)), params, made.rows, pad)
    trainer.steps = []
    trainer.train()
    return made, trainer


def test_training_takes_the_batches_of_each_epoch(recorded: tuple[Setting, Recording]) -> None:
    made, trainer = recorded
    pad = made.aligner.tokenizer.pad_token_id
    ids = [row["input_ids"] for row in made.rows]
    sampler = LengthBatches([len(row) for row in ids], 8, seed=3)
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


# --- which epoch is kept


def _scripted(
    setting: Setting, params: TrainParams, folder: Path, scores: list[float]
) -> tuple[History, Any, Any, int]:
    """Train with these valid scores; the history, the state after each epoch, the final one, and calls of tell."""
    states, told = [], []

    def validate(model: TaggerModel) -> dict[str, float]:
        model.eval()
        states.append(state(model))
        return {"micro_f1": scores[len(states) - 1], "precision": 0.5, "recall": 0.25}

    def tell(history: History) -> None:
        told.append(len(history.epochs))

    model = setting.model()
    history = setting.tune(model, change(params, epochs=len(scores)), folder, validate, tell)
    assert told == list(range(1, len(states) + 1))
    return history, states, state(model), len(told)


def _equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize(
    ("keep", "patience", "scores", "kept", "ran"),
    [
        ("best", 0, [0.1, 0.5, 0.3], 2, 3),
        ("best", 0, [0.4, 0.4, 0.4], 1, 3),  # of equals, the first
        ("best", 0, [0.0, 0.0, 0.1], 3, 3),
        ("last", 0, [0.9, 0.5, 0.3], 3, 3),
        ("best", 1, [0.1, 0.5, 0.3, 0.9], 2, 3),
        ("best", 2, [0.5, 0.1, 0.6, 0.2, 0.3, 0.9], 3, 5),
        ("last", 2, [0.5, 0.1, 0.2, 0.9], 3, 3),
    ],
)
def test_training_keeps_and_stops_by_valid_f1(
    setting: Any,
    params: TrainParams,
    tmp_path: Path,
    keep: str,
    patience: int,
    scores: list[float],
    kept: int,
    ran: int,
) -> None:
    params = change(params, keep=keep, patience=patience)
    history, states, final, calls = _scripted(setting("softmax", "pieces"), params, tmp_path, scores)
    assert (history.best, len(history.epochs), calls) == (kept, ran, ran)
    assert _equal(states[kept - 1], final)
    assert not _equal(states[kept - 2], final)


def test_training_without_valid_keeps_the_last_epoch(setting: Any, params: TrainParams, tmp_path: Path) -> None:
    made = setting("softmax", "pieces")
    history, states, _, _ = _scripted(made, change(params, keep="last"), tmp_path, [0.3, 0.2, 0.1])
    model = made.model()
    without = made.tune(model, change(params, keep="best", patience=1), tmp_path)
    assert [set(row) for row in without.epochs] == [{"epoch", "loss"}] * 3
    assert [row["loss"] for row in without.epochs] == [row["loss"] for row in history.epochs]
    assert without.best == 3
    assert _equal(states[-1], state(model))  # to look at valid changes nothing


def test_training_history_tells_each_epoch(
    setting: Any, params: TrainParams, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="clue_ner"):
        history, *_ = _scripted(setting("softmax", "pieces"), params, tmp_path, [0.1, 0.5, 0.3])
    assert [row["epoch"] for row in history.epochs] == [1, 2, 3]
    assert [row["valid_micro_f1"] for row in history.epochs] == [0.1, 0.5, 0.3]
    assert all(
        set(row) == {"epoch", "loss", "valid_micro_f1", "valid_precision", "valid_recall"} for row in history.epochs
    )
    assert history.epochs[0]["loss"] > history.epochs[2]["loss"] > 0
    assert len(history.seconds) == 3
    assert min(history.seconds) > 0
    assert history.peak_memory_gb > 0.1
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("clue_ner")]
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert "valid_micro_f1 0.5000" in lines[1]
    assert list(tmp_path.iterdir()) == []


# --- what is trained


def test_training_freezes_word_embeddings_alone(setting: Any, params: TrainParams, tmp_path: Path) -> None:
    made = setting("crf")
    for frozen in (True, False):
        model = made.model()
        before = state(model)
        made.tune(model, change(params, freeze_embeddings=frozen, epochs=1), tmp_path)
        same = {name for name, value in state(model).items() if torch.equal(value, before[name])}
        assert same - {"encoder.embeddings.position_ids"} == (
            {"encoder.embeddings.word_embeddings.weight"} if frozen else set()
        )


@pytest.mark.parametrize("count", [1, 2])
def test_training_freezes_the_lowest_layers(setting: Any, params: TrainParams, tmp_path: Path, count: int) -> None:
    model = setting("crf").model()
    before = state(model)
    setting("crf").tune(model, change(params, freeze_layers=count, epochs=1), tmp_path)
    same = {name for name, value in state(model).items() if torch.equal(value, before[name])}
    frozen = ("encoder.embeddings.", *(f"encoder.encoder.layer.{i}." for i in range(count)))
    assert same == {name for name in before if name.startswith(frozen)}
    model.train()
    assert not any(dropout.p for dropout in model.encoder.embeddings.modules() if isinstance(dropout, nn.Dropout))
    assert not any(d.p for d in model.encoder.encoder.layer[0].modules() if isinstance(d, nn.Dropout))
    assert model.characters is not None
    assert model.characters.dropout.p == 0.1


def test_training_cannot_freeze_layers_that_are_not_there(setting: Any, params: TrainParams, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"train\.freeze_layers: 3, and the encoder has 2 layers"):
        setting().tune(setting().model(), change(params, freeze_layers=3), tmp_path)


@pytest.mark.parametrize("head", HEADS)
def test_training_gives_the_same_bytes_from_the_same_seed(
    setting: Any, params: TrainParams, tmp_path: Path, head: str
) -> None:
    made = setting(head)

    def train(seed: int) -> bytes:
        model = made.model(seed)
        made.tune(model, change(params, epochs=2, keep="last"), tmp_path, seed=seed)
        return save({name: value.contiguous() for name, value in model.state_dict().items()})

    first = train(0)
    torch.rand(7)  # the state of the world between two trainings does not matter
    assert train(0) == first
    assert train(1) != first


def test_training_in_bf16_learns_and_keeps_float32_weights(
    setting: Any, params: TrainParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "has_bf16", lambda: True)
    made = setting("crf", "characters")  # a processor without bf16 of its own emulates it, but for the LSTM
    model = made.model()
    history = made.tune(model, change(params, precision="bf16", epochs=3), tmp_path)
    assert history.epochs[2]["loss"] < history.epochs[0]["loss"]
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("align", ALIGNMENTS)
def test_training_overfits_twenty_sentences(
    setting: Any, params: TrainParams, tmp_path: Path, head: str, align: str
) -> None:
    made = setting(head, align, "wordpiece")
    model = made.model(dropout=0.0)
    made.tune(model, change(params, epochs=40, dropout=0.0, batch_size=10), tmp_path)
    readings = Tagger(model, made.aligner, made.card).read([sentence.text for sentence in SENTENCES])
    scores = micro(SENTENCES, [reading.strict for reading in readings])
    assert scores["f1"] == 1.0


# --- dropout


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_dropout_of_bytes_drops_its_share_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    share = round(p * 256) / 256
    ones = torch.ones(999, 1001, requires_grad=True)
    dropped = ByteDropout(p)(ones)
    assert (dropped == 0).double().mean().item() == pytest.approx(share, abs=2e-3)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - share)])
    for byte in range(8):  # every byte of a draw is as random as the others
        assert (dropped.flatten()[byte::8] == 0).double().mean().item() == pytest.approx(share, abs=5e-3)
    dropped.sum().backward()
    assert ones.grad is not None and torch.equal(ones.grad, dropped)


def test_dropout_of_bytes_is_a_function_of_the_seed_and_of_nothing_else() -> None:
    threads, masks = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            torch.manual_seed(3)
            masks.append(ByteDropout(0.1)(torch.ones(7, 12345)))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*masks)


@pytest.mark.parametrize(("p", "value"), [(0.0, 1.0), (0.001, 1.0), (1.0, 0.0)])
def test_dropout_of_bytes_of_nothing_and_of_all(p: float, value: float) -> None:
    assert torch.equal(ByteDropout(p)(torch.ones(3, 5)), torch.full((3, 5), value))
    assert torch.equal(ByteDropout(p).eval()(torch.ones(3, 5)), torch.ones(3, 5))


def test_training_on_a_processor_uses_bytes_and_a_narrow_stream(setting: Any) -> None:
    made = setting("crf", "characters")
    model = made.model()
    device.suit(model, model.encoder)
    assert {type(m) for m in model.modules() if isinstance(m, nn.Dropout)} == {ByteDropout}
    ids = torch.tensor([made.rows[0]["input_ids"]])
    for narrow, expected in ((True, torch.bfloat16), (False, torch.float32)):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=narrow):
            assert model.encoder(input_ids=ids).last_hidden_state.dtype == expected


# --- device and curves


@pytest.mark.parametrize(
    ("gpu", "bf16", "chosen"),
    [(False, False, "float32"), (False, True, "bf16"), (True, True, "bf16"), (True, False, "fp16")],
)
def test_device_chooses_the_number_format_it_computes(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, bf16: bool, chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(device, "has_bf16", lambda: bf16)
    assert device.number_format("auto") == chosen
    assert device.number_format("float32") == "float32"
    for wanted, there in (("bf16", bf16), ("fp16", gpu)):
        if there:
            assert device.number_format(wanted) == wanted
        else:
            with pytest.raises(ParamsError, match=rf"train\.precision: {wanted}, .*wanted auto or .*float32"):
                device.number_format(wanted)


def test_device_chooses_the_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    for gpu, chosen in ((True, "sdpa"), (False, "eager")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert [device.attention(wanted) for wanted in ("auto", "sdpa", "eager")] == [chosen, "sdpa", "eager"]


def test_device_says_what_was_chosen(params: TrainParams) -> None:
    said = device.describe(change(params, precision="float32", attention="eager", processes=2))
    assert re.fullmatch(r"(cpu, \d+ threads|cuda, .+), float32, eager attention, 2 processes", said)


def test_curves_are_a_line_an_epoch(tmp_path: Path) -> None:
    epochs = [{"epoch": 1, "loss": 0.5, "valid_micro_f1": 0.25}, {"epoch": 2, "loss": 1 / 3, "valid_micro_f1": 0.5}]
    write_curves(tmp_path / "plots/training.csv", epochs)
    assert (tmp_path / "plots/training.csv").read_text(encoding="utf-8").splitlines() == [
        "epoch,loss,valid_micro_f1",
        "1,0.500000,0.250000",
        "2,0.333333,0.500000",
    ]
