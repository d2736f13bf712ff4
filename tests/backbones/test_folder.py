"""Backbones from a local folder, and what every backbone has to be."""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.architectures import architecture
from support.bert_folders import FILES, VOCABULARY, configure, contents, fetch, tiny_bert
from transformers import AutoModel, AutoTokenizer, BertModel, BertTokenizer

from clue_ner.backbones import _safety, fetch_backbone
from clue_ner.common.errors import BackboneError, ParamsError
from clue_ner.common.files import sha256
from clue_ner.core.params import BackboneParams

State = dict[str, torch.Tensor]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_bert(tmp_path / "model")


def restate(folder: Path, change: Callable[[State], State]) -> None:
    """Save the folder's tensors again as ``change`` makes them."""
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors", metadata={"format": "pt"})


def test_folder_writes_the_encoder_its_tokenizer_and_where_they_came_from(model: Path, tmp_path: Path) -> None:
    (model / "README.md").write_text("---\nlicense: apache-2.0\nlanguage: zh\n---\n# A model\n", encoding="utf-8")
    source = fetch(model, tmp_path / "out")
    assert source == {
        "kind": "folder",
        "name": str(model),
        "revision": "local",
        "sha256": sha256(model / "model.safetensors"),
        "licence": "apache-2.0",
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    before, after = AutoModel.from_pretrained(model), AutoModel.from_pretrained(tmp_path / "out")
    ids = torch.tensor([[2, 5, 6, 7, 3]])
    assert torch.equal(before(ids).last_hidden_state, after(ids).last_hidden_state)
    encoded = AutoTokenizer.from_pretrained(tmp_path / "out")("去北京 龘", return_offsets_mapping=True)
    assert encoded["input_ids"] == [2, *(VOCABULARY.index(char) for char in "去北京"), 1, 3]
    assert encoded["offset_mapping"] == [(0, 0), (0, 1), (1, 2), (2, 3), (4, 5), (0, 0)]


def _with_heads_and_old_names(folder: Path) -> None:
    def change(state: State) -> State:
        old = {f"bert.{name}": tensor for name, tensor in state.items()}
        old = {n.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): t for n, t in old.items()}
        extra = {"cls.predictions.bias": torch.zeros(3), "bert.embeddings.position_ids": torch.arange(32)[None]}
        return old | extra

    restate(folder, change)
    configure(folder, architectures=["BertForMaskedLM"])


def _in_half_precision(folder: Path) -> None:
    restate(folder, lambda state: {name: tensor.half() for name, tensor in state.items()})
    configure(folder, dtype="float16")


def _without_pooler(folder: Path) -> None:
    restate(folder, lambda state: {name: tensor for name, tensor in state.items() if "pooler" not in name})


def _in_shards(folder: Path) -> None:
    BertModel.from_pretrained(folder).save_pretrained(folder, max_shard_size="4KB")
    (folder / "model.safetensors").unlink()
    assert len(list(folder.glob("model-*.safetensors"))) > 1


def _beside_a_pickle(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"this is no pickle that could be opened")


@pytest.mark.parametrize(
    "change", [_with_heads_and_old_names, _in_half_precision, _without_pooler, _in_shards, _beside_a_pickle]
)
def test_folder_gives_the_same_bytes_however_weights_were_saved(
    model: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    fetch(model, tmp_path / "plain")
    change(model)
    fetch(model, tmp_path / "changed")
    assert contents(tmp_path / "changed") == contents(tmp_path / "plain")


def test_folder_of_an_earlier_backbone_gives_the_same_bytes(model: Path, tmp_path: Path) -> None:
    fetch(model, tmp_path / "first")
    fetch(tmp_path / "first", tmp_path / "second")
    assert contents(tmp_path / "second") == contents(tmp_path / "first")


def test_folder_hashes_shards_one_after_another(model: Path, tmp_path: Path) -> None:
    _in_shards(model)
    whole = tmp_path / "whole"
    whole.write_bytes(b"".join(path.read_bytes() for path in sorted(model.glob("*.safetensors"))))
    assert fetch(model, tmp_path / "out")["sha256"] == sha256(whole)


def test_folder_relative_name_begins_at_dvc_root(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert fetch("./model", tmp_path / "out")["name"] == "./model"
    monkeypatch.delenv("DVC_ROOT")
    with pytest.raises(BackboneError, match=r"elsewhere/model\): no such folder; wanted one with config.json"):
        fetch("./model", tmp_path / "out2")
    assert fetch("../model", tmp_path / "out3")["name"] == "../model"


def test_folder_name_may_begin_at_home(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert fetch("~/model", tmp_path / "out")["kind"] == "folder"
    with pytest.raises(ParamsError, match=r"~no-such-user-here/model: .*write the path in full"):
        fetch("~no-such-user-here/model", tmp_path / "out2")


def test_folder_with_pickled_weights_only_is_refused_unopened(model: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "exploded",)

    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(
        BackboneError,
        match=r"no model.safetensors; there: config.json, pytorch_model.bin, tokenizer_config.json, vocab.txt; "
        r"pytorch_model.bin is a pickle, which can run code .*refs/pr/N.*save_pretrained",
    ):
        fetch(model, tmp_path / "out")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("model.safetensors", "no model.safetensors; there: config.json, tokenizer_config.json, vocab.txt; name a"),
        ("config.json", "no config.json; there: model.safetensors, tokenizer_config.json, vocab.txt; give a model"),
        ("vocab.txt", "no tokenizer.json or vocab.txt; there: config.json, model.safetensors, tokenizer_config.json"),
    ],
)
def test_folder_names_the_file_it_lacks(model: Path, tmp_path: Path, gone: str, message: str) -> None:
    (model / gone).unlink()
    with pytest.raises(BackboneError, match=message):
        fetch(model, tmp_path / "out")


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.txt"])
def test_folder_refuses_links_that_lead_out_of_it(model: Path, tmp_path: Path, name: str) -> None:
    outside = (model / name).rename(tmp_path / "outside")
    (model / name).symlink_to(outside)
    with pytest.raises(BackboneError, match=rf"{name} is a link to a file outside the folder, .*outside; .*cp -rL"):
        fetch(model, tmp_path / "out")
    (model / name).unlink()
    (model / name).symlink_to(outside.rename(model / "inside"))
    fetch(model, tmp_path / "out2")


def test_folder_refuses_a_truncated_weights_file(model: Path, tmp_path: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BackboneError, match=r"model.safetensors: truncated or damaged, .*delete the file"):
        fetch(model, tmp_path / "out")


def test_folder_refuses_a_flipped_bit_in_the_header(model: Path, tmp_path: Path) -> None:
    path = model / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[data.index(b'"shape":[16') + len(b'"shape":[')] ^= 2
    path.write_bytes(data)
    with pytest.raises(BackboneError, match=r"model.safetensors: truncated or damaged"):
        fetch(model, tmp_path / "out")


def test_folder_refuses_an_error_page_saved_as_weights(model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").write_text("<!doctype html><title>404</title>" * 10, encoding="utf-8")
    with pytest.raises(BackboneError, match=r"model.safetensors: truncated or damaged"):
        fetch(model, tmp_path / "out")


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_folder_refuses_values_that_are_not_finite(model: Path, tmp_path: Path, value: float) -> None:
    def change(state: State) -> State:
        state["encoder.layer.0.output.dense.bias"][3] = value
        return state

    restate(model, change)
    with pytest.raises(BackboneError, match=r"encoder.layer.0.output.dense.bias contains NaN or infinite values"):
        fetch(model, tmp_path / "out")


def test_folder_refuses_weights_of_other_shapes_than_the_config(model: Path, tmp_path: Path) -> None:
    configure(model, max_position_embeddings=64)
    with pytest.raises(
        BackboneError, match=r"position_embeddings.weight has the shape \(32, 16\), .* wants \(64, 16\)"
    ):
        fetch(model, tmp_path / "out")


def test_folder_refuses_an_encoder_with_missing_weights(model: Path, tmp_path: Path) -> None:
    configure(model, num_hidden_layers=2)
    with pytest.raises(BackboneError, match=r"16 of the encoder's weights are missing, such as encoder.layer.1."):
        fetch(model, tmp_path / "out")


def test_folder_refuses_missing_shards(model: Path, tmp_path: Path) -> None:
    _in_shards(model)
    shard = sorted(model.glob("model-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(BackboneError, match=rf"index.json names {shard.name}, which is missing"):
        fetch(model, tmp_path / "out")


def test_folder_refuses_an_index_that_leads_out_of_it(model: Path, tmp_path: Path) -> None:
    _in_shards(model)
    index = model / "model.safetensors.index.json"
    value = json.loads(index.read_text(encoding="utf-8"))
    value["weight_map"]["pooler.dense.bias"] = "../outside.safetensors"
    index.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(BackboneError, match=r"index.json names ../outside.safetensors, which is missing"):
        fetch(model, tmp_path / "out")


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_folder_refuses_code_of_the_models_own(model: Path, tmp_path: Path, name: str) -> None:
    values = json.loads((model / name).read_text(encoding="utf-8"))
    values["auto_map"] = {"AutoModel": "modeling.Model", "AutoTokenizer": ["tokenization.Tokenizer", None]}
    (model / name).write_text(json.dumps(values), encoding="utf-8")
    (model / "modeling.py").write_text("raise SystemExit('this ran')\n", encoding="utf-8")
    with pytest.raises(BackboneError, match=rf": {name} has auto_map, .*only models whose architecture transformers"):
        fetch(model, tmp_path / "out")


@pytest.mark.parametrize(("content", "message"), [("{", "not JSON"), ("[]", "found a JSON list, wanted an object")])
def test_folder_refuses_a_config_that_is_none(model: Path, tmp_path: Path, content: str, message: str) -> None:
    (model / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(BackboneError, match=rf"config.json: {message}"):
        fetch(model, tmp_path / "out")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "gpt2"}, "a gpt2 model is not a bidirectional encoder"),
        ({"model_type": "bart", "is_encoder_decoder": True}, "a bart model is not a bidirectional encoder"),
        ({"is_decoder": True}, "a bert model is not a bidirectional encoder"),
        ({"model_type": "no-such-thing"}, "transformers cannot load it: .*no-such-thing"),
    ],
)
def test_folder_refuses_what_is_no_encoder(
    model: Path, tmp_path: Path, values: dict[str, object], message: str
) -> None:
    configure(model, **values)
    with pytest.raises(BackboneError, match=message):
        fetch(model, tmp_path / "out")


@pytest.mark.parametrize("extra", [-len(VOCABULARY), 1])
def test_folder_refuses_a_vocabulary_of_another_model(model: Path, tmp_path: Path, extra: int) -> None:
    tokens = VOCABULARY[: len(VOCABULARY) + extra] + ["新"] * (extra == 1)
    (model / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    with pytest.raises(BackboneError, match=rf"the tokenizer has \d+ tokens, the model {len(VOCABULARY)}"):
        fetch(model, tmp_path / "out")


def test_folder_refuses_a_tokenizer_without_offsets(model: Path, tmp_path: Path) -> None:
    tokenize(model, tokenizer_class="BertJapaneseTokenizer", word_tokenizer_type="basic")
    with pytest.raises(
        BackboneError,
        match=r"its tokenizer BertJapaneseTokenizer has no fast version, so no character offsets; .*"
        '"tokenizer_class": "BertTokenizer"',
    ):
        fetch(model, tmp_path / "out")
    tokenize(model, tokenizer_class="BertTokenizer")
    fetch(model, tmp_path / "out2")


# --- the tokenizer's class


def tokenize(folder: Path, **settings: object) -> None:
    """Write the folder's tokenizer_config.json."""
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def reads(folder: Path) -> list[int]:
    """The ids of 去北京 in a backbone's folder."""
    found: list[int] = AutoTokenizer.from_pretrained(folder)("去北京")["input_ids"]
    return found


BERT_IDS = [2, *(VOCABULARY.index(char) for char in "去北京"), 3]


@pytest.mark.parametrize(
    "kind", ["albert", "bert", "distilbert", "electra", "ernie", "modernbert", "deberta", "roberta"]
)
@pytest.mark.parametrize("settings", [None, {}, {"init_inputs": []}, {"tokenizer_class": "BertTokenizerFast"}])
def test_folder_with_a_berts_vocab_txt_is_read_as_such_whatever_the_architecture(
    model: Path, tmp_path: Path, kind: str, settings: dict[str, object] | None
) -> None:
    vocabulary = (model / "vocab.txt").read_bytes()
    architecture(model, kind, vocab_size=len(VOCABULARY))
    (model / "vocab.txt").write_bytes(vocabulary)
    if settings is None:
        (model / "tokenizer_config.json").unlink()
    else:
        tokenize(model, **settings)
    fetch(model, tmp_path / "out")
    assert reads(tmp_path / "out") == BERT_IDS


WRONG = ["Albert", "XLMRoberta", "Roberta", "NoSuch", "Bertweet", "Esm", "MPNet", "RoFormer"]


@pytest.mark.parametrize("name", [*(f"{kind}Tokenizer" for kind in WRONG), "PreTrainedTokenizerFast"])
def test_folder_with_a_wrong_tokenizer_class_says_which_to_write(model: Path, tmp_path: Path, name: str) -> None:
    tokenize(model, tokenizer_class=name)
    advice = 'if vocab.txt is a BERT vocabulary, write "tokenizer_class": "BertTokenizer" in tokenizer_config.json'
    with pytest.raises(BackboneError, match=rf"{name}.*{advice}"):
        fetch(model, tmp_path / "out")
    tokenize(model, tokenizer_class="BertTokenizer")
    fetch(model, tmp_path / "out2")
    assert reads(tmp_path / "out2") == BERT_IDS


@pytest.mark.parametrize("name", ["AlbertTokenizer", "RobertaTokenizer", "BertJapaneseTokenizer", "RoFormerTokenizer"])
def test_folder_with_a_tokenizer_json_of_another_class_says_what_to_write(
    model: Path, tmp_path: Path, name: str
) -> None:
    BertTokenizer.from_pretrained(model).save_pretrained(model)
    grown = AutoModel.from_pretrained(model)
    grown.resize_token_embeddings(len(VOCABULARY) + 10)  # rows that no token has, as in many models
    grown.save_pretrained(model)
    (model / "vocab.txt").unlink()
    settings = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))
    tokenize(model, **(settings | {"tokenizer_class": name}))
    advice = (
        'write "tokenizer_class": "PreTrainedTokenizerFast" in tokenizer_config.json, to use tokenizer.json unchanged'
    )
    with pytest.raises(BackboneError, match=rf"{name}.*{advice}"):
        fetch(model, tmp_path / "out")
    tokenize(model, **(settings | {"tokenizer_class": "PreTrainedTokenizerFast"}))
    fetch(model, tmp_path / "out2")
    assert reads(tmp_path / "out2") == BERT_IDS


def test_folder_with_a_sentencepiece_file_that_cannot_be_converted_here_says_what_to_do(
    model: Path, tmp_path: Path
) -> None:
    architecture(model, "albert")
    (model / "vocab.txt").unlink()
    (model / "tokenizer_config.json").unlink()
    (model / "spiece.model").write_bytes(b"\x0a\x0e\x0a\x05<unk>\x15\x00\x00\x00\x00\x18\x02")
    with pytest.raises(BackboneError, match=r"cannot load its tokenizer AlbertTokenizer: .*; load and save it else"):
        fetch(model, tmp_path / "out")


@pytest.mark.parametrize(
    ("token", "usual"), [("unk_token", '"[UNK]"'), ("pad_token", '"[PAD]"'), ("pad_token", "a token of its vocabulary")]
)
def test_folder_whose_tokenizer_lacks_a_token_says_what_to_write(
    model: Path, tmp_path: Path, token: str, usual: str
) -> None:
    BertTokenizer.from_pretrained(model).save_pretrained(model)
    (model / "vocab.txt").unlink()
    if not usual.startswith('"'):
        path = model / "tokenizer.json"
        path.write_text(path.read_text(encoding="utf-8").replace("[PAD]", "[END]"), encoding="utf-8")
    named = {"unk_token": "[UNK]", "pad_token": "[PAD]"}
    named.pop(token)
    tokenize(model, tokenizer_class="PreTrainedTokenizerFast", **named)
    with pytest.raises(
        BackboneError, match=rf'has the {token} None, .*; write "{token}": with {re.escape(usual)}.* in tok'
    ):
        fetch(model, tmp_path / "out")


@pytest.mark.parametrize("kind", ["convbert", "fnet"])
def test_folder_refuses_an_encoder_whose_texts_would_change_each_other(tmp_path: Path, kind: str) -> None:
    with pytest.raises(
        BackboneError, match=rf"{kind}'s state of a token depends on the padding after it, .*choose anot"
    ):
        fetch(architecture(tmp_path / "model", kind), tmp_path / "out")


@pytest.mark.parametrize("card", ["no front matter", "---\nlicense: [unclosed\n---\n"])
def test_folder_licence_is_unknown_without_a_readable_card(model: Path, tmp_path: Path, card: str) -> None:
    (model / "README.md").write_text(card, encoding="utf-8")
    assert fetch(model, tmp_path / "out")["licence"] == "unknown"


@pytest.mark.parametrize("name", ["./x", "../x", "/no/such/x", "~/no-such-x", "x/", "org/x/"])
def test_fetch_backbone_takes_these_names_for_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BackboneError, match=r"no such folder|no model.safetensors"):
        fetch_backbone(BackboneParams(name=name, revision=None), tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_check_wants_every_file(model: Path, tmp_path: Path, name: str) -> None:
    fetch(model, tmp_path / "out")
    _safety.check(tmp_path / "out", "it")
    (tmp_path / "out" / name).unlink()
    with pytest.raises(BackboneError, match=f"it: {name} is missing"):
        _safety.check(tmp_path / "out", "it")


def test_check_compares_tensors_with_the_config(model: Path, tmp_path: Path) -> None:
    fetch(model, tmp_path / "out")
    restate(tmp_path / "out", lambda state: state | {"extra": torch.zeros(2)})
    with pytest.raises(BackboneError, match=r"tensor extra has the shape \(2,\), config.json requires no such tensor"):
        _safety.check(tmp_path / "out", "it")
    restate(tmp_path / "out", lambda state: {n: t for n, t in state.items() if "word" not in n and n != "extra"})
    with pytest.raises(BackboneError, match=r"word_embeddings.weight has the shape \(none: it is missing\)"):
        _safety.check(tmp_path / "out", "it")
