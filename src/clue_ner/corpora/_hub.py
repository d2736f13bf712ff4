"""A data set of the Hugging Face hub: its data files, or their conversion by the hub (refs/convert/parquet)."""

from collections.abc import Collection
from pathlib import Path, PurePosixPath

from clue_ner import hub
from clue_ner.common.errors import CorpusError, SourceError
from clue_ner.core import plugins
from clue_ner.core.params import CorpusParams
from clue_ner.corpora._files import NAMES, are_whole, split_of
from clue_ner.layouts import Reading, read

CONVERTED = "refs/convert/parquet"
"""The branch on which the hub keeps data sets converted to Parquet, also those that need their own script."""
SUFFIXES = (".parquet", ".jsonl", ".json", ".csv")
"""Extensions of data files in order of preference; the first one that a repository has is used."""

_PART = "partial-"


def readings(params: CorpusParams) -> tuple[dict[str, list[Reading]], str]:
    """The files of each split of the repository ``params.path``, and a description with the commit.

    Raises SourceError if the hub does not provide it, CorpusError if it has no data files that can be read.
    """
    name, config = str(params.path), params.options.get("config")

    def choose(names: Collection[str]) -> list[str]:
        return [file for files in _splits(name, names, config).values() for file in files]

    try:
        commit, paths = hub.download(name, choose, kind="dataset", revision=params.revision)
    except _NoDataError as error:
        if params.revision is not None:
            raise
        try:
            commit, paths = hub.download(name, choose, kind="dataset", revision=CONVERTED)
        except (SourceError, _NoDataError) as reason:
            raise CorpusError(f"{error}\nThe hub has not converted it either, to {CONVERTED}: {reason}") from None
    found = {
        split: [_reading(paths[file], f"{name}/{file}", params) for file in files]
        for split, files in _splits(name, paths, config).items()
    }
    return found, f"{name}, commit {commit}"


class _NoDataError(CorpusError):
    """The repository has no data files."""


def _splits(name: str, names: Collection[str], config: str | int | None) -> dict[str, list[str]]:
    """The data files of each split, in order."""
    there = sorted(file for file in names if config is None or config in PurePosixPath(file).parts[:-1])
    for suffix in SUFFIXES:
        splits: dict[str, list[str]] = {}
        for file in there:
            if file.endswith(suffix) and (split := _split(file)) is not None:
                splits.setdefault(split, []).append(file)
        if "train" in splits:
            _refuse_parts(name, splits)
            _refuse_configs(name, splits)
            _refuse_several(name, splits)
            return {split: splits[split] for split in NAMES if split in splits}
    scripts = [file for file in there if file.endswith(".py")]
    why = f"it needs its own script ({scripts[0]}), and no program of a stranger is run" if scripts else "found none"
    raise _NoDataError(
        f"{name}: wanted data files ({', '.join(SUFFIXES)}) with train in their names: {why}; "
        "load it once yourself with the library datasets, save_to_disk it, and name that folder as ./FOLDER"
    )


def _split(file: str) -> str | None:
    """The split marked in a file's name, or else in its folder's name."""
    path = PurePosixPath(file)
    return split_of(path.name) or split_of(path.parent.name)


def _refuse_parts(name: str, splits: dict[str, list[str]]) -> None:
    """Of a large data set the hub converts only the beginning, and calls the folder so."""
    for split, files in splits.items():
        if any(_PART in PurePosixPath(file).parent.name for file in files):
            raise CorpusError(
                f"{name}: the hub has converted only a part of {split} ({files[0]}); load all of it once yourself "
                "with the library datasets, save_to_disk it, and name that folder as ./FOLDER"
            )


def _refuse_configs(name: str, splits: dict[str, list[str]]) -> None:
    for split, files in splits.items():
        folders = {str(PurePosixPath(file).parent) for file in files}
        if len(folders) > 1:
            raise CorpusError(
                f"{name}: it has {split} in {', '.join(sorted(folders))}; "
                "choose one with corpus.options: {config: NAME}"
            )


def _refuse_several(name: str, splits: dict[str, list[str]]) -> None:
    for split, files in splits.items():
        if not are_whole([PurePosixPath(file).name for file in files]):
            raise CorpusError(
                f"{name}: found {', '.join(files)} for {split}, wanted one file, or all the parts of one; download "
                "what you want of it, and name that as corpus.path"
            )


def _reading(path: Path, name: str, params: CorpusParams) -> Reading:
    """A file of the cache; its layout is recognised by content if its name does not tell."""
    layout = {".parquet": "parquet", ".csv": "csv"}.get(path.suffix, plugins.AUTO)
    known = plugins.layout_options(layout)
    return read(path, layout, {key: value for key, value in params.options.items() if key in known}, name)
