import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.tiny import TAGS, tiny_tagger_folder

from bench import baseline, commands
from bench.inputs import ROOT
from clue_ner.common.files import read_json, verify_checksums
from clue_ner.tagger.config import TaggerConfig

needs_history = pytest.mark.skipif(not baseline.in_history(ROOT, os.environ), reason="a shallow clone")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A folder as models/export, without graphs."""
    tiny_tagger_folder(tmp_path / "export/tagger", head="global_pointer")
    return tmp_path / "export"


def test_convert_turns_a_model_back_to_format_1(export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(baseline, "run", lambda command, folder, variables: asked.append((command[-2:], variables)))
    found = baseline.convert(export, tmp_path / "old", {"PYTHONPATH": "old"})
    assert asked == [([str(found / "tagger"), str(found / "onnx")], {"PYTHONPATH": "old"})]
    verify_checksums(found / "tagger", "")
    now, before = (read_json(folder / "tagger/tagger.json") for folder in (export, found))
    assert (now["format"], before.pop("format")) == (2, 1)
    assert now["trained"]["corpus"].pop("splits") and "splits" not in before["trained"]["corpus"]
    del now["format"]
    assert before == now, "all else is as it was"
    assert TaggerConfig.load(found / "tagger").trained.corpus.splits == "all", "as any model of that format"
    verify_checksums(export / "tagger", "")


def test_unpack_gives_none_without_the_commit(tmp_path: Path) -> None:
    """As in a shallow clone."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert baseline.unpack(tmp_path, tmp_path / "place", commands.environment(ROOT)) is None
    assert not (tmp_path / "place").exists()


@needs_history
def test_unpack_writes_the_commits_own_source(tmp_path: Path) -> None:
    source = baseline.unpack(ROOT, tmp_path, commands.environment(ROOT))
    assert source == tmp_path / "src"
    file = "src/clue_ner/tagger.py"
    wanted = subprocess.run(["git", "show", f"{baseline.COMMIT}:{file}"], cwd=ROOT, capture_output=True, check=True)
    assert (tmp_path / file).read_bytes() == wanted.stdout


@pytest.mark.slow
@needs_history
def test_its_own_code_tags_with_what_was_converted(tmp_path: Path) -> None:
    """With every runtime, what a tagger of ``lexicon=TAGS`` finds."""
    tiny_tagger_folder(tmp_path / "export/tagger", lexicon=TAGS)
    variables = commands.environment(ROOT)
    source = baseline.unpack(ROOT, tmp_path, variables)
    before = {**variables, "PYTHONPATH": str(source)}
    model = baseline.convert(tmp_path / "export", tmp_path / "old", before)
    (tmp_path / "text.txt").write_text("李雷去了上海\n", encoding="utf-8")
    for runtime in ("torch", "onnx", "int8"):
        options = ["--model", str(model), "--runtime", runtime, str(tmp_path / "text.txt")]
        done = commands.run([sys.executable, "-m", baseline.CLI, "tag", *options], tmp_path, before)
        assert '"start": 0, "end": 2, "text": "李雷"' in done.stdout, runtime
        assert '"start": 4, "end": 6, "text": "上海"' in done.stdout, runtime
