from bench.words import count
from clue_ner.core.entities import Entity, Sentence


def test_bench_words_counts_entities_with_an_edge_inside_a_word() -> None:
    sentences = [
        Sentence("1", "2000年2月vsAC米兰", (Entity(0, 5, "year"), Entity(9, 13, "club"))),
        Sentence("2", "１２ 楼", (Entity(0, 2, "number"), Entity(3, 4, "floor"))),
    ]
    found = count(sentences)
    # 2000 年 2 月 vsAC 米 兰 | １２ 楼: 4 + 4 + 2 characters in longer words; AC begins inside one
    assert found == {"characters": 17, "words": 9, "in long words": 10, "entities": 4, "cut": 1}
