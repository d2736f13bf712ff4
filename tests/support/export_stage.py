"""What the stage export reads."""

from pathlib import Path
from typing import Any

import yaml

from clue_ner.common.files import write_checksums, write_json
from clue_ner.core.entities import fingerprint
from clue_ner.core.sentences import write_sentences
from clue_ner.corpora.sample import parse
from clue_ner.tagger.config import TaggerConfig
from support.cards import CORPUS, SCORES, TAGGER, TRAIN
from support.places import ROOT
from support.tiny import TAGS, tiny_tagger_folder

GOLD = [parse("[李雷|name]昨天去了[上海|address]，", "1"), parse("一人在[招商银行|company]", "2")]
"""The sentences of its test split."""


def write_inputs(root: Path, head: str, align: str, onnx: bool = True) -> None:
    """Write what the stages before export leave of a tagger of ``lexicon=TAGS`` into ``root``."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["export"]["onnx"] = onnx
    params["train"]["lr"] = 2e-4
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    folder = tiny_tagger_folder(root / "models/tagger", head, align, lexicon=TAGS)
    trained = TAGGER.trained.model_copy(update={"valid_micro_f1": TRAIN["valid_micro_f1"]})
    TaggerConfig.load(folder).model_copy(update={"trained": trained}).save(folder)
    write_checksums(folder)
    described = {name: value for name, value in CORPUS.items() if name != "fingerprint_all"}
    learned = {name: CORPUS["splits"][name] for name in ("train", "valid")}
    test = {"sentences": len(GOLD), "entities": 3, "fingerprint": fingerprint(GOLD)}
    write_json(root / "data/corpus/corpus.json", described | {"splits": learned})
    write_json(root / "data/test/corpus.json", described | {"splits": {"test": test}})
    write_sentences(root / "data/corpus/train.jsonl", GOLD)
    write_sentences(root / "data/test/test.jsonl", GOLD)
    for name in ("corpus", "test"):
        write_checksums(root / "data" / name)
    write_json(root / "metrics/train.json", TRAIN)
    write_json(root / "metrics/evaluate.json", SCORES)
