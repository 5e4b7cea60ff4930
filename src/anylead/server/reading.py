"""A request's body -> Records.

A body is JSON (`schema.RecordingsIn`) or multipart with files of any format. Files lie in a folder
of their own while they are read and are gone afterwards; no name can point out of that folder.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from math import isclose
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from anyio import CapacityLimiter
from pydantic import ValidationError

from anylead.errors import FormatError, LeadError
from anylead.formats.beside import FOLDER_FILE
from anylead.formats.kardia_json import is_recording
from anylead.inference.inputs import as_records
from anylead.leads import find_lead
from anylead.records import Record
from anylead.server import reader
from anylead.server.limits import Limits, RefusalError
from anylead.server.schema import RecordingIn, RecordingsIn

FACTS = ("sample_rate", "leads", "unit")
_PICKLE_NAMES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill")
_LARGEST = 1e30  # in any unit; far from the end of single precision
_SAFE_NAME = re.compile(r"[^\x00-\x1f/\\:]{1,150}")


class Upload(NamedTuple):
    """A file of a request."""

    name: str
    content: bytes


def from_json(body: bytes, limits: Limits) -> list[Record]:
    """Recordings as numbers.

    Raises:
        RefusalError: no JSON, or not of the right form.
        FormatError, LeadError: a recording that cannot be used.
    """
    try:
        request = RecordingsIn.model_validate_json(body)
    except ValidationError as error:
        raise RefusalError(*_complaint(error)) from None
    if len(request.recordings) > limits.recordings:
        raise _too_many(len(request.recordings), limits)
    return [_record(each, i) for i, each in enumerate(request.recordings)]


async def from_files(
    uploads: Sequence[Upload],
    facts: Mapping[str, str],
    limits: Limits,
    processes: CapacityLimiter,
) -> list[Record]:
    """Files of any format; a header and its samples, or an array and its JSON, count as one.

    Args:
        uploads: all files of the request.
        facts: sample_rate (Hz), leads ("I,II") and unit of array files that do not tell.
        limits: number of recordings, time and amount.
        processes: how many may read at once.

    Raises:
        RefusalError: no file, too many, a name that is a path, a pickle, or too long to read.
        FormatError, LeadError: a file that cannot be read.
    """
    heads = _heads(uploads, limits)
    with TemporaryDirectory(prefix="anylead-", ignore_cleanup_errors=True) as folder:
        await asyncio.to_thread(_write, Path(folder), uploads, facts)
        found = await reader.read(Path(folder), heads, limits, processes)
    _check_facts(found, facts)
    return found


async def part_from_files(
    uploads: Sequence[Upload],
    facts: Mapping[str, str],
    limits: Limits,
    processes: CapacityLimiter,
    part: tuple[float, float],
) -> tuple[Record, reader.Overview | None]:
    """A part (start and length in seconds) of one recording, and an overview of the whole.

    Raises:
        RefusalError, FormatError, LeadError: as for `from_files`.
    """
    heads = _heads(uploads, limits)
    if len(heads) != 1:
        raise RefusalError(422, f"{len(heads)} recordings; this answers for one at a time")
    with TemporaryDirectory(prefix="anylead-", ignore_cleanup_errors=True) as folder:
        await asyncio.to_thread(_write, Path(folder), uploads, facts)
        found = await reader.read_part(Path(folder) / heads[0], *part, limits, processes)
    _check_facts(found[:1], facts)
    return found


def _heads(uploads: Sequence[Upload], limits: Limits) -> list[str]:
    """Names of the files that stand for a recording."""
    _check_names(uploads)
    heads = [upload.name for upload in _without_companions(uploads)]
    if not heads:
        raise RefusalError(422, "no recording among the files; send ECG files in the field 'file'")
    if len(heads) > limits.recordings:
        raise _too_many(len(heads), limits)
    return heads


def check_amount(records: Sequence[Record], limits: Limits) -> None:
    """Refuse more ECG than a request may hold.

    Raises:
        RefusalError: too long, together.
    """
    seconds = sum(record.seconds for record in records)
    if seconds > limits.ecg_seconds:
        raise reader.too_much_ecg(seconds, limits)


def _record(given: RecordingIn, number: int) -> Record:
    name = given.name or f"recording {number + 1}"
    lengths = {len(row) for row in given.signal}
    if len(lengths) != 1 or lengths == {0}:
        raise FormatError(f"{name}: rows of {sorted(lengths)} samples; want (lead, time)")
    array = np.array(given.signal, dtype=np.float64)
    if np.isinf(array).any():
        raise FormatError(f"{name}: infinite values; write null where a sample is missing")
    if np.nanmax(np.abs(array), initial=0) > _LARGEST:
        raise FormatError(f"{name}: values too large for a signal; check the unit")
    try:
        (record,) = as_records([array], given.sample_rate, given.leads, given.unit)
    except (FormatError, LeadError) as error:
        raise type(error)(str(error).replace("array 0", name)) from None
    if len(set(record.leads)) < len(record.leads):
        raise LeadError(f"{name}: a lead stands twice among {', '.join(record.leads)}")
    return Record(record.signal, record.leads, record.sample_rate, name, unit=record.unit)


def _check_facts(records: Sequence[Record], facts: Mapping[str, str]) -> None:
    """Refuse a rate or leads that were read from no file: they would be overlooked."""
    rate, leads = facts.get("sample_rate"), facts.get("leads")
    if rate and all(
        not isclose(record.sample_rate, float(rate), rel_tol=1e-3) for record in records
    ):
        raise RefusalError(
            422,
            f"sample_rate {rate[:30]}: for arrays that do not tell; the file says"
            f" {records[0].sample_rate:g} Hz, leave the field out",
        )
    stated = {find_lead(part) or part.strip() for part in (leads or "").split(",")}
    if leads and all(set(record.leads) - stated for record in records):
        raise RefusalError(
            422,
            f"leads {leads[:60]!r}: for arrays that do not tell; the file has its own, leave the"
            " field out (?use_leads=I,II hides the others from the model)",
        )


def _write(folder: Path, uploads: Sequence[Upload], facts: Mapping[str, str]) -> None:
    for upload in uploads:
        (folder / upload.name).write_bytes(upload.content)
    _write_facts(folder, facts)


def _check_names(uploads: Sequence[Upload]) -> None:
    names = [upload.name for upload in uploads]
    for name in names:
        if not _SAFE_NAME.fullmatch(name) or name.startswith(".") or len(name.encode()) > 240:
            raise RefusalError(422, f"file name {name[:60]!r}: want a plain name without a path")
        if name.lower().endswith(_PICKLE_NAMES):
            raise reader.pickled(name)
    if len(set(names)) < len(names):
        raise RefusalError(422, "two files of one name; rename one")


def _without_companions(uploads: Sequence[Upload]) -> list[Upload]:
    """Files that stand for a recording: no samples of a WFDB header, no JSON beside an array.

    The JSON of a Kardia is a recording itself.
    """
    named: set[str] = set()
    for upload in uploads:
        if upload.name.lower().endswith(".hea"):
            named |= _named_by(upload)
    return [
        upload
        for upload in uploads
        if upload.name not in named
        and upload.name.removesuffix(".hea") not in named
        and (not upload.name.lower().endswith(".json") or is_recording(upload.content))
    ]


def _named_by(header: Upload) -> set[str]:
    """First words of a header's lines after the first: files of samples, or segments."""
    lines = header.content.decode("utf-8", errors="replace").splitlines()
    words = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return {line[0] for line in words[1:]}


def _write_facts(folder: Path, facts: Mapping[str, str]) -> None:
    known: dict[str, object] = {name: facts[name] for name in FACTS if facts.get(name)}
    if not known:
        return
    if "sample_rate" in known:
        try:
            known["sample_rate"] = float(facts["sample_rate"])
        except ValueError:
            raise RefusalError(
                422, f"sample_rate {facts['sample_rate'][:30]!r}: want a number of Hz"
            ) from None
    if "leads" in known:
        known["leads"] = [part.strip() for part in facts["leads"].split(",")]
    for path in {folder / FOLDER_FILE, *folder.glob("*.json")}:
        _state(path, known)


def _state(path: Path, known: Mapping[str, object]) -> None:
    """What the request states goes before what an uploaded side-car says."""
    content = path.read_bytes() if path.exists() else b"{}"
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return  # whoever reads it tells
    if isinstance(told, dict) and not is_recording(content):
        path.write_text(json.dumps({**told, **known}), encoding="utf-8")


def _too_many(number: int, limits: Limits) -> RefusalError:
    return RefusalError(413, f"{number} recordings; a request may hold {limits.recordings}")


def _complaint(error: ValidationError) -> tuple[int, str]:
    """Status and one line out of pydantic's list; values of the request are not repeated."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "body"
    status = 400 if first["type"] == "json_invalid" else 422
    return status, f"{place}: {first['msg']}"
