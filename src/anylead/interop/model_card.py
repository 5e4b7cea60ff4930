"""A model card from a model's description: everything in it is read, nothing is claimed."""

from collections.abc import Mapping
from typing import Any

_WHAT = {
    "pretraining": "a self-supervised ECG encoder, without a head",
    "classification": "an ECG classifier",
    "multiclass": "an ECG classifier for classes that exclude each other",
    "regression": "an ECG model that answers with numbers",
    "survival": "an ECG model of the time to an event",
    "identification": "an ECG encoder trained to tell persons apart",
}


def model_card(description: Mapping[str, Any], repo: str | None = None) -> str:
    """Markdown with the metadata block of the Hugging Face hub.

    Args:
        description: the content of model.json.
        repo: "owner/name", where known.
    """
    name = (repo or "model").rpartition("/")[2]
    where = f"hf://{repo}" if repo else "FOLDER"
    kind = description.get("kind", "pretraining")
    call = "predict" if description.get("label_names") else "embed"
    parts = [
        "---",
        "library_name: anylead",
        "tags: [ecg, electrocardiogram, time-series, self-supervised]",
        "---",
        "",
        f"# {name}",
        "",
        f"This is {_WHAT.get(kind, 'an ECG model')} for any set of the 12 standard leads, written"
        " by anylead.",
        "",
        "```python",
        "import anylead",
        "",
        f'model = anylead.load("{where}")',
        f'print(model.{call}("record.dcm"))',
        "```",
        "",
        "It is not a medical device.",
        "",
        *_origin(description.get("weights_from")),
        "## What it expects",
        "",
        *_table(description.get("preprocess", {})),
        f"| segment | {description.get('segment_seconds', 5.0):g} s |",
        "",
        "anylead brings any recording there: other rates, orders and sets of leads, any length.",
        "",
        *_labels(description),
        "## Architecture",
        "",
        *_table(description.get("encoder", {})),
        "",
        *_provenance(description.get("provenance", {})),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _table(values: Mapping[str, Any]) -> list[str]:
    rows = [f"| {name} | {_cell(value)} |" for name, value in values.items()]
    return ["| setting | value |", "|---|---|", *rows]


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _labels(description: Mapping[str, Any]) -> list[str]:
    names = description.get("label_names")
    if not names:
        return []
    thresholds = description.get("thresholds")
    lines = ["## Labels", "", f"Task: {description.get('task', 'labels')}.", ""]
    if thresholds:
        rows = [
            f"| {_cell(label)} | "
            + " | ".join(
                f"{of_set[label]:.3f}" if label in of_set else "-" for of_set in thresholds.values()
            )
            + " |"
            for label in names
        ]
        head = "| threshold with leads | " + " | ".join(map(_cell, thresholds)) + " |"
        return [*lines, head, "|---" * (len(thresholds) + 1) + "|", *rows, ""]
    return [*lines, *[f"- {label}" for label in names], ""]


def _origin(origin: Mapping[str, Any] | None) -> list[str]:
    if origin is None:
        return []
    return [
        f"Its weights come from {origin['title']} ({origin['paper']}): {origin['licence']}.",
        "",
    ]


def _provenance(provenance: Mapping[str, Any]) -> list[str]:
    plain = {
        name: value
        for name, value in provenance.items()
        if isinstance(value, str | int | float) and value != ""
    }
    assumed = provenance.get("assumed", [])
    lines = ["## Where it comes from", "", *_table(plain), ""] if plain else []
    if assumed:
        lines += ["Assumed, since the original file does not say:", ""]
        lines += [f"- {text}" for text in assumed]
    return lines
