"""`anylead inspect`: what is in a folder of ECG files, or in one, before anything is written."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from anylead import datasets, formats
from anylead.commands import screen
from anylead.datasets import Item
from anylead.datasets.folder import offer
from anylead.errors import AnyleadError, DatasetError
from anylead.formats.channels import why_taken
from anylead.formats.search import named
from anylead.leads import LEADS
from anylead.records import Record
from anylead.signals import PreprocessConfig, Quality, preprocess
from anylead.store.manifest import MANIFEST

_ROWS = 12  # of a table on screen

EXAMPLES = (
    "anylead inspect DIR",
    "anylead inspect DIR --files",
    "anylead inspect DIR --labels labels.csv --json",
)


@dataclass(frozen=True)
class Recipe:
    """What to look at.

    Attributes:
        root: folder of ECG files, or one file.
        labels: CSV or Parquet table about them.
        record_column: of the table; None guesses.
        patient_column: of the table; None guesses.
        label_columns: of the table; None guesses.
        max_files: look into this many, evenly spread; 0 looks into all.
        rename: the lead behind a channel's name, such as "ECG=I,ECG 2=V5".
        files: print what is taken of each file, and why.
        json: print the findings as JSON.
    """

    root: Path
    labels: Path | None = None
    record_column: str | None = None
    patient_column: str | None = None
    label_columns: list[str] | None = None
    max_files: int = 0
    rename: str = ""
    files: bool = False
    json: bool = False


@dataclass
class Summary:
    """What was found; counts are of recordings.

    Attributes:
        num_files: listed.
        num_read: read without an error.
        formats: by name of the format.
        leads: by lead set.
        taken: by lead and the channel it is taken from, and why, where that has another name.
        left_out: by channel that is left out, and why.
        rates: by sample rate in Hz.
        seconds: by length, rounded to a second.
        units: by unit.
        labels: by label, for each task.
        quality: by flag of `Quality` that at least one lead has.
        duplicates: groups of recordings with equal signals.
        patients: by patient; recordings without one are not counted.
        problems: recording and reason.
        files: for each recording its format, rate, leads with channel and why, what is left out.
        note: about the table.
        table: what the table says, in several lines.
    """

    num_files: int = 0
    num_read: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    leads: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    rates: Counter[float] = field(default_factory=Counter)
    seconds: Counter[int] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    quality: Counter[str] = field(default_factory=Counter)
    duplicates: list[list[str]] = field(default_factory=list)
    patients: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    note: str = ""
    table: str = ""


def run(recipe: Recipe, console: Console | None = None) -> Summary:
    """Read the files of a folder, print what is there, and return it; nothing is written.

    Raises:
        DatasetError: no such folder, no ECG in it, or a table that does not fit.
        FormatError: `root` is a file that cannot be read.
    """
    console = console or screen.console()
    recipe = replace(recipe, root=named(recipe.root))
    if recipe.root.is_file():
        return _run_file(recipe, console)
    if (recipe.root / MANIFEST).is_file():
        told = "a store, no folder of ECG files; anylead verify looks at all of it"
        raise DatasetError(f"{recipe.root}: {told}")
    corpus = datasets.corpus(
        "folder",
        recipe.root,
        rename=recipe.rename,
        labels=None if recipe.labels is None else str(recipe.labels),
        record_column=recipe.record_column,
        patient_column=recipe.patient_column,
        label_columns=recipe.label_columns,
    )
    lines = [corpus.summary, corpus.shared_patients and f"warning: {corpus.shared_patients}"]
    table = "\n".join(line for line in lines if line)
    summary = Summary(num_files=len(corpus.items), note=corpus.note, table=table)
    step = max(1, -(-len(corpus.items) // recipe.max_files)) if recipe.max_files > 0 else 1
    same: dict[bytes, list[str]] = {}
    chosen = corpus.items[::step]
    with screen.progress(screen.console(stderr=True), "reading", len(chosen)) as bar:
        for item in chosen:
            _look(summary, corpus.read, item, same)
            bar.by()
    summary.duplicates = [group for group in same.values() if len(group) > 1]
    _show(recipe, console, summary)
    return summary


def _show(recipe: Recipe, console: Console, summary: Summary) -> None:
    if recipe.json:
        screen.print_json(vars(summary))
        return
    _print(console, summary)
    for file in summary.files if recipe.files or recipe.root.is_file() else ():
        screen.say(console, f"{file['record']}: {file['format']}, {file['sample_rate']:g} Hz")
        for lead, (channel, why) in file["leads"].items():
            screen.say(
                console, f"  {lead} from {channel}: {why}" if channel else f"  {lead}: {why}"
            )
        for note in file["left_out"]:
            screen.say(console, f"  left out: {note}")


def _run_file(recipe: Recipe, console: Console) -> Summary:
    """One file, whose error is raised."""
    told = offer(recipe.root)
    if told:
        folder = recipe.root.parent
        raise DatasetError(f"{told} anylead inspect {folder} --labels {recipe.root}")
    record = formats.read(recipe.root, formats.parse_rename(recipe.rename))
    summary = Summary(num_files=1)
    _add(summary, record.record_id, recipe.root, record)
    _show(recipe, console, summary)
    return summary


def _look(
    summary: Summary, read: Callable[[Item], Record], item: Item, same: dict[bytes, list[str]]
) -> None:
    record_id, details = item
    try:
        record = read(item)
    except AnyleadError as error:
        summary.problems.append((record_id, " ".join(str(error).split())))
        return
    if _add(summary, record_id, details.path, record):
        signal = sha256(repr(record.signal.shape).encode() + record.signal.tobytes()).digest()
        same.setdefault(signal, []).append(record_id)


def _add(summary: Summary, record_id: str, path: Path, record: Record) -> bool:
    """Count a recording, or say what is missing for a model; its channels are told in any case."""
    name = formats.find_format(path) or "unknown"
    leads = {lead: _origin(record, lead) for lead in record.leads}
    summary.files.append({
        "record": record_id, "format": name, "sample_rate": record.sample_rate, "leads": leads,
        "left_out": list(record.notes),
    })  # fmt: skip
    try:
        flags = preprocess(record, PreprocessConfig(sample_rate=record.sample_rate)).quality
    except AnyleadError as error:
        summary.problems.append((record_id, " ".join(str(error).split())))
        return False
    summary.num_read += 1
    summary.formats[name] += 1
    summary.taken.update(
        f"{lead} from {channel} ({why})" if channel else f"{lead}: {why}"
        for lead, (channel, why) in leads.items()
        if channel != lead
    )
    summary.leads["12 standard leads" if record.leads == LEADS else ", ".join(record.leads)] += 1
    summary.left_out.update(record.notes)
    summary.rates[record.sample_rate] += 1
    summary.seconds[round(record.seconds)] += 1
    summary.units[record.unit] += 1
    for task, names in record.labels.items():
        summary.labels.setdefault(task, Counter()).update(names or ("(none)",))
    if record.patient_id is not None:
        summary.patients[record.patient_id] += 1
    found = Quality(int(np.bitwise_or.reduce(flags)))
    summary.quality.update(flag.name for flag in found if flag.name is not None)
    return True


def _origin(record: Record, lead: str) -> tuple[str, str]:
    """The channel that a lead is taken from, "" for none, and why."""
    if lead not in record.channels:
        return "", "computed from other leads"
    channel = record.channels[lead]
    return channel, why_taken(channel, lead)


def _print(console: Console, summary: Summary) -> None:
    looked_at = summary.num_read + len(summary.problems)
    screen.say(
        console,
        f"{summary.num_files:,} files, {looked_at:,} looked into, {summary.num_read:,} readable,"
        f" {len(summary.problems):,} with problems",
    )
    for text in filter(None, (summary.note, summary.table)):
        screen.say(console, text)
    counted: dict[str, Counter[str]] = {
        "format": summary.formats,
        "leads": summary.leads,
        "taken": summary.taken,
        "left out": summary.left_out,
        "sample rate": Counter({f"{rate:g} Hz": n for rate, n in summary.rates.items()}),
        "length": Counter({f"{length} s": n for length, n in summary.seconds.items()}),
        "unit": summary.units,
        **{f"labels: {task}": names for task, names in summary.labels.items()},
        "quality flag": summary.quality,
    }
    rows = []
    for what, counts in counted.items():
        for row, (value, number) in enumerate(counts.most_common(_ROWS)):
            rows.append((what if row == 0 else "", f"{number:,}", value))
        if len(counts) > _ROWS:
            rows.append(("", "", f"({len(counts) - _ROWS} more)"))
    screen.show_table(console, ("what", "recordings", "value"), rows, num_keys=2)
    several = sum(number > 1 for number in summary.patients.values())
    known = f"{len(summary.patients):,} patients, {several:,} with several recordings"
    screen.say(console, known if summary.patients else "no patients named")
    if summary.duplicates:
        number = sum(len(group) for group in summary.duplicates)
        screen.say(console, f"{number:,} recordings have the same signal as another:")
    for group in summary.duplicates[:_ROWS]:
        screen.say(console, f"  {', '.join(group)}")
    for record_id, reason in summary.problems[:_ROWS]:
        screen.say(console, f"  problem with {record_id}: {reason}")
    if len(summary.problems) > _ROWS:
        screen.say(console, f"  ({len(summary.problems) - _ROWS} more problems)")
