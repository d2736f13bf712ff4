"""Computes the response to a request: limits, the queue, and entities as plain JSON values."""

from collections.abc import Iterable, Sequence
from typing import Any

from fastapi.responses import Response
from starlette.exceptions import HTTPException

from clue_ner.common.json_lines import to_json
from clue_ner.serving.batching import OverloadedError, Tagged
from clue_ner.serving.processes import Found, NoModelError, WorkerDiedError
from clue_ner.serving.schemas import SHOWN, Error, IdentifiedText, TagRequest
from clue_ner.serving.service import Service

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Error, "description": "Not JSON"},
    401: {"model": Error, "description": "No token, or a wrong one"},
    403: {"model": Error, "description": "Asked by another site's page"},
    408: {"model": Error, "description": "The request arrived too slowly"},
    413: {"model": Error, "description": "The body is too long"},
    415: {"model": Error, "description": "The content type is not application/json"},
    421: {"model": Error, "description": "The Host is not known"},
    422: {"model": Error, "description": "Not what is wanted: the message says what was found, and what was wanted"},
    500: {"model": Error, "description": "The process that computed the request died; it is restarted"},
    503: {"model": Error, "description": "Too much is waiting: Retry-After has the number of seconds to wait"},
    504: {"model": Error, "description": "There was no time to compute it"},
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Descriptions of these responses in the OpenAPI document."""
    return {status: ERRORS[status] for status in statuses}


async def answer(service: Service, asked: TagRequest) -> dict[str, Any]:
    """The response to ``asked`` as plain JSON values; raises HTTPException."""
    items = asked.items
    pool = service.pool
    if unknown := sorted(set(asked.types or ()) - set(pool.description.types)):
        raise HTTPException(422, f"types: found {short(unknown)}, wanted some of {', '.join(pool.description.types)}")
    tagged = await tag_texts(service, items)
    types = None if asked.types is None else set(asked.types)
    results = [
        {**({} if item.id is None else {"id": item.id}), "entities": mentions(item.text, found, asked.min_score, types)}
        for item, found in zip(items, tagged.found, strict=True)
    ]
    return {"model": vars(tagged.pool.version), "results": results}


async def tag_texts(service: Service, items: Sequence[IdentifiedText]) -> Tagged:
    """The entities of the texts, after a check of their number and lengths; raises HTTPException."""
    limits = service.limits
    if len(items) > limits.texts:
        raise HTTPException(422, f"texts: found {len(items)}, wanted at most {limits.texts}")
    for number, item in enumerate(items):
        if len(item.text) > limits.characters:
            raise HTTPException(
                422, f"texts.{number}: found {len(item.text)} characters, wanted at most {limits.characters}"
            )
    try:
        return await service.batcher.tag([item.text for item in items])
    except OverloadedError as error:
        raise HTTPException(503, str(error), {"Retry-After": str(error.seconds)}) from None
    except NoModelError as error:
        raise HTTPException(503, str(error), {"Retry-After": "5"}) from None
    except WorkerDiedError as error:
        raise HTTPException(500, f"{error}; a new one is started, and the request can be sent again") from None
    except TimeoutError:
        raise HTTPException(504, f"not computed within {limits.seconds:g} s; try later") from None


def mentions(
    text: str, found: Iterable[Found], min_score: float = 0, types: set[str] | None = None
) -> list[dict[str, Any]]:
    """The entities in responses: those of ``types`` with at least ``min_score``."""
    return [
        {"type": type_, "start": start, "end": end, "text": text[start:end], "score": score}
        for type_, start, end, score in found
        if score >= min_score and (types is None or type_ in types)
    ]


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """``value`` as a JSON response that must not be cached."""
    return Response(
        to_json(value), status, {"Cache-Control": "no-store", **(headers or {})}, media_type="application/json"
    )


def short(value: Any) -> str:
    """``value`` as text for an error."""
    shown = (
        ", ".join(value)
        if value and isinstance(value, list) and all(isinstance(v, str) for v in value)
        else repr(value)
    )
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
