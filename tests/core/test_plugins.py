"""Packages that discover their modules."""

import sys

import pytest

from clue_ner.common.errors import UnknownNameError
from clue_ner.core import plugins


def test_plugins_names_lists_public_modules_without_importing_them() -> None:
    before = set(sys.modules)
    assert plugins.names("clue_ner.backbones") == ["e5_small", "folder", "hub"]
    assert "clue_ner.backbones.hub" in before or "clue_ner.backbones.hub" not in sys.modules


def test_plugins_load_takes_hyphens_for_underscores() -> None:
    assert plugins.load("clue_ner.backbones", "e5-small", "backbone").NAME == "intfloat/multilingual-e5-small"


@pytest.mark.parametrize("name", ["e6-small", "", "_safety", "../errors", "hub.fetch"])
def test_plugins_load_lists_those_there_are(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown backbone '.*': there are e5_small, folder, hub$"):
        plugins.load("clue_ner.backbones", name, "backbone")
