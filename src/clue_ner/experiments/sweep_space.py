"""sweep.yaml: the params to search, and their bounds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from clue_ner.common.errors import ParamsError
from clue_ner.core.params import Params, dotted, load_params, parse_params
from clue_ner.core.yaml import read_yaml

SEARCHED = ("backbone", "tagging", "train")
"""Sections whose params can be searched. Corpus and seed are not: they change valid F1 without a better model."""

Choice = None | bool | int | float | str


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Range(_Strict):
    """Numbers from ``low`` to ``high``, both included; integers if both bounds are integers."""

    low: int | float
    high: int | float
    log: bool = False
    """sample uniformly on a logarithmic scale"""

    @model_validator(mode="after")
    def _goes_up(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs low above 0, found {self.low}")
        return self

    @property
    def ends(self) -> list[Any]:
        """Test values, to be checked before the first trial."""
        return [self.low, self.high]


class Choices(_Strict):
    """A choice among values."""

    choices: Annotated[list[Choice], Field(min_length=2)]

    @property
    def ends(self) -> list[Any]:
        """Test values, to be checked before the first trial."""
        return list(self.choices)


Values = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")],
    Discriminator(lambda values: "choices" if isinstance(values, dict) and "choices" in values else "range"),
]


class Sweep(_Strict):
    """The content of sweep.yaml."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    trials: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]
    space: Annotated[dict[str, Values], Field(min_length=1)]


def load_sweep(path: Path, params: Path) -> tuple[Sweep, dict[str, Any]]:
    """Read sweep.yaml and check it against params.yaml; returns the sweep and the nested params.

    Raises ParamsError with all unknown params, and all bounds and choices that are invalid in params.yaml.
    """
    base = load_params(params).model_dump()
    try:
        raw = read_yaml(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; docs/experiments.md has an example") from None
    try:
        sweep = Sweep.model_validate(raw)
    except ValidationError as error:
        _refuse(path, [f"{'.'.join(map(str, d['loc'])) or 'the file'}: {d['msg']}" for d in error.errors()])
    known = [name for name in dotted(base) if name.partition(".")[0] in SEARCHED]
    wrong = []
    for name, values in sweep.space.items():
        if name not in known:
            wrong.append(f"space.{name}: not a param that can be searched; there are {', '.join(known)}")
            continue
        for value in values.ends:
            try:
                with_params(base, {name: value})
            except ParamsError as error:
                problems = [line.strip() for line in str(error).split("\n")[1:]]
                wrong += [f"space.{problem}" for problem in problems if problem.startswith(f"{name}:")]
    if wrong:
        _refuse(path, wrong)
    return sweep, base


def with_params(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Params:
    """Params with changed values by dotted name; raises ParamsError if they are invalid or cannot be combined."""
    values = {name: dict(value) if isinstance(value, dict) else value for name, value in base.items()}
    for name, value in changes.items():
        section, _, key = name.partition(".")
        values[section][key] = value
    return parse_params(values, ", ".join(f"{name}={value}" for name, value in changes.items()))


def _refuse(path: Path, wrong: list[str]) -> NoReturn:
    raise ParamsError("\n  ".join([f"{path}: {len(wrong)} wrong", *wrong]))
