"""Training levers: what each does exactly, that none does anything when off, and a small training with each."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from test_training import HEADS, SENTENCES, Setting, _equal, change, params, setting, state  # noqa: F401
from torch import Tensor
from transformers import AlbertConfig, AlbertModel

from clue_ner.common.errors import ParamsError
from clue_ner.core.params import TrainParams
from clue_ner.evaluation.scores import micro
from clue_ner.network.model import INPUTS, TaggerModel, collate
from clue_ner.tagger.tagger import Tagger
from clue_ner.training import model_setup
from clue_ner.training.ema import Average
from clue_ner.training.fgm import Adversary
from clue_ner.training.loss import TAUGHT, Objective
from clue_ner.training.optimizer import parameter_groups
from clue_ner.training.trainer import NerTrainer, arguments

# ruff: noqa: F811

WEIGHED = [head for head in HEADS if head != "crf"]


def batch_of(made: Setting, count: int = 6) -> dict[str, Tensor]:
    return collate(made.rows.to_list()[:count], made.aligner.tokenizer.pad_token_id, ["LOC", "ORG", "PER"])


def outputs(model: TaggerModel, batch: dict[str, Tensor]) -> Tensor:
    logits: Tensor = model(**{name: batch[name] for name in INPUTS})
    return logits


def gradients(model: TaggerModel) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def trainer_of(made: Setting, model: TaggerModel, params: TrainParams, folder: Path) -> NerTrainer:
    model_setup.prepare(model, params)
    return NerTrainer(model, arguments(params, 0, str(folder)), params, made.rows, made.aligner.tokenizer.pad_token_id)


LEVERS: dict[str, dict[str, Any]] = {
    "layer_lr_decay": {"layer_lr_decay": 0.5},
    "class_weights": {"class_weights": {"LOC": 3.0}},
    "fgm_epsilon": {"fgm_epsilon": 0.5},
    "r_drop": {"r_drop": 1.0},
    "ema_decay": {"ema_decay": 0.9},
}


@pytest.mark.parametrize("lever", LEVERS)
def test_levers_change_a_training_that_repeats(setting: Any, params: TrainParams, tmp_path: Path, lever: str) -> None:
    made = setting("softmax")

    def train(**values: Any) -> bytes:
        model = made.model()
        changed = change(params, head="softmax", epochs=2, keep="last", **values)
        history = made.tune(model, changed, tmp_path)
        assert history.epochs[1]["loss"] < history.epochs[0]["loss"]
        assert not any(module._forward_hooks for module in [model.encoder.get_input_embeddings()])
        return save({name: value.contiguous() for name, value in model.state_dict().items()})

    assert train(**LEVERS[lever]) == train(**LEVERS[lever]) != train()


@pytest.mark.parametrize("head", HEADS)
def test_levers_together_overfit_twenty_sentences(setting: Any, params: TrainParams, tmp_path: Path, head: str) -> None:
    made = setting(head, "characters_over_pieces", "wordpiece")
    model = made.model(dropout=0.05)
    values = {"layer_lr_decay": 0.9, "fgm_epsilon": 0.02, "r_drop": 0.5, "ema_decay": 0.9}
    made.tune(model, change(params, epochs=40, batch_size=10, **values), tmp_path)
    readings = Tagger(model, made.aligner, made.card).read([sentence.text for sentence in SENTENCES])
    assert micro(SENTENCES, [reading.strict for reading in readings])["f1"] == 1.0


def test_levers_that_are_on_are_told(params: TrainParams) -> None:
    assert model_setup.levers(change(params, freeze_layers=0)) == ""
    told = model_setup.levers(
        change(params, fgm_epsilon=0.5, layers=6, teacher="models:/big@champion", temperature=3.0)
    )
    assert told == "fgm_epsilon 0.5, layers 6, teacher models:/big@champion, weight 0.5, temperature 3.0"


# --- layer_lr_decay


def test_layer_lr_decay_falls_from_the_head_to_the_embeddings(setting: Any, params: TrainParams) -> None:
    params = change(params, lr=1e-4, head_lr_factor=5.0, layer_lr_decay=0.5, weight_decay=0.01)
    model = setting("softmax").model()
    rates = {id(p): group["lr"] for group in parameter_groups(model, params) for p in group["params"]}
    named = {name: rates[id(parameter)] for name, parameter in model.named_parameters()}
    assert {v for k, v in named.items() if k.startswith("encoder.embeddings.")} == {1e-4 * 0.25}
    assert {v for k, v in named.items() if k.startswith("encoder.encoder.layer.0.")} == {1e-4 * 0.5}
    assert {v for k, v in named.items() if k.startswith("encoder.encoder.layer.1.")} == {1e-4}
    assert {v for k, v in named.items() if not k.startswith("encoder.")} == {5e-4}


# --- class_weights


@pytest.mark.parametrize("head", WEIGHED)
def test_class_weights_change_the_loss_of_their_type_alone(setting: Any, head: str) -> None:
    made = setting(head)
    model, batch = made.model(dropout=0.0).eval(), batch_of(made)
    logits = outputs(model, batch).detach()

    def loss(**weights: float) -> float:
        model.head.weigh(weights)
        return float(model.head.loss(logits.double(), batch))

    plain = loss()
    parts = {type_: loss(**{type_: 2.0}) - plain for type_ in model.head.spec.types}
    assert all(part > 1e-3 for part in parts.values())
    assert loss(PER=3.5) == pytest.approx(plain + 2.5 * parts["PER"], rel=1e-5)
    assert loss(LOC=2.0, PER=0.5) == pytest.approx(plain + parts["LOC"] - 0.5 * parts["PER"], rel=1e-5)


def _losses(model: TaggerModel, logits: Tensor, batch: dict[str, Tensor], weights: list[dict[str, float]]) -> Any:
    for some in weights:
        model.head.weigh(some)
        yield model.head.loss(logits, batch)


@pytest.mark.parametrize("head", ["span", "global_pointer"])
def test_class_weights_leave_the_gradients_of_other_types(setting: Any, head: str) -> None:
    made = setting(head)
    model, batch = made.model(dropout=0.0).eval(), batch_of(made)
    logits = outputs(model, batch).detach().requires_grad_()
    plain, weighed = (
        torch.autograd.grad(loss, logits)[0] for loss in _losses(model, logits, batch, [{}, {"PER": 3.0}])
    )
    axis = 2 if head == "span" else 1
    number = model.head.spec.types.index("PER")
    of_type = [number, number + 3] if head == "span" else [number]
    factor = torch.ones(logits.shape[axis])
    factor[of_type] = 3.0
    torch.testing.assert_close(weighed, plain * factor.view([-1 if i == axis else 1 for i in range(logits.ndim)]))


def test_class_weights_of_softmax_are_those_of_each_unit(setting: Any) -> None:
    made = setting("softmax")
    model, batch = made.model(dropout=0.0).eval(), batch_of(made)
    logits, tags = outputs(model, batch).detach(), model.head.spec.tags
    model.head.weigh({"ORG": 4.0})
    losses = []
    for row, unit in batch["unit_mask"].nonzero().tolist():
        label = int(batch["labels"][row, unit])
        losses.append(-float(logits[row, unit].log_softmax(0)[label]) * (4.0 if "ORG" in tags[label] else 1.0))
    assert float(model.head.loss(logits, batch)) == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_class_weights_of_biaffine_are_those_of_each_span(setting: Any) -> None:
    made = setting("biaffine")
    model, batch = made.model(dropout=0.0).eval(), batch_of(made)
    logits = outputs(model, batch).detach().requires_grad_()
    losses = _losses(model, logits, batch, [{}, {"PER": 3.0}])
    plain, weighed = (torch.autograd.grad(loss, logits)[0] for loss in losses)
    factor = torch.ones(len(logits), 1, *logits.shape[2:])
    for row, start_, end, type_ in (
        (row, *entity) for row, some in enumerate(batch["entities"].tolist()) for entity in some
    ):
        if type_ == model.head.spec.types.index("PER"):
            factor[row, 0, start_, end - 1] = 3.0
    assert (factor == 3.0).sum() > 2
    torch.testing.assert_close(weighed, plain * factor)


def test_class_weights_of_a_type_that_is_not_there(setting: Any, params: TrainParams, tmp_path: Path) -> None:
    made = setting("softmax")
    with pytest.raises(ParamsError, match=r"train\.class_weights: no type CITY in the corpus; there are LOC, ORG, PER"):
        made.tune(made.model(), change(params, head="softmax", class_weights={"CITY": 2.0}), tmp_path)


# --- fgm_epsilon


@pytest.mark.parametrize("align", ["characters", "characters_over_pieces"])
def test_fgm_moves_each_sentence_by_epsilon_where_its_loss_rises(setting: Any, align: str) -> None:
    made = setting("softmax", align)
    model, batch = made.model(dropout=0.0).train(), batch_of(made)
    embeddings = model.encoder.get_input_embeddings()
    adversary = Adversary(embeddings, 1e-2)
    before = embeddings.weight.detach().clone()
    with adversary.watching():
        loss = model.head.loss(outputs(model, batch), batch)
        loss.backward()
    steps = adversary.steps()
    assert len(steps) == (1 if align == "characters" else 2)
    lengths = torch.stack([step.flatten(1).square().sum(1) for step in steps]).sum(0).sqrt()
    torch.testing.assert_close(lengths, torch.full((6,), 1e-2))
    assert all(
        (step[~mask] == 0).all() for step, mask in zip(steps, [batch["attention_mask"].bool(), batch["unit_mask"]])
    )
    norms = torch.stack([z.grad.flatten(1).square().sum(1) for z in adversary._zeros]).sum(0).sqrt()
    with adversary.attacking():
        raised = model.head.loss(outputs(model, batch), batch)
    assert (raised - loss).item() == pytest.approx(1e-2 * norms.sum().item(), rel=0.05)
    assert torch.equal(embeddings.weight, before)
    assert not embeddings._forward_hooks


@pytest.mark.parametrize("frozen", [False, True])
def test_fgm_adds_the_gradient_of_the_attacked_batch(
    setting: Any, params: TrainParams, tmp_path: Path, frozen: bool
) -> None:
    made = setting("crf", "characters")
    params = change(params, fgm_epsilon=0.5, freeze_embeddings=frozen, dropout=0.0)
    model, batch = made.model(dropout=0.0), batch_of(made)
    trainer = trainer_of(made, model, params, tmp_path)
    trainer.current_gradient_accumulation_steps = 1
    before = state(model)
    loss = trainer.training_step(model, batch)
    found = gradients(model)
    assert _equal(before, state(model))
    assert ("encoder.embeddings.word_embeddings.weight" in found) != frozen

    model.zero_grad()
    words = model.encoder.get_input_embeddings()
    given: list[Tensor] = []
    moves: list[Any] = [torch.zeros(()), None]

    def keep(module: Any, inputs: Any, output: Tensor) -> Tensor:
        given.append((output + moves[len(given)]).detach().requires_grad_() if frozen else output + moves[len(given)])
        given[-1].retain_grad()
        return given[-1]

    words.register_forward_hook(keep)
    clean = model.head.loss(outputs(model, batch), batch)
    clean.backward()
    gradient = given[0].grad
    assert gradient is not None
    moves[1] = torch.stack([0.5 * g / g.norm() for g in gradient])
    model.head.loss(outputs(model, batch), batch).backward()
    expected = gradients(model)
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name, atol=1e-5, rtol=1e-4)
    assert loss.item() == pytest.approx(clean.item())


# --- r_drop


@pytest.mark.parametrize("head", HEADS)
def test_r_drop_is_zero_without_dropout(setting: Any, params: TrainParams, head: str) -> None:
    made = setting(head)
    model, batch = made.model(dropout=0.0).train(), batch_of(made)
    plain, _ = Objective(model.head, change(params, r_drop=0.0))(model, batch)
    twice, logits = Objective(model.head, change(params, r_drop=100.0))(model, batch)
    assert len(logits) == 2 * 6
    assert twice.item() == pytest.approx(plain.item(), rel=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_r_drop_adds_the_divergence_of_two_passes(setting: Any, params: TrainParams, head: str) -> None:
    made = setting(head)
    model, batch = made.model(dropout=0.3).train(), batch_of(made)
    loss, logits = Objective(model.head, change(params, r_drop=2.0))(model, batch)
    one, other = logits.chunk(2)
    gold = (model.head.loss(one, batch) + model.head.loss(other, batch)) / 2
    mask = batch["unit_mask"]
    apart = model.head.divergence(one, other, mask) + model.head.divergence(other, one, mask)
    assert apart.item() > 1e-4
    assert loss.item() == pytest.approx((gold + apart).item(), rel=1e-5)


# --- teacher


@pytest.mark.parametrize("head", HEADS)
def test_teacher_and_gold_share_the_loss(setting: Any, params: TrainParams, head: str) -> None:
    made = setting(head)
    model, batch = made.model(dropout=0.0).eval(), batch_of(made)
    taught = outputs(made.model(3).eval(), batch).detach()
    objective = Objective(model.head, change(params, teacher_weight=0.3, temperature=2.0))
    loss, logits = objective(model, batch | {TAUGHT: taught})
    soft = model.head.divergence(logits / 2, taught / 2, batch["unit_mask"]).item()
    assert soft > 1e-3
    assert loss.item() == pytest.approx(0.7 * model.head.loss(logits, batch).item() + 0.3 * 4 * soft, rel=1e-4)
    twice, _ = Objective(model.head, change(params, teacher_weight=0.3, r_drop=1.0))(model, batch | {TAUGHT: taught})
    assert twice.item() == pytest.approx(loss.item(), rel=1e-4)


# --- ema_decay


def test_ema_is_what_a_hand_computes_and_what_is_scored_and_kept(
    setting: Any, params: TrainParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = setting("softmax", "pieces")
    model, scored, weights = made.model(), [], []
    began = state(model)
    update = Average.on_step_end

    def recorded(self: Average, *given: Any, **others: Any) -> None:
        weights.append(state(model))
        update(self, *given, **others)

    monkeypatch.setattr(Average, "on_step_end", recorded)
    scores = iter([0.1, 0.5, 0.3])

    def validate(model: TaggerModel) -> dict[str, float]:
        scored.append(state(model))
        return {"micro_f1": next(scores), "precision": 0.5, "recall": 0.5}

    history = made.tune(model, change(params, ema_decay=0.4), tmp_path, validate)
    assert (history.best, len(weights)) == (2, 9)
    average, at_epochs = began, []
    for step, current in enumerate(weights, 1):
        decay = min(0.4, (1 + step) / (10 + step))
        average = {name: decay * average[name] + (1 - decay) * value for name, value in current.items()}
        at_epochs += [average] if step % 3 == 0 else []
    for found, expected in zip([*scored, state(model)], [*at_epochs, at_epochs[1]], strict=True):
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, msg=name)
    plain = made.model()
    seen: list[Any] = []
    made.tune(
        plain, params, tmp_path, lambda m: seen.append(state(m)) or {"micro_f1": 0.1, "precision": 0, "recall": 0}
    )
    assert _equal(seen[2], weights[8])  # the average has no part in the training


# --- layers


def test_layers_are_cut_evenly_from_pretrained_ones(setting: Any, params: TrainParams) -> None:
    made = setting("crf")
    whole = model_setup.build(made.backbone, made.card, params)
    for kept, chosen in ((1, [0]), (2, [0, 1])):
        torch.manual_seed(0)
        cut = model_setup.build(made.backbone, made.card, change(params, layers=kept))
        assert cut.encoder.config.num_hidden_layers == len(cut.encoder.encoder.layer) == kept
        for mine, number in zip(cut.encoder.encoder.layer, chosen):
            assert _equal(mine.state_dict(), whole.encoder.encoder.layer[number].state_dict())
        assert _equal(cut.encoder.embeddings.state_dict(), whole.encoder.embeddings.state_dict())
        assert outputs(cut, batch_of(made)).isfinite().all()


def test_layers_of_the_middle_stand_in_their_order() -> None:
    for layers in range(1, 25):
        for kept in range(1, layers + 1):
            found = model_setup.evenly_spaced(layers, kept)
            assert len(set(found)) == kept
            assert found == sorted(found)
            assert found[0] == 0
            assert kept == 1 or found[-1] == layers - 1
            gaps = [b - a for a, b in itertools.pairwise(found)]
            assert not gaps or max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("lever", [{"layers": 1}, {"layer_lr_decay": 0.9}, {"freeze_layers": 1}])
def test_layers_that_share_their_weights_are_not_told_apart(params: TrainParams, tmp_path: Path, lever: Any) -> None:
    config = AlbertConfig(vocab_size=8, embedding_size=4, hidden_size=4, num_hidden_layers=3, num_attention_heads=1)
    AlbertModel(config).save_pretrained(tmp_path)
    card = {"head": "softmax", "align": "pieces", "scheme": "BIO", "tags": ["O", "B-x", "I-x"], "context_size": 0}
    changed = change(params, **lever)
    with pytest.raises(ParamsError, match=rf"train\.{next(iter(lever))}: the layers of albert cannot be told apart"):
        model = model_setup.build(tmp_path, card, changed)
        model_setup.prepare(model, changed)
        parameter_groups(model, changed)


def test_layers_cannot_be_more_than_there_are(setting: Any, params: TrainParams) -> None:
    with pytest.raises(ParamsError, match=r"train\.layers: 3, and the encoder has 2 layers"):
        model_setup.build(setting().backbone, setting().card, change(params, layers=3))
