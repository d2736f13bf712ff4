"""What a configuration may hold before a model is built from it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from clue_ner.network.config_checks import read_config, refuse_sizes


def test_config_checks_give_the_values_of_a_plain_configuration(tmp_path: Path) -> None:
    values = {"model_type": "bert", "_attn_implementation": "sdpa", "hidden_size": 8}
    (tmp_path / "config.json").write_text(json.dumps(values), encoding="utf-8")
    assert read_config(tmp_path / "config.json") == values


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"auto_map": {"AutoModel": "modeling.Model"}}', r"config\.json has auto_map, .* needs its own code"),
        ('{"custom_pipelines": {}}', r"config\.json has custom_pipelines, .* brings its own code"),
        ('{"attn_implementation": "someone/kernel"}', r"attn_implementation 'someone/kernel', a repository with code"),
        ("[1]", r"config\.json: found a JSON list, wanted an object"),
        ("{", r"config\.json: not JSON"),
        ("[" * 200_000, r"config\.json: not JSON that can be read \(nested too deeply\)"),
        ('{"hidden_size": ' + "9" * 5000 + "}", r"config\.json: not JSON"),
    ],
    ids=["auto_map", "pipelines", "attention", "list", "truncated", "deep", "huge number"],
)
def test_config_checks_refuse_code_and_what_is_no_configuration(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_config(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("config", "size", "message"),
    [
        ({"num_hidden_layers": 2}, 2000, None),
        ({"num_hidden_layers": 3}, 2000, r"num_hidden_layers is 3, but the weights have only 2 tensors"),
        ({}, 10**7, r"config\.json describes 100000000000000 weights, but the files have 4000000"),
    ],
)
def test_config_checks_refuse_sizes_that_no_weights_have(
    tmp_path: Path, config: dict[str, Any], size: int, message: str | None
) -> None:
    weights = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for path in weights:
        save_file({"weight": torch.zeros(1000, 2000)}, path)

    def build() -> torch.nn.Module:
        return torch.nn.Linear(size, size, bias=False)  # of 400 TB, if it were not on the device meta

    if message is None:
        refuse_sizes(config, weights, build)
    else:
        with pytest.raises(ValueError, match=message):
            refuse_sizes(config, weights, build)
