"""A person's own corpus: a folder with train.jsonl and, if there are any, valid.jsonl and test.jsonl.

A line is ``{"id", "text", "entities": [{"type", "start", "end", "text"}]}``, offsets in code points, end exclusive,
unless ``corpus.options`` say otherwise; ``id`` and an entity's ``text``, which has to equal ``text[start:end]``, may be
left out. See docs/data.md.
"""

import logging

from clue_ner.common.errors import CorpusError, SourceError, refuse
from clue_ner.common.paths import resolve_path
from clue_ner.core.offsets import Offsets, described
from clue_ner.core.params import CorpusParams
from clue_ner.corpora._corpus import Corpus
from clue_ner.corpora._offsets import Span, explanation
from clue_ner.corpora._records import json_lines, to_sentences

OPTIONS = ("offsets", "first", "ends")
"""The keys of ``corpus.options`` that it takes."""

_ADVICE = (
    'wanted: one JSON object a line, {"text": …, "entities": [{"type": …, "start": …, "end": …}]}, end exclusive; '
    "docs/data.md has the format. Fix the lines and run again"
)

_log = logging.getLogger(__name__)


def load(params: CorpusParams) -> Corpus:
    """The splits of the folder ``params.path``; every record is checked.

    Raises SourceError if a file cannot be read, CorpusError with all that is wrong in them.
    """
    assert params.path is not None
    folder = resolve_path(params.path)
    names = {path.name for path in folder.glob("*.jsonl")} | {"train.jsonl"}
    if unknown := sorted(names - {"train.jsonl", "valid.jsonl", "test.jsonl"}):
        raise CorpusError(
            f"{folder}: found {', '.join(unknown)}, wanted train.jsonl, valid.jsonl, test.jsonl; rename or move"
        )
    offsets = Offsets(**params.options)  # type: ignore[arg-type]  # checked with the params
    splits, problems, spans = {}, list[str](), list[Span]()
    for name in sorted(names):
        path = folder / name
        if path.exists() and not (path.is_file() and path.resolve().is_relative_to(folder)):
            raise SourceError(
                f"{path}: found what leads out of the folder, or is no file ({path.resolve()}); copy the file there"
            )
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SourceError(
                f"{path}: cannot be read ({error.strerror}); corpus.path in params.yaml names the folder that has it"
            ) from None
        split = path.stem
        splits[split] = to_sentences(
            json_lines(content, str(path), problems), split, problems, offsets=offsets, spans=spans
        )
        if not content.strip():
            problems.append(f"{path}: found no sentence, wanted at least one; fill it or remove it")
    if problems and (way := explanation(spans, offsets)) is not None:
        refuse(problems, f"All offsets fit if they are counted as corpus.options: {described(way)} says. {_ADVICE}")
    refuse(problems, _ADVICE)
    if not any(sentence.entities for sentence in splits["train"]):
        raise CorpusError(f"{folder / 'train.jsonl'}: found no entity in it, wanted some to learn from")
    _log.info("corpus jsonl: read from %s", folder)
    return Corpus(
        params.name, splits, licence="that of its owner", description="A corpus in clue-ner's JSON lines format"
    )
