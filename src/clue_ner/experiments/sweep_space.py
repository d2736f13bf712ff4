"""sweep.yaml: which params are tried, within which bounds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from clue_ner.common.errors import ParamsError
from clue_ner.core.params import Params, dotted, load_params, parse_params
from clue_ner.core.yaml import read_yaml

SEARCHED = ("backbone", "tagging", "train")
"""Sections whose params a sweep may try: another corpus or seed has another valid F1, better or not."""

Choice = None | bool | int | float | str


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Range(_Strict):
    """Numbers from ``low`` to ``high``, both included; whole ones if both are written so."""

    low: int | float
    high: int | float
    log: bool = False
    """equal shares of proposals to equal factors"""

    @model_validator(mode="after")
    def _goes_up(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs low above 0, found {self.low}")
        return self

    @property
    def ends(self) -> list[Any]:
        """What to check before any trial."""
        return [self.low, self.high]


class Choices(_Strict):
    """One of these values."""

    choices: Annotated[list[Choice], Field(min_length=2)]

    @property
    def ends(self) -> list[Any]:
        """What to check before any trial."""
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
    """Read and check sweep.yaml against params.yaml; the sweep, and all of params as they are nested there.

    Raises ParamsError that names every unknown param, and every bound or choice that params.yaml could not have.
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
    """Params with other values by dotted name; raises ParamsError if they are none, or do not go together."""
    values = {name: dict(value) if isinstance(value, dict) else value for name, value in base.items()}
    for name, value in changes.items():
        section, _, key = name.partition(".")
        values[section][key] = value
    return parse_params(values, ", ".join(f"{name}={value}" for name, value in changes.items()))


def _refuse(path: Path, wrong: list[str]) -> NoReturn:
    raise ParamsError("\n  ".join([f"{path}: {len(wrong)} wrong", *wrong]))
