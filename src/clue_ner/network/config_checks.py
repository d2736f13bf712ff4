"""Checks of a model's configuration before anything is built from it: no code, no sizes without weights."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

CODE = {
    "auto_map": "so the model needs its own code; only models whose architecture transformers itself implements",
    "custom_pipelines": "so the model brings its own code; only models without code",
}
"""Keys of config.json and tokenizer_config.json that name Python files of the model's own."""
ATTENTION = ("attn_implementation", "_attn_implementation")


def read_config(path: Path) -> dict[str, Any]:
    """The values in a configuration file; raises ValueError if it is not valid, or refers to code."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path}: not JSON that can be read (nested too deeply); get the file again") from None
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error}); get the file again") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path}: found a JSON {type(values).__name__}, wanted an object")
    for key, reason in CODE.items():
        if key in values:
            raise ValueError(f"{path.name} has {key}, {reason} are loaded; choose another")
    for key in ATTENTION:
        if "/" in str(values.get(key, "")):
            raise ValueError(f"{path.name} has {key} {values[key]!r}, a repository with code; remove the key")
    return values


def refuse_sizes(config: Mapping[str, Any], weights: Iterable[Path], build: Callable[[], Any]) -> None:
    """Raise ValueError if the model that ``build`` makes is far larger than its ``weights`` (safetensors).

    It is built on torch's meta device, so no memory is allocated for the sizes in ``config``.
    """
    import torch
    from safetensors import safe_open

    tensors, there = 0, 0
    for path in weights:
        with safe_open(path, framework="pt") as stored:
            shapes = [stored.get_slice(name).get_shape() for name in stored.keys()]  # noqa: SIM118
        tensors += len(shapes)
        there += sum(map(math.prod, shapes))
    for key, value in config.items():
        if "layers" in key and isinstance(value, int) and value > tensors:
            raise ValueError(f"config.json: {key} is {value}, but the weights have only {tensors} tensors")
    with torch.device("meta"):
        claimed = sum(value.numel() for value in build().parameters())
    if claimed > 4 * there + 2**20:
        raise ValueError(
            f"config.json describes {claimed} weights, but the files have {there}; they do not belong to the same model"
        )
