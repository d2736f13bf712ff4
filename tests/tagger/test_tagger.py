"""Text in, entities out, by the one path that users and scores share."""

import itertools
import json
import math
import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.strategies import texts as any_texts
from support.tiny import TAGS, TYPES, tiny_tagger_folder

from clue_ner.alignment.batch import Batch
from clue_ner.common.errors import ArtifactError, DeviceError
from clue_ner.core import plugins
from clue_ner.core.entities import Entity, overlapping_pairs
from clue_ner.core.schemes import SCHEMES
from clue_ner.tagger.decoding._base import Floats
from clue_ner.tagger.tagger import CHUNK, Tagger

HEADS = [name for name in plugins.names(plugins.DECODERS) if plugins.reads_tags(name)]
ALIGNMENTS = ["characters", "pieces", "characters_over_pieces"]
TEXT = "昨天李雷在上海的招商银行，上海李雷😀去了一人。"
FOUND = [
    ("name", "李雷"),
    ("address", "上海"),
    ("company", "招商银行"),
    ("address", "上海"),
    ("name", "李雷"),
    ("name", "😀"),
]

every_head = pytest.mark.parametrize("head", HEADS)
every_alignment = pytest.mark.parametrize("align", ALIGNMENTS)


@pytest.fixture(scope="module")
def taggers(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Tagger]:
    """For each head and alignment, a tagger that gives each character of ``TAGS`` its tag."""
    root = tmp_path_factory.mktemp("taggers")
    return {
        (head, align): Tagger.load(tiny_tagger_folder(root / f"{head}-{align}", head, align, lexicon=TAGS))
        for head, align in itertools.product(HEADS, ALIGNMENTS)
    }


class Made:
    """A runtime of made-up logits."""

    device = device_name = "cpu"

    def __init__(
        self, logits: Callable[[Batch], Floats], batch_tokens: float = 10**6, batch_padding: float = math.inf
    ) -> None:
        self.logits, self.batch_tokens, self.batch_padding = logits, batch_tokens, batch_padding

    def __call__(self, batch: Batch) -> Floats:
        return self.logits(batch)


def surfaces(text: str, entities: list[Entity]) -> list[tuple[str, str]]:
    return [(entity.type, entity.surface(text)) for entity in entities]


@every_head
@every_alignment
def test_tagger_finds_entities_with_offsets_and_scores(
    taggers: dict[tuple[str, str], Tagger], head: str, align: str
) -> None:
    (entities,) = taggers[head, align].tag([TEXT])
    assert surfaces(TEXT, entities) == FOUND
    assert entities == sorted(entities)
    assert all(entity.score is not None and 0.9 < entity.score <= 1 for entity in entities)


@every_head
@every_alignment
def test_tagger_reads_a_long_text_as_a_short_one(taggers: dict[tuple[str, str], Tagger], head: str, align: str) -> None:
    text = TEXT * 40
    (entities,) = taggers[head, align].tag([text])
    assert surfaces(text, entities) == FOUND * 40
    assert [entity.start for entity in entities[:: len(FOUND)]] == [2 + len(TEXT) * i for i in range(40)]


@every_head
@every_alignment
@settings(max_examples=40, deadline=None)
@given(
    parts=st.lists(st.one_of(any_texts, st.sampled_from(["李雷", "上海", "招商银行", "\u200b", "我们"])), max_size=8)
)
@example(["\ud800李雷\udfff"])
@example(["李雷", "\n", "上海"])
def test_tagger_takes_any_text(taggers: dict[tuple[str, str], Tagger], head: str, align: str, parts: list[str]) -> None:
    text = "".join(parts)
    (reading,) = taggers[head, align].read([text])
    end = 0
    for entity in reading.entities:
        assert end <= entity.start < entity.end <= len(text)
        assert align != "characters" or entity.surface(text)[0] in TAGS
        assert entity.type in TYPES
        assert entity.score is not None
        assert 0 <= entity.score <= 1
        end = entity.end
    assert set(reading.strict) <= set(reading.entities)
    if align == "characters":
        assert surfaces(text, list(reading.entities)) == list(_runs(text))


def _runs(text: str) -> Iterator[tuple[str, str]]:
    """What the lexicon says of a text: runs of one type, begun anew by each B-."""
    start, type_ = 0, ""
    for position, char in enumerate([*text, ""]):
        prefix, _, next_type = TAGS.get(char, "O").partition("-")
        if type_ and (prefix != "I" or next_type != type_):
            yield type_, text[start:position]
            type_ = ""
        if prefix != "O" and not type_:
            start, type_ = position, next_type


def test_tagger_strict_reading_leaves_out_what_breaks_the_scheme(taggers: dict[tuple[str, str], Tagger]) -> None:
    (reading,) = taggers["softmax", "characters"].read(["海雷上海雷"])
    assert reading.entities == (
        Entity(0, 1, "address"),
        Entity(1, 2, "name"),
        Entity(2, 4, "address"),
        Entity(4, 5, "name"),
    )
    assert reading.strict == (Entity(2, 4, "address"),)
    (crf,) = taggers["crf", "characters"].read(["海雷上海雷"])
    assert crf.entities == crf.strict


@every_alignment
def test_tagger_keeps_the_order_of_texts_and_empty_ones(taggers: dict[tuple[str, str], Tagger], align: str) -> None:
    tagger = taggers["crf", align]
    texts = ["", TEXT * 3, " ", "李雷", "\u200b\x01", "", "我们在上海"]
    tagged = tagger.tag(texts)
    assert [surfaces(text, found) for text, found in zip(texts, tagged, strict=True)] == [
        [],
        FOUND * 3,
        [],
        [("name", "李雷")],
        [],
        [],
        [("address", "上海")],
    ]
    assert tagger.tag([]) == []
    assert [tagger.tag([text])[0] for text in texts] == tagged
    for batch_size in (1, 2, 1000):
        assert tagger.tag(texts, batch_size) == tagged


def test_tagger_reads_while_more_texts_come(taggers: dict[tuple[str, str], Tagger]) -> None:
    taken = 0

    def stream() -> Iterator[str]:
        nonlocal taken
        for number in range(3 * CHUNK):
            taken += 1
            yield "李雷" * (number % 3)

    readings = taggers["softmax", "pieces"].read(stream())
    assert len(next(readings).entities) == 0
    assert taken == CHUNK
    assert [len(reading.entities) for reading in readings] == [number % 3 for number in range(1, 3 * CHUNK)]


def test_tagger_chunks_are_full_by_characters_too(
    taggers: dict[tuple[str, str], Tagger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clue_ner.tagger.tagger.CHUNK_CHARACTERS", 5)
    taken = 0

    def stream() -> Iterator[str]:
        nonlocal taken
        for text in ["李雷", "在", "李雷李雷", "李雷"]:
            taken += 1
            yield text

    readings = taggers["softmax", "pieces"].read(stream())
    assert len(next(readings).entities) == 1
    assert taken == 3
    assert [len(reading.entities) for reading in readings] == [0, 2, 1]


def test_tagger_wants_texts_in_a_list(taggers: dict[tuple[str, str], Tagger]) -> None:
    with pytest.raises(TypeError, match=r"wanted several texts, found one str; pass \[text\]"):
        taggers["softmax", "pieces"].tag("李雷")


def test_tagger_takes_100_000_characters(taggers: dict[tuple[str, str], Tagger]) -> None:
    text = TEXT * (100_000 // len(TEXT))
    (entities,) = taggers["crf", "characters_over_pieces"].tag([text])
    assert surfaces(text, entities) == FOUND * (100_000 // len(TEXT))


@every_head
@every_alignment
def test_tagger_with_random_weights_does_not_depend_on_the_batch(tmp_path: Path, head: str, align: str) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", head, align, "BIOES"))
    texts = [TEXT[i % 9 :] * (i % 4) for i in range(30)]
    tagged = tagger.tag(texts)
    assert sum(map(len, tagged)) > 30
    for text, found in zip(texts, tagged, strict=True):
        (alone,) = tagger.tag([text])
        assert alone == found
        assert [entity.score for entity in alone] == pytest.approx([entity.score for entity in found], abs=1e-4)


def test_tagger_using_takes_logits_from_elsewhere(taggers: dict[tuple[str, str], Tagger]) -> None:
    tagger = taggers["softmax", "characters"]
    tags = tagger.config.tags

    def logits_of(batch: Batch) -> Floats:
        logits = np.zeros((*batch["unit_mask"].shape, len(tags)), dtype=np.float32)
        logits[:, 0, tags.index("B-name")] = 5.0
        return logits

    assert tagger.using(Made(logits_of)).tag(["王李雷"]) == [[Entity(0, 1, "name")]]
    assert tagger.tag(["王李雷"]) == [[Entity(1, 3, "name")]]


def test_tagger_batches_are_full_by_tokens_or_windows(taggers: dict[tuple[str, str], Tagger]) -> None:
    tagger = taggers["crf", "characters"]
    texts = [TEXT[: 1 + i % len(TEXT)] for i in range(100)]
    wanted = [[(e.start, e.end, e.type) for e in found] for found in tagger.tag(texts)]
    for tokens, most in ((64, 10), (10**6, 10), (64, 1000), (1, 1000)):
        shapes: list[tuple[int, ...]] = []

        def note(batch: Batch, shapes: list[tuple[int, ...]] = shapes) -> Floats:
            shapes.append(batch["input_ids"].shape)
            return tagger.runtime(batch)

        found = tagger.using(Made(note, tokens)).tag(texts, most)
        assert [[(e.start, e.end, e.type) for e in entities] for entities in found] == wanted
        rows = [shape[0] for shape in shapes]
        assert sum(rows) == len(texts)
        assert max(rows) <= most
        assert all(shape[0] == 1 or shape[0] * shape[1] <= tokens for shape in shapes)
        following = [longer[1] for longer in shapes[1:]]
        assert all(n == most or (n + 1) * longest > tokens for n, longest in zip(rows, following))


def test_tagger_batches_have_little_padding(taggers: dict[tuple[str, str], Tagger]) -> None:
    tagger = taggers["crf", "characters"]
    texts = [TEXT[:size] for size in (3, 20, 4, 18, 3, 12, 19)]
    wanted = [[(e.start, e.end, e.type) for e in found] for found in tagger.tag(texts)]
    shapes: list[tuple[int, ...]] = []

    def note(batch: Batch) -> Floats:
        shapes.append(batch["input_ids"].shape)
        return tagger.runtime(batch)

    for padding, rows in ((2, [3, 1, 2, 1]), (3, [3, 1, 3]), (14, [3, 4]), (math.inf, [7])):
        shapes.clear()
        found = tagger.using(Made(note, batch_padding=padding)).tag(texts)
        assert [[(e.start, e.end, e.type) for e in entities] for entities in found] == wanted
        assert [shape[0] for shape in shapes] == rows


@every_head
def test_tagger_entities_of_windows_that_disagree_do_not_overlap(
    taggers: dict[tuple[str, str], Tagger], head: str
) -> None:
    generator = np.random.default_rng(0)
    tagger = taggers[head, "characters"]

    def logits_of(batch: Batch) -> Floats:
        return generator.normal(size=(*batch["unit_mask"].shape, len(tagger.config.tags))).astype(np.float32)

    random, texts = tagger.using(Made(logits_of)), [TEXT * 40] * 20
    for reading in random.read(texts):
        assert reading.entities
        assert not overlapping_pairs(reading.entities)
        assert not overlapping_pairs(reading.strict)
    free = tagger.config.model_copy(update={"head": "span"})  # whose entities may overlap
    random.config = free
    assert not free.is_flat
    assert any(overlapping_pairs(entities) for entities in random.tag(texts))


def test_tagger_score_is_the_mean_of_the_units(taggers: dict[tuple[str, str], Tagger]) -> None:
    tagger = taggers["softmax", "characters"]
    tags = tagger.config.tags

    def logits_of(batch: Batch) -> Floats:
        logits = np.zeros((*batch["unit_mask"].shape, len(tags)), dtype=np.float32)
        logits[:, 0, tags.index("B-name")], logits[:, 1, tags.index("I-name")] = 3.0, 1.0
        return logits

    ((entity,),) = tagger.using(Made(logits_of)).tag(["李雷"])
    each = [np.exp(logit) / (np.exp(logit) + len(tags) - 1) for logit in (3.0, 1.0)]
    assert entity.score == pytest.approx(sum(each) / 2)


def test_tagger_loads_the_folder_that_export_wrote(tmp_path: Path) -> None:
    folder = tiny_tagger_folder(tmp_path / "export/tagger", lexicon=TAGS)
    assert Tagger.load(str(folder.parent)).tag([TEXT]) == Tagger.load(folder).tag([TEXT])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_tagger_loads_every_scheme(tmp_path: Path, scheme: str) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", "crf", "characters", scheme))
    assert tagger.config.tag_scheme.name == scheme
    (reading,) = tagger.read([TEXT])
    assert reading.strict == reading.entities


def test_tagger_load_refuses_a_folder_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    for folder in (tmp_path, tmp_path / "absent", tmp_path / "config.json"):
        with pytest.raises(
            ArtifactError, match=r"no model \(wanted tagger\.json there.*name another folder, or train one"
        ):
            Tagger.load(folder)


@pytest.mark.parametrize("content", [{"format": 3}, {}, [], "model"])
def test_tagger_load_refuses_another_format(tmp_path: Path, content: object) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger")
    (folder / "tagger.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"tagger\.json: format .*, wanted 2 or 1; .*train it again"):
        Tagger.load(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "tagger.json"])
def test_tagger_load_refuses_a_damaged_file(tmp_path: Path, name: str) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger")
    with (folder / name).open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(ArtifactError, match=rf"{name}: damaged .*dvc repro"):
        Tagger.load(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "checksums.json"])
def test_tagger_load_refuses_a_missing_file(tmp_path: Path, name: str) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger")
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=rf"{name}: (missing|no such file)"):
        Tagger.load(folder)


# --- other processes, wrong texts


def test_tagger_pickles_as_where_it_was_loaded_from(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS), "torch")
    again = pickle.loads(pickle.dumps(tagger))
    assert again.source == tagger.source
    assert again.tag([TEXT]) == tagger.tag([TEXT]) != [[]]
    assert len(pickle.dumps(tagger)) < 1000


def test_tagger_works_in_a_process_that_it_is_sent_to(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(tagger.tag, [TEXT]).result() == tagger.tag([TEXT])


def test_tagger_made_in_memory_does_not_pickle(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS))
    with pytest.raises(TypeError, match="built in memory and cannot be pickled; save the model"):
        pickle.dumps(tagger.using(tagger.runtime))


def test_tagger_raises_at_once_in_a_fork(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS))
    tagger.tag([TEXT])
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(writing, str(tagger.tag([TEXT])).encode())
        except RuntimeError as error:
            os.write(writing, f"{error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        found = pipe.read()
    assert found.startswith(f"this tagger was loaded in process {os.getpid()}")
    assert f"the fork {child}: load it there with Tagger.load" in found


def test_tagger_is_shared_by_threads(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", align="characters_over_pieces", lexicon=TAGS))
    texts = [[TEXT * (1 + number % 3)] * (number % 5) for number in range(40)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(tagger.tag, texts)) == [tagger.tag(each) for each in texts]


@pytest.mark.parametrize(
    ("wrong", "found"), [(None, r"None \(NoneType\)"), (math.nan, r"nan \(float\)"), (b"a", r"b'a' \(bytes\)")]
)
def test_tagger_names_the_position_of_what_is_no_text(
    taggers: dict[tuple[str, str], Tagger], wrong: Any, found: str
) -> None:
    tagger = next(iter(taggers.values()))
    for texts in ([TEXT, "", wrong], (text for text in [TEXT] * CHUNK + [wrong])):
        position = 2 if isinstance(texts, list) else CHUNK
        with pytest.raises(TypeError, match=rf"text {position}: found {found}, wanted a str"):
            tagger.tag(texts)


@every_head
def test_tagger_doubts_only_if_asked(taggers: dict[tuple[str, str], Tagger], head: str) -> None:
    tagger = taggers[head, "characters"]
    (plain,), (asked,) = tagger.read([TEXT]), tagger.read([TEXT], doubts=True)
    assert plain.doubt is None
    assert asked.doubt is not None
    assert 0 <= asked.doubt < 0.1
    assert (plain.entities, plain.strict) == (asked.entities, asked.strict)


def test_tagger_doubt_of_a_long_text_counts_each_unit_once(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "narrow", "softmax", "characters", window=16, overlap=8))
    tags = len(tagger.config.tags)
    unsure = tagger.using(Made(lambda batch: np.zeros((*batch["unit_mask"].shape, tags), dtype=np.float32)))
    doubts = [reading.doubt for reading in unsure.read(["", "的", "的" * 100], doubts=True)]
    assert doubts == pytest.approx([0, 1 - 1 / tags, 100 * (1 - 1 / tags)])


def test_tagger_knows_its_device_and_takes_it_along(tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS))
    assert tagger.source is not None
    assert tagger.source.device == tagger.runtime.device == tagger.runtime.device_name == "cpu"
    assert tagger.__reduce__()[1][-1] == "cpu"


def test_tagger_refuses_devices_that_are_no_names_or_not_here(tmp_path: Path) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger", lexicon=TAGS)
    with pytest.raises(ValueError, match="device 'gpu': wanted"):
        Tagger.load(folder, device="gpu")
    with pytest.raises(DeviceError, match=r"^device cuda: torch .*, or take device cpu$"):
        Tagger.load(folder, device="cuda")
