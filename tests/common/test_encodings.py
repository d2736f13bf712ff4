import codecs

import pytest

from clue_ner.common.encodings import guess, looks_like

LINES = ["林若溪昨天到了上海。", "程千帆在北京教书。", "李雷见到了韩梅梅。"]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("\n".join(LINES).encode("gb18030"), "gb18030"),
        ("".join(f"{char} O\n" for char in "".join(LINES)).encode("gbk"), "gb18030"),
        ("\n".join(LINES).encode("gb18030")[:-1], "gb18030"),
        ("\n".join(LINES).encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF16_LE + "ab".encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF32_BE + "ab".encode("utf-32-be"), "utf-32-be"),
        (codecs.BOM_UTF8 + LINES[0].encode(), None),
        ("\n".join(LINES).encode(), None),
        ("\n".join(LINES).encode()[:-1], None),
        ("".join(f"{char} O\n" for char in "éàü" * 9).encode(), None),
        ("naïve\ncafé\n".encode("latin-1"), None),
        (b"plain\ntext\n", None),
        (b"", None),
        (bytes(range(8)) * 9 + b"\0" * 99, None),
    ],
)
def test_encoding_of_a_file_is_seen_at_its_beginning(content: bytes, wanted: str | None) -> None:
    assert looks_like(content) == wanted


def test_encoding_of_a_file_with_chinese_in_utf8_is_utf8_whatever_else_is_in_it() -> None:
    damaged = b"\n".join(["上海".encode(), *(line.encode("gb18030") for line in LINES)])
    assert guess(damaged) is None
    assert guess(damaged.partition(b"\n")[2]) == "gb18030"
