from pathlib import Path

import onnx as onnx_library
import pytest
import torch
from onnx import numpy_helper
from support.tiny import TAGS, tiny_tagger_folder
from torch import Tensor
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    DistilBertConfig,
    ElectraConfig,
    PretrainedConfig,
    RobertaConfig,
)

from clue_ner.common.errors import ArtifactError
from clue_ner.core.schemes import SCHEMES
from clue_ner.exporting import onnx
from clue_ner.network.model import INPUTS, ModelSpec, TaggerModel
from clue_ner.runtimes.onnx import scorer
from clue_ner.tagger.tagger import Tagger

SHAPES = [(1, 2, 1), (2, 3, 5), (1, 9, 30), (5, 33, 40), (3, 64, 7), (9, 4, 120)]
TEXTS = ["昨天李雷去了上海，招商银行在上海。", "", "我们", "😀在 上海1", "李雷" * 40, "a"]


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
    *efficient, name = head.split()
    options = {"efficient": bool(efficient), "head_size": 8}
    spec = ModelSpec(name, align, "BIO", tuple(SCHEMES["BIO"].tags(["a", "b"])), context_size, head_options=options)
    return TaggerModel(BertModel(config, add_pooling_layer=False), spec).eval()


def batch(rows: int, tokens: int, units: int) -> dict[str, Tensor]:
    """Random columns; the first row is full, the others are padded."""
    generator = torch.Generator().manual_seed(tokens)

    def lengths(longest: int) -> Tensor:
        drawn = torch.randint(1, longest + 1, (rows, 1), generator=generator)
        drawn[0] = longest
        return torch.arange(longest) < drawn

    here, mask = lengths(tokens), lengths(units)
    columns = {
        "input_ids": torch.randint(1, 4000, (rows, tokens), generator=generator) * here,
        "attention_mask": here.long(),
        "unit_mask": mask,
    }
    limits = {"unit_tokens": tokens, "unit_characters": 4000, "unit_places": 8, "unit_lengths": 8}
    for name, limit in limits.items():
        columns[name] = torch.randint(limit, (rows, units), generator=generator) * mask
    return columns


@pytest.mark.parametrize(
    ("head", "align", "context_size", "attention"),
    [
        ("span", "characters", 0, "sdpa"),
        ("global_pointer", "characters", 0, "sdpa"),
        ("efficient global_pointer", "pieces", 0, "eager"),
        ("biaffine", "characters_over_pieces", 6, "sdpa"),
        ("softmax", "characters", 0, "sdpa"),
        ("crf", "pieces", 0, "eager"),
        ("crf", "characters_over_pieces", 6, "sdpa"),
        ("softmax", "characters_over_pieces", 0, "eager"),
    ],
)
def test_onnx_gives_torchs_logits_for_any_shape(
    tmp_path: Path, head: str, align: str, context_size: int, attention: str
) -> None:
    model = network(head, align, context_size, attention=attention)
    onnx.write(model, tmp_path / "onnx")
    names = sorted(path.name for path in (tmp_path / "onnx").iterdir())
    assert names == [
        "checksums.json",
        "model.int8.onnx",
        "model.onnx",
    ]
    exact, eight_bit = (scorer(tmp_path / "onnx" / name, threads=1) for name in ("model.onnx", "model.int8.onnx"))
    for shape in SHAPES:
        columns = batch(*shape)
        with torch.inference_mode():
            logits = model(**{name: columns[name] for name in INPUTS})
        counted = model.head.counted(columns["unit_mask"]).expand_as(logits)
        wanted = logits[counted]
        torch.testing.assert_close(exact(columns)[counted], wanted, atol=1e-5, rtol=0)
        assert (eight_bit(columns)[counted] - wanted).abs().mean() < 0.1 * wanted.abs().mean()


@pytest.mark.parametrize("align", ["characters", "pieces", "characters_over_pieces"])
def test_onnx_tags_as_torch_does(tmp_path: Path, align: str) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", "crf", align, lexicon=TAGS))
    onnx.write(tagger.model, tmp_path / "onnx")
    wanted = tagger.tag(TEXTS)
    assert sum(map(len, wanted)) > 40
    for name in ("model.onnx", "model.int8.onnx"):
        assert tagger.using(scorer(tmp_path / "onnx" / name, threads=1)).tag(TEXTS) == wanted


def test_onnx_int8_stores_matrices_and_embeddings_as_bytes(tmp_path: Path) -> None:
    onnx.write(network("crf", "characters_over_pieces", size=64), tmp_path)
    graph = onnx_library.load(tmp_path / "model.int8.onnx").graph
    large = {i.name: i.data_type for i in graph.initializer if len(i.raw_data) > 4000 and "LSTM" not in i.name}
    assert len(large) >= 14
    assert set(large.values()) == {onnx_library.TensorProto.INT8, onnx_library.TensorProto.UINT8}
    values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    matrices = [values[node.input[1]] for node in graph.node if node.op_type == "MatMulInteger"]
    assert {matrix.dtype.name for matrix in matrices} == {"int8"}
    assert {abs(matrix.astype(int)).max() for matrix in matrices} == {64}
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes["model.int8.onnx"] < 0.4 * sizes["model.onnx"]


def test_onnx_int8_multiplies_wide_channels_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network("crf", "characters_over_pieces", size=64)
    with torch.no_grad():
        model.encoder.encoder.layer[1].intermediate.dense.weight[3] *= 1000
        model.encoder.encoder.layer[1].output.dense.weight *= 10
        model.encoder.encoder.layer[1].output.dense.weight[:, 3] /= 1000
    columns = batch(4, 20, 30)
    with torch.inference_mode():
        wanted = model(**{name: columns[name] for name in INPUTS})[columns["unit_mask"]]
    distances, products = [], []
    for widest in (onnx.WIDEST, float("inf")):
        monkeypatch.setattr(onnx, "WIDEST", widest)
        onnx.write(model, tmp_path)
        logits = scorer(tmp_path / "model.int8.onnx", threads=1)(columns)[columns["unit_mask"]]
        distances.append((logits - wanted).abs().mean())
        kinds = [node.op_type for node in onnx_library.load(tmp_path / "model.int8.onnx").graph.node]
        products.append((kinds.count("MatMulInteger"), kinds.count("MatMul")))
    assert products == [(2 * 6 + 2, 1), (2 * 6 + 2, 0)]
    assert distances[0] < 0.3 * distances[1]
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("head", ["softmax", "crf", "span", "global_pointer", "efficient global_pointer", "biaffine"])
def test_onnx_graphs_have_fused_operators_and_leave_the_model_as_it_was(
    tmp_path: Path, head: str, capfd: pytest.CaptureFixture[str]
) -> None:
    model = network(head, "characters_over_pieces", attention="sdpa")
    onnx.write(model, tmp_path)
    assert "failed" not in capfd.readouterr().out
    assert model.encoder.config._attn_implementation == "sdpa"
    for name in ("model.onnx", "model.int8.onnx"):
        kinds = [node.op_type for node in onnx_library.load(tmp_path / name).graph.node]
        gelus = 2 + 2 * (head == "biaffine")
        assert (kinds.count("MultiHeadAttention"), kinds.count("BiasGelu")) == (2, gelus)
        assert {"Erf", "Softmax", "SkipLayerNormalization"}.isdisjoint(kinds)


@pytest.mark.parametrize("config", [RobertaConfig, ElectraConfig, DistilBertConfig])
def test_onnx_gives_torchs_logits_of_other_encoders(tmp_path: Path, config: type[PretrainedConfig]) -> None:
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
    if config is DistilBertConfig:
        sizes = {"n_layers": 2, "n_heads": 2, "dim": 16, "hidden_dim": 32}
    encoder = AutoModel.from_config(config(vocab_size=4000, max_position_embeddings=100, pad_token_id=0, **sizes))
    spec = ModelSpec("crf", "characters_over_pieces", "BIO", tuple(SCHEMES["BIO"].tags(["a"])), 6)
    model = TaggerModel(encoder, spec).eval()
    onnx.write(model, tmp_path)
    exact = scorer(tmp_path / "model.onnx", threads=1)
    for shape in SHAPES:
        columns = batch(*shape)
        with torch.inference_mode():
            wanted = model(**{name: columns[name] for name in INPUTS})
        counted = columns["unit_mask"]
        torch.testing.assert_close(exact(columns)[counted], wanted[counted], atol=1e-5, rtol=0)


def test_onnx_scorer_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"model\.onnx: no such file; set export\.onnx to true"):
        scorer(tmp_path / "model.onnx", threads=1)
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ArtifactError, match=r"model\.onnx: no ONNX graph that can be run .*run `dvc repro export`"):
        scorer(tmp_path / "model.onnx", threads=1)
