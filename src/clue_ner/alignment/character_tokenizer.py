"""A tokenizer that makes every character a token of its own, over the vocabulary of another one."""

from typing import Any

WORDPIECE_CONTINUATION = "##"
METASPACE = "▁"


def character_tokenizer(tokenizer: Any) -> Any:
    """The fast tokenizer ``tokenizer`` turned into one that splits at every character.

    Ids stay those of the original vocabulary, so the pretrained embeddings fit. A character that the vocabulary only
    has at the beginning of a word (``▁x``) or inside one (``##x``) takes that entry; any other one is unknown.
    Whitespace and control characters are tokens as well: nothing disappears.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    original = tokenizer.backend_tokenizer
    backend = Tokenizer(models.WordLevel(_vocabulary(tokenizer), unk_token=tokenizer.unk_token))
    steps: list[Any] = [normalizers.Replace(Regex(r"[\p{Cc}\p{Cf}\p{Z}]"), " ")]
    if _normalises(original, "１", "1"):
        steps.append(normalizers.NFKC())
    if _normalises(original, "A", "a"):
        steps.append(normalizers.Lowercase())
    backend.normalizer = normalizers.Sequence(steps)
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.post_processor = original.post_processor
    specials = ("unk_token", "pad_token", "cls_token", "sep_token", "mask_token", "bos_token", "eos_token")
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=tokenizer.model_max_length,
        split_special_tokens=True,
        **{name: value for name in specials if (value := getattr(tokenizer, name, None)) is not None},
    )


def _vocabulary(tokenizer: Any) -> dict[str, int]:
    vocabulary: dict[str, int] = dict(tokenizer.get_vocab())
    for piece in sorted(vocabulary):
        for mark in (METASPACE, WORDPIECE_CONTINUATION):
            character = piece.removeprefix(mark)
            if len(character) == 1 and character != piece and character not in vocabulary:
                vocabulary[character] = vocabulary.pop(piece)
    if METASPACE in vocabulary and " " not in vocabulary:
        vocabulary[" "] = vocabulary.pop(METASPACE)
    return vocabulary


def _normalises(backend: Any, text: str, to: str) -> bool:
    return backend.normalizer is not None and backend.normalizer.normalize_str(text).strip() == to
