"""anylead pack: a run -> a model to hand on, which knows how good it is with any leads."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from anylead.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, write_atomically
from anylead.errors import CheckpointError, RecipeError
from anylead.evaluation import EVALUATIONS, Settings
from anylead.evaluation.classification import ClassificationRun
from anylead.evaluation.scores import triples
from anylead.inference.outcomes import OUTCOMES
from anylead.interop.model_card import model_card
from anylead.metrics.bootstrap import bootstrap_interval
from anylead.metrics.calibration import calibration_error, inverse_temperature, platt_scaling
from anylead.metrics.thresholds import best_f1_thresholds, by_label
from anylead.metrics.weighted import macro_auroc
from anylead.tasks import columns_by_task
from anylead.training.run_folder import RECIPE, RunFolder

FIRST = ("out", "store", "split", "lead_sets", "name", "version", "licence", "about")
EXAMPLES = ("anylead pack runs/diagnosis -o packed/ --name rhythm --version 2",)
_RULES = {
    "thresholds": "of the sigmoid of a logit: largest F1 on the validation split with these leads;"
    " none for a class with fewer than 10 recordings there",
    "calibration": "sigmoid(slope * logit + offset), fitted on the validation split with these"
    " leads, with a pull towards slope 1 and offset 0",
    "scores": "macro AUROC on the validation split with these leads, 95 % interval over patients",
}
_SCORES_ONLY = {"scores": "on the validation split with these leads, 95 % interval over patients"}
_EXCLUSIVE = {
    **_SCORES_ONLY,
    "calibration": "softmax(slope * logit), one slope fitted on the validation split with these"
    " leads, with a pull towards 1",
}


# With fewer the best threshold is that of a few recordings, often near 0, and says yes to many.
_FEWEST = 10


@dataclass(frozen=True)
class Recipe:
    """What is packed, and what it says about itself.

    Attributes:
        model: folder of `anylead finetune`, for a task that answers with labels or numbers; or of
            `anylead pretrain`, whose encoder is packed: it has no scores, so store, split,
            lead_sets and num_resamples are not for it.
        out: folder of the packed model.
        store: null takes the store of the run.
        split: whose recordings choose thresholds and calibration and give the scores.
        lead_sets: named sets, or lists such as "I,V2", separated by spaces.
        num_resamples: of patients, for the intervals.
        name: of the model, for its card.
        version: of the model, for its card.
        licence: of the weights; null where none is stated.
        about: facts for its card, by name: data, licence, what it is for and must not be used for.
        batch_size: windows at once.
        device: "auto", "cpu", "cuda".
    """

    model: str = "runs/finetune"
    out: str = "runs/packed"
    store: str | None = None
    split: str = "valid"
    lead_sets: str = "12 6 4 3 2 1 II V1,V2,V3,V4,V5,V6 V1"
    num_resamples: int = 1000
    name: str = "model"
    version: str = "1"
    licence: str | None = None
    about: Mapping[str, str] | None = None
    batch_size: int = 128
    device: str = "auto"


def run(recipe: Recipe) -> Path:
    """Measure the model with each set of leads, and choose thresholds; returns the folder.

    Raises:
        CheckpointError: the run says nothing that could be measured so.
        RecipeError: the folder holds another run, or another process writes there.
    """
    folder, out = Path(recipe.model), Path(recipe.out)
    if (out / RECIPE).is_file() and out.resolve() != folder.resolve():
        raise RecipeError(f"out: {out} holds a run ({RECIPE}); choose another --out")
    with RunFolder(out).alone():
        return _pack(recipe, folder, out)


def _pack(recipe: Recipe, folder: Path, out: Path) -> Path:
    checkpoint = load_checkpoint(folder)
    kind = checkpoint.description.get("kind")
    if kind == "pretraining":
        return _pack_encoder(recipe, checkpoint, out)
    if kind not in OUTCOMES:
        raise CheckpointError(f"{folder}: a {kind} model answers with no labels or numbers")
    rules = {"classification": _RULES, "multiclass": _EXCLUSIVE}.get(str(kind), _SCORES_ONLY)
    settings = Settings(
        store=recipe.store,
        split=recipe.split,
        num_resamples=recipe.num_resamples,
        batch_size=recipe.batch_size,
        device=recipe.device,
    )
    opened = EVALUATIONS[str(kind)].open(folder, checkpoint, settings)
    known: dict[str, dict[str, Any]] = {}
    for lead_set in recipe.lead_sets.split():
        if "thresholds" in rules:
            measured = _with_leads(opened, lead_set)
        else:
            found = triples(opened.score(lead_set).macro)
            measured = {"scores": {name: _rounded(list(value)) for name, value in found.items()}}
        if rules is _EXCLUSIVE:
            measured["calibration"] = _of_exclusive(opened, lead_set)
        for fact, values in measured.items():
            known.setdefault(fact, {})[lead_set] = values
        print(f"{lead_set}: {measured['scores']}")
    described = {
        **_described(recipe, checkpoint),
        **known,
        "rules": rules,
        "training": _training(opened, checkpoint),
    }
    return _save(out, checkpoint.tensors, described)


def _pack_encoder(recipe: Recipe, checkpoint: Checkpoint, out: Path) -> Path:
    """What a pre-training made, without what only its objective needs."""
    for name in ("store", "split", "lead_sets", "num_resamples"):
        if getattr(recipe, name) != getattr(Recipe(), name):
            raise RecipeError(f"{name}: an encoder alone has no scores; leave it out")
    tensors = {
        name: tensor for name, tensor in checkpoint.tensors.items() if name.startswith("encoder.")
    }
    made = checkpoint.description.get("provenance", {})
    training = {
        **checkpoint.description["data"],
        **_made_now(tensors),
        "steps": made.get("steps"),
        "method": made.get("recipe", {}).get("method"),
    }
    return _save(out, tensors, {**_described(recipe, checkpoint), "training": training})


def _described(recipe: Recipe, checkpoint: Checkpoint) -> dict[str, Any]:
    """The description of the run, with what the packed model says about itself."""
    return {
        **_handed_on(checkpoint.description),
        "name": recipe.name,
        "version": recipe.version,
        "licence": recipe.licence,
        "about": dict(recipe.about or {}),
    }


def _save(out: Path, tensors: Mapping[str, Tensor], described: Mapping[str, Any]) -> Path:
    save_checkpoint(out, tensors, described)
    write_atomically(out / "README.md", card(described).encode())
    print(f"packed: {out} ({(out / 'model.safetensors').stat().st_size / 1e6:.1f} MB)")
    return out


def _with_leads(opened: ClassificationRun, lead_set: str) -> dict[str, Any]:
    """Thresholds, calibration and scores with some leads."""
    predictions = opened.predict(lead_set)
    thresholds: list[float] = []
    slopes: list[float] = []
    offsets: list[float] = []
    is_measured: list[bool] = []
    scores: dict[str, dict[str, Any]] = {}
    for task, columns in columns_by_task(opened.task, opened.names).items():
        label = opened.labels.of(predictions.row)[:, columns]
        is_known = np.isfinite(label).all(axis=1)
        true, logit = label[is_known], predictions.logits[is_known][:, columns]
        said = predictions.probability[is_known][:, columns]
        slope, offset = platt_scaling(true, logit)
        thresholds += _rounded(best_f1_thresholds(true, said))
        is_measured += (true.sum(axis=0) >= _FEWEST).tolist()
        slopes += _rounded(slope)
        offsets += _rounded(offset)
        patient = opened.store.patient[predictions.row[is_known]]
        interval = bootstrap_interval(
            macro_auroc(true, said), patient, opened.head.settings.num_resamples
        )
        calibrated = 1 / (1 + np.exp(-(slope * logit + offset)))
        scores[task] = {
            "auroc": _rounded([interval.value, interval.low, interval.high]),
            "calibration_error": _rounded(
                [calibration_error(true, said), calibration_error(true, calibrated)]
            ),
            "records": int(is_known.sum()),
        }
    both = zip(opened.names, slopes, offsets, strict=True)
    return {
        "thresholds": {
            name: limit
            for (name, limit), is_so in zip(
                by_label(thresholds, opened.names).items(), is_measured, strict=True
            )
            if is_so
        },
        "calibration": {name: [slope, offset] for name, slope, offset in both},
        "scores": scores,
    }


def _of_exclusive(opened: ClassificationRun, lead_set: str) -> dict[str, list[float]]:
    """One slope, the same for all classes."""
    predictions = opened.predict(lead_set)
    label = opened.labels.of(predictions.row)
    is_known = np.isfinite(label).all(axis=1)
    slope = inverse_temperature(label[is_known], predictions.logits[is_known])
    return {name: [*_rounded([slope]), 0.0] for name in opened.names}


def _rounded(values: NDArray[np.float64] | list[float]) -> list[float]:
    return [round(float(value), 5) for value in values]


def _handed_on(description: Mapping[str, Any]) -> dict[str, Any]:
    """The description without folders of this machine."""
    kept = json.loads(json.dumps(description))
    recipe = kept.get("provenance", {}).get("recipe", {})
    recipe.pop("out", None)
    recipe.get("data", {}).pop("store", None)
    recipe.get("model", {}).pop("checkpoint", None)
    teacher = recipe.get("teacher", {})
    for names in (teacher.get("models", []), *teacher.get("by_leads", {}).values()):
        names[:] = [Path(each).name for each in names]
    return dict(kept)


def _training(opened: Any, checkpoint: Checkpoint) -> dict[str, Any]:
    """What the model was trained on."""
    described = checkpoint.description
    made = described.get("provenance", {})
    rows = opened.store.split_rows(opened.head.task, described["data"]["scheme"])
    patients = len(np.unique(opened.store.patient[rows["train"]]))
    seconds = opened.store.num_samples / opened.store.manifest.sample_rate
    return {
        **described["data"],
        "recordings": {name: len(part) for name, part in rows.items()},
        "patients": patients,
        "hours": {name: round(float(seconds[part].sum()) / 3600, 1) for name, part in rows.items()},
        **_made_now(checkpoint.tensors),
        "steps": made.get("steps"),
        "pretraining": made.get("pretraining"),
    }


def _made_now(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
    }


def card(described: Mapping[str, Any]) -> str:
    """The model card: what the model is, what it is not for and, with a head, how good it is."""
    lines = [f"# {described['name']}", ""]
    for name, text in described["about"].items():
        lines += [f"**{name}.** {text}", ""]
    if "scores" in described:
        lines += [*_scores(described), ""]
    lines += ["## Training", "", "| fact | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in described["training"].items()]
    lines += ["", *model_card(described).split("---\n", 2)[2].strip().splitlines()[2:]]
    return "\n".join(lines) + "\n"


def _scores(described: Mapping[str, Any]) -> list[str]:
    names = list(next(iter(described["scores"].values())))
    rule = described["rules"]["scores"]
    lines = ["## Scores by leads", "", f"{rule[0].upper()}{rule[1:]}.", ""]
    lines += [f"| leads | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for leads, scores in described["scores"].items():
        found = [scores[name] for name in names]  # of a task several, of which AUROC is shown
        triple = [each["auroc"] if isinstance(each, Mapping) else each for each in found]
        cells = ["{:.3f} [{:.3f}, {:.3f}]".format(*each) for each in triple]
        lines.append(f"| {leads} | {' | '.join(cells)} |")
    return lines
