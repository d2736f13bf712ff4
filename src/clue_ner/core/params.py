"""params.yaml as frozen, strict models: unknown, missing, mistyped and out-of-range values, all in one message."""

import reprlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from clue_ner.common.errors import ParamsError
from clue_ner.common.redaction import redact
from clue_ner.core import device as devices
from clue_ner.core import names, plugins
from clue_ner.core.folders import wrong_folders
from clue_ner.core.schemes import ALIASES, SCHEMES
from clue_ner.core.yaml import read_yaml


def _one_of(kind: str, there: Callable[[], Iterable[str]]) -> AfterValidator:
    def known(name: str) -> str:
        if name not in there():
            raise ValueError(f"unknown {kind}: there are {', '.join(there())}")
        return name

    return AfterValidator(known)


def _device(name: str) -> str:
    if not devices.is_name(name):
        raise ValueError(f"unknown device: wanted {devices.FORM}")
    return name


def _layouts() -> list[str]:
    return [*plugins.names(plugins.LAYOUTS), plugins.AUTO]


def _corpora() -> list[str]:
    return [*plugins.names(plugins.CORPORA), *_layouts()]


CorpusName = Annotated[str, _one_of("corpus", _corpora)]
HeadName = Annotated[str, _one_of("head", partial(plugins.names, plugins.DECODERS))]
SchemeName = Annotated[str, AfterValidator(lambda name: ALIASES.get(name, name)), _one_of("scheme", lambda: SCHEMES)]
Text = Annotated[str, AfterValidator(names.plain_text)]
OptionalText = Annotated[str, AfterValidator(names.optional_text)]
TaggerName = Annotated[OptionalText, AfterValidator(names.tagger_name)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class CorpusParams(_Section):
    """The corpus, and the share of train that becomes valid."""

    name: CorpusName
    path: Annotated[OptionalText, AfterValidator(names.folder_name)] | None
    revision: Annotated[OptionalText, AfterValidator(names.revision_name)] | None = None
    options: dict[str, str | int] = {}
    types: dict[Text, Text | None] = {}
    valid_fraction: Annotated[float, Field(ge=0, le=0.5)]
    test_fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    split_seed: Annotated[int, Field(ge=0)]

    @property
    def is_own(self) -> bool:
        """Whether it is a person's own, in a layout, and not one that is known by its content."""
        return self.name in _layouts()

    @property
    def is_on_hub(self) -> bool:
        """Whether ``path`` is the id of a data set of the Hugging Face hub."""
        return self.path is not None and names.is_hub_data(self.name, self.path)

    @field_validator("revision")
    @classmethod
    def _goes_with_hub(cls, revision: str | None, info: ValidationInfo) -> str | None:
        name, path = info.data.get("name"), info.data.get("path")
        if revision is not None and "path" in info.data and not (path and name and names.is_hub_data(name, path)):
            raise ValueError("goes with a hub id of corpus hugging_face; set it to null")
        return revision

    @field_validator("path")
    @classmethod
    def _goes_with_name(cls, path: str | None, info: ValidationInfo) -> str | None:
        name = info.data.get("name")
        if name is not None and (name in _layouts()) != (path is not None):
            raise ValueError(
                f"wanted null for corpus {name}" if path is not None else f"wanted the folder or file of corpus {name}"
            )
        return path

    @field_validator("options")
    @classmethod
    def _belong_to_layout(cls, options: dict[str, str | int], info: ValidationInfo) -> dict[str, str | int]:
        if (name := info.data.get("name")) is not None:
            for problem in plugins.wrong_options(name, options):
                raise ValueError(problem)
        return options

    @field_validator("types")
    @classmethod
    def _are_types_of_own(cls, types: dict[str, str | None], info: ValidationInfo) -> dict[str, str | None]:
        if types and info.data.get("name", plugins.AUTO) not in _layouts():
            raise ValueError(f"wanted {{}} for corpus {info.data['name']}")
        for name in (*types, *filter(None, types.values())):
            if any(char.isspace() for char in name):
                raise ValueError(f"a type is a name without white space, and {name!r} has some")
        return types


class BackboneParams(_Section):
    """The pretrained encoder."""

    name: Annotated[Text, AfterValidator(names.backbone_name)]
    revision: Annotated[OptionalText, AfterValidator(names.revision_name)] | None

    @field_validator("revision")
    @classmethod
    def _goes_with_name(cls, revision: str | None, info: ValidationInfo) -> str | None:
        if revision is not None and "name" in info.data and names.backbone_kind(info.data["name"]) != "hub":
            raise ValueError("only works with a hub id; set it to null")
        return revision


class TaggingParams(_Section):
    """Alignment of characters and tokens, tag scheme, windows."""

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
    init_from: TaggerName | None = None
    teacher: TaggerName | None
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

    @field_validator("*")
    @classmethod
    def _switch_goes_with_head(cls, value: Any, info: ValidationInfo) -> Any:
        """A boolean param of a head that is true needs that head."""
        heads = _heads_with(str(info.field_name)) if value is True else []
        if heads and info.data.get("head", heads[0]) not in heads:
            raise ValueError(f"only works with head {' or '.join(heads)}, not {info.data['head']}; set it to false")
        return value

    @field_validator("class_weights")
    @classmethod
    def _weighs_types(cls, weights: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        head = info.data.get("head", "")
        if weights and not plugins.literal(plugins.HEADS, head, "WEIGHS_TYPES", default=True):
            raise ValueError(
                f"only works with heads whose loss has terms for types, and {head}'s has none; set it to {{}}"
            )
        return weights

    @field_validator("compile")
    @classmethod
    def _leaves_embeddings_alone(cls, on: bool, info: ValidationInfo) -> bool:
        if on and info.data.get("fgm_epsilon"):
            raise ValueError("cannot be combined with fgm_epsilon, which uses hooks inside the model; set it to false")
        return on

    @field_validator("head_size")
    @classmethod
    def _is_turned_in_pairs(cls, size: int, info: ValidationInfo) -> int:
        if size % 2 and info.data.get("head") == "global_pointer":
            raise ValueError("wanted an even number: rotary positions turn pairs of dimensions")
        return size

    @property
    def head_options(self) -> dict[str, Any]:
        """The head's own params."""
        return self.model_dump(include=set(plugins.head_params(self.head)))

    @field_validator("processes")
    @classmethod
    def _shares_batches(cls, processes: int, info: ValidationInfo) -> int:
        if (size := info.data.get("batch_size", processes)) % processes:
            raise ValueError(f"does not divide batch_size {size}")
        return processes


def _heads_with(param: str) -> list[str]:
    """The heads that have the param ``param``."""
    return [head for head in plugins.names(plugins.DECODERS) if param in plugins.head_params(head)]


class EvaluateParams(_Section):
    """The report of the test scores."""

    bootstrap: Annotated[int, Field(ge=100)]
    examples: Annotated[int, Field(ge=0)]
    device: Annotated[str, AfterValidator(_device)] = devices.AUTO


class ExportParams(_Section):
    """The formats in which the trained model is written."""

    onnx: bool
    register_onnx: bool = False


class TrackingParams(_Section):
    """Names in MLflow."""

    experiment: Annotated[Text, AfterValidator(names.experiment_name)]
    model: Annotated[Text, AfterValidator(names.model_name)]


class Params(_Section):
    """All of params.yaml. A param that an earlier release lacks has a default with that release's behaviour."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    corpus: CorpusParams
    backbone: BackboneParams
    tagging: TaggingParams
    train: TrainParams
    evaluate: EvaluateParams
    export: ExportParams
    tracking: TrackingParams

    def of_training(self) -> dict[str, Any]:
        """The sections that determine a training."""
        return self.model_dump(include=set(OF_TRAINING))


OF_TRAINING = ("seed", "corpus", "backbone", "tagging", "train")
"""The sections of params.yaml that determine a training."""


def dotted(values: Mapping[str, Any]) -> dict[str, Any]:
    """Params by dotted name, two levels deep: the value of a section's key is one value, also if it is a mapping.

    >>> dotted({"seed": 1, "train": {"lr": 2e-4, "weights": {"name": 2}}})
    {'seed': 1, 'train.lr': 0.0002, 'train.weights': {'name': 2}}
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= {f"{name}.{key}": item for key, item in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def dotted_training(params: Mapping[str, Any]) -> dict[str, Any]:
    """The values in nested ``params`` that determine a training, by dotted name."""
    return {name: value for name, value in dotted(params).items() if name.partition(".")[0] in OF_TRAINING}


_YES, _NO = ("true", "yes", "on", "y", "1"), ("false", "no", "off", "n", "0")
"""Common spellings of booleans; in YAML 1.2 only the first of each is one, without quotes."""
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200
_SHORT.maxlevel = 2


def load_params(path: Path, root: Path | None = None) -> Params:
    """Read and check ``params.yaml``; raises ParamsError naming every wrong value at once.

    With ``root``, the pipeline's folder, the local folders that it names must exist.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; run from the repository's root") from None
    return parse_params(read_yaml(text, str(path)), str(path), root)


def parse_params(raw: Any, where: str, root: Path | None = None) -> Params:
    """Check values that were already read; ``where`` names them in the message, ``root`` is as above."""
    problems, wrong = _clashes(raw), set()
    try:
        params = Params.model_validate(raw)
    except ValidationError as error:
        wrong = {".".join(map(str, detail["loc"])) for detail in error.errors()}
        problems = [_problem(detail) for detail in error.errors()] + problems
    if root is not None and isinstance(raw, dict):
        named = {name: value for name, value in dotted(raw).items() if name not in wrong}
        folders = wrong_folders(named, root).items()
        problems += [f"{name}: {problem}, found {_short(named[name])}" for name, problem in folders]
    if not problems:
        return params
    raise ParamsError(f"{where}: {len(problems)} wrong\n" + "\n".join(f"  {line}" for line in problems))


def _clashes(raw: Any) -> list[str]:
    """Conflicts between sections, which are reported even if the sections have other errors."""

    def value(section: str, key: str) -> str:
        values = raw.get(section) if isinstance(raw, dict) else None
        found = values.get(key) if isinstance(values, dict) else None
        return found if isinstance(found, str) else ""

    scheme, head = value("tagging", "scheme"), value("train", "head")
    name = ALIASES.get(scheme, scheme)
    if name == "BIO" or name not in SCHEMES or plugins.reads_tags(head):
        return []
    others = ", ".join(filter(plugins.reads_tags, plugins.names(plugins.DECODERS)))
    fix = f"set it to BIO, or train.head to one of them ({others})"
    return [f"tagging.scheme: only works with sequence-labelling heads, and {head} is not one; {fix}, found {scheme!r}"]


def _problem(detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or "the file"
    if detail["type"] == "missing":
        return f"{key}: missing; take its line from the project's own params.yaml"
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown; remove it or fix the spelling"
    message = (
        "wanted keys and values" if detail["type"] == "model_type" else detail["msg"].removeprefix("Value error, ")
    )
    return f"{key}: {redact(message)}{_fix(key, detail)}, found {_short(detail['input'])}"


def _fix(key: str, detail: Any) -> str:
    """The correction for a value that YAML reads as another type than intended; empty if there is none."""
    found = detail["input"]
    if not isinstance(found, str | int | float | date):
        return ""
    number, word = _number(found), _short(found).strip("'").lower()
    match detail["type"]:
        case "float_type" if number is not None:
            return f"; write {number}"
        case "int_type" | "int_from_float" if number is not None and number == int(number):
            return f"; write {int(number)}"
        case "bool_type" if word in _YES + _NO:
            return f"; write {'true' if word in _YES else 'false'}"
        case "string_type":
            return f"; put it in quotes, with -S as '{key}=\"…\"'"
    return ""


def _number(value: str | float | date) -> int | float | None:
    """The number in a text, also in full-width digits; None if it is not a number."""
    for kind in (int, float):
        with suppress(ValueError, OverflowError):  # OverflowError: an integer above all floats
            return number if isfinite(number := kind(str(value))) else None
    return None


def _short(value: Any) -> str:
    """A short form of a value for a message: nested YAML aliases can expand to more than fits into memory."""
    try:
        return redact(_SHORT.repr(value))
    except ValueError:
        return "a number of thousands of digits"
