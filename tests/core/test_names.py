"""Names of params.yaml, held against those who read them later: MLflow, the hub's client, git, the stages."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.utils.models import _parse_model_uri
from mlflow.utils import validation
from support.places import ROOT

from clue_ner.core import names

MODELS = [
    *["clue-ner", "clue_ner", "我的模型", "ner (small)", "-", "a b", "v1,2", "😀"],
    *["team/ner", "a:b", "ner.v1", "a%b", 'a"b', "a'b", "a@b", "a?b", "a#b", ".", "..", "a" * 201, "长" * 67],
]


def refused(check: Any, name: str) -> str:
    """What the check says; nothing if it takes the name."""
    try:
        assert check(name) in (name, names.backbone_kind(name) if check is names.backbone_kind else name)
    except ValueError as error:
        return str(error)
    return ""


# --- text


@pytest.mark.parametrize("name", ["a", "语料/第 1 版", "a\u3000b", "~/x", "a$b", "{x}", "?", "none of it"])
def test_plain_text_takes_what_all_can_keep(name: str) -> None:
    assert names.plain_text(name) == names.optional_text(name) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "not an empty one"),
        (" \t", "not an empty one"),
        ("\u3000", "not an empty one"),
        (" a", "begins or ends with white space"),
        ("a\n", "begins or ends with white space"),
        ("a\0b", "holds U+0000"),
        ("a\nb", "holds U+000A"),
        ("a\x1b[0m", "holds U+001B"),
        ("a\ud83d", "holds U+D83D"),
        ("${seed}", "takes ${…} for a reference"),
        ("a\\${", "takes ${…} for a reference"),
        ("???", "??? for a missing value"),
    ],
)
def test_plain_text_names_what_cannot_be_kept(name: str, said: str) -> None:
    assert said in refused(names.plain_text, name)
    assert said in refused(names.optional_text, name)


@pytest.mark.parametrize("name", ["None", "none", "NULL", "nil"])
def test_optional_text_is_not_a_word_for_nothing(name: str) -> None:
    assert "write null without quotes" in refused(names.optional_text, name)
    assert not refused(names.plain_text, name)


# --- MLflow


@pytest.mark.parametrize("name", MODELS)
def test_model_name_is_one_that_mlflow_takes_and_finds(name: str) -> None:
    try:
        validation._validate_model_name(name)
        validation._validate_logged_model_name(name)
        found = [_parse_model_uri(f"models:/{name}@champion"), _parse_model_uri(f"models:/{name}/3")]
        taken = len(name.encode()) <= 200 and [uri[1:3] for uri in found] == [(name, None), (name, "3")]
    except MlflowException:
        taken = False
    assert bool(refused(names.model_name, name)) is not (taken and "#" not in name and "@" not in name)


def test_model_name_says_what_to_write() -> None:
    assert refused(names.model_name, "team/ner.v1").endswith("; write team-ner-v1")
    assert refused(names.model_name, "a" * 201) == "longer than 200 bytes"


@settings(deadline=None)
@given(st.text(st.sampled_from("ab/:.%\"'@?#-_ 中\\&;=*~"), min_size=1, max_size=6))
def test_model_name_never_takes_what_mlflow_refuses(name: str) -> None:
    if not refused(names.plain_text, name) and not refused(names.model_name, name):
        validation._validate_model_name(name)
        validation._validate_logged_model_name(name)
        assert _parse_model_uri(f"models:/{name}@champion").name == name


def test_experiment_name_is_one_that_mlflow_takes() -> None:
    for name in ("第一次", "team/ner: 1.0", "a" * 256):
        assert not refused(names.experiment_name, name)
        validation._validate_experiment_name(name)
    assert refused(names.experiment_name, "a" * 257) == "longer than 256 characters"


@pytest.mark.parametrize(
    "name",
    ["models:/clue-ner@champion", "models:/我的/3", "models:/a b/latest", "runs:/0123abc/model", "./old", "old/tagger"],
)
def test_tagger_name_takes_the_registrys_and_folders(name: str) -> None:
    assert names.tagger_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *["models:clue-ner@champion", "models:/clue-ner", "models://clue-ner@champion", "models:/a/b@c", "models:/@c"],
        *[
            "models:/clue-ner/Production",
            "models:/clue-ner/3/model",
            "models:/clue-ner@",
            "runs:/0123",
            "runs:/",
            "runs:x",
        ],
    ],
)
def test_tagger_name_refuses_what_the_registry_would(name: str) -> None:
    assert refused(names.tagger_name, name) == f"wanted {names.TAGGER_FORMS}"


# --- folders


@pytest.mark.parametrize(
    "name",
    [*names.WRITTEN, "./data/corpus", "data/corpus/x", "data", "data/../models", ".", "..", "/", "models/tagger/"],
)
def test_folder_name_is_not_where_stages_write(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert "stages write to this folder" in refused(names.folder_name, name)
    assert "stages write to this folder" in refused(names.tagger_name, name)


@pytest.mark.parametrize(
    "name", ["mine", "data/mine", "models/bert", "../mine", "~/mine", "~nobody/mine", "/mine/data"]
)
def test_folder_name_is_any_other(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert not refused(names.folder_name, name)


def test_folder_name_of_the_home_folder_that_holds_the_repository(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    assert "stages write to this folder" in refused(names.folder_name, "~")


def test_written_are_the_outputs_of_dvc_yaml() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    listed = [out for stage in stages for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]
    outs = [Path(next(iter(out)) if isinstance(out, dict) else out) for out in listed]
    written = [Path(name) for name in names.WRITTEN]
    assert all(any(out.is_relative_to(name) for name in written) for out in outs)
    assert all(any(out.is_relative_to(name) for out in outs) for name in written)


# --- backbones


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *[
            (name, "hub")
            for name in ("google-bert/bert-base-chinese", "a/b", "_a/b_", "org.x/y-1.0_z", "a/" + "b" * 96)
        ],
        *[(name, "folder") for name in ("./x", "../x", ".", "/x", "~/x", "~me/x", "x/", "org/x/", "./语料 1")],
        ("e5-small", "e5-small"),
    ],
)
def test_backbone_kind_goes_by_the_form_of_the_name(name: str, kind: str) -> None:
    assert names.backbone_kind(name) == kind


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("bert-base-chinese", "write google-bert/bert-base-chinese, or for a folder ./bert-base-chinese"),
        ("chinese-roberta-wwm-ext", "write hfl/chinese-roberta-wwm-ext, or for a folder ./chinese-roberta-wwm-ext"),
        ("my_bert", "write ORG/my_bert, or for a folder ./my_bert"),
        ("hub", "write ORG/hub, or for a folder ./hub"),
        ("folder", "write ORG/folder, or for a folder ./folder"),
        ("_safety", "write ORG/_safety, or for a folder ./_safety"),
        ("E5-small", "write ORG/E5-small, or for a folder ./E5-small"),
        ("a/b/c", "for a folder write ./a/b/c"),
        ("我的/模型", "for a folder write ./我的/模型"),
        ("a/b--c", "for a folder write ./a/b--c"),
        ("a/b.git", "write a/b"),
        ("https://huggingface.co/hfl/rbt3.git", "write hfl/rbt3"),
        ("https://huggingface.co/hfl/rbt3", "write hfl/rbt3"),
        ("https://huggingface.co/hfl/rbt3/", "write hfl/rbt3"),
        ("https://hf-mirror.com/hfl/rbt3?library=transformers", "write hfl/rbt3"),
        ("https://huggingface.co/hfl/rbt3/tree/main", "write hfl/rbt3, and main as backbone.revision"),
        ("https://huggingface.co/hfl/rbt3/blob/v1/config.json", "write hfl/rbt3, and v1 as backbone.revision"),
        ("https://huggingface.co/bert-base-chinese", "write google-bert/bert-base-chinese"),
        ("huggingface.co/hfl/rbt3", "write hfl/rbt3"),
        ("hf.co/rbt3", "write ORG/rbt3"),
        ("hf://hfl/rbt3@v2", "write hfl/rbt3, and v2 as backbone.revision"),
        ("hfl/rbt3@v2", "write hfl/rbt3, and v2 as backbone.revision"),
        ("hfl/rbt3/tree/main", "write hfl/rbt3, and main as backbone.revision"),
        ("models:/clue-ner@champion", ""),
        ("https://me:pw@hub/a/b/c/d", "write a/b"),
    ],
)
def test_backbone_kind_says_what_to_write(name: str, hint: str) -> None:
    said = refused(names.backbone_kind, name)
    assert said.startswith("unknown backbone: there are e5-small, ORG/NAME (a hub id")
    assert said.endswith(f"; {hint}" if hint else "~/FOLDER)")
    assert "pw" not in said


@settings(deadline=None)
@given(st.text(st.sampled_from("aB1-_.~中@ /"), min_size=3, max_size=10).filter(lambda text: text.count("/") == 1))
def test_backbone_kind_hub_is_what_the_hubs_client_takes(name: str) -> None:
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    if names.is_folder_name(name):
        return
    try:
        validate_repo_id(name)
        taken = True
    except HFValidationError:
        taken = False
    assert (not refused(names.backbone_kind, name)) is taken


@pytest.mark.parametrize(
    "name",
    ["main", "refs/pr/3", "v1.0", "a1b2c3", "分支", "a b", "a..b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b"],
)
def test_revision_name_is_one_that_git_takes(name: str) -> None:
    done = subprocess.run(["git", "check-ref-format", "--allow-onelevel", name], check=False)
    assert (not refused(names.revision_name, name)) is (done.returncode == 0)
