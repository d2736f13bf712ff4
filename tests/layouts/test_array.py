from typing import Any

import pytest

from clue_ner.layouts import Source, _array


def elements(content: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> tuple[list[tuple[int, Any]], list[str]]:
    monkeypatch.setattr(_array, "PIECE", piece)
    source = Source("a.json", content=content.encode())
    return list(_array.array(source)), source.problems.shown


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 100])
def test_array_gives_elements_with_their_lines_however_it_is_cut(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = '\ufeff [ 12345,\n{"a": [67890, "中😀]"]}\n,\r\n\n-1.5e3 , null]\n \n'
    wanted = [(1, 12345), (2, {"a": [67890, "中😀]"]}), (5, -1500.0), (5, None)]
    assert elements(content, piece, monkeypatch) == (wanted, [])
    assert elements(" [ ] ", piece, monkeypatch) == ([], [])


@pytest.mark.parametrize(
    ("content", "found", "said"),
    [
        ("", 0, "a.json:1: wanted a JSON array, found ''"),
        ("{}", 0, "a.json:1: wanted a JSON array, found '{}'"),
        ("[1,\n2", 2, "a.json:2: not JSON (wanted , or ] behind an element), found ''"),
        ("[1\n2]", 1, "a.json:2: not JSON (wanted , or ] behind an element), found '2]'; the rest of the file was"),
        ("[1,\n{]", 1, "a.json:2: not JSON (Expecting property name enclosed in double quotes"),
        ("[1]\n[2]", 1, "a.json:2: not JSON (something behind the array), found '[2]'"),
        ('[{"a": 1, "a": 2}]', 0, "a.json:1: not JSON (a key occurs twice)"),
    ],
)
def test_array_says_where_it_is_no_json(content: str, found: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values, problems = elements(content, 100, monkeypatch)
    assert len(values) == found
    assert len(problems) == 1
    assert problems[0].startswith(said)


def test_array_names_the_line_that_is_not_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_array, "PIECE", 4)
    source = Source("a.json", content=b'["a",\n"b\xff"]')
    assert [value for _, value in _array.array(source)] == ["a"]
    assert source.problems.shown[0] == "a.json:2: not UTF-8 (invalid start byte)"


def test_array_reads_no_element_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_array, "LARGEST", 100)
    long, rest = '["' + "a" * 90 + '"]', '["' + "a" * 10_000 + '"]'
    assert elements(long, 10, monkeypatch) == ([(1, "a" * 90)], [])
    values, problems = elements(rest, 10, monkeypatch)
    assert values == []
    (problem,) = problems
    assert problem.startswith("a.json:1: not JSON (Unterminated string")
    assert "; an element of more than 100 characters, or without end); the rest of the file was not" in problem
