"""Text in, entities out: windows, model, decoding, character offsets. The one path for users and for scores."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clue_ner.alignment.aligner import Aligner, Window, load_tokenizer, merge
from clue_ner.common.errors import ArtifactError
from clue_ner.core.entities import Entity, likeliest_apart
from clue_ner.core.files import MEND, read_json, verify_checksums
from clue_ner.core.schemes import SCHEMES
from clue_ner.network.config_checks import read_config, refuse_sizes
from clue_ner.network.heads import Decoded, reads_tags
from clue_ner.network.heads._base import Scored
from clue_ner.network.model import INPUTS, ModelSpec, TaggerModel, collate, new_encoder
from clue_ner.runtimes.onnx import RUNTIMES, Scorer, graph, scorer

FORMAT = 1
CARD = "tagger.json"
CHUNK = 1024
"""Texts that are tokenised and sorted by length together, at most."""
CHUNK_CHARACTERS = 2**20
"""With so many characters, a chunk is full before it has ``CHUNK`` texts."""
TOKENS = 512
"""With so many tokens, padding included, a batch is full on a processor: states stay in its cache."""
CELLS = 2**22
"""With so many scores a type, a batch is full: heads that score every span need memory by the square of the units."""


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
        self.flat = reads_tags(card["head"]) or card.get("flat", False)
        """Whether entities never overlap."""
        self._score = scorer or self._torch_scores

    @classmethod
    def load(cls, folder: str | Path, runtime: str = "torch", threads: int | None = None) -> "Tagger":
        """Read a folder that fine_tune or export wrote; its checksums are compared first.

        ``runtime`` is where logits come from: torch, onnx or int8; the last two want models/export. ``threads``
        compute them, by default as many as torch takes; for torch, the number holds for all of the process.

        Raises ArtifactError if the folder is no model of this project, or damaged, or without the runtime's graph.
        """
        from safetensors.torch import load_file

        if runtime not in RUNTIMES:
            raise ValueError(f"runtime {runtime!r}: there are {', '.join(RUNTIMES)}")
        folder = model_folder(Path(folder))
        path = None if runtime == "torch" else graph(folder, runtime)
        card = read_json(folder / CARD)
        if (found := card.get("format") if isinstance(card, dict) else None) != FORMAT:
            raise ArtifactError(f"{folder / CARD}: format {found!r}, wanted {FORMAT}; train it again")
        verify_checksums(folder, f"in a repository {MEND}; elsewhere fetch it again")
        weights = folder / "model.safetensors"
        try:
            read_config(folder / "tokenizer_config.json")
            refuse_sizes(
                read_config(folder / "config.json"),
                [weights],
                lambda: TaggerModel(new_encoder(folder), model_spec(card)),
            )
        except Exception as error:  # transformers and the heads raise whatever their parts do on what is no model
            raise ArtifactError(
                f"{folder}: no model that can be built ({error}); fetch it again, or train one"
            ) from None
        model = TaggerModel(new_encoder(folder), model_spec(card))
        try:
            model.load_state_dict(load_file(weights))
        except RuntimeError as error:
            raise ArtifactError(f"{weights}: not the weights that {CARD} describes ({error}); train it again") from None
        aligner = Aligner(load_tokenizer(folder), card["align"], card["window"], card["overlap"])
        if path is not None:
            return cls(model, aligner, card, scorer(path, threads or torch.get_num_threads()))
        if threads is not None:
            torch.set_num_threads(threads)
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
        in_order = [windows[text][number] for text, number in places]
        for start, end in self._batches(in_order, batch_size):
            decoded.update(zip(places[start:end], self._decode(in_order[start:end])))
        for text, of_text in enumerate(windows):
            read = [(window, decoded[text, number]) for number, window in enumerate(of_text)]
            yield Reading(
                self._merged((window, _entities(window, found.entities)) for window, found in read),
                self._merged((window, _entities(window, found.strict)) for window, found in read),
            )

    def _merged(self, windows: Iterable[tuple[Window, Iterable[Entity]]]) -> tuple[Entity, ...]:
        merged = merge(windows)
        return likeliest_apart(merged) if self.flat else merged

    def _batches(self, windows: list[Window], batch_size: int) -> Iterator[tuple[int, int]]:
        """Stretches [start, end) of ``windows`` to decode together: at most ``batch_size``, less if they are long.

        ``windows`` are sorted by their tokens.
        """
        start, longest = 0, 0
        limit = TOKENS if self._device().type == "cpu" else math.inf
        for end, window in enumerate(windows):
            longest = max(longest, len(window.unit_starts))
            size = end - start + 1
            cells = size * longest ** len(self.model.head.unit_axes)
            if size > 1 and (size > batch_size or size * len(window.input_ids) > limit or cells > CELLS):
                yield start, end
                start, longest = end, len(window.unit_starts)
        if windows:
            yield start, len(windows)

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
        device = self._device()
        logits: Tensor = self.model(**{name: batch[name].to(device) for name in INPUTS})
        return logits.cpu()

    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


def model_folder(folder: Path) -> Path:
    """Where the model in ``folder`` is: there, or in ``tagger`` as export writes it; ArtifactError if nowhere."""
    for place in (folder, folder / "tagger"):
        if (place / CARD).is_file():
            return place
    raise ArtifactError(
        f"{folder}: no model (wanted {CARD} there, as `dvc repro` and `make demo` write); "
        "name another folder, or train one"
    )


def _entities(window: Window, found: list[Scored]) -> Iterator[Entity]:
    """Entities on units as entities of the text."""
    for start, end, type_, score in found:
        if (entity := window.entity(start, end, type_, score)) is not None:
            yield entity


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
    tags, options = tuple(card["tags"]), card.get("head_options", {})
    return ModelSpec(card["head"], card["align"], card["scheme"], tags, card["context_size"], dropout, options)
