"""The network as an ONNX graph, in float32 and in int8, for the runtimes ``onnx`` and ``int8``.

The graph takes those of ``alignment.windows.INPUTS`` that the network uses (int64, ``unit_mask`` bool; any number of
rows, tokens and units) and returns the head's ``logits``, which ``tagger.decoding`` decodes.
"""

import contextlib
import io
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.batch import Batch, collate
from clue_ner.alignment.windows import INPUTS, UNIT_COLUMNS, Row
from clue_ner.common.errors import ParamsError
from clue_ner.common.files import write_checksums
from clue_ner.exporting import int8
from clue_ner.exporting.parity import LOGIT_DIFFERENCE
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes._onnxruntime import OnnxRuntime
from clue_ner.runtimes.torch import TorchRuntime
from clue_ner.tagger.model_files import GRAPHS

OPSET = 17
TRACED, CHECKED = (3, 5), (7, 16)
"""The numbers of tokens in the two rows of a sample: for tracing the graph, and for comparing it."""
CALIBRATED = 500
"""Maximum number of texts on which int8's ranges of activations are measured."""


def write(model: TaggerModel, unit_axes: tuple[int, ...], folder: Path, batches: Iterable[Batch]) -> None:
    """Write ``model.onnx`` and ``model.int8.onnx`` into ``folder``, and their checksums.

    ``model`` is on the CPU, in eval mode; ``unit_axes`` are the axes of its logits that are units; int8's ranges of
    activations are measured on ``batches`` of real texts without padding.

    Attention and GELU become fused operators of ONNX Runtime if its optimiser recognises them. Raises ParamsError for
    an architecture that cannot be exported, or whose graph gives other logits for shapes that were not traced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        traced = Path(work) / "traced.onnx"
        try:
            _trace(model, unit_axes, traced)
            _fuse(traced, folder / GRAPHS["onnx"], model.encoder.config)
            difference = _difference(model, folder / GRAPHS["onnx"])
        except OSError:
            raise
        except Exception as error:  # torch, onnx and ONNX Runtime have no common class of errors
            raise _unwritable(model, str(error).strip().partition("\n")[0]) from error
    if not difference <= LOGIT_DIFFERENCE:
        raise _unwritable(model, f"its logits differ from torch's by up to {difference:.4f}")
    int8.quantise(folder / GRAPHS["onnx"], folder / GRAPHS["int8"], batches)
    write_checksums(folder)


def calibration(aligner: Aligner, texts: Sequence[str]) -> Iterator[Batch]:
    """Each window of the first ``CALIBRATED`` texts as a separate batch, without padding."""
    for windows in aligner.windows(texts[:CALIBRATED]):
        for window in windows:
            yield collate([window], aligner.tokenizer.pad_id)


def _trace(model: TaggerModel, unit_axes: tuple[int, ...], path: Path) -> None:
    """Export with TorchScript; torch.export would make an LSTM's number of steps constant.

    Attention is eager, because only that can be fused. torch's output, which is the whole graph if an operator is
    unknown, is suppressed.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _eager_attention(model.encoder):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            _sample(model, TRACED),
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
    """Write the graph with ONNX Runtime's fused operators for encoders of the BERT family."""
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    options = FusionOptions("bert")
    options.use_multi_head_attention = True
    options.enable_embed_layer_norm = options.enable_skip_layer_norm = options.enable_bias_skip_layer_norm = False
    heads, size = config.num_attention_heads, config.hidden_size
    optimize_model(str(traced), "bert", heads, size, options, opt_level=0).save_model_to_file(str(path))


def _difference(model: TaggerModel, path: Path) -> float:
    """The largest difference between the graph's and the network's logits, for rows of other lengths than traced."""
    columns = dict(zip(INPUTS, (column.numpy() for column in _sample(model, CHECKED))))
    there = model.head.valid_mask(torch.from_numpy(columns["unit_mask"])).numpy()
    logits = TorchRuntime(model)(columns)
    return float(np.abs(OnnxRuntime(path, threads=1)(columns) - logits).max(where=there, initial=0))


def _unwritable(model: TaggerModel, reason: str) -> ParamsError:
    kind = model.encoder.config.model_type
    return ParamsError(f"params.yaml: export.onnx: {kind} cannot be written as ONNX ({reason}); set it to false")


def _sample(model: TaggerModel, lengths: tuple[int, ...]) -> tuple[Tensor, ...]:
    """A batch of random tokens, ``lengths`` of them in the rows, and as many units.

    Tracing can make special properties of the sample constant, so use two rows, one of them padded.
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
