import io
import json
import os

import pytest

from clue_ner.cli.lines import Line, read_lines, tagged, to_json
from clue_ner.core.entities import Entity


def read(content, name="in.txt", form="auto"):
    return [line for group in read_lines(io.BytesIO(content), name, form) for line in group]


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
        ("a.txt", b'{"id": 1}', "text"),
        ("a.txt", b'{"text": 1}', "text"),
        ("a.txt", b'["text"]', "text"),
        ("a.txt", b'\n{"text": "a"}', "text"),
        ("a.txt", b"\xff", "text"),
    ],
)
def test_texts_auto_takes_the_format_from_name_or_first_line(name, content, form):
    assert read(content, name=name) == read(content, name=name, form=form)


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


def test_texts_line_in_another_encoding_is_named():
    good, bad = read("李雷\n".encode() + "上海".encode("gb18030"))
    assert good.error is None
    assert bad.error == "in.txt:2: not UTF-8 (byte 1 is 0xc9); convert it, as with `iconv -f GB18030 -t UTF-8`"


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
