from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from clue_ner.data_report.hashes import SeveralTypes, among, hashes, repeated

texts = st.lists(st.text(alphabet="一二ab", max_size=2))


@given(texts, texts)
def test_among_is_that_of_sets(values: list[str], known: list[str]) -> None:
    assert among(hashes(values), hashes(known)).tolist() == [value in set(known) for value in values]


@given(texts)
def test_repeated_are_those_that_a_counter_finds(values: list[str]) -> None:
    counts = Counter(values)
    for times in (2, 3):
        assert repeated(values, times) == {hash(value) for value, count in counts.items() if count >= times}


@given(st.lists(st.tuples(st.text(alphabet="一二", max_size=2), st.sampled_from("xyz"))))
def test_several_types_has_every_surface_with_more_than_one(entities: list[tuple[str, str]]) -> None:
    types = {surface: {type_ for other, type_ in entities if other == surface} for surface, _ in entities}
    found = SeveralTypes(entities)
    assert [surface in found for surface in types] == [len(having) > 1 for having in types.values()]
