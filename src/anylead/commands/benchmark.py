"""anylead benchmark: one recipe -> a table of methods, lead sets, tasks and seeds."""

from dataclasses import asdict, dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import yaml

from anylead.commands import screen
from anylead.commands.recipes import build
from anylead.engines.workers import Engine
from anylead.errors import RecipeError, StoppedError, known_are
from anylead.evaluation import Settings
from anylead.inference.named import open_checkpoint
from anylead.inference.weights import fingerprint
from anylead.store import Store
from anylead.tables import output
from anylead.tables.check import Checked, Wanted, check
from anylead.tables.compare import Judging, Result, compare
from anylead.tables.plan import Grid, Plan, Row, Training, make_plan
from anylead.tables.running import choose_devices, make_jobs, num_together, run_all
from anylead.tables.segments import NOTE, split_by_segment

FIRST = (
    "out",
    "store",
    "rows",
    "lead_sets",
    "training",
    "tasks",
    "fractions",
    "seeds",
    "devices",
    "engine",
    "tables_only",
)
EXAMPLES = (
    "anylead benchmark recipes/small_table1.yaml --store store/ --out runs/table1",
    "anylead benchmark runs/table1/recipe.yaml --tables_only",
)
# Sets of leads that no named set of training is: what "any leads" has to show.
UNSEEN = ("II", "V1", "V1,V2,V3,V4,V5,V6", "I,V2")


@dataclass(frozen=True)
class Recipe:
    """What the table shows.

    Attributes:
        out: folder of the tables; the same command goes on where it stopped.
        cells: folder of runs and finished cells, which several tables may share; null takes `out`.
        title: of the table.
        store: folder of `anylead prepare`.
        scheme: of the split: auto, official, hash, or folds:9:10 (validation and test).
        split_by: "patients"; "segments" splits each recording's segments at random, as the paper
            did for diagnosis: for comparison only, its scores leak and are labelled so.
        segment_seconds: what a model sees at once.
        rows: lines of the table: name, pretrain (null: random weights), finetune, encoder, ...
        lead_sets: its columns.
        unseen: further columns of rows that serve all lead sets with one model.
        training: padded (one fine-tuned model for all lead sets), finetuned_per_lead_set (one for
            each, from one pre-training with 12 leads: Tables 1, 3 and 4 of the paper),
            per_lead_set (one for each, pre-trained with these leads, too: Table 2), or several.
        tasks: name -> fields of the fine-tuning recipe; `evaluate` where the task is scored in
            another way, `fractions` where it has shares of its own. A task or pretrain may name a
            store of its own in `data`.
        fractions: shares of the labels.
        seeds: of weights, order, masks.
        pretrain: fields of the pre-training recipe that all rows share; with {train: {seed: 0}}
            one pre-training serves all seeds.
        finetune: fields of the fine-tuning recipe that all rows share.
        encoder: kind, size and overrides that all rows share.
        finetune_encoder: overrides in fine-tuning, such as dropout.
        evaluate: how rows are scored, such as {num_draws: 5, sessions: halves}.
        scores: task -> the score that rows are compared by; else macro AUROC, or rank-1 accuracy.
        only_at_hand: leave out rows whose weights or store are not there, and say which.
        reference: the row that all others are compared with; null takes the first.
        margin: differences below it do not matter; rows that lie within it are marked equivalent.
        shares_persons: persons who are tested may be learned from; the table says so.
        published: task -> row -> numbers of a paper, shown beside.
        devices: where runs go, one at a time each: auto (every GPU, or else every core with
            4 GiB of memory for each), or a list such as cuda:0,cuda:1 or cpu,cpu.
        engine: "processes" of this machine, or "ray", a cluster that shares this folder; cpu among
            the devices keeps its runs off GPUs.
        keep_runs: keep the weights of fine-tuned runs.
        tables_only: make the tables of the finished cells, run nothing.
        check_only: look at everything that will be needed, run nothing.
    """

    out: str = "runs/benchmark"
    cells: str | None = None
    title: str = "Benchmark"
    store: str = "store"
    scheme: str = "auto"
    split_by: Literal["patients", "segments"] = "patients"
    segment_seconds: float = 5.0
    rows: list[Row] = field(default_factory=list)
    lead_sets: list[str] = field(default_factory=lambda: ["12", "6", "3", "2", "1"])
    unseen: list[str] = field(default_factory=lambda: list(UNSEEN))
    training: list[Training] = field(default_factory=lambda: ["padded"])
    tasks: dict[str, dict[str, Any]] = field(default_factory=lambda: {"diagnosis": {}})
    fractions: list[float] = field(default_factory=lambda: [1.0])
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    pretrain: dict[str, Any] = field(default_factory=dict)
    finetune: dict[str, Any] = field(default_factory=dict)
    encoder: dict[str, Any] = field(default_factory=dict)
    finetune_encoder: dict[str, Any] = field(default_factory=dict)
    evaluate: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, str] = field(default_factory=dict)
    only_at_hand: bool = False
    reference: str | None = None
    margin: float | None = None
    shares_persons: bool = False
    published: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    devices: str = "auto"
    engine: Engine = "processes"
    keep_runs: bool = False
    tables_only: bool = False
    check_only: bool = False


def run(recipe: Recipe) -> list[Result]:
    """Do all runs that are not finished, then write the tables.

    Raises:
        RecipeError: a mistake in the recipe, something it needs is missing, persons who are tested
            are learned from, or no finished cell at all.
        StoppedError: a signal came; the same command goes on.
    """
    console = screen.console()
    out, folder = Path(recipe.out), Path(recipe.cells or recipe.out)
    folder.mkdir(parents=True, exist_ok=True)
    settings = make_settings(recipe.evaluate)
    for task in recipe.tasks.values():
        make_settings({**recipe.evaluate, **task.get("evaluate", {})})
    store = Store.open(recipe.store)
    if recipe.split_by == "segments":
        leaking = folder / "store-by-segment"
        split_by_segment(store, leaking, recipe.segment_seconds)
        store = Store.open(leaking)
    if recipe.only_at_hand:
        absent = {row.name: path for row in recipe.rows if (path := absent_path(row))}
        for name, path in absent.items():
            screen.say(console, f"left out: {name}, since {path} is not there")
        recipe = replace(recipe, rows=[row for row in recipe.rows if row.name not in absent])
    judging = make_judging(recipe, settings)
    if len(recipe.seeds) == 1 and (only := recipe.seeds[0]) > 1:
        screen.say(console, f"seeds: one seed, {only}; {only} seeds would be [0, ..., {only - 1}]")
    plan = make_plan(make_grid(recipe, str(store.location)))
    is_free = recipe.engine == "ray" and recipe.devices == "auto"
    devices = [] if is_free else choose_devices(recipe.devices, num_together(plan))
    shares = recipe.shares_persons or recipe.split_by == "segments"
    checked = check(plan, Wanted(settings, recipe.scores, devices, shares))
    if recipe.check_only:
        steps = sum(checked.num_steps.values())
        screen.say(console, f"{len(checked.num_steps)} runs, {steps:,} steps: everything is there")
        return []
    failed: dict[str, str] = {}
    if not recipe.tables_only:
        jobs = make_jobs(plan, folder, settings, recipe.keep_runs, checked.num_steps)
        try:
            failed = run_all(jobs, devices, lambda line: screen.say(console, line), recipe.engine)
        except StoppedError as error:
            reason = str(error).partition(";")[0]
            raise StoppedError(f"{reason}; the same benchmark command goes on from there") from None
    results = compare(plan, folder, judging)
    if not results:
        reasons = "; ".join(sorted(set(failed.values()))) or "nothing was run"
        raise RecipeError(f"{folder}: no cell is finished: {reasons}")
    output.write(out, _about(recipe, store, plan, failed, checked), results)
    screen.say(console, (out / output.MARKDOWN).read_text())
    screen.say(console, f"tables: {out / output.CSV}, {output.MARKDOWN}, {output.HTML}")
    return results


def make_grid(recipe: Recipe, store: str) -> Grid:
    """The part of the recipe that decides which runs there are."""
    return Grid(
        store=store,
        scheme="official" if recipe.split_by == "segments" else recipe.scheme,
        segment_seconds=recipe.segment_seconds,
        rows=recipe.rows,
        lead_sets=recipe.lead_sets,
        unseen=recipe.unseen,
        training=recipe.training,
        tasks=recipe.tasks,
        fractions=recipe.fractions,
        seeds=recipe.seeds,
        pretrain=recipe.pretrain,
        finetune=recipe.finetune,
        encoder=recipe.encoder,
        finetune_encoder=recipe.finetune_encoder,
        evaluate=recipe.evaluate,
        content_of=cache(content_of),
        weights_of=cache(weights_of),
    )


def absent_path(row: Row) -> str | None:
    """The model or store that a row names as a path and that is not there, if any."""
    places = (("finetune", "model", "checkpoint"), ("finetune", "data", "store"))
    for part, section, name in (*places, ("pretrain", "data", "store")):
        path = ((getattr(row, part) or {}).get(section) or {}).get(name)
        if path and "://" not in path and "/" in path and not Path(path).exists():
            return str(path)
    return None


def content_of(path: str) -> str:
    """Hash of what a store, or a list of persons, holds."""
    if Path(path).is_file():
        return sha256(Path(path).read_bytes()).hexdigest()
    return Store.open(path).manifest.content_hash


def weights_of(path: str) -> str:
    """Hash of the weights of a model, given as for `anylead.load`."""
    return fingerprint(open_checkpoint(path)[0].tensors, [])


def make_judging(recipe: Recipe, settings: Settings) -> Judging:
    """How the numbers are compared.

    Raises:
        RecipeError: a task or row that there is not, or a margin below 0.
    """
    for name in ("scores", "published"):
        for task in getattr(recipe, name).keys() - recipe.tasks.keys():
            raise RecipeError(f"{name}: task {task!r}{known_are(task, recipe.tasks)}")
    rows = [row.name for row in recipe.rows]
    if recipe.reference is not None and rows and recipe.reference not in rows:
        raise RecipeError(f"reference: no row {recipe.reference!r}; there are {', '.join(rows)}")
    if recipe.margin is not None and recipe.margin < 0:
        raise RecipeError(f"margin {recipe.margin:g}; want 0 or more")
    return Judging(
        settings.num_resamples, settings.seed, recipe.scores, recipe.reference, recipe.margin
    )


def make_settings(values: dict[str, Any]) -> Settings:
    """How rows are scored.

    Raises:
        RecipeError: an unknown field, or a value that it cannot have.
    """
    return build(Settings, values, where="evaluate: ")


def _about(
    recipe: Recipe, store: Store, plan: Plan, failed: dict[str, str], checked: Checked
) -> output.About:
    manifest = store.manifest
    names: dict[str, str] = {}
    for cell in plan.cells:
        if cell.fit in failed:
            name = f"{cell.row}, {cell.task}, {cell.training} {'/'.join(cell.lead_sets)}"
            names[f"{name}, seed {cell.seed}"] = failed[cell.fit]
    note = manifest.note.replace(NOTE, "").strip()
    text = (
        f"{manifest.num_records} recordings of {manifest.name} at {manifest.sample_rate:g} Hz"
        f" (store {manifest.content_hash[:12]}); seeds {', '.join(map(str, recipe.seeds))}. {note}"
    )
    return output.About(
        title=recipe.title,
        text=text.strip(),
        leaks=bool(checked.leaks),
        recipe=yaml.safe_dump(asdict(recipe), sort_keys=False),
        command="anylead benchmark recipe.yaml",
        failed=names,
        published=recipe.published,
        lead_sets=recipe.lead_sets,
        marks=_marks(recipe),
    )


def _marks(recipe: Recipe) -> str:
    """What stands behind the numbers."""
    reference = recipe.reference or recipe.rows[0].name
    seeds = "patients and seeds" if len(recipe.seeds) > 1 else "patients (one seed)"
    lines = [
        f"Intervals are 95 %, over {seeds} resampled together, of the mean over seeds.",
        f"Rows are compared with {reference} (bold) on the same patients: ▲ better, ▼ worse, at 5 %"
        " for all marks of a table together (max-T).",
    ]
    if recipe.margin is not None:
        lines.append(
            f"≈ : equivalent, the difference is below {recipe.margin:g} (two one-sided tests at"
            " 5 %, for all rows together)."
        )
    lines.append("No mark: the data do not tell.")
    return " ".join(lines)
