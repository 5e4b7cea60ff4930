"""The routes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from anylead import __version__
from anylead.errors import AnyleadError, CheckpointError, MissingPackageError
from anylead.inference.answer import NOTICE
from anylead.leads import parse_leads
from anylead.records import Record
from anylead.server import answers, bodies, reader, schema
from anylead.server.api_page import api_page
from anylead.server.connections import Complaints
from anylead.server.examples import EXAMPLES, example
from anylead.server.gate import Gate
from anylead.server.limits import RefusalError, short
from anylead.server.service import Service

SCRIPTS = (
    *("page.js", "answer.js", "api.js", "elements.js", "layout.js", "overview.js", "paper.js"),
    *("median.js", "recordings.js", "waves.js", "words.js"),
)
PAGE_FILES = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(SCRIPTS, "text/javascript; charset=utf-8"),
}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": schema.ErrorOut, "description": text}
    for status, text in {
        400: "no JSON",
        401: "token missing or wrong",
        409: "this model cannot do it",
        413: "too large, too many, too long",
        415: "neither JSON nor files, or a pickle",
        422: "a recording or an option that cannot be used",
        503: "too many are waiting",
        504: "took too long",
    }.items()
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/RecordingsIn"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "ECG files of any format; WFDB: header and samples",
                        },
                        "sample_rate": {"type": "number", "description": "Hz, of bare arrays"},
                        "leads": {"type": "string", "description": "of bare arrays: I,II,V2"},
                        "unit": {"type": "string", "description": "of bare arrays: mV, uV, ..."},
                    },
                }
            },
        },
    }
}

UseLeads = Annotated[
    str | None, Query(max_length=100, description='what the model may see: "I,II,V2" or "3"')
]


def create_app(
    service: Service, token: str | None = None, hosts: Collection[str] | None = None
) -> FastAPI:
    """The application.

    Args:
        service: model, gallery, limits.
        token: that requests must bear; None lets everyone in.
        hosts: allowed in the Host header; None allows all.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_exception_handler(Complaints())
        warming = asyncio.create_task(reader.start(service.processes))
        yield
        warming.cancel()
        await service.stop()

    app = FastAPI(
        title="anylead",
        version=__version__,
        description=f"ECG models that work with any set of leads. {NOTICE}",
        docs_url=None,  # FastAPI's load scripts from elsewhere; see `api_page`
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(bodies.only_known_options)],
    )
    app.add_middleware(
        Gate, limits=service.limits, metrics=service.metrics, token=token, hosts=hosts
    )
    for kind in (AnyleadError, RefusalError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _as_answer)
    _add_page(app)
    _add_facts(app, service)
    _add_numbers(app, service)
    _add_waves(app, service)
    _add_pictures(app, service)
    _add_api_page(app, token is not None)
    _describe_bodies(app)  # last: a route more would make the description anew
    return app


def _add_page(app: FastAPI) -> None:
    page = files("anylead.server") / "page"

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return Response((page / "index.html").read_bytes(), media_type=PAGE_FILES["index.html"])

    @app.get("/page/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        if name not in PAGE_FILES:
            raise RefusalError(404, "no such file")
        return Response((page / name).read_bytes(), media_type=PAGE_FILES[name])


def _add_api_page(app: FastAPI, wants_token: bool) -> None:
    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        address = str(request.base_url).rstrip("/")
        made = api_page(app.openapi(), address, wants_token, NOTICE)
        return Response(made, media_type=PAGE_FILES["index.html"])


def _add_facts(app: FastAPI, service: Service) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the server is up."""
        return {"status": "ok"}

    @app.get("/metrics")
    async def metrics() -> Response:
        """For Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/model")
    async def model() -> schema.ModelOut:
        """What is served."""
        return answers.about_model(service)

    @app.get("/examples")
    async def examples() -> list[schema.Example]:
        """Generated recordings to try."""
        return [schema.Example(name=name, title=title) for name, (title, _) in EXAMPLES.items()]

    @app.get("/examples/{name}", responses=_ERRORS)
    async def one_example(name: str) -> JSONResponse:
        """One of them as numbers, as `/read` gives it."""
        record = await service.aside(lambda: example(name))
        return await _json(service, lambda: answers.recording(record))


def _add_numbers(app: FastAPI, service: Service) -> None:
    records = bodies.records_of(service)
    one = bodies.single(records)

    @app.post("/read", responses=_ERRORS, response_model=schema.RecordingOut)
    async def read(
        request: Request,
        start: Annotated[float, Query(ge=0)] = 0.0,
        seconds: Annotated[float | None, Query(gt=0, le=service.limits.ecg_seconds)] = None,
    ) -> JSONResponse:
        """A recording as numbers; with `seconds` a part of it, and an overview of a longer one."""
        if seconds is None:
            record, overview = await one(await records(request)), None
        else:
            record, overview = await bodies.part(request, service, start, seconds)
        return await _json(service, lambda: answers.recording(record, start, overview))

    @app.post("/predict", responses=_ERRORS)
    async def predict(
        found: Annotated[list[Record], Depends(records)],
        use_leads: UseLeads = None,
        force: Annotated[bool, Query(description="answer for what looks like noise, too")] = False,
    ) -> schema.Predictions:
        """Probabilities and decisions by label, and how far to trust them."""
        windows, _ = await service.prepare(found, _leads(use_leads))
        return answers.predictions(await service.answers(found, windows, force), service)

    @app.post("/embed", responses=_ERRORS)
    async def embed(
        found: Annotated[list[Record], Depends(records)], use_leads: UseLeads = None
    ) -> schema.Embeddings:
        """Vectors."""
        windows, seen = await service.prepare(found, _leads(use_leads))
        rows = (await service.vectors(windows)).tolist()
        return schema.Embeddings(
            recordings=[
                schema.Embedding(name=record.record_id, leads=leads, vector=row)
                for record, leads, row in zip(found, seen, rows, strict=True)
            ]
        )

    if service.gallery is not None:
        _add_gallery(app, service, records)
        return

    @app.post("/identify", include_in_schema=False)
    async def no_gallery() -> None:
        raise RefusalError(404, "no gallery; start with --gallery to identify persons")


def _add_waves(app: FastAPI, service: Service) -> None:
    records = bodies.records_of(service)

    @app.post("/delineate", responses=_ERRORS)
    async def delineate(
        found: Annotated[list[Record], Depends(records)], use_leads: UseLeads = None
    ) -> schema.Delineations:
        """Where P, QRS and T begin and end, and PR, QRS, QT and QTc."""
        windows, _ = await service.prepare(found, _leads(use_leads))
        return answers.delineations(await service.delineate(found, windows))


def _add_gallery(app: FastAPI, service: Service, records: Callable[..., Any]) -> None:
    @app.post("/identify", responses=_ERRORS)
    async def identify(
        found: Annotated[list[Record], Depends(records)],
        use_leads: UseLeads = None,
        top: Annotated[int, Query(ge=1, le=50)] = 5,
    ) -> schema.Identities:
        """The nearest persons and recordings of the gallery."""
        windows, _ = await service.prepare(found, _leads(use_leads))
        persons = await service.identify(windows, top)
        return schema.Identities(
            recordings=[
                answers.identity(record, each, service.threshold)
                for record, each in zip(found, persons, strict=True)
            ]
        )


def _add_pictures(app: FastAPI, service: Service) -> None:
    one = bodies.single(bodies.records_of(service))
    pictures: dict[int | str, dict[str, Any]] = {
        200: {"content": {kind: {} for kind in answers.MEDIA.values()}},
        **_ERRORS,
    }

    @app.post("/explain", responses=_ERRORS, response_model=schema.ExplanationOut)
    async def explain(
        record: Annotated[Record, Depends(one)],
        method: Annotated[str, Query(max_length=30)] = "gradients",
        label: Annotated[str | None, Query(max_length=200)] = None,
        use_leads: UseLeads = None,
    ) -> JSONResponse:
        """What an answer rests on."""
        found = await service.explain(record, method, label, _leads(use_leads))
        return await _json(service, lambda: answers.explanation(record, found))

    @app.post("/plot", responses=pictures, response_class=Response)
    async def plot(
        record: Annotated[Record, Depends(one)],
        format: answers.PictureKind = "svg",  # noqa: A002
        layout: Annotated[str | None, Query(max_length=20)] = None,
        seconds: Annotated[float | None, Query(gt=0, le=120)] = None,
        start: Annotated[float, Query(ge=0)] = 0.0,
        report: bool = False,
        method: Annotated[str | None, Query(max_length=30)] = None,
        label: Annotated[str | None, Query(max_length=200)] = None,
        use_leads: UseLeads = None,
        force: bool = False,
    ) -> Response:
        """The page; with `report` what the model says above it, with `method` its saliency."""
        leads, header, found = _leads(use_leads), None, None
        seen = None if leads is None else leads.split(",")
        if method is not None:
            found = await service.explain(record, method, label, leads)
        if report:
            windows, each_seen = await service.prepare([record], leads)
            answers_it = service.model.outcome is not None
            said = (await service.answers([record], windows, force))[0] if answers_it else None
            header = answers.report_header(record, said, service.model.about, found)
            seen = each_seen[0]
        content = await service.aside(
            lambda: answers.picture(
                record, format, layout=layout, seconds=seconds, start=start, header=header,
                found=found, seen=seen,
            )
        )  # fmt: skip
        return Response(content, media_type=answers.MEDIA[format])


def _leads(use_leads: str | None) -> str | None:
    """Checked, as a list of canonical names."""
    return None if not use_leads else ",".join(parse_leads(use_leads))


async def _json(service: Service, make: Any) -> JSONResponse:
    """Long answers are put together beside the event loop."""
    return await service.aside(lambda: JSONResponse(make().model_dump()))


async def _as_answer(_: Request, error: Exception) -> JSONResponse:
    status, message, headers = 422, str(error), None
    if isinstance(error, RefusalError):
        status = error.status
    elif isinstance(error, HTTPException):
        status, message, headers = error.status_code, str(error.detail), error.headers
    elif isinstance(error, CheckpointError):
        status = 409
    elif isinstance(error, MissingPackageError):
        status = 501
    elif isinstance(error, RequestValidationError):
        first = error.errors()[0]
        message = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    if status == 503:
        headers = {"Retry-After": "1"}
    return JSONResponse({"error": short(message)}, status, headers=headers)


def _describe_bodies(app: FastAPI) -> None:
    """Put what `reading` takes into the OpenAPI description, where FastAPI cannot see it."""
    described = app.openapi()
    body = schema.RecordingsIn.model_json_schema(ref_template="#/components/schemas/{model}")
    described["components"]["schemas"] |= body.pop("$defs")
    described["components"]["schemas"]["RecordingsIn"] = body
    for path in described["paths"].values():
        if "post" in path:
            path["post"] |= _BODY
