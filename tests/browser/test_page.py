"""The page in a browser: what a person types, clicks, drops and reads."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.graphs import write_graphs
from support.serving import Server, served, until
from support.tiny import TAGS, tiny_tagger_folder

from clue_ner.tagger.tagger import Tagger

pytestmark = pytest.mark.browser

TEXT = "李雷昨天在上海的招商银行😀"
ODD = "👩‍👩‍👧e\u0301李雷𠮷上海在\n<b>上海</b>&amp;<script>alert(1)</script>"
TOKEN = "0123456789abcdef-token"


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as models/export."""
    folder = tmp_path_factory.mktemp("export")
    write_graphs(Tagger.load(tiny_tagger_folder(folder / "tagger", lexicon=TAGS), "torch"), folder)
    return folder


@pytest.fixture(scope="module")
def server(export: Path, chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served("--model", export, folder=tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def page(server: Server, open_page: Callable[..., Any]) -> Any:
    return open_page(server.url + "/")


def tag(page: Any, text: str) -> None:
    """Type a text, and have it tagged."""
    page.get_by_label("Text", exact=True).fill(text)
    page.get_by_role("button", name=re.compile("^Tag")).click()
    page.get_by_role("heading", name="Entities").wait_for()
    page.locator("#status:not(:empty)").wait_for()
    page.wait_for_function("!document.getElementById('tag').disabled")


def marks(page: Any) -> list[tuple[str, int, int, str]]:
    """The entities that are shown: type, start, end, and the text inside."""
    return [
        (
            m.get_attribute("data-type"),
            int(m.get_attribute("data-start")),
            int(m.get_attribute("data-end")),
            m.text_content(),
        )
        for m in page.locator("mark").all()
    ]


def test_entities_are_shown_in_the_text(page: Any) -> None:
    tag(page, TEXT)
    assert page.locator("#result").text_content() == TEXT
    assert marks(page) == [
        ("name", 0, 2, "李雷"),
        ("address", 5, 7, "上海"),
        ("company", 8, 12, "招商银行"),
        ("name", 12, 13, "😀"),
    ]
    assert page.locator("#status").text_content() == "4 found"


def test_odd_characters_keep_their_offsets_and_markup_is_text(page: Any, server: Server) -> None:
    tag(page, ODD)
    assert page.locator("#result").text_content() == ODD
    assert page.locator("#result b, #result script").count() == 0
    entities = server.tag(ODD).json["results"][0]["entities"]
    assert marks(page) == [(e["type"], e["start"], e["end"], e["text"]) for e in entities]
    assert [e["text"] for e in entities] == ["李雷", "上海", "上海"]
    assert {ODD[start:end] for _, start, end, _ in marks(page)} == {"李雷", "上海"}


def test_types_are_switched_off_and_on_and_counted(page: Any) -> None:
    tag(page, TEXT)
    box = page.get_by_role("checkbox", name="name 2")
    box.uncheck()
    assert [mark[0] for mark in marks(page)] == ["address", "company"]
    assert page.locator("#status").text_content() == "2 of 4 shown"
    assert page.evaluate("document.activeElement.dataset.of") == "name"
    box.check()
    assert len(marks(page)) == 4
    assert page.locator("#legend label").all_text_contents() == ["address 1", "company 1", "name 2"]


def test_threshold_leaves_out_what_scores_less(page: Any, server: Server) -> None:
    tag(page, TEXT)
    slider = page.get_by_role("slider", name="Score at least")
    slider.focus()
    page.keyboard.press("End")
    assert page.locator("#threshold-value").text_content() == "1.00"
    shown = [e for e in server.tag(TEXT).json["results"][0]["entities"] if e["score"] >= 1]
    assert len(marks(page)) == len(shown)
    page.keyboard.press("Home")
    assert len(marks(page)) == 4


def test_an_entity_tells_its_offsets_and_score(page: Any) -> None:
    tag(page, TEXT)
    page.locator("mark").nth(1).hover()
    tip = page.get_by_role("tooltip")
    assert re.fullmatch(r"address\ncharacters 5 to 7, score [01]\.\d{3}", tip.text_content())
    page.keyboard.press("Escape")
    assert tip.count() == 0
    page.locator("mark").nth(2).focus()
    assert tip.text_content().startswith("company\ncharacters 8 to 12")
    assert page.locator("mark").nth(2).get_attribute("aria-label").startswith("招商银行: company, characters 8 to 12")


def test_it_works_by_keyboard_alone(page: Any) -> None:
    page.get_by_label("Text", exact=True).focus()
    page.keyboard.type("李雷")
    page.keyboard.press("Control+Enter")
    page.locator("mark").wait_for()
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"tag", "example", "clear", "threshold", "INPUT", "MARK", "result", "copy", "language"} <= reached


def test_what_is_shown_is_copied_as_json(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page(server.url + "/", permissions=["clipboard-read", "clipboard-write"])
    tag(page, TEXT)
    page.get_by_role("checkbox", name="name").uncheck()
    page.get_by_role("button", name="Copy as JSON").click()
    page.get_by_text("Copied").wait_for()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    answer = server.tag(TEXT).json
    assert copied["text"] == TEXT
    assert copied["entities"] == [e for e in answer["results"][0]["entities"] if e["type"] != "name"]
    assert copied["model"] == answer["model"]


@pytest.mark.parametrize(("locale", "word", "other"), [("zh-CN", "识别", "English"), ("de-DE", "Tag", "中文")])
def test_the_browsers_language_is_spoken_and_can_be_switched(
    server: Server, open_page: Callable[..., Any], locale: str, word: str, other: str
) -> None:
    page = open_page(server.url + "/", locale=locale)
    assert page.locator("#tag span").text_content() == word
    language = page.evaluate("document.documentElement.lang")
    page.get_by_text(other, exact=True).click()
    assert page.locator("#tag span").text_content() != word
    assert page.evaluate("document.documentElement.lang") != language
    assert page.locator("[data-i18n]:not(:has(*))", has_text=re.compile("^$")).count() == 0


def drop(page: Any, name: str, content: bytes) -> None:
    """Drop a file on the text."""
    page.evaluate(
        """([name, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], name));
            document.getElementById("text").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
        }""",
        [name, list(content)],
    )


def test_a_file_is_dropped(page: Any) -> None:
    drop(page, "news.txt", TEXT.encode())
    page.locator("mark").first.wait_for()
    assert len(marks(page)) == 4
    drop(page, "news.bin", b"\xff\xfe")
    until(lambda: page.get_by_role("alert").text_content() == "The file is not UTF-8 text.")
    drop(page, "large.txt", b"a" * (2**20 + 1))
    until(lambda: "1048577" in page.get_by_role("alert").text_content())


def test_a_long_text_is_shown_whole(page: Any) -> None:
    text = (TEXT + "，\n") * 700
    tag(page, text)
    assert page.locator("#result").text_content() == text
    assert page.locator("mark").count() == 2800
    assert page.locator("#count").text_content() == f"{len(text):,} characters"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_what_the_service_refuses_is_said(page: Any) -> None:
    page.get_by_label("Text", exact=True).fill("上" * 20_001)
    page.get_by_role("button", name=re.compile("^Tag")).click()
    until(lambda: "found 20001 characters, wanted at most 20000" in page.get_by_role("alert").text_content())
    tag(page, TEXT)
    assert page.get_by_role("alert").text_content() == ""


def test_half_a_surrogate_pair_keeps_the_offsets(page: Any) -> None:
    page.evaluate("document.getElementById('text').value = '\\ud83d李雷'")
    page.get_by_role("button", name=re.compile("^Tag")).click()
    page.locator("mark").last.wait_for()
    assert marks(page)[-1] == ("name", 1, 3, "李雷")


def test_a_token_is_asked_for(export: Path, tmp_path: Path, open_page: Callable[..., Any]) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    with served("--model", export, "--token-file", file, folder=tmp_path) as closed:
        page = open_page(closed.url + "/")
        page.get_by_text("This service wants a token.").wait_for()
        page.get_by_label("Text", exact=True).fill(TEXT)
        page.get_by_label("Token of this service").fill(TOKEN)
        page.keyboard.press("Enter")
        page.locator("mark").first.wait_for()
        assert len(marks(page)) == 4


def test_entities_that_nest_and_cross_are_shown(page: Any) -> None:
    tag(page, "上海李雷银行")
    found = [(0, 6, "a"), (0, 2, "b"), (1, 4, "c"), (4, 6, "d")]
    html = page.evaluate(
        """(found) => {
            shown = {characters: [..."上海李雷银行"], answer: {model: {}, results: [{entities:
                found.map(([start, end, type]) => ({start, end, type, text: "", score: 1}))}]}};
            show();
            return document.getElementById("result").textContent;
        }""",
        found,
    )
    assert html == "上海李雷银行"
    assert {(start, end) for _, start, end, _ in marks(page)} == {(start, end) for start, end, _ in found}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_read(server: Server, open_page: Callable[..., Any], scheme: str) -> None:
    page = open_page(server.url + "/", color_scheme=scheme)
    tag(page, TEXT)
    page.evaluate(
        """() => { for (let n = 0; n < 12; n++) {
            const mark = document.createElement("mark");
            mark.className = "c" + n;
            mark.textContent = n;
            document.getElementById("result").append(mark);
        } }"""
    )
    elements = "mark, .hint, #tag, #model, .type, #status, h1, #result, #copy"
    for text, ground in page.evaluate(
        """(elements) => [...document.querySelectorAll(elements)].map((element) => {
            let behind = element;
            while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
            return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
        })""",
        elements,
    ):
        assert contrast(text, ground) >= 4.5, (text, ground)


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours as CSS computes them, from 1 to 21."""

    def luminance(colour: str) -> float:
        channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)
