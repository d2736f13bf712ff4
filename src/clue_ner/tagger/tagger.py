"""From text to entities: windows, logits, decoding, character offsets. Used by users and for all scores."""

import importlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.batch import Batch, collate
from clue_ner.alignment.tokenizer import FILES as TOKENIZER_FILES
from clue_ner.alignment.tokenizer import Tokenizer
from clue_ner.alignment.windows import Window, merge
from clue_ner.common.extras import explained
from clue_ner.common.files import ADVICE, verify_checksums
from clue_ner.common.paths import is_registry_name, repository
from clue_ner.core import device as devices
from clue_ner.core import plugins
from clue_ner.core.entities import Entity, resolve_overlaps
from clue_ner.tagger import decoding
from clue_ner.tagger.config import FILE, TaggerConfig
from clue_ner.tagger.decoding import Decoded, DecoderSpec
from clue_ner.tagger.decoding._base import Floats, Scored
from clue_ner.tagger.model_files import WEIGHTS, find_graph, model_folder

RUNTIMES, REGISTRY = "clue_ner.runtimes", "clue_ner.tracking.model_registry"
"""Imported by name only if a model needs them, because they import libraries that tagging does not need."""
AUTO = "auto"
CHUNK = 1024
"""Maximum number of texts that are tokenised and sorted by length together."""
CHUNK_CHARACTERS = 2**20
"""With this many characters, a chunk is full even if it has fewer than ``CHUNK`` texts."""
TOKENS = 512
"""With this many tokens, padding included, a batch is full on a CPU, so that the states stay in its cache."""
CELLS = 2**22
"""With this many scores per type, a batch is full: heads that score every span need memory quadratic in units."""


class Runtime(Protocol):
    """Computes the head's logits of a batch from ``collate``; a function on NumPy arrays."""

    @property
    def batch_tokens(self) -> float:
        """With this many tokens, padding included, a batch is full."""

    @property
    def batch_padding(self) -> float:
        """Two batches are faster than one with more padding tokens than this."""

    @property
    def device(self) -> str:
        """The device that computes: ``cpu``, ``cuda:N`` or ``mps``."""

    @property
    def device_name(self) -> str:
        """The device for a record: with the card's name if the runtime knows it."""

    def __call__(self, batch: Batch, /) -> Floats:
        """The logits, float32; axis 0 is the batch."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The entities of a text: ``entities`` for the user, ``strict`` without those whose tags break the scheme."""

    entities: tuple[Entity, ...]
    strict: tuple[Entity, ...]
    doubt: float | None = None
    """how many of the model's decisions about the text are expected to be wrong, by the model itself; None: not asked
    for. Things that it took for no entity count too, if only just."""


@dataclass(frozen=True, slots=True)
class Source:
    """The arguments of ``Tagger.load`` with which the same tagger can be loaded again."""

    folder: Path
    runtime: str
    """torch, onnx or int8, with ``auto`` resolved"""
    threads: int | None
    device: str
    """cpu, cuda:N or mps, with ``auto`` resolved"""
    name: str
    """what it was called: the folder, or of a model in MLflow the name that never moves"""


class Tagger:
    """A trained model that tags texts. Threads may share it; another process needs its own.

    Pickling stores the source from which it was loaded, and unpickling loads it again.
    """

    def __init__(
        self,
        config: TaggerConfig,
        aligner: Aligner,
        runtime: Runtime,
        weights: Mapping[str, NDArray[Any]],
        source: Source | None = None,
    ) -> None:
        """``weights`` are the parameters of the head that its decoder needs: see ``decoding.read_weights``.

        ``source`` is None for a tagger that was built in memory.
        """
        self.config, self.aligner, self.runtime, self.weights = config, aligner, runtime, weights
        self.source = source
        self.decoder = decoding.build(
            config.head, DecoderSpec(config.tag_scheme, config.tags, config.head_params, weights)
        )
        self._process = os.getpid()

    @classmethod
    def load(cls, model: str | Path, runtime: str = AUTO, threads: int | None = None, device: str = AUTO) -> "Tagger":
        """Load a model and verify the checksums of all files in use.

        - ``model``: a folder that fine_tune or export wrote; a version in the registry: ``models:/NAME@ALIAS``,
          ``models:/NAME/VERSION`` or ``models:/NAME/latest`` (the highest version); or a model that a run logged:
          ``models:/MODEL_ID`` or ``runs:/RUN_ID/NAME``
        - ``runtime``: ``onnx`` and ``int8`` (models/export has their graphs), ``torch``, or ``auto``: ``onnx`` if the
          model has its graph, else ``torch``
        - ``threads``: number of CPU threads, by default one per core; for torch it applies to the whole process
        - ``device``: ``cpu``, ``cuda`` (the first card), ``cuda:N``, ``mps``, or ``auto``: the first of CUDA, mps and
          CPU on which the runtime can compute here. With runtime ``auto`` a device that is named chooses the runtime
          too: ``onnx`` if that can compute on it, else ``torch``

        Raises ArtifactError if the folder is not a model of this project, is damaged or lacks the runtime's graph;
        TrackingError if the registry does not have the model; MissingExtraError if a library that the runtime or the
        registry needs is not installed; DeviceError if the device is not here or the runtime cannot use it; ValueError
        for an unknown runtime or device.
        """
        if runtime not in (known := [AUTO, *plugins.names(RUNTIMES)]):
            raise ValueError(f"runtime {runtime!r}: there are {', '.join(known)}")
        devices.check(device)
        name, folder = find_model(model)
        if runtime == AUTO:
            runtime = "onnx" if find_graph(folder, "onnx") and _supports("onnx", device) else "torch"
        with explained(f"runtime {runtime}"):
            computes = plugins.load(RUNTIMES, runtime, "runtime")
        config = TaggerConfig.load(folder)
        used = [FILE, *TOKENIZER_FILES, *computes.FILES, *([WEIGHTS] if decoding.weight_names(config.head) else [])]
        verify_checksums(folder, f"in a repository {ADVICE}; elsewhere fetch it again", dict.fromkeys(used))
        logits: Runtime = computes.load(folder, config, threads, device)
        weights = decoding.read_weights(config.head, folder / WEIGHTS)
        source = Source(folder, runtime, threads, logits.device, name)
        return cls(config, load_aligner(folder, config), logits, weights, source)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a call that loads it again; raises TypeError for a tagger that was built in memory."""
        if self.source is None:
            raise TypeError("this tagger was built in memory and cannot be pickled; save the model and load it")
        return Tagger.load, (self.source.folder, self.source.runtime, self.source.threads, self.source.device)

    def using(self, runtime: Runtime) -> "Tagger":
        """The same tagger with another runtime, such as an ONNX session."""
        return Tagger(self.config, self.aligner, runtime, self.weights)

    def tag(self, texts: Sequence[str], batch_size: int = 64) -> list[list[Entity]]:
        """The entities of each text, in order, with scores from 0 to 1; offsets are code points, end exclusive."""
        return [list(reading.entities) for reading in self.read(texts, batch_size)]

    def read(self, texts: Iterable[str], batch_size: int = 64, doubts: bool = False) -> Iterator[Reading]:
        """The reading of each text of a stream, in order; texts are processed in chunks.

        With ``doubts`` each reading has the uncertainty of the model, which costs a little time.

        Raises TypeError for an item that is not a str, with its position from 0, and for a single str instead of a
        list, because its characters would be read as texts. Raises RuntimeError in a fork of the process that loaded
        the tagger, because the computing threads do not exist there.
        """
        if isinstance(texts, str):
            raise TypeError("wanted several texts, found one str; pass [text]")
        if os.getpid() != self._process:
            raise RuntimeError(
                f"this tagger was loaded in process {self._process}; its threads are not in the fork {os.getpid()}: "
                "load it there with Tagger.load, or start processes by spawn or forkserver"
            )
        for chunk in _chunks(texts):
            yield from self._read_chunk(chunk, batch_size, doubts)

    def _read_chunk(self, texts: list[str], batch_size: int, doubts: bool) -> Iterator[Reading]:
        windows = list(self.aligner.windows(texts))
        places = [(text, number) for text, of_text in enumerate(windows) for number in range(len(of_text))]
        places.sort(key=lambda place: len(windows[place[0]][place[1]].input_ids))
        decoded: dict[tuple[int, int], tuple[Decoded, float]] = {}
        in_order = [windows[text][number] for text, number in places]
        for start, end in self._batches(in_order, batch_size):
            decoded.update(zip(places[start:end], self._decode(in_order[start:end], doubts)))
        for text, of_text in enumerate(windows):
            read = [(window, *decoded[text, number]) for number, window in enumerate(of_text)]
            yield Reading(
                self._merged((window, _entities(window, found.entities)) for window, found, _ in read),
                self._merged((window, _entities(window, found.strict)) for window, found, _ in read),
                sum(doubt for *_, doubt in read) if doubts else None,
            )

    def _merged(self, windows: Iterable[tuple[Window, Iterable[Entity]]]) -> tuple[Entity, ...]:
        merged = merge(windows)
        return resolve_overlaps(merged) if self.config.is_flat else merged

    def _batches(self, windows: list[Window], batch_size: int) -> Iterator[tuple[int, int]]:
        """Ranges [start, end) of ``windows`` for each batch: at most ``batch_size``, fewer if they are long.

        ``windows`` are sorted by their number of tokens.
        """
        start, longest, filled = 0, 0, 0
        for end, window in enumerate(windows):
            longest = max(longest, len(window.unit_starts))
            size = end - start + 1
            cells = size * longest ** len(self.decoder.unit_axes)
            tokens = size * len(window.input_ids)
            filled += len(window.input_ids)
            too_long = tokens > self.runtime.batch_tokens or tokens - filled > self.runtime.batch_padding
            if size > 1 and (size > batch_size or too_long or cells > CELLS):
                yield start, end
                start, longest, filled = end, len(window.unit_starts), len(window.input_ids)
        if windows:
            yield start, len(windows)

    def _decode(self, windows: list[Window], doubts: bool) -> list[tuple[Decoded, float]]:
        """What is found in each window, and the doubt about the units that it decides; 0 if that is not asked for."""
        logits = self.runtime(collate(windows, self.aligner.tokenizer.pad_id))
        lengths = np.array([len(window.unit_starts) for window in windows])
        decoded = self.decoder.decode(logits, lengths)
        if not doubts:
            return [(found, 0.0) for found in decoded]
        by_unit = self.decoder.doubts(logits, lengths)
        sums = [float(row[slice(*window.core)].sum()) for row, window in zip(by_unit, windows)]
        return list(zip(decoded, sums))


def _supports(runtime: str, device: str) -> bool:
    with explained(f"runtime {runtime}"):
        return bool(plugins.load(RUNTIMES, runtime, "runtime").supports(device))


def load_aligner(folder: Path, config: TaggerConfig) -> Aligner:
    """The aligner of the model in ``folder``."""
    return Aligner(Tokenizer.load(folder), config.align, config.window, config.overlap)


def find_model(model: str | Path) -> tuple[str, Path]:
    """The name (as in ``Source``) and the folder of ``model``, which is anything that ``Tagger.load`` accepts."""
    if not is_registry_name(str(model)):
        return str(model), model_folder(Path(model)).resolve()
    with explained(f"{model}: the model registry", "tracking"):
        registry = importlib.import_module(REGISTRY)
    name, folder = registry.pinned(repository(), str(model))
    return name, model_folder(folder).resolve()


def _entities(window: Window, found: list[Scored]) -> Iterator[Entity]:
    """Entities of the text for entities on units."""
    for start, end, type_, score in found:
        if (entity := window.entity(start, end, type_, score)) is not None:
            yield entity


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in chunks of at most ``CHUNK`` texts; a chunk ends earlier if it reaches ``CHUNK_CHARACTERS``."""
    chunk: list[str] = []
    characters = 0
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"text {position}: found {text!r} ({type(text).__name__}), wanted a str")
        chunk.append(text)
        characters += len(text)
        if len(chunk) == CHUNK or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
