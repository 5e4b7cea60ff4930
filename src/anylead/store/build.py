"""Make a store shard by shard, so that a run killed at any moment can go on.

In the folder, while it is made: `.lock` (held), `journal/plan.json` (what is being made),
`journal/NUMBER.json` (a finished shard, written after its file), shard files. At the end the index,
`rejected.csv` and, last, the manifest are written and the journal goes.
"""

import csv
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock, Timeout

from anylead.errors import StoreError
from anylead.records import Record
from anylead.signals import Prepared, PreprocessConfig
from anylead.store.files import whole_file, write_error, write_text
from anylead.store.manifest import (
    INDEX_FILE,
    MANIFEST,
    REJECTED_FILE,
    Manifest,
    Shard,
    parse_manifest,
)
from anylead.store.schema import INDEX, METADATA, VERSION
from anylead.store.unfinished import TEMPORARY, release
from anylead.store.writer import ShardWriter

_JOURNAL = "journal"
_PLAN = "plan.json"
_LOCK = ".lock"
_UNREAD = ".unread"  # beside the number of a shard that is to be made again
SOURCES = "sources"  # among the settings: tells that files changed, but not another plan


@dataclass(frozen=True)
class Plan:
    """What decides the content of a store; a run can only go on with the same plan.

    Attributes:
        name: the dataset.
        preprocess: how signals are made ready.
        settings: whatever else decides what is stored.
        num_items: recordings listed by the dataset.
        items_sha256: hash of their ids.
        records_per_shard: how many of them go into one shard.
    """

    name: str
    preprocess: PreprocessConfig
    settings: Mapping[str, Any]
    num_items: int
    items_sha256: str
    records_per_shard: int

    @property
    def num_shards(self) -> int:
        """How many shards there will be, those without an accepted recording included."""
        return -(-self.num_items // self.records_per_shard)

    def items_of(self, shard: int) -> range:
        """Numbers of the items of a shard."""
        first = shard * self.records_per_shard
        return range(first, min(first + self.records_per_shard, self.num_items))


@dataclass(frozen=True)
class Rejected:
    """A recording that was left out.

    Attributes:
        record_id: its id.
        reason: why.
        is_lasting: False where disk, network or machine failed, and not the file: its shard is
            not finished then.
    """

    record_id: str
    reason: str
    is_lasting: bool = True


def finished_manifest(folder: Path, plan: Plan) -> Manifest | None:
    """The manifest of a store that is already finished, None where there is none.

    Raises:
        StoreError: the finished store was made from something else.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    manifest = parse_manifest(path.read_text(), str(folder))
    then, now = ({**each, SOURCES: None} for each in (manifest.settings, _settings_of(plan)))
    if then != now or manifest.preprocess != plan.preprocess:
        differs = _difference(
            {**then, **asdict(manifest.preprocess)}, {**now, **asdict(plan.preprocess)}
        )
        raise StoreError(
            f"{folder}: holds a finished store made with other settings ({differs});"
            " choose another folder or delete this one"
        )
    return manifest


@contextmanager
def building(folder: Path, plan: Plan) -> Iterator[None]:
    """Hold the folder of a store that is being made; leftovers of a killed run are cleaned up.

    Raises:
        StoreError: the folder cannot be written, holds something else, is being made by another
            run, or was begun with another plan.
    """
    journal = folder / _JOURNAL
    if folder.is_dir() and not journal.is_dir() and _strangers(folder):
        raise StoreError(
            f"{folder}: holds other files ({_strangers(folder)[0]}, ...); name an empty or new"
            " folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise StoreError(
            f"{folder}: another prepare is writing this store; wait for it or choose another folder"
        ) from None
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        if (folder / MANIFEST).is_file():
            raise StoreError(f"{folder}: another prepare has just finished this store")
        journal.mkdir(exist_ok=True)
        _remove_unfinished(folder)
        _begin_or_go_on(journal, plan, folder)
        yield
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        _remove_unfinished(folder)
        release(lock)


def unfinished_shards(folder: Path, plan: Plan) -> list[int]:
    """Numbers of the shards that are still to be made."""
    done = {path.stem for path in (folder / _JOURNAL).glob("*.json")}
    return [number for number in range(plan.num_shards) if f"{number:06d}" not in done]


def num_done(folder: Path, plan: Plan) -> int:
    """How many items the finished shards account for."""
    unfinished = unfinished_shards(folder, plan)
    return plan.num_items - sum(len(plan.items_of(number)) for number in unfinished)


def write_shard(
    folder: Path, number: int, results: Iterable[tuple[Record, Prepared] | Rejected]
) -> tuple[int, int]:
    """Write one shard and then its journal entry.

    Returns:
        How many recordings were stored and how many left out. Where one could not be read
        just now, nothing of the shard is kept.
    """
    rejected: list[Rejected] = []
    path = folder / f"shard-{number:06d}.arrow"
    with whole_file(path) as file:
        writer = ShardWriter(file)
        for result in results:
            if isinstance(result, Rejected):
                rejected.append(result)
            else:
                writer.add(*result)
            del result  # the next one then takes its memory, which is near the processor
        writer.close()
    passing = [each.reason for each in rejected if not each.is_lasting]
    if passing:
        path.unlink()
        write_text(folder / _JOURNAL / f"{number:06d}{_UNREAD}", json.dumps(passing))
        return writer.num_records, len(rejected)
    (folder / _JOURNAL / f"{number:06d}{_UNREAD}").unlink(missing_ok=True)
    if writer.num_records == 0:
        path.unlink()
    entry = {
        "shard": asdict(Shard(path.name, writer.num_records, file.num_bytes, file.sha256())),
        "labels": {task: sorted(names) for task, names in sorted(writer.labels.items())},
        "rejected": [[each.record_id, each.reason] for each in rejected],
    }
    write_text(folder / _JOURNAL / f"{number:06d}.json", json.dumps(entry))
    return writer.num_records, len(rejected)


def finish(
    folder: Path, plan: Plan, label_names: Mapping[str, tuple[str, ...]], note: str
) -> Manifest:
    """Write index, list of rejected recordings and manifest, and end the journal.

    Args:
        folder: all shards of `plan` are in it.
        plan: what was made.
        label_names: known classes of known tasks, in order; others are appended as found.
        note: what a user of the dataset should know.

    Raises:
        StoreError: not one recording was accepted, or some could not be read just now.
    """
    unread = [json.loads(path.read_text()) for path in (folder / _JOURNAL).glob(f"*{_UNREAD}")]
    if unread:
        reasons = [reason for each in unread for reason in each]
        raise StoreError(
            f"{folder}: {len(reasons)} recordings could not be read just now, the others are kept;"
            f" the first: {reasons[0]}; mend the disk and run the same command again: it goes on;"
            " or leave them out with --skip_unreadable true"
        )
    shards, labels, rejected = _read_journal(folder, plan)
    _write_rejected(folder, rejected)
    if not shards:
        shutil.rmtree(folder / _JOURNAL)
        reason = rejected[0].reason if rejected else "the dataset lists none"
        raise StoreError(
            f"{folder}: none of {plan.num_items} recordings could be stored; the first: {reason}"
            f" ({REJECTED_FILE} lists all)"
        )
    has_patients, index_sha256 = _write_index(folder, shards)
    manifest = Manifest(
        name=plan.name,
        preprocess=plan.preprocess,
        label_names=_merge_names(label_names, labels),
        num_records=sum(shard.num_records for shard in shards),
        num_rejected=len(rejected),
        has_patients=has_patients,
        shards=tuple(shards),
        index_sha256=index_sha256,
        settings=_settings_of(plan),
        note=note,
    )
    write_text(folder / MANIFEST, manifest.to_json())
    clean_up(folder)
    return manifest


def _remove_unfinished(folder: Path) -> None:
    """What a writer left that was killed, here or in a run before."""
    for leftover in [*folder.glob(f"*{TEMPORARY}"), *folder.glob(f"{_JOURNAL}/*{TEMPORARY}")]:
        leftover.unlink(missing_ok=True)


def clean_up(folder: Path) -> None:
    """Remove what only a run that goes on would need from a finished store."""
    shutil.rmtree(folder / _JOURNAL, ignore_errors=True)


def items_sha256(record_ids: Iterable[str]) -> str:
    """One hash for a list of recordings."""
    digest = sha256()
    for record_id in record_ids:
        digest.update(record_id.encode() + b"\n")
    return digest.hexdigest()


def private_value(folder: Path, name: str, make: str) -> str:
    """A value that lives in the journal only, so that a run can go on but the store forgets it.

    Args:
        folder: the store being made.
        name: of the value.
        make: the value, if the journal has none yet.
    """
    path = folder / _JOURNAL / f"{name}.txt"
    if not path.is_file():
        write_text(path, make)
    return path.read_text()


def _begin_or_go_on(journal: Path, plan: Plan, folder: Path) -> None:
    # Shards of two versions of the store cannot stand side by side.
    wanted = {**_settings_of(plan), **asdict(plan.preprocess), "store_version": VERSION}
    path = journal / _PLAN
    if not path.is_file():
        write_text(path, json.dumps(wanted))
        return
    begun = {**json.loads(path.read_text()), SOURCES: None}
    wanted = {**wanted, SOURCES: None}
    if begun != json.loads(json.dumps(wanted)):
        raise StoreError(
            f"{folder}: was begun with other settings ({_difference(begun, wanted)}); use the same"
            " settings, choose another folder, or delete this one"
        )


def _settings_of(plan: Plan) -> dict[str, Any]:
    settings = {
        "name": plan.name,
        "num_items": plan.num_items,
        "items_sha256": plan.items_sha256,
        "records_per_shard": plan.records_per_shard,
        **plan.settings,
    }
    as_json: dict[str, Any] = json.loads(json.dumps(settings))
    return as_json


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if "num_items" in names or names == ["items_sha256"]:
        then, now = old.get("num_items"), new.get("num_items")
        return f"the dataset listed {then} recordings then and lists {now}, or others, now"
    return ", ".join(f"{name}: {old.get(name)!r}, now {new.get(name)!r}" for name in names)


def _strangers(folder: Path) -> list[str]:
    known = {_LOCK, REJECTED_FILE}
    return sorted(path.name for path in folder.iterdir() if path.name not in known)


def _read_journal(
    folder: Path, plan: Plan
) -> tuple[list[Shard], dict[str, set[str]], list[Rejected]]:
    shards: list[Shard] = []
    labels: dict[str, set[str]] = {}
    rejected: list[Rejected] = []
    for number in range(plan.num_shards):
        entry = json.loads((folder / _JOURNAL / f"{number:06d}.json").read_text())
        shard = Shard(**entry["shard"])
        if shard.num_records:
            shards.append(shard)
        for task, names in entry["labels"].items():
            labels.setdefault(task, set()).update(names)
        rejected.extend(Rejected(*each) for each in entry["rejected"])
    return shards, labels, rejected


def _write_rejected(folder: Path, rejected: Iterable[Rejected]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["record", "reason"])
    rows.writerows([each.record_id, each.reason] for each in rejected)
    write_text(folder / REJECTED_FILE, text.getvalue())


def _write_index(folder: Path, shards: Iterable[Shard]) -> tuple[bool, str]:
    """Gather all columns but the signals; returns has_patients and the hash of the file."""
    has_patients = True
    with whole_file(folder / INDEX_FILE) as file:
        writer = pa.ipc.new_file(pa.PythonFile(file, mode="w"), INDEX)
        for number, shard in enumerate(shards):
            reader = pa.ipc.open_file(pa.memory_map(str(folder / shard.name)))
            for batch_number in range(reader.num_record_batches):
                batch = reader.get_batch(batch_number)
                size = batch.num_rows
                begins = batch.column("signal").offsets[:size]
                place = [pa.array([n] * size, pa.int32()) for n in (number, batch_number)]
                columns = [batch.column(name) for name in METADATA.names]
                row = pa.record_batch([*columns, *place, begins], schema=INDEX)
                writer.write_batch(row)
                has_patients &= batch.column("patient_id").null_count == 0
        writer.close()
    return has_patients, file.sha256()


def _merge_names(
    known: Mapping[str, tuple[str, ...]], found: Mapping[str, set[str]]
) -> dict[str, tuple[str, ...]]:
    names = {}
    for task in [*known, *sorted(set(found) - set(known))]:
        listed = known.get(task, ())
        names[task] = (*listed, *sorted(found.get(task, set()) - set(listed)))
    return names
