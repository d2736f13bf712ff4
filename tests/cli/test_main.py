import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.commands import ENTITIES, TEXT, elsewhere, found, records, run  # noqa: F401
from support.graphs import write_graphs
from support.tiny import TAGS, tiny_tagger_folder

import clue_ner
from clue_ner.cli.main import main
from clue_ner.cli.submission import validate
from clue_ner.common.files import write_checksums
from clue_ner.core.entities import Sentence
from clue_ner.core.sentences import write_sentences
from clue_ner.tagger.tagger import Tagger

HEAVY = ("torch", "transformers", "mlflow", "pydantic", "datasets", "numpy", "rich.console", "yaml")
PROGRAM = """
import signal, sys
from clue_ner.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the tests' own parent made of it

@main.command()
def fill():
    for _ in range(9999):
        sys.stdout.buffer.write(b"much")

main()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_tagger_folder(tmp_path_factory.mktemp("model") / "tagger", lexicon=TAGS)


def test_cli_tag_gives_a_record_for_each_line(model):
    result = run("tag", "--model", model, content=f"{TEXT}\r\n\n没有人")
    assert result.exit_code == 0
    assert [record["text"] for record in records(result)] == [TEXT, "", "没有人"]
    assert [found(record) for record in records(result)] == [ENTITIES, [], []]
    assert result.stderr == f"model: {model}, runtime torch on cpu\n"


def test_cli_tag_without_input_gives_nothing(model):
    result = run("tag", "--model", model, content="")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"model: {model}, runtime torch on cpu\n")


def test_cli_tag_keeps_the_keys_of_json_lines(model):
    lines = [{"id": 7, "text": TEXT, "entities": [], "来源": {"a": [1, None]}}, {"text": "", "id": "x"}]
    result = run("tag", "--model", model, content="\n".join(map(json.dumps, lines)))
    first, second = records(result)
    assert list(first) == ["id", "text", "entities", "来源"]
    assert (first["id"], first["来源"], found(first)) == (7, {"a": [1, None]}, ENTITIES)
    assert second == {"text": "", "id": "x", "entities": []}


def test_cli_tag_reads_files_in_order_each_in_its_format(model, tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeff上海\n{\n".encode())
    (tmp_path / "b.jsonl").write_text('{"text": "李雷", "id": 2}\n', encoding="utf-8")
    result = run("tag", "--model", model, "a.txt", "b.jsonl", "-", content="的上海")
    assert [record["text"] for record in records(result)] == ["上海", "{", "李雷", "的上海"]
    assert records(result)[2]["id"] == 2
    assert run("tag", "--model", model, "--format", "text", "b.jsonl").stdout_bytes.startswith(b'{"text": "{')


def test_cli_tag_keeps_the_order_of_many_lines_of_all_lengths(model):
    texts = ["的" * (i % 40) + "上海" for i in range(1100)]
    result = run("tag", "--model", model, "--batch-size", 200, content="\n".join(texts))
    assert [record["text"] for record in records(result)] == texts
    for i, record in enumerate(records(result)):
        assert found(record) == [{"type": "address", "start": i % 40, "end": i % 40 + 2, "text": "上海"}]


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "\t李雷 \x00上海\x1b[0m",
        "\x0b李雷\x0c\x1c\x85上海\u2028李雷\u2029",
        "李\u200b雷\u200d在\ufeff上海",
        "１２３ＡＢ上海㎡…½",
        "👩\u200d👩\u200d👧\u200d👦😀𠀀李雷",
        "<s>李雷</s>[SEP]▁<unk>",
        "e\u0301上海\u202e李雷",
        "\r李雷\r上海\r",
    ],
)
def test_cli_tag_takes_any_character(model, text):
    (record,) = records(run("tag", "--model", model, "--format", "text", content=text))
    assert record["text"] == text
    for surface in ("李雷", "上海"):
        assert text.count(surface) == sum(surface in entity["text"] for entity in found(record))


@pytest.mark.parametrize("align", ["characters", "pieces", "characters_over_pieces"])
def test_cli_tag_offsets_are_exact_with_random_weights(align, tmp_path):
    folder = tiny_tagger_folder(tmp_path / "random", "softmax", align, "BIOES")
    text = "\ufeff李雷  １２\u3000㎡😀昨天\x00ab" * 9
    (record,) = records(run("tag", "--model", folder, content=json.dumps({"text": text})))
    assert record["text"] == text
    assert len(found(record)) > 5


def test_cli_tag_reads_a_line_of_100000_characters(tmp_path):
    folder = tiny_tagger_folder(tmp_path / "wide", "softmax", window=256, overlap=16, lexicon=TAGS)
    text = ("的" * 97 + "李雷。") * 1000
    (record,) = records(run("tag", "--model", folder, content=text))
    assert [entity["start"] for entity in found(record)] == list(range(97, 100_000, 100))


def test_cli_tag_writes_lone_surrogates_as_escapes(model):
    result = run("tag", "--model", model, content='{"text": "上海\\ud83d"}\n{"text": "\\ud83d\\ude00"}\n')
    first, second = result.stdout_bytes.splitlines()
    assert first.isascii()
    assert json.loads(first)["text"] == "上海\ud83d"
    assert found(json.loads(first))[0]["text"].startswith("上海")
    assert "😀".encode() in second


def test_cli_tag_keeps_the_place_of_lines_that_cannot_be_read(model, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(b'{"text": "a"}\n{"text"\n\xff\n{"id": 1}\n{"text": "b"}\n')
    result = run("tag", "--model", model, "in.jsonl")
    assert result.exit_code == 1
    first, *bad, last = records(result)
    assert (first["text"], last["text"]) == ("a", "b")
    assert [list(record) for record in bad] == [["error"]] * 3
    errors = [record["error"] for record in bad]
    assert result.stderr.splitlines()[1:] == [*errors, "error: 3 of the lines could not be read"]
    for error, start in zip(errors, ("in.jsonl:2: not JSON", "in.jsonl:3: not UTF-8", "in.jsonl:4: no text in it")):
        assert error.startswith(start)


def test_cli_tag_takes_the_model_of_the_repository(model, tmp_path, monkeypatch):
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "export").mkdir()
    (tmp_path / "models" / "export" / "tagger").symlink_to(model)
    (tmp_path / "sub" / "folder").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "sub" / "folder")
    result = run("tag", content=TEXT)
    assert found(records(result)[0]) == ENTITIES
    assert result.stderr == f"model: {tmp_path / 'models' / 'export'}, runtime torch on cpu\n"
    (tmp_path / "demo" / "models").mkdir(parents=True)
    (tmp_path / "models" / "export").rename(tmp_path / "demo" / "models" / "export")
    assert run("tag", content=TEXT).stderr == f"model: {tmp_path / 'demo/models/export'}, runtime torch on cpu\n"
    monkeypatch.chdir("/")
    assert run("tag", content=TEXT, DVC_ROOT=str(tmp_path)).stdout_bytes == result.stdout_bytes


def test_cli_tag_without_any_model_says_where_it_looked(tmp_path):
    result = run("tag", content=TEXT)
    assert (result.exit_code, result.stdout) == (1, "")
    exports = tmp_path / "models/export", tmp_path / "demo/models/export"
    assert f"neither {exports[0]} nor {exports[1]} nor a champion of clue-ner or clue-ner-demo" in result.stderr
    assert "make demo" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["tag"], ["predict", "-"], ["show"]])
def test_cli_folder_that_is_no_model_is_an_error(command, tmp_path):
    for folder in ("missing", "."):
        result = run(*command, "--model", folder, content=TEXT)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"error: {folder}: no model (wanted tagger.json there")


def test_cli_damaged_model_is_an_error(tmp_path):
    folder = tiny_tagger_folder(tmp_path / "damaged")
    with (folder / "model.safetensors").open("r+b") as stream:
        stream.truncate(1000)
    result = run("tag", "--model", folder, content=TEXT)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {folder / 'model.safetensors'}: damaged")


def test_cli_model_that_the_registry_has_not_is_an_error(tmp_path):
    result = run("tag", "--model", "models:/nobody@champion", content=TEXT)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: models:/nobody@champion: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tag", "missing.txt"], "'missing.txt' does not exist"),
        (["tag", "."], "'.' is a directory"),
        (["tag", "--batch-size", "0"], "0 is not in the range"),
        (["tag", "--format", "xml"], "'xml' is not one of"),
        (["tag", "--unknown"], "No such option"),
        (["predict"], "either --split or a FILE"),
        (["predict", "--split", "test", "-"], "either --split or a FILE"),
        (["predict", "--split", "train"], "'train' is not one of"),
        (["predict", "--split", "test", "--out", "."], "'.' is a directory"),
        (["nothing"], "No such command"),
    ],
)
def test_cli_wrong_usage_ends_with_2(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_cli_predict_writes_a_split_for_clue(model, tmp_path):
    sentences = [Sentence("0", "上海，上海的😀"), Sentence("1", "没有"), Sentence("test-7", "李雷")]
    write_sentences(tmp_path / "data" / "test" / "unlabelled.jsonl", sentences)
    write_checksums(tmp_path / "data" / "test")
    result = run("predict", "--split", "unlabelled", "--model", model)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines()[1:] == ["cluener_predict.json: 3 sentences, 4 entities"]
    content = (tmp_path / "cluener_predict.json").read_text(encoding="utf-8")
    assert [json.loads(line) for line in content.splitlines()] == [
        {"id": 0, "label": {"address": {"上海": [[0, 1], [3, 4]]}, "name": {"😀": [[6, 6]]}}},
        {"id": 1, "label": {}},
        {"id": "test-7", "label": {"name": {"李雷": [[0, 1]]}}},
    ]
    validate(content, {0: "上海，上海的😀", 1: "没有", "test-7": "李雷"}, ["address", "name"])


@pytest.mark.parametrize(
    ("content", "ids"),
    [("上海\n\n李雷", [0, 1, 2]), ('{"id": 9, "text": "上海"}\n{"text": "李雷", "id": "a"}\n', [9, "a"])],
)
def test_cli_predict_writes_a_file_for_clue(model, tmp_path, content, ids):
    result = run("predict", "-", "--model", model, "--out", "some/where.json", content=content)
    assert result.exit_code == 0
    lines = (tmp_path / "some" / "where.json").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "上海"}\n{\n', "1 wrong\n  stdin:2: not JSON"),
        (
            '{"text": "上海", "id": 1}\n{"text": "李雷", "id": 1}\n',
            "1 wrong\n  stdin:2: id 1 also occurs in an earlier line",
        ),
        ("", "-: no sentence in it"),
    ],
)
def test_cli_predict_writes_nothing_unless_all_is_right(model, tmp_path, content, message):
    (tmp_path / "cluener_predict.json").write_text("of before", encoding="utf-8")
    result = run("predict", "-", "--model", model, content=content)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {message}")
    assert [path.name for path in tmp_path.iterdir()] == ["cluener_predict.json"]
    assert (tmp_path / "cluener_predict.json").read_text(encoding="utf-8") == "of before"


def test_cli_predict_split_that_the_corpus_lacks_is_an_error(model, tmp_path):
    result = run("predict", "--split", "unlabelled", "--model", model)
    assert result.exit_code == 1
    assert "dvc repro" in result.stderr
    write_sentences(tmp_path / "data" / "test" / "test.jsonl", [Sentence("0", "上海")])
    result = run("predict", "--split", "unlabelled", "--model", model)
    assert result.exit_code == 1
    assert "unlabelled.jsonl: this corpus came without it; there are test. Name a FILE" in result.stderr


def test_cli_show_marks_entities_where_there_is_no_terminal(model):
    result = run("show", "--model", model, "李雷昨天在上海", "", "[x]\x1b[1m😀")
    assert (result.exit_code, result.stderr) == (0, f"model: {model}, runtime torch on cpu\n")
    assert result.stdout == "[李雷 name]昨天在[上海 address]\n\n[x]␛[1m[😀 name]\n"
    assert run("show", "--model", model, content="李雷昨天在上海\r\n\n[x]\x1b[1m😀").stdout == result.stdout


def test_cli_show_colours_entities_unless_told_not_to(model):
    colours = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    result = run("show", "--model", model, TEXT, **colours)
    legend, text = result.stdout.splitlines()
    assert "[李雷" not in text
    assert all(type_ in legend for type_ in ("address", "company", "name"))
    assert text.count("\x1b[0m") == len(ENTITIES)
    assert "[李雷 name]昨天" in run("show", "--model", model, TEXT, **colours, NO_COLOR="1").stdout


def test_cli_show_line_that_is_not_utf8_is_an_error(model):
    result = run("show", "--model", model, content="上海\n".encode() + b"\xff\n")
    assert result.exit_code == 1
    assert result.stdout == "[上海 address]\n"
    assert result.stderr.splitlines()[1].startswith("error: stdin:2: not UTF-8")


def test_cli_show_writes_what_the_terminal_has_no_character_for(model):
    result = CliRunner(charset="gbk").invoke(main, ["show", "--model", str(model), "a上海，😀"])
    assert (result.exit_code, result.stdout) == (0, "a[上海 address]，[? name]\n")


def test_cli_help_and_version_import_nothing_heavy():
    code = (
        "import sys; from click.testing import CliRunner; from clue_ner.cli.main import main\n"
        "for arguments in (['--help'], ['tag', '--help'], ['predict', '--help'], ['show', '--help'], ['--version']):\n"
        "    result = CliRunner().invoke(main, arguments); assert result.exit_code == 0\n"
        "    sys.stdout.write(result.stdout)\n"
        f"assert not set({HEAVY!r}) & set(sys.modules), set({HEAVY!r}) & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: ")
    assert done.stdout.endswith(f"clue-ner, version {clue_ner.__version__}\n")


def test_cli_tag_answers_while_input_goes_on_counts_on_a_terminal_and_ends_by_ctrl_c(model):
    terminal, stderr = pty.openpty()
    arguments = [sys.executable, "-c", PROGRAM, "tag", "--model", str(model)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr) as process:
        for text in ("李雷", "", "在上海"):
            process.stdin.write(text.encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stdout.read() == b""
    os.close(stderr)
    shown = os.read(terminal, 2**16).decode()
    os.close(terminal)
    assert " lines" in shown
    assert "Traceback" not in shown


def test_cli_ends_quietly_when_nobody_reads_on():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", PROGRAM, "fill"], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_cli_full_disk_is_an_error():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-c", PROGRAM, "fill"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode != 0
    assert done.stderr.startswith(b"error: [Errno 28] No space left on device\n")


def test_cli_runtime_computes_with_the_graph_of_an_export(model, tmp_path):
    export = tmp_path / "models/export"
    shutil.copytree(model, export / "tagger")
    tagger = Tagger.load(model)
    write_graphs(tagger, export)
    result = run("tag", "--runtime", "int8", "--threads", 1, content=TEXT)
    assert (result.exit_code, result.stderr) == (0, f"model: {export}, runtime int8 on cpu\n")
    assert [found(record) for record in records(result)] == [ENTITIES]
    (export / "onnx/model.int8.onnx").write_bytes(b"")
    for command in (("tag",), ("show", TEXT), ("predict", "-")):
        result = run(*command, "--runtime", "int8", content=TEXT)
        assert result.exit_code == 1
        assert "model.int8.onnx: damaged" in result.stderr
        result = run(*command, "--runtime", "int8", "--model", model, content=TEXT)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"error: {model}: no onnx/model.int8.onnx in this model")
