"""One way over many recordings, for vectors and for answers: resumable, in parts, on all cores.

Each part is a small file beside the result until all are done, so that a run that was stopped goes
on, and any number of processes, GPUs or machines can share it: who begins and who ends a result do
so alone, and a part that is there is not made again.
"""

import csv
import io
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from threadpoolctl import threadpool_limits

from anylead.engines import threads
from anylead.engines.workers import worker_rank
from anylead.errors import AnyleadError, MissingPackageError, RecipeError, StoreError
from anylead.inference.model import Model, load
from anylead.inference.outputs import OUTPUTS, WRITERS
from anylead.inference.sources import Source, open_source
from anylead.inference.windows import Windows
from anylead.store.files import alone, whole_file, write_error, write_text
from anylead.store.unfinished import remove_leftovers

# Windows that wait in memory at once, however many recordings of a part they come from.
_WINDOWS_AT_ONCE = 512
_METADATA = b"anylead"


@dataclass(frozen=True)
class Plan:
    """What decides the content of the result; a stopped run goes on only with the same plan.

    Attributes:
        num_records: recordings of the source.
        records_sha256: hash of their ids.
        records_per_part: how many go into one part.
        model_sha256: fingerprint of the model.
        settings: what else decides the numbers.
    """

    num_records: int
    records_sha256: str
    records_per_part: int
    model_sha256: str
    settings: Mapping[str, Any]

    @property
    def num_parts(self) -> int:
        """How many parts there are."""
        return -(-self.num_records // self.records_per_part)

    def items_of(self, part: int) -> range:
        """Numbers of the recordings of a part."""
        first = part * self.records_per_part
        return range(first, min(first + self.records_per_part, self.num_records))


def rejected_file(out: Path) -> Path:
    """Where recordings stand that have no row in a file, with the reason."""
    return out.with_name(out.stem + ".rejected.csv")


@dataclass(frozen=True)
class Job:
    """What a worker needs; it can be pickled.

    Attributes:
        out: the result; parts lie in the folder `out`.parts until it is written.
        kind_of_output: a name in `OUTPUTS`.
        kind: "store", "files", or the name of a dataset.
        source: folder or URL.
        options: of the dataset.
        model: path of the model.
        preset: of a foreign model file.
        plan: what is to be made.
        num_threads: of a worker.
    """

    out: Path
    kind_of_output: str
    kind: str
    source: str
    options: Mapping[str, Any]
    model: str
    preset: str | None
    plan: Plan
    num_threads: int

    def __hash__(self) -> int:
        return hash((self.out, self.plan.model_sha256, self.plan.records_sha256))

    @property
    def folder(self) -> Path:
        """Where parts lie."""
        return self.out.with_name(self.out.name + ".parts")

    @property
    def rejected_file(self) -> Path:
        """Recordings that were left out, with the reason."""
        return rejected_file(self.out)

    def part_file(self, number: int) -> Path:
        """The file of a part."""
        return self.folder / f"{number:06d}.parquet"


def finished(job: Job) -> bool:
    """Whether the result is there.

    Raises:
        RecipeError: the file is there, but of another run.
    """
    if not job.out.is_file():
        return False
    if job.out.suffix != ".parquet":  # which alone tells what it was made from
        raise RecipeError(f"{job.out}: there already; choose another --out or delete it")
    try:
        metadata = pq.read_schema(job.out).metadata or {}
        made = json.loads(metadata.get(_METADATA, b"{}"))
    except (pa.ArrowException, OSError, ValueError):
        made = {}
    if made != _as_json(job.plan):
        raise RecipeError(
            f"{job.out}: there already, made from something else"
            f" ({_difference(made, _as_json(job.plan))}); choose another --out or delete it"
        )
    return True


def begin_or_go_on(job: Job) -> None:
    """Make the folder of parts, or find that of the run that was stopped.

    Raises:
        RecipeError: that run was another one.
        AnyleadError: the folder cannot be written.
    """
    path = job.folder / "plan.json"
    wanted = _as_json(job.plan)
    try:
        with alone(job.out):
            if finished(job):
                return
            if not path.is_file():
                job.folder.mkdir(exist_ok=True)
                write_text(path, json.dumps(wanted))
                return
            begun = json.loads(path.read_text())
    except OSError as error:
        raise write_error(job.folder, error) from error
    if begun != wanted:
        raise RecipeError(
            f"{job.folder}: begun with other settings ({_difference(begun, wanted)}); use the same,"
            " choose another --out, or delete this folder"
        )


def unfinished(job: Job) -> list[int]:
    """Parts that are still to be made; none of a result that is there."""
    if job.out.is_file():
        return []
    return [i for i in range(job.plan.num_parts) if not job.part_file(i).is_file()]


def do_part(job: Job, number: int) -> int:
    """Make one part; returns its number. A bad recording is listed, it does not end the run."""
    if _is_made(job, number):
        return number
    # Signals are small products: BLAS threads only wait for each other.
    with threadpool_limits(1, user_api="blas"):
        _do_part(job, number)
    return number


def _do_part(job: Job, number: int) -> None:
    source, model = _opened(job)
    output = OUTPUTS[job.kind_of_output]
    made: list[pa.Table] = []
    rejected: list[list[str]] = []
    names: list[tuple[str, str | None]] = []
    waiting: list[Windows] = []

    def flush() -> None:
        if waiting:
            made.append(output.make(model, names, waiting, job.plan.settings))
            waiting.clear()
            names.clear()

    for item in job.plan.items_of(number):
        name = source.record_ids[item]
        try:
            windows, patient = source.read(item, model, job.plan.settings["use_leads"])
        except (MissingPackageError, StoreError):
            raise  # no fault of this recording
        except (AnyleadError, OSError, ValueError, KeyError, IndexError, TypeError) as error:
            rejected.append([name, " ".join(f"{error}".split()) or type(error).__name__])
            continue
        names.append((name, patient))
        waiting.append(windows)
        if sum(len(each.start) for each in waiting) >= _WINDOWS_AT_ONCE:
            flush()
    flush()
    _write_part(job, number, made, rejected)


def finish(job: Job) -> None:
    """Join the parts, write what was left out, and remove the parts.

    Raises:
        RecipeError: not one recording could be embedded, or another run wrote this file meanwhile.
    """
    with alone(job.out):
        if not finished(job):
            _join(job)
        shutil.rmtree(job.folder, ignore_errors=True)


def _join(job: Job) -> None:
    rejected: list[list[str]] = []
    count = 0

    def tables() -> Iterator[pa.Table]:
        nonlocal count
        for number in range(job.plan.num_parts):
            part = pq.read_table(job.part_file(number))
            rejected.extend(json.loads((part.schema.metadata or {})[b"rejected"]))
            count += part.num_rows
            yield part.replace_schema_metadata(None)

    output = OUTPUTS[job.kind_of_output]
    metadata = {_METADATA: json.dumps(_as_json(job.plan)).encode()}
    remove_leftovers(job.out)
    with whole_file(job.out) as file:
        WRITERS[job.out.suffix](file, tables(), output, job.plan.settings, metadata)
        if not count:
            raise RecipeError(
                f"{job.source}: none of {len(rejected)} recordings could be used; the first:"
                f" {rejected[0][1]}"
            )
        # Before the result stands under its name: who is stopped between them begins this anew.
        _write_rejected(job.rejected_file, rejected)


def _write_rejected(path: Path, rejected: Sequence[Sequence[str]]) -> None:
    if not rejected:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["record", "reason"], *rejected])
    write_text(path, text.getvalue())


@lru_cache(maxsize=1)
def _opened(job: Job) -> tuple[Source, Model]:
    """Source and model, opened once by each worker."""
    rank, num_gpus = worker_rank(), torch.cuda.device_count()
    if rank is not None:
        threads.limit(job.num_threads)
    device = f"cuda:{(rank or 0) % num_gpus}" if num_gpus else "cpu"
    source = open_source(job.kind, job.source, job.options)
    precision = job.plan.settings["precision"]
    return source, load(job.model, preset=job.preset, device=device, precision=precision)


def _write_part(job: Job, number: int, made: Sequence[pa.Table], rejected: list[list[str]]) -> None:
    empty = OUTPUTS[job.kind_of_output].schema(job.plan.settings).empty_table()
    table = pa.concat_tables([empty, *made])
    table = table.replace_schema_metadata({b"rejected": json.dumps(rejected).encode()})
    try:
        with whole_file(job.part_file(number)) as file:
            pq.write_table(table, pa.PythonFile(file, mode="w"))
    except (OSError, StoreError) as error:
        if _is_made(job, number):  # its folder is gone: another process had it and has ended
            return
        raise error if isinstance(error, StoreError) else write_error(job.folder, error) from error


def _is_made(job: Job, number: int) -> bool:
    return job.out.is_file() or job.part_file(number).is_file()


def _as_json(plan: Plan) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(asdict(plan)))
    return made


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    flat_old = {**old, **old.get("settings", {})}
    flat_new = {**new, **new.get("settings", {})}
    names = [
        name for name in flat_new if name != "settings" and flat_old.get(name) != flat_new[name]
    ]
    return ", ".join(
        f"{name}: {flat_old.get(name)!r}, now {flat_new[name]!r}" for name in names[:3]
    )
