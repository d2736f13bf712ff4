"""Packages that discover their modules."""

import ast
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clue_ner.common.errors import UnknownNameError
from clue_ner.core import plugins

RAISES = "raise RuntimeError('imported')\n"


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package none of whose modules can be imported."""
    contents = {
        "__init__": RAISES,
        "cat": f"{RAISES}LEGS = 4\nPARAMS = {{'purr': True, 'lives': 9}}\nCOMPUTED = LEGS + 1\n",
        "big_dog": f"{RAISES}LEGS = (4,)\n",
        "_keeper": RAISES,
    }
    (tmp_path / "zoo").mkdir()
    for name, content in contents.items():
        (tmp_path / f"zoo/{name}.py").write_text(content, encoding="utf-8")
    (tmp_path / "zoo/notes.txt").write_text("no module", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "zoo"


def test_plugins_names_lists_public_modules_without_importing_them(zoo: str) -> None:
    assert plugins.names(zoo) == ["big_dog", "cat"]
    assert not [name for name in sys.modules if name.startswith(zoo)]
    with pytest.raises(RuntimeError, match="imported"):
        plugins.load(zoo, "cat", "animal")


def test_plugins_names_of_the_package_s_own() -> None:
    assert plugins.names("clue_ner.backbones") == ["e5_small", "folder", "hub"]
    assert plugins.names("clue_ner.nothing") == []


def test_plugins_literal_reads_a_constant_without_importing_its_module(zoo: str) -> None:
    assert plugins.literal(zoo, "cat", "LEGS", default=0) == 4
    assert plugins.literal(zoo, "big_dog", "LEGS", default=0) == (4,)
    assert plugins.literal(zoo, "cat", "PARAMS", default={}) == {"purr": True, "lives": 9}
    assert plugins.literal(zoo, "big_dog", "PARAMS", default={}) == {}
    assert plugins.literal(zoo, "unicorn", "LEGS", default=0) == 0
    with pytest.raises(ValueError, match="malformed"):
        plugins.literal(zoo, "cat", "COMPUTED", default=0)
    assert not [name for name in sys.modules if name.startswith(zoo)]


def test_plugins_literal_is_of_the_folder_where_the_package_lies_now(
    zoo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plugins.literal(zoo, "cat", "LEGS", default=0) == 4
    assert plugins.literal(zoo, "snake", "LEGS", default=8) == 8
    (tmp_path / "zoo/snake.py").write_text("LEGS = 0\n", encoding="utf-8")
    assert plugins.literal(zoo, "snake", "LEGS", default=8) == 0
    (tmp_path / "other/zoo").mkdir(parents=True)
    (tmp_path / "other/zoo/cat.py").write_text("LEGS = 3\n", encoding="utf-8")
    (tmp_path / "other/zoo/__init__.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "other"))
    assert plugins.literal(zoo, "cat", "LEGS", default=0) == 3


def test_plugins_literal_that_a_caller_changes_is_the_same_for_the_next(zoo: str) -> None:
    plugins.literal(zoo, "cat", "PARAMS", default={}).clear()
    assert plugins.literal(zoo, "cat", "PARAMS", default={}) == {"purr": True, "lives": 9}


def test_plugins_literal_parses_a_file_once_and_in_one_thread_at_a_time(
    zoo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11 may fail with `SystemError: AST constructor recursion depth mismatch` where threads parse at once."""
    parse, lock, files = ast.parse, threading.Lock(), []

    def alone(*arguments: Any) -> Any:
        assert lock.acquire(blocking=False), "two threads parse at once"
        try:
            files.append(arguments)
            time.sleep(0.01)
            return parse(*arguments)
        finally:
            lock.release()

    monkeypatch.setattr(ast, "parse", alone)
    with ThreadPoolExecutor(4) as pool:
        legs = pool.map(lambda name: plugins.literal(zoo, name, "LEGS", default=0), ["cat", "big_dog"] * 8)
        assert list(legs) == [4, (4,)] * 8
    assert len(files) == 2


def test_plugins_know_what_heads_decide_and_take() -> None:
    heads = plugins.names(plugins.DECODERS)
    assert [head for head in heads if plugins.reads_tags(head)] == ["crf", "softmax"]
    assert {head: plugins.head_params(head) for head in heads} == {
        "biaffine": {"head_size": 64},
        "crf": {},
        "global_pointer": {"efficient": False, "head_size": 64},
        "softmax": {"constrained": False},
        "span": {},
    }


def test_plugins_load_takes_hyphens_for_underscores() -> None:
    assert plugins.load("clue_ner.backbones", "e5-small", "backbone").NAME == "intfloat/multilingual-e5-small"


@pytest.mark.parametrize("name", ["e6-small", "", "_safety", "../errors", "hub.fetch"])
def test_plugins_load_lists_those_there_are(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown backbone '.*': there are e5_small, folder, hub$"):
        plugins.load("clue_ner.backbones", name, "backbone")
