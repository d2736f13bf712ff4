"""sweep.yaml is checked as a whole before the first trial."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.changed_params import write_params

from clue_ner.common.errors import ParamsError
from clue_ner.experiments.sweep_space import Choices, Range, load_sweep, with_params

PLAN: dict[str, Any] = {
    "name": "small",
    "trials": 3,
    "seed": 0,
    "space": {"train.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "train.head": {"choices": ["crf", "softmax"]}},
}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"space": {"train.lrr": {"low": 1, "high": 2}}}, r"space\.train\.lrr: not a param .*train\.lr, "),
        ({"space": {"seed": {"choices": [0, 1]}}}, r"space\.seed: not a param"),
        ({"space": {"corpus.split_seed": {"choices": [0, 1]}}}, r"space\.corpus\.split_seed: not a param"),
        ({"space": {"train.lr": {"low": -1.0, "high": 1.0}}}, r"space\.train\.lr: .*greater than 0, found -1"),
        ({"space": {"train.head": {"choices": ["crf", "crff"]}}}, r"space\.train\.head: unknown head"),
        ({"space": {"train.epochs": {"low": 1, "high": 2.5}}}, r"space\.train\.epochs: .*integer"),
        ({"space": {"train.lr": {"low": 2.0, "high": 1.0}}}, r"train\.lr.*low 2\.0 is not below high 1\.0"),
        ({"space": {"train.dropout": {"low": 0.0, "high": 0.5, "log": True}}}, r"log needs low above 0"),
        ({"space": {"train.lr": {"low": 1.0, "hi": 2.0}}}, r"space\.train\.lr\.range\.hi"),
        ({"space": {"train.head": {"choices": ["crf"]}}}, r"at least 2"),
        ({"space": {}}, r"space: .*at least 1"),
        ({"trials": 0}, r"trials: .*greater than or equal to 1"),
        ({"name": "a b"}, r"name: "),
        ({"sampler": "grid"}, r"sampler: "),
    ],
)
def test_sweep_space_refuses_a_wrong_plan_by_name(tmp_path: Path, changes: dict[str, Any], found: str) -> None:
    write_params(tmp_path)
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(PLAN | changes))
    with pytest.raises(ParamsError, match=found):
        load_sweep(tmp_path / "sweep.yaml", tmp_path / "params.yaml")


def test_sweep_space_wants_a_file_of_its_own(tmp_path: Path) -> None:
    write_params(tmp_path)
    with pytest.raises(ParamsError, match=r"sweep\.yaml: no such file; docs/experiments\.md"):
        load_sweep(tmp_path / "sweep.yaml", tmp_path / "params.yaml")


def test_sweep_space_reads_a_plan(tmp_path: Path) -> None:
    write_params(tmp_path)
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(PLAN))
    sweep, base = load_sweep(tmp_path / "sweep.yaml", tmp_path / "params.yaml")
    assert sweep.space["train.lr"] == Range(low=1e-4, high=1e-2, log=True)
    assert sweep.space["train.head"] == Choices(choices=["crf", "softmax"])
    assert base == yaml.safe_load((tmp_path / "params.yaml").read_text())


def test_sweep_space_refuses_params_that_do_not_go_together(tmp_path: Path) -> None:
    write_params(tmp_path)
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(PLAN))
    _, base = load_sweep(tmp_path / "sweep.yaml", tmp_path / "params.yaml")
    assert with_params(base, {"train.head": "span", "train.lr": 1.0}).train.head == "span"
    with pytest.raises(
        ParamsError, match=r"tagging\.scheme=BIOES, train\.head=span: 1 wrong\n  tagging\.scheme: only works with"
    ):
        with_params(base, {"tagging.scheme": "BIOES", "train.head": "span"})
