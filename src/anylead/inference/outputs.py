"""What is made of many recordings, and how it is written: Parquet, CSV, JSON or JSON lines."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from anylead.errors import RecipeError
from anylead.inference.answer import NOTICE
from anylead.inference.delineation import from_dict, write_annotations
from anylead.inference.delineator import delineator_of
from anylead.inference.model import Model
from anylead.inference.windows import Windows
from anylead.records import Record
from anylead.signals.intervals import MEASURES
from anylead.store.files import whole_file

Settings = Mapping[str, Any]
Name = tuple[str, str | None]  # of a recording and its patient
_AT_ONCE = 64  # recordings as windows in memory
_IDS = [("record_id", pa.string()), ("patient_id", pa.string())]


@dataclass(frozen=True)
class Output:
    """A line of `OUTPUTS`.

    Attributes:
        schema: of the parts of a run.
        make: recordings -> a table of this schema.
        flat: such a table as columns of plain values.
        table: such a table as Parquet keeps it.
        plain: such a table as values for JSON.
    """

    schema: Callable[[Settings], pa.Schema]
    make: Callable[[Model, Sequence[Name], Sequence[Windows], Settings], pa.Table]
    flat: Callable[[pa.Table, Settings], pa.Table]
    table: Callable[[pa.Table, Settings], pa.Table]
    plain: Callable[[pa.Table, Settings], Iterator[dict[str, Any]]]


def ending(out: Path) -> str:
    """The ending of a result, which says how it is written.

    Raises:
        RecipeError: another one.
    """
    if out.suffix not in WRITERS:
        found = f"ending {out.suffix!r}" if out.suffix else "no ending"
        raise RecipeError(f"{out}: {found}; want one of {', '.join(WRITERS)}")
    return out.suffix


def flat_table(out: Path, kind: str, settings: Settings) -> pa.Table:
    """A result read again, as columns of plain values."""
    if out.suffix == ".csv":
        return pyarrow.csv.read_csv(out)
    output = OUTPUTS[kind]
    if out.suffix == ".parquet":
        table = pq.read_table(out).replace_schema_metadata(None)
        return output.flat(table, settings) if kind == "vectors" else table
    text = out.read_text(encoding="utf-8")
    rows = json.loads(text) if out.suffix == ".json" else list(map(json.loads, text.splitlines()))
    if kind == "answers":
        rows = [
            {"record_id": row["record"], "patient_id": row["patient"], "answer": json.dumps(row)}
            for row in rows
        ]
    return output.flat(pa.Table.from_pylist(rows, schema=output.schema(settings)), settings)


def write(out: Path, table: pa.Table, kind: str, settings: Settings) -> None:
    """Write rows that are in memory; what was there is replaced.

    Raises:
        RecipeError: an unknown ending.
        StoreError: the file cannot be written.
    """
    with whole_file(out) as file:
        WRITERS[ending(out)](file, iter([table]), OUTPUTS[kind], settings, {})


def make_in_memory(
    model: Model, records: Sequence[Record], kind: str, settings: Settings
) -> pa.Table:
    """The rows of recordings at hand, of the schema of a part."""
    output = OUTPUTS[kind]
    made = [output.schema(settings).empty_table()]
    for first in range(0, len(records), _AT_ONCE):
        some = records[first : first + _AT_ONCE]
        names = [
            (each.record_id or f"recording {number}", each.patient_id)
            for number, each in enumerate(some, start=first)
        ]
        windows = model.windows(some, settings["use_leads"])
        made.append(output.make(model, names, windows, settings))
    return pa.concat_tables(made)


def _vector_schema(settings: Settings) -> pa.Schema:
    return pa.schema([*_IDS, ("vector", pa.list_(pa.float32(), settings["dim"]))])


def _vectors(
    model: Model, names: Sequence[Name], windows: Sequence[Windows], settings: Settings
) -> pa.Table:
    vectors = model.vectors(windows, settings["layer"], settings["pool"])
    flat = pa.array(vectors.ravel(), pa.float32())
    columns = [
        pa.array([name for name, _ in names], pa.string()),
        pa.array([patient for _, patient in names], pa.string()),
        pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
    ]
    return pa.table(columns, schema=_vector_schema(settings))


def _flat_vectors(table: pa.Table, settings: Settings) -> pa.Table:
    vectors = table.column("vector").combine_chunks().flatten().to_numpy()
    columns = np.asarray(vectors).reshape(-1, settings["dim"]).T
    flat = {f"ecg{i}": pa.array(column) for i, column in enumerate(columns)}
    return pa.table({name: table.column(name) for name, _ in _IDS} | flat)


def _same(table: pa.Table, settings: Settings) -> pa.Table:
    return table


def _plain_vectors(table: pa.Table, settings: Settings) -> Iterator[dict[str, Any]]:
    yield from table.to_pylist()


def _answer_schema(settings: Settings) -> pa.Schema:
    return pa.schema([*_IDS, ("answer", pa.string())])


def _answers(
    model: Model, names: Sequence[Name], windows: Sequence[Windows], settings: Settings
) -> pa.Table:
    """A row for each recording, or for each of its windows; what all have in common is left out."""
    pieces = [each.single() if settings["windows"] else [each] for each in windows]
    owner = [i for i, several in enumerate(pieces) for _ in several]
    answers = model.answers(
        [names[i][0] for i in owner],
        [each for several in pieces for each in several],
        settings["join"],
        settings["force"],
    )
    rows = []
    for i, answer in zip(owner, answers, strict=True):
        own = {key: v for key, v in answer.as_dict().items() if key not in ("model", "notice")}
        rows.append((*names[i], json.dumps(own)))
    columns = [pa.array(list(column), pa.string()) for column in zip(*rows, strict=True)]
    return pa.table(columns, schema=_answer_schema(settings))


def _flat_answers(table: pa.Table, settings: Settings) -> pa.Table:
    """One column for each probability and decision."""
    labels, model, targets = settings["label_names"], settings["model"], settings["targets"]
    rows = []
    for patient, text in zip(*(table.column(i).to_pylist() for i in (1, 2)), strict=True):
        said = json.loads(text)
        quality = [f"{lead}: {', '.join(flags)}" for lead, flags in said["quality"].items()]
        doubts = [said["refusal"]] if said["refusal"] else []
        rows.append(
            {
                "record_id": said["record"],
                "patient_id": patient,
                "start": said["start"],
                "seconds": said["seconds"],
                "positive": "; ".join(said["positive"]),
                **{f"probability.{name}": said["probabilities"].get(name) for name in labels},
                **{f"decision.{name}": said["decisions"].get(name) for name in labels},
                **{f"value.{name}": said["values"].get(name) for name in targets},
                "leads": ",".join(said["leads"]),
                "quality": "; ".join(quality),
                "warnings": "; ".join([*doubts, *said["warnings"]]),
                "decided_with": said["decided_with"],
                "scored_with": said["scored_with"],
                "scores": json.dumps(said["scores"]),
                "model": model["name"],
                "version": model["version"],
            }
        )
    return pa.Table.from_pylist(rows, schema=_flat_schema(labels, targets))


def _flat_schema(labels: Sequence[str], targets: Sequence[str]) -> pa.Schema:
    numbers = ("start", "seconds")
    tail = ("leads", "quality", "warnings", "decided_with", "scored_with", "scores", "model")
    return pa.schema(
        [
            *_IDS,
            *((name, pa.float64()) for name in numbers),
            ("positive", pa.string()),
            *((f"probability.{name}", pa.float64()) for name in labels),
            *((f"decision.{name}", pa.bool_()) for name in labels),
            *((f"value.{name}", pa.float64()) for name in targets),
            *((name, pa.string()) for name in (*tail, "version")),
        ]
    )


def _plain_answers(table: pa.Table, settings: Settings) -> Iterator[dict[str, Any]]:
    common = {"model": settings["model"], "notice": NOTICE}
    for patient, text in zip(*(table.column(i).to_pylist() for i in (1, 2)), strict=True):
        yield {**json.loads(text), "patient": patient, **common}


def _wave_schema(settings: Settings) -> pa.Schema:
    return pa.schema([*_IDS, ("delineation", pa.string())])


def _waves(
    model: Model, names: Sequence[Name], windows: Sequence[Windows], settings: Settings
) -> pa.Table:
    """A row for each recording; annotation files are written as soon as its waves are found."""
    found = delineator_of(model).over([name for name, _ in names], windows, settings["alone"])
    rows = []
    for name, each in zip(names, found, strict=True):
        if settings["annotations"]:
            write_annotations(each, Path(settings["annotations"]))
        rows.append((*name, json.dumps(each.as_dict())))
    columns = [pa.array(list(column), pa.string()) for column in zip(*rows, strict=True)]
    return pa.table(columns, schema=_wave_schema(settings))


def _flat_waves(table: pa.Table, settings: Settings) -> pa.Table:
    """A row for each wave, or for each lead and its intervals."""
    each = [from_dict(json.loads(text)) for text in table.column("delineation").to_pylist()]
    numbers: tuple[str, ...] = ("onset", "offset")
    texts: tuple[str, ...] = ("record", "lead", "wave")
    if settings["rows"] == "waves":
        rows = [row for found in each for row in found.rows()]
    else:
        rows = [row for found in each for row in found.interval_rows()]
        numbers, texts = MEASURES, ("record", "lead", *(f"{name}_quality" for name in MEASURES))
    kinds = dict.fromkeys(texts, pa.string()) | dict.fromkeys(numbers, pa.float64())
    names = list(rows[0]) if rows else [*texts, *numbers]
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, kinds[name]) for name in names]))


def _plain_waves(table: pa.Table, settings: Settings) -> Iterator[dict[str, Any]]:
    rows = (table.column(i).to_pylist() for i in (1, 2))
    for patient, text in zip(*rows, strict=True):
        yield {**json.loads(text), "patient": patient, "model": settings["model"]}


Tables = Iterator[pa.Table]


def _write_parquet(
    file: Any, tables: Tables, output: Output, settings: Settings, metadata: Mapping[bytes, bytes]
) -> None:
    writer = None
    for part in tables:
        table = output.table(part, settings).replace_schema_metadata(metadata)
        writer = writer or pq.ParquetWriter(pa.PythonFile(file, mode="w"), table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _write_csv(
    file: Any, tables: Tables, output: Output, settings: Settings, metadata: Mapping[bytes, bytes]
) -> None:
    for number, part in enumerate(tables):
        table = output.flat(part, settings)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if number == 0:
            writer.writerow(table.column_names)
        writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
        file.write(text.getvalue().encode())


def _write_lines(
    file: Any, tables: Tables, output: Output, settings: Settings, metadata: Mapping[bytes, bytes]
) -> None:
    for part in tables:
        for row in output.plain(part, settings):
            file.write(f"{json.dumps(row)}\n".encode())


def _write_json(
    file: Any, tables: Tables, output: Output, settings: Settings, metadata: Mapping[bytes, bytes]
) -> None:
    before = "[\n"
    for part in tables:
        for row in output.plain(part, settings):
            file.write(f"{before}{json.dumps(row)}".encode())
            before = ",\n"
    file.write(b"\n]\n")


OUTPUTS: dict[str, Output] = {
    "vectors": Output(_vector_schema, _vectors, _flat_vectors, _same, _plain_vectors),
    "answers": Output(_answer_schema, _answers, _flat_answers, _flat_answers, _plain_answers),
    "waves": Output(_wave_schema, _waves, _flat_waves, _flat_waves, _plain_waves),
}
WRITERS: dict[str, Callable[..., None]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".json": _write_json,
    ".jsonl": _write_lines,
}
