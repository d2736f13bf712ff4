"""The HTTP messages: pydantic models behind the OpenAPI document."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr, model_validator

EXAMPLE = "李雷昨天去了上海的招商银行。"
ONE: dict[str, Any] = {"text": EXAMPLE}
MANY: dict[str, Any] = {
    "texts": [{"id": "news-1", "text": EXAMPLE}, {"id": 2, "text": "今天下雨。"}],
    "min_score": 0.5,
    "types": ["name", "company"],
}
MODEL = {"name": "clue-ner", "version": "3"}
ANSWER: dict[str, Any] = {
    "model": MODEL,
    "results": [
        {
            "id": "news-1",
            "entities": [{"type": "name", "start": 0, "end": 2, "text": "李雷", "score": 0.98}],
        },
        {"id": 2, "entities": []},
    ],
}

SHOWN = 60
"""Maximum number of characters of a wrong value in an error."""

Id = StrictInt | StrictStr
Text = Annotated[StrictStr, Field(description="The text; offsets in the answer are its Unicode code points.")]


def _none() -> Any:
    """The value of a missing key; an explicit null is refused."""
    return None


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _has_no_other_keys(cls, given: Any) -> Any:
        if isinstance(given, dict) and (unknown := [key for key in given if key not in cls.model_fields]):
            raise ValueError(f"found the key {unknown[0][:SHOWN]!r}, wanted only {', '.join(cls.model_fields)}")
        return given


class IdentifiedText(_Schema):
    """A text, and an id for it that the response repeats."""

    text: Text
    id: Id = Field(default_factory=_none, description="Returned as it is.")


class TagRequest(_Schema):
    """One text, or several."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["text"]}, {"required": ["texts"]}]})

    text: Text = Field(default_factory=_none)
    id: Id = Field(default_factory=_none, description="Of `text`. Returned as it is.")
    texts: list[Text | IdentifiedText] = Field(default_factory=_none, description="Answered in this order.")
    min_score: StrictFloat = Field(0, ge=0, le=1, description="Entities with less are left out.")
    types: list[StrictStr] = Field(default_factory=_none, description="Only entities of these; all of them by default.")

    @model_validator(mode="after")
    def _is_one_or_many(self) -> Self:
        if (self.text is None) == (self.texts is None):
            found = "both" if self.text is not None else "neither"
            raise ValueError(f'found {found} of "text" and "texts", wanted one')
        if self.id is not None and self.text is None:
            raise ValueError('found an "id" beside "texts", wanted it in each of them: {"id": …, "text": …}')
        return self

    @property
    def items(self) -> list[IdentifiedText]:
        """The texts, each with its id."""
        if self.text is not None:
            return [IdentifiedText.model_construct(text=self.text, id=self.id)]
        return [IdentifiedText.model_construct(text=i, id=None) if isinstance(i, str) else i for i in self.texts]


class ModelVersion(BaseModel):
    """The model that answered."""

    name: str = Field(description="Of the registered model, or the folder.")
    version: str = Field(description="Of the registered model, or the beginning of the training's fingerprint.")


class Mention(BaseModel):
    """An entity: `text[start:end]` in Unicode code points."""

    type: str
    start: int = Field(ge=0, description="The first character, from 0.")
    end: int = Field(ge=1, description="The character after the last.")
    text: str
    score: float = Field(ge=0, le=1)


class Result(BaseModel):
    """The entities of a text."""

    id: Id | None = Field(None, description="As in the request; missing if there was none.")
    entities: list[Mention] = Field(description="In order of start, end and type.")


class TagResponse(BaseModel):
    """The entities of all texts, in the order of the texts."""

    model_config = ConfigDict(json_schema_extra={"example": ANSWER})

    model: ModelVersion
    results: list[Result]


class ModelResponse(ModelVersion):
    """The model in use, and the limits of a request."""

    fingerprint: str = Field(description="Of the training: SHA-256 over params, data, backbone and code.")
    types: list[str]
    scores: dict[str, float] = Field(description="Of its validation; empty if it was not scored.")
    corpus: str
    runtime: str
    device: str = Field(description="What computes: cpu, cuda:N or mps.")
    limits: dict[str, float] = Field(description="body_bytes, texts, characters (of a text), seconds")


class Status(BaseModel):
    """Whether the service is running, or ready."""

    status: str


class Error(BaseModel):
    """Why a request failed: what was received, and what was expected."""

    error: str
