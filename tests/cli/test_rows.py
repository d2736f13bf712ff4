"""Tables as input of ``clue-ner tag``."""

import io
import os
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from clue_ner.cli import rows
from clue_ner.cli.lines import read_lines
from clue_ner.cli.records import Line
from clue_ner.common.errors import CorpusError


def read(content: bytes, name: str, form: str = "auto", **options: Any) -> list[Line]:
    return [line for group in read_lines(io.BytesIO(content), name, form, **options) for line in group]


def table(**columns: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), sink)
    return sink.getvalue()


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_rows_of_csv_keep_their_columns(separator: str) -> None:
    content = f"id{separator}text\n1{separator}李雷\n\n2{separator}\n".encode()
    lines = read(content, "a.csv")
    assert [line.record for line in lines] == [{"id": "1", "text": "李雷"}, {"id": "2", "text": ""}]
    assert [line.where for line in lines] == ["a.csv:2", "a.csv:4"]


def test_rows_of_csv_have_quotes_line_breaks_and_an_end() -> None:
    content = '"文","k"\r\n"李雷, ""说""\n好",1\r\n上海,2'.encode()
    first, second = read(content, "a.tsv", key="文")
    assert (first.text, first.record["k"], first.where) == ('李雷, "说"\n好', "1", "a.tsv:3")
    assert (second.text, second.where) == ("上海", "a.tsv:4")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
def test_rows_of_csv_in_other_encodings(encoding: str) -> None:
    named = {"encoding": encoding} if encoding == "gb18030" else {}
    (line,) = read("text\n李雷在上海，的\n".encode(encoding), "a.csv", **named)
    assert line.text == "李雷在上海，的"


def test_rows_of_csv_that_cannot_be_read_are_lines_with_an_error() -> None:
    content = b"text,id\n" + "好,1\n".encode() + b"\xff,2\na,3,4\n" + "对,5\n".encode()
    first, second, third, last = read(content, "a.csv")
    assert (first.text, last.text) == ("好", "对")
    assert str(second.error).startswith("a.csv:3: not UTF-8; fix the row")
    assert third.error == "a.csv:4: 3 cells, and the header has 2; fix the row"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.csv:1: no column 'text', its columns: none; name the text's with --text-key"),
        (b"title,body\n", "a.csv:1: no column 'text', its columns: title, body; "),
        (b"text,id,id\n", "a.csv:1: two columns have the same name"),
        (b'text\n"a\nb\n', "a.csv:3: not CSV (unexpected end of data)"),
        (b'text\n"a"b\n', "a.csv:2: not CSV ("),
    ],
)
def test_rows_of_csv_that_is_none_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(CorpusError) as error:
        read(content, "a.csv")
    assert str(error.value).startswith(message)


def test_rows_of_csv_come_in_groups() -> None:
    content = ["text\n", *(f"{number}\n" for number in range(rows.GROUP + 1))]
    groups = list(rows.csv((line.encode() for line in content), "a.csv", "text"))
    assert [len(group) for group in groups] == [rows.GROUP, 1]


def test_rows_of_parquet_keep_their_columns() -> None:
    content = table(
        text=["李雷", "上海", None],
        n=[1, None, 3],
        day=[date(2024, 1, 2)] * 3,
        at=[datetime(2024, 1, 2, 3)] * 3,
        price=[Decimal("1.50")] * 3,
        tags=[["a"], [], None],
    )
    first, second, third = read(content, "a.parquet")
    assert first.record == {
        "text": "李雷",
        "n": 1,
        "day": "2024-01-02",
        "at": "2024-01-02 03:00:00",
        "price": "1.50",
        "tags": ["a"],
    }
    assert second.record["n"] is None
    assert str(third.error).startswith("a.parquet: row 3: no text in it, its keys: text, n, ")


def test_rows_of_parquet_need_not_be_in_a_file() -> None:
    content = table(text=["李雷"])
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb") as writer:
        writer.write(content)
        writer.close()
        (group,) = rows.parquet(stream, "stdin", "text")
    assert [line.text for line in group] == ["李雷"]
    with pytest.raises(CorpusError, match="stdin: begins as a Parquet file does; say so with --format parquet"):
        read(content, "stdin")
    assert [line.text for line in read(content, "stdin", "parquet")] == ["李雷"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (table(body=["a"]), "a.parquet: no column 'text', its columns: body; "),
        (b"PAR1", "a.parquet: not Parquet that can be read ("),
        (table(text=["a"])[:-20], "a.parquet: not Parquet that can be read ("),
    ],
)
def test_rows_of_parquet_that_is_none_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(CorpusError) as error:
        read(content, "a.parquet")
    assert str(error.value).startswith(message)


def test_rows_of_parquet_that_json_cannot_say_are_lines_with_an_error() -> None:
    (line,) = read(table(text=["a"], raw=[b"\x00"]), "a.parquet")
    assert str(line.error).startswith("a.parquet: row 1: not JSON (")
