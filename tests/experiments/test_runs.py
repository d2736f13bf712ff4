from io import StringIO
from typing import Any

from rich.cells import cell_len
from rich.console import Console

from clue_ner.experiments.runs import table

PARAMS: dict[str, Any] = {"seed": 1, "train": {"lr": 0.001, "class_weights": {}, "head": "crf"}}


def row(rev: str, name: str | None, scores: tuple[float, float, float] | None = None, **train: Any) -> dict[str, Any]:
    """A row as DVC gives it; without ``scores`` the files of metrics are not there."""
    if scores:
        valid, test, official = scores
        evaluated = {"micro": {"f1": test}, "official": {"macro_f1": official}, "warnings": {"count": 3}}
        metrics = {
            "metrics/train.json": {"data": {"valid_micro_f1": valid}},
            "metrics/evaluate.json": {"data": evaluated},
        }
    else:
        metrics = {"metrics/train.json": {"error": {"type": "FileNotFoundError", "msg": ""}}}
    params = PARAMS | {"train": PARAMS["train"] | train}
    data = {"params": {"params.yaml": {"data": params}}, "metrics": metrics}
    return {"rev": rev, "name": name, "data": data, "error": None, "experiments": None}


def experiment(shown: dict[str, Any], state: str | None = None) -> dict[str, Any]:
    return {"revs": [shown], "executor": {"state": state} if state else None, "name": shown["name"]}


def lines(shown: list[dict[str, Any]], width: int = 100) -> list[str]:
    console = Console(width=width, file=StringIO(), record=True)
    console.print(table(shown))
    return [line.rstrip() for line in console.export_text().splitlines()]


def shown(*experiments: dict[str, Any]) -> list[dict[str, Any]]:
    commit = row("a" * 40, "main", (0.8, 0.75, 0.7))
    commit["experiments"] = list(experiments)
    return [row("workspace", None, (0.5, 0.4, 0.3), lr=0.01), commit]


def test_runs_say_scores_in_percent_and_what_was_changed() -> None:
    said = lines(shown(experiment(row("b" * 40, "low", (0.81234, 0.5, 1.0), lr=4e-5, head="softmax"))))
    assert [line.split() for line in said] == [
        ["name", "valid", "F1", "test", "F1", "official", "warnings", "changed"],
        ["workspace", "50.00", "40.00", "30.00", "3", "train.lr=0.01"],
        ["main", "80.00", "75.00", "70.00", "3"],
        ["low", "81.23", "50.00", "100.00", "3", "train.lr=4e-05", "train.head=softmax"],
    ]


def test_runs_are_sorted_by_valid_f1_and_those_without_scores_come_last() -> None:
    failed = row("e" * 40, "broken")
    failed["data"] = None
    said = lines(
        shown(
            experiment(row("b" * 40, "waiting", lr=1.0), "queued"),
            experiment(row("c" * 40, "worse", (0.0, 0.0, 0.0)), "success"),
            experiment(failed, "failed"),
            experiment(row("workspace", "live", (0.9, 0.9, 0.9)), "running"),
            experiment(row("d" * 40, None, (0.1, 0.1, 0.1))),
        )
    )
    assert [line[:22].strip() for line in said[3:]] == [
        *("live (running)", "ddddddddd", "worse", "waiting (queued)", "broken (failed)")
    ]
    assert said[-2].split()[2:] == ["train.lr=1.0"]
    assert said[3].split() == ["live", "(running)", "90.00"], "evaluate.json is that of the commit until evaluate runs"


def test_runs_name_what_is_new_and_mappings_as_overrides() -> None:
    said = lines(
        shown(
            experiment(row("b" * 40, "one", class_weights={"address": 2.0})),
            experiment(row("c" * 40, "two", class_weights={"人名": 2.0})),
            experiment(row("d" * 40, "three", later=1)),
        ),
        width=200,
    )
    assert said[3].split() == ["one", "++train.class_weights.address=2.0"]
    assert said[4].split("two")[1].strip() == 'train.class_weights="${oc.create:\\"{人名: 2.0}\\"}"'
    assert said[5].split() == ["three", "train.later=1"]


def test_runs_fit_the_terminal_and_lose_nothing() -> None:
    """Wide characters, long names, many changes; what does not fit goes on below."""
    names = ["第一次试验：更大的学习率与更长的训练时间以及其他的改动", "a-name-" * 9 + "z", "[bold]x[/bold]"]
    changes = {f"param_{n}": 0.1 + n for n in range(12)}
    for width in (60, 80, 100):
        said = lines(shown(*(experiment(row("b" * 40, name, (1.0, 1.0, 1.0), **changes)) for name in names)), width)
        assert max(map(cell_len, said)) <= width
        assert "…" not in "".join(said)
        left = "".join(line[: said[0].index("valid")] for line in said[3:]).replace(" ", "")
        for name in names[1:]:
            assert name in left
        assert all(character in "".join(said) for character in names[0])
        assert sum(line.count("100.00") for line in said) == 9


def test_runs_of_a_repository_by_dvc(repository: Any) -> None:
    repository.run("dvc", "exp", "run", "--queue", "--name", "第一次", "-S", "train.lr=0.25")
    said = repository.run("python", "-m", "clue_ner.experiments.runs")
    assert [line.split()[0] for line in said.splitlines()] == ["name", "workspace", "master", "第一次"]
    assert said.splitlines()[-1].split() == ["第一次", "(queued)", "train.lr=0.25"]


def test_runs_outside_a_repository_say_why(repository: Any) -> None:
    (repository.path / ".dvc").rename(repository.path / "elsewhere")
    said = repository.run("python", "-m", "clue_ner.experiments.runs", ok=False)
    assert "not inside of a DVC repository" in said
    assert said.splitlines()[-1] == "error: `dvc exp show` failed; the lines above say why"
