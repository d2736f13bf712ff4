"""The routes: ``/tag``, ``/model``, health, metrics, the page, and those of Label Studio."""

import time
from dataclasses import asdict
from importlib import resources
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import clue_ner
from clue_ner.serving import label_studio
from clue_ner.serving.answers import ERRORS, answer, errors, json_response, short
from clue_ner.serving.guard import Access, Guard
from clue_ner.serving.schemas import MANY, ONE, ModelResponse, Status, TagRequest, TagResponse
from clue_ner.serving.service import Service

PAGE = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
"""The page's files by path: the name in the package, and the content type."""
BRANCHES = ("str", "int", "float", "IdentifiedText")
"""What pydantic adds to the location of a value in a union."""


def create(service: Service, access: Access) -> ASGIApp:
    """The application behind its guard; ``service`` must be running."""
    app = FastAPI(
        title="clue-ner",
        version=clue_ner.__version__,
        description="Named entities in Chinese text. Offsets are Unicode code points, end exclusive.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    _add_routes(app, service)
    label_studio.add_routes(app, service)
    _add_page(app)
    app.add_exception_handler(RequestValidationError, _not_valid)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http_error)  # type: ignore[arg-type]
    guarded: ASGIApp = Guard(app, access, service)
    if access.origins:
        guarded = CORSMiddleware(
            guarded,
            allow_origins=sorted(access.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    return _Counted(guarded, service)


def _add_routes(app: FastAPI, service: Service) -> None:
    @app.post("/tag", response_model=TagResponse, responses=ERRORS, summary="The entities of one text, or of many")
    async def tag(
        asked: Annotated[TagRequest, Body(openapi_examples={"one": {"value": ONE}, "many": {"value": MANY}})],
    ) -> Response:
        return json_response(await answer(service, asked))

    @app.get("/model", response_model=ModelResponse, responses=errors(401, 403, 421), summary="The model in use")
    async def model() -> Response:
        pool, limits = service.pool, service.limits
        shown = {name: getattr(limits, name) for name in ("body_bytes", "texts", "characters", "seconds")}
        return json_response({**asdict(pool.version), **asdict(pool.description), "limits": shown})

    @app.get("/healthz", response_model=Status, responses=errors(403, 421), summary="Whether the service lives")
    async def healthz() -> Response:
        return json_response({"status": "ok"})

    @app.get(
        "/readyz", response_model=Status, responses=errors(403, 421, 503), summary="Whether texts would be tagged now"
    )
    async def readyz() -> Response:
        if service.pool.is_ready:
            return json_response({"status": "ready"})
        raise HTTPException(503, "the model is being loaded", {"Retry-After": "1"})

    @app.get(
        "/metrics", responses={200: {"content": {"text/plain": {}}}, **errors(401, 403, 421)}, summary="For Prometheus"
    )
    async def metrics() -> Response:
        return Response(service.metrics.render(), media_type="text/plain; version=0.0.4")


def _add_page(app: FastAPI) -> None:
    folder = resources.files("clue_ner.serving") / "page"
    for path, (name, kind) in PAGE.items():
        content = (folder / name).read_bytes()

        async def file(request: Request, content: bytes = content, kind: str = kind) -> Response:
            return Response(content, media_type=f"{kind}; charset=utf-8", headers={"Cache-Control": "no-cache"})

        app.add_route(path, file, methods=["GET"], include_in_schema=False)


async def _not_valid(request: Request, error: RequestValidationError) -> Response:
    if any(problem["type"] == "json_invalid" for problem in error.errors()):
        problem = error.errors()[0]
        return json_response({"error": f"not JSON ({problem['ctx']['error']} at {problem['loc'][-1]})"}, 400)
    return json_response({"error": "; ".join(dict.fromkeys(map(_problem, error.errors()[:5])))}, 422)


def _problem(detail: Any) -> str:
    """The text of pydantic's error, with the location."""
    where = ".".join(str(part) for part in detail["loc"] if part not in {"body", *BRANCHES})
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] != "value_error":
        message = f"found {short(detail['input'])}: {message[0].lower()}{message[1:]}"
    return ": ".join(filter(None, (where, message)))


async def _http_error(request: Request, error: HTTPException) -> Response:
    return json_response({"error": str(error.detail)}, error.status_code, dict(error.headers or {}))


class _Counted:
    """``app``, with counters and durations of its responses."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._metrics = app, service.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = scope.get("route")
                path = getattr(route, "path", "other")
                self._metrics.requests.labels(path, message["status"]).inc()
                self._metrics.seconds.labels(path).observe(time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, count)
