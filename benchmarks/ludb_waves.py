"""Waves on LUDB: scores over five folds, and the decoder that lies in the box.

    anylead prepare ludb LUDB -o stores/ludb100 --preprocess.sample_rate 100
    python benchmarks/ludb_waves.py folds --encoder ptbxl-small --out runs/ludb/pretrained
    python benchmarks/ludb_waves.py folds --encoder ptbxl-small --random --out runs/ludb/random
    python benchmarks/ludb_waves.py folds --unet --out runs/ludb/unet
    python benchmarks/ludb_waves.py decoders --out runs/ludb
    python benchmarks/ludb_waves.py table runs/ludb/pretrained runs/ludb/random runs/ludb/unet
    python benchmarks/ludb_waves.py table runs/ludb/pretrained --plot docs/pictures/intervals.png
    python benchmarks/ludb_waves.py box --encoder ptbxl-small

`folds` trains on four fifths of the patients and finds the waves of the last fifth, five times. It
writes waves-alone.csv (each lead seen alone) and waves-12.csv (all leads seen) in the columns
record,lead,wave,onset,offset. `box` trains on all patients and puts the decoder beside the weights
of the encoder. Run again after the encoder has changed. `decoders` makes all cells of the table of
decoders: with the encoder, with the same network from random weights, without any, each with 80, 8
and 2 patients; what is there already is left as it is, so it goes on where it was stopped.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from anylead.checkpoint import load_checkpoint
from anylead.commands import finetune
from anylead.commands.cli import parse
from anylead.formats import wave_marks
from anylead.inference import named
from anylead.inference.delineator import delineator_of, save_head
from anylead.inference.model import load
from anylead.leads import LEADS
from anylead.metrics.waves import BOUNDARIES, by_lead, score_waves
from anylead.signals import intervals
from anylead.store import Store
from anylead.store.marks import stored_marks

RECIPE = "recipes/finetune_ludb_waves.yaml"
FOLDS = 5
ABOUT = {
    "Data": "LUDB 1.0.1 at 100 Hz (Kalyakulina AI, Yusipov II, Moskalenko VA, Nikolskiy AV,"
    " Kosonogov KA, Osipov GV, Zolotykh NY, Ivanchenko MV. LUDB: a new open-access validation"
    " tool for electrocardiogram delineation algorithms. IEEE Access 8, 186181 (2020),"
    " doi:10.1109/ACCESS.2020.3029211)",
    "For": "Research on waves and intervals of resting ECGs.",
    "Licence": "CC BY 4.0; give credit to the authors of LUDB, which is under ODC-By 1.0.",
    "Not for": "Diagnosis or any other decision about a person: it is not a medical device.",
}
WAYS = ("alone", "12")
PATIENTS = {0: 150, 8: 60, 2: 60}  # to learn from (0 is all) -> steps


def recipe_of(options, out, exclude):
    """The recipe with what the command line changes."""
    words = [RECIPE, "--data.store", options.store, "--out", str(out), "--train.resume", "true"]
    words += ["--train.is_quiet", "true"]
    if exclude is not None:
        words += ["--data.exclude", str(exclude)]
    if options.steps:
        words += ["--train.steps", str(options.steps)]
    if options.unet:
        words += ["--waves.uses_encoder", "false", "--model.encoder.size", "tiny"]
    elif options.random:
        words += ["--model.train", "full"]
    else:
        words += ["--model.checkpoint", str(named.find(options.encoder).path)]
        words += ["--model.train", "full" if options.full else "linear_probe"]
    recipe = parse("finetune", finetune.Recipe, words)
    if options.random:
        own = load_checkpoint(named.find(options.encoder).path).description["encoder"]
        changes = {name: value for name, value in own.items() if name != "kind"}
        encoder = replace(recipe.model.encoder, size="small", overrides=changes)
        recipe = replace(recipe, model=replace(recipe.model, encoder=encoder))
    return recipe


def folds(options):
    """Train and find the waves of each fifth."""
    store = Store.open(options.store)
    options.out.mkdir(parents=True, exist_ok=True)
    for fold in range(1, FOLDS + 1):
        done = [options.out / f"waves-{way}-{fold}.csv" for way in WAYS]
        if fold not in options.only or all(path.is_file() for path in done):
            continue
        held = store.fold == fold
        learned = np.flatnonzero(~held)
        if options.patients:  # of the training patients, evenly over them
            kept = np.random.default_rng(fold).permutation(learned)[: options.patients]
            learned = np.sort(kept)
        listed = options.out / f"fold{fold}.txt"
        excluded = np.setdiff1d(np.arange(store.num_records), learned)
        listed.write_text("\n".join(store.record_id[excluded]) + "\n")
        run = finetune.run(recipe_of(options, options.out / f"fold{fold}", listed))
        find(load(run, device="cpu"), store, np.flatnonzero(held), options.out, fold)


def decoders(options):
    """All cells of the table: a folder NAME, NAME-8 and NAME-2 for each kind of network."""
    for name, random, unet in (
        ("ptbxl-small", False, False),
        ("random", True, False),
        ("unet", False, True),
    ):
        for patients, steps in PATIENTS.items():
            cell = argparse.Namespace(**vars(options))
            cell.random, cell.unet, cell.full = random, unet, False
            cell.patients, cell.steps = patients, options.steps or steps
            cell.out = options.out / (f"{name}-{patients}" if patients else name)
            folds(cell)


def find(model, store, rows, out, fold):
    """Waves of recordings that were held out, each lead alone and with all leads."""
    delineator = delineator_of(model)
    shape = (len(rows), len(LEADS), int(store.num_samples[rows].max()))
    signal = store.read(rows, np.zeros(len(rows), np.int64), shape[2]).astype(np.float32)
    signal *= store.scale[rows][:, :, None]
    has_lead = store.has_lead[rows]
    names = store.record_id[rows]
    ways = {"alone": delineator.marks_alone, "12": delineator.marks}
    for lead_set, way in ways.items():
        found = map(tuple, way(list(signal), list(has_lead)))
        path = out / f"waves-{lead_set}-{fold}.csv"
        wave_marks.write_table(path, dict(zip(names, found, strict=True)))


def table(options):
    """Scores of runs, with intervals over patients."""
    store = Store.open(options.store)
    marked = dict(zip(store.record_id, stored_marks(store), strict=True))
    made = {}
    for folder in options.runs:
        for lead_set in WAYS:
            found = {}
            for path in sorted(folder.glob(f"waves-{lead_set}-*.csv")):
                found |= wave_marks.read_table(path)
            if not found:
                continue
            wave_marks.write_table(folder / f"waves-{lead_set}.csv", found)
            made[f"{folder.name} {lead_set}"] = {
                "records": len(found),
                "score": scores(marked, found),
                "intervals": agreement(marked, found),
            }
            if options.plot and lead_set == "12":
                plot(pairs_of(marked, found), options.plot)
    print(json.dumps(made, indent=1))


def scores(marked, found):
    """Of each boundary: F1 as usual, F1 and errors with the ends, an interval over patients."""
    names = list(found)
    per = [score_waves(by_lead(marked[n], found[n], LEADS), beyond_ends=True) for n in names]
    usual = score_waves(pair for n in names for pair in by_lead(marked[n], found[n], LEADS))
    both = score_waves(
        (pair for n in names for pair in by_lead(marked[n], found[n], LEADS)), beyond_ends=True
    )
    made = {}
    rng = np.random.default_rng(0)
    draws = rng.integers(len(names), size=(1000, len(names)))
    for key in BOUNDARIES:
        hit, missed, extra = (
            np.array([of(tally[key]) for tally in per])
            for of in (lambda t: len(t.errors), lambda t: t.missed, lambda t: t.extra)
        )
        hits = hit[draws].sum(axis=1)
        f1 = 2 * hits / np.maximum(2 * hits + missed[draws].sum(1) + extra[draws].sum(1), 1)
        made[" ".join(key)] = {
            **{f"usual_{name}": value for name, value in usual[key].as_dict().items()},
            **both[key].as_dict(),
            "f1_low": float(np.quantile(f1, 0.025)),
            "f1_high": float(np.quantile(f1, 0.975)),
        }
    return made


def agreement(marked, found):
    """Bias and limits of agreement of global PR, QRS and QT with those of the marks, in ms."""
    made = {}
    for key, values in pairs_of(marked, found).items():
        both = np.array([each for each in values if None not in each])
        error = both[:, 1] - both[:, 0]
        made[key] = {
            "patients": len(error),
            "bias": float(error.mean()),
            "low": float(error.mean() - 1.96 * error.std(ddof=1)),
            "high": float(error.mean() + 1.96 * error.std(ddof=1)),
            "missing": sum(got is None and want is not None for want, got in values),
            "invented": sum(want is None and got is not None for want, got in values),
        }
    return made


def pairs_of(marked, found):
    """Interval -> what the marks and what the found waves say of each patient, in ms or None."""
    pairs = {name: [] for name in ("PR_ms", "QRS_ms", "QT_ms", "QTc_Fridericia_ms")}
    for name in found:
        want, got = (_global(marks) for marks in (marked[name], found[name]))
        for key, values in pairs.items():
            values.append((want[key].value, got[key].value))
    return pairs


def plot(pairs, path):
    """Differences over means, a panel for each interval (Bland and Altman 1986)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3), layout="constrained", dpi=90)
    shown = ("PR_ms", "QRS_ms", "QT_ms")
    for axes, key in zip(figure.subplots(1, len(shown)), shown, strict=True):
        both = np.array([each for each in pairs[key] if None not in each])
        error = both[:, 1] - both[:, 0]
        axes.scatter(both.mean(axis=1), error, s=12, color="#0072b2", alpha=0.7, linewidths=0)
        limits = 1.96 * error.std(ddof=1)
        for height, style in ((0, "-"), (-limits, "--"), (limits, "--")):
            axes.axhline(error.mean() + height, color="#444444", linestyle=style, linewidth=1)
        axes.set_title(f"{key.removesuffix('_ms')}, {len(error)} patients")
        axes.set_xlabel("mean of both, ms")
    figure.axes[0].set_ylabel("model - cardiologists, ms")
    figure.savefig(path)


def _global(marks):
    beats = {lead: intervals.beats_of(m for m in marks if m.lead == lead) for lead in LEADS}
    return intervals.measure(intervals.global_beats(beats))


def box(options):
    """Train on all and put the decoder beside the encoder."""
    folder = named.find(options.encoder).path
    run = finetune.run(recipe_of(options, options.out, None))
    print(save_head(load_checkpoint(run), folder, ABOUT))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["folds", "decoders", "table", "box"])
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--store", default="stores/ludb100")
    parser.add_argument("--encoder", default="ptbxl-small")
    parser.add_argument("--out", type=Path, default=Path("runs/ludb/box"))
    parser.add_argument("--random", action="store_true", help="the same network, fresh weights")
    parser.add_argument("--unet", action="store_true", help="the decoder alone")
    parser.add_argument("--full", action="store_true", help="train the encoder, too")
    parser.add_argument("--patients", type=int, default=0, help="to learn from; 0 = all")
    parser.add_argument("--steps", type=int, default=0, help="0 = as in the recipe")
    parser.add_argument("--plot", type=Path, help="of intervals, for the last run of a table")
    parser.add_argument("--only", type=int, nargs="*", default=range(1, FOLDS + 1))
    options = parser.parse_intermixed_args()
    {"folds": folds, "decoders": decoders, "table": table, "box": box}[options.what](options)


if __name__ == "__main__":
    main()
