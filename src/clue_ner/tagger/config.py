"""The configuration of a model: ``tagger.json``, typed and frozen."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import read_json, write_json
from clue_ner.core import plugins
from clue_ner.core.schemes import SCHEMES, Scheme

FILE = "tagger.json"
FORMAT = 2
"""Format 1 (before the split of train and test) recorded the fingerprint of all labelled splits."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CorpusRecord(_Part):
    """The corpus that a model was trained on."""

    name: str
    licence: str
    fingerprint: str
    """of the content of ``splits``: see ``clue_ner.core.entities.fingerprint``"""
    splits: Literal["train and valid", "all"] = "train and valid"
    """what the fingerprint covers; ``all``: every labelled split, in models of format 1"""


class TaggerRecord(_Part):
    """A trained tagger that a training began with."""

    name: str
    resolved: str | None = None
    """the permanent name of the model in MLflow that ``name`` referred to; None for a folder"""
    fingerprint: str | None = None
    """of its own training; None in models that an earlier release trained"""
    checksums: dict[str, str]


class TrainingRecord(_Part):
    """What a model was trained from."""

    fingerprint: str
    """SHA-256 over params, data, backbone, other taggers and code: the training's identity"""
    corpus: CorpusRecord
    backbone: dict[str, Any]
    """the source: kind, name, revision, sha256, licence, and the checksums of ``files``"""
    params: dict[str, Any]
    """seed, corpus, backbone, tagging and train of params.yaml"""
    teacher: TaggerRecord | None = None
    """whose logits were learned from"""
    init_from: TaggerRecord | None = None
    """whose weights training began with"""
    valid_micro_f1: float | None = None
    """F1 of the kept epoch, 0 to 1; None before training and without a valid split"""


class TaggerConfig(_Part):
    """A model's shape, how it reads texts, and its training."""

    format: Literal[2] = 2
    head: str
    align: Literal["characters", "pieces", "characters_over_pieces"]
    scheme: str
    types: tuple[str, ...]
    tags: tuple[str, ...]
    """the label list, whose index is the id"""
    window: int = Field(ge=1)
    """tokens that the encoder reads at once"""
    overlap: int = Field(ge=0)
    """tokens that neighbouring windows share, at most half of them"""
    context_size: int = Field(ge=0)
    """size of the BiLSTM in each direction; 0: no BiLSTM"""
    head_options: dict[str, Any] = {}
    """the head's own parameters"""
    flat: bool = False
    """keep only the likeliest of overlapping entities"""
    trained: TrainingRecord

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        heads = plugins.names(plugins.DECODERS)
        for kind, name, known in (("head", self.head, heads), ("scheme", self.scheme, list(SCHEMES))):
            if name not in known:
                raise ValueError(f"unknown {kind} {name!r}, there are {', '.join(known)}")
        if sorted(self.tags) != sorted(self.tag_scheme.tags(self.types)):
            raise ValueError(f"tags are not those of {self.scheme} for the types")
        if self.overlap > self.window // 2:
            raise ValueError(f"overlap {self.overlap} is more than half of window {self.window}")
        return self

    @classmethod
    def load(cls, folder: Path) -> "TaggerConfig":
        """Read ``tagger.json`` in ``folder``; format 1 is converted.

        Raises ArtifactError for a file that is missing, damaged, or of a format that this version does not read.
        """
        path = folder / FILE
        values = read_json(path)
        found = values.get("format") if isinstance(values, dict) else None
        if found not in (1, FORMAT):
            raise ArtifactError(
                f"{path}: format {found!r}, wanted {FORMAT} or 1; if it is newer, update clue-ner, else train it again"
            )
        try:
            return cls.model_validate(_from_format_1(values) if found == 1 else values)
        except ValidationError as error:
            problems = "; ".join(map(_problem, error.errors()))
            raise ArtifactError(f"{path}: not a tagger's configuration ({problems}); train it again") from None

    def save(self, folder: Path) -> None:
        """Write ``tagger.json`` into ``folder``."""
        write_json(folder / FILE, self.model_dump())

    @property
    def tag_scheme(self) -> Scheme:
        """The scheme that ``scheme`` names."""
        return SCHEMES[self.scheme]

    @property
    def head_params(self) -> dict[str, Any]:
        """``head_options``, with default values for options that are newer than the model."""
        return {**plugins.head_params(self.head), **self.head_options}

    @property
    def is_flat(self) -> bool:
        """Whether predicted entities never overlap."""
        return self.flat or plugins.reads_tags(self.head)


def _problem(detail: Any) -> str:
    """A problem found by pydantic, after its key, if it has one."""
    message = detail["msg"].removeprefix("Value error, ")
    return ": ".join([".".join(map(str, detail["loc"])), message] if detail["loc"] else [message])


def _from_format_1(values: dict[str, Any]) -> dict[str, Any]:
    values = {**values, "format": FORMAT}
    trained = values.get("trained")
    if isinstance(trained, dict) and isinstance(trained.get("corpus"), dict):
        values["trained"] = {**trained, "corpus": {**trained["corpus"], "splits": "all"}}
    return values
