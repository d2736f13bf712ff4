"""The network: a BERT encoder over tokens, units gathered from its states, a head on the units.

Letters: B batch, T tokens, U units, H hidden size, L labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from clue_ner.alignment.aligner import MAX_PLACE
from clue_ner.core.schemes import SCHEMES
from clue_ner.network import heads

INPUTS = ("input_ids", "attention_mask", "unit_tokens", "unit_characters", "unit_places", "unit_lengths", "unit_mask")
"""What ``TaggerModel.forward`` takes, in this order."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """All that the network's shape depends on, beside the encoder's own config."""

    head: str
    align: str
    scheme: str
    tags: tuple[str, ...]
    context_size: int
    dropout: float = 0.0
    head_options: Mapping[str, Any] = field(default_factory=dict)
    """the fields of a HeadSpec that are parameters of the head"""


class TaggerModel(nn.Module):
    """Token ids in, logits of units out."""

    def __init__(self, encoder: Any, spec: ModelSpec) -> None:
        super().__init__()
        size = encoder.config.hidden_size
        self.encoder = encoder
        embedded = encoder.get_input_embeddings().embedding_dim
        self.characters = CharacterContext(size, embedded, spec) if spec.align == "characters_over_pieces" else None
        scheme, tags = SCHEMES[spec.scheme], tuple(spec.tags)
        self.head = heads.build(spec.head, heads.HeadSpec(size, scheme, tags, spec.dropout, **spec.head_options))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        unit_tokens: Tensor,
        unit_characters: Tensor,
        unit_places: Tensor,
        unit_lengths: Tensor,
        unit_mask: Tensor,
    ) -> Tensor:
        """The head's logits from tokens [B, T] and, for each unit [B, U], its token's index and its character."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        units = states.gather(1, unit_tokens[..., None].expand(-1, -1, states.shape[-1]))
        if self.characters is not None:
            embedded = self.encoder.get_input_embeddings()(unit_characters)
            units = self.characters(units, embedded, unit_places, unit_lengths, unit_mask)
        logits: Tensor = self.head(units)
        return logits

    def encoder_parameters(self) -> set[str]:
        """Names of the parameters that were pretrained."""
        return {name for name, _ in self.named_parameters() if name.startswith("encoder.")}


class CharacterContext(nn.Module):
    """Characters over pieces: a piece's state at each of its characters, told apart and then read in order.

    Adds the character's own embedding, its place in the piece and the piece's length, then a BiLSTM with a residual.
    """

    def __init__(self, size: int, embedded: int, spec: ModelSpec) -> None:
        super().__init__()
        self.widen = nn.Linear(embedded, size) if embedded != size else nn.Identity()  # ELECTRA's are narrower
        self.places = nn.Embedding(MAX_PLACE + 1, size)
        self.lengths = nn.Embedding(MAX_PLACE + 1, size)
        for table in (self.places, self.lengths):
            nn.init.normal_(table.weight, std=0.02)
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(spec.dropout)
        self.context = BiLSTM(size, spec.context_size) if spec.context_size else None

    def forward(self, states: Tensor, embedded: Tensor, places: Tensor, lengths: Tensor, mask: Tensor) -> Tensor:
        """States [B, U, H] of the units' pieces and embeddings [B, U, E] of their characters to states [B, U, H]."""
        units: Tensor = self.dropout(
            self.norm(states + self.widen(embedded) + self.places(places) + self.lengths(lengths))
        )
        return units if self.context is None else units + self.context(units, mask)


class BiLSTM(nn.Module):
    """Two LSTMs, one over each sequence reversed within its own length, so padding changes nothing."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.forwards = nn.LSTM(size, hidden, batch_first=True)
        self.backwards = nn.LSTM(size, hidden, batch_first=True)
        self.project = nn.Linear(2 * hidden, size)

    def forward(self, units: Tensor, mask: Tensor) -> Tensor:
        """Units [B, U, H] with ``mask`` [B, U], true first, to [B, U, H]."""
        positions = torch.arange(units.shape[1], device=units.device)
        mirrored = mask.sum(-1, keepdim=True) - 1 - positions
        order = torch.where(mirrored >= 0, mirrored, positions)[..., None]
        ahead, _ = self.forwards(units)
        back, _ = self.backwards(units.gather(1, order.expand_as(units)))
        back = back.gather(1, order.expand_as(back))
        projected: Tensor = self.project(torch.cat([ahead, back], dim=-1))
        return projected


def load_encoder(folder: Path, **overrides: Any) -> Any:
    """The pretrained encoder in ``folder``, float32; raises what transformers raises for damaged files."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    for name, value in overrides.items():
        setattr(config, name, value)
    kinds = {"add_pooling_layer": False} if config.model_type in ("bert", "roberta", "xlm-roberta", "ernie") else {}
    return AutoModel.from_pretrained(
        folder, config=config, local_files_only=True, use_safetensors=True, dtype=torch.float32, **kinds
    )


def new_encoder(folder: Path) -> Any:
    """An encoder of the shape in ``folder``'s config.json, its weights still to be loaded."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    kinds = {"add_pooling_layer": False} if config.model_type in ("bert", "roberta", "xlm-roberta", "ernie") else {}
    return AutoModel.from_config(config, **kinds)


def collate(rows: Sequence[Mapping[str, Any]], pad_id: int, types: Sequence[str] = ()) -> dict[str, Tensor]:
    """Rows as one padded batch: token columns [B, T], unit columns [B, U], masks true where there is something.

    With ``types``, also entities [B, E, 3]: start, end and the type's index, which is -1 where a row has fewer.
    """
    batch = {"input_ids": _padded([row["input_ids"] for row in rows], pad_id)}
    batch["attention_mask"] = _padded([[1] * len(row["input_ids"]) for row in rows], 0)
    for column in ("unit_tokens", "unit_characters", "unit_places", "unit_lengths", "labels"):
        if column in rows[0]:
            batch[column] = _padded([row[column] for row in rows], 0)
    batch["unit_mask"] = _padded([[1] * len(row["unit_tokens"]) for row in rows], 0).bool()
    if types:
        found = [[(e["start"], e["end"], types.index(e["type"])) for e in row["entities"]] for row in rows]
        batch["entities"] = pad_sequence([torch.tensor(e, dtype=torch.long).view(-1, 3) for e in found], True, -1)
    return batch


def _padded(lists: list[list[int]], value: int) -> Tensor:
    return pad_sequence([torch.tensor(items, dtype=torch.long) for items in lists], True, value)
