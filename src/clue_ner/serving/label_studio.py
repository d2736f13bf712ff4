"""Label Studio's ML backend: ``/health``, ``/setup``, ``/predict`` and ``/webhook``, as its server calls them.

Its offsets are code points, as in this project (since Label Studio 1.4.1). The model is not trained on annotations.
"""

from typing import Any
from xml.etree import ElementTree

from fastapi import FastAPI
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StrictStr
from starlette.exceptions import HTTPException

from clue_ner.serving.answers import ERRORS, json_response, mentions, tag_texts
from clue_ner.serving.schemas import EXAMPLE, IdentifiedText
from clue_ner.serving.service import Service

CONFIG = (
    '<View><Labels name="label" toName="text"><Label value="name"/></Labels><Text name="text" value="$text"/></View>'
)
WANTED = 'wanted <Labels name="…" toName="…"> and a <Text name="…" value="$…"> of that name'


class Task(BaseModel):
    """A task, of which only the data are read."""

    data: dict[str, Any]


class PredictRequest(BaseModel):
    """Label Studio's request to label tasks; other keys are ignored."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"tasks": [{"id": 1, "data": {"text": EXAMPLE}}], "label_config": CONFIG}}
    )

    tasks: list[Task]
    label_config: StrictStr = Field(description="The project's labelling interface.")


class SetupRequest(BaseModel):
    """Label Studio's request when the backend is connected."""

    model_config = ConfigDict(json_schema_extra={"example": {"project": "1.1700000000", "schema": CONFIG}})

    label_config: StrictStr = Field(alias="schema", description="The project's labelling interface.")


class SetupResponse(BaseModel):
    """The model that predicts."""

    model_version: str


class PredictResponse(BaseModel):
    """A prediction for each task."""

    results: list[dict[str, Any]]


class _Interface:
    """The content of a labelling interface: its tags, the key of the text in the data, and the label for each type."""

    def __init__(self, config: str, types: tuple[str, ...]) -> None:
        root = _parse(config)
        texts = {tag.get("name"): tag for tag in root.iter("Text")}
        labels = next((tag for tag in root.iter("Labels") if tag.get("toName") in texts), None)
        if labels is None:
            raise HTTPException(422, f"label_config: found no <Labels> for a <Text>, {WANTED}")
        text = texts[labels.get("toName")]
        value = text.get("value", "")
        if text.get("valueType") == "url" or not value.startswith("$"):
            raise HTTPException(422, f"label_config: found a <Text> without its text in the task's data, {WANTED}")
        self.from_name, self.to_name, self.key = labels.get("name", ""), text.get("name", ""), value[1:]
        choices = [*labels.iter("Label")]
        self.label_of = {type_: type_ for type_ in types} if not choices else {}
        for label in choices:
            written = label.get("alias") or label.get("value") or ""
            for name in (written, label.get("value", ""), *label.get("predicted_values", "").split(",")):
                for type_ in types:
                    if type_.casefold() == name.strip().casefold():
                        self.label_of.setdefault(type_, written)

    def text(self, number: int, task: Task) -> str:
        """The text of a task."""
        found = task.data.get(self.key)
        if not isinstance(found, str):
            raise HTTPException(422, f'tasks.{number}.data: found no string "{self.key}", which label_config names')
        return found


def _parse(config: str) -> ElementTree.Element:
    if "<!" in config.replace("<!--", ""):
        raise HTTPException(422, "label_config: found a declaration (<!…>), wanted plain tags")
    try:
        return ElementTree.fromstring(config)
    except ElementTree.ParseError as error:
        raise HTTPException(422, f"label_config: not XML ({error})") from None


def add_routes(app: FastAPI, service: Service) -> None:
    """Add the routes of Label Studio to ``app``."""

    def version() -> str:
        found = service.pool.version
        return f"{found.name} {found.version}"

    @app.get("/health", summary="Label Studio: whether the backend lives")
    async def health() -> dict[str, str]:
        return {"status": "UP", "model_class": "clue-ner"}

    @app.post("/setup", responses=ERRORS, summary="Label Studio: connect a project")
    async def setup(asked: SetupRequest) -> SetupResponse:
        _Interface(asked.label_config, service.pool.description.types)
        return SetupResponse(model_version=version())

    @app.post("/predict", response_model=PredictResponse, responses=ERRORS, summary="Label Studio: label tasks")
    async def predict(asked: PredictRequest) -> Response:
        interface = _Interface(asked.label_config, service.pool.description.types)
        texts = [interface.text(number, task) for number, task in enumerate(asked.tasks)]
        tagged = await tag_texts(service, [IdentifiedText(text=text) for text in texts])
        named = f"{tagged.pool.version.name} {tagged.pool.version.version}"
        predictions = [
            _prediction(interface, mentions(text, found, types=set(interface.label_of)), named)
            for text, found in zip(texts, tagged.found, strict=True)
        ]
        return json_response({"results": predictions})

    @app.post("/webhook", responses=ERRORS, summary="Label Studio: annotations have changed; nothing is done")
    async def webhook(event: dict[str, Any]) -> dict[str, str]:
        return {"status": "ignored"}


def _prediction(interface: _Interface, found: list[dict[str, Any]], version: str) -> dict[str, Any]:
    """A prediction; its score is that of its least certain entity."""
    regions = [
        {
            "from_name": interface.from_name,
            "to_name": interface.to_name,
            "type": "labels",
            "value": {
                "start": entity["start"],
                "end": entity["end"],
                "text": entity["text"],
                "labels": [interface.label_of[entity["type"]]],
            },
            "score": entity["score"],
        }
        for entity in found
    ]
    score = min((entity["score"] for entity in found), default=1.0)
    return {"model_version": version, "score": score, "result": regions}
