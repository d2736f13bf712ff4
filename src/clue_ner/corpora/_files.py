"""Assigns the files of a folder to splits by their names."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from clue_ner.common.errors import CorpusError, SourceError

NAMES = {
    "train": ("train", "training"),
    "valid": ("valid", "validation", "val", "dev", "development"),
    "test": ("test", "testing"),
    "unlabelled": ("unlabelled", "unlabeled"),
}
"""Words in file names that mark a split: ``train.jsonl``, ``msra_dev.txt``, ``test-00000-of-00002``."""

_SPLITS = {word: split for split, words in NAMES.items() for word in words}
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})(?=[.-]|$)")
_NUMBER = re.compile(r"(\d{4})()\.")


def split_files(
    place: Path,
    suffixes: Sequence[str],
    is_part: Callable[[Path], bool] = lambda folder: False,
    *,
    others: bool = False,
) -> dict[str, list[Path]]:
    """The files of each split in ``place``; if ``place`` is a file, it is the train split.

    Only files with one of the extensions ``suffixes`` count, and folders for which ``is_part`` is true, because the
    layout stores a split as a folder; ``place`` may be such a folder itself. With ``others``, files that belong to no
    split are ignored if there is a train split. Raises CorpusError for files that belong to no split and for several
    files for one split, SourceError for files that cannot be read.
    """
    if place.is_file() or (place.is_dir() and is_part(place)):
        return {"train": [place]}
    if not place.is_dir():
        raise SourceError(
            f"{place}: found neither a folder nor a file, wanted one; corpus.path in params.yaml names it"
        )
    found: dict[str, list[Path]] = {}
    strange = []
    for path in _inside(place, suffixes, is_part):
        split = split_of(path.name)
        if split is None:
            strange.append(path)
        else:
            found.setdefault(split, []).append(path)
    if not found and len(strange) == 1:
        return {"train": strange}
    if strange and not (others and "train" in found):
        raise CorpusError(
            f"{place}: found {_listed(strange)}, whose names do not contain a split; wanted names with train, "
            "valid (dev, validation, val), test or unlabelled in them; rename or move"
        )
    if "train" not in found:
        there = _listed([path for paths in found.values() for path in paths])
        raise SourceError(
            f"{place}: no file for train in it, found {there}; wanted "
            f"one such as train{next(iter(suffixes), '')}; corpus.path in params.yaml names the folder that has it"
        )
    for split, paths in found.items():
        if not are_whole([path.name for path in paths]):
            raise CorpusError(
                f"{place}: found {_listed(paths)}, all for {split}, wanted one, or all the parts of one; rename or "
                "move the others"
            )
    return {split: sorted(found[split]) for split in NAMES if split in found}


def split_of(name: str) -> str | None:
    """The split that the words of a file's name mark; None if there is no such word.

    >>> split_of("msra_train_bio.txt"), split_of("dev.char.bmes"), split_of("labels.txt")
    ('train', 'valid', None)
    """
    found = {_SPLITS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _SPLITS}
    return found.pop() if len(found) == 1 else None


def _inside(place: Path, suffixes: Sequence[str], is_part: Callable[[Path], bool]) -> list[Path]:
    paths = []
    for path in sorted(place.iterdir()):
        folder = path.is_dir() and is_part(path)
        counts = folder or (not path.is_dir() and path.name.lower().endswith(tuple(suffixes)))
        if path.name.startswith(".") or not counts:
            continue
        if not path.resolve().is_relative_to(place.resolve()) or not (path.is_file() or folder):
            raise SourceError(
                f"{path}: found what leads out of the folder, or is no file ({path.resolve()}); copy the file there"
            )
        paths.append(path)
    return paths


def are_whole(names: Sequence[str]) -> bool:
    """Whether these are one file, or all parts of one sharded file, as the Hugging Face hub stores large ones.

    >>> are_whole(["train-00001-of-00002.json", "train-00000-of-00002.json"]), are_whole(["train-00000-of-00002.json"])
    (True, False)
    """
    parts = [_SHARD.search(name) or _NUMBER.match(name) for name in names]
    if len(names) == 1 and parts[0] is None:
        return True
    numbers = sorted(int(part[1]) for part in parts if part)
    totals = {int(part[2]) for part in parts if part and part[2]}
    return totals <= {len(names)} and numbers == list(range(len(names)))


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths) or "none"
