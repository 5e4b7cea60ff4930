"""A request's body as Records: dependencies of the routes."""

from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import UploadFile

from anylead.errors import known_are
from anylead.inference.inputs import check
from anylead.records import Record
from anylead.server import reader, reading
from anylead.server.limits import RefusalError
from anylead.server.service import Service


async def only_known_options(request: Request) -> None:
    """Refuse `?leads=I` where the option is called `use_leads`: it would be overlooked."""
    described = request.app.openapi()["paths"].get(request.scope["route"].path, {}).get("post")
    if described is None:
        return
    known = [each["name"] for each in described.get("parameters", ()) if each["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            raise RefusalError(422, f"no option {name[:40]!r}{known_are(name, known or ['none'])}")


def records_of(service: Service) -> Any:
    """A dependency that reads the body."""

    async def records(request: Request) -> list[Record]:
        limits = service.limits
        if _kind(request) == "multipart/form-data":
            uploads, facts = await _form(request, service)
            found = await reading.from_files(uploads, facts, limits, service.processes)
        else:
            body = await _json_body(request)
            found = await service.aside(lambda: reading.from_json(body, limits))
        reading.check_amount(found, limits)
        for record in found:
            check(record)
        service.metrics.recordings.inc(len(found))
        return found

    return records


async def part(
    request: Request, service: Service, start: float, seconds: float
) -> tuple[Record, reader.Overview | None]:
    """A part of one recording, and an overview of a longer one."""
    if _kind(request) == "multipart/form-data":
        uploads, facts = await _form(request, service)
        found, overview = await reading.part_from_files(
            uploads, facts, service.limits, service.processes, (start, seconds)
        )
    else:
        body = await _json_body(request)
        records = await service.aside(lambda: reading.from_json(body, service.limits))
        if len(records) != 1:
            raise RefusalError(422, f"{len(records)} recordings; this answers for one at a time")
        found, overview = await service.aside(lambda: reader.part_of(records[0], start, seconds))
    check(found)
    service.metrics.recordings.inc()
    return found, overview


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


async def _json_body(request: Request) -> bytes:
    if _kind(request) != "application/json":
        raise RefusalError(415, "want application/json, or multipart/form-data with files")
    return await request.body()


async def _form(request: Request, service: Service) -> tuple[list[reading.Upload], dict[str, str]]:
    most = service.limits.recordings * 4  # a header, samples, and a JSON beside them
    async with request.form(max_files=most, max_fields=8) as form:
        items = form.multi_items()
        uploads = [
            reading.Upload(value.filename or "", await value.read())
            for _, value in items
            if isinstance(value, UploadFile)
        ]
        facts = {name: value for name, value in items if isinstance(value, str)}
    unknown = set(facts) - set(reading.FACTS)
    if unknown:
        raise RefusalError(422, f"unknown fields; known are file, {', '.join(reading.FACTS)}")
    return uploads, facts


def single(records: Any) -> Any:
    """A dependency that wants exactly one."""

    async def one(found: Annotated[list[Record], Depends(records)]) -> Record:
        if len(found) != 1:
            raise RefusalError(422, f"{len(found)} recordings; this answers for one at a time")
        return found[0]

    return one
