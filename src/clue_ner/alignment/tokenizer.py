"""A fast tokenizer with the ids of its padding, unknown and special tokens.

Only the library ``tokenizers`` is used. The files are those of transformers: ``tokenizer.json`` and
``tokenizer_config.json``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Encoding
from tokenizers import Tokenizer as Backend

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import ADVICE, read_json, write_json

FILE, SETTINGS = FILES = "tokenizer.json", "tokenizer_config.json"
SPECIALS = ("unk_token", "pad_token", "cls_token", "sep_token", "mask_token", "bos_token", "eos_token")
"""Keys of ``tokenizer_config.json`` that name special tokens."""


class Tokenizer:
    """Turns texts into tokens with character offsets; a special token's name in a text is read as plain characters."""

    def __init__(self, backend: Backend, settings: Mapping[str, Any]) -> None:
        """``settings`` is the content of ``tokenizer_config.json``."""
        backend.no_padding()
        backend.no_truncation()
        backend.encode_special_tokens = True
        self.backend, self.settings = backend, dict(settings)
        self.unk_token = self.special("unk_token")
        self.unk_id, self.pad_id = (self._id(name) for name in ("unk_token", "pad_token"))
        sample = backend.encode("一")
        ids, special = sample.ids, sample.special_tokens_mask
        if 0 not in special:
            raise ArtifactError(
                f"{FILE}: no token for the character 一, wanted one for any character; choose another backbone"
            )
        first, last = special.index(0), len(special) - special[::-1].index(0)
        self.before, self.after = ids[:first], ids[last:]
        """the special token ids before and after each window"""

    @classmethod
    def load(cls, folder: Path) -> "Tokenizer":
        """Read the tokenizer's two files; raises ArtifactError if one is missing or damaged."""
        if not (folder / FILE).is_file():
            raise ArtifactError(f"{folder}: no {FILE}; wanted a folder that `dvc repro` made")
        try:
            backend = Backend.from_file(str(folder / FILE))
        except Exception as error:  # the library raises plain Exceptions
            raise ArtifactError(f"{folder / FILE}: cannot be read as a tokenizer ({error})") from None
        settings = read_json(folder / SETTINGS)
        if not isinstance(settings, dict):
            raise ArtifactError(
                f"{folder / SETTINGS}: found a JSON {type(settings).__name__}, wanted an object; {ADVICE}"
            )
        return cls(backend, settings)

    def save(self, folder: Path) -> None:
        """Write the two files into ``folder``, which is created; stock transformers can read them too."""
        folder.mkdir(parents=True, exist_ok=True)
        self.backend.save(str(folder / FILE))
        write_json(folder / SETTINGS, self.settings | {"split_special_tokens": True})

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """The tokens of each text, without special tokens around it."""
        found: list[Encoding] = self.backend.encode_batch(list(texts), add_special_tokens=False)
        return found

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The tokens with these ids."""
        return [str(self.backend.id_to_token(i)) for i in ids]

    def vocabulary(self) -> dict[str, int]:
        """Every token and its id."""
        return dict(self.backend.get_vocab())

    def special(self, name: str) -> str | None:
        """The special token that ``settings`` has under ``name``, one of ``SPECIALS``; None if there is none."""
        value = self.settings.get(name)
        if isinstance(value, dict):
            value = value.get("content")
        return value if isinstance(value, str) else None

    def _id(self, name: str) -> int:
        token = self.special(name)
        found = None if token is None else self.backend.token_to_id(token)
        if found is None:
            raise ArtifactError(
                f"{SETTINGS}: {name} is {token!r}, wanted a token of {FILE}; write one there in the "
                "backbone's folder, or choose another backbone"
            )
        return int(found)
