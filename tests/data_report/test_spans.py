"""Spans that look cut in the wrong place."""

import pytest
from support.sentences import marked, marked_all

from clue_ner.data_report.spans import PAIRS, count_half_pairs, count_odd_edges, half_pairs, odd_edges


@pytest.mark.parametrize(("opening", "closing"), PAIRS.items())
def test_half_pairs_of_each_kind(opening: str, closing: str) -> None:
    pair = {opening + closing}
    assert half_pairs(f"{opening}红楼梦{closing}") == set()
    assert half_pairs(f"a{opening}b{opening}c{closing}{closing}{opening}{closing}") == set()
    assert half_pairs(f"{opening}红楼梦") == pair
    assert half_pairs(f"红楼梦{closing}") == pair
    assert half_pairs(f"{closing}红楼梦{opening}") == pair
    assert half_pairs(f"{opening}红{opening}楼{closing}梦") == pair


@pytest.mark.parametrize(
    ("surface", "halves"),
    [
        ("中国（香港)", set()),
        ("中国(香港）公司", set()),
        ("中国（香港", {"()"}),
        ("《红楼梦（上》", {"()"}),
        ("《红楼梦”", {"《》", "“”"}),
        ('"红"', set()),
        ('"红＂', set()),
        ('红"', {'""'}),
        ("McDonald’s", set()),
        ("’金秋", {"‘’"}),
        ("", set()),
    ],
)
def test_half_pairs_of_surfaces(surface: str, halves: set[str]) -> None:
    assert half_pairs(surface) == halves


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("在{上海|a}。", set()),
        ("在{《红楼梦》|a}里", set()),
        ("{“金秋|a}”", set()),
        ("{ 上海|a}", {"space"}),
        ("{上海\u3000|a}", {"space"}),
        ("{\u200b上海|a}", {"space"}),
        ("{上海，|a}", {"punctuation"}),
        ("{·上海|a}", {"punctuation"}),
        ("{$100|a}", {"punctuation"}),
        ("{，上海 |a}", {"space", "punctuation"}),
        ("{iPho|a}ne", {"inside_word"}),
        ("20{12年|a}", {"inside_word"}),
        ("ac{1米兰|a}", set()),
        ("米{ac|a}兰", set()),
        ("{a|a}", set()),
    ],
)
def test_odd_edges_of_entities(text: str, edges: set[str]) -> None:
    sentence = marked(text)
    assert odd_edges(sentence.text, sentence.entities[0]) == edges


def test_half_pairs_are_counted_for_entities_and_texts() -> None:
    sentences = marked_all("{《红楼|book}梦》和{《水浒》|book}", "{围城》|book}（", "好）")
    found = count_half_pairs(sentences, examples=1)
    first = {"id": "1", "type": "book", "start": 0, "end": 3, "text": "《红楼"}
    assert list(found.items()) == [
        ("《》", {"entities": 2, "texts": 1, "examples": [first]}),
        ("()", {"entities": 0, "texts": 2, "examples": []}),
    ]


def test_odd_edges_are_counted() -> None:
    found = count_odd_edges(marked_all("{上海，|a}{北京 |a}", "{广州。|a}"), examples=1)
    assert {edge: each["entities"] for edge, each in found.items()} == {
        "space": 1,
        "punctuation": 2,
        "inside_word": 0,
    }
    assert [one["text"] for one in found["punctuation"]["examples"]] == ["上海，"]
