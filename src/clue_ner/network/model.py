"""The network: a BERT encoder over tokens, units gathered from its states, a head on the units.

Letters: B batch, T tokens, U units, H hidden size, E embedding size. The logits' shape depends on the head.
"""

from typing import Any

from torch import Tensor, nn

from clue_ner.network import heads
from clue_ner.network.units import CharacterContext
from clue_ner.tagger.config import TaggerConfig


class TaggerModel(nn.Module):
    """Token ids in, logits of units out."""

    def __init__(self, encoder: Any, config: TaggerConfig, dropout: float = 0.0) -> None:
        """``dropout``: before the head and in the character layers; the encoder has its own."""
        super().__init__()
        size = encoder.config.hidden_size
        self.encoder = encoder
        embedded = encoder.get_input_embeddings().embedding_dim  # ELECTRA's is not the hidden size
        over_pieces = config.align == "characters_over_pieces"
        self.characters = CharacterContext(size, embedded, config.context_size, dropout) if over_pieces else None
        spec = heads.HeadSpec(size, config.tag_scheme, config.tags, dropout, config.head_params)
        self.head = heads.build(config.head, spec)

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
        """The head's logits, from the columns of ``alignment.windows.INPUTS``.

        - ``input_ids``, ``attention_mask`` [B, T]: tokens, and 1 where there is one
        - ``unit_tokens`` [B, U]: the index of each unit's token
        - ``unit_characters``, ``unit_places``, ``unit_lengths`` [B, U]: see ``Row``
        - ``unit_mask`` [B, U], bool: true for units, which come first
        """
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # [B, T, H]
        units = states.gather(1, unit_tokens[..., None].expand(-1, -1, states.shape[-1]))  # [B, U, H]
        if self.characters is not None:
            embedded = self.encoder.get_input_embeddings()(unit_characters)  # [B, U, E]
            units = self.characters(units, embedded, unit_places, unit_lengths, unit_mask)  # [B, U, H]
        logits: Tensor = self.head(units)  # [B, U, …] or [B, …, U, U]: see the head
        return logits

    def encoder_parameters(self) -> set[str]:
        """Names of the parameters that were pretrained."""
        return {name for name, _ in self.named_parameters() if name.startswith("encoder.")}
