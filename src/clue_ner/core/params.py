"""params.yaml as frozen, strict models: unknown, missing, mistyped and out-of-range values, all in one message."""

import os
import re
import reprlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from clue_ner.common.errors import ParamsError
from clue_ner.common.redaction import redact
from clue_ner.core import plugins
from clue_ner.core.schemes import ALIASES, SCHEMES


def _one_of(kind: str, names: Callable[[], Iterable[str]]) -> AfterValidator:
    def known(name: str) -> str:
        if name not in names():
            raise ValueError(f"unknown {kind}: there are {', '.join(names())}")
        return name

    return AfterValidator(known)


CorpusName = Annotated[str, _one_of("corpus", partial(plugins.names, "clue_ner.corpora"))]
HeadName = Annotated[str, _one_of("head", partial(plugins.names, plugins.HEADS))]
SchemeName = Annotated[str, AfterValidator(lambda name: ALIASES.get(name, name)), _one_of("scheme", lambda: SCHEMES)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class CorpusParams(_Section):
    """Which sentences, and how many of train are kept for choosing."""

    name: CorpusName
    path: str | None
    valid_fraction: Annotated[float, Field(ge=0, le=0.5)]
    split_seed: Annotated[int, Field(ge=0)]

    @field_validator("path")
    @classmethod
    def _goes_with_name(cls, path: str | None, info: ValidationInfo) -> str | None:
        if "name" in info.data and (info.data["name"] == "jsonl") != (path is not None):
            raise ValueError("wanted the folder of corpus jsonl, and null for any other corpus")
        return path


class BackboneParams(_Section):
    """Which pretrained encoder."""

    name: Annotated[str, Field(min_length=1)]
    revision: str | None

    @field_validator("revision")
    @classmethod
    def _goes_with_name(cls, revision: str | None, info: ValidationInfo) -> str | None:
        if revision is not None and "/" not in info.data.get("name", "/"):
            raise ValueError("goes with a hub id; set it to null")
        return revision


class TaggingParams(_Section):
    """How characters, tokens and tags belong together."""

    scheme: SchemeName
    align: Literal["characters", "pieces", "characters_over_pieces"]
    window: Annotated[int, Field(ge=16, le=512)]
    overlap: Annotated[int, Field(ge=0)]

    @field_validator("overlap")
    @classmethod
    def _fits_window(cls, overlap: int, info: ValidationInfo) -> int:
        if overlap > (window := info.data.get("window", 2 * overlap)) // 2:
            raise ValueError(f"more than half of window {window}")
        return overlap


class TrainParams(_Section):
    """How the tagger is fine-tuned."""

    head: HeadName
    lr: Positive
    head_lr_factor: Positive
    transition_lr_factor: Positive
    epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=0)]
    keep: Literal["best", "last"]
    batch_size: Annotated[int, Field(ge=1)]
    warmup: Fraction
    weight_decay: Annotated[float, Field(ge=0)]
    max_grad_norm: Positive
    dropout: Fraction
    attention_dropout: Fraction
    context_size: Annotated[int, Field(ge=0)]
    layer_lr_decay: Annotated[float, Field(gt=0, le=1)]
    class_weights: dict[str, Positive]
    fgm_epsilon: Annotated[float, Field(ge=0)]
    r_drop: Annotated[float, Field(ge=0)]
    ema_decay: Fraction
    layers: Annotated[int, Field(ge=1)] | None
    teacher: Annotated[str, Field(min_length=1)] | None
    teacher_weight: Annotated[float, Field(ge=0, le=1)]
    temperature: Positive
    constrained: bool
    efficient: bool
    flat: bool
    head_size: Annotated[int, Field(ge=2)]
    freeze_embeddings: bool
    freeze_layers: Annotated[int, Field(ge=0)]
    attention: Literal["auto", "eager", "sdpa"]
    precision: Literal["auto", "float32", "bf16", "fp16"]
    compile: bool
    processes: Annotated[int, Field(ge=1)]
    checkpoint_seconds: Annotated[float, Field(ge=0)]

    @field_validator("constrained", "efficient")
    @classmethod
    def _goes_with_head(cls, on: bool, info: ValidationInfo) -> bool:
        of = {"constrained": "softmax", "efficient": "global_pointer"}[str(info.field_name)]
        if on and info.data.get("head", of) != of:
            raise ValueError(f"goes with head {of}, not {info.data['head']}; set it to false")
        return on

    @field_validator("class_weights")
    @classmethod
    def _weighs_types(cls, weights: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        head = info.data.get("head", "")
        if weights and not plugins.literal(plugins.HEADS, head, "WEIGHS_TYPES", default=True):
            raise ValueError(f"goes with heads whose loss has parts for types, and {head}'s has none; set it to {{}}")
        return weights

    @field_validator("teacher")
    @classmethod
    def _outlives_the_stage(cls, teacher: str | None) -> str | None:
        if teacher is not None and Path(os.path.normpath(teacher)) in (Path("models/tagger"), Path("models/export")):
            raise ValueError("the stages write there themselves; name the model in the registry, or a copy")
        return teacher

    @field_validator("compile")
    @classmethod
    def _leaves_embeddings_alone(cls, on: bool, info: ValidationInfo) -> bool:
        if on and info.data.get("fgm_epsilon"):
            raise ValueError("does not go with fgm_epsilon, which reaches into the model; set it to false")
        return on

    @field_validator("head_size")
    @classmethod
    def _is_turned_in_pairs(cls, size: int, info: ValidationInfo) -> int:
        if size % 2 and info.data.get("head") == "global_pointer":
            raise ValueError("wanted an even number: rotary positions turn pairs of dimensions")
        return size

    @property
    def head_options(self) -> dict[str, Any]:
        """What a head is made from besides its size and its tags."""
        return self.model_dump(include={"constrained", "efficient", "head_size"})

    @field_validator("processes")
    @classmethod
    def _shares_batches(cls, processes: int, info: ValidationInfo) -> int:
        if (size := info.data.get("batch_size", processes)) % processes:
            raise ValueError(f"does not divide batch_size {size}")
        return processes


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


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200
_SHORT.maxlevel = 2


class _Loader(yaml.SafeLoader):
    """PyYAML with YAML 1.2's numbers: ``4e-05``, as DVC writes it, is a number and not a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:float"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)


def load_params(path: Path) -> Params:
    """Read and check ``params.yaml``; raises ParamsError naming every wrong value at once."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; run from the repository's root") from None
    return parse_params(read_yaml(text, str(path)), str(path))


def read_yaml(text: bytes, where: str) -> Any:
    """The values of YAML text, unchecked, numbers as in YAML 1.2; raises ParamsError, which calls it ``where``."""
    try:
        return yaml.load(text.decode("utf-8"), Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ParamsError(f"{where}: not YAML that can be read: {error}") from None


def parse_params(raw: Any, where: str) -> Params:
    """Check values that were already read; ``where`` is what the message calls them."""
    problems = _clashes(raw)
    try:
        params = Params.model_validate(raw)
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors()] + problems
    else:
        problems += _secrets(params.model_dump())
    if not problems:
        return params
    raise ParamsError(f"{where}: {len(problems)} wrong\n" + "\n".join(f"  {line}" for line in problems))


def _clashes(raw: Any) -> list[str]:
    """What cannot go together across sections, whatever else is wrong in them."""

    def value(section: str, key: str) -> str:
        values = raw.get(section) if isinstance(raw, dict) else None
        found = values.get(key) if isinstance(values, dict) else None
        return found if isinstance(found, str) else ""

    scheme, head = value("tagging", "scheme"), value("train", "head")
    name = ALIASES.get(scheme, scheme)
    if name == "BIO" or name not in SCHEMES or plugins.reads_tags(head):
        return []
    others = ", ".join(filter(plugins.reads_tags, plugins.names(plugins.HEADS)))
    mend = f"set it to BIO, or train.head to one that does ({others})"
    return [f"tagging.scheme: goes with heads that read tags, and {head} does not; {mend}, found {scheme!r}"]


def _problem(detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or "the file"
    if detail["type"] == "missing":
        return f"{key}: missing; take its line from the project's own params.yaml"
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown; remove it or mend the spelling"
    message = (
        "wanted keys and values" if detail["type"] == "model_type" else detail["msg"].removeprefix("Value error, ")
    )
    return f"{key}: {message}, found {_short(detail['input'])}"


def _secrets(values: dict[str, Any], prefix: str = "") -> list[str]:
    """The values that hold a password or a token: params are committed, recorded and published."""
    problems = []
    for name, value in values.items():
        if isinstance(value, dict):
            problems += _secrets(value, f"{prefix}{name}.")
        elif isinstance(value, str) and redact(value) != value:
            problems.append(f"{prefix}{name}: holds a password or token; params are recorded, so keep it elsewhere")
    return problems


def _short(value: Any) -> str:
    """A value as a message shows it: aliases of aliases in YAML can stand for more than memory holds."""
    try:
        return redact(_SHORT.repr(value))
    except ValueError:
        return "a number of thousands of digits"
