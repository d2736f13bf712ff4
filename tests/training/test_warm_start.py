"""Warm start: which weights training goes on from, and which taggers do not fit."""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.configs import tagger_config
from support.decoders import VARIANTS, options_of
from support.fine_tune_stage import SENTENCES, write_inputs
from support.trainings import equal_weights, state

from clue_ner.alignment.batch import collate
from clue_ner.alignment.windows import INPUTS
from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import read_json, write_checksums, write_json
from clue_ner.core.params import Params, load_params
from clue_ner.network.heads import EntityHead
from clue_ner.network.heads._base import TaggingHead
from clue_ner.network.model import TaggerModel
from clue_ner.tagger.config import TaggerConfig
from clue_ner.training import model_setup
from clue_ner.training.evaluation_callback import History
from clue_ner.training.fine_tune import save
from clue_ner.training.inputs import Inputs, describe
from clue_ner.training.warm_start import WarmStart

TRAIN = {"head": "crf", "head_size": 8}


class Setting:
    """All that a training is made from, in a root that the stages before fine_tune have filled."""

    def __init__(self, root: Path, **config: Any) -> None:
        self.root = root
        self.params: Params = load_params(root / "params.yaml")
        self.inputs = Inputs.read(root)
        self.config = describe(self.inputs, self.params).model_copy(update=config)

    def model(self, seed: int) -> TaggerModel:
        """The model before its first step."""
        torch.manual_seed(seed)
        model = model_setup.build(self.inputs.backbone, self.config, self.params.train)
        for parameter in model.parameters():
            parameter.data += 0.01 * torch.randn_like(parameter)
        return model.eval()

    def saved(self, seed: int = 5) -> Path:
        """The folder of such a model."""
        history = History([{"epoch": 1, "valid_micro_f1": 0.5}], [1.0], best=1)
        save(self.root / "saved", self.model(seed), self.config, history, self.inputs)
        return self.root / "saved"

    def start(self, folder: Path) -> WarmStart:
        """What goes on from the tagger in ``folder``."""
        return WarmStart.load(folder, self.config, self.inputs, self.params.train)


@pytest.fixture
def setting(fine_tune_inputs: Callable[..., Path]) -> Callable[..., Setting]:
    """``setting(name, config, **train)``; ``config`` has fields of TaggerConfig that differ from the params."""

    def make(name: str, config: dict[str, Any] | None = None, **train: Any) -> Setting:
        return Setting(fine_tune_inputs(name, **TRAIN | train), **config or {})

    return make


def of_types(*types: str, scheme: str = "BIO") -> dict[str, Any]:
    """The fields of a configuration that depend on the types of entities."""
    values = tagger_config(types, scheme)
    return {"types": values.types, "tags": values.tags, "scheme": scheme}


def logits(made: Setting, model: TaggerModel) -> torch.Tensor:
    """Those of the sentences of valid."""
    aligner = made.inputs.aligner(made.config)
    windows = [window for of_text in aligner.windows([s.text for s in SENTENCES["valid"]]) for window in of_text]
    batch = collate(windows, aligner.tokenizer.pad_id)
    with torch.no_grad():
        found: torch.Tensor = model(*(torch.from_numpy(batch[name]) for name in INPUTS))
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_warm_start_begins_with_the_weights_that_the_other_ended_with(
    setting: Callable[..., Setting], variant: str
) -> None:
    switches = {"head": VARIANTS[variant][0], **options_of(variant, head_size=8)}
    before = setting("before", **switches)
    after = setting(
        "after", **switches, lr=1e-5, epochs=1, r_drop=0.5, ema_decay=0.9, fgm_epsilon=0.1, keep="last", flat=False
    )
    folder = before.saved()
    model = after.model(7)
    assert not equal_weights(state(model), load_file(folder / "model.safetensors"))
    after.start(folder).into(model)
    assert equal_weights(state(model), load_file(folder / "model.safetensors"))
    assert torch.equal(logits(after, model), logits(before, before.model(5)))


def test_warm_start_with_types_that_come_and_go_says_which(
    setting: Callable[..., Setting], caplog: pytest.LogCaptureFixture
) -> None:
    before = setting("before", of_types("LOC", "ORG", "PER"), head="softmax")
    after = setting("after", of_types("CITY", "LOC", "PER"), head="softmax", init_from="models:/clue-ner/1")
    folder, model = before.saved(), after.model(7)
    fresh = state(model)
    with caplog.at_level(logging.INFO):
        after.start(folder).into(model)
    assert caplog.messages == ["weights of models:/clue-ner/1: types LOC, PER; new CITY; dropped ORG"]
    theirs, found = logits(before, before.model(5)), logits(after, model)
    for tag in ("O", "B-LOC", "I-LOC", "B-PER", "I-PER"):
        here, there = after.config.tags.index(tag), before.config.tags.index(tag)
        torch.testing.assert_close(found[..., here], theirs[..., there])
    new = [after.config.tags.index(tag) for tag in ("B-CITY", "I-CITY")]
    assert torch.equal(model.head.linear.weight[new], fresh["head.linear.weight"][new])


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ({"head": "softmax", "constrained": True}, {"head": "softmax", "constrained": False}),
        ({"head": "span", "flat": True}, {"head": "span", "flat": False}),
        ({"layers": 1}, {"layers": 1, "freeze_layers": 1}),
    ],
)
def test_warm_start_takes_what_the_weights_do_not_depend_on(
    setting: Callable[..., Setting], there: dict[str, Any], here: dict[str, Any]
) -> None:
    setting("after", **here).start(setting("before", **there).saved())


def test_warm_start_takes_other_windows_and_schemes_with_other_letters(setting: Callable[..., Setting]) -> None:
    folder = setting("before", of_types("name", scheme="BIOES") | {"window": 128, "overlap": 32}).saved()
    setting("after", of_types("name", scheme="BMES")).start(folder)
    folder = setting("spans", of_types("name", scheme="BIOES"), head="span").saved()
    setting("more", head="span").start(folder)


# --- what does not fit


@pytest.mark.parametrize(
    ("there", "here", "wanted"),
    [
        ({"head": "softmax"}, {}, ["train.head (there softmax, here crf)"]),
        ({"context_size": 12}, {"context_size": 8}, ["train.context_size (there 12, here 8)"]),
        ({"context_size": 0}, {}, ["train.context_size (there 0, here 8)"]),
        ({"layers": 1}, {}, ["train.layers (there 1, here 2)"]),
        ({"layers": 1}, {"layers": 2}, ["train.layers (there 1, here 2)"]),
        (
            {"head": "global_pointer", "head_size": 16, "efficient": True},
            {"head": "global_pointer", "context_size": 4},
            [
                "train.context_size (there 8, here 4)",
                "train.efficient (there True, here False)",
                "train.head_size (there 16, here 8)",
            ],
        ),
        ({"head": "biaffine", "head_size": 16}, {"head": "biaffine"}, ["train.head_size (there 16, here 8)"]),
        (
            {"head": "span", "layers": 1, "context_size": 4},
            {},
            [
                "train.context_size (there 4, here 8)",
                "train.head (there span, here crf)",
                "train.layers (there 1, here 2)",
            ],
        ),
    ],
)
def test_warm_start_names_all_params_that_do_not_fit(
    setting: Callable[..., Setting], there: dict[str, Any], here: dict[str, Any], wanted: list[str]
) -> None:
    after = setting("after", **here, init_from="./before")
    folder = setting("before", **there).saved()
    assert differences(after, folder) == wanted


def differences(after: Setting, folder: Path) -> list[str]:
    """What a tagger that does not fit differs in, sorted."""
    with pytest.raises(ArtifactError) as caught:
        after.start(folder)
    found = re.fullmatch(
        r"train\.init_from: \./before: its weights do not fit, because it differs in (.*); "
        r"set these in params\.yaml as in "
        rf"{folder}/tagger\.json \(trained\.params\), or name another tagger",
        str(caught.value),
    )
    assert found, caught.value
    return sorted(found[1].split("; "))


@pytest.mark.parametrize(("there", "here"), [("BIO", "BIOES"), ("BIOES", "BIO"), ("IOB1", "IOE1"), ("BIOS", "BIO")])
@pytest.mark.parametrize("head", ["crf", "softmax"])
def test_warm_start_refuses_a_scheme_whose_tags_mean_something_else(
    setting: Callable[..., Setting], head: str, there: str, here: str
) -> None:
    after = setting("after", of_types("name", scheme=here), head=head, init_from="./before")
    folder = setting("before", of_types("name", scheme=there), head=head).saved()
    assert differences(after, folder) == [f"tagging.scheme (there {there}, here {here})"]


@pytest.mark.parametrize(("there", "here"), [("characters", "pieces"), ("pieces", "characters_over_pieces")])
def test_warm_start_refuses_another_alignment(
    tmp_path: Path, backbones: Any, make_aligner: Any, there: str, here: str
) -> None:
    made = []
    for name, align in (("before", there), ("after", here)):
        root = tmp_path / name
        write_inputs(root, backbones["unigram"], make_aligner("unigram", align), **TRAIN, init_from="./before")
        made.append(Setting(root, align=align))
    before, after = made
    assert differences(after, before.saved()) == [f"tagging.align (there {there}, here {here})"]


def test_warm_start_refuses_another_backbone(
    setting: Callable[..., Setting], tmp_path: Path, backbones: Any, make_aligner: Any
) -> None:
    root = tmp_path / "before"
    write_inputs(root, backbones["wordpiece"], make_aligner("wordpiece", "characters_over_pieces"), **TRAIN)
    after, before = setting("after", init_from="./before"), Setting(root)
    sizes = [model.encoder.config.vocab_size for model in (before.model(0), after.model(0))]
    pads = [model.encoder.config.pad_token_id for model in (before.model(0), after.model(0))]
    assert differences(after, before.saved()) == [
        f"the backbone's pad_token_id (there {pads[0]}, here {pads[1]})",
        f"the backbone's vocab_size (there {sizes[0]}, here {sizes[1]})",
        "the tokenizer's vocabulary",
    ]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"num_attention_heads": 4}, ["the backbone's num_attention_heads (there 4, here 2)"]),
        ({"hidden_act": "relu"}, ["the backbone's hidden_act (there relu, here gelu)"]),
        ({"model_type": "electra"}, ["the backbone's model_type (there electra, here bert)"]),
    ],
)
def test_warm_start_refuses_an_encoder_that_computes_otherwise_with_the_same_weights(
    setting: Callable[..., Setting], changes: dict[str, Any], wanted: list[str]
) -> None:
    folder = setting("before").saved()
    write_json(folder / "config.json", read_json(folder / "config.json") | changes)
    write_checksums(folder)
    assert differences(setting("after", init_from="./before"), folder) == wanted


def test_warm_start_with_a_head_that_does_not_name_its_rows_wants_the_same_types(
    setting: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TaggingHead, "rows", EntityHead.rows)
    before = setting("before", of_types("a", "b"), head="softmax")
    setting("same", of_types("a", "b"), head="softmax").start(before.saved())
    after = setting("after", of_types("a", "c"), head="softmax", init_from="./before")
    assert differences(after, before.saved()) == ["the corpus's types (there a, b, here a, c)"]


def test_warm_start_names_a_file_that_is_damaged(setting: Callable[..., Setting]) -> None:
    folder = setting("before").saved()
    config = TaggerConfig.load(folder)
    config.model_copy(update={"flat": not config.flat}).save(folder)
    with pytest.raises(ArtifactError, match=r"tagger\.json: damaged .* name another tagger in train\.init_from"):
        setting("after").start(folder)
