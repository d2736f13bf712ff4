"""Files made to do harm are refused by name: nothing in them runs, nothing is written elsewhere, memory stays."""

import io
import json
import os
import pickle
import re
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.bert_folders import configure, fetch, tiny_bert
from support.cluener_files import FILES, SENTENCES, archive, load, nothing_reachable  # noqa: F401
from support.places import ROOT
from support.servers import file_handler, serve
from support.tiny import tiny_tagger_folder

from clue_ner.common.errors import ArtifactError, BackboneError, ParamsError, SourceError
from clue_ner.common.files import read_json, verify_checksums, write_checksums
from clue_ner.core.params import CorpusParams, load_params
from clue_ner.core.sentences import read_sentences
from clue_ner.corpora import _web, load_corpus
from clue_ner.tagger.tagger import Tagger

PARAMS = ROOT / "params.yaml"
CODE = "import pathlib\npathlib.Path({!r}).touch()\n"


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mknod, (str(self.path),)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A path that comes into being if any of the hostile code runs."""
    path = tmp_path / "it-ran"
    yield path
    assert not path.exists(), "code of the model's own was executed"


# --- model folders


def pickled(folder: Path, canary: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"weights": Bomb(canary)}, folder / "pytorch_model.bin")


def pickle_called_safetensors(folder: Path, canary: Path) -> None:
    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb(canary)))


def own_code(folder: Path, canary: Path) -> None:
    (folder / "modeling.py").write_text(CODE.format(str(canary)))
    configure(
        folder, auto_map={"AutoConfig": "modeling.Config", "AutoModel": "modeling.Model"}, model_type="unheard-of"
    )


def own_tokenizer_code(folder: Path, canary: Path) -> None:
    (folder / "tokenization.py").write_text(CODE.format(str(canary)))
    path = folder / "tokenizer_config.json"
    values = json.loads(path.read_text()) | {"auto_map": {"AutoTokenizer": ["tokenization.Own", None]}}
    path.write_text(json.dumps(values))


def attention_from_a_hub(folder: Path, canary: Path) -> None:
    configure(folder, _attn_implementation="someone/kernel")


def endless_layers(folder: Path, canary: Path) -> None:
    configure(folder, num_hidden_layers=10**9)


def huge_vocabulary(folder: Path, canary: Path) -> None:
    configure(folder, vocab_size=10**11)


def huge_number(folder: Path, canary: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text().rstrip().rstrip("}") + ', "hidden_size": ' + "9" * 5000 + "}")


def deep_nesting(folder: Path, canary: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text().rstrip().rstrip("}") + ', "x": ' + "[" * 200_000 + "]" * 200_000 + "}")


def link_out(folder: Path, canary: Path) -> None:
    shutil.move(folder / "config.json", folder.parent / "outside.json")
    (folder / "config.json").symlink_to(folder.parent / "outside.json")


HOSTILE_MODELS: list[tuple[Callable[[Path, Path], None], str]] = [
    (pickled, r"model\.safetensors"),
    (pickle_called_safetensors, r"safetensors|the model cannot be built"),
    (own_code, r"config\.json has auto_map"),
    (own_tokenizer_code, r"tokenizer_config\.json has auto_map"),
    (attention_from_a_hub, r"_attn_implementation 'someone/kernel', a repository with code"),
    (endless_layers, r"num_hidden_layers is 1000000000, but the weights have only \d+ tensors"),
    (huge_vocabulary, r"config\.json describes \d+ weights, but the files have \d+"),
    (huge_number, r"config\.json: not JSON"),
    (deep_nesting, r"config\.json: not JSON"),
    (link_out, r"(a link to a file outside the folder, |leads out of its folder, to ).*outside\.json"),
]
models = pytest.mark.parametrize(("make", "message"), HOSTILE_MODELS, ids=[m.__name__ for m, _ in HOSTILE_MODELS])


@models
def test_hostile_tagger_folder_is_refused(
    make: Callable[[Path, Path], None], message: str, tmp_path: Path, canary: Path
) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger")
    make(folder, canary)
    write_checksums(folder)  # whoever makes such a folder writes these, too
    if not (folder / "model.safetensors").exists():
        sums = read_json(folder / "checksums.json") | {"model.safetensors": "0" * 64}
        (folder / "checksums.json").write_text(json.dumps(sums))
    with pytest.raises(ArtifactError, match=message):
        Tagger.load(folder)


@models
def test_hostile_backbone_folder_is_refused(
    make: Callable[[Path, Path], None], message: str, tmp_path: Path, canary: Path
) -> None:
    folder = tiny_bert(tmp_path / "model")
    make(folder, canary)
    with pytest.raises(BackboneError, match=message):
        fetch(folder, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_hostile_backbone_token_without_a_row_is_refused(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    first = tmp_path / "first"
    fetch(folder, first)
    tokenizer = json.loads((first / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary[next(reversed(vocabulary))] = 10**6
    (first / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(BackboneError, match=r"the tokenizer has a token 1000000, the model \d+"):
        fetch(first, tmp_path / "out")


def test_hostile_checksums_name_no_file_outside(tmp_path: Path) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger")
    (tmp_path / "outside").write_text("a secret")
    sums = read_json(folder / "checksums.json") | {"../outside": "0" * 64}
    (folder / "checksums.json").write_text(json.dumps(sums))
    with pytest.raises(ArtifactError, match=r"\.\./outside: leads out of its folder"):
        verify_checksums(folder, "fetch it again")


def test_hostile_links_are_not_those_of_dvcs_cache(tmp_path: Path) -> None:
    folder = tiny_tagger_folder(tmp_path / "tagger")
    cached = tmp_path / "cache/files/md5/ab" / ("c" * 30)
    cached.parent.mkdir(parents=True)
    shutil.move(folder / "model.safetensors", cached)
    (folder / "model.safetensors").symlink_to(cached)
    Tagger.load(folder)


# --- archives


def links(target: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as made:
        for name, content in FILES.items():
            made.writestr(name, content)
        member = zipfile.ZipInfo("train.json")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(member, target)
    return sink.getvalue()


def lying(real: int) -> bytes:
    """An archive whose member is far larger than it says."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("train.json", bytes(real))
        made.writestr("dev.json", FILES["dev.json"])
    return sink.getvalue().replace(real.to_bytes(4, "little"), (100).to_bytes(4, "little"))


def bzip2() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_BZIP2) as made:
        made.writestr("train.json", bytes(10**6))
    return sink.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (links("/etc/passwd"), "not JSON"),
        (lying(30_000_000), "not a zip archive that can be read"),
        (archive({"train.json": bytes(10**6 + 1)}), "has more than the 1000000 bytes"),
        (bzip2(), "train.json is compressed in an unusual, unbounded way"),
    ],
    ids=["link", "lying size", "bomb", "bzip2"],
)
def test_hostile_archive_is_refused(content: bytes, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_web, "LARGEST", 10**6)
    with serve(file_handler({"/c.zip": content})) as url:
        monkeypatch.setenv("CLUENER_ARCHIVE_URL", f"{url}/c.zip")
        with pytest.raises(SourceError, match=message):
            load()


@pytest.mark.parametrize("name", ["../evil.json", "/evil.json", "..\\evil.json", "a/../../evil.json"])
def test_hostile_archive_names_write_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.parent.rglob("*"))
    with serve(file_handler({"/c.zip": archive({**FILES, name: b"evil"})})) as url:
        monkeypatch.setenv("CLUENER_ARCHIVE_URL", f"{url}/c.zip")
        assert load().splits == SENTENCES
    assert sorted(tmp_path.parent.rglob("*")) == before
    assert not Path("/evil.json").exists()


# --- corpora and params


@pytest.mark.parametrize("target", ["elsewhere.jsonl", "/dev/zero", "a-pipe"])
def test_hostile_corpus_file_that_leads_out_of_its_folder_is_refused(target: str, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (tmp_path / "elsewhere.jsonl").write_text('{"text": "一", "entities": [{"type": "t", "start": 0, "end": 1}]}\n')
    os.mkfifo(tmp_path / "a-pipe")
    (folder / "train.jsonl").symlink_to(tmp_path / target)
    params = CorpusParams(name="jsonl", path=str(folder), options={}, valid_fraction=0.0, split_seed=0)
    with pytest.raises(SourceError, match=r"train\.jsonl: found what leads out of the folder"):
        load_corpus(params)


@pytest.mark.parametrize("read", [read_json, read_sentences])
@pytest.mark.parametrize("content", ["[" * 200_000, '{"id": ' + "9" * 5000 + "}", '{"text": "' + "x" * 9])
def test_hostile_json_of_a_stage_is_an_error_that_names_it(
    read: Callable[[Path], object], content: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(ArtifactError, match=r"a\.json.*damaged"):
        read(path)


BILLIONS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("x: !!python/object/apply:pathlib.Path.touch [{canary}]\n", "could not determine a constructor"),
        ("x: !!python/object/new:os.system ['touch {canary}']\n", "could not determine a constructor"),
        ("x: !!python/name:os.system\n", "could not determine a constructor"),
        ("x: " + "[" * 100_000 + "\n", "not YAML that can be read"),
        ("x: 0x" + "f" * 100_000 + "\n", "x: unknown"),
        (BILLIONS + "seed: *a11\ncorpus: *a11\ntrain: {{head: *a11}}\n", "train.head: .*found"),
        (BILLIONS + "seed: *a11\n" * 2, "found duplicate key"),
        ("seed: 0x" + "f" * 100_000 + "\n", "seed: .*found"),
    ],
    ids=["apply", "new", "name", "deep", "huge", "billions", "billions twice", "huge seed"],
)
def test_hostile_params_are_refused(added: str, message: str, tmp_path: Path, canary: Path) -> None:
    """Sections that ``added`` has are taken out first: a key that occurs twice is refused before its value is seen."""
    sections = re.split(r"^(?=\w)", PARAMS.read_text(), flags=re.MULTILINE)
    replaced = set(re.findall(r"^\w+:", added, flags=re.MULTILINE))
    path = tmp_path / "params.yaml"
    kept = (section for section in sections if section.partition(" ")[0].strip() not in replaced)
    path.write_text("".join(kept) + added.format(canary=canary))
    with pytest.raises(ParamsError, match=message) as caught:
        load_params(path)
    assert len(str(caught.value)) < 10_000
