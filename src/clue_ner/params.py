"""params.yaml as frozen, strict models: unknown, missing, mistyped and out-of-range values, all in one message."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clue_ner import plugins
from clue_ner.errors import ParamsError
from clue_ner.schemes import SCHEMES

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class CorpusParams(_Section):
    """Which sentences, and how many of train are kept for choosing."""

    name: str
    path: str | None
    valid_fraction: Annotated[float, Field(ge=0, le=0.5)]
    split_seed: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _known(self) -> Self:
        _one_of("clue_ner.corpora", self.name, "corpus")
        if (self.name == "jsonl") != (self.path is not None):
            raise ValueError("path names the folder of corpus jsonl, and is null for any other corpus")
        return self


class BackboneParams(_Section):
    """Which pretrained encoder."""

    name: Annotated[str, Field(min_length=1)]
    revision: str | None


class TaggingParams(_Section):
    """How characters, tokens and tags belong together."""

    scheme: str
    align: Literal["characters", "pieces", "characters_over_pieces"]
    window: Annotated[int, Field(ge=16, le=512)]
    overlap: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.scheme not in SCHEMES:
            raise ValueError(f"unknown scheme {self.scheme!r}: there are {', '.join(SCHEMES)}")
        if self.overlap > self.window // 2:
            raise ValueError(f"overlap {self.overlap} is more than half of window {self.window}")
        return self


class TrainParams(_Section):
    """How the tagger is fine-tuned."""

    head: str
    lr: Positive
    head_lr_factor: Positive
    transition_lr_factor: Positive
    epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=0)]
    keep: Literal["best", "last"]
    batch_size: Annotated[int, Field(ge=1)]
    warmup: Annotated[float, Field(ge=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    max_grad_norm: Positive
    dropout: Fraction
    attention_dropout: Fraction
    context_size: Annotated[int, Field(ge=0)]
    freeze_embeddings: bool
    attention: Literal["eager", "sdpa"]
    precision: Literal["auto", "float32", "bf16"]

    @model_validator(mode="after")
    def _known(self) -> Self:
        _one_of("clue_ner.heads", self.head, "head")
        return self


class EvaluateParams(_Section):
    """How the test scores are reported."""

    bootstrap: Annotated[int, Field(ge=100)]
    examples: Annotated[int, Field(ge=0)]


class ExportParams(_Section):
    """Which formats the trained model is written in."""

    onnx: bool


class TrackingParams(_Section):
    """Names in MLflow."""

    experiment: Annotated[str, Field(min_length=1)]
    model: Annotated[str, Field(min_length=1)]


class Params(_Section):
    """All of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    corpus: CorpusParams
    backbone: BackboneParams
    tagging: TaggingParams
    train: TrainParams
    evaluate: EvaluateParams
    export: ExportParams
    tracking: TrackingParams

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.backbone.revision is not None and "/" not in self.backbone.name:
            raise ValueError("backbone.revision goes with a hub id; set it to null")
        return self


class _Loader(yaml.SafeLoader):
    """PyYAML with YAML 1.2's numbers: ``4e-05``, as DVC writes it, is a number and not a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:float"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(  # type: ignore[no-untyped-call]
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"),
    list("-+0123456789."),
)


def load_params(path: Path) -> Params:
    """Read and check ``params.yaml``; raises ParamsError naming every wrong value at once."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; run from the repository's root") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ParamsError(f"{path}: not YAML that can be read: {error}") from None
    return parse_params(raw, str(path))


def parse_params(raw: Any, where: str) -> Params:
    """Check values that were already read; ``where`` is what the message calls them."""
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors()]
    raise ParamsError(f"{where}: {len(problems)} wrong\n" + "\n".join(f"  {line}" for line in problems))


def _problem(detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or "the file"
    if detail["type"] == "missing":
        return f"{key}: missing; take its line from the project's own params.yaml"
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown; remove it or mend the spelling"
    message = detail["msg"].removeprefix("Value error, ")
    found = "" if isinstance(detail["input"], dict | BaseModel) else f", found {detail['input']!r}"
    return f"{key}: {message}{found}"


def _one_of(package: str, name: str, kind: str) -> None:
    known = plugins.names(package)
    if name not in known:
        raise ValueError(f"unknown {kind} {name!r}: there are {', '.join(known)}")
