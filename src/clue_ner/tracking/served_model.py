"""The registered model: MLflow runs this file to load a tagger, so nothing is unpickled.

Its input is texts; it returns a record for each: ``{"text", "entities": [{"type", "start", "end", "text",
"score"}]}``, with offsets in characters, end exclusive. Who asks may give the parameters ``min_score`` and ``output``.
Who loads the model may give ``model_config`` with ``runtime`` and ``device``, which a request cannot change.
"""

import json
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel
from pydantic import BaseModel

from clue_ner.core.entities import Entity

OUTPUTS = ("records", "json")


class Mention(BaseModel):
    """An entity in the model's signature; ``start`` and ``end`` count characters of the text, ``end`` exclusive."""

    type: str
    start: int
    end: int
    text: str
    score: float


class Record(BaseModel):
    """A tagged text in the model's signature."""

    text: str
    entities: list[Mention]


class TaggerModel(PythonModel):  # type: ignore[misc]
    """A tagger with MLflow's predict interface."""

    def load_context(self, context: Any) -> None:
        """Load the tagger with ``runtime`` and ``device`` of the model's configuration, as ``Tagger.load`` takes them.

        Raises the errors of ``Tagger.load``.
        """
        from clue_ner.tagger.tagger import AUTO, Tagger

        config = {name: value for name, value in (context.model_config or {}).items() if value not in (None, AUTO)}
        self.tagger = Tagger.load(context.artifacts["tagger"], **config)

    def predict(
        self,
        context: Any,
        model_input: list[str],
        params: dict[str, Any] | None = None,
    ) -> list[Record]:
        """Tag texts, in order, with what ``params`` says.

        - ``output``: ``records``, or ``json`` for each record as a JSON string, as a column of Spark needs it
        - ``min_score``: leave out entities with a score below it, 0 to 1
        """
        asked = params or {}
        output, min_score = asked.get("output", OUTPUTS[0]), asked.get("min_score", 0.0)
        if output not in OUTPUTS:
            raise MlflowException.invalid_parameter_value(f"output {output!r}: there are {', '.join(OUTPUTS)}")
        if isinstance(min_score, bool) or not isinstance(min_score, int | float) or not 0 <= min_score <= 1:
            raise MlflowException.invalid_parameter_value(f"min_score {min_score!r}: wanted a number from 0 to 1")
        tagged = zip(model_input, self.tagger.tag(model_input), strict=True)
        records = [_record(text, [e for e in found if (e.score or 0) >= min_score]) for text, found in tagged]
        # MLflow infers the signature from the annotation; JSON and Spark need plain values.
        plain: Any = [json.dumps(record) for record in records] if output == "json" else records
        return plain  # type: ignore[no-any-return]


def _record(text: str, entities: list[Entity]) -> dict[str, Any]:
    spans = [
        {"type": e.type, "start": e.start, "end": e.end, "text": e.surface(text), "score": e.score} for e in entities
    ]
    return {"text": text, "entities": spans}


set_model(TaggerModel())
