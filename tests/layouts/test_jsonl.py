import json

import pytest

from clue_ner.common.errors import CorpusError, ParamsError, SourceError
from clue_ner.core.entities import Entity, Sentence
from clue_ner.layouts import Record, read

GOOD = '{"text": "李雷在上海。", "entities": [{"type": "name", "start": 0, "end": 2}]}'


def load(folder):
    return list(read(folder / "train.jsonl", "jsonl"))


def refused(folder, *lines):
    (folder / "train.jsonl").write_text("\n".join([GOOD, *lines]) + "\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="wrong") as info:
        load(folder)
    return str(info.value)


def entity(**keys):
    return json.dumps({"text": "李雷在上海。", "entities": [{"type": "name", "start": 0, "end": 2, **keys}]})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("\ufeff", "not JSON"),
        ('{"text": NaN, "entities": []}', "text: Input should be a valid string, found nan"),
        ("[" * 100_000, "not JSON"),
        ('{"text": "一", "text": "二", "entities": []}', "not JSON (a key occurs twice)"),
        ("[1]", "the record: wanted an object, found [1]"),
        ('{"entities": []}', "lacks 'text'"),
        ('{"text": "李雷", "entities": [], "label": {}}', "unknown key 'label'"),
        ('{"text": "", "entities": []}', "text: wanted at least 1 character, found ''"),
        ('{"text": 5, "entities": []}', "text: Input should be a valid string, found 5"),
        ('{"id": 1.0, "text": "李雷", "entities": []}', "id: wanted a text or a whole number, found 1.0"),
        (entity(score=float("nan")), "entities.0.score: Input should be a finite number, found nan"),
        (entity(score=2), "entities.0.score: Input should be less than or equal to 1, found 2"),
        ('{"id": "", "text": "李雷", "entities": []}', "id: wanted at least 1 character, found ''"),
        ('{"text": "\\ud83d", "entities": []}', "text: holds a lone surrogate"),
        ('{"text": "李雷", "entities": {}}', "entities: Input should be a valid list, found {}"),
        (entity(label="x"), "unknown key 'entities.0.label'"),
        (entity(start=True), "entities.0.start: Input should be a valid integer, found True"),
        (entity(start=0.0), "entities.0.start: Input should be a valid integer, found 0.0"),
        (entity(end="2"), "entities.0.end: Input should be a valid integer, found '2'"),
        (entity(start=-1), "entities.0 (name -1:2): wanted 0 <= start < end <= 6, the length of the text"),
        (entity(start=2), "entities.0 (name 2:2): wanted 0 <= start < end <= 6"),
        (entity(start=3), "entities.0 (name 3:2): wanted 0 <= start < end <= 6"),
        (entity(end=7), "entities.0 (name 0:7): wanted 0 <= start < end <= 6"),
        (entity(text="李"), "entities.0 (name 0:2): text[start:end] is '李雷', the record says '李'"),
        (entity(type=""), "entities.0.type: "),
        (entity(type="a b"), "entities.0.type: "),
        (entity(type="\ud800"), "entities.0.type: holds a lone surrogate"),
    ],
)
def test_jsonl_bad_line_is_named(line, message, tmp_path):
    found = refused(tmp_path, line)
    assert found.startswith("1 wrong\n")
    assert f"{tmp_path / 'train.jsonl'}:2: {message}" in found
    assert "docs/data.md" in found


def test_jsonl_reads_all_that_a_record_may_have(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        (
            '\ufeff{"id": "a", "text": "韩梅梅😀去南京路。", "entities": ['
            '{"type": "road", "start": 5, "end": 8, "text": "南京路"}, {"type": "地名", "start": 5, "end": 7},'
            '{"type": "name", "start": 0, "end": 3, "score": 0.5}]}\r\n'
            ' \t\r\n\n{"id": 7, "text": "没有\u2028人: 无", "entities": []}\n' + GOOD + "\r\n\r\n"
        ).encode()
    )
    sentences = [
        Sentence("a", "韩梅梅😀去南京路。", (Entity(0, 3, "name"), Entity(5, 7, "地名"), Entity(5, 8, "road"))),
        Sentence("7", "没有\u2028人: 无"),
        Sentence("", "李雷在上海。", (Entity(0, 2, "name"),)),
    ]
    records = list(read(path, "jsonl"))
    assert records == [Record(sentence, True, line) for line, sentence in zip([1, 4, 5], sentences)]
    assert [entity.score for entity in records[0].sentence.entities] == [0.5, None, None]


def test_jsonl_line_without_entities_is_unlabelled(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"text": "李雷"}\n' + GOOD, encoding="utf-8")
    reading = read(tmp_path / "train.jsonl", "jsonl")
    assert [record.labelled for record in reading] == [False, True]
    assert reading.counts == {"unlabelled sentences": 1}


def test_jsonl_entity_listed_twice_is_kept_once_and_counted(tmp_path):
    twice = [{"type": "a", "start": 0, "end": 2, "score": score} for score in (0.25, 0.5)]
    other = {"type": "b", "start": 0, "end": 2}
    text = json.dumps({"text": "李雷", "entities": [*twice, other]})
    (tmp_path / "train.jsonl").write_text(text, encoding="utf-8")
    reading = read(tmp_path / "train.jsonl", "jsonl")
    assert [record.sentence.entities for record in reading] == [(Entity(0, 2, "a"), Entity(0, 2, "b"))]
    assert next(reading.records()).sentence.entities[0].score == 0.25
    assert reading.counts["entities listed twice, kept once"] == 1
    assert reading.counts["spans with more than one type"] == 1


def test_jsonl_text_may_have_another_key(tmp_path):
    (tmp_path / "train.jsonl").write_text(GOOD.replace('"text"', '"content"'), encoding="utf-8")
    (record,) = read(tmp_path / "train.jsonl", "jsonl", {"text": "content"})
    assert record.sentence == Sentence("", "李雷在上海。", (Entity(0, 2, "name"),))
    with pytest.raises(ParamsError, match="txet of jsonl: there are offsets, first, ends, text"):
        read(tmp_path / "train.jsonl", "jsonl", {"txet": "content"})


def test_jsonl_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SourceError, match=r"train\.jsonl: cannot be read \(No such file"):
        load(tmp_path)


def test_jsonl_line_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "train.jsonl").write_bytes(GOOD.encode() + b"\n" + GOOD.encode("gb18030"))
    with pytest.raises(CorpusError, match=r"train\.jsonl:2: not JSON \('utf-8' codec"):
        load(tmp_path)


def test_jsonl_shows_twenty_problems_and_counts_the_others(tmp_path):
    message = refused(tmp_path, *["{"] * 23)
    assert message.startswith("23 wrong\n")
    assert message.count("not JSON") == 20
    assert "train.jsonl:21:" in message
    assert "train.jsonl:22:" not in message
    assert "and 3 more" in message


def test_jsonl_long_values_are_shortened_in_messages(tmp_path):
    assert max(map(len, refused(tmp_path, '{"text": ["' + "长" * 500 + '"], "entities": []}').splitlines())) < 250


# --- offsets that are counted otherwise


def counted(folder, *lines, **options):
    (folder / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return [record.sentence for record in read(folder / "train.jsonl", "jsonl", options)]


def line(text, start, end, surface=None):
    entity = {"type": "name", "start": start, "end": end} | ({} if surface is None else {"text": surface})
    return json.dumps({"text": text, "entities": [entity]})


COUNTED = [
    ({"offsets": "utf16"}, line("💩林若溪到了上海。", 2, 5, "林若溪"), (1, 4)),
    ({"ends": "inclusive"}, line("林若溪到了上海。", 0, 2, "林若溪"), (0, 3)),
    ({"first": 1}, line("林若溪到了上海。", 1, 4, "林若溪"), (0, 3)),
    ({"first": 1, "ends": "inclusive"}, line("到上海了。", 2, 3, "上海"), (1, 3)),
    ({"offsets": "utf8"}, line("a林若溪到了", 1, 10, "林若溪"), (1, 4)),
    ({"offsets": "utf16", "ends": "inclusive"}, line("💩林若溪到了", 2, 4, "林若溪"), (1, 4)),
]


@pytest.mark.parametrize(("options", "record", "span"), COUNTED)
def test_jsonl_offsets_are_converted_by_option_and_otherwise_named(options, record, span, tmp_path):
    (sentence,) = counted(tmp_path, record, **options)
    assert (sentence.entities[0].start, sentence.entities[0].end) == span
    with pytest.raises(CorpusError, match="wrong") as info:
        counted(tmp_path, record)
    wanted = ", ".join(f"{name}: {value}" for name, value in options.items())
    assert f"All offsets fit with corpus.options: {{{wanted}}}." in str(info.value)


def test_jsonl_offsets_without_surfaces_are_named_if_they_cannot_be(tmp_path):
    with pytest.raises(CorpusError, match=r"corpus\.options: \{ends: inclusive\}\."):
        counted(tmp_path, line("林若溪，", 0, 2), line("我是甲。", 2, 2))
    with pytest.raises(CorpusError, match=r"corpus\.options: \{offsets: utf16\}\."):
        counted(tmp_path, line("😀到了上海", 4, 6), line("林若溪", 0, 3))


def test_jsonl_one_wrong_span_is_no_other_way_to_count(tmp_path):
    with pytest.raises(CorpusError, match="1 wrong") as info:
        counted(tmp_path, line("林若溪到了", 0, 2, "林若溪"), line("程千帆到了", 0, 3, "程千帆"))
    assert "All offsets fit" not in str(info.value)
    assert "All offsets fit" not in refused(tmp_path, "{}")


def test_jsonl_span_that_the_options_do_not_find_is_named(tmp_path):
    with pytest.raises(CorpusError, match=r"counted as the options say: \{offsets: utf16\}"):
        counted(tmp_path, line("😀到了", 1, 2), offsets="utf16")  # in the middle of a character
