import contextlib
import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx as onnx_library
import pytest
import torch
from numpy.typing import NDArray
from support.graphs import SHAPES, batch, config_of, network, write_network
from torch import nn
from transformers import (
    AutoModel,
    DistilBertConfig,
    ElectraConfig,
    PretrainedConfig,
    RobertaConfig,
)

from clue_ner.alignment.batch import Batch
from clue_ner.common.errors import ParamsError
from clue_ner.common.files import verify_checksums
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes._onnxruntime import OnnxRuntime
from clue_ner.runtimes.torch import TorchRuntime
from clue_ner.tagger.model_files import GRAPHS
from clue_ner.tagger.tagger import Tagger

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


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Export]:
    """``exported(*case)``: the case's network as graphs, written once."""

    @cache
    def export(head: str, align: str, context_size: int, attention: str) -> Export:
        model = network(head, align, context_size, attention=attention)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            folder = write_network(model, head, tmp_path_factory.mktemp("graphs") / "onnx")
        return Export(model, folder, printed.getvalue())

    return export


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
        gelu = "FastGelu" if name == GRAPHS["int8"] else "BiasGelu"
        assert (kinds.count("MultiHeadAttention"), kinds.count(gelu)) == (2, gelus)
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


@pytest.mark.parametrize("config", [RobertaConfig, ElectraConfig, DistilBertConfig])
def test_onnx_gives_torchs_logits_of_other_encoders(tmp_path: Path, config: type[PretrainedConfig]) -> None:
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
    if config is DistilBertConfig:
        sizes = {"n_layers": 2, "n_heads": 2, "dim": 16, "hidden_dim": 32}
    encoder = AutoModel.from_config(config(vocab_size=4000, max_position_embeddings=100, pad_token_id=0, **sizes))
    model = TaggerModel(encoder, config_of("crf", "characters_over_pieces", 6)).eval()
    exact = OnnxRuntime(write_network(model, "crf", tmp_path) / GRAPHS["onnx"], threads=1)
    for shape in SHAPES:
        columns = batch(*shape)
        here = columns["unit_mask"]
        np.testing.assert_allclose(exact(columns)[here], TorchRuntime(model)(columns)[here], atol=1e-5, rtol=0)


def _times_tokens(module: nn.Module, inputs: object, output: Any) -> Any:
    """An encoder whose states depend on the number of tokens, which a trace takes for a constant."""
    output.last_hidden_state = output.last_hidden_state * int(output.last_hidden_state.shape[1])
    return output


def _with_an_odd_operator(module: nn.Module, inputs: object, output: Any) -> Any:
    """An encoder with an operator that ONNX does not have."""
    states = output.last_hidden_state
    output.last_hidden_state = states @ torch.linalg.matrix_exp(states.transpose(1, 2) @ states)
    return output


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_times_tokens, "its logits differ from torch's by up to"), (_with_an_odd_operator, ".*matrix_exp.*")],
)
def test_onnx_refuses_an_encoder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[..., Any], reason: str
) -> None:
    model = network("softmax", "pieces", 0)
    model.encoder.register_forward_hook(change)
    with pytest.raises(
        ParamsError, match=rf"export\.onnx: bert cannot be written as ONNX \({reason}.*\); set it to false"
    ):
        write_network(model, "softmax", tmp_path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("align", ["pieces", "characters_over_pieces"])
def test_onnx_int8_reads_narrow_embeddings(tmp_path: Path, align: str) -> None:
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
    encoder = AutoModel.from_config(
        ElectraConfig(vocab_size=4000, max_position_embeddings=100, embedding_size=8, **sizes)
    )
    model = TaggerModel(encoder, config_of("crf", align, 0)).eval()
    eight_bit = OnnxRuntime(write_network(model, "crf", tmp_path) / GRAPHS["int8"], threads=1)
    columns = batch(3, 64, 7)
    wanted = TorchRuntime(model)(columns)[columns["unit_mask"]]
    assert np.abs(eight_bit(columns)[columns["unit_mask"]] - wanted).mean() < 0.1 * np.abs(wanted).mean()
