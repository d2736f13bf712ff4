"""The network as an ONNX graph, in float32 and in int8, and ONNX Runtime in torch's place. Only this file knows ONNX.

The graph takes the columns of ``clue_ner.model.INPUTS`` that the network uses (int64, ``unit_mask`` bool; any number of
rows, tokens and units) and gives ``logits`` [B, U, L]. Decoding stays in Python: it is the head's.
"""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from clue_ner.errors import ArtifactError
from clue_ner.model import INPUTS, TaggerModel, collate
from clue_ner.tagger import Scorer

MODEL, INT8 = "model.onnx", "model.int8.onnx"
OPSET = 17


def write(model: TaggerModel, folder: Path) -> None:
    """Write ``model.onnx`` and ``model.int8.onnx`` into ``folder``; ``model`` is on the processor, in eval mode.

    int8 is dynamic: matrices and embedding tables are stored as eight bits (matrices with a scale for each column),
    activations are quantised as they come, and the LSTM, norms and softmax stay float32. The eight bits are unsigned:
    processors without VNNI add up signed weights in sixteen bits, which overflow.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    folder.mkdir(parents=True, exist_ok=True)
    traced = folder / "traced.onnx"
    _trace(model, traced)
    quant_pre_process(traced, folder / MODEL, skip_symbolic_shape=True)
    traced.unlink()
    quantize_dynamic(
        folder / MODEL,
        folder / INT8,
        op_types_to_quantize=["MatMul", "Gemm", "Gather"],
        per_channel=True,
        weight_type=QuantType.QUInt8,
    )


def scorer(path: Path, threads: int) -> Scorer:
    """Logits from the graph in ``path`` on ``threads`` threads of the processor, for ``Tagger.using``.

    Raises ArtifactError if there is no such file, or it is no graph.
    """
    import onnxruntime

    if not path.is_file():
        raise ArtifactError(f"{path}: no such file; set export.onnx to true and run `dvc repro export`")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no class in common
        reason = str(error).partition("\n")[0]
        raise ArtifactError(f"{path}: no ONNX graph that can be run ({reason}); run `dvc repro export`") from None
    used = [column.name for column in session.get_inputs()]

    def score(batch: dict[str, Tensor]) -> Tensor:
        (logits,) = session.run(None, {name: batch[name].numpy() for name in used})
        return torch.from_numpy(logits)

    return score


def _trace(model: TaggerModel, path: Path) -> None:
    """By TorchScript: torch.export makes an LSTM's number of steps a constant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            _sample(),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_axes={name: {0: "batch", 1: _axis(name)} for name in (*INPUTS, "logits")},
        )


def _sample() -> tuple[Tensor, ...]:
    """Two rows of different length: without padding the trace would leave the attention mask out."""
    unit_columns = [name for name in INPUTS if name.startswith("unit_") and name != "unit_mask"]
    rows = [{"input_ids": [0] * length, **{name: [0] * length for name in unit_columns}} for length in (3, 5)]
    batch = collate(rows, pad_id=0)
    return tuple(batch[name] for name in INPUTS)


def _axis(name: str) -> str:
    return "tokens" if name in ("input_ids", "attention_mask") else "units"
