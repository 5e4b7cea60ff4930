"""Results -> CSV, Markdown and one HTML file."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from anylead.checkpoint import write_atomically
from anylead.leads import CHEST_LEADS
from anylead.metrics.many_rows import seed_interval
from anylead.pictures import Report, score_by_lead_set
from anylead.pictures.scores import Interval
from anylead.store.files import alone
from anylead.tables.compare import Result
from anylead.tables.cost import NOTE, Cost

CSV, MARKDOWN, HTML = "table.csv", "table.md", "report.html"
LEAKS = "LEAKS: recordings of one person train and test"
PUBLISHED = "As published, of the data and by the score that the recipe names"
_COLUMNS = (
    *("task", "fraction", "row", "training", "lead_set", "score"),
    *("mean", "low", "high", "seed_sd", "num_seeds", "num_patients"),
    *("low_over_seeds", "high_over_seeds"),
    *("minus_reference", "minus_reference_low", "minus_reference_high", "p_adjusted"),
    *("is_equivalent", "split"),
    *("parameters", "megabytes", "gigaflops", "milliseconds", "device"),
)
_NAMES = {
    "padded": "one fine-tuned model for all lead sets",
    "finetuned_per_lead_set": "fine-tuned for each lead set, from one pre-training",
    "per_lead_set": "pre-trained and fine-tuned for each lead set",
}

_COST = ("M parameters", "MB", "GFLOP", "ms")

# task -> row -> values in the order of the lead sets
Published = Mapping[str, Mapping[str, Sequence[float | None]]]


@dataclass(frozen=True)
class About:
    """What stands beside the numbers.

    Attributes:
        title: of the table.
        text: one paragraph on data and split.
        leaks: whether the split lets segments of a recording into training and test.
        recipe: as YAML.
        command: that makes the table again.
        failed: name of a run -> what went wrong.
        published: numbers of a paper.
        lead_sets: columns.
        marks: what the marks and intervals mean.
    """

    title: str
    text: str
    leaks: bool
    recipe: str
    command: str
    failed: Mapping[str, str]
    published: Published
    lead_sets: Sequence[str]
    marks: str


@dataclass(frozen=True)
class Panel:
    """One table: a task, a share of the labels, a score.

    Attributes:
        title: what it shows.
        task: of the recipe.
        lines: (row, training) -> lead set -> result.
    """

    title: str
    task: str
    lines: dict[tuple[str, str], dict[str, Result]]

    @property
    def tells_cost(self) -> bool:
        """Whether it is known of any line."""
        return any(_cost_of(line) is not None for line in self.lines.values())

    def columns(self, lead_sets: Sequence[str]) -> list[str]:
        """The lead sets of the recipe, then those that only some rows have."""
        own = [name for line in self.lines.values() for name in line]
        return list(dict.fromkeys([*lead_sets, *own]))


def write(folder: Path, about: About, results: Sequence[Result]) -> None:
    """Write all three files, each whole or not at all, and all by one of several processes."""
    panels = list(make_panels(about, results))
    report = as_report(about, panels)
    with alone(folder / CSV):
        write_atomically(folder / CSV, as_csv(about, results).encode())
        write_atomically(folder / MARKDOWN, as_markdown(about, panels).encode())
        report.save(folder / HTML)


def make_panels(about: About, results: Sequence[Result]) -> Iterator[Panel]:
    """Tables of the main scores, one for each task and share of the labels."""
    main = [result for result in results if result.is_main]
    for task, fraction in dict.fromkeys((r.place.task, r.place.fraction) for r in main):
        lines: dict[tuple[str, str], dict[str, Result]] = {}
        score = ""
        for result in main:
            place = result.place
            if (place.task, place.fraction) == (task, fraction):
                lines.setdefault((place.row, place.training), {})[place.lead_set] = result
                score = result.score
        share = "" if fraction == 1 else f", {fraction:.0%} of the labels"
        warning = f" ({LEAKS})" if about.leaks else ""
        yield Panel(f"{task}{share}: {score}{warning}", task, lines)


def as_csv(about: About, results: Sequence[Result]) -> str:
    """One line for each number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for result in results:
        place, mean, against = result.place, result.mean, result.against
        spread = float(np.std(result.by_seed, ddof=1)) if len(result.by_seed) > 1 else float("nan")
        difference = (
            [against.value, against.low, against.high, against.p_value] if against else [""] * 4
        )
        numbers = [mean.value, mean.low, mean.high, spread]
        writer.writerow(
            [
                place.task,
                place.fraction,
                place.row,
                place.training,
                place.lead_set,
                result.score,
                *(f"{value:.6f}" for value in numbers),
                len(result.by_seed),
                result.num_patients,
                *(f"{value:.6f}" for value in seed_interval(np.array(result.by_seed))),
                *(f"{v:.6f}" if isinstance(v, float) else v for v in difference),
                "" if against is None else str(against.is_equivalent).lower(),
                "segments (leaks)" if about.leaks else "patients",
                *([""] * 5 if result.cost is None else asdict(result.cost).values()),
            ]
        )
    return text.getvalue()


def as_markdown(about: About, panels: Sequence[Panel]) -> str:
    """All tables, ready for a documentation page."""
    parts = [f"# {about.title}", about.text]
    if about.leaks:
        parts.append(f"**{LEAKS}. Such scores say little about new patients.**")
    parts += [f"    {about.command}", about.marks, *_cost_note(panels)]
    for panel in panels:
        columns = panel.columns(about.lead_sets)
        head = ["", "training", *map(short_name, columns), *(_COST if panel.tells_cost else ())]
        rows = [
            [
                row,
                training,
                *(_markdown_cell(line.get(name)) for name in columns),
                *(_cost_cells(line).values() if panel.tells_cost else ()),
            ]
            for (row, training), line in panel.lines.items()
        ]
        parts += [f"## {panel.title}", _markdown_table(head, rows), *_over_seeds(panel, columns)]
        published = about.published.get(panel.task)
        if published:
            numbers = [
                [row, *("–" if value is None else f"{value:.3f}" for value in values)]
                for row, values in published.items()
            ]
            parts += [f"{PUBLISHED}:", _markdown_table(["", *about.lead_sets], numbers)]
    if about.failed:
        parts += ["## Failed runs", *(f"- {name}: {why}" for name, why in about.failed.items())]
    return "\n\n".join(parts) + "\n"


def as_report(about: About, panels: Sequence[Panel]) -> Report:
    """The same with plots."""
    report = Report(f"{about.title} (leaks)" if about.leaks else about.title).text(about.text)
    if about.leaks:
        report.text(f"{LEAKS}. Such scores say little about new patients.")
    report.text(" ".join([about.marks, *_cost_note(panels)]))
    for panel in panels:
        report.section(panel.title)
        for training in dict.fromkeys(training for _, training in panel.lines):
            scores = {
                row: {name: _triple(result) for name, result in line.items()}
                for (row, kind), line in panel.lines.items()
                if kind == training
            }
            report.figure(
                score_by_lead_set(
                    scores, panel.title.rpartition(": ")[2] if not about.leaks else ""
                ),
                f"{panel.title}; {_NAMES[training]}.",
            )
        report.table(
            [
                {
                    "row": row,
                    "training": training,
                    **{
                        short_name(name): _html_cell(line.get(name))
                        for name in panel.columns(about.lead_sets)
                    },
                    **(_cost_cells(line) if panel.tells_cost else {}),
                }
                for (row, training), line in panel.lines.items()
            ],
            caption=panel.title,
        )
        report.table(list(_differences(panel)), caption="Each row minus the reference")
        published = about.published.get(panel.task)
        if published:
            report.table(
                [
                    {"row": row, **dict(zip(about.lead_sets, values, strict=False))}
                    for row, values in published.items()
                ],
                caption=PUBLISHED,
            )
    if about.failed:
        report.section("Failed runs")
        report.table([{"run": name, "why": why} for name, why in about.failed.items()])
    report.section("Recipe").code(about.command).code(about.recipe)
    return report


def short_name(lead_set: str) -> str:
    """Leads as a head of a column: "V1,V2,V3" is "V1-V3", "I,V2" is "I+V2"."""
    leads = lead_set.split(",")
    chest = [lead for lead in leads if lead in CHEST_LEADS]
    if len(chest) > 2 and chest == leads:
        first = CHEST_LEADS.index(chest[0])
        if tuple(chest) == CHEST_LEADS[first : first + len(chest)]:
            return f"{chest[0]}-{chest[-1]}"
    return "+".join(leads)


def _cost_note(panels: Sequence[Panel]) -> list[str]:
    costs = [_cost_of(line) for panel in panels for line in panel.lines.values()]
    devices = list(dict.fromkeys(cost.device for cost in costs if cost is not None))
    return [f"{NOTE} On: {'; '.join(devices)}."] if devices else []


def _cost_of(line: Mapping[str, Result]) -> Cost | None:
    return next((result.cost for result in line.values() if result.cost is not None), None)


def _short(number: float) -> str:
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"


def _cost_cells(line: Mapping[str, Result]) -> dict[str, str]:
    """Head of a column -> what a line costs."""
    cost = _cost_of(line)
    if cost is None:
        return dict.fromkeys(_COST, "–")
    numbers = cost.parameters / 1e6, cost.megabytes, cost.gigaflops, cost.milliseconds
    return dict(zip(_COST, map(_short, numbers), strict=True))


def _over_seeds(panel: Panel, columns: Sequence[str]) -> list[str]:
    """As papers print it: the mean and Student's interval over seeds; nothing for one seed."""
    if all(len(r.by_seed) < 2 for line in panel.lines.values() for r in line.values()):
        return []
    rows = [
        [row, training, *(_seeds_cell(line.get(name)) for name in columns)]
        for (row, training), line in panel.lines.items()
    ]
    head = ["", "training", *map(short_name, columns)]
    return ["Over seeds alone (mean ± half of the 95 % interval):", _markdown_table(head, rows)]


def _seeds_cell(result: Result | None) -> str:
    if result is None:
        return "–"
    _, high = seed_interval(np.array(result.by_seed))
    mean = float(np.mean(result.by_seed))
    return f"{mean:.3f}" if np.isnan(high) else f"{mean:.3f} ± {high - mean:.3f}"


def _differences(panel: Panel) -> Iterator[dict[str, object]]:
    for (row, training), line in panel.lines.items():
        for name, result in line.items():
            if result.against is not None:
                difference = result.against
                yield {
                    "leads": short_name(name),
                    "row": row,
                    "training": training,
                    "difference": Interval(difference.value, difference.low, difference.high),
                    "p": difference.p_value,
                    "seeds": ", ".join(f"{value:.3f}" for value in result.by_seed),
                }


def _triple(result: Result) -> tuple[float, float, float]:
    return result.mean.value, result.mean.low, result.mean.high


def _html_cell(result: Result | None) -> str | None:
    if result is None:
        return None
    return f"{Interval(*_triple(result))} {'(reference)' if result.is_reference else result.mark}"


def _markdown_cell(result: Result | None) -> str:
    if result is None:
        return "–"
    text = str(Interval(*_triple(result)))
    return f"**{text}**" if result.is_reference else f"{text} {result.mark}".strip()


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
