"""Packages that discover their modules."""

import sys
from pathlib import Path

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
