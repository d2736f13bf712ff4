"""The minimum of tagging: load tokenizer and graph, and run them once on one sentence.

``python -m bench.bare TOKENIZER GRAPH TEXT`` takes three files. There is no alignment, decoding or checksum.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def main(tokenizer: str, graph: str, text: str) -> None:
    """Print the shape of the logits."""
    sentence = Path(text).read_text(encoding="utf-8").strip()
    ids = np.array([Tokenizer.from_file(tokenizer).encode(sentence).ids], dtype=np.int64)
    units = np.zeros((1, len(sentence)), dtype=np.int64)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    columns = {"input_ids": ids, "attention_mask": np.ones_like(ids), "unit_mask": np.ones_like(units, dtype=bool)}
    (logits,) = session.run(None, {column.name: columns.get(column.name, units) for column in session.get_inputs()})
    print(*logits.shape)


if __name__ == "__main__":
    main(*sys.argv[1:])
