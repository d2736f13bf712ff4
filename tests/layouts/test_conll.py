from pathlib import Path

import pytest

from clue_ner.common.errors import CorpusError
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.schemes import SCHEMES
from clue_ner.layouts import Record, read, write


def sentences(tmp_path: Path, content: str | bytes, **options: str | int) -> list[Sentence]:
    path = tmp_path / "train.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [record.sentence for record in read(path, "conll", options)]


def refused(tmp_path: Path, content: str | bytes, **options: str | int) -> str:
    with pytest.raises(CorpusError) as caught:
        sentences(tmp_path, content, **options)
    return str(caught.value)


def spans(sentence: Sentence) -> list[tuple[int, int, str]]:
    return [(entity.start, entity.end, entity.type) for entity in sentence.entities]


@pytest.mark.parametrize("name", SCHEMES)
def test_conll_detects_and_writes_every_scheme(name: str, tmp_path: Path) -> None:
    entities = tuple(Entity(*span) for span in [(0, 3, "PER"), (3, 4, "LOC"), (5, 7, "LOC"), (7, 9, "PER")])
    if name in ("IOB1", "IOE1"):
        entities = (*entities, Entity(9, 10, "PER"))
    record = Record(Sentence("", "林若溪沪到上海同里乙丙", entities), True, 1)
    path = tmp_path / "a.txt"
    write(path, [record], "conll", {"scheme": name})
    assert [one.sentence for one in read(path, "conll")] == [record.sentence]
    assert [one.sentence for one in read(path, "conll", {"scheme": name})] == [record.sentence]
    assert read(path).layout == "conll"


@pytest.mark.parametrize("end", ["\n", "\r\n", " \n", " \t\r\n"])
def test_conll_takes_line_ends_blank_lines_marks_and_no_final_newline(end: str, tmp_path: Path) -> None:
    lines = ["-DOCSTART- -X- O O", "", "", "他 O", "在 O", "沪 B-LOC", "", "  ", "# id 7", "好 O"]
    first, second = sentences(tmp_path, end.join(lines))
    assert (first.text, spans(first)) == ("他在沪", [(2, 3, "LOC")])
    assert (second.text, spans(second)) == ("好", [])


def test_conll_takes_lines_of_other_spaces_for_blank_ones_and_texts_without_entities(tmp_path: Path) -> None:
    found = sentences(tmp_path, "他 O\n\u3000\n好 O\n\xa0\t\n天\u3000 O\n")
    assert [sentence.text for sentence in found] == ["他", "好", "天\u3000"]
    assert read(tmp_path / "train.txt").layout == "conll"


def test_conll_takes_columns_between_spaces_or_tabs_and_by_number(tmp_path: Path) -> None:
    (one,) = sentences(tmp_path, "EU NNP  B-NP B-ORG\nNew York\tX\tO\n上海 NR O B-LOC\n")
    assert (one.text, spans(one)) == ("EU New York上海", [(0, 2, "ORG"), (11, 13, "LOC")])
    (two,) = sentences(tmp_path, "1 B-ORG EU x\n2 I-ORG 局 x\n", token=3, tag=-3)
    assert (two.text, spans(two)) == ("EU局", [(0, 3, "ORG")])
    content = "B-ORG\tEU\tx\nO\t局\ty\n"
    (three,) = sentences(tmp_path, content, token=2, tag=1)
    assert (three.text, spans(three)) == ("EU局", [(0, 2, "ORG")])
    (four,) = sentences(tmp_path, "EU\t B-ORG \tx y\n", tag=2)
    assert (four.text, spans(four)) == ("EU", [(0, 2, "ORG")])
    sentences(tmp_path, content, token=2, tag=1)
    assert read(tmp_path / "train.txt", "auto", {"token": 2, "tag": 1}).reason.endswith("in column 1")
    with pytest.raises(CorpusError, match="does not look like any known layout"):
        read(tmp_path / "train.txt")
    assert "wanted a token and a tag" in refused(tmp_path, "a B-ORG\n", tag=5)
    assert "there is no column 0" in refused(tmp_path, "a B-ORG\n", tag=0)


def test_conll_joins_words_with_a_space_only_between_ascii_word_characters(tmp_path: Path) -> None:
    content = "我 O\n爱 O\niPhone B-X\n15 I-X\n, O\nPro_ B-X\n"
    (words,) = sentences(tmp_path, content)
    assert (words.text, spans(words)) == ("我爱iPhone 15,Pro_", [(2, 11, "X"), (12, 16, "X")])
    (characters,) = sentences(tmp_path, "N B-X\nB I-X\nA I-X\n队 O\n")
    assert (characters.text, spans(characters)) == ("NBA队", [(0, 3, "X")])
    (as_words,) = sentences(tmp_path, "N B-X\nB I-X\nA I-X\n队 O\n", tokens="words")
    assert (as_words.text, spans(as_words)) == ("N B A队", [(0, 5, "X")])


def test_conll_illegal_tags_are_refused_with_their_lines_or_read_leniently(tmp_path: Path) -> None:
    content = "他 O\n\n林 O\n若 I-PER\n溪 I-PER\n到 B-PER\n"
    message = refused(tmp_path, content, scheme="BIO")
    assert "train.txt:4: I-PER after O, which BIO does not allow" in message
    assert "tags: lenient" in message
    path = tmp_path / "train.txt"
    reading = read(path, "conll", {"scheme": "BIO", "tags": "lenient"})
    assert [spans(record.sentence) for record in reading] == [[], [(1, 3, "PER"), (3, 4, "PER")]]
    assert reading.counts["sentences whose tags break the scheme, read leniently"] == 1
    assert "train.txt:1: I-PER ends the sentence, which IOE2" in refused(tmp_path, "林 I-PER\n", scheme="IOE2")
    assert "train.txt:1: M-PER is no tag of BIO, which has B, I and O" in refused(tmp_path, "林 M-PER\n", scheme="BIO")


def test_conll_file_of_no_scheme_names_those_that_are_near(tmp_path: Path) -> None:
    message = refused(tmp_path, "林 I-PER\n若 O\n溪 B-PER\n")
    assert "the tags are those of BIO or IOB1" in message
    assert "name one with option scheme" in message
    assert "no scheme has all of the prefixes B, Z" in refused(tmp_path, "林 B-PER\n若 Z-PER\n")


def test_conll_damaged_lines_are_named(tmp_path: Path) -> None:
    message = refused(tmp_path, "林 B-PER\n若\n\n溪 b\n".encode() + "他 O\n".encode("gb18030"))
    assert message.startswith("3 wrong\n")
    assert "train.txt:2: wanted a token and a tag (O, or as B-PER), found '若'" in message
    assert "train.txt:4: wanted a token and a tag" in message
    assert "train.txt:5: not UTF-8" in message
    whole = "好 O\n\n"
    (tmp_path / "train.txt").write_text(f"林 B-PER\n若\n\n{whole}溪\n他 O\n", encoding="utf-8")
    reading = read(tmp_path / "train.txt", "conll")
    assert [record.sentence.text for record in reading.records()] == ["好"]
    assert reading.problems.count == 2


def test_conll_says_what_it_cannot_write(tmp_path: Path) -> None:
    overlapping = Record(Sentence("7", "苏轼传", (Entity(0, 2, "name", 0.5), Entity(0, 3, "book"))), True, 3)
    lines = [overlapping, Record(Sentence("", "a\nb"), True, 4), Record(Sentence("", "谁？"), False, 5)]
    path = tmp_path / "out.txt"
    with pytest.raises(CorpusError) as caught:
        write(path, lines, "conll", where="in.jsonl:{}".format)
    assert str(caught.value).splitlines()[1:4] == [
        "  in.jsonl:3: entities that overlap",
        "  in.jsonl:4: a tab or a line end in a text",
        "  in.jsonl:5: a sentence that is not labelled",
    ]
    assert list(tmp_path.iterdir()) == []
    left_out = write(path, lines, "conll", lossy=True)
    assert left_out == {
        "ids": 1,
        "scores": 1,
        "entities that overlap": 1,
        "a tab or a line end in a text": 1,
        "a sentence that is not labelled": 1,
    }
    assert path.read_text(encoding="utf-8") == "苏 B-book\n轼 I-book\n传 I-book\n\n"
