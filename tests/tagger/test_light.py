"""Tagging starts where nothing heavy is installed: no torch, no transformers, nothing of those who train."""

import pytest
from support.decoders import HEADS
from support.light import BLOCK, python

IMPORTS = """
import clue_ner
import clue_ner.tagger.tagger

for package in ("clue_ner.alignment", "clue_ner.tagger", "clue_ner.tagger.decoding"):
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")
assert clue_ner.Tagger is clue_ner.tagger.tagger.Tagger
"""
DECODERS = """
import numpy as np

from clue_ner.core import plugins
from clue_ner.core.schemes import SCHEMES
from clue_ner.tagger.decoding import Decoded, DecoderSpec, build

tags = tuple(SCHEMES["BIO"].tags(["name"]))
weights = {"transitions": np.zeros((3, 3)), "start": np.zeros(3), "end": np.zeros(3)}
shapes = {"biaffine": (1, 2, 2, 2), "global_pointer": (1, 1, 2, 2), "span": (1, 2, 2)}
for head in plugins.names(plugins.DECODERS):
    decoder = build(head, DecoderSpec(SCHEMES["BIO"], tags, plugins.head_params(head), weights))
    assert len(decoder.decode(np.zeros(shapes.get(head, (1, 2, 3)), dtype=np.float32), np.array([2]))) == 1
    print(head)
"""
LOADED = """
print(*sorted(name for name in sys.modules if name.partition(".")[0] in HEAVY))
"""


def test_light_start_imports_the_tagger_and_builds_every_decoder() -> None:
    done = python(BLOCK + IMPORTS + DECODERS + LOADED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == HEADS


@pytest.mark.parametrize("module", ["torch", "clue_ner.network.heads.crf", "safetensors.torch", "datasets"])
def test_light_start_would_not_go_unnoticed(module: str) -> None:
    done = python(f"{BLOCK}import {module}\n")
    assert done.returncode == 1
    assert "ModuleNotFoundError: blocked: " in done.stderr
