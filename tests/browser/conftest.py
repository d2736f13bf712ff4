"""Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser; where it or Playwright is missing, the test is skipped."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium fonts-noto-cjk")
    api = pytest.importorskip("playwright.sync_api", reason="no Playwright here: make setup-features")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """``open_page(url, locale="en-US", …)`` shows a page; an error in it, or one of its policy, fails the test."""
    problems: list[str] = []
    contexts: list[Any] = []

    def show(url: str, **options: Any) -> Any:
        context = chromium.new_context(**{"locale": "en-US", "viewport": {"width": 1000, "height": 800}} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: _note(message, problems))
        page.on("request", lambda request: problems.append(request.url) if not request.url.startswith(url) else None)
        page.goto(url)
        return page

    yield show
    for context in contexts:
        context.close()
    assert problems == []


def _note(message: Any, problems: list[str]) -> None:
    """Keep what the browser complains of, but for answers of the service, which the page shows."""
    if message.type == "error" and "Failed to load resource" not in message.text:
        problems.append(message.text)


@pytest.fixture(scope="session")
def pictures(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go."""
    return tmp_path_factory.mktemp("pictures")
