"""What the report of `anylead evaluate` shows of classifiers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anylead.datasets.titles import titles
from anylead.evaluation.classification import (
    ClassificationRun,
    multiclass_score_names,
    open_multiclass,
    open_run,
    score_names,
    statistics,
)
from anylead.evaluation.scores import (
    Evaluation,
    LeadSetScores,
    about,
    command,
    logs_of,
    main_by_run,
    quality_table,
    triples,
)
from anylead.leads import LEAD_SETS, LEADS
from anylead.metrics.bootstrap import paired_difference
from anylead.pictures import evaluation_report
from anylead.records import Record
from anylead.store import Store


def report(path: Path, runs: Sequence[ClassificationRun], scores: Sequence[LeadSetScores]) -> None:
    """Scores, classes, curves, one ECG and the logs in one HTML file."""
    main = runs[0]
    settings = main.head.settings
    first = next(iter(main.predictions.values()))
    sets = list(dict.fromkeys(score.lead_set for score in scores))
    labels = main.evidence(sets[0]).label_names
    names = full_names(labels)
    evaluation_report.write(
        path,
        evaluation_report.Facts(
            command=command([run.folder for run in runs], sets, settings),
            about=about(
                main.store, main.split, len(main.head.rows), main.head.settings.num_resamples
            ),
            score_by_run=main_by_run(scores, "auroc"),
            macro=_macro(scores),
            differences=_differences(runs, sets),
            classes={run.name: class_rows(run, scores) for run in runs},
            lead_sets={name: LEAD_SETS[name] for name in sets if name in LEAD_SETS},
            quality=quality_table(main.store, main.head.rows),
            label_names=[names[name] for name in labels],
            judged={name: _judged(main, name) for name in sets},
            example=example_record(main.store, int(first.row[0])),
            logs=logs_of(runs),
            is_exclusive=main.is_exclusive,
        ),
    )


def full_names(labels: Sequence[str]) -> dict[str, str]:
    """Label -> "sinus rhythm (SR)", or itself where it is no known abbreviation."""
    known = titles(labels)
    return {label: f"{known[label]} ({label})" if label in known else label for label in labels}


def class_rows(run: ClassificationRun, scores: Sequence[LeadSetScores]) -> list[dict[str, Any]]:
    """One row a class: counts, threshold, and AUROC with each lead set."""
    own = [score for score in scores if score.run == run.name]
    evidence = run.evidence(own[0].lead_set)
    names = full_names(evidence.label_names)
    is_positive = evidence.arrays["label"] == 1
    thresholds = run.thresholds_of("thresholds", own[0].lead_set)[run.columns]
    rows = []
    for i, label in enumerate(evidence.label_names):
        row: dict[str, Any] = {"class": names[label], "positives": int(is_positive[:, i].sum())}
        if run.store.manifest.has_patients:
            row["patients"] = len(np.unique(evidence.patient[is_positive[:, i]]))
        if not run.is_exclusive:
            row["threshold"] = float(thresholds[i])
        for score in own:
            measured = score.by_class.get(label)
            row[_column(score.lead_set)] = None if measured is None else triples(measured)["auroc"]
        rows.append(row)
    return rows


def _macro(scores: Sequence[LeadSetScores]) -> list[dict[str, Any]]:
    """One row a run and score, one column a lead set."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for score in scores:
        values = {**triples(score.macro), "recordings": score.num_records}
        for name, value in values.items():
            row = rows.setdefault((score.run, name), {"run": score.run, "score": _written(name)})
            row[_column(score.lead_set)] = value
    return list(rows.values())


def _column(lead_set: str) -> str:
    if lead_set not in LEAD_SETS:
        return lead_set
    return "1 lead" if lead_set == "1" else f"{lead_set} leads"


def _written(score: str) -> str:
    return f"macro {score.upper()}" if score in ("auroc", "auprc", "f1") else score


def _differences(
    runs: Sequence[ClassificationRun], lead_sets: Sequence[str]
) -> list[dict[str, Any]]:
    """Macro AUROC of every other run minus the first, where both judged the same recordings."""
    main, *others = runs
    found = []
    for lead_set in lead_sets if others else ():
        base = main.evidence(lead_set)
        for other in others:
            evidence = other.evidence(lead_set)
            if not (
                evidence.label_names == base.label_names
                and np.array_equal(evidence.patient, base.patient)
                and np.array_equal(evidence.arrays["label"], base.arrays["label"], equal_nan=True)
            ):
                continue
            difference = paired_difference(
                statistics(evidence)["auroc"],
                statistics(base)["auroc"],
                base.patient,
                main.head.settings.num_resamples,
                main.head.settings.seed,
            )
            value = (difference.value, difference.low, difference.high)
            found.append(
                {
                    "run": f"{other.name} minus {main.name}",
                    "leads": _column(lead_set),
                    "macro AUROC": value,
                    "p": difference.p_value,
                }
            )
    return found


def _judged(run: ClassificationRun, lead_set: str) -> evaluation_report.Judged:
    arrays = run.evidence(lead_set).arrays
    return evaluation_report.Judged(arrays["label"], arrays["probability"], arrays["is_predicted"])


def example_record(store: Store, row: int) -> Record:
    """One recording of a store as a `Record`, to be drawn."""
    num_samples = int(store.num_samples[row])
    counts = store.read(np.array([row]), np.array([0]), num_samples)[0]
    has_lead = store.has_lead[row]
    signal = (counts * store.scale[row][:, None]).astype(np.float32)[has_lead]
    return Record(
        signal=signal,
        leads=tuple(name for name, present in zip(LEADS, has_lead, strict=True) if present),
        sample_rate=store.manifest.sample_rate,
        record_id=str(store.record_id[row]),
        unit="mV" if store.unit[row] == "mV" else "NU",
    )


CLASSIFICATION = Evaluation(open_run, report, statistics, score_names)
MULTICLASS = Evaluation(open_multiclass, report, statistics, multiclass_score_names)
