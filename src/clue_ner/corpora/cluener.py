"""CLUENER2020 (Xu et al., arXiv 2001.04351), from any source that has it; its content is verified by fingerprints.

Sources: only ``CLUENER_MIRROR`` if it is set (a folder or a URL with train.json, dev.json and optionally test.json),
else the dataset on the Hugging Face hub, else the official archive. The official dev split is labelled and becomes
``test``; the official test split is not labelled and becomes ``unlabelled``.
"""

import io
import logging
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from clue_ner import hub
from clue_ner.common.errors import CorpusError, SourceError
from clue_ner.common.paths import resolve_path
from clue_ner.common.problems import Problems
from clue_ner.common.redaction import redact
from clue_ner.core.entities import Sentence, fingerprint
from clue_ner.core.params import CorpusParams
from clue_ner.corpora import _web
from clue_ner.corpora._corpus import Corpus
from clue_ner.corpora._ids import SplitIds
from clue_ner.layouts import Raw, RawEntity, Source, checked, explain, objects

HUB_DATASET = "xusenlin/clue-ner"
ARCHIVE_URL = "https://storage.googleapis.com/cluebenchmark/tasks/cluener_public.zip"
PINS = {
    "train": "4fffff7875821d22bb6a952189fe99f63cde3616d455e4accd6a1969c3fe9159",
    "test": "858c80f9dde9451528cdbcf7623487daf540c5dcf0a76131018ae47668493080",
}
"""Fingerprint of the content of each labelled split (see ``clue_ner.core.entities.fingerprint``)."""

_OFFICIAL_FILES = {"train": "train.json", "test": "dev.json", "unlabelled": "test.json"}
_HUB_FILE = re.compile(r"(train|dev|validation|test)(-\d+-of-\d+.*)?\.(parquet|json)")
_HUB_SPLITS = {"train": "train", "dev": "test", "validation": "test", "test": "unlabelled"}
_ROWS = 100_000

_log = logging.getLogger(__name__)

Files = dict[str, dict[str, bytes]]
"""The result of a source: for each of its splits, the content of its files by name."""


def load(params: CorpusParams, pins: Mapping[str, str] = PINS) -> Corpus:
    """Train and test, and the unlabelled split if the source has it; ``pins`` are the required fingerprints.

    Raises SourceError with the reason of each source.
    """
    reasons = []
    for name, read in _sources().items():
        try:
            splits = _checked(read(), pins)
        except (SourceError, CorpusError, OSError) as error:
            _log.warning("corpus cluener: not from %s", name)
            reasons.append(f"{name}: {error}".replace("\n", "\n  "))
            continue
        _log.info("corpus cluener: read from %s", name)
        return Corpus(
            name=params.name,
            splits=splits,
            licence="not stated by its authors; the text is from Sina News RSS, by way of THUCTC",
            description="CLUENER2020 (Xu et al., arXiv 2001.04351): Chinese news with ten fine-grained entity types",
        )
    raise SourceError(
        "\n  ".join(["CLUENER: no source gave it", *reasons])
        + "\nset CLUENER_MIRROR to a folder or URL that has train.json and dev.json of CLUENER2020, "
        "or run `make demo`, which needs no download"
    )


def _sources() -> dict[str, Callable[[], Files]]:
    if mirror := os.environ.get("CLUENER_MIRROR"):
        if re.match("https?://", mirror):
            return {f"CLUENER_MIRROR {redact(mirror)}": lambda: _from_url(mirror)}
        folder = resolve_path(mirror)
        return {f"CLUENER_MIRROR {folder}": lambda: _from_folder(folder)}
    archive = os.environ.get("CLUENER_ARCHIVE_URL", ARCHIVE_URL)
    return {
        f"hub dataset {HUB_DATASET}": _from_hub,
        f"archive {redact(archive)}": lambda: _from_archive(archive),
    }


def _from_folder(folder: Path) -> Files:
    paths = {split: folder / name for split, name in _OFFICIAL_FILES.items()}
    return {split: {path.name: path.read_bytes()} for split, path in paths.items() if path.is_file()}


def _from_url(base: str) -> Files:
    contents = {name: _web.get(f"{base.rstrip('/')}/{name}") for name in _OFFICIAL_FILES.values()}
    return {
        split: {name: content} for split, name in _OFFICIAL_FILES.items() if (content := contents[name]) is not None
    }


def _from_archive(url: str) -> Files:
    content = _web.get(url)
    if content is None:
        raise SourceError("there is no such file")
    return _unzip(content)


def _unzip(content: bytes) -> Files:
    files: Files = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for split, name in _OFFICIAL_FILES.items():
                if name not in archive.namelist():
                    continue
                member = archive.getinfo(name)
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise SourceError(
                        f"not a zip archive that can be read: {name} is compressed in an unusual, unbounded way"
                    )
                if member.file_size > _web.LARGEST:
                    raise SourceError(f"{name} in it has more than the {_web.LARGEST} bytes that a file may have")
                files[split] = {name: archive.read(name)}
    except SourceError:
        raise
    except Exception as error:  # zipfile does not wrap the errors of seek and of the decompressors
        raise SourceError(f"not a zip archive that can be read ({error})") from None
    return files


def _from_hub() -> Files:
    files: Files = {}
    for path in hub.download(HUB_DATASET, _hub_files, kind="dataset")[1].values():
        files.setdefault(_hub_split(path.name), {})[path.name] = path.read_bytes()
    return files


def _hub_files(names: Iterable[str]) -> list[str]:
    """The sorted data files of a repository: the Parquet files, or if there are none the JSON lines files."""
    data = sorted(name for name in names if _HUB_FILE.fullmatch(PurePosixPath(name).name))
    return [name for name in data if name.endswith(".parquet")] or data


def _hub_split(name: str) -> str:
    found = _HUB_FILE.fullmatch(name)
    assert found is not None
    return _HUB_SPLITS[found[1]]


class _Official(BaseModel):
    """A record of the official train and dev files; ends are inclusive."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str
    label: dict[str, dict[str, list[Annotated[list[int], Field(min_length=2, max_length=2)]]]]


class _HubEntity(BaseModel, strict=True):
    type: str = Field(validation_alias=AliasChoices("label", "type"))
    start: int = Field(validation_alias=AliasChoices("start_offset", "start"))
    end: int = Field(validation_alias=AliasChoices("end_offset", "end"))
    text: str | None = Field(default=None, validation_alias=AliasChoices("entity", "text"))


class _Hub(BaseModel, strict=True):
    """A record of the hub dataset; ends are exclusive."""

    text: str
    entities: list[_HubEntity]


class _Unlabelled(BaseModel):
    """A record of the official test file, numbered from 0; the hub has no numbers, but an empty list of entities."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: int | None = None
    text: str
    entities: Annotated[list[Any], Field(max_length=0)] | None = None


def _checked(files: Files, pins: Mapping[str, str]) -> dict[str, list[Sentence]]:
    if missing := [_OFFICIAL_FILES[split] for split in pins if split not in files]:
        raise CorpusError(f"has no {' and no '.join(missing)}")
    splits, problems = {}, Problems()
    for split, contents in files.items():
        ids = SplitIds()
        splits[split] = list[Sentence]()
        for name, content in contents.items():
            source = Source(name, content=content)
            raws = _raws(source, content, split, len(splits[split]))
            for record in checked(raws, source, f"{split}-", len(splits[split])):
                ids.add(record, source)
                splits[split].append(record.sentence)
            problems.join(source.problems)
    problems.refuse("wanted the records of CLUENER2020")
    for split, wanted in pins.items():
        if (found := fingerprint(splits[split])) != wanted:
            entities = sum(len(sentence.entities) for sentence in splits[split])
            if other := next((name for name, pin in pins.items() if pin == found), None):
                raise CorpusError(
                    f"{' + '.join(files[split])} is the {other} split of CLUENER2020, wanted {split}; "
                    "the files have each other's names"
                )
            raise CorpusError(
                f"{' + '.join(files[split])} has fingerprint {found[:12]}… ({len(splits[split])} sentences, "
                f"{entities} entities), wanted {wanted[:12]}…: it is not CLUENER2020 as published"
            )
    return splits


def _raws(source: Source, content: bytes, split: str, before: int) -> Iterator[Raw]:
    """The records of a file of ``split``; ``before`` is the number of records in earlier files."""
    rows = _parquet(source, content) if source.name.endswith(".parquet") else objects(source)
    for index, (line, value) in enumerate(rows, before):
        try:
            yield _unlabelled(line, index, value) if split == "unlabelled" else _labelled(line, value)
        except ValidationError as error:
            for detail in error.errors():
                source.wrong(line, explain(detail))


def _parquet(source: Source, content: bytes) -> Iterator[tuple[int, Any]]:
    import pyarrow
    from pyarrow import parquet

    source.unit = " row "
    try:
        file = parquet.ParquetFile(io.BytesIO(content))
        if file.metadata.num_rows > _ROWS:
            raise CorpusError(
                f"{source.name}: {file.metadata.num_rows} rows, more than the {_ROWS} that a split may have"
            )
        yield from enumerate(file.read().to_pylist())
    except (pyarrow.ArrowException, OSError) as error:
        raise CorpusError(f"{source.name}: not Parquet that can be read ({error})") from None


def _labelled(line: int, value: Any) -> Raw:
    if isinstance(value, dict) and "entities" in value:
        hub_record = _Hub.model_validate(value)
        return Raw(line, None, hub_record.text, [(e.start, e.end, e.type, e.text, None) for e in hub_record.entities])
    record = _Official.model_validate(value)
    entities: list[RawEntity] = [
        (start, last + 1, entity_type, surface, None)
        for entity_type, surfaces in record.label.items()
        for surface, spans in surfaces.items()
        for start, last in spans
    ]
    return Raw(line, None, record.text, entities)


def _unlabelled(line: int, index: int, value: Any) -> Raw:
    record = _Unlabelled.model_validate(value)
    return Raw(line, str(index if record.id is None else record.id), record.text, [])
