"""Numbers -> JSON and pictures."""

from typing import Literal

import numpy as np

from anylead import __version__
from anylead.explanations import METHODS, Explanation, saliency_on
from anylead.leads import LEAD_SETS
from anylead.pictures import ecg_page, render
from anylead.records import Record
from anylead.server import schema
from anylead.server.service import Identified, Service

NOTICE = "Research software, no medical device: not for diagnosis or treatment of anyone."
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
        label_names=list(model.label_names),
        thresholds=model.description.get("thresholds"),
        task=model.description.get("task"),
        sample_rate=model.preprocess_config.sample_rate,
        segment_seconds=model.segment_samples / model.preprocess_config.sample_rate,
        has_gallery=service.gallery is not None,
        methods=list(METHODS),
        lead_sets={name: list(leads) for name, leads in LEAD_SETS.items()},
        leads=list(model.leads),
        limits=vars(limits),
        version=__version__,
        notice=NOTICE,
    )


def recording(record: Record) -> schema.RecordingOut:
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
    """What an answer rests on, at 50 values a second (the largest of each 20 ms)."""
    saliency = saliency_on(found, record)
    length = max(1, round(record.seconds * _SALIENCY_RATE))
    starts = np.arange(length) * saliency.shape[1] // length
    reduced = np.maximum.reduceat(saliency, starts, axis=1)
    return schema.ExplanationOut(
        name=record.record_id,
        label=found.label,
        probability=found.probability,
        method=found.method,
        by_lead=found.by_lead,
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
) -> bytes:
    """The page of a recording."""
    saliency = None if found is None else saliency_on(found, record)
    figure = ecg_page(
        record, layout=layout, saliency=saliency, header=header, seconds=seconds, start=start
    )
    return render(figure, kind, _PNG_DPI)


def report_header(
    probabilities: dict[str, float] | None, seen: list[str], found: Explanation | None = None
) -> list[str]:
    """Lines above a page: the warning, what the model says, and what is shaded."""
    lines = [NOTICE, f"The model saw {len(seen)} leads: {', '.join(seen)}."]
    if probabilities is not None:
        ranked = sorted(probabilities.items(), key=lambda item: -item[1])[:8]
        lines.append("  ·  ".join(f"{label} {value:.0%}" for label, value in ranked))
    if found is not None and found.label is not None:
        lines.append(f"Shaded: what {found.label} rests on, by {found.method}.")
    return lines
