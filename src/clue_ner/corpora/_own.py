"""The user's own corpus: one file or a folder, in one of the layouts, with a split in each file name."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

from clue_ner.common.errors import CorpusError, SourceError
from clue_ner.common.paths import resolve_path
from clue_ner.core import plugins
from clue_ner.core.entities import Sentence
from clue_ner.core.params import CorpusParams
from clue_ner.corpora import _hub
from clue_ner.corpora._corpus import Corpus
from clue_ner.corpora._files import split_files
from clue_ner.corpora._ids import SplitIds
from clue_ner.corpora._types import TypeMap
from clue_ner.layouts import Reading, is_folder_of, read, refuse_all, suffixes

_log = logging.getLogger(__name__)


def load(params: CorpusParams) -> Corpus:
    """The splits of the folder or file ``params.path``; every record is checked.

    Raises SourceError if a file cannot be read, CorpusError with all errors in the files.
    """
    assert params.path is not None
    if params.is_on_hub:
        readings, origin = _hub.readings(params)
    else:
        place = resolve_path(params.path)
        readings, origin = _readings(place, params), str(place)
    layout = next(iter(readings.values()))[0].layout
    types, splits, unlabelled = TypeMap(params.types), dict[str, list[Sentence]](), dict[str, int]()
    for split, parts in readings.items():
        splits[split], unlabelled[split] = _sentences(split, parts, types)
        if not splits[split] and not unlabelled[split] and not any(part.problems.count for part in parts):
            parts[0].problems.add(
                f"{parts[0].source.name}: found no sentence, wanted at least one; fill it or remove it"
            )
    refuse_all(part for parts in readings.values() for part in parts)
    types.refuse_unknown()
    _set_aside(splits, unlabelled, readings)
    if not any(sentence.entities for sentence in splits["train"]):
        raise CorpusError(f"{readings['train'][0].source.name}: found no entity in it, wanted at least one to train on")
    _log.info("corpus %s: read from %s", layout, origin)
    return Corpus(
        layout,
        splits,
        licence="that of its owner",
        description=f"{origin} of the Hugging Face hub"
        if params.is_on_hub
        else f"A corpus in {plugins.literal(plugins.LAYOUTS, layout, 'TITLE', layout)}",
        reading=_counts(readings, types, unlabelled),
    )


def _readings(place: Path, params: CorpusParams) -> dict[str, list[Reading]]:
    """The files of each split, all in one layout."""
    auto = params.name == plugins.AUTO
    files = split_files(place, suffixes(params.name), partial(is_folder_of, params.name), others=auto)
    layout = params.name
    if auto:
        layout = read(files["train"][0], layout, params.options).layout
        files = split_files(place, suffixes(layout), partial(is_folder_of, layout))
    readings = {split: [read(path, params.name, params.options) for path in paths] for split, paths in files.items()}
    if auto:
        for reading in (reading for parts in readings.values() for reading in parts):
            if reading.layout != layout:
                raise CorpusError(
                    f"{place}: {files['train'][0].name} looks like {layout}, and {reading.path.name} like "
                    f"{reading.layout}; set corpus.name to the layout that they have"
                )
            _log.info("corpus auto: %s is read as %s: %s", reading.path, reading.layout, reading.reason)
    return readings


def _sentences(split: str, parts: list[Reading], types: TypeMap) -> tuple[list[Sentence], int]:
    """The labelled sentences of a split, and the number of unlabelled ones.

    For the split ``unlabelled``, which is only tagged, the unlabelled sentences are returned.
    """
    sentences, unlabelled, number, ids = list[Sentence](), 0, 0, SplitIds()
    for part in parts:
        for record in part.records(f"{split}-", number):
            number += 1
            sentence, labelled, line = record
            ids.add(record, part.source)
            if split == "unlabelled":
                if sentence.entities:
                    part.source.wrong(line, f"has entities, in a file of {split} sentences; rename the file")
            elif not labelled:
                unlabelled += 1
                continue
            entities = types(sentence.entities)
            sentences.append(
                sentence if entities is sentence.entities else Sentence(sentence.id, sentence.text, entities)
            )
    return sentences, unlabelled


def _set_aside(
    splits: dict[str, list[Sentence]], unlabelled: dict[str, int], readings: dict[str, list[Reading]]
) -> None:
    """Drop valid or test if none of its sentences is labelled; log the number of unlabelled sentences."""
    for split, count in unlabelled.items():
        if not count:
            continue
        name = readings[split][0].source.name
        if splits[split]:
            _log.warning(
                "%s: %d sentences are not labelled (they have no entities, not even none): not used", name, count
            )
        elif split == "train":
            raise SourceError(f"{name}: none of its {count} sentences is labelled, wanted at least one to train on")
        else:
            _log.warning("%s: none of its %d sentences is labelled: not used as %s", name, count, split)
            del splits[split]


def _counts(readings: dict[str, list[Reading]], types: TypeMap, unlabelled: dict[str, int]) -> dict[str, Any]:
    """What was left out or changed while reading, for metrics/corpus.json."""
    left_out = {
        split: {what: count for part in parts for what, count in part.counts.items() if count}
        for split, parts in readings.items()
    }
    return {"left_out": {split: counts for split, counts in left_out.items() if counts}, "types": types.counts()}
