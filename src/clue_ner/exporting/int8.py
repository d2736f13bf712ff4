"""Static int8 quantisation of an ONNX graph: fixed ranges of activations, so that a text's batch has no influence.

The ranges are measured on real texts. ONNX Runtime's own static quantiser does not infer the types of fused operators'
outputs and leaves the following operators in float32; its dynamic quantiser computes a range for each batch.

Letters: K channels of a matrix's input, N of its output.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clue_ner.alignment.batch import Batch

WIDEST = 40.0
"""A channel that spans more standard deviations than this (including zero) is an outlier: with its range, 255 steps
are too coarse for the other channels."""
MATRIX_STEPS = 63
"""The largest weight, of seven bits: CPUs without VNNI add products in 16 bits, which 8-bit weights would overflow;
CPUs with VNNI are fast only with signed weights."""
TABLE_STEPS = 127
DOMAIN = "com.microsoft"

Floats = NDArray[np.float32]


class Range(NamedTuple):
    """Statistics of a matrix's input over all calibration texts."""

    low: Floats
    """[K] the minimum of each channel, at most 0"""
    high: Floats
    """[K] the maximum of each channel, at least 0"""
    deviation: float
    """the root of the mean square over all channels"""

    def wide(self) -> NDArray[np.intp]:
        """The outlier channels, wider than ``WIDEST``: few, and the same for all texts (Bondarenko et al. 2021)."""
        return np.flatnonzero(self.high - self.low > WIDEST * self.deviation)


def quantise(source: Path, target: Path, batches: Iterable[Batch]) -> None:
    """Quantise the float32 graph ``source``; the ranges are measured on ``batches`` of real texts without padding.

    Matrices and embedding tables are stored in 8 bits, matrices with a scale for each output channel. Attention, the
    LSTM, norms and softmax stay float32. GELU uses its tanh approximation, whose error is far below a step.
    """
    import onnx

    model = onnx.load(source)
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    products = defaultdict(list)
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in constants and len(constants[node.input[1]].dims) == 2:
            products[node.input[0]].append(node)
    ranges = _measure(model, list(products), batches)
    _Quantiser(graph, constants, products, ranges).run()
    onnx.save(model, target)


def _measure(model: Any, names: list[str], batches: Iterable[Batch]) -> dict[str, Range]:
    """The ranges of the tensors ``names`` when the graph runs on ``batches``."""
    import onnx
    import onnxruntime

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = [column.name for column in session.get_inputs()]
    lows, highs = dict.fromkeys(names, np.float32(0)), dict.fromkeys(names, np.float32(0))
    squares, counts = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
    for batch in batches:
        for name, values in zip(names, session.run(names, {column: batch[column] for column in inputs})):
            states = values.reshape(-1, values.shape[-1])  # [batch x tokens or units, K]
            lows[name] = np.minimum(lows[name], states.min(0))
            highs[name] = np.maximum(highs[name], states.max(0))
            squares[name] += float(np.square(states, dtype=np.float64).sum())
            counts[name] += states.size
    if not all(counts.values()):
        raise ValueError("no text to measure the ranges of activations on")
    return {
        name: Range(np.asarray(lows[name]), np.asarray(highs[name]), (squares[name] / counts[name]) ** 0.5)
        for name in names
    }


class _Quantiser:
    """Replaces the graph's nodes one by one, in their order."""

    def __init__(
        self, graph: Any, constants: dict[str, Any], products: dict[str, list[Any]], ranges: dict[str, Range]
    ) -> None:
        self.graph, self.constants, self.products, self.ranges = graph, constants, products, ranges
        self.readers = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self.readers[name].append(node)
        self.nodes: list[Any] = []
        self.made: dict[str, Any] = {}
        self.quantised: dict[str, tuple[Floats, NDArray[np.intp]]] = {}

    def run(self) -> None:
        """Replace matrix products, tables and GELU, and remove unused initializers."""
        products = {id(node) for nodes in self.products.values() for node in nodes}
        fused: set[str] = set()
        for node in self.graph.node:
            if id(node) in products:
                fused.add(self._product(node))
            elif node.op_type == "Gather" and self._is_table(node.input[0]):
                self._table(node)
            elif node.op_type == "BiasGelu":
                self._add("FastGelu", list(node.input), node.output[0], domain=DOMAIN)
            elif node.output[0] not in fused:
                self.nodes.append(node)
        read = {name for node in self.nodes for name in node.input}
        self.graph.ClearField("node")
        self.graph.node.extend(self.nodes)
        kept = [tensor for tensor in [*self.graph.initializer, *self.made.values()] if tensor.name in read]
        self.graph.ClearField("initializer")
        self.graph.initializer.extend(kept)

    def _product(self, node: Any) -> str:
        """The 8-bit matrix product with its bias; returns the name of its output.

        If the input is not wider than the output, an outlier channel is scaled down and its row of the matrix scaled
        up; else the channel is multiplied separately in float32. Both cost a pass over the narrower of the two.
        """
        source, matrix = node.input[0], self._values(node.input[1])
        if source not in self.quantised:
            self.quantised[source] = self._input(source)
        factors, separate = self.quantised[source]
        weights = matrix * factors[:, None]
        weights[separate] = 0
        scales = np.abs(weights).max(0) / MATRIX_STEPS  # [N]
        scales[scales == 0] = 1
        steps = np.rint(weights / scales).astype(np.int8)
        bias, output = self._bias(node.output[0])
        inputs = [f"{source}_quantised", self._constant(f"{node.input[1]}_quantised", steps)]
        inputs += [f"{source}_scale", self._constant(f"{node.input[1]}_scale", scales.astype(np.float32))]
        inputs += [f"{source}_zero", self._constant("matrix_zero", np.int8(0))]
        whole = f"{output}_narrow" if len(separate) else output
        self._add("MatMulIntegerToFloat", [*inputs, *bias], whole, domain=DOMAIN)
        if len(separate):
            channels = self._constant(f"{source}_channels", separate)
            rows = self._constant(f"{node.input[1]}_rows", matrix[separate])
            self._add("Gather", [source, channels], f"{output}_channels", axis=-1)
            self._add("MatMul", [f"{output}_channels", rows], f"{output}_wide")
            self._add("Add", [whole, f"{output}_wide"], output)
        return output

    def _input(self, source: str) -> tuple[Floats, NDArray[np.intp]]:
        """Quantise the input of matrix products; returns factors [K] for their rows, and the channels to leave out."""
        low, high, _ = self.ranges[source]
        wide = self.ranges[source].wide()
        factors, read = np.ones(len(low), dtype=np.float32), source
        others = np.delete(np.arange(len(low)), wide)
        outputs = min(self._values(node.input[1]).shape[1] for node in self.products[source])
        if len(wide) and len(others) and len(low) <= outputs:
            factors[wide] = (high - low)[wide] / (high - low)[others].max()
            low, high, wide = low / factors, high / factors, wide[:0]
            read = f"{source}_even"
            self._add("Mul", [source, self._constant(f"{source}_factors", 1 / factors)], read)
        kept = np.delete(np.arange(len(low)), wide)
        least, greatest = low[kept].min(initial=0), high[kept].max(initial=0)
        scale = np.float32((greatest - least) / 255 or 1)
        zero = np.uint8(np.clip(np.rint(-least / scale), 0, 255))
        inputs = [read, self._constant(f"{source}_scale", scale), self._constant(f"{source}_zero", zero)]
        self._add("QuantizeLinear", inputs, f"{source}_quantised")
        return factors, wide

    def _bias(self, product: str) -> tuple[list[str], str]:
        """The bias that is added to the product, if nothing else uses the product, and the name of the sum."""
        readers = self.readers[product]
        if len(readers) == 1 and readers[0].op_type == "Add":
            (other,) = (name for name in readers[0].input if name != product)
            if other in self.constants and len(self.constants[other].dims) == 1:
                return [other], readers[0].output[0]
        return [], product

    def _table(self, node: Any) -> None:
        name, table = node.input[0], self._values(node.input[0])
        scale = np.float32(np.abs(table).max() / TABLE_STEPS or 1)
        steps = self._constant(f"{name}_quantised", np.rint(table / scale).astype(np.int8))
        self._add("Gather", [steps, node.input[1]], f"{node.output[0]}_table_row", axis=0)
        inputs = [f"{node.output[0]}_table_row", self._constant(f"{name}_scale", scale)]
        self._add("DequantizeLinear", inputs, node.output[0])

    def _is_table(self, name: str) -> bool:
        import onnx

        tensor = self.constants.get(name)
        return tensor is not None and len(tensor.dims) == 2 and tensor.data_type == onnx.TensorProto.FLOAT

    def _values(self, name: str) -> Floats:
        from onnx import numpy_helper

        values: Floats = numpy_helper.to_array(self.constants[name])
        return values

    def _constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        if name not in self.made:
            self.made[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], f"{output}_{kind}", **attributes))
