"""The network as an ONNX graph, in float32 and in int8, for the runtimes ``onnx`` and ``int8``.

The graph takes those of ``alignment.windows.INPUTS`` that the network uses (int64, ``unit_mask`` bool; any number of
rows, tokens and units) and gives the head's ``logits``. Entities are read from these by ``tagger.decoding``.
"""

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clue_ner.alignment.batch import collate
from clue_ner.alignment.windows import INPUTS, UNIT_COLUMNS, Row
from clue_ner.common.files import write_checksums
from clue_ner.network.model import TaggerModel
from clue_ner.tagger.model_files import GRAPHS

OPSET = 17
WIDEST = 40.0
"""If a channel of a matrix's input spans more standard deviations than this, zero included, int8's 255 steps leave too
little of all others: it is multiplied separately, in float32."""


def write(model: TaggerModel, unit_axes: tuple[int, ...], folder: Path) -> None:
    """Write ``model.onnx`` and ``model.int8.onnx`` into ``folder``, and their checksums.

    ``model`` is on the CPU, in eval mode; ``unit_axes`` are the axes of its logits that are units.

    Attention and GELU are ONNX Runtime's own operators where its optimiser recognises the encoder's.

    int8 is dynamic: matrices and embedding tables are stored as eight bits (matrices with a scale for each column),
    activations are quantised as they come, and attention, the LSTM, norms and softmax stay float32, as do the channels
    of a matrix's input that are wider than ``WIDEST``. Weights are signed and have seven bits: CPUs without VNNI
    add up products in sixteen bits, which eight would overflow, and those with VNNI are fast only with signed ones.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        traced, split = Path(work) / "traced.onnx", Path(work) / "split.onnx"
        _trace(model, unit_axes, traced)
        _fuse(traced, folder / GRAPHS["onnx"], model.encoder.config)
        graph = onnx.load(folder / GRAPHS["onnx"])
        separate = _split(graph.graph, _wide(model))
        add_pre_process_metadata(graph)
        onnx.save(graph, split)
        quantize_dynamic(
            split,
            folder / GRAPHS["int8"],
            op_types_to_quantize=["MatMul", "Gemm", "Gather"],
            nodes_to_exclude=separate,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    write_checksums(folder)


def _trace(model: TaggerModel, unit_axes: tuple[int, ...], path: Path) -> None:
    """By TorchScript: torch.export makes an LSTM's number of steps a constant. Eager attention is what can be fused."""
    with warnings.catch_warnings(), _eager_attention(model.encoder):
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
                "logits": {0: "batch", **{axis: f"units_{axis}" for axis in unit_axes}},
            },
        )


@contextlib.contextmanager
def _eager_attention(encoder: Any) -> Iterator[None]:
    before = encoder.config._attn_implementation
    encoder.set_attn_implementation("eager")
    try:
        yield
    finally:
        encoder.set_attn_implementation(before)


def _fuse(traced: Path, path: Path, config: Any) -> None:
    """Write the graph with the operators that ONNX Runtime has for parts of an encoder of the BERT family."""
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    options = FusionOptions("bert")
    options.use_multi_head_attention = True
    options.enable_embed_layer_norm = options.enable_skip_layer_norm = options.enable_bias_skip_layer_norm = False
    heads, size = config.num_attention_heads, config.hidden_size
    optimize_model(str(traced), "bert", heads, size, options, opt_level=0).save_model_to_file(str(path))


def _wide(model: TaggerModel) -> dict[str, list[int]]:
    """The channels of linear layers' inputs that are, for random tokens, wider than ``WIDEST``, by the layer's name.

    A few dimensions of BERTs run far out of scale (Bondarenko et al. 2021), whatever the text is.
    """
    channels: dict[str, list[int]] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor]) -> None:
            states = inputs[0].flatten(0, -2)
            widths = (states.amax(0).clamp(min=0) - states.amin(0).clamp(max=0)) / states.std()
            channels[name] = (widths > WIDEST).nonzero().flatten().tolist()

        return hook

    linears = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    hooks = [module.register_forward_pre_hook(note(name)) for name, module in linears]
    with torch.inference_mode():
        model(*_sample(model, (32,) * 8))
    for hook in hooks:
        hook.remove()
    return {name: those for name, those in channels.items() if those}


def _split(graph: Any, wide: dict[str, list[int]]) -> list[str]:
    """Multiply ``wide`` channels in matrix products of their own, which are not quantised; their names."""
    from onnx import helper, numpy_helper

    weights = {tensor.name: tensor for tensor in graph.initializer}
    separate = []
    nodes = []
    for node in graph.node:
        channels = wide.get(node.name.strip("/").replace("/", ".").rpartition(".")[0])
        if node.op_type != "MatMul" or channels is None or node.input[1] not in weights:
            nodes.append(node)
            continue
        states, matrix = node.input[0], numpy_helper.to_array(weights[node.input[1]])
        kept = np.ones(len(matrix), dtype=matrix.dtype)
        kept[channels] = 0
        for what, values in (("kept", kept), ("channels", np.array(channels)), ("rows", matrix[channels])):
            graph.initializer.append(numpy_helper.from_array(values, f"{node.name}_{what}"))
        names = {what: f"{node.name}_{what}" for what in ("narrow", "wide", "many", "few")}
        few = helper.make_node("MatMul", [names["wide"], f"{node.name}_rows"], [names["few"]], names["few"])
        nodes += [
            helper.make_node("Mul", [states, f"{node.name}_kept"], [names["narrow"]], names["narrow"]),
            helper.make_node("MatMul", [names["narrow"], node.input[1]], [names["many"]], node.name),
            helper.make_node("Gather", [states, f"{node.name}_channels"], [names["wide"]], names["wide"], axis=-1),
            few,
            helper.make_node("Add", [names["many"], names["few"]], node.output, f"{node.name}_sum"),
        ]
        separate.append(few.name)
    graph.ClearField("node")
    graph.node.extend(nodes)
    return separate


def _sample(model: TaggerModel, lengths: tuple[int, ...]) -> tuple[Tensor, ...]:
    """A batch of random tokens, ``lengths`` of them in the rows, and as many units.

    A trace may take what is special about its sample for a constant: give it two rows, one of them padded.
    """
    generator = torch.Generator().manual_seed(0)
    vocabulary = model.encoder.config.vocab_size
    rows = []
    for length in lengths:
        tokens = torch.randint(vocabulary, (length,), generator=generator).tolist()
        rows.append(Row(input_ids=tokens, **{column: [0] * length for column in UNIT_COLUMNS}))
    batch = collate(rows, pad_id=0)
    return tuple(torch.from_numpy(batch[name]) for name in INPUTS)


def _axis(name: str) -> str:
    return "tokens" if name in ("input_ids", "attention_mask") else "units"
