from pathlib import Path

import onnx as onnx_library
import pytest
import torch
from tiny import TAGS, tiny_tagger_folder
from torch import Tensor
from transformers import BertConfig, BertModel

from clue_ner.errors import ArtifactError
from clue_ner.exporting import onnx
from clue_ner.model import INPUTS, ModelSpec, TaggerModel
from clue_ner.schemes import SCHEMES
from clue_ner.tagger import Tagger

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
    assert sorted(path.name for path in (tmp_path / "onnx").iterdir()) == ["model.int8.onnx", "model.onnx"]
    exact, eight_bit = (onnx.scorer(tmp_path / "onnx" / name, threads=1) for name in ("model.onnx", "model.int8.onnx"))
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
        assert tagger.using(onnx.scorer(tmp_path / "onnx" / name, threads=1)).tag(TEXTS) == wanted


def test_onnx_int8_stores_matrices_and_embeddings_as_bytes(tmp_path: Path) -> None:
    onnx.write(network("crf", "characters_over_pieces", size=64), tmp_path)
    graph = onnx_library.load(tmp_path / "model.int8.onnx").graph
    large = {i.name: i.data_type for i in graph.initializer if len(i.raw_data) > 4000 and "LSTM" not in i.name}
    assert len(large) >= 14
    assert set(large.values()) == {onnx_library.TensorProto.UINT8}
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes["model.int8.onnx"] < 0.4 * sizes["model.onnx"]


def test_onnx_int8_keeps_matrices_with_wide_inputs_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network("crf", "characters_over_pieces")
    for widest, quantised in ((onnx.WIDEST, 2 * 6 + 2), (0.0, 0)):
        monkeypatch.setattr(onnx, "WIDEST", widest)
        onnx.write(model, tmp_path)
        kinds = [node.op_type for node in onnx_library.load(tmp_path / "model.int8.onnx").graph.node]
        assert kinds.count("MatMulInteger") == quantised
        assert "DequantizeLinear" in kinds
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_onnx_scorer_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"model\.onnx: no such file; set export\.onnx to true"):
        onnx.scorer(tmp_path / "model.onnx", threads=1)
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ArtifactError, match=r"model\.onnx: no ONNX graph that can be run .*run `dvc repro export`"):
        onnx.scorer(tmp_path / "model.onnx", threads=1)
