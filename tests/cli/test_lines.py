import codecs
import io
import json
import os

import pytest

from clue_ner.cli.lines import read_lines, tagged
from clue_ner.cli.records import Line
from clue_ner.common.errors import CorpusError
from clue_ner.common.json_lines import to_json
from clue_ner.core.entities import Entity


def read(content, name="in.txt", form="auto", **options):
    return [line for group in read_lines(io.BytesIO(content), name, form, **options) for line in group]


def texts(content, **options):
    return [line.text for line in read(content, **options)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\n\n\nb\n\n", ["a", "", "", "b", ""]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\r\r\nb\rc\r", ["a\r", "b\rc\r"]),
        (b"\r\n", [""]),
        (b" a \t\n", [" a \t"]),
        (b"a\x00\x0b\x0c\x1c\x1d\x1e\nb", ["a\x00\x0b\x0c\x1c\x1d\x1e", "b"]),
        ("上\u2028海\u2029的\x85了\n一".encode(), ["上\u2028海\u2029的\x85了", "一"]),
        ("😀\u200b\ufeff１\n".encode(), ["😀\u200b\ufeff１"]),
        ("\ufeff上海\n\ufeff李雷\n".encode(), ["上海", "\ufeff李雷"]),
        ("\ufeff\ufeff上海".encode(), ["\ufeff上海"]),
        ("\ufeff\r\n上海".encode(), ["", "上海"]),
    ],
)
def test_texts_lines_end_at_newlines_alone(content, expected):
    assert texts(content, form="text") == expected


def test_texts_long_line_is_read_whole():
    long = "上海的" * 700_000
    assert texts(f"{long}\n李雷".encode()) == [long, "李雷"]


def test_texts_lines_are_numbered_in_their_file():
    assert [line.where for line in read(b"a\n\nb")] == ["in.txt:1", "in.txt:2", "in.txt:3"]


def test_texts_lines_come_while_the_stream_goes_on():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as writer:
        groups = read_lines(stream, "stdin")
        writer.write("上海\n李雷\n的".encode())
        assert [line.text for line in next(groups)] == ["上海", "李雷"]
        writer.write("一".encode())
        writer.write("人\r\n".encode() + "海".encode()[:1])
        assert [(line.text, line.where) for line in next(groups)] == [("的一人", "stdin:3")]
        writer.write("海".encode()[1:] + "\n\ufeff上".encode())
        assert [(line.text, line.where) for line in next(groups)] == [("海", "stdin:4")]
        writer.write(b"\n")
        assert [(line.text, line.where) for line in next(groups)] == [("\ufeff上", "stdin:5")]
        writer.write("海\r".encode())
        writer.close()
        assert [(line.text, line.where) for line in next(groups)] == [("海\r", "stdin:6")]
        assert next(groups, None) is None


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("a.jsonl", b"text", "jsonl"),
        ("a.ndjson", b"text", "jsonl"),
        ("stdin", b'{"id": 1, "text": "a"}', "jsonl"),
        ("a.json", b'\xef\xbb\xbf{"text": "a"}\r\n', "jsonl"),
        ("a.txt", b'["text"]', "json"),
        ("a.txt", b'[{"text": "a"}, {"text": "b"}]', "json"),
        ("stdin", b'[\n  {"text": "a"},\r\n  "b"\n]\n', "json"),
        ("a.txt", b'\n\n[\n"a"]', "json"),
        ("a.txt", b"[]", "json"),
        ("a.txt", b"\xff", "text"),
        ("a.txt", "[图片] 上海".encode(), "text"),
        ("a.txt", "{注} 上海".encode(), "text"),
        ("a.json", "上海".encode(), "text"),
        ("a.txt", b"2020", "text"),
        ("a.txt", b"null\ntrue", "text"),
    ],
)
def test_texts_auto_takes_the_format_from_name_or_first_line(name, content, form):
    assert read(content, name=name) == read(content, name=name, form=form)


def test_texts_auto_passes_over_blank_lines_before_json_lines():
    blank, line = read(b'\n{"text": "a"}')
    assert (line.record, line.where) == ({"text": "a"}, "in.txt:2")
    assert "in.txt:1: not JSON" in blank.error
    assert texts(b"\n\n") == ["", ""]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b'{"content": "a", "id": 1}',
            r'in.txt:1: a JSON object without a string "text", its keys: content, id; name it',
        ),
        (b'\n{"text": 1}', r'in.txt:2: a JSON object without a string "text", its keys: text; .*--text-key'),
        (b"{}", "its keys: none"),
        (b'"a"', "in.txt:1: a JSON string, wanted JSON objects or plain text"),
        (b'{\n  "text": "a"\n}', "in.txt: one JSON dict, wanted an array of objects or an object on each line"),
        (b'{"text": "a"', r"in.txt: looks like JSON and is not \(.*\); fix it"),
        (b'[{"text": "a"}', r"in.txt: looks like JSON and is not"),
        (b'[["a"], ["b"]]\n[["c"]]', r"in.txt: looks like JSON and is not"),
    ],
)
def test_texts_json_is_never_text_by_auto(content, message):
    with pytest.raises(CorpusError, match=f"{message}.*, or take every line as a text with --format text$"):
        read(content)
    assert all(line.error is None for line in read(content, form="text"))


def test_texts_json_in_a_file_of_text_is_an_error_in_its_place():
    first, second, third = read('上海\n{"text": "李雷"}\n[1] {"a"'.encode())
    assert (first.text, third.text) == ("上海", '[1] {"a"')
    assert second.error.startswith("in.txt:2: a JSON object in a file that begins as text; split the file")


def test_texts_of_a_json_array_are_its_records():
    lines = read('[{"id": 7, "text": "上海"}, "李雷", {"id": 8}, 5, {"text": NaN, "x": 1}]'.encode())
    assert [line.where for line in lines] == [f"in.txt: record {number}" for number in range(1, 6)]
    assert [line.record for line in lines] == [{"id": 7, "text": "上海"}, {"text": "李雷"}, {}, {}, {}]
    assert lines[2].error.startswith("in.txt: record 3: no text in it, its keys: id; wanted one JSON object")
    assert lines[3].error.startswith("in.txt: record 4: no text in it, found '5'; wanted")
    assert lines[4].error is not None


@pytest.mark.parametrize("content", ['{"content": "上海", "text": 5}', '[{"content": "上海", "text": 5}]'])
def test_texts_key_is_the_one_that_was_named(content):
    (line,) = read(content.encode(), key="content")
    assert line.text == "上海"
    assert tagged(line, [Entity(0, 2, "address", 1.0)]) == {
        "content": "上海",
        "text": 5,
        "entities": [{"type": "address", "start": 0, "end": 2, "text": "上海", "score": 1.0}],
    }


# --- encodings

LINES = ["林若溪昨天到了上海。", "", "NBA 2020", "程千帆在北京教书。"]
TEXT = "\r\n".join(LINES) + "\n"


@pytest.mark.parametrize(
    ("codec", "mark"),
    [
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("utf-32-be", codecs.BOM_UTF32_BE),
    ],
)
def test_texts_are_read_by_their_byte_order_mark(codec, mark):
    notes = []
    content = mark + TEXT.encode(codec)
    assert texts(content, note=notes.append) == LINES
    assert notes == ([] if codec == "utf-8" else [f"in.txt: read as {codec.upper()}, by its byte order mark"])
    assert texts(content, encoding=codec) == LINES
    assert texts(content, encoding="utf-16") == LINES if codec.startswith("utf-16") else True


@pytest.mark.parametrize(
    ("codec", "guess"),
    [("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be"), ("gb18030", "gb18030"), ("gbk", "gb18030")],
)
def test_texts_in_another_encoding_are_refused_as_a_whole_and_read_if_it_is_named(codec, guess):
    for text in (TEXT, LINES[0], "abc\n" * 9) if codec.startswith("utf-16") else (TEXT, LINES[0]):
        content = text.encode(codec)
        with pytest.raises(CorpusError, match=rf"^in.txt: not UTF-8, .*it looks like .*--encoding {guess}") as raised:
            read(content)
        assert f"`iconv -f {guess.upper().replace('-16-', '-16')} -t UTF-8`" in str(raised.value)
        assert "\n".join(texts(content, encoding=codec)) == text.replace("\r", "").removesuffix("\n")


def test_texts_in_big5_are_read_if_that_is_named():
    assert texts("臺灣\n上海".encode("big5"), encoding="big5") == ["臺灣", "上海"]


def test_texts_that_are_not_of_the_named_encoding_are_named():
    with pytest.raises(
        CorpusError, match=r"in.txt:2: not gb18030 \(byte 0xff\); fix the line, or name another encoding"
    ):
        read("上海\n".encode("gb18030") + b"a\xff\n", encoding="gb18030")


def test_texts_in_utf16_come_while_the_stream_goes_on():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as writer:
        groups = read_lines(stream, "stdin")
        content = "上海\n李雷".encode("utf-16-le")
        writer.write(codecs.BOM_UTF16_LE[:1])
        writer.write(codecs.BOM_UTF16_LE[1:] + content[:3])
        writer.write(content[3:7])
        assert [line.text for line in next(groups)] == ["上海"]
        writer.write(content[7:])
        writer.close()
        assert [line.text for line in next(groups)] == ["李雷"]
        assert next(groups, None) is None


def test_texts_auto_takes_the_first_line_alone():
    lines = read('{"text": "上海"}\n上海\n'.encode())
    assert lines[0].record == {"text": "上海"}
    assert "in.txt:2: not JSON" in lines[1].error


def test_texts_json_keeps_other_keys():
    record = {"id": 7, "text": "上海", "深": [1, {"a": None}], "x": 1.5}
    (line,) = read(json.dumps(record).encode())
    assert line == Line("in.txt:1", record)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"text": "a"', "not JSON"),
        (b'{"text": "a", "x": NaN}', "not JSON"),
        (b'{"text": "a", "x": 1e999}', "not JSON"),
        (b'{"text": "a", "x": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"text": "a", "x": ' + b"[" * 100_000 + b"}", "not JSON"),
        (b'"text"', "no text in it"),
        (b"[]", "no text in it"),
        (b"{}", "no text in it"),
        (b'{"text": null}', "no text in it"),
        (b'{"text": "\xb0\xa1"}', "not UTF-8 (byte 11 is 0xb0)"),
    ],
)
def test_texts_bad_json_line_is_named_and_its_place_kept(line, message):
    before, bad, after = read(b'{"text": "a"}\n' + line + b'\n{"text": "b"}\n', name="x.jsonl")
    assert (before.text, bad.text, after.text) == ("a", "", "b")
    assert bad.error.startswith(f"x.jsonl:2: {message}")
    assert len(bad.error) < 350
    assert tagged(bad, []) == {"error": bad.error}


def test_texts_line_in_another_encoding_than_the_others_is_named():
    good, bad = read("李雷\n".encode() + "上海".encode("gb18030"))
    assert good.error is None
    assert bad.error == (
        "in.txt:2: not UTF-8 (byte 1 is 0xc9); fix the line, or name the file's encoding with --encoding"
    )


def test_texts_depth_that_could_not_be_written_is_refused():
    for depth in range(800, 1100, 20):
        (line,) = read(b'{"text": "a", "x": ' + b"[" * depth + b"]" * depth + b"}", name="x.jsonl")
        assert json.loads(to_json(tagged(line, [])))


def test_texts_tagged_adds_entities_with_their_surface():
    line = Line("in:1", {"id": 3, "text": "😀在上海", "entities": "old", "note": None})
    assert list(tagged(line, [Entity(2, 4, "address", 0.5)]).items()) == [
        ("id", 3),
        ("text", "😀在上海"),
        ("entities", [{"type": "address", "start": 2, "end": 4, "text": "上海", "score": 0.5}]),
        ("note", None),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"text": "上海😀"}, '{"text": "上海😀"}'),
        ({"text": "a\n\r\x00"}, '{"text": "a\\n\\r\\u0000"}'),
        ({"text": "上\ud800"}, '{"text": "\\u4e0a\\ud800"}'),
    ],
)
def test_texts_json_is_a_line_that_utf8_can_say(value, expected):
    line = to_json(value)
    assert line == expected
    assert json.loads(line.encode()) == value
