"""A tokenizer that makes every character one token, with the vocabulary of another tokenizer."""

from typing import Any

from tokenizers import Regex, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Backend

from clue_ner.alignment.tokenizer import SPECIALS, Tokenizer

WORDPIECE_CONTINUATION = "##"
METASPACE = "▁"
COMMON = "的一是不了在人有我他这中大来上国个到说们"
"""The most frequent characters of Chinese texts."""


def character_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    """A copy of ``tokenizer`` that splits at every character.

    The ids are those of the original vocabulary, so the pretrained embeddings fit. A character that the vocabulary only
    has at the beginning of a word (``▁x``) or inside one (``##x``) uses that entry; any other character is unknown.
    Whitespace and control characters are tokens as well, so no character is lost.
    """
    original = tokenizer.backend
    backend = Backend(models.WordLevel(_vocabulary(tokenizer.vocabulary()), unk_token=tokenizer.unk_token))
    steps: list[Any] = [normalizers.Replace(Regex(r"[\p{Cc}\p{Cf}\p{Z}]"), " ")]
    if _normalises(original, "１", "1"):
        steps.append(normalizers.NFKC())
    if _normalises(original, "A", "a"):
        steps.append(normalizers.Lowercase())
    backend.normalizer = normalizers.Sequence(steps)
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.post_processor = original.post_processor
    specials = {name: token for name in SPECIALS if (token := tokenizer.special(name)) is not None}
    backend.add_special_tokens(list(dict.fromkeys(specials.values())))
    kept = {key: value for key, value in tokenizer.settings.items() if key == "model_max_length"}
    return Tokenizer(backend, {"backend": "tokenizers", "tokenizer_class": "TokenizersBackend", **kept, **specials})


def without_characters(tokenizer: Tokenizer, characters: Tokenizer) -> str | None:
    """An example, a character and its tokens, if most of ``COMMON`` are unknown to ``characters``; else None.

    ``characters`` is the ``character_tokenizer`` of ``tokenizer``. Characters that are unknown to both are not
    counted.
    """
    pairs = zip(COMMON, tokenizer.encode(COMMON), characters.encode(COMMON))
    known = [(char, own.tokens, by_char.ids) for char, own, by_char in pairs if tokenizer.unk_id not in own.ids]
    lost = [f"{char} is {' '.join(tokens)}" for char, tokens, ids in known if characters.unk_id in ids]
    return lost[0] if len(lost) > len(known) / 2 else None


def _vocabulary(vocabulary: dict[str, int]) -> dict[str, int]:
    short = (piece for piece in vocabulary if len(piece) <= 1 + len(WORDPIECE_CONTINUATION))
    for piece in sorted(short):
        for mark in (METASPACE, WORDPIECE_CONTINUATION):
            character = piece.removeprefix(mark)
            if len(character) == 1 and character != piece and character not in vocabulary:
                vocabulary[character] = vocabulary.pop(piece)
    if METASPACE in vocabulary and " " not in vocabulary:
        vocabulary[" "] = vocabulary.pop(METASPACE)
    return vocabulary


def _normalises(backend: Backend, text: str, to: str) -> bool:
    return backend.normalizer is not None and backend.normalizer.normalize_str(text).strip() == to
