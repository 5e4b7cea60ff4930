"""What a worker of `anylead prepare` does with each recording of its shard."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from anylead.datasets import Item
from anylead.errors import AnyleadError, MissingPackageError, SourceError, StoreError
from anylead.formats.guard import is_source_fault
from anylead.inference.inputs import restrict
from anylead.leads import LEADS
from anylead.records import Record
from anylead.signals import (
    Prepared,
    PreprocessConfig,
    Quality,
    preprocess,
    with_frank,
    without_leads,
)
from anylead.store.build import Rejected

_PAUSE = 0.2  # seconds before a read that failed is tried again


@dataclass(frozen=True)
class Job:
    """What a worker process needs for one shard."""

    folder: Path
    number: int
    items: Sequence[Item]
    read: Callable[[Item], Record]
    preprocess: PreprocessConfig
    dropped_flags: Quality
    salt: str | None
    leads: tuple[str, ...] | None = None
    skip_unreadable: bool = False


def prepare_item(item: Item, job: Job) -> tuple[Record, Prepared] | Rejected:
    """A recording ready to be stored, or why it is not."""
    record_id = item[0]
    try:
        record = _read(item, job)
        if record.record_id != record_id:
            record = replace(record, record_id=record_id)
        record, prepared = _prepared(record, job)
        if not prepared.has_lead.any():
            return _reject(item, f"{record_id}: every lead is missing or constant", job)
        if job.dropped_flags:
            flagged = (prepared.quality & np.uint16(job.dropped_flags)) != 0
            prepared = without_leads(prepared, flagged)
            if not prepared.has_lead.any():
                names = Quality(int(np.bitwise_or.reduce(prepared.quality)) & job.dropped_flags)
                return _reject(item, f"{record_id}: every lead is {names.name}", job)
    except (MissingPackageError, StoreError):
        raise  # no fault of this recording
    except (AnyleadError, OSError) as error:
        is_lasting = job.skip_unreadable or not is_source_fault(error)
        if isinstance(error, OSError):
            reason = f"{record_id}: cannot be read ({error.strerror or error})"
        else:
            reason = str(error)
        return replace(_reject(item, reason, job), is_lasting=is_lasting)
    except (ValueError, KeyError, IndexError, TypeError, ArithmeticError) as error:
        # One odd file must not end a run over a million: it is listed with what happened.
        return _reject(item, f"{record_id}: unexpected {type(error).__name__}: {error}", job)
    if job.salt is not None:
        patient = None if record.patient_id is None else _hashed(record.patient_id, job.salt)
        record = replace(record, record_id=_hashed(record_id, job.salt), patient_id=patient)
    return record, prepared


def _read(item: Item, job: Job) -> Record:
    """Read a recording, once more where the disk or the network failed and not the file."""
    try:
        return job.read(item)
    except (AnyleadError, OSError) as error:
        if isinstance(error, SourceError) or not is_source_fault(error):
            raise  # the first has been tried again already
        time.sleep(_PAUSE)
        return job.read(item)


def _prepared(record: Record, job: Job) -> tuple[Record, Prepared]:
    """A recording ready for a model, with the wanted ones of its leads."""
    if job.leads is None:
        return record, preprocess(record, job.preprocess)
    full = with_frank(record, job.preprocess)
    prepared = preprocess(restrict(full, job.leads), job.preprocess)
    estimated = [name in full.leads and name not in record.leads for name in LEADS]
    prepared.quality[estimated & prepared.has_lead] |= np.uint16(Quality.DERIVED)
    return record, prepared


def _reject(item: Item, reason: str, job: Job) -> Rejected:
    reason = " ".join(reason.split())
    if job.salt is None:
        return Rejected(item[0], reason)
    # Names of files may hold names of people: what comes before the colon goes.
    return Rejected(_hashed(item[0], job.salt), reason.rpartition(item[0])[2].lstrip(".: "))


def _hashed(identifier: str, salt: str) -> str:
    return hashlib.sha256(f"{salt} {identifier}".encode()).hexdigest()[:20]
