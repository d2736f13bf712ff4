"""Texts and entities for Hypothesis: all of Unicode, and the parts of it that break tokenizers."""

from hypothesis import strategies as st

from clue_ner.core.entities import Entity

TRICKY = [
    *"广东佛山北京公司我年月，。",
    *"aAeEmsSzİßﬁ0123１２ａＡ½㎡…℃ℵ①",
    *" \t\n\r\x0b\x0c\u00a0\u3000\u2028\u2029\u1680",  # whitespace of every sort
    *"\x00\x01\x1f\x7f\x85\u00ad\u200b\u200d\u200e\ufeff\u2060",  # control and format characters
    *"\u0301\u0308\u3099\ufe0f\u20e3",  # combining marks and variation selectors
    *"😀👨👩👧\U0001f1e8\U0001f3fd𠮷\U00030000",
    *"▁#[]<>/~～\ufdd0\ufffd\ue000\U0010ffff",
    *"กขสวัสดีمرحباがカ",
    *["\ud800", "\udfff"],
    *[
        "[SEP]",
        "[CLS]",
        "[UNK]",
        "<s>",
        "</s>",
        "<unk>",
        "<pad>",
        "##a",
        "2000年2月",
        "New York",
        "北京",
        "特斯拉",
        "👨‍👩‍👧",
    ],
]

characters = st.characters(exclude_categories=())
texts = st.lists(st.one_of(st.sampled_from(TRICKY), characters), max_size=40).map("".join)
long_texts = st.lists(st.sampled_from(TRICKY), min_size=20, max_size=150).map("".join)


@st.composite
def spans(draw: st.DrawFn, length: int, longest: int = 8) -> list[tuple[int, int]]:
    """Spans of ``length`` places, in order, none of which overlap."""
    found, at = [], 0
    while at < length:
        start = at + draw(st.integers(0, longest))
        end = start + draw(st.integers(1, longest))
        if end > length:
            break
        found.append((start, end))
        at = end
    return found


@st.composite
def entities(draw: st.DrawFn, text: str, longest: int = 8) -> tuple[Entity, ...]:
    """Entities of ``text``, of two types, none of which overlap."""
    return tuple(Entity(*span, draw(st.sampled_from(["LOC", "PER"]))) for span in draw(spans(len(text), longest)))
