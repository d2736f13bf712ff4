"""The pretrained encoder, built by transformers from a folder with config.json."""

from pathlib import Path
from typing import Any

import torch

WITHOUT_POOLER = ("bert", "roberta", "xlm-roberta", "ernie")
"""Architectures whose constructor takes ``add_pooling_layer``."""


def load_encoder(folder: Path, **overrides: Any) -> Any:
    """The pretrained encoder in ``folder``, float32; raises what transformers raises for damaged files."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    for name, value in overrides.items():
        setattr(config, name, value)
    kinds = {"add_pooling_layer": False} if config.model_type in WITHOUT_POOLER else {}
    return AutoModel.from_pretrained(
        folder, config=config, local_files_only=True, use_safetensors=True, dtype=torch.float32, **kinds
    )


def new_encoder(folder: Path) -> Any:
    """An encoder of the shape in ``folder``'s config.json, its weights still to be loaded."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    kinds = {"add_pooling_layer": False} if config.model_type in WITHOUT_POOLER else {}
    return AutoModel.from_config(config, **kinds)
