"""The graph in eight bits: what is stored, ranges that are fixed, and channels that are too wide for the others."""

from pathlib import Path

import numpy as np
import onnx as onnx_library
import pytest
import torch
from onnx import numpy_helper
from support.graphs import TEXTS, batch, network, write_network
from support.tiny import tiny_tagger_folder

from clue_ner.alignment.batch import collate
from clue_ner.exporting import int8, onnx
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes._onnxruntime import OnnxRuntime
from clue_ner.runtimes.torch import TorchRuntime
from clue_ner.tagger.model_files import GRAPHS
from clue_ner.tagger.tagger import Tagger

COLUMN_OF_MATRICES = 1


def kinds_of(folder: Path) -> list[str]:
    return [node.op_type for node in onnx_library.load(folder / GRAPHS["int8"]).graph.node]


def test_int8_stores_matrices_and_embeddings_as_bytes(tmp_path: Path) -> None:
    write_network(network("crf", "characters_over_pieces", size=64), "crf", tmp_path)
    graph = onnx_library.load(tmp_path / GRAPHS["int8"]).graph
    large = {i.name: i.data_type for i in graph.initializer if len(i.raw_data) > 4000 and "LSTM" not in i.name}
    assert len(large) >= 14
    assert set(large.values()) == {onnx_library.TensorProto.INT8}
    values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    matrices = [values[node.input[COLUMN_OF_MATRICES]] for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(matrices) == 2 * 6 + 2
    assert {abs(matrix.astype(int)).max() for matrix in matrices} == {63}
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes["model.int8.onnx"] < 0.4 * sizes["model.onnx"]


def test_int8_takes_no_range_from_what_it_reads(tmp_path: Path) -> None:
    write_network(network("softmax", "characters"), "softmax", tmp_path)
    kinds = set(kinds_of(tmp_path))
    assert "QuantizeLinear" in kinds
    assert kinds.isdisjoint({"DynamicQuantizeLinear", "DynamicQuantizeMatMul", "MatMulInteger"})


def stretched(widened: str) -> TaggerModel:
    """A network one of whose channels is far wider than the others, where ``widened`` says, and counts for as much."""
    model = network("crf", "characters_over_pieces", size=64)
    layer = model.encoder.encoder.layer[1]
    with torch.no_grad():
        if widened == "norm":  # read by a matrix that is wider than it
            layer.attention.output.LayerNorm.weight[3] *= 300
            layer.intermediate.dense.weight *= 10
            layer.intermediate.dense.weight[:, 3] /= 300
        else:  # read by a matrix that is narrower
            layer.intermediate.dense.weight[3] *= 1000
            layer.output.dense.weight *= 10
            layer.output.dense.weight[:, 3] /= 1000
    return model


@pytest.mark.parametrize(("widened", "scaled", "separate", "gain"), [("norm", 1, 0, 0.8), ("activation", 0, 1, 0.3)])
def test_int8_keeps_a_wide_channel_from_coarsening_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, widened: str, scaled: int, separate: int, gain: float
) -> None:
    model, columns = stretched(widened), batch(4, 20, 30)
    wanted = TorchRuntime(model)(columns)[columns["unit_mask"]]
    distances, nodes = [], []
    for widest in (int8.WIDEST / 2, float("inf")):  # of 64 channels, none is wider than about 40 deviations
        monkeypatch.setattr(int8, "WIDEST", widest)
        write_network(model, "crf", tmp_path)
        logits = OnnxRuntime(tmp_path / GRAPHS["int8"], threads=1)(columns)[columns["unit_mask"]]
        distances.append(np.abs(logits - wanted).mean())
        nodes.append((kinds_of(tmp_path).count("Mul"), kinds_of(tmp_path).count("MatMul")))
    assert nodes[0] == (nodes[1][0] + scaled, separate)
    assert nodes[1][1] == 0
    assert distances[0] < gain * distances[1]


def test_int8_ranges_come_from_texts_without_padding(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", "softmax"), "torch")
    batches = list(onnx.calibration(tagger.aligner, TEXTS))
    windows = [window for of_text in tagger.aligner.windows(TEXTS) for window in of_text]
    assert len(batches) == len(windows) > len(TEXTS) - 1
    for made, window in zip(batches, windows):
        wanted = collate([window], tagger.aligner.tokenizer.pad_id)
        assert made.keys() == wanted.keys()
        assert all((made[name] == wanted[name]).all() for name in wanted)
        assert made["attention_mask"].all()
        assert made["unit_mask"].all()
