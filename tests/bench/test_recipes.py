import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import recipes, worker
from bench.recipes import RECIPES
from bench.setting import IGNORED, Setting, stock_model, stock_tokenizer
from bench.worker import WARM_UP, Stopped, Turns
from clue_ner.core.entities import Entity
from clue_ner.core.schemes import SCHEMES
from clue_ner.evaluation.scores import micro
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes.torch import TorchRuntime
from clue_ner.tagger.tagger import Tagger
from clue_ner.training.model_setup import head_weights

STOCK = ("plain", "stock")
EPOCHS, STEPS = 3, 15


class Watched(Setting):
    """A setting that keeps the model which a recipe has its F1 taken of."""

    model: TaggerModel
    config_scored: Any

    def scorer(self, model: TaggerModel, aligner: Any, config: Any) -> Any:
        self.model, self.config_scored = model, config
        return super().scorer(model, aligner, config)


def converse(recipe: str, setting: Setting, *commands: dict[str, Any]) -> list[dict[str, Any]]:
    """What a recipe answers to the commands, in this process."""
    answers: list[dict[str, Any]] = []
    with pytest.raises(Stopped):
        RECIPES[recipe].run(setting, Turns(iter(map(json.dumps, commands)), answers.append))
    return answers


def train(steps: int) -> dict[str, Any]:
    return {"do": "train", "seconds": 600, "steps": steps}


@pytest.fixture(scope="module")
def fitted(place: Path) -> dict[str, torch.Tensor]:
    """Weights of the stock model that find some of the entities: it learns that only long names are names."""
    setting = Setting(place)
    stock, _, config = stock_model(setting)
    gold = setting.train
    batch = stock_tokenizer(setting.aligner("characters"))([s.text for s in gold], padding=True, return_tensors="pt")
    labels = torch.full_like(batch["input_ids"], IGNORED)
    for row, sentence in zip(labels, gold):
        spans = [(entity.start, entity.end, entity.type) for entity in sentence.entities if entity.end == 3]
        tags = SCHEMES["BIO"].encode(spans, len(sentence.text))
        row[1 : 1 + len(tags)] = torch.tensor([config.tags.index(tag) for tag in tags])
    optimizer = torch.optim.Adam(stock.parameters(), lr=5e-3)
    for _ in range(40):
        loss = stock(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {name: value.detach().clone() for name, value in stock.state_dict().items()}


def stock_f1(setting: Setting, stock: Any, tags: Sequence[str]) -> float:
    """Micro F1 on valid of a stock model, a sentence at a time, by the likeliest tag of each character."""
    tokenizer, found = stock_tokenizer(setting.aligner("characters")), []
    for sentence in setting.valid:
        with torch.no_grad():
            logits = stock.eval()(**tokenizer(sentence.text, return_tensors="pt")).logits[0, 1:-1]
        likeliest = [tags[i] for i in logits.argmax(-1).tolist()]
        assert len(likeliest) == len(sentence.text)
        found.append([Entity(*span) for span in SCHEMES["BIO"].decode(likeliest)])
    return float(micro(setting.valid, found)["f1"])


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_train_on_every_character_once_an_epoch(
    recipe: str, place: Path, sentences: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "WARM_UP", 0)  # so that all is counted
    ready, whole, nothing = converse(recipe, Setting(place), train(10**6), train(10**6))
    lengths = [len(sentence["text"]) for sentence in sentences]
    assert ready["ready"] and ready["token_flops"] > 0
    assert (whole["steps"], whole["timed_steps"], whole["ended"]) == (STEPS, STEPS, True)
    assert whole["characters"] == EPOCHS * sum(lengths)
    assert whole["tokens"] == EPOCHS * sum(length + 2 for length in lengths)
    assert whole["tokens"] <= whole["padded_tokens"] <= STEPS * 5 * (max(lengths) + 2)
    assert whole["padded_units"] == whole["padded_tokens"] - (0 if recipe in STOCK else 2 * STEPS * 5)
    assert (nothing["steps"], nothing["ended"]) == (0, True)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_train_in_turns_of_steps(recipe: str, place: Path) -> None:
    _, first, second = converse(recipe, Setting(place), train(WARM_UP + 2), train(1))
    assert (first["steps"], first["timed_steps"], first["ended"]) == (WARM_UP + 2, 2, False)
    assert (second["steps"], second["timed_steps"], second["ended"]) == (1, 1, False)


@pytest.mark.parametrize("recipe", STOCK)
def test_f1_of_stock_recipes_is_that_of_the_stock_model_by_itself(
    recipe: str, place: Path, fitted: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    stock, shell, config = stock_model(Setting(place))
    stock.load_state_dict(fitted)
    monkeypatch.setattr(recipes, "stock_model", lambda setting: (stock, shell, config))
    setting = Setting(place)
    _, _, score = converse(recipe, setting, train(STEPS - 1), {"do": "evaluate"})
    assert stock.classifier.training and stock.base_model.training
    assert 0 < score["f1"] < 1
    assert score["f1"] == stock_f1(setting, stock, config.tags)
    assert any(not torch.equal(value, fitted[name]) for name, value in stock.state_dict().items()), "it has trained"


def test_f1_of_ours_is_that_of_the_tagger_with_its_weights(place: Path) -> None:
    setting = Watched(place)
    _, _, score = converse("ours", setting, train(STEPS - 1), {"do": "evaluate"})
    assert setting.model.training
    config = setting.config_scored
    assert (config.head, config.align) == (setting.params.train.head, setting.params.tagging.align)
    aligner = setting.aligner(config.align)
    tagger = Tagger(config, aligner, TorchRuntime(setting.model), head_weights(setting.model, config.head))
    found = [reading.strict for sentence in setting.valid for reading in tagger.read([sentence.text])]
    assert 0 < score["f1"] == micro(setting.valid, found)["f1"]


def test_ours_learns_what_fine_tune_learns(place: Path) -> None:
    """The same steps on the same examples from the same seed: the weights are the same."""
    from transformers import set_seed

    from clue_ner.training import model_setup
    from clue_ner.training.trainer import fit

    setting = Watched(place)
    converse("ours", setting, train(10**6))
    params = setting.params
    aligner = setting.aligner(params.tagging.align)
    set_seed(params.seed)
    model = model_setup.build(setting.backbone, setting.config_scored, params.train)
    examples = list(setting.examples(aligner))
    fit(
        model,
        examples,
        aligner.tokenizer.pad_id,
        params.train,
        params.seed,
        str(place / "scratch"),
        None,
        lambda history: None,
    )
    for name, value in model.state_dict().items():
        torch.testing.assert_close(setting.model.state_dict()[name], value, rtol=0, atol=0)
