"""The registered model: MLflow runs this file to load a tagger, so nothing is unpickled.

Its input is texts; it returns a record for each: ``{"text", "entities": [{"type", "start", "end", "text",
"score"}]}``, with offsets in characters, end exclusive. The parameter ``output="json"`` makes each record a JSON
string, for Spark columns.
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
        """Load the tagger that was registered."""
        from clue_ner.tagger.tagger import Tagger

        self.tagger = Tagger.load(context.artifacts["tagger"], "torch")

    def predict(
        self,
        context: Any,
        model_input: list[str],
        params: dict[str, Any] | None = None,
    ) -> list[Record]:
        """Tag texts, in order; ``params``: ``output`` is ``records`` or ``json``."""
        output = (params or {}).get("output", OUTPUTS[0])
        if output not in OUTPUTS:
            raise MlflowException.invalid_parameter_value(f"output {output!r}: there are {', '.join(OUTPUTS)}")
        records = [_record(text, found) for text, found in zip(model_input, self.tagger.tag(model_input), strict=True)]
        # MLflow infers the signature from the annotation; JSON and Spark need plain values.
        plain: Any = [json.dumps(record) for record in records] if output == "json" else records
        return plain  # type: ignore[no-any-return]


def _record(text: str, entities: list[Entity]) -> dict[str, Any]:
    spans = [
        {"type": e.type, "start": e.start, "end": e.end, "text": e.surface(text), "score": e.score} for e in entities
    ]
    return {"text": text, "entities": spans}


set_model(TaggerModel())
