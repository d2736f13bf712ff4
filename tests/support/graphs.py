"""ONNX graphs: those of a tagger, as models/export has them, and those of a random network, with random batches."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertModel

from clue_ner.alignment.batch import Batch
from clue_ner.core import plugins
from clue_ner.exporting import onnx
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes.torch import model_of
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tagger.tagger import Tagger
from support.configs import tagger_config

SHAPES = [(1, 2, 1), (2, 3, 5), (1, 9, 30), (5, 33, 40), (3, 64, 7), (9, 4, 120)]
"""Rows, tokens and units of a batch."""
TEXTS = ("昨天李雷去了上海，招商银行在上海。", "我们", "李雷😀" * 9)


def write_graphs(tagger: Tagger, folder: Path, texts: Sequence[str] = TEXTS) -> None:
    """Write the graphs of ``tagger``, which computes with torch, into ``folder / "onnx"``."""
    batches = onnx.calibration(tagger.aligner, texts)
    onnx.write(model_of(tagger), tagger.decoder.unit_axes, folder / "onnx", batches)


def config_of(head: str, align: str, context_size: int) -> TaggerConfig:
    *efficient, name = head.split()
    options = {"efficient": bool(efficient), "head_size": 8}
    known = plugins.head_params(name)
    return tagger_config(
        ["a", "b"],
        head=name,
        align=align,
        context_size=context_size,
        head_options={key: value for key, value in options.items() if key in known},
    )


def network(head: str, align: str, context_size: int = 6, size: int = 16, attention: str = "sdpa") -> TaggerModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=4000,
        hidden_size=size,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * size,
        max_position_embeddings=64,
    )
    config._attn_implementation = attention
    return TaggerModel(BertModel(config, add_pooling_layer=False), config_of(head, align, context_size)).eval()


def write_network(model: TaggerModel, head: str, folder: Path) -> Path:
    """Write the graphs of ``model``; the folder."""
    unit_axes = plugins.load(plugins.DECODERS, head.split()[-1], "head").Decoder.unit_axes
    onnx.write(model, unit_axes, folder, [batch(1, tokens, units) for _, tokens, units in SHAPES])
    return folder


def batch(rows: int, tokens: int, units: int) -> Batch:
    """Random columns; the first row is full, the others are padded."""
    generator = np.random.default_rng(tokens)

    def mask(longest: int) -> NDArray[np.bool_]:
        lengths = generator.integers(1, longest + 1, (rows, 1))
        lengths[0] = longest
        return np.asarray(np.arange(longest) < lengths)

    here, unit_mask = mask(tokens), mask(units)
    columns: Batch = {
        "input_ids": generator.integers(1, 4000, (rows, tokens)) * here,
        "attention_mask": here.astype(np.int64),
        "unit_mask": unit_mask,
    }
    limits = {"unit_tokens": tokens, "unit_characters": 4000, "unit_places": 8, "unit_lengths": 8}
    for name, limit in limits.items():
        columns[name] = generator.integers(limit, size=(rows, units)) * unit_mask
    return columns
