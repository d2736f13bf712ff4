"""Texts of all sorts to the tagger, the command line and the served model; broken lines and requests between them.

``FUZZ`` (1000; `make test-faults`: 20000) in the environment is how many texts, ``SEED`` (1) which.
"""

import json
import os
import random
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities
from support.commands import found, run
from support.strategies import TRICKY
from support.tiny import TAGS, TYPES, tiny_tagger_folder

from clue_ner.common.json_lines import to_json
from clue_ner.core.entities import Entity
from clue_ner.tagger.tagger import Reading, Tagger

TEXTS = int(os.environ.get("FUZZ", "1000"))
SEED = os.environ.get("SEED", "1")
PLANES = [(0x20, 0xD7FF), (0xE000, 0xFFFF), *((plane << 16, (plane << 16) + 0xFFFF) for plane in range(1, 17))]
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
COMBINING = [chr(code) for code in range(0x0300, 0x20F1) if unicodedata.combining(chr(code))]
COMPATIBLE = [chr(code) for code in range(0x2E80, 0x30000) if unicodedata.normalize("NFKC", chr(code)) in TAGS]
KINDS = (
    lambda chance: chr(chance.randint(*chance.choice(PLANES))),
    lambda chance: chr(chance.randint(0xD800, 0xDFFF)),
    lambda chance: chr(chance.choice([*range(0x20), *range(0x7F, 0xA0)])),
    lambda chance: chance.choice(BIDI),
    lambda chance: "e" + "".join(chance.choices(COMBINING, k=chance.randint(1, 9))),
    lambda chance: chance.choice(TRICKY),
    lambda chance: chance.choice([*TAGS, "李雷", "上海", "招商银行"]),
    lambda chance: chance.choice(COMPATIBLE),
    lambda chance: chr(chance.randint(0x4E00, 0x9FFF)),
    lambda chance: chr(chance.randint(0x20, 0x7E)) * chance.randint(1, 9),
)
"""All planes, lone surrogates, controls, bidi marks, stacked marks, what breaks tokenizers, entities, their other
forms (NFKC), Chinese, ASCII."""


def generated(number: int) -> Iterator[str]:
    """Texts of up to forty parts, of one, some or all kinds each; surrogates in pairs are one character."""
    chance = random.Random(f"fuzz {SEED}")
    for _ in range(number):
        kinds = chance.sample(KINDS, chance.choice([1, 2, 3, len(KINDS)]))
        length = min(40, int(chance.expovariate(0.2)))
        text = "".join(chance.choice(kinds)(chance) for _ in range(length))
        yield text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


LONG = 3500 if TEXTS >= 20_000 else 350
"""Times that 100 characters are repeated in the longest text: 3500 make more than a megabyte."""
TEXT = [*generated(TEXTS - 2), ("在去了的一人，" * 14 + "上海") * LONG, "\0" * 2**10]


# --- what is right


def character_tags(text: str) -> list[str]:
    """The tag of each character by the lexicon, which knows it in its compatibility forms, too: 行 (U+FA08) is 行."""
    return [TAGS.get(unicodedata.normalize("NFKC", char), "O") for char in text]


def lenient(text: str) -> list[tuple[str, int, int]]:
    """Type, start and end (exclusive) of the entities that seqeval's default mode reads in the characters' tags."""
    return [(type_, start, end + 1) for type_, start, end in get_entities(character_tags(text))]


def strict(text: str) -> list[tuple[str, int, int]]:
    """As ``lenient``, in seqeval's strict mode."""
    (found,) = Entities([character_tags(text)], IOB2).entities
    return [(entity.tag, entity.start, entity.end) for entity in found]


def is_plain(text: str) -> bool:
    """Whether a CRF over pieces must read the characters' tags as they are.

    They are a legal sequence, and no character lacks a piece: blanks, marks and the like take the state of another one,
    and the tokenizer reads the replacement character and the mark of a word's beginning as blanks, too.
    """
    blank = any(unicodedata.category(char)[0] in "CMZ" or char in "\ufffd\u2581" for char in text)
    return not blank and lenient(text) == strict(text)


def triples(entities: Iterable[Entity]) -> list[tuple[str, int, int]]:
    return [(entity.type, entity.start, entity.end) for entity in entities]


# --- the tagger


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tagger of the lexicon for two heads and alignments."""
    folder = tmp_path_factory.mktemp("fuzz")
    return {
        head: tiny_tagger_folder(folder / head, head, align, lexicon=TAGS, window=512, overlap=64)
        for head, align in (("crf", "characters_over_pieces"), ("softmax", "characters"))
    }


@pytest.fixture(scope="module")
def model(models: dict[str, Path]) -> Path:
    return models["crf"]


@pytest.fixture(scope="module")
def readings(model: Path) -> list[Reading]:
    return list(Tagger.load(model).read(TEXT))


def test_fuzz_tagger_finds_what_seqeval_reads_in_each_character_s_tag(models: dict[str, Path]) -> None:
    """So offsets are right whatever normalisation and windows did to the characters between."""
    count = 0
    for text, reading in zip(TEXT, Tagger.load(models["softmax"]).read(TEXT), strict=True):
        assert triples(reading.entities) == lenient(text), ascii(text[:200])
        assert triples(reading.strict) == strict(text), ascii(text[:200])
        count += len(reading.entities)
    assert count - LONG > TEXTS / 10, "there is something to be found"


def test_fuzz_tagger_with_a_crf_gives_entities_in_order(readings: list[Reading]) -> None:
    assert len(readings) == len(TEXT)
    plain = 0
    for text, reading in zip(TEXT, readings):
        end = 0
        for entity in reading.entities:
            assert end <= entity.start < entity.end <= len(text)
            assert entity.type in TYPES and entity.score is not None and 0 <= entity.score <= 1
            end = entity.end
        if is_plain(text):
            plain += bool(lenient(text))
            assert triples(reading.entities) == lenient(text), ascii(text[:200])
    assert plain > TEXTS / 50
    assert triples(readings[-2].entities) == [("address", at, at + 2) for at in range(98, len(TEXT[-2]), 100)]
    assert readings[-1].entities == ()


def test_fuzz_command_line_keeps_order_and_reports_broken_lines(
    model: Path, readings: list[Reading], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chance = random.Random(f"broken {SEED}")
    broken = [b"{", b"\xff\xfe", b'{"text": 1}', b"[" * 9999, b'{"text": "\\ud8"}', b'{"a": 1}', b"nul\0l", b'"x"']
    lines: list[bytes] = []
    bad: set[int] = set()
    for number, text in enumerate(TEXT):
        if chance.random() < 0.005:
            bad.add(len(lines))
            lines.append(chance.choice(broken))
        lines.append(to_json({"text": text, "id": number}).encode())
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    result = run("tag", "--model", model, "in.jsonl")
    given = [json.loads(line) for line in result.stdout_bytes.decode().split("\n")[:-1]]
    assert len(given) == len(lines)
    assert {number for number, record in enumerate(given) if "error" in record} == bad
    assert all(record["error"].startswith(f"in.jsonl:{n + 1}: ") for n, record in enumerate(given) if n in bad)
    good = [record for record in given if "error" not in record]
    assert [record["id"] for record in good] == list(range(len(TEXT)))
    for record, text, reading in zip(good, TEXT, readings):
        assert record["text"] == text
        assert found(record) == [
            {"type": type_, "start": start, "end": end, "text": text[start:end]}
            for type_, start, end in triples(reading.entities)
        ]
    assert result.exit_code == 1
    assert f"error: {len(bad)} of the lines could not be read" in result.stderr


@pytest.fixture(scope="module")
def client(served_model: Any) -> Any:
    from mlflow.pyfunc.scoring_server import init
    from starlette.testclient import TestClient

    return TestClient(init(served_model), raise_server_exceptions=False)


def test_fuzz_served_model_gives_spans_of_each_text_in_order(client: Any) -> None:
    for start in range(0, TEXTS, 1000):
        texts = TEXT[start : start + 1000]
        answer = client.post("/invocations", content=json.dumps({"inputs": texts}), headers=JSON)
        assert answer.status_code == 200, answer.text[:500]
        predictions = answer.json()["predictions"]
        assert [record["text"] for record in predictions] == texts
        for text, record in zip(texts, predictions):
            entities = found(record)
            assert all(0 <= entity["start"] < entity["end"] <= len(text) for entity in entities)
            if is_plain(text):
                assert [(e["type"], e["start"], e["end"]) for e in entities] == lenient(text), ascii(text[:200])


JSON = {"Content-Type": "application/json"}
WRONG = [
    b"", b"{", b"null", b"[]", b'""', b"1", b'{"inputs": null}', b'{"inputs": {}}', b'{"inputs": [null]}', b"\xff\xfe",
    b'{"inputs": [["a"]]}', b'{"inputs": [{"text": "a"}]}', b'{"inputs": [1e999]}', b'{"inputs": [NaN]}',
    b'{"inputs": ["a"], "params": 1}', b'{"inputs": ["a"], "params": {"output": 1}}', b'{"inputs": ["\\ud8"]}',
    b'{"inputs": ["a"], "params": {"min_score": "1"}}', b'{"inputs": ["a"], "params": {"min_score": 2}}',
    b'{"inputs": ["a"], "params": {"min_score": NaN}}', b'{"inputs": ["a"], "params": {"min_score": null}}',
    b'{"dataframe_split": {}}', b'{"dataframe_records": 1}', b'{"inputs": ["a"], "inputs": 3}', b'{"instances": [1]}',
]  # fmt: skip


BEYOND = [b'{"inputs": [' + b"9" * 5000 + b"]}", b'{"inputs": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"]
"""What MLflow's server answers with status 500: its parser's own limits."""


def test_fuzz_served_model_refuses_malformed_requests_and_goes_on(client: Any) -> None:
    chance = random.Random(f"requests {SEED}")
    right = json.dumps({"inputs": ["李雷在上海", "在"]}).encode()
    requests = list(WRONG)
    for _ in range(200):
        damaged = bytearray(right)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        requests.append(bytes(damaged[: chance.choice([len(damaged), chance.randrange(len(damaged))])]))
    for content in requests:
        answer = client.post("/invocations", content=content, headers=JSON)
        assert answer.status_code < 500, (content[:80], answer.status_code, answer.text[:300])
        if content in WRONG:
            assert answer.status_code >= 400, content[:80]
    for content in BEYOND:
        assert client.post("/invocations", content=content, headers=JSON).status_code >= 400
    for kind in ("text/plain", "application/x-pickle", "text/csv", ""):
        assert client.post("/invocations", content=right, headers={"Content-Type": kind}).status_code in (400, 415)
    answer = client.post("/invocations", content=right, headers=JSON)
    assert [len(record["entities"]) for record in answer.json()["predictions"]] == [2, 0]
