"""Somebody who has runs, a champion and an export of commit 3ec9ba5 keeps using them."""

from pathlib import Path

import pytest
from support.code import link_code
from support.configs import tagger_config
from support.old_repository import CORPUS, FOUND, TEXTS, unpack
from support.tracking_repository import local_client, own_store, runs, tracking_params  # noqa: F401

from clue_ner.common.files import read_json, write_checksums, write_json
from clue_ner.core.entities import Entity
from clue_ner.tagger.config import CorpusRecord, TaggerConfig, TrainingRecord
from clue_ner.tagger.tagger import Tagger
from clue_ner.tracking import register, resolve_model, sync
from clue_ner.tracking.verify import UNKNOWN, verify


@pytest.fixture
def old(tmp_path: Path) -> Path:
    unpack(tmp_path)
    return tmp_path


def rounded(found: list[list[Entity]]) -> list[list[tuple[int, int, str, float]]]:
    return [[(e.start, e.end, e.type, round(e.score or 0, 5)) for e in entities] for entities in found]


@pytest.mark.parametrize("runtime", FOUND)
def test_upgrade_export_finds_what_it_found(old: Path, runtime: str) -> None:
    found = rounded(Tagger.load(old / "models/export", runtime, threads=1).tag(TEXTS))
    for ours, theirs in zip(found, FOUND[runtime], strict=True):
        assert [entity[:3] for entity in ours] == [entity[:3] for entity in theirs]
        assert [entity[3] for entity in ours] == pytest.approx([entity[3] for entity in theirs], abs=2e-3)


def test_upgrade_configuration_is_of_format_1_and_is_read(old: Path) -> None:
    folder = old / "models/export/tagger"
    assert read_json(folder / "tagger.json")["format"] == 1
    config = TaggerConfig.load(folder)
    assert (config.head, config.flat, config.trained.corpus.splits) == ("crf", True, "all")
    assert config.trained.corpus.fingerprint == CORPUS


def test_upgrade_registered_versions_load(old: Path) -> None:
    champion = resolve_model(old, "models:/clue-ner@champion")
    assert TaggerConfig.load(champion).head == "crf"
    assert rounded(Tagger.load(champion).tag(TEXTS)) == rounded(Tagger.load(old / "models/export").tag(TEXTS))
    assert TaggerConfig.load(resolve_model(old, "models:/clue-ner/1")).head == "global_pointer"


def test_upgrade_sync_adds_nothing_twice(old: Path) -> None:
    def state() -> dict[str, tuple[dict[str, float], set[str]]]:
        return {run.info.run_id: (run.data.metrics, set(run.data.tags)) for run in runs(local_client(old))}

    before = state()
    summary = sync(old)
    assert len(summary.runs) == 2
    assert summary.problems == []
    assert state() == before
    assert len(local_client(old).search_model_versions("name = 'clue-ner'")) == 2


@pytest.mark.parametrize(
    ("score", "corpus", "alias", "reason"),
    [
        (0.5, CORPUS, "champion", "is above 0.0426 of champion version 2"),
        (0.01, CORPUS, "challenger", "is not above 0.0426 of champion version 2"),
        (0.5, "0" * 64, "challenger", "was trained on another corpus"),
    ],
)
def test_upgrade_new_version_is_held_against_the_old_champion(
    old: Path, score: float, corpus: str, alias: str, reason: str
) -> None:
    folder = old / "new/tagger"
    folder.mkdir(parents=True)
    trained = TrainingRecord(
        fingerprint="f" * 64,
        corpus=CorpusRecord(name="jsonl", fingerprint="1" * 64, licence="that of its owner"),
        backbone={"kind": "folder", "name": "./backbone/"},
        params={"backbone": {"name": "./backbone/"}, "train": {"head": "crf"}, "tagging": {"scheme": "BIO"}},
        valid_micro_f1=score,
    )
    tagger_config(["name"], head="crf", trained=trained).save(folder)
    (folder / "model.safetensors").write_bytes(b"")
    write_checksums(folder)
    write_json(old / "new/corpus.json", {"fingerprint_all": corpus, "splits": {"test": {}}})
    version = register(old, old / "new", tracking_params())
    assert version is not None
    assert (version.version, version.alias) == (3, alias)
    assert reason in version.reason


def test_upgrade_verify_says_what_cannot_be_traced_and_why(old: Path) -> None:
    link_code(old)
    findings = {finding.what: finding for finding in verify(old, str(old / "models/export"))}
    assert findings["files"].state == "ok"
    for what in ("corpus", "backbone", "training"):
        assert findings[what].state == UNKNOWN
