"""Text in, entities out: windows, model, decoding, character offsets. The one path for users and for scores."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clue_ner.artifacts import MEND, read_json, verify_checksums
from clue_ner.entities import Entity
from clue_ner.errors import ArtifactError
from clue_ner.heads._contract import Decoded
from clue_ner.model import INPUTS, ModelSpec, TaggerModel, collate, new_encoder
from clue_ner.schemes import SCHEMES, Span
from clue_ner.tagging.align import Aligner, Window, load_tokenizer, merge

FORMAT = 1
CARD = "tagger.json"
CHUNK = 1024
"""Texts that are tokenised and sorted by length together, at most."""
CHUNK_CHARACTERS = 2**20
"""With so many characters, a chunk is full before it has ``CHUNK`` texts."""

Scorer = Callable[[dict[str, Tensor]], Tensor]
"""Logits [B, U, L] of a batch as ``collate`` makes it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The entities of a text: ``entities`` as the user gets them, ``strict`` without those that break the scheme."""

    entities: tuple[Entity, ...]
    strict: tuple[Entity, ...]


class Tagger:
    """A trained model, ready for texts."""

    def __init__(
        self, model: TaggerModel, aligner: Aligner, card: dict[str, Any], scorer: Scorer | None = None
    ) -> None:
        self.model, self.aligner, self.card = model.eval(), aligner, card
        self.scheme = SCHEMES[card["scheme"]]
        self._score = scorer or self._torch_scores

    @classmethod
    def load(cls, folder: str | Path) -> "Tagger":
        """Read a folder that fine_tune or export wrote; its checksums are compared first.

        Raises ArtifactError if the folder is no model of this project, or damaged.
        """
        from safetensors.torch import load_file

        folder = Path(folder)
        if not (folder / CARD).is_file() and (folder / "tagger" / CARD).is_file():
            folder = folder / "tagger"
        if not (folder / CARD).is_file():
            raise ArtifactError(
                f"{folder}: no model (wanted {CARD} there, as `dvc repro` and `make demo` write); "
                "name another folder, or train one"
            )
        card = read_json(folder / CARD)
        if (found := card.get("format") if isinstance(card, dict) else None) != FORMAT:
            raise ArtifactError(f"{folder / CARD}: format {found!r}, wanted {FORMAT}; train it again")
        verify_checksums(folder, f"in a repository {MEND}; elsewhere fetch it again")
        model = TaggerModel(new_encoder(folder), model_spec(card))
        try:
            model.load_state_dict(load_file(folder / "model.safetensors"))
        except RuntimeError as error:
            raise ArtifactError(
                f"{folder / 'model.safetensors'}: not the weights that {CARD} describes ({error}); train it again"
            ) from None
        aligner = Aligner(load_tokenizer(folder), card["align"], card["window"], card["overlap"])
        return cls(model, aligner, card)

    def using(self, scorer: Scorer) -> "Tagger":
        """The same tagger with its logits from elsewhere, such as an ONNX session."""
        return Tagger(self.model, self.aligner, self.card, scorer)

    def tag(self, texts: Sequence[str], batch_size: int = 64) -> list[list[Entity]]:
        """The entities of each text, in order, with scores from 0 to 1; offsets are code points, end exclusive."""
        return [list(reading.entities) for reading in self.read(texts, batch_size)]

    def read(self, texts: Iterable[str], batch_size: int = 64) -> Iterator[Reading]:
        """The reading of each text, in order, while more texts come in: a chunk at a time.

        Raises TypeError for one text that is not in a list: its characters would be taken for texts.
        """
        if isinstance(texts, str):
            raise TypeError("wanted several texts, found one str; give [text]")
        for chunk in _chunks(texts):
            yield from self._read_chunk(chunk, batch_size)

    def _read_chunk(self, texts: list[str], batch_size: int) -> Iterator[Reading]:
        windows = list(self.aligner.windows(texts))
        places = [(text, number) for text, of_text in enumerate(windows) for number in range(len(of_text))]
        places.sort(key=lambda place: len(windows[place[0]][place[1]].input_ids))
        decoded: dict[tuple[int, int], Decoded] = {}
        for at in range(0, len(places), batch_size):
            batch = places[at : at + batch_size]
            decoded.update(zip(batch, self._decode([windows[text][number] for text, number in batch])))
        for text, of_text in enumerate(windows):
            read = [(window, decoded[text, number]) for number, window in enumerate(of_text)]
            yield Reading(
                merge((window, self._entities(window, d, self.scheme.decode_lenient(d.tags))) for window, d in read),
                merge((window, self._entities(window, d, self.scheme.decode(d.tags))) for window, d in read),
            )

    def _decode(self, windows: list[Window]) -> list[Decoded]:
        rows = [
            {
                "input_ids": window.input_ids,
                "unit_tokens": window.unit_tokens,
                "unit_characters": window.unit_characters,
                "unit_places": window.unit_places,
                "unit_lengths": window.unit_lengths,
            }
            for window in windows
        ]
        batch = collate(rows, self.aligner.tokenizer.pad_token_id)
        return self.model.head.decode(self._score(batch), batch["unit_mask"])

    @torch.inference_mode()
    def _torch_scores(self, batch: dict[str, Tensor]) -> Tensor:
        device = next(self.model.parameters()).device
        logits: Tensor = self.model(**{name: batch[name].to(device) for name in INPUTS})
        return logits.cpu()

    @staticmethod
    def _entities(window: Window, decoded: Decoded, spans: Iterable[Span]) -> Iterator[Entity]:
        """Spans of units as entities; an entity's score is the mean of its units'."""
        for start, end, type_ in spans:
            entity = window.entity(start, end, type_)
            if entity is not None:
                yield replace(entity, score=sum(decoded.scores[start:end]) / (end - start))


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in chunks of at most ``CHUNK``, which end with the text that makes ``CHUNK_CHARACTERS`` full."""
    chunk: list[str] = []
    characters = 0
    for text in texts:
        chunk.append(text)
        characters += len(text)
        if len(chunk) == CHUNK or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def model_spec(card: dict[str, Any], dropout: float = 0.0) -> ModelSpec:
    """The network's shape as a model card of this project (``tagger.json``) says it."""
    return ModelSpec(card["head"], card["align"], card["scheme"], tuple(card["tags"]), card["context_size"], dropout)
