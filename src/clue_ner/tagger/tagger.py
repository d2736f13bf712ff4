"""Text in, entities out: windows, logits, decoding, character offsets. The one path for users and for scores."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.batch import Batch, collate
from clue_ner.alignment.tokenizer import Tokenizer
from clue_ner.alignment.windows import Window, merge
from clue_ner.common.files import ADVICE, verify_checksums
from clue_ner.core import plugins
from clue_ner.core.entities import Entity, resolve_overlaps
from clue_ner.tagger import decoding
from clue_ner.tagger.config import TaggerConfig, model_folder
from clue_ner.tagger.decoding import Decoded, DecoderSpec
from clue_ner.tagger.decoding._base import Floats, Scored

RUNTIMES = "clue_ner.runtimes"
WEIGHTS = "model.safetensors"
CHUNK = 1024
"""Texts that are tokenised and sorted by length together, at most."""
CHUNK_CHARACTERS = 2**20
"""With this many characters, a chunk is full before it has ``CHUNK`` texts."""
TOKENS = 512
"""With this many tokens, padding included, a batch is full on a CPU: states stay in its cache."""
CELLS = 2**22
"""With this many scores a type, a batch is full: heads that score every span need memory by the square of the units."""


class Runtime(Protocol):
    """What computes the head's logits of a batch, as ``collate`` makes it; a function on NumPy arrays."""

    @property
    def batch_tokens(self) -> float:
        """With this many tokens, padding included, a batch is full."""

    def __call__(self, batch: Batch, /) -> Floats:
        """Logits whose axis 0 is the batch, float32."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The entities of a text: ``entities`` as the user gets them, ``strict`` without those that break the scheme."""

    entities: tuple[Entity, ...]
    strict: tuple[Entity, ...]


class Tagger:
    """A trained model, ready for texts."""

    def __init__(
        self, config: TaggerConfig, aligner: Aligner, runtime: Runtime, weights: Mapping[str, NDArray[Any]]
    ) -> None:
        """``weights`` are the parameters of the head that its decoder reads: see ``decoding.read_weights``."""
        self.config, self.aligner, self.runtime, self.weights = config, aligner, runtime, weights
        self.decoder = decoding.build(
            config.head, DecoderSpec(config.tag_scheme, config.tags, config.head_params, weights)
        )

    @classmethod
    def load(cls, folder: str | Path, runtime: str = "torch", threads: int | None = None) -> "Tagger":
        """Read a folder that fine_tune or export wrote; its checksums are compared first.

        ``runtime`` is where logits come from: torch, onnx or int8; the last two want models/export. ``threads``
        compute them, by default as many as there are cores; for torch, the number holds for all of the process.

        Raises ArtifactError if the folder is no model of this project, or damaged, or without the runtime's graph;
        ValueError for an unknown runtime.
        """
        if runtime not in (there := plugins.names(RUNTIMES)):
            raise ValueError(f"runtime {runtime!r}: there are {', '.join(there)}")
        folder = model_folder(Path(folder))
        config = TaggerConfig.load(folder)
        verify_checksums(folder, f"in a repository {ADVICE}; elsewhere fetch it again")
        logits: Runtime = plugins.load(RUNTIMES, runtime, "runtime").load(folder, config, threads)
        return cls(config, load_aligner(folder, config), logits, decoding.read_weights(config.head, folder / WEIGHTS))

    def using(self, runtime: Runtime) -> "Tagger":
        """The same tagger with its logits from elsewhere, such as an ONNX session."""
        return Tagger(self.config, self.aligner, runtime, self.weights)

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
        return resolve_overlaps(merged) if self.config.is_flat else merged

    def _batches(self, windows: list[Window], batch_size: int) -> Iterator[tuple[int, int]]:
        """Stretches [start, end) of ``windows`` to decode together: at most ``batch_size``, less if they are long.

        ``windows`` are sorted by their tokens.
        """
        start, longest = 0, 0
        for end, window in enumerate(windows):
            longest = max(longest, len(window.unit_starts))
            size = end - start + 1
            cells = size * longest ** len(self.decoder.unit_axes)
            tokens = size * len(window.input_ids)
            if size > 1 and (size > batch_size or tokens > self.runtime.batch_tokens or cells > CELLS):
                yield start, end
                start, longest = end, len(window.unit_starts)
        if windows:
            yield start, len(windows)

    def _decode(self, windows: list[Window]) -> list[Decoded]:
        batch = collate(windows, self.aligner.tokenizer.pad_id)
        return self.decoder.decode(self.runtime(batch), np.array([len(window.unit_starts) for window in windows]))


def load_aligner(folder: Path, config: TaggerConfig) -> Aligner:
    """The aligner of the model in ``folder``."""
    return Aligner(Tokenizer.load(folder), config.align, config.window, config.overlap)


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
