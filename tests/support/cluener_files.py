"""A tiny CLUENER2020 as its sources have it, and the corpus loaded where no source can be reached."""

import io
import json
import zipfile

import pytest

from clue_ner.common import retry
from clue_ner.core.entities import Entity, Sentence, fingerprint
from clue_ner.core.params import CorpusParams
from clue_ner.corpora import cluener
from support.servers import use_hub

PARAMS = CorpusParams(name="cluener", path=None, options={}, valid_fraction=0.1, split_seed=0)
TRAIN = [
    {"text": "程千帆在南京教书。", "label": {"name": {"程千帆": [[0, 2]]}, "address": {"南京": [[4, 5]]}}},
    {"text": "山东队对山东队", "label": {"organization": {"山东队": [[0, 2], [4, 6]]}, "address": {"山东": [[0, 1]]}}},
    {"text": "今天没有风😀。", "label": {}},
]
DEV = [{"text": "他爱读《边城》。", "label": {"book": {"《边城》": [[3, 6]]}}}]
TEST = [{"id": 0, "text": "谁在唱歌？"}, {"id": 1, "text": "没有人。"}]
SENTENCES = {
    "train": [
        Sentence("train-0", "程千帆在南京教书。", (Entity(0, 3, "name"), Entity(4, 6, "address"))),
        Sentence(
            "train-1",
            "山东队对山东队",
            (Entity(0, 2, "address"), Entity(0, 3, "organization"), Entity(4, 7, "organization")),
        ),
        Sentence("train-2", "今天没有风😀。"),
    ],
    "test": [Sentence("test-0", "他爱读《边城》。", (Entity(3, 7, "book"),))],
    "unlabelled": [Sentence("0", "谁在唱歌？"), Sentence("1", "没有人。")],
}
PINS = {split: fingerprint(SENTENCES[split]) for split in ("train", "test")}
CLOSED = "http://127.0.0.1:9"
"""Where nothing listens."""


def lines(records):
    """The records as a file of JSON lines."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


FILES = {"train.json": lines(TRAIN), "dev.json": lines(DEV), "test.json": lines(TEST)}
"""The three files as their authors publish them; ``SENTENCES`` is what is in them."""


def archive(files):
    """A zip archive with these files and two that are not asked for."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in {"README.md": b"", "../evil.json": b"", **files}.items():
            target.writestr(name, content)
    return sink.getvalue()


@pytest.fixture(autouse=True)
def nothing_reachable(monkeypatch, tmp_path):
    """Let no source of CLUENER be reachable until a test names one; import it to use it."""
    monkeypatch.setattr(retry, "PAUSE", 0.0)
    monkeypatch.delenv("CLUENER_MIRROR", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("CLUENER_ARCHIVE_URL", f"{CLOSED}/cluener_public.zip")
    use_hub(monkeypatch, CLOSED, str(tmp_path / "hub"))


def load(pins=PINS):
    """Load the corpus ``cluener``, which must have the fingerprints ``pins``."""
    return cluener.load(PARAMS, pins)
