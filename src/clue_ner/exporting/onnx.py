"""The network as an ONNX graph, in float32 and in int8, and ONNX Runtime in torch's place. Only this file knows ONNX.

The graph takes the columns of ``clue_ner.model.INPUTS`` that the network uses (int64, ``unit_mask`` bool; any number of
rows, tokens and units) and gives the head's ``logits``. Decoding stays in Python: it is the head's.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from clue_ner.errors import ArtifactError
from clue_ner.model import INPUTS, TaggerModel, collate
from clue_ner.tagger import Scorer

MODEL, INT8 = "model.onnx", "model.int8.onnx"
OPSET = 17
WIDEST = 100.0
"""If a matrix's input spans more standard deviations than this, int8's 255 steps leave too little of most values."""


def write(model: TaggerModel, folder: Path) -> None:
    """Write ``model.onnx`` and ``model.int8.onnx`` into ``folder``; ``model`` is on the processor, in eval mode.

    int8 is dynamic: matrices and embedding tables are stored as eight bits (matrices with a scale for each column),
    activations are quantised as they come, and the LSTM, norms and softmax stay float32, as do matrices whose input is
    wider than ``WIDEST``. The eight bits are unsigned: processors without VNNI add up signed weights in sixteen bits,
    which overflow.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    folder.mkdir(parents=True, exist_ok=True)
    traced = folder / "traced.onnx"
    _trace(model, traced)
    quant_pre_process(traced, folder / MODEL, skip_symbolic_shape=True)
    traced.unlink()
    wide = _wide(model)
    nodes = [node.name for node in onnx.load(folder / MODEL, load_external_data=False).graph.node]
    quantize_dynamic(
        folder / MODEL,
        folder / INT8,
        op_types_to_quantize=["MatMul", "Gemm", "Gather"],
        nodes_to_exclude=[name for name in nodes if name.strip("/").replace("/", ".").rpartition(".")[0] in wide],
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
            _sample(model, (3, 5)),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_axes={
                **{name: {0: "batch", 1: _axis(name)} for name in INPUTS},
                "logits": {0: "batch", **{axis: f"units_{axis}" for axis in model.head.unit_axes}},
            },
        )


def _wide(model: TaggerModel) -> set[str]:
    """Names of the linear layers whose input, for random tokens, is wider than ``WIDEST``.

    A few dimensions of BERTs run far out of scale (Bondarenko et al. 2021), whatever the text is.
    """
    widths: dict[str, float] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor]) -> None:
            widths[name] = float((inputs[0].max() - inputs[0].min()) / inputs[0].std())

        return hook

    linears = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    hooks = [module.register_forward_pre_hook(note(name)) for name, module in linears]
    with torch.inference_mode():
        model(*_sample(model, (32,) * 8))
    for hook in hooks:
        hook.remove()
    return {name for name, width in widths.items() if width > WIDEST}


def _sample(model: TaggerModel, lengths: tuple[int, ...]) -> tuple[Tensor, ...]:
    """A batch of random tokens, as many in a row as ``lengths`` says, with as many units.

    A trace may take what is special about its sample for a constant: give it two rows, one of them padded.
    """
    generator = torch.Generator().manual_seed(0)
    vocabulary = model.encoder.config.vocab_size
    rows = []
    for length in lengths:
        columns = {name: [0] * length for name in INPUTS if name.startswith("unit_") and name != "unit_mask"}
        columns["input_ids"] = torch.randint(vocabulary, (length,), generator=generator).tolist()
        rows.append(columns)
    batch = collate(rows, pad_id=0)
    return tuple(batch[name] for name in INPUTS)


def _axis(name: str) -> str:
    return "tokens" if name in ("input_ids", "attention_mask") else "units"
