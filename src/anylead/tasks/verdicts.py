"""Verdicts of several lead sets as one: what the checkpoint of one model keeps."""

from collections.abc import Mapping, Sequence
from typing import Any

from anylead.metrics.thresholds import by_label
from anylead.tasks.setup import Verdict

# Facts of a verdict that hold one number for each label.
_BY_LABEL = ("thresholds", "cinc_thresholds")


def join_verdicts(verdicts: Mapping[str, Verdict], label_names: Sequence[str]) -> dict[str, Any]:
    """Thresholds by lead set and label, scores by lead set, and the other facts of the first.

    Args:
        verdicts: lead set -> what the validation split says with it; the first is that of the
            training.
        label_names: classes in the order of the thresholds.
    """
    first = next(iter(verdicts.values())).facts
    joined: dict[str, Any] = {k: v for k, v in first.items() if k not in _BY_LABEL}
    joined["valid_scores"] = {name: verdict.score for name, verdict in verdicts.items()}
    for fact in _BY_LABEL:
        if fact in first:
            joined[fact] = {
                name: by_label(verdict.facts[fact], label_names)
                for name, verdict in verdicts.items()
            }
    return joined
