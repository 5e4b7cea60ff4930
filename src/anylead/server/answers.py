"""Numbers -> JSON and pictures."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import numpy as np

from anylead import __version__
from anylead.datasets.titles import titles
from anylead.explanations import METHODS, Explanation, saliency_on
from anylead.inference.about import About
from anylead.inference.answer import NOTICE, Answer
from anylead.inference.delineation import Delineation
from anylead.inference.delineator import has_decoder
from anylead.leads import LEAD_SETS
from anylead.pictures import ecg_page, render
from anylead.records import Record
from anylead.server import schema
from anylead.server.reader import Overview
from anylead.server.service import Identified, Service

PictureKind = Literal["svg", "pdf", "png"]
MEDIA = {"svg": "image/svg+xml", "pdf": "application/pdf", "png": "image/png"}
_SALIENCY_RATE = 50.0
_DIGITS = 5  # of a millivolt: 0.01 microvolt
_PNG_DPI = 150


def about_model(service: Service) -> schema.ModelOut:
    """What is served."""
    model, limits = service.model, service.limits
    return schema.ModelOut(
        kind=model.kind,
        about=schema.AboutOut(**model.about.as_dict()),
        label_names=list(model.label_names),
        titles=titles(model.label_names),
        thresholds={name: dict(values) for name, values in model.about.thresholds.items()},
        scores={name: dict(values) for name, values in model.about.scores.items()},
        dim=model.dim,
        task=model.description.get("task"),
        sample_rate=model.preprocess_config.sample_rate,
        segment_seconds=model.segment_samples / model.preprocess_config.sample_rate,
        has_gallery=service.gallery is not None,
        has_waves=has_decoder(model),
        methods=list(METHODS),
        lead_sets={name: list(leads) for name, leads in LEAD_SETS.items()},
        leads=list(model.leads),
        limits=vars(limits),
        version=__version__,
        notice=NOTICE,
    )


def predictions(found: Sequence[Answer], service: Service) -> schema.Predictions:
    """Answers, each with its grounds."""
    return schema.Predictions(
        recordings=[
            schema.Prediction(
                **{**each.as_dict(), "name": each.record, "measured": each.measured()}
            )
            for each in found
        ],
        model=schema.AboutOut(**service.model.about.as_dict()),
        notice=NOTICE,
    )


def delineations(found: Sequence[Delineation]) -> schema.Delineations:
    """Waves and intervals."""
    return schema.Delineations(
        recordings=[schema.DelineationOut(name=each.record, **each.as_dict()) for each in found],
        notice=NOTICE,
    )


def recording(
    record: Record, start: float = 0.0, overview: Overview | None = None
) -> schema.RecordingOut:
    """A recording as numbers."""
    rows = np.round(record.signal.astype(np.float64), _DIGITS)
    signal: list[list[float | None]] = rows.tolist()
    if np.isnan(rows).any():
        signal = [[None if value != value else value for value in row] for row in signal]
    stated = {
        "age": record.age,
        "sex": record.sex,
        "time": record.start_time,
        "text": record.diagnosis,
    }
    return schema.RecordingOut(
        name=record.record_id,
        leads=list(record.leads),
        sample_rate=record.sample_rate,
        unit=record.unit,
        signal=signal,
        about={name: value for name, value in stated.items() if value is not None},
        start=start,
        overview=None if overview is None else schema.OverviewOut(**overview._asdict()),
    )


def identity(record: Record, found: Identified, threshold: float) -> schema.Identity:
    """Who a recording is of."""
    return schema.Identity(
        name=record.record_id,
        person=found.person,
        threshold=threshold,
        persons=[schema.Person(person=p.person, cosine=p.cosine) for p in found.persons],
        nearest=[
            schema.Neighbour(
                person=entry.person,
                cosine=cosine,
                file=entry.file.replace("\\", "/").rsplit("/", 1)[-1],
                leads=list(entry.leads),
                labels=list(entry.labels),
            )
            for entry, cosine in found.nearest
        ],
    )


def explanation(record: Record, found: Explanation) -> schema.ExplanationOut:
    """What an answer rests on, at 50 values a second (the strongest of each 20 ms)."""
    saliency = saliency_on(found, record)
    length = max(1, round(record.seconds * _SALIENCY_RATE))
    starts = np.arange(length) * saliency.shape[1] // length
    above = np.maximum.reduceat(saliency, starts, axis=1)
    below = np.minimum.reduceat(saliency, starts, axis=1)
    reduced = np.where(above >= -below, above, below)
    return schema.ExplanationOut(
        name=record.record_id,
        label=found.label,
        probability=found.probability,
        method=found.method,
        by_lead=found.by_lead,
        without_lead=found.without_lead,
        segments=list(found.segments),
        saliency=schema.Saliency(
            leads=list(record.leads),
            sample_rate=length / record.seconds,
            values=np.round(reduced.astype(np.float64), 3).tolist(),
        ),
    )


def picture(
    record: Record,
    kind: PictureKind,
    *,
    layout: str | None = None,
    seconds: float | None = None,
    start: float = 0.0,
    header: list[str] | None = None,
    found: Explanation | None = None,
    seen: Sequence[str] | None = None,
) -> bytes:
    """The page of a recording; leads that the model did not see are grey."""
    figure = ecg_page(
        record,
        layout=layout,
        saliency=None if found is None else saliency_on(found, record),
        seen=seen,
        header=header,
        seconds=seconds,
        start=start,
        paper="A4" if kind == "pdf" and (seconds or 10) <= 10 else "fit",
    )
    return render(figure, kind, _PNG_DPI)


def report_header(
    record: Record, found: Answer | None, about: About, shaded: Explanation | None = None
) -> list[str]:
    """Lines above a page: whose, the warning, what the model says and how far to trust it."""
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    lines = [
        f"{record.record_id or 'recording'}  ·  drawn {now}",
        NOTICE,
        f"Model {about.name} ({about.version}), {about.trained}; anylead {__version__}.",
    ]
    if found is not None:
        lines += _said(found, titles(about.label_names))
    if shaded is not None and shaded.label is not None:
        lines.append(
            f"Shaded: what speaks for {shaded.label} (blue) and against it (orange), by"
            f" {shaded.method}."
        )
    return lines


def _said(found: Answer, names: Mapping[str, str]) -> list[str]:
    lines = [f"The model saw {len(found.leads)} leads: {', '.join(found.leads)}."]
    if found.refusal is not None:
        lines.append(f"{'Doubtful' if found.is_answered else 'No answer'}: {found.refusal}.")
    lines += [f"Warning: {warning}." for warning in found.warnings]
    ranked = sorted(found.probabilities.items(), key=lambda item: -item[1])[:8]
    told = [f"{name} {value:.4g}" for name, value in found.values.items()]
    if ranked or told:
        for label, value in ranked:
            limit = found.thresholds.get(label)
            verdict = " (the most probable)" if found.decisions.get(label) else ""
            if limit is not None:
                verdict = f" ({'yes' if value >= limit else 'no'}, from {limit:.0%})"
            told.append(f"{names.get(label, label)} {value:.0%}{verdict}")
        lines += ["  ·  ".join(told), f"{found.measured()}."]
    return lines
