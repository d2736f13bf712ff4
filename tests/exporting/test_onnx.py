import contextlib
import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx as onnx_library
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from support.configs import tagger_config
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    DistilBertConfig,
    ElectraConfig,
    PretrainedConfig,
    RobertaConfig,
)

from clue_ner.alignment.batch import Batch
from clue_ner.common.files import verify_checksums
from clue_ner.core import plugins
from clue_ner.exporting import onnx
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes._onnxruntime import OnnxRuntime
from clue_ner.runtimes.torch import TorchRuntime
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tagger.model_files import GRAPHS
from clue_ner.tagger.tagger import Tagger

SHAPES = [(1, 2, 1), (2, 3, 5), (1, 9, 30), (5, 33, 40), (3, 64, 7), (9, 4, 120)]
TEXTS = ["昨天李雷去了上海，招商银行在上海。", "", "我们", "😀在 上海1", "李雷" * 40, "a"]
CASES = [
    ("span", "characters", 0, "sdpa"),
    ("global_pointer", "characters", 0, "sdpa"),
    ("efficient global_pointer", "pieces", 0, "eager"),
    ("biaffine", "characters_over_pieces", 6, "sdpa"),
    ("softmax", "characters", 0, "sdpa"),
    ("crf", "pieces", 0, "eager"),
    ("crf", "characters_over_pieces", 6, "sdpa"),
    ("softmax", "characters_over_pieces", 0, "eager"),
]
"""Head, alignment, units of the BiLSTM, attention."""


class Export(NamedTuple):
    """A network, the folder with its graphs, and what was printed while they were written."""

    model: TaggerModel
    folder: Path
    printed: str


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


def write(model: TaggerModel, head: str, folder: Path) -> Path:
    """Write the graphs of ``model``; the folder."""
    onnx.write(model, plugins.load(plugins.DECODERS, head.split()[-1], "head").Decoder.unit_axes, folder)
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Export]:
    """``exported(*case)``: the case's network as graphs, written once."""

    @cache
    def export(head: str, align: str, context_size: int, attention: str) -> Export:
        model = network(head, align, context_size, attention=attention)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            folder = write(model, head, tmp_path_factory.mktemp("graphs") / "onnx")
        return Export(model, folder, printed.getvalue())

    return export


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


def valid(model: TaggerModel, columns: Batch, logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    mask = model.head.valid_mask(torch.from_numpy(columns["unit_mask"])).numpy()
    return np.broadcast_to(mask, logits.shape)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_onnx_gives_torchs_logits_for_any_shape(
    exported: Callable[..., Export], case: tuple[str, str, int, str]
) -> None:
    model, folder, _ = exported(*case)
    assert sorted(path.name for path in folder.iterdir()) == ["checksums.json", "model.int8.onnx", "model.onnx"]
    verify_checksums(folder, "never")
    exact, eight_bit = (OnnxRuntime(folder / GRAPHS[name], threads=1) for name in ("onnx", "int8"))
    for shape in SHAPES:
        columns = batch(*shape)
        logits = TorchRuntime(model)(columns)
        counted = valid(model, columns, logits)
        wanted = logits[counted]
        np.testing.assert_allclose(exact(columns)[counted], wanted, atol=1e-5, rtol=0)
        assert np.abs(eight_bit(columns)[counted] - wanted).mean() < 0.1 * np.abs(wanted).mean()


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_onnx_graphs_have_fused_operators_and_leave_the_model_as_it_was(
    exported: Callable[..., Export], case: tuple[str, str, int, str]
) -> None:
    head, _, _, attention = case
    model, folder, printed = exported(*case)
    assert "failed" not in printed
    assert model.encoder.config._attn_implementation == attention
    assert not any(module._forward_pre_hooks for module in model.modules())
    for name in GRAPHS.values():
        kinds = [node.op_type for node in onnx_library.load(folder / name).graph.node]
        gelus = 2 + 2 * (head == "biaffine")
        assert (kinds.count("MultiHeadAttention"), kinds.count("BiasGelu")) == (2, gelus)
        assert {"Erf", "Softmax", "SkipLayerNormalization"}.isdisjoint(kinds)


@pytest.mark.parametrize(
    ("head", "align"), [("softmax", "characters"), ("crf", "pieces"), ("crf", "characters_over_pieces")]
)
def test_onnx_tags_as_torch_does(lexicon_export: Callable[[str, str], Path], head: str, align: str) -> None:
    folder = lexicon_export(head, align)
    tagger = Tagger.load(folder / "tagger")
    wanted = tagger.tag(TEXTS)
    assert sum(map(len, wanted)) > 40
    for name in GRAPHS.values():
        assert tagger.using(OnnxRuntime(folder / "onnx" / name, threads=1)).tag(TEXTS) == wanted


def test_onnx_int8_stores_matrices_and_embeddings_as_bytes(tmp_path: Path) -> None:
    write(network("crf", "characters_over_pieces", size=64), "crf", tmp_path)
    graph = onnx_library.load(tmp_path / GRAPHS["int8"]).graph
    large = {i.name: i.data_type for i in graph.initializer if len(i.raw_data) > 4000 and "LSTM" not in i.name}
    assert len(large) >= 14
    assert set(large.values()) == {onnx_library.TensorProto.INT8, onnx_library.TensorProto.UINT8}
    values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    matrices = [values[node.input[1]] for node in graph.node if node.op_type == "MatMulInteger"]
    assert {matrix.dtype.name for matrix in matrices} == {"int8"}
    assert {abs(matrix.astype(int)).max() for matrix in matrices} == {64}
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes["model.int8.onnx"] < 0.4 * sizes["model.onnx"]


def test_onnx_int8_multiplies_wide_channels_separately(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network("crf", "characters_over_pieces", size=64)
    with torch.no_grad():
        model.encoder.encoder.layer[1].intermediate.dense.weight[3] *= 1000
        model.encoder.encoder.layer[1].output.dense.weight *= 10
        model.encoder.encoder.layer[1].output.dense.weight[:, 3] /= 1000
    columns = batch(4, 20, 30)
    wanted = TorchRuntime(model)(columns)[columns["unit_mask"]]
    distances, products = [], []
    for widest in (onnx.WIDEST, float("inf")):
        monkeypatch.setattr(onnx, "WIDEST", widest)
        write(model, "crf", tmp_path)
        logits = OnnxRuntime(tmp_path / GRAPHS["int8"], threads=1)(columns)[columns["unit_mask"]]
        distances.append(np.abs(logits - wanted).mean())
        kinds = [node.op_type for node in onnx_library.load(tmp_path / GRAPHS["int8"]).graph.node]
        products.append((kinds.count("MatMulInteger"), kinds.count("MatMul")))
    assert products == [(2 * 6 + 2, 1), (2 * 6 + 2, 0)]
    assert distances[0] < 0.3 * distances[1]


@pytest.mark.parametrize("config", [RobertaConfig, ElectraConfig, DistilBertConfig])
def test_onnx_gives_torchs_logits_of_other_encoders(tmp_path: Path, config: type[PretrainedConfig]) -> None:
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
    if config is DistilBertConfig:
        sizes = {"n_layers": 2, "n_heads": 2, "dim": 16, "hidden_dim": 32}
    encoder = AutoModel.from_config(config(vocab_size=4000, max_position_embeddings=100, pad_token_id=0, **sizes))
    model = TaggerModel(encoder, config_of("crf", "characters_over_pieces", 6)).eval()
    exact = OnnxRuntime(write(model, "crf", tmp_path) / GRAPHS["onnx"], threads=1)
    for shape in SHAPES:
        columns = batch(*shape)
        here = columns["unit_mask"]
        np.testing.assert_allclose(exact(columns)[here], TorchRuntime(model)(columns)[here], atol=1e-5, rtol=0)
