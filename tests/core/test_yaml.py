"""YAML as DVC reads it: whoever edits params.yaml, with whatever tool, gets the same values from both."""

from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import load_yaml, parse_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clue_ner.common.errors import ParamsError
from clue_ner.core.params import parse_params
from clue_ner.core.yaml import read_yaml, to_yaml

SCALARS = [
    *["010", "0o10", "0o8", "0x1F", "0b11", "1_000", "1_0.0", "+5", "-0", "_1", "1_", "0x", "1.2.3", "9" * 400],
    *[
        "4e-05",
        "4e-5",
        "4E-5",
        "1e5",
        "1e+1",
        "1.e5",
        ".5",
        "5.",
        "-.5e-3",
        "1e",
        ".inf",
        "-.INF",
        ".nan",
        "inf",
        "nan",
    ],
    *["yes", "no", "on", "off", "y", "n", "true", "True", "TRUE", "false", "null", "Null", "~", ""],
    *["2020-01-01", "2020-01-01T00:00:00Z", "2020-1-1", "2020-13-45", "12:30:45", "1:30.5", "190:20:30"],
    *[
        "'010'",
        '"yes"',
        "'~'",
        "!!str 5",
        "!!int '3'",
        "!!float 3",
        "!!int x",
        "!!binary aGk=",
        "!!timestamp 2020-01-01",
    ],
    *[
        "[]",
        "{}",
        "[1, 010]",
        "{a: 1e5}",
        "北京",
        "a b",
        "-",
        "=",
        "<<",
        "@a",
        "`a",
        "!x y",
        "!!python/name:os.system x",
    ],
]


def outcome(read: Any) -> tuple[str, str]:
    """What reading gives, or that it is refused, in whatever words."""
    try:
        value = read()
    except Exception:
        return "refused", ""
    return type(value).__name__, repr(value)  # repr tells -0.0 from 0, and nan is like nan


@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.MantissaNoDotYAML1_1Warning")
@pytest.mark.parametrize("written", SCALARS)
@pytest.mark.parametrize("place", ["v: {}", "v:\n  - {}", "%YAML 1.1\n---\nv: {}"])
def test_yaml_reads_a_scalar_as_dvc_does(written: str, place: str) -> None:
    text = place.format(written)
    expected = outcome(lambda: parse_yaml(text, "a.yaml"))
    assert outcome(lambda: read_yaml(text.encode(), "a.yaml")) == expected


@settings(deadline=None)
@given(st.text("0123456789_.eE+-:xobXn~ ", max_size=8))
def test_yaml_reads_what_looks_like_a_number_as_dvc_does(written: str) -> None:
    text = f"v: {written}\n"
    expected = outcome(lambda: parse_yaml(text, "a.yaml"))
    assert outcome(lambda: read_yaml(text.encode(), "a.yaml")) == expected


FILES = {
    "byte order mark": "\ufeffseed: 010\nv: 1",
    "windows": "seed: 1\r\nv: 'a\r\n  b'\r\nw: |\r\n  c\r\n  d\r\n",
    "lone returns": "seed: 1\rv: 'a\r  b'\rw: |\r  c\r",
    "line separators": "seed: 1\nv: 'a\u2028b'\nw: a\x85b\n",
    "document marks": "---\nseed: 1\nv: 010\n...\n",
    "version 1.2": "%YAML 1.2\n---\nseed: 1\nv: yes\nw: 010\n",
    "version 1.1": "%YAML 1.1\n---\nseed: 1\nv: yes\nw: 010\nx: 1:30\ny: 'on'\n",
    "tags": "seed: !!int '1'\nv: !!str 010\nw: !!float 3\nx: !!bool yes\ny: !!null z\n",
    "named tags": "%TAG ! tag:yaml.org,2002:\n---\nseed: !int '1'\nv: !str 3\n",
    "anchors": "seed: &s 010\nv: {w: *s, x: &t 1e-5}\ny: *t\n",
    "merge keys": "seed: 1\na: &a {x: 010, y: 2}\nb: {<<: *a, y: 3}\n",
    "flow": "{seed: 010, v: {w: 1e-5, x: 4E-5}}",
    "blocks": "seed: 1\nv: |\n  a\n\n  b\nw: >-\n  c\n  d\n",
    "quoted": "seed: 1\nv: \"\\u4e2d\\t\\x41\"\nw: 'it''s'\n",
    "long": f"seed: 1\nv: {'a b ' * 60}c\nw: {'长' * 200}\n",
    "nothing": "",
    "only a comment": "# nothing\n",
    "a key twice": "seed: 1\nseed: 2\n",
    "two documents": "seed: 1\n---\nseed: 2\n",
    "zero byte": "seed: 1\0\n",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_yaml_reads_a_file_as_dvc_does(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(text.encode())
    expected = outcome(lambda: load_yaml(str(path)))
    assert outcome(lambda: read_yaml(path.read_bytes(), "a.yaml") or {}) == expected


def has_a_seed(text: str) -> bool:
    """Whether it is YAML that can be read, with the param that the next test sets."""
    try:
        return "seed" in read_yaml(text.encode(), "a.yaml")
    except (ParamsError, TypeError):
        return False


@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.MantissaNoDotYAML1_1Warning")
@pytest.mark.parametrize(
    "text", filter(has_a_seed, [*FILES.values(), *(f"seed: 1\nv: {scalar}\n" for scalar in SCALARS)])
)
def test_yaml_means_the_same_when_dvc_has_set_another_param(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(text.encode())
    before = read_yaml(path.read_bytes(), "before")
    apply_overrides(path, ["seed=2"])
    assert repr(read_yaml(path.read_bytes(), "after")) == repr({**before, "seed": 2})


def test_yaml_reads_numbers_and_words_of_version_1_2() -> None:
    """Version 1.1 has 8, 45045 and True in the place of the last three."""
    text = b"[1_000, 0o10, 0x1F, 4e-05, 1e5, ~, 010, 12:30:45, yes]"
    assert read_yaml(text, "a.yaml") == [1000, 8, 31, 4e-05, 100000.0, None, 10, "12:30:45", "yes"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: 1\na: 2", 'found duplicate key "a"'),
        (b"{a: 1, b: {c: 1, c: 1}}", 'found duplicate key "c"'),
        (b"a: 1\n---\nb: 2", "expected a single document"),
        (b"a: [", "line 1, column 5"),
        (b"a:\n\t- 1", "line 2, column 1"),
        (b"a: *b", "found undefined alias 'b'"),
        (b"a: !x y", "could not determine a constructor"),
        (b"\xff\xfe", "codec can't decode"),
        (b"a: " + b"9" * 5000, "Exceeds the limit"),
        (b"[" * 5000, ""),
        (b"a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ],
)
def test_yaml_that_cannot_be_read_is_refused_with_its_place(text: bytes, said: str) -> None:
    with pytest.raises(ParamsError, match=r"^params\.yaml: not YAML that can be read: ") as caught:
        read_yaml(text, "params.yaml")
    assert said in str(caught.value)


def bomb(first: str, form: str) -> bytes:
    """Twenty lines, each with ten aliases of the one before."""
    lines = [f"a0: &a0 {first}"]
    for number in range(1, 20):
        aliases = ", ".join([f"*a{number - 1}"] * 10)
        lines.append(f"a{number}: &a{number} {form.format(aliases)}")
    return "\n".join(lines).encode()


@pytest.mark.timeout(60)
def test_yaml_aliases_of_aliases_are_read_once_and_named_in_short() -> None:
    values = read_yaml(bomb("[x]", "[{}]"), "params.yaml")
    with pytest.raises(ParamsError, match=r"a19: unknown") as caught:
        parse_params(values | {"seed": values["a19"]}, "params.yaml")
    assert len(str(caught.value)) < 10_000


@pytest.mark.timeout(60)
def test_yaml_merges_of_merges_are_refused() -> None:
    with pytest.raises(ParamsError, match=r"more than 1000 keys merged into one mapping"):
        read_yaml(bomb("{x: 1}", "{{<<: [{}]}}"), "params.yaml")
    merged = b"a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], z: 3}"
    expected = {"x": 1, "y": 1, "z": 3}
    assert read_yaml(merged, "params.yaml")["c"] == parse_yaml(merged.decode(), "params.yaml")["c"] == expected


# --- writing

texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)
numbers = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False)
plain = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.sampled_from(SCALARS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(texts, plain, min_size=1))
def test_yaml_written_is_read_back_by_us_and_by_dvc(values: dict[str, Any]) -> None:
    text = to_yaml(values)
    assert read_yaml(text.encode(), "a.yaml") == values
    assert parse_yaml(text, "a.yaml") == values


def test_yaml_written_has_a_line_a_key_in_their_order() -> None:
    values = {"train": {"lr": 4e-05, "head": "crf", "layers": None}, "corpus": {"path": "语料", "yes": True}}
    assert to_yaml(values) == ("train:\n  lr: 4e-05\n  head: crf\n  layers:\ncorpus:\n  path: 语料\n  yes: true\n")
