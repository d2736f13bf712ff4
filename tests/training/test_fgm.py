"""Fast gradient method: where it moves the embeddings, and what it adds to the gradient."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.trainings import Setting, batch_of, change, equal_weights, outputs, state
from torch import Tensor

from clue_ner.core.params import TrainParams
from clue_ner.network.model import TaggerModel
from clue_ner.training import model_setup
from clue_ner.training.fgm import FastGradientMethod
from clue_ner.training.trainer import NerTrainer, arguments


def gradients(model: TaggerModel) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def trainer_of(made: Setting, model: TaggerModel, params: TrainParams, folder: Path) -> NerTrainer:
    model_setup.prepare(model, params)
    return NerTrainer(model, arguments(params, 0, str(folder)), params, made.examples, made.aligner.tokenizer.pad_id)


@pytest.mark.parametrize("align", ["characters", "characters_over_pieces"])
def test_fgm_perturbs_each_sentence_by_epsilon_where_its_loss_rises(setting: Any, align: str) -> None:
    made = setting("softmax", align)
    model, batch = made.model(dropout=0.0).train(), batch_of(made)
    embeddings = model.encoder.get_input_embeddings()
    method = FastGradientMethod(embeddings, 1e-2)
    before = embeddings.weight.detach().clone()
    with method.recording():
        loss = model.head.loss(outputs(model, batch), batch)
        loss.backward()
    steps = method.perturbations()
    assert len(steps) == (1 if align == "characters" else 2)
    lengths = torch.stack([step.flatten(1).square().sum(1) for step in steps]).sum(0).sqrt()
    torch.testing.assert_close(lengths, torch.full((6,), 1e-2))
    assert all(
        (step[~mask] == 0).all() for step, mask in zip(steps, [batch["attention_mask"].bool(), batch["unit_mask"]])
    )
    norms = torch.stack([z.grad.flatten(1).square().sum(1) for z in method._zeros]).sum(0).sqrt()
    with method.perturbed():
        raised = model.head.loss(outputs(model, batch), batch)
    assert (raised - loss).item() == pytest.approx(1e-2 * norms.sum().item(), rel=0.05)
    assert torch.equal(embeddings.weight, before)
    assert not embeddings._forward_hooks


@pytest.mark.parametrize("frozen", [False, True])
def test_fgm_adds_the_gradient_of_the_perturbed_batch(
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
    assert equal_weights(before, state(model))
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
