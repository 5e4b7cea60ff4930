"""An answer, and what one must know to trust it: how good the model is with exactly these leads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.datasets.titles import titles
from anylead.inference.about import About, Scores
from anylead.inference.outcomes import OUTCOMES
from anylead.inference.windows import Windows, refusal, sigmoid
from anylead.leads import LEADS, parse_leads
from anylead.metrics.thresholds import nearest_set, thresholds_for
from anylead.signals.quality import Quality

NOTICE = "Research software, no medical device: not for diagnosis or treatment of anyone."
# Flag -> what it means for an answer. Leads that are flat or lost are not seen by the model.
_WARNINGS = {
    Quality.FLAT: "flat, not used",
    Quality.LOST: "mostly missing, not used",
    Quality.LONG_GAP: "gaps longer than 0.2 s were filled in",
    Quality.CLIPPED: "rests at its largest or smallest value",
    Quality.AMPLITUDE: "less than 0.05 mV or more than 15 mV from bottom to top: wrong unit?",
    Quality.POWERLINE: "mains at 50 or 60 Hz",
    Quality.BASELINE: "baseline wanders by more than 1 mV",
    Quality.LIMB_INCONSISTENT: "limb leads contradict each other (III = II - I does not hold)",
    Quality.SWAPPED: "limb electrodes look swapped",
    Quality.DUPLICATED: "equal to another lead, sample by sample",
}


@dataclass(frozen=True)
class Answer:
    """What a model says of one recording, or of one window of it.

    Attributes:
        record: name of the recording.
        leads: those that the model saw.
        probabilities: by label, calibrated where the model holds a calibration; empty where there
            is no answer.
        values: by target, of a model that answers with numbers, in their own units.
        decisions: whether the probability reaches the threshold; only labels that have one. Of
            classes that exclude each other, whether it is the most probable.
        thresholds: by label, calibrated as the probabilities are.
        decided_with: the measured set of leads that thresholds and calibration come from, the
            nearest to the leads that are there.
        quality: lead -> flags, such as "powerline".
        warnings: what speaks against trusting the answer, in words.
        refusal: why there is no answer, or would be none without `force`.
        scores: (value, low, high) of the model on recordings it did not learn from.
        scored_with: the set of leads that these were measured with, nearest to those here.
        start: seconds into the recording.
        seconds: how long what was seen is.
        model: the model's words about itself.
    """

    record: str
    leads: tuple[str, ...]
    probabilities: Mapping[str, float]
    decisions: Mapping[str, bool]
    thresholds: Mapping[str, float]
    decided_with: str | None
    quality: Mapping[str, tuple[str, ...]]
    warnings: tuple[str, ...]
    refusal: str | None
    scores: Scores
    scored_with: str | None
    start: float
    seconds: float
    model: About
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_answered(self) -> bool:
        """Whether the model says anything."""
        return bool(self.probabilities or self.values)

    @property
    def positive(self) -> tuple[str, ...]:
        """Labels at or above their threshold."""
        return tuple(label for label, is_so in self.decisions.items() if is_so)

    @property
    def is_measured(self) -> bool:
        """Whether the scores were measured with exactly these leads."""
        return self.scored_with is not None and set(parse_leads(self.scored_with)) == set(
            self.leads
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        values = {name: value for name, value in asdict(self).items() if name != "model"}
        values |= {
            "leads": list(self.leads),
            "positive": list(self.positive),
            "quality": {lead: list(flags) for lead, flags in self.quality.items()},
            "warnings": list(self.warnings),
            "scores": {name: list(value) for name, value in self.scores.items()},
            "is_measured": self.is_measured,
        }
        return {**values, "model": self.model.as_dict(), "notice": NOTICE}

    def lines(self, every_label: bool = False) -> list[str]:
        """The answer as a person reads it: warnings first, then labels, then what it rests on.

        Args:
            every_label: also those that are far below their threshold.
        """
        shown = [f"{self.record}: {len(self.leads)} of 12 leads seen ({', '.join(self.leads)})"]
        if self.refusal is not None:
            shown.append(f"  no answer: {self.refusal}" if not self.is_answered else "")
            shown[-1] = shown[-1] or f"  doubtful: {self.refusal}"
        shown += [f"  warning: {warning}" for warning in self.warnings]
        names = titles(tuple(self.probabilities))
        by_probability = sorted(self.probabilities, key=lambda label: -self.probabilities[label])
        told = sorted(
            (label for label in by_probability if every_label or self._is_near(label)),
            key=lambda label: not self.decisions.get(label, False),
        )
        shown += [self._line(label, names.get(label, "")) for label in told]
        hidden = len(by_probability) - len(told)
        if hidden:
            where = "far below their thresholds" if self.thresholds else "below 5 %"
            shown.append(f"  {hidden} other labels are {where}")
        shown += [f"  {name}  {value:.4g}" for name, value in self.values.items()]
        return [*shown, *self.grounds()]

    def _is_near(self, label: str) -> bool:
        """Whether a label is worth a line: at half of its threshold, or without one at 5 %."""
        limit = self.thresholds.get(label)
        return self.probabilities[label] >= (0.05 if limit is None else limit / 2)

    def _line(self, label: str, title: str) -> str:
        full = f" ({title})" if title else ""
        said = f"  {label}{full}  {self.probabilities[label]:.1%}"
        limit = self.thresholds.get(label)
        if limit is None and self.decisions.get(label):
            return f"{said}  the most probable"
        if limit is None:
            return (
                said if not self.thresholds else f"{said}  no decision: no threshold was measured"
            )
        word = "yes" if self.decisions[label] else "no"
        why = f"threshold {limit:.1%}" if limit <= 1 else "never said with these leads"
        return f"{said}  {word} ({why})"

    def grounds(self) -> list[str]:
        """What the answer rests on: scores with these leads, the model, its training."""
        model = self.model
        said = [f"  {self.measured()}"]
        used = parse_leads(self.decided_with) if self.decided_with else self.leads
        if set(used) != set(self.leads):
            what = "thresholds are those" if self.thresholds else "calibration is that"
            said.append(f"  {what} for {', '.join(used)}, the nearest set that has any")
        said.append(f"  model {model.name} ({model.version}), {model.trained}")
        return [*said, f"  {NOTICE}"]

    def measured(self) -> str:
        """How good the model is with these leads, in words."""
        if self.scored_with is None:
            return "how good the model is with these leads was not measured"
        shown = ", ".join(
            f"{name.replace('auroc', 'macro AUROC')} {value:.3f} [{low:.3f}, {high:.3f}]"
            for name, (value, low, high) in self.scores.items()
        )
        used = ", ".join(parse_leads(self.scored_with))
        if self.is_measured:
            return f"validated with exactly these leads: {shown}"
        return f"not validated with exactly these leads; the nearest set, {used}: {shown}"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def answer(
    about: About,
    record: str,
    windows: Windows,
    logits: NDArray[np.float64] | None,
    sample_rate: float,
) -> Answer:
    """The answer of a model for a recording.

    Args:
        about: the model's words about itself.
        record: name of the recording.
        windows: what the model saw.
        logits: (label,) outputs of the head, or None where there is to be no answer.
        sample_rate: Hz of the windows.
    """
    seen = windows.leads
    decided_with = nearest(seen, about.thresholds or about.calibration)
    scored_with = nearest(seen, about.scores)
    outcome = OUTCOMES.get(about.kind, OUTCOMES["classification"])
    raw = {} if logits is None else dict(zip(about.label_names, logits.tolist(), strict=True))
    lines = _lines(about, seen)
    answered = {} if logits is None else _on_lines(about, lines, logits)
    stored = about.thresholds.get(decided_with or "", {})
    decided = {label: limit for label, limit in stored.items() if label in raw}
    if not outcome.is_probability or outcome.is_exclusive:
        decided = {}  # such a model decides by no thresholds
    return Answer(
        record=record,
        leads=seen,
        probabilities=answered if outcome.is_probability else {},
        values={} if outcome.is_probability else answered,
        decisions=_most_probable(answered)
        if outcome.is_exclusive
        else {label: _probability(raw[label]) >= limit for label, limit in decided.items()},
        thresholds=_limits(lines, decided),
        decided_with=decided_with,
        quality=flags(windows.quality),
        warnings=(*warnings(windows.quality), *_of_offset(windows.offset)),
        refusal=refusal(windows),
        scores=about.scores.get(scored_with or "", {}),
        scored_with=scored_with,
        start=float(windows.start[0] / sample_rate),
        seconds=float(
            (windows.start[-1] - windows.start[0] + windows.signal.shape[2]) / sample_rate
        ),
        model=about,
    )


def said(
    about: About, seen: Sequence[str], logits: NDArray[np.float64], plain: bool = False
) -> dict[str, float]:
    """What a model says: probabilities, calibrated for the leads that are there, or numbers.

    Args:
        about: the model's words about itself.
        seen: the leads that are there.
        logits: (label,) outputs of the head.
        plain: these, by label.
    """
    if plain:
        return dict(zip(about.label_names, logits.tolist(), strict=True))
    return _on_lines(about, _lines(about, seen), logits)


def _on_lines(
    about: About, lines: Mapping[str, tuple[float, float]], logits: NDArray[np.float64]
) -> dict[str, float]:
    outputs = [
        _on_line(value, lines.get(name))
        for name, value in zip(about.label_names, logits.tolist(), strict=True)
    ]
    outcome = OUTCOMES.get(about.kind, OUTCOMES["classification"])
    return dict(zip(about.label_names, outcome.said(np.array(outputs)).tolist(), strict=True))


def limits(about: About, seen: Sequence[str], stored: Any) -> dict[str, float]:
    """The probability of each label from which on the answer is yes, as `said` gives it.

    Args:
        about: the model's words about itself.
        seen: the leads that are there.
        stored: thresholds as `model.json` has them; a label without one has .5.
    """
    chosen = thresholds_for(stored, about.label_names, seen)
    plain = dict(zip(about.label_names, chosen.tolist(), strict=True))
    return _limits(_lines(about, seen), plain)


def _limits(
    lines: Mapping[str, tuple[float, float]], thresholds: Mapping[str, float]
) -> dict[str, float]:
    return {
        label: _probability(_logit(limit), lines[label])
        if label in lines and 0 < limit < 1
        else limit
        for label, limit in thresholds.items()
    }


def _lines(about: About, seen: Sequence[str]) -> Mapping[str, tuple[float, float]]:
    """By label the slope and offset that the nearest measured set of leads has."""
    return about.calibration.get(nearest(seen, about.thresholds or about.calibration) or "", {})


def _most_probable(probabilities: Mapping[str, float]) -> dict[str, bool]:
    most = max(probabilities, key=lambda name: probabilities[name], default=None)
    return {name: name == most for name in probabilities}


def from_dict(values: Mapping[str, Any], about: About) -> Answer:
    """The answer that `as_dict` gave."""
    kept = {name: values[name] for name in Answer.__dataclass_fields__ if name != "model"}
    kept |= {
        "leads": tuple(values["leads"]),
        "quality": {lead: tuple(flags) for lead, flags in values["quality"].items()},
        "warnings": tuple(values["warnings"]),
        "scores": {name: tuple(triple) for name, triple in values["scores"].items()},
    }
    return Answer(**kept, model=about)


def nearest(seen: Sequence[str], measured: Iterable[str]) -> str | None:
    """The measured set of leads that is most like those that are there, if there is any."""
    lead_sets = list(measured)
    return nearest_set(lead_sets, seen) if lead_sets else None


def flags(quality: NDArray[np.uint16] | None) -> dict[str, tuple[str, ...]]:
    """Lead -> names of its flags; leads without one are left out."""
    found: dict[str, tuple[str, ...]] = {}
    for lead, bits in zip(LEADS, _bits(quality), strict=True):
        if bits:
            found[lead] = tuple(str(flag.name).lower() for flag in Quality if flag & bits)
    return found


def warnings(quality: NDArray[np.uint16] | None) -> tuple[str, ...]:
    """What the flags mean for an answer, one line for each kind."""
    bits = _bits(quality)
    told = []
    for flag, meaning in _WARNINGS.items():
        leads = [lead for lead, found in zip(LEADS, bits, strict=True) if flag & found]
        if leads:
            told.append(f"{', '.join(leads)}: {meaning}" if len(leads) < len(LEADS) else meaning)
    return tuple(told)


def _of_offset(offset: NDArray[np.float32] | None) -> tuple[str, ...]:
    """What was taken off, where anything was."""
    if offset is None:
        return ()
    leads = ", ".join(lead for lead, off in zip(LEADS, offset, strict=True) if off)
    most = float(np.abs(offset).max())
    return (f"{leads}: off zero by up to {most:.1f} mV; this was taken off",)


def _bits(quality: NDArray[np.uint16] | None) -> list[int]:
    return [0] * len(LEADS) if quality is None else [int(bits) for bits in quality]


def _probability(logit: float, line: tuple[float, float] | None = None) -> float:
    return float(sigmoid(np.asarray(_on_line(logit, line))))


def _on_line(logit: float, line: tuple[float, float] | None) -> float:
    slope, offset = line or (1.0, 0.0)
    return slope * logit + offset


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))
