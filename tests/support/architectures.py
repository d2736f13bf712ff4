"""Random encoders of two layers, one for each of several architectures, as folders from which a backbone is fetched."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel

from support.tiny_backbones import CHARACTERS

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(CHARACTERS)]
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 70,
}
OWN: dict[str, dict[str, Any]] = {
    "albert": SIZES | {"embedding_size": 16},
    "bert": SIZES,
    "camembert": SIZES,
    "convbert": SIZES | {"embedding_size": 16},
    "deberta": SIZES | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False},
    "deberta-v2": SIZES | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "norm_rel_ebd": "layer_norm"},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": 70},
    "electra": SIZES | {"embedding_size": 16},
    "ernie": SIZES,
    "eurobert": SIZES | {"num_key_value_heads": 2, "head_dim": 16, "bos_token_id": 2, "eos_token_id": 3},
    "flaubert": {"emb_dim": 32, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 70, "pad_index": 0},
    "fnet": SIZES,
    "funnel": {"d_model": 32, "block_sizes": [1, 1], "n_head": 2, "d_head": 16, "d_inner": 48, "num_decoder_layers": 1}
    | {"architectures": ["FunnelModel"]},
    "longformer": SIZES | {"attention_window": [8, 8], "max_position_embeddings": 80},
    "megatron-bert": SIZES,
    "modernbert": SIZES | {"global_attn_every_n_layers": 2, "bos_token_id": 2, "eos_token_id": 3},
    "mpnet": SIZES,
    "mra": SIZES,
    "nystromformer": SIZES,
    "rembert": SIZES | {"input_embedding_size": 16},
    "roberta": SIZES,
    "roberta-prelayernorm": SIZES,
    "roformer": SIZES | {"embedding_size": 16},
    "xlm": {"emb_dim": 32, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 70, "pad_index": 0},
}
"""The configuration of each architecture by its ``model_type``, in its own words."""


def architecture(folder: Path, kind: str, **values: Any) -> Path:
    """Save a random encoder of ``kind`` with a vocabulary of characters; ``values`` change its configuration."""
    torch.manual_seed(0)
    own = {"vocab_size": len(VOCABULARY), "pad_token_id": 0, **OWN[kind], **values}
    AutoModel.from_config(AutoConfig.for_model(kind, **own)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    settings = {"do_lower_case": False, "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def byte_level(folder: Path, size: int = 300, **values: Any) -> Path:
    """Save a random RoBERTa with ``size`` tokens of a byte-level BPE; ``values`` are of its tokenizer_config.json."""
    from tokenizers import ByteLevelBPETokenizer

    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    learned = ByteLevelBPETokenizer()
    texts = [CHARACTERS[i : i + 9] for i in range(len(CHARACTERS))]
    learned.train_from_iterator(texts, size, min_frequency=1, show_progress=False, special_tokens=specials)
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    architecture(folder, "roberta", vocab_size=learned.get_vocab_size(), **ids)
    (folder / "vocab.txt").unlink()
    learned.save_model(str(folder))
    (folder / "tokenizer_config.json").write_text(json.dumps(values), encoding="utf-8")
    return folder
