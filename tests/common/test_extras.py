"""What is not installed is named with the extra that brings it."""

import tomllib
from importlib import metadata

import pytest
from support.places import ROOT

from clue_ner.common.errors import ClueNerError, MissingExtraError
from clue_ner.common.extras import explained, extra_of

OPTIONAL = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("torch", "torch"),
        ("transformers", "torch"),
        ("mlflow", "tracking"),
        ("dvc", "train"),
        ("huggingface_hub", "train"),
        ("ruamel", "tracking"),
        ("pyarrow", "train"),
        ("optuna", "sweep"),
        ("seqeval", "dev"),
        ("of_nobody", "train"),
    ],
)
def test_extras_name_the_smallest_that_has_it(module: str, extra: str) -> None:
    assert extra_of(module) == extra
    assert extra in OPTIONAL


def test_extras_of_code_that_is_not_installed_are_those_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", absent)
    assert extra_of("torch") == "train"


def test_extras_explain_a_module_that_is_missing() -> None:
    with pytest.raises(MissingExtraError) as raised, explained("runtime torch"):
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")
    assert isinstance(raised.value, ClueNerError)
    assert isinstance(raised.value, ImportError)
    assert str(raised.value) == (
        "runtime torch needs torch, which is not installed; run `pip install 'clue-ner[torch]'`"
    )


@pytest.mark.parametrize("name", [None, "clue_ner", "clue_ner.absent"])
def test_extras_leave_a_fault_of_our_own_as_it_is(name: str | None) -> None:
    with pytest.raises(ModuleNotFoundError), explained("this"):
        raise ModuleNotFoundError("no", name=name)
