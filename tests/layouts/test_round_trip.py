"""Any corpus in any layout: the same spans when it is read again, or an error that names what the layout cannot say."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clue_ner.common.errors import CorpusError
from clue_ner.core import plugins
from clue_ner.core.entities import Entity, Sentence
from clue_ner.layouts import Record, read, write

LAYOUTS = plugins.names(plugins.LAYOUTS)
CANNOT = {
    "conll": ("a tab or a line end in a text", "a sentence that is not labelled", "entities that overlap"),
}
"""What a layout cannot say, in its own words."""

characters = st.sampled_from([*"李雷aB7_ ，😀\n\t\r\u2028é#", '"', "\\"])
types = st.sampled_from(["name", "地名", "PER.NOM", "B-x"])


@st.composite
def records(draw: st.DrawFn, line: int = 1) -> Record:
    text = "".join(draw(st.lists(characters, min_size=1, max_size=12)))
    labelled = draw(st.integers(0, 9)) > 0
    entities = set()
    for _ in range(draw(st.integers(0, 3)) if labelled else 0):
        start = draw(st.integers(0, len(text) - 1))
        entities.add(Entity(start, draw(st.integers(start + 1, len(text))), draw(types)))
    return Record(Sentence("", text, tuple(sorted(entities))), labelled, line)


corpora = st.lists(records(), min_size=1, max_size=4)


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout != "hugging_face"])
@given(corpus=corpora)
@settings(max_examples=150, deadline=None)
def test_round_trip_gives_the_same_spans_or_names_what_cannot_be_said(layout: str, corpus: list[Record]) -> None:
    round_trip(layout, corpus)


@given(corpus=corpora)
@settings(max_examples=15, deadline=None)
def test_round_trip_gives_the_same_spans_in_a_data_set(corpus: list[Record]) -> None:
    round_trip("hugging_face", corpus)


def round_trip(layout: str, corpus: list[Record]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus"
        try:
            write(path, corpus, layout)
        except CorpusError as error:
            assert any(what in str(error) for what in CANNOT.get(layout, ()))
            assert not path.exists()
            return
        found = list(read(path, layout))
        assert [record.sentence.text for record in found] == [record.sentence.text for record in corpus]
        assert [record.sentence.entities for record in found] == [record.sentence.entities for record in corpus]
        assert [record.labelled for record in found] == [record.labelled for record in corpus]


@pytest.mark.parametrize("layout", sorted(CANNOT))
@given(corpus=corpora)
@settings(max_examples=50, deadline=None)
def test_round_trip_lossy_leaves_out_only_what_it_counts(layout: str, corpus: list[Record]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus"
        left_out = write(path, corpus, layout, lossy=True)
        assert set(left_out) <= set(CANNOT[layout])
        kept = {(record.sentence.text, entity) for record in read(path, layout) for entity in record.sentence.entities}
        all_of_them = {(record.sentence.text, entity) for record in corpus for entity in record.sentence.entities}
        assert kept <= all_of_them
        assert left_out or kept == all_of_them
