"""What a model says about itself: on what it was trained, and how good it is with which leads.

A model may say about itself, in `model.json`, by set of leads ("12", "I,V2"):

- `thresholds`: {set: {label: the smallest probability that means yes}}, before calibration,
- `calibration`: {set: {label: [slope, offset]}} of the logit,
- `scores`: {set: {score: [value, low, high]}}, measured on recordings it did not learn from,

and once: `training` ("data", "records", "patients", "date", "generated"), `name`, `licence`. A list
in the order of the labels stands for a mapping by label, and `scores` may be divided by label task.
Everything may be missing; then the answer says less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anylead import __version__
from anylead.errors import CheckpointError, LeadError
from anylead.leads import LEAD_SETS, LEADS, parse_leads

Scores = Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class About:
    """What a model says about itself.

    Attributes:
        name: of the model.
        version: its own, else the first digits of the hash of its weights.
        kind: a name in `anylead.inference.outcomes.OUTCOMES`, or of a model without answers.
        label_names: of its answers.
        trained: on what, how many and when, in words.
        training: the same as `model.json` has it.
        licence: of the weights, where stated.
        thresholds, calibration, scores: by set of leads, see above.
    """

    name: str
    version: str
    kind: str
    label_names: tuple[str, ...]
    trained: str
    training: Mapping[str, Any]
    licence: str | None
    thresholds: Mapping[str, Mapping[str, float]]
    calibration: Mapping[str, Mapping[str, tuple[float, float]]]
    scores: Mapping[str, Scores]

    def as_dict(self) -> dict[str, Any]:
        """The part that stands in every answer, ready for JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "anylead": __version__,
            "trained": self.trained,
            "training": dict(self.training),
            "licence": self.licence,
        }


def read_about(description: Mapping[str, Any], name: str, version: str) -> About:
    """What `model.json` says.

    Args:
        description: its content.
        name: of the model, where it does not say.
        version: likewise.

    Raises:
        CheckpointError: a field of another form.
    """
    labels = tuple(description.get("label_names") or ())
    thresholds = description.get("thresholds") or {}
    if not isinstance(thresholds, Mapping):  # one for each label, for the leads of the training
        thresholds = {_named(description.get("leads") or LEADS): thresholds}
    try:
        made = About(
            name=description.get("name") or name,
            version=str(description.get("version") or version),
            kind=description.get("kind", "pretraining"),
            label_names=labels,
            trained=_trained(description),
            training=description.get("training") or {},
            licence=description.get("licence"),
            thresholds={key: _thresholds(each, labels) for key, each in thresholds.items()},
            calibration={
                key: _calibration(each, labels)
                for key, each in (description.get("calibration") or {}).items()
            },
            scores={key: _scores(each) for key, each in (description.get("scores") or {}).items()},
        )
        for lead_set in (*made.thresholds, *made.calibration, *made.scores):
            parse_leads(lead_set)
    except (LeadError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{name}: thresholds, calibration or scores in its model.json cannot be used ({error})"
        ) from error
    return made


def told_of(about: About, kind: str, dim: int) -> dict[str, object]:
    """What a notebook shows of a model."""
    labels = ", ".join(about.label_names[:20]) + (", ..." if len(about.label_names) > 20 else "")
    return {
        "version": about.version,
        "kind": f"{kind}, vectors of {dim}",
        "answers": labels or None,
        "training": about.trained,
        "measured with leads": ", ".join(about.scores) or None,
        "licence": about.licence,
    }


def _thresholds(values: Any, labels: Sequence[str]) -> dict[str, float]:
    named = values if isinstance(values, Mapping) else dict(zip(labels, values, strict=True))
    return {label: float(value) for label, value in named.items()}


def _calibration(
    values: Mapping[str, Any], labels: Sequence[str]
) -> dict[str, tuple[float, float]]:
    if values.keys() == {"slope", "offset"}:
        values = {
            label: pair
            for label, *pair in zip(labels, values["slope"], values["offset"], strict=True)
        }
    return {label: (float(slope), float(offset)) for label, (slope, offset) in values.items()}


def _scores(values: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
    """Intervals by name; of scores by label task the name says which task."""
    found: dict[str, tuple[float, float, float]] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            of_task = {each: triple for each, triple in value.items() if isinstance(triple, list)}
            inner = {each: triple for each, triple in of_task.items() if len(triple) == 3}
            found |= {f"{name} {each}": triple for each, triple in _scores(inner).items()}
        else:
            middle, low, high = value
            found[name] = (float(middle), float(low), float(high))
    return found


def _named(leads: str | Sequence[str]) -> str:
    """The usual name of a set of leads."""
    chosen = parse_leads(leads)
    return next((name for name, each in LEAD_SETS.items() if each == chosen), ",".join(chosen))


def _trained(description: Mapping[str, Any]) -> str:
    """On what, how many and when; nothing that the model does not say."""
    training = description.get("training") or description.get("data") or {}
    data = training.get("data") or training.get("name")
    if not data:
        return "training data not stated"
    is_generated = training.get("generated", data == "synthetic")
    said = "trained on generated ECGs only" if is_generated else f"trained on {data}"
    records = (training.get("recordings") or {}).get("train", training.get("records"))
    if records is not None:
        said += f": {int(records):,} recordings"
        if training.get("patients") is not None:
            said += f" of {int(training['patients']):,} patients"
    return said + (f", {training['date']}" if training.get("date") else "")
