"""A model folder of a few kilobytes, in the format of models/tagger."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from clue_ner.alignment.aligner import Aligner
from clue_ner.backbones.e5_small import SPECIALS, tokenizer
from clue_ner.common.files import write_checksums
from clue_ner.network.model import TaggerModel
from support.configs import tagger_config

TYPES = ("address", "company", "name")
TAGS = {
    "上": "B-address",
    "海": "I-address",
    "招": "B-company",
    "商": "I-company",
    "银": "I-company",
    "行": "I-company",
    "李": "B-name",
    "雷": "I-name",
    "😀": "B-name",
}
"""What the tagger of ``lexicon=TAGS`` says of a character; all others are outside."""

PIECES = (*SPECIALS, "▁", *TAGS, *"在去了的一人，。０1aA", "我们", "昨天")


def tiny_tagger_folder(
    path: Path,
    head: str = "crf",
    align: str = "characters_over_pieces",
    scheme: str = "BIO",
    types: Sequence[str] = TYPES,
    *,
    window: int = 32,
    overlap: int = 8,
    lexicon: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Path:
    """Save a tagger over a BERT with a vocabulary of ``PIECES`` and random weights.

    With ``lexicon``, the weights are set so that each character gets its tag there, or ``O``, whatever is around it.
    """
    torch.manual_seed(seed)
    bert = BertConfig(
        vocab_size=len(PIECES),
        hidden_size=32,
        num_hidden_layers=1 if lexicon is None else 0,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=window,
        pad_token_id=SPECIALS.index("<pad>"),
        architectures=["BertModel"],
    )
    pieces = tokenizer([(piece, -float(number)) for number, piece in enumerate(PIECES)])
    path.mkdir(parents=True)
    bert.save_pretrained(path)
    pieces.save_pretrained(path)
    Aligner.from_backbone(path, align, window, overlap).tokenizer.save(path)
    config = tagger_config(
        types,
        scheme,
        head=head,
        align=align,
        window=window,
        overlap=overlap,
        context_size=4 if lexicon is None else 0,
    )
    model = TaggerModel(BertModel(bert, add_pooling_layer=False), config)
    if lexicon is not None:
        _teach(model, list(config.tags), lexicon)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path / "model.safetensors")
    config.save(path)
    write_checksums(path)
    return path


def _teach(model: TaggerModel, tags: list[str], lexicon: Mapping[str, str]) -> None:
    """Make the states one-hot by tag, and the head read them off."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "orm.weight" not in name:
                value.zero_()
        words = model.encoder.get_input_embeddings().weight
        for number, piece in enumerate(PIECES):
            words[number, tags.index(lexicon.get(piece, "O"))] = 1
        model.head.linear.weight.copy_(10 * torch.eye(*model.head.linear.weight.shape))
