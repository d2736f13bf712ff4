"""The outputs of the earlier stages, read once and checked."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.encode import Example, read_examples
from clue_ner.alignment.tokenizer import Tokenizer
from clue_ner.common.errors import CorpusError
from clue_ner.common.files import CHECKSUMS, checked, folder_fingerprint, read_json
from clue_ner.core import plugins
from clue_ner.core.entities import Sentence
from clue_ner.core.params import Params
from clue_ner.core.sentences import read_sentences
from clue_ner.core.tag_map import read_tags
from clue_ner.tagger.config import CorpusRecord, TaggerConfig, TaggerRecord, TrainingRecord
from clue_ner.training.fingerprint import code_fingerprint


@dataclass(frozen=True)
class Inputs:
    """The data of one training, and everything that identifies it; examples and sentences are read on demand."""

    corpus: dict[str, Any]
    """data/corpus/corpus.json: train and valid"""
    tags: dict[str, Any]
    """data/tags.json"""
    source: dict[str, Any]
    """data/backbone/source.json"""
    backbone: Path
    corpus_folder: Path
    encoded: Path
    digests: dict[str, Any]
    """of the encoded train split, the backbone and the code"""

    @classmethod
    def read(cls, root: Path) -> "Inputs":
        """Read data/ of the pipeline at ``root``; raises ArtifactError if a file is missing or damaged."""
        corpus, backbone, encoded = (checked(root / "data" / name) for name in ("corpus", "backbone", "encoded"))
        return cls(
            corpus=read_json(corpus / "corpus.json"),
            tags=read_tags(root),
            source=read_json(backbone / "source.json"),
            backbone=backbone,
            corpus_folder=corpus,
            encoded=encoded,
            digests={
                "encoded": folder_fingerprint(encoded),
                "weights": read_json(backbone / CHECKSUMS),
                "code": code_fingerprint(root),
            },
        )

    def examples(self, processes: int) -> list[Example]:
        """The windows of train; raises CorpusError if there are fewer than ``processes``."""
        path = self.encoded / "train.arrow"
        found = read_examples(path)
        if not found:
            raise CorpusError(f"{path}: no sentence to train on; add some to the corpus")
        if len(found) < processes:
            raise CorpusError(f"{path}: {len(found)} rows for train.processes {processes}")
        return found

    def refuse_more_types(self, head: str, flat: bool) -> None:
        """Raise CorpusError if train has a span with two types, and no model with this ``head`` can find both."""
        if plugins.finds_more_types(head, flat):
            return
        found = [
            (sentence, one, other)
            for sentence in read_sentences(self.corpus_folder / "train.jsonl")
            for one, other in pairwise(sentence.entities)
            if (one.start, one.end) == (other.start, other.end)
        ]
        if not found:
            return
        sentence, one, other = found[0]
        able = [name for name in plugins.names(plugins.DECODERS) if plugins.finds_more_types(name, flat=False)]
        raise CorpusError(
            f"train has {len(found)} spans with two types, the first in sentence {sentence.id} ({one.type} and "
            f"{other.type} {one.start}:{one.end}), and head {head}{' with train.flat: true' if flat else ''} finds one "
            f"type of a span; set train.head to {' or '.join(able)} and train.flat to false, or leave one of the types "
            "out with corpus.types"
        )

    def valid(self) -> list[Sentence] | None:
        """The sentences of valid, or None if the corpus has no such split."""
        path = self.corpus_folder / "valid.jsonl"
        return read_sentences(path) if path.exists() else None

    def aligner(self, config: TaggerConfig) -> Aligner:
        """The aligner with which the examples were encoded."""
        return Aligner(Tokenizer.load(self.encoded / "tokenizer"), config.align, config.window, config.overlap)


def describe(
    inputs: Inputs, params: Params, taggers: Mapping[str, TaggerRecord] = MappingProxyType({})
) -> TaggerConfig:
    """``tagger.json`` before training: the model's shape, and what it is trained from.

    ``taggers`` is the result of ``training.trained_tagger.records``.
    """
    corpus, tags, train = inputs.corpus, inputs.tags, params.train
    trained: dict[str, Any] = {
        "corpus": {name: corpus[name] for name in ("name", "licence", "fingerprint")},
        "backbone": inputs.source,
        "params": params.of_training(),
    }
    trained |= {key: record.model_dump() for key, record in taggers.items()}
    digest = hashlib.sha256(json.dumps({**trained, **inputs.digests}, sort_keys=True).encode()).hexdigest()
    return TaggerConfig(
        head=train.head,
        align=params.tagging.align,
        scheme=tags["scheme"],
        types=tags["types"],
        tags=tags["tags"],
        window=params.tagging.window,
        overlap=params.tagging.overlap,
        context_size=train.context_size,
        head_options=train.head_options,
        flat=train.flat,
        trained=TrainingRecord(
            fingerprint=digest,
            corpus=CorpusRecord(**trained["corpus"]),
            backbone=trained["backbone"],
            params=trained["params"],
            teacher=taggers.get("teacher"),
            init_from=taggers.get("init_from"),
        ),
    )
