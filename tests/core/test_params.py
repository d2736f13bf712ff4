"""params.yaml: every wrong value in one message, and numbers as YAML 1.2 and DVC have them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from pydantic import ValidationError
from support.places import ROOT

from clue_ner.common.errors import ParamsError
from clue_ner.core import plugins
from clue_ner.core.params import (
    OF_TRAINING,
    Params,
    TrainParams,
    dotted,
    dotted_training,
    load_params,
    parse_params,
)
from clue_ner.core.yaml import read_yaml

PARAMS = ROOT / "params.yaml"


@pytest.fixture
def values() -> dict[str, Any]:
    """The project's own params.yaml as plain values."""
    return load_params(PARAMS).model_dump()


def errors(values: Any) -> dict[str, str]:
    """What is wrong with values: key to message."""
    with pytest.raises(ParamsError, match=r"^params\.yaml: \d+ wrong\n") as info:
        parse_params(values, "params.yaml")
    head, *lines = str(info.value).splitlines()
    assert head == f"params.yaml: {len(lines)} wrong"
    return dict(line.strip().split(": ", 1) for line in lines)


def test_params_of_the_project_are_right(values: dict[str, Any]) -> None:
    assert parse_params(values, "params.yaml").model_dump() == values
    assert set(values) == set(yaml.safe_load(PARAMS.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", ["corpus.options", "train.init_from"])
def test_params_that_an_earlier_release_does_not_have_are_as_it_was(values: dict[str, Any], name: str) -> None:
    section, key = name.split(".")
    default = values[section].pop(key)
    assert parse_params(values, "params.yaml").model_dump()[section][key] == default
    assert default in ({}, None)


def test_params_are_frozen() -> None:
    params = load_params(PARAMS)
    with pytest.raises(ValidationError, match="frozen"):
        params.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("4e-05", 4e-05),
        ("4e-5", 4e-5),
        ("4E-5", 4e-5),
        ("3.0e-5", 3e-5),
        ("1e+1", 10.0),
        ("1e1", 10.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+0.5", 0.5),
        ("1", 1.0),
        ("1_0.0", 10.0),
        ("1_000", 1000.0),
        ("010", 10.0),
        ("0o10", 8.0),
    ],
)
def test_params_reads_numbers_as_yaml_1_2(tmp_path: Path, written: str, expected: float) -> None:
    text = re.sub(r"(?m)^  lr: \S+", f"  lr: {written}", PARAMS.read_text(encoding="utf-8"))
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    assert load_params(tmp_path / "params.yaml").train.lr == expected


def test_params_reads_the_file_as_dvc_rewrites_it(tmp_path: Path, values: dict[str, Any]) -> None:
    from dvc.utils.serialize import modify_yaml

    path = tmp_path / "params.yaml"
    path.write_bytes(PARAMS.read_bytes())
    with modify_yaml(str(path)) as written:
        written["train"]["lr"] = 4e-05
        written["train"]["weight_decay"] = 1e-7
        written["seed"] = 3
    assert re.search(r"lr: 4e-05\b", path.read_text(encoding="utf-8"))
    values["train"] |= {"lr": 4e-05, "weight_decay": 1e-7}
    assert load_params(path).model_dump() == values | {"seed": 3}


@pytest.mark.parametrize(("device", "found"), [("gpu", "'gpu'"), ("cuda:", "'cuda:'")])
def test_params_says_which_devices_there_can_be(values: dict[str, Any], device: str, found: str) -> None:
    values["evaluate"]["device"] = device
    wanted = f"unknown device: wanted auto, cpu, cuda, cuda:N or mps, found {found}"
    assert errors(values) == {"evaluate.device": wanted}


@pytest.mark.parametrize(
    "written",
    ["4e-05x", "'4e-05'", "1:30.5", "12:30:45", "2020-01-01", "0o8", "yes", ".inf", ".nan", "true", "null", ""],
)
def test_params_refuses_what_is_no_number(tmp_path: Path, written: str) -> None:
    text = re.sub(r"(?m)^  lr: \S+", f"  lr: {written}", PARAMS.read_text(encoding="utf-8"))
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError, match=r"params\.yaml: 1 wrong\n  train\.lr: Input should be a "):
        load_params(tmp_path / "params.yaml")


def test_params_reports_all_that_is_wrong_in_one_message(values: dict[str, Any]) -> None:
    del values["seed"]
    del values["train"]["epochs"]
    values["corpus"] |= {"name": "msra", "valid_fraction": 0.6, "valid_fractoin": 0.1}
    values["tagging"] |= {"scheme": "IOB7", "align": "words", "window": 8}
    values["train"] |= {"head": "softmaxx", "lr": "4e-5", "batch_size": 2.5, "dropout": 1.0, "freeze_embeddings": 1}
    values["evaluate"] = None
    values["speed"] = 3
    found = errors(values)
    assert found["corpus.name"].startswith("unknown corpus: there are cluener, sample, ")
    assert found == {
        "seed": "missing; take its line from the project's own params.yaml",
        "train.epochs": "missing; take its line from the project's own params.yaml",
        "corpus.name": found["corpus.name"],
        "corpus.valid_fraction": "Input should be less than or equal to 0.5, found 0.6",
        "corpus.valid_fractoin": "unknown; remove it or fix the spelling",
        "tagging.scheme": found["tagging.scheme"],
        "tagging.align": "Input should be 'characters', 'pieces' or 'characters_over_pieces', found 'words'",
        "tagging.window": "Input should be greater than or equal to 16, found 8",
        "train.head": found["train.head"],
        "train.lr": "Input should be a valid number; write 4e-05, found '4e-5'",
        "train.batch_size": "Input should be a valid integer, found 2.5",
        "train.dropout": "Input should be less than 1, found 1.0",
        "train.freeze_embeddings": "Input should be a valid boolean; write true, found 1",
        "evaluate": "wanted keys and values, found None",
        "speed": "unknown; remove it or fix the spelling",
    }
    assert re.fullmatch(r"unknown scheme: there are .*\bBIO\b.*, found 'IOB7'", found["tagging.scheme"])
    assert re.fullmatch(r"unknown head: there are .*\bcrf\b.*\bsoftmax\b.*, found 'softmaxx'", found["train.head"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"layer_lr_decay": 0.0}, {"layer_lr_decay": "Input should be greater than 0, found 0.0"}),
        ({"layer_lr_decay": 1.1}, {"layer_lr_decay": "Input should be less than or equal to 1, found 1.1"}),
        ({"fgm_epsilon": -1.0}, {"fgm_epsilon": "Input should be greater than or equal to 0, found -1.0"}),
        ({"r_drop": -1.0}, {"r_drop": "Input should be greater than or equal to 0, found -1.0"}),
        ({"ema_decay": 1.0}, {"ema_decay": "Input should be less than 1, found 1.0"}),
        ({"layers": 0}, {"layers": "Input should be greater than or equal to 1, found 0"}),
        ({"teacher": ""}, {"teacher": "wanted a name, not an empty one, found ''"}),
        ({"teacher_weight": 1.5}, {"teacher_weight": "Input should be less than or equal to 1, found 1.5"}),
        ({"temperature": 0.0}, {"temperature": "Input should be greater than 0, found 0.0"}),
        (
            {"head": "softmax", "class_weights": {"name": -1.0}},
            {"class_weights.name": "Input should be greater than 0, found -1.0"},
        ),
        (
            {"head": "crf", "class_weights": {"name": 2.0}},
            {
                "class_weights": "only works with heads whose loss has terms for types, and crf's has none; set it to "
                "{}, found {'name': 2.0}"
            },
        ),
        (
            {"fgm_epsilon": 0.5, "compile": True},
            {
                "compile": "cannot be combined with fgm_epsilon, which uses hooks inside the model; set it to "
                "false, found True"
            },
        ),
        (
            {"teacher": "./models/tagger/"},
            {
                "teacher": "stages write to this folder; name the registered version, such as "
                "models:/clue-ner@champion, or copy the files to another folder and name that one, "
                "found './models/tagger/'"
            },
        ),
    ],
)
def test_params_refuses_training_options_that_cannot_be(
    values: dict[str, Any], changed: dict[str, Any], message: dict[str, str]
) -> None:
    values["train"] |= changed
    assert errors(values) == {f"train.{key}": text for key, text in message.items()}


@pytest.mark.parametrize("raw", [None, [], "BIO", 3])
def test_params_refuses_a_file_without_keys(raw: object) -> None:
    assert errors(raw) == {"the file": f"wanted keys and values, found {raw!r}"}


def test_params_refuses_a_boolean_where_a_number_goes(values: dict[str, Any]) -> None:
    values["train"]["epochs"] = True
    assert errors(values) == {"train.epochs": "Input should be a valid integer, found True"}


# --- what is meant, where YAML and DVC read another type


@pytest.mark.parametrize(
    ("key", "written", "problem"),
    [
        ("lr", "'4e-5'", "Input should be a valid number; write 4e-05, found '4e-5'"),
        ("lr", "'010'", "Input should be a valid number; write 10, found '010'"),
        ("lr", "２.５", "Input should be a valid number; write 2.5, found '２.５'"),
        ("lr", "1:30", "Input should be a valid number, found '1:30'"),
        ("lr", "0,5", "Input should be a valid number, found '0,5'"),
        ("lr", "yes", "Input should be a valid number, found 'yes'"),
        ("epochs", "'010'", "Input should be a valid integer; write 10, found '010'"),
        ("epochs", "1e1", "Input should be a valid integer; write 10, found 10.0"),
        ("epochs", "２", "Input should be a valid integer; write 2, found '２'"),
        ("epochs", "'1e400'", "Input should be a valid integer, found '1e400'"),
        ("epochs", "2.5", "Input should be a valid integer, found 2.5"),
        ("epochs", "1:30", "Input should be a valid integer, found '1:30'"),
        ("epochs", "2020-01-01", "Input should be a valid integer, found datetime.date(2020, 1, 1)"),
        ("flat", "yes", "Input should be a valid boolean; write true, found 'yes'"),
        ("flat", "OFF", "Input should be a valid boolean; write false, found 'OFF'"),
        ("flat", "0", "Input should be a valid boolean; write false, found 0"),
        ("flat", "maybe", "Input should be a valid boolean, found 'maybe'"),
        (
            "teacher",
            "2020",
            "Input should be a valid string; put it in quotes, with -S as 'train.teacher=\"…\"', found 2020",
        ),
        (
            "teacher",
            "1e5",
            "Input should be a valid string; put it in quotes, with -S as 'train.teacher=\"…\"', found 100000.0",
        ),
        ("teacher", "None", "is read as a name; for no value write null without quotes, found 'None'"),
    ],
)
def test_params_says_what_to_write_for_what_yaml_reads_otherwise(
    tmp_path: Path, key: str, written: str, problem: str
) -> None:
    text = re.sub(rf"(?m)^  {key}: \S+", f"  {key}: {written}", PARAMS.read_text(encoding="utf-8"))
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        load_params(tmp_path / "params.yaml")
    assert str(caught.value).splitlines()[1:] == [f"  train.{key}: {problem}"]


@pytest.mark.parametrize("written", ["9" * 400, f"'{'9' * 400}'", "-.inf", "1e400"])
@pytest.mark.parametrize("key", ["lr", "epochs", "flat", "teacher"])
def test_params_has_no_advice_for_numbers_beyond_all_others(tmp_path: Path, key: str, written: str) -> None:
    text = re.sub(rf"(?m)^  {key}: \S+", f"  {key}: {written}", PARAMS.read_text(encoding="utf-8"))
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    if (key, written) not in {("epochs", "9" * 400), ("teacher", f"'{'9' * 400}'")}:
        with pytest.raises(ParamsError, match=rf"params\.yaml: 1 wrong\n  train\.{key}: Input should be "):
            load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("written", ["${seed}", "'${oc.env:HOME}'", "a\\${b}", "???"])
def test_params_refuses_what_dvc_replaces_whatever_it_sets(
    tmp_path: Path, values: dict[str, Any], written: str
) -> None:
    text = re.sub(r"(?m)^  experiment: \S+", f"  experiment: {written}", PARAMS.read_text(encoding="utf-8"))
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError, match=r"1 wrong\n  tracking\.experiment: DVC's -S takes "):
        load_params(path)
    before = read_yaml(path.read_bytes(), "before")["tracking"]
    try:
        apply_overrides(path, ["seed=2"])
    except Exception:
        return
    assert read_yaml(path.read_bytes(), "after")["tracking"] != before, "then there is no need to refuse it"


# --- what goes together


def _set(section: str, **change: Any) -> Callable[[dict[str, Any]], None]:
    return lambda values: values[section].update(change)


def _mine(**options: Any) -> Callable[[dict[str, Any]], None]:
    return _set("corpus", name="jsonl", path="mine", options=options)


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        (_set("corpus", name="jsonl", path=None), "corpus.path", "wanted the folder or file of corpus jsonl"),
        (_set("corpus", name="sample", path="mine"), "corpus.path", "wanted null for corpus sample, found 'mine'"),
        (_mine(ends="inclusiv"), "corpus.options", "ends: wanted exclusive or inclusive, found {'ends': 'inclusiv'}"),
        (_mine(first=2), "corpus.options", "first: wanted 0 or 1, found {'first': 2}"),
        (_mine(end="x"), "corpus.options", "no option end of jsonl: there are offsets, first, ends"),
        (_set("corpus", options={"ends": "inclusive"}), "corpus.options", "of cluener: there are none"),
        (_set("corpus", types={"a": "b"}), "corpus.types", "wanted {} for corpus cluener"),
        (_set("corpus", name="jsonl", path="mine", types={"a b": None}), "corpus.types", "without white space"),
        (_set("corpus", name="conll", path="mine", options={"token": "x"}), "corpus.options", "wanted a whole number"),
        (_set("corpus", name="jsonl", path="my/data", revision="main"), "corpus.revision", "goes with a hub id"),
        (_set("tagging", window=64, overlap=33), "tagging.overlap", "more than half of window 64, found 33"),
        (_set("backbone", name="e5-small", revision="main"), "backbone.revision", "only works with a hub id"),
        (_set("backbone", name="./my/bert", revision="main"), "backbone.revision", "only works with a hub id"),
        (_set("train", head="global_pointer", head_size=5), "train.head_size", "wanted an even number"),
    ],
)
def test_params_refuses_values_that_do_not_go_together(
    values: dict[str, Any], change: Callable[[dict[str, Any]], None], key: str, message: str
) -> None:
    change(values)
    del values["seed"]  # what goes together is checked whatever else is wrong
    found = errors(values)
    assert set(found) == {"seed", key}
    assert message in found[key]


# --- heads

HEADS = plugins.names(plugins.DECODERS)
OWN = [(head, param, default) for head in HEADS for param, default in plugins.head_params(head).items()]
"""Each head's own params, as its module names them."""


@pytest.mark.parametrize(("head", "param", "default"), OWN)
def test_params_of_a_head_are_params_of_training(head: str, param: str, default: Any) -> None:
    assert param in TrainParams.model_fields, f"PARAMS of {head} has {param}, which params.yaml cannot set"
    project = load_params(PARAMS).train.model_dump()
    train = TrainParams.model_validate(project | {"head": head, "class_weights": {}, param: default})
    assert train.head_options[param] == default
    assert set(train.head_options) == set(plugins.head_params(head))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("own", "param"), [(own, param) for own, param, default in OWN if default is False])
def test_params_switch_of_another_head_is_refused_by_name(
    values: dict[str, Any], head: str, own: str, param: str
) -> None:
    values["train"] |= {"head": head, param: True}
    if param in plugins.head_params(head):
        assert parse_params(values, "params.yaml").train.head_options[param] is True
        return
    assert errors(values) == {f"train.{param}": f"only works with head {own}, not {head}; set it to false, found True"}
    values["train"]["head"] = "softmaxx"
    assert set(errors(values)) == {"train.head"}, "an unknown head is the only thing that is wrong"


def test_params_switches_of_heads_are_the_two_that_are_documented() -> None:
    assert sorted((own, param) for own, param, default in OWN if default is False) == [
        ("global_pointer", "efficient"),
        ("softmax", "constrained"),
    ]


@pytest.mark.parametrize("head", ["span", "global_pointer", "biaffine"])
def test_params_refuses_a_scheme_for_heads_that_label_no_sequence(values: dict[str, Any], head: str) -> None:
    values["train"] |= {"head": head, "lr": -1.0}
    values["tagging"] |= {"scheme": "BMES", "window": 8}
    found = errors(values)
    assert set(found) == {"train.lr", "tagging.window", "tagging.scheme"}
    assert found["tagging.scheme"] == (
        f"only works with sequence-labelling heads, and {head} is not one; set it to BIO, or train.head to one of them "
        "(crf, softmax), found 'BMES'"
    )
    values["train"]["lr"], values["tagging"] = 1.0, values["tagging"] | {"window": 256, "scheme": "IOB2"}
    assert parse_params(values, "params.yaml").train.head == head


@pytest.mark.parametrize(
    "change",
    [
        _set("corpus", name="jsonl", path="mine"),
        _mine(offsets="utf8", first=1, ends="inclusive"),
        _set("train", head="softmax", constrained=True),
        _set("train", head="global_pointer", efficient=True, head_size=2),
        _set("train", head="biaffine", head_size=5),
        _set("tagging", window=16, overlap=8),
        _set("tagging", window=512, overlap=0),
        _set("backbone", name="google-bert/bert-base-chinese", revision="refs/pr/3"),
        _set("corpus", valid_fraction=0),
    ],
)
def test_params_takes_values_at_the_edge(values: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> None:
    change(values)
    assert isinstance(parse_params(values, "params.yaml"), Params)


@pytest.mark.parametrize(("alias", "name"), [("IOB2", "BIO"), ("IOBES", "BIOES"), ("BMES", "BMES")])
def test_params_know_other_names_of_schemes(values: dict[str, Any], alias: str, name: str) -> None:
    values["tagging"]["scheme"], values["train"]["head"] = alias, "crf"
    assert parse_params(values, "params.yaml").tagging.scheme == name


@pytest.mark.parametrize("damage", [b"seed: [", b"\xff\xfe", b"a: 1\nb: -\n  c: 2: 3", b"seed: 1\n\tx: 2"])
def test_params_says_where_the_file_is_not_yaml(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "params.yaml").write_bytes(damage)
    with pytest.raises(ParamsError, match=r"params\.yaml: not YAML that can be read: "):
        load_params(tmp_path / "params.yaml")


def test_params_says_that_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"params\.yaml: no such file; run from the repository's root"):
        load_params(tmp_path / "params.yaml")


# --- by dotted name


def test_params_by_dotted_name_are_two_levels_deep(values: dict[str, Any]) -> None:
    values["train"] |= {"head": "softmax", "class_weights": {"name": 2.0}}
    found = dotted(values)
    assert found["seed"] == 1
    assert found["train.class_weights"] == {"name": 2.0}
    assert found["corpus.path"] is None
    assert len(found) == 1 + sum(len(section) for section in values.values() if isinstance(section, dict))


def test_params_of_a_training_are_those_that_fine_tune_depends_on(values: dict[str, Any]) -> None:
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["fine_tune"]
    assert sorted(OF_TRAINING) == sorted(stage["params"])
    params = parse_params(values, "params.yaml")
    assert set(params.of_training()) == set(OF_TRAINING)
    assert {name.partition(".")[0] for name in dotted_training(values)} == set(OF_TRAINING)
    assert dotted_training(values) == dotted(params.of_training())
