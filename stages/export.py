"""Stage export: models/tagger, data/corpus, metrics/{train,evaluate}.json -> models/export/, metrics/export.json."""

import shutil
from pathlib import Path

from clue_ner.common.stage import run
from clue_ner.core.files import atomic_folder, checked, read_json, read_sentences, write_json, write_text
from clue_ner.core.params import load_params
from clue_ner.exporting import model_card as card
from clue_ner.exporting import onnx, parity, stock_transformers
from clue_ner.tagger.tagger import Tagger
from clue_ner.tracking.model_registry import register


def main(root: Path) -> None:
    """Write the tagger in every format, compare them, describe the model, and register its version."""
    params = load_params(root / "params.yaml")
    tagger = Tagger.load(root / "models/tagger")
    data = checked(root / "data/corpus")
    corpus = read_json(data / "corpus.json")
    train, scores = (read_json(root / "metrics" / name) for name in ("train.json", "evaluate.json"))
    gold = read_sentences(data / f"{scores['split']}.jsonl")
    with atomic_folder(root / "models/export") as folder:
        shutil.copytree(root / "models/tagger", folder / "tagger")
        obstacle = stock_transformers.write(tagger, folder / "transformers")
        if params.export.onnx:
            onnx.write(tagger.model, folder / "onnx")
        measured = parity.report(tagger, gold, folder)
        write_text(folder / "README.md", card.render(tagger.card, corpus, train, scores, measured, obstacle))
    write_json(root / "metrics/export.json", parity.without_speeds(measured))
    register(root, root / "models/export", params.tracking)


if __name__ == "__main__":
    run(main)
