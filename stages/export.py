"""Stage export: models/tagger, data/corpus, data/test, metrics/{train,evaluate}.json -> models/export/, registry."""

import shutil
from pathlib import Path

from clue_ner.common.files import atomic_folder, read_json, write_json, write_text
from clue_ner.common.stage import run
from clue_ner.core.params import load_params
from clue_ner.core.sentences import describe_corpus, read_split
from clue_ner.exporting import model_card, onnx, parity, stock_transformers
from clue_ner.runtimes.torch import model_of
from clue_ner.tagger.tagger import Tagger
from clue_ner.tracking import pyfunc_model
from clue_ner.tracking.model_registry import register
from clue_ner.tracking.store import announce


def main(root: Path) -> None:
    """Write the tagger in every format, compare them, describe the model, and register its version."""
    params = load_params(root / "params.yaml")
    announce(root)
    tagger = Tagger.load(root / "models/tagger", "torch", device="cpu")
    model = model_of(tagger)
    train, scores = (read_json(root / "metrics" / name) for name in ("train.json", "evaluate.json"))
    gold = read_split(root, scores["split"] or "train") or []
    corpus = describe_corpus(root)
    with atomic_folder(root / "models/export") as folder:
        shutil.copytree(root / "models/tagger", folder / "tagger")
        write_json(folder / "corpus.json", corpus)
        obstacle = stock_transformers.write(tagger, model, folder / "transformers")
        if params.export.onnx:
            seen = read_split(root, "valid") or read_split(root, "train") or []
            ranges = onnx.calibration(tagger.aligner, [sentence.text for sentence in seen])
            onnx.write(model, tagger.decoder.unit_axes, folder / "onnx", ranges)
        measured = parity.report(tagger, model, gold, folder)
        pyfunc_model.describe(folder, measured["formats"], params.export.register_onnx)
        write_text(folder / "README.md", model_card.render(tagger.config, corpus, train, scores, measured, obstacle))
    write_json(root / "metrics/export.json", parity.without_speeds(measured))
    register(root, root / "models/export", params.tracking)


if __name__ == "__main__":
    run(main)
